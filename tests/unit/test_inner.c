/* SPDX-License-Identifier: ISC */
/* What a tunnel knows of inner packets: family, addresses, length, ECN and its checksum. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "core/inner.h"
#include "../random.h"

/* RFC 1071: the ones' complement sum of the header's 16-bit words. */
static uint32_t sum_words(const uint8_t *header, size_t len)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < len; i += 2)
		sum += (uint32_t)header[i] << 8 | header[i + 1];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

static size_t header_len(const uint8_t *packet)
{
	return (size_t)(packet[0] & 15) * 4;
}

static void write_checksum(uint8_t *packet)
{
	packet[10] = packet[11] = 0;
	const uint32_t sum = ~sum_words(packet, header_len(packet)) & 0xffff;

	packet[10] = (uint8_t)(sum >> 8);
	packet[11] = (uint8_t)sum;
}

/* RFC 6040 §4.2, figure 4: [inner][outer], in the order Not-ECT, ECT(1), ECT(0), CE. */
enum { DROP = 4 };

static const uint8_t decapsulated[4][4] = {
	{ 0, 0, 0, DROP },
	{ 1, 1, 1, 3 },
	{ 2, 1, 2, 3 },
	{ 3, 3, 3, 3 },
};

/* Every inner and every outer TOS byte, over headers of every length; the checksum is that of a
 * header written anew. */
static void test_ecn_v4(void **state)
{
	(void)state;
	random_state = 1;
	for (unsigned i = 0; i < 256 * 256; i++) {
		const uint8_t inner_tos = (uint8_t)i, outer_tos = (uint8_t)(i >> 8);
		const uint8_t expected = decapsulated[inner_tos & 3][outer_tos & 3];
		uint8_t packet[64], wanted[64];

		for (size_t at = 0; at < sizeof(packet); at++)
			packet[at] = (uint8_t)next_random();
		packet[0] = (uint8_t)(0x45 + next_random() % 11);
		packet[1] = inner_tos;
		write_checksum(packet);
		memcpy(wanted, packet, sizeof(wanted));
		assert_int_equal(inner_ecn(packet), inner_tos & 3);
		if (expected != DROP) {
			wanted[1] = (uint8_t)((inner_tos & ~3) | expected);
			write_checksum(wanted);
		}
		assert_int_equal(inner_decapsulate_ecn(packet, outer_tos), expected != DROP);
		assert_memory_equal(packet, wanted, sizeof(wanted));
	}
}

/* A checksum that was wrong stays wrong by as much: the change must not mend a damaged header. */
static void test_ecn_v4_damaged(void **state)
{
	(void)state;
	random_state = 2;
	for (unsigned i = 0; i < 200000; i++) {
		uint8_t packet[20];

		for (size_t at = 0; at < sizeof(packet); at++)
			packet[at] = (uint8_t)next_random();
		packet[0] = 0x45;
		packet[1] = (uint8_t)((packet[1] & ~3) | (1 + next_random() % 2));
		if (i % 3 == 0) /* both forms of zero */
			packet[10] = packet[11] = i % 2 ? 0xff : 0;
		const uint32_t before = sum_words(packet, sizeof(packet));

		assert_true(inner_decapsulate_ecn(packet, 3));
		assert_int_equal(inner_ecn(packet), 3);
		assert_int_equal(sum_words(packet, sizeof(packet)) % 0xffff, before % 0xffff);
	}
}

/* The traffic class lies across two bytes; nothing else of the header changes. */
static void test_ecn_v6(void **state)
{
	(void)state;
	random_state = 3;
	for (unsigned i = 0; i < 256 * 256; i++) {
		const uint8_t inner_class = (uint8_t)i, outer_tos = (uint8_t)(i >> 8);
		const uint8_t expected = decapsulated[inner_class & 3][outer_tos & 3];
		uint8_t packet[48], wanted[48];

		for (size_t at = 0; at < sizeof(packet); at++)
			packet[at] = (uint8_t)next_random();
		packet[0] = (uint8_t)(0x60 | inner_class >> 4);
		packet[1] = (uint8_t)(inner_class << 4 | (packet[1] & 15));
		memcpy(wanted, packet, sizeof(wanted));
		assert_int_equal(inner_ecn(packet), inner_class & 3);
		if (expected != DROP) {
			const unsigned class = (inner_class & ~3u) | expected;

			wanted[0] = (uint8_t)(0x60 | class >> 4);
			wanted[1] = (uint8_t)(class << 4 | (wanted[1] & 15));
		}
		assert_int_equal(inner_decapsulate_ecn(packet, outer_tos), expected != DROP);
		assert_memory_equal(packet, wanted, sizeof(wanted));
	}
}

