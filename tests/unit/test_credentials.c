/* SPDX-License-Identifier: ISC */
/* Configuration and keys out of $CREDENTIALS_DIRECTORY, and a file without its keys. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/config.h"
#include "host/credentials.h"

#define KEY_1 "yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk="
#define KEY_2 "GL2s+oP0kZlhVZJ7hfFXd3hXhHOaD3hhDJ8tJ1mBs1o="
#define PUBLIC "xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg="

static char base[] = "/tmp/culvert-credentials-XXXXXX";
static struct config *config;
static struct config_problems problems;

static const char *path_of(const char *place, const char *name)
{
	static char path[512];

	snprintf(path, sizeof(path), "%s/%s/%s", base, place, name);
	return path;
}

static void write_file(const char *place, const char *name, const char *text, mode_t mode)
{
	const char *path = path_of(place, name);
	FILE *file;

	unlink(path);
	file = fopen(path, "w");
	assert_non_null(file);
	fputs(text, file);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(chmod(path, mode), 0);
}

static void forget(void)
{
	config_free(config);
	config = NULL;
	config_problems_free(&problems);
}

/* By name, as `culvert run office` does. */
static int load(void)
{
	char etc[256];

	forget();
	snprintf(etc, sizeof(etc), "%s/etc", base);
	return config_load_from(etc, "office", &config, &problems);
}

static void private_key_is(const char *text)
{
	char have[KEY_BASE64_SIZE];

	assert_non_null(config);
	key_to_base64(have, config->private_key.bytes);
	assert_string_equal(have, text);
}

static void offer_credentials(void)
{
	char directory[256];

	snprintf(directory, sizeof(directory), "%s/run", base);
	setenv("CREDENTIALS_DIRECTORY", directory, 1);
}

static void test_key_by_name(void **state)
{
	(void)state;
	write_file("etc", "office.conf", "[Interface]\nPrivateKeyFile = office.key\n", 0600);
	write_file("etc", "office.key", KEY_1 "\n", 0600);
	write_file("run", "office.key", KEY_2 "\n", 0400);
	assert_int_equal(load(), 0);
	private_key_is(KEY_1);
	offer_credentials();
	assert_int_equal(load(), 0);
	private_key_is(KEY_2);
	/* What is not there comes from where it always came from. */
	unlink(path_of("run", "office.key"));
	assert_int_equal(load(), 0);
	private_key_is(KEY_1);
	/* A path is no credential's name. */
	write_file("run", "office.key", KEY_2 "\n", 0400);
	write_file("etc", "office.conf", "[Interface]\nPrivateKeyFile = ./office.key\n", 0600);
	assert_int_equal(load(), 0);
	private_key_is(KEY_1);
}

static void test_every_key_file(void **state)
{
	(void)state;
	offer_credentials();
	write_file("run", "psk", KEY_2 "\n", 0400);
	write_file("etc", "office.conf",
		"[Interface]\nPrivateKey = " KEY_1 "\n[Peer]\nPublicKey = " PUBLIC
		"\nPresharedKeyFile = psk\n",
		0600);
	assert_int_equal(load(), 0);
	assert_true(config->peers[0].preshared_key.given);
	write_file("etc", "office.conf", "[Interface]\nSharedKeyFile = psk\n[Peer]\n", 0600);
	assert_int_equal(load(), 0);
	assert_true(config->shared_key.given);
}

/* systemd lets a user in by an access list, of which a mode shows the mask; that is no hole, as the
 * directory keeps others out. */
static void test_modes(void **state)
{
	static const struct {
		mode_t mode;
		int error;
	} cases[] = { { 0400, 0 }, { 0440, 0 }, { 0460, -EINVAL }, { 0444, -EINVAL } };

	(void)state;
	offer_credentials();
	write_file("etc", "office.conf", "[Interface]\nPrivateKeyFile = office.key\n", 0600);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		write_file("run", "office.key", KEY_2 "\n", cases[i].mode);
		assert_int_equal(load(), cases[i].error);
	}
	write_file("run", "office.key", KEY_2 "\n", 0400);
	write_file("etc", "office.conf", "[Interface]\nPrivateKey = " KEY_1 "\n", 0440);
	assert_int_equal(load(), -EINVAL);
}

static void test_whole_file(void **state)
{
	(void)state;
	write_file("etc", "office.conf", "[Interface]\nPrivateKey = " KEY_1 "\n", 0600);
	write_file("run", "office.conf", "[Interface]\nPrivateKeyFile = office.key\n", 0440);
	write_file("run", "office.key", KEY_2 "\n", 0440);
	assert_int_equal(load(), 0);
	private_key_is(KEY_1);
	assert_false(credentials_has(config->path));
	offer_credentials();
	assert_int_equal(load(), 0);
	private_key_is(KEY_2);
	assert_string_equal(config->name, "office");
	assert_string_equal(config->path, path_of("run", "office.conf"));
	assert_true(credentials_has(config->path));
	/* A key file that is no credential can be read by nobody there. */
	unlink(path_of("run", "office.key"));
	assert_int_equal(load(), -EINVAL);
	assert_non_null(strstr(problems.items[0].text,
		"write PrivateKeyFile = office.key here, and "
		"LoadCredential=office.key:/etc/culvert/office.key"));
	unlink(path_of("run", "office.conf"));
}

