/* SPDX-License-Identifier: ISC */
/* What the kernel tells of a device that others made, and of what is on it. */
#ifndef HOST_DEVICE_FACTS_H
#define HOST_DEVICE_FACTS_H

#include <stdbool.h>

#include "host/config.h"
#include "host/netlink.h"
#include "host/text.h"
#include "host/undo.h"

enum { DEVICE_KIND_SIZE = 16 };

struct device_facts {
	unsigned interface;
	char name[CONFIG_DEVICE_SIZE];
	char kind[DEVICE_KIND_SIZE]; /* "bridge", "veth" ...; "": none, as network cards */
	bool is_tun; /* of the kernel's TUN/TAP driver, which tells the following: */
	bool tap;
	bool persistent;
	bool multi_queue;
	bool pi, header; /* IFF_NO_PI is off, IFF_VNET_HDR is on; the next who attaches changes both
			  */
	bool has_owner, has_group; /* with neither every user may attach, if it is not in use */
	uint32_t owner, group;
	unsigned queues; /* in use, of a device with several: how many programs have it */
	bool up;
	unsigned mtu;
};

/* By its number, or by its name. 0 or -errno; -ENODEV: there is no such device. */
int device_facts_get(struct netlink *netlink, unsigned interface, struct device_facts *facts);
int device_facts_find(struct netlink *netlink, const char *name, struct device_facts *facts);

/* What is on it, one line each: "address 10.9.0.1/24", "route 10.9.0.0/16 table 254". 0 and *lines,
 * the caller's; or -errno. */
int device_facts_lines(struct netlink *netlink, unsigned interface, struct undo_lines *lines);
/* The same without those that the kernel makes by itself, and makes again. */
int device_facts_lines_made(struct netlink *netlink, unsigned interface, struct undo_lines *lines);

/* Such lines; and reading them, a route's table being 0 for an address. 0 or -EINVAL. */
enum { DEVICE_LINE_SIZE = 96 };
void device_facts_address(char line[DEVICE_LINE_SIZE], const struct config_prefix *prefix);
void device_facts_route(
	char line[DEVICE_LINE_SIZE], const struct config_prefix *prefix, uint32_t table);
int device_facts_parse(const char *line, struct config_prefix *prefix, uint32_t *table);

/* Copies of the kernel's messages about a device's addresses and routes, by which they can be made
 * again: taking one away, the kernel may take others along. */
struct device_copy {
	struct text messages;
};

/* But for the one that the line tells of; NULL: of all. 0, or -errno. */
int device_copy_take(
	struct netlink *netlink, unsigned interface, const char *except, struct device_copy *copy);
/* Makes those again that are not there any more, as far as the kernel allows it now, and frees it.
 */
void device_copy_put_back(struct netlink *netlink, struct device_copy *copy);

#endif
