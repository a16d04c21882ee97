/* SPDX-License-Identifier: ISC */
/* The control protocol: requests, answers and the state that they leave. */
#include "uapi_fixture.h"

#include "engine/tun.h"
#include "engine/udp.h"

/* ---- Requests and the state that they leave ---- */

struct set_case {
	const char *name;
	const char *before; /* lines of a first set, or NULL */
	const char *lines;
	const char *state; /* what get says then, errno left out */
	unsigned rebinds;
};

static const struct set_case set_cases[] = {
	{ "nothing", NULL, "", PORT("0"), 0 },
	{ "private key is clamped", NULL, "private_key=" PRIVATE "\n",
		"private_key=" CLAMPED "\n" PORT("0"), 0 },
	{ "zero clears it", "private_key=" PRIVATE "\n", "private_key=" ZERO "\n", PORT("0"), 0 },
	{ "port", NULL, "listen_port=51820\n", PORT("51820"), 1 },
	{ "leading zeros", NULL, "listen_port=0051820\n", PORT("51820"), 1 },
	{ "highest port", NULL, "listen_port=65535\n", PORT("65535"), 1 },
	{ "same port again", "listen_port=51820\n", "listen_port=51820\n", PORT("51820"), 1 },
	{ "any port", "listen_port=51820\n", "listen_port=0\n", PORT("40000"), 2 },
	{ "any port, nothing open", NULL, "listen_port=0\n", PORT("0"), 0 },
	{ "port and mark, one rebind", NULL, "listen_port=1\nfwmark=4294967295\n",
		PORT("1") "fwmark=4294967295\n", 1 },
	{ "mark alone", "listen_port=9\n", "fwmark=51820\n", PORT("9") "fwmark=51820\n", 2 },
	{ "mark off", "listen_port=9\nfwmark=3\n", "fwmark=0\n", PORT("9"), 2 },
	{ "same mark", "listen_port=9\nfwmark=3\n", "fwmark=3\n", PORT("9") "fwmark=3\n", 1 },
	{ "the last of two counts", NULL, "listen_port=5\nlisten_port=6\n", PORT("6"), 1 },
	{ "peer", NULL, "public_key=" ANNA "\n", PORT("0") PEER(ANNA, ZERO) PLAIN, 0 },
	{ "either case in keys", NULL, "public_key=" TIMES32("A1") "\n",
		PORT("0") PEER(ANNA, ZERO) PLAIN, 0 },
	{ "all of a peer", NULL,
		"public_key=" ANNA "\npreshared_key=" PSK "\nendpoint=192.0.2.1:51820\n"
		"persistent_keepalive_interval=25\nprotocol_version=1\nreplace_allowed_ips=true\n"
		"allowed_ip=10.1.2.3/16\nallowed_ip=fd00::1/64\nallowed_ip=0.0.0.0/0\n"
		"allowed_ip=::/0\nculvert_cipher=auto\nculvert_name=J\xc3\xbcrg's, 1st\n",
		PORT("0") "public_key=" ANNA "\npreshared_key=" PSK
			  "\nprotocol_version=1\nendpoint=192.0.2.1:51820\n" NO_TRAFFIC KEEPALIVE(
				  "25") "allowed_ip=10.1.0.0/16\nallowed_ip=fd00::/64\n"
					"allowed_ip=0.0.0.0/0\nallowed_ip=::/0\n"
					"culvert_cipher=auto\nculvert_name=J\xc3\xbcrg's, "
					"1st\n" COUNTERS,
		0 },
	{ "two peers, in order", NULL, "public_key=" BERT "\npublic_key=" ANNA "\n",
		PORT("0") PEER(BERT, ZERO) PLAIN PEER(ANNA, ZERO) PLAIN, 0 },
	{ "settings not named stay", "public_key=" ANNA "\npreshared_key=" PSK "\n",
		"public_key=" ANNA "\nallowed_ip=1.2.3.4/32\n",
		PORT("0") PEER(ANNA, PSK) "allowed_ip=1.2.3.4/32\n" PLAIN, 0 },
	{ "psk cleared", "public_key=" ANNA "\npreshared_key=" PSK "\n",
		"public_key=" ANNA "\npreshared_key=" ZERO "\n", PORT("0") PEER(ANNA, ZERO) PLAIN,
		0 },
	{ "remove", "public_key=" ANNA "\npublic_key=" BERT "\n",
		"public_key=" ANNA "\nremove=true\n", PORT("0") PEER(BERT, ZERO) PLAIN, 0 },
	{ "remove wins over the lines around it", "public_key=" ANNA "\n",
		"public_key=" ANNA "\nallowed_ip=1.1.1.1/32\nremove=true\nallowed_ip=2.2.2.2/32\n",
		PORT("0"), 0 },
	{ "remove an unknown one", NULL, "public_key=" ANNA "\nremove=true\n", PORT("0"), 0 },
	{ "remove and make anew", "public_key=" ANNA "\npreshared_key=" PSK "\n",
		"public_key=" ANNA "\nremove=true\npublic_key=" ANNA "\n",
		PORT("0") PEER(ANNA, ZERO) PLAIN, 0 },
	{ "update_only, unknown", "public_key=" BERT "\nallowed_ip=1.1.1.1/32\n",
		"public_key=" ANNA "\nupdate_only=true\nallowed_ip=1.1.1.1/32\n",
		PORT("0") PEER(BERT, ZERO) "allowed_ip=1.1.1.1/32\n" PLAIN, 0 },
	{ "update_only comes last", NULL,
		"public_key=" ANNA "\npreshared_key=" PSK "\nupdate_only=true\n", PORT("0"), 0 },
	{ "update_only, known", "public_key=" ANNA "\n",
		"public_key=" ANNA "\nupdate_only=true\npreshared_key=" PSK "\n",
		PORT("0") PEER(ANNA, PSK) PLAIN, 0 },
	{ "replace_peers", "public_key=" ANNA "\n", "replace_peers=true\npublic_key=" BERT "\n",
		PORT("0") PEER(BERT, ZERO) PLAIN, 0 },
	{ "replace_allowed_ips", "public_key=" ANNA "\nallowed_ip=1.0.0.0/8\n",
		"public_key=" ANNA "\nreplace_allowed_ips=true\nallowed_ip=2.0.0.0/8\n",
		PORT("0") PEER(ANNA, ZERO) "allowed_ip=2.0.0.0/8\n" PLAIN, 0 },
	{ "replace_allowed_ips goes in order", NULL,
		"public_key=" BERT "\nallowed_ip=3.0.0.0/8\npublic_key=" ANNA
		"\nallowed_ip=1.0.0.0/8\nreplace_allowed_ips=true\nallowed_ip=2.0.0.0/8\n",
		PORT("0") PEER(BERT, ZERO) "allowed_ip=3.0.0.0/8\n" PLAIN PEER(
			ANNA, ZERO) "allowed_ip=2.0.0.0/8\n" PLAIN,
		0 },
	{ "one allowed IP taken away",
		"public_key=" ANNA "\nallowed_ip=1.0.0.0/8\nallowed_ip=::/0\n",
		"public_key=" ANNA "\nallowed_ip=-1.2.3.4/8\nallowed_ip=-9.0.0.0/8\n",
		PORT("0") PEER(ANNA, ZERO) "allowed_ip=::/0\n" PLAIN, 0 },
	{ "not from somebody else", "public_key=" ANNA "\nallowed_ip=1.0.0.0/8\n",
		"public_key=" BERT "\nallowed_ip=-1.0.0.0/8\n",
		PORT("0") PEER(ANNA, ZERO) "allowed_ip=1.0.0.0/8\n" PLAIN PEER(BERT, ZERO) PLAIN,
		0 },
	{ "an allowed IP moves", "public_key=" ANNA "\nallowed_ip=1.0.0.0/8\n",
		"public_key=" BERT "\nallowed_ip=1.0.0.0/8\n",
		PORT("0") PEER(ANNA, ZERO) PLAIN PEER(BERT, ZERO) "allowed_ip=1.0.0.0/8\n" PLAIN,
		0 },
	{ "cipher by name", NULL, "public_key=" ANNA "\nculvert_cipher=chacha20-poly1305\n",
		PORT("0") PEER(ANNA, ZERO) "culvert_cipher=chacha20-poly1305\n" COUNTERS, 0 },
	{ "and back", "public_key=" ANNA "\nculvert_cipher=chacha20-poly1305\n",
		"public_key=" ANNA "\nculvert_cipher=none\n", PORT("0") PEER(ANNA, ZERO) PLAIN, 0 },
	{ "name cleared", "public_key=" ANNA "\nculvert_name=x\n",
		"public_key=" ANNA "\nculvert_name=\n", PORT("0") PEER(ANNA, ZERO) PLAIN, 0 },
	{ "longest name", NULL, "public_key=" ANNA "\nculvert_name=" ZERO "\n",
		PORT("0") PEER(ANNA, ZERO) "culvert_cipher=none\nculvert_name=" ZERO "\n" COUNTERS,
		0 },
};

