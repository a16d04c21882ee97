/* SPDX-License-Identifier: ISC */
/* Addresses, links and routes by rtnetlink. */
#include "host/netlink.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/fib_rules.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/rtnews.h"

#ifndef SO_NETNS_COOKIE /* C libraries of before 5.14 */
#define SO_NETNS_COOKIE 71
#endif

struct netlink {
	struct mnl_socket *socket;
	unsigned port;
	uint32_t sequence;
};

enum {
	REQUEST_SIZE = 512, /* the largest request here is a route with some five attributes */
	ERRNO_MAX = 4095,
	ANSWER_SIZE = 32768, /* what the kernel fills at most with one part of a dump */
	LIST_TRIES = 8,
};

/* A request being written. */
struct request {
	union {
		struct nlmsghdr header;
		uint8_t bytes[REQUEST_SIZE];
	};
};

int netlink_open(struct netlink **netlink)
{
	struct netlink *new = calloc(1, sizeof(*new));
	int error;

	if (!new)
		return -ENOMEM;
	new->socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	if (!new->socket || mnl_socket_bind(new->socket, 0, MNL_SOCKET_AUTOPID) < 0) {
		error = -errno;
		netlink_close(new);
		return error;
	}
	new->port = mnl_socket_get_portid(new->socket);
	*netlink = new;
	return 0;
}

void netlink_close(struct netlink *netlink)
{
	if (!netlink)
		return;
	if (netlink->socket)
		mnl_socket_close(netlink->socket);
	free(netlink);
}

uint64_t netlink_namespace(const struct netlink *netlink)
{
	const int socket = mnl_socket_get_fd(netlink->socket);
	uint64_t number = 0;
	socklen_t len = sizeof(number);
	struct stat status;
	int fd;

	if (!getsockopt(socket, SOL_SOCKET, SO_NETNS_COOKIE, &number, &len))
		return number;
	fd = ioctl(socket, SIOCGSKNS);
	if (fd >= 0 && !fstat(fd, &status))
		number = status.st_ino;
	if (fd >= 0)
		close(fd);
	return number;
}

/* Begins a message and returns its family's header, zeroed. */
static void *request_begin(
	struct request *request, uint16_t type, uint16_t flags, size_t header_len)
{
	memset(request, 0, sizeof(*request));
	mnl_nlmsg_put_header(request->bytes);
	request->header.nlmsg_type = type;
	request->header.nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
	return mnl_nlmsg_put_extra_header(&request->header, header_len);
}

/* Takes the mark of a list that changed while it was told out of sound messages: libmnl would stop
 * at it, and the kernel refuses a new question before all of the old answer is read. */
static bool take_mark(void *messages, size_t len)
{
	struct nlmsghdr *message = messages;
	int left = (int)len;
	bool marked = false;

	for (; mnl_nlmsg_ok(message, left); message = mnl_nlmsg_next(message, &left)) {
		marked |= message->nlmsg_flags & NLM_F_DUMP_INTR;
		message->nlmsg_flags &= (uint16_t)~NLM_F_DUMP_INTR;
	}
	return marked;
}

int netlink_run(struct netlink *netlink, struct nlmsghdr *request,
	int (*callback)(const struct nlmsghdr *header, void *context), void *context)
{
	alignas(struct nlmsghdr) uint8_t answer[ANSWER_SIZE];
	bool changed = false;
	ssize_t len;
	int state;

	request->nlmsg_seq = ++netlink->sequence;
	/* Without NLM_F_ACK a question that finds nothing would leave us waiting. */
	if ((request->nlmsg_flags & NLM_F_DUMP) != NLM_F_DUMP)
		request->nlmsg_flags |= NLM_F_ACK;
	if (mnl_socket_sendto(netlink->socket, request, request->nlmsg_len) < 0)
		return -errno;
	do {
		len = mnl_socket_recvfrom(netlink->socket, answer, sizeof(answer));
		if (len < 0 && errno == EINTR) {
			state = MNL_CB_OK;
			continue;
		}
		if (len < 0)
			return -errno;
		len = (ssize_t)rtnews_sound(answer, (size_t)len);
		if (!len)
			return -EPROTO;
		changed |= take_mark(answer, (size_t)len);
		state = mnl_cb_run(
			answer, (size_t)len, netlink->sequence, netlink->port, callback, context);
		if (state < 0 && errno == EPROTO)
			state = MNL_CB_OK; /* another sequence number: an earlier question's answer
					    */
	} while (state > MNL_CB_STOP);
	if (state >= 0)
		return changed ? -EINTR : 0;
	return errno > 0 && errno <= ERRNO_MAX ? -errno : -EPROTO;
}

