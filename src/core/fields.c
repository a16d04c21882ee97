/* SPDX-License-Identifier: ISC */
/* Type-length-value fields of the culvert dialect. */
#include "core/fields.h"

#include <errno.h>

enum { FIELD_HEAD_LEN = 3 };

static void put(struct noise_fields *out, enum field_type type, const void *value, size_t len)
{
	uint8_t *at = out->bytes + out->len;

	at[0] = (uint8_t)type;
	at[1] = (uint8_t)len;
	at[2] = (uint8_t)(len >> 8);
	if (len)
		memcpy(at + FIELD_HEAD_LEN, value, len);
	out->len += FIELD_HEAD_LEN + len;
}

void fields_write(struct noise_fields *out, const struct fields *fields)
{
	out->len = 0;
	if (fields->cipher_count)
		put(out, FIELD_CIPHERS, fields->ciphers, fields->cipher_count);
	if (fields->link)
		put(out, FIELD_LINK, &fields->link, 1);
	if (fields->has_instance)
		put(out, FIELD_INSTANCE, fields->instance, sizeof(fields->instance));
	if (fields->refusal)
		put(out, FIELD_REFUSAL, &fields->refusal, 1);
	if (fields->is_switch)
		put(out, FIELD_SWITCH, NULL, 0);
}

static int read_byte(uint8_t *out, const uint8_t *value, size_t len)
{
	if (len != 1 || !value[0])
		return -EPROTO;
	*out = value[0];
	return 0;
}

static int read_field(struct fields *fields, unsigned type, const uint8_t *value, size_t len)
{
	switch (type) {
	case FIELD_CIPHERS:
		if (!len)
			return -EPROTO;
		fields->cipher_count = len < AEAD_COUNT_MAX ? len : AEAD_COUNT_MAX;
		memcpy(fields->ciphers, value, fields->cipher_count);
		return 0;
	case FIELD_LINK:
		return read_byte(&fields->link, value, len);
	case FIELD_INSTANCE:
		if (len != FIELD_INSTANCE_LEN)
			return -EPROTO;
		memcpy(fields->instance, value, len);
		fields->has_instance = true;
		return 0;
	case FIELD_REFUSAL:
		return read_byte(&fields->refusal, value, len);
	case FIELD_SWITCH:
		fields->is_switch = true;
		return len ? -EPROTO : 0;
	default:
		return 0;
	}
}

int fields_read(struct fields *fields, const struct noise_fields *in)
{
	uint8_t seen[256 / 8] = { 0 };
	size_t at = 0;

	*fields = (struct fields){ 0 };
	while (at < in->len) {
		const uint8_t *head = in->bytes + at;

		if (in->len - at < FIELD_HEAD_LEN)
			return -EPROTO;
		const unsigned type = head[0];
		const size_t len = (size_t)head[1] | (size_t)head[2] << 8;

		at += FIELD_HEAD_LEN;
		if (len > in->len - at)
			return -EPROTO;
		if (type != FIELD_PADDING && seen[type / 8] & 1 << type % 8)
			return -EPROTO;
		seen[type / 8] |= (uint8_t)(1 << type % 8);
		if (read_field(fields, type, in->bytes + at, len))
			return -EPROTO;
		at += len;
	}
	return 0;
}
