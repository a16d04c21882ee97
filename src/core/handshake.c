/* SPDX-License-Identifier: ISC */
/*
 * Handshake messages in a tunnel: whose they are, whether they may cost CPU time, and what they
 * negotiate. The cryptography is noise.c's.
 *
 * Up to TURN_MAX messages are worked off at once, then they queue; a queue that grows is what
 * "under load" means: from there on who has no cookie gets one instead of a place in the queue, so
 * that a flood costs at most its turn.
 */
#include <errno.h>
#include <stdlib.h>

#include "core/tunnel_internal.h"

#define LOAD_TIME WIRE_SECOND /* under load for this long after the queue was last long */
#define TIMESTAMP_STEP (UINT64_C(1) << 24) /* ns: finer than this tells too much of our clock */

enum { TOS_HANDSHAKE = 0x88 }; /* AF41, as the kernel module */

static void report(struct tunnel *tunnel, enum tunnel_event_kind kind, struct peer *peer,
	const struct endpoint *from)
{
	tunnel_report(tunnel, (struct tunnel_event){ .kind = kind, .peer = peer, .from = from });
}

/* ---- Indices ---- */

static struct peer *find_initiator(const struct tunnel *tunnel, uint32_t index)
{
	struct table_link *link = table_find(&tunnel->initiations, index);

	return link ? TABLE_ENTRY(link, struct peer, by_initiation) : NULL;
}

/* Random, so that it tells an eavesdropper nothing; and free. */
static uint32_t new_index(const struct tunnel *tunnel)
{
	uint32_t index;

	do
		index = randombytes_random();
	while (find_initiator(tunnel, index) || tunnel_find_session(tunnel, index));
	return index;
}

static void unlink_initiation(struct tunnel *tunnel, struct peer *peer)
{
	if (peer->initiation_linked)
		table_remove(&tunnel->initiations, &peer->by_initiation);
	peer->initiation_linked = false;
}

void handshake_forget(struct tunnel *tunnel, struct peer *peer)
{
	unlink_initiation(tunnel, peer);
	noise_remote_clear(peer->noise);
}

/* ---- What is negotiated ---- */

/* What a session comes of; without a cipher, none does. */
struct agreement {
	const struct aead *cipher;
	bool with_switch, told_switch; /* as in the session */
};

/* Whether this end may use a cipher with a peer. */
static bool cipher_allowed(const struct peer *peer, const struct aead *cipher)
{
	if (!cipher || !cipher->available())
		return false;
	return peer->cipher == PEER_CIPHER_FIXED ? cipher == peer->fixed_cipher
						 : cipher->hardware();
}

static void offer_ciphers(const struct peer *peer, struct fields *fields)
{
	const struct aead *cipher;

	for (size_t i = 0; (cipher = aead_at(i)) && fields->cipher_count < AEAD_COUNT_MAX; i++)
		if (cipher_allowed(peer, cipher))
			fields->ciphers[fields->cipher_count++] = cipher->id;
}

static bool is_offered(const struct fields *fields, const struct aead *cipher)
{
	for (size_t i = 0; i < fields->cipher_count; i++)
		if (fields->ciphers[i] == cipher->id)
			return true;
	return false;
}

/* The first in our order of preference that both ends may use, or NULL. */
static const struct aead *choose_cipher(const struct peer *peer, const struct fields *offered)
{
	const struct aead *cipher;

	for (size_t i = 0; (cipher = aead_at(i)); i++)
		if (cipher_allowed(peer, cipher) && is_offered(offered, cipher))
			return cipher;
	return NULL;
}

static void own_fields(const struct tunnel *tunnel, struct fields *fields)
{
	fields->link = (uint8_t)tunnel->link;
	fields->is_switch = tunnel_is_switch(tunnel);
	if (tunnel->local.shared) {
		fields->has_instance = true;
		memcpy(fields->instance, tunnel->instance, sizeof(fields->instance));
	}
}

/* ---- Sending ---- */

static void send_message(
	struct tunnel *tunnel, struct peer *peer, uint8_t *message, size_t len, struct now now)
{
	const struct tunnel_burst datagram = { message, len, len };

