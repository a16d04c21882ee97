/* SPDX-License-Identifier: ISC */
/* Two ends of a handshake, for the tests of core/noise.h: what a tunnel does around it, and no
 * more. */
#ifndef CULVERT_TESTS_UNIT_NOISE_ENDS_H
#define CULVERT_TESTS_UNIT_NOISE_ENDS_H

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
#include "core/noise.h"
#include "../random.h"

#define SECOND UINT64_C(1000000000)
#define START (1000 * SECOND)

static const struct noise_fields no_fields;
static inline void fill_random(void *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		((uint8_t *)bytes)[i] = (uint8_t)next_random();
}

static inline void unhex(uint8_t *bytes, size_t len, const char *text)
{
	size_t got;

	assert_int_equal(sodium_hex2bin(bytes, len, text, strlen(text), NULL, &got, NULL), 0);
	assert_int_equal(got, len);
}

/* One end with its one remote, and the macs before and after the handshake proper. */
struct end {
	struct noise_local local;
	struct noise_remote *remote;
	uint8_t remote_static[KEY_LEN]; /* what its initiations carry */
	struct cookie_checker *checker;
	struct cookie_maker maker;
};

static inline void end_init(struct end *end, const struct noise_local *local,
	const struct noise_local *other, const uint8_t psk[KEY_LEN])
{
	memset(end, 0, sizeof(*end));
	end->local = *local;
	end->remote = noise_remote_new(other->responder.public_key);
	assert_non_null(end->remote);
	noise_remote_set_local(end->remote, &end->local);
	noise_remote_set_psk(end->remote, psk);
	memcpy(end->remote_static, other->initiator.public_key, KEY_LEN);
	end->checker = cookie_checker_new();
	assert_non_null(end->checker);
	cookie_checker_set_local(end->checker, &end->local);
	cookie_derive_keys(&end->maker.initiation_keys, other->responder.public_key);
	cookie_derive_keys(&end->maker.response_keys, other->initiator.public_key);
}

static inline void end_free(struct end *end)
{
	noise_remote_free(end->remote);
	cookie_checker_free(end->checker);
}

struct ends {
	struct end a, b;
	uint8_t psk[KEY_LEN];
};

/* Two ends with keys of their own and a psk. */
static inline void ends_init(struct ends *ends)
{
	uint8_t private_key[KEY_LEN];
	struct noise_local a = { 0 }, b = { 0 };

	fill_random(private_key, sizeof(private_key));
	noise_local_set_private(&a, private_key);
	fill_random(private_key, sizeof(private_key));
	noise_local_set_private(&b, private_key);
	fill_random(ends->psk, sizeof(ends->psk));
	end_init(&ends->a, &a, &b, ends->psk);
	end_init(&ends->b, &b, &a, ends->psk);
}

/* Two ends with nothing but a shared key, each deriving for itself. */
static inline void ends_init_shared(struct ends *ends, const uint8_t shared_key[KEY_LEN])
{
	uint8_t psk[KEY_LEN];
	struct noise_local a = { 0 }, b = { 0 };

	noise_local_set_shared(&a, ends->psk, shared_key);
	noise_local_set_shared(&b, psk, shared_key);
	assert_memory_equal(ends->psk, psk, KEY_LEN);
	end_init(&ends->a, &a, &b, ends->psk);
	end_init(&ends->b, &b, &a, psk);
}

static inline void ends_free(struct ends *ends)
{
	end_free(&ends->a);
	end_free(&ends->b);
}

/* A message in memory of just its size, so that the sanitizers see what is read beyond. */
struct message {
	uint8_t *bytes;
	size_t len;
};

static inline struct message message_take(const uint8_t *bytes, ssize_t len)
{
	struct message message = { malloc((size_t)len), (size_t)len };

	assert_true(len > 0);
	assert_non_null(message.bytes);
	memcpy(message.bytes, bytes, message.len);
	return message;
}

static inline void stamp(uint8_t timestamp[WIRE_TIMESTAMP_LEN], uint32_t number)
{
	memset(timestamp, 0, WIRE_TIMESTAMP_LEN);
	timestamp[0] = 0x40;
	for (int i = 0; i < 4; i++)
		timestamp[4 + i] = (uint8_t)(number >> (24 - 8 * i));
}

