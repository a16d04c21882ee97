/* SPDX-License-Identifier: ISC */
/* The TAP device, in a network namespace of the test's own; skips without root or /dev/net/tun. */
#include "offload_batch.h"
#include "tun_device.h"

#include <linux/if_ether.h>
#include <linux/if_packet.h>

#include "core/frame.h"

/* The longest frame: tagged, at the largest MTU that a TAP device takes. */
enum { JUMBO_MTU = 65521, LONGEST = 18 + JUMBO_MTU };

static const size_t link_lens[] = { 14, 18, 22 };

static struct tun_batch *batch;
static struct tunnel_packet *packets;
static uint8_t super[65600], segment[65600];

static int set_up_batch(void **state)
{
	(void)state;
	batch = tun_batch_new();
	return !batch;
}

static int free_batch(void **state)
{
	(void)state;
	tun_batch_free(batch);
	return 0;
}

/* Takes part in the device's traffic from the host's side. protocol: 0 for one that only sends. */
static int packet_socket(const char *name, uint16_t protocol)
{
	const struct sockaddr_ll address = { .sll_family = AF_PACKET,
		.sll_protocol = htons(protocol),
		.sll_ifindex = (int)if_nametoindex(name) };
	const int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), yes = 1;

	assert_true(fd >= 0);
	assert_int_equal(setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &yes, sizeof(yes)), 0);
	assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

static void send_packet(int fd, const struct virtio_net_hdr *header, uint8_t *packet, size_t len)
{
	const struct iovec parts[] = { { (void *)header, sizeof(*header) }, { packet, len } };

	assert_int_equal(writev(fd, parts, 2), sizeof(*header) + len);
}

/* A device that is up, and what is known of it. */
static struct tun_offload make_tap(const char *name, int *tap)
{
	assert_int_equal(tun_create(name, TUNNEL_LINK_ETHERNET, tap), 0);
	const struct tun_offload offload = tun_negotiate(*tap, false, true);

	assert_true(offload.header && offload.frames && offload.tcp && offload.merge_tcp);
	assert_int_equal(offload.udp, offload.merge_udp);
	set_up(name);
	return offload;
}

/* ---- Probes ---- */

/* As of a TUN device: what is wrong with the header is found before that the device is down. */
static void probing_while_down(void **state)
{
	struct virtio_net_hdr header;
	int tap;

	(void)state;
	assert_int_equal(tun_create("down", TUNNEL_LINK_ETHERNET, &tap), 0);
	const struct tun_offload offload = tun_negotiate(tap, false, true);

	assert_true(offload.merge_tcp && offload.merge_udp == offload.udp);
	for (size_t i = 0; i < 3; i++) {
		link_header = link_lens[i];
		const struct plan plan = plain_tcp(4);
		const struct iovec parts[] = { { &header, sizeof(header) },
			{ super, build_super(&plan, 500, super, &header) } };
		const struct iovec cut[] = { parts[0], { super, 13 } };

		assert_int_equal(tun_write(tap, &offload, parts, 2), -EIO);
		header.gso_type = 6;
		assert_int_equal(tun_write(tap, &offload, parts, 2), -EINVAL);
		header.gso_type = VIRTIO_NET_HDR_GSO_TCPV4;
		header.csum_start = 2000;
		assert_int_equal(tun_write(tap, &offload, parts, 2), -EINVAL);
		memset(&header, 0, sizeof(header));
		assert_int_equal(tun_write(tap, &offload, parts, 2), -EIO);
		assert_int_equal(tun_write(tap, &offload, cut, 2), -EINVAL);
	}
	close(tap);
}

/* A port of a bridge that is probed passes nothing on to the others, as it does with other frames.
 */
static void probing_in_a_bridge(void **state)
{
	static const struct virtio_net_hdr header;
	const struct plan plan = plain_udp(4);
	int probed, other;

	(void)state;
	link_header = 14;
	make_tap("probed", &probed);
	const struct tun_offload offload = make_tap("other", &other);

	need("ip link add bridge0 type bridge mcast_snooping 0");
	need("ip link set probed master bridge0 && ip link set other master bridge0");
	set_up("bridge0");
	tun_negotiate(probed, false, true);
	assert_int_equal(tun_read_batch(batch, probed, &offload, &packets), 0);
	assert_int_equal(tun_read_batch(batch, other, &offload, &packets), 0);
	const struct iovec frame[] = { { (void *)&header, sizeof(header) },
		{ super, build(&plan, super) } };

	assert_int_equal(tun_write(probed, &offload, frame, 2), 0);
	assert_int_equal(tun_read_batch(batch, other, &offload, &packets), 1);
	close(probed);
	close(other);
}

/* ---- Super-frames ---- */

static void split_and_compare(
	struct tunnel_packet *packet, const struct virtio_net_hdr *header, size_t len)
{
	const size_t found = frame_link_len(packet->data, packet->len);
	struct offload_split split;
	uint8_t *got = NULL;
	size_t got_len, n = 0;

