/* SPDX-License-Identifier: ISC */
/* Merging packets: what may become one, and what may not. */
#include "offload_batch.h"

/* ---- There and back ---- */

/* A super-packet, split and merged, is the same super-packet. */
static void test_split_then_merge_gives_the_same(void **state)
{
	static uint8_t super[65536], copy[65536];
	size_t merged = 0;

	(void)state;
	random_state = 1;
	for (unsigned i = rounds(40000); i--;) {
		struct plan plan = random_plan(i % 64 ? 3000 : 65535);
		struct virtio_net_hdr header, back;
		struct offload_split split;
		uint8_t *segment = NULL;
		size_t got;

		plan.ip_options = plan.extension = 0;
		plan.reserved = 0;
		plan.flags = i % 2 ? ACK : ACK | PSH;
		if (!plan.payload)
			continue;
		const size_t most = plan.protocol == TCP ? BATCH : 64;
		const size_t least = (plan.payload + most - 1) / most;
		const size_t gso_size = least + below(least < 1400 ? 1400 : 20);
		const size_t len = build_super(&plan, gso_size, super, &header);

		memcpy(copy, super, len);
		assert_int_equal(offload_split_begin(&split, &header, copy, len, link_header), 0);
		if (split.count == 1 || split.segment_len > SLOT)
			continue;
		offload_merge_begin(&merge, true, true);
		for (size_t n = 0; (got = offload_split_next(&split, &segment)); n++) {
			memcpy(slots[n], segment, got);
			assert_true(offload_merge_add(&merge, slots[n], got, link_header));
		}
		assert_int_equal(take(&back), len);
		assert_memory_equal(&back, &header, sizeof(header));
		assert_memory_equal(whole, super, len);
		expect_end();
		merged++;
	}
	assert_true(merged > rounds(10000));
}

/* ---- One rule each ---- */

struct rule {
	const char *name;
	unsigned kinds; /* bits: TCP and UDP over IPv4 and IPv6, as in plain() */
	bool merges;
	void (*change)(struct plan *first, struct plan *second);
};

enum {
	TCP4 = 1,
	TCP6 = 2,
	UDP4 = 4,
	UDP6 = 8,
	V4 = TCP4 | UDP4,
	V6 = TCP6 | UDP6,
	ANY_TCP = TCP4 | TCP6,
	ANY_UDP = UDP4 | UDP6,
	ANY = V4 | V6
};

#define RULE(name, statements)                                    \
	static void name(struct plan *first, struct plan *second) \
	{                                                         \
		(void)first, (void)second;                        \
		statements;                                       \
	}

