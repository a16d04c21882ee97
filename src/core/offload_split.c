/* SPDX-License-Identifier: ISC */
/* Splitting super-packets into segments, in place, as a network card would. */
#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>

#include "core/offload_internal.h"

static_assert(sizeof(struct virtio_net_hdr) == 10, "as it is on the device");

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

/* Where in an IP packet the transport header begins, and which it is. 0: the packet has none that
 * could be split. */
static size_t find_transport(const uint8_t *ip, size_t len, uint8_t *protocol)
{
	if (len >= IPV4_HEADER && is_v4(ip)) {
		const size_t header_len = (size_t)(ip[0] & 15) * 4;

		if (header_len < IPV4_HEADER || get16(ip + IPV4_FRAGMENT) & IPV4_IS_FRAGMENT)
			return 0;
		*protocol = ip[IPV4_PROTOCOL];
		return header_len;
	}
	if (len < IPV6_HEADER || ip[0] >> 4 != 6)
		return 0;
	size_t at = IPV6_HEADER;

	for (*protocol = ip[IPV6_NEXT]; is_skippable(*protocol);) {
		if (at + 8 > len)
			return 0;
		*protocol = ip[at];
		at += ((size_t)ip[at + 1] + 1) * 8;
	}
	return at;
}

/* Finds the headers of what is said to be a super-packet, and whether it is one. */
static int measure_headers(
	struct offload_split *split, const struct virtio_net_hdr *header, uint8_t protocol)
{
	const uint8_t *ip = split->packet + split->link_len;
	const size_t ip_len = find_transport(ip, split->len - split->link_len, &split->protocol);
	const size_t transport = split->link_len + ip_len;
	const size_t least = protocol == IPPROTO_TCP ? TCP_HEADER : UDP_HEADER;
	size_t transport_len = least;

	if (!ip_len || split->protocol != protocol || split->len < transport + least ||
		!is_announced(ip, split->link_len) ||
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
	uint8_t *ip = split->headers + split->link_len;
	uint8_t *transport = split->headers + split->transport;
	const uint16_t length = htons((uint16_t)(split->len - split->transport));

	memcpy(split->headers, split->packet, split->headers_len);
	if (is_v4(ip)) {
		split->id = get16(ip + IPV4_ID);
		put16(ip + IPV4_LENGTH, 0);
		put16(ip + IPV4_ID, 0);
		put16(ip + IPV4_CHECK, 0);
		split->ip_sum = checksum_sum(ip, split->transport - split->link_len);
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
	const int error = measure_headers(split, header, protocol);

	if (error)
		return error;
	if (version && split->packet[split->link_len] >> 4 != version)
		return -EINVAL;
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
	uint8_t *packet, size_t len, size_t link_len)
{
	if (!len)
		return -EINVAL;
	if (len > link_len + OFFLOAD_PACKET_MAX)
		return -EMSGSIZE;
	offload_split_whole(split, packet, len);
	split->link_len = link_len;
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

static void write_ip(const struct offload_split *split, uint8_t *ip, size_t len)
{
	if (!is_v4(ip)) {
		put16(ip + IPV6_LENGTH, len - IPV6_HEADER);
		return;
	}
	const uint16_t id = (uint16_t)(split->id + split->done);

	put16(ip + IPV4_LENGTH, len);
	put16(ip + IPV4_ID, id);
	write_ipv4_check(ip, split->ip_sum + htons((uint16_t)len) + htons(id));
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
	write_ip(split, *segment + split->link_len, len - split->link_len);
	write_transport(split, *segment + split->transport, len - split->transport);
	split->done++;
	return len;
}
