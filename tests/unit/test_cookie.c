/* SPDX-License-Identifier: ISC */
/* mac1, mac2, cookies and the rate limit: vectors for what we send, both ends against each other
 * for what rests on a secret of ours. */
#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sodium.h>

#include "core/cookie.h"
#include "vectors/handshake.h"
#include "../random.h"

#define SECOND UINT64_C(1000000000)
#define START (1000 * SECOND)

enum {
	VECTORS = sizeof(cookie_vectors) / sizeof(cookie_vectors[0]),
	INITIATION_LEN = 148,
	RESPONSE_LEN = 92,
};

static struct endpoint make_endpoint(const char *text)
{
	struct endpoint endpoint = { 0 };

	assert_int_equal(endpoint_from_text(&endpoint, text), 0);
	return endpoint;
}

/* Somebody who sends handshake messages to the end under test. */
struct sender {
	struct endpoint from;
	struct cookie_maker maker;
	uint8_t message[INITIATION_LEN];
	size_t len;
};

/* The end under test. */
struct receiver {
	struct noise_local local;
	struct cookie_checker *checker;
};

static void receiver_init(struct receiver *receiver)
{
	uint8_t private_key[KEY_LEN] = { 1, 2, 3 };

	memset(receiver, 0, sizeof(*receiver));
	noise_local_set_private(&receiver->local, private_key);
	receiver->checker = cookie_checker_new();
	assert_non_null(receiver->checker);
	cookie_checker_set_local(receiver->checker, &receiver->local);
}

static void sender_init(struct sender *sender, const struct receiver *receiver, const char *from)
{
	memset(sender, 0, sizeof(*sender));
	if (from)
		sender->from = make_endpoint(from);
	cookie_derive_keys(&sender->maker.initiation_keys, receiver->local.responder.public_key);
	cookie_derive_keys(&sender->maker.response_keys, receiver->local.initiator.public_key);
}

/* A message of random content: macs do not depend on what it says. */
static void sender_write(struct sender *sender, enum wire_type type, uint64_t now)
{
	sender->len = type == WIRE_INITIATION ? INITIATION_LEN : RESPONSE_LEN;
	for (size_t i = 0; i < sender->len; i++)
		sender->message[i] = (uint8_t)next_random();
	wire_put_type(sender->message, type, WIRE_WIREGUARD);
	cookie_add_macs(&sender->maker, sender->message, sender->len, now);
}

static enum cookie_verdict sender_try(
	struct sender *sender, struct receiver *receiver, bool under_load, uint64_t now)
{
	return cookie_check(
		receiver->checker, sender->message, sender->len, &sender->from, under_load, now);
}

static enum cookie_verdict sender_send(
	struct sender *sender, struct receiver *receiver, uint64_t now)
{
	sender_write(sender, WIRE_INITIATION, now);
	return sender_try(sender, receiver, true, now);
}

/* Gets a cookie as the protocol does. */
static void sender_get_cookie(struct sender *sender, struct receiver *receiver, uint64_t now)
{
	struct wire_cookie reply;

	sender_write(sender, WIRE_INITIATION, now);
	cookie_create_reply(
		receiver->checker, &reply, sender->message, sender->len, &sender->from, now);
	assert_int_equal(cookie_consume_reply(&sender->maker, &reply, now), 0);
}

static bool mac2_is_zero(const struct sender *sender)
{
	return sodium_is_zero(sender->message + sender->len - WIRE_MAC_LEN, WIRE_MAC_LEN) == 1;
}

