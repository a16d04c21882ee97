/* SPDX-License-Identifier: ISC */
/* What must hold between the keys of a file, once all its lines are read. */
#include "host/config_parse.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <linux/rtnetlink.h>

#include "host/policy.h"

enum { MTU_IPV6_MIN = 1280 };

static unsigned line_of(const struct config_parser *parser, enum config_row_index row)
{
	return parser->lines[0].row[row];
}

static unsigned peer_line_of(
	const struct config_parser *parser, size_t peer, enum config_row_index row)
{
	return parser->lines[1 + peer].row[row];
}

static void check_not_both(struct config_parser *parser, const struct config_lines *lines,
	enum config_row_index a, enum config_row_index b)
{
	const unsigned line_a = lines->row[a], line_b = lines->row[b];

	if (line_a && line_b)
		config_error(parser, line_a > line_b ? line_a : line_b,
			"%s and %s exclude each other: remove %s or %s",
			config_row_at(a)->option.name, config_row_at(b)->option.name,
			config_place(parser, line_a < line_b ? line_a : line_b).text,
			config_place(parser, line_a < line_b ? line_b : line_a).text);
}

/* Whether this is a shared-key tunnel. */
static bool check_own_key(struct config_parser *parser)
{
	const unsigned private_line = line_of(parser, ROW_PRIVATE_KEY);
	const unsigned private_file = line_of(parser, ROW_PRIVATE_KEY_FILE);
	const unsigned shared_line = line_of(parser, ROW_SHARED_KEY);
	const unsigned shared_file = line_of(parser, ROW_SHARED_KEY_FILE);
	const bool private = private_line || private_file, shared = shared_line || shared_file;

	check_not_both(parser, &parser->lines[0], ROW_PRIVATE_KEY, ROW_PRIVATE_KEY_FILE);
	check_not_both(parser, &parser->lines[0], ROW_SHARED_KEY, ROW_SHARED_KEY_FILE);
	if (!parser->interface_line)
		config_error(parser, 0, "there is no [Interface] section");
	else if (private && shared)
		config_error(parser, private_line ? private_line : private_file,
			"a shared-key tunnel has no private key: remove this or %s",
			config_place(parser, shared_line ? shared_line : shared_file).text);
	else if (!private && !shared && parser->problems->options)
		config_error(parser, 0,
			"there is no key: give --shared-key-file FILE (from 'culvert genpsk', the "
			"same at both ends) or --private-key-file FILE (from 'culvert genkey')");
	else if (!private && !shared)
		config_error(parser, parser->interface_line,
			"there is no key: add PrivateKey = or PrivateKeyFile = (a key from "
			"'culvert genkey'), or SharedKeyFile = (from 'culvert genpsk', the same "
			"on both ends)");
	return shared && !private;
}

static void check_shared_peer(struct config_parser *parser, size_t i)
{
	static const enum config_row_index not_here[] = { ROW_PUBLIC_KEY, ROW_PRESHARED_KEY,
		ROW_PRESHARED_KEY_FILE };

	for (size_t j = 0; j < sizeof(not_here) / sizeof(not_here[0]); j++) {
		const unsigned line = peer_line_of(parser, i, not_here[j]);

		if (line)
			config_error(parser, line,
				"the peer of a shared-key tunnel has no %s: remove it",
				config_row_at(not_here[j])->option.name);
	}
	if (!parser->config->peers[i].cipher)
		parser->config->peers[i].cipher = "auto";
}

static void check_shared_tunnel(struct config_parser *parser)
{
	struct config *config = parser->config;

	if (config->peer_count == 0)
		config_error(parser, parser->interface_line,
			"a shared-key tunnel needs a [Peer] section (which may be empty on the end "
			"that is called)");
	for (size_t i = 0; i < config->peer_count; i++) {
		if (i > 0)
			config_error(parser, config->peers[i].line,
				"a shared-key tunnel has exactly one peer, which is in %s: give "
				"each peer a PublicKey and this end a PrivateKey, or remove "
				"this [Peer]",
				config_place(parser, config->peers[0].line).text);
		check_shared_peer(parser, i);
	}
}

static int by_public_key(const void *left, const void *right)
{
	const struct config_peer *const *a = left, *const *b = right;
	const int order = memcmp((*a)->public_key.bytes, (*b)->public_key.bytes, KEY_LEN);

	return order ? order : (*a)->line < (*b)->line ? -1 : (*a)->line > (*b)->line;
}

