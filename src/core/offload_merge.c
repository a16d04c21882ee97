/* SPDX-License-Identifier: ISC */
/* Merging the packets of a flow, as a network card would. */
/*
 * Merging follows the kernel's own rules (GRO), because what we merge must split again into the
 * same packets wherever the kernel sends it. So a packet joins the one before it only if all that
 * is not a length, a checksum, a sequence number, PSH or the last one's size is equal; this goes
 * for the TCP window too, which a merged packet could state only once, and for a frame's link
 * header. The identification of IPv4 counts up, as splitting writes it, unless fragmentation is
 * forbidden: then it means nothing (RFC 6864).
 *
 * Outputs stand in the order of their first packets. There is at most one open output a flow, and a
 * packet that cannot join closes it, so a flow's packets cannot overtake each other. A flow is its
 * addresses, ports and protocol, whatever link header its frames have: a switch may mark some of
 * them.
 */
#include <arpa/inet.h>
#include <assert.h>

#include "core/offload_internal.h"

/* More segments than this the kernel refuses in a write, and none of its own have. */
enum { UDP_SEGMENTS_MAX = 64 };

static_assert(OFFLOAD_MERGE_MAX <= UINT8_MAX, "parts and segments are counted in 8 bits");

enum kind {
	KIND_OTHER, /* not ours to order */
	KIND_ODD,   /* of a flow, but we cannot tell which: of these two addresses */
	KIND_FLOW,
};

