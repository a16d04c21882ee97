/* SPDX-License-Identifier: ISC */
/* Keys and their text forms. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <sodium.h>

#include "core/key.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* The naive way, bit by bit. */
static void naive_base64(char text[KEY_BASE64_SIZE], const uint8_t key[KEY_LEN])
{
	for (unsigned digit = 0; digit < 43; digit++) {
		unsigned value = 0;

		for (unsigned bit = digit * 6; bit < digit * 6 + 6; bit++)
			value = value << 1 | (bit < 256 ? key[bit / 8] >> (7 - bit % 8) & 1u : 0u);
		text[digit] = alphabet[value];
	}
	memcpy(text + 43, "=", 2);
}

static void fill(uint8_t key[KEY_LEN], uint32_t number)
{
	uint8_t seed[randombytes_SEEDBYTES] = { 0 };

	memcpy(seed, &number, sizeof(number));
	randombytes_buf_deterministic(key, KEY_LEN, seed);
}

static void test_round_trip(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 10000; i++) {
		uint8_t key[KEY_LEN], back[KEY_LEN];
		char text[KEY_BASE64_SIZE], naive[KEY_BASE64_SIZE], hex[KEY_HEX_SIZE];

		fill(key, i);
		if (i < 2)
			memset(key, i ? 0xff : 0, sizeof(key));
		naive_base64(naive, key);
		key_to_base64(text, key);
		assert_string_equal(text, naive);
		memset(back, 0x5a, sizeof(back));
		assert_int_equal(key_from_base64(back, text), 0);
		assert_memory_equal(back, key, KEY_LEN);

		key_to_hex(hex, key);
		for (unsigned j = 0; j < KEY_LEN; j++) {
			char two[3];

			snprintf(two, sizeof(two), "%02x", key[j]);
			assert_memory_equal(hex + 2 * j, two, 2);
		}
		assert_int_equal(hex[64], 0);
		memset(back, 0x5a, sizeof(back));
		assert_int_equal(key_from_hex(back, hex), 0);
		assert_memory_equal(back, key, KEY_LEN);
		for (unsigned j = 0; j < 64; j++) /* upper case, mixed */
			if (hex[j] >= 'a' && j % 3)
				hex[j] = (char)(hex[j] - 'a' + 'A');
		memset(back, 0x5a, sizeof(back));
		assert_int_equal(key_from_hex(back, hex), 0);
		assert_memory_equal(back, key, KEY_LEN);
	}
}

static void refuse(int (*parse)(uint8_t key[KEY_LEN], const char *text), const char *text)
{
	uint8_t key[KEY_LEN], before[KEY_LEN];

	memset(before, 0xa5, sizeof(before));
	memcpy(key, before, sizeof(key));
	if (parse(key, text) != -EINVAL)
		fail_msg("accepted \"%s\"", text);
	assert_memory_equal(key, before, sizeof(key));
}

static void test_base64_bad(void **state)
{
	static const char *const bad[] = {
		"",
		"=",
		"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",   /* no padding */
		"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==",  /* 31 bytes */
		"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",  /* 33 bytes */
		"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==", /* one too many */
		"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA= ",
		"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n",
		" AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
		" AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
		"AAAAAAAAAAAAAAAAAAAAA\nAAAAAAAAAAAAAAAAAAAAAA=",
		"AAAAAAAAAAAAAAAAAAAAA AAAAAAAAAAAAAAAAAAAAA=",
		"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=A",
		"=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
		"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
	};
	char text[KEY_BASE64_SIZE] = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		refuse(key_from_base64, bad[i]);
	/* The last digit has four bits of the key; the two below them have to be zero. */
	for (unsigned value = 0; value < 64; value++) {
		uint8_t key[KEY_LEN];

		text[42] = alphabet[value];
		if (value % 4)
			refuse(key_from_base64, text);
		else
			assert_int_equal(key_from_base64(key, text), 0);
	}
	text[42] = 'A';
	/* Every character that is not of the alphabet, everywhere. */
	for (unsigned at = 0; at < 43; at++) {
		for (unsigned c = 1; c < 256; c++) {
			if (strchr(alphabet, (int)c))
				continue;
			text[at] = (char)c;
			refuse(key_from_base64, text);
		}
		text[at] = '\0';
		refuse(key_from_base64, text);
		text[at] = 'A';
	}
	assert_int_equal(key_from_base64((uint8_t[KEY_LEN]){ 0 }, text), 0);
}

