/* SPDX-License-Identifier: ISC */
/* The tunnel's events as log lines. */
#include "engine/report.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/aead.h"
#include "engine/log.h"

#define MINUTE (60 * WIRE_SECOND)
#define QUIET_TIME (10 * MINUTE)

enum {
	LINES_A_MINUTE = 5,
	ADDRESSES = 8,
	SEND_ERROR = TUNNEL_EVENT_COUNT, /* a kind of our own */
	KINDS,
	TEXT_SIZE = 160,
};

struct kind {
	int priority;
	bool limited; /* somebody without a key, or a peer gone wild, can cause as many as it likes
		       */
};

static const struct kind kinds[KINDS] = {
	[TUNNEL_SESSION_UP] = { LOG_INFO, false },
	[TUNNEL_REKEYED] = { LOG_DEBUG, false },
	[TUNNEL_ENDPOINT_CHANGED] = { LOG_INFO, true },
	[TUNNEL_GAVE_UP] = { LOG_WARNING, false },
	[TUNNEL_NOT_FOR_US] = { LOG_WARNING, true },
	[TUNNEL_UNKNOWN_PEER] = { LOG_WARNING, true },
	[TUNNEL_BAD_INITIATION] = { LOG_WARNING, true },
	[TUNNEL_BAD_RESPONSE] = { LOG_WARNING, true },
	[TUNNEL_OLD_TIMESTAMP] = { LOG_WARNING, true },
	[TUNNEL_WRONG_DIALECT] = { LOG_WARNING, true },
	[TUNNEL_NO_COMMON_CIPHER] = { LOG_WARNING, true },
	[TUNNEL_CIPHER_REFUSED] = { LOG_WARNING, true },
	[TUNNEL_OTHER_LINK] = { LOG_WARNING, true },
	[TUNNEL_LINK_REFUSED] = { LOG_WARNING, true },
	[TUNNEL_BAD_FIELDS] = { LOG_WARNING, true },
	[TUNNEL_REFLECTION] = { LOG_WARNING, true },
	[TUNNEL_BAD_PEER_KEY] = { LOG_WARNING, true },
	[TUNNEL_SOURCE_REFUSED] = { LOG_WARNING, true },
	[TUNNEL_ROUTING_LOOP] = { LOG_WARNING, true },
	[TUNNEL_NO_ANSWER] = { LOG_WARNING, false },
	[SEND_ERROR] = { LOG_WARNING, true },
};

/* An address that was named lately. */
struct named {
	uint8_t address[16];
	uint64_t until;
};

struct limit {
	uint64_t window; /* when the minute began that lines are counted in */
	unsigned lines;
	uint64_t left_out;
	struct named named[ADDRESSES];
	unsigned next; /* the slot that is overwritten next */
};

struct report {
	struct limit limits[KINDS];
};

struct report *report_new(void)
{
	return calloc(1, sizeof(struct report));
}

void report_free(struct report *report)
{
	free(report);
}

static bool was_named(struct limit *limit, const struct endpoint *endpoint, uint64_t now)
{
	struct named entry = { .until = now + QUIET_TIME };
	uint8_t bytes[18];
	const size_t len = endpoint ? endpoint_to_bytes(endpoint, bytes) : 0;

	if (len < 2)
		return false;
	memcpy(entry.address, bytes, len - 2); /* whatever the port */
	for (unsigned i = 0; i < ADDRESSES; i++) {
		if (limit->named[i].until > now &&
			!memcmp(limit->named[i].address, entry.address, sizeof(entry.address)))
			return true;
	}
	limit->named[limit->next] = entry;
	limit->next = (limit->next + 1) % ADDRESSES;
	return false;
}

/* Whether a line may be written, and for how many others it stands. */
static bool may_tell(
	struct limit *limit, const struct endpoint *endpoint, uint64_t now, uint64_t *left_out)
{
	if (now - limit->window >= MINUTE) {
		limit->window = now;
		limit->lines = 0;
	}
	if (limit->lines >= LINES_A_MINUTE || was_named(limit, endpoint, now)) {
		limit->left_out++;
		return false;
	}
	limit->lines++;
	*left_out = limit->left_out;
	limit->left_out = 0;
	return true;
}

/* As wireguard-go does: enough of a key to find it, and short. */
static void describe_key(char *text, size_t size, const char *what, const uint8_t key[KEY_LEN])
{
	char base64[KEY_BASE64_SIZE];

	key_to_base64(base64, key);
	snprintf(text, size, "%s(%.4s…%.4s)", what, base64, base64 + KEY_BASE64_SIZE - 6);
}

static void describe_peer(char text[TEXT_SIZE], const struct tunnel_event *event)
{
	if (event->peer && event->peer->name[0])
		snprintf(text, TEXT_SIZE, "%s", event->peer->name);
	else if (event->peer)
		describe_key(text, TEXT_SIZE, "peer", event->peer->public_key);
	else if (event->public_key) /* whole: it is to be copied into a [Peer] */
		key_to_base64(text, event->public_key);
	else
		text[0] = '\0';
}

/* "name, 192.0.2.1:51820: text (detail)" with what there is of it. */
static void write_line(int priority, const char *peer, const struct endpoint *endpoint,
	const char *text, const char *detail, uint64_t left_out)
{
	char address[ENDPOINT_TEXT_SIZE] = "", more[TEXT_SIZE] = "";

	if (endpoint)
		endpoint_to_text(address, endpoint);
	if (left_out)
		snprintf(more, sizeof(more), " [%llu more like this were not logged]",
			(unsigned long long)left_out);
	log_line(priority, "%s%s%s%s%s%s%s%s%s", peer, *peer && *address ? ", " : "", address,
		*peer || *address ? ": " : "", text, detail ? " (" : "", detail ? detail : "",
		detail ? ")" : "", more);
}

void report_event(struct report *report, const struct tunnel_event *event, uint64_t now)
{
	const struct kind *kind = &kinds[event->kind];
	uint64_t left_out = 0;
	char peer[TEXT_SIZE], source[INET6_ADDRSTRLEN];
	const char *detail = event->cipher ? event->cipher->name : NULL;

	if (kind->limited && !may_tell(&report->limits[event->kind], event->from, now, &left_out))
		return;
	describe_peer(peer, event);
	if (event->source)
		detail = inet_ntop(event->source_family, event->source, source, sizeof(source));
	write_line(kind->priority, peer, event->from, tunnel_event_text(event->kind), detail,
		left_out);
}

/* Of a family without a socket: the host has none, or others have opened what sockets there are. */
static const char *send_error_text(const struct endpoint *to, int error)
{
	if (error != -EAFNOSUPPORT)
		return strerror(-error);
	return to->any.sa_family == AF_INET6
		       ? "this host has no IPv6, or was handed no UDP socket for it: give the peer "
			 "an Endpoint of IPv4"
		       : "this host has no IPv4, or was handed no UDP socket for it: give the peer "
			 "an Endpoint of IPv6";
}

void report_send_error(struct report *report, const struct endpoint *to, int error, uint64_t now)
{
	uint64_t left_out = 0;
	char text[TEXT_SIZE];

	if (error == -EAGAIN || error == -ENOBUFS) /* too fast for the line: that is daily life */
		return;
	if (!may_tell(&report->limits[SEND_ERROR], to, now, &left_out))
		return;
	snprintf(text, sizeof(text), "cannot send: %s", send_error_text(to, error));
	write_line(kinds[SEND_ERROR].priority, "", to, text, NULL, left_out);
}
