/* SPDX-License-Identifier: ISC */
/* Kernel settings that tunnels share. A line is "KEY BEFORE". */
#include "host/sysctl.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/lock.h"
#include "host/place.h"
#include "host/undo.h"

enum { LINE_SIZE = 160, KEY_SIZE = 96 };

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

static bool parse(const char *value, char key[KEY_SIZE], int *before)
{
	return sscanf(value, "%95s %d", key, before) == 2;
}

static int compare_line(void *context, const char *what, const char *value)
{
	struct search *search = context;
	char key[KEY_SIZE];
	int before;

	if (strcmp(what, SYSCTL_WHAT) || !parse(value, key, &before) || strcmp(key, search->key))
		return 0;
	search->before = before;
	return 1;
}

static bool noted_in(struct search *search, const char *state_path)
{
	uint64_t inode;

	return !undo_is_elsewhere(state_path, &inode) &&
	       undo_walk(state_path, compare_line, search) == 1;
}

/* Whether a tunnel of this network namespace (other than that of except, which may be NULL),
 * whoever runs it, has noted the key, and what it was before that. */
static bool noted(struct search *search, const char *except)
{
	glob_t states = { 0 };
	bool found = false;

	glob(PLACE_ROOTS "/*.state", 0, NULL, &states);
	glob(PLACE_USERS "/*.state", GLOB_APPEND, NULL, &states);
	for (size_t i = 0; !found && i < states.gl_pathc; i++)
		found = !(except && !strcmp(states.gl_pathv[i], except)) &&
			noted_in(search, states.gl_pathv[i]);
	globfree(&states);
	return found;
}

static int turn_on(const char *state_path, const char *key)
{
	struct search search = { .key = key };
	char line[LINE_SIZE];
	int now, error = sysctl_read(key, &now);

	if (error)
		return error;
	if (!noted(&search, NULL)) {
		if (now == 1)
			return 0;
		search.before = now;
	}
	snprintf(line, sizeof(line), "%s %d", key, search.before);
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

/* Of all lines that a file might have, those that we write. */
static int put_back(const char *state_path, const char *value)
{
	char key[KEY_SIZE];
	struct search search = { .key = key };
	int before, now, error;

	if (!parse(value, key, &before) || strcmp(key, SYSCTL_SRC_VALID_MARK) ||
		noted(&search, state_path))
		return 0;
	error = sysctl_read(key, &now);
	return error || now != 1 ? error : write_key(key, before);
}

int sysctl_put_back(const char *state_path, const char *value)
{
	int turn = lock_take_turn(place_directory()), error;

	if (turn < 0)
		return turn;
	error = put_back(state_path, value);
	if (!error)
		error = undo_remove(state_path, SYSCTL_WHAT, value);
	close(turn);
	return error;
}
