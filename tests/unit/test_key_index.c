/* SPDX-License-Identifier: ISC */
/* Which item of a list has a key: against walking over the list. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <sodium.h>

#include "host/key_index.h"

enum { ITEMS = 200 };

struct item {
	char before[3];
	uint8_t key[KEY_LEN];
	char behind[5];
};

static struct item items[ITEMS];

static ptrdiff_t naive(const uint8_t key[KEY_LEN], size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (!memcmp(items[i].key, key, KEY_LEN))
			return (ptrdiff_t)i;
	return KEY_INDEX_NONE;
}

static void make(struct key_index *index, size_t count)
{
	assert_int_equal(
		key_index_make(index, items, count, sizeof(*items), offsetof(struct item, key)), 0);
}

/* Keys that differ in a few bits at either end, so that many are there twice. */
static void draw(uint8_t key[KEY_LEN])
{
	memset(key, 0x80, KEY_LEN);
	key[0] = (uint8_t)(randombytes_uniform(16) * 17);
	key[KEY_LEN - 1] = (uint8_t)(randombytes_uniform(16) * 17);
}

static void test_as_by_walking(void **state)
{
	(void)state;
	for (size_t count = 0; count <= ITEMS; count += count < 10 ? 1 : 19) {
		struct key_index index;

		for (size_t i = 0; i < count; i++)
			draw(items[i].key);
		make(&index, count);
		for (unsigned i = 0; i < 256; i++) {
			uint8_t key[KEY_LEN];

			draw(key);
			key[0] = (uint8_t)((i >> 4) * 17);
			key[KEY_LEN - 1] = (uint8_t)((i & 15) * 17);
			assert_int_equal(key_index_find(&index, key), naive(key, count));
		}
		key_index_free(&index);
	}
}

static void test_empty(void **state)
{
	static const uint8_t key[KEY_LEN];
	struct key_index index = { 0 };

	(void)state;
	assert_int_equal(key_index_find(&index, key), KEY_INDEX_NONE);
	assert_int_equal(key_index_make(&index, NULL, 0, sizeof(*items), 3), 0);
	assert_int_equal(key_index_find(&index, key), KEY_INDEX_NONE);
	key_index_free(&index);
	assert_int_equal(key_index_find(&index, key), KEY_INDEX_NONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_as_by_walking),
		cmocka_unit_test(test_empty),
	};

	return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
