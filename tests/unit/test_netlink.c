/* SPDX-License-Identifier: ISC */
/* Netlink, in a network namespace of its own, mostly on its loopback device; skipped where none can
 * be made. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <libmnl/libmnl.h>
#include <limits.h>
#include <linux/if_tun.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "host/device_facts.h"
#include "host/netlink.h"

enum { LOOPBACK = 1, TABLE = 4242 };

struct place {
	struct netlink *netlink;
	uint8_t bytes[16];
};

static int enter_namespace(void **state)
{
	static struct place place;

	if (unshare(CLONE_NEWNET) < 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0)
		return 0;
	if (netlink_open(&place.netlink))
		return -1;
	*state = &place;
	return netlink_link_set_up(place.netlink, LOOPBACK, true);
}

static int leave_namespace(void **state)
{
	struct place *place = *state;

	if (place)
		netlink_close(place->netlink);
	return 0;
}

static struct place *need(void **state)
{
	if (!*state)
		skip();
	return *state;
}

static struct netlink_prefix prefix(struct place *place, const char *text, unsigned length)
{
	int family = strchr(text, ':') ? AF_INET6 : AF_INET;

	assert_int_equal(inet_pton(family, text, place->bytes), 1);
	return (struct netlink_prefix){ family, place->bytes, length };
}

static void test_mtu(void **state)
{
	struct place *place = need(state);
	unsigned mtu = 0;

	assert_int_equal(netlink_link_get_mtu(place->netlink, LOOPBACK, &mtu), 0);
	assert_int_equal(mtu, 65536);
	assert_int_equal(netlink_link_set_mtu(place->netlink, LOOPBACK, 1420), 0);
	assert_int_equal(netlink_link_get_mtu(place->netlink, LOOPBACK, &mtu), 0);
	assert_int_equal(mtu, 1420);
	assert_int_equal(netlink_link_set_mtu(place->netlink, LOOPBACK, 65536), 0);
	assert_int_equal(netlink_link_get_mtu(place->netlink, 4711, &mtu), -ENODEV);
	assert_int_equal(netlink_link_set_mtu(place->netlink, 4711, 1420), -ENODEV);
	assert_int_equal(netlink_link_set_up(place->netlink, 4711, true), -ENODEV);
	assert_int_equal(netlink_link_no_addresses(place->netlink, 4711), -ENODEV);
}

/* A TAP device that goes with the descriptor; -1: there are none here. */
static int make_tap(const char *name)
{
	struct ifreq request = { .ifr_flags = IFF_TAP | IFF_NO_PI };
	const int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

	strcpy(request.ifr_name, name);
	if (fd < 0 || !ioctl(fd, TUNSETIFF, &request))
		return fd;
	close(fd);
	return -1;
}

static bool make_bridge(const char *name)
{
	const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	const bool made = fd >= 0 && !ioctl(fd, SIOCBRADDBR, name);

	if (fd >= 0)
		close(fd);
	return made;
}

static void test_bridge(void **state)
{
	struct place *place = need(state);
	const int taps[] = { make_tap("tap0"), make_tap("tap1") };
	struct netlink_bridge facts;

	if (taps[0] < 0 || taps[1] < 0 || !make_bridge("br0"))
		skip();
	const unsigned ours = if_nametoindex("tap0"), other = if_nametoindex("tap1"),
		       bridge = if_nametoindex("br0");

	assert_int_equal(netlink_bridge_get(place->netlink, 4711, ours, &facts), -ENODEV);
	assert_int_equal(netlink_bridge_get(place->netlink, other, ours, &facts), -ENOTSUP);
	assert_int_equal(netlink_bridge_get(place->netlink, bridge, ours, &facts), 0);
	assert_false(facts.has_port);
	assert_int_equal(facts.mtu, 1500);
	/* Its own MTU is the smallest of all ports': what counts is what it has without ours. */
	assert_int_equal(netlink_link_set_mtu(place->netlink, ours, 1300), 0);
	assert_int_equal(netlink_link_set_mtu(place->netlink, other, 1400), 0);
	assert_int_equal(netlink_link_set_bridge(place->netlink, other, bridge), 0);
	assert_int_equal(netlink_link_set_bridge(place->netlink, ours, bridge), 0);
	assert_int_equal(netlink_link_set_bridge(place->netlink, ours, bridge), 0);
	assert_int_equal(netlink_bridge_get(place->netlink, bridge, ours, &facts), 0);
	assert_true(facts.has_port);
	assert_int_equal(facts.mtu, 1400);
	assert_int_equal(netlink_link_set_bridge(place->netlink, ours, 0), 0);
	assert_int_equal(netlink_link_set_bridge(place->netlink, ours, 0), 0);
	assert_int_equal(netlink_bridge_get(place->netlink, bridge, ours, &facts), 0);
	assert_false(facts.has_port);
	assert_int_equal(netlink_link_set_bridge(place->netlink, ours, other), -EOPNOTSUPP);
	assert_int_equal(netlink_link_set_bridge(place->netlink, 4711, bridge), -ENODEV);
	close(taps[0]);
	close(taps[1]);
}

