/* SPDX-License-Identifier: ISC */
/*
 * All that a tunnel knows, byte for byte, before and after something that must not change it.
 *
 * Left out is what is meant to change: statistics (counters, and what was told to people), the room
 * in which batches are worked on, and the budget of handshakes until the next tick, to which
 * tunnel_tick must have been called. The trie of allowed IPs is left out too: no packet writes to
 * it.
 */
#ifndef SNAPSHOT_H
#define SNAPSHOT_H

#include "sim.h"

struct snapshot; /* opaque */

/* loaded: the cookie checker, whose buckets and secret are for times of load, is left out as well.
 */
struct snapshot *snapshot_take(const struct tunnel *tunnel, bool loaded);

/* The name of the first part that differs now, or NULL. */
const char *snapshot_difference(const struct snapshot *snapshot, const struct tunnel *tunnel);

/* Fails, naming what was done and what changed by it. */
void snapshot_check(
	const struct snapshot *snapshot, const struct tunnel *tunnel, const char *what, size_t n);

void snapshot_free(struct snapshot *snapshot);

#endif
