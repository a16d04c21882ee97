/* SPDX-License-Identifier: ISC */
/* Sessions: the replay window against a list of what was seen, keys, ages and message limits. */
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

#include "core/session.h"
#include "../random.h"

#define SECOND UINT64_C(1000000000)

enum { WINDOW = 8128 };

/* The naive window: all counters ever accepted that may still matter, in a list. */
struct oracle {
	uint64_t seen[2 * WINDOW];
	size_t count;
	uint64_t highest;
};

static void forget_old(struct oracle *oracle)
{
	size_t kept = 0;

	for (size_t i = 0; i < oracle->count; i++)
		if (oracle->highest - oracle->seen[i] < WINDOW)
			oracle->seen[kept++] = oracle->seen[i];
	oracle->count = kept;
}

static bool oracle_accept(struct oracle *oracle, uint64_t counter, uint64_t limit)
{
	if (counter >= limit)
		return false;
	if (oracle->count && counter < oracle->highest && oracle->highest - counter >= WINDOW)
		return false;
	for (size_t i = oracle->count; i-- > 0;)
		if (oracle->seen[i] == counter)
			return false;
	if (!oracle->count || counter > oracle->highest)
		oracle->highest = counter;
	if (oracle->count == 2 * WINDOW)
		forget_old(oracle);
	oracle->seen[oracle->count++] = counter;
	return true;
}

struct pair {
	struct replay window;
	struct oracle oracle;
	uint64_t limit;
};

static struct pair *pair_new(uint64_t limit)
{
	struct pair *pair = calloc(1, sizeof(*pair));

	assert_non_null(pair);
	pair->limit = limit;
	return pair;
}

/* Asks both. */
static bool pair_accept(struct pair *pair, uint64_t counter)
{
	const bool expected = oracle_accept(&pair->oracle, counter, pair->limit);

	if (replay_accept(&pair->window, counter, pair->limit) != expected)
		fail_msg("counter %llu after %llu: %s", (unsigned long long)counter,
			(unsigned long long)pair->oracle.highest,
			expected ? "refused" : "accepted");
	return expected;
}

/* The window's two ends, counted out. */
static void test_edges(void **state)
{
	static const uint64_t highest[] = { WINDOW - 1, WINDOW, WINDOW + 1, 8191, 8192, 8193, 65535,
		UINT64_C(1) << 32, (UINT64_C(1) << 60) + 31 };
	static const uint64_t limit = WIRE_REJECT_AFTER_MESSAGES;

	(void)state;
	for (size_t i = 0; i < sizeof(highest) / sizeof(highest[0]); i++) {
		struct replay window = { 0 };
		const uint64_t top = highest[i];

		assert_true(replay_accept(&window, top, limit));
		assert_false(replay_accept(&window, top, limit));
		assert_true(replay_accept(&window, top - (WINDOW - 1), limit));
		assert_false(replay_accept(&window, top - (WINDOW - 1), limit));
		if (top >= WINDOW)
			assert_false(replay_accept(&window, top - WINDOW, limit));
		if (top > WINDOW)
			assert_false(replay_accept(&window, top - WINDOW - 1, limit));
		assert_true(replay_accept(&window, top + 1, limit));
		assert_false(replay_accept(&window, top - (WINDOW - 1), limit));
		assert_true(replay_accept(&window, top - (WINDOW - 2), limit));
	}
}

/* A window's worth of counters in every order that is simple: each is taken once. */
static void test_each_once(void **state)
{
	static const unsigned strides[] = { 1, 3, 63, 65, 129, 4001, 8127 }; /* prime to 8128 */

	(void)state;
	for (size_t s = 0; s < sizeof(strides) / sizeof(strides[0]); s++)
		for (uint64_t base = 0; base < 200; base += 37) {
			struct replay window = { 0 };

			assert_true(replay_accept(&window, base + WINDOW, UINT64_MAX));
			for (unsigned round = 0; round < 2; round++)
				for (uint64_t i = 0, at = 0; i < WINDOW; i++) {
					const uint64_t counter = base + 1 + at;
					const bool fresh = round == 0 && counter != base + WINDOW;

					assert_int_equal(
						replay_accept(&window, counter, UINT64_MAX), fresh);
					at = (at + strides[s]) % WINDOW;
				}
		}
}