int netlink_list(
	struct netlink *netlink, int (*ask)(struct netlink *netlink, void *context), void *context)
{
	int error = -EINTR;

	for (int i = 0; i < LIST_TRIES && error == -EINTR; i++)
		error = ask(netlink, context);
	return error == -EINTR ? -EAGAIN : error;
}

static int request_run(
	struct netlink *netlink, struct request *request, mnl_cb_t callback, void *context)
{
	return netlink_run(netlink, &request->header, callback, context);
}

static int link_request(
	struct netlink *netlink, unsigned interface, unsigned change, unsigned flags, unsigned mtu)
{
	struct request request;
	struct ifinfomsg *link = request_begin(&request, RTM_NEWLINK, 0, sizeof(*link));

	link->ifi_index = (int)interface;
	link->ifi_change = change;
	link->ifi_flags = flags;
	if (mtu)
		mnl_attr_put_u32(&request.header, IFLA_MTU, mtu);
	return request_run(netlink, &request, NULL, NULL);
}

int netlink_link_set_mtu(struct netlink *netlink, unsigned interface, unsigned mtu)
{
	return link_request(netlink, interface, 0, 0, mtu);
}

int netlink_link_set_up(struct netlink *netlink, unsigned interface, bool up)
{
	return link_request(netlink, interface, IFF_UP, up ? IFF_UP : 0, 0);
}

int netlink_link_no_addresses(struct netlink *netlink, unsigned interface)
{
	struct request request;
	struct ifinfomsg *link = request_begin(&request, RTM_NEWLINK, 0, sizeof(*link));
	struct nlattr *families, *family;

	link->ifi_index = (int)interface;
	families = mnl_attr_nest_start(&request.header, IFLA_AF_SPEC);
	family = mnl_attr_nest_start(&request.header, AF_INET6);
	mnl_attr_put_u8(&request.header, IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE);
	mnl_attr_nest_end(&request.header, family);
	mnl_attr_nest_end(&request.header, families);
	return request_run(netlink, &request, NULL, NULL);
}

static int link_on_answer(const struct nlmsghdr *header, void *context)
{
	unsigned *mtu = context;
	const struct nlattr *attribute;

	mnl_attr_for_each(attribute, header, sizeof(struct ifinfomsg))
	{
		if (mnl_attr_get_type(attribute) == IFLA_MTU &&
			mnl_attr_validate(attribute, MNL_TYPE_U32) >= 0)
			*mtu = mnl_attr_get_u32(attribute);
	}
	return MNL_CB_OK;
}

int netlink_link_get_mtu(struct netlink *netlink, unsigned interface, unsigned *mtu)
{
	struct request request;
	struct ifinfomsg *link = request_begin(&request, RTM_GETLINK, 0, sizeof(*link));
	unsigned found = 0;
	int error;

	link->ifi_index = (int)interface;
	error = request_run(netlink, &request, link_on_answer, &found);
	if (!error && !found)
		error = -ENODATA;
	if (!error)
		*mtu = found;
	return error;
}

int netlink_link_set_address(struct netlink *netlink, unsigned interface, const uint8_t address[6])
{
	struct request request;
	struct ifinfomsg *link = request_begin(&request, RTM_NEWLINK, 0, sizeof(*link));

	link->ifi_index = (int)interface;
	mnl_attr_put(&request.header, IFLA_ADDRESS, 6, address);
	return request_run(netlink, &request, NULL, NULL);
}

int netlink_link_set_bridge(struct netlink *netlink, unsigned interface, unsigned bridge)
{
	struct request request;
	struct ifinfomsg *link = request_begin(&request, RTM_NEWLINK, 0, sizeof(*link));

	link->ifi_index = (int)interface;
	mnl_attr_put_u32(&request.header, IFLA_MASTER, bridge);
	return request_run(netlink, &request, NULL, NULL);
}

/* What a list of all links says of a bridge. */
struct bridge_search {
	unsigned bridge, port;
	bool there, is_bridge, has_port;
	unsigned own_mtu, ports_mtu; /* 0: none */
};

/* What one RTM_NEWLINK says. */
struct link_facts {
	unsigned master, mtu;
	bool is_bridge;
};

static bool link_is_bridge(const struct nlattr *info)
{
	const struct nlattr *attribute;

	mnl_attr_for_each_nested(attribute, info)
	{
		if (mnl_attr_get_type(attribute) == IFLA_INFO_KIND &&
			mnl_attr_validate(attribute, MNL_TYPE_NUL_STRING) >= 0)
			return !strcmp(mnl_attr_get_str(attribute), "bridge");
	}
	return false;
}

