/* SPDX-License-Identifier: ISC */
/* SaveConfig: the new text of a tunnel's file. A line is kept, replaced, left out or followed by
 * new ones; nothing else is touched. */
#include "host/save.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/endpoint.h"
#include "host/config_parse.h"
#include "host/diff.h"
#include "host/key_index.h"

/* A peer as it runs. */
struct running_peer {
	uint8_t public_key[KEY_LEN], psk[KEY_LEN];
	const char *endpoint; /* NULL: none */
	unsigned keepalive;
	struct text allowed; /* "PREFIX, PREFIX" */
	size_t allowed_count;
	bool in_file;
};

struct running {
	uint8_t private_key[KEY_LEN];
	bool has_private_key;
	uint32_t listen_port, fwmark;
	struct running_peer *peers;
	size_t peer_count;
	struct key_index index; /* of their public keys */
	bool good;
};

/* What one section is to say of one key. */
struct change {
	const char *key;
	const char *instead_of; /* the key that names a file, NULL: none */
	struct text value;      /* empty: the line goes */
	bool wanted;            /* there is something to change */
	bool written;
};

enum { CHANGES = 4 };

/* ---- The engine's answer ---- */

static int take_peer_line(struct running_peer *peer, const char *key, const char *value)
{
	if (!strcmp(key, "preshared_key"))
		return key_from_hex(peer->psk, value) ? -EINVAL : 0;
	if (!strcmp(key, "endpoint")) {
		peer->endpoint = value;
	} else if (!strcmp(key, "persistent_keepalive_interval")) {
		peer->keepalive = (unsigned)strtoul(value, NULL, 10);
	} else if (!strcmp(key, "allowed_ip")) {
		text_add(&peer->allowed, "%s%s", peer->allowed.len ? ", " : "", value);
		peer->allowed_count++;
	}
	return 0;
}

static int take_line(struct running *running, const char *key, const char *value)
{
	if (!strcmp(key, "public_key"))
		return key_from_hex(running->peers[running->peer_count++].public_key, value)
			       ? -EINVAL
			       : 0;
	if (!strcmp(key, "errno"))
		running->good = !strcmp(value, "0");
	else if (running->peer_count)
		return take_peer_line(&running->peers[running->peer_count - 1], key, value);
	else if (!strcmp(key, "private_key"))
		running->has_private_key = !key_from_hex(running->private_key, value);
	else if (!strcmp(key, "listen_port"))
		running->listen_port = (uint32_t)strtoul(value, NULL, 10);
	else if (!strcmp(key, "fwmark"))
		running->fwmark = (uint32_t)strtoul(value, NULL, 10);
	return 0;
}

/* Beforehand: a list that grew would leave keys behind where it was. */
static size_t count_peers(const char *answer)
{
	size_t count = 0;

	for (const char *at = answer; (at = strstr(at, "public_key=")); at++)
		count++;
	return count;
}

static int take_answer(struct running *running, char *answer)
{
	char *line, *value;
	int error = 0;

	running->peers = calloc(count_peers(answer) + 1, sizeof(*running->peers));
	if (!running->peers)
		return -ENOMEM;
	while (!error && (line = strsep(&answer, "\n")) && *line) {
		value = strchr(line, '=');
		if (!value)
			return -EINVAL;
		*value++ = '\0';
		error = take_line(running, line, value);
	}
	if (!error && !running->good)
		error = -EINVAL;
	/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): they are the caller's, who frees them */
	return error ? error
		     : key_index_make(&running->index, running->peers, running->peer_count,
			       sizeof(*running->peers), offsetof(struct running_peer, public_key));
}

static void running_free(struct running *running)
{
	for (size_t i = 0; i < running->peer_count; i++) {
		text_free(&running->peers[i].allowed);
		key_wipe(running->peers[i].psk, KEY_LEN);
	}
	free(running->peers);
	key_index_free(&running->index);
	key_wipe(running, sizeof(*running));
}

