/* SPDX-License-Identifier: ISC */
/*
 * Which owner an inner address belongs to: a compressed prefix trie for each family.
 *
 * A node is a prefix. What lies below it is covered by it and hangs on the side that its next bit
 * says. A node has an owner, or it is a fork: two children and no owner. So there are never more
 * forks than prefixes, and a walk down compares a node's whole prefix at once instead of going bit
 * by bit.
 *
 *	10.0.0.0/8 (anna)
 *	    0: 10.0.0.0/14 fork
 *	        0: 10.1.0.0/16 (bert)
 *	        1: 10.3.0.0/16 (carl)
 *
 * An address is 128 bits in two words, most significant bit first; IPv4 has the uppermost 32.
 */
#include "core/allowedips.h"

#include <endian.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

struct bits {
	uint64_t high;
	uint64_t low;
};

struct allowedips_node {
	struct bits prefix; /* host bits are zero */
	uint8_t length;
	bool is_v6;
	struct allowedips_owner *owner; /* NULL: a fork */
	struct allowedips_node *parent; /* NULL: the root */
	struct allowedips_node *child[2];
	/* The owner's list is a ring, so that the first node's previous one is the last. */
	struct allowedips_node *next;
	struct allowedips_node *previous;
};

struct allowedips {
	struct allowedips_node *root[2]; /* by is_v6 */
};

/* How many leading bits two addresses have in common, 0 to 128. */
static inline unsigned bits_common(struct bits a, struct bits b)
{
	if (a.high != b.high)
		return (unsigned)__builtin_clzll(a.high ^ b.high);
	if (a.low != b.low)
		return 64 + (unsigned)__builtin_clzll(a.low ^ b.low);
	return 128;
}

/* Bit 128 does not exist; asking for it gives some bit, for nothing hangs below a whole address. */
static inline unsigned bits_at(struct bits address, unsigned index)
{
	const uint64_t word = index & 64 ? address.low : address.high;

	return word >> (63 - (index & 63)) & 1;
}

static struct bits bits_masked(struct bits address, unsigned length)
{
	if (length < 64) {
		address.high &= ~(UINT64_MAX >> length);
		address.low = 0;
	} else if (length < 128) {
		address.low &= ~(UINT64_MAX >> (length - 64));
	}
	return address;
}

static inline struct bits load4(const uint8_t address[4])
{
	uint32_t word;

	memcpy(&word, address, sizeof(word));
	return (struct bits){ .high = (uint64_t)be32toh(word) << 32 };
}

static inline struct bits load6(const uint8_t address[16])
{
	uint64_t word[2];

	memcpy(word, address, sizeof(word));
	return (struct bits){ .high = be64toh(word[0]), .low = be64toh(word[1]) };
}

static void store(uint8_t address[16], struct bits bits)
{
	const uint64_t word[2] = { htobe64(bits.high), htobe64(bits.low) };

	memcpy(address, word, sizeof(word));
}

static bool covers(const struct allowedips_node *node, struct bits address, unsigned length)
{
	return node->length <= length && bits_common(node->prefix, address) >= node->length;
}

/* The owner's list */

static void list_append(struct allowedips_owner *owner, struct allowedips_node *node)
{
	if (owner->first) {
		node->next = owner->first;
		node->previous = owner->first->previous;
		node->previous->next = node;
		node->next->previous = node;
	} else {
		owner->first = node->next = node->previous = node;
	}
	node->owner = owner;
	owner->count++;
}

/* Leaves a fork, which it is the caller's to give a new owner or to drop. */
static void list_take(struct allowedips_node *node)
{
	struct allowedips_owner *owner = node->owner;

	/* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): who has an owner is in its ring */
	node->previous->next = node->next;
	node->next->previous = node->previous;
	if (owner->first == node)
		owner->first = node->next == node ? NULL : node->next;
	node->next = node->previous = NULL;
	node->owner = NULL;
	owner->count--;
}

/* The trie */

static struct allowedips_node **slot_of(struct allowedips *trie, const struct allowedips_node *node)
{
	struct allowedips_node *parent = node->parent;

	return parent ? &parent->child[parent->child[1] == node] : &trie->root[node->is_v6];
}

static struct allowedips_node *node_new(struct bits address, unsigned length, bool is_v6)
{
	struct allowedips_node *node = calloc(1, sizeof(*node));

	if (node) {
		node->prefix = bits_masked(address, length);
		node->length = (uint8_t)length;
		node->is_v6 = is_v6;
	}
	return node;
}

static void attach(struct allowedips_node *parent, struct allowedips_node *child)
{
	parent->child[bits_at(child->prefix, parent->length)] = child;
	child->parent = parent;
}

/* The deepest node that covers the prefix, or NULL. *slot is where one below it would hang. */
static struct allowedips_node *descend(struct allowedips *trie, struct bits address,
	unsigned length, bool is_v6, struct allowedips_node ***slot)
{
	struct allowedips_node *node = NULL;
	struct allowedips_node **next = &trie->root[is_v6];

	while (*next && covers(*next, address, length)) {
		node = *next;
		if (node->length == length)
			break;
		next = &node->child[bits_at(address, node->length)];
	}
	*slot = next;
	return node;
}

