/* SPDX-License-Identifier: ISC */
/*
 * Driven: two whole tunnels over the simulation's wire (tests/sim), of IP or of Ethernet.
 * Input: how they are joined, then steps: packets, time, what the wire does from now on, losses,
 * datagrams from before sent again (as they were, from elsewhere, back to their sender, changed,
 * cut, extended), datagrams of the input's own making, restarts, clocks that jump, settings, and
 * of Ethernet tunnels whether an end is a switch.
 *
 * Asserted: nothing is delivered that was not sent, and no packet twice; a counter is used once, by
 * the session in use, before its end; sessions come of handshake messages that both ends sent, and
 * none where the keys do not fit; who has authenticated nothing becomes no endpoint and is sent no
 * more bytes than came from there; initiations keep their distance; sessions end, and are wiped
 * before they are freed; packets that wait are not forgotten; and once the wire is good again, the
 * two reach each other.
 */
#include "fuzz.h"

#include <sodium.h>

#include "core/tunnel_internal.h"
#include "sim.h"

enum {
	STEPS = 60,
	PACKETS = 4096,
	INDICES = 4096,
	HASH = 16,
	TAPE = 300,
	ENDS = 2,
	/* Addresses of nobody's: what comes from the first is sometimes authentic, from the second
	 * never. */
	REPEATER = 100,
	STRANGER = 101,
};

#define TIME_MAX (4000 * SECOND)
#define KEYS_TIME (540 * SECOND) /* after the youngest session began, all go */
#define OLD_KEYS_TIME (KEYS_TIME + WIRE_REJECT_AFTER_TIME)
#define RECOVERY_TIME (60 * SECOND)

struct sent_packet {
	uint8_t hash[HASH];
	unsigned to;
	bool delivered;
};

/* Handshake messages that an end sent. */
struct handshake_sent {
	unsigned end;
	uint8_t type;
	uint32_t sender, receiver;
};

struct counter_used {
	unsigned end;
	uint32_t receiver;
	uint64_t next;
};

static struct state {
	struct sim *sim;
	const struct sim_kind *kind;
	bool strangers; /* their keys do not fit */
	bool ethernet;
	struct sent_packet packets[PACKETS];
	size_t packet_count;
	struct handshake_sent handshakes[INDICES];
	size_t handshake_count;
	struct counter_used counters[INDICES];
	size_t counter_count;
	uint64_t last_initiation[ENDS]; /* sim time; 0: none, or the distance is nothing now */
	unsigned soon[ENDS]; /* initiations that need keep no distance, to say what we are */
	unsigned to_drop;
	bool cut;
	size_t from_stranger, to_stranger; /* bytes */
} state;

void __real_session_free(struct session *session);
void __wrap_session_free(struct session *session);

/* Whoever takes a session out of use has wiped it at once: it may lie around for a batch. */
void __wrap_session_free(struct session *session)
{
	FUZZ_CHECK(!session || (session->dead &&
				       sodium_is_zero(
					       (uint8_t *)&session->send, sizeof(session->send)) &&
				       sodium_is_zero((uint8_t *)&session->receive,
					       sizeof(session->receive))),
		"keys are left in a session that is freed");
	__real_session_free(session);
}

/* ---- Packets ---- */

/* What must arrive as it was sent. Of an IP packet, all that the header says is there, but for the
 * congestion mark and the checksum that covers it. Of a packet that is shorter than its header
 * says, the padding counts as well: it is zeros, and whose packet it is has to live with that. */
static void hash_packet(uint8_t hash[HASH], const uint8_t *packet, size_t len)
{
	uint8_t copy[SIM_PACKET_MAX + WIRE_PADDING] = { 0 };

	if (state.ethernet) {
		crypto_generichash(hash, HASH, packet, len, NULL, 0);
		return;
	}
	const bool v4 = packet[0] >> 4 == 4;
	const size_t stated =
		v4 ? (size_t)packet[2] << 8 | packet[3] : 40 + ((size_t)packet[4] << 8 | packet[5]);

	memcpy(copy, packet, len);
	if (stated <= (len + WIRE_PADDING - 1) / WIRE_PADDING * WIRE_PADDING)
		len = stated;
	if (len >= 20) {
		copy[1] &= (uint8_t) ~(v4 ? 0x03 : 0x30);
		if (v4)
			copy[10] = copy[11] = 0;
	}
	crypto_generichash(hash, HASH, copy, len, NULL, 0);
}

