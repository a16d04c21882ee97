/* SPDX-License-Identifier: ISC */
/* Ends that do not agree, and what is changed on running tunnels. */
#include "sim.h"

#include "core/wire.h"

/* Everything told but sessions and moves. */
static unsigned complaints(const struct sim_end *end)
{
	unsigned sum = 0;

	for (unsigned kind = 0; kind < TUNNEL_EVENT_COUNT; kind++)
		if (kind != TUNNEL_SESSION_UP && kind != TUNNEL_REKEYED &&
			kind != TUNNEL_ENDPOINT_CHANGED)
			sum += end->events[kind];
	return sum;
}

static void set_cipher(
	struct sim_end *end, struct sim_end *other, enum peer_cipher cipher, const char *fixed)
{
	assert_int_equal(tunnel_set_cipher(end->tunnel, sim_peer(end, other), cipher,
				 fixed ? aead_by_name(fixed) : NULL),
		0);
	sim_touch(end);
}

static void fill_psk(struct sim_end *end, struct sim_end *other, uint8_t byte)
{
	uint8_t psk[KEY_LEN];

	memset(psk, byte, sizeof(psk));
	assert_int_equal(tunnel_set_psk(end->tunnel, sim_peer(end, other), psk), 0);
	sim_touch(end);
}

/* Ways to disagree: break makes it so at end 1, and each end is to say this. */
struct disagreement {
	const char *name;
	void (*set)(struct sim_end *end, struct sim_end *other, bool wrong);
	enum tunnel_event_kind initiator_says, responder_says;
	bool responder_is_silent; /* what is wrong shows at one end only */
};

static void wrong_psk(struct sim_end *end, struct sim_end *other, bool wrong)
{
	fill_psk(end, other, wrong ? 9 : 0);
}

static void wrong_dialect(struct sim_end *end, struct sim_end *other, bool wrong)
{
	set_cipher(end, other, wrong ? PEER_CIPHER_WIREGUARD : PEER_CIPHER_AUTO, NULL);
}

static void wrong_cipher(struct sim_end *end, struct sim_end *other, bool wrong)
{
	set_cipher(end, other, PEER_CIPHER_FIXED, "chacha20-poly1305");
	set_cipher(other, end, wrong ? PEER_CIPHER_FIXED : PEER_CIPHER_AUTO,
		wrong ? "aes-256-gcm" : NULL);
}

static void wrong_link(struct sim_end *end, struct sim_end *other, bool wrong)
{
	(void)other;
	tunnel_set_link(end->tunnel, wrong ? TUNNEL_LINK_ETHERNET : TUNNEL_LINK_IP);
	sim_touch(end);
}

static const struct disagreement disagreements[] = {
	{ "psk", wrong_psk, TUNNEL_BAD_RESPONSE, 0, true },
	{ "dialect", wrong_dialect, TUNNEL_GAVE_UP, TUNNEL_WRONG_DIALECT, false },
	{ "cipher", wrong_cipher, TUNNEL_CIPHER_REFUSED, TUNNEL_NO_COMMON_CIPHER, false },
	{ "link", wrong_link, TUNNEL_LINK_REFUSED, TUNNEL_OTHER_LINK, false },
};

static void check_disagreement(const struct disagreement *how, uint64_t seed)
{
	struct sim *sim = sim_pair(seed, sim_kind_auto);
	struct sim_end *a = sim->ends[0], *b = sim->ends[1];

	how->set(b, a, true);
	for (int i = 0; i < 3; i++) { /* long enough to give up, three times */
		sim_send(a, b);
		sim_run(sim, 200 * SECOND);
	}
	assert_int_equal(sim_flow(a, b)->delivered, 0);
	assert_int_equal(a->events[how->initiator_says], 1);
	/* Where nothing else is known, first that there is no answer, then that it gave up. */
	assert_int_equal(complaints(a), 2);
	if (how->responder_is_silent) {
		assert_int_equal(complaints(b), 0);
	} else {
		assert_int_equal(b->events[how->responder_says], 1);
		assert_int_equal(complaints(b), 1);
	}
	sim_check(sim);
	/* Mended, it works; broken again, it is told again. */
	how->set(b, a, false);
	sim_recover(a, b, 6 * SECOND);
	sim_check(sim);
	how->set(b, a, true);
	sim_run(sim, 6 * SECOND);
	sim_send(a, b);
	sim_run(sim, 30 * SECOND);
	/* Either end may be the one that starts now. */
	if (how->initiator_says != TUNNEL_GAVE_UP)
		assert_in_range(
			a->events[how->initiator_says] + b->events[how->initiator_says], 2, 3);
	sim_free(sim);
}

