/* SPDX-License-Identifier: ISC */
/* culvert bench: which cipher auto takes, that measuring measures, the two forms of output. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "cli/bench.h"

enum { OUTPUT_MAX = 16384 };

/* A cipher for the tables here: only that it is in the build matters. */
static const struct aead some_row = { .name = "some" };

static struct bench_cipher cipher_of(const char *name, bool built, bool available, bool hardware)
{
	return (struct bench_cipher){ .name = name,
		.aead = built ? &some_row : NULL,
		.available = available,
		.hardware = hardware };
}

/* Letters: t taken, b behind, s slow, c not with this CPU, l not with this libsodium. Ciphers: h
 * fast here, s slow here, c not with this CPU, l not with this libsodium. */
static void test_judge(void **state)
{
	static const struct {
		const char *ciphers, *verdicts;
	} cases[] = {
		{ "hhh", "tbb" },
		{ "shh", "stb" },
		{ "chl", "ctl" },
		{ "csh", "cst" },
		{ "hcl", "tcl" },
		{ "ccl", "ccl" },
		{ "s", "s" },
		{ "", "" },
	};
	static const char letters[] = { [BENCH_TAKEN] = 't',
		[BENCH_BEHIND] = 'b',
		[BENCH_SLOW] = 's',
		[BENCH_NO_CPU] = 'c',
		[BENCH_NO_LIBRARY] = 'l' };

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const char *taken = strchr(cases[i].verdicts, 't');
		struct bench bench = { .count = strlen(cases[i].ciphers) };

		for (size_t j = 0; j < bench.count; j++) {
			char kind = cases[i].ciphers[j];

			bench.ciphers[j] = cipher_of(
				"x", kind != 'l', kind == 'h' || kind == 's', kind == 'h');
		}
		bench_judge(&bench);
		for (size_t j = 0; j < bench.count; j++)
			assert_int_equal(letters[bench.ciphers[j].verdict], cases[i].verdicts[j]);
		if (taken)
			assert_ptr_equal(
				bench_chosen(&bench), &bench.ciphers[taken - cases[i].verdicts]);
		else
			assert_null(bench_chosen(&bench));
	}
}

/* Every name that a file may have is listed once, and what is listed is what the rows say. */
static void test_list(void **state)
{
	static const char *const names[] = { "aegis-128l", "aegis-256", "aes-256-gcm",
		"chacha20-poly1305" };
	struct bench bench;

	(void)state;
	bench_list(&bench);
	assert_int_equal(bench.count, sizeof(names) / sizeof(*names));
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		size_t seen = 0;

		for (size_t j = 0; j < bench.count; j++)
			seen += !strcmp(bench.ciphers[j].name, names[i]);
		assert_int_equal(seen, 1);
	}
	for (size_t j = 0; j < bench.count; j++) {
		const struct bench_cipher *cipher = &bench.ciphers[j];

		assert_ptr_equal(cipher->aead, aead_by_name(cipher->name));
		assert_true(aead_name_known(cipher->name));
		assert_int_equal(cipher->available, cipher->aead && cipher->aead->available());
	}
	assert_non_null(bench_chosen(&bench)); /* ChaCha20-Poly1305 at the least */
	assert_true(bench_chosen(&bench)->hardware);
}

/* Every row seals and opens at every size; how fast is not for a test to say. */
static void test_measure(void **state)
{
	struct bench bench;

	(void)state;
	bench_list(&bench);
	assert_int_equal(bench_measure(&bench, 1000), 0);
	for (size_t i = 0; i < bench.count; i++) {
		for (size_t size = 0; size < BENCH_SIZES; size++) {
			const struct bench_speed *speed = &bench.ciphers[i].speeds[size];

			assert_int_equal(speed->seal > 0, bench.ciphers[i].available);
			assert_int_equal(speed->open > 0, bench.ciphers[i].available);
		}
	}
}

/* Counters that a cipher was asked to seal and open under. */
static uint64_t sealed_next, opened_last;