/* The sending side, byte for byte: mac1, what is in the reply, mac2. */
static void test_vectors(void **state)
{
	(void)state;
	for (size_t i = 0; i < VECTORS; i++) {
		const struct cookie_vector *v = &cookie_vectors[i];
		const size_t len = v->message_len;
		struct cookie_maker maker = { .has_cookie = false };
		struct wire_cookie reply;
		uint8_t message[INITIATION_LEN];

		/* The key of the other kind of message is a wrong one. */
		memset(&maker.initiation_keys, 0x11, sizeof(maker.initiation_keys));
		memset(&maker.response_keys, 0x22, sizeof(maker.response_keys));
		cookie_derive_keys(
			len == INITIATION_LEN ? &maker.initiation_keys : &maker.response_keys,
			v->replier_public);
		memcpy(message, v->message, len);
		memset(message + len - 32, 0xee, 32);
		cookie_add_macs(&maker, message, len, START);
		assert_memory_equal(message + len - 32, v->mac1, 16);
		assert_memory_equal(message, v->message, len);

		memcpy(&reply, v->reply, sizeof(reply));
		assert_int_equal(reply.type[0], WIRE_COOKIE);
		assert_int_equal(wire_get32(reply.receiver), v->receiver_index);
		assert_int_equal(cookie_consume_reply(&maker, &reply, START), 0);
		assert_memory_equal(maker.cookie, v->cookie, WIRE_COOKIE_LEN);
		assert_memory_equal(message, v->message, len);
		cookie_add_macs(&maker, message, len, START);
		assert_memory_equal(message, v->message, len - 16);
		assert_memory_equal(message + len - 16, v->mac2, 16);
	}
}

/* The receiving side on the vectors' handshakes: mac1 of both messages. */
static void test_vectors_mac1(void **state)
{
	const struct endpoint from = make_endpoint("192.0.2.1:1");

	(void)state;
	for (size_t i = 0; i < sizeof(handshake_vectors) / sizeof(handshake_vectors[0]); i++) {
		const struct handshake_vector *v = &handshake_vectors[i];
		struct cookie_checker *checker = cookie_checker_new();
		struct noise_local local = { 0 };

		assert_non_null(checker);
		noise_local_set_private(&local, v->responder_private);
		cookie_checker_set_local(checker, &local);
		assert_int_equal(cookie_check(checker, v->initiation, sizeof(v->initiation), &from,
					 false, START),
			COOKIE_NO_COOKIE);
		assert_int_equal(cookie_check(checker, v->response, sizeof(v->response), &from,
					 false, START),
			COOKIE_BAD_MAC);
		noise_local_set_private(&local, v->initiator_private);
		cookie_checker_set_local(checker, &local);
		assert_int_equal(cookie_check(checker, v->initiation, sizeof(v->initiation), &from,
					 false, START),
			COOKIE_BAD_MAC);
		assert_int_equal(cookie_check(checker, v->response, sizeof(v->response), &from,
					 false, START),
			COOKIE_NO_COOKIE);
		cookie_checker_free(checker);
	}
	cookie_checker_free(NULL);
}

/* Every bit of what mac1 covers and of mac1; of mac2 under load. */
static void test_bit_flips(void **state)
{
	struct receiver receiver;
	struct sender sender;

	(void)state;
	receiver_init(&receiver);
	sender_init(&sender, &receiver, "192.0.2.1:51820");
	for (int type = WIRE_INITIATION; type <= WIRE_RESPONSE; type++) {
		sender_get_cookie(&sender, &receiver, START);
		sender_write(&sender, (enum wire_type)type, START);
		for (size_t bit = 0; bit < sender.len * 8; bit++) {
			const bool in_mac2 = bit >= (sender.len - 16) * 8;
			enum cookie_verdict idle, loaded;

			sender.message[bit / 8] ^= (uint8_t)(1 << bit % 8);
			idle = sender_try(&sender, &receiver, false, START);
			loaded = sender_try(&sender, &receiver, true, START);
			sender.message[bit / 8] ^= (uint8_t)(1 << bit % 8);
			assert_int_equal(idle, in_mac2 ? COOKIE_NO_COOKIE : COOKIE_BAD_MAC);
			assert_int_equal(loaded, in_mac2 ? COOKIE_NO_COOKIE : COOKIE_BAD_MAC);
		}
		assert_int_equal(sender_try(&sender, &receiver, false, START), COOKIE_NO_COOKIE);
		assert_int_equal(sender_try(&sender, &receiver, true, START), COOKIE_VALID);
	}
	cookie_checker_free(receiver.checker);
}