/* Reports every peer whose key an earlier one has. */
static void check_keys_differ(struct config_parser *parser)
{
	struct config *config = parser->config;
	const struct config_peer **sorted = calloc(config->peer_count + 1, sizeof(*sorted));

	if (!sorted) {
		parser->out_of_memory = true;
		return;
	}
	for (size_t i = 0; i < config->peer_count; i++)
		sorted[i] = &config->peers[i];
	qsort(sorted, config->peer_count, sizeof(*sorted), by_public_key);
	for (size_t i = 1; i < config->peer_count; i++) {
		const struct config_peer *a = sorted[i - 1], *b = sorted[i];

		if (!b->public_key.given || !key_equal(a->public_key.bytes, b->public_key.bytes))
			continue;
		config_error(parser,
			peer_line_of(parser, (size_t)(b - config->peers), ROW_PUBLIC_KEY),
			"the peer in %s has the same PublicKey: make them one [Peer]",
			config_place(parser, a->line).text);
	}
	free(sorted);
}

static void check_public_keys(struct config_parser *parser)
{
	const struct config *config = parser->config;
	uint8_t own[KEY_LEN] = { 0 };

	if (config->private_key.given)
		key_derive_public(own, config->private_key.bytes);
	for (size_t i = 0; i < config->peer_count; i++) {
		const struct config_peer *peer = &config->peers[i];

		if (!peer_line_of(parser, i, ROW_PUBLIC_KEY))
			config_error(parser, peer->line,
				parser->problems->options ? "the peer has no --public-key"
							  : "this [Peer] has no PublicKey");
		else if (config->private_key.given && key_equal(own, peer->public_key.bytes))
			config_error(parser, peer_line_of(parser, i, ROW_PUBLIC_KEY),
				"this is the public key of this end itself: put the peer's here");
	}
	check_keys_differ(parser);
}

/* ---- prefixes ---- */

struct claim {
	struct config_prefix *prefix;
	const struct config_peer *peer;
	size_t order;
};

static int same_prefix_order(const struct config_prefix *a, const struct config_prefix *b)
{
	if (a->family != b->family)
		return a->family < b->family ? -1 : 1;
	if (a->length != b->length)
		return a->length < b->length ? -1 : 1;
	return memcmp(a->address, b->address, sizeof(a->address));
}

static int by_prefix(const void *left, const void *right)
{
	const struct claim *a = left, *b = right;
	const int order = same_prefix_order(a->prefix, b->prefix);

	return order ? order : a->order < b->order ? -1 : a->order > b->order;
}

static size_t claims_collect(const struct config *config, struct claim *claims)
{
	size_t count = 0;

	for (size_t i = 0; i < config->peer_count; i++) {
		const struct config_prefixes *list = &config->peers[i].allowed_ips;

		for (size_t j = 0; j < list->count; j++, count++)
			if (claims)
				claims[count] =
					(struct claim){ &list->items[j], &config->peers[i], count };
	}
	return count;
}

/* Drops the items that were marked by an unspecified family. */
static void prefixes_compact(struct config_prefixes *list)
{
	size_t kept = 0;

	for (size_t i = 0; i < list->count; i++)
		if (list->items[i].family != AF_UNSPEC)
			list->items[kept++] = list->items[i];
	list->count = kept;
}

/*
 * Within one peer, or among Addresses, a prefix may come twice and is kept once; two peers cannot
 * both have it: WireGuard would move it to the second without a word. Repeated items are marked for
 * prefixes_compact.
 */
static void claims_check(
	struct config_parser *parser, const char *key, struct claim *claims, size_t count)
{
	size_t first = 0;

	qsort(claims, count, sizeof(*claims), by_prefix);
	for (size_t i = 1; i < count; i++) {
		char text[CONFIG_PREFIX_TEXT_SIZE];

		if (same_prefix_order(claims[first].prefix, claims[i].prefix)) {
			first = i;
			continue;
		}
		config_prefix_text(text, claims[i].prefix);
		if (claims[first].peer != claims[i].peer)
			config_error(parser, claims[i].prefix->line,
				"%s: %s already belongs to the peer in %s", key, text,
				config_place(parser, claims[first].peer->line).text);
		else
			config_warning(parser, claims[i].prefix->line,
				"%s: %s was given before, in %s", key, text,
				config_place(parser, claims[first].prefix->line).text);
	}
	for (size_t i = count; i-- > 1;)
		if (!same_prefix_order(claims[i - 1].prefix, claims[i].prefix))
			claims[i].prefix->family = AF_UNSPEC;
}

