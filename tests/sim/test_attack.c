/* SPDX-License-Identifier: ISC */
/* Somebody on the way: replays, reflections, forgeries, floods. */
#include "sim.h"

#include <stdlib.h>

#include "core/wire.h"

static const struct endpoint *elsewhere(void)
{
	static struct endpoint endpoint;

	endpoint = sim_address4(200, 6666);
	return &endpoint;
}

/* What nothing that is not authentic may change. */
struct picture {
	struct endpoint endpoint;
	struct timers timers;
	struct session *previous, *current, *next;
	uint64_t rx_bytes, rx_packets, tx_bytes;
	unsigned delivered, messages;
	uint64_t deadline;
	bool pending;
	unsigned session_up, moved;
};

static struct picture picture(const struct sim_end *end, const struct sim_end *other)
{
	const struct peer *peer = sim_peer(end, other);
	struct picture seen;

	memset(&seen, 0, sizeof(seen)); /* the gaps too: pictures are compared as bytes */
	seen.endpoint = peer->endpoint;
	seen.timers.retransmit = peer->timers.retransmit;
	seen.timers.keepalive = peer->timers.keepalive;
	seen.timers.new_handshake = peer->timers.new_handshake;
	seen.timers.zero_keys = peer->timers.zero_keys;
	seen.timers.persistent = peer->timers.persistent;
	seen.timers.last_handshake_sent = peer->timers.last_handshake_sent;
	seen.timers.attempts = peer->timers.attempts;
	seen.previous = peer->previous;
	seen.current = peer->current;
	seen.next = peer->next;
	seen.rx_bytes = peer->counters.rx_bytes;
	seen.rx_packets = peer->counters.rx_packets;
	seen.tx_bytes = peer->counters.tx_bytes;
	seen.delivered = end->delivered;
	seen.messages =
		sim_handshakes(end) + end->messages[SIM_DATA] + end->messages[SIM_KEEPALIVE];
	seen.deadline = end->deadline;
	seen.pending = noise_remote_is_pending(peer->noise);
	seen.session_up = end->events[TUNNEL_SESSION_UP] + end->events[TUNNEL_REKEYED];
	seen.moved = end->events[TUNNEL_ENDPOINT_CHANGED];
	return seen;
}

static void assert_unchanged(
	const struct picture *before, const struct sim_end *end, const struct sim_end *other)
{
	const struct picture after = picture(end, other);

	assert_memory_equal(&after, before, sizeof(after));
}

/* Every message of half an hour, to both ends, from its own address and from elsewhere. */
static void old_messages_are_replayed(const struct sim_kind *kind)
{
	struct sim *sim = sim_pair(1, kind);
	struct sim_end *a = sim->ends[0], *b = sim->ends[1];

	sim->taping = true;
	sim_traffic(a, b, 5 * SECOND);
	sim_traffic(b, a, 7 * SECOND);
	sim_run(sim, 600 * SECOND);
	sim->taping = false;
	sim_traffic(a, b, 0);
	sim_traffic(b, a, 0);
	sim_run(sim, SECOND);
	for (unsigned i = 0; i < 2; i++) {
		struct sim_end *end = sim->ends[i], *other = sim->ends[!i];
		const struct picture before = picture(end, other);

		for (size_t n = 0; n < sim->tape_count; n++) {
			const struct sim_datagram *old = sim->tape[n];

			sim_inject(end, &old->from, old->data, old->len);
			sim_inject(end, elsewhere(), old->data, old->len);
			assert_unchanged(&before, end, other);
		}
	}
	sim_check(sim);
	sim_recover(a, b, SECOND);
	sim_free(sim);
}

/* The messages of a handshake that is under way, each of them at once again, from elsewhere. */
static bool echo_from_elsewhere(struct sim *sim, const struct sim_datagram *datagram)
{
	struct tunnel_datagram *held = sim->context;

	/* Only remembered here: the sender is in the middle of its work. */
	held->len = datagram->len;
	memcpy(held->data, datagram->data, datagram->len);
	return true;
}

