/* SPDX-License-Identifier: ISC */
/* A batch of packets for the tests of merging: put them in slots, add them, compare what comes out.
 */
#ifndef CULVERT_TESTS_UNIT_OFFLOAD_BATCH_H
#define CULVERT_TESTS_UNIT_OFFLOAD_BATCH_H

#include "offload_packets.h"

enum {
	SLOT = 2048,
	BATCH = OFFLOAD_MERGE_MAX,
};

static struct offload_merge merge;
static uint8_t slots[BATCH + 1][SLOT], originals[BATCH + 1][SLOT];
static size_t lengths[BATCH + 1];
static uint8_t whole[65536 * 2];

/* An output in one piece, without its virtio header. Returns the length; 0: there are no more. */
static inline size_t take(struct virtio_net_hdr *header)
{
	size_t count = 0, len = 0;
	const struct iovec *chain = offload_merge_next(&merge, &count);

	if (!chain)
		return 0;
	assert_true(count >= 2 && count <= BATCH + 1);
	assert_int_equal(chain[0].iov_len, sizeof(*header));
	memcpy(header, chain[0].iov_base, sizeof(*header));
	for (size_t i = 1; i < count; i++) {
		assert_true(len + chain[i].iov_len <= sizeof(whole));
		memcpy(whole + len, chain[i].iov_base, chain[i].iov_len);
		len += chain[i].iov_len;
	}
	return len;
}

static inline bool is_zero(const struct virtio_net_hdr *header)
{
	static const struct virtio_net_hdr zero;

	return !memcmp(header, &zero, sizeof(zero));
}

static inline void put(size_t slot, const struct plan *plan)
{
	lengths[slot] = build(plan, slots[slot]);
}

/* Adds the first slots as a batch, and keeps what they were. */
static inline void add_slots(size_t count)
{
	memcpy(originals, slots, count * SLOT);
	offload_merge_begin(&merge, true, true);
	for (size_t i = 0; i < count; i++)
		assert_true(offload_merge_add(&merge, slots[i], lengths[i], link_header));
}

/* The next output is that packet, as it was. */
static inline void expect_untouched(size_t slot)
{
	struct virtio_net_hdr header;

	assert_int_equal(take(&header), lengths[slot]);
	assert_true(is_zero(&header));
	assert_memory_equal(whole, originals[slot], lengths[slot]);
}

/* The next output splits into those packets, as they were. */
static inline void expect_merged(size_t first, size_t count)
{
	static uint8_t segment[65536];
	struct virtio_net_hdr header;
	const size_t len = take(&header);

	assert_false(is_zero(&header));
	for (size_t n = 0; n < count; n++) {
		assert_int_equal(slow_segment(whole, len, &header, n, segment), lengths[first + n]);
		assert_memory_equal(segment, originals[first + n], lengths[first + n]);
	}
	assert_int_equal(slow_segment(whole, len, &header, count, segment), 0);
}

static inline void expect_end(void)
{
	struct virtio_net_hdr header;

	assert_int_equal(take(&header), 0);
}

#endif
