/* SPDX-License-Identifier: ISC */
/*
 * How long anything takes tells nothing about secrets: no branch and no address depends on them.
 *
 * valgrind watches. Every key of 32 bytes is marked as undefined where it is drawn: private keys,
 * ephemeral ones, pre-shared and shared keys, a cookie checker's secret. All that is computed from
 * them is undefined then, and a jump or an address that follows from that is an error. What the
 * linker leads through here makes defined again what everybody may know: public keys, what is on
 * the wire, the content of messages that were opened, and whether a comparison of whole macs, tags
 * or keys has succeeded, though not in which byte it has failed.
 *
 * secrets.supp lists what libsodium does, each with its reason.
 */
#include "sim.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#ifdef HAVE_MEMCHECK /* configure found its header, and no sanitizer is asked for */

#include <valgrind/memcheck.h>

#include "core/chacha.h"
#include "core/tunnel_internal.h"

enum { SKIPPED = 77 };

static void make_public(const void *bytes, size_t len)
{
	(void)VALGRIND_MAKE_MEM_DEFINED(bytes, len);
}

/* ---- What is secret ---- */

void __real_randombytes_buf(void *bytes, size_t len);
void __wrap_randombytes_buf(void *bytes, size_t len);

void __wrap_randombytes_buf(void *bytes, size_t len)
{
	__real_randombytes_buf(bytes, len);
	if (len == KEY_LEN)
		(void)VALGRIND_MAKE_MEM_UNDEFINED(bytes, len);
}

/* ---- What is not ---- */

void __real_key_derive_public(uint8_t *public_key, const uint8_t *private_key);
void __wrap_key_derive_public(uint8_t *public_key, const uint8_t *private_key);

void __wrap_key_derive_public(uint8_t *public_key, const uint8_t *private_key)
{
	__real_key_derive_public(public_key, private_key);
	make_public(public_key, KEY_LEN);
}

/* Whether, of two whole secrets. */
#define VERDICT(function, parameters, arguments)                 \
	int __real_##function parameters;                        \
	int __wrap_##function parameters;                        \
                                                                 \
	int __wrap_##function parameters                         \
	{                                                        \
		const int verdict = __real_##function arguments; \
                                                                 \
		make_public(&verdict, sizeof(verdict));          \
		return verdict;                                  \
	}

VERDICT(sodium_memcmp, (const void *a, const void *b, size_t len), (a, b, len))
VERDICT(sodium_is_zero, (const unsigned char *bytes, const size_t len), (bytes, len))
VERDICT(crypto_verify_16, (const unsigned char *a, const unsigned char *b), (a, b))
/* Whether the peer's public key is of low order. */
VERDICT(crypto_scalarmult_curve25519,
	(unsigned char *out, const unsigned char *key, const unsigned char *point),
	(out, key, point))
/* Whoever sees the reply and knows the public key can open it. */
VERDICT(crypto_aead_xchacha20poly1305_ietf_decrypt,
	(unsigned char *plain, unsigned long long *len, unsigned char *none,
		const unsigned char *sealed, unsigned long long sealed_len,
		const unsigned char *data, unsigned long long data_len, const unsigned char *nonce,
		const unsigned char *key),
	(plain, len, none, sealed, sealed_len, data, data_len, nonce, key))

/* Keys are in no message, but for public ones; packets are for the host to read. */
#define OPENS(function, key_type, tag)                                                            \
	int __real_##function(unsigned char *plain, unsigned long long *len, unsigned char *none, \
		const unsigned char *sealed, unsigned long long sealed_len,                       \
		const unsigned char *data, unsigned long long data_len,                           \
		const unsigned char *nonce, key_type key);                                        \
	int __wrap_##function(unsigned char *plain, unsigned long long *len, unsigned char *none, \
		const unsigned char *sealed, unsigned long long sealed_len,                       \
		const unsigned char *data, unsigned long long data_len,                           \
		const unsigned char *nonce, key_type key);                                        \
                                                                                                  \
	int __wrap_##function(unsigned char *plain, unsigned long long *len, unsigned char *none, \
		const unsigned char *sealed, unsigned long long sealed_len,                       \
		const unsigned char *data, unsigned long long data_len,                           \
		const unsigned char *nonce, key_type key)                                         \
	{                                                                                         \
		const int verdict = __real_##function(                                            \
			plain, len, none, sealed, sealed_len, data, data_len, nonce, key);        \
                                                                                                  \
		make_public(&verdict, sizeof(verdict));                                           \
		make_public(plain, sealed_len - (tag));                                           \
		return verdict;                                                                   \
	}

