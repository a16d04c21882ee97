/* SPDX-License-Identifier: ISC */
/* What changes around a tunnel: restarts, clocks, addresses, NAT. */
#include "sim.h"

#include <arpa/inet.h>

#include "core/wire.h"

#define JITTER (334 * MILLISECOND)

static struct sim *sim_busy(uint64_t seed, const struct sim_kind *kind)
{
	struct sim *sim = sim_pair(seed, kind);

	sim_traffic(sim->ends[0], sim->ends[1], 210 * MILLISECOND);
	sim_traffic(sim->ends[1], sim->ends[0], 190 * MILLISECOND);
	sim_run(sim, 60 * SECOND);
	assert_int_equal(sim_flow(sim->ends[0], sim->ends[1])->reordered, 0);
	return sim;
}

static void restart_with_traffic_both_ways(const struct sim_kind *kind)
{
	for (unsigned which = 0; which < 2; which++)
		for (unsigned age = 0; age < 120; age += 17) {
			struct sim *sim = sim_busy(age, kind);
			struct sim_end *a = sim->ends[0], *b = sim->ends[1];

			sim_run(sim, age * SECOND);
			sim->ends[which]->boot_offset = which ? 5 * SECOND : 0;
			sim_restart(sim->ends[which]);
			sim_recover(a, b, 5 * SECOND);
			sim_check(sim);
			sim_free(sim);
		}
}

/* Right after a handshake, when neither end may start another. */
static void restart_during_a_handshake(const struct sim_kind *kind)
{
	for (unsigned which = 0; which < 2; which++)
		for (uint64_t when = 0; when < 50; when++) {
			struct sim *sim = sim_pair(when, kind);
			struct sim_end *a = sim->ends[0], *b = sim->ends[1];

			sim_send(a, b);
			sim_run(sim, when * MILLISECOND);
			sim_restart(sim->ends[which]);
			sim_recover(a, b, 6 * SECOND);
			sim_free(sim);
		}
}

/* The end that stayed is the only one that sends: it finds out by silence. An end that knows no
 * better than to wait is the worst case. */
static void restart_of_a_silent_end(const struct sim_kind *kind)
{
	for (unsigned which = 0; which < 2; which++) {
		struct sim *sim = sim_busy(which, kind);
		struct sim_end *gone = sim->ends[which], *stays = sim->ends[!which];

		sim_traffic(gone, stays, 0);
		sim_run(sim, 33 * SECOND);
		gone->links[stays->number].endpoint = false;
		sim_restart(gone);
		const uint64_t start = sim->time, before = sim_flow(stays, gone)->delivered;

		while (sim_flow(stays, gone)->delivered == before &&
			sim->time - start < 30 * SECOND)
			sim_run(sim, 10 * MILLISECOND);
		if (sim->time - start > sim_answer_time(kind) + 2 * JITTER)
			fail_msg("traffic was back after %.1f s",
				(double)(sim->time - start) / SECOND);
		sim_free(sim);
	}
}

static void restart_of_both(const struct sim_kind *kind)
{
	struct sim *sim = sim_busy(1, kind);
	struct sim_end *a = sim->ends[0], *b = sim->ends[1];

	sim_restart(a);
	sim_restart(b);
	sim_recover(a, b, 5 * SECOND);
	for (int i = 0; i < 20; i++) { /* again and again */
		sim_restart(sim->ends[sim_random(sim, 2)]);
		sim_run(sim, sim_random(sim, 8 * SECOND));
	}
	sim_recover(a, b, 6 * SECOND);
	sim_check(sim);
	sim_free(sim);
}

/* Wall clocks do not matter to a running pair, wherever they go. */
static void wall_clock_jumps(const struct sim_kind *kind)
{
	static const int64_t jumps[] = { YEAR, -(int64_t)YEAR, 3600 * SECOND,
		-3600 * (int64_t)SECOND, -1, 1 };

	for (size_t i = 0; i < sizeof(jumps) / sizeof(*jumps); i++)
		for (unsigned which = 0; which < 3; which++) {
			struct sim *sim = sim_busy(i, kind);
			struct sim_end *a = sim->ends[0], *b = sim->ends[1];

			a->wall_offset += which != 1 ? (uint64_t)jumps[i] : 0;
			b->wall_offset += which != 0 ? (uint64_t)jumps[i] : 0;
			sim_run(sim, 700 * SECOND);
			sim_traffic(a, b, 0);
			sim_traffic(b, a, 0);
			sim_run(sim,
				600 * SECOND); /* and when all is forgotten but the timestamps */
			assert_true(sim_reaches(a, b, SECOND));
			sim_run(sim, 600 * SECOND);
			assert_true(sim_reaches(b, a, SECOND));
			assert_int_equal(sim_flow(a, b)->delivered, sim_flow(a, b)->sent);
			assert_int_equal(sim_flow(b, a)->delivered, sim_flow(b, a)->sent);
			sim_free(sim);
		}
}

