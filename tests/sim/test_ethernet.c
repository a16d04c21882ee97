/* SPDX-License-Identifier: ISC */
/* Ethernet frames between two ends: whole, whatever is in them, and as much of IP as is looked at.
 */
#include "sim.h"

#include <arpa/inet.h>
#include <errno.h>

#include "core/tunnel_internal.h"
#include "forge.h"
#include "offload_packets.h"

enum { LONGEST = 9018 };

/* ---- Frames that are known by a number ---- */

enum { FRAMES = 70000 };

static bool seen[FRAMES];
static size_t seen_count;
static size_t (*frame_of)(uint8_t *frame, unsigned number);

static void put_addresses(uint8_t *frame, unsigned number)
{
	fill_random(frame, 12);
	write32(frame + 8, number);
}

/* It is one that was sent, byte for byte, and comes for the first time. */
static void take_frame(struct sim_end *end, const struct iovec *parts, size_t count)
{
	static uint8_t expected[LONGEST];
	const uint8_t *frame = parts[1].iov_base;

	(void)end;
	assert_int_equal(count, 2);
	assert_true(parts[1].iov_len >= 14);
	const unsigned number = read32(frame + 8);

	assert_in_range(number, 0, FRAMES - 1);
	if (seen[number])
		fail_msg("frame %u came twice", number);
	assert_int_equal(frame_of(expected, number), parts[1].iov_len);
	if (memcmp(frame, expected, parts[1].iov_len) != 0)
		fail_msg("frame %u was changed", number);
	seen[number] = true;
	seen_count++;
}

static struct sim *frames_pair(
	uint64_t seed, const struct sim_kind *kind, size_t (*make)(uint8_t *frame, unsigned number))
{
	struct sim *sim = sim_pair_ethernet(seed, kind);

	memset(seen, 0, sizeof(seen));
	seen_count = 0;
	frame_of = make;
	sim->ends[0]->deliver = sim->ends[1]->deliver = take_frame;
	tunnel_set_merging(sim->ends[0]->tunnel, true, true);
	tunnel_set_merging(sim->ends[1]->tunnel, true, true);
	return sim;
}

/* The first of these numbers have each length up to a full frame with a tag, the others are jumbo
 * frames; what is in them begins like IP, a tag or anything. */
enum { LENGTHS = 1522 - 14 + 1, LENGTHS_AND_MORE = LENGTHS + 150 };

static size_t frame_of_a_length(uint8_t *frame, unsigned number)
{
	static const uint16_t types[] = { 0x0800, 0x86dd, 0x8100, 0x88a8, 0x0806, 46, 1500,
		0x9000 };

	random_state = number;
	const size_t len = number < LENGTHS ? 14 + number : 1523 + below(LONGEST - 1523 + 1);

	put_addresses(frame, number);
	fill_random(frame + 12, len - 12);
	if (number % 2)
		write16(frame + 12, types[below(8)]);
	if (len >= 22 && number % 4 == 1)
		write16(frame + 16, types[below(8)]);
	return len;
}

static void frames_arrive_as_they_were(const struct sim_kind *kind)
{
	struct sim *sim = frames_pair(1, kind, frame_of_a_length);
	struct sim_end *a = sim->ends[0], *b = sim->ends[1];
	static uint8_t frame[LONGEST];

	for (unsigned number = 0; number < LENGTHS_AND_MORE; number++) {
		sim_outbound(number % 3 ? a : b, frame, frame_of_a_length(frame, number));
		if (number == 100) /* until here they waited for a session */
			sim_run(sim, SECOND);
	}
	sim_run(sim, SECOND);
	assert_int_equal(seen_count, LENGTHS_AND_MORE);
	assert_int_equal(sim_peer(b, a)->counters.rx_packets + sim_peer(a, b)->counters.rx_packets,
		LENGTHS_AND_MORE);
	assert_int_equal(tunnel_counters(a->tunnel)->malformed, 0);
	sim_check(sim);
	sim_free(sim);
}

