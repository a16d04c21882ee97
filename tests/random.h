/* SPDX-License-Identifier: ISC */
/* Random numbers for tests, the same in each run: splitmix64. */
#ifndef TESTS_RANDOM_H
#define TESTS_RANDOM_H

#include <stdint.h>

static inline uint64_t splitmix64(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

/* For a test that needs one series: set it first. */
static uint64_t random_state;

static inline uint64_t next_random(void)
{
	return splitmix64(&random_state);
}

#endif
