/* SPDX-License-Identifier: ISC */
/* Tunnels that do not run, but have left their kill switch closed: by `culvert block`, or because
 * they were killed or failed. Only meaningful for one whose monitor does not answer. */
#ifndef CLI_STATUS_LEFT_H
#define CLI_STATUS_LEFT_H

#include <glob.h>
#include <stdbool.h>

/* Whether its state file has a closed switch; false also if it cannot be read. */
bool status_left_closed(const char *name);

/* All state files, the caller's to globfree. 0 or -ENOMEM. */
int status_left_find(glob_t *found);

#endif