static void test_sets(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(set_cases) / sizeof(set_cases[0]); i++) {
		const struct set_case *set = &set_cases[i];
		struct fixture fixture;
		char request[4096], expected[4096];

		fixture_init(&fixture);
		snprintf(request, sizeof(request), "set=1\n%s\n", set->before ? set->before : "");
		expect(&fixture, request, OK);
		snprintf(request, sizeof(request), "set=1\n%s\nget=1\n\n", set->lines);
		snprintf(expected, sizeof(expected), OK "%s" OK, set->state);
		char *answer = ask(&fixture, request);

		if (strcmp(answer, expected))
			print_error("case: %s\n", set->name);
		assert_string_equal(answer, expected);
		assert_int_equal(fixture.rebinds, set->rebinds);
		free(answer);
		fixture_free(&fixture);
	}
}

/* ---- Endpoints ---- */

static void test_endpoints(void **state)
{
	static const struct {
		const char *set, *get;
	} cases[] = {
		{ "0.0.0.0:1", "0.0.0.0:1" },
		{ "[2001:db8:0::1]:65535", "[2001:db8::1]:65535" },
		{ "[fe80::1%3]:51820", "[fe80::1%3]:51820" },
		{ "[fe80::1%eth0]:51820", "[fe80::1%7]:51820" },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fixture fixture;
		char request[512], line[128];

		fixture_init(&fixture);
		snprintf(request, sizeof(request), SET("public_key=" ANNA "\nendpoint=%s\n"),
			cases[i].set);
		expect(&fixture, request, OK);
		snprintf(line, sizeof(line), "\nendpoint=%s\n", cases[i].get);
		char *answer = ask(&fixture, "get=1\n\n");

		assert_non_null(strstr(answer, line));
		free(answer);
		fixture_free(&fixture);
	}
}

