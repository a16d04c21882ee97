/* SPDX-License-Identifier: ISC */
/* Tunnels that are given by options in a file's place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <getopt.h>
#include <sodium.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/given.h"
#include "host/config.h"

#define KEY_1 "yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk="
#define KEY_2 "xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg="

enum { WORDS_MAX = 12, SAID_MAX = 16384 };

static char directory[] = "/tmp/culvert-given-XXXXXX";
static char said[SAID_MAX]; /* by the last command */

/* ---- helpers ---- */

static void write_file(const char *name, const char *text)
{
	FILE *file = fopen(name, "w");

	assert_non_null(file);
	assert_int_equal(fputs(text, file) < 0 || fclose(file), 0);
	assert_int_equal(chmod(name, 0600), 0);
}

/* There are key files there, so that all names in the tests are found from here. */
static int enter_directory(void **state)
{
	(void)state;
	if (sodium_init() < 0 || !mkdtemp(directory) || chdir(directory))
		return -1;
	write_file("key", KEY_1 "\n");
	return 0;
}

static int leave_directory(void **state)
{
	(void)state;
	unlink("key");
	unlink("t.conf");
	return chdir("/") || rmdir(directory);
}

static const struct config_option *option_of(const char *name)
{
	for (size_t i = 0; config_option_at(i); i++)
		if (!strcmp(config_option_at(i)->name, name))
			return config_option_at(i);
	fail_msg("there is no key %s", name);
	return NULL;
}

/* culvert COMMAND WORD...; all that it says is in said. */
static int command(int (*run)(int argc, char **argv), const char *const *words)
{
	char *argv[WORDS_MAX + 2] = { (char *)"check" };
	const int saved[] = { dup(STDOUT_FILENO), dup(STDERR_FILENO) };
	FILE *file = tmpfile();
	int argc = 1, status;

	assert_non_null(file);
	for (; argc <= WORDS_MAX && words[argc - 1]; argc++)
		argv[argc] = (char *)words[argc - 1];
	fflush(stdout);
	dup2(fileno(file), STDOUT_FILENO);
	dup2(fileno(file), STDERR_FILENO);
	optind = 0;
	status = run(argc, argv);
	fflush(stdout);
	dup2(saved[0], STDOUT_FILENO);
	dup2(saved[1], STDERR_FILENO);
	close(saved[0]);
	close(saved[1]);
	rewind(file);
	said[fread(said, 1, sizeof(said) - 1, file)] = 0;
	fclose(file);
	return status;
}

static void expect_said(const char *text)
{
	if (!strstr(said, text))
		fail_msg("it does not say: %s\nbut: %s", text, said);
}

/* ---- tests ---- */

static void words_of_keys(void **state)
{
	static const struct {
		const char *key, *word;
	} cases[] = {
		{ "Address", "--address" },
		{ "AllowedIPs", "--allowed-ips" },
		{ "MTU", "--mtu" },
		{ "DNS", "--dns" },
		{ "FwMark", "--fw-mark" },
		{ "SharedKeyFile", "--shared-key-file" },
		{ "PersistentKeepalive", "--persistent-keepalive" },
		{ "KillSwitch", "--kill-switch" },
	};
	struct config_word word, other;
	(void)state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		config_option_word(&word, option_of(cases[i].key));
		assert_string_equal(word.text, cases[i].word);
	}
	for (size_t i = 0; config_option_at(i); i++) {
		config_option_word(&word, config_option_at(i));
		assert_int_equal(
			strspn(word.text, "abcdefghijklmnopqrstuvwxyz-"), strlen(word.text));
		for (size_t j = 0; j < i; j++) {
			config_option_word(&other, config_option_at(j));
			assert_string_not_equal(word.text, other.text);
		}
	}
}

static void assert_same_prefixes(const struct config_prefixes *a, const struct config_prefixes *b)
{
	assert_int_equal(a->count, b->count);
	for (size_t i = 0; i < a->count; i++) {
		assert_int_equal(a->items[i].family, b->items[i].family);
		assert_int_equal(a->items[i].length, b->items[i].length);
		assert_memory_equal(a->items[i].address, b->items[i].address, 16);
	}
}

