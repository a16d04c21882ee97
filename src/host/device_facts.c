/* SPDX-License-Identifier: ISC */
/* What the kernel tells of a device that others made, and of what is on it. */
#include "host/device_facts.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/if_tun.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

/* Kernel headers before 4.18. */
enum {
	TUN_OWNER = 1,
	TUN_GROUP,
	TUN_TYPE,
	TUN_PI,
	TUN_VNET_HDR,
	TUN_PERSIST,
	TUN_MULTI_QUEUE,
	TUN_NUM_QUEUES,
	TUN_NUM_DISABLED_QUEUES,
};

enum { REQUEST_SIZE = 64 };

struct question {
	union {
		struct nlmsghdr header;
		uint8_t bytes[REQUEST_SIZE];
	};
};

static void *question_begin(struct question *question, uint16_t type, uint16_t flags, size_t len)
{
	memset(question, 0, sizeof(*question));
	mnl_nlmsg_put_header(question->bytes);
	question->header.nlmsg_type = type;
	question->header.nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
	return mnl_nlmsg_put_extra_header(&question->header, len);
}

/* ---- the device ---- */

static uint32_t number_of(const struct nlattr *attribute)
{
	switch (mnl_attr_get_payload_len(attribute)) {
	case sizeof(uint8_t):
		return mnl_attr_get_u8(attribute);
	case sizeof(uint32_t):
		return mnl_attr_get_u32(attribute);
	default:
		return 0;
	}
}

static void read_tun(const struct nlattr *data, struct device_facts *facts)
{
	const struct nlattr *attribute;

	mnl_attr_for_each_nested(attribute, data)
	{
		const uint32_t number = number_of(attribute);

		switch (mnl_attr_get_type(attribute)) {
		case TUN_OWNER:
			facts->has_owner = true;
			facts->owner = number;
			break;
		case TUN_GROUP:
			facts->has_group = true;
			facts->group = number;
			break;
		case TUN_TYPE:
			facts->tap = number == IFF_TAP;
			break;
		case TUN_PI:
			facts->pi = number;
			break;
		case TUN_VNET_HDR:
			facts->header = number;
			break;
		case TUN_PERSIST:
			facts->persistent = number;
			break;
		case TUN_MULTI_QUEUE:
			facts->multi_queue = number;
			break;
		case TUN_NUM_QUEUES:
		case TUN_NUM_DISABLED_QUEUES:
			facts->queues += number;
			break;
		default:
			break;
		}
	}
}

static void read_info(const struct nlattr *info, struct device_facts *facts)
{
	const struct nlattr *attribute, *data = NULL;

	mnl_attr_for_each_nested(attribute, info)
	{
		const uint16_t type = mnl_attr_get_type(attribute);

		if (type == IFLA_INFO_KIND &&
			mnl_attr_validate(attribute, MNL_TYPE_NUL_STRING) >= 0)
			snprintf(facts->kind, sizeof(facts->kind), "%s",
				mnl_attr_get_str(attribute));
		else if (type == IFLA_INFO_DATA)
			data = attribute;
	}
	facts->is_tun = !strcmp(facts->kind, "tun");
	if (facts->is_tun && data)
		read_tun(data, facts);
}

static int on_link(const struct nlmsghdr *header, void *context)
{
	const struct ifinfomsg *link = mnl_nlmsg_get_payload(header);
	struct device_facts *facts = context;
	const struct nlattr *attribute;

	if (header->nlmsg_type != RTM_NEWLINK || mnl_nlmsg_get_payload_len(header) < sizeof(*link))
		return MNL_CB_OK;
	facts->interface = (unsigned)link->ifi_index;
	facts->up = link->ifi_flags & IFF_UP;
	mnl_attr_for_each(attribute, header, sizeof(*link))
	{
		if (mnl_attr_get_type(attribute) == IFLA_MTU)
			facts->mtu = number_of(attribute);
		else if (mnl_attr_get_type(attribute) == IFLA_IFNAME)
			snprintf(facts->name, sizeof(facts->name), "%.*s",
				(int)mnl_attr_get_payload_len(attribute),
				mnl_attr_get_str(attribute));
		else if (mnl_attr_get_type(attribute) == IFLA_LINKINFO)
			read_info(attribute, facts);
	}
	return MNL_CB_OK;
}

int device_facts_get(struct netlink *netlink, unsigned interface, struct device_facts *facts)
{
	struct question question;
	struct ifinfomsg *link = question_begin(&question, RTM_GETLINK, 0, sizeof(*link));

	*facts = (struct device_facts){ 0 };
	link->ifi_index = (int)interface;
	return netlink_run(netlink, &question.header, on_link, facts);
}

