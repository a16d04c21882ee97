/* SPDX-License-Identifier: ISC */
/* Ethernet tunnels with several peers: who gets which frame, and how often. */
#include "hub.h"

#include "core/tunnel_internal.h"
#include "forge.h"
#include "offload_packets.h"

static void frames_go_where_they_belong(const struct sim_kind *kind)
{
	static const uint8_t multicast[6] = { 1, 0, 0x5e, 0, 0, 251 };
	struct sim *sim = hub(1, public_kind(kind));
	struct sim_end **ends = sim->ends;
	uint8_t macs[HUB_ENDS][6];

	for (unsigned i = HUB; i < HUB_ENDS; i++)
		sim_mac(macs[i], i);
	sim_send(ends[ONE], ends[TWO]); /* nobody knows where that is */
	EXPECT(sim, 1, 0, 1, 1);
	sim_send(ends[TWO], ends[ONE]); /* which has been heard */
	EXPECT(sim, 0, 1, 0, 0);
	sim_send(ends[ONE], ends[TWO]);
	EXPECT(sim, 0, 0, 1, 0);
	sim_send(ends[HUB], ends[TWO]);
	EXPECT(sim, 0, 0, 1, 0);
	sim_send(ends[HUB], ends[THREE]); /* not heard yet */
	EXPECT(sim, 0, 1, 1, 1);
	sim_send(ends[THREE], ends[HUB]);
	EXPECT(sim, 1, 0, 0, 0);
	sim_send(ends[HUB], ends[THREE]);
	EXPECT(sim, 0, 0, 0, 1);
	send_broadcast(ends[TWO]);
	EXPECT(sim, 1, 1, 0, 1);
	send_broadcast(ends[HUB]);
	EXPECT(sim, 0, 1, 1, 1);
	send_frame(ends[THREE], multicast, macs[THREE]);
	EXPECT(sim, 1, 1, 1, 0);
	/* To where it came from. */
	send_frame(ends[ONE], macs[ONE], macs[ONE]);
	EXPECT(sim, 0, 0, 0, 0);
	send_frame(ends[HUB], macs[HUB], macs[HUB]);
	EXPECT(sim, 0, 0, 0, 0);
	sim_check(sim);
	sim_free(sim);
}

static void addresses_move_and_age(const struct sim_kind *kind)
{
	struct sim *sim = hub(2, public_kind(kind));
	struct sim_end **ends = sim->ends;
	uint8_t mac[6];

	send_broadcast(ends[ONE]);
	sim_mac(mac, TWO);
	send_frame(ends[TWO], broadcast, mac);
	EXPECT(sim, 2, 1, 1, 2);
	sim_send(ends[ONE], ends[TWO]);
	EXPECT(sim, 0, 0, 1, 0);
	send_frame(ends[THREE], broadcast, mac); /* a guest that was moved to another host */
	EXPECT(sim, 1, 1, 1, 0);
	send_frame(ends[ONE], mac, broadcast); /* from no address that could be learnt */
	EXPECT(sim, 0, 0, 0, 1);
	send_frame(ends[HUB], broadcast, mac); /* and to the hub's own */
	EXPECT(sim, 0, 1, 1, 1);
	send_frame(ends[ONE], mac, broadcast);
	EXPECT(sim, 1, 0, 0, 0);
	/* There it stays for 300 s. */
	sim_run(sim, 290 * SECOND);
	forget_counts(sim);
	send_frame(ends[TWO], mac, broadcast);
	EXPECT(sim, 1, 0, 0, 0);
	sim_run(sim, 10 * SECOND);
	forget_counts(sim);
	send_frame(ends[TWO], mac, broadcast);
	EXPECT(sim, 1, 1, 0, 1);
	sim_free(sim);
}

