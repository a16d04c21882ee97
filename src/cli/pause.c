/* SPDX-License-Identifier: ISC */
/* culvert pause [NAME] SECONDS */
#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "host/control.h"
#include "host/place.h"

static const char usage[] =
	"usage: culvert pause [NAME] SECONDS\n"
	"\n"
	"Opens the kill switch and the full tunnel of a running tunnel for that long, and puts\n"
	"the host's own DNS back, so that a hotel's or a station's login page can be reached;\n"
	"then all is as it was. With 0 it is at once. NAME may be left out if only one tunnel\n"
	"runs.\n"
	"\n"
	"Exit status: 0 done, 1 it failed, 2 wrong arguments, 3 the tunnel is not running.\n";

/* Not the socket of a tunnel that was killed. Which we may not ask counts as well. */
static bool is_running(const char *path)
{
	struct text answer;
	const int error = control_ask(path, "status\n", "\n\n", CONTROL_TIMEOUT, &answer);

	text_free(&answer);
	return error != -ENOENT && error != -ECONNREFUSED;
}

/* The name of the only one that runs. */
static int find_only(char name[CLI_NAME_SIZE])
{
	size_t running = 0;
	glob_t found;

	cli_find_sockets(&found);
	for (size_t i = 0; i < found.gl_pathc; i++) {
		if (is_running(found.gl_pathv[i]) &&
			!place_name(name, CLI_NAME_SIZE, found.gl_pathv[i]))
			running++;
	}
	globfree(&found);
	if (running)
		cli_harmless(name);
	if (running > 1)
		return cli_usage_error("pause", "there are %zu tunnels: name one", running);
	if (!running)
		fputs("culvert: no tunnel is running\n", stderr);
	return running ? CLI_OK : CLI_DOWN;
}

static bool parse_seconds(const char *text, unsigned *seconds)
{
	const size_t len = strlen(text);

	if (!len || len > 5 || strspn(text, "0123456789") != len)
		return false;
	*seconds = (unsigned)strtoul(text, NULL, 10);
	return *seconds <= CONTROL_PAUSE_MAX;
}

static int show_answer(const char *name, unsigned seconds, char *answer)
{
	char *line;

	while ((line = strsep(&answer, "\n"))) {
		if (!strncmp(line, "problem=", 8))
			fprintf(stderr, "culvert: %s: %s\n", name, cli_harmless(line + 8));
		if (strcmp(line, "result=ok"))
			continue;
		if (seconds)
			printf("%s: open for %u seconds\n", name, seconds);
		else
			printf("%s: closed\n", name);
		return CLI_OK;
	}
	return CLI_FAILED;
}

static int ask(const char *name, unsigned seconds)
{
	char path[PLACE_PATH_SIZE], request[32];
	struct text answer;
	int error, status;

	snprintf(request, sizeof(request), "pause %u\n", seconds);
	error = place_find_socket(path, name);
	if (!error)
		error = control_ask(path, request, "\n\n", CONTROL_RELOAD_TIMEOUT, &answer);
	if (error)
		return cli_unreachable(name, error);
	status = answer.bytes ? show_answer(name, seconds, answer.bytes) : CLI_FAILED;
	text_free(&answer);
	return status;
}

int cli_pause(int argc, char **argv)
{
	static const struct option options[] = { { "help", no_argument, NULL, 'h' }, { 0 } };
	char name[CLI_NAME_SIZE];
	unsigned seconds;
	int status, count;

	if (cli_next_option(argc, argv, "h", options, usage, &status) == -2)
		return status;
	count = argc - optind;
	if (count < 1 || count > 2 || !parse_seconds(argv[argc - 1], &seconds))
		return cli_usage_error(
			argv[0], "say for how many seconds, 0 to %d", CONTROL_PAUSE_MAX);
	if (count == 2 && cli_tunnel_name(name, argv[optind]))
		return cli_usage_error(argv[0], "%s is not a tunnel's name", argv[optind]);
	status = count == 2 ? CLI_OK : find_only(name);
	return status == CLI_OK ? ask(name, seconds) : status;
}
