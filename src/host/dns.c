/* SPDX-License-Identifier: ISC */
/* DNS =: the host's resolver set to the tunnel's servers, and put back. */
#include "host/dns.h"

#include <ctype.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/listener.h"
#include "host/dns_file.h"
#include "host/helper.h"
#include "host/lock.h"
#include "host/place.h"
#include "host/text.h"

enum { RECORD_SIZE = 512 };

const struct dns_places dns_host_places = {
	.resolv_conf = "/etc/resolv.conf",
	.resolved_directory = "/run/systemd/resolve",
	.interface_order = "/etc/resolvconf/interface-order",
};

static const char *const backend_names[] = {
	[DNS_RESOLVED] = "systemd-resolved",
	[DNS_RESOLVCONF] = "resolvconf",
	[DNS_FILE] = "resolv.conf",
};

enum { BACKEND_COUNT = sizeof(backend_names) / sizeof(*backend_names) };

const char *dns_backend_name(enum dns_backend backend)
{
	return backend_names[backend];
}

/* ---- what is wanted ---- */

/* A tunnel that takes half of all addresses or more is taken for one that takes all. */
static bool takes_everything(const struct config *config)
{
	for (size_t i = 0; i < config->peer_count; i++) {
		const struct config_prefixes *allowed = &config->peers[i].allowed_ips;

		for (size_t j = 0; j < allowed->count; j++)
			if (allowed->items[j].length <= 1)
				return true;
	}
	return false;
}

struct dns_settings dns_settings_from(const struct config *config)
{
	return (struct dns_settings){ .name = config->name,
		.device = config->device,
		.dns = &config->dns,
		.everything = !config->dns.domains.count || takes_everything(config) };
}

bool dns_settings_same(const struct dns_settings *a, const struct dns_settings *b)
{
	return a->everything == b->everything &&
	       config_strings_same(&a->dns->servers, &b->dns->servers) &&
	       config_strings_same(&a->dns->domains, &b->dns->domains);
}

/* ---- what there is ---- */

/* systemd-resolved's own files, or what was copied from them. */
static bool resolved_has_resolv_conf(const struct dns_places *places)
{
	char *real = realpath(places->resolv_conf, NULL), *directory, line[256], address[64];
	bool has = false;
	FILE *file;

	directory = realpath(places->resolved_directory, NULL);
	if (real && directory)
		has = !strncmp(real, directory, strlen(directory)) &&
		      real[strlen(directory)] == '/';
	has = has || (real && !strcmp(real, "/usr/lib/systemd/resolv.conf"));
	free(real);
	free(directory);
	file = has ? NULL : fopen(places->resolv_conf, "re");
	while (file && !has && fgets(line, sizeof(line), file))
		has = sscanf(line, "nameserver %63s", address) == 1 &&
		      (!strcmp(address, "127.0.0.53") || !strcmp(address, "127.0.0.54"));
	if (file)
		fclose(file);
	return has;
}

/* Whether a process is in our network namespace, as far as can be told: resolved goes by the
 * devices' numbers, and those of another namespace are other devices. */
static bool is_in_our_network(pid_t pid)
{
	char path[64], theirs[64], ours[64];
	ssize_t their_len, our_len;

	snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)pid);
	their_len = readlink(path, theirs, sizeof(theirs));
	our_len = readlink("/proc/self/ns/net", ours, sizeof(ours));
	return their_len < 0 || our_len < 0 ||
	       (their_len == our_len && !memcmp(theirs, ours, (size_t)our_len));
}

enum resolved { RESOLVED_OFF, RESOLVED_ELSEWHERE, RESOLVED_RUNS };

/* Its directory outlives it: whether it runs shows by who answers at its socket. */
static enum resolved resolved_state(const struct dns_places *places)
{
	enum resolved state = RESOLVED_RUNS;
	struct ucred peer;
	socklen_t len = sizeof(peer);
	char path[PATH_MAX];
	int connection;

