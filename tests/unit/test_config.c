/* SPDX-License-Identifier: ISC */
/* Configuration files, right and wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <sodium.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/aead.h"
#include "host/config.h"
#include "config_wrong.h"

static char directory[] = "/tmp/culvert-config-XXXXXX";
static struct config *config;
static struct config_problems problems;

/* ---- helpers ---- */

static const char *path_of(const char *name)
{
	static char path[512];

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	return path;
}

static void write_file(const char *name, const void *text, size_t len, mode_t mode)
{
	unlink(path_of(name)); /* it may be read-only */
	FILE *file = fopen(path_of(name), "w");

	assert_non_null(file);
	assert_int_equal(fwrite(text, 1, len, file), len);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(chmod(path_of(name), mode), 0);
}

static void forget(void)
{
	config_free(config);
	config = NULL;
	config_problems_free(&problems);
}

static int load_bytes(const void *text, size_t len)
{
	forget();
	write_file("t.conf", text, len, 0600);
	const int error = config_load_from(directory, "t", &config, &problems);

	/* What holds of every file there is. */
	assert_true(error ? !config && problems.errors : config && !problems.errors);
	for (size_t i = 1; i < problems.count; i++)
		assert_true(problems.items[i - 1].line <= problems.items[i].line);
	return error;
}

static int load(const char *text)
{
	return load_bytes(text, strlen(text));
}

static void load_right(const char *text)
{
	if (load(text))
		config_problems_print(&problems, stderr);
	assert_non_null(config);
	assert_int_equal(problems.count, 0);
}

/* A file that makes exactly one problem. */
static void assert_problem(const char *text, unsigned line, bool warning, const char *fragment)
{
	const int error = load(text);
	const bool as_expected = problems.count == 1 && problems.items[0].line == line &&
				 problems.items[0].warning == warning &&
				 strstr(problems.items[0].text, fragment) && !error == warning;

	if (!as_expected) {
		print_error("file:\n%s\nexpected: %u: %s\n", text, line, fragment);
		config_problems_print(&problems, stderr);
	}
	assert_true(as_expected);
	/* Never the secret, nor half of it. */
	assert_null(strstr(problems.items[0].text, "yAnz5TF"));
	assert_null(strstr(problems.items[0].text, "mBs7sYq"));
}

static int remove_all(void **state)
{
	(void)state;
	forget();
	DIR *entries = opendir(directory);
	for (struct dirent *entry; entries && (entry = readdir(entries));)
		unlink(path_of(entry->d_name));
	if (entries)
		closedir(entries);
	return rmdir(directory);
}

static int make_directory(void **state)
{
	(void)state;
	return sodium_init() < 0 || !mkdtemp(directory) ? -1 : 0;
}

/* ---- right files ---- */

static void prefix_is(const struct config_prefix *prefix, const char *address, unsigned length)
{
	uint8_t bytes[16] = { 0 };

	assert_int_equal(inet_pton(prefix->family, address, bytes), 1);
	assert_memory_equal(prefix->address, bytes, sizeof(bytes));
	assert_int_equal(prefix->length, length);
}

static void key_is(const struct config_key *key, const char *text)
{
	char have[KEY_BASE64_SIZE];

	assert_true(key->given);
	key_to_base64(have, key->bytes);
	assert_string_equal(have, text);
}

