/* SPDX-License-Identifier: ISC */
/*
 * Driven: core/offload.h in both directions.
 * Input: a byte that chooses, also whether packets are frames and of how many VLAN tags. Splitting:
 * the virtio header and the packet, raw, or the plan of a super-packet and what is then
 * overwritten. Merging: a batch of packets of a few flows, each with something that happens to it.
 *
 * Asserted: split as the naive splitter of the unit tests does, with right checksums; nothing but
 * the packet is written to; a packet that is none stays as it is, but for the checksum that was
 * asked for. Split again, by the naive splitter and by ours, what was merged is what went in, each
 * flow in its order, every packet once; what was not merged is byte for byte as it was.
 */
#include "offload_check.h"

enum { STREAMS = 6 };

/* ---- Splitting ---- */

static void split_raw(struct fuzz_input *input)
{
	struct virtio_net_hdr header;

	fuzz_take(input, &header, sizeof(header));
	if (ethernet && input->left < 14)
		return;
	uint8_t *packet = fuzz_copy(input->at, input->left);

	split(&header, packet, input->left);
	free(packet);
}

static struct plan read_plan(struct fuzz_input *input)
{
	struct plan plan = plain(fuzz_byte(input) & 3);

	plan.tos = fuzz_byte(input);
	plan.ip_options = fuzz_below(input, 11) * 4;
	plan.extension = fuzz_below(input, 5) * 8;
	plan.id = (uint16_t)fuzz_number(input, 2);
	plan.sequence = (uint32_t)fuzz_number(input, 4);
	plan.flags = fuzz_byte(input);
	plan.tcp_options = fuzz_below(input, 11) * 4;
	return plan;
}

static void split_planned(struct fuzz_input *input)
{
	static uint8_t packet[65536];
	struct virtio_net_hdr header;
	struct plan plan = read_plan(input);
	const size_t gso_size = fuzz_number(input, 2), most = 65535 - headers_of(&plan);

	plan.payload = fuzz_number(input, 2) % (most + 1);
	if (plan.payload / (gso_size + 1) > 300) /* each segment costs the naive way much */
		plan.payload = 300 * gso_size;
	size_t len = build_super(&plan, gso_size, packet, &header);

	while (input->left) {
		const size_t at = fuzz_number(input, 2);
		const uint8_t value = fuzz_byte(input);

		if (at < sizeof(header))
			((uint8_t *)&header)[at] = value;
		else if (at - sizeof(header) < len)
			packet[at - sizeof(header)] = value;
		else if (at == 0xffff && value)
			len -= (len - link_header) % value;
	}
	split(&header, packet, len);
}

/* ---- Merging ---- */

/* Something that befalls a packet, or the rest of its flow from here on. */
static void happen(struct plan *plan, struct plan *next, unsigned what, uint8_t how)
{
	switch (what) {
	case 1:
		plan->flags ^= (uint8_t)(1 << how % 8);
		break;
	case 2:
		plan->ttl ^= how;
		break;
	case 3:
		next->payload = how;
		break;
	case 4:
		plan->payload = how;
		next->sequence = plan->sequence + how;
		break;
	case 5:
		plan->sequence += how;
		break;
	case 6:
		plan->fragment ^= plan->version == 4 ? (uint16_t)(1 << how % 16) : 0;
		break;
	case 7:
		plan->ip_options = plan->version == 4 ? how % 11u * 4 : 0;
		plan->extension = plan->version == 6 ? how % 5u * 8 : 0;
		break;
	case 8:
		*(how & 1 ? &next->window : &plan->id) ^= how;
		break;
	case 9:
		next->ack += how;
		plan->tos ^= how;
		break;
	case 10:
		plan->tcp_option_byte ^= how;
		plan->urgent ^= how >> 4;
		break;
	case 11:
		plan->link ^= how;
		break;
	default:
		break;
	}
}

/* Of another number of tags, perhaps, than the others of its flow. */
static void add_packet(struct batch *batch, struct plan *stream, struct fuzz_input *input)
{
	uint8_t *packet = batch->originals[batch->count];
	const uint8_t what = fuzz_byte(input);
	struct plan plan = *stream;

	*stream = after(plan);
	if (what & 15)
		happen(&plan, stream, what & 15, fuzz_byte(input));
	if (ethernet && what & 64)
		link_header = 14 + 4 * fuzz_below(input, 3);
	size_t len = build(&plan, packet);

	if (what & 16)
		packet[fuzz_below(input, len)] ^= (uint8_t)(1 << fuzz_below(input, 8));
	if (what & 32)
		len = link_header + fuzz_below(input, len - link_header + 1);
	batch_add(batch, len);
}

static void read_batch(struct batch *batch, struct fuzz_input *input)
{
	const size_t usual = link_header;
	struct plan streams[STREAMS];

	for (size_t i = 0; i < STREAMS; i++) {
		const uint8_t kind = fuzz_byte(input);

		streams[i] = plain(kind & 3);
		streams[i].source_port = (uint16_t)(1000 + i);
		streams[i].fragment = kind & 4 ? 0x4000 : 0;
		streams[i].payload = fuzz_byte(input);
		streams[i].tcp_options = (size_t)(kind >> 4) % 11 * 4;
		streams[i].id = (uint16_t) - (kind >> 3 & 1);
	}
	while (input->left && batch->count < BATCH) {
		add_packet(batch, &streams[fuzz_below(input, STREAMS)], input);
		link_header = usual;
	}
}

static void merge(struct fuzz_input *input)
{
	static struct batch batch;
	const uint8_t allowed = fuzz_byte(input);

	batch_begin(&batch);
	read_batch(&batch, input);
	merge_batch(&batch, !(allowed & 1), !(allowed & 2));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const size_t links[] = { 0, 14, 18, 22 };
	struct fuzz_input input = { data, len };
	const uint8_t choice = fuzz_byte(&input);

	fuzz_begin(0);
	link_header = links[choice / 3 % 4];
	ethernet = link_header;
	switch (choice % 3) {
	case 0:
		split_raw(&input);
		break;
	case 1:
		split_planned(&input);
		break;
	default:
		merge(&input);
		break;
	}
	return 0;
}
