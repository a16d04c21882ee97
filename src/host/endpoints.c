/* SPDX-License-Identifier: ISC */
/* Endpoints that are names, looked up for ever until they are known, and the MTU that the ways to
 * all known endpoints allow. */
#include <errno.h>
#include <net/if.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/aead.h"
#include "engine/log.h"
#include "host/monitor_state.h"
#include "host/rights.h"

enum {
	OUTER_HEADERS =
		40 + 8 + 16, /* IPv6, UDP, a data message's own: always IPv6's, as wg-quick does */
	MTU_DEFAULT = 1500,  /* of a host that has no route yet */
	MTU_MIN = 1280,      /* below it Linux takes IPv6 off the device */
	MTU_MAX = 65535,
	ETHERNET_OVERHEAD = 14 + 4 + 1, /* a frame's header, a VLAN's tag and a byte of padding */
	/* Milliseconds between two questions to the engine how peers are reached whose endpoints
	 * are names, and that while one of them waits for an answer. */
	NAMES_POLL = 5000,
	NAMES_POLL_FAST = 1000,
	NAMES_POLL_PEERS = 1000, /* in one question */
};

/* A child that cannot be killed ends by itself when its time is over. */
static void lookup_end(const struct monitor *monitor, struct monitor_lookup *lookup)
{
	if (lookup->pid)
		rights_kill(lookup->pid, SIGKILL, monitor->uid, monitor->gid);
	if (lookup->fd >= 0)
		close(lookup->fd);
	lookup->pid = 0;
	lookup->fd = -1;
	lookup->ready = false;
}

/* Whether what an earlier look-up found out is still what is asked for. */
static bool lookup_matches(
	const struct monitor_lookup *earlier, const struct monitor_lookup *lookup)
{
	return earlier->peer && key_equal(earlier->key, lookup->key) &&
	       !strcmp(earlier->peer->endpoint.host, lookup->peer->endpoint.host) &&
	       !strcmp(earlier->peer->endpoint.port, lookup->peer->endpoint.port);
}

const struct monitor_peer *endpoints_peer(const struct monitor *monitor, const uint8_t key[KEY_LEN])
{
	const ptrdiff_t at = key_index_find(&monitor->peer_index, key);

	return at == KEY_INDEX_NONE ? NULL : &monitor->peers[at];
}

static struct monitor_lookup *find_lookup(const struct monitor *monitor, const uint8_t key[KEY_LEN])
{
	const struct monitor_peer *peer = endpoints_peer(monitor, key);

	return peer ? peer->lookup : NULL;
}

static void lookup_init(const struct monitor *monitor, const struct monitor_peer *peer, bool reload)
{
	struct monitor_lookup *lookup = peer->lookup, *earlier = find_lookup(monitor, peer->key);

	*lookup = (struct monitor_lookup){ .peer = peer->of, .fd = -1, .renamed = reload };
	memcpy(lookup->key, peer->key, KEY_LEN);
	names_init(&lookup->names, monitor_now());
	if (!earlier || !lookup_matches(earlier, lookup))
		return;
	*lookup = *earlier;
	lookup->peer = peer->of;
	*earlier = (struct monitor_lookup){ .fd = -1 };
}

static bool has_name(const struct config_peer *peer)
{
	struct endpoint endpoint;

	return peer->endpoint.host &&
	       resolve_numeric(peer->endpoint.host, peer->endpoint.port, &endpoint);
}

static struct monitor_peer *peers_of(const struct config *config)
{
	struct monitor_peer *peers = calloc(config->peer_count + 1, sizeof(*peers));

	for (size_t i = 0; peers && i < config->peer_count; i++) {
		peers[i].of = &config->peers[i];
		diff_peer_key(config, peers[i].of, peers[i].key);
	}
	return peers;
}

