/* SPDX-License-Identifier: ISC */
/* culvert status [--json] [--watch [SECONDS]] [NAME] */
#include "cli/status.h"

#include <ctype.h>
#include <errno.h>
#include <glob.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <time.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/status_left.h"
#include "host/config.h"
#include "host/control.h"
#include "host/place.h"

static const char usage[] =
	"usage: culvert status [--json] [--watch [SECONDS]] [NAME]\n"
	"\n"
	"Shows how a running tunnel does, or all of them.\n"
	"\n"
	"      --json             for programs: bytes, seconds, Unix time\n"
	"  -w, --watch [SECONDS]  again and again until Ctrl-C, every second or so many\n"
	"  -h, --help             show this\n"
	"\n"
	"A peer is up (there is a session), handshaking (asked, no answer yet, or none any\n"
	"more for over 10 seconds), stale (the last handshake is over 3 minutes old and there\n"
	"was no traffic since), never (no reason for a handshake yet) or unresolved (its name\n"
	"has no address yet).\n"
	"\n"
	"Exit status: 0 up; 1 it cannot be asked; 2 wrong arguments; 3 not running;\n"
	"4 degraded: a peer whose Endpoint is in the file is handshaking or unresolved, or\n"
	"stale or never although it has a PersistentKeepalive; DNS is not in effect; its\n"
	"device is not in its bridge; its network namespace is another one by now; somebody\n"
	"has changed the mark that its routing rules go by; or the tunnel is just starting or\n"
	"stopping.\n";

