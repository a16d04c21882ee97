/* SPDX-License-Identifier: ISC */
/* Who sets the host's DNS, what they are called with, and that all of it is undone by the record.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "host/dns.h"
#include "host/dns_file.h"
#include "host/helper.h"

static char directory[] = "/tmp/culvert-dns-XXXXXX";
static char bin[64], resolv_conf[64], resolved[64], order[64], stub[96];
static const struct dns_places places = {
	.run_directory = directory,
	.resolv_conf = resolv_conf,
	.resolved_directory = resolved,
	.interface_order = order,
};
static int listener = -1;

/* What was run, a line each, with the input behind it; and which verb is to fail. */
static char calls[4096];
static const char *failing, *failing_too;

static bool take_call(
	void *context, const char *const *arguments, const char *input, char why[DNS_WHY_SIZE])
{
	const char *verb = arguments[1] ? arguments[1] : "";
	const bool fails =
		(failing && !strcmp(verb, failing)) || (failing_too && !strcmp(verb, failing_too));

	(void)context;
	assert_true(arguments[0][0] == '/');
	strcat(calls, strrchr(arguments[0], '/') + 1);
	for (size_t i = 1; arguments[i]; i++)
		strcat(strcat(calls, " "), arguments[i]);
	strcat(strcat(calls, "\n"), input);
	snprintf(why, DNS_WHY_SIZE, "%s", fails ? "it fails" : "");
	return !fails;
}

static const struct dns_runner recorder = { .run = take_call };

static void assert_calls(const char *expected)
{
	assert_string_equal(calls, expected);
	*calls = '\0';
}

static void write_file(const char *path, const char *text, mode_t mode)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	fputs(text, file);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(chmod(path, mode), 0);
}

static const char *in(const char *where, const char *name)
{
	static char path[160];

	snprintf(path, sizeof(path), "%s/%s", where, name);
	return path;
}

static void install(const char *program)
{
	write_file(in(bin, program), "#!/bin/sh\nexit 0\n", 0755);
}

static void resolved_runs(bool runs)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	if (listener >= 0)
		close(listener);
	listener = -1;
	if (!runs)
		return;
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/io.systemd.Resolve", resolved);
	unlink(address.sun_path);
	listener = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(bind(listener, (const void *)&address, sizeof(address)), 0);
	assert_int_equal(listen(listener, 8), 0);
}

static int set_up(void **state)
{
	(void)state;
	if (!mkdtemp(directory))
		return -1;
	snprintf(bin, sizeof(bin), "%s/bin", directory);
	snprintf(resolv_conf, sizeof(resolv_conf), "%s/resolv.conf", directory);
	snprintf(resolved, sizeof(resolved), "%s/resolve", directory);
	snprintf(order, sizeof(order), "%s/interface-order", directory);
	snprintf(stub, sizeof(stub), "%s/stub-resolv.conf", resolved);
	setenv("PATH", bin, 1);
	return mkdir(bin, 0755) || mkdir(resolved, 0755);
}

static int begin(void **state)
{
	(void)state;
	write_file(resolv_conf, "nameserver 192.0.2.53\n", 0644);
	write_file(stub, "nameserver 127.0.0.53\n", 0644);
	*calls = '\0';
	failing = failing_too = NULL;
	return 0;
}

static int end(void **state)
{
	static const char *const programs[] = { "resolvectl", "resolvconf" };

	(void)state;
	resolved_runs(false);
	for (size_t i = 0; i < 2; i++)
		unlink(in(bin, programs[i]));
	unlink(resolv_conf);
	unlink(order);
	unlink(stub);
	unlink(in(resolved, "io.systemd.Resolve"));
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	unlink(in(directory, ".turn"));
	return rmdir(bin) || rmdir(resolved) || rmdir(directory);
}

static void link_to(const char *target)
{
	unlink(resolv_conf);
	assert_int_equal(symlink(target, resolv_conf), 0);
}