int endpoints_plan(struct monitor *monitor, bool reload)
{
	const struct config *config = monitor->config;
	struct monitor_lookup *lookups = calloc(config->peer_count + 1, sizeof(*lookups));
	struct monitor_peer *peers = peers_of(config);
	struct key_index index;
	size_t count = 0;

	if (!lookups || !peers ||
		key_index_make(&index, peers, config->peer_count, sizeof(*peers),
			offsetof(struct monitor_peer, key))) {
		free(lookups);
		free(peers);
		return -ENOMEM;
	}
	for (size_t i = 0; i < config->peer_count; i++) {
		if (!has_name(peers[i].of))
			continue;
		peers[i].lookup = &lookups[count++];
		lookup_init(monitor, &peers[i], reload);
	}
	endpoints_free(monitor);
	monitor->lookups = lookups;
	monitor->lookup_count = count;
	monitor->peers = peers;
	monitor->peer_index = index;
	monitor->names_due = monitor_now() + NAMES_POLL;
	return 0;
}

void endpoints_free(struct monitor *monitor)
{
	for (size_t i = 0; i < monitor->lookup_count; i++)
		lookup_end(monitor, &monitor->lookups[i]);
	free(monitor->lookups);
	free(monitor->peers);
	monitor->lookups = NULL;
	monitor->lookup_count = 0;
	monitor->peers = NULL;
	key_index_free(&monitor->peer_index);
}

uint64_t endpoints_due(const struct monitor *monitor)
{
	uint64_t due = monitor->lookup_count ? monitor->names_due : MONITOR_NEVER;
	uint64_t next = MONITOR_NEVER;
	size_t running = 0;

	for (size_t i = 0; i < monitor->lookup_count; i++) {
		const struct monitor_lookup *lookup = &monitor->lookups[i];

		if (lookup->ready)
			return 0;
		running += lookup->fd >= 0;
		if (lookup->fd < 0 && lookup->names.due < next)
			next = lookup->names.due;
	}
	/* The end of one of those that run wakes us. */
	return running < MONITOR_LOOKUPS_AT_ONCE && next < due ? next : due;
}

void endpoints_on_exit(struct monitor *monitor, pid_t pid)
{
	for (size_t i = 0; i < monitor->lookup_count; i++) {
		if (monitor->lookups[i].pid == pid)
			monitor->lookups[i].pid = 0;
	}
}

/* ---- Telling the engine ---- */

/* With force even a peer that is reached is sent elsewhere. */
static int tell_engine(struct monitor *monitor, const struct monitor_lookup *lookup,
	const struct endpoint *endpoint, bool force)
{
	char address[ENDPOINT_TEXT_SIZE], hex[KEY_HEX_SIZE];
	struct text request = { 0 };
	int error;

	key_to_hex(hex, lookup->key);
	endpoint_to_text(address, endpoint);
	text_add(&request, "set=1\npublic_key=%s\nupdate_only=true\n%s=%s\n\n", hex,
		force ? "endpoint" : "culvert_try_endpoint", address);
	error = request.failed ? -ENOMEM : engine_ask(monitor, &request);
	text_free(&request);
	if (error && error != -EINTR)
		monitor_error(monitor, "the engine did not take the endpoint %s: %s", address,
			strerror(-error));
	return error;
}

static bool has_route(void *context, const struct endpoint *endpoint)
{
	struct monitor *monitor = context;
	struct netlink_route route;

	return !netlink_route_get(
		       monitor->netlink, &endpoint->any, monitor->config->fwmark, &route) &&
	       route.interface != monitor_interface_here(monitor);
}

static void say_next(const struct monitor_lookup *lookup, const struct endpoint *next)
{
	char present[ENDPOINT_TEXT_SIZE], address[ENDPOINT_TEXT_SIZE];
	/* A peer that stays away is worth one line, not one every few minutes. */
	const int priority = lookup->names.rounds > 1 ? LOG_DEBUG : LOG_INFO;

	endpoint_to_text(address, next);
	if (!endpoint_is_set(&lookup->endpoint)) {
		log_line(LOG_INFO, "%s is %s", lookup->peer->endpoint.host, address);
		return;
	}
	endpoint_to_text(present, &lookup->endpoint);
	log_line(priority, "%s: %s instead of %s", lookup->peer->endpoint.host, address, present);
}

