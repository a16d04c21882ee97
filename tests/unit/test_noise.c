/* SPDX-License-Identifier: ISC */
/* The handshake: transcripts made by another implementation, its states, shared keys. What it must
 * refuse is in test_noise_refusals.c. */
#include "noise_ends.h"

#include "core/aead.h"
#include "vectors/handshake.h"

enum { VECTORS = sizeof(handshake_vectors) / sizeof(handshake_vectors[0]) };

/* Data messages as the vectors have them, with the keys that the handshake gave. */
static void check_data(const struct handshake_vector *v, const struct noise_keys *a_keys,
	const struct noise_keys *b_keys)
{
	const struct aead *cipher = aead_chacha20_poly1305;
	const uint64_t counters[] = { 0, v->late_counter };
	const uint8_t *const messages[] = { v->message, v->late_message };
	struct aead_key send, receive_key;

	cipher->prepare(&send, a_keys->send);
	cipher->prepare(&receive_key, b_keys->receive);
	for (int i = 0; i < 2; i++) {
		uint8_t message[sizeof(v->message)], plain[sizeof(v->plaintext)];
		struct wire_data *head = (struct wire_data *)message;

		wire_put_type(head->type, WIRE_DATA, WIRE_WIREGUARD);
		wire_put32(head->receiver, a_keys->remote_index);
		wire_put64(head->counter, counters[i]);
		cipher->seal(&send, counters[i], message + sizeof(*head), v->plaintext, v->len);
		assert_memory_equal(message, messages[i], v->len + 32);
		assert_int_equal(cipher->open(&receive_key, counters[i], plain,
					 messages[i] + sizeof(*head), v->len + 16),
			0);
		assert_memory_equal(plain, v->plaintext, v->len);
	}
}

static void vector_ends(struct ends *ends, const struct handshake_vector *v)
{
	struct noise_local a = { 0 }, b = { 0 };

	noise_local_set_private(&a, v->initiator_private);
	noise_local_set_private(&b, v->responder_private);
	assert_memory_equal(a.initiator.public_key, v->initiator_public, KEY_LEN);
	assert_memory_equal(b.responder.public_key, v->responder_public, KEY_LEN);
	end_init(&ends->a, &a, &b, v->psk);
	end_init(&ends->b, &b, &a, v->psk);
}

/* Both ends, byte for byte. */
static void test_vectors(void **state)
{
	(void)state;
	for (size_t i = 0; i < VECTORS; i++) {
		const struct handshake_vector *v = &handshake_vectors[i];
		uint8_t message[WIRE_INITIATION_MAX];
		struct noise_responder responder;
		struct noise_keys a_keys, b_keys;
		struct noise_fields fields;
		struct ends ends;

		vector_ends(&ends, v);
		memset(message, 0xee, sizeof(message));
		assert_int_equal(noise_create_initiation(ends.a.remote, &ends.a.local,
					 WIRE_WIREGUARD, v->initiator_index, v->initiator_ephemeral,
					 v->timestamp, &no_fields, message),
			148);
		assert_true(sodium_is_zero(message + 116, 32)); /* macs are not its business */
		cookie_add_macs(&ends.a.maker, message, 148, START);
		assert_memory_equal(message, v->initiation, 148);

		assert_int_equal(receive(&ends.b, (struct message){ message, 148 }, START,
					 &responder, &fields),
			0);
		assert_int_equal(fields.len, 0);
		assert_int_equal(responder.dialect, WIRE_WIREGUARD);
		assert_int_equal(responder.remote_index, v->initiator_index);
		assert_memory_equal(responder.remote_static, v->initiator_public, KEY_LEN);
		assert_memory_equal(responder.chaining_key, v->initiation_chaining_key, 32);
		assert_memory_equal(responder.hash, v->initiation_hash, 32);

		memset(message, 0xee, sizeof(message));
		assert_int_equal(
			noise_create_response(&responder, ends.b.remote, v->responder_index,
				v->responder_ephemeral, &no_fields, message, &b_keys),
			92);
		assert_true(sodium_is_zero(message + 60, 32));
		cookie_add_macs(&ends.b.maker, message, 92, START);
		assert_memory_equal(message, v->response, 92);

		assert_int_equal(
			finish(&ends.a, (struct message){ message, 92 }, &fields, &a_keys), 0);
		assert_int_equal(fields.len, 0);
		assert_memory_equal(a_keys.send, v->initiator_send_key, KEY_LEN);
		assert_memory_equal(a_keys.receive, v->initiator_receive_key, KEY_LEN);
		assert_int_equal(a_keys.local_index, v->initiator_index);
		assert_int_equal(a_keys.remote_index, v->responder_index);
		assert_keys_match(&a_keys, &b_keys);
		check_data(v, &a_keys, &b_keys);
		ends_free(&ends);
	}
}

