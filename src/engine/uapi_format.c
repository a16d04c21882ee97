/* SPDX-License-Identifier: ISC */
/* The control protocol: a tunnel's state as text. */
#include <arpa/inet.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/uapi_internal.h"

#define NANOSECONDS UINT64_C(1000000000)
#define MILLISECOND UINT64_C(1000000)

/* realloc would leave a copy behind that nobody wipes. */
static bool reserve(struct uapi_text *text, size_t more)
{
	size_t room = text->room ? text->room : UAPI_ANSWER_LINE_SIZE;
	char *bytes;

	if (text->failed)
		return false;
	if (text->room - text->len >= more)
		return true;
	while (room - text->len < more)
		room *= 2;
	bytes = malloc(room);
	if (!bytes) {
		text->failed = true;
		return false;
	}
	if (text->bytes) {
		memcpy(bytes, text->bytes, text->len);
		key_wipe(text->bytes, text->len);
		free(text->bytes);
	}
	text->bytes = bytes;
	text->room = room;
	return true;
}

void uapi_text_add(struct uapi_text *text, const char *format, ...)
{
	va_list args;
	int len;

	if (!reserve(text, UAPI_ANSWER_LINE_SIZE))
		return;
	va_start(args, format);
	len = vsnprintf(text->bytes + text->len, UAPI_ANSWER_LINE_SIZE, format, args);
	va_end(args);
	if (len < 0 || len >= UAPI_ANSWER_LINE_SIZE)
		text->failed = true;
	else
		text->len += (size_t)len;
}

static void add_key(struct uapi_text *text, const char *name, const uint8_t key[KEY_LEN])
{
	char hex[KEY_HEX_SIZE];

	key_to_hex(hex, key);
	uapi_text_add(text, "%s=%s\n", name, hex);
	key_wipe(hex, sizeof(hex));
}

static void add_offload(struct uapi_text *text, const struct fastpath *fastpath)
{
	char words[FASTPATH_WORDS_SIZE];

	fastpath_device_words(words, fastpath);
	uapi_text_add(text, "culvert_offload_device=%s\n", words);
	fastpath_sockets_words(words, fastpath);
	uapi_text_add(text, "culvert_offload_sockets=%s\n", words);
}

static void add_number(struct uapi_text *text, const char *name, uint64_t number)
{
	uapi_text_add(text, "culvert_%s=%" PRIu64 "\n", name, number);
}

static void add_number_if_any(struct uapi_text *text, const char *name, uint64_t number)
{
	if (number)
		add_number(text, name, number);
}

static void add_counters(struct uapi_text *text, const struct tunnel_counters *counters,
	const struct uapi_device *device)
{
	for (int kind = 0; kind < TUNNEL_EVENT_COUNT; kind++)
		add_number(text, tunnel_event_name((enum tunnel_event_kind)kind),
			counters->events[kind]);
	add_number(text, "no_route", counters->no_route);
	add_number(text, "malformed", counters->malformed);
	add_number(text, "floods_dropped", counters->floods_dropped);
	add_number(text, "unknown_session", counters->unknown_session);
	add_number(text, "cookies_sent", counters->cookies_sent);
	add_number(text, "handshakes_dropped", counters->handshakes_dropped);
	add_number(text, "send_errors", device->send_errors);
	add_number(text, "write_errors", device->write_errors);
	if (device->receive_drops)
		add_number(text, "receive_drops", device->receive_drops(device->context));
}

static void add_device(struct uapi_text *text, const struct tunnel *tunnel,
	const struct uapi_device *device, bool secrets)
{
	const struct noise_local *local = tunnel_local(tunnel);

	if (local->has_key && !local->shared && secrets)
		add_key(text, "private_key", local->responder.private_key);
	add_counters(text, tunnel_counters(tunnel), device);
	uapi_text_add(text, "listen_port=%u\n", (unsigned)device->listen_port);
	if (device->fwmark)
		uapi_text_add(text, "fwmark=%" PRIu32 "\n", device->fwmark);
	if (local->shared)
		uapi_text_add(text, "culvert_shared=true\n");
	if (device->fastpath)
		add_offload(text, device->fastpath);
}

static void add_prefix(void *context, int family, const uint8_t *address, unsigned length)
{
	char host[INET6_ADDRSTRLEN];

	inet_ntop(family, address, host, sizeof(host));
	uapi_text_add(context, "allowed_ip=%s/%u\n", host, length);
}

/* Of the sessions that are in use: for some minutes back, that is. */
static void add_loss(struct uapi_text *text, const struct peer *peer)
{
	const struct session *sessions[] = { peer->previous, peer->current, peer->next };
	uint64_t sent = 0, received = 0;

	for (size_t i = 0; i < sizeof(sessions) / sizeof(*sessions); i++) {
		if (!sessions[i])
			continue;
		sent += sessions[i]->replay.next;
		received += sessions[i]->received;
	}
	add_number(text, "received", received);
	add_number(text, "lost", sent - received);
}

