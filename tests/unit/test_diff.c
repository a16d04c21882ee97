/* SPDX-License-Identifier: ISC */
/* From one configuration to the next: requests to the engine, addresses, routes. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "host/diff.h"

enum { PEERS = 4, PREFIXES = 8 };

/* A configuration in static storage, so that a test writes down only what it is about. */
struct made {
	struct config config;
	struct config_peer peers[PEERS];
	struct config_prefix prefixes[PEERS][PREFIXES];
	struct config_prefix addresses[PREFIXES];
};

static void set_key(struct config_key *key, uint8_t byte)
{
	key->given = true;
	memset(key->bytes, byte, KEY_LEN);
}

/* Prefixes as "10.0.0.0/8 fd00::/64", into a list of PREFIXES. */
static void set_prefixes(
	struct config_prefixes *list, struct config_prefix *items, const char *text)
{
	char copy[256], *rest = copy, *word;

	assert_true(strlen(text) < sizeof(copy));
	strcpy(copy, text);
	*list = (struct config_prefixes){ .items = items };
	while ((word = strsep(&rest, " "))) {
		char *slash = strchr(word, '/');
		struct config_prefix *prefix = &items[list->count];

		if (!slash)
			continue;
		assert_true(list->count < PREFIXES);
		*slash = '\0';
		*prefix = (struct config_prefix){ .family = strchr(word, ':') ? AF_INET6 : AF_INET,
			.length = (unsigned)atoi(slash + 1) };
		assert_int_equal(inet_pton(prefix->family, word, prefix->address), 1);
		list->count++;
	}
}

static void make(struct made *made, const char *addresses)
{
	memset(made, 0, sizeof(*made));
	strcpy(made->config.device, "wg0");
	made->config.peers = made->peers;
	set_key(&made->config.private_key, 0x11);
	set_prefixes(&made->config.addresses, made->addresses, addresses);
}

static struct config_peer *add_peer(struct made *made, uint8_t key, const char *allowed)
{
	size_t i = made->config.peer_count++;

	set_key(&made->peers[i].public_key, key);
	set_prefixes(&made->peers[i].allowed_ips, made->prefixes[i], allowed);
	return &made->peers[i];
}

#define HEX8(x) x x x x x x x x
#define HEX32(x) HEX8(x) HEX8(x) HEX8(x) HEX8(x)

static void assert_set(const struct config *old, const struct config *new, const char *expected)
{
	struct diff diff;

	assert_int_equal(diff_make(old, new, &diff), 0);
	assert_string_equal(diff.set.len ? diff.set.bytes : "", expected);
	diff_free(&diff);
}

static void test_everything(void **state)
{
	static char host[] = "192.0.2.1", name[] = "Büro";
	struct made made;
	struct config_peer *peer;

	(void)state;
	make(&made, "10.9.0.1/24");
	made.config.listen_port_given = true;
	made.config.listen_port = 51820;
	made.config.fwmark = 0x10;
	peer = add_peer(&made, 0x22, "10.9.0.2/32 fd00::/64");
	set_key(&peer->preshared_key, 0x33);
	peer->endpoint.host = host;
	strcpy(peer->endpoint.port, "7");
	peer->name = name;
	peer->cipher = "auto";
	peer->persistent_keepalive = 25;
	add_peer(&made, 0x44, "");
	assert_set(NULL, &made.config,
		"set=1\nprivate_key=" HEX32(
			"11") "\nfwmark=16\nlisten_port=51820\nreplace_peers=true\n"
			      "public_key=" HEX32("22") "\npreshared_key=" HEX32(
				      "33") "\nculvert_name=Büro\n"
					    "culvert_cipher=auto\nendpoint=192.0.2.1:7\npersistent_"
					    "keepalive_interval=25\n"
					    "replace_allowed_ips=true\nallowed_ip=10.9.0.2/"
					    "32\nallowed_ip=fd00::/64\n"
					    "public_key=" HEX32(
						    "44") "\nreplace_allowed_ips=true\n\n");
}

