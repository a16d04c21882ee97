/* SPDX-License-Identifier: ISC */
/*
 * Bringing a tunnel up, step by step, each with its undo beside it. Going down, and a start that
 * fails half way, run the undos in reverse: of each step that was begun, be it finished or not, so
 * an undo looks for itself what there is to undo, and goes on where something fails.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/listener.h"
#include "engine/log.h"
#include "engine/tun.h"
#include "host/child.h"
#include "host/device_step.h"
#include "host/dns_step.h"
#include "host/hooks.h"
#include "host/host_id.h"
#include "host/leftover.h"
#include "host/monitor_state.h"
#include "host/place.h"
#include "host/save.h"

/* Milliseconds. */
enum {
	HOOK_GRACE = 5000,        /* between SIGTERM and SIGKILL */
	PREDECESSOR_GRACE = 3000, /* for what is left of a tunnel that was killed */
	PREDECESSOR_POLL = 50,
};

/* Before a socket is made: what the state file says of it, for the case that we are killed. */
static int note_socket(struct monitor *monitor, const char *path)
{
	int error = undo_add(monitor->routing.state_path, LEFTOVER_SOCKET, path);

	if (error)
		monitor_error(monitor, "cannot write %s: %s", monitor->routing.state_path,
			strerror(-error));
	return error;
}

static void forget_socket(struct monitor *monitor, const char *path)
{
	const int error = undo_remove(monitor->routing.state_path, LEFTOVER_SOCKET, path);

	if (error)
		log_line(LOG_WARNING, "%s still tells of %s, which has gone: %s",
			monitor->routing.state_path, path, strerror(-error));
}

/* Whether it is gone: one that stays is noted for 'culvert down'. */
static bool unlink_socket(const char *path)
{
	if (!unlink(path) || errno == ENOENT)
		return true;
	log_line(LOG_WARNING, "cannot remove %s: %s", path, strerror(errno));
	return false;
}

static int wg_socket_path(const struct monitor *monitor, char path[PLACE_PATH_SIZE])
{
	return place_engine_socket(path, monitor->routing.state_path, monitor->config->device);
}

static int open_wg_socket(struct monitor *monitor)
{
	char path[PLACE_PATH_SIZE];
	int error;

	if (!geteuid())
		return listener_open(monitor->config->device, &monitor->wg_listener);
	error = wg_socket_path(monitor, path);
	return error ? error : listener_open_path(path, 0600, &monitor->wg_listener);
}

/* The device's name and the socket for `wg`. */
static int claim_names(struct monitor *monitor, bool *has_device)
{
	const int error = device_step_claim(monitor);

	*has_device = !error;
	return error ? error : open_wg_socket(monitor);
}

/* We have the tunnel's lock, so its former monitor is dead. Where that was sudden its engine is
 * about to notice, and what has our names now will be gone in a moment. */
static int claim_names_patiently(struct monitor *monitor, bool *has_device)
{
	const uint64_t until = monitor_now() + PREDECESSOR_GRACE;
	bool said = false;
	int error;

	while ((error = claim_names(monitor, has_device)) == -EEXIST || error == -EADDRINUSE ||
		error == -EBUSY) {
		if (monitor_now() >= until || monitor->stop_signals)
			break;
		if (!said)
			log_line(LOG_INFO, "%s is in use: waiting %d s for it",
				monitor->config->device, PREDECESSOR_GRACE / 1000);
		said = true;
		monitor_pump(monitor, monitor_now() + PREDECESSOR_POLL);
	}
	return error;
}

/* Control sockets: ours and the one for `wg`. */
static int up_sockets(struct monitor *monitor)
{
	const char *device = monitor->config->device;
	char path[PLACE_PATH_SIZE];
	bool has_device = false;
	int error = control_open(monitor);

	if (!error)
		error = wg_socket_path(monitor, path);
	if (!error)
		error = note_socket(monitor, path);
	if (error)
		return error;
	error = claim_names_patiently(monitor, &has_device);
	if (error && !has_device)
		device_step_complain(monitor, error);
	else if (error)
		monitor_error(monitor, "cannot listen at %s's socket for wg: %s%s", device,
			strerror(-error),
			error == -EADDRINUSE ? " (another WireGuard program has it)" : "");
	else
		monitor->wg_listener_made = true;
	return error;
}