/* One that is greedy does not make the others be forgotten. */
static void addresses_are_limited(const struct sim_kind *kind)
{
	struct sim *sim = hub(3, sim_kind_auto);
	struct sim_end **ends = sim->ends;
	struct tunnel *tunnel = ends[HUB]->tunnel;
	uint8_t mac[6] = { 2, 1 }, known[6];

	(void)kind;
	sim_mac(known, TWO);
	send_broadcast(ends[TWO]);
	for (unsigned i = 0; i < 5000; i++) {
		write16(mac + 4, i);
		send_frame(ends[ONE], known, mac);
		if (i % 100 == 0)
			sim_run(sim, SECOND / 100);
	}
	sim_run(sim, SECOND);
	assert_int_equal(sim_peer(ends[HUB], ends[ONE])->port.addresses, SWITCH_PORT_MAX);
	forget_counts(sim);
	write16(mac + 4, 1023);
	send_frame(ends[THREE], mac, broadcast);
	EXPECT(sim, 0, 1, 0, 0);
	write16(mac + 4, 1024);
	send_frame(ends[THREE], mac, broadcast);
	EXPECT(sim, 1, 1, 1, 0);
	send_frame(ends[THREE], known, mac);
	EXPECT(sim, 0, 0, 1, 0);
	/* With its peer, all that was behind it goes. */
	tunnel_remove_peer(tunnel, sim_peer(ends[HUB], ends[ONE]));
	sim_touch(ends[HUB]);
	write16(mac + 4, 1023);
	send_frame(ends[THREE], mac, broadcast);
	EXPECT(sim, 1, 0, 1, 0);
	sim_check(sim);
	sim_free(sim);
}

/* What goes from one peer to another comes in its order, also what had to wait for a session. */
static void relayed_frames_keep_their_order(const struct sim_kind *kind)
{
	struct sim *sim = hub(5, public_kind(kind));
	struct sim_end **ends = sim->ends;
	const struct sim_flow *flow = sim_flow(ends[ONE], ends[TWO]);

	sim_send(ends[TWO], ends[ONE]);
	sim_run(sim, SECOND);
	for (unsigned round = 0; round < 40; round++) {
		if (round % 10 == 5) { /* the hub has no session with it, but knows its address */
			tunnel_drop_sessions(ends[HUB]->tunnel, sim_peer(ends[HUB], ends[TWO]));
			tunnel_reap(ends[HUB]->tunnel);
			sim_touch(ends[HUB]);
		}
		for (unsigned i = 0; i < 2 * round; i++) {
			sim_send(ends[ONE], ends[TWO]);
			if (i % 7 == 0)
				sim_send(ends[THREE], ends[ONE]);
		}
		sim_run(sim, 7 * SECOND);
	}
	assert_int_equal(flow->delivered, flow->sent);
	assert_int_equal(flow->reordered, 0);
	assert_int_equal(sim_flow(ends[THREE], ends[ONE])->delivered,
		sim_flow(ends[THREE], ends[ONE])->sent);
	sim_check(sim);
	sim_free(sim);
}

/* The hub's host and both other peers get a frame with the marks that it came with. */
static bool mark_to_hub(struct sim *sim, const struct sim_datagram *datagram)
{
	if (endpoint_equal(&datagram->to, &sim->ends[HUB]->address))
		((struct sim_datagram *)datagram)->tos = 3;
	return true;
}

static void relayed_marks(const struct sim_kind *kind)
{
	struct sim *sim = hub(6, sim_kind_auto);
	struct sim_end **ends = sim->ends;
	uint8_t frame[100] = { 0 };

	(void)kind;
	make_frame(frame, broadcast, (const uint8_t[]){ 2, 0, 0, 0, 0, 2 });
	write16(frame + 12, 0x86dd);
	sim_ip(frame + 14, AF_INET6, ONE, TWO, 86);
	sim->filter = mark_to_hub;
	sim_outbound(ends[ONE], frame, sizeof(frame));
	sim_run(sim, SECOND);
	assert_int_equal(ends[HUB]->delivered + ends[TWO]->delivered, 0); /* RFC 6040 */
	frame[15] |= 0x20;                                                /* ECT(0) */
	sim_outbound(ends[ONE], frame, sizeof(frame));
	sim_run(sim, SECOND);
	frame[15] |= 0x30;
	for (unsigned i = HUB; i < HUB_ENDS; i++) {
		if (i == ONE)
			continue;
		assert_int_equal(ends[i]->delivered, 1);
		assert_memory_equal(ends[i]->packet, frame, sizeof(frame));
	}
	assert_int_equal(ends[HUB]->outer_tos, 3);
	sim_free(sim);
}

