/* SPDX-License-Identifier: ISC */
/* A plain resolv.conf, ours in its place while a tunnel runs. */
#include "host/dns_file.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <inttypes.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/text.h"

enum { FILE_SIZE_MAX = 1 << 20, MARK_SIZE = 512 };

/* The paths that have to do with one tunnel's file. */
struct paths {
	const char *path;
	char mark[MARK_SIZE];    /* what our file begins with */
	char original[PATH_MAX]; /* beside it: what was there before */
	char fresh[PATH_MAX];    /* being written; one for all tunnels, which take turns */
	char changed[PATH_MAX];  /* ours, with what somebody wrote into it */
	char ours[PATH_MAX];     /* where our file is now, as paths_find_ours found out */
};

static bool path_make(char to[PATH_MAX], const char *path, const char *end, const char *name)
{
	const int len = snprintf(to, PATH_MAX, "%s%s%s", path, end, name);

	return len < PATH_MAX && len - (int)(strrchr(to, '/') + 1 - to) <= NAME_MAX;
}

static int paths_make(struct paths *paths, const char *path, const char *name)
{
	const int len = snprintf(
		paths->mark, sizeof(paths->mark), "# culvert: made for the tunnel %s;", name);

	paths->path = path;
	if (len >= (int)sizeof(paths->mark) ||
		!path_make(paths->original, path, ".culvert-", name) ||
		!path_make(paths->fresh, path, ".culvert.new", "") ||
		!path_make(paths->changed, path, ".culvert.changed", ""))
		return -ENAMETOOLONG;
	for (char *c = paths->mark; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = '?';
	return 0;
}

static int read_file(const char *path, int flags, struct text *text, struct stat *status)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | flags), error = 0;
	char bytes[4096];
	ssize_t got = 1;

	if (fd < 0)
		return -errno;
	if (fstat(fd, status) < 0)
		error = -errno;
	else if (!S_ISREG(status->st_mode) || status->st_size > FILE_SIZE_MAX)
		error = -EINVAL;
	while (!error && got > 0 && text->len <= FILE_SIZE_MAX) {
		got = read(fd, bytes, sizeof(bytes));
		if (got < 0)
			error = -errno;
		else
			text_add_bytes(text, bytes, (size_t)got);
	}
	close(fd);
	return error ? error : text->failed ? -ENOMEM : 0;
}

/* There is no file, and so none of ours. Of one that could not be read for another reason nothing
 * is known: who took it for somebody else's would throw the original away. */
static bool is_no_file(int error)
{
	return error == -ENOENT || error == -ENOTDIR || error == -EINVAL || error == -ELOOP ||
	       error == -ENXIO;
}

/* 1: it does, 0: it does not, -errno: nobody knows. */
static int begins_with_mark(const char *path, const char *mark)
{
	struct text text = { 0 };
	struct stat status;
	int result = read_file(path, 0, &text, &status);

	if (!result)
		result = text.len && !strncmp(text.bytes, mark, strlen(mark));
	text_free(&text);
	return is_no_file(result) ? 0 : result;
}

static int ends_search(const char *path, int error)
{
	(void)path;
	return !is_no_file(-error);
}

/* Where each of the tunnels keeps its original. */
static int list_originals(const char *path, glob_t *list)
{
	char pattern[PATH_MAX];

	if (!path_make(pattern, path, ".culvert-*", ""))
		return 0;
	switch (glob(pattern, 0, ends_search, list)) {
	case GLOB_NOSPACE:
		return -ENOMEM;
	case GLOB_ABORTED:
		return -EIO;
	default:
		return 0;
	}
}

/* Our file is in its place, or has become what another tunnel keeps as its original. 1: found, 0:
 * it is not there, -errno: nobody knows. */
static int paths_find_ours(struct paths *paths)
{
	int found = begins_with_mark(paths->path, paths->mark);
	glob_t list = { 0 };

	if (found) {
		snprintf(paths->ours, sizeof(paths->ours), "%s", paths->path);
		return found;
	}
	found = list_originals(paths->path, &list);
	for (size_t i = 0; i < list.gl_pathc && !found; i++) {
		found = begins_with_mark(list.gl_pathv[i], paths->mark);
		snprintf(paths->ours, sizeof(paths->ours), "%s", list.gl_pathv[i]);
	}
	globfree(&list);
	return found;
}

/* A new file, complete on the disk, that is to be renamed. */
static int write_fresh(const struct paths *paths, const struct text *text, mode_t mode)
{
	int fd, error = 0;

	unlink(paths->fresh); /* of a process that was killed */
	fd = open(paths->fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	errno = ENOSPC;
	if (write(fd, text->bytes, text->len) != (ssize_t)text->len ||
		fchmod(fd, mode & 0777) < 0 || fsync(fd) < 0)
		error = -errno;
	close(fd);
	if (error)
		unlink(paths->fresh);
	return error;
}

/* In two calls, and with our mark in the first block: what is killed in between can be told. */
static int write_over(const char *path, const struct text *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY), error = 0;

	if (fd < 0)
		return -errno;
	errno = ENOSPC;
	if (pwrite(fd, text->bytes, text->len, 0) != (ssize_t)text->len ||
		ftruncate(fd, (off_t)text->len) < 0 || fsync(fd) < 0)
		error = -errno;
	close(fd);
	return error;
}

