/* SPDX-License-Identifier: ISC */
/* The sandbox: what is on its lists works, anything else ends the process or is refused. Each case
 * is a child that encloses itself. */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <netinet/in.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/log.h"
#include "engine/sandbox.h"
#include "under_valgrind.h"

#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#endif

static const struct sandbox_call own_calls[] = {
	{ .name = "getppid" },
	{ "getpriority", { SANDBOX_IS(0, PRIO_PROCESS), SANDBOX_LACKS(1, 3) } },
	{ "getpriority", { SANDBOX_IS(0, PRIO_USER) } },
	{ .name = "no_such_call" },
	{ 0 },
};
static const struct sandbox_call more_calls[] = { { .name = "umask" }, { 0 } };
static const struct sandbox_call *const tables[] = { own_calls, more_calls, NULL };

/* How a child ends that does this: its exit status, or minus the signal. */
static int end_of(void (*work)(void))
{
	int status;
	pid_t child = fork();

	assert_true(child >= 0);
	if (!child) {
		work();
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

enum { NO_FILTER = 77 };

static void filter(void)
{
	const struct rlimit none = { 0, 0 };

	setrlimit(RLIMIT_CORE, &none);
	if (sandbox_protect())
		_exit(1);
	switch (sandbox_filter(tables)) {
	case 0:
		return;
	case -ENOSYS:
		_exit(NO_FILTER);
	default:
		_exit(2);
	}
}

/* Not by the C library's functions: those of sanitizers do more. */
static void listed(void)
{
	long memory;

	filter();
	syscall(SYS_getppid);
	syscall(SYS_umask, 077);
	syscall(SYS_getpriority, PRIO_PROCESS, 4);
	syscall(SYS_getpriority, PRIO_USER, 3);
	memory = syscall(SYS_mmap, NULL, 1 << 20, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	syscall(SYS_exit_group, memory == -1 || syscall(SYS_munmap, memory, 1 << 20) < 0 ? 3 : 0);
}

static void unlisted(void)
{
	filter();
	syscall(SYS_openat, AT_FDCWD, "/", O_RDONLY);
}

static void no_shell(void)
{
	char *const arguments[] = { (char *)"sh", NULL };

	filter();
	syscall(SYS_execve, "/bin/sh", arguments, NULL);
}

static void condition_fails(void)
{
	filter();
	syscall(SYS_getpriority, PRIO_PROCESS, 3);
}

static void no_row_of_conditions(void)
{
	filter();
	syscall(SYS_getpriority, PRIO_PGRP, 4);
}

static void executable_memory(void)
{
	filter();
	syscall(SYS_mmap, NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static void memory_made_executable(void)
{
	static char page[8192];

	filter();
	syscall(SYS_mprotect, (uintptr_t)page & ~(uintptr_t)4095, 4096, PROT_READ | PROT_EXEC);
}

static void aborts(void)
{
	signal(SIGABRT, SIG_DFL);
	filter();
#ifdef __SANITIZE_ADDRESS__ /* whose abort does more */
	syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), SIGABRT);
#endif
	abort();
}

static void kills_another(void)
{
	const pid_t parent = getppid();

	filter();
	syscall(SYS_tgkill, parent, parent, SIGABRT);
}

static void test_filter(void **state)
{
	static const struct {
		const char *what;
		void (*work)(void);
		int end;
	} rows[] = {
		{ "what is listed", listed, 0 },
		{ "a call that is not", unlisted, -SIGSYS },
		{ "a shell", no_shell, -SIGSYS },
		{ "a mask that does not fit", condition_fails, -SIGSYS },
		{ "an argument of no row", no_row_of_conditions, -SIGSYS },
		{ "executable memory", executable_memory, -SIGSYS },
		{ "memory made executable", memory_made_executable, -SIGSYS },
		{ "abort, as itself", aborts, -SIGABRT },
		{ "a signal to another", kills_another, -SIGSYS },
	};

	(void)state;
	skip_under_valgrind();
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		const int end = end_of(rows[i].work);

		if (end == NO_FILTER)
			skip();
		if (end != rows[i].end)
			fail_msg("%s: ended with %d", rows[i].what, end);
	}
}

/* ---- Memory that is never swapped ---- */

static rlim_t memory_limit;
static int log_pipe[2];

/* As one who has no right to lift the limit; then some memory is asked for and used. */
static void enclose_with_limit(void)
{
	const struct sandbox_call *const calls[] = { log_calls, NULL };
	const struct sandbox sandbox = {
		.descriptors = 16, .directory = -1, .calls = calls, .process = "the engine"
	};
	const struct rlimit limit = { memory_limit, memory_limit };
	char *memory;

	if (setrlimit(RLIMIT_MEMLOCK, &limit) < 0)
		_exit(NO_FILTER);
	if (dup2(log_pipe[1], STDERR_FILENO) < 0 || sandbox_keep_capabilities(0))
		_exit(1);
	log_init("test", LOG_ERR);
	if (sandbox_enclose(&sandbox))
		_exit(2);
	memory = malloc(1 << 24);
	if (!memory)
		_exit(3);
	memset(memory, 1, 1 << 24);
	_exit(memory[1 << 23] == 1 ? 0 : 4);
}

static void test_locked_memory(void **state)
{
	static const struct {
		rlim_t limit;
		bool warns;
	} rows[] = { { 0, true }, { 1 << 16, true }, { RLIM_INFINITY, false } };

	(void)state;
	skip_under_valgrind();
	if (sandbox_is_open())
		skip();
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		char text[1024] = "";
		int end;

		memory_limit = rows[i].limit;
		assert_int_equal(pipe2(log_pipe, O_CLOEXEC | O_NONBLOCK), 0);
		end = end_of(enclose_with_limit);
		if (end == NO_FILTER)
			break;
		assert_int_equal(end, 0);
		if (read(log_pipe[0], text, sizeof(text) - 1) < 0)
			assert_int_equal(errno, EAGAIN);
		assert_int_equal(strstr(text, "may be written to swap") != NULL, rows[i].warns);
		close(log_pipe[0]);
		close(log_pipe[1]);
	}
}

/* ---- The empty root ---- */

/* As the monitor in a service that has a right for its hooks, which is not in effect, and no right
 * over processes that it may not see. */
static void drop_rights(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct have[_LINUX_CAPABILITY_U32S_3] = { 0 };

	if (syscall(SYS_capget, &header, have) < 0)
		_exit(1);
	have[0].permitted &= ~(1U << CAP_SYS_PTRACE);
	have[0].effective = have[0].permitted & ~(1U << CAP_SYS_TTY_CONFIG);
	if (syscall(SYS_capset, &header, have) < 0)
		_exit(2);
	if (have[0].effective == have[0].permitted)
		_exit(NO_FILTER);
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		_exit(5);
}

static void see_own_processes_only(void)
{
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
		mount("proc", "/proc", "proc", 0, "hidepid=invisible") < 0)
		_exit(NO_FILTER);
}