	cookie_add_macs(&peer->cookie, message, len, now.boot);
	peer->counters.tx_bytes += len;
	tunnel->ops->send(tunnel->context, &peer->endpoint, &datagram, 1, TOS_HANDSHAKE);
}

/* TAI64N. It only ever grows, whatever the clock does: a peer refuses what is not newer. */
static void make_timestamp(struct peer *peer, uint8_t timestamp[WIRE_TIMESTAMP_LEN], uint64_t wall)
{
	if (wall < peer->last_timestamp + TIMESTAMP_STEP && peer->last_timestamp)
		wall = peer->last_timestamp + TIMESTAMP_STEP;
	const uint64_t seconds = wall / WIRE_SECOND;
	const uint64_t nanoseconds = wall % WIRE_SECOND & ~(TIMESTAMP_STEP - 1);
	const uint64_t label = UINT64_C(0x400000000000000a) + seconds;

	peer->last_timestamp = seconds * WIRE_SECOND + nanoseconds;
	for (int i = 0; i < 8; i++)
		timestamp[i] = (uint8_t)(label >> (56 - 8 * i));
	for (int i = 0; i < 4; i++)
		timestamp[8 + i] = (uint8_t)(nanoseconds >> (24 - 8 * i));
}

static ssize_t create_initiation(
	struct tunnel *tunnel, struct peer *peer, uint8_t *message, uint64_t wall)
{
	uint8_t timestamp[WIRE_TIMESTAMP_LEN];
	uint8_t ephemeral[KEY_LEN];
	struct noise_fields payload = { .len = 0 };
	ssize_t len;

	if (peer_dialect(peer) == WIRE_CULVERT) {
		struct fields fields = { 0 };

		offer_ciphers(peer, &fields);
		own_fields(tunnel, &fields);
		peer->initiation_told_switch = fields.is_switch;
		fields_write(&payload, &fields);
	}
	make_timestamp(peer, timestamp, wall);
	key_generate_private(ephemeral);
	len = noise_create_initiation(peer->noise, &tunnel->local, peer_dialect(peer),
		peer->initiation_index, ephemeral, timestamp, &payload, message);
	key_wipe(ephemeral, sizeof(ephemeral));
	return len;
}

/* Once until it answers: each further time would hide what else is known to be wrong. Of a peer
 * that never answered, what is known already says more. */
static void tell_if_missed(struct tunnel *tunnel, struct peer *peer, struct now now)
{
	if ((peer->last_handshake || !peer->trouble) &&
		!(peer->reported & UINT32_C(1) << TUNNEL_NO_ANSWER) &&
		now.boot - peer->timers.waiting_since >= WIRE_MISSED_TIME)
		report(tunnel, TUNNEL_NO_ANSWER, peer, &peer->endpoint);
}

void handshake_initiate(struct tunnel *tunnel, struct peer *peer, struct now now)
{
	uint8_t message[WIRE_INITIATION_MAX];

	if (!tunnel->up || !tunnel->local.has_key || !endpoint_is_set(&peer->endpoint))
		return;
	if (!timers_may_initiate(&peer->timers, now.boot)) {
		timers_initiate_later(&peer->timers);
		tunnel_schedule(tunnel, peer);
		return;
	}
	handshake_forget(tunnel, peer);
	peer->initiation_index = new_index(tunnel);
	const ssize_t len = create_initiation(tunnel, peer, message, now.wall);

	if (len < 0) {
		report(tunnel, TUNNEL_BAD_PEER_KEY, peer, NULL);
		return;
	}
	table_insert(&tunnel->initiations, &peer->by_initiation, peer->initiation_index);
	peer->initiation_linked = true;
	timers_initiation_sent(&peer->timers, now.boot);
	peer->initiation_sent = now.boot;
	if (!peer->unanswered_since)
		peer->unanswered_since = now.wall;
	tell_if_missed(tunnel, peer, now);
	tunnel_schedule(tunnel, peer);
	send_message(tunnel, peer, message, (size_t)len, now);
}

void handshake_want(struct tunnel *tunnel, struct peer *peer, struct now now)
{
	timers_want_handshake(&peer->timers);
	handshake_initiate(tunnel, peer, now);
}

