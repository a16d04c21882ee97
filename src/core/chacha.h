/* SPDX-License-Identifier: ISC */
/* ChaCha20-Poly1305 (RFC 8439) without associated data, at its best for packets of usual sizes. */
#ifndef CORE_CHACHA_H
#define CORE_CHACHA_H

#include <stddef.h>
#include <stdint.h>

enum { CHACHA_KEY = 32, CHACHA_NONCE = 12, CHACHA_TAG = 16 };

/* sealed gets len + CHACHA_TAG bytes; it may be plain itself, else the two do not overlap. */
void chacha_seal(const uint8_t key[CHACHA_KEY], const uint8_t nonce[CHACHA_NONCE], uint8_t *sealed,
	const uint8_t *plain, size_t len);

/* plain gets sealed_len - CHACHA_TAG bytes; it may be sealed itself. 0, or -EBADMSG and plain is of
 * no meaning. */
int chacha_open(const uint8_t key[CHACHA_KEY], const uint8_t nonce[CHACHA_NONCE], uint8_t *plain,
	const uint8_t *sealed, size_t sealed_len);

#endif