static void the_back_end_by_what_there_is(void **state)
{
	char why[DNS_WHY_SIZE] = "";

	(void)state;
	assert_int_equal(dns_choose(&places, true, why), DNS_FILE);
	install("resolvconf");
	assert_int_equal(dns_choose(&places, true, why), DNS_RESOLVCONF);
	/* It runs, but somebody else manages resolv.conf. */
	resolved_runs(true);
	install("resolvectl");
	assert_int_equal(dns_choose(&places, true, why), DNS_RESOLVCONF);
	link_to("resolve/stub-resolv.conf");
	assert_int_equal(dns_choose(&places, true, why), DNS_RESOLVED);
	/* A copy of its file will do. */
	unlink(resolv_conf);
	write_file(resolv_conf, "# x\nnameserver 127.0.0.53\noptions edns0\n", 0644);
	assert_int_equal(dns_choose(&places, true, why), DNS_RESOLVED);
	/* It has ended and left its files. */
	resolved_runs(false);
	assert_int_equal(dns_choose(&places, true, why), DNS_RESOLVCONF);
	/* resolvconf is a link to resolvectl. */
	unlink(in(bin, "resolvconf"));
	assert_int_equal(symlink("resolvectl", in(bin, "resolvconf")), 0);
	assert_int_equal(dns_choose(&places, true, why), DNS_FILE);
	assert_string_equal(why, "");
}

/* What takes root is not begun without: its undo would fail as well. */
static void without_root(void **state)
{
	char why[DNS_WHY_SIZE] = "";

	(void)state;
	assert_int_equal(dns_choose(&places, false, why), DNS_NONE);
	assert_non_null(strstr(why, "resolv.conf is not systemd-resolved's"));
	install("resolvconf");
	assert_int_equal(dns_choose(&places, false, why), DNS_NONE);
	*why = 0;
	link_to("resolve/stub-resolv.conf");
	resolved_runs(true);
	install("resolvectl");
	assert_int_equal(dns_choose(&places, false, why), DNS_RESOLVED);
	assert_string_equal(why, "");
}

/* With so many who wait for it that one more is turned away, it runs all the same. */
static void resolved_is_busy(void **state)
{
	char why[DNS_WHY_SIZE] = "";

	(void)state;
	link_to("resolve/stub-resolv.conf");
	resolved_runs(true);
	install("resolvectl");
	for (int i = 0; i < 20; i++) /* none is accepted */
		assert_int_equal(dns_choose(&places, true, why), DNS_RESOLVED);
}

static void resolved_without_its_program(void **state)
{
	char why[DNS_WHY_SIZE] = "";

	(void)state;
	link_to("resolve/stub-resolv.conf");
	resolved_runs(true);
	install("resolvconf");
	assert_int_equal(dns_choose(&places, true, why), DNS_NONE);
	assert_non_null(strstr(why, "resolvectl"));
}

/* ---- what they are called with. The device is one that every host has. */

static char *servers[] = { "10.9.0.2", "fd09::2" }, *domains[] = { "corp.example", "~lab.example" };

static struct dns_settings settings_with(const struct config_dns *dns, bool everything)
{
	return (struct dns_settings){
		.name = "office", .device = "lo", .dns = dns, .everything = everything
	};
}

static const struct config_dns with_domains = { { servers, 2 }, { domains, 2 } },
			       without_domains = { { servers, 1 }, { NULL, 0 } };

static void undo(void)
{
	char why[DNS_WHY_SIZE];

	assert_true(dns_undo_left_over(&places, "office", &recorder, why));
	assert_string_equal(why, "");
	assert_int_not_equal(access(in(directory, "office.dns"), F_OK), 0);
}

static void by_resolved(void **state)
{
	struct dns_settings split = settings_with(&with_domains, false);
	struct dns_settings full = settings_with(&with_domains, true);
	char why[DNS_WHY_SIZE];

	(void)state;
	install("resolvectl");
	assert_true(dns_set(&places, DNS_RESOLVED, &split, &recorder, why));
	assert_calls("resolvectl domain lo corp.example ~lab.example\n"
		     "resolvectl default-route lo no\n"
		     "resolvectl dns lo 10.9.0.2 fd09::2\n");
	assert_int_equal(access(in(directory, "office.dns"), F_OK), 0);
	assert_true(dns_set(&places, DNS_RESOLVED, &full, &recorder, why));
	assert_calls("resolvectl domain lo corp.example ~lab.example ~.\n"
		     "resolvectl default-route lo yes\n"
		     "resolvectl dns lo 10.9.0.2 fd09::2\n");
	undo();
	assert_calls("resolvectl revert lo\n");
	undo();
	assert_calls("");
}

static void resolved_fails(void **state)
{
	struct dns_settings settings = settings_with(&without_domains, true);
	char why[DNS_WHY_SIZE];

	(void)state;
	install("resolvectl");
	failing = "default-route";
	assert_false(dns_set(&places, DNS_RESOLVED, &settings, &recorder, why));
	assert_calls("resolvectl domain lo ~.\nresolvectl default-route lo yes\n"
		     "resolvectl revert lo\n");
	assert_string_equal(why, "it fails");
	assert_int_not_equal(access(in(directory, "office.dns"), F_OK), 0);
}

