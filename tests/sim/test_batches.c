/* SPDX-License-Identifier: ISC */
/* Super-packets, bursts and merged packets through whole tunnels: bytes, order, marks, full arrays.
 */
#include "sim.h"

#include "core/tunnel_internal.h"
#include "offload_packets.h"

enum {
	STREAMS = 20, /* each way */
	HOST_MAX = 400,
	LARGEST = 65535,
};

/* Two ends that take anything from each other, and merge what they deliver. */
static struct sim *merging_pair(uint64_t seed, const struct sim_kind *kind)
{
	static const uint8_t any[16];
	struct sim *sim = sim_pair(seed, kind);

	random_state = seed;
	for (unsigned i = 0; i < 2; i++) {
		struct tunnel *tunnel = sim->ends[i]->tunnel;

		assert_int_equal(
			tunnel_allow(tunnel, tunnel_first_peer(tunnel), AF_INET, any, 0), 0);
		assert_int_equal(
			tunnel_allow(tunnel, tunnel_first_peer(tunnel), AF_INET6, any, 0), 0);
		tunnel_set_merging(tunnel, true, true);
	}
	return sim;
}

/* ---- What is handed to a tunnel ---- */

static struct tunnel_packet batch[HOST_MAX];
static size_t batch_count;

/* Of exactly this size, so that a sanitizer sees what is read beyond it. */
static void hand_over(const uint8_t *packet, size_t len, const struct virtio_net_hdr *header)
{
	uint8_t *copy = malloc(len + WIRE_PADDING);

	assert_non_null(copy);
	assert_true(batch_count < HOST_MAX);
	memcpy(copy, packet, len);
	memset(copy + len, 0xa5, WIRE_PADDING);
	batch[batch_count++] = (struct tunnel_packet){ *header, copy, len };
}

static void hand_over_plan(const struct plan *plan)
{
	static const struct virtio_net_hdr none;
	static uint8_t packet[65536];

	hand_over(packet, build(plan, packet), &none);
}

static void send_batch(struct sim_end *end)
{
	sim_outbound_batch(end, batch, batch_count);
	while (batch_count)
		free(batch[--batch_count].data);
}

/* ---- What is expected of the other end ---- */

struct expected {
	struct expected *next;
	size_t len;
	uint8_t packet[];
};

/* All packets between two addresses. */
struct stream {
	struct plan next;
	struct expected *first, **end;
};

static struct stream streams[2 * STREAMS]; /* those of the first end first */
static size_t segments_taken, outputs_taken, awaited;

static void expect(struct stream *stream, const uint8_t *packet, size_t len)
{
	struct expected *expected = malloc(sizeof(*expected) + len);

	assert_non_null(expected);
	expected->next = NULL;
	expected->len = len;
	memcpy(expected->packet, packet, len);
	*stream->end = expected;
	stream->end = &expected->next;
	awaited++;
}

/* It is the next one of its stream, byte for byte. */
static void take_segment(const struct sim_end *end, const uint8_t *packet, size_t len)
{
	const unsigned number = packet[packet[0] >> 4 == 4 ? 13 : 9] - 1u;

	assert_true(number < 2 * STREAMS);
	assert_int_equal(number / STREAMS, !end->number);
	struct stream *stream = &streams[number];
	struct expected *expected = stream->first;

	assert_non_null(expected);
	if (len != expected->len || memcmp(packet, expected->packet, len))
		fail_msg("stream %u: another packet than the next one", number);
	stream->first = expected->next;
	if (!stream->first)
		stream->end = &stream->first;
	free(expected);
	segments_taken++;
	awaited--;
}

static size_t join(const struct iovec *parts, size_t count, uint8_t whole[65536])
{
	size_t len = 0;

	for (size_t i = 1; i < count; i++) {
		assert_true(len + parts[i].iov_len <= LARGEST);
		memcpy(whole + len, parts[i].iov_base, parts[i].iov_len);
		len += parts[i].iov_len;
	}
	return len;
}