int device_facts_find(struct netlink *netlink, const char *name, struct device_facts *facts)
{
	struct question question;

	*facts = (struct device_facts){ 0 };
	question_begin(&question, RTM_GETLINK, 0, sizeof(struct ifinfomsg));
	mnl_attr_put_strz(&question.header, IFLA_IFNAME, name);
	return netlink_run(netlink, &question.header, on_link, facts);
}

/* ---- lines ---- */

void device_facts_address(char line[DEVICE_LINE_SIZE], const struct config_prefix *prefix)
{
	char address[INET6_ADDRSTRLEN];

	inet_ntop(prefix->family, prefix->address, address, sizeof(address));
	snprintf(line, DEVICE_LINE_SIZE, "address %s/%u", address, prefix->length);
}

void device_facts_route(
	char line[DEVICE_LINE_SIZE], const struct config_prefix *prefix, uint32_t table)
{
	char address[INET6_ADDRSTRLEN];

	inet_ntop(prefix->family, prefix->address, address, sizeof(address));
	snprintf(line, DEVICE_LINE_SIZE, "route %s/%u table %u", address, prefix->length, table);
}

int device_facts_parse(const char *line, struct config_prefix *prefix, uint32_t *table)
{
	char word[8], address[INET6_ADDRSTRLEN];
	const bool is_route = !strncmp(line, "route ", 6);

	*prefix = (struct config_prefix){ .family = strchr(line, ':') ? AF_INET6 : AF_INET };
	*table = 0;
	if (sscanf(line, "%7s %45[0-9a-f.:]/%u table %u", word, address, &prefix->length, table) !=
			(is_route ? 4 : 3) ||
		(!is_route && strcmp(word, "address")) ||
		inet_pton(prefix->family, address, prefix->address) != 1 ||
		prefix->length > (prefix->family == AF_INET ? 32 : 128))
		return -EINVAL;
	return 0;
}

/* ---- what is on it ---- */

/* Kernel headers before 5.18: who has made an address, and that it is the kernel. */
enum { ADDRESS_PROTO = 11, KERNEL_LINK_LOCAL = 2 };

/* A list being made. */
struct listing {
	unsigned interface;
	struct undo_lines *lines; /* or */
	struct text *messages;
	const char *except;
	bool made; /* without what the kernel makes by itself */
	int error;
};

static void take_bytes(struct config_prefix *prefix, const struct nlattr *attribute)
{
	const size_t len = mnl_attr_get_payload_len(attribute);

	if (len == (prefix->family == AF_INET ? 4 : 16))
		memcpy(prefix->address, mnl_attr_get_payload(attribute), len);
}

/* Those that the kernel makes when a device comes up come and go with that. */
static bool is_made_by_kernel(const struct nlattr *attribute)
{
	const uint16_t type = mnl_attr_get_type(attribute);

	return (type == ADDRESS_PROTO && number_of(attribute) == KERNEL_LINK_LOCAL) ||
	       (type == IFA_FLAGS && number_of(attribute) & IFA_F_STABLE_PRIVACY);
}

static void take_message(struct listing *listing, const struct nlmsghdr *header, const char *line)
{
	if (listing->lines && !listing->error)
		listing->error = undo_append(listing->lines, line);
	if (listing->messages && !(listing->except && !strcmp(line, listing->except)))
		text_add_bytes(listing->messages, header, NLMSG_ALIGN(header->nlmsg_len));
}

static int on_address(const struct nlmsghdr *header, void *context)
{
	const struct ifaddrmsg *address = mnl_nlmsg_get_payload(header);
	const struct nlattr *attribute, *local = NULL, *other = NULL;
	struct listing *listing = context;
	struct config_prefix prefix = { 0 };
	char line[DEVICE_LINE_SIZE];
	bool by_kernel = false;

	if (header->nlmsg_type != RTM_NEWADDR ||
		mnl_nlmsg_get_payload_len(header) < sizeof(*address) ||
		address->ifa_index != listing->interface)
		return MNL_CB_OK;
	prefix.family = address->ifa_family;
	prefix.length = address->ifa_prefixlen;
	mnl_attr_for_each(attribute, header, sizeof(*address))
	{
		if (mnl_attr_get_type(attribute) == IFA_LOCAL)
			local = attribute;
		else if (mnl_attr_get_type(attribute) == IFA_ADDRESS)
			other = attribute;
		by_kernel = by_kernel || is_made_by_kernel(attribute);
	}
	if (listing->made && by_kernel)
		return MNL_CB_OK;
	if (local || other)
		take_bytes(&prefix, local ? local : other);
	device_facts_address(line, &prefix);
	take_message(listing, header, line);
	return MNL_CB_OK;
}

