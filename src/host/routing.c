/* SPDX-License-Identifier: ISC */
/* Full tunnels and kill switches: when their rules and blocked routes come and go. */
#include "host/routing.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/log.h"
#include "host/leftover.h"
#include "host/monitor_state.h"
#include "host/policy_host.h"
#include "host/sysctl.h"

enum {
	CHECK_DELAY = 300,  /* milliseconds from the first removal: a restart removes many */
	RETRY_DELAY = 2000, /* from what the kernel has refused */
};

/* ---- the plan ---- */

/* Where peers are, as far as that is known: given as an address, or looked up. */
static struct endpoint *known_endpoints(
	const struct monitor *monitor, const struct config *config, size_t *count)
{
	struct endpoint *list =
		calloc(config->peer_count + monitor->lookup_count * (RESOLVE_ADDRESSES_MAX + 1) + 1,
			sizeof(*list));

	*count = 0;
	for (size_t i = 0; list && i < config->peer_count; i++) {
		const struct config_endpoint *endpoint = &config->peers[i].endpoint;

		if (endpoint->host &&
			!resolve_numeric(endpoint->host, endpoint->port, &list[*count]))
			++*count;
	}
	for (size_t i = 0; list && i < monitor->lookup_count; i++) {
		const struct monitor_lookup *lookup = &monitor->lookups[i];

		if (endpoint_is_set(&lookup->endpoint))
			list[(*count)++] = lookup->endpoint;
		for (unsigned j = 0; j < lookup->names.count; j++)
			list[(*count)++] = lookup->names.addresses[j];
	}
	return list;
}

int routing_plan(struct monitor *monitor, struct config *config, struct policy *policy)
{
	const uint32_t chosen = policy_mark(config->name);
	struct endpoint *endpoints;
	size_t count;

	/* The engine keeps a mark that we chose: without it its packets would go into the tunnel
	 * as long as there are rules. */
	if (!config->fwmark && monitor->routing.policy.mark == chosen)
		config->fwmark = chosen;
	endpoints = known_endpoints(monitor, config, &count);
	if (!endpoints)
		return -ENOMEM;
	policy_make(policy, config, endpoints, count);
	config->fwmark = policy->mark;
	free(endpoints);
	return 0;
}

void routing_place(
	const struct policy *policy, const struct config *config, struct diff_routes *routes)
{
	for (size_t i = 0; i < routes->count; i++)
		routes->items[i].table =
			policy_table(policy, config, routes->items[i].prefix.family);
}

/* ---- making it so ---- */

static int apply(struct monitor *monitor, const struct config *config, bool wanted)
{
	char complaint[POLICY_COMPLAINT_SIZE];
	struct undo_lines lines = { 0 };
	int error = wanted ? policy_lines(&monitor->routing.policy, config, &lines) : 0;

	if (error)
		snprintf(complaint, sizeof(complaint), "%s", strerror(-error));
	else
		error = policy_apply(
			monitor->netlink, monitor->routing.state_path, &lines, complaint);
	undo_free(&lines);
	if (error)
		monitor_error(monitor, "%s", complaint);
	return error;
}

/* The rules and blocked routes as they should be now. */
static int apply_now(struct monitor *monitor)
{
	const struct routing *routing = &monitor->routing;

	return apply(monitor, monitor->config, routing->rules_wanted && !routing->paused_until);
}

/* The kernel may have no memory for a moment: a switch that is to be closed does not stay open for
 * that, nor do rules that somebody removed stay away. */
static int apply_or_retry(struct monitor *monitor)
{
	const int error = apply_now(monitor);

	if (error)
		monitor->routing.check_due = monitor_now() + RETRY_DELAY;
	return error;
}

/* Without it, IPv4 answers to the marked packets could be taken for spoofed ones where a firewall
 * restores marks. A read-only /proc (in a container) is not a reason to do without a tunnel. */
static void set_valid_mark(struct monitor *monitor)
{
	int error = sysctl_turn_on(monitor->routing.state_path, SYSCTL_SRC_VALID_MARK);

	if (error)
		log_line(LOG_WARNING, "cannot set net.ipv4.conf.all.src_valid_mark to 1: %s",
			strerror(-error));
}

