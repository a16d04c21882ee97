/* SPDX-License-Identifier: ISC */
/* What the tests of the control protocol share: a tunnel that is down, and connections to it. */
#ifndef UNIT_UAPI_FIXTURE_H
#define UNIT_UAPI_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "engine/uapi.h"

#define TIMES4(s) s s s s
#define TIMES32(s) TIMES4(TIMES4(s)) TIMES4(TIMES4(s))
#define ZERO TIMES32("00")
#define TIMES10(s) s s s s s s s s s s
/* A private key before and after clamping. */
#define PRIVATE TIMES32("ff")
#define CLAMPED "f8" TIMES10("ffffff") "7f"
#define ANNA TIMES32("a1")
#define BERT TIMES32("b2")
#define CARL TIMES32("c3")
#define PSK TIMES32("5e")
#define SHARED TIMES32("7d")

/* Nothing has happened to the device. */
#define UNEVENTFUL                       \
	"culvert_session_up=0\n"         \
	"culvert_endpoint_changed=0\n"   \
	"culvert_gave_up=0\n"            \
	"culvert_not_for_us=0\n"         \
	"culvert_unknown_peer=0\n"       \
	"culvert_bad_initiation=0\n"     \
	"culvert_bad_response=0\n"       \
	"culvert_old_timestamp=0\n"      \
	"culvert_wrong_dialect=0\n"      \
	"culvert_no_common_cipher=0\n"   \
	"culvert_cipher_refused=0\n"     \
	"culvert_other_link=0\n"         \
	"culvert_link_refused=0\n"       \
	"culvert_bad_fields=0\n"         \
	"culvert_reflection=0\n"         \
	"culvert_bad_peer_key=0\n"       \
	"culvert_source_refused=0\n"     \
	"culvert_rekeyed=0\n"            \
	"culvert_routing_loop=0\n"       \
	"culvert_no_answer=0\n"          \
	"culvert_no_route=0\n"           \
	"culvert_malformed=0\n"          \
	"culvert_floods_dropped=0\n"     \
	"culvert_unknown_session=0\n"    \
	"culvert_cookies_sent=0\n"       \
	"culvert_handshakes_dropped=0\n" \
	"culvert_send_errors=0\n"        \
	"culvert_write_errors=0\n"
#define COUNTERS                                                                                   \
	"culvert_rx_packets=0\nculvert_tx_packets=0\nculvert_replays=0\nculvert_undecryptable=0\n" \
	"culvert_refused_sources=0\nculvert_dropped=0\nculvert_added=1600000000\n"                 \
	"culvert_received=0\nculvert_lost=0\n"
#define PLAIN "culvert_cipher=none\n" COUNTERS
#define NO_TRAFFIC "last_handshake_time_sec=0\nlast_handshake_time_nsec=0\ntx_bytes=0\nrx_bytes=0\n"
#define KEEPALIVE(n) "persistent_keepalive_interval=" n "\n"
#define PEER(key, psk) \
	"public_key=" key "\npreshared_key=" psk "\nprotocol_version=1\n" NO_TRAFFIC KEEPALIVE("0")
#define PORT(n) UNEVENTFUL "listen_port=" n "\n"
#define OK "errno=0\n\n"
#define SET(lines) "set=1\n" lines "\n"
#define A "public_key=" ANNA "\n"

static const struct now when = { .boot = 1000000000, .wall = 1600000000000000000 };

struct fixture {
	struct tunnel *tunnel;
	struct uapi_device device;
	unsigned rebinds;
	int rebind_error;
};

static inline void no_send(void *context, struct endpoint *to, const struct tunnel_burst *bursts,
	size_t count, uint8_t tos)
{
	(void)context, (void)to, (void)bursts, (void)count, (void)tos;
}

static inline void no_deliver(void *context, const struct iovec *parts, size_t count)
{
	(void)context, (void)parts, (void)count;
}

static inline void no_report(void *context, const struct tunnel_event *event)
{
	(void)context, (void)event;
}

static const struct tunnel_ops ops = { no_send, no_deliver, no_report };

static inline int rebind(void *context, uint16_t *port, uint32_t fwmark)
{
	struct fixture *fixture = context;

	(void)fwmark;
	fixture->rebinds++;
	if (!*port)
		*port = 40000;
	return fixture->rebind_error;
}

static inline uint32_t interface_index(void *context, const char *name)
{
	(void)context;
	return !strcmp(name, "eth0") ? 7 : 0;
}

static inline void fixture_init(struct fixture *fixture)
{
	*fixture = (struct fixture){ .tunnel = tunnel_new(&ops, NULL) };
	assert_non_null(fixture->tunnel);
	fixture->device = (struct uapi_device){
		.context = fixture, .rebind = rebind, .interface_index = interface_index
	};
}

static inline void fixture_free(struct fixture *fixture)
{
	tunnel_free(fixture->tunnel);
}

struct answer {
	char *bytes;
	size_t len;
};

/* One feed; the answer may have one from before already. */
static inline int feed(struct uapi_connection *connection, const char *bytes, size_t len, bool eof,
	struct answer *answer)
{
	return uapi_connection_feed(
		connection, bytes, len, eof, when, &answer->bytes, &answer->len);
}

/* The answer as a string, to be freed. */
static inline char *answer_text(struct answer *answer)
{
	char *text = malloc(answer->len + 1);

	assert_non_null(text);
	if (answer->len)
		memcpy(text, answer->bytes, answer->len);
	text[answer->len] = '\0';
	assert_int_equal(strlen(text), answer->len);
	free(answer->bytes);
	*answer = (struct answer){ NULL, 0 };
	return text;
}

/* A connection of its own, fed in pieces of a size; what the last feed returned goes to *status. */
static inline char *ask_in_pieces(struct fixture *fixture, const char *request, size_t len,
	size_t piece, bool eof, int *status)
{
	struct uapi_connection *connection = uapi_connection_new(fixture->tunnel, &fixture->device);
	struct answer answer = { NULL, 0 };

	assert_non_null(connection);
	*status = 0;
	for (size_t at = 0; at < len && !*status; at += piece) {
		const size_t left = len - at;

		*status =
			feed(connection, request + at, left < piece ? left : piece, false, &answer);
	}
	if (eof && !*status)
		*status = feed(connection, NULL, 0, true, &answer);
	uapi_connection_free(connection);
	return answer_text(&answer);
}

static inline char *ask(struct fixture *fixture, const char *request)
{
	int status;
	char *answer = ask_in_pieces(
		fixture, request, strlen(request), strlen(request) + 1, false, &status);

	assert_int_equal(status, 0);
	return answer;
}

static inline void expect(struct fixture *fixture, const char *request, const char *expected)
{
	char *answer = ask(fixture, request);

	assert_string_equal(answer, expected);
	free(answer);
}

static inline int sodium_setup(void **state)
{
	(void)state;
	return sodium_init() < 0;
}

#endif
