/* SPDX-License-Identifier: ISC */
/*
 * What a forged message costs an end: CPU time for each kind of message, with few peers and many.
 *
 *	make tests/bench/forged && tests/bench/forged [seconds a figure, 0.3]
 *
 * Nothing here passes or fails. That the work is the same with one peer and with many is shown by
 * tests/sim/test_before.c, which counts it.
 */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "core/tunnel_internal.h"

enum { ROUND = 64, DATA_LEN = 1452, MESSAGE_MAX = 2048 };

static const unsigned crowds[] = { 1, 100, 10000 };
enum { CROWDS = sizeof(crowds) / sizeof(*crowds) };

struct end {
	struct tunnel *tunnel;
	struct end *other;
	struct endpoint address;
	uint8_t private_key[KEY_LEN], public_key[KEY_LEN];
	/* The last message to it. */
	uint8_t message[MESSAGE_MAX];
	size_t len;
};

static struct now now = { .boot = 1000 * WIRE_SECOND, .wall = UINT64_C(1700000000) * WIRE_SECOND };

static void send_to_other(void *context, struct endpoint *to, const struct tunnel_burst *bursts,
	size_t count, uint8_t tos)
{
	struct end *end = context, *other = end->other;

	(void)to, (void)tos, (void)count;
	other->len = bursts[0].datagram_len;
	memcpy(other->message, bursts[0].data, other->len);
}

static void deliver(void *context, const struct iovec *parts, size_t count)
{
	(void)context, (void)parts, (void)count;
}

static void report(void *context, const struct tunnel_event *event)
{
	(void)context, (void)event;
}

static const struct tunnel_ops ops = { send_to_other, deliver, report };

static void fail(const char *what)
{
	fprintf(stderr, "forged: %s\n", what);
	exit(1);
}

static struct peer *add_peer(struct end *end, const uint8_t key[KEY_LEN])
{
	struct peer *peer;

	if (tunnel_add_peer(end->tunnel, key, &peer))
		fail("cannot add a peer");
	return peer;
}

static void make_end(struct end *end, unsigned number)
{
	end->tunnel = tunnel_new(&ops, end);
	if (!end->tunnel)
		fail("out of memory");
	end->address.v4 = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = 1 };
	end->address.v4.sin_addr.s_addr = number;
	key_generate_private(end->private_key);
	key_derive_public(end->public_key, end->private_key);
	tunnel_set_private_key(end->tunnel, end->private_key, now);
	tunnel_set_up(end->tunnel, true, now);
}

/* What was sent to an end last arrives; the answer, if any, is then the other's. */
static void arrive(struct end *end)
{
	struct tunnel_datagram datagram = {
		.data = end->message, .len = end->len, .from = &end->other->address
	};

	tunnel_inbound(end->tunnel, &datagram, 1, now);
	tunnel_tick(end->tunnel, now);
}

/* A session that the victim began, and another initiation of its under way. */
static void make_session(struct end *victim, struct end *other)
{
	struct peer *peer = add_peer(victim, other->public_key);

	add_peer(other, victim->public_key);
	tunnel_set_endpoint(victim->tunnel, peer, &other->address, now);
	handshake_want(victim->tunnel, peer, now);
	arrive(other);
	arrive(victim);
	arrive(other);
	if (!peer->current)
		fail("no session");
	timers_start_afresh(&peer->timers);
	handshake_want(victim->tunnel, peer, now);
}

/* ---- Messages ---- */

struct scene {
	struct end victim, other;
	uint8_t message[MESSAGE_MAX];
	size_t len;
};

static void add_macs(struct scene *scene)
{
	struct cookie_maker maker = { .has_cookie = false };

	cookie_derive_keys(&maker.initiation_keys, scene->victim.public_key);
	cookie_derive_keys(&maker.response_keys, scene->victim.public_key);
	cookie_add_macs(&maker, scene->message, scene->len, 0);
}

static void noise(struct scene *scene, enum wire_type type, size_t len)
{
	scene->len = len;
	randombytes_buf(scene->message, len);
	wire_put_type(scene->message, type, WIRE_WIREGUARD);
}

static void initiation_without_mac(struct scene *scene)
{
	noise(scene, WIRE_INITIATION, WIRE_INITIATION_MIN);
}

static void initiation_with_mac(struct scene *scene)
{
	initiation_without_mac(scene);
	add_macs(scene);
}

static void write_initiation(struct scene *scene, bool lie)
{
	struct noise_remote *remote = noise_remote_new(scene->victim.public_key);
	const struct noise_fields fields = { .len = 0 };
	uint8_t key[KEY_LEN], timestamp[WIRE_TIMESTAMP_LEN] = { 0x40 };
	struct noise_local local;

	key_generate_private(key);
	noise_local_set_private(&local, key);
	noise_remote_set_local(remote, &local);
	if (lie)
		memcpy(local.initiator.public_key, scene->other.public_key, KEY_LEN);
	scene->len = (size_t)noise_create_initiation(
		remote, &local, WIRE_WIREGUARD, 1, key, timestamp, &fields, scene->message);
	add_macs(scene);
	noise_remote_free(remote);
}

