/* SPDX-License-Identifier: ISC */
/* A kernel setting that is changed and put back; also where something fails. In network and mount
 * namespaces of their own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "host/sysctl.h"
#include "host/undo.h"
#include "in_child.h"
#include "own_host.h"

static bool stat_fails;
static unsigned stats;

int __real_stat(const char *path, struct stat *status);
int __wrap_stat(const char *path, struct stat *status);

int __wrap_stat(const char *path, struct stat *status)
{
	stats++;
	if (!stat_fails)
		return __real_stat(path, status);
	errno = ENOMEM;
	return -1;
}

static int setting(void)
{
	int value = -1;

	return sysctl_read(SYSCTL_SRC_VALID_MARK, &value) ? -1 : value;
}

static int put_back_line(void *context, const char *what, const char *value)
{
	(void)what;
	return sysctl_put_back(context, value);
}

static int put_back(char *state)
{
	return undo_walk(state, put_back_line, state);
}

static int changed_and_put_back(void)
{
	static char state[] = STATE, other[] = OTHER_STATE;

	if (!own_host() || setting())
		return IN_CHILD_SKIP;
	EXPECT(!sysctl_turn_on(STATE, SYSCTL_SRC_VALID_MARK) && setting() == 1);
	EXPECT(!sysctl_turn_on(OTHER_STATE, SYSCTL_SRC_VALID_MARK));
	EXPECT(!put_back(state) && setting() == 1);
	EXPECT(access(STATE, F_OK) < 0 && !access(OTHER_STATE, F_OK));
	EXPECT(!put_back(other) && setting() == 0);
	EXPECT(access(OTHER_STATE, F_OK) < 0);
	return 0;
}

/* A tunnel of another namespace has noted it there, where it may have been otherwise. */
static int noted_elsewhere(void)
{
	static char state[] = STATE;
	FILE *file;

	if (!own_host() || setting())
		return IN_CHILD_SKIP;
	file = fopen(OTHER_STATE, "w");
	EXPECT(file && fputs("netns 1\nsysctl " SYSCTL_SRC_VALID_MARK " 1\n", file) > 0);
	EXPECT(!fclose(file));
	EXPECT(!sysctl_turn_on(STATE, SYSCTL_SRC_VALID_MARK) && setting() == 1);
	EXPECT(!put_back(state) && setting() == 0);
	EXPECT(access(STATE, F_OK) < 0 && !access(OTHER_STATE, F_OK));
	return 0;
}

/* By root's tunnel, which another user's may not read. */
static int noted_unseen(void)
{
	static char state[] = STATE, other[] = OTHER_STATE;

	if (!own_host() || setting())
		return IN_CHILD_SKIP;
	EXPECT(!sysctl_turn_on(STATE, SYSCTL_SRC_VALID_MARK) && setting() == 1);
	EXPECT(!rename(STATE, "/run/unseen"));
	EXPECT(!sysctl_turn_on(OTHER_STATE, SYSCTL_SRC_VALID_MARK));
	EXPECT(!rename("/run/unseen", STATE));
	EXPECT(!put_back(state) && setting() == 1);
	EXPECT(!put_back(other) && setting() == 1); /* what was before it cannot know */
	EXPECT(access(STATE, F_OK) < 0 && access(OTHER_STATE, F_OK) < 0);
	return 0;
}

/* Whose the line would be cannot be told: it must not be taken for somebody else's. */
static int unknown_namespace(void)
{
	static char state[] = STATE;

	if (!own_host() || setting())
		return IN_CHILD_SKIP;
	stat_fails = true;
	if (!sysctl_turn_on(STATE, SYSCTL_SRC_VALID_MARK) && !stats)
		return IN_CHILD_SKIP; /* a C library that calls it otherwise */
	EXPECT(setting() == 0 && access(STATE, F_OK) < 0);
	stat_fails = false;
	EXPECT(!sysctl_turn_on(STATE, SYSCTL_SRC_VALID_MARK) && setting() == 1);
	EXPECT(!put_back(state) && setting() == 0 && access(STATE, F_OK) < 0);
	return 0;
}

static void test_change(void **state)
{
	(void)state;
	in_child(changed_and_put_back);
}

static void test_noted_elsewhere(void **state)
{
	(void)state;
	in_child(noted_elsewhere);
}

static void test_noted_unseen(void **state)
{
	(void)state;
	in_child(noted_unseen);
}

static void test_unknown_namespace(void **state)
{
	(void)state;
	in_child(unknown_namespace);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_change),
		cmocka_unit_test(test_noted_elsewhere),
		cmocka_unit_test(test_noted_unseen),
		cmocka_unit_test(test_unknown_namespace),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
