/* SPDX-License-Identifier: ISC */
/*
 * Driven: what the tunnel does with a data message once it is open (core/tunnel.c, inner.c,
 * allowedips.c, session.c): lengths, padding, allowed IPs, keepalives, congestion marks, replays.
 * Input: a cipher, the ages of two peers' sessions, allowed IPs, and then batches of messages,
 * sealed here with the right keys (or spoilt): session, counter, plain text.
 *
 * Asserted, by a model that knows of nothing but lists: what is delivered, in which order, cut to
 * which length and marked how; that nothing else is; every counter; where the peers are reached.
 */
#include "fuzz.h"

#include <netinet/in.h>

#include "core/tunnel_internal.h"

enum {
	PEERS = 2,
	SLOTS = 3, /* previous, current, next */
	PREFIXES = 12,
	WINDOW = 8128,
	MESSAGES = 200,
	PLAIN_MAX = 200,
};

struct model_session {
	struct session *session; /* only compared */
	struct aead_key key;
	uint32_t index;
	uint64_t born;
	uint64_t accepted[MESSAGES];
	size_t accepted_count;
	uint64_t last; /* the counter that was sent last */
	bool alive;
};

struct model_prefix {
	int family;
	uint8_t address[16];
	unsigned length;
	int owner;
};

struct model_counters {
	uint64_t packets, bytes, replays, undecryptable, refused;
};

struct message {
	struct tunnel_datagram datagram;
	struct model_session *session;
	int peer, endpoint;
	uint64_t counter;
	bool spoilt, planned;
	uint8_t plain[PLAIN_MAX];
	size_t len;
};

struct delivery {
	uint8_t bytes[PLAIN_MAX];
	size_t len;
	unsigned sum; /* of the IPv4 header as it came, its checksum with it */
};

static struct model {
	struct tunnel *tunnel;
	const struct aead *cipher;
	struct now now;
	struct peer *peers[PEERS];
	struct model_session sessions[PEERS][SLOTS];
	struct model_session *slots[PEERS][SLOTS];
	struct model_prefix prefixes[PREFIXES];
	size_t prefix_count;
	struct model_counters counters[PEERS];
	uint64_t malformed, unknown;
	int endpoint[PEERS]; /* -1: not known */
	struct message batch[MESSAGES];
	size_t batch_count;
	struct delivery expected[MESSAGES];
	size_t expected_count, delivered;
} model;

static struct endpoint endpoints[4];

/* ---- The naive side ---- */

static bool covers(const struct model_prefix *prefix, int family, const uint8_t *address)
{
	if (prefix->family != family)
		return false;
	for (unsigned bit = 0; bit < prefix->length; bit++)
		if ((prefix->address[bit / 8] ^ address[bit / 8]) >> (7 - bit % 8) & 1)
			return false;
	return true;
}

/* -1: nobody. The last one to be given a prefix has it. */
static int owner_of_address(int family, const uint8_t *address)
{
	const struct model_prefix *best = NULL;

	for (size_t i = 0; i < model.prefix_count; i++) {
		const struct model_prefix *prefix = &model.prefixes[i];

		if (covers(prefix, family, address) && (!best || prefix->length >= best->length))
			best = prefix;
	}
	return best ? best->owner : -1;
}

static unsigned words_sum(const uint8_t *bytes, size_t len)
{
	unsigned sum = 0;

	for (size_t i = 0; i + 1 < len; i += 2)
		sum += (unsigned)bytes[i] << 8 | bytes[i + 1];
	return sum % 0xffff;
}

/* RFC 6040: what the inner mark becomes; -1: the packet goes. */
static int mark(unsigned inner, unsigned outer)
{
	static const int table[4][4] = { { 0, 0, 0, -1 }, { 1, 1, 1, 3 }, { 2, 1, 2, 3 },
		{ 3, 3, 3, 3 } };

	return table[inner & 3][outer & 3];
}

static bool is_new(const struct model_session *session, uint64_t counter)
{
	uint64_t highest = 0;

	for (size_t i = 0; i < session->accepted_count; i++) {
		if (session->accepted[i] == counter)
			return false;
		if (session->accepted[i] > highest)
			highest = session->accepted[i];
	}
	return !session->accepted_count || counter > highest || highest - counter < WINDOW;
}

