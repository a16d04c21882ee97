/* SPDX-License-Identifier: ISC */
/*
 * The handshake: Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s as WireGuard frames it, in two dialects.
 *
 * It knows no peer, socket or timer: messages and keys go in, messages and keys come out. Random
 * values are parameters (the ephemeral key), so that transcripts can be replayed in tests.
 *
 * A remote keeps what outlives a message: the static keys, the newest timestamp and the initiation
 * that we sent. What we answer needs no memory beyond the answer (struct noise_responder, on the
 * caller's stack), so an initiation of ours stays pending when one of the peer's arrives, and two
 * ends that start at the same moment both succeed.
 *
 * With a shared key both ends know both private keys; an end uses one as initiator and the other as
 * responder (doc/PROTOCOL). Without one the two roles have the same key.
 */
#ifndef CORE_NOISE_H
#define CORE_NOISE_H

#include <sys/types.h>

#include "core/key.h"
#include "core/wire.h"

struct noise_identity {
	uint8_t private_key[KEY_LEN];
	uint8_t public_key[KEY_LEN];
};

/* This end's keys, by role. Zeroed: no key. Holds secrets. */
struct noise_local {
	struct noise_identity initiator; /* when we start a handshake */
	struct noise_identity responder; /* when we answer one */
	bool has_key;
	bool shared; /* the two differ: both were derived from a shared key */
};

/* The transport keys of one session. Holds secrets. */
struct noise_keys {
	uint8_t send[KEY_LEN];
	uint8_t receive[KEY_LEN];
	uint32_t local_index;
	uint32_t remote_index;
	bool initiator;
};

/* Fields (type-length-value) of a payload, in a buffer of the caller's. */
struct noise_fields {
	uint8_t bytes[WIRE_FIELDS_MAX];
	size_t len;
};

/* An initiation being answered. Holds secrets: wipe it with key_wipe. */
struct noise_responder {
	enum wire_dialect dialect;
	uint32_t remote_index;
	uint8_t remote_static[KEY_LEN];
	uint8_t remote_ephemeral[KEY_LEN];
	uint8_t hash[32];
	uint8_t chaining_key[32];
	uint8_t timestamp[WIRE_TIMESTAMP_LEN]; /* once accepted */
	const uint8_t *payload;                /* into the message */
	size_t payload_len;
};

struct noise_remote; /* opaque; holds secrets */

/* A zero key clears. */
void noise_local_set_private(struct noise_local *local, const uint8_t private_key[KEY_LEN]);

/* Derives both roles and the psk that the one remote then needs. */
void noise_local_set_shared(
	struct noise_local *local, uint8_t psk[KEY_LEN], const uint8_t shared_key[KEY_LEN]);

struct noise_remote *noise_remote_new(const uint8_t public_key[KEY_LEN]); /* NULL: no memory */
void noise_remote_free(struct noise_remote *remote);

/* Computes what depends on both static keys; to be called again whenever the local key changes.
 * A pending initiation is forgotten. */
void noise_remote_set_local(struct noise_remote *remote, const struct noise_local *local);

void noise_remote_set_psk(struct noise_remote *remote, const uint8_t psk[KEY_LEN]);
const uint8_t *noise_remote_psk(const struct noise_remote *remote);

/* Forgets a pending initiation. */
void noise_remote_clear(struct noise_remote *remote);

bool noise_remote_is_pending(const struct noise_remote *remote);

/* Whether an initiation carries the ephemeral key of our own pending one. */
bool noise_remote_sent_ephemeral(
	const struct noise_remote *remote, const uint8_t ephemeral[KEY_LEN]);

/*
 * The initiation, macs left zero; message has room for WIRE_INITIATION_MAX. The remote remembers it
 * in place of an earlier one. The ephemeral key is taken over as it is and need not be clamped.
 * Returns its length, or -ENOKEY (no local key), -EKEYREJECTED (a low-order public key).
 */
ssize_t noise_create_initiation(struct noise_remote *remote, const struct noise_local *local,
	enum wire_dialect dialect, uint32_t local_index, const uint8_t ephemeral[KEY_LEN],
	const uint8_t timestamp[WIRE_TIMESTAMP_LEN], const struct noise_fields *fields,
	uint8_t *message);

/*
 * First half of consuming an initiation (that wire_classify accepted): who says that it is from?
 * 0, or -ENOKEY, -EBADMSG. Changes nothing but *responder, which points into the message.
 */
int noise_open_initiation(struct noise_responder *responder, const struct noise_local *local,
	const uint8_t *message, size_t len);

/*
 * Second half, with the remote that has the key found: authenticates the sender, checks the
 * timestamp and the interval, and changes nothing but *responder. now is boot time.
 * 0, or -EBADMSG (not authentic), -EKEYREJECTED (low order), -EALREADY (timestamp not newer),
 * -EAGAIN (too soon after the last).
 */
int noise_accept_initiation(struct noise_responder *responder, struct noise_remote *remote,
	uint64_t now, struct noise_fields *fields);

/* Remembers the time of an accepted initiation, so that neither it nor an older one is accepted
 * again. Not for one that came back to its sender: it would lock the peer's out. */
void noise_remember_initiation(
	struct noise_remote *remote, const struct noise_responder *responder, uint64_t now);

/* The answer, macs left zero, and the keys of the session it opens; message has room for
 * WIRE_RESPONSE_MAX. Length or -EKEYREJECTED. */
ssize_t noise_create_response(struct noise_responder *responder, const struct noise_remote *remote,
	uint32_t local_index, const uint8_t ephemeral[KEY_LEN], const struct noise_fields *fields,
	uint8_t *message, struct noise_keys *keys);

/*
 * Consumes the response (that wire_classify accepted) to the pending initiation, which is then no
 * longer pending. 0, or -ENOENT (none pending, another index or dialect), -ENOKEY, -EBADMSG:
 * nothing changed.
 */
int noise_consume_response(struct noise_remote *remote, const struct noise_local *local,
	const uint8_t *message, size_t len, struct noise_fields *fields, struct noise_keys *keys);

#endif
