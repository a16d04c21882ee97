/* SPDX-License-Identifier: ISC */
/* A peer's record. Its fields are read by whoever shows or configures it; the tunnel changes them.
 */
#ifndef CORE_PEER_H
#define CORE_PEER_H

#include "core/allowedips.h"
#include "core/cookie.h"
#include "core/endpoint.h"
#include "core/noise.h"
#include "core/session.h"
#include "core/switch.h"
#include "core/table.h"
#include "core/timers.h"

enum { PEER_NAME_SIZE = 65 };

/* Which ciphers a peer is offered. */
enum peer_cipher {
	PEER_CIPHER_WIREGUARD, /* the WireGuard dialect, ChaCha20-Poly1305 */
	PEER_CIPHER_AUTO,      /* the culvert dialect, whatever both ends have in hardware */
	PEER_CIPHER_FIXED,     /* the culvert dialect, peer->fixed_cipher only */
};

struct peer_staged; /* a packet that waits for a session */

struct peer_counters {
	uint64_t rx_bytes; /* datagrams' payload, headers included, as WireGuard counts */
	uint64_t tx_bytes;
	uint64_t rx_packets; /* delivered to the host, or to other peers */
	uint64_t tx_packets; /* sealed for the peer */
	uint64_t replays;    /* refused by the replay window */
	uint64_t undecryptable;
	uint64_t refused_sources; /* inner source not in the peer's allowed IPs */
	uint64_t dropped;         /* staged packets that no session came for */
};

struct peer {
	struct peer *next_peer, *previous_peer; /* the tunnel's list, in order of creation */
	struct table_link by_key;
	struct table_link by_endpoint;   /* linked while the endpoint is set: tunnel_place_peer */
	struct table_link by_initiation; /* local index of the pending initiation, if linked */
	size_t wakeup_position;          /* in the tunnel's heap of deadlines */
	uint64_t wakeup;

	uint8_t public_key[KEY_LEN];
	char name[PEER_NAME_SIZE]; /* for people; may be empty */
	enum peer_cipher cipher;
	const struct aead *fixed_cipher;
	struct allowedips_owner allowed;
	struct switch_port port; /* in an Ethernet tunnel with more than one peer */
	struct endpoint endpoint;

	struct noise_remote *noise;
	struct cookie_maker cookie;
	struct timers timers;
	uint32_t initiation_index;
	bool initiation_linked;
	bool initiation_told_switch;  /* it said that we pass frames on between peers */
	uint64_t last_timestamp;      /* wall time put into our last initiation: only ever grows */
	uint64_t last_handshake;      /* wall time of the last completed handshake, 0: never */
	uint64_t last_handshake_boot; /* the same in boot time, which ages are reckoned by */
	uint64_t added;               /* wall time, 0: not told */
	uint64_t up_since; /* wall time of the handshake since which there always was a session */
	uint64_t unanswered_since; /* wall time of the first initiation since the last completed
				      handshake; 0: none */
	uint64_t initiation_sent;  /* boot time of the last one */
	uint64_t rtt;              /* ns from our last initiation to the response; 0: not known */
	const struct aead *last_cipher; /* of the newest session that was confirmed */
	struct session *previous, *current, *next;
	struct peer_staged *staged_first, *staged_last;
	unsigned staged_count;
	size_t staged_bytes;
	uint32_t reported; /* events told since the last completed handshake (1 << kind) */
	uint8_t trouble;   /* the last one of them (enum tunnel_event_kind), 0: none */
	struct peer_counters counters;
};

/* The dialect in which we talk to it. */
static inline enum wire_dialect peer_dialect(const struct peer *peer)
{
	return peer->cipher == PEER_CIPHER_WIREGUARD ? WIRE_WIREGUARD : WIRE_CULVERT;
}

#endif
