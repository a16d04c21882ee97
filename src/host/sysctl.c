/* SPDX-License-Identifier: ISC */
/* Kernel settings that tunnels share. A line is "KEY BEFORE". */
#include "host/sysctl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/lock.h"
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

static bool parse(const char *value, char key[KEY_SIZE], int *before)
{
	return sscanf(value, "%95s %d", key, before) == 2;
}

/* Whether a line of the state file is of the key, and what that was before. */
static bool is_of(const char *line, const char *key, int *before)
{
	static const char what[] = SYSCTL_WHAT " ";
	char noted[KEY_SIZE];

	return !strncmp(line, what, strlen(what)) && parse(line + strlen(what), noted, before) &&
	       !strcmp(noted, key);
}

/* 1: a tunnel of this network namespace (not that of except, which may be NULL) has noted the key,
 * and what it was before that; 0: none; or -errno. */
static int is_noted(const char *key, const char *except, int *before)
{
	struct undo_lines lines;
	int error = undo_read_others(except, &lines);
	bool noted = false;

	for (size_t i = 0; !error && !noted && i < lines.count; i++)
		noted = is_of(lines.items[i], key, before);
	if (!error)
		undo_free(&lines);
	return error ? error : noted;
}

/* What is 1 already may be so by a tunnel of which we may not read the notes. */
static int turn_on(const char *state_path, const char *key)
{
	char line[LINE_SIZE];
	int now, before, noted, error = sysctl_read(key, &now);

	if (error)
		return error;
	noted = is_noted(key, NULL, &before);
	if (noted < 0)
		return noted;
	snprintf(line, sizeof(line), "%s %d", key, noted ? before : now);
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
	int turn = lock_take_turn_beside(state_path), error;

	if (turn < 0)
		return turn;
	error = turn_on(state_path, key);
	close(turn);
	return error;
}

/* Of all lines that a file might have, those that we write. */
static int put_back(const char *state_path, const char *value)
{
	int before, now, others, error;
	char key[KEY_SIZE];

	if (!parse(value, key, &before) || strcmp(key, SYSCTL_SRC_VALID_MARK))
		return 0;
	error = is_noted(key, state_path, &others);
	if (error)
		return error < 0 ? error : 0;
	error = sysctl_read(key, &now);
	return error || now != 1 || before == 1 ? error : write_key(key, before);
}

int sysctl_put_back(const char *state_path, const char *value)
{
	int turn = lock_take_turn_beside(state_path), error;

	if (turn < 0)
		return turn;
	error = put_back(state_path, value);
	if (!error)
		error = undo_remove(state_path, SYSCTL_WHAT, value);
	close(turn);
	return error;
}