static void test_no_interface_index(void **state)
{
	struct fixture fixture;

	(void)state;
	fixture_init(&fixture);
	fixture.device.interface_index = NULL;
	expect(&fixture, SET("public_key=" ANNA "\nendpoint=[fe80::1%3]:5\n"), OK);
	expect(&fixture, SET("public_key=" ANNA "\nendpoint=[fe80::1%eth0]:5\n"), "errno=-22\n\n");
	fixture_free(&fixture);
}

/* ---- Errors ---- */

static const struct {
	const char *lines;
	int error;
} refused[] = {
	{ "nonsense", EPROTO },
	{ "private_key", EPROTO },
	{ "=", EINVAL },
	{ " listen_port=1", EINVAL },
	{ "LISTEN_PORT=1", EINVAL },
	{ "listen_port =1", EINVAL },
	{ "set=1", EINVAL },
	{ "get=1", EINVAL },
	{ "errno=0", EINVAL },
	{ "private_key=", EINVAL },
	{ "private_key=00", EINVAL },
	{ "private_key=" ZERO "00", EINVAL },
	{ "private_key=" TIMES32("0g"), EINVAL },
	{ "private_key=" ZERO "\r", EINVAL },
	{ "culvert_shared_key=" ZERO, EINVAL },
	{ "culvert_shared_key=" SHARED "0", EINVAL },
	{ "culvert_shared_key=" SHARED "\nprivate_key=" PRIVATE, EINVAL },
	{ "culvert_shared_key=" SHARED "\nlisten_port=9\npublic_key=" ANNA, EINVAL },
	{ "culvert_shared=true", EINVAL },
	{ "listen_port=", EINVAL },
	{ "listen_port=65536", EINVAL },
	{ "listen_port=4294967296", EINVAL },
	{ "listen_port=18446744073709551616", EINVAL },
	{ "listen_port=-1", EINVAL },
	{ "listen_port=+1", EINVAL },
	{ "listen_port=0x10", EINVAL },
	{ "listen_port= 1", EINVAL },
	{ "listen_port=1 ", EINVAL },
	{ "fwmark=", EINVAL },
	{ "fwmark=4294967296", EINVAL },
	{ "fwmark=0x1", EINVAL },
	{ "replace_peers=false", EINVAL },
	{ "replace_peers=", EINVAL },
	{ "public_key=", EINVAL },
	{ "public_key=" ZERO "0", EINVAL },
	{ "remove=true", EINVAL },
	{ "allowed_ip=1.2.3.4/32", EINVAL },
	{ A "private_key=" ZERO, EINVAL },
	{ A "listen_port=1", EINVAL },
	{ A "replace_peers=true", EINVAL },
	{ A "remove=false", EINVAL },
	{ A "update_only=false", EINVAL },
	{ A "replace_allowed_ips=1", EINVAL },
	{ A "preshared_key=", EINVAL },
	{ A "preshared_key=" ZERO "\nunknown=1", EINVAL },
	{ A "protocol_version=2", EINVAL },
	{ A "protocol_version=", EINVAL },
	{ A "persistent_keepalive_interval=65536", EINVAL },
	{ A "persistent_keepalive_interval=off", EINVAL },
	{ A "persistent_keepalive_interval=", EINVAL },
	{ A "endpoint=", EINVAL },
	{ "culvert_handshake=true", EINVAL },
	{ "culvert_handshake=4294967296", EINVAL },
	{ A "culvert_handshake=1", EINVAL },
	{ "culvert_try_endpoint=192.0.2.1:1", EINVAL },
	{ A "culvert_try_endpoint=example.net:1", EINVAL },
	{ A "endpoint=example.net:51820", EINVAL },
	{ A "endpoint=192.0.2.1", EINVAL },
	{ A "endpoint=192.0.2.1:0", EINVAL },
	{ A "endpoint=192.0.2.1:65536", EINVAL },
	{ A "endpoint=192.0.2.1%eth0:5", EINVAL },
	{ A "endpoint=192.0.2.1%eth0]:5", EINVAL },
	{ A "endpoint=2001:db8::1:51820", EINVAL },
	{ A "endpoint=[fe80::1%eth1]:51820", EINVAL },
	{ A "endpoint=[fe80::1%]:51820", EINVAL },
	{ A "endpoint=[fe80::1%eth0]", EINVAL },
	{ A "endpoint=[fe80::1%eth0]:", EINVAL },
	{ A "endpoint=]%eth0:1", EINVAL },
	{ A "allowed_ip=", EINVAL },
	{ A "allowed_ip=1.2.3.4", EINVAL },
	{ A "allowed_ip=1.2.3.4/", EINVAL },
	{ A "allowed_ip=1.2.3.4/33", EINVAL },
	{ A "allowed_ip=1.2.3.4/-1", EINVAL },
	{ A "allowed_ip=1.2.3.4/32/1", EINVAL },
	{ A "allowed_ip=1.2.3/24", EINVAL },
	{ A "allowed_ip=/0", EINVAL },
	{ A "allowed_ip=-", EINVAL },
	{ A "allowed_ip=--1.2.3.4/32", EINVAL },
	{ A "allowed_ip=::/129", EINVAL },
	{ A "allowed_ip=fe80::1%3/64", EINVAL },
	{ A "allowed_ip=:::/0", EINVAL },
	{ A "culvert_cipher=", EINVAL },
	{ A "culvert_cipher=rot13", EINVAL },
	{ A "culvert_name=a=b", EINVAL },
	{ A "culvert_name=tab\there", EINVAL },
	{ A "culvert_name=\x7f", EINVAL },
	{ A "culvert_name=\xff", EINVAL },
	{ A "culvert_name=\x80", EINVAL },
	{ A "culvert_name=\xc3", EINVAL },
	{ A "culvert_name=\xc2\x85", EINVAL },
	{ A "culvert_name=\xc1\xa1", EINVAL },
	{ A "culvert_name=\xe0\x80\xa1", EINVAL },
	{ A "culvert_name=\xed\xa0\x80", EINVAL },
	{ A "culvert_name=\xf4\x90\x80\x80", EINVAL },
	{ A "culvert_name=" ZERO "0", EINVAL },
};