/* As root hands over the present file where a credential is that of the start. */
static void test_open_file(void **state)
{
	char path[512];
	int fd;

	(void)state;
	offer_credentials();
	write_file("run", "office.conf", "[Interface]\nPrivateKey = " KEY_1 "\n", 0400);
	write_file("etc", "office.conf", "[Interface]\nPrivateKey = " KEY_2 "\n", 0600);
	fd = open(path_of("etc", "office.conf"), O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	snprintf(path, sizeof(path), "%s", path_of("run", "office.conf"));
	forget();
	assert_int_equal(config_load_open(fd, path, &config, &problems), 0);
	private_key_is(KEY_2);
	assert_string_equal(config->path, path);
	assert_string_equal(config->name, "office");
	assert_int_equal(close(fd), 0);
	/* A file that others can read stays none to trust. */
	assert_int_equal(chmod(path_of("etc", "office.conf"), 0644), 0);
	fd = open(path_of("etc", "office.conf"), O_RDONLY | O_CLOEXEC);
	forget();
	assert_int_equal(config_load_open(fd, path, &config, &problems), -EINVAL);
	assert_int_equal(close(fd), 0);
	/* Nor is a directory a file. */
	fd = open(base, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	forget();
	assert_int_equal(config_load_open(fd, path, &config, &problems), -EINVAL);
	assert_int_equal(close(fd), 0);
	unlink(path);
}

static void test_directory_is_absolute(void **state)
{
	(void)state;
	setenv("CREDENTIALS_DIRECTORY", ".", 1);
	assert_null(credentials_find("."));
	setenv("CREDENTIALS_DIRECTORY", "", 1);
	assert_null(credentials_find("passwd"));
	setenv("CREDENTIALS_DIRECTORY", "/etc", 1);
	assert_null(credentials_find("../etc/passwd"));
	assert_null(credentials_find(""));
	assert_false(credentials_has("/etcetera/passwd"));
	assert_false(credentials_has("/etc/x/passwd"));
}

static int load_without_key_files(const char *text)
{
	forget();
	write_file("etc", "office.conf", text, 0600);
	return config_load_without_key_files(path_of("etc", "office.conf"), &config, &problems);
}

static void test_without_key_files(void **state)
{
	static const struct {
		const char *text;
		int error;
	} cases[] = {
		{ "[Interface]\nPrivateKeyFile = /nowhere/key\n[Peer]\nPublicKey = " PUBLIC
		  "\nPresharedKeyFile = nowhere\nAllowedIPs = 10.0.0.0/8\n",
			0 },
		{ "[Interface]\nSharedKeyFile = /nowhere/key\n[Peer]\n", 0 },
		{ "[Interface]\nPrivateKey = " KEY_1 "\n", 0 },
		/* What is wrong with the file itself stays so. */
		{ "[Interface]\n", -EINVAL },
		{ "[Interface]\nPrivateKeyFile = " KEY_1 "\n", -EINVAL },
		{ "[Interface]\nPrivateKey = " KEY_1 "x\n", -EINVAL },
		{ "[Interface]\nPrivateKeyFile = a\nSharedKeyFile = b\n", -EINVAL },
		{ "[Interface]\nPrivateKeyFile = a\nPrivateKeyFile = b\n", -EINVAL },
		{ "[Interface]\nPrivateKeyFile = a\n[Peer]\nAllowedIPs = 10.0.0.0/99\n", -EINVAL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		assert_int_equal(load_without_key_files(cases[i].text), cases[i].error);
	assert_int_equal(load_without_key_files(cases[0].text), 0);
	assert_false(config->private_key.given);
	assert_int_equal(config->peers[0].allowed_ips.count, 1);
	forget();
	assert_int_equal(config_load(path_of("etc", "office.conf"), &config, &problems), -EINVAL);
}

static int forget_credentials(void **state)
{
	(void)state;
	unsetenv("CREDENTIALS_DIRECTORY");
	return 0;
}

static int make_places(void **state)
{
	(void)state;
	if (sodium_init() < 0 || !mkdtemp(base))
		return -1;
	return mkdir(path_of("etc", ""), 0700) || mkdir(path_of("run", ""), 0700) ? -1 : 0;
}

static int remove_places(void **state)
{
	static const char *const places[] = { "etc", "run" };
	static const char *const files[] = { "office.conf", "office.key", "psk" };

	(void)state;
	forget();
	for (size_t i = 0; i < 2; i++) {
		for (size_t j = 0; j < 3; j++)
			unlink(path_of(places[i], files[j]));
		rmdir(path_of(places[i], ""));
	}
	return rmdir(base);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_key_by_name, forget_credentials),
		cmocka_unit_test_setup(test_every_key_file, forget_credentials),
		cmocka_unit_test_setup(test_modes, forget_credentials),
		cmocka_unit_test_setup(test_whole_file, forget_credentials),
		cmocka_unit_test_setup(test_open_file, forget_credentials),
		cmocka_unit_test_setup(test_directory_is_absolute, forget_credentials),
		cmocka_unit_test_setup(test_without_key_files, forget_credentials),
	};

	return cmocka_run_group_tests(tests, make_places, remove_places);
}
