/* SPDX-License-Identifier: ISC */
/* Hash, mac and key derivation against BLAKE2s, HMAC and HKDF written down a second time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sodium.h>

#include "core/kdf.h"
#include "../random.h"

enum { TEXT_MAX = 600 };

static void fill_random(uint8_t *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		bytes[i] = (uint8_t)next_random();
}

static void assert_hex(const uint8_t *bytes, size_t len, const char *expected)
{
	char text[2 * KDF_BLOCK_LEN + 1];

	sodium_bin2hex(text, sizeof(text), bytes, len);
	assert_string_equal(text, expected);
}

/* The naive BLAKE2s: RFC 7693 §3, one block after the other, the whole message at hand. */

static const uint32_t iv[8] = { 0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f,
	0x9b05688c, 0x1f83d9ab, 0x5be0cd19 };

static const uint8_t sigma[10][16] = {
	{ 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 },
	{ 14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3 },
	{ 11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4 },
	{ 7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8 },
	{ 9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13 },
	{ 2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9 },
	{ 12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11 },
	{ 13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10 },
	{ 6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5 },
	{ 10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0 },
};

static uint32_t rotate_right(uint32_t word, int by)
{
	return word >> by | word << (32 - by);
}

static void naive_mix(uint32_t v[16], int a, int b, int c, int d, uint32_t x, uint32_t y)
{
	v[a] += v[b] + x;
	v[d] = rotate_right(v[d] ^ v[a], 16);
	v[c] += v[d];
	v[b] = rotate_right(v[b] ^ v[c], 12);
	v[a] += v[b] + y;
	v[d] = rotate_right(v[d] ^ v[a], 8);
	v[c] += v[d];
	v[b] = rotate_right(v[b] ^ v[c], 7);
}

static void naive_compress(uint32_t h[8], const uint8_t block[64], uint64_t done, int last)
{
	uint32_t m[16], v[16];

	for (int i = 0; i < 16; i++)
		m[i] = (uint32_t)block[4 * i] | (uint32_t)block[4 * i + 1] << 8 |
		       (uint32_t)block[4 * i + 2] << 16 | (uint32_t)block[4 * i + 3] << 24;
	for (int i = 0; i < 8; i++) {
		v[i] = h[i];
		v[i + 8] = iv[i];
	}
	v[12] ^= (uint32_t)done;
	v[13] ^= (uint32_t)(done >> 32);
	if (last)
		v[14] = ~v[14];
	for (int r = 0; r < 10; r++) {
		const uint8_t *s = sigma[r];

		naive_mix(v, 0, 4, 8, 12, m[s[0]], m[s[1]]);
		naive_mix(v, 1, 5, 9, 13, m[s[2]], m[s[3]]);
		naive_mix(v, 2, 6, 10, 14, m[s[4]], m[s[5]]);
		naive_mix(v, 3, 7, 11, 15, m[s[6]], m[s[7]]);
		naive_mix(v, 0, 5, 10, 15, m[s[8]], m[s[9]]);
		naive_mix(v, 1, 6, 11, 12, m[s[10]], m[s[11]]);
		naive_mix(v, 2, 7, 8, 13, m[s[12]], m[s[13]]);
		naive_mix(v, 3, 4, 9, 14, m[s[14]], m[s[15]]);
	}
	for (int i = 0; i < 8; i++)
		h[i] ^= v[i] ^ v[i + 8];
}

static void naive_blake2s(uint8_t *out, size_t out_len, const uint8_t *key, size_t key_len,
	const uint8_t *text, size_t len)
{
	uint8_t message[64 + TEXT_MAX + 64] = { 0 };
	size_t total = 0;
	uint32_t h[8];

	if (key_len) {
		memcpy(message, key, key_len);
		total = 64;
	}
	memcpy(message + total, text, len);
	total += len;
	memcpy(h, iv, sizeof(h));
	h[0] ^= 0x01010000 ^ (uint32_t)key_len << 8 ^ (uint32_t)out_len;
	size_t at = 0;

	for (; total - at > 64; at += 64)
		naive_compress(h, message + at, at + 64, 0);
	naive_compress(h, message + at, total, 1);
	for (size_t i = 0; i < out_len; i++)
		out[i] = (uint8_t)(h[i / 4] >> (8 * (i % 4)));
}

