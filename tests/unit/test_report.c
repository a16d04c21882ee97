/* SPDX-License-Identifier: ISC */
/* Events as log lines: what stands in them, and that nobody can cause many. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/aead.h"
#include "engine/log.h"
#include "engine/report.h"

#define MINUTE (60 * WIRE_SECOND)
#define START (1000 * MINUTE)

static int stderr_before, reader;
static struct report *report;

static int set_up(void **state)
{
	int ends[2];

	(void)state;
	unsetenv("JOURNAL_STREAM");
	if (pipe2(ends, O_DIRECT | O_NONBLOCK | O_CLOEXEC) < 0)
		return -1;
	stderr_before = dup(STDERR_FILENO);
	if (dup2(ends[1], STDERR_FILENO) < 0)
		return -1;
	close(ends[1]);
	reader = ends[0];
	log_init("t", LOG_DEBUG);
	report = report_new();
	return report ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	report_free(report);
	dup2(stderr_before, STDERR_FILENO);
	close(stderr_before);
	close(reader);
	return 0;
}

static char last_line[2048];

/* How many lines were written since; the last one is kept. */
static size_t lines(void)
{
	size_t count = 0;
	ssize_t len;

	while ((len = read(reader, last_line, sizeof(last_line) - 1)) > 0) {
		last_line[len] = '\0';
		count++;
	}
	return count;
}

static struct endpoint make_endpoint(uint32_t address, uint16_t port)
{
	return (struct endpoint){ .v4 = { .sin_family = AF_INET,
					  .sin_port = htons(port),
					  .sin_addr.s_addr = htonl(address) } };
}

static void tell(enum tunnel_event_kind kind, uint32_t address, uint16_t port, uint64_t now)
{
	const struct endpoint from = make_endpoint(address, port);
	const struct tunnel_event event = { .kind = kind, .from = &from };

	report_event(report, &event, now);
}

static void texts(void **state)
{
	uint8_t key[KEY_LEN];
	struct peer peer = { .name = "" };
	const struct endpoint from = make_endpoint(0xc0000201, 51820);
	struct tunnel_event event = { .kind = TUNNEL_SESSION_UP,
		.peer = &peer,
		.from = &from,
		.cipher = aead_chacha20_poly1305 };

	(void)state;
	for (size_t i = 0; i < sizeof(key); i++)
		peer.public_key[i] = key[i] = (uint8_t)(i * 5);
	report_event(report, &event, START);
	assert_int_equal(lines(), 1);
	assert_string_equal(last_line, "t: peer(AAUK…Rlps), 192.0.2.1:51820: session established "
				       "(chacha20-poly1305)\n");
	snprintf(peer.name, sizeof(peer.name), "evil\n\x1b[2J");
	report_event(report, &event, START);
	assert_int_equal(lines(), 1);
	assert_string_equal(last_line, "t: evil??[2J, 192.0.2.1:51820: session established "
				       "(chacha20-poly1305)\n");
	event = (struct tunnel_event){
		.kind = TUNNEL_UNKNOWN_PEER, .from = &from, .public_key = key
	};
	report_event(report, &event, START);
	assert_int_equal(lines(), 1);
	assert_non_null(
		strstr(last_line, "t: AAUKDxQZHiMoLTI3PEFGS1BVWl9kaW5zeH2Ch4yRlps=, 192.0.2.1:"));
	event = (struct tunnel_event){ .kind = TUNNEL_BAD_PEER_KEY };
	report_event(report, &event, START);
	assert_int_equal(lines(), 1);
	assert_int_equal(strncmp(last_line, "t: no handshake", 15), 0);
}

static void one_address(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 1000; i++) /* ten minutes, all but a little; from port to port */
		tell(TUNNEL_NOT_FOR_US, 1, (uint16_t)i, START + i * (10 * MINUTE / 1000));
	assert_int_equal(lines(), 1);
	assert_null(strstr(last_line, "more"));
	tell(TUNNEL_NOT_FOR_US, 1, 1, START + 10 * MINUTE);
	assert_int_equal(lines(), 1);
	assert_non_null(strstr(last_line, "[999 more like this were not logged]"));
	/* Another kind is counted by itself. */
	tell(TUNNEL_UNKNOWN_PEER, 1, 1, START + 10 * MINUTE);
	assert_int_equal(lines(), 1);
}

