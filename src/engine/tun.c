/* SPDX-License-Identifier: ISC */
/* The TUN or TAP device: packets and super-packets. */
#include "engine/tun.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_tun.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "core/frame.h"

/* Kernel headers before 6.2. */
#ifndef TUN_F_USO4
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif

enum {
	BATCH = 64,
	PACKET_MAX = FRAME_LINK_MAX + OFFLOAD_PACKET_MAX,
	/* A batch of super-packets that are read, sealed and sent fits the second-level cache. */
	ARENA = 256 * 1024,
	ALIGNMENT = 64,
};

static_assert(ARENA > PACKET_MAX + WIRE_PADDING, "room for one packet at least");

struct tun_batch {
	uint8_t *arena;
	struct tunnel_packet packets[BATCH];
};

static int prepare_fd(int fd)
{
	const int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 ||
		fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
		return -errno;
	return 0;
}

int tun_join(const char *name, int flags, int *fd)
{
	struct ifreq request = { .ifr_flags = (short)flags };
	int opened, error;

	if (!*name || strlen(name) >= IFNAMSIZ || strchr(name, '%')) /* the kernel numbers "x%d" */
		return -EINVAL;
	opened = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (opened < 0)
		return -errno;
	strcpy(request.ifr_name, name);
	if (ioctl(opened, TUNSETIFF, &request) < 0) {
		error = -errno;
		close(opened);
		return error;
	}
	*fd = opened;
	return 0;
}

int tun_create(const char *name, enum tunnel_link link, int *fd)
{
	return tun_join(name, (link == TUNNEL_LINK_ETHERNET ? IFF_TAP : IFF_TUN) | TUN_FLAGS, fd);
}

/*
 * In what TUNGETIFF answers, the bit of IFF_NO_PI stands for IFF_NOFILTER, and is nearly always
 * set. But a packet tells, which nobody sees. On a TUN device without the four bytes the kernel
 * goes by a packet's first ones: what is neither IPv4 nor IPv6 is refused (EINVAL); with them,
 * zeros are a packet of no protocol, which is dropped as such, or because the device is down (EIO).
 * On a TAP device a frame of 14 zeros, which is for nobody, is too short by the four bytes if these
 * go off.
 */
static bool has_pi(int fd, const struct ifreq *device)
{
	static const uint8_t zeros[ETH_HLEN + sizeof(struct virtio_net_hdr)];
	const bool frames = device->ifr_flags & IFF_TAP;
	size_t len = frames ? ETH_HLEN : 2 * sizeof(struct tun_pi);
	const int header_size = sizeof(struct virtio_net_hdr); /* it may have been anything */
	bool refused;

	if (device->ifr_flags & IFF_VNET_HDR) {
		if (ioctl(fd, TUNSETVNETHDRSZ, &header_size) < 0)
			return false;
		len += sizeof(struct virtio_net_hdr);
	}
	refused = write(fd, zeros, len) < 0 && errno == EINVAL;
	return frames ? refused : !refused;
}

int tun_attach(int fd, char name[IFNAMSIZ], enum tunnel_link *link, bool *pi)
{
	struct ifreq request = { 0 };
	int error;

	if (ioctl(fd, TUNGETIFF, &request) < 0)
		return errno == EBADFD ? -EBADFD : -EINVAL;
	if (!(request.ifr_flags & (IFF_TUN | IFF_TAP)))
		return -EINVAL;
	*link = (request.ifr_flags & IFF_TAP) ? TUNNEL_LINK_ETHERNET : TUNNEL_LINK_IP;
	memcpy(name, request.ifr_name, IFNAMSIZ);
	error = prepare_fd(fd);
	if (!error)
		*pi = has_pi(fd, &request);
	return error;
}

int tun_get_name(int fd, char name[IFNAMSIZ])
{
	struct ifreq request = { 0 };

	if (ioctl(fd, TUNGETIFF, &request) < 0)
		return -errno;
	memcpy(name, request.ifr_name, IFNAMSIZ);
	return 0;
}

const char *tun_explain(int error)
{
	switch (-error) {
	case ENOENT:
		return "there is no /dev/net/tun: in a container, pass that device in; else "
		       "mkdir -p /dev/net && mknod /dev/net/tun c 10 200";
	case ENODEV:
	case ENXIO:
		return "the kernel has no TUN driver: modprobe tun";
	case EACCES:
	case EPERM:
		return "not permitted: it takes root, or CAP_NET_ADMIN and access to /dev/net/tun";
	case EBUSY:
		return "another program has a device of this name open: stop it, or choose another "
		       "name";
	case EEXIST:
	case EINVAL:
		return "the name is not usable: 1 to 15 characters without / and %, and of no "
		       "device that is there";
	default:
		return strerror(-error);
	}
}

struct tun_offload tun_negotiate(int fd, bool pi, bool wanted)
{
	const int header_size = sizeof(struct virtio_net_hdr);
	const unsigned tcp = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6;
	struct tun_offload offload = { .pi = pi };
	struct ifreq request = { 0 };

