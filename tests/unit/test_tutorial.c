/* SPDX-License-Identifier: ISC */
/* doc/TUTORIAL shows each file of doc/tutorial/, byte for byte, and shows no tunnel that is not
 * such a file. The network tests run these files. */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { FILE_MAX = 64 * 1024, MARGIN = 4 };

static char document[FILE_MAX];
static char in_place[4096];

/* The whole file as a string. */
static void read_file(const char *name, char *to, size_t size)
{
	const char *directory = getenv("srcdir");
	char path[4096];
	size_t len;

	snprintf(path, sizeof(path), "%s/doc/%s", directory ? directory : ".", name);
	FILE *file = fopen(path, "r");
	if (!file)
		fail_msg("%s cannot be read", path);
	len = fread(to, 1, size - 1, file);
	fclose(file);
	assert_true(len < size - 1);
	to[len] = 0;
}

static int read_document(void **state)
{
	const char *directory = getenv("srcdir");
	(void)state;

	snprintf(in_place, sizeof(in_place), "%s/doc/tutorial", directory ? directory : ".");
	read_file("TUTORIAL", document, sizeof(document));
	return 0;
}

/* The file as the document shows it: lines that are not empty are indented, with an empty line
 * before and after. */
static void indent(const char *text, char *to, size_t size)
{
	size_t len = (size_t)snprintf(to, size, "\n\n");

	while (*text) {
		size_t line = strcspn(text, "\n");

		assert_int_equal(text[line], '\n');
		assert_true(len + MARGIN + line + 3 < size);
		len += (size_t)snprintf(
			to + len, size - len, "%*s%.*s\n", line ? MARGIN : 0, "", (int)line, text);
		text += line + 1;
	}
	snprintf(to + len, size - len, "\n");
}

static size_t times_in(const char *text, const char *what)
{
	size_t times = 0;

	while ((text = strstr(text, what))) {
		text += strlen(what);
		times++;
	}
	return times;
}

/* Returns how many tunnels the file holds. */
static size_t check_file(const char *name)
{
	static char text[FILE_MAX], shown[FILE_MAX];
	char path[300];

	snprintf(path, sizeof(path), "tutorial/%s", name);
	read_file(path, text, sizeof(text));
	indent(text, shown, sizeof(shown));
	if (times_in(document, shown) != 1)
		fail_msg("doc/%s is not in doc/TUTORIAL, or differs from what is", path);
	if (!strstr(document, name))
		fail_msg("doc/TUTORIAL does not name doc/%s", path);
	return times_in(shown, "    [Interface]\n");
}

static void each_file_is_shown_as_it_is(void **state)
{
	DIR *directory = opendir(in_place);
	size_t files = 0, tunnels = 0;
	struct dirent *entry;
	(void)state;

	assert_non_null(directory);
	while ((entry = readdir(directory))) {
		if (*entry->d_name == '.')
			continue;
		tunnels += check_file(entry->d_name);
		files++;
	}
	closedir(directory);
	assert_true(files > 10);
	assert_int_equal(tunnels, times_in(document, "    [Interface]\n"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_file_is_shown_as_it_is),
	};

	return cmocka_run_group_tests(tests, read_document, NULL);
}
