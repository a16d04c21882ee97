/* SPDX-License-Identifier: ISC */
/* How a peer does, by what the engine tells of it, and how all do, in a few words. */
#include "host/peer_state.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "core/wire.h"
#include "host/answer.h"
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
	if (facts->unresolved && !facts->endpoint)
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

static const struct answer_field fields[] = {
	ANSWER_TEXT("endpoint", struct peer_facts, endpoint),
	ANSWER_NUMBER("last_handshake_time_sec", struct peer_facts, last_handshake),
	ANSWER_NUMBER("tx_bytes", struct peer_facts, tx_bytes),
	ANSWER_NUMBER("persistent_keepalive_interval", struct peer_facts, keepalive),
	ANSWER_NUMBER("culvert_unanswered", struct peer_facts, unanswered),
	ANSWER_NUMBER("culvert_unanswered_since", struct peer_facts, unanswered_since),
	ANSWER_NUMBER("culvert_up_since", struct peer_facts, up_since),
	ANSWER_NUMBER("culvert_added", struct peer_facts, added),
	{ 0 },
};

bool peer_facts_parse(char **answer, uint8_t public_key[KEY_LEN], struct peer_facts *facts)
{
	*facts = (struct peer_facts){ 0 };
	return answer_next_peer(answer, public_key, fields, facts);
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
