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

enum {
	OUTER_HEADERS =
		40 + 8 + 16, /* IPv6, UDP, a data message's own: always IPv6's, as wg-quick does */
	MTU_DEFAULT = 1500,  /* of a host that has no route yet */
	MTU_MIN = 1280,      /* below it Linux takes IPv6 off the device */
	MTU_MAX = 65535,
};

static void lookup_end(struct monitor_lookup *lookup)
{
	if (lookup->pid)
		kill(lookup->pid, SIGKILL);
	if (lookup->fd >= 0)
		close(lookup->fd);
	lookup->pid = 0;
	lookup->fd = -1;
	lookup->ready = false;
}

/* Whether what an earlier look-up found out is still what is asked for. */
static bool lookup_matches(const struct monitor_lookup *lookup, const struct config *old,
	const struct config *new, const struct config_peer *peer)
{
	uint8_t old_key[KEY_LEN], new_key[KEY_LEN];

	diff_peer_key(old, lookup->peer, old_key);
	diff_peer_key(new, peer, new_key);
	return key_equal(old_key, new_key) &&
	       !strcmp(lookup->peer->endpoint.host, peer->endpoint.host) &&
	       !strcmp(lookup->peer->endpoint.port, peer->endpoint.port);
}

static void lookup_init(struct monitor *monitor, struct monitor_lookup *lookup,
	const struct config *old, const struct config_peer *peer)
{
	*lookup = (struct monitor_lookup){ .peer = peer, .fd = -1, .due = monitor_now() };
	for (size_t i = 0; old && i < monitor->lookup_count; i++) {
		struct monitor_lookup *earlier = &monitor->lookups[i];

		if (!earlier->peer || !lookup_matches(earlier, old, monitor->config, peer))
			continue;
		*lookup = *earlier;
		lookup->peer = peer;
		*earlier = (struct monitor_lookup){ .fd = -1 };
		return;
	}
}

int endpoints_plan(struct monitor *monitor, const struct config *old)
{
	const struct config *config = monitor->config;
	struct monitor_lookup *lookups;
	struct endpoint endpoint;
	size_t count = 0;

	lookups = calloc(config->peer_count + 1, sizeof(*lookups));
	if (!lookups)
		return -ENOMEM;
	for (size_t i = 0; i < config->peer_count; i++) {
		const struct config_peer *peer = &config->peers[i];

		if (peer->endpoint.host &&
			resolve_numeric(peer->endpoint.host, peer->endpoint.port, &endpoint))
			lookup_init(monitor, &lookups[count++], old, peer);
	}
	endpoints_free(monitor);
	monitor->lookups = lookups;
	monitor->lookup_count = count;
	return 0;
}

void endpoints_free(struct monitor *monitor)
{
	for (size_t i = 0; i < monitor->lookup_count; i++)
		lookup_end(&monitor->lookups[i]);
	free(monitor->lookups);
	monitor->lookups = NULL;
	monitor->lookup_count = 0;
}

uint64_t endpoints_due(const struct monitor *monitor)
{
	uint64_t due = MONITOR_NEVER;
	size_t running = 0;

	for (size_t i = 0; i < monitor->lookup_count; i++) {
		if (monitor->lookups[i].ready)
			return 0;
		running += monitor->lookups[i].fd >= 0;
		if (monitor->lookups[i].due < due)
			due = monitor->lookups[i].due;
	}
	/* The end of one of those that run wakes us. */
	return running < MONITOR_LOOKUPS_AT_ONCE ? due : MONITOR_NEVER;
}

void endpoints_on_exit(struct monitor *monitor, pid_t pid)
{
	for (size_t i = 0; i < monitor->lookup_count; i++) {
		if (monitor->lookups[i].pid == pid)
			monitor->lookups[i].pid = 0;
	}
}

static void lookup_failed(struct monitor_lookup *lookup, const char *why)
{
	const struct config_endpoint *asked = &lookup->peer->endpoint;

	/* Once a name, not once an attempt. */
	if (!lookup->failures)
		log_line(LOG_WARNING, "%s does not resolve (%s): it is tried again until it does",
			asked->host, why);
	lookup->failures++;
	snprintf(lookup->error, sizeof(lookup->error), "%s", why);
	lookup->due = monitor_now() + (uint64_t)resolve_retry_delay(lookup->failures) * 1000;
}

static int tell_engine(struct monitor *monitor, const struct monitor_lookup *lookup)
{
	char address[ENDPOINT_TEXT_SIZE], hex[KEY_HEX_SIZE];
	struct text request = { 0 };
	uint8_t key[KEY_LEN];
	int error;

	diff_peer_key(monitor->config, lookup->peer, key);
	key_to_hex(hex, key);
	endpoint_to_text(address, &lookup->endpoint);
	text_add(&request, "set=1\npublic_key=%s\nupdate_only=true\nendpoint=%s\n\n", hex, address);
	error = request.failed ? -ENOMEM : engine_ask(monitor, &request);
	text_free(&request);
	if (error)
		monitor_error(monitor, "the engine did not take the endpoint %s: %s", address,
			strerror(-error));
	else
		log_line(LOG_INFO, "%s is %s", lookup->peer->endpoint.host, address);
	return error;
}

