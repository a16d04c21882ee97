/* SPDX-License-Identifier: ISC */
/*
 * A configuration's secret keys, for a process that has passed them on: a reload asks whether the
 * file has the same ones still, and for that a hash will do whose key is in no other process and
 * goes with this one. A thief of it learns nothing: keys are too many to be guessed.
 */
#include "host/config.h"

#include <sodium.h>
#include <string.h>

#include "core/noise.h"

static void hash(uint8_t hashed[KEY_LEN], const uint8_t key[KEY_LEN])
{
	static uint8_t own[crypto_generichash_KEYBYTES];
	static bool made;

	if (!made)
		randombytes_buf(own, sizeof(own));
	made = true;
	crypto_generichash(hashed, KEY_LEN, key, KEY_LEN, own, sizeof(own));
}

static void forget(struct config_key *key)
{
	uint8_t hashed[KEY_LEN];

	if (!key->given || key->forgotten)
		return;
	hash(hashed, key->bytes);
	memcpy(key->bytes, hashed, KEY_LEN);
	key->forgotten = true;
}

void config_forget_secrets(struct config *config)
{
	if (config->shared_key.given && !config->shared_key.forgotten)
		config_shared_peer(config, config->shared_peer);
	if (config->private_key.given && !config->private_key.forgotten)
		key_clamp(config->private_key.bytes);
	forget(&config->private_key);
	forget(&config->shared_key);
	for (size_t i = 0; i < config->peer_count; i++)
		forget(&config->peers[i].preshared_key);
}

bool config_key_is(const struct config_key *key, const uint8_t bytes[KEY_LEN])
{
	uint8_t hashed[KEY_LEN];

	if (!key->forgotten)
		return key_equal(key->bytes, bytes);
	hash(hashed, bytes);
	return key_equal(key->bytes, hashed);
}

bool config_key_same(const struct config_key *a, const struct config_key *b)
{
	if (a->given != b->given)
		return false;
	if (a->forgotten == b->forgotten)
		return key_equal(a->bytes, b->bytes);
	return a->forgotten ? config_key_is(a, b->bytes) : config_key_is(b, a->bytes);
}

bool config_private_key_is(const struct config *config, const uint8_t bytes[KEY_LEN])
{
	struct config_key own = config->private_key;
	uint8_t clamped[KEY_LEN];
	bool same;

	memcpy(clamped, bytes, KEY_LEN);
	key_clamp(clamped);
	if (!own.forgotten)
		key_clamp(own.bytes);
	same = config_key_is(&own, clamped);
	key_wipe(clamped, sizeof(clamped));
	key_wipe(&own, sizeof(own));
	return same;
}

bool config_private_key_same(const struct config *a, const struct config *b)
{
	if (a->private_key.given != b->private_key.given)
		return false;
	if (a->private_key.forgotten && b->private_key.forgotten)
		return config_key_same(&a->private_key, &b->private_key);
	return a->private_key.forgotten ? config_private_key_is(a, b->private_key.bytes)
					: config_private_key_is(b, a->private_key.bytes);
}

void config_shared_peer(const struct config *config, uint8_t public_key[KEY_LEN])
{
	struct noise_local local = { 0 };
	uint8_t psk[KEY_LEN];

	if (config->shared_key.forgotten) {
		memcpy(public_key, config->shared_peer, KEY_LEN);
		return;
	}
	noise_local_set_shared(&local, psk, config->shared_key.bytes);
	memcpy(public_key, local.responder.public_key, KEY_LEN);
	key_wipe(&local, sizeof(local));
	key_wipe(psk, sizeof(psk));
}

void config_wipe_secrets(struct config *config)
{
	key_wipe(&config->private_key, sizeof(config->private_key));
	key_wipe(&config->shared_key, sizeof(config->shared_key));
	for (size_t i = 0; i < config->peer_count; i++)
		key_wipe(&config->peers[i].preshared_key, sizeof(config->peers[i].preshared_key));
}
