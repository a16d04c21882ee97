/* SPDX-License-Identifier: ISC */
/* Random numbers that follow from a fuzz target's input. */
#include "fuzz.h"
#include "../random.h"

#include <sodium.h>

static uint64_t state;

uint64_t fuzz_random(void)
{
	return splitmix64(&state);
}

static const char *seeded_name(void)
{
	return "fuzz";
}

static uint32_t seeded_random(void)
{
	return (uint32_t)fuzz_random();
}

static void seeded_buf(void *buf, size_t len)
{
	uint8_t *bytes = buf;

	for (size_t i = 0; i < len; i++)
		bytes[i] = (uint8_t)fuzz_random();
}

static struct randombytes_implementation seeded = {
	.implementation_name = seeded_name,
	.random = seeded_random,
	.buf = seeded_buf,
};

void fuzz_begin(uint64_t seed)
{
	static bool ready;

	state = seed;
	if (ready)
		return;
	/* The simulation's checks are cmocka's: outside of a test they are to end the process. */
	if (setenv("CMOCKA_TEST_ABORT", "1", 1) || randombytes_set_implementation(&seeded) ||
		sodium_init() < 0)
		abort();
	ready = true;
}
