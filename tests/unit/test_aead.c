/* SPDX-License-Identifier: ISC */
/* Every cipher's row. The primitives themselves are test_vectors' matter. */
#include <ctype.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/aead.h"
#include "core/key.h"

enum { LEN_MAX = 2048, GUARD = 32 };

static void fill(uint8_t *bytes, size_t len, uint32_t number)
{
	uint8_t seed[randombytes_SEEDBYTES] = { 0 };

	memcpy(seed, &number, sizeof(number));
	randombytes_buf_deterministic(bytes, len, seed);
}

/* What the row should give, from libsodium's one-shot call and a nonce that is written out here. */
static void direct_seal(const struct aead *row, const uint8_t *raw, uint64_t counter, uint8_t *out,
	const uint8_t *plain, size_t len)
{
	static const size_t nonce_lens[] = { 0, 12, 12, 16, 32 };
	uint8_t nonce[32] = { 0 };
	unsigned long long out_len = 0;

	for (unsigned i = 0; i < 8; i++)
		nonce[nonce_lens[row->id] - 8 + i] = (uint8_t)(counter >> (8 * i));
	switch (row->id) {
	case 1:
		crypto_aead_chacha20poly1305_ietf_encrypt(
			out, &out_len, plain, len, NULL, 0, NULL, nonce, raw);
		break;
	case 2:
		crypto_aead_aes256gcm_encrypt(out, &out_len, plain, len, NULL, 0, NULL, nonce, raw);
		break;
#ifdef crypto_aead_aegis128l_KEYBYTES
	case 3:
		crypto_aead_aegis128l_encrypt(out, &out_len, plain, len, NULL, 0, NULL, nonce, raw);
		break;
#endif
#ifdef crypto_aead_aegis256_KEYBYTES
	case 4:
		crypto_aead_aegis256_encrypt(out, &out_len, plain, len, NULL, 0, NULL, nonce, raw);
		break;
#endif
	default:
		fail_msg("%s: a row that this test does not know", row->name);
	}
	assert_int_equal(out_len, len + row->tag_len);
}

/* The rows that can be used here; the others have nothing but their place in the table. */
static const struct aead *usable(size_t *i)
{
	const struct aead *row;

	while ((row = aead_at((*i)++)) && !row->available())
		print_message("%s: this machine does not have it\n", row->name);
	return row;
}

#define FOR_EACH_ROW(row)       \
	const struct aead *row; \
	for (size_t next_ = 0; (row = usable(&next_));)

struct bench {
	struct aead_key key;
	uint8_t raw[AEAD_KEY_MAX];
	uint8_t plain[LEN_MAX];
	uint8_t expected[LEN_MAX + AEAD_TAG_MAX];
	uint8_t sealed[LEN_MAX + AEAD_TAG_MAX + GUARD];
	uint8_t opened[LEN_MAX + GUARD];
};

static struct bench *bench_new(const struct aead *row)
{
	/* aead_key wants an alignment of 16, which malloc gives. */
	struct bench *bench = malloc(sizeof(*bench));

	assert_non_null(bench);
	fill(bench->raw, sizeof(bench->raw), row->id);
	fill(bench->plain, sizeof(bench->plain), 100u + row->id);
	row->prepare(&bench->key, bench->raw);
	return bench;
}

static void check_guard(const uint8_t *end)
{
	for (unsigned i = 0; i < GUARD; i++)
		assert_int_equal(end[i], 0xc3);
}

