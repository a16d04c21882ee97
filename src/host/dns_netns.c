/* SPDX-License-Identifier: ISC */
/* DNS = where the device is in another network namespace. */
#include "host/dns_netns.h"

#include <errno.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/dns_file.h"
#include "host/lock.h"
#include "host/netns.h"
#include "host/undo.h"

int dns_netns_path(char path[PATH_MAX], const char *namespace)
{
	const char *name = netns_name(namespace);

	if (!name)
		return -EINVAL;
	return snprintf(path, PATH_MAX, DNS_NETNS_DIRECTORY "/%s/resolv.conf", name) < PATH_MAX
		       ? 0
		       : -ENAMETOOLONG;
}

static int make_directory(const char *state_path, const char *path)
{
	struct stat status;
	mode_t mask;
	int error;

	if (!lstat(path, &status))
		return 0;
	error = undo_add(state_path, DNS_NETNS_MADE, path);
	if (error)
		return error;
	mask = umask(022);
	if (mkdir(path, 0755) < 0 && errno != EEXIST)
		error = -errno;
	umask(mask);
	return error;
}

int dns_netns_prepare(const char *state_path, const char *path)
{
	char directory[PATH_MAX];
	int error = make_directory(state_path, DNS_NETNS_DIRECTORY);

	snprintf(directory, sizeof(directory), "%s", path);
	if (!error)
		error = make_directory(state_path, dirname(directory));
	return error ? error : undo_add(state_path, DNS_NETNS_FILE, path);
}

int dns_netns_undo_directory(const char *state_path, const char *path)
{
	/* With what somebody else has put there meanwhile it stays. */
	if (rmdir(path) < 0 && errno != ENOENT && errno != ENOTEMPTY && errno != EEXIST)
		return -errno;
	return undo_remove(state_path, DNS_NETNS_MADE, path);
}

static int undo_made(void *context, const char *what, const char *value)
{
	const char *state_path = context;

	if (!strcmp(what, DNS_NETNS_MADE))
		dns_netns_undo_directory(state_path, value);
	return 0;
}

void dns_netns_finish(const char *state_path, const char *path)
{
	undo_remove(state_path, DNS_NETNS_FILE, path);
	undo_walk(state_path, undo_made, (void *)state_path);
}

/* That of all who change what tunnels share: the descriptor, to be closed, or -errno. */
static int take_turn(const char *state_path)
{
	char copy[UNDO_PATH_SIZE];

	snprintf(copy, sizeof(copy), "%s", state_path);
	return lock_take_turn(dirname(copy));
}

int dns_netns_undo_file(const char *state_path, const char *path)
{
	const int turn = take_turn(state_path);
	char copy[UNDO_PATH_SIZE], *name, *end;
	int error;

	if (turn < 0)
		return turn;
	snprintf(copy, sizeof(copy), "%s", state_path);
	name = basename(copy);
	end = strrchr(name, '.');
	if (end)
		*end = '\0';
	error = dns_file_restore(path, name);
	close(turn);
	return error < 0 ? error : undo_remove(state_path, DNS_NETNS_FILE, path);
}
