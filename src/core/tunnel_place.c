/* SPDX-License-Identifier: ISC */
/* Where peers are reached: endpoints, roaming, and messages of ours that come back to us. */
#include "core/inner.h"
#include "core/tunnel_internal.h"

static uint64_t hash_place(const struct tunnel *tunnel, const uint8_t *bytes, size_t len)
{
	uint64_t hash;

	crypto_shorthash((uint8_t *)&hash, bytes, len, tunnel->hash_key);
	return hash;
}

bool tunnel_place_peer(struct tunnel *tunnel, struct peer *peer, const struct endpoint *endpoint)
{
	const bool moves = !endpoint_equal(&peer->endpoint, endpoint);
	uint8_t bytes[18];

	if (moves && endpoint_is_set(&peer->endpoint))
		table_remove(&tunnel->endpoints, &peer->by_endpoint);
	peer->endpoint = *endpoint;
	if (moves && endpoint_is_set(endpoint))
		table_insert(&tunnel->endpoints, &peer->by_endpoint,
			hash_place(tunnel, bytes, endpoint_to_bytes(endpoint, bytes)));
	return moves;
}

void tunnel_roam(struct tunnel *tunnel, struct peer *peer, const struct endpoint *from)
{
	const bool was_somewhere = endpoint_is_set(&peer->endpoint);

	if (tunnel_place_peer(tunnel, peer, from) && was_somewhere)
		tunnel_report(tunnel,
			(struct tunnel_event){
				.kind = TUNNEL_ENDPOINT_CHANGED, .peer = peer, .from = from });
}

/* The peer that is reached where UDP goes to, or NULL. */
static const struct peer *find_peer_at(
	const struct tunnel *tunnel, const uint8_t *packet, size_t len)
{
	uint8_t bytes[18];
	const size_t place = inner_udp_destination(packet, len, bytes);
	const struct table_link *link =
		place ? table_find(&tunnel->endpoints, hash_place(tunnel, bytes, place)) : NULL;

	for (; link; link = table_find_next(link)) {
		const struct peer *peer = TABLE_ENTRY(link, struct peer, by_endpoint);

		if (inner_is_udp_to(packet, len, &peer->endpoint))
			return peer;
	}
	return NULL;
}

/* Our own message, which the host's routes sent back to us: sealed again and again it would go
 * round for ever. To another peer than the one it is on its way to, it may go round between the two
 * of them. Returns whose message it is, or NULL. */
static const struct peer *find_loop(
	const struct tunnel *tunnel, const uint8_t *packet, size_t len, const struct peer *to)
{
	if (to && inner_is_udp_to(packet, len, &to->endpoint))
		return to;
	if (to && (!tunnel->port || !inner_is_udp_from(packet, len, tunnel->port)))
		return NULL;
	return find_peer_at(tunnel, packet, len);
}

bool tunnel_comes_back(struct tunnel *tunnel, const uint8_t *packet, size_t len,
	const struct peer *from, const struct peer *to)
{
	const struct peer *peer = find_loop(tunnel, packet, len, to);

	if (!peer)
		return false;
	/* Through whose network it went; what is in it, he may have made up, to blame another. */
	if (from)
		peer = from;
	tunnel->counters.no_route++;
	tunnel_report(tunnel,
		(struct tunnel_event){
			.kind = TUNNEL_ROUTING_LOOP, .peer = peer, .from = &peer->endpoint });
	return true;
}