RULE(nothing, )
RULE(other_ttl, second->ttl--)
RULE(other_dscp, second->tos ^= 0x80)
RULE(other_ecn, second->tos ^= 3)
RULE(other_label, second->flow_label ^= 1)
RULE(other_addresses, second->addresses++)
RULE(other_protocol, second->protocol ^= TCP ^ UDP)
RULE(other_source_port, second->source_port++)
RULE(other_destination_port, second->destination_port++)
RULE(df_in_second, (first->fragment = 0, second->fragment = 0x4000))
RULE(df_in_first, second->fragment = 0)
RULE(evil_bit, first->fragment = second->fragment = 0x8000)
RULE(evil_bit_and_df, first->fragment = second->fragment = 0xc000)
RULE(any_id_with_df, second->id = 7)
RULE(same_id_with_df, second->id = first->id)
RULE(next_id, first->fragment = second->fragment = 0)
RULE(same_id, (first->fragment = second->fragment = 0, second->id = first->id))
RULE(skipped_id, (first->fragment = second->fragment = 0, second->id++))
RULE(other_ack, second->ack++)
RULE(other_window, second->window++)
RULE(other_urgent, second->urgent++)
RULE(other_option_bytes, second->tcp_option_byte++)
RULE(more_options, second->tcp_options += 4)
RULE(fewer_options, second->tcp_options -= 4)
RULE(no_options, first->tcp_options = second->tcp_options = 0)
RULE(all_options, first->tcp_options = second->tcp_options = 40)
RULE(reserved_bits, first->reserved = second->reserved = 1)
RULE(reserved_bit_in_second, second->reserved = 8)
RULE(gap, second->sequence++)
RULE(overlap, second->sequence--)
RULE(repeated, second->sequence = first->sequence)
RULE(longer, second->payload++)
RULE(shorter, second->payload--)
RULE(one_byte, second->payload = 1)
RULE(both_one_byte, (first->payload = second->payload = 1, second->sequence = first->sequence + 1))
RULE(no_payload, second->payload = 0)
RULE(none_in_first, (first->payload = 0, second->sequence = first->sequence))
RULE(push_in_second, second->flags |= PSH)
RULE(push_in_first, first->flags |= PSH)
RULE(ip_options, first->ip_options = second->ip_options = 4)
RULE(ip_options_in_second, second->ip_options = 40)
RULE(extension, first->extension = second->extension = 8)
RULE(extension_in_second, second->extension = 8)
RULE(more_fragments, first->fragment = second->fragment = 0x2000)
RULE(more_fragments_in_second, second->fragment |= 0x2000)
RULE(offset_low_bit, second->fragment |= 0x0001)
RULE(offset_high_bit, second->fragment |= 0x1000)
RULE(all_offset_bits, second->fragment |= 0x1fff)

static const struct rule rules[] = {
	{ "nothing", ANY, true, nothing },
	{ "missing TTL compare", ANY, false, other_ttl },
	{ "DSCP", ANY, false, other_dscp },
	{ "ECN", ANY, false, other_ecn },
	{ "flow label", V6, false, other_label },
	{ "addresses", ANY, false, other_addresses },
	{ "protocol", ANY, false, other_protocol },
	{ "source port", ANY, false, other_source_port },
	{ "destination port", ANY, false, other_destination_port },
	{ "DF in the second", V4, false, df_in_second },
	{ "DF in the first", V4, false, df_in_first },
	{ "the reserved bit", V4, false, evil_bit },
	{ "the reserved bit and DF", V4, false, evil_bit_and_df },
	{ "any id with DF", V4, true, any_id_with_df },
	{ "same id with DF", V4, true, same_id_with_df },
	{ "next id without DF", V4, true, next_id },
	{ "same id without DF", V4, false, same_id },
	{ "skipped id without DF", V4, false, skipped_id },
	{ "ack", ANY_TCP, false, other_ack },
	{ "window", ANY_TCP, false, other_window },
	{ "urgent pointer", ANY_TCP, false, other_urgent },
	{ "TCP options' bytes", ANY_TCP, false, other_option_bytes },
	{ "more TCP options", ANY_TCP, false, more_options },
	{ "fewer TCP options", ANY_TCP, false, fewer_options },
	{ "no TCP options", ANY_TCP, true, no_options },
	{ "40 bytes of TCP options", ANY_TCP, true, all_options },
	{ "reserved TCP bits", ANY_TCP, false, reserved_bits },
	{ "a reserved TCP bit in the second", ANY_TCP, false, reserved_bit_in_second },
	{ "gap", ANY_TCP, false, gap },
	{ "overlap", ANY_TCP, false, overlap },
	{ "repeated", ANY_TCP, false, repeated },
	{ "longer than the first", ANY, false, longer },
	{ "shorter than the first", ANY, true, shorter },
	{ "one byte more", ANY, true, one_byte },
	{ "one byte each", ANY, true, both_one_byte },
	{ "no payload", ANY, false, no_payload },
	{ "no payload in the first", ANY, false, none_in_first },
	{ "PSH in the second", ANY_TCP, true, push_in_second },
	{ "PSH in the first", ANY_TCP, false, push_in_first },
	{ "IP options", V4, false, ip_options },
	{ "IP options in the second", V4, false, ip_options_in_second },
	{ "extension header", V6, false, extension },
	{ "extension header in the second", V6, false, extension_in_second },
	{ "wrong MF mask", V4, false, more_fragments },
	{ "wrong MF mask, second", V4, false, more_fragments_in_second },
	{ "fragment offset 1", V4, false, offset_low_bit },
	{ "fragment offset 0x1000", V4, false, offset_high_bit },
	{ "fragment offset 0x1fff", V4, false, all_offset_bits },
};

