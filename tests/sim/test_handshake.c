/* SPDX-License-Identifier: ISC */
/* Handshakes: the first packet, both ends at once, lost messages, renewal, indices. */
#include "sim.h"

#include <stdlib.h>

#include "core/wire.h"

#define BEFORE_ANY_RETRY (5 * SECOND)

static void assert_ends_agree(const struct sim_end *a, const struct sim_end *b)
{
	assert_non_null(sim_peer(a, b)->current);
	assert_non_null(sim_peer(b, a)->current);
}

static void first_packet_is_delivered(const struct sim_kind *kind)
{
	struct sim *sim = sim_pair(1, kind);
	struct sim_end *a = sim->ends[0], *b = sim->ends[1];

	sim_send(a, b);
	assert_int_equal(sim_peer(a, b)->staged_count, 1);
	assert_int_equal(a->messages[SIM_INITIATION], 1);
	sim_run(sim, 40 * MILLISECOND);
	/* Two ways there, one back: the response carries nothing. */
	assert_int_equal(sim_flow(a, b)->delivered, 1);
	assert_int_equal(b->messages[SIM_RESPONSE], 1);
	assert_int_equal(a->messages[SIM_KEEPALIVE], 0); /* the packet confirms the key itself */
	assert_true(sim_reaches(b, a, 15 * MILLISECOND));
	assert_int_equal(a->events[TUNNEL_SESSION_UP], 1);
	assert_int_equal(b->events[TUNNEL_SESSION_UP], 1);
	assert_int_equal(a->events[TUNNEL_ENDPOINT_CHANGED], 0);
	assert_ptr_equal(a->cipher, b->cipher);
	if (kind->fixed)
		assert_ptr_equal(a->cipher, aead_by_name(kind->fixed));
	if (kind->cipher == PEER_CIPHER_AUTO)
		for (size_t i = 0; aead_at(i) != a->cipher; i++)
			assert_false(aead_at(i)->available() && aead_at(i)->hardware());
	if (kind->cipher == PEER_CIPHER_WIREGUARD)
		assert_ptr_equal(a->cipher, aead_chacha20_poly1305);
	sim_check(sim);
	sim_free(sim);
}

static void only_the_asked_end_knows_the_other(const struct sim_kind *kind)
{
	struct sim *sim = sim_pair(2, kind);
	struct sim_end *a = sim->ends[0], *b = sim->ends[1];

	b->links[a->number].endpoint = false;
	sim_restart(b);
	sim_send(b, a); /* nowhere to send it: waits until the other comes */
	sim_run(sim, SECOND);
	assert_int_equal(sim_handshakes(b), 0);
	assert_true(sim_reaches(a, b, SECOND));
	assert_int_equal(sim_flow(b, a)->delivered, 1);
	sim_check(sim);
	sim_free(sim);
}

/* WireGuard waits for the first packet; the culvert dialect says hello. */
static void an_end_that_starts_greets(const struct sim_kind *kind)
{
	struct sim *sim = sim_pair(7, kind);
	struct sim_end *a = sim->ends[0], *b = sim->ends[1];

	sim_restart(a);
	sim_run(sim, SECOND);
	if (kind->cipher == PEER_CIPHER_WIREGUARD) {
		assert_int_equal(sim_handshakes(a), 0);
	} else {
		assert_ends_agree(a, b);
		assert_true(sim_reaches(b, a, 11 * MILLISECOND));
	}
	assert_int_equal(sim_handshakes(b), kind->cipher != PEER_CIPHER_WIREGUARD);
	sim_free(sim);
}

