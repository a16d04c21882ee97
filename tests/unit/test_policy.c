/* SPDX-License-Identifier: ISC */
/* Which rules and blocked routes a file asks for: a table of files. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/policy.h"

enum { PREFIXES = 8 };

/* The mark that is chosen for a tunnel of the name "office" (0x63 and three bytes of BLAKE2s of the
 * name), as a mark and as a table. */
#define MARK "0x635f5c12"
#define TABLE "1667193874"

/* What both rules of a family are. */
#define LOCAL(family) "rule ipv" family " 31820 not " MARK "/0xffffffff table 254 no-default\n"
#define TUNNEL(family) "rule ipv" family " 31821 not 0x63000000/0xff000000 table " TABLE "\n"
#define BLOCK(family) "rule ipv" family " 31822 not 0x63000000/0xff000000 table " TABLE "\n"

static const struct row {
	const char *allowed; /* blanks between */
	const char *endpoint;
	bool kill_switch, namespace;
	uint32_t fwmark;
	enum config_table table; /* CONFIG_TABLE_NUMBER is 4242 */
	const char *lines;
} rows[] = {
	/* split tunnels */
	{ .allowed = "10.0.0.0/8 fd00::/8", .endpoint = "192.0.2.1:7", .lines = "" },
	{ .allowed = "", .endpoint = "192.0.2.1:7", .lines = "" },
	{ .allowed = "0.0.0.0/1 ::/1", .endpoint = "[8000::1]:7", .lines = "" },
	{ .allowed = "10.0.0.0/8 fd00::/8",
		.kill_switch = true,
		.lines = "block 10.0.0.0/8 table 254\nblock fd00::/8 table 254\n" },
	/* full tunnels */
	{ .allowed = "0.0.0.0/0", .endpoint = "[2001:db8::1]:7", .lines = LOCAL("4") TUNNEL("4") },
	{ .allowed = "fd00::/8 ::/0 10.0.0.0/8", .lines = LOCAL("6") TUNNEL("6") },
	{ .allowed = "0.0.0.0/0 ::/0",
		.endpoint = "192.0.2.1:7",
		.lines = LOCAL("4") TUNNEL("4") LOCAL("6") TUNNEL("6") },
	{ .allowed = "0.0.0.0/1 128.0.0.0/1", .lines = LOCAL("4") TUNNEL("4") },
	{ .allowed = "8000::/1 ::/1", .lines = LOCAL("6") TUNNEL("6") },
	{ .allowed = "0.0.0.0/0",
		.fwmark = 0xca6c,
		.lines = "rule ipv4 31820 not 0xca6c/0xffffffff table 254 no-default\n"
			 "rule ipv4 31821 not 0xca6c/0xffffffff table 51820\n" },
	{ .allowed = "0.0.0.0/0 ::/0",
		.kill_switch = true,
		.lines = LOCAL("4") TUNNEL("4") "block 0.0.0.0/0 table " TABLE "\n" LOCAL("6")
			TUNNEL("6") "block ::/0 table " TABLE "\n" },
	/* one family alone: with the switch, the other is closed */
	{ .allowed = "0.0.0.0/0 10.0.0.0/8 fd00::/8",
		.kill_switch = true,
		.lines = LOCAL("4") TUNNEL("4") "block 0.0.0.0/0 table " TABLE "\n" LOCAL("6")
			BLOCK("6") "block ::/0 table " TABLE "\n" },
	{ .allowed = "::/0",
		.kill_switch = true,
		.lines = LOCAL("4") BLOCK("4") "block 0.0.0.0/0 table " TABLE "\n" LOCAL("6")
			TUNNEL("6") "block ::/0 table " TABLE "\n" },
	/* an endpoint inside AllowedIPs, and just outside */
	{ .allowed = "192.0.2.0/24 fd00::/8",
		.endpoint = "192.0.2.255:7",
		.lines = LOCAL("4") TUNNEL("4") },
	{ .allowed = "192.0.2.0/24 fd00::/8", .endpoint = "192.0.3.0:7", .lines = "" },
	{ .allowed = "192.0.2.1/32", .endpoint = "192.0.2.1:7", .lines = LOCAL("4") TUNNEL("4") },
	{ .allowed = "2001:db8::/33 10.0.0.0/8",
		.endpoint = "[2001:db8:7fff::1]:7",
		.kill_switch = true,
		.lines = "block 10.0.0.0/8 table 254\n" LOCAL("6")
			TUNNEL("6") "block 2001:db8::/33 table " TABLE "\n" },
	{ .allowed = "2001:db8::/33", .endpoint = "[2001:db8:8000::1]:7", .lines = "" },
	/* in another namespace there is nothing to lead past */
	{ .allowed = "0.0.0.0/0 ::/0 192.0.2.0/24",
		.endpoint = "192.0.2.1:7",
		.namespace = true,
		.lines = "" },
	/* other tables: no rules */
	{ .allowed = "0.0.0.0/0 ::/0", .table = CONFIG_TABLE_OFF, .lines = "" },
	{ .allowed = "0.0.0.0/0 ::/0", .table = CONFIG_TABLE_NUMBER, .lines = "" },
	{ .allowed = "0.0.0.0/0 192.0.2.0/24",
		.endpoint = "192.0.2.1:7",
		.table = CONFIG_TABLE_NUMBER,
		.kill_switch = true,
		.lines = "block 0.0.0.0/0 table 4242\nblock 192.0.2.0/24 table 4242\n" },
};

/* A configuration in static storage. */
static struct config *make_config(const struct row *row)
{
	static struct config_prefix prefixes[PREFIXES];
	static struct config_peer peer;
	static struct config config;
	static char name[] = "office";
	char copy[256], *rest = copy, *word;