static void link_read(const struct nlmsghdr *header, struct link_facts *facts)
{
	const struct nlattr *attribute;

	*facts = (struct link_facts){ 0 };
	mnl_attr_for_each(attribute, header, sizeof(struct ifinfomsg))
	{
		const bool is_u32 = mnl_attr_get_payload_len(attribute) == sizeof(uint32_t);
		const uint16_t type = mnl_attr_get_type(attribute);

		if (type == IFLA_MASTER && is_u32)
			facts->master = mnl_attr_get_u32(attribute);
		else if (type == IFLA_MTU && is_u32)
			facts->mtu = mnl_attr_get_u32(attribute);
		else if (type == IFLA_LINKINFO)
			facts->is_bridge = link_is_bridge(attribute);
	}
}

static int bridge_on_link(const struct nlmsghdr *header, void *context)
{
	const struct ifinfomsg *link = mnl_nlmsg_get_payload(header);
	struct bridge_search *search = context;
	struct link_facts facts;

	if (header->nlmsg_type != RTM_NEWLINK || mnl_nlmsg_get_payload_len(header) < sizeof(*link))
		return MNL_CB_OK;
	link_read(header, &facts);
	if ((unsigned)link->ifi_index == search->bridge) {
		search->there = true;
		search->is_bridge = facts.is_bridge;
		search->own_mtu = facts.mtu;
	} else if (facts.master != search->bridge) {
		return MNL_CB_OK;
	} else if ((unsigned)link->ifi_index == search->port) {
		search->has_port = true;
	} else if (!search->ports_mtu || facts.mtu < search->ports_mtu) {
		search->ports_mtu = facts.mtu;
	}
	return MNL_CB_OK;
}

static int search_bridge(struct netlink *netlink, void *context)
{
	struct bridge_search *search = context;
	struct request request;
	struct ifinfomsg *link = request_begin(&request, RTM_GETLINK, NLM_F_DUMP, sizeof(*link));

	link->ifi_family = AF_UNSPEC;
	*search = (struct bridge_search){ .bridge = search->bridge, .port = search->port };
	return request_run(netlink, &request, bridge_on_link, search);
}

int netlink_bridge_get(
	struct netlink *netlink, unsigned bridge, unsigned port, struct netlink_bridge *facts)
{
	struct bridge_search search = { .bridge = bridge, .port = port };
	const int error = netlink_list(netlink, search_bridge, &search);

	if (error)
		return error;
	if (!search.there)
		return -ENODEV;
	if (!search.is_bridge)
		return -ENOTSUP;
	if (!search.ports_mtu)
		search.ports_mtu = search.own_mtu;
	if (!search.ports_mtu)
		return -ENODATA;
	*facts = (struct netlink_bridge){ search.has_port, search.ports_mtu };
	return 0;
}

static size_t address_len(int family)
{
	return family == AF_INET ? 4 : 16;
}

static int address_request(struct netlink *netlink, uint16_t type, uint16_t flags,
	unsigned interface, struct netlink_prefix prefix)
{
	struct request request;
	struct ifaddrmsg *address = request_begin(&request, type, flags, sizeof(*address));

	address->ifa_family = (uint8_t)prefix.family;
	address->ifa_prefixlen = (uint8_t)prefix.length;
	address->ifa_scope = RT_SCOPE_UNIVERSE;
	address->ifa_index = interface;
	mnl_attr_put(&request.header, IFA_LOCAL, address_len(prefix.family), prefix.address);
	mnl_attr_put(&request.header, IFA_ADDRESS, address_len(prefix.family), prefix.address);
	return request_run(netlink, &request, NULL, NULL);
}

int netlink_address_add(struct netlink *netlink, unsigned interface, struct netlink_prefix address)
{
	return address_request(netlink, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, interface, address);
}

int netlink_address_delete(
	struct netlink *netlink, unsigned interface, struct netlink_prefix address)
{
	return address_request(netlink, RTM_DELADDR, 0, interface, address);
}

/* Of rules and blocked routes, which have to hold when nobody is there to put them back: a kill
 * switch without its tunnel. systemd-networkd removes what others made whenever it sets a link up
 * anew, except with this protocol (networkd.conf(5), ManageForeignRoutingPolicyRules). */
enum { LASTING_PROTOCOL = RTPROT_KERNEL };

/* Through the interface; with none, packets to there are refused, unless another route leads there.
 */
