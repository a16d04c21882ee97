/* SPDX-License-Identifier: ISC */
/* The metrics page. Each metric is a row of a table; rows of one name are one metric with several
 * labels. */
#include "host/metrics_page.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/key.h"

enum unit {
	UNIT_ONE,
	UNIT_NANOSECONDS, /* shown in seconds; 0 is not known */
	UNIT_LOSS,        /* the part of received and lost that was lost */
	UNIT_ADDRESSES,   /* of a switch alone: an Ethernet tunnel with several peers */
};

struct row {
	const char *key; /* in the answer, NULL: not from there */
	const char *name, *type, *help;
	const char *label; /* beside the interface's, NULL: none */
	enum unit unit;
};

#define COUNTER(key, name, help)                                    \
	{                                                           \
		key, name "_total", "counter", help, NULL, UNIT_ONE \
	}
#define LABELED(key, name, help, label)                              \
	{                                                            \
		key, name "_total", "counter", help, label, UNIT_ONE \
	}
#define FAILURE(reason)                                                               \
	LABELED("culvert_" reason, "culvert_handshake_failures",                      \
		"Handshakes that came to nothing, by what culvert(8) calls reasons.", \
		"reason=\"" reason "\"")
#define DROP(key, reason)                                                                        \
	LABELED(key, "culvert_drops", "Packets and messages that belong to no peer or session.", \
		"reason=\"" reason "\"")
#define TUN_DROP(key, direction)                                          \
	LABELED(key, "culvert_tun_drops",                                 \
		"Writes to and reads of the network device that failed.", \
		"direction=\"" direction "\"")
#define UDP_DROP(key, direction)                                                               \
	LABELED(key, "culvert_udp_drops",                                                      \
		"Datagrams that the socket did not take or had no room for; sends in bursts.", \
		"direction=\"" direction "\"")

/* The first of them do not come from the answer. */
enum { ROW_SINCE, ROW_LOOKUPS, ROW_TUN_DROPS };

static const struct row tunnel_rows[] = {
	[ROW_SINCE] = { NULL, "culvert_start_time_seconds", "gauge",
		"Unix time at which the tunnel was started.", NULL, UNIT_ONE },
	[ROW_LOOKUPS] = COUNTER(NULL, "culvert_lookup_failures",
		"Look-ups of endpoint names that gave no address."),
	[ROW_TUN_DROPS] = TUN_DROP(NULL, "from_host"),
	TUN_DROP("culvert_write_errors", "to_host"),
	UDP_DROP("culvert_send_errors", "sent"),
	UDP_DROP("culvert_receive_drops", "received"),
	COUNTER("culvert_session_up", "culvert_sessions", "Handshakes that opened a session."),
	COUNTER("culvert_rekeyed", "culvert_rekeys", "Handshakes that renewed a session."),
	COUNTER("culvert_endpoint_changed", "culvert_endpoint_changes",
		"Peers that moved to another address."),
	COUNTER("culvert_cookies_sent", "culvert_cookies_sent",
		"Handshakes that were answered with a cookie, under load."),
	FAILURE("gave_up"),
	FAILURE("no_answer"),
	FAILURE("not_for_us"),
	FAILURE("unknown_peer"),
	FAILURE("bad_initiation"),
	FAILURE("bad_response"),
	FAILURE("old_timestamp"),
	FAILURE("wrong_dialect"),
	FAILURE("no_common_cipher"),
	FAILURE("cipher_refused"),
	FAILURE("other_link"),
	FAILURE("link_refused"),
	FAILURE("bad_fields"),
	FAILURE("reflection"),
	FAILURE("bad_peer_key"),
	FAILURE("handshakes_dropped"),
	DROP("culvert_no_route", "no_route"),
	DROP("culvert_malformed", "malformed"),
	DROP("culvert_floods_dropped", "flood"),
	DROP("culvert_unknown_session", "unknown_session"),
};