OPENS(crypto_aead_chacha20poly1305_ietf_decrypt, const unsigned char *, 16)
OPENS(crypto_aead_aes256gcm_decrypt_afternm, const crypto_aead_aes256gcm_state *, 16)
#ifdef crypto_aead_aegis128l_KEYBYTES
OPENS(crypto_aead_aegis128l_decrypt, const unsigned char *, crypto_aead_aegis128l_ABYTES)
#endif
#ifdef crypto_aead_aegis256_KEYBYTES
OPENS(crypto_aead_aegis256_decrypt, const unsigned char *, crypto_aead_aegis256_ABYTES)
#endif

int __real_chacha_open(const uint8_t *key, const uint8_t *nonce, uint8_t *plain,
	const uint8_t *sealed, size_t sealed_len);
int __wrap_chacha_open(const uint8_t *key, const uint8_t *nonce, uint8_t *plain,
	const uint8_t *sealed, size_t sealed_len);

int __wrap_chacha_open(const uint8_t *key, const uint8_t *nonce, uint8_t *plain,
	const uint8_t *sealed, size_t sealed_len)
{
	const int verdict = __real_chacha_open(key, nonce, plain, sealed, sealed_len);

	make_public(plain, sealed_len - CHACHA_TAG);
	return verdict;
}

static bool on_the_wire(struct sim *sim, const struct sim_datagram *datagram)
{
	(void)sim;
	make_public(datagram->data, datagram->len);
	return true;
}

/* ---- Scenarios ---- */

static bool is_secret(const void *bytes, size_t len)
{
	uint8_t undefined[sizeof(struct aead_key)];

	assert_true(len <= sizeof(undefined));
	assert_int_equal(VALGRIND_GET_VBITS(bytes, undefined, len), 1);
	for (size_t i = 0; i < len; i++)
		if (undefined[i] != 0xff)
			return false;
	return true;
}

static unsigned long errors(void)
{
	return VALGRIND_COUNT_ERRORS;
}

/* Marks are carried from the keys through the handshake to both keys of the session: without that
 * the rest would show nothing. */
static void check_marks(const struct sim_end *end)
{
	const struct peer *peer = tunnel_first_peer(end->tunnel);

	assert_true(is_secret(tunnel_local(end->tunnel)->initiator.private_key + 1, 30));
	assert_non_null(peer->current);
	assert_true(is_secret(&peer->current->send, 16));
	assert_true(is_secret(&peer->current->receive, 16));
}

/* Handshakes in both directions, data, and the next session. */
static void conversations(const struct sim_kind *kind)
{
	const unsigned long before = errors();
	struct sim *sim = sim_pair(1, kind);

	sim->filter = on_the_wire;
	for (unsigned first = 0; first < 2; first++) {
		assert_true(sim_reaches(sim->ends[first], sim->ends[!first], SECOND));
		assert_true(sim_reaches(sim->ends[!first], sim->ends[first], SECOND));
		check_marks(sim->ends[0]);
		check_marks(sim->ends[1]);
		sim_restart(sim->ends[!first]);
		sim_run(sim, 10 * SECOND);
	}
	sim_free(sim);
	assert_int_equal(errors(), before);
}

/* One bit is wrong, all over the message, and at last nothing is. */
static void try_bits(struct sim_end *to, const struct sim_datagram *original)
{
	struct sim_datagram *copy = malloc(sizeof(*copy) + original->len);

	assert_non_null(copy);
	for (size_t at = 0; at < original->len; at += 11) {
		memcpy(copy, original, sizeof(*copy) + original->len);
		copy->data[at] ^= 0x10;
		sim_inject(to, &copy->from, copy->data, copy->len);
	}
	free(copy);
}

