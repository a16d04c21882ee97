/* SPDX-License-Identifier: ISC */
/* The layouts and wire_classify, which decides what is looked at further. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/wire.h"

/* What the messages are, written down in numbers and a second time. */
struct accepted {
	uint8_t type;
	uint8_t dialect;
	size_t from;
	size_t to;
};

static const struct accepted table[] = {
	{ 1, 0, 148, 148 },
	{ 2, 0, 92, 92 },
	{ 3, 0, 64, 64 },
	{ 4, 0, 32, 65535 },
	{ 1, 1, 148, 148 + 1280 },
	{ 2, 1, 92, 92 + 1280 },
};

static const struct accepted *row_of(unsigned type, unsigned dialect)
{
	static const struct accepted nothing = { .from = 1, .to = 0 };

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (table[i].type == type && table[i].dialect == dialect)
			return &table[i];
	return &nothing;
}

static void check(unsigned type, unsigned dialect, const struct accepted *row, size_t len)
{
	const uint8_t word[4] = { (uint8_t)type, (uint8_t)dialect, 0, 0 };
	const int expected = len >= row->from && len <= row->to ? row->type : 0;
	const int got = wire_classify(word, len);

	if (got != expected)
		fail_msg("type %u dialect %u length %zu: %d instead of %d", type, dialect, len, got,
			expected);
}

/* Every length for the pairs that mean something or nearly do. */
static void test_every_length(void **state)
{
	(void)state;
	for (unsigned type = 0; type < 256; type++)
		for (unsigned dialect = 0; dialect < 256; dialect++) {
			const struct accepted *row = row_of(type, dialect);

			if (type > 5 && dialect > 2 && dialect != 255)
				continue;
			for (size_t len = 4; len <= 65535; len++)
				check(type, dialect, row, len);
		}
}

/* Every pair, for the lengths around every limit that there is. */
static void test_every_type_and_dialect(void **state)
{
	static const size_t limits[] = { 4, 32, 64, 92, 148, 1372, 1428, 1500, 32768, 65533 };

	(void)state;
	for (unsigned type = 0; type < 256; type++)
		for (unsigned dialect = 0; dialect < 256; dialect++) {
			const struct accepted *row = row_of(type, dialect);

			for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++)
				for (size_t len = limits[i] < 6 ? 4 : limits[i] - 2;
					len <= limits[i] + 2; len++)
					check(type, dialect, row, len);
		}
}

static void test_reserved_bytes(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		for (unsigned value = 1; value < 256; value++)
			for (unsigned at = 2; at < 4; at++) {
				uint8_t word[4] = { table[i].type, table[i].dialect };

				assert_int_equal(wire_classify(word, table[i].from), table[i].type);
				word[at] = (uint8_t)value;
				assert_int_equal(wire_classify(word, table[i].from), 0);
			}
}

/* Too short for the type word: in buffers of just that size, so that a sanitizer sees a read
 * beyond. */
static void test_shorter_than_type(void **state)
{
	/* Out of the compiler's sight, or it leaves out reads whose result does not matter. */
	int (*volatile classify)(const uint8_t *, size_t) = wire_classify;

	(void)state;
	for (size_t len = 0; len < 4; len++) {
		uint8_t *message = malloc(len ? len : 1);

		assert_non_null(message);
		memset(message, 0, len ? len : 1);
		message[0] = WIRE_DATA;
		assert_int_equal(classify(message, len), 0);
		free(message);
	}
}

static void test_type_word(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		uint8_t word[4] = { 0xff, 0xff, 0xff, 0xff };

		wire_put_type(word, table[i].type, table[i].dialect);
		assert_int_equal(word[0], table[i].type);
		assert_int_equal(word[1], table[i].dialect);
		assert_int_equal(word[2], 0);
		assert_int_equal(word[3], 0);
		assert_int_equal(wire_dialect_of(word), table[i].dialect);
	}
}

static void test_integers(void **state)
{
	static const uint8_t bytes[9] = { 0xfe, 0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef };
	uint8_t out[10];

	(void)state;
	assert_true(wire_get32(bytes) == 0x452301fe);
	assert_true(wire_get32(bytes + 5) == 0xefcdab89); /* not aligned, top bit set */
	assert_true(wire_get64(bytes) == UINT64_C(0xcdab8967452301fe));
	assert_true(wire_get64(bytes + 1) == UINT64_C(0xefcdab8967452301));
	memset(out, 0x55, sizeof(out));
	wire_put64(out + 1, UINT64_C(0xefcdab8967452301));
	assert_memory_equal(out + 1, bytes + 1, 8);
	assert_int_equal(out[0], 0x55);
	assert_int_equal(out[9], 0x55);
	memset(out, 0x55, sizeof(out));
	wire_put32(out + 3, 0x452301fe);
	assert_memory_equal(out + 3, bytes, 4);
	assert_int_equal(out[2], 0x55);
	assert_int_equal(out[7], 0x55);
}

/* WireGuard's layouts, byte for byte. */
static void test_offsets(void **state)
{
	(void)state;
	assert_int_equal(offsetof(struct wire_initiation, sender), 4);
	assert_int_equal(offsetof(struct wire_initiation, ephemeral), 8);
	assert_int_equal(offsetof(struct wire_initiation, sealed_static), 40);
	assert_int_equal(sizeof(struct wire_initiation), 88);
	assert_int_equal(offsetof(struct wire_response, sender), 4);
	assert_int_equal(offsetof(struct wire_response, receiver), 8);
	assert_int_equal(offsetof(struct wire_response, ephemeral), 12);
	assert_int_equal(sizeof(struct wire_response), 44);
	assert_int_equal(offsetof(struct wire_cookie, receiver), 4);
	assert_int_equal(offsetof(struct wire_cookie, nonce), 8);
	assert_int_equal(offsetof(struct wire_cookie, sealed_cookie), 32);
	assert_int_equal(offsetof(struct wire_data, receiver), 4);
	assert_int_equal(offsetof(struct wire_data, counter), 8);
	assert_int_equal(offsetof(struct wire_macs, mac1), 0);
	assert_int_equal(offsetof(struct wire_macs, mac2), 16);
	assert_true(WIRE_REJECT_AFTER_MESSAGES == UINT64_C(0xffffffffffffdfff));
	assert_true(WIRE_REKEY_AFTER_MESSAGES == UINT64_C(1152921504606846976));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_length),
		cmocka_unit_test(test_every_type_and_dialect),
		cmocka_unit_test(test_reserved_bytes),
		cmocka_unit_test(test_shorter_than_type),
		cmocka_unit_test(test_type_word),
		cmocka_unit_test(test_integers),
		cmocka_unit_test(test_offsets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
