/* SPDX-License-Identifier: ISC */
/* Another network namespace: where the device is, while the sockets stay here. */
#include "host/netns.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <linux/capability.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/log.h"
#include "host/rights.h"

int netns_path(char path[PATH_MAX], const char *name)
{
	const int len = strchr(name, '/') ? snprintf(path, PATH_MAX, "%s", name)
					  : snprintf(path, PATH_MAX, NETNS_DIRECTORY "/%s", name);

	return len < PATH_MAX ? 0 : -ENAMETOOLONG;
}

const char *netns_name(const char *name)
{
	static const char *const directories[] = { NETNS_DIRECTORY "/", "/var" NETNS_DIRECTORY "/",
		"" };

	for (size_t i = 0; i < sizeof(directories) / sizeof(*directories); i++) {
		const size_t len = strlen(directories[i]);

		if (!strncmp(name, directories[i], len) && name[len] && !strchr(name + len, '/'))
			return name + len;
	}
	return NULL;
}

static bool is_plain(const char *name)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				    "0123456789_+=:,./@%-";

	return !name[strspn(name, plain)];
}

void netns_ip(char command[NETNS_IP_SIZE], const char *name)
{
	const char *known = name ? netns_name(name) : NULL;

	if (!name)
		snprintf(command, NETNS_IP_SIZE, "ip");
	else if (!is_plain(name))
		snprintf(command, NETNS_IP_SIZE, "nsenter --net=PATH ip");
	else if (known)
		snprintf(command, NETNS_IP_SIZE, "ip -n %s", known);
	else
		snprintf(command, NETNS_IP_SIZE, "nsenter --net=%s ip", name);
}

bool netns_same(const struct netns_id *a, const struct netns_id *b)
{
	return a->inode == b->inode && (!a->number || !b->number || a->number == b->number);
}

int netns_own(struct netns_id *id)
{
	struct netlink *netlink;
	struct stat status;
	int error;

	if (stat("/proc/self/ns/net", &status) < 0)
		return -errno;
	error = netlink_open(&netlink);
	if (error)
		return error;
	*id = (struct netns_id){ status.st_ino, netlink_namespace(netlink) };
	netlink_close(netlink);
	return 0;
}

/* The first of the paths at which there is that namespace, in *found; else it stays. */
static void find_at(const char *pattern, const struct stat *wanted, char found[PATH_MAX])
{
	glob_t paths;
	struct stat status;

	if (*found || glob(pattern, GLOB_NOSORT, NULL, &paths))
		return;
	for (size_t i = 0; i < paths.gl_pathc && !*found; i++)
		if (!stat(paths.gl_pathv[i], &status) && status.st_ino == wanted->st_ino &&
			status.st_dev == wanted->st_dev)
			snprintf(found, PATH_MAX, "%s", paths.gl_pathv[i]);
	globfree(&paths);
}

/* Whether what has its inode is not the next one. Who may not enter it cannot tell. */
static bool has_number(const char *path, uint64_t number)
{
	struct netlink *netlink;
	bool has;

	if (!number || netns_netlink_open(path, &netlink))
		return true;
	has = netlink_namespace(netlink) == number;
	netlink_close(netlink);
	return has;
}

bool netns_find(const struct netns_id *id, char command[NETNS_IP_SIZE])
{
	char path[PATH_MAX] = "";
	struct stat wanted;

	if (stat("/proc/self/ns/net", &wanted) < 0)
		return false;
	wanted.st_ino = id->inode;
	find_at(NETNS_DIRECTORY "/*", &wanted, path);
	find_at("/proc/[0-9]*/ns/net", &wanted, path);
	if (!*path || !has_number(path, id->number))
		return false;
	if (netns_name(path) && is_plain(path))
		snprintf(command, NETNS_IP_SIZE, "ip netns exec %s", netns_name(path));
	else
		snprintf(
			command, NETNS_IP_SIZE, "nsenter --net=%s", is_plain(path) ? path : "PATH");
	return true;
}

int netns_open(const char *path)
{
	const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd < 0)
		return -errno;
	if (ioctl(fd, NS_GET_NSTYPE) == CLONE_NEWNET)
		return fd;
	close(fd);
	return -EINVAL;
}

static int enter(int fd)
{
	bool before;
	int error = rights_lend(CAP_SYS_ADMIN, &before);

	if (error)
		return error;
	if (setns(fd, CLONE_NEWNET) < 0)
		error = -errno;
	if (!before)
		rights_take_back(CAP_SYS_ADMIN);
	return error;
}

int netns_enter(int fd)
{
	const int before = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	int error;

	if (before < 0)
		return -errno;
	error = enter(fd);
	if (!error)
		return before;
	close(before);
	return error;
}

int netns_enter_path(const char *path)
{
	const int fd = netns_open(path);
	int before;

	if (fd < 0)
		return fd;
	before = netns_enter(fd);
	close(fd);
	return before;
}

void netns_leave(int before)
{
	const int error = enter(before);

	if (error) {
		log_line(LOG_ERR, "cannot get back from another network namespace: %s",
			strerror(-error));
		abort();
	}
	close(before);
}

int netns_netlink_open(const char *path, struct netlink **netlink)
{
	int before, error;

	if (!path)
		return netlink_open(netlink);
	before = netns_enter_path(path);
	if (before < 0)
		return before;
	error = netlink_open(netlink);
	netns_leave(before);
	return error;
}

void netns_explain(char why[NETNS_WHY_SIZE], const char *path, int error)
{
	switch (-error) {
	case ENOENT:
		snprintf(why, NETNS_WHY_SIZE, "there is no %.120s: ip netns add makes one", path);
		break;
	case EINVAL:
		snprintf(why, NETNS_WHY_SIZE, "%.120s is no network namespace", path);
		break;
	case EPERM:
		snprintf(why, NETNS_WHY_SIZE,
			"entering %.120s takes root with CAP_SYS_ADMIN (in a service: the drop-in "
			"network-namespace.conf)",
			path);
		break;
	default:
		snprintf(why, NETNS_WHY_SIZE, "%.120s: %s", path, strerror(-error));
	}
}