static void frames_over_a_bad_wire(const struct sim_kind *kind)
{
	struct sim *sim = frames_pair(2, kind, frame_of_a_length);
	static uint8_t frame[LONGEST];

	sim->loss = sim->duplicate = sim->corrupt = 50;
	sim->spread = 30 * MILLISECOND;
	for (unsigned number = 0; number < LENGTHS_AND_MORE; number++) {
		sim_outbound(sim->ends[number % 2], frame, frame_of_a_length(frame, number));
		sim_run(sim, sim_random(sim, 5 * MILLISECOND));
	}
	sim_run(sim, SECOND);
	assert_in_range(seen_count, LENGTHS_AND_MORE * 7 / 10, LENGTHS_AND_MORE * 97 / 100);
	sim_check(sim);
	sim_free(sim);
}

static size_t frame_of_a_type(uint8_t *frame, unsigned number)
{
	random_state = number;
	put_addresses(frame, number);
	write16(frame + 12, number);
	fill_random(frame + 14, 46);
	return 60;
}

static void every_ether_type(const struct sim_kind *kind)
{
	struct sim *sim = frames_pair(3, sim_kind_auto, frame_of_a_type);
	uint8_t frame[60];

	(void)kind;
	for (unsigned type = 0; type < 65536; type++) {
		sim_outbound(sim->ends[0], frame, frame_of_a_type(frame, type));
		if (type % 100 == 0)
			sim_run(sim, SECOND / 10);
	}
	sim_run(sim, SECOND);
	assert_int_equal(seen_count, 65536);
	sim_free(sim);
}

/* Tags nested and cut off anywhere, before content that would be a packet. */
static size_t frame_of_tags(uint8_t *frame, unsigned number)
{
	const size_t len = 14 + number % 64;

	random_state = number;
	put_addresses(frame, number);
	for (size_t at = 12; at + 1 < len; at += 2)
		write16(frame + at, below(3) ? 0x8100 : below(2) ? 0x88a8 : 0x0800);
	if (len % 2)
		frame[len - 1] = 0x45;
	return len;
}

static void tags_cut_anywhere(const struct sim_kind *kind)
{
	struct sim *sim = frames_pair(4, sim_kind_auto, frame_of_tags);
	uint8_t frame[78];

	(void)kind;
	for (unsigned number = 0; number < 6400; number++) {
		sim_outbound(sim->ends[0], frame, frame_of_tags(frame, number));
		if (number % 100 == 0)
			sim_run(sim, SECOND / 10);
	}
	sim_run(sim, SECOND);
	assert_int_equal(seen_count, 6400);
	sim_free(sim);
}

/* ---- Padding ---- */

/* The naive rule: with the byte that counts it, up to the next multiple of 16, but no longer than
 * the longest frame with a tag. */
static size_t expected_length(size_t len, unsigned mtu)
{
	size_t padded = len + 1;

	while (padded % 16 && (!mtu || padded < mtu + 14 + 4 + 1))
		padded++;
	return padded;
}

static void padding(const struct sim_kind *kind)
{
	static const unsigned mtus[] = { 0, 576, 1400, 1401, 1402, 1403, 1404, 1413, 1414, 1415 };
	struct sim *sim = frames_pair(5, kind, frame_of_a_length);
	struct sim_end *a = sim->ends[0], *b = sim->ends[1];
	uint8_t frame[LONGEST];

	a->deliver = b->deliver = NULL;
	sim_recover(a, b, SECOND);
	b->deliver = take_frame;
	for (size_t m = 0; m < sizeof(mtus) / sizeof(*mtus); m++) {
		tunnel_set_mtu(a->tunnel, mtus[m]);
		memset(seen, 0, sizeof(seen));
		seen_count = 0;
		for (unsigned number = 0; number < LENGTHS; number++) {
			const size_t len = frame_of_a_length(frame, number);

			sim_outbound(a, frame, len);
			assert_int_equal(a->outer_len,
				16 + expected_length(len, mtus[m]) + a->cipher->tag_len);
		}
		sim_run(sim, SECOND / 10);
		assert_int_equal(seen_count, LENGTHS);
	}
	sim_free(sim);
}