/* Sealed and opened in place and apart, nothing written beyond the end. */
static void test_every_length(void **state)
{
	(void)state;
	FOR_EACH_ROW(row)
	{
		struct bench *bench = bench_new(row);

		for (size_t len = 0; len <= LEN_MAX; len++) {
			const uint64_t counter = len % 3 ? len : UINT64_MAX - len;
			const size_t sealed_len = len + row->tag_len;

			direct_seal(row, bench->raw, counter, bench->expected, bench->plain, len);
			memset(bench->sealed, 0xc3, sizeof(bench->sealed));
			row->seal(&bench->key, counter, bench->sealed, bench->plain, len);
			assert_memory_equal(bench->sealed, bench->expected, sealed_len);
			check_guard(bench->sealed + sealed_len);

			memset(bench->opened, 0xc3, sizeof(bench->opened));
			assert_int_equal(row->open(&bench->key, counter, bench->opened,
						 bench->sealed, sealed_len),
				0);
			assert_memory_equal(bench->opened, bench->plain, len);
			check_guard(bench->opened + len);
			assert_memory_equal(bench->sealed, bench->expected, sealed_len);

			memset(bench->sealed, 0xc3, sizeof(bench->sealed));
			memcpy(bench->sealed, bench->plain, len);
			row->seal(&bench->key, counter, bench->sealed, bench->sealed, len);
			assert_memory_equal(bench->sealed, bench->expected, sealed_len);
			check_guard(bench->sealed + sealed_len);
			assert_int_equal(row->open(&bench->key, counter, bench->sealed,
						 bench->sealed, sealed_len),
				0);
			assert_memory_equal(bench->sealed, bench->plain, len);
			check_guard(bench->sealed + sealed_len);
		}
		free(bench);
	}
}

static void assert_refused(const struct aead *row, struct bench *bench, uint64_t counter,
	size_t sealed_len, const char *what, size_t at)
{
	const int error = row->open(&bench->key, counter, bench->opened, bench->sealed, sealed_len);

	if (error != -EBADMSG)
		fail_msg("%s: %zu bytes with %s %zu: %d", row->name, sealed_len, what, at, error);
}

static void flip(struct bench *bench, size_t bit)
{
	bench->sealed[bit / 8] ^= (uint8_t)(1u << bit % 8);
}

/* Every bit of the tag, at every length; every bit of the rest of short messages, and some of long.
 */
static void test_every_bit(void **state)
{
	(void)state;
	FOR_EACH_ROW(row)
	{
		struct bench *bench = bench_new(row);

		for (size_t len = 0; len <= LEN_MAX; len++) {
			const size_t tag_at = 8 * len, end = tag_at + 8u * row->tag_len;

			row->seal(&bench->key, len, bench->sealed, bench->plain, len);
			for (size_t bit = tag_at; bit < end; bit++) {
				flip(bench, bit);
				assert_refused(row, bench, len, end / 8, "tag bit", bit - tag_at);
				flip(bench, bit);
			}
			for (size_t bit = len > 80 ? len % 509 : 0;
				bit<tag_at; bit += len> 80 ? 509 * 8 + 1 : 1) {
				flip(bench, bit);
				assert_refused(row, bench, len, end / 8, "bit", bit);
				flip(bench, bit);
			}
			assert_int_equal(
				row->open(&bench->key, len, bench->opened, bench->sealed, end / 8),
				0);
		}
		free(bench);
	}
}

static void test_wrong_counter(void **state)
{
	static const uint64_t counters[] = { 0, 1, 0xff, 0x100, UINT64_C(0xffffffff),
		UINT64_C(0x0123456789abcdef), UINT64_MAX };

	(void)state;
	FOR_EACH_ROW(row)
	{
		struct bench *bench = bench_new(row);

		for (size_t i = 0; i < sizeof(counters) / sizeof(counters[0]); i++) {
			const uint64_t counter = counters[i];
			const size_t sealed_len = 100u + row->tag_len;

			row->seal(&bench->key, counter, bench->sealed, bench->plain, 100);
			for (unsigned bit = 0; bit < 64; bit++)
				assert_refused(row, bench, counter ^ UINT64_C(1) << bit, sealed_len,
					"another counter, bit", bit);
			assert_refused(row, bench, counter + 1, sealed_len, "the counter", 1);
			assert_refused(row, bench, counter - 1, sealed_len, "the counter", 0);
			if (counter != UINT64_MAX && counter != 0)
				assert_refused(row, bench, __builtin_bswap64(counter), sealed_len,
					"a counter the other way round", i);
			assert_int_equal(row->open(&bench->key, counter, bench->opened,
						 bench->sealed, sealed_len),
				0);
		}
		free(bench);
	}
}

