/* SPDX-License-Identifier: ISC */
/* The control protocol: lines into a request. One row a key. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/uapi_internal.h"

enum { ARRAY_ROOM_FIRST = 16 };

/* What a row's parser may look at and change. */
struct parser {
	struct uapi_request *request;
	struct uapi_peer *peer; /* NULL: no public_key line yet */
	const struct uapi_device *device;
};

struct row {
	const char *key;
	int (*parse)(struct parser *parser, char *value);
};

/* Makes room for one more element. realloc would leave a copy behind that nobody wipes. */
static void *grow(void *array, size_t count, size_t *room, size_t size)
{
	const size_t more = *room ? *room * 2 : ARRAY_ROOM_FIRST;
	void *grown;

	if (count < *room)
		return array;
	grown = calloc(more, size);
	if (!grown)
		return NULL;
	if (array) {
		memcpy(grown, array, count * size);
		key_wipe(array, count * size);
		free(array);
	}
	*room = more;
	return grown;
}

/* ---- Values ---- */

/* Decimal digits only. */
static int parse_number(const char *value, uint32_t max, uint32_t *number)
{
	uint64_t sum = 0;

	if (!*value)
		return -EINVAL;
	for (; *value; value++) {
		if (*value < '0' || *value > '9')
			return -EINVAL;
		sum = sum * 10 + (uint64_t)(*value - '0');
		if (sum > max)
			return -EINVAL;
	}
	*number = (uint32_t)sum;
	return 0;
}

static int parse_number16(const char *value, uint16_t *number)
{
	uint32_t wide;
	int error = parse_number(value, UINT16_MAX, &wide);

	if (!error)
		*number = (uint16_t)wide;
	return error;
}

/* Switches can only be switched on. */
static int parse_true(const char *value, bool *flag)
{
	if (strcmp(value, "true"))
		return -EINVAL;
	*flag = true;
	return 0;
}

static int parse_key(const char *value, uint8_t key[KEY_LEN], bool *has)
{
	int error = key_from_hex(key, value);

	if (!error)
		*has = true;
	return error;
}