static void send_packet(struct sim_end *from, const uint8_t *packet, size_t len)
{
	struct sent_packet *sent = &state.packets[state.packet_count];

	if (state.packet_count == PACKETS)
		return;
	state.packet_count++;
	*sent = (struct sent_packet){ .to = 1 - from->number };
	hash_packet(sent->hash, packet, len);
	sim_outbound(from, packet, len);
}

static void on_deliver(struct sim_end *end, const struct iovec *parts, size_t count)
{
	uint8_t hash[HASH];
	size_t i = 0;

	FUZZ_CHECK(count == 2 && parts[1].iov_len <= SIM_PACKET_MAX, "%zu parts", count);
	FUZZ_CHECK(!state.strangers, "a packet was delivered under keys that do not fit");
	hash_packet(hash, parts[1].iov_base, parts[1].iov_len);
	while (i < state.packet_count &&
		(state.packets[i].delivered || state.packets[i].to != end->number ||
			memcmp(state.packets[i].hash, hash, HASH)))
		i++;
	FUZZ_CHECK(i < state.packet_count, "not sent, or delivered twice");
	state.packets[i].delivered = true;
}

/* ---- What goes over the wire ---- */

static struct sim_end *end_at(const struct endpoint *address)
{
	for (unsigned i = 0; i < ENDS; i++)
		if (endpoint_equal(&state.sim->ends[i]->address, address))
			return state.sim->ends[i];
	return NULL;
}

static const struct session *sender_session(const struct sim_end *end, uint32_t remote_index)
{
	const struct peer *peer = tunnel_first_peer(end->tunnel);

	return peer->current && peer->current->remote_index == remote_index ? peer->current : NULL;
}

static void check_data(const struct sim_end *end, const struct sim_datagram *datagram)
{
	const uint32_t receiver = wire_get32(datagram->data + 4);
	const uint64_t counter = wire_get64(datagram->data + 8);
	const struct session *session = sender_session(end, receiver);
	size_t i = 0;

	FUZZ_CHECK(session, "sealed with a session that is not the current one");
	FUZZ_CHECK(sim_now(end).boot - session->born < WIRE_REJECT_AFTER_TIME &&
			   counter < session->cipher->reject_after,
		"sealed after the session's end");
	while (i < state.counter_count &&
		(state.counters[i].end != end->number || state.counters[i].receiver != receiver))
		i++;
	if (i == INDICES)
		return;
	if (i == state.counter_count)
		state.counters[state.counter_count++] =
			(struct counter_used){ end->number, receiver, 0 };
	FUZZ_CHECK(counter >= state.counters[i].next, "a counter is used again");
	state.counters[i].next = counter + 1;
}

static void check_handshake(const struct sim_end *end, const struct sim_datagram *datagram)
{
	const bool quick = state.kind->cipher != PEER_CIPHER_WIREGUARD;
	const uint64_t distance = quick ? SECOND : 5 * SECOND;
	uint64_t *last = &state.last_initiation[end->number];

	if (state.handshake_count < INDICES)
		state.handshakes[state.handshake_count++] = (struct handshake_sent){ end->number,
			datagram->data[0], wire_get32(datagram->data + 4),
			datagram->data[0] == WIRE_RESPONSE ? wire_get32(datagram->data + 8) : 0 };
	if (datagram->data[0] != WIRE_INITIATION)
		return;
	if (*last && state.sim->time - *last < distance && state.soon[end->number])
		state.soon[end->number]--;
	else
		FUZZ_CHECK(!*last || state.sim->time - *last >= distance,
			"initiations %.3f s apart", (double)(state.sim->time - *last) / SECOND);
	*last = state.sim->time;
}

static bool on_wire(struct sim *sim, const struct sim_datagram *datagram)
{
	static const struct endpoint unset;
	const struct endpoint stranger = sim_address4(STRANGER, 1);
	const struct sim_end *end = end_at(&datagram->from);
	const int type = wire_classify(datagram->data, datagram->len);

	(void)sim;
	FUZZ_CHECK(type && end && memcmp(&datagram->to, &unset, sizeof(unset)),
		"not a message: %zu bytes", datagram->len);
	if (type == WIRE_DATA)
		check_data(end, datagram);
	else if (type != WIRE_COOKIE)
		check_handshake(end, datagram);
	if (endpoint_equal(&datagram->to, &stranger))
		state.to_stranger += datagram->len;
	FUZZ_CHECK(state.to_stranger <= state.from_stranger, "%zu bytes for %zu", state.to_stranger,
		state.from_stranger);
	if (state.to_drop) {
		state.to_drop--;
		return false;
	}
	return !state.cut;
}

/* ---- What must hold after each step ---- */

