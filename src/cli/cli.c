/* SPDX-License-Identifier: ISC */
/* What the subcommands share: options, names, complaints. */
#include "cli/cli.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "engine/log.h"
#include "host/config.h"
#include "host/place.h"
#include "host/suggest.h"

enum { CANDIDATES_MAX = 96 };

int cli_usage_error(const char *command, const char *format, ...)
{
	va_list args;

	fprintf(stderr, "culvert %s: ", command);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, "\nRead on: culvert %s --help\n", command);
	return CLI_USAGE;
}

/* The word that a wrong letter stands in: getopt goes on behind it when the letter was its last. */
static const char *with_letter(char **argv)
{
	const char *here = argv[optind];

	return here && here[0] == '-' && here[1] != '-' && strchr(here, optopt) ? here
										: argv[optind - 1];
}

/* getopt tells what it did not like in optopt (0: an unknown long option). */
static int wrong_option(char **argv, const struct option *options)
{
	const char *candidates[CANDIDATES_MAX + 1] = { 0 };
	const char *whole = optopt ? with_letter(argv) : argv[optind - 1];
	const int len = (int)strcspn(whole, "="); /* after that it may be a secret */
	char word[64];
	const char *meant;

	for (size_t i = 0; i < CANDIDATES_MAX && options[i].name; i++)
		candidates[i] = options[i].name;
	snprintf(word, sizeof(word), "%.*s", len, whole);
	meant = suggest_nearest(word + strspn(word, "-"), candidates);
	if (meant && !strncmp(word, "--", 2) && !strcmp(word + 2, meant))
		return cli_usage_error(argv[0], "%s takes no value", word);
	if (optopt && (len < 4 || !meant))
		return cli_usage_error(argv[0], "wrong option -%c", optopt);
	if (meant)
		return cli_usage_error(argv[0], "wrong option %s; did you mean --%s?", word, meant);
	return cli_usage_error(argv[0], "wrong option %s", word);
}

int cli_next_option(int argc, char **argv, const char *short_options, const struct option *options,
	const char *usage, int *status)
{
	int option;

	opterr = 0;
	option = getopt_long(argc, argv, short_options, options, NULL);
	if (option == 'h') {
		fputs(usage, stdout);
		*status = CLI_OK;
		return -2;
	}
	if (option == ':') {
		*status = cli_usage_error(argv[0], "%s needs a value", argv[optind - 1]);
		return -2;
	}
	if (option == '?') {
		*status = wrong_option(argv, options);
		return -2;
	}
	return option;
}

int cli_tunnel_name(char name[CLI_NAME_SIZE], const char *name_or_path)
{
	const char *slash = strrchr(name_or_path, '/');
	const char *base = slash ? slash + 1 : name_or_path;
	size_t len = strlen(base);

	if (slash && len > 5 && !strcmp(base + len - 5, ".conf"))
		len -= 5;
	if (!len || len >= CLI_NAME_SIZE)
		return -EINVAL;
	memcpy(name, base, len);
	name[len] = '\0';
	return 0;
}

struct config *cli_loaded(int error, struct config *config, struct config_problems *problems)
{
	config_problems_print(problems, stderr);
	config_problems_free(problems);
	if (error == -ENOMEM)
		fprintf(stderr, "culvert: %s\n", strerror(ENOMEM));
	return error ? NULL : config;
}

static struct config *load(
	const char *name_or_path, int (*loader)(const char *name_or_path, struct config **config,
					  struct config_problems *problems))
{
	struct config_problems problems = { 0 };
	struct config *config = NULL;
	const int error = loader(name_or_path, &config, &problems);

	return cli_loaded(error, config, &problems);
}

struct config *cli_load(const char *name_or_path)
{
	return load(name_or_path, config_load);
}

struct config *cli_load_without_key_files(const char *name_or_path)
{
	return load(name_or_path, config_load_without_key_files);
}

char *cli_harmless(char *text)
{
	log_make_harmless(text, strlen(text));
	return text;
}

int cli_find_sockets(glob_t *found)
{
	const char *place;
	char pattern[PLACE_PATH_SIZE];
	int error = 0, result;

	*found = (glob_t){ 0 };
	for (size_t i = 0; (place = place_directory_at(i)); i++) {
		/* glob would find nothing in a directory that it may not read. */
		if (access(place, R_OK | X_OK) < 0) {
			error = errno == ENOENT ? error : -errno;
			continue;
		}
		snprintf(pattern, sizeof(pattern), "%s/*.sock", place);
		result = glob(pattern, found->gl_pathc ? GLOB_APPEND : 0, NULL, found);
		if (result && result != GLOB_NOMATCH)
			error = -ENOMEM;
	}
	return error;
}

/* For `culvert run NAME`. In a directory that we may not search, there may well be one. */
static bool has_file(const char *name)
{
	char path[sizeof(CONFIG_DIRECTORY "/.conf") + CLI_NAME_SIZE];

	snprintf(path, sizeof(path), CONFIG_DIRECTORY "/%.*s.conf", CLI_NAME_SIZE - 1, name);
	return !access(path, F_OK) || errno == EACCES;
}

int cli_unreachable(const char *name, int error)
{
	if (error == -ENOENT || error == -ECONNREFUSED) {
		fprintf(stderr, "culvert: %s is not running", name);
		if (has_file(name))
			fprintf(stderr, " (start it: culvert run %s)", name);
		fputc('\n', stderr);
		return CLI_DOWN;
	}
	fprintf(stderr, "culvert: cannot ask %s: %s%s\n", name, strerror(-error),
		error == -EACCES ? " (only root may: sudo)" : "");
	return CLI_FAILED;
}