static void add_times(struct uapi_text *text, const struct peer *peer)
{
	add_number_if_any(text, "added", peer->added / NANOSECONDS);
	add_number_if_any(text, "up_since", peer->up_since / NANOSECONDS);
	add_number_if_any(text, "unanswered", peer->timers.unanswered);
	add_number_if_any(text, "unanswered_since", peer->unanswered_since / NANOSECONDS);
	add_number_if_any(text, "rtt", peer->rtt);
	if (peer->trouble)
		uapi_text_add(text, "culvert_trouble=%s\n",
			tunnel_event_name((enum tunnel_event_kind)peer->trouble));
}

static void add_extensions(struct uapi_text *text, const struct peer *peer)
{
	static const char *const ciphers[] = {
		[PEER_CIPHER_WIREGUARD] = "none",
		[PEER_CIPHER_AUTO] = "auto",
	};
	const struct peer_counters *counters = &peer->counters;

	uapi_text_add(text, "culvert_cipher=%s\n",
		peer->cipher == PEER_CIPHER_FIXED ? peer->fixed_cipher->name
						  : ciphers[peer->cipher]);
	if (peer->name[0])
		uapi_text_add(text, "culvert_name=%s\n", peer->name);
	if (peer->last_cipher)
		uapi_text_add(text, "culvert_session_cipher=%s\n", peer->last_cipher->name);
	add_number(text, "rx_packets", counters->rx_packets);
	add_number(text, "tx_packets", counters->tx_packets);
	add_number(text, "replays", counters->replays);
	add_number(text, "undecryptable", counters->undecryptable);
	add_number(text, "refused_sources", counters->refused_sources);
	add_number(text, "dropped", counters->dropped);
	add_number_if_any(text, "addresses", peer->port.addresses);
}

static void add_endpoint(struct uapi_text *text, const struct endpoint *endpoint)
{
	char address[ENDPOINT_TEXT_SIZE];

	if (!endpoint_is_set(endpoint))
		return;
	endpoint_to_text(address, endpoint);
	uapi_text_add(text, "endpoint=%s\n", address);
}

static void add_peer(struct uapi_text *text, const struct peer *peer, bool shared, bool secrets)
{
	add_key(text, "public_key", peer->public_key);
	if (secrets && !shared) /* that one was derived from the shared key, which is never told */
		add_key(text, "preshared_key", noise_remote_psk(peer->noise));
	uapi_text_add(text, "protocol_version=1\n");
	add_endpoint(text, &peer->endpoint);
	uapi_text_add(
		text, "last_handshake_time_sec=%" PRIu64 "\n", peer->last_handshake / NANOSECONDS);
	uapi_text_add(
		text, "last_handshake_time_nsec=%" PRIu64 "\n", peer->last_handshake % NANOSECONDS);
	uapi_text_add(text, "tx_bytes=%" PRIu64 "\n", peer->counters.tx_bytes);
	uapi_text_add(text, "rx_bytes=%" PRIu64 "\n", peer->counters.rx_bytes);
	uapi_text_add(text, "persistent_keepalive_interval=%u\n",
		(unsigned)peer->timers.persistent_interval);
	allowedips_walk(&peer->allowed, add_prefix, text);
	add_extensions(text, peer);
	add_times(text, peer);
	add_loss(text, peer);
}

void uapi_text_add_state(struct uapi_text *text, const struct tunnel *tunnel,
	const struct uapi_device *device, bool secrets)
{
	const struct noise_local *local = tunnel_local(tunnel);

	add_device(text, tunnel, device, secrets);
	for (const struct peer *peer = tunnel_first_peer(tunnel); peer; peer = peer->next_peer)
		add_peer(text, peer, local->shared, secrets);
}

static void add_age(struct uapi_text *text, const char *name, uint64_t since, uint64_t now)
{
	if (since)
		uapi_text_add(text, "%s=%" PRIu64 "\n", name, (now - since) / MILLISECOND);
}

void uapi_text_add_reached(struct uapi_text *text, const struct tunnel *tunnel,
	const struct uapi_request *request, struct now now)
{
	for (size_t i = 0; i < request->peer_count; i++) {
		const struct peer *peer = tunnel_find_peer(tunnel, request->peers[i].public_key);

		if (!peer)
			continue;
		add_key(text, "public_key", peer->public_key);
		add_endpoint(text, &peer->endpoint);
		uapi_text_add(text, "rx_bytes=%" PRIu64 "\n", peer->counters.rx_bytes);
		uapi_text_add(text, "persistent_keepalive_interval=%u\n",
			(unsigned)peer->timers.persistent_interval);
		add_age(text, "culvert_handshake_age", peer->last_handshake_boot, now.boot);
		add_age(text, "culvert_waiting", peer->timers.waiting_since, now.boot);
	}
}