static void many_addresses(void **state)
{
	(void)state;
	for (unsigned minute = 0; minute < 30; minute++) {
		for (uint32_t i = 0; i < 600; i++)
			tell(TUNNEL_NOT_FOR_US, minute * 1000 + i, 1,
				START + minute * MINUTE + i * (MINUTE / 600));
		assert_int_equal(lines(), 5);
		tell(TUNNEL_NOT_FOR_US, minute * 1000 + 999, 1, START + (minute + 1) * MINUTE - 1);
		assert_int_equal(lines(), 0);
	}
	tell(TUNNEL_NOT_FOR_US, 77, 1, START + 100 * MINUTE);
	assert_int_equal(lines(), 1);
	assert_non_null(strstr(last_line, "[596 more like this were not logged]"));
}

/* Which address of the inside a peer may not use. */
static void refused_sources(void **state)
{
	const uint8_t v4[4] = { 10, 9, 0, 7 }, v6[16] = { 0xfd, 9, [15] = 7 };
	const struct endpoint from = make_endpoint(0xc0000201, 51820);
	struct tunnel_event event = {
		.kind = TUNNEL_SOURCE_REFUSED, .from = &from, .source = v4, .source_family = AF_INET
	};

	(void)state;
	report_event(report, &event, START);
	assert_int_equal(lines(), 1);
	assert_non_null(strstr(last_line, "AllowedIPs was refused (10.9.0.7)\n"));
	event.source = v6;
	event.source_family = AF_INET6;
	report_event(report, &event, START + 3600 * WIRE_SECOND);
	assert_int_equal(lines(), 1);
	assert_non_null(strstr(last_line, "AllowedIPs was refused (fd09::7)\n"));
}

/* Each kind has a text and a priority; what needs a key and some time is never left out. */
static void every_kind(void **state)
{
	(void)state;
	for (int kind = 0; kind < TUNNEL_EVENT_COUNT; kind++) {
		size_t seen = 0;

		for (uint32_t i = 0; i < 20; i++) {
			tell((enum tunnel_event_kind)kind, 7, 1, START);
			seen += lines();
		}
		if (kind == TUNNEL_SESSION_UP || kind == TUNNEL_REKEYED || kind == TUNNEL_GAVE_UP ||
			kind == TUNNEL_NO_ANSWER)
			assert_int_equal(seen, 20);
		else
			assert_int_equal(seen, 1);
		assert_non_null(strstr(last_line, tunnel_event_text((enum tunnel_event_kind)kind)));
	}
}

static void send_errors(void **state)
{
	struct endpoint to = make_endpoint(0xc0000201, 51820);

	(void)state;
	for (int i = 0; i < 100; i++) {
		report_send_error(report, &to, -EAGAIN, START);
		report_send_error(report, &to, -ENOBUFS, START);
	}
	assert_int_equal(lines(), 0);
	for (int i = 0; i < 100; i++)
		report_send_error(report, &to, -ENETUNREACH, START);
	assert_int_equal(lines(), 1);
	assert_string_equal(last_line, "t: 192.0.2.1:51820: cannot send: Network is unreachable\n");
	to = make_endpoint(0xc0000202, 51820); /* each address is told once */
	report_send_error(report, &to, -EAFNOSUPPORT, START);
	assert_int_equal(lines(), 1);
	assert_string_equal(last_line,
		"t: 192.0.2.2:51820: cannot send: this host has no IPv4, or was handed no UDP "
		"socket for it: give the peer an Endpoint of IPv6 [99 more like this were not logged]\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(texts, set_up, tear_down),
		cmocka_unit_test_setup_teardown(one_address, set_up, tear_down),
		cmocka_unit_test_setup_teardown(many_addresses, set_up, tear_down),
		cmocka_unit_test_setup_teardown(refused_sources, set_up, tear_down),
		cmocka_unit_test_setup_teardown(every_kind, set_up, tear_down),
		cmocka_unit_test_setup_teardown(send_errors, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
