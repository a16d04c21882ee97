/* SPDX-License-Identifier: ISC */
/*
 * What peers cost: memory, setting them up and showing them, and what a packet costs with one peer
 * and with many, of which one talks or all do.
 *
 *	make tests/bench/peers && tests/bench/peers
 *
 * Nothing here passes or fails. That no work grows with the number of peers, or with its square, is
 * shown by tests/sim/test_before.c and tests/unit/test_many.c.
 */
#include <malloc.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "core/tunnel_internal.h"
#include "engine/uapi.h"

enum {
	PREFIXES = 10,       /* of each peer */
	MESSAGES = 64 * 625, /* of all peers together; as many of each */
	BATCH = 64,
	MESSAGE_MAX = 1500,
};

static const unsigned crowds[] = { 1, 100, 10000 };
static const size_t lengths[] = { 64, 1408 };
enum { CROWDS = sizeof(crowds) / sizeof(*crowds), LENGTHS = sizeof(lengths) / sizeof(*lengths) };

enum figure {
	SET_UP,
	PEER_MEMORY,
	SESSION_MEMORY,
	GET,
	SEND_ONE,
	SEND_ALL = SEND_ONE + LENGTHS,
	RECEIVE_ONE = SEND_ALL + LENGTHS,
	RECEIVE_ALL = RECEIVE_ONE + LENGTHS,
	FIGURES = RECEIVE_ALL + LENGTHS,
};

static const char *const names[FIGURES] = {
	[SET_UP] = "setting up, us a peer",
	[PEER_MEMORY] = "memory, bytes a peer with 10 allowed IPs",
	[SESSION_MEMORY] = "memory, bytes a session",
	[GET] = "showing all, us a peer",
	[SEND_ONE] = "sending 64 B to one, us",
	[SEND_ONE + 1] = "sending 1408 B to one, us",
	[SEND_ALL] = "sending 64 B to all, us",
	[SEND_ALL + 1] = "sending 1408 B to all, us",
	[RECEIVE_ONE] = "receiving 64 B from one, us",
	[RECEIVE_ONE + 1] = "receiving 1408 B from one, us",
	[RECEIVE_ALL] = "receiving 64 B from all, us",
	[RECEIVE_ALL + 1] = "receiving 1408 B from all, us",
};

struct message {
	size_t len;
	uint8_t bytes[MESSAGE_MAX];
};

static const struct now now = { .boot = 1000 * WIRE_SECOND,
	.wall = UINT64_C(1700000000) * WIRE_SECOND };
static struct tunnel *hub;
static uint8_t hub_key[KEY_LEN];
static unsigned peer_count;
static unsigned long delivered, sent;

static __attribute__((noreturn)) void fail(const char *what)
{
	fprintf(stderr, "peers: %s\n", what);
	exit(1);
}

static double cpu_microseconds(void)
{
	struct timespec time;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
	return (double)time.tv_sec * 1e6 + (double)time.tv_nsec / 1e3;
}

static double allocated(void)
{
	const struct mallinfo2 info = mallinfo2();

	return (double)info.uordblks + (double)info.hblkhd;
}

/* ---- What tunnels give out ---- */

/* The last message of a tunnel whose context is one; the hub has none while it is measured. */
static void keep(void *context, struct endpoint *to, const struct tunnel_burst *bursts,
	size_t count, uint8_t tos)
{
	struct message *message = context;

	(void)to, (void)tos;
	sent += count;
	message->len = bursts[0].datagram_len;
	memcpy(message->bytes, bursts[0].data, message->len);
}

static void deliver(void *context, const struct iovec *parts, size_t count)
{
	(void)context, (void)parts, (void)count;
	delivered++;
}

static void report(void *context, const struct tunnel_event *event)
{
	(void)context, (void)event;
}

static const struct tunnel_ops ops = { keep, deliver, report };

/* ---- Peers ---- */

static void number_key(uint8_t key[KEY_LEN], unsigned number)
{
	memset(key, 7, KEY_LEN);
	memcpy(key + 8, &number, sizeof(number));
	key_clamp(key);
}

static struct endpoint number_endpoint(unsigned number)
{
	struct endpoint endpoint = { .v4 = { .sin_family = AF_INET, .sin_port = htons(51820) } };

	endpoint.v4.sin_addr.s_addr = htonl(0xc6120000 + number);
	return endpoint;
}

static uint32_t inner_address(unsigned number, unsigned prefix)
{
	return 0x0a400000 + number * PREFIXES + prefix;
}

