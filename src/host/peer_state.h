/* SPDX-License-Identifier: ISC */
/* How a peer does, by what the engine tells of it, and how all do, in a few words. Pure functions:
 * time is Unix time, a parameter. */
#ifndef HOST_PEER_STATE_H
#define HOST_PEER_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/key.h"

enum peer_state {
	PEER_UP,          /* a session is in use */
	PEER_HANDSHAKING, /* it is being asked for one, or was asked and never answered, or has not
			     for some seconds although there is a session */
	PEER_STALE,       /* the last handshake is too old for its session */
	PEER_NEVER,       /* nobody has asked the other end yet */
	PEER_UNRESOLVED,  /* its name has no address yet */
};

struct peer_facts {
	uint64_t last_handshake; /* Unix time; 0: never */
	uint64_t tx_bytes;
	uint64_t keepalive;                         /* seconds; 0: off */
	uint64_t unanswered;                        /* initiations that wait for an answer */
	uint64_t added, up_since, unanswered_since; /* Unix time; 0: not known, or not so */
	const char *endpoint;                       /* an address, in the answer; NULL: none */
	bool unresolved; /* the file has a name that no address was found for yet */
};

enum peer_state peer_state(const struct peer_facts *facts, uint64_t now);
/* Since when it is in that state, in Unix time; 0: not known. */
uint64_t peer_state_since(const struct peer_facts *facts, uint64_t now);
/* Whether it has no session although we are the one who calls it, and one is asked for or to be
 * kept alive. Peers that call us, as road warriors do, may be away. */
bool peer_is_missed(const struct peer_facts *facts, bool we_call, uint64_t now);
const char *peer_state_name(enum peer_state state);

/* Takes the next peer off the engine's answer to "get" (engine/uapi.h), which is written to; but
 * not `unresolved`, which the engine does not know. False: that was the last. */
bool peer_facts_parse(char **answer, uint8_t public_key[KEY_LEN], struct peer_facts *facts);

enum {
	PEER_SUMMARY_NAME_SIZE = 48,
	PEER_SUMMARY_SIZE = 160,
};

/* Start it zeroed. */
struct peer_summary {
	size_t count, up, missed;
	char name[PEER_SUMMARY_NAME_SIZE]; /* of the first that is missed */
	enum peer_state state;
	uint64_t since;
};

/* Counts a peer, also among those that are missed if it is. */
void peer_summary_add(struct peer_summary *summary, const char *name,
	const struct peer_facts *facts, bool we_call, uint64_t now);

/* "2 of 3 peers up; office: handshaking since 14:03:12", in local time, so that it is the same text
 * until something changes. */
void peer_summary_text(char text[PEER_SUMMARY_SIZE], const struct peer_summary *summary);

#endif
