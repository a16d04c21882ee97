/* SPDX-License-Identifier: ISC */
/* Which rules and blocked routes a tunnel's file asks for. */
#include "host/policy.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/kdf.h"
#include "host/resolve.h"

enum { LINE_SIZE = 128 };

uint32_t policy_mark(const char *name)
{
	uint8_t hash[KDF_LEN];

	kdf_hash(hash, name, strlen(name), NULL, 0);
	return POLICY_MARK | (uint32_t)hash[0] << 16 | (uint32_t)hash[1] << 8 | hash[2];
}

/* An address's bytes. */
static const uint8_t *address_of(const struct endpoint *endpoint)
{
	return endpoint->any.sa_family == AF_INET ? (const uint8_t *)&endpoint->v4.sin_addr
						  : (const uint8_t *)&endpoint->v6.sin6_addr;
}

static bool holds(const struct config_prefix *prefix, const struct endpoint *endpoint)
{
	const unsigned whole = prefix->length / 8, rest = prefix->length % 8;
	const uint8_t *bytes = address_of(endpoint);

	if (prefix->family != endpoint->any.sa_family || memcmp(prefix->address, bytes, whole))
		return false;
	return !rest || (prefix->address[whole] ^ bytes[whole]) >> (8 - rest) == 0;
}

static int compare_addresses(const struct endpoint *endpoint, int family, const uint8_t address[16])
{
	if (endpoint->any.sa_family != family)
		return endpoint->any.sa_family < family ? -1 : 1;
	return memcmp(address_of(endpoint), address, family == AF_INET ? 4 : 16);
}

static int by_address(const void *left, const void *right)
{
	const struct endpoint *a = left, *b = right;

	return compare_addresses(a, b->any.sa_family, address_of(b));
}

