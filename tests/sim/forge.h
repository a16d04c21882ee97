/* SPDX-License-Identifier: ISC */
/* Messages as an attacker makes them, who may know every public key and see every packet. */
#ifndef FORGE_H
#define FORGE_H

#include "sim.h"

enum { FORGED_MAX = 65536 };

struct forged {
	size_t len;
	uint8_t bytes[FORGED_MAX];
};

void forge_copy(struct forged *forged, const struct sim_datagram *original);

/* Random bytes behind the first from. */
void forge_noise(struct forged *forged, struct sim *sim, size_t from, size_t len);

/* A mac1 that the victim takes, at the message's end, and no mac2. Only for messages long enough.
 */
void forge_macs(struct forged *forged, const struct sim_end *victim);

/* The address from which the receiver is told the session or initiation that is meant; no use in
 * an initiation. */
void forge_receiver(struct forged *forged, uint32_t index);

/* A data message as the owner of the session would send it, with a counter of our choice. */
void forge_data(struct forged *forged, const struct session *session, uint64_t counter,
	const void *plain, size_t len);

/* An initiation to the victim, right in all but this: it comes from who has the private key, and
 * says that it is from claims (NULL: the key's owner). Its timestamp is the wall time, fields may
 * be NULL. */
void forge_initiation(struct forged *forged, const struct sim_end *victim,
	enum wire_dialect dialect, const uint8_t private_key[KEY_LEN], const uint8_t *claims,
	uint64_t wall, const struct noise_fields *fields);

/* The authentic answer of an end to an initiation to it, but with fields of our choice. */
void forge_response(struct forged *forged, const struct sim_datagram *initiation,
	struct sim_end *responder, struct sim_end *initiator, const struct noise_fields *fields);

/* Straight to an end, with a tick after it. */
void forge_inject(const struct forged *forged, struct sim_end *victim, const struct endpoint *from);

#endif
