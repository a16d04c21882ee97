/* SPDX-License-Identifier: ISC */
/* Who may become any user becomes root no more. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <grp.h>
#include <sys/fsuid.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "engine/sandbox.h"
#include "host/no_root.h"
#include "in_child.h"
#include "under_valgrind.h"

enum { SOMEBODY = 61234, KEEP = -1 };

static int users(void)
{
	EXPECT(!no_root_from_here());
	EXPECT_REFUSED(setuid(0));
	EXPECT_REFUSED(setreuid(0, SOMEBODY));
	EXPECT_REFUSED(setreuid(KEEP, 0));
	EXPECT_REFUSED(setresuid(0, SOMEBODY, SOMEBODY));
	EXPECT_REFUSED(setresuid(KEEP, 0, KEEP));
	EXPECT_REFUSED(setresuid(KEEP, KEEP, 0));
	EXPECT_REFUSED(setfsuid(0));
	/* What the kernel does not see is not seen here either. */
	EXPECT_REFUSED(syscall(SYS_setresuid, 1L << 32, -1L, -1L));
#ifdef __x86_64__ /* x32: the same under other numbers */
	EXPECT_REFUSED(syscall(0x40000000 + SYS_setuid, 0L));
#endif
	EXPECT(!setresuid(KEEP, SOMEBODY, KEEP) && geteuid() == SOMEBODY);
	EXPECT_REFUSED(seteuid(0));
	return 0;
}

static int groups(void)
{
	const gid_t root = 0, other = SOMEBODY;

	EXPECT(!no_root_from_here());
	EXPECT_REFUSED(setgid(0));
	EXPECT_REFUSED(setregid(0, SOMEBODY));
	EXPECT_REFUSED(setregid(KEEP, 0));
	EXPECT_REFUSED(setresgid(0, SOMEBODY, SOMEBODY));
	EXPECT_REFUSED(setresgid(KEEP, 0, KEEP));
	EXPECT_REFUSED(setresgid(KEEP, KEEP, 0));
	EXPECT_REFUSED(setfsgid(0));
	EXPECT_REFUSED(setgroups(1, &root));
	EXPECT_REFUSED(setgroups(1, &other));
	return 0;
}

/* As the engine is made. */
static int child_drops(void)
{
	int status;

	EXPECT(!no_root_from_here());
	const pid_t child = fork();
	if (!child) {
		if (setresuid(KEEP, 0, KEEP) != -1 || errno != EPERM)
			_exit(2);
		_exit(sandbox_drop_user(SOMEBODY, SOMEBODY) ? 1 : 0);
	}
	EXPECT(waitpid(child, &status, 0) == child && !status);
	return 0;
}

/* Whom the kernel refuses all this anyway shows nothing. */
static void only_as_root(void)
{
	skip_under_valgrind();
	if (geteuid())
		skip();
}

static void test_users(void **state)
{
	(void)state;
	only_as_root();
	in_child(users);
}

static void test_groups(void **state)
{
	(void)state;
	only_as_root();
	in_child(groups);
}

static void test_child(void **state)
{
	(void)state;
	only_as_root();
	in_child(child_drops);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_users),
		cmocka_unit_test(test_groups),
		cmocka_unit_test(test_child),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
