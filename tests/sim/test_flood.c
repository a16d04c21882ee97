/* SPDX-License-Identifier: ISC */
/* What is for all of a hub's peers: how much of it there may be, and what it costs with many. */
#include "hub.h"

#include "core/tunnel_internal.h"

static void flooding_is_limited(const struct sim_kind *kind)
{
	struct sim *sim = hub(4, sim_kind_auto);
	struct sim_end **ends = sim->ends;
	const struct tunnel_counters *counters = tunnel_counters(ends[HUB]->tunnel);

	(void)kind;
	sim->batch = 50;
	for (unsigned i = 0; i < 5000; i++)
		send_broadcast(ends[ONE]);
	sim_run(sim, 15 * MILLISECOND);
	assert_int_equal(counters->floods_dropped, 4000);
	assert_int_equal(ends[HUB]->delivered, 5000); /* which costs nobody anything */
	forget_counts(sim);
	/* It may still send to who is known, and others to everybody. */
	send_broadcast(ends[TWO]);
	sim_run(sim, 20 * MILLISECOND);
	assert_int_equal(ends[ONE]->delivered, 1);
	sim_send(ends[ONE], ends[TWO]);
	sim_run(sim, 30 * MILLISECOND);
	assert_int_equal(sim_flow(ends[ONE], ends[TWO])->delivered, 1);
	forget_counts(sim);
	sim_run(sim, SECOND);
	for (unsigned i = 0; i < 1001; i++) {
		send_broadcast(ends[ONE]);
		send_broadcast(ends[HUB]);
	}
	assert_int_equal(counters->floods_dropped, 4001);
	EXPECT(sim, 1001, 1000, 2000, 2000);
	assert_int_equal(counters->floods_dropped, 4002);
	sim_free(sim);
}

static void count_frame(struct sim_end *end, const struct iovec *parts, size_t count)
{
	(void)parts, (void)count;
	end->delivered++;
}

static uint8_t long_frame[60000];

/* One where long_frame is for all, from ONE, and is counted by those who get it. */
static struct sim *hub_for_long_frames(uint64_t seed)
{
	struct sim *sim = hub(seed, sim_kind_auto);
	uint8_t mac[6];

	for (unsigned i = HUB; i < HUB_ENDS; i++)
		sim->ends[i]->deliver = count_frame;
	sim_mac(mac, ONE);
	make_frame(long_frame, broadcast, mac);
	return sim;
}

/* A frame that is as long as many takes as many frames' share. */
static void long_floods_are_limited(const struct sim_kind *kind)
{
	struct sim *sim = hub_for_long_frames(9);
	struct sim_end **ends = sim->ends;

	(void)kind;
	for (unsigned i = 0; i < 40; i++)
		sim_outbound(ends[ONE], long_frame, sizeof(long_frame));
	EXPECT(sim, 40, 0, 34, 34); /* 30 each, and the last one has what is left */
	assert_int_equal(tunnel_counters(ends[HUB]->tunnel)->floods_dropped, 6);
	sim_free(sim);
}

/* ---- A hub with many peers ---- */

/* So many more that are away, and that nobody asked yet; an endpoint each. */
static void add_crowd(struct sim_end *end, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		const struct endpoint endpoint = sim_address4(200, (uint16_t)(1000 + i));
		uint8_t key[KEY_LEN];
		struct peer *peer;

		randombytes_buf(key, sizeof(key));
		assert_int_equal(tunnel_add_peer(end->tunnel, key, &peer), 0);
		tunnel_place_peer(end->tunnel, peer, &endpoint);
	}
	sim_touch(end);
}

/* More peers have no more sent to them: what counts is how many copies there are. */
static void copies_are_limited(const struct sim_kind *kind)
{
	struct sim *sim = hub(12, sim_kind_auto);
	struct sim_end **ends = sim->ends;

	(void)kind;
	add_crowd(ends[HUB], 198);
	sim->batch = 50;
	for (unsigned i = 0; i < 1500; i++)
		send_broadcast(ends[ONE]);
	sim_run(sim, 25 * MILLISECOND);
	/* 200 copies each of the first 32, which wait for those who are away; then 2 of each. */
	assert_int_equal(ends[TWO]->delivered, 32 + 1000 - 32 * 200 / 20);
	assert_int_equal(ends[HUB]->delivered, 1500);
	for (unsigned i = 0; i < 1500; i++)
		send_broadcast(ends[HUB]);
	sim_run(sim, 25 * MILLISECOND);
	assert_int_equal(ends[ONE]->delivered, 1000);
	sim_free(sim);
}

/* Each of those that are away was asked once, so many of them by now. */
static unsigned count_asked(const struct sim_end *end)
{
	unsigned count = 0;

	for (struct peer *peer = end->tunnel->first_peer; peer; peer = peer->next_peer)
		if (peer->endpoint.v4.sin_port != htons(51820))
			count += peer->initiation_linked;
	assert_int_equal(end->messages[SIM_INITIATION], count);
	return count;
}

