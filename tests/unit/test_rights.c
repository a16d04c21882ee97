/* SPDX-License-Identifier: ISC */
/* Ending a child that is another user's, and saying so when that fails. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <sys/types.h>
#include <unistd.h>

#include "host/rights.h"

/* What the kernel answers (--wrap), each an errno or 0. */
static struct answers {
	int own_kill, fork, drop, kill;
} answers;

static pid_t self;

int __wrap_kill(pid_t pid, int number);
pid_t __real_fork(void);
pid_t __wrap_fork(void);
int __wrap_sandbox_drop_user(uid_t uid, gid_t gid);

static int refuse(int error)
{
	errno = error;
	return error ? -1 : 0;
}

int __wrap_kill(pid_t pid, int number)
{
	assert_int_equal(pid, 4711);
	assert_int_equal(number, SIGKILL);
	return refuse(getpid() == self ? answers.own_kill : answers.kill);
}

pid_t __wrap_fork(void)
{
	return answers.fork ? refuse(answers.fork) : __real_fork();
}

int __wrap_sandbox_drop_user(uid_t uid, gid_t gid)
{
	return uid == 61 && gid == 62 ? -answers.drop : -EINVAL;
}

static void test_kill(void **state)
{
	static const struct {
		struct answers answers;
		int expected;
	} cases[] = {
		{ { 0 }, 0 },
		{ { .own_kill = ESRCH }, -ESRCH },
		{ { .own_kill = EPERM }, 0 },
		{ { .own_kill = EPERM, .fork = EAGAIN }, -EAGAIN },
		{ { .own_kill = EPERM, .drop = EPERM }, -EPERM },
		{ { .own_kill = EPERM, .kill = EACCES }, -EACCES },
	};

	(void)state;
	self = getpid();
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		answers = cases[i].answers;
		assert_int_equal(rights_kill(4711, SIGKILL, 61, 62), cases[i].expected);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kill),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