static void packet_make(uint8_t *packet, size_t len, uint32_t source, uint32_t destination)
{
	memset(packet, 0, len);
	packet[0] = 0x45;
	packet[2] = (uint8_t)(len >> 8);
	packet[3] = (uint8_t)len;
	packet[8] = 64;
	packet[9] = 253; /* for experiments: neither TCP nor UDP, so nothing is merged */
	source = htonl(source);
	destination = htonl(destination);
	memcpy(packet + 12, &source, 4);
	memcpy(packet + 16, &destination, 4);
}

/* One request of the control protocol, as the monitor sends it. */
static char *make_request(const char *key_hex)
{
	char *text = NULL, hex[KEY_HEX_SIZE];
	size_t len = 0;
	FILE *to = open_memstream(&text, &len);

	if (!to)
		fail("out of memory");
	fprintf(to, "set=1\nprivate_key=%s\nreplace_peers=true\n", key_hex);
	for (unsigned i = 0; i < peer_count; i++) {
		uint8_t private_key[KEY_LEN], public_key[KEY_LEN];

		number_key(private_key, i);
		key_derive_public(public_key, private_key);
		key_to_hex(hex, public_key);
		fprintf(to, "public_key=%s\n", hex);
		for (unsigned j = 0; j < PREFIXES; j++)
			fprintf(to, "allowed_ip=10.%u.%u.%u/32\n", inner_address(i, j) >> 16 & 255,
				inner_address(i, j) >> 8 & 255, inner_address(i, j) & 255);
	}
	fprintf(to, "\n");
	if (fclose(to))
		fail("out of memory");
	return text;
}

static int rebind(void *context, uint16_t *port, uint32_t fwmark)
{
	(void)context, (void)port, (void)fwmark;
	return 0;
}

/* The CPU time of one request. */
static double ask(const char *request)
{
	struct uapi_device device = { .rebind = rebind };
	struct uapi_connection *connection = uapi_connection_new(hub, &device);
	char *answer = NULL;
	size_t answer_len = 0;
	const double begin = cpu_microseconds();

	if (!connection || uapi_connection_feed(connection, request, strlen(request), false, now,
				   &answer, &answer_len))
		fail("the control protocol");
	const double spent = cpu_microseconds() - begin;

	if (answer_len < 9 || memcmp(answer + answer_len - 9, "errno=0\n\n", 9) != 0)
		fail("the control protocol's answer");
	free(answer);
	uapi_connection_free(connection);
	return spent;
}

static void set_up(double figures[FIGURES])
{
	char hex[KEY_HEX_SIZE];

	memset(hub_key, 5, KEY_LEN);
	key_clamp(hub_key);
	key_to_hex(hex, hub_key);
	char *request = make_request(hex);
	const double before = allocated();

	figures[SET_UP] = ask(request) / peer_count;
	figures[PEER_MEMORY] = (allocated() - before) / peer_count;
	free(request);
	tunnel_set_up(hub, true, now);
	figures[GET] = ask("get=1\n\n") / peer_count;
}

/* ---- Sessions, and what is received ---- */

static struct message *from_hub, *from_spoke;
static struct message *messages[LENGTHS];
static struct message *of_one[LENGTHS]; /* of the first peer, before those */

static void arrive(struct tunnel *tunnel, struct message *message, const struct endpoint *from)
{
	struct tunnel_datagram datagram = {
		.data = message->bytes, .len = message->len, .from = from
	};

	tunnel_inbound(tunnel, &datagram, 1, now);
	tunnel_tick(tunnel, now);
}

static void send_from(struct tunnel *spoke, unsigned number, size_t len)
{
	uint8_t packet[MESSAGE_MAX + WIRE_PADDING];
	struct tunnel_packet one = { .data = packet, .len = len };

	packet_make(packet, len, inner_address(number, 0), 0x0a000001);
	tunnel_outbound(spoke, &one, 1, now);
}

/* The number-th peer itself, in session with the hub. */
static struct tunnel *make_spoke(unsigned number)
{
	static const uint8_t everything[4];
	const struct endpoint from = number_endpoint(number), to = number_endpoint(65535);
	struct tunnel *spoke = tunnel_new(&ops, from_spoke);
	uint8_t key[KEY_LEN], hub_public[KEY_LEN];
	struct peer *peer;

	number_key(key, number);
	key_derive_public(hub_public, hub_key);
	if (!spoke || tunnel_set_private_key(spoke, key, now) ||
		tunnel_add_peer(spoke, hub_public, &peer) ||
		tunnel_allow(spoke, peer, AF_INET, everything, 0))
		fail("cannot make a peer");
	tunnel_set_endpoint(spoke, peer, &to, now);
	tunnel_set_up(spoke, true, now);
	send_from(spoke, number, lengths[0]);
	arrive(hub, from_spoke, &from);
	arrive(spoke, from_hub, &to);
	arrive(hub, from_spoke, &from);
	if (!peer->current)
		fail("no session");
	return spoke;
}

