/* SPDX-License-Identifier: ISC */
/* What becomes of bursts and ports that the kernel refuses, of kernels that lack UDP_SEGMENT,
 * UDP_GRO or IPv6, and of messages that a kernel seldom gives. Its part is played here (ld --wrap):
 * nothing is sent. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/udp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/tunnel.h"
#include "engine/udp.h"

enum {
	V4 = 1000,
	V6 = 1001,
	SENT_MAX = 2000,
	AGAIN = 1024, /* bursts */
	FIRST_PORT = 40000,
	PORT_TRIES = 100,
	RECEIVED_MAX = 8, /* messages at once */
	SEGMENTS_MAX = 128,
};

/* What comes of a family's sockets. */
struct family {
	bool open;
	int socket_error, bind_error;
	unsigned taken; /* how often a port is taken at first */
	uint16_t port;  /* bound to */
};

struct arrival {
	size_t segments, len; /* len: of each */
	const char *from;     /* NULL: the kernel does not say */
	int flags;
	bool portless;
};

static struct {
	int error;          /* of segmented messages */
	size_t above;       /* ... of datagrams longer than this */
	uint16_t to;        /* ... to this port; 0: any */
	int plain_error;    /* of all other messages */
	int source_error;   /* of all that pin a source */
	bool lacks_segment; /* the option is unknown */
	bool lacks_gro;
	int lacks_gro_on;        /* on this socket */
	bool lacks_gro_question; /* before 5.12: it can be set, and not asked for */
	int buffer_max;          /* net.core.rmem_max and wmem_max; 0: none */
	int buffer;              /* as it was set last, doubled */
	unsigned forced;         /* buffers set beyond that */
	struct family v4, v6;
	struct arrival arrivals[RECEIVED_MAX];
	unsigned arrival_count;

	unsigned binds;
	unsigned calls, refusals, segmented, gro_set;
	bool pinned;                  /* the last message that was sent */
	size_t sent;                  /* datagrams */
	uint8_t first_byte[SENT_MAX]; /* of each */
	size_t lens[SENT_MAX];
} kernel;

int __wrap_socket(int family, int type, int protocol);
int __wrap_bind(int fd, const struct sockaddr *address, socklen_t len);
int __wrap_getsockname(int fd, struct sockaddr *address, socklen_t *len);
int __wrap_close(int fd);
int __wrap_recvmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags, void *timeout);
int __wrap_sendmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags);
int __wrap_setsockopt(int fd, int level, int option, const void *value, socklen_t len);
int __wrap_getsockopt(int fd, int level, int option, void *value, socklen_t *len);

static struct family *family_of(int fd)
{
	assert_true(fd == V4 || fd == V6);
	return fd == V4 ? &kernel.v4 : &kernel.v6;
}

int __wrap_socket(int family, int type, int protocol)
{
	const int fd = family == AF_INET ? V4 : V6;
	struct family *of = family_of(fd);

	assert_int_equal(type, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC);
	assert_int_equal(protocol, 0);
	assert_false(of->open); /* one that was not closed */
	errno = of->socket_error;
	of->open = !of->socket_error;
	return of->open ? fd : -1;
}

int __wrap_close(int fd)
{
	assert_true(family_of(fd)->open);
	family_of(fd)->open = false;
	return 0;
}

int __wrap_bind(int fd, const struct sockaddr *address, socklen_t len)
{
	const struct endpoint *local = (const struct endpoint *)address;
	struct family *of = family_of(fd);

	assert_true(of->open);
	assert_int_equal(address->sa_family, fd == V4 ? AF_INET : AF_INET6);
	assert_int_equal(len, endpoint_sockaddr_len(local));
	kernel.binds++;
	if (of->bind_error || of->taken) {
		errno = of->bind_error ? of->bind_error : EADDRINUSE;
		of->taken -= of->taken != 0;
		return -1;
	}
	of->port = ntohs(local->v4.sin_port); /* at the same place in both families */
	if (!of->port)
		of->port = (uint16_t)(FIRST_PORT + kernel.binds);
	return 0;
}

int __wrap_getsockname(int fd, struct sockaddr *address, socklen_t *len)
{
	struct endpoint *local = (struct endpoint *)address;

	assert_int_equal(*len, sizeof(local->v6));
	local->v4.sin_port = htons(family_of(fd)->port);
	return 0;
}

