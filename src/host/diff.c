/* SPDX-License-Identifier: ISC */
/* From one configuration to the next, as a request to the engine and lists of addresses and routes.
 */
#include "host/diff.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/endpoint.h"
#include "host/key_index.h"
#include "host/netlink.h"
#include "host/resolve.h"

/* Either may be NULL: not given. */
static bool differ(const char *old, const char *new)
{
	return !old != !new || (old && strcmp(old, new));
}

const char *diff_refusal(
	const struct config *old, const struct config *new, char text[DIFF_REFUSAL_SIZE])
{
	const struct {
		const char *name;
		bool differs;
	} keys[] = {
		{ "Device", differ(old->device, new->device) },
		{ "NetworkNamespace", differ(old->network_namespace, new->network_namespace) },
		{ "Persistent", old->persistent != new->persistent },
		{ "Mode", old->tap != new->tap },
		{ "Bridge", differ(old->bridge, new->bridge) },
		{ "what the keys are (a shared key, or public keys)",
			old->shared_key.given != new->shared_key.given },
		{ "User", differ(old->user, new->user) },
		{ "Offload", old->offload != new->offload },
		{ "Metrics", differ(old->metrics, new->metrics) },
	};
	size_t len = 0;

	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++)
		if (keys[i].differs)
			len += (size_t)snprintf(text + len, DIFF_REFUSAL_SIZE - len, "%s%s",
				len ? ", " : "", keys[i].name);
	if (!len)
		return NULL;
	snprintf(text + len, DIFF_REFUSAL_SIZE - len,
		" cannot change while the tunnel runs: restart it");
	return text;
}

void diff_hooks(struct text *text, const struct config *old, const struct config *new)
{
	const struct {
		const char *name;
		const struct config_strings *old, *new;
		const char *when;
	} hooks[] = {
		{ "PreUp", &old->pre_up, &new->pre_up, "when the tunnel is started again" },
		{ "PostUp", &old->post_up, &new->post_up, "when the tunnel is started again" },
		{ "PreDown", &old->pre_down, &new->pre_down, "when the tunnel stops" },
		{ "PostDown", &old->post_down, &new->post_down, "when the tunnel stops" },
	};
	const char *before = "hooks that have changed are not run now, but ";

	for (size_t i = 0; i < sizeof(hooks) / sizeof(*hooks); i++) {
		if (config_strings_same(hooks[i].old, hooks[i].new))
			continue;
		text_add(text, "%s%s %s", before, hooks[i].name, hooks[i].when);
		before = ", ";
	}
}

void diff_peer_key(
	const struct config *config, const struct config_peer *peer, uint8_t public_key[KEY_LEN])
{
	if (config->shared_key.given)
		config_shared_peer(config, public_key);
	else
		/* NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker): peers are counted */
		memcpy(public_key, peer->public_key.bytes, KEY_LEN);
}

static bool same_text(const char *a, const char *b)
{
	return !strcmp(a ? a : "", b ? b : "");
}

static void add_key(struct text *set, const char *name, const uint8_t key[KEY_LEN])
{
	char hex[KEY_HEX_SIZE];

	key_to_hex(hex, key);
	text_add(set, "%s=%s\n", name, hex);
	key_wipe(hex, sizeof(hex));
}

/* The device's own settings. */
static void add_device(struct text *set, const struct config *old, const struct config *new)
{
	if (new->private_key.given && !(old && config_private_key_same(old, new)))
		add_key(set, "private_key", new->private_key.bytes);
	if (new->shared_key.given && !(old && config_key_same(&old->shared_key, &new->shared_key)))
		add_key(set, "culvert_shared_key", new->shared_key.bytes);
	if (!old || old->fwmark != new->fwmark)
		text_add(set, "fwmark=%u\n", new->fwmark);
	if (!old || old->listen_port != new->listen_port ||
		old->listen_port_given != new->listen_port_given)
		text_add(set, "listen_port=%u\n", new->listen_port);
}