/* Everything that a set can change comes before the bad line, and after it. */
static void test_errors_change_nothing(void **state)
{
	const char *around = "private_key=" CARL "\nlisten_port=77\nfwmark=7\nreplace_peers=true\n";
	struct fixture fixture;

	(void)state;
	fixture_init(&fixture);
	expect(&fixture,
		SET("private_key=" PRIVATE "\nlisten_port=51820\n" A "allowed_ip=1.0.0.0/8\n"), OK);
	char *before = ask(&fixture, "get=1\n\n");

	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		char request[2048], expected[64];

		snprintf(request, sizeof(request), "set=1\n%s%s\npublic_key=" BERT "\n\n",
			strstr(refused[i].lines, "shared_key") ? "" : around, refused[i].lines);
		snprintf(expected, sizeof(expected), "errno=%d\n\n", -refused[i].error);
		char *answer = ask(&fixture, request), *after = ask(&fixture, "get=1\n\n");

		if (strcmp(answer, expected) || strcmp(before, after))
			print_error("case: %s\n", refused[i].lines);
		assert_string_equal(answer, expected);
		assert_string_equal(after, before);
		assert_int_equal(fixture.rebinds, 1);
		free(answer);
		free(after);
	}
	free(before);
	fixture_free(&fixture);
}

