/* SPDX-License-Identifier: ISC */
/* Devices of others, as far as it is words: lines of what is on one, names of namespaces, sockets
 * that do not go with a file. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "host/device_facts.h"
#include "host/device_place.h"
#include "host/dns_netns.h"
#include "host/inherited.h"
#include "host/netns.h"

static void lines(void **state)
{
	static const struct {
		const char *line;
		uint32_t table; /* 0: an address */
	} cases[] = {
		{ "address 10.9.0.1/24", 0 },
		{ "address fd09::1/64", 0 },
		{ "address 192.0.2.7/32", 0 },
		{ "route 0.0.0.0/0 table 254", 254 },
		{ "route ::/0 table 1665361110", 1665361110 },
		{ "route 10.80.0.0/16 table 7", 7 },
	};
	struct config_prefix prefix;
	char made[DEVICE_LINE_SIZE];
	uint32_t table;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		assert_int_equal(device_facts_parse(cases[i].line, &prefix, &table), 0);
		assert_int_equal(table, cases[i].table);
		if (table)
			device_facts_route(made, &prefix, table);
		else
			device_facts_address(made, &prefix);
		assert_string_equal(made, cases[i].line);
	}
}

/* A state file may have been written by anything. */
static void wrong_lines(void **state)
{
	static const char *const cases[] = { "", "address", "address 10.9.0.1",
		"address 10.9.0.1/33", "address fd09::1/129", "address 10.9.0/24",
		"address 10.9.0.1/24 table 7", "route 10.9.0.0/24", "route 10.9.0.0/24 table x",
		"routes 10.9.0.0/24 table 7", "mtu 1500", "link down", "address fd09::1::2/64" };
	struct config_prefix prefix;
	uint32_t table;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		assert_true(device_facts_parse(cases[i], &prefix, &table) < 0);
}

static void namespaces(void **state)
{
	static const struct {
		const char *given, *path, *name, *resolv_conf;
	} cases[] = {
		{ "cell", "/run/netns/cell", "cell", "/etc/netns/cell/resolv.conf" },
		{ "/run/netns/cell", "/run/netns/cell", "cell", "/etc/netns/cell/resolv.conf" },
		{ "/var/run/netns/a.b", "/var/run/netns/a.b", "a.b", "/etc/netns/a.b/resolv.conf" },
		{ "/proc/1/ns/net", "/proc/1/ns/net", NULL, NULL },
		{ "/run/netns/a/b", "/run/netns/a/b", NULL, NULL },
		{ "/run/netns/", "/run/netns/", NULL, NULL },
	};
	char path[PATH_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const char *name = netns_name(cases[i].given);

		assert_int_equal(netns_path(path, cases[i].given), 0);
		assert_string_equal(path, cases[i].path);
		assert_int_equal(!name, !cases[i].name);
		assert_int_equal(dns_netns_path(path, cases[i].given) < 0, !name);
		if (name) {
			assert_string_equal(name, cases[i].name);
			assert_string_equal(path, cases[i].resolv_conf);
		}
	}
}

static void commands(void **state)
{
	static const struct {
		const char *given, *ip;
	} cases[] = {
		{ NULL, "ip" },
		{ "cell", "ip -n cell" },
		{ "/run/netns/cell", "ip -n cell" },
		{ "/proc/1/ns/net", "nsenter --net=/proc/1/ns/net ip" },
		{ "/run/netns/a;reboot", "nsenter --net=PATH ip" },
		{ "/a b", "nsenter --net=PATH ip" },
	};
	char ip[NETNS_IP_SIZE];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		netns_ip(ip, cases[i].given);
		assert_string_equal(ip, cases[i].ip);
	}
}

static void places(void **state)
{
	static const char *const cases[] = { " dev 7 tun0", " dev 4294967295 a-name-of-15-by",
		" dev 2 tun0 of 4242 in /run/netns/a",
		" dev 2 tun0 of 18446744073709551615 in /a b/c d" };
	static const char *const wrong[] = { "", " dev", " dev 7", " dev x tun0", " dev 7 a/b",
		" dev 7 tun0 in /run/netns/a", " dev 7 tun0 of 42", " dev 7 tun0 of 42 in ",
		" dev 7 tun0 of x in /a", " dev 7 tun0x of 1 at /a" };
	struct device_place place;
	char text[DEVICE_PLACE_SIZE];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		assert_true(device_place_read(cases[i], &place));
		assert_int_equal(!place.path, i < 2);
		device_place_write(text, &place);
		assert_string_equal(text, cases[i]);
	}
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
		assert_false(device_place_read(wrong[i], &place));
}

/* Into one's own takes root, too. */
static void another_namespace(void **state)
{
	struct device_place place = { .path = "/proc/self/ns/net" };
	struct netlink *netlink;
	int error;

	(void)state;
	assert_int_equal(netlink_open(&netlink), 0);
	place.namespace = netlink_namespace(netlink);
	netlink_close(netlink);
	assert_true(place.namespace);
	error = device_place_open(&place, &netlink);
	if (error == -EPERM)
		skip();
	assert_int_equal(error, 0);
	assert_int_equal(netlink_namespace(netlink), place.namespace);
	netlink_close(netlink);
	place.namespace += 1;
	assert_int_equal(device_place_open(&place, &netlink), -ESTALE);
	place.path = "/proc/self/ns/mnt";
	assert_int_equal(device_place_open(&place, &netlink), -ESTALE);
	place.path = "/nonexistent";
	assert_int_equal(device_place_open(&place, &netlink), -ESTALE);
}

static void ports(void **state)
{
	static const struct {
		uint16_t socket, file;
		bool given, refused;
	} cases[] = {
		{ 0, 51820, true, false }, /* no socket */
		{ 443, 0, false, false },
		{ 443, 443, true, false },
		{ 443, 51820, true, true },
		{ 443, 0, true, true },
	};
	char why[INHERITED_WHY_SIZE];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const struct inherited inherited = { .udp.port = cases[i].socket };
		const struct config config = { .listen_port = cases[i].file,
			.listen_port_given = cases[i].given };

		assert_int_equal(
			inherited_refusal(&inherited, &config, why) != NULL, cases[i].refused);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines),
		cmocka_unit_test(wrong_lines),
		cmocka_unit_test(namespaces),
		cmocka_unit_test(commands),
		cmocka_unit_test(places),
		cmocka_unit_test(another_namespace),
		cmocka_unit_test(ports),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
