/* SPDX-License-Identifier: ISC */
/* The little that a tunnel must know of the IP packets it carries. */
#ifndef CORE_INNER_H
#define CORE_INNER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/endpoint.h"

/* AF_INET or AF_INET6 for a packet with a whole header; 0 for anything else. */
int inner_family(const uint8_t *packet, size_t len);

/* 4 or 16 bytes inside a packet that inner_family knows. */
const uint8_t *inner_source(const uint8_t *packet);
const uint8_t *inner_destination(const uint8_t *packet);

/* The length that the header of a packet that inner_family knows states, or 0 if the packet is
 * shorter than that (or that is shorter than the header). */
size_t inner_length(const uint8_t *packet, size_t len);

/* Whether it is UDP (its first fragment, if it was cut up) to this address and port. */
bool inner_is_udp_to(const uint8_t *packet, size_t len, const struct endpoint *to);

/* The address and port that UDP goes to, likewise, as endpoint_to_bytes writes them. Returns how
 * many bytes (6 or 18), 0 for anything else. */
size_t inner_udp_destination(const uint8_t *packet, size_t len, uint8_t bytes[18]);

/* Whether it is UDP from this port (host byte order), likewise. */
bool inner_is_udp_from(const uint8_t *packet, size_t len, uint16_t port);

/* The ECN bits (RFC 3168), to be copied to the outer header. */
uint8_t inner_ecn(const uint8_t *packet);

/* What the outer header's ECN says, on the way in (RFC 6040 §4.2). False: the packet must be
 * dropped. */
bool inner_decapsulate_ecn(uint8_t *packet, uint8_t outer_tos);

#endif
