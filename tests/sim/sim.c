/* SPDX-License-Identifier: ISC */
/* Tunnels joined by a fake wire, under virtual time. */
#include "sim.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/tunnel_internal.h"
#include "../random.h"

enum { MAGIC = 0xc5, TRACE_LEN = 24, IDLE_TICKS_MAX = 2000 };

/* ---- Random numbers: libsodium's come from here too ---- */

static uint64_t sodium_state;
static bool forced;
static uint32_t forced_value;

static const char *seeded_name(void)
{
	return "seeded";
}

void sim_random_next(uint32_t value)
{
	forced = true;
	forced_value = value;
}

static uint32_t seeded_random(void)
{
	if (forced) {
		forced = false;
		return forced_value;
	}
	return (uint32_t)splitmix64(&sodium_state);
}

static void seeded_buf(void *buf, size_t len)
{
	uint8_t *bytes = buf;

	for (size_t i = 0; i < len; i++)
		bytes[i] = (uint8_t)splitmix64(&sodium_state);
}

static struct randombytes_implementation seeded = {
	.implementation_name = seeded_name,
	.random = seeded_random,
	.buf = seeded_buf,
};

uint64_t sim_random(struct sim *sim, uint64_t limit)
{
	return limit ? splitmix64(&sim->random) % limit : 0;
}

static bool chance(struct sim *sim, unsigned of_thousand)
{
	return of_thousand && sim_random(sim, 1000) < of_thousand;
}

/* ---- Addresses and packets ---- */

struct endpoint sim_address4(unsigned number, uint16_t port)
{
	struct endpoint endpoint = { .v4 = { .sin_family = AF_INET, .sin_port = htons(port) } };

	endpoint.v4.sin_addr.s_addr = htonl(0xc0000200u + number);
	return endpoint;
}

struct endpoint sim_address6(unsigned number, uint16_t port)
{
	struct endpoint endpoint = { .v6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) } };

	endpoint.v6.sin6_addr.s6_addr[0] = 0x20;
	endpoint.v6.sin6_addr.s6_addr[1] = 0x01;
	endpoint.v6.sin6_addr.s6_addr[2] = 0x0d;
	endpoint.v6.sin6_addr.s6_addr[3] = 0xb8;
	endpoint.v6.sin6_addr.s6_addr[15] = (uint8_t)number;
	return endpoint;
}

static void inner_address(uint8_t *address, int family, unsigned number)
{
	memset(address, 0, family == AF_INET ? 4 : 16);
	address[0] = family == AF_INET ? 10 : 0xfd;
	address[family == AF_INET ? 3 : 15] = (uint8_t)(number + 1);
}

static void put_checksum(uint8_t *header)
{
	uint32_t sum = 0;

	header[10] = header[11] = 0;
	for (int i = 0; i < 20; i += 2)
		sum += (uint32_t)header[i] << 8 | header[i + 1];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	header[10] = (uint8_t)(~sum >> 8);
	header[11] = (uint8_t)~sum;
}

void sim_ip(uint8_t *packet, int family, unsigned from, unsigned to, size_t len)
{
	memset(packet, 0, len);
	if (family == AF_INET) {
		packet[0] = 0x45;
		packet[2] = (uint8_t)(len >> 8);
		packet[3] = (uint8_t)len;
		packet[8] = 64;
		packet[9] = 253; /* for experiments: RFC 3692 */
		inner_address(packet + 12, family, from);
		inner_address(packet + 16, family, to);
		put_checksum(packet);
		return;
	}
	packet[0] = 0x60;
	packet[4] = (uint8_t)((len - 40) >> 8);
	packet[5] = (uint8_t)(len - 40);
	packet[6] = 253;
	packet[7] = 64;
	inner_address(packet + 8, family, from);
	inner_address(packet + 24, family, to);
}

void sim_mac(uint8_t address[6], unsigned number)
{
	memset(address, 0, 6);
	address[0] = 2; /* locally administered */
	address[5] = (uint8_t)(number + 1);
}

/* A frame's header before the test packet of a number. */
static size_t make_link_header(uint8_t *frame, unsigned from, unsigned to, uint64_t number)
{
	uint8_t *type = frame + 12;

	sim_mac(frame, to);
	sim_mac(frame + 6, from);
	if (number % 3 == 2) {
		memcpy(type, (const uint8_t[]){ 0x81, 0, (uint8_t)(number << 5), 0 }, 4);
		type += 4;
	}
	memcpy(type, number % 2 ? "\x86\xdd" : "\x08\x00", 2);
	return (size_t)(type + 2 - frame);
}

