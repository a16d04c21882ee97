/* SPDX-License-Identifier: ISC */
/* DNS =: which of its words are name servers and which are domains, as wg-quick tells them apart.
 */
#include "host/config_parse.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>

#include "host/netns.h"

enum { DOMAIN_MAX = 253, LABEL_MAX = 63 };

static bool looks_like_server(const char *word)
{
	return strchr(word, ':') || strspn(word, "0123456789.") == strlen(word);
}

/* An IPv6 address may have a scope after '%': the device on which the server is. */
static bool server_ok(const char *word)
{
	char address[INET6_ADDRSTRLEN];
	const char *scope = strchr(word, '%');
	const size_t len = scope ? (size_t)(scope - word) : strlen(word);
	uint8_t bytes[16];

	if (!strchr(word, ':'))
		return inet_pton(AF_INET, word, bytes) == 1;
	if (len >= sizeof(address) || (scope && !config_device_name_ok(scope + 1)))
		return false;
	*(char *)mempcpy(address, word, len) = 0;
	return inet_pton(AF_INET6, address, bytes) == 1;
}

/* A leading '~' is systemd-resolved's: the domain is looked up there, and nothing is completed with
 * it. A '-' never comes first, so that no helper can take a domain for an option. */
static bool domain_ok(const char *word)
{
	const char *label = word + (*word == '~');
	const size_t len = strlen(label);

	if (!strcmp(word, "~."))
		return true;
	if (!len || len > DOMAIN_MAX)
		return false;
	while (*label) {
		const size_t label_len = strcspn(label, ".");

		if (!label_len || label_len > LABEL_MAX || *label == '-')
			return false;
		for (size_t i = 0; i < label_len; i++)
			if (!isalnum((unsigned char)label[i]) && !strchr("-_", label[i]))
				return false;
		label += label_len + (label[label_len] == '.');
	}
	return true;
}

static void strings_add(
	struct config_parser *parser, struct config_strings *strings, const char *word)
{
	for (size_t i = 0; i < strings->count; i++)
		if (!strcasecmp(strings->items[i], word))
			return;
	if (!config_list_grow(
		    parser, (void **)&strings->items, strings->count, sizeof(*strings->items)))
		return;
	strings->items[strings->count] = NULL;
	config_string_set(parser, &strings->items[strings->count], word);
	strings->count++;
}

static void take_word(struct config_parser *parser, struct config_dns *dns, const char *word)
{
	if (!looks_like_server(word)) {
		if (domain_ok(word))
			strings_add(parser, &dns->domains, word);
		else
			config_error(parser, parser->line,
				"DNS: %s is neither the address of a name server nor a search "
				"domain",
				config_show(word).text);
	} else if (server_ok(word)) {
		strings_add(parser, &dns->servers, word);
	} else {
		config_error(parser, parser->line,
			"DNS: %s is not the address of a name server: write an IPv4 or IPv6 "
			"address, without brackets and port",
			config_show(word).text);
	}
}

void config_parse_dns(
	struct config_parser *parser, const struct config_row *row, void *field, char *value)
{
	char *rest = value, *word;
	(void)row;

	while ((word = strsep(&rest, ", \t")))
		if (*word)
			take_word(parser, field, word);
}

void config_check_dns(struct config_parser *parser)
{
	const struct config *config = parser->config;
	const unsigned line = parser->lines[0].row[ROW_DNS];
	struct config_word device;

	if (config->dns.domains.count && !config->dns.servers.count)
		config_warning(parser, line,
			"DNS has search domains and no name server: nothing is done with them");
	config_key_word(&device, config, "Device");
	if (config->dns.servers.count && config->device[0] == '-')
		config_error(parser, line,
			"the programs that set DNS would take the device's name %s for an option: "
			"choose another with %s",
			config->device, device.text);
	if (config->dns.servers.count && config->network_namespace &&
		!netns_name(config->network_namespace))
		config_error(parser, line,
			"DNS is for programs that ip netns exec starts, and it does not know %s: "
			"remove this line, or make the namespace by ip netns add or attach",
			config_show(config->network_namespace).text);
}
