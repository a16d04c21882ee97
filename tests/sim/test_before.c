/* SPDX-License-Identifier: ISC */
/*
 * Before authentication nothing changes: no state, no memory, no answer larger than the question,
 * and no work that grows with the number of peers.
 *
 * Work is counted, not timed: the linker leads calls of what costs something through here.
 */
#include "sim.h"

#include <stdio.h>
#include <stdlib.h>

#include <sodium.h>

#include "core/chacha.h"
#include "core/inner.h"
#include "core/kdf.h"
#include "core/tunnel_internal.h"
#include "forge.h"
#include "snapshot.h"

/* ---- What is counted ---- */

enum work {
	ALLOCATIONS,
	EXCHANGES, /* X25519 */
	HASHES,    /* BLAKE2s: hash, mac, key derivation */
	SHORT_HASHES,
	OPENED, /* by an AEAD */
	LOOK_UPS,
	COMPARISONS, /* of keys, and of packets with endpoints */
	WORK_KINDS,
};

static const char *const work_names[WORK_KINDS] = { "allocations", "exchanges", "hashes",
	"short hashes", "messages opened", "look-ups", "comparisons" };

struct cost {
	unsigned work[WORK_KINDS];
};

static struct cost cost;

#define COUNTED(result, name, kind, parameters, arguments) \
	result __real_##name parameters;                   \
	result __wrap_##name parameters;                   \
	result __wrap_##name parameters                    \
	{                                                  \
		cost.work[kind]++;                         \
		return __real_##name arguments;            \
	}

COUNTED(void *, malloc, ALLOCATIONS, (size_t len), (len))
COUNTED(void *, calloc, ALLOCATIONS, (size_t count, size_t len), (count, len))
COUNTED(void *, realloc, ALLOCATIONS, (void *block, size_t len), (block, len))
COUNTED(int, posix_memalign, ALLOCATIONS, (void **block, size_t alignment, size_t len),
	(block, alignment, len))
COUNTED(int, crypto_scalarmult_curve25519, EXCHANGES,
	(unsigned char *out, const unsigned char *n, const unsigned char *p), (out, n, p))
COUNTED(void, kdf_hash, HASHES,
	(uint8_t * out, const void *a, size_t a_len, const void *b, size_t b_len),
	(out, a, a_len, b, b_len))
COUNTED(void, kdf_mac, HASHES,
	(uint8_t * out, const void *key, size_t key_len, const void *a, size_t a_len),
	(out, key, key_len, a, a_len))
COUNTED(void, kdf_derive, HASHES,
	(uint8_t * first, uint8_t *second, uint8_t *third, const uint8_t *chaining,
		const void *input, size_t len),
	(first, second, third, chaining, input, len))
COUNTED(int, crypto_shorthash, SHORT_HASHES,
	(unsigned char *out, const unsigned char *in, unsigned long long len,
		const unsigned char *key),
	(out, in, len, key))
#define OPENER(name)                                                                         \
	COUNTED(int, name, OPENED,                                                           \
		(unsigned char *plain, unsigned long long *plain_len, unsigned char *secret, \
			const unsigned char *sealed, unsigned long long len,                 \
			const unsigned char *ad, unsigned long long ad_len,                  \
			const unsigned char *nonce, const unsigned char *key),               \
		(plain, plain_len, secret, sealed, len, ad, ad_len, nonce, key))
OPENER(crypto_aead_chacha20poly1305_ietf_decrypt)
OPENER(crypto_aead_xchacha20poly1305_ietf_decrypt)
COUNTED(int, crypto_aead_aes256gcm_decrypt_afternm, OPENED,
	(unsigned char *plain, unsigned long long *plain_len, unsigned char *secret,
		const unsigned char *sealed, unsigned long long len, const unsigned char *ad,
		unsigned long long ad_len, const unsigned char *nonce,
		const crypto_aead_aes256gcm_state *state),
	(plain, plain_len, secret, sealed, len, ad, ad_len, nonce, state))
COUNTED(int, chacha_open, OPENED,
	(const uint8_t *key, const uint8_t *nonce, uint8_t *plain, const uint8_t *sealed,
		size_t len),
	(key, nonce, plain, sealed, len))