/* What was merged is split again, the slow way. */
static void take_output(struct sim_end *end, const struct iovec *parts, size_t count)
{
	static uint8_t whole[65536], segment[65536];
	struct virtio_net_hdr header;
	const size_t len = join(parts, count, whole);
	size_t segment_len;

	memcpy(&header, parts[0].iov_base, sizeof(header));
	outputs_taken++;
	if (!header.gso_type) {
		take_segment(end, whole, len);
		return;
	}
	for (size_t n = 0; (segment_len = slow_segment(whole, len, &header, n, segment)); n++)
		take_segment(end, segment, segment_len);
}

static void begin_streams(struct sim *sim)
{
	for (unsigned s = 0; s < 2 * STREAMS; s++) {
		struct plan *plan = &streams[s].next;

		*plan = plain((int)(s % 4));
		plan->addresses = (uint8_t)(s + 1);
		plan->payload = 1 + below(1300);
		plan->fragment = s % 3 ? 0x4000 : 0;
		plan->id = (uint16_t)next_random();
		plan->sequence = (uint32_t)next_random();
		plan->tcp_options = below(11) * 4;
		streams[s].first = NULL;
		streams[s].end = &streams[s].first;
	}
	segments_taken = outputs_taken = awaited = 0;
	for (unsigned i = 0; i < 2; i++)
		sim->ends[i]->deliver = take_output;
}

/* ---- Any packets at all ---- */

/* What stays so with the stream. */
static void change_stream(struct plan *next)
{
	switch (below(5)) {
	case 0:
		next->payload = 1 + below(1300);
		break;
	case 1:
		next->tos = (uint8_t)next_random();
		break;
	case 2:
		next->ack++;
		break;
	case 3:
		next->ttl--;
		break;
	default:
		next->fragment ^= 0x4000;
	}
}

/* What happens to one packet. */
static void make_odd(struct plan *plan)
{
	switch (below(6)) {
	case 0:
		plan->flags |= (uint8_t)(1 << below(8));
		break;
	case 1:
		plan->fragment |= 1 << below(14);
		break;
	case 2:
		plan->ip_options = below(11) * 4;
		plan->extension = below(5) * 8;
		break;
	case 3:
		plan->payload = below(plan->payload + 1);
		break;
	case 4:
		plan->tos ^= (uint8_t)(1 + below(3));
		break;
	default:
		plan->window++;
	}
}

/* Some streams are of a protocol that nobody here knows. */
static bool is_hidden(const struct stream *stream)
{
	return (stream - streams) % STREAMS >= 16;
}

static void hide_protocol(uint8_t *packet)
{
	packet[packet[0] >> 4 == 4 ? 9 : 6] = 50;
	if (packet[0] >> 4 == 4) {
		write16(packet + 10, 0);
		write16(packet + 10, ~slow_sum(packet, (size_t)(packet[0] & 15) * 4) & 0xffff);
	}
}

static void send_single(struct stream *stream)
{
	struct virtio_net_hdr header = { 0 };
	struct plan plan = stream->next;
	uint8_t packet[2048];

	if (below(8) == 0)
		make_odd(&plan);
	const size_t at = transport_of(&plan), len = build(&plan, packet);

	stream->next = after(plan);
	stream->next.fragment &= 0x4000;
	stream->next.ip_options = stream->next.extension = 0;
	stream->next.flags = ACK;
	if (is_hidden(stream))
		hide_protocol(packet);
	else if (below(24) == 0) /* damaged, behind the ports */
		packet[at + 4 + below(len - at - 4)] ^= (uint8_t)(1 << below(8));
	expect(stream, packet, len);
	hand_over(packet, len, &header);
}

/* One whose checksum the device left to us. */
static void send_unfinished(struct stream *stream)
{
	struct plan plan = stream->next;
	struct virtio_net_hdr header;
	uint8_t packet[2048];

	/* Finished, a TCP checksum of 0 is 0xffff. */
	while (!read16(packet + transport_of(&plan) + (plan.protocol == TCP ? 16 : 6)) ||
		plan.window == stream->next.window) {
		plan.window++;
		build(&plan, packet);
	}
	expect(stream, packet, build(&plan, packet));
	const size_t len = build_super(&plan, 0, packet, &header);

	header.gso_type = VIRTIO_NET_HDR_GSO_NONE;
	hand_over(packet, len, &header);
	stream->next = after(plan);
}