static void every_key_reaches_its_field(void **state)
{
	(void)state;
	load_right(
		"[Interface]\nPrivateKey = " KEY_1 "\nAddress = 10.9.0.1/24, fd00::1/64 192.0.2.7\n"
		"Address = 2001:db8::9\nListenPort = 51820\nFwMark = 0xCA6c\nMTU = 1420\n"
		"Table = 4242\nUser = _culvert\nDevice = vpn0\nPreUp = a\nPostUp = b %i; c && d\n"
		"PostUp = e 'f' \"g\"\nPreDown = h\nPostDown = i ; j\nSaveConfig = false\n"
		"KillSwitch = yes\nMode = tun\nOffload = UDP\nPersistent = yes\n"
		"DNS = 10.9.0.2, fd09::2,corp.example ~lab.example\nDNS = 10.9.0.2 fe80::1%eth0 "
		"~.\n"
		"[Peer]\nPublicKey = " PUBLIC_1 "\nPresharedKey = " KEY_2 "\nName = Zo\xc3\xab's \n"
		"AllowedIPs = 10.0.0.0/8, 192.0.2.1,::/1\nAllowedIPs = 2001:db8::1\nAllowedIPs =\n"
		"Endpoint = vpn.example.net:51820\nPersistentKeepalive = 25\n"
		"Cipher = ChaCha20-Poly1305\n"
		"[Peer]\nPublicKey = " PUBLIC_2 "\nEndpoint = [fe80::1%eth0]:1\nCipher = auto\n");
	assert_string_equal(config->name, "t");
	assert_string_equal(config->device, "vpn0");
	assert_string_equal(config->path, path_of("t.conf"));
	key_is(&config->private_key, KEY_1);
	assert_false(config->shared_key.given);
	assert_int_equal(config->addresses.count, 4);
	prefix_is(&config->addresses.items[0], "10.9.0.1", 24);
	prefix_is(&config->addresses.items[1], "fd00::1", 64);
	prefix_is(&config->addresses.items[2], "192.0.2.7", 32);
	prefix_is(&config->addresses.items[3], "2001:db8::9", 128);
	assert_true(config->listen_port_given);
	assert_int_equal(config->listen_port, 51820);
	assert_int_equal(config->fwmark, 0xca6c);
	assert_int_equal(config->mtu, 1420);
	assert_int_equal(config->table, CONFIG_TABLE_NUMBER);
	assert_int_equal(config->table_number, 4242);
	assert_false(config->tap);
	assert_true(config->kill_switch);
	assert_true(config->persistent);
	assert_null(config->network_namespace);
	assert_string_equal(config->user, "_culvert");
	assert_int_equal(config->offload, FASTPATH_UDP);
	assert_int_equal(config->pre_up.count, 1);
	assert_int_equal(config->post_up.count, 2);
	assert_string_equal(config->post_up.items[0], "b %i; c && d");
	assert_string_equal(config->post_up.items[1], "e 'f' \"g\"");
	assert_string_equal(config->pre_down.items[0], "h");
	assert_string_equal(config->post_down.items[0], "i ; j");
	assert_int_equal(config->dns.servers.count, 3);
	assert_string_equal(config->dns.servers.items[1], "fd09::2");
	assert_string_equal(config->dns.servers.items[2], "fe80::1%eth0");
	assert_int_equal(config->dns.domains.count, 3);
	assert_string_equal(config->dns.domains.items[0], "corp.example");
	assert_string_equal(config->dns.domains.items[2], "~.");

	assert_int_equal(config->peer_count, 2);
	const struct config_peer *peer = &config->peers[0];
	key_is(&peer->public_key, PUBLIC_1);
	key_is(&peer->preshared_key, KEY_2);
	assert_string_equal(peer->name, "Zo\xc3\xab's");
	assert_int_equal(peer->line, 23);
	assert_int_equal(peer->allowed_ips.count, 4);
	prefix_is(&peer->allowed_ips.items[0], "10.0.0.0", 8);
	prefix_is(&peer->allowed_ips.items[1], "192.0.2.1", 32);
	prefix_is(&peer->allowed_ips.items[2], "::", 1);
	prefix_is(&peer->allowed_ips.items[3], "2001:db8::1", 128);
	assert_int_equal(peer->allowed_ips.items[3].line, 28);
	assert_string_equal(peer->endpoint.host, "vpn.example.net");
	assert_string_equal(peer->endpoint.port, "51820");
	assert_int_equal(peer->persistent_keepalive, 25);
	assert_string_equal(peer->cipher, "chacha20-poly1305");
	peer++;
	key_is(&peer->public_key, PUBLIC_2);
	assert_false(peer->preshared_key.given);
	assert_null(peer->name);
	assert_string_equal(peer->endpoint.host, "fe80::1%eth0");
	assert_string_equal(peer->endpoint.port, "1");
	assert_string_equal(peer->cipher, "auto");
	assert_int_equal(peer->persistent_keepalive, 0);
}

static void namespaces(void **state)
{
	static const char *const values[] = { "vpn", "/run/netns/vpn", "/proc/1/ns/net",
		"a.b-c_d" };
	char file[256];

	(void)state;
	for (size_t i = 0; i < sizeof(values) / sizeof(*values); i++) {
		snprintf(file, sizeof(file),
			"[Interface]\nPrivateKey = " KEY_1 "\nNetworkNamespace = %s\n", values[i]);
		load_right(file);
		assert_string_equal(config->network_namespace, values[i]);
		assert_false(config->persistent);
	}
}

static void ethernet_tunnels(void **state)
{
	(void)state;
	load_right(
		"[Interface]\nPrivateKey = " KEY_1 "\nMode = TAP\nMTU = 65440\nBridge = br-lan.7\n"
		"[Peer]\nPublicKey = " PUBLIC_1 "\nCipher = auto\n"
		"[Peer]\nPublicKey = " PUBLIC_2 "\nCipher = chacha20-poly1305\n");
	assert_true(config->tap);
	assert_string_equal(config->bridge, "br-lan.7");
	assert_int_equal(config->mtu, 65440);
	load_right("[Interface]\nSharedKey = " KEY_2 "\nMode = tap\nAddress = 10.9.0.1/24\n"
		   "DNS = 10.9.0.2\n[Peer]\n");
	assert_true(config->tap);
	assert_string_equal(config->bridge, "");
	assert_int_equal(config->addresses.count, 1);
}