	snprintf(path, sizeof(path), "%s/io.systemd.Resolve", places->resolved_directory);
	connection = listener_probe(path);
	if (connection < 0)
		return connection == -EAGAIN ? RESOLVED_RUNS : RESOLVED_OFF;
	if (!getsockopt(connection, SOL_SOCKET, SO_PEERCRED, &peer, &len) &&
		!is_in_our_network(peer.pid))
		state = RESOLVED_ELSEWHERE;
	close(connection);
	return state;
}

/* Not the link of that name to resolvectl, which is of use only with systemd-resolved. */
static bool find_resolvconf(char path[PATH_MAX])
{
	char *real, *base;
	bool is_one;

	if (!helper_find("resolvconf", path))
		return false;
	real = realpath(path, NULL);
	base = real ? strrchr(real, '/') : NULL;
	is_one = !base || (strcmp(base, "/resolvectl") && strcmp(base, "/systemd-resolve"));
	free(real);
	return is_one;
}

enum dns_backend dns_choose(const struct dns_places *places, bool is_root, char why[DNS_WHY_SIZE])
{
	enum resolved resolved = RESOLVED_OFF;
	char path[PATH_MAX];

	if (resolved_has_resolv_conf(places))
		resolved = resolved_state(places);
	if (resolved == RESOLVED_RUNS && helper_find("resolvectl", path))
		return DNS_RESOLVED;
	if (resolved == RESOLVED_OFF && !is_root) {
		snprintf(why, DNS_WHY_SIZE, "%s is not systemd-resolved's", places->resolv_conf);
		return DNS_NONE;
	}
	if (resolved == RESOLVED_OFF)
		return find_resolvconf(path) ? DNS_RESOLVCONF : DNS_FILE;
	snprintf(why, DNS_WHY_SIZE,
		resolved == RESOLVED_RUNS
			? "systemd-resolved manages %s, and its program resolvectl is not there: "
			  "install it"
			: "%s is that of the systemd-resolved of another network namespace: give "
			  "this namespace one of its own (/etc/netns/NAME/resolv.conf)",
		places->resolv_conf);
	return DNS_NONE;
}

/* ---- the record ---- */

static const char *run_directory(const struct dns_places *places)
{
	return places->run_directory ? places->run_directory : place_directory();
}

static bool record_path(char path[PATH_MAX], const struct dns_places *places, const char *name)
{
	return snprintf(path, PATH_MAX, "%s/%s.dns", run_directory(places), name) < PATH_MAX;
}

/* 0 or -errno. */
static int record_write(const struct dns_places *places, const char *name, enum dns_backend backend,
	const char *record)
{
	char path[PATH_MAX], fresh[PATH_MAX + 4];
	FILE *file;
	int error = 0;

	if (!record_path(path, places, name))
		return -ENAMETOOLONG;
	snprintf(fresh, sizeof(fresh), "%s.new", path);
	file = fopen(fresh, "we");
	if (!file)
		return -errno;
	if (fprintf(file, "%s %s\n", backend_names[backend], record) < 0)
		error = -errno;
	if (fclose(file) && !error)
		error = -errno;
	if (!error && rename(fresh, path) < 0)
		error = -errno;
	if (error)
		unlink(fresh);
	return error;
}

static enum dns_backend record_parse(const char *line, char record[RECORD_SIZE])
{
	char backend[32];

	for (int i = DNS_RESOLVED; i < BACKEND_COUNT; i++)
		if (sscanf(line, "%31s %511[^\n]", backend, record) == 2 &&
			!strcmp(backend, backend_names[i]))
			return (enum dns_backend)i;
	return DNS_NONE;
}

