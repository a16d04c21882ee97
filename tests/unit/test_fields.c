/* SPDX-License-Identifier: ISC */
/* The fields of the culvert dialect: round trips, and payloads that nobody honest writes. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/fields.h"
#include "../random.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define __SANITIZE_ADDRESS__ 1
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(at, len) ((void)(at), (void)(len))
#define ASAN_UNPOISON_MEMORY_REGION(at, len) ((void)(at), (void)(len))
#endif

static void append(struct noise_fields *out, unsigned type, const void *value, size_t len)
{
	uint8_t *at = out->bytes + out->len;

	assert_true(out->len + 3 + len <= sizeof(out->bytes));
	at[0] = (uint8_t)type;
	at[1] = (uint8_t)(len & 255);
	at[2] = (uint8_t)(len >> 8);
	if (len)
		memcpy(at + 3, value, len);
	out->len += 3 + len;
}

static void assert_same(const struct fields *a, const struct fields *b)
{
	assert_int_equal(a->cipher_count, b->cipher_count);
	assert_memory_equal(a->ciphers, b->ciphers, a->cipher_count);
	assert_int_equal(a->link, b->link);
	assert_int_equal(a->has_instance, b->has_instance);
	if (a->has_instance)
		assert_memory_equal(a->instance, b->instance, FIELD_INSTANCE_LEN);
	assert_int_equal(a->refusal, b->refusal);
	assert_int_equal(a->is_switch, b->is_switch);
}

/* Every combination of what may be set; bit 4 and up: how many ciphers. */
static struct fields make_fields(unsigned combination)
{
	struct fields fields = {
		.cipher_count = combination >> 4,
		.link = combination & 1 ? (uint8_t)(1 + next_random() % 255) : 0,
		.has_instance = combination & 2,
		.refusal = combination & 4 ? (uint8_t)(1 + next_random() % 255) : 0,
		.is_switch = combination & 8,
	};

	for (size_t i = 0; i < fields.cipher_count; i++)
		fields.ciphers[i] = (uint8_t)next_random();
	if (fields.has_instance)
		for (size_t i = 0; i < FIELD_INSTANCE_LEN; i++)
			fields.instance[i] = (uint8_t)next_random();
	return fields;
}

enum { COMBINATIONS = (AEAD_COUNT_MAX + 1) << 4 };

static void test_round_trip(void **state)
{
	(void)state;
	random_state = 1;
	for (unsigned i = 0; i < COMBINATIONS; i++) {
		const struct fields fields = make_fields(i);
		struct noise_fields written;
		struct fields again;
		size_t len = 0;

		len += fields.cipher_count ? 3 + fields.cipher_count : 0;
		len += fields.link ? 4 : 0;
		len += fields.has_instance ? 19 : 0;
		len += fields.refusal ? 4 : 0;
		len += fields.is_switch ? 3 : 0;
		memset(&written, 0xee, sizeof(written));
		memset(&again, 0xee, sizeof(again));
		fields_write(&written, &fields);
		assert_int_equal(written.len, len);
		assert_int_equal(fields_read(&again, &written), 0);
		assert_same(&fields, &again);
	}
}

/* Byte for byte as doc/PROTOCOL has it. */
static void test_layout(void **state)
{
	static const uint8_t expected[] = { 1, 2, 0, 3, 1, 2, 1, 0, 2, 3, 16, 0, 0, 1, 2, 3, 4, 5,
		6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 4, 1, 0, 1, 5, 0, 0 };
	struct fields fields = {
		.ciphers = { 3, 1 },
		.cipher_count = 2,
		.link = 2,
		.has_instance = true,
		.refusal = FIELD_REFUSAL_CIPHER,
		.is_switch = true,
	};
	struct noise_fields written;

	(void)state;
	for (uint8_t i = 0; i < FIELD_INSTANCE_LEN; i++)
		fields.instance[i] = i;
	fields_write(&written, &fields);
	assert_int_equal(written.len, sizeof(expected));
	assert_memory_equal(written.bytes, expected, sizeof(expected));
}

/* Cut anywhere: refused inside a field, else what came before the cut. */
static void test_truncation(void **state)
{
	(void)state;
	random_state = 2;
	for (unsigned i = 0; i < COMBINATIONS; i++) {
		const struct fields fields = make_fields(i);
		const bool present[] = { fields.cipher_count > 0, fields.link != 0,
			fields.has_instance, fields.refusal != 0, fields.is_switch };
		const size_t lens[] = { 3 + fields.cipher_count, 4, 19, 4, 3 };
		struct noise_fields written;

		fields_write(&written, &fields);
		const size_t whole = written.len;

		for (size_t cut = 0; cut < whole; cut++) {
			size_t border = 0;
			unsigned before = 0;
			struct fields again;

			while (before < 5 && border + (present[before] ? lens[before] : 0) <= cut) {
				border += present[before] ? lens[before] : 0;
				before++;
			}
			written.len = cut;
			assert_int_equal(
				fields_read(&again, &written), border == cut ? 0 : -EPROTO);
			if (border != cut)
				continue;
			assert_int_equal(again.cipher_count > 0, before > 0 && present[0]);
			assert_int_equal(again.link != 0, before > 1 && present[1]);
			assert_int_equal(again.has_instance, before > 2 && present[2]);
			assert_int_equal(again.refusal != 0, before > 3 && present[3]);
			assert_false(again.is_switch);
		}
	}
}

