/* SPDX-License-Identifier: ISC */
/*
 * Looking up a name past the tunnel.
 *
 * Where the tunnel takes all traffic, a look-up of the tunnel's own endpoint would go into the
 * tunnel, which cannot come up before the name is known. The tunnel's packets are told apart by a
 * mark; getaddrinfo's cannot be marked, and with systemd-resolved it is another program that sends
 * them. So the name servers of the network outside are asked directly, from sockets that bear the
 * mark: those that /etc/resolv.conf had before the tunnel changed it, and those that
 * systemd-resolved and NetworkManager know by now. What the outer network sees of that is the
 * endpoint's name.
 */
#ifndef HOST_OUTSIDE_H
#define HOST_OUTSIDE_H

#include <stddef.h>
#include <stdint.h>

#include "core/endpoint.h"
#include "host/text.h"

enum {
	OUTSIDE_SERVERS_MAX = 8,
	OUTSIDE_ADDRESSES_MAX = 16,
	OUTSIDE_MESSAGE_SIZE = 1232, /* what goes through any network in one piece */
	OUTSIDE_QUESTION_SIZE = 272, /* the longest name and 16 bytes */
};

struct outside {
	struct endpoint servers[OUTSIDE_SERVERS_MAX];
	unsigned server_count;
	int sockets[2]; /* for IPv4 and IPv6; -1: there is none */
};

/* What was found: addresses without a port. */
struct outside_addresses {
	struct endpoint items[OUTSIDE_ADDRESSES_MAX];
	unsigned count;
};

/* Opens the sockets with the mark, which takes root's privileges. The servers are none yet. */
void outside_open(struct outside *outside, uint32_t mark);

/* Adds the name servers that a resolv.conf names, but not those of this host: they would ask in
 * their turn, and through the tunnel. */
void outside_add_servers(struct outside *outside, const char *resolv_conf);

/* Adds those of the network as it is now, from the files that tell. */
void outside_add_present_servers(struct outside *outside);

/* What /etc/resolv.conf is now, for later. */
void outside_remember(struct text *resolv_conf);

/* Asks one after the other, for some seconds in all, until one knows addresses of the name. */
void outside_look_up(
	const struct outside *outside, const char *name, struct outside_addresses *found);

/* A question for a name's addresses of a family, to one server. The length, or -EINVAL: that is no
 * name. */
int outside_question(
	uint8_t question[OUTSIDE_QUESTION_SIZE], const char *name, int family, uint16_t id);

/* Adds what an answer to the question says. 0: it was one, be it that there are none; -EBADMSG: it
 * was not. */
int outside_answer(struct outside_addresses *found, const uint8_t *question, size_t question_len,
	const uint8_t *answer, size_t len);

#endif
