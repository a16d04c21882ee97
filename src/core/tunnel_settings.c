/* SPDX-License-Identifier: ISC */
/* A tunnel's making, its keys, its peers and their settings: all that is not the packet's story. */
#include <errno.h>
#include <stdlib.h>

#include "core/kdf.h"
#include "core/tunnel_internal.h"

/* After so long without a handshake no session is in use: the time to make a new one, to repeat
 * that, and to notice that there is need of one. */
#define ANSWERS_TIME (WIRE_REKEY_AFTER_TIME + WIRE_REKEY_TIMEOUT + WIRE_KEEPALIVE_TIMEOUT)

struct tunnel *tunnel_new(const struct tunnel_ops *ops, void *context)
{
	struct tunnel *tunnel = calloc(1, sizeof(*tunnel));

	if (!tunnel)
		return NULL;
	tunnel->ops = ops;
	tunnel->context = context;
	tunnel->link = TUNNEL_LINK_IP;
	tunnel->turn = TURN_MAX;
	randombytes_buf(tunnel->host_id, sizeof(tunnel->host_id));
	randombytes_buf(tunnel->hash_key, sizeof(tunnel->hash_key));
	tunnel->checker = cookie_checker_new();
	tunnel->allowed = allowedips_new();
	tunnel->queue = malloc(QUEUE_MAX * sizeof(*tunnel->queue));
	tunnel->sealed = malloc(SEALED_BYTES);
	const int failed = table_init(&tunnel->peers) | table_init(&tunnel->sessions) |
			   table_init(&tunnel->initiations) | table_init(&tunnel->endpoints);

	if (failed || !tunnel->checker || !tunnel->allowed || !tunnel->queue || !tunnel->sealed) {
		tunnel_free(tunnel);
		return NULL;
	}
	cookie_checker_set_local(tunnel->checker, &tunnel->local);
	return tunnel;
}

void tunnel_free(struct tunnel *tunnel)
{
	if (!tunnel)
		return;
	while (tunnel->first_peer)
		tunnel_remove_peer(tunnel, tunnel->first_peer);
	if (tunnel->allowed)
		allowedips_free(tunnel->allowed);
	cookie_checker_free(tunnel->checker);
	table_free(&tunnel->peers);
	table_free(&tunnel->sessions);
	table_free(&tunnel->initiations);
	table_free(&tunnel->endpoints);
	wakeups_free(&tunnel->wakeups);
	switch_free(tunnel->addresses);
	free(tunnel->queue);
	free(tunnel->sealed);
	key_wipe(tunnel, sizeof(*tunnel));
	free(tunnel);
}

const struct noise_local *tunnel_local(const struct tunnel *tunnel)
{
	return &tunnel->local;
}

const struct tunnel_counters *tunnel_counters(const struct tunnel *tunnel)
{
	return &tunnel->counters;
}

void tunnel_set_port(struct tunnel *tunnel, uint16_t port)
{
	tunnel->port = port;
}

void tunnel_set_mtu(struct tunnel *tunnel, unsigned mtu)
{
	tunnel->mtu = mtu;
}

void tunnel_set_merging(struct tunnel *tunnel, bool tcp, bool udp)
{
	tunnel->merge_tcp = tcp;
	tunnel->merge_udp = udp;
}

bool tunnel_is_up(const struct tunnel *tunnel)
{
	return tunnel->up;
}

/* What a peer has waiting goes out. A persistent keepalive says hello, and so does the culvert
 * dialect: an end that restarted is not to wait until the other notices. */
static void greet(struct tunnel *tunnel, struct peer *peer, struct now now)
{
	if (!tunnel->up)
		return;
	if (peer->timers.persistent_interval ||
		(peer->timers.quick && !peer->current && endpoint_is_set(&peer->endpoint)))
		tunnel_send_keepalive(tunnel, peer, now);
	else
		tunnel_flush_staged(tunnel, peer, now);
}

static void greet_all(struct tunnel *tunnel, struct now now)
{
	for (struct peer *peer = tunnel->first_peer; peer; peer = peer->next_peer)
		greet(tunnel, peer, now);
	tunnel_reap(tunnel);
}

void tunnel_set_up(struct tunnel *tunnel, bool up, struct now now)
{
	if (tunnel->up == up)
		return;
	tunnel->up = up;
	if (up) {
		greet_all(tunnel, now);
		return;
	}
	for (struct peer *peer = tunnel->first_peer; peer; peer = peer->next_peer) {
		timers_stop(&peer->timers);
		tunnel_drop_sessions(tunnel, peer);
		peer_drop_staged(peer);
	}
	tunnel_reap(tunnel);
}