/* Each role alone against the other one's recorded message: no mistake can cancel out. */
static void test_vectors_alone(void **state)
{
	(void)state;
	for (size_t i = 0; i < VECTORS; i++) {
		const struct handshake_vector *v = &handshake_vectors[i];
		uint8_t message[WIRE_INITIATION_MAX], ephemeral[KEY_LEN];
		struct noise_keys keys;
		struct noise_fields fields;
		struct ends ends;

		vector_ends(&ends, v);
		struct message initiation = message_take(v->initiation, sizeof(v->initiation));
		struct message response = message_take(v->response, sizeof(v->response));

		assert_int_equal(try_receive(&ends.b, initiation, START), 0);
		/* The ephemeral key need not be clamped. */
		memcpy(ephemeral, v->initiator_ephemeral, KEY_LEN);
		ephemeral[0] |= 7;
		ephemeral[31] ^= 0xc0;
		assert_int_equal(
			noise_create_initiation(ends.a.remote, &ends.a.local, WIRE_WIREGUARD,
				v->initiator_index, ephemeral, v->timestamp, &no_fields, message),
			148);
		assert_memory_equal(message, v->initiation, 116);
		assert_int_equal(finish(&ends.a, response, &fields, &keys), 0);
		assert_memory_equal(keys.send, v->initiator_send_key, KEY_LEN);
		assert_memory_equal(keys.receive, v->initiator_receive_key, KEY_LEN);
		free(initiation.bytes);
		free(response.bytes);
		ends_free(&ends);
	}
}

/* A shared-key handshake in the culvert dialect, with fields in both messages: computed with the
 * functions of vectors/wireguard.py, "culvert v1" in the identifier's place. */
