/* SPDX-License-Identifier: ISC */
/* Taking the answers of monitor and engine apart. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/status.h"
#include "core/tunnel.h"
#include "host/answer.h"

static const struct answer_field monitor_fields[] = {
	ANSWER_TEXT("name", struct status, name),
	ANSWER_TEXT("state", struct status, state),
	ANSWER_TEXT("device", struct status, device),
	ANSWER_TEXT("network_namespace", struct status, network_namespace),
	ANSWER_TEXT("config", struct status, config),
	ANSWER_TEXT("link", struct status, link),
	ANSWER_TEXT("bridge", struct status, bridge),
	ANSWER_TEXT("bridge_lost", struct status, bridge_lost),
	ANSWER_NUMBER("network_namespace_lost", struct status, network_namespace_lost),
	ANSWER_TEXT("mtu_why", struct status, mtu_why),
	ANSWER_TEXT("user", struct status, user),
	ANSWER_TEXT("last_error", struct status, last_error),
	ANSWER_TEXT("dns_backend", struct status, dns_backend),
	ANSWER_TEXT("dns_error", struct status, dns_error),
	ANSWER_TEXT("routing", struct status, routing),
	ANSWER_TEXT("kill_switch", struct status, kill_switch),
	ANSWER_NUMBER("mark", struct status, mark_of_rules),
	ANSWER_NUMBER("paused", struct status, paused),
	ANSWER_NUMBER("pid", struct status, pid),
	ANSWER_NUMBER("engine_pid", struct status, engine_pid),
	ANSWER_NUMBER("since", struct status, since),
	ANSWER_NUMBER("mtu", struct status, mtu),
	ANSWER_TEXT("table", struct status, table),
	ANSWER_NUMBER("routes", struct status, routes),
	ANSWER_NUMBER("network_changed", struct status, network_changed),
	ANSWER_NUMBER("clock_behind", struct status, clock_behind),
	{ 0 },
};

static const struct answer_field monitor_peer_fields[] = {
	ANSWER_TEXT("endpoint_name", struct status_peer, endpoint_name),
	ANSWER_TEXT("resolve_error", struct status_peer, resolve_error),
	{ 0 },
};

static const struct answer_field engine_fields[] = {
	{ "private_key", ANSWER_IS_SECRET, 0 },
	ANSWER_NUMBER("listen_port", struct status, listen_port),
	ANSWER_NUMBER("fwmark", struct status, fwmark),
	ANSWER_TEXT("culvert_offload_device", struct status, offload_device),
	ANSWER_TEXT("culvert_offload_sockets", struct status, offload_sockets),
	{ 0 },
};

static const struct answer_field engine_peer_fields[] = {
	{ "preshared_key", ANSWER_IS_SECRET, 0 },
	ANSWER_TEXT("endpoint", struct status_peer, endpoint),
	ANSWER_TEXT("culvert_name", struct status_peer, name),
	ANSWER_TEXT("culvert_trouble", struct status_peer, trouble),
	ANSWER_TEXT("culvert_cipher", struct status_peer, cipher),
	ANSWER_TEXT("culvert_session_cipher", struct status_peer, session_cipher),
	ANSWER_NUMBER("last_handshake_time_sec", struct status_peer, last_handshake),
	ANSWER_NUMBER("rx_bytes", struct status_peer, rx_bytes),
	ANSWER_NUMBER("tx_bytes", struct status_peer, tx_bytes),
	ANSWER_NUMBER("culvert_rx_packets", struct status_peer, rx_packets),
	ANSWER_NUMBER("culvert_tx_packets", struct status_peer, tx_packets),
	ANSWER_NUMBER("culvert_replays", struct status_peer, replays),
	ANSWER_NUMBER("culvert_undecryptable", struct status_peer, undecryptable),
	ANSWER_NUMBER("culvert_refused_sources", struct status_peer, refused_sources),
	ANSWER_NUMBER("culvert_dropped", struct status_peer, dropped),
	ANSWER_NUMBER("culvert_addresses", struct status_peer, addresses),
	ANSWER_NUMBER("culvert_received", struct status_peer, received),
	ANSWER_NUMBER("culvert_lost", struct status_peer, lost),
	ANSWER_NUMBER("culvert_rtt", struct status_peer, rtt),
	ANSWER_NUMBER("culvert_unanswered", struct status_peer, unanswered),
	ANSWER_NUMBER("culvert_added", struct status_peer, added),
	ANSWER_NUMBER("culvert_up_since", struct status_peer, up_since),
	ANSWER_NUMBER("culvert_unanswered_since", struct status_peer, unanswered_since),
	{ 0 },
};

/* A list's room is the next power of two. */
static void *grow(void *items, size_t count, size_t size)
{
	if (count & (count - 1))
		return items;
	return reallocarray(items, count ? count * 2 : 1, size);
}

static int add_peer(struct status *status, const char *hex)
{
	uint8_t key[KEY_LEN];
	struct status_peer *peers;

	if (key_from_hex(key, hex))
		return -EINVAL;
	peers = grow(status->peers, status->peer_count, sizeof(*peers));
	if (!peers)
		return -ENOMEM;
	status->peers = peers;
	peers += status->peer_count++;
	*peers = (struct status_peer){ 0 };
	key_to_base64(peers->public_key, key);
	return 0;
}

static int add_to_list(const char ***list, size_t *count, const char *text)
{
	const char **larger = grow(*list, *count, sizeof(*larger));

	if (!larger)
		return -ENOMEM;
	*list = larger;
	larger[(*count)++] = text;
	return 0;
}