/* In each direction: what differs may come first or second. */
static void test_rules(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rules) / sizeof(*rules); i++) {
		for (int kind = 0; kind < 4; kind++) {
			if (!(rules[i].kinds & 1u << kind))
				continue;
			struct plan first = plain(kind), second = after(first);

			rules[i].change(&first, &second);
			put(0, &first);
			put(1, &second);
			add_slots(2);
			if (merge.output_count != (rules[i].merges ? 1 : 2))
				fail_msg("%s, kind %d", rules[i].name, kind);
			if (!rules[i].merges) {
				expect_untouched(0);
				expect_untouched(1);
			} else if (first.fragment && first.version == 4) {
				struct virtio_net_hdr header;

				assert_int_equal(take(&header), lengths[0] + second.payload);
			} else {
				expect_merged(0, 2);
			}
			expect_end();
		}
	}
}

/* The fields of the virtio header, spelt out. */
static void test_virtio_header(void **state)
{
	static const struct {
		int kind;
		uint8_t gso_type;
		uint16_t hdr_len, csum_start, csum_offset;
	} cases[] = {
		{ 0, 1, 52, 20, 16 },
		{ 1, 4, 72, 40, 16 },
		{ 2, 5, 28, 20, 6 },
		{ 3, 5, 48, 40, 6 },
	};

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		struct plan plan = plain(cases[i].kind);
		struct virtio_net_hdr header;

		for (size_t n = 0; n < 3; n++, plan = after(plan))
			put(n, &plan);
		add_slots(3);
		const size_t len = take(&header);

		assert_int_equal(len, link_header + cases[i].hdr_len + 3000);
		assert_int_equal(header.flags, 1);
		assert_int_equal(header.gso_type, cases[i].gso_type);
		assert_int_equal(header.hdr_len, link_header + cases[i].hdr_len);
		assert_int_equal(header.gso_size, 1000);
		assert_int_equal(header.csum_start, link_header + cases[i].csum_start);
		assert_int_equal(header.csum_offset, cases[i].csum_offset);
		assert_int_equal(read16(whole + header.csum_start + header.csum_offset),
			slow_pseudo(whole, plan.protocol, len - header.csum_start));
		if (plan.version == 4)
			assert_int_equal(slow_sum(whole + link_header, 20), 0xffff);
		expect_end();
	}
}

/* Only ACK and ACK|PSH are merged, and PSH ends it: all flags, in the first and in the second. */
static void test_all_flag_combinations(void **state)
{
	(void)state;
	for (unsigned flags = 0; flags < 65536; flags++) {
		struct plan first = plain_tcp(flags % 2 ? 4 : 6);

		first.payload = 16;
		struct plan second = after(first);

		first.flags = (uint8_t)flags;
		second.flags = (uint8_t)(flags >> 8);
		put(0, &first);
		put(1, &second);
		add_slots(2);
		if (first.flags == ACK && (second.flags & ~PSH) == ACK) {
			expect_merged(0, 2);
		} else {
			expect_untouched(0);
			expect_untouched(1);
		}
		expect_end();
	}
}

/* ---- Runs of packets ---- */

static void test_nothing_after_a_short_tail(void **state)
{
	(void)state;
	for (int kind = 0; kind < 4; kind++) {
		struct plan plan = plain(kind);

		for (size_t n = 0; n < 5; n++) {
			struct plan cut = plan;

			cut.payload -= n == 1;
			put(n, &cut);
			plan = after(cut);
			plan.payload = 1000;
		}
		add_slots(5);
		expect_merged(0, 2);
		expect_merged(2, 3);
		expect_end();
	}
}

