/* SPDX-License-Identifier: ISC */
/* Messages that are wrong in one thing: every bit, every length, every counter, and what is right
 * elsewhere. */
#include "sim.h"

#include <stdlib.h>

#include "core/tunnel_internal.h"
#include "forge.h"
#include "snapshot.h"

enum { HEADER_BITS = 8 * sizeof(struct wire_data), LENGTH_MAX = 65535 };

static struct forged forged;

static const struct endpoint *elsewhere(void)
{
	static struct endpoint endpoint;

	endpoint = sim_address4(200, 6666);
	return &endpoint;
}

static struct session *session_of(const struct sim_end *end, const struct sim_end *other)
{
	struct session *session = sim_peer(end, other)->current;

	assert_non_null(session);
	return session;
}

static struct sim *sim_pair_in_session(uint64_t seed, const struct sim_kind *kind)
{
	struct sim *sim = sim_pair(seed, kind);

	assert_true(sim_reaches(sim->ends[0], sim->ends[1], SECOND));
	assert_true(sim_reaches(sim->ends[1], sim->ends[0], SECOND));
	return sim;
}

/* ---- Every bit ---- */

/* Of a data message: header and tag, not what lies between, which is sealed as one. */
static size_t flipped_copies(struct tunnel_datagram *datagrams, size_t tag_len)
{
	static uint8_t copies[HEADER_BITS + 8 * AEAD_TAG_MAX][2048];
	const size_t count = HEADER_BITS + 8 * tag_len;

	for (size_t i = 0; i < count; i++) {
		const size_t bit = i < HEADER_BITS ? i : 8 * forged.len - 1 - (i - HEADER_BITS);

		assert_true(forged.len <= sizeof(copies[i]));
		memcpy(copies[i], forged.bytes, forged.len);
		copies[i][bit / 8] ^= (uint8_t)(1 << bit % 8);
		datagrams[i] = (struct tunnel_datagram){
			.data = copies[i], .len = forged.len, .from = elsewhere()
		};
	}
	return count;
}

static void every_bit_of_data_at_every_length(const struct sim_kind *kind)
{
	struct sim *sim = sim_pair_in_session(1, kind);
	struct sim_end *a = sim->ends[0], *b = sim->ends[1];
	struct session *from = session_of(a, b), *to = session_of(b, a);
	struct tunnel_datagram datagrams[HEADER_BITS + 8 * AEAD_TAG_MAX];
	uint8_t plain[1500] = { 0 };

	for (size_t len = 0; len <= sizeof(plain); len++) {
		const uint64_t received = to->received, next = to->replay.next;
		const unsigned delivered = b->delivered;

		if (len >= 20)
			sim_ip(plain, AF_INET, 0, 1, len);
		forge_data(&forged, from, from->send_counter + len, plain, len);
		const size_t count = flipped_copies(datagrams, from->cipher->tag_len);

		sim_inject_batch(b, datagrams, count);
		assert_int_equal(to->received, received);
		assert_int_equal(to->replay.next, next);
		assert_int_equal(b->delivered, delivered);
		forge_inject(&forged, b, &a->address); /* and the right one is right */
		assert_int_equal(to->received, received + 1);
		assert_int_equal(b->delivered - delivered, len >= 20);
	}
	assert_int_equal(b->events[TUNNEL_ENDPOINT_CHANGED], 0);
	sim_free(sim);
}

static bool keep_tape_only(struct sim *sim, const struct sim_datagram *datagram)
{
	(void)sim, (void)datagram;
	return false;
}

/* An initiation of end 0's that carries a cookie of end 1's, which is under load from then on. */
static void make_initiation_with_cookie(struct sim *sim)
{
	struct sim_end *a = sim->ends[0], *b = sim->ends[1];

	b->tunnel->loaded_until = UINT64_MAX;
	sim_send(a, b);
	sim_run(sim, SECOND / 2);
	assert_true(sim_peer(a, b)->cookie.has_cookie);
	sim->filter = keep_tape_only;
	sim->taping = true;
	sim_run(sim, 7 * SECOND);
	assert_true(sim->tape_count > 0);
	forge_copy(&forged, sim->tape[0]);
	assert_int_equal(forged.bytes[0], WIRE_INITIATION);
}

