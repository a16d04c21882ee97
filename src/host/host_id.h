/* SPDX-License-Identifier: ISC */
/* What tells the ends of a tunnel apart, and stays the same over restarts. */
#ifndef HOST_HOST_ID_H
#define HOST_HOST_ID_H

#include "host/config.h"

enum { HOST_ID_MAC_LEN = 6 };

/* Of a shared-key tunnel: a digest of this machine's id, the tunnel's addresses and its peer's
 * Endpoint. Two machines cloned from one image have the same id, but in one tunnel never the same
 * addresses, and where there are none, not the same Endpoint. */
void host_id_make(uint8_t id[KEY_LEN], const struct config *config);

/* The Ethernet address of a tunnel's device: of this machine's id, the tunnel's name, and this
 * end's public key (with a shared key: the above). So neighbours' caches and leases stay valid.
 * Locally administered, and of the largest first byte: a bridge without an address of its own takes
 * the smallest of its ports', and is to keep what it has. The private key is not forgotten yet. */
void host_id_make_mac(uint8_t mac[HOST_ID_MAC_LEN], const struct config *config);

#endif
