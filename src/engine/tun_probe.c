/* SPDX-License-Identifier: ISC */
/* Whether the TUN or TAP device takes merged packets. */
/*
 * There are kernels that say they do, and refuse each with EINVAL (tailscale/tailscale#13041 tells
 * of some). That is found out here with packets which can do no harm, and not with the first ones
 * that somebody waits for.
 *
 * At this time the device is down, as a rule: the kernel looks at a packet's virtio_net_hdr, and
 * then drops the packet (EIO), which counts as dropped in the device's statistics and is seen by
 * nobody. Where a device that somebody else made is up, the packets come in, for a capture to see.
 * Their sources are the broadcast address and a multicast address, from which the kernel accepts
 * nothing on any device, whatever its routes and settings; and which it never answers.
 *
 * A TAP device that is up may be a port of a bridge, which would pass a frame for nobody on to all
 * the others. So the frames are for an address of which none of them is ever passed on (that of
 * pause frames, IEEE 802.1Q §8.6.3), and come from one that no frame may come from: a bridge learns
 * nothing from it, and Linux's drops the frame for that alone.
 */
#include "engine/tun.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <stdint.h>
#include <string.h>

#include "core/checksum.h"
#include "core/frame.h"
#include "core/offload.h"

enum {
	SEGMENT = 64,
	SEGMENTS = 2,
	PORT = 9, /* discard */
	SIZE = FRAME_LINK_MIN + 40 + 20 + SEGMENTS * SEGMENT,
};

struct probe {
	uint8_t gso_type;
	uint8_t protocol;
	bool v6;
};

/* The link header's length. */
static size_t make_link(uint8_t *frame, bool v6)
{
	static const uint8_t addresses[] = { 0x01, 0x80, 0xc2, 0, 0, 0x01, /* to */
		0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
	const uint16_t type = htons(v6 ? FRAME_TYPE_IPV6 : FRAME_TYPE_IPV4);

	memcpy(frame, addresses, sizeof(addresses));
	memcpy(frame + sizeof(addresses), &type, sizeof(type));
	return FRAME_LINK_MIN;
}

/* The checksum of addresses, protocol and length, to which the kernel adds the rest. */
static uint16_t partial_check(
	const void *addresses, size_t addresses_len, uint8_t protocol, size_t len)
{
	return checksum_fold(
		checksum_sum(addresses, addresses_len) + htons(protocol) + htons((uint16_t)len));
}

/* The header's length; *check is the start of the transport's checksum. len: of what follows. */
static size_t make_v4(uint8_t *packet, uint8_t protocol, size_t len, uint16_t *check)
{
	struct ip ip = { .ip_v = 4,
		.ip_hl = sizeof(ip) / 4,
		.ip_len = htons((uint16_t)(sizeof(ip) + len)),
		.ip_ttl = 1,
		.ip_p = protocol,
		.ip_src.s_addr = INADDR_BROADCAST };

	inet_pton(AF_INET, "192.0.2.1", &ip.ip_dst); /* for documentation: nobody's */
	ip.ip_sum = (uint16_t)~checksum_fold(checksum_sum(&ip, sizeof(ip)));
	*check = partial_check(&ip.ip_src, 2 * sizeof(ip.ip_src), protocol, len);
	memcpy(packet, &ip, sizeof(ip));
	return sizeof(ip);
}

static size_t make_v6(uint8_t *packet, uint8_t protocol, size_t len, uint16_t *check)
{
	struct ip6_hdr ip = { .ip6_flow = htonl(6u << 28),
		.ip6_plen = htons((uint16_t)len),
		.ip6_nxt = protocol,
		.ip6_hlim = 1 };

	inet_pton(AF_INET6, "ff01::1", &ip.ip6_src);
	inet_pton(AF_INET6, "100::1", &ip.ip6_dst); /* to be discarded, RFC 6666 */
	*check = partial_check(&ip.ip6_src, 2 * sizeof(ip.ip6_src), protocol, len);
	memcpy(packet, &ip, sizeof(ip));
	return sizeof(ip);
}

/* The transport header, as that of a packet in the midst of a flow. Its length. */
static size_t make_transport(uint8_t *at, uint8_t protocol, size_t len, uint16_t check)
{
	const struct tcphdr tcp = { .source = htons(PORT),
		.dest = htons(PORT),
		.doff = sizeof(tcp) / 4,
		.ack = 1,
		.check = check };
	const struct udphdr udp = { .source = htons(PORT),
		.dest = htons(PORT),
		.len = htons((uint16_t)len),
		.check = check };

	if (protocol == IPPROTO_TCP)
		memcpy(at, &tcp, sizeof(tcp));
	else
		memcpy(at, &udp, sizeof(udp));
	return protocol == IPPROTO_TCP ? sizeof(tcp) : sizeof(udp);
}

/* As the tunnel writes them: core/offload_merge.c. */
static bool is_refused(int fd, const struct tun_offload *offload, const struct probe *probe)
{
	const bool tcp = probe->protocol == IPPROTO_TCP;
	const size_t len =
		(tcp ? sizeof(struct tcphdr) : sizeof(struct udphdr)) + (size_t)SEGMENTS * SEGMENT;
	uint8_t packet[SIZE] = { 0 };
	uint16_t check;
	const size_t link = offload->frames ? make_link(packet, probe->v6) : 0;
	uint8_t *ip = packet + link;
	const size_t transport = link + (probe->v6 ? make_v6(ip, probe->protocol, len, &check)
						   : make_v4(ip, probe->protocol, len, &check));
	const size_t headers =
		transport + make_transport(packet + transport, probe->protocol, len, check);
	struct virtio_net_hdr header = { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.gso_type = probe->gso_type,
		.hdr_len = (uint16_t)headers,
		.gso_size = SEGMENT,
		.csum_start = (uint16_t)transport,
		.csum_offset =
			tcp ? offsetof(struct tcphdr, check) : offsetof(struct udphdr, check) };
	const struct iovec parts[] = { { &header, sizeof(header) }, { packet, headers + SEGMENT },
		{ packet + headers + SEGMENT, SEGMENT } };

	return tun_write(fd, offload, parts, 3) == -EINVAL;
}

void tun_probe(int fd, struct tun_offload *offload)
{
	static const struct probe probes[] = {
		{ VIRTIO_NET_HDR_GSO_TCPV4, IPPROTO_TCP, false },
		{ VIRTIO_NET_HDR_GSO_TCPV6, IPPROTO_TCP, true },
		{ VIRTIO_NET_HDR_GSO_UDP_L4, IPPROTO_UDP, false },
		{ VIRTIO_NET_HDR_GSO_UDP_L4, IPPROTO_UDP, true },
	};

	for (size_t i = 0; i < sizeof(probes) / sizeof(*probes); i++) {
		bool *merge = probes[i].protocol == IPPROTO_TCP ? &offload->merge_tcp
								: &offload->merge_udp;

		if (*merge && is_refused(fd, offload, &probes[i]))
			*merge = false;
	}
}
