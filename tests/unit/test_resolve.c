/* SPDX-License-Identifier: ISC */
/* Endpoint look-ups: numbers without a child, names with one, the pause between attempts. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host/resolve.h"

static void test_numeric(void **state)
{
	static const struct {
		const char *host, *port;
		int error, family;
	} cases[] = {
		{ "192.0.2.1", "51820", 0, AF_INET },
		{ "2001:db8::1", "1", 0, AF_INET6 },
		{ "fe80::1%lo", "65535", 0, AF_INET6 },
		{ "::ffff:192.0.2.1", "51820", 0, AF_INET6 },
		{ "localhost", "51820", -EINVAL, 0 },
		{ "a.example", "51820", -EINVAL, 0 },
		{ "192.0.2.256", "51820", -EINVAL, 0 },
		{ "2001:db8::1::2", "51820", -EINVAL, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct endpoint endpoint;

		assert_int_equal(
			resolve_numeric(cases[i].host, cases[i].port, &endpoint), cases[i].error);
		if (!cases[i].error)
			assert_int_equal(endpoint.any.sa_family, cases[i].family);
	}
}

static void test_numeric_value(void **state)
{
	struct endpoint endpoint;

	(void)state;
	assert_int_equal(resolve_numeric("192.0.2.7", "51820", &endpoint), 0);
	assert_int_equal(endpoint.v4.sin_port, htons(51820));
	assert_int_equal(ntohl(endpoint.v4.sin_addr.s_addr), 0xc0000207);
	assert_int_equal(endpoint.source_interface, 0);
	assert_int_equal(resolve_numeric("fe80::1%lo", "7", &endpoint), 0);
	assert_int_equal(endpoint.v6.sin6_scope_id, 1);
}

static void test_delay(void **state)
{
	static const unsigned expected[] = { 1, 1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300 };

	(void)state;
	for (unsigned i = 0; i < sizeof(expected) / sizeof(*expected); i++)
		assert_int_equal(resolve_retry_delay(i), expected[i]);
	assert_int_equal(resolve_retry_delay(~0U), 300);
}

static void end_loudly(void *context)
{
	_exit(*(int *)context);
}

static int look_up_and(
	const char *host, void (*forget)(void *), void *context, struct resolve_result *result)
{
	const struct resolve_how how = { .forget = forget, .context = context };
	int fd, status;
	pid_t pid;

	assert_int_equal(resolve_start(host, "51820", &how, &pid, &fd), 0);
	resolve_finish(fd, result);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void look_up(const char *host, struct resolve_result *result)
{
	look_up_and(host, NULL, NULL, result);
}

/* What is to be forgotten is forgotten in the child, and before anything is looked up. */
static void test_forget(void **state)
{
	struct resolve_result result;
	int seen = 7;

	(void)state;
	assert_int_equal(WEXITSTATUS(look_up_and("127.0.0.1", end_loudly, &seen, &result)), 7);
	assert_int_equal(result.count, 0);
}

/* Addresses go through the child like names; no name server is asked. */
static void test_child(void **state)
{
	struct resolve_result result;

	(void)state;
	look_up("127.0.0.1", &result);
	assert_int_equal(result.count, 1);
	assert_string_equal(result.error, "");
	assert_int_equal(result.addresses[0].v4.sin_port, htons(51820));
	assert_int_equal(ntohl(result.addresses[0].v4.sin_addr.s_addr), 0x7f000001);
}

static void test_child_fails(void **state)
{
	struct resolve_result result;

	(void)state;
	/* Not a name by any rule: refused before anybody is asked. */
	look_up("in valid..name", &result);
	assert_int_equal(result.count, 0);
	assert_true(strlen(result.error) > 0);
}

/* A child that ends without an answer, and one that writes less than an answer. */
static void test_no_answer(void **state)
{
	struct resolve_result result;
	int ends[2];

	(void)state;
	for (int bytes = 0; bytes < 2; bytes++) {
		assert_int_equal(pipe(ends), 0);
		assert_int_equal(write(ends[1], "x", (size_t)bytes), bytes);
		close(ends[1]);
		resolve_finish(ends[0], &result);
		assert_int_equal(result.count, 0);
		assert_non_null(strstr(result.error, "no answer"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_numeric),
		cmocka_unit_test(test_numeric_value),
		cmocka_unit_test(test_delay),
		cmocka_unit_test(test_child),
		cmocka_unit_test(test_forget),
		cmocka_unit_test(test_child_fails),
		cmocka_unit_test(test_no_answer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