/* An initiation with macs; number stands for the time. */
static inline struct message initiate(struct end *end, enum wire_dialect dialect, uint32_t index,
	uint32_t number, const struct noise_fields *fields)
{
	uint8_t buffer[WIRE_INITIATION_MAX], ephemeral[KEY_LEN], timestamp[WIRE_TIMESTAMP_LEN];

	stamp(timestamp, number);
	fill_random(ephemeral, sizeof(ephemeral));
	const ssize_t len = noise_create_initiation(
		end->remote, &end->local, dialect, index, ephemeral, timestamp, fields, buffer);

	assert_int_equal(len, 148 + fields->len);
	cookie_add_macs(&end->maker, buffer, (size_t)len, START);
	return message_take(buffer, len);
}

/* All that an end does with an initiation before it answers. -EPROTO, -EACCES: length, mac1. */
static inline int receive(struct end *end, struct message message, uint64_t now,
	struct noise_responder *responder, struct noise_fields *fields)
{
	const struct endpoint from = { .any.sa_family = AF_INET };

	if (wire_classify(message.bytes, message.len) != WIRE_INITIATION)
		return -EPROTO;
	if (cookie_check(end->checker, message.bytes, message.len, &from, false, now) ==
		COOKIE_BAD_MAC)
		return -EACCES;
	const int ret = noise_open_initiation(responder, &end->local, message.bytes, message.len);

	if (ret)
		return ret;
	if (!key_equal(responder->remote_static, end->remote_static))
		return -ENOENT;
	const int error = noise_accept_initiation(responder, end->remote, now, fields);

	if (!error)
		noise_remember_initiation(end->remote, responder, now);
	return error;
}

/* The same, for those who only want the verdict. */
static inline int try_receive(struct end *end, struct message message, uint64_t now)
{
	struct noise_responder responder;
	struct noise_fields fields;

	return receive(end, message, now, &responder, &fields);
}

static inline struct message respond(struct end *end, struct noise_responder *responder,
	uint32_t index, const struct noise_fields *fields, struct noise_keys *keys)
{
	uint8_t buffer[WIRE_RESPONSE_MAX], ephemeral[KEY_LEN];

	fill_random(ephemeral, sizeof(ephemeral));
	const ssize_t len = noise_create_response(
		responder, end->remote, index, ephemeral, fields, buffer, keys);

	assert_int_equal(len, 92 + fields->len);
	cookie_add_macs(&end->maker, buffer, (size_t)len, START);
	return message_take(buffer, len);
}

/* All that an end does with a response. */
static inline int finish(struct end *end, struct message message, struct noise_fields *fields,
	struct noise_keys *keys)
{
	const struct endpoint from = { .any.sa_family = AF_INET };

	if (wire_classify(message.bytes, message.len) != WIRE_RESPONSE)
		return -EPROTO;
	if (cookie_check(end->checker, message.bytes, message.len, &from, false, START) ==
		COOKIE_BAD_MAC)
		return -EACCES;
	return noise_consume_response(
		end->remote, &end->local, message.bytes, message.len, fields, keys);
}

static inline void assert_keys_match(
	const struct noise_keys *initiator, const struct noise_keys *responder)
{
	assert_memory_equal(initiator->send, responder->receive, KEY_LEN);
	assert_memory_equal(initiator->receive, responder->send, KEY_LEN);
	assert_memory_not_equal(initiator->send, initiator->receive, KEY_LEN);
	assert_int_equal(initiator->local_index, responder->remote_index);
	assert_int_equal(initiator->remote_index, responder->local_index);
	assert_true(initiator->initiator);
	assert_false(responder->initiator);
}

/* A whole handshake that must succeed. */
static inline void shake_hands(struct end *a, struct end *b, enum wire_dialect dialect,
	uint32_t number, uint64_t now, struct noise_keys *a_keys)
{
	struct noise_responder responder;
	struct noise_keys b_keys;
	struct noise_fields fields;
	struct message initiation =
		initiate(a, dialect, (uint32_t)next_random(), number, &no_fields);

	assert_int_equal(receive(b, initiation, now, &responder, &fields), 0);
	struct message response =
		respond(b, &responder, (uint32_t)next_random(), &no_fields, &b_keys);

	assert_true(noise_remote_is_pending(a->remote));
	assert_int_equal(finish(a, response, &fields, a_keys), 0);
	assert_false(noise_remote_is_pending(a->remote));
	assert_keys_match(a_keys, &b_keys);
	free(initiation.bytes);
	free(response.bytes);
}

#endif