enum { WATCH_SECONDS_MAX = 3600 };

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
static void ask_engine(struct asked *asked, const char *socket_path, const char *device)
{
	char path[PLACE_PATH_SIZE];

	if (place_engine_socket(path, socket_path, device) ||
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
		ask_engine(asked, path, first.device);
	status_free(&first);
	text_free(&copy);
	if (!error)
		error = status_parse_monitor(&asked->status, asked->monitor.bytes);
	if (error)
		asked_free(asked);
	return error == -EINVAL ? -EPROTO : error;
}

/* False: its switch is not closed, or there is no memory. */
static bool add_left(struct asked_list *list, const char *name)
{
	struct asked *asked = &list->items[list->count];

	*asked = (struct asked){ 0 };
	if (!status_left_closed(name))
		return false;
	text_add(&asked->monitor, "%s", name);
	if (asked->monitor.failed) {
		text_free(&asked->monitor);
		return false;
	}
	asked->status = (struct status){
		.name = asked->monitor.bytes, .state = STATUS_DOWN, .kill_switch = "on"
	};
	list->count++;
	return true;
}

static bool is_listed(const struct asked_list *list, const char *name)
{
	for (size_t i = 0; i < list->count; i++)
		if (!strcmp(list->items[i].status.name, name))
			return true;
	return false;
}

static int ask_for_left(struct asked_list *list)
{
	struct asked *larger;
	char name[CLI_NAME_SIZE];
	glob_t found;
	int error = status_left_find(&found);

	larger = reallocarray(list->items, list->count + found.gl_pathc + 1, sizeof(*larger));
	if (larger)
		list->items = larger;
	for (size_t i = 0; larger && !error && i < found.gl_pathc; i++) {
		const char *base = strrchr(found.gl_pathv[i], '/') + 1;
		const int len = (int)(strlen(base) - strlen(".state"));

		if (snprintf(name, sizeof(name), "%.*s", len, base) < (int)sizeof(name) &&
			!is_listed(list, name))
			add_left(list, name);
	}
	globfree(&found);
	return larger && !error ? CLI_OK : CLI_FAILED;
}

/* Of tunnels that are other users', of which one's own know nothing. */
static int tell_of_others(const struct text *others, bool any_of_own)
{
	if (!others->len)
		return CLI_OK;
	fprintf(stderr, "culvert: there are tunnels that only root may ask: %s (sudo)\n",
		others->bytes);
	return any_of_own ? CLI_OK : CLI_FAILED;
}

static int ask_all(struct asked_list *list)
{
	int status = CLI_OK, error;
	char name[CLI_NAME_SIZE];
	struct text others = { 0 };
	glob_t found;

	error = cli_find_sockets(&found);
	if (error)
		status = cli_unreachable("any tunnel", error);
	list->items = calloc(found.gl_pathc + 1, sizeof(*list->items));
	for (size_t i = 0; list->items && i < found.gl_pathc; i++) {
		error = ask_tunnel(found.gl_pathv[i], &list->items[list->count]);
		if (!error)
			list->count++;
		else if (error == -ENOENT || error == -ECONNREFUSED)
			continue; /* left over from a tunnel that was killed, it may well be */
		else if (place_name(name, sizeof(name), found.gl_pathv[i]))
			status = CLI_FAILED;
		else if (error == -EACCES)
			text_add(&others, "%s%s", others.len ? ", " : "", cli_harmless(name));
		else
			status = cli_unreachable(cli_harmless(name), error);
	}
	globfree(&found);
	if (list->items && ask_for_left(list))
		status = CLI_FAILED;
	if (tell_of_others(&others, list->count))
		status = CLI_FAILED;
	text_free(&others);
	return list->items ? status : CLI_FAILED;
}

static int ask_one(const char *argument, struct asked_list *list)
{
	char name[CLI_NAME_SIZE], path[PLACE_PATH_SIZE];
	int error;

	if (cli_tunnel_name(name, argument))
		return cli_usage_error("status", "%s is not a tunnel's name", argument);
	list->items = calloc(1, sizeof(*list->items));
	if (!list->items)
		return CLI_FAILED;
	error = place_find_socket(path, name);
	if (!error)
		error = ask_tunnel(path, list->items);
	if ((error == -ENOENT || error == -ECONNREFUSED) && add_left(list, name))
		return CLI_OK;
	if (error)
		return cli_unreachable(name, error);
	list->count = 1;
	return CLI_OK;
}

static int show(FILE *to, const struct asked_list *list, bool json)
{
	struct status *all = calloc(list->count + 1, sizeof(*all));
	uint64_t now = (uint64_t)time(NULL);
	int status = list->count ? CLI_OK : CLI_DOWN;

	if (!all)
		return CLI_FAILED;
	for (size_t i = 0; i < list->count; i++) {
		all[i] = list->items[i].status;
		if (!strcmp(all[i].state, STATUS_DOWN))
			status = CLI_DOWN;
		else if (status != CLI_DOWN && status_is_degraded(&all[i], now))
			status = CLI_DEGRADED;
	}
	if (json)
		status_print_json(to, all, list->count, now);
	for (size_t i = 0; !json && i < list->count; i++) {
		if (i)
			putc('\n', to);
		status_print(to, &all[i], now);
	}
	free(all);
	return status;
}

/* What is wanted. */
struct wish {
	const char *argument; /* NULL: all tunnels */
	bool json;
	unsigned seconds; /* from one time to the next, 0: once */
};

static int ask_and_show(FILE *to, const struct wish *wish)
{
	struct asked_list list = { 0 };
	int status = wish->argument ? ask_one(wish->argument, &list) : ask_all(&list);
	int shown = CLI_OK;

	if (status == CLI_OK && !list.count && !wish->json)
		fputs("culvert: no tunnel is running\n", stderr);
	if (status != CLI_USAGE)
		shown = show(to, &list, wish->json);
	for (size_t i = 0; i < list.count; i++)
		asked_free(&list.items[i]);
	free(list.items);
	return status != CLI_OK ? status : shown;
}

static volatile sig_atomic_t told_to_end;

static void on_signal(int number)
{
	(void)number;
	told_to_end = 1;
}

/* Drawn over the last time in one write, so that it does not flicker; to a file or pipe, one block
 * after the other. */
static int draw(const struct wish *wish, bool terminal)
{
	char *text = NULL;
	size_t len = 0;
	FILE *to = open_memstream(&text, &len);
	int status;

	if (!to)
		return CLI_FAILED;
	if (terminal)
		fputs("\033[H\033[J", to);
	fflush(stdout);
	status = ask_and_show(to, wish);
	if (!terminal && !wish->json)
		putc('\n', to);
	if (fclose(to))
		status = CLI_FAILED;
	else
		fwrite(text, 1, len, stdout);
	free(text);
	if (fflush(stdout))
		told_to_end = 1;
	return status;
}

/* What neither runs nor has a file is a wrong word, not a tunnel to wait for. */
static bool is_known(const char *argument)
{
	char name[CLI_NAME_SIZE], path[PLACE_PATH_SIZE], file[PATH_MAX];

	if (cli_tunnel_name(name, argument))
		return false;
	snprintf(file, sizeof(file), "%s/%s.conf", CONFIG_DIRECTORY, name);
	return strchr(argument, '/') || !access(file, F_OK) || status_left_closed(name) ||
	       (!place_find_socket(path, name) && !access(path, F_OK));
}

static int watch(const struct wish *wish)
{
	const struct sigaction action = { .sa_handler = on_signal };
	const bool terminal = isatty(STDOUT_FILENO) && !wish->json;
	sigset_t ends, before;
	int status = CLI_OK;

	sigemptyset(&ends);
	sigaddset(&ends, SIGINT);
	sigaddset(&ends, SIGTERM);
	sigprocmask(SIG_BLOCK, &ends, &before); /* but while we wait: none is lost */
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	while (!told_to_end && status != CLI_USAGE) {
		const struct timespec pause = { .tv_sec = wish->seconds };

		status = draw(wish, terminal);
		if (status != CLI_USAGE && !told_to_end)
			pselect(0, NULL, NULL, NULL, &pause, &before);
	}
	return status;
}

/* "--watch=5", "-w5" or "--watch 5"; alone it is every second. A word of digits and dots is a
 * number, be it a wrong one. */
static int take_seconds(struct wish *wish, int argc, char **argv)
{
	const char *text = optarg;
	char *end;

	wish->seconds = 1;
	if (!text && optind < argc && *argv[optind] &&
		strspn(argv[optind], "0123456789.,-") == strlen(argv[optind]))
		text = argv[optind++];
	if (!text)
		return 0;
	wish->seconds = (unsigned)strtoul(text, &end, 10);
	return *end || !isdigit((unsigned char)*text) || !wish->seconds ||
			       wish->seconds > WATCH_SECONDS_MAX || strlen(text) > 5
		       ? -EINVAL
		       : 0;
}

int cli_status(int argc, char **argv)
{
	static const struct option options[] = { { "help", no_argument, NULL, 'h' },
		{ "json", no_argument, NULL, 'j' }, { "watch", optional_argument, NULL, 'w' },
		{ 0 } };
	struct wish wish = { 0 };
	int option, status;

	while ((option = cli_next_option(argc, argv, "hw::", options, usage, &status)) != -1) {
		if (option == -2)
			return status;
		if (option == 'j')
			wish.json = true;
		else if (take_seconds(&wish, argc, argv))
			return cli_usage_error(argv[0],
				"--watch takes a whole number of seconds from 1 to %d",
				WATCH_SECONDS_MAX);
	}
	if (argc - optind > 1)
		return cli_usage_error(argv[0], "name one tunnel, or none");
	wish.argument = argv[optind];
	if (wish.seconds && wish.argument && !is_known(wish.argument))
		return cli_usage_error(argv[0],
			"%s is neither a tunnel that runs nor one with a file in " CONFIG_DIRECTORY
			", and no number of seconds from 1 to %d",
			wish.argument, WATCH_SECONDS_MAX);
	return wish.seconds ? watch(&wish) : ask_and_show(stdout, &wish);
}