/* Of endpoints in order: whether the first that is not before the prefix is in it. */
static bool holds_any(
	const struct config_prefix *prefix, const struct endpoint *endpoints, size_t count)
{
	size_t low = 0, high = count;

	while (low < high) {
		const size_t middle = low + (high - low) / 2;

		if (compare_addresses(&endpoints[middle], prefix->family, prefix->address) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low < count && holds(prefix, &endpoints[low]);
}

/* What AllowedIPs hold of one family. */
struct held {
	bool all, low_half, high_half; /* 0.0.0.0/1 and 128.0.0.0/1 are all of it, too */
	bool endpoint;
};

static void look_at(struct held *held, const struct config_prefix *prefix,
	const struct endpoint *endpoints, size_t count)
{
	if (prefix->length == 0)
		held->all = true;
	else if (prefix->length == 1 && prefix->address[0])
		held->high_half = true;
	else if (prefix->length == 1)
		held->low_half = true;
	if (held->low_half && held->high_half)
		held->all = true;
	held->endpoint = held->endpoint || holds_any(prefix, endpoints, count);
}

void policy_make(struct policy *policy, const struct config *config, struct endpoint *endpoints,
	size_t count)
{
	struct held v4 = { 0 }, v6 = { 0 };

	if (count)
		qsort(endpoints, count, sizeof(*endpoints), by_address);
	for (size_t i = 0; i < config->peer_count; i++) {
		const struct config_prefixes *list = &config->peers[i].allowed_ips;

		for (size_t j = 0; j < list->count; j++)
			look_at(list->items[j].family == AF_INET ? &v4 : &v6, &list->items[j],
				endpoints, count);
	}
	*policy = (struct policy){ .mark = config->fwmark };
	/* In another namespace the tunnel's own packets are not, so nothing has to lead past it. */
	if (config->table != CONFIG_TABLE_AUTO || config->network_namespace)
		return;
	policy->full4 = v4.all;
	policy->full6 = v6.all;
	policy->ipv4 = v4.all || v4.endpoint;
	policy->ipv6 = v6.all || v6.endpoint;
	if (!policy->mark && (policy->ipv4 || policy->ipv6))
		policy->mark = policy_mark(config->name);
}

int policy_make_from_file(struct policy *policy, const struct config *config)
{
	struct endpoint *endpoints = calloc(config->peer_count + 1, sizeof(*endpoints));
	size_t count = 0;

	if (!endpoints)
		return -ENOMEM;
	for (size_t i = 0; i < config->peer_count; i++) {
		const struct config_endpoint *endpoint = &config->peers[i].endpoint;

		if (endpoint->host &&
			!resolve_numeric(endpoint->host, endpoint->port, &endpoints[count]))
			count++;
	}
	policy_make(policy, config, endpoints, count);
	free(endpoints);
	return 0;
}

uint32_t policy_table(const struct policy *policy, const struct config *config, int family)
{
	if (config->table == CONFIG_TABLE_NUMBER)
		return config->table_number;
	return (family == AF_INET ? policy->ipv4 : policy->ipv6) ? policy->mark
								 : (uint32_t)NETLINK_TABLE_MAIN;
}

/* ---- lines ---- */

static int add_rule(struct undo_lines *lines, int family, uint32_t priority, uint32_t mark,
	uint32_t mask, uint32_t table)
{
	char line[LINE_SIZE];

	snprintf(line, sizeof(line), "rule ipv%d %u not 0x%x/0x%x table %u%s",
		family == AF_INET ? 4 : 6, priority, mark & mask, mask, table,
		priority == POLICY_PRIORITY_LOCAL ? " no-default" : "");
	return undo_append(lines, line);
}

/* Both rules of one family. That for the main table has the whole mark, so that each tunnel has one
 * of its own, which goes when the tunnel does. */
static int add_rules(struct undo_lines *lines, const struct policy *policy,
	const struct config *config, int family, uint32_t priority)
{
	const bool chosen = policy->mark == policy_mark(config->name);
	int error = add_rule(
		lines, family, POLICY_PRIORITY_LOCAL, policy->mark, UINT32_MAX, NETLINK_TABLE_MAIN);

	if (!error)
		error = add_rule(lines, family, priority, policy->mark,
			chosen ? POLICY_MARK_MASK : UINT32_MAX, policy->mark);
	return error;
}

static int add_block(struct undo_lines *lines, const struct config_prefix *prefix, uint32_t table)
{
	char line[LINE_SIZE], address[INET6_ADDRSTRLEN];

	inet_ntop(prefix->family, prefix->address, address, sizeof(address));
	snprintf(line, sizeof(line), "block %s/%u table %u", address, prefix->length, table);
	return undo_append(lines, line);
}

/* A family that is closed as a whole needs nothing besides. */
static int add_blocks(struct undo_lines *lines, const struct policy *policy,
	const struct config *config, int family, bool whole)
{
	const struct config_prefix all = { .family = family };
	const uint32_t table = policy_table(policy, config, family);
	int error = 0;

	if (whole)
		return add_block(lines, &all, policy->mark);
	for (size_t i = 0; i < config->peer_count; i++) {
		const struct config_prefixes *list = &config->peers[i].allowed_ips;

		for (size_t j = 0; !error && j < list->count; j++) {
			if (list->items[j].family == family)
				error = add_block(lines, &list->items[j], table);
		}
	}
	return error;
}

int policy_lines(const struct policy *policy, const struct config *config, struct undo_lines *lines)
{
	static const int families[] = { AF_INET, AF_INET6 };
	const bool whole = config->kill_switch && (policy->full4 || policy->full6);
	int error = 0;

	*lines = (struct undo_lines){ 0 };
	for (size_t i = 0; !error && i < 2; i++) {
		const bool by_rules = families[i] == AF_INET ? policy->ipv4 : policy->ipv6;

		if (by_rules || whole)
			error = add_rules(lines, policy, config, families[i],
				by_rules ? POLICY_PRIORITY_TUNNEL : POLICY_PRIORITY_BLOCK);
		if (!error && config->kill_switch)
			error = add_blocks(lines, policy, config, families[i], whole);
	}
	if (error)
		undo_free(lines);
	return error;
}

int policy_parse_rule(const char *value, struct netlink_rule *rule)
{
	unsigned version;
	int end = 0;

	*rule = (struct netlink_rule){ 0 };
	if (sscanf(value, "ipv%u %u not %x/%x table %u%n", &version, &rule->priority, &rule->mark,
		    &rule->mask, &rule->table, &end) != 5 ||
		(version != 4 && version != 6))
		return -EINVAL;
	rule->family = version == 4 ? AF_INET : AF_INET6;
	rule->skip_default = !strcmp(value + end, " no-default");
	return rule->skip_default || !value[end] ? 0 : -EINVAL;
}

int policy_parse_block(const char *value, struct config_prefix *prefix, uint32_t *table)
{
	char address[INET6_ADDRSTRLEN];

	*prefix = (struct config_prefix){ .family = strchr(value, ':') ? AF_INET6 : AF_INET };
	if (sscanf(value, "%45[0-9a-f.:]/%u table %u", address, &prefix->length, table) != 3 ||
		inet_pton(prefix->family, address, prefix->address) != 1 ||
		prefix->length > (prefix->family == AF_INET ? 32 : 128))
		return -EINVAL;
	return 0;
}
