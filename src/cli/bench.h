/* SPDX-License-Identifier: ISC */
/* What `culvert bench` found out, and its two forms. Pure functions, but for measuring. */
#ifndef CLI_BENCH_H
#define CLI_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "core/aead.h"

enum {
	BENCH_SIZES = 4,
	BENCH_ROUNDS = 7,
	BENCH_CIPHERS_MAX = AEAD_COUNT_MAX + 2, /* and those that an older libsodium lacks */
};

/* Bytes of a packet before it is sealed. */
extern const size_t bench_sizes[BENCH_SIZES];

/* Nanoseconds a packet. */
struct bench_speed {
	double seal, open;
};

enum bench_verdict {
	BENCH_TAKEN,      /* by Cipher = auto with a peer that has the same */
	BENCH_BEHIND,     /* it would do, but one that is preferred does as well */
	BENCH_SLOW,       /* no hardware for it: auto does not offer it */
	BENCH_NO_CPU,     /* this CPU cannot do it */
	BENCH_NO_LIBRARY, /* the libsodium that this was built with lacks it */
};

struct bench_cipher {
	const char *name;
	const struct aead *aead; /* NULL: not in this build */
	bool available, hardware;
	enum bench_verdict verdict;
	struct bench_speed speeds[BENCH_SIZES]; /* of those that are available */
};

struct bench {
	const char *version, *libsodium;
	char cpu[80]; /* "" if the kernel does not say */
	size_t count;
	struct bench_cipher ciphers[BENCH_CIPHERS_MAX]; /* in the order in which auto prefers them,
							 * then those that are not in the build */
};

/* The ciphers that there are, and which one auto takes. Measures nothing. */
void bench_list(struct bench *bench);

/* Says of each cipher, by available and hardware, what auto thinks of it. */
void bench_judge(struct bench *bench);

/* The one that auto takes, or NULL. */
const struct bench_cipher *bench_chosen(const struct bench *bench);

/* Fills in the speeds: the median of BENCH_ROUNDS rounds of round_ns each. 0, -ENOMEM, or -EBADMSG
 * if a cipher could not open what it had sealed. */
int bench_measure(struct bench *bench, uint64_t round_ns);

void bench_print(FILE *to, const struct bench *bench);
void bench_print_json(FILE *to, const struct bench *bench);

int cli_bench(int argc, char **argv);

#endif
