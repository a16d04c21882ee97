/* SPDX-License-Identifier: ISC */
/* The internet checksum, against a sum word by word. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/checksum.h"
#include "../random.h"

/* RFC 1071 as it is written: big-endian words, a carry put back as soon as there is one. */
static uint16_t slow_fold(const uint8_t *data, size_t len)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < len; i++) {
		sum += i % 2 ? data[i] : (uint32_t)data[i] << 8;
		if (sum > 0xffff)
			sum = (sum & 0xffff) + 1;
	}
	return (uint16_t)sum;
}

/* As a big-endian number, from the bytes as they would be stored. */
static uint16_t stored(uint16_t folded)
{
	uint8_t bytes[2];

	memcpy(bytes, &folded, 2);
	return (uint16_t)(bytes[0] << 8 | bytes[1]);
}

static void test_rfc_example(void **state)
{
	static const uint8_t data[] = { 0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7 };

	(void)state;
	assert_int_equal(stored(checksum_fold(checksum_sum(data, sizeof(data)))), 0xddf2);
}

/* Each length at each alignment, in memory that ends where the data ends. */
static void test_lengths_and_alignments(void **state)
{
	(void)state;
	random_state = 1;
	for (size_t len = 0; len <= 300; len++) {
		for (size_t skew = 0; skew < 33; skew++) {
			uint8_t *memory = malloc(skew + len + !(skew + len));

			assert_non_null(memory);
			for (size_t i = 0; i < skew + len; i++)
				memory[i] = (uint8_t)next_random();
			assert_int_equal(stored(checksum_fold(checksum_sum(memory + skew, len))),
				slow_fold(memory + skew, len));
			free(memory);
		}
	}
}

static void test_random_packets(void **state)
{
	static uint8_t data[65536];

	(void)state;
	random_state = 2;
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)next_random();
	for (int i = 0; i < 3000; i++) {
		const size_t start = next_random() % sizeof(data);
		const size_t room = sizeof(data) - start;
		const size_t len = next_random() % ((i % 16 ? room % 2000 : room) + 1);

		assert_int_equal(stored(checksum_fold(checksum_sum(data + start, len))),
			slow_fold(data + start, len));
	}
}

/* The largest sums there are: no lane may overflow. */
static void test_all_ones(void **state)
{
	const size_t max = 1 << 20;
	uint8_t *data = malloc(max);

	(void)state;
	assert_non_null(data);
	memset(data, 0xff, max);
	for (size_t len = max; len > 2; len = len * 3 / 4) {
		uint64_t plain = 0;

		for (size_t i = 0; i + 1 < len; i += 2)
			plain += 0xffff;
		/* Not folded: ones stay ones however many carries are lost. */
		assert_true(checksum_sum(data, len) >= plain);
		assert_int_equal(
			stored(checksum_fold(checksum_sum(data, len))), slow_fold(data, len));
	}
	free(data);
}

/* Sums of even parts add up to the sum of the whole. */
static void test_parts(void **state)
{
	uint8_t data[512];

	(void)state;
	random_state = 3;
	for (int i = 0; i < 2000; i++) {
		const size_t len = next_random() % sizeof(data);
		const size_t split = next_random() % (len + 1) & ~(size_t)1;

		for (size_t at = 0; at < len; at++)
			data[at] = (uint8_t)next_random();
		assert_int_equal(checksum_fold(checksum_sum(data, split) +
					       checksum_sum(data + split, len - split)),
			checksum_fold(checksum_sum(data, len)));
	}
}

static void test_fold(void **state)
{
	static const struct {
		uint64_t sum;
		uint16_t folded;
	} cases[] = {
		{ 0, 0 },
		{ 1, 1 },
		{ 0xffff, 0xffff },
		{ 0x10000, 1 },
		{ 0x1fffe, 0xffff },
		{ 0x1ffff, 1 },
		{ UINT32_MAX, 0xffff },
		{ UINT64_C(0x100000000), 1 },
		{ UINT64_C(0xffffffff00000001), 1 },
		{ UINT64_C(0xfffefffefffefffe), 0xfffb },
		{ UINT64_MAX - 1, 0xfffe },
		{ UINT64_MAX, 0xffff },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		uint64_t slow = cases[i].sum;

		while (slow > 0xffff)
			slow = (slow & 0xffff) + (slow >> 16);
		assert_int_equal(slow, cases[i].folded);
		assert_int_equal(checksum_fold(cases[i].sum), cases[i].folded);
	}
	random_state = 4;
	for (int i = 0; i < 1000000; i++) {
		const uint64_t sum = next_random() >> next_random() % 64;
		uint64_t slow = sum;

		while (slow > 0xffff)
			slow = (slow & 0xffff) + (slow >> 16);
		assert_int_equal(checksum_fold(sum), slow);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rfc_example),
		cmocka_unit_test(test_lengths_and_alignments),
		cmocka_unit_test(test_random_packets),
		cmocka_unit_test(test_all_ones),
		cmocka_unit_test(test_parts),
		cmocka_unit_test(test_fold),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
