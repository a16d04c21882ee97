/* SPDX-License-Identifier: ISC */
/* What the clocks tell: sleep, and wall time that goes back. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "host/clockwatch.h"

enum { MINUTE = 60000, HOUR = 3600000 };

static const struct clockwatch_reading start = {
	.boot = 500 * (uint64_t)HOUR, .monotonic = 400 * (uint64_t)HOUR, .wall = 1700000000000
};

/* Reading by reading: what passed on each clock, and what that means. */
static void test_look(void **state)
{
	static const struct {
		int64_t boot, monotonic, wall;
		struct clockwatch_news news;
		uint64_t behind;
	} steps[] = {
		{ 10000, 10000, 10000, { 0 }, 0 },
		{ 0, 0, 0, { 0 }, 0 },
		/* Reading one clock after the other takes a while. */
		{ 10500, 10000, 10400, { 0 }, 0 },
		{ HOUR, 4000, HOUR, { .slept = HOUR - 4000 }, 0 },
		{ 10000, 10000, 10000, { 0 }, 0 },
		/* Set forward is no matter, asleep or awake. */
		{ 10000, 10000, 5 * MINUTE, { 0 }, 0 },
		/* Slewed by half a part in a thousand. */
		{ MINUTE, MINUTE, MINUTE - 30, { 0 }, 0 },
		{ 10000, 10000, 10000 - 5 * MINUTE, { .set_back = 5 * MINUTE }, 5 * MINUTE },
		{ MINUTE, MINUTE, MINUTE, { 0 }, 4 * MINUTE },
		{ 10000, 10000, 10000 - MINUTE, { .set_back = MINUTE }, 5 * MINUTE - 10000 },
		{ 10 * MINUTE, MINUTE, 10 * MINUTE, { .slept = 9 * MINUTE, .caught_up = true }, 0 },
		/* Set back while it slept. */
		{ HOUR, 0, HOUR - 10 * MINUTE, { .slept = HOUR, .set_back = 10 * MINUTE },
			10 * MINUTE },
		/* And right again. */
		{ 10000, 10000, 10 * MINUTE + 10000, { .caught_up = true }, 0 },
	};
	struct clockwatch_reading now = start;
	struct clockwatch watch;
	struct clockwatch_news news;

	(void)state;
	clockwatch_init(&watch, &now, 0);
	assert_int_equal(clockwatch_behind(&watch), 0);
	for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
		now.boot += (uint64_t)steps[i].boot;
		now.monotonic += (uint64_t)steps[i].monotonic;
		now.wall += (uint64_t)steps[i].wall;
		clockwatch_look(&watch, &now, &news);
		if (news.slept != steps[i].news.slept || news.set_back != steps[i].news.set_back)
			print_error("step %zu\n", i);
		assert_int_equal(news.slept, steps[i].news.slept);
		assert_int_equal(news.set_back, steps[i].news.set_back);
		assert_int_equal(news.caught_up, steps[i].news.caught_up);
		assert_int_equal(clockwatch_behind(&watch), steps[i].behind);
	}
}

/* A machine without a battery for its clock: files tell that it is later than it thinks. */
static void test_start_in_the_past(void **state)
{
	struct clockwatch_reading now = start;
	struct clockwatch watch;
	struct clockwatch_news news;

	(void)state;
	clockwatch_init(&watch, &now, now.wall + HOUR);
	assert_int_equal(clockwatch_behind(&watch), HOUR);
	now.boot += 1000;
	now.monotonic += 1000;
	now.wall += 1000;
	clockwatch_look(&watch, &now, &news);
	assert_int_equal(clockwatch_behind(&watch), HOUR - 1000);
	assert_false(news.caught_up);
	now.wall += 2 * HOUR; /* somebody asked for the time */
	clockwatch_look(&watch, &now, &news);
	assert_true(news.caught_up);
	assert_int_equal(clockwatch_behind(&watch), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_look),
		cmocka_unit_test(test_start_in_the_past),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