COUNTED(struct table_link *, table_find, LOOK_UPS, (const struct table *table, uint64_t hash),
	(table, hash))
COUNTED(struct table_link *, table_find_next, LOOK_UPS, (const struct table_link *link), (link))
COUNTED(bool, inner_is_udp_to, COMPARISONS,
	(const uint8_t *packet, size_t len, const struct endpoint *to), (packet, len, to))
COUNTED(bool, key_equal, COMPARISONS, (const uint8_t *a, const uint8_t *b), (a, b))

/* ---- Forged messages ---- */

/* The pair as the messages find it: in session, and each has an initiation under way. */
struct scene {
	struct sim *sim;
	struct sim_end *peer, *victim;
	const struct sim_datagram *initiation, *response; /* of the session that there is */
	const struct sim_datagram *data;
};

static struct forged forged;

static struct session *victims_session(const struct scene *scene)
{
	return sim_peer(scene->victim, scene->peer)->current;
}

static void random_initiation(const struct scene *scene)
{
	forge_noise(&forged, scene->sim, 0, WIRE_INITIATION_MIN);
	wire_put_type(forged.bytes, WIRE_INITIATION, WIRE_WIREGUARD);
}

static void random_initiation_with_mac(const struct scene *scene)
{
	random_initiation(scene);
	forge_macs(&forged, scene->victim);
}

static void low_order_initiation(const struct scene *scene)
{
	random_initiation(scene);
	memset(forged.bytes + 8, 0, KEY_LEN);
	forge_macs(&forged, scene->victim);
}

static void long_initiation_with_mac(const struct scene *scene)
{
	forge_noise(&forged, scene->sim, 0, WIRE_INITIATION_MAX);
	wire_put_type(forged.bytes, WIRE_INITIATION, WIRE_CULVERT);
	forge_macs(&forged, scene->victim);
}

/* Well made, by somebody whom the victim does not know; or who says that he is the peer. */
static void strangers_initiation(const struct scene *scene, enum wire_dialect dialect, bool lie)
{
	const struct noise_local *local = tunnel_local(scene->peer->tunnel);
	uint8_t key[KEY_LEN];

	key_generate_private(key);
	forge_initiation(&forged, scene->victim, dialect, key,
		lie ? local->initiator.public_key : NULL, UINT64_C(4000000000) * SECOND, NULL);
}

static void unknown_initiator(const struct scene *scene)
{
	strangers_initiation(scene, WIRE_WIREGUARD, false);
}

static void unknown_culvert_initiator(const struct scene *scene)
{
	strangers_initiation(scene, WIRE_CULVERT, false);
}

static void lying_initiator(const struct scene *scene)
{
	strangers_initiation(scene, WIRE_WIREGUARD, true);
}

static void lying_culvert_initiator(const struct scene *scene)
{
	strangers_initiation(scene, WIRE_CULVERT, true);
}

static void old_initiation(const struct scene *scene)
{
	forge_copy(&forged, scene->initiation);
}

/* The sender's index is covered by mac1 alone. */
static void old_initiation_with_another_index(const struct scene *scene)
{
	forge_copy(&forged, scene->initiation);
	forged.bytes[4] ^= 1;
	forge_macs(&forged, scene->victim);
}

static void own_initiation(const struct scene *scene)
{
	forge_copy(&forged, scene->sim->tape[scene->sim->tape_count - 1]);
	assert_int_equal(forged.bytes[0], WIRE_INITIATION);
	assert_true(endpoint_equal(
		&scene->sim->tape[scene->sim->tape_count - 1]->from, &scene->victim->address));
}

static void random_response(const struct scene *scene)
{
	forge_noise(&forged, scene->sim, 0, WIRE_RESPONSE_MIN);
	wire_put_type(
		forged.bytes, WIRE_RESPONSE, peer_dialect(sim_peer(scene->victim, scene->peer)));
}

static void random_response_with_mac(const struct scene *scene)
{
	random_response(scene);
	forge_macs(&forged, scene->victim);
}

static void response_to_a_pending_initiation(const struct scene *scene)
{
	random_response(scene);
	forge_receiver(&forged, sim_peer(scene->victim, scene->peer)->initiation_index);
	forge_macs(&forged, scene->victim);
}

