/* SPDX-License-Identifier: ISC */
/* The engine's requests: sockets come over, hostile datagrams are refused, no descriptor leaks. */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/udp.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdalign.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/requests.h"

static const struct udp_sockets no_sockets = { .v4 = -1, .v6 = -1 };

struct pair {
	int engine, monitor;
};

static size_t open_descriptors(void)
{
	DIR *directory = opendir("/proc/self/fd");
	size_t count = 0;

	assert_non_null(directory);
	while (readdir(directory))
		count++;
	closedir(directory);
	return count;
}

static struct pair make_pair(void)
{
	int ends[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
	return (struct pair){ ends[0], ends[1] };
}

static void close_pair(struct pair pair)
{
	close(pair.engine);
	close(pair.monitor);
}

struct served {
	int fd;
	int error;
};

/* The monitor: waits for one request and serves it. */
static void *serve(void *context)
{
	struct served *served = context;

	do
		served->error = requests_serve(served->fd, &no_sockets);
	while (served->error == -EAGAIN);
	return NULL;
}

static int ask(struct pair pair, uint16_t port, struct udp_sockets *sockets)
{
	struct served served = { .fd = pair.monitor };
	pthread_t thread;
	int error;

	assert_int_equal(pthread_create(&thread, NULL, serve, &served), 0);
	error = requests_open_sockets(pair.engine, port, 0, sockets);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(served.error, 0);
	return error;
}

static uint16_t port_of(int fd)
{
	struct sockaddr_in6 address = { 0 };
	socklen_t len = sizeof(address);

	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
	return ntohs(address.sin6_port); /* at the same place in both families */
}

static void sockets_come_over(void **state)
{
	const size_t before = open_descriptors();
	const struct pair pair = make_pair();
	struct udp_sockets sockets, again = UDP_SOCKETS_CLOSED;

	(void)state;
	assert_int_equal(ask(pair, 0, &sockets), 0);
	assert_int_not_equal(sockets.port, 0);
	assert_true(sockets.v4 >= 0 || sockets.v6 >= 0);
	for (int i = 0; i < 2; i++) {
		const int fd = i ? sockets.v6 : sockets.v4;
		int family = 0;
		socklen_t len = sizeof(family);

		if (fd < 0)
			continue;
		assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &len), 0);
		assert_int_equal(family, i ? AF_INET6 : AF_INET);
		assert_int_equal(port_of(fd), sockets.port);
		/* Which of these are to be used is the engine's business. */
		int gro = 0;

		len = sizeof(gro);
		if (!getsockopt(fd, IPPROTO_UDP, UDP_GRO, &gro, &len)) /* from kernel 5.12 */
			assert_int_equal(gro, 0);
		assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
		assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
	}
	assert_int_equal(open_descriptors(), before + 2 + (sockets.v4 >= 0) + (sockets.v6 >= 0));
	/* The port is taken now: the error comes over, and nothing is changed. */
	assert_int_equal(ask(pair, sockets.port, &again), -EADDRINUSE);
	assert_true(again.v4 == -1 && again.v6 == -1);
	udp_close(&sockets);
	close_pair(pair);
	assert_int_equal(open_descriptors(), before);
}

/* Sends bytes and copies of a descriptor. */
static void send_raw(int fd, const void *bytes, size_t len, int passed, size_t copies)
{
	alignas(struct cmsghdr) uint8_t control[CMSG_SPACE(16 * sizeof(int))] = { 0 };
	struct iovec vector = { (void *)bytes, len };
	struct msghdr message = { .msg_iov = &vector, .msg_iovlen = 1 };
	struct cmsghdr *head = (struct cmsghdr *)control;

	if (copies) {
		message.msg_control = control;
		message.msg_controllen = CMSG_SPACE(copies * sizeof(int));
		head->cmsg_level = SOL_SOCKET;
		head->cmsg_type = SCM_RIGHTS;
		head->cmsg_len = CMSG_LEN(copies * sizeof(int));
		for (size_t i = 0; i < copies; i++)
			memcpy(CMSG_DATA(head) + i * sizeof(int), &passed, sizeof(int));
	}
	assert_int_equal(sendmsg(fd, &message, MSG_NOSIGNAL), len);
}

