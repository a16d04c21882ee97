/* SPDX-License-Identifier: ISC */
/*
 * Driven: handshake messages with right macs (core/handshake.c, noise.c, cookie.c), in both
 * dialects and with a shared key, to a tunnel as responder and as initiator. Input: what the
 * tunnel's peer is, then steps: initiations, responses and cookie replies that the peer, or a
 * stranger, makes with fields, timestamps and indices of the input's choice, that are then changed,
 * cut or extended, and get their macs after that; repetitions; floods; time.
 *
 * Asserted: what the peer made and nobody changed has exactly the effect that doc/PROTOCOL says, an
 * answer with the right keys and fields among it; anything else has none: no session, no answer, no
 * other endpoint, no forgotten initiation. No answer is longer than what it answers, and none goes
 * anywhere else. Under load who has no cookie gets one, and a cookie is used as it should be.
 */
#include "fuzz.h"

#include <errno.h>

#include "core/tunnel_internal.h"

enum { STEPS = 24, KEPT = 8, MESSAGE_MAX = WIRE_HANDSHAKE_MAX + 64 };

struct message {
	uint8_t bytes[MESSAGE_MAX];
	size_t len;
};

static struct state {
	struct tunnel *tunnel;
	struct now now;
	struct peer *peer;
	enum wire_dialect dialect;
	bool shared, wrong_psk;

	/* The peer's side. */
	struct noise_local local, stranger;
	struct noise_remote *remote, *stranger_remote;
	struct cookie_maker maker;
	struct cookie_checker *checker;
	struct noise_keys keys; /* of the session that was made last */
	const struct aead *cipher;
	bool has_keys;
	uint64_t data_counter;
	uint64_t timestamp; /* the newest that the tunnel has accepted */
	uint64_t accepted;  /* when; 0: never */
	bool cookie_sent;   /* the tunnel has been given one */
	uint64_t cookie_time;
	unsigned cookie_secret; /* the how manieth of the checker's it was made with */
	unsigned secrets;       /* it has had so many */
	uint64_t secret_time;   /* the last one's */

	/* What the tunnel did in this step. */
	struct message sent;
	unsigned sent_count, cookie_count;
	struct endpoint sent_to;
	struct message initiation; /* its last */
	bool initiation_open;      /* and a response to it would be taken */

	struct message kept[KEPT];
	size_t kept_count;
} state;

static struct endpoint endpoints[3];

/* ---- The tunnel's output ---- */

/* The checker is asked for a cookie: its secret changes, with which cookies become worthless. */
static void note_secret(void)
{
	if (!state.secrets || state.now.boot - state.secret_time >= WIRE_COOKIE_SECRET_TIME) {
		state.secrets++;
		state.secret_time = state.now.boot;
	}
}

static void check_macs(const struct message *message)
{
	note_secret();
	const enum cookie_verdict verdict = cookie_check(
		state.checker, message->bytes, message->len, &endpoints[0], true, state.now.boot);

	FUZZ_CHECK(verdict != COOKIE_BAD_MAC, "mac1 is wrong");
	if (!state.cookie_sent)
		return;
	const bool fresh = state.now.boot - state.cookie_time < WIRE_COOKIE_USE_TIME &&
			   state.cookie_secret == state.secrets;

	FUZZ_CHECK((verdict != COOKIE_NO_COOKIE) == fresh, "mac2: %d, fresh: %d", verdict, fresh);
}

static void on_send(void *context, struct endpoint *to, const struct tunnel_burst *bursts,
	size_t count, uint8_t tos)
{
	(void)context, (void)tos;
	FUZZ_CHECK(count == 1 && bursts->len <= MESSAGE_MAX && endpoint_is_set(to), "%zu bursts",
		count);
	const int type = wire_classify(bursts->data, bursts->len);

	FUZZ_CHECK(type, "no message: %zu bytes", bursts->len);
	if (type == WIRE_DATA)
		return;
	memcpy(state.sent.bytes, bursts->data, bursts->len);
	state.sent.len = bursts->len;
	state.sent_to = *to;
	if (type == WIRE_COOKIE) {
		state.cookie_count++;
		return;
	}
	state.sent_count++;
	check_macs(&state.sent);
	if (type == WIRE_INITIATION) {
		state.initiation = state.sent;
		state.initiation_open = true;
	}
}

