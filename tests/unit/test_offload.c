/* SPDX-License-Identifier: ISC */
/* Splitting super-packets, against a slow way to do it. test_offload_merge has the way back. */
#include "offload_packets.h"

#include "core/frame.h"

static uint8_t packet[65600 + 64], original[65600], wanted[65600];
static bool split_as_ecn; /* the flag makes no difference */

/* Takes all segments and compares each, then scribbles on it: it has been sent. */
static void check_split(size_t len, const struct virtio_net_hdr *header)
{
	struct virtio_net_hdr given = *header;
	struct offload_split split;
	uint8_t *segment = NULL;
	size_t n = 0, got;

	memcpy(original, packet, len);
	memset(packet + len, 0xa5, 64);
	if (split_as_ecn)
		given.gso_type |= VIRTIO_NET_HDR_GSO_ECN;
	assert_int_equal(offload_split_begin(&split, &given, packet, len, link_header), 0);
	while ((got = offload_split_next(&split, &segment))) {
		const size_t expected = slow_segment(original, len, header, n, wanted);

		assert_int_equal(got, expected);
		assert_memory_equal(segment, wanted, got);
		assert_true(
			n + 1 == split.count ? got <= split.segment_len : got == split.segment_len);
		memset(segment, 0xee, got);
		n++;
	}
	assert_int_equal(n, split.count);
	assert_int_equal(slow_segment(original, len, header, n ? n : 1, wanted), 0);
	assert_int_equal(offload_split_next(&split, &segment), 0);
	for (size_t i = 0; i < 64; i++)
		assert_int_equal(packet[len + i], 0xa5);
}

static void test_random_super_packets(void **state)
{
	size_t segments = 0;

	(void)state;
	random_state = 1;
	for (unsigned i = rounds(30000); i--;) {
		const struct plan plan = random_plan(i % 64 ? 2500 : 65535);
		const size_t gso_size = i % 8 ? 1 + below(1500) : 1 + below(plan.payload / 8 + 20);
		struct virtio_net_hdr header;
		const size_t len = build_super(&plan, gso_size, packet, &header);

		header.hdr_len = (uint16_t)next_random(); /* is to be ignored */
		split_as_ecn = plan.protocol == TCP && i % 4 == 0;
		segments += plan.payload / gso_size + 1;
		check_split(len, &header);
	}
	split_as_ecn = false;
	assert_true(segments > rounds(200000));
}

/* "tiny MSS losing tails": every byte of the payload comes out, in its order, whatever the size;
 * below the length of the headers, these lie over several segments. */
static void test_tiny_mss_keeps_tails(void **state)
{
	(void)state;
	for (size_t gso_size = 1; gso_size < 140; gso_size++) {
		for (int kind = 0; kind < 4; kind++) {
			struct plan plan = kind % 2 ? plain_udp(kind / 2 ? 4 : 6)
						    : plain_tcp(kind / 2 ? 4 : 6);
			struct virtio_net_hdr header;

			plan.payload = 300 + gso_size % 7;
			check_split(build_super(&plan, gso_size, packet, &header), &header);
		}
	}
	struct plan longest = plain_tcp(4);
	struct virtio_net_hdr header;

	longest.payload = link_header + 65535 - headers_of(&longest);
	check_split(build_super(&longest, 1, packet, &header), &header);
}

/* The size of a segment at, one below and one above what the payload divides into. */
static void test_sizes_at_the_edge(void **state)
{
	(void)state;
	for (size_t payload = 0; payload < 40; payload++) {
		for (size_t gso_size = 1; gso_size < 45; gso_size++) {
			struct plan plan = plain_tcp(6);
			struct virtio_net_hdr header;
			struct offload_split split;

			plan.payload = payload;
			const size_t len = build_super(&plan, gso_size, packet, &header);

			check_split(len, &header);
			build_super(&plan, gso_size, packet, &header);
			assert_int_equal(
				offload_split_begin(&split, &header, packet, len, link_header), 0);
			assert_int_equal(
				split.count, payload ? (payload + gso_size - 1) / gso_size : 1);
		}
	}
}