static bool was_sent(unsigned end, uint8_t type, uint32_t sender, uint32_t receiver)
{
	if (state.handshake_count == INDICES)
		return true;
	for (size_t i = 0; i < state.handshake_count; i++) {
		const struct handshake_sent *sent = &state.handshakes[i];

		if (sent->end == end && sent->type == type && sent->sender == sender &&
			(type == WIRE_INITIATION || sent->receiver == receiver))
			return true;
	}
	return false;
}

/* Both ends sent what a session comes of. */
static void check_origin(const struct sim_end *end, const struct session *session)
{
	const unsigned us = end->number, other = 1 - us;
	const unsigned responder = session->initiator ? other : us;
	const uint32_t first = session->initiator ? session->local_index : session->remote_index;
	const uint32_t second = session->initiator ? session->remote_index : session->local_index;

	FUZZ_CHECK(was_sent(1 - responder, WIRE_INITIATION, first, 0), "nobody began it");
	FUZZ_CHECK(was_sent(responder, WIRE_RESPONSE, second, first), "nobody answered");
}

static void check_sessions(const struct sim_end *end, const struct peer *peer)
{
	const struct session *sessions[] = { peer->previous, peer->current, peer->next };
	const uint64_t now = sim_now(end).boot;
	uint64_t youngest = UINT64_MAX;

	for (size_t i = 0; i < 3; i++) {
		if (!sessions[i])
			continue;
		const uint64_t age = now - sessions[i]->born;

		check_origin(end, sessions[i]);
		youngest = age < youngest ? age : youngest;
		FUZZ_CHECK(age <= OLD_KEYS_TIME, "a session is %.0f s old", (double)age / SECOND);
	}
	FUZZ_CHECK(youngest == UINT64_MAX || youngest <= KEYS_TIME, "keys are %.0f s old",
		(double)youngest / SECOND);
	if (state.strangers)
		FUZZ_CHECK(
			!peer->current && !peer->previous, "a session under keys that do not fit");
}

static void check(void)
{
	const struct endpoint stranger = sim_address4(STRANGER, 1);

	sim_check(state.sim);
	for (unsigned i = 0; i < ENDS; i++) {
		const struct sim_end *end = state.sim->ends[i];
		const struct peer *peer = tunnel_first_peer(end->tunnel);

		check_sessions(end, peer);
		FUZZ_CHECK(!endpoint_equal(&peer->endpoint, &stranger), "end %u", i);
		FUZZ_CHECK(!peer->staged_count || end->deadline != UINT64_MAX,
			"%u packets wait for nothing", peer->staged_count);
		FUZZ_CHECK(end->deadline > state.sim->time, "end %u: something is overdue", i);
	}
}

/* ---- Steps ---- */

/* As many tags as how says, or what is none. */
static size_t make_link_header(uint8_t *frame, const struct sim_end *from, uint8_t how)
{
	static const uint8_t types[4][2] = { { 0x08, 0 }, { 0x86, 0xdd }, { 0x08, 0x06 },
		{ 0, 46 } };
	size_t at = 12;

	if (!state.ethernet)
		return 0;
	sim_mac(frame, how & 0x80 ? 0xfe : 1 - from->number); /* of nobody */
	sim_mac(frame + 6, from->number);
	for (unsigned tags = how >> 2 & 3; tags; tags--, at += 4)
		memcpy(frame + at, (const uint8_t[]){ tags == 2 ? 0x88 : 0x81, 0xa8, 0, 1 }, 4);
	memcpy(frame + at, types[(how & 1) | (how >> 5 & 2)], 2);
	return at + 2;
}

static void step_send(struct sim_end *from, struct fuzz_input *input)
{
	const size_t count = 1 + fuzz_below(input, 8);
	const uint8_t how = fuzz_byte(input);
	uint8_t packet[SIM_PACKET_MAX] = { 0 };

	for (size_t i = 0; i < count; i++) {
		const size_t len = 48 + fuzz_random() % (how & 2 ? 1372 : 100);
		const size_t link = make_link_header(packet, from, how);
		uint8_t *ip = packet + link;

		sim_ip(ip, how & 1 ? AF_INET6 : AF_INET, from->number, 1 - from->number, len);
		for (size_t at = 41; at < len; at++)
			ip[at] = (uint8_t)fuzz_random();
		ip[1] |= (uint8_t)(how & 0x30); /* of IPv6, a mark */
		send_packet(from, packet, link + len);
	}
}

static void step_time(struct fuzz_input *input)
{
	static const uint64_t units[] = { MILLISECOND, 10 * MILLISECOND, 100 * MILLISECOND, SECOND,
		3 * SECOND };

	sim_run(state.sim, units[fuzz_below(input, 5)] * (1u + fuzz_byte(input)));
}