static void odd_prepare(struct aead_key *key, const uint8_t *raw)
{
	memcpy(key->raw, raw, AEAD_KEY_MAX);
	sealed_next = opened_last = 0;
}

static void odd_seal(const struct aead_key *key, uint64_t counter, uint8_t *sealed,
	const uint8_t *plain, size_t len)
{
	(void)key;
	assert_int_equal(counter, sealed_next++);
	memcpy(sealed, plain, len);
	memcpy(sealed + len, &counter, sizeof(counter));
}

static int odd_open(const struct aead_key *key, uint64_t counter, uint8_t *plain,
	const uint8_t *sealed, size_t sealed_len)
{
	(void)key;
	opened_last = counter;
	memcpy(plain, sealed, sealed_len - sizeof(counter));
	return memcmp(sealed + sealed_len - sizeof(counter), &counter, sizeof(counter)) ? -EBADMSG
											: 0;
}

static int broken_open(const struct aead_key *key, uint64_t counter, uint8_t *plain,
	const uint8_t *sealed, size_t sealed_len)
{
	(void)odd_open(key, counter, plain, sealed, sealed_len);
	return counter % 1000 == 700 ? -EBADMSG : 0;
}

/* Each packet has a counter of its own, is opened under the one that it was sealed with, and a
 * cipher that does not work is noticed. */
static void test_counters(void **state)
{
	struct aead odd = { .name = "odd",
		.key_len = AEAD_KEY_MAX,
		.tag_len = sizeof(uint64_t),
		.prepare = odd_prepare,
		.seal = odd_seal,
		.open = odd_open };
	struct bench bench = { .count = 1,
		.ciphers = { { .name = "odd", .aead = &odd, .available = true } } };

	(void)state;
	assert_int_equal(bench_measure(&bench, 1000), 0);
	assert_true(opened_last > 0);
	assert_int_equal(opened_last + 1, sealed_next);
	odd.open = broken_open;
	assert_int_equal(bench_measure(&bench, 1000), -EBADMSG);
}

/* Speeds at which the output has round numbers: ns a packet. */
static struct bench make_bench(double first_ns)
{
	struct bench bench = { .version = "1.2",
		.libsodium = "1.0.18",
		.cpu = "A CPU",
		.count = 4,
		.ciphers = { cipher_of("one", true, true, true), cipher_of("two", true, true, true),
			cipher_of("three", true, false, false),
			cipher_of("four", false, false, false) } };

	for (size_t i = 0; i < BENCH_SIZES; i++) {
		bench.ciphers[0].speeds[i] = (struct bench_speed){ first_ns, first_ns * 2 };
		bench.ciphers[1].speeds[i] = (struct bench_speed){ 1000, 2000 };
	}
	bench_judge(&bench);
	return bench;
}

static void print(char output[OUTPUT_MAX], const struct bench *bench,
	void (*form)(FILE *, const struct bench *))
{
	FILE *to = fmemopen(output, OUTPUT_MAX, "w");

	assert_non_null(to);
	form(to, bench);
	assert_int_equal(fclose(to), 0);
}

static void assert_has(const char *output, const char *part)
{
	if (!strstr(output, part))
		fail_msg("no \"%s\" in:\n%s", part, output);
}

static void test_print(void **state)
{
	static const char *const parts[] = {
		"culvert 1.2, libsodium 1.0.18, one thread of A CPU\n",
		/* 1420 bytes in 500 ns, and in 1000 */
		"                     1420      2.84      2000000       1.42      1000000\n",
		"one                    64      0.13      2000000       0.06      1000000\n",
		"two                    64      0.06      1000000       0.03       500000\n",
		"one                yes        taken: the first in",
		"two                yes        not taken: one is preferred\n",
		"three              no         not there: this CPU cannot do it\n",
		"four               no         not there: built with libsodium 1.0.18, and",
	};
	struct bench bench = make_bench(500);
	char output[OUTPUT_MAX];

	(void)state;
	print(output, &bench, bench_print);
	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++)
		assert_has(output, parts[i]);
	assert_null(strstr(output, "three                  64"));
	assert_null(strstr(output, "was faster"));
	bench.cpu[0] = '\0';
	print(output, &bench, bench_print);
	assert_has(output, "one thread\n");
}