static void down_sockets(struct monitor *monitor)
{
	char path[PLACE_PATH_SIZE];
	const int error = wg_socket_path(monitor, path);

	if (monitor->wg_listener >= 0)
		close(monitor->wg_listener);
	monitor->wg_listener = -1;
	if (!error && (!monitor->wg_listener_made || unlink_socket(path)))
		forget_socket(monitor, path);
	device_step_down(monitor);
	control_close(monitor);
}

/* Sends a signal to a hook and all that it started, and waits. */
static void end_hook(struct monitor *monitor, int number, uint64_t wait)
{
	uint64_t until = monitor_now() + wait;

	if (monitor->hook)
		child_kill(monitor->hook, number);
	while (monitor->hook && monitor_now() < until)
		monitor_pump(monitor, until);
}

/* Runs one command to its end. Being told to stop (once more, on the way down) ends the command. */
static int run_hook(struct monitor *monitor, const char *kind, const char *template)
{
	char *command = hooks_expand(template, monitor->config->device);
	char text[CHILD_STATUS_TEXT_SIZE];
	unsigned stops = monitor->stop_signals;
	int error = -ENOMEM;

	if (command) {
		log_line(LOG_INFO, "%s: %s", kind, command);
		error = hooks_start(command, &monitor->hook);
	}
	if (error) {
		monitor->hook = 0;
		monitor_error(monitor, "%s cannot be run: %s", kind, strerror(-error));
		goto out;
	}
	while (monitor->hook && monitor->stop_signals == stops)
		monitor_pump(monitor, MONITOR_NEVER);
	end_hook(monitor, SIGTERM, HOOK_GRACE);
	end_hook(monitor, SIGKILL, HOOK_GRACE);
	if (monitor->stop_signals != stops) {
		error = -EINTR;
	} else if (monitor->hook_status) {
		child_status_text(text, monitor->hook_status);
		monitor_error(monitor, "%s %s: %s", kind, text, command);
		error = -ECHILD;
	}
out:
	free(command);
	return error;
}

/* On the way up the first that fails ends it; on the way down each is run. */
static int run_hooks(
	struct monitor *monitor, const char *kind, const struct config_strings *hooks, bool go_on)
{
	int error = 0;

	for (size_t i = 0; i < hooks->count && (go_on || !error); i++)
		error = run_hook(monitor, kind, hooks->items[i]);
	return error;
}

static int up_pre_up(struct monitor *monitor)
{
	monitor->pre_up_started = true;
	return run_hooks(monitor, "PreUp", &monitor->config->pre_up, false);
}

/* A step of its own that comes before the device's, so that it is undone after the device has gone,
 * as wg-quick does. */
static void down_post_down(struct monitor *monitor)
{
	if (monitor->pre_up_started)
		run_hooks(monitor, "PostDown", &monitor->config->post_down, true);
}

static int up_post_up(struct monitor *monitor)
{
	monitor->post_up_started = true;
	return run_hooks(monitor, "PostUp", &monitor->config->post_up, false);
}

static void down_pre_down(struct monitor *monitor)
{
	if (monitor->post_up_started)
		run_hooks(monitor, "PreDown", &monitor->config->pre_down, true);
}

/* Before the engine, which gets an end of the stream by which it is asked. */
static int up_metrics(struct monitor *monitor)
{
	const struct config *config = monitor->config;
	struct metrics *metrics = &monitor->metrics;
	int error;

	if (!config->metrics)
		return 0;
	if (metrics_socket(config->metrics)) {
		error = note_socket(monitor, metrics_socket(config->metrics));
		if (error)
			return error;
	}
	error = metrics_listen(metrics, config->metrics);
	if (error) {
		monitor_error(monitor, "Metrics = %s: cannot listen there: %s%s", config->metrics,
			strerror(-error), error == -EADDRINUSE ? " (another program does)" : "");
		return error;
	}
	error = metrics_start(metrics, monitor->config, monitor->uid, monitor->gid);
	if (error)
		monitor_error(monitor, "cannot start the metrics process: %s", strerror(-error));
	return error;
}