/* A host without a battery for its clock starts in the past: its own handshakes are old, so it is
 * the other end that must start one, once it finds that nobody answers. */
static void restart_in_the_past(const struct sim_kind *kind)
{
	struct sim *sim = sim_busy(3, kind);
	struct sim_end *a = sim->ends[0], *b = sim->ends[1];

	b->wall_offset -= YEAR;
	sim_restart(b);
	sim_recover(a, b, sim_answer_time(kind) + JITTER + SECOND);
	if (a->events[TUNNEL_OLD_TIMESTAMP])
		assert_int_equal(a->events[TUNNEL_OLD_TIMESTAMP], 1);
	sim_check(sim);
	sim_free(sim);
}

static void suspended_for_an_hour(const struct sim_kind *kind)
{
	for (unsigned which = 0; which < 2; which++) {
		struct sim *sim = sim_busy(which, kind);
		struct sim_end *a = sim->ends[0], *b = sim->ends[1];
		struct sim_end *sleeper = sim->ends[which];

		/* It sleeps for an hour of the world's time, its timers with it... */
		sleeper->cut = true;
		const uint64_t deadline = sleeper->deadline;

		sleeper->deadline = UINT64_MAX;
		sim_traffic(sleeper, sim->ends[!which], 0);
		sim_run(sim, 3600 * SECOND);
		/* ... and wakes up with keys that are too old. */
		sleeper->cut = false;
		sleeper->deadline = deadline;
		const unsigned data = sleeper->messages[SIM_DATA];

		sim_send(sleeper, sim->ends[!which]);
		assert_int_equal(sleeper->messages[SIM_DATA], data);
		sim_recover(a, b, 6 * SECOND);
		sim_check(sim);
		sim_free(sim);
	}
}

/* Only one end's boot clock runs ahead, as if the other had lost that hour. */
static void boot_clock_jumps(const struct sim_kind *kind)
{
	for (unsigned which = 0; which < 2; which++) {
		struct sim *sim = sim_busy(which + 7, kind);
		struct sim_end *a = sim->ends[0], *b = sim->ends[1];

		sim->ends[which]->boot_offset += 3600 * SECOND;
		sim_touch(sim->ends[which]);
		sim_recover(a, b, 6 * SECOND);
		sim_run(sim, 300 * SECOND);
		sim_recover(a, b, 6 * SECOND);
		sim_check(sim);
		sim_free(sim);
	}
}

static void roaming(const struct sim_kind *kind)
{
	struct sim *sim = sim_busy(9, kind);
	struct sim_end *a = sim->ends[0], *b = sim->ends[1];

	for (unsigned i = 0; i < 60; i++) {
		struct sim_end *mover = sim->ends[i % 2];

		mover->address = i % 3 ? sim_address4(50 + i, (uint16_t)(2000 + i))
				       : sim_address6(50 + i, (uint16_t)(2000 + i));
		/* Its next packet tells the other. */
		sim_recover(a, b, SECOND);
		assert_true(endpoint_equal(
			&sim_peer(sim->ends[!(i % 2)], mover)->endpoint, &mover->address));
		sim_run(sim, sim_random(sim, 20 * SECOND));
	}
	assert_int_equal(b->events[TUNNEL_ENDPOINT_CHANGED], 30);
	assert_int_equal(a->events[TUNNEL_ENDPOINT_CHANGED], 30);
	sim_free(sim);
}

/* Both at the same moment: neither can tell the other. What is configured may be looked up again.
 */
static void both_move(const struct sim_kind *kind)
{
	struct sim *sim = sim_busy(10, kind);
	struct sim_end *a = sim->ends[0], *b = sim->ends[1];

	a->address = sim_address4(60, 1);
	b->address = sim_address4(61, 1);
	sim_run(sim, 60 * SECOND);
	tunnel_set_endpoint(a->tunnel, sim_peer(a, b), &b->address, sim_now(a));
	sim_touch(a);
	sim_recover(a, b, 6 * SECOND);
	sim_free(sim);
}

