/* SPDX-License-Identifier: ISC */
/* The ciphers that seal data messages: one const row each. */
#include "core/aead.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "core/chacha.h"
#include "core/wire.h"

static bool always(void)
{
	return true;
}

/* ChaCha20-Poly1305 (RFC 8439) */

static void chacha_prepare(struct aead_key *key, const uint8_t *raw)
{
	memcpy(key->raw, raw, CHACHA_KEY);
}

static void chacha_nonce(uint8_t nonce[CHACHA_NONCE], uint64_t counter)
{
	memset(nonce, 0, CHACHA_NONCE - 8);
	wire_put64(nonce + CHACHA_NONCE - 8, counter);
}

static void chacha_seal_message(const struct aead_key *key, uint64_t counter, uint8_t *sealed,
	const uint8_t *plain, size_t len)
{
	uint8_t nonce[CHACHA_NONCE];

	chacha_nonce(nonce, counter);
	chacha_seal(key->raw, nonce, sealed, plain, len);
}

static int chacha_open_message(const struct aead_key *key, uint64_t counter, uint8_t *plain,
	const uint8_t *sealed, size_t sealed_len)
{
	uint8_t nonce[CHACHA_NONCE];

	chacha_nonce(nonce, counter);
	return chacha_open(key->raw, nonce, plain, sealed, sealed_len);
}

static const struct aead chacha20_poly1305 = {
	.name = "chacha20-poly1305",
	.id = 1,
	.key_len = CHACHA_KEY,
	.tag_len = CHACHA_TAG,
	.rekey_after = WIRE_REKEY_AFTER_MESSAGES,
	.reject_after = WIRE_REJECT_AFTER_MESSAGES,
	.available = always,
	.hardware = always, /* fast everywhere, in vector code */
	.prepare = chacha_prepare,
	.seal = chacha_seal_message,
	.open = chacha_open_message,
};

const struct aead *const aead_chacha20_poly1305 = &chacha20_poly1305;

/* AES-256-GCM */

enum { AES_NONCE = crypto_aead_aes256gcm_NPUBBYTES };

static bool aes_available(void)
{
	return crypto_aead_aes256gcm_is_available() == 1;
}

static void aes_prepare(struct aead_key *key, const uint8_t *raw)
{
	(void)crypto_aead_aes256gcm_beforenm(&key->aes, raw);
}

static void aes_seal(const struct aead_key *key, uint64_t counter, uint8_t *sealed,
	const uint8_t *plain, size_t len)
{
	uint8_t nonce[AES_NONCE] = { 0 };

	wire_put64(nonce + AES_NONCE - 8, counter);
	crypto_aead_aes256gcm_encrypt_afternm(
		sealed, NULL, plain, len, NULL, 0, NULL, nonce, &key->aes);
}

static int aes_open(const struct aead_key *key, uint64_t counter, uint8_t *plain,
	const uint8_t *sealed, size_t sealed_len)
{
	uint8_t nonce[AES_NONCE] = { 0 };

	wire_put64(nonce + AES_NONCE - 8, counter);
	return crypto_aead_aes256gcm_decrypt_afternm(
		       plain, NULL, NULL, sealed, sealed_len, NULL, 0, nonce, &key->aes) == 0
		       ? 0
		       : -EBADMSG;
}

static const struct aead aes_256_gcm = {
	.name = "aes-256-gcm",
	.id = 2,
	.key_len = crypto_aead_aes256gcm_KEYBYTES,
	.tag_len = crypto_aead_aes256gcm_ABYTES,
	/* AES is a permutation of 128-bit blocks, so what GCM gives away grows with the square of
	 * the blocks under one key. RFC 9001 §6.6 and appendix B.1: 2^28 packets of up to 2^11
	 * bytes keep an attacker's advantage under 2^-57. A handshake that is due and does not come
	 * about has sixteen times that, which still leaves 2^-49 (2^-39 if all were of 64 KiB). */
	.rekey_after = UINT64_C(1) << 28,
	.reject_after = UINT64_C(1) << 32,
	.available = aes_available,
	.hardware = aes_available, /* libsodium has it in hardware or not at all */
	.prepare = aes_prepare,
	.seal = aes_seal,
	.open = aes_open,
};

/*
 * AEGIS. Both have libsodium's 32-byte tag. With nonces that do not repeat there is no birthday
 * bound to keep away from: the limits are those of a key that lives far too long.
 */
#define AEGIS_REKEY_AFTER (UINT64_C(1) << 48)
#define AEGIS_REJECT_AFTER (UINT64_C(1) << 50)

#if defined(crypto_aead_aegis128l_KEYBYTES) || defined(crypto_aead_aegis256_KEYBYTES)
/* libsodium's AEGIS in plain C is constant-time and slow. Its fast ones are compiled for AES with
 * AVX and for ARM's AES instructions. */
static bool aegis_hardware(void)
{
	return (sodium_runtime_has_aesni() && sodium_runtime_has_avx()) ||
	       sodium_runtime_has_armcrypto();
}
#endif

