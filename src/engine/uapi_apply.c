/* SPDX-License-Identifier: ISC */
/* The control protocol: carrying out a set. Values were checked one by one when they were parsed.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "engine/uapi_internal.h"

/* What a shared-key tunnel refuses: its keys and its one peer come and go with the shared key. */
static int check_shared_peer(const struct uapi_peer *peer, const uint8_t public_key[KEY_LEN])
{
	if (!key_equal(peer->public_key, public_key))
		return peer->remove || peer->update_only ? 0 : -EINVAL;
	if (peer->remove)
		return -EBUSY;
	if (peer->has_psk || (peer->has_cipher && peer->cipher == PEER_CIPHER_WIREGUARD))
		return -EINVAL;
	return 0;
}

static int check_shared(const struct uapi_request *request, const struct noise_local *local)
{
	struct noise_local future = { 0 };
	uint8_t psk[KEY_LEN];
	int error = 0;

	if (request->has_private_key)
		return local->shared ? -EBUSY : -EINVAL;
	if (request->has_shared_key) {
		noise_local_set_shared(&future, psk, request->shared_key);
		local = &future;
	}
	for (size_t i = 0; i < request->peer_count && !error; i++)
		error = check_shared_peer(&request->peers[i], local->responder.public_key);
	key_wipe(&future, sizeof(future));
	key_wipe(psk, sizeof(psk));
	return error;
}

static int apply_sockets(
	const struct uapi_request *request, struct tunnel *tunnel, struct uapi_device *device)
{
	uint16_t port = request->has_listen_port ? request->listen_port : device->listen_port;
	uint32_t fwmark = request->has_fwmark ? request->fwmark : device->fwmark;
	const bool due = device->port_due && request->has_listen_port;
	int error;

	if (port == device->listen_port && fwmark == device->fwmark && !due)
		return 0;
	error = device->rebind(device->context, &port, fwmark);
	if (error)
		return error;
	device->port_due = false;
	device->listen_port = port;
	device->fwmark = fwmark;
	tunnel_clear_sources(tunnel);
	return 0;
}

static int apply_prefixes(
	struct tunnel *tunnel, struct peer *peer, const struct uapi_prefix *prefixes, size_t count)
{
	int error = 0;

	for (size_t i = 0; i < count && !error; i++) {
		const struct uapi_prefix *prefix = &prefixes[i];
		const int family = prefix->v6 ? AF_INET6 : AF_INET;

		if (!prefix->remove)
			error = tunnel_allow(tunnel, peer, family, prefix->address, prefix->length);
		else /* one that the peer does not have is gone as well */
			(void)tunnel_disallow(
				tunnel, peer, family, prefix->address, prefix->length);
	}
	return error;
}

/* What makes a handshake start comes last, so that it starts with everything else in place. */
static int apply_settings(const struct uapi_request *request, const struct uapi_peer *set,
	struct tunnel *tunnel, struct peer *peer, struct now now)
{
	int error = 0;

	if (set->has_name)
		memcpy(peer->name, set->name, sizeof(peer->name));
	if (set->has_cipher)
		error = tunnel_set_cipher(tunnel, peer, set->cipher, set->fixed_cipher);
	if (!error && set->has_psk)
		error = tunnel_set_psk(tunnel, peer, set->psk);
	if (error)
		return error;
	if (set->replace_allowed)
		tunnel_disallow_all(tunnel, peer);
	if (set->prefix_count)
		error = apply_prefixes(
			tunnel, peer, request->prefixes + set->first_prefix, set->prefix_count);
	if (error)
		return error;
	if (set->has_endpoint && set->try_endpoint)
		tunnel_try_endpoint(tunnel, peer, &set->endpoint, now);
	else if (set->has_endpoint)
		tunnel_set_endpoint(tunnel, peer, &set->endpoint, now);
	if (set->has_keepalive)
		tunnel_set_keepalive(tunnel, peer, set->keepalive, now);
	return 0;
}

static int apply_peer(const struct uapi_request *request, const struct uapi_peer *set,
	struct tunnel *tunnel, struct now now)
{
	struct peer *peer = tunnel_find_peer(tunnel, set->public_key);
	const bool is_new = !peer;
	int error;

	if (set->remove) {
		if (peer)
			tunnel_remove_peer(tunnel, peer);
		return 0;
	}
	if (is_new && set->update_only)
		return 0;
	if (is_new) {
		error = tunnel_add_peer(tunnel, set->public_key, &peer);
		if (error == -EINVAL) /* ourselves: one file may serve all ends of a mesh */
			return 0;
		if (error)
			return error;
		peer->added = now.wall;
	}
	error = apply_settings(request, set, tunnel, peer, now);
	if (error && is_new)
		tunnel_remove_peer(tunnel, peer);
	return error;
}

int uapi_request_apply(const struct uapi_request *request, struct tunnel *tunnel,
	struct uapi_device *device, struct now now)
{
	const bool shared = tunnel_local(tunnel)->shared || request->has_shared_key;
	int error = shared ? check_shared(request, tunnel_local(tunnel)) : 0;

	if (!error)
		error = apply_sockets(request, tunnel, device);
	if (error)
		return error;
	while (request->replace_peers && !shared && tunnel_first_peer(tunnel))
		tunnel_remove_peer(tunnel, tunnel_first_peer(tunnel));
	if (request->has_private_key)
		error = tunnel_set_private_key(tunnel, request->private_key, now);
	if (request->has_host_id)
		tunnel_set_host_id(tunnel, request->host_id);
	if (request->has_shared_key)
		error = tunnel_set_shared_key(tunnel, request->shared_key, now);
	if (request->has_shared_key && !error && !tunnel_first_peer(tunnel)->added)
		tunnel_first_peer(tunnel)->added = now.wall;
	for (size_t i = 0; i < request->peer_count && !error; i++)
		error = apply_peer(request, &request->peers[i], tunnel, now);
	if (request->has_handshake && !error)
		tunnel_handshake_all(tunnel, request->handshake * WIRE_SECOND, now);
	return error;
}
