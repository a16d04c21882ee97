/* SPDX-License-Identifier: ISC */
/* Data messages: staging, padding, congestion marks, the replay window, the limits of a key. */
#include "sim.h"

#include <arpa/inet.h>
#include <stdlib.h>

#include "core/inner.h"
#include "core/wire.h"

static void staged_packets_are_limited(const struct sim_kind *kind)
{
	enum { SENT = 300 };
	struct sim *sim = sim_pair(1, kind);
	struct sim_end *a = sim->ends[0], *b = sim->ends[1];

	for (int i = 0; i < SENT; i++)
		sim_send(a, b);
	assert_int_equal(sim_peer(a, b)->staged_count, WIRE_STAGED_MAX);
	assert_int_equal(sim_peer(a, b)->counters.dropped, SENT - WIRE_STAGED_MAX);
	assert_int_equal(a->messages[SIM_INITIATION], 1);
	sim_run(sim, SECOND);
	assert_int_equal(sim_flow(a, b)->delivered, WIRE_STAGED_MAX);
	assert_int_equal(sim_flow(a, b)->reordered, 0);
	assert_int_equal(sim_flow(a, b)->highest, SENT); /* the newest were kept */
	sim_check(sim);
	sim_free(sim);
}

/* The naive rule: up to the next multiple of 16, a last piece of at most one MTU. */
static size_t expected_length(size_t len, unsigned mtu)
{
	size_t padded = len;

	while (padded % 16 && (!mtu || (len <= mtu ? padded < mtu : padded % mtu)))
		padded++;
	return padded;
}

static void padding(const struct sim_kind *kind)
{
	static const unsigned mtus[] = { 0, 576, 1280, 1420, 1425, 9000 };
	struct sim *sim = sim_pair(2, kind);
	struct sim_end *a = sim->ends[0], *b = sim->ends[1];
	uint8_t packet[SIM_PACKET_MAX];

	sim_recover(a, b, SECOND);
	for (size_t m = 0; m < sizeof(mtus) / sizeof(*mtus); m++) {
		tunnel_set_mtu(a->tunnel, mtus[m]);
		for (size_t len = 20; len <= (mtus[m] ? mtus[m] : 2000) && len < 2040; len++) {
			sim_ip(packet, AF_INET, 0, 1, len);
			for (size_t i = 20; i < len; i++)
				packet[i] = (uint8_t)(i - 20);
			sim_outbound(a, packet, len);
			assert_int_equal(a->outer_len,
				16 + expected_length(len, mtus[m]) + a->cipher->tag_len);
			sim_run(sim, 20 * MILLISECOND);
			assert_int_equal(b->packet_len, len); /* padding is cut off again */
			assert_memory_equal(b->packet, packet, len);
		}
	}
	sim_free(sim);
}

/* The one's complement sum of a right header is all ones. */
static bool checksum_is_right(const uint8_t *header)
{
	uint32_t sum = 0;

	for (int i = 0; i < 20; i += 2)
		sum += (uint32_t)header[i] << 8 | header[i + 1];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum == 0xffff;
}

/* context: what the network makes of the ECN bits on the way, or -1. */
static bool mark(struct sim *sim, const struct sim_datagram *datagram)
{
	const int *outer = sim->context;

	if (*outer >= 0)
		((struct sim_datagram *)datagram)->tos =
			(uint8_t)(datagram->tos & 0xfc) | (uint8_t)*outer;
	return true;
}

static void set_class(uint8_t *packet, int family, uint8_t class)
{
	if (family == AF_INET6) {
		packet[0] = (uint8_t)(0x60 | class >> 4);
		packet[1] = (uint8_t)(class << 4 | (packet[1] & 0xf));
		return;
	}
	packet[1] = class;
	packet[10] = packet[11] = 0;
	uint32_t sum = 0;

	for (int i = 0; i < 20; i += 2)
		sum += (uint32_t)packet[i] << 8 | packet[i + 1];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	packet[10] = (uint8_t)(~sum >> 8);
	packet[11] = (uint8_t)~sum;
}