	if (ioctl(fd, TUNGETIFF, &request) < 0)
		return offload;
	offload.frames = request.ifr_flags & IFF_TAP;
	if (!(request.ifr_flags & IFF_VNET_HDR) || ioctl(fd, TUNSETVNETHDRSZ, &header_size) < 0)
		return offload;
	offload.header = true;
	offload.tcp = wanted && !ioctl(fd, TUNSETOFFLOAD, tcp);
	offload.udp = offload.tcp && !ioctl(fd, TUNSETOFFLOAD, tcp | TUN_F_USO4 | TUN_F_USO6);
	if (!offload.tcp)
		ioctl(fd, TUNSETOFFLOAD, 0);
	offload.merge_tcp = offload.tcp;
	offload.merge_udp = offload.udp;
	tun_probe(fd, &offload);
	return offload;
}

const struct sandbox_call tun_calls[] = {
	{ .name = "read" },
	{ .name = "readv" },
	{ .name = "writev" },
	{ "ioctl", { SANDBOX_IS(1, TUNGETIFF) } },
	{ 0 },
};

struct tun_batch *tun_batch_new(void)
{
	struct tun_batch *batch = malloc(sizeof(*batch));

	if (!batch)
		return NULL;
	batch->arena = malloc(ARENA);
	if (!batch->arena) {
		free(batch);
		return NULL;
	}
	return batch;
}

void tun_batch_free(struct tun_batch *batch)
{
	if (!batch)
		return;
	free(batch->arena);
	free(batch);
}

/* Reads one packet to where packet->data points. Its length, or -errno. */
static ssize_t read_packet(int fd, const struct tun_offload *offload, struct tunnel_packet *packet)
{
	const size_t pi_len = offload->pi ? sizeof(struct tun_pi) : 0;
	const size_t header_len = offload->header ? sizeof(packet->header) : 0;
	const ssize_t before = (ssize_t)(pi_len + header_len);
	struct tun_pi pi;
	const struct iovec parts[] = { { &pi, pi_len }, { &packet->header, header_len },
		{ packet->data, PACKET_MAX } };
	ssize_t len;

	packet->header = (struct virtio_net_hdr){ 0 };
	do
		len = before ? readv(fd, parts + !pi_len, 2 + (pi_len != 0))
			     : read(fd, packet->data, PACKET_MAX);
	while (len < 0 && errno == EINTR);
	if (len < 0)
		return -errno;
	return len < before ? 0 : len - before;
}

int tun_read_batch(struct tun_batch *batch, int fd, const struct tun_offload *offload,
	struct tunnel_packet **packets)
{
	size_t used = 0;
	int count = 0;

	*packets = batch->packets;
	while (count < BATCH && used + PACKET_MAX + WIRE_PADDING <= ARENA) {
		struct tunnel_packet *packet = &batch->packets[count];

		packet->data = batch->arena + used;
		const ssize_t len = read_packet(fd, offload, packet);

		if (len < 0 && len != -EAGAIN && !count)
			return (int)len;
		if (len <= 0) /* an error that stays is told by the next call */
			break;
		packet->len = (size_t)len;
		used += (packet->len + WIRE_PADDING + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
		count++;
	}
	return count;
}

/* What precedes a packet on a device with IFF_PI: which protocol it is of. */
static struct tun_pi pi_of(const struct iovec *packet)
{
	const uint8_t *bytes = packet->iov_base;
	const bool is_v6 = packet->iov_len && bytes[0] >> 4 == 6;

	return (struct tun_pi){ .proto = htons(is_v6 ? ETH_P_IPV6 : ETH_P_IP) };
}

static ssize_t write_with_pi(int fd, struct tun_pi pi, const struct iovec *parts, size_t count)
{
	struct iovec with_pi[1 + OFFLOAD_MERGE_MAX + 1];

	if (count >= sizeof(with_pi) / sizeof(*with_pi)) {
		errno = EMSGSIZE;
		return -1;
	}
	with_pi[0] = (struct iovec){ &pi, sizeof(pi) };
	memcpy(with_pi + 1, parts, count * sizeof(*parts));
	return writev(fd, with_pi, (int)count + 1);
}

int tun_write(int fd, const struct tun_offload *offload, const struct iovec *parts, size_t count)
{
	const size_t skipped = offload->header ? 0 : 1;
	ssize_t written;

	do
		written = offload->pi ? write_with_pi(fd, pi_of(&parts[1]), parts + skipped,
						count - skipped)
				      : writev(fd, parts + skipped, (int)(count - skipped));
	while (written < 0 && errno == EINTR);
	return written < 0 ? -errno : 0;
}

int tun_write_singly(
	int fd, const struct tun_offload *offload, const struct iovec *parts, size_t count)
{
	static const struct virtio_net_hdr plain;
	uint8_t whole[OFFLOAD_PACKET_MAX], *packet;
	struct offload_split split;
	size_t len = 0;
	int error, first;

	for (size_t i = 1; i < count; i++) {
		if (parts[i].iov_len > sizeof(whole) - len)
			return -EMSGSIZE;
		memcpy(whole + len, parts[i].iov_base, parts[i].iov_len);
		len += parts[i].iov_len;
	}
	first = offload_split_begin(&split, parts[0].iov_base, whole, len,
		offload->frames ? frame_link_len(whole, len) : 0);
	if (first)
		return first;
	while ((len = offload_split_next(&split, &packet))) {
		const struct iovec single[] = { { (void *)&plain, sizeof(plain) },
			{ packet, len } };

		error = tun_write(fd, offload, single, 2);
		first = first ? first : error;
	}
	return first;
}