/* When auto's choice is clearly not the fastest, it is said; not for a difference that is noise. */
static void test_surprise(void **state)
{
	struct bench bench = make_bench(1050);
	char output[OUTPUT_MAX];

	(void)state;
	print(output, &bench, bench_print);
	assert_null(strstr(output, "was faster"));
	bench = make_bench(1200);
	print(output, &bench, bench_print);
	assert_has(output, "At 1420 bytes two was faster than one just now: Cipher = two takes");
	for (size_t i = 0; i < bench.count; i++)
		bench.ciphers[i].hardware = false;
	bench_judge(&bench);
	print(output, &bench, bench_print);
	assert_has(output, "no hardware for it here");
	assert_null(strstr(output, "was faster"));
}

/* The whole of it, as there is no JSON parser among our libraries. */
static void test_json(void **state)
{
	static const char speeds[] =
		"      \"speeds\": [\n"
		"        { \"bytes\": 64, \"seal_bytes_per_second\": 64000000, "
		"\"seal_packets_per_second\": 1000000, \"open_bytes_per_second\": 32000000, "
		"\"open_packets_per_second\": 500000 },\n"
		"        { \"bytes\": 576, \"seal_bytes_per_second\": 576000000, "
		"\"seal_packets_per_second\": 1000000, \"open_bytes_per_second\": 288000000, "
		"\"open_packets_per_second\": 500000 },\n"
		"        { \"bytes\": 1420, \"seal_bytes_per_second\": 1420000000, "
		"\"seal_packets_per_second\": 1000000, \"open_bytes_per_second\": 710000000, "
		"\"open_packets_per_second\": 500000 },\n"
		"        { \"bytes\": 16384, \"seal_bytes_per_second\": 16384000000, "
		"\"seal_packets_per_second\": 1000000, \"open_bytes_per_second\": 8192000000, "
		"\"open_packets_per_second\": 500000 }] },\n";
	struct bench bench = make_bench(1000);
	char output[OUTPUT_MAX], expected[OUTPUT_MAX];

	(void)state;
	snprintf(expected, sizeof(expected),
		"{ \"version\": 1, \"culvert\": \"1.2\", \"libsodium\": \"1.0.18\", "
		"\"cpu\": \"A CPU\", \"auto\": \"one\",\n"
		"  \"ciphers\": [\n"
		"    { \"name\": \"one\", \"available\": true, \"hardware\": true, \"taken\": "
		"true, \"why\": \"taken: the first in the order of preference that is fast "
		"here\",\n%s"
		"    { \"name\": \"two\", \"available\": true, \"hardware\": true, \"taken\": "
		"false, \"why\": \"not taken: one is preferred\",\n%s"
		"    { \"name\": \"three\", \"available\": false, \"hardware\": false, \"taken\": "
		"false, \"why\": \"not there: this CPU cannot do it\",\n"
		"      \"speeds\": [] },\n"
		"    { \"name\": \"four\", \"available\": false, \"hardware\": false, \"taken\": "
		"false, \"why\": \"not there: built with libsodium 1.0.18, and it takes "
		"1.0.19\",\n"
		"      \"speeds\": [] }\n"
		"  ] }\n",
		speeds, speeds);
	print(output, &bench, bench_print_json);
	assert_string_equal(output, expected);
	bench = (struct bench){ .version = "1.2", .libsodium = "1.0.18" };
	print(output, &bench, bench_print_json);
	assert_has(output, "\"cpu\": null, \"auto\": null,\n  \"ciphers\": [\n  ] }\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_judge),
		cmocka_unit_test(test_list),
		cmocka_unit_test(test_measure),
		cmocka_unit_test(test_counters),
		cmocka_unit_test(test_print),
		cmocka_unit_test(test_surprise),
		cmocka_unit_test(test_json),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