static void initiation_of_a_stranger(struct scene *scene)
{
	write_initiation(scene, false);
}

static void initiation_in_a_peers_name(struct scene *scene)
{
	write_initiation(scene, true);
}

static void response_without_mac(struct scene *scene)
{
	noise(scene, WIRE_RESPONSE, WIRE_RESPONSE_MIN);
}

static void response_to_our_initiation(struct scene *scene)
{
	response_without_mac(scene);
	wire_put32(scene->message + 8, scene->victim.tunnel->first_peer->initiation_index);
	add_macs(scene);
}

static void cookie_of_nobody(struct scene *scene)
{
	noise(scene, WIRE_COOKIE, sizeof(struct wire_cookie));
}

static void cookie_to_our_initiation(struct scene *scene)
{
	cookie_of_nobody(scene);
	wire_put32(scene->message + 4, scene->victim.tunnel->first_peer->initiation_index);
}

static void data_of_nobody(struct scene *scene)
{
	noise(scene, WIRE_DATA, DATA_LEN);
}

static void data_of_a_session(struct scene *scene)
{
	data_of_nobody(scene);
	wire_put32(scene->message + 4, scene->victim.tunnel->first_peer->current->local_index);
	wire_put64(scene->message + 8, 1000);
}

static const struct kind {
	const char *name;
	void (*make)(struct scene *scene);
	bool loaded;
} kinds[] = {
	{ "initiation, mac1 wrong", initiation_without_mac, false },
	{ "initiation, mac1 right", initiation_with_mac, false },
	{ "initiation, of a stranger", initiation_of_a_stranger, false },
	{ "initiation, in a peer's name", initiation_in_a_peers_name, false },
	{ "initiation, mac1 right, under load", initiation_with_mac, true },
	{ "response, mac1 wrong", response_without_mac, false },
	{ "response, to an initiation of ours", response_to_our_initiation, false },
	{ "cookie, of nobody", cookie_of_nobody, false },
	{ "cookie, to an initiation of ours", cookie_to_our_initiation, false },
	{ "data, of nobody", data_of_nobody, false },
	{ "data, of a session", data_of_a_session, false },
};

/* ---- Measuring ---- */

static double cpu_seconds(void)
{
	struct timespec time;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* The message as often as the time allows; data is opened in place, and wrong from then on too. */
static double microseconds(struct scene *scene, bool loaded, double seconds)
{
	struct tunnel *tunnel = scene->victim.tunnel;
	struct tunnel_datagram datagram = {
		.data = scene->message, .len = scene->len, .from = &scene->other.address
	};
	const double begun = cpu_seconds();
	double spent = 0;
	unsigned long count = 0;

	for (; spent < seconds; spent = cpu_seconds() - begun) {
		for (int i = 0; i < ROUND; i++) {
			tunnel->loaded_until = loaded ? UINT64_MAX : 0;
			tunnel_inbound(tunnel, &datagram, 1, now);
			tunnel_tick(tunnel, now);
		}
		count += ROUND;
	}
	return spent * 1e6 / (double)count;
}

static void measure(double figures[][CROWDS], size_t crowd, double seconds)
{
	struct scene *scene = calloc(1, sizeof(*scene));

	if (!scene)
		fail("out of memory");
	scene->victim.other = &scene->other;
	scene->other.other = &scene->victim;
	make_end(&scene->victim, 1);
	make_end(&scene->other, 2);
	make_session(&scene->victim, &scene->other);
	for (unsigned i = 1; i < crowds[crowd]; i++) {
		uint8_t key[KEY_LEN];

		randombytes_buf(key, sizeof(key));
		add_peer(&scene->victim, key);
	}
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		kinds[i].make(scene);
		figures[i][crowd] = microseconds(scene, kinds[i].loaded, seconds);
	}
	tunnel_free(scene->victim.tunnel);
	tunnel_free(scene->other.tunnel);
	free(scene);
}

int main(int argc, char **argv)
{
	double figures[sizeof(kinds) / sizeof(*kinds)][CROWDS];
	const double seconds = argc > 1 ? strtod(argv[1], NULL) : 0.3;

	if (sodium_init() < 0)
		fail("libsodium");
	for (size_t crowd = 0; crowd < CROWDS; crowd++)
		measure(figures, crowd, seconds);
	printf("%-38s", "microseconds of CPU, peers:");
	for (size_t crowd = 0; crowd < CROWDS; crowd++)
		printf("%10u", crowds[crowd]);
	putchar('\n');
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		printf("%-38s", kinds[i].name);
		for (size_t crowd = 0; crowd < CROWDS; crowd++)
			printf("%10.2f", figures[i][crowd]);
		putchar('\n');
	}
	return 0;
}
