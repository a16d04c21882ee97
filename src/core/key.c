/* SPDX-License-Identifier: ISC */
/* Keys: making them, their text forms, wiping them. */
#include "core/key.h"

#include <errno.h>
#include <string.h>

#include <sodium.h>

void key_generate_private(uint8_t key[KEY_LEN])
{
	randombytes_buf(key, KEY_LEN);
	key_clamp(key);
}

void key_generate_shared(uint8_t key[KEY_LEN])
{
	randombytes_buf(key, KEY_LEN);
}

void key_clamp(uint8_t key[KEY_LEN])
{
	key[0] &= 0xf8;
	key[31] = (uint8_t)((key[31] & 0x7f) | 0x40);
}

void key_derive_public(uint8_t public_key[KEY_LEN], const uint8_t private_key[KEY_LEN])
{
	/* It clamps a copy of its own and always succeeds. */
	(void)crypto_scalarmult_base(public_key, private_key);
}

bool key_is_zero(const uint8_t key[KEY_LEN])
{
	return sodium_is_zero(key, KEY_LEN) == 1;
}

bool key_equal(const uint8_t a[KEY_LEN], const uint8_t b[KEY_LEN])
{
	return sodium_memcmp(a, b, KEY_LEN) == 0;
}

void key_to_base64(char text[KEY_BASE64_SIZE], const uint8_t key[KEY_LEN])
{
	sodium_bin2base64(text, KEY_BASE64_SIZE, key, KEY_LEN, sodium_base64_VARIANT_ORIGINAL);
}

int key_from_base64(uint8_t key[KEY_LEN], const char *text)
{
	uint8_t raw[KEY_LEN];
	char again[KEY_BASE64_SIZE];
	size_t len = 0;
	int error = -EINVAL;

	if (strnlen(text, KEY_BASE64_SIZE) != KEY_BASE64_SIZE - 1)
		goto out;
	if (sodium_base642bin(raw, sizeof(raw), text, KEY_BASE64_SIZE - 1, NULL, &len, NULL,
		    sodium_base64_VARIANT_ORIGINAL) != 0 ||
		len != KEY_LEN)
		goto out;
	/* libsodium 1.0.18 takes some bytes above 0x7f for digits. What is canonical comes out
	 * again as it went in. */
	key_to_base64(again, raw);
	if (sodium_memcmp(again, text, KEY_BASE64_SIZE) != 0)
		goto out;
	memcpy(key, raw, KEY_LEN);
	error = 0;
out:
	key_wipe(raw, sizeof(raw));
	key_wipe(again, sizeof(again));
	return error;
}

void key_to_hex(char text[KEY_HEX_SIZE], const uint8_t key[KEY_LEN])
{
	sodium_bin2hex(text, KEY_HEX_SIZE, key, KEY_LEN);
}

int key_from_hex(uint8_t key[KEY_LEN], const char *text)
{
	uint8_t raw[KEY_LEN];
	size_t len = 0;
	int error = -EINVAL;

	if (strnlen(text, KEY_HEX_SIZE) != KEY_HEX_SIZE - 1)
		goto out;
	if (sodium_hex2bin(raw, sizeof(raw), text, KEY_HEX_SIZE - 1, NULL, &len, NULL) != 0 ||
		len != KEY_LEN)
		goto out;
	memcpy(key, raw, KEY_LEN);
	error = 0;
out:
	key_wipe(raw, sizeof(raw));
	return error;
}

void key_wipe(void *secret, size_t len)
{
	sodium_memzero(secret, len);
}