static void test_ethernet_address(void **state)
{
	static const uint8_t address[6] = { 0xfe, 1, 2, 3, 4, 5 }, group[6] = { 1, 2, 3, 4, 5, 6 };
	struct place *place = need(state);
	struct ifreq request = { .ifr_name = "tap2" };
	const int tap = make_tap("tap2");

	if (tap < 0)
		skip();
	const unsigned interface = if_nametoindex("tap2");

	assert_int_equal(netlink_link_set_address(place->netlink, interface, address), 0);
	assert_int_equal(ioctl(tap, SIOCGIFHWADDR, &request), 0);
	assert_memory_equal(request.ifr_hwaddr.sa_data, address, sizeof(address));
	assert_int_equal(
		netlink_link_set_address(place->netlink, interface, group), -EADDRNOTAVAIL);
	assert_int_equal(netlink_link_set_address(place->netlink, 4711, address), -ENODEV);
	close(tap);
}

static void test_addresses(void **state)
{
	static const struct {
		const char *address;
		unsigned length;
	} cases[] = { { "10.9.0.1", 24 }, { "10.9.0.2", 32 }, { "fd00::1", 64 },
		{ "fd00::2", 128 } };
	struct place *place = need(state);

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct netlink_prefix address = prefix(place, cases[i].address, cases[i].length);

		if (netlink_address_add(place->netlink, LOOPBACK, address) == -EACCES)
			continue; /* a host without IPv6 */
		assert_int_equal(netlink_address_add(place->netlink, LOOPBACK, address), -EEXIST);
		assert_int_equal(netlink_address_delete(place->netlink, LOOPBACK, address), 0);
		assert_int_equal(
			netlink_address_delete(place->netlink, LOOPBACK, address), -EADDRNOTAVAIL);
		assert_int_equal(netlink_address_add(place->netlink, 4711, address), -ENODEV);
	}
}

static void test_routes(void **state)
{
	static const struct {
		const char *address;
		unsigned length;
		uint32_t table;
	} cases[] = {
		{ "10.20.0.0", 16, NETLINK_TABLE_MAIN },
		{ "10.20.1.0", 24, NETLINK_TABLE_MAIN },
		{ "10.20.1.0", 24, TABLE },
		{ "0.0.0.0", 0, TABLE },
		{ "fd20::", 32, NETLINK_TABLE_MAIN },
		{ "::", 0, TABLE },
	};
	struct place *place = need(state);

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct netlink_prefix to = prefix(place, cases[i].address, cases[i].length);
		uint32_t table = cases[i].table;

		assert_int_equal(netlink_route_add(place->netlink, LOOPBACK, table, to), 0);
		assert_int_equal(netlink_route_add(place->netlink, LOOPBACK, table, to), -EEXIST);
	}
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct netlink_prefix to = prefix(place, cases[i].address, cases[i].length);
		uint32_t table = cases[i].table;
		int error;

		assert_int_equal(netlink_route_delete(place->netlink, LOOPBACK, table, to), 0);
		/* -ENOENT: the table went with its last route */
		error = netlink_route_delete(place->netlink, LOOPBACK, table, to);
		assert_true(error == -ESRCH || error == -ENOENT);
	}
}