/* What is no frame is not passed on, nor learnt of. */
static void hostile_frames_stay_where_they_are(const struct sim_kind *kind)
{
	static struct forged message;
	struct sim *sim = hub(7, sim_kind_auto);
	struct sim_end **ends = sim->ends;
	struct session *session = sim_peer(ends[ONE], ends[HUB])->current;
	const unsigned learnt = sim_peer(ends[HUB], ends[ONE])->port.addresses;
	uint8_t plain[16] = { 0 };

	(void)kind;
	sim_mac(plain + 6, TWO);
	for (size_t len = 1; len <= 16; len++)
		for (unsigned last = 0; last < 256; last++) {
			if (len == 15 && last == 0)
				continue;
			if (len == 16 && last < 2)
				continue;
			plain[len - 1] = (uint8_t)last;
			forge_data(&message, session, session->send_counter++, plain, len);
			forge_inject(&message, ends[HUB], &ends[ONE]->address);
			plain[len - 1] = 0;
		}
	EXPECT(sim, 0, 0, 0, 0);
	assert_int_equal(sim_peer(ends[HUB], ends[ONE])->port.addresses, learnt);
	assert_int_equal(tunnel_counters(ends[HUB]->tunnel)->malformed, 16 * 256 - 3);
	sim_check(sim);
	sim_free(sim);
}

/* ---- Super-frames for everybody ---- */

static size_t taken[SIM_ENDS];
static struct {
	size_t len;
	uint8_t bytes[2048];
} segments[64];

static void take_segment(struct sim_end *end, const struct iovec *parts, size_t count)
{
	const size_t n = taken[end->number]++;

	assert_int_equal(count, 2);
	assert_in_range(n, 0, 63);
	assert_int_equal(parts[1].iov_len, segments[n].len);
	assert_memory_equal(parts[1].iov_base, segments[n].bytes, segments[n].len);
}

static void flooded_super_frames(const struct sim_kind *kind)
{
	static uint8_t frame[66000];
	struct sim *sim = hub(8, public_kind(kind));
	struct sim_end *centre = sim->ends[HUB];

	random_state = 8;
	for (unsigned i = ONE; i < HUB_ENDS; i++)
		sim->ends[i]->deliver = take_segment;
	for (int n = 0; n < 16; n++) {
		struct tunnel_packet packet = { .data = frame };
		struct plan plan = plain(n % 4);
		const size_t link = n % 3 ? 14 : 18;
		size_t count = 0;

		plan.payload = 30000 + below(20000);
		make_frame(frame, broadcast, (const uint8_t[]){ 2, 0, 0, 0, 0, 1 });
		write16(frame + 12, 0x8100);
		write16(frame + link - 2, plan.version == 4 ? 0x0800 : 0x86dd);
		const size_t len = build_super(&plan, 1300, frame + link, &packet.header);

		for (;; count++) {
			memcpy(segments[count].bytes, frame, link);
			segments[count].len = link + slow_segment(frame + link, len, &packet.header,
							     count, segments[count].bytes + link);
			if (segments[count].len == link)
				break;
		}
		packet.len = link + len;
		packet.header.csum_start = (uint16_t)(packet.header.csum_start + link);
		memset(taken, 0, sizeof(taken));
		sim_outbound_batch(centre, &packet, 1);
		sim_run(sim, SECOND);
		for (unsigned i = ONE; i < HUB_ENDS; i++)
			assert_int_equal(taken[i], count);
	}
	sim_check(sim);
	sim_free(sim);
}

/* ---- No loops ---- */

/* Four switches, each the peer of the others, and one more end at each. */
static struct sim *mesh(uint64_t seed, const struct sim_kind *kind)
{
	struct sim *sim = sim_new(seed);

	for (unsigned i = 0; i < 8; i++)
		sim_add_ethernet(sim);
	for (unsigned i = 0; i < 4; i++)
		for (unsigned k = i + 1; k < 4; k++)
			sim_join(sim->ends[i], sim->ends[k], kind);
	for (unsigned i = 0; i < 4; i++)
		sim_join(sim->ends[i], sim->ends[4 + i], kind);
	for (unsigned i = 0; i < 4; i++)
		for (unsigned k = i + 1; k < 4; k++)
			sim_recover(sim->ends[i], sim->ends[k], 2 * SECOND);
	for (unsigned i = 0; i < 4; i++)
		sim_recover(sim->ends[i], sim->ends[4 + i], 2 * SECOND);
	sim_run(sim, SECOND);
	sim->filter = count_message;
	forget_counts(sim);
	return sim;
}

static unsigned all_sent(const struct sim *sim)
{
	unsigned sum = 0;

	for (unsigned i = 0; i < sim->end_count; i++)
		for (unsigned k = 0; k < sim->end_count; k++)
			sum += hub_sent[i][k];
	return sum;
}