/* Messages of all lengths of the culvert dialect. */
static void test_long_messages(void **state)
{
	static uint8_t message[WIRE_INITIATION_MAX];
	struct receiver receiver;
	struct sender sender;

	(void)state;
	random_state = 1;
	receiver_init(&receiver);
	sender_init(&sender, &receiver, "192.0.2.1:51820");
	for (size_t len = WIRE_INITIATION_MIN; len <= WIRE_INITIATION_MAX; len += 71) {
		for (size_t i = 0; i < len; i++)
			message[i] = (uint8_t)next_random();
		wire_put_type(message, WIRE_INITIATION, WIRE_CULVERT);
		cookie_add_macs(&sender.maker, message, len, START);
		assert_int_equal(
			cookie_check(receiver.checker, message, len, &sender.from, false, START),
			COOKIE_NO_COOKIE);
		message[len - 33] ^= 1;
		assert_int_equal(
			cookie_check(receiver.checker, message, len, &sender.from, false, START),
			COOKIE_BAD_MAC);
	}
	cookie_checker_free(receiver.checker);
}

/* The reply names the index of the message's sender, is no larger, and never the same twice. */
static void test_reply(void **state)
{
	struct receiver receiver;
	struct sender sender;
	struct wire_cookie first, second;

	(void)state;
	receiver_init(&receiver);
	sender_init(&sender, &receiver, "192.0.2.1:51820");
	for (int type = WIRE_INITIATION; type <= WIRE_RESPONSE; type++) {
		sender_write(&sender, (enum wire_type)type, START);
		memset(&first, 0xee, sizeof(first));
		cookie_create_reply(
			receiver.checker, &first, sender.message, sender.len, &sender.from, START);
		cookie_create_reply(
			receiver.checker, &second, sender.message, sender.len, &sender.from, START);
		assert_int_equal(
			wire_classify((const uint8_t *)&first, sizeof(first)), WIRE_COOKIE);
		assert_memory_equal(first.receiver, sender.message + 4, 4);
		assert_true(sizeof(first) <= sender.len);
		assert_memory_not_equal(first.nonce, second.nonce, sizeof(first.nonce));
		assert_memory_not_equal(
			first.sealed_cookie, second.sealed_cookie, sizeof(first.sealed_cookie));
		assert_int_equal(cookie_consume_reply(&sender.maker, &second, START), 0);
	}
	cookie_checker_free(receiver.checker);
}

/* A cookie is good for one address and port. */
static void test_binding(void **state)
{
	static const struct {
		const char *asked, *used;
		enum cookie_verdict expected;
	} table[] = {
		{ "192.0.2.1:51820", "192.0.2.1:51820", COOKIE_VALID },
		{ "192.0.2.1:51820", "192.0.2.1:51821", COOKIE_NO_COOKIE },
		{ "192.0.2.1:51820", "192.0.2.1:18122", COOKIE_NO_COOKIE }, /* bytes swapped */
		{ "192.0.2.1:51820", "192.0.2.2:51820", COOKIE_NO_COOKIE },
		{ "192.0.2.1:51820", "193.0.2.1:51820", COOKIE_NO_COOKIE },
		{ "192.0.2.1:51820", "[::ffff:192.0.2.1]:51820", COOKIE_NO_COOKIE },
		{ "[2001:db8::1]:1", "[2001:db8::1]:1", COOKIE_VALID },
		{ "[2001:db8::1]:1", "[2001:db8::1]:2", COOKIE_NO_COOKIE },
		{ "[2001:db8::1]:1", "[2001:db8::1]:256", COOKIE_NO_COOKIE },
		{ "[2001:db8::1]:1", "[2001:db8::2]:1", COOKIE_NO_COOKIE },
		{ "[2001:db8::1]:1", "[2001:db9::1]:1", COOKIE_NO_COOKIE },
	};
	struct receiver receiver;
	struct sender sender;

	(void)state;
	receiver_init(&receiver);
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		sender_init(&sender, &receiver, table[i].asked);
		sender_get_cookie(&sender, &receiver, START);
		sender.from = make_endpoint(table[i].used);
		if (sender_send(&sender, &receiver, START) != table[i].expected)
			fail_msg("cookie for %s, used from %s", table[i].asked, table[i].used);
	}
	cookie_checker_free(receiver.checker);
}

/* Another tunnel's checker has another secret, and a cookie for one key is none for another. */
static void test_secrets_differ(void **state)
{
	struct receiver a, b;
	struct sender sender;

	(void)state;
	receiver_init(&a);
	receiver_init(&b);
	sender_init(&sender, &a, "192.0.2.1:51820");
	sender_get_cookie(&sender, &a, START);
	assert_int_equal(sender_send(&sender, &b, START), COOKIE_NO_COOKIE);
	assert_int_equal(sender_send(&sender, &a, START), COOKIE_VALID);
	cookie_checker_free(a.checker);
	cookie_checker_free(b.checker);
}