static void on_deliver(void *context, const struct iovec *parts, size_t count)
{
	(void)context, (void)parts, (void)count;
	FUZZ_CHECK(false, "nobody sent a packet");
}

static void on_report(void *context, const struct tunnel_event *event)
{
	(void)context;
	FUZZ_CHECK(tunnel_event_text(event->kind), "event %d has no text", event->kind);
}

static const struct tunnel_ops ops = { on_send, on_deliver, on_report };

/* ---- Delivery, and that nothing happened ---- */

struct snapshot {
	const struct session *previous, *current, *next;
	size_t sessions;
	struct endpoint endpoint;
	uint64_t last_handshake, rx_bytes;
	bool linked, pending;
};

static struct snapshot snap(void)
{
	const struct peer *peer = state.peer;

	return (struct snapshot){ peer->previous, peer->current, peer->next,
		state.tunnel->sessions.count, peer->endpoint, peer->last_handshake_boot,
		peer->counters.rx_bytes, peer->initiation_linked,
		noise_remote_is_pending(peer->noise) };
}

static void check_unchanged(const struct snapshot *before, const char *after)
{
	const struct snapshot now = snap();

	FUZZ_CHECK(now.previous == before->previous && now.current == before->current &&
			   now.next == before->next && now.sessions == before->sessions,
		"sessions changed after %s", after);
	FUZZ_CHECK(!memcmp(&now.endpoint, &before->endpoint, sizeof(now.endpoint)),
		"the endpoint changed after %s", after);
	FUZZ_CHECK(now.last_handshake == before->last_handshake && now.rx_bytes == before->rx_bytes,
		"counted after %s", after);
	FUZZ_CHECK(now.linked == before->linked && now.pending == before->pending,
		"an initiation was forgotten after %s", after);
	FUZZ_CHECK(!state.sent_count && !state.cookie_count, "answered after %s", after);
}

/* Works off what waits, so that the next message has its turn. */
static void settle(void)
{
	for (int i = 0; i <= QUEUE_MAX / TURN_MAX; i++)
		if (tunnel_tick(state.tunnel, state.now) > state.now.boot)
			break;
}

static bool loaded(void)
{
	return state.now.boot < state.tunnel->loaded_until;
}

static void deliver(const struct message *message, const struct endpoint *from)
{
	uint8_t *copy = fuzz_copy(message->bytes, message->len);
	struct tunnel_datagram datagram = { .data = copy, .len = message->len, .from = from };

	state.sent_count = state.cookie_count = 0;
	tunnel_inbound(state.tunnel, &datagram, 1, state.now);
	free(copy);
	FUZZ_CHECK(state.sent_count + state.cookie_count <= 1, "%u answers",
		state.sent_count + state.cookie_count);
	if (state.sent_count + state.cookie_count)
		FUZZ_CHECK(state.sent.len <= message->len && endpoint_equal(&state.sent_to, from),
			"%zu bytes answered %zu", state.sent.len, message->len);
}

/* ---- Changing messages ---- */

static void keep(const struct message *message)
{
	state.kept[state.kept_count++ % KEPT] = *message;
}

/* The sender's index is sealed by nothing but mac1: it is chosen where a message is made. */
static size_t changeable(size_t at)
{
	return at >= 4 && at < 8 ? at + 8 : at;
}

/* Whether anything is another now that is authenticated. */
static bool change(struct message *message, struct fuzz_input *input)
{
	const struct message before = *message;
	const uint8_t how = fuzz_byte(input);
	const size_t macs = sizeof(struct wire_macs);

	for (int i = 0; i < (how & 3); i++) {
		const size_t at = changeable(fuzz_below(input, message->len));

		message->bytes[at] ^= fuzz_byte(input);
	}
	if ((how & 0x1c) == 0x04)
		message->len -= fuzz_below(input, message->len - macs);
	else if ((how & 0x1c) == 0x08)
		message->len += fuzz_below(input, MESSAGE_MAX - message->len);
	return message->len != before.len ||
	       memcmp(message->bytes, before.bytes, message->len - macs);
}