static void test_nothing(void **state)
{
	struct made old, new;
	struct diff diff;
	char text[DIFF_REFUSAL_SIZE];

	(void)state;
	make(&old, "10.9.0.1/24 fd00::1/64");
	make(&new, "fd00::1/64 10.9.0.1/24");
	add_peer(&old, 0x22, "10.1.0.0/16");
	add_peer(&old, 0x33, "10.2.0.0/16");
	add_peer(&new, 0x33, "10.2.0.0/16");
	add_peer(&new, 0x22, "10.1.0.0/16");
	assert_int_equal(diff_make(&old.config, &new.config, &diff), 0);
	assert_int_equal(diff.set.len, 0);
	assert_int_equal(diff.addresses_added.count + diff.addresses_removed.count, 0);
	assert_int_equal(diff.routes_added.count + diff.routes_removed.count, 0);
	assert_null(diff_refusal(&old.config, &new.config, text));
	diff_free(&diff);
}

/* Each setting alone. */
static void test_settings(void **state)
{
	static char host[] = "2001:db8::1", name[] = "x";
	struct made old, new;
	struct config_peer *peer;

	(void)state;
	make(&old, "");
	add_peer(&old, 0x22, "10.1.0.0/16");
#define CHANGE(statement, expected)                                            \
	do {                                                                   \
		make(&new, "");                                                \
		peer = add_peer(&new, 0x22, "10.1.0.0/16");                    \
		statement;                                                     \
		assert_set(&old.config, &new.config, "set=1\n" expected "\n"); \
	} while (0)
#define CHANGE_PEER(statement, expected) \
	CHANGE(statement, "public_key=" HEX32("22") "\nupdate_only=true\n" expected)

	CHANGE(set_key(&new.config.private_key, 0x55), "private_key=" HEX32("55") "\n");
	CHANGE(new.config.fwmark = 7, "fwmark=7\n");
	CHANGE(new.config.listen_port = 9; new.config.listen_port_given = true, "listen_port=9\n");
	CHANGE_PEER(set_key(&peer->preshared_key, 0x66), "preshared_key=" HEX32("66") "\n");
	CHANGE_PEER(peer->name = name, "culvert_name=x\n");
	CHANGE_PEER(peer->cipher = "aes-256-gcm", "culvert_cipher=aes-256-gcm\n");
	CHANGE_PEER(peer->persistent_keepalive = 5, "persistent_keepalive_interval=5\n");
	CHANGE_PEER(peer->endpoint.host = host;
		    strcpy(peer->endpoint.port, "7"), "endpoint=[2001:db8::1]:7\n");
	CHANGE_PEER(set_prefixes(&peer->allowed_ips, new.prefixes[0], "10.1.0.0/17"),
		"replace_allowed_ips=true\nallowed_ip=10.1.0.0/17\n");
	CHANGE_PEER(set_prefixes(&peer->allowed_ips, new.prefixes[0], ""),
		"replace_allowed_ips=true\n");
}

/* And taken back. */
static void test_settings_removed(void **state)
{
	static char host[] = "192.0.2.1", name[] = "x";
	struct made old, new;
	struct config_peer *peer;

	(void)state;
	make(&old, "");
	peer = add_peer(&old, 0x22, "");
	set_key(&peer->preshared_key, 0x66);
	peer->name = name;
	peer->cipher = "auto";
	peer->persistent_keepalive = 5;
	peer->endpoint.host = host; /* the engine goes on using where the peer is */
	make(&new, "");
	add_peer(&new, 0x22, "");
	assert_set(&old.config, &new.config,
		"set=1\npublic_key=" HEX32("22") "\nupdate_only=true\npreshared_key=" HEX32(
			"00") "\nculvert_name=\nculvert_cipher=none\npersistent_keepalive_interval="
			      "0\n\n");
}

/* Names are for the resolver. */
static void test_names_are_not_told(void **state)
{
	static char host[] = "b.example.net";
	struct made old, new;

	(void)state;
	make(&old, "");
	add_peer(&old, 0x22, "");
	make(&new, "");
	add_peer(&new, 0x22, "")->endpoint.host = host;
	assert_set(&old.config, &new.config, "");
}

