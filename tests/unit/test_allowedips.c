/* SPDX-License-Identifier: ISC */
/* The trie against a list that is searched from end to end. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include <cmocka.h>

#include "core/allowedips.h"

/* The module itself is part of this file, so that its nodes can be looked at and its memory counted
 * and refused. */
static size_t live_blocks;
static unsigned fail_in; /* the allocation that fails, counted from 1; 0: none does */

static void *counting_calloc(size_t count, size_t size)
{
	void *block;

	if (fail_in && --fail_in == 0)
		return NULL;
	block = calloc(count, size);
	assert_non_null(block);
	live_blocks++;
	return block;
}

static void counting_free(void *block)
{
	live_blocks -= block != NULL;
	free(block);
}

#define calloc counting_calloc
#define free counting_free
#include "core/allowedips.c"
#undef calloc
#undef free

enum { OWNERS = 7, ENTRIES_MAX = 4096 };

static uint64_t random_state;

static uint32_t random_below(uint32_t bound)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (uint32_t)((random_state >> 16) % bound);
}

/* The oracle: prefixes in the order in which they were given last. */
struct entry {
	int family;
	uint8_t address[16];
	unsigned length;
	unsigned owner;
};

struct world {
	struct allowedips *trie;
	struct allowedips_owner owner[OWNERS];
	struct entry entry[ENTRIES_MAX];
	size_t count;
	uint8_t base[6][16]; /* addresses are near one of these, so that prefixes nest */
};

static unsigned bit_of(const uint8_t *address, unsigned index)
{
	return address[index / 8] >> (7 - index % 8) & 1;
}

static bool same_prefix(const uint8_t *a, const uint8_t *b, unsigned length)
{
	const unsigned whole = length / 8;

	for (unsigned i = 0; i < whole; i++)
		if (a[i] != b[i])
			return false;
	for (unsigned i = 8 * whole; i < length; i++)
		if (bit_of(a, i) != bit_of(b, i))
			return false;
	return true;
}

static void naive_drop(struct world *world, size_t index)
{
	world->count--;
	memmove(&world->entry[index], &world->entry[index + 1],
		(world->count - index) * sizeof(world->entry[0]));
}

/* The index of exactly this prefix, or count. */
static size_t naive_find(
	const struct world *world, int family, const uint8_t *address, unsigned length)
{
	size_t i;

	for (i = 0; i < world->count; i++)
		if (world->entry[i].family == family && world->entry[i].length == length &&
			same_prefix(world->entry[i].address, address, length))
			break;
	return i;
}

static void naive_insert(
	struct world *world, int family, const uint8_t *address, unsigned length, unsigned owner)
{
	const size_t index = naive_find(world, family, address, length);
	struct entry *entry;

	if (index < world->count)
		naive_drop(world, index);
	assert_true(world->count < ENTRIES_MAX);
	entry = &world->entry[world->count++];
	memset(entry, 0, sizeof(*entry));
	entry->family = family;
	entry->length = length;
	entry->owner = owner;
	for (unsigned i = 0; i < length; i++)
		entry->address[i / 8] |= (uint8_t)(bit_of(address, i) << (7 - i % 8));
}

static int naive_remove(
	struct world *world, int family, const uint8_t *address, unsigned length, unsigned owner)
{
	const size_t index = naive_find(world, family, address, length);

	if (index == world->count || world->entry[index].owner != owner)
		return -ENOENT;
	naive_drop(world, index);
	return 0;
}

static struct allowedips_owner *naive_lookup(
	struct world *world, int family, const uint8_t *address)
{
	const struct entry *best = NULL;

	for (size_t i = 0; i < world->count; i++) {
		const struct entry *entry = &world->entry[i];

		if (entry->family == family && (!best || entry->length > best->length) &&
			same_prefix(entry->address, address, entry->length))
			best = entry;
	}
	return best ? &world->owner[best->owner] : NULL;
}

static struct world *world_new(uint64_t seed)
{
	struct world *world = calloc(1, sizeof(*world));

	assert_non_null(world);
	random_state = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
	world->trie = allowedips_new();
	assert_non_null(world->trie);
	for (unsigned i = 0; i < 6; i++)
		for (unsigned j = 0; j < 16; j++)
			world->base[i][j] = (uint8_t)random_below(256);
	return world;
}

