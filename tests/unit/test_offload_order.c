/* SPDX-License-Identifier: ISC */
/* Merging packets: those of one flow keep their order, whatever stands between them. */
#include "offload_batch.h"

#include "core/frame.h"

/* A flow is found again behind any number of others, closed ones and open ones. */
static void test_flow_is_found_behind_others(void **state)
{
	(void)state;
	for (size_t others = 0; others <= BATCH - 2; others++) {
		struct plan plan = plain_tcp(4), other = plan;

		put(0, &plan);
		for (size_t n = 1; n <= others; n++) {
			other.source_port++;
			other.flags = n % 3 ? ACK | PSH : ACK;
			put(n, &other);
		}
		plan = after(plan);
		put(others + 1, &plan);
		add_slots(others + 2);
		struct virtio_net_hdr header;

		assert_int_equal(take(&header), lengths[0] + plan.payload);
		for (size_t n = 1; n <= others; n++)
			expect_untouched(n);
		expect_end();
	}
}

/* Which flows were open at the end of one batch is nothing to the next. */
static void test_open_flows_end_with_their_batch(void **state)
{
	struct plan y = plain_tcp(4), x = plain_tcp(4);
	struct virtio_net_hdr header;

	(void)state;
	x.source_port++;
	put(0, &y);
	put(1, &x);
	add_slots(2);
	x.flags |= PSH;
	put(1, &x);
	x = after(x);
	put(2, &x);
	y = after(y);
	put(3, &y);
	add_slots(4);
	assert_int_equal(take(&header), lengths[0] + y.payload);
	expect_untouched(1);
	expect_untouched(2);
	expect_end();
}

/* A flow, and what the merger made of it. */
struct tagged {
	uint32_t tag;
	uint32_t ports;
	int version;
};

static int compare_tags(const void *left, const void *right)
{
	const struct tagged *a = left, *b = right;

	return (a->tag > b->tag) - (a->tag < b->tag);
}

static void put_tagged(size_t slot, const struct tagged *flow)
{
	struct plan plan = plain_udp(flow->version);

	plan.payload = 1;
	plan.source_port = (uint16_t)flow->ports;
	plan.destination_port = (uint16_t)(flow->ports >> 16);
	put(slot, &plan);
}

/* Two flows that look the same at first sight are two. Among so many there are some. */
static void test_flows_with_the_same_tag(void **state)
{
	enum { FLOWS = 200000 };
	struct tagged *flows = malloc(FLOWS * sizeof(*flows));
	size_t collisions = 0;

	(void)state;
	assert_non_null(flows);
	random_state = 7;
	for (size_t i = 0; i < FLOWS; i++) {
		flows[i].version = i % 2 ? 4 : 6;
		flows[i].ports = (uint32_t)next_random();
		put_tagged(0, &flows[i]);
		add_slots(1);
		flows[i].tag = merge.tags[0];
		assert_int_not_equal(flows[i].tag, 0);
	}
	qsort(flows, FLOWS, sizeof(*flows), compare_tags);
	for (size_t i = 1; i < FLOWS; i++) {
		if (flows[i].tag != flows[i - 1].tag || flows[i].ports == flows[i - 1].ports)
			continue;
		put_tagged(0, &flows[i - 1]);
		put_tagged(1, &flows[i]);
		add_slots(2);
		expect_untouched(0);
		expect_untouched(1);
		collisions++;
	}
	assert_true(collisions > 0 && collisions < 100);
	free(flows);
}

/* A flow as a random batch makes it. */
struct stream {
	struct plan next;
	size_t sent[BATCH], count; /* the slots of its packets, and of those that might be */
};

enum { STREAMS = 12 };

static struct stream streams[STREAMS];

