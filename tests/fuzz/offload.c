/* SPDX-License-Identifier: ISC */
/*
 * Driven: core/offload.c in both directions.
 * Input: a byte that chooses. Splitting: the virtio header and the packet, raw, or the plan of a
 * super-packet and what is then overwritten. Merging: a batch of packets of a few flows, each with
 * something that happens to it.
 *
 * Asserted: split as the naive splitter of the unit tests does, with right checksums; nothing but
 * the packet is written to; a packet that is none stays as it is, but for the checksum that was
 * asked for. Split again, by the naive splitter and by ours, what was merged is what went in, each
 * flow in its order, every packet once; what was not merged is byte for byte as it was.
 */
#include "fuzz.h"

#include "offload_packets.h"

enum { BATCH = OFFLOAD_MERGE_MAX, STREAMS = 6, PACKET_MAX = 600, FENCE = 0x5a };

/* ---- A packet between two fences ---- */

struct fenced {
	uint8_t *bytes; /* of malloc's, FENCE bytes of fence before and behind the packet */
	size_t len;
};

static struct fenced fenced_new(const uint8_t *packet, size_t len)
{
	struct fenced fenced = { malloc(len + 2 * FENCE), len };

	if (!fenced.bytes)
		abort();
	memset(fenced.bytes, FENCE, len + 2 * FENCE);
	if (len)
		memcpy(fenced.bytes + FENCE, packet, len);
	return fenced;
}

static void fenced_free(struct fenced fenced)
{
	for (size_t i = 0; i < FENCE; i++)
		FUZZ_CHECK(
			fenced.bytes[i] == FENCE && fenced.bytes[FENCE + fenced.len + i] == FENCE,
			"written outside of the packet");
	free(fenced.bytes);
}

/* ---- Splitting ---- */

/* What the naive splitter must know: where the transport header is. 0: nothing that splits. */
static size_t naive_transport(const uint8_t *packet, size_t len, int protocol)
{
	size_t at = 40;
	uint8_t next;

	if (len < 20 || (packet[0] >> 4 == 6 && len < 40))
		return 0;
	if (packet[0] >> 4 == 4)
		return packet[9] == protocol ? (size_t)(packet[0] & 15) * 4 : 0;
	for (next = packet[6]; next == 0 || next == 43 || next == 60;
		at += 8 * (1u + packet[at + 1]))
		if (at + 8 > len)
			return 0;
		else
			next = packet[at];
	return next == protocol ? at : 0;
}

static void check_segments(struct offload_split *split, const struct fenced *fenced,
	const uint8_t *original, const struct virtio_net_hdr *header)
{
	static uint8_t expected[65536];
	const size_t len = fenced->len;
	uint8_t *segment;
	size_t got, n = 0;

	while ((got = offload_split_next(split, &segment))) {
		const size_t naive = slow_segment(original, len, header, n++, expected);

		FUZZ_CHECK(segment >= fenced->bytes + FENCE &&
				   segment + got <= fenced->bytes + FENCE + len,
			"segment %zu is not inside the packet", n - 1);
		FUZZ_CHECK(got <= split->segment_len, "%zu bytes, of %zu", got, split->segment_len);
		FUZZ_CHECK(got == naive, "segment %zu has %zu bytes instead of %zu", n - 1, got,
			naive);
		FUZZ_CHECK(!memcmp(segment, expected, got), "segment %zu differs", n - 1);
	}
	FUZZ_CHECK(n == split->count, "%zu segments, of %zu", n, split->count);
	FUZZ_CHECK(!slow_segment(original, len, header, n, expected), "a tail is lost");
}

static void check_whole(struct offload_split *split, const struct fenced *fenced,
	const uint8_t *original, const struct virtio_net_hdr *header)
{
	static uint8_t expected[OFFLOAD_PACKET_MAX];
	uint8_t *segment;
	const size_t got = offload_split_next(split, &segment);

	memcpy(expected, original, fenced->len);
	if (header->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) {
		const uint8_t *from = original + header->csum_start;
		uint32_t sum = ~slow_sum(from, fenced->len - header->csum_start) & 0xffff;

		write16(expected + header->csum_start + header->csum_offset, sum ? sum : 0xffff);
	}
	FUZZ_CHECK(got == fenced->len && segment == fenced->bytes + FENCE, "%zu bytes", got);
	FUZZ_CHECK(!memcmp(segment, expected, got), "the packet was changed");
	FUZZ_CHECK(!offload_split_next(split, &segment), "a second segment");
}