/* Only addresses: a name has to be looked up, and whoever does that tells the engine. */
static void add_endpoint(struct text *set, const struct config_endpoint *endpoint)
{
	char text[ENDPOINT_TEXT_SIZE];
	struct endpoint address;

	if (!endpoint->host || resolve_numeric(endpoint->host, endpoint->port, &address))
		return;
	endpoint_to_text(text, &address);
	text_add(set, "endpoint=%s\n", text);
}

static bool same_endpoint(const struct config_endpoint *a, const struct config_endpoint *b)
{
	return same_text(a->host, b->host) && !strcmp(a->port, b->port);
}

static int compare_prefixes(const struct config_prefix *a, const struct config_prefix *b)
{
	int order = (a->length < b->length) - (a->length > b->length);

	if (!order)
		order = (a->family > b->family) - (a->family < b->family);
	return order ? order : memcmp(a->address, b->address, sizeof(a->address));
}

static bool same_prefixes(const struct config_prefixes *a, const struct config_prefixes *b)
{
	if (a->count != b->count)
		return false;
	for (size_t i = 0; i < a->count; i++) {
		if (compare_prefixes(&a->items[i], &b->items[i]))
			return false;
	}
	return true;
}

static void add_allowed_ips(struct text *set, const struct config_prefixes *allowed)
{
	char address[INET6_ADDRSTRLEN];

	text_add(set, "replace_allowed_ips=true\n");
	for (size_t i = 0; i < allowed->count; i++) {
		const struct config_prefix *prefix = &allowed->items[i];

		inet_ntop(prefix->family, prefix->address, address, sizeof(address));
		text_add(set, "allowed_ip=%s/%u\n", address, prefix->length);
	}
}

/* A peer's settings where they differ from those of old (NULL: the peer is new). */
static void add_settings(
	struct text *set, const struct config_peer *old, const struct config_peer *new)
{
	if (old ? !config_key_same(&old->preshared_key, &new->preshared_key)
		: new->preshared_key.given)
		add_key(set, "preshared_key", new->preshared_key.bytes);
	if (!same_text(old ? old->name : NULL, new->name))
		text_add(set, "culvert_name=%s\n", new->name ? new->name : "");
	if (!same_text(old ? old->cipher : NULL, new->cipher))
		text_add(set, "culvert_cipher=%s\n", new->cipher ? new->cipher : "none");
	if (!old || !same_endpoint(&old->endpoint, &new->endpoint))
		add_endpoint(set, &new->endpoint);
	if (old ? old->persistent_keepalive != new->persistent_keepalive
		: new->persistent_keepalive != 0)
		text_add(set, "persistent_keepalive_interval=%u\n", new->persistent_keepalive);
	if (old ? !same_prefixes(&old->allowed_ips, &new->allowed_ips) : true)
		add_allowed_ips(set, &new->allowed_ips);
}

/* A configuration (NULL: none) whose peers are looked for. */
struct side {
	const struct config *config;
	struct key_index index;
};

static int side_make(struct side *side, const struct config *config)
{
	*side = (struct side){ .config = config };
	return config ? key_index_make(&side->index, config->peers, config->peer_count,
				sizeof(*config->peers),
				offsetof(struct config_peer, public_key.bytes))
		      : 0;
}

/* In a shared-key tunnel the one peer is who it was only as long as the key is. */
static const struct config_peer *find_peer(
	const struct side *side, const struct config *other, const struct config_peer *wanted)
{
	const struct config *config = side->config;
	ptrdiff_t at;

	if (!config)
		return NULL;
	if (other->shared_key.given)
		return config_key_same(&config->shared_key, &other->shared_key) ? config->peers
										: NULL;
	at = key_index_find(&side->index, wanted->public_key.bytes);
	return at == KEY_INDEX_NONE ? NULL : &config->peers[at];
}

