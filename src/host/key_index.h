/* SPDX-License-Identifier: ISC */
/* Which item of a list has a public key, without walking over the list for each one. */
#ifndef HOST_KEY_INDEX_H
#define HOST_KEY_INDEX_H

#include <stddef.h>

#include "core/key.h"

struct key_index {
	const uint8_t *
		*keys; /* in ascending order, and of equal ones the first in the list first */
	size_t count;
	const uint8_t *first;
	size_t item_size;
};

enum { KEY_INDEX_NONE = -1 };

/* Of a list of count items of the given size, each with its key at that offset: they must stay as
 * they are, and where they are, as long as the index is asked. 0 or -ENOMEM (and the index is
 * empty). Public keys only: the time that a look-up takes depends on them. */
int key_index_make(
	struct key_index *index, const void *list, size_t count, size_t item_size, size_t offset);

/* The key's place in the list, the first if there are several; KEY_INDEX_NONE: it has none. An
 * index that is all zero has no keys. */
ptrdiff_t key_index_find(const struct key_index *index, const uint8_t key[KEY_LEN]);

void key_index_free(struct key_index *index);

#endif
