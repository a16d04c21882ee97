/* SPDX-License-Identifier: ISC */
/* What documents and tables say of tests is so: each test that they name exists, and each bug of
 * tests/mutations can still be planted. */
#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { PATH_SIZE = 4096, NAME_SIZE = 128, BLOCK_SIZE = 8192 };

static unsigned complaints;

static void make_path(char path[PATH_SIZE], const char *name)
{
	const char *directory = getenv("srcdir");

	snprintf(path, PATH_SIZE, "%s/%s", directory ? directory : ".", name);
}

/* The whole file, to be freed; NULL if there is none. */
static char *read_file(const char *name)
{
	char path[PATH_SIZE];
	size_t len = 0, size = 1 << 20;
	char *text = malloc(size);
	FILE *file;

	make_path(path, name);
	file = fopen(path, "r");
	assert_non_null(text);
	if (file) {
		len = fread(text, 1, size - 1, file);
		assert_true(len < size - 1);
		fclose(file);
	}
	text[len] = '\0';
	if (len)
		return text;
	free(text);
	return NULL;
}

static size_t occurrences(const char *text, const char *part)
{
	size_t count = 0;

	for (; (text = strstr(text, part)); text++)
		count++;
	return count;
}

/* ---- Tests that documents name ---- */

/* "unit/aead" is tests/unit/test_aead.c, as "sim/data"; "net/27-x.sh" a file as it is. */
static void test_file(char name[PATH_SIZE], const char *test)
{
	if (!strncmp(test, "net/", 4))
		snprintf(name, PATH_SIZE, "tests/%s", test);
	else
		snprintf(name, PATH_SIZE, "tests/%.*s/test_%s.c", (int)(strchr(test, '/') - test),
			test, strchr(test, '/') + 1);
}

static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789_";

/* HACKING has two columns: what stands on the left is no test's name, nor the end of one's. */
static void blank_left_column(char *text)
{
	for (char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		const size_t indent = strspn(line, " "), len = strcspn(line, "\n");
		const char *gap = indent == 4 ? strstr(line + indent, "   ") : NULL;

		if (gap && gap < line + len)
			memset(line, ' ', (size_t)(gap - line));
	}
}

static void complain(const char *document, const char *test, const char *what)
{
	print_error("%s names %s: there is no %s\n", document, test, what);
	complaints++;
}

/* Behind a test's name: its scenarios, or rows of its tables in quotes, "one, two (\"row\")". Each
 * is a word of the test's source. */
static void check_scenarios(
	const char *document, const char *test, const char *source, const char *at)
{
	char name[NAME_SIZE];
	size_t between;

	do {
		at += strspn(at, " \n,(");
		const size_t len = *at == '"' ? strcspn(at + 1, "\"") + 2 : strspn(at, letters);

		if (!len || len >= sizeof(name) || at[len] == '/')
			return;
		snprintf(name, sizeof(name), "%.*s", (int)len, at);
		if (!strstr(source, name))
			complain(document, test, name);
		at += len;
		between = strspn(at, " \n,()");
	} while (memchr(at, ',', between) || memchr(at, '(', between));
}

static void check_test(const char *document, const char *at)
{
	const bool script = !strncmp(at, "net/", 4);
	char test[NAME_SIZE], name[PATH_SIZE], *source;
	size_t len = strcspn(at, "/") + 1;

	len += script ? strcspn(at + len, " ,;:)\n") : strspn(at + len, letters);
	snprintf(test, sizeof(test), "%.*s", (int)len, at);
	if (strchr(test, '*')) /* several */
		return;
	test_file(name, test);
	source = read_file(name);
	if (!source)
		complain(document, test, name);
	else if (at[len] == ':')
		check_scenarios(document, test, source, at + len + 1);
	free(source);
}

/* "unit/" alone is a folder, and "tests/unit/..." a path. */
static bool begins_test(const char *text, const char *at)
{
	const char before = at == text ? ' ' : at[-1];

	if (!strncmp(at, "net/", 4))
		return !isalnum((unsigned char)before) && isdigit((unsigned char)at[4]);
	if (isalnum((unsigned char)before) || before == '/')
		return false;
	return (!strncmp(at, "unit/", 5) && isalnum((unsigned char)at[5])) ||
	       (!strncmp(at, "sim/", 4) && isalnum((unsigned char)at[4]));
}

