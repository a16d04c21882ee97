/* SPDX-License-Identifier: ISC */
/* How a peer does, by what the engine tells of it, and how all do, in a few words. */
#include "host/peer_state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/wire.h"
#include "host/text.h"

enum {
	SESSION_SECONDS = WIRE_REJECT_AFTER_TIME / WIRE_SECOND,
	ANSWER_SECONDS =
		WIRE_MISSED_TIME / WIRE_SECOND, /* so long an answer may take, with retries */
};

enum peer_state peer_state(const struct peer_facts *facts, uint64_t now)
{
	/* Whatever session there is: who does not answer has most likely gone. */
	if (facts->last_handshake && now < facts->last_handshake + SESSION_SECONDS)
		return facts->unanswered_since && now > facts->unanswered_since + ANSWER_SECONDS
			       ? PEER_HANDSHAKING
			       : PEER_UP;
	if (facts->unresolved && !facts->has_endpoint)
		return PEER_UNRESOLVED;
	if (facts->unanswered)
		return PEER_HANDSHAKING;
	if (facts->last_handshake)
		return PEER_STALE;
	return facts->tx_bytes ? PEER_HANDSHAKING : PEER_NEVER;
}

uint64_t peer_state_since(const struct peer_facts *facts, uint64_t now)
{
	switch (peer_state(facts, now)) {
	case PEER_UP:
		return facts->up_since;
	case PEER_HANDSHAKING:
		return facts->unanswered_since;
	case PEER_STALE:
		return facts->last_handshake + SESSION_SECONDS;
	case PEER_NEVER:
	case PEER_UNRESOLVED:
		break;
	}
	return facts->added;
}

bool peer_is_missed(const struct peer_facts *facts, bool we_call, uint64_t now)
{
	switch (peer_state(facts, now)) {
	case PEER_HANDSHAKING:
	case PEER_UNRESOLVED:
		return we_call;
	case PEER_STALE: /* without traffic that is as it should be */
	case PEER_NEVER:
		return we_call && facts->keepalive;
	case PEER_UP:
		break;
	}
	return false;
}

const char *peer_state_name(enum peer_state state)
{
	static const char *const names[] = {
		[PEER_UP] = "up",
		[PEER_HANDSHAKING] = "handshaking",
		[PEER_STALE] = "stale",
		[PEER_NEVER] = "never",
		[PEER_UNRESOLVED] = "unresolved",
	};

	return names[state];
}

static const struct field {
	const char *key;
	size_t offset;
} fields[] = {
	{ "last_handshake_time_sec=", offsetof(struct peer_facts, last_handshake) },
	{ "tx_bytes=", offsetof(struct peer_facts, tx_bytes) },
	{ "persistent_keepalive_interval=", offsetof(struct peer_facts, keepalive) },
	{ "culvert_unanswered=", offsetof(struct peer_facts, unanswered) },
	{ "culvert_unanswered_since=", offsetof(struct peer_facts, unanswered_since) },
	{ "culvert_up_since=", offsetof(struct peer_facts, up_since) },
	{ "culvert_added=", offsetof(struct peer_facts, added) },
};

static void take_line(const char *line, struct peer_facts *facts)
{
	if (!strncmp(line, "endpoint=", strlen("endpoint=")))
		facts->has_endpoint = true;
	for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++) {
		const size_t len = strlen(fields[i].key);

		if (!strncmp(line, fields[i].key, len))
			*(uint64_t *)(void *)((char *)facts + fields[i].offset) =
				strtoull(line + len, NULL, 10);
	}
}

static const char peer_key[] = "public_key=";

static bool begins_peer(const char *line)
{
	return !strncmp(line, peer_key, strlen(peer_key));
}

bool peer_facts_parse(char **answer, uint8_t public_key[KEY_LEN], struct peer_facts *facts)
{
	char *line;

	while ((line = strsep(answer, "\n")) && *line && !begins_peer(line))
		;
	if (!line || !*line || key_from_hex(public_key, line + strlen(peer_key)))
		return false;
	*facts = (struct peer_facts){ 0 };
	while (*answer && **answer && !begins_peer(*answer))
		take_line(strsep(answer, "\n"), facts);
	return true;
}

/* As much as there is room for, in whole characters: a status that is not UTF-8 would be refused.
 */
static void copy_name(char to[PEER_SUMMARY_NAME_SIZE], const char *name)
{
	size_t len = 0, next;

	while (name[len] && (next = text_character_len(name + len)) &&
		len + next < PEER_SUMMARY_NAME_SIZE)
		len += next;
	memcpy(to, name, len);
	to[len] = '\0';
}

void peer_summary_add(struct peer_summary *summary, const char *name,
	const struct peer_facts *facts, bool we_call, uint64_t now)
{
	const enum peer_state state = peer_state(facts, now);

	summary->count++;
	summary->up += state == PEER_UP;
	if (!peer_is_missed(facts, we_call, now))
		return;
	if (!summary->missed++) {
		copy_name(summary->name, name);
		summary->state = state;
		summary->since = peer_state_since(facts, now);
	}
}

void peer_summary_text(char text[PEER_SUMMARY_SIZE], const struct peer_summary *summary)
{
	const time_t since = (time_t)summary->since;
	char when[32] = "", more[64] = "";
	struct tm local;

	if (since && localtime_r(&since, &local))
		strftime(when, sizeof(when), " since %H:%M:%S", &local);
	if (summary->missed > 1)
		snprintf(more, sizeof(more), "; %zu more do not answer", summary->missed - 1);
	if (summary->missed)
		snprintf(text, PEER_SUMMARY_SIZE, "%zu of %zu peers up; %s: %s%s%s", summary->up,
			summary->count, summary->name, peer_state_name(summary->state), when, more);
	else
		snprintf(text, PEER_SUMMARY_SIZE, "%zu of %zu peers up", summary->up,
			summary->count);
}
