/* SPDX-License-Identifier: ISC */
/* A new text for a file that people own. */
#include "host/save_place.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/limits.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "engine/log.h"
#include "host/leftover.h"
#include "host/undo.h"

bool save_place_is_same(const struct config_file *file, const struct stat *status)
{
	return status->st_dev == file->device && status->st_ino == file->inode &&
	       status->st_size == file->size && status->st_mtim.tv_sec == file->modified.tv_sec &&
	       status->st_mtim.tv_nsec == file->modified.tv_nsec;
}

static int write_all(int fd, const struct text *text)
{
	for (size_t done = 0; done < text->len;) {
		const ssize_t len = write(fd, text->bytes + done, text->len - done);

		if (len < 0 && errno != EINTR)
			return -errno;
		done += len > 0 ? (size_t)len : 0;
	}
	return 0;
}

/* How soon the kernel would do it by itself is not for us to say. */
static void sync_directory(const char *path)
{
	char directory[PATH_MAX];
	int fd;

	snprintf(directory, sizeof(directory), "%.*s", (int)(strrchr(path, '/') + 1 - path), path);
	fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return;
	(void)fsync(fd);
	close(fd);
}

/* ---- what belongs to a file besides its bytes ---- */

struct attributes {
	char names[XATTR_LIST_MAX], here[XATTR_SIZE_MAX], there[XATTR_SIZE_MAX];
};

/* Those that the old one has. */
static bool copy_attributes(const char *from, int to, struct attributes *room)
{
	const ssize_t len = listxattr(from, room->names, sizeof(room->names));
	bool good = len >= 0 || errno == ENOTSUP;

	for (ssize_t at = 0; good && at < len; at += (ssize_t)strlen(room->names + at) + 1) {
		const char *name = room->names + at;
		const ssize_t here = getxattr(from, name, room->here, sizeof(room->here));
		const ssize_t there = fgetxattr(to, name, room->there, sizeof(room->there));

		good = here >= 0 &&
		       ((here == there && !memcmp(room->here, room->there, (size_t)here)) ||
			       !fsetxattr(to, name, room->here, (size_t)here, 0));
	}
	return good;
}

/* Those that only the new one has, as by the default of its directory. */
static bool drop_attributes(const char *from, int to, struct attributes *room)
{
	const ssize_t len = flistxattr(to, room->names, sizeof(room->names));
	bool good = len >= 0 || errno == ENOTSUP;

	for (ssize_t at = 0; good && at < len; at += (ssize_t)strlen(room->names + at) + 1) {
		const char *name = room->names + at;

		good = getxattr(from, name, NULL, 0) >= 0 || !fremovexattr(to, name);
	}
	return good;
}

/* Whether the new file has the old one's owner, access and labels now. */
static bool take_over(const char *from, const struct stat *old, int to)
{
	struct attributes *room = malloc(sizeof(*room));
	struct stat made;
	bool good;

	good = room && !fstat(to, &made) &&
	       ((made.st_uid == old->st_uid && made.st_gid == old->st_gid) ||
		       !fchown(to, old->st_uid, old->st_gid)) &&
	       copy_attributes(from, to, room) && drop_attributes(from, to, room) &&
	       !fchmod(to, old->st_mode & 07777);
	free(room);
	return good;
}

/* ---- what is written beside it ---- */

struct copy {
	char path[PATH_MAX + 16];
	const char *state_path;
};

static int copy_forget(const struct copy *copy)
{
	return undo_remove(copy->state_path, LEFTOVER_COPY, copy->path);
}

static int copy_open(struct copy *copy, const char *path, int *fd)
{
	int error;

	snprintf(copy->path, sizeof(copy->path), "%s.%08x", path, randombytes_random());
	error = undo_add(copy->state_path, LEFTOVER_COPY, copy->path);
	if (error)
		return error;
	*fd = open(copy->path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (*fd < 0) {
		error = -errno;
		copy_forget(copy);
	}
	return error;
}

/* ---- the two ways ---- */

/* -EBUSY, and nothing has changed: it is a mount point. */
static int rename_over(const char *beside, const char *path, const struct config_file *file)
{
	struct stat there;

	if (stat(path, &there) < 0 || !save_place_is_same(file, &there))
		return -ESTALE;
	if (rename(beside, path) < 0)
		return -errno;
	sync_directory(path);
	return 0;
}

/* The room for it is taken before the first byte is written. Not every file system can do that. */
static int open_to_write(const char *path, const struct config_file *file, size_t len, int *fd)
{
	struct stat there;

	*fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY | O_NOFOLLOW);
	if (*fd < 0)
		return errno == EACCES || errno == EPERM ? -EPERM : -errno;
	if (fstat(*fd, &there) < 0 || !save_place_is_same(file, &there))
		return -ESTALE;
	if (fallocate(*fd, FALLOC_FL_KEEP_SIZE, 0, (off_t)len) < 0 && errno != EOPNOTSUPP)
		return -errno;
	return 0;
}

/* The copy is kept from the first byte on that is written, and if not all could be written. */
static int write_over(const struct copy *copy, const char *path, const struct config_file *file,
	const struct text *new)
{
	int fd, error = open_to_write(path, file, new->len, &fd);
	bool keep = false;

	if (!error)
		error = copy_forget(copy);
	if (!error) {
		sync_directory(path); /* the copy can be found, whatever comes */
		error = write_all(fd, new);
		if (!error && (ftruncate(fd, (off_t) new->len) < 0 || fsync(fd) < 0))
			error = -errno;
		if (error) {
			log_line(LOG_ERR, "%s is only half written (%s): %s has all of it", path,
				strerror(-error), copy->path);
			keep = true;
			error = -EIO;
		}
	}
	if (fd >= 0)
		close(fd);
	if (!keep)
		unlink(copy->path);
	return error;
}

static int write_copy(
	int fd, const struct text *new, const char *path, const struct stat *status, bool *replace)
{
	int error = write_all(fd, new);

	*replace = !error && status->st_nlink == 1 && take_over(path, status, fd);
	if (!error && fsync(fd) < 0)
		error = -errno;
	if (close(fd) < 0 && !error)
		error = -errno;
	return error;
}

int save_place(const char *path, const struct config_file *file, const struct stat *status,
	const struct text *new, const char *state_path)
{
	struct copy copy = { .state_path = state_path };
	bool replace;
	int fd = -1, error = copy_open(&copy, path, &fd);

	if (error)
		return error;
	error = write_copy(fd, new, path, status, &replace);
	if (!error)
		error = replace ? rename_over(copy.path, path, file) : -EBUSY;
	if (error == -EBUSY)
		error = write_over(&copy, path, file, new);
	else if (error)
		unlink(copy.path);
	copy_forget(&copy);
	return error;
}
