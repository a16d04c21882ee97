/* SPDX-License-Identifier: ISC */
/* Kernel settings that tunnels share. A line is "KEY BEFORE NAMESPACE", the network namespace by
 * its inode: tunnels of others are none of our business. */
#include "host/sysctl.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/lock.h"
#include "host/place.h"
#include "host/undo.h"

enum { LINE_SIZE = 160, KEY_SIZE = 96 };

static unsigned long long own_namespace(void)
{
	struct stat status;

	return stat("/proc/self/ns/net", &status) < 0 ? 0 : status.st_ino;
}

static int open_key(const char *key, int flags)
{
	char path[KEY_SIZE + 16];
	int fd;

	snprintf(path, sizeof(path), "/proc/sys/%s", key);
	fd = open(path, flags | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int sysctl_read(const char *key, int *value)
{
	char text[16] = "";
	int fd = open_key(key, O_RDONLY), error = 0;

	if (fd < 0)
		return fd;
	if (read(fd, text, sizeof(text) - 1) < 0)
		error = -errno;
	close(fd);
	*value = atoi(text);
	return error;
}

static int write_key(const char *key, int value)
{
	char text[16];
	int fd = open_key(key, O_WRONLY), error = 0;

	if (fd < 0)
		return fd;
	if (write(fd, text, (size_t)snprintf(text, sizeof(text), "%d\n", value)) < 0)
		error = -errno;
	close(fd);
	return error;
}

/* What is looked for in state files. */
struct search {
	const char *key;
	int before;
};

static int compare_line(void *context, const char *what, const char *value)
{
	struct search *search = context;
	unsigned long long namespace;
	char key[KEY_SIZE];
	int before;

	if (strcmp(what, SYSCTL_WHAT) ||
		sscanf(value, "%95s %d %llu", key, &before, &namespace) != 3 ||
		strcmp(key, search->key) || namespace != own_namespace())
		return 0;
	search->before = before;
	return 1;
}

/* Whether a tunnel (other than that of except, which may be NULL), whoever runs it, has noted the
 * key, and what it was before that. */
static bool noted(const char *key, const char *except, int *before)
{
	struct search search = { .key = key };
	glob_t states = { 0 };
	bool found = false;

	glob(PLACE_ROOTS "/*.state", 0, NULL, &states);
	glob(PLACE_USERS "/*.state", GLOB_APPEND, NULL, &states);
	for (size_t i = 0; !found && i < states.gl_pathc; i++)
		found = !(except && !strcmp(states.gl_pathv[i], except)) &&
			undo_walk(states.gl_pathv[i], compare_line, &search) == 1;
	globfree(&states);
	*before = search.before;
	return found;
}

static int turn_on(const char *state_path, const char *key)
{
	char line[LINE_SIZE];
	int now, before, error = sysctl_read(key, &now);

	if (error)
		return error;
	if (!noted(key, NULL, &before)) {
		if (now == 1)
			return 0;
		before = now;
	}
	snprintf(line, sizeof(line), "%s %d %llu", key, before, own_namespace());
	error = undo_add(state_path, SYSCTL_WHAT, line);
	if (!error && now != 1) {
		error = write_key(key, 1);
		if (error)
			undo_remove(state_path, SYSCTL_WHAT, line);
	}
	return error;
}

int sysctl_turn_on(const char *state_path, const char *key)
{
	int turn = lock_take_turn(place_directory()), error;

	if (turn < 0)
		return turn;
	error = turn_on(state_path, key);
	close(turn);
	return error;
}

int sysctl_put_back(const char *state_path, const char *value)
{
	int turn = lock_take_turn(place_directory()), before, other, now, error;
	unsigned long long namespace;
	char key[KEY_SIZE];

	if (turn < 0)
		return turn;
	/* Of all lines that a file might have, those that we write. */
	error = sscanf(value, "%95s %d %llu", key, &before, &namespace) == 3 &&
				!strcmp(key, SYSCTL_SRC_VALID_MARK)
			? 0
			: -EINVAL;
	if (!error && namespace == own_namespace() && !noted(key, state_path, &other) &&
		!sysctl_read(key, &now) && now == 1)
		error = write_key(key, before);
	if (!error || error == -EINVAL)
		error = undo_remove(state_path, SYSCTL_WHAT, value);
	close(turn);
	return error;
}
