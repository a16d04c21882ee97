/* SPDX-License-Identifier: ISC */
/* Timer policy: which facts arm and disarm what, and what is done when it is due. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <sodium.h>

#include "core/timers.h"

/* Said once more here, in the words of the WireGuard paper §6: not taken from core/wire.h. */
#define SECOND UINT64_C(1000000000)
#define JITTER (SECOND / 3)
#define START (1000 * SECOND)
#define ZEROING (540 * SECOND)
#define NEVER TIMERS_NEVER

enum fact {
	INITIATION_SENT,
	RESPONSE_SENT,
	SESSION_DERIVED,
	HANDSHAKE_COMPLETE,
	DATA_SENT,
	DATA_RECEIVED,
	AUTHENTIC_SENT,
	AUTHENTIC_RECEIVED,
	WANT_HANDSHAKE,
	INITIATE_LATER,
	STOP,
};

static void tell(struct timers *timers, enum fact fact, uint64_t now)
{
	switch (fact) {
	case INITIATION_SENT:
		timers_initiation_sent(timers, now);
		break;
	case RESPONSE_SENT:
		timers_response_sent(timers, now);
		break;
	case SESSION_DERIVED:
		timers_session_derived(timers, now);
		break;
	case HANDSHAKE_COMPLETE:
		timers_handshake_complete(timers);
		break;
	case DATA_SENT:
		timers_data_sent(timers, now);
		break;
	case DATA_RECEIVED:
		timers_data_received(timers, now);
		break;
	case AUTHENTIC_SENT:
		timers_authentic_sent(timers, now);
		break;
	case AUTHENTIC_RECEIVED:
		timers_authentic_received(timers, now);
		break;
	case WANT_HANDSHAKE:
		timers_want_handshake(timers);
		break;
	case INITIATE_LATER:
		timers_initiate_later(timers);
		break;
	case STOP:
		timers_stop(timers);
		break;
	}
}

/* A peer with everything idle. */
static struct timers make(uint16_t persistent)
{
	struct timers timers;

	memset(&timers, 0xa5, sizeof(timers));
	timers.persistent_interval = persistent;
	timers.quick = false;
	timers_stop(&timers);
	return timers;
}

/* The same in the culvert dialect, where an end that hears data answers sooner. */
static struct timers make_quick(void)
{
	struct timers timers = make(0);

	timers.quick = true;
	return timers;
}

/* What each deadline is after some facts: seconds after START, with jitter on two of them. 0: not
 * armed. */
struct deadlines {
	unsigned retransmit, new_handshake; /* and up to a third of a second more */
	unsigned keepalive, zero_keys, persistent;
};

static void assert_deadline(
	const char *what, const char *which, uint64_t actual, unsigned expected, bool jittered)
{
	const uint64_t from = START + expected * SECOND;
	const bool good = expected ? actual >= from && actual < from + (jittered ? JITTER : 1)
				   : actual == NEVER;

	if (!good)
		fail_msg("%s: %s at %.3f s, expected %u s", what, which,
			(double)(actual - START) / SECOND, expected);
}

static void check(const char *what, const struct timers *timers, const struct deadlines *expected)
{
	assert_deadline(what, "retransmit", timers->retransmit, expected->retransmit, true);
	assert_deadline(
		what, "new handshake", timers->new_handshake, expected->new_handshake, true);
	assert_deadline(what, "keepalive", timers->keepalive, expected->keepalive, false);
	assert_deadline(what, "zero keys", timers->zero_keys, expected->zero_keys, false);
	assert_deadline(what, "persistent", timers->persistent, expected->persistent, false);
}

/* Facts and when they are told, seconds after START. */
struct story {
	const char *what;
	uint16_t persistent;
	size_t count;
	struct {
		enum fact fact;
		unsigned at;
	} facts[6];
	struct deadlines expected;
};