/* When the next of many is asked. */
static uint64_t take_turn(struct tunnel *tunnel, uint64_t now)
{
	const uint64_t at_once = (HANDSHAKE_CROWD - 1) * HANDSHAKE_CROWD_INTERVAL;
	uint64_t turn = tunnel->next_turn;

	if (turn + at_once < now)
		turn = now - at_once;
	tunnel->next_turn = turn + HANDSHAKE_CROWD_INTERVAL;
	return turn;
}

void handshake_want_in_turn(struct tunnel *tunnel, struct peer *peer, struct now now)
{
	timers_want_handshake(&peer->timers);
	if (timers_is_initiating(&peer->timers)) /* its turn comes */
		return;
	const uint64_t turn = timers_may_initiate(&peer->timers, now.boot)
				      ? take_turn(tunnel, now.boot)
				      : now.boot;

	if (turn <= now.boot) {
		handshake_initiate(tunnel, peer, now);
		return;
	}
	timers_initiate_at(&peer->timers, turn);
	tunnel_schedule(tunnel, peer);
}

/* ---- Sessions that handshakes open ---- */

/* What is too old for anything need not wait for the end of all: somebody who lets handshakes begin
 * and never end could put that off for ever. */
static void retire_expired(struct tunnel *tunnel, struct peer *peer, uint64_t now)
{
	struct session **const slots[] = { &peer->previous, &peer->current, &peer->next };

	for (size_t i = 0; i < sizeof(slots) / sizeof(*slots); i++) {
		if (!*slots[i] || now - (*slots[i])->born < WIRE_REJECT_AFTER_TIME)
			continue;
		tunnel_retire_session(tunnel, *slots[i]);
		*slots[i] = NULL;
	}
}

static struct session *open_session(struct tunnel *tunnel, struct peer *peer,
	const struct agreement *agreed, const struct noise_keys *keys, uint64_t now)
{
	struct session *session = session_new(peer, agreed->cipher, keys, now);

	if (!session)
		return NULL;
	session->with_switch = agreed->with_switch;
	session->told_switch = agreed->told_switch;
	retire_expired(tunnel, peer, now);
	table_insert(&tunnel->sessions, &session->by_index, session->local_index);
	timers_session_derived(&peer->timers, now);
	return session;
}

/* Ours to use at once. A session of the peer's that waits for its first packet stays for receiving;
 * else the one on which the peer sends. That is not the current one if both ends started at the
 * same moment: then each sends on the session that it made. */
static void begin_as_initiator(
	struct tunnel *tunnel, struct peer *peer, struct session *session, struct now now)
{
	const bool rekey = peer->current && !session_is_expired(peer->current, now.boot);

	if (peer->next) {
		tunnel_retire_session(tunnel, peer->previous);
		tunnel_retire_session(tunnel, peer->current);
		peer->previous = peer->next;
		peer->next = NULL;
	} else if (peer->previous && peer->current && !peer->current->replay.next) {
		tunnel_retire_session(tunnel, peer->current);
	} else {
		tunnel_retire_session(tunnel, peer->previous);
		peer->previous = peer->current;
	}
	peer->current = session;
	tunnel_session_confirmed(tunnel, peer, now, rekey);
}

/* Used for sending only once the peer has shown that it has it. Until then the peer may be sending
 * on either of the two others. */
static void begin_as_responder(struct tunnel *tunnel, struct peer *peer, struct session *session)
{
	tunnel_retire_session(tunnel, peer->next);
	peer->next = session;
}

/* ---- Initiations received ---- */

static struct peer *find_sender(
	const struct tunnel *tunnel, const struct noise_responder *responder)
{
	if (!tunnel->local.shared)
		return tunnel_find_peer(tunnel, responder->remote_static);
	/* The one peer has the initiator's key when it starts, as we have when we do. */
	return key_equal(responder->remote_static, tunnel->local.initiator.public_key)
		       ? tunnel->first_peer
		       : NULL;
}