static void every_bit_of_mac2_under_load(const struct sim_kind *kind)
{
	struct sim *sim = sim_pair(2, kind);
	struct sim_end *a = sim->ends[0], *b = sim->ends[1];

	make_initiation_with_cookie(sim);
	struct snapshot *before = snapshot_take(b->tunnel, true);

	for (size_t bit = 0; bit < 8 * WIRE_MAC_LEN; bit++) {
		uint8_t *byte = &forged.bytes[forged.len - WIRE_MAC_LEN + bit / 8];
		const unsigned cookies = b->messages[SIM_COOKIE];

		*byte ^= (uint8_t)(1 << bit % 8);
		forge_inject(&forged, b, &a->address);
		*byte ^= (uint8_t)(1 << bit % 8);
		assert_int_equal(b->messages[SIM_COOKIE], cookies + 1);
		snapshot_check(before, b->tunnel, "a bit of mac2", bit);
	}
	/* Right, but from another port, and from another address. */
	const struct endpoint port = sim_address4(1, 51821), address = sim_address4(7, 51820);

	forge_inject(&forged, b, &port);
	forge_inject(&forged, b, &address);
	snapshot_check(before, b->tunnel, "a cookie of another's", 0);
	assert_int_equal(b->messages[SIM_RESPONSE], 0);
	forge_inject(&forged, b, &a->address);
	assert_int_equal(b->messages[SIM_RESPONSE], 1);
	snapshot_free(before);
	sim_free(sim);
}

/* ---- Every length ---- */

/* Random bytes as data of a session that there is. */
static void every_length_of_data(const struct sim_kind *kind)
{
	struct sim *sim = sim_pair_in_session(3, kind);
	struct sim_end *a = sim->ends[0], *b = sim->ends[1];
	struct snapshot *before = snapshot_take(b->tunnel, false);

	forge_noise(&forged, sim, 0, LENGTH_MAX);
	for (size_t len = 0; len <= LENGTH_MAX; len++) {
		wire_put_type(forged.bytes, WIRE_DATA, WIRE_WIREGUARD);
		forge_receiver(&forged, session_of(b, a)->local_index);
		wire_put64(forged.bytes + 8, session_of(b, a)->replay.next + len % 3);
		forged.len = len;
		forge_inject(&forged, b, elsewhere());
		if (len % 256 == 255)
			snapshot_check(before, b->tunnel, "data of length", len);
	}
	assert_int_equal(b->delivered, 1);
	snapshot_free(before);
	sim_free(sim);
}

static int open_long_tag(const struct aead_key *key, uint64_t counter, uint8_t *plain,
	const uint8_t *sealed, size_t sealed_len)
{
	(void)key, (void)counter, (void)plain, (void)sealed;
	assert_true(sealed_len >= AEAD_TAG_MAX);
	return -1;
}

/* Of a cipher whose tags are longer than the shortest message, which not every machine has. */
static void data_shorter_than_its_tag(const struct sim_kind *kind)
{
	struct sim *sim = sim_pair_in_session(14, kind);
	struct sim_end *a = sim->ends[0], *b = sim->ends[1];
	struct session *to = session_of(b, a);
	const struct aead *cipher = to->cipher;
	struct aead long_tag = *cipher;

	long_tag.tag_len = AEAD_TAG_MAX;
	long_tag.open = open_long_tag;
	to->cipher = &long_tag;
	forge_noise(&forged, sim, 0, 2 * AEAD_TAG_MAX);
	wire_put_type(forged.bytes, WIRE_DATA, WIRE_WIREGUARD);
	forge_receiver(&forged, to->local_index);
	wire_put64(forged.bytes + 8, to->replay.next);
	for (forged.len = 0; forged.len < 2 * AEAD_TAG_MAX; forged.len++)
		forge_inject(&forged, b, elsewhere());
	to->cipher = cipher;
	assert_int_equal(to->received, to->replay.next);
	assert_true(sim_reaches(a, b, SECOND));
	sim_free(sim);
}

