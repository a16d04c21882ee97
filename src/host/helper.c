/* SPDX-License-Identifier: ISC */
/* Programs of the host that do something for us: found on the PATH, run without a shell. */
#include "host/helper.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "host/child.h"
#include "host/hooks.h"

bool helper_find(const char *name, char path[PATH_MAX])
{
	const char *place = getenv("PATH");
	struct stat status;

	for (place = place ? place : HOOKS_PATH; *place; place += *place == ':') {
		const int len = (int)strcspn(place, ":");
		const bool fits = snprintf(path, PATH_MAX, "%.*s/%s", len, place, name) < PATH_MAX;

		if (*place == '/' && fits && !stat(path, &status) && S_ISREG(status.st_mode) &&
			!access(path, X_OK))
			return true;
		place += len;
	}
	return false;
}

/* A file in memory that holds the input, at its beginning. */
static int input_open(const char *input)
{
	const size_t len = strlen(input);
	int fd = memfd_create("input", MFD_CLOEXEC), error = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, input, len) != (ssize_t)len || lseek(fd, 0, SEEK_SET) < 0)
		error = errno ? -errno : -EIO;
	if (!error)
		return fd;
	close(fd);
	return error;
}

/* Whoever puts back what was done after we were killed must have the last word: a program that went
 * on would do it again. */
static void end_with(pid_t parent)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(127);
}

int helper_start(const char *const *arguments, const char *input, pid_t *pid)
{
	const pid_t self = getpid();
	int fd = input_open(input);
	char **environment;
	pid_t child;

	if (fd < 0)
		return fd;
	child = child_fork(&fd, 1);
	if (!child) {
		end_with(self);
		umask(022); /* what it writes about the host is for all to read */
		environment = hooks_environment();
		if (environment && dup2(fd, STDIN_FILENO) == STDIN_FILENO)
			execve(arguments[0], (char *const *)(uintptr_t)arguments, environment);
		_exit(127);
	}
	close(fd);
	if (child < 0)
		return -EAGAIN;
	*pid = child;
	return 0;
}

bool helper_succeeded(const char *path, int error, int wait_status, char *why, size_t why_size)
{
	char text[CHILD_STATUS_TEXT_SIZE];

	if (error == -ETIMEDOUT) {
		snprintf(why, why_size, "%s did not end within %d s", path, HELPER_TIMEOUT / 1000);
	} else if (error == -EINTR) {
		snprintf(why, why_size, "%s was ended, as culvert was told to stop", path);
	} else if (error) {
		snprintf(why, why_size, "%s cannot be run: %s", path, strerror(-error));
	} else if (wait_status) {
		child_status_text(text, wait_status);
		snprintf(why, why_size, "%s %s", path, text);
	}
	return !error && !wait_status;
}

/* -ETIMEDOUT, and it is ended. */
static int wait_for_end(pid_t pid, int *wait_status)
{
	const struct timespec pause = { .tv_nsec = 10L * 1000 * 1000 };

	for (int waited = 0; waited < HELPER_TIMEOUT; waited += 10) {
		if (waitpid(pid, wait_status, WNOHANG) == pid)
			return 0;
		nanosleep(&pause, NULL);
	}
	child_kill(pid, SIGKILL);
	waitpid(pid, wait_status, 0);
	return -ETIMEDOUT;
}

bool helper_run(const char *const *arguments, const char *input, char *why, size_t why_size)
{
	int wait_status = 0, error;
	pid_t pid;

	error = helper_start(arguments, input, &pid);
	if (!error)
		error = wait_for_end(pid, &wait_status);
	return helper_succeeded(arguments[0], error, wait_status, why, why_size);
}
