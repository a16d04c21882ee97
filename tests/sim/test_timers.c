/* SPDX-License-Identifier: ISC */
/* What happens when: renewal, expiry, keepalives, retries. */
#include "sim.h"

#include "core/wire.h"

#define JITTER (334 * MILLISECOND)
#define ROUND_TRIP (20 * MILLISECOND)

static void assert_between(uint64_t value, uint64_t low, uint64_t high)
{
	if (value < low || value > high)
		fail_msg("%.3f s is not within %.3f and %.3f", (double)value / SECOND,
			(double)low / SECOND, (double)high / SECOND);
}

/* Runs until one more message of that kind was sent, looking every millisecond; how long it took.
 */
static uint64_t wait_for(struct sim_end *end, enum sim_message message, uint64_t limit)
{
	const uint64_t start = end->sim->time;
	const unsigned before = end->messages[message];

	while (end->messages[message] == before && end->sim->time - start < limit)
		sim_run(end->sim, MILLISECOND);
	if (end->messages[message] == before)
		fail_msg("end %u sent no message of kind %d in %.1f s", end->number, message,
			(double)limit / SECOND);
	return end->sim->time - start;
}

/* Two ends with a session that the first one started a round trip ago. */
static struct sim *sim_talking(uint64_t seed, const struct sim_kind *kind)
{
	struct sim *sim = sim_pair(seed, kind);

	sim_send(sim->ends[0], sim->ends[1]);
	sim_run(sim, 2 * ROUND_TRIP);
	assert_int_equal(sim_flow(sim->ends[0], sim->ends[1])->delivered, 1);
	return sim;
}

static void renewal_every_two_minutes(const struct sim_kind *kind)
{
	struct sim *sim = sim_talking(1, kind);
	struct sim_end *a = sim->ends[0], *b = sim->ends[1];
	uint64_t last = a->message_time[SIM_INITIATION];

	sim_traffic(a, b, 25 * MILLISECOND);
	sim_traffic(b, a, 15 * MILLISECOND);
	for (int i = 0; i < 5; i++) {
		wait_for(a, SIM_INITIATION, 130 * SECOND);
		assert_between(a->message_time[SIM_INITIATION] - last, 120 * SECOND, 121 * SECOND);
		last = a->message_time[SIM_INITIATION];
	}
	sim_traffic(a, b, 0);
	sim_traffic(b, a, 0);
	sim_run(sim, SECOND);
	/* A perfect wire loses nothing over a renewal, and changes no order. */
	assert_int_equal(sim_flow(a, b)->delivered, sim_flow(a, b)->sent);
	assert_int_equal(sim_flow(b, a)->delivered, sim_flow(b, a)->sent);
	assert_int_equal(sim_flow(a, b)->reordered + sim_flow(b, a)->reordered, 0);
	assert_int_equal(a->messages[SIM_INITIATION], 6);
	assert_int_equal(b->messages[SIM_INITIATION], 0);
	assert_int_equal(a->events[TUNNEL_REKEYED], 5);
	assert_int_equal(b->events[TUNNEL_REKEYED], 5);
	sim_check(sim);
	sim_free(sim);
}

static void renewal_after_both_started(const struct sim_kind *kind)
{
	struct sim *sim = sim_pair(2, kind);
	struct sim_end *a = sim->ends[0], *b = sim->ends[1];

	sim_send(a, b);
	sim_send(b, a);
	sim_run(sim, SECOND);
	sim->delay = 50 * MILLISECOND;
	sim_traffic(a, b, 25 * MILLISECOND);
	sim_traffic(b, a, 25 * MILLISECOND);
	sim_run(sim, 1800 * SECOND);
	sim_traffic(a, b, 0);
	sim_traffic(b, a, 0);
	sim_run(sim, SECOND);
	/* Two ends that renew at the same moment may lose what a round trip brings. That must not
	 * go on for ever. */
	const uint64_t lost = sim_flow(a, b)->sent - sim_flow(a, b)->delivered +
			      sim_flow(b, a)->sent - sim_flow(b, a)->delivered;

	if (lost > 12)
		fail_msg("%llu packets lost over an hour of renewals", (unsigned long long)lost);
	sim_check(sim);
	sim_free(sim);
}

