/* SPDX-License-Identifier: ISC */
/* The handshake: everything that must be refused, and must leave no trace. */
#include "noise_ends.h"

/* Every bit but mac2's, which is nobody's business while there is no load. What is refused changes
 * nothing: the good message is accepted afterwards. */
static void test_flips_initiation(void **state)
{
	struct noise_fields fields = { .len = 40 };
	struct ends ends;

	(void)state;
	random_state = 1;
	ends_init(&ends);
	for (int dialect = WIRE_WIREGUARD; dialect <= WIRE_CULVERT; dialect++) {
		const uint64_t now = START + (uint64_t)dialect * SECOND;
		struct message message = initiate(&ends.a, (enum wire_dialect)dialect, 1,
			7 + (uint32_t)dialect, dialect ? &fields : &no_fields);

		for (size_t bit = 0; bit < (message.len - 16) * 8; bit++) {
			message.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
			const int ret = try_receive(&ends.b, message, now);

			if (ret != -EPROTO && ret != -EACCES)
				fail_msg("bit %zu: %d", bit, ret);
			message.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		}
		assert_int_equal(try_receive(&ends.b, message, now), 0);
		free(message.bytes);
	}
	ends_free(&ends);
}

/* The same without mac1, whose key is public: what an attacker who knows our public key can do. The
 * type word decides what it is and the index is the sender's to choose; all else is authenticated.
 */
