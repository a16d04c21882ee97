/* SPDX-License-Identifier: ISC */
/*
 * An endpoint that is a name: which of its addresses is tried next, and when it is looked up again.
 * Pure functions; times in milliseconds that never go back.
 *
 * All addresses of a name are kept. One that does not answer a handshake within NAMES_TRY, or that
 * no route leads to, gives way to the next; when all had their turn, the name is looked up again,
 * with a growing pause, and they have another, be there an answer or not: a name server that is out
 * of reach does not make the addresses wrong. A peer that is heard stays where it is, whatever the
 * name says, for it may have roamed; the engine looks at that again when it is told
 * (tunnel_try_endpoint).
 */
#ifndef HOST_NAMES_H
#define HOST_NAMES_H

#include <stdbool.h>
#include <stdint.h>

#include "core/endpoint.h"
#include "core/key.h"
#include "host/resolve.h"

enum {
	NAMES_TRY = 4000,    /* for an address to answer a handshake */
	NAMES_OLD = 135000,  /* a handshake that should have had a successor */
	NAMES_HEARD = 10000, /* after anything came from it a peer is where it is */
};

#define NAMES_NEVER UINT64_MAX

struct names {
	struct endpoint addresses[RESOLVE_ADDRESSES_MAX];
	unsigned count;
	unsigned tried;  /* addresses that had their turn since the last look-up */
	unsigned rounds; /* look-ups since the peer answered */
	uint64_t asked;  /* when the last look-up ended */
	uint64_t due;    /* of the next one; NAMES_NEVER: nothing planned */
	uint64_t heard;  /* when something had come from the peer; 0: never */
	uint64_t rx_bytes;
	bool silent; /* as last observed: the peer does not answer where it should be */
};

/* What the engine says of a peer (engine/uapi.h, get with public_key), and a route. */
struct names_facts {
	struct endpoint endpoint; /* where it sends */
	uint64_t age;             /* of the last handshake; NAMES_NEVER: there was none */
	uint64_t waiting;         /* how long already; NAMES_NEVER: nobody waits for one */
	uint64_t rx_bytes;
	uint64_t keepalive; /* seconds; 0: off */
	bool no_route;      /* to the endpoint */
};

/* Nothing is known; the first look-up is due now. */
void names_init(struct names *names, uint64_t now);

/* A look-up ended, with an answer or without. */
void names_found(struct names *names, const struct resolve_result *result, uint64_t now);

/* Takes note of the facts, and plans a look-up if there is need of one. True: another address
 * should be tried, as names_next chooses it. */
bool names_observe(struct names *names, const struct names_facts *facts, uint64_t now);

/* Whether the name leads to an endpoint. */
bool names_contain(const struct names *names, const struct endpoint *endpoint);

/* The address whose turn it is after the present one (an unset one: none yet), among those that
 * has_route allows, or if that is none among all. NULL: there is no other. */
const struct endpoint *names_next(struct names *names, const struct endpoint *present,
	bool (*has_route)(void *context, const struct endpoint *endpoint), void *context);

/* In another network everything counts anew, and the name may have other addresses. */
void names_network_changed(struct names *names, uint64_t now);

/* Takes the next peer off the engine's answer, which is written to (no_route is left false). False:
 * that was the last. */
bool names_parse_facts(char **answer, uint8_t public_key[KEY_LEN], struct names_facts *facts);

#endif
