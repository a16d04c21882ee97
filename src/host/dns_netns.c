/* SPDX-License-Identifier: ISC */
/* DNS = where the device is in another network namespace. */
#include "host/dns_netns.h"

#include <errno.h>
#include <glob.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/dns_file.h"
#include "host/lock.h"
#include "host/netns.h"
#include "host/place.h"
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

/* 1, 0 or -errno. */
static int has_line(const char *state_path, const char *line)
{
	struct undo_lines lines;
	int result = undo_read(state_path, &lines);

	if (!result)
		result = undo_has(&lines, line);
	undo_free(&lines);
	return result;
}

/* Whether another of our tunnels has noted the directory, from whichever network namespace its
 * sockets are; what other users note is no reason to remove anything. 1, 0 or -errno. */
static int others_noted(const char *state_path, const char *directory)
{
	char where[PATH_MAX], pattern[PATH_MAX + 8], line[PATH_MAX + 16];
	glob_t states = { 0 };
	int result;

	place_parent(where, state_path);
	snprintf(pattern, sizeof(pattern), "%s/*.state", where);
	snprintf(line, sizeof(line), DNS_NETNS_MADE " %s", directory);
	result = glob(pattern, GLOB_ERR, NULL, &states);
	result = !result || result == GLOB_NOMATCH ? 0 : result == GLOB_NOSPACE ? -ENOMEM : -EIO;
	for (size_t i = 0; !result && i < states.gl_pathc; i++) {
		if (strcmp(states.gl_pathv[i], state_path) != 0)
			result = has_line(states.gl_pathv[i], line);
	}
	globfree(&states);
	return result;
}

/* One that is there is somebody else's, unless another tunnel has made it: then whichever of them
 * ends last removes it. */
static int make_directory(const char *state_path, const char *path)
{
	struct stat status;
	mode_t mask;
	int error;

	if (!lstat(path, &status)) {
		const int noted = others_noted(state_path, path);

		return noted > 0 ? undo_add(state_path, DNS_NETNS_MADE, path) : noted;
	}
	error = undo_add(state_path, DNS_NETNS_MADE, path);
	if (error)
		return error;
	mask = umask(022);
	if (mkdir(path, 0755) < 0)
		error = -errno;
	umask(mask);
	if (error)
		undo_remove(state_path, DNS_NETNS_MADE, path);
	return error == -EEXIST ? 0 : error; /* somebody else was faster */
}

int dns_netns_prepare(const char *state_path, const char *path)
{
	const int turn = lock_take_turn_beside(state_path);
	char directory[PATH_MAX], above[PATH_MAX];
	int error;

	if (turn < 0)
		return turn;
	place_parent(directory, path);
	place_parent(above, directory);
	error = make_directory(state_path, above);
	if (!error)
		error = make_directory(state_path, directory);
	close(turn);
	return error ? error : undo_add(state_path, DNS_NETNS_FILE, path);
}

static int undo_directory(const char *state_path, const char *path)
{
	const int noted = others_noted(state_path, path);

	if (noted < 0)
		return noted;
	/* Another tunnel may be about to make its file there. With what somebody else has put there
	 * meanwhile it stays. */
	if (!noted && rmdir(path) < 0 && errno != ENOENT && errno != ENOTEMPTY && errno != EEXIST)
		return -errno;
	return undo_remove(state_path, DNS_NETNS_MADE, path);
}

int dns_netns_undo_directory(const char *state_path, const char *path)
{
	const int turn = lock_take_turn_beside(state_path);
	int error;

	if (turn < 0)
		return turn;
	error = undo_directory(state_path, path);
	close(turn);
	return error;
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

int dns_netns_undo_file(const char *state_path, const char *path)
{
	const int turn = lock_take_turn_beside(state_path);
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