int __wrap_setsockopt(int fd, int level, int option, const void *value, socklen_t len)
{
	assert_true(fd == V4 || fd == V6);
	if (level == SOL_SOCKET) {
		const int wanted = *(const int *)value;
		const bool force = option == SO_RCVBUFFORCE || option == SO_SNDBUFFORCE;
		const bool capped = !force && kernel.buffer_max && wanted > kernel.buffer_max;

		kernel.forced += force;
		kernel.buffer = 2 * (capped ? kernel.buffer_max : wanted);
	}
	if (level != IPPROTO_UDP)
		return 0;
	assert_int_equal(option, UDP_GRO);
	assert_int_equal(len, sizeof(int));
	assert_int_equal(*(const int *)value, 1);
	kernel.gro_set++;
	errno = ENOPROTOOPT;
	return kernel.lacks_gro || fd == kernel.lacks_gro_on ? -1 : 0;
}

int __wrap_getsockopt(int fd, int level, int option, void *value, socklen_t *len)
{
	assert_true(fd == V4 || fd == V6);
	memset(value, 0, *len);
	if (level == SOL_SOCKET)
		memcpy(value, &kernel.buffer, sizeof(kernel.buffer));
	if (level != IPPROTO_UDP)
		return 0;
	errno = ENOPROTOOPT;
	if (option == UDP_GRO)
		return kernel.lacks_gro || kernel.lacks_gro_question ? -1 : 0;
	assert_int_equal(option, UDP_SEGMENT);
	return kernel.lacks_segment ? -1 : 0;
}

/* The segments' length, 0 if the message is one datagram; and whether a source is pinned. */
static size_t read_message(struct msghdr *message, bool *pinned)
{
	uint16_t size = 0;

	*pinned = false;
	for (struct cmsghdr *control = CMSG_FIRSTHDR(message); control;
		control = CMSG_NXTHDR(message, control)) {
		if (control->cmsg_level == IPPROTO_UDP && control->cmsg_type == UDP_SEGMENT)
			memcpy(&size, CMSG_DATA(control), sizeof(size));
		else if (control->cmsg_type == IP_PKTINFO || control->cmsg_type == IPV6_PKTINFO)
			*pinned = true;
	}
	return size;
}

static uint16_t port_of(const struct msghdr *message)
{
	const struct endpoint *to = message->msg_name;

	return ntohs(to->v4.sin_port); /* at the same place in both families */
}

static int error_of(const struct msghdr *message, size_t segment, bool pinned)
{
	if (pinned && kernel.source_error)
		return kernel.source_error;
	if (!segment)
		return kernel.plain_error;
	return segment > kernel.above && (!kernel.to || kernel.to == port_of(message))
		       ? kernel.error
		       : 0;
}

static void take(const struct msghdr *message, size_t segment)
{
	const uint8_t *data = message->msg_iov->iov_base;
	const size_t len = message->msg_iov->iov_len;

	for (size_t at = 0, size; at < len; at += size, kernel.sent++) {
		size = segment && len - at > segment ? segment : len - at;
		assert_true(kernel.sent < SENT_MAX);
		kernel.first_byte[kernel.sent] = data[at];
		kernel.lens[kernel.sent] = size;
	}
}

int __wrap_sendmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags)
{
	assert_int_equal(flags, MSG_DONTWAIT);
	kernel.calls++;
	for (unsigned i = 0; i < count; i++) {
		struct msghdr *message = &messages[i].msg_hdr;
		bool pinned;
		const size_t segment = read_message(message, &pinned);
		const int error = error_of(message, segment, pinned);

		assert_int_equal(fd,
			((struct endpoint *)message->msg_name)->any.sa_family == AF_INET ? V4 : V6);
		if (error && i)
			return (int)i; /* it will be seen when it comes first */
		if (error) {
			kernel.refusals++;
			errno = error;
			return -1;
		}
		kernel.segmented += segment != 0;
		kernel.pinned = pinned;
		take(message, segment);
	}
	return (int)count;
}

