/* SPDX-License-Identifier: ISC */
/* culvert check NAME|FILE */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "host/child.h"
#include "host/config.h"

static const char usage[] =
	"usage: culvert check NAME|FILE...\n"
	"\n"
	"Reads a tunnel's file and says everything that is wrong with it, one problem a line,\n"
	"as FILE:LINE: message. Changes nothing. NAME stands for " CONFIG_DIRECTORY "/NAME.conf;\n"
	"an argument with a slash in it is the path of a file.\n"
	"\n"
	"Exit status: 0 no errors (warnings are possible), 1 errors, 2 wrong arguments.\n";

/* No error: the file may be meant for another host. */
static void warn_of_user(const struct config *config)
{
	const char *chosen;
	uid_t uid;
	gid_t gid;

	if (config->user && child_find_user(config->user, &uid, &gid, &chosen))
		fprintf(stderr, "%s: warning: User = %s: this host has no such user\n",
			config->path, config->user);
}

/* WireGuard takes it, and somebody may give it some later, with `wg`. */
static void warn_of_no_allowed_ips(const struct config *config)
{
	for (size_t i = 0; i < config->peer_count && !config->shared_key.given; i++)
		if (!config->peers[i].allowed_ips.count)
			fprintf(stderr,
				"%s:%u: warning: this [Peer] has no AllowedIPs: nothing goes to "
				"it, "
				"and nothing that comes from it is let in\n",
				config->path, config->peers[i].line);
}

static int check_file(const char *name_or_path)
{
	struct config *config = cli_load(name_or_path);

	if (!config)
		return CLI_FAILED;
	warn_of_user(config);
	warn_of_no_allowed_ips(config);
	printf("%s: no errors\n", config->path);
	config_free(config);
	return CLI_OK;
}

int cli_check(int argc, char **argv)
{
	static const struct option options[] = { { "help", no_argument, NULL, 'h' }, { 0 } };
	int status;

	if (cli_next_option(argc, argv, "h", options, usage, &status) == -2)
		return status;
	if (optind == argc)
		return cli_usage_error(argv[0], "name a tunnel, or a file");
	status = CLI_OK;
	for (; optind < argc; optind++)
		status |= check_file(argv[optind]);
	return status;
}
