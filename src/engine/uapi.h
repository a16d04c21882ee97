/* SPDX-License-Identifier: ISC */
/*
 * The WireGuard control protocol (https://www.wireguard.com/xplatform/), as text: what `wg` speaks
 * to us and what the monitor sets the engine up with. Pure functions: no descriptor, no event loop.
 *
 * A connection feeds bytes as they come; each complete request is parsed whole before any of it is
 * applied, so that a request with an error changes nothing.
 *
 * Extensions (their values never hold '='; `wg` ignores what it does not know). On the device:
 * culvert_shared_key (set; hex, not zero),
 * culvert_host_id (set, before or with the shared key; hex). On a peer: culvert_cipher (none, auto
 * or a name; a cipher that this machine lacks is -EOPNOTSUPP) and culvert_name (printable UTF-8;
 * empty: none). In answers only: culvert_shared=true on the device, culvert_session_cipher (of the
 * newest session; left out before the first), culvert_rx_packets, culvert_tx_packets,
 * culvert_replays, culvert_undecryptable, culvert_refused_sources, culvert_dropped,
 * culvert_addresses (Ethernet addresses that were learnt behind it; left out if none); Unix times,
 * left out where there is none: culvert_added, culvert_up_since, culvert_unanswered_since (the
 * first initiation since the last handshake); culvert_unanswered (initiations that wait for an
 * answer, left out if none), culvert_rtt (nanoseconds, of the last handshake that we began),
 * culvert_received and culvert_lost (messages of the sessions that there are now), culvert_trouble
 * (the last event about the peer since the last handshake that was no success). And on the device,
 * before the peers: culvert_EVENT for each event of core/tunnel.h (how often), culvert_no_route,
 * culvert_malformed, culvert_floods_dropped, culvert_unknown_session, culvert_cookies_sent,
 * culvert_handshakes_dropped, culvert_send_errors, culvert_write_errors, culvert_receive_drops; and
 * what is in use of the kernel's offload, culvert_offload_device (tcp,udp) and
 * culvert_offload_sockets (send,receive), a list without blanks or "none".
 *
 * To follow endpoints that are names: culvert_handshake=SECONDS on the device is
 * tunnel_handshake_all with that age, culvert_try_endpoint on a peer is tunnel_try_endpoint. A get
 * followed by lines public_key=HEX is answered, for those peers alone and without any key of theirs
 * but that one, with endpoint, rx_bytes, persistent_keepalive_interval, culvert_handshake_age
 * (milliseconds since the last handshake; left out before the first) and culvert_waiting (since the
 * first initiation that has found no answer; left out if nobody waits for one).
 *
 * In a shared-key tunnel the one peer comes and goes with the key. It is named by its public key
 * (tunnel_local()->responder.public_key); replace_peers leaves it alone; -EBUSY for private_key and
 * for remove; -EINVAL for preshared_key, culvert_cipher=none and any other peer (unless update_only
 * or remove). No answer tells a key of it.
 */
#ifndef ENGINE_UAPI_H
#define ENGINE_UAPI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/tunnel.h"
#include "engine/fastpath.h"

/* The device's settings that are not the tunnel's: the owner carries them out. */
struct uapi_device {
	uint16_t listen_port;
	uint32_t fwmark;
	bool port_due; /* who sets it up will tell the port, and there are no sockets until then */
	void *context;
	/* Open the sockets anew with this port and mark; 0 and *port what it became, or -errno and
	 * all as it was. */
	int (*rebind)(void *context, uint16_t *port, uint32_t fwmark);
	/* The index of an interface, 0 if there is none of this name; for endpoints like
	 * "[fe80::1%eth0]:51820", which `wg` sends. May be NULL: only numbers are understood then.
	 */
	uint32_t (*interface_index)(void *context, const char *name);
	const struct fastpath *fastpath; /* NULL: not told */
	/* For answers: sends that failed, packets that the TUN device refused, and datagrams that
	 * found the sockets' buffers full (may be NULL). */
	uint64_t send_errors, write_errors;
	uint64_t (*receive_drops)(void *context);
};

struct uapi_connection; /* opaque; may hold secrets until freed */

struct uapi_connection *uapi_connection_new(struct tunnel *tunnel, struct uapi_device *device);
void uapi_connection_free(struct uapi_connection *connection);

/* For one who may look and no more: a set is -EACCES from now on, and answers hold no secrets. */
void uapi_connection_restrict(struct uapi_connection *connection);

/*
 * Takes len bytes off a connection and carries out each request they complete; eof tells that no
 * more will come and counts as the blank line that ends a request. Answers are appended to *answer
 * (malloc'ed, *answer_len long, no NUL; the caller wipes and frees; both start as NULL and 0).
 *
 * 0, be there errors in the answers or not. Else -errno, after which the connection must be closed
 * once the answer is sent: -EPROTO: neither get nor set; -E2BIG: a request above 64 MiB, or more
 * requests at once after 64 MiB of answers; -ENOMEM.
 */
int uapi_connection_feed(struct uapi_connection *connection, const void *bytes, size_t len,
	bool eof, struct now now, char **answer, size_t *answer_len);

#endif