static void test_flips_initiation_forged(void **state)
{
	struct noise_responder responder;
	struct noise_fields fields;
	struct ends ends;

	(void)state;
	random_state = 2;
	ends_init(&ends);
	struct message message = initiate(&ends.a, WIRE_WIREGUARD, 1, 7, &no_fields);

	for (size_t bit = 8 * 8; bit < (148 - 32) * 8; bit++) {
		message.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		int ret = noise_open_initiation(
			&responder, &ends.b.local, message.bytes, message.len);

		/* The first half checks up to the static key, the second one the rest. */
		assert_int_equal(ret, bit / 8 < 88 ? -EBADMSG : 0);
		if (!ret)
			ret = noise_accept_initiation(&responder, ends.b.remote, START, &fields);
		assert_int_equal(ret, -EBADMSG);
		message.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	assert_int_equal(try_receive(&ends.b, message, START), 0);
	free(message.bytes);
	ends_free(&ends);
}

static void test_flips_response(void **state)
{
	struct noise_fields fields = { .len = 24 };
	struct noise_responder responder;
	struct noise_keys a_keys, b_keys;
	struct ends ends;

	(void)state;
	random_state = 3;
	ends_init(&ends);
	for (int dialect = WIRE_WIREGUARD; dialect <= WIRE_CULVERT; dialect++) {
		const uint64_t now = START + (uint64_t)dialect * SECOND;
		struct message initiation = initiate(
			&ends.a, (enum wire_dialect)dialect, 1, 7 + (uint32_t)dialect, &no_fields);
		struct noise_fields got;

		assert_int_equal(receive(&ends.b, initiation, now, &responder, &got), 0);
		struct message response =
			respond(&ends.b, &responder, 2, dialect ? &fields : &no_fields, &b_keys);
		uint8_t *bytes = response.bytes;

		for (size_t bit = 0; bit < (response.len - 16) * 8; bit++) {
			bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
			const int ret = finish(&ends.a, response, &got, &a_keys);

			if (ret != -EPROTO && ret != -EACCES)
				fail_msg("bit %zu: %d", bit, ret);
			/* Without mac1: the sender's index is the sender's to choose. */
			if (bit >= 8 * 8 && bit < (response.len - 32) * 8)
				assert_int_equal(
					noise_consume_response(ends.a.remote, &ends.a.local, bytes,
						response.len, &got, &a_keys),
					bit < 12 * 8 ? -ENOENT : -EBADMSG);
			assert_true(noise_remote_is_pending(ends.a.remote));
			bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		}
		assert_int_equal(finish(&ends.a, response, &got, &a_keys), 0);
		assert_keys_match(&a_keys, &b_keys);
		free(initiation.bytes);
		free(response.bytes);
	}
	ends_free(&ends);
}

/* The psk is only in the response: the initiator finds out, and may go on once it has the right
 * one. */
static void test_wrong_psk(void **state)
{
	struct noise_responder responder;
	struct noise_keys a_keys, b_keys;
	struct noise_fields fields;
	struct ends ends;
	uint8_t wrong[KEY_LEN];

	(void)state;
	random_state = 4;
	ends_init(&ends);
	for (size_t bit = 0; bit < 8 * KEY_LEN; bit += 17) {
		const uint32_t number = (uint32_t)bit + 1;
		struct message initiation =
			initiate(&ends.a, WIRE_WIREGUARD, 1, number, &no_fields);

		memcpy(wrong, ends.psk, KEY_LEN);
		wrong[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_int_equal(
			receive(&ends.b, initiation, START + number * SECOND, &responder, &fields),
			0);
		struct message response = respond(&ends.b, &responder, 2, &no_fields, &b_keys);

		noise_remote_set_psk(ends.a.remote, wrong);
		assert_memory_equal(noise_remote_psk(ends.a.remote), wrong, KEY_LEN);
		assert_int_equal(finish(&ends.a, response, &fields, &a_keys), -EBADMSG);
		assert_true(noise_remote_is_pending(ends.a.remote));
		noise_remote_set_psk(ends.a.remote, ends.psk);
		assert_int_equal(finish(&ends.a, response, &fields, &a_keys), 0);
		assert_keys_match(&a_keys, &b_keys);
		free(initiation.bytes);
		free(response.bytes);
	}
	ends_free(&ends);
}

/* A third end, whose keys are its own: as receiver, as sender, and in the sender's place. */
static void test_wrong_keys(void **state)
{
	struct noise_responder responder;
	struct noise_fields fields;
	struct ends ends, others;

	(void)state;
	random_state = 5;
	ends_init(&ends);
	ends_init(&others);
	struct message message = initiate(&ends.a, WIRE_WIREGUARD, 1, 7, &no_fields);

	/* Not for us: mac1 tells, and so does the handshake. */
	assert_int_equal(try_receive(&others.b, message, START), -EACCES);
	assert_int_equal(
		noise_open_initiation(&responder, &others.b.local, message.bytes, message.len),
		-EBADMSG);
	assert_int_equal(
		noise_open_initiation(&responder, &ends.a.local, message.bytes, message.len),
		-EBADMSG);
	/* For us, from A; held against another peer. */
	noise_remote_set_local(others.b.remote, &ends.b.local);
	assert_int_equal(
		noise_open_initiation(&responder, &ends.b.local, message.bytes, message.len), 0);
	assert_int_equal(
		noise_accept_initiation(&responder, others.b.remote, START, &fields), -EBADMSG);
	/* Somebody claims to be A without A's private key. */
	struct noise_remote *to_b = noise_remote_new(ends.b.local.responder.public_key);
	struct noise_local liar = others.a.local;
	uint8_t forged[WIRE_INITIATION_MAX], timestamp[WIRE_TIMESTAMP_LEN];

	assert_non_null(to_b);
	stamp(timestamp, 8);
	memcpy(liar.initiator.public_key, ends.a.local.initiator.public_key, KEY_LEN);
	noise_remote_set_local(to_b, &liar);
	assert_int_equal(noise_create_initiation(to_b, &liar, WIRE_WIREGUARD, 1, ends.psk,
				 timestamp, &no_fields, forged),
		148);
	assert_int_equal(noise_open_initiation(&responder, &ends.b.local, forged, 148), 0);
	assert_memory_equal(responder.remote_static, ends.a.local.initiator.public_key, KEY_LEN);
	assert_int_equal(
		noise_accept_initiation(&responder, ends.b.remote, START, &fields), -EBADMSG);
	/* None of this has harmed A. */
	assert_int_equal(try_receive(&ends.b, message, START), 0);
	noise_remote_free(to_b);
	free(message.bytes);
	ends_free(&ends);
	ends_free(&others);
}

/* All u-coordinates of small order, each as it is and with the bit that X25519 ignores. */
static const char *const small_order[] = {
	"0000000000000000000000000000000000000000000000000000000000000000",
	"0100000000000000000000000000000000000000000000000000000000000000",
	"e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
	"5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
	"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
};

static void small_order_point(uint8_t point[KEY_LEN], size_t i)
{
	unhex(point, KEY_LEN, small_order[i / 2]);
	point[31] |= i % 2 ? 0x80 : 0;
}

enum { SMALL_ORDER = 2 * sizeof(small_order) / sizeof(small_order[0]) };

/* As a peer's static key: we send nothing to it, and believe nothing from it. */
static void test_low_order_static(void **state)
{
	uint8_t point[KEY_LEN], message[WIRE_INITIATION_MAX], untouched[WIRE_INITIATION_MAX];
	uint8_t timestamp[WIRE_TIMESTAMP_LEN], ephemeral[KEY_LEN];
	struct noise_responder responder;
	struct noise_fields fields;
	struct ends ends;

	(void)state;
	random_state = 6;
	ends_init(&ends);
	fill_random(ephemeral, sizeof(ephemeral));
	memset(untouched, 0xee, sizeof(untouched));
	for (size_t i = 0; i < SMALL_ORDER; i++) {
		small_order_point(point, i);
		struct noise_remote *remote = noise_remote_new(point);

		assert_non_null(remote);
		noise_remote_set_local(remote, &ends.b.local);
		stamp(timestamp, (uint32_t)i + 1);
		memcpy(message, untouched, sizeof(message));
		assert_int_equal(noise_create_initiation(remote, &ends.b.local, WIRE_WIREGUARD, 1,
					 ephemeral, timestamp, &no_fields, message),
			-EKEYREJECTED);
		assert_memory_equal(message, untouched, sizeof(message));
		assert_false(noise_remote_is_pending(remote));

		/* Who claims such a key needs no private one. */
		struct noise_local liar = ends.a.local;

		memcpy(liar.initiator.public_key, point, KEY_LEN);
		assert_int_equal(noise_create_initiation(ends.a.remote, &liar, WIRE_WIREGUARD, 1,
					 ephemeral, timestamp, &no_fields, message),
			148);
		assert_int_equal(noise_open_initiation(&responder, &ends.b.local, message, 148), 0);
		assert_memory_equal(responder.remote_static, point, KEY_LEN);
		assert_int_equal(
			noise_accept_initiation(&responder, remote, START, &fields), -EKEYREJECTED);
		noise_remote_free(remote);
	}
	ends_free(&ends);
}

/* As an ephemeral key, in either message. */
static void test_low_order_ephemeral(void **state)
{
	struct noise_responder responder;
	struct noise_keys a_keys, b_keys;
	struct noise_fields fields;
	struct ends ends;

	(void)state;
	random_state = 7;
	ends_init(&ends);
	struct message initiation = initiate(&ends.a, WIRE_WIREGUARD, 1, 7, &no_fields);

	assert_int_equal(receive(&ends.b, initiation, START, &responder, &fields), 0);
	struct message response = respond(&ends.b, &responder, 2, &no_fields, &b_keys);

	for (size_t i = 0; i < SMALL_ORDER; i++) {
		uint8_t forged[148], point[KEY_LEN];
		struct noise_responder late = responder;

		small_order_point(point, i);
		memcpy(forged, initiation.bytes, sizeof(forged));
		memcpy(forged + 8, point, KEY_LEN);
		assert_int_equal(
			noise_open_initiation(&late, &ends.b.local, forged, 148), -EBADMSG);
		memcpy(forged, response.bytes, 92);
		memcpy(forged + 12, point, KEY_LEN);
		assert_int_equal(noise_consume_response(ends.a.remote, &ends.a.local, forged, 92,
					 &fields, &a_keys),
			-EBADMSG);
		/* The answer to such a key, should it ever come so far. */
		late = responder;
		memcpy(late.remote_ephemeral, point, KEY_LEN);
		assert_int_equal(noise_create_response(&late, ends.b.remote, 3, ends.psk,
					 &no_fields, forged, &b_keys),
			-EKEYREJECTED);
		late = responder;
		memcpy(late.remote_static, point, KEY_LEN);
		assert_int_equal(noise_create_response(&late, ends.b.remote, 3, ends.psk,
					 &no_fields, forged, &b_keys),
			-EKEYREJECTED);
	}
	assert_int_equal(finish(&ends.a, response, &fields, &a_keys), 0);
	free(initiation.bytes);
	free(response.bytes);
	ends_free(&ends);
}

/* In this order, at one end: timestamp, milliseconds after START, verdict. */
static const struct {
	const char *timestamp;
	uint64_t at;
	int expected;
} freshness[] = {
	{ "000000000000000000000000", 0, -EALREADY }, /* not newer than none at all */
	{ "400000000000000100000000", 0, 0 },
	{ "400000000000000100000000", 1000, -EALREADY }, /* equal */
	{ "400000000000000000ffffff", 1000, -EALREADY }, /* older */
	{ "3fffffffffffffffffffffff", 1000, -EALREADY },
	{ "400000000000000100000001", 19, -EAGAIN }, /* newer, too soon */
	{ "400000000000000100000000", 19, -EALREADY },
	{ "400000000000000100000001", 20, 0 }, /* it was not remembered when it was too soon */
	{ "400000000000000100000100", 30, -EAGAIN },
	{ "400000000000000100000100", 39, -EAGAIN },
	{ "400000000000000100000100", 40, 0 }, /* counted from the last that was accepted */
	{ "4000000000000001000000ff", 1000, -EALREADY }, /* the bytes count from the first */
	{ "40000000000000017fffffff", 1000, 0 },
	{ "400000000000000180000000", 2000, 0 }, /* without a sign */
	{ "40000000000000017fffffff", 3000, -EALREADY },
	{ "ffffffffffffffffffffffff", 3000, 0 },
	{ "ffffffffffffffffffffffff", 4000, -EALREADY },
	{ "400000000000000180000001", 4000, -EALREADY },
};

static void test_freshness(void **state)
{
	struct ends ends;

	(void)state;
	random_state = 8;
	ends_init(&ends);
	for (size_t i = 0; i < sizeof(freshness) / sizeof(freshness[0]); i++) {
		uint8_t timestamp[WIRE_TIMESTAMP_LEN], ephemeral[KEY_LEN];
		uint8_t bytes[WIRE_INITIATION_MAX];

		fill_random(ephemeral, sizeof(ephemeral));
		unhex(timestamp, sizeof(timestamp), freshness[i].timestamp);
		assert_int_equal(noise_create_initiation(ends.a.remote, &ends.a.local,
					 i % 2 ? WIRE_CULVERT : WIRE_WIREGUARD, 1, ephemeral,
					 timestamp, &no_fields, bytes),
			148);
		cookie_add_macs(&ends.a.maker, bytes, 148, START);
		const int ret = try_receive(&ends.b, (struct message){ bytes, 148 },
			START + freshness[i].at * (SECOND / 1000));

		if (ret != freshness[i].expected)
			fail_msg("row %zu: %d", i, ret);
	}
	ends_free(&ends);
}

/* The very same message twice: the timestamp tells. One that came too soon may come again. */
static void test_replayed_initiation(void **state)
{
	struct ends ends;

	(void)state;
	random_state = 9;
	ends_init(&ends);
	struct message first = initiate(&ends.a, WIRE_WIREGUARD, 1, 7, &no_fields);
	struct message second = initiate(&ends.a, WIRE_WIREGUARD, 2, 8, &no_fields);

	assert_int_equal(try_receive(&ends.b, first, START), 0);
	assert_int_equal(try_receive(&ends.b, first, START + SECOND), -EALREADY);
	assert_int_equal(try_receive(&ends.b, second, START + SECOND / 50 - 1), -EAGAIN);
	assert_int_equal(try_receive(&ends.b, second, START + SECOND / 50), 0);
	assert_int_equal(try_receive(&ends.b, second, START + SECOND), -EALREADY);
	assert_int_equal(try_receive(&ends.b, first, START + SECOND), -EALREADY);
	/* A pending initiation forgotten, a key set again: the timestamp stays. */
	noise_remote_clear(ends.b.remote);
	noise_remote_set_local(ends.b.remote, &ends.b.local);
	assert_int_equal(try_receive(&ends.b, second, START + 2 * SECOND), -EALREADY);
	free(first.bytes);
	free(second.bytes);
	ends_free(&ends);
}

/* One dialect's message under the other's label, macs and all: the identifier in the hash differs.
 */
static void test_dialects(void **state)
{
	struct noise_responder responder;
	struct noise_keys keys;
	struct noise_fields fields;
	struct ends ends;

	(void)state;
	random_state = 10;
	ends_init(&ends);
	for (int dialect = WIRE_WIREGUARD; dialect <= WIRE_CULVERT; dialect++) {
		const uint64_t now = START + (uint64_t)dialect * SECOND;
		struct message message = initiate(
			&ends.a, (enum wire_dialect)dialect, 1, 7 + (uint32_t)dialect, &no_fields);

		assert_int_equal(message.bytes[1], dialect);
		message.bytes[1] ^= 1;
		assert_int_equal(try_receive(&ends.b, message, now), -EACCES);
		cookie_add_macs(&ends.a.maker, message.bytes, message.len, START);
		assert_int_equal(try_receive(&ends.b, message, now), -EBADMSG);
		message.bytes[1] ^= 1;
		cookie_add_macs(&ends.a.maker, message.bytes, message.len, START);
		assert_int_equal(receive(&ends.b, message, now, &responder, &fields), 0);
		assert_int_equal(responder.dialect, dialect);

		/* A response under another label is none to what we sent. */
		struct message response = respond(&ends.b, &responder, 2, &no_fields, &keys);

		assert_int_equal(response.bytes[1], dialect);
		response.bytes[1] ^= 1;
		cookie_add_macs(&ends.b.maker, response.bytes, response.len, START);
		assert_int_equal(finish(&ends.a, response, &fields, &keys), -ENOENT);
		response.bytes[1] ^= 1;
		cookie_add_macs(&ends.b.maker, response.bytes, response.len, START);
		assert_int_equal(finish(&ends.a, response, &fields, &keys), 0);
		free(message.bytes);
		free(response.bytes);
	}
	ends_free(&ends);
}

/* A culvert message cut or drawn out, its macs made anew. */
static void test_other_lengths(void **state)
{
	struct noise_fields fields = { .len = 50 };
	struct ends ends;

	(void)state;
	random_state = 12;
	ends_init(&ends);
	struct message whole = initiate(&ends.a, WIRE_CULVERT, 1, 7, &fields);

	for (size_t len = WIRE_INITIATION_MIN; len < whole.len + 50; len++) {
		uint8_t *bytes = calloc(1, len);
		const size_t kept = (len < whole.len ? len : whole.len) - 32;

		assert_non_null(bytes);
		memcpy(bytes, whole.bytes, kept);
		cookie_add_macs(&ends.a.maker, bytes, len, START);
		if (len != whole.len)
			assert_int_equal(
				try_receive(&ends.b, (struct message){ bytes, len }, START),
				-EBADMSG);
		free(bytes);
	}
	assert_int_equal(try_receive(&ends.b, whole, START), 0);
	free(whole.bytes);
	ends_free(&ends);
}

/* The roles' keys in each other's place do not work. */
static void test_shared_wrong_roles(void **state)
{
	uint8_t shared_key[KEY_LEN] = { 5 };
	struct noise_responder responder;
	struct ends ends;
	struct end swapped;

	(void)state;
	random_state = 14;
	ends_init_shared(&ends, shared_key);
	struct noise_local local = ends.a.local;

	local.initiator = ends.a.local.responder;
	local.responder = ends.a.local.initiator;
	end_init(&swapped, &local, &local, ends.psk);
	struct message message = initiate(&swapped, WIRE_CULVERT, 1, 7, &no_fields);

	assert_int_equal(try_receive(&ends.b, message, START), -EACCES);
	assert_int_equal(
		noise_open_initiation(&responder, &ends.b.local, message.bytes, message.len),
		-EBADMSG);
	free(message.bytes);
	end_free(&swapped);
	ends_free(&ends);
}

/* With keys of its own an end cannot even open what it sent. */
static void test_reflection(void **state)
{
	struct ends ends;

	(void)state;
	random_state = 16;
	ends_init(&ends);
	struct message ours = initiate(&ends.a, WIRE_WIREGUARD, 1, 8, &no_fields);

	cookie_derive_keys(&ends.a.maker.initiation_keys, ends.a.local.responder.public_key);
	cookie_add_macs(&ends.a.maker, ours.bytes, ours.len, START);
	assert_int_equal(try_receive(&ends.a, ours, START), -EBADMSG);
	assert_true(noise_remote_is_pending(ends.a.remote));
	free(ours.bytes);
	ends_free(&ends);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_flips_initiation),
		cmocka_unit_test(test_flips_initiation_forged),
		cmocka_unit_test(test_flips_response),
		cmocka_unit_test(test_wrong_psk),
		cmocka_unit_test(test_wrong_keys),
		cmocka_unit_test(test_low_order_static),
		cmocka_unit_test(test_low_order_ephemeral),
		cmocka_unit_test(test_freshness),
		cmocka_unit_test(test_replayed_initiation),
		cmocka_unit_test(test_dialects),
		cmocka_unit_test(test_other_lengths),
		cmocka_unit_test(test_shared_wrong_roles),
		cmocka_unit_test(test_reflection),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
