/* SPDX-License-Identifier: ISC */
/* Numbered UDP datagrams of several flows, sent and received for as long as it runs, counted in two
 * ledgers. */
/*
 *   flows FILE FLOW...        FLOW: send,ADDRESS,PORT,BYTES,RATE   or   receive,4|6,PORT
 *
 * Every datagram says in which period it was sent. Quiet periods and those in which something is
 * done to the tunnel have a ledger each, at the sender and at the receiver. So what was lost is
 * what one has sent less what the other has received, to the datagram, whenever it arrives.
 *
 * SIGUSR2 begins a quiet period, SIGALRM a disturbed one; before, and after SIGUSR1, it sends
 * nothing. SIGHUP writes FILE, a line for each flow and ledger:
 *
 *   PORT quiet|disturbed sent N received N late N corrupt N silence MS
 *
 * Late is what comes after one with a higher number, or a second time; silence the longest time
 * between two datagrams of one period. What the kernel refuses to send (no route, as the device is
 * gone) counts as sent, and so as lost.
 */
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
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
	FLOWS_MAX = 32,
	DATAGRAM_MAX = 2048,
	RECEIVE_BUFFER = 8 << 20,
};

struct stamp {
	uint64_t number; /* from 1, through all periods */
	uint64_t period; /* odd: disturbed */
};

struct ledger {
	uint64_t sent, received, late, corrupt, silence; /* silence in ns */
};

struct flow {
	int fd;
	const char *port;
	size_t size;       /* of a sender's datagrams */
	uint64_t interval; /* between them, ns; 0: a receiver */
	uint64_t due;
	uint64_t number;   /* the last sent, or the highest received */
	uint64_t heard;    /* when; 0: nothing in this period */
	uint64_t heard_in; /* the period */
	struct ledger ledgers[2];
};

static volatile sig_atomic_t hold_asked, quiet_asked, disturbed_asked, write_asked, stop_asked;

static void take_signal(int number)
{
	if (number == SIGUSR1)
		hold_asked = 1;
	else if (number == SIGUSR2)
		quiet_asked = 1;
	else if (number == SIGALRM)
		disturbed_asked = 1;
	else if (number == SIGHUP)
		write_asked = 1;
	else
		stop_asked = 1;
}

static _Noreturn void die(const char *what)
{
	fprintf(stderr, "flows: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

/* ---- Sending ---- */

static void fill(uint8_t *datagram, size_t size, const struct stamp *stamp)
{
	memcpy(datagram, stamp, sizeof(*stamp));
	for (size_t i = sizeof(*stamp); i < size; i++)
		datagram[i] = (uint8_t)(i * 131 + stamp->number * 7);
}

static void send_one(struct flow *flow, uint64_t period)
{
	uint8_t datagram[DATAGRAM_MAX];
	const struct stamp stamp = { ++flow->number, period };

	fill(datagram, flow->size, &stamp);
	flow->ledgers[period & 1].sent++;
	/* The error may be an earlier datagram's, and then this one has not been tried. */
	if (send(flow->fd, datagram, flow->size, 0) < 0)
		(void)send(flow->fd, datagram, flow->size, 0);
}

/* Sends what is due; returns when the next one is. Time in which we did not get to run is not made
 * up for. */
static uint64_t send_due(struct flow *flows, size_t count, uint64_t period, uint64_t now)
{
	uint64_t next = now + UINT64_C(1000000000);

	for (struct flow *flow = flows; flow < flows + count; flow++) {
		if (!flow->interval)
			continue;
		if (flow->due <= now) {
			send_one(flow, period);
			flow->due = flow->due + flow->interval > now ? flow->due + flow->interval
								     : now + flow->interval;
		}
		if (flow->due < next)
			next = flow->due;
	}
	return next;
}

/* ---- Receiving ---- */

static void look_at(struct flow *flow, const uint8_t *datagram, size_t size, uint64_t now)
{
	uint8_t expected[DATAGRAM_MAX];
	struct stamp stamp = { 0 };

	memcpy(&stamp, datagram, size < sizeof(stamp) ? size : sizeof(stamp));
	struct ledger *ledger = &flow->ledgers[stamp.period & 1];

	fill(expected, size < sizeof(stamp) ? sizeof(stamp) : size, &stamp);
	if (size < sizeof(stamp) || memcmp(datagram, expected, size) != 0) {
		ledger->corrupt++;
		return;
	}
	ledger->received++;
	if (stamp.number <= flow->number)
		ledger->late++;
	else
		flow->number = stamp.number;
	if (flow->heard && flow->heard_in == stamp.period && now - flow->heard > ledger->silence)
		ledger->silence = now - flow->heard;
	flow->heard = now;
	flow->heard_in = stamp.period;
}

static void receive_all(struct flow *flow)
{
	uint8_t datagram[DATAGRAM_MAX];
	ssize_t got;

	while ((got = recv(flow->fd, datagram, sizeof(datagram), MSG_DONTWAIT)) >= 0)
		look_at(flow, datagram, (size_t)got, now_ns());
}

/* ---- Ledgers ---- */

/* Whole or not at all: who waits for the file reads it at once. */
static void write_ledgers(const char *name, const struct flow *flows, size_t count)
{
	char fresh[4096];

	snprintf(fresh, sizeof(fresh), "%s.new", name);
	FILE *file = fopen(fresh, "w");

	if (!file)
		die(fresh);
	for (const struct flow *flow = flows; flow < flows + count; flow++)
		for (int i = 0; i < 2; i++) {
			const struct ledger *ledger = &flow->ledgers[i];

			fprintf(file,
				"%s %s sent %" PRIu64 " received %" PRIu64 " late %" PRIu64
				" corrupt %" PRIu64 " silence %" PRIu64 "\n",
				flow->port, i ? "disturbed" : "quiet", ledger->sent,
				ledger->received, ledger->late, ledger->corrupt,
				ledger->silence / 1000000);
		}
	if (fclose(file) || rename(fresh, name))
		die(name);
}

/* ---- All of it ---- */

static int open_socket(const char *address, const char *port, int family,
	int (*attach)(int, const struct sockaddr *, socklen_t))
{
	const struct addrinfo hints = { .ai_family = family,
		.ai_socktype = SOCK_DGRAM,
		.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE };
	struct addrinfo *found;
	const int one = 1;
	int error = getaddrinfo(address, port, &hints, &found);

	if (error) {
		fprintf(stderr, "flows: %s port %s: %s\n", address ? address : "any", port,
			gai_strerror(error));
		exit(2);
	}
	int fd = socket(found->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 ||
		(found->ai_family == AF_INET6 &&
			setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one))) ||
		attach(fd, found->ai_addr, found->ai_addrlen))
		die("cannot open a socket");
	freeaddrinfo(found);
	return fd;
}

