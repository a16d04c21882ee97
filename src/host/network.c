/* SPDX-License-Identifier: ISC */
/*
 * What changes around the tunnel: the ways to the peers, sleep, and clocks.
 *
 * News of the kernel are only a reason to look. A host that routes for others has news all day long
 * that are none of ours, so what counts is whether one of the ways that we go has become another
 * (interface, gateway, our address). Then names are looked up again and each peer that has a
 * session is asked for a new one, so that it learns where we are now, and we whether it is still
 * there. The first look comes soon after the first news, for a network that is back; the next ones
 * at most once a second.
 *
 * That our own addresses may be others is the engine's to notice (engine/link.c), packet by packet
 * and without waiting for us: it also runs without a monitor.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "engine/log.h"
#include "host/device_step.h"
#include "host/monitor_state.h"
#include "host/netwatch.h"

enum {
	/* Milliseconds. */
	SETTLE = 100, /* an address and its routes come together */
	PAUSE = 1000,
	LOOK_SECONDS =
		10, /* at the clocks, if nothing else wakes us; a longer sleep ends with it */
	SESSION_SECONDS = 540, /* after so long without a handshake all of it is forgotten */
	WAYS_MAX = 256,        /* peers whose ways are followed; the others go the same ones */
};

static struct clockwatch_reading read_clocks(void)
{
	return (struct clockwatch_reading){ .boot = monitor_now(),
		.monotonic = monitor_clock(CLOCK_MONOTONIC),
		.wall = monitor_clock(CLOCK_REALTIME) };
}

/* A time that cannot lie ahead: when the file was written. 0: not known. */
static uint64_t file_time(const struct monitor *monitor)
{
	struct stat file;

	if (monitor->config->from_options || stat(monitor->config->path, &file) < 0 ||
		file.st_mtim.tv_sec < 0)
		return 0;
	return (uint64_t)file.st_mtim.tv_sec * 1000;
}

uint64_t network_clock_behind(const struct monitor *monitor)
{
	return clockwatch_behind(&monitor->network.clocks) / 1000;
}

static int open_timer(struct monitor_network *network)
{
	const struct itimerspec each = { .it_interval = { .tv_sec = LOOK_SECONDS },
		.it_value = { .tv_sec = LOOK_SECONDS } };

	network->timer = timerfd_create(CLOCK_BOOTTIME, TFD_NONBLOCK | TFD_CLOEXEC);
	if (network->timer < 0 || timerfd_settime(network->timer, 0, &each, NULL) < 0)
		return -errno;
	return 0;
}

int network_open(struct monitor *monitor)
{
	struct monitor_network *network = &monitor->network;
	const struct clockwatch_reading now = read_clocks();
	int error;

	network->due = MONITOR_NEVER;
	clockwatch_init(&network->clocks, &now, file_time(monitor));
	if (clockwatch_behind(&network->clocks))
		log_line(LOG_WARNING,
			"the clock is wrong: %s was written later than it shows. Peers that have "
			"seen a later time refuse our handshakes until it is set",
			monitor->config->path);
	network->watch = netwatch_open();
	if (network->watch < 0)
		return network->watch;
	network->inside = device_step_watch(monitor, &error);
	return error ? error : open_timer(network);
}

void network_close(struct monitor *monitor)
{
	struct monitor_network *network = &monitor->network;

	if (network->watch >= 0)
		close(network->watch);
	if (network->inside >= 0)
		close(network->inside);
	if (network->timer >= 0)
		close(network->timer);
	network->watch = network->inside = network->timer = -1;
	text_free(&network->ways);
}

/* ---- Ways ---- */

/* Where a peer is and how it is reached; one whose endpoint is not known goes nowhere. */
struct way {
	struct endpoint to;
	struct netlink_route route; /* all zero: none */
};

static void add_way(struct monitor *monitor, struct text *ways, const struct endpoint *to)
{
	struct way way = { .to = *to };

	/* A way through the tunnel itself is none, and a route's MTU is of no interest here. */
	if (!endpoint_is_set(to) ||
		netlink_route_get(
			monitor->netlink, &to->any, monitor->config->fwmark, &way.route) ||
		way.route.interface == monitor_interface_here(monitor))
		way.route = (struct netlink_route){ 0 };
	way.route.mtu = 0;
	text_add_bytes(ways, &way, sizeof(way));
}

/* To the world at large, where peers may be that the file has no endpoint for. */
static void add_common_ways(struct monitor *monitor, struct text *ways)
{
	static const char *const addresses[] = { "192.88.99.1:9", "[2001:1::1]:9" };
	struct endpoint somewhere;

	for (size_t i = 0; i < sizeof(addresses) / sizeof(*addresses); i++) {
		if (!endpoint_from_text(&somewhere, addresses[i]))
			add_way(monitor, ways, &somewhere);
	}
}

static void read_ways(struct monitor *monitor, struct text *ways)
{
	const struct config *config = monitor->config;

	add_common_ways(monitor, ways);
	for (size_t i = 0; i < config->peer_count && i < WAYS_MAX; i++) {
		struct endpoint endpoint = { 0 };

		endpoints_known(monitor, &config->peers[i], &endpoint);
		add_way(monitor, ways, &endpoint);
	}
}

