/* SPDX-License-Identifier: ISC */
/* The handshake. Noise's tokens stand as comments beside what carries them out (Noise §7.5,
 * IKpsk2). */
#include "core/noise.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>

#include "core/kdf.h"

static const char construction[] = "Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s";
static const char wireguard_identifier[] = "WireGuard v1 zx2c4 Jason@zx2c4.com";
static const char culvert_identifier[] = "culvert v1";
static const char shared_key_label[] = "culvert shared key v1";

/* The SymmetricState of Noise §5.2. */
struct symmetric {
	uint8_t hash[32];
	uint8_t chaining_key[32];
};

struct noise_remote {
	uint8_t public_key[KEY_LEN];
	uint8_t psk[KEY_LEN];
	uint8_t static_static[KEY_LEN]; /* DH of both static keys: the same in both roles */
	bool usable;                    /* static_static is not zero */
	uint8_t newest_timestamp[WIRE_TIMESTAMP_LEN];
	uint64_t last_accepted; /* boot time, 0: never */
	/* The pending initiation. */
	bool pending;
	enum wire_dialect dialect;
	uint32_t local_index;
	uint8_t ephemeral_private[KEY_LEN];
	uint8_t ephemeral_public[KEY_LEN];
	struct symmetric symmetric;
};

/* DH, false for an all-zero result: a low-order public key. */
static bool diffie_hellman(
	uint8_t out[32], const uint8_t private_key[32], const uint8_t public_key[32])
{
	return crypto_scalarmult_curve25519(out, private_key, public_key) == 0;
}

static void mix_hash(struct symmetric *s, const void *data, size_t len)
{
	kdf_hash(s->hash, s->hash, sizeof(s->hash), data, len);
}

static void mix_key(struct symmetric *s, uint8_t key[32], const uint8_t input[32])
{
	kdf_derive(s->chaining_key, key, NULL, s->chaining_key, input, 32);
}

static bool mix_dh(struct symmetric *s, uint8_t key[32], const uint8_t private_key[32],
	const uint8_t public_key[32])
{
	uint8_t secret[32];
	const bool ok = diffie_hellman(secret, private_key, public_key);

	if (ok)
		mix_key(s, key, secret);
	key_wipe(secret, sizeof(secret));
	return ok;
}

static void mix_psk(struct symmetric *s, uint8_t key[32], const uint8_t psk[32])
{
	uint8_t tau[32];

	kdf_derive(s->chaining_key, tau, key, s->chaining_key, psk, 32);
	mix_hash(s, tau, sizeof(tau));
	key_wipe(tau, sizeof(tau));
}

/* WireGuard mixes an ephemeral public key into the chaining key too, as a psk handshake requires
 * (Noise §9.2). */
static void mix_ephemeral(struct symmetric *s, const uint8_t public_key[32])
{
	mix_hash(s, public_key, 32);
	kdf_derive(s->chaining_key, NULL, NULL, s->chaining_key, public_key, 32);
}

/* Each key seals one message, so the nonce is always zero. */
static void encrypt_and_hash(struct symmetric *s, uint8_t *sealed, const uint8_t *plain, size_t len,
	const uint8_t key[32])
{
	static const uint8_t nonce[crypto_aead_chacha20poly1305_IETF_NPUBBYTES];

	crypto_aead_chacha20poly1305_ietf_encrypt(
		sealed, NULL, plain, len, s->hash, sizeof(s->hash), NULL, nonce, key);
	mix_hash(s, sealed, len + WIRE_TAG_LEN);
}

static bool decrypt_and_hash(struct symmetric *s, uint8_t *plain, const uint8_t *sealed, size_t len,
	const uint8_t key[32])
{
	static const uint8_t nonce[crypto_aead_chacha20poly1305_IETF_NPUBBYTES];

	if (crypto_aead_chacha20poly1305_ietf_decrypt(
		    plain, NULL, NULL, sealed, len, s->hash, sizeof(s->hash), nonce, key))
		return false;
	mix_hash(s, sealed, len);
	return true;
}