/* RFC 6040, figure 4: rows are the inner, columns the outer bits as they arrive; -1 is dropped. */
static void congestion_marks(const struct sim_kind *kind)
{
	enum { NOT = 0, ECT1 = 1, ECT0 = 2, CE = 3 };
	static const int results[4][4] = {
		[NOT] = { [NOT] = NOT, [ECT1] = NOT, [ECT0] = NOT, [CE] = -1 },
		[ECT1] = { [NOT] = ECT1, [ECT1] = ECT1, [ECT0] = ECT1, [CE] = CE },
		[ECT0] = { [NOT] = ECT0, [ECT1] = ECT1, [ECT0] = ECT0, [CE] = CE },
		[CE] = { [NOT] = CE, [ECT1] = CE, [ECT0] = CE, [CE] = CE },
	};
	struct sim *sim = sim_pair(3, kind);
	struct sim_end *a = sim->ends[0], *b = sim->ends[1];
	uint8_t packet[64], expected[64];
	int outer = -1;

	sim_recover(a, b, SECOND);
	sim->filter = mark;
	sim->context = &outer;
	for (unsigned n = 0; n < 2 * 64 * 16; n++) {
		const int family = n % 2 ? AF_INET : AF_INET6;
		const uint8_t dscp = (uint8_t)(n / 2 % 64), inner = (uint8_t)(n / 128 % 4);
		const unsigned delivered = b->delivered;

		outer = (int)(n / 512);
		sim_ip(packet, family, 0, 1, sizeof(packet));
		packet[family == AF_INET ? 4 : 2] = (uint8_t)sim_random(sim, 256);
		set_class(packet, family, (uint8_t)(dscp << 2 | inner));
		sim_outbound(a, packet, sizeof(packet));
		assert_int_equal(a->outer_tos, inner); /* the marks only, never the class */
		sim_run(sim, 11 * MILLISECOND);
		if (results[inner][outer] < 0) {
			assert_int_equal(b->delivered, delivered);
			continue;
		}
		memcpy(expected, packet, sizeof(packet));
		set_class(expected, family, (uint8_t)(dscp << 2 | results[inner][outer]));
		assert_int_equal(b->delivered, delivered + 1);
		assert_memory_equal(b->packet, expected, sizeof(expected));
		if (family == AF_INET)
			assert_true(checksum_is_right(b->packet));
	}
	sim_free(sim);
}

static void handshakes_have_a_class(const struct sim_kind *kind)
{
	struct sim *sim = sim_pair(4, kind);

	sim->taping = true;
	sim_recover(sim->ends[0], sim->ends[1], SECOND);
	for (size_t i = 0; i < sim->tape_count; i++)
		assert_int_equal(sim->tape[i]->tos, sim->tape[i]->data[0] == WIRE_DATA ? 0 : 0x88);
	sim_free(sim);
}