/* RFC 2104 with a block of 64 bytes: H(K ^ opad, H(K ^ ipad, text)). */
static void naive_hmac(uint8_t out[32], const uint8_t key[32], const uint8_t *text, size_t len)
{
	uint8_t inner[64 + TEXT_MAX], outer[64 + 32];

	for (int i = 0; i < 64; i++) {
		const uint8_t k = i < 32 ? key[i] : 0;

		inner[i] = k ^ 0x36;
		outer[i] = k ^ 0x5c;
	}
	memcpy(inner + 64, text, len);
	naive_blake2s(outer + 64, 32, NULL, 0, inner, 64 + len);
	naive_blake2s(out, 32, NULL, 0, outer, sizeof(outer));
}

/* RFC 5869, no info, the chaining key as salt: T(n) = HMAC(PRK, T(n-1) | n). */
static void naive_hkdf(uint8_t out[3][32], const uint8_t key[32], const uint8_t *text, size_t len)
{
	uint8_t prk[32], block[33];

	naive_hmac(prk, key, text, len);
	block[0] = 1;
	naive_hmac(out[0], prk, block, 1);
	for (int n = 1; n < 3; n++) {
		memcpy(block, out[n - 1], 32);
		block[32] = (uint8_t)(n + 1);
		naive_hmac(out[n], prk, block, 33);
	}
}

static void sequence(uint8_t *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		bytes[i] = (uint8_t)i;
}

/* Both the module and the oracle against values from RFC 7693 and Python's hashlib and hmac. */
static void test_known(void **state)
{
	static const char *const derived[2][3] = {
		{ "2d0ef2c25030e01b17555db16235342b6df74ba260115fbb3c25b88f16c046d9",
			"a5df47335885e03a8d824bce38b0275f9077e778e9a063be2037de787db815f8",
			"883a6b346e5628783cd2c3131e3c188cab2e6c034a1940cbf9f73dc110bedf16" },
		{ "7a38c34bf2b8738d7374ca77c44ecb309a11d2b2528304fa86052c365e722624",
			"1a17621f346abdc520746a9fb64d8eb03231d674fc15687537b0780fd9c060fd",
			"4eaf02809ac4b930ef63479de62275f1c55656e61f78a3cc653c18a2223d6c5f" },
	};
	uint8_t bytes[255], out[3][32];

	(void)state;
	sequence(bytes, sizeof(bytes));
	naive_blake2s(out[0], 32, NULL, 0, (const uint8_t *)"abc", 3);
	assert_hex(out[0], 32, "508c5e8c327c14e2e1a72ba34eeb452f37458b209ed63a294d999b4c86675982");
	kdf_hash(out[0], "abc", 3, NULL, 0);
	assert_hex(out[0], 32, "508c5e8c327c14e2e1a72ba34eeb452f37458b209ed63a294d999b4c86675982");
	kdf_hash(out[0], "", 0, NULL, 0);
	assert_hex(out[0], 32, "69217a3079908094e11121d042354a7c1f55b6482ca1a51e1b250dfd1ed0eef9");
	kdf_hash(out[0], bytes, 255, NULL, 0);
	assert_hex(out[0], 32, "f03f5789d3336b80d002d59fdf918bdb775b00956ed5528e86aa994acb38fe2d");
	kdf_mac(out[0], bytes, 32, bytes, 255);
	assert_hex(out[0], 16, "cd075928ab7e6883e697fe7fd3ac43ee");
	kdf_mac(out[0], bytes, 16, "", 0);
	assert_hex(out[0], 16, "af4e5d3bb230e9ff9096ca6f7c501f76");
	for (int i = 0; i < 2; i++) {
		const char *text = i ? "" : "culvert";

		kdf_derive(out[0], out[1], out[2], bytes, text, strlen(text));
		for (int n = 0; n < 3; n++)
			assert_hex(out[n], 32, derived[i][n]);
		naive_hkdf(out, bytes, (const uint8_t *)text, strlen(text));
		for (int n = 0; n < 3; n++)
			assert_hex(out[n], 32, derived[i][n]);
	}
}