/* Datagrams say how many are before them. */
static void give(struct mmsghdr *message, const struct arrival *arrival, uint16_t *number)
{
	struct msghdr *head = &message->msg_hdr;
	struct cmsghdr *control = head->msg_control;
	const int size = (int)arrival->len;
	uint8_t *data = head->msg_iov->iov_base;

	assert_true(head->msg_iov->iov_len >= arrival->segments * arrival->len);
	for (size_t i = 0; i < arrival->segments; i++, ++*number)
		memcpy(data + i * arrival->len, number, sizeof(*number));
	message->msg_len = (unsigned)(arrival->segments * arrival->len);
	assert_true(head->msg_controllen >= CMSG_SPACE(sizeof(size)));
	head->msg_controllen = CMSG_SPACE(sizeof(size));
	*control = (struct cmsghdr){
		.cmsg_len = CMSG_LEN(sizeof(size)), .cmsg_level = IPPROTO_UDP, .cmsg_type = UDP_GRO
	};
	memcpy(CMSG_DATA(control), &size, sizeof(size));
	head->msg_flags = arrival->flags;
	head->msg_namelen = 0;
	if (arrival->from) {
		struct endpoint from = { 0 };

		assert_int_equal(endpoint_from_text(&from, arrival->from), 0);
		if (arrival->portless)
			from.v4.sin_port = 0;
		head->msg_namelen = endpoint_sockaddr_len(&from);
		memcpy(head->msg_name, &from, head->msg_namelen);
	}
}

int __wrap_recvmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags, void *timeout)
{
	uint16_t number = 0;

	assert_int_equal(fd, V4);
	assert_int_equal(flags, MSG_DONTWAIT);
	assert_null(timeout);
	assert_true(count >= kernel.arrival_count);
	for (unsigned i = 0; i < kernel.arrival_count; i++)
		give(&messages[i], &kernel.arrivals[i], &number);
	return (int)kernel.arrival_count;
}

/* ---- Sending ---- */

static struct udp_sockets sockets;
static uint8_t bytes[100000];

static void begin(void)
{
	memset(&kernel, 0, sizeof(kernel));
	sockets = (struct udp_sockets){ .v4 = V4, .v6 = V6 };
	udp_negotiate(&sockets, true);
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i / 100);
}

static struct endpoint endpoint_of(const char *text)
{
	struct endpoint endpoint = { 0 };

	assert_int_equal(endpoint_from_text(&endpoint, text), 0);
	return endpoint;
}

/* One burst of so many datagrams of a length, all of which have to leave once and in order. */
static void send_burst_to(struct endpoint *to, size_t datagrams, size_t len)
{
	const struct tunnel_burst burst = { bytes, datagrams * len, len };

	kernel.calls = kernel.refusals = kernel.segmented = 0;
	kernel.sent = 0;
	assert_int_equal(udp_send(&sockets, to, &burst, 1, 0), 0);
	assert_int_equal(kernel.sent, datagrams);
	for (size_t i = 0; i < datagrams; i++) {
		assert_int_equal(kernel.lens[i], len);
		assert_int_equal(kernel.first_byte[i], bytes[i * len]);
	}
}

static void send_burst(const char *to, size_t datagrams, size_t len)
{
	struct endpoint endpoint = endpoint_of(to);

	send_burst_to(&endpoint, datagrams, len);
}

#define expect(refusals_, segmented_)                           \
	do {                                                    \
		assert_int_equal(kernel.refusals, refusals_);   \
		assert_int_equal(kernel.segmented, segmented_); \
	} while (0)

