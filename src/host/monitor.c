/* SPDX-License-Identifier: ISC */
/* The monitor's loop: signals, the engine's requests, look-ups, the control socket. */
#include "host/monitor.h"

#include <errno.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/log.h"
#include "engine/requests.h"
#include "engine/sandbox.h"
#include "host/child.h"
#include "host/device_step.h"
#include "host/dns_step.h"
#include "host/lock.h"
#include "host/monitor_state.h"
#include "host/place.h"
#include "host/refused.h"
#include "host/rights.h"

void monitor_error(struct monitor *monitor, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(monitor->last_error, sizeof(monitor->last_error), format, args);
	va_end(args);
	log_line(LOG_ERR, "%s", monitor->last_error);
}

uint64_t monitor_clock(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

uint64_t monitor_now(void)
{
	return monitor_clock(CLOCK_BOOTTIME);
}

static void reap_children(struct monitor *monitor)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid == monitor->engine) {
			engine_on_exit(monitor, status);
		} else if (pid == monitor->hook) {
			monitor->hook = 0;
			monitor->hook_status = status;
		} else if (pid == monitor->metrics.pid) {
			metrics_on_exit(&monitor->metrics, status);
		} else {
			endpoints_on_exit(monitor, pid);
		}
	}
}

static void on_signal(struct monitor *monitor)
{
	struct signalfd_siginfo info;

	while (read(monitor->signals, &info, sizeof(info)) == sizeof(info)) {
		switch (info.ssi_signo) {
		case SIGCHLD:
			reap_children(monitor);
			break;
		case SIGHUP:
			monitor->reload = true;
			break;
		default:
			log_line(LOG_INFO, "%s: stopping", strsignal((int)info.ssi_signo));
			monitor->stop_signals++;
		}
	}
}

/* The engine parses what comes from the internet: nothing that it says is believed. */
static void on_engine_request(struct monitor *monitor)
{
	int error = requests_serve(monitor->engine_requests, &monitor->given.udp);

	if (!error || error == -EAGAIN || error == -EINTR)
		return;
	if (error == -EPROTO)
		engine_broke_protocol(monitor, "a malformed request");
	if (error == -EPROTO || error == -EPIPE || error == -ECONNRESET) {
		close(monitor->engine_requests);
		monitor->engine_requests = -1;
		return;
	}
	log_line(LOG_WARNING, "a request of the engine failed: %s", strerror(-error));
}

/* What a descriptor of the poll set belongs to. */
enum source {
	SOURCE_SIGNALS,
	SOURCE_REQUESTS,
	SOURCE_ENGINE,
	SOURCE_LISTENER,
	SOURCE_CLIENT,
	SOURCE_LOOKUP,
	SOURCE_NETWORK,
	SOURCE_INSIDE,
	SOURCE_TIMER,
};

enum { POLLS_MAX = 7 + MONITOR_CLIENTS_MAX + MONITOR_LOOKUPS_AT_ONCE };

struct poll_set {
	struct pollfd polls[POLLS_MAX];
	struct {
		enum source source;
		size_t index;
	} owners[POLLS_MAX];
	nfds_t count;
};

static void watch(struct poll_set *set, int fd, short events, enum source source, size_t index)
{
	if (fd < 0 || set->count == POLLS_MAX)
		return;
	set->polls[set->count] = (struct pollfd){ .fd = fd, .events = events };
	set->owners[set->count].source = source;
	set->owners[set->count].index = index;
	set->count++;
}