/* Of no more than so many segments. */
static void send_super(struct stream *stream, size_t most)
{
	static uint8_t packet[65536], segment[65536];
	struct plan plan = stream->next;
	struct virtio_net_hdr header;
	size_t n = 0, segment_len;

	plan.payload = 1 + below(below(16) ? 6000 : LARGEST - headers_of(&plan));
	if (plan.protocol == TCP && below(3) == 0)
		plan.flags |= (uint8_t)(PSH | (below(4) ? 0 : FIN | CWR));
	const size_t gso_size = plan.payload / most + 1 + below(1300);
	const size_t len = build_super(&plan, gso_size, packet, &header);

	while ((segment_len = slow_segment(packet, len, &header, n, segment))) {
		expect(stream, segment, segment_len);
		n++;
	}
	hand_over(packet, len, &header);
	plan.flags = ACK;
	stream->next = after(plan);
	stream->next.id = (uint16_t)(plan.id + n);
	stream->next.payload = gso_size < 1300 ? gso_size : 1300;
}

static void send_some(struct sim_end *end, size_t count, size_t most)
{
	while (count--) {
		/* Some streams more often than others. */
		const size_t s = below(2) ? below(STREAMS) : below(4);
		struct stream *stream = &streams[end->number * STREAMS + s];

		if (below(16) == 0)
			change_stream(&stream->next);
		if (is_hidden(stream) || below(2))
			send_single(stream);
		else if (below(2))
			send_super(stream, most);
		else
			send_unfinished(stream);
	}
	send_batch(end);
}

/* Whatever goes in comes out at the other end, each stream in its order and byte for byte: whatever
 * sizes the batches are, over renewals of the session, and with packets that waited for the first.
 */
static void streams_keep_their_order(const struct sim_kind *kind)
{
	enum { STEPS = 150 };
	struct sim *sim = merging_pair(30, kind);

	begin_streams(sim);
	send_some(sim->ends[0], 10, 5); /* as many as may wait */
	sim_run(sim, SECOND);
	for (int step = 0; step < STEPS; step++) {
		struct sim_end *end = sim->ends[next_random() % 2];

		sim->batch = below(3) ? 1 + below(200) : SIM_BATCH_MAX;
		send_some(end, 1 + below(below(4) ? 20 : 100), 150);
		if (step % 6 == 0)
			sim_run(sim, below(40 * SECOND));
		else if (below(3))
			sim_run(sim, below(25 * MILLISECOND));
	}
	sim_run(sim, SECOND);
	assert_int_equal(awaited, 0);
	assert_true(
		sim->ends[0]->messages[SIM_INITIATION] + sim->ends[1]->messages[SIM_INITIATION] >
		3);
	assert_true(segments_taken > 5000 && outputs_taken < segments_taken * 2 / 3);
	sim_check(sim);
	sim_free(sim);
}

/* Segments that wait for a session count one by one: the newest of them are kept, and no more
 * memory than they take. */
static void staged_segments_are_counted_singly(const struct sim_kind *kind)
{
	enum { SEGMENTS = 300, SIZE = 100 };
	static uint8_t packet[65536], segment[256];
	struct sim *sim = merging_pair(31, kind);
	struct sim_end *a = sim->ends[0];
	struct peer *peer = tunnel_first_peer(a->tunnel);
	struct plan plan = plain_udp(6);
	struct virtio_net_hdr header;

	begin_streams(sim);
	plan.payload = SEGMENTS * SIZE;
	const size_t len = build_super(&plan, SIZE, packet, &header);

	for (size_t n = SEGMENTS - WIRE_STAGED_MAX; n < SEGMENTS; n++)
		expect(&streams[0], segment, slow_segment(packet, len, &header, n, segment));
	hand_over(packet, len, &header);
	send_batch(a);
	assert_int_equal(peer->staged_count, WIRE_STAGED_MAX);
	assert_int_equal(peer->counters.dropped, SEGMENTS - WIRE_STAGED_MAX);
	for (const struct peer_staged *staged = peer->staged_first; staged; staged = staged->next)
		assert_int_equal(staged->len, 48 + SIZE);
	sim_run(sim, SECOND);
	assert_int_equal(awaited, 0);
	sim_free(sim);
}

