/* SPDX-License-Identifier: ISC */
/* News of the network around the tunnel, by rtnetlink. */
#include "host/netwatch.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/fib_rules.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <stdalign.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	MESSAGES_SIZE = 32768, /* one read of netlink messages */
	READS_MAX = 16,
};

int netwatch_open(void)
{
	static const int groups[] = { RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR,
		RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE, RTNLGRP_IPV4_RULE, RTNLGRP_IPV6_RULE };
	struct sockaddr_nl address = { .nl_family = AF_NETLINK };
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, NETLINK_ROUTE), error;

	if (fd < 0)
		return -errno;
	for (size_t i = 0; i < sizeof(groups) / sizeof(*groups); i++)
		address.nl_groups |= 1U << (groups[i] - 1);
	if (!bind(fd, (struct sockaddr *)&address, sizeof(address)))
		return fd;
	error = -errno;
	close(fd);
	return error;
}

/* The interface that a route leads through; 0: none or several. */
static unsigned route_interface(const struct nlmsghdr *message)
{
	const struct nlattr *attribute;

	mnl_attr_for_each(attribute, message, sizeof(struct rtmsg))
	{
		if (mnl_attr_get_type(attribute) == RTA_OIF &&
			mnl_attr_validate(attribute, MNL_TYPE_U32) >= 0)
			return mnl_attr_get_u32(attribute);
	}
	return 0;
}

static void take_route(
	const struct nlmsghdr *message, unsigned interface, struct netwatch_news *news)
{
	const struct rtmsg *route = mnl_nlmsg_get_payload(message);

	/* A cached one says nothing new. */
	if (mnl_nlmsg_get_payload_len(message) < sizeof(*route) || route->rtm_flags & RTM_F_CLONED)
		return;
	news->routes |= route_interface(message) != interface;
}

static void take_address(
	const struct nlmsghdr *message, unsigned interface, struct netwatch_news *news)
{
	const struct ifaddrmsg *address = mnl_nlmsg_get_payload(message);

	if (mnl_nlmsg_get_payload_len(message) >= sizeof(*address))
		news->addresses |= address->ifa_index != interface;
}

static void take_link(
	const struct nlmsghdr *message, unsigned interface, struct netwatch_news *news)
{
	const struct ifinfomsg *link = mnl_nlmsg_get_payload(message);

	/* Bridges tell of their ports under the port's number. */
	if (mnl_nlmsg_get_payload_len(message) >= sizeof(*link) && link->ifi_family == AF_UNSPEC)
		news->links |= (unsigned)link->ifi_index != interface;
}

static void take_message(
	const struct nlmsghdr *message, unsigned interface, struct netwatch_news *news)
{
	switch (message->nlmsg_type) {
	case RTM_NEWROUTE:
	case RTM_DELROUTE:
		take_route(message, interface, news);
		break;
	case RTM_NEWADDR:
	case RTM_DELADDR:
		take_address(message, interface, news);
		break;
	case RTM_NEWLINK:
	case RTM_DELLINK:
		take_link(message, interface, news);
		break;
	case RTM_NEWRULE:
	case RTM_DELRULE:
		news->rules = true;
		break;
	default:
		break;
	}
}

void netwatch_take(const void *messages, size_t len, unsigned interface, struct netwatch_news *news)
{
	const struct nlmsghdr *message = messages;
	int left = (int)len;

	for (; mnl_nlmsg_ok(message, left); message = mnl_nlmsg_next(message, &left))
		take_message(message, interface, news);
}

int netwatch_read(int fd, unsigned interface, struct netwatch_news *news)
{
	alignas(struct nlmsghdr) char bytes[MESSAGES_SIZE];

	for (int i = 0; i < READS_MAX; i++) {
		struct sockaddr_nl from = { 0 };
		socklen_t from_len = sizeof(from);
		const ssize_t len =
			recvfrom(fd, bytes, sizeof(bytes), 0, (struct sockaddr *)&from, &from_len);

		if (len < 0 && errno == ENOBUFS) {
			*news = (struct netwatch_news){ true, true, true, true };
			continue;
		}
		if (len < 0)
			return errno == EAGAIN || errno == EINTR ? 0 : -errno;
		if (!from.nl_pid) /* the kernel */
			netwatch_take(bytes, (size_t)len, interface, news);
	}
	return 0;
}
