/* SPDX-License-Identifier: ISC */
/* Keys: making them, their text forms, wiping them. Buffers belong to the caller. */
#ifndef CORE_KEY_H
#define CORE_KEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	KEY_LEN = 32,
	KEY_BASE64_SIZE = 45, /* 44 characters and a NUL */
	KEY_HEX_SIZE = 65,    /* 64 characters and a NUL */
};

/* A new private key, clamped (RFC 7748 §5). */
void key_generate_private(uint8_t key[KEY_LEN]);

/* A new pre-shared or shared key: 32 random bytes. */
void key_generate_shared(uint8_t key[KEY_LEN]);

void key_clamp(uint8_t key[KEY_LEN]);

/* The X25519 public key of a private key. */
void key_derive_public(uint8_t public_key[KEY_LEN], const uint8_t private_key[KEY_LEN]);

/* Constant time. */
bool key_is_zero(const uint8_t key[KEY_LEN]);
bool key_equal(const uint8_t a[KEY_LEN], const uint8_t b[KEY_LEN]);

/* Text forms, in constant time. The parsers take exactly the canonical form (base64: 43 characters
 * and one '='; hex: 64 digits, either case) and give 0, or -EINVAL with the key left as it was. */
void key_to_base64(char text[KEY_BASE64_SIZE], const uint8_t key[KEY_LEN]);
int key_from_base64(uint8_t key[KEY_LEN], const char *text);
void key_to_hex(char text[KEY_HEX_SIZE], const uint8_t key[KEY_LEN]);
int key_from_hex(uint8_t key[KEY_LEN], const char *text);

/* Overwrites a secret; the compiler cannot leave it out. */
void key_wipe(void *secret, size_t len);

#endif