static void negotiation(void **state)
{
	(void)state;
	begin();
	assert_true(sockets.offload.send && sockets.offload.receive);
	assert_int_equal(kernel.gro_set, 2);
	send_burst("192.0.2.1:7", 10, 100);
	expect(0, 1);

	kernel.lacks_gro = true;
	udp_negotiate(&sockets, true);
	assert_true(sockets.offload.send && !sockets.offload.receive);
	kernel.lacks_gro = false;
	kernel.lacks_gro_on = V6;
	udp_negotiate(&sockets, true);
	assert_false(sockets.offload.receive);
	kernel.lacks_gro_on = 0;
	kernel.lacks_gro_question = true;
	udp_negotiate(&sockets, true);
	assert_false(sockets.offload.receive);
	kernel.lacks_gro_question = false;

	kernel.lacks_segment = true;
	udp_negotiate(&sockets, true);
	assert_true(!sockets.offload.send && sockets.offload.receive);
	send_burst("192.0.2.1:7", 10, 100);
	expect(0, 0);
	assert_int_equal(kernel.calls, 1); /* all of them at once nevertheless */
	kernel.lacks_segment = false;

	kernel.gro_set = 0;
	udp_negotiate(&sockets, false);
	assert_int_equal(kernel.gro_set, 0);
	assert_false(sockets.offload.send || sockets.offload.receive);
	send_burst("192.0.2.1:7", 10, 100);
	expect(0, 0);

	/* The one family that there is; none. */
	sockets.v6 = -1;
	udp_negotiate(&sockets, true);
	assert_true(sockets.offload.send && sockets.offload.receive);
	sockets.v4 = -1;
	udp_negotiate(&sockets, true);
	assert_false(sockets.offload.send || sockets.offload.receive);
}

/* EIO: no more in this family, wherever to; the other one is left alone. */
static void eio(void **state)
{
	(void)state;
	begin();
	kernel.error = EIO;
	send_burst("192.0.2.1:7", 100, 100);
	expect(1, 0);
	assert_true(sockets.offload.refused4 && !sockets.offload.refused6);
	kernel.error = 0;
	for (int i = 0; i < 3 * AGAIN; i++) {
		send_burst("192.0.2.2:8", 3, 100);
		expect(0, 0);
	}
	send_burst("[2001:db8::1]:7", 100, 100);
	expect(0, 2);
	kernel.error = EIO;
	send_burst("[2001:db8::1]:7", 100, 100);
	expect(1, 0);
	assert_true(sockets.offload.refused6);
}

/* What a single datagram meets with too has nothing to do with bursts. */
static void not_about_segments(void **state)
{
	struct endpoint to = endpoint_of("192.0.2.1:7");
	const struct tunnel_burst burst = { bytes, 1000, 100 };

	(void)state;
	begin();
	kernel.error = kernel.plain_error = EIO;
	assert_int_equal(udp_send(&sockets, &to, &burst, 1, 0), -EIO);
	assert_false(sockets.offload.refused4);
	kernel.error = kernel.plain_error = EMSGSIZE;
	assert_int_equal(udp_send(&sockets, &to, &burst, 1, 0), -EMSGSIZE);
	kernel.error = kernel.plain_error = 0;
	send_burst_to(&to, 10, 100);
	expect(0, 1);
}

/* EINVAL and EMSGSIZE: datagrams of this length and longer, to this destination, for a while. */
static void path_mtu(void **state)
{
	static const int errors[] = { EINVAL, EMSGSIZE };
	static const char *const addresses[][2] = { { "192.0.2.1:7", "192.0.2.1:8" },
		{ "[2001:db8::1]:7", "[2001:db8::2]:7" } };

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		const char *to = addresses[i / 2][0], *other = addresses[i / 2][1];

		begin();
		kernel.error = errors[i % 2];
		kernel.above = 1300;
		send_burst(to, 30, 1400);
		expect(1, 0);
		assert_int_equal(kernel.calls, 2);
		for (size_t n = 1; n < AGAIN; n++) { /* not tried */
			send_burst(to, 10, n % 2 ? 1400 : 1500);
			expect(0, 0);
			assert_int_equal(kernel.calls, 1);
		}
		send_burst(to, 10, 1400); /* tried again */
		expect(1, 0);
		send_burst(to, 10, 1300); /* short enough */
		expect(0, 1);
		send_burst(to, 10, 1350); /* not known yet */
		expect(1, 0);
		send_burst(to, 10, 1399);
		expect(0, 0);
		kernel.error = 0;
		send_burst(other, 10, 1400);
		expect(0, 1);
		for (size_t n = 1; n < AGAIN - 1; n++) {
			send_burst(to, 10, 1400);
			expect(0, 0);
		}
		send_burst(to, 10, 1400); /* there is another way now */
		expect(0, 1);
		assert_int_equal(sockets.offload.refusal_count, 0);
	}
}

/* What was learned from the first burst of many, those behind it in the same call heed; and the
 * next call sends all their datagrams at once. */
