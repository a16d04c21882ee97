/* SPDX-License-Identifier: ISC */
/*
 * Driven: a tunnel's file (host/config*.c), `culvert strip` (cli/strip.c), what the engine is told
 * of the file (host/diff.c, engine/uapi*.c) and SaveConfig (host/save_text.c). Input: the file's
 * text.
 *
 * Asserted: a configuration or errors, never both; problems stand in the order of their lines, name
 * lines that there are, hold nothing unprintable and nothing of a secret. What strip prints is a
 * file without errors that says the same, of which strip prints the same. What the engine was told
 * of a file is no reason to save anything; after changes, the saved file has no errors, keeps what
 * `wg` knows nothing of, and of it the engine is told what it had.
 */
#include <arpa/inet.h>

#include "cli/strip.h"
#include "config_file.h"
#include "engine/uapi.h"
#include "host/diff.h"
#include "host/policy.h"
#include "host/save.h"

enum { SECRET_MIN = 16 };

static const struct now when = { .boot = WIRE_SECOND, .wall = 1600000000 * WIRE_SECOND };

/* ---- Problems ---- */

/* The value of a line that gives a secret, if it is long enough to be known again; or NULL. */
static const char *secret_of(const char *line, const char *end)
{
	static const char *const keys[] = { "PrivateKey", "PresharedKey", "SharedKey" };
	const char *at = line;

	while (at < end && strchr(" \t\r\f\v", *at))
		at++;
	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
		const char *value = at + strlen(keys[i]);

		if (value >= end || strncasecmp(at, keys[i], strlen(keys[i])))
			continue;
		while (value < end && strchr(" \t=", *value))
			value++;
		if (value > at + strlen(keys[i]) && end - value >= SECRET_MIN)
			return value;
	}
	return NULL;
}

static void check_no_secret(const struct config_problems *problems, const char *text, size_t len)
{
	const char *end = text + len;
	unsigned number = 1;

	for (const char *line = text; line < end; number++) {
		const char *newline = memchr(line, '\n', (size_t)(end - line));
		const char *line_end = newline ? newline : end;
		const char *secret = memchr(line, '\0', (size_t)(line_end - line))
					     ? NULL
					     : secret_of(line, line_end);

		for (size_t i = 0; secret && i < problems->count; i++)
			FUZZ_CHECK(problems->items[i].line != number ||
					   !memmem(problems->items[i].text,
						   strlen(problems->items[i].text), secret,
						   SECRET_MIN),
				"a secret is shown: %s", problems->items[i].text);
		line = newline ? newline + 1 : end;
	}
}

static void check_problems(const struct config_problems *problems, const char *text, size_t len)
{
	size_t lines = 1, errors = 0;

	for (size_t i = 0; i < len; i++)
		lines += text[i] == '\n';
	for (size_t i = 0; i < problems->count; i++) {
		const struct config_problem *problem = &problems->items[i];

		FUZZ_CHECK(problem->line <= lines, "line %u of %zu", problem->line, lines);
		FUZZ_CHECK(!i || problem->line >= problem[-1].line, "line %u after %u",
			problem->line, problem[-1].line);
		FUZZ_CHECK(*problem->text, "an empty problem");
		for (const char *c = problem->text; *c; c++)
			FUZZ_CHECK((unsigned char)*c >= 0x20 && *c != 0x7f, "unprintable: %s",
				problem->text);
		errors += !problem->warning;
	}
	FUZZ_CHECK(problems->left_off || errors == problems->errors, "%zu errors of %zu", errors,
		problems->errors);
	check_no_secret(problems, text, len);
}

/* ---- strip ---- */

static bool same_key(const struct config_key *a, const struct config_key *b)
{
	return a->given == b->given && key_equal(a->bytes, b->bytes);
}

/* With the one that is chosen for a full tunnel. */
static uint32_t mark_of(const struct config *config)
{
	struct policy policy;

	FUZZ_CHECK(!policy_make_from_file(&policy, config), "no memory");
	return policy.mark;
}