static void begin_streams(void)
{
	for (size_t s = 0; s < STREAMS; s++) {
		struct plan *plan = &streams[s].next;

		*plan = plain((int)below(4));
		plan->addresses = (uint8_t)(s / 4); /* four flows between the same two hosts */
		plan->source_port = (uint16_t)(1000 + s);
		plan->payload = 1 + below(60);
		plan->fragment = next_random() % 2 ? 0x4000 : 0;
		plan->id = (uint16_t)next_random();
		plan->sequence = (uint32_t)next_random();
		plan->tcp_options = below(4) * 4;
		streams[s].count = 0;
	}
}

/* Something that happens to packets. Returns true if it hides which flow this one is of. */
static bool happen(struct plan *plan, struct plan *next)
{
	switch (below(14)) {
	case 0:
		plan->flags |= (uint8_t)(1 << below(8));
		return false;
	case 1:
		plan->ttl--;
		return false;
	case 2:
		next->payload = 1 + below(60);
		return false;
	case 3:
		plan->payload = below(plan->payload + 1);
		next->sequence = plan->sequence + (uint32_t)plan->payload;
		return false;
	case 4:
		plan->sequence -= (uint32_t)below(3);
		return false;
	case 5:
		plan->fragment |= plan->version == 4 ? 1 << below(15) & 0x3fff : 0;
		return plan->fragment & 0x3fff;
	case 6:
		plan->ip_options = plan->version == 4 ? 4 : 0;
		plan->extension = plan->version == 6 ? 8 : 0;
		return true;
	case 7:
		next->ack++;
		return false;
	case 8:
		next->window++;
		return false;
	case 9:
		plan->link++;
		return false;
	default:
		return false;
	}
}

static void damage(size_t slot)
{
	const size_t at = transport_of(&(struct plan){ .version = slots[slot][link_header] >> 4 });

	if (next_random() % 24 == 0) /* behind the ports, so that it stays of its flow */
		slots[slot][at + 4 + below(lengths[slot] - at - 4)] ^= (uint8_t)(1 << below(8));
}

static void note_sent(size_t stream, size_t slot, bool hidden)
{
	const struct plan *plan = &streams[stream].next;

	for (size_t s = 0; s < STREAMS; s++) {
		const struct plan *other = &streams[s].next;

		if (s == stream || (hidden && other->addresses == plan->addresses &&
					   other->version == plan->version))
			streams[s].sent[streams[s].count++] = slot;
	}
}

static void send_one(size_t slot)
{
	const size_t s = next_random() % 3 ? below(STREAMS) : below(2);
	struct plan plan = streams[s].next;
	struct plan *next = &streams[s].next;
	bool hidden = false;

	*next = after(plan);
	if (next_random() % 8 == 0)
		hidden = happen(&plan, next);
	put(slot, &plan);
	damage(slot);
	note_sent(s, slot, hidden);
}

/* A segment that came out is slot's packet; where fragmentation is forbidden the id may differ. */
static bool is_slot(const uint8_t *segment, size_t len, size_t slot, bool merged)
{
	static uint8_t expected[SLOT];

	if (len != lengths[slot])
		return false;
	memcpy(expected, originals[slot], len);
	uint8_t *ip = expected + link_header;

	if (merged && ip[0] >> 4 == 4 && ip[6] == 0x40) {
		memcpy(ip + 4, segment + link_header + 4, 2);
		write16(ip + 10, 0);
		write16(ip + 10, ~slow_sum(ip, 20) & 0xffff);
	}
	return !memcmp(segment, expected, len);
}

/* Which slot this segment is: it must be the next one of every flow that it is, or may be, of. */
static bool strike_out(const uint8_t *segment, size_t len, bool merged)
{
	for (size_t s = 0; s < STREAMS; s++) {
		if (!streams[s].count || !is_slot(segment, len, streams[s].sent[0], merged))
			continue;
		const size_t slot = streams[s].sent[0];

		for (size_t other = 0; other < STREAMS; other++) {
			struct stream *stream = &streams[other];

			for (size_t i = 1; i < stream->count; i++)
				if (stream->sent[i] == slot)
					return false; /* overtook what is before it */
			if (stream->count && stream->sent[0] == slot)
				memmove(stream->sent, stream->sent + 1,
					--stream->count * sizeof(*stream->sent));
		}
		return true;
	}
	return false;
}