static void nat_forgets(const struct sim_kind *kind)
{
	struct sim *sim = sim_pair(11, kind);
	struct sim_end *a = sim->ends[0], *b = sim->ends[1];

	b->links[a->number].endpoint = false;
	sim_restart(b);
	a->nat_timeout = 30 * SECOND;
	assert_true(sim_reaches(a, b, SECOND));
	sim_run(sim, 40 * SECOND);
	assert_false(sim_reaches(b, a, SECOND)); /* nobody at home */
	assert_true(sim_reaches(a, b, SECOND));  /* from a new port */
	assert_true(sim_reaches(b, a, SECOND));
	assert_int_equal(b->events[TUNNEL_ENDPOINT_CHANGED], 1);
	/* A persistent keepalive holds the mapping open. */
	tunnel_set_keepalive(a->tunnel, sim_peer(a, b), 25, sim_now(a));
	sim_touch(a);
	for (int i = 0; i < 50; i++) {
		sim_run(sim, 100 * SECOND);
		assert_true(sim_reaches(b, a, SECOND));
	}
	sim_free(sim);
}

static void late_packets_from_the_old_address(const struct sim_kind *kind)
{
	struct sim *sim = sim_busy(12, kind);
	struct sim_end *a = sim->ends[0], *b = sim->ends[1];
	const struct endpoint old = a->address;

	sim->delay = SECOND;
	sim_send(a, b);
	a->address = sim_address4(70, 7);
	sim->delay = 10 * MILLISECOND;
	sim_send(a, b);
	sim_traffic(a, b, 0);
	sim_run(sim, 2 * SECOND);
	/* The late one is authentic, so it is believed; the next one puts it right. */
	assert_true(endpoint_equal(&sim_peer(b, a)->endpoint, &old));
	assert_true(sim_reaches(a, b, SECOND));
	assert_true(endpoint_equal(&sim_peer(b, a)->endpoint, &a->address));
	sim_free(sim);
}

static void our_address_is_forgotten_when_nobody_answers(const struct sim_kind *kind)
{
	struct sim *sim = sim_pair(13, kind);
	struct sim_end *a = sim->ends[0], *b = sim->ends[1];
	struct endpoint from;

	assert_true(sim_reaches(a, b, SECOND));
	from = sim_peer(a, b)->endpoint;
	from.source4.s_addr = htonl(0xc0000263);
	from.source_interface = 3;
	sim_peer(a, b)->endpoint = from;
	b->cut = true;
	sim_send(a, b);
	sim_run(sim, sim_answer_time(kind) - SECOND);
	assert_int_equal(sim_peer(a, b)->endpoint.source_interface, 3);
	sim_run(sim, 2 * SECOND);
	assert_int_equal(sim_peer(a, b)->endpoint.source_interface, 0);
	assert_int_equal(sim_peer(a, b)->endpoint.source4.s_addr, 0);
	sim_peer(a, b)->endpoint = from;
	tunnel_clear_sources(a->tunnel);
	assert_int_equal(sim_peer(a, b)->endpoint.source_interface, 0);
	assert_true(endpoint_equal(&sim_peer(a, b)->endpoint, &b->address));
	sim_free(sim);
}

/* It was gone, and for all that time the other end had packets for it. */
static void back_after_an_hour(const struct sim_kind *kind)
{
	for (unsigned which = 0; which < 2; which++) {
		struct sim *sim = sim_busy(which + 14, kind);
		struct sim_end *gone = sim->ends[which], *stays = sim->ends[!which];
		const unsigned before = sim_handshakes(stays);

		gone->cut = true;
		sim_run(sim, 3600 * SECOND);
		/* It is asked for all the time, and no more often than that. */
		assert_in_range(sim_handshakes(stays) - before, 500, 800);
		gone->cut = false;
		sim_recover(gone, stays, sim_retry_time(kind, 99) + JITTER + SECOND);
		sim_check(sim);
		sim_free(sim);
	}
}

/* What is done when the network is another one: the other end learns of it although there is
 * nothing to be said, and a session that both have goes on. */