/* A checker's secret lives for 120 s from its first use. */
static void test_rotation(void **state)
{
	static const struct {
		uint64_t asked, used; /* seconds after START, ns less */
		uint64_t less;
		enum cookie_verdict expected;
	} table[] = {
		{ 0, 0, 0, COOKIE_VALID },
		{ 0, 100, 0, COOKIE_VALID },
		{ 60, 120, 1, COOKIE_VALID },
		{ 60, 120, 0, COOKIE_NO_COOKIE },
		{ 119, 120, 1, COOKIE_VALID },
		{ 119, 120, 0, COOKIE_NO_COOKIE },
		{ 119, 121, 0, COOKIE_NO_COOKIE },
		{ 120, 120, 0, COOKIE_VALID },
		{ 120, 234, 0, COOKIE_VALID },
		{ 130, 240, 1, COOKIE_VALID },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct receiver receiver;
		struct sender early, sender;

		receiver_init(&receiver);
		sender_init(&early, &receiver, "192.0.2.9:9");
		sender_get_cookie(&early, &receiver, START);
		sender_init(&sender, &receiver, "192.0.2.1:51820");
		sender_get_cookie(&sender, &receiver, START + table[i].asked * SECOND);
		assert_int_equal(sender_send(&sender, &receiver,
					 START + table[i].used * SECOND - table[i].less),
			table[i].expected);
		cookie_checker_free(receiver.checker);
	}
}

/* The maker uses a cookie for 115 s from its arrival, and has none before. */
static void test_use_time(void **state)
{
	struct receiver receiver;
	struct sender sender;

	(void)state;
	receiver_init(&receiver);
	sender_init(&sender, &receiver, "192.0.2.1:51820");
	for (int round = 0; round < 2; round++) {
		const uint64_t start = START + (uint64_t)round * 1000 * SECOND;

		sender_write(&sender, WIRE_INITIATION, start);
		assert_true(mac2_is_zero(&sender));
		sender_get_cookie(&sender, &receiver, start);
		sender_write(&sender, WIRE_INITIATION, start);
		assert_false(mac2_is_zero(&sender));
		sender_write(&sender, WIRE_RESPONSE, start + 50 * SECOND);
		assert_false(mac2_is_zero(&sender));
		sender_write(&sender, WIRE_INITIATION, start + 115 * SECOND - 1);
		assert_false(mac2_is_zero(&sender));
		assert_int_equal(sender_try(&sender, &receiver, true, start + 115 * SECOND - 1),
			COOKIE_VALID);
		sender_write(&sender, WIRE_INITIATION, start + 115 * SECOND);
		assert_true(mac2_is_zero(&sender));
		sender_write(&sender, WIRE_INITIATION, start + 115 * SECOND);
		assert_true(mac2_is_zero(&sender));
	}
	cookie_checker_free(receiver.checker);
}

/* A newer cookie takes the place of the old one and its time. */
static void test_renewal(void **state)
{
	struct receiver receiver;
	struct sender sender;

	(void)state;
	receiver_init(&receiver);
	sender_init(&sender, &receiver, "192.0.2.1:51820");
	sender_get_cookie(&sender, &receiver, START);
	sender_get_cookie(&sender, &receiver, START + 100 * SECOND);
	sender_write(&sender, WIRE_INITIATION, START + 214 * SECOND);
	assert_false(mac2_is_zero(&sender));
	sender_write(&sender, WIRE_INITIATION, START + 215 * SECOND);
	assert_true(mac2_is_zero(&sender));
	cookie_checker_free(receiver.checker);
}