/* What was agreed no longer holds: the next handshake need not wait for the time that must lie
 * between two. */
static void start_afresh(struct tunnel *tunnel, struct peer *peer)
{
	tunnel_drop_sessions(tunnel, peer);
	timers_start_afresh(&peer->timers);
}

static void drop_all_sessions(struct tunnel *tunnel)
{
	for (struct peer *peer = tunnel->first_peer; peer; peer = peer->next_peer)
		start_afresh(tunnel, peer);
	tunnel_reap(tunnel);
}

/* ---- Links ---- */

static void set_cipher(struct peer *peer, enum peer_cipher cipher, const struct aead *fixed)
{
	peer->cipher = cipher;
	peer->fixed_cipher = fixed;
	peer->timers.quick = peer_dialect(peer) == WIRE_CULVERT;
}

/* The WireGuard dialect knows neither shared keys nor links. */
static bool is_culvert_only(const struct tunnel *tunnel)
{
	return tunnel->local.shared || tunnel->link == TUNNEL_LINK_ETHERNET;
}

int tunnel_set_link(struct tunnel *tunnel, enum tunnel_link link)
{
	if (tunnel->link == link)
		return 0;
	if (link == TUNNEL_LINK_ETHERNET && !tunnel->addresses) {
		tunnel->addresses = switch_new();
		if (!tunnel->addresses)
			return -ENOMEM;
	}
	tunnel->link = link;
	drop_all_sessions(tunnel);
	for (struct peer *peer = tunnel->first_peer; peer; peer = peer->next_peer)
		if (link == TUNNEL_LINK_ETHERNET && peer->cipher == PEER_CIPHER_WIREGUARD)
			set_cipher(peer, PEER_CIPHER_AUTO, NULL);
	return 0;
}

/* A session's handshake says whether we are a switch; one that is about to begin is looked at when
 * it does. */
static void tell_switch(struct tunnel *tunnel)
{
	for (struct peer *peer = tunnel->first_peer; peer; peer = peer->next_peer)
		if (peer->current)
			ethernet_tell_switch(tunnel, peer);
}

/* ---- Keys ---- */

/* Whatever depends on our own key is computed anew. */
static void local_changed(struct tunnel *tunnel, struct now now)
{
	cookie_checker_set_local(tunnel->checker, &tunnel->local);
	drop_all_sessions(tunnel);
	for (struct peer *peer = tunnel->first_peer; peer; peer = peer->next_peer)
		noise_remote_set_local(peer->noise, &tunnel->local);
	greet_all(tunnel, now);
}

int tunnel_set_private_key(
	struct tunnel *tunnel, const uint8_t private_key[KEY_LEN], struct now now)
{
	struct noise_local local = { 0 };

	if (tunnel->local.shared)
		return -EBUSY;
	noise_local_set_private(&local, private_key);
	if (!key_equal(local.initiator.private_key, tunnel->local.initiator.private_key)) {
		tunnel->local = local;
		struct peer *ourselves =
			local.has_key ? tunnel_find_peer(tunnel, local.responder.public_key) : NULL;

		if (ourselves)
			tunnel_remove_peer(tunnel, ourselves);
		local_changed(tunnel, now);
	}
	key_wipe(&local, sizeof(local));
	return 0;
}

void tunnel_set_host_id(struct tunnel *tunnel, const uint8_t id[KEY_LEN])
{
	memcpy(tunnel->host_id, id, KEY_LEN);
}

int tunnel_set_shared_key(struct tunnel *tunnel, const uint8_t shared_key[KEY_LEN], struct now now)
{
	uint8_t digest[KEY_LEN];
	uint8_t psk[KEY_LEN];
	struct peer *peer;
	int ret;

	kdf_hash(digest, tunnel->hash_key, sizeof(tunnel->hash_key), shared_key, KEY_LEN);
	if (tunnel->local.shared && key_equal(digest, tunnel->shared_key))
		return 0;
	while (tunnel->first_peer)
		tunnel_remove_peer(tunnel, tunnel->first_peer);
	noise_local_set_shared(&tunnel->local, psk, shared_key);
	kdf_mac(tunnel->instance, shared_key, KEY_LEN, tunnel->host_id, sizeof(tunnel->host_id));
	local_changed(tunnel, now);
	ret = tunnel_add_peer(tunnel, tunnel->local.responder.public_key, &peer);
	if (!ret) {
		noise_remote_set_psk(peer->noise, psk);
		memcpy(tunnel->shared_key, digest, sizeof(digest));
	}
	key_wipe(psk, sizeof(psk));
	return ret;
}

