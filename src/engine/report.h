/* SPDX-License-Identifier: ISC */
/*
 * The tunnel's events as log lines, so few that nobody on the network can fill a disk with them: an
 * address is named once in ten minutes for what it may provoke without a key, and all addresses
 * together five times a minute. How many lines were left out stands in the next one.
 */
#ifndef ENGINE_REPORT_H
#define ENGINE_REPORT_H

#include "core/tunnel.h"

struct report; /* opaque */

struct report *report_new(void); /* NULL: out of memory */
void report_free(struct report *report);

/* now is boot time. */
void report_event(struct report *report, const struct tunnel_event *event, uint64_t now);

/* A send that failed; error is negative. */
void report_send_error(struct report *report, const struct endpoint *to, int error, uint64_t now);

#endif