/* All of a key matters. */
static void test_wrong_key(void **state)
{
	(void)state;
	FOR_EACH_ROW(row)
	{
		struct bench *bench = bench_new(row);

		row->seal(&bench->key, 5, bench->sealed, bench->plain, 64);
		for (unsigned bit = 0; bit < 8u * row->key_len; bit++) {
			bench->raw[bit / 8] ^= (uint8_t)(1u << bit % 8);
			row->prepare(&bench->key, bench->raw);
			assert_refused(row, bench, 5, 64u + row->tag_len, "another key, bit", bit);
			bench->raw[bit / 8] ^= (uint8_t)(1u << bit % 8);
		}
		row->prepare(&bench->key, bench->raw);
		assert_int_equal(
			row->open(&bench->key, 5, bench->opened, bench->sealed, 64u + row->tag_len),
			0);
		free(bench);
	}
}

/* Cut anywhere, also within the tag, in a buffer of just that size; and longer than it was. */
static void test_wrong_length(void **state)
{
	(void)state;
	FOR_EACH_ROW(row)
	{
		struct bench *bench = bench_new(row);
		const size_t sealed_len = 70u + row->tag_len;

		memset(bench->sealed, 0, sizeof(bench->sealed));
		row->seal(&bench->key, 9, bench->sealed, bench->plain, 70);
		for (size_t len = 0; len < sealed_len; len++) {
			uint8_t *exact = malloc(len + 1), *copy = exact + 1;

			assert_non_null(exact);
			memcpy(copy, bench->sealed, len);
			assert_int_equal(
				row->open(&bench->key, 9, bench->opened, copy, len), -EBADMSG);
			assert_int_equal(row->open(&bench->key, 9, copy, copy, len), -EBADMSG);
			free(exact);
		}
		for (size_t len = sealed_len + 1; len < sealed_len + GUARD; len++)
			assert_refused(row, bench, 9, len, "length", len);
		free(bench);
	}
}

