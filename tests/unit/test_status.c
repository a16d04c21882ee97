/* SPDX-License-Identifier: ISC */
/* culvert status: taking the two answers apart, states, the two forms of output. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/status.h"
#include "host/text.h"

#define HEX "0202020202020202020202020202020202020202020202020202020202020202"
#define BASE64 "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI="
#define SECRET "7e7e7e7e7e7e7e7e7e7e7e7e7e7e7e7e7e7e7e7e7e7e7e7e7e7e7e7e7e7e7e7e"

enum { NOW = 1000000 };

static const char engine_answer[] =
	"private_key=" SECRET "\nlisten_port=51820\nfwmark=16\n"
	"culvert_offload_device=tcp,udp\nculvert_offload_sockets=send\n"
	"public_key=" HEX "\npreshared_key=" SECRET "\nprotocol_version=1\n"
	"endpoint=192.0.2.1:7\nlast_handshake_time_sec=999990\nlast_handshake_time_nsec=5\n"
	"tx_bytes=777\nrx_bytes=12345\npersistent_keepalive_interval=25\n"
	"allowed_ip=10.0.0.0/8\nallowed_ip=fd00::/64\nallowed_ip=10.1.0.0/16\nallowed_ip=10.2.0.0/"
	"16\n"
	"culvert_cipher=auto\nculvert_name=B\"\\\xc3\xbc\x01\xff\nculvert_session_cipher=aegis-"
	"128l\n"
	"culvert_rx_packets=1\nculvert_tx_packets=2\nculvert_replays=3\nculvert_undecryptable=0\n"
	"culvert_refused_sources=5\nculvert_dropped=6\nculvert_added=996400\n"
	"culvert_up_since=999000\nculvert_rtt=12345678\nculvert_received=199\nculvert_lost=1\n"
	"culvert_trouble=old_timestamp\nsomething_new=x\nerrno=0\n\n";

static const char monitor_answer[] =
	"name=office\nstate=running\npid=11\nengine_pid=12\ndevice=wg0\nconfig=/etc/culvert/"
	"office.conf\nlink=ip\n"
	"since=996400\nmtu=1420\nmtu_why=1500 of device eth0, less 80\nuser=nobody\nnew=x\n"
	"table=auto\nroutes=3\nnetwork_changed=999940\nclock_behind=90\n"
	"dns_backend=resolvconf\ndns_server=10.9.0.2\ndns_server=fd09::2\ndns_domain=corp.example\n"
	"routing=IPv4 by rules into table 7\nkill_switch=paused\npaused=90\n"
	"peer=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\nendpoint_name=gone:1\n"
	"peer=" BASE64 "\nendpoint_name=b.example:7\nresolved=true\n\n";

struct answers {
	struct status status;
	char *engine, *monitor;
};

static void parse(struct answers *answers)
{
	*answers = (struct answers){ .engine = strdup(engine_answer),
		.monitor = strdup(monitor_answer) };
	assert_int_equal(status_parse_engine(&answers->status, answers->engine), 0);
	assert_int_equal(status_parse_monitor(&answers->status, answers->monitor), 0);
}

static void drop(struct answers *answers)
{
	status_free(&answers->status);
	free(answers->engine);
	free(answers->monitor);
}

static void test_parse(void **state)
{
	struct answers answers;
	const struct status *status = &answers.status;
	const struct status_peer *peer;

	(void)state;
	parse(&answers);
	assert_string_equal(status->name, "office");
	assert_string_equal(status->mtu_why, "1500 of device eth0, less 80");
	assert_int_equal(status->listen_port, 51820);
	assert_int_equal(status->since, 996400);
	assert_string_equal(status->kill_switch, "paused");
	assert_int_equal(status->paused, 90);
	assert_null(status->last_error);
	assert_string_equal(status->dns_backend, "resolvconf");
	assert_null(status->dns_error);
	assert_int_equal(status->dns_server_count, 2);
	assert_string_equal(status->dns_servers[1], "fd09::2");
	assert_int_equal(status->dns_domain_count, 1);
	assert_int_equal(status->peer_count, 1);
	peer = status->peers;
	assert_string_equal(peer->public_key, BASE64);
	assert_string_equal(peer->endpoint_name, "b.example:7");
	assert_int_equal(peer->keepalive, 25);
	assert_int_equal(peer->rx_bytes, 12345);
	assert_int_equal(peer->dropped, 6);
	assert_int_equal(peer->allowed_count, 4);
	assert_string_equal(peer->allowed_ips[3], "10.2.0.0/16");
	assert_false(peer->unresolved);
	assert_int_equal(status_peer_state(peer, NOW), PEER_UP);
	assert_false(status_is_degraded(status, NOW));
	drop(&answers);
}

/* Of the secrets nothing is left in memory. */
static void test_secrets_are_wiped(void **state)
{
	struct answers answers;
	size_t len = strlen(engine_answer);

	(void)state;
	parse(&answers);
	assert_null(memmem(answers.engine, len, "7e7e7e7e", 8));
	drop(&answers);
}

