/* SPDX-License-Identifier: ISC */
/* Programs of the host that do something for us: found on the PATH, run without a shell. */
#ifndef HOST_HELPER_H
#define HOST_HELPER_H

#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>

/* Where on the PATH a program is; of the PATH only what begins with '/' counts. */
bool helper_find(const char *name, char path[PATH_MAX]);

/*
 * Starts a program with arguments, of which the first is its path and after the last comes NULL. It
 * reads the input, has a process group of its own, with the number *pid, and a hook's environment
 * (host/hooks.h); its umask is 022, whatever ours is. It is killed when we are. 0 or -errno.
 */
int helper_start(const char *const *arguments, const char *input, pid_t *pid);

/* A program that takes longer is ended. Milliseconds. */
enum { HELPER_TIMEOUT = 15000 };

/* Whether a program succeeded (error: -errno of helper_start, -ETIMEDOUT, -EINTR; else its wait
 * status counts); if not, why says what happened to it. */
bool helper_succeeded(const char *path, int error, int wait_status, char *why, size_t why_size);

/* Starts a program and waits for it. As helper_succeeded. */
bool helper_run(const char *const *arguments, const char *input, char *why, size_t why_size);

#endif