static const struct story stories[] = {
	{ "nothing", 25, 0, { { 0, 0 } }, { .retransmit = 0 } },
	{ "initiation", 0, 1, { { INITIATION_SENT, 0 } }, { .retransmit = 5 } },
	{ "initiation sent again", 0, 2, { { INITIATION_SENT, 0 }, { INITIATION_SENT, 5 } },
		{ .retransmit = 10 } },
	{ "initiation counts as authentic", 25, 2, { { DATA_RECEIVED, 1 }, { INITIATION_SENT, 3 } },
		{ .retransmit = 8, .persistent = 28 } },
	{ "initiation keeps the new handshake", 0, 2, { { DATA_SENT, 1 }, { INITIATION_SENT, 3 } },
		{ .retransmit = 8, .new_handshake = 16 } },
	{ "response", 25, 2, { { DATA_RECEIVED, 1 }, { RESPONSE_SENT, 3 } }, { .persistent = 28 } },
	{ "response keeps the retransmission", 0, 2,
		{ { INITIATION_SENT, 0 }, { RESPONSE_SENT, 2 } }, { .retransmit = 5 } },
	{ "handshake complete", 0, 2, { { INITIATION_SENT, 0 }, { HANDSHAKE_COMPLETE, 1 } },
		{ .retransmit = 0 } },
	{ "session derived", 0, 1, { { SESSION_DERIVED, 2 } }, { .zero_keys = 542 } },
	{ "another session derived", 0, 2, { { SESSION_DERIVED, 2 }, { SESSION_DERIVED, 122 } },
		{ .zero_keys = 662 } },
	{ "traffic does not keep keys", 0, 4,
		{ { SESSION_DERIVED, 2 }, { AUTHENTIC_SENT, 100 }, { AUTHENTIC_RECEIVED, 100 },
			{ HANDSHAKE_COMPLETE, 100 } },
		{ .zero_keys = 542 } },
	{ "data sent", 0, 2, { { AUTHENTIC_SENT, 0 }, { DATA_SENT, 0 } }, { .new_handshake = 15 } },
	{ "data sent again: counts from the first", 0, 3,
		{ { DATA_SENT, 1 }, { DATA_SENT, 4 }, { DATA_SENT, 9 } }, { .new_handshake = 16 } },
	{ "data sent and heard of", 0, 2, { { DATA_SENT, 1 }, { AUTHENTIC_RECEIVED, 2 } },
		{ .new_handshake = 0 } },
	{ "data sent, heard of, sent", 0, 3,
		{ { DATA_SENT, 1 }, { AUTHENTIC_RECEIVED, 2 }, { DATA_SENT, 3 } },
		{ .new_handshake = 18 } },
	{ "sending does not disarm the new handshake", 0, 2,
		{ { DATA_SENT, 1 }, { AUTHENTIC_SENT, 2 } }, { .new_handshake = 16 } },
	{ "data received", 0, 2, { { AUTHENTIC_RECEIVED, 0 }, { DATA_RECEIVED, 0 } },
		{ .keepalive = 10 } },
	{ "data received again: counts from the first", 0, 2,
		{ { DATA_RECEIVED, 1 }, { DATA_RECEIVED, 6 } }, { .keepalive = 11 } },
	{ "data received and answered", 0, 2, { { DATA_RECEIVED, 1 }, { AUTHENTIC_SENT, 2 } },
		{ .keepalive = 0 } },
	{ "receiving does not disarm the keepalive", 0, 2,
		{ { DATA_RECEIVED, 1 }, { AUTHENTIC_RECEIVED, 2 } }, { .keepalive = 11 } },
	{ "keepalives are not answered", 0, 1, { { AUTHENTIC_RECEIVED, 1 } }, { .keepalive = 0 } },
	{ "persistent after sending", 25, 2, { { AUTHENTIC_SENT, 1 }, { AUTHENTIC_SENT, 4 } },
		{ .persistent = 29 } },
	{ "persistent after receiving", 25, 2, { { AUTHENTIC_SENT, 1 }, { AUTHENTIC_RECEIVED, 4 } },
		{ .persistent = 29 } },
	{ "persistent, the longest", 65535, 1, { { AUTHENTIC_SENT, 1 } }, { .persistent = 65536 } },
	{ "persistent off", 0, 2, { { AUTHENTIC_SENT, 1 }, { AUTHENTIC_RECEIVED, 4 } },
		{ .persistent = 0 } },
	{ "later, after our response", 0, 2, { { RESPONSE_SENT, 3 }, { INITIATE_LATER, 4 } },
		{ .retransmit = 8 } },
	{ "later, an initiation is out already", 0, 3,
		{ { INITIATION_SENT, 0 }, { RESPONSE_SENT, 4 }, { INITIATE_LATER, 4 } },
		{ .retransmit = 5 } },
	{ "stop", 25, 6,
		{ { INITIATION_SENT, 1 }, { SESSION_DERIVED, 1 }, { DATA_SENT, 1 },
			{ DATA_RECEIVED, 1 }, { AUTHENTIC_SENT, 1 }, { STOP, 2 } },
		{ .retransmit = 0 } },
};