/* Its turn is the next address's. False: there is none. */
static bool try_next(struct monitor *monitor, struct monitor_lookup *lookup, bool force)
{
	const struct endpoint *next =
		names_next(&lookup->names, &lookup->endpoint, has_route, monitor);

	if (!next || tell_engine(monitor, lookup, next, force))
		return false;
	say_next(lookup, next);
	lookup->endpoint = *next;
	endpoints_set_mtu(monitor);
	return true;
}

/* ---- Looking up ---- */

static void lookup_finish(struct monitor *monitor, struct monitor_lookup *lookup)
{
	const char *name = lookup->peer->endpoint.host;
	struct resolve_result result;

	resolve_finish(lookup->fd, &result);
	lookup->fd = -1;
	lookup->ready = false;
	names_found(&lookup->names, &result, monitor_now());
	if (!result.count)
		metrics_count_lookup_failure(&monitor->metrics);
	/* Once until it does resolve, not once an attempt. */
	if (!result.count && !lookup->error[0])
		log_line(LOG_WARNING, "%s does not resolve (%s): it is tried again until it does",
			name, result.error);
	memcpy(lookup->error, result.error, sizeof(lookup->error));
	if (!result.count)
		return;
	for (unsigned i = 0; i < result.count; i++)
		routing_on_endpoint(monitor, &result.addresses[i]);
	if (lookup->renamed)
		lookup->endpoint = (struct endpoint){ 0 };
	if (!endpoint_is_set(&lookup->endpoint) ||
		(lookup->names.silent && !names_contain(&lookup->names, &lookup->endpoint)))
		try_next(monitor, lookup, lookup->renamed);
	lookup->renamed = false;
	network_learn(monitor);
}

/* In the child: it parses what name servers answer. */
static void forget_secrets(void *config)
{
	config_wipe_secrets(config);
}

static void lookup_start(struct monitor *monitor, struct monitor_lookup *lookup)
{
	const struct config_endpoint *asked = &lookup->peer->endpoint;
	struct resolve_result none = { 0 };
	const struct resolve_how how = { .uid = monitor->uid,
		.gid = monitor->gid,
		.mark = monitor->config->fwmark,
		.resolv_conf = monitor->resolv_conf.bytes,
		.forget = forget_secrets,
		.context = monitor->config };
	int error = resolve_start(asked->host, asked->port, &how, &lookup->pid, &lookup->fd);

	lookup->names.due = NAMES_NEVER;
	if (!error)
		return;
	log_line(LOG_WARNING, "cannot look up %s: %s", asked->host, strerror(-error));
	names_found(&lookup->names, &none, monitor_now());
}

/* ---- How the peers are reached ---- */

static void take_facts(
	struct monitor *monitor, struct monitor_lookup *lookup, struct names_facts *facts)
{
	const bool waits = facts->waiting != NAMES_NEVER;

	if (!lookup->renamed)
		lookup->endpoint = facts->endpoint;
	facts->no_route =
		endpoint_is_set(&facts->endpoint) && !has_route(monitor, &facts->endpoint);
	if (waits) /* it is about to turn out whether the endpoint is good */
		monitor->names_due = monitor_now() + NAMES_POLL_FAST;
	if (!names_observe(&lookup->names, facts, monitor_now()) &&
		(endpoint_is_set(&lookup->endpoint) || !lookup->names.count))
		return;
	if (try_next(monitor, lookup, facts->no_route) && facts->no_route)
		network_suspect(monitor);
}

/* Asks for some of the look-ups' peers; the engine's answer has a limit. */
static void ask_facts(struct monitor *monitor, size_t first, size_t end)
{
	struct text request = { 0 }, answer = { 0 };
	char hex[KEY_HEX_SIZE];
	uint8_t key[KEY_LEN];
	struct names_facts facts;
	char *rest;

	text_add(&request, "get=1\n");
	for (size_t i = first; i < end; i++) {
		key_to_hex(hex, monitor->lookups[i].key);
		text_add(&request, "public_key=%s\n", hex);
	}
	text_add(&request, "\n");
	if (!request.failed && !engine_get(monitor, &request, &answer)) {
		rest = answer.bytes;
		while (names_parse_facts(&rest, key, &facts)) {
			struct monitor_lookup *lookup = find_lookup(monitor, key);

			if (lookup)
				take_facts(monitor, lookup, &facts);
		}
	}
	text_free(&request);
	text_free(&answer);
}