static void disagreement_is_told_once(const struct sim_kind *kind)
{
	(void)kind;
	for (size_t i = 0; i < sizeof(disagreements) / sizeof(*disagreements); i++) {
		if (!crypto_aead_aes256gcm_is_available() && i == 2)
			continue;
		check_disagreement(&disagreements[i], i);
	}
}

/* Both ends have traffic, so both find out. */
static void disagreement_found_by_both(const struct sim_kind *kind)
{
	(void)kind;
	for (size_t i = 0; i < sizeof(disagreements) / sizeof(*disagreements); i++) {
		struct sim *sim = sim_pair(i, sim_kind_auto);
		struct sim_end *a = sim->ends[0], *b = sim->ends[1];

		if (!crypto_aead_aes256gcm_is_available() && i == 2)
			continue;
		disagreements[i].set(b, a, true);
		sim_traffic(a, b, 3 * SECOND);
		sim_traffic(b, a, 4 * SECOND);
		sim_run(sim, 300 * SECOND);
		for (unsigned kinds = 0; kinds < TUNNEL_EVENT_COUNT; kinds++) {
			assert_in_range(a->events[kinds], 0, 1);
			assert_in_range(b->events[kinds], 0, 1);
		}
		assert_int_equal(a->delivered + b->delivered, 0);
		disagreements[i].set(b, a, false);
		sim_recover(a, b, 6 * SECOND);
		sim_free(sim);
	}
}

static void wrong_shared_key(const struct sim_kind *kind)
{
	struct sim *sim = sim_pair(20, sim_kind_shared);
	struct sim_end *a = sim->ends[0], *b = sim->ends[1];

	(void)kind;
	b->shared_key[0] ^= 1;
	sim_restart(b);
	for (int i = 0; i < 3; i++) {
		sim_send(a, b);
		sim_run(sim, 200 * SECOND);
	}
	assert_int_equal(a->events[TUNNEL_GAVE_UP], 1);
	/* Of nobody in particular, so told each time: whoever logs it must count. */
	assert_int_equal(a->events[TUNNEL_NO_ANSWER], 1);
	assert_int_equal(complaints(a), 2 + a->events[TUNNEL_NOT_FOR_US]);
	assert_true(b->events[TUNNEL_NOT_FOR_US] >= 1);
	assert_int_equal(complaints(b), b->events[TUNNEL_NOT_FOR_US] + b->events[TUNNEL_NO_ANSWER] +
						b->events[TUNNEL_GAVE_UP]);
	b->shared_key[0] ^= 1;
	assert_int_equal(tunnel_set_shared_key(b->tunnel, b->shared_key, sim_now(b)), 0);
	tunnel_set_endpoint(b->tunnel, tunnel_first_peer(b->tunnel), &a->address, sim_now(b));
	sim_touch(b);
	sim_recover(a, b, 6 * SECOND);
	sim_check(sim);
	sim_free(sim);
}