/* A peer that has the keys, and seals what is no frame: every length up to some, every last byte.
 */
static void hostile_plain_texts(const struct sim_kind *kind)
{
	enum { LENGTH_MAX = 48 };
	static struct forged message;
	struct sim *sim = sim_pair_ethernet(6, kind);
	struct sim_end *a = sim->ends[0], *b = sim->ends[1];
	uint8_t plain[LENGTH_MAX];
	uint64_t malformed = 0;

	sim_recover(a, b, SECOND);
	struct session *session = sim_peer(a, b)->current;

	random_state = 6;
	for (size_t len = 1; len <= LENGTH_MAX; len++)
		for (unsigned last = 0; last < 256; last++) {
			const unsigned delivered = b->delivered;
			const bool good = last < 16 && len >= 14 + last + 1;

			fill_random(plain, len);
			plain[12] = 9; /* no IP packet, whose mark might be changed */
			plain[len - 1] = (uint8_t)last;
			forge_data(&message, session, session->send_counter++, plain, len);
			forge_inject(&message, b, &a->address);
			malformed += !good;
			assert_int_equal(b->delivered - delivered, good);
			if (good) {
				assert_int_equal(b->packet_len, len - 1 - last);
				assert_memory_equal(b->packet, plain, b->packet_len);
			}
		}
	assert_int_equal(tunnel_counters(b->tunnel)->malformed, malformed);
	assert_true(sim_reaches(a, b, SECOND));
	sim_check(sim);
	sim_free(sim);
}

/* What a host hands over and is no frame. */
static void short_frames_of_the_host(const struct sim_kind *kind)
{
	struct sim *sim = sim_pair_ethernet(7, kind);
	struct sim_end *a = sim->ends[0];
	static const uint8_t frame[20];

	sim_recover(a, sim->ends[1], SECOND);
	sim_run(sim, SECOND);
	const unsigned sent = a->messages[SIM_DATA];

	for (size_t len = 0; len < 14; len++)
		sim_outbound(a, frame, len);
	assert_int_equal(tunnel_counters(a->tunnel)->malformed, 14);
	assert_int_equal(a->messages[SIM_DATA], sent);
	sim_outbound(a, frame, sizeof(frame)); /* a shorter one looks like a keepalive */
	assert_int_equal(a->messages[SIM_DATA], sent + 1);
	sim_free(sim);
}

/* ---- What is looked at of IP ---- */

/* A frame with a packet, behind so many tags. Returns where the packet is. */
static size_t make_ip_frame(uint8_t *frame, int family, unsigned tags, size_t len)
{
	uint8_t *type = frame + 12;

	sim_mac(frame, 1);
	sim_mac(frame + 6, 0);
	for (unsigned i = 0; i < tags; i++, type += 4)
		write32(type, (i % 2 ? 0x88a80000u : 0x81000000u) + 100 + i);
	write16(type, family == AF_INET ? 0x0800 : 0x86dd);
	sim_ip(type + 2, family, 0, 1, len);
	return (size_t)(type + 2 - frame);
}

static void set_mark(uint8_t *packet, int family, uint8_t mark)
{
	if (family == AF_INET6) {
		packet[1] = (uint8_t)(mark << 4);
		return;
	}
	packet[1] = mark;
	write16(packet + 10, 0);
	write16(packet + 10, ~slow_sum(packet, 20) & 0xffff);
}

/* context: what the network makes of the mark on the way. */
static bool mark_datagram(struct sim *sim, const struct sim_datagram *datagram)
{
	((struct sim_datagram *)datagram)->tos = *(const uint8_t *)sim->context;
	return true;
}

