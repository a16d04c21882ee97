/* SPDX-License-Identifier: ISC */
/* Sends numbered UDP datagrams through a tunnel, and looks at what arrives: content, order, gaps in
 * time. */
/*
 *   numbers send ADDRESS PORT BYTES SECONDS [RATE [SEGMENTS]]
 *   numbers receive ADDRESS PORT SECONDS [COUNT]
 *
 * The sender sends as many as the kernel takes, or, with a RATE, as many as make so many a second,
 * however long it takes on a machine that is busy; SEGMENTS of them (1) as one that the kernel or
 * whoever is behind it cuts up.
 *
 * The receiver goes on for so many seconds from the first datagram, for which it waits long, or
 * until it has got COUNT. It prints a line when that is there, and in the end: datagrams, the first
 * one's number, those that came after one with a higher number, those with a wrong content, and the
 * fewest in any half second (a huge number, if it did not last so long).
 */
#include <errno.h>
#include <inttypes.h>
#include <netdb.h>
#include <netinet/udp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
	BATCH = 64,
	DATAGRAM_MIN = 2 * sizeof(uint64_t), /* its number at both ends */
	DATAGRAM_MAX = 2048,
	MESSAGE_MAX = 65000, /* with SEGMENTS */
	RECEIVE_BUFFER = 8 << 20,
	FIRST_SECONDS = 30,
};

static const double span = 0.5; /* seconds in which something has to come */

static double seconds_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static _Noreturn void die(const char *what)
{
	fprintf(stderr, "numbers: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* A UDP socket that is connected to the numeric address, or bound to it. */
static int open_socket(const char *address, const char *port,
	int (*attach)(int, const struct sockaddr *, socklen_t))
{
	const struct addrinfo hints = { .ai_socktype = SOCK_DGRAM,
		.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV };
	struct addrinfo *found;
	int error = getaddrinfo(address, port, &hints, &found);

	if (error) {
		fprintf(stderr, "numbers: %s port %s: %s\n", address, port, gai_strerror(error));
		exit(2);
	}
	int fd = socket(found->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || attach(fd, found->ai_addr, found->ai_addrlen))
		die(address);
	freeaddrinfo(found);
	return fd;
}

static void fill_pattern(uint8_t *datagram, size_t size)
{
	for (size_t i = 0; i < size; i++)
		datagram[i] = (uint8_t)(i * 131 + 7);
}

static void put_number(uint8_t *datagram, size_t size, uint64_t number)
{
	memcpy(datagram, &number, sizeof(number));
	memcpy(datagram + size - sizeof(number), &number, sizeof(number));
}

/* ---- Sending ---- */

static uint8_t payloads[BATCH][MESSAGE_MAX];
static struct iovec vectors[BATCH];
static struct mmsghdr messages[BATCH];

static void prepare_batch(size_t size, size_t segments)
{
	for (size_t i = 0; i < BATCH; i++) {
		for (size_t at = 0; at < segments; at++)
			fill_pattern(payloads[i] + at * size, size);
		vectors[i] = (struct iovec){ payloads[i], segments * size };
		messages[i].msg_hdr = (struct msghdr){ .msg_iov = &vectors[i], .msg_iovlen = 1 };
	}
}

/* Returns how many datagrams went, or were dropped: full queues are what a flood is about. */
static uint64_t send_batch(int fd, size_t count, size_t size, size_t segments, uint64_t first)
{
	uint64_t number = first;

	for (size_t i = 0; i < count; i++)
		for (size_t at = 0; at < segments; at++)
			put_number(payloads[i] + at * size, size, number++);
	/* The receiver may be gone already. */
	if (sendmmsg(fd, messages, (unsigned)count, 0) < 0 && errno != ENOBUFS && errno != EAGAIN &&
		errno != ECONNREFUSED)
		die("cannot send");
	return number - first;
}

static void cut_up(int fd, size_t size)
{
	const int segment = (int)size;

	if (setsockopt(fd, IPPROTO_UDP, UDP_SEGMENT, &segment, sizeof(segment)))
		die("cannot set UDP_SEGMENT");
}

static int flood(int fd, size_t size, double seconds, size_t segments)
{
	const double end = seconds_now() + seconds;
	uint64_t sent = 0;

	prepare_batch(size, segments);
	while (seconds_now() < end)
		sent += send_batch(fd, BATCH, size, segments, sent);
	return 0;
}

/* Never more at once to make up for lost time: it is not the queues that are to be tested. */
static int trickle(int fd, size_t size, double seconds, double rate, size_t segments)
{
	const uint64_t count = (uint64_t)(seconds * rate);
	uint64_t sent = 0;

	prepare_batch(size, segments);
	while (sent < count) {
		sent += send_batch(fd, 1, size, segments, sent);
		usleep((useconds_t)(1e6 * (double)segments / rate));
	}
	return 0;
}

/* ---- Receiving ---- */

struct seen {
	uint64_t datagrams, backwards, corrupt, first, highest;
	uint64_t in_span, least; /* datagrams in this half second; the fewest in any */
	double begin, span_end;
};

static void look_at(struct seen *seen, const uint8_t *datagram, size_t size)
{
	static uint8_t expected[DATAGRAM_MAX];
	static size_t filled;
	uint64_t number = 0;

	seen->datagrams++;
	seen->in_span++;
	if (size != filled)
		fill_pattern(expected, size);
	filled = size;
	memcpy(&number, datagram, size < sizeof(number) ? size : sizeof(number));
	if (size >= DATAGRAM_MIN)
		put_number(expected, size, number);
	if (size < DATAGRAM_MIN || memcmp(datagram, expected, size) != 0) {
		seen->corrupt++;
		return;
	}
	if (seen->datagrams == 1)
		seen->first = number;
	if (seen->datagrams > 1 && number <= seen->highest)
		seen->backwards++;
	else
		seen->highest = number;
}

static void look_at_clock(struct seen *seen, double now)
{
	if (now < seen->span_end)
		return;
	if (seen->in_span < seen->least)
		seen->least = seen->in_span;
	/* If it was us who did not get to run, the time that is missing is nobody's fault. */
	seen->span_end = now + span;
	seen->in_span = 0;
}

static void set_up_receiver(int fd)
{
	const struct timeval timeout = { .tv_usec = 50000 };
	const int size = RECEIVE_BUFFER;

	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) ||
		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)))
		die("cannot set up the receiver");
	for (size_t i = 0; i < BATCH; i++) {
		vectors[i] = (struct iovec){ payloads[i], DATAGRAM_MAX };
		messages[i].msg_hdr = (struct msghdr){ .msg_iov = &vectors[i], .msg_iovlen = 1 };
	}
}

