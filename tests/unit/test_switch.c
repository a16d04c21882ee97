/* SPDX-License-Identifier: ISC */
/* The table of addresses: tables of cases, its bounds, and random streams against a naive one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>
#include <sodium.h>

#include "core/switch.h"
#include "../random.h"

#define SECOND WIRE_SECOND

/* The address of a number, unicast. */
static const uint8_t *address_of(unsigned number)
{
	static uint8_t address[FRAME_ADDRESS];

	address[0] = 2;
	address[3] = (uint8_t)(number >> 16);
	address[4] = (uint8_t)(number >> 8);
	address[5] = (uint8_t)number;
	return address;
}

/* What happens, one after the other, and where address 1 is then: port 'a', 'b', or 0. */
struct story {
	const char *name;
	struct {
		uint64_t at; /* seconds */
		char port;   /* that a frame of address 1 comes in by; 'F' forgets port a */
	} steps[4];
	uint64_t asked; /* when */
	char expected;
};

static const struct story stories[] = {
	{ "nothing was heard", { { 0 } }, 5, 0 },
	{ "heard", { { 1, 'a' } }, 1, 'a' },
	{ "almost too long ago", { { 1, 'a' } }, 300, 'a' },
	{ "too long ago", { { 1, 'a' } }, 301, 0 },
	{ "heard again", { { 1, 'a' }, { 200, 'a' } }, 499, 'a' },
	{ "heard again, too long ago", { { 1, 'a' }, { 200, 'a' } }, 500, 0 },
	{ "moved", { { 1, 'a' }, { 2, 'b' } }, 2, 'b' },
	{ "moved and back", { { 1, 'a' }, { 2, 'b' }, { 3, 'a' } }, 3, 'a' },
	{ "heard after it was too old", { { 1, 'a' }, { 400, 'b' } }, 401, 'b' },
	{ "its port went", { { 1, 'a' }, { 2, 'F' } }, 2, 0 },
	{ "moved, then the old port went", { { 1, 'a' }, { 2, 'b' }, { 3, 'F' } }, 3, 'b' },
};

static void test_stories(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(stories) / sizeof(*stories); i++) {
		const struct story *story = &stories[i];
		struct switch_table *table = switch_new();
		struct switch_port a = { 0 }, b = { 0 };

		assert_non_null(table);
		for (size_t n = 0; n < 4 && story->steps[n].port; n++) {
			const uint64_t now = story->steps[n].at * SECOND;

			if (story->steps[n].port == 'F')
				switch_forget(table, &a);
			else
				switch_learn(table, address_of(1), 0,
					story->steps[n].port == 'a' ? &a : &b, now);
		}
		const struct switch_port *port =
			switch_find(table, address_of(1), 0, story->asked * SECOND);
		const char found = port == &a ? 'a' : port == &b ? 'b' : 0;

		if (found != story->expected)
			fail_msg("%s: behind port '%c'", story->name, found ? found : '-');
		assert_null(switch_find(table, address_of(2), 0, story->asked * SECOND));
		switch_free(table);
	}
}

/* Of all first bytes, those with the lowest bit set belong to groups. */
static void test_groups(void **state)
{
	struct switch_table *table = switch_new();
	struct switch_port port = { 0 };
	uint8_t address[FRAME_ADDRESS] = { 0 };

	(void)state;
	assert_non_null(table);
	for (unsigned first = 0; first < 256; first++) {
		address[0] = (uint8_t)first;
		switch_learn(table, address, 0, &port, SECOND);
		assert_ptr_equal(switch_find(table, address, 0, SECOND), first & 1 ? NULL : &port);
	}
	assert_int_equal(port.addresses, 128);
	switch_free(table);
}

/* Every bit of an address counts. */
static void test_bits(void **state)
{
	struct switch_table *table = switch_new();
	struct switch_port ports[48] = { 0 };

	(void)state;
	assert_non_null(table);
	for (int pass = 0; pass < 2; pass++)
		for (unsigned bit = 1; bit < 48; bit++) { /* the 0th is the group's */
			uint8_t address[FRAME_ADDRESS] = { 0 };

			address[bit / 8] = (uint8_t)(1 << bit % 8);
			if (pass)
				assert_ptr_equal(switch_find(table, address, 0, 0), &ports[bit]);
			else
				switch_learn(table, address, 0, &ports[bit], 0);
		}
	switch_free(table);
}