static int on_route(const struct nlmsghdr *header, void *context)
{
	const struct rtmsg *route = mnl_nlmsg_get_payload(header);
	struct listing *listing = context;
	struct config_prefix prefix = { 0 };
	const struct nlattr *attribute;
	char line[DEVICE_LINE_SIZE];
	unsigned interface = 0;
	uint32_t table;

	if (header->nlmsg_type != RTM_NEWROUTE ||
		mnl_nlmsg_get_payload_len(header) < sizeof(*route) ||
		route->rtm_type != RTN_UNICAST || route->rtm_flags & RTM_F_CLONED)
		return MNL_CB_OK;
	table = route->rtm_table;
	prefix.family = route->rtm_family;
	prefix.length = route->rtm_dst_len;
	mnl_attr_for_each(attribute, header, sizeof(*route))
	{
		if (mnl_attr_get_type(attribute) == RTA_OIF)
			interface = number_of(attribute);
		else if (mnl_attr_get_type(attribute) == RTA_TABLE)
			table = number_of(attribute);
		else if (mnl_attr_get_type(attribute) == RTA_DST)
			take_bytes(&prefix, attribute);
	}
	/* One that an address has brought comes with it again. */
	if (interface != listing->interface ||
		(listing->made && route->rtm_protocol == RTPROT_KERNEL))
		return MNL_CB_OK;
	device_facts_route(line, &prefix, table);
	take_message(listing, header, line);
	return MNL_CB_OK;
}

static int list(struct netlink *netlink, struct listing *listing, uint16_t type, uint8_t family)
{
	struct question question;
	int error;

	if (type == RTM_GETADDR) {
		struct ifaddrmsg *address =
			question_begin(&question, type, NLM_F_DUMP, sizeof(*address));
		address->ifa_family = family;
	} else {
		struct rtmsg *route = question_begin(&question, type, NLM_F_DUMP, sizeof(*route));
		route->rtm_family = family;
	}
	error = netlink_run(
		netlink, &question.header, type == RTM_GETADDR ? on_address : on_route, listing);
	/* A family that the kernel does not have. */
	return error == -EOPNOTSUPP || error == -EAFNOSUPPORT ? 0 : error;
}

static int list_all(struct netlink *netlink, void *context)
{
	static const uint16_t types[] = { RTM_GETADDR, RTM_GETROUTE };
	static const uint8_t families[] = { AF_INET, AF_INET6 };
	struct listing *listing = context;
	int error = 0;

	listing->error = 0;
	if (listing->lines)
		undo_free(listing->lines);
	if (listing->messages)
		text_free(listing->messages);
	for (size_t i = 0; i < 4 && !error; i++)
		error = list(netlink, listing, types[i / 2], families[i % 2]);
	return error ? error : listing->error;
}

static int list_lines(
	struct netlink *netlink, unsigned interface, bool made, struct undo_lines *lines)
{
	struct listing listing = { .interface = interface, .lines = lines, .made = made };
	int error;

	*lines = (struct undo_lines){ 0 };
	error = netlink_list(netlink, list_all, &listing);
	if (error)
		undo_free(lines);
	return error;
}

int device_facts_lines(struct netlink *netlink, unsigned interface, struct undo_lines *lines)
{
	return list_lines(netlink, interface, false, lines);
}

int device_facts_lines_made(struct netlink *netlink, unsigned interface, struct undo_lines *lines)
{
	return list_lines(netlink, interface, true, lines);
}

int device_copy_take(
	struct netlink *netlink, unsigned interface, const char *except, struct device_copy *copy)
{
	struct listing listing = {
		.interface = interface, .messages = &copy->messages, .except = except, .made = true
	};
	int error;

	copy->messages = (struct text){ 0 };
	error = netlink_list(netlink, list_all, &listing);
	if (!error && copy->messages.failed)
		error = -ENOMEM;
	if (error)
		text_free(&copy->messages);
	return error;
}

void device_copy_put_back(struct netlink *netlink, struct device_copy *copy)
{
	for (size_t at = 0; at < copy->messages.len;) {
		struct nlmsghdr *message = (struct nlmsghdr *)(copy->messages.bytes + at);

		at += NLMSG_ALIGN(message->nlmsg_len);
		message->nlmsg_pid = 0;
		message->nlmsg_flags = NLM_F_REQUEST | NLM_F_CREATE | NLM_F_EXCL;
		netlink_run(netlink, message, NULL, NULL);
	}
	text_free(&copy->messages);
}
