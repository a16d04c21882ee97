/* SPDX-License-Identifier: ISC */
/* BLAKE2s as the handshake uses it, on libb2. */
#include "core/kdf.h"

#include <blake2.h>
#include <string.h>

#include "core/key.h"

void kdf_hash(uint8_t out[KDF_LEN], const void *a, size_t a_len, const void *b, size_t b_len)
{
	blake2s_state state;

	blake2s_init(&state, KDF_LEN);
	blake2s_update(&state, a, a_len);
	if (b_len)
		blake2s_update(&state, b, b_len);
	blake2s_final(&state, out, KDF_LEN);
	key_wipe(&state, sizeof(state));
}

void kdf_mac(uint8_t out[16], const void *key, size_t key_len, const void *a, size_t a_len)
{
	blake2s_state state;

	blake2s_init_key(&state, 16, key, key_len);
	blake2s_update(&state, a, a_len);
	blake2s_final(&state, out, 16);
	key_wipe(&state, sizeof(state));
}

/* RFC 2104, for keys no longer than a hash: HMAC(key, a ‖ b). */
static void hmac(uint8_t out[KDF_LEN], const uint8_t key[KDF_LEN], const void *a, size_t a_len,
	const void *b, size_t b_len)
{
	uint8_t pad[KDF_BLOCK_LEN];
	uint8_t inner[KDF_LEN];
	blake2s_state state;

	memset(pad, 0x36, sizeof(pad));
	for (int i = 0; i < KDF_LEN; i++)
		pad[i] ^= key[i];
	blake2s_init(&state, KDF_LEN);
	blake2s_update(&state, pad, sizeof(pad));
	blake2s_update(&state, a, a_len);
	if (b_len)
		blake2s_update(&state, b, b_len);
	blake2s_final(&state, inner, KDF_LEN);

	for (int i = 0; i < KDF_BLOCK_LEN; i++)
		pad[i] ^= 0x36 ^ 0x5c;
	kdf_hash(out, pad, sizeof(pad), inner, sizeof(inner));
	key_wipe(pad, sizeof(pad));
	key_wipe(inner, sizeof(inner));
	key_wipe(&state, sizeof(state));
}

void kdf_derive(uint8_t first[KDF_LEN], uint8_t second[KDF_LEN], uint8_t third[KDF_LEN],
	const uint8_t chaining_key[KDF_LEN], const void *input, size_t len)
{
	static const uint8_t numbers[] = { 1, 2, 3 };
	uint8_t secret[KDF_LEN];
	uint8_t block[KDF_LEN];

	hmac(secret, chaining_key, input, len, NULL, 0);
	hmac(block, secret, &numbers[0], 1, NULL, 0);
	memcpy(first, block, KDF_LEN);
	if (second) {
		hmac(block, secret, block, KDF_LEN, &numbers[1], 1);
		memcpy(second, block, KDF_LEN);
	}
	if (third) {
		hmac(block, secret, block, KDF_LEN, &numbers[2], 1);
		memcpy(third, block, KDF_LEN);
	}
	key_wipe(secret, sizeof(secret));
	key_wipe(block, sizeof(block));
}