/* The longest that the device can hand over; one byte more is no packet. */
static void longest_packets(const struct sim_kind *kind)
{
	static uint8_t packet[65536 + WIRE_PADDING];
	static const struct virtio_net_hdr none;
	struct sim *sim = merging_pair(32, kind);
	struct sim_end *a = sim->ends[0];

	sim_recover(a, sim->ends[1], SECOND);
	begin_streams(sim);
	for (int kind_of = 0; kind_of < 4; kind_of++) {
		struct plan plan = plain(kind_of);

		tunnel_set_mtu(a->tunnel, kind_of % 2 ? LARGEST : 1420);
		for (size_t less = 0; less < 40; less++) {
			plan.payload = LARGEST - headers_of(&plan) - less;
			const size_t len = build(&plan, packet);

			expect(&streams[0], packet, len);
			hand_over(packet, len, &none);
			send_batch(a);
			sim_run(sim, 20 * MILLISECOND);
			assert_int_equal(awaited, 0);
		}
	}
	assert_int_equal(tunnel_counters(a->tunnel)->malformed, 0);
	struct plan plan = plain_udp(6);

	plan.payload = LARGEST + 1 - headers_of(&plan);
	hand_over(packet, build(&plan, packet), &none);
	send_batch(a);
	sim_run(sim, SECOND);
	assert_int_equal(tunnel_counters(a->tunnel)->malformed, 1);
	sim_free(sim);
}

/* ---- Full arrays ---- */

/* What the wire is given is taped, and goes no further. */
static bool lose(struct sim *sim, const struct sim_datagram *datagram)
{
	(void)sim, (void)datagram;
	return false;
}

/* Hands what is on the tape to an end, all of it at once; what it answers is on the tape then. */
static void play_tape(struct sim *sim, struct sim_end *to)
{
	static struct tunnel_datagram datagrams[4096];
	const size_t count = sim->tape_count;

	assert_true(count <= sizeof(datagrams) / sizeof(*datagrams));
	for (size_t i = 0; i < count; i++) {
		struct sim_datagram *taped = sim->tape[i];

		datagrams[i] = (struct tunnel_datagram){ taped->data, taped->len, taped->tos,
			&taped->from };
	}
	struct sim_datagram **const played = sim->tape;

	sim->tape = NULL;
	sim->tape_count = sim->tape_capacity = 0;
	sim_inject_batch(to, datagrams, count);
	for (size_t i = 0; i < count; i++)
		free(played[i]);
	free(played);
}

static struct sim *taping_pair(uint64_t seed, const struct sim_kind *kind)
{
	struct sim *sim = merging_pair(seed, kind);

	sim_recover(sim->ends[0], sim->ends[1], SECOND);
	begin_streams(sim);
	sim->taping = true;
	sim->filter = lose;
	return sim;
}

/* So many packets of one flow; alike, or each with another mark than the one before. */
static void expect_packets(size_t count, bool alike)
{
	static uint8_t packet[256];
	struct plan plan = plain_udp(6);

	plan.payload = 50;
	for (size_t i = 0; i < count; i++, plan = after(plan)) {
		plan.tos = alike ? 0 : i % 2;
		expect(&streams[0], packet, build(&plan, packet));
		hand_over_plan(&plan);
	}
}

/* "Splits off by one at a full array": as many packets in one call as fill the arrays of both
 * directions, one fewer, one more, and several times as many. */
static void arrays_filled_to_the_last(const struct sim_kind *kind)
{
	static const size_t counts[] = { 1, 63, 64, 65, 127, 128, 129, 130, 191, 192, 193, 255, 256,
		257, 384, 385 };
	struct sim *sim = taping_pair(33, kind);
	struct sim_end *a = sim->ends[0], *b = sim->ends[1];

	for (size_t i = 0; i < 2 * sizeof(counts) / sizeof(*counts); i++) {
		const size_t count = counts[i / 2], bursts = a->bursts, outputs = outputs_taken;
		const bool alike = i % 2;
		/* 64 are planned together, and 64 UDP packets are merged at most. */
		const size_t expected = alike ? (count + 63) / 64 : count;

		expect_packets(count, alike);
		send_batch(a);
		assert_int_equal(sim->tape_count, count);
		assert_int_equal(a->bursts - bursts, expected);
		play_tape(sim, b);
		assert_int_equal(awaited, 0);
		assert_int_equal(outputs_taken - outputs, expected);
	}
	sim_check(sim);
	sim_free(sim);
}

