/* SPDX-License-Identifier: ISC */
/* All timer policy of a peer. */
#include "core/timers.h"

#include <stddef.h>

#include "core/wire.h"

/* Keeps peers and ends out of step; nothing secret hangs on it, so it costs no system call. The
 * mixer is splitmix64's. */
static uint64_t jitter(const struct timers *timers, uint64_t now)
{
	uint64_t mixed = now + timers->seed;

	mixed = (mixed ^ mixed >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	mixed = (mixed ^ mixed >> 27) * UINT64_C(0x94d049bb133111eb);
	return (mixed ^ mixed >> 31) % WIRE_JITTER_MAX;
}

/* How long an end that hears data may stay silent. */
static uint64_t keepalive_timeout(const struct timers *timers)
{
	return timers->quick ? WIRE_QUICK_KEEPALIVE_TIMEOUT : WIRE_KEEPALIVE_TIMEOUT;
}

/* How much longer than that we wait before we think that it has gone. */
static uint64_t answer_timeout(const struct timers *timers)
{
	return timers->quick ? WIRE_QUICK_ANSWER_TIMEOUT : WIRE_REKEY_TIMEOUT;
}

/* Whether the last initiation was answered by the first cookie of this handshake. */
static bool has_cookie(const struct timers *timers)
{
	return timers->cookie_for && timers->cookie_for == timers->unanswered;
}

/* Between two handshake messages of ours. The quick one begins faster: at a start the peer may be a
 * second behind us. No more than a few, for an answer that takes longer must find us waiting. */
static uint64_t rekey_timeout(const struct timers *timers)
{
	const bool quick = timers->quick && timers->unanswered <= WIRE_QUICK_RETRIES;

	return quick || has_cookie(timers) ? WIRE_QUICK_REKEY_TIMEOUT : WIRE_REKEY_TIMEOUT;
}

static bool due(uint64_t *deadline, uint64_t now)
{
	if (*deadline > now)
		return false;
	*deadline = TIMERS_NEVER;
	return true;
}

void timers_stop(struct timers *timers)
{
	*timers = (struct timers){
		.retransmit = TIMERS_NEVER,
		.keepalive = TIMERS_NEVER,
		.new_handshake = TIMERS_NEVER,
		.zero_keys = TIMERS_NEVER,
		.persistent = TIMERS_NEVER,
		.persistent_interval = timers->persistent_interval,
		.quick = timers->quick,
		.seed = timers->seed,
	};
}

uint64_t timers_next(const struct timers *timers)
{
	const uint64_t deadlines[] = { timers->retransmit, timers->keepalive, timers->new_handshake,
		timers->zero_keys, timers->persistent };
	uint64_t next = TIMERS_NEVER;

	for (size_t i = 0; i < sizeof(deadlines) / sizeof(*deadlines); i++)
		if (deadlines[i] < next)
			next = deadlines[i];
	return next;
}

static unsigned expire_retransmit(struct timers *timers, uint64_t now)
{
	if (timers->attempts <= WIRE_MAX_RETRIES) {
		timers->attempts++;
		/* A cookie is one address's alone; and the first initiation has failed nowhere. */
		return has_cookie(timers) || !timers->unanswered
			       ? TIMERS_RETRY
			       : TIMERS_RETRY | TIMERS_FORGET_SOURCE;
	}
	timers->unanswered = timers->cookie_for = 0;
	timers->waiting_since = 0;
	timers->keepalive = TIMERS_NEVER;
	if (timers->zero_keys == TIMERS_NEVER)
		timers->zero_keys = now + 3 * WIRE_REJECT_AFTER_TIME;
	return TIMERS_GIVE_UP;
}

unsigned timers_expire(struct timers *timers, uint64_t now)
{
	unsigned actions = 0;

	if (due(&timers->retransmit, now))
		actions |= expire_retransmit(timers, now);
	if (due(&timers->keepalive, now)) {
		actions |= TIMERS_KEEPALIVE;
		if (timers->need_another_keepalive) {
			timers->need_another_keepalive = false;
			timers->keepalive = now + keepalive_timeout(timers);
		}
	}
	if (due(&timers->new_handshake, now))
		actions |= TIMERS_INITIATE | TIMERS_FORGET_SOURCE;
	if (due(&timers->zero_keys, now))
		actions |= TIMERS_ZERO_KEYS;
	if (due(&timers->persistent, now) && timers->persistent_interval) {
		/* Sending re-arms it; this is for when nothing can be sent. */
		timers->persistent = now + timers->persistent_interval * WIRE_SECOND;
		actions |= TIMERS_KEEPALIVE;
	}
	return actions;
}

bool timers_may_initiate(const struct timers *timers, uint64_t now)
{
	return !timers->last_handshake_sent ||
	       now - timers->last_handshake_sent >= rekey_timeout(timers);
}

bool timers_is_initiating(const struct timers *timers)
{
	return timers->retransmit != TIMERS_NEVER;
}

void timers_want_handshake(struct timers *timers)
{
	timers->attempts = 0;
}

void timers_start_afresh(struct timers *timers)
{
	timers->last_handshake_sent = timers->waiting_since = 0;
	timers->attempts = timers->unanswered = timers->cookie_for = 0;
}

void timers_initiate_at(struct timers *timers, uint64_t when)
{
	timers->last_handshake_sent = timers->waiting_since = 0;
	timers->unanswered = timers->cookie_for = 0;
	timers->retransmit = when;
}

/* After the last handshake message of ours, as soon as it may be. */
static uint64_t next_retry(const struct timers *timers)
{
	return timers->last_handshake_sent + rekey_timeout(timers) +
	       jitter(timers, timers->last_handshake_sent);
}

void timers_initiate_later(struct timers *timers)
{
	if (timers->retransmit == TIMERS_NEVER)
		timers->retransmit = next_retry(timers);
}

void timers_initiation_sent(struct timers *timers, uint64_t now)
{
	timers->last_handshake_sent = now;
	if (!timers->unanswered++)
		timers->waiting_since = now;
	timers->retransmit = next_retry(timers);
	timers_authentic_sent(timers, now);
}

void timers_cookie_received(struct timers *timers)
{
	if (timers->cookie_for || !timers->unanswered || timers->retransmit == TIMERS_NEVER)
		return;
	timers->cookie_for = timers->unanswered;
	if (next_retry(timers) < timers->retransmit)
		timers->retransmit = next_retry(timers);
}

void timers_response_sent(struct timers *timers, uint64_t now)
{
	timers->last_handshake_sent = now;
	timers_authentic_sent(timers, now);
}

void timers_session_derived(struct timers *timers, uint64_t now)
{
	timers->zero_keys = now + 3 * WIRE_REJECT_AFTER_TIME;
}

void timers_handshake_complete(struct timers *timers)
{
	timers->retransmit = TIMERS_NEVER;
	timers->attempts = timers->unanswered = timers->cookie_for = 0;
	timers->waiting_since = 0;
	timers->sent_last_minute_handshake = false;
}

void timers_data_sent(struct timers *timers, uint64_t now)
{
	if (timers->new_handshake == TIMERS_NEVER)
		timers->new_handshake = now + keepalive_timeout(timers) + answer_timeout(timers) +
					jitter(timers, now);
}

void timers_data_received(struct timers *timers, uint64_t now)
{
	if (timers->keepalive == TIMERS_NEVER)
		timers->keepalive = now + keepalive_timeout(timers);
	else
		timers->need_another_keepalive = true;
}

static void traversed(struct timers *timers, uint64_t now)
{
	if (timers->persistent_interval)
		timers->persistent = now + timers->persistent_interval * WIRE_SECOND;
}

void timers_authentic_sent(struct timers *timers, uint64_t now)
{
	timers->keepalive = TIMERS_NEVER;
	traversed(timers, now);
}

void timers_authentic_received(struct timers *timers, uint64_t now)
{
	timers->new_handshake = TIMERS_NEVER;
	traversed(timers, now);
}