static void down_metrics(struct monitor *monitor)
{
	const char *metrics = monitor->config->metrics;

	metrics_end(&monitor->metrics, monitor->uid, monitor->gid);
	while (monitor->metrics.pid)
		monitor_pump(monitor, monitor_now() + 100);
	metrics_close(&monitor->metrics, metrics);
	if (metrics && metrics_socket(metrics))
		forget_socket(monitor, metrics_socket(metrics));
}

static int up_engine(struct monitor *monitor)
{
	int error = engine_start(monitor);

	if (error)
		monitor_error(monitor, "cannot start the engine: %s", strerror(-error));
	return error;
}

/* By what the engine knows its own handshakes again, of this start or a former one. */
static int tell_host_id(struct monitor *monitor)
{
	struct text request = { 0 };
	char hex[KEY_HEX_SIZE];
	uint8_t id[KEY_LEN];
	int error;

	host_id_make(id, monitor->config);
	key_to_hex(hex, id);
	text_add(&request, "set=1\nculvert_host_id=%s\n\n", hex);
	error = engine_ask(monitor, &request);
	text_free(&request);
	return error;
}

static void say_keys_failed(struct monitor *monitor, int error)
{
	const unsigned port = monitor->config->listen_port;
	struct config_word key;

	config_key_word(&key, monitor->config, "ListenPort");
	if (error == -EADDRINUSE)
		monitor_error(monitor,
			"UDP port %u is in use: stop what uses it, or choose another with %s", port,
			key.text);
	else if (error == -EACCES)
		monitor_error(monitor,
			"UDP port %u takes CAP_NET_BIND_SERVICE: choose one from 1024 on, or start "
			"culvert with that capability",
			port);
	else if (error != -EINTR)
		monitor_error(
			monitor, "the engine did not take the settings: %s", strerror(-error));
}

/* Keys and peers. Their undo is the engine's end. */
static int up_keys(struct monitor *monitor)
{
	int error = diff_make(NULL, monitor->config, &monitor->installed);

	if (!error)
		routing_place(&monitor->routing.policy, monitor->config,
			&monitor->installed.routes_added);
	if (!error && monitor->config->shared_key.given)
		error = tell_host_id(monitor);
	if (!error)
		error = engine_ask(monitor, &monitor->installed.set);
	text_free(&monitor->installed.set);
	config_forget_secrets(monitor->config); /* nobody here asks for them again */
	if (error)
		say_keys_failed(monitor, error);
	return error;
}

static struct netlink_prefix as_netlink(const struct config_prefix *prefix)
{
	return (struct netlink_prefix){
		.family = prefix->family, .address = prefix->address, .length = prefix->length
	};
}

static void prefix_text(char text[INET6_ADDRSTRLEN + 4], const struct config_prefix *prefix)
{
	char address[INET6_ADDRSTRLEN];

	inet_ntop(prefix->family, prefix->address, address, sizeof(address));
	snprintf(text, INET6_ADDRSTRLEN + 4, "%s/%u", address, prefix->length);
}

int bringup_add_address(
	struct monitor *monitor, const struct config_prefix *address, bool may_exist)
{
	char text[INET6_ADDRSTRLEN + 4], line[DEVICE_LINE_SIZE];
	int error;

	device_facts_address(line, address);
	if (monitor->lasting.ordinary)
		return lasting_check(monitor, line);
	error = netlink_address_add(monitor->inside, monitor->interface, as_netlink(address));
	if (!error || (error == -EEXIST && (may_exist || lasting_is_there(monitor, line))))
		return 0;
	prefix_text(text, address);
	monitor_error(monitor, "cannot give %s the address %s: %s%s", monitor->config->device, text,
		strerror(-error),
		error == -EACCES ? " (is IPv6 off? see sysctl net.ipv6.conf.all.disable_ipv6)"
				 : "");
	return error;
}

void bringup_delete_addresses(
	struct monitor *monitor, const struct config_prefixes *addresses, size_t count)
{
	char line[DEVICE_LINE_SIZE];

	while (count--) {
		device_facts_address(line, &addresses->items[count]);
		if (monitor->lasting.stays)
			lasting_remove(monitor, line);
		else
			netlink_address_delete(monitor->inside, monitor->interface,
				as_netlink(&addresses->items[count]));
	}
}