static void low_order_response(const struct scene *scene)
{
	random_response(scene);
	forge_receiver(&forged, sim_peer(scene->victim, scene->peer)->initiation_index);
	memset(forged.bytes + 12, 0, KEY_LEN);
	forge_macs(&forged, scene->victim);
}

static void old_response_to_a_pending_initiation(const struct scene *scene)
{
	forge_copy(&forged, scene->response);
	forge_receiver(&forged, sim_peer(scene->victim, scene->peer)->initiation_index);
	forge_macs(&forged, scene->victim);
}

static void random_cookie(const struct scene *scene)
{
	forge_noise(&forged, scene->sim, 0, sizeof(struct wire_cookie));
	wire_put_type(forged.bytes, WIRE_COOKIE, WIRE_WIREGUARD);
}

static void cookie_for_a_pending_initiation(const struct scene *scene)
{
	random_cookie(scene);
	forge_receiver(&forged, sim_peer(scene->victim, scene->peer)->initiation_index);
}

static void cookie_for_a_session(const struct scene *scene)
{
	random_cookie(scene);
	forge_receiver(&forged, victims_session(scene)->local_index);
}

static void random_data(const struct scene *scene)
{
	forge_noise(&forged, scene->sim, 0, 1452);
	wire_put_type(forged.bytes, WIRE_DATA, WIRE_WIREGUARD);
}

static void data_for_a_session(const struct scene *scene)
{
	random_data(scene);
	forge_receiver(&forged, victims_session(scene)->local_index);
	wire_put64(forged.bytes + 8, victims_session(scene)->replay.next + 1000);
}

static void data_of_highest_counter(const struct scene *scene)
{
	data_for_a_session(scene);
	wire_put64(forged.bytes + 8, UINT64_MAX);
}

static void old_data(const struct scene *scene)
{
	forge_copy(&forged, scene->data);
}

static void no_message(const struct scene *scene)
{
	forge_noise(&forged, scene->sim, 0, 200);
	forged.bytes[0] = 9;
}

static void nothing(const struct scene *scene)
{
	(void)scene;
	forged.len = 0;
}

#define FORGERY(function)           \
	{                           \
#function, function \
	}
static const struct forgery {
	const char *name;
	void (*make)(const struct scene *scene);
} forgeries[] = {
	FORGERY(random_initiation),
	FORGERY(random_initiation_with_mac),
	FORGERY(low_order_initiation),
	FORGERY(long_initiation_with_mac),
	FORGERY(unknown_initiator),
	FORGERY(unknown_culvert_initiator),
	FORGERY(lying_initiator),
	FORGERY(lying_culvert_initiator),
	FORGERY(old_initiation),
	FORGERY(old_initiation_with_another_index),
	FORGERY(own_initiation),
	FORGERY(random_response),
	FORGERY(random_response_with_mac),
	FORGERY(response_to_a_pending_initiation),
	FORGERY(low_order_response),
	FORGERY(old_response_to_a_pending_initiation),
	FORGERY(random_cookie),
	FORGERY(cookie_for_a_pending_initiation),
	FORGERY(cookie_for_a_session),
	FORGERY(random_data),
	FORGERY(data_for_a_session),
	FORGERY(data_of_highest_counter),
	FORGERY(old_data),
	FORGERY(no_message),
	FORGERY(nothing),
};

enum { FORGERIES = sizeof(forgeries) / sizeof(*forgeries) };

/* ---- Ends that count ---- */

static size_t answered; /* bytes that the victim sent */
static unsigned answers, delivered;
static struct tunnel_event told;

static void count_send(void *context, struct endpoint *to, const struct tunnel_burst *bursts,
	size_t count, uint8_t tos)
{
	(void)context, (void)to, (void)tos;
	for (size_t i = 0; i < count; i++)
		answered += bursts[i].len;
	answers++;
}

static void count_deliver(void *context, const struct iovec *parts, size_t count)
{
	(void)context, (void)parts, (void)count;
	delivered++;
}

static void count_report(void *context, const struct tunnel_event *event)
{
	(void)context;
	told = *event;
}

static const struct tunnel_ops counting = { count_send, count_deliver, count_report };

static bool hold_back(struct sim *sim, const struct sim_datagram *datagram)
{
	(void)sim, (void)datagram;
	return false;
}