static void what_is_left_out_has_its_default(void **state)
{
	(void)state;
	load_right(PEER);
	assert_string_equal(config->device, "t");
	assert_false(config->listen_port_given);
	assert_int_equal(config->fwmark, 0);
	assert_int_equal(config->mtu, 0);
	assert_int_equal(config->table, CONFIG_TABLE_AUTO);
	assert_false(config->kill_switch);
	assert_null(config->user);
	assert_int_equal(config->offload, FASTPATH_AUTO);
	assert_null(config->peers[0].cipher);
	assert_null(config->peers[0].endpoint.host);
	assert_int_equal(config->peers[0].allowed_ips.count, 0);
}

static void a_shared_key_tunnel(void **state)
{
	(void)state;
	load_right(SHARED "Address = 10.9.0.1/30\n[Peer]\nEndpoint = 192.0.2.1:5\n");
	assert_false(config->private_key.given);
	key_is(&config->shared_key, KEY_2);
	assert_int_equal(config->peer_count, 1);
	assert_false(config->peers[0].public_key.given);
	assert_string_equal(config->peers[0].cipher, "auto");
	load_right(SHARED "[Peer]\nCipher = chacha20-poly1305\n");
	assert_string_equal(config->peers[0].cipher, "chacha20-poly1305");
}

static void odd_but_right_files(void **state)
{
	static const char *const texts[] = {
		INTERFACE,
		PEER "# last line without its end",
		PEER "PersistentKeepalive = off",
		PEER "PersistentKeepalive = 65535",
		"[INTERFACE]\nprivatekey=" KEY_1 "\n[pEER]\nPUBLICKEY\t=\t" PUBLIC_1,
		"\n\n  [Interface]  # x\n\t\tPrivateKey = " KEY_1
		"#y\n \t\n\n[ Peer ]\n\n PublicKey=" PUBLIC_1,
		INTERFACE
		"FwMark = off\nTable = OFF\nListenPort = 0\nMTU = 576\nSaveConfig = FALSE\n",
		INTERFACE
		"Table = auto\nFwMark = 4294967295\nMTU = 65535\nAddress =\nPostUp =\nDNS =\n",
		INTERFACE "FwMark = 252\n[Peer]\nPublicKey = " PUBLIC_1
			  "\nAllowedIPs = 0.0.0.0/0, ::/0\n",
		INTERFACE "FwMark = 254\n[Peer]\nPublicKey = " PUBLIC_1
			  "\nAllowedIPs = 10.0.0.0/8\n",
		INTERFACE "Table = off\n[Peer]\nPublicKey = " PUBLIC_1
			  "\nAllowedIPs = 0.0.0.0/0,::/0\n",
		INTERFACE "Address = fd00::1/64\nMTU = 1280\n",
		INTERFACE "Device = a-b_c=d+e.f0123\n",
		INTERFACE "[Interface]\nListenPort = 7\n",
		INTERFACE "PostUp = echo it is # cut here, 'as it should be\n",
		INTERFACE "PostUp = echo ${x} 'a' \"b'c\" \\\" # right\n",
		"\xef\xbb\xbf" PEER,
		PEER "Endpoint = 192.0.2.1:1\n",
		PEER "Endpoint = [2001:db8::1]:65535\n",
		PEER "Endpoint = localhost:080\n",
		PEER "Endpoint = my_host.example.net.:51820\n",
		PEER "Endpoint = 0x.example:51820\n",
		PEER "AllowedIPs = 10.0.0.0/8\n[Peer]\nPublicKey = " PUBLIC_2
		     "\nAllowedIPs = 10.0.0.0/9\n",
	};
	(void)state;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		load_right(texts[i]);
}

static void metrics_places(void **state)
{
	static const char *const places[] = { "127.0.0.1:9586", "127.3.2.1:1", "[::1]:65535",
		"unix:/run/culvert/office.metrics" };
	char text[256];
	(void)state;

	load_right(INTERFACE);
	assert_null(config->metrics);
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		snprintf(text, sizeof(text), INTERFACE "Metrics = %s\n", places[i]);
		load_right(text);
		assert_string_equal(config->metrics, places[i]);
	}
}

/* As other programs write a peer's name. */
static void names_in_comments(void **state)
{
	static const struct {
		const char *lines, *name; /* NULL: none */
	} cases[] = {
		{ "# friendly_name = Anna's phone\n", "Anna's phone" },
		{ "#friendly_name=Zo\xc3\xab", "Zo\xc3\xab" },
		{ "  #\t friendly_name =  a b \r\n", "a b" },
		{ "# friendly_name = a\n# friendly_name = b\n", "a" },
		{ "# friendly_name = a\nName = b\n", "b" },
		{ "Name = b\n# friendly_name = a\n", "b" },
		{ "# friendly_name = a # b\n", "a # b" },
		{ "# friendly_name\n", NULL },
		{ "# friendly_name =\n", NULL },
		{ "# friendly_names = a\n", NULL },
		{ "# my friendly_name = a\n", NULL },
		{ "# friendly_name = a=b\n", NULL },
		{ "# friendly_name = a\tb\n", NULL },
		{ "# friendly_name = \xff\n", NULL },
		{ "# friendly_name = " KEY_1 KEY_1 "\n", NULL },
		{ "Cipher = auto # friendly_name = a\n", NULL },
	};
	char text[1024];
	(void)state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		snprintf(text, sizeof(text),
			"# friendly_name = x\n" INTERFACE
			"# friendly_name = y\n[Peer]\nPublicKey = " PUBLIC_1 "\n%s",
			cases[i].lines);
		load_right(text);
		if (cases[i].name)
			assert_string_equal(config->peers[0].name, cases[i].name);
		else
			assert_null(config->peers[0].name);
	}
}