/* What is for all of them is no reason to spend a second on handshakes at once. */
static void a_crowd_is_asked_in_turn(const struct sim_kind *kind)
{
	enum { CROWD = 300 };
	struct sim *sim = hub(13, public_kind(kind));
	struct sim_end **ends = sim->ends;

	add_crowd(ends[HUB], CROWD);
	ends[HUB]->messages[SIM_INITIATION] = 0;
	send_broadcast(ends[HUB]);
	assert_int_equal(count_asked(ends[HUB]), HANDSHAKE_CROWD);
	for (unsigned i = 0; i < 10; i++) { /* nor does more of it, from whomever */
		send_broadcast(ends[i % 2 ? HUB : ONE]);
		sim_run(sim, 10 * MILLISECOND);
		assert_in_range(count_asked(ends[HUB]), HANDSHAKE_CROWD + 5 * i,
			HANDSHAKE_CROWD + 5 * (i + 1));
	}
	sim_run(sim, (CROWD - HANDSHAKE_CROWD - 50) * 2 * MILLISECOND);
	assert_int_equal(count_asked(ends[HUB]), CROWD);
	for (unsigned i = ONE; i < HUB_ENDS; i++)
		assert_in_range(ends[i]->delivered, 6, 11);
	sim_free(sim);
}

/* What is for one of them alone does not wait for its turn among them. */
static void who_is_wanted_alone_is_asked_at_once(const struct sim_kind *kind)
{
	struct sim *sim = hub(14, public_kind(kind));
	struct sim_end **ends = sim->ends;
	struct peer *last;

	add_crowd(ends[HUB], 100);
	last = ends[HUB]->tunnel->last_peer;
	send_broadcast(ends[HUB]);
	assert_false(last->initiation_linked);
	switch_learn(ends[HUB]->tunnel->addresses, (const uint8_t[]){ 2, 9, 9, 9, 9, 9 }, 0,
		&last->port, sim_now(ends[HUB]).boot);
	send_frame(ends[HUB], (const uint8_t[]){ 2, 9, 9, 9, 9, 9 }, broadcast);
	assert_true(last->initiation_linked);
	sim_free(sim);
}

/* Sessions of one age are not all renewed by the first frame for all. */
static void a_crowd_is_renewed_in_turn(const struct sim_kind *kind)
{
	struct sim *sim = hub(15, sim_kind_auto);
	struct sim_end *centre = sim->ends[HUB];
	const uint64_t then = sim_now(centre).boot;

	(void)kind;
	add_crowd(centre, 100);
	for (struct peer *peer = centre->tunnel->first_peer; peer; peer = peer->next_peer) {
		const struct noise_keys keys = { .local_index = 1 + peer->timers.seed % 1000000,
			.initiator = true };

		if (peer->current)
			continue;
		peer->endpoint.source4.s_addr = htonl(0xc0000209);
		peer->current = session_new(peer, aead_at(0), &keys, then);
		assert_non_null(peer->current);
		table_insert(&centre->tunnel->sessions, &peer->current->by_index, keys.local_index);
	}
	sim_run(sim, 125 * SECOND);
	centre->messages[SIM_INITIATION] = 0;
	send_broadcast(centre);
	assert_in_range(centre->messages[SIM_INITIATION], 1, HANDSHAKE_CROWD);
	assert_int_equal(centre->messages[SIM_INITIATION], HANDSHAKE_CROWD);
	sim_run(sim, 100 * 2 * MILLISECOND);
	assert_in_range(centre->messages[SIM_INITIATION], 100, 103);
	/* Who waited for his turn is called from the address that he knows. */
	for (struct peer *peer = centre->tunnel->first_peer; peer; peer = peer->next_peer)
		if (peer->endpoint.v4.sin_port != htons(51820))
			assert_int_equal(peer->endpoint.source4.s_addr, htonl(0xc0000209));
	sim_free(sim);
}

/* The hub has no session with it any more, and gets none. */
static void goes_away(struct sim_end *hub, struct sim_end *end)
{
	tunnel_drop_sessions(hub->tunnel, sim_peer(hub, end));
	tunnel_reap(hub->tunnel);
	end->cut = true;
}

/* Long frames for all do not lie in memory once for each that is away. */
static void long_floods_do_not_wait(const struct sim_kind *kind)
{
	struct sim *sim = hub_for_long_frames(16);
	struct sim_end **ends = sim->ends;

	(void)kind;
	goes_away(ends[HUB], ends[TWO]);
	sim_outbound(ends[ONE], long_frame, 2048);
	sim_outbound(ends[ONE], long_frame, 2049);
	sim_outbound(ends[ONE], long_frame, sizeof(long_frame));
	EXPECT(sim, 3, 0, 0, 3);
	assert_int_equal(sim_peer(ends[HUB], ends[TWO])->staged_count, 1);
	assert_int_equal(sim_peer(ends[HUB], ends[TWO])->counters.dropped, 2);
	sim_free(sim);
}