/* A port that is taken: the rest of the request is left undone. */
static void test_rebind_fails(void **state)
{
	struct fixture fixture;

	(void)state;
	fixture_init(&fixture);
	expect(&fixture, SET("listen_port=5\n" A), OK);
	fixture.rebind_error = -EADDRINUSE;
	expect(&fixture,
		SET("replace_peers=true\nprivate_key=" PRIVATE "\nlisten_port=6\npublic_key=" BERT
		    "\n") "get=1\n\n",
		"errno=-98\n\n" PORT("5") PEER(ANNA, ZERO) PLAIN OK);
	assert_int_equal(fixture.rebinds, 2);
	fixture_free(&fixture);
}

/* Whoever waits for the port gets sockets when it is told, be it any port; and once. */
static void test_port_due(void **state)
{
	struct fixture fixture;

	(void)state;
	fixture_init(&fixture);
	fixture.device.port_due = true;
	expect(&fixture, SET("private_key=" PRIVATE "\n"), OK);
	assert_int_equal(fixture.rebinds, 0);
	expect(&fixture, SET("listen_port=0\nfwmark=0\n"), OK);
	assert_int_equal(fixture.rebinds, 1);
	assert_false(fixture.device.port_due);
	expect(&fixture, SET("fwmark=0\n"), OK);
	assert_int_equal(fixture.rebinds, 1);
	fixture_free(&fixture);
}

static void test_lacking_ciphers(void **state)
{
	static const char *const names[] = { "chacha20-poly1305", "aes-256-gcm", "aegis-128l",
		"aegis-256" };
	struct fixture fixture;

	(void)state;
	fixture_init(&fixture);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const struct aead *cipher = aead_by_name(names[i]);
		char request[512];

		snprintf(request, sizeof(request), SET(A "culvert_cipher=%s\n"), names[i]);
		expect(&fixture, request, cipher && cipher->available() ? OK : "errno=-95\n\n");
	}
	fixture_free(&fixture);
}

/* ---- Ourselves ---- */

