/* SPDX-License-Identifier: ISC */
/* An endpoint that is a name: which of its addresses is tried next, and when it is looked up again.
 */
#include "host/names.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

void names_init(struct names *names, uint64_t now)
{
	*names = (struct names){ .due = now };
}

void names_found(struct names *names, const struct resolve_result *result, uint64_t now)
{
	names->asked = now;
	names->tried = 0;
	names->rounds++;
	if (result->count) {
		memcpy(names->addresses, result->addresses, sizeof(names->addresses));
		names->count = result->count;
	}
	/* Without any address there is nothing to wait for but the next answer. */
	names->due = names->count ? NAMES_NEVER
				  : now + (uint64_t)resolve_retry_delay(names->rounds) * 1000;
}

/* Something came from the peer, so it is where the endpoint says. */
static bool is_heard(const struct names *names, uint64_t now)
{
	return names->heard && now - names->heard < NAMES_HEARD;
}

bool names_contain(const struct names *names, const struct endpoint *endpoint)
{
	for (unsigned i = 0; i < names->count; i++) {
		if (endpoint_equal(&names->addresses[i], endpoint))
			return true;
	}
	return false;
}

/* The peer is not reached where its endpoint is now: there is no way, or an answer is waited for in
 * vain. */
static bool is_silent(const struct names *names, const struct names_facts *facts, uint64_t now)
{
	if (facts->no_route)
		return true;
	return facts->waiting != NAMES_NEVER && facts->waiting >= NAMES_TRY &&
	       !is_heard(names, now);
}

bool names_observe(struct names *names, const struct names_facts *facts, uint64_t now)
{
	const bool waits = facts->waiting != NAMES_NEVER;
	const bool old = facts->age != NAMES_NEVER && facts->age >= NAMES_OLD;

	if (names->rx_bytes && facts->rx_bytes != names->rx_bytes)
		names->heard = now;
	names->rx_bytes = facts->rx_bytes;
	names->silent = is_silent(names, facts, now);
	if (names->count && facts->age < NAMES_OLD && !waits && !facts->no_route)
		names->rounds = names->tried = 0;
	if (names->due == NAMES_NEVER && (waits || facts->keepalive) && (names->silent || old))
		names->due = names->asked + (uint64_t)resolve_retry_delay(names->rounds) * 1000;
	return names->silent && names->tried < names->count;
}

const struct endpoint *names_next(struct names *names, const struct endpoint *present,
	bool (*has_route)(void *context, const struct endpoint *endpoint), void *context)
{
	const struct endpoint *fallback = NULL;
	unsigned first = 0;

	for (unsigned i = 0; i < names->count; i++) {
		if (endpoint_equal(&names->addresses[i], present))
			first = i + 1;
	}
	names->tried++;
	for (unsigned i = 0; i < names->count; i++) {
		const struct endpoint *address = &names->addresses[(first + i) % names->count];

		if (endpoint_equal(address, present))
			continue;
		if (has_route(context, address))
			return address;
		if (!fallback)
			fallback = address;
	}
	/* Where there is no way at all, one that is not known to be dead is as good as any. */
	return endpoint_is_set(present) ? NULL : fallback;
}

void names_network_changed(struct names *names, uint64_t now)
{
	names->tried = names->rounds = 0;
	names->heard = 0;
	names->silent = false;
	names->due = now;
}

/* The value of a line KEY=NUMBER. */
static bool take_number(const char *line, const char *key, uint64_t *number)
{
	const size_t len = strlen(key);

	if (strncmp(line, key, len) || line[len] != '=')
		return false;
	*number = strtoull(line + len + 1, NULL, 10);
	return true;
}

static void take_endpoint(const char *line, size_t len, struct endpoint *endpoint)
{
	static const char key[] = "endpoint=";
	char text[ENDPOINT_TEXT_SIZE];

	if (strncmp(line, key, strlen(key)) || len - strlen(key) >= sizeof(text))
		return;
	memcpy(text, line + strlen(key), len - strlen(key));
	text[len - strlen(key)] = '\0';
	endpoint_from_text(endpoint, text);
}

static void take_line(const char *line, size_t len, struct names_facts *facts)
{
	uint64_t number;

	take_endpoint(line, len, &facts->endpoint);
	if (take_number(line, "persistent_keepalive_interval", &number))
		facts->keepalive = number != 0;
	take_number(line, "rx_bytes", &facts->rx_bytes);
	take_number(line, "culvert_handshake_age", &facts->age);
	take_number(line, "culvert_waiting", &facts->waiting);
}

static bool take_key(const char *line, size_t len, uint8_t public_key[KEY_LEN])
{
	static const char key[] = "public_key=";
	char hex[KEY_HEX_SIZE];

	if (strncmp(line, key, strlen(key)) || len != strlen(key) + KEY_HEX_SIZE - 1)
		return false;
	memcpy(hex, line + strlen(key), KEY_HEX_SIZE - 1);
	hex[KEY_HEX_SIZE - 1] = '\0';
	return !key_from_hex(public_key, hex);
}

bool names_parse_facts(const char **answer, uint8_t public_key[KEY_LEN], struct names_facts *facts)
{
	const char *line = *answer, *end = strchr(line, '\n');
	uint8_t another[KEY_LEN];

	if (!end || !take_key(line, (size_t)(end - line), public_key))
		return false;
	*facts = (struct names_facts){ .age = NAMES_NEVER, .waiting = NAMES_NEVER };
	for (line = end + 1; (end = strchr(line, '\n')) && end != line; line = end + 1) {
		if (take_key(line, (size_t)(end - line), another))
			break;
		take_line(line, (size_t)(end - line), facts);
	}
	*answer = line;
	return true;
}
