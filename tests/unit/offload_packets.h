/* SPDX-License-Identifier: ISC */
/* Packets for the tests of core/offload.h, and a slow way to split them that shares nothing with
 * it. */
#ifndef CULVERT_TESTS_UNIT_OFFLOAD_PACKETS_H
#define CULVERT_TESTS_UNIT_OFFLOAD_PACKETS_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/offload.h"
#include "../random.h"
#include "under_valgrind.h"

enum {
	FIN = 0x01,
	SYN = 0x02,
	RST = 0x04,
	PSH = 0x08,
	ACK = 0x10,
	URG = 0x20,
	ECE = 0x40,
	CWR = 0x80,

	TCP = 6,
	UDP = 17,
};

/* Of the link header that a test's packets have; 0: they are IP packets. */
static size_t link_header;

/* To run tests with each: after NULL IP packets, then frames of no, one and two VLAN tags. Their
 * name; NULL: that was all. */
static inline const char *next_link(const char *present)
{
	static const char *const names[] = { "Ethernet", "one tag", "two tags" };

	if (!present) {
		link_header = 0;
		return "IP";
	}
	link_header = link_header ? link_header + 4 : 14;
	return link_header <= 22 ? names[(link_header - 14) / 4] : NULL;
}

/* How often, where IP packets take so many: much of the way is the same for frames. */
static inline unsigned rounds(unsigned of_packets)
{
	return random_rounds(link_header ? of_packets / 3 : of_packets);
}

static inline size_t below(size_t bound)
{
	return (size_t)(next_random() % bound);
}

static inline void fill_random(uint8_t *bytes, size_t len)
{
	for (; len >= 8; bytes += 8, len -= 8) {
		const uint64_t word = next_random();

		memcpy(bytes, &word, 8);
	}
	while (len--)
		*bytes++ = (uint8_t)next_random();
}

static inline unsigned read16(const uint8_t *at)
{
	return (unsigned)at[0] << 8 | at[1];
}