/* In order, as on most days; and each once more. */
static void test_in_order(void **state)
{
	struct replay window = { 0 };

	(void)state;
	for (uint64_t counter = 0; counter < 40000; counter++) {
		assert_true(replay_accept(&window, counter, UINT64_MAX));
		assert_false(replay_accept(&window, counter, UINT64_MAX));
		if (counter > 9000)
			assert_false(
				replay_accept(&window, counter - next_random() % 9000, UINT64_MAX));
	}
}

/* Walks: mostly near the top, reordered and repeated, with leaps now and then. */
static void test_walks(void **state)
{
	(void)state;
	for (uint64_t seed = 0; seed < 12; seed++) {
		struct pair *pair = pair_new(WIRE_REJECT_AFTER_MESSAGES);
		size_t accepted = 0;

		random_state = seed;
		uint64_t top = seed % 3 ? next_random() >> 8 : 0;

		for (int step = 0; step < 4000; step++) {
			const uint64_t kind = next_random() % 100;
			uint64_t counter = top;

			if (kind < 50)
				counter = top + next_random() % 4;
			else if (kind < 80)
				counter = top - next_random() % 100;
			else if (kind < 92)
				counter = top - next_random() % (WINDOW + 200);
			else if (kind < 96)
				counter = top - WINDOW + next_random() % 5;
			else
				counter = top + next_random() % (seed % 2 ? 20000 : 300);
			if (counter > top + (UINT64_C(1) << 40)) /* below zero */
				counter = 0;
			accepted += pair_accept(pair, counter);
			if (counter > top)
				top = counter;
		}
		assert_in_range(accepted, 500, 3500);
		free(pair);
	}
}

/* Leaps by 2^k and a little less or more, then everything around both ends of the window. */
static void test_leaps(void **state)
{
	(void)state;
	for (unsigned k = 0; k < 64; k++)
		for (int delta = -1; delta <= 1; delta++) {
			struct pair *pair = pair_new(WIRE_REJECT_AFTER_MESSAGES);
			const uint64_t to = (UINT64_C(1) << k) + (uint64_t)delta;

			for (uint64_t start = 0; start < 130; start += 3)
				pair_accept(pair, start);
			pair_accept(pair, to);
			for (uint64_t near = 0; near < 140; near++) {
				pair_accept(pair, to - near);
				pair_accept(pair, to - WINDOW + 70 - near);
				pair_accept(pair, near);
			}
			free(pair);
		}
}

/* Leaps of every length over the ring of words leave no stale bit behind. */
static void test_stale_bits(void **state)
{
	struct replay window;

	(void)state;
	for (uint64_t leap = 1; leap < 3 * 8192; leap += leap < 140 ? 1 : 61) {
		memset(&window, 0, sizeof(window));
		for (uint64_t counter = 0; counter < 8192; counter++)
			assert_true(replay_accept(&window, counter, UINT64_MAX));
		const uint64_t top = 8191 + leap;

		assert_true(replay_accept(&window, top, UINT64_MAX));
		for (uint64_t counter = top - WINDOW + 1; counter < top; counter++)
			assert_int_equal(
				replay_accept(&window, counter, UINT64_MAX), counter > 8191);
	}
}

