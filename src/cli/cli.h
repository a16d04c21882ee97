/* SPDX-License-Identifier: ISC */
/* What the subcommands share. Each takes argv[0] as its own name and gives the exit status. */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include <getopt.h>
#include <glob.h>
#include <stddef.h>

enum {
	CLI_OK = 0,
	CLI_FAILED = 1,
	CLI_USAGE = 2,
	CLI_DOWN = 3,     /* the tunnel is not running */
	CLI_DEGRADED = 4, /* it is, but not all of it works */
};

enum { CLI_NAME_SIZE = 256 };

struct config;
struct config_problems;

int cli_run(int argc, char **argv);
int cli_check(int argc, char **argv);
int cli_status(int argc, char **argv);
int cli_reload(int argc, char **argv);
int cli_strip(int argc, char **argv);
int cli_pause(int argc, char **argv);
int cli_down(int argc, char **argv);
int cli_block(int argc, char **argv);
int cli_genkey(int argc, char **argv);
int cli_pubkey(int argc, char **argv);
int cli_genpsk(int argc, char **argv);

/*
 * The next option, as getopt_long; its arguments are the same on each call. --help and a wrong
 * option are dealt with: then -2 is returned and *status is what to exit with. With options that
 * take a value, short_options begins with ':'.
 */
int cli_next_option(int argc, char **argv, const char *short_options, const struct option *options,
	const char *usage, int *status);

/* Says what is wrong with the arguments and where to read on. Returns CLI_USAGE. */
int cli_usage_error(const char *command, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* The tunnel that NAME or a path means: the file's name without directories and .conf. 0, or
 * -EINVAL if that leaves nothing, or too much. */
int cli_tunnel_name(char name[CLI_NAME_SIZE], const char *name_or_path);

/* Reads a tunnel's file and says what is wrong with it. The caller frees it; NULL: it has errors.
 */
struct config *cli_load(const char *name_or_path);
/* The same, and the files of keys need not be there: config_load_without_key_files. */
struct config *cli_load_without_key_files(const char *name_or_path);
/* What a loader of host/config.h gave out, the problems said and freed. */
struct config *cli_loaded(int error, struct config *config, struct config_problems *problems);

/* What is somebody else's word, a monitor's that is not root or a file's name, such that a terminal
 * does nothing but show it: control characters are replaced. Returns the text. */
char *cli_harmless(char *text);

/* The control sockets of all tunnels, be they running or left over; globfree them, also with an
 * error: 0 or -errno. */
int cli_find_sockets(glob_t *found);

/* Says that a tunnel cannot be asked: it does not run, or we may not. Returns CLI_DOWN or
 * CLI_FAILED. */
int cli_unreachable(const char *name, int error);

#endif
