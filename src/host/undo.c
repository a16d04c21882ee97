/* SPDX-License-Identifier: ISC */
/* What is to be put back on the host, kept in a file. */
#include "host/undo.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/netns.h"
#include "host/place.h"

/* At the head of the file, before two numbers. */
#define HEAD "netns "

int undo_path(char path[UNDO_PATH_SIZE], const char *name)
{
	return place_path(path, name, "state");
}

void undo_free(struct undo_lines *lines)
{
	for (size_t i = 0; i < lines->count; i++)
		free(lines->items[i]);
	free(lines->items);
	*lines = (struct undo_lines){ 0 };
}

/* The list's room is the next power of two. */
int undo_append(struct undo_lines *lines, const char *line)
{
	/* NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker): what a list counts is there */
	char *copy = strdup(line), **items = lines->items;

	if (copy && !(lines->count & (lines->count - 1)))
		items = reallocarray(items, lines->count ? lines->count * 2 : 1, sizeof(*items));
	if (!copy || !items) {
		free(copy);
		return -ENOMEM;
	}
	lines->items = items;
	items[lines->count++] = copy;
	return 0;
}

bool undo_has(const struct undo_lines *lines, const char *line)
{
	for (size_t i = 0; i < lines->count; i++) {
		if (!strcmp(lines->items[i], line))
			return true;
	}
	return false;
}

int undo_read(const char *path, struct undo_lines *lines)
{
	FILE *file = place_read(path);
	char *line = NULL;
	size_t size = 0;
	int error = 0;

	*lines = (struct undo_lines){ 0 };
	if (!file)
		return errno == ENOENT ? 0 : -errno;
	while (!error && getline(&line, &size, file) > 0) {
		line[strcspn(line, "\n")] = '\0';
		if (*line && strncmp(line, HEAD, strlen(HEAD)) != 0)
			error = undo_append(lines, line);
	}
	/* For want of memory a line is not read and the file has no error: what would be taken for
	 * its end is lost for good when it is written again. */
	if (!error && !feof(file))
		error = ferror(file) ? -EIO : -ENOMEM;
	free(line);
	fclose(file);
	if (error)
		undo_free(lines);
	return error;
}

/* Whether it can be told whose the file is. */
static bool read_head(const char *path, struct netns_id *id)
{
	FILE *file = place_read(path);

	*id = (struct netns_id){ 0 };
	if (!file)
		return false;
	if (fscanf(file, HEAD "%" SCNu64 " %" SCNu64, &id->inode, &id->number) < 1)
		id->inode = 0;
	fclose(file);
	return id->inode;
}

bool undo_is_elsewhere(const char *path, struct netns_id *id)
{
	struct netns_id own;

	return read_head(path, id) && !netns_own(&own) && !netns_same(id, &own);
}

/* Adds those of the file at a path, unless that is of another namespace (NULL: ours is not known).
 * A file that cannot be read says nothing. */
static int add_lines(const char *path, const struct netns_id *own, struct undo_lines *lines)
{
	struct undo_lines its = { 0 };
	struct netns_id id;
	const bool elsewhere = own && read_head(path, &id) && !netns_same(&id, own);
	int error = elsewhere ? 0 : undo_read(path, &its);

	if (error)
		return error == -ENOMEM ? error : 0;
	for (size_t i = 0; !error && i < its.count; i++)
		error = undo_append(lines, its.items[i]);
	undo_free(&its);
	return error;
}

int undo_read_others(const char *except, struct undo_lines *lines)
{
	glob_t states = { 0 };
	struct netns_id own;
	const bool known = !netns_own(&own);
	int error = 0;

	*lines = (struct undo_lines){ 0 };
	glob(PLACE_ROOTS "/*.state", 0, NULL, &states);
	glob(PLACE_USERS "/*.state", GLOB_APPEND, NULL, &states);
	for (size_t i = 0; !error && i < states.gl_pathc; i++) {
		if (!except || strcmp(states.gl_pathv[i], except))
			error = add_lines(states.gl_pathv[i], known ? &own : NULL, lines);
	}
	globfree(&states);
	if (error)
		undo_free(lines);
	return error;
}