/* Counters at the limit of a cipher, and beyond anything. */
static void test_limit(void **state)
{
	static const uint64_t limits[] = { 1, 64, UINT64_C(1) << 32, WIRE_REJECT_AFTER_MESSAGES,
		UINT64_MAX };

	(void)state;
	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
		struct pair *pair = pair_new(limits[i]);
		struct replay before = pair->window;

		/* Too high: nothing changes. */
		assert_false(pair_accept(pair, UINT64_MAX));
		assert_false(pair_accept(pair, limits[i]));
		assert_memory_equal(&before, &pair->window, sizeof(before));
		assert_true(pair_accept(pair, limits[i] - 1));
		before = pair->window;
		assert_false(pair_accept(pair, limits[i] - 1));
		assert_false(pair_accept(pair, limits[i]));
		assert_false(pair_accept(pair, UINT64_MAX));
		assert_memory_equal(&before, &pair->window, sizeof(before));
		for (uint64_t n = 2; n < 300 && n <= limits[i]; n++)
			pair_accept(pair, limits[i] - n);
		for (uint64_t n = WINDOW - 5; n < WINDOW + 70 && n <= limits[i]; n++)
			pair_accept(pair, limits[i] - n);
		for (uint64_t n = 0; n < 70; n++)
			pair_accept(pair, UINT64_MAX - n);
		free(pair);
	}
	assert_true(WIRE_REJECT_AFTER_MESSAGES == UINT64_C(0xffffffffffffdfff));
}

static struct noise_keys make_keys(bool initiator)
{
	struct noise_keys keys = { .initiator = initiator };

	for (int i = 0; i < KEY_LEN; i++) {
		keys.send[i] = (uint8_t)(initiator ? i : 100 + i);
		keys.receive[i] = (uint8_t)(initiator ? 100 + i : i);
	}
	keys.local_index = initiator ? 0x01020304 : 0xa0b0c0d0;
	keys.remote_index = initiator ? 0xa0b0c0d0 : 0x01020304;
	return keys;
}

/* With every cipher: each end opens what the other one sealed, and never what it sealed itself. */
static void test_ciphers(void **state)
{
	static const uint8_t plain[48] = "forty-eight bytes, of which most are not used.";

	(void)state;
	for (size_t i = 0; aead_at(i); i++) {
		const struct aead *cipher = aead_at(i);
		const struct noise_keys initiator = make_keys(true), responder = make_keys(false);
		uint8_t sealed[48 + AEAD_TAG_MAX], opened[48];

		if (!cipher->available())
			continue;
		struct session *a = session_new(NULL, cipher, &initiator, 7);
		struct session *b = session_new(NULL, cipher, &responder, 8);

		assert_non_null(a);
		assert_non_null(b);
		assert_int_equal((uintptr_t)a % 16, 0);
		for (uint64_t counter = 0; counter < 3; counter++) {
			const size_t len = sizeof(plain) + cipher->tag_len;

			cipher->seal(&a->send, counter, sealed, plain, sizeof(plain));
			assert_int_equal(
				cipher->open(&a->receive, counter, opened, sealed, len), -EBADMSG);
			assert_int_equal(
				cipher->open(&b->receive, counter + 1, opened, sealed, len),
				-EBADMSG);
			assert_int_equal(
				cipher->open(&b->receive, counter, opened, sealed, len), 0);
			assert_memory_equal(opened, plain, sizeof(plain));
			cipher->seal(&b->send, counter, sealed, plain, sizeof(plain));
			assert_int_equal(
				cipher->open(&a->receive, counter, opened, sealed, len), 0);
			assert_memory_equal(opened, plain, sizeof(plain));
		}
		session_free(a);
		session_free(b);
	}
}

