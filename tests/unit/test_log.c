/* SPDX-License-Identifier: ISC */
/* Log lines: priorities, the journal's prefix, what terminals would act on, what is too long. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/log.h"

static int stderr_before, reader;

/* Standard error becomes a pipe of datagrams, as it were: each write is read by itself. */
static int set_up(void **state)
{
	int ends[2];

	(void)state;
	unsetenv("JOURNAL_STREAM");
	if (pipe2(ends, O_DIRECT | O_NONBLOCK | O_CLOEXEC) < 0)
		return -1;
	stderr_before = dup(STDERR_FILENO);
	if (dup2(ends[1], STDERR_FILENO) < 0)
		return -1;
	close(ends[1]);
	reader = ends[0];
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	dup2(stderr_before, STDERR_FILENO);
	close(stderr_before);
	close(reader);
	return 0;
}

static char *written(void)
{
	static char line[4096];
	const ssize_t len = read(reader, line, sizeof(line) - 1);

	if (len < 0)
		return NULL;
	line[len] = '\0';
	return line;
}

static void priorities(void **state)
{
	static const int all[] = { LOG_ERR, LOG_WARNING, LOG_NOTICE, LOG_INFO, LOG_DEBUG };

	(void)state;
	for (int max = -1; max <= LOG_DEBUG; max++) {
		log_init("office", max);
		for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
			log_line(all[i], "number %d", 7);
			const char *line = written();

			if (all[i] <= max)
				assert_string_equal(line, "office: number 7\n");
			else
				assert_null(line);
		}
	}
}

static void harmless_text(void **state)
{
	static const struct {
		const char *text, *expected;
	} cases[] = {
		{ "plain", "plain" },
		{ "", "" },
		{ "two\nlines\r", "two?lines?" },
		{ "\x1b[31mred\x07\x7f\t", "?[31mred???" },
		{ "gr\xc3\xbc\xc3\x9f dich, \xe2\x82\xac \xf0\x9f\x98\x80",
			"gr\xc3\xbc\xc3\x9f dich, \xe2\x82\xac \xf0\x9f\x98\x80" },
		{ "C1 \xc2\x9b[31m", "C1 ??[31m" }, /* CSI as a character */
		{ "raw \x9b[31m", "raw ?[31m" },    /* and as a byte */
		{ "overlong \xc0\x9b", "overlong ??" },
		{ "overlong \xe0\x80\x9b", "overlong ???" },
		{ "surrogate \xed\xa0\x80", "surrogate ???" },
		{ "beyond \xf4\x90\x80\x80", "beyond ????" },
		{ "cut \xe2\x82", "cut ??" },
		{ "turned \xe2\x80\xae gnol", "turned ??? gnol" },
		{ "\xff\xfe", "??" },
	};
	char expected[256];

	(void)state;
	log_init("x", LOG_DEBUG);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		log_line(LOG_INFO, "%s", cases[i].text);
		snprintf(expected, sizeof(expected), "x: %s\n", cases[i].expected);
		assert_string_equal(written(), expected);
	}
}

static void long_lines(void **state)
{
	char *text = malloc(5000);

	(void)state;
	log_init("x", LOG_DEBUG);
	for (size_t len = 1000; len < 5000; len += 13) {
		memset(text, 'a', len);
		text[len] = '\0';
		log_line(LOG_INFO, "%s", text);
		const char *line = written();
		const size_t line_len = strlen(line);

		assert_in_range(line_len, 1000, 1024);
		assert_int_equal(line[line_len - 1], '\n');
		assert_ptr_equal(strchr(line, '\n'), line + line_len - 1);
		assert_null(written()); /* one write */
	}
	free(text);
}

static void journal(void **state)
{
	char stream[64];
	struct stat pipe_stat;

	(void)state;
	assert_int_equal(fstat(STDERR_FILENO, &pipe_stat), 0);
	snprintf(stream, sizeof(stream), "%llu:%llu", (unsigned long long)pipe_stat.st_dev,
		(unsigned long long)pipe_stat.st_ino);
	setenv("JOURNAL_STREAM", stream, 1);
	log_init("office", LOG_INFO);
	log_line(LOG_ERR, "bad\n");
	assert_string_equal(written(), "<3>office: bad?\n");
	log_line(LOG_INFO, "good");
	assert_string_equal(written(), "<6>office: good\n");
	/* Set, but not for our stderr. */
	snprintf(stream, sizeof(stream), "%llu:%llu", (unsigned long long)pipe_stat.st_dev,
		(unsigned long long)pipe_stat.st_ino + 1);
	setenv("JOURNAL_STREAM", stream, 1);
	log_init("office", LOG_INFO);
	log_line(LOG_ERR, "bad");
	assert_string_equal(written(), "office: bad\n");
	unsetenv("JOURNAL_STREAM");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(priorities, set_up, tear_down),
		cmocka_unit_test_setup_teardown(harmless_text, set_up, tear_down),
		cmocka_unit_test_setup_teardown(long_lines, set_up, tear_down),
		cmocka_unit_test_setup_teardown(journal, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