static void split(const struct virtio_net_hdr *header, uint8_t *packet, size_t len)
{
	const int type = header->gso_type & ~VIRTIO_NET_HDR_GSO_ECN;
	const int protocol = type == VIRTIO_NET_HDR_GSO_UDP_L4 ? UDP : TCP;
	const size_t transport = naive_transport(packet, len, protocol);
	const size_t field = transport + (protocol == UDP ? 6 : 16);
	struct offload_split split;

	/* The device puts the pseudo-header's sum there. */
	if (type && transport && field + 2 <= len)
		write16(packet + field, slow_pseudo(packet, protocol, len - transport));
	struct fenced fenced = fenced_new(packet, len);

	if (!offload_split_begin(&split, header, fenced.bytes + FENCE, len, link_header)) {
		FUZZ_CHECK(len && len <= OFFLOAD_PACKET_MAX, "%zu bytes", len);
		FUZZ_CHECK(!type || header->csum_start == transport, "no super-packet");
		if (type)
			check_segments(&split, &fenced, packet, header);
		else
			check_whole(&split, &fenced, packet, header);
	}
	fenced_free(fenced);
}

static void split_raw(struct fuzz_input *input)
{
	struct virtio_net_hdr header;

	fuzz_take(input, &header, sizeof(header));
	uint8_t *packet = fuzz_copy(input->at, input->left);

	split(&header, packet, input->left);
	free(packet);
}

static struct plan read_plan(struct fuzz_input *input)
{
	struct plan plan = plain(fuzz_byte(input) & 3);

	plan.tos = fuzz_byte(input);
	plan.ip_options = fuzz_below(input, 11) * 4;
	plan.extension = fuzz_below(input, 5) * 8;
	plan.id = (uint16_t)fuzz_number(input, 2);
	plan.sequence = (uint32_t)fuzz_number(input, 4);
	plan.flags = fuzz_byte(input);
	plan.tcp_options = fuzz_below(input, 11) * 4;
	return plan;
}

static void split_planned(struct fuzz_input *input)
{
	static uint8_t packet[65536];
	struct virtio_net_hdr header;
	struct plan plan = read_plan(input);
	const size_t gso_size = fuzz_number(input, 2), most = 65535 - headers_of(&plan);

	plan.payload = fuzz_number(input, 2) % (most + 1);
	if (plan.payload / (gso_size + 1) > 300) /* each segment costs the naive way much */
		plan.payload = 300 * gso_size;
	size_t len = build_super(&plan, gso_size, packet, &header);

	while (input->left) {
		const size_t at = fuzz_number(input, 2);
		const uint8_t value = fuzz_byte(input);

		if (at < sizeof(header))
			((uint8_t *)&header)[at] = value;
		else if (at - sizeof(header) < len)
			packet[at - sizeof(header)] = value;
		else if (at == 0xffff && value)
			len -= len % value;
	}
	split(&header, packet, len);
}

/* ---- Merging ---- */

struct batch {
	size_t count;
	struct fenced packets[BATCH];
	uint8_t originals[BATCH][PACKET_MAX + 100];
	bool out[BATCH]; /* it has come out */
};

/* Something that befalls a packet, or the rest of its flow from here on. */
static void happen(struct plan *plan, struct plan *next, unsigned what, uint8_t how)
{
	switch (what) {
	case 1:
		plan->flags ^= (uint8_t)(1 << how % 8);
		break;
	case 2:
		plan->ttl ^= how;
		break;
	case 3:
		next->payload = how;
		break;
	case 4:
		plan->payload = how;
		next->sequence = plan->sequence + how;
		break;
	case 5:
		plan->sequence += how;
		break;
	case 6:
		plan->fragment ^= plan->version == 4 ? (uint16_t)(1 << how % 16) : 0;
		break;
	case 7:
		plan->ip_options = plan->version == 4 ? how % 11u * 4 : 0;
		plan->extension = plan->version == 6 ? how % 5u * 8 : 0;
		break;
	case 8:
		*(how & 1 ? &next->window : &plan->id) ^= how;
		break;
	case 9:
		next->ack += how;
		plan->tos ^= how;
		break;
	case 10:
		plan->tcp_option_byte ^= how;
		plan->urgent ^= how >> 4;
		break;
	default:
		break;
	}
}

static void add_packet(struct batch *batch, struct plan *stream, struct fuzz_input *input)
{
	uint8_t *packet = batch->originals[batch->count];
	const uint8_t what = fuzz_byte(input);
	struct plan plan = *stream;

	*stream = after(plan);
	if (what & 15)
		happen(&plan, stream, what & 15, fuzz_byte(input));
	size_t len = build(&plan, packet);

	if (what & 16)
		packet[fuzz_below(input, len)] ^= (uint8_t)(1 << fuzz_below(input, 8));
	if (what & 32)
		len = fuzz_below(input, len + 1);
	batch->packets[batch->count++] = fenced_new(packet, len);
}

static void read_batch(struct batch *batch, struct fuzz_input *input)
{
	struct plan streams[STREAMS];

	for (size_t i = 0; i < STREAMS; i++) {
		const uint8_t kind = fuzz_byte(input);

		streams[i] = plain(kind & 3);
		streams[i].source_port = (uint16_t)(1000 + i);
		streams[i].fragment = kind & 4 ? 0x4000 : 0;
		streams[i].payload = fuzz_byte(input);
		streams[i].tcp_options = (size_t)(kind >> 4) % 11 * 4;
		streams[i].id = (uint16_t) - (kind >> 3 & 1);
	}
	while (input->left && batch->count < BATCH)
		add_packet(batch, &streams[fuzz_below(input, STREAMS)], input);
}