static void add_peer(struct text *set, const struct config *new, const struct config_peer *peer,
	const struct config_peer *old)
{
	struct text settings = { 0 };
	uint8_t key[KEY_LEN];

	add_settings(&settings, old, peer);
	if (settings.failed)
		set->failed = true;
	if (settings.len) {
		diff_peer_key(new, peer, key);
		add_key(set, "public_key", key);
		if (old)
			text_add(set, "update_only=true\n");
		text_add_bytes(set, settings.bytes, settings.len);
	}
	text_free(&settings);
}

static void add_removals(struct text *set, const struct config *old, const struct side *new)
{
	/* The engine drops the one peer of a shared key together with the key. */
	if (!old || old->shared_key.given)
		return;
	for (size_t i = 0; i < old->peer_count; i++) {
		if (find_peer(new, old, &old->peers[i]))
			continue;
		add_key(set, "public_key", old->peers[i].public_key.bytes);
		text_add(set, "remove=true\n");
	}
}

static void add_all(struct text *set, const struct side *before, const struct side *after)
{
	const struct config *old = before->config, *new = after->config;
	size_t empty;

	text_add(set, "set=1\n");
	empty = set->len;
	add_device(set, old, new);
	if (!old)
		text_add(set, "replace_peers=true\n");
	add_removals(set, old, after);
	for (size_t i = 0; i < new->peer_count; i++)
		add_peer(set, new, &new->peers[i], find_peer(before, new, &new->peers[i]));
	if (set->len == empty && !set->failed)
		text_free(set);
	else
		text_add(set, "\n");
}

static int make_set(struct text *set, const struct config *old, const struct config *new)
{
	struct side before, after = { 0 };
	int error = side_make(&before, old);

	if (!error)
		error = side_make(&after, new);
	if (!error)
		add_all(set, &before, &after);
	key_index_free(&before.index);
	key_index_free(&after.index);
	return error ? error : set->failed ? -ENOMEM : 0;
}

/* Whether the network that an address brings along covers a prefix. The kernel makes no such route
 * for an IPv4 address that is alone in its network. */
static bool address_covers(const struct config_prefix *address, const struct config_prefix *prefix)
{
	unsigned whole = address->length / 8, rest = address->length % 8;

	if (address->family != prefix->family || address->length > prefix->length)
		return false;
	if (address->family == AF_INET && address->length == 32)
		return false;
	if (memcmp(address->address, prefix->address, whole))
		return false;
	return !rest || (address->address[whole] ^ prefix->address[whole]) >> (8 - rest) == 0;
}

/* With a kill switch the blocked route to the prefix itself would win over that to a larger
 * network; beside one to the same the kernel would refuse ours. */
static bool is_covered(const struct config *config, const struct config_prefix *prefix)
{
	for (size_t i = 0; i < config->addresses.count; i++) {
		const struct config_prefix *address = &config->addresses.items[i];

		if (address_covers(address, prefix) &&
			(!config->kill_switch || address->length == prefix->length))
			return true;
	}
	return false;
}

static int compare_routes(const void *a, const void *b)
{
	const struct diff_route *left = a, *right = b;
	int order = compare_prefixes(&left->prefix, &right->prefix);

	return order ? order : (left->table > right->table) - (left->table < right->table);
}

/* The routes that a configuration (NULL: none) wants, longest prefix first, none twice. */
static int routes_wanted(const struct config *config, struct diff_routes *routes)
{
	size_t room = 0;

	*routes = (struct diff_routes){ 0 };
	if (!config || config->table == CONFIG_TABLE_OFF)
		return 0;
	for (size_t i = 0; i < config->peer_count; i++)
		room += config->peers[i].allowed_ips.count;
	if (!room)
		return 0;
	routes->items = calloc(room, sizeof(*routes->items));
	if (!routes->items)
		return -ENOMEM;
	for (size_t i = 0; i < config->peer_count; i++) {
		for (size_t j = 0; j < config->peers[i].allowed_ips.count; j++) {
			const struct config_prefix *prefix = &config->peers[i].allowed_ips.items[j];
			bool automatic = config->table == CONFIG_TABLE_AUTO;

			if (automatic && is_covered(config, prefix))
				continue;
			routes->items[routes->count++] = (struct diff_route){ .prefix = *prefix,
				.table = automatic ? NETLINK_TABLE_MAIN : config->table_number };
		}
	}
	qsort(routes->items, routes->count, sizeof(*routes->items), compare_routes);
	return 0;
}

