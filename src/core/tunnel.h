/* SPDX-License-Identifier: ISC */
/*
 * A tunnel: peers, keys and the packet's story in both directions, without any I/O.
 *
 * Whoever owns it feeds in batches of packets from the host and datagrams from the network, and
 * calls tunnel_tick when the deadline it named has come; output leaves through struct tunnel_ops,
 * always within the call. Time is a parameter. Not thread safe.
 */
#ifndef CORE_TUNNEL_H
#define CORE_TUNNEL_H

#include <sys/uio.h>

#include "core/offload.h"
#include "core/peer.h"

/* Nanoseconds. Ages use boot time, which goes on while the machine sleeps and never goes back; wall
 * time is for timestamps in initiations and for people. */
struct now {
	uint64_t boot;
	uint64_t wall;
};

enum tunnel_link {
	TUNNEL_LINK_IP = 1,
	TUNNEL_LINK_ETHERNET = 2,
};

/* What happened, for logs, metrics and tests. Each kind has its rows in tunnel_event.c. */
enum tunnel_event_kind {
	TUNNEL_SESSION_UP,       /* a handshake completed; cipher is set */
	TUNNEL_ENDPOINT_CHANGED, /* the peer roamed; from is where to */
	TUNNEL_GAVE_UP,          /* no answer to any initiation; the next packet tries again */
	TUNNEL_NOT_FOR_US,       /* mac1 wrong: another key, or not for us at all */
	TUNNEL_UNKNOWN_PEER,     /* a well-formed initiation by a key that is no peer */
	TUNNEL_BAD_INITIATION,   /* does not authenticate */
	TUNNEL_BAD_RESPONSE,     /* does not authenticate: the psk differs, most likely */
	TUNNEL_OLD_TIMESTAMP,    /* a replayed initiation, or the peer's clock went back */
	TUNNEL_WRONG_DIALECT,    /* the peer speaks the other dialect */
	TUNNEL_NO_COMMON_CIPHER, /* we are asked for ciphers that we may not or cannot use */
	TUNNEL_CIPHER_REFUSED,   /* the peer told us that */
	TUNNEL_OTHER_LINK,       /* we are asked for another link type */
	TUNNEL_LINK_REFUSED,     /* the peer told us that */
	TUNNEL_BAD_FIELDS,   /* the payload's fields are malformed, or a required one is missing */
	TUNNEL_REFLECTION,   /* an initiation of our own came back */
	TUNNEL_BAD_PEER_KEY, /* a low-order public key: nothing is sent */
	TUNNEL_SOURCE_REFUSED, /* inner source not in the peer's allowed IPs */
	TUNNEL_REKEYED,        /* as TUNNEL_SESSION_UP, where a session was in use all the time */
	TUNNEL_ROUTING_LOOP,   /* what we send to the peer comes back through the device, or what
				  we send to any by this peer's frames */
	TUNNEL_NO_ANSWER,      /* no answer for WIRE_MISSED_TIME; GAVE_UP comes later */
	TUNNEL_EVENT_COUNT,
};

struct tunnel_event {
	enum tunnel_event_kind kind;
	const struct peer *peer;     /* NULL if none is known */
	const struct endpoint *from; /* NULL if it did not come from the network */
	const struct aead *cipher;   /* TUNNEL_SESSION_UP */
	const uint8_t *public_key;   /* TUNNEL_UNKNOWN_PEER */
	const uint8_t *source;       /* TUNNEL_SOURCE_REFUSED: the inner address, 4 or 16 bytes */
	int source_family;           /* of that: AF_INET or AF_INET6 */
};

/* A name for programs, such as "no_common_cipher". */
const char *tunnel_event_name(enum tunnel_event_kind kind);

/* What an event means to an administrator, and what to do about it: one sentence, no newline. */
const char *tunnel_event_text(enum tunnel_event_kind kind);

/* Datagrams that lie one after the other, all of one length but the last, which may be shorter. */
struct tunnel_burst {
	const uint8_t *data;
	size_t len;
	size_t datagram_len;
};