/* Whether mac1 is right. */
static bool add_macs(struct message *message, struct fuzz_input *input)
{
	const uint8_t how = fuzz_byte(input);

	if (message->len < sizeof(struct wire_macs))
		return false;
	struct wire_macs *macs =
		(struct wire_macs *)(message->bytes + message->len - sizeof(*macs));

	if (message->bytes[0] == WIRE_INITIATION || message->bytes[0] == WIRE_RESPONSE)
		cookie_add_macs(&state.maker, message->bytes, message->len, state.now.boot);
	if (how & 1)
		macs->mac2[how >> 4] ^= how;
	if ((how & 6) == 6)
		macs->mac1[how >> 4] ^= how;
	return (how & 6) != 6;
}

/* ---- Fields ---- */

static void read_fields(struct noise_fields *payload, struct fuzz_input *input)
{
	const uint8_t how = fuzz_byte(input);
	struct fields fields = { .cipher_count = 1 + fuzz_below(input, 4), .link = TUNNEL_LINK_IP };

	if ((how & 3) == 3) {
		payload->len = fuzz_below(input, WIRE_FIELDS_MAX + 1);
		fuzz_take(input, payload->bytes, payload->len);
		return;
	}
	for (size_t i = 0; i < fields.cipher_count; i++)
		fields.ciphers[i] = (uint8_t)(1 + (how >> 2) + i);
	if ((how & 3) == 2)
		fields.link = fuzz_byte(input) & 3;
	fields.has_instance = state.shared;
	memset(fields.instance, 0x77, sizeof(fields.instance));
	fields_write(payload, &fields);
}

static bool may_use(const struct aead *cipher)
{
	if (!cipher || !cipher->available())
		return false;
	return state.peer->cipher == PEER_CIPHER_FIXED ? cipher == state.peer->fixed_cipher
						       : cipher->hardware();
}

/* What is to come of offered fields. */
enum outcome { NOTHING, REFUSED_LINK, REFUSED_CIPHER, SESSION };

static enum outcome judge_offer(const struct noise_fields *payload, const struct aead **cipher)
{
	struct fields fields;

	*cipher = aead_chacha20_poly1305;
	if (state.dialect == WIRE_WIREGUARD)
		return SESSION;
	if (fields_read(&fields, payload) || !fields.cipher_count || !fields.link ||
		(state.shared && !fields.has_instance))
		return NOTHING;
	if (fields.link != TUNNEL_LINK_IP)
		return REFUSED_LINK;
	for (size_t i = 0; (*cipher = aead_at(i)); i++)
		if (may_use(*cipher) && memchr(fields.ciphers, (*cipher)->id, fields.cipher_count))
			return SESSION;
	return REFUSED_CIPHER;
}

static bool judge_answer(const struct noise_fields *payload, const struct aead **cipher)
{
	struct fields fields;

	*cipher = aead_chacha20_poly1305;
	if (state.dialect == WIRE_WIREGUARD)
		return true;
	if (fields_read(&fields, payload) || fields.refusal || fields.cipher_count != 1 ||
		fields.link != TUNNEL_LINK_IP)
		return false;
	*cipher = aead_by_id(fields.ciphers[0]);
	return may_use(*cipher);
}

/* ---- Steps ---- */

static void put_timestamp(uint8_t bytes[WIRE_TIMESTAMP_LEN], uint64_t timestamp)
{
	memset(bytes, 0, WIRE_TIMESTAMP_LEN);
	for (int i = 0; i < 8; i++)
		bytes[WIRE_TIMESTAMP_LEN - 1 - i] = (uint8_t)(timestamp >> (8 * i));
}

/* The response to the peer's initiation, as the peer takes it. */
static void take_response(enum outcome outcome, const struct aead *cipher, uint32_t index)
{
	struct noise_fields payload;
	struct noise_keys keys;
	struct fields fields = { 0 };
	const int error = noise_consume_response(
		state.remote, &state.local, state.sent.bytes, state.sent.len, &payload, &keys);

	FUZZ_CHECK(wire_get32(state.sent.bytes + 8) == index, "another receiver");
	FUZZ_CHECK(error == (state.wrong_psk ? -EBADMSG : 0), "the response: error %d", error);
	if (error)
		return;
	FUZZ_CHECK(!fields_read(&fields, &payload), "malformed fields");
	FUZZ_CHECK(fields.refusal == (outcome == REFUSED_LINK            ? FIELD_REFUSAL_LINK
					     : outcome == REFUSED_CIPHER ? FIELD_REFUSAL_CIPHER
									 : FIELD_REFUSAL_NONE),
		"refusal %u", fields.refusal);
	if (outcome != SESSION)
		return;
	if (state.dialect == WIRE_CULVERT)
		FUZZ_CHECK(fields.cipher_count == 1 && fields.ciphers[0] == cipher->id &&
				   fields.link == TUNNEL_LINK_IP &&
				   fields.has_instance == state.shared,
			"cipher %u instead of %s", fields.ciphers[0], cipher->name);
	else
		FUZZ_CHECK(!payload.len, "fields in WireGuard's dialect");
	state.keys = keys;
	state.cipher = cipher;
	state.has_keys = true;
	state.data_counter = 0;
}

