/* SPDX-License-Identifier: ISC */
/* A hub with three peers, which have no other, and frames for them: what sim/switch and sim/flood
 * test by. */
#ifndef HUB_H
#define HUB_H

#include "sim.h"

enum { HUB, ONE, TWO, THREE, HUB_ENDS };

/* Data messages since forget_counts, by the end that sent them and the one they were sent to. */
extern unsigned hub_sent[SIM_ENDS][SIM_ENDS];
extern const uint8_t broadcast[6];

/* A filter of the wire's, which loses nothing. */
bool count_message(struct sim *sim, const struct sim_datagram *datagram);

/* What each host was given, too. */
void forget_counts(struct sim *sim);

/* Sessions are there, and nothing is learnt yet. */
struct sim *hub(uint64_t seed, const struct sim_kind *kind);

/* With a shared key there is one peer. */
const struct sim_kind *public_kind(const struct sim_kind *kind);

/* A frame between any two addresses; 60 bytes. */
size_t make_frame(uint8_t *frame, const uint8_t *to, const uint8_t *from);
void send_frame(struct sim_end *end, const uint8_t *to, const uint8_t *from);
void send_broadcast(struct sim_end *end);

/* A second later: how many frames each host was given, and how many messages the hub sent to each
 * peer. */
void expect_at_hub(struct sim *sim, const unsigned delivered[4], const unsigned relayed[4]);

#define EXPECT(sim, hub, one, two, three)                              \
	expect_at_hub(sim, (const unsigned[]){ hub, one, two, three }, \
		(const unsigned[]){ 0, one, two, three })

#endif