/* Everything handed over is only valid during the call. */
struct tunnel_ops {
	/* Sends bursts to one endpoint, in order, with the given TOS or traffic class byte. May
	 * clear the endpoint's source if the kernel refuses it. */
	void (*send)(void *context, struct endpoint *to, const struct tunnel_burst *bursts,
		size_t count, uint8_t tos);
	/* Hands one packet to the host, in parts. The first is its struct virtio_net_hdr, which is
	 * all zero unless tunnel_set_merging allowed more; a device without that leaves it out. */
	void (*deliver)(void *context, const struct iovec *parts, size_t count);
	void (*report)(void *context, const struct tunnel_event *event);
};

/* A packet from the host: one IP packet (of an Ethernet tunnel, here as below: one frame), or a
 * super-packet that its header says how to split (all zero: a plain packet). There are WIRE_PADDING
 * writable bytes behind it; data is written to. */
struct tunnel_packet {
	struct virtio_net_hdr header;
	uint8_t *data;
	size_t len;
};

/* A received datagram; data is opened in place. */
struct tunnel_datagram {
	uint8_t *data;
	size_t len;
	uint8_t tos; /* of the outer packet */
	const struct endpoint *from;
};

struct tunnel_counters {
	uint64_t no_route;        /* packets from the host that no peer's allowed IPs cover, or
				     that lead back to us; frames, too, of peers' */
	uint64_t malformed;       /* datagrams that are no message, packets that are no IP,
				     frames that are cut off or wrongly padded */
	uint64_t unknown_session; /* data for an index that is not ours */
	uint64_t bad_macs;        /* handshake messages with a wrong mac1 */
	uint64_t cookies_sent;
	uint64_t handshakes_dropped;         /* queue full or rate limit */
	uint64_t floods_dropped;             /* frames for all peers, beyond their port's share */
	uint64_t events[TUNNEL_EVENT_COUNT]; /* also those that were not told again */
};

struct tunnel; /* opaque; holds secrets */

/* sodium_init() has been called. NULL: out of memory. The ops and context outlive the tunnel. */
struct tunnel *tunnel_new(const struct tunnel_ops *ops, void *context);
void tunnel_free(struct tunnel *tunnel);

/* The packet's story: packets from the host, and datagrams from the network. Any number; best some
 * dozens. */
void tunnel_outbound(
	struct tunnel *tunnel, struct tunnel_packet *packets, size_t count, struct now now);
void tunnel_inbound(
	struct tunnel *tunnel, struct tunnel_datagram *datagrams, size_t count, struct now now);

/* Does what is due. Returns when to call again, in boot time; UINT64_MAX: nothing is planned.
 * To be asked again after each batch. */
uint64_t tunnel_tick(struct tunnel *tunnel, struct now now);

/* Starts down. While down nothing passes; going down forgets sessions, going up sends persistent
 * keepalives. */
void tunnel_set_up(struct tunnel *tunnel, bool up, struct now now);
bool tunnel_is_up(const struct tunnel *tunnel);

/* Our UDP port, by which our own messages are known if they come back. 0: not known. */
void tunnel_set_port(struct tunnel *tunnel, uint16_t port);

/* Of the TUN or TAP device, so that padding does not go beyond it. */
void tunnel_set_mtu(struct tunnel *tunnel, unsigned mtu);

/* Whether packets of one TCP or UDP flow may be merged for the host (core/offload.h); at first not.
 */
void tunnel_set_merging(struct tunnel *tunnel, bool tcp, bool udp);

/* What is carried; TUNNEL_LINK_IP at first. Existing sessions are forgotten if it changes. Ethernet
 * is of the culvert dialect: peers are PEER_CIPHER_AUTO from then on unless they are set otherwise.
 * With several peers it is a switch (core/switch.h), and allowed IPs mean nothing. 0 or -ENOMEM. */
int tunnel_set_link(struct tunnel *tunnel, enum tunnel_link link);