/* Returns how many tests it names. */
static unsigned check_document(const char *document)
{
	char *text = read_file(document);
	unsigned found = 0;

	assert_non_null(text);
	blank_left_column(text);
	for (const char *at = text; *at; at++) {
		if (!begins_test(text, at))
			continue;
		check_test(document, at);
		found++;
	}
	free(text);
	return found;
}

static void named_tests_exist(void **state)
{
	(void)state;
	complaints = 0;
	assert_in_range(check_document("doc/HACKING"), 40, 1000);
	assert_in_range(check_document("doc/SECURITY"), 20, 1000);
	assert_int_equal(complaints, 0);
}

/* ---- Bugs to be planted ---- */

struct bug {
	char name[NAME_SIZE], class[NAME_SIZE], file[NAME_SIZE], tests[NAME_SIZE];
	char before[BLOCK_SIZE], after[BLOCK_SIZE];
};

static bool take_value(const char *line, const char *key, char value[NAME_SIZE])
{
	const size_t len = strlen(key);

	if (strncmp(line, key, len))
		return false;
	snprintf(value, NAME_SIZE, "%s", line + len);
	value[strcspn(value, "\n")] = '\0';
	return true;
}

static void add_line(char block[BLOCK_SIZE], const char *line)
{
	const size_t len = strlen(block);

	assert_true(len + strlen(line) < BLOCK_SIZE);
	strcpy(block + len, line);
}

/* The next entry; false at the end. */
static bool read_bug(FILE *table, struct bug *bug)
{
	char line[1024];

	memset(bug, 0, sizeof(*bug));
	while (fgets(line, sizeof(line), table)) {
		if (*line == '\n' && *bug->name)
			return true;
		if (*line == '-')
			add_line(bug->before, line + 1);
		else if (*line == '+')
			add_line(bug->after, line + 1);
		else if (*line != '#' && *line != '\n' && !take_value(line, "bug: ", bug->name) &&
			 !take_value(line, "class: ", bug->class) &&
			 !take_value(line, "file: ", bug->file) &&
			 !take_value(line, "tests: ", bug->tests))
			fail_msg("tests/mutations: %s", line);
	}
	return *bug->name;
}

static void check_bug(const struct bug *bug, const char *security)
{
	char *text = read_file(bug->file), *security_row;
	char name[PATH_SIZE], row[NAME_SIZE + 8];
	const size_t count = text ? occurrences(text, bug->before) : 0;

	if (count != 1 || !*bug->before || !*bug->after || !strcmp(bug->before, bug->after)) {
		print_error("%s: what is to be replaced stands in %s %zu times\n", bug->name,
			bug->file, count);
		complaints++;
	}
	free(text);
	test_file(name, bug->tests);
	text = read_file(name);
	if (!text) {
		print_error("%s: there is no %s\n", bug->name, name);
		complaints++;
	}
	free(text);
	snprintf(row, sizeof(row), "\n    %s", bug->class);
	security_row = strstr(security, row);
	if (!security_row || !isspace((unsigned char)security_row[strlen(row)])) {
		print_error("%s: doc/SECURITY has no class \"%s\"\n", bug->name, bug->class);
		complaints++;
	}
}

static void every_bug_can_be_planted(void **state)
{
	static struct bug bug;
	char path[PATH_SIZE], *security = read_file("doc/SECURITY");
	unsigned count = 0;
	FILE *table;

	(void)state;
	make_path(path, "tests/mutations");
	table = fopen(path, "r");
	assert_non_null(table);
	assert_non_null(security);
	complaints = 0;
	for (; read_bug(table, &bug); count++)
		check_bug(&bug, security);
	fclose(table);
	free(security);
	assert_in_range(count, 40, 1000);
	assert_int_equal(complaints, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(named_tests_exist),
		cmocka_unit_test(every_bug_can_be_planted),
	};

	return cmocka_run_group_tests_name("named tests", tests, NULL, NULL);
}
