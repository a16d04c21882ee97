/* SPDX-License-Identifier: ISC */
/* The internet checksum. */
/*
 * The loop works on vectors of 32-bit lanes, each of which holds two 16-bit words: those are added
 * to two sums of their own, which have 16 bits to spare for carries. tests/bench/checksum.c
 * compares this with the usual forms; it is written without arrays because gcc keeps those in
 * memory.
 */
#include "core/checksum.h"

#include <string.h>

typedef uint32_t lanes __attribute__((vector_size(16)));

static inline lanes load_lanes(const uint8_t *at)
{
	lanes words;

	memcpy(&words, at, sizeof(words));
	return words;
}

static inline uint64_t sum_tail(const uint8_t *at, size_t len)
{
	uint64_t sum = 0;
	uint32_t word;

	for (; len >= 4; at += 4, len -= 4) {
		memcpy(&word, at, 4);
		sum += word;
	}
	if (len & 2) {
		uint16_t half;

		memcpy(&half, at, 2);
		sum += half;
		at += 2;
	}
	if (len & 1) {
		const uint8_t last[2] = { *at, 0 };
		uint16_t half;

		memcpy(&half, last, 2);
		sum += half;
	}
	return sum;
}

uint64_t checksum_sum(const void *data, size_t len)
{
	const uint8_t *at = data;
	lanes even = { 0 }, odd = { 0 };

	if (len < 32)
		return sum_tail(at, len);
	for (; len >= 32; at += 32, len -= 32) {
		const lanes first = load_lanes(at), second = load_lanes(at + 16);

		even += (first & 0xffff) + (second & 0xffff);
		odd += (first >> 16) + (second >> 16);
	}
	return sum_tail(at, len) + even[0] + even[1] + even[2] + even[3] + odd[0] + odd[1] +
	       odd[2] + odd[3];
}
