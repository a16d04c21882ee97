/* SPDX-License-Identifier: ISC */
/* A UDP relay that stands for the bad internet between two tunnel ends, and for a NAT. */
/*
 * The client sends to the front port; the relay passes it on to the target from its back port, and
 * the target's answers back to the client that was heard last. On the way a datagram may be lost,
 * doubled, delayed, or held back behind later ones; the dice are seeded, so a run can be repeated.
 * SIGUSR1 moves the back socket to another port, as a NAT does that forgot a mapping.
 * SIGUSR2 switches a total blackout on and off. SIGHUP tells what was passed and dropped so far, as
 * the end does. What is delayed alike keeps its order.
 */
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
	HELD_MAX = 1024,
	DATAGRAM_MAX = 2048,
	RECEIVE_BUFFER = 8 << 20, /* what is lost is for the dice to say */
};

struct address {
	struct sockaddr_storage to;
	socklen_t len;
};

struct held {
	uint64_t due;   /* ms; 0: free */
	uint64_t order; /* of what is due at the same time */
	int front;      /* leaves by the front socket, to the client */
	size_t len;
	uint8_t bytes[DATAGRAM_MAX];
};

struct relay {
	int front, back;
	struct address client, target;
	int loss, twice, reorder, delay; /* percent, percent, percent, ms */
	uint64_t seed;
	size_t large; /* bytes */
	unsigned long passed, dropped, large_dropped;
	int held_count;
	uint64_t held_ever;
	struct held held[HELD_MAX];
};

static volatile sig_atomic_t rebind_asked, blackout, tell_asked, stop_asked;

static const int signals[] = { SIGUSR1, SIGUSR2, SIGHUP, SIGTERM, SIGINT };

static void take_signal(int number)
{
	if (number == SIGUSR1)
		rebind_asked = 1;
	else if (number == SIGUSR2)
		blackout = !blackout;
	else if (number == SIGHUP)
		tell_asked = 1;
	else
		stop_asked = 1;
}

static void die(const char *what)
{
	fprintf(stderr, "relay: %s: %s\n", what, strerror(errno));
	exit(2);
}

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static int dice(struct relay *relay, int percent)
{
	relay->seed = relay->seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (int)((relay->seed >> 33) % 100) < percent;
}

static struct address resolve(const char *host, const char *port)
{
	struct addrinfo hints = { .ai_socktype = SOCK_DGRAM,
		.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV };
	struct addrinfo *found = NULL;
	struct address address = { .len = 0 };
	int error = getaddrinfo(host, port, &hints, &found);

	if (error) {
		fprintf(stderr, "relay: %s port %s: %s\n", host, port, gai_strerror(error));
		exit(2);
	}
	memcpy(&address.to, found->ai_addr, found->ai_addrlen);
	address.len = found->ai_addrlen;
	freeaddrinfo(found);
	return address;
}

static int open_port(int family, const char *port)
{
	struct address any = resolve(family == AF_INET6 ? "::" : "0.0.0.0", port);
	int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	const int size = RECEIVE_BUFFER;

	if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)))
		die("cannot set a socket's buffer");
	if (fd < 0 || bind(fd, (struct sockaddr *)&any.to, any.len))
		die("cannot open a port");
	return fd;
}

static void drop(struct relay *relay, size_t len)
{
	relay->dropped++;
	relay->large_dropped += len >= relay->large;
}

static void tell(const struct relay *relay)
{
	tell_asked = 0;
	fprintf(stderr, "relay: %lu passed, %lu dropped, %lu of them large\n", relay->passed,
		relay->dropped, relay->large_dropped);
}

static void pass(struct relay *relay, int front, const uint8_t *bytes, size_t len)
{
	const struct address *address = front ? &relay->client : &relay->target;

	if (address->len && sendto(front ? relay->front : relay->back, bytes, len, 0,
				    (const struct sockaddr *)&address->to, address->len) >= 0)
		relay->passed++;
	else
		drop(relay, len);
}

static void pass_later(struct relay *relay, int front, const uint8_t *bytes, size_t len, int wait)
{
	if (!wait) {
		pass(relay, front, bytes, len);
		return;
	}
	for (int i = 0; i < HELD_MAX; i++) {
		struct held *held = &relay->held[i];

		if (held->due)
			continue;
		held->due = now_ms() + (uint64_t)wait;
		held->order = relay->held_ever++;
		held->front = front;
		held->len = len;
		memcpy(held->bytes, bytes, len);
		relay->held_count++;
		return;
	}
	drop(relay, len);
}