/* All that wg knows of a file is in the other. */
static void check_same_for_wg(const struct config *a, const struct config *b)
{
	FUZZ_CHECK(same_key(&a->private_key, &b->private_key) && mark_of(a) == b->fwmark &&
			   a->listen_port_given == b->listen_port_given &&
			   a->listen_port == b->listen_port && a->peer_count == b->peer_count,
		"the interface differs");
	for (size_t i = 0; i < a->peer_count; i++) {
		const struct config_peer *one = &a->peers[i], *two = &b->peers[i];
		const char *host = one->endpoint.host, *other_host = two->endpoint.host;

		FUZZ_CHECK(same_key(&one->public_key, &two->public_key) &&
				   same_key(&one->preshared_key, &two->preshared_key) &&
				   one->allowed_ips.count == two->allowed_ips.count &&
				   one->persistent_keepalive == two->persistent_keepalive,
			"peer %zu differs", i);
		FUZZ_CHECK(
			!host == !other_host &&
				(!host || (!strcmp(host, other_host) &&
						  !strcmp(one->endpoint.port, two->endpoint.port))),
			"the endpoint of peer %zu differs", i);
	}
}

static void check_strip(const struct config *config)
{
	struct text once = { 0 }, twice = { 0 };
	const char *why = NULL;

	if (strip_config(config, &once, &why)) {
		FUZZ_CHECK((config->shared_key.given || config->tap) && why, "why not?");
		return;
	}
	struct config *again = load_good(OTHER_FD, once.bytes);

	check_same_for_wg(config, again);
	FUZZ_CHECK(!strip_config(again, &twice, &why), "%s", why);
	FUZZ_CHECK(!strcmp(once.bytes, twice.bytes), "strip made of\n%s\nthis\n%s", once.bytes,
		twice.bytes);
	config_free(again);
	text_free(&once);
	text_free(&twice);
}

/* ---- The engine ---- */

static void on_send(void *context, struct endpoint *to, const struct tunnel_burst *bursts,
	size_t count, uint8_t tos)
{
	(void)context, (void)to, (void)bursts, (void)count, (void)tos;
}

static void on_deliver(void *context, const struct iovec *parts, size_t count)
{
	(void)context, (void)parts, (void)count;
}

static void on_report(void *context, const struct tunnel_event *event)
{
	(void)context, (void)event;
}

static int rebind(void *context, uint16_t *port, uint32_t fwmark)
{
	(void)context, (void)port, (void)fwmark;
	return 0;
}

static const struct tunnel_ops ops = { on_send, on_deliver, on_report };

struct engine {
	struct tunnel *tunnel;
	struct uapi_device device;
};

static struct engine engine_new(const struct config *config)
{
	struct engine engine = { tunnel_new(&ops, NULL), { .rebind = rebind } };

	if (!engine.tunnel || (config->tap && tunnel_set_link(engine.tunnel, TUNNEL_LINK_ETHERNET)))
		abort();
	return engine;
}

/* A NUL behind the answer; to be freed. */
static char *tell(struct engine *engine, const char *request, size_t len)
{
	struct uapi_connection *connection = uapi_connection_new(engine->tunnel, &engine->device);
	size_t answer_len = 0;
	char *answer = NULL, *text;

	if (!connection ||
		uapi_connection_feed(connection, request, len, true, when, &answer, &answer_len))
		abort();
	uapi_connection_free(connection);
	text = malloc(answer_len + 1);
	if (!text)
		abort();
	memcpy(text, answer, answer_len);
	text[answer_len] = '\0';
	free(answer);
	return text;
}

static void tell_config(struct engine *engine, const struct config *config)
{
	struct diff diff;

	if (diff_make(NULL, config, &diff))
		abort();
	char *answer = tell(engine, diff.set.bytes, diff.set.len);

	FUZZ_CHECK(!strcmp(answer, "errno=0\n\n"), "the engine refuses this:\n%s%s", diff.set.bytes,
		answer);
	free(answer);
	diff_free(&diff);
}

static char *state_of(struct engine *engine)
{
	return tell(engine, "get=1\n\n", 7);
}

/* ---- SaveConfig ---- */