/* The test packet of a number: everything about it follows from the number and the two ends. */
static size_t make_ip(uint8_t *packet, unsigned from, unsigned to, uint64_t number)
{
	const int family = number % 2 ? AF_INET6 : AF_INET;
	const size_t header = family == AF_INET ? 20 : 40;
	const size_t len = header + TRACE_LEN + number * 7 % 61;
	uint8_t *trace = packet + header;

	sim_ip(packet, family, from, to, len);
	trace[0] = MAGIC;
	trace[1] = (uint8_t)from;
	trace[2] = (uint8_t)to;
	for (int i = 0; i < 8; i++)
		trace[8 + i] = (uint8_t)(number >> (8 * i));
	for (size_t i = header + 16; i < len; i++)
		packet[i] = (uint8_t)(number + i * (from + 3));
	return len;
}

static size_t make_packet(
	uint8_t *packet, const struct sim_end *end, unsigned from, unsigned to, uint64_t number)
{
	const size_t link = end->carries == TUNNEL_LINK_ETHERNET
				    ? make_link_header(packet, from, to, number)
				    : 0;

	return link + make_ip(packet + link, from, to, number);
}

enum sim_message sim_classify(const uint8_t *data, size_t len)
{
	if (!len || data[0] < WIRE_INITIATION || data[0] > WIRE_DATA)
		return SIM_OTHER;
	if (data[0] == WIRE_DATA)
		/* An empty packet's tag is 16 or 32 bytes; any other has 20 bytes more. */
		return len == sizeof(struct wire_data) + 16 || len == sizeof(struct wire_data) + 32
			       ? SIM_KEEPALIVE
			       : SIM_DATA;
	return (enum sim_message)data[0];
}

/* ---- The wire ---- */

static bool earlier(const struct sim_datagram *a, const struct sim_datagram *b)
{
	return a->time != b->time ? a->time < b->time : a->order < b->order;
}

static void heap_push(struct sim *sim, struct sim_datagram *datagram)
{
	if (sim->heap_count == sim->heap_capacity) {
		sim->heap_capacity = sim->heap_capacity ? 2 * sim->heap_capacity : 64;
		sim->heap = realloc(sim->heap, sim->heap_capacity * sizeof(*sim->heap));
		assert_non_null(sim->heap);
	}
	size_t at = sim->heap_count++;

	while (at && earlier(datagram, sim->heap[(at - 1) / 2])) {
		sim->heap[at] = sim->heap[(at - 1) / 2];
		at = (at - 1) / 2;
	}
	sim->heap[at] = datagram;
}

static struct sim_datagram *heap_pop(struct sim *sim)
{
	struct sim_datagram *top = sim->heap[0];
	struct sim_datagram *last = sim->heap[--sim->heap_count];
	size_t at = 0;

	for (;;) {
		size_t child = 2 * at + 1;

		if (child >= sim->heap_count)
			break;
		if (child + 1 < sim->heap_count && earlier(sim->heap[child + 1], sim->heap[child]))
			child++;
		if (earlier(last, sim->heap[child]))
			break;
		sim->heap[at] = sim->heap[child];
		at = child;
	}
	sim->heap[at] = last;
	return top;
}

static struct sim_datagram *copy_datagram(const struct sim_datagram *datagram)
{
	const size_t size = sizeof(*datagram) + datagram->len;
	struct sim_datagram *copy = malloc(size);

	assert_non_null(copy);
	memcpy(copy, datagram, size);
	return copy;
}

static void tape(struct sim *sim, const struct sim_datagram *datagram)
{
	if (sim->tape_count == sim->tape_capacity) {
		sim->tape_capacity = sim->tape_capacity ? 2 * sim->tape_capacity : 64;
		sim->tape = realloc(sim->tape, sim->tape_capacity * sizeof(*sim->tape));
		assert_non_null(sim->tape);
	}
	sim->tape[sim->tape_count++] = copy_datagram(datagram);
}

void sim_erase_tape(struct sim *sim)
{
	while (sim->tape_count)
		free(sim->tape[--sim->tape_count]);
}

