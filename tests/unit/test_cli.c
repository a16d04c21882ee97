/* SPDX-License-Identifier: ISC */
/* What the subcommands share: names of tunnels, options, exit statuses. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "host/place.h"

static void test_names(void **state)
{
	static const struct {
		const char *argument, *name;
	} cases[] = {
		{ "office", "office" },
		{ "office.conf", "office.conf" }, /* a name may end so */
		{ "/etc/culvert/office.conf", "office" },
		{ "./office.conf", "office" },
		{ "a/b.c/office", "office" },
		{ "./.conf", ".conf" },
		{ "", NULL },
		{ "a/", NULL },
	};
	char name[CLI_NAME_SIZE], too_long[CLI_NAME_SIZE + 1];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		int error = cli_tunnel_name(name, cases[i].argument);

		assert_int_equal(error, cases[i].name ? 0 : -EINVAL);
		if (!error)
			assert_string_equal(name, cases[i].name);
	}
	memset(too_long, 'x', CLI_NAME_SIZE);
	too_long[CLI_NAME_SIZE] = '\0';
	assert_int_equal(cli_tunnel_name(name, too_long), -EINVAL);
	too_long[CLI_NAME_SIZE - 1] = '\0';
	assert_int_equal(cli_tunnel_name(name, too_long), 0);
}

/* Runs something that writes to standard error and catches the first of it. */
struct caught {
	int saved, ends[2];
	char text[1024];
};

static void catch_begin(struct caught *caught)
{
	fflush(stderr);
	assert_int_equal(pipe(caught->ends), 0);
	caught->saved = dup(STDERR_FILENO);
	dup2(caught->ends[1], STDERR_FILENO);
	close(caught->ends[1]);
}

static void catch_end(struct caught *caught)
{
	ssize_t len;

	fflush(stderr);
	dup2(caught->saved, STDERR_FILENO);
	close(caught->saved);
	len = read(caught->ends[0], caught->text, sizeof(caught->text) - 1);
	close(caught->ends[0]);
	caught->text[len > 0 ? len : 0] = '\0';
}

static void test_options(void **state)
{
	static const struct option options[] = { { "help", no_argument, NULL, 'h' },
		{ "json", no_argument, NULL, 'j' }, { 0 } };
	static const struct {
		const char *word;
		int result;
		const char *says;
	} cases[] = {
		{ "--json", 'j', "" },
		{ "--js", 'j', "" },
		{ "--jsno", -2, "did you mean --json?" },
		{ "--frobnicate", -2, "wrong option --frobnicate\n" },
		{ "-x", -2, "wrong option -x\n" },
		{ "word", -1, "" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char command[] = "status", word[32];
		char *argv[] = { command, word, NULL };
		struct caught caught;
		int status = -1, result;

		strcpy(word, cases[i].word);
		optind = 0;
		catch_begin(&caught);
		result = cli_next_option(2, argv, "h", options, "usage\n", &status);
		catch_end(&caught);
		assert_int_equal(result, cases[i].result);
		assert_non_null(strstr(caught.text, cases[i].says));
		if (result == -2)
			assert_int_equal(status, CLI_USAGE);
	}
}

static void test_unreachable(void **state)
{
	static const struct {
		int error, status;
		const char *says;
	} cases[] = {
		{ -ENOENT, CLI_DOWN, "office is not running\n" },
		{ -ECONNREFUSED, CLI_DOWN, "office is not running\n" },
		{ -EACCES, CLI_FAILED, "only root may" },
		{ -ETIMEDOUT, CLI_FAILED, "cannot ask office: " },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct caught caught;
		int status;

		catch_begin(&caught);
		status = cli_unreachable("office", cases[i].error);
		catch_end(&caught);
		assert_int_equal(status, cases[i].status);
		assert_non_null(strstr(caught.text, cases[i].says));
	}
}

/* Whoever is not root says by which device its engine is to be asked. */
static void test_engine_socket(void **state)
{
	char path[PLACE_PATH_SIZE];

	(void)state;
	assert_int_equal(place_engine_socket(path, PLACE_USERS "/office.sock", "office"), 0);
	assert_string_equal(path, PLACE_USERS "/office.wg");
	assert_int_equal(place_engine_socket(path, PLACE_USERS "/office.sock", "../x"), -EINVAL);
	assert_int_equal(place_engine_socket(path, PLACE_ROOTS "/office.sock", "../x"), -EINVAL);
}

static void test_harmless(void **state)
{
	char text[] = "b\033[2Jad\t\u202e";

	(void)state;
	assert_string_equal(cli_harmless(text), "b?[2Jad????");
}

/* What stands after -w, beside numbers that are right. */
static void test_watch(void **state)
{
	static const struct {
		const char *words[3];
		const char *says;
	} cases[] = {
		{ { "-w", "0.5", "office" }, "a whole number of seconds from 1 to 3600\n" },
		{ { "--watch", "-1" }, "a whole number of seconds" },
		{ { "-w0" }, "a whole number of seconds" },
		{ { "-w5s" }, "a whole number of seconds" },
		{ { "--watch=" }, "a whole number of seconds" },
		{ { "-w99999" }, "a whole number of seconds" },
		{ { "-w", "no-such-tunnel" }, "no-such-tunnel is neither a tunnel that runs nor" },
		{ { "-w5", "no-such-tunnel" }, "no-such-tunnel is neither a tunnel that runs nor" },
		{ { "-w5", "a", "b" }, "name one tunnel, or none\n" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char *argv[5] = { (char *)"status" };
		struct caught caught;
		int argc = 1, status;

		for (; argc < 4 && cases[i].words[argc - 1]; argc++)
			argv[argc] = (char *)cases[i].words[argc - 1];
		optind = 0;
		catch_begin(&caught);
		status = cli_status(argc, argv);
		catch_end(&caught);
		assert_int_equal(status, CLI_USAGE);
		if (!strstr(caught.text, cases[i].says))
			print_error("%s: %s", cases[i].words[0], caught.text);
		assert_non_null(strstr(caught.text, cases[i].says));
	}
}

/* What a tunnel could run with, but hardly as it was meant. */
static void test_check(void **state)
{
	static const char file[] =
		"[Interface]\nPrivateKey = AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=\n"
		"User = no-such-user-here\n"
		"[Peer]\nPublicKey = xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=\n";
	char path[] = "/tmp/cvXXXXXX.conf";
	char *argv[] = { (char *)"check", path, NULL };
	const int fd = mkstemps(path, 5);
	struct caught caught;
	int status;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, file, strlen(file)), strlen(file));
	close(fd);
	optind = 0;
	catch_begin(&caught);
	status = cli_check(2, argv);
	catch_end(&caught);
	unlink(path);
	assert_int_equal(status, CLI_OK);
	assert_non_null(strstr(caught.text, "warning: User = no-such-user-here: this host has no"));
	assert_non_null(strstr(caught.text, ".conf:4: warning: this [Peer] has no AllowedIPs"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_options),
		cmocka_unit_test(test_watch),
		cmocka_unit_test(test_check),
		cmocka_unit_test(test_unreachable),
		cmocka_unit_test(test_engine_socket),
		cmocka_unit_test(test_harmless),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
