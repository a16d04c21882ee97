/* SPDX-License-Identifier: ISC */
/* The service manager's protocol, against sockets of our own. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "host/notify.h"

/* A manager that listens on a path, or on an abstract name for @NAME. */
static int listen_at(const char *name)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name));
	const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	memcpy(address.sun_path, name, strlen(name));
	if (name[0] == '@')
		address.sun_path[0] = '\0';
	else
		unlink(name);
	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, len), 0);
	return fd;
}

static void expect_message(int fd, const char *expected)
{
	char message[4096] = "";
	const ssize_t len = recv(fd, message, sizeof(message) - 1, MSG_DONTWAIT);

	assert_int_equal(len, strlen(expected));
	assert_string_equal(message, expected);
}

static void expect_silence(int fd)
{
	char byte;

	assert_int_equal(recv(fd, &byte, 1, MSG_DONTWAIT), -1);
	assert_int_equal(errno, EAGAIN);
}

static void check_manager(const char *name)
{
	struct notify notify;
	const int manager = listen_at(name);

	setenv("NOTIFY_SOCKET", name, 1);
	assert_int_equal(notify_open(&notify), 0);
	notify_send(&notify, "READY=1");
	expect_message(manager, "READY=1");
	notify_send(&notify, "STATUS=%s is up, MTU %u", "office", 1420);
	expect_message(manager, "STATUS=office is up, MTU 1420");
	notify_close(&notify);
	notify_send(&notify, "STOPPING=1");
	expect_silence(manager);
	close(manager);
}

static void test_path_and_abstract_name(void **state)
{
	char path[64], name[64];

	(void)state;
	snprintf(path, sizeof(path), "/tmp/culvert-notify-%ld", (long)getpid());
	snprintf(name, sizeof(name), "@culvert-notify-%ld", (long)getpid());
	check_manager(path);
	unlink(path);
	check_manager(name);
}

/* What we start is not to speak in our name. */
static void test_environment_is_taken(void **state)
{
	struct notify notify;
	int manager = listen_at("@culvert-notify-environment");
	char pid[32];

	(void)state;
	snprintf(pid, sizeof(pid), "%ld", (long)getpid());
	setenv("NOTIFY_SOCKET", "@culvert-notify-environment", 1);
	setenv("WATCHDOG_USEC", "3000000", 1);
	setenv("WATCHDOG_PID", pid, 1);
	assert_int_equal(notify_open(&notify), 0);
	assert_int_equal(notify.watchdog, 3000);
	assert_null(getenv("NOTIFY_SOCKET"));
	assert_null(getenv("WATCHDOG_USEC"));
	assert_null(getenv("WATCHDOG_PID"));
	notify_close(&notify);
	close(manager);
}

static void test_watchdog_of_another_process(void **state)
{
	struct notify notify;
	int manager = listen_at("@culvert-notify-other");

	(void)state;
	setenv("NOTIFY_SOCKET", "@culvert-notify-other", 1);
	setenv("WATCHDOG_USEC", "3000000", 1);
	setenv("WATCHDOG_PID", "1", 1);
	assert_int_equal(notify_open(&notify), 0);
	assert_int_equal(notify.watchdog, 0);
	notify_close(&notify);
	close(manager);
}

static void test_nobody_to_tell(void **state)
{
	static const struct {
		const char *name;
		int error;
	} cases[] = {
		{ NULL, 0 },
		{ "", -EINVAL },
		{ "@", -EINVAL },
		{ "relative", -EINVAL },
		{ "/nonexistent/culvert/notify", -ENOENT },
		{ "@culvert-nobody-listens-here", -ECONNREFUSED },
	};
	char far[200];
	struct notify notify;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		if (cases[i].name)
			setenv("NOTIFY_SOCKET", cases[i].name, 1);
		assert_int_equal(notify_open(&notify), cases[i].error);
		assert_int_equal(notify.fd, -1);
		assert_int_equal(notify.watchdog, 0);
		notify_send(&notify, "READY=1");
		notify_close(&notify);
	}
	memset(far, 'x', sizeof(far) - 1);
	far[0] = '/';
	far[sizeof(far) - 1] = '\0';
	setenv("NOTIFY_SOCKET", far, 1);
	assert_int_equal(notify_open(&notify), -EINVAL);
}

/* A manager that has stopped reading does not stop us, and a long line is cut. */
static void test_full_socket_and_long_line(void **state)
{
	char line[5000], expected[1024] = "STATUS=";
	struct notify notify;
	int manager = listen_at("@culvert-notify-full");

	(void)state;
	setenv("NOTIFY_SOCKET", "@culvert-notify-full", 1);
	assert_int_equal(notify_open(&notify), 0);
	memset(line, 'x', sizeof(line) - 1);
	line[sizeof(line) - 1] = '\0';
	notify_send(&notify, "STATUS=%s", line);
	memset(expected + 7, 'x', sizeof(expected) - 8);
	expect_message(manager, expected);
	for (int i = 0; i < 10000; i++)
		notify_send(&notify, "WATCHDOG=1");
	expect_message(manager, "WATCHDOG=1");
	notify_close(&notify);
	close(manager);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_path_and_abstract_name),
		cmocka_unit_test(test_environment_is_taken),
		cmocka_unit_test(test_watchdog_of_another_process),
		cmocka_unit_test(test_nobody_to_tell),
		cmocka_unit_test(test_full_socket_and_long_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
