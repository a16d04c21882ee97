/* SPDX-License-Identifier: ISC */
/* Bad wires, for hours. */
#include "sim.h"

struct wire {
	unsigned loss, duplicate, corrupt;
	uint64_t spread;
};

static const struct wire wires[] = {
	{ 100, 0, 0, 0 },
	{ 300, 0, 0, 0 },
	{ 500, 0, 0, 0 },
	{ 0, 500, 0, 0 },
	{ 0, 0, 0, 3 * SECOND },
	{ 0, 0, 200, 0 },
	{ 900, 100, 0, SECOND },
	{ 300, 300, 100, 2 * SECOND },
};

static void heal(struct sim *sim)
{
	sim->loss = sim->duplicate = sim->corrupt = 0;
	sim->spread = 0;
}

/* What is delivered is checked packet by packet in sim.c. */
static void bad_wire(
	const struct sim_kind *kind, const struct wire *wire, uint64_t seed, int thousands)
{
	struct sim *sim = sim_pair(seed, kind);
	struct sim_end *a = sim->ends[0], *b = sim->ends[1];

	sim_traffic(a, b, 700 * MILLISECOND);
	sim_traffic(b, a, 1100 * MILLISECOND);
	for (int i = 0; i < thousands; i++) {
		sim->loss = wire->loss;
		sim->duplicate = wire->duplicate;
		sim->corrupt = wire->corrupt;
		sim->spread = wire->spread;
		sim_run(sim, 1000 * SECOND);
		sim_check(sim);
		heal(sim);
		/* An initiation was sent a moment ago, at worst: the next may follow 5 s later. */
		sim_recover(a, b, 6 * SECOND);
	}
	if (!wire->loss && !wire->corrupt)
		assert_true(sim_flow(a, b)->delivered >= sim_flow(a, b)->sent * 9 / 10);
	if (wire->spread)
		assert_true(sim_flow(a, b)->reordered > 0);
	if (wire->duplicate)
		assert_true(sim_peer(a, b)->counters.replays > 0);
	sim_free(sim);
}

static void thousands_of_seconds(const struct sim_kind *kind)
{
	const size_t last = sizeof(wires) / sizeof(*wires) - 1;

	for (size_t i = 0; i < last; i++)
		bad_wire(kind, &wires[i], i, 2);
	bad_wire(kind, &wires[last], last, 10);
}

/* A session is up: half of all packets lost means half of them, not more. */
static void loss_is_not_made_worse(const struct sim_kind *kind)
{
	struct sim *sim = sim_pair(20, kind);
	struct sim_end *a = sim->ends[0], *b = sim->ends[1];

	sim->loss = 300;
	sim_traffic(a, b, 300 * MILLISECOND);
	sim_traffic(b, a, 300 * MILLISECOND);
	sim_run(sim, 5000 * SECOND);
	assert_true(sim_flow(a, b)->delivered > sim_flow(a, b)->sent * 67 / 100);
	assert_true(sim_flow(b, a)->delivered > sim_flow(b, a)->sent * 67 / 100);
	sim_free(sim);
}

/* One direction only works. */
static bool one_way(struct sim *sim, const struct sim_datagram *datagram)
{
	return !endpoint_equal(&datagram->from, &sim->ends[*(unsigned *)sim->context]->address);
}

static void one_direction_is_dead(const struct sim_kind *kind)
{
	for (unsigned dead = 0; dead < 2; dead++) {
		struct sim *sim = sim_pair(dead, kind);
		struct sim_end *a = sim->ends[0], *b = sim->ends[1];

		sim_traffic(a, b, SECOND);
		sim_traffic(b, a, SECOND);
		sim_run(sim, 50 * SECOND);
		sim->context = &dead;
		sim->filter = one_way;
		sim_run(sim, 1000 * SECOND);
		sim_check(sim);
		sim->filter = NULL;
		sim_recover(a, b, 6 * SECOND);
		sim_free(sim);
	}
}

static void comes_and_goes(const struct sim_kind *kind)
{
	struct sim *sim = sim_pair(30, kind);
	struct sim_end *a = sim->ends[0], *b = sim->ends[1];

	for (int i = 0; i < 40; i++) {
		b->cut = true;
		sim_traffic(a, b, i % 2 ? SECOND : 0);
		sim_run(sim, sim_random(sim, 300 * SECOND));
		b->cut = false;
		sim_recover(a, b, 6 * SECOND);
	}
	sim_check(sim);
	sim_free(sim);
}

int main(void)
{
	static const struct sim_scenario scenarios[] = {
		SIM_EACH(thousands_of_seconds),
		SIM_EACH(loss_is_not_made_worse),
		SIM_EACH(one_direction_is_dead),
		SIM_EACH(comes_and_goes),
	};

	return sim_main("loss", scenarios, sizeof(scenarios) / sizeof(*scenarios));
}
