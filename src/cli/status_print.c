/* SPDX-License-Identifier: ISC */
/* The status for a person: a header and a table of peers. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/status.h"
#include "engine/log.h"
#include "host/text.h"

enum {
	COLUMNS = 9,
	ALLOWED_SHOWN = 3,
	MINUTE = 60,
	HOUR = 3600,
	DAY = 86400,
};

static uint64_t seconds_since(uint64_t then, uint64_t now)
{
	return now > then ? now - then : 0;
}

static void add_age(struct text *text, uint64_t seconds)
{
	if (seconds < MINUTE)
		text_add(text, "%" PRIu64 " s", seconds);
	else if (seconds < HOUR)
		text_add(text, "%" PRIu64 " min", seconds / MINUTE);
	else if (seconds < DAY)
		text_add(text, "%" PRIu64 " h %" PRIu64 " min", seconds / HOUR,
			seconds % HOUR / MINUTE);
	else
		text_add(text, "%" PRIu64 " d %" PRIu64 " h", seconds / DAY, seconds % DAY / HOUR);
}

static void add_size(struct text *text, uint64_t bytes)
{
	static const char *const units[] = { "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	double size = (double)bytes;
	size_t unit = 0;

	if (bytes < 1024) {
		text_add(text, "%" PRIu64 " B", bytes);
		return;
	}
	for (size /= 1024; size >= 1024 && unit < 5; unit++)
		size /= 1024;
	text_add(text, "%.*f %s", size < 10 ? 2 : size < 100 ? 1 : 0, size, units[unit]);
}

static void add_endpoint(struct text *text, const struct status_peer *peer)
{
	if (peer->endpoint_name && peer->endpoint && strcmp(peer->endpoint_name, peer->endpoint))
		text_add(text, "%s (%s)", peer->endpoint_name, peer->endpoint);
	else if (peer->endpoint || peer->endpoint_name)
		text_add(text, "%s", peer->endpoint ? peer->endpoint : peer->endpoint_name);
	else
		text_add(text, "-");
}

/* What the peer sent and we did not get. */
static void add_way(struct text *text, const struct status_peer *peer)
{
	const uint64_t all = peer->received + peer->lost;
	const double lost = all ? 100.0 * (double)peer->lost / (double)all : 0;

	if (peer->rtt)
		text_add(text, "%.*f ms", peer->rtt < 10000000 ? 1 : 0, (double)peer->rtt / 1e6);
	else
		text_add(text, "-");
	text_add(text, " / ");
	if (all)
		text_add(text, "%.*f %%", lost && lost < 10 ? 1 : 0, lost);
	else
		text_add(text, "-");
}

static void add_refused(struct text *text, const struct status_peer *peer)
{
	const struct {
		uint64_t count;
		const char *what;
	} losses[] = {
		{ peer->dropped, "dropped" },
		{ peer->replays, "replays" },
		{ peer->undecryptable, "undecryptable" },
		{ peer->refused_sources, "refused" },
	};
	size_t start = text->len;

	for (size_t i = 0; i < sizeof(losses) / sizeof(*losses); i++) {
		if (losses[i].count)
			text_add(text, "%s%" PRIu64 " %s", text->len > start ? ", " : "",
				losses[i].count, losses[i].what);
	}
	if (text->len == start)
		text_add(text, "-");
}

static void add_allowed(struct text *text, const struct status_peer *peer, bool shared)
{
	if (!peer->allowed_count)
		text_add(text, shared ? "any" : "none");
	for (size_t i = 0; i < peer->allowed_count && i < ALLOWED_SHOWN; i++)
		text_add(text, "%s%s", i ? ", " : "", peer->allowed_ips[i]);
	if (peer->allowed_count > ALLOWED_SHOWN)
		text_add(text, " and %zu more", peer->allowed_count - ALLOWED_SHOWN);
}

static void fill_row(struct text cells[COLUMNS], const struct status *status,
	const struct status_peer *peer, uint64_t now)
{
	if (peer->name)
		text_add(&cells[0], "%s", peer->name);
	else
		text_add(&cells[0], "%.8s...", peer->public_key);
	text_add(&cells[1], "%s", peer_state_name(status_peer_state(peer, now)));
	if (status_peer_since(peer, now)) {
		text_add(&cells[1], " for ");
		add_age(&cells[1], seconds_since(status_peer_since(peer, now), now));
	}
	add_endpoint(&cells[2], peer);
	if (peer->last_handshake) {
		add_age(&cells[3], seconds_since(peer->last_handshake, now));
		text_add(&cells[3], " ago");
	} else {
		text_add(&cells[3], "-");
	}
	text_add(&cells[4], "%s", peer->session_cipher ? peer->session_cipher : "-");
	add_size(&cells[5], peer->rx_bytes);
	text_add(&cells[5], " / ");
	add_size(&cells[5], peer->tx_bytes);
	add_way(&cells[6], peer);
	add_refused(&cells[7], peer);
	if (!status_is_ethernet(status))
		add_allowed(&cells[8], peer, status->shared);
	else if (peer->addresses)
		text_add(&cells[8], "%" PRIu64, peer->addresses);
	else
		text_add(&cells[8], "-");
}

