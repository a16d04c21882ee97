/* SPDX-License-Identifier: ISC */
/* The file that says what is to be put back: lines come, go and are walked backwards. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdbool.h>
#include <cmocka.h>

#include <errno.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/listener.h"
#include "host/leftover.h"
#include "host/netns.h"
#include "host/undo.h"

static char directory[] = "/tmp/culvert-undo-XXXXXX", path[UNDO_PATH_SIZE];

static int make_place(void **state)
{
	(void)state;
	if (!mkdtemp(directory))
		return -1;
	snprintf(path, sizeof(path), "%s/office.state", directory);
	return 0;
}

static int remove_place(void **state)
{
	char turn[UNDO_PATH_SIZE];

	(void)state;
	snprintf(turn, sizeof(turn), "%s/.turn", directory);
	unlink(path);
	unlink(turn);
	return rmdir(directory); /* fails if something else was left there */
}

/* Whose the lines are stands before them; where there is none, there is no file. */
static void assert_file(const char *expected)
{
	char text[512] = "", head[64] = "";
	FILE *file = fopen(path, "r");
	struct netns_id own;

	if (file) {
		assert_int_equal(netns_own(&own), 0);
		snprintf(head, sizeof(head), "netns %ju %ju\n", (uintmax_t)own.inode,
			(uintmax_t)own.number);
		text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
		fclose(file);
		assert_true(*expected);
		assert_memory_equal(text, head, strlen(head));
	}
	assert_string_equal(text + strlen(head), expected);
}

static void test_lines(void **state)
{
	struct stat status;

	(void)state;
	assert_int_equal(undo_remove(path, "rule", "nothing there yet"), 0);
	assert_int_equal(undo_add(path, "rule", "one"), 0);
	assert_int_equal(undo_add(path, "dns", "two words"), 0);
	assert_int_equal(undo_add(path, "rule", "one"), 0);
	assert_file("rule one\ndns two words\n");
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_mode & 0777, 0600);
	assert_int_equal(undo_remove(path, "rule", "on"), 0);
	assert_int_equal(undo_remove(path, "rul", "e one"), 0);
	assert_file("rule one\ndns two words\n");
	assert_int_equal(undo_remove(path, "rule", "one"), 0);
	assert_file("dns two words\n");
	assert_int_equal(undo_remove(path, "dns", "two words"), 0);
	assert_int_equal(access(path, F_OK), -1);
}

/* A line that there is no memory for: glibc says so by -1 alone, as at the end of the file. It goes
 * by another name where it is inlined. */
static unsigned lines_until_failure;

ssize_t __real_getline(char **line, size_t *size, FILE *file);
ssize_t __wrap_getline(char **line, size_t *size, FILE *file);
ssize_t __real___getdelim(char **line, size_t *size, int end, FILE *file);
ssize_t __wrap___getdelim(char **line, size_t *size, int end, FILE *file);

static bool no_memory(void)
{
	if (!lines_until_failure || --lines_until_failure)
		return false;
	errno = ENOMEM;
	return true;
}

ssize_t __wrap_getline(char **line, size_t *size, FILE *file)
{
	return no_memory() ? -1 : __real_getline(line, size, file);
}

ssize_t __wrap___getdelim(char **line, size_t *size, int end, FILE *file)
{
	return no_memory() ? -1 : __real___getdelim(line, size, end, file);
}

/* What could not be read is not written again without the rest. */
static void test_no_memory(void **state)
{
	(void)state;
	assert_int_equal(undo_add(path, "rule", "one"), 0);
	assert_int_equal(undo_add(path, "rule", "two"), 0);
	for (unsigned line = 1; line <= 2; line++) {
		lines_until_failure = line;
		assert_int_equal(undo_remove(path, "rule", "one"), -ENOMEM);
		lines_until_failure = line;
		assert_int_equal(undo_add(path, "rule", "three"), -ENOMEM);
		assert_file("rule one\nrule two\n");
	}
	assert_int_equal(lines_until_failure, 0);
	unlink(path);
}