/* The hex of the public key of the private key that PRIVATE is. */
static void own_public(char hex[KEY_HEX_SIZE])
{
	uint8_t private_key[KEY_LEN], public_key[KEY_LEN];

	memset(private_key, 0xff, sizeof(private_key));
	key_derive_public(public_key, private_key);
	key_to_hex(hex, public_key);
}

static void test_peer_that_is_ourselves(void **state)
{
	char hex[KEY_HEX_SIZE], request[1024];
	struct fixture fixture;

	(void)state;
	own_public(hex);
	fixture_init(&fixture);
	snprintf(request, sizeof(request),
		SET("private_key=" PRIVATE "\n" A "allowed_ip=1.0.0.0/8\n"
		    "public_key=%s\nallowed_ip=1.0.0.0/8\npublic_key=" BERT "\n"),
		hex);
	expect(&fixture, request, OK);
	expect(&fixture, "get=1\n\n",
		"private_key=" CLAMPED "\n" PORT("0")
			PEER(ANNA, ZERO) "allowed_ip=1.0.0.0/8\n" PLAIN PEER(BERT, ZERO) PLAIN OK);
	fixture_free(&fixture);

	fixture_init(&fixture); /* the peer first, the key then */
	snprintf(request, sizeof(request), SET("public_key=%s\npublic_key=" BERT "\n"), hex);
	expect(&fixture, request, OK);
	expect(&fixture, SET("private_key=" PRIVATE "\n"), OK);
	expect(&fixture, "get=1\n\n",
		"private_key=" CLAMPED "\n" PORT("0") PEER(BERT, ZERO) PLAIN OK);
	fixture_free(&fixture);
}

/* ---- A shared key ---- */

static void shared_public(const struct fixture *fixture, char hex[KEY_HEX_SIZE])
{
	key_to_hex(hex, tunnel_local(fixture->tunnel)->responder.public_key);
}

#define SHARED_STATE(rest)                                                                     \
	PORT("0")                                                                              \
	"culvert_shared=true\npublic_key=%1$s\nprotocol_version=1\n" NO_TRAFFIC KEEPALIVE("0") \
		rest "culvert_cipher=auto\n" COUNTERS OK

static void test_shared_key(void **state)
{
	static const struct {
		const char *request, *answer;
	} steps[] = {
		{ "get=1\n\n", SHARED_STATE("") },
		{ SET("private_key=" PRIVATE "\n"), "errno=-16\n\n" },
		{ SET("private_key=" ZERO "\n"), "errno=-16\n\n" },
		{ SET("private_key=" ZERO "\nlisten_port=5\n"), "errno=-16\n\n" },
		{ SET("public_key=%1$s\nremove=true\n"), "errno=-16\n\n" },
		{ SET("public_key=%1$s\npreshared_key=" PSK "\n"), "errno=-22\n\n" },
		{ SET("public_key=%1$s\nculvert_cipher=none\n"), "errno=-22\n\n" },
		{ SET("public_key=%1$s\nallowed_ip=::/0\n" A), "errno=-22\n\n" },
		{ SET(A "update_only=true\n"), OK },
		{ SET(A "remove=true\n"), OK },
		{ "get=1\n\n", SHARED_STATE("") },
		{ SET("public_key=%1$s\nupdate_only=true\nallowed_ip=::/0\n"), OK },
		{ SET("replace_peers=true\n"), OK },
		{ SET("culvert_shared_key=" SHARED "\nreplace_peers=true\npublic_key=%1$s\n"), OK },
		{ "get=1\n\n", SHARED_STATE("allowed_ip=::/0\n") },
	};
	struct fixture fixture;
	char hex[KEY_HEX_SIZE], request[1024], answer[4096];

	(void)state;
	fixture_init(&fixture);
	expect(&fixture, SET("private_key=" PRIVATE "\n" A), OK);
	expect(&fixture, SET("culvert_shared_key=" SHARED "\nreplace_peers=true\n"), OK);
	shared_public(&fixture, hex);
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		snprintf(request, sizeof(request), steps[i].request, hex);
		snprintf(answer, sizeof(answer), steps[i].answer, hex);
		expect(&fixture, request, answer);
	}
	expect(&fixture, SET("culvert_shared_key=" PSK "\n"), OK);
	shared_public(&fixture, hex);
	snprintf(answer, sizeof(answer), SHARED_STATE(""), hex);
	expect(&fixture, "get=1\n\n", answer);
	assert_int_equal(fixture.rebinds, 0);
	fixture_free(&fixture);
}