static bool way_changed(const struct way *before, const struct way *after)
{
	/* How it was reached where it has moved to is not known: it may be another way by now. */
	return !endpoint_equal(&before->to, &after->to) ||
	       before->route.interface != after->route.interface ||
	       memcmp(before->route.gateway, after->route.gateway, sizeof(after->route.gateway)) ||
	       memcmp(before->route.source, after->route.source, sizeof(after->route.source));
}

static struct way way_at(const struct text *ways, size_t at)
{
	struct way way = { 0 };

	if (at < ways->len)
		memcpy(&way, ways->bytes + at, sizeof(way));
	return way;
}

/* Whether they are others than when it was last asked. */
static bool ways_changed(struct monitor *monitor)
{
	struct text *known = &monitor->network.ways, now = { 0 };
	bool changed = false;

	read_ways(monitor, &now);
	for (size_t at = 0; at < now.len && !changed; at += sizeof(struct way)) {
		const struct way before = way_at(known, at), after = way_at(&now, at);

		changed = way_changed(&before, &after);
	}
	text_free(known);
	*known = now;
	return changed;
}

void network_learn(struct monitor *monitor)
{
	struct text *known = &monitor->network.ways, now = { 0 };

	read_ways(monitor, &now);
	/* What is known stays to be compared with. */
	for (size_t at = 0; at < now.len; at += sizeof(struct way)) {
		const struct way before = way_at(known, at), after = way_at(&now, at);

		if (endpoint_equal(&before.to, &after.to))
			memcpy(now.bytes + at, &before, sizeof(before));
	}
	text_free(known);
	*known = now;
}

/* ---- What happens, and what is done ---- */

static void plan_reaction(struct monitor_network *network)
{
	const uint64_t now = monitor_now();
	uint64_t soonest = now + SETTLE;

	if (network->due != MONITOR_NEVER)
		return;
	if (network->reacted && soonest < network->reacted + PAUSE)
		soonest = network->reacted + PAUSE;
	network->due = soonest;
}

void network_suspect(struct monitor *monitor)
{
	text_free(&monitor->network.ways);
	plan_reaction(&monitor->network);
}

static void read_news(int *watch, const struct netwatch_scope *scope, struct netwatch_news *news)
{
	const int error = netwatch_read(*watch, scope, news);

	if (!error)
		return;
	log_line(LOG_WARNING, "cannot follow the network any more: %s", strerror(-error));
	close(*watch);
	*watch = -1;
}

void network_on_news(struct monitor *monitor)
{
	struct netwatch_scope scope = { .interface = monitor_interface_here(monitor) };
	struct netwatch_news news;

	routing_watched_tables(monitor, scope.tables);
	read_news(&monitor->network.watch, &scope, &news);
	if (news.network)
		plan_reaction(&monitor->network);
	if (news.removed)
		routing_on_removal(monitor);
}

void network_on_news_inside(struct monitor *monitor)
{
	const struct netwatch_scope scope = { .interface = monitor->interface };
	struct netwatch_news news;

	read_news(&monitor->network.inside, &scope, &news);
	if (news.network)
		plan_reaction(&monitor->network);
}

void network_on_timer(struct monitor *monitor)
{
	uint64_t expirations;

	while (read(monitor->network.timer, &expirations, sizeof(expirations)) > 0)
		;
}

static void look_at_clocks(struct monitor *monitor)
{
	struct monitor_network *network = &monitor->network;
	const struct clockwatch_reading now = read_clocks();
	struct clockwatch_news news;

	clockwatch_look(&network->clocks, &now, &news);
	if (news.slept) {
		log_line(LOG_INFO, "the machine slept for %llu s",
			(unsigned long long)news.slept / 1000);
		network->slept += news.slept;
		plan_reaction(network);
	}
	if (news.set_back)
		log_line(LOG_WARNING,
			"the clock was set back by %llu s: if the tunnel is restarted before it "
			"has caught up, peers refuse its handshakes until then",
			(unsigned long long)news.set_back / 1000);
	if (news.caught_up)
		log_line(LOG_INFO, "the clock has caught up");
}

/* Of peers that had a session; time that was slept through does not count. */
static void ask_for_handshakes(struct monitor *monitor, uint64_t slept)
{
	const unsigned long long age = SESSION_SECONDS + slept / 1000;
	struct text request = { 0 };
	int error;

	text_add(&request, "set=1\nculvert_handshake=%llu\n\n", age);
	error = request.failed ? -ENOMEM : engine_ask(monitor, &request);
	text_free(&request);
	if (error && error != -EINTR)
		log_line(LOG_WARNING, "the engine was not told of the network: %s",
			strerror(-error));
}

void network_work(struct monitor *monitor)
{
	struct monitor_network *network = &monitor->network;
	uint64_t slept;

	look_at_clocks(monitor);
	if (network->due > monitor_now())
		return;
	slept = network->slept;
	network->due = MONITOR_NEVER;
	network->reacted = monitor_now();
	network->slept = 0;
	endpoints_ask(monitor);
	ethernet_find_bridge(monitor);
	if (!ways_changed(monitor) && !slept)
		return;
	if (!slept)
		log_line(LOG_INFO, "the network changed");
	network->changed = time(NULL);
	endpoints_network_changed(monitor);
	ask_for_handshakes(monitor, slept);
	endpoints_set_mtu(monitor);
}

uint64_t network_due(const struct monitor *monitor)
{
	return monitor->network.due;
}