#ifdef crypto_aead_aegis128l_KEYBYTES
enum { AEGIS128L_NONCE = crypto_aead_aegis128l_NPUBBYTES };

static void aegis128l_prepare(struct aead_key *key, const uint8_t *raw)
{
	memcpy(key->raw, raw, crypto_aead_aegis128l_KEYBYTES);
}

static void aegis128l_seal(const struct aead_key *key, uint64_t counter, uint8_t *sealed,
	const uint8_t *plain, size_t len)
{
	uint8_t nonce[AEGIS128L_NONCE] = { 0 };

	wire_put64(nonce + AEGIS128L_NONCE - 8, counter);
	crypto_aead_aegis128l_encrypt(sealed, NULL, plain, len, NULL, 0, NULL, nonce, key->raw);
}

static int aegis128l_open(const struct aead_key *key, uint64_t counter, uint8_t *plain,
	const uint8_t *sealed, size_t sealed_len)
{
	uint8_t nonce[AEGIS128L_NONCE] = { 0 };

	wire_put64(nonce + AEGIS128L_NONCE - 8, counter);
	return crypto_aead_aegis128l_decrypt(
		       plain, NULL, NULL, sealed, sealed_len, NULL, 0, nonce, key->raw) == 0
		       ? 0
		       : -EBADMSG;
}

static const struct aead aegis_128l = {
	.name = "aegis-128l",
	.id = 3,
	.key_len = crypto_aead_aegis128l_KEYBYTES,
	.tag_len = crypto_aead_aegis128l_ABYTES,
	.rekey_after = AEGIS_REKEY_AFTER,
	.reject_after = AEGIS_REJECT_AFTER,
	.available = always,
	.hardware = aegis_hardware,
	.prepare = aegis128l_prepare,
	.seal = aegis128l_seal,
	.open = aegis128l_open,
};
#endif

#ifdef crypto_aead_aegis256_KEYBYTES
enum { AEGIS256_NONCE = crypto_aead_aegis256_NPUBBYTES };

static void aegis256_prepare(struct aead_key *key, const uint8_t *raw)
{
	memcpy(key->raw, raw, crypto_aead_aegis256_KEYBYTES);
}

static void aegis256_seal(const struct aead_key *key, uint64_t counter, uint8_t *sealed,
	const uint8_t *plain, size_t len)
{
	uint8_t nonce[AEGIS256_NONCE] = { 0 };

	wire_put64(nonce + AEGIS256_NONCE - 8, counter);
	crypto_aead_aegis256_encrypt(sealed, NULL, plain, len, NULL, 0, NULL, nonce, key->raw);
}

static int aegis256_open(const struct aead_key *key, uint64_t counter, uint8_t *plain,
	const uint8_t *sealed, size_t sealed_len)
{
	uint8_t nonce[AEGIS256_NONCE] = { 0 };

	wire_put64(nonce + AEGIS256_NONCE - 8, counter);
	return crypto_aead_aegis256_decrypt(
		       plain, NULL, NULL, sealed, sealed_len, NULL, 0, nonce, key->raw) == 0
		       ? 0
		       : -EBADMSG;
}

static const struct aead aegis_256 = {
	.name = "aegis-256",
	.id = 4,
	.key_len = crypto_aead_aegis256_KEYBYTES,
	.tag_len = crypto_aead_aegis256_ABYTES,
	.rekey_after = AEGIS_REKEY_AFTER,
	.reject_after = AEGIS_REJECT_AFTER,
	.available = always,
	.hardware = aegis_hardware,
	.prepare = aegis256_prepare,
	.seal = aegis256_seal,
	.open = aegis256_open,
};
#endif

/* In the order in which `auto` prefers them. AEGIS-256 is no stronger in any way that matters here
 * and slower than AEGIS-128L: last, so that it is only taken when the other end insists. */
static const struct aead *const rows[] = {
#ifdef crypto_aead_aegis128l_KEYBYTES
	&aegis_128l,
#endif
	&aes_256_gcm,
	&chacha20_poly1305,
#ifdef crypto_aead_aegis256_KEYBYTES
	&aegis_256,
#endif
};

#define ROWS (sizeof(rows) / sizeof(rows[0]))

static_assert(ROWS <= AEAD_COUNT_MAX, "one handshake can offer every row");

const struct aead *aead_at(size_t i)
{
	return i < ROWS ? rows[i] : NULL;
}

const struct aead *aead_by_name(const char *name)
{
	for (size_t i = 0; i < ROWS; i++)
		if (strcasecmp(rows[i]->name, name) == 0)
			return rows[i];
	return NULL;
}

const struct aead *aead_by_id(uint8_t id)
{
	for (size_t i = 0; i < ROWS; i++)
		if (rows[i]->id == id)
			return rows[i];
	return NULL;
}

bool aead_name_known(const char *name)
{
	/* Those that an older libsodium lacks. */
	static const char *const newer[] = { "aegis-128l", "aegis-256" };

	for (size_t i = 0; i < sizeof(newer) / sizeof(newer[0]); i++)
		if (strcasecmp(newer[i], name) == 0)
			return true;
	return aead_by_name(name) != NULL;
}
