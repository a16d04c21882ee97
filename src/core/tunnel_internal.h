/* SPDX-License-Identifier: ISC */
/* What the files that make up a tunnel share. Nobody else includes this. */
#ifndef CORE_TUNNEL_INTERNAL_H
#define CORE_TUNNEL_INTERNAL_H

#include "core/fields.h"
#include "core/tunnel.h"
#include "core/wakeups.h"

enum {
	BATCH_MAX = OFFLOAD_MERGE_MAX, /* packets that are planned, opened and committed together */
	SUPER_MAX = 64,                /* packets or super-packets that are planned together */
	BURSTS_MAX = 64,
	SEALED_BYTES =
		1 << 17, /* room for sealed messages; full, they are sent, and sealing goes on */
	QUEUE_MAX = 512, /* handshake messages that wait for their turn */
	QUEUE_LOAD = QUEUE_MAX / 8, /* from here on senders must prove their address */
	/* Handshake messages worked off between two looks at the sockets. Far fewer than one look
	 * can bring: else a flood would drown the socket's buffer before the queue told that there
	 * is one. */
	TURN_MAX = 2,
	HANDSHAKE_CROWD = 16, /* peers that are asked for a handshake at once */
};

/* How far apart the others are asked. */
#define HANDSHAKE_CROWD_INTERVAL (WIRE_SECOND / 500)

/* A packet or super-packet to be sealed. */
struct seal_job {
	struct peer *peer;
	struct session *session;
	uint64_t counter; /* of the next segment; as many as there are segments are reserved */
	uint8_t tos;
	struct offload_split split;
};

/* A data message to be opened. */
struct open_job {
	struct tunnel_datagram *datagram;
	struct session *session;
	uint64_t counter;
	size_t len; /* of the plain text */
	bool authentic;
};

/* A packet that waits for a session. */
struct peer_staged {
	struct peer_staged *next;
	size_t len;
	uint8_t packet[]; /* and room for padding */
};

struct queued_handshake {
	struct endpoint from;
	size_t len;
	uint8_t message[WIRE_HANDSHAKE_MAX];
};

struct tunnel {
	const struct tunnel_ops *ops;
	void *context;
	bool up;
	unsigned mtu;
	uint16_t port;
	enum tunnel_link link;
	struct switch_table *addresses; /* of an Ethernet tunnel */
	struct switch_port host_port;   /* our own side of it */
	uint64_t next_turn;             /* of those who are asked for handshakes in turn */
	uint8_t host_id[KEY_LEN];
	uint8_t instance[FIELD_INSTANCE_LEN]; /* tells our own initiations from the peer's */
	struct noise_local local;
	uint8_t shared_key[KEY_LEN]; /* hashed; to know it again */
	struct cookie_checker *checker;
	struct allowedips *allowed;
	struct peer *first_peer, *last_peer;
	struct table peers;       /* by public key */
	struct table sessions;    /* by local index */
	struct table initiations; /* by local index */
	struct table endpoints;   /* peers by their endpoint's address and port */
	uint8_t hash_key[crypto_shorthash_KEYBYTES];
	struct wakeups wakeups;
	struct session *retired; /* freed when the call that retired them ends */
	struct tunnel_counters counters;

	struct queued_handshake *queue; /* a ring; untouched until there is a flood */
	size_t queue_first, queue_count;
	unsigned turn; /* handshake messages that may still be worked off in this turn */
	uint64_t loaded_until;

	struct seal_job seal_jobs[SUPER_MAX];
	size_t seal_count;
	size_t seal_next; /* the job that sealing goes on with */
	uint8_t *sealed;  /* SEALED_BYTES */
	struct tunnel_burst bursts[BURSTS_MAX];
	const struct seal_job *burst_jobs[BURSTS_MAX]; /* whose messages they are */
	size_t burst_count;
	struct open_job open_jobs[BATCH_MAX];
	size_t open_count;
	struct offload_merge merge; /* what goes to the host */
	bool merge_tcp, merge_udp;
};

/* Whether frames are passed on between peers. With a single one it is a plain wire. */
static inline bool tunnel_is_switch(const struct tunnel *tunnel)
{
	return tunnel->link == TUNNEL_LINK_ETHERNET && tunnel->first_peer != tunnel->last_peer;
}

/* tunnel.c */

/* Tells an event, once a peer and kind until its next completed handshake. */
void tunnel_report(struct tunnel *tunnel, struct tunnel_event event);

/* Sends what waits for a session, or starts the handshake for one. */
void tunnel_flush_staged(struct tunnel *tunnel, struct peer *peer, struct now now);