/* Takes ownership. */
static void transmit(struct sim *sim, struct sim_datagram *datagram)
{
	if (sim->taping)
		tape(sim, datagram);
	if ((sim->filter && !sim->filter(sim, datagram)) || chance(sim, sim->loss)) {
		free(datagram);
		return;
	}
	if (chance(sim, sim->duplicate)) {
		struct sim_datagram *twin = copy_datagram(datagram);

		twin->time = sim->time + sim->delay + sim_random(sim, sim->spread);
		twin->order = sim->order++;
		heap_push(sim, twin);
	}
	if (chance(sim, sim->corrupt))
		datagram->data[sim_random(sim, datagram->len)] ^=
			(uint8_t)(1 << sim_random(sim, 8));
	datagram->time = sim->time + sim->delay + sim_random(sim, sim->spread);
	datagram->order = sim->order++;
	heap_push(sim, datagram);
}

/* A NAT whose mapping was forgotten makes a new one, on the next port. */
static void pass_nat(struct sim_end *end)
{
	if (end->nat_timeout && end->sim->time - end->nat_used > end->nat_timeout)
		end->address.v4.sin_port = htons((uint16_t)(ntohs(end->address.v4.sin_port) + 1));
	end->nat_used = end->sim->time;
}

static void count_sent(struct sim_end *end, const struct sim_datagram *datagram)
{
	const enum sim_message message = sim_classify(datagram->data, datagram->len);

	end->messages[message]++;
	end->message_time[message] = end->sim->time;
	if (message == SIM_DATA || message == SIM_KEEPALIVE) {
		end->outer_tos = datagram->tos;
		end->outer_len = datagram->len;
	}
}

static void send_one(struct sim_end *end, const struct endpoint *to, const uint8_t *data,
	size_t len, uint8_t tos)
{
	struct sim_datagram *datagram = malloc(sizeof(*datagram) + len);

	assert_non_null(datagram);
	pass_nat(end);
	*datagram = (struct sim_datagram){
		.time = end->sim->time, .from = end->address, .to = *to, .len = len, .tos = tos
	};
	memcpy(datagram->data, data, len);
	count_sent(end, datagram);
	if (end->cut)
		free(datagram);
	else
		transmit(end->sim, datagram);
}

static void on_send(void *context, struct endpoint *to, const struct tunnel_burst *bursts,
	size_t count, uint8_t tos)
{
	struct sim_end *end = context;

	assert_true(endpoint_is_set(to));
	end->sends++;
	end->bursts += (unsigned)count;
	for (size_t i = 0; i < count; i++) {
		const struct tunnel_burst *burst = &bursts[i];

		assert_in_range(burst->datagram_len, 1, burst->len);
		for (size_t at = 0; at < burst->len; at += burst->datagram_len) {
			const size_t left = burst->len - at;

			send_one(end, to, burst->data + at,
				left < burst->datagram_len ? left : burst->datagram_len, tos);
		}
	}
}

static struct sim_end *find_end(const struct sim *sim, const struct endpoint *address)
{
	for (unsigned i = 0; i < sim->end_count; i++) {
		struct sim_end *end = sim->ends[i];

		if (!endpoint_equal(&end->address, address))
			continue;
		if (end->nat_timeout && sim->time - end->nat_used > end->nat_timeout)
			return NULL;
		end->nat_used = sim->time;
		return end->cut ? NULL : end;
	}
	return NULL;
}

/* ---- What an end does ---- */

static void flow_reserve(struct sim_flow *flow, uint64_t number)
{
	const uint64_t capacity = (number | 1023) + 1;

	if (number < flow->capacity)
		return;
	flow->seen = realloc(flow->seen, capacity / 8);
	assert_non_null(flow->seen);
	memset(flow->seen + flow->capacity / 8, 0, (capacity - flow->capacity) / 8);
	flow->capacity = capacity;
}

static void count_delivered(struct sim_flow *flow, uint64_t number)
{
	assert_true(number < flow->sent);
	if (flow->seen[number / 8] & 1 << number % 8)
		fail_msg("packet %llu was delivered twice", (unsigned long long)number);
	flow->seen[number / 8] |= (uint8_t)(1 << number % 8);
	flow->delivered++;
	if (number < flow->highest)
		flow->reordered++;
	else
		flow->highest = number + 1;
}