/* Every first byte and every length of what is no data; macs are right where there is room. */
static void every_length_of_messages(const struct sim_kind *kind)
{
	struct sim *sim = sim_pair_in_session(4, kind);
	struct sim_end *a = sim->ends[0], *b = sim->ends[1];
	struct snapshot *before = snapshot_take(b->tunnel, false);

	(void)a;
	for (unsigned type = 0; type < 10; type++) {
		forge_noise(&forged, sim, 0, LENGTH_MAX);
		for (size_t len = 0; len <= LENGTH_MAX; len++) {
			/* WIRE_DATA is the other test's; as a culvert message it is none. */
			wire_put_type(forged.bytes, type % 5, type >= 5 || type == WIRE_DATA);
			forged.len = len;
			if (len >= 64 && len <= WIRE_HANDSHAKE_MAX + 1)
				forge_macs(&forged, b);
			forge_inject(&forged, b, elsewhere());
			if (len % 256 == 255)
				snapshot_check(before, b->tunnel, "a message of length", len);
		}
	}
	snapshot_free(before);
	sim_free(sim);
}

/* What a peer that means ill puts into its packets: every length, and what it says of its own. */
static void every_length_inside(const struct sim_kind *kind)
{
	struct sim *sim = sim_pair_in_session(5, kind);
	struct sim_end *a = sim->ends[0], *b = sim->ends[1];
	struct session *from = session_of(a, b);
	static uint8_t plain[LENGTH_MAX];

	(void)kind;
	for (size_t len = 0; len <= 1600; len++) {
		for (unsigned family = 0; family < 2; family++) {
			const size_t header = family ? 40 : 20;
			const size_t says = sim_random(sim, 4) ? sim_random(sim, 1700) : len;
			const unsigned delivered = b->delivered;

			memset(plain, 0xee, sizeof(plain));
			sim_ip(plain, family ? AF_INET6 : AF_INET, 0, 1,
				says < header ? header : says);
			if (!family && says < header)
				plain[3] = (uint8_t)says;
			forge_data(&forged, from, from->send_counter++, plain, len);
			forge_inject(&forged, b, &a->address);
			const bool fits =
				len >= header && says <= len && (family || says >= header);

			assert_int_equal(b->delivered - delivered, fits);
			if (fits)
				assert_int_equal(b->packet_len, says < header ? header : says);
		}
	}
	sim_free(sim);
}

static void take_anything(struct sim_end *end, const struct iovec *parts, size_t count)
{
	(void)parts, (void)count;
	end->delivered++;
}

/* From the host: whole packets of every length, and super-packets of every length and kind. */
static void every_length_from_the_host(const struct sim_kind *kind)
{
	struct sim *sim = sim_pair_in_session(6, kind);
	struct sim_end *a = sim->ends[0], *b = sim->ends[1];
	uint8_t *room = malloc(LENGTH_MAX + WIRE_PADDING);

	assert_non_null(room);
	b->deliver = take_anything;
	sim->filter = keep_tape_only;
	for (size_t len = 0; len <= LENGTH_MAX; len++) {
		struct tunnel_packet packet = { .data = room, .len = len };
		const bool ipv6 = len % 2;

		memset(room, 0, len < 64 ? len : 64);
		if (len >= (ipv6 ? 40 : 20))
			sim_ip(room, ipv6 ? AF_INET6 : AF_INET, 0, 1, len);
		if (len >= 64 && len % 7 == 0) {
			room[ipv6 ? 6 : 9] = len % 2 ? IPPROTO_TCP : IPPROTO_UDP;
			randombytes_buf(&packet.header, sizeof(packet.header));
			packet.header.gso_type = (uint8_t)(len % 6);
		}
		const uint64_t sent = a->tunnel->counters.malformed + a->messages[SIM_DATA];

		sim_outbound_batch(a, &packet, 1);
		assert_true(a->tunnel->counters.malformed + a->messages[SIM_DATA] > sent);
	}
	sim->filter = NULL;
	assert_true(sim_reaches(b, a, SECOND));
	sim_check(sim);
	free(room);
	sim_free(sim);
}

/* Real messages of a handshake, shorter, longer or of the other dialect, with macs that fit. */
static void refuse_other_lengths(
	struct sim_end *to, const struct sim_datagram *original, struct sim *sim)
{
	struct snapshot *before = snapshot_take(to->tunnel, false);

