/* SPDX-License-Identifier: ISC */
/* What a service manager is told, by the protocol of sd_notify(3): datagrams to $NOTIFY_SOCKET. */
#ifndef HOST_NOTIFY_H
#define HOST_NOTIFY_H

#include <stdint.h>

struct notify {
	int fd;            /* -1: nobody wants to know */
	uint64_t watchdog; /* milliseconds within which WATCHDOG=1 is expected; 0: it is not */
};

/*
 * Looks for the service manager in the environment and takes its variables out of it, so that what
 * we start does not speak in our name. Without one, or with one that cannot be reached, what is
 * sent goes nowhere. 0, or -errno where there is one and it cannot be reached.
 */
int notify_open(struct notify *notify);
void notify_close(struct notify *notify);

/* Sends lines VARIABLE=VALUE. Control characters in them, but for the newline between two
 * variables, are the caller's to avoid. */
void notify_send(const struct notify *notify, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

#endif
