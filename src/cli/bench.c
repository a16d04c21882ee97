/* SPDX-License-Identifier: ISC */
/* culvert bench: how fast each cipher is on this machine, and which one Cipher = auto takes. */
/*
 * A measurement seals, or opens, batch after batch of packets that together have the size of what
 * one read brings from the TUN device, each under a counter of its own, as the engine does; the
 * clock is read once a batch. The rounds of all ciphers take turns, so that something else that
 * runs for a moment disturbs one round of many measurements and not many rounds of one; then the
 * median does not see it.
 */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <sodium.h>

#include "cli/bench.h"
#include "cli/cli.h"
#include "core/key.h"

#ifndef PACKAGE_VERSION
#define PACKAGE_VERSION "(unreleased)"
#endif

const size_t bench_sizes[BENCH_SIZES] = { 64, 576, 1420, 16384 };

enum {
	BATCH = 65536, /* bytes, before sealing */
	BATCH_PACKETS_MAX = BATCH / 64,
	SEALED_MAX = BATCH + BATCH_PACKETS_MAX * AEAD_TAG_MAX,
};

#define ROUND_NS UINT64_C(8000000)
#define WARM_UP_PART 8 /* of a round, before each */

struct work {
	struct aead_key key;
	const struct aead *aead;
	size_t size, packets; /* bytes of each, number in a batch */
	uint64_t counter;     /* of the next packet to seal */
	uint64_t first;       /* of the sealed batch */
	double samples[BENCH_CIPHERS_MAX][BENCH_SIZES][2][BENCH_ROUNDS]; /* 2: seal, open */
	uint8_t plain[BATCH], sealed[SEALED_MAX];
};

/* ---- What there is ---- */

/* "model name : AMD EPYC", which not every kind of machine has. Nothing that would need quoting. */
static void read_cpu(char *name, size_t size)
{
	FILE *file = fopen("/proc/cpuinfo", "re");
	char line[256];

	name[0] = '\0';
	while (file && !name[0] && fgets(line, sizeof(line), file)) {
		const char *colon = strchr(line, ':');

		if (!strncmp(line, "model name", 10) && colon && colon[1])
			snprintf(name, size, "%.*s", (int)strcspn(colon + 2, "\n"), colon + 2);
	}
	if (file)
		fclose(file);
	for (char *at = name; *at; at++) {
		if (*at < ' ' || *at > '~' || *at == '"' || *at == '\\')
			*at = '?';
	}
}

void bench_judge(struct bench *bench)
{
	bool taken = false;

	for (size_t i = 0; i < bench->count; i++) {
		struct bench_cipher *cipher = &bench->ciphers[i];

		if (!cipher->aead) {
			cipher->verdict = BENCH_NO_LIBRARY;
		} else if (!cipher->available) {
			cipher->verdict = BENCH_NO_CPU;
		} else if (!cipher->hardware) {
			cipher->verdict = BENCH_SLOW;
		} else {
			cipher->verdict = taken ? BENCH_BEHIND : BENCH_TAKEN;
			taken = true;
		}
	}
}

const struct bench_cipher *bench_chosen(const struct bench *bench)
{
	for (size_t i = 0; i < bench->count; i++) {
		if (bench->ciphers[i].verdict == BENCH_TAKEN)
			return &bench->ciphers[i];
	}
	return NULL;
}

void bench_list(struct bench *bench)
{
	static const char *const newer[] = { "aegis-128l", "aegis-256" };
	const struct aead *aead;

	*bench = (struct bench){ .version = PACKAGE_VERSION, .libsodium = sodium_version_string() };
	read_cpu(bench->cpu, sizeof(bench->cpu));
	while ((aead = aead_at(bench->count))) {
		struct bench_cipher *cipher = &bench->ciphers[bench->count++];

		*cipher = (struct bench_cipher){ .name = aead->name, .aead = aead };
		cipher->available = aead->available();
		cipher->hardware = cipher->available && aead->hardware();
	}
	for (size_t i = 0; i < sizeof(newer) / sizeof(*newer); i++) {
		if (!aead_by_name(newer[i]))
			bench->ciphers[bench->count++].name = newer[i];
	}
	bench_judge(bench);
}

/* ---- Measuring ---- */

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static int seal_batch(struct work *work)
{
	const struct aead *aead = work->aead;

	work->first = work->counter;
	for (size_t i = 0; i < work->packets; i++)
		aead->seal(&work->key, work->counter++,
			work->sealed + i * (work->size + aead->tag_len),
			work->plain + i * work->size, work->size);
	return 0;
}

