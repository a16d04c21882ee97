/* SPDX-License-Identifier: ISC */
/* Undoing what a dead tunnel has left, and closing the switch of one that has not begun. */
#include "host/leftover.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "engine/listener.h"
#include "engine/log.h"
#include "host/device_place.h"
#include "host/device_step.h"
#include "host/dns.h"
#include "host/dns_netns.h"
#include "host/lasting.h"
#include "host/lock.h"
#include "host/netns.h"
#include "host/place.h"
#include "host/policy.h"
#include "host/policy_host.h"
#include "host/rights.h"
#include "host/sysctl.h"
#include "host/undo.h"

/* Of a tunnel that was killed a moment ago the engine is about to notice. */
enum { SOCKET_TRIES = 50 };

/* One at which somebody answers is another one's by now. */
static int remove_socket(const char *state_path, const char *path)
{
	const struct timespec pause = { .tv_nsec = 20L * 1000 * 1000 };
	int tries = SOCKET_TRIES, error;

	while ((error = listener_remove_stale(path)) == -EADDRINUSE && --tries)
		nanosleep(&pause, NULL);
	/* Below what is no directory there is none any more. */
	if (error && error != -EADDRINUSE && error != -EEXIST && error != -ENOTDIR)
		return error;
	return undo_remove(state_path, LEFTOVER_SOCKET, path);
}

static int remove_copy(const char *state_path, const char *path)
{
	if (unlink(path) < 0 && errno != ENOENT && errno != ENOTDIR)
		return -errno;
	return undo_remove(state_path, LEFTOVER_COPY, path);
}

/* How a line of each kind is undone, and removed from the file; rules and blocked routes are a
 * matter of policy_apply. 0 or -errno. */
static const struct kind {
	const char *what;
	int (*undo)(const char *state_path, const char *value);
	bool harmless; /* left behind, it is in no tunnel's way */
	bool file;     /* whichever network namespace we are in */
} kinds[] = {
	{ SYSCTL_WHAT, sysctl_put_back, false, false },
	{ DNS_NETNS_FILE, dns_netns_undo_file, false, true },
	{ DNS_NETNS_MADE, dns_netns_undo_directory, true, true },
	{ DEVICE_STEP_ATTACHED, device_step_undo, true, false },
	{ LEFTOVER_SOCKET, remove_socket, true, true },
	{ LEFTOVER_COPY, remove_copy, true, true },
};

struct undoing {
	const char *state_path;
	void (*told)(const char *what, const char *value);
	int error; /* the first */
};

static void undo_with(const struct kind *kind, struct undoing *undoing, const char *value)
{
	const int error = kind->undo(undoing->state_path, value);

	if (!error && undoing->told)
		undoing->told(kind->what, value);
	if (error)
		log_line(LOG_WARNING, "not undone: %s %s: %s", kind->what, value, strerror(-error));
	/* Who wants to be told has asked for all to be put back; others are about to start. */
	if (error && !undoing->error && (undoing->told || !kind->harmless))
		undoing->error = error;
}

/* By the first word of a line, which is so long; NULL: of none of these. */
static const struct kind *find_kind(const char *what, size_t len)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		if (strlen(kinds[i].what) == len && !memcmp(kinds[i].what, what, len))
			return &kinds[i];
	}
	return NULL;
}

static int undo_line(void *context, const char *what, const char *value)
{
	const struct kind *kind = find_kind(what, strlen(what));

	if (kind)
		undo_with(kind, context, value);
	return 0;
}

/* Those that have gone from the file, the last one first. */
static void tell_gone(const struct undoing *undoing, const struct undo_lines *before)
{
	struct undo_lines left;

	if (!undoing->told || undo_read(undoing->state_path, &left))
		return;
	for (size_t i = before->count; i-- > 0;) {
		char *value = before->items[i], *what;

		if (!policy_is_line(value) || undo_has(&left, value))
			continue;
		what = strsep(&value, " ");
		undoing->told(what, value);
	}
	undo_free(&left);
}

static int open_switch(
	struct netlink *netlink, struct undoing *undoing, const struct undo_lines *before)
{
	char complaint[POLICY_COMPLAINT_SIZE];
	const struct undo_lines none = { 0 };
	const int error = policy_apply(netlink, undoing->state_path, &none, complaint);

	if (error)
		log_line(LOG_WARNING, "%s", complaint);
	tell_gone(undoing, before);
	return error;
}

/* Whether it holds for whichever network namespace we are in: a file, or a device in a namespace
 * that the line names. */
static bool holds_here(const void *context, const char *line)
{
	const struct kind *kind = find_kind(line, strcspn(line, " "));
	const char *device = strstr(line, " dev ");
	struct device_place place;

	(void)context;
	if (kind && kind->file)
		return true;
	return device && device_place_read(device, &place) && place.path;
}

/* Afterwards the notes are of this network namespace. 0; -EXDEV, said already: they are of another,
 * to be undone there; other -errno. */
