/* SPDX-License-Identifier: ISC */
/* culvert reload NAME */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "host/config.h"
#include "host/control.h"
#include "host/place.h"

static const char usage[] =
	"usage: culvert reload NAME\n"
	"\n"
	"Has a running tunnel read its file again and carry out the difference. Sessions\n"
	"with peers that stay as they are go on. If the file has errors they are shown and\n"
	"nothing changes.\n"
	"\n"
	"Exit status: 0 done, 1 there are problems, 2 wrong arguments, 3 the tunnel is not\n"
	"running.\n";

/* Shows the problems; returns whether the result was ok. */
static bool show_answer(char *answer)
{
	bool good = false;
	char *line;

	while ((line = strsep(&answer, "\n"))) {
		if (!strncmp(line, "problem=", 8))
			fprintf(stderr, "%s\n", line + 8);
		else if (!strncmp(line, "warning=", 8))
			fprintf(stderr, "%s\n", line + 8);
		else if (!strcmp(line, "result=ok"))
			good = true;
	}
	return good;
}

/* For a monitor that is not root, and may have but a copy of it; -1: it has to do without. */
static int open_file(const char *socket_path, const char *name)
{
	char path[sizeof(CONFIG_DIRECTORY) + CLI_NAME_SIZE + 8];

	if (strncmp(socket_path, PLACE_USERS "/", strlen(PLACE_USERS "/")) != 0)
		return -1;
	snprintf(path, sizeof(path), CONFIG_DIRECTORY "/%s.conf", name);
	return open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
}

static int ask(const char *name, struct text *answer)
{
	char path[PLACE_PATH_SIZE];
	int error = place_find_socket(path, name), file;

	if (error)
		return error;
	file = open_file(path, name);
	error = control_ask_with_file(
		path, "reload\n", file, "\n\n", CONTROL_RELOAD_TIMEOUT, answer);
	if (file >= 0)
		close(file);
	return error;
}

int cli_reload(int argc, char **argv)
{
	static const struct option options[] = { { "help", no_argument, NULL, 'h' }, { 0 } };
	char name[CLI_NAME_SIZE];
	struct text answer;
	int status, error;
	bool good;

	if (cli_next_option(argc, argv, "h", options, usage, &status) == -2)
		return status;
	if (argc - optind != 1 || cli_tunnel_name(name, argv[optind]))
		return cli_usage_error(argv[0], "name one tunnel");
	error = ask(name, &answer);
	if (error)
		return cli_unreachable(name, error);
	good = answer.bytes && show_answer(answer.bytes);
	if (!good)
		fprintf(stderr, "culvert: there were problems when reloading %s\n", name);
	text_free(&answer);
	return good ? CLI_OK : CLI_FAILED;
}