static const struct {
	const char *initiator_private, *responder_private, *psk;
	const char *initiator_public, *responder_public;
	const char *initiator_ephemeral, *responder_ephemeral;
	const char *initiation_fields, *response_fields;
	const char *initiation, *response;
	const char *initiator_send_key, *initiator_receive_key;
} culvert = {
	.initiator_private = "c08456fa0fa889448f3eea9d86749b5b04311bf245f9857d5c127afadc6cb558",
	.responder_private = "d8fbbcb31517d06606f8aa5e81889f87c42947901022b92a9e7a0104de3cdf7e",
	.psk = "e0ec0237df99c457605b58026d3d3ac10b529105802105deab1c35f5b65e34ee",
	.initiator_public = "cdb0edf095c26665c0482722557a012a14d7cfb35064bfb9d82d0a7c69bf3252",
	.responder_public = "5c37bfda575bcac69a70ab97733da98fa3ec34cc09c0dadad68f5b4de12c6757",
	.initiator_ephemeral = "0002030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f60",
	.responder_ephemeral = "8082838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f60",
	.initiation_fields = "010300030201"
			     "02010001"
			     "031000f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff",
	.response_fields = "01010003"
			   "02010001",
	.initiation = "010100004433221107a37cbc142093c8b755dc1b10e86cb426374ad16aa853ed"
		      "0bdfc0b2b86d1c7c3ef0e35205b1f97e7a943f9cb9f5d225ff246e3447bf4eef"
		      "5d0e23c3cbde78ec5a20c6fde8a9e2a3647612c98c15f0bc4e4347ae97db1815"
		      "2fbd5b5507728ecc2eb6125ee4c3a8e6ee361b0e1bf799046c8e3f379d58a23e"
		      "75e4d40d575958e3fb1d2e2ac52fe239501c5cb5cd2e0ed6cd26d2d7af689af2"
		      "7c00000000000000000000000000000000",
	.response = "020100008877665544332211883186b800b41d5cf0429695da9b3cc4f328ebcd"
		    "184a6e482fa578c103f06c777d00bbdc8dca53edf940af6189721e9ca16c6ad2"
		    "da1b499ec471eb42cf582a535c084f3a50e94166000000000000000000000000"
		    "00000000",
	.initiator_send_key = "18752d4542ddea31c441178f89b8e100109a51282424b6aae096780e09a9761c",
	.initiator_receive_key = "95de8149719c890a836175c89c7743668a2cc873b074cb52680d743ecde5188d",
};

static void assert_key(const uint8_t *key, const char *expected)
{
	char text[KEY_HEX_SIZE];

	key_to_hex(text, key);
	assert_string_equal(text, expected);
}

static struct noise_fields fields_from_hex(const char *text)
{
	struct noise_fields fields = { .len = strlen(text) / 2 };

	unhex(fields.bytes, fields.len, text);
	return fields;
}

static void test_culvert_vector(void **state)
{
	const struct noise_fields a_fields = fields_from_hex(culvert.initiation_fields);
	const struct noise_fields b_fields = fields_from_hex(culvert.response_fields);
	uint8_t shared_key[KEY_LEN], ephemeral[KEY_LEN], message[WIRE_INITIATION_MAX],
		expected[177];
	uint8_t timestamp[WIRE_TIMESTAMP_LEN];
	struct noise_responder responder;
	struct noise_keys a_keys, b_keys;
	struct noise_fields fields;
	struct ends ends;

	(void)state;
	for (uint8_t i = 0; i < KEY_LEN; i++)
		shared_key[i] = (uint8_t)(0x40 + i);
	ends_init_shared(&ends, shared_key);
	assert_key(ends.a.local.initiator.private_key, culvert.initiator_private);
	assert_key(ends.a.local.responder.private_key, culvert.responder_private);
	assert_key(ends.a.local.initiator.public_key, culvert.initiator_public);
	assert_key(ends.a.local.responder.public_key, culvert.responder_public);
	assert_key(ends.psk, culvert.psk);
	unhex(timestamp, sizeof(timestamp), "400000006553f10a1a000000");
	unhex(ephemeral, sizeof(ephemeral), culvert.initiator_ephemeral);
	unhex(expected, 177, culvert.initiation);
	assert_int_equal(noise_create_initiation(ends.a.remote, &ends.a.local, WIRE_CULVERT,
				 0x11223344, ephemeral, timestamp, &a_fields, message),
		177);
	cookie_add_macs(&ends.a.maker, message, 177, START);
	assert_memory_equal(message, expected, 177);
	assert_int_equal(
		receive(&ends.b, (struct message){ message, 177 }, START, &responder, &fields), 0);
	assert_int_equal(responder.dialect, WIRE_CULVERT);
	assert_int_equal(fields.len, a_fields.len);
	assert_memory_equal(fields.bytes, a_fields.bytes, fields.len);

	unhex(ephemeral, sizeof(ephemeral), culvert.responder_ephemeral);
	unhex(expected, 100, culvert.response);
	assert_int_equal(noise_create_response(&responder, ends.b.remote, 0x55667788, ephemeral,
				 &b_fields, message, &b_keys),
		100);
	cookie_add_macs(&ends.b.maker, message, 100, START);
	assert_memory_equal(message, expected, 100);
	assert_int_equal(finish(&ends.a, (struct message){ message, 100 }, &fields, &a_keys), 0);
	assert_int_equal(fields.len, b_fields.len);
	assert_memory_equal(fields.bytes, b_fields.bytes, fields.len);
	assert_key(a_keys.send, culvert.initiator_send_key);
	assert_key(a_keys.receive, culvert.initiator_receive_key);
	assert_keys_match(&a_keys, &b_keys);
	ends_free(&ends);
}

