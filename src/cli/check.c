/* SPDX-License-Identifier: ISC */
/* culvert check NAME|FILE..., culvert check --KEY VALUE... */
#include <errno.h>
#include <limits.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/advice.h"
#include "cli/cli.h"
#include "cli/given.h"
#include "host/child.h"
#include "host/config.h"
#include "host/free_name.h"
#include "host/netlink.h"
#include "host/netns.h"

static const char usage[] =
	"usage: culvert check NAME|FILE...\n"
	"       culvert check --KEY VALUE...\n"
	"\n"
	"Reads a tunnel's file and says everything that is wrong with it, one problem a line,\n"
	"as FILE:LINE: message. Changes nothing. NAME stands for " CONFIG_DIRECTORY "/NAME.conf;\n"
	"an argument with a slash in it is the path of a file. Options as 'culvert run' takes\n"
	"them in place of a file are checked likewise.\n"
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

/* Likewise. */
static void warn_of_namespace(const struct config *config)
{
	char path[PATH_MAX], why[NETNS_WHY_SIZE];
	int fd;

	if (!config->network_namespace || netns_path(path, config->network_namespace))
		return;
	fd = netns_open(path);
	if (fd >= 0)
		close(fd);
	if (fd != -ENOENT && fd != -EINVAL)
		return;
	netns_explain(why, path, fd);
	fprintf(stderr, "%s: warning: NetworkNamespace = %s: %s\n", config->path,
		config->network_namespace, why);
}

static bool is_no_bridge(unsigned interface)
{
	struct netlink_bridge bridge;
	struct netlink *netlink;
	int error = netlink_open(&netlink);

	if (error)
		return false;
	error = netlink_bridge_get(netlink, interface, 0, &bridge);
	netlink_close(netlink);
	return error == -ENOTSUP;
}

/* Likewise; and PreUp may make it. */
static void warn_of_bridge(const struct config *config)
{
	unsigned interface;

	if (!*config->bridge || config->network_namespace)
		return;
	interface = if_nametoindex(config->bridge);
	if (!interface)
		fprintf(stderr, "%s: warning: Bridge = %s: this host has no such bridge now\n",
			config->path, config->bridge);
	else if (is_no_bridge(interface))
		fprintf(stderr, "%s: warning: Bridge = %s: that is no bridge\n", config->path,
			config->bridge);
}

static int check(struct config *config)
{
	if (!config)
		return CLI_FAILED;
	warn_of_user(config);
	warn_of_namespace(config);
	warn_of_bridge(config);
	advice_print(config);
	printf("%s: no errors\n", config->path);
	config_free(config);
	return CLI_OK;
}

static int check_given(const struct given *given)
{
	const char *name = given_name(given);

	return check(given_load(given, name ? name : FREE_NAME_FIRST));
}

static int check_all(int argc, char **argv, struct given *given)
{
	int option, status = CLI_OK;

	while ((option = cli_next_option(argc, argv, ":h", given_options(given), usage, &status)) !=
		-1) {
		if (option == -2 && status == CLI_OK)
			given_print_help();
		if (option == -2)
			return status;
		if (given_take(given, option, argc, argv))
			return CLI_USAGE;
	}
	if (given_last(given) && optind < argc)
		return given_mixed(given, argv);
	if (given_last(given))
		return check_given(given);
	if (optind == argc)
		return cli_usage_error(argv[0], "name a tunnel, or a file");
	for (; optind < argc; optind++)
		status |= check(cli_load(argv[optind]));
	return status;
}

int cli_check(int argc, char **argv)
{
	static const struct option options[] = { { "help", no_argument, NULL, 'h' }, { 0 } };
	struct given *given = given_new(argc, argv, options);
	int status = CLI_FAILED;

	if (given)
		status = check_all(argc, argv, given);
	else
		perror("culvert");
	given_free(given);
	return status;
}