static int up_addresses(struct monitor *monitor)
{
	const struct config_prefixes *addresses = &monitor->installed.addresses_added;
	int error = lasting_note(monitor, NULL, &monitor->installed);

	while (!error && monitor->addresses_added < addresses->count) {
		error = bringup_add_address(
			monitor, &addresses->items[monitor->addresses_added], false);
		monitor->addresses_added += !error;
	}
	return error;
}

static void down_addresses(struct monitor *monitor)
{
	if (monitor->lasting.stays)
		lasting_put_back(monitor->routing.state_path, monitor->inside, NULL);
	else
		bringup_delete_addresses(
			monitor, &monitor->installed.addresses_added, monitor->addresses_added);
	monitor->addresses_added = 0;
}

/* The names to look up, and the MTU as far as it can be known before they are. */
static int up_mtu(struct monitor *monitor)
{
	int error = endpoints_plan(monitor, false);

	if (error) {
		monitor_error(monitor, "%s", strerror(-error));
		return error;
	}
	endpoints_work(monitor);
	return endpoints_set_mtu(monitor);
}

static void down_mtu(struct monitor *monitor)
{
	endpoints_free(monitor);
}

static int up_link(struct monitor *monitor)
{
	int error;

	if (monitor->lasting.stays && !monitor->made_device)
		return lasting_set_up(monitor);
	/* As WireGuard's devices: from an address that no AllowedIPs have, the kernel would look
	 * for routers, and the peer refuse that. A host without IPv6 cannot, and need not. */
	if (!ethernet_has_link_local(monitor))
		(void)netlink_link_no_addresses(monitor->inside, monitor->interface);
	error = netlink_link_set_up(monitor->inside, monitor->interface, true);

	if (error)
		monitor_error(
			monitor, "cannot set %s up: %s", monitor->config->device, strerror(-error));
	else
		monitor->link_is_up = true;
	return error;
}

static void down_link(struct monitor *monitor)
{
	if (monitor->link_is_up && !monitor->lasting.stays)
		netlink_link_set_up(monitor->inside, monitor->interface, false);
	monitor->link_is_up = false;
}

static void say_route_failed(struct monitor *monitor, const struct diff_route *route, int error)
{
	char text[INET6_ADDRSTRLEN + 4];
	struct config_word mark, table;

	config_key_word(&mark, monitor->config, "FwMark");
	config_key_word(&table, monitor->config, "Table");
	prefix_text(text, &route->prefix);
	if (error == -EEXIST && route->table == monitor->config->fwmark)
		monitor_error(monitor,
			"cannot add the route to %s: table %u, which a full tunnel has by its "
			"mark 0x%x, has one already, of another tunnel with this mark perhaps: "
			"give this one another with %s, or none (ip route show table %u %s)",
			text, route->table, route->table, mark.text, route->table, text);
	else if (error == -EEXIST)
		monitor_error(monitor,
			"cannot add the route to %s: table %u has one already (ip route show table "
			"%u %s); remove that, or use %s off",
			text, route->table, route->table, text, table.text);
	else
		monitor_error(monitor, "cannot add the route to %s in table %u: %s%s", text,
			route->table, strerror(-error),
			error == -EACCES
				? " (is IPv6 off? see sysctl net.ipv6.conf.all.disable_ipv6)"
				: "");
}

int bringup_add_route(struct monitor *monitor, const struct diff_route *route, bool may_exist)
{
	char line[DEVICE_LINE_SIZE];
	int error;

	device_facts_route(line, &route->prefix, route->table);
	if (monitor->lasting.ordinary)
		return lasting_check(monitor, line);
	/* With another metric the kernel would take ours beside theirs. */
	if (lasting_is_theirs(monitor, line))
		return 0;
	error = netlink_route_add(
		monitor->inside, monitor->interface, route->table, as_netlink(&route->prefix));
	if (!error || (error == -EEXIST && (may_exist || lasting_is_there(monitor, line))))
		return 0;
	say_route_failed(monitor, route, error);
	return error;
}

void bringup_delete_routes(struct monitor *monitor, const struct diff_routes *routes, size_t count)
{
	char line[DEVICE_LINE_SIZE];

	while (count--) {
		const struct diff_route *route = &routes->items[count];

		device_facts_route(line, &route->prefix, route->table);
		if (monitor->lasting.stays)
			lasting_remove(monitor, line);
		else
			netlink_route_delete(monitor->inside, monitor->interface, route->table,
				as_netlink(&route->prefix));
	}
}

