/* SPDX-License-Identifier: ISC */
/* PreUp, PostUp, PreDown and PostDown: the administrator's commands, run by /bin/sh. */
#ifndef HOST_HOOKS_H
#define HOST_HOOKS_H

#include <stdbool.h>
#include <sys/types.h>

/* The command with each %i replaced by the device's name; the caller frees it. NULL: out of memory.
 */
char *hooks_expand(const char *command, const char *device);

/* Whether a hook's environment has this NAME=VALUE of ours: not what leads to our keys or lets it
 * speak for us to whoever started us. */
bool hooks_passes_variable(const char *assignment);

/* The PATH where we have none ourselves. */
#define HOOKS_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/* Our environment without what is not to be passed, with a PATH. For a child: the array is never
 * freed. NULL: out of memory. */
char **hooks_environment(void);

/* Starts a command (already expanded) in a process group of its own, which has the number *pid. It
 * reads /dev/null and writes where we do. 0 or -errno. */
int hooks_start(const char *command, pid_t *pid);

#endif