void endpoints_ask(struct monitor *monitor)
{
	monitor->names_due = monitor_now() + NAMES_POLL;
	for (size_t i = 0; i < monitor->lookup_count; i += NAMES_POLL_PEERS) {
		size_t end = i + NAMES_POLL_PEERS;

		ask_facts(monitor, i, end < monitor->lookup_count ? end : monitor->lookup_count);
	}
}

void endpoints_work(struct monitor *monitor)
{
	size_t running = 0;

	for (size_t i = 0; i < monitor->lookup_count; i++) {
		if (monitor->lookups[i].ready)
			lookup_finish(monitor, &monitor->lookups[i]);
		running += monitor->lookups[i].fd >= 0;
	}
	if (monitor->lookup_count && monitor->names_due <= monitor_now())
		endpoints_ask(monitor);
	for (size_t i = 0; i < monitor->lookup_count && running < MONITOR_LOOKUPS_AT_ONCE; i++) {
		struct monitor_lookup *lookup = &monitor->lookups[i];

		if (lookup->fd >= 0 || lookup->names.due > monitor_now())
			continue;
		lookup_start(monitor, lookup);
		running += lookup->fd >= 0;
	}
}

void endpoints_network_changed(struct monitor *monitor)
{
	for (size_t i = 0; i < monitor->lookup_count; i++)
		names_network_changed(&monitor->lookups[i].names, monitor_now());
	monitor->names_due = monitor_now() + NAMES_POLL_FAST;
}

/* ---- The MTU ---- */

/* What the tunnel adds to a packet at most, over all that the peers' ciphers may turn out to be. */
static unsigned overhead(const struct config *config)
{
	unsigned tag = aead_chacha20_poly1305->tag_len;

	for (size_t i = 0; i < config->peer_count; i++) {
		const char *name = config->peers[i].cipher;
		const struct aead *row;

		for (size_t j = 0; name && (row = aead_at(j)); j++) {
			bool may_be = strcmp(name, "auto") ? !strcmp(name, row->name)
							   : row->available() && row->hardware();

			if (may_be && row->tag_len > tag)
				tag = row->tag_len;
		}
	}
	return OUTER_HEADERS + tag + (config->tap ? ETHERNET_OVERHEAD : 0);
}

bool endpoints_known(
	const struct monitor *monitor, const struct config_peer *peer, struct endpoint *endpoint)
{
	const struct monitor_lookup *lookup;
	uint8_t key[KEY_LEN];

	if (!peer->endpoint.host)
		return false;
	diff_peer_key(monitor->config, peer, key);
	lookup = find_lookup(monitor, key);
	if (!lookup)
		return !resolve_numeric(peer->endpoint.host, peer->endpoint.port, endpoint);
	*endpoint = lookup->endpoint;
	return endpoint_is_set(endpoint);
}

/* A route's MTU and where it came from. 0: not known. */
static unsigned route_mtu(struct monitor *monitor, const struct netlink_route *route,
	char why[MONITOR_TEXT_SIZE], const char *to)
{
	char device[IF_NAMESIZE];
	unsigned mtu = route->mtu;

	/* A route through the tunnel itself says nothing of the way outside. */
	if (route->interface == monitor_interface_here(monitor) ||
		!if_indextoname(route->interface, device))
		return 0;
	if (!mtu && netlink_link_get_mtu(monitor->netlink, route->interface, &mtu))
		return 0;
	snprintf(why, MONITOR_TEXT_SIZE, "%u of %s %s %s", mtu,
		route->mtu ? "the route through" : "device", device, to);
	return mtu;
}

/* The smallest of all ways to the known endpoints, else the default route's. 0: there is no way,
 * but one was known before, as where a laptop has no network for a while. */