static void a_full_mesh_has_no_loop(const struct sim_kind *kind)
{
	struct sim *sim = mesh(20, public_kind(kind));

	for (unsigned i = 0; i < 8; i++) {
		send_broadcast(sim->ends[i]);
		sim_run(sim, SECOND);
		for (unsigned k = 0; k < 8; k++)
			assert_int_equal(sim->ends[k]->delivered, k != i);
		assert_int_equal(all_sent(sim), 7);
		forget_counts(sim);
	}
	/* All are known now: each frame takes the shortest way, and nobody else hears it. */
	for (unsigned i = 0; i < 8; i++)
		for (unsigned k = 0; k < 8; k++) {
			if (i == k)
				continue;
			assert_true(sim_reaches(sim->ends[i], sim->ends[k], SECOND));
			assert_int_equal(all_sent(sim), (i % 4 != k % 4) + (i > 3) + (k > 3));
			for (unsigned other = 0; other < 8; other++)
				assert_int_equal(sim->ends[other]->delivered, other == k);
			forget_counts(sim);
		}
	sim_check(sim);
	sim_free(sim);
}

static void add_stranger(struct sim_end *end)
{
	struct peer *peer;

	assert_int_equal(tunnel_add_peer(end->tunnel, (const uint8_t[KEY_LEN]){ 9 }, &peer), 0);
	sim_touch(end);
}

static void remove_stranger(struct sim_end *end)
{
	tunnel_remove_peer(
		end->tunnel, tunnel_find_peer(end->tunnel, (const uint8_t[KEY_LEN]){ 9 }));
	sim_touch(end);
}

/* The other end learns of it at once, by a new session, and nothing is lost. */
static void who_becomes_a_switch_says_so(const struct sim_kind *kind)
{
	struct sim *sim = sim_pair_ethernet(21, public_kind(kind));
	struct sim_end *a = sim->ends[0], *b = sim->ends[1];

	sim_recover(a, b, 6 * SECOND);
	sim_traffic(a, b, 10 * MILLISECOND);
	sim_traffic(b, a, 10 * MILLISECOND);
	for (unsigned round = 1; round < 8; round++) {
		sim_run(sim, sim_random(sim, 3 * SECOND));
		if (round % 2)
			add_stranger(a);
		else
			remove_stranger(a);
		sim_run(sim, 100 * MILLISECOND);
		assert_int_equal(sim_peer(b, a)->port.is_switch, round % 2);
		assert_false(sim_peer(a, b)->port.is_switch);
		assert_int_equal(b->events[TUNNEL_REKEYED], round);
	}
	sim_traffic(a, b, 0);
	sim_traffic(b, a, 0);
	sim_run(sim, SECOND);
	assert_int_equal(sim_flow(a, b)->delivered, sim_flow(a, b)->sent);
	assert_int_equal(sim_flow(b, a)->delivered, sim_flow(b, a)->sent);
	assert_int_equal(a->events[TUNNEL_SESSION_UP] + b->events[TUNNEL_SESSION_UP], 2);
	sim_check(sim);
	sim_free(sim);
}

/* At any moment of a handshake that either end began. */
static void becoming_a_switch_during_a_handshake(const struct sim_kind *kind)
{
	for (unsigned n = 0; n < 2 * 40; n++) {
		struct sim *sim = sim_pair_ethernet(22 + n, public_kind(kind));
		struct sim_end *a = sim->ends[0], *b = sim->ends[1];

		sim_send(sim->ends[n % 2], sim->ends[!(n % 2)]);
		sim_run(sim, n / 2 * MILLISECOND);
		add_stranger(a);
		sim_run(sim, 8 * SECOND);
		assert_true(sim_peer(b, a)->port.is_switch);
		assert_true(sim_reaches(b, a, SECOND));
		sim_check(sim);
		sim_free(sim);
	}
}

/* An IP tunnel has nothing to say about it, and a peer that says it changes nothing. */
static void ip_tunnels_are_no_switches(const struct sim_kind *kind)
{
	struct sim *sim = sim_pair(23, public_kind(kind));
	struct sim_end *a = sim->ends[0], *b = sim->ends[1];

	sim_recover(a, b, SECOND);
	const unsigned before = sim_handshakes(a) + sim_handshakes(b);

	add_stranger(a);
	sim_run(sim, 2 * SECOND);
	assert_int_equal(sim_handshakes(a) + sim_handshakes(b), before);
	sim_restart(b);
	sim_recover(a, b, 10 * SECOND);
	assert_false(sim_peer(b, a)->port.is_switch);
	sim_free(sim);
}

