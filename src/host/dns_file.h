/* SPDX-License-Identifier: ISC */
/*
 * A plain resolv.conf that nothing on the host manages: ours in its place while a tunnel runs, the
 * original beside it as PATH.culvert-NAME. Each step is one rename, so that a kill in between
 * leaves one file or the other, and dns_file_restore puts the host right from wherever it was left,
 * be it after a restart of the machine. Several tunnels may do it and end in any order, but one at
 * a time: dns.c sees to that (host/lock.h).
 */
#ifndef HOST_DNS_FILE_H
#define HOST_DNS_FILE_H

#include <stdbool.h>

enum {
	DNS_FILE_LEFT = 1, /* another program has replaced our file: it stays as it is */
	DNS_FILE_SAVED =
		2, /* somebody changed our file: put back, the change is in PATH.culvert.changed */
};

/* Puts a file with these lines in place; if ours is there already, with other lines. A symlink is
 * replaced, and put back as a symlink; a file that is a mount point is written over. 0, or -errno
 * and nothing is changed. */
int dns_file_set(const char *path, const char *name, const char *lines);

/* Undoes it, if there is something to undo. 0, DNS_FILE_LEFT, DNS_FILE_SAVED or -errno. */
int dns_file_restore(const char *path, const char *name);

/* Whether the tunnel's file is in effect, or lies below another tunnel's. */
bool dns_file_is_set(const char *path, const char *name);

/* Whether there is something to undo: that, or an original. */
bool dns_file_is_left(const char *path, const char *name);

#endif
