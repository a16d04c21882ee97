/* SPDX-License-Identifier: ISC */
/* An intrusive hash table: links lie inside what they link, the caller computes the hash. */
#ifndef CORE_TABLE_H
#define CORE_TABLE_H

#include <stddef.h>
#include <stdint.h>

struct table_link {
	struct table_link *next;
	uint64_t hash;
};

struct table {
	struct table_link **buckets;
	size_t size; /* a power of two */
	size_t count;
};

int table_init(struct table *table);  /* 0 or -ENOMEM */
void table_free(struct table *table); /* the links are their owners' */

/* Grows when crowded; where memory for that is lacking it stays as it is and gets slower. */
void table_insert(struct table *table, struct table_link *link, uint64_t hash);
void table_remove(struct table *table, struct table_link *link);

/* The links with exactly this hash, one after the other; NULL ends. */
struct table_link *table_find(const struct table *table, uint64_t hash);
struct table_link *table_find_next(const struct table_link *link);

#define TABLE_ENTRY(link, type, member) ((type *)((char *)(link)-offsetof(type, member)))

#endif
