/* SPDX-License-Identifier: ISC */
/* culvert: the subcommands. Under the name culvert-device it is the engine alone. */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include <sodium.h>

#include "cli/bench.h"
#include "cli/cli.h"
#include "engine/device.h"
#include "host/suggest.h"

#ifndef PACKAGE_VERSION
#define PACKAGE_VERSION "(unreleased)"
#endif

static const struct command {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *help;
} commands[] = {
	{ "run", cli_run, "run a tunnel in the foreground" },
	{ "check", cli_check, "say everything that is wrong with a tunnel's file" },
	{ "status", cli_status, "show how the running tunnels do" },
	{ "reload", cli_reload, "have a running tunnel read its file again" },
	{ "strip", cli_strip, "print what the stock wg setconf takes of a tunnel's file" },
	{ "pause", cli_pause, "let traffic pass a full tunnel by for some seconds" },
	{ "down", cli_down, "put back what a tunnel that died has left on the host" },
	{ "block", cli_block, "close a tunnel's kill switch before the tunnel is started" },
	{ "genkey", cli_genkey, "make a private key" },
	{ "pubkey", cli_pubkey, "a private key's public key" },
	{ "genpsk", cli_genpsk, "make a secret for two ends to share" },
	{ "bench", cli_bench, "measure how fast each cipher is on this machine" },
};

enum { COMMAND_COUNT = sizeof(commands) / sizeof(*commands) };

static void print_usage(FILE *to)
{
	fputs("usage: culvert COMMAND [ARGUMENT...]\n\n", to);
	for (size_t i = 0; i < COMMAND_COUNT; i++)
		fprintf(to, "  %-7s  %s\n", commands[i].name, commands[i].help);
	fputs("  help     say more about a command, as culvert COMMAND --help does\n"
	      "\n"
	      "  -h, --help     show this\n"
	      "  -V, --version  show the version\n"
	      "\n"
	      "Manual pages: culvert(8), culvert.conf(5).\n",
		to);
}

static const struct command *find_command(const char *word)
{
	for (size_t i = 0; i < COMMAND_COUNT; i++) {
		if (!strcmp(commands[i].name, word))
			return &commands[i];
	}
	return NULL;
}

static int unknown_command(const char *word)
{
	const char *candidates[COMMAND_COUNT + 2] = { "help" };
	const char *meant;

	for (size_t i = 0; i < COMMAND_COUNT; i++)
		candidates[i + 1] = commands[i].name;
	meant = suggest_nearest(word + strspn(word, "-"), candidates);
	if (meant)
		fprintf(stderr, "culvert: there is no command %s; did you mean %s?\n", word, meant);
	else
		fprintf(stderr, "culvert: there is no command %s\n", word);
	fputs("Read on: culvert --help\n", stderr);
	return CLI_USAGE;
}

static int print_version(void)
{
	puts("culvert " PACKAGE_VERSION);
	return CLI_OK;
}

static int help(int argc, char **argv)
{
	char option[] = "--help";
	const struct command *command;

	if (argc < 2) {
		print_usage(stdout);
		return CLI_OK;
	}
	command = find_command(argv[1]);
	if (!command)
		return unknown_command(argv[1]);
	return command->run(2, (char *[]){ argv[1], option, NULL });
}

static int run_command(int argc, char **argv)
{
	const struct command *command = find_command(argv[0]);

	if (!strcmp(argv[0], "--version") || !strcmp(argv[0], "-V"))
		return print_version();
	if (!strcmp(argv[0], "help") || !strcmp(argv[0], "--help") || !strcmp(argv[0], "-h"))
		return help(argc, argv);
	if (!command)
		return unknown_command(argv[0]);
	for (int i = 1; i < argc && strcmp(argv[i], "--"); i++) {
		if (!strcmp(argv[i], "--version"))
			return print_version();
	}
	return command->run(argc, argv);
}

/* Else the next descriptors that are opened would get their numbers, and what is meant for the log
 * or for a child's standard input would go there. */
static int open_standard_descriptors(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDONLY); /* writing fails as it would have */
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

/* Who is ignored leaves no status behind: a parent that ignores its children would have us wait for
 * ours in vain. */
static void take_up_children(void)
{
	signal(SIGCHLD, SIG_DFL);
}

/* sodium_init would wait without a word; this early, keys would be guessable. */
static void say_if_randomness_is_lacking(void)
{
	unsigned char byte;

	if (getrandom(&byte, sizeof(byte), GRND_NONBLOCK) < 0 && errno == EAGAIN)
		fputs("culvert: waiting for the kernel to have gathered enough randomness, early "
		      "after boot\n",
			stderr);
}

int main(int argc, char **argv)
{
	const char *slash = argc ? strrchr(argv[0], '/') : NULL;
	const char *name = slash ? slash + 1 : argc ? argv[0] : "culvert";
	int status;

	if (open_standard_descriptors())
		return CLI_FAILED;
	take_up_children();
	say_if_randomness_is_lacking();
	if (sodium_init() < 0) {
		fputs("culvert: libsodium cannot get random numbers from the system\n", stderr);
		return CLI_FAILED;
	}
	if (!strcmp(name, "culvert-device"))
		return device_main(argc, argv);
	if (argc < 2) {
		print_usage(stderr);
		return CLI_USAGE;
	}
	status = run_command(argc - 1, argv + 1);
	if (fflush(stdout) || ferror(stdout)) {
		perror("culvert: cannot write");
		return CLI_FAILED;
	}
	return status;
}