static void both_start_at_once(const struct sim_kind *kind)
{
	struct sim *sim = sim_pair(3, kind);
	struct sim_end *a = sim->ends[0], *b = sim->ends[1];

	sim_send(a, b);
	sim_send(b, a);
	sim_run(sim, BEFORE_ANY_RETRY);
	assert_int_equal(sim_flow(a, b)->delivered, 1);
	assert_int_equal(sim_flow(b, a)->delivered, 1);
	assert_int_equal(a->messages[SIM_INITIATION], 1);
	assert_int_equal(b->messages[SIM_INITIATION], 1);
	assert_int_equal(a->events[TUNNEL_REFLECTION] + b->events[TUNNEL_REFLECTION], 0);
	assert_ends_agree(a, b);
	sim_traffic(a, b, 50 * MILLISECOND);
	sim_traffic(b, a, 50 * MILLISECOND);
	sim_run(sim, 100 * SECOND);
	assert_true(sim_flow(a, b)->delivered >= sim_flow(a, b)->sent - 1);
	assert_true(sim_flow(b, a)->delivered >= sim_flow(b, a)->sent - 1);
	sim_check(sim);
	sim_free(sim);
}

/* Starts within every hundredth of a round trip of each other, in either order. */
static void both_start_at_almost_once(const struct sim_kind *kind)
{
	for (uint64_t apart = 0; apart <= 45 * MILLISECOND; apart += 999999) {
		struct sim *sim = sim_pair(apart, kind);
		struct sim_end *a = sim->ends[0], *b = sim->ends[1];

		sim_send(a, b);
		sim_run(sim, apart);
		sim_send(b, a);
		sim_run(sim, SECOND);
		assert_int_equal(sim_flow(a, b)->delivered, 1);
		assert_int_equal(sim_flow(b, a)->delivered, 1);
		assert_ends_agree(a, b);
		sim_check(sim);
		sim_free(sim);
	}
}

/* context: a bit for each message type that is lost. */
static bool lose_types(struct sim *sim, const struct sim_datagram *datagram)
{
	const unsigned *types = sim->context;

	return !(*types & 1u << sim_classify(datagram->data, datagram->len));
}

static void both_start_and_messages_are_lost(const struct sim_kind *kind)
{
	static const unsigned lost[] = { 1 << SIM_INITIATION, 1 << SIM_RESPONSE,
		1 << SIM_KEEPALIVE | 1 << SIM_DATA, 1 << SIM_RESPONSE | 1 << SIM_KEEPALIVE };

	for (size_t i = 0; i < sizeof(lost) / sizeof(*lost); i++)
		for (uint64_t apart = 0; apart < 30 * MILLISECOND; apart += 5 * MILLISECOND) {
			struct sim *sim = sim_pair(100 * i + apart, kind);
			struct sim_end *a = sim->ends[0], *b = sim->ends[1];
			unsigned types = lost[i];

			sim->context = &types;
			sim->filter = lose_types;
			sim_send(a, b);
			sim_run(sim, apart);
			sim_send(b, a);
			sim_run(sim, 4 * SECOND);
			types = 0;
			sim_recover(a, b, 7 * SECOND);
			sim_check(sim);
			sim_free(sim);
		}
}

/* One message of each kind lost, once, at the n-th handshake message. */
static bool lose_one(struct sim *sim, const struct sim_datagram *datagram)
{
	unsigned *left = sim->context;

	(void)datagram;
	return !*left || --*left;
}

static void any_one_message_lost(const struct sim_kind *kind)
{
	for (unsigned n = 1; n <= 8; n++) {
		struct sim *sim = sim_pair(n, kind);
		struct sim_end *a = sim->ends[0], *b = sim->ends[1];
		unsigned left = n;

		sim->context = &left;
		sim->filter = lose_one;
		sim_traffic(a, b, 100 * MILLISECOND);
		sim_run(sim, 60 * SECOND);
		/* What waits is staged: only the lost data message is gone. */
		assert_in_range(
			sim_flow(a, b)->delivered, sim_flow(a, b)->sent - 2, sim_flow(a, b)->sent);
		assert_int_equal(sim_flow(a, b)->reordered, 0);
		sim_check(sim);
		sim_free(sim);
	}
}