static const struct sim_datagram *taped(const struct sim *sim, enum wire_type type)
{
	for (size_t i = 0; i < sim->tape_count; i++)
		if (sim->tape[i]->data[0] == type)
			return sim->tape[i];
	fail_msg("no message of type %d was sent", type);
	return NULL;
}

/* Every timer runs, so that one that is stopped or begun anew shows. */
static void start_timers(struct sim_end *end, struct peer *peer)
{
	const uint64_t soon = sim_now(end).boot + 5 * SECOND;
	struct timers *timers = &peer->timers;

	timers->persistent_interval = 25;
	timers->retransmit = timers->keepalive = timers->new_handshake = soon;
	timers->zero_keys = timers->persistent = soon;
	tunnel_schedule(end->tunnel, peer);
}

/* The peer began the session, so its messages of each type were for the victim, but the response;
 * now the victim has an initiation under way. */
static struct scene set_scene(const struct sim_kind *kind)
{
	struct scene scene = { .sim = sim_pair(1, kind) };
	struct sim *sim = scene.sim;

	scene.peer = sim->ends[0];
	scene.victim = sim->ends[1];
	sim->taping = true;
	assert_true(sim_reaches(scene.peer, scene.victim, SECOND));
	sim_run(sim, 10 * SECOND);
	scene.initiation = taped(sim, WIRE_INITIATION);
	scene.response = taped(sim, WIRE_RESPONSE);
	scene.data = taped(sim, WIRE_DATA);
	sim->filter = hold_back;
	timers_start_afresh(&sim_peer(scene.victim, scene.peer)->timers);
	handshake_want(
		scene.victim->tunnel, sim_peer(scene.victim, scene.peer), sim_now(scene.victim));
	start_timers(scene.victim, sim_peer(scene.victim, scene.peer));
	tunnel_tick(scene.victim->tunnel, sim_now(scene.victim));
	scene.victim->tunnel->ops = &counting;
	return scene;
}

/* One message, and what it cost. */
static struct cost receive(struct sim_end *victim, const struct endpoint *from)
{
	struct tunnel_datagram datagram = { .data = forged.bytes, .len = forged.len, .from = from };

	memset(&cost, 0, sizeof(cost));
	answered = answers = delivered = 0;
	tunnel_inbound(victim->tunnel, &datagram, 1, sim_now(victim));
	tunnel_tick(victim->tunnel, sim_now(victim));
	return cost;
}

/* ---- Nothing changes ---- */

static void forge_each(const struct scene *scene, bool loaded)
{
	const struct endpoint from = sim_address4(200, 6666);

	for (size_t i = 0; i < FORGERIES; i++) {
		struct snapshot *before = snapshot_take(scene->victim->tunnel, loaded);

		forgeries[i].make(scene);
		const size_t asked = forged.len;
		const struct cost spent = receive(scene->victim, &from);

		snapshot_check(before, scene->victim->tunnel, forgeries[i].name, i);
		if (spent.work[ALLOCATIONS])
			fail_msg("memory was allocated for: %s", forgeries[i].name);
		if (answered > asked)
			fail_msg("%zu bytes were answered to: %s", answered, forgeries[i].name);
		if (answers && !loaded)
			fail_msg("there was an answer to: %s", forgeries[i].name);
		assert_true(answers <= 1);
		assert_int_equal(delivered, 0);
		snapshot_free(before);
	}
}

static void nothing_is_changed_by_forged_messages(const struct sim_kind *kind)
{
	struct scene scene = set_scene(kind);

	forge_each(&scene, false);
	sim_free(scene.sim);
}

/* Then there may be an answer, a cookie, which is smaller than what it answers. */
static void nothing_is_changed_under_load(const struct sim_kind *kind)
{
	struct scene scene = set_scene(kind);

	scene.victim->tunnel->loaded_until = UINT64_MAX;
	forge_each(&scene, true);
	random_initiation_with_mac(&scene);
	const struct cost spent = receive(scene.victim, &scene.peer->address);

	assert_int_equal(answers, 1);
	assert_int_equal(answered, sizeof(struct wire_cookie));
	assert_int_equal(spent.work[EXCHANGES], 0); /* which is what cookies are for */
	sim_free(scene.sim);
}

