/* SPDX-License-Identifier: ISC */
/* No secret is left behind: memory that is given back holds none. The linker leads free() through
 * here. */
#include "sim.h"

#include <malloc.h>
#include <stdlib.h>

#include "core/tunnel_internal.h"

enum { SECRETS_MAX = 4096 };

static uint8_t secrets[SECRETS_MAX][KEY_LEN];
static size_t secret_count;
static volatile bool watching; /* what free() reads of ours the compiler does not expect */
static unsigned freed, left_behind;

void __real_free(void *block);
void __wrap_free(void *block);

static bool holds(const void *block, size_t len)
{
	for (size_t i = 0; i < secret_count; i++)
		if (memmem(block, len, secrets[i], KEY_LEN))
			return true;
	return false;
}

void __wrap_free(void *block)
{
	if (block && watching) {
		freed++;
		left_behind += holds(block, malloc_usable_size(block));
	}
	__real_free(block);
}

static void remember(const uint8_t secret[KEY_LEN])
{
	if (key_is_zero(secret) || holds(secret, KEY_LEN))
		return;
	assert_true(secret_count < SECRETS_MAX);
	memcpy(secrets[secret_count++], secret, KEY_LEN);
}

/* The raw key, or the beginning of what a cipher made of it. */
static void remember_session(const struct session *session)
{
	if (!session)
		return;
	remember((const uint8_t *)&session->send);
	remember((const uint8_t *)&session->receive);
}

static void remember_all(const struct sim_end *end)
{
	const struct noise_local *local = tunnel_local(end->tunnel);

	remember(local->initiator.private_key);
	remember(local->responder.private_key);
	if (end->shared)
		remember(end->shared_key);
	for (const struct peer *peer = tunnel_first_peer(end->tunnel); peer;
		peer = peer->next_peer) {
		remember(noise_remote_psk(peer->noise));
		remember_session(peer->previous);
		remember_session(peer->current);
		remember_session(peer->next);
	}
}

static void start(const struct sim_kind *kind, struct sim **sim)
{
	secret_count = 0;
	freed = left_behind = 0;
	*sim = sim_pair(1, kind);
}

/* Sessions come and go; each that went is wiped by then. Datagrams are the simulation's. */
static void sessions_are_wiped(const struct sim_kind *kind)
{
	struct sim *sim;

	start(kind, &sim);
	sim_traffic(sim->ends[0], sim->ends[1], 5 * SECOND);
	sim_traffic(sim->ends[1], sim->ends[0], 7 * SECOND);
	for (int i = 0; i < 1000; i++) {
		remember_all(sim->ends[0]);
		remember_all(sim->ends[1]);
		watching = true;
		sim_run(sim, SECOND);
		watching = false;
	}
	assert_true(secret_count > 10);
	assert_true(freed > 10);
	assert_int_equal(left_behind, 0);
	sim_free(sim);
}

/* A peer's record holds the psk, and a key that both static keys make. */
static void peers_are_wiped(const struct sim_kind *kind)
{
	struct sim *sim;
	uint8_t both[KEY_LEN];

	start(kind, &sim);
	struct sim_end *a = sim->ends[0], *b = sim->ends[1];
	const struct noise_local *local = tunnel_local(a->tunnel);

	assert_true(sim_reaches(a, b, SECOND));
	remember_all(a);
	assert_int_equal(crypto_scalarmult_curve25519(
				 both, local->initiator.private_key, sim_peer(a, b)->public_key),
		0);
	remember(both);
	watching = true;
	tunnel_free(a->tunnel);
	watching = false;
	assert_true(freed > 5);
	assert_int_equal(left_behind, 0);
	a->tunnel = NULL;
	a->deadline = UINT64_MAX;
	sim_free(sim);
}

/* The bytes of an initiation's own key, where there was one. */
static bool holds_clamped_key(const uint8_t *block, size_t len, const uint8_t *public_key)
{
	uint8_t derived[KEY_LEN];

	for (size_t at = 0; at + KEY_LEN <= len; at += 4) {
		if ((block[at] & 7) || (block[at + 31] & 0xc0) != 0x40)
			continue;
		key_derive_public(derived, block + at);
		if (key_equal(derived, public_key))
			return true;
	}
	return false;
}

/* Once it was answered, or given up, nobody can find out what was agreed by it. */
static void ephemeral_keys_are_wiped(const struct sim_kind *kind)
{
	struct sim *sim = sim_pair(2, kind);
	struct sim_end *a = sim->ends[0], *b = sim->ends[1];
	uint8_t ephemeral[KEY_LEN];

	sim->taping = true;
	sim_send(a, b);
	memcpy(ephemeral, sim->tape[0]->data + 8, KEY_LEN);
	const struct noise_remote *remote = sim_peer(a, b)->noise;
	const size_t len = malloc_usable_size((void *)remote);

	assert_true(holds_clamped_key((const uint8_t *)remote, len, ephemeral));
	sim_run(sim, SECOND);
	assert_int_equal(sim_flow(a, b)->delivered, 1);
	assert_false(holds_clamped_key((const uint8_t *)remote, len, ephemeral));

	sim_erase_tape(sim);
	b->cut = true;
	sim_run(sim, 200 * SECOND);
	sim_send(a, b);
	sim_run(sim, 200 * SECOND); /* as long as it takes to give up, and for keys to go */
	sim_run(sim, 600 * SECOND);
	for (size_t i = 0; i < sim->tape_count; i++)
		if (sim->tape[i]->data[0] == 1)
			assert_false(holds_clamped_key(
				(const uint8_t *)remote, len, sim->tape[i]->data + 8));
	sim_free(sim);
}

int main(void)
{
	static const struct sim_scenario scenarios[] = {
		SIM_EACH(sessions_are_wiped),
		SIM_EACH(peers_are_wiped),
		SIM_EACH(ephemeral_keys_are_wiped),
	};

	return sim_main("wiping", scenarios, sizeof(scenarios) / sizeof(*scenarios));
}