/* An empty packet, unless something waits that serves as well. */
void tunnel_send_keepalive(struct tunnel *tunnel, struct peer *peer, struct now now);

/* After facts were told to a peer's timers: wake up in time. */
void tunnel_schedule(struct tunnel *tunnel, struct peer *peer);

/* Plans to send the peer what the next job's split holds, or has that wait for a session. What it
 * refers to must stay until tunnel_send_planned. */
void tunnel_plan(struct tunnel *tunnel, struct peer *peer, struct now now);
void tunnel_send_planned(struct tunnel *tunnel, struct now now);

/* Whether what is planned for the peer goes out, and does not wait. */
bool tunnel_may_send(const struct peer *peer, struct now now);

/* The session of a local index, or NULL. */
struct session *tunnel_find_session(const struct tunnel *tunnel, uint32_t index);

/* Takes a session out of use; its memory stays until the public call ends. NULL is fine. */
void tunnel_retire_session(struct tunnel *tunnel, struct session *session);
void tunnel_reap(struct tunnel *tunnel);

/* Ends a peer's sessions and its pending initiation. */
void tunnel_drop_sessions(struct tunnel *tunnel, struct peer *peer);

/* A session completed its handshake: it may be used for sending. */
void tunnel_session_confirmed(struct tunnel *tunnel, struct peer *peer, struct now now, bool rekey);

/* tunnel_place.c */

/* From now on the peer is reached there. Whoever sets an endpoint does it by this. Returns whether
 * that is another address or port than before. */
bool tunnel_place_peer(struct tunnel *tunnel, struct peer *peer, const struct endpoint *endpoint);

/* An authentic message came from there. */
void tunnel_roam(struct tunnel *tunnel, struct peer *peer, const struct endpoint *from);

/* Whether the IP packet, on its way from a peer, or the host if that is NULL, to another peer, or
 * all if that is NULL, is a message of our own that was sent back to us; counted and told if so. */
bool tunnel_comes_back(struct tunnel *tunnel, const uint8_t *packet, size_t len,
	const struct peer *from, const struct peer *to);

/* tunnel_ethernet.c */

/* How long a frame is with its padding, which ethernet_pad writes behind it. */
size_t ethernet_padded(size_t len, unsigned mtu);
void ethernet_pad(uint8_t *frame, size_t len, size_t padded);

/* The congestion mark that goes outside with what a split holds. */
uint8_t ethernet_ecn(const struct offload_split *split);

/* A frame, or super-frame, of the host's. */
void ethernet_outbound(struct tunnel *tunnel, struct tunnel_packet *packet, struct now now);

/* An opened message, not an empty one: its frame goes to the host and to other peers. */
void ethernet_inbound(struct tunnel *tunnel, struct open_job *job, struct now now);

/* Asks for another session at once if the peer thinks in this one that we are a switch, and we are
 * not, or the other way round. Until then it is used. */
void ethernet_tell_switch(struct tunnel *tunnel, struct peer *peer);

/* handshake.c */

/* Somebody wants a session: starts a handshake unless one was just started. */
void handshake_want(struct tunnel *tunnel, struct peer *peer, struct now now);

/* The same for one of many who are asked together: beyond HANDSHAKE_CROWD of them it comes one
 * after the other, as each costs as much as hundreds of packets. */
void handshake_want_in_turn(struct tunnel *tunnel, struct peer *peer, struct now now);

/* Sends an initiation if that may be now. */
void handshake_initiate(struct tunnel *tunnel, struct peer *peer, struct now now);

void handshake_forget(struct tunnel *tunnel, struct peer *peer);

/* An initiation, response or cookie reply as wire_classify named it: worked off at once or queued.
 */
void handshake_receive(struct tunnel *tunnel, const struct tunnel_datagram *datagram,
	enum wire_type type, struct now now);

/* Works off the queue for one turn; true if something is left. */
bool handshake_turn(struct tunnel *tunnel, struct now now);

/* peer.c */

struct peer *peer_new(const uint8_t public_key[KEY_LEN]); /* NULL: out of memory */
void peer_free(struct peer *peer);

/* Keeps a copy of a packet (of OFFLOAD_PACKET_MAX and a link header at most), the oldest going
 * where there are too many, or too long ones. Out of memory: it is lost. */
void peer_stage(struct peer *peer, const void *packet, size_t len);
struct peer_staged *peer_unstage(struct peer *peer); /* NULL: none; the caller frees */
void peer_drop_staged(struct peer *peer);

#endif