/* The options in any order make what a file makes. */
static void as_a_file(void **state)
{
	const struct config_given given[] = {
		{ option_of("Endpoint"), "[2001:db8::1]:51820" },
		{ option_of("Address"), "10.9.0.1/30" },
		{ option_of("AllowedIPs"), "10.9.0.2/32, 10.0.0.0/8" },
		{ option_of("SharedKeyFile"), "key" },
		{ option_of("Address"), "fd00::1/64" },
		{ option_of("KillSwitch"), NULL },
		{ option_of("PostUp"), " echo ';' [%i] = \"x\"" },
		{ option_of("AllowedIPs"), "fd00::/64" },
		{ option_of("MTU"), "1400" },
	};
	struct config_problems problems;
	struct config *from_file, *config;
	(void)state;

	write_file("t.conf",
		"[Interface]\nAddress = 10.9.0.1/30, fd00::1/64\nSharedKeyFile = key\n"
		"KillSwitch = yes\nPostUp = echo ';' [%i] = \"x\"\nMTU = 1400\n[Peer]\n"
		"Endpoint = [2001:db8::1]:51820\n"
		"AllowedIPs = 10.9.0.2/32, 10.0.0.0/8, fd00::/64\n");
	assert_int_equal(config_load("./t.conf", &from_file, &problems), 0);
	config_problems_free(&problems);
	assert_int_equal(config_load_given("culvert7", given, sizeof(given) / sizeof(*given),
				 &config, &problems),
		0);
	assert_int_equal(problems.count, 0);
	config_problems_free(&problems);

	assert_true(config->from_options);
	assert_false(from_file->from_options);
	assert_string_equal(config->name, "culvert7");
	assert_string_equal(config->device, "culvert7");
	assert_same_prefixes(&config->addresses, &from_file->addresses);
	assert_true(config_key_same(&config->shared_key, &from_file->shared_key));
	assert_true(config->kill_switch);
	assert_int_equal(config->mtu, 1400);
	assert_int_equal(config->post_up.count, 1);
	assert_string_equal(config->post_up.items[0], from_file->post_up.items[0]);
	assert_int_equal(config->peer_count, 1);
	assert_same_prefixes(&config->peers[0].allowed_ips, &from_file->peers[0].allowed_ips);
	assert_string_equal(config->peers[0].endpoint.host, "2001:db8::1");
	assert_string_equal(config->peers[0].endpoint.port, "51820");
	assert_string_equal(config->peers[0].cipher, "auto");
	config_free(config);
	config_free(from_file);
}

/* The end that is called has nothing to say of its peer; without a shared key there is none. */
static void peers_unsaid(void **state)
{
	struct config_given given[] = { { option_of("SharedKeyFile"), "key" } };
	struct config_problems problems;
	struct config *config;
	(void)state;

	assert_int_equal(config_load_given("culvert0", given, 1, &config, &problems), 0);
	assert_int_equal(config->peer_count, 1);
	config_free(config);
	config_problems_free(&problems);
	given[0].option = option_of("PrivateKeyFile");
	assert_int_equal(config_load_given("culvert0", given, 1, &config, &problems), 0);
	assert_int_equal(config->peer_count, 0);
	config_free(config);
	config_problems_free(&problems);
}

/* Each key is an option: what is wrong with its value is said by its word. Those that may be empty
 * are taken. */
static void each_key(void **state)
{
	size_t wrong = 0;
	(void)state;

	for (size_t i = 0; config_option_at(i); i++) {
		const struct config_option *option = config_option_at(i);
		struct config_word word;
		char expected[128], empty[64];

		if (option->flags & CONFIG_SECRET)
			continue;
		config_option_word(&word, option);
		snprintf(empty, sizeof(empty), "%s=", word.text);
		const char *const words[] = { "--shared-key-file=key", empty, NULL };
		const int status = command(cli_check, words);
		if (option->flags & CONFIG_MAY_BE_EMPTY) {
			assert_int_equal(status, CLI_OK);
			continue;
		}
		assert_int_equal(status, CLI_FAILED);
		snprintf(expected, sizeof(expected), "%s: %s ", word.text, option->name);
		expect_said(expected);
		wrong++;
	}
	assert_true(wrong > 15);
}

/* What holds a secret itself is refused, not shown, and its file's key named. */
static void secrets(void **state)
{
	size_t count = 0;
	(void)state;

	for (size_t i = 0; config_option_at(i); i++) {
		const struct config_option *option = config_option_at(i);
		struct config_word word;
		char expected[128];

		if (!(option->flags & CONFIG_SECRET))
			continue;
		config_option_word(&word, option);
		const char *const words[] = { word.text, KEY_1, NULL };
		assert_int_equal(command(cli_check, words), CLI_FAILED);
		snprintf(expected, sizeof(expected), "%s: %s is a secret", word.text, option->name);
		expect_said(expected);
		snprintf(expected, sizeof(expected), "give %s-file FILE", word.text);
		expect_said(expected);
		assert_null(strstr(said, "yAnz5TF"));
		count++;
	}
	assert_int_equal(count, 3);
}

