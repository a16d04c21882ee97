/* SPDX-License-Identifier: ISC */
/* Merging frames: what their link headers and what fills them up have to say. */
#include "offload_batch.h"

/* Whatever bit of it differs: the packets stay as they are, and the flow ends there. What is no IP
 * any more is of none, and so neither is what follows it here. */
static void test_any_bit_of_the_link_header(void **state)
{
	(void)state;
	for (int kind = 0; kind < 4; kind++) {
		for (size_t bit = 0; bit < link_header * 8; bit++) {
			struct plan plan = plain(kind);
			const uint8_t flip = (uint8_t)(1 << bit % 8);

			plan.payload = 20;
			for (size_t n = 0; n < 3; n++, plan = after(plan))
				put(n, &plan);
			slots[1][bit / 8] ^= flip;
			if (bit / 8 >= link_header - 2)
				slots[2][bit / 8] ^= flip;
			add_slots(3);
			for (size_t n = 0; n < 3; n++)
				expect_untouched(n);
			expect_end();
		}
	}
}

/* A flow's frames with a tag and without: each run of them by itself, none overtakes another. */
static void test_link_headers_by_turns(void **state)
{
	static const size_t lens[] = { 14, 14, 18, 18, 22, 22, 14, 14 };

	(void)state;
	for (int kind = 0; kind < 4; kind++) {
		struct plan plan = plain(kind);

		offload_merge_begin(&merge, true, true);
		for (size_t n = 0; n < 8; n++, plan = after(plan)) {
			link_header = lens[n];
			put(n, &plan);
			memcpy(originals[n], slots[n], lengths[n]);
			assert_true(offload_merge_add(&merge, slots[n], lengths[n], link_header));
		}
		assert_int_equal(merge.output_count, 4);
		for (size_t n = 0; n < 8; n += 2) {
			link_header = lens[n];
			expect_merged(n, 2);
		}
		expect_end();
	}
}

/* What is no IP by its EtherType stays as it is, equal as it may be to what follows; and it is of
 * no flow that it could end. */
static void test_other_ethertypes(void **state)
{
	static const uint16_t types[] = { 0x0806, 0x8100, 0x88a8, 0x8864, 0x9100, 0x0801, 40, 0 };

	(void)state;
	for (int kind = 0; kind < 4; kind++) {
		for (size_t i = 0; i <= sizeof(types) / sizeof(*types); i++) {
			const uint16_t other = kind % 2 ? 0x0800 : 0x86dd;
			const uint16_t type = i < 8 ? types[i] : other;
			struct plan plan = plain(kind), unknown = plan;
			struct virtio_net_hdr header;

			put(0, &plan);
			for (size_t n = 1; n < 3; n++, unknown = after(unknown)) {
				put(n, &unknown);
				write16(slots[n] + link_header - 2, type);
			}
			plan = after(plan);
			put(3, &plan);
			add_slots(4);
			assert_int_equal(take(&header), lengths[0] + plan.payload);
			expect_untouched(1);
			expect_untouched(2);
			expect_end();
		}
	}
}

/* Ethernet fills up short frames, and nothing tells what it put there: they stay as they are, and
 * in their place. */
static void test_filled_up_frames(void **state)
{
	(void)state;
	for (int kind = 0; kind < 4; kind++) {
		struct plan plan = plain(kind);

		plan.payload = 3;
		for (size_t n = 0; n < 5; n++, plan = after(plan)) {
			put(n, &plan);
			if (n == 2)
				slots[n][lengths[n]++] = 0;
		}
		add_slots(5);
		expect_merged(0, 2);
		expect_untouched(2);
		expect_merged(3, 2);
		expect_end();
	}
}

int main(void)
{
	static const size_t lens[] = { 14, 18, 22 };
	const struct CMUnitTest each[] = {
		cmocka_unit_test(test_any_bit_of_the_link_header),
		cmocka_unit_test(test_other_ethertypes),
		cmocka_unit_test(test_filled_up_frames),
	};
	const struct CMUnitTest mixed[] = {
		cmocka_unit_test(test_link_headers_by_turns),
	};
	int failed = 0;

	for (size_t i = 0; i < sizeof(lens) / sizeof(*lens); i++) {
		link_header = lens[i];
		failed += cmocka_run_group_tests_name("each", each, NULL, NULL);
	}
	return failed + cmocka_run_group_tests_name("mixed", mixed, NULL, NULL);
}
