/* SPDX-License-Identifier: ISC */
/* The line about the peers that a service manager is told: whose names are in it, and what it costs
 * where there are many. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/endpoint.h"
#include "host/monitor_state.h"

enum {
	PEERS = 20000,
	CPU_LIMIT = 3000, /* milliseconds; a search among all for each takes several times that */
};

static struct text engine_answer;

int __wrap_engine_get(struct monitor *monitor, const struct text *request, struct text *answer);

int __wrap_engine_get(struct monitor *monitor, const struct text *request, struct text *answer)
{
	(void)monitor;
	(void)request;
	*answer = engine_answer;
	engine_answer = (struct text){ 0 };
	return 0;
}

/* Keys in no order, and none twice. */
static void make_key(uint8_t key[KEY_LEN], size_t number)
{
	memset(key, 0x5a, KEY_LEN);
	key[0] = (uint8_t)(number * 167);
	key[1] = (uint8_t)(number >> 8);
	key[KEY_LEN - 1] = (uint8_t)number;
}

static struct monitor *make_monitor(size_t peers)
{
	struct monitor *monitor = calloc(1, sizeof(*monitor));

	assert_non_null(monitor);
	monitor->config = calloc(1, sizeof(*monitor->config));
	assert_non_null(monitor->config);
	monitor->config->peers = calloc(peers, sizeof(*monitor->config->peers));
	assert_non_null(monitor->config->peers);
	monitor->config->peer_count = peers;
	for (size_t i = 0; i < peers; i++)
		make_key(monitor->config->peers[i].public_key.bytes, i);
	monitor->state = "running";
	monitor->notify.fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
	assert_true(monitor->notify.fd >= 0);
	return monitor;
}

static void free_monitor(struct monitor *monitor)
{
	endpoints_free(monitor);
	close(monitor->notify.fd);
	free(monitor->config->peers);
	free(monitor->config);
	free(monitor);
}

static void answer_with(size_t number, const char *facts)
{
	char hex[KEY_HEX_SIZE];
	uint8_t key[KEY_LEN];

	make_key(key, number);
	key_to_hex(hex, key);
	text_add(&engine_answer, "public_key=%s\n%s", hex, facts);
}

static const char asked[] = "endpoint=192.0.2.1:9\ntx_bytes=148\nculvert_unanswered=1\n";

/* Named as the file does, or else by its endpoint there; one that `wg` has added is not ours to
 * call, nor is one without an endpoint. */
static void test_names(void **state)
{
	static char berlin[] = "berlin", host[] = "a.example", address[] = "192.0.2.1";
	static const struct {
		size_t first;
		const char *facts, *line;
	} cases[] = {
		{ 0, asked, "0 of 1 peers up; berlin: handshaking" },
		{ 1, "", "0 of 1 peers up; a.example: unresolved" },
		{ 1, asked, "0 of 1 peers up; a.example: handshaking" },
		{ 2, asked, "0 of 1 peers up" },
		{ 3, asked, "0 of 1 peers up" },
	};
	struct monitor *monitor = make_monitor(3);

	(void)state;
	monitor->config->peers[0].name = berlin;
	monitor->config->peers[0].endpoint.host = address;
	strcpy(monitor->config->peers[0].endpoint.port, "9");
	monitor->config->peers[1].endpoint.host = host;
	strcpy(monitor->config->peers[1].endpoint.port, "9");
	assert_int_equal(endpoints_plan(monitor, false), 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		monitor->peers_due = 0;
		answer_with(cases[i].first, cases[i].facts);
		service_work(monitor);
		assert_string_equal(monitor->service_peers, cases[i].line);
	}
	free_monitor(monitor);
}

static void test_many(void **state)
{
	struct monitor *monitor = make_monitor(PEERS);
	const uint64_t before = monitor_clock(CLOCK_PROCESS_CPUTIME_ID);

	(void)state;
	assert_int_equal(endpoints_plan(monitor, false), 0);
	for (size_t i = PEERS; i-- > 0;)
		answer_with(i, "");
	service_work(monitor);
	assert_string_equal(monitor->service_peers, "0 of 20000 peers up");
	assert_in_range(monitor_clock(CLOCK_PROCESS_CPUTIME_ID) - before, 0, CPU_LIMIT);
	free_monitor(monitor);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
