/* SPDX-License-Identifier: ISC */
/* DNS in a network namespace that several tunnels share: they take turns, and the last one tidies
 * up.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdbool.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/dns_file.h"
#include "host/dns_netns.h"
#include "host/leftover.h"
#include "host/undo.h"

#define ORIGINAL "nameserver 192.0.2.53\n"
#define LINES "nameserver 10.9.0.2\n"

static char directory[] = "/tmp/culvert-dns-netns-XXXXXX";
static char state_a[64], state_b[64], turn[64], netns[64], vpn[80], resolv_conf[96];

/* Another descriptor is to the lock as another process would be. */
static bool turn_is_taken(void)
{
	const int fd = open(turn, O_RDWR | O_CLOEXEC);
	const bool taken = fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK;

	if (fd >= 0)
		close(fd);
	return taken;
}

static unsigned restored, restored_in_turn;

int __real_dns_file_restore(const char *path, const char *name);
int __wrap_dns_file_restore(const char *path, const char *name);

int __wrap_dns_file_restore(const char *path, const char *name)
{
	restored++;
	restored_in_turn += turn_is_taken();
	return __real_dns_file_restore(path, name);
}

/* Whose mkdir comes too late, and whether those that change directories have the turn. */
static bool others_are_faster;
static unsigned changes, changes_in_turn;

int __real_mkdir(const char *path, mode_t mode);
int __wrap_mkdir(const char *path, mode_t mode);
int __real_rmdir(const char *path);
int __wrap_rmdir(const char *path);

int __wrap_mkdir(const char *path, mode_t mode)
{
	changes++;
	changes_in_turn += turn_is_taken();
	if (others_are_faster && __real_mkdir(path, mode))
		return -1;
	return __real_mkdir(path, mode);
}

int __wrap_rmdir(const char *path)
{
	changes++;
	changes_in_turn += turn_is_taken();
	return __real_rmdir(path);
}

static void write_text(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	fputs(text, file);
	assert_int_equal(fclose(file), 0);
}

static void assert_text(const char *path, const char *expected)
{
	FILE *file = fopen(path, "r");
	char text[512];

	assert_non_null(file);
	text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
	fclose(file);
	assert_string_equal(text, expected);
}

static int set_up(void **state)
{
	(void)state;
	if (!mkdtemp(directory))
		return -1;
	snprintf(state_a, sizeof(state_a), "%s/a.state", directory);
	snprintf(state_b, sizeof(state_b), "%s/b.state", directory);
	snprintf(turn, sizeof(turn), "%s/.turn", directory);
	snprintf(netns, sizeof(netns), "%s/netns", directory);
	snprintf(vpn, sizeof(vpn), "%s/vpn", netns);
	snprintf(resolv_conf, sizeof(resolv_conf), "%s/resolv.conf", vpn);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	unlink(turn);
	return __real_rmdir(directory); /* fails if something else was left there */
}

static void a_file_is_put_back_in_its_turn(void **state)
{
	(void)state;
	assert_int_equal(__real_mkdir(netns, 0755) | __real_mkdir(vpn, 0755), 0);
	write_text(resolv_conf, ORIGINAL);
	assert_int_equal(undo_add(state_a, DNS_NETNS_FILE, resolv_conf), 0);
	assert_int_equal(dns_file_set(resolv_conf, "a", LINES), 0);
	assert_int_equal(dns_netns_undo_file(state_a, resolv_conf), 0);
	assert_text(resolv_conf, ORIGINAL);
	assert_int_equal(restored, 1);
	assert_int_equal(restored_in_turn, 1);
	assert_false(turn_is_taken());
	assert_int_equal(access(state_a, F_OK), -1);
	assert_int_equal(unlink(resolv_conf) | __real_rmdir(vpn) | __real_rmdir(netns), 0);
}

static void set(const char *state, const char *name)
{
	assert_int_equal(dns_netns_prepare(state, resolv_conf), 0);
	assert_int_equal(dns_file_set(resolv_conf, name, LINES), 0);
}

static void put_back(const char *state, const char *name)
{
	assert_int_equal(dns_file_restore(resolv_conf, name), 0);
	dns_netns_finish(state, resolv_conf);
	assert_int_equal(access(state, F_OK), -1);
}