/* 0, also if there is none (DNS_NONE); or -errno: nobody knows. */
static int record_read(const struct dns_places *places, const char *name, enum dns_backend *backend,
	char record[RECORD_SIZE])
{
	char path[PATH_MAX], line[RECORD_SIZE] = "";
	FILE *file;
	int error = 0;

	*backend = DNS_NONE;
	if (!record_path(path, places, name))
		return 0;
	file = place_read(path);
	if (!file)
		return errno == ENOENT || errno == ENOTDIR ? 0 : -errno;
	if (!fgets(line, sizeof(line), file) && ferror(file))
		error = -EIO;
	fclose(file);
	*backend = record_parse(line, record);
	return error;
}

static bool record_read_or_say(const struct dns_places *places, const char *name,
	enum dns_backend *backend, char record[RECORD_SIZE], char why[DNS_WHY_SIZE])
{
	const int error = record_read(places, name, backend, record);

	*why = '\0';
	if (error)
		snprintf(why, DNS_WHY_SIZE, "cannot read the record %s/%s.dns: %s",
			run_directory(places), name, strerror(-error));
	return !error;
}

/* One that stays does no harm: the next undo finds nothing to do. */
static void record_remove(const struct dns_places *places, const char *name, char why[DNS_WHY_SIZE])
{
	char path[PATH_MAX], fresh[PATH_MAX + 4];
	const size_t len = strlen(why);

	if (!record_path(path, places, name))
		return;
	if (unlink(path) < 0 && errno != ENOENT)
		snprintf(why + len, DNS_WHY_SIZE - len, "%scannot remove %s: %s", len ? "; " : "",
			path, strerror(errno));
	snprintf(fresh, sizeof(fresh), "%s.new", path); /* of a process that was killed */
	unlink(fresh);
}

/* Debian's resolvconf ranks records by their names. As wg-quick does, take the first prefix in its
 * order: a line of letters, digits and '-' before a final '*'. */
static void resolvconf_record(
	char record[RECORD_SIZE], const struct dns_places *places, const char *device)
{
	FILE *file = fopen(places->interface_order, "re");
	char line[256];

	snprintf(record, RECORD_SIZE, "%s", device);
	while (file && fgets(line, sizeof(line), file)) {
		size_t len = 0;

		while (isalnum((unsigned char)line[len]) || line[len] == '-')
			len++;
		if (!len || *line == '-' || strncmp(line + len, "*\n", 2))
			continue;
		snprintf(record, RECORD_SIZE, "%.*s.%s", (int)len, line, device);
		break;
	}
	if (file)
		fclose(file);
}

/* ---- setting and putting back ---- */

static bool run_plainly(void *context, const char *const *arguments, const char *input, char *why)
{
	(void)context;
	return helper_run(arguments, input, why, DNS_WHY_SIZE);
}

const struct dns_runner dns_plain_runner = { .run = run_plainly };

static bool run(const struct dns_runner *runner, const char **arguments, const char *input,
	char why[DNS_WHY_SIZE])
{
	const char *const program = arguments[0];
	char path[PATH_MAX];

	if (!helper_find(program, path)) {
		snprintf(why, DNS_WHY_SIZE, "%s is not there any more", program);
		return false;
	}
	arguments[0] = path;
	return runner->run(runner->context, arguments, input, why);
}

static bool run_resolvectl(const struct dns_runner *runner, const char *verb, const char *device,
	const struct config_strings *words, const char *last, char why[DNS_WHY_SIZE])
{
	const char **arguments = calloc(words->count + 5, sizeof(*arguments));
	size_t count = 0;
	bool good;

	if (!arguments) {
		snprintf(why, DNS_WHY_SIZE, "%s", strerror(ENOMEM));
		return false;
	}
	arguments[count++] = "resolvectl";
	arguments[count++] = verb;
	arguments[count++] = device;
	for (size_t i = 0; i < words->count; i++)
		arguments[count++] = words->items[i];
	arguments[count] = last;
	good = run(runner, arguments, "", why);
	free(arguments);
	return good;
}