/* A send buffer that is full to the last byte that a message might take is one call; with one byte
 * more, its last message goes in a second. */
static void send_buffer_filled_to_the_last(const struct sim_kind *kind)
{
	enum { MESSAGE_MOST = sizeof(struct wire_data) + WIRE_PADDING + AEAD_TAG_MAX };
	static uint8_t packet[65536], segment[65536];
	struct sim *sim = taping_pair(34, kind);
	struct sim_end *a = sim->ends[0], *b = sim->ends[1];
	/* 60 messages of one packet each, and one that takes what is left. */
	const size_t message = 16 + 2000 + a->cipher->tag_len;
	const size_t left = SEALED_BYTES - 60 * message - MESSAGE_MOST;

	assert_int_equal(message % 16, 0);
	tunnel_set_mtu(a->tunnel, 0);
	for (size_t more = 0; more < 2; more++) {
		struct plan plan = plain_udp(6);
		const size_t sends = a->sends;

		for (size_t i = 0; i < 61; i++, plan = after(plan)) {
			plan.payload = (i < 60 ? 2000 : left + more) - 48;
			expect(&streams[0], packet, build(&plan, packet));
			hand_over_plan(&plan);
		}
		send_batch(a);
		assert_int_equal(a->sends - sends, 1 + more);
		play_tape(sim, b);
		assert_int_equal(awaited, 0);
	}
	/* In the middle of a super-packet. */
	for (size_t size = 900; size < 1400; size += 7) {
		struct virtio_net_hdr header;
		struct plan plan = plain_tcp(4);

		plan.payload = LARGEST - headers_of(&plan);
		for (int i = 0; i < 5; i++, plan = after(plan)) {
			const size_t len = build_super(&plan, size, packet, &header);
			size_t n = 0, segment_len;

			while ((segment_len = slow_segment(packet, len, &header, n++, segment)))
				expect(&streams[0], segment, segment_len);
			hand_over(packet, len, &header);
		}
		send_batch(a);
		play_tape(sim, b);
		assert_int_equal(awaited, 0);
	}
	sim_check(sim);
	sim_free(sim);
}

/* A batch for several peers: each gets its own, in order, however they are mixed. */
static void batch_for_several_peers(const struct sim_kind *kind)
{
	enum { COUNT = 150, SIZE = 100 };
	struct sim *sim = sim_new(40);
	struct sim_end *centre = sim_add(sim);
	static const struct virtio_net_hdr none;
	uint8_t packet[SIZE];

	for (unsigned i = 1; i < 4 && !kind->shared; i++) { /* which has one peer */
		sim_join(centre, sim_add(sim), kind);
		sim_recover(centre, sim->ends[i], SECOND);
	}
	for (int round = 0; round < 20 && !kind->shared; round++) {
		unsigned before[4], wanted[4];

		for (unsigned i = 1; i < 4; i++)
			before[i] = wanted[i] = sim->ends[i]->delivered;
		for (size_t i = 0; i < COUNT; i++) {
			const unsigned to = 1 + (unsigned)below(3);

			sim_ip(packet, AF_INET, 0, to, SIZE);
			packet[SIZE - 1] = (uint8_t)++wanted[to];
			hand_over(packet, SIZE, &none);
		}
		send_batch(centre);
		sim_run(sim, 15 * MILLISECOND);
		for (unsigned i = 1; i < 4; i++) {
			const struct sim_end *end = sim->ends[i];

			assert_true(wanted[i] > before[i]);
			assert_int_equal(end->delivered, wanted[i]);
			assert_int_equal(end->packet[SIZE - 1], wanted[i] & 0xff);
		}
	}
	sim_check(sim);
	sim_free(sim);
}

