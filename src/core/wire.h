/* SPDX-License-Identifier: ISC */
/* What goes over the wire: message layouts and the protocol's constants. Byte for byte in
 * doc/PROTOCOL. */
#ifndef CORE_WIRE_H
#define CORE_WIRE_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum wire_type {
	WIRE_INITIATION = 1,
	WIRE_RESPONSE = 2,
	WIRE_COOKIE = 3,
	WIRE_DATA = 4,
};

/* The second byte of the type word, in types 1 and 2. */
enum wire_dialect {
	WIRE_WIREGUARD = 0,
	WIRE_CULVERT = 1,
};

enum {
	WIRE_KEY_LEN = 32,
	WIRE_TAG_LEN = 16, /* Poly1305's, in every handshake message */
	WIRE_MAC_LEN = 16,
	WIRE_COOKIE_LEN = 16,
	WIRE_COOKIE_NONCE_LEN = 24,
	WIRE_TIMESTAMP_LEN = 12, /* TAI64N */
	WIRE_FIELDS_MAX = 1280,  /* type-length-value fields of one handshake payload */
	WIRE_PADDING = 16,       /* data is padded to a multiple of this */
};

/* All members are byte arrays: no alignment is assumed, integers are little endian. */
struct wire_macs {
	uint8_t mac1[WIRE_MAC_LEN];
	uint8_t mac2[WIRE_MAC_LEN];
};

/* Followed by the sealed payload (timestamp and fields, and a tag), then struct wire_macs. */
struct wire_initiation {
	uint8_t type[4];
	uint8_t sender[4];
	uint8_t ephemeral[WIRE_KEY_LEN];
	uint8_t sealed_static[WIRE_KEY_LEN + WIRE_TAG_LEN];
};

/* Followed by the sealed payload (fields, and a tag), then struct wire_macs. */
struct wire_response {
	uint8_t type[4];
	uint8_t sender[4];
	uint8_t receiver[4];
	uint8_t ephemeral[WIRE_KEY_LEN];
};

struct wire_cookie {
	uint8_t type[4];
	uint8_t receiver[4];
	uint8_t nonce[WIRE_COOKIE_NONCE_LEN];
	uint8_t sealed_cookie[WIRE_COOKIE_LEN + WIRE_TAG_LEN];
};

/* Followed by the sealed packet. */
struct wire_data {
	uint8_t type[4];
	uint8_t receiver[4];
	uint8_t counter[8];
};

enum {
	WIRE_INITIATION_MIN = sizeof(struct wire_initiation) + WIRE_TIMESTAMP_LEN + WIRE_TAG_LEN +
			      sizeof(struct wire_macs),
	WIRE_INITIATION_MAX = WIRE_INITIATION_MIN + WIRE_FIELDS_MAX,
	WIRE_RESPONSE_MIN = sizeof(struct wire_response) + WIRE_TAG_LEN + sizeof(struct wire_macs),
	WIRE_RESPONSE_MAX = WIRE_RESPONSE_MIN + WIRE_FIELDS_MAX,
	WIRE_HANDSHAKE_MAX = WIRE_INITIATION_MAX,
	WIRE_DATA_MIN = sizeof(struct wire_data) + WIRE_TAG_LEN,
};

static_assert(WIRE_INITIATION_MIN == 148, "WireGuard's initiation");
static_assert(WIRE_RESPONSE_MIN == 92, "WireGuard's response");
static_assert(sizeof(struct wire_cookie) == 64, "WireGuard's cookie reply");
static_assert(sizeof(struct wire_data) == 16 && WIRE_DATA_MIN == 32, "WireGuard's data");

#define WIRE_SECOND UINT64_C(1000000000) /* all times are nanoseconds */

/* WireGuard paper §6; the kernel module where they differ. */
#define WIRE_REKEY_AFTER_TIME (120 * WIRE_SECOND)
#define WIRE_REJECT_AFTER_TIME (180 * WIRE_SECOND)
#define WIRE_REKEY_TIMEOUT (5 * WIRE_SECOND)
/* An end whose handshake was not answered for so long misses the peer, and says so. */
#define WIRE_MISSED_TIME (10 * WIRE_SECOND)
#define WIRE_KEEPALIVE_TIMEOUT (10 * WIRE_SECOND)
/* The culvert dialect's: with them an end that restarted is found out in about 4 s instead of 15,
 * and two ends that start together need not wait for 5 s if the first message came too early. */
