/* SPDX-License-Identifier: ISC */
/* The TUN device, in a network namespace of the test's own; skips without root or /dev/net/tun. */
#include "tun_device.h"

#include <linux/if_tun.h>

enum { MTU = 1500 };

static void names_of(enum tunnel_link link)
{
	static const struct {
		const char *name;
		int error;
	} cases[] = {
		{ "", -EINVAL },
		{ "a/b", -EINVAL },
		{ "x%d", -EINVAL },
		{ "sixteen-letters!", -EINVAL },
		{ "lo", -EINVAL },
		{ "fifteen-letters", 0 },
		{ "a.b=c+d_e", 0 },
	};
	char name[IFNAMSIZ];

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		int fd = -1;

		assert_int_equal(tun_create(cases[i].name, link, &fd), cases[i].error);
		if (cases[i].error) {
			assert_int_equal(fd, -1);
			assert_non_null(tun_explain(cases[i].error));
			continue;
		}
		assert_int_equal(tun_get_name(fd, name), 0);
		assert_string_equal(name, cases[i].name);
		assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
		assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
		int second = -1;

		assert_int_equal(tun_create(cases[i].name, link, &second), -EBUSY);
		close(fd);
	}
}

static void names(void **state)
{
	(void)state;
	names_of(TUNNEL_LINK_IP);
	names_of(TUNNEL_LINK_ETHERNET);
}

static void attach(void **state)
{
	static const struct {
		int flags;
		enum tunnel_link link;
		bool pi;
		int header_size; /* of each packet's virtio header; 0: as it is */
	} cases[] = {
		{ IFF_TUN | IFF_NO_PI, TUNNEL_LINK_IP, false, 0 },
		{ IFF_TAP | IFF_NO_PI, TUNNEL_LINK_ETHERNET, false, 0 },
		{ IFF_TUN | IFF_NO_PI | IFF_VNET_HDR, TUNNEL_LINK_IP, false, 0 },
		{ IFF_TAP | IFF_NO_PI | IFF_VNET_HDR, TUNNEL_LINK_ETHERNET, false, 0 },
		{ IFF_TUN, TUNNEL_LINK_IP, true, 0 },
		{ IFF_TUN | IFF_VNET_HDR, TUNNEL_LINK_IP, true, 0 },
		{ IFF_TAP, TUNNEL_LINK_ETHERNET, true, 0 },
		{ IFF_TAP | IFF_VNET_HDR, TUNNEL_LINK_ETHERNET, true, 0 },
		{ IFF_TUN | IFF_NO_PI | IFF_VNET_HDR, TUNNEL_LINK_IP, false, 12 },
		{ IFF_TUN | IFF_NO_PI | IFF_VNET_HDR, TUNNEL_LINK_IP, false, 1 << 30 },
		{ IFF_TUN | IFF_VNET_HDR, TUNNEL_LINK_IP, true, 1 << 30 },
		{ IFF_TAP | IFF_NO_PI | IFF_VNET_HDR, TUNNEL_LINK_ETHERNET, false, 1 << 30 },
		{ IFF_TAP | IFF_VNET_HDR, TUNNEL_LINK_ETHERNET, true, 1 << 30 },
	};
	enum tunnel_link link;
	char name[IFNAMSIZ];
	bool pi = false;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct ifreq request = { .ifr_flags = (short)cases[i].flags, .ifr_name = "made" };
		const int fd = open("/dev/net/tun", O_RDWR);

		assert_true(fd >= 0);
		assert_int_equal(tun_attach(fd, name, &link, &pi), -EBADFD); /* no device yet */
		assert_int_equal(ioctl(fd, TUNSETIFF, &request), 0);
		if (cases[i].header_size)
			assert_int_equal(ioctl(fd, TUNSETVNETHDRSZ, &cases[i].header_size), 0);
		assert_int_equal(tun_attach(fd, name, &link, &pi), 0);
		assert_int_equal(link, cases[i].link);
		assert_int_equal(pi, cases[i].pi);
		assert_string_equal(name, "made");
		assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
		close(fd);
	}
	assert_int_equal(tun_attach(inet, name, &link, &pi), -EINVAL);
}

static uint16_t checksum(const uint8_t *bytes, size_t len)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < len; i += 2)
		sum += (uint32_t)bytes[i] << 8 | bytes[i + 1];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