static void receiving_initiator_renews(const struct sim_kind *kind)
{
	struct sim *sim = sim_talking(3, kind);
	struct sim_end *a = sim->ends[0], *b = sim->ends[1];
	const uint64_t born = sim_peer(a, b)->current->born - a->boot_offset;

	sim_traffic(b, a, SECOND);
	/* Its passive keepalives count as sending, and so ask for renewal at 120 s. Without them,
	 * and without the other end's worry about that: */
	while (sim->time < born + 164 * SECOND) {
		sim_peer(a, b)->timers.keepalive = UINT64_MAX;
		sim_peer(b, a)->timers.new_handshake = UINT64_MAX;
		sim_run(sim, SECOND / 2);
	}
	assert_int_equal(a->messages[SIM_INITIATION], 1);
	wait_for(a, SIM_INITIATION, 3 * SECOND);
	assert_between(sim->time - born, 165 * SECOND, 167 * SECOND);
	sim_run(sim, 60 * SECOND);
	assert_in_range(sim_flow(b, a)->delivered, sim_flow(b, a)->sent - 1, sim_flow(b, a)->sent);
	assert_int_equal(a->messages[SIM_INITIATION], 2);
	sim_check(sim);
	sim_free(sim);
}

static void responder_does_not_renew(const struct sim_kind *kind)
{
	struct sim *sim = sim_talking(4, kind);
	struct sim_end *a = sim->ends[0], *b = sim->ends[1];
	const uint64_t born = sim_peer(b, a)->current->born - b->boot_offset;

	/* Each packet is answered by a keepalive of a's, until that end falls silent. */
	sim_run(sim, 100 * SECOND);
	a->cut = true;
	while (sim->time < born + 178 * SECOND) {
		sim_peer(b, a)->timers.new_handshake = UINT64_MAX;
		sim_send(b, a);
		sim_run(sim, SECOND / 4);
	}
	assert_int_equal(b->messages[SIM_INITIATION], 0);
	sim_free(sim);
}

static void session_is_dead_after_three_minutes(const struct sim_kind *kind)
{
	struct sim *sim = sim_talking(5, kind);
	struct sim_end *a = sim->ends[0], *b = sim->ends[1];
	const uint64_t born = sim_peer(a, b)->current->born - a->boot_offset;
	unsigned data;

	sim_run(sim, born + 179 * SECOND - sim->time);
	a->cut = true;
	data = b->messages[SIM_DATA];
	sim_send(b, a);
	assert_int_equal(b->messages[SIM_DATA], data + 1);
	assert_int_equal(b->messages[SIM_INITIATION], 0);
	sim_run(sim, 1500 * MILLISECOND);
	a->cut = false;
	data = b->messages[SIM_DATA];
	sim_send(b, a); /* too late: staged, and a new handshake */
	assert_int_equal(b->messages[SIM_DATA], data);
	assert_int_equal(b->messages[SIM_INITIATION], 1);
	sim_run(sim, SECOND);
	assert_int_equal(sim_flow(b, a)->delivered, 1);
	sim_check(sim);
	sim_free(sim);
}

/* What was sealed in time but arrives late. */
static void late_data_is_refused(const struct sim_kind *kind)
{
	struct sim *sim = sim_talking(6, kind);
	struct sim_end *a = sim->ends[0], *b = sim->ends[1];

	sim_run(sim, 170 * SECOND);
	sim->delay = 15 * SECOND;
	sim_send(b, a);
	sim_run(sim, 20 * SECOND);
	assert_int_equal(sim_flow(b, a)->delivered, 0);
	assert_true(sim_peer(a, b)->counters.undecryptable > 0);
	sim_free(sim);
}

static void assert_no_session(const struct sim_end *end, const struct sim_end *other)
{
	assert_null(sim_peer(end, other)->previous);
	assert_null(sim_peer(end, other)->current);
	assert_null(sim_peer(end, other)->next);
}

static void keys_are_wiped_after_nine_minutes(const struct sim_kind *kind)
{
	struct sim *sim = sim_talking(7, kind);
	struct sim_end *a = sim->ends[0], *b = sim->ends[1];
	const uint64_t born = sim->time;

	sim_run(sim, 539 * SECOND);
	assert_non_null(sim_peer(a, b)->current);
	assert_non_null(sim_peer(b, a)->current);
	sim_run(sim, born + 541 * SECOND - sim->time);
	assert_no_session(a, b);
	assert_no_session(b, a);
	assert_int_equal(a->deadline, UINT64_MAX); /* nothing more to do, ever */
	assert_int_equal(b->deadline, UINT64_MAX);
	sim_check(sim);
	assert_true(sim_reaches(b, a, SECOND));
	sim_free(sim);
}