/* What an observer gets is a get without keys, and no more. */
static void test_restricted(void **state)
{
	static const char *const sets[] = { SET(""), SET("listen_port=5\n"),
		SET("private_key=" ZERO "\n"), SET("replace_peers=true\n"), SET(A "remove=true\n"),
		SET(A "endpoint=[::1]:9\n") };
	struct fixture fixture;
	struct answer answer = { NULL, 0 };
	char *text;

	(void)state;
	fixture_init(&fixture);
	expect(&fixture, SET("private_key=" PRIVATE "\n" A "preshared_key=" PSK "\n"), OK);
	struct uapi_connection *connection = uapi_connection_new(fixture.tunnel, &fixture.device);

	assert_non_null(connection);
	uapi_connection_restrict(connection);
	assert_int_equal(feed(connection, "get=1\n\n", 7, false, &answer), 0);
	text = answer_text(&answer);
	assert_string_equal(text,
		PORT("0") "public_key=" ANNA "\nprotocol_version=1\n" NO_TRAFFIC KEEPALIVE("0")
			PLAIN OK);
	free(text);
	for (size_t i = 0; i < sizeof(sets) / sizeof(*sets); i++) {
		assert_int_equal(feed(connection, sets[i], strlen(sets[i]), false, &answer), 0);
		text = answer_text(&answer);
		assert_string_equal(text, "errno=-13\n\n");
		free(text);
	}
	assert_non_null(tunnel_first_peer(fixture.tunnel));
	assert_int_equal(fixture.rebinds, 0);
	uapi_connection_free(connection);
	fixture_free(&fixture);
}

/* What only some have: drops that the owner counts, times and troubles of a peer. */
static uint64_t seven_drops(void *context)
{
	(void)context;
	return 7;
}

static void test_what_happened(void **state)
{
	static const char *const lines[] = { "\nculvert_receive_drops=7\n",
		"\nculvert_send_errors=8\n", "\nculvert_write_errors=9\n",
		"\nculvert_up_since=1600000100\n", "\nculvert_unanswered=3\n",
		"\nculvert_unanswered_since=1600000200\n", "\nculvert_rtt=1234567\n",
		"\nculvert_trouble=no_common_cipher\n" };
	struct fixture fixture;
	struct peer *peer;
	char *text;

	(void)state;
	fixture_init(&fixture);
	expect(&fixture, SET(A), OK);
	fixture.device.receive_drops = seven_drops;
	fixture.device.send_errors = 8;
	fixture.device.write_errors = 9;
	peer = tunnel_first_peer(fixture.tunnel);
	peer->up_since = UINT64_C(1600000100999999999);
	peer->timers.unanswered = 3;
	peer->unanswered_since = UINT64_C(1600000200000000000);
	peer->rtt = 1234567;
	peer->trouble = TUNNEL_NO_COMMON_CIPHER;
	text = ask(&fixture, "get=1\n\n");
	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
		if (!strstr(text, lines[i]))
			print_error("no %s in:\n%s", lines[i], text);
		assert_non_null(strstr(text, lines[i]));
	}
	free(text);
	fixture_free(&fixture);
}

/* Neither the key nor anything secret that was derived from it. */
static void test_shared_key_stays_secret(void **state)
{
	struct fixture fixture;
	char hex[KEY_HEX_SIZE];

	(void)state;
	fixture_init(&fixture);
	char *answer = ask(&fixture, SET("culvert_shared_key=" SHARED "\n") "get=1\n\n");
	const struct noise_local *local = tunnel_local(fixture.tunnel);

	assert_null(strstr(answer, SHARED));
	key_to_hex(hex, local->initiator.private_key);
	assert_null(strstr(answer, hex));
	key_to_hex(hex, local->responder.private_key);
	assert_null(strstr(answer, hex));
	key_to_hex(hex, noise_remote_psk(tunnel_first_peer(fixture.tunnel)->noise));
	assert_null(strstr(answer, hex));
	free(answer);
	fixture_free(&fixture);
}

