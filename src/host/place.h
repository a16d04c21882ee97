/* SPDX-License-Identifier: ISC */
/*
 * Where below /run a tunnel's files are: NAME.sock, at which its monitor answers (host/control.h),
 * NAME.lock, NAME.state (host/undo.h) and NAME.dns.
 *
 * Root's tunnels have one directory, those of a monitor that is not root, but configures the
 * network, another one, which is its user's; and an ordinary user (host/rights.h) has one below
 * $XDG_RUNTIME_DIR. So neither need believe what the other wrote. The engine's socket for `wg` is
 * where WireGuard's tools look for it, but with a monitor that is not root beside its other files,
 * as others may not write there.
 */
#ifndef HOST_PLACE_H
#define HOST_PLACE_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define PLACE_ROOTS "/run/culvert"
#define PLACE_USERS "/run/culvert-monitor"

enum {
	PLACE_DIRECTORY_SIZE = 96, /* a socket's address holds no more */
	PLACE_PATH_SIZE = PLACE_DIRECTORY_SIZE + NAME_MAX + 16,
	PLACE_COMPLAINT_SIZE = 384,
};

/* The directory for the tunnels of who we are. */
const char *place_directory(void);

/* Makes it, if need be. 0; -EPERM: it is another user's, or others may write there; other -errno.
 */
int place_make_directory(void);

/* What an ordinary user can do about a directory for which there is no place, to be put behind an
 * error: " (...)", or nothing. */
enum { PLACE_HINT_SIZE = PLACE_DIRECTORY_SIZE + 128 };
const char *place_directory_hint(char hint[PLACE_HINT_SIZE]);

/* Those in which we may have to do with tunnels, one after the other; then NULL. */
const char *place_directory_at(size_t i);

/* "DIRECTORY/NAME.KIND" there. 0 or -ENAMETOOLONG. */
int place_path(char path[PLACE_PATH_SIZE], const char *name, const char *kind);

/* Whether a tunnel of this name has something to be put back that stands in another one's
 * directory: who we are not has started it, and complaint says so. */
bool place_is_others(const char *name, char complaint[PLACE_COMPLAINT_SIZE]);

/* The socket of a tunnel that somebody else runs, perhaps: that at which somebody listens, our
 * own first, then root's. 0 or -ENAMETOOLONG. */
int place_find_socket(char path[PLACE_PATH_SIZE], const char *name);

/* A file in such a directory, to be read: no link, and nothing at which to wait for a writer. The
 * caller's to close; NULL and errno. */
FILE *place_read(const char *path);

/* The directory that a whole path is in. */
void place_parent(char directory[PATH_MAX], const char *path);

/* Whether a path is in a directory of those who are not root. */
bool place_is_users(const char *path);

/* The engine's socket for a device, by the path of any of its monitor's files: where `wg` looks for
 * it, or beside them. 0, -EINVAL or -ENAMETOOLONG. */
int place_engine_socket(char path[PLACE_PATH_SIZE], const char *monitors, const char *device);

/* The name in "DIRECTORY/NAME.sock"; 0 or -ENAMETOOLONG. */
int place_name(char *name, size_t size, const char *socket_path);

/* For root: gives up being root for the user whose the other directory is, so that what is read and
 * written there is none of root's; the right to configure the network stays. 0: done, or there is
 * nothing of the name; -errno. */
int place_become_owner(const char *name, bool *became);

#endif