static int route_request(struct netlink *netlink, uint16_t type, uint16_t flags, unsigned interface,
	uint32_t table, struct netlink_prefix prefix)
{
	const bool adds = type == RTM_NEWROUTE, on_link = interface && prefix.family == AF_INET;
	struct request request;
	struct rtmsg *route = request_begin(&request, type, flags, sizeof(*route));

	route->rtm_family = (uint8_t)prefix.family;
	route->rtm_dst_len = (uint8_t)prefix.length;
	route->rtm_protocol = !adds ? RTPROT_UNSPEC : interface ? RTPROT_BOOT : LASTING_PROTOCOL;
	/* To delete, "nowhere" means whichever. */
	route->rtm_scope = !adds ? RT_SCOPE_NOWHERE : on_link ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
	route->rtm_type = interface ? RTN_UNICAST : RTN_UNREACHABLE;
	route->rtm_table = table < 256 ? (uint8_t)table : RT_TABLE_UNSPEC;
	mnl_attr_put(&request.header, RTA_DST, address_len(prefix.family), prefix.address);
	if (interface)
		mnl_attr_put_u32(&request.header, RTA_OIF, interface);
	else
		mnl_attr_put_u32(&request.header, RTA_PRIORITY, UINT32_MAX);
	mnl_attr_put_u32(&request.header, RTA_TABLE, table);
	return request_run(netlink, &request, NULL, NULL);
}

int netlink_route_add(
	struct netlink *netlink, unsigned interface, uint32_t table, struct netlink_prefix prefix)
{
	return route_request(
		netlink, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, interface, table, prefix);
}

int netlink_route_delete(
	struct netlink *netlink, unsigned interface, uint32_t table, struct netlink_prefix prefix)
{
	return route_request(netlink, RTM_DELROUTE, 0, interface, table, prefix);
}

int netlink_unreachable_add(struct netlink *netlink, uint32_t table, struct netlink_prefix prefix)
{
	return route_request(netlink, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, 0, table, prefix);
}

int netlink_unreachable_delete(
	struct netlink *netlink, uint32_t table, struct netlink_prefix prefix)
{
	return route_request(netlink, RTM_DELROUTE, 0, 0, table, prefix);
}

static int rule_request(
	struct netlink *netlink, uint16_t type, uint16_t flags, const struct netlink_rule *rule)
{
	struct request request;
	struct fib_rule_hdr *header = request_begin(&request, type, flags, sizeof(*header));

	header->family = (uint8_t)rule->family;
	header->action = FR_ACT_TO_TBL;
	header->flags = FIB_RULE_INVERT;
	header->table = rule->table < 256 ? (uint8_t)rule->table : RT_TABLE_UNSPEC;
	mnl_attr_put_u32(&request.header, FRA_PRIORITY, rule->priority);
	mnl_attr_put_u32(&request.header, FRA_FWMARK, rule->mark);
	mnl_attr_put_u32(&request.header, FRA_FWMASK, rule->mask);
	mnl_attr_put_u32(&request.header, FRA_TABLE, rule->table);
	if (rule->skip_default)
		mnl_attr_put_u32(&request.header, FRA_SUPPRESS_PREFIXLEN, 0);
	if (type == RTM_NEWRULE)
		mnl_attr_put_u8(&request.header, FRA_PROTOCOL, LASTING_PROTOCOL);
	return request_run(netlink, &request, NULL, NULL);
}

int netlink_rule_add(struct netlink *netlink, const struct netlink_rule *rule)
{
	return rule_request(netlink, RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL, rule);
}

int netlink_rule_delete(struct netlink *netlink, const struct netlink_rule *rule)
{
	return rule_request(netlink, RTM_DELRULE, 0, rule);
}

/* What one RTM_NEWROUTE says. */
struct route_facts {
	struct netlink_route route;
	uint32_t table;
	uint32_t metric;
	bool has_destination;
};

static unsigned route_metrics_mtu(const struct nlattr *metrics)
{
	const struct nlattr *attribute;

	mnl_attr_for_each_nested(attribute, metrics)
	{
		if (mnl_attr_get_type(attribute) == RTAX_MTU &&
			mnl_attr_validate(attribute, MNL_TYPE_U32) >= 0)
			return mnl_attr_get_u32(attribute);
	}
	return 0;
}

static unsigned route_first_hop(const struct nlattr *multipath)
{
	const struct rtnexthop *hop = mnl_attr_get_payload(multipath);

	if (mnl_attr_get_payload_len(multipath) < sizeof(*hop))
		return 0;
	return (unsigned)hop->rtnh_ifindex;
}