/* A UDP packet from 10.9.0.2:port to 10.9.0.1:port without a UDP checksum. */
static size_t make_packet(uint8_t packet[MTU], uint16_t port, const void *payload, size_t len)
{
	const size_t total = 28 + len;
	const uint8_t head[28] = { 0x45, 0, (uint8_t)(total >> 8), (uint8_t)total, 0, 0, 0, 0, 64,
		IPPROTO_UDP, 0, 0, 10, 9, 0, 2, 10, 9, 0, 1, (uint8_t)(port >> 8), (uint8_t)port,
		(uint8_t)(port >> 8), (uint8_t)port, (uint8_t)((8 + len) >> 8),
		(uint8_t)(8 + len) };

	memcpy(packet, head, sizeof(head));
	const uint16_t sum = checksum(packet, 20);

	packet[10] = (uint8_t)(sum >> 8);
	packet[11] = (uint8_t)sum;
	memcpy(packet + 28, payload, len);
	return total;
}

static int udp_socket(uint16_t *port)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	socklen_t len = sizeof(address);
	const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
	*port = ntohs(address.sin_port);
	return fd;
}

static void reading(void **state)
{
	enum { COUNT = 100 };
	struct sockaddr_in to = { .sin_family = AF_INET };
	struct tun_batch *batch = tun_batch_new();
	struct tunnel_packet *packets;
	uint8_t payload[1400];
	uint16_t port;
	int tun, count, seen = 0;
	const int fd = udp_socket(&port);

	(void)state;
	assert_int_equal(tun_create("reading", TUNNEL_LINK_IP, &tun), 0);
	const struct tun_offload offload = tun_negotiate(tun, false, true);

	assert_true(offload.header && offload.tcp);
	bring_up("reading");
	assert_int_equal(tun_read_batch(batch, tun, &offload, &packets), 0);
	to.sin_port = htons(9);
	assert_int_equal(inet_pton(AF_INET, "10.9.0.2", &to.sin_addr), 1);
	for (int i = 0; i < COUNT; i++) {
		memset(payload, i, sizeof(payload));
		assert_int_equal(sendto(fd, payload, (size_t)(1 + i * 13), 0,
					 (struct sockaddr *)&to, sizeof(to)),
			1 + i * 13);
	}
	while ((count = tun_read_batch(batch, tun, &offload, &packets)) > 0) {
		for (int i = 0; i < count; i++, seen++) {
			uint8_t *packet = packets[i].data;

			assert_int_equal(packets[i].header.gso_type, VIRTIO_NET_HDR_GSO_NONE);
			assert_int_equal(packets[i].len, 28 + 1 + seen * 13);
			assert_int_equal(packet[0], 0x45);
			assert_int_equal(packet[packets[i].len - 1], seen);
			memset(packet + packets[i].len, 0, 16); /* is there, and nobody else's */
		}
	}
	assert_int_equal(count, 0);
	assert_int_equal(seen, COUNT);
	close(fd);
	close(tun);
	tun_batch_free(batch);
}

static struct virtio_net_hdr plain;

/* With the header that a device without it is not to see. */
static void write_to(bool wanted, bool header)
{
	uint8_t bytes[4][MTU];
	struct iovec packets[4][2];
	char text[8];
	uint16_t port;
	int tun;
	const int fd = udp_socket(&port);

	assert_int_equal(tun_create("writing", TUNNEL_LINK_IP, &tun), 0);
	struct tun_offload offload = tun_negotiate(tun, false, wanted);

	assert_true(offload.header);
	assert_int_equal(offload.tcp, wanted);
	if (!header) { /* one that somebody else made */
		struct ifreq request = { .ifr_flags = IFF_TUN | IFF_NO_PI, .ifr_name = "writing" };

		close(tun);
		tun = open("/dev/net/tun", O_RDWR | O_NONBLOCK);
		assert_int_equal(ioctl(tun, TUNSETIFF, &request), 0);
		offload = tun_negotiate(tun, false, wanted);
		assert_false(offload.header || offload.tcp || offload.udp);
	}
	for (int i = 0; i < 4; i++) {
		packets[i][0] = (struct iovec){ &plain, sizeof(plain) };
		packets[i][1] =
			(struct iovec){ bytes[i], make_packet(bytes[i], port, &"0123"[i], 1) };
	}
	/* While it is down all is lost, and nothing breaks. */
	assert_int_equal(tun_write(tun, &offload, packets[0], 2), -EIO);
	bring_up("writing");
	/* One that is no IP packet costs itself alone. */
	bytes[1][0] = 0x15;
	for (int i = 0; i < 4; i++)
		assert_int_equal(tun_write(tun, &offload, packets[i], 2), i == 1 ? -EINVAL : 0);
	for (int i = 0; i < 4; i++) {
		if (i == 1)
			continue;
		assert_int_equal(recv(fd, text, sizeof(text), 0), 1);
		assert_int_equal(text[0], '0' + i);
	}
	assert_int_equal(recv(fd, text, sizeof(text), 0), -1);
	close(fd);
	close(tun);
}

