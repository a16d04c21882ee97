/* SPDX-License-Identifier: ISC */
/* Sends a UDP datagram of every payload size through a tunnel and checks what comes back, byte for
 * byte. */
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	SIZE_MAX_UDP = 65507,
	FIRST_WAIT = 10000, /* ms; the first datagram may have to wait for a handshake */
	WAIT = 2000,
};

static uint8_t sent[SIZE_MAX_UDP + 1], got[SIZE_MAX_UDP + 1];

/* A socket that is bound to (server) or connected to (client) the numeric address. */
static int open_socket(const char *address, const char *port, int server)
{
	struct addrinfo hints = { .ai_family = AF_UNSPEC,
		.ai_socktype = SOCK_DGRAM,
		.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV };
	struct addrinfo *found = NULL;
	int error = getaddrinfo(address, port, &hints, &found);

	if (error) {
		fprintf(stderr, "sizes: %s port %s: %s\n", address, port, gai_strerror(error));
		exit(2);
	}
	int fd = socket(found->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int done = fd < 0   ? -1
		   : server ? bind(fd, found->ai_addr, found->ai_addrlen)
			    : connect(fd, found->ai_addr, found->ai_addrlen);
	if (done < 0) {
		fprintf(stderr, "sizes: %s port %s: %s\n", address, port, strerror(errno));
		exit(2);
	}
	freeaddrinfo(found);
	return fd;
}

static _Noreturn void serve(int fd)
{
	for (;;) {
		struct sockaddr_storage from;
		socklen_t from_len = sizeof(from);
		ssize_t len =
			recvfrom(fd, got, sizeof(got), 0, (struct sockaddr *)&from, &from_len);

		if (len > 0)
			sendto(fd, got, (size_t)len, 0, (struct sockaddr *)&from, from_len);
	}
}

/* Content that differs between sizes, positions and runs of one size, so that nothing stale passes.
 */
static void fill(size_t size, uint32_t attempt)
{
	uint32_t state = (uint32_t)size * 2654435761u + attempt * 40503u + 1;

	for (size_t i = 0; i < size; i++) {
		state = state * 1664525u + 1013904223u;
		sent[i] = (uint8_t)(state >> 24);
	}
}

/* 0: came back as it was; 1: something else came; -1: nothing came. */
static int echo(int fd, size_t size, int wait)
{
	struct pollfd ready = { .fd = fd, .events = POLLIN };
	int seen = -1;

	if (send(fd, sent, size, 0) < 0)
		return -1;
	while (poll(&ready, 1, wait) > 0) {
		ssize_t len = recv(fd, got, sizeof(got), 0);

		if (len < 0)
			return -1;
		if ((size_t)len == size && !memcmp(got, sent, size))
			return 0;
		seen = 1;
		wait = 100;
	}
	return seen;
}

static int probe(int fd)
{
	for (uint32_t attempt = 0; attempt < FIRST_WAIT / 500; attempt++) {
		fill(4, attempt + 1);
		if (echo(fd, 4, 500) == 0)
			return 0;
		usleep(10000);
	}
	fprintf(stderr, "sizes: no echo at all in %d s\n", FIRST_WAIT / 1000);
	return 1;
}

static int run_client(int fd, size_t from, size_t to)
{
	size_t lost = 0, corrupt = 0;

	if (probe(fd))
		return 1;
	for (size_t size = from; size <= to && lost + corrupt < 10; size++) {
		fill(size, 0);
		int result = echo(fd, size, WAIT);

		if (!result)
			continue;
		fprintf(stderr, "sizes: %zu bytes: %s\n", size, result < 0 ? "lost" : "corrupt");
		*(result < 0 ? &lost : &corrupt) += 1;
	}
	printf("sizes %zu to %zu: %zu lost, %zu corrupt\n", from, to, lost, corrupt);
	return lost || corrupt;
}

int main(int argc, char **argv)
{
	if (argc == 4 && !strcmp(argv[1], "server"))
		serve(open_socket(argv[2], argv[3], 1));
	if (argc == 6 && !strcmp(argv[1], "client")) {
		size_t from = strtoul(argv[4], NULL, 10), to = strtoul(argv[5], NULL, 10);

		if (from >= 1 && from <= to && to <= SIZE_MAX_UDP)
			return run_client(open_socket(argv[2], argv[3], 0), from, to);
	}
	fprintf(stderr,
		"usage: sizes server ADDRESS PORT\n       sizes client ADDRESS PORT FROM TO\n");
	return 2;
}