static void test_nothing_after_push(void **state)
{
	(void)state;
	for (int kind = 0; kind < 2; kind++) {
		struct plan plan = plain(kind);

		for (size_t n = 0; n < 6; n++, plan = after(plan)) {
			plan.flags = n == 2 || n == 3 ? ACK | PSH : ACK;
			put(n, &plan);
		}
		add_slots(6);
		expect_merged(0, 3);
		expect_untouched(3);
		expect_merged(4, 2);
		expect_end();
	}
}

/* What the checksum covers, byte by byte: one flipped bit anywhere (but where the flow changes)
 * leaves the packet as it was. */
static void test_bad_checksum_anywhere(void **state)
{
	(void)state;
	for (int kind = 0; kind < 4; kind++) {
		const struct plan any = plain(kind);
		const size_t headers = headers_of(&any);

		for (size_t bit = link_header * 8; bit < (headers + 20) * 8; bit++) {
			struct plan plan = plain(kind);

			plan.payload = 20;
			for (size_t n = 0; n < 3; n++, plan = after(plan))
				put(n, &plan);
			slots[1][bit / 8] ^= (uint8_t)(1 << bit % 8);
			add_slots(3);
			/* A new flow, or the same: packet 1 stands alone; TCP's third has lost
			 * touch */
			if (merge.output_count == 3) {
				expect_untouched(0);
				expect_untouched(1);
				expect_untouched(2);
			} else {
				struct virtio_net_hdr header;

				assert_int_equal(merge.output_count, 2);
				assert_true(kind >= 2 || bit / 8 < headers);
				assert_int_equal(take(&header), lengths[0] + 20);
				expect_untouched(1);
			}
			expect_end();
		}
	}
}

/* wireguard-go#145: a packet with a bad checksum stands between good ones, wherever it comes, and
 * with a header that says nothing. */
static void test_stale_header_after_bad_checksum(void **state)
{
	(void)state;
	for (int kind = 0; kind < 4; kind++) {
		for (size_t bad = 0; bad < 7; bad++) {
			struct plan plan = plain(kind);

			for (size_t n = 0; n < 7; n++, plan = after(plan))
				put(n, &plan);
			slots[bad][lengths[bad] - 1] ^= 1;
			add_slots(7);
			if (bad == 1)
				expect_untouched(0);
			else if (bad)
				expect_merged(0, bad);
			expect_untouched(bad);
			if (bad == 5)
				expect_untouched(6);
			else if (bad < 5)
				expect_merged(bad + 1, 6 - bad);
			expect_end();
		}
	}
}

/* The same memory for batch after batch: nothing of an earlier one is left. */
static void test_stale_header_from_last_batch(void **state)
{
	(void)state;
	for (int kind = 0; kind < 4; kind++) {
		struct plan plan = plain(kind), second = after(plan);

		put(0, &plan);
		put(1, &second);
		add_slots(2);
		expect_merged(0, 2);
		put(0, &plan);
		put(1, &second);
		slots[0][lengths[0] - 1] ^= 1;
		add_slots(2);
		expect_untouched(0);
		expect_untouched(1);
		expect_end();
	}
}

/* Right checksums for a packet whose lengths are not. transport: behind the link header. */
static void fix_checks(size_t slot, size_t transport, int protocol)
{
	uint8_t *ip = slots[slot] + link_header;
	const size_t len = lengths[slot] - link_header - transport;
	uint8_t *check = ip + transport + (protocol == TCP ? 16 : 6);

	if (transport == 20) {
		write16(ip + 10, 0);
		write16(ip + 10, ~slow_sum(ip, 20) & 0xffff);
	}
	write16(check, 0);
	write16(check,
		~fold(slow_pseudo(slots[slot], protocol, len) + slow_sum(ip + transport, len)) &
			0xffff);
}

