/* SPDX-License-Identifier: ISC */
/* A plain resolv.conf: replaced and put back, from wherever a kill or another program left it. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "host/dns_file.h"

#define LINES "nameserver 10.9.0.2\nsearch corp.example\n"
#define OTHER_LINES "nameserver 10.8.0.2\n"
#define ORIGINAL "# mine\nnameserver 192.0.2.53\n"

static char directory[] = "/tmp/culvert-dns-file-XXXXXX";
static char path[64];

static const char *beside(const char *end)
{
	static char other[2][128];
	static int turn;

	turn = !turn;
	snprintf(other[turn], sizeof(other[turn]), "%s%s", path, end);
	return other[turn];
}

static void write_text(const char *to, const char *text)
{
	FILE *file = fopen(to, "w");

	assert_non_null(file);
	assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
	assert_int_equal(fclose(file), 0);
}

static void read_text(const char *from, char text[4096])
{
	FILE *file = fopen(from, "r");

	assert_non_null(file);
	text[fread(text, 1, 4095, file)] = '\0';
	fclose(file);
}

static void assert_text(const char *file, const char *text)
{
	char have[4096];

	read_text(file, have);
	assert_string_equal(have, text);
}

static void assert_has(const char *file, const char *part)
{
	char have[4096];

	read_text(file, have);
	assert_non_null(strstr(have, part));
}

/* That there is nothing in the directory but so many files. */
static void assert_files(size_t count)
{
	char pattern[64];
	glob_t list;

	snprintf(pattern, sizeof(pattern), "%s/*", directory);
	if (glob(pattern, 0, NULL, &list))
		list.gl_pathc = 0;
	else
		globfree(&list);
	assert_int_equal(list.gl_pathc, count);
}

static int empty_directory(void **state)
{
	char pattern[64];
	glob_t list;

	(void)state;
	snprintf(pattern, sizeof(pattern), "%s/*", directory);
	if (glob(pattern, 0, NULL, &list))
		return 0;
	for (size_t i = 0; i < list.gl_pathc; i++)
		unlink(list.gl_pathv[i]);
	globfree(&list);
	return 0;
}

static int make_directory(void **state)
{
	(void)state;
	if (!mkdtemp(directory))
		return -1;
	snprintf(path, sizeof(path), "%s/resolv.conf", directory);
	return 0;
}

static int remove_directory(void **state)
{
	empty_directory(state);
	return rmdir(directory);
}

static void it_comes_back_as_it_was(void **state)
{
	struct stat before, after;

	(void)state;
	write_text(path, ORIGINAL);
	assert_int_equal(chmod(path, 0640), 0);
	assert_int_equal(stat(path, &before), 0);
	assert_int_equal(dns_file_set(path, "office", LINES), 0);
	assert_true(dns_file_is_set(path, "office"));
	assert_false(dns_file_is_set(path, "offic"));
	assert_has(path, "\n" LINES);
	assert_text(beside(".culvert-office"), ORIGINAL);
	assert_int_equal(stat(path, &after), 0);
	assert_int_equal(after.st_mode & 0777, 0644);
	assert_files(2);
	assert_int_equal(dns_file_restore(path, "office"), 0);
	assert_int_equal(stat(path, &after), 0);
	assert_int_equal(after.st_ino, before.st_ino);
	assert_int_equal(after.st_mode, before.st_mode);
	assert_int_equal(after.st_mtim.tv_nsec, before.st_mtim.tv_nsec);
	assert_text(path, ORIGINAL);
	assert_files(1);
	assert_int_equal(dns_file_restore(path, "office"), 0);
	assert_text(path, ORIGINAL);
}

static void again_with_other_lines(void **state)
{
	(void)state;
	write_text(path, ORIGINAL);
	assert_int_equal(dns_file_set(path, "office", LINES), 0);
	assert_int_equal(dns_file_set(path, "office", OTHER_LINES), 0);
	assert_has(path, "\n" OTHER_LINES);
	assert_text(beside(".culvert-office"), ORIGINAL);
	assert_int_equal(dns_file_restore(path, "office"), 0);
	assert_text(path, ORIGINAL);
	assert_files(1);
}

static void a_symlink_stays_one(void **state)
{
	char target[64], link[64];

	(void)state;
	snprintf(target, sizeof(target), "%s/managed", directory);
	write_text(target, ORIGINAL);
	assert_int_equal(symlink("managed", path), 0);
	assert_int_equal(dns_file_set(path, "office", LINES), 0);
	assert_has(path, LINES);
	assert_text(target, ORIGINAL);
	/* Whoever manages the target goes on doing so meanwhile. */
	write_text(target, "nameserver 192.0.2.54\n");
	assert_int_equal(dns_file_restore(path, "office"), 0);
	assert_int_equal(readlink(path, link, sizeof(link)), strlen("managed"));
	assert_text(path, "nameserver 192.0.2.54\n");
	assert_files(2);
}