/* A batch from several peers tells each one's timers: every one is owed a sign of life. */
static void batch_from_several_peers(const struct sim_kind *kind)
{
	struct sim *sim = sim_new(41);
	struct sim_end *centre = sim_add(sim);
	struct tunnel_datagram datagrams[3];

	for (unsigned i = 1; i < 4 && !kind->shared; i++) {
		sim_join(centre, sim_add(sim), kind);
		sim_recover(centre, sim->ends[i], SECOND);
	}
	if (!kind->shared) {
		sim_run(sim, 30 * SECOND);
		sim->taping = true;
		sim->filter = lose;
		for (unsigned i = 0; i < 3; i++) {
			sim_send(sim->ends[i + 1], centre);
			datagrams[i] = (struct tunnel_datagram){ .data = sim->tape[i]->data,
				.len = sim->tape[i]->len,
				.from = &sim->tape[i]->from };
		}
		sim->filter = NULL;
		const unsigned keepalives = centre->messages[SIM_KEEPALIVE];

		sim_inject_batch(centre, datagrams, 3);
		for (unsigned i = 1; i < 4; i++)
			assert_int_equal(sim_peer(centre, sim->ends[i])->timers.keepalive,
				sim_now(centre).boot + sim_keepalive_time(kind));
		sim_run(sim, 12 * SECOND);
		assert_int_equal(centre->messages[SIM_KEEPALIVE], keepalives + 3);
	}
	sim_free(sim);
}

/* REJECT_AFTER_MESSAGES holds for a super-packet as a whole: where its last segments would go
 * beyond, none is sealed, and all wait for the next session. */
static void super_packet_at_the_limit(const struct sim_kind *kind)
{
	enum { SEGMENTS = 5 };
	static uint8_t packet[65536], segment[256];

	for (uint64_t left = SEGMENTS - 2; left <= SEGMENTS; left++) {
		struct sim *sim = merging_pair(42, kind);
		struct sim_end *a = sim->ends[0];
		struct peer *peer = tunnel_first_peer(a->tunnel);
		struct plan plan = plain_udp(6);
		struct virtio_net_hdr header;

		sim_recover(a, sim->ends[1], SECOND);
		sim_run(sim, 6 * SECOND); /* so that a handshake may start at once */
		begin_streams(sim);
		struct session *session = peer->current;
		const uint64_t counter = session->cipher->reject_after - left;

		session->send_counter = counter;
		plan.payload = SEGMENTS * 100;
		const size_t len = build_super(&plan, 100, packet, &header);

		for (size_t n = 0; n < SEGMENTS; n++)
			expect(&streams[0], segment,
				slow_segment(packet, len, &header, n, segment));
		hand_over(packet, len, &header);
		plan = after(plan); /* which does not overtake them */
		expect(&streams[0], packet, build(&plan, packet));
		hand_over_plan(&plan);
		send_batch(a);
		assert_int_equal(session->send_counter - counter, left < SEGMENTS ? 0 : SEGMENTS);
		assert_int_equal(peer->staged_count, left < SEGMENTS ? SEGMENTS + 1 : 1);
		sim_run(sim, 6 * SECOND);
		assert_int_equal(awaited, 0);
		sim_check(sim);
		sim_free(sim);
	}
}

/* The same limit in the other direction, for a sender that does not heed it: the last counter below
 * it is taken, those from there on are not even opened. */
static void receiver_heeds_the_limit(const struct sim_kind *kind)
{
	struct sim *sim = sim_pair(43, kind);
	struct sim_end *a = sim->ends[0], *b = sim->ends[1];
	uint8_t plain_text[64], message[sizeof(struct wire_data) + 64 + AEAD_TAG_MAX] = { 0 };

	assert_true(sim_reaches(a, b, SECOND));
	struct session *session = sim_peer(a, b)->current;
	const struct aead *cipher = session->cipher;
	const uint64_t counters[] = { cipher->reject_after - 1, cipher->reject_after,
		cipher->reject_after + 1, UINT64_MAX };

	sim_ip(plain_text, AF_INET, 0, 1, sizeof(plain_text));
	message[0] = WIRE_DATA;
	wire_put32(message + 4, session->remote_index);
	for (size_t i = 0; i < sizeof(counters) / sizeof(*counters); i++) {
		const unsigned delivered = b->delivered;
		const uint64_t refused = sim_peer(b, a)->counters.undecryptable;

		wire_put64(message + 8, counters[i]);
		cipher->seal(
			&session->send, counters[i], message + 16, plain_text, sizeof(plain_text));
		sim_inject(b, &a->address, message, 16 + sizeof(plain_text) + cipher->tag_len);
		assert_int_equal(b->delivered - delivered, i == 0);
		assert_int_equal(sim_peer(b, a)->counters.undecryptable - refused, i != 0);
	}
	sim_free(sim);
}