/* None at all, or a 0 where the sum is 0 and should have been written as 0xffff. */
static void test_udp_without_checksum(void **state)
{
	(void)state;
	for (int kind = 2; kind < 4; kind++) {
		for (int sum_is_zero = 0; sum_is_zero < 2; sum_is_zero++) {
			struct plan plan = plain(kind);

			for (size_t n = 0; n < 5; n++, plan = after(plan))
				put(n, &plan);
			uint8_t *check = slots[2] + link_header + (kind == 2 ? 26 : 46);
			uint8_t *last = slots[2] + lengths[2] - 2;

			if (sum_is_zero)
				write16(last, fold(read16(last) + read16(check)));
			write16(check, 0);
			add_slots(5);
			expect_merged(0, 2);
			expect_untouched(2);
			expect_merged(3, 2);
			expect_end();
		}
	}
}

/* A UDP length, or an IP length, that is not the packet's. */
static void test_lengths_that_disagree(void **state)
{
	(void)state;
	for (int kind = 0; kind < 4; kind++) {
		const size_t ip_field = kind % 2 ? 4 : 2, udp_field = kind % 2 ? 44 : 24;

		for (int change = -3; change <= 3; change++) {
			for (int field = 0; field < (kind < 2 ? 1 : 2); field++) {
				struct plan plan = plain(kind), second = after(plan);

				put(0, &plan);
				put(1, &second);
				uint8_t *at =
					slots[1] + link_header + (field ? udp_field : ip_field);

				write16(at, (read16(at) + (unsigned)change) & 0xffff);
				fix_checks(1, kind % 2 ? 40 : 20, plan.protocol);
				add_slots(2);
				if (change) {
					expect_untouched(0);
					expect_untouched(1);
				} else {
					expect_merged(0, 2);
				}
				expect_end();
			}
		}
	}
}

/* TCP's data offset: below 5 there is no header, beyond the end no payload. */
static void test_tcp_data_offset(void **state)
{
	(void)state;
	for (int kind = 0; kind < 2; kind++) {
		for (uint8_t words = 0; words < 16; words++) {
			const size_t transport = kind ? 40 : 20;
			struct plan plan = plain(kind);
			const bool merges = words >= 5 && words < 10;

			plan.tcp_options = 0;
			plan.payload = 20;
			put(0, &plan);
			plan.sequence += 40u - words * 4u;
			put(1, &plan);
			for (size_t n = 0; n < 2; n++) {
				uint8_t *tcp = slots[n] + link_header + transport;

				tcp[12] = (uint8_t)(words << 4);
				memset(tcp + 20, 1, 20);
				fix_checks(n, transport, TCP);
			}
			add_slots(2);
			assert_int_equal(merge.output_count, merges ? 1 : 2);
		}
	}
}