/* What is set, and could be neither changed nor put back, is still to be put back. */
static void a_change_that_fails_half_way(void **state)
{
	static const struct {
		enum dns_backend backend;
		const char *set, *revert, *undone;
	} rows[] = {
		{ DNS_RESOLVED, "default-route", "revert", "resolvectl revert lo\n" },
		{ DNS_RESOLVCONF, "-a", "-d", "resolvconf -d lo -f\n" },
	};
	struct dns_settings one = settings_with(&with_domains, false);
	struct dns_settings other = settings_with(&without_domains, true);
	char why[DNS_WHY_SIZE];

	(void)state;
	install("resolvectl");
	install("resolvconf");
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		assert_true(dns_set(&places, rows[i].backend, &one, &recorder, why));
		failing = rows[i].set;
		failing_too = rows[i].revert;
		assert_false(dns_set(&places, rows[i].backend, &other, &recorder, why));
		assert_string_equal(
			why, "it fails; and what was set is still to be undone: it fails");
		assert_int_equal(access(in(directory, "office.dns"), F_OK), 0);
		failing = failing_too = NULL;
		*calls = '\0';
		undo();
		assert_calls(rows[i].undone);
	}
}

/* The next one to be chosen does not forget what the one before has left. */
static void another_back_end_than_before(void **state)
{
	struct dns_settings settings = settings_with(&without_domains, true);
	char why[DNS_WHY_SIZE];

	(void)state;
	install("resolvconf");
	assert_true(dns_set(&places, DNS_RESOLVCONF, &settings, &recorder, why));
	*calls = '\0';
	failing = "-d";
	assert_false(dns_set(&places, DNS_FILE, &settings, &recorder, why));
	assert_string_equal(why, "it fails");
	assert_false(dns_file_is_set(resolv_conf, "office"));
	failing = NULL;
	*calls = '\0';
	assert_true(dns_set(&places, DNS_FILE, &settings, &recorder, why));
	assert_calls("resolvconf -d lo -f\n");
	/* Another record of the same one is another back end. */
	assert_true(dns_set(&places, DNS_RESOLVCONF, &settings, &recorder, why));
	assert_false(dns_file_is_set(resolv_conf, "office"));
	write_file(order, "tun*\n", 0644);
	*calls = '\0';
	assert_true(dns_set(&places, DNS_RESOLVCONF, &settings, &recorder, why));
	assert_calls("resolvconf -d lo -f\nresolvconf -a tun.lo -m 0 -x\nnameserver 10.9.0.2\n");
	undo();
}

/* A device that is gone took its settings along. */
static void resolved_and_a_device_that_is_gone(void **state)
{
	struct dns_settings settings = settings_with(&without_domains, true);
	char why[DNS_WHY_SIZE];

	(void)state;
	install("resolvectl");
	settings.device = "culvert-no-dev";
	assert_true(dns_set(&places, DNS_RESOLVED, &settings, &recorder, why));
	*calls = '\0';
	undo();
	assert_calls("");
}

static void by_resolvconf(void **state)
{
	struct dns_settings settings = settings_with(&with_domains, false);
	char why[DNS_WHY_SIZE];

	(void)state;
	install("resolvconf");
	assert_true(dns_set(&places, DNS_RESOLVCONF, &settings, &recorder, why));
	assert_calls("resolvconf -a lo -m 0 -x\n"
		     "nameserver 10.9.0.2\nnameserver fd09::2\nsearch corp.example\n");
	undo();
	assert_calls("resolvconf -d lo -f\n");
	/* Debian's: the first plain prefix in its order. */
	write_file(order, "# x\nlo.inet6\neth*([^.]).inet\n-a*\ntun*\ntap*\n", 0644);
	assert_true(dns_set(&places, DNS_RESOLVCONF, &settings, &recorder, why));
	unlink(order); /* what was recorded counts */
	undo();
	assert_calls("resolvconf -a tun.lo -m 0 -x\n"
		     "nameserver 10.9.0.2\nnameserver fd09::2\nsearch corp.example\n"
		     "resolvconf -d tun.lo -f\n");
}