/* InitializeSymmetric, the prologue (the dialect's identifier) and the pre-message: <- s */
static void start(struct symmetric *s, enum wire_dialect dialect, const uint8_t responder_key[32])
{
	const char *identifier =
		dialect == WIRE_CULVERT ? culvert_identifier : wireguard_identifier;

	kdf_hash(s->chaining_key, construction, strlen(construction), NULL, 0);
	kdf_hash(s->hash, s->chaining_key, sizeof(s->chaining_key), identifier, strlen(identifier));
	mix_hash(s, responder_key, 32);
}

/* Noise's Split: the initiator's sending key comes first. */
static void split(const struct symmetric *s, struct noise_keys *keys, bool initiator)
{
	uint8_t *first = initiator ? keys->send : keys->receive;
	uint8_t *second = initiator ? keys->receive : keys->send;

	kdf_derive(first, second, NULL, s->chaining_key, NULL, 0);
	keys->initiator = initiator;
}

void noise_local_set_private(struct noise_local *local, const uint8_t private_key[KEY_LEN])
{
	struct noise_identity identity = { 0 };

	if (!key_is_zero(private_key)) {
		memcpy(identity.private_key, private_key, KEY_LEN);
		key_clamp(identity.private_key);
		key_derive_public(identity.public_key, identity.private_key);
	}
	local->initiator = local->responder = identity;
	local->has_key = !key_is_zero(private_key);
	local->shared = false;
	key_wipe(&identity, sizeof(identity));
}

void noise_local_set_shared(
	struct noise_local *local, uint8_t psk[KEY_LEN], const uint8_t shared_key[KEY_LEN])
{
	kdf_derive(local->initiator.private_key, local->responder.private_key, psk, shared_key,
		shared_key_label, strlen(shared_key_label));
	key_clamp(local->initiator.private_key);
	key_clamp(local->responder.private_key);
	key_derive_public(local->initiator.public_key, local->initiator.private_key);
	key_derive_public(local->responder.public_key, local->responder.private_key);
	local->has_key = local->shared = true;
}

struct noise_remote *noise_remote_new(const uint8_t public_key[KEY_LEN])
{
	struct noise_remote *remote = calloc(1, sizeof(*remote));

	if (remote)
		memcpy(remote->public_key, public_key, KEY_LEN);
	return remote;
}

void noise_remote_free(struct noise_remote *remote)
{
	if (!remote)
		return;
	key_wipe(remote, sizeof(*remote));
	free(remote);
}

void noise_remote_set_local(struct noise_remote *remote, const struct noise_local *local)
{
	noise_remote_clear(remote);
	key_wipe(remote->static_static, KEY_LEN); /* the old key's, if there is no new one */
	remote->usable =
		local->has_key && diffie_hellman(remote->static_static,
					  local->initiator.private_key, remote->public_key);
}

void noise_remote_set_psk(struct noise_remote *remote, const uint8_t psk[KEY_LEN])
{
	memcpy(remote->psk, psk, KEY_LEN);
}

const uint8_t *noise_remote_psk(const struct noise_remote *remote)
{
	return remote->psk;
}

void noise_remote_clear(struct noise_remote *remote)
{
	remote->pending = false;
	key_wipe(remote->ephemeral_private, KEY_LEN);
	key_wipe(&remote->symmetric, sizeof(remote->symmetric));
}

bool noise_remote_is_pending(const struct noise_remote *remote)
{
	return remote->pending;
}

bool noise_remote_sent_ephemeral(
	const struct noise_remote *remote, const uint8_t ephemeral[KEY_LEN])
{
	return remote->pending && key_equal(remote->ephemeral_public, ephemeral);
}

