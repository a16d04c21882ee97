/* SPDX-License-Identifier: ISC */
/* culvert run NAME|FILE, culvert run --KEY VALUE... */
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/advice.h"
#include "cli/cli.h"
#include "cli/given.h"
#include "engine/log.h"
#include "host/config.h"
#include "host/free_name.h"
#include "host/inherited.h"
#include "host/monitor.h"
#include "host/place.h"
#include "host/rights.h"

static const char usage[] =
	"usage: culvert run [-v] [--no-hooks] NAME|FILE\n"
	"       culvert run [-v] [--no-hooks] --KEY VALUE...\n"
	"\n"
	"Runs a tunnel in the foreground until Ctrl-C or SIGTERM; then the host is put back\n"
	"as it was. NAME stands for " CONFIG_DIRECTORY "/NAME.conf; an argument with a\n"
	"slash in it is the path of a file. With options in place of a file the tunnel has\n"
	"one peer, and a name that --device says, or the first free one of culvert0, ...\n"
	"\n"
	"  -v, --verbose   log what is of use only when looking for a fault\n"
	"      --no-hooks  refuse PreUp, PostUp, PreDown and PostDown\n"
	"  -h, --help      show this\n"
	"\n"
	"Exit status: 0 it was told to stop, 1 it failed, 2 wrong arguments.\n";

/* What the command line says. */
struct wanted {
	const char *tunnel; /* its name or file; NULL: it is given by options */
	struct given *given;
	int priority;
	bool no_hooks;
};

/* Not root, but perhaps a service that was given what it takes. */
static bool has_rights(const char *tunnel)
{
	char text[64];
	const char *missing = rights_missing(text, sizeof(text));

	if (missing)
		fprintf(stderr,
			"culvert: to run a tunnel takes root, for its device, addresses and "
			"routes: sudo culvert run %s (or, for a service without root, the "
			"capabilities that it lacks: %s)%s\n",
			tunnel ? tunnel : "...", missing,
			rights_is_ordinary() ? "; or a device that root has made for this user: "
					       "WITHOUT ANY RIGHTS in culvert(8)"
					     : "");
	return !missing;
}

/* An ordinary user may have a device. */
static bool may_run(const char *tunnel, const struct config *config)
{
	char name[CLI_NAME_SIZE];
	const char *device = config ? config->device : name;

	if (!rights_is_ordinary() || inherited_any() ||
		(!config && (!tunnel || cli_tunnel_name(name, tunnel))) || if_nametoindex(device))
		return true;
	return has_rights(tunnel);
}

/* The tunnel's name is held from here on, if nobody chose it. */
static struct config *load_given(const struct given *given, int *lock)
{
	const char *name = given_name(given);
	char free_name[CONFIG_DEVICE_SIZE], hint[PLACE_HINT_SIZE];
	int error;

	if (!name) {
		error = free_name_take(free_name, lock);
		if (error) {
			fprintf(stderr, "culvert: no name was found for the tunnel: %s%s\n",
				strerror(-error),
				error == -EUSERS ? " (give one: --device)"
						 : place_directory_hint(hint));
			return NULL;
		}
		name = free_name;
	}
	return given_load(given, name);
}

static int load_and_run(const struct wanted *wanted)
{
	struct config *config;
	int lock = -1;

	rights_forbid_core_dumps();
	config = wanted->tunnel ? cli_load(wanted->tunnel) : load_given(wanted->given, &lock);
	if (!may_run(wanted->tunnel, config) || !config) {
		config_free(config);
		if (lock >= 0)
			close(lock);
		return CLI_FAILED;
	}
	advice_print(config);
	log_init(config->name, wanted->priority);
	return monitor_run(config, lock, wanted->no_hooks) ? CLI_FAILED : CLI_OK;
}

/* Whether to go on; else *status is what to exit with. */
static bool take_options(int argc, char **argv, struct wanted *wanted, int *status)
{
	int option;

	while ((option = cli_next_option(
			argc, argv, ":hv", given_options(wanted->given), usage, status)) != -1) {
		if (option == -2 && *status == CLI_OK)
			given_print_help();
		if (option == -2)
			return false;
		if (option >= GIVEN_FIRST)
			*status = given_take(wanted->given, option, argc, argv);
		else if (option == 'n')
			wanted->no_hooks = true;
		else
			wanted->priority = LOG_DEBUG;
		if (*status != CLI_OK)
			return false;
	}
	return true;
}

static int run(int argc, char **argv, struct wanted *wanted)
{
	int status = CLI_OK;

	if (!take_options(argc, argv, wanted, &status))
		return status;
	if (given_last(wanted->given) && optind < argc)
		return given_mixed(wanted->given, argv);
	if (!given_last(wanted->given) && argc - optind != 1)
		return cli_usage_error(argv[0],
			"name one tunnel, or its file, or give a tunnel by options, such as "
			"--shared-key-file");
	wanted->tunnel = argv[optind]; /* NULL after the last */
	if (geteuid() && !rights_is_ordinary() && !has_rights(wanted->tunnel))
		return CLI_FAILED;
	return load_and_run(wanted);
}

int cli_run(int argc, char **argv)
{
	static const struct option options[] = { { "help", no_argument, NULL, 'h' },
		{ "verbose", no_argument, NULL, 'v' }, { "no-hooks", no_argument, NULL, 'n' },
		{ 0 } };
	struct wanted wanted = { .given = given_new(argc, argv, options), .priority = LOG_INFO };
	int status = CLI_FAILED;

	if (wanted.given)
		status = run(argc, argv, &wanted);
	else
		perror("culvert");
	given_free(wanted.given);
	return status;
}
