/* SPDX-License-Identifier: ISC */
/* The one-way steps by which the engine gives up what it does not need. */
#ifndef ENGINE_SANDBOX_H
#define ENGINE_SANDBOX_H

#include <sys/types.h>

/* No core dumps with keys in them, no tracing by the same user, no privileges by exec. 0 or -errno.
 */
int sandbox_protect(void);

/* Becomes this user (not root) and group for good, without supplementary groups and capabilities;
 * makes sure that there is no way back. 0, or -errno: then the process must end. */
int sandbox_drop_user(uid_t uid, gid_t gid);

#endif
