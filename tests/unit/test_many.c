/* SPDX-License-Identifier: ISC */
/*
 * Many peers and prefixes: work that grows with their square is found out by the CPU time that four
 * times as many take. That is about 4 times as much, or 5 where something is sorted; a square is 16
 * times. Ratios of one run are the same on a slow machine and under valgrind; but not with
 * AddressSanitizer, which looks through the rest of a text at every call of some string functions.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>
#include <sodium.h>

#include "cli/status.h"
#include "core/kdf.h"
#include "host/diff.h"
#include "host/policy.h"
#include "host/save.h"

#if !defined(__SANITIZE_ADDRESS__) && defined(__has_feature)
#if __has_feature(address_sanitizer)
#define __SANITIZE_ADDRESS__ 1
#endif
#endif

enum { FEW = 4000, TIMES = 4, TRIES = 3, RATIO_MOST = 9 };

struct scale {
	size_t count;
	struct config config, other; /* the same peers, in the reverse order in other */
	struct text file, answer, monitor;
};

static void number_key(uint8_t key[KEY_LEN], size_t number)
{
	kdf_hash(key, &number, sizeof(number), NULL, 0);
}

/* Each peer with an address and an endpoint of its own, none of which is in a prefix. */
static void make_peer(struct config_peer *peer, size_t number)
{
	number_key(peer->public_key.bytes, number);
	peer->public_key.given = true;
	peer->allowed_ips.items = calloc(1, sizeof(*peer->allowed_ips.items));
	assert_non_null(peer->allowed_ips.items);
	peer->allowed_ips.count = 1;
	*peer->allowed_ips.items = (struct config_prefix){ .family = AF_INET,
		.length = 32,
		.address = {
			10, (uint8_t)(number >> 16), (uint8_t)(number >> 8), (uint8_t)number } };
	peer->endpoint.host = strdup("192.0.2.1");
	assert_non_null(peer->endpoint.host);
	snprintf(peer->endpoint.port, sizeof(peer->endpoint.port), "%zu", 1 + number % 60000);
}

static void make_config(struct config *config, size_t count, bool reverse)
{
	config->peers = calloc(count, sizeof(*config->peers));
	assert_non_null(config->peers);
	config->peer_count = count;
	config->path = strdup("/many.conf");
	config->name = strdup("many");
	for (size_t i = 0; i < count; i++)
		make_peer(&config->peers[i], reverse ? count - 1 - i : i);
}

static void add_peer_texts(struct scale *scale, unsigned line, struct config_peer *peer)
{
	char base64[KEY_BASE64_SIZE], hex[KEY_HEX_SIZE];
	const uint8_t *address = peer->allowed_ips.items->address;

	key_to_base64(base64, peer->public_key.bytes);
	key_to_hex(hex, peer->public_key.bytes);
	peer->line = line;
	text_add(&scale->file,
		"[Peer]\nPublicKey = %s\nAllowedIPs = 10.%u.%u.%u/32\nEndpoint = %s:%s\n", base64,
		address[1], address[2], address[3], peer->endpoint.host, peer->endpoint.port);
	text_add(&scale->answer,
		"public_key=%s\nendpoint=%s:%s\npersistent_keepalive_interval=25\n"
		"allowed_ip=10.%u.%u.%u/32\n",
		hex, peer->endpoint.host, peer->endpoint.port, address[1], address[2], address[3]);
	text_add(&scale->monitor, "peer=%s\n", base64);
}

static struct scale *make_scale(size_t count)
{
	static const char head[] = "[Interface]\nPrivateKey = "
				   "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=\n";
	struct scale *scale = calloc(1, sizeof(*scale));

	assert_non_null(scale);
	scale->count = count;
	make_config(&scale->config, count, false);
	make_config(&scale->other, count, true);
	text_add(&scale->file, "%s", head);
	text_add(&scale->monitor, "name=many\nstate=running\ndevice=many\n");
	for (size_t i = 0; i < count; i++)
		add_peer_texts(scale, 3 + (unsigned)i * 4, &scale->config.peers[i]);
	text_add(&scale->answer, "errno=0\n\n");
	text_add(&scale->monitor, "\n");
	return scale;
}

static void clear_config(struct config *config)
{
	for (size_t i = 0; i < config->peer_count; i++) {
		free(config->peers[i].allowed_ips.items);
		free(config->peers[i].endpoint.host);
	}
	free(config->peers);
	free(config->path);
	free(config->name);
}

