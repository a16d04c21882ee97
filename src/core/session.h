/* SPDX-License-Identifier: ISC */
/* One session: transport keys, counters, replay window, age. A peer holds up to three of them. */
#ifndef CORE_SESSION_H
#define CORE_SESSION_H

#include "core/aead.h"
#include "core/noise.h"
#include "core/table.h"

enum {
	REPLAY_BITS = 8192, /* of which one word is always in transition: 8128 usable (RFC 6479) */
	REPLAY_WORDS = REPLAY_BITS / 64,
};

/* Sliding window over received counters. Zeroed: nothing received yet. */
struct replay {
	uint64_t next; /* one above the highest counter seen */
	uint64_t bits[REPLAY_WORDS];
};

/* Marks a counter as received. False if it was before, or lies below the window, or at or above the
 * limit: the packet must be dropped. Only for packets that were authenticated. */
bool replay_accept(struct replay *window, uint64_t counter, uint64_t limit);

struct peer;

/* Heap allocated, owned by its peer's slot until retired. Holds secrets. */
struct session {
	struct table_link by_index; /* in the tunnel's table of local indices */
	struct session *retired;    /* next in the list of sessions to free after the batch */
	struct peer *peer;
	const struct aead *cipher;
	uint32_t local_index;
	uint32_t remote_index;
	uint64_t born; /* boot time */
	uint64_t rekey_jitter;
	uint64_t send_counter;
	uint64_t received; /* messages that were accepted: of replay.next that were sent */
	bool initiator;
	bool with_switch; /* the peer passes frames on between peers of its own */
	bool told_switch; /* we said that we do */
	bool dead;        /* retired: keys are wiped */
	struct replay replay;
	struct aead_key send;
	struct aead_key receive;
};

/* NULL: out of memory. */
struct session *session_new(
	struct peer *peer, const struct aead *cipher, const struct noise_keys *keys, uint64_t now);

/* Wipes the keys and marks it dead; the memory stays. */
void session_wipe(struct session *session);
void session_free(struct session *session); /* wipes first */

/* Never used again: too old or too many messages. A packet sealed or opened past this is an error.
 */
bool session_is_expired(const struct session *session, uint64_t now);

/* Whether the one who started it should start the next: asked after sending, and after receiving.
 * The message limit binds both ends, the ages only the initiator. */
bool session_wants_rekey_sending(const struct session *session, uint64_t now);
bool session_wants_rekey_receiving(const struct session *session, uint64_t now);

#endif