static void test_peers_come_and_go(void **state)
{
	struct made old, new;

	(void)state;
	make(&old, "");
	add_peer(&old, 0x22, "10.1.0.0/16");
	add_peer(&old, 0x33, "10.2.0.0/16");
	make(&new, "");
	add_peer(&new, 0x44, "10.1.0.0/16");
	add_peer(&new, 0x33, "10.2.0.0/16");
	assert_set(&old.config, &new.config,
		"set=1\npublic_key=" HEX32("22") "\nremove=true\npublic_key=" HEX32(
			"44") "\nreplace_allowed_ips=true\nallowed_ip=10.1.0.0/16\n\n");
}

static void make_shared(struct made *made, uint8_t key)
{
	make(made, "10.9.0.1/30");
	made->config.private_key = (struct config_key){ 0 };
	set_key(&made->config.shared_key, key);
	made->config.peer_count = 1;
	made->peers[0].cipher = "auto";
}

/* With another key the one peer is another. */
static void test_shared_key(void **state)
{
	struct made old, new;
	char expected[512], hex[KEY_HEX_SIZE];
	uint8_t key[KEY_LEN];

	(void)state;
	make_shared(&old, 0x77);
	make_shared(&new, 0x77);
	assert_set(&old.config, &new.config, "");
	new.peers[0].persistent_keepalive = 3;
	diff_peer_key(&new.config, &new.peers[0], key);
	key_to_hex(hex, key);
	snprintf(expected, sizeof(expected),
		"set=1\npublic_key=%s\nupdate_only=true\npersistent_keepalive_interval=3\n\n", hex);
	assert_set(&old.config, &new.config, expected);
	make_shared(&new, 0x78);
	diff_peer_key(&new.config, &new.peers[0], key);
	key_to_hex(hex, key);
	snprintf(expected, sizeof(expected),
		"set=1\nculvert_shared_key=" HEX32("78") "\npublic_key=%s\nculvert_cipher=auto\n"
							 "replace_allowed_ips=true\n\n",
		hex);
	assert_set(&old.config, &new.config, expected);
}

/* What the monitor keeps of the keys that it has passed on. */
static void test_forgotten_keys(void **state)
{
	static const uint8_t zeros[KEY_LEN];
	uint8_t before[KEY_LEN], after[KEY_LEN], same[KEY_LEN], other[KEY_LEN];
	struct made old, new;

	(void)state;
	memset(same, 0x11, sizeof(same));
	memset(other, 0x22, sizeof(other));
	make(&old, "");
	set_key(&add_peer(&old, 0x22, "")->preshared_key, 0x33);
	add_peer(&old, 0x44, "");
	memcpy(&new, &old, sizeof(new));
	new.config.peers = new.peers;
	config_forget_secrets(&old.config);
	config_forget_secrets(&old.config);
	assert_memory_not_equal(old.config.private_key.bytes, same, KEY_LEN);
	assert_memory_not_equal(
		old.peers[0].preshared_key.bytes, new.peers[0].preshared_key.bytes, KEY_LEN);
	assert_false(old.peers[1].preshared_key.forgotten);
	assert_true(config_private_key_is(&old.config, same));
	assert_false(config_private_key_is(&old.config, other));
	assert_true(config_key_is(&old.peers[1].preshared_key, zeros));
	assert_set(&old.config, &new.config, "");
	set_key(&new.peers[0].preshared_key, 0x34);
	set_key(&new.config.private_key, 0x12);
	assert_set(&old.config, &new.config,
		"set=1\nprivate_key=" HEX32("12") "\npublic_key=" HEX32(
			"22") "\nupdate_only=true\npreshared_key=" HEX32("34") "\n\n");
	make_shared(&old, 0x77);
	make_shared(&new, 0x77);
	diff_peer_key(&old.config, &old.peers[0], before);
	config_forget_secrets(&old.config);
	diff_peer_key(&old.config, &old.peers[0], after);
	assert_memory_equal(before, after, KEY_LEN);
	assert_set(&old.config, &new.config, "");
}