static void take_packet(struct sim_end *end, const uint8_t *packet, size_t len)
{
	const size_t link = end->carries == TUNNEL_LINK_ETHERNET ? packet[12] == 0x81 ? 18 : 14 : 0;
	const size_t header = link + (len > link && packet[link] >> 4 == 4 ? 20 : 40);
	uint8_t expected[SIM_PACKET_MAX];
	uint64_t number = 0;

	assert_true(len <= SIM_PACKET_MAX);
	memcpy(end->packet, packet, len);
	end->packet_len = len;
	end->delivered++;
	end->delivered_time = end->sim->time;
	if (len < header + TRACE_LEN || packet[header] != MAGIC)
		return; /* one of the test's own making */
	const uint8_t *trace = packet + header;

	assert_true(trace[1] < end->sim->end_count);
	if (link && trace[2] != end->number) {
		end->overheard++;
		return;
	}
	assert_int_equal(trace[2], end->number);
	for (int i = 7; i >= 0; i--)
		number = number << 8 | trace[8 + i];
	assert_int_equal(make_packet(expected, end, trace[1], trace[2], number), len);
	assert_memory_equal(packet, expected, len);
	count_delivered(&end->sim->flows[trace[1]][end->number], number);
}

/* Unless a test has packets merged, there is a header of zeros and the packet. */
static void on_deliver(void *context, const struct iovec *parts, size_t count)
{
	static const struct virtio_net_hdr plain;
	struct sim_end *end = context;

	assert_int_equal(parts[0].iov_len, sizeof(plain));
	if (end->deliver) {
		end->deliver(end, parts, count);
		return;
	}
	assert_int_equal(count, 2);
	assert_memory_equal(parts[0].iov_base, &plain, sizeof(plain));
	take_packet(end, parts[1].iov_base, parts[1].iov_len);
}

static void on_report(void *context, const struct tunnel_event *event)
{
	struct sim_end *end = context;

	end->events[event->kind]++;
	if (event->cipher)
		end->cipher = event->cipher;
	if (event->source)
		memcpy(end->refused_source, event->source,
			event->source_family == AF_INET ? 4 : 16);
	assert_non_null(tunnel_event_text(event->kind));
}

static const struct tunnel_ops sim_ops = {
	.send = on_send,
	.deliver = on_deliver,
	.report = on_report,
};

struct now sim_now(const struct sim_end *end)
{
	return (struct now){ end->sim->time + end->boot_offset, end->sim->time + end->wall_offset };
}

void sim_touch(struct sim_end *end)
{
	const struct now now = sim_now(end);
	const uint64_t deadline = tunnel_tick(end->tunnel, now);

	if (++end->sim->idle_ticks > IDLE_TICKS_MAX)
		fail_msg("end %u asks to be called again and again", end->number);
	if (deadline == UINT64_MAX)
		end->deadline = UINT64_MAX;
	else
		end->deadline = deadline < now.boot ? end->sim->time : deadline - end->boot_offset;
}

void sim_inject_batch(struct sim_end *to, struct tunnel_datagram *datagrams, size_t count)
{
	tunnel_inbound(to->tunnel, datagrams, count, sim_now(to));
	to->sim->idle_ticks = 0;
	sim_touch(to);
}

void sim_inject(struct sim_end *to, const struct endpoint *from, const void *data, size_t len)
{
	/* Of exactly this size, so that a sanitizer sees what is read beyond it. */
	uint8_t *copy = malloc(len ? len : 1);

	assert_non_null(copy);
	if (len)
		memcpy(copy, data, len);
	sim_inject_batch(
		to, &(struct tunnel_datagram){ .data = copy, .len = len, .from = from }, 1);
	free(copy);
}

void sim_outbound_batch(struct sim_end *end, struct tunnel_packet *packets, size_t count)
{
	tunnel_outbound(end->tunnel, packets, count, sim_now(end));
	end->sim->idle_ticks = 0;
	sim_touch(end);
}

void sim_outbound(struct sim_end *end, const void *packet, size_t len)
{
	uint8_t *copy = malloc(len + WIRE_PADDING);

	assert_non_null(copy);
	memcpy(copy, packet, len);
	sim_outbound_batch(end, &(struct tunnel_packet){ .data = copy, .len = len }, 1);
	free(copy);
}

uint64_t sim_send(struct sim_end *from, struct sim_end *to)
{
	struct sim_flow *flow = sim_flow(from, to);
	const uint64_t number = flow->sent++;
	uint8_t packet[SIM_PACKET_MAX];

	flow_reserve(flow, number);
	sim_outbound(from, packet, make_packet(packet, from, from->number, to->number, number));
	return number;
}