static void resolvconf_fails(void **state)
{
	struct dns_settings settings = settings_with(&without_domains, true);
	char why[DNS_WHY_SIZE];

	(void)state;
	install("resolvconf");
	failing = "-a";
	assert_false(dns_set(&places, DNS_RESOLVCONF, &settings, &recorder, why));
	assert_calls("resolvconf -a lo -m 0 -x\nnameserver 10.9.0.2\nresolvconf -d lo -f\n");
	failing = NULL;
	/* What could not be undone is tried again: the record stays. */
	assert_true(dns_set(&places, DNS_RESOLVCONF, &settings, &recorder, why));
	failing = "-d";
	assert_false(dns_undo_left_over(&places, "office", &recorder, why));
	assert_string_equal(why, "it fails");
	unlink(in(bin, "resolvconf"));
	assert_false(dns_undo_left_over(&places, "office", &recorder, why));
	assert_non_null(strstr(why, "resolvconf is not there"));
	install("resolvconf");
	failing = NULL;
	undo();
}

/* A record that cannot be read is none that is not there. */
static void record_that_cannot_be_read(void **state)
{
	struct dns_settings settings = settings_with(&without_domains, true);
	char why[DNS_WHY_SIZE];
	struct rlimit before;
	int last;

	(void)state;
	install("resolvconf");
	assert_true(dns_set(&places, DNS_RESOLVCONF, &settings, &recorder, why));
	*calls = '\0';
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	last = dup(STDERR_FILENO);
	close(last);
	assert_int_equal(
		setrlimit(RLIMIT_NOFILE, &(struct rlimit){ (rlim_t)last, before.rlim_max }), 0);
	assert_false(dns_undo_left_over(&places, "office", &recorder, why));
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_non_null(strstr(why, "cannot read the record"));
	assert_calls("");
	undo();
	assert_calls("resolvconf -d lo -f\n");
}

static bool unlink_fails;

int __real_unlink(const char *path);
int __wrap_unlink(const char *path);

int __wrap_unlink(const char *path)
{
	if (!unlink_fails || !strstr(path, ".dns"))
		return __real_unlink(path);
	errno = EACCES;
	return -1;
}

static void record_that_stays(void **state)
{
	struct dns_settings settings = settings_with(&without_domains, true);
	char why[DNS_WHY_SIZE];

	(void)state;
	assert_true(dns_set(&places, DNS_FILE, &settings, &recorder, why));
	unlink_fails = true;
	assert_true(dns_undo_left_over(&places, "office", &recorder, why));
	unlink_fails = false;
	assert_non_null(strstr(why, "cannot remove"));
	assert_non_null(strstr(why, "/office.dns: "));
	assert_false(dns_file_is_set(resolv_conf, "office"));
	undo();
}

static void by_file(void **state)
{
	struct dns_settings settings = settings_with(&without_domains, true);
	char why[DNS_WHY_SIZE];

	(void)state;
	assert_true(dns_set(&places, DNS_FILE, &settings, &recorder, why));
	assert_true(dns_file_is_set(resolv_conf, "office"));
	undo();
	assert_false(dns_file_is_set(resolv_conf, "office"));
	/* The machine was restarted: there is no record, but the file. */
	assert_true(dns_set(&places, DNS_FILE, &settings, &recorder, why));
	unlink(in(directory, "office.dns"));
	undo();
	assert_false(dns_file_is_set(resolv_conf, "office"));
	assert_calls("");
	/* Somebody else wrote it. */
	assert_true(dns_set(&places, DNS_FILE, &settings, &recorder, why));
	write_file(resolv_conf, "nameserver 192.0.2.54\n", 0644);
	assert_true(dns_undo_left_over(&places, "office", &recorder, why));
	assert_non_null(strstr(why, "left as it is"));
}

/* Whoever may read a directory may lock it, and so keep who waits for that lock. */
static void a_directory_that_a_user_has_locked(void **state)
{
	struct dns_settings settings = settings_with(&without_domains, true);
	const int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char why[DNS_WHY_SIZE];
	struct stat status;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(flock(fd, LOCK_EX), 0);
	alarm(20); /* the test ends all the same */
	assert_true(dns_set(&places, DNS_FILE, &settings, &recorder, why));
	undo();
	alarm(0);
	close(fd);
	assert_int_equal(stat(in(directory, ".turn"), &status), 0);
	assert_int_equal(status.st_mode & 0777, 0600);
}

