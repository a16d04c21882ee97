/* SPDX-License-Identifier: ISC */
/*
 * A tunnel of options in a file's place. They are written down as a file, a line each, and that is
 * read as any other: so what is right, and what is wrong with what, is the same in both. Only
 * problems then name the option instead of the line.
 */
#include "host/config_parse.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "host/text.h"

static const char where[] = "the command line"; /* without a slash: key files are found from here */

/* "AllowedIPs": --allowed-ips */
void config_option_word(struct config_word *word, const struct config_option *option)
{
	char *to = mempcpy(word->text, "--", 2);
	const char *end = word->text + sizeof(word->text) - 2;

	for (const char *c = option->name; *c && to < end; c++) {
		if (c > option->name && islower((unsigned char)c[-1]) && isupper((unsigned char)*c))
			*to++ = '-';
		*to++ = (char)tolower((unsigned char)*c);
	}
	*to = 0;
}

void config_key_word(struct config_word *word, const struct config *config, const char *name)
{
	const struct config_option option = { .name = name };

	if (config->from_options)
		config_option_word(word, &option);
	else
		snprintf(word->text, sizeof(word->text), "%s =", name);
}

/* The key that takes a file with this one's value in it; NULL: none does. */
static const struct config_option *file_option(const struct config_option *option)
{
	const struct config_option *other;
	const size_t len = strlen(option->name);

	for (size_t i = 0; (other = config_option_at(i)); i++)
		if (!strncmp(other->name, option->name, len) && !strcmp(other->name + len, "File"))
			return other;
	return NULL;
}

static void refuse_secret(
	struct config_parser *parser, unsigned line, const struct config_option *option)
{
	const struct config_option *file = file_option(option);
	struct config_word word = { "" };

	if (file)
		config_option_word(&word, file);
	config_error(parser, line,
		"%s is a secret, and other users see what a program is started with (ps shows "
		"it): %s%s%s",
		option->name, file ? "put it into a file and give " : "write a file for the tunnel",
		word.text, file ? " FILE" : "");
}

/* What the line of a file could not hold, or must not. */
static void check_value(
	struct config_parser *parser, unsigned line, const struct config_given *given)
{
	if (given->option->flags & CONFIG_SECRET)
		refuse_secret(parser, line, given->option);
	else if (given->value && strchr(given->value, '\n'))
		config_error(parser, line, "%s cannot hold a line break", given->option->name);
	else if (given->value && strchr(given->value, '#'))
		config_error(parser, line,
			"%s cannot hold a '#', with which a comment begins in a tunnel's file: put "
			"a command that has one into a script",
			given->option->name);
}

/* Writes a section's options down, and for each line whose it is. */
static void write_section(struct config_parser *parser, struct text *text, const char *section,
	const struct config_given *given, size_t count)
{
	text_add(text, "[%s]\n", section);
	parser->line++;
	for (size_t i = 0; i < count; i++) {
		if (strcmp(given[i].option->section, section))
			continue;
		parser->line++;
		config_option_word(&parser->problems->options[parser->line], given[i].option);
		check_value(parser, parser->line, &given[i]);
		text_add(text, "%s = %s\n", given[i].option->name,
			given[i].value ? given[i].value : "yes");
	}
}

/* The peer of a shared-key tunnel is there without a word about it. */
static bool has_peer(const struct config_given *given, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const enum config_row_index shared[] = { ROW_SHARED_KEY, ROW_SHARED_KEY_FILE };

		if (!strcmp(given[i].option->section, "Peer"))
			return true;
		for (size_t j = 0; j < sizeof(shared) / sizeof(*shared); j++)
			if (given[i].option == &config_row_at(shared[j])->option)
				return true;
	}
	return false;
}

static int parse_given(struct config_parser *parser, const struct config_given *given, size_t count)
{
	struct text text = { 0 };
	int error = 0;

	write_section(parser, &text, "Interface", given, count);
	if (has_peer(given, count))
		write_section(parser, &text, "Peer", given, count);
	parser->line = 0;
	if (text.failed)
		error = -ENOMEM;
	else if (!parser->problems->errors)
		error = config_parse_text(parser, text.bytes, text.len);
	if (!error && parser->config->save)
		config_error(parser, 0, "SaveConfig has no file to save to: remove it");
	text_free(&text);
	return error;
}

int config_load_given(const char *name, const struct config_given *given, size_t count,
	struct config **config, struct config_problems *problems)
{
	struct config_parser parser = { .problems = problems };
	int error = -ENOMEM;

	*config = NULL;
	*problems = (struct config_problems){ 0 };
	parser.config = calloc(1, sizeof(*parser.config));
	if (!parser.config)
		goto out;
	parser.config->from_options = true;
	parser.config->path = strdup(where);
	parser.config->name = strdup(name);
	problems->file = strdup(where);
	problems->options = calloc(count + 4, sizeof(*problems->options)); /* lines count from 1 */
	if (!parser.config->path || !parser.config->name || !problems->file || !problems->options)
		goto out;
	error = parse_given(&parser, given, count);
	config_problems_sort(problems);
	if (!error && problems->errors)
		error = -EINVAL;
out:
	return config_hand_out(&parser, error, config);
}