#define WIRE_QUICK_REKEY_TIMEOUT WIRE_SECOND
#define WIRE_QUICK_RETRIES 4
#define WIRE_QUICK_KEEPALIVE_TIMEOUT (2 * WIRE_SECOND)
#define WIRE_QUICK_ANSWER_TIMEOUT (2 * WIRE_SECOND)
#define WIRE_JITTER_MAX (WIRE_SECOND / 3)
#define WIRE_MAX_RETRIES 18
#define WIRE_INITIATION_INTERVAL (WIRE_SECOND / 50) /* at most one is consumed in this time */
#define WIRE_COOKIE_SECRET_TIME (120 * WIRE_SECOND)
#define WIRE_COOKIE_USE_TIME (115 * WIRE_SECOND)
#define WIRE_REKEY_AFTER_MESSAGES (UINT64_C(1) << 60)
#define WIRE_REJECT_AFTER_MESSAGES (UINT64_MAX - (UINT64_C(1) << 13))
#define WIRE_STAGED_MAX 128 /* packets that wait for a session, per peer */
#define WIRE_STAGED_BYTES ((size_t)WIRE_STAGED_MAX * 2048) /* and so much of long ones */

static inline uint32_t wire_get32(const uint8_t bytes[4])
{
	return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 |
	       (uint32_t)bytes[3] << 24;
}

static inline uint64_t wire_get64(const uint8_t bytes[8])
{
	return wire_get32(bytes) | (uint64_t)wire_get32(bytes + 4) << 32;
}

static inline void wire_put32(uint8_t bytes[4], uint32_t value)
{
	for (int i = 0; i < 4; i++)
		bytes[i] = (uint8_t)(value >> (8 * i));
}

static inline void wire_put64(uint8_t bytes[8], uint64_t value)
{
	wire_put32(bytes, (uint32_t)value);
	wire_put32(bytes + 4, (uint32_t)(value >> 32));
}

static inline void wire_put_type(uint8_t word[4], enum wire_type type, enum wire_dialect dialect)
{
	word[0] = (uint8_t)type;
	word[1] = (uint8_t)dialect;
	word[2] = word[3] = 0;
}

/* The dialect of a handshake message that wire_classify accepted. */
static inline enum wire_dialect wire_dialect_of(const uint8_t *message)
{
	return message[1] == WIRE_CULVERT ? WIRE_CULVERT : WIRE_WIREGUARD;
}

/*
 * What a datagram claims to be, by its type word and length alone; 0 if it is no message of ours.
 * Nothing is authenticated yet.
 */
static inline int wire_classify(const uint8_t *message, size_t len)
{
	if (len < 4 || message[2] || message[3])
		return 0;
	const bool culvert = message[1] == WIRE_CULVERT;
	if (message[1] &&
		!(culvert && (message[0] == WIRE_INITIATION || message[0] == WIRE_RESPONSE)))
		return 0;
	switch (message[0]) {
	case WIRE_INITIATION:
		return len == WIRE_INITIATION_MIN || (culvert && len > WIRE_INITIATION_MIN &&
							     len <= WIRE_INITIATION_MAX)
			       ? WIRE_INITIATION
			       : 0;
	case WIRE_RESPONSE:
		return len == WIRE_RESPONSE_MIN || (culvert && len > WIRE_RESPONSE_MIN &&
							   len <= WIRE_RESPONSE_MAX)
			       ? WIRE_RESPONSE
			       : 0;
	case WIRE_COOKIE:
		return len == sizeof(struct wire_cookie) ? WIRE_COOKIE : 0;
	case WIRE_DATA:
		return len >= WIRE_DATA_MIN ? WIRE_DATA : 0;
	default:
		return 0;
	}
}

#endif
