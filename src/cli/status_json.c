/* SPDX-License-Identifier: ISC */
/* The status as JSON: bytes, seconds, Unix time; what is not known is null. */
#include <inttypes.h>
#include <string.h>

#include "cli/status.h"
#include "host/text.h"

static void put_text(FILE *to, const char *text)
{
	if (!text) {
		fputs("null", to);
		return;
	}
	putc('"', to);
	while (*text) {
		size_t len = text_character_len(text);
		unsigned char byte = (unsigned char)*text;

		if (byte == '"' || byte == '\\')
			fprintf(to, "\\%c", byte);
		else if (byte < 0x20 || byte == 0x7f)
			fprintf(to, "\\u%04x", byte);
		else if (len)
			fwrite(text, 1, len, to);
		else
			fputs("\\ufffd", to);
		text += len ? len : 1;
	}
	putc('"', to);
}

/* Members; each is followed by another. */
static void put_member(FILE *to, const char *key, const char *text)
{
	fprintf(to, "\"%s\": ", key);
	put_text(to, text);
	fputs(", ", to);
}

static void put_number(FILE *to, const char *key, uint64_t number)
{
	fprintf(to, "\"%s\": %" PRIu64 ", ", key, number);
}

/* Where zero stands for "none". */
static void put_number_or_null(FILE *to, const char *key, uint64_t number)
{
	if (number)
		put_number(to, key, number);
	else
		fprintf(to, "\"%s\": null, ", key);
}

/* Members of a list of words with commas; "none" is an empty one. */
static void put_words(FILE *to, const char *words)
{
	const char *separator = "";
	size_t len;

	putc('[', to);
	while (*words && strcmp(words, "none")) {
		char word[32];

		len = strcspn(words, ",");
		snprintf(word, sizeof(word), "%.*s", (int)len, words);
		fputs(separator, to);
		put_text(to, word);
		separator = ",";
		words += len + (words[len] == ',');
	}
	putc(']', to);
}

static void put_offload(FILE *to, const struct status *status)
{
	if (!status->offload_device || !status->offload_sockets) {
		fputs("\"offload\": null, ", to);
		return;
	}
	fputs("\"offload\": {\"device\": ", to);
	put_words(to, status->offload_device);
	fputs(", \"sockets\": ", to);
	put_words(to, status->offload_sockets);
	fputs("}, ", to);
}

static void put_list(FILE *to, const char *key, const char *const *list, size_t count)
{
	fprintf(to, "\"%s\": [", key);
	for (size_t i = 0; i < count; i++) {
		fputs(i ? ", " : "", to);
		put_text(to, list[i]);
	}
	fputs("]", to);
}

static void put_dns(FILE *to, const struct status *status)
{
	if (!status->dns_server_count) {
		fputs("\"dns\": null, ", to);
		return;
	}
	fputs("\"dns\": { ", to);
	put_member(to, "backend", status->dns_backend);
	put_member(to, "error", status->dns_error);
	put_list(to, "servers", status->dns_servers, status->dns_server_count);
	fputs(", ", to);
	put_list(to, "domains", status->dns_domains, status->dns_domain_count);
	fputs(" }, ", to);
}

static void put_seconds_or_null(FILE *to, const char *key, uint64_t nanoseconds)
{
	if (nanoseconds)
		fprintf(to, "\"%s\": %" PRIu64 ".%06" PRIu64 ", ", key, nanoseconds / 1000000000,
			nanoseconds / 1000 % 1000000);
	else
		fprintf(to, "\"%s\": null, ", key);
}

/* From 0 to 1. */
static void put_loss(FILE *to, const struct status_peer *peer)
{
	const uint64_t all = peer->received + peer->lost;

	if (all)
		fprintf(to, "\"loss\": %.4f, ", (double)peer->lost / (double)all);
	else
		fputs("\"loss\": null, ", to);
}

