/* SPDX-License-Identifier: ISC */
/* UDP over IPv4 and IPv6 on one port: batched receive and send, answers from the address that was
 * asked. */
#include "engine/udp.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sock_diag.h>
#include <netinet/udp.h>
#include <stdalign.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/tunnel.h"
#include "engine/sandbox.h"

enum {
	BATCH = 8, /* received at once; each may be many datagrams that the kernel merged */
	DATAGRAMS = BATCH * 128, /* newer kernels pass on as one message what was sent as 128 */
	SENDS = 64,              /* sent at once */
	SEGMENTS_MAX = 64,       /* UDP_MAX_SEGMENTS of older kernels */
	SEGMENTED_MAX = 65507,   /* bytes of one burst: what fits in an IPv4 datagram */
	DATAGRAM_MAX = 65535,
	/* Of this only the pages that a datagram reached are ever backed by memory. Not a multiple
	 * of the page size, so that datagrams' heads do not all fall on the same cache lines. */
	STRIDE = 65536 + 128,
	CONTROL_SIZE = 128, /* more than the control messages that we ask for take */
	SOCKET_BUFFER = 7 << 20,
	PORT_TRIES = 100,
	/* Bursts to one destination until what was refused is tried again: often enough to notice a
	 * new route, and seldom enough to cost nothing. */
	REFUSAL_BURSTS = 1024,
};

#define SOCKET_TYPE SANDBOX_IS(1, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC)

union control {
	alignas(struct cmsghdr) uint8_t bytes[CONTROL_SIZE];
};

struct udp_batch {
	uint8_t *memory;
	unsigned used; /* how many messages the last call may have changed */
	struct mmsghdr messages[BATCH];
	struct iovec vectors[BATCH];
	struct endpoint from[BATCH];
	union control controls[BATCH];
	struct tunnel_datagram datagrams[DATAGRAMS];
};

/* ---- What may be called ---- */

const struct sandbox_call udp_calls[] = {
	{ .name = "recvmmsg" },
	{ .name = "recvmmsg_time64" },
	{ .name = "sendmmsg" },
	{ "getsockopt", { SANDBOX_IS(1, SOL_SOCKET), SANDBOX_IS(2, SO_MEMINFO) } },
	{ "getsockopt", { SANDBOX_IS(1, IPPROTO_UDP), SANDBOX_IS(2, UDP_SEGMENT) } },
	{ "getsockopt", { SANDBOX_IS(1, IPPROTO_UDP), SANDBOX_IS(2, UDP_GRO) } },
	{ "setsockopt", { SANDBOX_IS(1, IPPROTO_UDP), SANDBOX_IS(2, UDP_GRO) } },
	{ 0 },
};

const struct sandbox_call udp_open_calls[] = {
	{ "socket", { SANDBOX_IS(0, AF_INET), SOCKET_TYPE } },
	{ "socket", { SANDBOX_IS(0, AF_INET6), SOCKET_TYPE } },
	{ .name = "bind" },
	{ .name = "getsockname" },
	{ "getsockopt", { SANDBOX_IS(1, SOL_SOCKET), SANDBOX_IS(2, SO_RCVBUF) } },
	{ "getsockopt", { SANDBOX_IS(1, SOL_SOCKET), SANDBOX_IS(2, SO_SNDBUF) } },
	{ "setsockopt", { SANDBOX_IS(1, SOL_SOCKET), SANDBOX_IS(2, SO_RCVBUF) } },
	{ "setsockopt", { SANDBOX_IS(1, SOL_SOCKET), SANDBOX_IS(2, SO_SNDBUF) } },
	{ "setsockopt", { SANDBOX_IS(1, SOL_SOCKET), SANDBOX_IS(2, SO_RCVBUFFORCE) } },
	{ "setsockopt", { SANDBOX_IS(1, SOL_SOCKET), SANDBOX_IS(2, SO_SNDBUFFORCE) } },
	{ "setsockopt", { SANDBOX_IS(1, SOL_SOCKET), SANDBOX_IS(2, SO_MARK) } },
	{ "setsockopt", { SANDBOX_IS(1, IPPROTO_IP), SANDBOX_IS(2, IP_PKTINFO) } },
	{ "setsockopt", { SANDBOX_IS(1, IPPROTO_IP), SANDBOX_IS(2, IP_RECVTOS) } },
	{ "setsockopt", { SANDBOX_IS(1, IPPROTO_IP), SANDBOX_IS(2, IP_MTU_DISCOVER) } },
	{ "setsockopt", { SANDBOX_IS(1, IPPROTO_IPV6), SANDBOX_IS(2, IPV6_V6ONLY) } },
	{ "setsockopt", { SANDBOX_IS(1, IPPROTO_IPV6), SANDBOX_IS(2, IPV6_RECVPKTINFO) } },
	{ "setsockopt", { SANDBOX_IS(1, IPPROTO_IPV6), SANDBOX_IS(2, IPV6_RECVTCLASS) } },
	{ 0 },
};