/* Whether this end made an initiation, now or before a restart, which then came back. */
static bool is_ours(const struct tunnel *tunnel, const struct noise_fields *payload)
{
	struct fields fields;

	return tunnel->local.shared && !fields_read(&fields, payload) && fields.has_instance &&
	       !sodium_memcmp(fields.instance, tunnel->instance, sizeof(fields.instance));
}

/* Who an initiation is from, authenticated; or NULL with the reason told. */
static struct peer *authenticate(struct tunnel *tunnel, const struct tunnel_datagram *datagram,
	struct noise_responder *responder, struct noise_fields *payload, uint64_t now)
{
	if (noise_open_initiation(responder, &tunnel->local, datagram->data, datagram->len)) {
		report(tunnel, TUNNEL_BAD_INITIATION, NULL, datagram->from);
		return NULL;
	}
	struct peer *peer = find_sender(tunnel, responder);

	if (!peer) {
		tunnel_report(tunnel, (struct tunnel_event){ .kind = TUNNEL_UNKNOWN_PEER,
					      .from = datagram->from,
					      .public_key = responder->remote_static });
		return NULL;
	}
	if (tunnel->local.shared &&
		noise_remote_sent_ephemeral(peer->noise, responder->remote_ephemeral)) {
		report(tunnel, TUNNEL_REFLECTION, peer, datagram->from);
		return NULL;
	}
	const int error = noise_accept_initiation(responder, peer->noise, now, payload);

	if (error == -EALREADY)
		report(tunnel, TUNNEL_OLD_TIMESTAMP, peer, datagram->from);
	else if (error == -EKEYREJECTED)
		report(tunnel, TUNNEL_BAD_PEER_KEY, peer, datagram->from);
	else if (error == -EBADMSG) /* whose key it carried; anybody can write that there */
		report(tunnel, TUNNEL_BAD_INITIATION, NULL, datagram->from);
	if (error)
		return NULL;
	if (is_ours(tunnel, payload)) {
		report(tunnel, TUNNEL_REFLECTION, peer, datagram->from);
		return NULL;
	}
	noise_remember_initiation(peer->noise, responder, now);
	return peer;
}

/*
 * Reads what the initiator wants and fills in the answer, which is a refusal where nothing was
 * agreed. False: no answer.
 */
static bool negotiate(struct tunnel *tunnel, struct peer *peer, const struct noise_fields *payload,
	const struct endpoint *from, struct fields *answer, struct agreement *agreed)
{
	struct fields asked;

	if (fields_read(&asked, payload) || !asked.cipher_count || !asked.link ||
		(tunnel->local.shared && !asked.has_instance)) {
		report(tunnel, TUNNEL_BAD_FIELDS, peer, from);
		return false;
	}
	*agreed = (struct agreement){ .with_switch = asked.is_switch };
	if (asked.link != tunnel->link) {
		report(tunnel, TUNNEL_OTHER_LINK, peer, from);
		*answer = (struct fields){ .refusal = FIELD_REFUSAL_LINK };
		return true;
	}
	agreed->cipher = choose_cipher(peer, &asked);
	if (!agreed->cipher) {
		report(tunnel, TUNNEL_NO_COMMON_CIPHER, peer, from);
		*answer = (struct fields){ .refusal = FIELD_REFUSAL_CIPHER };
		return true;
	}
	*answer = (struct fields){ .cipher_count = 1, .ciphers = { agreed->cipher->id } };
	own_fields(tunnel, answer);
	agreed->told_switch = answer->is_switch;
	return true;
}

/* Sends the response, which opens a session if that was agreed. */
static void respond(struct tunnel *tunnel, struct peer *peer, struct noise_responder *responder,
	const struct agreement *agreed, const struct noise_fields *payload, struct now now)
{
	uint8_t message[WIRE_RESPONSE_MAX];
	uint8_t ephemeral[KEY_LEN];
	struct noise_keys keys;

	key_generate_private(ephemeral);
	const ssize_t len = noise_create_response(
		responder, peer->noise, new_index(tunnel), ephemeral, payload, message, &keys);

	key_wipe(ephemeral, sizeof(ephemeral));
	if (len < 0)
		return;
	if (agreed->cipher) {
		struct session *session = open_session(tunnel, peer, agreed, &keys, now.boot);

		if (session)
			begin_as_responder(tunnel, peer, session);
		timers_response_sent(&peer->timers, now.boot);
	}
	key_wipe(&keys, sizeof(keys));
	send_message(tunnel, peer, message, (size_t)len, now);
}