/* Whatever the batch: split again, slowly, what comes out is what went in, each flow in its order.
 */
static void test_flows_keep_their_order(void **state)
{
	static uint8_t segment[65536];
	size_t packets = 0, outputs = 0;

	(void)state;
	random_state = 5;
	for (unsigned round = rounds(6000); round--;) {
		const size_t count = 1 + below(BATCH);
		struct virtio_net_hdr header;
		size_t len, segment_len;

		begin_streams();
		for (size_t slot = 0; slot < count; slot++)
			send_one(slot);
		add_slots(count);
		for (packets += count; (len = take(&header)); outputs++) {
			if (is_zero(&header))
				assert_true(strike_out(whole, len, false));
			for (size_t n = 0; !is_zero(&header); n++) {
				segment_len = slow_segment(whole, len, &header, n, segment);
				if (!segment_len)
					break;
				assert_true(strike_out(segment, segment_len, true));
			}
		}
		for (size_t s = 0; s < STREAMS; s++)
			assert_int_equal(streams[s].count, 0);
	}
	assert_true(packets > rounds(300000) && outputs < packets * 3 / 4);
}

/* ---- Anything at all ---- */

/* Packets that somebody spoilt or cut, in memory that ends where they end: what is not merged is as
 * it was, and no byte is lost. */
static void test_spoilt_packets(void **state)
{
	static uint8_t *exact[BATCH];
	size_t merged = 0;

	(void)state;
	random_state = 6;
	for (unsigned round = rounds(4000); round--;) {
		const size_t count = 1 + below(BATCH);
		struct plan plan = plain((int)below(4));
		struct virtio_net_hdr header;
		size_t len, outputs = 0;

		offload_merge_begin(&merge, true, true);
		for (size_t n = 0; n < count; n++) {
			plan.payload = 1 + (size_t)round % 50;
			put(n, &plan);
			plan = after(plan);
			if (next_random() % 4 == 0)
				lengths[n] = link_header + below(lengths[n] - link_header + 1);
			for (size_t flips = below(3); flips-- && lengths[n];)
				slots[n][below(lengths[n])] = (uint8_t)next_random();
			exact[n] = malloc(lengths[n] + !lengths[n]);
			assert_non_null(exact[n]);
			memcpy(exact[n], slots[n], lengths[n]);
			assert_true(offload_merge_add(&merge, exact[n], lengths[n],
				link_header ? frame_link_len(exact[n], lengths[n]) : 0));
		}
		for (size_t parts = 0; parts < count; outputs++) {
			size_t pieces = 0;
			const struct iovec *chain = offload_merge_next(&merge, &pieces);

			assert_non_null(chain);
			memcpy(&header, chain[0].iov_base, sizeof(header));
			assert_int_equal(is_zero(&header), pieces == 2);
			len = chain[1].iov_len;
			for (size_t n = 0; pieces == 2 && n < count; n++)
				if (chain[1].iov_base == exact[n] && len)
					assert_memory_equal(exact[n], slots[n], lengths[n]);
			parts += pieces - 1;
			merged += pieces > 2;
		}
		assert_null(offload_merge_next(&merge, &len));
		for (size_t n = 0; n < count; n++)
			free(exact[n]);
	}
	assert_true(merged > rounds(1000));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_flows_keep_their_order),
		cmocka_unit_test(test_spoilt_packets),
		cmocka_unit_test(test_flow_is_found_behind_others),
		cmocka_unit_test(test_open_flows_end_with_their_batch),
	};
	const struct CMUnitTest of_ip[] = {
		cmocka_unit_test(test_flows_with_the_same_tag),
	};
	int failed = 0;

	for (const char *name = NULL; (name = next_link(name));)
		failed += cmocka_run_group_tests_name(name, tests, NULL, NULL);
	link_header = 0;
	return failed + cmocka_run_group_tests_name("tags", of_ip, NULL, NULL);
}
