/* SPDX-License-Identifier: ISC */
/* Looking up past the tunnel: name servers of a resolv.conf, questions and answers as bytes, and a
 * server of our own to ask. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <sodium.h>

#include "host/outside.h"

static void expect_server(const struct outside *outside, unsigned i, const char *expected)
{
	char text[ENDPOINT_TEXT_SIZE];

	endpoint_to_text(text, &outside->servers[i]);
	assert_string_equal(text, expected);
}

static void test_servers(void **state)
{
	struct outside outside = { 0 };

	(void)state;
	outside_add_servers(&outside,
		"# nameserver 192.0.2.9\nsearch example.net\nnameserver 192.0.2.1\n"
		"nameserver\t 2001:db8::1 # ours\nnameserver 127.0.0.53\nnameserver ::1\n"
		"nameserver 192.0.2.1\nnameserver2 192.0.2.8\nnameserver192.0.2.7\nnameserver\n"
		"nameserver b.example\nnameserver 192.0.2.1234567890123456789012345678901234567\n"
		" nameserver 192.0.2.6\nnameserver 192.0.2.2\r\nnameserver 192.0.2.3");
	assert_int_equal(outside.server_count, 4);
	expect_server(&outside, 0, "192.0.2.1:53");
	expect_server(&outside, 1, "[2001:db8::1]:53");
	expect_server(&outside, 2, "192.0.2.2:53");
	expect_server(&outside, 3, "192.0.2.3:53");
	outside_add_servers(&outside, "");
	for (int i = 0; i < 20; i++) {
		char line[] = "nameserver 198.51.100.xx\n";

		line[22] = (char)('1' + i / 10);
		line[23] = (char)('0' + i % 10);
		outside_add_servers(&outside, line);
	}
	assert_int_equal(outside.server_count, OUTSIDE_SERVERS_MAX);
}

static const uint8_t question_a[] = { 0xab, 0xcd, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 'b', 7, 'e', 'x',
	'a', 'm', 'p', 'l', 'e', 0, 0, 1, 0, 1 };
enum { ASKED = sizeof(question_a) };

static void test_question(void **state)
{
	static const char *const wrong[] = { "", ".", "a..b", ".a", "a..",
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.example" };
	uint8_t question[OUTSIDE_QUESTION_SIZE];
	char longest[255];

	(void)state;
	assert_int_equal(outside_question(question, "b.example", AF_INET, 0xabcd), ASKED);
	assert_memory_equal(question, question_a, ASKED);
	assert_int_equal(outside_question(question, "b.example.", AF_INET6, 0xabcd), ASKED);
	assert_int_equal(question[ASKED - 3], 28);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
		assert_int_equal(outside_question(question, wrong[i], AF_INET, 1), -EINVAL);
	for (size_t i = 0; i < 254; i++)
		longest[i] = i % 2 ? '.' : 'a';
	longest[254] = '\0';
	assert_int_equal(outside_question(question, longest + 1, AF_INET, 1), -EINVAL);
	longest[253] = '\0';
	assert_int_equal(outside_question(question, longest, AF_INET, 1), 12 + 255 + 4);
}

/* An alias, its address, one more address. */
static const uint8_t records[] = {
	0xc0, 12, 0, 5, 0, 1, 0, 0, 0, 9, 0, 4, 1, 'c', 0xc0, 14, /* CNAME c.example */
	0xc0, 39, 0, 1, 0, 1, 0, 0, 0, 9, 0, 4, 192, 0, 2, 5,     /* A */
	0xc0, 39, 0, 1, 0, 1, 0, 0, 0, 9, 0, 4, 192, 0, 2, 6,     /* A */
};

static size_t make_answer(uint8_t *answer, const void *rest, size_t len, uint8_t count)
{
	memcpy(answer, question_a, ASKED);
	answer[2] = 0x81;
	answer[3] = 0x80;
	answer[7] = count;
	memcpy(answer + ASKED, rest, len);
	return ASKED + len;
}

static void test_answer(void **state)
{
	struct outside_addresses found = { 0 };
	uint8_t answer[256];
	size_t len = make_answer(answer, records, sizeof(records), 3);
	char text[ENDPOINT_TEXT_SIZE];

	(void)state;
	answer[13] = 'B';
	assert_int_equal(outside_answer(&found, question_a, ASKED, answer, len), 0);
	assert_int_equal(found.count, 2);
	endpoint_to_text(text, &found.items[1]);
	assert_string_equal(text, "192.0.2.6:0");
	for (unsigned i = 0; i < 20; i++)
		outside_answer(&found, question_a, ASKED, answer, len);
	assert_int_equal(found.count, OUTSIDE_ADDRESSES_MAX);
	/* "No such name" is an answer. */
	len = make_answer(answer, "", 0, 0);
	answer[3] = 0x83;
	found.count = 0;
	assert_int_equal(outside_answer(&found, question_a, ASKED, answer, len), 0);
	assert_int_equal(found.count, 0);
}