static int write_lines(const char *path, const struct netns_id *own, const struct undo_lines *lines)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	FILE *file = fd < 0 ? NULL : fdopen(fd, "w");
	int error = file ? 0 : -errno;

	if (!file) {
		if (fd >= 0)
			close(fd);
		return error;
	}
	fprintf(file, HEAD "%" PRIu64 " %" PRIu64 "\n", own->inode, own->number);
	for (size_t i = 0; i < lines->count; i++)
		fprintf(file, "%s\n", lines->items[i]);
	if (ferror(file))
		error = -EIO;
	if (fclose(file) && !error)
		error = -errno;
	return error;
}

enum { BESIDE_SIZE = UNDO_PATH_SIZE + 8 };

static void make_beside(char beside[BESIDE_SIZE], const char *path)
{
	snprintf(beside, BESIDE_SIZE, "%s.new", path);
}

void undo_clean(const char *path)
{
	char beside[BESIDE_SIZE];

	make_beside(beside, path);
	unlink(beside);
}

int undo_write(const char *path, const struct undo_lines *lines)
{
	char beside[BESIDE_SIZE];
	struct netns_id own = { 0 };
	int error;

	if (!lines->count)
		return unlink(path) < 0 && errno != ENOENT ? -errno : 0;
	error = netns_own(&own);
	if (error && error != -ENOENT) /* without /proc nobody can tell */
		return error;
	make_beside(beside, path);
	error = write_lines(beside, &own, lines);
	if (!error && rename(beside, path) < 0)
		error = -errno;
	if (error)
		unlink(beside);
	return error;
}

/* "WHAT VALUE", the caller's; NULL and errno. */
static char *make_line(const char *what, const char *value)
{
	char *line = NULL;

	if (!*what || strpbrk(what, " \n") || strchr(value, '\n')) {
		errno = EINVAL;
		return NULL;
	}
	return asprintf(&line, "%s %s", what, value) < 0 ? NULL : line;
}

int undo_add(const char *path, const char *what, const char *value)
{
	struct undo_lines lines = { 0 };
	char *line = make_line(what, value);
	int error = line ? undo_read(path, &lines) : -errno;

	if (!error && !undo_has(&lines, line)) {
		error = undo_append(&lines, line);
		if (!error)
			error = undo_write(path, &lines);
	}
	undo_free(&lines);
	free(line);
	return error;
}

int undo_remove(const char *path, const char *what, const char *value)
{
	struct undo_lines lines = { 0 };
	char *line = make_line(what, value);
	int error = line ? undo_read(path, &lines) : -errno;
	size_t kept = 0;

	for (size_t i = 0; !error && i < lines.count; i++) {
		if (strcmp(lines.items[i], line))
			lines.items[kept++] = lines.items[i];
		else
			free(lines.items[i]);
	}
	if (!error && kept < lines.count) {
		lines.count = kept;
		error = undo_write(path, &lines);
	}
	undo_free(&lines);
	free(line);
	return error;
}

int undo_filter(
	const char *path, bool (*keep)(const void *context, const char *line), const void *context)
{
	struct undo_lines lines, kept = { 0 };
	int error = undo_read(path, &lines);

	for (size_t i = 0; !error && i < lines.count; i++) {
		if (keep(context, lines.items[i]))
			error = undo_append(&kept, lines.items[i]);
	}
	if (!error)
		error = undo_write(path, &kept);
	undo_free(&lines);
	undo_free(&kept);
	return error;
}

int undo_walk(const char *path, int (*each)(void *context, const char *what, const char *value),
	void *context)
{
	struct undo_lines lines;
	int result = undo_read(path, &lines);

	for (size_t i = lines.count; !result && i-- > 0;) {
		char *value = lines.items[i], *what = strsep(&value, " ");

		result = each(context, what, value ? value : "");
	}
	undo_free(&lines);
	return result;
}
