/* SPDX-License-Identifier: ISC */
/*
 * All timer policy of a peer: facts go in, the next deadline and due actions come out.
 *
 * Times are boot time in nanoseconds; a deadline of TIMERS_NEVER is not armed. Facts are cheap
 * enough to be told once a batch. The rules are the kernel module's (timers.c there).
 */
#ifndef CORE_TIMERS_H
#define CORE_TIMERS_H

#include <stdbool.h>
#include <stdint.h>

#define TIMERS_NEVER UINT64_MAX

enum timers_action {
	TIMERS_INITIATE = 1 << 0,      /* start a handshake, as if somebody had asked for it */
	TIMERS_RETRY = 1 << 1,         /* send the initiation once more */
	TIMERS_KEEPALIVE = 1 << 2,     /* send an empty packet */
	TIMERS_GIVE_UP = 1 << 3,       /* drop staged packets; the next packet starts afresh */
	TIMERS_ZERO_KEYS = 1 << 4,     /* forget sessions and handshake */
	TIMERS_FORGET_SOURCE = 1 << 5, /* our address may be the trouble: let the kernel choose */
};

struct timers {
	uint64_t retransmit;
	uint64_t keepalive;
	uint64_t new_handshake;
	uint64_t zero_keys;
	uint64_t persistent;
	uint64_t last_handshake_sent; /* 0: never */
	unsigned attempts;
	unsigned unanswered;    /* initiations since a handshake was completed or given up */
	unsigned cookie_for;    /* of unanswered, the one that a first cookie came for; 0: none */
	uint64_t waiting_since; /* when the first of them went out; 0: none */
	uint64_t seed;          /* random, so that no two peers have the same jitter */
	uint16_t persistent_interval; /* seconds; 0: off */
	bool quick; /* the culvert dialect's shorter keepalive and new-handshake times */
	bool need_another_keepalive;
	bool sent_last_minute_handshake;
};

/* Nothing armed; the seed, the persistent interval and quick stay. */
void timers_stop(struct timers *timers);

uint64_t timers_next(const struct timers *timers);

/* Takes what is due off the list and says what to do (enum timers_action). */
unsigned timers_expire(struct timers *timers, uint64_t now);

/* Whether an initiation may go out now, REKEY_TIMEOUT after the last handshake message of ours. */
bool timers_may_initiate(const struct timers *timers, uint64_t now);

/* Whether the next initiation has its time already. */
bool timers_is_initiating(const struct timers *timers);

/* Somebody asked for a handshake: the attempts are counted anew. */
void timers_want_handshake(struct timers *timers);

/* An initiation is wanted but may not go out yet: retry as soon as it may. Without this a packet
 * that was staged while our response got lost would wait for the next packet. */
void timers_initiate_later(struct timers *timers);

/* Keys or settings changed: an initiation may go out at once. */
void timers_start_afresh(struct timers *timers);

/* An initiation goes out at this time, whatever lies between two of them; waiting for an answer
 * begins anew with it. The attempts count on. */
void timers_initiate_at(struct timers *timers, uint64_t when);

/* Facts. */
void timers_initiation_sent(struct timers *timers, uint64_t now);
void timers_response_sent(struct timers *timers, uint64_t now);
/* A cookie for the last initiation. The first one until a handshake completes makes it be repeated
 * after a second, once; the number of repetitions stays, so that who makes up cookies, on the way
 * and knowing the peer's key, cannot have us send more. */
void timers_cookie_received(struct timers *timers);
void timers_session_derived(struct timers *timers, uint64_t now);
void timers_handshake_complete(struct timers *timers);
void timers_data_sent(struct timers *timers, uint64_t now);          /* with a payload */
void timers_data_received(struct timers *timers, uint64_t now);      /* with a payload */
void timers_authentic_sent(struct timers *timers, uint64_t now);     /* any message of a peer's */
void timers_authentic_received(struct timers *timers, uint64_t now); /* likewise */

#endif
