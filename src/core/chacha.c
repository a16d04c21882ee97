/* SPDX-License-Identifier: ISC */
/*
 * ChaCha20-Poly1305 (RFC 8439 §2.8), put together from libsodium's ChaCha20 and Poly1305.
 *
 * libsodium's own function makes the one-time key in a call of its own, and its vector code falls
 * back to single blocks for what does not fill its lanes: the most of a packet's time goes there.
 * Here one call makes the key and the whole keystream, rounded up to full lanes. A packet of 1420
 * bytes takes three quarters of the time so, one of 200 bytes two thirds. Longer messages, and
 * processors for which libsodium has no vector code, gain nothing and go to libsodium's function.
 */
#include "core/chacha.h"

#include <assert.h>
#include <errno.h>
#include <sodium.h>
#include <stdbool.h>
#include <string.h>

#include "core/wire.h"

enum {
	BLOCK = 64,  /* of the keystream. The first one's beginning is the key for the tag */
	LANES = 256, /* what the vector code makes at once, or half of it */
	STREAM_MAX = 2048,
	TAG_BLOCK = 16, /* Poly1305's */
};

static_assert(CHACHA_TAG == crypto_aead_chacha20poly1305_ietf_ABYTES, "RFC 8439");

static bool is_ours(size_t len)
{
	return len <= STREAM_MAX - BLOCK && sodium_runtime_has_ssse3();
}

/* Returns how many bytes of the stream were made, which are to be wiped. */
static size_t make_stream(
	uint8_t stream[STREAM_MAX], const uint8_t *key, const uint8_t *nonce, size_t len)
{
	const size_t made = (BLOCK + len + LANES - 1) & ~(size_t)(LANES - 1);

	crypto_stream_chacha20_ietf(stream, made, nonce, key);
	return made;
}

static void xor_stream(uint8_t *out, const uint8_t *in, const uint8_t *stream, size_t len)
{
	typedef uint64_t lanes __attribute__((vector_size(16)));
	size_t at = 0;
	lanes bytes, mask;

	for (; at + sizeof(lanes) <= len; at += sizeof(lanes)) {
		memcpy(&bytes, in + at, sizeof(bytes));
		memcpy(&mask, stream + at, sizeof(mask));
		bytes ^= mask;
		memcpy(out + at, &bytes, sizeof(bytes));
	}
	for (; at < len; at++)
		out[at] = in[at] ^ stream[at];
}

/* Over the sealed bytes, zeros up to a whole block, and both lengths, that of no associated data
 * first. */
static void make_tag(uint8_t tag[CHACHA_TAG], const uint8_t *key, const uint8_t *sealed, size_t len)
{
	crypto_onetimeauth_poly1305_state state;
	uint8_t end[2 * TAG_BLOCK] = { 0 };
	const size_t padding = -len % TAG_BLOCK;

	wire_put64(end + padding + 8, len);
	crypto_onetimeauth_poly1305_init(&state, key);
	crypto_onetimeauth_poly1305_update(&state, sealed, len);
	crypto_onetimeauth_poly1305_update(&state, end, padding + TAG_BLOCK);
	crypto_onetimeauth_poly1305_final(&state, tag); /* which wipes the state */
}

void chacha_seal(const uint8_t key[CHACHA_KEY], const uint8_t nonce[CHACHA_NONCE], uint8_t *sealed,
	const uint8_t *plain, size_t len)
{
	uint8_t stream[STREAM_MAX];

	if (!is_ours(len)) {
		crypto_aead_chacha20poly1305_ietf_encrypt(
			sealed, NULL, plain, len, NULL, 0, NULL, nonce, key);
		return;
	}
	const size_t made = make_stream(stream, key, nonce, len);

	xor_stream(sealed, plain, stream + BLOCK, len);
	make_tag(sealed + len, stream, sealed, len);
	sodium_memzero(stream, made);
}

int chacha_open(const uint8_t key[CHACHA_KEY], const uint8_t nonce[CHACHA_NONCE], uint8_t *plain,
	const uint8_t *sealed, size_t sealed_len)
{
	const size_t len = sealed_len - CHACHA_TAG;
	uint8_t stream[STREAM_MAX], tag[CHACHA_TAG];

	if (sealed_len < CHACHA_TAG)
		return -EBADMSG;
	if (!is_ours(len))
		return crypto_aead_chacha20poly1305_ietf_decrypt(
			       plain, NULL, NULL, sealed, sealed_len, NULL, 0, nonce, key)
			       ? -EBADMSG
			       : 0;
	const size_t made = make_stream(stream, key, nonce, len);

	make_tag(tag, stream, sealed, len);
	const bool authentic = crypto_verify_16(tag, sealed + len) == 0;

	if (authentic)
		xor_stream(plain, sealed, stream + BLOCK, len);
	sodium_memzero(stream, made);
	sodium_memzero(tag, sizeof(tag)); /* of a forgery it is the right one */
	return authentic ? 0 : -EBADMSG;
}
