/* SPDX-License-Identifier: ISC */
/* Loaded into the engine (LD_PRELOAD), plays a kernel that refuses offloads, and tells which it saw
 * in use. */
/*
 * What is refused: the words in CULVERT_TEST_REFUSE, separated by commas.
 *   uso                    TUNSETOFFLOAD with UDP segmentation
 *   offload                TUNSETOFFLOAD with anything
 *   merged                 a write to the TUN device of more than one packet
 *   long                   the same, but only if it is long
 *   segment                UDP_SEGMENT is unknown
 *   eio, einval, emsgsize  UDP_SEGMENT, when it is used, with this error
 *   gro                    UDP_GRO
 *
 * Standard error gets a line at the first of each kind: "refuse: WHAT was refused" for what we
 * refused, "refuse: the kernel refused WHAT" for what it did by itself, "refuse: saw WHAT" for what
 * went through.
 */
#include <dlfcn.h>
#include <errno.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>

#ifndef TUN_F_USO4 /* kernel headers before 6.2 */
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif

enum {
	MANY = 100,
	LONG = 1000,
};

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static bool is_refused(const char *word)
{
	const char *list = getenv("CULVERT_TEST_REFUSE");
	const size_t len = strlen(word);

	while (list && *list) {
		const size_t here = strcspn(list, ",");

		if (here == len && !memcmp(list, word, len))
			return true;
		list += here + (list[here] == ',');
	}
	return false;
}

static void tell_once(bool *told, const char *text)
{
	if (!*told)
		fprintf(stderr, "refuse: %s\n", text);
	*told = true;
}

/* ---- The TUN device ---- */

int ioctl(int fd, unsigned long request, ...)
{
	static bool told;
	va_list arguments;
	unsigned long argument;

	va_start(arguments, request);
	argument = va_arg(arguments, unsigned long);
	va_end(arguments);
	if (request == TUNSETOFFLOAD &&
		((argument && is_refused("offload")) ||
			((argument & (TUN_F_USO4 | TUN_F_USO6)) && is_refused("uso")))) {
		tell_once(&told, "TUNSETOFFLOAD was refused");
		errno = EINVAL;
		return -1;
	}
	return REAL(ioctl)(fd, request, argument);
}

/* Whether the parts begin with a virtio_net_hdr that describes more than one packet. */
static bool is_super_packet(const struct iovec *parts, int count)
{
	struct virtio_net_hdr header;

	if (count < 2 || parts[0].iov_len != sizeof(header))
		return false;
	memcpy(&header, parts[0].iov_base, sizeof(header));
	return header.gso_type != VIRTIO_NET_HDR_GSO_NONE;
}

ssize_t readv(int fd, const struct iovec *parts, int count)
{
	static bool told;
	const ssize_t len = REAL(readv)(fd, parts, count);

	if (len > 0 && is_super_packet(parts, count))
		tell_once(&told, "saw a super-packet from the device");
	return len;
}

static size_t bytes_of(const struct iovec *parts, int count)
{
	size_t bytes = 0;

	for (int i = 0; i < count; i++)
		bytes += parts[i].iov_len;
	return bytes;
}

ssize_t writev(int fd, const struct iovec *parts, int count)
{
	static bool told, told_refused;
	ssize_t written;

	if (!is_super_packet(parts, count))
		return REAL(writev)(fd, parts, count);
	if (is_refused("merged") || (is_refused("long") && bytes_of(parts, count) > LONG)) {
		tell_once(&told_refused, "a merged write was refused");
		errno = EINVAL;
		return -1;
	}
	written = REAL(writev)(fd, parts, count);
	if (written > 0) /* and not one that the device, being down, was only asked with */
		tell_once(&told, "saw a merged write to the device");
	return written;
}

/* ---- The sockets ---- */

int setsockopt(int fd, int level, int option, const void *value, socklen_t len)
{
	static bool told;

	if (level == IPPROTO_UDP && option == UDP_GRO && is_refused("gro")) {
		tell_once(&told, "UDP_GRO was refused");
		errno = ENOPROTOOPT;
		return -1;
	}
	return REAL(setsockopt)(fd, level, option, value, len);
}

int getsockopt(int fd, int level, int option, void *value, socklen_t *len)
{
	static bool told;

	if (level == IPPROTO_UDP && option == UDP_SEGMENT && is_refused("segment")) {
		tell_once(&told, "the option UDP_SEGMENT was refused");
		errno = ENOPROTOOPT;
		return -1;
	}
	return REAL(getsockopt)(fd, level, option, value, len);
}

static bool has_control(struct msghdr *message, int type)
{
	struct cmsghdr *control = CMSG_FIRSTHDR(message);

	while (control && (control->cmsg_level != IPPROTO_UDP || control->cmsg_type != type))
		control = CMSG_NXTHDR(message, control);
	return control;
}

static int segment_error(void)
{
	return is_refused("eio")        ? EIO
	       : is_refused("einval")   ? EINVAL
	       : is_refused("emsgsize") ? EMSGSIZE
					: 0;
}

static int refuse_segment(int error)
{
	static bool told, told_many;
	static unsigned times;

	tell_once(&told, "UDP_SEGMENT was refused");
	if (++times > MANY)
		tell_once(&told_many, "UDP_SEGMENT was refused many times");
	errno = error;
	return -1;
}

static int send_some(int fd, struct mmsghdr *messages, unsigned count, int flags)
{
	static bool told, told_refused;
	const bool segmented = has_control(&messages[0].msg_hdr, UDP_SEGMENT);
	const int sent = REAL(sendmmsg)(fd, messages, count, flags);

	if (segmented && sent > 0)
		tell_once(&told, "saw UDP_SEGMENT");
	if (segmented && sent < 0 && (errno == EINVAL || errno == EMSGSIZE || errno == EIO)) {
		const int error = errno;

		tell_once(&told_refused, "the kernel refused UDP_SEGMENT");
		errno = error;
	}
	return sent;
}

/* As the kernel does it: an error counts if it is the first message's, else the call ends before.
 */
int sendmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags)
{
	const int error = segment_error();
	unsigned before = 0;

	while (before < count && !has_control(&messages[before].msg_hdr, UDP_SEGMENT))
		before++;
	if (before)
		return send_some(fd, messages, before, flags);
	return error ? refuse_segment(error) : send_some(fd, messages, count, flags);
}

int recvmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags, struct timespec *timeout)
{
	static bool told;
	const int received = REAL(recvmmsg)(fd, messages, count, flags, timeout);

	for (int i = 0; i < received; i++)
		if (has_control(&messages[i].msg_hdr, UDP_GRO))
			tell_once(&told, "saw merged datagrams");
	return received;
}