static bool resolved_revert(
	const struct dns_runner *runner, const char *device, char why[DNS_WHY_SIZE])
{
	const struct config_strings none = { 0 };

	/* It forgets a device that has gone. */
	return !if_nametoindex(device) ||
	       run_resolvectl(runner, "revert", device, &none, NULL, why);
}

/* The servers come last: with them, and without the rest, more would be asked than is wanted. */
static bool resolved_set(const struct dns_settings *settings, const struct dns_runner *runner,
	char why[DNS_WHY_SIZE])
{
	const struct config_strings none = { 0 };
	const char *device = settings->device, *all = settings->everything ? "~." : NULL;

	return run_resolvectl(runner, "domain", device, &settings->dns->domains, all, why) &&
	       run_resolvectl(runner, "default-route", device, &none,
		       settings->everything ? "yes" : "no", why) &&
	       run_resolvectl(runner, "dns", device, &settings->dns->servers, NULL, why);
}

/* As resolv.conf has them; what only routes is nothing to complete names with. */
static void make_lines(const struct config_dns *dns, struct text *text)
{
	bool first = true;

	for (size_t i = 0; i < dns->servers.count; i++)
		text_add(text, "nameserver %s\n", dns->servers.items[i]);
	for (size_t i = 0; i < dns->domains.count; i++) {
		if (*dns->domains.items[i] == '~')
			continue;
		text_add(text, "%s %s", first ? "search" : "", dns->domains.items[i]);
		first = false;
	}
	if (!first)
		text_add(text, "\n");
}

static bool resolvconf_delete(
	const struct dns_runner *runner, const char *record, char why[DNS_WHY_SIZE])
{
	return run(runner, (const char *[]){ "resolvconf", "-d", record, "-f", NULL }, "", why);
}

static bool resolvconf_set(const char *record, const struct text *lines,
	const struct dns_runner *runner, char why[DNS_WHY_SIZE])
{
	const char *arguments[] = { "resolvconf", "-a", record, "-m", "0", "-x", NULL };

	return run(runner, arguments, lines->bytes, why);
}

static bool file_set(const struct dns_places *places, const struct dns_settings *settings,
	const struct text *lines, char why[DNS_WHY_SIZE])
{
	const int turn = lock_take_turn(run_directory(places));
	const int error = dns_file_set(places->resolv_conf, settings->name, lines->bytes);

	if (turn >= 0)
		close(turn);
	if (error)
		snprintf(why, DNS_WHY_SIZE, "cannot replace %s: %s%s", places->resolv_conf,
			strerror(-error),
			error == -EPERM ? " (is it made immutable? see lsattr)" : "");
	return !error;
}

static bool file_restore(const struct dns_places *places, const char *name, char why[DNS_WHY_SIZE])
{
	const char *path = places->resolv_conf;
	const int turn = lock_take_turn(run_directory(places));
	const int result = dns_file_restore(path, name);

	if (turn >= 0)
		close(turn);
	if (result == DNS_FILE_LEFT)
		snprintf(why, DNS_WHY_SIZE,
			"another program has written %s meanwhile: it is left as it is", path);
	else if (result == DNS_FILE_SAVED)
		snprintf(why, DNS_WHY_SIZE,
			"somebody has changed the tunnel's %s: the one from before is put back, "
			"the changed one is kept as %s.culvert.changed",
			path, path);
	else if (result)
		snprintf(why, DNS_WHY_SIZE, "cannot put %s back, which is %s.culvert-%s: %s", path,
			path, name, strerror(-result));
	return result >= 0;
}

bool dns_restore(const struct dns_places *places, enum dns_backend backend, const char *record,
	const struct dns_runner *runner, char why[DNS_WHY_SIZE])
{
	*why = 0;
	switch (backend) {
	case DNS_RESOLVED:
		return resolved_revert(runner, record, why);
	case DNS_RESOLVCONF:
		return resolvconf_delete(runner, record, why);
	case DNS_FILE:
		return file_restore(places, record, why);
	case DNS_NONE:
		break;
	}
	return true;
}