static void mistakes(void **state)
{
	static const struct {
		const char *words[WORDS_MAX];
		int status;
		const char *says;
	} cases[] = {
		{ { "--shared-key-file", "key", "--endpoint", "b" }, 1,
			"--endpoint: Endpoint = 'b'" },
		{ { "--shared-key-file", "none" }, 1,
			"--shared-key-file: SharedKeyFile: cannot open 'none': No such file" },
		{ { "--address", "10.9.0.1/30" }, 1,
			"the command line: there is no key: give --shared-key-file FILE" },
		{ { "--shared-key-file", "key", "--private-key-file", "key" }, 1,
			"--private-key-file: a shared-key tunnel has no private key: remove this "
			"or "
			"--shared-key-file" },
		{ { "--shared-key-file", "key", "--public-key", KEY_2 }, 1,
			"--public-key: the peer of a shared-key tunnel has no PublicKey: remove "
			"it" },
		{ { "--private-key-file", "key", "--endpoint", "b:1" }, 1,
			"the command line: the peer has no --public-key" },
		{ { "--private-key-file", "key", "--public-key", KEY_2 }, 0,
			"the command line: warning: there are no --allowed-ips: nothing goes" },
		{ { "--shared-key-file", "key", "--listen-port", "7" }, 0,
			"the command line: warning: this host has no address in the tunnel: add "
			"--address 10.9.0.1/24, say\n" },
		{ { "--shared-key-file", "key", "--address", "10.9.0.1" }, 0,
			"such as 10.9.0.1/24, or add --allowed-ips PREFIX\n" },
		{ { "--shared-key-file", "key", "--address", "10.9.0.1/30" }, 0,
			"no end can begin: add --endpoint HOST:PORT for a peer, or --listen-port" },
		{ { "--shared-key-file", "key", "--mtu", "1400", "--mtu", "1300" }, 1,
			"--mtu: MTU was given before, in --mtu: remove one" },
		{ { "--shared-key-file", "key", "--mtu", "1000", "--address", "fd00::1/64" }, 1,
			"--mtu: MTU = 1000 is too small for the IPv6 Address in --address" },
		{ { "--shared-key-file", "key", "--address", "10.0.0.1/8", "--address",
			  "10.0.0.1/8" },
			0,
			"--address: warning: Address: 10.0.0.1/8 was given before, in --address" },
		{ { "--shared-key-file", "key", "--kill-switch" }, 1,
			"--kill-switch: KillSwitch = yes has" },
		{ { "--shared-key-file", "key", "--kill-switch", "no" }, 0, "no errors" },
		{ { "--shared-key-file", "key", "--kill-switch=perhaps" }, 1,
			"--kill-switch: KillSwitch = 'perhaps'" },
		{ { "--kill-switch", "yes", "--shared-key-file", "key", "--allowed-ips",
			  "10.0.0.0/8" },
			0, "no errors" },
		{ { "--shared-key-file", "key", "--device", "a/b" }, 1,
			"--device: Device = 'a/b'" },
		{ { "--shared-key-file", "key", "--save-config", "true" }, 1,
			"the command line: SaveConfig has no file to save to" },
		{ { "--shared-key-file", "key", "--post-up", "echo a # b" }, 1,
			"--post-up: PostUp cannot hold a '#'" },
		{ { "--shared-key-file", "key", "--name", "a\n[Peer]" }, 1,
			"--name: Name cannot hold a line break" },
		{ { "--shared-key-file", "key", "--name", "a\tb\033" }, 1,
			"--name: there is a control character" },
		{ { "--shared-key-file", "key", "office" }, 2,
			"office is a tunnel's name or file, and --shared-key-file describes a "
			"tunnel" },
		{ { "./office.conf", "--mtu", "1400" }, 2,
			"./office.conf is a tunnel's name or file, and --mtu describes a tunnel "
			"without one: write it into the file, or leave the name out\n" },
		{ { "--allowed-ips", "10.0.0.0/8", "fd00::/8", "--mtu", "1400" }, 2,
			"fd00::/8 stands alone: several values have commas between them, as in "
			"--allowed-ips 10.0.0.0/8,fd00::/8; and" },
		{ { "--mtu=1400", "--address=10.0.0.1/8", "fd00::1/8" }, 2,
			"as in --address 10.0.0.1/8,fd00::1/8; and" },
		{ { "--name", "Ada", "Lovelace", "--mtu", "1400" }, 2,
			"(if it belongs to the value of --name: quotes around that)\n" },
		{ { "--persistent", "office" }, 2, "or leave the name out\n" },
		{ { "--persistent", "--", "-x" }, 2, "or leave the name out\n" },
		{ { "--endpoint", "--shared-key-file", "key" }, 2,
			"--endpoint has no value before --shared-key-file (one that begins with "
			"'-' is given as --endpoint=VALUE)\n" },
		{ { "--endpoint", "--shared-key-file=key" }, 2,
			"value before --shared-key-file (" },
		{ { "--device", "-v", "--shared-key-file", "key" }, 2, "no value before -v (" },
		{ { "--shared-key-file", "key", "--mtu", "-5" }, 1, "--mtu: MTU = '-5'" },
		{ { "--shared-key-file", "key", "--device=-x", "--dns", "10.0.0.1" }, 1,
			"choose another with --device" },
		{ { "--shared-key-file", "key", "--bridge", "br0" }, 1, "add --mode tap here and" },
		{ { "--private-key-file", "key", "--public-key", KEY_2, "--mode", "tap" }, 1,
			"Mode = tap (--mode) is not in WireGuard's protocol: add --cipher auto here" },
		{ { "--shared-key-file", "key", "--adress", "10.9.0.1/30" }, 2,
			"wrong option --adress; did you mean --address?" },
		{ { "--privat-key=" KEY_1 }, 2,
			"wrong option --privat-key; did you mean --private-key?" },
		{ { "--frobnicate" }, 2, "wrong option --frobnicate\n" },
		{ { "-shared-key-file", "key" }, 2,
			"wrong option -shared-key-file; did you mean --shared-key-file?" },
		{ { "-mtu=1400" }, 2, "wrong option -mtu; did you mean --mtu?" },
		{ { "-x" }, 2, "wrong option -x\n" },
		{ { "--help=all" }, 2, "--help takes no value\n" },
		{ { "-xyz", "key" }, 2, "wrong option -x\n" },
		{ { "--private-key-file", "key", "--address", "10.0.0.1/8" }, 0,
			"the command line: warning: there is no peer: give its --public-key and "
			"--allowed-ips\n" },
		{ { "--endpoint" }, 2, "--endpoint needs a value" },
		{ { NULL }, 2, "name a tunnel, or a file" },
	};
	(void)state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const int status = command(cli_check, cases[i].words);

		expect_said(cases[i].says);
		if (status != cases[i].status)
			fail_msg("status %d with: %s", status, said);
		assert_null(strstr(said, "yAnz5TF"));
	}
}