static void check_allowed_ips(struct config_parser *parser)
{
	struct config *config = parser->config;
	const size_t count = claims_collect(config, NULL);
	struct claim *claims = calloc(count + 1, sizeof(*claims));

	if (!claims) {
		parser->out_of_memory = true;
		return;
	}
	claims_collect(config, claims);
	claims_check(parser, "AllowedIPs", claims, count);
	for (size_t i = 0; i < config->peer_count; i++)
		prefixes_compact(&config->peers[i].allowed_ips);
	free(claims);
}

/* A full tunnel's mark is the number of its table, too. */
static void check_mark(struct config_parser *parser)
{
	const struct config *config = parser->config;
	struct policy policy;

	if (config->fwmark < RT_TABLE_DEFAULT || config->fwmark > RT_TABLE_LOCAL)
		return;
	if (policy_make_from_file(&policy, config))
		parser->out_of_memory = true;
	else if (policy.ipv4 || policy.ipv6)
		config_error(parser, line_of(parser, ROW_FWMARK),
			"FwMark = %u: a full tunnel takes this for its table's number, too, and "
			"this table is the system's: choose another number, or remove it",
			config->fwmark);
}

static void check_kill_switch(struct config_parser *parser)
{
	const struct config *config = parser->config;
	const unsigned line = line_of(parser, ROW_KILL_SWITCH);

	if (!config->kill_switch || config->tap) /* that is refused: config_tap.c */
		return;
	if (config->network_namespace)
		config_error(parser, line,
			"KillSwitch = yes: with NetworkNamespace nothing leaves but by the tunnel "
			"anyway, unless the namespace has other devices: remove the line");
	else if (config->table == CONFIG_TABLE_OFF)
		config_error(parser, line,
			"KillSwitch = yes blocks routes, and Table = off makes none: remove one "
			"of them");
	else if (!claims_collect(config, NULL))
		config_error(parser, line,
			"KillSwitch = yes has nothing to block without AllowedIPs: add what is "
			"reached through the tunnel alone, or remove it");
}

static void check_addresses(struct config_parser *parser)
{
	struct config_prefixes *list = &parser->config->addresses;
	struct claim *claims = calloc(list->count + 1, sizeof(*claims));

	if (!claims) {
		parser->out_of_memory = true;
		return;
	}
	for (size_t i = 0; i < list->count; i++)
		claims[i] = (struct claim){ &list->items[i], NULL, i };
	claims_check(parser, "Address", claims, list->count);
	prefixes_compact(list);
	free(claims);
}

static void check_mtu(struct config_parser *parser)
{
	const struct config_prefixes *list = &parser->config->addresses;
	const unsigned mtu = parser->config->mtu;

	for (size_t i = 0; i < list->count && mtu && mtu < MTU_IPV6_MIN; i++) {
		if (list->items[i].family != AF_INET6)
			continue;
		config_error(parser, line_of(parser, ROW_MTU),
			"MTU = %u is too small for the IPv6 Address in %s: IPv6 needs %d", mtu,
			config_place(parser, list->items[i].line).text, MTU_IPV6_MIN);
		return;
	}
}

static void check_device(struct config_parser *parser)
{
	struct config *config = parser->config;

	if (line_of(parser, ROW_DEVICE))
		return;
	if (config_device_name_ok(config->name))
		strcpy(config->device, config->name);
	else
		config_error(parser, parser->interface_line,
			"the file's name cannot be a device's (1 to 15 letters, digits and "
			"_ = + . -): rename the file, or add Device =");
}

void config_check(struct config_parser *parser)
{
	const struct config *config = parser->config;

	check_device(parser);
	if (check_own_key(parser))
		check_shared_tunnel(parser);
	else
		check_public_keys(parser);
	for (size_t i = 0; i < config->peer_count; i++)
		check_not_both(
			parser, &parser->lines[1 + i], ROW_PRESHARED_KEY, ROW_PRESHARED_KEY_FILE);
	check_mark(parser);
	check_kill_switch(parser);
	check_allowed_ips(parser);
	check_addresses(parser);
	check_mtu(parser);
	config_check_dns(parser);
	config_check_tap(parser);
}
