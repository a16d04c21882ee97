/* SPDX-License-Identifier: ISC */
/* The control socket: for its owner alone, and at the place of nothing but a dead one. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/listener.h"

static char directory[] = "/tmp/listener-XXXXXX", path[64];

static int set_up(void **state)
{
	(void)state;
	if (!mkdtemp(directory))
		return -1;
	snprintf(path, sizeof(path), "%s/socket", directory);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(directory);
}

static void modes(void **state)
{
	static const mode_t masks[] = { 0, 022, 077, 0777 };
	static const mode_t wanted[] = { 0600, 0660, 0666 };
	(void)state;

	for (size_t i = 0; i < sizeof(masks) / sizeof(*masks); i++) {
		for (size_t j = 0; j < sizeof(wanted) / sizeof(*wanted); j++) {
			const mode_t before = umask(masks[i]);
			struct stat status;
			int fd = -1;

			assert_int_equal(listener_open_path(path, wanted[j], &fd), 0);
			assert_int_equal(umask(before), masks[i]);
			assert_int_equal(stat(path, &status), 0);
			assert_true(S_ISSOCK(status.st_mode));
			assert_int_equal(status.st_mode & 07777, wanted[j]);
			assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
			close(fd); /* dead now: the next one takes its place */
		}
	}
	unlink(path);
}

static void places_that_are_taken(void **state)
{
	char target[80];
	int fd = -1, second = -1;
	(void)state;

	assert_int_equal(listener_open_path(path, 0600, &fd), 0);
	assert_int_equal(listener_open_path(path, 0600, &second), -EADDRINUSE);
	close(fd);
	unlink(path);
	fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(listener_open_path(path, 0600, &second), -EEXIST);
	unlink(path);
	/* A link that somebody laid there is not followed. */
	snprintf(target, sizeof(target), "%s/elsewhere", directory);
	assert_int_equal(symlink(target, path), 0);
	assert_int_equal(listener_open_path(path, 0600, &second), -EEXIST);
	assert_int_equal(access(target, F_OK), -1);
	assert_int_equal(second, -1);
	unlink(path);
}

/* Somebody has it who is too busy, or is nobody that one could ask. */
static void places_of_the_busy(void **state)
{
	struct rlimit limit, none;
	int fd = -1, second = -1, waiting[8], count = 0;
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	(void)state;

	assert_int_equal(listener_open_path(path, 0600, &fd), 0);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	none = (struct rlimit){ (rlim_t)fd + 1, limit.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	assert_int_equal(listener_remove_stale(path), -EMFILE);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	assert_int_equal(listen(fd, 1), 0);
	while (count < 8 && (waiting[count] = listener_probe(path)) >= 0)
		count++;
	assert_true(count < 8);
	assert_int_equal(waiting[count], -EAGAIN);
	assert_int_equal(listener_open_path(path, 0600, &second), -EADDRINUSE);
	while (count--)
		close(waiting[count]);
	close(fd);
	assert_int_equal(listener_probe(path), -ECONNREFUSED);
	assert_int_equal(listener_remove_stale(path), 0);
	assert_int_equal(listener_probe(path), -ENOENT);
	strcpy(address.sun_path, path);
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listener_remove_stale(path), -EEXIST);
	assert_int_equal(access(path, F_OK), 0);
	close(fd);
	unlink(path);
}

static void names(void **state)
{
	static const char *const bad[] = { "", "a/b", "../x", "sixteen-letters-" };
	char result[LISTENER_PATH_SIZE], longest[200];
	int fd = -1;
	(void)state;

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_int_equal(listener_path(result, bad[i]), -EINVAL);
	assert_int_equal(listener_path(result, "fifteen-letters"), 0);
	memset(longest, 'x', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	assert_int_equal(listener_open_path(longest, 0600, &fd), -ENAMETOOLONG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(modes),
		cmocka_unit_test(places_that_are_taken),
		cmocka_unit_test(places_of_the_busy),
		cmocka_unit_test(names),
	};

	return cmocka_run_group_tests_name("listener", tests, set_up, tear_down);
}
