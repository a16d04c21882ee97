/* SPDX-License-Identifier: ISC */
/* mac1, mac2, cookie replies and the rate limit. */
#include "core/cookie.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>

#include "core/kdf.h"

/* Token bucket: 20 a second, bursts of 5, in nanoseconds of credit (ratelimiter.c of the kernel).
 */
#define INITIATION_COST (WIRE_SECOND / 20)
#define CREDIT_MAX (5 * INITIATION_COST)

enum { BUCKETS = 4096, WAYS = 4 };

/* The share of one source: an IPv4 address or an IPv6 /64. */
struct bucket {
	uint64_t source; /* siphash of the address under a key of ours; 0: free */
	uint64_t credit;
	uint64_t updated;
};

struct cookie_checker {
	struct cookie_keys as_responder; /* for initiations that we receive */
	struct cookie_keys as_initiator; /* for responses */
	uint8_t secret[32];
	uint64_t secret_born;
	bool has_secret;
	uint8_t hash_key[crypto_shorthash_KEYBYTES];
	struct bucket buckets[BUCKETS]; /* untouched, and so not resident, until there is load */
};

static void derive(uint8_t key[32], const char label[8], const uint8_t public_key[KEY_LEN])
{
	kdf_hash(key, label, 8, public_key, KEY_LEN);
}

void cookie_derive_keys(struct cookie_keys *keys, const uint8_t public_key[KEY_LEN])
{
	derive(keys->mac1_key, "mac1----", public_key);
	derive(keys->cookie_key, "cookie--", public_key);
}

struct cookie_checker *cookie_checker_new(void)
{
	struct cookie_checker *checker = calloc(1, sizeof(*checker));

	if (checker)
		randombytes_buf(checker->hash_key, sizeof(checker->hash_key));
	return checker;
}

void cookie_checker_free(struct cookie_checker *checker)
{
	if (!checker)
		return;
	key_wipe(checker->secret, sizeof(checker->secret));
	free(checker);
}

void cookie_checker_set_local(struct cookie_checker *checker, const struct noise_local *local)
{
	cookie_derive_keys(&checker->as_responder, local->responder.public_key);
	cookie_derive_keys(&checker->as_initiator, local->initiator.public_key);
}

static const struct cookie_keys *keys_for(
	const struct cookie_checker *checker, const uint8_t *message)
{
	return message[0] == WIRE_INITIATION ? &checker->as_responder : &checker->as_initiator;
}

static const struct wire_macs *macs_of(const uint8_t *message, size_t len)
{
	return (const struct wire_macs *)(message + len - sizeof(struct wire_macs));
}

/* The cookie of a source: a mac of its address and port under a secret that changes. */
static void make_cookie(struct cookie_checker *checker, uint8_t cookie[WIRE_COOKIE_LEN],
	const struct endpoint *from, uint64_t now)
{
	uint8_t source[18];
	const size_t len = endpoint_to_bytes(from, source);

	if (!checker->has_secret || now - checker->secret_born >= WIRE_COOKIE_SECRET_TIME) {
		randombytes_buf(checker->secret, sizeof(checker->secret));
		checker->secret_born = now;
		checker->has_secret = true;
	}
	kdf_mac(cookie, checker->secret, sizeof(checker->secret), source, len);
}

static uint64_t hash_source(const struct cookie_checker *checker, const struct endpoint *from)
{
	uint8_t source[18];
	uint64_t hash;
	const size_t len =
		endpoint_to_bytes(from, source) == 18 ? 8 : 4; /* a /64, or the address */

	crypto_shorthash((uint8_t *)&hash, source, len, checker->hash_key);
	return hash ? hash : 1;
}

/* The source's bucket, or the one of the set that may best be given up: a free or the oldest one.
 * Giving up a full bucket loses nothing; where all are in use a newcomer starts without credit. */
static struct bucket *find_bucket(struct cookie_checker *checker, uint64_t source, uint64_t now)
{
	struct bucket *set = &checker->buckets[source % (BUCKETS / WAYS) * WAYS];
	struct bucket *oldest = set;

	for (int i = 0; i < WAYS; i++) {
		if (set[i].source == source)
			return &set[i];
		if (set[i].updated < oldest->updated || !set[i].source)
			oldest = &set[i];
	}
	const bool spent = oldest->source && oldest->credit + (now - oldest->updated) < CREDIT_MAX;

