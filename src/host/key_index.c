/* SPDX-License-Identifier: ISC */
/* Which item of a list has a public key, without walking over the list for each one. */
#include "host/key_index.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int by_key(const void *left, const void *right)
{
	const uint8_t *a = *(const uint8_t *const *)left, *b = *(const uint8_t *const *)right;
	const int order = memcmp(a, b, KEY_LEN);

	return order ? order : (a > b) - (a < b);
}

int key_index_make(
	struct key_index *index, const void *list, size_t count, size_t item_size, size_t offset)
{
	*index = (struct key_index){ 0 };
	if (!count)
		return 0;
	index->keys = reallocarray(NULL, count, sizeof(*index->keys));
	if (!index->keys)
		return -ENOMEM;
	index->first = (const uint8_t *)list + offset;
	index->item_size = item_size;
	index->count = count;
	for (size_t i = 0; i < count; i++)
		index->keys[i] = index->first + i * item_size;
	qsort(index->keys, count, sizeof(*index->keys), by_key);
	return 0;
}

ptrdiff_t key_index_find(const struct key_index *index, const uint8_t key[KEY_LEN])
{
	size_t low = 0, high = index->count;

	while (low < high) {
		const size_t middle = low + (high - low) / 2;

		if (memcmp(index->keys[middle], key, KEY_LEN) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == index->count || memcmp(index->keys[low], key, KEY_LEN))
		return KEY_INDEX_NONE;
	return (index->keys[low] - index->first) / (ptrdiff_t)index->item_size;
}

void key_index_free(struct key_index *index)
{
	free(index->keys);
	*index = (struct key_index){ 0 };
}