static void windows_line_ends(void **state)
{
	(void)state;
	load_right("[Interface]\r\nPrivateKey = " KEY_1 "\r\nPostUp = a ; b\r\n\r\n[Peer]\r\n"
		   "PublicKey = " PUBLIC_1 "\r\nEndpoint = h:1\r");
	assert_string_equal(config->post_up.items[0], "a ; b");
	assert_string_equal(config->peers[0].endpoint.port, "1");
}

/* ---- wrong files ---- */

static void wrong_table(const struct wrong *rows, size_t count)
{
	write_file("good.key", KEY_2 "\n", strlen(KEY_2) + 1, 0600);
	for (size_t i = 0; i < count; i++)
		assert_problem(rows[i].text, rows[i].line, false, rows[i].fragment);
}

#define WRONG_TEST(table)                                             \
	static void table##_are_refused(void **state)                 \
	{                                                             \
		(void)state;                                          \
		wrong_table(table, sizeof(table) / sizeof(table[0])); \
	}

WRONG_TEST(wrong_lines)
WRONG_TEST(wrong_interfaces)
WRONG_TEST(wrong_peers)
WRONG_TEST(wrong_keys)

static void warnings_do_not_stop(void **state)
{
	(void)state;
	assert_problem(PEER "AllowedIPs = 10.0.0.1/8\n", 5, true, "10.0.0.0/8 is taken");
	prefix_is(&config->peers[0].allowed_ips.items[0], "10.0.0.0", 8);
	assert_problem(PEER "AllowedIPs = fd00::1:0:0:1/65\n", 5, true, "fd00::/65 is taken");
	assert_problem(PEER "AllowedIPs = 10.0.0.0/8\nAllowedIPs = 10.0.0.0/8, ::1\n", 6, true,
		"10.0.0.0/8 was given before, in line 5");
	assert_int_equal(config->peers[0].allowed_ips.count, 2);
	assert_problem(INTERFACE "Address = 10.0.0.1/8, 10.0.0.1/8\n", 3, true, "given before");
	assert_int_equal(config->addresses.count, 1);
	assert_problem(INTERFACE "DNS = corp.example\n", 3, true, "no name server");
}

static void a_cipher_that_is_not_here(void **state)
{
	static const char *const names[] = { "aes-256-gcm", "aegis-128l", "aegis-256" };
	char text[512];
	(void)state;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const struct aead *aead = aead_by_name(names[i]);

		snprintf(text, sizeof(text), PEER "Cipher = %s\n", names[i]);
		if (aead && aead->available())
			load_right(text);
		else
			assert_problem(text, 5, false, aead ? "processor" : "libsodium");
	}
}

static void all_problems_at_once(void **state)
{
	static const char *const expected[] = { ":1: ", ":3: PublicKey", ":4: MTU", ":5: unknown",
		":6: unknown section", ":8: this [Peer]", ":9: warning: AllowedIPs",
		":10: Endpoint" };
	char *printed = NULL;
	size_t len;
	(void)state;

	assert_int_equal(
		load("x\n[Interface]\nPublicKey = y\nMTU = 5\nMTUU = 5\n[A]\nb = c\n[Peer]\n"
		     "AllowedIPs = 10.0.0.1/8\nEndpoint = x\n"),
		-EINVAL);
	FILE *memory = open_memstream(&printed, &len);
	config_problems_print(&problems, memory);
	fclose(memory);
	const char *at = printed;
	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
		assert_int_equal(strncmp(at, problems.file, strlen(problems.file)), 0);
		at = strstr(at, expected[i]);
		if (!at)
			print_error("%s is missing or out of order in\n%s", expected[i], printed);
		assert_non_null(at);
		at = i == 0 ? strstr(at, "\n") + 1 : strchr(at, '\n') + 1;
		if (i == 0) /* line 2: there is no key */
			at = strchr(at, '\n') + 1;
	}
	assert_string_equal(at, "");
	free(printed);
}

static void more_problems_than_are_kept(void **state)
{
	enum { LINES = 3000 };
	char text[2 * LINES + 1];
	(void)state;

	for (size_t i = 0; i < LINES; i++)
		memcpy(text + 2 * i, "x\n", 2);
	assert_int_equal(load_bytes(text, 2 * LINES), -EINVAL);
	assert_int_equal(problems.count, CONFIG_PROBLEMS_MAX);
	assert_int_equal(problems.errors, LINES + 1);
	assert_int_equal(problems.count + problems.left_off, LINES + 1);
}

