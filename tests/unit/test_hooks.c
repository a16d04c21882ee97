/* SPDX-License-Identifier: ISC */
/* Hooks: %i, the environment, and that a command runs as it should. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host/child.h"
#include "host/hooks.h"

static void test_expand(void **state)
{
	static const struct {
		const char *command, *device, *expanded;
	} cases[] = {
		{ "", "wg0", "" },
		{ "%i", "wg0", "wg0" },
		{ "ip link show %i; echo %i", "office", "ip link show office; echo office" },
		{ "100%", "wg0", "100%" },
		{ "%%i", "wg0", "%wg0" },
		{ "date +%I%i%", "a", "date +%Ia%" },
		{ "%i%i%i", "x.y", "x.yx.yx.y" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char *expanded = hooks_expand(cases[i].command, cases[i].device);

		assert_non_null(expanded);
		assert_string_equal(expanded, cases[i].expanded);
		free(expanded);
	}
}

static void test_variables(void **state)
{
	(void)state;
	assert_true(hooks_passes_variable("PATH=/bin"));
	assert_true(hooks_passes_variable("NOTIFY_SOCKETS=/x"));
	assert_true(hooks_passes_variable("NOTIFY=/x"));
	assert_true(hooks_passes_variable("ODD"));
	assert_false(hooks_passes_variable("NOTIFY_SOCKET=/run/x"));
	assert_false(hooks_passes_variable("CREDENTIALS_DIRECTORY=/run/credentials/x"));
	assert_false(hooks_passes_variable("LISTEN_FDS=1"));
}

static int run(const char *command)
{
	int status;
	pid_t pid;

	assert_int_equal(hooks_start(command, &pid), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void test_run(void **state)
{
	static const struct {
		const char *command;
		int status;
	} cases[] = {
		{ "true", 0 },
		{ "exit 7", 7 },
		{ "false; true && exit 3", 3 },
		{ "cat | grep -q . && exit 9; exit 0", 0 }, /* standard input is empty */
		{ "test -z \"$NOTIFY_SOCKET\" && test \"$KEPT\" = 'a b#;\"'", 0 },
		{ "test -n \"$PATH\"", 0 },
		/* of our descriptors only the first three are there; ls's own one comes on top */
		{ "test -d /proc/self/fd || exit 0; test $(ls /proc/self/fd | wc -l) -le 4", 0 },
		/* the shell leads a process group of its own */
		{ "test \"$(ps -o pgid= $$ 2>/dev/null || echo $$)\" -eq $$", 0 },
		{ "no-such-command-at-all 2>/dev/null", 127 },
	};
	int fds[2];

	(void)state;
	setenv("NOTIFY_SOCKET", "/run/secret", 1);
	setenv("KEPT", "a b#;\"", 1);
	assert_int_equal(pipe(fds), 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		int status = run(cases[i].command);

		if (!WIFEXITED(status) || WEXITSTATUS(status) != cases[i].status)
			print_error("command: %s\n", cases[i].command);
		assert_true(WIFEXITED(status));
		assert_int_equal(WEXITSTATUS(status), cases[i].status);
	}
	close(fds[0]);
	close(fds[1]);
}

/* A command gets the signals that the monitor blocks and ignores. */
static void test_signals(void **state)
{
	sigset_t all, before;
	int status;

	(void)state;
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &before);
	signal(SIGPIPE, SIG_IGN);
	status = run("kill -TERM $$; exit 0");
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGTERM);
	status = run("kill -PIPE $$; exit 0");
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGPIPE);
	signal(SIGPIPE, SIG_DFL);
	sigprocmask(SIG_SETMASK, &before, NULL);
}

/* A child that the monitor ends at once has perhaps not come as far as its own process group. */
static void test_kill(void **state)
{
	int ends[2], status;
	char byte;
	pid_t pid;

	(void)state;
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		alarm(5);
		pause();
		_exit(0);
	}
	child_kill(pid, SIGTERM);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGTERM);
	/* And what it has started ends with it: then nobody has the pipe open. */
	assert_int_equal(pipe(ends), 0);
	pid = child_fork(&ends[1], 1);
	assert_true(pid >= 0);
	if (!pid) {
		if (fork() >= 0 && write(ends[1], "x", 1) == 1)
			pause();
		_exit(0);
	}
	close(ends[1]);
	assert_int_equal(read(ends[0], &byte, 1), 1);
	assert_int_equal(read(ends[0], &byte, 1), 1);
	child_kill(pid, SIGTERM);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(read(ends[0], &byte, 1), 0);
	close(ends[0]);
}

static void test_status_text(void **state)
{
	char text[CHILD_STATUS_TEXT_SIZE];

	(void)state;
	child_status_text(text, run("exit 4"));
	assert_string_equal(text, "ended with status 4");
	child_status_text(text, run("kill -KILL $$"));
	assert_string_equal(text, "was killed by signal 9 (Killed)");
}

static void test_find_user(void **state)
{
	const char *chosen;
	uid_t uid;
	gid_t gid;

	(void)state;
	assert_int_equal(child_find_user("no-such-user-here", &uid, &gid, &chosen), -2);
	assert_int_equal(child_find_user("root", &uid, &gid, &chosen), 0);
	assert_string_equal(chosen, "root");
	assert_int_equal(uid, 0);
	if (!child_find_user(NULL, &uid, &gid, &chosen))
		assert_true(!strcmp(chosen, "culvert") || !strcmp(chosen, "nobody"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_expand),
		cmocka_unit_test(test_variables),
		cmocka_unit_test(test_run),
		cmocka_unit_test(test_signals),
		cmocka_unit_test(test_kill),
		cmocka_unit_test(test_status_text),
		cmocka_unit_test(test_find_user),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