static void world_free(struct world *world)
{
	allowedips_free(world->trie);
	free(world);
	assert_int_equal(live_blocks, 0);
}

static int pick_address(const struct world *world, uint8_t address[16])
{
	const int family = random_below(2) ? AF_INET6 : AF_INET;
	const unsigned bits = family == AF_INET ? 32 : 128;

	memcpy(address, world->base[random_below(6)], 16);
	for (unsigned flips = random_below(4); flips > 0; flips--) {
		const unsigned bit = random_below(bits);

		address[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	return family;
}

/* The nodes below one: right place, right shape. Returns how many there are. */
static size_t check_nodes(const struct allowedips_node *node, bool is_v6)
{
	size_t count = 1;

	assert_true(node->is_v6 == is_v6);
	assert_true(node->length <= (is_v6 ? 128 : 32));
	if (!node->owner)
		assert_true(node->child[0] && node->child[1]);
	for (unsigned side = 0; side < 2; side++) {
		const struct allowedips_node *child = node->child[side];
		uint8_t above[16], below[16];

		if (!child)
			continue;
		store(above, node->prefix);
		store(below, child->prefix);
		assert_ptr_equal(child->parent, node);
		assert_true(child->length > node->length);
		assert_true(same_prefix(above, below, node->length));
		assert_int_equal(bit_of(below, node->length), side);
		count += check_nodes(child, is_v6);
	}
	return count;
}

static void check_shape(const struct world *world)
{
	size_t count = 1; /* the trie itself is a block, too */

	for (int is_v6 = 0; is_v6 < 2; is_v6++)
		if (world->trie->root[is_v6]) {
			assert_null(world->trie->root[is_v6]->parent);
			count += check_nodes(world->trie->root[is_v6], is_v6);
		}
	assert_int_equal(count, live_blocks);
}

struct expectation {
	const struct world *world;
	unsigned owner;
	size_t at; /* the oracle's entries before this one have been seen */
	size_t seen;
};

static void expect_next(void *context, int family, const uint8_t *address, unsigned length)
{
	struct expectation *expected = context;
	const struct world *world = expected->world;
	const struct entry *entry;

	while (expected->at < world->count && world->entry[expected->at].owner != expected->owner)
		expected->at++;
	assert_true(expected->at < world->count);
	entry = &world->entry[expected->at++];
	assert_int_equal(family, entry->family);
	assert_int_equal(length, entry->length);
	assert_memory_equal(address, entry->address, family == AF_INET ? 4 : 16);
	expected->seen++;
}

static void check_lists(const struct world *world)
{
	size_t total = 0;

	for (unsigned i = 0; i < OWNERS; i++) {
		struct expectation expected = { .world = world, .owner = i };

		allowedips_walk(&world->owner[i], expect_next, &expected);
		assert_int_equal(expected.seen, world->owner[i].count);
		total += expected.seen;
	}
	assert_int_equal(total, world->count);
}

static void check_lookup(struct world *world)
{
	uint8_t address[16];
	const int family = pick_address(world, address);
	const struct allowedips_owner *expected = naive_lookup(world, family, address);

	if (family == AF_INET)
		assert_ptr_equal(allowedips_lookup4(world->trie, address), expected);
	else
		assert_ptr_equal(allowedips_lookup6(world->trie, address), expected);
}

static void step_insert(struct world *world)
{
	uint8_t address[16];
	const int family = pick_address(world, address);
	const unsigned length = random_below(family == AF_INET ? 33 : 129);
	const unsigned owner = random_below(OWNERS);
	int error;

	fail_in = random_below(10) ? 0 : 1 + random_below(2);
	error = allowedips_insert(world->trie, family, address, length, &world->owner[owner]);
	if (!error)
		naive_insert(world, family, address, length, owner);
	else
		assert_int_equal(error, -ENOMEM);
	fail_in = 0;
}

static void step_remove(struct world *world)
{
	uint8_t address[16];
	int family = pick_address(world, address);
	unsigned length = random_below(family == AF_INET ? 33 : 129);
	unsigned owner = random_below(OWNERS);

	if (world->count && random_below(8)) { /* mostly one that there is */
		const struct entry *entry = &world->entry[random_below((uint32_t)world->count)];

		family = entry->family;
		length = entry->length;
		memcpy(address, entry->address, 16);
		if (length < 32)
			address[3] ^= 1; /* a host bit */
		if (random_below(8))
			owner = entry->owner;
	}
	assert_int_equal(
		allowedips_remove(world->trie, family, address, length, &world->owner[owner]),
		naive_remove(world, family, address, length, owner));
}

static void step_remove_owner(struct world *world)
{
	const unsigned owner = random_below(OWNERS);

	allowedips_remove_owner(world->trie, &world->owner[owner]);
	for (size_t i = world->count; i-- > 0;)
		if (world->entry[i].owner == owner)
			naive_drop(world, i);
	assert_null(world->owner[owner].first);
	assert_int_equal(world->owner[owner].count, 0);
}

static void run_random(uint64_t seed, unsigned steps, unsigned inserts)
{
	struct world *world = world_new(seed);

	for (unsigned step = 0; step < steps; step++) {
		const unsigned dice = random_below(100);

		if (dice < inserts)
			step_insert(world);
		else if (dice < 98 || random_below(4))
			step_remove(world);
		else
			step_remove_owner(world);
		for (unsigned i = 0; i < 3; i++)
			check_lookup(world);
		if (step % 64 == 0) {
			check_shape(world);
			check_lists(world);
		}
	}
	for (unsigned i = 0; i < OWNERS; i++)
		allowedips_remove_owner(world->trie, &world->owner[i]);
	assert_null(world->trie->root[0]);
	assert_null(world->trie->root[1]);
	assert_int_equal(live_blocks, 1);
	world_free(world);
}

static void test_random(void **state)
{
	(void)state;
	run_random(1, 20000, 50); /* stays small, much comes and goes */
	run_random(2, 20000, 55);
	run_random(3, 3000, 80); /* grows, and is freed while full */
	for (uint64_t seed = 10; seed < 110; seed++)
		run_random(seed, 200, 45 + seed % 20);
}

/* An address with the lowest count bits of value at a place, and zeros. */
static void place(uint8_t address[16], unsigned at, unsigned value, unsigned count)
{
	memset(address, 0, 16);
	for (unsigned i = 0; i < count; i++)
		if (value >> (count - 1 - i) & 1)
			address[(at + i) / 8] |= (uint8_t)(0x80u >> (at + i) % 8);
}

/* All prefixes of a space of 7 bits, one after another, and after each every address in it. */
static void fill_space(int family, unsigned at)
{
	struct world *world = world_new(at);
	uint8_t address[16];

	for (unsigned step = 0; step < 255; step++) {
		/* The number of a node of a complete binary tree: a one, then the prefix. */
		const unsigned number = (step * 37 + 11) % 255 + 1;
		const unsigned length = 31u - (unsigned)__builtin_clz(number);
		const unsigned owner = step % OWNERS;

		place(address, at, number, length);
		assert_int_equal(allowedips_insert(world->trie, family, address, at + length,
					 &world->owner[owner]),
			0);
		naive_insert(world, family, address, at + length, owner);
		check_shape(world);
		for (unsigned value = 0; value < 128; value++) {
			const struct allowedips_owner *found;

			place(address, at, value, 7);
			found = family == AF_INET ? allowedips_lookup4(world->trie, address)
						  : allowedips_lookup6(world->trie, address);
			assert_ptr_equal(found, naive_lookup(world, family, address));
		}
	}
	assert_int_equal(world->count, 255);
	world_free(world);
}

static void test_dense(void **state)
{
	static const unsigned at4[] = { 0, 11, 25 }, at6[] = { 0, 57, 60, 64, 121 };

	(void)state;
	for (size_t i = 0; i < sizeof(at4) / sizeof(at4[0]); i++)
		fill_space(AF_INET, at4[i]);
	for (size_t i = 0; i < sizeof(at6) / sizeof(at6[0]); i++)
		fill_space(AF_INET6, at6[i]);
}

static void test_invalid(void **state)
{
	static const uint8_t address[16] = { 10 };
	struct world *world = world_new(1);
	struct allowedips_owner *owner = &world->owner[0];

	(void)state;
	assert_int_equal(allowedips_insert(world->trie, AF_INET, address, 33, owner), -EINVAL);
	assert_int_equal(allowedips_insert(world->trie, AF_INET6, address, 129, owner), -EINVAL);
	assert_int_equal(allowedips_insert(world->trie, AF_INET6, address, 256, owner), -EINVAL);
	assert_int_equal(allowedips_insert(world->trie, AF_UNSPEC, address, 8, owner), -EINVAL);
	assert_int_equal(allowedips_insert(world->trie, AF_UNIX, address, 8, owner), -EINVAL);
	assert_int_equal(allowedips_remove(world->trie, AF_INET, address, 33, owner), -EINVAL);
	assert_int_equal(allowedips_remove(world->trie, AF_INET6, address, 129, owner), -EINVAL);
	assert_int_equal(allowedips_remove(world->trie, AF_UNIX, address, 8, owner), -EINVAL);
	assert_int_equal(allowedips_remove(world->trie, AF_INET, address, 8, owner), -ENOENT);
	assert_int_equal(owner->count, 0);
	/* A fork is no prefix that one could remove. */
	assert_int_equal(
		allowedips_insert(world->trie, AF_INET, (uint8_t[4]){ 10, 0 }, 16, owner), 0);
	assert_int_equal(
		allowedips_insert(world->trie, AF_INET, (uint8_t[4]){ 10, 128 }, 16, owner), 0);
	assert_int_equal(allowedips_remove(world->trie, AF_INET, address, 8, owner), -ENOENT);
	assert_int_equal(allowedips_remove(world->trie, AF_INET, address, 8, NULL), -ENOENT);
	assert_null(allowedips_lookup4(world->trie, (uint8_t[4]){ 10, 64 }));
	world_free(world);
	allowedips_free(NULL);
}

/* A family's default route is not the other's. */
static void test_families(void **state)
{
	static const uint8_t any[16];
	struct world *world = world_new(1);

	(void)state;
	assert_int_equal(allowedips_insert(world->trie, AF_INET, any, 0, &world->owner[0]), 0);
	assert_ptr_equal(allowedips_lookup4(world->trie, world->base[0]), &world->owner[0]);
	assert_null(allowedips_lookup6(world->trie, world->base[0]));
	assert_int_equal(allowedips_insert(world->trie, AF_INET6, any, 0, &world->owner[1]), 0);
	assert_ptr_equal(allowedips_lookup4(world->trie, world->base[0]), &world->owner[0]);
	assert_ptr_equal(allowedips_lookup6(world->trie, world->base[0]), &world->owner[1]);
	world_free(world);
}

static double seconds_since(clock_t start)
{
	return (double)(clock() - start) / CLOCKS_PER_SEC;
}

/* As many prefixes as WireGuard's own stress test sets at once, beside an owner with two of its
 * own. The limit is far beyond what it takes, even under valgrind, and far below what a search of
 * lists would. */
static void test_many(void **state)
{
	enum { MANY = 130560 };
	struct world *world = world_new(5);
	struct allowedips_owner *many = &world->owner[0], *few = &world->owner[1];
	clock_t start = clock();
	double inserting, looking, removing;

	(void)state;
	assert_int_equal(allowedips_insert(world->trie, AF_INET, (uint8_t[4]){ 10 }, 8, few), 0);
	assert_int_equal(
		allowedips_insert(world->trie, AF_INET6, (uint8_t[16]){ 0xfd }, 8, few), 0);
	for (uint32_t i = 0; i < MANY; i++) {
		uint8_t address[16] = { 10, (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i };

		if (i % 2)
			address[0] = 0xfd;
		assert_int_equal(allowedips_insert(world->trie, i % 2 ? AF_INET6 : AF_INET, address,
					 i % 2 ? 128 : 32, many),
			0);
	}
	inserting = seconds_since(start);
	assert_int_equal(many->count, MANY);
	start = clock();
	for (uint32_t i = 0; i < 2 * MANY; i++) {
		uint8_t address[4] = { 10, (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i };

		assert_ptr_equal(allowedips_lookup4(world->trie, address),
			i < MANY && i % 2 == 0 ? many : few);
	}
	looking = seconds_since(start);
	start = clock();
	allowedips_remove_owner(world->trie, many);
	removing = seconds_since(start);
	print_message("%d prefixes: %.3f s to insert, %.3f s for %d lookups, %.3f s to remove\n",
		MANY, inserting, looking, 2 * MANY, removing);
	assert_int_equal(live_blocks, 3);
	assert_int_equal(few->count, 2);
	assert_true(inserting < 15 && removing < 15);
	world_free(world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_dense),
		cmocka_unit_test(test_invalid),
		cmocka_unit_test(test_families),
		cmocka_unit_test(test_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