/* ---- Making and unmaking ---- */

struct sim *sim_new(uint64_t seed)
{
	struct sim *sim = calloc(1, sizeof(*sim));

	assert_non_null(sim);
	sim->random = seed;
	sodium_state = ~seed;
	forced = false;
	sim->time = 1000 * SECOND;
	sim->delay = 10 * MILLISECOND;
	sim->batch = BATCH_MAX;
	return sim;
}

void sim_free(struct sim *sim)
{
	for (unsigned i = 0; i < sim->end_count; i++) {
		tunnel_free(sim->ends[i]->tunnel);
		free(sim->ends[i]);
	}
	for (unsigned i = 0; i < SIM_ENDS * SIM_ENDS; i++)
		free(sim->flows[i / SIM_ENDS][i % SIM_ENDS].seen);
	while (sim->heap_count)
		free(heap_pop(sim));
	sim_erase_tape(sim);
	free(sim->tape);
	free(sim->heap);
	free(sim);
}

static void allow(struct sim_end *end, struct peer *peer, unsigned number)
{
	uint8_t address[16];

	inner_address(address, AF_INET, number);
	assert_int_equal(tunnel_allow(end->tunnel, peer, AF_INET, address, 32), 0);
	inner_address(address, AF_INET6, number);
	assert_int_equal(tunnel_allow(end->tunnel, peer, AF_INET6, address, 128), 0);
}

static void configure_link(struct sim_end *end, const struct sim_end *other)
{
	const struct sim_link *link = &end->links[other->number];
	struct peer *peer = tunnel_first_peer(end->tunnel);

	if (!end->shared) {
		assert_int_equal(tunnel_add_peer(end->tunnel, other->public_key, &peer), 0);
		assert_int_equal(tunnel_set_psk(end->tunnel, peer, link->psk), 0);
		if (end->carries == TUNNEL_LINK_IP)
			allow(end, peer, other->number);
	}
	assert_int_equal(tunnel_set_cipher(end->tunnel, peer, link->cipher, link->fixed), 0);
	if (link->endpoint)
		tunnel_set_endpoint(end->tunnel, peer, &other->address, sim_now(end));
	tunnel_set_keepalive(end->tunnel, peer, link->keepalive, sim_now(end));
}

static void configure_key(struct sim_end *end)
{
	/* The public key is not used otherwise with a shared key, and no two ends have the same. */
	tunnel_set_host_id(end->tunnel, end->public_key);
	if (end->shared)
		assert_int_equal(
			tunnel_set_shared_key(end->tunnel, end->shared_key, sim_now(end)), 0);
	else
		assert_int_equal(
			tunnel_set_private_key(end->tunnel, end->private_key, sim_now(end)), 0);
}

static void start(struct sim_end *end)
{
	end->tunnel = tunnel_new(&sim_ops, end);
	assert_non_null(end->tunnel);
	assert_int_equal(tunnel_set_link(end->tunnel, end->carries), 0);
	tunnel_set_mtu(end->tunnel, end->mtu);
	configure_key(end);
	for (unsigned i = 0; i < end->sim->end_count; i++)
		if (end->links[i].exists)
			configure_link(end, end->sim->ends[i]);
	tunnel_set_up(end->tunnel, true, sim_now(end));
	sim_touch(end);
}

static struct sim_end *add_end(struct sim *sim, enum tunnel_link link, unsigned mtu)
{
	struct sim_end *end = calloc(1, sizeof(*end));

	assert_non_null(end);
	assert_true(sim->end_count < SIM_ENDS);
	end->sim = sim;
	end->number = sim->end_count++;
	sim->ends[end->number] = end;
	end->address = sim_address4(end->number + 1, 51820);
	end->boot_offset = (end->number + 1) * 1000 * SECOND;
	end->wall_offset = UINT64_C(1700000000) * SECOND;
	end->carries = link;
	end->mtu = mtu;
	key_generate_private(end->private_key);
	key_derive_public(end->public_key, end->private_key);
	start(end);
	return end;
}

struct sim_end *sim_add(struct sim *sim)
{
	return add_end(sim, TUNNEL_LINK_IP, 1420);
}

struct sim_end *sim_add_ethernet(struct sim *sim)
{
	return add_end(sim, TUNNEL_LINK_ETHERNET, 1400);
}

void sim_restart(struct sim_end *end)
{
	tunnel_free(end->tunnel);
	start(end);
}