static void bursts_behind(void **state)
{
	enum { BURSTS = 150, EACH = 10 };
	struct tunnel_burst bursts[BURSTS];
	struct endpoint to = endpoint_of("192.0.2.1:7");

	(void)state;
	for (int error = 0; error < 2; error++) {
		begin();
		kernel.error = error ? EIO : EINVAL;
		for (size_t i = 0; i < BURSTS; i++)
			bursts[i] = (struct tunnel_burst){ bytes + i * 100, EACH * 10, 10 };
		assert_int_equal(udp_send(&sockets, &to, bursts, BURSTS, 0), 0);
		expect(1, 0);
		assert_int_equal(kernel.sent, BURSTS * EACH);
		for (size_t i = 0; i < BURSTS * EACH; i++) {
			assert_int_equal(kernel.lens[i], 10);
			assert_int_equal(kernel.first_byte[i], bytes[i * 10]);
		}
		kernel.calls = 0;
		assert_int_equal(udp_send(&sockets, &to, bursts, 6, 0), 0);
		assert_int_equal(kernel.calls, 1);
	}
}

/* Bursts that are refused, short enough ones and single datagrams by turns: that the former are
 * taken apart does no harm to what was prepared for the others. */
static void mixed_bursts(void **state)
{
	enum { ROUNDS = 4, EACH = 10, LONG = 1400, SHORT = 100 };
	struct tunnel_burst bursts[3 * ROUNDS];
	struct endpoint to = endpoint_of("192.0.2.1:7");
	size_t at = 0, sent = 0;

	(void)state;
	begin();
	kernel.error = EMSGSIZE;
	kernel.above = 1300;
	for (size_t i = 0; i < ROUNDS; i++) {
		bursts[3 * i] = (struct tunnel_burst){ bytes + at, EACH * LONG, LONG };
		at += EACH * LONG;
		bursts[3 * i + 1] = (struct tunnel_burst){ bytes + at, EACH * SHORT, SHORT };
		at += EACH * SHORT;
		bursts[3 * i + 2] = (struct tunnel_burst){ bytes + at, SHORT, SHORT };
		at += SHORT;
	}
	assert_int_equal(udp_send(&sockets, &to, bursts, 3 * ROUNDS, 0), 0);
	assert_int_equal(kernel.sent, ROUNDS * (2 * EACH + 1));
	at = 0;
	for (size_t i = 0; i < 3 * ROUNDS; i++) {
		for (size_t left = bursts[i].len; left; left -= bursts[i].datagram_len, sent++) {
			assert_int_equal(kernel.lens[sent], bursts[i].datagram_len);
			assert_int_equal(kernel.first_byte[sent], bytes[at]);
			at += bursts[i].datagram_len;
		}
	}
}

/* The table has its limit; a destination that falls out of it is found out about again. */
static void many_destinations(void **state)
{
	char text[ENDPOINT_TEXT_SIZE];

	(void)state;
	begin();
	kernel.error = EINVAL;
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < UDP_REFUSALS; i++) {
			snprintf(text, sizeof(text), "192.0.2.%d:7", i);
			send_burst(text, 5, 100);
			expect(round ? 0 : 1, 0);
		}
	}
	for (int i = 0; i < 100; i++) {
		snprintf(text, sizeof(text), "198.51.100.%d:7", i);
		send_burst(text, 5, 100);
		expect(1, 0);
		send_burst(text, 5, 100);
		expect(0, 0);
		assert_int_equal(sockets.offload.refusal_count, UDP_REFUSALS);
	}
	/* The last eight are known. */
	for (int i = 100 - UDP_REFUSALS; i < 100; i++) {
		snprintf(text, sizeof(text), "198.51.100.%d:7", i);
		send_burst(text, 5, 100);
		expect(0, 0);
	}
	send_burst("198.51.100.1:7", 5, 100);
	expect(1, 0);
}