static void test_what_cannot_be_a_line(void **state)
{
	(void)state;
	assert_int_equal(undo_add(path, "", "x"), -EINVAL);
	assert_int_equal(undo_add(path, "a b", "x"), -EINVAL);
	assert_int_equal(undo_add(path, "a", "x\ny"), -EINVAL);
	assert_int_equal(undo_remove(path, "a\n", "x"), -EINVAL);
	assert_int_equal(access(path, F_OK), -1);
	assert_int_equal(undo_add("/nowhere/at/all", "a", "x"), -ENOENT);
}

static void write_file(const char *text)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static int told_count;

static void count_told(const char *what, const char *value)
{
	(void)what;
	(void)value;
	told_count++;
}

/* What was written with a block in it, as if it were of our own namespace. */
static unsigned blocks_written;

int __real_rename(const char *from, const char *to);
int __wrap_rename(const char *from, const char *to);

int __wrap_rename(const char *from, const char *to)
{
	struct undo_lines lines;

	assert_int_equal(undo_read(from, &lines), 0);
	for (size_t i = 0; i < lines.count; i++)
		blocks_written += !strncmp(lines.items[i], "block ", strlen("block "));
	undo_free(&lines);
	return __real_rename(from, to);
}

static void write_of(const struct netns_id *id)
{
	char text[256];

	snprintf(text, sizeof(text),
		"netns %ju %ju\nblock 198.51.100.0/24 table 7777\nsocket /nowhere/one.sock\n"
		"address 192.0.2.1/24 dev 1 lo\nkept-device yes dev 7 a of 5 in /nowhere\n"
		"socket /nowhere/two.sock\nattached 2 dev 1 lo\n",
		(uintmax_t)id->inode, (uintmax_t)id->number);
	write_file(text);
}

static void test_whose_it_is(void **state)
{
	struct netns_id id = { 0 };
	struct undo_lines lines;

	(void)state;
	assert_false(undo_is_elsewhere(path, &id));
	write_file("rule one\n");
	assert_false(undo_is_elsewhere(path, &id));
	assert_int_equal(undo_add(path, "rule", "two"), 0);
	assert_false(undo_is_elsewhere(path, &id));
	write_file("netns 0 0\nrule one\n"); /* by somebody who could not tell */
	assert_false(undo_is_elsewhere(path, &id));
	write_file("netns 1\nrule one\n"); /* nor its number */
	assert_true(undo_is_elsewhere(path, &id));
	write_of(&(struct netns_id){ 1, 2 });
	assert_true(undo_is_elsewhere(path, &id));
	assert_int_equal(id.inode, 1);
	assert_int_equal(id.number, 2);
	assert_int_equal(undo_read(path, &lines), 0);
	assert_int_equal(lines.count, 6);
	undo_free(&lines);
	unlink(path);
}

/* What is of a namespace that is not there any more has gone with it, all at once; files have not,
 * and what is in a namespace that the line names is looked for there. */
static void test_another_namespace(void **state)
{
	struct netns_id gone = { 1, 2 };

	(void)state;
	for (unsigned next = 0; next < 2; next++) {
		write_of(&gone);
		blocks_written = told_count = 0;
		assert_int_equal(leftover_undo(NULL, path, true, count_told), 0);
		assert_int_equal(blocks_written, 0);
		assert_int_equal(told_count, 2); /* the sockets */
		assert_file("");
		/* Another one may have its inode by now, and be ours. */
		assert_int_equal(netns_own(&gone), 0);
		if (!gone.number)
			break;
		gone.number += 1000000;
	}
	told_count = 0;
}

static char walked[128];

static int note_and_remove(void *context, const char *what, const char *value)
{
	size_t len = strlen(walked);

	(void)context;
	snprintf(walked + len, sizeof(walked) - len, "%s(%s)", what, value);
	if (!strcmp(value, "stop"))
		return -EBUSY;
	return undo_remove(path, what, value);
}

