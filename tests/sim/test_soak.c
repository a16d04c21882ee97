/* SPDX-License-Identifier: ISC */
/* Random scripts of everything at once, for many seeds. SOAK_SEEDS and SOAK_FIRST choose others. */
#include "sim.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/wire.h"

enum { SEEDS = 20, STEPS = 50 }; /* seeds for each kind */
#define STEP (100 * SECOND)

struct script {
	struct sim *sim;
	struct sim_end *a, *b;
	const struct sim_kind *kind;
};

static struct sim_end *either(struct script *script)
{
	return sim_random(script->sim, 2) ? script->a : script->b;
}

static struct sim_end *other(struct script *script, const struct sim_end *end)
{
	return end == script->a ? script->b : script->a;
}

static void act_wire(struct script *script)
{
	struct sim *sim = script->sim;
	const uint64_t bad = sim_random(sim, 3);

	sim->loss = bad ? (unsigned)sim_random(sim, 600) : 0;
	sim->duplicate = bad ? (unsigned)sim_random(sim, 300) : 0;
	sim->corrupt = bad ? (unsigned)sim_random(sim, 100) : 0;
	sim->spread = bad ? sim_random(sim, 3 * SECOND) : 0;
	sim->delay = sim_random(sim, SECOND);
}

static void act_cut(struct script *script)
{
	struct sim_end *end = either(script);

	end->cut = !end->cut;
}

static void act_restart(struct script *script)
{
	struct sim_end *end = either(script);

	if (sim_random(script->sim, 2))
		end->boot_offset = sim_random(script->sim, 100 * SECOND);
	sim_restart(end);
}

/* Forwards or back, but over no restart: a host's time is not worse than a restart ago. */
static void act_wall(struct script *script)
{
	struct sim_end *end = either(script);

	end->wall_offset += sim_random(script->sim, 3600 * SECOND);
}

static void act_suspend(struct script *script)
{
	struct sim_end *end = either(script);

	end->boot_offset += sim_random(script->sim, 7200 * SECOND);
	sim_touch(end);
}

static void act_move(struct script *script)
{
	struct sim *sim = script->sim;
	struct sim_end *end = either(script), *peer = other(script, end);

	const unsigned host = 10 + 100 * end->number + (unsigned)sim_random(sim, 90);

	end->address = sim_random(sim, 2) ? sim_address4(host, 7) : sim_address6(host, 9);
	/* The other end may look the name up again. */
	if (sim_random(sim, 2))
		tunnel_set_endpoint(
			peer->tunnel, sim_peer(peer, end), &end->address, sim_now(peer));
	sim_touch(peer);
}

static void act_traffic(struct script *script)
{
	struct sim_end *end = either(script);

	sim_traffic(end, other(script, end),
		sim_random(script->sim, 3) ? SECOND / 2 + sim_random(script->sim, 20 * SECOND) : 0);
}

static void act_keepalive(struct script *script)
{
	struct sim_end *end = either(script);

	tunnel_set_keepalive(end->tunnel, sim_peer(end, other(script, end)),
		(uint16_t)(sim_random(script->sim, 2) ? sim_random(script->sim, 60) : 0),
		sim_now(end));
	sim_touch(end);
}

static void act_up_or_down(struct script *script)
{
	struct sim_end *end = either(script);

	tunnel_set_up(end->tunnel, !tunnel_is_up(end->tunnel), sim_now(end));
	sim_touch(end);
}

static void act_psk(struct script *script)
{
	struct sim_end *ends[] = { script->a, script->b };
	uint8_t psk[KEY_LEN];

	if (script->kind->shared)
		return;
	randombytes_buf(psk, sizeof(psk));
	for (int i = 0; i < 2; i++) { /* one end, some time, then the other */
		struct sim_end *end = ends[i], *peer = ends[!i];

		tunnel_set_psk(end->tunnel, sim_peer(end, peer), psk);
		memcpy(end->links[peer->number].psk, psk, sizeof(psk));
		sim_touch(end);
		sim_run(script->sim, sim_random(script->sim, 20 * SECOND));
	}
}

