/* SPDX-License-Identifier: ISC */
/*
 * Clocks, compared: boot time goes on while the machine sleeps and monotonic time does not, so that
 * what lies between them grows by a sleep; wall time can be set. Pure functions; milliseconds.
 */
#ifndef HOST_CLOCKWATCH_H
#define HOST_CLOCKWATCH_H

#include <stdbool.h>
#include <stdint.h>

enum {
	CLOCKWATCH_SLEEP = 1000, /* a shorter sleep is none */
	CLOCKWATCH_STEP = 2000,  /* nor is a clock that is led back slowly set back */
};

struct clockwatch_reading {
	uint64_t boot, monotonic, wall;
};

struct clockwatch {
	struct clockwatch_reading last;
	uint64_t latest; /* wall time that was reached already; what lies before it is the past */
};

struct clockwatch_news {
	uint64_t slept;    /* how long; 0: not at all */
	uint64_t set_back; /* by how much; 0: not at all */
	bool caught_up;    /* the clock has passed where it had been once */
};

/* latest: a time that is known to have been (when a file was written, say). */
void clockwatch_init(
	struct clockwatch *watch, const struct clockwatch_reading *now, uint64_t latest);

/* What happened since the last call. */
void clockwatch_look(struct clockwatch *watch, const struct clockwatch_reading *now,
	struct clockwatch_news *news);

/* By how much the clock is behind a time that it has shown; 0: not at all. */
uint64_t clockwatch_behind(const struct clockwatch *watch);

#endif