static inline void write16(uint8_t *at, size_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static inline uint32_t read32(const uint8_t *at)
{
	return (uint32_t)read16(at) << 16 | read16(at + 2);
}

static inline void write32(uint8_t *at, uint32_t value)
{
	write16(at, value >> 16);
	write16(at + 2, value & 0xffff);
}

/* RFC 1071, word by word, in numbers. */
static inline uint32_t slow_sum(const uint8_t *data, size_t len)
{
	uint32_t sum = 0;

	for (size_t i = 0; i + 1 < len; i += 2)
		sum += read16(data + i);
	if (len % 2)
		sum += (uint32_t)data[len - 1] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

static inline uint32_t fold(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

/* Everything that makes a packet. Bytes are drawn from seed where they do not matter. */
struct plan {
	uint8_t link; /* a number for all of the link header that is not of its form */
	int version;
	int protocol;
	uint8_t addresses; /* a number for a pair of addresses */
	uint16_t source_port, destination_port;
	uint8_t tos, ttl;
	uint16_t id;
	uint16_t fragment; /* flags and offset */
	uint32_t flow_label;
	size_t ip_options; /* bytes: IPv4 options, a multiple of 4 */
	size_t extension;  /* bytes: an IPv6 header of destination options, a multiple of 8 */
	uint32_t sequence, ack;
	uint8_t reserved; /* 4 bits */
	uint8_t flags;
	uint16_t window, urgent;
	size_t tcp_options; /* bytes, a multiple of 4 */
	uint8_t tcp_option_byte;
	size_t payload;
	uint8_t payload_byte; /* the first; the others follow from it */
};

static inline struct plan plain_tcp(int version)
{
	return (struct plan){
		.version = version,
		.protocol = TCP,
		.addresses = 1,
		.source_port = 40000,
		.destination_port = 443,
		.ttl = 64,
		.id = 0xfffe,
		.fragment = 0x4000,
		.flow_label = 0x12345,
		.sequence = 0xfffffc00,
		.ack = 0x01020304,
		.flags = ACK,
		.window = 502,
		.tcp_options = 12,
		.tcp_option_byte = 1,
		.payload = 1000,
	};
}

static inline struct plan plain_udp(int version)
{
	struct plan plan = plain_tcp(version);

	plan.protocol = UDP;
	return plan;
}

/* The plan of the packet that comes after one. */
static inline struct plan after(struct plan plan)
{
	plan.id++;
	plan.sequence += (uint32_t)plan.payload;
	plan.payload_byte += 77;
	return plan;
}

static inline struct plan plain(int kind)
{
	return kind < 2 ? plain_tcp(kind ? 6 : 4) : plain_udp(kind == 3 ? 6 : 4);
}

static inline size_t transport_of(const struct plan *plan)
{
	return link_header + (plan->version == 4 ? 20 + plan->ip_options : 40 + plan->extension);
}

static inline size_t headers_of(const struct plan *plan)
{
	return transport_of(plan) + (plan->protocol == TCP ? 20 + plan->tcp_options : 8);
}

static inline uint32_t slow_pseudo(const uint8_t *packet, int protocol, size_t len)
{
	const uint8_t *ip = packet + link_header;
	const uint32_t addresses = ip[0] >> 4 == 4 ? slow_sum(ip + 12, 8) : slow_sum(ip + 8, 32);

	return fold(addresses + (uint32_t)protocol + (uint32_t)len);
}

/* Writes lengths and right checksums into a packet whose other fields stand. */
static inline void write_lengths_and_checks(
	uint8_t *packet, size_t len, size_t transport, int protocol)
{
	uint8_t *check = packet + transport + (protocol == TCP ? 16 : 6);
	uint8_t *ip = packet + link_header;

	if (ip[0] >> 4 == 4) {
		write16(ip + 2, len - link_header);
		write16(ip + 10, 0);
		write16(ip + 10, ~slow_sum(ip, (size_t)(ip[0] & 15) * 4) & 0xffff);
	} else {
		write16(ip + 4, len - link_header - 40);
	}
	if (protocol == UDP)
		write16(packet + transport + 4, len - transport);
	write16(check, 0);
	uint32_t sum = ~fold(slow_pseudo(packet, protocol, len - transport) +
			       slow_sum(packet + transport, len - transport)) &
		       0xffff;

	if (protocol == UDP && !sum)
		sum = 0xffff;
	write16(check, sum);
}

static inline void build_link(const struct plan *plan, uint8_t *packet)
{
	for (size_t i = 0; i < link_header; i++)
		packet[i] = (uint8_t)(2 + plan->link + i * 28);
	for (size_t tag = 12; tag + 2 < link_header; tag += 4)
		write16(packet + tag, tag == 12 ? 0x8100 : 0x88a8);
	if (link_header)
		write16(packet + link_header - 2, plan->version == 4 ? 0x0800 : 0x86dd);
}

static inline void build_ip(const struct plan *plan, uint8_t *packet)
{
	if (plan->version == 4) {
		packet[0] = (uint8_t)(0x45 + plan->ip_options / 4);
		packet[1] = plan->tos;
		write16(packet + 4, plan->id);
		write16(packet + 6, plan->fragment);
		packet[8] = plan->ttl;
		packet[9] = (uint8_t)plan->protocol;
		memset(packet + 12, plan->addresses, 8);
		packet[12] = 10;
		packet[16] = 11;
		memset(packet + 20, 1, plan->ip_options); /* no operation */
		return;
	}
	write32(packet, 6u << 28 | (uint32_t)plan->tos << 20 | plan->flow_label);
	packet[6] = (uint8_t)(plan->extension ? 60 : plan->protocol);
	packet[7] = plan->ttl;
	memset(packet + 8, plan->addresses, 32);
	packet[8] = 0xfd;
	packet[39] = 0x77;
	if (plan->extension) {
		memset(packet + 40, 0, plan->extension);
		packet[40] = (uint8_t)plan->protocol;
		packet[41] = (uint8_t)(plan->extension / 8 - 1);
	}
}

/* Returns the packet's length. */
static inline size_t build(const struct plan *plan, uint8_t *packet)
{
	const size_t transport = transport_of(plan), headers = headers_of(plan);
	uint8_t *at = packet + transport;

	build_link(plan, packet);
	build_ip(plan, packet + link_header);
	write16(at, plan->source_port);
	write16(at + 2, plan->destination_port);
	if (plan->protocol == TCP) {
		write32(at + 4, plan->sequence);
		write32(at + 8, plan->ack);
		at[12] = (uint8_t)((5 + plan->tcp_options / 4) << 4 | plan->reserved);
		at[13] = plan->flags;
		write16(at + 14, plan->window);
		write16(at + 18, plan->urgent);
		memset(at + 20, plan->tcp_option_byte, plan->tcp_options);
	}
	for (size_t i = 0; i < plan->payload; i++)
		packet[headers + i] = (uint8_t)(plan->payload_byte + i * 31 + (i >> 8));
	write_lengths_and_checks(packet, headers + plan->payload, transport, plan->protocol);
	return headers + plan->payload;
}

/* The same as a super-packet, as the device would give it. */
static inline size_t build_super(
	const struct plan *plan, size_t gso_size, uint8_t *packet, struct virtio_net_hdr *header)
{
	const size_t len = build(plan, packet), transport = transport_of(plan);
	const size_t check = plan->protocol == TCP ? 16 : 6;

	write16(packet + transport + check, slow_pseudo(packet, plan->protocol, len - transport));
	*header = (struct virtio_net_hdr){
		.flags = 1,
		.gso_type = plan->protocol == UDP ? 5
			    : plan->version == 4  ? 1
						  : 4,
		.hdr_len = (uint16_t)headers_of(plan),
		.gso_size = (uint16_t)gso_size,
		.csum_start = (uint16_t)transport,
		.csum_offset = (uint16_t)check,
	};
	return len;
}

/* Segment n of a super-packet, written the long way round. Returns its length; 0: there is none. */
static inline size_t slow_segment(const uint8_t *packet, size_t len,
	const struct virtio_net_hdr *header, size_t n, uint8_t *segment)
{
	const size_t transport = header->csum_start, gso_size = header->gso_size;
	const int protocol = header->gso_type == 5 ? UDP : TCP;
	const size_t headers =
		transport + (protocol == TCP ? (size_t)(packet[transport + 12] >> 4) * 4 : 8);
	const size_t from = headers + n * gso_size;

	if (from >= len && !(n == 0 && from == len))
		return 0;
	const size_t payload = len - from < gso_size ? len - from : gso_size;
	const bool last = from + payload == len;

	memcpy(segment, packet, headers);
	memcpy(segment + headers, packet + from, payload);
	if (segment[link_header] >> 4 == 4)
		write16(segment + link_header + 4, (read16(packet + link_header + 4) + n) & 0xffff);
	if (protocol == TCP) {
		uint8_t *tcp = segment + transport;

		write32(tcp + 4, read32(tcp + 4) + (uint32_t)(n * gso_size));
		if (!last)
			tcp[13] &= (uint8_t) ~(FIN | PSH);
		if (n)
			tcp[13] &= (uint8_t)~CWR;
	}
	write_lengths_and_checks(segment, headers + payload, transport, protocol);
	return headers + payload;
}

/* Any packet of any sort that has an own transport header, at most 65535 bytes with the link
 * header; the payload at most max. */
static inline struct plan random_plan(size_t max)
{
	struct plan plan = {
		.link = (uint8_t)next_random(),
		.version = next_random() % 2 ? 4 : 6,
		.protocol = next_random() % 2 ? TCP : UDP,
		.addresses = (uint8_t)next_random(),
		.source_port = (uint16_t)next_random(),
		.destination_port = (uint16_t)next_random(),
		.tos = (uint8_t)next_random(),
		.ttl = (uint8_t)next_random(),
		.id = (uint16_t)next_random(),
		.fragment = next_random() % 2 ? 0x4000 : 0,
		.flow_label = next_random() & 0xfffff,
		.sequence = (uint32_t)next_random(),
		.ack = (uint32_t)next_random(),
		.reserved = next_random() & 15,
		.flags = (uint8_t)next_random(),
		.window = (uint16_t)next_random(),
		.urgent = (uint16_t)next_random(),
		.tcp_options = below(11) * 4,
		.tcp_option_byte = (uint8_t)next_random(),
		.payload_byte = (uint8_t)next_random(),
	};
	if (next_random() % 4 == 0)
		plan.ip_options = below(11) * 4;
	if (next_random() % 4 == 0)
		plan.extension = below(5) * 8;
	plan.payload = below(max + 1);
	if (plan.payload > 65535 - headers_of(&plan))
		plan.payload = 65535 - headers_of(&plan);
	return plan;
}

#endif