/* Beside a way that exists they do not count, and each is deleted alone. */
static void test_unreachable(void **state)
{
	struct place *place = need(state);
	struct sockaddr_in to = { .sin_family = AF_INET };
	const struct sockaddr *any = (const struct sockaddr *)&to;
	struct netlink_route route;
	struct netlink_prefix net;
	int error;

	inet_pton(AF_INET, "10.40.0.7", &to.sin_addr);
	net = prefix(place, "10.40.0.0", 16);
	assert_int_equal(netlink_unreachable_add(place->netlink, NETLINK_TABLE_MAIN, net), 0);
	assert_int_equal(netlink_unreachable_add(place->netlink, NETLINK_TABLE_MAIN, net), -EEXIST);
	assert_int_equal(netlink_route_get(place->netlink, any, 0, &route), -EHOSTUNREACH);
	assert_int_equal(netlink_route_add(place->netlink, LOOPBACK, NETLINK_TABLE_MAIN, net), 0);
	assert_int_equal(netlink_route_get(place->netlink, any, 0, &route), 0);
	assert_int_equal(netlink_unreachable_delete(place->netlink, NETLINK_TABLE_MAIN, net), 0);
	assert_int_equal(netlink_route_get(place->netlink, any, 0, &route), 0);
	error = netlink_unreachable_delete(place->netlink, NETLINK_TABLE_MAIN, net);
	assert_true(error == -ESRCH || error == -ENOENT);
	assert_int_equal(
		netlink_route_delete(place->netlink, LOOPBACK, NETLINK_TABLE_MAIN, net), 0);
	net = prefix(place, "::", 0);
	if (netlink_unreachable_add(place->netlink, TABLE, net))
		return; /* a host without IPv6 */
	assert_int_equal(netlink_unreachable_add(place->netlink, TABLE, net), -EEXIST);
	assert_int_equal(netlink_unreachable_delete(place->netlink, TABLE, net), 0);
}

static void test_rules(void **state)
{
	const struct netlink_rule whole = { AF_INET, 31820, 0x42, 0xffffffff, TABLE, true },
				  part = { AF_INET, 31820, 0x42, 0xff, TABLE, true },
				  v6 = { AF_INET6, 31820, 0x42, 0xffffffff, 7, false };
	struct place *place = need(state);
	struct sockaddr_in to = { .sin_family = AF_INET };
	const struct sockaddr *any = (const struct sockaddr *)&to;
	struct netlink_rule to_default = whole;
	struct netlink_prefix all = prefix(place, "0.0.0.0", 0);
	struct netlink_route route;

	to_default.skip_default = false;
	inet_pton(AF_INET, "10.50.0.7", &to.sin_addr);
	assert_int_equal(netlink_rule_add(place->netlink, &whole), 0);
	assert_int_equal(netlink_rule_add(place->netlink, &whole), -EEXIST);
	assert_int_equal(netlink_rule_add(place->netlink, &part), 0);
	assert_int_equal(netlink_rule_delete(place->netlink, &part), 0);
	assert_int_equal(netlink_rule_delete(place->netlink, &part), -ENOENT);
	/* The default route there does not count, until a rule says so; and never for the mark. */
	assert_int_equal(netlink_route_add(place->netlink, LOOPBACK, TABLE, all), 0);
	assert_int_equal(netlink_route_get(place->netlink, any, 0, &route), -ENETUNREACH);
	assert_int_equal(netlink_rule_add(place->netlink, &to_default), 0);
	assert_int_equal(netlink_route_get(place->netlink, any, 0, &route), 0);
	assert_int_equal(netlink_route_get(place->netlink, any, 0x42, &route), -ENETUNREACH);
	assert_int_equal(netlink_route_delete(place->netlink, LOOPBACK, TABLE, all), 0);
	/* For the kernel, a request that does not say skip_default is for either. */
	assert_int_equal(netlink_rule_delete(place->netlink, &whole), 0);
	assert_int_equal(netlink_rule_delete(place->netlink, &to_default), 0);
	if (!netlink_rule_add(place->netlink, &v6))
		assert_int_equal(netlink_rule_delete(place->netlink, &v6), 0);
}

static void test_route_get(void **state)
{
	struct place *place = need(state);
	struct sockaddr_in to = { .sin_family = AF_INET };
	struct sockaddr_in6 to6 = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	const struct sockaddr *any = (const struct sockaddr *)&to;
	struct netlink_route route = { 0 };
	struct netlink_prefix net;

	inet_pton(AF_INET, "10.30.0.7", &to.sin_addr);
	assert_int_equal(netlink_route_get(place->netlink, any, 0, &route), -ENETUNREACH);
	net = prefix(place, "10.30.0.0", 16);
	assert_int_equal(netlink_route_add(place->netlink, LOOPBACK, NETLINK_TABLE_MAIN, net), 0);
	assert_int_equal(netlink_route_get(place->netlink, any, 0, &route), 0);
	assert_int_equal(route.interface, LOOPBACK);
	assert_int_equal(route.mtu, 0);
	assert_int_equal(netlink_route_get(place->netlink, any, 77, &route), 0);
	net = prefix(place, "10.30.0.0", 16);
	assert_int_equal(
		netlink_route_delete(place->netlink, LOOPBACK, NETLINK_TABLE_MAIN, net), 0);
	assert_int_equal(
		netlink_route_get(place->netlink, (const struct sockaddr *)&to6, 0, &route), 0);
	assert_int_equal(route.interface, LOOPBACK);
}