/* RFC 6040, figure 4; rows are the inner, columns the outer marks: Not-ECT, ECT(1), ECT(0), CE. */
static const int marks[4][4] = {
	{ 0, 0, 0, -1 },
	{ 1, 1, 1, 3 },
	{ 2, 1, 2, 3 },
	{ 3, 3, 3, 3 },
};

static void check_mark(struct sim *sim, int family, unsigned tags, uint8_t inner, uint8_t outer)
{
	struct sim_end *a = sim->ends[0], *b = sim->ends[1];
	const unsigned delivered = b->delivered;
	const bool hidden = tags > 2; /* no packet is found behind more */
	const int result = hidden ? inner : marks[inner][outer];
	uint8_t frame[100];
	const size_t at = make_ip_frame(frame, family, tags, 60);

	set_mark(frame + at, family, inner);
	sim_outbound(a, frame, at + 60);
	assert_int_equal(a->outer_tos, hidden ? 0 : inner);
	sim_run(sim, 11 * MILLISECOND);
	assert_int_equal(b->delivered - delivered, result >= 0);
	if (result < 0)
		return;
	set_mark(frame + at, family, (uint8_t)result);
	assert_int_equal(b->packet_len, at + 60);
	assert_memory_equal(b->packet, frame, at + 60);
}

static void congestion_marks(const struct sim_kind *kind)
{
	struct sim *sim = sim_pair_ethernet(8, kind);
	uint8_t outer;

	sim_recover(sim->ends[0], sim->ends[1], SECOND);
	sim->filter = mark_datagram;
	sim->context = &outer;
	for (unsigned n = 0; n < 2 * 4 * 16; n++) {
		outer = (uint8_t)(n % 4);
		check_mark(sim, n / 64 ? AF_INET : AF_INET6, n / 16 % 4, n / 4 % 4, outer);
	}
	sim_free(sim);
}

/* What is no IP packet by its type, or by its first byte, has no mark to be changed. */
static void no_marks_in_what_is_not_ip(const struct sim_kind *kind)
{
	static const uint16_t types[] = { 0x0806, 0x0800, 0x86dd, 46 };
	struct sim *sim = sim_pair_ethernet(9, sim_kind_auto);
	struct sim_end *a = sim->ends[0], *b = sim->ends[1];
	uint8_t outer = 3, frame[100];

	(void)kind;
	sim_recover(a, b, SECOND);
	sim->filter = mark_datagram;
	sim->context = &outer;
	for (unsigned n = 0; n < 256 * 4; n++) {
		const unsigned delivered = b->delivered;
		const uint16_t type = types[n / 256];
		const unsigned version = n % 256 >> 4;

		random_state = n;
		fill_random(frame, sizeof(frame));
		write16(frame + 12, type);
		frame[14] = (uint8_t)n;
		frame[34] = frame[54] = 0; /* not like the simulation's own */
		if ((type == 0x0800 && version == 4) || (type == 0x86dd && version == 6))
			continue;
		sim_outbound(a, frame, sizeof(frame));
		assert_int_equal(a->outer_tos, 0);
		sim_run(sim, 11 * MILLISECOND);
		assert_int_equal(b->delivered - delivered, 1);
		assert_memory_equal(b->packet, frame, sizeof(frame));
	}
	sim_free(sim);
}

/* The interface that our messages leave by is in a bridge with the tunnel's device. */
static void own_messages_do_not_go_round(const struct sim_kind *kind)
{
	struct sim *sim = sim_pair_ethernet(10, kind);
	struct sim_end *a = sim->ends[0], *b = sim->ends[1];
	uint8_t frame[200];

	sim_recover(a, b, SECOND);
	for (unsigned tags = 0; tags < 3; tags++) {
		const size_t at = make_ip_frame(frame, AF_INET, tags, 100);
		const unsigned before = a->messages[SIM_DATA];
		const uint64_t no_route = tunnel_counters(a->tunnel)->no_route;

		frame[at + 9] = IPPROTO_UDP;
		memcpy(frame + at + 16, &b->address.v4.sin_addr, 4);
		memcpy(frame + at + 22, &b->address.v4.sin_port, 2);
		sim_outbound(a, frame, at + 100);
		assert_int_equal(a->messages[SIM_DATA], before);
		assert_int_equal(tunnel_counters(a->tunnel)->no_route, no_route + 1);
		assert_int_equal(a->events[TUNNEL_ROUTING_LOOP], 1);
		frame[at + 23] ^= 1; /* to another port */
		sim_outbound(a, frame, at + 100);
		assert_int_equal(a->messages[SIM_DATA], before + 1);
	}
	sim_free(sim);
}

