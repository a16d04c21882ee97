/* SPDX-License-Identifier: ISC */
/* Every option has its entry in culvert.conf(5), under its section's heading, and every entry its
 * option. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "host/config.h"

enum { ENTRIES_MAX = 200 };

struct entry {
	char section[32]; /* "INTERFACE", "PEER" or another heading's first word but THE */
	char name[64];
};

static struct entry entries[ENTRIES_MAX];
static size_t entry_count;

static int read_page(void **state)
{
	const char *directory = getenv("srcdir");
	char path[4096], line[1024], section[32] = "";
	(void)state;

	snprintf(path, sizeof(path), "%s/doc/culvert.conf.5", directory ? directory : ".");
	FILE *page = fopen(path, "r");
	if (!page) {
		perror(path);
		return -1;
	}
	while (fgets(line, sizeof(line), page)) {
		if (sscanf(line, ".Sh THE %31s", section) != 1)
			sscanf(line, ".Sh %31s", section);
		if (entry_count < ENTRIES_MAX &&
			sscanf(line, ".It Ic %63s", entries[entry_count].name) == 1)
			strcpy(entries[entry_count++].section, section);
	}
	fclose(page);
	return 0;
}

static size_t times_documented(const struct config_option *option)
{
	size_t times = 0;

	for (size_t i = 0; i < entry_count; i++)
		times += !strcmp(entries[i].name, option->name) &&
			 !strcasecmp(entries[i].section, option->section);
	return times;
}

static void every_option_is_documented(void **state)
{
	const struct config_option *option;
	size_t i, missing = 0;
	(void)state;

	for (i = 0; (option = config_option_at(i)); i++) {
		if (times_documented(option) == 1)
			continue;
		print_error("%s of [%s] is in the page %zu times\n", option->name, option->section,
			times_documented(option));
		missing++;
	}
	assert_true(i > 20);
	assert_int_equal(missing, 0);
}

static void every_entry_is_an_option(void **state)
{
	const struct config_option *option;
	size_t wrong = 0;
	(void)state;

	for (size_t entry = 0; entry < entry_count; entry++) {
		bool found = false;

		for (size_t i = 0; (option = config_option_at(i)); i++)
			found = found ||
				(!strcmp(option->name, entries[entry].name) &&
					!strcasecmp(option->section, entries[entry].section));
		if (!found)
			print_error("the page has %s under %s, which is no option\n",
				entries[entry].name, entries[entry].section);
		wrong += !found;
	}
	assert_int_equal(wrong, 0);
}

static void every_row_says_what_it_takes(void **state)
{
	const struct config_option *option;
	(void)state;

	for (size_t i = 0; (option = config_option_at(i)); i++) {
		assert_non_null(option->help);
		assert_true(strlen(option->help) > 5);
		for (size_t j = 0; j < i; j++)
			assert_int_not_equal(
				strcasecmp(option->name, config_option_at(j)->name), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_option_is_documented),
		cmocka_unit_test(every_entry_is_an_option),
		cmocka_unit_test(every_row_says_what_it_takes),
	};

	return cmocka_run_group_tests(tests, read_page, NULL);
}
