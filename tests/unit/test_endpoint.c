/* SPDX-License-Identifier: ISC */
/* Endpoints: text forms, bytes, comparison. */
#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/endpoint.h"

struct good {
	const char *text;
	const char *canonical; /* NULL: as text */
	int family;
	const char *address;
	unsigned port;
	uint32_t scope;
};

static const struct good good[] = {
	{ "192.0.2.1:51820", NULL, AF_INET, "192.0.2.1", 51820, 0 },
	{ "0.0.0.0:1", NULL, AF_INET, "0.0.0.0", 1, 0 },
	{ "255.255.255.255:65535", NULL, AF_INET, "255.255.255.255", 65535, 0 },
	{ "[2001:db8::1]:51820", NULL, AF_INET6, "2001:db8::1", 51820, 0 },
	{ "[2001:DB8:0::0001]:7", "[2001:db8::1]:7", AF_INET6, "2001:db8::1", 7, 0 },
	{ "[::]:1", NULL, AF_INET6, "::", 1, 0 },
	{ "[::1]:65535", NULL, AF_INET6, "::1", 65535, 0 },
	{ "[fe80::1%2]:51820", NULL, AF_INET6, "fe80::1", 51820, 2 },
	{ "[fe80::1%4294967295]:9", NULL, AF_INET6, "fe80::1", 9, 4294967295u },
	{ "[::ffff:192.0.2.1]:53", NULL, AF_INET6, "::ffff:192.0.2.1", 53, 0 },
	{ "[1:2:3:4:5:6:7:8]:10", NULL, AF_INET6, "1:2:3:4:5:6:7:8", 10, 0 },
	{ "[ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255%4294967295]:65535",
		"[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff%4294967295]:65535", AF_INET6,
		"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 65535, 4294967295u },
};

static const char *const bad[] = {
	"",
	":",
	":51820",
	"192.0.2.1",
	"192.0.2.1:",
	"192.0.2.1:0",
	"192.0.2.1:00",
	"192.0.2.1:080",
	"192.0.2.1:65536",
	"192.0.2.1:99999",
	"192.0.2.1:4294967297",
	"192.0.2.1:18446744073709551617",
	"192.0.2.1:340282366920938463463374607431768211457",
	"192.0.2.1:-1",
	"192.0.2.1:+1",
	"192.0.2.1: 1",
	"192.0.2.1:1 ",
	"192.0.2.1:1\n",
	"192.0.2.1:1x",
	"192.0.2.1:0x10",
	"192.0.2.1:http",
	" 192.0.2.1:1",
	"192.0.2.1 :1",
	"192.0.2:1",
	"192.0.2.256:1",
	"192.0.2.1.5:1",
	"192.0.2.01:1",
	"0xc0000201:1",
	"3221225985:1",
	"192.0.2.1%1:1",
	"192.0.2.1:1:1",
	"[192.0.2.1]:1",
	"example.net:1",
	"localhost:1",
	"2001:db8::1:51820",
	"::1:51820",
	"2001:db8::1",
	"[2001:db8::1]",
	"[2001:db8::1]:",
	"[2001:db8::1]:0",
	"[2001:db8::1]:65536",
	"[2001:db8::1]51820",
	"[2001:db8::1]x:51820",
	"[2001:db8::1:51820",
	"2001:db8::1]:51820",
	"[[2001:db8::1]]:51820",
	"[]:1",
	"[:1",
	"]:1",
	"[",
	"[]",
	"[%1]:1",
	"[fe80::1%]:1",
	"[fe80::1%0]:1",
	"[fe80::1%01]:1",
	"[fe80::1%eth0]:1",
	"[fe80::1%1x]:1",
	"[fe80::1%-1]:1",
	"[fe80::1%4294967296]:1",
	"[fe80::1%18446744073709551618]:1",
	"[fe80::1%1%1]:1",
	"[fe80::1 ]:1",
	"[2001:db8:::1]:1",
	"[2001:db8::g]:1",
	"[1:2:3:4:5:6:7:8:9]:1",
	"[2001:db8::1/64]:1",
	"(none)",
};

static void test_good(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		const char *expected = good[i].canonical ? good[i].canonical : good[i].text;
		struct endpoint endpoint, again;
		char text[ENDPOINT_TEXT_SIZE];
		uint8_t address[16], bytes[18];
		const size_t len = good[i].family == AF_INET ? 4 : 16;

		memset(&endpoint, 0xee, sizeof(endpoint));
		if (endpoint_from_text(&endpoint, good[i].text) != 0)
			fail_msg("refused \"%s\"", good[i].text);
		assert_int_equal(endpoint.any.sa_family, good[i].family);
		assert_true(endpoint_is_set(&endpoint));
		endpoint_to_text(text, &endpoint);
		assert_string_equal(text, expected);

		assert_int_equal(inet_pton(good[i].family, good[i].address, address), 1);
		assert_int_equal(endpoint_to_bytes(&endpoint, bytes), len + 2);
		assert_memory_equal(bytes, address, len);
		assert_int_equal(bytes[len] << 8 | bytes[len + 1], good[i].port);
		if (good[i].family == AF_INET6) {
			assert_int_equal(endpoint.v6.sin6_scope_id, good[i].scope);
			assert_int_equal(endpoint.v6.sin6_flowinfo, 0);
			assert_int_equal(
				endpoint_sockaddr_len(&endpoint), sizeof(struct sockaddr_in6));
		} else {
			assert_int_equal(
				endpoint_sockaddr_len(&endpoint), sizeof(struct sockaddr_in));
		}
		/* Nothing is known of our side. */
		assert_int_equal(endpoint.source_interface, 0);
		assert_memory_equal(&endpoint.source6, &in6addr_any, sizeof(in6addr_any));

		assert_int_equal(endpoint_from_text(&again, text), 0);
		assert_true(endpoint_equal(&endpoint, &again));
	}
}