static void fresh_messages_are_replayed(const struct sim_kind *kind)
{
	struct sim *sim = sim_pair(2, kind);
	struct sim_end *a = sim->ends[0], *b = sim->ends[1];
	uint8_t bytes[SIM_PACKET_MAX];
	struct tunnel_datagram held = { .data = bytes };

	sim->context = &held;
	sim->filter = echo_from_elsewhere;
	sim_send(a, b);
	for (int i = 0; i < 400; i++) {
		sim_run(sim, MILLISECOND);
		if (sim->heap_count)
			continue; /* the original comes first */
		sim_inject(a, elsewhere(), held.data, held.len);
		sim_inject(b, elsewhere(), held.data, held.len);
	}
	assert_int_equal(a->events[TUNNEL_ENDPOINT_CHANGED], 0);
	assert_int_equal(b->events[TUNNEL_ENDPOINT_CHANGED], 0);
	assert_int_equal(sim_flow(a, b)->delivered, 1);
	assert_int_equal(b->messages[SIM_RESPONSE], 1);
	sim_recover(a, b, SECOND);
	sim_free(sim);
}

/* What an end sent comes back to it. */
static bool reflect(struct sim *sim, const struct sim_datagram *datagram)
{
	struct sim_datagram *edit = (struct sim_datagram *)datagram;

	(void)sim;
	edit->to = datagram->from;
	return true;
}

static void everything_comes_back(const struct sim_kind *kind)
{
	struct sim *sim = sim_pair(3, kind);
	struct sim_end *a = sim->ends[0], *b = sim->ends[1];

	sim->filter = reflect;
	sim_traffic(a, b, SECOND);
	sim_run(sim, 300 * SECOND);
	assert_int_equal(a->delivered, 0);
	assert_int_equal(a->messages[SIM_RESPONSE] + a->messages[SIM_DATA], 0);
	assert_null(sim_peer(a, b)->current);
	assert_null(sim_peer(a, b)->next);
	assert_int_equal(a->events[TUNNEL_REFLECTION], kind->shared);
	sim->filter = NULL;
	sim_recover(a, b, 6 * SECOND);
	sim_check(sim);
	sim_free(sim);
}

/* Old initiations of an end's own, after they were answered and while another is pending; its clock
 * may be ahead of the other end's. */
static void own_initiations_come_back_later(const struct sim_kind *kind)
{
	static const uint64_t skews[] = { 0, 3600 * SECOND, YEAR };

	for (size_t i = 0; i < sizeof(skews) / sizeof(*skews); i++) {
		struct sim *sim = sim_pair(i, kind);
		struct sim_end *a = sim->ends[0], *b = sim->ends[1];

		a->wall_offset += skews[i];
		sim->taping = true;
		assert_true(sim_reaches(a, b, SECOND));
		sim->taping = false;
		const struct picture before = picture(a, b);

		for (size_t n = 0; n < sim->tape_count; n++) {
			sim_inject(a, elsewhere(), sim->tape[n]->data, sim->tape[n]->len);
			sim_run(sim, 30 * MILLISECOND);
		}
		assert_true(endpoint_equal(&before.endpoint, &sim_peer(a, b)->endpoint));
		assert_null(sim_peer(a, b)->next);
		assert_int_equal(a->messages[SIM_RESPONSE], 0);
		/* The other end starts the next one: it must not have been locked out. */
		sim_run(sim, 200 * SECOND);
		assert_true(sim_reaches(b, a, SECOND));
		assert_int_equal(a->events[TUNNEL_OLD_TIMESTAMP], 0);
		sim_free(sim);
	}
}

/* The same after a restart, which forgets what was sent and what was received. Whatever is replayed
 * then may be believed, but must not keep the ends apart. */
static void old_initiations_after_a_restart(const struct sim_kind *kind)
{
	static const int64_t skews[] = { 0, 3600 * SECOND, -3600 * (int64_t)SECOND };

	for (size_t i = 0; i < 2 * sizeof(skews) / sizeof(*skews); i++) {
		struct sim *sim = sim_pair(i, kind);
		struct sim_end *a = sim->ends[0], *b = sim->ends[1];

		a->wall_offset += (uint64_t)skews[i / 2];
		sim->taping = true;
		sim_recover(a, b, SECOND); /* both start, so there is one of each end's */
		sim->taping = false;
		sim_run(sim, 7 * SECOND);
		b->cut = true; /* its greeting is lost */
		sim_restart(a);
		for (size_t n = 0; n < sim->tape_count; n++) {
			sim_inject(a, elsewhere(), sim->tape[n]->data, sim->tape[n]->len);
			if (i % 2)
				sim_run(sim, 30 * MILLISECOND);
		}
		sim_run(sim, SECOND);
		b->cut = false;
		sim_recover(a, b, 20 * SECOND);
		sim_check(sim);
		sim_free(sim);
	}
}

