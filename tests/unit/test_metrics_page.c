/* SPDX-License-Identifier: ISC */
/* The metrics page: names, values, and that no answer makes it malformed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>

#include "core/tunnel.h"
#include "host/metrics_page.h"

#define HEX "0202020202020202020202020202020202020202020202020202020202020202"
#define BASE64 "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI="
#define HEX3 "0303030303030303030303030303030303030303030303030303030303030303"
#define BASE64_3 "AwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwM="

static struct metrics_given given = {
	.interface = "wg0",
	.version = "1.2",
	.facts = { .since = 77, .lookup_failures = 5 },
	.tun_drops = 6,
};

static char *page_of(const char *answer, int expected)
{
	struct text page = { 0 };
	char *copy = strdup(answer);

	assert_int_equal(metrics_page(&page, copy, &given), expected);
	free(copy);
	if (!expected)
		return page.bytes; /* the caller's */
	text_free(&page);
	return NULL;
}

/* Whether the page has this whole line. */
static void expect_line(const char *page, const char *line)
{
	char whole[512];

	snprintf(whole, sizeof(whole), "\n%s\n", line);
	if (!strstr(page, whole))
		print_error("no line %s in:\n%s", line, page);
	assert_non_null(strstr(page, whole));
}

static const char two_peers[] =
	"listen_port=1\nculvert_gave_up=3\nculvert_session_up=4\nculvert_rekeyed=8\n"
	"culvert_endpoint_changed=2\nculvert_no_route=9\nculvert_floods_dropped=14\nculvert_send_"
	"errors=10\n"
	"culvert_receive_drops=11\nculvert_write_errors=12\nculvert_cookies_sent=13\n"
	"public_key=" HEX "\nendpoint=192.0.2.1:7\nlast_handshake_time_sec=999990\n"
	"tx_bytes=777\nrx_bytes=12345\nallowed_ip=10.0.0.0/8\nallowed_ip=fd00::/64\n"
	"culvert_name=Anna\nculvert_rx_packets=1\nculvert_tx_packets=2\nculvert_replays=3\n"
	"culvert_undecryptable=4\nculvert_refused_sources=5\nculvert_dropped=6\n"
	"culvert_rtt=12500000\nculvert_received=75\nculvert_lost=25\nsomething_new=x\n"
	"public_key=" HEX3 "\nlast_handshake_time_sec=0\ntx_bytes=0\nrx_bytes=0\n"
	"culvert_received=0\nculvert_lost=0\nerrno=0\n\n";

#define LABELS                                   \
	"interface=\"wg0\",public_key=\"" BASE64 \
	"\",allowed_ips=\"10.0.0.0/8,fd00::/64\",friendly_name=\"Anna\""
#define LABELS3 "interface=\"wg0\",public_key=\"" BASE64_3 "\",allowed_ips=\"\""

static void test_lines(void **state)
{
	static const char *const lines[] = {
		"# TYPE wireguard_sent_bytes_total counter",
		"wireguard_sent_bytes_total{" LABELS "} 777",
		"wireguard_sent_bytes_total{" LABELS3 "} 0",
		"wireguard_received_bytes_total{" LABELS "} 12345",
		"# TYPE wireguard_latest_handshake_seconds gauge",
		"wireguard_latest_handshake_seconds{" LABELS "} 999990",
		"wireguard_latest_handshake_seconds{" LABELS3 "} 0",
		"culvert_received_packets_total{" LABELS "} 1",
		"culvert_sent_packets_total{" LABELS "} 2",
		"culvert_replays_total{" LABELS "} 3",
		"culvert_decrypt_failures_total{" LABELS "} 4",
		"culvert_allowed_ips_drops_total{" LABELS "} 5",
		"culvert_unsent_packets_total{" LABELS "} 6",
		"culvert_rtt_seconds{" LABELS "} 0.012500",
		"culvert_loss_ratio{" LABELS "} 0.250000",
		"culvert_start_time_seconds{interface=\"wg0\"} 77",
		"culvert_lookup_failures_total{interface=\"wg0\"} 5",
		"culvert_tun_drops_total{interface=\"wg0\",direction=\"from_host\"} 6",
		"culvert_tun_drops_total{interface=\"wg0\",direction=\"to_host\"} 12",
		"culvert_udp_drops_total{interface=\"wg0\",direction=\"sent\"} 10",
		"culvert_udp_drops_total{interface=\"wg0\",direction=\"received\"} 11",
		"culvert_sessions_total{interface=\"wg0\"} 4",
		"culvert_rekeys_total{interface=\"wg0\"} 8",
		"culvert_endpoint_changes_total{interface=\"wg0\"} 2",
		"culvert_cookies_sent_total{interface=\"wg0\"} 13",
		"culvert_handshake_failures_total{interface=\"wg0\",reason=\"gave_up\"} 3",
		"culvert_drops_total{interface=\"wg0\",reason=\"no_route\"} 9",
		"culvert_drops_total{interface=\"wg0\",reason=\"flood\"} 14",
		"culvert_info{interface=\"wg0\",version=\"1.2\"} 1",
	};
	char *page = page_of(two_peers, 0);

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++)
		expect_line(page, lines[i]);
	/* What is not known is not there. */
	assert_null(strstr(page, "culvert_rtt_seconds{" LABELS3));
	assert_null(strstr(page, "culvert_loss_ratio{" LABELS3));
	assert_null(strstr(page, "192.0.2.1"));
	free(page);
}

