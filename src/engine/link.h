/* SPDX-License-Identifier: ISC */
/* What the kernel tells of our device (up, down, MTU) and of the network around it. */
#ifndef ENGINE_LINK_H
#define ENGINE_LINK_H

#include <stdbool.h>

#include "engine/sandbox.h"

/* What changed since the last call. */
struct link_news {
	bool has_state; /* up and mtu are set */
	bool up;
	unsigned mtu;
	bool left;    /* the device went, or moved to another network namespace */
	bool network; /* addresses or routes changed */
};

/* A netlink socket that follows the device (0: none, but the network); the first news tells how it
 * is. Returns the descriptor (non-blocking, close-on-exec) or -errno. */
int link_open(unsigned interface);

/* Reads what has come, a bounded part of it. 0 or -errno. */
int link_read(int fd, unsigned interface, struct link_news *news);

/* What this module calls once the process is enclosed. */
extern const struct sandbox_call link_calls[];

#endif