static void test_bad_answers(void **state)
{
	static const struct {
		const char *engine;
		int error;
	} cases[] = {
		{ "", -EINVAL },
		{ "\n", -EINVAL },
		{ "errno=-5\n\n", -EINVAL },
		{ "listen_port=1\n\n", -EINVAL },
		{ "public_key=xyz\nerrno=0\n\n", -EINVAL },
		{ "public_key=" HEX "\nallowed_ip=10.0.0.0/8\n", -EINVAL },
		{ "errno=0\n\n", 0 },
		{ "errno=0", 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct status status = { 0 };
		char *copy = strdup(cases[i].engine);

		assert_int_equal(status_parse_engine(&status, copy), cases[i].error);
		status_free(&status);
		free(copy);
	}
	for (size_t len = 0; len < strlen(monitor_answer); len++) {
		struct status status = { 0 };
		char *copy = strndup(monitor_answer, len);

		status_parse_monitor(&status, copy);
		status_free(&status);
		free(copy);
	}
}

static void test_states(void **state)
{
	/* In the file: whether it says where the peer is, and PersistentKeepalive. */
	static const struct {
		uint64_t handshake, tx;
		bool unresolved;
		const char *endpoint;
		bool in_file;
		unsigned keepalive, unanswered;
		enum peer_state expected;
		bool degraded;
		uint64_t since, unanswered_since;
	} cases[] = {
		{ NOW, 1, false, "x", true, 0, 0, PEER_UP, false, 20, 0 },
		{ NOW - 179, 1, false, "x", true, 0, 0, PEER_UP, false, 20, 0 },
		/* renewing it, and for how long that may take */
		{ NOW - 179, 1, false, "x", true, 25, 3, PEER_UP, false, 20, NOW - 10 },
		{ NOW - 179, 1, false, "x", true, 25, 3, PEER_HANDSHAKING, true, NOW - 11,
			NOW - 11 },
		{ NOW - 20, 1, false, "x", false, 25, 3, PEER_HANDSHAKING, false, NOW - 11,
			NOW - 11 },
		{ NOW + 50, 1, false, "x", true, 0, 0, PEER_UP, false, 20,
			0 }, /* the clock went back */
		{ NOW - 180, 1, false, "x", true, 0, 0, PEER_STALE, false, NOW, 0 },
		{ NOW - 300, 1, false, "x", true, 25, 0, PEER_STALE, true, NOW - 120, 0 },
		{ NOW - 300, 1, false, "x", true, 0, 1, PEER_HANDSHAKING, true, 30, 30 },
		{ 0, 0, false, NULL, true, 0, 0, PEER_NEVER, false, 10, 0 },
		{ 0, 0, false, NULL, true, 25, 0, PEER_NEVER, true, 10, 0 },
		{ 0, 148, false, "x", true, 0, 1, PEER_HANDSHAKING, true, 30, 30 },
		{ 0, 148, false, "x", true, 0, 0, PEER_HANDSHAKING, true, 30, 30 }, /* gave up */
		{ 0, 0, true, NULL, true, 0, 0, PEER_UNRESOLVED, true, 10, 0 },
		/* it came to us meanwhile */
		{ NOW - 5, 1, true, "x", true, 0, 0, PEER_UP, false, 20, 0 },
		{ NOW - 500, 1, true, "x", true, 0, 0, PEER_STALE, false, NOW - 320, 0 },
		/* road warriors that are away, be it with traffic for them or a keepalive */
		{ NOW - 500, 1, false, "x", false, 0, 0, PEER_STALE, false, NOW - 320, 0 },
		{ NOW - 500, 1, false, "x", false, 25, 0, PEER_STALE, false, NOW - 320, 0 },
		{ NOW - 500, 1, false, "x", false, 25, 2, PEER_HANDSHAKING, false, 30, 30 },
		{ 0, 0, false, NULL, false, 25, 0, PEER_NEVER, false, 10, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct status_peer peer = { .last_handshake = cases[i].handshake,
			.tx_bytes = cases[i].tx,
			.unanswered = cases[i].unanswered,
			.endpoint_name = cases[i].in_file ? "b.example:7" : NULL,
			.added = 10,
			.up_since = 20,
			.unanswered_since = cases[i].unanswered_since,
			.unresolved = cases[i].unresolved,
			.endpoint = cases[i].endpoint,
			.keepalive = cases[i].keepalive };
		struct status status = {
			.state = "running", .engine_answered = true, .peers = &peer, .peer_count = 1
		};

		assert_int_equal(status_peer_state(&peer, NOW), cases[i].expected);
		assert_int_equal(status_peer_since(&peer, NOW), cases[i].since);
		assert_int_equal(status_is_degraded(&status, NOW), cases[i].degraded);
		status.state = "stopping";
		assert_true(status_is_degraded(&status, NOW));
		status.state = "running";
		status.engine_answered = false;
		assert_true(status_is_degraded(&status, NOW));
	}
}

/* A tunnel by rules whose mark was changed sends into itself. */
static void test_mark(void **state)
{
	struct status status = { .state = "running", .engine_answered = true };

	(void)state;
	status.fwmark = 7;
	assert_false(status_is_degraded(&status, NOW));
	status.mark_of_rules = 7;
	assert_false(status_is_degraded(&status, NOW));
	status.fwmark = 0;
	assert_true(status_is_degraded(&status, NOW));
}

static char *print(const struct status *status, bool json);

/* It does not run, and nothing passes. */
static void test_left_closed(void **state)
{
	const struct status status = {
		.name = "office", .state = STATUS_DOWN, .kill_switch = "on"
	};
	char *text = print(&status, false);

	(void)state;
	assert_string_equal(text, "office is not running; its kill switch is closed: culvert down "
				  "office opens it\n");
	free(text);
	text = print(&status, true);
	assert_non_null(strstr(text, "\"state\": \"down\""));
	assert_non_null(strstr(text, "\"kill_switch\": \"on\""));
	assert_non_null(strstr(text, "\"device\": null"));
	free(text);
}

static char *print(const struct status *status, bool json)
{
	char *text = NULL;
	size_t len;
	FILE *to = open_memstream(&text, &len);

	assert_non_null(to);
	if (json)
		status_print_json(to, status, 1, NOW);
	else
		status_print(to, status, NOW);
	fclose(to);
	return text;
}

static void test_person(void **state)
{
	static const char *const expected[] = { "office: up since ", "(1 h 0 min)", "device wg0",
		"port 51820", "mark 0x10", "MTU 1420: 1500 of device eth0, less 80",
		"  offload: device tcp+udp, sockets send\n",
		"  DNS: 10.9.0.2, fd09::2; domains corp.example (resolvconf)\n", "  B\"\\ü??  ",
		"  b.example:7 (192.0.2.1:7)  ", "  10 s ago  ", "  aegis-128l  ",
		"  12.1 KiB / 777 B  ", "6 dropped, 3 replays, 5 refused",
		"10.0.0.0/8, fd00::/64, 10.1.0.0/16 and 1 more\n",
		"  routing: IPv4 by rules into table 7\n", "  kill switch: paused\n",
		"by for another 1 min\n", "  up for 16 min  ", "  12 ms / 0.5 %  ",
		"  routes: 3, table auto\n", "  network: changed 1 min ago\n",
		"  the clock is wrong, by 1 min at least",
		"  B\"\\ü??: a handshake with an old timestamp" };
	struct answers answers;
	char *text;

	(void)state;
	parse(&answers);
	text = print(&answers.status, false);
	for (size_t i = 0; i < sizeof(expected) / sizeof(*expected); i++) {
		if (!strstr(text, expected[i]))
			print_error("no \"%s\" in:\n%s", expected[i], text);
		assert_non_null(strstr(text, expected[i]));
	}
	assert_null(strstr(text, SECRET));
	free(text);
	answers.status.kill_switch = "off";
	answers.status.routing = NULL;
	answers.status.dns_backend = NULL;
	text = print(&answers.status, false);
	assert_non_null(strstr(text, "corp.example (paused: the host's own are in effect)\n"));
	assert_non_null(strstr(text, "  paused: DNS for another 1 min\n"));
	free(text);
	answers.status.paused = 0;
	text = print(&answers.status, false);
	assert_null(strstr(text, "kill switch"));
	assert_null(strstr(text, "routing"));
	assert_null(strstr(text, "paused"));
	free(text);
	answers.status.engine_answered = false;
	text = print(&answers.status, false);
	assert_non_null(strstr(text, "does not answer"));
	free(text);
	drop(&answers);
}

/* Of the tunnel itself. A member that comes twice is one of which a program sees either. */
static void expect_members_once(const char *text)
{
	char members[64][32];
	size_t count = 0;
	int depth = 0;

	text = strstr(text, "\"tunnels\": [");
	assert_non_null(text);
	for (text = strchr(text, '{') + 1; strncmp(text, "\"peers\"", 7); text++) {
		depth += (*text == '{') - (*text == '}');
		if (depth || strncmp(text, "\": ", 3) || count == 64)
			continue;
		const char *name = text;

		while (name[-1] != '"')
			name--;
		snprintf(members[count], sizeof(members[0]), "%.*s", (int)(text - name), name);
		for (size_t i = 0; i < count; i++)
			assert_string_not_equal(members[i], members[count]);
		count++;
	}
	assert_in_range(count, 20, 63);
}

static void test_json(void **state)
{
	static const char *const expected[] = {
		"\"offload\": {\"device\": [\"tcp\",\"udp\"], \"sockets\": [\"send\"]}, ",
		"{ \"version\": 1, \"time\": 1000000, \"tunnels\": [",
		"\"name\": \"office\"",
		"\"since\": 996400",
		"\"last_error\": null",
		"\"fwmark\": 16",
		"\"name\": \"B\\\"\\\\ü\\u0001\\ufffd\"",
		"\"last_handshake\": 999990",
		"\"state\": \"up\"",
		"\"rx_bytes\": 12345",
		"\"persistent_keepalive\": 25",
		"\"allowed_ips\": [\"10.0.0.0/8\", \"fd00::/64\", \"10.1.0.0/16\", ",
		", \"10.1.0.0/16\", \"10.2.0.0/16\"]",
		"\"since\": 999000",
		"\"rtt\": 0.012345",
		"\"loss\": 0.0050",
		"\"routes\": 3",
		"\"table\": \"auto\"",
		"\"network_changed\": 999940",
		"\"clock_behind\": 90",
		"\"routing\": \"IPv4 by rules into table 7\"",
		"\"kill_switch\": \"paused\"",
		"\"paused\": 90",
		"\"dns\": { \"backend\": \"resolvconf\", \"error\": null, ",
		"\"servers\": [\"10.9.0.2\", \"fd09::2\"], \"domains\": [\"corp.example\"] }, ",
		"\"last_error\": \"a handshake with an old timestamp",
	};
	struct answers answers;
	char *text;

	(void)state;
	parse(&answers);
	text = print(&answers.status, true);
	for (size_t i = 0; i < sizeof(expected) / sizeof(*expected); i++) {
		if (!strstr(text, expected[i]))
			print_error("no %s in:\n%s", expected[i], text);
		assert_non_null(strstr(text, expected[i]));
	}
	expect_members_once(text);
	free(text);
	drop(&answers);
}

static void expect_printed(const struct status *status, bool json, const char *part)
{
	char *text = print(status, json);

	if (!strstr(text, part))
		print_error("no %s in:\n%s", part, text);
	assert_non_null(strstr(text, part));
	if (json)
		expect_members_once(text);
	free(text);
}

/* AllowedIPs and routes are of no concern there. */
static void test_link(void **state)
{
	struct answers answers;
	char *text;

	(void)state;
	parse(&answers);
	expect_printed(&answers.status, true,
		"\"link\": \"ip\", \"bridge\": null, \"bridge_joined\": null, ");
	answers.status.link = "ethernet";
	answers.status.peers[0].allowed_count = 0;
	text = print(&answers.status, false);
	assert_non_null(strstr(text, "\n  link: Ethernet\n"));
	assert_null(strstr(text, "routes:"));
	assert_non_null(strstr(text, "  ADDRESSES\n"));
	assert_non_null(strstr(text, "  -\n"));
	free(text);
	answers.status.peers[0].addresses = 77;
	expect_printed(&answers.status, false, "  77\n");
	answers.status.bridge = "br0";
	expect_printed(&answers.status, false, "  link: Ethernet, in the bridge br0\n");
	expect_printed(&answers.status, true,
		"\"link\": \"ethernet\", \"bridge\": \"br0\", \"bridge_joined\": true, ");
	expect_printed(&answers.status, true, "\"addresses\": 77, ");
	drop(&answers);
}

/* What the monitor says of a tunnel that lacks something; the engine is well. */
static void parse_lack(struct status *status, char *answer)
{
	*status = (struct status){ 0 };
	assert_int_equal(status_parse_monitor(status, answer), 0);
	status->engine_answered = true;
	assert_true(status_is_degraded(status, NOW));
	expect_printed(status, true, "\"degraded\": true, ");
}

static void test_lost_bridge(void **state)
{
	char answer[] = "name=a\nstate=running\ndevice=a\nlink=ethernet\nbridge=br0\n"
			"bridge_lost=which is not there\n\n";
	struct status status;

	(void)state;
	parse_lack(&status, answer);
	expect_printed(
		&status, false, "  link: Ethernet, not in the bridge br0, which is not there\n");
	expect_printed(&status, true, "\"bridge\": \"br0\", \"bridge_joined\": false, ");
	status.bridge_lost = NULL;
	assert_false(status_is_degraded(&status, NOW));
	status_free(&status);
}

static void test_lost_namespace(void **state)
{
	char answer[] = "name=a\nstate=running\ndevice=a\nnetwork_namespace=blue\n"
			"network_namespace_lost=1\n\n";
	struct status status;
	char *text;

	(void)state;
	parse_lack(&status, answer);
	expect_printed(&status, false,
		"  blue is not the network namespace any more that the device is in: if it "
		"was made anew, restart the tunnel\n");
	expect_printed(&status, true,
		"\"network_namespace\": \"blue\", \"network_namespace_lost\": true, ");
	status.network_namespace_lost = 0;
	assert_false(status_is_degraded(&status, NOW));
	text = print(&status, false);
	assert_null(strstr(text, "blue is not"));
	free(text);
	status_free(&status);
}

static void test_offload(void **state)
{
	static const struct {
		const char *device, *sockets, *expected;
	} cases[] = {
		{ "none", "send,receive",
			"\"offload\": {\"device\": [], \"sockets\": [\"send\",\"receive\"]}, " },
		{ "udp", "none", "\"offload\": {\"device\": [\"udp\"], \"sockets\": []}, " },
		{ "", ",\"", "\"offload\": {\"device\": [], \"sockets\": [\"\",\"\\\"\"]}, " },
		{ NULL, NULL, "\"offload\": null, " },
		{ "tcp", NULL, "\"offload\": null, " },
	};
	struct answers answers;

	(void)state;
	parse(&answers);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		answers.status.offload_device = cases[i].device;
		answers.status.offload_sockets = cases[i].sockets;
		char *text = print(&answers.status, true);

		assert_non_null(strstr(text, cases[i].expected));
		free(text);
		text = print(&answers.status, false);
		assert_int_equal(strstr(text, "offload: ") != NULL, cases[i].sockets != NULL);
		free(text);
	}
	drop(&answers);
}

static void test_dns(void **state)
{
	const char *servers[] = { "10.9.0.2" };
	struct status status = {
		.name = "office", .state = "running", .device = "wg0", .engine_answered = true
	};
	char *text = print(&status, true);

	(void)state;
	assert_non_null(strstr(text, "\"dns\": null, "));
	free(text);
	assert_false(status_is_degraded(&status, NOW));
	status.dns_servers = servers;
	status.dns_server_count = 1;
	status.dns_error = "no helper";
	assert_true(status_is_degraded(&status, NOW));
	text = print(&status, true);
	assert_non_null(strstr(text, "\"dns\": { \"backend\": null, \"error\": \"no helper\", "
				     "\"servers\": [\"10.9.0.2\"], \"domains\": [] }, "));
	free(text);
	text = print(&status, false);
	assert_non_null(strstr(text, "  DNS: 10.9.0.2; not in effect: no helper\n"));
	free(text);
}

static void test_characters(void **state)
{
	static const struct {
		const char *text;
		size_t len;
	} cases[] = {
		{ "a", 1 },
		{ "\xc3\xbc", 2 },
		{ "\xe2\x82\xac", 3 },
		{ "\xf0\x9f\x98\x80", 4 },
		{ "\xf4\x8f\xbf\xbf", 4 },
		{ "\x80", 0 },
		{ "\xbf\xbf", 0 },
		{ "\xc3", 0 },
		{ "\xc3(", 0 },
		{ "\xc1\x81", 0 },         /* overlong */
		{ "\xe0\x80\x80", 0 },     /* overlong */
		{ "\xed\xa0\x80", 0 },     /* a surrogate */
		{ "\xf4\x90\x80\x80", 0 }, /* beyond Unicode */
		{ "\xf8\x88\x80\x80\x80", 0 },
		{ "\xff", 0 },
		{ "\xe2\x82", 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		assert_int_equal(text_character_len(cases[i].text), cases[i].len);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_secrets_are_wiped),
		cmocka_unit_test(test_bad_answers),
		cmocka_unit_test(test_states),
		cmocka_unit_test(test_mark),
		cmocka_unit_test(test_left_closed),
		cmocka_unit_test(test_person),
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_link),
		cmocka_unit_test(test_lost_bridge),
		cmocka_unit_test(test_lost_namespace),
		cmocka_unit_test(test_offload),
		cmocka_unit_test(test_dns),
		cmocka_unit_test(test_characters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