static struct running_peer *find_running(struct running *running, const uint8_t key[KEY_LEN])
{
	const ptrdiff_t at = key_index_find(&running->index, key);

	return at == KEY_INDEX_NONE ? NULL : &running->peers[at];
}

/* ---- What has changed ---- */

static void set_key(struct change *change, const uint8_t key[KEY_LEN])
{
	char base64[KEY_BASE64_SIZE];

	key_to_base64(base64, key);
	change->wanted = true;
	if (!key_is_zero(key))
		text_add(&change->value, "%s", base64);
	key_wipe(base64, sizeof(base64));
}

static void interface_changes(
	struct change changes[CHANGES], const struct config *config, const struct running *running)
{
	changes[0] = (struct change){ .key = "PrivateKey", .instead_of = "PrivateKeyFile" };
	changes[1] = (struct change){ .key = "ListenPort" };
	changes[2] = (struct change){ .key = "FwMark" };
	changes[3] = (struct change){ 0 };
	if (config->private_key.given && running->has_private_key &&
		!config_private_key_is(config, running->private_key))
		set_key(&changes[0], running->private_key);
	if (running->listen_port && running->listen_port != config->listen_port) {
		changes[1].wanted = true;
		text_add(&changes[1].value, "%" PRIu32, running->listen_port);
	}
	if (running->fwmark != config->fwmark) {
		changes[2].wanted = true;
		if (running->fwmark)
			text_add(&changes[2].value, "0x%" PRIx32, running->fwmark);
	}
}

enum { PREFIX_TEXT_SIZE = INET6_ADDRSTRLEN + 8 };

static int by_text(const void *left, const void *right)
{
	return strcmp(left, right);
}

static char (*allowed_of_file(const struct config_peer *peer))[PREFIX_TEXT_SIZE]
{
	char(*texts)[PREFIX_TEXT_SIZE] = calloc(peer->allowed_ips.count + 1, sizeof(*texts));

	for (size_t i = 0; texts && i < peer->allowed_ips.count; i++) {
		const struct config_prefix *prefix = &peer->allowed_ips.items[i];
		char address[INET6_ADDRSTRLEN];

		inet_ntop(prefix->family, prefix->address, address, sizeof(address));
		snprintf(texts[i], sizeof(texts[i]), "%s/%u", address, prefix->length);
	}
	return texts;
}

static char (*allowed_of_engine(const struct running_peer *running))[PREFIX_TEXT_SIZE]
{
	char(*texts)[PREFIX_TEXT_SIZE] = calloc(running->allowed_count + 1, sizeof(*texts));
	const char *at = running->allowed.bytes;

	for (size_t i = 0; texts && i < running->allowed_count; i++) {
		const int len = (int)strcspn(at, ",");

		snprintf(texts[i], sizeof(texts[i]), "%.*s", len, at);
		at += len + (at[len] ? strlen(", ") : 0);
	}
	return texts;
}

/* In whatever order. Where memory lacks they count as different: then they are written anew. */
static bool same_allowed(const struct config_peer *peer, const struct running_peer *running)
{
	const size_t count = running->allowed_count;
	char(*old)[PREFIX_TEXT_SIZE], (*new)[PREFIX_TEXT_SIZE];
	bool same = false;

	if (peer->allowed_ips.count != count)
		return false;
	old = allowed_of_file(peer);
	new = allowed_of_engine(running);
	if (old && new) {
		qsort(old, count, sizeof(*old), by_text);
		qsort(new, count, sizeof(*new), by_text);
		same = !memcmp(old, new, count * sizeof(*old));
	}
	free(old);
	free(new);
	return same;
}

/* A name stays: it is what the file's owner means. */
static bool same_endpoint(const struct config_peer *peer, const struct running_peer *running)
{
	char text[ENDPOINT_TEXT_SIZE];
	struct endpoint endpoint = { 0 };
	const struct config_endpoint *old = &peer->endpoint;

	if (!running->endpoint)
		return true;
	if (!old->host)
		return false;
	snprintf(text, sizeof(text), strchr(old->host, ':') ? "[%s]:%s" : "%s:%s", old->host,
		old->port);
	if (endpoint_from_text(&endpoint, text))
		return true;
	endpoint_to_text(text, &endpoint);
	return !strcmp(text, running->endpoint);
}