/* Each bit of each message of a handshake and of data, flipped. */
static void refuse_each_bit(
	struct sim_end *to, struct sim_end *other, const struct sim_datagram *datagram)
{
	const struct picture before = picture(to, other);
	uint8_t bytes[SIM_PACKET_MAX];

	for (size_t bit = 0; bit < datagram->len * 8; bit++) {
		memcpy(bytes, datagram->data, datagram->len);
		bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		/* mac2 means something only under load. */
		if (datagram->data[0] != WIRE_DATA && bit / 8 >= datagram->len - WIRE_MAC_LEN)
			break;
		sim_inject(to, elsewhere(), bytes, datagram->len);
		assert_unchanged(&before, to, other);
	}
	for (size_t len = 0; len < datagram->len; len++) {
		sim_inject(to, elsewhere(), datagram->data, len);
		assert_unchanged(&before, to, other);
	}
}

static void every_bit_counts(const struct sim_kind *kind)
{
	struct sim *sim = sim_pair(4, kind);
	struct sim_end *a = sim->ends[0], *b = sim->ends[1];
	struct sim_end *const towards[] = { b, a, b, a };

	/* Initiation, response, the data that confirms, data back: each is held up, abused, and
	 * then let through. */
	sim->taping = true;
	sim_send(a, b);
	for (size_t i = 0; i < 4; i++) {
		assert_true(sim->tape_count > i);
		refuse_each_bit(towards[i], sim->ends[towards[i] == a], sim->tape[i]);
		sim_run(sim, 10 * MILLISECOND);
		if (i == 2)
			sim_send(b, a);
	}
	assert_int_equal(sim_flow(a, b)->delivered, 1);
	assert_int_equal(sim_flow(b, a)->delivered, 1);
	sim_check(sim);
	sim_free(sim);
}

/* Random bytes of every length under every type byte. */
static void noise_is_ignored(const struct sim_kind *kind)
{
	struct sim *sim = sim_pair(5, kind);
	struct sim_end *a = sim->ends[0], *b = sim->ends[1];
	uint8_t bytes[SIM_PACKET_MAX + 1];

	assert_true(sim_reaches(a, b, SECOND));
	sim_send(a, b);
	const struct picture before = picture(b, a);
	const uint32_t index = sim_peer(b, a)->current->local_index;

	for (size_t len = 0; len <= SIM_PACKET_MAX; len += 1 + len / 200) {
		for (unsigned type = 0; type < 8; type++) {
			for (size_t i = 0; i < len; i++)
				bytes[i] = (uint8_t)sim_random(sim, 256);
			if (len >= 4)
				wire_put_type(bytes, type % 5, type > 4);
			if (len >= 8 && sim_random(sim, 2))
				wire_put32(bytes + 4, index);
			sim_inject(b, elsewhere(), bytes, len);
		}
		bytes[0] = (uint8_t)len; /* every byte a type has been */
		sim_inject(b, elsewhere(), bytes, len);
	}
	assert_unchanged(&before, b, a);
	sim_run(sim, SECOND);
	assert_int_equal(sim_flow(a, b)->delivered, 2);
	sim_check(sim);
	sim_free(sim);
}

/* A tunnel that knows what a stranger on the network can: whom to address. */
static struct sim_end *add_stranger(struct sim *sim, struct sim_end *victim)
{
	static const struct sim_kind plain = { .cipher = PEER_CIPHER_WIREGUARD };
	struct sim_end *stranger = sim_add(sim);
	struct peer *peer;

	if (victim->shared) { /* the key that mac1 is made of, were it known */
		assert_int_equal(tunnel_add_peer(stranger->tunnel,
					 tunnel_local(victim->tunnel)->responder.public_key, &peer),
			0);
		tunnel_set_endpoint(stranger->tunnel, peer, &victim->address, sim_now(stranger));
		return stranger;
	}
	stranger->links[victim->number] =
		(struct sim_link){ .exists = true, .endpoint = true, .cipher = plain.cipher };
	sim_restart(stranger);
	return stranger;
}

