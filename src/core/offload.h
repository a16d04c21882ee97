/* SPDX-License-Identifier: ISC */
/* What a network card would do for the TUN device: splitting super-packets, merging packets. */
/*
 * With IFF_VNET_HDR each packet to and from the device is preceded by a struct virtio_net_hdr, in
 * the machine's byte order. One read may bring up to 64 KiB of one flow, to be split into packets
 * of the connection's size (TSO, USO); one write may hand over as much (GRO). Both work in place.
 *
 * Of a TAP device the packets are Ethernet frames. Then the length of each one's link header is
 * told with it (core/frame.h: frame_link_len), and all offsets and lengths, those in the virtio
 * header too, count from the frame's beginning. It is 0 for the IP packets of a TUN device.
 */
#ifndef CORE_OFFLOAD_H
#define CORE_OFFLOAD_H

#include <linux/virtio_net.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#ifndef VIRTIO_NET_HDR_GSO_UDP_L4 /* kernel headers before 6.2 */
#define VIRTIO_NET_HDR_GSO_UDP_L4 5
#endif

enum {
	OFFLOAD_PACKET_MAX = 65535, /* without a link header; of what is merged, with it */
	OFFLOAD_HEADERS_MAX = 256,  /* link, IP with options or extension headers, TCP or UDP */
	OFFLOAD_MERGE_MAX = 128,    /* packets a batch */
};

/* A super-packet on its way into segments. */
struct offload_split {
	size_t count;       /* of segments; 1 for a packet that is none */
	size_t segment_len; /* of all but the last, which may be shorter */

	/* private */
	uint8_t *packet;
	size_t len;
	size_t done;
	size_t gso_size;
	size_t link_len;
	size_t transport;
	size_t headers_len; /* 0: the packet is given out as it is */
	uint8_t protocol;
	uint8_t headers[OFFLOAD_HEADERS_MAX]; /* with the fields that differ set to 0 */
	uint64_t ip_sum;                      /* of the IPv4 header in headers */
	uint64_t transport_sum; /* of the transport header in headers, and the pseudo-header */
	uint32_t sequence;
	uint16_t id;
	uint16_t flags; /* the 16 bits that hold TCP's data offset and flags */
};

/*
 * Takes a packet as it was read from the device. Of the header, nothing is believed that the packet
 * does not bear out, but the sum that the checksum field of a packet with NEEDS_CSUM holds by then
 * (that of the pseudo-header): it is finished here for a packet that needs no splitting.
 *
 * link_len: not more than len. A frame that carries neither IPv4 nor IPv6 by its link header, or
 * another version than that says, is no super-packet.
 *
 * 0, and split refers to the packet until all segments are taken. -EINVAL: header and packet do not
 * agree; -EPROTONOSUPPORT: a kind of super-packet that nobody asked for; -EMSGSIZE: it is longer
 * than OFFLOAD_PACKET_MAX, or its headers than OFFLOAD_HEADERS_MAX. The packet is to be dropped
 * then.
 */
int offload_split_begin(struct offload_split *split, const struct virtio_net_hdr *header,
	uint8_t *packet, size_t len, size_t link_len);

/* A packet that is to go as it is, an empty one too. */
void offload_split_whole(struct offload_split *split, uint8_t *packet, size_t len);

/*
 * The next segment, a whole packet inside the super-packet, and its length; 0: that was all.
 * Its headers lie over the end of the segment before, which must have been done with by now, and
 * the bytes behind it are the next one's payload: they may be changed only if they are put back.
 */
size_t offload_split_next(struct offload_split *split, uint8_t **segment);

struct offload_output {
	struct virtio_net_hdr header;
	uint8_t first, last; /* of the packets that are chained in it */
	uint8_t segments;
	uint8_t link_len;
	uint8_t transport;   /* in the IP packet */
	uint8_t headers_len; /* likewise */
	uint8_t protocol;
	bool verified; /* the first packet's checksums */
	bool push;     /* a later packet has PSH */
	uint16_t gso_size;
	uint32_t total;         /* IP packet length */
	uint32_t next_sequence; /* TCP */
};

/*
 * A batch of packets, on its way into as few writes as possible. To be allocated by the caller;
 * all members are private.
 */
struct offload_merge {
	bool tcp, udp;
	size_t packet_count;
	size_t output_count;
	size_t taken;
	size_t open_count;
	size_t recent;                         /* the output that was last opened or appended to */
	uint32_t tags[OFFLOAD_MERGE_MAX];      /* by output: of its flow; 0: closed */
	struct iovec parts[OFFLOAD_MERGE_MAX]; /* first packets whole, later ones' payload */
	uint8_t next_part[OFFLOAD_MERGE_MAX];
	struct offload_output outputs[OFFLOAD_MERGE_MAX];
	struct iovec chain[OFFLOAD_MERGE_MAX + 1];
};

/* Begins a batch. Whether TCP (needs TSO4 and TSO6 of the device) and UDP (USO4 and USO6) may be
 * merged; with neither, every packet is an output of its own. */
void offload_merge_begin(struct offload_merge *merge, bool tcp, bool udp);

/* Adds a packet, which stays where it is, unchanged by others, until the outputs have been taken
 * and written. link_len: not more than len. False: the batch is full, and the packet is not in it.
 */
bool offload_merge_add(struct offload_merge *merge, uint8_t *packet, size_t len, size_t link_len);

/*
 * The next output: an array of *count entries for one writev, valid until the next call. NULL: that
 * was all. From the first call on, nothing more can be added until a new batch is begun. Packets of
 * one flow come in the order in which they were added; those that could not be merged come byte for
 * byte.
 */
const struct iovec *offload_merge_next(struct offload_merge *merge, size_t *count);

#endif
