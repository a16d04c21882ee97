/* SPDX-License-Identifier: ISC */
/* SaveConfig: from the file and into its place. */
#include "host/save.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/config_parse.h"

static bool is_same_file(const struct config *config, const struct stat *status)
{
	const struct config_file *file = &config->file;

	return status->st_dev == file->device && status->st_ino == file->inode &&
	       status->st_size == file->size && status->st_mtim.tv_sec == file->modified.tv_sec &&
	       status->st_mtim.tv_nsec == file->modified.tv_nsec;
}

/* The file that config was read from: -ESTALE, it is another one by now. */
static int read_file(
	const struct config *config, const char *path, struct stat *status, struct text *old)
{
	const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	char bytes[4096];
	ssize_t len = 0;
	int error = 0;

	if (fd < 0)
		return errno == ENOENT ? -ESTALE : -errno;
	if (fstat(fd, status) < 0)
		error = -errno;
	else if (!is_same_file(config, status))
		error = -ESTALE;
	while (!error && (len = read(fd, bytes, sizeof(bytes))) > 0)
		text_add_bytes(old, bytes, (size_t)len);
	if (!error && len < 0)
		error = -errno;
	if (!error && (old->failed || !old->bytes))
		error = old->failed ? -ENOMEM : -ESTALE;
	key_wipe(bytes, sizeof(bytes));
	close(fd);
	return error;
}

static int write_all(int fd, const struct text *text)
{
	for (size_t done = 0; done < text->len;) {
		const ssize_t len = write(fd, text->bytes + done, text->len - done);

		if (len < 0 && errno != EINTR)
			return -errno;
		done += len > 0 ? (size_t)len : 0;
	}
	return fsync(fd) < 0 ? -errno : 0;
}

static void sync_directory(const char *path)
{
	char directory[PATH_MAX];
	int fd;

	snprintf(directory, sizeof(directory), "%.*s", (int)(strrchr(path, '/') + 1 - path), path);
	fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return;
	(void)fsync(
		fd); /* the file is in its place; how soon on the disk, the kernel decides else */
	close(fd);
}

/* Beside it, and then in its place: whoever reads the file finds the old or the new one, whole. */
static int replace(const struct config *config, const char *path, const struct stat *status,
	const struct text *new)
{
	char beside[PATH_MAX + 8];
	struct stat there;
	int fd, error;

	snprintf(beside, sizeof(beside), "%s.XXXXXX", path);
	fd = mkostemp(beside, O_CLOEXEC);
	if (fd < 0)
		return -errno;
	error = fchown(fd, status->st_uid, status->st_gid) < 0 ||
				fchmod(fd, status->st_mode & 07777) < 0
			? -errno
			: write_all(fd, new);
	if (close(fd) < 0 && !error)
		error = -errno;
	if (!error && (stat(path, &there) < 0 || !is_same_file(config, &there)))
		error = -ESTALE;
	if (!error && rename(beside, path) < 0)
		error = -errno;
	if (error)
		unlink(beside);
	else
		sync_directory(path);
	return error;
}

/* A file that others can read had none: it would have been refused. */
static bool has_secret(const struct text *new)
{
	return strstr(new->bytes, "\nPrivateKey = ") || strstr(new->bytes, "\nPresharedKey = ");
}

int save_file(const struct config *config, char *answer, bool *changed)
{
	struct text old = { 0 }, new = { 0 };
	char path[PATH_MAX];
	struct stat status;
	int error;

	*changed = false;
	if (!realpath(config->path, path)) /* where a link leads, so that it stays one */
		return errno == ENOENT ? -ESTALE : -errno;
	error = read_file(config, path, &status, &old);
	if (!error)
		error = save_rewrite(&new, old.bytes, config, answer);
	*changed = !error && new.len;
	if (*changed && config_secret_complaint(&status) && has_secret(&new))
		error = -EACCES;
	else if (*changed)
		error = replace(config, path, &status, &new);
	text_free(&old);
	text_free(&new);
	return error;
}