static void test_facts(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(stories) / sizeof(stories[0]); i++) {
		const struct story *story = &stories[i];
		struct timers timers = make(story->persistent);

		for (size_t n = 0; n < story->count; n++)
			tell(&timers, story->facts[n].fact, START + story->facts[n].at * SECOND);
		check(story->what, &timers, &story->expected);
		assert_int_equal(timers.persistent_interval, story->persistent);
		assert_false(timers.quick);
	}
}

/* The culvert dialect: a keepalive after 2 s in place of 10, a new handshake after 4 s in place of
 * 15, the first repetitions after 1 s in place of 5, all else as in WireGuard. */
static void test_facts_quick(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(stories) / sizeof(stories[0]); i++) {
		const struct story *story = &stories[i];
		struct timers timers = make_quick();
		struct deadlines expected = story->expected;

		timers.persistent_interval = story->persistent;
		expected.keepalive -= expected.keepalive ? 10 - 2 : 0;
		expected.new_handshake -= expected.new_handshake ? 15 - 4 : 0;
		expected.retransmit -= expected.retransmit ? 5 - 1 : 0;
		for (size_t n = 0; n < story->count; n++)
			tell(&timers, story->facts[n].fact, START + story->facts[n].at * SECOND);
		check(story->what, &timers, &expected);
		assert_true(timers.quick);
	}
}

/* Only the first four repetitions are quick, whatever traffic asks for meanwhile: an answer that
 * takes longer than a second must find the question still pending. A completed handshake sets that
 * back. */
static void test_quick_retries(void **state)
{
	struct timers timers = make_quick();

	(void)state;
	for (int round = 0; round < 2; round++) {
		uint64_t now = START;

		for (int i = 0; i < 8; i++) {
			const uint64_t wait = (i < 4 ? 1 : 5) * SECOND;

			timers_want_handshake(&timers);
			timers_initiation_sent(&timers, now);
			assert_true(timers.retransmit >= now + wait);
			assert_true(timers.retransmit < now + wait + JITTER);
			assert_false(timers_may_initiate(&timers, now + wait - 1));
			assert_true(timers_may_initiate(&timers, now + wait));
			now = timers.retransmit;
		}
		timers_handshake_complete(&timers);
	}
}

/* The first cookie of a handshake has the initiation repeated after a second, from the source that
 * it was given to. */
static void test_cookie(void **state)
{
	struct timers timers = make(0);
	const struct timers idle = timers;

	(void)state;
	timers_cookie_received(&timers);
	assert_memory_equal(&timers, &idle, sizeof(timers));
	for (int round = 0; round < 2; round++) {
		uint64_t now = START + (uint64_t)round * 100 * SECOND;

		timers_initiation_sent(&timers, now);
		timers_cookie_received(&timers);
		assert_true(timers.retransmit >= now + SECOND);
		assert_true(timers.retransmit < now + SECOND + JITTER);
		assert_false(timers_may_initiate(&timers, now + SECOND - 1));
		assert_true(timers_may_initiate(&timers, now + SECOND));
		now = timers.retransmit;
		assert_int_equal(timers_expire(&timers, now), TIMERS_RETRY);
		timers_initiation_sent(&timers, now);
		timers_cookie_received(&timers); /* once only */
		assert_true(timers.retransmit >= now + 5 * SECOND);
		assert_false(timers_may_initiate(&timers, now + 5 * SECOND - 1));
		now = timers.retransmit;
		assert_int_equal(timers_expire(&timers, now), TIMERS_RETRY | TIMERS_FORGET_SOURCE);
		timers_handshake_complete(&timers);
	}
}

/* As many repetitions as without cookies, all but one of them 5 s apart: then it is given up, and
 * the next handshake may use a cookie again. */
static void test_cookie_for_each(void **state)
{
	struct timers timers = make(0);
	uint64_t now = START;

	(void)state;
	for (int round = 0; round < 2; round++) {
		const uint64_t begin = now;

		timers_want_handshake(&timers);
		for (int i = 0; i < 20; i++) {
			timers_initiation_sent(&timers, now);
			timers_cookie_received(&timers);
			assert_true(timers.retransmit >= now + (i ? 5 : 1) * SECOND);
			now = timers.retransmit;
			assert_int_equal(!(timers_expire(&timers, now) & TIMERS_RETRY), i == 19);
		}
		assert_true(now - begin >= (19 * 5 + 1) * SECOND);
		now += 1000 * SECOND;
	}
}