static void half_a_handshake_is_wiped_too(const struct sim_kind *kind)
{
	struct sim *sim = sim_pair(8, kind);
	struct sim_end *a = sim->ends[0], *b = sim->ends[1];

	a->cut = false;
	sim_send(a, b);
	sim_run(sim, 15 * MILLISECOND);
	assert_non_null(sim_peer(b, a)->next);
	a->cut = true; /* the response is lost */
	sim_run(sim, 541 * SECOND);
	assert_no_session(b, a);
	assert_false(noise_remote_is_pending(sim_peer(a, b)->noise));
	assert_int_equal(b->deadline, UINT64_MAX);
	sim_run(sim, 700 * SECOND);
	assert_int_equal(a->deadline, UINT64_MAX);
	sim_check(sim);
	sim_free(sim);
}

static void passive_keepalive(const struct sim_kind *kind)
{
	struct sim *sim = sim_talking(9, kind);
	struct sim_end *a = sim->ends[0], *b = sim->ends[1];

	/* The first packet was data: b owes a sign of life. */
	sim_run(sim, sim_keepalive_time(kind) - 100 * MILLISECOND);
	assert_int_equal(b->messages[SIM_KEEPALIVE], 0);
	wait_for(b, SIM_KEEPALIVE, SECOND);
	/* One, and nobody answers it. */
	sim_run(sim, 500 * SECOND);
	assert_int_equal(b->messages[SIM_KEEPALIVE], 1);
	assert_int_equal(a->messages[SIM_KEEPALIVE], 0);
	assert_int_equal(a->messages[SIM_INITIATION] + b->messages[SIM_INITIATION], 1);
	sim_free(sim);
}

static void traffic_makes_keepalives_needless(const struct sim_kind *kind)
{
	struct sim *sim = sim_talking(10, kind);
	struct sim_end *a = sim->ends[0], *b = sim->ends[1];

	sim_traffic(a, b, sim_keepalive_time(kind) * 9 / 10);
	sim_traffic(b, a, sim_keepalive_time(kind) * 9 / 10);
	sim_run(sim, 110 * SECOND);
	assert_int_equal(a->messages[SIM_KEEPALIVE] + b->messages[SIM_KEEPALIVE], 0);
	sim_free(sim);
}

static void one_way_traffic_is_answered(const struct sim_kind *kind)
{
	struct sim *sim = sim_talking(11, kind);
	struct sim_end *a = sim->ends[0], *b = sim->ends[1];

	sim_traffic(a, b, 300 * MILLISECOND);
	sim_run(sim, 110 * SECOND);
	/* One each time that is up, counted from the first packet after the last. */
	assert_in_range(b->messages[SIM_KEEPALIVE],
		110 * SECOND / (sim_keepalive_time(kind) + SECOND / 2),
		110 * SECOND / sim_keepalive_time(kind));
	assert_int_equal(a->messages[SIM_INITIATION], 1); /* never taken for dead */
	assert_int_equal(sim_flow(a, b)->delivered, sim_flow(a, b)->sent);
	sim_free(sim);
}

static void persistent_keepalive(const struct sim_kind *kind)
{
	struct sim *sim = sim_pair(12, kind);
	struct sim_end *a = sim->ends[0], *b = sim->ends[1];

	tunnel_set_keepalive(a->tunnel, sim_peer(a, b), 25, sim_now(a));
	sim_touch(a);
	assert_int_equal(a->messages[SIM_INITIATION], 1); /* at once */
	sim_run(sim, SECOND);
	assert_int_equal(a->messages[SIM_KEEPALIVE], 1); /* confirms the key */
	for (int i = 0; i < 3; i++) {
		const uint64_t last = a->message_time[SIM_KEEPALIVE];

		wait_for(a, SIM_KEEPALIVE, 30 * SECOND);
		assert_between(a->message_time[SIM_KEEPALIVE] - last, 25 * SECOND, 25 * SECOND);
	}
	assert_int_equal(b->messages[SIM_KEEPALIVE], 0);
	/* Anything authentic in either direction puts it off. */
	sim_traffic(b, a, sim_keepalive_time(kind) * 9 / 10);
	sim_traffic(a, b, sim_keepalive_time(kind) * 9 / 10);
	const unsigned before = a->messages[SIM_KEEPALIVE];

	sim_run(sim, 30 * SECOND);
	assert_int_equal(a->messages[SIM_KEEPALIVE], before);
	tunnel_set_keepalive(a->tunnel, sim_peer(a, b), 0, sim_now(a));
	sim_touch(a);
	sim_traffic(a, b, 0);
	sim_traffic(b, a, 0);
	sim_run(sim, 20 * SECOND);
	const unsigned off = a->messages[SIM_KEEPALIVE];

	sim_run(sim, 1000 * SECOND);
	assert_int_equal(a->messages[SIM_KEEPALIVE], off);
	sim_free(sim);
}

