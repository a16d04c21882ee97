/* SPDX-License-Identifier: ISC */
/* What a tunnel that is no longer running has left on the host, according to its state file. */
#ifndef HOST_LEFTOVER_H
#define HOST_LEFTOVER_H

#include <stdbool.h>

#include "host/config.h"
#include "host/netlink.h"

/* What the state file calls a socket, by its path. The line goes when the socket does. */
#define LEFTOVER_SOCKET "socket"
/* And what SaveConfig was writing beside the tunnel's file, with its secrets. */
#define LEFTOVER_COPY "copy"

/*
 * Undoes all that the state file says, the last change first; with keep_switch, a kill switch (and
 * the rules that come with it) is left closed. Only with the tunnel's lock. Each line that was
 * undone is handed to told (NULL: nobody wants to know). 0, or the first -errno: what failed is
 * logged and stays in the file. A socket or a copy that stays is an error only with told. -EXDEV:
 * it is in another network namespace, and has to be undone there, which is logged; if that is not
 * to be found any more, what was added there is forgotten.
 */
int leftover_undo(struct netlink *netlink, const char *state_path, bool keep_switch,
	void (*told)(const char *what, const char *value));

/* `culvert down`: the same, with a netlink socket and the lock of its own, the host's DNS, and
 * without the sockets that are left. -EWOULDBLOCK: the tunnel runs; -EXDEV as above. */
int leftover_down(
	const char *name, bool keep_switch, void (*told)(const char *what, const char *value));

enum { LEFTOVER_COMPLAINT_SIZE = 384 };

/* `culvert block`: closes the switch of a tunnel that does not run, as its file says. 0, or -errno
 * and a sentence; -EWOULDBLOCK: the tunnel runs. */
int leftover_block(const struct config *config, char complaint[LEFTOVER_COMPLAINT_SIZE]);

#endif