/* Takes back the greeting with which the culvert dialect begins, so that a scenario starts in
 * silence. */
static void hush(struct sim_end *end)
{
	for (struct peer *peer = end->tunnel->first_peer; peer; peer = peer->next_peer) {
		timers_stop(&peer->timers);
		handshake_forget(end->tunnel, peer);
		peer_drop_staged(peer);
		memset(&peer->counters, 0, sizeof(peer->counters));
	}
	memset(end->messages, 0, sizeof(end->messages));
	sim_touch(end);
}

static void set_link(struct sim_end *end, const struct sim_end *other, const struct sim_kind *kind,
	const uint8_t psk[KEY_LEN])
{
	struct sim_link *link = &end->links[other->number];

	link->exists = link->endpoint = true;
	link->cipher = kind->cipher;
	link->fixed = kind->fixed ? aead_by_name(kind->fixed) : NULL;
	if (kind->psk)
		memcpy(link->psk, psk, KEY_LEN);
	if (!kind->shared) {
		configure_link(end, other);
		sim_touch(end);
		return;
	}
	end->shared = true;
	memcpy(end->shared_key, psk, KEY_LEN);
	sim_restart(end);
}

void sim_join(struct sim_end *a, struct sim_end *b, const struct sim_kind *kind)
{
	uint8_t psk[KEY_LEN];

	randombytes_buf(psk, sizeof(psk));
	set_link(a, b, kind, psk);
	set_link(b, a, kind, psk);
	while (a->sim->heap_count)
		free(heap_pop(a->sim));
	hush(a);
	hush(b);
}

struct sim *sim_pair(uint64_t seed, const struct sim_kind *kind)
{
	struct sim *sim = sim_new(seed);
	struct sim_end *a = sim_add(sim);

	sim_join(a, sim_add(sim), kind);
	return sim;
}

struct sim *sim_pair_ethernet(uint64_t seed, const struct sim_kind *kind)
{
	struct sim *sim = sim_new(seed);
	struct sim_end *a = sim_add_ethernet(sim);

	sim_join(a, sim_add_ethernet(sim), kind);
	return sim;
}

/* ---- Time ---- */

void sim_traffic(struct sim_end *from, struct sim_end *to, uint64_t interval)
{
	struct sim *sim = from->sim;
	unsigned i = 0;

	while (i < sim->traffic_count && (sim->traffic[i].from != from || sim->traffic[i].to != to))
		i++;
	assert_true(i < SIM_TRAFFIC);
	if (i == sim->traffic_count)
		sim->traffic_count++;
	sim->traffic[i] = (struct sim_traffic){ from, to, interval,
		interval ? sim->time + interval : UINT64_MAX };
}

static uint64_t next_time(const struct sim *sim)
{
	uint64_t next = sim->heap_count ? sim->heap[0]->time : UINT64_MAX;

	for (unsigned i = 0; i < sim->end_count; i++)
		if (sim->ends[i]->deadline < next)
			next = sim->ends[i]->deadline;
	for (unsigned i = 0; i < sim->traffic_count; i++)
		if (sim->traffic[i].next < next)
			next = sim->traffic[i].next;
	return next;
}

/* What arrives at the same moment at the same end is one batch. */
static void arrive(struct sim *sim)
{
	struct sim_datagram *batch[SIM_BATCH_MAX];
	struct tunnel_datagram datagrams[SIM_BATCH_MAX];
	size_t count = 0;
	struct sim_end *end = find_end(sim, &sim->heap[0]->to);

	do {
		batch[count] = heap_pop(sim);
		datagrams[count] = (struct tunnel_datagram){
			.data = batch[count]->data,
			.len = batch[count]->len,
			.tos = batch[count]->tos,
			.from = &batch[count]->from,
		};
		count++;
	} while (count < sim->batch && sim->heap_count && sim->heap[0]->time <= sim->time &&
		 endpoint_equal(&sim->heap[0]->to, &batch[0]->to));
	if (end)
		sim_inject_batch(end, datagrams, count);
	while (count)
		free(batch[--count]);
}