static void judge_initiation(const struct noise_fields *payload, const struct endpoint *from,
	uint32_t index, const struct snapshot *before)
{
	const struct aead *cipher;
	const enum outcome outcome = judge_offer(payload, &cipher);

	if (outcome == NOTHING) {
		check_unchanged(before, "an initiation of other fields");
		return;
	}
	FUZZ_CHECK(state.sent_count == 1 && state.sent.bytes[0] == WIRE_RESPONSE, "no response");
	FUZZ_CHECK(endpoint_equal(&state.peer->endpoint, from), "the endpoint stayed");
	/* One that had expired goes when there is another. */
	FUZZ_CHECK(!state.peer->current || state.peer->current == before->current,
		"used before it is confirmed");
	FUZZ_CHECK(
		(state.peer->next != before->next) == (outcome == SESSION), "outcome %d", outcome);
	take_response(outcome, cipher, index);
}

static void step_initiation(struct fuzz_input *input)
{
	const uint8_t how = fuzz_byte(input);
	const bool known = (how & 3) != 3;
	const enum wire_dialect dialect = (how & 12) == 12 ? !state.dialect : state.dialect;
	const int64_t wanted = (int64_t)state.timestamp + (int8_t)fuzz_byte(input);
	const uint64_t timestamp = wanted > 0 ? (uint64_t)wanted : 0;
	const uint32_t index = (uint32_t)fuzz_number(input, 4);
	const struct endpoint *from = &endpoints[(how >> 4) % 3];
	uint8_t ephemeral[KEY_LEN], stamp[WIRE_TIMESTAMP_LEN];
	struct noise_fields payload = { .len = 0 };
	struct message message;

	if (dialect == WIRE_CULVERT)
		read_fields(&payload, input);
	put_timestamp(stamp, timestamp);
	key_generate_private(ephemeral);
	memset(&message, 0, sizeof(message));
	message.len = (size_t)noise_create_initiation(known ? state.remote : state.stranger_remote,
		known ? &state.local : &state.stranger, dialect, index, ephemeral, stamp, &payload,
		message.bytes);
	const bool changed = change(&message, input), mac1 = add_macs(&message, input);
	const struct snapshot before = snap();
	const bool was_loaded = loaded();

	keep(&message);
	deliver(&message, from);
	if (!was_loaded)
		FUZZ_CHECK(!state.cookie_count, "a cookie without load");
	if (was_loaded)
		return; /* what then counts is checked for every answer */
	const bool fresh =
		timestamp > state.timestamp &&
		(!state.accepted || state.now.boot >= state.accepted + WIRE_INITIATION_INTERVAL);

	if (!known || changed || !mac1 || !fresh) {
		check_unchanged(&before, "an initiation that should not count");
		return;
	}
	state.timestamp = timestamp;
	state.accepted = state.now.boot;
	if (dialect != state.dialect)
		check_unchanged(&before, "an initiation in the other dialect");
	else
		judge_initiation(&payload, from, index, &before);
}

static void judge_response(const struct noise_fields *payload, const struct endpoint *from,
	const struct noise_keys *keys, const struct snapshot *before)
{
	const struct aead *cipher;

	state.initiation_open = false;
	FUZZ_CHECK(endpoint_equal(&state.peer->endpoint, from), "the endpoint stayed");
	FUZZ_CHECK(!state.peer->initiation_linked, "the initiation still waits");
	if (!judge_answer(payload, &cipher)) {
		FUZZ_CHECK(state.peer->current == before->current, "a session of bad fields");
		return;
	}
	FUZZ_CHECK(state.peer->current != before->current && state.peer->current->initiator &&
			   state.peer->current->cipher == cipher &&
			   state.peer->current->remote_index == keys->local_index,
		"no such session");
	state.keys = *keys;
	state.cipher = cipher;
	state.has_keys = true;
	state.data_counter = 0;
}