static void test_walk(void **state)
{
	(void)state;
	assert_int_equal(undo_walk(path, note_and_remove, NULL), 0);
	assert_string_equal(walked, "");
	assert_int_equal(undo_add(path, "a", "1 2"), 0);
	assert_int_equal(undo_add(path, "b", "stop"), 0);
	assert_int_equal(undo_add(path, "c", ""), 0);
	assert_int_equal(undo_walk(path, note_and_remove, NULL), -EBUSY);
	assert_string_equal(walked, "c()b(stop)");
	assert_file("a 1 2\nb stop\n");
	assert_int_equal(undo_remove(path, "b", "stop"), 0);
	assert_int_equal(undo_walk(path, note_and_remove, NULL), 0);
	assert_string_equal(walked, "c()b(stop)a(1 2)");
	assert_file("");
}

/* Root reads what another user has written, by whom it may be led elsewhere, or kept waiting. */
static void test_no_plain_file(void **state)
{
	struct undo_lines lines;

	(void)state;
	alarm(10);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(undo_read(path, &lines), -EINVAL);
	unlink(path);
	assert_int_equal(symlink("/proc/self/status", path), 0);
	assert_int_equal(undo_read(path, &lines), -ELOOP);
	unlink(path);
	alarm(0);
}

static void test_many(void **state)
{
	struct undo_lines lines = { 0 }, again;
	char line[32];

	(void)state;
	for (int i = 0; i < 1000; i++) {
		snprintf(line, sizeof(line), "block %d", i);
		assert_int_equal(undo_append(&lines, line), 0);
	}
	assert_int_equal(undo_write(path, &lines), 0);
	assert_int_equal(undo_read(path, &again), 0);
	assert_int_equal(again.count, 1000);
	for (size_t i = 0; i < 1000; i++)
		assert_string_equal(again.items[i], lines.items[i]);
	assert_true(undo_has(&again, "block 999"));
	assert_false(undo_has(&again, "block 1000"));
	undo_free(&again);
	undo_free(&lines);
	assert_int_equal(undo_write(path, &lines), 0);
	assert_int_equal(access(path, F_OK), -1);
	assert_int_equal(undo_write(path, &lines), 0);
}

/* In a process that may not change routes, whoever runs the test. The exit status. */
static int undo_without_rights(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[2] = { 0 };
	struct netlink *netlink = NULL;
	int error;

	if (syscall(SYS_capset, &header, none) || netlink_open(&netlink))
		return 255;
	error = leftover_undo(netlink, path, false, count_told);
	netlink_close(netlink);
	return told_count ? 254 : -error;
}

static void test_what_cannot_be_undone_is_not_told(void **state)
{
	int status;
	pid_t pid;

	(void)state;
	assert_int_equal(undo_add(path, "block", "198.51.100.0/24 table 7777"), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid)
		_exit(undo_without_rights());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), EPERM);
	assert_file("block 198.51.100.0/24 table 7777\n");
	assert_int_equal(undo_remove(path, "block", "198.51.100.0/24 table 7777"), 0);
}

/* What a write that was killed had begun goes with the rest, and nothing else does. */
static void test_left_beside(void **state)
{
	char beside[UNDO_PATH_SIZE + 8];

	(void)state;
	snprintf(beside, sizeof(beside), "%s.new", path);
	assert_int_equal(undo_add(path, "later", "kept"), 0);
	fclose(fopen(beside, "w"));
	assert_int_equal(leftover_undo(NULL, path, true, NULL), 0);
	assert_int_equal(access(beside, F_OK), -1);
	assert_file("later kept\n");
	unlink(path);
}