/* ---- Super-frames ---- */

static struct awaited {
	size_t len;
	uint8_t bytes[2100];
} awaited[4000];
static size_t awaited_first, awaited_count, outputs;

static void take_segment(const uint8_t *frame, size_t len)
{
	assert_true(awaited_first < awaited_count);
	const struct awaited *next = &awaited[awaited_first++];

	assert_int_equal(len, next->len);
	assert_memory_equal(frame, next->bytes, len);
}

/* What was merged is split again, the slow way, behind its link header. */
static void take_output(struct sim_end *end, const struct iovec *parts, size_t count)
{
	static uint8_t whole[66000], segment[66000];
	struct virtio_net_hdr header;
	size_t len = 0, link, segment_len;

	(void)end;
	memcpy(&header, parts[0].iov_base, sizeof(header));
	for (size_t i = 1; i < count; len += parts[i++].iov_len)
		memcpy(whole + len, parts[i].iov_base, parts[i].iov_len);
	outputs++;
	if (!header.gso_type) {
		take_segment(whole, len);
		return;
	}
	for (link = 14; read16(whole + link - 2) == 0x8100 || read16(whole + link - 2) == 0x88a8;)
		link += 4;
	header.csum_start = (uint16_t)(header.csum_start - link);
	memcpy(segment, whole, link);
	for (size_t n = 0;
		(segment_len = slow_segment(whole + link, len - link, &header, n, segment + link));
		n++)
		take_segment(segment, link + segment_len);
}

/* Hands a super-frame of this plan to an end, and awaits its segments. */
static void send_super(struct sim_end *end, const struct plan *plan, size_t gso_size, unsigned tags)
{
	static uint8_t frame[66000 + WIRE_PADDING];
	struct tunnel_packet packet = { .data = frame };
	const size_t link = make_ip_frame(frame, plan->version == 4 ? AF_INET : AF_INET6, tags, 40);
	const size_t len = build_super(plan, gso_size, frame + link, &packet.header);

	for (size_t n = 0;; n++, awaited_count++) {
		struct awaited *next = &awaited[awaited_count];

		memcpy(next->bytes, frame, link);
		const size_t segment_len =
			slow_segment(frame + link, len, &packet.header, n, next->bytes + link);

		if (!segment_len)
			break;
		next->len = link + segment_len;
	}
	packet.header.csum_start = (uint16_t)(packet.header.csum_start + link);
	packet.header.hdr_len = (uint16_t)(packet.header.hdr_len + link);
	packet.len = link + len;
	sim_outbound_batch(end, &packet, 1);
}

static void super_frames(const struct sim_kind *kind)
{
	struct sim *sim = sim_pair_ethernet(11, kind);
	struct sim_end *a = sim->ends[0], *b = sim->ends[1];

	sim_recover(a, b, SECOND);
	b->deliver = take_output;
	for (unsigned merging = 0; merging < 2; merging++) {
		tunnel_set_merging(b->tunnel, merging, merging);
		outputs = awaited_count = awaited_first = 0;
		for (unsigned n = 0; n < 4 * 4 * 3; n++) {
			struct plan plan = plain((int)(n % 4));
			const size_t gso_size = 700 + n * 13 + n % 2;

			plan.payload = n % 5 == 0 ? 65535 - headers_of(&plan) : 9 * gso_size + n;
			send_super(a, &plan, gso_size, n / 4 % 4 == 3 ? 0 : n / 4 % 4);
			sim_run(sim, 20 * MILLISECOND);
			assert_int_equal(awaited_first, awaited_count);
		}
		assert_true(merging ? outputs < awaited_count / 4 : outputs == awaited_count);
	}
	assert_int_equal(tunnel_counters(a->tunnel)->malformed, 0);
	sim_check(sim);
	sim_free(sim);
}

