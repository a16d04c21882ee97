/* SPDX-License-Identifier: ISC */
/* Where below /run a tunnel's files are. */
#include "host/place.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/listener.h"
#include "engine/sandbox.h"
#include "host/rights.h"

/* An ordinary user's, as the XDG Base Directory Specification has it. */
static const char *own_directory(void)
{
	static char path[PLACE_DIRECTORY_SIZE];
	const char *runtime = getenv("XDG_RUNTIME_DIR");
	int len;

	if (runtime && *runtime == '/')
		len = snprintf(path, sizeof(path), "%s/culvert", runtime);
	else
		len = snprintf(
			path, sizeof(path), "/run/user/%lu/culvert", (unsigned long)geteuid());
	return len < (int)sizeof(path) ? path : "/nonexistent";
}

const char *place_directory(void)
{
	if (rights_is_ordinary())
		return own_directory();
	return geteuid() ? PLACE_USERS : PLACE_ROOTS;
}

const char *place_directory_at(size_t i)
{
	const bool ordinary = rights_is_ordinary();
	const char *const all[] = { ordinary ? own_directory() : PLACE_ROOTS,
		ordinary ? PLACE_ROOTS : PLACE_USERS, ordinary ? PLACE_USERS : NULL, NULL };

	return i < sizeof(all) / sizeof(*all) ? all[i] : NULL;
}

int place_make_directory(void)
{
	const char *directory = place_directory();
	const bool ordinary = rights_is_ordinary();
	/* Anybody may see which tunnels there are; but not those of a user. */
	const mode_t mask = umask(022);
	int error = mkdir(directory, ordinary ? 0700 : 0755) < 0 && errno != EEXIST ? -errno : 0;
	struct stat status;

	umask(mask);
	if (error || !ordinary)
		return error;
	if (lstat(directory, &status) < 0)
		return -errno;
	return S_ISDIR(status.st_mode) && status.st_uid == geteuid() && !(status.st_mode & 022)
		       ? 0
		       : -EPERM;
}

const char *place_directory_hint(char hint[PLACE_HINT_SIZE])
{
	const char *directory = place_directory(), *slash = strrchr(directory, '/');
	const int len = (int)(slash - directory);
	char above[PLACE_DIRECTORY_SIZE];
	bool missing;

	hint[0] = '\0';
	if (!rights_is_ordinary())
		return hint;
	snprintf(above, sizeof(above), "%.*s", len, directory);
	missing = access(above, F_OK) < 0 && errno == ENOENT;
	snprintf(hint, PLACE_HINT_SIZE,
		" (set XDG_RUNTIME_DIR to a directory that is yours alone%s%s)",
		missing ? ", as mkdir -m 700 makes one: there is no " : "", missing ? above : "");
	return hint;
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
	static const char *const others[] = { PLACE_ROOTS, PLACE_USERS };
	const char *own = place_directory();
	char path[PLACE_PATH_SIZE];
	struct stat status;

	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++) {
		if (!strcmp(others[i], own) || path_in(path, others[i], name, "state") ||
			lstat(path, &status) < 0)
			continue;
		snprintf(complaint, PLACE_COMPLAINT_SIZE,
			"%.80s was started %s and has left something on the host: stop it or, if "
			"it does not run, 'culvert down %.80s' as root; a device that this says "
			"stays (Persistent) is to be deleted before",
			name, i ? "without root" : "as root", name);
		return true;
	}
	return false;
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
	const char *directory;

	for (size_t i = 0; (directory = place_directory_at(i)); i++) {
		const int error = path_in(path, directory, name, "sock");

		if (error || !nobody_listens(path))
			return error;
	}
	return path_in(path, place_directory_at(0), name, "sock");
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

void place_parent(char directory[PATH_MAX], const char *path)
{
	snprintf(directory, PATH_MAX, "%.*s", (int)(strrchr(path, '/') - path), path);
}

bool place_is_users(const char *path)
{
	const char *own = rights_is_ordinary() ? own_directory() : PLACE_USERS;
	const size_t len = strlen(own);

	return !strncmp(path, PLACE_USERS "/", strlen(PLACE_USERS "/")) ||
	       (!strncmp(path, own, len) && path[len] == '/');
}

int place_engine_socket(char path[PLACE_PATH_SIZE], const char *monitors, const char *device)
{
	char directory[PLACE_PATH_SIZE];

	if (strchr(device, '/'))
		return -EINVAL;
	if (!place_is_users(monitors))
		return listener_path(path, device);
	snprintf(directory, sizeof(directory), "%.*s", (int)(strrchr(monitors, '/') - monitors),
		monitors);
	return path_in(path, directory, device, "wg");
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
