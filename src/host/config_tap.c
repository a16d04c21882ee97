/* SPDX-License-Identifier: ISC */
/* What Mode = tap and Bridge mean for the other keys of a file. */
#include "host/config_parse.h"

/* A key that has no place beside another one. */
struct misplaced {
	enum config_row_index row;
	const char *why; /* and what to do */
};

static void check_misplaced(struct config_parser *parser, const struct config_lines *lines,
	const struct misplaced *misplaced, enum config_row_index beside)
{
	const unsigned line = lines->row[misplaced->row];

	if (line)
		config_error(parser, line, "%s does not go with %s (%s): %s",
			config_row_at(misplaced->row)->option.name,
			config_row_at(beside)->option.name,
			config_place(parser, parser->lines[0].row[beside]).text, misplaced->why);
}

static void check_peers(struct config_parser *parser)
{
	static const struct misplaced allowed_ips = { ROW_ALLOWED_IPS,
		"frames go to whoever has their destination, whatever is in them; remove this" };
	const struct config *config = parser->config;
	struct config_word cipher;

	config_key_word(&cipher, config, "Cipher");
	for (size_t i = 0; i < config->peer_count; i++) {
		check_misplaced(parser, &parser->lines[1 + i], &allowed_ips, ROW_MODE);
		if (!config->peers[i].cipher) /* a shared key's has one */
			config_error(parser, config->peers[i].line,
				"Mode = tap (%s) is not in WireGuard's protocol: add %s auto "
				"here, and at the other end",
				config_place(parser, parser->lines[0].row[ROW_MODE]).text,
				cipher.text);
	}
}

static void check_bridge(struct config_parser *parser)
{
	static const struct misplaced keys[] = {
		{ ROW_ADDRESS, "what comes for a bridge's port is the bridge's, so give the "
			       "address to the bridge; remove this" },
		{ ROW_DNS, "the host is in the bridge's network, whose name servers are set "
			   "with the bridge's addresses; remove this" },
	};

	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++)
		check_misplaced(parser, &parser->lines[0], &keys[i], ROW_BRIDGE);
}

void config_check_tap(struct config_parser *parser)
{
	static const struct misplaced keys[] = {
		{ ROW_TABLE, "there are no AllowedIPs to make routes for; remove this" },
		{ ROW_KILL_SWITCH, "there are no AllowedIPs to block; remove this" },
	};
	const struct config *config = parser->config;
	const struct config_lines *lines = &parser->lines[0];
	struct config_word mode;

	if (!config->tap) {
		config_key_word(&mode, config, "Mode");
		if (lines->row[ROW_BRIDGE])
			config_error(parser, lines->row[ROW_BRIDGE],
				"Bridge takes a tunnel that carries Ethernet frames: add %s tap "
				"here and at the other end, or remove this",
				mode.text);
		return;
	}
	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++)
		check_misplaced(parser, lines, &keys[i], ROW_MODE);
	if (config->mtu > CONFIG_TAP_MTU_MAX)
		config_error(parser, lines->row[ROW_MTU],
			"MTU = %u is too large for Mode = tap: a UDP datagram has room for %d",
			config->mtu, CONFIG_TAP_MTU_MAX);
	check_peers(parser);
	if (*config->bridge)
		check_bridge(parser);
}