/* Lengths and offsets are of the IP packet, without its link header. */
struct shape {
	size_t link_len;
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

static uint32_t flow_tag(const uint8_t *ip, const struct shape *shape)
{
	uint64_t hash = shape->protocol, word;
	uint32_t ports;

	for (size_t at = addresses_at(shape->transport); at < shape->transport; at += 8) {
		memcpy(&word, ip + at, 8);
		hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
		hash ^= hash >> 32;
	}
	memcpy(&ports, ip + shape->transport, 4);
	hash = (hash ^ ports) * UINT64_C(0x9e3779b97f4a7c15);
	return (uint32_t)(hash >> 32) | 1;
}

static enum kind find_flow(
	const struct offload_merge *merge, const uint8_t *ip, size_t len, struct shape *shape)
{
	enum kind kind = KIND_FLOW;

	if (len >= IPV4_HEADER && is_v4(ip)) {
		shape->transport = IPV4_HEADER;
		shape->protocol = ip[IPV4_PROTOCOL];
		if (ip[0] != 0x45 || get16(ip + IPV4_FRAGMENT) & IPV4_IS_FRAGMENT)
			kind = KIND_ODD;
	} else if (len >= IPV6_HEADER && ip[0] >> 4 == 6) {
		shape->transport = IPV6_HEADER;
		shape->protocol = ip[IPV6_NEXT];
	} else {
		return KIND_OTHER;
	}
	if (!is_announced(ip, shape->link_len))
		return KIND_OTHER;
	if (shape->protocol == IPPROTO_TCP)
		return merge->tcp ? kind : KIND_OTHER;
	if (shape->protocol == IPPROTO_UDP)
		return merge->udp ? kind : KIND_OTHER;
	/* An extension header may hide any transport. */
	return shape->transport == IPV6_HEADER && shape->protocol != IPPROTO_ICMPV6 ? KIND_ODD
										    : KIND_OTHER;
}

/* Not with anything behind it, such as what fills up a short frame. */
static bool is_plain_ip(const uint8_t *ip, const struct shape *shape)
{
	if (shape->transport == IPV4_HEADER)
		return get16(ip + IPV4_LENGTH) == shape->len &&
		       !(get16(ip + IPV4_FRAGMENT) & ~IPV4_DONT_FRAGMENT);
	return (size_t)IPV6_HEADER + get16(ip + IPV6_LENGTH) == shape->len;
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
	const struct offload_merge *merge, const uint8_t *ip, size_t len, struct shape *shape)
{
	const enum kind kind = find_flow(merge, ip, len, shape);
	const uint8_t *transport = ip + shape->transport;

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
		shape->headers_len < len && is_plain_ip(ip, shape) &&
		(tcp ? is_plain_tcp(transport) : is_plain_udp(transport, len - shape->transport));
	shape->tag = flow_tag(ip, shape);
	return KIND_FLOW;
}

static uint8_t *first_ip(const struct offload_merge *merge, const struct offload_output *output)
{
	return (uint8_t *)merge->parts[output->first].iov_base + output->link_len;
}

static bool is_flow(const struct offload_merge *merge, size_t index, const uint8_t *ip,
	const struct shape *shape)
{
	const struct offload_output *output = &merge->outputs[index];
	const size_t at = addresses_at(shape->transport);

	return merge->tags[index] == shape->tag && output->transport == shape->transport &&
	       output->protocol == shape->protocol &&
	       !memcmp(first_ip(merge, output) + at, ip + at, shape->transport + 4 - at);
}

/* The open output of a packet's flow, or output_count. */
static size_t find_open(
	const struct offload_merge *merge, const uint8_t *ip, const struct shape *shape)
{
	if (!merge->open_count)
		return merge->output_count;
	if (is_flow(merge, merge->recent, ip, shape))
		return merge->recent;
	for (size_t i = merge->output_count; i--;)
		if (merge->tags[i] == shape->tag && is_flow(merge, i, ip, shape))
			return i;
	return merge->output_count;
}

static void close_output(struct offload_merge *merge, size_t index)
{
	merge->tags[index] = 0;
	merge->open_count--;
}

static void close_address_pair(struct offload_merge *merge, const uint8_t *ip)
{
	const size_t transport = is_v4(ip) ? IPV4_HEADER : IPV6_HEADER;
	const size_t at = addresses_at(transport);

	for (size_t i = 0; i < merge->output_count; i++) {
		const struct offload_output *output = &merge->outputs[i];

		if (merge->tags[i] && output->transport == transport &&
			!memcmp(first_ip(merge, output) + at, ip + at, transport - at))
			close_output(merge, i);
	}
}

static uint64_t pseudo_sum(const uint8_t *ip, size_t transport, uint8_t protocol, size_t len)
{
	const size_t at = addresses_at(transport);

	return checksum_sum(ip + at, transport - at) + htons(protocol) +
	       htons((uint16_t)(len - transport));
}

static bool is_intact(const uint8_t *ip, size_t transport, uint8_t protocol, size_t len)
{
	if (transport == IPV4_HEADER && checksum_fold(checksum_sum(ip, IPV4_HEADER)) != 0xffff)
		return false;
	return checksum_fold(pseudo_sum(ip, transport, protocol, len) +
			     checksum_sum(ip + transport, len - transport)) == 0xffff;
}

static bool continues_link(const struct offload_output *output, const uint8_t *first,
	const uint8_t *ip, size_t link_len)
{
	return output->link_len == link_len &&
	       (!link_len || !memcmp(first - link_len, ip - link_len, link_len));
}

static bool continues_ip(
	const struct offload_output *output, const uint8_t *first, const uint8_t *ip)
{
	if (output->transport == IPV6_HEADER)
		return !memcmp(first, ip, IPV6_LENGTH) && first[IPV6_HOPS] == ip[IPV6_HOPS];
	if (first[1] != ip[1] || first[IPV4_TTL] != ip[IPV4_TTL] ||
		memcmp(first + IPV4_FRAGMENT, ip + IPV4_FRAGMENT, 2))
		return false;
	return get16(ip + IPV4_FRAGMENT) & IPV4_DONT_FRAGMENT ||
	       get16(ip + IPV4_ID) == (uint16_t)(get16(first + IPV4_ID) + output->segments);
}

static bool continues_tcp(const struct offload_output *output, const uint8_t *first,
	const uint8_t *tcp, size_t header_len)
{
	return get32(tcp + TCP_SEQUENCE) == output->next_sequence &&
	       !memcmp(first + TCP_ACK, tcp + TCP_ACK, TCP_FLAGS + 1 - TCP_ACK) &&
	       !memcmp(first + TCP_WINDOW, tcp + TCP_WINDOW, 2) &&
	       !memcmp(first + TCP_URGENT, tcp + TCP_URGENT, header_len - TCP_URGENT);
}

static bool continues_transport(const struct offload_output *output, const uint8_t *first,
	const uint8_t *ip, const struct shape *shape)
{
	const size_t at = shape->transport;

	if (shape->protocol == IPPROTO_TCP)
		return continues_tcp(output, first + at, ip + at, shape->headers_len - at);
	return output->segments < UDP_SEGMENTS_MAX;
}

/* Whether a mergeable packet of the output's flow can be its next segment. The checksums last: they
 * are what takes time, and the first packet's are looked at only now that a second one has come. */
static bool continues(struct offload_output *output, const uint8_t *first, const uint8_t *ip,
	const struct shape *shape)
{
	const size_t payload = shape->len - shape->headers_len;

	if (payload > output->gso_size ||
		output->link_len + output->total + payload > OFFLOAD_PACKET_MAX ||
		!continues_link(output, first, ip, shape->link_len) ||
		!continues_ip(output, first, ip) || !continues_transport(output, first, ip, shape))
		return false;
	if (!output->verified)
		output->verified =
			is_intact(first, shape->transport, shape->protocol, output->total);
	return output->verified && is_intact(ip, shape->transport, shape->protocol, shape->len);
}

static bool has_push(const uint8_t *ip, const struct shape *shape)
{
	return shape->protocol == IPPROTO_TCP && ip[shape->transport + TCP_FLAGS + 1] & TCP_PSH;
}

static uint8_t add_part(struct offload_merge *merge, uint8_t *data, size_t len)
{
	merge->parts[merge->packet_count] = (struct iovec){ data, len };
	return (uint8_t)merge->packet_count++;
}

/* After a short segment or PSH nothing may follow. */
static void append(
	struct offload_merge *merge, size_t index, uint8_t *ip, const struct shape *shape)
{
	struct offload_output *output = &merge->outputs[index];
	const size_t payload = shape->len - shape->headers_len;
	const uint8_t part = add_part(merge, ip + shape->headers_len, payload);