static void private_key_changes(const struct sim_kind *kind)
{
	struct sim *sim = sim_pair(21, kind);
	struct sim_end *a = sim->ends[0], *b = sim->ends[1];

	if (kind->shared) {
		assert_int_equal(
			tunnel_set_private_key(b->tunnel, a->private_key, sim_now(b)), -16);
		sim_free(sim);
		return;
	}
	sim_recover(a, b, SECOND);
	sim_run(sim, 6 * SECOND);
	key_generate_private(b->private_key);
	key_derive_public(b->public_key, b->private_key);
	assert_int_equal(tunnel_set_private_key(b->tunnel, b->private_key, sim_now(b)), 0);
	sim_touch(b);
	assert_null(tunnel_first_peer(b->tunnel)->current);
	sim_send(b, a);
	sim_run(sim, SECOND);
	assert_int_equal(a->events[TUNNEL_UNKNOWN_PEER], 1);
	/* The other end learns of the new key: the old one's peer goes. */
	tunnel_remove_peer(a->tunnel, tunnel_first_peer(a->tunnel));
	sim_restart(a);
	sim_recover(a, b, 6 * SECOND);
	/* The same key again is no change. */
	struct session *session = sim_peer(b, a)->current;

	assert_int_equal(tunnel_set_private_key(b->tunnel, b->private_key, sim_now(b)), 0);
	assert_ptr_equal(sim_peer(b, a)->current, session);
	/* None, and back. */
	const uint8_t none[KEY_LEN] = { 0 };

	assert_int_equal(tunnel_set_private_key(b->tunnel, none, sim_now(b)), 0);
	sim_touch(b);
	assert_false(sim_reaches(b, a, 30 * SECOND));
	assert_int_equal(tunnel_set_private_key(b->tunnel, b->private_key, sim_now(b)), 0);
	sim_touch(b);
	sim_recover(a, b, 6 * SECOND);
	sim_check(sim);
	sim_free(sim);
}

/* WireGuard greets at once after a change of the private key, however recent the last handshake. */
static void new_private_key_greets_at_once(const struct sim_kind *kind)
{
	struct sim *sim = sim_pair(22, kind);
	struct sim_end *a = sim->ends[0], *b = sim->ends[1];

	if (!kind->shared) {
		tunnel_set_keepalive(a->tunnel, sim_peer(a, b), 25, sim_now(a));
		sim_touch(a);
		sim_run(sim, SECOND);
		assert_int_equal(a->messages[SIM_INITIATION], 1);
		key_generate_private(a->private_key);
		assert_int_equal(tunnel_set_private_key(a->tunnel, a->private_key, sim_now(a)), 0);
		assert_int_equal(a->messages[SIM_INITIATION], 2);
	}
	sim_free(sim);
}

static void ourselves_are_no_peer(const struct sim_kind *kind)
{
	struct sim *sim = sim_pair(23, sim_kind_wireguard);
	struct sim_end *a = sim->ends[0], *b = sim->ends[1];
	struct peer *peer;

	(void)kind;
	assert_int_equal(tunnel_add_peer(a->tunnel, a->public_key, &peer), -22);
	assert_int_equal(tunnel_add_peer(a->tunnel, b->public_key, &peer), -17);
	sim_recover(a, b, SECOND);
	assert_int_equal(tunnel_set_private_key(a->tunnel, b->private_key, sim_now(a)), 0);
	sim_touch(a);
	assert_null(tunnel_first_peer(a->tunnel));
	sim_send(a, b);
	assert_int_equal(tunnel_counters(a->tunnel)->no_route, 1);
	sim_check(sim);
	sim_free(sim);
}

static void psk_changes(const struct sim_kind *kind)
{
	struct sim *sim = sim_pair(24, kind);
	struct sim_end *a = sim->ends[0], *b = sim->ends[1];
	const uint8_t psk[KEY_LEN] = { 1 };

	sim_recover(a, b, SECOND);
	if (kind->shared) {
		assert_int_equal(tunnel_set_psk(a->tunnel, sim_peer(a, b), psk), -22);
	} else {
		fill_psk(a, b, 3);
		assert_null(sim_peer(a, b)->current);
		sim_run(sim, 20 * SECOND);
		assert_false(sim_reaches(a, b, 6 * SECOND));
		assert_int_equal(a->events[TUNNEL_BAD_RESPONSE], 1);
		fill_psk(b, a, 3);
		sim_recover(a, b, 6 * SECOND);
	}
	sim_check(sim);
	sim_free(sim);
}