bool dns_undo_left_over(const struct dns_places *places, const char *name,
	const struct dns_runner *runner, char why[DNS_WHY_SIZE])
{
	char record[RECORD_SIZE];
	enum dns_backend backend;

	if (!record_read_or_say(places, name, &backend, record, why))
		return false;
	/* The run directory is empty after a restart of the machine, and resolv.conf is not. */
	if (backend == DNS_NONE || backend == DNS_FILE) {
		backend = DNS_FILE;
		snprintf(record, sizeof(record), "%s", name);
	}
	if (!dns_restore(places, backend, record, runner, why))
		return false;
	record_remove(places, name, why);
	return true;
}

/* What was done by another back end, or under another record, would be forgotten. */
static bool undo_others(const struct dns_places *places, const char *name, enum dns_backend backend,
	const char *record, const struct dns_runner *runner, char why[DNS_WHY_SIZE])
{
	char before[RECORD_SIZE] = "";
	enum dns_backend by;

	if (!record_read_or_say(places, name, &by, before, why))
		return false;
	return by == DNS_NONE || (by == backend && !strcmp(before, record)) ||
	       dns_undo_left_over(places, name, runner, why);
}

/* The record goes when it is known that nothing is left: -d, revert or the file may fail, too. */
static void undo_failure(const struct dns_places *places, enum dns_backend backend,
	const char *name, const char *record, const struct dns_runner *runner,
	char why[DNS_WHY_SIZE])
{
	char undo_why[DNS_WHY_SIZE];
	const size_t len = strlen(why);

	if (dns_restore(places, backend, record, runner, undo_why))
		record_remove(places, name, why);
	else
		snprintf(why + len, DNS_WHY_SIZE - len,
			"; and what was set is still to be undone: %s", undo_why);
}

static bool set(const struct dns_places *places, enum dns_backend backend, const char *record,
	const struct dns_settings *settings, const struct dns_runner *runner,
	char why[DNS_WHY_SIZE])
{
	struct text lines = { 0 };
	bool good;

	make_lines(settings->dns, &lines);
	if (lines.failed) {
		snprintf(why, DNS_WHY_SIZE, "%s", strerror(ENOMEM));
		good = false;
	} else if (backend == DNS_RESOLVED) {
		good = resolved_set(settings, runner, why);
	} else if (backend == DNS_RESOLVCONF) {
		good = resolvconf_set(record, &lines, runner, why);
	} else {
		good = file_set(places, settings, &lines, why);
	}
	text_free(&lines);
	return good;
}

bool dns_set(const struct dns_places *places, enum dns_backend backend,
	const struct dns_settings *settings, const struct dns_runner *runner,
	char why[DNS_WHY_SIZE])
{
	const char *name = settings->name;
	char record[RECORD_SIZE];
	int error;

	if (backend == DNS_RESOLVCONF)
		resolvconf_record(record, places, settings->device);
	else
		snprintf(record, sizeof(record), "%s",
			backend == DNS_FILE ? name : settings->device);
	if (!undo_others(places, name, backend, record, runner, why))
		return false;
	error = record_write(places, name, backend, record);
	if (error) {
		snprintf(why, DNS_WHY_SIZE, "cannot make the record %s/%s.dns: %s",
			run_directory(places), name, strerror(-error));
		return false;
	}
	if (set(places, backend, record, settings, runner, why))
		return true;
	undo_failure(places, backend, name, record, runner, why);
	return false;
}

enum dns_backend dns_left_over(const struct dns_places *places, const char *name)
{
	char record[RECORD_SIZE];
	enum dns_backend backend;

	record_read(places, name, &backend, record);
	return backend == DNS_NONE && dns_file_is_left(places->resolv_conf, name) ? DNS_FILE
										  : backend;
}