static void a_dangling_symlink(void **state)
{
	char link[64];

	(void)state;
	assert_int_equal(symlink("nowhere", path), 0);
	assert_int_equal(dns_file_set(path, "office", LINES), 0);
	assert_has(path, LINES);
	assert_int_equal(dns_file_restore(path, "office"), 0);
	assert_int_equal(readlink(path, link, sizeof(link)), strlen("nowhere"));
	empty_directory(NULL);
	unlink(path); /* which glob does not find */
	assert_files(0);
}

static void there_was_none(void **state)
{
	(void)state;
	assert_int_equal(dns_file_set(path, "office", LINES), 0);
	assert_files(1);
	assert_int_equal(dns_file_restore(path, "office"), 0);
	assert_files(0);
}

static void what_others_put_there_stays(void **state)
{
	(void)state;
	write_text(path, ORIGINAL);
	assert_int_equal(dns_file_set(path, "office", LINES), 0);
	write_text(beside(".dhclient"), "nameserver 198.51.100.1\n");
	assert_int_equal(rename(beside(".dhclient"), path), 0);
	assert_false(dns_file_is_set(path, "office"));
	assert_int_equal(dns_file_restore(path, "office"), DNS_FILE_LEFT);
	assert_text(path, "nameserver 198.51.100.1\n");
	assert_files(1);
}

static void what_others_wrote_into_ours_is_kept(void **state)
{
	char have[4096];

	(void)state;
	write_text(path, ORIGINAL);
	assert_int_equal(dns_file_set(path, "office", LINES), 0);
	read_text(path, have);
	strcat(have, "nameserver 198.51.100.1\n");
	write_text(path, have);
	assert_int_equal(dns_file_restore(path, "office"), DNS_FILE_SAVED);
	assert_text(path, ORIGINAL);
	assert_text(beside(".culvert.changed"), have);
	assert_files(2);
}

static void others_removed_it(void **state)
{
	(void)state;
	write_text(path, ORIGINAL);
	assert_int_equal(dns_file_set(path, "office", LINES), 0);
	unlink(path);
	assert_int_equal(dns_file_restore(path, "office"), DNS_FILE_LEFT);
	assert_files(0);
}

static void killed_in_between(void **state)
{
	(void)state;
	/* With the next file half written. */
	write_text(path, ORIGINAL);
	write_text(beside(".culvert.new"), "# culvert: made");
	assert_int_equal(dns_file_restore(path, "office"), 0);
	assert_files(1);
	/* With the original's second name made, and nothing more. */
	assert_int_equal(link(path, beside(".culvert-office")), 0);
	assert_int_equal(dns_file_restore(path, "office"), 0);
	assert_text(path, ORIGINAL);
	assert_files(1);
	assert_int_equal(link(path, beside(".culvert-office")), 0);
	assert_int_equal(dns_file_set(path, "office", LINES), 0);
	assert_text(beside(".culvert-office"), ORIGINAL);
	assert_int_equal(dns_file_restore(path, "office"), 0);
	assert_text(path, ORIGINAL);
}

/* A process that does nothing but set and restore is killed after a while, 100 times. */
static void killed_at_any_time(void **state)
{
	(void)state;
	write_text(path, ORIGINAL);
	for (unsigned i = 0; i < 100; i++) {
		const struct timespec pause = { .tv_nsec = 1000 * (long)(100 + 37 * i) };
		pid_t pid = fork();

		assert_true(pid >= 0);
		while (!pid) {
			dns_file_set(path, "office", i % 2 ? LINES : OTHER_LINES);
			dns_file_restore(path, "office");
		}
		nanosleep(&pause, NULL);
		assert_int_equal(kill(pid, SIGKILL), 0);
		assert_int_equal(waitpid(pid, NULL, 0), pid);
		assert_int_equal(dns_file_restore(path, "office"), 0);
		assert_text(path, ORIGINAL);
		assert_files(1);
	}
}

/* As a write over a mount point that was killed before the old rest was cut off. */
static void killed_while_writing_over(void **state)
{
	char have[4096];

	(void)state;
	write_text(path, ORIGINAL);
	assert_int_equal(dns_file_set(path, "office", LINES), 0);
	read_text(path, have);
	strcat(have, "53\n");
	write_text(path, have);
	assert_int_equal(dns_file_restore(path, "office"), DNS_FILE_SAVED);
	assert_text(path, ORIGINAL);
}

/* Two tunnels, ended in the given order. */
static void end_both(const char *first, const char *second)
{
	write_text(path, ORIGINAL);
	assert_int_equal(dns_file_set(path, "a", LINES), 0);
	assert_int_equal(dns_file_set(path, "b", OTHER_LINES), 0);
	assert_true(dns_file_is_set(path, "a"));
	assert_true(dns_file_is_set(path, "b"));
	assert_has(path, OTHER_LINES);
	assert_int_equal(dns_file_restore(path, first), 0);
	assert_has(path, *second == 'a' ? LINES : OTHER_LINES);
	assert_int_equal(dns_file_restore(path, second), 0);
	assert_text(path, ORIGINAL);
	assert_files(1);
}