/* Every first byte and every length, in memory of that very size. */
static void test_family(void **state)
{
	(void)state;
	for (size_t len = 0; len <= 60; len++) {
		uint8_t *packet = calloc(1, len ? len : 1);

		assert_non_null(packet);
		for (unsigned first = 0; first < 256; first++) {
			const unsigned version = first >> 4;
			int expected = 0;

			if (version == 4 && len >= 20)
				expected = AF_INET;
			else if (version == 6 && len >= 40)
				expected = AF_INET6;
			if (len)
				packet[0] = (uint8_t)first;
			assert_int_equal(inner_family(packet, len), expected);
		}
		free(packet);
	}
}

static void test_addresses(void **state)
{
	uint8_t packet[40];

	(void)state;
	for (size_t i = 0; i < sizeof(packet); i++)
		packet[i] = (uint8_t)i;
	packet[0] = 0x45;
	assert_int_equal(inner_source(packet)[0], 12);
	assert_int_equal(inner_source(packet)[3], 15);
	assert_int_equal(inner_destination(packet)[0], 16);
	assert_int_equal(inner_destination(packet)[3], 19);
	packet[0] = 0x60;
	assert_int_equal(inner_source(packet)[0], 8);
	assert_int_equal(inner_source(packet)[15], 23);
	assert_int_equal(inner_destination(packet)[0], 24);
	assert_int_equal(inner_destination(packet)[15], 39);
}

/* Every length that an IPv4 header can state against packets of some lengths. */
static void test_length_v4(void **state)
{
	static const size_t lens[] = { 20, 21, 27, 60, 576, 1420, 1500, 65534, 65535, 70000 };
	static uint8_t packet[70000];

	(void)state;
	packet[0] = 0x45;
	for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++)
		for (size_t stated = 0; stated < 65536; stated++) {
			const size_t expected = stated >= 20 && stated <= lens[i] ? stated : 0;

			packet[2] = (uint8_t)(stated >> 8);
			packet[3] = (uint8_t)stated;
			if (inner_length(packet, lens[i]) != expected)
				fail_msg("%zu bytes, %zu stated", lens[i], stated);
		}
}

/* The IPv6 length does not count the header; the sum does not wrap in 16 bits. */
static void test_length_v6(void **state)
{
	static const size_t lens[] = { 40, 41, 60, 1280, 1500, 65534, 65535, 65574, 65575, 70000 };
	static uint8_t packet[70000];

	(void)state;
	packet[0] = 0x60;
	for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++)
		for (size_t stated = 0; stated < 65536; stated++) {
			const size_t expected = 40 + stated <= lens[i] ? 40 + stated : 0;

			packet[4] = (uint8_t)(stated >> 8);
			packet[5] = (uint8_t)stated;
			if (inner_length(packet, lens[i]) != expected)
				fail_msg("%zu bytes, %zu stated", lens[i], stated);
		}
}

/* Packets of any bytes and any length, as long as inner_family knows them: nothing beyond their end
 * is read (for the sanitizers to see), no length beyond it is returned, and only ECN and checksum
 * change. */
static void test_any_bytes(void **state)
{
	(void)state;
	random_state = 4;
	for (int i = 0; i < 100000; i++) {
		const size_t len = next_random() % 80;
		uint8_t *packet = malloc(len ? len : 1), before[80];

		assert_non_null(packet);
		for (size_t at = 0; at < len; at++)
			packet[at] = (uint8_t)next_random();
		if (len && i % 4)
			packet[0] = (uint8_t)((packet[0] & 15) | (i % 2 ? 0x40 : 0x60));
		if (len > 5 && i % 3)
			packet[2] = packet[4] = 0;
		const int family = inner_family(packet, len);

		if (family) {
			const size_t address = family == AF_INET ? 4 : 16;

			assert_true(inner_length(packet, len) <= len);
			assert_true(inner_source(packet) + address == inner_destination(packet));
			assert_true(inner_destination(packet) + address <= packet + len);
			memcpy(before, packet, len);
			(void)inner_decapsulate_ecn(packet, (uint8_t)next_random());
			assert_int_equal(packet[0], before[0]);
			assert_memory_equal(packet + 2, before + 2, 8);
			assert_memory_equal(packet + 12, before + 12, len - 12);
		}
		free(packet);
	}
}