/* "length + 40 wrapping in 16 bits": neither the whole nor a part may be counted in 16 bits. */
static void test_lengths_do_not_wrap(void **state)
{
	static uint8_t large[3][66000];
	struct virtio_net_hdr header;

	(void)state;
	for (int kind = 0; kind < 4; kind++) {
		struct plan plan = plain(kind);
		size_t lens[3];

		/* Two fill 65535 bytes to the last, or one byte more. */
		for (size_t more = 0; more < 2; more++) {
			const size_t headers = headers_of(&plan);

			plan = plain(kind);
			plan.payload = (65535 - headers) / 2 + 1;
			lens[0] = build(&plan, large[0]);
			plan = after(plan);
			plan.payload = 65535 - headers - plan.payload + more;
			lens[1] = build(&plan, large[1]);
			offload_merge_begin(&merge, true, true);
			assert_true(offload_merge_add(&merge, large[0], lens[0], link_header));
			assert_true(offload_merge_add(&merge, large[1], lens[1], link_header));
			assert_int_equal(merge.output_count, 1 + more);
			assert_int_equal(take(&header), more ? lens[0] : 65535);
		}
		/* 80,000 is 14,464 to a careless eye. */
		plan = plain(kind);
		plan.payload = 40000;
		for (size_t n = 0; n < 3; n++, plan = after(plan))
			lens[n] = build(&plan, large[n]);
		offload_merge_begin(&merge, true, true);
		for (size_t n = 0; n < 3; n++)
			assert_true(offload_merge_add(&merge, large[n], lens[n], link_header));
		assert_int_equal(merge.output_count, 3);
	}
	/* An IPv6 packet of 65535 + 40 bytes, which IP allows: as it is. 16 bits say 39. */
	for (size_t i = 0; i < sizeof(large[0]); i++)
		large[0][i] = (uint8_t)i;
	struct plan plan = plain_udp(6);

	plan.payload = 65535 - 8;
	const size_t len = build(&plan, large[0]);

	assert_int_equal(len, link_header + 65575);
	memcpy(large[1], large[0], len);
	offload_merge_begin(&merge, true, true);
	assert_true(offload_merge_add(&merge, large[0], len, link_header));
	assert_true(offload_merge_add(&merge, large[0], link_header + 39, link_header));
	assert_int_equal(take(&header), len);
	assert_true(is_zero(&header));
	assert_memory_equal(whole, large[1], len);
}

/* "Splits off by one at a full array": the last place is used, the next packet is not taken. */
static void test_full_batch(void **state)
{
	(void)state;
	for (int kind = 0; kind < 4; kind++) {
		for (int spread = 0; spread < 2; spread++) {
			struct plan plan = plain(kind);

			plan.payload = 100;
			for (size_t n = 0; n <= BATCH; n++, plan = after(plan)) {
				plan.source_port = (uint16_t)(1000 + (spread ? n : 0));
				put(n, &plan);
			}
			add_slots(BATCH);
			memcpy(originals[BATCH], slots[BATCH], SLOT);
			assert_false(offload_merge_add(
				&merge, slots[BATCH], lengths[BATCH], link_header));
			if (spread) {
				for (size_t n = 0; n < BATCH; n++)
					expect_untouched(n);
			} else if (plan.protocol == TCP) {
				expect_merged(0, BATCH);
			} else { /* 64 segments: the kernel takes no more */
				expect_merged(0, 64);
				expect_merged(64, 64);
			}
			expect_end();
			assert_false(offload_merge_add(
				&merge, slots[BATCH], lengths[BATCH], link_header));
			assert_memory_equal(slots[BATCH], originals[BATCH], lengths[BATCH]);
			offload_merge_begin(&merge, true, true);
			assert_true(offload_merge_add(
				&merge, slots[BATCH], lengths[BATCH], link_header));
			expect_untouched(BATCH);
			expect_end();
		}
	}
}

static void test_nothing_is_added_while_taking(void **state)
{
	struct plan plan = plain_tcp(4), second = after(plan);

	(void)state;
	put(0, &plan);
	put(1, &second);
	add_slots(1);
	expect_untouched(0);
	assert_false(offload_merge_add(&merge, slots[1], lengths[1], link_header));
	expect_end();
	offload_merge_begin(&merge, true, true);
	expect_end();
}

static void test_switches(void **state)
{
	(void)state;
	for (int kind = 0; kind < 4; kind++) {
		for (int tcp = 0; tcp < 2; tcp++) {
			for (int udp = 0; udp < 2; udp++) {
				struct plan plan = plain(kind), second = after(plan);

				put(0, &plan);
				put(1, &second);
				memcpy(originals, slots, 2 * SLOT);
				offload_merge_begin(&merge, tcp, udp);
				assert_true(offload_merge_add(
					&merge, slots[0], lengths[0], link_header));
				assert_true(offload_merge_add(
					&merge, slots[1], lengths[1], link_header));
				if (kind < 2 ? tcp : udp) {
					expect_merged(0, 2);
				} else {
					expect_untouched(0);
					expect_untouched(1);
				}
				expect_end();
			}
		}
	}
}

