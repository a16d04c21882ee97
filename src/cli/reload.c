/* SPDX-License-Identifier: ISC */
/* culvert reload NAME */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "host/config.h"
#include "host/control.h"
#include "host/place.h"

static const char usage[] =
	"usage: culvert reload [--hand-over] NAME\n"
	"\n"
	"Has a running tunnel read its file again and carry out the difference. Sessions\n"
	"with peers that stay as they are go on. If the file has errors they are shown and\n"
	"nothing changes.\n"
	"\n"
	"      --hand-over  also to a monitor that is not root, give the file as it is now;\n"
	"                   'systemctl reload' does so by itself\n"
	"  -h, --help       show this\n"
	"\n"
	"Exit status: 0 done, 1 there are problems, 2 wrong arguments, 3 the tunnel is not\n"
	"running.\n";

/* Shows the problems; returns whether the result was ok. */
static bool show_answer(char *answer)
{
	bool good = false;
	char *line;

	while ((line = strsep(&answer, "\n"))) {
		if (!strncmp(line, "problem=", 8) || !strncmp(line, "warning=", 8))
			fprintf(stderr, "%s\n", cli_harmless(line + 8));
		else if (!strcmp(line, "result=ok"))
			good = true;
	}
	return good;
}

/* The process that a service manager, which runs us, knows as the tunnel's; -1: none does. */
static pid_t service_process(void)
{
	const char *text = getenv("MAINPID");
	const long pid = text ? strtol(text, NULL, 10) : 0;

	return pid > 0 && pid <= INT_MAX ? (pid_t)pid : -1;
}

/* The file as it is now, for a monitor that may have but a copy of it. In root's place it is root
 * who listens. In the other it is anything that its user runs, by any tunnel's name: not to be told
 * root's files unless that is the service's process, or somebody at the keyboard says so. */
static struct control_file open_file(const char *socket_path, const char *name, bool hand_over)
{
	struct control_file file = { .fd = -1 };
	char path[sizeof(CONFIG_DIRECTORY) + CLI_NAME_SIZE + 8];

	if (place_is_users(socket_path) && !hand_over)
		file.only_to = service_process();
	snprintf(path, sizeof(path), CONFIG_DIRECTORY "/%s.conf", name);
	file.fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	return file;
}

static int ask(const char *name, bool hand_over, struct text *answer)
{
	char path[PLACE_PATH_SIZE];
	int error = place_find_socket(path, name);
	struct control_file file;

	if (error)
		return error;
	file = open_file(path, name, hand_over);
	error = control_ask_with_file(
		path, "reload\n", file, "\n\n", CONTROL_RELOAD_TIMEOUT, answer);
	if (file.fd >= 0)
		close(file.fd);
	return error;
}

int cli_reload(int argc, char **argv)
{
	static const struct option options[] = { { "help", no_argument, NULL, 'h' },
		{ "hand-over", no_argument, NULL, 'o' }, { 0 } };
	char name[CLI_NAME_SIZE];
	bool good, hand_over = false;
	int option, status, error;
	struct text answer;

	while ((option = cli_next_option(argc, argv, "h", options, usage, &status)) != -1) {
		if (option == -2)
			return status;
		hand_over = true;
	}
	if (argc - optind != 1 || cli_tunnel_name(name, argv[optind]))
		return cli_usage_error(argv[0], "name one tunnel");
	error = ask(name, hand_over, &answer);
	if (error)
		return cli_unreachable(name, error);
	good = answer.bytes && show_answer(answer.bytes);
	if (!good)
		fprintf(stderr, "culvert: there were problems when reloading %s\n", name);
	text_free(&answer);
	return good ? CLI_OK : CLI_FAILED;
}
