/* SPDX-License-Identifier: ISC */
/* PreUp, PostUp, PreDown and PostDown: the administrator's commands, run by /bin/sh. */
#include "host/hooks.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/child.h"

char *hooks_expand(const char *command, const char *device)
{
	size_t device_len = strlen(device), len = 0;
	const char *from;
	char *expanded, *to;

	for (from = command; *from; from++) {
		if (from[0] == '%' && from[1] == 'i') {
			len += device_len;
			from++;
		} else {
			len++;
		}
	}
	expanded = malloc(len + 1);
	if (!expanded)
		return NULL;
	for (from = command, to = expanded; *from; from++) {
		if (from[0] == '%' && from[1] == 'i') {
			to = mempcpy(to, device, device_len);
			from++;
		} else {
			*to++ = *from;
		}
	}
	*to = '\0';
	return expanded;
}

bool hooks_passes_variable(const char *assignment)
{
	static const char *const withheld[] = { "CREDENTIALS_DIRECTORY", "NOTIFY_SOCKET",
		"WATCHDOG_PID", "WATCHDOG_USEC", "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES",
		"INVOCATION_ID" };
	size_t len = strcspn(assignment, "=");

	for (size_t i = 0; i < sizeof(withheld) / sizeof(*withheld); i++) {
		if (strlen(withheld[i]) == len && !strncmp(assignment, withheld[i], len))
			return false;
	}
	return true;
}

char **hooks_environment(void)
{
	static char path[] = "PATH=" HOOKS_PATH;
	size_t count = 0, kept = 0;
	char **kept_variables;

	while (environ[count])
		count++;
	kept_variables = calloc(count + 2, sizeof(*kept_variables));
	if (!kept_variables)
		return NULL;
	for (size_t i = 0; i < count; i++) {
		if (hooks_passes_variable(environ[i]))
			kept_variables[kept++] = environ[i];
	}
	if (!getenv("PATH"))
		kept_variables[kept++] = path;
	return kept_variables;
}

int hooks_start(const char *command, pid_t *pid)
{
	pid_t child = child_fork(NULL, 0);
	char **environment;

	if (child < 0)
		return -errno;
	if (child) {
		*pid = child;
		return 0;
	}
	environment = hooks_environment();
	if (environment)
		execle("/bin/sh", "sh", "-c", command, (char *)NULL, environment);
	_exit(127);
}