	for (unsigned dialect = 0; dialect < 2; dialect++) {
		for (size_t len = 16 + sizeof(struct wire_macs); len < WIRE_HANDSHAKE_MAX + 64;
			len++) {
			if (len == original->len && dialect == original->data[1])
				continue;
			forge_noise(&forged, sim, 0, len);
			const size_t whole = original->len - sizeof(struct wire_macs);
			const size_t part = len - sizeof(struct wire_macs);

			memcpy(forged.bytes, original->data, part < whole ? part : whole);
			forged.bytes[1] = (uint8_t)dialect;
			forge_macs(&forged, to);
			forge_inject(&forged, to, elsewhere());
			snapshot_check(before, to->tunnel, "a handshake of length", len);
		}
	}
	snapshot_free(before);
}

static void cut_and_extended_handshakes(const struct sim_kind *kind)
{
	struct sim *sim = sim_pair(7, kind);
	struct sim_end *a = sim->ends[0], *b = sim->ends[1];

	sim->taping = true;
	sim_send(a, b);
	refuse_other_lengths(b, sim->tape[0], sim);
	sim_run(sim, 15 * MILLISECOND); /* it arrives, and the answer is under way */
	assert_int_equal(sim->tape[1]->data[0], WIRE_RESPONSE);
	refuse_other_lengths(a, sim->tape[1], sim);
	sim_run(sim, SECOND);
	assert_int_equal(sim_flow(a, b)->delivered, 1);
	sim_free(sim);
}

/* ---- Every counter ---- */

enum { USABLE = REPLAY_BITS - 64, SEEN_MAX = 64 * 40 };

/* What RFC 6479 says, remembering every counter. */
struct oracle {
	uint64_t seen[SEEN_MAX];
	size_t count;
	uint64_t top; /* the highest */
};

static bool oracle_accepts(struct oracle *oracle, uint64_t counter, uint64_t limit)
{
	if (counter >= limit || (counter < oracle->top && oracle->top - counter >= USABLE))
		return false;
	for (size_t i = 0; i < oracle->count; i++)
		if (oracle->seen[i] == counter)
			return false;
	assert_true(oracle->count < SEEN_MAX);
	oracle->seen[oracle->count++] = counter;
	oracle->top = counter > oracle->top ? counter : oracle->top;
	return true;
}

/* Around each power of two, at each edge of words and window below and above it, in an order that
 * goes back and forth; each counter twice. */
static void jumps_of_all_powers(const struct sim_kind *kind)
{
	static const int64_t steps[] = { 0, -1, 1, -63, -64, -65, 63, 64, 65, -8063, -8064, -8065,
		-8126, -8127, -8128, -8129, -8191, -8192, -8193, 8127, 0, 1, -1, 8128, 8192 };
	struct sim *sim = sim_pair_in_session(8, kind);
	struct sim_end *a = sim->ends[0], *b = sim->ends[1];
	struct session *from = session_of(a, b), *to = session_of(b, a);
	struct oracle oracle = { .count = 0 };
	uint8_t plain[64];

	sim_ip(plain, AF_INET, 0, 1, sizeof(plain));
	oracle.top = to->replay.next - 1;
	for (uint64_t i = 0; i <= oracle.top; i++)
		oracle.seen[oracle.count++] = i;
	for (unsigned k = 0; k < 64; k++) {
		for (size_t i = 0; i < sizeof(steps) / sizeof(*steps) * 2; i++) {
			const uint64_t counter = (UINT64_C(1) << k) + (uint64_t)steps[i / 2];
			const unsigned delivered = b->delivered;
			const bool accepted =
				oracle_accepts(&oracle, counter, from->cipher->reject_after);

			forge_data(&forged, from, counter, plain, sizeof(plain));
			forge_inject(&forged, b, &a->address);
			if (b->delivered - delivered != accepted)
				fail_msg("2^%u%+lld: %s", k, (long long)steps[i / 2],
					accepted ? "refused" : "accepted");
		}
	}
	assert_ptr_equal(sim_peer(b, a)->current, to);
	sim_free(sim);
}

/* ---- Session indices ---- */