/* Counters that were held back, at the edge of the window and in random order. */
static void replay_window(const struct sim_kind *kind)
{
	enum { COUNT = 20000, USABLE = 8128 };
	struct sim *sim = sim_pair(5, kind);
	struct sim_end *a = sim->ends[0], *b = sim->ends[1];
	uint64_t top;

	assert_true(sim_reaches(a, b, SECOND));
	const uint64_t first = sim_peer(a, b)->current->send_counter;
	struct sim_datagram **held = calloc(COUNT, sizeof(*held));

	assert_non_null(held);
	b->cut = true; /* sealed and taped, but not delivered by the wire */
	sim->taping = true;
	for (size_t i = 0; i < COUNT; i++)
		sim_send(a, b);
	sim_run(sim, SECOND / 2);
	b->cut = false;
	sim->taping = false;
	assert_int_equal(sim->tape_count, COUNT);
	for (size_t i = 0; i < COUNT; i++)
		held[i] = sim->tape[i];

	/* The edge, to the packet. */
	uint64_t *delivered = &sim_flow(a, b)->delivered, before = *delivered;

	sim_inject(b, &a->address, held[USABLE]->data, held[USABLE]->len);
	assert_int_equal(*delivered, ++before);
	sim_inject(b, &a->address, held[1]->data, held[1]->len); /* 8127 behind: in */
	assert_int_equal(*delivered, ++before);
	sim_inject(b, &a->address, held[0]->data, held[0]->len); /* 8128 behind: out */
	assert_int_equal(*delivered, before);
	assert_int_equal(sim_peer(b, a)->current->replay.next, first + USABLE + 1);

	/* Random orders against a naive oracle. */
	uint8_t *seen = calloc(1, COUNT);

	assert_non_null(seen);
	seen[USABLE] = seen[1] = 1;
	top = USABLE;
	for (size_t i = 0; i < 60000; i++) {
		const uint64_t n = sim_random(sim, 10) ? top - sim_random(sim, 9000) % (top + 1)
						       : (top + sim_random(sim, 300)) % COUNT;
		const bool fresh = !seen[n] && n + USABLE > top;

		sim_inject(b, &a->address, held[n]->data, held[n]->len);
		before += fresh;
		assert_int_equal(*delivered, before);
		seen[n] |= fresh;
		top = fresh && n > top ? n : top;
	}
	free(seen);
	free(held);
	sim_free(sim);
}

static bool lose_data(struct sim *sim, const struct sim_datagram *datagram)
{
	(void)sim;
	return datagram->data[0] != WIRE_DATA;
}

/* A packet that a sends on its session, which is new or not, and which does not arrive. */
static struct sim_datagram *hold_packet(struct sim_end *a, struct sim_end *b)
{
	struct sim *sim = a->sim;

	sim->taping = true;
	sim->filter = lose_data;
	sim_send(a, b);
	sim_run(sim, SECOND / 2);
	sim->filter = NULL;
	sim->taping = false;
	for (size_t i = sim->tape_count; i-- > 0;)
		if (sim_classify(sim->tape[i]->data, sim->tape[i]->len) == SIM_DATA)
			return sim->tape[i];
	fail_msg("nothing was sent");
	return NULL;
}

/* The oldest of three sessions goes when the newest is confirmed. What came on it behind that, in
 * the same batch, comes too late, from wherever it is. */
static void retired_within_a_batch(const struct sim_kind *kind)
{
	struct sim *sim = sim_pair(10, kind);
	struct sim_end *a = sim->ends[0], *b = sim->ends[1];
	const struct endpoint elsewhere = sim_address4(77, 7);

	assert_true(sim_reaches(a, b, SECOND));
	const struct sim_datagram *oldest = hold_packet(a, b);

	sim_restart(a);
	assert_true(sim_reaches(a, b, SECOND));
	sim_restart(a);
	const struct sim_datagram *newest = hold_packet(a, b);
	const struct peer *peer = sim_peer(b, a);
	const uint64_t bytes = peer->counters.rx_bytes, packets = peer->counters.rx_packets;
	struct tunnel_datagram batch[] = {
		{ .data = (uint8_t *)newest->data, .len = newest->len, .from = &a->address },
		{ .data = (uint8_t *)oldest->data, .len = oldest->len, .from = &elsewhere },
	};

	assert_non_null(peer->next);
	assert_int_equal(wire_get32(oldest->data + 4), peer->previous->local_index);
	assert_int_equal(wire_get32(newest->data + 4), peer->next->local_index);
	sim_inject_batch(b, batch, 2);
	assert_null(peer->next);
	assert_int_equal(peer->counters.rx_packets, packets + 1);
	assert_int_equal(peer->counters.rx_bytes, bytes + newest->len);
	assert_true(endpoint_equal(&peer->endpoint, &a->address));
	sim_check(sim);
	sim_free(sim);
}

