/* SPDX-License-Identifier: ISC */
/*
 * Addresses, links and routes by rtnetlink. One socket, one question at a time, each waits for the
 * kernel's answer (which comes at once).
 *
 * Errors are -errno as the kernel gave them: -EEXIST there is one already, -ENODEV the device has
 * gone, -ESRCH, -ENOENT and -EADDRNOTAVAIL nothing there to delete, -EPERM not root.
 */
#ifndef HOST_NETLINK_H
#define HOST_NETLINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct netlink; /* opaque */
struct nlmsghdr;

enum { NETLINK_TABLE_MAIN = 254 };

/* family AF_INET or AF_INET6; address 4 or 16 bytes in network order; length in bits. */
struct netlink_prefix {
	int family;
	const uint8_t *address;
	unsigned length;
};

int netlink_open(struct netlink **netlink);
void netlink_close(struct netlink *netlink); /* NULL is allowed */

/* The number of the network namespace where it was opened, by which that is told from all others
 * until the next boot; with a kernel before 5.14 from all others that there are. 0: not known. */
uint64_t netlink_namespace(const struct netlink *netlink);

/* Sends any request, whose sequence number it sets, and hands each message of the answer to the
 * callback (NULL: only success counts), which returns 1 to go on, or -1 with errno. -EINTR: what
 * was listed changed meanwhile (NLM_F_DUMP_INTR), so something may be missing, or told twice. */
int netlink_run(struct netlink *netlink, struct nlmsghdr *request,
	int (*callback)(const struct nlmsghdr *header, void *context), void *context);

/* Asks for a list until it is told as a whole: ask begins with nothing each time. Its result;
 * -EAGAIN: the list changes too fast. */
int netlink_list(
	struct netlink *netlink, int (*ask)(struct netlink *netlink, void *context), void *context);

int netlink_link_set_mtu(struct netlink *netlink, unsigned interface, unsigned mtu);
int netlink_link_set_up(struct netlink *netlink, unsigned interface, bool up);
/* IPv6: the device has the addresses that it is given, and makes none (fe80::) by itself. */
int netlink_link_no_addresses(struct netlink *netlink, unsigned interface);
int netlink_link_get_mtu(struct netlink *netlink, unsigned interface, unsigned *mtu);
/* The Ethernet address. -EINVAL: it has none. */
int netlink_link_set_address(struct netlink *netlink, unsigned interface, const uint8_t address[6]);
/* Makes it a port of a bridge, or with 0 of none. No error if it is that already. */
int netlink_link_set_bridge(struct netlink *netlink, unsigned interface, unsigned bridge);

/* A bridge, as one of its ports, or one that would be, sees it. */
struct netlink_bridge {
	bool has_port; /* it is one */
	unsigned mtu;  /* the smallest of the other ports'; the bridge's own if there are none */
};

/* -ENOTSUP: it is no bridge. */
int netlink_bridge_get(
	struct netlink *netlink, unsigned bridge, unsigned port, struct netlink_bridge *facts);

int netlink_address_add(struct netlink *netlink, unsigned interface, struct netlink_prefix address);
int netlink_address_delete(
	struct netlink *netlink, unsigned interface, struct netlink_prefix address);

/* Through the device itself, without a gateway. -EEXIST if the table has one for this prefix. */
int netlink_route_add(
	struct netlink *netlink, unsigned interface, uint32_t table, struct netlink_prefix prefix);
int netlink_route_delete(
	struct netlink *netlink, unsigned interface, uint32_t table, struct netlink_prefix prefix);

/* The same without a way: what would take it is refused with "unreachable". Of the largest metric,
 * so that any other route to the prefix counts as long as there is one. */
int netlink_unreachable_add(struct netlink *netlink, uint32_t table, struct netlink_prefix prefix);
int netlink_unreachable_delete(
	struct netlink *netlink, uint32_t table, struct netlink_prefix prefix);

/* Packets whose mark is not `mark` in the bits of mask look for their way in a table. */
struct netlink_rule {
	int family;
	uint32_t priority; /* smaller ones are asked first; the main table's has 32766 */
	uint32_t mark, mask;
	uint32_t table;
	bool skip_default; /* a default route that is found there does not count */
};

/* -EEXIST: there is the same already; -EAFNOSUPPORT: the kernel does not have the family. */
int netlink_rule_add(struct netlink *netlink, const struct netlink_rule *rule);
int netlink_rule_delete(struct netlink *netlink, const struct netlink_rule *rule);

/* Where a route leads. */
struct netlink_route {
	unsigned interface;
	unsigned mtu; /* the route's own, 0: it has none and the interface's counts */
	/* In the first 4 or 16 bytes; all zero: none. Of netlink_route_get alone. */
	uint8_t gateway[16], source[16];
};

/* The route that a packet with this mark would take to an address; -ENETUNREACH: none. */
int netlink_route_get(struct netlink *netlink, const struct sockaddr *to, uint32_t mark,
	struct netlink_route *route);

/* The default route of the main table with the smallest metric, IPv4 before IPv6; -ENETUNREACH:
 * none. */
int netlink_route_default(struct netlink *netlink, struct netlink_route *route);

#endif
