/* SPDX-License-Identifier: ISC */
/* Which of a name's addresses is tried next, and when it is looked up again. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>

#include "host/names.h"

enum { SECOND = 1000, BEGIN = 1000000 };

static const struct endpoint unset;

static struct endpoint at(const char *text)
{
	struct endpoint endpoint;

	assert_int_equal(endpoint_from_text(&endpoint, text), 0);
	return endpoint;
}

static struct resolve_result result(const char *first, const char *second)
{
	struct resolve_result result = { 0 };

	if (first)
		result.addresses[result.count++] = at(first);
	if (second)
		result.addresses[result.count++] = at(second);
	return result;
}

#define A "192.0.2.1:7"
#define B "[2001:db8::2]:7"
#define C "192.0.2.3:7"

static void found(struct names *names, const char *first, const char *second, uint64_t now)
{
	const struct resolve_result is = result(first, second);

	names_found(names, &is, now);
}

static struct names names_of(const char *first, const char *second)
{
	struct names names;

	names_init(&names, BEGIN);
	assert_int_equal(names.due, BEGIN);
	found(&names, first, second, BEGIN);
	assert_int_equal(names.due, NAMES_NEVER);
	return names;
}

static bool all(void *context, const struct endpoint *endpoint)
{
	(void)context, (void)endpoint;
	return true;
}

static bool only_ipv4(void *context, const struct endpoint *endpoint)
{
	(void)context;
	return endpoint->any.sa_family == AF_INET;
}

static bool none(void *context, const struct endpoint *endpoint)
{
	(void)context, (void)endpoint;
	return false;
}

static void expect_next(struct names *names, const char *present,
	bool (*has_route)(void *, const struct endpoint *), const char *expected)
{
	const struct endpoint from = present ? at(present) : unset;
	const struct endpoint *next = names_next(names, &from, has_route, NULL);
	char text[ENDPOINT_TEXT_SIZE] = "nothing";

	if (next)
		endpoint_to_text(text, next);
	assert_string_equal(text, expected ? expected : "nothing");
}

static void test_next(void **state)
{
	struct names names = names_of(A, B), one = names_of(A, NULL), empty = { 0 };

	(void)state;
	expect_next(&names, NULL, all, A);
	expect_next(&names, A, all, B);
	expect_next(&names, B, all, A);
	expect_next(&names, C, all, A); /* it roamed, or the name leads elsewhere now */
	expect_next(&names, B, only_ipv4, A);
	expect_next(&names, A, only_ipv4, NULL);
	expect_next(&names, NULL, none, A); /* there may be a route later */
	expect_next(&names, A, none, NULL);
	expect_next(&one, A, all, NULL);
	expect_next(&one, NULL, all, A);
	expect_next(&empty, NULL, all, NULL);
	found(&names, B, A, BEGIN);
	expect_next(&names, NULL, only_ipv4, A);
	assert_true(names_contain(&names, &(struct endpoint){ .v4 = at(A).v4 }));
}

static struct names_facts facts(uint64_t age, uint64_t waiting)
{
	return (struct names_facts){ .endpoint = at(A), .age = age, .waiting = waiting };
}

static bool observe(struct names *names, uint64_t age, uint64_t waiting, uint64_t now)
{
	const struct names_facts is = facts(age, waiting);

	return names_observe(names, &is, now);
}

/* Nobody asks, or somebody answers: nothing is done. */
static void test_peace(void **state)
{
	static const struct {
		uint64_t age, waiting;
	} cases[] = {
		{ NAMES_NEVER, NAMES_NEVER },
		{ NAMES_NEVER, 0 },
		{ NAMES_NEVER, NAMES_TRY - 1 },
		{ 0, NAMES_NEVER },
		{ 134 * SECOND, NAMES_NEVER },
		{ 134 * SECOND, NAMES_TRY - 1 },
		{ 135 * SECOND, NAMES_NEVER },
		{ 86400 * SECOND, NAMES_NEVER },
	};
	struct names names = names_of(A, B);

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		assert_false(observe(&names, cases[i].age, cases[i].waiting, BEGIN + 60 * SECOND));
		assert_int_equal(names.due, NAMES_NEVER);
	}
}

/* The handshake is old and somebody wants it renewed: the name is looked up, the peer stays. */
static void test_old(void **state)
{
	struct names names = names_of(A, B);
	struct names_facts is = facts(135 * SECOND, 1);

	(void)state;
	assert_false(names_observe(&names, &is, BEGIN + 135 * SECOND));
	assert_int_equal(names.due, BEGIN + SECOND); /* that is, now */
	names = names_of(A, B);
	is = facts(135 * SECOND, NAMES_NEVER);
	is.keepalive = 25;
	assert_false(names_observe(&names, &is, BEGIN + 135 * SECOND));
	assert_int_equal(names.due, BEGIN + SECOND);
}

/* Each address has its turn, then the name is looked up with a growing pause, then again. */
static void test_nobody_answers(void **state)
{
	struct names names = names_of(A, B);
	uint64_t now = BEGIN + 10 * SECOND;

	(void)state;
	for (unsigned round = 1; round < 12; round++) {
		assert_true(observe(&names, NAMES_NEVER, NAMES_TRY, now));
		assert_int_equal(
			names.due, names.asked + (uint64_t)resolve_retry_delay(round) * SECOND);
		expect_next(&names, A, all, B);
		assert_true(observe(&names, NAMES_NEVER, NAMES_TRY, now));
		expect_next(&names, B, all, A);
		assert_false(observe(&names, NAMES_NEVER, NAMES_TRY, now));
		names.due = NAMES_NEVER; /* as who starts the look-up does */
		now += 400 * SECOND;
		found(&names, round % 2 ? A : NULL, round % 2 ? B : NULL, now);
	}
	/* Somebody answers: at the next trouble everything begins anew. */
	assert_false(observe(&names, SECOND, NAMES_NEVER, now));
	assert_true(observe(&names, 20 * SECOND, NAMES_TRY, now));
	assert_int_equal(names.due, names.asked + SECOND);
}

