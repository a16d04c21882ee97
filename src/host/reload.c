/* SPDX-License-Identifier: ISC */
/*
 * Reading the file again and carrying out the difference.
 *
 * The engine comes first, because it takes a request whole or not at all: up to there a reload that
 * fails has changed nothing but notes of what may be added, which are then taken back. What the
 * host refuses after that is told, and the rest is done all the same.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/log.h"
#include "host/credentials.h"
#include "host/device_step.h"
#include "host/dns_step.h"
#include "host/monitor_state.h"
#include "host/rights.h"

static void add_problem(struct text *answer, int priority, const char *problem)
{
	log_line(priority, "reload: %s", problem);
	text_add(answer, "%s=%s\n", priority == LOG_ERR ? "problem" : "warning", problem);
}

static void add_problems(struct text *answer, const struct config_problems *problems)
{
	char *printed = NULL, *rest, *line;
	size_t len = 0;
	FILE *to = open_memstream(&printed, &len);

	if (!to)
		return;
	config_problems_print(problems, to);
	if (!fclose(to)) {
		rest = printed;
		while ((line = strsep(&rest, "\n"))) {
			if (*line)
				add_problem(answer, problems->errors ? LOG_ERR : LOG_WARNING, line);
		}
	}
	free(printed);
}

static struct config *load(struct monitor *monitor, struct text *answer)
{
	struct config_problems problems = { 0 };
	struct config *config = NULL;
	char differs[DIFF_REFUSAL_SIZE], text[RIGHTS_REFUSAL_SIZE], why[INHERITED_WHY_SIZE];
	const char *refusal;
	int error;

	if (monitor->config->from_options) {
		add_problem(answer, LOG_ERR,
			"the tunnel was given on the command line, so there is no file to read "
			"again: stop it, and run it with other options");
		return NULL;
	}
	if (credentials_has(monitor->config->path) && monitor->reload_file < 0) {
		add_problem(answer, LOG_ERR,
			"the tunnel's file is a copy that was made at the start, and only root can "
			"hand over the present one: 'culvert reload --hand-over', or systemctl "
			"reload with ExecReload=+");
		return NULL;
	}
	error = monitor->reload_file >= 0 && credentials_has(monitor->config->path)
			? config_load_open(
				  monitor->reload_file, monitor->config->path, &config, &problems)
			: config_load(monitor->config->path, &config, &problems);
	add_problems(answer, &problems);
	if (error == -ENOMEM)
		add_problem(answer, LOG_ERR, strerror(ENOMEM));
	config_problems_free(&problems);
	if (error)
		return NULL;
	refusal = diff_refusal(monitor->config, config, differs);
	if (!refusal)
		refusal = routing_refusal(monitor, config);
	if (!refusal)
		refusal = rights_refusal(config, monitor->no_hooks, text);
	if (!refusal)
		refusal = inherited_refusal(&monitor->given, config, why);
	if (refusal) {
		add_problem(answer, LOG_ERR, refusal);
		config_free(config);
		return NULL;
	}
	return config;
}

static bool same_prefix(const struct config_prefix *a, const struct config_prefix *b)
{
	return a->family == b->family && a->length == b->length &&
	       !memcmp(a->address, b->address, sizeof(a->address));
}

/* What the host refused is not there: the next reload tries it again. */
static void forget_address(struct config_prefixes *list, const struct config_prefix *address)
{
	size_t kept = 0;

	for (size_t i = 0; i < list->count; i++) {
		if (!same_prefix(&list->items[i], address))
			list->items[kept++] = list->items[i];
	}
	list->count = kept;
}

static void forget_route(struct diff_routes *list, const struct diff_route *route)
{
	size_t kept = 0;

	for (size_t i = 0; i < list->count; i++) {
		if (list->items[i].table != route->table ||
			!same_prefix(&list->items[i].prefix, &route->prefix))
			list->items[kept++] = list->items[i];
	}
	list->count = kept;
}

static bool add_addresses(struct monitor *monitor, const struct config_prefixes *addresses,
	struct diff *whole, struct text *answer)
{
	bool good = true;

	for (size_t i = 0; i < addresses->count; i++) {
		const struct config_prefix address = addresses->items[i];

		if (!bringup_add_address(monitor, &address, true))
			continue;
		text_add(answer, "problem=%s\n", monitor->last_error);
		forget_address(&whole->addresses_added, &address);
		i -= addresses == &whole->addresses_added;
		good = false;
	}
	return good;
}

static bool add_routes(struct monitor *monitor, const struct diff_routes *routes, bool may_exist,
	struct diff *whole, struct text *answer)
{
	bool good = true;

	for (size_t i = 0; i < routes->count; i++) {
		const struct diff_route route = routes->items[i];

		if (!bringup_add_route(monitor, &route, may_exist))
			continue;
		text_add(answer, "problem=%s\n", monitor->last_error);
		forget_route(&whole->routes_added, &route);
		i -= routes == &whole->routes_added;
		good = false;
	}
	return good;
}

/* Taking an IPv4 address away can take others and routes with it: the kernel removes a network's
 * secondary addresses with its first, and all routes with the last. So what should be there is
 * added once more. */
static bool change_addresses_and_routes(
	struct monitor *monitor, const struct diff *diff, struct diff *whole, struct text *answer)
{
	bool good = add_addresses(monitor, &diff->addresses_added, whole, answer);

