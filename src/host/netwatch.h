/* SPDX-License-Identifier: ISC */
/* News of the network around the tunnel, by rtnetlink. What befalls the tunnel's own device is
 * none. */
#ifndef HOST_NETWATCH_H
#define HOST_NETWATCH_H

#include <stdbool.h>
#include <stddef.h>

/* What changed. */
struct netwatch_news {
	bool routes, addresses, links, rules;
};

/* A netlink socket that hears of all of it. Returns the descriptor (non-blocking, close-on-exec) or
 * -errno. */
int netwatch_open(void);

/* Reads what has come, a bounded part of it, and adds to *news; interface is the tunnel's own. If
 * some were lost, everything may have changed. 0 or -errno. */
int netwatch_read(int fd, unsigned interface, struct netwatch_news *news);

/* The same for messages that were read, len bytes of them. */
void netwatch_take(
	const void *messages, size_t len, unsigned interface, struct netwatch_news *news);

#endif