/* Every length around the block size, cut in two at every place. */
static void test_hash(void **state)
{
	uint8_t text[200], expected[32], out[32];

	(void)state;
	random_state = 1;
	fill_random(text, sizeof(text));
	for (size_t len = 0; len <= sizeof(text); len++) {
		naive_blake2s(expected, 32, NULL, 0, text, len);
		for (size_t cut = 0; cut <= len; cut += len < 70 ? 1 : 13) {
			kdf_hash(out, text, cut, text + cut, len - cut);
			assert_memory_equal(out, expected, 32);
		}
		kdf_hash(out, text, len, NULL, 0);
		assert_memory_equal(out, expected, 32);
	}
}

/* The running hash of the handshake: the output is the first input as well. */
static void test_hash_in_place(void **state)
{
	uint8_t text[64 + TEXT_MAX], hash[32], expected[32];

	(void)state;
	random_state = 2;
	memset(hash, 7, sizeof(hash));
	for (int i = 0; i < 200; i++) {
		const size_t len = next_random() % 400;

		memcpy(text, hash, 32);
		fill_random(text + 32, len);
		naive_blake2s(expected, 32, NULL, 0, text, 32 + len);
		kdf_hash(hash, hash, 32, text + 32, len);
		assert_memory_equal(hash, expected, 32);
	}
}

static void test_mac(void **state)
{
	uint8_t key[32], text[TEXT_MAX], expected[16], out[16 + 4];

	(void)state;
	random_state = 3;
	for (size_t key_len = 1; key_len <= sizeof(key); key_len++)
		for (int i = 0; i < 30; i++) {
			const size_t len = next_random() % TEXT_MAX;

			fill_random(key, key_len);
			fill_random(text, len);
			naive_blake2s(expected, 16, key, key_len, text, len);
			memset(out, 0x5a, sizeof(out));
			kdf_mac(out, key, key_len, text, len);
			assert_memory_equal(out, expected, 16);
			assert_memory_equal(out + 16, "\x5a\x5a\x5a\x5a", 4);
		}
}

static void test_derive(void **state)
{
	uint8_t key[32], text[TEXT_MAX], expected[3][32], out[3][32];

	(void)state;
	random_state = 4;
	for (int i = 0; i < 1000; i++) {
		const size_t len = i < 130 ? (size_t)i : next_random() % (TEXT_MAX - 64);

		fill_random(key, sizeof(key));
		fill_random(text, len);
		naive_hkdf(expected, key, text, len);
		kdf_derive(out[0], out[1], out[2], key, text, len);
		assert_memory_equal(out, expected, sizeof(out));
		memset(out, 0, sizeof(out));
		kdf_derive(out[0], out[1], NULL, key, text, len);
		assert_memory_equal(out, expected, 64);
		memset(out, 0, sizeof(out));
		kdf_derive(out[0], NULL, NULL, key, text, len);
		assert_memory_equal(out, expected, 32);
	}
}

/* As the handshake chains it: the new chaining key over the old one. */
static void test_derive_in_place(void **state)
{
	uint8_t key[32], text[32], expected[3][32], second[32], third[32];

	(void)state;
	random_state = 5;
	fill_random(key, sizeof(key));
	for (int i = 0; i < 300; i++) {
		fill_random(text, sizeof(text));
		naive_hkdf(expected, key, text, sizeof(text));
		kdf_derive(key, i % 3 ? second : NULL, i % 3 == 2 ? third : NULL, key, text,
			sizeof(text));
		assert_memory_equal(key, expected[0], 32);
		if (i % 3)
			assert_memory_equal(second, expected[1], 32);
		if (i % 3 == 2)
			assert_memory_equal(third, expected[2], 32);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_known),
		cmocka_unit_test(test_hash),
		cmocka_unit_test(test_hash_in_place),
		cmocka_unit_test(test_mac),
		cmocka_unit_test(test_derive),
		cmocka_unit_test(test_derive_in_place),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
