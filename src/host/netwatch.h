/* SPDX-License-Identifier: ISC */
/* News of the network around the tunnel, by rtnetlink. */
#ifndef HOST_NETWATCH_H
#define HOST_NETWATCH_H

#include <stdbool.h>
#include <stdint.h>

struct nlmsghdr;

/* What is looked for. */
struct netwatch_scope {
	unsigned interface; /* the tunnel's own device: what befalls it is no news of the network,
			       but for bridges that it joins or leaves */
	uint32_t tables[2]; /* where a removed route may be one of ours; 0: none */
};

struct netwatch_news {
	bool network; /* routes, addresses, links or rules changed, or our bridge */
	bool removed; /* a rule, or a route of one of the tables */
};

/* A netlink socket that hears of all of it. Returns the descriptor (non-blocking, close-on-exec) or
 * -errno. */
int netwatch_open(void);

/* Reads what has come, a bounded part of it. If some were lost, all may have happened. 0 or -errno.
 */
int netwatch_read(int fd, const struct netwatch_scope *scope, struct netwatch_news *news);

/* Adds to *news what one message says. */
void netwatch_take(const struct nlmsghdr *message, const struct netwatch_scope *scope,
	struct netwatch_news *news);

#endif