static void strangers_are_told_apart(const struct sim_kind *kind)
{
	struct sim *sim = sim_pair(6, kind);
	struct sim_end *a = sim->ends[0], *b = sim->ends[1];
	struct sim_end *stranger = add_stranger(sim, b);
	struct peer *peer = tunnel_first_peer(stranger->tunnel);

	assert_true(sim_reaches(a, b, SECOND));
	sim_run(sim, 30 * SECOND);
	const struct picture before = picture(b, a);

	tunnel_set_keepalive(stranger->tunnel, peer, 1, sim_now(stranger));
	sim_touch(stranger);
	sim_run(sim, 3 * SECOND);
	assert_unchanged(&before, b, a);
	assert_int_equal(b->events[TUNNEL_UNKNOWN_PEER], 1);
	assert_int_equal(stranger->events[TUNNEL_SESSION_UP], 0);
	sim_free(sim);
}

/* ---- Floods ---- */

enum { FLOOD = 200 };

/* Initiations with a valid mac1, as many at once, from as many sources; kept for reuse. */
struct flood {
	uint8_t messages[FLOOD][WIRE_HANDSHAKE_MAX];
	size_t lens[FLOOD];
	struct endpoint sources[FLOOD];
};

static void flood_prepare(struct flood *flood, const struct sim *sim, const struct sim_end *victim)
{
	const struct sim_datagram *model = NULL;
	struct cookie_maker maker = { .has_cookie = false };

	for (size_t i = 0; i < sim->tape_count && !model; i++)
		if (sim->tape[i]->data[0] == WIRE_INITIATION &&
			endpoint_equal(&sim->tape[i]->to, &victim->address))
			model = sim->tape[i];
	assert_non_null(model);
	cookie_derive_keys(
		&maker.initiation_keys, tunnel_local(victim->tunnel)->responder.public_key);
	for (unsigned i = 0; i < FLOOD; i++) {
		memcpy(flood->messages[i], model->data, model->len);
		randombytes_buf(flood->messages[i] + 4, 36);
		cookie_add_macs(&maker, flood->messages[i], model->len, 0);
		flood->lens[i] = model->len;
		flood->sources[i] = sim_address4(300 + i, 1);
	}
}

static void flood_once(struct flood *flood, struct sim_end *victim, unsigned count)
{
	static uint8_t copies[FLOOD][WIRE_HANDSHAKE_MAX];
	struct tunnel_datagram datagrams[FLOOD];

	memcpy(copies, flood->messages, sizeof(copies));
	for (unsigned i = 0; i < count; i++)
		datagrams[i] = (struct tunnel_datagram){
			.data = copies[i], .len = flood->lens[i], .from = &flood->sources[i]
		};
	sim_inject_batch(victim, datagrams, count);
}

/* Answers to the flood go nowhere; what they must not be is longer than the question. */
static bool check_cookies(struct sim *sim, const struct sim_datagram *datagram)
{
	(void)sim;
	if (datagram->data[0] == WIRE_COOKIE)
		assert_int_equal(datagram->len, sizeof(struct wire_cookie));
	return true;
}

static void flooded_end_still_serves_its_peer(const struct sim_kind *kind)
{
	for (unsigned starter = 0; starter < 2; starter++) {
		struct sim *sim = sim_pair(7, kind);
		struct sim_end *a = sim->ends[0], *b = sim->ends[1];
		struct flood *flood = malloc(sizeof(*flood));
		struct sim_end *from = sim->ends[starter], *to = sim->ends[!starter];

		assert_non_null(flood);
		sim->filter = check_cookies;
		sim->taping = true;
		assert_true(sim_reaches(a, b, SECOND));
		sim->taping = false;
		flood_prepare(flood, sim, b);
		sim_run(sim, 600 * SECOND);
		/* Sessions are gone; the flood begins; then one end has something to say. */
		for (int i = 0; i < 20; i++) {
			flood_once(flood, b, FLOOD);
			sim_run(sim, 10 * MILLISECOND);
		}
		assert_true(b->messages[SIM_COOKIE] > 0);
		sim_send(from, to);
		const uint64_t start = sim->time;

		while (sim_flow(from, to)->delivered < sim_flow(from, to)->sent &&
			sim->time - start < 12 * SECOND) {
			flood_once(flood, b, FLOOD);
			sim_run(sim, 10 * MILLISECOND);
		}
		assert_int_equal(sim_flow(from, to)->delivered, sim_flow(from, to)->sent);
		assert_true(sim_peer(a, b)->cookie.has_cookie);
		/* All over: nobody needs a cookie. */
		sim_run(sim, 300 * SECOND);
		const unsigned cookies = b->messages[SIM_COOKIE];

		sim_recover(a, b, SECOND);
		assert_int_equal(b->messages[SIM_COOKIE], cookies);
		sim_check(sim);
		free(flood);
		sim_free(sim);
	}
}

