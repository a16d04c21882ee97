/* SPDX-License-Identifier: ISC */
/*
 * DNS = where the device is in another network namespace: ip-netns(8) has its programs see
 * /etc/netns/NAME/resolv.conf as /etc/resolv.conf. Who makes a file there (host/dns_file.h) makes
 * the directory, if need be, and notes both in the state file before. A directory that one tunnel
 * has made is noted by each that uses it, and the last of them removes it.
 */
#ifndef HOST_DNS_NETNS_H
#define HOST_DNS_NETNS_H

#include <limits.h>

#define DNS_NETNS_DIRECTORY "/etc/netns"

/* What the state file calls them; each is undone by one of the functions below. */
#define DNS_NETNS_FILE "resolv.conf"
#define DNS_NETNS_MADE "directory"

/* The file of a namespace (as the tunnel's file calls it). 0; -EINVAL: ip-netns(8) does not know
 * it; -ENAMETOOLONG. */
int dns_netns_path(char path[PATH_MAX], const char *namespace);

/* Before the file is made there: notes, and its directory and the one above. 0 or -errno. */
int dns_netns_prepare(const char *state_path, const char *path);
/* After it was put back: the notes go, and what was made, if no other tunnel has noted it and it is
 * empty. */
void dns_netns_finish(const char *state_path, const char *path);

/* The same for host/leftover.h. */
int dns_netns_undo_file(const char *state_path, const char *path);
int dns_netns_undo_directory(const char *state_path, const char *path);

#endif
