/* SPDX-License-Identifier: ISC */
/* What culvert bench found, for a person and as JSON. */
#include "cli/bench.h"

enum {
	FULL_PACKET = 2, /* the size that most bytes travel in, of bench_sizes */
	SURPRISE =
		10, /* per cent by which a cipher must beat the one that auto takes to be named */
};

static double gigabytes(size_t size, double ns)
{
	return ns > 0 ? (double)size / ns : 0;
}

static double packets_a_second(double ns)
{
	return ns > 0 ? 1e9 / ns : 0;
}

static double both_ways(const struct bench_cipher *cipher)
{
	return cipher->speeds[FULL_PACKET].seal + cipher->speeds[FULL_PACKET].open;
}

/* A cipher that auto passed over although it is clearly faster here, or NULL. */
static const struct bench_cipher *find_surprise(const struct bench *bench)
{
	const struct bench_cipher *chosen = bench_chosen(bench), *best = chosen;

	for (size_t i = 0; best && i < bench->count; i++) {
		const struct bench_cipher *cipher = &bench->ciphers[i];

		if (cipher->available && both_ways(cipher) < both_ways(best))
			best = cipher;
	}
	if (!best || both_ways(best) * (100 + SURPRISE) > both_ways(chosen) * 100)
		return NULL;
	return best;
}

static void put_verdict(FILE *to, const struct bench *bench, const struct bench_cipher *cipher)
{
	const struct bench_cipher *chosen = bench_chosen(bench);

	switch (cipher->verdict) {
	case BENCH_TAKEN:
		fputs("taken: the first in the order of preference that is fast here", to);
		break;
	case BENCH_BEHIND:
		fprintf(to, "not taken: %s is preferred", chosen->name);
		break;
	case BENCH_SLOW:
		fputs("not taken: no hardware for it here, only slow code", to);
		break;
	case BENCH_NO_CPU:
		fputs("not there: this CPU cannot do it", to);
		break;
	case BENCH_NO_LIBRARY:
		fprintf(to, "not there: built with libsodium %s, and it takes 1.0.19",
			bench->libsodium);
		break;
	}
}

static void print_speeds(FILE *to, const struct bench_cipher *cipher)
{
	for (size_t i = 0; i < BENCH_SIZES; i++) {
		const struct bench_speed *speed = &cipher->speeds[i];

		fprintf(to, "%-18s %6zu %9.2f %12.0f %10.2f %12.0f\n", i ? "" : cipher->name,
			bench_sizes[i], gigabytes(bench_sizes[i], speed->seal),
			packets_a_second(speed->seal), gigabytes(bench_sizes[i], speed->open),
			packets_a_second(speed->open));
	}
}

void bench_print(FILE *to, const struct bench *bench)
{
	const struct bench_cipher *chosen = bench_chosen(bench);
	const struct bench_cipher *surprise = find_surprise(bench);

	fprintf(to, "culvert %s, libsodium %s, one thread%s%s\n\n", bench->version,
		bench->libsodium, bench->cpu[0] ? " of " : "", bench->cpu);
	fprintf(to, "%-18s %6s %9s %12s %10s %12s\n", "cipher", "bytes", "seal GB/s", "packets/s",
		"open GB/s", "packets/s");
	for (size_t i = 0; i < bench->count; i++) {
		if (bench->ciphers[i].available)
			print_speeds(to, &bench->ciphers[i]);
	}
	fprintf(to, "\n%-18s %-9s  %s\n", "cipher", "fast here",
		"Cipher = auto, with a peer that has the same");
	for (size_t i = 0; i < bench->count; i++) {
		const struct bench_cipher *cipher = &bench->ciphers[i];

		fprintf(to, "%-18s %-9s  ", cipher->name, cipher->hardware ? "yes" : "no");
		put_verdict(to, bench, cipher);
		putc('\n', to);
	}
	putc('\n', to);
	if (surprise)
		fprintf(to, "At %zu bytes %s was faster than %s just now: Cipher = %s takes it.\n",
			bench_sizes[FULL_PACKET], surprise->name, chosen->name, surprise->name);
	fprintf(to, "WireGuard peers, which have no Cipher line, always get %s.\n",
		aead_chacha20_poly1305->name);
}

static void put_json_cipher(FILE *to, const struct bench *bench, const struct bench_cipher *cipher)
{
	fprintf(to,
		"\n    { \"name\": \"%s\", \"available\": %s, \"hardware\": %s, \"taken\": %s, "
		"\"why\": \"",
		cipher->name, cipher->available ? "true" : "false",
		cipher->hardware ? "true" : "false",
		cipher->verdict == BENCH_TAKEN ? "true" : "false");
	put_verdict(to, bench, cipher);
	fputs("\",\n      \"speeds\": [", to);
	for (size_t i = 0; cipher->available && i < BENCH_SIZES; i++) {
		const struct bench_speed *speed = &cipher->speeds[i];

		fprintf(to,
			"%s\n        { \"bytes\": %zu, \"seal_bytes_per_second\": %.0f, "
			"\"seal_packets_per_second\": %.0f, \"open_bytes_per_second\": %.0f, "
			"\"open_packets_per_second\": %.0f }",
			i ? "," : "", bench_sizes[i], gigabytes(bench_sizes[i], speed->seal) * 1e9,
			packets_a_second(speed->seal), gigabytes(bench_sizes[i], speed->open) * 1e9,
			packets_a_second(speed->open));
	}
	fputs("] }", to);
}

void bench_print_json(FILE *to, const struct bench *bench)
{
	const struct bench_cipher *chosen = bench_chosen(bench);

	fprintf(to, "{ \"version\": 1, \"culvert\": \"%s\", \"libsodium\": \"%s\", ",
		bench->version, bench->libsodium);
	if (bench->cpu[0])
		fprintf(to, "\"cpu\": \"%s\", ", bench->cpu);
	else
		fputs("\"cpu\": null, ", to);
	if (chosen)
		fprintf(to, "\"auto\": \"%s\",\n", chosen->name);
	else
		fputs("\"auto\": null,\n", to);
	fputs("  \"ciphers\": [", to);
	for (size_t i = 0; i < bench->count; i++) {
		fputs(i ? "," : "", to);
		put_json_cipher(to, bench, &bench->ciphers[i]);
	}
	fputs("\n  ] }\n", to);
}