static void peer_changes(struct change changes[CHANGES], const struct config *config,
	const struct config_peer *peer, const struct running_peer *running)
{
	changes[0] = (struct change){ .key = "PresharedKey", .instead_of = "PresharedKeyFile" };
	changes[1] = (struct change){ .key = "AllowedIPs" };
	changes[2] = (struct change){ .key = "Endpoint" };
	changes[3] = (struct change){ .key = "PersistentKeepalive" };
	if (!config->shared_key.given && !config_key_is(&peer->preshared_key, running->psk))
		set_key(&changes[0], running->psk);
	changes[1].wanted = !config->tap && !same_allowed(peer, running);
	if (changes[1].wanted && running->allowed.len)
		text_add(&changes[1].value, "%s", running->allowed.bytes);
	changes[2].wanted = !same_endpoint(peer, running);
	if (changes[2].wanted)
		text_add(&changes[2].value, "%s", running->endpoint);
	changes[3].wanted = peer->persistent_keepalive != running->keepalive;
	if (changes[3].wanted && running->keepalive)
		text_add(&changes[3].value, "%u", running->keepalive);
}

static void changes_free(struct change changes[CHANGES])
{
	for (int i = 0; i < CHANGES; i++)
		text_free(&changes[i].value);
}

/* ---- The text ---- */

/* A line of the file, the newline with it. */
struct line {
	const char *text;
	size_t len;
};

static bool next_line(const char **at, struct line *line)
{
	const char *newline = strchr(*at, '\n');

	line->text = *at;
	line->len = newline ? (size_t)(newline + 1 - *at) : strlen(*at);
	*at += line->len;
	return line->len;
}

static bool is_header(const struct line *line)
{
	const size_t blanks = strspn(line->text, " \t\v\f\r");

	return blanks < line->len && line->text[blanks] == '[';
}

/* Whether the line gives this key a value. */
static bool is_of_key(const struct line *line, const char *key)
{
	const char *start = line->text + strspn(line->text, " \t\v\f\r");
	const size_t len = strlen(key);

	if (!key[0] || start + len >= line->text + line->len || strncasecmp(start, key, len))
		return false;
	return start[len + strspn(start + len, " \t")] == '=';
}

static void add_option(struct text *new, struct change *change)
{
	if (change->value.len && !change->written)
		text_add(new, "%s = %s\n", change->key, change->value.bytes);
	change->written = true;
}

/* The line, or what takes its place. */
static int add_line(struct text *new, const struct line *line, struct change changes[CHANGES])
{
	for (int i = 0; i < CHANGES; i++) {
		struct change *change = &changes[i];

		if (!change->wanted)
			continue;
		if (change->instead_of && is_of_key(line, change->instead_of))
			return -EXDEV;
		if (is_of_key(line, change->key)) {
			add_option(new, change);
			return 0;
		}
	}
	text_add_bytes(new, line->text, line->len);
	return 0;
}

/* What the section had no line for goes to its end, before what is empty or a comment there: that
 * belongs to the next one. */
static const char *options_end(const char *at)
{
	const char *end = at;
	struct line line;

	while (next_line(&at, &line) && !is_header(&line)) {
		const size_t blanks = strspn(line.text, " \t\v\f\r\n");

		if (blanks < line.len && line.text[blanks] != '#')
			end = line.text + line.len;
	}
	return end;
}

static void end_line(struct text *new)
{
	if (new->len &&new->bytes[new->len - 1] != '\n')
		text_add(new, "\n");
}

/* The section's lines from *at, which is behind its header. leave: none of them. */
static int add_section(
	struct text *new, const char **at, struct change changes[CHANGES], bool leave)
{
	const char *end = options_end(*at);
	struct line line;
	int error = 0;