/* Nor many of those that one sends to another who is away. */
static void what_waits_is_limited_in_bytes(const struct sim_kind *kind)
{
	struct sim *sim = hub(17, sim_kind_auto);
	struct sim_end **ends = sim->ends;
	const struct peer *away = sim_peer(ends[HUB], ends[TWO]);
	uint8_t mac[6];

	(void)kind;
	send_broadcast(ends[TWO]);
	sim_run(sim, SECOND);
	goes_away(ends[HUB], ends[TWO]);
	sim_mac(mac, TWO);
	make_frame(long_frame, mac, broadcast);
	for (unsigned i = 0; i < 20; i++)
		sim_outbound(ends[ONE], long_frame, 1000);
	for (unsigned i = 0; i < 100; i++)
		sim_outbound(ends[ONE], long_frame, sizeof(long_frame));
	sim_run(sim, SECOND);
	assert_int_equal(away->staged_count, 128 * 2048 / sizeof(long_frame));
	assert_int_equal(away->counters.dropped, 120 - away->staged_count);
	sim_outbound(ends[ONE], long_frame, 1000);
	sim_run(sim, SECOND);
	assert_int_equal(away->staged_count, 1 + 128 * 2048 / sizeof(long_frame));
	sim_check(sim);
	sim_free(sim);
}

/* What is for all of them does not take the place of what waits for one. */
static void floods_drive_nothing_out(const struct sim_kind *kind)
{
	struct sim *sim = hub(10, public_kind(kind));
	struct sim_end **ends = sim->ends;
	const struct sim_flow *flow = sim_flow(ends[ONE], ends[TWO]);

	sim_send(ends[TWO], ends[ONE]);
	sim_run(sim, 7 * SECOND);
	tunnel_drop_sessions(ends[HUB]->tunnel, sim_peer(ends[HUB], ends[TWO]));
	tunnel_reap(ends[HUB]->tunnel);
	sim_touch(ends[HUB]);
	for (unsigned i = 0; i < 100; i++)
		sim_send(ends[ONE], ends[TWO]);
	for (unsigned i = 0; i < 500; i++)
		send_broadcast(ends[THREE]);
	sim_run(sim, 7 * SECOND);
	assert_int_equal(flow->delivered, flow->sent);
	assert_int_equal(sim_peer(ends[HUB], ends[TWO])->counters.dropped, 500);
	/* Of what is for all of them a few wait, too. */
	tunnel_drop_sessions(ends[HUB]->tunnel, sim_peer(ends[HUB], ends[TWO]));
	tunnel_reap(ends[HUB]->tunnel);
	sim_touch(ends[HUB]);
	forget_counts(sim);
	for (unsigned i = 0; i < 500; i++)
		send_broadcast(ends[THREE]);
	sim_run(sim, 7 * SECOND);
	assert_int_equal(ends[TWO]->delivered, 32);
	sim_check(sim);
	sim_free(sim);
}

/* Somebody always sends to all; who is away is still given up, and its packets go. */
static void floods_give_up_who_is_away(const struct sim_kind *kind)
{
	struct sim *sim = hub(11, sim_kind_auto);
	struct sim_end **ends = sim->ends;

	(void)kind;
	ends[TWO]->cut = true;
	for (unsigned i = 0; i < 800; i++) {
		send_broadcast(ends[ONE]);
		sim_run(sim, SECOND / 2);
	}
	assert_int_equal(ends[HUB]->events[TUNNEL_GAVE_UP], 1);
	assert_true(sim_peer(ends[HUB], ends[TWO])->staged_count <= 32);
	ends[TWO]->cut = false;
	sim_run(sim, 7 * SECOND);
	assert_true(sim_reaches(ends[ONE], ends[TWO], 10 * SECOND));
	sim_check(sim);
	sim_free(sim);
}

int main(void)
{
	static const struct sim_scenario scenarios[] = {
		SIM_ONCE(flooding_is_limited),
		SIM_ONCE(long_floods_are_limited),
		SIM_ONCE(copies_are_limited),
		SIM_CULVERT(a_crowd_is_asked_in_turn),
		SIM_CULVERT(who_is_wanted_alone_is_asked_at_once),
		SIM_ONCE(a_crowd_is_renewed_in_turn),
		SIM_ONCE(long_floods_do_not_wait),
		SIM_ONCE(what_waits_is_limited_in_bytes),
		SIM_CULVERT(floods_drive_nothing_out),
		SIM_ONCE(floods_give_up_who_is_away),
	};

	return sim_main("flood", scenarios, sizeof(scenarios) / sizeof(*scenarios));
}