static void consume_initiation(
	struct tunnel *tunnel, const struct tunnel_datagram *datagram, struct now now)
{
	struct noise_responder responder;
	struct noise_fields payload, answer = { .len = 0 };
	struct agreement agreed = { .cipher = aead_chacha20_poly1305 };
	struct peer *peer = authenticate(tunnel, datagram, &responder, &payload, now.boot);

	if (!peer)
		goto out;
	if (responder.dialect != peer_dialect(peer)) {
		report(tunnel, TUNNEL_WRONG_DIALECT, peer, datagram->from);
		goto out;
	}
	if (responder.dialect == WIRE_CULVERT) {
		struct fields fields;

		if (!negotiate(tunnel, peer, &payload, datagram->from, &fields, &agreed))
			goto out;
		fields_write(&answer, &fields);
	}
	peer->counters.rx_bytes += datagram->len;
	tunnel_roam(tunnel, peer, datagram->from);
	timers_authentic_received(&peer->timers, now.boot);
	respond(tunnel, peer, &responder, &agreed, &answer, now);
	tunnel_schedule(tunnel, peer);
out:
	key_wipe(&responder, sizeof(responder));
}

/* ---- Responses received ---- */

/* What a response agrees to: nothing, with the reason told, if it opens no session. */
static struct agreement read_answer(struct tunnel *tunnel, struct peer *peer,
	const struct noise_fields *payload, const struct endpoint *from)
{
	static const struct agreement none = { .cipher = NULL };
	struct fields answer;

	if (peer_dialect(peer) == WIRE_WIREGUARD)
		return (struct agreement){ .cipher = aead_chacha20_poly1305 };
	if (fields_read(&answer, payload)) {
		report(tunnel, TUNNEL_BAD_FIELDS, peer, from);
		return none;
	}
	if (answer.refusal) {
		report(tunnel,
			answer.refusal == FIELD_REFUSAL_LINK ? TUNNEL_LINK_REFUSED
							     : TUNNEL_CIPHER_REFUSED,
			peer, from);
		return none;
	}
	const struct aead *cipher = aead_by_id(answer.ciphers[0]);

	if (answer.cipher_count != 1 || !cipher_allowed(peer, cipher) ||
		answer.link != tunnel->link) {
		report(tunnel, TUNNEL_BAD_FIELDS, peer, from);
		return none;
	}
	return (struct agreement){ cipher, answer.is_switch, peer->initiation_told_switch };
}

static void consume_response(
	struct tunnel *tunnel, const struct tunnel_datagram *datagram, struct now now)
{
	const struct wire_response *head = (const struct wire_response *)datagram->data;
	struct peer *peer = find_initiator(tunnel, wire_get32(head->receiver));
	struct noise_fields payload;
	struct noise_keys keys;

	if (!peer)
		return;
	const int error = noise_consume_response(
		peer->noise, &tunnel->local, datagram->data, datagram->len, &payload, &keys);

	if (error == -EBADMSG)
		report(tunnel, TUNNEL_BAD_RESPONSE, peer, datagram->from);
	if (error)
		return;
	unlink_initiation(tunnel, peer);
	peer->rtt = now.boot - peer->initiation_sent;
	peer->counters.rx_bytes += datagram->len;
	tunnel_roam(tunnel, peer, datagram->from);
	timers_authentic_received(&peer->timers, now.boot);

	const struct agreement agreed = read_answer(tunnel, peer, &payload, datagram->from);
	struct session *session =
		agreed.cipher ? open_session(tunnel, peer, &agreed, &keys, now.boot) : NULL;

	key_wipe(&keys, sizeof(keys));
	if (session) {
		begin_as_initiator(tunnel, peer, session, now);
		/* Whatever is sent now tells the peer that we have the keys. */
		tunnel_send_keepalive(tunnel, peer, now);
	}
	tunnel_schedule(tunnel, peer);
}

