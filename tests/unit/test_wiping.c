/* SPDX-License-Identifier: ISC */
/* Requests and answers of the control protocol leave no key behind in memory that is given back.
 * The linker leads free() through here. */
#include "uapi_fixture.h"

#include <malloc.h>

static unsigned freed, left_behind;
static volatile bool watching; /* what free() reads of ours the compiler does not expect */

void __real_free(void *block);
void __wrap_free(void *block);

static bool holds(const void *block, size_t len, const void *secret, size_t secret_len)
{
	return memmem(block, len, secret, secret_len) != NULL;
}

/* PSK and private key, as bytes and as digits. */
static bool holds_a_secret(const void *block, size_t len)
{
	uint8_t psk[KEY_LEN], private_key[KEY_LEN];

	memset(psk, 0x5e, sizeof(psk));
	memset(private_key, 0xff, sizeof(private_key));
	return holds(block, len, psk, sizeof(psk)) ||
	       holds(block, len, private_key, sizeof(private_key)) ||
	       holds(block, len, PSK, strlen(PSK)) || holds(block, len, PRIVATE, strlen(PRIVATE)) ||
	       holds(block, len, CLAMPED, strlen(CLAMPED));
}

void __wrap_free(void *block)
{
	if (block && watching) {
		freed++;
		left_behind += holds_a_secret(block, malloc_usable_size(block));
	}
	__real_free(block);
}

static void give(struct uapi_connection *connection, const char *request)
{
	struct answer answer = { NULL, 0 };

	assert_int_equal(feed(connection, request, strlen(request), false, &answer), 0);
	watching = false; /* the answer is the test's to wipe */
	free(answer.bytes);
	watching = true;
}

static void requests_and_answers(void **state)
{
	char line[600] = "";
	struct fixture fixture;

	(void)state;
	fixture_init(&fixture);
	struct uapi_connection *connection = uapi_connection_new(fixture.tunnel, &fixture.device);

	watching = true;
	give(connection, SET("private_key=" PRIVATE "\n" A "preshared_key=" PSK "\n"));
	/* With a key that is wrong, and with so many peers that arrays and answers grow. */
	give(connection, SET("private_key=" PRIVATE "\n" A "preshared_key=" PSK "x\n"));
	give(connection, "set=1\nprivate_key=" PRIVATE "\n");
	for (unsigned i = 1; i < 200; i++) {
		snprintf(line, sizeof(line),
			"public_key=%064x\npreshared_key=" PSK "\nallowed_ip=10.0.%u.0/24\n", i, i);
		give(connection, line);
	}
	give(connection, "\n");
	give(connection, "get=1\n\n");
	give(connection, "set=1\nprivate_key=" PRIVATE); /* and it goes in the middle of it */
	uapi_connection_free(connection);
	fixture_free(&fixture);
	watching = false;
	assert_true(freed > 100);
	assert_int_equal(left_behind, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(requests_and_answers),
	};

	return cmocka_run_group_tests_name("wiping", tests, sodium_setup, NULL);
}