static void test_refusal(void **state)
{
	static char nobody[] = "nobody", other[] = "other", place[] = "127.0.0.1:1";
	char text[DIFF_REFUSAL_SIZE];
	struct made old, new;

	(void)state;
	make(&old, "");
	make(&new, "");
	strcpy(new.config.device, "wg1");
	assert_non_null(strstr(diff_refusal(&old.config, &new.config, text), "Device"));
	make(&new, "");
	new.config.tap = true;
	assert_non_null(strstr(diff_refusal(&old.config, &new.config, text), "Mode"));
	assert_non_null(strstr(diff_refusal(&new.config, &old.config, text), "Mode"));
	old.config.tap = true;
	strcpy(new.config.bridge, "br0");
	assert_non_null(strstr(diff_refusal(&old.config, &new.config, text), "Bridge"));
	assert_non_null(strstr(diff_refusal(&new.config, &old.config, text), "Bridge"));
	strcpy(old.config.bridge, "br0");
	assert_null(diff_refusal(&old.config, &new.config, text));
	make(&old, "");
	make_shared(&new, 0x77);
	assert_non_null(strstr(diff_refusal(&old.config, &new.config, text), "shared key"));
	make(&new, "");
	new.config.user = nobody;
	assert_non_null(strstr(diff_refusal(&old.config, &new.config, text), "User"));
	assert_non_null(strstr(diff_refusal(&new.config, &old.config, text), "User"));
	old.config.user = other;
	assert_non_null(strstr(diff_refusal(&old.config, &new.config, text), "User"));
	old.config.user = nobody;
	assert_null(diff_refusal(&old.config, &new.config, text));
	new.config.offload = FASTPATH_UDP;
	assert_non_null(strstr(diff_refusal(&old.config, &new.config, text), "Offload"));
	old.config.offload = FASTPATH_UDP;
	assert_null(diff_refusal(&old.config, &new.config, text));
	new.config.persistent = true;
	assert_non_null(strstr(diff_refusal(&old.config, &new.config, text), "Persistent"));
	old.config.persistent = true;
	new.config.network_namespace = nobody;
	assert_non_null(strstr(diff_refusal(&old.config, &new.config, text), "NetworkNamespace"));
	assert_non_null(strstr(diff_refusal(&new.config, &old.config, text), "NetworkNamespace"));
	old.config.network_namespace = other;
	assert_non_null(strstr(diff_refusal(&old.config, &new.config, text), "NetworkNamespace"));
	old.config.network_namespace = nobody;
	assert_null(diff_refusal(&old.config, &new.config, text));
	new.config.metrics = place;
	assert_non_null(strstr(diff_refusal(&old.config, &new.config, text), "Metrics"));
	assert_non_null(strstr(diff_refusal(&new.config, &old.config, text), "Metrics"));
	make(&old, "");
	assert_string_equal(diff_refusal(&old.config, &new.config, text),
		"NetworkNamespace, Persistent, User, Offload, Metrics cannot change while the "
		"tunnel runs: restart it");
	make_shared(&old, 0x77);
	old.config.tap = true;
	strcpy(old.config.device, "wg1");
	strcpy(old.config.bridge, "br0");
	assert_string_equal(diff_refusal(&old.config, &new.config, text),
		"Device, NetworkNamespace, Persistent, Mode, Bridge, what the keys are (a shared "
		"key, or public keys), User, Offload, Metrics cannot change while the tunnel runs: "
		"restart it");
}

/* "10.0.0.0/8 254, ..." */
static void routes_text(char text[512], const struct diff_routes *routes)
{
	char address[INET6_ADDRSTRLEN];
	int len = 0;

	text[0] = '\0';
	for (size_t i = 0; i < routes->count; i++) {
		const struct diff_route *route = &routes->items[i];

		inet_ntop(route->prefix.family, route->prefix.address, address, sizeof(address));
		len += snprintf(text + len, 512 - (size_t)len, "%s%s/%u %u", i ? ", " : "", address,
			route->prefix.length, route->table);
	}
}

static void assert_routes(
	const struct config *old, const struct config *new, const char *removed, const char *added)
{
	struct diff diff;
	char text[512];

	assert_int_equal(diff_make(old, new, &diff), 0);
	routes_text(text, &diff.routes_removed);
	assert_string_equal(text, removed);
	routes_text(text, &diff.routes_added);
	assert_string_equal(text, added);
	diff_free(&diff);
}

