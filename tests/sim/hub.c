/* SPDX-License-Identifier: ISC */
/* A hub and its three peers, and frames for them. */
#include "hub.h"

#include "core/tunnel_internal.h"

unsigned hub_sent[SIM_ENDS][SIM_ENDS];
const uint8_t broadcast[6] = { 255, 255, 255, 255, 255, 255 };

bool count_message(struct sim *sim, const struct sim_datagram *datagram)
{
	if (sim_classify(datagram->data, datagram->len) != SIM_DATA)
		return true;
	for (unsigned from = 0; from < sim->end_count; from++)
		for (unsigned to = 0; to < sim->end_count; to++)
			if (endpoint_equal(&sim->ends[from]->address, &datagram->from) &&
				endpoint_equal(&sim->ends[to]->address, &datagram->to))
				hub_sent[from][to]++;
	return true;
}

void forget_counts(struct sim *sim)
{
	memset(hub_sent, 0, sizeof(hub_sent));
	for (unsigned i = 0; i < sim->end_count; i++)
		sim->ends[i]->delivered = sim->ends[i]->overheard = 0;
}

struct sim *hub(uint64_t seed, const struct sim_kind *kind)
{
	struct sim *sim = sim_new(seed);

	for (unsigned i = HUB; i < HUB_ENDS; i++)
		sim_add_ethernet(sim);
	for (unsigned i = ONE; i < HUB_ENDS; i++)
		sim_join(sim->ends[HUB], sim->ends[i], kind);
	for (unsigned i = ONE; i < HUB_ENDS; i++)
		sim_recover(sim->ends[HUB], sim->ends[i], SECOND);
	sim_run(sim, 301 * SECOND);
	for (unsigned i = ONE; i < HUB_ENDS; i++) {
		/* Sessions again, by what is no frame to learn of. */
		tunnel_send_keepalive(sim->ends[i]->tunnel, sim_peer(sim->ends[i], sim->ends[HUB]),
			sim_now(sim->ends[i]));
		sim_touch(sim->ends[i]);
	}
	sim_run(sim, SECOND);
	sim->filter = count_message;
	forget_counts(sim);
	return sim;
}

const struct sim_kind *public_kind(const struct sim_kind *kind)
{
	return kind->shared ? sim_kind_auto : kind;
}

size_t make_frame(uint8_t *frame, const uint8_t *to, const uint8_t *from)
{
	memset(frame, 0, 60);
	memcpy(frame, to, 6);
	memcpy(frame + 6, from, 6);
	memcpy(frame + 12, "\x88\xb5", 2); /* for experiments */
	return 60;
}

void send_frame(struct sim_end *end, const uint8_t *to, const uint8_t *from)
{
	uint8_t frame[60];

	sim_outbound(end, frame, make_frame(frame, to, from));
}

void send_broadcast(struct sim_end *end)
{
	uint8_t mac[6];

	sim_mac(mac, end->number);
	send_frame(end, broadcast, mac);
}

void expect_at_hub(struct sim *sim, const unsigned delivered[4], const unsigned relayed[4])
{
	sim_run(sim, SECOND);
	for (unsigned i = HUB; i < HUB_ENDS; i++) {
		if (sim->ends[i]->delivered != delivered[i])
			fail_msg("end %u was given %u frames", i, sim->ends[i]->delivered);
		if (hub_sent[HUB][i] != relayed[i])
			fail_msg("the hub sent end %u %u messages", i, hub_sent[HUB][i]);
	}
	forget_counts(sim);
}