/* A flood that fills the queue as far as one without cookies can: it was there from the start. */
static void a_flood_needs_no_memory(const struct sim_kind *kind)
{
	struct scene scene = set_scene(kind);
	struct tunnel *tunnel = scene.victim->tunnel;
	const struct endpoint from = sim_address4(200, 6666);
	struct tunnel_datagram datagram = { .data = forged.bytes, .from = &from };

	random_initiation_with_mac(&scene);
	datagram.len = forged.len;
	memset(&cost, 0, sizeof(cost));
	for (size_t i = 0; i < 3 * QUEUE_MAX; i++)
		tunnel_inbound(tunnel, &datagram, 1, sim_now(scene.victim));
	assert_int_equal(tunnel->queue_count, QUEUE_LOAD);
	for (size_t i = 0; i < QUEUE_LOAD; i++)
		tunnel_tick(tunnel, sim_now(scene.victim));
	assert_int_equal(tunnel->queue_count, 0);
	assert_int_equal(cost.work[ALLOCATIONS], 0);
	sim_free(scene.sim);
}

/* An initiation with the cookie that the source was given. */
static void initiation_with_cookie(const struct scene *scene, const struct endpoint *from)
{
	const struct now now = sim_now(scene->victim);
	struct cookie_maker maker = { .has_cookie = false };
	struct wire_cookie reply;

	random_initiation(scene);
	cookie_derive_keys(
		&maker.initiation_keys, tunnel_local(scene->victim->tunnel)->responder.public_key);
	cookie_add_macs(&maker, forged.bytes, forged.len, now.boot);
	cookie_create_reply(
		scene->victim->tunnel->checker, &reply, forged.bytes, forged.len, from, now.boot);
	assert_int_equal(cookie_consume_reply(&maker, &reply, now.boot), 0);
	cookie_add_macs(&maker, forged.bytes, forged.len, now.boot);
}

/* More sources with cookies than there are places: those who come last are dropped. */
static void a_flood_with_cookies_fills_the_queue(const struct sim_kind *kind)
{
	struct scene scene = set_scene(kind);
	struct tunnel *tunnel = scene.victim->tunnel;

	tunnel->loaded_until = UINT64_MAX;
	tunnel->turn = 0;
	for (unsigned i = 0; i < QUEUE_MAX + 100; i++) {
		const struct endpoint from = sim_address4(300 + i, 1);
		struct tunnel_datagram datagram = { .data = forged.bytes, .from = &from };

		initiation_with_cookie(&scene, &from);
		datagram.len = forged.len;
		answers = 0;
		tunnel_inbound(tunnel, &datagram, 1, sim_now(scene.victim));
		assert_int_equal(answers, 0);
		assert_true(tunnel->queue_count <= QUEUE_MAX);
	}
	assert_int_equal(tunnel->queue_count, QUEUE_MAX);
	assert_int_equal(tunnel->counters.handshakes_dropped, 100);
	while (tunnel->queue_count)
		tunnel_tick(tunnel, sim_now(scene.victim));
	sim_free(scene.sim);
}

/* What somebody can have us say of a peer without its keys is not that peer's trouble. */
static void a_lie_is_not_told_of_the_peer(const struct sim_kind *kind)
{
	struct scene scene = set_scene(kind);
	const struct peer *peer = sim_peer(scene.victim, scene.peer);
	const struct endpoint from = sim_address4(200, 6666);

	strangers_initiation(&scene, peer_dialect(peer), true);
	receive(scene.victim, &from);
	assert_int_equal(told.kind, TUNNEL_BAD_INITIATION);
	assert_null(told.peer);
	assert_int_equal(peer->trouble, 0);
	assert_int_equal(peer->reported, 0);
	sim_free(scene.sim);
}

/* ---- The cost does not grow ---- */

static size_t longest_chain(const struct table *table)
{
	size_t longest = 0;

	for (size_t i = 0; i < table->size; i++) {
		size_t len = 0;

		for (const struct table_link *link = table->buckets[i]; link; link = link->next)
			len++;
		longest = len > longest ? len : longest;
	}
	return longest;
}