/* Towards the end of what a key may seal: renewal in time, and never anything beyond. */
static void limits_of_a_key(const struct sim_kind *kind)
{
	struct sim *sim = sim_pair(6, kind);
	struct sim_end *a = sim->ends[0], *b = sim->ends[1];

	for (unsigned which = 0; which < 2; which++) {
		struct sim_end *end = sim->ends[which], *other = sim->ends[!which];

		sim_recover(a, b, 6 * SECOND);
		sim_run(sim, 6 * SECOND); /* so that a handshake may start at once */
		const struct session *session = sim_peer(end, other)->current;
		const unsigned initiations = end->messages[SIM_INITIATION];

		sim_peer(end, other)->current->send_counter = session->cipher->rekey_after - 1;
		sim_send(end, other);
		assert_int_equal(end->messages[SIM_INITIATION], initiations);
		sim_send(end, other);
		assert_int_equal(end->messages[SIM_INITIATION], initiations + 1);
		sim_run(sim, SECOND);
		assert_true(sim_peer(end, other)->current->send_counter < 10);
	}
	/* The handshake does not come about. */
	sim_run(sim, 6 * SECOND);
	struct session *session = sim_peer(a, b)->current;
	const uint64_t limit = session->cipher->reject_after;
	const unsigned sent = a->messages[SIM_DATA];

	b->cut = true;
	session->send_counter = limit - 3;
	for (int i = 0; i < 10; i++)
		sim_send(a, b);
	assert_int_equal(a->messages[SIM_DATA], sent + 3);
	assert_int_equal(session->send_counter, limit);
	assert_int_equal(sim_peer(a, b)->staged_count, 7);
	b->cut = false;
	sim_run(sim, 6 * SECOND);
	assert_int_equal(sim_peer(a, b)->staged_count, 0);
	sim_check(sim);
	sim_free(sim);
}

/* One call, more packets than a batch holds, up to the limit: the limit holds within it too. */
static void limits_within_a_batch(const struct sim_kind *kind)
{
	enum { COUNT = 200 };
	struct sim *sim = sim_pair(7, kind);
	struct sim_end *a = sim->ends[0], *b = sim->ends[1];
	static uint8_t packets[COUNT][64 + WIRE_PADDING];
	struct tunnel_packet batch[COUNT];

	sim_recover(a, b, SECOND);
	const unsigned sent = a->messages[SIM_DATA];

	for (int i = 0; i < COUNT; i++) {
		sim_ip(packets[i], AF_INET, 0, 1, 64);
		batch[i] = (struct tunnel_packet){ .data = packets[i], .len = 64 };
	}
	struct session *session = sim_peer(a, b)->current;

	session->send_counter = session->cipher->reject_after - 100;
	tunnel_outbound(a->tunnel, batch, COUNT, sim_now(a));
	sim_touch(a);
	assert_int_equal(a->messages[SIM_DATA], sent + 100);
	assert_int_equal(sim_peer(a, b)->staged_count, 100);
	sim_run(sim, 6 * SECOND);
	assert_int_equal(sim_peer(a, b)->staged_count, 0);
	sim_check(sim);
	sim_free(sim);
}

/* Whatever the host hands over. */
static void what_is_no_packet(const struct sim_kind *kind)
{
	struct sim *sim = sim_pair(8, kind);
	struct sim_end *a = sim->ends[0], *b = sim->ends[1];
	uint8_t packet[100];

	sim_recover(a, b, SECOND);
	sim_run(sim, SECOND);
	const unsigned delivered = b->delivered, sent = a->messages[SIM_DATA];

	for (size_t len = 0; len < 41; len++) {
		sim_ip(packet, AF_INET, 0, 1, sizeof(packet));
		sim_outbound(a, packet, len < 20 ? len : 19);
		sim_ip(packet, AF_INET6, 0, 1, sizeof(packet));
		sim_outbound(a, packet, len < 40 ? len : 39);
	}
	for (unsigned version = 0; version < 16; version++) {
		sim_ip(packet, AF_INET, 0, 1, sizeof(packet));
		packet[0] = (uint8_t)(version << 4 | 5);
		if (version != 4 && version != 6)
			sim_outbound(a, packet, sizeof(packet));
	}
	sim_run(sim, SECOND / 10);
	assert_int_equal(a->messages[SIM_DATA], sent);
	/* Lengths in the header that are not the packet's: refused by the receiving end. */
	for (unsigned stated = 0; stated < 140; stated++) {
		sim_ip(packet, AF_INET, 0, 1, sizeof(packet));
		packet[2] = 0;
		packet[3] = (uint8_t)stated;
		sim_outbound(a, packet, sizeof(packet));
		sim_run(sim, 11 * MILLISECOND);
		/* Up to the padding it is cut, as WireGuard does. */
		if (stated >= 20 && stated <= 112)
			assert_int_equal(b->packet_len, stated);
	}
	assert_int_equal(b->delivered, delivered + 93);
	sim_free(sim);
}