	while (!error && *at < end && next_line(at, &line)) {
		if (!leave)
			error = add_line(new, &line, changes);
	}
	for (int i = 0; i < CHANGES && !leave; i++) {
		if (changes[i].wanted && changes[i].value.len && !changes[i].written) {
			end_line(new);
			add_option(new, &changes[i]);
		}
	}
	return error;
}

/* Whom wg has added to an Ethernet tunnel speaks culvert's dialect, which the file must say. */
static void add_new_peer(
	struct text *new, const struct config *config, const struct running_peer *peer)
{
	static const struct config_peer nothing = { 0 };
	const struct config none = { .tap = config->tap };
	struct change changes[CHANGES];
	char base64[KEY_BASE64_SIZE];

	key_to_base64(base64, peer->public_key);
	end_line(new);
	text_add(new, "\n[Peer]\nPublicKey = %s\n%s", base64, config->tap ? "Cipher = auto\n" : "");
	peer_changes(changes, &none, &nothing, peer);
	for (int i = 0; i < CHANGES; i++) {
		if (changes[i].wanted)
			add_option(new, &changes[i]);
	}
	changes_free(changes);
}

/* The section whose header was just read, the number-th [Peer] or an [Interface]. */
static int add_changed_section(struct text *new, const struct line *header, const char **at,
	const struct config *config, const struct config_peer *peer, struct running *running)
{
	struct change changes[CHANGES] = { 0 };
	struct running_peer *now = NULL;
	uint8_t key[KEY_LEN];
	int error;

	if (peer) {
		diff_peer_key(config, peer, key);
		now = find_running(running, key);
	}
	if (now) {
		now->in_file = true;
		peer_changes(changes, config, peer, now);
	} else if (!peer) {
		interface_changes(changes, config, running);
	}
	if (!peer || now)
		text_add_bytes(new, header->text, header->len);
	error = add_section(new, at, changes, peer && !now);
	changes_free(changes);
	return error;
}

static int add_all(
	struct text *new, const char *old, const struct config *config, struct running *running)
{
	static const char bom[] = "\xef\xbb\xbf";
	const char *at = old;
	unsigned number = 0;
	size_t peers = 0;
	bool interface_done = false;
	struct line line;
	int error = 0;

	if (!strncmp(at, bom, strlen(bom))) {
		text_add_bytes(new, bom, strlen(bom));
		at += strlen(bom);
	}
	while (!error && next_line(&at, &line)) {
		const bool is_peer =
			peers < config->peer_count && config->peers[peers].line == number + 1;

		number++;
		if (is_header(&line) && !is_peer && interface_done)
			return -ENOTSUP;
		if (!is_header(&line)) {
			text_add_bytes(new, line.text, line.len);
			continue;
		}
		const char *before = at;

		error = add_changed_section(
			new, &line, &at, config, is_peer ? &config->peers[peers] : NULL, running);
		for (; before < at; before++)
			number += *before == '\n';
		peers += is_peer;
		interface_done |= !is_peer;
	}
	if (!error && peers != config->peer_count)
		error = -EINVAL;
	for (size_t i = 0; i < running->peer_count && !error; i++) {
		if (!running->peers[i].in_file)
			add_new_peer(new, config, &running->peers[i]);
	}
	return error;
}

int save_rewrite(struct text *new, const char *old, const struct config *config, char *answer)
{
	struct running running = { 0 };
	int error = take_answer(&running, answer);

	*new = (struct text){ 0 };
	if (!error)
		error = add_all(new, old, config, &running);
	if (!error && new->failed)
		error = -ENOMEM;
	running_free(&running);
	if (error || (new->bytes && !strcmp(new->bytes, old)))
		text_free(new);
	/* The engine may have said anything, and wg may have set what a file cannot say. */
	if (!error && new->bytes && config_try(config, new->bytes, new->len)) {
		text_free(new);
		error = -EBADMSG;
	}
	return error;
}
