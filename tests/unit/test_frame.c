/* SPDX-License-Identifier: ISC */
/* Where an Ethernet frame's link header ends, and whether it is an IP packet that follows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "core/frame.h"

enum { FRAME_SIZE = 100, WORDS_MAX = 5 };

/* A frame's 16-bit words behind its addresses, and what stands behind those. */
struct shape {
	const char *name;
	uint16_t words[WORDS_MAX];
	size_t count;
	uint8_t first_byte;
	size_t link_len;
	uint16_t type;
	int family;
};

static const struct shape shapes[] = {
	{ "IPv4", { 0x0800 }, 1, 0x45, 14, 0x0800, AF_INET },
	{ "IPv6", { 0x86dd }, 1, 0x60, 14, 0x86dd, AF_INET6 },
	{ "ARP", { 0x0806 }, 1, 0x45, 14, 0x0806, 0 },
	{ "no EtherType but a length", { 40 }, 1, 0x45, 14, 40, 0 },
	{ "IPv4 by EtherType, IPv6 by version", { 0x0800 }, 1, 0x60, 14, 0x0800, 0 },
	{ "IPv6 by EtherType, IPv4 by version", { 0x86dd }, 1, 0x45, 14, 0x86dd, 0 },
	{ "IPv4 of no version", { 0x0800 }, 1, 0x05, 14, 0x0800, 0 },
	{ "a tag", { 0x8100, 7, 0x0800 }, 3, 0x45, 18, 0x0800, AF_INET },
	{ "a service tag", { 0x88a8, 7, 0x86dd }, 3, 0x60, 18, 0x86dd, AF_INET6 },
	{ "two tags", { 0x88a8, 7, 0x8100, 8, 0x0800 }, 5, 0x45, 22, 0x0800, AF_INET },
	{ "two tags, the other way round", { 0x8100, 7, 0x88a8, 8, 0x86dd }, 5, 0x60, 22, 0x86dd,
		AF_INET6 },
	{ "the same tag twice", { 0x8100, 7, 0x8100, 7, 0x0800 }, 5, 0x45, 22, 0x0800, AF_INET },
	{ "three tags", { 0x8100, 7, 0x8100, 8, 0x8100 }, 5, 0x45, 22, 0x8100, 0 },
	{ "a tag's numbers that look like a tag", { 0x8100, 0x8100, 0x0800 }, 3, 0x45, 18, 0x0800,
		AF_INET },
	{ "a tag that others use", { 0x9100, 7, 0x0800 }, 3, 0x45, 14, 0x9100, 0 },
	{ "ARP behind a tag", { 0x8100, 7, 0x0806 }, 3, 0x45, 18, 0x0806, 0 },
};

static void build(const struct shape *shape, uint8_t frame[FRAME_SIZE])
{
	memset(frame, shape->first_byte, FRAME_SIZE);
	for (size_t i = 0; i < shape->count; i++) {
		frame[12 + 2 * i] = (uint8_t)(shape->words[i] >> 8);
		frame[13 + 2 * i] = (uint8_t)shape->words[i];
	}
}

static void test_shapes(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(shapes) / sizeof(*shapes); i++) {
		const struct shape *shape = &shapes[i];
		uint8_t frame[FRAME_SIZE];

		build(shape, frame);
		const size_t link_len = frame_link_len(frame, FRAME_SIZE);

		if (link_len != shape->link_len || frame_type(frame, link_len) != shape->type ||
			frame_family(frame, FRAME_SIZE, link_len) != shape->family)
			fail_msg("%s", shape->name);
	}
}

/* Each frame cut at each length, in memory that ends there: a tag that is not whole is none, and
 * neither is an IP header. */
static void test_cut(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(shapes) / sizeof(*shapes); i++) {
		const struct shape *shape = &shapes[i];
		uint8_t frame[FRAME_SIZE];

		build(shape, frame);
		for (size_t len = 0; len <= FRAME_SIZE; len++) {
			uint8_t *exact = malloc(len + !len);
			const size_t fits = len < 14 ? 0 : 14 + (len - 14) / 4 * 4;
			const size_t expected = fits < shape->link_len ? fits : shape->link_len;
			const size_t least = expected + (shape->family == AF_INET ? 20 : 40);

			assert_non_null(exact);
			memcpy(exact, frame, len);
			assert_int_equal(frame_link_len(exact, len), expected);
			if (expected)
				assert_int_equal(frame_family(exact, len, expected),
					expected == shape->link_len && len >= least ? shape->family
										    : 0);
			free(exact);
		}
	}
}

static void test_addresses(void **state)
{
	static const uint8_t frame[] = { 0x33, 0x33, 0, 0, 0, 1, 2, 0, 0, 0, 0, 7, 8, 0 };
	static const uint8_t all[] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };

	(void)state;
	assert_ptr_equal(frame_destination(frame), frame);
	assert_ptr_equal(frame_source(frame), frame + 6);
	assert_true(frame_is_group(frame_destination(frame)));
	assert_false(frame_is_group(frame_source(frame)));
	assert_true(frame_is_group(all));
}

static void test_vlans(void **state)
{
	static const struct {
		uint16_t words[WORDS_MAX];
		size_t count;
		uint16_t vlan;
	} rows[] = {
		{ { 0x0800 }, 1, 0 },
		{ { 0x8100, 7, 0x0800 }, 3, 7 },
		{ { 0x8100, 0xf123, 0x0800 }, 3, 0x123 }, /* with a priority */
		{ { 0x8100, 0xf000, 0x0800 }, 3, 0 },     /* that alone */
		{ { 0x88a8, 0x0fff, 0x8100, 8, 0x0800 }, 5, 0xfff },
		{ { 0x9100, 7, 0x0800 }, 3, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct shape shape = { .count = rows[i].count, .first_byte = 0x45 };
		uint8_t frame[FRAME_SIZE];

		memcpy(shape.words, rows[i].words, sizeof(shape.words));
		build(&shape, frame);
		if (frame_vlan(frame, frame_link_len(frame, FRAME_SIZE)) != rows[i].vlan)
			fail_msg("row %zu", i);
		assert_int_equal(frame_vlan(frame, frame_link_len(frame, 17)), 0); /* cut */
	}
}

/* 15 addresses, and none that differs from them in any other bit. */
static void test_what_stays_on_a_link(void **state)
{
	uint8_t address[FRAME_ADDRESS] = { 0x01, 0x80, 0xc2, 0, 0, 0 };

	(void)state;
	for (unsigned last = 0; last < 256; last++) {
		address[5] = (uint8_t)last;
		assert_int_equal(frame_stays_on_link(address), last >= 1 && last <= 15);
		for (unsigned bit = 0; bit < 40; bit++) {
			address[bit / 8] ^= (uint8_t)(1 << bit % 8);
			assert_false(frame_stays_on_link(address));
			address[bit / 8] ^= (uint8_t)(1 << bit % 8);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_shapes),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_vlans),
		cmocka_unit_test(test_what_stays_on_a_link),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