static void watch_all(const struct monitor *monitor, struct poll_set *set)
{
	/* Of one who waits, only that it went away. */
	static const short client_events[] = { [CLIENT_ASKING] = POLLIN,
		[CLIENT_WAITING] = 0,
		[CLIENT_RELOADING] = 0,
		[CLIENT_PAUSING] = 0,
		[CLIENT_ANSWERING] = POLLOUT };

	set->count = 0;
	watch(set, monitor->signals, POLLIN, SOURCE_SIGNALS, 0);
	watch(set, monitor->engine_requests, POLLIN, SOURCE_REQUESTS, 0);
	watch(set, monitor->engine_control, monitor->engine_out.len ? POLLIN | POLLOUT : POLLIN,
		SOURCE_ENGINE, 0);
	watch(set, monitor->listener, POLLIN, SOURCE_LISTENER, 0);
	watch(set, monitor->network.watch, POLLIN, SOURCE_NETWORK, 0);
	watch(set, monitor->network.inside, POLLIN, SOURCE_INSIDE, 0);
	watch(set, monitor->network.timer, POLLIN, SOURCE_TIMER, 0);
	for (size_t i = 0; i < MONITOR_CLIENTS_MAX; i++) {
		const struct monitor_client *client = &monitor->clients[i];

		watch(set, client->fd, client_events[client->state], SOURCE_CLIENT, i);
	}
	for (size_t i = 0; i < monitor->lookup_count; i++) {
		const struct monitor_lookup *lookup = &monitor->lookups[i];

		if (!lookup->ready)
			watch(set, lookup->fd, POLLIN, SOURCE_LOOKUP, i);
	}
}

static void on_client(struct monitor *monitor, struct monitor_client *client, short events)
{
	if (client->state == CLIENT_ANSWERING)
		control_on_writable(client);
	else if (client->state == CLIENT_ASKING)
		control_on_readable(monitor, client);
	else if (events & (POLLHUP | POLLERR))
		control_client_drop(client);
}

static void dispatch(struct monitor *monitor, const struct poll_set *set, nfds_t i)
{
	short events = set->polls[i].revents;

	switch (set->owners[i].source) {
	case SOURCE_SIGNALS:
		on_signal(monitor);
		break;
	case SOURCE_REQUESTS:
		on_engine_request(monitor);
		break;
	case SOURCE_ENGINE:
		if (events & POLLOUT)
			engine_on_writable(monitor);
		if (events & (POLLIN | POLLHUP | POLLERR))
			engine_on_readable(monitor);
		break;
	case SOURCE_LISTENER:
		control_on_connect(monitor);
		break;
	case SOURCE_CLIENT:
		on_client(monitor, &monitor->clients[set->owners[i].index], events);
		break;
	case SOURCE_LOOKUP:
		monitor->lookups[set->owners[i].index].ready = true;
		break;
	case SOURCE_NETWORK:
		network_on_news(monitor);
		break;
	case SOURCE_INSIDE:
		network_on_news_inside(monitor);
		break;
	case SOURCE_TIMER:
		network_on_timer(monitor);
		break;
	}
}

static uint64_t attend_slow_clients(struct monitor *monitor)
{
	uint64_t now = monitor_now(), next = MONITOR_NEVER;

	for (size_t i = 0; i < MONITOR_CLIENTS_MAX; i++) {
		struct monitor_client *client = &monitor->clients[i];

		if (client->fd >= 0 && client->deadline <= now)
			control_client_overdue(client);
		if (client->fd >= 0 && client->deadline < next)
			next = client->deadline;
	}
	return next;
}

void monitor_pump(struct monitor *monitor, uint64_t until)
{
	const uint64_t client_deadline = attend_slow_clients(monitor);
	const uint64_t breath = service_breathe(monitor), now = monitor_now();
	struct poll_set set;
	int timeout = -1;

	if (client_deadline < until)
		until = client_deadline;
	if (breath < until)
		until = breath;
	if (until != MONITOR_NEVER)
		timeout = until <= now ? 0 : until - now < 60000 ? (int)(until - now) : 60000;
	watch_all(monitor, &set);
	if (poll(set.polls, set.count, timeout) <= 0)
		return;
	for (nfds_t i = 0; i < set.count; i++) {
		if (set.polls[i].revents)
			dispatch(monitor, &set, i);
	}
}

static int take_signals(struct monitor *monitor)
{
	sigset_t mask;

	sigemptyset(&mask);
	sigaddset(&mask, SIGINT);
	sigaddset(&mask, SIGTERM);
	sigaddset(&mask, SIGHUP);
	sigaddset(&mask, SIGCHLD);
	signal(SIGPIPE, SIG_IGN);
	if (sigprocmask(SIG_BLOCK, &mask, NULL) < 0)
		return -errno;
	monitor->signals = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
	return monitor->signals < 0 ? -errno : 0;
}