/* Fields of every size up to the largest, both ways. */
static void test_fields(void **state)
{
	struct ends ends;
	uint32_t number = 0;

	(void)state;
	random_state = 11;
	ends_init(&ends);
	for (size_t len = 0; len <= WIRE_FIELDS_MAX; len += len < 20 || len > 1270 ? 1 : 50) {
		struct noise_fields a_fields = { .len = len };
		struct noise_fields b_fields = { .len = WIRE_FIELDS_MAX - len };
		struct noise_fields got;
		struct noise_responder responder;
		struct noise_keys a_keys, b_keys;

		fill_random(a_fields.bytes, a_fields.len);
		fill_random(b_fields.bytes, b_fields.len);
		struct message initiation = initiate(&ends.a, WIRE_CULVERT, 1, ++number, &a_fields);

		assert_int_equal(
			receive(&ends.b, initiation, START + number * SECOND, &responder, &got), 0);
		assert_int_equal(got.len, a_fields.len);
		assert_memory_equal(got.bytes, a_fields.bytes, got.len);
		/* They are not there for all to read. */
		if (len >= 8)
			assert_null(memmem(initiation.bytes, initiation.len, a_fields.bytes, 8));
		struct message response = respond(&ends.b, &responder, 2, &b_fields, &b_keys);

		assert_int_equal(finish(&ends.a, response, &got, &a_keys), 0);
		assert_int_equal(got.len, b_fields.len);
		assert_memory_equal(got.bytes, b_fields.bytes, got.len);
		assert_keys_match(&a_keys, &b_keys);
		free(initiation.bytes);
		free(response.bytes);
	}
	ends_free(&ends);
}

/* A shared key gives both ends the same keys, two of them, and either may start. */
static void test_shared(void **state)
{
	uint8_t shared_key[KEY_LEN], other_key[KEY_LEN];
	struct ends ends, others;
	struct noise_keys keys;

	(void)state;
	random_state = 13;
	fill_random(shared_key, sizeof(shared_key));
	ends_init_shared(&ends, shared_key);
	const struct noise_local *a = &ends.a.local, *b = &ends.b.local;

	assert_memory_equal(&a->initiator, &b->initiator, sizeof(a->initiator));
	assert_memory_equal(&a->responder, &b->responder, sizeof(a->responder));
	assert_memory_not_equal(a->initiator.private_key, a->responder.private_key, KEY_LEN);
	assert_memory_not_equal(a->initiator.public_key, a->responder.public_key, KEY_LEN);
	assert_memory_not_equal(ends.psk, a->initiator.private_key, KEY_LEN);
	assert_memory_not_equal(ends.psk, a->responder.private_key, KEY_LEN);
	assert_memory_not_equal(ends.psk, shared_key, KEY_LEN);
	assert_true(a->has_key && a->shared);
	shake_hands(&ends.a, &ends.b, WIRE_CULVERT, 1, START, &keys);
	shake_hands(&ends.b, &ends.a, WIRE_CULVERT, 1, START, &keys);
	shake_hands(&ends.b, &ends.a, WIRE_CULVERT, 2, START + SECOND, &keys);
	shake_hands(&ends.a, &ends.b, WIRE_CULVERT, 2, START + SECOND, &keys);

	/* One bit of the shared key: nothing is the same. */
	memcpy(other_key, shared_key, KEY_LEN);
	other_key[31] ^= 1;
	ends_init_shared(&others, other_key);
	struct message message = initiate(&others.a, WIRE_CULVERT, 1, 9, &no_fields);

	assert_int_equal(try_receive(&ends.b, message, START + 2 * SECOND), -EACCES);
	cookie_add_macs(&ends.a.maker, message.bytes, message.len, START);
	assert_int_equal(try_receive(&ends.b, message, START + 2 * SECOND), -EBADMSG);
	free(message.bytes);
	ends_free(&ends);
	ends_free(&others);
}