/* One read of the socket may bring no more than 16 datagrams, and the engine ticks twice before the
 * next. */
static void a_flood_in_small_reads_is_noticed(const struct sim_kind *kind)
{
	enum { READ = 16 };
	struct sim *sim = sim_pair(10, kind);
	struct sim_end *a = sim->ends[0], *b = sim->ends[1];
	struct flood *flood = malloc(sizeof(*flood));

	assert_non_null(flood);
	sim->taping = true;
	assert_true(sim_reaches(a, b, SECOND));
	sim->taping = false;
	flood_prepare(flood, sim, b);
	for (unsigned at = 0; at + READ <= FLOOD; at += READ) {
		struct tunnel_datagram datagrams[READ];

		for (unsigned i = 0; i < READ; i++)
			datagrams[i] = (struct tunnel_datagram){ .data = flood->messages[at + i],
				.len = flood->lens[at + i],
				.from = &flood->sources[at + i] };
		sim_inject_batch(b, datagrams, READ);
		sim_touch(b);
	}
	assert_true(b->messages[SIM_COOKIE] > FLOOD / 4);
	free(flood);
	sim_free(sim);
}

static void a_few_strangers_are_no_load(const struct sim_kind *kind)
{
	struct sim *sim = sim_pair(8, kind);
	struct sim_end *a = sim->ends[0], *b = sim->ends[1];
	struct flood *flood = malloc(sizeof(*flood));

	assert_non_null(flood);
	sim->taping = true;
	assert_true(sim_reaches(a, b, SECOND));
	flood_prepare(flood, sim, b);
	sim_run(sim, 600 * SECOND);
	for (int i = 0; i < FLOOD; i++) {
		sim_inject(b, &flood->sources[i], flood->messages[i], flood->lens[i]);
		sim_run(sim, 10 * MILLISECOND);
	}
	flood_once(flood, b, FLOOD / 4); /* nor some dozens at once */
	assert_true(sim_reaches(a, b, 50 * MILLISECOND));
	assert_int_equal(b->messages[SIM_COOKIE], 0);
	free(flood);
	sim_free(sim);
}

/* A right cookie may bring the next initiation forward, to a second after the last. */
static void assert_unchanged_but_retry(
	const struct picture *before, const struct sim_end *end, const struct sim_end *other)
{
	struct picture after = picture(end, other);

	assert_true(after.timers.retransmit <= before->timers.retransmit);
	assert_true(after.timers.retransmit >= after.timers.last_handshake_sent + SECOND);
	after.timers.retransmit = before->timers.retransmit;
	after.deadline = before->deadline;
	assert_memory_equal(&after, before, sizeof(after));
}

/* Cookie replies that are made up, or real but not for what was sent, or real but once more. */
static void forged_cookies_are_ignored(const struct sim_kind *kind)
{
	struct sim *sim = sim_pair(9, kind);
	struct sim_end *a = sim->ends[0], *b = sim->ends[1];
	struct wire_cookie reply;
	struct cookie_checker *checker = cookie_checker_new();

	assert_non_null(checker);
	cookie_checker_set_local(checker, tunnel_local(a->tunnel)); /* the wrong key */
	b->cut = true;
	sim->taping = true;
	tunnel_set_keepalive(a->tunnel, sim_peer(a, b), 25, sim_now(a));
	sim_touch(a);
	sim_run(sim, 15 * MILLISECOND);
	const struct sim_datagram *initiation = sim->tape[0];
	const struct picture before = picture(a, b);
	const struct timers timers = sim_peer(a, b)->timers;

	cookie_create_reply(
		checker, &reply, initiation->data, initiation->len, &a->address, sim_now(a).boot);
	if (!kind->shared) { /* there, both have both keys */
		sim_inject(a, &b->address, &reply, sizeof(reply));
		assert_false(sim_peer(a, b)->cookie.has_cookie);
	}
	cookie_checker_set_local(checker, tunnel_local(b->tunnel));
	cookie_create_reply(
		checker, &reply, initiation->data, initiation->len, &a->address, sim_now(a).boot);
	for (size_t bit = 0; bit < sizeof(reply) * 8; bit++) {
		struct wire_cookie bad = reply;

		((uint8_t *)&bad)[bit / 8] ^= (uint8_t)(1 << bit % 8);
		sim_inject(a, &b->address, &bad, sizeof(bad));
		assert_false(sim_peer(a, b)->cookie.has_cookie);
	}
	assert_memory_equal(&sim_peer(a, b)->timers, &timers, sizeof(timers));
	sim_inject(a, elsewhere(), &reply, sizeof(reply)); /* right, wherever it comes from */
	assert_true(sim_peer(a, b)->cookie.has_cookie);
	assert_unchanged_but_retry(&before, a, b);
	sim_peer(a, b)->cookie.has_cookie = false;
	sim_inject(a, &b->address, &reply, sizeof(reply)); /* once only */
	assert_false(sim_peer(a, b)->cookie.has_cookie);
	cookie_checker_free(checker);
	sim_free(sim);
}

