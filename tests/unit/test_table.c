/* SPDX-License-Identifier: ISC */
/* The hash table against an array that is searched from end to end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/table.h"
#include "../random.h"

enum { ENTRIES = 400 };

struct entry {
	uint32_t before; /* the link is not the first member */
	struct table_link link;
	uint64_t hash;
	bool in;
	bool found;
};

/* Exactly the entries with this hash that are in, each once. */
static void check_find(struct table *table, struct entry *entries, uint64_t hash)
{
	size_t expected = 0, found = 0;

	for (size_t i = 0; i < ENTRIES; i++) {
		entries[i].found = false;
		expected += entries[i].in && entries[i].hash == hash;
	}
	for (struct table_link *link = table_find(table, hash); link;
		link = table_find_next(link)) {
		struct entry *entry = TABLE_ENTRY(link, struct entry, link);

		assert_true(entry->in);
		assert_true(entry->hash == hash);
		assert_false(entry->found);
		entry->found = true;
		found++;
	}
	assert_int_equal(found, expected);
}

/* Hashes of some kind: few, so that many are equal; equal in the low bits alone; or anything. */
static uint64_t make_hash(int kind)
{
	switch (kind) {
	case 0:
		return next_random() % 20;
	case 1:
		return next_random() << 16;
	default:
		return next_random();
	}
}

static void test_random(void **state)
{
	static struct entry entries[ENTRIES];

	(void)state;
	for (int kind = 0; kind < 3; kind++) {
		struct table table;
		size_t count = 0;

		random_state = (uint64_t)kind;
		assert_int_equal(table_init(&table), 0);
		for (size_t i = 0; i < ENTRIES; i++)
			entries[i] = (struct entry){ .hash = make_hash(kind) };
		for (int step = 0; step < 8000; step++) {
			struct entry *entry = &entries[next_random() % ENTRIES];
			/* Fuller and emptier in turns. */
			const bool insert = next_random() % 8 < (step / 1000 % 2 ? 2 : 6);

			if (insert && !entry->in) {
				table_insert(&table, &entry->link, entry->hash);
				entry->in = true;
				count++;
			} else if (!insert && entry->in) {
				table_remove(&table, &entry->link);
				entry->in = false;
				count--;
				entry->hash = make_hash(kind);
			}
			assert_int_equal(table.count, count);
			check_find(&table, entries, entry->hash);
			check_find(&table, entries, make_hash(kind));
		}
		for (size_t i = 0; i < ENTRIES; i++)
			check_find(&table, entries, entries[i].hash);
		table_free(&table);
	}
}

/* It grows with what is in it, and nothing gets lost on the way. */
static void test_growth(void **state)
{
	enum { MANY = 20000 };
	struct table_link *links = calloc(MANY, sizeof(*links));
	struct table table;

	(void)state;
	assert_non_null(links);
	assert_int_equal(table_init(&table), 0);
	for (uint64_t i = 0; i < MANY; i++) {
		table_insert(&table, &links[i], i * i);
		assert_true(table.count <= table.size);
		assert_int_equal(table.size & (table.size - 1), 0);
	}
	for (uint64_t i = 0; i < MANY; i++) {
		assert_ptr_equal(table_find(&table, i * i), &links[i]);
		assert_null(table_find_next(&links[i]));
	}
	assert_null(table_find(&table, 2));
	for (uint64_t i = 0; i < MANY; i += 2)
		table_remove(&table, &links[i]);
	for (uint64_t i = 0; i < MANY; i++)
		assert_ptr_equal(table_find(&table, i * i), i % 2 ? &links[i] : NULL);
	table_free(&table);
	free(links);
}

/* A link that is not in it changes nothing, whatever its hash. */
static void test_remove_absent(void **state)
{
	struct table_link in = { 0 }, out = { 0 };
	struct table table;

	(void)state;
	assert_int_equal(table_init(&table), 0);
	assert_null(table_find(&table, 0));
	table_remove(&table, &out);
	assert_int_equal(table.count, 0);
	table_insert(&table, &in, 5);
	out.hash = 5;
	table_remove(&table, &out);
	assert_int_equal(table.count, 1);
	assert_ptr_equal(table_find(&table, 5), &in);
	table_remove(&table, &in);
	table_remove(&table, &in);
	assert_int_equal(table.count, 0);
	assert_null(table_find(&table, 5));
	table_free(&table);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_growth),
		cmocka_unit_test(test_remove_absent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
