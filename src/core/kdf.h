/* SPDX-License-Identifier: ISC */
/* BLAKE2s as the handshake uses it: hash, keyed mac, HMAC and HKDF (Noise §4.3). */
#ifndef CORE_KDF_H
#define CORE_KDF_H

#include <stddef.h>
#include <stdint.h>

enum { KDF_LEN = 32, KDF_BLOCK_LEN = 64 };

/* HASH(a ‖ b); b may be NULL with b_len 0. */
void kdf_hash(uint8_t out[KDF_LEN], const void *a, size_t a_len, const void *b, size_t b_len);

/* Keyed BLAKE2s with 16 bytes of output (the paper's Mac). key_len at most 32. */
void kdf_mac(uint8_t out[16], const void *key, size_t key_len, const void *a, size_t a_len);

/* KDF1, KDF2, KDF3: as many outputs as are not NULL (first comes first). The chaining key may be
 * the first output itself. */
void kdf_derive(uint8_t first[KDF_LEN], uint8_t second[KDF_LEN], uint8_t third[KDF_LEN],
	const uint8_t chaining_key[KDF_LEN], const void *input, size_t len);

#endif