static void test_hex_bad(void **state)
{
	char text[KEY_HEX_SIZE + 2];

	(void)state;
	for (unsigned len = 0; len < sizeof(text); len++) {
		memset(text, 'b', sizeof(text));
		text[len] = '\0';
		if (len != 64)
			refuse(key_from_hex, text);
	}
	memset(text, 'b', 64);
	text[64] = '\0';
	for (unsigned at = 0; at < 64; at++) {
		for (unsigned c = 1; c < 256; c++) {
			if (strchr("0123456789abcdefABCDEF", (int)c))
				continue;
			text[at] = (char)c;
			refuse(key_from_hex, text);
		}
		text[at] = 'b';
	}
	strcpy(text + 64, "\n");
	refuse(key_from_hex, text);
}

static void test_generate(void **state)
{
	static const uint8_t zero[KEY_LEN];
	uint8_t seen_or[KEY_LEN] = { 0 }, seen_and[KEY_LEN];
	uint8_t a[KEY_LEN], b[KEY_LEN];

	(void)state;
	memset(seen_and, 0xff, sizeof(seen_and));
	for (int i = 0; i < 200; i++) {
		key_generate_private(a);
		key_generate_shared(b);
		assert_int_equal(a[0] & 7, 0);
		assert_int_equal(a[31] & 0xc0, 0x40);
		assert_false(key_equal(a, b));
		assert_false(key_equal(b, zero));
		for (unsigned j = 0; j < KEY_LEN; j++) {
			seen_or[j] |= b[j];
			seen_and[j] &= b[j];
		}
	}
	/* Every bit of a shared key has been both; by chance it is not once in 2^191 runs. */
	for (unsigned j = 0; j < KEY_LEN; j++) {
		assert_int_equal(seen_or[j], 0xff);
		assert_int_equal(seen_and[j], 0);
	}
}

static void test_clamp(void **state)
{
	uint8_t key[KEY_LEN], expected[KEY_LEN];

	(void)state;
	memset(key, 0xff, sizeof(key));
	memset(expected, 0xff, sizeof(expected));
	expected[0] = 0xf8;
	expected[31] = 0x7f;
	key_clamp(key);
	assert_memory_equal(key, expected, KEY_LEN);
	memset(key, 0, sizeof(key));
	memset(expected, 0, sizeof(expected));
	expected[31] = 0x40;
	key_clamp(key);
	assert_memory_equal(key, expected, KEY_LEN);
}

/* A public key is that of the clamped private key, and two ends agree. */
static void test_derive_public(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 50; i++) {
		uint8_t a[KEY_LEN], b[KEY_LEN], a_public[KEY_LEN], b_public[KEY_LEN];
		uint8_t again[KEY_LEN], ab[KEY_LEN], ba[KEY_LEN];

		fill(a, 2 * i);
		fill(b, 2 * i + 1);
		key_derive_public(a_public, a);
		key_derive_public(b_public, b);
		memcpy(again, a, sizeof(again));
		key_clamp(again);
		key_derive_public(again, again);
		assert_memory_equal(again, a_public, KEY_LEN);
		assert_int_equal(crypto_scalarmult(ab, a, b_public), 0);
		assert_int_equal(crypto_scalarmult(ba, b, a_public), 0);
		assert_memory_equal(ab, ba, KEY_LEN);
	}
}

static void test_compare_and_wipe(void **state)
{
	uint8_t a[KEY_LEN] = { 0 }, b[KEY_LEN] = { 0 };
	uint8_t secret[KEY_LEN + 2];

	(void)state;
	assert_true(key_is_zero(a));
	assert_true(key_equal(a, b));
	for (unsigned bit = 0; bit < 256; bit++) {
		a[bit / 8] = (uint8_t)(1u << bit % 8);
		assert_false(key_is_zero(a));
		assert_false(key_equal(a, b));
		a[bit / 8] = 0;
	}
	memset(secret, 0x77, sizeof(secret));
	key_wipe(secret + 1, KEY_LEN);
	assert_int_equal(secret[0], 0x77);
	assert_int_equal(secret[KEY_LEN + 1], 0x77);
	assert_true(key_is_zero(secret + 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_base64_bad),
		cmocka_unit_test(test_hex_bad),
		cmocka_unit_test(test_generate),
		cmocka_unit_test(test_clamp),
		cmocka_unit_test(test_derive_public),
		cmocka_unit_test(test_compare_and_wipe),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
