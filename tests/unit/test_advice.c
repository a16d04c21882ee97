/* SPDX-License-Identifier: ISC */
/* What is said of tunnels that are right and would hardly do as they were meant; and of no example.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <dirent.h>
#include <sodium.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/advice.h"
#include "host/config.h"

#define KEY "yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk="
#define OWN "[Interface]\nDevice = no-such-here\nPrivateKey = " KEY "\n"
#define SHARED "[Interface]\nDevice = no-such-here\nSharedKey = " KEY "\n"
#define PORT "ListenPort = 51820\n"
#define NET "Address = 10.9.0.1/24\n"
#define PEER "[Peer]\nPublicKey = xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=\n"
#define IPS "AllowedIPs = 10.9.0.2/32\n"
#define ENDPOINT "Endpoint = b:51820\n"

enum { FILE_MAX = 65536 };

static char directory[] = "/tmp/culvert-advice-XXXXXX";
static char said[4096];

/* ---- helpers ---- */

static void write_file(const char *name, const char *text)
{
	FILE *file = fopen(name, "w");

	assert_non_null(file);
	assert_int_equal(fputs(text, file) < 0 || fclose(file), 0);
	assert_int_equal(chmod(name, 0600), 0);
}

/* All that is said of the tunnel is in said. */
static void ask(const struct config *config)
{
	const int saved = dup(STDERR_FILENO);
	FILE *file = tmpfile();

	assert_non_null(file);
	dup2(fileno(file), STDERR_FILENO);
	advice_print(config);
	fflush(stderr);
	dup2(saved, STDERR_FILENO);
	close(saved);
	rewind(file);
	said[fread(said, 1, sizeof(said) - 1, file)] = 0;
	fclose(file);
}

static void ask_of(const char *text)
{
	struct config_problems problems;
	struct config *config;

	write_file("t.conf", text);
	if (config_load("./t.conf", &config, &problems)) {
		config_problems_print(&problems, stderr);
		fail_msg("it cannot be read:\n%s", text);
	}
	config_problems_free(&problems);
	ask(config);
	config_free(config);
}

/* ---- tests ---- */

/* Each gets its one line. */
static void what_is_missing(void **state)
{
	static const struct {
		const char *file, *says;
	} cases[] = {
		{ SHARED PORT "[Peer]\n",
			"./t.conf: warning: this host has no address in the tunnel: add " },
		{ OWN PORT PEER IPS, "add Address = 10.9.0.1/24, say\n" },
		{ SHARED "Mode = tap\n" PORT "[Peer]\n",
			"add Address = 10.9.0.1/24, say, or Bridge = BRIDGE\n" },
		{ SHARED "Address = 10.9.0.1\n" PORT "[Peer]\n",
			"./t.conf:4: warning: Address = 10.9.0.1/32 is this host alone: nothing "
			"goes into the tunnel; give it the length of a network that both ends are "
			"in, such as 10.9.0.1/24, or add AllowedIPs = PREFIX\n" },
		{ SHARED "Address = fd00::1, 10.9.0.1/32\n[Peer]\n" ENDPOINT, "as fd00::1/64, or" },
		{ SHARED "Address = 10.9.0.1\nMode = tap\n" PORT "[Peer]\n",
			"such as 10.9.0.1/24\n" },
		{ OWN "Mode = tap\nAddress = 10.9.0.1\n" PORT PEER "Cipher = auto\n",
			"10.9.0.1/32 is this host alone: nothing goes" },
		{ SHARED NET "[Peer]\n", "./t.conf: warning: no end can begin: " },
		{ OWN NET "ListenPort = 0\n" PEER IPS,
			"add Endpoint = HOST:PORT for a peer, or ListenPort = 51820" },
		{ OWN NET "PostUp = sysctl -q x=1\n" PEER IPS, "no end can begin" },
		{ OWN NET PORT, "./t.conf: warning: there is no [Peer]: nothing goes anywhere" },
		{ OWN NET PORT PEER, "./t.conf:6: warning: this [Peer] has no AllowedIPs: " },
	};
	(void)state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		ask_of(cases[i].file);
		const char *end = strchr(said, '\n');
		if (!strstr(said, cases[i].says) || !end || end[1])
			fail_msg("of\n%s\nit says:\n%s", cases[i].file, said);
	}
}