/* A name that does not resolve is asked for again, more and more seldom, heard or not. */
static void test_unresolved(void **state)
{
	struct names names;
	uint64_t now = BEGIN;

	(void)state;
	names_init(&names, now);
	for (unsigned i = 1; i < 12; i++) {
		found(&names, NULL, NULL, now);
		assert_int_equal(names.due, now + (uint64_t)resolve_retry_delay(i) * SECOND);
		now = names.due;
		assert_false(observe(&names, SECOND, NAMES_NEVER, now));
		assert_int_equal(names.due, now);
	}
	found(&names, A, NULL, now);
	assert_int_equal(names.due, NAMES_NEVER);
	/* And one that did keeps what it led to. */
	found(&names, NULL, NULL, now);
	assert_int_equal(names.count, 1);
}

/* Data come though no handshake is answered: the peer is where it is. */
static void test_heard(void **state)
{
	struct names names = names_of(A, B);
	struct names_facts is = facts(20 * SECOND, NAMES_TRY);
	uint64_t now = BEGIN + 60 * SECOND;

	(void)state;
	is.rx_bytes = 5000;
	is.waiting = 0;
	assert_false(names_observe(&names, &is, now));
	is.rx_bytes = 6000;
	is.waiting = NAMES_TRY;
	assert_false(names_observe(&names, &is, now));
	assert_false(names_observe(&names, &is, now + NAMES_HEARD - 1));
	assert_true(names_observe(&names, &is, now + NAMES_HEARD));
	/* What was heard in another network does not count. */
	is.rx_bytes = 7000;
	assert_false(names_observe(&names, &is, now + NAMES_HEARD));
	names_network_changed(&names, now + NAMES_HEARD + 1);
	assert_int_equal(names.due, now + NAMES_HEARD + 1);
	assert_true(names_observe(&names, &is, now + NAMES_HEARD + 2));
}

static void test_no_route(void **state)
{
	struct names names = names_of(A, B);
	struct names_facts is = facts(SECOND, NAMES_NEVER);

	(void)state;
	is.no_route = true;
	assert_true(names_observe(&names, &is, BEGIN));
	/* With nothing to send that is no reason to look anything up. */
	assert_int_equal(names.due, NAMES_NEVER);
	is.waiting = 1;
	assert_true(names_observe(&names, &is, BEGIN));
	assert_int_equal(names.due, BEGIN + SECOND);
}

#define HEX8(s) s s s s s s s s
#define KEY1 HEX8("01010101")
#define KEY2 HEX8("02020202")

static bool parse(const char *text, struct names_facts *is)
{
	char copy[512], *rest = copy;
	uint8_t key[KEY_LEN];

	assert_true(strlen(text) < sizeof(copy));
	strcpy(copy, text);
	return names_parse_facts(&rest, key, is);
}

static void test_parse(void **state)
{
	char text[] = "public_key=" KEY1 "\nendpoint=" B "\nrx_bytes=12345678901\n"
		      "persistent_keepalive_interval=25\nculvert_handshake_age=7\n"
		      "culvert_waiting=8\nsomething_new=1\npublic_key=" KEY2 "\n"
		      "rx_bytes=0\npersistent_keepalive_interval=0\nerrno=0\n\n";
	static const char *const bad[] = { "", "\n", "errno=0\n\n", "public_key=\n",
		"public_key=" KEY1 "0\n", "public_key=" HEX8("0101010g") "\n" };
	char *rest = text;
	const struct endpoint b = at(B);
	uint8_t key[KEY_LEN];
	struct names_facts is;

	(void)state;
	assert_true(names_parse_facts(&rest, key, &is));
	assert_int_equal(key[0], 1);
	assert_true(endpoint_equal(&is.endpoint, &b));
	assert_true(
		is.rx_bytes == 12345678901 && is.keepalive == 25 && is.age == 7 && is.waiting == 8);
	assert_true(names_parse_facts(&rest, key, &is));
	assert_int_equal(key[31], 2);
	assert_false(endpoint_is_set(&is.endpoint));
	assert_true(!is.rx_bytes && !is.keepalive && is.age == NAMES_NEVER &&
		    is.waiting == NAMES_NEVER && !is.no_route);
	assert_false(names_parse_facts(&rest, key, &is));
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_false(parse(bad[i], &is));
	/* An endpoint that is none, and one that is far too long. */
	assert_true(parse("public_key=" KEY1 "\nendpoint=x\n\n", &is));
	assert_false(endpoint_is_set(&is.endpoint));
	assert_true(parse("public_key=" KEY1 "\nendpoint=" KEY1 KEY2 ":1\n\n", &is));
	assert_false(endpoint_is_set(&is.endpoint));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_next),
		cmocka_unit_test(test_peace),
		cmocka_unit_test(test_old),
		cmocka_unit_test(test_nobody_answers),
		cmocka_unit_test(test_unresolved),
		cmocka_unit_test(test_heard),
		cmocka_unit_test(test_no_route),
		cmocka_unit_test(test_parse),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