/* ---- What frames say ---- */

/* Of the groups of IEEE 802.1Q's table 8-1 only the spanning tree's is passed on between peers. */
static void what_stays_on_a_link(const struct sim_kind *kind)
{
	struct sim *sim = hub(26, sim_kind_auto);
	struct sim_end **ends = sim->ends;
	uint8_t group[6] = { 0x01, 0x80, 0xc2, 0, 0, 0 }, mac[6];

	(void)kind;
	sim_mac(mac, ONE);
	for (unsigned last = 0; last <= 0x10; last++) {
		const unsigned others = last == 0 || last == 0x10;

		group[5] = (uint8_t)last;
		send_frame(ends[ONE], group, mac);
		EXPECT(sim, 1, 0, others, others);
		send_frame(ends[HUB], group, broadcast);
		EXPECT(sim, 0, 1, 1, 1);
	}
	sim_free(sim);
}

static void send_tagged(struct sim_end *end, const uint8_t *to, const uint8_t *from, unsigned vlan)
{
	uint8_t frame[64];

	make_frame(frame, to, from);
	write16(frame + 12, 0x8100);
	write16(frame + 14, vlan);
	write16(frame + 16, 0x88b5);
	sim_outbound(end, frame, sizeof(frame));
}

/* One address may be at several places, if these are in several VLANs. */
static void vlans_are_learnt_apart(const struct sim_kind *kind)
{
	static const uint8_t router[6] = { 0, 0, 0x5e, 0, 1, 1 };
	struct sim *sim = hub(27, sim_kind_auto);
	struct sim_end **ends = sim->ends;

	(void)kind;
	send_tagged(ends[ONE], broadcast, router, 10);
	EXPECT(sim, 1, 0, 1, 1);
	send_tagged(ends[TWO], broadcast, router, 20);
	EXPECT(sim, 1, 1, 0, 1);
	send_tagged(ends[THREE], router, broadcast, 10);
	EXPECT(sim, 0, 1, 0, 0);
	send_tagged(ends[THREE], router, broadcast, 0x7000 + 20); /* with a priority */
	EXPECT(sim, 0, 0, 1, 0);
	send_frame(ends[THREE], router, broadcast);
	EXPECT(sim, 1, 1, 1, 0);
	send_frame(ends[HUB], broadcast, router);
	EXPECT(sim, 0, 1, 1, 1);
	send_tagged(ends[THREE], router, broadcast, 0x7000); /* a priority, and no VLAN */
	EXPECT(sim, 1, 0, 0, 0);
	sim_free(sim);
}

/* With one peer it is a wire: nothing is learnt, nothing limited, and nothing is left out. */
static void one_peer_is_a_wire(const struct sim_kind *kind)
{
	struct sim *sim = sim_pair_ethernet(24, kind);
	struct sim_end *a = sim->ends[0], *b = sim->ends[1];
	uint8_t macs[2][6];

	sim_recover(a, b, SECOND);
	forget_counts(sim);
	for (unsigned i = 0; i < 2; i++)
		sim_mac(macs[i], i);
	sim->batch = 50;
	for (unsigned i = 0; i < 3000; i++)
		send_broadcast(a);
	send_frame(b, macs[1], macs[0]);
	send_frame(a, macs[0], macs[0]);
	for (unsigned last = 0; last < 16; last++)
		send_frame(a, (const uint8_t[]){ 1, 0x80, 0xc2, 0, 0, (uint8_t)last }, macs[0]);
	sim_run(sim, SECOND);
	assert_int_equal(b->delivered, 3001 + 16);
	assert_int_equal(a->delivered, 1);
	assert_int_equal(sim_peer(a, b)->port.addresses + a->tunnel->host_port.addresses, 0);
	assert_int_equal(tunnel_counters(b->tunnel)->floods_dropped, 0);
	sim_free(sim);
}

