/* SPDX-License-Identifier: ISC */
/* The little that a tunnel must know of the Ethernet frames it carries. */
/*
 * A frame is as a TAP device has it: no preamble, no check sequence, and seldom a length of its
 * own. Its link header is all that stands before what it carries: the addresses, at most two VLAN
 * tags (IEEE 802.1Q and 802.1ad, in any order) and the EtherType. What lies behind a third tag is
 * nothing that we know.
 */
#ifndef CORE_FRAME_H
#define CORE_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum {
	FRAME_ADDRESS = 6,
	FRAME_LINK_MIN = 14, /* and so the shortest frame */
	FRAME_TAG = 4,
	FRAME_TAGS_MAX = 2,
	FRAME_LINK_MAX = FRAME_LINK_MIN + FRAME_TAGS_MAX * FRAME_TAG,

	FRAME_TYPE_IPV4 = 0x0800,
	FRAME_TYPE_IPV6 = 0x86dd,
	FRAME_TYPE_TAG = 0x8100,         /* 802.1Q */
	FRAME_TYPE_SERVICE_TAG = 0x88a8, /* 802.1ad */
};

/* The link header's length: 14, 18 or 22. 0: the frame is shorter than any is. A tag that is cut
 * off is left to what the frame carries. */
size_t frame_link_len(const uint8_t *frame, size_t len);

/* The EtherType of a frame, by what frame_link_len said. */
static inline uint16_t frame_type(const uint8_t *frame, size_t link_len)
{
	return (uint16_t)(frame[link_len - 2] << 8 | frame[link_len - 1]);
}

/* The VLAN that a frame is in by its outermost tag. 0: in none, be it that it has a tag which says
 * but a priority. link_len: by frame_link_len, not 0. */
static inline uint16_t frame_vlan(const uint8_t *frame, size_t link_len)
{
	return link_len == FRAME_LINK_MIN
		       ? 0
		       : (uint16_t)((frame[FRAME_LINK_MIN] << 8 | frame[FRAME_LINK_MIN + 1]) &
				    0xfff);
}

/* AF_INET or AF_INET6 for a frame that carries such a packet with a whole header, at frame +
 * link_len; 0 for anything else. link_len: by frame_link_len, not 0. */
int frame_family(const uint8_t *frame, size_t len, size_t link_len);

/* Each FRAME_ADDRESS bytes inside a frame. */
static inline const uint8_t *frame_destination(const uint8_t *frame)
{
	return frame;
}

static inline const uint8_t *frame_source(const uint8_t *frame)
{
	return frame + FRAME_ADDRESS;
}

/* Whether an address is one of many: multicast or broadcast. No frame comes from such a one. */
static inline bool frame_is_group(const uint8_t *address)
{
	return address[0] & 1;
}

/* Whether an address is of a group whose frames end at the other end of a cable: flow control, link
 * aggregation, who may use a port, who is there (IEEE 802.1Q, table 8-1). The first of these
 * groups, the spanning tree's, is for switches that make one: others pass it on, as else nobody
 * would see a loop that leads through them. */
static inline bool frame_stays_on_link(const uint8_t *address)
{
	static const uint8_t groups[FRAME_ADDRESS] = { 0x01, 0x80, 0xc2, 0x00, 0x00, 0x00 };
	const uint8_t last = address[FRAME_ADDRESS - 1];

	return !memcmp(address, groups, FRAME_ADDRESS - 1) && last && last <= 0x0f;
}

#endif
