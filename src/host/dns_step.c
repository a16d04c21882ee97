/* SPDX-License-Identifier: ISC */
/* DNS as steps of a tunnel's life: host/dns.h run from the monitor's loop. */
#include "host/dns_step.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "engine/log.h"
#include "host/child.h"
#include "host/dns_netns.h"
#include "host/helper.h"
#include "host/monitor_state.h"
#include "host/outside.h"

enum { KILL_GRACE = 1000 }; /* milliseconds until a killed process is gone */

static void end_helper(struct monitor *monitor)
{
	const uint64_t until = monitor_now() + KILL_GRACE;

	if (monitor->hook)
		child_kill(monitor->hook, SIGKILL);
	while (monitor->hook && monitor_now() < until)
		monitor_pump(monitor, until);
}

/* Takes the place of a hook, of which none runs at this time. Being told to stop ends it. */
static bool run(void *context, const char *const *arguments, const char *input, char *why)
{
	struct monitor *monitor = context;
	const unsigned stops = monitor->stop_signals;
	const uint64_t until = monitor_now() + HELPER_TIMEOUT;
	const bool busy = monitor->busy;
	int error = helper_start(arguments, input, &monitor->hook);

	if (error)
		monitor->hook = 0;
	monitor->busy = true;
	while (monitor->hook && monitor->stop_signals == stops && monitor_now() < until)
		monitor_pump(monitor, until);
	monitor->busy = busy;
	if (monitor->hook)
		error = monitor->stop_signals == stops ? -ETIMEDOUT : -EINTR;
	end_helper(monitor);
	return helper_succeeded(arguments[0], error, monitor->hook_status, why, DNS_WHY_SIZE);
}

static bool undo_at(
	struct monitor *monitor, const struct dns_places *places, char why[DNS_WHY_SIZE])
{
	const struct dns_runner runner = { run, monitor };
	const bool good = dns_undo_left_over(places, monitor->config->name, &runner, why);

	if (!good)
		log_line(LOG_WARNING, "DNS is not put back: %s", why);
	else if (*why)
		log_line(LOG_NOTICE, "DNS: %s", why);
	return good;
}

static bool undo(struct monitor *monitor, char why[DNS_WHY_SIZE])
{
	const bool good = undo_at(monitor, &monitor->dns_places, why);

	if (good && monitor->netns_resolv_conf)
		dns_netns_finish(monitor->routing.state_path, monitor->netns_resolv_conf);
	return good;
}

int dns_step_clean(struct monitor *monitor)
{
	char why[DNS_WHY_SIZE];

	/* It need not have been in a namespace then; one where it was, and is no more, has its line
	 * in the state file. */
	if (monitor->netns_resolv_conf)
		undo_at(monitor, &dns_host_places, why);
	undo(monitor, why);
	/* Names of endpoints are looked up as the host did before the tunnel. */
	outside_remember(&monitor->resolv_conf);
	return 0;
}

/* In another namespace there is but one way. */
static enum dns_backend choose(struct monitor *monitor)
{
	struct monitor_dns *dns = &monitor->dns;
	int error;

	if (!monitor->netns_path)
		return dns_choose(&monitor->dns_places, !geteuid(), dns->why);
	error = dns_netns_prepare(monitor->routing.state_path, monitor->netns_resolv_conf);
	if (error)
		snprintf(dns->why, sizeof(dns->why), "cannot make the directory of %.160s: %s",
			monitor->netns_resolv_conf, strerror(-error));
	return error ? DNS_NONE : DNS_FILE;
}

static int set(struct monitor *monitor)
{
	const struct dns_settings settings = dns_settings_from(monitor->config);
	const struct dns_runner runner = { run, monitor };
	struct monitor_dns *dns = &monitor->dns;

	dns->touched = true;
	if (dns->backend == DNS_NONE)
		dns->backend = choose(monitor);
	if (dns->backend == DNS_NONE ||
		!dns_set(&monitor->dns_places, dns->backend, &settings, &runner, dns->why)) {
		dns->backend = DNS_NONE;
		log_line(LOG_WARNING, "DNS is not set, names are looked up as before: %s%s",
			dns->why,
			geteuid() ? " (it takes root, or polkit's leave for systemd-resolved)"
				  : "");
		return -EIO;
	}
	*dns->why = 0;
	log_line(LOG_INFO, "DNS is set by %s: %s names are looked up through the tunnel",
		dns_backend_name(dns->backend),
		dns->backend == DNS_RESOLVED && !settings.everything ? "its domains\'" : "all");
	return 0;
}

int dns_step_up(struct monitor *monitor)
{
	if (monitor->config->dns.servers.count)
		set(monitor);
	return 0;
}

void dns_step_down(struct monitor *monitor)
{
	const bool paused = monitor->dns.paused;
	char why[DNS_WHY_SIZE];

	if (monitor->dns.touched)
		undo(monitor, why);
	monitor->dns = (struct monitor_dns){ .paused = paused };
}

int dns_step_change(struct monitor *monitor, const struct config *old, struct text *answer)
{
	const struct dns_settings before = dns_settings_from(old);
	const struct dns_settings now = dns_settings_from(monitor->config);
	const bool same = dns_settings_same(&before, &now);

	if (!now.dns->servers.count) {
		dns_step_down(monitor);
		return 0;
	}
	if (monitor->dns.paused || (same && monitor->dns.backend != DNS_NONE) || !set(monitor))
		return 0;
	text_add(answer, "%s=DNS is not set: %s\n", same ? "warning" : "problem", monitor->dns.why);
	return same ? 0 : -EIO;
}

/* What cannot be put back stays noted, and is set again at the pause's end. */
static int begin_pause(struct monitor *monitor, struct text *answer)
{
	char why[DNS_WHY_SIZE];

	if (monitor->dns.touched && !undo(monitor, why)) {
		text_add(answer, "problem=DNS is not put back: %s\n", why);
		if (routing_has_rules(monitor))
			text_add(answer, "problem=traffic passes the tunnel by all the same\n");
		return -EIO;
	}
	monitor->dns = (struct monitor_dns){ .paused = true };
	return 0;
}

static int end_pause(struct monitor *monitor, struct text *answer)
{
	if (!monitor->config->dns.servers.count || !set(monitor))
		return 0;
	text_add(answer, "problem=DNS is not set: %s\n", monitor->dns.why);
	return -EIO;
}

/* Begins or ends one with what routing says. */
static int follow_routing(struct monitor *monitor, struct text *answer)
{
	monitor->dns.paused = monitor->routing.paused_until;
	return monitor->dns.paused ? begin_pause(monitor, answer) : end_pause(monitor, answer);
}

int dns_step_pause(struct monitor *monitor, struct text *answer)
{
	const struct monitor_dns *dns = &monitor->dns;
	const bool paused = monitor->routing.paused_until;

	if (paused == dns->paused && (paused ? !dns->touched : dns->backend != DNS_NONE))
		return 0;
	return follow_routing(monitor, answer);
}

void dns_step_work(struct monitor *monitor)
{
	const bool paused = monitor->routing.paused_until;
	struct text ignored = { 0 }; /* it is logged */

	if (paused != monitor->dns.paused)
		follow_routing(monitor, &ignored);
	text_free(&ignored);
}