/* Everything that can be wrong is: nothing is believed, or read beyond its end. */
static void test_wrong_answers(void **state)
{
	static const size_t places[] = { 0, 1, 5, 13, ASKED - 3, ASKED - 1 };
	struct outside_addresses found = { 0 };
	uint8_t answer[256];
	size_t len = make_answer(answer, records, sizeof(records), 3);

	(void)state;
	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
		answer[places[i]] ^= 3;
		assert_int_equal(outside_answer(&found, question_a, ASKED, answer, len), -EBADMSG);
		answer[places[i]] ^= 3;
	}
	answer[2] = 1; /* a question */
	assert_int_equal(outside_answer(&found, question_a, ASKED, answer, len), -EBADMSG);
	assert_int_equal(found.count, 0);
	answer[2] = 0x81;
	for (size_t cut = 0; cut < len; cut++) {
		/* cmocka's own would hide from the sanitizer what is read beyond it. */
		uint8_t *copy = malloc(cut ? cut : 1);

		assert_non_null(copy);
		found.count = 0;
		memcpy(copy, answer, cut);
		outside_answer(&found, question_a, ASKED, copy, cut);
		free(copy);
	}
	for (unsigned i = 0; i < 20000; i++) {
		uint8_t *copy = malloc(len);

		assert_non_null(copy);
		memcpy(copy, answer, len);
		for (unsigned j = 0; j < 3; j++)
			copy[randombytes_uniform((uint32_t)len)] = (uint8_t)randombytes_random();
		found.count = 0;
		outside_answer(&found, question_a, ASKED, copy, len);
		assert_in_range(found.count, 0, OUTSIDE_ADDRESSES_MAX);
		free(copy);
	}
}

/* Answers one question for A and one for AAAA, the latter first with rubbish. */
static void serve(int fd)
{
	static const uint8_t address[] = { 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 9, 0, 4, 192, 0, 2, 5 };

	for (int i = 0; i < 2; i++) {
		struct sockaddr_in from;
		socklen_t from_len = sizeof(from);
		uint8_t bytes[512] = { 0 };
		const ssize_t len =
			recvfrom(fd, bytes, 400, 0, (struct sockaddr *)&from, &from_len);
		const bool is_a = len > 3 && bytes[len - 3] == 1;

		if (len <= 0)
			_exit(1);
		if (!is_a)
			sendto(fd, "rubbish", 7, 0, (struct sockaddr *)&from, from_len);
		bytes[2] = 0x81;
		bytes[7] = is_a;
		memcpy(bytes + len, address, sizeof(address));
		sendto(fd, bytes, (size_t)len + (is_a ? sizeof(address) : 0), 0,
			(struct sockaddr *)&from, from_len);
	}
	_exit(0);
}

static void test_look_up(void **state)
{
	struct sockaddr_in self = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct outside outside = { .sockets = { -1, -1 } };
	socklen_t len = sizeof(self);
	struct outside_addresses found;
	int fd = socket(AF_INET, SOCK_DGRAM, 0), status;
	pid_t pid;

	(void)state;
	assert_int_equal(bind(fd, (struct sockaddr *)&self, sizeof(self)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&self, &len), 0);
	/* No server at all, and one that there is no socket for. */
	outside_look_up(&outside, "b.example", &found);
	assert_int_equal(found.count, 0);
	outside.server_count = 1;
	outside.servers[0].v4 = self;
	outside_look_up(&outside, "b.example", &found);
	assert_int_equal(found.count, 0);
	outside.sockets[0] = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	pid = fork();
	if (!pid)
		serve(fd);
	close(fd);
	outside_look_up(&outside, "b.example", &found);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(found.count, 1);
	assert_int_equal(ntohl(found.items[0].v4.sin_addr.s_addr), 0xc0000205);
	/* Nobody is there any more, which an error of the network tells at once. */
	outside_look_up(&outside, "b.example", &found);
	assert_int_equal(found.count, 0);
	close(outside.sockets[0]);
}

static int setup(void **state)
{
	(void)state;
	return sodium_init() < 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_servers),
		cmocka_unit_test(test_question),
		cmocka_unit_test(test_answer),
		cmocka_unit_test(test_wrong_answers),
		cmocka_unit_test(test_look_up),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
