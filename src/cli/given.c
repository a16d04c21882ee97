/* SPDX-License-Identifier: ISC */
/* The options that stand in a file's place, made of the file's keys. */
#include "cli/given.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cli/cli.h"
#include "host/config.h"

enum {
	OPTIONS_MAX = 96, /* a command's own, and the file's keys */
	HELP_COLUMN = 30,
	HELP_WIDTH = 79,
};

struct given {
	struct option options[OPTIONS_MAX + 1];
	struct config_word words[OPTIONS_MAX]; /* of the keys, by their row */
	struct config_given *items;
	size_t count;
	const char *last; /* a word; NULL: none yet */
	char **line;      /* the command line in its order, which getopt changes; NULL ends it */
};

/* A row's option; secrets are among them, for whoever tries them to be told why not. */
static struct option key_option(struct config_word *word, size_t row)
{
	const struct config_option *option = config_option_at(row);

	config_option_word(word, option);
	return (struct option){ .name = word->text + strlen("--"),
		.has_arg = config_option_is_switch(option) ? optional_argument : required_argument,
		.val = GIVEN_FIRST + (int)row };
}

struct given *given_new(int argc, char **argv, const struct option *own)
{
	struct given *given = calloc(1, sizeof(*given));
	size_t count = 0;

	if (!given)
		return NULL;
	given->items = calloc((size_t)argc, sizeof(*given->items));
	given->line = calloc((size_t)argc + 1, sizeof(*given->line));
	if (!given->items || !given->line) {
		given_free(given);
		return NULL;
	}
	memcpy(given->line, argv, (size_t)argc * sizeof(*argv));
	for (; own->name; own++)
		given->options[count++] = *own;
	for (size_t row = 0; config_option_at(row) && count < OPTIONS_MAX; row++)
		given->options[count++] = key_option(&given->words[row], row);
	return given;
}

void given_free(struct given *given)
{
	if (!given)
		return;
	free(given->items);
	free(given->line);
	free(given);
}

const struct option *given_options(const struct given *given)
{
	return given->options;
}

/* getopt takes the value of what may stand alone only after a '='. */
static const char *switch_value(int argc, char **argv)
{
	static const char *const values[] = { "yes", "no" };

	for (size_t i = 0; i < 2 && !optarg && optind < argc; i++)
		if (!strcasecmp(argv[optind], values[i]))
			return argv[optind++];
	return optarg;
}

/* Whether the value, a word of its own, is an option whose value was forgotten before it. */
static bool is_option(const char *word)
{
	return word[0] == '-' && (word[1] == '-' || isalpha((unsigned char)word[1]));
}

int given_take(struct given *given, int option, int argc, char **argv)
{
	const size_t row = (size_t)(option - GIVEN_FIRST);
	const struct config_option *key = config_option_at(row);

	if (optarg && optarg == argv[optind - 1] && is_option(optarg))
		return cli_usage_error(argv[0],
			"%s has no value before %.*s (one that begins with '-' is given as "
			"%s=VALUE)",
			given->words[row].text, (int)strcspn(optarg, "="), optarg,
			given->words[row].text);
	given->last = given->words[row].text;
	given->items[given->count++] = (struct config_given){ .option = key,
		.value = config_option_is_switch(key) ? switch_value(argc, argv) : optarg };
	return CLI_OK;
}

const char *given_last(const struct given *given)
{
	return given->last;
}

/* The key in whose value the word may belong, for it stands behind one; NULL: none. */
static const struct config_given *key_before(const struct given *given, const char *word)
{
	char **at = given->line;
	const char *value;

	while (*at && *at != word)
		at++;
	while (at > given->line && *at && !is_option(*at))
		at--;
	if (!*at)
		return NULL;
	value = strchr(*at, '=') ? strchr(*at, '=') + 1 : at[1];
	for (size_t i = 0; value && i < given->count; i++) /* a switch may have none */
		if (given->items[i].value == value)
			return &given->items[i];
	return NULL;
}

int given_mixed(const struct given *given, char **argv)
{
	const struct config_given *before = key_before(given, argv[optind]);
	struct config_word word = { "" };

	if (before)
		config_option_word(&word, before->option);
	if (before && before->option->flags & CONFIG_LIST)
		return cli_usage_error(argv[0],
			"%s stands alone: several values have commas between them, as in %s %s,%s; "
			"and a tunnel's name or file does not go with options",
			argv[optind], word.text, before->value, argv[optind]);
	return cli_usage_error(argv[0],
		"%s is a tunnel's name or file, and %s describes a tunnel without one: write it "
		"into the file, or leave the name out%s%s%s",
		argv[optind], given->last, before ? " (if it belongs to the value of " : "",
		word.text, before ? ": quotes around that)" : "");
}

const char *given_name(const struct given *given)
{
	for (size_t i = 0; i < given->count; i++) {
		const struct config_given *item = &given->items[i];

		if (!strcmp(item->option->name, "Device") && config_device_name_ok(item->value))
			return item->value;
	}
	return NULL;
}

struct config *given_load(const struct given *given, const char *name)
{
	struct config_problems problems = { 0 };
	struct config *config = NULL;
	const int error = config_load_given(name, given->items, given->count, &config, &problems);

	return cli_loaded(error, config, &problems);
}

/* Words up to a width, the lines after the first indented. */
static void print_wrapped(const char *text)
{
	size_t column = HELP_COLUMN;

	while (*text) {
		const size_t len = strcspn(text, " ");

		if (column > HELP_COLUMN && column + 1 + len > HELP_WIDTH) {
			printf("\n%*s", HELP_COLUMN, "");
			column = HELP_COLUMN;
		}
		column += (size_t)printf("%s%.*s", column > HELP_COLUMN ? " " : "", (int)len, text);
		text += len;
		text += strspn(text, " ");
	}
	putchar('\n');
}

void given_print_help(void)
{
	const struct config_option *option;

	puts("\nOptions in place of a file, which culvert.conf(5) has as its keys:\n");
	for (size_t row = 0; (option = config_option_at(row)); row++) {
		struct config_word word;

		if (option->flags & CONFIG_SECRET)
			continue;
		config_option_word(&word, option);
		printf("      %-*s", HELP_COLUMN - 6, word.text);
		print_wrapped(option->help);
	}
}