/* The length of the UTF-8 character that the text begins with, 0 if it is not a printable one. */
static size_t printable_length(const char *text)
{
	static const uint32_t smallest[] = { 0, 0x20, 0xa0, 0x800, 0x10000 };
	const uint8_t *bytes = (const uint8_t *)text;
	const unsigned ones = (unsigned)__builtin_clz(~((uint32_t)bytes[0] << 24));
	const size_t len = ones ? ones : 1;
	uint32_t code;

	if (ones == 1 || ones > 4)
		return 0;
	code = bytes[0] & (0xffu >> (ones + 1));
	if (!ones)
		code = bytes[0];
	for (size_t i = 1; i < len; i++) {
		if ((bytes[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (bytes[i] & 0x3f);
	}
	if (code < smallest[len] || code > 0x10ffff || code == 0x7f || code >> 11 == 0xd800 >> 11)
		return 0;
	return len;
}

/* ---- The device ---- */

static int device_private_key(struct parser *parser, char *value)
{
	return parse_key(value, parser->request->private_key, &parser->request->has_private_key);
}

static int device_shared_key(struct parser *parser, char *value)
{
	struct uapi_request *request = parser->request;
	int error = parse_key(value, request->shared_key, &request->has_shared_key);

	if (!error && key_is_zero(request->shared_key))
		error = -EINVAL;
	return error;
}

static int device_host_id(struct parser *parser, char *value)
{
	return parse_key(value, parser->request->host_id, &parser->request->has_host_id);
}

static int device_listen_port(struct parser *parser, char *value)
{
	parser->request->has_listen_port = true;
	return parse_number16(value, &parser->request->listen_port);
}

static int device_fwmark(struct parser *parser, char *value)
{
	parser->request->has_fwmark = true;
	return parse_number(value, UINT32_MAX, &parser->request->fwmark);
}

static int device_replace_peers(struct parser *parser, char *value)
{
	return parse_true(value, &parser->request->replace_peers);
}

static int device_handshake(struct parser *parser, char *value)
{
	parser->request->has_handshake = true;
	return parse_number(value, UINT32_MAX, &parser->request->handshake);
}

static const struct row device_rows[] = {
	{ "private_key", device_private_key },
	{ "listen_port", device_listen_port },
	{ "fwmark", device_fwmark },
	{ "replace_peers", device_replace_peers },
	{ "culvert_shared_key", device_shared_key },
	{ "culvert_host_id", device_host_id },
	{ "culvert_handshake", device_handshake },
	{ NULL, NULL },
};

/* ---- A peer ---- */

/* "[-]address/length" */
static int parse_prefix(struct uapi_prefix *prefix, char *value)
{
	char *slash = strchr(value, '/');
	uint32_t length;

	if (!slash)
		return -EINVAL;
	*slash = '\0';
	prefix->remove = value[0] == '-';
	if (prefix->remove)
		value++;
	prefix->v6 = strchr(value, ':') != NULL;
	if (inet_pton(prefix->v6 ? AF_INET6 : AF_INET, value, prefix->address) != 1 ||
		parse_number(slash + 1, prefix->v6 ? 128 : 32, &length))
		return -EINVAL;
	prefix->length = (uint8_t)length;
	return 0;
}

static int peer_allowed_ip(struct parser *parser, char *value)
{
	struct uapi_request *request = parser->request;
	struct uapi_prefix *prefixes = grow(
		request->prefixes, request->prefix_count, &request->prefix_room, sizeof(*prefixes));
	int error;

	if (!prefixes)
		return -ENOMEM;
	request->prefixes = prefixes;
	error = parse_prefix(&prefixes[request->prefix_count], value);
	if (error)
		return error;
	request->prefix_count++;
	parser->peer->prefix_count++;
	return 0;
}

/* What earlier lines added goes as well. */
static int peer_replace_allowed_ips(struct parser *parser, char *value)
{
	int error = parse_true(value, &parser->peer->replace_allowed);

	if (!error) {
		parser->request->prefix_count = parser->peer->first_prefix;
		parser->peer->prefix_count = 0;
	}
	return error;
}

static int peer_remove(struct parser *parser, char *value)
{
	return parse_true(value, &parser->peer->remove);
}

static int peer_update_only(struct parser *parser, char *value)
{
	return parse_true(value, &parser->peer->update_only);
}

static int peer_preshared_key(struct parser *parser, char *value)
{
	return parse_key(value, parser->peer->psk, &parser->peer->has_psk);
}

/* `wg` names the interface of a link-local address: "[fe80::1%eth0]:51820". */
static int parse_named_scope(
	struct endpoint *endpoint, const struct uapi_device *device, char *value)
{
	char *percent = strchr(value, '%'), *bracket = strrchr(value, ']');
	uint32_t index;
	int error;

	if (!device->interface_index || !percent || !bracket || bracket < percent)
		return -EINVAL;
	*bracket = '\0';
	index = device->interface_index(device->context, percent + 1);
	if (!index)
		return -EINVAL;
	*bracket = ']';
	memmove(percent, bracket, strlen(bracket) + 1);
	error = endpoint_from_text(endpoint, value);
	if (!error)
		endpoint->v6.sin6_scope_id = index;
	return error;
}

static int peer_endpoint(struct parser *parser, char *value)
{
	struct uapi_peer *peer = parser->peer;
	int error = endpoint_from_text(&peer->endpoint, value);

	if (error)
		error = parse_named_scope(&peer->endpoint, parser->device, value);
	peer->has_endpoint = true;
	return error;
}

static int peer_try_endpoint(struct parser *parser, char *value)
{
	parser->peer->try_endpoint = true;
	return peer_endpoint(parser, value);
}

static int peer_keepalive(struct parser *parser, char *value)
{
	parser->peer->has_keepalive = true;
	return parse_number16(value, &parser->peer->keepalive);
}

static int peer_protocol_version(struct parser *parser, char *value)
{
	(void)parser;
	return strcmp(value, "1") ? -EINVAL : 0;
}

static int peer_cipher(struct parser *parser, char *value)
{
	struct uapi_peer *peer = parser->peer;

	peer->has_cipher = true;
	peer->fixed_cipher = NULL;
	if (!strcmp(value, "none")) {
		peer->cipher = PEER_CIPHER_WIREGUARD;
		return 0;
	}
	if (!strcmp(value, "auto")) {
		peer->cipher = PEER_CIPHER_AUTO;
		return 0;
	}
	peer->cipher = PEER_CIPHER_FIXED;
	peer->fixed_cipher = aead_by_name(value);
	if (!peer->fixed_cipher)
		return aead_name_known(value) ? -EOPNOTSUPP : -EINVAL;
	return peer->fixed_cipher->available() ? 0 : -EOPNOTSUPP;
}

static int peer_name(struct parser *parser, char *value)
{
	const size_t len = strlen(value);
	size_t at = 0, step = 1;

	while (at < len && value[at] != '=' && (step = printable_length(value + at)) > 0)
		at += step;
	if (at != len || len >= PEER_NAME_SIZE)
		return -EINVAL;
	memcpy(parser->peer->name, value, len + 1);
	parser->peer->has_name = true;
	return 0;
}

static const struct row peer_rows[] = {
	{ "allowed_ip", peer_allowed_ip }, /* there may be 100,000 of them */
	{ "remove", peer_remove },
	{ "update_only", peer_update_only },
	{ "preshared_key", peer_preshared_key },
	{ "endpoint", peer_endpoint },
	{ "persistent_keepalive_interval", peer_keepalive },
	{ "replace_allowed_ips", peer_replace_allowed_ips },
	{ "protocol_version", peer_protocol_version },
	{ "culvert_cipher", peer_cipher },
	{ "culvert_name", peer_name },
	{ "culvert_try_endpoint", peer_try_endpoint },
	{ NULL, NULL },
};

/* Begins a peer. */
static int parse_public_key(struct uapi_request *request, const char *value)
{
	struct uapi_peer *peers =
		grow(request->peers, request->peer_count, &request->peer_room, sizeof(*peers));
	int error;

	if (!peers)
		return -ENOMEM;
	request->peers = peers;
	error = key_from_hex(peers[request->peer_count].public_key, value);
	if (error)
		return error;
	peers[request->peer_count++].first_prefix = request->prefix_count;
	return 0;
}

/* ---- A request ---- */

/* A get may name peers, and nothing else. */
static int parse_wanted(struct uapi_request *request, char *line)
{
	static const char key[] = "public_key=";

	if (strncmp(line, key, strlen(key)))
		return -EINVAL;
	return parse_public_key(request, line + strlen(key));
}

static int parse_pair(struct uapi_request *request, const struct uapi_device *device, char *line)
{
	struct uapi_peer *peer =
		request->peer_count ? &request->peers[request->peer_count - 1] : NULL;
	struct parser parser = { .request = request, .peer = peer, .device = device };
	char *value = strchr(line, '=');

	if (!value)
		return -EPROTO;
	*value++ = '\0';
	if (!strcmp(line, "public_key"))
		return parse_public_key(request, value);
	for (const struct row *row = peer ? peer_rows : device_rows; row->key; row++) {
		if (!strcmp(line, row->key))
			return row->parse(&parser, value);
	}
	return -EINVAL;
}

int uapi_request_line(struct uapi_request *request, const struct uapi_device *device, char *line)
{
	if (request->operation == UAPI_NONE) {
		if (!strcmp(line, "get=1"))
			request->operation = UAPI_GET;
		else if (!strcmp(line, "set=1"))
			request->operation = UAPI_SET;
		else
			return -EPROTO;
		return 0;
	}
	if (request->error)
		return 0;
	if (request->operation == UAPI_GET)
		request->error = parse_wanted(request, line);
	else
		request->error = parse_pair(request, device, line);
	return 0;
}

void uapi_request_clear(struct uapi_request *request)
{
	if (request->peers)
		key_wipe(request->peers, request->peer_room * sizeof(*request->peers));
	free(request->peers);
	free(request->prefixes);
	key_wipe(request, sizeof(*request));
}
