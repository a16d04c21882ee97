/* SPDX-License-Identifier: ISC */
/* SaveConfig: from the file and into its place. */
#include "host/save.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/config_parse.h"
#include "host/save_place.h"

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
	else if (!save_place_is_same(&config->file, status))
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

/* A file that others can read had none: it would have been refused. */
static bool has_secret(const struct text *new)
{
	return strstr(new->bytes, "\nPrivateKey = ") || strstr(new->bytes, "\nPresharedKey = ");
}

int save_file(const struct config *config, const char *state_path, char *answer, bool *changed)
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
	if (*changed && config_secret_complaint(path, &status) && has_secret(&new))
		error = -EKEYREJECTED;
	else if (*changed)
		error = save_place(path, &config->file, &status, &new, state_path);
	text_free(&old);
	text_free(&new);
	return error;
}