/* ---- Peers ---- */

static uint64_t hash_key(const struct tunnel *tunnel, const uint8_t public_key[KEY_LEN])
{
	uint64_t hash;

	crypto_shorthash((uint8_t *)&hash, public_key, KEY_LEN, tunnel->hash_key);
	return hash;
}

struct peer *tunnel_first_peer(const struct tunnel *tunnel)
{
	return tunnel->first_peer;
}

struct peer *tunnel_find_peer(const struct tunnel *tunnel, const uint8_t public_key[KEY_LEN])
{
	struct table_link *link = table_find(&tunnel->peers, hash_key(tunnel, public_key));

	for (; link; link = table_find_next(link)) {
		struct peer *peer = TABLE_ENTRY(link, struct peer, by_key);

		if (key_equal(peer->public_key, public_key))
			return peer;
	}
	return NULL;
}

static void append_peer(struct tunnel *tunnel, struct peer *peer)
{
	peer->previous_peer = tunnel->last_peer;
	if (tunnel->last_peer)
		tunnel->last_peer->next_peer = peer;
	else
		tunnel->first_peer = peer;
	tunnel->last_peer = peer;
}

static void detach_peer(struct tunnel *tunnel, struct peer *peer)
{
	if (peer->previous_peer)
		peer->previous_peer->next_peer = peer->next_peer;
	else
		tunnel->first_peer = peer->next_peer;
	if (peer->next_peer)
		peer->next_peer->previous_peer = peer->previous_peer;
	else
		tunnel->last_peer = peer->previous_peer;
}

/* The one peer of a shared key has the responder's key, which is one of ours as well. */
static bool may_be_peer(const struct tunnel *tunnel, const uint8_t public_key[KEY_LEN])
{
	const bool ours =
		tunnel->local.has_key && key_equal(public_key, tunnel->local.responder.public_key);

	return tunnel->local.shared ? ours && !tunnel->first_peer : !ours;
}

int tunnel_add_peer(struct tunnel *tunnel, const uint8_t public_key[KEY_LEN], struct peer **out)
{
	if (tunnel_find_peer(tunnel, public_key))
		return -EEXIST;
	if (!may_be_peer(tunnel, public_key))
		return -EINVAL;
	struct peer *peer = peer_new(public_key);

	if (!peer)
		return -ENOMEM;
	if (wakeups_add(&tunnel->wakeups, peer)) {
		peer_free(peer);
		return -ENOMEM;
	}
	noise_remote_set_local(peer->noise, &tunnel->local);
	cookie_derive_keys(&peer->cookie.initiation_keys, public_key);
	cookie_derive_keys(&peer->cookie.response_keys,
		tunnel->local.shared ? tunnel->local.initiator.public_key : public_key);
	if (is_culvert_only(tunnel))
		set_cipher(peer, PEER_CIPHER_AUTO, NULL);
	table_insert(&tunnel->peers, &peer->by_key, hash_key(tunnel, public_key));
	const bool was_switch = tunnel_is_switch(tunnel);

	append_peer(tunnel, peer);
	if (tunnel_is_switch(tunnel) != was_switch)
		tell_switch(tunnel);
	*out = peer;
	return 0;
}

void tunnel_remove_peer(struct tunnel *tunnel, struct peer *peer)
{
	tunnel_drop_sessions(tunnel, peer);
	tunnel_reap(tunnel);
	allowedips_remove_owner(tunnel->allowed, &peer->allowed);
	wakeups_remove(&tunnel->wakeups, peer);
	table_remove(&tunnel->peers, &peer->by_key);
	if (endpoint_is_set(&peer->endpoint))
		table_remove(&tunnel->endpoints, &peer->by_endpoint);
	if (tunnel->addresses)
		switch_forget(tunnel->addresses, &peer->port);
	const bool was_switch = tunnel_is_switch(tunnel);

	detach_peer(tunnel, peer);
	if (tunnel_is_switch(tunnel) != was_switch)
		tell_switch(tunnel);
	peer_free(peer);
}

