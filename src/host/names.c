/* SPDX-License-Identifier: ISC */
/* An endpoint that is a name: which of its addresses is tried next, and when it is looked up again.
 */
#include "host/names.h"

#include <string.h>

#include "host/answer.h"

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

struct told {
	struct names_facts facts;
	const char *endpoint;
};

static const struct answer_field fields[] = {
	ANSWER_TEXT("endpoint", struct told, endpoint),
	ANSWER_NUMBER("persistent_keepalive_interval", struct told, facts.keepalive),
	ANSWER_NUMBER("rx_bytes", struct told, facts.rx_bytes),
	ANSWER_NUMBER("culvert_handshake_age", struct told, facts.age),
	ANSWER_NUMBER("culvert_waiting", struct told, facts.waiting),
	{ 0 },
};

bool names_parse_facts(char **answer, uint8_t public_key[KEY_LEN], struct names_facts *facts)
{
	struct told told = { .facts = { .age = NAMES_NEVER, .waiting = NAMES_NEVER } };

	if (!answer_next_peer(answer, public_key, fields, &told))
		return false;
	*facts = told.facts;
	if (told.endpoint)
		endpoint_from_text(&facts->endpoint, told.endpoint);
	return true;
}