static void two_tunnels(void **state)
{
	(void)state;
	end_both("a", "b");
	end_both("b", "a");
}

static void two_tunnels_and_no_original(void **state)
{
	(void)state;
	assert_int_equal(dns_file_set(path, "a", LINES), 0);
	assert_int_equal(dns_file_set(path, "b", OTHER_LINES), 0);
	assert_int_equal(dns_file_restore(path, "a"), 0);
	assert_has(path, OTHER_LINES);
	assert_int_equal(dns_file_restore(path, "b"), 0);
	assert_files(0);
}

static void the_lower_of_two_changes(void **state)
{
	(void)state;
	write_text(path, ORIGINAL);
	assert_int_equal(dns_file_set(path, "a", LINES), 0);
	assert_int_equal(dns_file_set(path, "b", OTHER_LINES), 0);
	assert_int_equal(dns_file_set(path, "a", "nameserver 10.7.0.2\n"), 0);
	assert_has(path, OTHER_LINES);
	assert_int_equal(dns_file_restore(path, "b"), 0);
	assert_has(path, "nameserver 10.7.0.2\n");
	assert_int_equal(dns_file_restore(path, "a"), 0);
	assert_text(path, ORIGINAL);
}

static void odd_names(void **state)
{
	char name[300];

	(void)state;
	write_text(path, ORIGINAL);
	assert_int_equal(dns_file_set(path, "with blank\nand more", LINES), 0);
	assert_true(dns_file_is_set(path, "with blank\nand more"));
	assert_int_equal(dns_file_restore(path, "with blank\nand more"), 0);
	assert_text(path, ORIGINAL);
	memset(name, 'x', sizeof(name));
	name[250] = '\0';
	assert_int_equal(dns_file_set(path, name, LINES), -ENAMETOOLONG);
	assert_int_equal(dns_file_restore(path, name), 0);
	assert_text(path, ORIGINAL);
	assert_files(1);
}

static void what_is_no_file_is_left(void **state)
{
	(void)state;
	assert_int_equal(mkdir(path, 0755), 0);
	assert_true(dns_file_set(path, "office", LINES) < 0);
	assert_false(dns_file_is_set(path, "office"));
	assert_files(1);
	assert_int_equal(rmdir(path), 0);
	assert_int_equal(dns_file_set("/nowhere/at/all", "office", LINES), -ENOENT);
}

/* From here on, or no longer, no file can be opened. */
static void open_nothing(bool nothing)
{
	static struct rlimit before;
	const int free_one = dup(STDERR_FILENO);

	if (nothing) {
		assert_true(free_one >= 0);
		close(free_one);
		assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
		assert_int_equal(setrlimit(RLIMIT_NOFILE,
					 &(struct rlimit){ (rlim_t)free_one, before.rlim_max }),
			0);
	} else {
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	}
}

/* What cannot be read is nobody's: taken for another program's, the original would be lost. */
static void no_descriptor_is_left(void **state)
{
	(void)state;
	write_text(path, ORIGINAL);
	assert_int_equal(dns_file_set(path, "office", LINES), 0);
	open_nothing(true);
	assert_int_equal(dns_file_set(path, "office", OTHER_LINES), -EMFILE);
	assert_int_equal(dns_file_restore(path, "office"), -EMFILE);
	open_nothing(false);
	assert_text(beside(".culvert-office"), ORIGINAL);
	assert_has(path, "\n" LINES);
	assert_int_equal(dns_file_restore(path, "office"), 0);
	assert_text(path, ORIGINAL);
	assert_files(1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(it_comes_back_as_it_was, empty_directory),
		cmocka_unit_test_teardown(again_with_other_lines, empty_directory),
		cmocka_unit_test_teardown(a_symlink_stays_one, empty_directory),
		cmocka_unit_test_teardown(a_dangling_symlink, empty_directory),
		cmocka_unit_test_teardown(there_was_none, empty_directory),
		cmocka_unit_test_teardown(what_others_put_there_stays, empty_directory),
		cmocka_unit_test_teardown(what_others_wrote_into_ours_is_kept, empty_directory),
		cmocka_unit_test_teardown(others_removed_it, empty_directory),
		cmocka_unit_test_teardown(killed_in_between, empty_directory),
		cmocka_unit_test_teardown(killed_at_any_time, empty_directory),
		cmocka_unit_test_teardown(killed_while_writing_over, empty_directory),
		cmocka_unit_test_teardown(two_tunnels, empty_directory),
		cmocka_unit_test_teardown(two_tunnels_and_no_original, empty_directory),
		cmocka_unit_test_teardown(the_lower_of_two_changes, empty_directory),
		cmocka_unit_test_teardown(odd_names, empty_directory),
		cmocka_unit_test_teardown(what_is_no_file_is_left, empty_directory),
		cmocka_unit_test_teardown(no_descriptor_is_left, empty_directory),
	};

	return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
