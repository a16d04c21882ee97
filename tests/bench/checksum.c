/* SPDX-License-Identifier: ISC */
/* Measures forms of the internet checksum (RFC 1071), beside the one that core/checksum.c uses. */
/*
 *   cc -O2 -std=gnu11 -D_GNU_SOURCE -Isrc tests/bench/checksum.c src/core/checksum.c && ./a.out
 *
 * Each form sums the native 16-bit words of a buffer, without folding. A figure is the best of some
 * rounds over a buffer that stays in the first-level cache (as a segment's payload does, which is
 * sealed or was opened a moment ago).
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/checksum.h"

typedef uint64_t (*sum_form)(const uint8_t *data, size_t len);

static uint64_t tail(const uint8_t *data, size_t len)
{
	uint64_t sum = 0;
	uint16_t word = 0;

	for (; len >= 2; data += 2, len -= 2) {
		memcpy(&word, data, 2);
		sum += word;
	}
	word = 0;
	memcpy(&word, data, len);
	return sum + word;
}

static uint64_t by_words16(const uint8_t *data, size_t len)
{
	return tail(data, len);
}

static uint64_t by_words32(const uint8_t *data, size_t len)
{
	uint64_t sum = 0;
	uint32_t word;

	for (; len >= 4; data += 4, len -= 4) {
		memcpy(&word, data, 4);
		sum += word;
	}
	return sum + tail(data, len);
}

/* Eight words into eight accumulators: left to the compiler to make vectors of. */
static uint64_t by_words32_unrolled(const uint8_t *data, size_t len)
{
	uint64_t sums[8] = { 0 }, sum = 0;

	for (; len >= 32; data += 32, len -= 32) {
		uint32_t words[8];

		memcpy(words, data, 32);
		for (int i = 0; i < 8; i++)
			sums[i] += words[i];
	}
	for (int i = 0; i < 8; i++)
		sum += sums[i];
	return sum + tail(data, len);
}

static uint64_t fold128(unsigned __int128 sum)
{
	return (uint64_t)(sum >> 96) + (uint32_t)(sum >> 64) + (uint32_t)(sum >> 32) +
	       (uint32_t)sum;
}

/* Add with carry. */
static uint64_t by_words64_carry(const uint8_t *data, size_t len)
{
	unsigned __int128 even = 0, odd = 0;
	uint64_t words[4];

	for (; len >= 32; data += 32, len -= 32) {
		memcpy(words, data, 32);
		even += words[0];
		odd += words[1];
		even += words[2];
		odd += words[3];
	}
	return fold128(even) + fold128(odd) + tail(data, len);
}

/* 64-bit words, split into halves: no carry to look after. */
static uint64_t by_words64_split(const uint8_t *data, size_t len)
{
	uint64_t low = 0, high = 0, words[4];

	for (; len >= 32; data += 32, len -= 32) {
		memcpy(words, data, 32);
		for (int i = 0; i < 4; i++) {
			low += (uint32_t)words[i];
			high += words[i] >> 32;
		}
	}
	return low + high + tail(data, len);
}

#define VECTOR_FORM(name, bytes, attributes)                                    \
	attributes static uint64_t name(const uint8_t *data, size_t len)        \
	{                                                                       \
		typedef uint32_t lanes __attribute__((vector_size(bytes)));     \
		lanes even = { 0 }, odd = { 0 }, first, second;                 \
		uint64_t sum = 0;                                               \
                                                                                \
		for (; len >= 2 * bytes; data += 2 * bytes, len -= 2 * bytes) { \
			memcpy(&first, data, bytes);                            \
			memcpy(&second, data + bytes, bytes);                   \
			even += (first & 0xffff) + (second & 0xffff);           \
			odd += (first >> 16) + (second >> 16);                  \
		}                                                               \
		for (size_t lane = 0; lane < bytes / 4; lane++)                 \
			sum += (uint64_t)even[lane] + odd[lane];                \
		return sum + by_words32(data, len);                             \
	}

VECTOR_FORM(by_lanes16, 16, )
VECTOR_FORM(by_lanes32, 32, )
#ifdef __x86_64__
VECTOR_FORM(by_lanes32_avx2, 32, __attribute__((target("avx2"))))
#endif

static uint64_t by_chosen(const uint8_t *data, size_t len)
{
	return checksum_sum(data, len);
}

static const struct {
	const char *name;
	sum_form form;
} forms[] = {
	{ "16-bit words", by_words16 },
	{ "32-bit words", by_words32 },
	{ "32-bit words, 8 sums", by_words32_unrolled },
	{ "64-bit words, carry", by_words64_carry },
	{ "64-bit words, halves", by_words64_split },
	{ "16-byte lanes", by_lanes16 },
	{ "32-byte lanes", by_lanes32 },
#ifdef __x86_64__
	{ "32-byte lanes, AVX2", by_lanes32_avx2 },
#endif
	{ "core/checksum.c", by_chosen },
};

static const size_t sizes[] = { 20, 64, 576, 1380, 16384, 65535 };

static uint64_t clock_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* Nanoseconds a call. The compiler is kept from knowing that all calls give the same. */
static double measure(sum_form form, const uint8_t *data, size_t len)
{
	const unsigned calls = (unsigned)(4000000 / (len + 100)) + 1;
	uint64_t best = UINT64_MAX;
	volatile uint64_t sink;

	for (int round = 0; round < 15; round++) {
		const uint64_t start = clock_ns();

		for (unsigned i = 0; i < calls; i++) {
			__asm__ volatile("" : "+r"(data) : : "memory");
			sink = form(data, len);
		}
		const uint64_t spent = clock_ns() - start;

		if (spent < best)
			best = spent;
	}
	(void)sink;
	return (double)best / calls;
}

static bool agrees(sum_form form, const uint8_t *data, size_t len)
{
	if (checksum_fold(form(data, len)) == checksum_fold(by_words16(data, len)))
		return true;
	fprintf(stderr, "a form differs at %zu bytes\n", len);
	return false;
}

int main(void)
{
	static uint8_t memory[65536 + 16];
	const uint8_t *data = memory + 2; /* packets lie where they lie */

	for (size_t i = 0; i < sizeof(memory); i++)
		memory[i] = (uint8_t)(i * 2654435761u >> 13);
	printf("%-24s", "ns a call (GB/s)");
	for (size_t s = 0; s < sizeof(sizes) / sizeof(*sizes); s++)
		printf(" %10zu B   ", sizes[s]);
	for (size_t f = 0; f < sizeof(forms) / sizeof(*forms); f++) {
		printf("\n%-24s", forms[f].name);
#ifdef __x86_64__
		if (forms[f].form == by_lanes32_avx2 && !__builtin_cpu_supports("avx2")) {
			printf(" not on this machine");
			continue;
		}
#endif
		for (size_t s = 0; s < sizeof(sizes) / sizeof(*sizes); s++) {
			if (!agrees(forms[f].form, data, sizes[s]))
				return EXIT_FAILURE;
			const double ns = measure(forms[f].form, data, sizes[s]);

			printf(" %7.1f (%4.1f)", ns, (double)sizes[s] / ns);
		}
	}
	putchar('\n');
	return EXIT_SUCCESS;
}
