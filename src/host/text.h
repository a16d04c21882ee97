/* SPDX-License-Identifier: ISC */
/* A growing text. It may hold secrets: what is freed, here and when it grows, is wiped. */
#ifndef HOST_TEXT_H
#define HOST_TEXT_H

#include <stdbool.h>
#include <stddef.h>

/* Start it zeroed. After a failed allocation nothing more is added and failed stays set, so that a
 * writer of many lines checks once. */
struct text {
	char *bytes; /* NUL after them, once there are any */
	size_t len, size;
	bool failed;
};

void text_add(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
void text_add_bytes(struct text *text, const void *bytes, size_t len);

/* Takes the first len bytes away. */
void text_drop(struct text *text, size_t len);

/* Wipes, frees and zeroes. */
void text_free(struct text *text);

/* How many bytes the UTF-8 character takes that a text begins with; 0: it begins with none. */
size_t text_character_len(const char *text);

#endif
