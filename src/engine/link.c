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

#include "engine/rtnews.h"
#include "engine/sandbox.h"

const struct sandbox_call link_calls[] = {
	{ .name = "sendto" },
	{ .name = "recvfrom" },
	{ 0 },
};

/* How is it? The answer comes in the same form as news. */
static int ask_state(int fd, unsigned interface)
{
	alignas(struct nlmsghdr) char bytes[64] = { 0 };
	struct nlmsghdr *head = mnl_nlmsg_put_header(bytes);
	struct ifinfomsg *info;

	if (!interface)
		return 0;
	head->nlmsg_type = RTM_GETLINK;
	head->nlmsg_flags = NLM_F_REQUEST;
	info = mnl_nlmsg_put_extra_header(head, sizeof(*info));
	info->ifi_family = AF_UNSPEC;
	info->ifi_index = (int)interface;
	return send(fd, bytes, head->nlmsg_len, 0) < 0 ? -errno : 0;
}

int link_open(unsigned interface)
{
	const int fd = rtnews_open(RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR |
				   RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE);
	const int error = fd < 0 ? fd : ask_state(fd, interface);

	if (!error)
		return fd;
	if (fd >= 0)
		close(fd);
	return error;
}

/* What a message is held against, and what it leads to. */
struct taking {
	unsigned interface;
	struct link_news *news;
};

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

static void take_message(void *context, const struct nlmsghdr *message)
{
	const struct taking *taking = context;

	switch (message->nlmsg_type) {
	case RTM_NEWLINK:
	case RTM_DELLINK:
		take_link(message, taking->interface, taking->news);
		break;
	case RTM_NEWADDR:
	case RTM_DELADDR:
	case RTM_NEWROUTE:
	case RTM_DELROUTE:
		taking->news->network = true;
		break;
	default:
		break;
	}
}

int link_read(int fd, unsigned interface, struct link_news *news)
{
	struct taking taking = { interface, news };
	bool lost;
	int error;

	*news = (struct link_news){ 0 };
	error = rtnews_read(fd, take_message, &taking, &lost);
	if (!lost)
		return error;
	news->network = true;
	return error ? error : ask_state(fd, interface);
}