static void persistent_keepalive_keeps_a_session(const struct sim_kind *kind)
{
	struct sim *sim = sim_pair(13, kind);
	struct sim_end *a = sim->ends[0], *b = sim->ends[1];

	a->links[b->number].keepalive = 25;
	b->links[a->number].endpoint = false;
	sim_restart(b);
	sim_restart(a);
	sim_run(sim, SECOND);
	for (int i = 0; i < 300; i++) {
		sim_run(sim, 10 * SECOND);
		assert_true(sim_reaches(b, a, 11 * MILLISECOND)); /* at once, at any time */
	}
	sim_free(sim);
}

static void silence_starts_a_handshake(const struct sim_kind *kind)
{
	struct sim *sim = sim_talking(14, kind);
	struct sim_end *a = sim->ends[0], *b = sim->ends[1];

	sim_run(sim, 30 * SECOND);
	b->cut = true;
	const uint64_t start = sim->time;

	sim_traffic(a, b, SECOND / 2); /* more of it does not put it off */
	wait_for(a, SIM_INITIATION, 20 * SECOND);
	assert_between(sim->time - start, sim_answer_time(kind) + SECOND / 2,
		sim_answer_time(kind) + SECOND / 2 + JITTER + MILLISECOND);
	b->cut = false;
	sim_run(sim, 6 * SECOND);
	assert_int_equal(a->events[TUNNEL_REKEYED], 1);
	sim_free(sim);
}

static void retries_and_gives_up(const struct sim_kind *kind)
{
	struct sim *sim = sim_pair(15, kind);
	struct sim_end *a = sim->ends[0], *b = sim->ends[1];
	uint64_t last;

	b->cut = true;
	sim_send(a, b);
	last = a->message_time[SIM_INITIATION];
	for (int i = 0; i < WIRE_MAX_RETRIES + 1; i++) {
		wait_for(a, SIM_INITIATION, 6 * SECOND);
		assert_between(a->message_time[SIM_INITIATION] - last, sim_retry_time(kind, i),
			sim_retry_time(kind, i) + JITTER);
		last = a->message_time[SIM_INITIATION];
	}
	assert_int_equal(sim_peer(a, b)->staged_count, 1);
	sim_run(sim, 1000 * SECOND);
	assert_int_equal(a->messages[SIM_INITIATION], 20);
	assert_int_equal(a->events[TUNNEL_GAVE_UP], 1);
	assert_int_equal(sim_peer(a, b)->staged_count, 0);
	assert_int_equal(sim_peer(a, b)->counters.dropped, 1);
	assert_int_equal(a->deadline, UINT64_MAX);
	b->cut = false;
	assert_true(sim_reaches(a, b, SECOND));
	sim_check(sim);
	sim_free(sim);
}

static void a_new_packet_asks_anew(const struct sim_kind *kind)
{
	struct sim *sim = sim_pair(16, kind);
	struct sim_end *a = sim->ends[0], *b = sim->ends[1];

	b->cut = true;
	sim_traffic(a, b, 30 * SECOND);
	sim_run(sim, 400 * SECOND); /* never gives up, never asks more often */
	assert_int_equal(a->events[TUNNEL_GAVE_UP], 0);
	assert_in_range(a->messages[SIM_INITIATION], 66, 79);
	b->cut = false;
	sim_run(sim, 6 * SECOND);
	assert_int_equal(sim_flow(a, b)->delivered, sim_flow(a, b)->sent); /* all were staged */
	sim_free(sim);
}

struct rarity {
	uint64_t least; /* between two initiations of one end */
	uint64_t last[2];
};

static bool never_two_too_soon(struct sim *sim, const struct sim_datagram *datagram)
{
	struct rarity *rarity = sim->context;
	uint64_t *last = rarity->last;

	if (sim_classify(datagram->data, datagram->len) == SIM_INITIATION) {
		const int end = endpoint_equal(&datagram->from, &sim->ends[1]->address);

		assert_true(!last[end] || sim->time - last[end] >= rarity->least);
		last[end] = sim->time;
	}
	return sim_random(sim, 3);
}