static void test_bad(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct endpoint endpoint, before;

		memset(&before, 0x5a, sizeof(before));
		memcpy(&endpoint, &before, sizeof(endpoint));
		if (endpoint_from_text(&endpoint, bad[i]) != -EINVAL)
			fail_msg("accepted \"%s\"", bad[i]);
		assert_memory_equal(&endpoint, &before, sizeof(endpoint));
	}
}

/* Texts of every length, none of which is an endpoint. */
static void test_long(void **state)
{
	static const char fills[] = { '1', ':', '[', ']', '.', '%', 'a', '0' };
	struct endpoint endpoint;
	char text[301];

	(void)state;
	for (size_t i = 0; i < sizeof(fills); i++)
		for (size_t len = 0; len < 290; len++) {
			memset(text, fills[i], len);
			text[len] = '\0';
			assert_int_equal(endpoint_from_text(&endpoint, text), -EINVAL);
			strcpy(text + len, ":1");
			assert_int_equal(endpoint_from_text(&endpoint, text), -EINVAL);
			memcpy(text, "[", 1);
			strcpy(text + len, "]:1");
			if (strcmp(text, "[::]:1") == 0)
				continue; /* this one is */
			assert_int_equal(endpoint_from_text(&endpoint, text), -EINVAL);
		}
}

static void test_every_port(void **state)
{
	(void)state;
	for (unsigned port = 0; port < 70000; port++) {
		struct endpoint endpoint;
		char text[ENDPOINT_TEXT_SIZE], back[ENDPOINT_TEXT_SIZE];
		int error;

		snprintf(text, sizeof(text), port % 2 ? "[2001:db8::5]:%u" : "198.51.100.7:%u",
			port);
		error = endpoint_from_text(&endpoint, text);
		assert_int_equal(error, port >= 1 && port <= 65535 ? 0 : -EINVAL);
		if (error)
			continue;
		endpoint_to_text(back, &endpoint);
		assert_string_equal(back, text);
	}
}

static void test_equal(void **state)
{
	struct endpoint a, b;
	const size_t count = sizeof(good) / sizeof(good[0]);

	(void)state;
	for (size_t i = 0; i < count; i++)
		for (size_t j = 0; j < count; j++) {
			assert_int_equal(endpoint_from_text(&a, good[i].text), 0);
			assert_int_equal(endpoint_from_text(&b, good[j].text), 0);
			assert_int_equal(endpoint_equal(&a, &b), i == j);
		}
	static const char *const pairs[][2] = {
		{ "192.0.2.1:5", "192.0.2.1:6" },
		{ "192.0.2.1:5", "192.0.2.2:5" },
		{ "[fe80::1]:5", "[fe80::1]:6" },
		{ "[fe80::1]:5", "[fe80::2]:5" },
		{ "[fe80::1%1]:5", "[fe80::1%2]:5" },
		{ "[fe80::1%1]:5", "[fe80::1]:5" },
		{ "[::ffff:192.0.2.1]:5", "192.0.2.1:5" },
	};
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		assert_int_equal(endpoint_from_text(&a, pairs[i][0]), 0);
		assert_int_equal(endpoint_from_text(&b, pairs[i][1]), 0);
		assert_false(endpoint_equal(&a, &b));
		assert_false(endpoint_equal(&b, &a));
	}
}

static void test_source(void **state)
{
	struct endpoint a, b;

	(void)state;
	assert_int_equal(endpoint_from_text(&a, "[2001:db8::1]:51820"), 0);
	b = a;
	memset(&b.source6, 0x11, sizeof(b.source6));
	b.source_interface = 3;
	b.v6.sin6_flowinfo = 7;
	assert_true(endpoint_equal(&a, &b)); /* neither our side nor the flow label counts */
	endpoint_clear_source(&b);
	assert_int_equal(b.source_interface, 0);
	assert_memory_equal(&b.source6, &in6addr_any, sizeof(in6addr_any));
	assert_true(endpoint_equal(&a, &b));
}

static void test_unset(void **state)
{
	struct endpoint none = { 0 }, some;
	char text[ENDPOINT_TEXT_SIZE] = "x";
	uint8_t bytes[18];

	(void)state;
	assert_false(endpoint_is_set(&none));
	assert_true(endpoint_equal(&none, &none));
	assert_int_equal(endpoint_from_text(&some, "192.0.2.1:5"), 0);
	assert_false(endpoint_equal(&none, &some));
	assert_false(endpoint_equal(&some, &none));
	assert_int_equal(endpoint_sockaddr_len(&none), 0);
	assert_int_equal(endpoint_to_bytes(&none, bytes), 0);
	endpoint_to_text(text, &none);
	assert_string_equal(text, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_long),
		cmocka_unit_test(test_every_port),
		cmocka_unit_test(test_equal),
		cmocka_unit_test(test_source),
		cmocka_unit_test(test_unset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
