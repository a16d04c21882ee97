/* SPDX-License-Identifier: ISC */
/* What the kernel tells of our device (up, down, MTU) and of the network around it. */
#include "engine/link.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdalign.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	MESSAGES_SIZE = 32768, /* one read of netlink messages */
	READS_MAX = 16,
};

/* How is it? The answer comes in the same form as news. */
static int ask_state(int fd, unsigned interface)
{
	alignas(struct nlmsghdr) char bytes[64] = { 0 };
	struct nlmsghdr *head = mnl_nlmsg_put_header(bytes);
	struct ifinfomsg *info;

	head->nlmsg_type = RTM_GETLINK;
	head->nlmsg_flags = NLM_F_REQUEST;
	info = mnl_nlmsg_put_extra_header(head, sizeof(*info));
	info->ifi_family = AF_UNSPEC;
	info->ifi_index = (int)interface;
	return send(fd, bytes, head->nlmsg_len, 0) < 0 ? -errno : 0;
}

int link_open(unsigned interface)
{
	struct sockaddr_nl address = { .nl_family = AF_NETLINK,
		.nl_groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR |
			     RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE };
	const int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, NETLINK_ROUTE);
	int error = 0;

	if (fd < 0)
		return -errno;
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		error = -errno;
	if (!error)
		error = ask_state(fd, interface);
	if (!error)
		return fd;
	close(fd);
	return error;
}

static void take_link(const struct nlmsghdr *message, unsigned interface, struct link_news *news)
{
	const struct ifinfomsg *info = mnl_nlmsg_get_payload(message);
	const struct nlattr *attribute;

	if (mnl_nlmsg_get_payload_len(message) < sizeof(*info) ||
		(unsigned)info->ifi_index != interface)
		return;
	/* Bridges tell of their ports under the port's number. */
	if (info->ifi_family != AF_UNSPEC)
		return;
	news->left = message->nlmsg_type == RTM_DELLINK;
	if (news->left)
		return;
	news->has_state = true;
	news->up = (info->ifi_flags & IFF_UP) != 0;
	mnl_attr_for_each(attribute, message, sizeof(*info))
	{
		if (mnl_attr_get_type(attribute) == IFLA_MTU &&
			mnl_attr_validate(attribute, MNL_TYPE_U32) >= 0)
			news->mtu = mnl_attr_get_u32(attribute);
	}
}

static void take_messages(const char *bytes, int len, unsigned interface, struct link_news *news)
{
	const struct nlmsghdr *message = (const struct nlmsghdr *)bytes;

	for (; mnl_nlmsg_ok(message, len); message = mnl_nlmsg_next(message, &len)) {
		switch (message->nlmsg_type) {
		case RTM_NEWLINK:
		case RTM_DELLINK:
			take_link(message, interface, news);
			break;
		case RTM_NEWADDR:
		case RTM_DELADDR:
		case RTM_NEWROUTE:
		case RTM_DELROUTE:
			news->network = true;
			break;
		default:
			break;
		}
	}
}

int link_read(int fd, unsigned interface, struct link_news *news)
{
	alignas(struct nlmsghdr) char bytes[MESSAGES_SIZE];

	*news = (struct link_news){ 0 };
	for (int i = 0; i < READS_MAX; i++) {
		struct sockaddr_nl from = { 0 };
		socklen_t from_len = sizeof(from);
		const ssize_t len =
			recvfrom(fd, bytes, sizeof(bytes), 0, (struct sockaddr *)&from, &from_len);

		if (len < 0 && errno == ENOBUFS) { /* news were lost: everything may have changed */
			news->network = true;
			return ask_state(fd, interface);
		}
		if (len < 0)
			return errno == EAGAIN || errno == EINTR ? 0 : -errno;
		if (!from.nl_pid) /* the kernel */
			take_messages(bytes, (int)len, interface, news);
	}
	return 0;
}