/* Replies: to the last mac1 only, once, and unchanged. */
static void test_consume(void **state)
{
	struct receiver receiver;
	struct sender sender;
	struct wire_cookie old, reply, changed;

	(void)state;
	receiver_init(&receiver);
	sender_init(&sender, &receiver, "192.0.2.1:51820");
	memset(&reply, 0, sizeof(reply));
	assert_int_equal(cookie_consume_reply(&sender.maker, &reply, START), -ENOENT);

	sender_write(&sender, WIRE_INITIATION, START);
	cookie_create_reply(
		receiver.checker, &old, sender.message, sender.len, &sender.from, START);
	sender_write(&sender, WIRE_INITIATION, START);
	assert_int_equal(cookie_consume_reply(&sender.maker, &old, START), -EBADMSG);
	cookie_create_reply(
		receiver.checker, &reply, sender.message, sender.len, &sender.from, START);
	for (size_t bit = 8 * offsetof(struct wire_cookie, nonce); bit < 8 * sizeof(reply); bit++) {
		changed = reply;
		((uint8_t *)&changed)[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_int_equal(cookie_consume_reply(&sender.maker, &changed, START), -EBADMSG);
		assert_false(sender.maker.has_cookie);
	}
	/* Forged ones do not keep the right one from being taken; then the same is of no use. */
	assert_int_equal(cookie_consume_reply(&sender.maker, &reply, START), 0);
	assert_true(sender.maker.has_cookie);
	assert_int_equal(cookie_consume_reply(&sender.maker, &reply, START + SECOND), -ENOENT);
	assert_true(sender.maker.cookie_time == START);
	sender_write(&sender, WIRE_INITIATION, START);
	assert_int_equal(cookie_consume_reply(&sender.maker, &reply, START), -EBADMSG);
	cookie_checker_free(receiver.checker);
}

/* A forged reply does not harm a cookie that we have. */
static void test_consume_keeps(void **state)
{
	struct receiver receiver;
	struct sender sender;
	struct wire_cookie reply;

	(void)state;
	receiver_init(&receiver);
	sender_init(&sender, &receiver, "192.0.2.1:51820");
	sender_get_cookie(&sender, &receiver, START);
	sender_write(&sender, WIRE_INITIATION, START);
	memset(&reply, 0x3c, sizeof(reply));
	assert_int_equal(cookie_consume_reply(&sender.maker, &reply, START + 5), -EBADMSG);
	assert_true(sender.maker.has_cookie && sender.maker.cookie_time == START);
	assert_int_equal(sender_send(&sender, &receiver, START), COOKIE_VALID);
	cookie_checker_free(receiver.checker);
}

/* With a shared key the macs go by the receiving role, of either kind of message. */
static void test_shared_roles(void **state)
{
	uint8_t shared_key[KEY_LEN] = { 9 }, psk[KEY_LEN];
	struct receiver receiver;
	struct sender sender;
	struct wire_cookie reply;

	(void)state;
	receiver_init(&receiver);
	noise_local_set_shared(&receiver.local, psk, shared_key);
	cookie_checker_set_local(receiver.checker, &receiver.local);
	sender_init(&sender, &receiver, "192.0.2.1:51820");
	for (int type = WIRE_INITIATION; type <= WIRE_RESPONSE; type++) {
		sender_write(&sender, (enum wire_type)type, START);
		assert_int_equal(sender_try(&sender, &receiver, true, START), COOKIE_NO_COOKIE);
		cookie_create_reply(
			receiver.checker, &reply, sender.message, sender.len, &sender.from, START);
		assert_int_equal(cookie_consume_reply(&sender.maker, &reply, START), 0);
		sender_write(&sender, (enum wire_type)type, START);
		assert_int_equal(sender_try(&sender, &receiver, true, START), COOKIE_VALID);
		sender.maker.has_cookie = false;
	}
	/* The keys in each other's place. */
	const struct cookie_keys keys = sender.maker.initiation_keys;

	sender.maker.initiation_keys = sender.maker.response_keys;
	sender.maker.response_keys = keys;
	for (int type = WIRE_INITIATION; type <= WIRE_RESPONSE; type++) {
		sender_write(&sender, (enum wire_type)type, START);
		assert_int_equal(sender_try(&sender, &receiver, true, START), COOKIE_BAD_MAC);
	}
	cookie_checker_free(receiver.checker);
}

/*
 * The naive rate limit, the other way round from a bucket (ATM's virtual scheduling): the time at
 * which the next message would be on schedule at 20 a second; one may be early by four intervals.
 */
static bool schedule_allows(uint64_t *expected_at, uint64_t now)
{
	const uint64_t interval = SECOND / 20;

	if (*expected_at < now)
		*expected_at = now;
	if (*expected_at > now + 4 * interval)
		return false;
	*expected_at += interval;
	return true;
}

/* Five at once, then one every 50 ms; a second of rest gives five again, and no more. */
static void test_limit(void **state)
{
	struct receiver receiver;
	struct sender sender;

	(void)state;
	receiver_init(&receiver);
	sender_init(&sender, &receiver, "192.0.2.1:51820");
	sender_get_cookie(&sender, &receiver, START);
	for (int i = 0; i < 8; i++)
		assert_int_equal(sender_send(&sender, &receiver, START),
			i < 5 ? COOKIE_VALID : COOKIE_LIMITED);
	for (uint64_t i = 1; i < 100; i++) {
		const uint64_t now = START + i * SECOND / 20;

		assert_int_equal(sender_send(&sender, &receiver, now - 1), COOKIE_LIMITED);
		assert_int_equal(sender_send(&sender, &receiver, now), COOKIE_VALID);
		assert_int_equal(sender_send(&sender, &receiver, now), COOKIE_LIMITED);
	}
	for (int i = 0; i < 8; i++)
		assert_int_equal(sender_send(&sender, &receiver, START + 60 * SECOND),
			i < 5 ? COOKIE_VALID : COOKIE_LIMITED);
	cookie_checker_free(receiver.checker);
}

/* Bursts, pauses and floods of some sources among each other, each against its own schedule. */
static void test_limit_random(void **state)
{
	static const char *const sources[] = { "192.0.2.1:1", "192.0.2.2:1", "[2001:db8::1]:1",
		"[2001:db8:0:1::1]:1", "[2001:db8:0:2::1]:1" };
	enum { SOURCES = sizeof(sources) / sizeof(sources[0]) };
	uint64_t expected_at[SOURCES] = { 0 };
	struct sender senders[SOURCES];
	struct receiver receiver;
	uint64_t now = START;
	unsigned allowed = 0;

	(void)state;
	random_state = 3;
	receiver_init(&receiver);
	for (int i = 0; i < SOURCES; i++)
		sender_init(&senders[i], &receiver, sources[i]);
	for (int step = 0; step < 6000; step++) {
		const uint64_t i = next_random() % SOURCES, pause = next_random() % 100;

		if (step % 100 == 0) /* neither cookies nor the secret are to grow old */
			for (int n = 0; n < SOURCES; n++)
				sender_get_cookie(&senders[n], &receiver, now);
		now += pause < 50   ? next_random() % 1000
		       : pause < 95 ? next_random() % (SECOND / 150)
				    : next_random() % SECOND;
		const enum cookie_verdict verdict = sender_send(&senders[i], &receiver, now);

		if (verdict == COOKIE_NO_COOKIE) { /* the secret was changed just now */
			sender_get_cookie(&senders[i], &receiver, now);
			continue;
		}
		const bool expected = schedule_allows(&expected_at[i], now);

		assert_int_equal(verdict, expected ? COOKIE_VALID : COOKIE_LIMITED);
		allowed += expected;
	}
	assert_in_range(allowed, 1000, 5000);
	cookie_checker_free(receiver.checker);
}

/* Who shares an allowance: an IPv4 address whatever its port, an IPv6 /64. */
static void test_limit_sharing(void **state)
{
	static const struct {
		const char *a, *b;
		bool shared;
	} table[] = {
		{ "192.0.2.1:1", "192.0.2.1:2", true }, { "192.0.2.1:1", "192.0.2.2:1", false },
		{ "192.0.2.1:1", "193.0.2.1:1", false },
		{ "[2001:db8::1]:1", "[2001:db8::1]:2", true },
		{ "[2001:db8::1]:1", "[2001:db8::2]:1", true },
		{ "[2001:db8::1]:1", "[2001:db8::ffff:ffff:ffff:ffff]:9", true },
		{ "[2001:db8::1]:1", "[2001:db8:0:1::1]:1", false },
		{ "[2001:db8::1]:1", "[2001:db9::1]:1", false },
		{ "[2001:db8::1]:1", "32.1.13.184:1", false }, /* the same first bytes */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct receiver receiver;
		struct sender a, b;

		receiver_init(&receiver);
		sender_init(&a, &receiver, table[i].a);
		sender_init(&b, &receiver, table[i].b);
		sender_get_cookie(&a, &receiver, START);
		sender_get_cookie(&b, &receiver, START);
		for (int n = 0; n < 5; n++)
			assert_int_equal(sender_send(&a, &receiver, START), COOKIE_VALID);
		assert_int_equal(sender_send(&a, &receiver, START), COOKIE_LIMITED);
		if (sender_send(&b, &receiver, START) !=
			(table[i].shared ? COOKIE_LIMITED : COOKIE_VALID))
			fail_msg("%s and %s", table[i].a, table[i].b);
		cookie_checker_free(receiver.checker);
	}
}

/* Only who has shown a cookie spends an allowance: a spoofer cannot spend another's. */
static void test_limit_needs_cookie(void **state)
{
	struct receiver receiver;
	struct sender victim, spoofer;

	(void)state;
	receiver_init(&receiver);
	sender_init(&victim, &receiver, "192.0.2.1:51820");
	sender_init(&spoofer, &receiver, "192.0.2.1:51820");
	sender_get_cookie(&victim, &receiver, START);
	for (int i = 0; i < 100; i++) {
		assert_int_equal(sender_send(&spoofer, &receiver, START), COOKIE_NO_COOKIE);
		sender_write(&spoofer, WIRE_INITIATION, START);
		assert_int_equal(sender_try(&spoofer, &receiver, false, START), COOKIE_NO_COOKIE);
	}
	for (int i = 0; i < 6; i++)
		assert_int_equal(sender_send(&victim, &receiver, START),
			i < 5 ? COOKIE_VALID : COOKIE_LIMITED);
	cookie_checker_free(receiver.checker);
}

/* More sources at one moment than there are buckets: who has spent its share gets no new one by
 * being forgotten, and all is well again once there is room. */
static void test_limit_many_sources(void **state)
{
	struct receiver receiver;
	struct sender spent, other;
	unsigned others = 0;

	(void)state;
	receiver_init(&receiver);
	sender_init(&spent, &receiver, "192.0.2.1:51820");
	sender_get_cookie(&spent, &receiver, START);
	for (int i = 0; i < 6; i++)
		assert_int_equal(sender_send(&spent, &receiver, START),
			i < 5 ? COOKIE_VALID : COOKIE_LIMITED);
	sender_init(&other, &receiver, "198.18.0.0:1");
	for (uint32_t i = 0; i < 12000; i++) {
		other.from.v4.sin_addr.s_addr = htonl(0xc6120000 + i);
		sender_get_cookie(&other, &receiver, START);
		others += sender_send(&other, &receiver, START) == COOKIE_VALID;
		if (i % 50 == 0)
			assert_int_equal(sender_send(&spent, &receiver, START), COOKIE_LIMITED);
	}
	assert_in_range(others, 2000, 6000); /* about as many as there are buckets */
	assert_int_equal(sender_send(&spent, &receiver, START), COOKIE_LIMITED);
	for (uint32_t i = 12000; i < 12100; i++) {
		other.from.v4.sin_addr.s_addr = htonl(0xc6120000 + i);
		sender_get_cookie(&other, &receiver, START + SECOND);
		assert_int_equal(sender_send(&other, &receiver, START + SECOND), COOKIE_VALID);
	}
	cookie_checker_free(receiver.checker);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_vectors_mac1),
		cmocka_unit_test(test_bit_flips),
		cmocka_unit_test(test_long_messages),
		cmocka_unit_test(test_reply),
		cmocka_unit_test(test_binding),
		cmocka_unit_test(test_secrets_differ),
		cmocka_unit_test(test_rotation),
		cmocka_unit_test(test_use_time),
		cmocka_unit_test(test_renewal),
		cmocka_unit_test(test_consume),
		cmocka_unit_test(test_consume_keeps),
		cmocka_unit_test(test_shared_roles),
		cmocka_unit_test(test_limit),
		cmocka_unit_test(test_limit_random),
		cmocka_unit_test(test_limit_sharing),
		cmocka_unit_test(test_limit_needs_cookie),
		cmocka_unit_test(test_limit_many_sources),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
