/* SPDX-License-Identifier: ISC */
/* An intrusive hash table: chains of links, doubled when crowded. */
#include "core/table.h"

#include <errno.h>
#include <stdlib.h>

enum { FIRST_SIZE = 16 };

int table_init(struct table *table)
{
	table->buckets = calloc(FIRST_SIZE, sizeof(*table->buckets));
	table->size = FIRST_SIZE;
	table->count = 0;
	return table->buckets ? 0 : -ENOMEM;
}

void table_free(struct table *table)
{
	free(table->buckets);
	table->buckets = NULL;
}

static void push(struct table_link **buckets, size_t size, struct table_link *link)
{
	struct table_link **bucket = &buckets[link->hash & (size - 1)];

	link->next = *bucket;
	*bucket = link;
}

static void grow(struct table *table)
{
	const size_t size = table->size * 2;
	struct table_link **buckets = calloc(size, sizeof(*buckets));

	if (!buckets)
		return;
	for (size_t i = 0; i < table->size; i++) {
		struct table_link *next;

		for (struct table_link *link = table->buckets[i]; link; link = next) {
			next = link->next;
			push(buckets, size, link);
		}
	}
	free(table->buckets);
	table->buckets = buckets;
	table->size = size;
}

void table_insert(struct table *table, struct table_link *link, uint64_t hash)
{
	if (table->count >= table->size)
		grow(table);
	link->hash = hash;
	push(table->buckets, table->size, link);
	table->count++;
}

void table_remove(struct table *table, struct table_link *link)
{
	struct table_link **place = &table->buckets[link->hash & (table->size - 1)];

	while (*place && *place != link)
		place = &(*place)->next;
	if (!*place)
		return;
	*place = link->next;
	table->count--;
}

static struct table_link *first_with(struct table_link *link, uint64_t hash)
{
	while (link && link->hash != hash)
		link = link->next;
	return link;
}

struct table_link *table_find(const struct table *table, uint64_t hash)
{
	return first_with(table->buckets[hash & (table->size - 1)], hash);
}

struct table_link *table_find_next(const struct table_link *link)
{
	return first_with(link->next, link->hash);
}