static void do_what_is_due(struct sim *sim)
{
	while (sim->heap_count && sim->heap[0]->time <= sim->time)
		arrive(sim);
	for (unsigned i = 0; i < sim->end_count; i++)
		while (sim->ends[i]->deadline <= sim->time)
			sim_touch(sim->ends[i]);
	for (unsigned i = 0; i < sim->traffic_count; i++) {
		struct sim_traffic *traffic = &sim->traffic[i];

		if (traffic->next > sim->time)
			continue;
		traffic->next += traffic->interval;
		sim_send(traffic->from, traffic->to);
	}
}

void sim_run(struct sim *sim, uint64_t nanoseconds)
{
	const uint64_t until = sim->time + nanoseconds;

	for (;;) {
		const uint64_t next = next_time(sim);

		if (next > until)
			break;
		if (next > sim->time) {
			sim->time = next;
			sim->idle_ticks = 0;
		}
		do_what_is_due(sim);
	}
	sim->time = until;
}

bool sim_reaches(struct sim_end *from, struct sim_end *to, uint64_t within)
{
	const uint64_t number = sim_send(from, to);

	sim_run(from->sim, within);
	return sim_flow(from, to)->seen[number / 8] & 1 << number % 8;
}

uint64_t sim_recover(struct sim_end *a, struct sim_end *b, uint64_t limit)
{
	struct sim *sim = a->sim;
	const uint64_t start_time = sim->time;
	const uint64_t first_ab = sim_flow(a, b)->sent, first_ba = sim_flow(b, a)->sent;

	for (;;) {
		sim_send(a, b);
		sim_send(b, a);
		sim_run(sim, 100 * MILLISECOND);
		if (sim_flow(a, b)->highest > first_ab && sim_flow(b, a)->highest > first_ba)
			break;
		if (sim->time - start_time > limit)
			fail_msg("no traffic after %.1f s", (double)limit / SECOND);
	}
	return sim->time - start_time;
}

struct sim_flow *sim_flow(struct sim_end *from, struct sim_end *to)
{
	return &from->sim->flows[from->number][to->number];
}

struct peer *sim_peer(const struct sim_end *end, const struct sim_end *other)
{
	if (end->shared)
		return tunnel_first_peer(end->tunnel);
	return tunnel_find_peer(end->tunnel, other->public_key);
}

unsigned sim_handshakes(const struct sim_end *end)
{
	return end->messages[SIM_INITIATION] + end->messages[SIM_RESPONSE];
}

uint64_t sim_keepalive_time(const struct sim_kind *kind)
{
	return (kind->cipher == PEER_CIPHER_WIREGUARD ? 10 : 2) * SECOND;
}

uint64_t sim_answer_time(const struct sim_kind *kind)
{
	return (kind->cipher == PEER_CIPHER_WIREGUARD ? 15 : 4) * SECOND;
}

uint64_t sim_retry_time(const struct sim_kind *kind, int n)
{
	return (kind->cipher == PEER_CIPHER_WIREGUARD || n >= 4 ? 5 : 1) * SECOND;
}

/* ---- What must hold always ---- */

static unsigned check_session(
	const struct tunnel *tunnel, const struct peer *peer, const struct session *session)
{
	if (!session)
		return 0;
	assert_false(session->dead);
	assert_ptr_equal(session->peer, peer);
	assert_ptr_equal(tunnel_find_session(tunnel, session->local_index), session);
	assert_true(session->send_counter <= session->cipher->reject_after);
	return 1;
}

static unsigned check_peer(const struct tunnel *tunnel, const struct peer *peer)
{
	unsigned sessions = 0, staged = 0;
	size_t bytes = 0;

	sessions += check_session(tunnel, peer, peer->previous);
	sessions += check_session(tunnel, peer, peer->current);
	sessions += check_session(tunnel, peer, peer->next);
	if (peer->next)
		assert_false(peer->next->initiator);
	for (const struct peer_staged *packet = peer->staged_first; packet; packet = packet->next)
		staged++, bytes += packet->len;
	assert_int_equal(staged, peer->staged_count);
	assert_int_equal(bytes, peer->staged_bytes);
	assert_true(staged <= WIRE_STAGED_MAX && bytes <= WIRE_STAGED_BYTES);
	assert_true(peer->wakeup <= timers_next(&peer->timers));
	assert_ptr_equal(tunnel->wakeups.heap[peer->wakeup_position], peer);
	if (peer->initiation_linked) {
		struct table_link *link = table_find(&tunnel->initiations, peer->initiation_index);

		assert_ptr_equal(link, &peer->by_initiation);
		assert_true(noise_remote_is_pending(peer->noise));
	}
	return sessions;
}