/* What is in use of the kernel is told as it is at that time, and of no device that does not say.
 */
static void offload_in_use(void **state)
{
	struct tun_offload device = {
		.header = true, .tcp = true, .udp = true, .merge_tcp = true, .merge_udp = true
	};
	struct udp_sockets sockets = { .v4 = 3, .v6 = 4, .offload = { .receive = true } };
	const struct fastpath fastpath = { .device = &device, .sockets = &sockets };
	struct fixture fixture;

	(void)state;
	fixture_init(&fixture);
	expect(&fixture, "get=1\n\n", PORT("0") OK);
	fixture.device.fastpath = &fastpath;
	expect(&fixture, "get=1\n\n",
		PORT("0") "culvert_offload_device=tcp,udp\nculvert_offload_sockets=receive\n" OK);
	device.merge_tcp = device.merge_udp = false;
	expect(&fixture, "get=1\n\n",
		PORT("0") "culvert_offload_device=none\nculvert_offload_sockets=receive\n" OK);
	fixture_free(&fixture);
}

/* ---- How peers are reached ---- */

#define REACHED(key, rest) "public_key=" key "\n" rest

static void test_reached(void **state)
{
	static const struct {
		const char *request, *answer;
	} steps[] = {
		{ "get=1\npublic_key=" ANNA "\n\n",
			REACHED(ANNA, "rx_bytes=0\n") KEEPALIVE("0") OK },
		{ SET(A "culvert_try_endpoint=192.0.2.1:7\npersistent_keepalive_interval=9\n"),
			OK },
		{ "get=1\npublic_key=" ANNA "\npublic_key=" CARL "\npublic_key=" BERT "\n\n",
			REACHED(ANNA, "endpoint=192.0.2.1:7\nrx_bytes=0\n") KEEPALIVE("9")
				REACHED(BERT, "rx_bytes=0\n") KEEPALIVE("0") OK },
		{ SET("culvert_handshake=4294967295\n"), OK },
		{ "get=1\npublic_key=" CARL "\n\n", OK },
		{ "get=1\npublic_key=00\n\n", "errno=-22\n\n" },
		{ "get=1\npublic_key=" ANNA "\nendpoint=192.0.2.1:8\n\n", "errno=-22\n\n" },
		{ "get=1\nlisten_port=5\n\n", "errno=-22\n\n" },
	};
	struct fixture fixture;

	(void)state;
	fixture_init(&fixture);
	expect(&fixture, SET("private_key=" PRIVATE "\n" A "public_key=" BERT "\n"), OK);
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
		expect(&fixture, steps[i].request, steps[i].answer);
	struct peer *anna = tunnel_first_peer(fixture.tunnel);

	anna->last_handshake_boot = when.boot - 5000000;
	anna->timers.waiting_since = when.boot - 1234000000 / 2;
	expect(&fixture, steps[0].request,
		REACHED(ANNA, "endpoint=192.0.2.1:7\nrx_bytes=0\n")
			KEEPALIVE("9") "culvert_handshake_age=5\nculvert_waiting=617\n" OK);
	fixture_free(&fixture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sets),
		cmocka_unit_test(test_endpoints),
		cmocka_unit_test(test_no_interface_index),
		cmocka_unit_test(test_errors_change_nothing),
		cmocka_unit_test(test_rebind_fails),
		cmocka_unit_test(test_port_due),
		cmocka_unit_test(test_lacking_ciphers),
		cmocka_unit_test(test_peer_that_is_ourselves),
		cmocka_unit_test(test_reached),
		cmocka_unit_test(test_shared_key),
		cmocka_unit_test(test_restricted),
		cmocka_unit_test(test_what_happened),
		cmocka_unit_test(test_shared_key_stays_secret),
		cmocka_unit_test(offload_in_use),
	};

	return cmocka_run_group_tests(tests, sodium_setup, NULL);
}
