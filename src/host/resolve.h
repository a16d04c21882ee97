/* SPDX-License-Identifier: ISC */
/*
 * Looking up endpoint names without ever blocking: each look-up is a child process, without
 * privileges, that writes its one answer to a pipe. One that takes longer than RESOLVE_TIMEOUT
 * seconds ends by itself.
 */
#ifndef HOST_RESOLVE_H
#define HOST_RESOLVE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/endpoint.h"

enum {
	RESOLVE_TIMEOUT = 30,
	RESOLVE_RETRY_MAX = 300,    /* seconds between two attempts, at most */
	RESOLVE_ADDRESSES_MAX = 16, /* of one name; what is beyond is left off */
	RESOLVE_ERROR_SIZE = 96,
};

/* In the order in which they should be tried. */
struct resolve_result {
	struct endpoint addresses[RESOLVE_ADDRESSES_MAX];
	unsigned count;
	char error[RESOLVE_ERROR_SIZE]; /* if count is 0: why */
};

/* Seconds to wait after so many failed attempts: 1, 2, 4 ... RESOLVE_RETRY_MAX. */
unsigned resolve_retry_delay(unsigned failures);

/* An address (perhaps with %scope) and a port, without looking anything up. 0, or -EINVAL: it is a
 * name. */
int resolve_numeric(const char *host, const char *port, struct endpoint *endpoint);

/* How a look-up is done. */
struct resolve_how {
	uid_t uid; /* as this user, unless 0 */
	gid_t gid;
	uint32_t mark; /* past the tunnel whose packets bear it (host/outside.h); 0: as usual */
	const char *resolv_conf; /* as it was before the tunnel; NULL: not known */
	/* Wipes in the child what must not meet the replies. NULL: there is nothing. */
	void (*forget)(void *context);
	void *context;
};

/* Starts looking up. 0, *pid and *fd, which becomes readable once the
 * answer is there or never will be; or -errno. */
int resolve_start(
	const char *host, const char *port, const struct resolve_how *how, pid_t *pid, int *fd);

/* Reads the answer and closes fd. A result always comes out. */
void resolve_finish(int fd, struct resolve_result *result);

#endif
