/* SPDX-License-Identifier: ISC */
/* All that a tunnel knows, byte for byte. */
#include "snapshot.h"

#include <malloc.h>
#include <stdlib.h>

#include "core/tunnel_internal.h"

struct part {
	const char *name;
	const void *where; /* another place is a difference */
	size_t len;
	uint8_t *bytes;
};

struct snapshot {
	bool loaded;
	size_t count, capacity;
	struct part *parts;
};

static void add(struct snapshot *snapshot, const char *name, const void *where, size_t len,
	const void *bytes)
{
	if (snapshot->count == snapshot->capacity) {
		snapshot->capacity = snapshot->capacity ? 2 * snapshot->capacity : 32;
		snapshot->parts =
			realloc(snapshot->parts, snapshot->capacity * sizeof(*snapshot->parts));
		assert_non_null(snapshot->parts);
	}
	struct part *part = &snapshot->parts[snapshot->count++];

	*part = (struct part){ name, where, len, malloc(len + 1) };
	assert_non_null(part->bytes);
	if (len)
		memcpy(part->bytes, bytes, len);
}

/* As it lies there; how large an opaque one is, the allocator knows. */
static void add_block(struct snapshot *snapshot, const char *name, const void *block)
{
	add(snapshot, name, block, malloc_usable_size((void *)block), block);
}

static void add_session(struct snapshot *snapshot, const char *name, const struct session *session)
{
	add(snapshot, name, session, session ? sizeof(*session) : 0, session);
}

static void add_peer(struct snapshot *snapshot, const struct peer *peer)
{
	struct peer copy;

	memcpy(&copy, peer, sizeof(copy));
	memset(&copy.counters, 0, sizeof(copy.counters));
	copy.reported = 0;
	copy.trouble = 0;
	add(snapshot, "the endpoint", &peer->endpoint, sizeof(copy.endpoint), &copy.endpoint);
	add(snapshot, "the timers", &peer->timers, sizeof(copy.timers), &copy.timers);
	add(snapshot, "the cookie", &peer->cookie, sizeof(copy.cookie), &copy.cookie);
	add(snapshot, "the peer", peer, sizeof(copy), &copy);
	add_block(snapshot, "the handshake", peer->noise);
	add_session(snapshot, "the previous session", peer->previous);
	add_session(snapshot, "the current session", peer->current);
	add_session(snapshot, "the next session", peer->next);
}

static void add_table(struct snapshot *snapshot, const char *name, const struct table *table)
{
	add(snapshot, name, table->buckets, table->size * sizeof(*table->buckets), table->buckets);
}

static void add_tunnel(struct snapshot *snapshot, const struct tunnel *tunnel)
{
	struct tunnel *copy = malloc(sizeof(*copy));

	assert_non_null(copy);
	memcpy(copy, tunnel, sizeof(*copy));
	memset(&copy->counters, 0, sizeof(copy->counters));
	memset(copy->seal_jobs, 0, sizeof(copy->seal_jobs));
	memset(copy->bursts, 0, sizeof(copy->bursts));
	memset(copy->burst_jobs, 0, sizeof(copy->burst_jobs));
	memset(copy->open_jobs, 0, sizeof(copy->open_jobs));
	memset(&copy->merge, 0, sizeof(copy->merge));
	copy->queue_first = 0;
	if (snapshot->loaded)
		copy->loaded_until = 0;
	add(snapshot, "the tunnel", tunnel, sizeof(*copy), copy);
	free(copy);
}

static void fill(struct snapshot *snapshot, const struct tunnel *tunnel)
{
	for (const struct peer *peer = tunnel->first_peer; peer; peer = peer->next_peer)
		add_peer(snapshot, peer);
	add_table(snapshot, "the table of peers", &tunnel->peers);
	add_table(snapshot, "the table of sessions", &tunnel->sessions);
	add_table(snapshot, "the table of initiations", &tunnel->initiations);
	add_table(snapshot, "the table of endpoints", &tunnel->endpoints);
	add(snapshot, "the deadlines", tunnel->wakeups.heap,
		tunnel->wakeups.count * sizeof(*tunnel->wakeups.heap), tunnel->wakeups.heap);
	if (!snapshot->loaded)
		add_block(snapshot, "the cookie checker", tunnel->checker);
	if (tunnel->addresses)
		add_block(snapshot, "the table of addresses", tunnel->addresses);
	add_tunnel(snapshot, tunnel);
}

struct snapshot *snapshot_take(const struct tunnel *tunnel, bool loaded)
{
	struct snapshot *snapshot = calloc(1, sizeof(*snapshot));

	assert_non_null(snapshot);
	snapshot->loaded = loaded;
	fill(snapshot, tunnel);
	return snapshot;
}

void snapshot_free(struct snapshot *snapshot)
{
	for (size_t i = 0; i < snapshot->count; i++)
		free(snapshot->parts[i].bytes);
	free(snapshot->parts);
	free(snapshot);
}

const char *snapshot_difference(const struct snapshot *snapshot, const struct tunnel *tunnel)
{
	struct snapshot *after = snapshot_take(tunnel, snapshot->loaded);
	const char *name = after->count == snapshot->count ? NULL : "the number of peers";

	for (size_t i = 0; i < snapshot->count && !name; i++) {
		const struct part *a = &snapshot->parts[i], *b = &after->parts[i];

		if (a->where != b->where || a->len != b->len || memcmp(a->bytes, b->bytes, a->len))
			name = a->name;
	}
	snapshot_free(after);
	return name;
}

void snapshot_check(
	const struct snapshot *snapshot, const struct tunnel *tunnel, const char *what, size_t n)
{
	const char *name = snapshot_difference(snapshot, tunnel);

	if (name)
		fail_msg("%s was changed by: %s (%zu)", name, what, n);
}
