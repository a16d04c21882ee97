/* SPDX-License-Identifier: ISC */
/* What becomes of the TUN device's offload where the kernel lacks some of it, or says it has it and
 * refuses it. The kernel's part is played here (ld --wrap). */
#include "offload_packets.h"

#include <linux/if_tun.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/uio.h>

#include "core/frame.h"
#include "engine/tun.h"

#ifndef TUN_F_USO4 /* kernel headers before 6.2 */
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif

enum { WRITES_MAX = 8, FD = 1000 };

/* Kinds of merged packets, to be or-ed. */
enum { TCP4 = 1, TCP6 = 2, UDP4 = 4, UDP6 = 8 };

struct written {
	struct virtio_net_hdr header;
	uint8_t packet[OFFLOAD_PACKET_MAX];
	size_t len;
	int parts;
};

static struct {
	bool tap;
	bool header;       /* the device has IFF_VNET_HDR */
	unsigned accepted; /* bits that TUNSETOFFLOAD takes */
	unsigned refused;  /* kinds that end in EINVAL */
	int otherwise;     /* errno for the others; 0: they are taken */
	int interrupted;   /* so many writes end in EINTR first */

	unsigned mask; /* that was set last */
	int count;
	struct written written[WRITES_MAX];
} kernel;

int __wrap_ioctl(int fd, unsigned long request, void *argument);
ssize_t __wrap_writev(int fd, const struct iovec *parts, int count);

int __wrap_ioctl(int fd, unsigned long request, void *argument)
{
	const unsigned long value = (unsigned long)argument;

	assert_int_equal(fd, FD);
	switch (request) {
	case TUNGETIFF:
		((struct ifreq *)argument)->ifr_flags = (short)((kernel.tap ? IFF_TAP : IFF_TUN) |
								(kernel.header ? IFF_VNET_HDR : 0));
		return 0;
	case TUNSETVNETHDRSZ:
		assert_int_equal(*(int *)argument, 10);
		return 0;
	case TUNSETOFFLOAD:
		if (value & ~kernel.accepted) {
			errno = EINVAL;
			return -1;
		}
		kernel.mask = (unsigned)value;
		return 0;
	default:
		fail();
		return -1;
	}
}

static unsigned kind_of(const struct written *written)
{
	const bool v6 = written->packet[link_header] >> 4 == 6;

	if (written->header.gso_type == VIRTIO_NET_HDR_GSO_NONE)
		return 0;
	if (written->header.gso_type == VIRTIO_NET_HDR_GSO_UDP_L4)
		return v6 ? UDP6 : UDP4;
	assert_int_equal(
		written->header.gso_type, v6 ? VIRTIO_NET_HDR_GSO_TCPV6 : VIRTIO_NET_HDR_GSO_TCPV4);
	return v6 ? TCP6 : TCP4;
}

ssize_t __wrap_writev(int fd, const struct iovec *parts, int count)
{
	struct written *written = &kernel.written[kernel.count];

	assert_int_equal(fd, FD);
	if (kernel.interrupted) {
		kernel.interrupted--;
		errno = EINTR;
		return -1;
	}
	assert_true(kernel.count < WRITES_MAX);
	assert_int_equal(parts[0].iov_len, sizeof(written->header));
	memcpy(&written->header, parts[0].iov_base, sizeof(written->header));
	written->parts = count;
	written->len = 0;
	for (int i = 1; i < count; i++) {
		memcpy(written->packet + written->len, parts[i].iov_base, parts[i].iov_len);
		written->len += parts[i].iov_len;
	}
	kernel.count++;
	errno = kind_of(written) & kernel.refused ? EINVAL : kernel.otherwise;
	return errno ? -1 : (ssize_t)(sizeof(written->header) + written->len);
}

#define TCP_BITS (TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6)
#define ALL_BITS (TCP_BITS | TUN_F_USO4 | TUN_F_USO6)

