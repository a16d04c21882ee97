/* SPDX-License-Identifier: ISC */
/* A table of Ethernet addresses, hashed with a key of its own, and a list of them by age. */
#include "core/switch.h"

#include <sodium.h>
#include <stdlib.h>

#define NONE UINT16_MAX

/* What an entry is found by: an address and its VLAN. */
enum { KEY = FRAME_ADDRESS + 2 };

/* Entries refer to each other by their places. */
struct entry {
	uint8_t key[KEY];
	uint16_t chained; /* the next with its hash; of one that is not in use, the next such */
	uint16_t older, newer;
	struct switch_port *port;
	uint64_t seen;
};

struct switch_table {
	uint8_t hash_key[crypto_shorthash_KEYBYTES];
	unsigned used;
	uint16_t unused;         /* the first of those not in use */
	uint16_t oldest, newest; /* by when they were last seen */
	uint16_t chains[SWITCH_MAX];
	struct entry entries[SWITCH_MAX];
};

static_assert(SWITCH_MAX < NONE, "places are 16 bits");

struct switch_table *switch_new(void)
{
	struct switch_table *table = malloc(sizeof(*table));

	if (!table)
		return NULL;
	randombytes_buf(table->hash_key, sizeof(table->hash_key));
	table->oldest = table->newest = NONE;
	table->used = table->unused = 0;
	for (size_t i = 0; i < SWITCH_MAX; i++) {
		table->chains[i] = NONE;
		table->entries[i].chained = i + 1 < SWITCH_MAX ? (uint16_t)(i + 1) : NONE;
	}
	return table;
}

void switch_free(struct switch_table *table)
{
	free(table);
}

static void make_key(uint8_t key[KEY], const uint8_t *address, uint16_t vlan)
{
	memcpy(key, address, FRAME_ADDRESS);
	memcpy(key + FRAME_ADDRESS, &vlan, sizeof(vlan));
}

/* With a secret, for else somebody could choose addresses that all lie in one chain. */
static size_t chain_of(const struct switch_table *table, const uint8_t key[KEY])
{
	uint64_t hash;

	crypto_shorthash((uint8_t *)&hash, key, KEY, table->hash_key);
	return hash % SWITCH_MAX;
}

static uint16_t find(const struct switch_table *table, const uint8_t key[KEY])
{
	uint16_t i = table->chains[chain_of(table, key)];

	while (i != NONE && memcmp(table->entries[i].key, key, KEY) != 0)
		i = table->entries[i].chained;
	return i;
}

static bool is_old(const struct switch_table *table, uint16_t i, uint64_t now)
{
	return now - table->entries[i].seen >= SWITCH_AGE;
}

static void list_remove(struct switch_table *table, const struct entry *entry)
{
	if (entry->older == NONE)
		table->oldest = entry->newer;
	else
		table->entries[entry->older].newer = entry->newer;
	if (entry->newer == NONE)
		table->newest = entry->older;
	else
		table->entries[entry->newer].older = entry->older;
}

static void list_append(struct switch_table *table, uint16_t i, uint64_t now)
{
	struct entry *entry = &table->entries[i];

	entry->seen = now;
	entry->newer = NONE;
	entry->older = table->newest;
	if (table->newest == NONE)
		table->oldest = i;
	else
		table->entries[table->newest].newer = i;
	table->newest = i;
}

static void add(
	struct switch_table *table, const uint8_t key[KEY], struct switch_port *port, uint64_t now)
{
	const uint16_t i = table->unused;
	uint16_t *chain = &table->chains[chain_of(table, key)];
	struct entry *entry = &table->entries[i];

	table->unused = entry->chained;
	memcpy(entry->key, key, KEY);
	entry->port = port;
	entry->chained = *chain;
	*chain = i;
	list_append(table, i, now);
	table->used++;
	port->addresses++;
}

static void drop(struct switch_table *table, uint16_t i)
{
	struct entry *entry = &table->entries[i];
	uint16_t *link = &table->chains[chain_of(table, entry->key)];

	while (*link != i)
		link = &table->entries[*link].chained;
	*link = entry->chained;
	list_remove(table, entry);
	table->used--;
	entry->port->addresses--;
	entry->chained = table->unused;
	table->unused = i;
}

/* Who has as many as there are places left gets none of them: so there are always some, however
 * many ports are greedy. */
static bool has_room(const struct switch_table *table, const struct switch_port *port)
{
	return port->addresses < SWITCH_PORT_MAX && port->addresses < SWITCH_MAX - table->used;
}

void switch_learn(struct switch_table *table, const uint8_t address[FRAME_ADDRESS], uint16_t vlan,
	struct switch_port *port, uint64_t now)
{
	uint8_t key[KEY];

	if (frame_is_group(address))
		return;
	while (table->oldest != NONE && is_old(table, table->oldest, now))
		drop(table, table->oldest);
	make_key(key, address, vlan);
	const uint16_t i = find(table, key);

	if (i != NONE && table->entries[i].port == port) {
		list_remove(table, &table->entries[i]);
		list_append(table, i, now);
		return;
	}
	if (i != NONE)
		drop(table, i);
	if (has_room(table, port))
		add(table, key, port, now);
}

struct switch_port *switch_find(const struct switch_table *table,
	const uint8_t address[FRAME_ADDRESS], uint16_t vlan, uint64_t now)
{
	uint8_t key[KEY];

	if (frame_is_group(address))
		return NULL;
	make_key(key, address, vlan);
	const uint16_t i = find(table, key);

	return i == NONE || is_old(table, i, now) ? NULL : table->entries[i].port;
}

void switch_forget(struct switch_table *table, struct switch_port *port)
{
	for (uint16_t next, i = table->oldest; i != NONE && port->addresses; i = next) {
		next = table->entries[i].newer;
		if (table->entries[i].port == port)
			drop(table, i);
	}
}

bool switch_may_flood(const struct switch_port *port, uint64_t now)
{
	return port->flood_until < now + WIRE_SECOND;
}

void switch_flooded(struct switch_port *port, size_t copies, size_t len, uint64_t now)
{
	const uint64_t frame = WIRE_SECOND / SWITCH_FLOOD_RATE;
	const uint64_t all = copies * (WIRE_SECOND / SWITCH_COPY_RATE);

	if (port->flood_until < now)
		port->flood_until = now;
	port->flood_until += (all > frame ? all : frame) * (1 + len / SWITCH_FLOOD_LEN);
}
