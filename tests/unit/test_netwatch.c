/* SPDX-License-Identifier: ISC */
/* News of the network, from messages as the kernel sends them. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <libmnl/libmnl.h>
#include <linux/fib_rules.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "engine/rtnews.h"
#include "host/netwatch.h"

enum { OURS = 9, OTHER = 3, TABLE = 0x63123456, MAIN = 254 };

union room {
	alignas(struct nlmsghdr) uint8_t bytes[512];
	struct nlmsghdr header;
};

static struct nlmsghdr *message(void *room, uint16_t type, const void *head, size_t head_len)
{
	struct nlmsghdr *header = mnl_nlmsg_put_header(room);

	header->nlmsg_type = type;
	memcpy(mnl_nlmsg_put_extra_header(header, head_len), head, head_len);
	return header;
}

static struct nlmsghdr *route(void *room, uint16_t type, unsigned interface, unsigned flags)
{
	const struct rtmsg head = { .rtm_family = AF_INET, .rtm_flags = flags };
	struct nlmsghdr *header = message(room, type, &head, sizeof(head));

	if (interface)
		mnl_attr_put_u32(header, RTA_OIF, interface);
	return header;
}

static struct nlmsghdr *address(void *room, uint16_t type, unsigned interface)
{
	const struct ifaddrmsg head = { .ifa_family = AF_INET6, .ifa_index = interface };

	return message(room, type, &head, sizeof(head));
}

static struct nlmsghdr *link_message(void *room, uint16_t type, unsigned interface, int family)
{
	const struct ifinfomsg head = { .ifi_family = (uint8_t)family,
		.ifi_index = (int)interface };

	return message(room, type, &head, sizeof(head));
}

static void expect(const struct nlmsghdr *header, bool network, bool removed)
{
	const struct netwatch_scope scope = { .interface = OURS, .tables = { TABLE, MAIN } };
	struct netwatch_news news = { 0 };

	netwatch_take(header, &scope, &news);
	assert_int_equal(news.network, network);
	assert_int_equal(news.removed, removed);
}

static void test_kinds(void **state)
{
	const struct fib_rule_hdr rule = { .family = AF_INET };
	union room room;

	(void)state;
	expect(route(&room, RTM_NEWROUTE, OTHER, 0), true, false);
	expect(route(&room, RTM_DELROUTE, OTHER, 0), true, false);
	expect(route(&room, RTM_NEWROUTE, 0, 0), true, false); /* several ways, or none at all */
	expect(route(&room, RTM_NEWROUTE, OTHER, RTM_F_CLONED), false, false);
	expect(address(&room, RTM_NEWADDR, OTHER), true, false);
	expect(address(&room, RTM_DELADDR, OTHER), true, false);
	expect(link_message(&room, RTM_NEWLINK, OTHER, AF_UNSPEC), true, false);
	expect(link_message(&room, RTM_DELLINK, OTHER, AF_UNSPEC), true, false);
	expect(link_message(&room, RTM_NEWLINK, OTHER, AF_BRIDGE), false, false);
	expect(message(&room, RTM_NEWRULE, &rule, sizeof(rule)), true, false);
	expect(message(&room, RTM_DELRULE, &rule, sizeof(rule)), true, true);
	expect(message(&room, RTM_NEWNEIGH, &rule, sizeof(rule)), false, false);
	expect(message(&room, NLMSG_DONE, &rule, sizeof(rule)), false, false);
}

static void test_own_device(void **state)
{
	union room room;

	(void)state;
	expect(route(&room, RTM_NEWROUTE, OURS, 0), false, false);
	expect(route(&room, RTM_DELROUTE, OURS, 0), false, false);
	expect(address(&room, RTM_NEWADDR, OURS), false, false);
	expect(link_message(&room, RTM_NEWLINK, OURS, AF_UNSPEC), false, false);
	expect(link_message(&room, RTM_DELLINK, OURS, AF_UNSPEC), false, false);
	expect(link_message(&room, RTM_NEWLINK, OURS, AF_BRIDGE), true, false);
	expect(link_message(&room, RTM_DELLINK, OURS, AF_BRIDGE), true, false);
}