/* Each VLAN's addresses are its own, and count. */
static void test_vlans(void **state)
{
	struct switch_table *table = switch_new();
	struct switch_port ports[3] = { 0 };
	static const uint16_t vlans[] = { 0, 1, 256, 4094 };

	(void)state;
	assert_non_null(table);
	for (size_t i = 0; i < 3; i++)
		switch_learn(table, address_of(1), vlans[i], &ports[i], SECOND);
	for (size_t i = 0; i < 4; i++)
		assert_ptr_equal(switch_find(table, address_of(1), vlans[i], SECOND),
			i < 3 ? &ports[i] : NULL);
	switch_learn(table, address_of(1), 256, &ports[0], SECOND);
	assert_ptr_equal(switch_find(table, address_of(1), 256, SECOND), &ports[0]);
	assert_int_equal(ports[0].addresses, 2);
	assert_int_equal(ports[2].addresses, 0);
	switch_forget(table, &ports[0]);
	assert_null(switch_find(table, address_of(1), 0, SECOND));
	assert_ptr_equal(switch_find(table, address_of(1), 1, SECOND), &ports[1]);
	switch_free(table);
}

/* One port takes its share and no more; what is known stays known, and moves. */
static void test_port_is_bounded(void **state)
{
	struct switch_table *table = switch_new();
	struct switch_port greedy = { 0 }, other = { 0 };

	(void)state;
	assert_non_null(table);
	for (unsigned n = 0; n < 3 * SWITCH_PORT_MAX; n++)
		switch_learn(table, address_of(n), 0, &greedy, SECOND);
	assert_int_equal(greedy.addresses, SWITCH_PORT_MAX);
	assert_ptr_equal(switch_find(table, address_of(0), 0, SECOND), &greedy);
	assert_ptr_equal(switch_find(table, address_of(SWITCH_PORT_MAX - 1), 0, SECOND), &greedy);
	assert_null(switch_find(table, address_of(SWITCH_PORT_MAX), 0, SECOND));
	/* One leaves, and one more fits. */
	switch_learn(table, address_of(7), 0, &other, SECOND);
	assert_ptr_equal(switch_find(table, address_of(7), 0, SECOND), &other);
	switch_learn(table, address_of(9000), 0, &greedy, SECOND);
	assert_ptr_equal(switch_find(table, address_of(9000), 0, SECOND), &greedy);
	/* Where there is no room it is at least not where it was. */
	switch_learn(table, address_of(7), 0, &greedy, SECOND);
	assert_null(switch_find(table, address_of(7), 0, SECOND));
	assert_int_equal(greedy.addresses, SWITCH_PORT_MAX);
	assert_int_equal(other.addresses, 0);
	/* Room comes of age. */
	switch_learn(table, address_of(0), 0, &greedy, 200 * SECOND);
	switch_learn(table, address_of(8000), 0, &greedy, 301 * SECOND);
	assert_ptr_equal(switch_find(table, address_of(8000), 0, 301 * SECOND), &greedy);
	assert_int_equal(greedy.addresses, 2);
	switch_free(table);
}

/* However many ports are greedy, there is room for one that is not, and for what moves. */
static void test_table_is_bounded(void **state)
{
	enum { PORTS = 100 };

	(void)state;
	for (unsigned greedy = 1; greedy <= PORTS; greedy++) {
		struct switch_table *table = switch_new();
		struct switch_port ports[PORTS] = { 0 }, modest = { 0 };
		const unsigned fair = SWITCH_MAX / (greedy + 1);
		const unsigned each = fair < SWITCH_PORT_MAX ? fair : SWITCH_PORT_MAX;

		assert_non_null(table);
		for (unsigned n = 0; n < 1100 * greedy; n++)
			switch_learn(table, address_of(n), 0, &ports[n % greedy], SECOND);
		for (unsigned i = 0; i < greedy; i++)
			assert_in_range(ports[i].addresses, each, each + 1);
		for (unsigned n = 0; n < 15; n++) {
			switch_learn(table, address_of(200000 + n), 0, &modest, SECOND);
			assert_ptr_equal(
				switch_find(table, address_of(200000 + n), 0, SECOND), &modest);
		}
		switch_learn(table, address_of(0), 0, &modest, SECOND);
		assert_ptr_equal(switch_find(table, address_of(0), 0, SECOND), &modest);
		for (unsigned i = 0; i < greedy; i++)
			switch_forget(table, &ports[i]);
		assert_int_equal(modest.addresses, 16);
		for (unsigned n = 0; n < 1000; n++)
			switch_learn(table, address_of(n), 0, &ports[0], SECOND);
		assert_int_equal(ports[0].addresses, 1000);
		switch_free(table);
	}
}