struct udp_case {
	const char *name;
	bool v6;
	uint8_t protocol, words; /* of the header, v4 */
	int fragment;            /* v4: offset; v6: -1 no fragment header */
	size_t len;
	bool expected;
};

static void check_destination(
	const uint8_t *packet, const struct udp_case *c, const struct endpoint *to)
{
	uint8_t seen[18], expected[18];
	const size_t len = endpoint_to_bytes(to, expected);

	if (inner_udp_destination(packet, c->len, seen) != (c->expected ? len : 0))
		fail_msg("%s: the destination's length", c->name);
	if (c->expected)
		assert_memory_equal(seen, expected, len);
}

/* To 192.0.2.1 or 2001:db8::1, port 51820. */
static void test_udp_to(void **state)
{
	static const struct udp_case cases[] = {
		{ "v4", false, 17, 5, 0, 28, true },
		{ "options", false, 17, 15, 0, 68, true },
		{ "options, cut", false, 17, 15, 0, 63, false },
		{ "TCP", false, 6, 5, 0, 40, false },
		{ "first fragment", false, 17, 5, 0x2000, 28, true },
		{ "second fragment", false, 17, 5, 0x2001, 28, false },
		{ "no port", false, 17, 5, 0, 23, false },
		{ "v6", true, 17, 0, -1, 48, true },
		{ "v6 no port", true, 17, 0, -1, 43, false },
		{ "v6 first fragment", true, 44, 0, 1, 56, true },
		{ "v6 second fragment", true, 44, 0, 8, 56, false },
		{ "v6 fragment header cut", true, 44, 0, 0, 47, false },
	};
	struct endpoint to[2];

	(void)state;
	assert_int_equal(endpoint_from_text(&to[0], "192.0.2.1:51820"), 0);
	assert_int_equal(endpoint_from_text(&to[1], "[2001:db8::1]:51820"), 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const struct udp_case *c = &cases[i];
		uint8_t *packet = calloc(1, c->len);
		const size_t port = c->v6 ? (c->fragment < 0 ? 42 : 50) : (size_t)c->words * 4 + 2;

		packet[0] = c->v6 ? 0x60 : (uint8_t)(0x40 | c->words);
		packet[c->v6 ? 6 : 9] = c->protocol;
		if (c->v6) {
			memcpy(packet + 24, &to[1].v6.sin6_addr, 16);
			if (c->fragment >= 0 && c->len >= 44) {
				packet[40] = 17;
				packet[43] = (uint8_t)c->fragment;
			}
		} else {
			memcpy(packet + 16, &to[0].v4.sin_addr, 4);
			packet[6] = (uint8_t)(c->fragment >> 8);
			packet[7] = (uint8_t)c->fragment;
		}
		if (c->len >= port + 2)
			memcpy(packet + port, &to[0].v4.sin_port, 2);
		if (inner_is_udp_to(packet, c->len, &to[c->v6]) != c->expected)
			fail_msg("%s", c->name);
		check_destination(packet, c, &to[c->v6]);
		assert_false(inner_is_udp_to(packet, c->len, &to[!c->v6]));
		if (c->len >= port + 2) {
			packet[port] ^= 1;
			assert_false(inner_is_udp_to(packet, c->len, &to[c->v6]));
		}
		free(packet);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ecn_v4),
		cmocka_unit_test(test_ecn_v4_damaged),
		cmocka_unit_test(test_ecn_v6),
		cmocka_unit_test(test_family),
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_length_v4),
		cmocka_unit_test(test_length_v6),
		cmocka_unit_test(test_any_bytes),
		cmocka_unit_test(test_udp_to),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
