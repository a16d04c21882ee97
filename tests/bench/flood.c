/* SPDX-License-Identifier: ISC */
/* Sends UDP datagrams as fast as the kernel takes them, and counts what arrives. */
/*
 *   flood send ADDRESS PORT BYTES SECONDS
 *   flood receive ADDRESS PORT SECONDS     prints: datagrams a second, datagrams, seconds
 *
 * The receiver counts from the first datagram for so many seconds, and waits 10 s for that first
 * one: start it first, and let the sender go on for longer. BYTES are UDP payload. A thread each,
 * many datagrams a system call, no segmentation offload: each is a packet of its own to whatever is
 * between.
 */
#include <errno.h>
#include <netdb.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
	BATCH = 64,
	DATAGRAM_MAX = 2048,
	RECEIVE_BUFFER = 8 << 20, /* so that it is not the receiver that is too slow for a moment */
	FIRST_SECONDS = 10,
};

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void die(const char *what)
{
	fprintf(stderr, "flood: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* A UDP socket that is connected to the address, or bound to it. */
static int open_socket(const char *address, const char *port,
	int (*attach)(int, const struct sockaddr *, socklen_t))
{
	const struct addrinfo hints = { .ai_socktype = SOCK_DGRAM,
		.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV };
	struct addrinfo *found;
	int error = getaddrinfo(address, port, &hints, &found), fd;

	if (error) {
		fprintf(stderr, "flood: %s port %s: %s\n", address, port, gai_strerror(error));
		exit(2);
	}
	fd = socket(found->ai_family, SOCK_DGRAM, 0);
	if (fd < 0 || attach(fd, found->ai_addr, found->ai_addrlen))
		die(address);
	freeaddrinfo(found);
	return fd;
}

static int flood_send(const char *address, const char *port, size_t size, double seconds)
{
	static uint8_t payload[DATAGRAM_MAX];
	struct iovec part = { payload, size };
	struct mmsghdr messages[BATCH];
	int fd = open_socket(address, port, connect);
	const double end = now() + seconds;

	memset(messages, 0, sizeof(messages));
	for (int i = 0; i < BATCH; i++) {
		messages[i].msg_hdr.msg_iov = &part;
		messages[i].msg_hdr.msg_iovlen = 1;
	}
	while (now() < end) {
		/* Full queues are what a flood is about; the receiver may be gone already. */
		if (sendmmsg(fd, messages, BATCH, 0) < 0 && errno != ENOBUFS && errno != EAGAIN &&
			errno != ECONNREFUSED)
			die("cannot send");
	}
	return 0;
}

static void set_up_receiver(int fd)
{
	const struct timeval timeout = { .tv_usec = 50000 };
	const int size = RECEIVE_BUFFER;

	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)))
		die("cannot set the receive buffer (takes root)");
	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)))
		die("cannot set the time limit");
}

static int flood_receive(const char *address, const char *port, double seconds)
{
	static uint8_t payload[BATCH][DATAGRAM_MAX];
	struct iovec parts[BATCH];
	struct mmsghdr messages[BATCH];
	int fd = open_socket(address, port, bind);
	double begin = 0, end = now() + FIRST_SECONDS, at;
	unsigned long datagrams = 0;

	set_up_receiver(fd);
	memset(messages, 0, sizeof(messages));
	for (int i = 0; i < BATCH; i++) {
		parts[i] = (struct iovec){ payload[i], DATAGRAM_MAX };
		messages[i].msg_hdr.msg_iov = &parts[i];
		messages[i].msg_hdr.msg_iovlen = 1;
	}
	while ((at = now()) < end) {
		int got = recvmmsg(fd, messages, BATCH, MSG_WAITFORONE, NULL);

		if (got < 0 && errno != EAGAIN && errno != EINTR)
			die("cannot receive");
		if (got > 0 && begin == 0) {
			begin = now();
			end = begin + seconds;
		} else if (got > 0) {
			datagrams += (unsigned long)got;
		}
	}
	if (begin == 0) {
		fprintf(stderr, "flood: nothing came within %d s\n", FIRST_SECONDS);
		return 1;
	}
	printf("%.0f %lu %.3f\n", (double)datagrams / (at - begin), datagrams, at - begin);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 6 && !strcmp(argv[1], "send") && atoi(argv[4]) > 0 &&
		atoi(argv[4]) <= DATAGRAM_MAX)
		return flood_send(argv[2], argv[3], (size_t)atoi(argv[4]), atof(argv[5]));
	if (argc == 5 && !strcmp(argv[1], "receive"))
		return flood_receive(argv[2], argv[3], atof(argv[4]));
	fputs("usage: flood send ADDRESS PORT BYTES SECONDS\n"
	      "       flood receive ADDRESS PORT SECONDS\n",
		stderr);
	return 2;
}