static void initiate(struct sim_end *end)
{
	struct peer *peer = tunnel_first_peer(end->tunnel);

	sim_run(end->sim, 30 * MILLISECOND); /* so that the timestamp is another */
	sim_erase_tape(end->sim);
	timers_start_afresh(&peer->timers);
	handshake_initiate(end->tunnel, peer, sim_now(end));
}

/* A handshake message that ends the session of packets before it in the batch does not lose them.
 */
static void packets_before_a_handshake(const struct sim_kind *kind)
{
	struct sim *sim = taping_pair(44, kind);
	struct sim_end *a = sim->ends[0], *b = sim->ends[1];

	initiate(a);
	play_tape(sim, b);
	assert_int_equal(sim->tape_count, 1); /* the response */
	play_tape(sim, a);
	initiate(a);
	assert_int_equal(sim->tape_count, 1);
	struct sim_datagram *initiation = sim->tape[--sim->tape_count];

	expect_packets(3, true);
	send_batch(a);
	assert_non_null(tunnel_first_peer(b->tunnel)->next);
	sim->tape[sim->tape_count++] = initiation;
	play_tape(sim, b);
	assert_int_equal(awaited, 0);
	sim_check(sim);
	sim_free(sim);
}

/* "A 32-bit counter": the one after 2^32 - 1 is 2^32. */
static void counter_passes_32_bits(const struct sim_kind *kind)
{
	const uint64_t limit = UINT64_C(1) << 32;
	struct sim *sim = taping_pair(35, kind);
	struct sim_end *a = sim->ends[0], *b = sim->ends[1];
	struct session *session = tunnel_first_peer(a->tunnel)->current;

	if (session->cipher->reject_after > limit) {
		session->send_counter = limit - 3;
		expect_packets(10, true);
		send_batch(a);
		assert_int_equal(session->send_counter, limit + 7);
		for (size_t i = 0; i < 10; i++)
			assert_int_equal(wire_get64(sim->tape[i]->data + 8), limit - 3 + i);
		play_tape(sim, b);
		assert_int_equal(awaited, 0);
		assert_int_equal(tunnel_find_session(b->tunnel, session->remote_index)->replay.next,
			limit + 7);
	}
	sim_free(sim);
}

/* ---- Congestion marks ---- */

/* RFC 6040, figure 4: [inner][outer], in the order Not-ECT, ECT(1), ECT(0), CE. */
static const int decapsulated[4][4] = {
	{ 0, 0, 0, -1 },
	{ 1, 1, 1, 3 },
	{ 2, 1, 2, 3 },
	{ 3, 3, 3, 3 },
};

/* Random, but mostly the one before. */
static uint8_t next_mark(uint8_t last)
{
	return (uint8_t)(below(3) ? last : below(4));
}

/* On the way out a batch is one burst for each run of packets with the same mark, whatever their
 * classes; each has its mark outside. */
static void marks_part_bursts(const struct sim_kind *kind)
{
	enum { MOST = 60 };
	struct sim *sim = taping_pair(36, kind);
	struct sim_end *a = sim->ends[0], *b = sim->ends[1];

	for (int round = 0; round < 300; round++) {
		const size_t count = 1 + below(MOST);
		const unsigned bursts = a->bursts;
		struct plan plan = plain(round % 4);
		uint8_t marks[MOST], packet[2048];
		unsigned runs = 0;

		plan.payload = 1 + below(1300);
		for (size_t i = 0; i < count; i++, plan = after(plan)) {
			marks[i] = next_mark(i ? marks[i - 1] : 0);
			runs += !i || marks[i] != marks[i - 1];
			plan.tos = (uint8_t)(below(64) << 2 | marks[i]);
			expect(&streams[0], packet, build(&plan, packet));
			hand_over_plan(&plan);
		}
		send_batch(a);
		assert_int_equal(sim->tape_count, count);
		assert_int_equal(a->bursts - bursts, runs);
		for (size_t i = 0; i < count; i++)
			assert_int_equal(sim->tape[i]->tos, marks[i]);
		play_tape(sim, b);
		assert_int_equal(awaited, 0);
	}
	sim_free(sim);
}

