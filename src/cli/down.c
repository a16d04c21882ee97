/* SPDX-License-Identifier: ISC */
/* culvert down NAME */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "host/lasting.h"
#include "host/leftover.h"
#include "host/place.h"
#include "host/rights.h"

static const char usage[] =
	"usage: culvert down NAME\n"
	"\n"
	"Puts back what a tunnel has left on the host that was killed, or that failed with\n"
	"KillSwitch = yes: routing rules, blocked routes, DNS, kernel settings, sockets, and what\n"
	"was added to a device that was there before it. What was undone is printed; there being\n"
	"nothing to undo is no error. A tunnel that runs is stopped by stopping 'culvert run', not\n"
	"by this; and a device that stays, because others have made it or Persistent says so, is\n"
	"removed by 'ip link delete'.\n"
	"\n"
	"NAME is the tunnel's: its file's without .conf, or without a file the device's. There need\n"
	"be no such file any more.\n"
	"\n"
	"Called by systemd after a service failed (SERVICE_RESULT is set, and is not\n"
	"'success'), it leaves the kill switch closed and puts back the rest; for systemd\n"
	"there being nothing to undo is not worth a line.\n"
	"\n"
	"Exit status: 0 done, 1 it failed or the tunnel runs, 2 wrong arguments.\n";

static unsigned undone;

static void tell(const char *what, const char *value)
{
	char *line;

	undone++;
	if (asprintf(&line, "undone: %s %s", what, value) < 0)
		return;
	puts(cli_harmless(line));
	free(line);
}

static int explain(const char *name, int error)
{
	if (error == -EWOULDBLOCK)
		fprintf(stderr,
			"culvert: %s is running: stop it, with Ctrl-C, SIGTERM or systemctl stop "
			"culvert@%s, which puts everything back\n",
			name, name);
	else if (error != -EXDEV) /* which has been said */
		fprintf(stderr, "culvert: %s: not all could be put back: %s%s\n", name,
			strerror(-error),
			error == -EPERM || error == -EACCES ? " (only root may: sudo)" : "");
	return CLI_FAILED;
}

/* What there is to say after what was undone. */
static void tell_of_rest(const char *name)
{
	char stays[LASTING_STAYS_SIZE];
	const bool kept = lasting_stays(name, 0, stays);

	if (!undone)
		printf("%s: there is nothing to put back%s%s\n", name, kept ? "; " : "",
			kept ? cli_harmless(stays) : "");
	for (size_t i = undone ? 0 : 1; lasting_stays(name, i, stays); i++)
		printf("%s: %s\n", name, cli_harmless(stays));
}

int cli_down(int argc, char **argv)
{
	static const struct option options[] = { { "help", no_argument, NULL, 'h' }, { 0 } };
	const char *result = getenv("SERVICE_RESULT");
	const bool failed = result && strcmp(result, "success");
	bool became;
	char name[CLI_NAME_SIZE], complaint[PLACE_COMPLAINT_SIZE];
	int status, error;

	if (cli_next_option(argc, argv, "h", options, usage, &status) == -2)
		return status;
	if (argc - optind != 1 || cli_tunnel_name(name, argv[optind]))
		return cli_usage_error(argv[0], "name one tunnel");
	if (rights_is_ordinary() && place_is_others(name, complaint)) {
		fprintf(stderr, "culvert: %s\n", cli_harmless(complaint));
		return CLI_FAILED;
	}
	error = leftover_down(name, failed, tell);
	if (!error)
		error = place_become_owner(name, &became);
	if (!error && became)
		error = leftover_down(name, failed, tell);
	if (error)
		return explain(name, error);
	/* A service that was stopped has put back all itself. */
	if (!result)
		tell_of_rest(name);
	return CLI_OK;
}