/* Of two sorted lists, those that only the first has. */
static int routes_only_in(
	const struct diff_routes *first, const struct diff_routes *second, struct diff_routes *only)
{
	size_t j = 0;

	if (!first->count)
		return 0;
	only->items = calloc(first->count, sizeof(*only->items));
	if (!only->items)
		return -ENOMEM;
	for (size_t i = 0; i < first->count; i++) {
		while (j < second->count && compare_routes(&second->items[j], &first->items[i]) < 0)
			j++;
		if (j == second->count || compare_routes(&second->items[j], &first->items[i]))
			only->items[only->count++] = first->items[i];
	}
	return 0;
}

static void routes_reverse(struct diff_routes *routes)
{
	for (size_t i = 0; i < routes->count / 2; i++) {
		struct diff_route swapped = routes->items[i];

		routes->items[i] = routes->items[routes->count - 1 - i];
		routes->items[routes->count - 1 - i] = swapped;
	}
}

static int make_routes(
	const struct diff_routes *before, const struct diff_routes *after, struct diff *diff)
{
	int error = routes_only_in(before, after, &diff->routes_removed);

	if (!error)
		error = routes_only_in(after, before, &diff->routes_added);
	routes_reverse(&diff->routes_removed);
	return error;
}

static int make_wanted_routes(const struct config *old, const struct config *new, struct diff *diff)
{
	struct diff_routes before = { 0 }, after = { 0 };
	int error = routes_wanted(old, &before);

	if (!error)
		error = routes_wanted(new, &after);
	if (!error)
		error = make_routes(&before, &after, diff);
	free(before.items);
	free(after.items);
	return error;
}

static bool has_address(const struct config_prefixes *list, const struct config_prefix *address)
{
	for (size_t i = 0; i < list->count; i++) {
		if (!compare_prefixes(&list->items[i], address))
			return true;
	}
	return false;
}

static int addresses_only_in(const struct config_prefixes *first,
	const struct config_prefixes *second, struct config_prefixes *only)
{
	if (!first->count)
		return 0;
	only->items = calloc(first->count, sizeof(*only->items));
	if (!only->items)
		return -ENOMEM;
	for (size_t i = 0; i < first->count; i++) {
		if (!has_address(second, &first->items[i]))
			only->items[only->count++] = first->items[i];
	}
	return 0;
}

int diff_make(const struct config *old, const struct config *new, struct diff *diff)
{
	static const struct config_prefixes none;
	const struct config_prefixes *before = old ? &old->addresses : &none;
	int error;

	*diff = (struct diff){ 0 };
	error = make_set(&diff->set, old, new);
	if (!error)
		error = addresses_only_in(before, &new->addresses, &diff->addresses_removed);
	if (!error)
		error = addresses_only_in(&new->addresses, before, &diff->addresses_added);
	if (!error)
		error = make_wanted_routes(old, new, diff);
	if (error)
		diff_free(diff);
	return error;
}

int diff_host(const struct diff *there, const struct diff *wanted, struct diff *diff)
{
	int error;

	*diff = (struct diff){ 0 };
	error = addresses_only_in(
		&there->addresses_added, &wanted->addresses_added, &diff->addresses_removed);
	if (!error)
		error = addresses_only_in(
			&wanted->addresses_added, &there->addresses_added, &diff->addresses_added);
	if (!error)
		error = make_routes(&there->routes_added, &wanted->routes_added, diff);
	if (error)
		diff_free(diff);
	return error;
}

void diff_free(struct diff *diff)
{
	text_free(&diff->set);
	free(diff->addresses_removed.items);
	free(diff->addresses_added.items);
	free(diff->routes_removed.items);
	free(diff->routes_added.items);
	*diff = (struct diff){ 0 };
}
