/* SPDX-License-Identifier: ISC */
/*
 * A new text for a file that people own: by a new file in its place, so that whoever reads it finds
 * the old one or the new one, whole. Where a new file would not be the same to them - another owner
 * or group that we may not give it, attributes, a second name, a mount point - the file itself is
 * written, while a complete copy lies beside it as PATH.NUMBER.
 *
 * What is written beside the file is noted in the tunnel's state file (host/undo.h), so that it
 * does not stay when we are killed; not so as long as it is the only one that is whole.
 */
#ifndef HOST_SAVE_PLACE_H
#define HOST_SAVE_PLACE_H

#include <stdbool.h>
#include <sys/stat.h>

#include "host/config.h"
#include "host/text.h"

/* Whether it is the file that was read, as it was then. */
bool save_place_is_same(const struct config_file *file, const struct stat *status);

/*
 * path is no symlink; file is what was read from it, and status how it is. 0; -ESTALE: it is
 * another one by now; -EPERM: it can be neither replaced by one with its owner nor written; other
 * -errno. The file is as it was then, but with -EIO, which is logged: there the copy stays.
 */
int save_place(const char *path, const struct config_file *file, const struct stat *status,
	const struct text *new, const char *state_path);

#endif