static void consume_cookie(
	struct tunnel *tunnel, const struct tunnel_datagram *datagram, struct now now)
{
	const struct wire_cookie *reply = (const struct wire_cookie *)datagram->data;
	const uint32_t index = wire_get32(reply->receiver);
	struct peer *peer = find_initiator(tunnel, index);

	if (!peer) {
		struct session *session = tunnel_find_session(tunnel, index);

		peer = session ? session->peer : NULL;
	}
	if (!peer || cookie_consume_reply(&peer->cookie, reply, now.boot) ||
		!peer->cookie.sent_initiation)
		return;
	timers_cookie_received(&peer->timers);
	tunnel_schedule(tunnel, peer);
}

/* ---- Turns ---- */

static void consume(struct tunnel *tunnel, const struct tunnel_datagram *datagram, struct now now)
{
	if (datagram->data[0] == WIRE_INITIATION)
		consume_initiation(tunnel, datagram, now);
	else
		consume_response(tunnel, datagram, now);
}

static void enqueue(struct tunnel *tunnel, const struct tunnel_datagram *datagram)
{
	if (tunnel->queue_count == QUEUE_MAX) {
		tunnel->counters.handshakes_dropped++;
		return;
	}
	struct queued_handshake *queued =
		&tunnel->queue[(tunnel->queue_first + tunnel->queue_count++) % QUEUE_MAX];

	queued->from = *datagram->from;
	queued->len = datagram->len;
	memcpy(queued->message, datagram->data, datagram->len);
}

static bool is_loaded(struct tunnel *tunnel, uint64_t now)
{
	if (tunnel->queue_count >= QUEUE_LOAD)
		tunnel->loaded_until = now + LOAD_TIME;
	return now < tunnel->loaded_until;
}

static void send_cookie(
	struct tunnel *tunnel, const struct tunnel_datagram *datagram, struct now now)
{
	struct wire_cookie reply;
	struct endpoint to = *datagram->from;
	const struct tunnel_burst message = { (const uint8_t *)&reply, sizeof(reply),
		sizeof(reply) };

	cookie_create_reply(tunnel->checker, &reply, datagram->data, datagram->len, &to, now.boot);
	tunnel->counters.cookies_sent++;
	tunnel->ops->send(tunnel->context, &to, &message, 1, TOS_HANDSHAKE);
}

void handshake_receive(struct tunnel *tunnel, const struct tunnel_datagram *datagram,
	enum wire_type type, struct now now)
{
	if (!tunnel->local.has_key)
		return;
	if (type == WIRE_COOKIE) {
		consume_cookie(tunnel, datagram, now);
		return;
	}
	const bool loaded = is_loaded(tunnel, now.boot);
	const enum cookie_verdict verdict = cookie_check(
		tunnel->checker, datagram->data, datagram->len, datagram->from, loaded, now.boot);

	if (verdict == COOKIE_BAD_MAC) {
		tunnel->counters.bad_macs++;
		report(tunnel, TUNNEL_NOT_FOR_US, NULL, datagram->from);
	} else if (verdict == COOKIE_LIMITED) {
		tunnel->counters.handshakes_dropped++;
	} else if (verdict == COOKIE_NO_COOKIE && loaded) {
		send_cookie(tunnel, datagram, now);
	} else if (tunnel->turn && !tunnel->queue_count) {
		tunnel->turn--;
		consume(tunnel, datagram, now);
	} else {
		enqueue(tunnel, datagram);
	}
}

bool handshake_turn(struct tunnel *tunnel, struct now now)
{
	for (tunnel->turn = TURN_MAX; tunnel->turn && tunnel->queue_count; tunnel->turn--) {
		struct queued_handshake *queued = &tunnel->queue[tunnel->queue_first];
		const struct tunnel_datagram datagram = {
			.data = queued->message, .len = queued->len, .from = &queued->from
		};

		tunnel->queue_first = (tunnel->queue_first + 1) % QUEUE_MAX;
		tunnel->queue_count--;
		if (tunnel->up)
			consume(tunnel, &datagram, now);
	}
	return tunnel->queue_count != 0;
}