static void a_nul_byte(void **state)
{
	static const char text[] = PEER "Name = a\0b\nMTUU = 3\n";
	(void)state;

	assert_int_equal(load_bytes(text, sizeof(text) - 1), -EINVAL);
	assert_int_equal(problems.count, 2);
	assert_int_equal(problems.items[0].line, 5);
	assert_non_null(strstr(problems.items[0].text, "NUL"));
	assert_int_equal(problems.items[1].line, 6);
}

/* ---- inih's traps ---- */

static void a_line_of_100000_bytes(void **state)
{
	enum { COUNT = 5000 };
	char *text = malloc(300000), *to = text;
	(void)state;

	to += sprintf(to, PEER "AllowedIPs = ");
	for (unsigned i = 0; i < COUNT; i++)
		to += sprintf(to, "%s10.%u.%u.0/%-9u", i ? "," : "", i / 256, i % 256, 24);
	assert_true(to - text > 100000);
	to += sprintf(to, "\nEndpoint = a:1\n[Interface]\nAddress = ");
	for (unsigned i = 0; i < COUNT; i++)
		to += sprintf(to, "%s172.16.%u.%u", i ? ", " : "", i / 250, i % 250 + 1);
	load_right(text);
	assert_int_equal(config->peers[0].allowed_ips.count, COUNT);
	assert_int_equal(config->addresses.count, COUNT);
	for (unsigned i = 0; i < COUNT; i++) {
		char address[32];

		snprintf(address, sizeof(address), "10.%u.%u.0", i / 256, i % 256);
		prefix_is(&config->peers[0].allowed_ips.items[i], address, 24);
		snprintf(address, sizeof(address), "172.16.%u.%u", i / 250, i % 250 + 1);
		prefix_is(&config->addresses.items[i], address, 32);
	}
	assert_string_equal(config->peers[0].endpoint.host, "a");
	free(text);
}

static void a_file_of_1_mb(void **state)
{
	const size_t size = 1 << 20;
	char *text = malloc(size + 4096), *to = text;
	unsigned peers = 0;
	(void)state;

	to += sprintf(to, INTERFACE);
	for (; to < text + size; peers++) {
		uint8_t key[KEY_LEN] = { 1, (uint8_t)peers, (uint8_t)(peers >> 8) };
		char base64[KEY_BASE64_SIZE];

		key_to_base64(base64, key);
		to += sprintf(to,
			"[Peer]\nPublicKey = %s\nAllowedIPs = 10.%u.%u.0/24\n"
			"# a comment that makes the file longer than it would be without it\n",
			base64, peers / 256, peers % 256);
	}
	load_right(text);
	assert_int_equal(config->peer_count, peers);
	assert_int_equal(config->peers[peers - 1].line, 3 + 4 * (peers - 1));
	to += sprintf(to, "MTUU = 3\n");
	assert_int_equal(load(text), -EINVAL);
	assert_int_equal(problems.items[0].line, 3 + 4 * peers);
	free(text);
}

static void a_word_of_1_mb(void **state)
{
	const size_t size = 1 << 20;
	static const char *const starts[] = { INTERFACE "", INTERFACE "MTU = ", INTERFACE "[",
		PEER "Endpoint = ", PEER "AllowedIPs = " };
	char *text = malloc(size + 1);
	(void)state;

	for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++) {
		memset(text, 'x', size);
		memcpy(text, starts[i], strlen(starts[i]));
		assert_int_equal(load_bytes(text, size), -EINVAL);
		assert_int_equal(problems.count, 1);
		assert_true(strlen(problems.items[0].text) < 300);
	}
	free(text);
}

static void an_indented_line_continues_nothing(void **state)
{
	(void)state;
	load_right("[Interface]\n  PrivateKey = " KEY_1
		   "\n\tPostUp = a\n\tPostUp = b\n  ListenPort = 7\n"
		   "  [Peer]\n    PublicKey = " PUBLIC_1 "\n    Endpoint = h:1\n");
	assert_int_equal(config->post_up.count, 2);
	assert_int_equal(config->listen_port, 7);
	assert_string_equal(config->peers[0].endpoint.host, "h");
}

/* Values of any length and content come through as they are: against the text that was written. */
static void random_hooks_come_through(void **state)
{
	static const char alphabet[] = "ab1  \t;;&|\"'\\$%=:[],{}()<>!~\xc3\xa4";
	uint64_t seed = 1;
	char hook[3000], *text = malloc(sizeof(hook) + 200);
	(void)state;

	for (size_t round = 0; round < 3000; round++) {
		size_t len = 1 + round % (sizeof(hook) - 2);

		for (size_t i = 0; i < len; i++) {
			seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407;
			hook[i] = alphabet[(seed >> 33) % (sizeof(alphabet) - 1)];
		}
		hook[0] = hook[len - 1] = ';';
		hook[len] = 0;
		sprintf(text, INTERFACE "PostUp = \t%s  \r\nMTU=1400\n", hook);
		load_right(text);
		assert_string_equal(config->post_up.items[0], hook);
		assert_int_equal(config->mtu, 1400);
	}
	free(text);
}