/* Both commands tell of each key, but not of those that they refuse; and run of what is missing. */
static void help(void **state)
{
	static const char *const words[] = { "--help", NULL }, *const none[] = { NULL };
	static int (*const commands[])(int, char **) = { cli_run, cli_check };
	(void)state;

	for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++) {
		assert_int_equal(command(commands[i], words), CLI_OK);
		for (size_t row = 0; config_option_at(row); row++) {
			const struct config_option *option = config_option_at(row);
			char line[CONFIG_WORD_SIZE + 8];
			struct config_word word;

			config_option_word(&word, option);
			snprintf(line, sizeof(line), "\n      %s ", word.text);
			if (option->flags & CONFIG_SECRET)
				assert_null(strstr(said, line));
			else
				expect_said(line);
		}
		for (const char *line = said; line; line = strchr(line, '\n')) {
			line += *line == '\n';
			assert_true(strcspn(line, "\n") <= 90);
		}
	}
	assert_int_equal(command(cli_run, none), CLI_USAGE);
	expect_said("name one tunnel, or its file, or give a tunnel by options");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_of_keys),
		cmocka_unit_test(as_a_file),
		cmocka_unit_test(peers_unsaid),
		cmocka_unit_test(each_key),
		cmocka_unit_test(secrets),
		cmocka_unit_test(mistakes),
		cmocka_unit_test(help),
	};

	return cmocka_run_group_tests(tests, enter_directory, leave_directory);
}