/* With a shared key our own initiation is as authentic as the peer's: only the ephemeral key (and
 * the instance, which is not known here) tells a reflection. */
static void test_shared_reflection(void **state)
{
	uint8_t shared_key[KEY_LEN] = { 6 };
	struct noise_responder responder;
	struct noise_fields fields;
	struct ends ends;

	(void)state;
	random_state = 15;
	ends_init_shared(&ends, shared_key);
	struct message theirs = initiate(&ends.b, WIRE_CULVERT, 1, 7, &no_fields);
	struct message ours = initiate(&ends.a, WIRE_CULVERT, 1, 8, &no_fields);

	assert_int_equal(receive(&ends.a, theirs, START, &responder, &fields), 0);
	assert_false(noise_remote_sent_ephemeral(ends.a.remote, responder.remote_ephemeral));
	assert_true(noise_remote_sent_ephemeral(ends.b.remote, responder.remote_ephemeral));
	assert_int_equal(noise_open_initiation(&responder, &ends.a.local, ours.bytes, ours.len), 0);
	assert_true(noise_remote_sent_ephemeral(ends.a.remote, responder.remote_ephemeral));
	assert_int_equal(
		noise_accept_initiation(&responder, ends.a.remote, START + SECOND, &fields), 0);
	noise_remote_clear(ends.a.remote);
	assert_false(noise_remote_sent_ephemeral(ends.a.remote, responder.remote_ephemeral));
	free(theirs.bytes);
	free(ours.bytes);
	ends_free(&ends);
}

/* A response is for the last initiation, and for one only. */
static void test_pending(void **state)
{
	struct noise_responder responder;
	struct noise_keys keys, ignored;
	struct noise_fields fields;
	struct ends ends;

	(void)state;
	random_state = 17;
	ends_init(&ends);
	assert_false(noise_remote_is_pending(ends.a.remote));
	struct message first = initiate(&ends.a, WIRE_WIREGUARD, 1, 1, &no_fields);

	assert_true(noise_remote_is_pending(ends.a.remote));
	assert_int_equal(receive(&ends.b, first, START, &responder, &fields), 0);
	struct message to_first = respond(&ends.b, &responder, 11, &no_fields, &keys);
	struct message second = initiate(&ends.a, WIRE_WIREGUARD, 2, 2, &no_fields);

	assert_int_equal(receive(&ends.b, second, START + SECOND, &responder, &fields), 0);
	struct message to_second = respond(&ends.b, &responder, 12, &no_fields, &keys);

	assert_int_equal(finish(&ends.a, to_first, &fields, &ignored), -ENOENT);
	/* The same index by chance: the ephemeral key is another. */
	wire_put32(to_first.bytes + 8, 2);
	cookie_add_macs(&ends.b.maker, to_first.bytes, to_first.len, START);
	assert_int_equal(finish(&ends.a, to_first, &fields, &ignored), -EBADMSG);
	assert_int_equal(finish(&ends.a, to_second, &fields, &ignored), 0);
	assert_keys_match(&ignored, &keys);
	assert_int_equal(finish(&ends.a, to_second, &fields, &ignored), -ENOENT);
	free(first.bytes);
	free(to_first.bytes);
	free(second.bytes);
	free(to_second.bytes);
	ends_free(&ends);
}