/* An index that is in use already, for a session or an initiation, is not taken once more. */
static void indices_in_use_are_not_given_again(const struct sim_kind *kind)
{
	struct sim *sim = sim_new(9);
	struct sim_end *a = sim_add(sim), *b = sim_add(sim), *c = sim_add(sim);

	if (kind->shared) { /* it has but one peer */
		sim_free(sim);
		return;
	}
	sim_join(a, b, kind);
	sim_join(a, c, kind);
	sim_recover(a, b, 6 * SECOND);
	const uint32_t taken = session_of(a, b)->local_index;

	sim_random_next(taken); /* asked for an initiation's index */
	sim_send(a, c);
	assert_int_not_equal(sim_peer(a, c)->initiation_index, taken);
	sim_random_next(sim_peer(a, c)->initiation_index);
	handshake_want(a->tunnel, sim_peer(a, b), sim_now(a));
	assert_int_not_equal(sim_peer(a, b)->initiation_index, sim_peer(a, c)->initiation_index);
	sim_run(sim, SECOND);
	sim_check(sim);
	sim_recover(a, b, SECOND);
	sim_recover(a, c, SECOND);
	sim_free(sim);
}

/* Indices are their owner's: two peers may choose the same, or the one that is ours. */
static void peers_may_choose_the_same_index(const struct sim_kind *kind)
{
	struct sim *sim = sim_new(10);
	struct sim_end *a = sim_add(sim), *b = sim_add(sim), *c = sim_add(sim);

	if (kind->shared) {
		sim_free(sim);
		return;
	}
	sim_join(a, b, kind);
	sim_join(a, c, kind);
	sim_random_next(77);
	sim_send(b, a);
	sim_random_next(77);
	sim_send(c, a);
	sim_run(sim, SECOND);
	assert_int_equal(session_of(a, b)->remote_index, 77);
	assert_int_equal(session_of(a, c)->remote_index, 77);
	sim_run(sim, 8 * SECOND);
	sim_random_next(77);
	sim_peer(a, c)->timers.last_handshake_sent = 0;
	handshake_want(a->tunnel, sim_peer(a, c), sim_now(a));
	sim_run(sim, SECOND);
	assert_int_equal(session_of(a, c)->local_index, 77);
	for (int i = 0; i < 20; i++) {
		assert_true(sim_reaches(a, b, SECOND / 10));
		assert_true(sim_reaches(a, c, SECOND / 10));
		assert_true(sim_reaches(b, a, SECOND / 10));
		assert_true(sim_reaches(c, a, SECOND / 10));
	}
	sim_check(sim);
	sim_free(sim);
}

/* ---- What is right elsewhere ---- */

enum { ROLES_ENDS = 4 };

/* As it was, with another end's macs, and with each index that the end knows. */
static void play(struct sim_end *to, const struct sim_datagram *old, struct snapshot *before,
	const char *what)
{
	const struct peer *peer = tunnel_first_peer(to->tunnel);
	const uint32_t indices[] = { peer->initiation_index, peer->current->local_index,
		peer->previous ? peer->previous->local_index : 0,
		peer->next ? peer->next->local_index : 0 };

	for (size_t i = 0; i <= sizeof(indices) / sizeof(*indices); i++) {
		forge_copy(&forged, old);
		if (i && old->data[0] != WIRE_INITIATION)
			forge_receiver(&forged, indices[i - 1]);
		if (old->data[0] == WIRE_INITIATION || old->data[0] == WIRE_RESPONSE)
			forge_macs(&forged, to);
		forge_inject(&forged, to, &old->from);
		snapshot_check(before, to->tunnel, what, old->data[0]);
	}
}

/* An end with sessions of both making, and an initiation that waits for its answer. */
static void prepare(struct sim_end *end)
{
	struct peer *peer = tunnel_first_peer(end->tunnel);

	end->cut = true;
	timers_start_afresh(&peer->timers);
	handshake_initiate(end->tunnel, peer, sim_now(end));
	assert_true(noise_remote_is_pending(peer->noise));
	sim_touch(end);
}

