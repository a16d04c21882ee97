/* SPDX-License-Identifier: ISC */
/*
 * Where a device is, as the state file has it behind what is noted of it:
 *
 *     " dev 7 tun0"                     here
 *     " dev 7 tun0 of 4242 in PATH"     in a network namespace
 *
 * What is at PATH may be another namespace by the time that somebody reads it, with a device of the
 * same name and number; so the namespace's own number is there, too, which the kernel gives no
 * other.
 */
#ifndef HOST_DEVICE_PLACE_H
#define HOST_DEVICE_PLACE_H

#include <stdbool.h>

#include "host/config.h"
#include "host/netlink.h"

struct device_place {
	unsigned interface;
	char name[CONFIG_DEVICE_SIZE];
	const char *path;   /* of the network namespace, in the text or the caller's; NULL: ours */
	uint64_t namespace; /* netlink_namespace, of one that has a path */
};

enum { DEVICE_PLACE_SIZE = 4096 + 96 };
void device_place_write(char text[DEVICE_PLACE_SIZE], const struct device_place *place);
/* False: the text does not begin so, or does not end there. */
bool device_place_read(const char *text, struct device_place *place);

/* A netlink socket there. 0; -ESTALE: there is no such namespace any more, or another one has its
 * path; other -errno. */
int device_place_open(const struct device_place *place, struct netlink **netlink);

#endif