static void test_new_and_wipe(void **state)
{
	static const struct aead_key zero;
	const struct noise_keys keys = make_keys(true);
	struct session *session = session_new(NULL, aead_chacha20_poly1305, &keys, 55);

	(void)state;
	assert_non_null(session);
	assert_int_equal(session->local_index, keys.local_index);
	assert_int_equal(session->remote_index, keys.remote_index);
	assert_true(session->initiator);
	assert_false(session->dead);
	assert_true(session->born == 55 && session->send_counter == 0 && session->replay.next == 0);
	assert_memory_equal(session->send.raw, keys.send, KEY_LEN);
	assert_memory_equal(session->receive.raw, keys.receive, KEY_LEN);
	session_wipe(session);
	assert_true(session->dead);
	assert_memory_equal(&session->send, &zero, sizeof(zero));
	assert_memory_equal(&session->receive, &zero, sizeof(zero));
	assert_int_equal(session->local_index, keys.local_index);
	session_free(session);
	session_free(NULL);
}

struct age {
	uint64_t age;
	uint64_t counter;
	bool expired;
	bool rekey_sending[2];   /* responder, initiator */
	bool rekey_receiving[2]; /* the same */
};

static const struct age ages[] = {
	{ 0, 0, false, { false, false }, { false, false } },
	{ 120 * SECOND - 1, 0, false, { false, false }, { false, false } },
	{ 120 * SECOND, 0, false, { false, true }, { false, false } },
	{ 165 * SECOND - 1, 0, false, { false, true }, { false, false } },
	{ 165 * SECOND, 0, false, { false, true }, { false, true } },
	{ 180 * SECOND - 1, 0, false, { false, true }, { false, true } },
	{ 180 * SECOND, 0, true, { false, true }, { false, true } },
	{ 540 * SECOND, 0, true, { false, true }, { false, true } },
	{ 0, UINT64_C(1) << 32, false, { false, false }, { false, false } },
	{ 0, UINT64_C(1) << 60, false, { false, false }, { false, false } },
	{ 0, (UINT64_C(1) << 60) + 1, false, { true, true }, { false, false } },
	{ 0, UINT64_MAX - 8193, false, { true, true }, { false, false } },
	{ 0, UINT64_MAX - 8192, true, { true, true }, { false, false } },
	{ 0, UINT64_MAX, true, { true, true }, { false, false } },
};

/* WireGuard's limits, of age and of messages. */
static void test_ages(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(ages) / sizeof(ages[0]); i++)
		for (int initiator = 0; initiator < 2; initiator++) {
			const struct age *row = &ages[i];
			const struct session session = {
				.cipher = aead_chacha20_poly1305,
				.born = 777 * SECOND,
				.send_counter = row->counter,
				.initiator = initiator,
			};
			const uint64_t now = session.born + row->age;

			if (session_is_expired(&session, now) != row->expired ||
				session_wants_rekey_sending(&session, now) !=
					row->rekey_sending[initiator] ||
				session_wants_rekey_receiving(&session, now) !=
					row->rekey_receiving[initiator])
				fail_msg("row %zu, %s", i, initiator ? "initiator" : "responder");
		}
}

/* The message limits are the cipher's. */
static void test_cipher_limits(void **state)
{
	(void)state;
	for (size_t i = 0; aead_at(i); i++) {
		struct session session = { .cipher = aead_at(i) };

		assert_true(session.cipher->rekey_after < session.cipher->reject_after);
		session.send_counter = session.cipher->rekey_after;
		assert_false(session_wants_rekey_sending(&session, 0));
		session.send_counter++;
		assert_true(session_wants_rekey_sending(&session, 0));
		session.send_counter = session.cipher->reject_after - 1;
		assert_false(session_is_expired(&session, 0));
		session.send_counter++;
		assert_true(session_is_expired(&session, 0));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_edges),
		cmocka_unit_test(test_each_once),
		cmocka_unit_test(test_in_order),
		cmocka_unit_test(test_walks),
		cmocka_unit_test(test_leaps),
		cmocka_unit_test(test_stale_bits),
		cmocka_unit_test(test_limit),
		cmocka_unit_test(test_ciphers),
		cmocka_unit_test(test_new_and_wipe),
		cmocka_unit_test(test_ages),
		cmocka_unit_test(test_cipher_limits),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
