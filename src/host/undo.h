/* SPDX-License-Identifier: ISC */
/*
 * What a tunnel has changed on the host and what is to be put back, in a small text file that
 * outlives the process: NAME.state (host/place.h), one line "WHAT VALUE" a change, in the order of
 * the changes. A line is written before its change is made, so that whoever finds the file can undo
 * all that may have happened. The file is always replaced as a whole; without lines there is none.
 * At its head stands the network namespace of who wrote it, "netns INODE NUMBER" (struct netns_id;
 * 0: it could not be told): elsewhere there would be nothing to undo.
 *
 * Only who holds the tunnel's lock may write; another process that reads sees the file before or
 * after. Errors are -errno; -EINVAL: what has a blank in it, or one of the two a line end.
 */
#ifndef HOST_UNDO_H
#define HOST_UNDO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "host/place.h"

enum { UNDO_PATH_SIZE = PLACE_PATH_SIZE };

struct netns_id;

/* Whole lines "WHAT VALUE", without their ends. */
struct undo_lines {
	char **items;
	size_t count;
};

/* The file of a tunnel. 0, or -ENAMETOOLONG. */
int undo_path(char path[UNDO_PATH_SIZE], const char *name);

/* Whether the lines are of another network namespace than the caller's, and of which. */
bool undo_is_elsewhere(const char *path, struct netns_id *id);

/* Adds a line at the end, unless it is there already; removes one, if it is there. */
int undo_add(const char *path, const char *what, const char *value);
int undo_remove(const char *path, const char *what, const char *value);

/* Leaves of the lines those that are to be kept, in one write. */
int undo_filter(
	const char *path, bool (*keep)(const void *context, const char *line), const void *context);

/* Calls each for all lines that there are now, the last one first, until it returns other than 0,
 * which is then returned. It may add and remove. */
int undo_walk(const char *path, int (*each)(void *context, const char *what, const char *value),
	void *context);

/* For many lines at once. What undo_read gives is the caller's; no file is no lines. */
int undo_read(const char *path, struct undo_lines *lines);
int undo_write(const char *path, const struct undo_lines *lines);
/* Removes what a write that was killed has left beside the file. */
void undo_clean(const char *path);
void undo_free(struct undo_lines *lines);

/* Those of all other tunnels of this network namespace (but not in the file at except, which may be
 * NULL), whoever runs them, if the caller may read them. 0, and the caller's to free; or -errno. */
int undo_read_others(const char *except, struct undo_lines *lines);

/* A copy of a line at the end; 0 or -ENOMEM. */
int undo_append(struct undo_lines *lines, const char *line);
bool undo_has(const struct undo_lines *lines, const char *line);

#endif