static void test_hooks(void **state)
{
	static char *some[] = { (char *)"a", (char *)"b" }, *other[] = { (char *)"a", (char *)"c" };
	static const struct config_strings none, one = { some, 1 }, two = { some, 2 },
						 third = { other, 2 }, same = { other, 1 };
	static const struct {
		const struct config_strings *old[4], *new[4];
		const char *says;
	} cases[] = {
		{ { &none, &none, &none, &none }, { &none, &none, &none, &none }, NULL },
		{ { &one, &two, &none, &one }, { &same, &two, &none, &same }, NULL },
		{ { &none, &none, &none, &none }, { &none, &one, &none, &none },
			"hooks that have changed are not run now, but PostUp when the tunnel is "
			"started again" },
		{ { &two, &none, &two, &one }, { &two, &none, &third, &none },
			"hooks that have changed are not run now, but PreDown when the tunnel "
			"stops, PostDown when the tunnel stops" },
		{ { &two, &none, &none, &none }, { &one, &none, &none, &none },
			"hooks that have changed are not run now, but PreUp when the tunnel is "
			"started again" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const struct config_strings *const *a = cases[i].old, *const *b = cases[i].new;
		const struct config old = {
			.pre_up = *a[0], .post_up = *a[1], .pre_down = *a[2], .post_down = *a[3]
		};
		const struct config new = {
			.pre_up = *b[0], .post_up = *b[1], .pre_down = *b[2], .post_down = *b[3]
		};
		struct text text = { 0 };

		diff_hooks(&text, &old, &new);
		assert_string_equal(text.len ? text.bytes : "", cases[i].says ? cases[i].says : "");
		text_free(&text);
	}
}

static void test_routes_wanted(void **state)
{
	static const struct {
		const char *addresses, *allowed;
		enum config_table table;
		const char *added;
	} cases[] = {
		{ "", "", CONFIG_TABLE_AUTO, "" },
		{ "", "10.0.0.0/8", CONFIG_TABLE_AUTO, "10.0.0.0/8 254" },
		{ "", "10.0.0.0/8 10.1.0.0/16 fd00::/64 10.1.1.1/32", CONFIG_TABLE_AUTO,
			"fd00::/64 254, 10.1.1.1/32 254, 10.1.0.0/16 254, 10.0.0.0/8 254" },
		{ "", "10.0.0.0/8", CONFIG_TABLE_OFF, "" },
		{ "10.9.0.1/24", "10.0.0.0/8 10.9.0.7/32", CONFIG_TABLE_NUMBER,
			"10.9.0.7/32 1000, 10.0.0.0/8 1000" },
		/* covered by what the address brings along */
		{ "10.9.0.1/24", "10.9.0.2/32", CONFIG_TABLE_AUTO, "" },
		{ "10.9.0.1/24", "10.9.0.0/24", CONFIG_TABLE_AUTO, "" },
		{ "10.9.0.1/24", "10.9.0.0/23", CONFIG_TABLE_AUTO, "10.9.0.0/23 254" },
		{ "10.9.0.1/24", "10.9.1.2/32", CONFIG_TABLE_AUTO, "10.9.1.2/32 254" },
		{ "10.9.0.129/25", "10.9.0.128/26 10.9.0.0/26", CONFIG_TABLE_AUTO,
			"10.9.0.0/26 254" },
		{ "10.9.0.1/30", "10.9.0.4/31 10.9.0.2/31", CONFIG_TABLE_AUTO, "10.9.0.4/31 254" },
		{ "fd00::1/64", "fd00::2/128 fd00:0:0:1::/64", CONFIG_TABLE_AUTO,
			"fd00:0:0:1::/64 254" },
		{ "fd00::1/128", "fd00::1/128", CONFIG_TABLE_AUTO, "" },
		/* an address alone brings nothing */
		{ "10.9.0.1/32", "10.9.0.1/32", CONFIG_TABLE_AUTO, "10.9.0.1/32 254" },
		{ "10.9.0.1/24", "fd00::/64", CONFIG_TABLE_AUTO, "fd00::/64 254" },
	};
	struct made made;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		make(&made, cases[i].addresses);
		made.config.table = cases[i].table;
		made.config.table_number = 1000;
		add_peer(&made, 0x22, cases[i].allowed);
		assert_routes(NULL, &made.config, "", cases[i].added);
	}
}