static void step_wire(struct fuzz_input *input)
{
	struct sim *sim = state.sim;

	sim->loss = fuzz_byte(input) * 2u;
	sim->duplicate = fuzz_byte(input) * 3u;
	sim->corrupt = fuzz_byte(input) * 2u;
	sim->delay = fuzz_byte(input) * 10 * MILLISECOND;
	sim->spread = fuzz_byte(input) * 20 * MILLISECOND;
	sim->batch = 1 + fuzz_byte(input);
}

/* Where a byte of it that is authenticated lies. Of what follows mac1, nothing is. */
static size_t authenticated(const struct sim_datagram *datagram, size_t at)
{
	const bool handshake =
		datagram->data[0] == WIRE_INITIATION || datagram->data[0] == WIRE_RESPONSE;

	return at % (datagram->len - (handshake ? WIRE_MAC_LEN : 0));
}

static void inject_changed(
	struct sim_end *to, const struct sim_datagram *datagram, struct fuzz_input *input)
{
	const struct endpoint stranger = sim_address4(STRANGER, 1);
	const uint8_t how = fuzz_byte(input);
	uint8_t bytes[SIM_PACKET_MAX + 256] = { 0 };
	size_t len = datagram->len;

	memcpy(bytes, datagram->data, len);
	if ((how & 3) == 0)
		len -= 1 + fuzz_number(input, 2) % len;
	else if ((how & 3) == 1)
		len += 1u + fuzz_byte(input);
	else
		bytes[authenticated(datagram, fuzz_number(input, 2))] ^=
			(uint8_t)(1 << (how >> 2) % 8);
	state.from_stranger += len;
	sim_inject(to, &stranger, bytes, len);
}

/* Something that was on the wire once. */
static void step_again(struct sim_end *to, struct fuzz_input *input)
{
	const struct sim *sim = state.sim;
	const struct endpoint repeater = sim_address4(REPEATER, 1);

	if (!sim->tape_count)
		return;
	const uint8_t how = fuzz_byte(input);
	const size_t back = fuzz_number(input, 1) % sim->tape_count;
	const struct sim_datagram *datagram = sim->tape[sim->tape_count - 1 - back];

	if ((how & 3) == 3)
		inject_changed(to, datagram, input);
	else
		sim_inject(to, (how & 3) == 2 ? &repeater : &datagram->from, datagram->data,
			datagram->len);
}

static void step_raw(struct sim_end *to, struct fuzz_input *input)
{
	const struct endpoint stranger = sim_address4(STRANGER, 1);
	const size_t len = fuzz_byte(input);
	uint8_t bytes[256];

	fuzz_take(input, bytes, len);
	state.from_stranger += len;
	sim_inject(to, &stranger, bytes, len);
}

static void step_host(struct sim_end *from, struct fuzz_input *input)
{
	uint8_t packet[256 + 40];
	const size_t len = 1u + fuzz_byte(input);

	memset(packet, 0, sizeof(packet));
	sim_ip(packet, len & 1 ? AF_INET6 : AF_INET, from->number, 1 - from->number, 40);
	fuzz_take(input, packet + (len & 2 ? 0 : 20), len > 20 ? len - 20 : len);
	if (len >= (state.ethernet ? 14 : 20))
		send_packet(from, packet, len);
	else
		sim_outbound(from, packet, len);
}

static void step_clock(struct sim_end *end, struct fuzz_input *input)
{
	const uint8_t how = fuzz_byte(input);

	if (how & 1)
		end->boot_offset += fuzz_byte(input) * SECOND; /* it slept */
	else if (how & 2)
		end->wall_offset += fuzz_byte(input) * YEAR / 64;
	else
		end->wall_offset -= fuzz_byte(input) * YEAR / 64;
	state.last_initiation[end->number] = 0;
	sim_touch(end);
}

static void step_settings(struct sim_end *end, struct fuzz_input *input)
{
	struct sim_end *other = state.sim->ends[1 - end->number];
	const struct endpoint repeater = sim_address4(REPEATER, 1);
	struct peer *peer = tunnel_first_peer(end->tunnel);
	const struct now now = sim_now(end);

	state.last_initiation[end->number] = 0;
	switch (fuzz_below(input, 6)) {
	case 0:
		tunnel_set_keepalive(end->tunnel, peer, fuzz_byte(input), now);
		break;
	case 1:
		tunnel_set_endpoint(end->tunnel, peer, &other->address, now);
		break;
	case 2:
		tunnel_try_endpoint(end->tunnel, peer, &repeater, now);
		break;
	case 3:
		tunnel_handshake_all(end->tunnel, fuzz_byte(input) * SECOND, now);
		break;
	case 4:
		tunnel_set_up(end->tunnel, false, now);
		tunnel_set_up(end->tunnel, true, now);
		break;
	default:
		state.cut = !state.cut;
		break;
	}
	sim_touch(end);
}

