/* SPDX-License-Identifier: ISC */
/*
 * What the culvert dialect negotiates inside the sealed payloads: type-length-value fields, each a
 * type byte, a 16-bit little-endian length and that many bytes. Unknown types are skipped
 * (doc/PROTOCOL).
 */
#ifndef CORE_FIELDS_H
#define CORE_FIELDS_H

#include "core/aead.h"
#include "core/noise.h"

enum field_type {
	FIELD_PADDING = 0,  /* ignored, any length */
	FIELD_CIPHERS = 1,  /* initiation: identifiers offered; response: the one chosen */
	FIELD_LINK = 2,     /* one byte, enum tunnel_link */
	FIELD_INSTANCE = 3, /* tells the sender from the other end: doc/PROTOCOL §6 */
	FIELD_REFUSAL = 4,  /* response: no session is opened; one byte, enum field_refusal */
	FIELD_SWITCH = 5,   /* empty: the sender passes frames on between peers */
};

enum field_refusal {
	FIELD_REFUSAL_NONE = 0,
	FIELD_REFUSAL_CIPHER = 1,
	FIELD_REFUSAL_LINK = 2,
};

enum { FIELD_INSTANCE_LEN = 16 };

/* The fields of one payload, read. */
struct fields {
	uint8_t ciphers[AEAD_COUNT_MAX]; /* in the sender's order */
	size_t cipher_count;             /* 0: field missing */
	uint8_t link;                    /* 0: field missing */
	bool has_instance;
	uint8_t instance[FIELD_INSTANCE_LEN];
	uint8_t refusal; /* 0: field missing */
	bool is_switch;
};

/* Writes what is set. */
void fields_write(struct noise_fields *out, const struct fields *fields);

/* 0, or -EPROTO: cut short, a field twice, or of a wrong length. More ciphers than AEAD_COUNT_MAX:
 * those beyond are not looked at. */
int fields_read(struct fields *fields, const struct noise_fields *in);

#endif