static void peer_goes_and_comes(const struct sim_kind *kind)
{
	struct sim *sim = sim_pair(25, kind);
	struct sim_end *a = sim->ends[0], *b = sim->ends[1];

	sim_traffic(a, b, 3 * MILLISECOND);
	sim_traffic(b, a, 2 * MILLISECOND);
	for (uint64_t when = 0; when < 60; when += 3) {
		sim_run(sim, when * MILLISECOND);
		/* With packets and handshakes under way in both directions. */
		tunnel_remove_peer(a->tunnel, tunnel_first_peer(a->tunnel));
		sim_touch(a);
		sim_check(sim);
		sim_run(sim, 15 * MILLISECOND);
		assert_null(tunnel_first_peer(a->tunnel));
		sim_restart(a);
	}
	sim_recover(a, b, 6 * SECOND);
	sim_check(sim);
	sim_free(sim);
}

static void down_and_up(const struct sim_kind *kind)
{
	struct sim *sim = sim_pair(26, kind);
	struct sim_end *a = sim->ends[0], *b = sim->ends[1];

	for (unsigned i = 0; i < 30; i++) {
		struct sim_end *end = sim->ends[i % 2], *other = sim->ends[!(i % 2)];

		sim_recover(a, b, 6 * SECOND);
		sim_send(end, other);
		tunnel_set_up(end->tunnel, false, sim_now(end));
		sim_touch(end);
		assert_false(tunnel_is_up(end->tunnel));
		assert_null(sim_peer(end, other)->current);
		const unsigned delivered = end->delivered, sent = sim_handshakes(end);

		sim_send(end, other);
		sim_send(other, end);
		sim_run(sim, sim_random(sim, 40 * SECOND));
		assert_int_equal(end->delivered, delivered);
		assert_int_equal(sim_handshakes(end), sent);
		assert_int_equal(sim_peer(end, other)->staged_count, 0);
		assert_int_equal(timers_next(&sim_peer(end, other)->timers), TIMERS_NEVER);
		tunnel_set_up(end->tunnel, true, sim_now(end));
		sim_touch(end);
	}
	sim_recover(a, b, 6 * SECOND);
	sim_check(sim);
	sim_free(sim);
}

/* Hands over the first datagrams on the tape, which is then erased. */
static void play_tape(struct sim *sim, struct sim_end *to, size_t count)
{
	struct tunnel_datagram datagrams[SIM_ENDS];

	assert_in_range(count, 1, sim->tape_count);
	for (size_t i = 0; i < count; i++) {
		struct sim_datagram *taped = sim->tape[i];

		datagrams[i] = (struct tunnel_datagram){
			.data = taped->data, .len = taped->len, .from = &taped->from
		};
	}
	tunnel_inbound(to->tunnel, datagrams, count, sim_now(to));
	sim_erase_tape(sim);
}

/* "A write after close": neither initiations that wait for their turn when the tunnel goes down,
 * nor those that come later, have anything sent or delivered. */
static void down_is_silent(const struct sim_kind *kind)
{
	enum { PEERS = 5 };
	struct sim *sim = sim_new(32);
	struct sim_end *centre = sim_add(sim);

	for (unsigned i = 1; i <= PEERS && !kind->shared; i++) /* which has one peer */
		sim_join(centre, sim_add(sim), kind);
	if (!kind->shared) {
		centre->cut = true;
		sim->taping = true;
		for (unsigned i = 1; i <= PEERS; i++)
			sim_send(sim->ends[i], centre);
		const unsigned before = centre->sends;

		play_tape(sim, centre, PEERS);
		const unsigned sends = centre->sends;

		assert_in_range(sends - before, 1, PEERS - 1); /* the rest waits */
		tunnel_set_up(centre->tunnel, false, sim_now(centre));
		sim_touch(centre);
		sim_run(sim, 6 * SECOND);
		assert_int_equal(centre->sends, sends);
		play_tape(sim, centre, PEERS); /* they asked again */
		sim_touch(centre);
		assert_int_equal(centre->sends, sends);
		assert_int_equal(centre->delivered, 0);
	}
	sim_free(sim);
}

static void up_greets_with_keepalive(const struct sim_kind *kind)
{
	struct sim *sim = sim_pair(27, kind);
	struct sim_end *a = sim->ends[0], *b = sim->ends[1];

	tunnel_set_up(a->tunnel, false, sim_now(a));
	tunnel_set_keepalive(a->tunnel, sim_peer(a, b), 25, sim_now(a));
	sim_touch(a);
	sim_run(sim, 60 * SECOND);
	assert_int_equal(sim_handshakes(a), 0);
	tunnel_set_up(a->tunnel, true, sim_now(a));
	sim_touch(a);
	sim_run(sim, SECOND);
	assert_non_null(sim_peer(b, a)->current);
	sim_free(sim);
}

