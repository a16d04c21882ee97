/* SPDX-License-Identifier: ISC */
/* culvert strip: what stays of a file for `wg setconf`. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/strip.h"
#include "host/policy.h"

#define KEY_1 "yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk="
#define KEY_2 "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI="
#define PUBLIC_1 "xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg="
#define PUBLIC_2 "TrMvSoP4jYQlY6RIzBgbssQqY3vxI2Pi+y71lOWWXX0="

static char directory[] = "/tmp/culvert-strip-XXXXXX";
static char conf[64], key[64];

static void write_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_int_equal(chmod(path, 0600), 0);
	fputs(text, file);
	assert_int_equal(fclose(file), 0);
}

static int set_up(void **state)
{
	(void)state;
	if (!mkdtemp(directory))
		return -1;
	snprintf(conf, sizeof(conf), "%s/wg0.conf", directory);
	snprintf(key, sizeof(key), "%s/wg0.key", directory);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	unlink(conf);
	unlink(key);
	return rmdir(directory);
}

static int strip(const char *file, struct text *text, const char **why)
{
	struct config_problems problems;
	struct config *config;
	int error;

	write_file(conf, file);
	assert_int_equal(config_load(conf, &config, &problems), 0);
	config_problems_free(&problems);
	error = strip_config(config, text, why);
	assert_false(text->failed);
	config_free(config);
	return error;
}

static void assert_stripped(const char *file, const char *expected)
{
	struct text text = { 0 };
	const char *why = NULL;

	assert_int_equal(strip(file, &text, &why), 0);
	assert_string_equal(text.bytes, expected);
	text_free(&text);
}

static void what_wg_knows_stays(void **state)
{
	(void)state;
	assert_stripped("[Interface]\r\nPrivateKey = " KEY_1 " # mine\r\nAddress = 10.9.0.1/24\r\n"
			"DNS = 10.9.0.2\r\nListenPort = 51820\r\nFwMark = 51820\r\nMTU = 1400\r\n"
			"PostUp = true\r\nTable = off\r\n"
			"[Peer]\r\nName = b\r\nPublicKey = " PUBLIC_1 "\r\nPresharedKey = " KEY_2
			"\r\nAllowedIPs = 10.0.0.0/8, fd00::/64\r\nEndpoint = [2001:db8::1]:7\r\n"
			"PersistentKeepalive = 25\r\n"
			"[Peer]\r\nPublicKey = " PUBLIC_2
			"\r\nEndpoint = vpn.example.net:51820\r\n",
		"[Interface]\nPrivateKey = " KEY_1 "\nListenPort = 51820\nFwMark = 0xca6c\n"
		"\n[Peer]\nPublicKey = " PUBLIC_1 "\nPresharedKey = " KEY_2
		"\nAllowedIPs = 10.0.0.0/8\nAllowedIPs = fd00::/64\n"
		"Endpoint = [2001:db8::1]:7\nPersistentKeepalive = 25\n"
		"\n[Peer]\nPublicKey = " PUBLIC_2 "\nEndpoint = vpn.example.net:51820\n");
}

/* The device's name is the file's: wg0. */
static void an_automatic_mark_stays(void **state)
{
#define FILE_WITH(line, allowed)                                                     \
	"[Interface]\nPrivateKey = " KEY_1 "\n" line "[Peer]\nPublicKey = " PUBLIC_1 \
	"\nAllowedIPs = " allowed "\n"
#define STRIPPED_WITH(line, allowed)                                                   \
	"[Interface]\nPrivateKey = " KEY_1 "\n" line "\n[Peer]\nPublicKey = " PUBLIC_1 \
	"\nAllowedIPs = " allowed "\n"
	char expected[512];

	(void)state;
	snprintf(expected, sizeof(expected), STRIPPED_WITH("FwMark = 0x%x\n", "0.0.0.0/0"),
		policy_mark("wg0"));
	assert_stripped(FILE_WITH("", "0.0.0.0/0"), expected);
	assert_stripped(FILE_WITH("FwMark = off\n", "0.0.0.0/0"), expected);
	assert_stripped(FILE_WITH("FwMark = 7\n", "0.0.0.0/0"),
		STRIPPED_WITH("FwMark = 0x7\n", "0.0.0.0/0"));
	assert_stripped(FILE_WITH("Table = off\n", "0.0.0.0/0"), STRIPPED_WITH("", "0.0.0.0/0"));
	assert_stripped(FILE_WITH("", "10.0.0.0/8"), STRIPPED_WITH("", "10.0.0.0/8"));
}

static void key_files_are_read_in(void **state)
{
	(void)state;
	write_file(key, KEY_2 "\n");
	assert_stripped("[Interface]\nPrivateKeyFile = wg0.key\nListenPort = 0\n",
		"[Interface]\nPrivateKey = " KEY_2 "\nListenPort = 0\n");
	assert_stripped("[Interface]\nPrivateKey = " KEY_1 "\n[Peer]\nPublicKey = " PUBLIC_1
			"\nPresharedKeyFile = wg0.key\nCipher = auto\n",
		"[Interface]\nPrivateKey = " KEY_1 "\n\n[Peer]\nPublicKey = " PUBLIC_1
		"\nPresharedKey = " KEY_2 "\n");
}

static void a_shared_key_cannot(void **state)
{
	struct text text = { 0 };
	const char *why = NULL;

	(void)state;
	assert_int_equal(
		strip("[Interface]\nSharedKey = " KEY_2 "\n[Peer]\n", &text, &why), -ENOTSUP);
	assert_int_equal(text.len, 0);
	assert_non_null(strstr(why, "shared-key"));
	text_free(&text);
}

static void an_ethernet_tunnel_cannot(void **state)
{
	struct text text = { 0 };
	const char *why = NULL;

	(void)state;
	assert_int_equal(strip("[Interface]\nPrivateKey = " KEY_1 "\nMode = tap\n[Peer]\n"
			       "PublicKey = " PUBLIC_1 "\nCipher = auto\n",
				 &text, &why),
		-ENOTSUP);
	assert_int_equal(text.len, 0);
	assert_non_null(strstr(why, "Mode = tap"));
	text_free(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_wg_knows_stays),
		cmocka_unit_test(an_automatic_mark_stays),
		cmocka_unit_test(key_files_are_read_in),
		cmocka_unit_test(a_shared_key_cannot),
		cmocka_unit_test(an_ethernet_tunnel_cannot),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