static void test_flags_by_segment(void **state)
{
	static const struct {
		uint8_t flags, first, middle, last;
	} cases[] = {
		{ ACK, ACK, ACK, ACK },
		{ ACK | PSH, ACK, ACK, ACK | PSH },
		{ ACK | FIN, ACK, ACK, ACK | FIN },
		{ ACK | CWR, ACK | CWR, ACK, ACK },
		{ ACK | ECE, ACK | ECE, ACK | ECE, ACK | ECE },
		{ 0xff, 0xff & ~(FIN | PSH), 0xff & ~(FIN | PSH | CWR), 0xff & ~CWR },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const uint8_t expected[] = { cases[i].first, cases[i].middle, cases[i].last };
		struct plan plan = plain_tcp(4);
		struct virtio_net_hdr header;
		struct offload_split split;
		uint8_t *segment = NULL;

		plan.flags = cases[i].flags;
		plan.payload = 2100;
		const size_t len = build_super(&plan, 1000, packet, &header);

		header.gso_type |= VIRTIO_NET_HDR_GSO_ECN;
		assert_int_equal(offload_split_begin(&split, &header, packet, len, link_header), 0);
		assert_int_equal(split.count, 3);
		for (size_t n = 0; n < 3; n++) {
			assert_int_not_equal(offload_split_next(&split, &segment), 0);
			segment += link_header;
			assert_int_equal(segment[20 + 13], expected[n]);
			/* the identification and the sequence number go over their ends */
			assert_int_equal(read16(segment + 4), (0xfffe + n) & 0xffff);
			assert_int_equal(read32(segment + 24), (uint32_t)(0xfffffc00 + n * 1000));
		}
	}
}

/* One change each to a super-packet that is as it should be. */
enum change {
	NOTHING,
	WRONG_VERSION,
	WRONG_TYPE_VERSION,
	WRONG_PROTOCOL,
	NO_SIZE,
	NO_CHECKSUM_FLAG,
	START_BEFORE,
	START_BEHIND,
	START_FAR,
	OFFSET_OTHER,
	OFFSET_FAR,
	TCP_OFFSET_SMALL,
	TCP_OFFSET_BEYOND,
	CUT_IN_TRANSPORT,
	CUT_IN_IP,
	CUT_TO_ONE,
	EMPTY,
	OVERLONG,
	MORE_FRAGMENTS,
	LATER_FRAGMENT,
	SHORT_IP_HEADER,
	LONG_IP_HEADER,
	UFO,
	TUNNEL_TYPE,
	OTHER_ETHERTYPE, /* from here on of the link header, if there is one */
	ANOTHER_TAG,
	A_LENGTH,
	CHANGES,
};

static void apply_to_header(enum change change, struct virtio_net_hdr *header)
{
	if (change == WRONG_TYPE_VERSION)
		header->gso_type = VIRTIO_NET_HDR_GSO_TCPV6;
	if (change == NO_SIZE)
		header->gso_size = 0;
	if (change == NO_CHECKSUM_FLAG)
		header->flags = 0;
	if (change == START_BEFORE)
		header->csum_start -= 2;
	if (change == START_BEHIND)
		header->csum_start += 4;
	if (change == START_FAR)
		header->csum_start = 0xffff;
	if (change == SHORT_IP_HEADER)
		header->csum_start = (uint16_t)(link_header + 16);
	if (change == OFFSET_OTHER)
		header->csum_offset = 6;
	if (change == OFFSET_FAR)
		header->csum_offset = 0xffff;
	if (change == UFO)
		header->gso_type = VIRTIO_NET_HDR_GSO_UDP;
	if (change == TUNNEL_TYPE)
		header->gso_type |= 0x20;
}

static size_t apply_to_packet(enum change change, size_t len)
{
	uint8_t *ip = packet + link_header;

	if (change == WRONG_VERSION)
		ip[0] = 0x65;
	if (change == WRONG_PROTOCOL)
		ip[9] = UDP;
	if (change == TCP_OFFSET_SMALL)
		ip[32] = 0x40;
	if (change == MORE_FRAGMENTS)
		write16(ip + 6, 0x2000);
	if (change == LATER_FRAGMENT)
		write16(ip + 6, 0x0001);
	if (change == SHORT_IP_HEADER) {
		ip[0] = 0x44;
		ip[16 + 12] = 0x50;
	}
	if (change == LONG_IP_HEADER)
		ip[0] = 0x4f;
	if (change == TCP_OFFSET_BEYOND) {
		ip[32] = 0xf0;
		return link_header + 20 + 59;
	}
	if (change >= OTHER_ETHERTYPE && link_header)
		write16(ip - 2, change == OTHER_ETHERTYPE ? 0x86dd
				: change == ANOTHER_TAG   ? 0x8100
							  : 1000);
	if (change == OVERLONG)
		return link_header + 65536;
	return change == CUT_IN_TRANSPORT ? link_header + 39
	       : change == CUT_IN_IP      ? link_header + 19
	       : change == CUT_TO_ONE     ? link_header + 1
	       : change == EMPTY          ? link_header
					  : len;
}