static void handshake_in_another_network(const struct sim_kind *kind)
{
	struct sim *sim = sim_pair(16, kind);
	struct sim_end *a = sim->ends[0], *b = sim->ends[1];

	assert_true(sim_reaches(a, b, SECOND));
	for (unsigned i = 0; i < 5; i++) {
		const unsigned before = a->messages[SIM_INITIATION];

		a->address = sim_address4(80 + i, 9);
		sim_run(sim, SECOND);
		tunnel_handshake_all(a->tunnel, 540 * SECOND, sim_now(a));
		sim_touch(a);
		sim_run(sim, SECOND / 2);
		assert_int_equal(a->messages[SIM_INITIATION], before + 1);
		assert_true(endpoint_equal(&sim_peer(b, a)->endpoint, &a->address));
		assert_true(sim_reaches(b, a, SECOND));
	}
	sim_run(sim, 2000 * SECOND); /* all is forgotten, and stays so */
	const unsigned last = sim_handshakes(a);

	tunnel_handshake_all(a->tunnel, 540 * SECOND, sim_now(a));
	sim_touch(a);
	sim_run(sim, SECOND);
	assert_int_equal(sim_handshakes(a), last);
	/* But a sleep is no time in which anything could have been done. */
	tunnel_handshake_all(a->tunnel, 2100 * SECOND, sim_now(a));
	sim_touch(a);
	sim_run(sim, SECOND);
	assert_int_equal(sim_handshakes(a), last + 1);
	sim_check(sim);
	sim_free(sim);
}

/* An address that is to be tried is taken by who waits in vain, and by nobody else. */
static void trying_another_address(const struct sim_kind *kind)
{
	struct sim *sim = sim_pair(17, kind);
	struct sim_end *a = sim->ends[0], *b = sim->ends[1];
	const struct endpoint nowhere = sim_address4(90, 1), home = b->address;
	struct peer *peer = sim_peer(a, b);

	assert_true(sim_reaches(a, b, SECOND));
	tunnel_try_endpoint(a->tunnel, peer, &nowhere, sim_now(a));
	assert_true(endpoint_equal(&peer->endpoint, &home));
	b->address = sim_address4(91, 2);
	b->cut = true; /* or it would say where it is now */
	sim_traffic(a, b, 500 * MILLISECOND);
	sim_run(sim, sim_answer_time(kind) + JITTER + SECOND);
	assert_true(peer->timers.waiting_since != 0);
	const unsigned before = a->messages[SIM_INITIATION];

	tunnel_try_endpoint(a->tunnel, peer, &nowhere, sim_now(a));
	sim_touch(a);
	sim_run(sim, MILLISECOND);
	assert_true(endpoint_equal(&peer->endpoint, &nowhere));
	assert_int_equal(a->messages[SIM_INITIATION], before + 1); /* at once */
	b->cut = false;
	tunnel_try_endpoint(a->tunnel, peer, &b->address, sim_now(a));
	sim_touch(a);
	sim_run(sim, SECOND);
	assert_int_equal(a->messages[SIM_INITIATION], before + 2);
	assert_int_equal(peer->timers.waiting_since, 0);
	assert_true(sim_reaches(a, b, SECOND));
	sim_traffic(a, b, 0);
	/* After long silence nobody knows better than the name. */
	sim_run(sim, 300 * SECOND);
	tunnel_try_endpoint(a->tunnel, peer, &home, sim_now(a));
	assert_true(endpoint_equal(&peer->endpoint, &home));
	sim_check(sim);
	sim_free(sim);
}

int main(void)
{
	static const struct sim_scenario scenarios[] = {
		SIM_EACH(restart_with_traffic_both_ways),
		SIM_EACH(restart_during_a_handshake),
		SIM_EACH(restart_of_a_silent_end),
		SIM_EACH(restart_of_both),
		SIM_EACH(wall_clock_jumps),
		SIM_EACH(restart_in_the_past),
		SIM_EACH(suspended_for_an_hour),
		SIM_EACH(boot_clock_jumps),
		SIM_EACH(roaming),
		SIM_EACH(both_move),
		SIM_EACH(nat_forgets),
		SIM_EACH(late_packets_from_the_old_address),
		SIM_EACH(back_after_an_hour),
		SIM_EACH(handshake_in_another_network),
		SIM_EACH(trying_another_address),
		SIM_EACH(our_address_is_forgotten_when_nobody_answers),
	};

	return sim_main("change", scenarios, sizeof(scenarios) / sizeof(*scenarios));
}
