/* SPDX-License-Identifier: ISC */
/* IPv4 and IPv6 headers (RFC 791, RFC 8200), by offsets: nothing is assumed of alignment. */
#include "core/inner.h"

#include <string.h>
#include <sys/socket.h>

enum {
	IPV4_HEADER = 20,
	IPV6_HEADER = 40,
	IPV6_FRAGMENT = 44, /* a header of 8 bytes */
	FRAGMENT_OFFSET = 0x1fff,
	ECN_MASK = 3,
	ECN_NOT_ECT = 0,
	ECN_ECT_1 = 1,
	ECN_ECT_0 = 2,
	ECN_CE = 3,
};

static bool is_v4(const uint8_t *packet)
{
	return packet[0] >> 4 == 4;
}

static size_t get16(const uint8_t *bytes)
{
	return (size_t)bytes[0] << 8 | bytes[1];
}

int inner_family(const uint8_t *packet, size_t len)
{
	if (len >= IPV4_HEADER && is_v4(packet))
		return AF_INET;
	if (len >= IPV6_HEADER && packet[0] >> 4 == 6)
		return AF_INET6;
	return 0;
}

const uint8_t *inner_source(const uint8_t *packet)
{
	return packet + (is_v4(packet) ? 12 : 8);
}

const uint8_t *inner_destination(const uint8_t *packet)
{
	return packet + (is_v4(packet) ? 16 : 24);
}

size_t inner_length(const uint8_t *packet, size_t len)
{
	const size_t stated = is_v4(packet) ? get16(packet + 2) : IPV6_HEADER + get16(packet + 4);

	if (stated > len || (is_v4(packet) && stated < IPV4_HEADER))
		return 0;
	return stated;
}

/* Where the UDP header begins, 0 if there is none in this packet. */
static size_t find_udp(const uint8_t *packet, size_t len)
{
	if (is_v4(packet))
		return packet[9] == IPPROTO_UDP && !(get16(packet + 6) & FRAGMENT_OFFSET)
			       ? (size_t)(packet[0] & 15) * 4
			       : 0;
	if (packet[6] == IPPROTO_UDP)
		return IPV6_HEADER;
	if (packet[6] != IPV6_FRAGMENT || len < IPV6_HEADER + 8)
		return 0;
	return packet[IPV6_HEADER] == IPPROTO_UDP && !(get16(packet + IPV6_HEADER + 2) & ~(size_t)7)
		       ? IPV6_HEADER + 8
		       : 0;
}

bool inner_is_udp_to(const uint8_t *packet, size_t len, const struct endpoint *to)
{
	const size_t udp = find_udp(packet, len);
	const uint8_t *destination = inner_destination(packet);

	if (!udp || len < udp + 4)
		return false;
	if (to->any.sa_family == AF_INET)
		return is_v4(packet) && !memcmp(destination, &to->v4.sin_addr, 4) &&
		       !memcmp(packet + udp + 2, &to->v4.sin_port, 2);
	return to->any.sa_family == AF_INET6 && !is_v4(packet) &&
	       !memcmp(destination, &to->v6.sin6_addr, 16) &&
	       !memcmp(packet + udp + 2, &to->v6.sin6_port, 2);
}

size_t inner_udp_destination(const uint8_t *packet, size_t len, uint8_t bytes[18])
{
	const size_t udp = find_udp(packet, len), address = is_v4(packet) ? 4 : 16;

	if (!udp || len < udp + 4)
		return 0;
	memcpy(bytes, inner_destination(packet), address);
	memcpy(bytes + address, packet + udp + 2, 2);
	return address + 2;
}

bool inner_is_udp_from(const uint8_t *packet, size_t len, uint16_t port)
{
	const size_t udp = find_udp(packet, len);

	return udp && len >= udp + 4 && get16(packet + udp) == port;
}

uint8_t inner_ecn(const uint8_t *packet)
{
	return is_v4(packet) ? packet[1] & ECN_MASK : packet[1] >> 4 & ECN_MASK;
}

static void set_ecn(uint8_t *packet, uint8_t ecn)
{
	if (!is_v4(packet)) {
		packet[1] = (uint8_t)((packet[1] & ~(ECN_MASK << 4)) | ecn << 4);
		return;
	}
	/* RFC 1624: the checksum follows the change of one 16-bit word. */
	const uint8_t old = packet[1];

	packet[1] = (uint8_t)((old & ~ECN_MASK) | ecn);
	uint32_t sum =
		(uint32_t)(~get16(packet + 10) & 0xffff) + (~(uint32_t)old & 0xffff) + packet[1];

	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	packet[10] = (uint8_t)(~sum >> 8);
	packet[11] = (uint8_t)~sum;
}

bool inner_decapsulate_ecn(uint8_t *packet, uint8_t outer_tos)
{
	const uint8_t outer = outer_tos & ECN_MASK;
	const uint8_t inner = inner_ecn(packet);

	if (outer == ECN_CE) {
		if (inner == ECN_NOT_ECT)
			return false;
		if (inner != ECN_CE)
			set_ecn(packet, ECN_CE);
	} else if (outer == ECN_ECT_1 && inner == ECN_ECT_0) {
		set_ecn(packet, ECN_ECT_1);
	}
	return true;
}
