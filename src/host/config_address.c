/* SPDX-License-Identifier: ISC */
/* The values that are addresses: AllowedIPs, Address, Endpoint, Metrics. */
#include "host/config_parse.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/un.h>

#include "core/endpoint.h"

static bool prefix_from_text(struct config_prefix *prefix, const char *text)
{
	const char *slash = strchr(text, '/');
	const size_t len = strcspn(text, "/");
	char address[INET6_ADDRSTRLEN];
	uint32_t length;

	*prefix = (struct config_prefix){ .family = strchr(text, ':') ? AF_INET6 : AF_INET };
	length = prefix->family == AF_INET6 ? 128 : 32;
	if (slash && !config_decimal_from_text(&length, slash + 1, 0, length))
		return false;
	if (len >= sizeof(address))
		return false;
	*(char *)mempcpy(address, text, len) = 0;
	prefix->length = length;
	return inet_pton(prefix->family, address, prefix->address) == 1;
}

/* Whether there were bits to clear. */
static bool prefix_clear_host_bits(struct config_prefix *prefix)
{
	bool any = false;

	for (unsigned bit = prefix->length; bit < 8 * sizeof(prefix->address); bit++) {
		const uint8_t mask = (uint8_t)(0x80u >> (bit % 8));

		any = any || (prefix->address[bit / 8] & mask);
		prefix->address[bit / 8] &= (uint8_t)~mask;
	}
	return any;
}

void config_prefix_text(char text[CONFIG_PREFIX_TEXT_SIZE], const struct config_prefix *prefix)
{
	char address[INET6_ADDRSTRLEN] = "";

	inet_ntop(prefix->family, prefix->address, address, sizeof(address));
	snprintf(text, CONFIG_PREFIX_TEXT_SIZE, "%s/%u", address, prefix->length);
}

static void prefix_append(
	struct config_parser *parser, struct config_prefixes *list, struct config_prefix *prefix)
{
	if (!config_list_grow(parser, (void **)&list->items, list->count, sizeof(*list->items)))
		return;
	prefix->line = parser->line;
	list->items[list->count++] = *prefix;
}

void config_parse_allowed_ips(
	struct config_parser *parser, const struct config_row *row, void *field, char *value)
{
	char *rest = *value ? value : NULL;
	struct config_prefix prefix;

	while (rest) {
		const char *item = config_trim(strsep(&rest, ","));

		if (!prefix_from_text(&prefix, item)) {
			config_bad_value(parser, row, item);
			continue;
		}
		if (prefix_clear_host_bits(&prefix)) {
			char text[CONFIG_PREFIX_TEXT_SIZE];

			config_prefix_text(text, &prefix);
			config_warning(parser, parser->line,
				"AllowedIPs: %s has bits set beyond its prefix; %s is taken", item,
				text);
		}
		prefix_append(parser, field, &prefix);
	}
}

static bool address_is_for_a_host(const struct config_prefix *prefix)
{
	static const uint8_t zeros[16];
	const bool v4 = prefix->family == AF_INET;
	const bool multicast =
		v4 ? (prefix->address[0] & 0xf0) == 0xe0 : prefix->address[0] == 0xff;

	return prefix->length > 0 && !multicast && memcmp(prefix->address, zeros, sizeof(zeros));
}

/* As in wg-quick, blanks separate as well as commas. */
void config_parse_addresses(
	struct config_parser *parser, const struct config_row *row, void *field, char *value)
{
	struct config_prefix prefix;
	char *item;

	while ((item = strsep(&value, ", \t"))) {
		if (!*item)
			continue;
		if (prefix_from_text(&prefix, item) && address_is_for_a_host(&prefix))
			prefix_append(parser, field, &prefix);
		else
			config_bad_value(parser, row, item);
	}
}

