/* SPDX-License-Identifier: ISC */
/*
 * The story of an Ethernet frame: over a plain wire to one peer, or through a switch between the
 * host and several.
 *
 * A switch looks up who is behind the destination (core/switch.h). A frame for one peer is sealed
 * as an IP packet is; one for all of them is sealed for each, segment by segment where it is a
 * super-frame, because splitting writes over what it has split. What a peer sent for others is
 * sealed where it was opened, behind the message's head, before the batch's frames are merged for
 * the host: its tag leaves room for the padding.
 */
#include "core/frame.h"
#include "core/inner.h"
#include "core/tunnel_internal.h"

/* Frames for all peers wait for one that has no session only while so few do: they must not drive
 * out what is for it alone. Long ones do not wait at all: all of a crowd that is away would take
 * memory for each. */
enum { FLOODS_STAGED_MAX = WIRE_STAGED_MAX / 4, FLOOD_STAGED_LEN = SWITCH_FLOOD_LEN };

struct frame {
	uint8_t *bytes;
	size_t len;
	size_t link_len;
	uint8_t *packet; /* the IP packet that it carries, or NULL */
};

/* ---- Padding: zeros, and behind them a byte that says how many ---- */

size_t ethernet_padded(size_t len, unsigned mtu)
{
	const size_t least = len + 1;
	const size_t padded = (least + WIRE_PADDING - 1) & ~(size_t)(WIRE_PADDING - 1);
	const size_t full = (size_t)mtu + FRAME_LINK_MIN + FRAME_TAG + 1;

	if (!len) /* a keepalive */
		return 0;
	if (!mtu || padded <= full)
		return padded;
	return least > full ? least : full;
}

void ethernet_pad(uint8_t *frame, size_t len, size_t padded)
{
	if (padded > len)
		frame[padded - 1] = (uint8_t)(padded - len - 1);
}

/* 0: the padding is wrong. */
static size_t unpadded_length(const uint8_t *plain, size_t len)
{
	const size_t padding = plain[len - 1] + (size_t)1;

	return padding <= WIRE_PADDING && padding < len ? len - padding : 0;
}

/* ---- Frames ---- */

/* False: too short to be one. */
static bool read_frame(struct frame *frame, uint8_t *bytes, size_t len)
{
	*frame = (struct frame){ bytes, len, frame_link_len(bytes, len), NULL };
	if (!frame->link_len)
		return false;
	if (frame_family(bytes, len, frame->link_len))
		frame->packet = bytes + frame->link_len;
	return true;
}

uint8_t ethernet_ecn(const struct offload_split *split)
{
	struct frame frame;

	return read_frame(&frame, split->packet, split->len) && frame.packet
		       ? inner_ecn(frame.packet)
		       : 0;
}

/* from: whose frame it is; NULL: the host's. */
static bool comes_back(struct tunnel *tunnel, const struct frame *frame, const struct peer *from,
	const struct peer *to)
{
	return frame->packet &&
	       tunnel_comes_back(tunnel, frame->packet, frame->len - frame->link_len, from, to);
}

/* ---- The switch ---- */

/* The port that a frame leaves by which came in by another; NULL: it may be any. */
static struct switch_port *look_up(
	struct tunnel *tunnel, const struct frame *frame, struct switch_port *in, struct now now)
{
	const uint16_t vlan = frame_vlan(frame->bytes, frame->link_len);

	switch_learn(tunnel->addresses, frame_source(frame->bytes), vlan, in, now.boot);
	return switch_find(tunnel->addresses, frame_destination(frame->bytes), vlan, now.boot);
}

static struct peer *peer_of(struct switch_port *port)
{
	return TABLE_ENTRY(port, struct peer, port);
}

static void plan_whole(
	struct tunnel *tunnel, struct peer *to, uint8_t *bytes, size_t len, struct now now)
{
	offload_split_whole(&tunnel->seal_jobs[tunnel->seal_count].split, bytes, len);
	tunnel_plan(tunnel, to, now);
}

/* One of the copies of a frame. A peer that has enough waiting is not asked for a session again, so
 * that it is given up in the end. False: it is lost. */
static bool plan_copy(
	struct tunnel *tunnel, struct peer *to, uint8_t *bytes, size_t len, struct now now)
{
	if (tunnel_may_send(to, now)) {
		plan_whole(tunnel, to, bytes, len, now);
		return true;
	}
	if (to->staged_count >= FLOODS_STAGED_MAX || len > FLOOD_STAGED_LEN) {
		to->counters.dropped++;
		return false;
	}
	peer_stage(to, bytes, len);
	handshake_want_in_turn(tunnel, to, now);
	return true;
}