static void route_address(uint8_t address[16], const struct nlattr *attribute)
{
	const size_t len = mnl_attr_get_payload_len(attribute);

	if (len <= 16)
		memcpy(address, mnl_attr_get_payload(attribute), len);
}

static void route_read(const struct nlmsghdr *header, struct route_facts *facts)
{
	const struct rtmsg *message = mnl_nlmsg_get_payload(header);
	const struct nlattr *attribute;

	*facts = (struct route_facts){ .table = message->rtm_table,
		.has_destination = message->rtm_dst_len != 0 };
	mnl_attr_for_each(attribute, header, sizeof(*message))
	{
		bool is_u32 = mnl_attr_get_payload_len(attribute) == sizeof(uint32_t);
		uint16_t type = mnl_attr_get_type(attribute);

		if (type == RTA_OIF && is_u32)
			facts->route.interface = mnl_attr_get_u32(attribute);
		else if (type == RTA_TABLE && is_u32)
			facts->table = mnl_attr_get_u32(attribute);
		else if (type == RTA_PRIORITY && is_u32)
			facts->metric = mnl_attr_get_u32(attribute);
		else if (type == RTA_METRICS)
			facts->route.mtu = route_metrics_mtu(attribute);
		else if (type == RTA_MULTIPATH)
			facts->route.interface = route_first_hop(attribute);
		else if (type == RTA_GATEWAY)
			route_address(facts->route.gateway, attribute);
		else if (type == RTA_PREFSRC)
			route_address(facts->route.source, attribute);
	}
}

static int route_on_answer(const struct nlmsghdr *header, void *context)
{
	struct netlink_route *route = context;
	struct route_facts facts;

	if (header->nlmsg_type != RTM_NEWROUTE)
		return MNL_CB_OK;
	route_read(header, &facts);
	*route = facts.route;
	return MNL_CB_OK;
}

int netlink_route_get(struct netlink *netlink, const struct sockaddr *to, uint32_t mark,
	struct netlink_route *route)
{
	struct request request;
	struct rtmsg *message = request_begin(&request, RTM_GETROUTE, 0, sizeof(*message));
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)to;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)to;
	struct netlink_route found = { 0 };
	int error;

	message->rtm_family = (uint8_t)to->sa_family;
	message->rtm_dst_len = to->sa_family == AF_INET ? 32 : 128;
	if (to->sa_family == AF_INET)
		mnl_attr_put(&request.header, RTA_DST, 4, &v4->sin_addr);
	else
		mnl_attr_put(&request.header, RTA_DST, 16, &v6->sin6_addr);
	if (to->sa_family == AF_INET6 && v6->sin6_scope_id)
		mnl_attr_put_u32(&request.header, RTA_OIF, v6->sin6_scope_id);
	if (mark)
		mnl_attr_put_u32(&request.header, RTA_MARK, mark);
	error = request_run(netlink, &request, route_on_answer, &found);
	if (!error && !found.interface)
		error = -ENETUNREACH;
	if (!error)
		*route = found;
	return error;
}

/* The best default route so far. */
struct route_best {
	uint8_t family;
	struct netlink_route route;
	uint32_t metric;
};

static int route_on_dumped(const struct nlmsghdr *header, void *context)
{
	struct route_best *best = context;
	struct route_facts facts;

	if (header->nlmsg_type != RTM_NEWROUTE)
		return MNL_CB_OK;
	route_read(header, &facts);
	if (facts.has_destination || facts.table != NETLINK_TABLE_MAIN || !facts.route.interface)
		return MNL_CB_OK;
	if (!best->route.interface || facts.metric < best->metric) {
		best->route = facts.route;
		best->metric = facts.metric;
	}
	return MNL_CB_OK;
}

static int search_default(struct netlink *netlink, void *context)
{
	struct route_best *best = context;
	struct request request;
	struct rtmsg *message = request_begin(&request, RTM_GETROUTE, NLM_F_DUMP, sizeof(*message));

	message->rtm_family = best->family;
	*best = (struct route_best){ .family = best->family };
	return request_run(netlink, &request, route_on_dumped, best);
}

int netlink_route_default(struct netlink *netlink, struct netlink_route *route)
{
	static const uint8_t families[] = { AF_INET, AF_INET6 };

	for (size_t i = 0; i < sizeof(families); i++) {
		struct route_best best = { .family = families[i] };
		const int error = netlink_list(netlink, search_default, &best);

		if (error && error != -EOPNOTSUPP)
			return error;
		if (best.route.interface) {
			*route = best.route;
			return 0;
		}
	}
	return -ENETUNREACH;
}