/* Always the batch that was sealed last: a cipher takes no longer for one that it has seen. */
static int open_batch(struct work *work)
{
	const struct aead *aead = work->aead;
	const size_t sealed_len = work->size + aead->tag_len;
	int error = 0;

	for (size_t i = 0; i < work->packets; i++)
		error |= aead->open(&work->key, work->first + i, work->plain + i * work->size,
			work->sealed + i * sealed_len, sealed_len);
	return error ? -EBADMSG : 0;
}

/* Batches for at least that long. */
static int run_for(struct work *work, int (*batch)(struct work *), uint64_t ns, double *ns_a_packet)
{
	const uint64_t begin = now_ns();
	uint64_t packets = 0, passed;

	do {
		int error = batch(work);

		if (error)
			return error;
		packets += work->packets;
		passed = now_ns() - begin;
	} while (passed < ns);
	*ns_a_packet = (double)passed / (double)packets;
	return 0;
}

static int measure_cipher(struct work *work, const struct bench_cipher *cipher,
	double samples[BENCH_SIZES][2][BENCH_ROUNDS], size_t round, uint64_t round_ns)
{
	static int (*const batches[2])(struct work *) = { seal_batch, open_batch };
	uint8_t raw[AEAD_KEY_MAX];

	randombytes_buf(raw, sizeof(raw));
	cipher->aead->prepare(&work->key, raw);
	key_wipe(raw, sizeof(raw));
	work->aead = cipher->aead;
	work->counter = 0;
	for (size_t i = 0; i < BENCH_SIZES; i++) {
		work->size = bench_sizes[i];
		work->packets = BATCH / work->size;
		for (int way = 0; way < 2; way++) {
			double *sample = &samples[i][way][round];
			int error = run_for(work, batches[way], round_ns / WARM_UP_PART, sample);

			if (!error)
				error = run_for(work, batches[way], round_ns, sample);
			if (error)
				return error;
		}
	}
	return 0;
}

static int compare(const void *a, const void *b)
{
	const double *left = a, *right = b;

	return (*left > *right) - (*left < *right);
}

static double median(double samples[BENCH_ROUNDS])
{
	qsort(samples, BENCH_ROUNDS, sizeof(*samples), compare);
	return samples[BENCH_ROUNDS / 2];
}

int bench_measure(struct bench *bench, uint64_t round_ns)
{
	struct work *work = calloc(1, sizeof(*work));
	int error = work ? 0 : -ENOMEM;

	for (size_t round = 0; !error && round < BENCH_ROUNDS; round++) {
		for (size_t i = 0; !error && i < bench->count; i++) {
			if (bench->ciphers[i].available)
				error = measure_cipher(work, &bench->ciphers[i], work->samples[i],
					round, round_ns);
		}
	}
	for (size_t i = 0; !error && i < bench->count; i++) {
		for (size_t size = 0; size < BENCH_SIZES; size++) {
			struct bench_speed *speed = &bench->ciphers[i].speeds[size];

			speed->seal = median(work->samples[i][size][0]);
			speed->open = median(work->samples[i][size][1]);
		}
	}
	if (work)
		key_wipe(work, sizeof(*work));
	free(work);
	return error;
}

/* ---- The command ---- */

static const char usage[] =
	"usage: culvert bench [--json]\n"
	"\n"
	"Measures for two or three seconds how fast each cipher seals and opens packets on this\n"
	"machine, in one thread, and tells which one Cipher = auto takes and why.\n"
	"\n"
	"  --json  the same for programs\n"
	"\n"
	"The sizes: a small packet, the smallest that every host must take whole, a full one in\n"
	"a tunnel over Ethernet, and one at which the cipher's own speed is all that counts. A\n"
	"GB is 10^9 bytes, counted before sealing.\n";

int cli_bench(int argc, char **argv)
{
	static const struct option options[] = { { "help", no_argument, NULL, 'h' },
		{ "json", no_argument, NULL, 'j' }, { 0 } };
	struct bench bench;
	bool json = false;
	int option, status, error;

	while ((option = cli_next_option(argc, argv, "h", options, usage, &status)) != -1) {
		if (option == -2)
			return status;
		json = true;
	}
	if (optind < argc)
		return cli_usage_error(argv[0], "takes no argument but --json: %s", argv[optind]);
	bench_list(&bench);
	error = bench_measure(&bench, ROUND_NS);
	if (error) {
		fprintf(stderr, "culvert bench: %s\n",
			error == -ENOMEM ? "out of memory"
					 : "a cipher cannot open what it has sealed: do not use "
					   "this libsodium on this machine");
		return CLI_FAILED;
	}
	if (json)
		bench_print_json(stdout, &bench);
	else
		bench_print(stdout, &bench);
	return CLI_OK;
}