static void forgeries(const struct sim_kind *kind)
{
	const unsigned long before = errors();
	struct sim *sim = sim_pair(2, kind);
	struct sim_end *a = sim->ends[0], *b = sim->ends[1];

	sim->filter = on_the_wire;
	sim->taping = true;
	assert_true(sim_reaches(a, b, SECOND));
	assert_true(sim_reaches(b, a, SECOND));
	assert_true(sim->tape_count >= 4);
	for (size_t i = 0, count = sim->tape_count; i < count; i++) {
		const struct sim_datagram *sent = sim->tape[i];

		make_public(sent->data, sent->len);
		try_bits(endpoint_equal(&sent->from, &a->address) ? b : a, sent);
	}
	sim_free(sim);
	assert_int_equal(errors(), before);
}

/* A message of which only the macs are looked at, and who gets a cookie for it. */
static void cookies(const struct sim_kind *kind)
{
	const unsigned long before = errors();
	struct sim *sim = sim_pair(3, kind);
	const struct noise_local *local = tunnel_local(sim->ends[0]->tunnel);
	struct cookie_checker *checker = cookie_checker_new();
	const struct endpoint from = sim_address4(7, 51820);
	struct cookie_maker maker = { .has_cookie = false };
	uint8_t message[148] = { WIRE_INITIATION };
	struct wire_cookie reply;

	assert_non_null(checker);
	cookie_checker_set_local(checker, local);
	cookie_derive_keys(&maker.initiation_keys, local->responder.public_key);
	cookie_add_macs(&maker, message, sizeof(message), SECOND);
	assert_int_equal(cookie_check(checker, message, sizeof(message), &from, true, SECOND),
		COOKIE_NO_COOKIE);
	cookie_create_reply(checker, &reply, message, sizeof(message), &from, SECOND);
	assert_true(is_secret(reply.sealed_cookie, sizeof(reply.sealed_cookie)));
	make_public(&reply, sizeof(reply));
	reply.sealed_cookie[3] ^= 1;
	assert_int_equal(cookie_consume_reply(&maker, &reply, SECOND), -EBADMSG);
	reply.sealed_cookie[3] ^= 1;
	assert_int_equal(cookie_consume_reply(&maker, &reply, SECOND), 0);
	cookie_add_macs(&maker, message, sizeof(message), SECOND);
	make_public(message, sizeof(message));
	assert_int_equal(
		cookie_check(checker, message, sizeof(message), &from, true, SECOND), COOKIE_VALID);
	message[sizeof(message) - 1] ^= 1;
	assert_int_equal(cookie_check(checker, message, sizeof(message), &from, true, SECOND),
		COOKIE_NO_COOKIE);
	cookie_checker_free(checker);
	sim_free(sim);
	assert_int_equal(errors(), before);
}

/* What goes into a file or to `wg`, and comes from there. */
static void key_texts(const struct sim_kind *kind)
{
	const unsigned long before = errors();
	char base64[KEY_BASE64_SIZE], hex[KEY_HEX_SIZE];
	uint8_t key[KEY_LEN], again[KEY_LEN];

	(void)kind;
	key_generate_shared(key);
	key_to_base64(base64, key);
	key_to_hex(hex, key);
	assert_true(is_secret(key, sizeof(key)));
	assert_int_equal(key_from_base64(again, base64), 0);
	assert_true(key_equal(key, again));
	assert_int_equal(key_from_hex(again, hex), 0);
	assert_true(key_equal(key, again));
	assert_int_equal(errors(), before);
}

/* Under valgrind, whoever started it. */
static void run_under_valgrind(char **argv)
{
	static char suppressions[4096];
	const char *srcdir = getenv("srcdir");
	char *arguments[] = { "valgrind", "-q", "--error-exitcode=99", suppressions, argv[0],
		NULL };

	snprintf(suppressions, sizeof(suppressions), "--suppressions=%s/tests/sim/secrets.supp",
		srcdir ? srcdir : ".");
	execvp(arguments[0], arguments);
	printf("skipped: valgrind is not installed (apt-get install valgrind)\n");
	exit(SKIPPED);
}

int main(int argc, char **argv)
{
	static const struct sim_scenario scenarios[] = {
		SIM_EACH(conversations),
		SIM_EACH(forgeries),
		SIM_EACH(cookies),
		SIM_ONCE(key_texts),
	};

	(void)argc;
	if (!RUNNING_ON_VALGRIND)
		run_under_valgrind(argv);
	return sim_main("secrets", scenarios, sizeof(scenarios) / sizeof(*scenarios));
}

#else

int main(void)
{
	printf("skipped: valgrind's headers are not installed, or a sanitizer is in its place\n");
	return 77;
}

#endif