static int take_lock(struct monitor *monitor)
{
	const char *name = monitor->config->name;
	char complaint[PLACE_COMPLAINT_SIZE], hint[PLACE_HINT_SIZE];
	int error = monitor->lock < 0 ? lock_take(name, &monitor->lock) : 0;

	if (!error && place_is_others(name, complaint)) {
		monitor_error(monitor, "%s", complaint);
		return -EEXIST;
	}
	if (error == -EWOULDBLOCK)
		monitor_error(monitor,
			"%s is running already (culvert status %s); stop that one first", name,
			name);
	else if (error)
		monitor_error(monitor, "cannot lock %s/%s.lock: %s%s", place_directory(), name,
			strerror(-error), place_directory_hint(hint));
	return error;
}

static void tell_of_nobody(const struct monitor *monitor)
{
	if (!monitor->config->user && strcmp(monitor->user, "culvert"))
		log_line(LOG_NOTICE,
			"this host has no user culvert: the engine runs as %s, as other programs "
			"may (systemd-sysusers makes one where culvert was installed; User = names "
			"another)",
			monitor->user);
}

/* Who has no rights can give nobody others: the engine is the same user's process, and its sandbox
 * what keeps it from the monitor. */
static int stay_user(struct monitor *monitor)
{
	const struct passwd *entry = getpwuid(geteuid());
	const char *wanted = monitor->config->user;

	monitor->user = entry ? entry->pw_name : "unnamed";
	if (!wanted || !strcmp(wanted, monitor->user))
		return 0;
	monitor_error(monitor,
		"User = %s: to run the engine as another user takes root: remove the line", wanted);
	return -EPERM;
}

static int find_user(struct monitor *monitor)
{
	const char *wanted = monitor->config->user;
	int error;

	if (rights_is_ordinary())
		return stay_user(monitor);
	error = child_find_user(wanted, &monitor->uid, &monitor->gid, &monitor->user);
	if (error && wanted)
		monitor_error(monitor, "User = %s: this host has no such user", wanted);
	else if (error)
		monitor_error(monitor,
			"this host has neither a user culvert nor nobody: name one with User =");
	else if (!monitor->uid || !monitor->gid) {
		monitor_error(monitor,
			"User = %s has the user or group number 0, which is root's: name an "
			"unprivileged user",
			monitor->user);
		error = -EPERM;
	} else if (monitor->uid == geteuid() || monitor->gid == getegid()) {
		monitor_error(monitor,
			"User = %s is the user or group that culvert itself runs as, and the "
			"engine must not reach it: name another one",
			monitor->user);
		error = -EPERM;
	} else
		tell_of_nobody(monitor);
	return error;
}

/* Of root that takes a right which is given up then. */
static void refuse_what_nobody_needs(void)
{
	if (!sandbox_is_open() && refused_to_all())
		log_line(LOG_INFO,
			"the monitor and its hooks lack a filter of system calls: this kernel, or "
			"our rights, do not allow it");
}

/* What the file asks for and we cannot do, before anything is done. */
static int check_rights(struct monitor *monitor)
{
	char text[RIGHTS_REFUSAL_SIZE];
	const char *refusal = rights_refusal(monitor->config, monitor->no_hooks, text);
	int error;

	if (refusal) {
		monitor_error(monitor, "%s: %s", monitor->config->path, refusal);
		return -EPERM;
	}
	error = geteuid() ? rights_keep_to_us() : 0;
	refuse_what_nobody_needs();
	if (!error && !geteuid())
		error = rights_use_needed();
	if (error)
		monitor_error(
			monitor, "cannot give up rights that are not needed: %s", strerror(-error));
	return error;
}

static int take_inherited(struct monitor *monitor)
{
	char why[INHERITED_WHY_SIZE];
	int error = inherited_take(&monitor->given, why);

	if (!error && inherited_refusal(&monitor->given, monitor->config, why))
		error = -EINVAL;
	if (error)
		monitor_error(monitor, "%s", why);
	return error;
}