/* ---- Ends that do not agree ---- */

static void other_links_are_refused(const struct sim_kind *kind)
{
	for (unsigned ethernet = 0; ethernet < 2; ethernet++) {
		struct sim *sim = sim_pair(12, kind);
		struct sim_end *a = sim->ends[0], *b = sim->ends[1];

		assert_int_equal(
			tunnel_set_link(sim->ends[ethernet]->tunnel, TUNNEL_LINK_ETHERNET), 0);
		sim->ends[ethernet]->carries = TUNNEL_LINK_ETHERNET;
		sim_touch(sim->ends[ethernet]);
		sim_send(a, b);
		sim_run(sim, 30 * SECOND);
		assert_int_equal(a->events[TUNNEL_LINK_REFUSED], 1);
		assert_int_equal(b->events[TUNNEL_OTHER_LINK], 1);
		assert_int_equal(a->delivered + b->delivered, 0);
		assert_int_equal(a->events[TUNNEL_SESSION_UP] + b->events[TUNNEL_SESSION_UP], 0);
		sim_check(sim);
		sim_free(sim);
	}
}

/* The WireGuard dialect cannot say what it carries. */
static void only_the_culvert_dialect(const struct sim_kind *kind)
{
	static const uint8_t key[KEY_LEN] = { 9 };
	struct sim *sim = sim_new(13);
	struct sim_end *end = sim_add(sim);
	struct peer *peer, *fixed, *later;

	(void)kind;
	assert_int_equal(tunnel_add_peer(end->tunnel, key, &peer), 0);
	assert_int_equal(tunnel_add_peer(end->tunnel, (const uint8_t[KEY_LEN]){ 8 }, &fixed), 0);
	assert_int_equal(
		tunnel_set_cipher(end->tunnel, fixed, PEER_CIPHER_FIXED, aead_chacha20_poly1305),
		0);
	assert_int_equal(peer->cipher, PEER_CIPHER_WIREGUARD);
	assert_int_equal(tunnel_set_link(end->tunnel, TUNNEL_LINK_ETHERNET), 0);
	assert_int_equal(peer->cipher, PEER_CIPHER_AUTO);
	assert_true(peer->timers.quick);
	assert_int_equal(fixed->cipher, PEER_CIPHER_FIXED);
	assert_int_equal(tunnel_add_peer(end->tunnel, (const uint8_t[KEY_LEN]){ 7 }, &later), 0);
	assert_int_equal(later->cipher, PEER_CIPHER_AUTO);
	assert_int_equal(
		tunnel_set_cipher(end->tunnel, later, PEER_CIPHER_WIREGUARD, NULL), -EINVAL);
	assert_int_equal(later->cipher, PEER_CIPHER_AUTO);
	sim_free(sim);
}

int main(void)
{
	static const struct sim_scenario scenarios[] = {
		SIM_CULVERT(frames_arrive_as_they_were),
		SIM_CULVERT(frames_over_a_bad_wire),
		SIM_ONCE(every_ether_type),
		SIM_ONCE(tags_cut_anywhere),
		SIM_CULVERT(padding),
		SIM_CULVERT(hostile_plain_texts),
		SIM_CULVERT(short_frames_of_the_host),
		SIM_CULVERT(congestion_marks),
		SIM_ONCE(no_marks_in_what_is_not_ip),
		SIM_CULVERT(own_messages_do_not_go_round),
		SIM_CULVERT(super_frames),
		SIM_CULVERT(other_links_are_refused),
		SIM_ONCE(only_the_culvert_dialect),
	};

	return sim_main("ethernet", scenarios, sizeof(scenarios) / sizeof(*scenarios));
}
