/* SPDX-License-Identifier: ISC */
/* A growing text that wipes what it leaves behind. */
#include "host/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/key.h"

/* realloc would leave a copy behind that nobody wipes. */
static bool reserve(struct text *text, size_t more)
{
	size_t need = text->len + more + 1, size = text->size ? text->size : 256;
	char *bytes;

	if (text->failed)
		return false;
	if (need <= text->size)
		return true;
	while (size < need)
		size *= 2;
	bytes = malloc(size);
	if (!bytes) {
		text->failed = true;
		return false;
	}
	if (text->bytes) {
		memcpy(bytes, text->bytes, text->len);
		key_wipe(text->bytes, text->size);
		free(text->bytes);
	}
	bytes[text->len] = '\0';
	text->bytes = bytes;
	text->size = size;
	return true;
}

void text_add(struct text *text, const char *format, ...)
{
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(NULL, 0, format, args);
	va_end(args);
	if (len < 0 || !reserve(text, (size_t)len)) {
		text->failed = true;
		return;
	}
	va_start(args, format);
	vsnprintf(text->bytes + text->len, (size_t)len + 1, format, args);
	va_end(args);
	text->len += (size_t)len;
}

void text_add_bytes(struct text *text, const void *bytes, size_t len)
{
	if (!reserve(text, len))
		return;
	memcpy(text->bytes + text->len, bytes, len);
	text->len += len;
	text->bytes[text->len] = '\0';
}

void text_drop(struct text *text, size_t len)
{
	if (!len)
		return;
	text->len -= len;
	memmove(text->bytes, text->bytes + len, text->len);
	key_wipe(text->bytes + text->len, len);
}

void text_free(struct text *text)
{
	if (text->bytes)
		key_wipe(text->bytes, text->size);
	free(text->bytes);
	*text = (struct text){ 0 };
}

size_t text_character_len(const char *text)
{
	static const uint32_t smallest[] = { 0, 0, 0x80, 0x800, 0x10000 };
	const unsigned char *bytes = (const unsigned char *)text;
	uint32_t code = *bytes;
	size_t len = 1;

	if (code < 0x80)
		return 1;
	while (len < 5 && code & (0x80U >> len))
		len++;
	if (len < 2 || len > 4)
		return 0;
	code &= 0x7fU >> len;
	for (size_t i = 1; i < len; i++) {
		if (bytes[i] >> 6 != 2)
			return 0;
		code = code << 6 | (bytes[i] & 0x3f);
	}
	if (code < smallest[len] || code > 0x10ffff || code >> 11 == 0xd800 >> 11)
		return 0;
	return len;
}
