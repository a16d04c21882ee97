/* SPDX-License-Identifier: ISC */
/* The options that stand in a file's place, made of the file's keys. */
#include "cli/given.h"

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

struct given *given_new(int argc, const struct option *own)
{
	struct given *given = calloc(1, sizeof(*given));
	size_t count = 0;

	if (!given)
		return NULL;
	given->items = calloc((size_t)argc, sizeof(*given->items));
	if (!given->items) {
		free(given);
		return NULL;
	}
	for (; own->name; own++)
		given->options[count++] = *own;
	for (size_t row = 0; config_option_at(row) && count < OPTIONS_MAX; row++)
		given->options[count++] = key_option(&given->words[row], row);
	return given;
}

void given_free(struct given *given)
{
	if (given)
		free(given->items);
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

void given_take(struct given *given, int option, int argc, char **argv)
{
	const size_t row = (size_t)(option - GIVEN_FIRST);
	const struct config_option *key = config_option_at(row);

	given->last = given->words[row].text;
	given->items[given->count++] = (struct config_given){ .option = key,
		.value = config_option_is_switch(key) ? switch_value(argc, argv) : optarg };
}

const char *given_last(const struct given *given)
{
	return given->last;
}

int given_mixed(const struct given *given, char **argv)
{
	return cli_usage_error(argv[0],
		"%s is a tunnel's name or file, and %s describes a tunnel without one: write it "
		"into the file, or leave the name out",
		argv[optind], given->last);
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
