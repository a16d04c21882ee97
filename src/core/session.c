/* SPDX-License-Identifier: ISC */
/* Transport keys, counters, the replay window of RFC 6479, and when a session is too old. */
#include "core/session.h"

#include <stdlib.h>

/* Receive-side rekey: early enough that a keepalive and a handshake still fit before the end. */
#define REKEY_BEFORE_REJECT (WIRE_REJECT_AFTER_TIME - WIRE_KEEPALIVE_TIMEOUT - WIRE_REKEY_TIMEOUT)

bool replay_accept(struct replay *window, uint64_t counter, uint64_t limit)
{
	if (counter >= limit)
		return false;
	const uint64_t word = counter / 64;
	const uint64_t bit = UINT64_C(1) << (counter % 64);

	if (counter >= window->next) {
		/* The words between the old and the new top are stale: clear them, all at most
		 * once. */
		const uint64_t top = window->next ? (window->next - 1) / 64 : 0;
		uint64_t stale = word - top;

		if (stale > REPLAY_WORDS)
			stale = REPLAY_WORDS;
		for (uint64_t i = 1; i <= stale; i++)
			window->bits[(top + i) % REPLAY_WORDS] = 0;
		window->next = counter + 1;
	} else if (window->next - counter > REPLAY_BITS - 64) {
		return false;
	}
	if (window->bits[word % REPLAY_WORDS] & bit)
		return false;
	window->bits[word % REPLAY_WORDS] |= bit;
	return true;
}

struct session *session_new(
	struct peer *peer, const struct aead *cipher, const struct noise_keys *keys, uint64_t now)
{
	struct session *session;

	/* Not malloc: the expanded AES key needs 16 bytes. */
	if (posix_memalign((void **)&session, _Alignof(struct session), sizeof(*session)))
		return NULL;
	*session = (struct session){
		.peer = peer,
		.cipher = cipher,
		.local_index = keys->local_index,
		.remote_index = keys->remote_index,
		.born = now,
		/* Two ends that started at the same moment each have a session of their own making,
		 * and would renew both at the same moment for ever. */
		.rekey_jitter = randombytes_uniform((uint32_t)WIRE_JITTER_MAX),
		.initiator = keys->initiator,
	};
	cipher->prepare(&session->send, keys->send);
	cipher->prepare(&session->receive, keys->receive);
	return session;
}

void session_wipe(struct session *session)
{
	key_wipe(&session->send, sizeof(session->send));
	key_wipe(&session->receive, sizeof(session->receive));
	session->dead = true;
}

void session_free(struct session *session)
{
	if (!session)
		return;
	session_wipe(session);
	free(session);
}

bool session_is_expired(const struct session *session, uint64_t now)
{
	return now - session->born >= WIRE_REJECT_AFTER_TIME ||
	       session->send_counter >= session->cipher->reject_after;
}

bool session_wants_rekey_sending(const struct session *session, uint64_t now)
{
	return session->send_counter > session->cipher->rekey_after ||
	       (session->initiator &&
		       now - session->born >= WIRE_REKEY_AFTER_TIME + session->rekey_jitter);
}

bool session_wants_rekey_receiving(const struct session *session, uint64_t now)
{
	return session->initiator && now - session->born >= REKEY_BEFORE_REJECT;
}
