/* SPDX-License-Identifier: ISC */
/*
 * What a tunnel that is right would hardly do as it was meant: nothing goes in, or nobody begins.
 * No errors: WireGuard takes such files, and somebody may add with `wg` and `ip` what they lack.
 */
#include "cli/advice.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "host/config.h"
#include "host/device_facts.h"
#include "host/inherited.h"
#include "host/netlink.h"

static __attribute__((format(printf, 3, 4))) void warn(
	const struct config *config, unsigned line, const char *format, ...)
{
	va_list values;

	if (line && !config->from_options)
		fprintf(stderr, "%s:%u: warning: ", config->path, line);
	else
		fprintf(stderr, "%s: warning: ", config->path);
	va_start(values, format);
	vfprintf(stderr, format, values);
	va_end(values);
	fputc('\n', stderr);
}

static void advise_allowed_ips(const struct config *config)
{
	for (size_t i = 0; i < config->peer_count; i++)
		if (!config->peers[i].allowed_ips.count)
			warn(config, config->peers[i].line,
				"%s: nothing goes to the peer, and nothing that comes from it is let in",
				config->from_options ? "there are no --allowed-ips"
						     : "this [Peer] has no AllowedIPs");
}

static void advise_no_peer(const struct config *config)
{
	if (config->from_options)
		warn(config, 0, "there is no peer: give its --public-key and --allowed-ips");
	else
		warn(config, 0,
			"there is no [Peer]: nothing goes anywhere until 'wg set' has added one");
}

/* Which may have addresses already. */
static bool is_there(const char *device)
{
	struct device_facts facts = { 0 };
	struct netlink *netlink;
	int error = netlink_open(&netlink);

	if (error)
		return false;
	error = device_facts_find(netlink, device, &facts);
	netlink_close(netlink);
	return !error && facts.is_tun && facts.persistent;
}

static bool others_see_to_addresses(const struct config *config)
{
	return *config->bridge || config->network_namespace || config->pre_up.count ||
	       config->post_up.count || is_there(config->device);
}

static void advise_no_address(const struct config *config)
{
	struct config_word address, bridge;

	config_key_word(&address, config, "Address");
	config_key_word(&bridge, config, "Bridge");
	if (config->tap)
		warn(config, 0,
			"this host has no address in the tunnel: add %s 10.9.0.1/24, say, or %s "
			"BRIDGE",
			address.text, bridge.text);
	else
		warn(config, 0, "this host has no address in the tunnel: add %s 10.9.0.1/24, say",
			address.text);
}

static bool is_whole(const struct config_prefix *address)
{
	return address->length == (address->family == AF_INET6 ? 128 : 32);
}

/* Where nothing but an Address's network leads into the tunnel, and it has none. */
static void advise_host_alone(const struct config *config)
{
	const struct config_prefixes *addresses = &config->addresses;
	const struct config_prefix *first = addresses->items;
	struct config_word address, allowed_ips;
	char text[INET6_ADDRSTRLEN] = "", or_add[CONFIG_WORD_SIZE + 32] = "";

	if (config->peers[0].allowed_ips.count || config->table == CONFIG_TABLE_OFF)
		return;
	for (size_t i = 0; i < addresses->count; i++)
		if (!is_whole(&addresses->items[i]))
			return;
	config_key_word(&address, config, "Address");
	config_key_word(&allowed_ips, config, "AllowedIPs");
	if (!config->tap)
		snprintf(or_add, sizeof(or_add), ", or add %s PREFIX", allowed_ips.text);
	inet_ntop(first->family, first->address, text, sizeof(text));
	warn(config, first->line,
		"%s %s/%u is this host alone: nothing goes into the tunnel; give it the length of a "
		"network that both ends are in, such as %s/%d%s",
		address.text, text, first->length, text, first->family == AF_INET6 ? 64 : 24,
		or_add);
}

static bool any_has(const struct config_strings *hooks, const char *text)
{
	for (size_t i = 0; i < hooks->count; i++)
		if (strstr(hooks->items[i], text))
			return true;
	return false;
}

/* Whether a handshake can begin at either end. */
static bool can_begin(const struct config *config)
{
	for (size_t i = 0; i < config->peer_count; i++)
		if (config->peers[i].endpoint.host)
			return true;
	return config->listen_port;
}

static void advise_nobody_begins(const struct config *config)
{
	struct config_word endpoint, port;

	config_key_word(&endpoint, config, "Endpoint");
	config_key_word(&port, config, "ListenPort");
	warn(config, 0,
		"no end can begin: add %s HOST:PORT for a peer, or %s 51820, say, for peers to call",
		endpoint.text, port.text);
}

void advice_print(const struct config *config)
{
	const bool wire = config->shared_key.given || config->tap; /* takes whatever comes */
	const bool given = inherited_any();                        /* devices and sockets */
	const bool wg = any_has(&config->pre_up, "wg ") || any_has(&config->post_up, "wg ");

	if (!config->peer_count && !wg)
		advise_no_peer(config);
	if (!wire)
		advise_allowed_ips(config);
	if (!given && !others_see_to_addresses(config)) {
		if (!config->addresses.count)
			advise_no_address(config);
		else if (wire && config->peer_count)
			advise_host_alone(config);
	}
	if (config->peer_count && !given && !wg && !can_begin(config))
		advise_nobody_begins(config);
}