/* What forgets a pending initiation: clearing, and a local key set anew, be it the same. */
static void test_pending_forgotten(void **state)
{
	(void)state;
	random_state = 18;
	for (int way = 0; way < 2; way++) {
		struct noise_responder responder;
		struct noise_keys keys;
		struct noise_fields fields;
		struct ends ends;

		ends_init(&ends);
		struct message initiation = initiate(&ends.a, WIRE_WIREGUARD, 1, 1, &no_fields);

		assert_int_equal(receive(&ends.b, initiation, START, &responder, &fields), 0);
		struct message response = respond(&ends.b, &responder, 11, &no_fields, &keys);

		if (way)
			noise_remote_set_local(ends.a.remote, &ends.a.local);
		else
			noise_remote_clear(ends.a.remote);
		assert_false(noise_remote_is_pending(ends.a.remote));
		assert_int_equal(finish(&ends.a, response, &fields, &keys), -ENOENT);
		shake_hands(&ends.a, &ends.b, WIRE_WIREGUARD, 2, START + SECOND, &keys);
		free(initiation.bytes);
		free(response.bytes);
		ends_free(&ends);
	}
}

/* Both start at the same moment: answering does not touch what is pending, and both succeed. */
static void test_both_start(void **state)
{
	uint8_t shared_key[KEY_LEN] = { 7 };

	(void)state;
	random_state = 19;
	for (int shared = 0; shared < 2; shared++) {
		struct noise_responder a_responder, b_responder;
		struct noise_keys a_own, a_answered, b_own, b_answered;
		struct noise_fields fields;
		struct ends ends;

		if (shared)
			ends_init_shared(&ends, shared_key);
		else
			ends_init(&ends);
		struct message from_a = initiate(&ends.a, WIRE_CULVERT, 1, 1, &no_fields);
		struct message from_b = initiate(&ends.b, WIRE_CULVERT, 2, 1, &no_fields);

		assert_int_equal(receive(&ends.b, from_a, START, &b_responder, &fields), 0);
		assert_int_equal(receive(&ends.a, from_b, START, &a_responder, &fields), 0);
		struct message to_b = respond(&ends.a, &a_responder, 3, &no_fields, &a_answered);
		struct message to_a = respond(&ends.b, &b_responder, 4, &no_fields, &b_answered);

		assert_true(noise_remote_is_pending(ends.a.remote));
		assert_true(noise_remote_is_pending(ends.b.remote));
		assert_int_equal(finish(&ends.a, to_a, &fields, &a_own), 0);
		assert_int_equal(finish(&ends.b, to_b, &fields, &b_own), 0);
		assert_keys_match(&a_own, &b_answered);
		assert_keys_match(&b_own, &a_answered);
		assert_memory_not_equal(a_own.send, b_own.receive, KEY_LEN);
		free(from_a.bytes);
		free(from_b.bytes);
		free(to_a.bytes);
		free(to_b.bytes);
		ends_free(&ends);
	}
}