/* ---- Opening ---- */

static int set_option(int fd, int level, int option, int value)
{
	return setsockopt(fd, level, option, &value, sizeof(value)) < 0 ? -errno : 0;
}

/* As large as may be: what the system allows is no reason to fail. The kernel tells twice what it
 * was asked for (socket(7)). */
static void enlarge_buffer(int fd, int option, int force)
{
	int size = 0;
	socklen_t len = sizeof(size);

	set_option(fd, SOL_SOCKET, option, SOCKET_BUFFER);
	if (getsockopt(fd, SOL_SOCKET, option, &size, &len) < 0 || size < 2 * SOCKET_BUFFER)
		set_option(fd, SOL_SOCKET, force, SOCKET_BUFFER);
}

static int set_options4(int fd)
{
	int error = set_option(fd, IPPROTO_IP, IP_PKTINFO, 1);

	if (!error)
		error = set_option(fd, IPPROTO_IP, IP_RECVTOS, 1);
	/* As the WireGuard module does: no DF, so that a datagram that is too large for some link
	 * is fragmented there, and not lost while nobody tells the inner sender. What the kernel
	 * knows of the path MTU it still heeds (which IP_PMTUDISC_OMIT would not). */
	if (!error)
		error = set_option(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DONT);
	return error;
}

static int set_options6(int fd)
{
	int error = set_option(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);

	if (!error)
		error = set_option(fd, IPPROTO_IPV6, IPV6_RECVTCLASS, 1);
	return error;
}

static int bind_port(int fd, int family, uint16_t *port)
{
	struct endpoint local = { 0 };
	socklen_t len = sizeof(local.v6);

	if (family == AF_INET)
		local.v4 = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons(*port) };
	else
		local.v6 =
			(struct sockaddr_in6){ .sin6_family = AF_INET6, .sin6_port = htons(*port) };
	if (bind(fd, &local.any, endpoint_sockaddr_len(&local)) < 0 ||
		getsockname(fd, &local.any, &len) < 0)
		return -errno;
	*port = ntohs(family == AF_INET ? local.v4.sin_port : local.v6.sin6_port);
	return 0;
}

int udp_set_mark(int fd, uint32_t fwmark)
{
	return set_option(fd, SOL_SOCKET, SO_MARK, (int)fwmark);
}

int udp_adopt(int fd, int family, bool both)
{
	const int flags = fcntl(fd, F_GETFL);
	int error = family == AF_INET || both ? set_options4(fd) : 0;

	if (!error && family == AF_INET6)
		error = set_options6(fd);
	if (!error && (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0))
		error = -errno;
	/* What an earlier start has asked for; a kernel that does not know it has not either. */
	(void)set_option(fd, IPPROTO_UDP, UDP_GRO, 0);
	enlarge_buffer(fd, SO_RCVBUF, SO_RCVBUFFORCE);
	enlarge_buffer(fd, SO_SNDBUF, SO_SNDBUFFORCE);
	return error;
}