static bool name_is_plausible(const char *name)
{
	size_t label = 0;
	bool letters = false;

	if (strlen(name) > 253 || *name == '-')
		return false;
	for (; *name; name++) {
		if (!isalnum((unsigned char)*name) && !strchr(".-_", *name))
			return false;
		if (*name == '.' && !label)
			return false;
		letters = letters || isalpha((unsigned char)*name);
		label = *name == '.' ? 0 : label + 1;
		if (label > 63)
			return false;
	}
	return letters; /* digits and dots alone are an address, or a slip in one */
}

static bool host_is_address6(const char *host)
{
	char address[INET6_ADDRSTRLEN];
	uint8_t bytes[16];
	const size_t len = strcspn(host, "%");

	if (len >= sizeof(address) || (host[len] && !config_device_name_ok(host + len + 1)))
		return false;
	*(char *)mempcpy(address, host, len) = 0;
	return inet_pton(AF_INET6, address, bytes) == 1;
}

static bool host_is_address4(const char *host)
{
	uint8_t bytes[4];

	return inet_pton(AF_INET, host, bytes) == 1;
}

void config_parse_endpoint(
	struct config_parser *parser, const struct config_row *row, void *field, char *value)
{
	struct config_endpoint *endpoint = field;
	const struct config_shown shown = config_show(value);
	char *colon = strrchr(value, ':');
	const size_t len = colon ? (size_t)(colon - value) : 0;
	uint32_t port;

	if (host_is_address6(value) ||
		(colon && value[0] != '[' && memchr(value, ':', len) && !strchr(value, '/'))) {
		config_error(parser, parser->line,
			"Endpoint = %s: an IPv6 address needs brackets and a port, as in "
			"[2001:db8::1]:51820",
			shown.text);
		return;
	}
	if (!colon || !config_decimal_from_text(&port, colon + 1, 1, UINT16_MAX)) {
		config_error(parser, parser->line,
			"Endpoint = %s has no port from 1 to 65535 at its end: it takes %s",
			shown.text, row->option.help);
		return;
	}
	*colon = 0;
	const bool brackets = value[0] == '[' && len > 1 && value[len - 1] == ']';
	if (brackets)
		*strrchr(value++, ']') = 0;
	if (brackets ? !host_is_address6(value)
		     : !host_is_address4(value) && !name_is_plausible(value)) {
		config_error(parser, parser->line,
			"Endpoint = %s: what is before the port is neither an address nor a host's "
			"name",
			shown.text);
		return;
	}
	snprintf(endpoint->port, sizeof(endpoint->port), "%u", port);
	config_string_set(parser, &endpoint->host, value);
}

/* Whom the page is for is not asked, so it is for this host alone. */
static bool is_loopback(const struct endpoint *address)
{
	if (address->any.sa_family == AF_INET)
		return ntohl(address->v4.sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
	return IN6_IS_ADDR_LOOPBACK(&address->v6.sin6_addr);
}

void config_parse_metrics(
	struct config_parser *parser, const struct config_row *row, void *field, char *value)
{
	const struct config_shown shown = config_show(value);
	struct endpoint address = { 0 };

	if (!strncmp(value, "unix:", 5)) {
		if (value[5] != '/' ||
			strlen(value + 5) >= sizeof(((struct sockaddr_un *)0)->sun_path))
			config_error(parser, parser->line,
				"Metrics = %s: the path of a socket begins with / and has at most "
				"%zu bytes",
				shown.text, sizeof(((struct sockaddr_un *)0)->sun_path) - 1);
		else
			config_string_set(parser, field, value);
		return;
	}
	if (endpoint_from_text(&address, value) || !address.v4.sin_port)
		config_bad_value(parser, row, value);
	else if (!is_loopback(&address))
		config_error(parser, parser->line,
			"Metrics = %s would tell the network who this host's peers are: take "
			"127.0.0.1, [::1] or a unix socket, and a web server before that to ask "
			"for a password",
			shown.text);
	else
		config_string_set(parser, field, value);
}
