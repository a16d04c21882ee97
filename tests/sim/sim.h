/* SPDX-License-Identifier: ISC */
/*
 * Tunnels joined by a fake wire, under virtual time.
 *
 * A sim holds some ends, each with one tunnel, and the datagrams that are under way between them.
 * The wire loses, doubles, delays, reorders and corrupts as it is told. Every random number, the
 * tunnels' too, comes out of the sim's seed, so a run can be repeated exactly.
 *
 * Test packets carry who sent them and a sequence number, and their content follows from those:
 * each is checked when it is delivered. One that comes twice or differs in a byte fails the test at
 * once; losses and changes of order are counted. Between ends that carry Ethernet they are in
 * frames, every third with a tag that says a priority and no VLAN.
 */
#ifndef SIM_H
#define SIM_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/tunnel.h"

#define SECOND UINT64_C(1000000000)
#define MILLISECOND UINT64_C(1000000)
#define YEAR (365 * 86400 * SECOND)

enum { SIM_ENDS = 8, SIM_TRAFFIC = 16, SIM_PACKET_MAX = 2048, SIM_BATCH_MAX = 1024 };

/* What joins two ends. One row each of sim_kinds. */
struct sim_kind {
	const char *name;
	enum peer_cipher cipher;
	const char *fixed; /* cipher name, PEER_CIPHER_FIXED only */
	bool psk;
	bool shared;
};

struct sim_datagram {
	uint64_t time; /* of arrival */
	uint64_t order;
	struct endpoint from, to;
	size_t len;
	uint8_t tos;
	uint8_t data[];
};

/* Messages sent, by what they are. */
enum sim_message {
	SIM_OTHER,
	SIM_INITIATION,
	SIM_RESPONSE,
	SIM_COOKIE,
	SIM_DATA,
	SIM_KEEPALIVE,
	SIM_MESSAGES,
};

/* How an end sees another: what its configuration file says. */
struct sim_link {
	bool exists;
	bool endpoint; /* of the other's, known from the start */
	enum peer_cipher cipher;
	const struct aead *fixed;
	uint8_t psk[KEY_LEN];
	uint16_t keepalive;
};

struct sim;

struct sim_end {
	struct sim *sim;
	unsigned number;
	struct tunnel *tunnel;
	struct endpoint address; /* as others see it */
	uint64_t boot_offset;    /* this end's clocks less the sim's */
	uint64_t wall_offset;
	uint64_t deadline;    /* sim time of the next tick */
	bool cut;             /* nothing reaches it or leaves it */
	uint64_t nat_timeout; /* 0: not behind a NAT that forgets */
	uint64_t nat_used;    /* when its NAT last saw a packet */
	/* Its configuration. */
	uint8_t private_key[KEY_LEN], public_key[KEY_LEN];
	uint8_t shared_key[KEY_LEN];
	bool shared;
	enum tunnel_link carries;
	unsigned mtu;
	struct sim_link links[SIM_ENDS];
	/* What it did. */
	unsigned messages[SIM_MESSAGES];
	uint64_t message_time[SIM_MESSAGES]; /* of the last */
	unsigned events[TUNNEL_EVENT_COUNT];
	uint8_t refused_source[16]; /* of the last TUNNEL_SOURCE_REFUSED */
	unsigned sends, bursts;     /* calls, and bursts in them */
	/* Instead of taking the test packet, for tests that have outputs merged. */
	void (*deliver)(struct sim_end *end, const struct iovec *parts, size_t count);
	unsigned delivered;
	unsigned overheard; /* of them, frames for others */
	uint64_t delivered_time;
	const struct aead *cipher;      /* of the last session */
	uint8_t packet[SIM_PACKET_MAX]; /* the last one delivered */
	size_t packet_len;
	uint8_t outer_tos; /* of the last data message sent */
	size_t outer_len;
};

/* Test packets from one end to another. */
struct sim_flow {
	uint64_t sent;
	uint64_t delivered;
	uint64_t reordered; /* came after one with a higher number */
	uint64_t highest;   /* number seen so far, plus one */
	uint8_t *seen;      /* a bit for each number */
	uint64_t capacity;
};

struct sim_traffic {
	struct sim_end *from, *to;
	uint64_t interval;
	uint64_t next;
};

struct sim {
	uint64_t time;
	uint64_t random;
	/* The wire. Chances are of a thousand. */
	unsigned loss, duplicate, corrupt;
	uint64_t delay, spread; /* one way: delay, plus anything below spread */
	size_t batch;           /* of what arrives at one moment: so much together, at most */
	/* Asked for every datagram as it is sent; false loses it. */
	bool (*filter)(struct sim *sim, const struct sim_datagram *datagram);
	void *context; /* the test's */

	struct sim_end *ends[SIM_ENDS];
	unsigned end_count;
	struct sim_flow flows[SIM_ENDS][SIM_ENDS];
	struct sim_traffic traffic[SIM_TRAFFIC];
	unsigned traffic_count;
	struct sim_datagram **heap;
	size_t heap_count, heap_capacity;
	uint64_t order;
	uint64_t idle_ticks; /* ticks since time last moved */

