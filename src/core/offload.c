/* SPDX-License-Identifier: ISC */
/* Splitting super-packets and merging packets, as a network card would. */
/*
 * Merging follows the kernel's own rules (GRO), because what we merge must split again into the
 * same packets wherever the kernel sends it. So a packet joins the one before it only if all that
 * is not a length, a checksum, a sequence number, PSH or the last one's size is equal; this goes
 * for the TCP window too, which a merged packet could state only once. The identification of IPv4
 * counts up, as splitting writes it, unless fragmentation is forbidden: then it means nothing (RFC
 * 6864).
 *
 * Outputs stand in the order of their first packets. There is at most one open output a flow, and a
 * packet that cannot join closes it, so a flow's packets cannot overtake each other.
 */
#include "core/offload.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "core/checksum.h"

enum {
	IPV4_HEADER = 20,
	IPV4_LENGTH = 2,
	IPV4_ID = 4,
	IPV4_FRAGMENT = 6,
	IPV4_TTL = 8,
	IPV4_PROTOCOL = 9,
	IPV4_CHECK = 10,
	IPV4_SOURCE = 12,
	IPV4_DONT_FRAGMENT = 0x4000,
	IPV4_IS_FRAGMENT = 0x3fff, /* more fragments, or an offset */

	IPV6_HEADER = 40,
	IPV6_LENGTH = 4,
	IPV6_NEXT = 6,
	IPV6_HOPS = 7,
	IPV6_SOURCE = 8,

	TCP_HEADER = 20,
	TCP_SEQUENCE = 4,
	TCP_ACK = 8,
	TCP_FLAGS = 12, /* with the data offset: 16 bits */
	TCP_WINDOW = 14,
	TCP_CHECK = 16,
	TCP_URGENT = 18,
	TCP_FIN = 0x01,
	TCP_PSH = 0x08,
	TCP_ACK_FLAG = 0x10,
	TCP_CWR = 0x80,

	UDP_HEADER = 8,
	UDP_LENGTH = 4,
	UDP_CHECK = 6,
	/* More segments than this the kernel refuses in a write, and none of its own have. */
	UDP_SEGMENTS_MAX = 64,
};

static_assert(sizeof(struct virtio_net_hdr) == 10, "as it is on the device");
static_assert(OFFLOAD_MERGE_MAX <= UINT8_MAX, "parts and segments are counted in 8 bits");

static uint16_t get16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static uint32_t get32(const uint8_t *at)
{
	return (uint32_t)get16(at) << 16 | get16(at + 2);
}

