/* SPDX-License-Identifier: ISC */
/*
 * Driven: core/fields.c, the type-length-value fields of the culvert dialect's payloads.
 * Input: the payload.
 *
 * Asserted: fields_read agrees with a naive reader written from doc/PROTOCOL section 5; it does
 * not change its input; what fields_write makes of the fields reads back as the same fields and
 * as the same bytes when it is written again; unknown and padding fields, put before the others,
 * change nothing.
 */
#include <errno.h>

#include "core/fields.h"
#include "fuzz.h"

enum { HEAD = 3 };

/* One field of the list by the document; false: the list is malformed. */
static bool naive_field(struct fields *fields, unsigned type, const uint8_t *value, size_t len)
{
	switch (type) {
	case 1:
		if (len < 1)
			return false;
		fields->cipher_count = 0;
		for (size_t i = 0; i < len && i < AEAD_COUNT_MAX; i++)
			fields->ciphers[fields->cipher_count++] = value[i];
		return true;
	case 2:
	case 4:
		if (len != 1 || value[0] == 0)
			return false;
		*(type == 2 ? &fields->link : &fields->refusal) = value[0];
		return true;
	case 3:
		if (len != 16)
			return false;
		fields->has_instance = true;
		for (size_t i = 0; i < 16; i++)
			fields->instance[i] = value[i];
		return true;
	case 5:
		fields->is_switch = true;
		return len == 0;
	default:
		return true;
	}
}

static bool naive_read(struct fields *fields, const uint8_t *bytes, size_t len)
{
	unsigned times[256] = { 0 };
	size_t at = 0;

	memset(fields, 0, sizeof(*fields));
	while (at != len) {
		if (at + HEAD > len)
			return false;
		const size_t value = (size_t)bytes[at + 1] + 256 * (size_t)bytes[at + 2];

		if (at + HEAD + value > len)
			return false;
		if (bytes[at] && ++times[bytes[at]] > 1)
			return false;
		if (!naive_field(fields, bytes[at], bytes + at + HEAD, value))
			return false;
		at += HEAD + value;
	}
	return true;
}

static void check_same(const struct fields *a, const struct fields *b)
{
	FUZZ_CHECK(a->cipher_count == b->cipher_count &&
			   !memcmp(a->ciphers, b->ciphers, a->cipher_count),
		"ciphers differ");
	FUZZ_CHECK(a->link == b->link, "link %u and %u", a->link, b->link);
	FUZZ_CHECK(a->refusal == b->refusal, "refusal %u and %u", a->refusal, b->refusal);
	FUZZ_CHECK(a->is_switch == b->is_switch, "switch %d and %d", a->is_switch, b->is_switch);
	FUZZ_CHECK(a->has_instance == b->has_instance &&
			   !memcmp(a->instance, b->instance, sizeof(a->instance)),
		"instances differ");
}

static void check_written(const struct fields *fields)
{
	struct noise_fields once, twice;
	struct fields again;

	fields_write(&once, fields);
	FUZZ_CHECK(once.len <= WIRE_FIELDS_MAX, "%zu bytes", once.len);
	FUZZ_CHECK(!fields_read(&again, &once), "what was written is refused");
	check_same(fields, &again);
	fields_write(&twice, &again);
	FUZZ_CHECK(once.len == twice.len && !memcmp(once.bytes, twice.bytes, once.len),
		"written anew it differs");
}

/* The same list behind a padding field and one of a type that nobody knows yet. */
static void check_ignored(const struct noise_fields *in, const struct fields *expected)
{
	static const uint8_t before[] = { 0, 2, 0, 0xaa, 0xbb, 200, 1, 0, 0xcc };
	struct noise_fields longer = { .len = sizeof(before) + in->len };
	struct fields fields;

	for (size_t at = 0; at < in->len; at += HEAD + in->bytes[at + 1] + 256 * in->bytes[at + 2])
		if (in->bytes[at] == 200)
			return;
	if (longer.len > WIRE_FIELDS_MAX)
		return;
	memcpy(longer.bytes, before, sizeof(before));
	memcpy(longer.bytes + sizeof(before), in->bytes, in->len);
	FUZZ_CHECK(!fields_read(&fields, &longer), "refused for a field that is to be ignored");
	check_same(&fields, expected);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct noise_fields in = { .len = len < WIRE_FIELDS_MAX ? len : WIRE_FIELDS_MAX }, before;
	struct fields fields, naive;

	fuzz_begin(0);
	/* What lies behind would make good fields, should anybody read it. */
	memset(in.bytes, 1, sizeof(in.bytes));
	memcpy(in.bytes, data, in.len);
	before = in;
	const bool expected = naive_read(&naive, in.bytes, in.len);
	const int error = fields_read(&fields, &in);

	FUZZ_CHECK(!memcmp(&before, &in, sizeof(in)), "the input was changed");
	FUZZ_CHECK(error == (expected ? 0 : -EPROTO), "error %d", error);
	if (error)
		return 0;
	check_same(&fields, &naive);
	check_written(&fields);
	check_ignored(&in, &fields);
	return 0;
}