/* ---- files, permissions, names ---- */

static void key_files(void **state)
{
	char text[1024];
	(void)state;

	write_file("good.key", KEY_2 "\n", strlen(KEY_2) + 1, 0600);
	write_file("odd.key", " \t" KEY_1 " \r\nrest\n", strlen(KEY_1) + 10, 0400);
	load_right("[Interface]\nPrivateKeyFile = good.key\n");
	key_is(&config->private_key, KEY_2);
	load_right("[Interface]\nSharedKeyFile = odd.key\n[Peer]\n");
	key_is(&config->shared_key, KEY_1);
	snprintf(text, sizeof(text), PEER "PresharedKeyFile = %s\n", path_of("good.key"));
	load_right(text);
	key_is(&config->peers[0].preshared_key, KEY_2);

	write_file("bad.key", KEY_2 "x\n", strlen(KEY_2) + 2, 0600);
	assert_problem("[Interface]\nPrivateKeyFile = bad.key\n", 2, false, "45 characters");
	write_file("bad.key", "", 0, 0600);
	assert_problem("[Interface]\nPrivateKeyFile = bad.key\n", 2, false, "it is empty");
	write_file("bad.key", "\n" KEY_2 "\n", strlen(KEY_2) + 2, 0600);
	assert_problem("[Interface]\nPrivateKeyFile = bad.key\n", 2, false, "it is empty");
	memset(text, 'A', sizeof(text));
	write_file("bad.key", text, sizeof(text), 0600);
	assert_problem("[Interface]\nPrivateKeyFile = bad.key\n", 2, false, "not a key");

	static const mode_t open_modes[] = { 0640, 0604, 0620, 0602, 0644, 0666 };
	for (size_t i = 0; i < sizeof(open_modes) / sizeof(open_modes[0]); i++) {
		write_file("bad.key", KEY_2, strlen(KEY_2), open_modes[i]);
		assert_problem("[Interface]\nPrivateKeyFile = bad.key\n", 2, false, "'chmod 600 /");
	}
}

static int load_mode(const char *text, mode_t mode)
{
	forget();
	write_file("m.conf", text, strlen(text), mode);
	return config_load(path_of("m.conf"), &config, &problems);
}

static void a_file_with_a_secret_is_private(void **state)
{
	static const char *const with_secret[] = { PEER, SHARED "[Peer]\n",
		"[Interface]\nPrivateKeyFile = good.key\n[Peer]\nPublicKey = " PUBLIC_1
		"\n[Peer]\nPublicKey = " PUBLIC_2 "\nPresharedKey = " KEY_1 "\n" };
	static const char without[] = "[Interface]\nPrivateKeyFile = good.key\n";
	static const mode_t open_modes[] = { 0640, 0604, 0620, 0602, 0644, 0666 };
	char command[600];
	(void)state;

	write_file("good.key", KEY_2 "\n", strlen(KEY_2) + 1, 0600);
	for (size_t i = 0; i < sizeof(with_secret) / sizeof(with_secret[0]); i++) {
		assert_int_equal(load_mode(with_secret[i], 0600), 0);
		assert_int_equal(load_mode(with_secret[i], 0400), 0);
		for (size_t j = 0; j < sizeof(open_modes) / sizeof(open_modes[0]); j++) {
			assert_int_equal(load_mode(with_secret[i], open_modes[j]), -EINVAL);
			snprintf(command, sizeof(command), "run 'chmod 600 %s'", path_of("m.conf"));
			assert_int_equal(problems.items[0].line, 0);
			assert_non_null(strstr(problems.items[0].text, command));
		}
	}
	assert_int_equal(load_mode(without, 0644), 0);
	assert_int_equal(problems.count, 0);
	assert_int_equal(load_mode(without, 0666), 0);
	assert_int_equal(problems.count, 1);
	assert_true(problems.items[0].warning);
}

