/* SPDX-License-Identifier: ISC */
/* The metrics page: Prometheus's text format, from the engine's answer. A pure function. */
#ifndef HOST_METRICS_PAGE_H
#define HOST_METRICS_PAGE_H

#include <stdint.h>

#include "host/metrics.h"
#include "host/text.h"

/* What is not in the engine's answer. */
struct metrics_given {
	const char *interface, *version;
	struct metrics_facts facts;
	uint64_t tun_drops; /* packets that the device's queue had no room for */
};

/* Writes the page from the answer to a get (engine/uapi.h), which is taken apart in the course of
 * it and is not believed: whatever it holds, the page is well-formed. 0; -EINVAL: not an answer;
 * -ENOMEM. */
int metrics_page(struct text *page, char *answer, const struct metrics_given *given);

#endif