static int settle_where(const char *state_path)
{
	const char *name = strrchr(state_path, '/') + 1;
	char there[NETNS_IP_SIZE];
	struct netns_id id;

	if (!undo_is_elsewhere(state_path, &id))
		return 0;
	if (!netns_find(&id, there)) {
		log_line(LOG_NOTICE,
			"the network namespace that the tunnel was in is not to be found any more: "
			"what it had added there is forgotten");
		return undo_filter(state_path, holds_here, NULL);
	}
	log_line(LOG_ERR,
		"the tunnel was in another network namespace, and what it has added is still "
		"there; to put that back: %s culvert down %.*s",
		there, (int)(strlen(name) - strlen(".state")), name);
	return -EXDEV;
}

int leftover_undo(struct netlink *netlink, const char *state_path, bool keep_switch,
	void (*told)(const char *what, const char *value))
{
	struct undoing undoing = { .state_path = state_path, .told = told };
	struct undo_lines lines;
	int taken, opened = 0, error = settle_where(state_path);

	if (error)
		return error;
	undo_clean(state_path);
	error = undo_read(state_path, &lines);
	if (error)
		return error;
	error = undo_walk(state_path, undo_line, &undoing);
	taken = lasting_put_back(state_path, NULL, told);
	if (!undoing.error)
		undoing.error = taken;
	if (!keep_switch || !policy_has_block(&lines))
		opened = open_switch(netlink, &undoing, &lines);
	undo_free(&lines);
	return error ? error : undoing.error ? undoing.error : opened;
}

static int put_back_dns(const char *name, void (*told)(const char *what, const char *value))
{
	const enum dns_backend backend = dns_left_over(&dns_host_places, name);
	char why[DNS_WHY_SIZE];
	const bool good = dns_undo_left_over(&dns_host_places, name, &dns_plain_runner, why);

	if (*why)
		log_line(good ? LOG_INFO : LOG_WARNING, "%s", why);
	if (good && told && backend != DNS_NONE)
		told("dns", dns_backend_name(backend));
	return good ? 0 : -EIO;
}

/* Of a name that no tunnel has had, there is not even a lock. */
static bool left_anything(const char *name)
{
	static const char *const files[] = { "lock", "state", "dns", "sock" };
	char path[PLACE_PATH_SIZE];

	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++)
		if (!place_path(path, name, files[i]) && !access(path, F_OK))
			return true;
	return false;
}

static int put_back(const char *name, const char *state_path, bool keep_switch,
	void (*told)(const char *what, const char *value))
{
	char socket_path[PLACE_PATH_SIZE];
	struct netlink *netlink;
	int dns, error = place_path(socket_path, name, "sock");

	if (!error)
		error = netlink_open(&netlink);
	if (error)
		return error;
	error = leftover_undo(netlink, state_path, keep_switch, told);
	netlink_close(netlink);
	if (error == -EXDEV)
		return error;
	unlink(socket_path);
	dns = put_back_dns(name, told);
	return error ? error : dns;
}

int leftover_down(
	const char *name, bool keep_switch, void (*told)(const char *what, const char *value))
{
	char state_path[UNDO_PATH_SIZE];
	int lock, error = undo_path(state_path, name);

	if (error)
		return error;
	/* Of other users, those who could have run none are told that they may not. */
	if ((!geteuid() || rights_is_ordinary()) && !left_anything(name))
		return 0;
	error = lock_take(name, &lock);
	if (error)
		return error;
	error = put_back(name, state_path, keep_switch, told);
	close(lock);
	return error;
}

static int close_switch(const struct config *config, char complaint[LEFTOVER_COMPLAINT_SIZE])
{
	struct undo_lines lines = { 0 };
	struct netlink *netlink = NULL;
	char path[UNDO_PATH_SIZE];
	struct policy policy;
	int error = undo_path(path, config->name);

	if (!error)
		error = settle_where(path);
	if (error == -EXDEV) {
		snprintf(complaint, LEFTOVER_COMPLAINT_SIZE,
			"cannot close the kill switch: the tunnel's notes are of another network "
			"namespace");
		return error;
	}
	if (!error)
		error = policy_make_from_file(&policy, config);
	if (!error)
		error = policy_lines(&policy, config, &lines);
	if (!error)
		error = netlink_open(&netlink);
	if (error)
		snprintf(complaint, LEFTOVER_COMPLAINT_SIZE, "cannot close the kill switch: %s",
			strerror(-error));
	else
		error = policy_apply(netlink, path, &lines, complaint);
	netlink_close(netlink);
	undo_free(&lines);
	return error;
}

int leftover_block(const struct config *config, char complaint[LEFTOVER_COMPLAINT_SIZE])
{
	int lock = -1, error = lock_take(config->name, &lock);

	if (error == -EWOULDBLOCK) {
		snprintf(complaint, LEFTOVER_COMPLAINT_SIZE, "%.255s is running", config->name);
		return error;
	}
	if (error) {
		snprintf(complaint, LEFTOVER_COMPLAINT_SIZE, "cannot lock %s/%.255s.lock: %s",
			place_directory(), config->name, strerror(-error));
		return error;
	}
	error = place_is_others(config->name, complaint) ? -EEXIST
							 : close_switch(config, complaint);
	close(lock);
	return error;
}