static int prepare(struct monitor *monitor)
{
	int error = take_inherited(monitor);

	if (!error)
		error = check_rights(monitor);

	if (!error)
		error = find_user(monitor);
	if (!error)
		error = take_lock(monitor);
	if (!error) {
		error = take_signals(monitor);
		if (error)
			monitor_error(monitor, "cannot take signals: %s", strerror(-error));
	}
	if (!error) {
		error = netlink_open(&monitor->netlink);
		if (error)
			monitor_error(
				monitor, "cannot open a netlink socket: %s", strerror(-error));
	}
	if (!error)
		error = device_step_open(monitor);
	if (!error) {
		error = network_open(monitor);
		if (error)
			monitor_error(monitor, "cannot watch the network and the clock: %s",
				strerror(-error));
	}
	return error;
}

static uint64_t next_due(const struct monitor *monitor)
{
	const uint64_t dues[] = { endpoints_due(monitor), network_due(monitor),
		routing_due(monitor), service_due(monitor) };
	uint64_t first = MONITOR_NEVER;

	for (size_t i = 0; i < sizeof(dues) / sizeof(*dues); i++)
		first = dues[i] < first ? dues[i] : first;
	return first;
}

static void run(struct monitor *monitor)
{
	while (!monitor->stop_signals && monitor->engine) {
		network_work(monitor);
		endpoints_work(monitor);
		routing_work(monitor);
		dns_step_work(monitor);
		control_work(monitor);
		service_work(monitor);
		if (monitor->stop_signals || !monitor->engine)
			break;
		monitor_pump(monitor, next_due(monitor));
	}
}

/* It ends well without our doing for two reasons alone; the first is the likely one. */
static void tell_why_it_ended(struct monitor *monitor)
{
	char text[CHILD_STATUS_TEXT_SIZE];

	child_status_text(text, monitor->engine_status);
	if (!monitor->engine_status)
		monitor_error(monitor,
			"somebody has removed the device %s, or told the engine to end: taking the "
			"tunnel down",
			monitor->config->device);
	else
		monitor_error(monitor, "the engine %s: taking the tunnel down", text);
}

static int bring_up_and_run(struct monitor *monitor)
{
	int error;

	monitor->state = "starting";
	service_status(monitor);
	error = bringup_start(monitor);
	if (!error) {
		monitor->state = "running";
		service_ready(monitor);
		run(monitor);
		if (!monitor->engine && !monitor->stop_signals) {
			tell_why_it_ended(monitor);
			error = -EPIPE;
		}
	} else if (monitor->stop_signals) {
		error = 0;
	}
	monitor->state = "stopping";
	service_stopping(monitor);
	bringup_undo(monitor);
	return error;
}

int monitor_run(struct config *config, int lock, bool no_hooks)
{
	struct monitor *monitor = calloc(1, sizeof(*monitor));
	int error = -ENOMEM;

	if (!monitor) {
		log_line(LOG_ERR, "%s", strerror(-error));
		goto out;
	}
	monitor->config = config;
	monitor->no_hooks = no_hooks;
	monitor->lock = lock;
	monitor->signals = monitor->listener = monitor->tun = monitor->netns = -1;
	monitor->wg_listener = monitor->engine_control = monitor->engine_requests = -1;
	monitor->network.watch = monitor->network.inside = monitor->network.timer = -1;
	for (size_t i = 0; i < MONITOR_CLIENTS_MAX; i++)
		monitor->clients[i].fd = monitor->clients[i].file = -1;
	monitor->reload_file = -1;
	monitor->metrics.listener = monitor->metrics.engine_end = -1;
	monitor->since = time(NULL);
	service_open(monitor);
	error = prepare(monitor);
	if (!error)
		error = bring_up_and_run(monitor);
	config = monitor->config; /* another one after a reload */
	notify_close(&monitor->notify);
	network_close(monitor);
	device_step_close(monitor);
	inherited_close(&monitor->given);
	netlink_close(monitor->netlink);
	if (monitor->signals >= 0)
		close(monitor->signals);
	if (monitor->lock >= 0)
		close(monitor->lock);
	text_free(&monitor->resolv_conf);
	free(monitor);
out:
	config_free(config);
	return error ? 1 : 0;
}