/* *port: 0 for any, and what it became. */
static int open_family(int family, uint16_t *port, uint32_t fwmark, int *fd)
{
	const int opened = socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int error;

	if (opened < 0)
		return -errno;
	error = family == AF_INET ? set_options4(opened) : set_options6(opened);
	if (!error && family == AF_INET6)
		error = set_option(opened, IPPROTO_IPV6, IPV6_V6ONLY, 1);
	if (!error && fwmark)
		error = udp_set_mark(opened, fwmark);
	if (!error)
		error = bind_port(opened, family, port);
	if (error) {
		close(opened);
		return error;
	}
	enlarge_buffer(opened, SO_RCVBUF, SO_RCVBUFFORCE);
	enlarge_buffer(opened, SO_SNDBUF, SO_SNDBUFFORCE);
	*fd = opened;
	return 0;
}

static uint64_t drops_of(int fd)
{
	uint32_t facts[SK_MEMINFO_VARS] = { 0 };
	socklen_t len = sizeof(facts);

	if (fd < 0 || getsockopt(fd, SOL_SOCKET, SO_MEMINFO, facts, &len) < 0)
		return 0;
	return facts[SK_MEMINFO_DROPS];
}

uint64_t udp_receive_drops(const struct udp_sockets *sockets)
{
	return drops_of(sockets->v4) + drops_of(sockets->v6);
}

static bool lacks_family(int error)
{
	return error == -EAFNOSUPPORT || error == -EADDRNOTAVAIL;
}

static int open_both(struct udp_sockets *sockets, uint16_t port, uint32_t fwmark)
{
	struct udp_sockets opened = UDP_SOCKETS_CLOSED;
	int error;

	opened.port = port;
	opened.fwmark = fwmark;
	error = open_family(AF_INET, &opened.port, fwmark, &opened.v4);
	if (error && !lacks_family(error))
		return error;
	error = open_family(AF_INET6, &opened.port, fwmark, &opened.v6);
	if (error && !(lacks_family(error) && opened.v4 >= 0)) {
		udp_close(&opened);
		return error;
	}
	*sockets = opened;
	return 0;
}

int udp_open(struct udp_sockets *sockets, uint16_t port, uint32_t fwmark)
{
	int error = -EADDRINUSE;

	/* A port that is free for one family may be taken in the other: then another one. */
	for (int tries = port ? 1 : PORT_TRIES; tries > 0 && error == -EADDRINUSE; tries--)
		error = open_both(sockets, port, fwmark);
	return error;
}

void udp_close(struct udp_sockets *sockets)
{
	if (sockets->v4 >= 0)
		close(sockets->v4);
	if (sockets->v6 >= 0)
		close(sockets->v6);
	*sockets = UDP_SOCKETS_CLOSED;
}

/* Before kernel 4.18 the option is unknown, and its control message is passed over: all would leave
 * as one datagram. */
static bool has_segment(int fd)
{
	int size;
	socklen_t len = sizeof(size);

	return fd < 0 || !getsockopt(fd, IPPROTO_UDP, UDP_SEGMENT, &size, &len);
}

/* From kernel 5.12. Those from 5.0 on have it too, and faults in it; they cannot be asked for it.
 */
static bool enable_gro(int fd)
{
	int on;
	socklen_t len = sizeof(on);

	if (fd < 0)
		return true;
	return !getsockopt(fd, IPPROTO_UDP, UDP_GRO, &on, &len) &&
	       !set_option(fd, IPPROTO_UDP, UDP_GRO, 1);
}

void udp_negotiate(struct udp_sockets *sockets, bool wanted)
{
	sockets->offload = (struct udp_offload){ 0 };
	if (!wanted || (sockets->v4 < 0 && sockets->v6 < 0))
		return;
	sockets->offload.send = has_segment(sockets->v4) && has_segment(sockets->v6);
	sockets->offload.receive = enable_gro(sockets->v4) && enable_gro(sockets->v6);
}

/* ---- Receiving ---- */

struct udp_batch *udp_batch_new(void)
{
	struct udp_batch *batch = calloc(1, sizeof(*batch));