static void take(struct relay *relay, int from_front)
{
	uint8_t bytes[DATAGRAM_MAX];
	struct address from = { .len = sizeof(from.to) };
	ssize_t len = recvfrom(from_front ? relay->front : relay->back, bytes, sizeof(bytes), 0,
		(struct sockaddr *)&from.to, &from.len);

	if (len < 0)
		return;
	if (from_front)
		relay->client = from;
	if (blackout || dice(relay, relay->loss)) {
		drop(relay, (size_t)len);
		return;
	}
	/* A reordered one is held back behind what follows it within 20 ms. */
	pass_later(relay, !from_front, bytes, (size_t)len,
		relay->delay + (dice(relay, relay->reorder) ? 20 : 0));
	if (dice(relay, relay->twice))
		pass_later(relay, !from_front, bytes, (size_t)len, relay->delay + 5);
}

static int is_before(const struct held *held, const struct held *other)
{
	return held->due < other->due || (held->due == other->due && held->order < other->order);
}

/* Sends what is due, oldest first; returns the ms until the next is, or -1. */
static int flush(struct relay *relay)
{
	while (relay->held_count) {
		struct held *first = NULL;

		for (int i = 0; i < HELD_MAX; i++) {
			struct held *held = &relay->held[i];

			if (held->due && (!first || is_before(held, first)))
				first = held;
		}
		const uint64_t now = now_ms();

		if (first->due > now)
			return (int)(first->due - now);
		pass(relay, first->front, first->bytes, first->len);
		first->due = 0;
		relay->held_count--;
	}
	return -1;
}

static void rebind(struct relay *relay)
{
	const int fresh = open_port(relay->target.to.ss_family, "0");

	rebind_asked = 0;
	close(relay->back);
	relay->back = fresh;
}

static void run(struct relay *relay)
{
	sigset_t blocked, open;

	sigemptyset(&blocked);
	for (size_t i = 0; i < sizeof(signals) / sizeof(*signals); i++)
		sigaddset(&blocked, signals[i]);
	sigprocmask(SIG_BLOCK, &blocked, &open);
	while (!stop_asked) {
		struct pollfd ready[2] = { { .fd = relay->front, .events = POLLIN },
			{ .fd = relay->back, .events = POLLIN } };
		const int wait = flush(relay);
		struct timespec limit = { .tv_sec = wait / 1000,
			.tv_nsec = wait % 1000 * 1000000L };

		if (ppoll(ready, 2, wait < 0 ? NULL : &limit, &open) < 0 && errno != EINTR)
			die("poll");
		if (rebind_asked) {
			rebind(relay);
			continue;
		}
		if (tell_asked)
			tell(relay);
		if (ready[0].revents)
			take(relay, 1);
		if (ready[1].revents)
			take(relay, 0);
	}
	tell(relay);
}

static int usage(void)
{
	fprintf(stderr,
		"usage: relay [-l LOSS%%] [-d DOUBLED%%] [-r REORDERED%%] [-D DELAYms] [-s SEED]\n"
		"             [-S LARGEBYTES] [-b BACKPORT] [-c CLIENT -p CLIENTPORT] FRONTPORT "
		"TARGET "
		"TARGETPORT\n");
	return 2;
}

int main(int argc, char **argv)
{
	static struct relay relay = { .seed = 1, .large = SIZE_MAX };
	const char *back_port = "0", *client = NULL, *client_port = "0";
	int option;

	while ((option = getopt(argc, argv, "l:d:r:D:s:S:b:c:p:")) != -1) {
		switch (option) {
		case 'l':
			relay.loss = atoi(optarg);
			break;
		case 'd':
			relay.twice = atoi(optarg);
			break;
		case 'r':
			relay.reorder = atoi(optarg);
			break;
		case 'D':
			relay.delay = atoi(optarg);
			break;
		case 's':
			relay.seed = strtoull(optarg, NULL, 10);
			break;
		case 'S':
			relay.large = strtoul(optarg, NULL, 10);
			break;
		case 'b':
			back_port = optarg;
			break;
		case 'c':
			client = optarg;
			break;
		case 'p':
			client_port = optarg;
			break;
		default:
			return usage();
		}
	}
	if (argc - optind != 3)
		return usage();
	relay.target = resolve(argv[optind + 1], argv[optind + 2]);
	relay.front = open_port(relay.target.to.ss_family, argv[optind]);
	relay.back = open_port(relay.target.to.ss_family, back_port);
	if (client)
		relay.client = resolve(client, client_port);
	for (size_t i = 0; i < sizeof(signals) / sizeof(*signals); i++)
		signal(signals[i], take_signal);
	run(&relay);
	return 0;
}