static void initiations_are_rare(const struct sim_kind *kind)
{
	struct sim *sim = sim_pair(17, kind);
	struct sim_end *a = sim->ends[0], *b = sim->ends[1];
	struct rarity rarity = { .least = sim_retry_time(kind, 0) };

	sim->context = &rarity;
	sim->filter = never_two_too_soon;
	sim_traffic(a, b, 97 * MILLISECOND);
	sim_traffic(b, a, 89 * MILLISECOND);
	sim_run(sim, 2000 * SECOND);
	sim_check(sim);
	sim_free(sim);
}

/* "An unreachable peer blocks a timer": one that takes all that may wait, and never answers, costs
 * the others nothing. */
static void unreachable_peer_holds_nobody_up(const struct sim_kind *kind)
{
	struct sim *sim = sim_new(31);
	struct sim_end *centre = sim_add(sim), *lost = sim_add(sim), *other = sim_add(sim);

	if (kind->shared) { /* has one peer */
		sim_free(sim);
		return;
	}
	sim_join(centre, lost, kind);
	sim_join(centre, other, kind);
	lost->cut = true;
	sim_traffic(centre, lost, 10 * MILLISECOND);
	tunnel_set_keepalive(centre->tunnel, sim_peer(centre, other), 10, sim_now(centre));
	sim_touch(centre);
	sim_run(sim, 305 * SECOND);
	assert_int_equal(sim_peer(centre, lost)->staged_count, WIRE_STAGED_MAX);
	assert_in_range(centre->messages[SIM_KEEPALIVE], 30, 33);
	assert_true(centre->messages[SIM_INITIATION] > 300 / 6);
	assert_true(sim_reaches(centre, other, 11 * MILLISECOND));
	lost->cut = false;
	sim_recover(centre, lost, 6 * SECOND);
	sim_check(sim);
	sim_free(sim);
}

/* Nothing that the second end sends arrives. */
static bool lose_answers(struct sim *sim, const struct sim_datagram *datagram)
{
	return !endpoint_equal(&datagram->from, &sim->ends[1]->address);
}

static void assert_no_old_keys(const struct sim_end *end, const struct session *session)
{
	if (session)
		assert_between(sim_now(end).boot - session->born, 0, 190 * SECOND);
}

/* Who begins handshakes and never lets one end does not keep the old keys in memory. */
static void unfinished_handshakes_keep_no_keys(const struct sim_kind *kind)
{
	struct sim *sim = sim_talking(9, kind);
	struct sim_end *a = sim->ends[0], *b = sim->ends[1];

	sim->filter = lose_answers;
	sim_traffic(a, b, SECOND);
	sim_run(sim, 600 * SECOND);
	const struct peer *peer = sim_peer(b, a);

	assert_non_null(peer->next);
	assert_no_old_keys(b, peer->next);
	assert_no_old_keys(b, peer->current);
	assert_no_old_keys(b, peer->previous);
	sim_check(sim);
	sim_free(sim);
}

int main(void)
{
	static const struct sim_scenario scenarios[] = {
		SIM_EACH(renewal_every_two_minutes),
		SIM_EACH(renewal_after_both_started),
		SIM_EACH(receiving_initiator_renews),
		SIM_EACH(responder_does_not_renew),
		SIM_EACH(session_is_dead_after_three_minutes),
		SIM_EACH(late_data_is_refused),
		SIM_EACH(keys_are_wiped_after_nine_minutes),
		SIM_EACH(half_a_handshake_is_wiped_too),
		SIM_EACH(passive_keepalive),
		SIM_EACH(traffic_makes_keepalives_needless),
		SIM_EACH(one_way_traffic_is_answered),
		SIM_EACH(persistent_keepalive),
		SIM_EACH(persistent_keepalive_keeps_a_session),
		SIM_EACH(silence_starts_a_handshake),
		SIM_EACH(retries_and_gives_up),
		SIM_EACH(a_new_packet_asks_anew),
		SIM_EACH(initiations_are_rare),
		SIM_EACH(unreachable_peer_holds_nobody_up),
		SIM_EACH(unfinished_handshakes_keep_no_keys),
	};

	return sim_main("timers", scenarios, sizeof(scenarios) / sizeof(*scenarios));
}
