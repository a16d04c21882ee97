/* SPDX-License-Identifier: ISC */
/*
 * What the fuzz targets share: an input that is taken apart byte by byte, checks that end the
 * process, and random numbers that follow from the input.
 *
 * A target is the one function LLVMFuzzerTestOneInput. Whatever it does follows from its input
 * alone: no clock, no randomness of the system, nothing left behind by the input before.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* An invariant: what does not hold is said, and the process ends. */
#define FUZZ_CHECK(condition, ...)                                                       \
	do {                                                                             \
		if (!(condition)) {                                                      \
			fprintf(stderr, "%s:%d: %s does not hold: ", __FILE__, __LINE__, \
				#condition);                                             \
			fprintf(stderr, __VA_ARGS__);                                    \
			fputc('\n', stderr);                                             \
			abort();                                                         \
		}                                                                        \
	} while (0)

/* Begins with an input: libsodium is ready, and its random numbers follow from the seed. */
void fuzz_begin(uint64_t seed);

/* A number that follows from the seed, for what the input should not have to spell out. */
uint64_t fuzz_random(void);

/* An input, or what is left of it. Where nothing is left come zeros. */
struct fuzz_input {
	const uint8_t *at;
	size_t left;
};

static inline size_t fuzz_take(struct fuzz_input *input, void *to, size_t len)
{
	const size_t have = len < input->left ? len : input->left;

	memset(to, 0, len);
	if (have)
		memcpy(to, input->at, have);
	input->at += have;
	input->left -= have;
	return have;
}

static inline uint8_t fuzz_byte(struct fuzz_input *input)
{
	uint8_t byte;

	fuzz_take(input, &byte, 1);
	return byte;
}

static inline bool fuzz_bool(struct fuzz_input *input)
{
	return fuzz_byte(input) & 1;
}

/* Little endian. */
static inline uint64_t fuzz_number(struct fuzz_input *input, size_t bytes)
{
	uint64_t number = 0;

	for (size_t i = 0; i < bytes; i++)
		number |= (uint64_t)fuzz_byte(input) << (8 * i);
	return number;
}

/* From 0 to limit - 1. */
static inline size_t fuzz_below(struct fuzz_input *input, size_t limit)
{
	return (size_t)fuzz_number(input, limit > 256 ? 2 : 1) % limit;
}

/* A copy of exactly that length, so that a sanitizer sees what is read beyond it; to be freed. */
static inline void *fuzz_copy(const void *bytes, size_t len)
{
	void *copy = calloc(len ? len : 1, 1);

	if (!copy)
		abort();
	if (len)
		memcpy(copy, bytes, len);
	return copy;
}

#endif
