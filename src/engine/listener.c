/* SPDX-License-Identifier: ISC */
/* The control socket that `wg` connects to. */
#include "engine/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { BACKLOG = 64 };

int listener_path(char path[LISTENER_PATH_SIZE], const char *device)
{
	if (!*device || strlen(device) >= IFNAMSIZ || strchr(device, '/'))
		return -EINVAL;
	snprintf(path, LISTENER_PATH_SIZE, LISTENER_DIRECTORY "/%s.sock", device);
	return 0;
}

static int set_path(struct sockaddr_un *address, const char *path)
{
	*address = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (strlen(path) >= sizeof(address->sun_path))
		return -ENAMETOOLONG;
	strcpy(address->sun_path, path);
	return 0;
}

int listener_probe(const char *path)
{
	struct sockaddr_un address;
	int error = set_path(&address, path), fd;

	if (error)
		return error;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0) {
		error = -errno;
		close(fd);
		return error;
	}
	return fd;
}

int listener_remove_stale(const char *path)
{
	struct stat there;
	int connection;

	if (lstat(path, &there) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(there.st_mode))
		return -EEXIST;
	connection = listener_probe(path);
	if (connection >= 0)
		close(connection);
	if (connection >= 0 || connection == -EAGAIN)
		return -EADDRINUSE;
	if (connection == -EPROTOTYPE)
		return -EEXIST;
	if (connection != -ECONNREFUSED)
		return connection == -ENOENT ? 0 : connection;
	return unlink(path) < 0 && errno != ENOENT ? -errno : 0;
}

static int make_directory(void)
{
	const mode_t mask = umask(022);
	const int error = mkdir(LISTENER_DIRECTORY, 0755) < 0 && errno != EEXIST ? -errno : 0;

	umask(mask);
	return error;
}

static int bind_with_mode(int fd, const struct sockaddr_un *address, mode_t mode)
{
	const mode_t mask = umask(~mode & 0777);
	const int error =
		bind(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 ? -errno : 0;

	umask(mask);
	return error;
}

int listener_open_path(const char *path, mode_t mode, int *fd)
{
	struct sockaddr_un address;
	int made, error = set_path(&address, path);

	if (!error)
		error = listener_remove_stale(path);
	if (error)
		return error;
	made = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (made < 0)
		return -errno;
	error = bind_with_mode(made, &address, mode);
	if (!error && listen(made, BACKLOG) < 0) {
		error = -errno;
		unlink(path);
	}
	if (error) {
		close(made);
		return error;
	}
	*fd = made;
	return 0;
}

int listener_open(const char *device, int *fd)
{
	char path[LISTENER_PATH_SIZE];
	int error = listener_path(path, device);

	if (!error)
		error = make_directory();
	return error ? error : listener_open_path(path, 0600, fd);
}

const struct sandbox_call listener_calls[] = {
	{ .name = "newfstatat" },
	{ .name = "fstatat64" },
	{ .name = "statx" },
	{ .name = "unlinkat" },
	{ 0 },
};

int listener_directory(void)
{
	const int fd = open(LISTENER_DIRECTORY, O_PATH | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static void socket_name(char name[LISTENER_PATH_SIZE], const char *device)
{
	snprintf(name, LISTENER_PATH_SIZE, "%s.sock", device);
}

int listener_stat(int directory, const char *device, struct stat *status)
{
	char name[LISTENER_PATH_SIZE];

	socket_name(name, device);
	return fstatat(directory, name, status, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
}

void listener_remove(int directory, const char *device)
{
	char name[LISTENER_PATH_SIZE];

	socket_name(name, device);
	unlinkat(directory, name, 0);
}
