/* SPDX-License-Identifier: ISC */
/* culvert status [NAME] [--json] */
#include "cli/status.h"

#include <errno.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/cli.h"
#include "engine/listener.h"
#include "host/control.h"
#include "host/monitor.h"

static const char usage[] =
	"usage: culvert status [--json] [NAME]\n"
	"\n"
	"Shows how a running tunnel does, or all of them.\n"
	"\n"
	"      --json  for programs: bytes, seconds, Unix time\n"
	"  -h, --help  show this\n"
	"\n"
	"A peer is up (there is a session), handshaking (asked, no answer yet), stale (the\n"
	"last handshake is over 3 minutes old: no traffic since, or no answer), never (no\n"
	"reason for a handshake yet) or unresolved (its name has no address yet).\n"
	"\n"
	"Exit status: 0 up; 1 it cannot be asked; 2 wrong arguments; 3 not running;\n"
	"4 degraded: a peer is handshaking or unresolved, or stale or never although it has\n"
	"a PersistentKeepalive.\n";

/* One tunnel asked, and the answers that its status points into. */
struct asked {
	struct status status;
	struct text monitor, engine;
};

struct asked_list {
	struct asked *items;
	size_t count;
};

static void asked_free(struct asked *asked)
{
	status_free(&asked->status);
	text_free(&asked->monitor);
	text_free(&asked->engine);
}

/* An engine that does not answer is a fact to show, not an error. */
static void ask_engine(struct asked *asked, const char *device)
{
	char path[LISTENER_PATH_SIZE];

	if (listener_path(path, device) ||
		control_ask(path, "get=1\n\n", "\n\n", CONTROL_TIMEOUT, &asked->engine))
		return;
	if (!asked->engine.bytes || status_parse_engine(&asked->status, asked->engine.bytes)) {
		status_free(&asked->status);
		text_free(&asked->engine);
	}
}

/* Where the engine is to be asked stands in the monitor's answer, but the engine's is taken apart
 * first. */
static int ask_tunnel(const char *path, struct asked *asked)
{
	struct status first = { 0 };
	struct text copy = { 0 };
	int error;

	*asked = (struct asked){ 0 };
	error = control_ask(path, "status\n", "\n\n", CONTROL_TIMEOUT, &asked->monitor);
	if (error)
		return error;
	text_add_bytes(&copy, asked->monitor.bytes, asked->monitor.len);
	error = copy.failed ? -ENOMEM : status_parse_monitor(&first, copy.bytes);
	/* Before there is one, nobody would answer. */
	if (!error && first.engine_pid)
		ask_engine(asked, first.device);
	status_free(&first);
	text_free(&copy);
	if (!error)
		error = status_parse_monitor(&asked->status, asked->monitor.bytes);
	if (error)
		asked_free(asked);
	return error == -EINVAL ? -EPROTO : error;
}

/* The name in MONITOR_RUN_DIRECTORY/NAME.sock. */
static void name_from_path(char name[CLI_NAME_SIZE], const char *path)
{
	snprintf(name, CLI_NAME_SIZE, "%.*s",
		(int)(strlen(path) - strlen(MONITOR_RUN_DIRECTORY "/") - strlen(".sock")),
		path + strlen(MONITOR_RUN_DIRECTORY "/"));
}

static int ask_all(struct asked_list *list)
{
	int status = CLI_OK, error;
	char name[CLI_NAME_SIZE];
	glob_t found;

	/* glob would find nothing in a directory that it may not read. */
	if (access(MONITOR_RUN_DIRECTORY, R_OK | X_OK) < 0 && errno != ENOENT)
		return cli_unreachable("any tunnel", -errno);
	error = glob(MONITOR_RUN_DIRECTORY "/*.sock", 0, NULL, &found);
	if (error)
		return error == GLOB_NOMATCH ? CLI_OK : cli_unreachable("any tunnel", -ENOMEM);
	list->items = calloc(found.gl_pathc, sizeof(*list->items));
	for (size_t i = 0; list->items && i < found.gl_pathc; i++) {
		error = ask_tunnel(found.gl_pathv[i], &list->items[list->count]);
		if (!error) {
			list->count++;
		} else if (error != -ENOENT && error != -ECONNREFUSED) {
			/* The others may well be left over from a tunnel that was killed. */
			name_from_path(name, found.gl_pathv[i]);
			status = cli_unreachable(name, error);
		}
	}
	globfree(&found);
	return list->items ? status : CLI_FAILED;
}

static int ask_one(const char *argument, struct asked_list *list)
{
	char name[CLI_NAME_SIZE], path[sizeof(MONITOR_RUN_DIRECTORY) + CLI_NAME_SIZE + 8];
	int error;

	if (cli_tunnel_name(name, argument))
		return cli_usage_error("status", "%s is not a tunnel's name", argument);
	list->items = calloc(1, sizeof(*list->items));
	if (!list->items)
		return CLI_FAILED;
	snprintf(path, sizeof(path), MONITOR_RUN_DIRECTORY "/%s.sock", name);
	error = ask_tunnel(path, list->items);
	if (error)
		return cli_unreachable(name, error);
	list->count = 1;
	return CLI_OK;
}

static int show(const struct asked_list *list, bool json)
{
	struct status *all = calloc(list->count + 1, sizeof(*all));
	uint64_t now = (uint64_t)time(NULL);
	int status = list->count ? CLI_OK : CLI_DOWN;

	if (!all)
		return CLI_FAILED;
	for (size_t i = 0; i < list->count; i++) {
		all[i] = list->items[i].status;
		if (status_is_degraded(&all[i], now))
			status = CLI_DEGRADED;
	}
	if (json)
		status_print_json(stdout, all, list->count, now);
	for (size_t i = 0; !json && i < list->count; i++) {
		if (i)
			putchar('\n');
		status_print(stdout, &all[i], now);
	}
	free(all);
	return status;
}

int cli_status(int argc, char **argv)
{
	static const struct option options[] = { { "help", no_argument, NULL, 'h' },
		{ "json", no_argument, NULL, 'j' }, { 0 } };
	struct asked_list list = { 0 };
	int option, status, shown;
	bool json = false;

	while ((option = cli_next_option(argc, argv, "h", options, usage, &status)) != -1) {
		if (option == -2)
			return status;
		json = true;
	}
	if (argc - optind > 1)
		return cli_usage_error(argv[0], "name one tunnel, or none");
	status = optind < argc ? ask_one(argv[optind], &list) : ask_all(&list);
	if (status == CLI_USAGE)
		return status;
	if (status == CLI_OK && !list.count && !json)
		fputs("culvert: no tunnel is running\n", stderr);
	shown = show(&list, json);
	for (size_t i = 0; i < list.count; i++)
		asked_free(&list.items[i]);
	free(list.items);
	return status != CLI_OK ? status : shown;
}