	merge->next_part[output->last] = part;
	output->last = part;
	output->segments++;
	output->total += (uint32_t)payload;
	output->next_sequence += (uint32_t)payload;
	output->push = has_push(ip, shape);
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
static void open_output(struct offload_merge *merge, const uint8_t *ip, const struct shape *shape)
{
	const size_t index = merge->output_count - 1;
	const size_t payload = shape->len - shape->headers_len;
	struct offload_output *output = &merge->outputs[index];

	output->link_len = (uint8_t)shape->link_len;
	output->transport = (uint8_t)shape->transport;
	output->headers_len = (uint8_t)shape->headers_len;
	output->protocol = shape->protocol;
	output->gso_size = (uint16_t)payload;
	output->total = (uint32_t)shape->len;
	if (shape->protocol == IPPROTO_TCP)
		output->next_sequence =
			get32(ip + shape->transport + TCP_SEQUENCE) + (uint32_t)payload;
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

bool offload_merge_add(struct offload_merge *merge, uint8_t *packet, size_t len, size_t link_len)
{
	struct shape shape = { .link_len = link_len };
	uint8_t *ip = packet + link_len;

	if (merge->packet_count == OFFLOAD_MERGE_MAX)
		return false;
	const enum kind kind = classify(merge, ip, len - link_len, &shape);

	if (kind == KIND_ODD) {
		close_address_pair(merge, ip);
	} else if (kind == KIND_FLOW) {
		const size_t index = find_open(merge, ip, &shape);

		if (index < merge->output_count) {
			struct offload_output *output = &merge->outputs[index];

			if (shape.mergeable &&
				continues(output, first_ip(merge, output), ip, &shape)) {
				append(merge, index, ip, &shape);
				return true;
			}
			close_output(merge, index);
		}
	}
	add_output(merge, packet, len);
	if (shape.mergeable && !has_push(ip, &shape))
		open_output(merge, ip, &shape);
	return true;
}

/* Rewrites the first packet's headers to those of the whole. */
static void write_merged(struct offload_output *output, uint8_t *ip)
{
	uint8_t *transport = ip + output->transport;
	const bool tcp = output->protocol == IPPROTO_TCP;
	const bool v4 = output->transport == IPV4_HEADER;
	const uint16_t partial =
		checksum_fold(pseudo_sum(ip, output->transport, output->protocol, output->total));

	if (v4) {
		put16(ip + IPV4_LENGTH, output->total);
		put16(ip + IPV4_CHECK, 0);
		write_ipv4_check(ip, checksum_sum(ip, IPV4_HEADER));
	} else {
		put16(ip + IPV6_LENGTH, output->total - IPV6_HEADER);
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
		.hdr_len = (uint16_t)(output->link_len + output->headers_len),
		.gso_size = output->gso_size,
		.csum_start = (uint16_t)(output->link_len + output->transport),
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
		write_merged(output, first_ip(merge, output));
	merge->chain[filled++] = (struct iovec){ &output->header, sizeof(output->header) };
	for (size_t part = output->first;; part = merge->next_part[part]) {
		merge->chain[filled++] = merge->parts[part];
		if (part == output->last)
			break;
	}
	*count = filled;
	return merge->chain;
}