/* ---- Against a table that is nothing but a list ---- */

enum { ADDRESSES = 6000, PORTS = 7 };

static struct naive {
	struct switch_port *port; /* NULL: not known */
	uint64_t seen;
} naive[ADDRESSES];

static bool is_known(const struct naive *entry, uint64_t now)
{
	return entry->port && now - entry->seen < 300 * SECOND;
}

static unsigned count_known(const struct switch_port *port, uint64_t now)
{
	unsigned count = 0;

	for (unsigned n = 0; n < ADDRESSES; n++)
		if (is_known(&naive[n], now) && (!port || naive[n].port == port))
			count++;
	return count;
}

static void naive_learn(unsigned n, struct switch_port *port, uint64_t now)
{
	struct naive *entry = &naive[n];

	if (is_known(entry, now) && entry->port == port) {
		entry->seen = now;
		return;
	}
	entry->port = NULL;
	const unsigned had = count_known(port, now);

	if (had < SWITCH_PORT_MAX && had < SWITCH_MAX - count_known(NULL, now))
		*entry = (struct naive){ port, now };
}

/* Streams of few addresses and of too many, over steps of time short and long. */
static void run_stream(uint64_t seed, unsigned addresses, unsigned ports, uint64_t step)
{
	struct switch_table *table = switch_new();
	struct switch_port port[PORTS] = { 0 };
	uint64_t now = 0;

	assert_non_null(table);
	memset(naive, 0, sizeof(naive));
	random_state = seed;
	for (unsigned i = 0; i < 12000; i++) {
		const unsigned n = (unsigned)(next_random() % addresses);
		const unsigned asked = (unsigned)(next_random() % addresses);
		struct switch_port *by = &port[next_random() % ports];

		now += next_random() % (2 * step);
		if (next_random() % 2000 == 0) {
			switch_forget(table, by);
			for (unsigned k = 0; k < ADDRESSES; k++)
				naive[k].port = naive[k].port == by ? NULL : naive[k].port;
			assert_int_equal(by->addresses, 0);
		}
		switch_learn(table, address_of(n), 0, by, now);
		naive_learn(n, by, now);
		if (switch_find(table, address_of(asked), 0, now) !=
			(is_known(&naive[asked], now) ? naive[asked].port : NULL))
			fail_msg("seed %llu, step %u: address %u", (unsigned long long)seed, i,
				asked);
	}
	for (unsigned k = 0; k < ports; k++) /* learning anything drops what is old */
		assert_int_equal(port[k].addresses, count_known(&port[k], now));
	switch_free(table);
}

static void test_random_streams(void **state)
{
	(void)state;
	run_stream(1, 5, 2, 20 * SECOND);
	run_stream(2, 100, 3, 3 * SECOND);
	run_stream(3, 1500, 1, SECOND / 10);
	run_stream(4, ADDRESSES, PORTS, SECOND / 1000);
	run_stream(5, ADDRESSES, PORTS, SECOND / 20);
	run_stream(6, ADDRESSES, 2, SECOND / 10);
}

/* ---- Flooding ---- */

/* Floods so many frames one after the other, or as many of them as it may; returns how many. */
static size_t flood(
	struct switch_port *port, size_t frames, size_t copies, size_t len, uint64_t now)
{
	size_t passed = 0;

	while (passed < frames && switch_may_flood(port, now)) {
		switch_flooded(port, copies, len, now);
		passed++;
	}
	return passed;
}

struct flood {
	uint64_t at; /* ms since the beginning */
	size_t frames;
	size_t passes;
};

