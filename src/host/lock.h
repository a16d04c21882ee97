/* SPDX-License-Identifier: ISC */
/* One process at a time deals with a tunnel: /run/culvert/NAME.lock. */
#ifndef HOST_LOCK_H
#define HOST_LOCK_H

/* Makes the directory if need be. 0 and *fd, to be closed, which gives the lock up; -EWOULDBLOCK:
 * somebody has it; other -errno. */
int lock_take(const char *name, int *fd);

#endif