/* What `wg` changes while a tunnel runs. */
static void change(struct engine *engine, const struct config *config, size_t how)
{
	static const uint8_t new_key[KEY_LEN] = { 0xc3, 0xc3 };
	struct text request = { 0 };
	char hex[KEY_HEX_SIZE];
	uint8_t key[KEY_LEN];

	text_add(&request, "set=1\n");
	if (how & 1)
		text_add(&request, "listen_port=4711\nfwmark=17\n");
	if (config->peer_count) {
		diff_peer_key(config, &config->peers[how % config->peer_count], key);
		key_to_hex(hex, key);
		text_add(&request, "public_key=%s\n", hex);
		if (how & 2 && !config->shared_key.given)
			text_add(&request, "remove=true\n");
		else
			text_add(&request,
				"persistent_keepalive_interval=%zu\nendpoint=192.0.2.9:9\n%s",
				how % 50,
				config->tap ? "" /* no file says such */
					    : "allowed_ip=10.99.0.0/16\nallowed_ip=fd99::/64\n");
	}
	key_to_hex(hex, new_key);
	if (!config->shared_key.given && how & 4)
		text_add(&request, "public_key=%s\n%s", hex,
			config->tap ? "" : "allowed_ip=10.98.0.0/16\n");
	text_add(&request, "\n");
	char *answer = tell(engine, request.bytes, request.len);

	FUZZ_CHECK(!strcmp(answer, "errno=0\n\n"), "the engine refuses this:\n%s", request.bytes);
	free(answer);
	text_free(&request);
}

/* Lines of a state that the file can say, for comparison. */
static bool same_settings(const char *a, const char *b)
{
	static const char *const ignored[] = { "culvert_added=", "errno=" };

	while (*a && *b) {
		const size_t len = strcspn(a, "\n") + 1;
		bool skip = false;

		for (size_t i = 0; i < 2; i++)
			skip |= !strncmp(a, ignored[i], strlen(ignored[i]));
		if (!skip && strncmp(a, b, len))
			return false;
		a += len;
		b += strcspn(b, "\n") + 1;
	}
	return *a == *b;
}

static bool has_name(const struct config *config)
{
	struct in_addr address;

	for (size_t i = 0; i < config->peer_count; i++) {
		const char *host = config->peers[i].endpoint.host;

		if (host && !strchr(host, ':') && !inet_pton(AF_INET, host, &address))
			return true;
	}
	return false;
}

/* A name stays in the file, wherever the peer is, and nobody looks it up here. */
static void forget_endpoints(char *state)
{
	char *line = state;

	while (*line) {
		char *next = line + strcspn(line, "\n") + 1;

		if (!strncmp(line, "endpoint=", 9))
			memmove(line, next, strlen(next) + 1);
		else
			line = next;
	}
}

static void check_saved(
	struct engine *engine, const struct config *config, const char *text, size_t how)
{
	struct text new = { 0 };

	change(engine, config, how);
	char *running = state_of(engine), *answer = strdup(running);
	const int error = save_rewrite(&new, text, config, answer);

	free(answer);
	FUZZ_CHECK(!error || error == -ENOTSUP || error == -EXDEV, "error %d", error);
	if (!error && new.bytes) {
		struct engine again = engine_new(config);
		struct config *saved = load_good(OTHER_FD, new.bytes);

		check_kept(config, saved);
		tell_config(&again, saved);
		char *state = state_of(&again);

		if (has_name(saved)) {
			forget_endpoints(running);
			forget_endpoints(state);
		}
		FUZZ_CHECK(same_settings(running, state),
			"of\n%s\nwith\n%s\nthis was saved\n%s\nwhich gives\n%s", text, running,
			new.bytes, state);
		free(state);
		config_free(saved);
		tunnel_free(again.tunnel);
	}
	free(running);
	text_free(&new);
}

static void check_save(const struct config *config, const char *text, size_t how)
{
	struct engine engine = engine_new(config);
	struct text new = { 0 };

	tell_config(&engine, config);
	char *answer = state_of(&engine);
	const int error = save_rewrite(&new, text, config, answer);

	FUZZ_CHECK(!error || error == -ENOTSUP, "error %d", error);
	FUZZ_CHECK(!new.bytes, "unchanged,\n%s\nwould be saved as\n%s", text, new.bytes);
	free(answer);
	if (!error)
		check_saved(&engine, config, text, how);
	tunnel_free(engine.tunnel);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	char *text = malloc(len + 1);
	struct config_problems problems;

	fuzz_begin(5);
	if (!text)
		abort();
	if (len)
		memcpy(text, data, len);
	text[len] = '\0';
	write_file(FILE_FD, text, len);
	struct config *config = load(FILE_FD, &problems);

	check_problems(&problems, text, len);
	config_problems_free(&problems);
	if (config) {
		check_strip(config);
		check_save(config, text, len);
	}
	config_free(config);
	free(text);
	return 0;
}