static void test_flooding_is_limited(void **state)
{
	static const struct flood floods[] = {
		{ 0, 1, 1 },            /* a new port has all of it */
		{ 0, 1000, 999 },       /* as many at once, and no more */
		{ 1, 2, 1 },            /* one a millisecond */
		{ 1, 1, 0 },            /* */
		{ 501, 501, 500 },      /* it fills up */
		{ 501, 1, 0 },          /* what was refused costs nothing */
		{ 502, 1, 1 },          /* */
		{ 9000, 1001, 1000 },   /* never more than that at once */
		{ 9000, 1, 0 },         /* */
		{ 3600000, 1001, 1000 } /* and not more after an hour */
	};
	struct switch_port port = { 0 }, other = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(floods) / sizeof(*floods); i++) {
		const uint64_t now = 5 * SECOND + floods[i].at * (SECOND / 1000);

		if (flood(&port, floods[i].frames, 1, 60, now) != floods[i].passes)
			fail_msg("row %zu", i);
	}
	/* Each port has its own. */
	assert_int_equal(flood(&other, 2000, 1, 60, 5 * SECOND), 1000);
}

/* What a hub of so many others sends to all of them in a second: 1000 frames, and 20,000 copies. */
static void test_copies_are_limited(void **state)
{
	static const struct {
		size_t copies, len, passes;
	} rows[] = {
		{ 0, 60, 1000 },   /* nobody was there; they were looked for */
		{ 1, 60, 1000 },   /* */
		{ 2, 60, 1000 },   /* */
		{ 20, 60, 1000 },  /* */
		{ 21, 60, 953 },   /* */
		{ 40, 60, 500 },   /* */
		{ 499, 60, 41 },   /* the last has what is left, and more */
		{ 1000, 60, 20 },  /* */
		{ 30000, 60, 1 },  /* never none */
		{ 1, 2047, 1000 }, /* */
		{ 1, 2048, 500 },  /* */
		{ 1, 60000, 34 },  /* */
		{ 40, 2048, 250 }, /* */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct switch_port port = { 0 };
		const size_t passed = flood(&port, 2000, rows[i].copies, rows[i].len, SECOND);

		if (passed != rows[i].passes)
			fail_msg("row %zu: %zu frames", i, passed);
	}
	/* What one took beyond its share is waited for. */
	struct switch_port port = { 0 };

	assert_int_equal(flood(&port, 2, 30000, 60, SECOND), 1);
	assert_int_equal(flood(&port, 2, 1, 60, SECOND + SECOND / 2), 0);
	assert_int_equal(flood(&port, 2, 1, 60, SECOND + SECOND / 2 + 1), 1);
}

/* Any stream of floods: over any time no more than the burst and the rate make, and one frame. */
static void test_flooding_over_time(void **state)
{
	struct switch_port port = { 0 };
	const uint64_t start = 77 * SECOND;
	uint64_t now = start, passed = 0, asked = 0;

	(void)state;
	random_state = 9;
	for (unsigned i = 0; i < 100000; i++) {
		const size_t copies = 20 + next_random() % 200;
		const uint64_t share = SWITCH_COPY_RATE + (now - start) * SWITCH_COPY_RATE / SECOND;

		asked += copies;
		passed += flood(&port, 1, copies, 60, now) * copies;
		assert_true(passed <= share + 220);
		now += next_random() % (SECOND / 500);
	}
	/* It was asked for much more, and all that there was is used. */
	assert_true(asked > 4 * passed);
	assert_true(passed >= (now - start) * SWITCH_COPY_RATE / SECOND);
}

static void test_split_horizon(void **state)
{
	static const struct {
		bool from, to, same, passes;
	} rows[] = {
		{ false, false, false, true },
		{ false, true, false, true },
		{ true, false, false, true },
		{ true, true, false, false },
		{ false, false, true, false },
		{ true, true, true, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		const struct switch_port from = { .is_switch = rows[i].from };
		const struct switch_port to = { .is_switch = rows[i].to };

		assert_int_equal(
			switch_may_pass(&from, rows[i].same ? &from : &to), rows[i].passes);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stories),
		cmocka_unit_test(test_groups),
		cmocka_unit_test(test_bits),
		cmocka_unit_test(test_vlans),
		cmocka_unit_test(test_port_is_bounded),
		cmocka_unit_test(test_table_is_bounded),
		cmocka_unit_test(test_random_streams),
		cmocka_unit_test(test_flooding_is_limited),
		cmocka_unit_test(test_copies_are_limited),
		cmocka_unit_test(test_flooding_over_time),
		cmocka_unit_test(test_split_horizon),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