/* Who is asked for a cookie need not wait for as long as who is not answered at all. */
static void a_cookie_shortens_the_wait(const struct sim_kind *kind)
{
	struct sim *sim = sim_pair(10, kind);
	struct sim_end *a = sim->ends[0], *b = sim->ends[1];
	struct flood *flood = malloc(sizeof(*flood));

	assert_non_null(flood);
	sim->taping = true;
	assert_true(sim_reaches(a, b, SECOND));
	sim->taping = false;
	flood_prepare(flood, sim, b);
	sim_run(sim, 600 * SECOND);
	const uint64_t start = sim->time;
	const unsigned initiations = a->messages[SIM_INITIATION];

	flood_once(flood, b, FLOOD);
	sim_send(a, b);
	while (sim_flow(a, b)->delivered < 2 && sim->time - start < 10 * SECOND) {
		flood_once(flood, b, FLOOD);
		sim_run(sim, 10 * MILLISECOND);
	}
	assert_int_equal(sim_flow(a, b)->delivered, 2);
	assert_true(sim->time - start < SECOND + SECOND / 3 + SECOND / 10);
	assert_int_equal(a->messages[SIM_INITIATION], initiations + 2);
	assert_true(sim_peer(a, b)->cookie.has_cookie);
	free(flood);
	sim_free(sim);
}

/* Somebody on the way who knows b's public key answers each initiation by a cookie, and lets none
 * through: that does not make a send more than silence would. */
static void cookies_make_nobody_send_more(const struct sim_kind *kind)
{
	unsigned sent[2];

	for (int given = 0; given < 2; given++) {
		struct sim *sim = sim_pair(11, kind);
		struct sim_end *a = sim->ends[0], *b = sim->ends[1];
		struct cookie_checker *checker = cookie_checker_new();
		struct wire_cookie reply;

		assert_non_null(checker);
		cookie_checker_set_local(checker, tunnel_local(b->tunnel));
		b->cut = true;
		sim->taping = true;
		sim_send(a, b);
		for (int i = 0; i < 20000; i++) {
			sim_run(sim, 10 * MILLISECOND);
			if (!sim->tape_count)
				continue;
			cookie_create_reply(checker, &reply, sim->tape[0]->data, sim->tape[0]->len,
				&a->address, sim_now(a).boot);
			sim_erase_tape(sim);
			if (given)
				sim_inject(a, &b->address, &reply, sizeof(reply));
		}
		assert_int_equal(sim_peer(a, b)->cookie.has_cookie, given);
		sent[given] = a->messages[SIM_INITIATION];
		cookie_checker_free(checker);
		sim_free(sim);
	}
	assert_true(sent[0] >= 20);
	assert_int_equal(sent[1], sent[0]);
}

int main(void)
{
	static const struct sim_scenario scenarios[] = {
		SIM_EACH(old_messages_are_replayed),
		SIM_EACH(fresh_messages_are_replayed),
		SIM_EACH(everything_comes_back),
		SIM_EACH(own_initiations_come_back_later),
		SIM_EACH(old_initiations_after_a_restart),
		SIM_EACH(every_bit_counts),
		SIM_EACH(noise_is_ignored),
		SIM_EACH(strangers_are_told_apart),
		SIM_EACH(flooded_end_still_serves_its_peer),
		SIM_EACH(a_flood_in_small_reads_is_noticed),
		SIM_EACH(a_few_strangers_are_no_load),
		SIM_EACH(forged_cookies_are_ignored),
		SIM_EACH(a_cookie_shortens_the_wait),
		SIM_EACH(cookies_make_nobody_send_more),
	};

	return sim_main("attack", scenarios, sizeof(scenarios) / sizeof(*scenarios));
}