/* The peer answers the tunnel's last initiation. */
static void step_response(struct fuzz_input *input)
{
	const uint8_t how = fuzz_byte(input);
	const struct endpoint *from = &endpoints[how % 3];
	struct noise_responder responder;
	struct noise_fields payload = { .len = 0 };
	struct noise_keys keys;
	uint8_t ephemeral[KEY_LEN];
	struct message message;

	if (!state.initiation.len)
		return;
	FUZZ_CHECK(!noise_open_initiation(
			   &responder, &state.local, state.initiation.bytes, state.initiation.len),
		"the tunnel's initiation");
	FUZZ_CHECK(responder.dialect == state.dialect, "in the wrong dialect");
	/* The peer remembers no timestamps here: each initiation may be answered again and again.
	 */
	struct noise_remote *fresh =
		noise_remote_new(tunnel_local(state.tunnel)->responder.public_key);
	struct noise_fields offered;

	noise_remote_set_local(fresh, &state.local);
	noise_remote_set_psk(fresh, noise_remote_psk(state.remote));
	FUZZ_CHECK(!noise_accept_initiation(&responder, fresh, state.now.boot, &offered),
		"the tunnel's initiation is refused");
	if (state.dialect == WIRE_CULVERT)
		read_fields(&payload, input);
	key_generate_private(ephemeral);
	memset(&message, 0, sizeof(message));
	message.len = (size_t)noise_create_response(&responder, fresh,
		(uint32_t)fuzz_number(input, 4), ephemeral, &payload, message.bytes, &keys);
	noise_remote_free(fresh);
	const bool changed = change(&message, input), mac1 = add_macs(&message, input);
	const struct snapshot before = snap();
	const bool was_loaded = loaded();

	keep(&message);
	deliver(&message, from);
	if (was_loaded)
		return;
	if (changed || !mac1 || state.wrong_psk || !state.initiation_open)
		check_unchanged(&before, "a response that should not count");
	else
		judge_response(&payload, from, &keys, &before);
}

/* A cookie reply to the tunnel's last message. */
static void step_cookie(struct fuzz_input *input)
{
	const uint8_t how = fuzz_byte(input);
	const bool awaited = state.peer->cookie.awaits_reply;
	struct message message = { .len = sizeof(struct wire_cookie) }, original;
	const struct snapshot before = snap();

	if (!state.sent.len || state.sent.bytes[0] == WIRE_COOKIE)
		return;
	note_secret();
	cookie_create_reply(state.checker, (struct wire_cookie *)message.bytes, state.sent.bytes,
		state.sent.len, &endpoints[0], state.now.boot);
	original = message;
	for (int i = 0; i < (how & 1); i++)
		message.bytes[fuzz_below(input, message.len)] ^= fuzz_byte(input);
	keep(&message);
	state.cookie_sent = state.peer->cookie.has_cookie && state.cookie_sent;
	const bool had = state.peer->cookie.has_cookie;
	const uint64_t when = state.peer->cookie.cookie_time;

	deliver(&message, &endpoints[how % 3]);
	check_unchanged(&before, "a cookie reply");
	const bool taken = awaited && !state.peer->cookie.awaits_reply;
	const bool changed = memcmp(message.bytes, original.bytes, message.len);

	FUZZ_CHECK(!taken || !changed, "a changed cookie reply was taken");
	FUZZ_CHECK(taken || (state.peer->cookie.has_cookie == had &&
				    state.peer->cookie.cookie_time == when),
		"a cookie without a reply");
	if (!taken)
		return;
	state.cookie_sent = true;
	state.cookie_time = state.now.boot;
	state.cookie_secret = state.secrets;
}