	*oldest = (struct bucket){ source, spent ? 0 : CREDIT_MAX, now };
	return oldest;
}

static bool allow_source(struct cookie_checker *checker, const struct endpoint *from, uint64_t now)
{
	struct bucket *bucket = find_bucket(checker, hash_source(checker, from), now);

	bucket->credit += now - bucket->updated;
	if (bucket->credit > CREDIT_MAX)
		bucket->credit = CREDIT_MAX;
	bucket->updated = now;
	if (bucket->credit < INITIATION_COST)
		return false;
	bucket->credit -= INITIATION_COST;
	return true;
}

enum cookie_verdict cookie_check(struct cookie_checker *checker, const uint8_t *message, size_t len,
	const struct endpoint *from, bool under_load, uint64_t now)
{
	const struct wire_macs *macs = macs_of(message, len);
	uint8_t cookie[WIRE_COOKIE_LEN];
	uint8_t mac[WIRE_MAC_LEN];

	kdf_mac(mac, keys_for(checker, message)->mac1_key, 32, message, len - sizeof(*macs));
	if (sodium_memcmp(mac, macs->mac1, sizeof(mac)))
		return COOKIE_BAD_MAC;
	if (!under_load)
		return COOKIE_NO_COOKIE;

	make_cookie(checker, cookie, from, now);
	kdf_mac(mac, cookie, sizeof(cookie), message, len - sizeof(macs->mac2));
	if (sodium_memcmp(mac, macs->mac2, sizeof(mac)))
		return COOKIE_NO_COOKIE;
	return allow_source(checker, from, now) ? COOKIE_VALID : COOKIE_LIMITED;
}

void cookie_create_reply(struct cookie_checker *checker, struct wire_cookie *reply,
	const uint8_t *message, size_t len, const struct endpoint *from, uint64_t now)
{
	uint8_t cookie[WIRE_COOKIE_LEN];

	make_cookie(checker, cookie, from, now);
	wire_put_type(reply->type, WIRE_COOKIE, WIRE_WIREGUARD);
	memcpy(reply->receiver, message + 4, sizeof(reply->receiver)); /* the sender's index */
	randombytes_buf(reply->nonce, sizeof(reply->nonce));
	crypto_aead_xchacha20poly1305_ietf_encrypt(reply->sealed_cookie, NULL, cookie,
		sizeof(cookie), macs_of(message, len)->mac1, WIRE_MAC_LEN, NULL, reply->nonce,
		keys_for(checker, message)->cookie_key);
}

void cookie_add_macs(struct cookie_maker *maker, uint8_t *message, size_t len, uint64_t now)
{
	struct wire_macs *macs = (struct wire_macs *)(message + len - sizeof(*macs));

	maker->sent_initiation = message[0] == WIRE_INITIATION;
	const struct cookie_keys *keys =
		maker->sent_initiation ? &maker->initiation_keys : &maker->response_keys;

	kdf_mac(macs->mac1, keys->mac1_key, 32, message, len - sizeof(*macs));
	memcpy(maker->last_mac1, macs->mac1, sizeof(macs->mac1));
	maker->awaits_reply = true;
	if (maker->has_cookie && now - maker->cookie_time >= WIRE_COOKIE_USE_TIME)
		maker->has_cookie = false;
	if (maker->has_cookie)
		kdf_mac(macs->mac2, maker->cookie, sizeof(maker->cookie), message,
			len - sizeof(macs->mac2));
	else
		memset(macs->mac2, 0, sizeof(macs->mac2));
}

int cookie_consume_reply(struct cookie_maker *maker, const struct wire_cookie *reply, uint64_t now)
{
	const struct cookie_keys *keys =
		maker->sent_initiation ? &maker->initiation_keys : &maker->response_keys;
	uint8_t cookie[WIRE_COOKIE_LEN];

	if (!maker->awaits_reply)
		return -ENOENT;
	if (crypto_aead_xchacha20poly1305_ietf_decrypt(cookie, NULL, NULL, reply->sealed_cookie,
		    sizeof(reply->sealed_cookie), maker->last_mac1, WIRE_MAC_LEN, reply->nonce,
		    keys->cookie_key))
		return -EBADMSG;
	memcpy(maker->cookie, cookie, sizeof(cookie));
	maker->cookie_time = now;
	maker->has_cookie = true;
	maker->awaits_reply = false;
	return 0;
}
