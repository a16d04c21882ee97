/* SPDX-License-Identifier: ISC */
/* The heap of deadlines against a search for the smallest. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/wakeups.h"
#include "../random.h"

enum { PEERS = 300 };

/* The first is one of the earliest, and each peer knows its place. */
static void check(const struct wakeups *wakeups, const struct peer *peers, const bool *in)
{
	uint64_t earliest = UINT64_MAX;
	size_t count = 0;

	for (size_t i = 0; i < PEERS; i++) {
		if (!in[i])
			continue;
		count++;
		if (peers[i].wakeup < earliest)
			earliest = peers[i].wakeup;
		assert_true(peers[i].wakeup_position < wakeups->count);
		assert_ptr_equal(wakeups->heap[peers[i].wakeup_position], &peers[i]);
	}
	assert_int_equal(wakeups->count, count);
	if (count)
		assert_true(wakeups_first(wakeups)->wakeup == earliest);
	else
		assert_null(wakeups_first(wakeups));
}

/* Small, so that many are equal; now and then never. */
static uint64_t make_time(void)
{
	const uint64_t random = next_random();

	return random % 10 == 0 ? UINT64_MAX : random % 10 == 1 ? random : random % 100;
}

static void test_random(void **state)
{
	struct peer *peers = calloc(PEERS, sizeof(*peers));
	struct wakeups wakeups = { 0 };
	bool in[PEERS] = { false };

	(void)state;
	assert_non_null(peers);
	random_state = 1;
	check(&wakeups, peers, in);
	for (int step = 0; step < 20000; step++) {
		const size_t i = next_random() % PEERS;
		const bool fill = step / 2500 % 2 == 0;

		if (!in[i] && (fill || next_random() % 8 == 0)) {
			peers[i].wakeup = make_time();
			assert_int_equal(wakeups_add(&wakeups, &peers[i]), 0);
			in[i] = true;
		} else if (in[i] && next_random() % 8 < (fill ? 1 : 5)) {
			wakeups_remove(&wakeups, &peers[i]);
			in[i] = false;
		} else if (in[i]) {
			const uint64_t when = make_time();

			wakeups_move(&wakeups, &peers[i], when);
			assert_true(peers[i].wakeup == when);
		}
		check(&wakeups, peers, in);
	}
	wakeups_free(&wakeups);
	assert_null(wakeups_first(&wakeups));
	free(peers);
}

static int compare_times(const void *a, const void *b)
{
	const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* Some peers enter, change their time and leave; the others must come out in the order in which
 * they are due. */
static void check_order(struct peer *peers, size_t count)
{
	uint64_t *times = calloc(count, sizeof(*times));
	struct wakeups wakeups = { 0 };
	size_t kept = 0;

	assert_non_null(times);
	for (size_t i = 0; i < count; i++) {
		peers[i].wakeup = next_random();
		assert_int_equal(wakeups_add(&wakeups, &peers[i]), 0);
	}
	for (size_t i = 0; i < count; i += 1 + next_random() % 2)
		wakeups_move(&wakeups, &peers[i], make_time());
	for (size_t i = 0; i < count; i++)
		if (next_random() % 3)
			times[kept++] = peers[i].wakeup;
		else
			wakeups_remove(&wakeups, &peers[i]);
	qsort(times, kept, sizeof(*times), compare_times);
	assert_int_equal(wakeups.count, kept);
	for (size_t i = 0; i < kept; i++) {
		assert_true(wakeups_first(&wakeups)->wakeup == times[i]);
		wakeups_remove(&wakeups, wakeups_first(&wakeups));
	}
	assert_null(wakeups_first(&wakeups));
	wakeups_free(&wakeups);
	free(times);
}

/* Many small heaps, where every shape comes up, and large ones. */
static void test_order(void **state)
{
	enum { MANY = 5000 };
	struct peer *peers = calloc(MANY, sizeof(*peers));

	(void)state;
	assert_non_null(peers);
	random_state = 2;
	for (int round = 0; round < 20; round++)
		for (size_t count = 1; count < 60; count++)
			check_order(peers, count);
	for (int round = 0; round < 4; round++)
		check_order(peers, MANY);
	free(peers);
}

/* After it was freed it can be used again: a tunnel may be emptied and filled. */
static void test_again(void **state)
{
	struct peer *peer = calloc(1, sizeof(*peer));
	struct wakeups wakeups = { 0 };

	(void)state;
	assert_non_null(peer);
	for (int round = 0; round < 3; round++) {
		peer->wakeup = 7;
		assert_int_equal(wakeups_add(&wakeups, peer), 0);
		assert_ptr_equal(wakeups_first(&wakeups), peer);
		wakeups_free(&wakeups);
		assert_null(wakeups_first(&wakeups));
	}
	free(peer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
