/* SPDX-License-Identifier: ISC */
/* Where a device is, as the state file has it. */
#include "host/device_place.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "host/netns.h"

void device_place_write(char text[DEVICE_PLACE_SIZE], const struct device_place *place)
{
	const int len =
		snprintf(text, DEVICE_PLACE_SIZE, " dev %u %s", place->interface, place->name);

	if (place->path)
		snprintf(text + len, DEVICE_PLACE_SIZE - (size_t)len, " of %" PRIu64 " in %s",
			place->namespace, place->path);
}

bool device_place_read(const char *text, struct device_place *place)
{
	int end = 0, at = 0;

	*place = (struct device_place){ 0 };
	if (sscanf(text, " dev %u %15s%n", &place->interface, place->name, &end) != 2)
		return false;
	if (!config_device_name_ok(place->name))
		return false;
	if (!text[end])
		return true;
	if (sscanf(text + end, " of %" SCNu64 " in %n", &place->namespace, &at) != 1 || !at ||
		!text[end + at])
		return false;
	place->path = text + end + at;
	return true;
}

int device_place_open(const struct device_place *place, struct netlink **netlink)
{
	int error = netns_netlink_open(place->path, netlink);

	if (error)
		return error == -ENOENT || error == -EINVAL ? -ESTALE : error;
	if (!place->path || netlink_namespace(*netlink) == place->namespace)
		return 0;
	netlink_close(*netlink);
	*netlink = NULL;
	return -ESTALE;
}