static void is_there(bool there)
{
	assert_int_equal(access(vpn, F_OK), there ? 0 : -1);
	assert_int_equal(access(netns, F_OK), there ? 0 : -1);
}

static void the_last_one_removes_what_was_made(void **state)
{
	(void)state;
	changes = changes_in_turn = 0;
	for (int first_ends_first = 0; first_ends_first < 2; first_ends_first++) {
		set(state_a, "a");
		set(state_b, "b");
		put_back(first_ends_first ? state_a : state_b, first_ends_first ? "a" : "b");
		is_there(true);
		assert_int_equal(access(resolv_conf, F_OK), 0);
		put_back(first_ends_first ? state_b : state_a, first_ends_first ? "b" : "a");
		is_there(false);
	}
	assert_int_equal(changes, 8); /* two were made, and removed, twice */
	assert_int_equal(changes_in_turn, changes);
}

/* One that was killed has its notes still, and undoes by them. */
static void one_that_was_killed_is_not_forgotten(void **state)
{
	(void)state;
	set(state_a, "a");
	set(state_b, "b");
	put_back(state_a, "a");
	assert_int_equal(leftover_undo(NULL, state_b, true, NULL), 0);
	assert_int_equal(access(state_b, F_OK), -1);
	is_there(false);
}

/* What one is about to write into is not taken away by another that ends. */
static void empty_and_in_use(void **state)
{
	(void)state;
	set(state_a, "a");
	assert_int_equal(dns_netns_prepare(state_b, resolv_conf), 0);
	put_back(state_a, "a");
	is_there(true);
	assert_int_equal(dns_file_set(resolv_conf, "b", LINES), 0);
	put_back(state_b, "b");
	is_there(false);
}

static void one_above_for_two_namespaces(void **state)
{
	char box[80], other[96];

	(void)state;
	snprintf(box, sizeof(box), "%s/box", netns);
	snprintf(other, sizeof(other), "%s/resolv.conf", box);
	set(state_a, "a");
	assert_int_equal(dns_netns_prepare(state_b, other), 0);
	put_back(state_a, "a");
	assert_int_equal(access(vpn, F_OK), -1);
	assert_int_equal(access(box, F_OK), 0);
	dns_netns_finish(state_b, other);
	is_there(false);
}

/* Made before, or a moment before ours would have been, or filled since: it stays. */
static void those_of_others_stay(void **state)
{
	(void)state;
	assert_int_equal(__real_mkdir(netns, 0755), 0);
	set(state_a, "a");
	set(state_b, "b");
	put_back(state_a, "a");
	put_back(state_b, "b");
	assert_int_equal(access(vpn, F_OK), -1);
	assert_int_equal(__real_rmdir(netns), 0);

	others_are_faster = true;
	set(state_a, "a");
	others_are_faster = false;
	put_back(state_a, "a");
	is_there(true);
	assert_int_equal(__real_rmdir(vpn) | __real_rmdir(netns), 0);

	set(state_a, "a");
	write_text(resolv_conf, ORIGINAL);
	assert_int_equal(dns_file_restore(resolv_conf, "a"), 0);
	dns_netns_finish(state_a, resolv_conf);
	assert_text(resolv_conf, ORIGINAL);
	assert_int_equal(unlink(resolv_conf) | __real_rmdir(vpn) | __real_rmdir(netns), 0);
}

/* What another tunnel has noted cannot be read: nothing is removed, and nothing forgotten. */
static void notes_that_cannot_be_read(void **state)
{
	(void)state;
	set(state_a, "a");
	assert_int_equal(__real_mkdir(state_b, 0755), 0);
	assert_int_equal(dns_file_restore(resolv_conf, "a"), 0);
	dns_netns_finish(state_a, resolv_conf);
	is_there(true);
	assert_int_not_equal(dns_netns_prepare(state_a, resolv_conf), 0);
	assert_int_equal(__real_rmdir(state_b), 0);
	put_back(state_a, "a");
	is_there(false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_file_is_put_back_in_its_turn),
		cmocka_unit_test(the_last_one_removes_what_was_made),
		cmocka_unit_test(one_that_was_killed_is_not_forgotten),
		cmocka_unit_test(empty_and_in_use),
		cmocka_unit_test(one_above_for_two_namespaces),
		cmocka_unit_test(those_of_others_stay),
		cmocka_unit_test(notes_that_cannot_be_read),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