/* All segments of a super-packet have its mark, and are one burst. */
static void marks_of_super_packets(const struct sim_kind *kind)
{
	static uint8_t packet[65536];
	struct sim *sim = taping_pair(37, kind);
	struct sim_end *a = sim->ends[0];

	for (unsigned n = 0; n < 16; n++) {
		const unsigned bursts = a->bursts;
		struct plan plan = plain((int)(n % 4));
		struct virtio_net_hdr header;

		plan.payload = 20000;
		plan.tos = (uint8_t)(0xb8 | n / 4);
		const size_t len = build_super(&plan, 1000, packet, &header);

		hand_over(packet, len, &header);
		send_batch(a);
		assert_int_equal(sim->tape_count, 20);
		assert_int_equal(a->bursts - bursts, 1);
		for (size_t i = 0; i < 20; i++)
			assert_int_equal(sim->tape[i]->tos, n / 4);
		sim_erase_tape(sim);
	}
	sim_free(sim);
}

/* On the way in each datagram of a batch has its own mark: what comes out is marked or dropped by
 * the table, in order, and merged with those beside it that are marked alike. */
static void marks_of_one_batch(const struct sim_kind *kind)
{
	enum { MOST = 60 };
	struct sim *sim = taping_pair(38, kind);
	struct sim_end *a = sim->ends[0], *b = sim->ends[1];

	for (int round = 0; round < 400; round++) {
		const size_t count = 1 + below(MOST), outputs = outputs_taken;
		const bool tcp = round % 4 < 2;
		struct plan plan = plain(round % 4);
		uint8_t inner = 0, outer[MOST], packet[2048];
		int last = -1;
		size_t runs = 0;

		plan.payload = 1 + below(1300);
		plan.fragment = 0; /* so that the identification is kept */
		for (size_t i = 0; i < count; i++) {
			inner = next_mark(inner);
			outer[i] = next_mark(i ? outer[i - 1] : 0);
			if (tcp && !inner) /* nothing dropped, for there can be no gap */
				inner = 2;
			plan.tos = (uint8_t)(0xb8 | inner);
			hand_over_plan(&plan);
			const int result = decapsulated[inner][outer[i]];

			if (result < 0 && plan.version == 4) {
				last = -1; /* the identification has a gap */
			} else if (result >= 0) {
				runs += result != last;
				last = result;
				plan.tos = (uint8_t)(0xb8 | result);
				expect(&streams[0], packet, build(&plan, packet));
			}
			plan = after(plan);
		}
		send_batch(a);
		for (size_t i = 0; i < count; i++)
			sim->tape[i]->tos = (uint8_t)(sim->tape[i]->tos & 0xfc) | outer[i];
		play_tape(sim, b);
		assert_int_equal(awaited, 0);
		assert_int_equal(outputs_taken - outputs, runs);
	}
	sim_free(sim);
}

int main(void)
{
	static const struct sim_scenario scenarios[] = {
		SIM_EACH(streams_keep_their_order),
		SIM_EACH(staged_segments_are_counted_singly),
		SIM_EACH(longest_packets),
		SIM_EACH(arrays_filled_to_the_last),
		SIM_EACH(send_buffer_filled_to_the_last),
		SIM_EACH(batch_for_several_peers),
		SIM_EACH(batch_from_several_peers),
		SIM_EACH(super_packet_at_the_limit),
		SIM_EACH(receiver_heeds_the_limit),
		SIM_EACH(packets_before_a_handshake),
		SIM_EACH(counter_passes_32_bits),
		SIM_EACH(marks_part_bursts),
		SIM_EACH(marks_of_super_packets),
		SIM_EACH(marks_of_one_batch),
	};

	return sim_main("batches", scenarios, sizeof(scenarios) / sizeof(*scenarios));
}
