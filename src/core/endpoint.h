/* SPDX-License-Identifier: ISC */
/* Where a peer is reached, and the address of ours from which it was last heard. */
#ifndef CORE_ENDPOINT_H
#define CORE_ENDPOINT_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { ENDPOINT_TEXT_SIZE = 80 }; /* "[v6%scope]:port" and a NUL */

struct endpoint {
	union {
		struct sockaddr any; /* sa_family AF_UNSPEC: no endpoint */
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	};
	/* Our side, so that answers come from the address that was asked: an address of the family
	 * above and the interface's index; all zero when not known. */
	union {
		struct in_addr source4;
		struct in6_addr source6;
	};
	uint32_t source_interface;
};

static inline bool endpoint_is_set(const struct endpoint *endpoint)
{
	return endpoint->any.sa_family != AF_UNSPEC;
}

/* Same address and port of the peer; our side is not compared. */
bool endpoint_equal(const struct endpoint *a, const struct endpoint *b);

/* Forgets our side: the kernel chooses anew. */
void endpoint_clear_source(struct endpoint *endpoint);

socklen_t endpoint_sockaddr_len(const struct endpoint *endpoint);

/* Address and port of the peer as bytes, for macs: 4 or 16 and 2. Returns how many (6 or 18). */
size_t endpoint_to_bytes(const struct endpoint *endpoint, uint8_t bytes[18]);

/* "192.0.2.1:51820" or "[2001:db8::1]:51820", scope with '%'. */
void endpoint_to_text(char text[ENDPOINT_TEXT_SIZE], const struct endpoint *endpoint);

/* The reverse, addresses only, no names. 0, or -EINVAL with the endpoint left as it was. */
int endpoint_from_text(struct endpoint *endpoint, const char *text);

#endif