ssize_t noise_create_initiation(struct noise_remote *remote, const struct noise_local *local,
	enum wire_dialect dialect, uint32_t local_index, const uint8_t ephemeral[KEY_LEN],
	const uint8_t timestamp[WIRE_TIMESTAMP_LEN], const struct noise_fields *fields,
	uint8_t *message)
{
	struct wire_initiation *head = (struct wire_initiation *)message;
	uint8_t *sealed = message + sizeof(*head);
	uint8_t payload[WIRE_TIMESTAMP_LEN + WIRE_FIELDS_MAX];
	const size_t payload_len = WIRE_TIMESTAMP_LEN + fields->len;
	const size_t len = WIRE_INITIATION_MIN + fields->len;
	uint8_t key[32];
	struct symmetric *s = &remote->symmetric;

	if (!local->has_key)
		return -ENOKEY;
	if (!remote->usable)
		return -EKEYREJECTED;
	memcpy(remote->ephemeral_private, ephemeral, KEY_LEN);
	key_clamp(remote->ephemeral_private);
	key_derive_public(remote->ephemeral_public, remote->ephemeral_private);
	start(s, dialect, remote->public_key);

	memset(message, 0, len);
	wire_put_type(head->type, WIRE_INITIATION, dialect);
	wire_put32(head->sender, local_index);
	/* e */
	memcpy(head->ephemeral, remote->ephemeral_public, KEY_LEN);
	mix_ephemeral(s, head->ephemeral);
	/* es */
	if (!mix_dh(s, key, remote->ephemeral_private, remote->public_key)) {
		noise_remote_clear(remote);
		return -EKEYREJECTED;
	}
	/* s */
	encrypt_and_hash(s, head->sealed_static, local->initiator.public_key, KEY_LEN, key);
	/* ss */
	mix_key(s, key, remote->static_static);
	/* payload */
	memcpy(payload, timestamp, WIRE_TIMESTAMP_LEN);
	memcpy(payload + WIRE_TIMESTAMP_LEN, fields->bytes, fields->len);
	encrypt_and_hash(s, sealed, payload, payload_len, key);

	remote->pending = true;
	remote->dialect = dialect;
	remote->local_index = local_index;
	key_wipe(key, sizeof(key));
	return (ssize_t)len;
}

int noise_open_initiation(struct noise_responder *responder, const struct noise_local *local,
	const uint8_t *message, size_t len)
{
	const struct wire_initiation *head = (const struct wire_initiation *)message;
	struct symmetric s;
	uint8_t key[32];
	int ret = -EBADMSG;

	if (!local->has_key)
		return -ENOKEY;
	responder->dialect = wire_dialect_of(message);
	start(&s, responder->dialect, local->responder.public_key);
	/* e */
	mix_ephemeral(&s, head->ephemeral);
	/* es */
	if (!mix_dh(&s, key, local->responder.private_key, head->ephemeral))
		goto out;
	/* s */
	if (!decrypt_and_hash(&s, responder->remote_static, head->sealed_static,
		    sizeof(head->sealed_static), key))
		goto out;
	responder->remote_index = wire_get32(head->sender);
	memcpy(responder->remote_ephemeral, head->ephemeral, KEY_LEN);
	memcpy(responder->hash, s.hash, sizeof(s.hash));
	memcpy(responder->chaining_key, s.chaining_key, sizeof(s.chaining_key));
	responder->payload = message + sizeof(*head);
	responder->payload_len = len - sizeof(*head) - sizeof(struct wire_macs);
	ret = 0;
out:
	key_wipe(key, sizeof(key));
	key_wipe(&s, sizeof(s));
	return ret;
}

/* The checks that need no key. */
static int check_freshness(
	const struct noise_remote *remote, const uint8_t *timestamp, uint64_t now)
{
	if (memcmp(timestamp, remote->newest_timestamp, WIRE_TIMESTAMP_LEN) <= 0)
		return -EALREADY;
	if (remote->last_accepted && now < remote->last_accepted + WIRE_INITIATION_INTERVAL)
		return -EAGAIN;
	return 0;
}

int noise_accept_initiation(struct noise_responder *responder, struct noise_remote *remote,
	uint64_t now, struct noise_fields *fields)
{
	uint8_t payload[WIRE_TIMESTAMP_LEN + WIRE_FIELDS_MAX];
	struct symmetric s;
	uint8_t key[32];
	int ret = -EKEYREJECTED;

	memcpy(s.hash, responder->hash, sizeof(s.hash));
	memcpy(s.chaining_key, responder->chaining_key, sizeof(s.chaining_key));
	if (!remote->usable)
		goto out;
	/* ss */
	mix_key(&s, key, remote->static_static);
	/* payload */
	ret = -EBADMSG;
	if (!decrypt_and_hash(&s, payload, responder->payload, responder->payload_len, key))
		goto out;
	ret = check_freshness(remote, payload, now);
	if (ret)
		goto out;

	memcpy(responder->timestamp, payload, WIRE_TIMESTAMP_LEN);
	memcpy(responder->hash, s.hash, sizeof(s.hash));
	memcpy(responder->chaining_key, s.chaining_key, sizeof(s.chaining_key));
	fields->len = responder->payload_len - WIRE_TAG_LEN - WIRE_TIMESTAMP_LEN;
	memcpy(fields->bytes, payload + WIRE_TIMESTAMP_LEN, fields->len);
out:
	key_wipe(key, sizeof(key));
	key_wipe(&s, sizeof(s));
	return ret;
}