/* To all peers that a frame which came in by the port may go to, and that are somewhere; or to
 * nobody, if the port had so many sent. */
static void plan_for_all(
	struct tunnel *tunnel, struct switch_port *in, uint8_t *bytes, size_t len, struct now now)
{
	size_t copies = 0;

	if (!switch_may_flood(in, now.boot)) {
		tunnel->counters.floods_dropped++;
		return;
	}
	for (struct peer *peer = tunnel->first_peer; peer; peer = peer->next_peer)
		if (endpoint_is_set(&peer->endpoint) && switch_may_pass(in, &peer->port) &&
			plan_copy(tunnel, peer, bytes, len, now))
			copies++;
	switch_flooded(in, copies, len, now.boot);
}

/* The host's frame, to all peers. The next segment lies over this one, so that this one goes at
 * once. */
static void flood_split(struct tunnel *tunnel, struct offload_split split, struct now now)
{
	uint8_t *segment;
	size_t len;

	while ((len = offload_split_next(&split, &segment))) {
		plan_for_all(tunnel, &tunnel->host_port, segment, len, now);
		if (split.count > 1)
			tunnel_send_planned(tunnel, now);
	}
}

/* There is room for as many frames as are opened. */
static void plan_for_host(struct tunnel *tunnel, const struct frame *frame)
{
	offload_merge_add(&tunnel->merge, frame->bytes, frame->len, frame->link_len);
}

/* The host has all that it can take: its copy makes no more of anything. */
static void flood_frame(
	struct tunnel *tunnel, const struct frame *frame, struct peer *from, struct now now)
{
	plan_for_host(tunnel, frame);
	if (!frame_stays_on_link(frame_destination(frame->bytes)) &&
		!comes_back(tunnel, frame, from, NULL))
		plan_for_all(tunnel, &from->port, frame->bytes, frame->len, now);
}

/* A peer's frame, to the host, to another peer, or to all of them. */
static void pass_on(
	struct tunnel *tunnel, const struct frame *frame, struct peer *from, struct now now)
{
	struct switch_port *port = look_up(tunnel, frame, &from->port, now);

	if (!port)
		flood_frame(tunnel, frame, from, now);
	else if (port == &tunnel->host_port)
		plan_for_host(tunnel, frame);
	else if (switch_may_pass(&from->port, port) &&
		 !comes_back(tunnel, frame, from, peer_of(port)))
		plan_whole(tunnel, peer_of(port), frame->bytes, frame->len, now);
}

void ethernet_tell_switch(struct tunnel *tunnel, struct peer *peer)
{
	if (peer->current->told_switch == tunnel_is_switch(tunnel))
		return;
	timers_want_handshake(&peer->timers);
	timers_initiate_at(&peer->timers, 0);
	tunnel_schedule(tunnel, peer);
}

/* ---- Both directions ---- */

void ethernet_outbound(struct tunnel *tunnel, struct tunnel_packet *packet, struct now now)
{
	struct offload_split *split = &tunnel->seal_jobs[tunnel->seal_count].split;
	struct peer *to = tunnel->first_peer;
	struct frame frame;

	if (!read_frame(&frame, packet->data, packet->len)) {
		tunnel->counters.malformed++;
		return;
	}
	if (!to) {
		tunnel->counters.no_route++;
		return;
	}
	if (tunnel_is_switch(tunnel)) {
		struct switch_port *port = look_up(tunnel, &frame, &tunnel->host_port, now);

		if (port == &tunnel->host_port) /* it is there already */
			return;
		to = port ? peer_of(port) : NULL;
	}
	if (comes_back(tunnel, &frame, NULL, to))
		return;
	if (offload_split_begin(split, &packet->header, frame.bytes, frame.len, frame.link_len))
		tunnel->counters.malformed++;
	else if (to)
		tunnel_plan(tunnel, to, now);
	else
		flood_split(tunnel, *split, now);
}

void ethernet_inbound(struct tunnel *tunnel, struct open_job *job, struct now now)
{
	struct peer *peer = job->session->peer;
	uint8_t *plain = job->datagram->data + sizeof(struct wire_data);
	struct frame frame;

	if (!read_frame(&frame, plain, unpadded_length(plain, job->len))) {
		tunnel->counters.malformed++;
		return;
	}
	if (frame.packet && !inner_decapsulate_ecn(frame.packet, job->datagram->tos))
		return;
	peer->counters.rx_packets++;
	if (tunnel_is_switch(tunnel))
		pass_on(tunnel, &frame, peer, now);
	else
		plan_for_host(tunnel, &frame);
}