static void make_sessions(double figures[FIGURES])
{
	const unsigned each = MESSAGES / peer_count;
	const double before = allocated();
	double after;

	hub->context = from_hub;
	for (unsigned i = 0; i < peer_count; i++) {
		struct tunnel *spoke = make_spoke(i);

		/* In the order in which they will be received: there is a replay window. */
		for (unsigned k = 0; k < LENGTHS; k++) {
			for (unsigned j = 0; !i && j < MESSAGES; j++) {
				send_from(spoke, i, lengths[k]);
				of_one[k][j] = *from_spoke;
			}
			for (unsigned j = 0; j < each; j++) {
				send_from(spoke, i, lengths[k]);
				messages[k][j * peer_count + i] = *from_spoke;
			}
		}
		tunnel_free(spoke);
	}
	after = allocated();
	figures[SESSION_MEMORY] = (after - before) / peer_count;
}

/* ---- Packets ---- */

/* The messages of a list, each of the next of so many peers. */
static double receive(struct message *list, unsigned peers)
{
	struct tunnel_datagram datagrams[BATCH];
	struct endpoint from[BATCH];
	const unsigned long before = delivered;
	double spent = 0;

	for (unsigned done = 0; done < MESSAGES; done += BATCH) {
		for (unsigned i = 0; i < BATCH; i++) {
			struct message *message = &list[done + i];

			from[i] = number_endpoint((done + i) % peers);
			datagrams[i] = (struct tunnel_datagram){
				.data = message->bytes, .len = message->len, .from = &from[i]
			};
		}
		const double begin = cpu_microseconds();

		tunnel_inbound(hub, datagrams, BATCH, now);
		tunnel_tick(hub, now);
		spent += cpu_microseconds() - begin;
	}
	if (delivered - before != MESSAGES)
		fail("messages were not opened");
	return spent / MESSAGES;
}

static double send_to(bool all, size_t len)
{
	static uint8_t packets[BATCH][MESSAGE_MAX + WIRE_PADDING];
	struct tunnel_packet list[BATCH];
	double spent = 0;

	for (unsigned done = 0; done < MESSAGES; done += BATCH) {
		for (unsigned i = 0; i < BATCH; i++) {
			const unsigned number = all ? randombytes_uniform(peer_count) : 0;

			packet_make(packets[i], len, 0x0a000001,
				inner_address(number, randombytes_uniform(PREFIXES)));
			list[i] = (struct tunnel_packet){ .data = packets[i], .len = len };
		}
		const double begin = cpu_microseconds();

		tunnel_outbound(hub, list, BATCH, now);
		tunnel_tick(hub, now);
		spent += cpu_microseconds() - begin;
	}
	return spent / MESSAGES;
}

static void measure(unsigned count, double figures[FIGURES])
{
	peer_count = count;
	hub = tunnel_new(&ops, NULL);
	if (!hub)
		fail("out of memory");
	hub->context = from_hub;
	set_up(figures);
	make_sessions(figures);
	for (unsigned k = 0; k < LENGTHS; k++) {
		sent = 0;
		figures[SEND_ONE + k] = send_to(false, lengths[k]);
		figures[SEND_ALL + k] = send_to(true, lengths[k]);
		if (!sent)
			fail("nothing was sent");
		figures[RECEIVE_ONE + k] = receive(of_one[k], 1);
		figures[RECEIVE_ALL + k] = receive(messages[k], count);
	}
	tunnel_free(hub);
}

int main(void)
{
	double figures[CROWDS][FIGURES];

	from_hub = calloc(1, sizeof(*from_hub));
	from_spoke = calloc(1, sizeof(*from_spoke));
	for (unsigned k = 0; k < LENGTHS; k++) {
		messages[k] = calloc(MESSAGES, sizeof(*messages[k]));
		of_one[k] = calloc(MESSAGES, sizeof(*of_one[k]));
	}
	if (sodium_init() < 0 || !from_hub || !from_spoke || !messages[0] || !messages[1] ||
		!of_one[0] || !of_one[1])
		fail("out of memory");
	for (size_t crowd = 0; crowd < CROWDS; crowd++)
		measure(crowds[crowd], figures[crowd]);
	printf("%-42s", "CPU time and memory, peers:");
	for (size_t crowd = 0; crowd < CROWDS; crowd++)
		printf("%10u", crowds[crowd]);
	putchar('\n');
	for (size_t i = 0; i < FIGURES; i++) {
		printf("%-42s", names[i]);
		for (size_t crowd = 0; crowd < CROWDS; crowd++)
			printf("%10.*f", i == PEER_MEMORY || i == SESSION_MEMORY ? 0 : 2,
				figures[crowd][i]);
		putchar('\n');
	}
	return 0;
}