/* The route to the peer's endpoint leads into the tunnel: what we sent to it comes back to us. */
static void own_messages_do_not_go_round(const struct sim_kind *kind)
{
	static const uint8_t prefix[4] = { 192, 0, 2, 0 };
	struct sim *sim = sim_pair(9, kind);
	struct sim_end *a = sim->ends[0], *b = sim->ends[1];
	struct peer *peer = sim_peer(a, b);
	uint8_t packet[200];

	sim_recover(a, b, SECOND);
	assert_int_equal(tunnel_allow(a->tunnel, peer, AF_INET, prefix, 24), 0);
	sim_ip(packet, AF_INET, 0, 1, sizeof(packet));
	packet[9] = IPPROTO_UDP;
	memcpy(packet + 16, &peer->endpoint.v4.sin_addr, 4);
	memcpy(packet + 22, &peer->endpoint.v4.sin_port, 2);
	const unsigned before = a->messages[SIM_DATA];

	for (int i = 0; i < 100; i++)
		sim_outbound(a, packet, sizeof(packet));
	assert_int_equal(a->messages[SIM_DATA], before);
	assert_int_equal(a->events[TUNNEL_ROUTING_LOOP], 1);
	assert_int_equal(peer->staged_count, 0);
	/* To one peer by way of another: round between the two. */
	memcpy(packet + 20, &a->address.v4.sin_port, 2);
	packet[22] ^= 1;
	const struct endpoint moved = peer->endpoint;
	struct endpoint there = peer->endpoint;

	memcpy(&there.v4.sin_port, packet + 22, 2);
	tunnel_set_port(a->tunnel, ntohs(a->address.v4.sin_port));
	if (!kind->shared) { /* which has no other peer */
		static const uint8_t other_key[KEY_LEN] = { 9 };
		struct peer *other;

		assert_int_equal(tunnel_add_peer(a->tunnel, other_key, &other), 0);
		tunnel_set_endpoint(a->tunnel, other, &there, sim_now(a));
		sim_outbound(a, packet, sizeof(packet));
		assert_int_equal(a->messages[SIM_DATA], before);
		tunnel_remove_peer(a->tunnel, other);
	}
	assert_true(endpoint_equal(&moved, &peer->endpoint));
	packet[20] ^= 1;
	packet[22] ^= 1;
	packet[22] ^= 1; /* somebody else there is none of our business */
	sim_outbound(a, packet, sizeof(packet));
	assert_int_equal(a->messages[SIM_DATA], before + 1);
	packet[22] ^= 1;
	packet[7] = 1; /* a later fragment has no port: it goes round once */
	sim_outbound(a, packet, sizeof(packet));
	assert_int_equal(a->messages[SIM_DATA], before + 2);
	sim_check(sim);
	sim_free(sim);
}

int main(void)
{
	static const struct sim_scenario scenarios[] = {
		SIM_EACH(staged_packets_are_limited),
		SIM_EACH(padding),
		SIM_EACH(congestion_marks),
		SIM_EACH(handshakes_have_a_class),
		SIM_EACH(replay_window),
		SIM_EACH(retired_within_a_batch),
		SIM_EACH(limits_of_a_key),
		SIM_EACH(limits_within_a_batch),
		SIM_EACH(what_is_no_packet),
		SIM_EACH(own_messages_do_not_go_round),
	};

	return sim_main("data", scenarios, sizeof(scenarios) / sizeof(*scenarios));
}
