/* SPDX-License-Identifier: ISC */
/* The culvert dialect against transcripts that an implementation of doc/PROTOCOL alone made. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/cookie.h"
#include "core/kdf.h"
#include "core/noise.h"
#include "vectors/culvert.h"

static bool is_shared(const struct culvert_vector *v)
{
	return !key_is_zero(v->shared_key);
}

/* An end with what it knows of itself and of the other. */
struct end {
	struct noise_local local;
	struct noise_remote *remote;
	struct cookie_maker maker;
};

static void make_end(struct end *end, const struct culvert_vector *v, bool initiator)
{
	const uint8_t *other =
		initiator || is_shared(v) ? v->responder_public : v->initiator_public;
	uint8_t psk[KEY_LEN];

	*end = (struct end){ 0 };
	memcpy(psk, v->psk, KEY_LEN);
	if (is_shared(v))
		noise_local_set_shared(&end->local, psk, v->shared_key);
	else
		noise_local_set_private(
			&end->local, initiator ? v->initiator_private : v->responder_private);
	assert_memory_equal(psk, v->psk, KEY_LEN);
	end->remote = noise_remote_new(other);
	noise_remote_set_local(end->remote, &end->local);
	noise_remote_set_psk(end->remote, psk);
	cookie_derive_keys(&end->maker.initiation_keys, v->responder_public);
	cookie_derive_keys(&end->maker.response_keys, v->initiator_public);
}

static void set_fields(struct noise_fields *fields, const uint8_t *bytes, size_t len)
{
	fields->len = len;
	memcpy(fields->bytes, bytes, len);
}

/* Our initiator makes the same initiation, and understands the response. */
static void check_initiator(const struct culvert_vector *v)
{
	uint8_t message[WIRE_INITIATION_MAX];
	struct noise_fields fields;
	struct noise_keys keys;
	struct end end;

	make_end(&end, v, true);
	assert_memory_equal(end.local.initiator.private_key, v->initiator_private, KEY_LEN);
	set_fields(&fields, v->initiation_fields, v->initiation_fields_len);
	assert_int_equal(
		noise_create_initiation(end.remote, &end.local, WIRE_CULVERT, v->initiator_index,
			v->initiator_ephemeral, v->timestamp, &fields, message),
		v->initiation_len);
	cookie_add_macs(&end.maker, message, v->initiation_len, 0);
	assert_memory_equal(message, v->initiation, v->initiation_len);

	assert_int_equal(wire_classify(v->response, v->response_len), WIRE_RESPONSE);
	assert_int_equal(noise_consume_response(end.remote, &end.local, v->response,
				 v->response_len, &fields, &keys),
		0);
	assert_int_equal(fields.len, v->response_fields_len);
	assert_memory_equal(fields.bytes, v->response_fields, fields.len);
	assert_memory_equal(keys.send, v->initiator_send_key, KEY_LEN);
	assert_memory_equal(keys.receive, v->initiator_receive_key, KEY_LEN);
	assert_int_equal(keys.remote_index, v->responder_index);
	noise_remote_free(end.remote);
}

/* Our responder understands the initiation, and makes the same response. */
static void check_responder(const struct culvert_vector *v)
{
	uint8_t message[WIRE_RESPONSE_MAX];
	struct noise_responder responder;
	struct noise_fields fields;
	struct noise_keys keys;
	struct end end;

	make_end(&end, v, false);
	assert_memory_equal(end.local.responder.private_key, v->responder_private, KEY_LEN);
	assert_int_equal(wire_classify(v->initiation, v->initiation_len), WIRE_INITIATION);
	assert_int_equal(
		noise_open_initiation(&responder, &end.local, v->initiation, v->initiation_len), 0);
	assert_memory_equal(responder.remote_static, v->initiator_public, KEY_LEN);
	assert_int_equal(noise_accept_initiation(&responder, end.remote, 1, &fields), 0);
	assert_int_equal(fields.len, v->initiation_fields_len);
	assert_memory_equal(fields.bytes, v->initiation_fields, fields.len);
	assert_memory_equal(responder.chaining_key, v->initiation_chaining_key, KDF_LEN);
	assert_memory_equal(responder.hash, v->initiation_hash, KDF_LEN);

	set_fields(&fields, v->response_fields, v->response_fields_len);
	assert_int_equal(noise_create_response(&responder, end.remote, v->responder_index,
				 v->responder_ephemeral, &fields, message, &keys),
		v->response_len);
	cookie_add_macs(&end.maker, message, v->response_len, 0);
	assert_memory_equal(message, v->response, v->response_len);
	assert_memory_equal(keys.send, v->initiator_receive_key, KEY_LEN);
	assert_memory_equal(keys.receive, v->initiator_send_key, KEY_LEN);
	noise_remote_free(end.remote);
}

static void transcripts(void **state)
{
	const size_t count = sizeof(culvert_vectors) / sizeof(*culvert_vectors);

	(void)state;
	assert_true(count > 0);
	for (size_t i = 0; i < count; i++) {
		check_initiator(&culvert_vectors[i]);
		check_responder(&culvert_vectors[i]);
	}
}

/* INSTANCE of a shared key: a mac of what tells the ends apart. */
static void instances(void **state)
{
	uint8_t instance[16];

	(void)state;
	for (size_t i = 0; i < sizeof(culvert_vectors) / sizeof(*culvert_vectors); i++) {
		const struct culvert_vector *v = &culvert_vectors[i];

		if (!is_shared(v))
			continue;
		kdf_mac(instance, v->shared_key, KEY_LEN, v->initiator_source, 32);
		assert_memory_equal(instance, v->initiator_instance, sizeof(instance));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(transcripts),
		cmocka_unit_test(instances),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
