/* SPDX-License-Identifier: ISC */
/* Messages as an attacker makes them. */
#include "forge.h"

#include "core/tunnel_internal.h"

void forge_copy(struct forged *forged, const struct sim_datagram *original)
{
	forged->len = original->len;
	memcpy(forged->bytes, original->data, original->len);
}

void forge_noise(struct forged *forged, struct sim *sim, size_t from, size_t len)
{
	forged->len = len;
	for (size_t i = from; i < len; i++)
		forged->bytes[i] = (uint8_t)sim_random(sim, 256);
}

void forge_macs(struct forged *forged, const struct sim_end *victim)
{
	struct cookie_maker maker = { .has_cookie = false };
	const struct noise_local *local = tunnel_local(victim->tunnel);

	cookie_derive_keys(&maker.initiation_keys, local->responder.public_key);
	cookie_derive_keys(&maker.response_keys, local->initiator.public_key);
	cookie_add_macs(&maker, forged->bytes, forged->len, 0);
}

void forge_receiver(struct forged *forged, uint32_t index)
{
	wire_put32(forged->bytes + (forged->bytes[0] == WIRE_RESPONSE ? 8 : 4), index);
}

void forge_data(struct forged *forged, const struct session *session, uint64_t counter,
	const void *plain, size_t len)
{
	struct wire_data *head = (struct wire_data *)forged->bytes;

	assert_true(sizeof(*head) + len + AEAD_TAG_MAX <= FORGED_MAX);
	wire_put_type(head->type, WIRE_DATA, WIRE_WIREGUARD);
	wire_put32(head->receiver, session->remote_index);
	wire_put64(head->counter, counter);
	session->cipher->seal(&session->send, counter, forged->bytes + sizeof(*head), plain, len);
	forged->len = sizeof(*head) + len + session->cipher->tag_len;
}

static void make_timestamp(uint8_t timestamp[WIRE_TIMESTAMP_LEN], uint64_t wall)
{
	const uint64_t label = UINT64_C(0x400000000000000a) + wall / SECOND;

	memset(timestamp, 0, WIRE_TIMESTAMP_LEN);
	for (int i = 0; i < 8; i++)
		timestamp[i] = (uint8_t)(label >> (56 - 8 * i));
}

void forge_initiation(struct forged *forged, const struct sim_end *victim,
	enum wire_dialect dialect, const uint8_t private_key[KEY_LEN], const uint8_t *claims,
	uint64_t wall, const struct noise_fields *fields)
{
	struct noise_remote *remote =
		noise_remote_new(tunnel_local(victim->tunnel)->responder.public_key);
	const struct noise_fields no_fields = { .len = 0 };
	uint8_t ephemeral[KEY_LEN], timestamp[WIRE_TIMESTAMP_LEN];
	struct noise_local local;

	assert_non_null(remote);
	noise_local_set_private(&local, private_key);
	noise_remote_set_local(remote, &local);
	if (claims)
		memcpy(local.initiator.public_key, claims, KEY_LEN);
	make_timestamp(timestamp, wall);
	key_generate_private(ephemeral);
	const ssize_t len = noise_create_initiation(remote, &local, dialect, 1, ephemeral,
		timestamp, fields ? fields : &no_fields, forged->bytes);

	assert_true(len > 0);
	forged->len = (size_t)len;
	forge_macs(forged, victim);
	noise_remote_free(remote);
}

void forge_response(struct forged *forged, const struct sim_datagram *initiation,
	struct sim_end *responder, struct sim_end *initiator, const struct noise_fields *fields)
{
	struct noise_remote *remote = sim_peer(responder, initiator)->noise;
	struct noise_responder state;
	struct noise_fields asked;
	struct noise_keys keys;
	uint8_t ephemeral[KEY_LEN];

	key_generate_private(ephemeral);
	assert_int_equal(noise_open_initiation(&state, tunnel_local(responder->tunnel),
				 initiation->data, initiation->len),
		0);
	assert_int_equal(
		noise_accept_initiation(&state, remote, sim_now(responder).boot, &asked), 0);
	const ssize_t len =
		noise_create_response(&state, remote, 1, ephemeral, fields, forged->bytes, &keys);

	assert_true(len > 0);
	forged->len = (size_t)len;
	forge_macs(forged, initiator);
}

void forge_inject(const struct forged *forged, struct sim_end *victim, const struct endpoint *from)
{
	sim_inject(victim, from, forged->bytes, forged->len);
}