static int up_routes(struct monitor *monitor)
{
	const struct diff_routes *routes = &monitor->installed.routes_added;
	int error = 0;

	while (!error && monitor->routes_added < routes->count) {
		error = bringup_add_route(monitor, &routes->items[monitor->routes_added], false);
		monitor->routes_added += !error;
	}
	return error;
}

static void down_routes(struct monitor *monitor)
{
	if (!monitor->lasting.stays) /* else down_addresses does it */
		bringup_delete_routes(
			monitor, &monitor->installed.routes_added, monitor->routes_added);
	monitor->routes_added = 0;
}

static const char *save_explain(int error)
{
	switch (-error) {
	case ESTALE:
		return "the file was changed after it was read, and stays as it is";
	case EXDEV:
		return "a key of which it names the file has another value now";
	case EKEYREJECTED:
		return "others can read it, and it would hold a secret now: chmod 600 it";
	case EPERM:
		return "it is another user's, whose we may neither make a new one nor write this "
		       "one: chown root it, or chattr -i";
	case ENOTSUP:
		return "it has two [Interface] sections: make them one";
	case EBADMSG:
		return "with what the tunnel has now it could not be read again (no AllowedIPs "
		       "for a KillSwitch, perhaps)";
	default:
		return strerror(-error);
	}
}

/* SaveConfig, after PreDown as in wg-quick. */
static void down_save(struct monitor *monitor)
{
	struct text request = { 0 }, answer = { 0 };
	bool changed = false;
	int error;

	if (!monitor->config->save || !monitor->came_up)
		return;
	text_add(&request, "get=1\n\n");
	error = request.failed ? -ENOMEM : engine_get(monitor, &request, &answer);
	if (!error)
		error = save_file(
			monitor->config, monitor->routing.state_path, answer.bytes, &changed);
	if (error)
		monitor_error(monitor, "SaveConfig: %s is not written: %s", monitor->config->path,
			save_explain(error));
	else if (changed)
		log_line(LOG_INFO, "SaveConfig: %s is written", monitor->config->path);
	text_free(&request);
	text_free(&answer);
}

static const struct step {
	int (*up)(struct monitor *monitor);    /* NULL: there is only something to undo */
	void (*down)(struct monitor *monitor); /* NULL: another step's undo does it */
} steps[] = {
	{ routing_clean, NULL },
	{ up_sockets, down_sockets },
	{ dns_step_clean, NULL },
	{ NULL, down_post_down },
	{ routing_up_switch, routing_down_switch },
	{ up_metrics, down_metrics },
	{ device_step_up, device_step_down },
	{ up_engine, engine_stop }, /* before PreUp, which may call `wg` and wait for its answer */
	{ up_pre_up, NULL },
	{ up_keys, NULL },
	{ up_addresses, down_addresses },
	{ up_mtu, down_mtu },
	{ ethernet_join_bridge, ethernet_leave_bridge }, /* after the MTU, that it keeps its own */
	{ up_link, down_link },
	{ dns_step_up, dns_step_down },
	{ routing_up_rules, routing_down_rules },
	{ up_routes, down_routes },
	{ NULL, down_save },
	{ up_post_up, down_pre_down },
};

enum { STEP_COUNT = sizeof(steps) / sizeof(*steps) };

int bringup_start(struct monitor *monitor)
{
	for (; monitor->steps_begun < STEP_COUNT; monitor->steps_begun++) {
		const struct step *step = &steps[monitor->steps_begun];
		int error;

		if (monitor->stop_signals)
			return -EINTR;
		error = step->up ? step->up(monitor) : 0;
		if (error) {
			monitor->steps_begun++;
			return error;
		}
	}
	network_learn(monitor);
	monitor->came_up = true;
	log_line(LOG_INFO, "%s is up, MTU %u (%s)", monitor->config->device, monitor->mtu,
		monitor->mtu_why);
	return 0;
}

void bringup_undo(struct monitor *monitor)
{
	while (monitor->steps_begun) {
		const struct step *step = &steps[--monitor->steps_begun];

		if (step->down)
			step->down(monitor);
	}
	diff_free(&monitor->installed);
	log_line(LOG_INFO, "%s %s", monitor->config->device,
		monitor->came_up ? "is down" : "did not come up");
}