	assert_int_equal(found, link_header);
	assert_int_equal(
		offload_split_begin(&split, &packet->header, packet->data, packet->len, found), 0);
	while ((got_len = offload_split_next(&split, &got))) {
		assert_int_equal(got_len, slow_segment(super, len, header, n++, segment));
		assert_memory_equal(got, segment, got_len);
	}
	assert_int_equal(slow_segment(super, len, header, n, segment), 0);
}

/* What the host sends comes as one, with the offsets that splitting expects of it. */
static void super_frames_are_read(void **state)
{
	struct virtio_net_hdr header;
	int tap;

	(void)state;
	const struct tun_offload offload = make_tap("read", &tap);
	const int host = packet_socket("read", 0);

	for (size_t i = 0; i < 3; i++) {
		link_header = link_lens[i];
		for (int kind = 0; kind < (offload.udp ? 4 : 2); kind++) {
			struct plan plan = plain(kind);

			plan.payload = 20001;
			plan.flags |= PSH;
			const size_t len = build_super(&plan, 1300, super, &header);

			send_packet(host, &header, super, len);
			assert_int_equal(tun_read_batch(batch, tap, &offload, &packets), 1);
			assert_int_equal(packets[0].len, len);
			assert_int_equal(packets[0].header.gso_type, header.gso_type);
			assert_int_equal(packets[0].header.csum_start, header.csum_start);
			split_and_compare(&packets[0], &header, len);
		}
	}
	close(host);
	close(tap);
}

/* What was merged is one packet to the host. A first tag it keeps beside the packet. */
static void merged_frames_are_taken(void **state)
{
	int tap;

	(void)state;
	const struct tun_offload offload = make_tap("merged", &tap);
	const int host = packet_socket("merged", ETH_P_ALL);

	for (size_t i = 0; i < 3; i++) {
		link_header = link_lens[i];
		for (int kind = 0; kind < (offload.merge_udp ? 4 : 2); kind++) {
			struct plan plan = plain(kind);
			struct virtio_net_hdr header;
			struct iovec parts[] = { { &header, sizeof(header) },
				{ super, sizeof(super) } };
			size_t count;

			for (size_t n = 0; n < 3; n++, plan = after(plan))
				put(n, &plan);
			add_slots(3);
			const struct iovec *chain = offload_merge_next(&merge, &count);

			assert_int_equal(count, 4);
			assert_int_equal(tun_write(tap, &offload, chain, count), 0);
			const size_t len = lengths[0] + 2000 - (link_header > 14 ? 4 : 0);

			assert_int_equal(readv(host, parts, 2), sizeof(header) + len);
			assert_int_equal(header.gso_size, 1000);
			assert_int_equal(header.gso_type,
				((struct virtio_net_hdr *)chain->iov_base)->gso_type);
			assert_memory_equal(super + len - 1000, slots[2] + lengths[2] - 1000, 1000);
		}
	}
	close(host);
	close(tap);
}

/* The longest frame there and back, byte for byte. */
static void jumbo_frames(void **state)
{
	static const struct virtio_net_hdr plain_header;
	struct ifreq request = { .ifr_mtu = JUMBO_MTU };
	struct virtio_net_hdr header;
	struct iovec parts[] = { { &header, sizeof(header) }, { segment, sizeof(segment) } };
	int tap;

	(void)state;
	const struct tun_offload offload = make_tap("jumbo", &tap);

	interface_request(SIOCSIFMTU, &request, "jumbo");
	const int host = packet_socket("jumbo", ETH_P_ALL);

	random_state = 1;
	fill_random(super, LONGEST);
	super[0] = super[6] = 2;
	write16(super + 12, 0x8100);
	write16(super + 16, 0x88b5); /* for experiments */
	send_packet(host, &plain_header, super, LONGEST);
	assert_int_equal(tun_read_batch(batch, tap, &offload, &packets), 1);
	assert_int_equal(packets[0].len, LONGEST);
	assert_memory_equal(packets[0].data, super, LONGEST);
	const struct iovec frame[] = { { (void *)&plain_header, sizeof(plain_header) },
		{ super, LONGEST } };

	assert_int_equal(tun_write(tap, &offload, frame, 2), 0);
	assert_int_equal(readv(host, parts, 2), sizeof(header) + LONGEST - 4);
	assert_memory_equal(segment + 12, super + 16, LONGEST - 16);
	close(host);
	close(tap);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(probing_while_down),
		cmocka_unit_test(probing_in_a_bridge),
		cmocka_unit_test(super_frames_are_read),
		cmocka_unit_test(merged_frames_are_taken),
		cmocka_unit_test(jumbo_frames),
	};

	if (!can_run())
		return 77;
	return cmocka_run_group_tests(tests, set_up_batch, free_batch);
}