static void free_scale(struct scale *scale)
{
	clear_config(&scale->config);
	clear_config(&scale->other);
	text_free(&scale->file);
	text_free(&scale->answer);
	text_free(&scale->monitor);
	free(scale);
}

static char *copy_of(const struct text *text)
{
	char *copy = strdup(text->bytes);

	assert_non_null(copy);
	return copy;
}

/* ---- What is done with them ---- */

static void reload(struct scale *scale)
{
	struct diff diff;

	assert_int_equal(diff_make(&scale->config, &scale->other, &diff), 0);
	assert_int_equal(diff.set.len, 0); /* the order of peers means nothing */
	diff_free(&diff);
}

static void plan(struct scale *scale)
{
	struct policy policy;

	assert_int_equal(policy_make_from_file(&policy, &scale->config), 0);
	assert_false(policy.ipv4);
}

/* Each peer has a keepalive now that the file does not say. */
static void save(struct scale *scale)
{
	char *answer = copy_of(&scale->answer);
	struct text new;

	assert_int_equal(save_rewrite(&new, scale->file.bytes, &scale->config, answer), 0);
	assert_int_equal(
		new.len, scale->file.len + scale->count * strlen("PersistentKeepalive = 25\n"));
	text_free(&new);
	free(answer);
}

/* One peer that has them all, which the engine names in another order. */
static void save_prefixes(struct scale *scale)
{
	struct text answer = { 0 }, file = { 0 }, new;
	struct config_prefix *items = calloc(scale->count, sizeof(*items));
	struct config config = scale->config;
	struct config_peer peer = config.peers[0];
	char hex[KEY_HEX_SIZE];

	assert_non_null(items);
	config.peers = &peer;
	config.peer_count = 1;
	peer.allowed_ips = (struct config_prefixes){ .items = items, .count = scale->count };
	key_to_hex(hex, peer.public_key.bytes);
	text_add(&answer, "public_key=%s\n", hex);
	for (size_t i = 0; i < scale->count; i++) {
		items[i] = *scale->config.peers[i].allowed_ips.items;
		const uint8_t *address = scale->other.peers[i].allowed_ips.items->address;

		text_add(
			&answer, "allowed_ip=10.%u.%u.%u/32\n", address[1], address[2], address[3]);
	}
	text_add(&answer, "errno=0\n\n");
	text_add(&file, "[Interface]\n\n[Peer]\n");
	assert_int_equal(save_rewrite(&new, file.bytes, &config, answer.bytes), 0);
	assert_int_equal(new.len, 0);
	text_free(&answer);
	text_free(&file);
	free(items);
}

static void show(struct scale *scale)
{
	char *engine = copy_of(&scale->answer), *monitor = copy_of(&scale->monitor);
	struct status status = { 0 };

	assert_int_equal(status_parse_engine(&status, engine), 0);
	assert_int_equal(status_parse_monitor(&status, monitor), 0);
	assert_int_equal(status.peer_count, scale->count);
	status_free(&status);
	free(engine);
	free(monitor);
}

/* ---- The time it takes ---- */

static double cpu_seconds(void)
{
	struct timespec time;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static double shortest(void (*work)(struct scale *scale), struct scale *scale)
{
	double least = 0;

	for (int i = 0; i < TRIES; i++) {
		const double begin = cpu_seconds();

		work(scale);
		const double spent = cpu_seconds() - begin;

		if (!i || spent < least)
			least = spent;
	}
	return least;
}

static const struct job {
	const char *name;
	void (*work)(struct scale *scale);
} jobs[] = {
	{ "a reload", reload },
	{ "the plan of a full tunnel", plan },
	{ "SaveConfig", save },
	{ "SaveConfig of one peer's prefixes", save_prefixes },
	{ "culvert status", show },
};

static void test_no_square(void **state)
{
#ifdef __SANITIZE_ADDRESS__
	print_message("skipped: AddressSanitizer's own work grows with the square\n");
	skip();
#endif
	struct scale *few = make_scale(FEW), *many = make_scale(FEW * TIMES);

	(void)state;
	for (size_t i = 0; i < sizeof(jobs) / sizeof(*jobs); i++) {
		const double with_few = shortest(jobs[i].work, few);
		const double with_many = shortest(jobs[i].work, many);

		print_message("%s: %.1f ms with %d, %.1f ms with %d: %.1f times\n", jobs[i].name,
			with_few * 1e3, FEW, with_many * 1e3, FEW * TIMES, with_many / with_few);
		if (with_many > RATIO_MOST * with_few)
			fail_msg("%s grows with the square", jobs[i].name);
	}
	free_scale(few);
	free_scale(many);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_square),
	};

	return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