	strcpy(copy, row->allowed);
	peer = (struct config_peer){ .allowed_ips.items = prefixes };
	while ((word = strsep(&rest, " ")) && *word) {
		struct config_prefix *prefix = &prefixes[peer.allowed_ips.count++];
		char *slash = strchr(word, '/');

		*slash = '\0';
		*prefix = (struct config_prefix){ .family = strchr(word, ':') ? AF_INET6 : AF_INET,
			.length = (unsigned)atoi(slash + 1) };
		assert_int_equal(inet_pton(prefix->family, word, prefix->address), 1);
	}
	config = (struct config){ .name = name,
		.fwmark = row->fwmark,
		.table = row->table,
		.table_number = row->table == CONFIG_TABLE_NUMBER ? 4242 : 0,
		.kill_switch = row->kill_switch,
		.network_namespace = row->namespace ? name : NULL,
		.peers = &peer,
		.peer_count = 1 };
	return &config;
}

static void make_policy(struct policy *policy, const struct config *config, const struct row *row)
{
	struct endpoint endpoint = { 0 };

	if (row->endpoint)
		assert_int_equal(endpoint_from_text(&endpoint, row->endpoint), 0);
	policy_make(policy, config, &endpoint, row->endpoint != NULL);
}

static void join(char text[2048], const struct undo_lines *lines)
{
	*text = '\0';
	for (size_t i = 0; i < lines->count; i++) {
		strcat(text, lines->items[i]);
		strcat(text, "\n");
	}
}

static void test_lines(void **state)
{
	struct undo_lines lines;
	struct policy policy;
	char text[2048];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct config *config = make_config(&rows[i]);

		make_policy(&policy, config, &rows[i]);
		assert_int_equal(policy_lines(&policy, config, &lines), 0);
		join(text, &lines);
		assert_string_equal(text, rows[i].lines);
		undo_free(&lines);
		/* The mark that was chosen, given in the file, is no other case. */
		if (!config->fwmark && policy.mark) {
			config->fwmark = policy.mark;
			make_policy(&policy, config, &rows[i]);
			assert_int_equal(policy_lines(&policy, config, &lines), 0);
			join(text, &lines);
			assert_string_equal(text, rows[i].lines);
			undo_free(&lines);
		}
	}
}

static void test_tables(void **state)
{
	static const struct row one = { .allowed = "0.0.0.0/0 fd00::/8" };
	static const struct row number = { .allowed = "0.0.0.0/0", .table = CONFIG_TABLE_NUMBER };
	struct config *config = make_config(&one);
	struct policy policy;

	(void)state;
	make_policy(&policy, config, &one);
	assert_int_equal(policy.mark, policy_mark("office"));
	assert_int_equal(policy_table(&policy, config, AF_INET), policy.mark);
	assert_int_equal(policy_table(&policy, config, AF_INET6), NETLINK_TABLE_MAIN);
	config = make_config(&number);
	make_policy(&policy, config, &number);
	assert_int_equal(policy.mark, 0);
	assert_int_equal(policy_table(&policy, config, AF_INET), 4242);
}

static void test_marks(void **state)
{
	(void)state;
	assert_int_equal(policy_mark("office") & POLICY_MARK_MASK, POLICY_MARK);
	assert_int_not_equal(policy_mark("office"), policy_mark("office2"));
	assert_int_not_equal(policy_mark("a"), policy_mark("b"));
}

static void test_parse(void **state)
{
	static const char *const wrong_rules[] = { "", "ipv4", "ipv5 1 not 0x1/0x1 table 2",
		"ipv4 1 not 0x1/0x1 table 2 more", "ipv4 1 not 0x1 table 2" };
	static const char *const wrong_blocks[] = { "", "10.0.0.0 table 7", "10.0.0/8 table 7",
		"10.0.0.0/33 table 7", "fd00::/129 table 7", "10.0.0.0/8", "x/8 table 7" };
	struct config_prefix prefix;
	struct netlink_rule rule;
	uint32_t table;

	(void)state;
	assert_int_equal(policy_parse_rule("ipv6 31820 not 0xffffffff/0xff table 4294967295 "
					   "no-default",
				 &rule),
		0);
	assert_int_equal(rule.family, AF_INET6);
	assert_int_equal(rule.priority, 31820);
	assert_int_equal(rule.mark, 0xffffffff);
	assert_int_equal(rule.mask, 0xff);
	assert_int_equal(rule.table, 4294967295);
	assert_true(rule.skip_default);
	assert_int_equal(policy_parse_rule("ipv4 1 not 0x0/0x0 table 7", &rule), 0);
	assert_int_equal(rule.family, AF_INET);
	assert_false(rule.skip_default);
	assert_int_equal(policy_parse_block("fd00::/8 table 7", &prefix, &table), 0);
	assert_int_equal(prefix.family, AF_INET6);
	assert_int_equal(prefix.address[0], 0xfd);
	assert_int_equal(prefix.length, 8);
	assert_int_equal(table, 7);
	for (size_t i = 0; i < sizeof(wrong_rules) / sizeof(*wrong_rules); i++)
		assert_int_equal(policy_parse_rule(wrong_rules[i], &rule), -EINVAL);
	for (size_t i = 0; i < sizeof(wrong_blocks) / sizeof(*wrong_blocks); i++)
		assert_int_equal(policy_parse_block(wrong_blocks[i], &prefix, &table), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_tables),
		cmocka_unit_test(test_marks),
		cmocka_unit_test(test_parse),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