	if (!batch)
		return NULL;
	batch->memory = mmap(NULL, (size_t)BATCH * STRIDE, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (batch->memory == MAP_FAILED) {
		free(batch);
		return NULL;
	}
	madvise(batch->memory, (size_t)BATCH * STRIDE, MADV_NOHUGEPAGE);
	for (size_t i = 0; i < BATCH; i++) {
		batch->vectors[i] = (struct iovec){ batch->memory + i * STRIDE, DATAGRAM_MAX };
		batch->messages[i].msg_hdr = (struct msghdr){ .msg_name = &batch->from[i].any,
			.msg_iov = &batch->vectors[i],
			.msg_iovlen = 1,
			.msg_control = batch->controls[i].bytes };
	}
	batch->used = BATCH;
	return batch;
}

void udp_batch_free(struct udp_batch *batch)
{
	if (!batch)
		return;
	munmap(batch->memory, (size_t)BATCH * STRIDE);
	free(batch);
}

/* Whether a control message is this one and holds so many bytes, within the message's control data.
 */
static bool control_is(const struct msghdr *message, const struct cmsghdr *control, int level,
	int type, size_t len)
{
	const size_t at =
		(size_t)((const uint8_t *)control - (const uint8_t *)message->msg_control);

	return control->cmsg_level == level && control->cmsg_type == type &&
	       control->cmsg_len >= CMSG_LEN(len) &&
	       control->cmsg_len <= message->msg_controllen - at;
}

static void read_control4(
	struct msghdr *message, struct cmsghdr *control, struct endpoint *from, uint8_t *tos)
{
	struct in_pktinfo info;

	if (control_is(message, control, IPPROTO_IP, IP_PKTINFO, sizeof(info))) {
		memcpy(&info, CMSG_DATA(control), sizeof(info));
		from->source4 = info.ipi_spec_dst;
		from->source_interface = (uint32_t)info.ipi_ifindex;
	} else if (control_is(message, control, IPPROTO_IP, IP_TOS, sizeof(*tos))) {
		*tos = *CMSG_DATA(control);
	}
}

static void read_control6(
	struct msghdr *message, struct cmsghdr *control, struct endpoint *from, uint8_t *tos)
{
	struct in6_pktinfo info;
	int class;

	if (control_is(message, control, IPPROTO_IPV6, IPV6_PKTINFO, sizeof(info))) {
		memcpy(&info, CMSG_DATA(control), sizeof(info));
		from->source6 = info.ipi6_addr;
		from->source_interface = info.ipi6_ifindex;
	} else if (control_is(message, control, IPPROTO_IPV6, IPV6_TCLASS, sizeof(class))) {
		memcpy(&class, CMSG_DATA(control), sizeof(class));
		*tos = (uint8_t) class;
	}
}

static void read_merged(struct msghdr *message, struct cmsghdr *control, size_t *datagram_len)
{
	int size;

	if (!control_is(message, control, IPPROTO_UDP, UDP_GRO, sizeof(size)))
		return;
	memcpy(&size, CMSG_DATA(control), sizeof(size));
	*datagram_len = size > 0 ? (size_t)size : 0;
}

void udp_read_control(
	struct msghdr *message, struct endpoint *from, uint8_t *tos, size_t *datagram_len)
{
	endpoint_clear_source(from);
	*tos = 0;
	*datagram_len = 0;
	for (struct cmsghdr *control = CMSG_FIRSTHDR(message); control;
		control = CMSG_NXTHDR(message, control)) {
		if (from->any.sa_family == AF_INET)
			read_control4(message, control, from, tos);
		else
			read_control6(message, control, from, tos);
		read_merged(message, control, datagram_len);
	}
}

/* IPv4 that comes to a socket for both families is given an IPv6 address that stands for its source
 * (IPv4-mapped), and control data of both families; from here on it is IPv4 as at any other. In an
 * IPv6 packet such a source does not get here: Linux drops that since 5.4, and before it was one
 * more way to forge a source. */
static void unmap(struct endpoint *from)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = from->v6.sin6_port };

	if (from->any.sa_family != AF_INET6 || !IN6_IS_ADDR_V4MAPPED(&from->v6.sin6_addr))
		return;
	memcpy(&v4.sin_addr, &from->v6.sin6_addr.s6_addr[12], sizeof(v4.sin_addr));
	from->v4 = v4;
}

