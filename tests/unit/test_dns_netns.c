/* SPDX-License-Identifier: ISC */
/* DNS in a network namespace that several tunnels share: they take turns. */
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
#include "host/undo.h"

#define ORIGINAL "nameserver 192.0.2.53\n"
#define LINES "nameserver 10.9.0.2\n"

static char directory[] = "/tmp/culvert-dns-netns-XXXXXX";
static char state_a[64], turn[64], netns[64], vpn[80], resolv_conf[96];

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
	return rmdir(directory); /* fails if something else was left there */
}

static void a_file_is_put_back_in_its_turn(void **state)
{
	(void)state;
	assert_int_equal(mkdir(netns, 0755) | mkdir(vpn, 0755), 0);
	write_text(resolv_conf, ORIGINAL);
	assert_int_equal(undo_add(state_a, DNS_NETNS_FILE, resolv_conf), 0);
	assert_int_equal(dns_file_set(resolv_conf, "a", LINES), 0);
	assert_int_equal(dns_netns_undo_file(state_a, resolv_conf), 0);
	assert_text(resolv_conf, ORIGINAL);
	assert_int_equal(restored, 1);
	assert_int_equal(restored_in_turn, 1);
	assert_false(turn_is_taken());
	assert_int_equal(access(state_a, F_OK), -1);
	assert_int_equal(unlink(resolv_conf) | rmdir(vpn) | rmdir(netns), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_file_is_put_back_in_its_turn),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
