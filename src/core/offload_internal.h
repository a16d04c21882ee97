/* SPDX-License-Identifier: ISC */
/* What splitting and merging know of headers. Nobody else includes this. */
#ifndef CORE_OFFLOAD_INTERNAL_H
#define CORE_OFFLOAD_INTERNAL_H

#include <string.h>

#include "core/checksum.h"
#include "core/frame.h"
#include "core/offload.h"

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
};

static inline uint16_t get16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static inline uint32_t get32(const uint8_t *at)
{
	return (uint32_t)get16(at) << 16 | get16(at + 2);
}

static inline void put16(uint8_t *at, size_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static inline void put32(uint8_t *at, uint32_t value)
{
	put16(at, value >> 16);
	put16(at + 2, value);
}

static inline bool is_v4(const uint8_t *packet)
{
	return packet[0] >> 4 == 4;
}

/* The checksum field of a transport header. */
static inline size_t check_offset(uint8_t protocol)
{
	return protocol == IPPROTO_TCP ? TCP_CHECK : UDP_CHECK;
}

static inline void write_ipv4_check(uint8_t *packet, uint64_t sum)
{
	const uint16_t check = (uint16_t)~checksum_fold(sum);

	memcpy(packet + IPV4_CHECK, &check, sizeof(check));
}

/* Whether the link header before an IP packet, if there is one, says the version that the packet
 * says. */
static inline bool is_announced(const uint8_t *ip, size_t link_len)
{
	return !link_len || frame_type(ip - link_len, link_len) ==
				    (is_v4(ip) ? FRAME_TYPE_IPV4 : FRAME_TYPE_IPV6);
}

#endif