/* Sets the private key; all zero clears it. A peer that has our own public key is removed. Sessions
 * end, and peers with a persistent keepalive are greeted at once. -EBUSY with a shared key set. */
int tunnel_set_private_key(
	struct tunnel *tunnel, const uint8_t private_key[KEY_LEN], struct now now);

/* What tells this host from the peer's and stays the same over restarts, for a shared key
 * (doc/PROTOCOL §6); to be set before the key. Random otherwise, which forgets our own handshakes
 * at a restart. */
void tunnel_set_host_id(struct tunnel *tunnel, const uint8_t id[KEY_LEN]);

/* Makes it a shared-key tunnel, whose one peer is added at once in PEER_CIPHER_AUTO (existing peers
 * go). If it has this very key already, nothing changes. 0, -ENOMEM. */
int tunnel_set_shared_key(struct tunnel *tunnel, const uint8_t shared_key[KEY_LEN], struct now now);

const struct noise_local *tunnel_local(const struct tunnel *tunnel);
const struct tunnel_counters *tunnel_counters(const struct tunnel *tunnel);

/* The peers, in order of creation. Where an Ethernet tunnel gets a second one, or has but one left,
 * it tells those that it has a session with by making a new one (doc/PROTOCOL §7). */
struct peer *tunnel_first_peer(const struct tunnel *tunnel);
struct peer *tunnel_find_peer(const struct tunnel *tunnel, const uint8_t public_key[KEY_LEN]);

/* 0 and *peer; or -EEXIST, -EINVAL (our own key; a second peer of a shared key), -ENOMEM. */
int tunnel_add_peer(struct tunnel *tunnel, const uint8_t public_key[KEY_LEN], struct peer **peer);
void tunnel_remove_peer(struct tunnel *tunnel, struct peer *peer);

/* A peer's settings. A changed psk or cipher ends its sessions. -EINVAL for a psk or the WireGuard
 * dialect in a shared-key tunnel, and for that dialect in an Ethernet tunnel. fixed is for
 * PEER_CIPHER_FIXED. */
int tunnel_set_psk(struct tunnel *tunnel, struct peer *peer, const uint8_t psk[KEY_LEN]);
int tunnel_set_cipher(struct tunnel *tunnel, struct peer *peer, enum peer_cipher cipher,
	const struct aead *fixed);
void tunnel_set_endpoint(
	struct tunnel *tunnel, struct peer *peer, const struct endpoint *endpoint, struct now now);

/* Another address of a peer, to be tried: taken only if the present one does not answer a
 * handshake, or there has been none lately; an initiation goes there at once if somebody waits for
 * one. A peer that is reached where it is, be it where it roamed to, stays untouched. */
void tunnel_try_endpoint(
	struct tunnel *tunnel, struct peer *peer, const struct endpoint *endpoint, struct now now);
void tunnel_set_keepalive(
	struct tunnel *tunnel, struct peer *peer, uint16_t seconds, struct now now);

/* As in core/allowedips.h. In a shared-key tunnel whose peer has none, every inner address is its.
 */
int tunnel_allow(struct tunnel *tunnel, struct peer *peer, int family, const uint8_t *address,
	unsigned length);
int tunnel_disallow(struct tunnel *tunnel, struct peer *peer, int family, const uint8_t *address,
	unsigned length);
void tunnel_disallow_all(struct tunnel *tunnel, struct peer *peer);

/* The sockets were opened anew, or the network changed: our addresses are forgotten. */
void tunnel_clear_sources(struct tunnel *tunnel);

/* The network is another one, or the machine slept: each peer whose last handshake is less than
 * max_age old, that is kept alive or waits for a session is asked for a new one, without the pause
 * that lies between two initiations (so not to be called more than once a second or so). The first
 * of them at once, a crowd one after the other. Existing sessions go on. */
void tunnel_handshake_all(struct tunnel *tunnel, uint64_t max_age, struct now now);

#endif
