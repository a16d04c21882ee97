/* SPDX-License-Identifier: ISC */
/* A peer's record: its making and unmaking, and the packets that wait for a session. */
#include "core/peer.h"

#include <stdlib.h>

#include "core/tunnel_internal.h"

struct peer *peer_new(const uint8_t public_key[KEY_LEN])
{
	struct peer *peer = calloc(1, sizeof(*peer));

	if (!peer)
		return NULL;
	peer->noise = noise_remote_new(public_key);
	if (!peer->noise) {
		free(peer);
		return NULL;
	}
	memcpy(peer->public_key, public_key, KEY_LEN);
	peer->wakeup = TIMERS_NEVER;
	peer->port.is_switch = true; /* until a handshake says that it is none: no loop before */
	randombytes_buf(&peer->timers.seed, sizeof(peer->timers.seed));
	timers_stop(&peer->timers);
	return peer;
}

void peer_free(struct peer *peer)
{
	peer_drop_staged(peer);
	noise_remote_free(peer->noise);
	key_wipe(peer, sizeof(*peer));
	free(peer);
}

void peer_stage(struct peer *peer, const void *packet, size_t len)
{
	struct peer_staged *staged = malloc(sizeof(*staged) + len + WIRE_PADDING);

	if (!staged) {
		peer->counters.dropped++;
		return;
	}
	while (peer->staged_count == WIRE_STAGED_MAX ||
		peer->staged_bytes + len > WIRE_STAGED_BYTES) {
		free(peer_unstage(peer));
		peer->counters.dropped++;
	}
	staged->next = NULL;
	staged->len = len;
	if (len)
		memcpy(staged->packet, packet, len);
	if (peer->staged_last)
		peer->staged_last->next = staged;
	else
		peer->staged_first = staged;
	peer->staged_last = staged;
	peer->staged_count++;
	peer->staged_bytes += len;
}

struct peer_staged *peer_unstage(struct peer *peer)
{
	struct peer_staged *staged = peer->staged_first;

	if (!staged)
		return NULL;
	peer->staged_first = staged->next;
	if (!peer->staged_first)
		peer->staged_last = NULL;
	peer->staged_count--;
	peer->staged_bytes -= staged->len;
	return staged;
}

void peer_drop_staged(struct peer *peer)
{
	struct peer_staged *staged;

	while ((staged = peer_unstage(peer))) {
		peer->counters.dropped++;
		free(staged);
	}
}
