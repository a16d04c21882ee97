/* SPDX-License-Identifier: ISC */
/* What status and metrics are told: round trip, loss, since when, what went wrong. */
#include "sim.h"

static uint64_t wall(const struct sim_end *end)
{
	return sim_now(end).wall;
}

static void round_trip(const struct sim_kind *kind)
{
	struct sim *sim = sim_pair(1, kind);
	struct sim_end *a = sim->ends[0], *b = sim->ends[1];

	sim->delay = 25 * MILLISECOND;
	assert_true(sim_reaches(a, b, SECOND));
	assert_int_equal(sim_peer(a, b)->rtt, 50 * MILLISECOND);
	assert_int_equal(sim_peer(b, a)->rtt, 0); /* it has not asked */
	/* A repeated initiation is measured from itself, not from the first. */
	sim_restart(a);
	sim->loss = 1000;
	sim_send(a, b);
	sim_run(sim, SECOND / 10);
	sim->loss = 0;
	sim->delay = 35 * MILLISECOND;
	sim_run(sim, 8 * SECOND);
	assert_int_equal(sim_peer(a, b)->rtt, 70 * MILLISECOND);
	sim_free(sim);
}

static void lost(const struct peer *peer, uint64_t *sent, uint64_t *missing)
{
	const struct session *sessions[] = { peer->previous, peer->current, peer->next };

	*sent = *missing = 0;
	for (size_t i = 0; i < 3; i++) {
		if (!sessions[i])
			continue;
		*sent += sessions[i]->replay.next;
		*missing += sessions[i]->replay.next - sessions[i]->received;
	}
}

static void loss_is_counted(const struct sim_kind *kind)
{
	struct sim *sim = sim_pair(2, kind);
	struct sim_end *a = sim->ends[0], *b = sim->ends[1];
	uint64_t sent, missing;

	assert_true(sim_reaches(a, b, SECOND));
	sim->duplicate = 500;
	sim->spread = 300 * MILLISECOND;
	sim_traffic(a, b, 10 * MILLISECOND);
	sim_run(sim, 20 * SECOND);
	sim_traffic(a, b, 0);
	sim_run(sim, SECOND);
	/* What comes late or twice is not lost. */
	lost(sim_peer(b, a), &sent, &missing);
	assert_in_range(sent, 2000, 2100);
	assert_int_equal(missing, 0);
	sim->loss = 300;
	sim_traffic(a, b, 10 * MILLISECOND);
	sim_run(sim, 20 * SECOND);
	lost(sim_peer(b, a), &sent, &missing);
	assert_in_range(missing, 500, 700);
	sim_free(sim);
}

static void since_when(const struct sim_kind *kind)
{
	struct sim *sim = sim_pair(3, kind);
	struct sim_end *a = sim->ends[0], *b = sim->ends[1];
	const struct peer *peer = sim_peer(a, b);
	uint64_t began, first;

	assert_int_equal(peer->up_since, 0);
	began = wall(a);
	sim_traffic(a, b, SECOND);
	sim_traffic(b, a, SECOND);
	sim_run(sim, 600 * SECOND);
	first = peer->up_since;
	assert_in_range(first, began, began + 3 * SECOND);
	assert_true(peer->last_handshake > first + 400 * SECOND);
	assert_int_equal(peer->unanswered_since, 0);
	/* b has gone: a asks as long as there is something to send, and gives up. */
	b->cut = true;
	began = wall(a);
	sim_run(sim, 200 * SECOND);
	sim_traffic(a, b, 0);
	sim_run(sim, 200 * SECOND);
	assert_in_range(peer->unanswered_since, began, began + 150 * SECOND);
	assert_int_equal(peer->trouble, TUNNEL_GAVE_UP);
	assert_int_equal(peer->up_since, first);
	assert_int_equal(peer->timers.unanswered, 0);
	b->cut = false;
	sim_traffic(a, b, SECOND);
	sim_run(sim, 10 * SECOND);
	assert_int_equal(peer->unanswered_since, 0);
	assert_int_equal(peer->trouble, 0);
	assert_in_range(peer->up_since, began + 400 * SECOND, wall(a));
	sim_free(sim);
}

/* A peer that we talked with does not answer: that is told once, long before its session is over,
 * and also that it is back. */