/* Runs the test in a child that is nobody, and gives how many errors it found, or 99. */
static int load_as_nobody(const char *path)
{
	const pid_t child = fork();
	int status;

	assert_true(child >= 0);
	if (child == 0) {
		if (setgid(65534) || setuid(65534))
			_exit(99);
		forget();
		config_load(path, &config, &problems);
		const size_t errors = problems.errors;
		forget();
		_exit((int)errors);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void whose_file_it_is(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	assert_int_equal(chmod(directory, 0755), 0);
	write_file("o.conf", PEER, strlen(PEER), 0600);
	assert_int_equal(load_as_nobody(path_of("o.conf")), 1); /* cannot open */
	assert_int_equal(chown(path_of("o.conf"), 65534, 65534), 0);
	assert_int_equal(load_as_nobody(path_of("o.conf")), 0); /* own file */
	forget();
	assert_int_equal(config_load(path_of("o.conf"), &config, &problems), -EINVAL);
	assert_non_null(
		strstr(problems.items[0].text, "belongs to another user: run 'chown root /"));
	assert_int_equal(chown(path_of("o.conf"), 12345, 0), 0);
	assert_int_equal(load_as_nobody(path_of("o.conf")), 1);

	write_file("o.key", KEY_1, strlen(KEY_1), 0600);
	assert_int_equal(chown(path_of("o.key"), 12345, 0), 0);
	assert_problem("[Interface]\nPrivateKeyFile = o.key\n", 2, false, "'chown root /");
}

static void names_and_paths(void **state)
{
	char here[512];
	(void)state;

	write_file("office.conf", PEER, strlen(PEER), 0600);
	write_file("nosuffix", PEER, strlen(PEER), 0600);
	write_file("a.long.name.of.a.tunnel.conf", PEER, strlen(PEER), 0600);
	write_file("with blank.conf", INTERFACE "Device = d\n", strlen(INTERFACE) + 11, 0600);
	forget();
	assert_int_equal(config_load_from(directory, "office", &config, &problems), 0);
	assert_string_equal(config->name, "office");
	assert_string_equal(config->device, "office");
	forget();
	assert_int_equal(config_load(path_of("nosuffix"), &config, &problems), 0);
	assert_string_equal(config->device, "nosuffix");
	forget();
	assert_int_equal(config_load(path_of("with blank.conf"), &config, &problems), 0);
	assert_string_equal(config->device, "d");
	forget();
	assert_int_equal(
		config_load(path_of("a.long.name.of.a.tunnel.conf"), &config, &problems), -EINVAL);
	assert_non_null(strstr(problems.items[0].text, "add Device ="));

	static const char *const nothing[] = { "office.conf", "nix", "", "office/" };
	for (size_t i = 0; i < sizeof(nothing) / sizeof(nothing[0]); i++) {
		forget();
		assert_int_equal(
			config_load_from(directory, nothing[i], &config, &problems), -EINVAL);
		assert_int_equal(problems.count, 1);
		assert_int_equal(problems.items[0].line, 0);
	}
	forget();
	snprintf(here, sizeof(here), "%s/", directory);
	assert_int_equal(config_load(here, &config, &problems), -EINVAL);
	forget();
	assert_int_equal(config_load(directory, &config, &problems), -EINVAL);
	assert_non_null(strstr(problems.items[0].text, "not a regular file"));
}

static void a_file_that_is_too_large(void **state)
{
	(void)state;
	write_file("huge.conf", PEER, strlen(PEER), 0600);
	assert_int_equal(truncate(path_of("huge.conf"), CONFIG_FILE_MAX + 1), 0);
	forget();
	assert_int_equal(config_load_from(directory, "huge", &config, &problems), -EINVAL);
	assert_non_null(strstr(problems.items[0].text, "larger than 16 MiB"));
	assert_int_equal(unlink(path_of("huge.conf")), 0);
	forget();
	assert_int_equal(mkfifo(path_of("fifo.conf"), 0600), 0);
	assert_int_equal(config_load_from(directory, "fifo", &config, &problems), -EINVAL);
	assert_non_null(strstr(problems.items[0].text, "not a regular file"));
}

/* ---- the examples ---- */

static const char *const examples[] = { "site-a", "site-b", "shared-key", "road-warrior", "hub" };

/* Copies an example as it lies there, and makes the key files that it names. */
static void copy_example(const char *name)
{
	const char *source = getenv("srcdir");
	char path[4096], line[1024], text[16384], file[64];
	size_t len = 0;

	snprintf(path, sizeof(path), "%s/conf/%s.conf", source ? source : ".", name);
	FILE *example = fopen(path, "r");
	if (!example)
		print_error("%s: %s\n", path, strerror(errno));
	assert_non_null(example);
	while (fgets(line, sizeof(line), example)) {
		uint8_t key[KEY_LEN];
		char base64[KEY_BASE64_SIZE];

		assert_true(len + strlen(line) < sizeof(text));
		len += (size_t)sprintf(text + len, "%s", line);
		if (sscanf(line, "PrivateKeyFile = %63s", file) == 1)
			key_generate_private(key);
		else if (sscanf(line, "SharedKeyFile = %63s", file) == 1 ||
			 sscanf(line, "PresharedKeyFile = %63s", file) == 1)
			key_generate_shared(key);
		else
			continue;
		assert_null(strchr(file, '/'));
		key_to_base64(base64, key);
		write_file(file, base64, strlen(base64), 0600);
	}
	fclose(example);
	snprintf(line, sizeof(line), "%s.conf", name);
	write_file(line, text, len, 0644);
}

static void the_examples_are_right(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(examples) / sizeof(examples[0]); i++) {
		copy_example(examples[i]);
		forget();
		if (config_load_from(directory, examples[i], &config, &problems))
			config_problems_print(&problems, stderr);
		assert_non_null(config);
		assert_int_equal(problems.count, 0);
		assert_string_equal(config->device, examples[i]);
		assert_true(config->peer_count >= 1);
		assert_true(config->addresses.count >= 1);
		assert_true(config->shared_key.given == !strcmp(examples[i], "shared-key"));
	}
}

/* ---- anything at all ---- */

static const char seed_text[] =
	"[Interface]\nPrivateKey = " KEY_1
	"\nAddress = 10.9.0.1/24, fd00::1/64\nListenPort = 51820\n"
	"FwMark = 0xCA6c\nMTU = 1420\nTable = 4242\nUser = u\nDevice = vpn0\n"
	"PostUp = e 'f' \"g\" ; h # comment\n[Peer]\nPublicKey = " PUBLIC_1
	"\nPresharedKey = " KEY_2 "\n"
	"Name = Zo\xc3\xab\nAllowedIPs = 10.0.0.0/8, 192.0.2.1,::/1\nEndpoint = "
	"[fe80::1%eth0]:51820\n"
	"PersistentKeepalive = 25\nCipher = auto\n[Peer]\nPublicKey = " PUBLIC_2 "\n";

static uint32_t random_below(uint64_t *state, uint32_t limit)
{
	*state = *state * UINT64_C(6364136223846793005) + 1442695040888963407;
	return (uint32_t)((*state >> 33) % limit);
}

static void random_bytes_do_no_harm(void **state)
{
	uint64_t seed = 7;
	char text[600];
	(void)state;

	for (size_t round = 0; round < 3000; round++) {
		const size_t len = random_below(&seed, sizeof(text));

		for (size_t i = 0; i < len; i++)
			text[i] = (char)random_below(&seed, 256);
		load_bytes(text, len);
	}
}

static void mutations_do_no_harm(void **state)
{
	static const char pieces[][12] = { "\n", "=", "[", "]", "#", "\r\n", ",", "/", ":", "\"",
		"[Peer]\n", "[Interface]", "/0", " ; ", "'", "off", "\n\n", "\t" };
	uint64_t seed = 9;
	size_t right = 0;
	(void)state;

	for (size_t round = 0; round < 10000; round++) {
		char text[2 * sizeof(seed_text)];
		size_t len = sizeof(seed_text) - 1;

		memcpy(text, seed_text, len);
		for (uint32_t times = random_below(&seed, 5); times > 0; times--) {
			const size_t at = random_below(&seed, (uint32_t)len);
			const char *piece =
				pieces[random_below(&seed, sizeof(pieces) / sizeof(pieces[0]))];

			switch (random_below(&seed, 4)) {
			case 0:
				text[at] = (char)random_below(&seed, 256);
				break;
			case 1: /* a hole */
				memmove(text + at, text + at + 1, len - at - 1);
				len--;
				break;
			case 2: /* cut */
				len = round % 8 ? len : at + 1;
				break;
			default:
				memmove(text + at + strlen(piece), text + at, len - at);
				memcpy(text + at, piece, strlen(piece));
				len += strlen(piece);
			}
		}
		right += load_bytes(text, len) == 0;
	}
	/* Both kinds were met. */
	assert_in_range(right, 500, 9500);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_key_reaches_its_field),
		cmocka_unit_test(namespaces),
		cmocka_unit_test(ethernet_tunnels),
		cmocka_unit_test(what_is_left_out_has_its_default),
		cmocka_unit_test(a_shared_key_tunnel),
		cmocka_unit_test(odd_but_right_files),
		cmocka_unit_test(metrics_places),
		cmocka_unit_test(names_in_comments),
		cmocka_unit_test(windows_line_ends),
		cmocka_unit_test(wrong_lines_are_refused),
		cmocka_unit_test(wrong_interfaces_are_refused),
		cmocka_unit_test(wrong_peers_are_refused),
		cmocka_unit_test(wrong_keys_are_refused),
		cmocka_unit_test(warnings_do_not_stop),
		cmocka_unit_test(a_cipher_that_is_not_here),
		cmocka_unit_test(all_problems_at_once),
		cmocka_unit_test(more_problems_than_are_kept),
		cmocka_unit_test(a_nul_byte),
		cmocka_unit_test(a_line_of_100000_bytes),
		cmocka_unit_test(a_file_of_1_mb),
		cmocka_unit_test(a_word_of_1_mb),
		cmocka_unit_test(an_indented_line_continues_nothing),
		cmocka_unit_test(random_hooks_come_through),
		cmocka_unit_test(key_files),
		cmocka_unit_test(a_file_with_a_secret_is_private),
		cmocka_unit_test(whose_file_it_is),
		cmocka_unit_test(names_and_paths),
		cmocka_unit_test(a_file_that_is_too_large),
		cmocka_unit_test(the_examples_are_right),
		cmocka_unit_test(random_bytes_do_no_harm),
		cmocka_unit_test(mutations_do_no_harm),
	};

	return cmocka_run_group_tests(tests, make_directory, remove_all);
}
