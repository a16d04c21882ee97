/* SPDX-License-Identifier: ISC */
/* Published test vectors against the primitives as the libraries here have them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <blake2.h>
#include <cmocka.h>
#include <sodium.h>

#include "core/key.h"

enum { VECTOR_MAX = 512 };

static size_t unhex(uint8_t bytes[VECTOR_MAX], const char *text)
{
	size_t len;

	assert_int_equal(
		sodium_hex2bin(bytes, VECTOR_MAX, text, strlen(text), NULL, &len, NULL), 0);
	return len;
}

static void assert_hex(const uint8_t *bytes, size_t len, const char *expected)
{
	char text[2 * VECTOR_MAX + 1];

	assert_true(len <= VECTOR_MAX);
	sodium_bin2hex(text, sizeof(text), bytes, len);
	assert_string_equal(text, expected);
}

/* RFC 7748 §5.2 */
static void test_x25519(void **state)
{
	static const struct {
		const char *scalar, *point, *product;
	} table[] = {
		{ "a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4",
			"e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c",
			"c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552" },
		{ "4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba0d",
			"e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a493",
			"95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		uint8_t scalar[VECTOR_MAX], point[VECTOR_MAX], product[KEY_LEN];

		unhex(scalar, table[i].scalar);
		unhex(point, table[i].point);
		assert_int_equal(crypto_scalarmult(product, scalar, point), 0);
		assert_hex(product, sizeof(product), table[i].product);
	}
}

/* RFC 7748 §5.2, the iterated one: once, and a thousand times. */
static void test_x25519_iterated(void **state)
{
	uint8_t k[KEY_LEN] = { 9 }, u[KEY_LEN] = { 9 }, product[KEY_LEN];

	(void)state;
	for (int i = 1; i <= 1000; i++) {
		assert_int_equal(crypto_scalarmult(product, k, u), 0);
		memcpy(u, k, sizeof(u));
		memcpy(k, product, sizeof(k));
		if (i == 1)
			assert_hex(k, sizeof(k),
				"422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079");
	}
	assert_hex(
		k, sizeof(k), "684cf59ba83309552800ef566f2f4d3c1c3887c49360e3875f2eb94d99532c51");
}

/* RFC 7748 §6.1 */
static void test_x25519_exchange(void **state)
{
	static const char agreed[] =
		"4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742";
	uint8_t a[VECTOR_MAX], b[VECTOR_MAX];
	uint8_t a_public[KEY_LEN], b_public[KEY_LEN], product[KEY_LEN];

	(void)state;
	unhex(a, "77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a");
	unhex(b, "5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb");
	key_derive_public(a_public, a);
	key_derive_public(b_public, b);
	assert_hex(a_public, KEY_LEN,
		"8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a");
	assert_hex(b_public, KEY_LEN,
		"de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f");
	assert_int_equal(crypto_scalarmult(product, a, b_public), 0);
	assert_hex(product, KEY_LEN, agreed);
	assert_int_equal(crypto_scalarmult(product, b, a_public), 0);
	assert_hex(product, KEY_LEN, agreed);
}

/* Points of small order give the zero secret, which a handshake must refuse: libsodium says so. */
static void test_x25519_small_order(void **state)
{
	static const char *const points[] = {
		"0000000000000000000000000000000000000000000000000000000000000000",
		"0100000000000000000000000000000000000000000000000000000000000000",
		"e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
		"5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	};
	uint8_t scalar[KEY_LEN], product[KEY_LEN];

	(void)state;
	memset(scalar, 0x42, sizeof(scalar));
	for (size_t i = 0; i < sizeof(points) / sizeof(points[0]); i++) {
		uint8_t point[VECTOR_MAX];

		unhex(point, points[i]);
		assert_int_equal(crypto_scalarmult(product, scalar, point), -1);
	}
}

/* RFC 7693 appendix B */
static void test_blake2s(void **state)
{
	uint8_t digest[32];

	(void)state;
	assert_int_equal(blake2s(digest, "abc", NULL, sizeof(digest), 3, 0), 0);
	assert_hex(digest, sizeof(digest),
		"508c5e8c327c14e2e1a72ba34eeb452f37458b209ed63a294d999b4c86675982");
}

/* RFC 7693 appendix E's pseudo-random input */
static void sequence(uint8_t *out, size_t len, uint32_t seed)
{
	uint32_t a = 0xdead4bad * seed, b = 1;

	for (size_t i = 0; i < len; i++) {
		const uint32_t next = a + b;

		a = b;
		b = next;
		out[i] = (uint8_t)(next >> 24);
	}
}

/* RFC 7693 appendix E: the hash of hashes of all sizes, plain and keyed. */
static void test_blake2s_grand_hash(void **state)
{
	static const size_t digest_lens[] = { 16, 20, 28, 32 };
	static const size_t input_lens[] = { 0, 3, 64, 65, 255, 1024 };
	uint8_t input[1024], key[32], digest[32];
	blake2s_state all;

	(void)state;
	assert_int_equal(blake2s_init(&all, 32), 0);
	for (size_t i = 0; i < 4; i++)
		for (size_t j = 0; j < 6; j++) {
			const size_t out = digest_lens[i], in = input_lens[j];

			sequence(input, in, (uint32_t)in);
			assert_int_equal(blake2s(digest, input, NULL, out, in, 0), 0);
			blake2s_update(&all, digest, out);
			sequence(key, out, (uint32_t)out);
			assert_int_equal(blake2s(digest, input, key, out, in, out), 0);
			blake2s_update(&all, digest, out);
		}
	assert_int_equal(blake2s_final(&all, digest, 32), 0);
	assert_hex(digest, 32, "6a411f08ce25adcdfb02aba641451cec53c598b24f4fc787fbdc88797f4c1dfe");
}

struct cipher_vector {
	const char *from, *key, *nonce, *ad, *plain, *sealed; /* sealed: with the tag */
};

typedef int (*seal_function)(unsigned char *, unsigned long long *, const unsigned char *,
	unsigned long long, const unsigned char *, unsigned long long, const unsigned char *,
	const unsigned char *, const unsigned char *);
typedef int (*open_function)(unsigned char *, unsigned long long *, unsigned char *,
	const unsigned char *, unsigned long long, const unsigned char *, unsigned long long,
	const unsigned char *, const unsigned char *);

static void check_cipher(const struct cipher_vector *vector, seal_function seal, open_function open)
{
	uint8_t key[VECTOR_MAX], nonce[VECTOR_MAX], ad[VECTOR_MAX], plain[VECTOR_MAX];
	uint8_t sealed[VECTOR_MAX], got[VECTOR_MAX];
	unsigned long long got_len = 0;
	size_t ad_len, plain_len, sealed_len;

	unhex(key, vector->key);
	unhex(nonce, vector->nonce);
	ad_len = unhex(ad, vector->ad);
	plain_len = unhex(plain, vector->plain);
	sealed_len = unhex(sealed, vector->sealed);
	assert_int_equal(seal(got, &got_len, plain, plain_len, ad, ad_len, NULL, nonce, key), 0);
	assert_int_equal(got_len, sealed_len);
	if (memcmp(got, sealed, sealed_len) != 0)
		fail_msg("%s: sealed to something else", vector->from);
	assert_int_equal(open(got, &got_len, NULL, sealed, sealed_len, ad, ad_len, nonce, key), 0);
	assert_int_equal(got_len, plain_len);
	if (memcmp(got, plain, plain_len) != 0)
		fail_msg("%s: opened to something else", vector->from);
	sealed[sealed_len - 1] ^= 1;
	assert_int_equal(open(got, &got_len, NULL, sealed, sealed_len, ad, ad_len, nonce, key), -1);
}

static void test_chacha20_poly1305(void **state)
{
	static const struct cipher_vector table[] = {
		{ .from = "RFC 8439 §2.8.2",
			.key = "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f",
			.nonce = "070000004041424344454647",
			.ad = "50515253c0c1c2c3c4c5c6c7",
			.plain = "4c616469657320616e642047656e746c656d656e206f662074686520636c6173"
				 "73206f66202739393a204966204920636f756c64206f6666657220796f75206f"
				 "6e6c79206f6e652074697020666f7220746865206675747572652c2073756e73"
				 "637265656e20776f756c642062652069742e",
			.sealed = "d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d6"
				  "3dbea45e8ca9671282fafb69da92728b1a71de0a9e060b2905d6a5b67ecd3b36"
				  "92ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc"
				  "3ff4def08e4b7a9de576d26586cec64b6116"
				  "1ae10b594f09e26a7e902ecbd0600691" },
		{ .from = "RFC 8439 appendix A.5",
			.key = "1c9240a5eb55d38af333888604f6b5f0473917c1402b80099dca5cbc207075c0",
			.nonce = "000000000102030405060708",
			.ad = "f33388860000000000004e91",
			.plain = "496e7465726e65742d4472616674732061726520647261667420646f63756d65"
				 "6e74732076616c696420666f722061206d6178696d756d206f6620736978206d"
				 "6f6e74687320616e64206d617920626520757064617465642c207265706c6163"
				 "65642c206f72206f62736f6c65746564206279206f7468657220646f63756d65"
				 "6e747320617420616e792074696d652e20497420697320696e617070726f7072"
				 "6961746520746f2075736520496e7465726e65742d4472616674732061732072"
				 "65666572656e6365206d6174657269616c206f7220746f206369746520746865"
				 "6d206f74686572207468616e206173202fe2809c776f726b20696e2070726f67"
				 "726573732e2fe2809d",
			.sealed = "64a0861575861af460f062c79be643bd5e805cfd345cf389f108670ac76c8cb2"
				  "4c6cfc18755d43eea09ee94e382d26b0bdb7b73c321b0100d4f03b7f355894cf"
				  "332f830e710b97ce98c8a84abd0b948114ad176e008d33bd60f982b1ff37c855"
				  "9797a06ef4f0ef61c186324e2b3506383606907b6a7c02b0f9f6157b53c867e4"
				  "b9166c767b804d46a59b5216cde7a4e99040c5a40433225ee282a1b0a06c523e"
				  "af4534d7f83fa1155b0047718cbc546a0d072b04b3564eea1b422273f548271a"
				  "0bb2316053fa76991955ebd63159434ecebb4e466dae5a1073a6727627097a10"
				  "49e617d91d361094fa68f0ff77987130305beaba2eda04df997b714d6c6f2c29"
				  "a6ad5cb4022b02709b"
				  "eead9d67890cbb22392336fea1851f38" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		check_cipher(&table[i], crypto_aead_chacha20poly1305_ietf_encrypt,
			crypto_aead_chacha20poly1305_ietf_decrypt);
}

static void test_aes_256_gcm(void **state)
{
	static const struct cipher_vector table[] = {
		{ .from = "McGrew and Viega (submission to NIST), test case 13",
			.key = "0000000000000000000000000000000000000000000000000000000000000000",
			.nonce = "000000000000000000000000",
			.ad = "",
			.plain = "",
			.sealed = "530f8afbc74536b9a963b4f1c4cb738b" },
		{ .from = "test case 14",
			.key = "0000000000000000000000000000000000000000000000000000000000000000",
			.nonce = "000000000000000000000000",
			.ad = "",
			.plain = "00000000000000000000000000000000",
			.sealed = "cea7403d4d606b6e074ec5d3baf39d18"
				  "d0d1c8a799996bf0265b98b5d48ab919" },
		{ .from = "test case 16",
			.key = "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308",
			.nonce = "cafebabefacedbaddecaf888",
			.ad = "feedfacedeadbeeffeedfacedeadbeefabaddad2",
			.plain = "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
				 "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
			.sealed = "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
				  "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662"
				  "76fc6ece0f4e1768cddf8853bb2d551b" },
	};

	(void)state;
	if (!crypto_aead_aes256gcm_is_available())
		skip();
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		check_cipher(
			&table[i], crypto_aead_aes256gcm_encrypt, crypto_aead_aes256gcm_decrypt);
}

#ifdef crypto_aead_aegis128l_KEYBYTES
#define KEY_128L "10010000000000000000000000000000"
#define NONCE_128L "10000200000000000000000000000000"

/* draft-irtf-cfrg-aegis-aead, appendix A: AEGIS-128L, 256-bit tags */
static void test_aegis_128l(void **state)
{
	static const struct cipher_vector table[] = {
		{ "128L 1", KEY_128L, NONCE_128L, "", "00000000000000000000000000000000",
			"c1c0e58bd913006feba00f4b3cc3594e"
			"25835bfbb21632176cf03840687cb968cace4617af1bd0f7d064c639a5c79ee4" },
		{ "128L 2", KEY_128L, NONCE_128L, "", "",
			"1360dc9db8ae42455f6e5b6a9d488ea4f2184c4e12120249335c4ee84bafe25d" },
		{ "128L 3", KEY_128L, NONCE_128L, "0001020304050607",
			"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
			"79d94593d8c2119d7e8fd9b8fc77845c5c077a05b2528b6ac54b563aed8efe84"
			"022cb796fe7e0ae1197525ff67e309484cfbab6528ddef89f17d74ef8ecd82b3" },
		{ "128L 4", KEY_128L, NONCE_128L, "0001020304050607",
			"000102030405060708090a0b0c0d",
			"79d94593d8c2119d7e8fd9b8fc77"
			"86f1b80bfb463aba711d15405d094baf4a55a15dbfec81a76f35ed0b9c8b04ac" },
		{ "128L 5", KEY_128L, NONCE_128L,
			"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
			"20212223242526272829",
			"101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f"
			"3031323334353637",
			"b31052ad1cca4e291abcf2df3502e6bdb1bfd6db36798be3607b1f94d34478aa"
			"7ede7f7a990fec10"
			"b91e2947a33da8bee89b6794e647baf0fc835ff574aca3fc27c33be0db2aff98" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		check_cipher(
			&table[i], crypto_aead_aegis128l_encrypt, crypto_aead_aegis128l_decrypt);
}
#endif

#ifdef crypto_aead_aegis256_KEYBYTES
#define KEY_256 "1001000000000000000000000000000000000000000000000000000000000000"
#define NONCE_256 "1000020000000000000000000000000000000000000000000000000000000000"

/* The same for AEGIS-256 */
static void test_aegis_256(void **state)
{
	static const struct cipher_vector table[] = {
		{ "256 1", KEY_256, NONCE_256, "", "00000000000000000000000000000000",
			"754fc3d8c973246dcc6d741412a4b236"
			"1181a1d18091082bf0266f66297d167d2e68b845f61a3b0527d31fc7b7b89f13" },
		{ "256 2", KEY_256, NONCE_256, "", "",
			"6a348c930adbd654896e1666aad67de989ea75ebaa2b82fb588977b1ffec864a" },
		{ "256 3", KEY_256, NONCE_256, "0001020304050607",
			"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
			"f373079ed84b2709faee373584585d60accd191db310ef5d8b11833df9dec711"
			"b7d28d0c3c0ebd409fd22b44160503073a547412da0854bfb9723020dab8da1a" },
		{ "256 4", KEY_256, NONCE_256, "0001020304050607", "000102030405060708090a0b0c0d",
			"f373079ed84b2709faee37358458"
			"8c1cc703c81281bee3f6d9966e14948b4a175b2efbdc31e61a98b4465235c2d9" },
		{ "256 5", KEY_256, NONCE_256,
			"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
			"20212223242526272829",
			"101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f"
			"3031323334353637",
			"57754a7d09963e7c787583a2e7b859bb24fa1e04d49fd550b2511a358e3bca25"
			"2a9b1b8b30cc4a67"
			"a3aca270c006094d71c20e6910b5161c0826df233d08919a566ec2c05990f734" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		check_cipher(&table[i], crypto_aead_aegis256_encrypt, crypto_aead_aegis256_decrypt);
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_x25519),
		cmocka_unit_test(test_x25519_iterated),
		cmocka_unit_test(test_x25519_exchange),
		cmocka_unit_test(test_x25519_small_order),
		cmocka_unit_test(test_blake2s),
		cmocka_unit_test(test_blake2s_grand_hash),
		cmocka_unit_test(test_chacha20_poly1305),
		cmocka_unit_test(test_aes_256_gcm),
#ifdef crypto_aead_aegis128l_KEYBYTES
		cmocka_unit_test(test_aegis_128l),
#endif
#ifdef crypto_aead_aegis256_KEYBYTES
		cmocka_unit_test(test_aegis_256),
#endif
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