/* With a second peer, which is nowhere, an end is a switch. */
static void step_switch(struct sim_end *end)
{
	static const uint8_t key[KEY_LEN] = { 9 };
	struct peer *second = tunnel_find_peer(end->tunnel, key);

	if (state.kind->shared)
		return;
	if (second)
		tunnel_remove_peer(end->tunnel, second);
	else
		FUZZ_CHECK(!tunnel_add_peer(end->tunnel, key, &second), "no second peer");
	state.soon[end->number] += 2;
	sim_touch(end);
}

static void restart(struct sim_end *end)
{
	state.last_initiation[end->number] = 0;
	sim_restart(end);
	end->deliver = on_deliver;
}

static void step(struct fuzz_input *input)
{
	const uint8_t what = fuzz_byte(input);
	struct sim_end *end = state.sim->ends[what >> 7];

	switch (what % 11) {
	case 0:
	case 1:
		step_send(end, input);
		break;
	case 2:
	case 3:
		step_time(input);
		break;
	case 4:
		step_wire(input);
		break;
	case 5:
		state.to_drop = fuzz_byte(input);
		break;
	case 6:
		step_again(end, input);
		break;
	case 7:
		step_raw(end, input);
		break;
	case 8:
		step_host(end, input);
		break;
	case 9:
		step_clock(end, input);
		break;
	default:
		if (what & 0x40)
			restart(end);
		else if (state.ethernet && what & 0x20)
			step_switch(end);
		else
			step_settings(end, input);
		break;
	}
	if (state.sim->tape_count > TAPE)
		sim_erase_tape(state.sim);
	/* What the step made due is done. */
	sim_run(state.sim, 0);
}

/* ---- Beginning and end ---- */

static const struct sim_kind *choose_kind(uint8_t number)
{
	const struct sim_kind *kind =
		&sim_kinds[number % 8 + (state.ethernet && number % 8 < 2 ? 2 : 0)];
	const struct aead *fixed = kind->fixed ? aead_by_name(kind->fixed) : NULL;

	return kind->fixed && (!fixed || !fixed->available()) ? sim_kind_auto : kind;
}

/* One end has another pre-shared or shared key than the other. */
static void part(struct sim_end *end)
{
	end->links[1].psk[0] ^= 1;
	end->shared_key[0] ^= 1;
	sim_restart(end);
}

static void begin(struct fuzz_input *input)
{
	const uint8_t how = fuzz_byte(input);

	memset(&state, 0, sizeof(state));
	state.ethernet = how & 8;
	state.kind = choose_kind(how);
	state.strangers = (how & 0xf0) == 0xf0;
	state.sim = state.ethernet ? sim_pair_ethernet(how, state.kind) : sim_pair(how, state.kind);
	state.sim->filter = on_wire;
	state.sim->taping = true;
	if (state.strangers)
		part(state.sim->ends[0]);
	for (unsigned i = 0; i < ENDS; i++)
		state.sim->ends[i]->deliver = on_deliver;
}

/* With a good wire, clocks that run and the right addresses, all is well within a minute. */
static void recover(void)
{
	struct sim *sim = state.sim;

	sim->loss = sim->duplicate = sim->corrupt = 0;
	sim->spread = 0;
	sim->delay = 10 * MILLISECOND;
	state.to_drop = 0;
	state.cut = false;
	sim_run(sim, 10 * SECOND); /* what is still under way arrives */
	for (unsigned i = 0; i < ENDS; i++) {
		struct sim_end *end = sim->ends[i];

		end->deliver = NULL;
		tunnel_set_endpoint(end->tunnel, tunnel_first_peer(end->tunnel),
			&sim->ends[1 - i]->address, sim_now(end));
		state.last_initiation[i] = 0;
		sim_touch(end);
	}
	sim_recover(sim->ends[0], sim->ends[1], RECOVERY_TIME);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct fuzz_input input = { data, len };
	uint64_t until;

	fuzz_begin(3);
	begin(&input);
	until = state.sim->time + TIME_MAX;
	for (int i = 0; i < STEPS && input.left && state.sim->time < until; i++) {
		step(&input);
		check();
	}
	if (!state.strangers)
		recover();
	check();
	sim_free(state.sim);
	return 0;
}