static void add_peers(struct sim_end *end, unsigned count)
{
	uint8_t key[KEY_LEN];
	struct peer *peer;

	for (unsigned i = 0; i < count; i++) {
		randombytes_buf(key, sizeof(key));
		assert_int_equal(tunnel_add_peer(end->tunnel, key, &peer), 0);
		tunnel_set_endpoint(end->tunnel, peer, &end->address, sim_now(end));
	}
}

static void check_cost(
	const char *what, unsigned peers, const struct cost *few, const struct cost *many)
{
	for (unsigned kind = 0; kind < WORK_KINDS; kind++)
		if (few->work[kind] != many->work[kind])
			fail_msg("%s: %u %s with one peer, %u with %u", what, few->work[kind],
				work_names[kind], many->work[kind], peers);
}

/* Initiations cost no more than two exchanges, data is opened once at most, all else is cheap. */
static void check_bound(const char *what, const struct cost *spent)
{
	if (spent->work[EXCHANGES] > 2 || spent->work[OPENED] > 2 || spent->work[LOOK_UPS] > 3)
		fail_msg("%s costs %u exchanges, %u openings, %u look-ups", what,
			spent->work[EXCHANGES], spent->work[OPENED], spent->work[LOOK_UPS]);
}

static void cost_does_not_grow_with_peers(const struct sim_kind *kind)
{
	static const unsigned steps[] = { 99, 1900 };
	struct scene scene = set_scene(kind);
	const struct endpoint from = sim_address4(200, 6666);
	struct cost few[FORGERIES];

	for (size_t i = 0; i < FORGERIES; i++) {
		forgeries[i].make(&scene);
		few[i] = receive(scene.victim, &from);
		check_bound(forgeries[i].name, &few[i]);
	}
	/* A shared-key tunnel has no others. */
	for (size_t step = 0; step < 2 && !scene.victim->shared; step++) {
		add_peers(scene.victim, steps[step]);
		tunnel_tick(scene.victim->tunnel, sim_now(scene.victim));
		for (size_t i = 0; i < FORGERIES; i++) {
			forgeries[i].make(&scene);
			const struct cost many = receive(scene.victim, &from);

			check_cost(forgeries[i].name, steps[step], &few[i], &many);
		}
		assert_in_range(longest_chain(&scene.victim->tunnel->peers), 1, 12);
	}
	sim_free(scene.sim);
}

/* UDP from our own port, as somebody's WireGuard behind us has it too, may be a message of ours
 * that comes back: whether it is, is to be found out without asking each peer. */
static struct cost send_from_our_port(struct sim_end *end)
{
	const uint16_t port = htons(end->tunnel->port);
	uint8_t packet[100];

	sim_ip(packet, AF_INET, end->number, end->number ^ 1, sizeof(packet));
	packet[9] = IPPROTO_UDP;
	memcpy(packet + 20, &port, sizeof(port));
	memset(&cost, 0, sizeof(cost));
	sim_outbound(end, packet, sizeof(packet));
	return cost;
}

static void cost_of_sending_does_not_grow_with_peers(const struct sim_kind *kind)
{
	struct scene scene = set_scene(kind);

	if (scene.victim->shared) { /* which has no others */
		sim_free(scene.sim);
		return;
	}
	tunnel_set_port(scene.victim->tunnel, 51820);
	const struct cost few = send_from_our_port(scene.victim);

	add_peers(scene.victim, 1000);
	const struct cost many = send_from_our_port(scene.victim);

	check_cost("a packet from our own port", 1001, &few, &many);
	assert_int_equal(few.work[COMPARISONS], 1); /* with the owner's endpoint */
	sim_free(scene.sim);
}

int main(void)
{
	static const struct sim_scenario scenarios[] = {
		SIM_EACH(nothing_is_changed_by_forged_messages),
		SIM_EACH(nothing_is_changed_under_load),
		SIM_EACH(a_flood_needs_no_memory),
		SIM_EACH(a_flood_with_cookies_fills_the_queue),
		SIM_EACH(a_lie_is_not_told_of_the_peer),
		SIM_EACH(cost_does_not_grow_with_peers),
		SIM_EACH(cost_of_sending_does_not_grow_with_peers),
	};

	return sim_main("before", scenarios, sizeof(scenarios) / sizeof(*scenarios));
}
