/* SPDX-License-Identifier: ISC */
/* Tunnels that do not run, but have left their kill switch closed. */
#include "cli/status_left.h"

#include <errno.h>
#include <stdio.h>

#include "host/place.h"
#include "host/policy_host.h"
#include "host/undo.h"

bool status_left_closed(const char *name)
{
	char path[UNDO_PATH_SIZE];
	struct undo_lines lines;
	const char *place;
	bool closed = false;

	for (size_t i = 0; !closed && (place = place_directory_at(i)); i++) {
		if (snprintf(path, sizeof(path), "%s/%s.state", place, name) >= (int)sizeof(path) ||
			undo_read(path, &lines))
			continue;
		closed = policy_has_block(&lines);
		undo_free(&lines);
	}
	return closed;
}

int status_left_find(glob_t *found)
{
	char pattern[PLACE_PATH_SIZE];
	const char *place;
	int result;

	*found = (glob_t){ 0 };
	for (size_t i = 0; (place = place_directory_at(i)); i++) {
		snprintf(pattern, sizeof(pattern), "%s/*.state", place);
		result = glob(pattern, found->gl_pathc ? GLOB_APPEND : 0, NULL, found);
		if (result == GLOB_NOSPACE)
			return -ENOMEM;
	}
	return 0;
}
