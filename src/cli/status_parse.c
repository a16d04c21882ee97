/* SPDX-License-Identifier: ISC */
/* Taking the answers of monitor and engine apart. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/status.h"
#include "core/tunnel.h"

/* Where a line's value goes. */
struct field {
	const char *key;
	enum { FIELD_TEXT, FIELD_NUMBER, FIELD_SECRET } kind;
	size_t offset;
};

#define TEXT(key, type, member)                         \
	{                                               \
		key, FIELD_TEXT, offsetof(type, member) \
	}
#define NUMBER(key, type, member)                         \
	{                                                 \
		key, FIELD_NUMBER, offsetof(type, member) \
	}

static const struct field monitor_fields[] = {
	TEXT("name", struct status, name),
	TEXT("state", struct status, state),
	TEXT("device", struct status, device),
	TEXT("network_namespace", struct status, network_namespace),
	TEXT("config", struct status, config),
	TEXT("mtu_why", struct status, mtu_why),
	TEXT("user", struct status, user),
	TEXT("last_error", struct status, last_error),
	TEXT("dns_backend", struct status, dns_backend),
	TEXT("dns_error", struct status, dns_error),
	TEXT("routing", struct status, routing),
	TEXT("kill_switch", struct status, kill_switch),
	NUMBER("mark", struct status, mark_of_rules),
	NUMBER("paused", struct status, paused),
	NUMBER("pid", struct status, pid),
	NUMBER("engine_pid", struct status, engine_pid),
	NUMBER("since", struct status, since),
	NUMBER("mtu", struct status, mtu),
	TEXT("table", struct status, table),
	NUMBER("routes", struct status, routes),
	NUMBER("network_changed", struct status, network_changed),
	NUMBER("clock_behind", struct status, clock_behind),
	{ 0 },
};

static const struct field monitor_peer_fields[] = {
	TEXT("endpoint_name", struct status_peer, endpoint_name),
	TEXT("resolve_error", struct status_peer, resolve_error),
	{ 0 },
};

static const struct field engine_fields[] = {
	{ "private_key", FIELD_SECRET, 0 },
	NUMBER("listen_port", struct status, listen_port),
	NUMBER("fwmark", struct status, fwmark),
	TEXT("culvert_offload_device", struct status, offload_device),
	TEXT("culvert_offload_sockets", struct status, offload_sockets),
	{ 0 },
};

static const struct field engine_peer_fields[] = {
	{ "preshared_key", FIELD_SECRET, 0 },
	TEXT("endpoint", struct status_peer, endpoint),
	TEXT("culvert_name", struct status_peer, name),
	TEXT("culvert_trouble", struct status_peer, trouble),
	TEXT("culvert_cipher", struct status_peer, cipher),
	TEXT("culvert_session_cipher", struct status_peer, session_cipher),
	NUMBER("last_handshake_time_sec", struct status_peer, last_handshake),
	NUMBER("rx_bytes", struct status_peer, rx_bytes),
	NUMBER("tx_bytes", struct status_peer, tx_bytes),
	NUMBER("culvert_rx_packets", struct status_peer, rx_packets),
	NUMBER("culvert_tx_packets", struct status_peer, tx_packets),
	NUMBER("culvert_replays", struct status_peer, replays),
	NUMBER("culvert_undecryptable", struct status_peer, undecryptable),
	NUMBER("culvert_refused_sources", struct status_peer, refused_sources),
	NUMBER("culvert_dropped", struct status_peer, dropped),
	NUMBER("culvert_received", struct status_peer, received),
	NUMBER("culvert_lost", struct status_peer, lost),
	NUMBER("culvert_rtt", struct status_peer, rtt),
	NUMBER("culvert_unanswered", struct status_peer, unanswered),
	NUMBER("culvert_added", struct status_peer, added),
	NUMBER("culvert_up_since", struct status_peer, up_since),
	NUMBER("culvert_unanswered_since", struct status_peer, unanswered_since),
	{ 0 },
};

static void take_field(const struct field *fields, void *record, const char *key, char *value)
{
	for (; fields->key; fields++) {
		char *at = (char *)record + fields->offset;

		if (strcmp(fields->key, key))
			continue;
		if (fields->kind == FIELD_TEXT)
			*(const char **)(void *)at = value;
		else if (fields->kind == FIELD_NUMBER)
			*(uint64_t *)(void *)at = strtoull(value, NULL, 10);
		else
			key_wipe(value, strlen(value));
		return;
	}
}

/* The next KEY=VALUE of the answer; false: the blank line, or its end. */
static bool next_pair(char **answer, char **key, char **value)
{
	*key = strsep(answer, "\n");
	if (!*key || !**key)
		return false;
	*value = strchr(*key, '=');
	if (!*value)
		return false;
	*(*value)++ = '\0';
	return true;
}

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
		take_field(engine_fields, status, key, value);
		return 0;
	}
	if (!strcmp(key, "allowed_ip"))
		return add_to_list(&peer->allowed_ips, &peer->allowed_count, value);
	if (!strcmp(key, "persistent_keepalive_interval"))
		peer->keepalive = (unsigned)strtoul(value, NULL, 10);
	take_field(engine_peer_fields, peer, key, value);
	return 0;
}

int status_parse_engine(struct status *status, char *answer)
{
	char *key, *value;
	int error = 0;

	/* To the end even after an error, so that no secret stays. */
	while (next_pair(&answer, &key, &value)) {
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
	take_field(monitor_fields, status, key, value);
	return 0;
}

int status_parse_monitor(struct status *status, char *answer)
{
	struct status_peer nobody = { 0 }, *peer = NULL, *last = NULL;
	char *key, *value;
	int error = 0;

	while (!error && next_pair(&answer, &key, &value)) {
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
			take_field(monitor_peer_fields, peer, key, value);
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
		.has_endpoint = peer->endpoint,
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

bool status_lacks_mark(const struct status *status)
{
	return status->engine_answered && status->mark_of_rules &&
	       status->mark_of_rules != status->fwmark;
}

bool status_is_degraded(const struct status *status, uint64_t now)
{
	if (!status->engine_answered || strcmp(status->state, "running") || status->dns_error ||
		status_lacks_mark(status))
		return true;
	for (size_t i = 0; i < status->peer_count; i++) {
		const struct peer_facts facts = facts_of(&status->peers[i]);

		if (peer_is_missed(&facts, status->peers[i].endpoint_name, now))
			return true;
	}
	return false;
}
