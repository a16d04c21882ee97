/* SPDX-License-Identifier: ISC */
/* For what cannot be taken back: it is done in a child, where the first line that is wrong is the
 * exit status. Needs cmocka. */
#ifndef TESTS_IN_CHILD_H
#define TESTS_IN_CHILD_H

#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>

enum { IN_CHILD_SKIP = 255 };

#define EXPECT(condition)                                           \
	do {                                                        \
		if (!(condition))                                   \
			return __LINE__ & 127 ? __LINE__ & 127 : 1; \
	} while (0)
#define EXPECT_REFUSED(call) EXPECT((errno = 0, (call) == -1) && errno == EPERM)

static inline void in_child(int (*body)(void))
{
	int status;
	const pid_t child = fork();

	assert_true(child >= 0);
	if (!child)
		_exit(body());
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == IN_CHILD_SKIP)
		skip();
	assert_int_equal(WEXITSTATUS(status), 0);
}

#endif