static const struct row peer_rows[] = {
	COUNTER("tx_bytes", "wireguard_sent_bytes", "Bytes sent to the peer."),
	COUNTER("rx_bytes", "wireguard_received_bytes", "Bytes received from the peer."),
	{ "last_handshake_time_sec", "wireguard_latest_handshake_seconds", "gauge",
		"Unix time of the last handshake; 0: never.", NULL, UNIT_ONE },
	COUNTER("culvert_tx_packets", "culvert_sent_packets", "Packets sealed for the peer."),
	COUNTER("culvert_rx_packets", "culvert_received_packets",
		"Packets from the peer that went to the host."),
	COUNTER("culvert_replays", "culvert_replays", "Messages that had been received before."),
	COUNTER("culvert_undecryptable", "culvert_decrypt_failures",
		"Messages that did not authenticate."),
	COUNTER("culvert_refused_sources", "culvert_allowed_ips_drops",
		"Packets from an inner address outside the peer's allowed IPs."),
	COUNTER("culvert_dropped", "culvert_unsent_packets",
		"Packets that waited for a session in vain."),
	{ "culvert_rtt", "culvert_rtt_seconds", "gauge",
		"Round trip time, measured at the last handshake from here.", NULL,
		UNIT_NANOSECONDS },
	{ "culvert_lost", "culvert_loss_ratio", "gauge",
		"Part of the peer's messages of the last minutes that did not arrive.", NULL,
		UNIT_LOSS },
	{ "culvert_addresses", "culvert_ethernet_addresses", "gauge",
		"Ethernet addresses that were heard of behind the peer.", NULL, UNIT_ADDRESSES },
};

enum {
	TUNNEL_ROWS = sizeof(tunnel_rows) / sizeof(*tunnel_rows),
	PEER_ROWS = sizeof(peer_rows) / sizeof(*peer_rows),
};

struct page_peer {
	char public_key[KEY_BASE64_SIZE];
	const char *name;
	struct text allowed; /* separated by commas */
	struct text labels;
	uint64_t received; /* for the loss */
	uint64_t values[PEER_ROWS];
};

struct page {
	struct text *out;
	const struct metrics_given *given;
	uint64_t values[TUNNEL_ROWS];
	struct page_peer *peers;
	size_t peer_count;
	bool good; /* the answer ended with errno=0 */
	bool failed;
};

/* ---- The answer ---- */

static void take_number(
	const struct row *rows, size_t count, uint64_t *values, const char *key, const char *text)
{
	for (size_t i = 0; i < count; i++) {
		if (rows[i].key && !strcmp(rows[i].key, key)) {
			values[i] = strtoull(text, NULL, 10);
			return;
		}
	}
}

static int add_peer(struct page *page, const char *hex)
{
	uint8_t key[KEY_LEN];
	struct page_peer *peers = page->peers;
	const size_t count = page->peer_count;

	if (key_from_hex(key, hex))
		return -EINVAL;
	if (!(count & (count - 1)))
		peers = reallocarray(peers, count ? count * 2 : 1, sizeof(*peers));
	if (!peers)
		return -ENOMEM;
	page->peers = peers;
	peers[count] = (struct page_peer){ 0 };
	key_to_base64(peers[count].public_key, key);
	page->peer_count++;
	return 0;
}

static int take_line(struct page *page, const char *key, char *value)
{
	struct page_peer *peer = page->peer_count ? &page->peers[page->peer_count - 1] : NULL;

	if (!strcmp(key, "public_key"))
		return add_peer(page, value);
	if (!strcmp(key, "errno"))
		page->good = !strcmp(value, "0");
	else if (!peer)
		take_number(tunnel_rows, TUNNEL_ROWS, page->values, key, value);
	else if (!strcmp(key, "allowed_ip"))
		text_add(&peer->allowed, "%s%s", peer->allowed.len ? "," : "", value);
	else if (!strcmp(key, "culvert_name"))
		peer->name = value;
	else if (!strcmp(key, "culvert_received"))
		peer->received = strtoull(value, NULL, 10);
	else
		take_number(peer_rows, PEER_ROWS, peer->values, key, value);
	return 0;
}

static int take_answer(struct page *page, char *answer)
{
	char *line, *value;
	int error = 0;

	while (!error && (line = strsep(&answer, "\n")) && *line) {
		value = strchr(line, '=');
		if (!value)
			return -EINVAL;
		*value++ = '\0';
		error = take_line(page, line, value);
	}
	return error ? error : page->good ? 0 : -EINVAL;
}

/* ---- The page ---- */

/* A label's value, with what the format wants escaped. Other control characters, and what is not
 * UTF-8, would make the page unreadable as a whole. */