/* Three peers round a hub: each may use its own inner addresses and no other's. */
static void hub(const struct sim_kind *kind)
{
	struct sim *sim = sim_new(28);
	struct sim_end *centre = sim_add(sim);
	uint8_t packet[100];

	if (kind->shared) {
		sim_free(sim);
		return;
	}
	for (int i = 0; i < 4; i++)
		sim_join(centre, sim_add(sim), kind);
	for (unsigned i = 1; i < 5; i++) {
		sim_traffic(centre, sim->ends[i], SECOND / 3);
		sim_traffic(sim->ends[i], centre, SECOND / 4);
	}
	sim_run(sim, 400 * SECOND);
	sim_check(sim);
	for (unsigned i = 1; i < 5; i++) {
		struct sim_end *end = sim->ends[i];
		struct peer *seen = sim_peer(centre, end);

		assert_in_range(sim_flow(centre, end)->delivered, sim_flow(centre, end)->sent - 1,
			sim_flow(centre, end)->sent);
		sim_run(sim, 100 * MILLISECOND);
		/* Somebody else's address, the hub's own, nobody's; and it roams all the same. */
		const uint64_t refused = seen->counters.refused_sources;
		const unsigned delivered = centre->delivered;

		for (unsigned j = 0; j < 40; j += 8) {
			sim_ip(packet, j % 16 ? AF_INET6 : AF_INET, i % 4 + 1 + j, 0,
				sizeof(packet));
			sim_outbound(end, packet, sizeof(packet));
		}
		end->address.v4.sin_port++;
		sim_ip(packet, AF_INET, i % 4 + 1, 0, sizeof(packet));
		sim_outbound(end, packet, sizeof(packet));
		sim_traffic(end, centre, 0);
		sim_traffic(centre, end, 0);
		sim_run(sim, 12 * MILLISECOND);
		assert_int_equal(seen->counters.refused_sources, refused + 6);
		assert_true(endpoint_equal(&seen->endpoint, &end->address));
		assert_in_range(centre->delivered, delivered, delivered + 3);
	}
	sim_free(sim);
}

static void allowed_addresses_move(const struct sim_kind *kind)
{
	struct sim *sim = sim_new(29);
	struct sim_end *centre = sim_add(sim), *x = sim_add(sim), *y = sim_add(sim);
	const uint8_t net[4] = { 10, 9, 0, 0 };
	uint8_t packet[60];

	(void)kind;
	sim_join(centre, x, sim_kind_wireguard);
	sim_join(centre, y, sim_kind_auto);
	sim_ip(packet, AF_INET, 0, 0, sizeof(packet));
	memcpy(packet + 16, (const uint8_t[]){ 10, 9, 1, 2 }, 4);
	sim_outbound(centre, packet, sizeof(packet));
	assert_int_equal(tunnel_counters(centre->tunnel)->no_route, 1);
	assert_int_equal(tunnel_allow(centre->tunnel, sim_peer(centre, x), AF_INET, net, 16), 0);
	sim_outbound(centre, packet, sizeof(packet));
	assert_int_equal(sim_peer(centre, x)->staged_count, 1);
	assert_int_equal(tunnel_allow(centre->tunnel, sim_peer(centre, y), AF_INET, net, 16), 0);
	sim_outbound(centre, packet, sizeof(packet));
	assert_int_equal(sim_peer(centre, x)->staged_count, 1);
	assert_int_equal(sim_peer(centre, y)->staged_count, 1);
	tunnel_disallow_all(centre->tunnel, sim_peer(centre, y));
	sim_outbound(centre, packet, sizeof(packet));
	assert_int_equal(tunnel_counters(centre->tunnel)->no_route, 2);
	sim_free(sim);
}