/* Whether a device drops what comes from an address to which unmarked packets would not leave by
 * it: a full tunnel's peers. */
static bool filters_strictly(const char *device)
{
	char key[IF_NAMESIZE + 32];
	int all = 0, own = 0;

	snprintf(key, sizeof(key), "net/ipv4/conf/%s/rp_filter", device);
	return !sysctl_read("net/ipv4/conf/all/rp_filter", &all) && !sysctl_read(key, &own) &&
	       (all > own ? all : own) == 1;
}

/* Where a strict filter is on, a tunnel without a word of what is wrong would be no help. */
static void warn_of_filters(struct monitor *monitor)
{
	char device[IF_NAMESIZE];
	struct netlink_route route;
	struct endpoint *endpoints;
	size_t count;

	endpoints = known_endpoints(monitor, monitor->config, &count);
	for (size_t i = 0; endpoints && i < count; i++) {
		if (endpoints[i].any.sa_family != AF_INET ||
			netlink_route_get(monitor->netlink, &endpoints[i].any,
				monitor->config->fwmark, &route) ||
			!if_indextoname(route.interface, device) || !filters_strictly(device))
			continue;
		log_line(LOG_WARNING,
			"the strict filter of %s drops what peers answer, unless a firewall "
			"restores marks: sysctl -w net.ipv4.conf.%s.rp_filter=2 makes it a loose "
			"one",
			device, device);
		break;
	}
	free(endpoints);
}

/* What packets that go by rules need besides. */
static void prepare_ipv4(struct monitor *monitor)
{
	if (!monitor->routing.policy.ipv4)
		return;
	set_valid_mark(monitor);
	warn_of_filters(monitor);
}

int routing_clean(struct monitor *monitor)
{
	struct routing *routing = &monitor->routing;
	int error = undo_path(routing->state_path, monitor->config->name);

	if (!error)
		error = leftover_undo(monitor->netlink, routing->state_path, true, NULL);
	if (error)
		monitor_error(monitor, "cannot put back what a former start has left: %s",
			error == -EXDEV ? "that is in another network namespace"
					: strerror(-error));
	return error;
}

int routing_up_switch(struct monitor *monitor)
{
	struct routing *routing = &monitor->routing;
	int error = routing_plan(monitor, monitor->config, &routing->policy);

	if (error) {
		monitor_error(monitor, "cannot prepare the routing: %s", strerror(-error));
		return error;
	}
	routing->begun = true;
	routing->rules_wanted = monitor->config->kill_switch;
	return apply_now(monitor);
}

void routing_down_switch(struct monitor *monitor)
{
	struct routing *routing = &monitor->routing;
	const bool closed = monitor->config->kill_switch && !monitor->stop_signals;

	if (!routing->begun) /* it never came to anything */
		return;
	apply(monitor, monitor->config, closed);
	if (closed)
		log_line(LOG_NOTICE,
			"the kill switch stays closed, because nobody stopped the tunnel: "
			"'culvert down %s' opens it",
			monitor->config->name);
}

int routing_up_rules(struct monitor *monitor)
{
	monitor->routing.rules_wanted = true;
	prepare_ipv4(monitor);
	return apply_now(monitor);
}

static int put_back_sysctl(void *context, const char *what, const char *value)
{
	const struct monitor *monitor = context;

	const int error =
		strcmp(what, SYSCTL_WHAT) ? 0 : sysctl_put_back(monitor->routing.state_path, value);

	if (error)
		log_line(
			LOG_WARNING, "cannot put back the setting %s: %s", value, strerror(-error));
	return 0; /* with the others */
}

void routing_down_rules(struct monitor *monitor)
{
	struct routing *routing = &monitor->routing;
	int error;

	routing->rules_wanted = monitor->config->kill_switch;
	apply_now(monitor);
	error = undo_walk(routing->state_path, put_back_sysctl, monitor);
	if (error)
		log_line(LOG_WARNING, "cannot read %s, and so put nothing of it back: %s",
			routing->state_path, strerror(-error));
}