static void put16(uint8_t *at, size_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static void put32(uint8_t *at, uint32_t value)
{
	put16(at, value >> 16);
	put16(at + 2, value);
}

static bool is_v4(const uint8_t *packet)
{
	return packet[0] >> 4 == 4;
}

/* The checksum field of a transport header. */
static size_t check_offset(uint8_t protocol)
{
	return protocol == IPPROTO_TCP ? TCP_CHECK : UDP_CHECK;
}

static void write_ipv4_check(uint8_t *packet, uint64_t sum)
{
	const uint16_t check = (uint16_t)~checksum_fold(sum);

	memcpy(packet + IPV4_CHECK, &check, sizeof(check));
}

/* ---- Splitting ---- */

/* The sum so far is in the field, so it counts itself. A checksum of 0 would mean "none" in UDP,
 * and 0xffff is the same number in all protocols. */
static int finish_checksum(const struct virtio_net_hdr *header, uint8_t *packet, size_t len)
{
	const size_t start = header->csum_start;
	const size_t field = start + header->csum_offset;
	uint16_t check;

	if (field + sizeof(check) > len)
		return -EINVAL;
	check = (uint16_t)~checksum_fold(checksum_sum(packet + start, len - start));
	/* cppcheck-suppress knownConditionTrueFalse ; it takes the cast's value for one that is
	 * never 0 */
	if (!check)
		check = 0xffff;
	memcpy(packet + field, &check, sizeof(check));
	return 0;
}

static bool is_skippable(uint8_t next_header)
{
	return next_header == IPPROTO_HOPOPTS || next_header == IPPROTO_ROUTING ||
	       next_header == IPPROTO_DSTOPTS;
}

/* Where the transport header begins, and which it is. 0: the packet has none that could be split.
 */
static size_t find_transport(const uint8_t *packet, size_t len, uint8_t *protocol)
{
	if (len >= IPV4_HEADER && is_v4(packet)) {
		const size_t header_len = (size_t)(packet[0] & 15) * 4;

		if (header_len < IPV4_HEADER || get16(packet + IPV4_FRAGMENT) & IPV4_IS_FRAGMENT)
			return 0;
		*protocol = packet[IPV4_PROTOCOL];
		return header_len;
	}
	if (len < IPV6_HEADER || packet[0] >> 4 != 6)
		return 0;
	size_t at = IPV6_HEADER;

	for (*protocol = packet[IPV6_NEXT]; is_skippable(*protocol);) {
		if (at + 8 > len)
			return 0;
		*protocol = packet[at];
		at += ((size_t)packet[at + 1] + 1) * 8;
	}
	return at;
}

/* Finds the headers of what is said to be a super-packet, and whether it is one. */
static int measure_headers(
	struct offload_split *split, const struct virtio_net_hdr *header, uint8_t protocol)
{
	const size_t transport = find_transport(split->packet, split->len, &split->protocol);
	const size_t least = protocol == IPPROTO_TCP ? TCP_HEADER : UDP_HEADER;
	size_t transport_len = least;

	if (!transport || split->protocol != protocol || split->len < transport + least ||
		!(header->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) || header->csum_start != transport ||
		header->csum_offset != check_offset(protocol) || !header->gso_size)
		return -EINVAL;
	if (protocol == IPPROTO_TCP)
		transport_len = (size_t)(split->packet[transport + TCP_FLAGS] >> 4) * 4;
	if (transport_len < least || split->len < transport + transport_len)
		return -EINVAL;
	if (transport + transport_len > OFFLOAD_HEADERS_MAX)
		return -EMSGSIZE;
	split->gso_size = header->gso_size;
	split->transport = transport;
	split->headers_len = transport + transport_len;
	return 0;
}

/* What differs from segment to segment is taken out of the headers, and the rest summed up. */
static void prepare_headers(struct offload_split *split)
{
	uint8_t *headers = split->headers;
	uint8_t *transport = headers + split->transport;
	const uint16_t length = htons((uint16_t)(split->len - split->transport));

	memcpy(headers, split->packet, split->headers_len);
	if (is_v4(headers)) {
		split->id = get16(headers + IPV4_ID);
		put16(headers + IPV4_LENGTH, 0);
		put16(headers + IPV4_ID, 0);
		put16(headers + IPV4_CHECK, 0);
		split->ip_sum = checksum_sum(headers, split->transport);
	}
	if (split->protocol == IPPROTO_TCP) {
		split->sequence = get32(transport + TCP_SEQUENCE);
		split->flags = get16(transport + TCP_FLAGS);
		put32(transport + TCP_SEQUENCE, 0);
		put16(transport + TCP_FLAGS, 0);
	} else {
		put16(transport + UDP_LENGTH, 0);
	}
	/* The checksum field holds the pseudo-header's sum, with the length of the whole. Taken
	 * from there it is right even where a routing header hides the final destination. */
	split->transport_sum =
		checksum_sum(transport, split->headers_len - split->transport) + (uint16_t)~length;
}

static int begin_segments(struct offload_split *split, const struct virtio_net_hdr *header,
	uint8_t version, uint8_t protocol)
{
	int error;

	if (version && split->packet[0] >> 4 != version)
		return -EINVAL;
	error = measure_headers(split, header, protocol);
	if (error)
		return error;
	prepare_headers(split);
	const size_t payload = split->len - split->headers_len;

	if (payload > split->gso_size) {
		split->count = (payload + split->gso_size - 1) / split->gso_size;
		split->segment_len = split->headers_len + split->gso_size;
	}
	return 0;
}

void offload_split_whole(struct offload_split *split, uint8_t *packet, size_t len)
{
	split->count = 1;
	split->segment_len = split->len = len;
	split->packet = packet;
	split->done = 0;
	split->headers_len = 0;
}

int offload_split_begin(struct offload_split *split, const struct virtio_net_hdr *header,
	uint8_t *packet, size_t len)
{
	if (!len)
		return -EINVAL;
	if (len > OFFLOAD_PACKET_MAX)
		return -EMSGSIZE;
	offload_split_whole(split, packet, len);
	switch (header->gso_type & ~VIRTIO_NET_HDR_GSO_ECN) {
	case VIRTIO_NET_HDR_GSO_NONE:
		if (header->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM)
			return finish_checksum(header, packet, len);
		return 0;
	case VIRTIO_NET_HDR_GSO_TCPV4:
		return begin_segments(split, header, 4, IPPROTO_TCP);
	case VIRTIO_NET_HDR_GSO_TCPV6:
		return begin_segments(split, header, 6, IPPROTO_TCP);
	case VIRTIO_NET_HDR_GSO_UDP_L4:
		return begin_segments(split, header, 0, IPPROTO_UDP);
	default:
		return -EPROTONOSUPPORT;
	}
}

static void write_ip(const struct offload_split *split, uint8_t *segment, size_t len)
{
	if (!is_v4(segment)) {
		put16(segment + IPV6_LENGTH, len - IPV6_HEADER);
		return;
	}
	const uint16_t id = (uint16_t)(split->id + split->done);

	put16(segment + IPV4_LENGTH, len);
	put16(segment + IPV4_ID, id);
	write_ipv4_check(segment, split->ip_sum + htons((uint16_t)len) + htons(id));
}

/* Returns the sum of what it wrote. */
static uint64_t write_tcp(const struct offload_split *split, uint8_t *transport)
{
	const uint32_t sequence = split->sequence + (uint32_t)(split->done * split->gso_size);
	uint16_t flags = split->flags;

	if (split->done)
		flags &= (uint16_t)~TCP_CWR;
	if (split->done + 1 < split->count)
		flags &= (uint16_t) ~(TCP_FIN | TCP_PSH);
	put32(transport + TCP_SEQUENCE, sequence);
	put16(transport + TCP_FLAGS, flags);
	return (uint64_t)htonl(sequence) + htons(flags);
}

static void write_transport(const struct offload_split *split, uint8_t *transport, size_t len)
{
	const size_t header_len = split->headers_len - split->transport;
	uint64_t sum = split->transport_sum + htons((uint16_t)len) +
		       checksum_sum(transport + header_len, len - header_len);
	uint16_t check;

	if (split->protocol == IPPROTO_TCP) {
		sum += write_tcp(split, transport);
	} else {
		put16(transport + UDP_LENGTH, len);
		sum += htons((uint16_t)len);
	}
	check = (uint16_t)~checksum_fold(sum);
	/* cppcheck-suppress knownConditionTrueFalse ; as above */
	if (!check && split->protocol == IPPROTO_UDP)
		check = 0xffff;
	memcpy(transport + check_offset(split->protocol), &check, sizeof(check));
}

size_t offload_split_next(struct offload_split *split, uint8_t **segment)
{
	const size_t offset = split->done * split->gso_size;
	size_t len;

	if (split->done == split->count)
		return 0;
	if (!split->headers_len) {
		split->done++;
		*segment = split->packet;
		return split->len;
	}
	*segment = split->packet + offset;
	len = split->done + 1 < split->count ? split->segment_len : split->len - offset;
	memcpy(*segment, split->headers, split->headers_len);
	write_ip(split, *segment, len);
	write_transport(split, *segment + split->transport, len - split->transport);
	split->done++;
	return len;
}

/* ---- Merging ---- */

enum kind {
	KIND_OTHER, /* not ours to order */
	KIND_ODD,   /* of a flow, but we cannot tell which: of these two addresses */
	KIND_FLOW,
};

struct shape {
	size_t len;
	size_t transport;
	size_t headers_len;
	uint8_t protocol;
	bool mergeable;
	uint32_t tag; /* never 0; the same for all packets of a flow, seldom for others */
};

/* Addresses and ports lie side by side: from the source address to the end of the ports. */
static size_t addresses_at(size_t transport)
{
	return transport == IPV4_HEADER ? IPV4_SOURCE : IPV6_SOURCE;
}

static uint32_t flow_tag(const uint8_t *packet, const struct shape *shape)
{
	uint64_t hash = shape->protocol, word;
	uint32_t ports;

	for (size_t at = addresses_at(shape->transport); at < shape->transport; at += 8) {
		memcpy(&word, packet + at, 8);
		hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
		hash ^= hash >> 32;
	}
	memcpy(&ports, packet + shape->transport, 4);
	hash = (hash ^ ports) * UINT64_C(0x9e3779b97f4a7c15);
	return (uint32_t)(hash >> 32) | 1;
}

static enum kind find_flow(
	const struct offload_merge *merge, const uint8_t *packet, size_t len, struct shape *shape)
{
	enum kind kind = KIND_FLOW;

	if (len >= IPV4_HEADER && is_v4(packet)) {
		shape->transport = IPV4_HEADER;
		shape->protocol = packet[IPV4_PROTOCOL];
		if (packet[0] != 0x45 || get16(packet + IPV4_FRAGMENT) & IPV4_IS_FRAGMENT)
			kind = KIND_ODD;
	} else if (len >= IPV6_HEADER && packet[0] >> 4 == 6) {
		shape->transport = IPV6_HEADER;
		shape->protocol = packet[IPV6_NEXT];
	} else {
		return KIND_OTHER;
	}
	if (shape->protocol == IPPROTO_TCP)
		return merge->tcp ? kind : KIND_OTHER;
	if (shape->protocol == IPPROTO_UDP)
		return merge->udp ? kind : KIND_OTHER;
	/* An extension header may hide any transport. */
	return shape->transport == IPV6_HEADER && shape->protocol != IPPROTO_ICMPV6 ? KIND_ODD
										    : KIND_OTHER;
}

static bool is_plain_ip(const uint8_t *packet, const struct shape *shape)
{
	if (shape->transport == IPV4_HEADER)
		return get16(packet + IPV4_LENGTH) == shape->len &&
		       !(get16(packet + IPV4_FRAGMENT) & ~IPV4_DONT_FRAGMENT);
	return (size_t)IPV6_HEADER + get16(packet + IPV6_LENGTH) == shape->len;
}

/* Data, and nothing else that the receiver should hear of at once. */
static bool is_plain_tcp(const uint8_t *tcp)
{
	return !(tcp[TCP_FLAGS] & 15) && (tcp[TCP_FLAGS + 1] & ~TCP_PSH) == TCP_ACK_FLAG;
}

static bool is_plain_udp(const uint8_t *udp, size_t len)
{
	return get16(udp + UDP_LENGTH) == len && get16(udp + UDP_CHECK);
}

static enum kind classify(
	const struct offload_merge *merge, const uint8_t *packet, size_t len, struct shape *shape)
{
	const enum kind kind = find_flow(merge, packet, len, shape);
	const uint8_t *transport = packet + shape->transport;

	if (kind != KIND_FLOW)
		return kind;
	const bool tcp = shape->protocol == IPPROTO_TCP;
	const size_t least = tcp ? TCP_HEADER : UDP_HEADER;

	if (len < shape->transport + least)
		return KIND_ODD;
	shape->len = len;
	shape->headers_len =
		shape->transport + (tcp ? (size_t)(transport[TCP_FLAGS] >> 4) * 4 : UDP_HEADER);
	if (shape->headers_len < shape->transport + least)
		return KIND_ODD;
	shape->mergeable =
		shape->headers_len < len && is_plain_ip(packet, shape) &&
		(tcp ? is_plain_tcp(transport) : is_plain_udp(transport, len - shape->transport));
	shape->tag = flow_tag(packet, shape);
	return KIND_FLOW;
}

static uint8_t *first_packet(const struct offload_merge *merge, const struct offload_output *output)
{
	return merge->parts[output->first].iov_base;
}

static bool is_flow(const struct offload_merge *merge, size_t index, const uint8_t *packet,
	const struct shape *shape)
{
	const struct offload_output *output = &merge->outputs[index];
	const size_t at = addresses_at(shape->transport);

	return merge->tags[index] == shape->tag && output->transport == shape->transport &&
	       output->protocol == shape->protocol &&
	       !memcmp(first_packet(merge, output) + at, packet + at, shape->transport + 4 - at);
}

/* The open output of a packet's flow, or output_count. */
static size_t find_open(
	const struct offload_merge *merge, const uint8_t *packet, const struct shape *shape)
{
	if (!merge->open_count)
		return merge->output_count;
	if (is_flow(merge, merge->recent, packet, shape))
		return merge->recent;
	for (size_t i = merge->output_count; i--;)
		if (merge->tags[i] == shape->tag && is_flow(merge, i, packet, shape))
			return i;
	return merge->output_count;
}

static void close_output(struct offload_merge *merge, size_t index)
{
	merge->tags[index] = 0;
	merge->open_count--;
}

static void close_address_pair(struct offload_merge *merge, const uint8_t *packet)
{
	const size_t transport = is_v4(packet) ? IPV4_HEADER : IPV6_HEADER;
	const size_t at = addresses_at(transport);

	for (size_t i = 0; i < merge->output_count; i++) {
		const struct offload_output *output = &merge->outputs[i];

		if (merge->tags[i] && output->transport == transport &&
			!memcmp(first_packet(merge, output) + at, packet + at, transport - at))
			close_output(merge, i);
	}
}

static uint64_t pseudo_sum(const uint8_t *packet, size_t transport, uint8_t protocol, size_t len)
{
	const size_t at = addresses_at(transport);

	return checksum_sum(packet + at, transport - at) + htons(protocol) +
	       htons((uint16_t)(len - transport));
}

static bool is_intact(const uint8_t *packet, size_t transport, uint8_t protocol, size_t len)
{
	if (transport == IPV4_HEADER && checksum_fold(checksum_sum(packet, IPV4_HEADER)) != 0xffff)
		return false;
	return checksum_fold(pseudo_sum(packet, transport, protocol, len) +
			     checksum_sum(packet + transport, len - transport)) == 0xffff;
}

static bool continues_ip(
	const struct offload_output *output, const uint8_t *first, const uint8_t *packet)
{
	if (output->transport == IPV6_HEADER)
		return !memcmp(first, packet, IPV6_LENGTH) && first[IPV6_HOPS] == packet[IPV6_HOPS];
	if (first[1] != packet[1] || first[IPV4_TTL] != packet[IPV4_TTL] ||
		memcmp(first + IPV4_FRAGMENT, packet + IPV4_FRAGMENT, 2))
		return false;
	return get16(packet + IPV4_FRAGMENT) & IPV4_DONT_FRAGMENT ||
	       get16(packet + IPV4_ID) == (uint16_t)(get16(first + IPV4_ID) + output->segments);
}

static bool continues_tcp(const struct offload_output *output, const uint8_t *first,
	const uint8_t *tcp, size_t header_len)
{
	return get32(tcp + TCP_SEQUENCE) == output->next_sequence &&
	       !memcmp(first + TCP_ACK, tcp + TCP_ACK, TCP_FLAGS + 1 - TCP_ACK) &&
	       !memcmp(first + TCP_WINDOW, tcp + TCP_WINDOW, 2) &&
	       !memcmp(first + TCP_URGENT, tcp + TCP_URGENT, header_len - TCP_URGENT);
}

/* Whether a mergeable packet of the output's flow can be its next segment. The checksums last: they
 * are what takes time, and the first packet's are looked at only now that a second one has come. */
static bool continues(struct offload_output *output, const uint8_t *first, const uint8_t *packet,
	const struct shape *shape)
{
	const size_t transport = shape->transport;
	const size_t payload = shape->len - shape->headers_len;

	if (payload > output->gso_size || output->total + payload > OFFLOAD_PACKET_MAX ||
		!continues_ip(output, first, packet))
		return false;
	if (shape->protocol == IPPROTO_TCP
			? !continues_tcp(output, first + transport, packet + transport,
				  shape->headers_len - transport)
			: output->segments == UDP_SEGMENTS_MAX)
		return false;
	if (!output->verified)
		output->verified = is_intact(first, transport, shape->protocol, output->total);
	return output->verified && is_intact(packet, transport, shape->protocol, shape->len);
}

static bool has_push(const uint8_t *packet, const struct shape *shape)
{
	return shape->protocol == IPPROTO_TCP && packet[shape->transport + TCP_FLAGS + 1] & TCP_PSH;
}

static uint8_t add_part(struct offload_merge *merge, uint8_t *data, size_t len)
{
	merge->parts[merge->packet_count] = (struct iovec){ data, len };
	return (uint8_t)merge->packet_count++;
}

/* After a short segment or PSH nothing may follow. */
static void append(
	struct offload_merge *merge, size_t index, uint8_t *packet, const struct shape *shape)
{
	struct offload_output *output = &merge->outputs[index];
	const size_t payload = shape->len - shape->headers_len;
	const uint8_t part = add_part(merge, packet + shape->headers_len, payload);

	merge->next_part[output->last] = part;
	output->last = part;
	output->segments++;
	output->total += (uint32_t)payload;
	output->next_sequence += (uint32_t)payload;
	output->push = has_push(packet, shape);
	if (output->push || payload < output->gso_size)
		close_output(merge, index);
	merge->recent = index;
}

static void add_output(struct offload_merge *merge, uint8_t *packet, size_t len)
{
	const uint8_t part = add_part(merge, packet, len);

	merge->tags[merge->output_count] = 0;
	merge->outputs[merge->output_count++] =
		(struct offload_output){ .first = part, .last = part, .segments = 1 };
}

/* Makes the newest output one that can be appended to. */
static void open_output(
	struct offload_merge *merge, const uint8_t *packet, const struct shape *shape)
{
	const size_t index = merge->output_count - 1;
	const size_t payload = shape->len - shape->headers_len;
	struct offload_output *output = &merge->outputs[index];

	output->transport = (uint8_t)shape->transport;
	output->headers_len = (uint8_t)shape->headers_len;
	output->protocol = shape->protocol;
	output->gso_size = (uint16_t)payload;
	output->total = (uint32_t)shape->len;
	if (shape->protocol == IPPROTO_TCP)
		output->next_sequence =
			get32(packet + shape->transport + TCP_SEQUENCE) + (uint32_t)payload;
	merge->tags[index] = shape->tag;
	merge->open_count++;
	merge->recent = index;
}

void offload_merge_begin(struct offload_merge *merge, bool tcp, bool udp)
{
	merge->tcp = tcp;
	merge->udp = udp;
	merge->packet_count = merge->output_count = merge->taken = 0;
	merge->open_count = merge->recent = 0;
}

bool offload_merge_add(struct offload_merge *merge, uint8_t *packet, size_t len)
{
	struct shape shape = { 0 };

	if (merge->packet_count == OFFLOAD_MERGE_MAX)
		return false;
	const enum kind kind = classify(merge, packet, len, &shape);

	if (kind == KIND_ODD) {
		close_address_pair(merge, packet);
	} else if (kind == KIND_FLOW) {
		const size_t index = find_open(merge, packet, &shape);

		if (index < merge->output_count) {
			struct offload_output *output = &merge->outputs[index];

			if (shape.mergeable &&
				continues(output, first_packet(merge, output), packet, &shape)) {
				append(merge, index, packet, &shape);
				return true;
			}
			close_output(merge, index);
		}
	}
	add_output(merge, packet, len);
	if (shape.mergeable && !has_push(packet, &shape))
		open_output(merge, packet, &shape);
	return true;
}

/* Rewrites the first packet's headers to those of the whole. */
static void write_merged(struct offload_output *output, uint8_t *packet)
{
	uint8_t *transport = packet + output->transport;
	const bool tcp = output->protocol == IPPROTO_TCP;
	const bool v4 = output->transport == IPV4_HEADER;
	const uint16_t partial = checksum_fold(
		pseudo_sum(packet, output->transport, output->protocol, output->total));

	if (v4) {
		put16(packet + IPV4_LENGTH, output->total);
		put16(packet + IPV4_CHECK, 0);
		write_ipv4_check(packet, checksum_sum(packet, IPV4_HEADER));
	} else {
		put16(packet + IPV6_LENGTH, output->total - IPV6_HEADER);
	}
	if (!tcp)
		put16(transport + UDP_LENGTH, output->total - output->transport);
	else if (output->push)
		transport[TCP_FLAGS + 1] |= TCP_PSH;
	memcpy(transport + check_offset(output->protocol), &partial, sizeof(partial));
	output->header = (struct virtio_net_hdr){
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.gso_type = !tcp ? VIRTIO_NET_HDR_GSO_UDP_L4
			    : v4 ? VIRTIO_NET_HDR_GSO_TCPV4
				 : VIRTIO_NET_HDR_GSO_TCPV6,
		.hdr_len = output->headers_len,
		.gso_size = output->gso_size,
		.csum_start = output->transport,
		.csum_offset = (uint16_t)check_offset(output->protocol),
	};
}

const struct iovec *offload_merge_next(struct offload_merge *merge, size_t *count)
{
	size_t filled = 0;

	merge->packet_count = OFFLOAD_MERGE_MAX; /* nothing can be added from now on */
	if (merge->taken == merge->output_count)
		return NULL;
	struct offload_output *output = &merge->outputs[merge->taken++];

	if (output->segments > 1)
		write_merged(output, first_packet(merge, output));
	merge->chain[filled++] = (struct iovec){ &output->header, sizeof(output->header) };
	for (size_t part = output->first;; part = merge->next_part[part]) {
		merge->chain[filled++] = merge->parts[part];
		if (part == output->last)
			break;
	}
	*count = filled;
	return merge->chain;
}
