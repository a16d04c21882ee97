/* SPDX-License-Identifier: ISC */
/* What a service manager hands over in $CREDENTIALS_DIRECTORY: systemd's LoadCredential=. */
#include "host/credentials.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *directory(void)
{
	const char *path = getenv("CREDENTIALS_DIRECTORY");

	return path && path[0] == '/' ? path : NULL;
}

char *credentials_find(const char *name)
{
	char *path;

	errno = 0;
	if (!directory() || !*name || strchr(name, '/'))
		return NULL;
	if (asprintf(&path, "%s/%s", directory(), name) < 0) {
		errno = ENOMEM;
		return NULL;
	}
	if (!access(path, F_OK))
		return path;
	free(path);
	errno = ENOENT;
	return NULL;
}

bool credentials_has(const char *path)
{
	const char *begin = directory();
	const size_t len = begin ? strlen(begin) : 0;

	return len && !strncmp(path, begin, len) && path[len] == '/' &&
	       !strchr(path + len + 1, '/');
}