static void expect_inner(const struct message *message)
{
	const uint8_t *plain = message->plain;
	const bool v4 = message->len >= 20 && plain[0] >> 4 == 4;
	const bool v6 = message->len >= 40 && plain[0] >> 4 == 6;
	const size_t stated = v4   ? (size_t)plain[2] << 8 | plain[3]
			      : v6 ? 40 + ((size_t)plain[4] << 8 | plain[5])
				   : 0;
	struct delivery *delivery = &model.expected[model.expected_count];

	if (!message->len)
		return; /* a keepalive */
	if ((!v4 && !v6) || stated > message->len || (v4 && stated < 20)) {
		model.malformed++;
		return;
	}
	if (owner_of_address(v4 ? AF_INET : AF_INET6, plain + (v4 ? 12 : 8)) != message->peer) {
		model.counters[message->peer].refused++;
		return;
	}
	const unsigned shift = v4 ? 0 : 4;
	const int ecn = mark(plain[1] >> shift, message->datagram.tos);

	if (ecn < 0)
		return;
	memcpy(delivery->bytes, plain, stated);
	delivery->bytes[1] = (uint8_t)((plain[1] & ~(3u << shift)) | (unsigned)ecn << shift);
	delivery->len = stated;
	delivery->sum = v4 ? words_sum(plain, 20) : 0;
	model.expected_count++;
	model.counters[message->peer].packets++;
}

static void confirm(struct message *message)
{
	struct model_session **slots = model.slots[message->peer];

	if (slots[2] != message->session)
		return;
	if (slots[0])
		slots[0]->alive = false;
	slots[0] = slots[1];
	slots[1] = slots[2];
	slots[2] = NULL;
}

static void expect(struct message *message)
{
	struct model_session *session = message->session;
	struct model_counters *counters = &model.counters[message->peer];

	if (!message->planned || !session->alive)
		return;
	if (message->spoilt) {
		counters->undecryptable++;
		return;
	}
	if (!is_new(session, message->counter)) {
		counters->replays++;
		return;
	}
	session->accepted[session->accepted_count++] = message->counter;
	counters->bytes += message->datagram.len;
	model.endpoint[message->peer] = message->endpoint;
	confirm(message);
	expect_inner(message);
}

/* What is judged before a batch's first message is believed. */
static void plan(struct message *message)
{
	const struct model_session *session = message->session;

	message->planned = false;
	if (!session->alive)
		model.unknown++;
	else if (message->counter >= model.cipher->reject_after ||
		 model.now.boot - session->born >= WIRE_REJECT_AFTER_TIME)
		model.counters[message->peer].undecryptable++;
	else
		message->planned = true;
}

/* ---- The tunnel's side ---- */

static void on_send(void *context, struct endpoint *to, const struct tunnel_burst *bursts,
	size_t count, uint8_t tos)
{
	(void)context, (void)to, (void)bursts, (void)count, (void)tos;
	FUZZ_CHECK(false, "nobody asked for anything to be sent");
}

static void on_deliver(void *context, const struct iovec *parts, size_t count)
{
	static const struct virtio_net_hdr plain;
	const struct delivery *expected = &model.expected[model.delivered];
	const uint8_t *packet = parts[1].iov_base;

	(void)context;
	FUZZ_CHECK(count == 2 && parts[0].iov_len == sizeof(plain) &&
			   !memcmp(parts[0].iov_base, &plain, sizeof(plain)),
		"%zu parts", count);
	FUZZ_CHECK(model.delivered < model.expected_count, "one packet too many");
	FUZZ_CHECK(parts[1].iov_len == expected->len, "%zu bytes instead of %zu", parts[1].iov_len,
		expected->len);
	/* The mark's change is in the checksum of IPv4, be that right or not. */
	const bool v4 = expected->bytes[0] >> 4 == 4;

	for (size_t i = 0; i < expected->len; i++)
		FUZZ_CHECK(packet[i] == expected->bytes[i] || (v4 && (i == 10 || i == 11)),
			"byte %zu of %zu differs", i, expected->len);
	FUZZ_CHECK(!v4 || words_sum(packet, 20) == expected->sum, "another checksum");
	model.delivered++;
}

static void on_report(void *context, const struct tunnel_event *event)
{
	(void)context;
	FUZZ_CHECK(tunnel_event_text(event->kind), "event %d has no text", event->kind);
}

static const struct tunnel_ops ops = { on_send, on_deliver, on_report };

