/* SPDX-License-Identifier: ISC */
/* What a service manager is told, by the protocol of sd_notify(3). */
#include "host/notify.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { MESSAGE_SIZE = 1024 };

/* A path, or a name in the abstract namespace behind an @. */
static int connect_to(const char *name)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	const size_t len = strlen(name);
	socklen_t address_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
	int fd, error;

	if ((name[0] != '/' && name[0] != '@') || len < 2 || len >= sizeof(address.sun_path))
		return -EINVAL;
	memcpy(address.sun_path, name, len);
	if (name[0] == '@')
		address.sun_path[0] = '\0';
	else
		address_len++;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (!connect(fd, (struct sockaddr *)&address, address_len))
		return fd;
	error = -errno;
	close(fd);
	return error;
}

/* $WATCHDOG_USEC, if it is meant for this process. */
static uint64_t read_watchdog(void)
{
	const char *time = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");

	if (!time || (pid && strtol(pid, NULL, 10) != getpid()))
		return 0;
	return strtoull(time, NULL, 10) / 1000;
}

int notify_open(struct notify *notify)
{
	const char *name = getenv("NOTIFY_SOCKET");
	const int fd = name ? connect_to(name) : -1;
	const int error = name && fd < 0 ? fd : 0;

	*notify = (struct notify){ .fd = fd < 0 ? -1 : fd };
	if (fd >= 0)
		notify->watchdog = read_watchdog();
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
	return error;
}

void notify_close(struct notify *notify)
{
	if (notify->fd >= 0)
		close(notify->fd);
	notify->fd = -1;
}

void notify_send(const struct notify *notify, const char *format, ...)
{
	char message[MESSAGE_SIZE];
	va_list args;
	int len;

	if (notify->fd < 0)
		return;
	va_start(args, format);
	len = vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	if (len >= (int)sizeof(message))
		len = sizeof(message) - 1;
	/* A manager that does not read is none to wait for. */
	(void)send(notify->fd, message, (size_t)len, MSG_NOSIGNAL | MSG_DONTWAIT);
}