/* How many addresses are behind a peer is counted where there are several, and frames. */
static void test_addresses(void **state)
{
	static const char one[] = "public_key=" HEX "\nerrno=0\n\n";
	static const char two[] =
		"public_key=" HEX "\nculvert_addresses=17\npublic_key=" HEX3 "\nerrno=0\n\n";
	const struct metrics_given before = given;
	char *page = page_of(two, 0);

	(void)state;
	assert_null(strstr(page, "addresses"));
	free(page);
	given.facts.ethernet = true;
	page = page_of(two, 0);
	expect_line(page, "# TYPE culvert_ethernet_addresses gauge");
	expect_line(page, "culvert_ethernet_addresses{interface=\"wg0\",public_key=\"" BASE64
			  "\",allowed_ips=\"\"} 17");
	expect_line(page, "culvert_ethernet_addresses{" LABELS3 "} 0");
	free(page);
	page = page_of(one, 0);
	assert_null(strstr(page, "addresses"));
	free(page);
	given = before;
}

/* Each metric has one HELP, then one TYPE, then all of its samples. */
static void expect_groups(char *page)
{
	char *seen[64], *line, name[128] = "";
	size_t count = 0;

	while ((line = strsep(&page, "\n"))) {
		if (!strncmp(line, "# HELP ", 7)) {
			snprintf(name, sizeof(name), "%.*s", (int)strcspn(line + 7, " "), line + 7);
			for (size_t i = 0; i < count; i++)
				assert_string_not_equal(seen[i], name);
			seen[count++] = strdup(name);
		} else if (!strncmp(line, "# TYPE ", 7)) {
			assert_int_equal(strncmp(line + 7, name, strlen(name)), 0);
		} else if (*line) {
			assert_int_equal(strcspn(line, "{"), strlen(name));
			assert_int_equal(strncmp(line, name, strlen(name)), 0);
		}
	}
	assert_true(count > 15);
	while (count)
		free(seen[--count]);
}

static void test_groups(void **state)
{
	char *page = page_of(two_peers, 0);

	(void)state;
	expect_groups(page);
	free(page);
}

/* The engine parses what comes from the internet: it may say anything. */
static void test_hostile_names(void **state)
{
	static const struct {
		const char *name, *label;
	} cases[] = {
		{ "a\"} 1\\", "a\\\"} 1\\\\" },
		{ "a\tb\x01\x7f", "a?b??" },
		{ "\xc3\xbc\xff\xc3", "\xc3\xbc??" },
		{ "\xed\xa0\x80", "???" },
		{ "{}=,#", "{}=,#" },
		{ "", "" },
	};
	char answer[512], label[512];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		snprintf(answer, sizeof(answer),
			"public_key=" HEX "\ntx_bytes=5\nculvert_name=%s\nerrno=0\n\n",
			cases[i].name);
		snprintf(label, sizeof(label),
			"wireguard_sent_bytes_total{interface=\"wg0\",public_key=\"" BASE64
			"\",allowed_ips=\"\",friendly_name=\"%s\"} 5",
			cases[i].label);
		char *page = page_of(answer, 0);
		expect_line(page, label);
		free(page);
	}
}

static void test_hostile_values(void **state)
{
	char *page = page_of("culvert_gave_up=1\"} x\npublic_key=" HEX
			     "\nallowed_ip=\"\ntx_bytes=-7\\\nrx_bytes=99999999999999999999999\n"
			     "errno=0\n\n",
		0);

	(void)state;
	expect_line(
		page, "culvert_handshake_failures_total{interface=\"wg0\",reason=\"gave_up\"} 1");
	expect_line(page, "wireguard_received_bytes_total{interface=\"wg0\",public_key=\"" BASE64
			  "\",allowed_ips=\"\\\"\"} 18446744073709551615");
	expect_groups(page);
	free(page);
}

static void test_no_answers(void **state)
{
	static const char *const answers[] = { "", "\n", "errno=0", "errno=-13\n\n",
		"public_key=x\nerrno=0\n\n", "line\nerrno=0\n\n", "public_key=" HEX "\n\n" };
	static const int expected[] = { -EINVAL, -EINVAL, 0, -EINVAL, -EINVAL, -EINVAL, -EINVAL };

	(void)state;
	for (size_t i = 0; i < sizeof(answers) / sizeof(*answers); i++)
		free(page_of(answers[i], expected[i]));
	for (size_t len = 0; len < strlen(two_peers) - strlen("errno=0\n\n"); len++) {
		char *cut = strndup(two_peers, len);
		struct text page = { 0 };

		assert_int_equal(metrics_page(&page, cut, &given), -EINVAL);
		text_free(&page);
		free(cut);
	}
}

/* No kind of failure is forgotten when one is added to the core. */
static void test_every_event_is_counted(void **state)
{
	char answer[256], *with;

	(void)state;
	for (int kind = 0; kind < TUNNEL_EVENT_COUNT; kind++) {
		/* Those are told elsewhere: by the peer's counter, and as packets without a way. */
		if (kind == TUNNEL_SOURCE_REFUSED || kind == TUNNEL_ROUTING_LOOP)
			continue;
		snprintf(answer, sizeof(answer), "culvert_%s=424242\nerrno=0\n\n",
			tunnel_event_name((enum tunnel_event_kind)kind));
		with = page_of(answer, 0);
		if (!strstr(with, "} 424242\n"))
			print_error("%s is not on the page\n",
				tunnel_event_name((enum tunnel_event_kind)kind));
		assert_non_null(strstr(with, "} 424242\n"));
		free(with);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_groups),
		cmocka_unit_test(test_hostile_names),
		cmocka_unit_test(test_hostile_values),
		cmocka_unit_test(test_no_answers),
		cmocka_unit_test(test_every_event_is_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