/* Known types at every length up to some, with a value that is not zero. */
static void test_lengths(void **state)
{
	static const uint8_t value[300] = { 1 };

	(void)state;
	for (unsigned type = 0; type < 256; type++)
		for (size_t len = 0; len <= sizeof(value); len++) {
			struct noise_fields in = { .len = 0 };
			struct fields fields;
			bool good = true;

			if (type == FIELD_CIPHERS)
				good = len > 0;
			else if (type == FIELD_LINK || type == FIELD_REFUSAL)
				good = len == 1;
			else if (type == FIELD_INSTANCE)
				good = len == FIELD_INSTANCE_LEN;
			else if (type == FIELD_SWITCH)
				good = len == 0;
			append(&in, type, value, len);
			if (fields_read(&fields, &in) != (good ? 0 : -EPROTO))
				fail_msg("type %u, %zu bytes", type, len);
		}
}

/* Every type twice: only padding may be. */
static void test_duplicates(void **state)
{
	static const uint8_t value[FIELD_INSTANCE_LEN] = { 1 };

	(void)state;
	for (unsigned type = 0; type < 256; type++)
		for (int between = 0; between < 2; between++) {
			const size_t len = type == FIELD_INSTANCE ? FIELD_INSTANCE_LEN
					   : type == FIELD_SWITCH ? 0
								  : 1;
			struct noise_fields in = { .len = 0 };
			struct fields fields;

			append(&in, type, value, len);
			if (between)
				append(&in, FIELD_PADDING, value, 5);
			append(&in, type, value, len);
			assert_int_equal(
				fields_read(&fields, &in), type == FIELD_PADDING ? 0 : -EPROTO);
		}
}

/* Types of the future before, between and after those that we know. */
static void test_unknown_skipped(void **state)
{
	(void)state;
	random_state = 3;
	for (unsigned i = 0; i < COMBINATIONS; i++) {
		const struct fields fields = make_fields(i);
		uint8_t noise[200];
		struct noise_fields in = { .len = 0 };
		struct fields again;
		unsigned unknown = FIELD_SWITCH + 1;

		memset(noise, 0xff, sizeof(noise));
		append(&in, unknown++, noise, next_random() % sizeof(noise));
		if (fields.is_switch)
			append(&in, FIELD_SWITCH, NULL, 0);
		if (fields.refusal)
			append(&in, FIELD_REFUSAL, &fields.refusal, 1);
		append(&in, FIELD_PADDING, noise, next_random() % sizeof(noise));
		if (fields.has_instance)
			append(&in, FIELD_INSTANCE, fields.instance, FIELD_INSTANCE_LEN);
		append(&in, unknown++, noise, 0);
		if (fields.link)
			append(&in, FIELD_LINK, &fields.link, 1);
		append(&in, FIELD_PADDING, noise, 0);
		append(&in, 255, noise, next_random() % sizeof(noise));
		if (fields.cipher_count)
			append(&in, FIELD_CIPHERS, fields.ciphers, fields.cipher_count);
		append(&in, unknown++, noise, next_random() % sizeof(noise));
		assert_int_equal(fields_read(&again, &in), 0);
		assert_same(&fields, &again);
	}
}

/* A list longer than we can hold: the first ones, and what follows is read as ever. */
static void test_many_ciphers(void **state)
{
	uint8_t ciphers[255];
	const uint8_t link = 2;

	(void)state;
	for (size_t i = 0; i < sizeof(ciphers); i++)
		ciphers[i] = (uint8_t)(i + 1);
	for (size_t count = 1; count <= sizeof(ciphers); count++) {
		struct noise_fields in = { .len = 0 };
		struct fields fields;

		append(&in, FIELD_CIPHERS, ciphers, count);
		append(&in, FIELD_LINK, &link, 1);
		assert_int_equal(fields_read(&fields, &in), 0);
		assert_int_equal(
			fields.cipher_count, count < AEAD_COUNT_MAX ? count : AEAD_COUNT_MAX);
		assert_memory_equal(fields.ciphers, ciphers, fields.cipher_count);
		assert_int_equal(fields.link, 2);
	}
}