/* Whole, and from somewhere that can be answered. */
static bool is_usable(const struct msghdr *message, const struct endpoint *from)
{
	const socklen_t len = endpoint_sockaddr_len(from);

	if ((message->msg_flags & MSG_TRUNC) || !len || message->msg_namelen < len)
		return false;
	return from->any.sa_family == AF_INET ? from->v4.sin_port : from->v6.sin6_port;
}

static void prepare_messages(struct udp_batch *batch)
{
	for (unsigned i = 0; i < batch->used; i++) {
		struct msghdr *message = &batch->messages[i].msg_hdr;

		message->msg_namelen = sizeof(batch->from[i].v6);
		message->msg_controllen = CONTROL_SIZE;
	}
	batch->used = 0;
}

/* Takes a received message apart; count datagrams are there already. Returns how many there are
 * then. */
static int take_message(struct udp_batch *batch, int i, int count)
{
	uint8_t *at = batch->vectors[i].iov_base;
	size_t left = batch->messages[i].msg_len, size;
	uint8_t tos;

	udp_read_control(&batch->messages[i].msg_hdr, &batch->from[i], &tos, &size);
	if (!size)
		size = left;
	while (left && count < DATAGRAMS) {
		const size_t len = left < size ? left : size;

		batch->datagrams[count++] = (struct tunnel_datagram){
			.data = at, .len = len, .tos = tos, .from = &batch->from[i]
		};
		at += len;
		left -= len;
	}
	return count;
}

