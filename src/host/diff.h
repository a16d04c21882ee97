/* SPDX-License-Identifier: ISC */
/*
 * From one configuration to the next: what the engine is told, and which addresses and routes come
 * and go. Pure functions: nothing is touched.
 */
#ifndef HOST_DIFF_H
#define HOST_DIFF_H

#include "host/config.h"
#include "host/text.h"

struct diff_route {
	struct config_prefix prefix;
	uint32_t table;
};

struct diff_routes {
	struct diff_route *items;
	size_t count;
};

struct diff {
	struct text
		set; /* one request of the control protocol, with secrets; empty: nothing to tell */
	struct config_prefixes addresses_removed, addresses_added;
	struct diff_routes routes_removed; /* shortest prefix first */
	struct diff_routes routes_added;   /* longest prefix first */
};

/* What a running tunnel cannot change: a sentence of all that and of what to do, or NULL if there
 * is nothing of it. */
enum { DIFF_REFUSAL_SIZE = 256 };
const char *diff_refusal(
	const struct config *old, const struct config *new, char text[DIFF_REFUSAL_SIZE]);

/* A reload runs no hooks: adds a sentence of when those that differ are run; nothing if none does.
 */
void diff_hooks(struct text *text, const struct config *old, const struct config *new);

/*
 * What leads from old (NULL: nothing is set up yet) to new. Peers that both have alike are left
 * alone. An endpoint that is a name is not told: it is looked up first. 0 and *diff, to be freed;
 * or -ENOMEM.
 */
int diff_make(const struct config *old, const struct config *new, struct diff *diff);

/* Which addresses and routes lead from those that are there to those that are wanted, each of them
 * the addresses_added and routes_added of a difference from nothing. As diff_make, without set. */
int diff_host(const struct diff *there, const struct diff *wanted, struct diff *diff);

void diff_free(struct diff *diff);

/* By which key the engine knows a peer: its public key, or the one that a shared key leads to. */
void diff_peer_key(
	const struct config *config, const struct config_peer *peer, uint8_t public_key[KEY_LEN]);

#endif