/* ---- an endpoint that turns out to lie inside AllowedIPs ---- */

/* Where they will be, on a device that stays. */
static void note_moved(struct monitor *monitor)
{
	const struct diff *now = &monitor->installed;
	struct diff moved = { .addresses_added = now->addresses_added,
		.routes_added.count = monitor->routes_added };

	if (!monitor->lasting.stays)
		return;
	moved.routes_added.items =
		calloc(monitor->routes_added + 1, sizeof(*moved.routes_added.items));
	if (!moved.routes_added.items)
		return;
	for (size_t i = 0; i < monitor->routes_added; i++)
		moved.routes_added.items[i] = now->routes_added.items[i];
	routing_place(&monitor->routing.policy, monitor->config, &moved.routes_added);
	lasting_note(monitor, now, &moved);
	free(moved.routes_added.items);
}

static void move_routes(struct monitor *monitor)
{
	struct diff_routes *routes = &monitor->installed.routes_added;

	note_moved(monitor);
	for (size_t i = 0; i < monitor->routes_added; i++) {
		struct diff_route before = routes->items[i];
		struct diff_routes one = { .items = &before, .count = 1 };

		routes->items[i].table = policy_table(
			&monitor->routing.policy, monitor->config, before.prefix.family);
		if (routes->items[i].table == before.table)
			continue;
		bringup_add_route(monitor, &routes->items[i], true);
		bringup_delete_routes(monitor, &one, 1);
	}
}

static int tell_mark(struct monitor *monitor, uint32_t mark)
{
	struct text request = { 0 };
	int error;

	text_add(&request, "set=1\nfwmark=%u\n\n", mark);
	error = request.failed ? -ENOMEM : engine_ask(monitor, &request);
	text_free(&request);
	if (error)
		monitor_error(monitor, "the engine did not take the mark: %s", strerror(-error));
	return error;
}

void routing_on_endpoint(struct monitor *monitor, const struct endpoint *endpoint)
{
	struct policy *policy = &monitor->routing.policy, with = *policy;
	struct config *config = monitor->config;
	struct endpoint one = *endpoint;
	int error = 0;

	policy_make(&with, config, &one, 1);
	if ((!with.ipv4 || policy->ipv4) && (!with.ipv6 || policy->ipv6))
		return;
	if (with.mark != config->fwmark)
		error = tell_mark(monitor, with.mark);
	/* Interrupted, it may well be set by now, and is not to be taken for somebody's wish. */
	if (!error || error == -EINTR)
		config->fwmark = with.mark;
	if (error)
		return;
	policy->mark = with.mark;
	policy->ipv4 = policy->ipv4 || with.ipv4;
	policy->ipv6 = policy->ipv6 || with.ipv6;
	prepare_ipv4(monitor);
	apply_now(monitor);
	move_routes(monitor);
}

/* ---- what others remove ---- */

void routing_watched_tables(const struct monitor *monitor, uint32_t tables[2])
{
	const struct config *config = monitor->config;

	tables[0] = monitor->routing.policy.mark;
	tables[1] = 0;
	if (config->kill_switch)
		tables[1] = config->table == CONFIG_TABLE_NUMBER ? config->table_number
								 : (uint32_t)NETLINK_TABLE_MAIN;
}

void routing_on_removal(struct monitor *monitor)
{
	struct routing *routing = &monitor->routing;

	if (routing->rules_wanted && !routing->paused_until && !routing->check_due)
		routing->check_due = monitor_now() + CHECK_DELAY;
}

/* Only those that go by rules: a route in the main table may have been removed for a reason. */
static void put_back_routes(struct monitor *monitor)
{
	const struct diff_routes *routes = &monitor->installed.routes_added;

	for (size_t i = 0; i < monitor->routes_added; i++) {
		const struct diff_route *route = &routes->items[i];
		const struct netlink_prefix to = { route->prefix.family, route->prefix.address,
			route->prefix.length };

		if (monitor->config->table == CONFIG_TABLE_AUTO &&
			route->table != NETLINK_TABLE_MAIN)
			netlink_route_add(monitor->netlink, monitor->interface, route->table, to);
	}
}