/* Of which flow a packet surely is, as its bytes from the addresses to the ports: 0: of none. */
static size_t flow_bytes(const uint8_t *packet, size_t len, const uint8_t **from)
{
	const bool v4 = len >= 20 && packet[0] >> 4 == 4;
	const size_t transport = v4 ? 20 : 40;

	if (len < transport + 4 ||
		(v4 ? packet[0] != 0x45 || read16(packet + 6) & 0x3fff : packet[0] >> 4 != 6))
		return 0;
	if (packet[v4 ? 9 : 6] != TCP && packet[v4 ? 9 : 6] != UDP)
		return 0;
	*from = packet + (v4 ? 12 : 8);
	return transport + 4 - (v4 ? 12 : 8);
}

static bool same_flow(const struct batch *batch, size_t a, size_t b)
{
	const uint8_t *from_a, *from_b;
	const size_t len_a = flow_bytes(batch->originals[a], batch->packets[a].len, &from_a);
	const size_t len_b = flow_bytes(batch->originals[b], batch->packets[b].len, &from_b);
	const size_t protocol = len_a == 12 ? 9 : 6;

	return len_a && len_a == len_b && !memcmp(from_a, from_b, len_a) &&
	       batch->originals[a][protocol] == batch->originals[b][protocol];
}

/* Where fragmentation is forbidden the identification means nothing, and may change. */
static bool is_packet(const struct batch *batch, size_t i, const uint8_t *bytes, bool merged)
{
	static uint8_t expected[PACKET_MAX + 100];
	const size_t len = batch->packets[i].len;

	memcpy(expected, batch->originals[i], len);
	if (merged && len >= 20 && expected[0] == 0x45 && expected[6] == 0x40) {
		memcpy(expected + 4, bytes + 4, 2);
		write16(expected + 10, 0);
		write16(expected + 10, ~slow_sum(expected, 20) & 0xffff);
	}
	return !memcmp(bytes, expected, len);
}

static void strike_out(struct batch *batch, const uint8_t *bytes, size_t len, bool merged)
{
	size_t i = 0;

	while (i < batch->count && (batch->out[i] || batch->packets[i].len != len ||
					   !is_packet(batch, i, bytes, merged)))
		i++;
	FUZZ_CHECK(i < batch->count, "a packet of %zu bytes came out that went not in", len);
	batch->out[i] = true;
	for (size_t before = 0; before < i; before++)
		FUZZ_CHECK(batch->out[before] || !same_flow(batch, before, i),
			"packet %zu overtook packet %zu of its flow", i, before);
}

static void take_output(struct batch *batch, const struct iovec *chain, size_t count)
{
	static uint8_t whole[65536], segment[65536];
	struct virtio_net_hdr header;
	size_t len = 0, segment_len;

	FUZZ_CHECK(chain[0].iov_len == sizeof(header), "%zu", chain[0].iov_len);
	memcpy(&header, chain[0].iov_base, sizeof(header));
	for (size_t i = 1; i < count; i++) {
		FUZZ_CHECK(len + chain[i].iov_len <= OFFLOAD_PACKET_MAX, "too long");
		if (chain[i].iov_len)
			memcpy(whole + len, chain[i].iov_base, chain[i].iov_len);
		len += chain[i].iov_len;
	}
	FUZZ_CHECK((count > 2) == (header.gso_type != 0), "%zu parts, type %u", count,
		header.gso_type);
	if (count == 2) {
		strike_out(batch, whole, len, false);
		return;
	}
	for (size_t n = 0; (segment_len = slow_segment(whole, len, &header, n, segment)); n++)
		strike_out(batch, segment, segment_len, true);
	split(&header, whole, len);
}

static void merge(struct fuzz_input *input)
{
	static struct batch batch;
	static struct offload_merge merge;
	const uint8_t allowed = fuzz_byte(input);
	const struct iovec *chain;
	size_t count = 0;

	batch.count = 0;
	memset(batch.out, 0, sizeof(batch.out));
	read_batch(&batch, input);
	offload_merge_begin(&merge, !(allowed & 1), !(allowed & 2));
	for (size_t i = 0; i < batch.count; i++)
		FUZZ_CHECK(offload_merge_add(
				   &merge, batch.packets[i].bytes + FENCE, batch.packets[i].len,
				   link_header),
			"there is room");
	while ((chain = offload_merge_next(&merge, &count)))
		take_output(&batch, chain, count);
	for (size_t i = 0; i < batch.count; i++) {
		FUZZ_CHECK(batch.out[i], "packet %zu is lost", i);
		fenced_free(batch.packets[i]);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct fuzz_input input = { data, len };

	fuzz_begin(0);
	switch (fuzz_byte(&input) % 3) {
	case 0:
		split_raw(&input);
		break;
	case 1:
		split_planned(&input);
		break;
	default:
		merge(&input);
		break;
	}
	return 0;
}
