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
#include <string.h>
#include <sys/socket.h>

#include "host/netwatch.h"

enum { OURS = 9, OTHER = 3 };

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

static void expect(const struct nlmsghdr *header, struct netwatch_news expected)
{
	struct netwatch_news news = { 0 };

	netwatch_take(header, header->nlmsg_len, OURS, &news);
	assert_int_equal(news.routes, expected.routes);
	assert_int_equal(news.addresses, expected.addresses);
	assert_int_equal(news.links, expected.links);
	assert_int_equal(news.rules, expected.rules);
}

static void test_kinds(void **state)
{
	const struct netwatch_news nothing = { 0 }, routes = { .routes = true },
				   addresses = { .addresses = true }, links = { .links = true },
				   rules = { .rules = true };
	const struct fib_rule_hdr rule = { .family = AF_INET };
	union room room;

	(void)state;
	expect(route(&room, RTM_NEWROUTE, OTHER, 0), routes);
	expect(route(&room, RTM_DELROUTE, OTHER, 0), routes);
	expect(route(&room, RTM_NEWROUTE, 0, 0), routes); /* several ways, or none at all */
	expect(route(&room, RTM_NEWROUTE, OTHER, RTM_F_CLONED), nothing);
	expect(address(&room, RTM_NEWADDR, OTHER), addresses);
	expect(address(&room, RTM_DELADDR, OTHER), addresses);
	expect(link_message(&room, RTM_NEWLINK, OTHER, AF_UNSPEC), links);
	expect(link_message(&room, RTM_DELLINK, OTHER, AF_UNSPEC), links);
	expect(link_message(&room, RTM_NEWLINK, OTHER, AF_BRIDGE), nothing);
	expect(message(&room, RTM_NEWRULE, &rule, sizeof(rule)), rules);
	expect(message(&room, RTM_DELRULE, &rule, sizeof(rule)), rules);
	expect(message(&room, RTM_NEWNEIGH, &rule, sizeof(rule)), nothing);
	expect(message(&room, NLMSG_DONE, &rule, sizeof(rule)), nothing);
}

static void test_own_device(void **state)
{
	const struct netwatch_news nothing = { 0 };
	union room room;

	(void)state;
	expect(route(&room, RTM_NEWROUTE, OURS, 0), nothing);
	expect(route(&room, RTM_DELROUTE, OURS, 0), nothing);
	expect(address(&room, RTM_NEWADDR, OURS), nothing);
	expect(link_message(&room, RTM_NEWLINK, OURS, AF_UNSPEC), nothing);
	expect(link_message(&room, RTM_DELLINK, OURS, AF_UNSPEC), nothing);
}

/* Several in one read; and what is cut off is not read beyond. */
static void test_many_and_cut(void **state)
{
	alignas(struct nlmsghdr) uint8_t bytes[512];
	struct netwatch_news news;
	size_t first, len;

	(void)state;
	first = route(bytes, RTM_NEWROUTE, OURS, 0)->nlmsg_len;
	len = first + address(bytes + first, RTM_NEWADDR, OTHER)->nlmsg_len;
	for (size_t cut = 0; cut <= len; cut++) {
		uint8_t *copy = test_malloc(cut ? cut : 1);

		memcpy(copy, bytes, cut);
		news = (struct netwatch_news){ 0 };
		netwatch_take(copy, cut, OURS, &news);
		assert_false(news.routes);
		assert_int_equal(news.addresses, cut == len);
		test_free(copy);
	}
	/* A head that is too short for its kind. */
	for (uint16_t type = RTM_NEWLINK; type < RTM_NEWNEIGH; type++) {
		const uint8_t byte = 0;

		memset(bytes, 0xff, sizeof(bytes));
		news = (struct netwatch_news){ 0 };
		len = message(bytes, type, &byte, 1)->nlmsg_len;
		netwatch_take(bytes, len, OURS, &news);
		assert_false(news.routes || news.addresses || news.links);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kinds),
		cmocka_unit_test(test_own_device),
		cmocka_unit_test(test_many_and_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
