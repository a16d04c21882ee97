/* SPDX-License-Identifier: ISC */
/*
 * What `culvert status` knows of a tunnel, put together from the monitor's answer (host/control.h)
 * and the engine's (engine/uapi.h, get), and its two forms. Pure functions: no socket, no clock.
 */
#ifndef CLI_STATUS_H
#define CLI_STATUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "core/key.h"
#include "host/peer_state.h"

/* Strings point into the answers that were parsed; NULL: not told. */
struct status_peer {
	char public_key[KEY_BASE64_SIZE];
	const char *name;
	const char *endpoint;      /* address and port */
	const char *endpoint_name; /* as the file has it */
	const char *resolve_error;
	const char *trouble; /* by tunnel_event_name */
	bool unresolved;     /* the file has a name that no address was found for yet */
	const char *cipher;
	const char *session_cipher;
	uint64_t last_handshake; /* Unix time; 0: never */
	uint64_t rx_bytes, tx_bytes, rx_packets, tx_packets;
	uint64_t replays, undecryptable, refused_sources, dropped;
	uint64_t received, lost; /* messages from the peer, in the last minutes */
	uint64_t rtt;            /* ns; 0: not known */
	uint64_t unanswered;     /* initiations that wait for an answer */
	uint64_t added, up_since, unanswered_since; /* Unix time; 0: not known, or not so */
	unsigned keepalive;                         /* seconds, 0 off */
	uint64_t addresses; /* Ethernet addresses that are behind it; 0: none known */
	const char **allowed_ips;
	size_t allowed_count;
};

/* The state of one that does not run, but has left its kill switch closed: only name, state and
 * kill_switch are set. */
#define STATUS_DOWN "down"

struct status {
	const char *name;
	const char *state; /* starting, running, stopping; STATUS_DOWN */
	const char *device, *config, *mtu_why, *user, *last_error;
	const char *network_namespace; /* where the device is; NULL: here */
	const char *link, *bridge;     /* ip or ethernet; that the device is added to, NULL: none */
	const char *bridge_lost;       /* the device is not in there, why; NULL: it is */
	uint64_t network_namespace_lost; /* 0, or its name is another one's by now, or nobody's */
	const char *dns_backend, *dns_error;
	const char **dns_servers, **dns_domains;
	size_t dns_server_count, dns_domain_count; /* no server: the file has no DNS */
	const char *table;                         /* auto, off or a number */
	const char *routing;                       /* what goes by rules */
	const char *kill_switch;                   /* off, on, paused */
	uint64_t pid, engine_pid, since, mtu, listen_port, fwmark;
	uint64_t mark_of_rules;   /* which the rules let pass by; 0: there are none */
	uint64_t network_changed; /* Unix time; 0: never */
	uint64_t clock_behind;    /* seconds by which the clock is wrong for certain */
	/* Lists of what is in use, or "none". */
	const char *offload_device, *offload_sockets;
	uint64_t paused; /* seconds that are left of a pause, 0: none */
	uint64_t routes; /* that were added */
	bool shared;
	bool engine_answered;
	struct status_peer *peers;
	size_t peer_count;
};

/* Take an answer apart, which is written to and must outlive the status. Lines that are not known
 * are passed over. The engine's comes first: it says which peers there are; secrets in it are
 * wiped. 0, -EINVAL (not an answer), -ENOMEM. */
int status_parse_engine(struct status *status, char *answer);
int status_parse_monitor(struct status *status, char *answer);
void status_free(struct status *status);

enum peer_state status_peer_state(const struct status_peer *peer, uint64_t now);
/* Since when it is in that state, in Unix time; 0: not known. */
uint64_t status_peer_since(const struct status_peer *peer, uint64_t now);

/* What last went wrong with it, in words; NULL: nothing since its last handshake. */
const char *status_peer_error(const struct status_peer *peer);

/* Whether it carries Ethernet frames. */
bool status_is_ethernet(const struct status *status);

/* Whether what it sends to peers is routed into the tunnel itself: somebody has changed the mark by
 * which its rules tell it. */
bool status_lacks_mark(const struct status *status);

/* Whether it falls short of what its file asks for: it is not running, or DNS is not set, or
 * its device is not in its bridge or namespace, or a peer is missed that has its Endpoint in the
 * file (peer_is_missed). */
bool status_is_degraded(const struct status *status, uint64_t now);

/* For a person; now in Unix time. */
void status_print(FILE *to, const struct status *status, uint64_t now);

/* One object for all of them. */
void status_print_json(FILE *to, const struct status *list, size_t count, uint64_t now);

#endif