	bool taping; /* copies of what was sent */
	struct sim_datagram **tape;
	size_t tape_count, tape_capacity;
};

struct sim *sim_new(uint64_t seed);
void sim_free(struct sim *sim);

/* An end with a key, up, joined to nobody. Owned by the sim. */
struct sim_end *sim_add(struct sim *sim);

/* One that carries Ethernet frames. */
struct sim_end *sim_add_ethernet(struct sim *sim);

/* Makes both ends each other's peers, before anything was sent. With a shared key they cannot have
 * others. */
void sim_join(struct sim_end *a, struct sim_end *b, const struct sim_kind *kind);

/* sim_new with two ends joined: ends[0] and ends[1]. */
struct sim *sim_pair(uint64_t seed, const struct sim_kind *kind);
struct sim *sim_pair_ethernet(uint64_t seed, const struct sim_kind *kind);

/* A new process with the same configuration. */
void sim_restart(struct sim_end *end);

/* Lets time pass: everything due is done. */
void sim_run(struct sim *sim, uint64_t nanoseconds);

/* One packet now; its number. Even numbers are IPv4, odd ones IPv6. */
uint64_t sim_send(struct sim_end *from, struct sim_end *to);

/* A packet every interval, the first after one; 0 ends it. */
void sim_traffic(struct sim_end *from, struct sim_end *to, uint64_t interval);

/* Sends one and says whether it arrives within the time, which passes whole. */
bool sim_reaches(struct sim_end *from, struct sim_end *to, uint64_t within);

/* A packet each way every tenth of a second until one has got through each way: how long that took;
 * fails if that is not within limit. */
uint64_t sim_recover(struct sim_end *a, struct sim_end *b, uint64_t limit);

struct sim_flow *sim_flow(struct sim_end *from, struct sim_end *to);

/* The time at an end. */
struct now sim_now(const struct sim_end *end);
struct peer *sim_peer(const struct sim_end *end, const struct sim_end *other);

/* Hands datagrams straight to an end, in one batch, whatever the wire is like. */
void sim_inject(struct sim_end *to, const struct endpoint *from, const void *data, size_t len);
void sim_inject_batch(struct sim_end *to, struct tunnel_datagram *datagrams, size_t count);

/* Hands a packet of the test's own making to an end as its host would. */
void sim_outbound(struct sim_end *end, const void *packet, size_t len);

/* A batch of them, or of super-packets, each with WIRE_PADDING bytes behind it. */
void sim_outbound_batch(struct sim_end *end, struct tunnel_packet *packets, size_t count);

/* Forgets the copies of what was sent. */
void sim_erase_tape(struct sim *sim);

/* Looks for the next deadline again, after a test called the tunnel itself. */
void sim_touch(struct sim_end *end);

/* 192.0.2.number:port, or 2001:db8::number. */
struct endpoint sim_address4(unsigned number, uint16_t port);
struct endpoint sim_address6(unsigned number, uint16_t port);

/* Which message a datagram is; its session's cipher decides how long a keepalive is. */
enum sim_message sim_classify(const uint8_t *data, size_t len);

/* An IPv4 or IPv6 packet with a valid header: ends' inner addresses, len bytes in all. */
void sim_ip(uint8_t *packet, int family, unsigned from, unsigned to, size_t len);

/* The Ethernet address of an end's host. */
void sim_mac(uint8_t address[6], unsigned number);

/* Below limit. */
uint64_t sim_random(struct sim *sim, uint64_t limit);

/* The next number of 32 bits that a tunnel draws, such as a session's index. */
void sim_random_next(uint32_t value);

/* Fails unless every end's tables, slots and deadlines agree. */
void sim_check(const struct sim *sim);

/* How long an end that hears data may stay silent, and how long one that sends waits for an answer.
 */
uint64_t sim_keepalive_time(const struct sim_kind *kind);
uint64_t sim_answer_time(const struct sim_kind *kind);

/* How long an initiation waits before it is repeated for the n-th time (from 0), without jitter. */
uint64_t sim_retry_time(const struct sim_kind *kind, int n);

/* Initiations and responses that an end sent. */
unsigned sim_handshakes(const struct sim_end *end);

/* ---- Programs ---- */

extern const struct sim_kind sim_kinds[];
extern const struct sim_kind *const sim_kind_wireguard, *const sim_kind_auto,
								*const sim_kind_shared;

struct sim_scenario {
	const char *name;
	void (*run)(const struct sim_kind *kind);
	bool once;    /* with one kind only, or with each */
	bool culvert; /* with each of the culvert dialect */
};

#define SIM_EACH(function)                        \
	{                                         \
#function, function, false, false \
	}
#define SIM_ONCE(function)                       \
	{                                        \
#function, function, true, false \
	}

#define SIM_CULVERT(function)                    \
	{                                        \
#function, function, false, true \
	}

/* A main: runs each scenario with each kind that this machine has. */
int sim_main(const char *name, const struct sim_scenario *scenarios, size_t count);

#endif
