/* SPDX-License-Identifier: ISC */
/* Which owner an inner address belongs to: a compressed prefix trie for IPv4 and one for IPv6. */
#ifndef CORE_ALLOWEDIPS_H
#define CORE_ALLOWEDIPS_H

#include <stddef.h>
#include <stdint.h>

struct allowedips; /* opaque */
struct allowedips_node;

/* Lies inside whatever owns prefixes (a peer); start it zeroed. Keeps its prefixes in a list, so
 * that walking or dropping one owner's does not visit the others'. */
struct allowedips_owner {
	struct allowedips_node *first;
	size_t count;
};

struct allowedips *allowedips_new(void);       /* NULL: out of memory */
void allowedips_free(struct allowedips *trie); /* the owners must not be used with it afterwards */

/* Addresses are 4 (AF_INET) or 16 (AF_INET6) bytes in network order; bits beyond the prefix length
 * are ignored. Inserting a prefix that somebody has moves it to the new owner. 0, -EINVAL (family
 * or length), -ENOMEM (nothing changed). */
int allowedips_insert(struct allowedips *trie, int family, const uint8_t *address, unsigned length,
	struct allowedips_owner *owner);

/* Removes exactly this prefix if this owner has it. 0, or -ENOENT, -EINVAL. */
int allowedips_remove(struct allowedips *trie, int family, const uint8_t *address, unsigned length,
	const struct allowedips_owner *owner);

void allowedips_remove_owner(struct allowedips *trie, struct allowedips_owner *owner);

/* The owner of the longest prefix that covers the address, or NULL. */
struct allowedips_owner *allowedips_lookup4(
	const struct allowedips *trie, const uint8_t address[4]);
struct allowedips_owner *allowedips_lookup6(
	const struct allowedips *trie, const uint8_t address[16]);

/* Calls visit for each prefix of an owner, in the order in which it was given; the address has its
 * host bits cleared. */
void allowedips_walk(const struct allowedips_owner *owner,
	void (*visit)(void *context, int family, const uint8_t *address, unsigned length),
	void *context);

#endif