static void verdicts(void **state)
{
	static const struct {
		bool wanted, header;
		unsigned accepted, refused;
		int otherwise, interrupted;
		bool expected[5]; /* in the order of struct tun_offload */
		unsigned mask;
		int probes;
	} cases[] = {
		{ true, true, ALL_BITS, 0, EIO, 0, { true, true, true, true, true }, ALL_BITS, 4 },
		{ true, true, ALL_BITS, 0, 0, 0, { true, true, true, true, true }, ALL_BITS, 4 },
		/* What says nothing about merging. */
		{ true, true, ALL_BITS, 0, ENOBUFS, 0, { true, true, true, true, true }, ALL_BITS,
			4 },
		{ true, true, ALL_BITS, 0, EIO, 3, { true, true, true, true, true }, ALL_BITS, 4 },
		/* The kernel lacks it, and says so. */
		{ true, true, TCP_BITS, 0, EIO, 0, { true, true, false, true, false }, TCP_BITS,
			2 },
		{ true, true, 0, 0, EIO, 0, { true, false, false, false, false }, 0, 0 },
		{ true, false, ALL_BITS, 0, EIO, 0, { 0 }, 0, 0 },
		/* It says that it has it, and refuses it. What comes out of the device may still be
		 * super-packets. */
		{ true, true, ALL_BITS, TCP4, EIO, 0, { true, true, true, false, true }, ALL_BITS,
			3 },
		{ true, true, ALL_BITS, TCP6, EIO, 0, { true, true, true, false, true }, ALL_BITS,
			4 },
		{ true, true, ALL_BITS, UDP4, EIO, 0, { true, true, true, true, false }, ALL_BITS,
			3 },
		{ true, true, ALL_BITS, UDP6, 0, 0, { true, true, true, true, false }, ALL_BITS,
			4 },
		{ true, true, ALL_BITS, TCP4 | TCP6 | UDP4 | UDP6, EIO, 0,
			{ true, true, true, false, false }, ALL_BITS, 2 },
		/* Not wanted. */
		{ false, true, ALL_BITS, 0, EIO, 0, { true, false, false, false, false }, 0, 0 },
		{ false, false, ALL_BITS, 0, EIO, 0, { 0 }, 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		memset(&kernel, 0, sizeof(kernel));
		kernel.tap = link_header;
		kernel.header = cases[i].header;
		kernel.accepted = cases[i].accepted;
		kernel.refused = cases[i].refused;
		kernel.otherwise = cases[i].otherwise;
		kernel.interrupted = cases[i].interrupted;
		const struct tun_offload offload = tun_negotiate(FD, false, cases[i].wanted);
		const bool *verdict = cases[i].expected;
		const struct tun_offload expected = { verdict[0], verdict[1], verdict[2],
			verdict[3], verdict[4], link_header, false };

		assert_memory_equal(&offload, &expected, sizeof(offload));
		assert_int_equal(kernel.mask, cases[i].mask);
		assert_int_equal(kernel.count, cases[i].probes);
	}
}

/* No host may ever take a probe for a packet to it, pass it on or answer it; no bridge may pass it
 * on or learn from it. */
static void assert_harmless(const struct written *written)
{
	static const uint8_t broadcast[6] = { 255, 255, 255, 255, 255, 255 };
	static const uint8_t reserved[6] = { 0x01, 0x80, 0xc2, 0, 0, 0x01 };
	const uint8_t *ip = written->packet + link_header;

	if (link_header) {
		assert_memory_equal(written->packet, reserved, 6);      /* to */
		assert_memory_equal(written->packet + 6, broadcast, 6); /* from */
	}
	if (ip[0] >> 4 == 4) {
		assert_memory_equal(ip + 12, broadcast, 4); /* from */
		assert_int_equal(ip[8], 1);                 /* hops */
	} else {
		assert_int_equal(ip[8], 0xff); /* from a multicast address */
		assert_int_equal(ip[7], 1);
	}
}

/* A probe is what the tunnel writes, or it proves nothing: the same two packets, merged by it. */
static void probes_are_as_real(void **state)
{
	uint8_t packets[2][200];
	size_t lens[2], count;

	(void)state;
	memset(&kernel, 0, sizeof(kernel));
	kernel.tap = link_header;
	kernel.header = true;
	kernel.accepted = ALL_BITS;
	tun_negotiate(FD, false, true);
	assert_int_equal(kernel.count, 4);
	for (int i = 0; i < 4; i++) {
		struct written *probe = &kernel.written[i], copy = *probe;
		struct offload_split split;
		struct offload_merge merge;
		uint8_t *segment;

		assert_int_equal(kind_of(probe), 1 << i);
		assert_int_equal(probe->parts, 3);
		assert_harmless(probe);
		assert_int_equal(offload_split_begin(
					 &split, &copy.header, copy.packet, copy.len, link_header),
			0);
		assert_int_equal(split.count, 2);
		for (size_t n = 0; n < 2; n++) {
			lens[n] = offload_split_next(&split, &segment);
			memcpy(packets[n], segment, lens[n]);
		}
		offload_merge_begin(&merge, true, true);
		for (size_t n = 0; n < 2; n++)
			assert_true(offload_merge_add(&merge, packets[n], lens[n], link_header));
		const struct iovec *parts = offload_merge_next(&merge, &count);

		assert_int_equal(count, 3);
		assert_memory_equal(parts[0].iov_base, &probe->header, sizeof(probe->header));
		assert_memory_equal(parts[1].iov_base, probe->packet, parts[1].iov_len);
		assert_memory_equal(
			parts[2].iov_base, probe->packet + parts[1].iov_len, parts[2].iov_len);
		assert_int_equal(parts[1].iov_len + parts[2].iov_len, probe->len);
	}
}

/* The packets of a merged write that was refused, each as it was. */
static void written_singly(void **state)
{
	const struct tun_offload offload = { .header = true, .frames = link_header };

	(void)state;
	for (int kind = 0; kind < 4; kind++) {
		uint8_t packets[3][2000], copies[3][2000];
		struct plan plan = plain(kind);
		struct offload_merge merge;
		size_t lens[3], count;

		memset(&kernel, 0, sizeof(kernel));
		kernel.refused = TCP4 | TCP6 | UDP4 | UDP6;
		offload_merge_begin(&merge, true, true);
		for (int i = 0; i < 3; i++, plan = after(plan)) {
			if (i == 2)
				plan.payload = 100;
			lens[i] = build(&plan, packets[i]);
			memcpy(copies[i], packets[i], lens[i]);
			assert_true(offload_merge_add(&merge, packets[i], lens[i], link_header));
		}
		const struct iovec *parts = offload_merge_next(&merge, &count);

		assert_int_equal(count, 4);
		assert_int_equal(tun_write(FD, &offload, parts, count), -EINVAL);
		assert_int_equal(tun_write_singly(FD, &offload, parts, count), 0);
		assert_int_equal(kernel.count, 1 + 3);
		for (int i = 0; i < 3; i++) {
			const struct written *written = &kernel.written[1 + i];

			assert_int_equal(written->header.gso_type, 0);
			assert_int_equal(written->header.flags, 0);
			assert_int_equal(written->len, lens[i]);
			assert_memory_equal(written->packet, copies[i], lens[i]);
		}
		/* An error of one is told, and costs it alone. */
		kernel.otherwise = EIO;
		kernel.count = 0;
		assert_int_equal(tun_write_singly(FD, &offload, parts, count), -EIO);
		assert_int_equal(kernel.count, 3);
	}
}

int main(void)
{
	const struct CMUnitTest negotiating[] = {
		cmocka_unit_test(verdicts),
		cmocka_unit_test(probes_are_as_real),
	};
	const struct CMUnitTest writing[] = {
		cmocka_unit_test(written_singly),
	};
	int failed = 0;

	for (const char *name = NULL; (name = next_link(name));)
		failed += cmocka_run_group_tests_name(name, writing, NULL, NULL);
	link_header = 0;
	failed += cmocka_run_group_tests_name("TUN", negotiating, NULL, NULL);
	link_header = FRAME_LINK_MIN; /* a probe has no tags */
	failed += cmocka_run_group_tests_name("TAP", negotiating, NULL, NULL);
	return failed;
}