/* A message of ours that comes back is not sent to everybody, nor to a peer by way of another. */
static void own_messages_do_not_go_round(const struct sim_kind *kind)
{
	struct sim *sim = hub(25, sim_kind_auto);
	struct sim_end **ends = sim->ends;
	uint8_t frame[114] = { 0 }, mac[6];

	(void)kind;
	tunnel_set_port(ends[HUB]->tunnel, 51820);
	sim_mac(mac, HUB);
	make_frame(frame, broadcast, mac);
	write16(frame + 12, 0x0800);
	sim_ip(frame + 14, AF_INET, HUB, ONE, 100);
	frame[14 + 9] = IPPROTO_UDP;
	memcpy(frame + 14 + 16, &ends[ONE]->address.v4.sin_addr, 4);
	memcpy(frame + 14 + 22, &ends[ONE]->address.v4.sin_port, 2);
	sim_outbound(ends[HUB], frame, sizeof(frame));
	EXPECT(sim, 0, 0, 0, 0);
	assert_int_equal(ends[HUB]->events[TUNNEL_ROUTING_LOOP], 1);
	/* By way of a peer that had it from our host's network: to our host, not to others. */
	sim_mac(frame + 6, TWO);
	forget_counts(sim);
	sim_outbound(ends[TWO], frame, sizeof(frame));
	EXPECT(sim, 1, 0, 0, 0);
	/* To an address that is known to be another's. */
	send_broadcast(ends[THREE]);
	EXPECT(sim, 1, 1, 1, 0);
	sim_mac(frame, THREE);
	write16(frame + 14 + 20, 51820);
	sim_outbound(ends[TWO], frame, sizeof(frame));
	EXPECT(sim, 0, 0, 0, 0);
	write16(frame + 14 + 20, 51821); /* somebody else's, who has it from us to ask for that */
	sim_outbound(ends[TWO], frame, sizeof(frame));
	EXPECT(sim, 0, 0, 0, 1);
	sim_free(sim);
}

/* Whatever stands in a peer's frame, it is no other's fault. */
static void blame_stays_where_it_belongs(const struct sim_kind *kind)
{
	struct sim *sim = hub(28, sim_kind_auto);
	struct sim_end **ends = sim->ends;
	uint8_t frame[114] = { 0 }, mac[6];

	(void)kind;
	tunnel_set_port(ends[HUB]->tunnel, 51820);
	send_broadcast(ends[THREE]);
	sim_mac(mac, TWO);
	for (unsigned i = 0; i < 2; i++) {
		make_frame(frame, broadcast, mac);
		if (i) /* by way of one to another */
			sim_mac(frame, THREE);
		write16(frame + 12, 0x0800);
		sim_ip(frame + 14, AF_INET, HUB, ONE, 100);
		frame[14 + 9] = IPPROTO_UDP;
		memcpy(frame + 14 + 16, &ends[ONE]->address.v4.sin_addr, 4);
		write16(frame + 14 + 20, 51820);
		memcpy(frame + 14 + 22, &ends[ONE]->address.v4.sin_port, 2);
		sim_outbound(ends[TWO], frame, sizeof(frame));
		sim_run(sim, SECOND);
		assert_int_equal(sim_peer(ends[HUB], ends[ONE])->trouble, 0);
		assert_int_equal(sim_peer(ends[HUB], ends[THREE])->trouble, 0);
		assert_int_equal(sim_peer(ends[HUB], ends[TWO])->trouble, TUNNEL_ROUTING_LOOP);
		sim_peer(ends[HUB], ends[TWO])->trouble = 0;
	}
	assert_int_equal(ends[HUB]->events[TUNNEL_ROUTING_LOOP], 1); /* it is told once */
	sim_free(sim);
}

int main(void)
{
	static const struct sim_scenario scenarios[] = {
		SIM_CULVERT(frames_go_where_they_belong),
		SIM_CULVERT(addresses_move_and_age),
		SIM_ONCE(addresses_are_limited),
		SIM_CULVERT(relayed_frames_keep_their_order),
		SIM_ONCE(relayed_marks),
		SIM_ONCE(hostile_frames_stay_where_they_are),
		SIM_CULVERT(flooded_super_frames),
		SIM_CULVERT(a_full_mesh_has_no_loop),
		SIM_CULVERT(who_becomes_a_switch_says_so),
		SIM_CULVERT(becoming_a_switch_during_a_handshake),
		SIM_CULVERT(ip_tunnels_are_no_switches),
		SIM_ONCE(what_stays_on_a_link),
		SIM_ONCE(vlans_are_learnt_apart),
		SIM_CULVERT(one_peer_is_a_wire),
		SIM_ONCE(own_messages_do_not_go_round),
		SIM_ONCE(blame_stays_where_it_belongs),
	};

	return sim_main("switch", scenarios, sizeof(scenarios) / sizeof(*scenarios));
}
