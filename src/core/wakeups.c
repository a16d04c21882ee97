/* SPDX-License-Identifier: ISC */
/* A binary heap of peers by deadline. */
#include "core/wakeups.h"

#include <errno.h>
#include <stdlib.h>

static void place(struct wakeups *wakeups, size_t position, struct peer *peer)
{
	wakeups->heap[position] = peer;
	peer->wakeup_position = position;
}

static void sift_up(struct wakeups *wakeups, struct peer *peer)
{
	size_t at = peer->wakeup_position;

	while (at) {
		const size_t parent = (at - 1) / 2;

		if (wakeups->heap[parent]->wakeup <= peer->wakeup)
			break;
		place(wakeups, at, wakeups->heap[parent]);
		at = parent;
	}
	place(wakeups, at, peer);
}

static void sift_down(struct wakeups *wakeups, struct peer *peer)
{
	size_t at = peer->wakeup_position;

	for (;;) {
		size_t child = 2 * at + 1;

		if (child >= wakeups->count)
			break;
		if (child + 1 < wakeups->count &&
			wakeups->heap[child + 1]->wakeup < wakeups->heap[child]->wakeup)
			child++;
		if (peer->wakeup <= wakeups->heap[child]->wakeup)
			break;
		place(wakeups, at, wakeups->heap[child]);
		at = child;
	}
	place(wakeups, at, peer);
}

int wakeups_add(struct wakeups *wakeups, struct peer *peer)
{
	if (wakeups->count == wakeups->capacity) {
		const size_t capacity = wakeups->capacity ? wakeups->capacity * 2 : 8;
		struct peer **heap = realloc(wakeups->heap, capacity * sizeof(*heap));

		if (!heap)
			return -ENOMEM;
		wakeups->heap = heap;
		wakeups->capacity = capacity;
	}
	place(wakeups, wakeups->count++, peer);
	sift_up(wakeups, peer);
	return 0;
}

void wakeups_remove(struct wakeups *wakeups, struct peer *peer)
{
	struct peer *last = wakeups->heap[--wakeups->count];

	if (last == peer)
		return;
	place(wakeups, peer->wakeup_position, last);
	sift_up(wakeups, last);
	sift_down(wakeups, last);
}

void wakeups_move(struct wakeups *wakeups, struct peer *peer, uint64_t when)
{
	peer->wakeup = when;
	sift_up(wakeups, peer);
	sift_down(wakeups, peer);
}

void wakeups_free(struct wakeups *wakeups)
{
	free(wakeups->heap);
	*wakeups = (struct wakeups){ 0 };
}
