/* SPDX-License-Identifier: ISC */
/* News of the network around the tunnel, by rtnetlink. */
#include "host/netwatch.h"

#include <libmnl/libmnl.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include "engine/rtnews.h"

/* Of the groups, this one has no old name. */
#define GROUP_IPV6_RULE (UINT32_C(1) << (RTNLGRP_IPV6_RULE - 1))

int netwatch_open(void)
{
	return rtnews_open(RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR |
			   RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE | RTMGRP_IPV4_RULE |
			   GROUP_IPV6_RULE);
}

/* A number that a route has, or what to take for it. */
static uint32_t route_number(const struct nlmsghdr *message, uint16_t type, uint32_t without)
{
	const struct nlattr *attribute;

	mnl_attr_for_each(attribute, message, sizeof(struct rtmsg))
	{
		if (mnl_attr_get_type(attribute) == type &&
			mnl_attr_validate(attribute, MNL_TYPE_U32) >= 0)
			return mnl_attr_get_u32(attribute);
	}
	return without;
}

static void take_route(const struct nlmsghdr *message, const struct netwatch_scope *scope,
	struct netwatch_news *news)
{
	const struct rtmsg *route = mnl_nlmsg_get_payload(message);

	/* A cached one says nothing new. */
	if (mnl_nlmsg_get_payload_len(message) < sizeof(*route) || route->rtm_flags & RTM_F_CLONED)
		return;
	/* One through several interfaces, or none, has no number. */
	news->network |= route_number(message, RTA_OIF, 0) != scope->interface;
	if (message->nlmsg_type != RTM_DELROUTE)
		return;
	const uint32_t table = route_number(message, RTA_TABLE, route->rtm_table);

	news->removed |= table && (table == scope->tables[0] || table == scope->tables[1]);
}

static void take_address(
	const struct nlmsghdr *message, unsigned interface, struct netwatch_news *news)
{
	const struct ifaddrmsg *address = mnl_nlmsg_get_payload(message);

	if (mnl_nlmsg_get_payload_len(message) >= sizeof(*address))
		news->network |= address->ifa_index != interface;
}

static void take_link(
	const struct nlmsghdr *message, unsigned interface, struct netwatch_news *news)
{
	const struct ifinfomsg *link = mnl_nlmsg_get_payload(message);

	/* Bridges tell of their ports under the port's number: ours may have left its bridge. */
	if (mnl_nlmsg_get_payload_len(message) < sizeof(*link))
		return;
	if (link->ifi_family == AF_UNSPEC)
		news->network |= (unsigned)link->ifi_index != interface;
	else if (link->ifi_family == AF_BRIDGE)
		news->network |= (unsigned)link->ifi_index == interface;
}

void netwatch_take(const struct nlmsghdr *message, const struct netwatch_scope *scope,
	struct netwatch_news *news)
{
	switch (message->nlmsg_type) {
	case RTM_NEWROUTE:
	case RTM_DELROUTE:
		take_route(message, scope, news);
		break;
	case RTM_NEWADDR:
	case RTM_DELADDR:
		take_address(message, scope->interface, news);
		break;
	case RTM_NEWLINK:
	case RTM_DELLINK:
		take_link(message, scope->interface, news);
		break;
	case RTM_DELRULE:
		news->removed = true;
		news->network = true;
		break;
	case RTM_NEWRULE:
		news->network = true;
		break;
	default:
		break;
	}
}

struct taking {
	const struct netwatch_scope *scope;
	struct netwatch_news *news;
};

static void take(void *context, const struct nlmsghdr *message)
{
	const struct taking *taking = context;

	netwatch_take(message, taking->scope, taking->news);
}

int netwatch_read(int fd, const struct netwatch_scope *scope, struct netwatch_news *news)
{
	struct taking taking = { scope, news };
	bool lost;
	int error;

	*news = (struct netwatch_news){ 0 };
	error = rtnews_read(fd, take, &taking, &lost);
	if (lost)
		*news = (struct netwatch_news){ true, true };
	return error;
}
