/* SPDX-License-Identifier: ISC */
/* Child processes that have nothing of the monitor's but what they are given. */
#ifndef HOST_CHILD_H
#define HOST_CHILD_H

#include <stddef.h>
#include <sys/types.h>

/*
 * fork(2). The child has a session of its own, and so a process group: a terminal's Ctrl-C is for
 * the monitor alone, which then ends its children in order; and a child that was taken over cannot
 * type into root's terminal (TIOCSTI), nor is one stopped for writing to it. The child has no
 * signal blocked, ignored or caught, standard input from /dev/null, output and errors as ours, and
 * of the other descriptors only those listed (-1 stands for none).
 */
pid_t child_fork(const int *keep, size_t keep_count);

/* kill(2) of such a child and of all that it started; also if it has just been forked and has no
 * process group of its own yet. */
void child_kill(pid_t pid, int number);

/* Who runs what needs no privilege: the given user, or without one `culvert` if there is such a
 * user, else `nobody`. 0 and *uid, *gid, *chosen (static storage or the argument); -ENOENT: no such
 * user. */
int child_find_user(const char *user, uid_t *uid, gid_t *gid, const char **chosen);

/* "ended with status 3", "was killed by signal 9 (Killed)": text for a wait status. */
enum { CHILD_STATUS_TEXT_SIZE = 128 };
void child_status_text(char text[CHILD_STATUS_TEXT_SIZE], int wait_status);

#endif