/* A value of zero would read like a field that is missing. */
static void test_zero_values(void **state)
{
	static const unsigned types[] = { FIELD_LINK, FIELD_REFUSAL };
	static const uint8_t zero;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct noise_fields in = { .len = 0 };
		struct fields fields;

		append(&in, types[i], &zero, 1);
		assert_int_equal(fields_read(&fields, &in), -EPROTO);
	}
}

/* Filled to the brim, and a length that lies about what is left. */
static void test_full(void **state)
{
	static const uint8_t value[WIRE_FIELDS_MAX];
	struct noise_fields in = { .len = 0 };
	struct fields fields;

	(void)state;
	append(&in, FIELD_PADDING, value, WIRE_FIELDS_MAX - 3);
	assert_int_equal(in.len, WIRE_FIELDS_MAX);
	assert_int_equal(fields_read(&fields, &in), 0);
	for (unsigned len = 0; len < 65536; len += len < 2000 ? 1 : 251) {
		in.len = WIRE_FIELDS_MAX;
		in.bytes[1] = (uint8_t)len;
		in.bytes[2] = (uint8_t)(len >> 8);
		/* What follows a shorter one is zeros: empty padding, if whole heads are left. */
		const bool good =
			len <= WIRE_FIELDS_MAX - 3 && (WIRE_FIELDS_MAX - 3 - len) % 3 == 0;

		assert_int_equal(fields_read(&fields, &in), good ? 0 : -EPROTO);
	}
	for (size_t count = 0; count < 3; count++) {
		in.len = 0;
		for (size_t i = 0; i < 426; i++)
			append(&in, FIELD_PADDING, value, 0);
		in.len += count;
		memset(in.bytes + in.len - count, 0, count);
		assert_int_equal(fields_read(&fields, &in), count ? -EPROTO : 0);
	}
}

/*
 * A second reader, the plainest that there is: it lists the fields first and judges them
 * afterwards. Returns whether the payload is good.
 */
static bool naive_read(struct fields *fields, const uint8_t *bytes, size_t len)
{
	int counts[256] = { 0 };

	memset(fields, 0, sizeof(*fields));
	for (size_t at = 0; at < len;) {
		if (len - at < 3)
			return false;
		const uint8_t type = bytes[at];
		const size_t n = bytes[at + 1] + 256u * bytes[at + 2];
		const uint8_t *value = bytes + at + 3;

		at += 3 + n;
		if (at > len || (++counts[type] > 1 && type))
			return false;
		if ((type == 1 && n == 0) || (type == 3 && n != 16) ||
			((type == 2 || type == 4) && (n != 1 || *value == 0)) ||
			(type == 5 && n != 0))
			return false;
		for (size_t i = 0; type == 1 && i < n && i < AEAD_COUNT_MAX; i++)
			fields->ciphers[fields->cipher_count++] = value[i];
		if (type == 2)
			fields->link = *value;
		if (type == 3) {
			fields->has_instance = true;
			memcpy(fields->instance, value, 16);
		}
		if (type == 4)
			fields->refusal = *value;
		if (type == 5)
			fields->is_switch = true;
	}
	return true;
}

/* Random bytes, and good payloads with some bytes changed, against the second reader. */
static void test_random_bytes(void **state)
{
	struct noise_fields *in = malloc(sizeof(*in));
	size_t accepted = 0;

	(void)state;
	assert_non_null(in);
	random_state = 4;
	for (int i = 0; i < 200000; i++) {
		struct fields fields, expected;

		if (i % 2) {
			const struct fields good =
				make_fields((unsigned)(next_random() % COMBINATIONS));

			fields_write(in, &good);
			for (uint64_t n = next_random() % 3; n && in->len; n--)
				in->bytes[next_random() % in->len] = (uint8_t)(next_random() % 20);
		} else {
			in->len = next_random() % 60;
			for (size_t at = 0; at < in->len; at++)
				in->bytes[at] = (uint8_t)(next_random() % (i % 4 ? 6 : 256));
		}
		const bool good = naive_read(&expected, in->bytes, in->len);

		/* Nothing beyond the end may be looked at. */
		ASAN_POISON_MEMORY_REGION(in->bytes + in->len, sizeof(in->bytes) - in->len);
		assert_int_equal(fields_read(&fields, in), good ? 0 : -EPROTO);
		ASAN_UNPOISON_MEMORY_REGION(in->bytes, sizeof(in->bytes));
		if (good)
			assert_same(&fields, &expected);
		accepted += good;
	}
	assert_in_range(accepted, 20000, 180000);
	free(in);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_layout),
		cmocka_unit_test(test_truncation),
		cmocka_unit_test(test_lengths),
		cmocka_unit_test(test_duplicates),
		cmocka_unit_test(test_unknown_skipped),
		cmocka_unit_test(test_many_ciphers),
		cmocka_unit_test(test_zero_values),
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_random_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