/* A table's number may be too large for the head's one byte. */
static struct nlmsghdr *route_in(void *room, uint16_t type, unsigned interface, uint32_t table)
{
	struct nlmsghdr *header = route(room, type, interface, 0);
	struct rtmsg *head = mnl_nlmsg_get_payload(header);

	head->rtm_table = table < 256 ? (uint8_t)table : RT_TABLE_UNSPEC;
	if (table >= 256)
		mnl_attr_put_u32(header, RTA_TABLE, table);
	return header;
}

/* Be it through our device, as a full tunnel's, or blocked. */
static void test_removed_routes(void **state)
{
	union room room;

	(void)state;
	expect(route_in(&room, RTM_DELROUTE, OURS, TABLE), false, true);
	expect(route_in(&room, RTM_DELROUTE, 0, TABLE), true, true);
	expect(route_in(&room, RTM_DELROUTE, OTHER, MAIN), true, true);
	expect(route_in(&room, RTM_DELROUTE, OTHER, TABLE + 1), true, false);
	expect(route_in(&room, RTM_DELROUTE, OURS, 0), false, false);
	expect(route_in(&room, RTM_NEWROUTE, OURS, TABLE), false, false);
}

struct counts {
	unsigned messages, addresses;
};

static void count(void *context, const struct nlmsghdr *header)
{
	struct counts *counts = context;

	counts->messages++;
	counts->addresses += header->nlmsg_type == RTM_NEWADDR;
}

/* Several in one read; and what is cut off is not read beyond. */
static void test_many_and_cut(void **state)
{
	alignas(struct nlmsghdr) uint8_t bytes[512];
	size_t first, len;

	(void)state;
	first = route(bytes, RTM_NEWROUTE, OURS, 0)->nlmsg_len;
	len = first + address(bytes + first, RTM_NEWADDR, OTHER)->nlmsg_len;
	for (size_t cut = 0; cut <= len; cut++) {
		uint8_t *copy = malloc(cut ? cut : 1); /* cmocka's own hides over-reads */
		struct counts counts = { 0 };

		memcpy(copy, bytes, cut);
		rtnews_take(copy, cut, count, &counts);
		assert_int_equal(counts.messages, (cut >= first) + (cut == len));
		assert_int_equal(counts.addresses, cut == len);
		free(copy);
	}
}

/* A length that as a signed number would be negative. */
static void test_huge_length(void **state)
{
	alignas(struct nlmsghdr) uint8_t bytes[512];
	struct counts counts = { 0 };
	struct nlmsghdr *first = route(bytes, RTM_NEWROUTE, OURS, 0);
	const size_t len = first->nlmsg_len;

	(void)state;
	assert_int_equal(rtnews_sound(bytes, len), len);
	first->nlmsg_len = 0xc7c7c7c7;
	assert_int_equal(rtnews_sound(bytes, len), 0);
	rtnews_take(bytes, len, count, &counts);
	assert_int_equal(counts.messages, 0);
}

/* A head that is too short for its kind. */
static void test_short(void **state)
{
	alignas(struct nlmsghdr) uint8_t bytes[64];

	(void)state;
	for (uint16_t type = RTM_NEWLINK; type < RTM_NEWNEIGH; type++) {
		const uint8_t byte = 0;

		memset(bytes, 0xff, sizeof(bytes));
		expect(message(bytes, type, &byte, 1), false, false);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kinds),
		cmocka_unit_test(test_own_device),
		cmocka_unit_test(test_removed_routes),
		cmocka_unit_test(test_many_and_cut),
		cmocka_unit_test(test_huge_length),
		cmocka_unit_test(test_short),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