static int put_text(const struct paths *paths, const char *to, const struct text *text, mode_t mode)
{
	int error = write_fresh(paths, text, mode);

	if (error)
		return error;
	if (!rename(paths->fresh, to))
		return 0;
	error = errno == EBUSY ? write_over(to, text) : -errno; /* EBUSY: a mount point */
	unlink(paths->fresh);
	return error;
}

static int copy_file(const struct paths *paths, const char *from, const char *to)
{
	struct text text = { 0 };
	struct stat status;
	int error = read_file(from, O_NOFOLLOW, &text, &status);

	if (!error)
		error = put_text(paths, to, &text, status.st_mode);
	text_free(&text);
	return error;
}

/* A second name keeps the original whole, with owner, times and all, or a symlink as what it is. A
 * mount point cannot have one, and not every file system knows it. */
static int keep_original(const struct paths *paths)
{
	unlink(paths->original);
	if (!linkat(AT_FDCWD, paths->path, AT_FDCWD, paths->original, 0) || errno == ENOENT)
		return 0;
	return copy_file(paths, paths->path, paths->original);
}

static uint64_t fingerprint(const char *lines)
{
	uint64_t hash = 0xcbf29ce484222325; /* FNV-1a: by accident no change goes unnoticed */

	for (; *lines; lines++)
		hash = (hash ^ (unsigned char)*lines) * 0x100000001b3;
	return hash;
}

#define FINGERPRINT_LINE "# Unchanged while this fits: %016" PRIx64 "\n"

static void make_content(const struct paths *paths, const char *lines, struct text *text)
{
	text_add(text, "%s what was here before comes back when it ends.\n", paths->mark);
	text_add(text, FINGERPRINT_LINE "%s", fingerprint(lines), lines);
}

/* Whether our file is as we wrote it: 1, or 0, or -errno. */
static int is_unchanged(const struct paths *paths)
{
	struct text text = { 0 }, made = { 0 };
	const char *lines;
	struct stat status;
	int result = read_file(paths->ours, 0, &text, &status);

	if (!result) {
		lines = strchr(text.bytes, '\n');
		lines = lines ? strchr(lines + 1, '\n') : NULL;
		if (lines)
			make_content(paths, lines + 1, &made);
		result = made.len == text.len && made.len && !strcmp(made.bytes, text.bytes);
		if (made.failed)
			result = -ENOMEM;
	}
	text_free(&text);
	text_free(&made);
	return result;
}

static int set(struct paths *paths, const char *lines)
{
	const int again = paths_find_ours(paths);
	struct text text = { 0 };
	int error = again < 0 ? again : again ? 0 : keep_original(paths);

	make_content(paths, lines, &text);
	if (!error && text.failed)
		error = -ENOMEM;
	if (!error)
		error = put_text(paths, again ? paths->ours : paths->path, &text, 0644);
	if (error && !again)
		unlink(paths->original);
	text_free(&text);
	return error;
}

static bool same_file(const char *a, const char *b)
{
	struct stat left, right;

	return !lstat(a, &left) && !lstat(b, &right) && left.st_dev == right.st_dev &&
	       left.st_ino == right.st_ino;
}

/* There is nothing of ours: not any more, or not yet. */
static int forget_original(const struct paths *paths)
{
	const bool not_yet = same_file(paths->path, paths->original);

	return unlink(paths->original) < 0 || not_yet ? 0 : DNS_FILE_LEFT;
}

static int put_original(const struct paths *paths)
{
	int error;

	if (!rename(paths->original, paths->ours))
		return 0;
	if (errno == ENOENT) /* there was no such file */
		return unlink(paths->ours) < 0 ? -errno : 0;
	if (errno != EBUSY)
		return -errno;
	error = copy_file(paths, paths->original, paths->ours);
	if (!error)
		unlink(paths->original);
	return error;
}

static int restore(struct paths *paths)
{
	int found, unchanged, error = 0;

	unlink(paths->fresh);
	found = paths_find_ours(paths);
	if (found <= 0)
		return found ? found : forget_original(paths);
	unchanged = is_unchanged(paths);
	if (unchanged < 0)
		return unchanged;
	if (!unchanged)
		error = copy_file(paths, paths->ours, paths->changed);
	if (!error)
		error = put_original(paths);
	return error ? error : unchanged ? 0 : DNS_FILE_SAVED;
}

int dns_file_set(const char *path, const char *name, const char *lines)
{
	struct paths paths;
	const int error = paths_make(&paths, path, name);

	return error ? error : set(&paths, lines);
}

int dns_file_restore(const char *path, const char *name)
{
	struct paths paths;

	return paths_make(&paths, path, name) ? 0 /* nothing can have been set */ : restore(&paths);
}

bool dns_file_is_set(const char *path, const char *name)
{
	struct paths paths;

	return !paths_make(&paths, path, name) && paths_find_ours(&paths) > 0;
}

bool dns_file_is_left(const char *path, const char *name)
{
	struct paths paths;
	struct stat status;

	return !paths_make(&paths, path, name) &&
	       (paths_find_ours(&paths) > 0 || !lstat(paths.original, &status));
}