static void writing(void **state)
{
	(void)state;
	write_to(true, true);
	write_to(false, true);
	write_to(true, false);
}

/* What the probes rest upon: while the device is down, the kernel refuses a header that it does not
 * like (EINVAL) before it refuses the packet for that (EIO). */
static void probing_while_down(void **state)
{
	uint8_t bytes[MTU];
	const size_t len = make_packet(bytes, 9, "0123456789", 10);
	struct virtio_net_hdr header = { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.gso_type = VIRTIO_NET_HDR_GSO_UDP_L4,
		.hdr_len = 28,
		.gso_size = 5,
		.csum_start = 20,
		.csum_offset = 6 };
	const struct iovec packet[] = { { &header, sizeof(header) }, { bytes, len } };
	int tun;

	(void)state;
	assert_int_equal(tun_create("down", TUNNEL_LINK_IP, &tun), 0);
	const struct tun_offload offload = tun_negotiate(tun, false, true);

	if (!offload.udp) /* before kernel 6.2 */
		skip();
	assert_true(offload.merge_tcp && offload.merge_udp);
	assert_int_equal(tun_write(tun, &offload, packet, 2), -EIO);
	header.gso_type = 6;
	assert_int_equal(tun_write(tun, &offload, packet, 2), -EINVAL);
	header.gso_type = VIRTIO_NET_HDR_GSO_UDP_L4;
	header.csum_start = 2000;
	assert_int_equal(tun_write(tun, &offload, packet, 2), -EINVAL);
	close(tun);
}

/* A device that is up takes the probes, and nothing comes back. */
static void probing_while_up(void **state)
{
	struct tun_batch *batch = tun_batch_new();
	struct tunnel_packet *packets;
	int tun;

	(void)state;
	assert_int_equal(tun_create("up", TUNNEL_LINK_IP, &tun), 0);
	bring_up("up");
	struct tun_offload offload = tun_negotiate(tun, false, true);

	assert_true(offload.tcp && offload.merge_tcp && offload.merge_udp == offload.udp);
	assert_int_equal(tun_read_batch(batch, tun, &offload, &packets), 0);
	close(tun);
	tun_batch_free(batch);
}

static void removal(void **state)
{
	struct tun_batch *batch = tun_batch_new();
	struct tunnel_packet *packets;
	uint8_t bytes[MTU];
	char name[IFNAMSIZ];
	int tun;

	(void)state;
	assert_int_equal(tun_create("removal", TUNNEL_LINK_IP, &tun), 0);
	const struct tun_offload offload = tun_negotiate(tun, false, true);

	need("ip link delete removal");
	const struct iovec packet[] = { { &plain, sizeof(plain) },
		{ bytes, make_packet(bytes, 9, "x", 1) } };

	assert_int_equal(tun_read_batch(batch, tun, &offload, &packets), -EBADFD);
	assert_int_equal(tun_write(tun, &offload, packet, 2), -EBADFD);
	assert_int_equal(tun_get_name(tun, name), -EBADFD);
	close(tun);
	tun_batch_free(batch);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names),
		cmocka_unit_test(attach),
		cmocka_unit_test(reading),
		cmocka_unit_test(writing),
		cmocka_unit_test(probing_while_down),
		cmocka_unit_test(probing_while_up),
		cmocka_unit_test(removal),
	};

	if (!can_run())
		return 77;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