/* Whether the peer can be found by its endpoint, if it has one. */
static bool check_place(const struct tunnel *tunnel, const struct peer *peer)
{
	const struct table_link *link = table_find(&tunnel->endpoints, peer->by_endpoint.hash);

	if (!endpoint_is_set(&peer->endpoint))
		return false;
	while (link && link != &peer->by_endpoint)
		link = table_find_next(link);
	assert_non_null(link);
	return true;
}

void sim_check(const struct sim *sim)
{
	for (unsigned i = 0; i < sim->end_count; i++) {
		const struct tunnel *tunnel = sim->ends[i]->tunnel;
		unsigned sessions = 0, initiations = 0, peers = 0, placed = 0;

		for (const struct peer *peer = tunnel->first_peer; peer; peer = peer->next_peer) {
			sessions += check_peer(tunnel, peer);
			initiations += peer->initiation_linked;
			placed += check_place(tunnel, peer);
			peers++;
		}
		assert_int_equal(sessions, tunnel->sessions.count);
		assert_int_equal(initiations, tunnel->initiations.count);
		assert_int_equal(placed, tunnel->endpoints.count);
		assert_int_equal(peers, tunnel->peers.count);
		assert_int_equal(peers, tunnel->wakeups.count);
		assert_null(tunnel->retired);
		assert_int_equal(tunnel->seal_count, 0);
		assert_int_equal(tunnel->open_count, 0);
		assert_true(tunnel->queue_count <= QUEUE_MAX);
	}
}

/* ---- Programs ---- */

const struct sim_kind sim_kinds[] = {
	{ "wireguard", PEER_CIPHER_WIREGUARD, NULL, false, false },
	{ "wireguard with psk", PEER_CIPHER_WIREGUARD, NULL, true, false },
	{ "culvert auto", PEER_CIPHER_AUTO, NULL, false, false },
	{ "culvert chacha20-poly1305", PEER_CIPHER_FIXED, "chacha20-poly1305", true, false },
	{ "culvert aes-256-gcm", PEER_CIPHER_FIXED, "aes-256-gcm", false, false },
	{ "culvert aegis-128l", PEER_CIPHER_FIXED, "aegis-128l", false, false },
	{ "culvert aegis-256", PEER_CIPHER_FIXED, "aegis-256", false, false },
	{ "shared key", PEER_CIPHER_AUTO, NULL, false, true },
};

const struct sim_kind *const sim_kind_wireguard = &sim_kinds[0];
const struct sim_kind *const sim_kind_auto = &sim_kinds[2];
const struct sim_kind *const sim_kind_shared = &sim_kinds[7];

enum { KINDS = sizeof(sim_kinds) / sizeof(sim_kinds[0]), SCENARIOS = 64 };

static bool is_here(const struct sim_kind *kind)
{
	const struct aead *cipher = kind->fixed ? aead_by_name(kind->fixed) : NULL;

	return !kind->fixed || (cipher && cipher->available());
}

struct job {
	const struct sim_scenario *scenario;
	const struct sim_kind *kind;
	char name[120];
};

static void run_job(void **state)
{
	const struct job *job = *state;

	job->scenario->run(job->kind);
}

int sim_main(const char *name, const struct sim_scenario *scenarios, size_t count)
{
	static struct job jobs[SCENARIOS * KINDS];
	static struct CMUnitTest tests[SCENARIOS * KINDS];
	size_t used = 0;

	if (randombytes_set_implementation(&seeded) || sodium_init() < 0 || count > SCENARIOS)
		return 1;
	for (size_t i = 0; i < count; i++)
		for (size_t k = 0; k < (scenarios[i].once ? 1 : KINDS); k++) {
			struct job *job = &jobs[used];

			if (!is_here(&sim_kinds[k]) ||
				(scenarios[i].culvert &&
					sim_kinds[k].cipher == PEER_CIPHER_WIREGUARD))
				continue;
			job->scenario = &scenarios[i];
			job->kind = &sim_kinds[k];
			snprintf(job->name, sizeof(job->name), "%s%s%s", scenarios[i].name,
				scenarios[i].once ? "" : ": ",
				scenarios[i].once ? "" : job->kind->name);
			tests[used++] = (struct CMUnitTest){
				.name = job->name,
				.test_func = run_job,
				.initial_state = job,
			};
		}
	return _cmocka_run_group_tests(name, tests, used, NULL, NULL);
}