static void put_peer(FILE *to, const struct status_peer *peer, uint64_t now)
{
	fputs("\n      { ", to);
	put_member(to, "public_key", peer->public_key);
	put_member(to, "name", peer->name);
	put_member(to, "state", peer_state_name(status_peer_state(peer, now)));
	put_number_or_null(to, "since", status_peer_since(peer, now));
	put_member(to, "endpoint", peer->endpoint);
	put_member(to, "endpoint_name", peer->endpoint_name);
	put_member(to, "resolve_error", peer->resolve_error);
	put_member(to, "last_error", status_peer_error(peer));
	put_number_or_null(to, "last_handshake", peer->last_handshake);
	put_member(to, "cipher", peer->cipher);
	put_member(to, "session_cipher", peer->session_cipher);
	put_number(to, "rx_bytes", peer->rx_bytes);
	put_number(to, "tx_bytes", peer->tx_bytes);
	put_number(to, "rx_packets", peer->rx_packets);
	put_number(to, "tx_packets", peer->tx_packets);
	put_number(to, "replays", peer->replays);
	put_number(to, "undecryptable", peer->undecryptable);
	put_number(to, "refused_sources", peer->refused_sources);
	put_number(to, "dropped", peer->dropped);
	put_seconds_or_null(to, "rtt", peer->rtt);
	put_loss(to, peer);
	put_number_or_null(to, "persistent_keepalive", peer->keepalive);
	put_number_or_null(to, "addresses", peer->addresses);
	put_list(to, "allowed_ips", peer->allowed_ips, peer->allowed_count);
	fputs(" }", to);
}

static void put_tunnel(FILE *to, const struct status *status, uint64_t now)
{
	fputs("\n    { ", to);
	put_member(to, "name", status->name);
	put_member(to, "state", status->state);
	fprintf(to, "\"degraded\": %s, ", status_is_degraded(status, now) ? "true" : "false");
	put_member(to, "device", status->device);
	put_member(to, "network_namespace", status->network_namespace);
	fprintf(to, "\"network_namespace_lost\": %s, ",
		status->network_namespace_lost ? "true" : "false");
	put_member(to, "link", status->link);
	put_member(to, "bridge", status->bridge);
	fprintf(to, "\"bridge_joined\": %s, ",
		!status->bridge       ? "null"
		: status->bridge_lost ? "false"
				      : "true");
	put_member(to, "config", status->config);
	put_member(to, "user", status->user);
	put_number(to, "pid", status->pid);
	put_number_or_null(to, "engine_pid", status->engine_pid);
	put_number(to, "since", status->since);
	put_number_or_null(to, "mtu", status->mtu);
	put_member(to, "mtu_why", status->mtu_why);
	put_number_or_null(to, "listen_port", status->listen_port);
	put_number_or_null(to, "fwmark", status->fwmark);
	put_offload(to, status);
	put_member(to, "table", status->table);
	put_number(to, "routes", status->routes);
	put_number_or_null(to, "network_changed", status->network_changed);
	put_number_or_null(to, "clock_behind", status->clock_behind);
	fprintf(to, "\"shared_key\": %s, ", status->shared ? "true" : "false");
	put_member(to, "routing", status->routing);
	put_member(to, "kill_switch", status->kill_switch);
	put_number_or_null(to, "paused", status->paused);
	put_member(to, "last_error", status->last_error);
	put_dns(to, status);
	fputs("\"peers\": [", to);
	for (size_t i = 0; i < status->peer_count; i++) {
		fputs(i ? "," : "", to);
		put_peer(to, &status->peers[i], now);
	}
	fputs("] }", to);
}

void status_print_json(FILE *to, const struct status *list, size_t count, uint64_t now)
{
	fprintf(to, "{ \"version\": 1, \"time\": %" PRIu64 ", \"tunnels\": [", now);
	for (size_t i = 0; i < count; i++) {
		fputs(i ? "," : "", to);
		put_tunnel(to, &list[i], now);
	}
	fputs("] }\n", to);
}
