/* SPDX-License-Identifier: ISC */
/*
 * Driven: core/frame.c, and core/offload.h in both directions, by frames that are wrong in every
 * way.
 * Input: a byte that chooses. A batch: frames of a few flows, each with up to three VLAN tags and
 * then cut, lengthened, of another EtherType or IP length, or with bytes overwritten; each is also
 * given to splitting with a header that may lie. There and back: a super-frame, perhaps spoilt
 * likewise.
 *
 * Asserted: where the link header ends and whether IP follows is found as by a naive walk. All that
 * offload_check.h does: whatever is beside it in the batch, a frame comes out as it went in. What
 * was split and merged again is byte for byte the same frames; and, if nothing was spoilt, one
 * super-frame, which is byte for byte the first one.
 */
#include "offload_check.h"

#include <sys/socket.h>

#include "core/frame.h"

enum { STREAMS = 4, FRAME_MIN = 14 };

static int naive_family(const uint8_t *frame, size_t len)
{
	const size_t link = naive_link(frame, len);
	const unsigned type = read16(frame + link - 2);

	if (type == 0x0800 && len >= link + 20 && frame[link] >> 4 == 4)
		return AF_INET;
	return type == 0x86dd && len >= link + 40 && frame[link] >> 4 == 6 ? AF_INET6 : 0;
}

/* In memory that ends where the frame does. */
static void check_frame(const uint8_t *frame, size_t len)
{
	uint8_t *exact = fuzz_copy(frame, len);
	const size_t found = frame_link_len(exact, len);

	if (len < FRAME_MIN) {
		FUZZ_CHECK(!found, "a header of %zu bytes in a frame of %zu", found, len);
	} else {
		FUZZ_CHECK(found == naive_link(frame, len), "%zu bytes", found);
		FUZZ_CHECK(frame_family(exact, len, found) == naive_family(frame, len),
			"another family");
		FUZZ_CHECK(frame_vlan(exact, found) ==
				   (found > FRAME_MIN ? read16(frame + FRAME_MIN) & 0xfff : 0),
			"another VLAN");
	}
	free(exact);
}

/* Spoils a frame, in one or more ways. Its new length, not more than PACKET_SIZE. */
static size_t spoil(uint8_t *frame, size_t len, struct fuzz_input *input)
{
	const uint8_t how = fuzz_byte(input);

	if (how & 1) /* an EtherType or a tag's place, or what is neither */
		write16(frame + 12 + fuzz_below(input, 8) * 2, fuzz_number(input, 2));
	if (how & 2) /* a length of the packet's */
		frame[link_header + 2 + fuzz_below(input, 4)] += fuzz_byte(input);
	for (uint8_t count = how >> 4 & 3; count--;)
		frame[fuzz_below(input, len)] = fuzz_byte(input);
	if (how & 4)
		len = fuzz_below(input, len + 1);
	if (how & 8) {
		const size_t more = fuzz_below(input, 64);

		memset(frame + len, how, more);
		len += more;
	}
	return len;
}

/* What splitting makes of it, if the device said what it never would. */
static void split_frame(const uint8_t *frame, size_t len, struct fuzz_input *input)
{
	static const uint8_t types[] = { 0, 1, 4, 5, 0x81, 3 };
	static uint8_t copy[PACKET_SIZE];
	const uint8_t choice = fuzz_byte(input);
	const int protocol = choice & 1 ? UDP : TCP;
	const size_t link = naive_link(frame, len);
	const size_t in_ip = naive_transport(frame + link, len - link, protocol);
	struct virtio_net_hdr header = { .flags = choice >> 1 & 1,
		.gso_type = types[(choice >> 2) % 6],
		.gso_size = fuzz_byte(input),
		.csum_start = (uint16_t)(link + in_ip),
		.csum_offset = protocol == UDP ? 6 : 16 };

	if (choice & 0x80)
		header.csum_start = fuzz_byte(input);
	memcpy(copy, frame, len);
	split(&header, copy, len);
}

static void add_frame(struct batch *batch, struct plan *stream, struct fuzz_input *input)
{
	uint8_t *frame = batch->originals[batch->count];
	const uint8_t form = fuzz_byte(input);
	struct plan plan = *stream;

	link_header = FRAME_MIN + (form & 3) * 4;
	plan.link = form >> 6;
	*stream = after(plan);
	size_t len = build(&plan, frame);

	if (form & 4)
		len = spoil(frame, len, input);
	check_frame(frame, len);
	if (len < FRAME_MIN) /* the tunnel does not come this far */
		return;
	if (form & 8)
		split_frame(frame, len, input);
	batch_add(batch, len);
}

static void merge_spoilt(struct fuzz_input *input)
{
	static struct batch batch;
	struct plan streams[STREAMS];

	for (size_t i = 0; i < STREAMS; i++) {
		streams[i] = plain((int)i);
		streams[i].payload = 1 + fuzz_byte(input);
	}
	batch_begin(&batch);
	while (input->left && batch.count < BATCH)
		add_frame(&batch, &streams[fuzz_below(input, STREAMS)], input);
	merge_batch(&batch, true, true);
}

/* The segments of a super-frame as a batch. False: it is none, or they are too many or too long. */
static bool take_segments(
	struct batch *batch, const struct virtio_net_hdr *header, const uint8_t *super, size_t len)
{
	uint8_t *copy = fuzz_copy(super, len), *segment;
	struct offload_split parts;
	size_t got;

	batch_begin(batch);
	if (!split(header, copy, len) ||
		offload_split_begin(&parts, header, copy, len, naive_link(super, len)) ||
		parts.count > BATCH || parts.segment_len > PACKET_SIZE) {
		free(copy);
		return false;
	}
	while ((got = offload_split_next(&parts, &segment))) {
		memcpy(batch->originals[batch->count], segment, got);
		batch_add(batch, got);
	}
	free(copy);
	return true;
}

static void there_and_back(struct fuzz_input *input)
{
	static uint8_t super[65536];
	static struct batch batch;
	const uint8_t form = fuzz_byte(input);
	struct plan plan = plain(form & 3);
	struct virtio_net_hdr header;

	link_header = FRAME_MIN + (form >> 2 & 3) * 4;
	plan.payload = 1 + fuzz_number(input, 2) % 20000;
	plan.tcp_options = (form >> 4 & 1) * 12u;
	plan.flags |= form >> 5 & 1 ? PSH : 0;
	const size_t gso_size = 1 + fuzz_below(input, 800);
	size_t len = build_super(&plan, gso_size, super, &header);
	const size_t count = (plan.payload + gso_size - 1) / gso_size;
	const bool spoilt = form & 64, too_many = count > (plan.protocol == UDP ? 64 : BATCH);

	if (spoilt)
		len = spoil(super, len, input);
	check_frame(super, len);
	if (len < FRAME_MIN || !take_segments(&batch, &header, super, len)) {
		FUZZ_CHECK(spoilt || count > BATCH || (form & 12) == 12, "refused");
		return;
	}
	batch.id_may_differ = false;
	merge_batch(&batch, true, true);
	if (spoilt || too_many || count == 1)
		return;
	FUZZ_CHECK(batch.outputs == 1, "%zu outputs", batch.outputs);
	FUZZ_CHECK(!memcmp(&batch.header, &header, sizeof(header)), "another header");
	FUZZ_CHECK(batch.len == len && !memcmp(batch.whole, super, len), "another frame");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct fuzz_input input = { data, len };

	fuzz_begin(0);
	ethernet = true;
	if (fuzz_bool(&input))
		there_and_back(&input);
	else
		merge_spoilt(&input);
	return 0;
}