/* Published ciphertexts whose nonces are counters of ours. */
static void test_vectors(void **state)
{
	static const struct {
		const char *name;
		uint64_t counter;
		const char *key, *plain, *sealed; /* may be without the tag, or begin only */
	} table[] = {
		/* RFC 8439 appendix A.5, which has additional data, so the tag is another */
		{ "chacha20-poly1305", UINT64_C(0x0807060504030201),
			"1c9240a5eb55d38af333888604f6b5f0473917c1402b80099dca5cbc207075c0",
			"496e7465726e65742d4472616674732061726520647261667420646f63756d65",
			"64a0861575861af460f062c79be643bd5e805cfd345cf389f108670ac76c8cb2" },
		/* McGrew and Viega's test cases 13 and 14, with the tag */
		{ "aes-256-gcm", 0,
			"0000000000000000000000000000000000000000000000000000000000000000", "",
			"530f8afbc74536b9a963b4f1c4cb738b" },
		{ "aes-256-gcm", 0,
			"0000000000000000000000000000000000000000000000000000000000000000",
			"00000000000000000000000000000000",
			"cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919" },
		/* Wu and Preneel's AEGIS v1.1, whose tag is shorter */
		{ "aegis-128l", 0, "00000000000000000000000000000000",
			"00000000000000000000000000000000", "41de9000a7b5e40e2d68bb64d99ebb19" },
		{ "aegis-256", 0,
			"0000000000000000000000000000000000000000000000000000000000000000",
			"00000000000000000000000000000000", "b98f03a947807713d75a4fff9fc277a6" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		const struct aead *row = aead_by_name(table[i].name);
		struct aead_key key;
		uint8_t raw[AEAD_KEY_MAX], plain[64], sealed[64], got[64 + AEAD_TAG_MAX];
		size_t len, plain_len, sealed_len;

		if (!row || !row->available())
			continue;
		sodium_hex2bin(
			raw, sizeof(raw), table[i].key, strlen(table[i].key), NULL, &len, NULL);
		assert_int_equal(len, row->key_len);
		sodium_hex2bin(plain, sizeof(plain), table[i].plain, strlen(table[i].plain), NULL,
			&plain_len, NULL);
		sodium_hex2bin(sealed, sizeof(sealed), table[i].sealed, strlen(table[i].sealed),
			NULL, &sealed_len, NULL);
		assert_true(sealed_len > 0);
		row->prepare(&key, raw);
		row->seal(&key, table[i].counter, got, plain, plain_len);
		assert_memory_equal(got, sealed, sealed_len);
	}
}

/* The parts of the table that the wire and the configuration depend on. */
static void test_table(void **state)
{
	static const struct {
		const char *name;
		uint8_t id, key_len, tag_len;
		uint64_t rekey_after, reject_after;
	} table[] = {
		{ "aegis-128l", 3, 16, 32, UINT64_C(1) << 48, UINT64_C(1) << 50 },
		{ "aes-256-gcm", 2, 32, 16, UINT64_C(1) << 28, UINT64_C(1) << 32 },
		{ "chacha20-poly1305", 1, 32, 16, UINT64_C(1) << 60, UINT64_C(0xffffffffffffdfff) },
		{ "aegis-256", 4, 32, 32, UINT64_C(1) << 48, UINT64_C(1) << 50 },
	};
	size_t at = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		const struct aead *row = aead_by_name(table[i].name);
		char upper[32] = "";

		for (size_t j = 0; table[i].name[j]; j++)
			upper[j] = (char)toupper(table[i].name[j]);
		assert_true(aead_name_known(table[i].name));
		assert_true(aead_name_known(upper));
		assert_ptr_equal(aead_by_name(upper), row);
		assert_ptr_equal(aead_by_id(table[i].id), row);
		if (!row)
			continue;
		assert_ptr_equal(aead_at(at++), row); /* the order */
		assert_string_equal(row->name, table[i].name);
		assert_int_equal(row->id, table[i].id);
		assert_int_equal(row->key_len, table[i].key_len);
		assert_int_equal(row->tag_len, table[i].tag_len);
		assert_true(row->rekey_after == table[i].rekey_after);
		assert_true(row->reject_after == table[i].reject_after);
		assert_true(row->available() || !row->hardware());
	}
	assert_null(aead_at(at)); /* no more than those */
	assert_null(aead_at(SIZE_MAX));
	assert_true(at <= AEAD_COUNT_MAX);
	for (unsigned id = 0; id < 256; id++)
		assert_true(id >= 1 && id <= 4 ? true : aead_by_id((uint8_t)id) == NULL);

	assert_ptr_equal(aead_chacha20_poly1305, aead_by_name("chacha20-poly1305"));
	assert_non_null(aead_chacha20_poly1305);
	assert_non_null(aead_by_name("aes-256-gcm")); /* in the table, whatever the CPU */
	assert_true(aead_chacha20_poly1305->available());
	assert_true(aead_chacha20_poly1305->hardware());
#ifdef crypto_aead_aegis128l_KEYBYTES
	assert_non_null(aead_by_name("aegis-128l"));
	assert_true(aead_by_name("aegis-128l")->available());
#endif
#ifdef crypto_aead_aegis256_KEYBYTES
	assert_non_null(aead_by_name("aegis-256"));
#endif
}

static void test_unknown_names(void **state)
{
	static const char *const names[] = { "", "auto", "aes", "aes-128-gcm", "aes-256-gcm ",
		" aes-256-gcm", "aes_256_gcm", "chacha20", "chacha20-poly1305x", "aegis-128",
		"aegis-128x", "none", "null" };

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		assert_null(aead_by_name(names[i]));
		assert_false(aead_name_known(names[i]));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_unknown_names),
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_every_length),
		cmocka_unit_test(test_every_bit),
		cmocka_unit_test(test_wrong_counter),
		cmocka_unit_test(test_wrong_key),
		cmocka_unit_test(test_wrong_length),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