static void response_comes_after_the_retry(const struct sim_kind *kind)
{
	struct sim *sim = sim_pair(4, kind);
	struct sim_end *a = sim->ends[0], *b = sim->ends[1];

	/* A round trip of 12 s: each answer finds its question replaced. */
	sim->delay = 6 * SECOND;
	sim_send(a, b);
	sim_run(sim, 60 * SECOND);
	assert_int_equal(sim_flow(a, b)->delivered, 0);
	sim->delay = 2 * SECOND;
	sim_recover(a, b, 30 * SECOND);
	sim_check(sim);
	sim_free(sim);
}

/* All indices that went over the wire, sorted. */
static int compare_indices(const void *a, const void *b)
{
	const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static void indices_are_random_and_unique(const struct sim_kind *kind)
{
	enum { COUNT = 10000 };
	struct sim *sim = sim_pair(5, kind);
	struct sim_end *a = sim->ends[0], *b = sim->ends[1];
	uint32_t *indices = calloc(COUNT, sizeof(*indices));
	unsigned bits[32] = { 0 }, repeated = 0;

	assert_non_null(indices);
	a->links[b->number].keepalive = 20; /* so that it never gives up for good */
	sim_restart(a);
	b->cut = true;
	sim->taping = true;
	while (sim->tape_count < COUNT)
		sim_run(sim, 1000 * SECOND);
	for (size_t i = 0; i < COUNT; i++) {
		const struct wire_initiation *head = (const void *)sim->tape[i]->data;

		assert_int_equal(sim->tape[i]->len, 148);
		indices[i] = wire_get32(head->sender);
		for (int bit = 0; bit < 32; bit++)
			bits[bit] += indices[i] >> bit & 1;
		if (i)
			assert_int_not_equal(indices[i], indices[i - 1] + 1);
	}
	for (int bit = 0; bit < 32; bit++) /* ± 5 standard deviations */
		assert_in_range(bits[bit], COUNT / 2 - 250, COUNT / 2 + 250);
	qsort(indices, COUNT, sizeof(*indices), compare_indices);
	for (size_t i = 1; i < COUNT; i++)
		repeated += indices[i] == indices[i - 1];
	assert_in_range(repeated, 0, 1); /* of 2^32: chance does not do that often */
	free(indices);
	sim_free(sim);
}

static void timestamps_only_grow(const struct sim_kind *kind)
{
	struct sim *sim = sim_pair(6, kind);
	struct sim_end *a = sim->ends[0], *b = sim->ends[1];

	for (int i = 0; i < 200; i++) {
		a->wall_offset += (i % 3 - 1) * (int64_t)(sim_random(sim, 1000) * SECOND / 7);
		b->wall_offset += (i % 3 - 1) * (int64_t)(sim_random(sim, 1000) * SECOND / 7);
		sim_send(i % 2 ? a : b, i % 2 ? b : a);
		sim_run(sim, 200 * SECOND);
	}
	assert_int_equal(sim_flow(a, b)->delivered, sim_flow(a, b)->sent);
	assert_int_equal(sim_flow(b, a)->delivered, sim_flow(b, a)->sent);
	assert_int_equal(a->events[TUNNEL_OLD_TIMESTAMP] + b->events[TUNNEL_OLD_TIMESTAMP], 0);
	sim_free(sim);
}

int main(void)
{
	static const struct sim_scenario scenarios[] = {
		SIM_EACH(first_packet_is_delivered),
		SIM_EACH(only_the_asked_end_knows_the_other),
		SIM_EACH(an_end_that_starts_greets),
		SIM_EACH(both_start_at_once),
		SIM_EACH(both_start_at_almost_once),
		SIM_EACH(both_start_and_messages_are_lost),
		SIM_EACH(any_one_message_lost),
		SIM_EACH(response_comes_after_the_retry),
		SIM_EACH(timestamps_only_grow),
		SIM_ONCE(indices_are_random_and_unique),
	};

	return sim_main("handshake", scenarios, sizeof(scenarios) / sizeof(*scenarios));
}
