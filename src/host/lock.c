/* SPDX-License-Identifier: ISC */
/* A tunnel's lock. It ends with the process, however that ends. Its file stays: removing it would
 * race with the next process to take it. */
#include "host/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/place.h"

int lock_take(const char *name, int *fd)
{
	char path[PLACE_PATH_SIZE];
	int error = place_make_directory();

	if (error)
		return error;
	error = place_path(path, name, "lock");
	if (error)
		return error;
	*fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (*fd < 0)
		return -errno;
	if (flock(*fd, LOCK_EX | LOCK_NB) < 0) {
		error = -errno;
		close(*fd);
		*fd = -1;
	}
	return error;
}

int lock_take_turn(const char *directory)
{
	char path[PATH_MAX];
	int fd, error;

	if (snprintf(path, sizeof(path), "%s/.turn", directory) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	if (flock(fd, LOCK_EX) < 0) {
		error = -errno;
		close(fd);
		return error;
	}
	return fd;
}

int lock_take_turn_beside(const char *path)
{
	char directory[PATH_MAX];

	place_parent(directory, path);
	return lock_take_turn(directory);
}