/* In a shared-key tunnel, allowed addresses are a choice. */
static void shared_key_filter(const struct sim_kind *kind)
{
	struct sim *sim = sim_pair(30, sim_kind_shared);
	struct sim_end *a = sim->ends[0], *b = sim->ends[1];
	const uint8_t net[4] = { 10, 0, 0, 0 };
	uint8_t packet[60];

	(void)kind;
	sim_recover(a, b, SECOND);
	sim_ip(packet, AF_INET, 77, 78, sizeof(packet));
	packet[12] = packet[16] = 172; /* neither inside 10/8 */
	sim_outbound(a, packet, sizeof(packet));
	sim_run(sim, SECOND);
	assert_memory_equal(b->packet, packet, sizeof(packet));
	const unsigned delivered = b->delivered;

	assert_int_equal(tunnel_allow(b->tunnel, sim_peer(b, a), AF_INET, net, 8), 0);
	sim_outbound(a, packet, sizeof(packet));
	sim_run(sim, SECOND);
	assert_int_equal(b->delivered, delivered);
	assert_int_equal(b->events[TUNNEL_SOURCE_REFUSED], 1);
	assert_memory_equal(b->refused_source, packet + 12, 4);
	sim_outbound(b, packet, sizeof(packet));
	assert_int_equal(tunnel_counters(b->tunnel)->no_route, 1);
	assert_int_equal(
		tunnel_set_cipher(a->tunnel, sim_peer(a, b), PEER_CIPHER_WIREGUARD, NULL), -22);
	/* The same key once more changes nothing. */
	struct session *session = sim_peer(a, b)->current;

	assert_int_equal(tunnel_set_shared_key(a->tunnel, a->shared_key, sim_now(a)), 0);
	assert_ptr_equal(sim_peer(a, b)->current, session);
	sim_check(sim);
	sim_free(sim);
}

static void low_order_peer(const struct sim_kind *kind)
{
	static const uint8_t points[][KEY_LEN] = {
		{ 0 },
		{ 1 },
		{ 0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3, 0xfa, 0xf1,
			0x9f, 0xc4, 0x6a, 0xda, 0x09, 0x8d, 0xeb, 0x9c, 0x32, 0xb1, 0xfd, 0x86,
			0x62, 0x05, 0x16, 0x5f, 0x49, 0xb8, 0x00 },
	};
	const uint8_t all[4] = { 0 };

	for (size_t i = 0; i < sizeof(points) / sizeof(*points); i++) {
		struct sim *sim = sim_new(i);
		struct sim_end *a = sim_add(sim), *b = sim_add(sim);
		struct peer *peer;

		(void)kind;
		assert_int_equal(tunnel_add_peer(a->tunnel, points[i], &peer), 0);
		assert_int_equal(tunnel_allow(a->tunnel, peer, AF_INET, all, 0), 0);
		tunnel_set_endpoint(a->tunnel, peer, &b->address, sim_now(a));
		tunnel_set_keepalive(a->tunnel, peer, 1, sim_now(a));
		sim_touch(a);
		sim_traffic(a, b, SECOND);
		sim_run(sim, 300 * SECOND);
		assert_int_equal(sim_handshakes(a), 0);
		assert_int_equal(a->events[TUNNEL_BAD_PEER_KEY], 1);
		sim_check(sim);
		sim_free(sim);
	}
}

int main(void)
{
	static const struct sim_scenario scenarios[] = {
		SIM_ONCE(disagreement_is_told_once),
		SIM_ONCE(disagreement_found_by_both),
		SIM_ONCE(wrong_shared_key),
		SIM_EACH(private_key_changes),
		SIM_EACH(new_private_key_greets_at_once),
		SIM_ONCE(ourselves_are_no_peer),
		SIM_EACH(psk_changes),
		SIM_EACH(peer_goes_and_comes),
		SIM_EACH(down_and_up),
		SIM_EACH(down_is_silent),
		SIM_EACH(up_greets_with_keepalive),
		SIM_EACH(hub),
		SIM_ONCE(allowed_addresses_move),
		SIM_ONCE(shared_key_filter),
		SIM_ONCE(low_order_peer),
	};

	return sim_main("settings", scenarios, sizeof(scenarios) / sizeof(*scenarios));
}
