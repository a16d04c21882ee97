/* SPDX-License-Identifier: ISC */
/* What is wrong with a tunnel's file: the list of problems, where each is, and what may be shown of
 * what was found there. */
#include "host/config_parse.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static __attribute__((format(printf, 4, 0))) void problem_add(struct config_problems *problems,
	unsigned line, bool warning, const char *format, va_list values)
{
	if (!warning)
		problems->errors++;
	if (problems->count >= CONFIG_PROBLEMS_MAX) {
		problems->left_off++;
		return;
	}
	if (!problems->items)
		problems->items = calloc(CONFIG_PROBLEMS_MAX, sizeof(*problems->items));
	char *text = NULL;
	if (!problems->items || vasprintf(&text, format, values) < 0) {
		problems->left_off++;
		return;
	}
	problems->items[problems->count] = (struct config_problem){
		.line = line, .warning = warning, .text = text, .order = problems->count
	};
	problems->count++;
}

void config_file_error(struct config_problems *problems, const char *format, ...)
{
	va_list values;

	va_start(values, format);
	problem_add(problems, 0, false, format, values);
	va_end(values);
}

void config_error(struct config_parser *parser, unsigned line, const char *format, ...)
{
	va_list values;

	va_start(values, format);
	problem_add(parser->problems, line, false, format, values);
	va_end(values);
}

void config_warning(struct config_parser *parser, unsigned line, const char *format, ...)
{
	va_list values;

	va_start(values, format);
	problem_add(parser->problems, line, true, format, values);
	va_end(values);
}

/* "FILE:5: ", or "--endpoint: " where options stand in a file's place. */
static void print_place(const struct config_problems *problems, unsigned line, FILE *to)
{
	const char *option = problems->options ? problems->options[line].text : "";

	if (*option)
		fprintf(to, "%s: ", option);
	else if (line && !problems->options)
		fprintf(to, "%s:%u: ", problems->file, line);
	else
		fprintf(to, "%s: ", problems->file);
}

struct config_shown config_place(const struct config_parser *parser, unsigned line)
{
	struct config_shown shown;

	if (parser->problems->options)
		strcpy(shown.text, parser->problems->options[line].text);
	else
		snprintf(shown.text, sizeof(shown.text), "line %u", line);
	return shown;
}

static int problem_order(const void *left, const void *right)
{
	const struct config_problem *a = left, *b = right;

	if (a->line != b->line)
		return a->line < b->line ? -1 : 1;
	return a->order < b->order ? -1 : a->order > b->order;
}

void config_problems_sort(struct config_problems *problems)
{
	if (problems->items)
		qsort(problems->items, problems->count, sizeof(*problems->items), problem_order);
}

void config_problems_print(const struct config_problems *problems, FILE *to)
{
	for (size_t i = 0; i < problems->count; i++) {
		const struct config_problem *problem = &problems->items[i];

		print_place(problems, problem->line, to);
		fprintf(to, "%s%s\n", problem->warning ? "warning: " : "", problem->text);
	}
	if (problems->left_off)
		fprintf(to, "%s: %zu more problems are not shown\n", problems->file,
			problems->left_off);
}

void config_problems_free(struct config_problems *problems)
{
	for (size_t i = 0; i < problems->count; i++)
		free(problems->items[i].text);
	free(problems->items);
	free(problems->options);
	free(problems->file);
	*problems = (struct config_problems){ 0 };
}

/* A line that somebody pasted a key into must not have it repeated in a log. */
static bool looks_like_a_key(const char *value)
{
	size_t run = 0;

	for (; *value; value++) {
		run = isalnum((unsigned char)*value) || strchr("+/=", *value) ? run + 1 : 0;
		if (run >= KEY_BASE64_SIZE - 5)
			return true;
	}
	return false;
}

static struct config_shown show(const char *value)
{
	struct config_shown shown = { 0 };
	const size_t most = sizeof(shown.text) - sizeof("'...'");
	const size_t len = strlen(value);
	const size_t take = len < most ? len : most;

	shown.text[0] = '\'';
	/* cppcheck-suppress knownConditionTrueFalse ; of "" here, but not of every value */
	for (size_t i = 0; i < take; i++) {
		const unsigned char c = (unsigned char)value[i];

		shown.text[i + 1] = c >= 0x20 && c < 0x7f ? (char)c : '?';
	}
	/* cppcheck-suppress knownConditionTrueFalse ; as above */
	strcpy(shown.text + take + 1, take < len ? "...'" : "'");
	return shown;
}

static const struct config_shown not_shown = { .text = "(not shown: it looks like a key)" };

struct config_shown config_show(const char *value)
{
	return looks_like_a_key(value) ? not_shown : show(value);
}

/* Paths are made of what keys are made of: what the file says decides, and only as a whole. */
struct config_shown config_show_path(const char *value, const char *path)
{
	static const char base64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				     "0123456789+/=";
	const bool is_key = value[0] != '/' && strspn(value, base64) == strlen(value) &&
			    looks_like_a_key(value);

	return is_key ? not_shown : show(path);
}

bool config_list_grow(struct config_parser *parser, void **items, size_t count, size_t item_size)
{
	if (count & (count - 1)) /* neither 0 nor a power of two: there is room */
		return true;
	void *larger = reallocarray(*items, count ? 2 * count : 1, item_size);
	if (!larger) {
		parser->out_of_memory = true;
		return false;
	}
	*items = larger;
	return true;
}