/* EINVAL may mean the burst or the source: whichever it is, the other one is kept. */
static void source_or_segments(void **state)
{
	static const char *const addresses[][2] = { { "192.0.2.1:7", "192.0.2.9" },
		{ "[2001:db8::1]:7", "2001:db8::9" } };

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct endpoint to = endpoint_of(addresses[i][0]), pinned;

		assert_int_equal(inet_pton(to.any.sa_family, addresses[i][1], &to.source6), 1);
		pinned = to;
		begin();
		kernel.error = EINVAL;
		send_burst_to(&to, 10, 100);
		expect(1, 0);
		assert_true(kernel.pinned);
		assert_memory_equal(&to, &pinned, sizeof(to));
		send_burst_to(&to, 10, 100);
		expect(0, 0);
		assert_true(kernel.pinned);

		begin();
		kernel.source_error = EINVAL;
		send_burst_to(&to, 10, 100);
		assert_false(kernel.pinned);
		assert_memory_equal(&to.source6, &(struct in6_addr){ 0 }, sizeof(to.source6));
		send_burst_to(&to, 10, 100); /* nothing was wrong with bursts */
		expect(0, 1);

		/* Both at once. */
		to = pinned;
		begin();
		kernel.source_error = kernel.error = EINVAL;
		send_burst_to(&to, 10, 100);
		assert_false(kernel.pinned);
		send_burst_to(&to, 10, 100);
		expect(1, 0);
		send_burst_to(&to, 10, 100);
		expect(0, 0);
	}
}

/* ---- Opening ---- */

static int open_on(uint16_t port)
{
	sockets = UDP_SOCKETS_CLOSED;
	kernel.binds = 0;
	return udp_open(&sockets, port, 0);
}

static void expect_open(bool v4, bool v6)
{
	assert_int_equal(sockets.v4, v4 ? V4 : -1);
	assert_int_equal(sockets.v6, v6 ? V6 : -1);
	assert_true(kernel.v4.open == v4 && kernel.v6.open == v6);
	if (v4)
		assert_int_equal(kernel.v4.port, sockets.port);
	if (v6)
		assert_int_equal(kernel.v6.port, sockets.port);
	udp_close(&sockets);
	assert_false(kernel.v4.open || kernel.v6.open);
}

/* A random port that one family has taken: another one, unless it never ends. One that was asked
 * for is as it is. */
static void ports_taken(void **state)
{
	(void)state;
	for (int which = 0; which < 2; which++) {
		unsigned *taken = which ? &kernel.v6.taken : &kernel.v4.taken;

		memset(&kernel, 0, sizeof(kernel));
		assert_int_equal(open_on(0), 0);
		assert_in_range(sockets.port, FIRST_PORT, UINT16_MAX);
		expect_open(true, true);
		*taken = PORT_TRIES - 1;
		assert_int_equal(open_on(0), 0);
		assert_int_equal(*taken, 0);
		assert_in_range(sockets.port, FIRST_PORT, UINT16_MAX);
		expect_open(true, true);
		*taken = 2 * PORT_TRIES;
		assert_int_equal(open_on(0), -EADDRINUSE);
		assert_int_equal(*taken, PORT_TRIES);
		expect_open(false, false);
		*taken = 1;
		assert_int_equal(open_on(7), -EADDRINUSE);
		expect_open(false, false);
		assert_int_equal(open_on(7), 0);
		assert_int_equal(sockets.port, 7);
		expect_open(true, true);
	}
}

/* The family that a host has will do. Whatever else goes wrong with one is an error. */
/* What the system's limit lets through is not enough: then it is forced. */
static void buffers(void **state)
{
	static const struct {
		int max;
		unsigned forced;
	} cases[] = { { 0, 0 }, { 212992, 4 }, { 4 << 20, 4 }, { 7 << 20, 0 }, { 16 << 20, 0 } };

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		memset(&kernel, 0, sizeof(kernel));
		kernel.buffer_max = cases[i].max;
		assert_int_equal(open_on(7), 0);
		assert_int_equal(kernel.forced, cases[i].forced);
		assert_int_equal(kernel.buffer, 2 * (7 << 20));
		udp_close(&sockets);
	}
}