static void away_and_back(const struct sim_kind *kind)
{
	struct sim *sim = sim_pair(5, kind);
	struct sim_end *a = sim->ends[0], *b = sim->ends[1];
	const struct peer *peer = sim_peer(a, b);
	unsigned sessions;
	uint64_t back;

	assert_true(sim_reaches(a, b, SECOND));
	sessions = a->events[TUNNEL_SESSION_UP];
	b->cut = true;
	sim_traffic(a, b, SECOND);
	sim_run(sim, 12 * SECOND); /* that it is silent is noticed after 4 s or 15 */
	assert_int_equal(a->events[TUNNEL_NO_ANSWER], 0);
	sim_run(sim, 23 * SECOND);
	assert_int_equal(a->events[TUNNEL_NO_ANSWER], 1);
	assert_int_equal(peer->trouble, TUNNEL_NO_ANSWER);
	sim_run(sim, 30 * SECOND);
	assert_int_equal(a->events[TUNNEL_NO_ANSWER], 1);
	assert_int_equal(tunnel_counters(a->tunnel)->events[TUNNEL_NO_ANSWER], 1);
	assert_int_equal(a->events[TUNNEL_SESSION_UP], sessions);
	back = wall(a);
	b->cut = false;
	sim_run(sim, 10 * SECOND);
	assert_int_equal(a->events[TUNNEL_SESSION_UP], sessions + 1);
	assert_in_range(peer->up_since, back, wall(a));
	assert_int_equal(peer->trouble, 0);
	sim_free(sim);
}

/* Nor is one passed over that has never answered; but what is known to be wrong says more. */
static void never_there(const struct sim_kind *kind)
{
	struct sim *sim = sim_pair(6, kind);
	struct sim_end *a = sim->ends[0], *b = sim->ends[1];
	struct peer *peer = sim_peer(a, b);

	b->cut = true;
	sim_traffic(a, b, SECOND);
	sim_run(sim, 8 * SECOND);
	assert_int_equal(a->events[TUNNEL_NO_ANSWER], 0);
	sim_run(sim, 12 * SECOND);
	assert_int_equal(a->events[TUNNEL_NO_ANSWER], 1);
	sim_run(sim, 40 * SECOND);
	assert_int_equal(a->events[TUNNEL_NO_ANSWER], 1);
	sim_free(sim);

	sim = sim_pair(7, kind);
	a = sim->ends[0];
	b = sim->ends[1];
	peer = sim_peer(a, b);
	b->cut = true;
	peer->trouble = TUNNEL_BAD_RESPONSE;
	sim_traffic(a, b, SECOND);
	sim_run(sim, 20 * SECOND);
	assert_int_equal(a->events[TUNNEL_NO_ANSWER], 0);
	assert_int_equal(peer->trouble, TUNNEL_BAD_RESPONSE);
	sim_free(sim);
}

/* Each time, not only those that are told. */
static void events_are_counted(const struct sim_kind *kind)
{
	struct sim *sim = sim_pair(4, kind);
	struct sim_end *a = sim->ends[0], *b = sim->ends[1];
	const struct tunnel_counters *counters = tunnel_counters(a->tunnel);

	b->cut = true;
	sim_traffic(a, b, 200 * SECOND);
	sim_run(sim, 750 * SECOND);
	assert_int_equal(a->events[TUNNEL_GAVE_UP], 1);
	assert_int_equal(counters->events[TUNNEL_GAVE_UP], 3);
	b->cut = false;
	sim_traffic(a, b, SECOND);
	sim_run(sim, 300 * SECOND);
	assert_int_equal(counters->events[TUNNEL_SESSION_UP], 1);
	assert_int_equal(counters->events[TUNNEL_REKEYED], a->events[TUNNEL_REKEYED]);
	assert_true(counters->events[TUNNEL_REKEYED] >= 1);
	sim_free(sim);
}

int main(void)
{
	static const struct sim_scenario scenarios[] = {
		SIM_EACH(round_trip),
		SIM_EACH(loss_is_counted),
		SIM_EACH(since_when),
		SIM_EACH(away_and_back),
		SIM_EACH(never_there),
		SIM_ONCE(events_are_counted),
	};

	return sim_main("facts", scenarios, sizeof(scenarios) / sizeof(*scenarios));
}