static void test_refusals(void **state)
{
	(void)state;
	for (int change = NOTHING; change < CHANGES; change++) {
		const struct plan plan = plain_tcp(4);
		struct virtio_net_hdr header;
		struct offload_split split;
		size_t len = build_super(&plan, 300, packet, &header);
		const int expected = change == NOTHING                           ? 0
				     : change >= OTHER_ETHERTYPE && !link_header ? 0
				     : change == OVERLONG                        ? -EMSGSIZE
				     : change == UFO || change == TUNNEL_TYPE    ? -EPROTONOSUPPORT
										 : -EINVAL;

		apply_to_header((enum change)change, &header);
		len = apply_to_packet((enum change)change, len);
		memcpy(original, packet, sizeof(original));
		if (offload_split_begin(&split, &header, packet, len, link_header) != expected)
			fail_msg("change %d", change);
		assert_memory_equal(packet, original, sizeof(original));
	}
}

/* A frame that carries nothing is one. */
static void test_empty_packet(void **state)
{
	const struct virtio_net_hdr header = { 0 };
	struct offload_split split;

	(void)state;
	assert_int_equal(offload_split_begin(&split, &header, packet, link_header, link_header),
		link_header ? 0 : -EINVAL);
}

/* Extension headers: as long as there is room for, and not beyond the packet. */
static void test_extension_headers(void **state)
{
	struct virtio_net_hdr header;
	struct offload_split split;

	(void)state;
	for (size_t extension = 8; extension <= 400; extension += 8) {
		struct plan plan = plain_tcp(6);

		plan.extension = extension;
		const size_t len = build_super(&plan, 500, packet, &header);

		if (headers_of(&plan) <= OFFLOAD_HEADERS_MAX)
			check_split(len, &header);
		else
			assert_int_equal(
				offload_split_begin(&split, &header, packet, len, link_header),
				-EMSGSIZE);
	}
	struct plan plan = plain_tcp(6);

	plan.extension = 8;
	const size_t len = build_super(&plan, 500, packet, &header);

	uint8_t *ip = packet + link_header;

	ip[41] = 255; /* says that it is 2048 bytes long */
	assert_int_equal(offload_split_begin(&split, &header, packet, len, link_header), -EINVAL);
	ip[41] = 0;
	ip[40] = 60; /* says that the next is one more */
	assert_int_equal(offload_split_begin(&split, &header, packet, len, link_header), -EINVAL);
	ip[40] = 44; /* a fragment */
	assert_int_equal(offload_split_begin(&split, &header, packet, len, link_header), -EINVAL);
}

/* A packet with NEEDS_CSUM gets the checksum that its full sum gives; UDP's is never 0. */
static void test_finish_checksum(void **state)
{
	unsigned zeros = 0;

	(void)state;
	random_state = 2;
	for (unsigned i = random_rounds(300000); i--;) {
		struct plan plan = random_plan(8);
		struct virtio_net_hdr header;
		struct offload_split split;
		uint8_t *segment = NULL;

		plan.fragment |= i & 0x2000; /* whatever the packet is */
		const size_t len = build(&plan, wanted);

		build_super(&plan, 0, packet, &header);
		header.gso_type = VIRTIO_NET_HDR_GSO_NONE;
		assert_int_equal(offload_split_begin(&split, &header, packet, len, link_header), 0);
		assert_int_equal(split.count, 1);
		assert_int_equal(split.segment_len, len);
		assert_int_equal(offload_split_next(&split, &segment), len);
		assert_ptr_equal(segment, packet);
		const uint8_t *check = wanted + header.csum_start + header.csum_offset;

		zeros += plan.protocol == UDP && read16(check) == 0xffff;
		if (plan.protocol == TCP &&
			!read16(check)) /* the kernel, too, writes the other 0 */
			memset(wanted + (check - wanted), 0xff, 2);
		assert_memory_equal(packet, wanted, len);
		assert_int_equal(offload_split_next(&split, &segment), 0);
	}
	assert_true(zeros > 0 || under_valgrind()); /* one of 65536 */
}

