/* SPDX-License-Identifier: ISC */
/* Clocks, compared: sleep, and wall time that goes back. */
#include "host/clockwatch.h"

void clockwatch_init(
	struct clockwatch *watch, const struct clockwatch_reading *now, uint64_t latest)
{
	watch->last = *now;
	watch->latest = now->wall > latest ? now->wall : latest;
}

uint64_t clockwatch_behind(const struct clockwatch *watch)
{
	const uint64_t behind = watch->latest - watch->last.wall;

	return behind > CLOCKWATCH_STEP ? behind : 0;
}

void clockwatch_look(struct clockwatch *watch, const struct clockwatch_reading *now,
	struct clockwatch_news *news)
{
	const struct clockwatch_reading *last = &watch->last;
	const uint64_t passed = now->boot - last->boot;
	const uint64_t awake = now->monotonic - last->monotonic;
	const uint64_t expected = last->wall + passed;
	const bool was_behind = clockwatch_behind(watch) != 0;

	*news = (struct clockwatch_news){ 0 };
	if (passed >= awake + CLOCKWATCH_SLEEP)
		news->slept = passed - awake;
	if (now->wall + CLOCKWATCH_STEP < expected)
		news->set_back = expected - now->wall;
	/* Where it would be by now had nobody set it back. */
	if (news->set_back && expected > watch->latest)
		watch->latest = expected;
	if (now->wall > watch->latest)
		watch->latest = now->wall;
	watch->last = *now;
	news->caught_up = was_behind && !clockwatch_behind(watch);
}
