/* SPDX-License-Identifier: ISC */
/* Another network namespace: where the device is, while the sockets stay here. */
#ifndef HOST_NETNS_H
#define HOST_NETNS_H

#include <limits.h>

#include "host/netlink.h"

#define NETNS_DIRECTORY "/run/netns"

/* The path of a namespace: NAME stands for NETNS_DIRECTORY/NAME, as for ip-netns(8); what has a
 * slash is the path. 0 or -ENAMETOOLONG. */
int netns_path(char path[PATH_MAX], const char *name);

/* Its name for ip-netns(8), a part of the argument; NULL: it has none, being a path elsewhere. */
const char *netns_name(const char *name);

/* How ip(8) is called for the namespace at a path, or of a name; NULL: ours. For people to copy
 * into a shell, so one that a shell would not take as it is stands there as PATH. */
enum { NETNS_IP_SIZE = PATH_MAX + 32 };
void netns_ip(char command[NETNS_IP_SIZE], const char *name);

/* A namespace is known by the inode of its /proc/PID/ns/net, which the next one may have after it
 * has gone, and by netlink_namespace (0: not known), which none has. */
struct netns_id {
	uint64_t inode, number;
};
bool netns_same(const struct netns_id *a, const struct netns_id *b);

/* The caller's. 0; -ENOENT without /proc; other -errno. */
int netns_own(struct netns_id *id);

/* How a command is run in a namespace, by its name or by a process in it. False: there is none, as
 * far as the caller may see. */
bool netns_find(const struct netns_id *id, char command[NETNS_IP_SIZE]);

/* The descriptor of the namespace at a path, to be closed. -ENOENT: there is none; -EINVAL: that is
 * no network namespace; other -errno. */
int netns_open(const char *path);

/* This thread is there from now on. The descriptor of where it was, for netns_leave; or -errno, and
 * it is where it was. Takes CAP_SYS_ADMIN, which need but be permitted. */
int netns_enter(int fd);

/* As both: a namespace by its path. */
int netns_enter_path(const char *path);

/* Back. It ends the process if that fails: what it does next would befall another network. */
void netns_leave(int before);

/* A netlink socket of the namespace at a path; NULL: of ours. 0 or -errno, as above. */
int netns_netlink_open(const char *path, struct netlink **netlink);

/* Why netns_open or netns_enter failed and what to do about it: a sentence. */
enum { NETNS_WHY_SIZE = 256 };
void netns_explain(char why[NETNS_WHY_SIZE], const char *path, int error);

#endif