/* A socket goes if nobody answers there; one that answers, and what is no socket, is another's. */
static void test_sockets(void **state)
{
	char dead[UNDO_PATH_SIZE], alive[UNDO_PATH_SIZE], file[UNDO_PATH_SIZE];
	int fd;

	(void)state;
	snprintf(dead, sizeof(dead), "%s/dead.sock", directory);
	snprintf(alive, sizeof(alive), "%s/alive.sock", directory);
	snprintf(file, sizeof(file), "%s/file", directory);
	assert_int_equal(listener_open_path(dead, 0600, &fd), 0);
	close(fd);
	assert_int_equal(listener_open_path(alive, 0600, &fd), 0);
	fclose(fopen(file, "w"));
	assert_int_equal(undo_add(path, LEFTOVER_SOCKET, dead), 0);
	assert_int_equal(undo_add(path, LEFTOVER_SOCKET, alive), 0);
	assert_int_equal(undo_add(path, LEFTOVER_SOCKET, file), 0);
	assert_int_equal(undo_add(path, LEFTOVER_SOCKET, "/nowhere/at/all.sock"), 0);
	assert_int_equal(leftover_undo(NULL, path, true, NULL), 0);
	assert_file("");
	assert_int_equal(access(dead, F_OK), -1);
	assert_int_equal(access(alive, F_OK), 0);
	assert_int_equal(access(file, F_OK), 0);
	close(fd);
	unlink(alive);
	unlink(file);
}

/* In a process that root's rights do not help. The exit status. */
static int undo_what_is_out_of_reach(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[2] = { 0 };

	if (syscall(SYS_capset, &header, none))
		return 255;
	if (leftover_undo(NULL, path, true, NULL))
		return 254;
	return -leftover_undo(NULL, path, true, count_told);
}

/* A socket that cannot be removed is no reason not to start; who asked for all to be put back hears
 * of it. Where there can be none any more there is nothing to remove. */
static void test_sockets_out_of_reach(void **state)
{
	char below[UNDO_PATH_SIZE], file[UNDO_PATH_SIZE], closed[UNDO_PATH_SIZE];
	char dead[UNDO_PATH_SIZE + 16], line[UNDO_PATH_SIZE + 32];
	int fd, status;
	pid_t pid;

	(void)state;
	snprintf(file, sizeof(file), "%s/file", directory);
	snprintf(below, sizeof(below), "%s/file/a.sock", directory);
	snprintf(closed, sizeof(closed), "%s/closed", directory);
	snprintf(dead, sizeof(dead), "%s/closed/a.sock", directory);
	snprintf(line, sizeof(line), LEFTOVER_SOCKET " %s\n", dead);
	fclose(fopen(file, "w"));
	assert_int_equal(mkdir(closed, 0700), 0);
	assert_int_equal(listener_open_path(dead, 0600, &fd), 0);
	close(fd);
	assert_int_equal(chmod(closed, 0), 0);
	assert_int_equal(undo_add(path, LEFTOVER_SOCKET, dead), 0);
	assert_int_equal(undo_add(path, LEFTOVER_SOCKET, below), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid)
		_exit(undo_what_is_out_of_reach());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), EACCES);
	assert_file(line);
	assert_int_equal(chmod(closed, 0700), 0);
	assert_int_equal(leftover_undo(NULL, path, true, NULL), 0);
	assert_file("");
	assert_int_equal(rmdir(closed), 0); /* the socket has gone */
	unlink(file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_no_memory),
		cmocka_unit_test(test_what_cannot_be_a_line),
		cmocka_unit_test(test_whose_it_is),
		cmocka_unit_test(test_another_namespace),
		cmocka_unit_test(test_walk),
		cmocka_unit_test(test_no_plain_file),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_what_cannot_be_undone_is_not_told),
		cmocka_unit_test(test_left_beside),
		cmocka_unit_test(test_sockets),
		cmocka_unit_test(test_sockets_out_of_reach),
	};

	return cmocka_run_group_tests(tests, make_place, remove_place);
}