/* Hangs a new node at a slot, above, below or beside what may be there. NULL: out of memory. */
static struct allowedips_node *plant(struct allowedips_node **slot, struct allowedips_node *parent,
	struct bits address, unsigned length, bool is_v6)
{
	struct allowedips_node *down = *slot, *top, *node;

	node = top = node_new(address, length, is_v6);
	if (!node)
		return NULL;
	if (down) {
		const unsigned common = bits_common(node->prefix, down->prefix);

		if (common < length) {
			top = node_new(address, common, is_v6);
			if (!top) {
				free(node);
				return NULL;
			}
			attach(top, node);
		}
		attach(top, down);
	}
	top->parent = parent;
	*slot = top;
	return node;
}

/* Removes a node without an owner, and then its parent, if they are forks no longer. */
static void prune(struct allowedips *trie, struct allowedips_node *node)
{
	while (node && !node->owner && !(node->child[0] && node->child[1])) {
		struct allowedips_node *parent = node->parent;
		struct allowedips_node *child = node->child[0] ? node->child[0] : node->child[1];

		*slot_of(trie, node) = child;
		if (child)
			child->parent = parent;
		free(node);
		node = parent;
	}
}

static int prefix_load(int family, const uint8_t *address, unsigned length, struct bits *bits)
{
	if (family == AF_INET && length <= 32)
		*bits = load4(address);
	else if (family == AF_INET6 && length <= 128)
		*bits = load6(address);
	else
		return -EINVAL;
	*bits = bits_masked(*bits, length);
	return 0;
}

struct allowedips *allowedips_new(void)
{
	return calloc(1, sizeof(struct allowedips));
}

void allowedips_free(struct allowedips *trie)
{
	if (!trie)
		return;
	for (int is_v6 = 0; is_v6 <= 1; is_v6++) {
		struct allowedips_node *node = trie->root[is_v6];

		while (node) {
			struct allowedips_node *next =
				node->child[0] ? node->child[0] : node->child[1];
			if (next) {
				node->child[next == node->child[1]] = NULL;
			} else {
				next = node->parent;
				free(node);
			}
			node = next;
		}
	}
	free(trie);
}

int allowedips_insert(struct allowedips *trie, int family, const uint8_t *address, unsigned length,
	struct allowedips_owner *owner)
{
	const bool is_v6 = family == AF_INET6;
	struct allowedips_node *node, **slot;
	struct bits bits;
	int error;

	error = prefix_load(family, address, length, &bits);
	if (error)
		return error;
	node = descend(trie, bits, length, is_v6, &slot);
	if (!node || node->length != length)
		node = plant(slot, node, bits, length, is_v6);
	else if (node->owner)
		list_take(node);
	if (!node)
		return -ENOMEM;
	list_append(owner, node);
	return 0;
}

int allowedips_remove(struct allowedips *trie, int family, const uint8_t *address, unsigned length,
	const struct allowedips_owner *owner)
{
	struct allowedips_node *node, **slot;
	struct bits bits;
	int error;

	error = prefix_load(family, address, length, &bits);
	if (error)
		return error;
	node = descend(trie, bits, length, family == AF_INET6, &slot);
	if (!node || node->length != length || !owner || node->owner != owner)
		return -ENOENT;
	list_take(node);
	prune(trie, node);
	return 0;
}

void allowedips_remove_owner(struct allowedips *trie, struct allowedips_owner *owner)
{
	while (owner->first) {
		struct allowedips_node *node = owner->first;

		/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): what is pruned has left the list */
		list_take(node);
		prune(trie, node);
	}
}

static inline struct allowedips_owner *lookup(
	const struct allowedips_node *node, struct bits address)
{
	struct allowedips_owner *owner = NULL;

	while (node && bits_common(node->prefix, address) >= node->length) {
		if (node->owner)
			owner = node->owner;
		node = node->child[bits_at(address, node->length)];
	}
	return owner;
}

struct allowedips_owner *allowedips_lookup4(const struct allowedips *trie, const uint8_t address[4])
{
	return lookup(trie->root[0], load4(address));
}

struct allowedips_owner *allowedips_lookup6(
	const struct allowedips *trie, const uint8_t address[16])
{
	return lookup(trie->root[1], load6(address));
}

void allowedips_walk(const struct allowedips_owner *owner,
	void (*visit)(void *context, int family, const uint8_t *address, unsigned length),
	void *context)
{
	const struct allowedips_node *node = owner->first;

	for (size_t left = owner->count; left > 0; left--, node = node->next) {
		uint8_t address[16];

		store(address, node->prefix);
		visit(context, node->is_v6 ? AF_INET6 : AF_INET, address, node->length);
	}
}