int tunnel_set_psk(struct tunnel *tunnel, struct peer *peer, const uint8_t psk[KEY_LEN])
{
	if (tunnel->local.shared)
		return -EINVAL;
	if (key_equal(noise_remote_psk(peer->noise), psk))
		return 0;
	noise_remote_set_psk(peer->noise, psk);
	start_afresh(tunnel, peer);
	tunnel_reap(tunnel);
	return 0;
}

int tunnel_set_cipher(
	struct tunnel *tunnel, struct peer *peer, enum peer_cipher cipher, const struct aead *fixed)
{
	if (is_culvert_only(tunnel) && cipher == PEER_CIPHER_WIREGUARD)
		return -EINVAL;
	if (peer->cipher == cipher && peer->fixed_cipher == fixed)
		return 0;
	set_cipher(peer, cipher, fixed);
	start_afresh(tunnel, peer);
	tunnel_reap(tunnel);
	return 0;
}

void tunnel_set_endpoint(
	struct tunnel *tunnel, struct peer *peer, const struct endpoint *endpoint, struct now now)
{
	if (endpoint_equal(&peer->endpoint, endpoint))
		return;
	tunnel_place_peer(tunnel, peer, endpoint);
	greet(tunnel, peer, now);
	tunnel_reap(tunnel);
}

/* Whether the peer is reached where its endpoint says. */
static bool is_reached(const struct peer *peer, uint64_t now)
{
	return peer->last_handshake_boot && !peer->timers.waiting_since &&
	       now - peer->last_handshake_boot < ANSWERS_TIME;
}

void tunnel_try_endpoint(
	struct tunnel *tunnel, struct peer *peer, const struct endpoint *endpoint, struct now now)
{
	if (endpoint_is_set(&peer->endpoint) && is_reached(peer, now.boot))
		return;
	if (!peer->timers.waiting_since) {
		tunnel_set_endpoint(tunnel, peer, endpoint, now);
		return;
	}
	if (endpoint_equal(&peer->endpoint, endpoint))
		return;
	tunnel_place_peer(tunnel, peer, endpoint);
	timers_initiate_at(&peer->timers, now.boot);
	tunnel_schedule(tunnel, peer);
}

void tunnel_set_keepalive(
	struct tunnel *tunnel, struct peer *peer, uint16_t seconds, struct now now)
{
	const bool starts = seconds && !peer->timers.persistent_interval;

	peer->timers.persistent_interval = seconds;
	if (!seconds)
		peer->timers.persistent = TIMERS_NEVER;
	if (starts)
		greet(tunnel, peer, now);
	tunnel_reap(tunnel);
}

int tunnel_allow(struct tunnel *tunnel, struct peer *peer, int family, const uint8_t *address,
	unsigned length)
{
	return allowedips_insert(tunnel->allowed, family, address, length, &peer->allowed);
}

int tunnel_disallow(struct tunnel *tunnel, struct peer *peer, int family, const uint8_t *address,
	unsigned length)
{
	return allowedips_remove(tunnel->allowed, family, address, length, &peer->allowed);
}

void tunnel_disallow_all(struct tunnel *tunnel, struct peer *peer)
{
	allowedips_remove_owner(tunnel->allowed, &peer->allowed);
}

void tunnel_clear_sources(struct tunnel *tunnel)
{
	for (struct peer *peer = tunnel->first_peer; peer; peer = peer->next_peer)
		endpoint_clear_source(&peer->endpoint);
}

static bool wants_session(const struct peer *peer, uint64_t max_age, uint64_t now)
{
	const bool had = peer->last_handshake_boot && now - peer->last_handshake_boot < max_age;

	return endpoint_is_set(&peer->endpoint) &&
	       (had || peer->staged_first || peer->timers.waiting_since ||
		       peer->timers.persistent_interval);
}

void tunnel_handshake_all(struct tunnel *tunnel, uint64_t max_age, struct now now)
{
	uint64_t when = now.boot;
	unsigned count = 0;

	if (!tunnel->up || !tunnel->local.has_key)
		return;
	for (struct peer *peer = tunnel->first_peer; peer; peer = peer->next_peer) {
		if (!wants_session(peer, max_age, now.boot))
			continue;
		timers_start_afresh(&peer->timers);
		timers_initiate_at(&peer->timers, when);
		tunnel_schedule(tunnel, peer);
		if (++count >= HANDSHAKE_CROWD)
			when += HANDSHAKE_CROWD_INTERVAL;
	}
}