static void open_session(int number, int slot, struct fuzz_input *input)
{
	struct model_session *session = &model.sessions[number][slot];
	struct session **slots[SLOTS] = { &model.peers[number]->previous,
		&model.peers[number]->current, &model.peers[number]->next };
	struct noise_keys keys = { .local_index = (uint32_t)fuzz_random(),
		.initiator = slot != 2 && fuzz_bool(input) };

	randombytes_buf(keys.receive, KEY_LEN);
	*session = (struct model_session){ .index = keys.local_index, .alive = true };
	session->born = model.now.boot - fuzz_byte(input) * WIRE_SECOND;
	model.cipher->prepare(&session->key, keys.receive);
	session->session = session_new(model.peers[number], model.cipher, &keys, session->born);
	if (!session->session)
		abort();
	table_insert(&model.tunnel->sessions, &session->session->by_index, keys.local_index);
	*slots[slot] = session->session;
	model.slots[number][slot] = session;
}

static void open_peer(int number, struct fuzz_input *input)
{
	uint8_t key[KEY_LEN] = { (uint8_t)(number + 1) };

	if (tunnel_add_peer(model.tunnel, key, &model.peers[number]))
		abort();
	model.endpoint[number] = -1;
	for (int slot = 0; slot < SLOTS; slot++)
		open_session(number, slot, input);
}

static void read_prefix(struct fuzz_input *input)
{
	struct model_prefix *prefix = &model.prefixes[model.prefix_count++];
	const uint8_t what = fuzz_byte(input);

	prefix->owner = what & 1;
	prefix->family = what & 2 ? AF_INET6 : AF_INET;
	prefix->length = (unsigned)fuzz_below(input, prefix->family == AF_INET ? 33 : 129);
	fuzz_take(input, prefix->address, prefix->family == AF_INET ? 4 : 16);
	FUZZ_CHECK(!tunnel_allow(model.tunnel, model.peers[prefix->owner], prefix->family,
			   prefix->address, prefix->length),
		"%u bits", prefix->length);
}

/* A header such as would pass, of a source that a prefix covers; the length that it states may be a
 * few bytes off. */
static void write_head(struct message *message, const struct model_prefix *prefix, int off)
{
	uint8_t *plain = message->plain;
	const size_t stated = (size_t)((int)message->len + off);

	plain[0] = (uint8_t)(prefix->family == AF_INET ? 0x45 : 0x60 | (plain[0] & 15));
	if (prefix->family == AF_INET) {
		plain[2] = 0;
		plain[3] = (uint8_t)stated;
		memcpy(plain + 12, prefix->address, 4);
	} else {
		plain[4] = 0;
		plain[5] = (uint8_t)(stated > 40 ? stated - 40 : 0);
		memcpy(plain + 8, prefix->address, 16);
	}
}

static void read_counter(struct message *message, unsigned how, struct fuzz_input *input)
{
	struct model_session *session = message->session;

	if (how == 0)
		message->counter = session->last + 1;
	else if (how == 1)
		message->counter = session->last + fuzz_number(input, 2);
	else if (how == 2)
		message->counter = session->last - fuzz_number(input, 2);
	else
		message->counter = fuzz_number(input, 8);
	session->last = message->counter;
}

static void seal(struct message *message, uint8_t spoil)
{
	const size_t len = sizeof(struct wire_data) + message->len + model.cipher->tag_len;
	uint8_t *bytes = malloc(len);
	struct wire_data *head = (struct wire_data *)bytes;

	if (!bytes)
		abort();
	wire_put_type(head->type, WIRE_DATA, WIRE_WIREGUARD);
	wire_put32(head->receiver, message->session->index);
	wire_put64(head->counter, message->counter);
	model.cipher->seal(&message->session->key, message->counter, bytes + sizeof(*head),
		message->plain, message->len);
	if (message->spoilt)
		bytes[len - 1 - spoil % (len - sizeof(*head))] ^= (uint8_t)(1 | spoil);
	message->datagram.data = bytes;
	message->datagram.len = len;
	message->datagram.from = &endpoints[message->endpoint];
}

static void read_message(uint8_t what, struct fuzz_input *input)
{
	struct message *message = &model.batch[model.batch_count++];
	const uint8_t which = fuzz_byte(input);

	message->peer = which & 1;
	message->session = &model.sessions[message->peer][(which >> 1) % SLOTS];
	message->endpoint = which >> 6;
	message->datagram.tos = (uint8_t)(which >> 4);
	message->spoilt = (what & 0x70) == 0x70;
	read_counter(message, what & 3, input);
	message->len = fuzz_below(input, PLAIN_MAX + 1);
	fuzz_take(input, message->plain, message->len);
	if (what & 4 && model.prefix_count && message->len >= 40)
		write_head(message, &model.prefixes[(what >> 3) % model.prefix_count],
			what & 0x80 ? (which >> 5) % 4 - 2 : 0);
	seal(message, which);
}