/* An empty data message on the newest session: it confirms what the peer began. */
static void step_data(struct fuzz_input *input)
{
	const struct endpoint *from = &endpoints[fuzz_below(input, 3)];
	const struct session *session =
		state.has_keys ? tunnel_find_session(state.tunnel, state.keys.remote_index) : NULL;
	struct message message = { .len = 0 };
	struct aead_key key;

	if (!session || state.now.boot - session->born >= WIRE_REJECT_AFTER_TIME)
		return;
	FUZZ_CHECK(session->cipher == state.cipher, "another cipher");
	state.cipher->prepare(&key, state.keys.send);
	wire_put_type(message.bytes, WIRE_DATA, WIRE_WIREGUARD);
	wire_put32(message.bytes + 4, state.keys.remote_index);
	wire_put64(message.bytes + 8, state.data_counter++);
	state.cipher->seal(&key, state.data_counter - 1, message.bytes + 16, message.bytes, 0);
	message.len = 16u + state.cipher->tag_len;
	const uint64_t before = state.peer->counters.undecryptable;

	if (session == state.peer->next)
		state.initiation_open = false; /* confirming it forgets ours */
	deliver(&message, from);
	FUZZ_CHECK(state.peer->counters.undecryptable == before, "the keys differ");
	FUZZ_CHECK(state.peer->current == session || state.peer->previous == session,
		"the session is not in use");
	FUZZ_CHECK(endpoint_equal(&state.peer->endpoint, from), "the endpoint stayed");
}

/* A message from before, perhaps from elsewhere. What counted once does not count again. */
static void step_repeat(struct fuzz_input *input)
{
	const struct message *message = &state.kept[fuzz_below(input, KEPT)];
	const struct endpoint *from = &endpoints[fuzz_below(input, 3)];
	const struct snapshot before = snap();

	if (!message->len || message->bytes[0] != WIRE_INITIATION || loaded())
		return;
	deliver(message, from);
	/* One that was refused because it came too early may count now: its time is not known. */
	if (state.sent_count || state.peer->next != before.next ||
		memcmp(&before.endpoint, &state.peer->endpoint, sizeof(before.endpoint)))
		FUZZ_CHECK(state.now.boot >= state.accepted + WIRE_INITIATION_INTERVAL,
			"a repetition counts");
	if (state.sent_count)
		state.accepted = state.now.boot;
}

/* Initiations of nobody's, with right macs: so many that the tunnel asks for cookies. */
static void step_flood(struct fuzz_input *input)
{
	const size_t count = fuzz_byte(input);
	const struct snapshot before = snap();
	struct message message = { .len = WIRE_INITIATION_MIN };

	wire_put_type(message.bytes, WIRE_INITIATION, WIRE_WIREGUARD);
	for (size_t i = 0; i < count; i++) {
		wire_put32(message.bytes + 4, (uint32_t)i);
		cookie_add_macs(&state.maker, message.bytes, message.len, state.now.boot);
		memset(message.bytes + message.len - 16, 0, 16);
		deliver(&message, &endpoints[i % 3]);
		FUZZ_CHECK(!state.sent_count, "a stranger was answered");
		FUZZ_CHECK(state.tunnel->queue_count <= QUEUE_LOAD, "%zu wait",
			state.tunnel->queue_count);
		FUZZ_CHECK(loaded() == (state.cookie_count == 1), "loaded: %d", loaded());
	}
	settle();
	state.sent_count = state.cookie_count = 0;
	check_unchanged(&before, "a flood");
}

static void step_time(struct fuzz_input *input)
{
	static const uint64_t steps[] = { WIRE_SECOND / 100, WIRE_SECOND / 50, WIRE_SECOND,
		5 * WIRE_SECOND + WIRE_SECOND / 2, 60 * WIRE_SECOND, 117 * WIRE_SECOND,
		200 * WIRE_SECOND };
	const uint64_t step = steps[fuzz_below(input, 7)];

	state.now.boot += step;
	state.now.wall += step;
	settle();
	/* Timers may have given up, or begun anew. */
	state.initiation_open = state.initiation_open && state.peer->initiation_linked;
}

static void step_want(void)
{
	handshake_want(state.tunnel, state.peer, state.now);
	FUZZ_CHECK(state.sent_count <= 1, "%u messages", state.sent_count);
	state.initiation_open = state.initiation_open && state.peer->initiation_linked;
}

/* ---- Beginning and end ---- */