static void enclose_with_rights(void)
{
	const struct sandbox_call *const calls[] = { log_calls, NULL };
	const struct sandbox sandbox = { .uid = 65534,
		.gid = 65534,
		.descriptors = 16,
		.directory = -1,
		.calls = calls,
		.process = "the engine" };

	if (dup2(log_pipe[1], STDERR_FILENO) < 0)
		_exit(3);
	log_init("test", LOG_INFO);
	see_own_processes_only();
	drop_rights();
	_exit(sandbox_enclose(&sandbox) ? 4 : 0);
}

static void test_empty_root(void **state)
{
	char text[1024] = "";
	int end;

	(void)state;
	skip_under_valgrind();
	if (sandbox_is_open() || geteuid())
		skip();
	assert_int_equal(pipe2(log_pipe, O_CLOEXEC | O_NONBLOCK), 0);
	end = end_of(enclose_with_rights);
	if (read(log_pipe[0], text, sizeof(text) - 1) < 0)
		assert_int_equal(errno, EAGAIN);
	close(log_pipe[0]);
	close(log_pipe[1]);
	if (end == NO_FILTER)
		skip();
	assert_int_equal(end, 0);
	if (strstr(text, "an empty root"))
		fail_msg("%s", text);
}

/* ---- Landlock ---- */

static char directory_name[] = "/tmp/culvert-sandbox-XXXXXX";
static int directory;

enum { NO_LANDLOCK = 78 };

static void restrict_files(int kept)
{
	int error = sandbox_protect();

	if (!error)
		error = sandbox_landlock(kept);
	if (error)
		_exit(error == -ENOSYS ? NO_LANDLOCK : 1);
}

static void no_files(void)
{
	restrict_files(-1);
	if (open("/etc/passwd", O_RDONLY) >= 0 || errno != EACCES)
		_exit(2);
	if (openat(directory, "new", O_CREAT | O_WRONLY, 0600) >= 0 || errno != EACCES)
		_exit(3);
	if (unlinkat(directory, "socket", 0) == 0 || errno != EACCES)
		_exit(4);
}

static void one_directory(void)
{
	restrict_files(directory);
	if (openat(directory, "socket", O_RDONLY) >= 0 || errno != EACCES)
		_exit(2);
	if (unlinkat(directory, "socket", 0) < 0)
		_exit(3);
	if (rmdir(directory_name) == 0 || errno != EACCES)
		_exit(4);
}

static void no_tcp(void)
{
	const struct sockaddr_in to = { .sin_family = AF_INET,
		.sin_port = htons(9),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	restrict_files(-1);
	if (syscall(SYS_landlock_create_ruleset, NULL, 0, 1) < 4)
		_exit(NO_LANDLOCK);
	if (connect(fd, (const struct sockaddr *)&to, sizeof(to)) == 0 || errno != EACCES)
		_exit(2);
}

static void expect_good(int end)
{
	if (end == NO_LANDLOCK)
		skip();
	assert_int_equal(end, 0);
}

static void test_landlock(void **state)
{
	(void)state;
	expect_good(end_of(no_files));
	expect_good(end_of(no_tcp));
	expect_good(end_of(one_directory));
	assert_int_equal(faccessat(directory, "socket", F_OK, 0), -1);
}

static int make_directory(void **state)
{
	(void)state;
	if (!mkdtemp(directory_name))
		return -1;
	directory = open(directory_name, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return directory < 0
		       ? -1
		       : close(openat(directory, "socket", O_CREAT | O_CLOEXEC | O_WRONLY, 0600));
}

static int remove_directory(void **state)
{
	(void)state;
	unlinkat(directory, "socket", 0);
	close(directory);
	return rmdir(directory_name);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_filter),
		cmocka_unit_test(test_locked_memory),
		cmocka_unit_test(test_empty_root),
		cmocka_unit_test_setup_teardown(test_landlock, make_directory, remove_directory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
