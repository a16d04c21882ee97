/* SPDX-License-Identifier: ISC */
/* What must hold of splitting and of merging, whatever goes in; for the targets that drive them. */
#ifndef OFFLOAD_CHECK_H
#define OFFLOAD_CHECK_H

#include "fuzz.h"

#include "offload_packets.h"

enum { BATCH = OFFLOAD_MERGE_MAX, PACKET_SIZE = 1024, FENCE = 0x5a };

/* ---- A packet between two fences ---- */

struct fenced {
	uint8_t *bytes; /* of malloc's, FENCE bytes of fence before and behind the packet */
	size_t len;
};

static inline struct fenced fenced_new(const uint8_t *packet, size_t len)
{
	struct fenced fenced = { malloc(len + 2 * FENCE), len };

	if (!fenced.bytes)
		abort();
	memset(fenced.bytes, FENCE, len + 2 * FENCE);
	if (len)
		memcpy(fenced.bytes + FENCE, packet, len);
	return fenced;
}

static inline void fenced_free(struct fenced fenced)
{
	for (size_t i = 0; i < FENCE; i++)
		FUZZ_CHECK(
			fenced.bytes[i] == FENCE && fenced.bytes[FENCE + fenced.len + i] == FENCE,
			"written outside of the packet");
	free(fenced.bytes);
}

/* ---- Link headers ---- */

static bool ethernet; /* packets are frames, of 14 bytes at least */

/* The long way: from one EtherType to the next, at most two tags. */
static inline size_t naive_link(const uint8_t *frame, size_t len)
{
	size_t type = 12;

	if (!ethernet)
		return 0;
	for (int tags = 0; tags < 2 && type + 6 <= len; tags++) {
		if (read16(frame + type) != 0x8100 && read16(frame + type) != 0x88a8)
			break;
		type += 4;
	}
	return type + 2;
}

static inline bool is_announced_ip(const uint8_t *packet)
{
	const uint8_t *ip = packet + link_header;

	return !link_header || read16(ip - 2) == (ip[0] >> 4 == 4 ? 0x0800 : 0x86dd);
}

/* ---- Splitting ---- */

/* What the naive splitter must know: where the transport header is. 0: nothing that splits. */
static inline size_t naive_transport(const uint8_t *ip, size_t len, int protocol)
{
	size_t at = 40;
	uint8_t next;

	if (len < 20 || (ip[0] >> 4 == 6 && len < 40))
		return 0;
	if (ip[0] >> 4 == 4)
		return ip[9] == protocol ? (size_t)(ip[0] & 15) * 4 : 0;
	for (next = ip[6]; next == 0 || next == 43 || next == 60; at += 8 * (1u + ip[at + 1]))
		if (at + 8 > len)
			return 0;
		else
			next = ip[at];
	return next == protocol ? at : 0;
}