static void lookup_finish(struct monitor *monitor, struct monitor_lookup *lookup)
{
	struct resolve_result result;

	resolve_finish(lookup->fd, &result);
	lookup->fd = -1;
	lookup->ready = false;
	if (!result.count) {
		metrics_count_lookup_failure(&monitor->metrics);
		lookup_failed(lookup, result.error);
		return;
	}
	lookup->endpoint = result.addresses[0];
	if (tell_engine(monitor, lookup)) {
		lookup->endpoint = (struct endpoint){ 0 };
		lookup_failed(lookup, "the engine did not take it");
		return;
	}
	lookup->failures = 0;
	lookup->error[0] = '\0';
	endpoints_set_mtu(monitor);
}

/* In the child: it parses what name servers answer. */
static void forget_secrets(void *config)
{
	config_wipe_secrets(config);
}

static void lookup_start(struct monitor *monitor, struct monitor_lookup *lookup)
{
	const struct config_endpoint *asked = &lookup->peer->endpoint;
	int error = resolve_start(asked->host, asked->port, monitor->uid, monitor->gid,
		forget_secrets, monitor->config, &lookup->pid, &lookup->fd);

	lookup->due = MONITOR_NEVER;
	if (error)
		lookup_failed(lookup, strerror(-error));
}

void endpoints_work(struct monitor *monitor)
{
	uint64_t now = monitor_now();
	size_t running = 0;

	for (size_t i = 0; i < monitor->lookup_count; i++) {
		if (monitor->lookups[i].ready)
			lookup_finish(monitor, &monitor->lookups[i]);
		running += monitor->lookups[i].fd >= 0;
	}
	for (size_t i = 0; i < monitor->lookup_count && running < MONITOR_LOOKUPS_AT_ONCE; i++) {
		if (monitor->lookups[i].due > now)
			continue;
		lookup_start(monitor, &monitor->lookups[i]);
		running++;
	}
}

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
	return OUTER_HEADERS + tag;
}

static const struct monitor_lookup *find_lookup(
	const struct monitor *monitor, const struct config_peer *peer)
{
	for (size_t i = 0; i < monitor->lookup_count; i++) {
		if (monitor->lookups[i].peer == peer)
			return &monitor->lookups[i];
	}
	return NULL;
}

/* Where a peer is, as far as we know. */
static bool known_endpoint(
	const struct monitor *monitor, const struct config_peer *peer, struct endpoint *endpoint)
{
	const struct monitor_lookup *lookup;

	if (!peer->endpoint.host)
		return false;
	lookup = find_lookup(monitor, peer);
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
	if (route->interface == monitor->interface || !if_indextoname(route->interface, device))
		return 0;
	if (!mtu && netlink_link_get_mtu(monitor->netlink, route->interface, &mtu))
		return 0;
	snprintf(why, MONITOR_TEXT_SIZE, "%u of %s %s %s", mtu,
		route->mtu ? "the route through" : "device", device, to);
	return mtu;
}

/* The smallest of all ways to the known endpoints, else the default route's. */
static unsigned path_mtu(struct monitor *monitor, char why[MONITOR_TEXT_SIZE])
{
	const struct config *config = monitor->config;
	char text[MONITOR_TEXT_SIZE], to[ENDPOINT_TEXT_SIZE + 4];
	struct netlink_route route;
	struct endpoint endpoint;
	unsigned smallest = 0, mtu;

	for (size_t i = 0; i < config->peer_count; i++) {
		if (!known_endpoint(monitor, &config->peers[i], &endpoint) ||
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
	if (!smallest) {
		smallest = MTU_DEFAULT;
		snprintf(why, MONITOR_TEXT_SIZE, "%u as long as no route is known", smallest);
	}
	return smallest;
}

static unsigned choose_mtu(struct monitor *monitor, char why[MONITOR_TEXT_SIZE])
{
	unsigned added = overhead(monitor->config), path;
	char from[MONITOR_TEXT_SIZE];

	if (monitor->config->mtu) {
		snprintf(why, MONITOR_TEXT_SIZE, "given in the file");
		return monitor->config->mtu;
	}
	path = path_mtu(monitor, from);
	if (path < MTU_MIN + added) {
		snprintf(why, MONITOR_TEXT_SIZE, "the least for IPv6; %.160s would allow less",
			from);
		return MTU_MIN;
	}
	snprintf(why, MONITOR_TEXT_SIZE, "%.200s, less %u for the tunnel", from, added);
	return path - added < MTU_MAX ? path - added : MTU_MAX;
}

int endpoints_set_mtu(struct monitor *monitor)
{
	char why[MONITOR_TEXT_SIZE];
	unsigned mtu = choose_mtu(monitor, why), before = monitor->mtu;
	int error = 0;

	if (mtu != before)
		error = netlink_link_set_mtu(monitor->netlink, monitor->interface, mtu);
	if (error) {
		monitor_error(monitor, "cannot set the MTU of %s to %u: %s",
			monitor->config->device, mtu, strerror(-error));
		return error;
	}
	if (before && mtu != before)
		log_line(LOG_INFO, "MTU %u (%s)", mtu, why);
	monitor->mtu = mtu;
	memcpy(monitor->mtu_why, why, sizeof(why));
	return 0;
}
