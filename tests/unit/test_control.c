/* SPDX-License-Identifier: ISC */
/* The monitor's control socket: files that come with a request, and the order of requests. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <dirent.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "host/monitor_state.h"

enum { FILES_MAX = 3 };

static struct config config = { .name = "office" };
static int reloads;
static char read_file; /* the first byte of the file that a reload was given */

bool __wrap_reload_run(struct monitor *monitor, struct text *answer);

bool __wrap_reload_run(struct monitor *monitor, struct text *answer)
{
	(void)answer;
	reloads++;
	read_file = 0;
	if (monitor->reload_file >= 0)
		assert_int_equal(pread(monitor->reload_file, &read_file, 1, 0), 1);
	return true;
}

static struct monitor *make_monitor(void)
{
	struct monitor *monitor = calloc(1, sizeof(*monitor));

	assert_non_null(monitor);
	monitor->config = &config;
	monitor->state = "running";
	monitor->engine = 1; /* control_work asks only whether there is one */
	monitor->listener = monitor->reload_file = monitor->notify.fd = -1;
	for (size_t i = 0; i < MONITOR_CLIENTS_MAX; i++)
		monitor->clients[i].fd = monitor->clients[i].file = -1;
	return monitor;
}

static void free_monitor(struct monitor *monitor)
{
	control_close(monitor);
	free(monitor);
}

static int make_file(char content)
{
	const int fd = memfd_create("file", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, &content, 1), 1);
	return fd;
}

/* Somebody in this slot asks, with so many files. Our end. */
static int ask(struct monitor *monitor, size_t slot, const char *request, const char *contents)
{
	alignas(struct cmsghdr) char control[CMSG_SPACE(FILES_MAX * sizeof(int))] = { 0 };
	struct iovec vector = { (void *)(uintptr_t)request, strlen(request) };
	struct msghdr message = { .msg_iov = &vector, .msg_iovlen = 1 };
	const size_t count = strlen(contents);
	struct cmsghdr *head;
	int ends[2], files[FILES_MAX];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
	monitor->clients[slot].fd = ends[0];
	for (size_t i = 0; i < count; i++)
		files[i] = make_file(contents[i]);
	if (count) {
		message.msg_control = control;
		message.msg_controllen = CMSG_SPACE(count * sizeof(int));
		head = CMSG_FIRSTHDR(&message);
		head->cmsg_level = SOL_SOCKET;
		head->cmsg_type = SCM_RIGHTS;
		head->cmsg_len = CMSG_LEN(count * sizeof(int));
		memcpy(CMSG_DATA(head), files, count * sizeof(int));
	}
	assert_int_equal(sendmsg(ends[1], &message, 0), (ssize_t)vector.iov_len);
	for (size_t i = 0; i < count; i++)
		close(files[i]);
	control_on_readable(monitor, &monitor->clients[slot]);
	return ends[1];
}

static size_t count_open_files(void)
{
	DIR *list = opendir("/proc/self/fd");
	size_t count = 0;

	assert_non_null(list);
	while (readdir(list))
		count++;
	closedir(list);
	return count;
}

/* Of several the first is taken; none stays open. */
static void test_files(void **state)
{
	static const char *const contents[] = { "", "a", "ab", "abc" };
	const size_t before = count_open_files();

	(void)state;
	for (size_t i = 0; i < sizeof(contents) / sizeof(*contents); i++) {
		struct monitor *monitor = make_monitor();
		const int end = ask(monitor, 0, "reload\n", contents[i]);

		control_work(monitor);
		assert_int_equal(read_file, contents[i][0]);
		close(end);
		free_monitor(monitor);
		assert_int_equal(count_open_files(), before);
	}
}

/* A slot that somebody has left is given to the next who comes. */
static void test_newest_file(void **state)
{
	static const size_t slots[][3] = { { 0, 1, 2 }, { 2, 1, 0 }, { 1, 2, 0 } };

	(void)state;
	for (size_t i = 0; i < sizeof(slots) / sizeof(*slots); i++) {
		struct monitor *monitor = make_monitor();
		const int ends[] = { ask(monitor, slots[i][0], "reload\n", "a"),
			ask(monitor, slots[i][1], "reload\n", "b"),
			ask(monitor, slots[i][2], "reload\n", "c") };

		reloads = 0;
		control_work(monitor);
		assert_int_equal(reloads, 1);
		assert_int_equal(read_file, 'c');
		for (size_t j = 0; j < 3; j++)
			close(ends[j]);
		free_monitor(monitor);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_newest_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
