/* SPDX-License-Identifier: ISC */
/* mac1, mac2, cookie replies and the rate limit: what protects the handshake's CPU time (paper
 * §5.3, 5.4.7). */
#ifndef CORE_COOKIE_H
#define CORE_COOKIE_H

#include "core/endpoint.h"
#include "core/noise.h"
#include "core/wire.h"

/* Verdict on the macs of a handshake message. */
enum cookie_verdict {
	COOKIE_BAD_MAC,   /* mac1 wrong: not for our key; drop */
	COOKIE_NO_COOKIE, /* mac1 right, mac2 not (or not asked for) */
	COOKIE_LIMITED,   /* both right, but this source has had its share; drop */
	COOKIE_VALID,     /* both right */
};

/* The keys that depend on a public key alone. */
struct cookie_keys {
	uint8_t mac1_key[32];
	uint8_t cookie_key[32];
};

void cookie_derive_keys(struct cookie_keys *keys, const uint8_t public_key[KEY_LEN]);

/* The receiving side, one a tunnel. */
struct cookie_checker; /* opaque; holds secrets */

struct cookie_checker *cookie_checker_new(void); /* NULL: out of memory */
void cookie_checker_free(struct cookie_checker *checker);
void cookie_checker_set_local(struct cookie_checker *checker, const struct noise_local *local);

/* Judges an initiation or response; now is boot time. mac2 and the rate limit are looked at only
 * under load. */
enum cookie_verdict cookie_check(struct cookie_checker *checker, const uint8_t *message, size_t len,
	const struct endpoint *from, bool under_load, uint64_t now);

/* A cookie reply to a message whose mac1 is right. */
void cookie_create_reply(struct cookie_checker *checker, struct wire_cookie *reply,
	const uint8_t *message, size_t len, const struct endpoint *from, uint64_t now);

/* The sending side, one a peer. Zeroed: no cookie. */
struct cookie_maker {
	struct cookie_keys initiation_keys; /* of the key to which we send initiations */
	struct cookie_keys response_keys;   /* ... responses: differs with a shared key only */
	uint8_t cookie[WIRE_COOKIE_LEN];
	uint64_t cookie_time; /* boot time of its arrival */
	bool has_cookie;
	bool sent_initiation; /* which kind of message mac1 below was of */
	bool awaits_reply;    /* last_mac1 was sent and no cookie reply to it has come */
	uint8_t last_mac1[WIRE_MAC_LEN];
};

/* Fills mac1, and mac2 if we have a fresh cookie, at the end of a handshake message. */
void cookie_add_macs(struct cookie_maker *maker, uint8_t *message, size_t len, uint64_t now);

/* Takes the cookie out of a reply. 0, or -ENOENT (nothing awaits one), -EBADMSG. */
int cookie_consume_reply(struct cookie_maker *maker, const struct wire_cookie *reply, uint64_t now);

#endif