static void test_route_default(void **state)
{
	struct place *place = need(state);
	struct netlink_route route = { 0 };

	assert_int_equal(netlink_route_default(place->netlink, &route), -ENETUNREACH);
	assert_int_equal(
		netlink_route_add(place->netlink, LOOPBACK, TABLE, prefix(place, "0.0.0.0", 0)), 0);
	assert_int_equal(netlink_route_default(place->netlink, &route), -ENETUNREACH);
	assert_int_equal(netlink_route_add(place->netlink, LOOPBACK, NETLINK_TABLE_MAIN,
				 prefix(place, "::", 0)),
		0);
	assert_int_equal(netlink_route_default(place->netlink, &route), 0);
	assert_int_equal(route.interface, LOOPBACK);
}

/* ---- a list that changes while it is told ---- */

/* So many parts of answers that begin with such a message still bear the kernel's mark of it. */
static unsigned changes;
static uint16_t changing;

ssize_t __real_mnl_socket_recvfrom(const struct mnl_socket *socket, void *buffer, size_t size);
ssize_t __wrap_mnl_socket_recvfrom(const struct mnl_socket *socket, void *buffer, size_t size);

ssize_t __wrap_mnl_socket_recvfrom(const struct mnl_socket *socket, void *buffer, size_t size)
{
	const ssize_t len = __real_mnl_socket_recvfrom(socket, buffer, size);
	struct nlmsghdr *first = buffer;

	if (len > 0 && first->nlmsg_type == changing && changes) {
		first->nlmsg_flags |= NLM_F_DUMP_INTR;
		changes--;
	}
	return len;
}

static void test_changing_list(void **state)
{
	enum { ROUTES = 3000 }; /* which an answer has several parts for */
	struct place *place = need(state);
	struct undo_lines lines;
	struct netlink_bridge facts;

	for (unsigned i = 0; i < ROUTES; i++) {
		char text[INET_ADDRSTRLEN];

		snprintf(text, sizeof(text), "10.%u.%u.0", 40 + i / 256, i % 256);
		assert_int_equal(netlink_route_add(place->netlink, LOOPBACK, NETLINK_TABLE_MAIN,
					 prefix(place, text, 24)),
			0);
	}
	assert_int_equal(device_facts_lines(place->netlink, LOOPBACK, &lines), 0);
	const size_t count = lines.count;

	assert_true(count >= ROUTES);
	undo_free(&lines);
	changing = RTM_NEWROUTE;
	for (unsigned times = 1; times <= 3; times++) {
		changes = times;
		assert_int_equal(device_facts_lines(place->netlink, LOOPBACK, &lines), 0);
		assert_int_equal(lines.count, count);
		undo_free(&lines);
	}
	changes = UINT_MAX;
	assert_int_equal(device_facts_lines(place->netlink, LOOPBACK, &lines), -EAGAIN);
	assert_int_equal(lines.count, 0);
	changing = RTM_NEWLINK;
	changes = 1;
	assert_int_equal(
		netlink_bridge_get(place->netlink, LOOPBACK, LOOPBACK, &facts), -EOPNOTSUPP);
	assert_int_equal(changes, 0);
	changes = UINT_MAX;
	assert_int_equal(netlink_bridge_get(place->netlink, LOOPBACK, LOOPBACK, &facts), -EAGAIN);
	changes = 0;
	assert_int_equal(device_facts_lines(place->netlink, LOOPBACK, &lines), 0);
	assert_int_equal(lines.count, count);
	undo_free(&lines);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mtu),
		cmocka_unit_test(test_bridge),
		cmocka_unit_test(test_ethernet_address),
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_routes),
		cmocka_unit_test(test_unreachable),
		cmocka_unit_test(test_rules),
		cmocka_unit_test(test_route_get),
		cmocka_unit_test(test_route_default),
		cmocka_unit_test(test_changing_list),
	};

	return cmocka_run_group_tests(tests, enter_namespace, leave_namespace);
}