int udp_receive(struct udp_batch *batch, int fd, struct tunnel_datagram **datagrams)
{
	int received, count = 0;

	prepare_messages(batch);
	received = recvmmsg(fd, batch->messages, BATCH, MSG_DONTWAIT, NULL);
	if (received < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	batch->used = (unsigned)received;
	for (int i = 0; i < received; i++) {
		if (!is_usable(&batch->messages[i].msg_hdr, &batch->from[i]))
			continue;
		unmap(&batch->from[i]);
		count = take_message(batch, i, count);
	}
	*datagrams = batch->datagrams;
	return count;
}

/* ---- What was refused ---- */

static struct udp_refusal *find_refusal(struct udp_offload *offload, const struct endpoint *to)
{
	for (unsigned i = 0; i < offload->refusal_count; i++) {
		if (endpoint_equal(&offload->refusals[i].to, to))
			return &offload->refusals[i];
	}
	return NULL;
}

static void remember_refusal(
	struct udp_offload *offload, const struct endpoint *to, size_t datagram_len)
{
	struct udp_refusal *refusal = find_refusal(offload, to);

	if (!refusal && offload->refusal_count < UDP_REFUSALS)
		refusal = &offload->refusals[offload->refusal_count++];
	else if (!refusal)
		refusal = &offload->refusals[offload->next_refusal++ % UDP_REFUSALS];
	*refusal = (struct udp_refusal){
		.to = *to, .datagram_len = datagram_len, .left = REFUSAL_BURSTS
	};
}

/* The length of datagrams from which on so many bursts have to go singly. Asked once for each send,
 * it counts them. */
static size_t refused_from(struct udp_offload *offload, const struct endpoint *to, size_t count)
{
	struct udp_refusal *refusal = find_refusal(offload, to);

	if (!refusal)
		return SIZE_MAX;
	if (refusal->left > count) {
		refusal->left -= (unsigned)count;
		return refusal->datagram_len;
	}
	*refusal = offload->refusals[--offload->refusal_count];
	return SIZE_MAX;
}

/* ---- Sending ---- */

static bool has_source(const struct endpoint *endpoint)
{
	static const struct in6_addr none;

	return memcmp(&endpoint->source6, &none, sizeof(none)) != 0;
}

static size_t add_control(
	union control *control, size_t at, int level, int type, const void *data, size_t len)
{
	struct cmsghdr *head = (struct cmsghdr *)(control->bytes + at);

	memset(head, 0, CMSG_SPACE(len));
	head->cmsg_level = level;
	head->cmsg_type = type;
	head->cmsg_len = CMSG_LEN(len);
	memcpy(CMSG_DATA(head), data, len);
	return at + CMSG_SPACE(len);
}

/*
 * The source address and the TOS, as control data; returns its length. The interface is pinned in
 * IPv6 alone, where it is a preference. In IPv4 it would be an order: a destination that has no
 * route through it is taken to be on its link, and the datagram is lost asking who that is. Routing
 * rules may go by the address.
 */
static size_t make_control(union control *control, const struct endpoint *to, uint8_t tos)
{
	const bool v4 = to->any.sa_family == AF_INET;
	const int class = tos;
	size_t len = 0;

	if (has_source(to) && v4) {
		const struct in_pktinfo info = { .ipi_spec_dst = to->source4 };

		len = add_control(control, len, IPPROTO_IP, IP_PKTINFO, &info, sizeof(info));
	} else if (has_source(to)) {
		const struct in6_pktinfo info = { .ipi6_addr = to->source6,
			.ipi6_ifindex = to->source_interface };

		len = add_control(control, len, IPPROTO_IPV6, IPV6_PKTINFO, &info, sizeof(info));
	}
	if (tos)
		len = add_control(control, len, v4 ? IPPROTO_IP : IPPROTO_IPV6,
			v4 ? IP_TOS : IPV6_TCLASS, &class, sizeof(class));
	return len;
}

/* Errors that a source address which is not ours any more may cause. */
static bool may_be_source(int error)
{
	return error == EINVAL || error == ENETUNREACH || error == EADDRNOTAVAIL ||
	       error == EHOSTUNREACH || error == ENODEV;
}

/* Errors that say nothing about the next datagram to the same place. */
static bool is_datagrams_own(int error)
{
	return error == EPERM || error == EMSGSIZE || error == ENOBUFS || error == EIO;
}

/* What goes out at once: each burst is one message, to be cut up by the kernel if it holds more
 * than one datagram. */
struct outgoing {
	int fd;
	struct endpoint *to;
	uint8_t tos;
	struct udp_offload *offload;
	size_t singly_from; /* bursts of datagrams as long as this go datagram by datagram */
	struct mmsghdr messages[SENDS];
	struct iovec vectors[SENDS];
	union control controls[SENDS];
};

static bool is_segmented(const struct tunnel_burst *burst)
{
	return burst->len > burst->datagram_len;
}

static void prepare_message(struct outgoing *out, size_t i, const struct tunnel_burst *burst)
{
	union control *control = &out->controls[i];
	const uint16_t size = (uint16_t)burst->datagram_len;
	size_t len = make_control(control, out->to, out->tos);

	if (is_segmented(burst))
		len = add_control(control, len, IPPROTO_UDP, UDP_SEGMENT, &size, sizeof(size));
	out->vectors[i] = (struct iovec){ (void *)burst->data, burst->len };
	out->messages[i].msg_hdr = (struct msghdr){ .msg_name = &out->to->any,
		.msg_namelen = endpoint_sockaddr_len(out->to),
		.msg_iov = &out->vectors[i],
		.msg_iovlen = 1,
		.msg_control = len ? control->bytes : NULL,
		.msg_controllen = len };
}

/* Errors with which the kernel, the route or the network card refuses to cut up a burst. */
static bool may_be_segmentation(int error)
{
	return error == EIO || error == EINVAL || error == EMSGSIZE;
}

static int send_messages(struct outgoing *out, const struct tunnel_burst *bursts, size_t count);

/* One datagram a message. */
static int send_singly(struct outgoing *out, const struct tunnel_burst *burst)
{
	struct tunnel_burst singles[SENDS];
	size_t count = 0;

	for (size_t at = 0; at < burst->len; at += burst->datagram_len) {
		const size_t left = burst->len - at;
		const size_t len = left < burst->datagram_len ? left : burst->datagram_len;

		singles[count++] = (struct tunnel_burst){ burst->data + at, len, len };
	}
	return send_messages(out, singles, count);
}

/*
 * For a burst that was refused. EIO is for good; the others (EMSGSIZE, EINVAL of older kernels)
 * mean datagrams above the path's MTU, and are this path's affair. EINVAL may be about the source
 * too: then the datagrams are refused for that as well, which clears it, and the next burst will
 * show.
 */
static int retry_singly(struct outgoing *out, const struct tunnel_burst *burst, int refusal)
{
	const bool had_source = has_source(out->to);
	int error = send_singly(out, burst);

	if (error == -refusal || has_source(out->to) != had_source)
		return error;
	if (refusal != EIO) {
		remember_refusal(out->offload, out->to, burst->datagram_len);
		out->singly_from = burst->datagram_len;
		return error;
	}
	if (out->to->any.sa_family == AF_INET)
		out->offload->refused4 = true;
	else
		out->offload->refused6 = true;
	out->singly_from = 0;
	return error;
}

/* At most SENDS bursts, of at most SEGMENTS_MAX datagrams. */
static int send_messages(struct outgoing *out, const struct tunnel_burst *bursts, size_t count)
{
	size_t prepared = 0, done = 0;
	int error = 0, one;

	while (done < count) {
		const bool segmented = is_segmented(&bursts[done]);

		if (segmented && bursts[done].datagram_len >= out->singly_from) {
			one = send_singly(out, &bursts[done]);
			error = error ? error : one;
			prepared = ++done; /* the others' messages were overwritten */
			continue;
		}
		for (; prepared < count; prepared++)
			prepare_message(out, prepared, &bursts[prepared]);
		const int sent = sendmmsg(
			out->fd, out->messages + done, (unsigned)(count - done), MSG_DONTWAIT);

		if (sent > 0) {
			done += (size_t)sent;
			continue;
		}
		if (errno == EINTR)
			continue;
		one = -errno;
		/* EINVAL may mean either: if it is the source, a single datagram is refused too. */
		if (segmented && may_be_segmentation(errno)) {
			one = retry_singly(out, &bursts[done], errno);
			prepared = ++done;
		} else if (may_be_source(errno) && has_source(out->to)) { /* so at most once */
			endpoint_clear_source(out->to);
			prepared = done;
			continue;
		} else if (is_datagrams_own(errno)) {
			done++;
		} else {
			return error ? error : one;
		}
		error = error ? error : one;
	}
	return error;
}

/* How much of a burst may go as one message. */
static size_t piece_len(const struct outgoing *out, const struct tunnel_burst *burst)
{
	size_t datagrams = SEGMENTED_MAX / burst->datagram_len;

	if (datagrams > SEGMENTS_MAX)
		datagrams = SEGMENTS_MAX;
	if (burst->datagram_len >= out->singly_from || !datagrams)
		datagrams = 1;
	return burst->len < datagrams * burst->datagram_len ? burst->len
							    : datagrams * burst->datagram_len;
}

static size_t known_limit(struct udp_offload *offload, const struct endpoint *to, size_t count)
{
	if (!udp_segments(offload, to->any.sa_family))
		return 0;
	return offload->refusal_count ? refused_from(offload, to, count) : SIZE_MAX;
}

int udp_send(struct udp_sockets *sockets, struct endpoint *to, const struct tunnel_burst *bursts,
	size_t count, uint8_t tos)
{
	const bool v4 = to->any.sa_family == AF_INET;
	struct tunnel_burst pieces[SENDS];
	struct outgoing out;
	size_t filled = 0;
	int first = 0, error;

	out.fd = v4 && !sockets->both ? sockets->v4 : sockets->v6;
	out.to = to;
	out.tos = tos;
	out.offload = &sockets->offload;
	if (out.fd < 0 || !endpoint_is_set(to))
		return -EAFNOSUPPORT;
	out.singly_from = known_limit(out.offload, to, count);
	for (size_t i = 0; i < count; i++) {
		struct tunnel_burst rest = bursts[i];

		while (rest.len) {
			const size_t len = piece_len(&out, &rest);

			pieces[filled++] =
				(struct tunnel_burst){ rest.data, len, rest.datagram_len };
			rest.data += len;
			rest.len -= len;
			if (filled < SENDS && (rest.len || i + 1 < count))
				continue;
			error = send_messages(&out, pieces, filled);
			first = first ? first : error;
			filled = 0;
		}
	}
	return first;
}
