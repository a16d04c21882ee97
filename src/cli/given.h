/* SPDX-License-Identifier: ISC */
/*
 * A tunnel that is given by options in a file's place: `culvert run --address 10.9.0.1/30 ...`.
 * They are the file's keys (config_option_at), whichever there are.
 */
#ifndef CLI_GIVEN_H
#define CLI_GIVEN_H

#include <getopt.h>
#include <stddef.h>

struct config;
struct given;

/* What getopt returns for the first of the keys; a command's own options return less. */
enum { GIVEN_FIRST = 1000 };

/* For a command line that getopt has not seen yet, with a command's own options (zeros end them).
 * NULL: out of memory. */
struct given *given_new(int argc, char **argv, const struct option *own);
void given_free(struct given *given); /* NULL is allowed */

/* The command's options and all keys, for cli_next_option. */
const struct option *given_options(const struct given *given);

/* Takes a key: what getopt returned, with its global variables. CLI_OK, or CLI_USAGE if its value
 * is the next option; that is said. */
int given_take(struct given *given, int option, int argc, char **argv);

/* The word of the last key that was taken, "--address"; NULL: there is none. */
const char *given_last(const struct given *given);

/* Says that there are both keys and a word that is none, which is the next argument: a tunnel's
 * name or file, or what would belong to a key's value. Returns CLI_USAGE. */
int given_mixed(const struct given *given, char **argv);

/* What --device says, if that can be a tunnel's name; else NULL. */
const char *given_name(const struct given *given);

/* The tunnel of these keys; what is wrong with them is said. The caller frees it; NULL: it has
 * errors. The name is its own. */
struct config *given_load(const struct given *given, const char *name);

/* Each key, and what it takes, for --help. */
void given_print_help(void);

#endif