	bringup_delete_addresses(monitor, &diff->addresses_removed, diff->addresses_removed.count);
	if (diff->addresses_removed.count)
		good &= add_addresses(monitor, &whole->addresses_added, whole, answer);
	bringup_delete_routes(monitor, &diff->routes_removed, diff->routes_removed.count);
	good &= add_routes(monitor, &diff->routes_added, false, whole, answer);
	if (diff->addresses_removed.count)
		good &= add_routes(monitor, &whole->routes_added, true, whole, answer);
	return good;
}

static void tell_of_hooks(const struct config *old, const struct config *new, struct text *answer)
{
	struct text hooks = { 0 };

	diff_hooks(&hooks, old, new);
	if (hooks.len && !hooks.failed)
		add_problem(answer, LOG_NOTICE, hooks.bytes);
	text_free(&hooks);
}

/* From here on the new configuration is the one that counts, whatever the host says. */
static bool change_host(struct monitor *monitor, struct config *config, const struct policy *policy,
	const struct diff *diff, struct diff *whole, struct text *answer)
{
	struct config *old = monitor->config;
	bool good = !routing_change(monitor, policy, config);

	if (!good)
		text_add(answer, "problem=%s\n", monitor->last_error);
	good &= change_addresses_and_routes(monitor, diff, whole, answer);
	lasting_note(monitor, NULL, whole);
	config_forget_secrets(config); /* the engine has them */
	monitor->config = config;
	if (config->user) /* the same one: diff_refusal */
		monitor->user = config->user;
	diff_free(&monitor->installed);
	monitor->installed = *whole;
	*whole = (struct diff){ 0 };
	monitor->addresses_added = monitor->installed.addresses_added.count;
	monitor->routes_added = monitor->installed.routes_added.count;
	if (endpoints_plan(monitor, true)) {
		add_problem(answer, LOG_ERR, "out of memory: endpoint names are not looked up");
		endpoints_free(monitor);
		good = false;
	}
	good &= !dns_step_change(monitor, old, answer);
	tell_of_hooks(old, config, answer);
	config_free(old);
	network_learn(monitor);
	if (endpoints_set_mtu(monitor)) {
		text_add(answer, "problem=%s\n", monitor->last_error);
		good = false;
	}
	if (ethernet_join_bridge(monitor)) {
		text_add(answer, "problem=%s\n", monitor->last_error);
		good = false;
	}
	if (!good)
		add_problem(answer, LOG_ERR,
			"the rest of the file is in effect; reload again when this is mended");
	return good;
}

/* What a reload is about to do. */
struct plan {
	struct policy policy;
	struct diff engine; /* for the engine, */
	struct diff whole;  /* all that the host is to have, */
	struct diff host;   /* and what of it it has not yet */
};

static void plan_free(struct plan *plan)
{
	diff_free(&plan->engine);
	diff_free(&plan->whole);
	diff_free(&plan->host);
}

static int plan_make(struct monitor *monitor, struct config *config, struct plan *plan)
{
	int error = routing_plan(monitor, config, &plan->policy);

	if (!error)
		error = diff_make(monitor->config, config, &plan->engine);
	if (!error)
		error = diff_make(NULL, config, &plan->whole);
	text_free(&plan->whole.set);
	if (error)
		return error;
	routing_place(&plan->policy, config, &plan->whole.routes_added);
	return diff_host(&monitor->installed, &plan->whole, &plan->host);
}

/* Up to where there is a way back. */
static bool begin(
	struct monitor *monitor, struct config *config, struct plan *plan, struct text *answer)
{
	char text[MONITOR_TEXT_SIZE];
	int error = plan_make(monitor, config, plan);

	if (!error && lasting_note(monitor, &monitor->installed, &plan->whole)) {
		text_add(answer, "problem=%s\n", monitor->last_error);
		return false;
	}
	if (!error && plan->engine.set.len) {
		error = engine_ask(monitor, &plan->engine.set);
		if (error)
			lasting_note(monitor, NULL, &monitor->installed);
	}
	if (!error)
		return true;
	snprintf(text, sizeof(text), "the engine did not take the settings: %s%s", strerror(-error),
		error == -EADDRINUSE ? " (the ListenPort: choose another)" : "");
	add_problem(answer, LOG_ERR, text);
	return false;
}

static void warn_of_namespace(const struct monitor *monitor, struct text *answer)
{
	char text[MONITOR_TEXT_SIZE];

	if (!device_step_lost_namespace(monitor))
		return;
	snprintf(text, sizeof(text),
		"NetworkNamespace = %.80s is not the one any more that the tunnel is in: if that "
		"was made anew, restart the tunnel",
		monitor->config->network_namespace);
	add_problem(answer, LOG_WARNING, text);
}

bool reload_run(struct monitor *monitor, struct text *answer)
{
	struct config *config = load(monitor, answer);
	struct plan plan = { 0 };
	bool good;

	if (!config)
		return false;
	warn_of_namespace(monitor, answer);
	good = begin(monitor, config, &plan, answer);
	if (good)
		good = change_host(monitor, config, &plan.policy, &plan.host, &plan.whole, answer);
	else
		config_free(config);
	plan_free(&plan);
	if (good) {
		log_line(LOG_INFO, "reloaded %s", monitor->config->path);
		monitor->last_error[0] = '\0';
	}
	return good;
}