static unsigned path_mtu(struct monitor *monitor, char why[MONITOR_TEXT_SIZE])
{
	const struct config *config = monitor->config;
	char text[MONITOR_TEXT_SIZE], to[ENDPOINT_TEXT_SIZE + 4];
	struct netlink_route route;
	struct endpoint endpoint;
	unsigned smallest = 0, mtu;

	for (size_t i = 0; i < config->peer_count; i++) {
		if (!endpoints_known(monitor, &config->peers[i], &endpoint) ||
			netlink_route_get(monitor->netlink, &endpoint.any, config->fwmark, &route))
			continue;
		memcpy(to, "to ", 4);
		endpoint_to_text(to + 3, &endpoint);
		mtu = route_mtu(monitor, &route, text, to);
		if (!mtu || (smallest && mtu >= smallest))
			continue;
		smallest = mtu;
		memcpy(why, text, sizeof(text));
	}
	if (!smallest && !netlink_route_default(monitor->netlink, &route))
		smallest = route_mtu(monitor, &route, why, "by default");
	if (!smallest && !monitor->mtu) {
		smallest = MTU_DEFAULT;
		snprintf(why, MONITOR_TEXT_SIZE, "%u as long as no route is known", smallest);
	}
	return smallest;
}

/* A bridge has the smallest MTU of its ports, and drops what is larger, without a word to who sent
 * it. So with its own it and the hosts behind it stay as they are. */
static unsigned choose_bridge_mtu(
	unsigned bridge_mtu, unsigned fits, const char *bridge, char why[MONITOR_TEXT_SIZE])
{
	if (fits && fits < bridge_mtu)
		snprintf(why, MONITOR_TEXT_SIZE,
			"that of the bridge %s; packets of more than %u bytes go in two pieces",
			bridge, fits);
	else
		snprintf(why, MONITOR_TEXT_SIZE, "that of the bridge %s", bridge);
	return bridge_mtu;
}

/* 0: as before. */
static unsigned choose_mtu(struct monitor *monitor, char why[MONITOR_TEXT_SIZE])
{
	const struct config *config = monitor->config;
	unsigned added = overhead(config), most = config->tap ? CONFIG_TAP_MTU_MAX : MTU_MAX;
	unsigned path, bridge;
	char from[MONITOR_TEXT_SIZE];

	if (config->mtu) {
		snprintf(why, MONITOR_TEXT_SIZE, "given %s",
			config->from_options ? "by --mtu" : "in the file");
		return config->mtu;
	}
	path = path_mtu(monitor, from);
	bridge = ethernet_bridge_mtu(monitor);
	if (bridge)
		return choose_bridge_mtu(bridge < most ? bridge : most,
			path > added ? path - added : 0, config->bridge, why);
	if (!path)
		return 0;
	if (path < MTU_MIN + added) {
		snprintf(why, MONITOR_TEXT_SIZE, "the least for IPv6; %.160s would allow less",
			from);
		return MTU_MIN;
	}
	snprintf(why, MONITOR_TEXT_SIZE, "%.200s, less %u for the tunnel", from, added);
	return path - added < most ? path - added : most;
}

static int set_mtu(struct monitor *monitor, unsigned *mtu, char why[MONITOR_TEXT_SIZE])
{
	int error;

	if (monitor->lasting.stays)
		return lasting_set_mtu(monitor, mtu, why);
	error = netlink_link_set_mtu(monitor->inside, monitor->interface, *mtu);
	if (error)
		monitor_error(monitor, "cannot set the MTU of %s to %u: %s",
			monitor->config->device, *mtu, strerror(-error));
	return error;
}

int endpoints_set_mtu(struct monitor *monitor)
{
	char why[MONITOR_TEXT_SIZE];
	unsigned mtu = choose_mtu(monitor, why), before = monitor->mtu;
	int error = mtu && mtu != before ? set_mtu(monitor, &mtu, why) : 0;

	if (!mtu || error)
		return error;
	if (before && mtu != before)
		log_line(LOG_INFO, "MTU %u (%s)", mtu, why);
	monitor->mtu = mtu;
	memcpy(monitor->mtu_why, why, sizeof(why));
	return 0;
}