/* False for wrong arguments. */
static int add_flow(struct flow *flow, char *text)
{
	const char *words[5];
	size_t count = 0;
	const int size = RECEIVE_BUFFER;

	for (char *word = strtok(text, ","); word && count < 5; word = strtok(NULL, ","))
		words[count++] = word;
	if (count == 5 && !strcmp(words[0], "send")) {
		const double rate = strtod(words[4], NULL);

		flow->size = strtoul(words[3], NULL, 10);
		if (rate <= 0 || flow->size < sizeof(struct stamp) || flow->size > DATAGRAM_MAX)
			return 0;
		flow->interval = (uint64_t)(1e9 / rate);
		flow->port = words[2];
		flow->fd = open_socket(words[1], words[2], AF_UNSPEC, connect);
		return 1;
	}
	if (count != 3 || strcmp(words[0], "receive") != 0)
		return 0;
	flow->port = words[2];
	flow->fd = open_socket(NULL, words[2], words[1][0] == '6' ? AF_INET6 : AF_INET, bind);
	if (setsockopt(flow->fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)))
		die("cannot set a socket's buffer");
	return 1;
}

static void run(const char *file, struct flow *flows, size_t count, const sigset_t *open)
{
	struct pollfd ready[FLOWS_MAX];
	uint64_t period = 0;
	int held = 1;

	for (size_t i = 0; i < count; i++)
		ready[i] = (struct pollfd){ flows[i].interval ? -1 : flows[i].fd, POLLIN, 0 };
	while (!stop_asked) {
		if (hold_asked)
			held = 1;
		if (quiet_asked || disturbed_asked) {
			period = (period | 1) + 1 + (disturbed_asked ? 1 : 0);
			held = 0;
		}
		if (write_asked)
			write_ledgers(file, flows, count);
		hold_asked = quiet_asked = disturbed_asked = write_asked = 0;
		const uint64_t now = now_ns();
		const uint64_t next =
			held ? now + UINT64_C(1000000000) : send_due(flows, count, period, now);
		const struct timespec wait = { (time_t)((next - now) / 1000000000),
			(long)((next - now) % 1000000000) };

		if (ppoll(ready, count, &wait, open) < 0 && errno != EINTR)
			die("poll");
		for (size_t i = 0; i < count; i++)
			if (ready[i].revents)
				receive_all(&flows[i]);
	}
}

int main(int argc, char **argv)
{
	static struct flow flows[FLOWS_MAX];
	const int signals[] = { SIGUSR1, SIGUSR2, SIGALRM, SIGHUP, SIGTERM, SIGINT };
	const size_t count = argc > 2 ? (size_t)argc - 2 : 0;
	sigset_t blocked, open;
	int wrong = !count || count > FLOWS_MAX;

	sigemptyset(&blocked);
	for (size_t i = 0; i < sizeof(signals) / sizeof(*signals); i++) {
		sigaddset(&blocked, signals[i]);
		signal(signals[i], take_signal);
	}
	sigprocmask(SIG_BLOCK, &blocked, &open);
	for (size_t i = 0; !wrong && i < count; i++)
		wrong = !add_flow(&flows[i], argv[i + 2]);
	if (wrong) {
		fputs("usage: flows FILE send,ADDRESS,PORT,BYTES,RATE|receive,4|6,PORT ...\n",
			stderr);
		return 2;
	}
	run(argv[1], flows, count, &open);
	return 0;
}