static void set_shared(const uint8_t psk_of_wrong[KEY_LEN])
{
	const uint8_t shared_key[KEY_LEN] = { 42 };
	uint8_t psk[KEY_LEN];

	if (tunnel_set_shared_key(state.tunnel, shared_key, state.now))
		abort();
	state.peer = tunnel_first_peer(state.tunnel);
	noise_local_set_shared(&state.local, psk, shared_key);
	state.remote = noise_remote_new(state.local.responder.public_key);
	noise_remote_set_local(state.remote, &state.local);
	noise_remote_set_psk(state.remote, state.wrong_psk ? psk_of_wrong : psk);
}

static void set_pair(const uint8_t psk_of_wrong[KEY_LEN], const struct aead *fixed)
{
	const uint8_t ours[KEY_LEN] = { 1, 2, 3 }, theirs[KEY_LEN] = { 4, 5, 6 };
	const uint8_t psk[KEY_LEN] = { 7 };

	noise_local_set_private(&state.local, theirs);
	if (tunnel_set_private_key(state.tunnel, ours, state.now) ||
		tunnel_add_peer(state.tunnel, state.local.responder.public_key, &state.peer) ||
		tunnel_set_psk(state.tunnel, state.peer, psk) ||
		tunnel_set_cipher(state.tunnel, state.peer,
			state.dialect == WIRE_WIREGUARD ? PEER_CIPHER_WIREGUARD
			: fixed                         ? PEER_CIPHER_FIXED
							: PEER_CIPHER_AUTO,
			fixed))
		abort();
	state.remote = noise_remote_new(tunnel_local(state.tunnel)->responder.public_key);
	noise_remote_set_local(state.remote, &state.local);
	noise_remote_set_psk(state.remote, state.wrong_psk ? psk_of_wrong : psk);
}

static void begin(struct fuzz_input *input)
{
	const uint8_t kind = fuzz_byte(input), nobody[KEY_LEN] = { 99 }, wrong[KEY_LEN] = { 1 };

	memset(&state, 0, sizeof(state));
	for (size_t i = 0; i < 3; i++)
		endpoints[i] = (struct endpoint){ .v4 = { .sin_family = AF_INET,
							  .sin_port = htons((uint16_t)(i + 1)) } };
	state.now = (struct now){ 1000 * WIRE_SECOND, 1700000000 * WIRE_SECOND };
	state.shared = (kind & 3) == 3;
	state.wrong_psk = (kind & 12) == 12;
	state.dialect = kind & 3 ? WIRE_CULVERT : WIRE_WIREGUARD;
	state.tunnel = tunnel_new(&ops, NULL);
	state.checker = cookie_checker_new();
	if (!state.tunnel || !state.checker)
		abort();
	if (state.shared)
		set_shared(wrong);
	else
		set_pair(wrong, (kind & 3) == 2 ? aead_chacha20_poly1305 : NULL);
	noise_local_set_private(&state.stranger, nobody);
	state.stranger_remote = noise_remote_new(tunnel_local(state.tunnel)->responder.public_key);
	noise_remote_set_local(state.stranger_remote, &state.stranger);
	cookie_checker_set_local(state.checker, &state.local);
	cookie_derive_keys(
		&state.maker.initiation_keys, tunnel_local(state.tunnel)->responder.public_key);
	cookie_derive_keys(
		&state.maker.response_keys, tunnel_local(state.tunnel)->initiator.public_key);
	tunnel_set_endpoint(state.tunnel, state.peer, &endpoints[0], state.now);
	tunnel_set_up(state.tunnel, true, state.now);
}

static void step(struct fuzz_input *input)
{
	state.sent_count = state.cookie_count = 0;
	switch (fuzz_byte(input) & 7) {
	case 0:
		step_initiation(input);
		break;
	case 1:
		step_response(input);
		break;
	case 2:
		step_cookie(input);
		break;
	case 3:
		step_data(input);
		break;
	case 4:
		step_repeat(input);
		break;
	case 5:
		step_time(input);
		break;
	case 6:
		step_want();
		break;
	default:
		step_flood(input);
		break;
	}
	settle();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct fuzz_input input = { data, len };

	fuzz_begin(2);
	begin(&input);
	for (int i = 0; i < STEPS && input.left; i++)
		step(&input);
	noise_remote_free(state.remote);
	noise_remote_free(state.stranger_remote);
	cookie_checker_free(state.checker);
	tunnel_free(state.tunnel);
	return 0;
}
