/* SPDX-License-Identifier: ISC */
/* The peers in a few words. Which state a peer is in: tests/unit/test_status.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "host/peer_state.h"

enum { NOW = 1000000000 }; /* 01:46:40 */

#define KEY_1 "0101010101010101010101010101010101010101010101010101010101010101"
#define KEY_2 "0202020202020202020202020202020202020202020202020202020202020202"

static void test_parse(void **state)
{
	static const char text[] =
		"private_key=" KEY_2 "\nlisten_port=1\nculvert_added=3\n"
		"public_key=" KEY_1 "\npersistent_keepalive_interval=25\nno value\n"
		"endpoint=192.0.2.1:9\nlast_handshake_time_sec=5\ntx_bytes=6\n"
		"culvert_unanswered=7\nculvert_unanswered_since=8\nculvert_up_since=9\n"
		"culvert_added=10\n"
		"public_key=" KEY_2 "\nrx_bytes=99\nerrno=0\n\n";
	char copy[sizeof(text)], *rest = copy;
	struct peer_facts facts;
	uint8_t key[KEY_LEN];

	(void)state;
	memcpy(copy, text, sizeof(text));
	assert_true(peer_facts_parse(&rest, key, &facts));
	assert_int_equal(key[0], 1);
	assert_true(facts.endpoint);
	assert_int_equal(facts.last_handshake, 5);
	assert_int_equal(facts.tx_bytes, 6);
	assert_int_equal(facts.keepalive, 25);
	assert_int_equal(facts.unanswered, 7);
	assert_int_equal(facts.unanswered_since, 8);
	assert_int_equal(facts.up_since, 9);
	assert_int_equal(facts.added, 10);
	assert_true(peer_facts_parse(&rest, key, &facts));
	assert_int_equal(key[0], 2);
	assert_false(facts.endpoint);
	assert_int_equal(facts.last_handshake, 0);
	assert_false(peer_facts_parse(&rest, key, &facts));
}

static void test_nothing_to_parse(void **state)
{
	static const char *const cases[] = { "", "\n", "errno=0\n\n", "public_key=xyz\n\n" };
	char copy[64], *rest;
	struct peer_facts facts;
	uint8_t key[KEY_LEN];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		strcpy(copy, cases[i]);
		rest = copy;
		assert_false(peer_facts_parse(&rest, key, &facts));
	}
	rest = NULL;
	assert_false(peer_facts_parse(&rest, key, &facts));
}

static const struct peer_facts up = { .last_handshake = NOW - 10, .up_since = NOW - 500 };
static const struct peer_facts asked = {
	.tx_bytes = 148, .unanswered = 1, .unanswered_since = NOW - 14
};
static const struct peer_facts nameless = { .unresolved = true, .added = NOW - 100 };
static const struct peer_facts renewing = {
	.last_handshake = NOW - 125, .unanswered = 2, .unanswered_since = NOW - 10, .up_since = 1
};
static const struct peer_facts gone = {
	.last_handshake = NOW - 30, .unanswered = 3, .unanswered_since = NOW - 11, .up_since = 1
};
/* We gave up, and its session is not over yet. */
static const struct peer_facts given_up = {
	.last_handshake = NOW - 120, .unanswered_since = NOW - 100, .up_since = 1
};
static const struct peer_facts idle = { .last_handshake = NOW - 1000 };
static const struct peer_facts stale = { .last_handshake = NOW - 1000, .keepalive = 25 };
static const struct peer_facts never = { .added = NOW - 5, .keepalive = 25 };

static void test_summary(void **state)
{
	static const struct {
		struct {
			const struct peer_facts *facts;
			bool we_call;
		} peers[3];
		const char *text;
	} cases[] = {
		{ { { &up, true } }, "1 of 1 peers up" },
		{ { { &up, true }, { &asked, true }, { &up, false } },
			"2 of 3 peers up; peer 1: handshaking since 01:46:26" },
		{ { { &nameless, true } }, "0 of 1 peers up; peer 0: unresolved since 01:45:00" },
		{ { { &nameless, true }, { &asked, true }, { &asked, true } },
			"0 of 3 peers up; peer 0: unresolved since 01:45:00; 2 more do not "
			"answer" },
		/* It has a session, but does not answer. */
		{ { { &renewing, true } }, "1 of 1 peers up" },
		{ { { &gone, true } }, "0 of 1 peers up; peer 0: handshaking since 01:46:29" },
		{ { { &gone, false }, { &up, true } }, "1 of 2 peers up" },
		{ { { &given_up, true } }, "0 of 1 peers up; peer 0: handshaking since 01:45:00" },
		/* Who calls us may be away, and who has nothing to say may be silent. */
		{ { { &asked, false }, { &idle, true }, { &up, true } }, "1 of 3 peers up" },
		/* But not if it is to be kept alive. */
		{ { { &up, true }, { &stale, true }, { &stale, false } },
			"1 of 3 peers up; peer 1: stale since 01:33:00" },
		{ { { &never, false }, { &never, true }, { &stale, true } },
			"0 of 3 peers up; peer 1: never since 01:46:35; 1 more do not answer" },
	};
	static const char *const names[] = { "peer 0", "peer 1", "peer 2" };
	char text[PEER_SUMMARY_SIZE];

	(void)state;
	setenv("TZ", "UTC", 1);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct peer_summary summary = { 0 };

		for (size_t j = 0; j < 3 && cases[i].peers[j].facts; j++)
			peer_summary_add(&summary, names[j], cases[i].peers[j].facts,
				cases[i].peers[j].we_call, NOW);
		peer_summary_text(text, &summary);
		assert_string_equal(text, cases[i].text);
	}
}

static void test_long_name(void **state)
{
	char name[300], text[PEER_SUMMARY_SIZE];
	struct peer_summary summary = { 0 };

	(void)state;
	for (size_t i = 0; i < 99; i++)
		memcpy(name + i * 3, "\xe2\x82\xac", 4);
	peer_summary_add(&summary, name + 3, &asked, true, NOW);
	peer_summary_text(text, &summary);
	assert_non_null(strstr(text, "\xe2\x82\xac: handshaking since 01:46:26"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_nothing_to_parse),
		cmocka_unit_test(test_summary),
		cmocka_unit_test(test_long_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