/* The field may be the packet's last two bytes, and no later. */
static void test_checksum_field_inside(void **state)
{
	static const struct {
		uint16_t start, offset;
		int error;
	} cases[] = {
		{ 0, 0, 0 },
		{ 0, 98, 0 },
		{ 0, 99, -EINVAL },
		{ 98, 0, 0 },
		{ 99, 0, -EINVAL },
		{ 100, 0, -EINVAL },
		{ 50, 48, 0 },
		{ 50, 49, -EINVAL },
		{ 65535, 0, -EINVAL },
		{ 0, 65535, -EINVAL },
		{ 65535, 65535, -EINVAL },
		{ 65526, 10, -EINVAL },
		{ 33, 16, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const struct virtio_net_hdr header = { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
			.csum_start = cases[i].start,
			.csum_offset = cases[i].offset };
		uint8_t *exact = malloc(100);
		struct offload_split split;

		assert_non_null(exact);
		memset(exact, 0x5a, 100);
		assert_int_equal(offload_split_begin(&split, &header, exact, 100, link_header),
			cases[i].error);
		for (size_t at = 0; at < 100; at++) {
			const size_t field = (size_t)cases[i].start + cases[i].offset;

			if (cases[i].error || (at != field && at != field + 1))
				assert_int_equal(exact[at], 0x5a);
		}
		free(exact);
	}
}

static void test_plain_packets_are_left_alone(void **state)
{
	(void)state;
	random_state = 3;
	for (unsigned i = rounds(20000); i--;) {
		const struct virtio_net_hdr header = { .flags = VIRTIO_NET_HDR_F_DATA_VALID,
			.hdr_len = (uint16_t)next_random(),
			.gso_size = (uint16_t)next_random(),
			.csum_start = (uint16_t)next_random(),
			.csum_offset = (uint16_t)next_random() };
		const size_t len = link_header + 1 + below(200);
		struct offload_split split;
		uint8_t *segment = NULL;

		fill_random(packet, len);
		memcpy(original, packet, len);
		assert_int_equal(offload_split_begin(&split, &header, packet, len, link_header), 0);
		assert_int_equal(split.count, 1);
		assert_int_equal(offload_split_next(&split, &segment), len);
		assert_ptr_equal(segment, packet);
		assert_memory_equal(packet, original, len);
		assert_int_equal(offload_split_next(&split, &segment), 0);
	}
}

/* Headers and packets that somebody spoilt, in memory that ends where they end. */
static void test_spoilt_input_stays_inside(void **state)
{
	size_t accepted = 0, refused = 0;

	(void)state;
	random_state = 4;
	for (unsigned i = rounds(200000); i--;) {
		const struct plan plan = random_plan(i % 16 ? 200 : 2000);
		struct virtio_net_hdr header;
		size_t len = build_super(&plan, 1 + below(i % 2 ? 100 : 1500), packet, &header);
		struct offload_split split;
		uint8_t *segment = NULL;
		size_t got, n = 0;

		if (i % 3 == 0)
			len = link_header + 1 + below(len - link_header);
		uint8_t *exact = malloc(len);

		assert_non_null(exact);
		memcpy(exact, packet, len);
		for (size_t flips = below(3); flips--;)
			exact[below(len < 100 ? len : 100)] = (uint8_t)next_random();
		for (size_t flips = below(3); flips--;) {
			uint8_t bytes[sizeof(header)];

			memcpy(bytes, &header, sizeof(header));
			bytes[below(sizeof(bytes))] = (uint8_t)(next_random() >> next_random() % 8);
			memcpy(&header, bytes, sizeof(header));
		}
		if (offload_split_begin(&split, &header, exact, len,
			    link_header ? frame_link_len(exact, len) : 0)) {
			refused++;
		} else {
			accepted++;
			while ((got = offload_split_next(&split, &segment))) {
				assert_true(segment >= exact && segment + got <= exact + len);
				n++;
			}
			assert_int_equal(n, split.count);
		}
		free(exact);
	}
	assert_true(accepted > rounds(20000) && refused > rounds(20000));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random_super_packets),
		cmocka_unit_test(test_tiny_mss_keeps_tails),
		cmocka_unit_test(test_sizes_at_the_edge),
		cmocka_unit_test(test_flags_by_segment),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_empty_packet),
		cmocka_unit_test(test_extension_headers),
		cmocka_unit_test(test_finish_checksum),
		cmocka_unit_test(test_checksum_field_inside),
		cmocka_unit_test(test_plain_packets_are_left_alone),
		cmocka_unit_test(test_spoilt_input_stays_inside),
	};
	int failed = 0;

	for (const char *name = NULL; (name = next_link(name));)
		failed += cmocka_run_group_tests_name(name, tests, NULL, NULL);
	return failed;
}