/* The names are ours, but the engine could have been taken over. */
static void make_harmless(struct text *text)
{
	log_make_harmless(text->bytes, text->len);
}

/* Characters, not bytes. */
static int width(const struct text *text)
{
	int count = 0;

	for (size_t i = 0; i < text->len; i++)
		count += ((unsigned char)text->bytes[i] & 0xc0) != 0x80;
	return count;
}

static void print_rows(FILE *to, struct text *cells, size_t rows)
{
	int widths[COLUMNS] = { 0 };

	for (size_t i = 0; i < rows * COLUMNS; i++) {
		make_harmless(&cells[i]);
		if (width(&cells[i]) > widths[i % COLUMNS])
			widths[i % COLUMNS] = width(&cells[i]);
	}
	for (size_t i = 0; i < rows * COLUMNS; i++) {
		size_t column = i % COLUMNS;
		bool last = column == COLUMNS - 1;
		int padding = last ? 0 : widths[column] - width(&cells[i]);

		fprintf(to, "  %s%*s%s", cells[i].len ? cells[i].bytes : "", padding, "",
			last ? "\n" : "");
	}
}

static void print_peers(FILE *to, const struct status *status, uint64_t now)
{
	static const char *const titles[] = { "PEER", "STATE", "ENDPOINT", "HANDSHAKE", "CIPHER",
		"RX / TX", "RTT / LOSS", "REFUSED" };
	size_t rows = status->peer_count + 1;
	struct text *cells = calloc(rows * COLUMNS, sizeof(*cells));

	if (!cells)
		return;
	for (size_t i = 0; i < COLUMNS - 1; i++)
		text_add(&cells[i], "%s", titles[i]);
	text_add(&cells[COLUMNS - 1], status_is_ethernet(status) ? "ADDRESSES" : "ALLOWED IPS");
	for (size_t i = 1; i < rows; i++)
		fill_row(&cells[i * COLUMNS], status, &status->peers[i - 1], now);
	print_rows(to, cells, rows);
	for (size_t i = 0; i < rows * COLUMNS; i++)
		text_free(&cells[i]);
	free(cells);
}

/* "tcp,udp" as "tcp+udp". */
static void add_words(struct text *text, const char *words)
{
	for (; *words; words++)
		text_add(text, "%c", *words == ',' ? '+' : *words);
}

static void print_line(FILE *to, struct text *line)
{
	make_harmless(line);
	if (line->len)
		fprintf(to, "%s\n", line->bytes);
	text_free(line);
}

/* The log says why something is not in use. */
static void add_offload(struct text *text, const struct status *status)
{
	if (!status->offload_device || !status->offload_sockets)
		return;
	text_add(text, "  offload: device ");
	add_words(text, status->offload_device);
	text_add(text, ", sockets ");
	add_words(text, status->offload_sockets);
}

static void add_dns(struct text *line, const struct status *status)
{
	for (size_t i = 0; i < status->dns_server_count; i++)
		text_add(line, "%s %s", i ? "," : "  DNS:", status->dns_servers[i]);
	for (size_t i = 0; i < status->dns_domain_count; i++)
		text_add(line, "%s %s", i ? "," : "; domains", status->dns_domains[i]);
	if (status->dns_backend)
		text_add(line, " (%s)", status->dns_backend);
	else if (status->paused)
		text_add(line, " (paused: the host's own are in effect)");
	if (status->dns_error)
		text_add(line, "; not in effect: %s", status->dns_error);
}

/* Else a pause is a matter of DNS alone. */
static bool is_opened(const struct status *status)
{
	return status->routing || (status->kill_switch && strcmp(status->kill_switch, "off"));
}