static void family_missing(void **state)
{
	static const struct {
		int socket_error, bind_error;
		bool missing;
	} cases[] = { { EAFNOSUPPORT, 0, true }, { 0, EADDRNOTAVAIL, true }, { EMFILE, 0, false },
		{ 0, EACCES, false } };

	(void)state;
	for (size_t i = 0; i < 2 * sizeof(cases) / sizeof(*cases); i++) {
		const bool lacks_v6 = i % 2;
		struct family *lacking = lacks_v6 ? &kernel.v6 : &kernel.v4;
		const int socket_error = cases[i / 2].socket_error;
		const int bind_error = cases[i / 2].bind_error;

		for (uint16_t port = 0; port < 8; port += 7) {
			memset(&kernel, 0, sizeof(kernel));
			lacking->socket_error = socket_error;
			lacking->bind_error = bind_error;
			if (!cases[i / 2].missing) {
				assert_int_equal(open_on(port), -(socket_error + bind_error));
				expect_open(false, false);
				continue;
			}
			assert_int_equal(open_on(port), 0);
			assert_in_range(
				sockets.port, port ? port : FIRST_PORT, port ? port : UINT16_MAX);
			expect_open(lacks_v6, !lacks_v6);
			/* The other one is missing too. */
			kernel.v4.socket_error = kernel.v6.socket_error = EAFNOSUPPORT;
			assert_int_equal(open_on(port), -EAFNOSUPPORT);
			expect_open(false, false);
		}
	}
}

/* ---- Receiving ---- */

/* As many as a kernel merges in as many messages as are taken at once. */
static void longest_messages(void **state)
{
	struct udp_batch *batch = udp_batch_new();
	struct tunnel_datagram *datagrams;
	const struct endpoint from = endpoint_of("192.0.2.1:7");

	(void)state;
	assert_non_null(batch);
	memset(&kernel, 0, sizeof(kernel));
	kernel.arrival_count = RECEIVED_MAX;
	for (size_t len = 2; len * SEGMENTS_MAX < 65536; len += 509) {
		for (size_t i = 0; i < RECEIVED_MAX; i++)
			kernel.arrivals[i] =
				(struct arrival){ SEGMENTS_MAX, len, "192.0.2.1:7", 0, false };
		assert_int_equal(udp_receive(batch, V4, &datagrams), RECEIVED_MAX * SEGMENTS_MAX);
		for (uint16_t i = 0; i < RECEIVED_MAX * SEGMENTS_MAX; i++) {
			assert_int_equal(datagrams[i].len, len);
			assert_memory_equal(datagrams[i].data, &i, sizeof(i));
			assert_true(endpoint_equal(datagrams[i].from, &from));
		}
	}
	udp_batch_free(batch);
}

/* A message that was cut off, or that nobody could be answered for, costs itself alone. */
static void unusable_messages(void **state)
{
	static const struct arrival unusable[] = { { 2, 100, "192.0.2.1:7", MSG_TRUNC, false },
		{ 2, 100, "192.0.2.1:7", 0, true }, { 2, 100, "[2001:db8::1]:7", 0, true },
		{ 2, 100, NULL, 0, false } };
	const struct arrival good = { 2, 100, "192.0.2.1:7", 0, false };
	struct udp_batch *batch = udp_batch_new();
	struct tunnel_datagram *datagrams;

	(void)state;
	assert_non_null(batch);
	memset(&kernel, 0, sizeof(kernel));
	kernel.arrival_count = 3;
	for (size_t i = 0; i < sizeof(unusable) / sizeof(*unusable); i++) {
		kernel.arrivals[0] = kernel.arrivals[1] = kernel.arrivals[2] = good;
		assert_int_equal(udp_receive(batch, V4, &datagrams), 6);
		kernel.arrivals[1] = unusable[i];
		assert_int_equal(udp_receive(batch, V4, &datagrams), 4);
		for (uint16_t n = 0; n < 4; n++) {
			const uint16_t number = n < 2 ? n : n + 2;

			assert_int_equal(datagrams[n].len, 100);
			assert_memory_equal(datagrams[n].data, &number, sizeof(number));
		}
	}
	udp_batch_free(batch);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(negotiation),
		cmocka_unit_test(eio),
		cmocka_unit_test(not_about_segments),
		cmocka_unit_test(path_mtu),
		cmocka_unit_test(bursts_behind),
		cmocka_unit_test(many_destinations),
		cmocka_unit_test(source_or_segments),
		cmocka_unit_test(mixed_bursts),
		cmocka_unit_test(ports_taken),
		cmocka_unit_test(family_missing),
		cmocka_unit_test(buffers),
		cmocka_unit_test(longest_messages),
		cmocka_unit_test(unusable_messages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