static void no_place_for_the_record(void **state)
{
	struct dns_settings settings = settings_with(&without_domains, true);
	struct dns_places elsewhere = places;
	char why[DNS_WHY_SIZE];

	(void)state;
	elsewhere.run_directory = "/nowhere/at/all";
	assert_false(dns_set(&elsewhere, DNS_FILE, &settings, &recorder, why));
	assert_non_null(strstr(why, "/nowhere/at/all/office.dns"));
	assert_false(dns_file_is_set(resolv_conf, "office"));
}

static void what_goes_through_the_tunnel(void **state)
{
	struct config_prefix prefixes[] = { { .length = 24 }, { .length = 0 } };
	struct config_peer peer = { .allowed_ips = { prefixes, 1 } };
	struct config config = { .peers = &peer, .peer_count = 1, .dns = with_domains };
	struct config other = config;
	struct dns_settings a, b;

	(void)state;
	a = dns_settings_from(&config);
	assert_false(a.everything);
	peer.allowed_ips.count = 2;
	b = dns_settings_from(&config);
	assert_true(b.everything);
	assert_false(dns_settings_same(&a, &b));
	other.dns = without_domains;
	peer.allowed_ips.count = 1;
	b = dns_settings_from(&other);
	assert_true(b.everything);
	assert_false(dns_settings_same(&a, &b));
	assert_true(dns_settings_same(&a, &a));
}

/* ---- programs */

static void programs_on_the_path(void **state)
{
	char path[PATH_MAX], many[PATH_MAX];

	(void)state;
	assert_false(helper_find("resolvectl", path));
	install("resolvectl");
	snprintf(many, sizeof(many), ":bin:/nowhere:%s:", bin);
	setenv("PATH", many, 1);
	assert_true(helper_find("resolvectl", path));
	assert_string_equal(path, in(bin, "resolvectl"));
	assert_int_equal(chmod(path, 0644), 0);
	if (geteuid())
		assert_false(helper_find("resolvectl", path));
	setenv("PATH", "bin", 1);
	assert_int_equal(chmod(in(bin, "resolvectl"), 0755), 0);
	assert_int_equal(chdir(directory), 0);
	assert_false(helper_find("resolvectl", path));
	assert_int_equal(chdir("/"), 0);
	setenv("PATH", bin, 1);
}

/* A service with UMask=0077 would have resolvconf write a resolv.conf that nobody else can read. */
static void a_program_makes_files_for_all(void **state)
{
	const char *arguments[] = { "/bin/sh", "-c", "test \"$(umask)\" = 0022", NULL };
	const mode_t before = umask(077);
	char why[DNS_WHY_SIZE];

	(void)state;
	assert_true(dns_plain_runner.run(NULL, arguments, "", why));
	assert_int_equal(umask(before), 077);
}

static void a_program_reads_its_input(void **state)
{
	char script[160], why[DNS_WHY_SIZE];
	const char *arguments[] = { "/bin/sh", "-c", script, NULL };

	(void)state;
	setenv("NOTIFY_SOCKET", "/run/x", 1);
	snprintf(script, sizeof(script),
		"test \"$(/bin/cat)\" = 'one two' && test -z \"$NOTIFY_SOCKET\" && test -n "
		"\"$PATH\"");
	assert_true(dns_plain_runner.run(NULL, arguments, "one two\n", why));
	assert_false(dns_plain_runner.run(NULL, arguments, "one\n", why));
	assert_string_equal(why, "/bin/sh ended with status 1");
	arguments[0] = "/nowhere/at/all";
	assert_false(dns_plain_runner.run(NULL, arguments, "", why));
	assert_string_equal(why, "/nowhere/at/all ended with status 127");
	unsetenv("NOTIFY_SOCKET");
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_back_end_by_what_there_is),
		TEST(without_root),
		TEST(resolved_is_busy),
		TEST(resolved_without_its_program),
		TEST(by_resolved),
		TEST(resolved_fails),
		TEST(resolved_and_a_device_that_is_gone),
		TEST(a_change_that_fails_half_way),
		TEST(another_back_end_than_before),
		TEST(by_resolvconf),
		TEST(resolvconf_fails),
		TEST(record_that_cannot_be_read),
		TEST(record_that_stays),
		TEST(by_file),
		TEST(a_directory_that_a_user_has_locked),
		TEST(no_place_for_the_record),
		TEST(what_goes_through_the_tunnel),
		TEST(programs_on_the_path),
		TEST(a_program_makes_files_for_all),
		TEST(a_program_reads_its_input),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