/* No key yet, or no longer: errors, and nothing else. */
static void test_no_key(void **state)
{
	static const uint8_t zero[KEY_LEN];
	uint8_t bytes[WIRE_INITIATION_MAX], timestamp[WIRE_TIMESTAMP_LEN];
	struct noise_responder responder, b_responder;
	struct noise_keys keys;
	struct noise_fields fields;
	struct ends ends;

	(void)state;
	random_state = 20;
	ends_init(&ends);
	stamp(timestamp, 50);
	struct message from_a = initiate(&ends.a, WIRE_WIREGUARD, 1, 1, &no_fields);
	struct message from_b = initiate(&ends.b, WIRE_WIREGUARD, 2, 1, &no_fields);

	assert_int_equal(receive(&ends.b, from_a, START, &b_responder, &fields), 0);
	struct message to_a = respond(&ends.b, &b_responder, 3, &no_fields, &keys);

	assert_int_equal(
		noise_open_initiation(&responder, &ends.a.local, from_b.bytes, from_b.len), 0);
	noise_local_set_private(&ends.a.local, zero);
	assert_false(ends.a.local.has_key);
	assert_true(
		sodium_is_zero((uint8_t *)&ends.a.local.initiator, sizeof(struct noise_identity)));
	assert_true(
		sodium_is_zero((uint8_t *)&ends.a.local.responder, sizeof(struct noise_identity)));
	noise_remote_set_local(ends.a.remote, &ends.a.local);
	assert_int_equal(
		noise_accept_initiation(&responder, ends.a.remote, START, &fields), -EKEYREJECTED);
	assert_int_equal(noise_create_initiation(ends.a.remote, &ends.a.local, WIRE_WIREGUARD, 1,
				 ends.psk, timestamp, &no_fields, bytes),
		-ENOKEY);
	assert_int_equal(noise_open_initiation(&responder, &ends.a.local, from_b.bytes, from_b.len),
		-ENOKEY);
	assert_int_equal(noise_consume_response(ends.a.remote, &ends.a.local, to_a.bytes, to_a.len,
				 &fields, &keys),
		-ENOKEY);
	assert_false(noise_remote_is_pending(ends.a.remote));
	free(from_a.bytes);
	free(from_b.bytes);
	free(to_a.bytes);
	ends_free(&ends);
	noise_remote_free(NULL);
}

/* A private key is clamped and good in both roles; it ends a shared key. */
static void test_set_private(void **state)
{
	uint8_t key[KEY_LEN], clamped[KEY_LEN], public_key[KEY_LEN], psk[KEY_LEN];
	struct noise_local local = { 0 };

	(void)state;
	memset(key, 0xff, sizeof(key));
	memcpy(clamped, key, sizeof(clamped));
	key_clamp(clamped);
	key_derive_public(public_key, clamped);
	noise_local_set_shared(&local, psk, key);
	assert_true(local.shared);
	noise_local_set_private(&local, key);
	assert_true(local.has_key);
	assert_false(local.shared);
	assert_memory_equal(local.initiator.private_key, clamped, KEY_LEN);
	assert_memory_equal(local.initiator.public_key, public_key, KEY_LEN);
	assert_memory_equal(&local.initiator, &local.responder, sizeof(local.initiator));
}

/* Many handshakes of many pairs: no two sessions have a key in common. */
static void test_keys_differ(void **state)
{
	enum { SESSIONS = 24 };
	struct noise_keys keys[SESSIONS];
	struct ends ends;

	(void)state;
	random_state = 21;
	ends_init(&ends);
	for (uint32_t i = 0; i < SESSIONS; i++)
		shake_hands(i % 2 ? &ends.a : &ends.b, i % 2 ? &ends.b : &ends.a,
			i % 4 < 2 ? WIRE_WIREGUARD : WIRE_CULVERT, i + 1, START + i * SECOND,
			&keys[i]);
	for (int i = 0; i < SESSIONS; i++)
		for (int k = 0; k < SESSIONS; k++) {
			assert_memory_not_equal(keys[i].send, keys[k].receive, KEY_LEN);
			if (i != k)
				assert_memory_not_equal(keys[i].send, keys[k].send, KEY_LEN);
		}
	ends_free(&ends);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_vectors_alone),
		cmocka_unit_test(test_culvert_vector),
		cmocka_unit_test(test_fields),
		cmocka_unit_test(test_shared),
		cmocka_unit_test(test_shared_reflection),
		cmocka_unit_test(test_pending),
		cmocka_unit_test(test_pending_forgotten),
		cmocka_unit_test(test_both_start),
		cmocka_unit_test(test_no_key),
		cmocka_unit_test(test_set_private),
		cmocka_unit_test(test_keys_differ),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