static void act_peer(struct script *script)
{
	struct sim_end *end = either(script);

	if (!script->kind->shared)
		tunnel_remove_peer(end->tunnel, sim_peer(end, other(script, end)));
	sim_touch(end);
	sim_run(script->sim, sim_random(script->sim, SECOND));
	sim_restart(end);
}

/* Old messages again, from anywhere. */
static void act_replay(struct script *script)
{
	struct sim *sim = script->sim;
	struct endpoint from = sim_address4(150, 150);

	for (int i = 0; i < 20 && sim->tape_count; i++) {
		const struct sim_datagram *old = sim->tape[sim_random(sim, sim->tape_count)];

		sim_inject(either(script), &from, old->data, old->len);
	}
	while (sim->tape_count)
		free(sim->tape[--sim->tape_count]);
	sim->taping = !sim->taping;
}

static void act_burst(struct script *script)
{
	struct sim_end *end = either(script);

	for (int i = 0; i < 150; i++)
		sim_send(end, other(script, end));
}

static void mend(struct script *script)
{
	struct sim *sim = script->sim;
	struct sim_end *ends[] = { script->a, script->b };

	sim->loss = sim->duplicate = sim->corrupt = 0;
	sim->spread = 0;
	sim->delay = 10 * MILLISECOND;
	for (int i = 0; i < 2; i++) {
		ends[i]->cut = false;
		tunnel_set_up(ends[i]->tunnel, true, sim_now(ends[i]));
		tunnel_set_endpoint(ends[i]->tunnel, sim_peer(ends[i], ends[!i]),
			&ends[!i]->address, sim_now(ends[i]));
		sim_touch(ends[i]);
	}
}

static void run_script(uint64_t seed, const struct sim_kind *kind)
{
	static void (*const acts[])(struct script *) = { act_wire, act_wire, act_cut, act_restart,
		act_wall, act_suspend, act_move, act_move, act_traffic, act_traffic, act_keepalive,
		act_up_or_down, act_psk, act_peer, act_replay, act_replay, act_burst };
	struct sim *sim = sim_pair(seed, kind);
	struct script script = { sim, sim->ends[0], sim->ends[1], kind };

	sim_traffic(script.a, script.b, 2 * SECOND);
	sim_traffic(script.b, script.a, 3 * SECOND);
	for (int step = 0; step < STEPS; step++) {
		sim_run(sim, sim_random(sim, 2 * STEP));
		acts[sim_random(sim, sizeof(acts) / sizeof(*acts))](&script);
		sim_check(sim);
		assert_true(sim->heap_count < 1000);
	}
	mend(&script);
	/* An end that lost its session may find out only by silence. */
	sim_recover(script.a, script.b, 16 * SECOND);
	sim_run(sim, 60 * SECOND);
	const uint64_t sent = sim_flow(script.a, script.b)->sent;
	const uint64_t delivered = sim_flow(script.a, script.b)->delivered;

	for (int i = 0; i < 20; i++)
		sim_send(script.a, script.b);
	sim_run(sim, SECOND);
	assert_true(sim_flow(script.a, script.b)->delivered - delivered >=
		    sim_flow(script.a, script.b)->sent - sent);
	sim_check(sim);
	sim_free(sim);
}

static unsigned number_from(const char *variable, unsigned otherwise)
{
	const char *text = getenv(variable);

	return text ? (unsigned)strtoul(text, NULL, 10) : otherwise;
}

static void soak(const struct sim_kind *kind)
{
	const unsigned first = number_from("SOAK_FIRST", 0);
	const unsigned seeds = number_from("SOAK_SEEDS", SEEDS);
	const bool loud = getenv("SOAK_FIRST") != NULL;

	for (unsigned seed = first; seed < first + seeds; seed++) {
		if (loud)
			print_message("seed %u\n", seed);
		run_script(seed * 1000003u + 17, kind);
	}
}

int main(void)
{
	static const struct sim_scenario scenarios[] = {
		SIM_EACH(soak),
	};

	return sim_main("soak", scenarios, sizeof(scenarios) / sizeof(*scenarios));
}
