/* SPDX-License-Identifier: ISC */
/* Sends UDP datagrams, as fast as the kernel takes them or forged ones at a rate, and counts what
 * arrives. */
/*
 *   flood send ADDRESS PORT BYTES SECONDS
 *   flood receive ADDRESS PORT SECONDS
 *   flood forge ADDRESS PORT RATE KIND
 *
 * Each prints: datagrams a second, datagrams, seconds. The receiver counts from the first datagram
 * for so many seconds, and waits 10 s for that first one: start it first, and let the sender go on
 * for longer. BYTES are UDP payload. A thread each, many datagrams a system call, no segmentation
 * offload: each is a packet of its own to whatever is between.
 *
 * The forger sends RATE datagrams a second until SIGTERM, and makes up for what it could not send
 * in time. KIND:
 *   data  WireGuard's data messages of 112 bytes (80 sealed), each with a random session index
 *   junk  100 bytes, the first of them random anew each time
 */
#include <errno.h>
#include <netdb.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
	BATCH = 64,
	DATAGRAM_MAX = 2048,
	RECEIVE_BUFFER = 8 << 20, /* so that it is not the receiver that is too slow for a moment */
	FIRST_SECONDS = 10,
	DATA_LENGTH = 16 + 80 + 16, /* header, a multiple of 16, tag */
	JUNK_LENGTH = 100,
};

static volatile sig_atomic_t ended;

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

static void report(unsigned long datagrams, double seconds)
{
	printf("%.0f %lu %.3f\n", (double)datagrams / seconds, datagrams, seconds);
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

/* How many went. Full queues are what a flood is about; the receiver may be gone already. */
static unsigned long send_batch(int fd, struct mmsghdr messages[BATCH])
{
	int sent = sendmmsg(fd, messages, BATCH, 0);

	if (sent < 0 && errno != ENOBUFS && errno != EAGAIN && errno != ECONNREFUSED)
		die("cannot send");
	return sent > 0 ? (unsigned long)sent : 0;
}

static int flood_send(const char *address, const char *port, size_t size, double seconds)
{
	static uint8_t payload[DATAGRAM_MAX];
	struct iovec part = { payload, size };
	struct mmsghdr messages[BATCH];
	int fd = open_socket(address, port, connect);
	const double begin = now();
	unsigned long datagrams = 0;
	double at;

	memset(messages, 0, sizeof(messages));
	for (int i = 0; i < BATCH; i++) {
		messages[i].msg_hdr.msg_iov = &part;
		messages[i].msg_hdr.msg_iovlen = 1;
	}
	while ((at = now()) < begin + seconds)
		datagrams += send_batch(fd, messages);
	report(datagrams, at - begin);
	return 0;
}

static void on_term(int signal)
{
	(void)signal;
	ended = true;
}

/* The beginning alone is random each time: nothing gets so far as to read the rest. */
static void forge_data(uint8_t *message)
{
	static const uint8_t type[4] = { 4 };

	memcpy(message, type, sizeof(type));
	memcpy(message + 4, &(uint32_t){ (uint32_t)mrand48() }, 4);
	memcpy(message + 8, &(uint64_t){ (uint64_t)(uint16_t)mrand48() }, 8);
}

static void forge_junk(uint8_t *message)
{
	memcpy(message, &(uint32_t){ (uint32_t)mrand48() }, 4);
	memcpy(message + 4, &(uint32_t){ (uint32_t)mrand48() }, 4);
}

static int flood_forge(const char *address, const char *port, double rate, bool data)
{
	static uint8_t payload[BATCH][DATA_LENGTH];
	struct iovec parts[BATCH];
	struct mmsghdr messages[BATCH];
	int fd = open_socket(address, port, connect);
	const double begin = now();
	unsigned long datagrams = 0;

	signal(SIGTERM, on_term);
	srand48((long)getpid());
	if (getrandom(payload, sizeof(payload), 0) != (ssize_t)sizeof(payload))
		die("no random bytes");
	memset(messages, 0, sizeof(messages));
	for (int i = 0; i < BATCH; i++) {
		parts[i] = (struct iovec){ payload[i], data ? DATA_LENGTH : JUNK_LENGTH };
		messages[i].msg_hdr.msg_iov = &parts[i];
		messages[i].msg_hdr.msg_iovlen = 1;
	}
	while (!ended) {
		const double early = (double)(datagrams + BATCH) / rate - (now() - begin);

		if (early > 0)
			usleep((useconds_t)(early * 1e6) + 1);
		for (int i = 0; i < BATCH; i++)
			(data ? forge_data : forge_junk)(payload[i]);
		datagrams += send_batch(fd, messages);
	}
	report(datagrams, now() - begin);
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
	report(datagrams, at - begin);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 6 && !strcmp(argv[1], "send") && atoi(argv[4]) > 0 &&
		atoi(argv[4]) <= DATAGRAM_MAX)
		return flood_send(argv[2], argv[3], (size_t)atoi(argv[4]), atof(argv[5]));
	if (argc == 5 && !strcmp(argv[1], "receive"))
		return flood_receive(argv[2], argv[3], atof(argv[4]));
	if (argc == 6 && !strcmp(argv[1], "forge") && atof(argv[4]) > 0 &&
		(!strcmp(argv[5], "data") || !strcmp(argv[5], "junk")))
		return flood_forge(argv[2], argv[3], atof(argv[4]), !strcmp(argv[5], "data"));
	fputs("usage: flood send ADDRESS PORT BYTES SECONDS\n"
	      "       flood receive ADDRESS PORT SECONDS\n"
	      "       flood forge ADDRESS PORT RATE data|junk\n",
		stderr);
	return 2;
}