void routing_work(struct monitor *monitor)
{
	struct routing *routing = &monitor->routing;
	const uint64_t now = monitor_now();

	if (routing->paused_until && routing->paused_until <= now) {
		routing->paused_until = 0;
		apply_or_retry(monitor);
		log_line(LOG_INFO, "the pause is over");
	}
	if (routing->check_due && routing->check_due <= now) {
		routing->check_due = 0;
		apply_or_retry(monitor);
		put_back_routes(monitor);
	}
}

uint64_t routing_due(const struct monitor *monitor)
{
	const struct routing *routing = &monitor->routing;
	uint64_t due = routing->check_due ? routing->check_due : MONITOR_NEVER;

	return routing->paused_until && routing->paused_until < due ? routing->paused_until : due;
}

/* ---- reload ---- */

const char *routing_refusal(const struct monitor *monitor, const struct config *config)
{
	const struct policy *policy = &monitor->routing.policy;
	const uint32_t mark = config->fwmark ? config->fwmark : policy_mark(config->name);

	if ((policy->ipv4 || policy->ipv6) && mark != policy->mark)
		return "FwMark cannot change while AllowedIPs are routed by rules with it (a full "
		       "tunnel): restart the tunnel";
	return NULL;
}

int routing_change(
	struct monitor *monitor, const struct policy *policy, const struct config *config)
{
	struct routing *routing = &monitor->routing;

	routing->policy = *policy;
	prepare_ipv4(monitor);
	if (!policy->ipv4)
		undo_walk(routing->state_path, put_back_sysctl, monitor);
	return apply(monitor, config, !routing->paused_until);
}

/* ---- what people ask for ---- */

bool routing_has_rules(const struct monitor *monitor)
{
	const struct policy *policy = &monitor->routing.policy;

	return monitor->config->kill_switch || policy->ipv4 || policy->ipv6;
}

static bool may_pause(const struct monitor *monitor)
{
	const struct routing *routing = &monitor->routing;

	return routing_has_rules(monitor) || monitor->config->dns.servers.count ||
	       routing->paused_until;
}

int routing_pause(struct monitor *monitor, unsigned seconds, struct text *answer)
{
	struct routing *routing = &monitor->routing;
	int error;

	if (monitor->config->network_namespace) {
		text_add(answer,
			"problem=there is nothing to open: with NetworkNamespace programs there "
			"have no way but the tunnel, and the host's own way is open\n");
		return -ENOENT;
	}
	if (!may_pause(monitor)) {
		text_add(answer,
			"problem=there is nothing to open: neither a kill switch nor a full "
			"tunnel nor DNS\n");
		return -ENOENT;
	}
	routing->paused_until = seconds ? monitor_now() + (uint64_t)seconds * 1000 : 0;
	error = apply_or_retry(monitor);
	if (error) {
		text_add(answer, "problem=%s\n", monitor->last_error);
		routing->paused_until = 0;
	} else if (seconds) {
		log_line(LOG_NOTICE, "open for %u seconds: %s", seconds,
			routing_has_rules(monitor) ? "traffic passes the tunnel by"
						   : "DNS is the host's own");
	} else {
		log_line(LOG_INFO, "closed again");
	}
	return error;
}

void routing_status(const struct monitor *monitor, struct text *out)
{
	const struct routing *routing = &monitor->routing;
	const uint64_t now = monitor_now();
	const bool ipv4 = routing->policy.ipv4, ipv6 = routing->policy.ipv6;

	if (ipv4 || ipv6)
		text_add(out, "mark=%u\nrouting=%s%s%s by rules into table %u\n",
			routing->policy.mark, ipv4 ? "IPv4" : "", ipv4 && ipv6 ? " and " : "",
			ipv6 ? "IPv6" : "", routing->policy.mark);
	text_add(out, "kill_switch=%s\n",
		!monitor->config->kill_switch ? "off"
		: routing->paused_until       ? "paused"
					      : "on");
	if (routing->paused_until)
		text_add(out, "paused=%llu\n",
			routing->paused_until > now
				? (unsigned long long)(routing->paused_until - now + 999) / 1000
				: 1);
}