/* A request as the engine sends it. */
static void capture_request(uint8_t request[16])
{
	const struct pair pair = make_pair();
	struct udp_sockets sockets;

	/* Nobody answers: the far end is shut, but what was sent can be read. */
	assert_int_equal(shutdown(pair.monitor, SHUT_WR), 0);
	assert_int_equal(requests_open_sockets(pair.engine, 0, 0, &sockets), -EPIPE);
	assert_int_equal(recv(pair.monitor, request, 16, MSG_TRUNC), 16);
	close_pair(pair);
}

static void hostile_requests(void **state)
{
	uint8_t request[4096] = { 0 };
	const size_t before = open_descriptors();
	const struct pair pair = make_pair();

	(void)state;
	capture_request(request);
	for (size_t len = 0; len <= 4096; len = len < 40 ? len + 1 : len * 2) {
		for (size_t copies = 0; copies <= 16; copies += 2) {
			if (len == 16 && !copies) /* well-formed */
				continue;
			send_raw(pair.engine, request, len, pair.engine, copies);
			/* An empty datagram alone looks like the end. */
			assert_int_equal(requests_serve(pair.monitor, &no_sockets),
				len || copies ? -EPROTO : -EPIPE);
			assert_int_equal(open_descriptors(), before + 2);
		}
	}
	/* Every other kind, and the field that is to be zero. */
	for (unsigned kind = 0; kind < 256; kind++) {
		const uint32_t words[4] = { kind, 1, 0, 0 };

		if (kind == request[0])
			continue;
		send_raw(pair.engine, words, sizeof(words), -1, 0);
		assert_int_equal(requests_serve(pair.monitor, &no_sockets), -EPROTO);
	}
	request[15] ^= 1;
	send_raw(pair.engine, request, 16, -1, 0);
	assert_int_equal(requests_serve(pair.monitor, &no_sockets), -EPROTO);
	assert_int_equal(recv(pair.engine, request, sizeof(request), MSG_DONTWAIT), -1);
	assert_int_equal(requests_serve(pair.monitor, &no_sockets), -EAGAIN);
	close_pair(pair);
	assert_int_equal(open_descriptors(), before);
}

static void the_end(void **state)
{
	const struct pair pair = make_pair();
	struct udp_sockets sockets;

	(void)state;
	close(pair.engine);
	assert_int_equal(requests_serve(pair.monitor, &no_sockets), -EPIPE);
	assert_int_equal(requests_open_sockets(pair.monitor, 0, 0, &sockets), -EPIPE);
	close(pair.monitor);
}

/* An engine that does not read its answers cannot make the monitor wait. */
static void answers_not_read(void **state)
{
	const size_t before = open_descriptors();
	const struct pair pair = make_pair();
	uint8_t request[16];
	int error = 0;

	(void)state;
	capture_request(request);
	for (int i = 0; i < 2000 && !error; i++) {
		send_raw(pair.engine, request, sizeof(request), -1, 0);
		error = requests_serve(pair.monitor, &no_sockets);
	}
	assert_true(error == -EAGAIN || error == -ETOOMANYREFS || error == -ENOBUFS);
	assert_int_equal(open_descriptors(), before + 2);
	close_pair(pair);
}

struct late {
	int fd;
	uint8_t answer[12];
};

static void *answer_late(void *context)
{
	struct late *late = context;
	uint8_t request[16];
	struct served served = { .fd = late->fd };

	/* First what an earlier request would have got, with a descriptor; then the real answer. */
	assert_int_equal(recv(late->fd, request, sizeof(request), MSG_PEEK), sizeof(request));
	send_raw(late->fd, late->answer, sizeof(late->answer), late->fd, 1);
	return serve(&served);
}

static void answer_of_another_request(void **state)
{
	const size_t before = open_descriptors();
	const struct pair pair = make_pair();
	struct late late = { .fd = pair.monitor };
	struct udp_sockets sockets;
	pthread_t thread;

	(void)state;
	memset(late.answer, 0xee, sizeof(late.answer));
	assert_int_equal(pthread_create(&thread, NULL, answer_late, &late), 0);
	assert_int_equal(requests_open_sockets(pair.engine, 0, 0, &sockets), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	udp_close(&sockets);
	close_pair(pair);
	assert_int_equal(open_descriptors(), before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sockets_come_over),
		cmocka_unit_test(hostile_requests),
		cmocka_unit_test(the_end),
		cmocka_unit_test(answers_not_read),
		cmocka_unit_test(answer_of_another_request),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
