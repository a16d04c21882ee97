/* SPDX-License-Identifier: ISC */
/* culvert run NAME|FILE */
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "engine/log.h"
#include "host/config.h"
#include "host/inherited.h"
#include "host/monitor.h"
#include "host/rights.h"

static const char usage[] =
	"usage: culvert run [-v] [--no-hooks] NAME|FILE\n"
	"\n"
	"Runs a tunnel in the foreground until Ctrl-C or SIGTERM; then the host is put back\n"
	"as it was. NAME stands for " CONFIG_DIRECTORY "/NAME.conf; an argument with a\n"
	"slash in it is the path of a file.\n"
	"\n"
	"  -v, --verbose   log what is of use only when looking for a fault\n"
	"      --no-hooks  refuse a file with PreUp, PostUp, PreDown or PostDown\n"
	"  -h, --help      show this\n"
	"\n"
	"Exit status: 0 it was told to stop, 1 it failed, 2 wrong arguments.\n";

/* Not root, but perhaps a service that was given what it takes. */
static bool has_rights(const char *argument)
{
	char text[64];
	const char *missing = rights_missing(text, sizeof(text));

	if (missing)
		fprintf(stderr,
			"culvert: to run a tunnel takes root, for its device, addresses and "
			"routes: sudo culvert run %s (or, for a service without root, the "
			"capabilities that it lacks: %s)%s\n",
			argument, missing,
			rights_is_ordinary() ? "; or a device that root has made for this user: "
					       "WITHOUT ANY RIGHTS in culvert(8)"
					     : "");
	return !missing;
}

/* An ordinary user may have a device. */
static bool may_run(const char *argument, const struct config *config)
{
	char name[CLI_NAME_SIZE];
	const char *device = config ? config->device : name;

	if (!rights_is_ordinary() || inherited_any() ||
		(!config && cli_tunnel_name(name, argument)) || if_nametoindex(device))
		return true;
	return has_rights(argument);
}

static int load_and_run(const char *argument, int priority, bool no_hooks)
{
	struct config *config;

	rights_forbid_core_dumps();
	config = cli_load(argument);
	if (!may_run(argument, config) || !config) {
		config_free(config);
		return CLI_FAILED;
	}
	log_init(config->name, priority);
	return monitor_run(config, no_hooks) ? CLI_FAILED : CLI_OK;
}

int cli_run(int argc, char **argv)
{
	static const struct option options[] = { { "help", no_argument, NULL, 'h' },
		{ "verbose", no_argument, NULL, 'v' }, { "no-hooks", no_argument, NULL, 'n' },
		{ 0 } };
	int option, status, priority = LOG_INFO;
	bool no_hooks = false;

	while ((option = cli_next_option(argc, argv, "hv", options, usage, &status)) != -1) {
		if (option == -2)
			return status;
		if (option == 'n')
			no_hooks = true;
		else
			priority = LOG_DEBUG;
	}
	if (argc - optind != 1)
		return cli_usage_error(argv[0], "name one tunnel, or its file");
	if (geteuid() && !rights_is_ordinary() && !has_rights(argv[optind]))
		return CLI_FAILED;
	return load_and_run(argv[optind], priority, no_hooks);
}