static int run_receiver(int fd, double seconds, uint64_t count)
{
	struct seen seen = { .least = UINT64_MAX };
	double end = seconds_now() + FIRST_SECONDS, now;

	set_up_receiver(fd);
	while ((now = seconds_now()) < end && seen.datagrams < count) {
		const int got = recvmmsg(fd, messages, BATCH, MSG_WAITFORONE, NULL);

		if (got < 0 && errno != EAGAIN && errno != EINTR)
			die("cannot receive");
		if (got > 0 && seen.begin == 0) {
			seen.begin = now = seconds_now();
			seen.span_end = now + span;
			end = now + seconds;
			puts("begins");
			fflush(stdout);
		}
		for (int i = 0; i < got; i++)
			look_at(&seen, payloads[i], messages[i].msg_len);
		if (seen.begin > 0)
			look_at_clock(&seen, now);
	}
	if (seen.begin == 0) {
		fprintf(stderr, "numbers: nothing came within %d s\n", FIRST_SECONDS);
		return 1;
	}
	printf("datagrams=%" PRIu64 " first=%" PRIu64 " backwards=%" PRIu64 " corrupt=%" PRIu64
	       " least=%" PRIu64 "\n",
		seen.datagrams, seen.first, seen.backwards, seen.corrupt, seen.least);
	return 0;
}

/* 0, or -1 for wrong arguments. */
static int send_numbers(int argc, char **argv)
{
	const size_t size = strtoul(argv[4], NULL, 10);
	const double seconds = strtod(argv[5], NULL), rate = argc > 6 ? strtod(argv[6], NULL) : 0;
	const size_t segments = argc > 7 ? strtoul(argv[7], NULL, 10) : 1;

	if (size < DATAGRAM_MIN || size > DATAGRAM_MAX || segments < 1 ||
		segments * size > MESSAGE_MAX || rate < 0)
		return -1;
	const int fd = open_socket(argv[2], argv[3], connect);

	if (segments > 1)
		cut_up(fd, size);
	return rate > 0 ? trickle(fd, size, seconds, rate, segments)
			: flood(fd, size, seconds, segments);
}

int main(int argc, char **argv)
{
	int status = -1;

	if (argc >= 6 && argc <= 8 && !strcmp(argv[1], "send"))
		status = send_numbers(argc, argv);
	if ((argc == 5 || argc == 6) && !strcmp(argv[1], "receive"))
		status = run_receiver(open_socket(argv[2], argv[3], bind), strtod(argv[4], NULL),
			argc > 5 ? strtoul(argv[5], NULL, 10) : UINT64_MAX);
	if (status >= 0)
		return status;
	fputs("usage: numbers send ADDRESS PORT BYTES SECONDS [RATE [SEGMENTS]]\n"
	      "       numbers receive ADDRESS PORT SECONDS [COUNT]\n",
		stderr);
	return 2;
}
