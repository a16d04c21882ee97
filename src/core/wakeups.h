/* SPDX-License-Identifier: ISC */
/* A heap of peers by the time at which each wants to be looked at again. */
#ifndef CORE_WAKEUPS_H
#define CORE_WAKEUPS_H

#include "core/peer.h"

struct wakeups {
	struct peer **heap; /* peer->wakeup, earliest first; peer->wakeup_position is its place */
	size_t count;
	size_t capacity;
};

/* Enters a peer with peer->wakeup as it stands. 0 or -ENOMEM. */
int wakeups_add(struct wakeups *wakeups, struct peer *peer);
void wakeups_remove(struct wakeups *wakeups, struct peer *peer);

/* Sets the time. */
void wakeups_move(struct wakeups *wakeups, struct peer *peer, uint64_t when);

/* The earliest, or NULL. */
static inline struct peer *wakeups_first(const struct wakeups *wakeups)
{
	return wakeups->count ? wakeups->heap[0] : NULL;
}

void wakeups_free(struct wakeups *wakeups);

#endif