/* ---- Between others ---- */

/* A packet of the flow that cannot be merged is not overtaken: A A x A A gives AA x AA. */
static void test_what_closes_a_flow(void **state)
{
	static const struct {
		const char *name;
		unsigned kinds;
		void (*change)(struct plan *first, struct plan *second);
		bool closes;
	} cases[] = {
		{ "fragment", V4, more_fragments_in_second, true },
		{ "later fragment", V4, all_offset_bits, true },
		{ "IP options", V4, ip_options_in_second, true },
		{ "extension header", V6, extension_in_second, true },
		{ "no payload", ANY, no_payload, true },
		{ "window", ANY_TCP, other_window, true },
		{ "another flow", ANY, other_source_port, false },
		{ "the other protocol", ANY, other_protocol, false },
		{ "other addresses", ANY, other_addresses, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		for (int kind = 0; kind < 4; kind++) {
			if (!(cases[i].kinds & 1u << kind))
				continue;
			struct plan plan = plain(kind), other;

			for (size_t n = 0; n < 5; n++) {
				if (n == 2) {
					other = plan;
					cases[i].change(&plan, &other);
					put(2, &other);
					continue;
				}
				put(n, &plan);
				plan = after(plan);
			}
			add_slots(5);
			if (merge.output_count != (cases[i].closes ? 3 : 2))
				fail_msg("%s, kind %d", cases[i].name, kind);
			if (cases[i].closes) {
				expect_merged(0, 2);
				expect_untouched(2);
				expect_merged(3, 2);
			} else {
				struct virtio_net_hdr header;

				assert_int_equal(take(&header), lengths[0] + 3000);
				expect_untouched(2);
			}
			expect_end();
		}
	}
}

/* A fragment of other addresses, and a ping, close nothing. */
static void test_what_does_not_close_a_flow(void **state)
{
	(void)state;
	for (int kind = 0; kind < 4; kind++) {
		struct plan plan = plain(kind), other;

		put(0, &plan);
		plan = after(plan);
		other = plan;
		if (plan.version == 4) {
			other.addresses++;
			other.fragment = 0x2000;
		}
		put(1, &other);
		if (plan.version == 4)
			write16(slots[1] + link_header + 10, 0);
		else
			slots[1][link_header + 6] = 58;
		put(2, &plan);
		add_slots(3);
		struct virtio_net_hdr header;

		assert_int_equal(take(&header), lengths[0] + 1000);
		expect_untouched(1);
		expect_end();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_split_then_merge_gives_the_same),
		cmocka_unit_test(test_rules),
		cmocka_unit_test(test_virtio_header),
		cmocka_unit_test(test_all_flag_combinations),
		cmocka_unit_test(test_nothing_after_a_short_tail),
		cmocka_unit_test(test_nothing_after_push),
		cmocka_unit_test(test_bad_checksum_anywhere),
		cmocka_unit_test(test_stale_header_after_bad_checksum),
		cmocka_unit_test(test_stale_header_from_last_batch),
		cmocka_unit_test(test_udp_without_checksum),
		cmocka_unit_test(test_lengths_that_disagree),
		cmocka_unit_test(test_tcp_data_offset),
		cmocka_unit_test(test_lengths_do_not_wrap),
		cmocka_unit_test(test_full_batch),
		cmocka_unit_test(test_nothing_is_added_while_taking),
		cmocka_unit_test(test_switches),
		cmocka_unit_test(test_what_closes_a_flow),
		cmocka_unit_test(test_what_does_not_close_a_flow),
	};
	int failed = 0;

	for (const char *name = NULL; (name = next_link(name));)
		failed += cmocka_run_group_tests_name(name, tests, NULL, NULL);
	return failed;
}