/* ---- Comparing ---- */

static void check_peer(int number)
{
	const struct peer_counters *counters = &model.peers[number]->counters;
	const struct model_counters *expected = &model.counters[number];
	const struct endpoint *endpoint = &model.peers[number]->endpoint;
	const struct model_session *const *slots =
		(const struct model_session *const *)model.slots[number];

	FUZZ_CHECK(counters->rx_packets == expected->packets, "peer %d", number);
	FUZZ_CHECK(counters->rx_bytes == expected->bytes, "peer %d", number);
	FUZZ_CHECK(counters->replays == expected->replays, "peer %d", number);
	FUZZ_CHECK(counters->undecryptable == expected->undecryptable, "peer %d", number);
	FUZZ_CHECK(counters->refused_sources == expected->refused, "peer %d", number);
	if (model.endpoint[number] < 0)
		FUZZ_CHECK(!endpoint_is_set(endpoint), "peer %d is somewhere", number);
	else
		FUZZ_CHECK(endpoint_equal(endpoint, &endpoints[model.endpoint[number]]),
			"peer %d is elsewhere", number);
	FUZZ_CHECK((model.peers[number]->next != NULL) == (slots[2] != NULL), "peer %d", number);
	FUZZ_CHECK(model.peers[number]->current == slots[1]->session, "peer %d", number);
}

static void expect_all(size_t first, size_t end)
{
	for (size_t i = first; i < end; i++)
		expect(&model.batch[i]);
}

/* The tunnel believes nothing of what it has planned together before all of it is planned. */
static void run_batch(void)
{
	static struct tunnel_datagram datagrams[MESSAGES];

	size_t first = 0, planned = 0;

	model.expected_count = model.delivered = 0;
	for (size_t i = 0; i < model.batch_count; i++) {
		if (planned == BATCH_MAX) {
			expect_all(first, i);
			first = i;
			planned = 0;
		}
		datagrams[i] = model.batch[i].datagram;
		plan(&model.batch[i]);
		planned += model.batch[i].planned;
	}
	expect_all(first, model.batch_count);
	tunnel_inbound(model.tunnel, datagrams, model.batch_count, model.now);
	FUZZ_CHECK(model.delivered == model.expected_count, "%zu packets, of %zu", model.delivered,
		model.expected_count);
	FUZZ_CHECK(tunnel_counters(model.tunnel)->malformed == model.malformed, "a counter");
	FUZZ_CHECK(tunnel_counters(model.tunnel)->unknown_session == model.unknown, "a counter");
	for (int number = 0; number < PEERS; number++)
		check_peer(number);
	while (model.batch_count)
		free(model.batch[--model.batch_count].datagram.data);
}

static const struct aead *choose_cipher(uint8_t number)
{
	const struct aead *cipher = NULL;

	for (size_t i = 0; i <= number % 4u && aead_at(i); i++)
		if (aead_at(i)->available())
			cipher = aead_at(i);
	return cipher ? cipher : aead_chacha20_poly1305;
}

static void begin(struct fuzz_input *input)
{
	memset(&model, 0, sizeof(model));
	for (size_t i = 0; i < 4; i++)
		endpoints[i] = (struct endpoint){ .v4 = { .sin_family = AF_INET,
							  .sin_port = htons((uint16_t)(i + 1)) } };
	model.tunnel = tunnel_new(&ops, NULL);
	if (!model.tunnel)
		abort();
	model.now = (struct now){ 1000 * WIRE_SECOND, 1000 * WIRE_SECOND };
	model.cipher = choose_cipher(fuzz_byte(input));
	tunnel_set_up(model.tunnel, true, model.now);
	for (int number = 0; number < PEERS; number++)
		open_peer(number, input);
	for (size_t count = fuzz_below(input, PREFIXES + 1); count; count--)
		read_prefix(input);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct fuzz_input input = { data, len };
	size_t messages = 0;

	fuzz_begin(1);
	begin(&input);
	while (input.left && messages++ < MESSAGES) {
		const uint8_t what = fuzz_byte(&input);

		if ((what & 0xf0) == 0xf0) {
			run_batch();
			model.now.boot += fuzz_byte(&input) * WIRE_SECOND / 4;
		} else {
			read_message(what, &input);
		}
	}
	run_batch();
	tunnel_free(model.tunnel);
	return 0;
}
