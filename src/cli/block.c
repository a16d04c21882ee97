/* SPDX-License-Identifier: ISC */
/* culvert block NAME|FILE */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "host/config.h"
#include "host/leftover.h"

static const char usage[] =
	"usage: culvert block NAME|FILE\n"
	"\n"
	"Closes the kill switch of a tunnel with KillSwitch = yes without starting the tunnel:\n"
	"at boot, before there is a network. 'culvert run' takes it over, 'culvert down' opens\n"
	"it. Host names are not looked up, and files of keys need not be there yet.\n"
	"\n"
	"Exit status: 0 it is closed, 1 it could not be, or the file has no kill switch,\n"
	"2 wrong arguments.\n";

static int close_switch(const struct config *config)
{
	char complaint[LEFTOVER_COMPLAINT_SIZE];
	int error;

	if (!config->kill_switch) {
		fprintf(stderr, "culvert: %s has no KillSwitch = yes: there is nothing to close\n",
			config->path);
		return CLI_FAILED;
	}
	error = leftover_block(config, complaint);
	/* Then its monitor has closed it, or somebody has paused it on purpose. */
	if (error == -EWOULDBLOCK) {
		printf("%s: the kill switch is its own matter\n", complaint);
		return CLI_OK;
	}
	if (error)
		fprintf(stderr, "culvert: %s%s\n", complaint,
			error == -EPERM || error == -EACCES ? " (only root may: sudo)" : "");
	else
		printf("%s: the kill switch is closed; culvert down %s opens it\n", config->name,
			config->name);
	return error ? CLI_FAILED : CLI_OK;
}

int cli_block(int argc, char **argv)
{
	static const struct option options[] = { { "help", no_argument, NULL, 'h' }, { 0 } };
	struct config *config;
	int status;

	if (cli_next_option(argc, argv, "h", options, usage, &status) == -2)
		return status;
	if (argc - optind != 1)
		return cli_usage_error(argv[0], "name one tunnel, or its file");
	config = cli_load_without_key_files(argv[optind]);
	if (!config)
		return CLI_FAILED;
	status = close_switch(config);
	config_free(config);
	return status;
}