static void what_is_right(void **state)
{
	static const char *const files[] = {
		SHARED NET PORT "[Peer]\n",
		SHARED NET "[Peer]\n" ENDPOINT,
		SHARED "Address = 10.9.0.1/31\n" PORT "[Peer]\n",
		SHARED "Address = 10.9.0.1, fe80::1/64\n" PORT "[Peer]\n",
		SHARED "Address = 10.9.0.1\n" PORT "[Peer]\n" IPS,
		SHARED "Address = 10.9.0.1\nTable = off\n" PORT "[Peer]\n",
		SHARED "Address = 10.9.0.1\nPostUp = ip route add x\n" PORT "[Peer]\n",
		SHARED "Mode = tap\nBridge = br0\n" PORT "[Peer]\n",
		SHARED "NetworkNamespace = vpn\n" PORT "[Peer]\n",
		SHARED "PreUp = ip address add x dev %i\n" PORT "[Peer]\n",
		/* as WireGuard's are */
		OWN "Address = 10.0.0.2/32\n" PEER IPS ENDPOINT,
		OWN "Address = 10.0.0.2\n" PEER "AllowedIPs = 0.0.0.0/0, ::/0\n" ENDPOINT,
		OWN "Address = 10.0.0.2, fd00::2\n" PEER "AllowedIPs = 0.0.0.0/0\n" ENDPOINT,
		OWN NET "PostUp = wg set %i listen-port 7\n" PEER IPS,
		OWN NET "PostUp = wg addconf %i peers\n",
	};
	(void)state;

	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++) {
		ask_of(files[i]);
		if (*said)
			fail_msg("of\n%s\nit says:\n%s", files[i], said);
	}
}

/* What whoever starts us has opened has its addresses and its port. */
static void what_is_handed_over(void **state)
{
	(void)state;
	setenv("WG_TUN_FD", "3", 1);
	ask_of(SHARED "[Peer]\n");
	unsetenv("WG_TUN_FD");
	assert_string_equal(said, "");
}

/* ---- the examples ---- */

/* Writes a key of its own for each word such as PUBLIC-KEY-OF-ADA. */
static void fill_in(char *text, size_t size)
{
	static const char *const words[] = { "PUBLIC-KEY-OF-", "PRIVATE-KEY-OF-", "PRESHARED-KEY" };
	char *rest = malloc(size), base64[KEY_BASE64_SIZE], *at;
	uint8_t key[KEY_LEN] = { 1 };

	assert_non_null(rest);
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
		while ((at = strstr(text, words[i]))) {
			strcpy(rest, at + strcspn(at, "\n"));
			key[1]++;
			key_to_base64(base64, key);
			snprintf(at, size - (size_t)(at - text), "%s%s", base64, rest);
		}
	}
	free(rest);
}

static void make_key_files(const char *text)
{
	char name[64];

	while ((text = strstr(text, "KeyFile = "))) {
		text += strlen("KeyFile = ");
		assert_int_equal(sscanf(text, "%63s", name), 1);
		write_file(name, KEY "\n");
	}
}

static void ask_of_example(const char *path)
{
	static char text[FILE_MAX];
	FILE *file = fopen(path, "r");

	if (!file)
		fail_msg("%s cannot be read", path);
	text[fread(text, 1, sizeof(text) / 2, file)] = 0;
	fclose(file);
	if (!strstr(text, "[Interface]")) /* a piece of one */
		return;
	fill_in(text, sizeof(text));
	make_key_files(text);
	ask_of(text);
	if (*said)
		fail_msg("of %s it says:\n%s", path, said);
}

static size_t ask_of_examples(const char *top, const char *below)
{
	char path[8192];
	struct dirent *entry;
	size_t count = 0;

	snprintf(path, sizeof(path), "%s/%s", top, below);
	DIR *entries = opendir(path);
	assert_non_null(entries);
	while ((entry = readdir(entries))) {
		const size_t len = strlen(entry->d_name);

		if (len < 5 || strcmp(entry->d_name + len - 5, ".conf") ||
			strstr(entry->d_name, "sysctl"))
			continue;
		snprintf(path, sizeof(path), "%s/%s/%s", top, below, entry->d_name);
		ask_of_example(path);
		count++;
	}
	closedir(entries);
	return count;
}

static char top[4096];

static void no_example(void **state)
{
	(void)state;
	assert_true(ask_of_examples(top, "conf") >= 6);
	assert_true(ask_of_examples(top, "doc/tutorial") >= 15);
}

static int enter(void **state)
{
	const char *source = getenv("srcdir");
	(void)state;

	if (!realpath(source ? source : ".", top))
		return -1;
	unsetenv("LISTEN_FDS");
	return sodium_init() < 0 || !mkdtemp(directory) || chdir(directory) ? -1 : 0;
}

static int leave(void **state)
{
	DIR *entries = opendir(".");
	struct dirent *entry;
	(void)state;

	while (entries && (entry = readdir(entries)))
		unlink(entry->d_name);
	if (entries)
		closedir(entries);
	return chdir("/") || rmdir(directory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_missing),
		cmocka_unit_test(what_is_right),
		cmocka_unit_test(what_is_handed_over),
		cmocka_unit_test(no_example),
	};

	return cmocka_run_group_tests(tests, enter, leave);
}