/* Two pairs, each message of either of them, of each role and session, at every end. */
static void play_everywhere(const struct sim_kind *first, const struct sim_kind *second)
{
	struct sim *sim = sim_new(11);
	struct sim_end *ends[ROLES_ENDS];

	for (unsigned i = 0; i < ROLES_ENDS; i++)
		ends[i] = sim_add(sim);
	sim->taping = true;
	for (unsigned i = 0; i < ROLES_ENDS; i += 2) {
		sim_join(ends[i], ends[i + 1], i ? second : first);
		sim_recover(ends[i], ends[i + 1], 6 * SECOND);
		sim_run(sim, 6 * SECOND);
		prepare(ends[i + 1]); /* another session, begun at the other end, lost answers */
		ends[i + 1]->cut = false;
		sim_run(sim, 10 * SECOND);
		sim_recover(ends[i + 1], ends[i], 6 * SECOND);
	}
	sim_run(sim, SECOND);
	sim->taping = false;
	sim->filter = keep_tape_only;
	for (unsigned i = 0; i < ROLES_ENDS; i++) {
		prepare(ends[i]);
		struct snapshot *before = snapshot_take(ends[i]->tunnel, false);

		for (size_t n = 0; n < sim->tape_count; n++)
			play(ends[i], sim->tape[n], before, i < 2 ? first->name : second->name);
		snapshot_free(before);
	}
	sim_free(sim);
}

static void nothing_is_right_elsewhere(const struct sim_kind *kind)
{
	play_everywhere(kind, sim_kind_wireguard);
	play_everywhere(kind, sim_kind_auto);
	play_everywhere(kind, sim_kind_shared);
}

/* ---- What a peer agrees to ---- */

/* Fields as they are written, for an end with ChaCha20-Poly1305 alone that carries IP packets. */
enum { CHACHA = 1, LINK = 1 };

struct payload {
	const char *name;
	size_t len;
	uint8_t bytes[24];
	enum tunnel_event_kind event;
	bool answered; /* an initiation with this */
};

static const struct payload answers[] = {
	{ "a cipher that was not offered", 8, { 1, 1, 0, 2, 2, 1, 0, 1 }, TUNNEL_BAD_FIELDS,
		false },
	{ "a cipher that there is not", 8, { 1, 1, 0, 77, 2, 1, 0, 1 }, TUNNEL_BAD_FIELDS, false },
	{ "two ciphers", 9, { 1, 2, 0, 1, 2, 2, 1, 0, 1 }, TUNNEL_BAD_FIELDS, false },
	{ "no cipher", 4, { 2, 1, 0, 1 }, TUNNEL_BAD_FIELDS, false },
	{ "another link", 8, { 1, 1, 0, 1, 2, 1, 0, 2 }, TUNNEL_BAD_FIELDS, false },
	{ "no link", 4, { 1, 1, 0, 1 }, TUNNEL_BAD_FIELDS, false },
	{ "nothing", 0, { 0 }, TUNNEL_BAD_FIELDS, false },
	{ "a field that goes on", 8, { 1, 1, 0, 1, 2, 2, 0, 1 }, TUNNEL_BAD_FIELDS, false },
	{ "a refusal of the cipher", 4, { 4, 1, 0, 1 }, TUNNEL_CIPHER_REFUSED, false },
	{ "a refusal beside a cipher", 12, { 1, 1, 0, 1, 2, 1, 0, 1, 4, 1, 0, 1 },
		TUNNEL_CIPHER_REFUSED, false },
	{ "what is right", 8, { 1, 1, 0, 1, 2, 1, 0, 1 }, TUNNEL_SESSION_UP, false },
};

static const struct payload offers[] = {
	{ "a cipher that is not allowed", 8, { 1, 1, 0, 2, 2, 1, 0, 1 }, TUNNEL_NO_COMMON_CIPHER,
		true },
	{ "ciphers that there are not", 9, { 1, 2, 0, 77, 78, 2, 1, 0, 1 }, TUNNEL_NO_COMMON_CIPHER,
		true },
	{ "another link", 8, { 1, 1, 0, 1, 2, 1, 0, 2 }, TUNNEL_OTHER_LINK, true },
	{ "no cipher", 4, { 2, 1, 0, 1 }, TUNNEL_BAD_FIELDS, false },
	{ "no link", 4, { 1, 1, 0, 1 }, TUNNEL_BAD_FIELDS, false },
	{ "a field that goes on", 8, { 1, 1, 0, 1, 2, 2, 0, 1 }, TUNNEL_BAD_FIELDS, false },
};

