/* SPDX-License-Identifier: ISC */
/* Child processes that have nothing of the monitor's but what they are given. */
#include "host/child.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { KEEP_MAX = 16 };

static int compare_ints(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

/* Not every C library has the call. */
static int close_all_between(unsigned first, unsigned last)
{
	return (int)syscall(SYS_close_range, first, last, 0);
}

static int close_all_but(const int *keep, size_t count)
{
	int sorted[KEEP_MAX];
	unsigned from = 3;

	if (count > KEEP_MAX)
		return -EINVAL;
	if (count)
		memcpy(sorted, keep, count * sizeof(*keep));
	/* cppcheck-suppress legacyUninitvar ; of none, none is read */
	qsort(sorted, count, sizeof(*sorted), compare_ints);
	for (size_t i = 0; i < count; i++) {
		unsigned fd = (unsigned)sorted[i];

		if (sorted[i] < 3)
			continue;
		if (fd > from && close_all_between(from, fd - 1) < 0)
			return -errno;
		from = fd + 1;
	}
	return close_all_between(from, ~0U) < 0 ? -errno : 0;
}

static void reset_signals(void)
{
	sigset_t none;

	for (int number = 1; number < NSIG; number++)
		signal(number, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static int read_from_nowhere(void)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC), error = 0;

	if (fd < 0)
		return -errno;
	if (dup2(fd, STDIN_FILENO) < 0)
		error = -errno;
	if (fd != STDIN_FILENO)
		close(fd);
	return error;
}

pid_t child_fork(const int *keep, size_t keep_count)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	setsid();
	if (read_from_nowhere() || close_all_but(keep, keep_count))
		_exit(126);
	reset_signals();
	return 0;
}

void child_kill(pid_t pid, int number)
{
	if (kill(-pid, number) < 0 && errno == ESRCH)
		kill(pid, number);
}

int child_find_user(const char *user, uid_t *uid, gid_t *gid, const char **chosen)
{
	const char *candidates[] = { user ? user : "culvert", user ? NULL : "nobody" };

	for (size_t i = 0; i < 2; i++) {
		const struct passwd *entry = candidates[i] ? getpwnam(candidates[i]) : NULL;

		if (!entry)
			continue;
		*uid = entry->pw_uid;
		*gid = entry->pw_gid;
		*chosen = candidates[i];
		return 0;
	}
	return -ENOENT;
}

void child_status_text(char text[CHILD_STATUS_TEXT_SIZE], int wait_status)
{
	if (WIFSIGNALED(wait_status) && WTERMSIG(wait_status) == SIGSYS)
		snprintf(text, CHILD_STATUS_TEXT_SIZE,
			"made a system call that it may not make and was ended (SIGSYS): report "
			"this, with what dmesg says of it");
	else if (WIFSIGNALED(wait_status))
		snprintf(text, CHILD_STATUS_TEXT_SIZE, "was killed by signal %d (%s)",
			WTERMSIG(wait_status), strsignal(WTERMSIG(wait_status)));
	else
		snprintf(text, CHILD_STATUS_TEXT_SIZE, "ended with status %d",
			WEXITSTATUS(wait_status));
}