static int take_engine_line(struct status *status, const char *key, char *value)
{
	struct status_peer *peer =
		status->peer_count ? &status->peers[status->peer_count - 1] : NULL;

	if (!strcmp(key, "public_key"))
		return add_peer(status, value);
	if (!strcmp(key, "errno")) {
		status->engine_answered = !strcmp(value, "0");
		return 0;
	}
	if (!peer) {
		if (!strcmp(key, "culvert_shared"))
			status->shared = !strcmp(value, "true");
		answer_take(engine_fields, status, key, value);
		return 0;
	}
	if (!strcmp(key, "allowed_ip"))
		return add_to_list(&peer->allowed_ips, &peer->allowed_count, value);
	if (!strcmp(key, "persistent_keepalive_interval"))
		peer->keepalive = (unsigned)strtoul(value, NULL, 10);
	answer_take(engine_peer_fields, peer, key, value);
	return 0;
}

int status_parse_engine(struct status *status, char *answer)
{
	char *key, *value;
	int error = 0;

	/* To the end even after an error, so that no secret stays. */
	while (answer_next_pair(&answer, &key, &value)) {
		int line_error = take_engine_line(status, key, value);

		if (!error)
			error = line_error;
	}
	if (!error && !status->engine_answered)
		error = -EINVAL;
	return error;
}

/* From the one behind the last that was found on: the two answers have the same order, mostly. */
static struct status_peer *find_peer(
	struct status *status, const struct status_peer *last, const char *public_key)
{
	const size_t count = status->peer_count;
	const size_t first = last ? (size_t)(last - status->peers) + 1 : 0;

	for (size_t i = 0; i < count; i++) {
		struct status_peer *peer = &status->peers[(first + i) % count];

		if (!strcmp(peer->public_key, public_key))
			return peer;
	}
	return NULL;
}

static int take_monitor_line(struct status *status, const char *key, char *value)
{
	if (!strcmp(key, "dns_server"))
		return add_to_list(&status->dns_servers, &status->dns_server_count, value);
	if (!strcmp(key, "dns_domain"))
		return add_to_list(&status->dns_domains, &status->dns_domain_count, value);
	answer_take(monitor_fields, status, key, value);
	return 0;
}

int status_parse_monitor(struct status *status, char *answer)
{
	struct status_peer nobody = { 0 }, *peer = NULL, *last = NULL;
	char *key, *value;
	int error = 0;

	while (!error && answer_next_pair(&answer, &key, &value)) {
		if (!strcmp(key, "peer")) {
			peer = find_peer(status, last, value);
			/* One that somebody removed with `wg`, say. */
			if (!peer)
				peer = &nobody;
			else
				last = peer;
		} else if (!peer) {
			error = take_monitor_line(status, key, value);
		} else if (!strcmp(key, "resolved")) {
			peer->unresolved = !strcmp(value, "false");
		} else {
			answer_take(monitor_peer_fields, peer, key, value);
		}
	}
	if (error)
		return error;
	return status->name && status->state && status->device ? 0 : -EINVAL;
}

void status_free(struct status *status)
{
	for (size_t i = 0; i < status->peer_count; i++)
		free(status->peers[i].allowed_ips);
	free(status->peers);
	free(status->dns_servers);
	free(status->dns_domains);
	*status = (struct status){ 0 };
}

static struct peer_facts facts_of(const struct status_peer *peer)
{
	return (struct peer_facts){ .last_handshake = peer->last_handshake,
		.tx_bytes = peer->tx_bytes,
		.keepalive = peer->keepalive,
		.unanswered = peer->unanswered,
		.added = peer->added,
		.up_since = peer->up_since,
		.unanswered_since = peer->unanswered_since,
		.endpoint = peer->endpoint,
		.unresolved = peer->unresolved };
}

enum peer_state status_peer_state(const struct status_peer *peer, uint64_t now)
{
	const struct peer_facts facts = facts_of(peer);

	return peer_state(&facts, now);
}

uint64_t status_peer_since(const struct status_peer *peer, uint64_t now)
{
	const struct peer_facts facts = facts_of(peer);

	return peer_state_since(&facts, now);
}

const char *status_peer_error(const struct status_peer *peer)
{
	if (peer->unresolved && peer->resolve_error)
		return peer->resolve_error;
	for (int kind = 0; peer->trouble && kind < TUNNEL_EVENT_COUNT; kind++) {
		if (!strcmp(peer->trouble, tunnel_event_name((enum tunnel_event_kind)kind)))
			return tunnel_event_text((enum tunnel_event_kind)kind);
	}
	return peer->trouble;
}

bool status_is_ethernet(const struct status *status)
{
	return status->link && !strcmp(status->link, "ethernet");
}

bool status_lacks_mark(const struct status *status)
{
	return status->engine_answered && status->mark_of_rules &&
	       status->mark_of_rules != status->fwmark;
}

bool status_is_degraded(const struct status *status, uint64_t now)
{
	if (!status->engine_answered || strcmp(status->state, "running") || status->dns_error ||
		status->bridge_lost || status->network_namespace_lost || status_lacks_mark(status))
		return true;
	for (size_t i = 0; i < status->peer_count; i++) {
		const struct peer_facts facts = facts_of(&status->peers[i]);

		if (peer_is_missed(&facts, status->peers[i].endpoint_name, now))
			return true;
	}
	return false;
}