static void make_fields(struct noise_fields *fields, const struct payload *payload)
{
	fields->len = payload->len;
	memcpy(fields->bytes, payload->bytes, payload->len);
}

static struct sim *chacha_pair(void)
{
	static const struct sim_kind chacha = { "chacha alone", PEER_CIPHER_FIXED,
		"chacha20-poly1305", false, false };
	struct sim *sim = sim_pair(12, &chacha);

	assert_int_equal(aead_by_name("chacha20-poly1305")->id, CHACHA);
	sim->taping = true;
	sim->filter = keep_tape_only;
	return sim;
}

/* Authentic responses of a peer that means ill, or is another program. */
static void a_peer_chooses_what_was_not_offered(const struct sim_kind *kind)
{
	(void)kind;
	for (size_t i = 0; i < sizeof(answers) / sizeof(*answers); i++) {
		const bool right = answers[i].event == TUNNEL_SESSION_UP;
		struct sim *sim = chacha_pair();
		struct sim_end *a = sim->ends[0], *b = sim->ends[1];
		struct noise_fields fields;

		sim_send(a, b);
		make_fields(&fields, &answers[i]);
		forge_response(&forged, sim->tape[0], b, a, &fields);
		forge_inject(&forged, a, &b->address);
		if (a->events[answers[i].event] != 1 || !sim_peer(a, b)->current == right)
			fail_msg("an answer with %s", answers[i].name);
		sim_check(sim);
		sim_free(sim);
	}
}

static void a_peer_offers_what_is_not_allowed(const struct sim_kind *kind)
{
	(void)kind;
	for (size_t i = 0; i < sizeof(offers) / sizeof(*offers); i++) {
		struct sim *sim = chacha_pair();
		struct sim_end *a = sim->ends[0], *b = sim->ends[1];
		struct noise_fields fields;

		make_fields(&fields, &offers[i]);
		forge_initiation(
			&forged, b, WIRE_CULVERT, a->private_key, NULL, sim_now(a).wall, &fields);
		forge_inject(&forged, b, &a->address);
		if (b->events[offers[i].event] != 1 || sim_peer(b, a)->next ||
			b->messages[SIM_RESPONSE] != offers[i].answered)
			fail_msg("an offer of %s", offers[i].name);
		if (offers[i].answered)
			assert_true(sim->tape[0]->len <= forged.len);
		sim_check(sim);
		sim_free(sim);
	}
}

/* Neither in a handshake that succeeds; a peer's data is its own. */
static void answers_are_not_longer(const struct sim_kind *kind)
{
	struct sim *sim = sim_pair(13, kind);

	sim->taping = true;
	assert_true(sim_reaches(sim->ends[0], sim->ends[1], SECOND));
	assert_int_equal(sim->tape[0]->data[0], WIRE_INITIATION);
	assert_int_equal(sim->tape[1]->data[0], WIRE_RESPONSE);
	assert_true(sim->tape[1]->len <= sim->tape[0]->len);
	assert_int_equal(sim->ends[1]->messages[SIM_RESPONSE], 1);
	sim_free(sim);
}

int main(void)
{
	static const struct sim_scenario scenarios[] = {
		SIM_EACH(every_bit_of_data_at_every_length),
		SIM_EACH(every_bit_of_mac2_under_load),
		SIM_ONCE(every_length_of_data),
		SIM_ONCE(data_shorter_than_its_tag),
		SIM_ONCE(every_length_of_messages),
		SIM_ONCE(every_length_inside),
		SIM_ONCE(every_length_from_the_host),
		SIM_EACH(cut_and_extended_handshakes),
		SIM_EACH(jumps_of_all_powers),
		SIM_EACH(indices_in_use_are_not_given_again),
		SIM_EACH(peers_may_choose_the_same_index),
		SIM_EACH(nothing_is_right_elsewhere),
		SIM_ONCE(a_peer_chooses_what_was_not_offered),
		SIM_ONCE(a_peer_offers_what_is_not_allowed),
		SIM_EACH(answers_are_not_longer),
	};

	return sim_main("hostile", scenarios, sizeof(scenarios) / sizeof(*scenarios));
}