void noise_remember_initiation(
	struct noise_remote *remote, const struct noise_responder *responder, uint64_t now)
{
	memcpy(remote->newest_timestamp, responder->timestamp, WIRE_TIMESTAMP_LEN);
	remote->last_accepted = now;
}

ssize_t noise_create_response(struct noise_responder *responder, const struct noise_remote *remote,
	uint32_t local_index, const uint8_t ephemeral[KEY_LEN], const struct noise_fields *fields,
	uint8_t *message, struct noise_keys *keys)
{
	struct wire_response *head = (struct wire_response *)message;
	const size_t len = WIRE_RESPONSE_MIN + fields->len;
	uint8_t private_key[KEY_LEN];
	uint8_t key[32];
	struct symmetric s;
	ssize_t ret = -EKEYREJECTED;

	memcpy(s.hash, responder->hash, sizeof(s.hash));
	memcpy(s.chaining_key, responder->chaining_key, sizeof(s.chaining_key));
	memcpy(private_key, ephemeral, KEY_LEN);
	key_clamp(private_key);

	memset(message, 0, len);
	wire_put_type(head->type, WIRE_RESPONSE, responder->dialect);
	wire_put32(head->sender, local_index);
	wire_put32(head->receiver, responder->remote_index);
	/* e */
	key_derive_public(head->ephemeral, private_key);
	mix_ephemeral(&s, head->ephemeral);
	/* ee */
	if (!mix_dh(&s, key, private_key, responder->remote_ephemeral))
		goto out;
	/* se */
	if (!mix_dh(&s, key, private_key, responder->remote_static))
		goto out;
	/* psk */
	mix_psk(&s, key, remote->psk);
	/* payload */
	encrypt_and_hash(&s, message + sizeof(*head), fields->bytes, fields->len, key);

	split(&s, keys, false);
	keys->local_index = local_index;
	keys->remote_index = responder->remote_index;
	ret = (ssize_t)len;
out:
	key_wipe(private_key, sizeof(private_key));
	key_wipe(key, sizeof(key));
	key_wipe(&s, sizeof(s));
	return ret;
}

int noise_consume_response(struct noise_remote *remote, const struct noise_local *local,
	const uint8_t *message, size_t len, struct noise_fields *fields, struct noise_keys *keys)
{
	const struct wire_response *head = (const struct wire_response *)message;
	const size_t sealed_len = len - sizeof(*head) - sizeof(struct wire_macs);
	uint8_t plain[WIRE_FIELDS_MAX];
	uint8_t key[32];
	struct symmetric s;
	int ret = -EBADMSG;

	if (!local->has_key)
		return -ENOKEY;
	if (!remote->pending || remote->dialect != wire_dialect_of(message) ||
		remote->local_index != wire_get32(head->receiver))
		return -ENOENT;
	s = remote->symmetric;
	/* e */
	mix_ephemeral(&s, head->ephemeral);
	/* ee */
	if (!mix_dh(&s, key, remote->ephemeral_private, head->ephemeral))
		goto out;
	/* se */
	if (!mix_dh(&s, key, local->initiator.private_key, head->ephemeral))
		goto out;
	/* psk */
	mix_psk(&s, key, remote->psk);
	/* payload */
	if (!decrypt_and_hash(&s, plain, message + sizeof(*head), sealed_len, key))
		goto out;

	split(&s, keys, true);
	keys->local_index = remote->local_index;
	keys->remote_index = wire_get32(head->sender);
	fields->len = sealed_len - WIRE_TAG_LEN;
	memcpy(fields->bytes, plain, fields->len);
	noise_remote_clear(remote);
	ret = 0;
out:
	key_wipe(key, sizeof(key));
	key_wipe(&s, sizeof(s));
	return ret;
}