static void add_escaped(struct text *text, const char *value)
{
	while (*value) {
		const size_t len = text_character_len(value);
		const unsigned char byte = (unsigned char)*value;

		if (byte == '\\' || byte == '"')
			text_add(text, "\\%c", byte);
		else if (byte == '\n')
			text_add(text, "\\n");
		else if (!len || byte < ' ' || byte == 0x7f)
			text_add(text, "?");
		else
			text_add_bytes(text, value, len);
		value += len ? len : 1;
	}
}

static void add_label(struct text *text, const char *label, const char *value)
{
	text_add(text, "%s%s=\"", text->len ? "," : "", label);
	add_escaped(text, value);
	text_add(text, "\"");
}

static void make_labels(struct page *page, struct page_peer *peer)
{
	struct text *labels = &peer->labels;

	add_label(labels, "interface", page->given->interface);
	add_label(labels, "public_key", peer->public_key);
	add_label(labels, "allowed_ips", peer->allowed.len ? peer->allowed.bytes : "");
	if (peer->name)
		add_label(labels, "friendly_name", peer->name);
	page->failed = page->failed || peer->allowed.failed || labels->failed;
}

static void add_head(struct text *out, const struct row *row)
{
	text_add(out, "# HELP %s %s\n# TYPE %s %s\n", row->name, row->help, row->name, row->type);
}

/* A wire, which has but one peer, asks for nobody's addresses. */
static bool is_switch(const struct page *page)
{
	return page->given->facts.ethernet && page->peer_count > 1;
}

static void add_peer_row(struct text *out, const struct page *page, size_t i)
{
	const struct row *row = &peer_rows[i];

	if (row->unit == UNIT_ADDRESSES && !is_switch(page))
		return;
	add_head(out, row);
	for (size_t j = 0; j < page->peer_count; j++) {
		const struct page_peer *peer = &page->peers[j];
		const uint64_t value = peer->values[i];

		if ((row->unit == UNIT_NANOSECONDS && !value) ||
			(row->unit == UNIT_LOSS && !(value + peer->received)))
			continue;
		text_add(out, "%s{%s} ", row->name, peer->labels.bytes);
		if (row->unit == UNIT_NANOSECONDS)
			text_add(out, "%.6f\n", (double)value / 1e9);
		else if (row->unit == UNIT_LOSS)
			text_add(out, "%.6f\n",
				(double)value / ((double)value + (double)peer->received));
		else
			text_add(out, "%" PRIu64 "\n", value);
	}
}

static void add_tunnel_rows(struct text *out, const struct page *page, const char *interface)
{
	for (size_t i = 0; i < TUNNEL_ROWS; i++) {
		const struct row *row = &tunnel_rows[i];

		if (!i || strcmp(row->name, row[-1].name))
			add_head(out, row);
		text_add(out, "%s{%s%s%s} %" PRIu64 "\n", row->name, interface,
			row->label ? "," : "", row->label ? row->label : "", page->values[i]);
	}
}

static void write_page(struct page *page)
{
	struct text *out = page->out, interface = { 0 }, info = { 0 };

	page->values[ROW_SINCE] = page->given->facts.since;
	page->values[ROW_LOOKUPS] = page->given->facts.lookup_failures;
	page->values[ROW_TUN_DROPS] = page->given->tun_drops;
	add_label(&interface, "interface", page->given->interface);
	add_label(&info, "interface", page->given->interface);
	add_label(&info, "version", page->given->version);
	for (size_t i = 0; i < page->peer_count; i++)
		make_labels(page, &page->peers[i]);
	page->failed = page->failed || interface.failed || info.failed;
	if (!page->failed) {
		for (size_t i = 0; i < PEER_ROWS; i++)
			add_peer_row(out, page, i);
		add_tunnel_rows(out, page, interface.bytes);
		text_add(out,
			"# HELP culvert_info The program.\n# TYPE culvert_info gauge\n"
			"culvert_info{%s} 1\n",
			info.bytes);
	}
	text_free(&interface);
	text_free(&info);
}

int metrics_page(struct text *out, char *answer, const struct metrics_given *given)
{
	struct page page = { .out = out, .given = given };
	int error = take_answer(&page, answer);

	if (!error)
		write_page(&page);
	if (page.failed || out->failed)
		error = -ENOMEM;
	for (size_t i = 0; i < page.peer_count; i++) {
		text_free(&page.peers[i].allowed);
		text_free(&page.peers[i].labels);
	}
	free(page.peers);
	return error;
}