/* What a kill switch blocks needs a route of its own, unless the address brings the very same: a
 * second one like it the kernel refuses. */
static void test_routes_with_kill_switch(void **state)
{
	static const struct {
		const char *addresses, *allowed, *added;
	} cases[] = {
		{ "10.9.0.1/24", "10.9.0.2/32", "10.9.0.2/32 254" },
		{ "10.9.0.1/24", "10.9.0.0/24", "" },
		{ "10.9.0.1/24", "10.9.0.0/25 10.9.0.0/23 10.9.0.0/24",
			"10.9.0.0/25 254, 10.9.0.0/23 254" },
		{ "10.9.0.1/24 10.9.0.2/32", "10.9.0.0/24 10.9.0.2/32", "10.9.0.2/32 254" },
		{ "10.9.0.1/16 10.9.0.1/24", "10.9.0.0/24", "" },
		{ "fd00::1/64", "fd00::/64 fd00::2/128", "fd00::2/128 254" },
	};
	struct made made;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		make(&made, cases[i].addresses);
		made.config.kill_switch = true;
		add_peer(&made, 0x22, cases[i].allowed);
		assert_routes(NULL, &made.config, "", cases[i].added);
	}
}

static void test_routes_change(void **state)
{
	struct made old, new;

	(void)state;
	make(&old, "10.9.0.1/24");
	add_peer(&old, 0x22, "10.1.0.0/16 10.9.0.2/32 10.2.0.0/24");
	add_peer(&old, 0x33, "10.3.0.0/16");
	/* moves from one peer to another: the route stays */
	make(&new, "10.9.0.1/24");
	add_peer(&new, 0x22, "10.3.0.0/16 10.2.0.0/24");
	add_peer(&new, 0x33, "10.1.0.0/16 10.4.0.0/24");
	assert_routes(&old.config, &new.config, "", "10.4.0.0/24 254");
	assert_routes(&new.config, &old.config, "10.4.0.0/24 254", "");
	/* the address that covered one goes */
	make(&new, "10.8.0.1/24");
	add_peer(&new, 0x22, "10.1.0.0/16 10.9.0.2/32 10.2.0.0/24");
	assert_routes(&old.config, &new.config, "10.3.0.0/16 254", "10.9.0.2/32 254");
	/* another table */
	make(&new, "10.9.0.1/24");
	add_peer(&new, 0x22, "10.1.0.0/16");
	new.config.table = CONFIG_TABLE_NUMBER;
	new.config.table_number = 77;
	assert_routes(&old.config, &new.config, "10.3.0.0/16 254, 10.1.0.0/16 254, 10.2.0.0/24 254",
		"10.1.0.0/16 77");
}

static void test_addresses(void **state)
{
	struct made old, new;
	struct diff diff;

	(void)state;
	make(&old, "10.9.0.1/24 fd00::1/64");
	make(&new, "10.9.0.1/25 fd00::1/64 10.9.0.2/24");
	assert_int_equal(diff_make(&old.config, &new.config, &diff), 0);
	assert_int_equal(diff.addresses_removed.count, 1);
	assert_int_equal(diff.addresses_removed.items[0].length, 24);
	assert_int_equal(diff.addresses_added.count, 2);
	assert_int_equal(diff.addresses_added.items[0].length, 25);
	assert_int_equal(diff.addresses_added.items[1].address[3], 2);
	diff_free(&diff);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_everything),
		cmocka_unit_test(test_nothing),
		cmocka_unit_test(test_settings),
		cmocka_unit_test(test_settings_removed),
		cmocka_unit_test(test_names_are_not_told),
		cmocka_unit_test(test_peers_come_and_go),
		cmocka_unit_test(test_shared_key),
		cmocka_unit_test(test_forgotten_keys),
		cmocka_unit_test(test_refusal),
		cmocka_unit_test(test_hooks),
		cmocka_unit_test(test_routes_wanted),
		cmocka_unit_test(test_routes_with_kill_switch),
		cmocka_unit_test(test_routes_change),
		cmocka_unit_test(test_addresses),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