/* Only where there is something to say: most tunnels have neither. */
static void print_routing(FILE *to, const struct status *status)
{
	struct text line = { 0 };

	if (status->routing)
		text_add(&line, "  routing: %s", status->routing);
	print_line(to, &line);
	if (status_lacks_mark(status))
		text_add(&line,
			"  the mark is another than the rules have: what goes to the peers is "
			"routed into the tunnel itself; wg set %s fwmark 0x%" PRIx64,
			status->device, status->mark_of_rules);
	print_line(to, &line);
	if (status->kill_switch && strcmp(status->kill_switch, "off"))
		text_add(&line, "  kill switch: %s", status->kill_switch);
	print_line(to, &line);
	if (status->paused) {
		text_add(&line, "  paused: %s for another ",
			is_opened(status) ? "traffic passes the tunnel by" : "DNS");
		add_age(&line, status->paused);
	}
	print_line(to, &line);
}

static void print_link(FILE *to, const struct status *status)
{
	struct text line = { 0 };

	if (status->network_namespace && status->network_namespace_lost)
		text_add(&line,
			"  %s is not the network namespace any more that the device is in: if it "
			"was made anew, restart the tunnel",
			status->network_namespace);
	print_line(to, &line);
	if (status_is_ethernet(status)) {
		text_add(&line, "  link: Ethernet");
		if (status->bridge)
			text_add(&line, ", %sin the bridge %s", status->bridge_lost ? "not " : "",
				status->bridge);
		if (status->bridge && status->bridge_lost)
			text_add(&line, ", %s", status->bridge_lost);
	} else if (status->table) {
		text_add(&line, "  routes: %" PRIu64 ", table %s", status->routes, status->table);
	}
	print_line(to, &line);
}

static void print_header(FILE *to, const struct status *status, uint64_t now)
{
	time_t since_time = (time_t)status->since;
	struct text line = { 0 };
	char since[32] = "?";
	struct tm local;

	if (localtime_r(&since_time, &local))
		strftime(since, sizeof(since), "%Y-%m-%d %H:%M:%S", &local);
	text_add(&line, "%s: %s since %s (", status->name,
		strcmp(status->state, "running") ? status->state : "up", since);
	add_age(&line, seconds_since(status->since, now));
	text_add(&line, "), device %s", status->device);
	if (status->network_namespace)
		text_add(&line, " in the network namespace %s", status->network_namespace);
	text_add(&line, ", pid %" PRIu64, status->pid);
	if (status->listen_port)
		text_add(&line, ", port %" PRIu64, status->listen_port);
	if (status->fwmark)
		text_add(&line, ", mark 0x%" PRIx64, status->fwmark);
	print_line(to, &line);
	if (status->mtu)
		text_add(&line, "  MTU %" PRIu64 ": %s", status->mtu,
			status->mtu_why ? status->mtu_why : "");
	print_line(to, &line);
	add_offload(&line, status);
	print_line(to, &line);
	print_link(to, status);
	print_routing(to, status);
	if (status->network_changed) {
		text_add(&line, "  network: changed ");
		add_age(&line, seconds_since(status->network_changed, now));
		text_add(&line, " ago");
	}
	print_line(to, &line);
	if (status->clock_behind) {
		text_add(&line, "  the clock is wrong, by ");
		add_age(&line, status->clock_behind);
		text_add(&line, " at least: peers may refuse handshakes until it is set");
	}
	print_line(to, &line);
	if (status->dns_server_count)
		add_dns(&line, status);
	print_line(to, &line);
	if (status->last_error)
		text_add(&line, "  last error: %s", status->last_error);
	print_line(to, &line);
}

void status_print(FILE *to, const struct status *status, uint64_t now)
{
	struct text line = { 0 };

	if (!strcmp(status->state, STATUS_DOWN)) {
		text_add(&line,
			"%s is not running; its kill switch is closed: culvert down %s opens it",
			status->name, status->name);
		print_line(to, &line);
		return;
	}
	print_header(to, status, now);
	if (!status->engine_answered) {
		if (status->engine_pid)
			fputs("  the engine does not answer: nothing is known of the peers\n", to);
		return;
	}
	if (status->peer_count)
		print_peers(to, status, now);
	for (size_t i = 0; i < status->peer_count; i++) {
		const struct status_peer *peer = &status->peers[i];

		const char *error = status_peer_error(peer);

		if (error && peer->unresolved && peer->endpoint_name)
			text_add(&line, "  %s: %s", peer->endpoint_name, error);
		else if (error && peer->name)
			text_add(&line, "  %s: %s", peer->name, error);
		else if (error)
			text_add(&line, "  %.8s...: %s", peer->public_key, error);
		print_line(to, &line);
	}
}
