/* SPDX-License-Identifier: ISC */
/*
 * The ciphers that seal data messages: one const row each. Adding one is adding a row
 * (doc/HACKING).
 *
 * The nonce is the message counter: little endian in the last eight bytes, zeros before it.
 */
#ifndef CORE_AEAD_H
#define CORE_AEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sodium.h>

enum {
	AEAD_KEY_MAX = 32,
	AEAD_TAG_MAX = 32,
	AEAD_COUNT_MAX = 8, /* rows there may ever be offered in one handshake */
};

/* A key made ready for use. Holds secrets: wipe it with key_wipe. */
struct aead_key {
	union {
		uint8_t raw[AEAD_KEY_MAX];
		crypto_aead_aes256gcm_state aes; /* expanded once, not per packet */
	};
};

struct aead {
	const char *name;
	uint8_t id; /* on the wire, in the culvert dialect */
	uint8_t key_len;
	uint8_t tag_len;
	uint64_t rekey_after;    /* messages under one key before a new handshake is started */
	uint64_t reject_after;   /* messages under one key that are ever sealed or opened */
	bool (*available)(void); /* this libsodium and this CPU can do it at all */
	bool (*hardware)(void);  /* it is fast here, so Cipher = auto may offer it */
	void (*prepare)(struct aead_key *key, const uint8_t *raw);
	/* sealed gets len + tag_len bytes; it may be plain itself, else the two do not overlap. */
	void (*seal)(const struct aead_key *key, uint64_t counter, uint8_t *sealed,
		const uint8_t *plain, size_t len);
	/* plain gets sealed_len - tag_len bytes; it may be sealed itself. 0, or -EBADMSG and plain
	 * is of no meaning. */
	int (*open)(const struct aead_key *key, uint64_t counter, uint8_t *plain,
		const uint8_t *sealed, size_t sealed_len);
};

/* WireGuard's cipher, always there. */
extern const struct aead *const aead_chacha20_poly1305;

/* Row i in the order in which `auto` prefers them, or NULL after the last. Rows that this libsodium
 * does not have are left out; whether the CPU has one is for available() to say. */
const struct aead *aead_at(size_t i);

const struct aead *aead_by_name(const char *name); /* NULL if unknown to this build */
const struct aead *aead_by_id(uint8_t id);         /* NULL if unknown to this build */

/* Whether the name is a cipher's, be it one that this build lacks. */
bool aead_name_known(const char *name);

#endif