/* A cookie for an initiation of before hastens nothing that was put off since. */
static void test_late_cookie(void **state)
{
	struct timers timers = make(0);

	(void)state;
	timers_initiation_sent(&timers, START);
	timers_initiate_at(&timers, START + SECOND);
	timers_cookie_received(&timers);
	assert_true(timers.retransmit == START + SECOND);
	timers_expire(&timers, START + SECOND);
	timers_initiation_sent(&timers, START + SECOND);
	timers_cookie_received(&timers);
	assert_true(timers.retransmit < START + 2 * SECOND + JITTER);
}

/* One deadline at a time: nothing a nanosecond before, the action on time, and once only. */
static void test_actions(void **state)
{
	static const struct {
		const char *what;
		size_t deadline;
		unsigned actions;
		unsigned unanswered;
	} table[] = {
		{ "retransmit", offsetof(struct timers, retransmit),
			TIMERS_RETRY | TIMERS_FORGET_SOURCE, 1 },
		{ "an initiation in its turn", offsetof(struct timers, retransmit), TIMERS_RETRY,
			0 },
		{ "keepalive", offsetof(struct timers, keepalive), TIMERS_KEEPALIVE, 0 },
		{ "new handshake", offsetof(struct timers, new_handshake),
			TIMERS_INITIATE | TIMERS_FORGET_SOURCE, 0 },
		{ "zero keys", offsetof(struct timers, zero_keys), TIMERS_ZERO_KEYS, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		for (uint64_t late = 0; late < 20 * SECOND; late += 7 * SECOND) {
			struct timers timers = make(0);

			timers.unanswered = table[i].unanswered;
			memcpy((char *)&timers + table[i].deadline, &(uint64_t){ START },
				sizeof(uint64_t));
			assert_true(timers_next(&timers) == START);
			assert_int_equal(timers_expire(&timers, START - 1), 0);
			assert_true(timers_next(&timers) == START);
			if (timers_expire(&timers, START + late) != table[i].actions)
				fail_msg("%s: other actions", table[i].what);
			assert_true(timers_next(&timers) == NEVER);
			assert_int_equal(timers_expire(&timers, UINT64_MAX - 1), 0);
		}
}

/* All at once. */
static void test_actions_together(void **state)
{
	struct timers timers = make(25);

	(void)state;
	timers.retransmit = timers.keepalive = timers.new_handshake = START;
	timers.zero_keys = timers.persistent = START;
	assert_int_equal(timers_expire(&timers, START), TIMERS_RETRY | TIMERS_KEEPALIVE |
								TIMERS_INITIATE | TIMERS_ZERO_KEYS |
								TIMERS_FORGET_SOURCE);
	assert_true(timers_next(&timers) == START + 25 * SECOND);
}

/* The next deadline is the smallest, whichever it is. */
static void test_next(void **state)
{
	struct timers timers = make(0);
	uint64_t *const deadlines[] = { &timers.retransmit, &timers.keepalive,
		&timers.new_handshake, &timers.zero_keys, &timers.persistent };

	(void)state;
	assert_true(timers_next(&timers) == NEVER);
	for (size_t i = 0; i < 5; i++)
		for (size_t k = 0; k < 5; k++) {
			*deadlines[i] = START + 7;
			if (k != i)
				*deadlines[k] = START + 8;
			assert_true(timers_next(&timers) == START + 7);
			*deadlines[i] = *deadlines[k] = NEVER;
		}
}

/* Jitter: within a third of a second, and really there. */
static void test_jitter(void **state)
{
	uint64_t least[3] = { NEVER, NEVER, NEVER }, most[3] = { 0, 0, 0 };

	(void)state;
	for (int i = 0; i < 3000; i++) {
		struct timers timers = make(0), later = make(0);

		timers.seed = later.seed = (uint64_t)i * 977; /* neighbours must not be alike */
		timers_initiation_sent(&timers, START);
		timers_data_sent(&timers, START);
		timers_response_sent(&later, START);
		timers_initiate_later(&later);
		const uint64_t jitter[3] = { timers.retransmit - (START + 5 * SECOND),
			timers.new_handshake - (START + 15 * SECOND),
			later.retransmit - (START + 5 * SECOND) };

		for (int n = 0; n < 3; n++) {
			assert_true(jitter[n] < JITTER);
			least[n] = jitter[n] < least[n] ? jitter[n] : least[n];
			most[n] = jitter[n] > most[n] ? jitter[n] : most[n];
		}
	}
	/* Chances that 3000 even choices leave a tenth at an end empty: 10^-137. */
	for (int n = 0; n < 3; n++) {
		assert_true(least[n] < JITTER / 10);
		assert_true(most[n] > JITTER - JITTER / 10);
	}
}

/* Sends retransmissions as the tunnel does until it is told to stop; returns how many initiations
 * went out, the first included. */
static unsigned run_attempts(struct timers *timers, uint64_t *now)
{
	unsigned sent = 1;

	timers_initiation_sent(timers, *now);
	for (;;) {
		const uint64_t next = timers->retransmit;

		assert_true(next != NEVER);
		assert_true(next >= *now + 5 * SECOND && next < *now + 5 * SECOND + JITTER);
		*now = next;
		const unsigned actions = timers_expire(timers, *now);

		if (actions & TIMERS_GIVE_UP) {
			assert_int_equal(actions & (TIMERS_RETRY | TIMERS_FORGET_SOURCE), 0);
			return sent;
		}
		assert_true(actions & TIMERS_RETRY);
		assert_true(actions & TIMERS_FORGET_SOURCE);
		assert_true(timers_may_initiate(timers, *now));
		timers_initiation_sent(timers, *now);
		assert_true(++sent < 100);
	}
}

/* Twenty initiations, then nothing is left but the zeroing of keys. */
static void test_give_up(void **state)
{
	struct timers timers = make(0);
	uint64_t now = START;

	(void)state;
	timers_want_handshake(&timers);
	assert_int_equal(run_attempts(&timers, &now), 20);
	assert_true(now >= START + 100 * SECOND && now < START + 20 * (5 * SECOND + JITTER));
	assert_true(timers.retransmit == NEVER);
	assert_true(timers.zero_keys == now + ZEROING);
	assert_true(timers_next(&timers) == now + ZEROING);
	assert_int_equal(timers_expire(&timers, now + ZEROING - 1), 0);
	assert_int_equal(timers_expire(&timers, now + ZEROING), TIMERS_ZERO_KEYS);
	assert_true(timers_next(&timers) == NEVER);

	/* The next packet starts afresh. */
	now += 700 * SECOND;
	timers_want_handshake(&timers);
	assert_int_equal(run_attempts(&timers, &now), 20);
}

/* A keepalive that is due with the last attempt is given up too; zeroing that is armed stays as it
 * is. */
static void test_give_up_cancels(void **state)
{
	struct timers timers = make(0);

	(void)state;
	timers_want_handshake(&timers);
	for (int i = 0; i < 19; i++) {
		timers.retransmit = START;
		assert_true(timers_expire(&timers, START) & TIMERS_RETRY);
	}
	timers.retransmit = timers.keepalive = START;
	timers.zero_keys = START + 3 * SECOND;
	assert_int_equal(timers_expire(&timers, START), TIMERS_GIVE_UP);
	assert_true(timers.keepalive == NEVER);
	assert_true(timers.zero_keys == START + 3 * SECOND);
	assert_true(timers_next(&timers) == START + 3 * SECOND);
}

/* A fresh trigger, or a handshake that succeeds, sets the count back. */
static void test_attempts_anew(void **state)
{
	(void)state;
	for (int complete = 0; complete < 2; complete++) {
		struct timers timers = make(0);
		uint64_t now = START;

		timers_want_handshake(&timers);
		timers_initiation_sent(&timers, now);
		for (int i = 0; i < 12; i++) {
			now = timers.retransmit;
			assert_true(timers_expire(&timers, now) & TIMERS_RETRY);
			timers_initiation_sent(&timers, now);
		}
		if (complete)
			timers_handshake_complete(&timers);
		else
			timers_want_handshake(&timers);
		assert_int_equal(run_attempts(&timers, &now), 20);
	}
}

/* One handshake message of ours in five seconds. */
static void test_may_initiate(void **state)
{
	(void)state;
	for (int response = 0; response < 2; response++) {
		struct timers timers = make(0);

		assert_true(timers_may_initiate(&timers, 0));
		assert_true(timers_may_initiate(&timers, START));
		tell(&timers, response ? RESPONSE_SENT : INITIATION_SENT, START);
		assert_false(timers_may_initiate(&timers, START));
		assert_false(timers_may_initiate(&timers, START + 5 * SECOND - 1));
		assert_true(timers_may_initiate(&timers, START + 5 * SECOND));
		timers_handshake_complete(&timers);
		assert_false(timers_may_initiate(&timers, START + 5 * SECOND - 1));
		timers_stop(&timers);
		assert_true(timers_may_initiate(&timers, START));
	}
}

/* When what was put off is due, it may go out: no second look is needed. */
static void test_initiate_later(void **state)
{
	(void)state;
	for (int i = 0; i < 100; i++) {
		struct timers timers = make(0);

		timers_response_sent(&timers, START);
		timers_initiate_later(&timers);
		const uint64_t when = timers_next(&timers);

		assert_true(timers_expire(&timers, when) & TIMERS_RETRY);
		assert_true(timers_may_initiate(&timers, when));
	}
}

/* Data that comes while a keepalive is owed: one more is owed from when that was sent. */
static void check_need_another(struct timers *timers, uint64_t timeout)
{
	timers_data_received(timers, START);
	timers_data_received(timers, START + timeout / 2);
	timers_data_received(timers, START + timeout - 1);
	assert_int_equal(timers_expire(timers, START + timeout - 1), 0);
	assert_int_equal(timers_expire(timers, START + timeout), TIMERS_KEEPALIVE);
	assert_true(timers_next(timers) == START + 2 * timeout);
	assert_int_equal(timers_expire(timers, START + 2 * timeout), TIMERS_KEEPALIVE);
	assert_true(timers_next(timers) == NEVER);

	/* Without such data there is no second one. */
	timers_data_received(timers, START + 3 * timeout);
	assert_int_equal(timers_expire(timers, START + 4 * timeout), TIMERS_KEEPALIVE);
	assert_true(timers_next(timers) == NEVER);
}

static void test_need_another(void **state)
{
	struct timers timers = make(0), quick = make_quick();

	(void)state;
	check_need_another(&timers, 10 * SECOND);
	check_need_another(&quick, 2 * SECOND);
}

/* The persistent keepalive goes on where nothing can be sent, and ends when it is switched off. */
static void test_persistent(void **state)
{
	struct timers timers = make(1);
	uint64_t now = START;

	(void)state;
	timers_authentic_sent(&timers, now);
	for (int i = 0; i < 50; i++) {
		assert_true(timers_next(&timers) == now + SECOND);
		assert_int_equal(timers_expire(&timers, now + SECOND - 1), 0);
		now += SECOND;
		assert_int_equal(timers_expire(&timers, now), TIMERS_KEEPALIVE);
	}
	timers.persistent_interval = 0;
	assert_int_equal(timers_expire(&timers, now + SECOND), 0);
	assert_true(timers_next(&timers) == NEVER);
}

/* The receive-side rekey is asked for once a session: its mark goes with the handshake. */
static void test_last_minute_mark(void **state)
{
	struct timers timers = make(0);

	(void)state;
	assert_false(timers.sent_last_minute_handshake);
	timers.sent_last_minute_handshake = true;
	timers_initiation_sent(&timers, START);
	timers_session_derived(&timers, START);
	timers_want_handshake(&timers);
	assert_true(timers.sent_last_minute_handshake);
	timers_handshake_complete(&timers);
	assert_false(timers.sent_last_minute_handshake);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_facts),
		cmocka_unit_test(test_facts_quick),
		cmocka_unit_test(test_quick_retries),
		cmocka_unit_test(test_cookie),
		cmocka_unit_test(test_cookie_for_each),
		cmocka_unit_test(test_late_cookie),
		cmocka_unit_test(test_actions),
		cmocka_unit_test(test_actions_together),
		cmocka_unit_test(test_next),
		cmocka_unit_test(test_jitter),
		cmocka_unit_test(test_give_up),
		cmocka_unit_test(test_give_up_cancels),
		cmocka_unit_test(test_attempts_anew),
		cmocka_unit_test(test_may_initiate),
		cmocka_unit_test(test_initiate_later),
		cmocka_unit_test(test_need_another),
		cmocka_unit_test(test_persistent),
		cmocka_unit_test(test_last_minute_mark),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