static inline void check_segments(struct offload_split *split, const struct fenced *fenced,
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

static inline void check_whole(struct offload_split *split, const struct fenced *fenced,
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

/* Splits a copy of the packet, whose pseudo-header's sum is written to it before: the device does
 * that. False: it is refused. */
static inline bool split(const struct virtio_net_hdr *header, uint8_t *packet, size_t len)
{
	const int type = header->gso_type & ~VIRTIO_NET_HDR_GSO_ECN;
	const int protocol = type == VIRTIO_NET_HDR_GSO_UDP_L4 ? UDP : TCP;
	struct offload_split split;

	link_header = naive_link(packet, len);
	const size_t in_ip = naive_transport(packet + link_header, len - link_header, protocol);
	const size_t transport = link_header + in_ip,
		     field = transport + (protocol == UDP ? 6 : 16);

	if (type && in_ip && field + 2 <= len)
		write16(packet + field, slow_pseudo(packet, protocol, len - transport));
	struct fenced fenced = fenced_new(packet, len);
	const bool taken = !offload_split_begin(
		&split, header, fenced.bytes + FENCE, len, naive_link(packet, len));

	if (taken) {
		FUZZ_CHECK(len && len <= link_header + OFFLOAD_PACKET_MAX, "%zu bytes", len);
		FUZZ_CHECK(!type || (in_ip && header->csum_start == transport), "no super-packet");
		FUZZ_CHECK(!type || is_announced_ip(packet), "another packet than the frame says");
		if (type)
			check_segments(&split, &fenced, packet, header);
		else
			check_whole(&split, &fenced, packet, header);
	}
	fenced_free(fenced);
	return taken;
}

/* ---- Merging ---- */

struct batch {
	size_t count;
	struct fenced packets[BATCH];
	uint8_t originals[BATCH][PACKET_SIZE];
	bool out[BATCH];    /* it has come out */
	bool id_may_differ; /* of IPv4, where fragmentation is forbidden and so it means nothing */
	size_t outputs;
	struct virtio_net_hdr header; /* of the last output */
	uint8_t whole[65536];         /* ... and its bytes */
	size_t len;
};

/* Of which flow a packet surely is, as its bytes from the addresses to the ports: 0: of none. */
static inline size_t flow_bytes(const uint8_t *packet, size_t len, const uint8_t **ip)
{
	link_header = naive_link(packet, len);
	*ip = packet + link_header;
	const bool v4 = len >= link_header + 20 && **ip >> 4 == 4;
	const size_t transport = v4 ? 20 : 40;

	if (len < link_header + transport + 4 || !is_announced_ip(packet) ||
		(v4 ? **ip != 0x45 || read16(*ip + 6) & 0x3fff : **ip >> 4 != 6))
		return 0;
	if ((*ip)[v4 ? 9 : 6] != TCP && (*ip)[v4 ? 9 : 6] != UDP)
		return 0;
	return transport + 4 - (v4 ? 12 : 8);
}

/* Whatever their link headers are. */
static inline bool same_flow(const struct batch *batch, size_t a, size_t b)
{
	const uint8_t *ip_a, *ip_b;
	const size_t len_a = flow_bytes(batch->originals[a], batch->packets[a].len, &ip_a);
	const size_t len_b = flow_bytes(batch->originals[b], batch->packets[b].len, &ip_b);
	const size_t protocol = len_a == 12 ? 9 : 6, from = len_a == 12 ? 12 : 8;

	return len_a && len_a == len_b && !memcmp(ip_a + from, ip_b + from, len_a) &&
	       ip_a[protocol] == ip_b[protocol];
}

static inline bool is_packet(const struct batch *batch, size_t i, const uint8_t *bytes, bool merged)
{
	static uint8_t expected[PACKET_SIZE];
	const size_t len = batch->packets[i].len, link = naive_link(batch->originals[i], len);
	uint8_t *ip = expected + link;

	if (len)
		memcpy(expected, batch->originals[i], len);
	if (merged && batch->id_may_differ && len >= link + 20 && ip[0] == 0x45 && ip[6] == 0x40) {
		memcpy(ip + 4, bytes + link + 4, 2);
		write16(ip + 10, 0);
		write16(ip + 10, ~slow_sum(ip, 20) & 0xffff);
	}
	return !memcmp(bytes, expected, len);
}

static inline void strike_out(struct batch *batch, const uint8_t *bytes, size_t len, bool merged)
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

static inline void take_output(struct batch *batch, const struct iovec *chain, size_t count)
{
	static uint8_t segment[65536];
	const struct virtio_net_hdr *header = &batch->header;
	size_t segment_len;

	FUZZ_CHECK(chain[0].iov_len == sizeof(*header), "%zu", chain[0].iov_len);
	memcpy(&batch->header, chain[0].iov_base, sizeof(*header));
	batch->len = 0;
	batch->outputs++;
	for (size_t i = 1; i < count; i++) {
		FUZZ_CHECK(batch->len + chain[i].iov_len <= OFFLOAD_PACKET_MAX, "too long");
		if (chain[i].iov_len)
			memcpy(batch->whole + batch->len, chain[i].iov_base, chain[i].iov_len);
		batch->len += chain[i].iov_len;
	}
	FUZZ_CHECK((count > 2) == (header->gso_type != 0), "%zu parts, type %u", count,
		header->gso_type);
	if (count == 2) {
		strike_out(batch, batch->whole, batch->len, false);
		return;
	}
	for (size_t n = 0;; n++) {
		link_header = naive_link(batch->whole, batch->len);
		segment_len = slow_segment(batch->whole, batch->len, header, n, segment);
		if (!segment_len)
			break;
		strike_out(batch, segment, segment_len, true);
	}
	FUZZ_CHECK(split(header, batch->whole, batch->len), "what was merged is not split");
}

static inline void batch_begin(struct batch *batch)
{
	batch->count = batch->outputs = 0;
	batch->id_may_differ = true;
	memset(batch->out, 0, sizeof(batch->out));
}

/* Adds a packet that stands in the next place of originals. */
static inline void batch_add(struct batch *batch, size_t len)
{
	batch->packets[batch->count] = fenced_new(batch->originals[batch->count], len);
	batch->count++;
}

static inline void merge_batch(struct batch *batch, bool tcp, bool udp)
{
	static struct offload_merge merge;
	const struct iovec *chain;
	size_t count = 0;

	offload_merge_begin(&merge, tcp, udp);
	for (size_t i = 0; i < batch->count; i++) {
		const size_t len = batch->packets[i].len;

		FUZZ_CHECK(offload_merge_add(&merge, batch->packets[i].bytes + FENCE, len,
				   naive_link(batch->originals[i], len)),
			"there is room");
	}
	while ((chain = offload_merge_next(&merge, &count)))
		take_output(batch, chain, count);
	for (size_t i = 0; i < batch->count; i++) {
		FUZZ_CHECK(batch->out[i], "packet %zu is lost", i);
		fenced_free(batch->packets[i]);
	}
}

#endif
