/* SPDX-License-Identifier: ISC */
/* Where below /run a tunnel's files are. */
#include "host/place.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/listener.h"
#include "engine/sandbox.h"

const char *place_directory(void)
{
	return geteuid() ? PLACE_USERS : PLACE_ROOTS;
}

static int path_in(
	char path[PLACE_PATH_SIZE], const char *directory, const char *name, const char *kind)
{
	const int len = snprintf(path, PLACE_PATH_SIZE, "%s/%s.%s", directory, name, kind);

	return len < PLACE_PATH_SIZE ? 0 : -ENAMETOOLONG;
}

int place_path(char path[PLACE_PATH_SIZE], const char *name, const char *kind)
{
	return path_in(path, place_directory(), name, kind);
}

bool place_is_others(const char *name, char complaint[PLACE_COMPLAINT_SIZE])
{
	const bool roots = geteuid() != 0;
	char path[PLACE_PATH_SIZE];
	struct stat status;

	if (path_in(path, roots ? PLACE_ROOTS : PLACE_USERS, name, "state") ||
		lstat(path, &status) < 0)
		return false;
	snprintf(complaint, PLACE_COMPLAINT_SIZE,
		"%.80s was started %s and has left something on the host: stop it or, if it does "
		"not run, 'culvert down %.80s' as root",
		name, roots ? "as root" : "without root", name);
	return true;
}

/* Not there, or left over by a process that was killed. */
static bool nobody_listens(const char *path)
{
	const int connection = listener_probe(path);

	if (connection >= 0)
		close(connection);
	return connection == -ENOENT || connection == -ECONNREFUSED || connection == -ENAMETOOLONG;
}

int place_find_socket(char path[PLACE_PATH_SIZE], const char *name)
{
	int error = path_in(path, PLACE_ROOTS, name, "sock");

	if (error || !nobody_listens(path) || path_in(path, PLACE_USERS, name, "sock"))
		return error;
	return nobody_listens(path) ? path_in(path, PLACE_ROOTS, name, "sock") : 0;
}

FILE *place_read(const char *path)
{
	const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	FILE *file = NULL;
	struct stat status;
	int error;

	if (fd < 0)
		return NULL;
	if (fstat(fd, &status) < 0)
		error = errno;
	else
		error = S_ISREG(status.st_mode) ? 0 : EINVAL;
	if (!error)
		file = fdopen(fd, "r");
	if (!file) {
		error = error ? error : errno;
		close(fd);
		errno = error;
	}
	return file;
}

bool place_is_users(const char *path)
{
	return !strncmp(path, PLACE_USERS "/", strlen(PLACE_USERS "/"));
}

int place_engine_socket(char path[PLACE_PATH_SIZE], const char *monitors, const char *device)
{
	if (strchr(device, '/'))
		return -EINVAL;
	if (place_is_users(monitors))
		return path_in(path, PLACE_USERS, device, "wg");
	return listener_path(path, device);
}

int place_name(char *name, size_t size, const char *socket_path)
{
	const char *base = strrchr(socket_path, '/') + 1;
	const size_t len = strlen(base) - strlen(".sock");

	return snprintf(name, size, "%.*s", (int)len, base) < (int)size ? 0 : -ENAMETOOLONG;
}

int place_become_owner(const char *name, bool *became)
{
	char path[PLACE_PATH_SIZE];
	struct stat directory, lock;
	int error = path_in(path, PLACE_USERS, name, "lock");

	*became = false;
	if (error || geteuid() || lstat(path, &lock) < 0)
		return error;
	if (stat(PLACE_USERS, &directory) < 0)
		return -errno;
	if (!directory.st_uid || !directory.st_gid)
		return -EPERM;
	if (prctl(PR_SET_KEEPCAPS, 1) < 0 || setgroups(0, NULL) < 0 ||
		setresgid(directory.st_gid, directory.st_gid, directory.st_gid) < 0 ||
		setresuid(directory.st_uid, directory.st_uid, directory.st_uid) < 0)
		return -errno;
	error = sandbox_keep_capabilities(1ULL << CAP_NET_ADMIN);
	*became = !error;
	return error;
}
