/* SPDX-License-Identifier: ISC */
/* The control protocol: requests in pieces, long ones, random ones and garbage. */
#include "uapi_fixture.h"
#include "under_valgrind.h"

/* ---- Framing ---- */

#define SCRIPT                                                                            \
	"get=1\n\nset=1\nprivate_key=" PRIVATE "\nlisten_port=7\n" A "preshared_key=" PSK \
	"\nendpoint=[::1]:9\nallowed_ip=10.0.0.0/8\nallowed_ip=-10.0.0.0/8\n\n"           \
	"set=1\nlisten_port=x\n\nget=1\nx=\n\nset=1\n\nget=1\n\nset=1\nfwmark=5\n" A      \
	"remove=true\n"
#define SCRIPT_ANSWER                                                                             \
	PORT("0")                                                                                 \
	OK OK "errno=-22\n\nerrno=-22\n\n" OK "private_key=" CLAMPED                              \
	      "\n" PORT("7") "public_key=" ANNA "\npreshared_key=" PSK                            \
			     "\nprotocol_version=1\nendpoint=[::1]:9\n" NO_TRAFFIC KEEPALIVE("0") \
				     PLAIN OK OK

static void test_split_anywhere(void **state)
{
	const char *script = SCRIPT;
	const size_t len = strlen(script);

	(void)state;
	for (size_t cut = 0; cut <= len; cut++) {
		struct fixture fixture;
		struct answer answer = { NULL, 0 };

		fixture_init(&fixture);
		struct uapi_connection *connection =
			uapi_connection_new(fixture.tunnel, &fixture.device);

		assert_int_equal(feed(connection, SCRIPT, cut, false, &answer), 0);
		/* The last byte, a newline, may be missing too. */
		assert_int_equal(
			feed(connection, script + cut, len - cut - (cut < len), true, &answer), 0);
		uapi_connection_free(connection);
		char *text = answer_text(&answer);

		assert_string_equal(text, SCRIPT_ANSWER);
		free(text);
		expect(&fixture, "get=1\n\n",
			"private_key=" CLAMPED "\n" PORT("7") "fwmark=5\n" OK);
		fixture_free(&fixture);
	}
}

static void test_pieces(void **state)
{
	(void)state;
	for (size_t piece = 1; piece < 100; piece++) {
		struct fixture fixture;
		int status;

		fixture_init(&fixture);
		char *answer =
			ask_in_pieces(&fixture, SCRIPT, strlen(SCRIPT), piece, true, &status);

		assert_int_equal(status, 0);
		assert_string_equal(answer, SCRIPT_ANSWER);
		free(answer);
		fixture_free(&fixture);
	}
}

static void test_end_of_file(void **state)
{
	static const struct {
		const char *request, *answer;
	} cases[] = {
		{ "", "" },
		{ "get=1\n\n", PORT("0") OK },
		{ "get=1\n", PORT("0") OK },
		{ "get=1", PORT("0") OK },
		{ "set=1", OK },
		{ "set=1\nlisten_port=0", OK },
		{ "set=1\nlisten_port=", "errno=-22\n\n" },
		{ "get=1\nx", "errno=-22\n\n" },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fixture fixture;
		int status;

		fixture_init(&fixture);
		char *answer = ask_in_pieces(
			&fixture, cases[i].request, strlen(cases[i].request), 1, true, &status);

		assert_int_equal(status, 0);
		assert_string_equal(answer, cases[i].answer);
		free(answer);
		fixture_free(&fixture);
	}
}

/* What ends a connection: the requests before it are answered, the ones after it are not. */
static void test_neither_get_nor_set(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
	} cases[] = {
#define BYTES(s) { s, sizeof(s) - 1 }
		BYTES("\n"),
		BYTES("get=2\n"),
		BYTES("set=\n"),
		BYTES("get=1\r\n"),
		BYTES("get=1 \n"),
		BYTES("get\n"),
		BYTES("get=1\0\n"),
		BYTES("\0\n"),
		BYTES("GET / HTTP/1.0\r\n"),
#undef BYTES
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fixture fixture;
		struct answer answer = { NULL, 0 };

		fixture_init(&fixture);
		struct uapi_connection *connection =
			uapi_connection_new(fixture.tunnel, &fixture.device);

		assert_int_equal(feed(connection, "set=1\n\n", 7, false, &answer), 0);
		assert_int_equal(
			feed(connection, cases[i].bytes, cases[i].len, false, &answer), -EPROTO);
		assert_int_equal(feed(connection, "get=1\n\n", 7, false, &answer), -EPROTO);
		assert_int_equal(feed(connection, NULL, 0, true, &answer), -EPROTO);
		uapi_connection_free(connection);
		char *text = answer_text(&answer);

		assert_string_equal(text, OK "errno=-71\n\n");
		free(text);
		fixture_free(&fixture);
	}
}

/* A line of "x=" and dashes, len bytes long, as an unknown key of a set; and what follows it. */
static void check_long_line(size_t len, const char *key, int error)
{
	const size_t size = len + 64;
	char *request = malloc(size), expected[64];
	struct fixture fixture;

	fixture_init(&fixture);
	assert_non_null(request);
	size_t at = (size_t)snprintf(request, size, "set=1\n%s", key);

	while (at < len + 6)
		request[at++] = '0';
	strcpy(request + at, "1\nreplace_peers=true\n\nset=1\n\n");
	snprintf(expected, sizeof(expected), "errno=%d\n\n" OK, error);
	expect(&fixture, request, expected);
	free(request);
	fixture_free(&fixture);
}

static void test_long_lines(void **state)
{
	(void)state;
	check_long_line(4095, "listen_port=", 0); /* a number with many zeros before it */
	check_long_line(4096, "listen_port=", -EINVAL);
	check_long_line(4097, "listen_port=", -EINVAL);
	check_long_line(1000000, "listen_port=", -EINVAL);
}

static void test_nul_in_a_line(void **state)
{
	static const char request[] = "set=1\nlisten_port=5\0\n\nset=1\n\0\n\nset=1\n\n";
	struct fixture fixture;
	int status;

	(void)state;
	for (size_t piece = 1; piece < sizeof(request); piece++) {
		fixture_init(&fixture);
		char *answer = ask_in_pieces(
			&fixture, request, sizeof(request) - 1, piece, false, &status);

		assert_int_equal(status, 0);
		assert_string_equal(answer, "errno=-22\n\nerrno=-22\n\n" OK);
		assert_int_equal(fixture.rebinds, 0);
		free(answer);
		fixture_free(&fixture);
	}
}

static void test_request_too_large(void **state)
{
	struct fixture fixture;
	struct answer answer = { NULL, 0 };
	char line[4096];
	size_t fed = 6;
	int error = 0;

	(void)state;
	fixture_init(&fixture);
	struct uapi_connection *connection = uapi_connection_new(fixture.tunnel, &fixture.device);

	memset(line, '0', sizeof(line));
	memcpy(line, "fwmark=", 7);
	memcpy(line + sizeof(line) - 2, "1\n", 2);
	assert_int_equal(feed(connection, "set=1\n", 6, false, &answer), 0);
	for (; !error; fed += sizeof(line))
		error = feed(connection, line, sizeof(line), false, &answer);
	assert_int_equal(error, -E2BIG);
	assert_in_range(fed, 64 << 20, (64 << 20) + sizeof(line));
	uapi_connection_free(connection);
	char *text = answer_text(&answer);

	assert_string_equal(text, "errno=-7\n\n");
	assert_int_equal(fixture.rebinds, 0);
	free(text);
	fixture_free(&fixture);
}

/* ---- Many allowed IPs ---- */

enum { MANY = 256 * 255 * 2 };

/* The request to give a peer all of them; *len long. */
static char *many_request(const char *public_key, size_t *len)
{
	char *request = malloc(MANY * 40 + 200);
	size_t at;

	assert_non_null(request);
	at = (size_t)sprintf(
		request, "set=1\npublic_key=%s\nreplace_allowed_ips=true\n", public_key);
	for (unsigned i = 0; i < MANY / 2; i++)
		at += (size_t)sprintf(request + at,
			"allowed_ip=10.%u.%u.7/32\nallowed_ip=fd00:1234:5678:9abc::%x/128\n",
			i >> 8, i & 255, i + 1);
	at += (size_t)sprintf(request + at, "\n");
	*len = at;
	return request;
}

static size_t count_lines(const char *text, const char *start)
{
	const size_t len = strlen(start);
	size_t count = 0;

	/* Not by strstr, which under ASan measures the whole rest each time. */
	for (const char *line = text; *line; line = strchrnul(line, '\n') + 1)
		count += !strncmp(line, start, len);
	return count;
}

static void test_many_allowed_ips(void **state)
{
	static const char *const keys[] = { ANNA, ANNA, BERT };
	struct fixture fixture;

	(void)state;
	skip_under_valgrind(); /* half a minute, and no line of code that others do not run */
	fixture_init(&fixture);
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		size_t len;
		int status;
		char *request = many_request(keys[i], &len);
		char *answer = ask_in_pieces(&fixture, request, len, 4096, false, &status);

		assert_int_equal(status, 0);
		assert_string_equal(answer, OK);
		free(answer);
		free(request);
		answer = ask(&fixture, "get=1\n\n");
		assert_int_equal(count_lines(answer, "allowed_ip="), MANY);
		assert_non_null(strstr(answer, "\nallowed_ip=10.254.255.7/32\n"
					       "allowed_ip=fd00:1234:5678:9abc::ff00/128\n"));
		free(answer);
	}
	assert_int_equal(tunnel_first_peer(fixture.tunnel)->allowed.count, 0);
	assert_int_equal(tunnel_first_peer(fixture.tunnel)->next_peer->allowed.count, MANY);
	fixture_free(&fixture);
}

/* ---- Random requests against a naive model ---- */

enum { MODEL_PEERS = 4, MODEL_PREFIXES = 8 };

struct model {
	bool exists[MODEL_PEERS];
	int owner[MODEL_PREFIXES]; /* -1: nobody */
	unsigned keepalive[MODEL_PEERS];
};

static const char *const model_prefix[MODEL_PREFIXES] = { "0.0.0.0/0", "10.0.0.0/8", "10.1.0.0/16",
	"10.1.1.1/32", "::/0", "fd00::/8", "fd00::/64", "fd00::1/128" };
static const char *const model_key[MODEL_PEERS] = { ANNA, BERT, CARL, PSK };

/* A generator of its own, so that a failure comes again (xorshift). */
static uint32_t random_next(uint32_t *seed, uint32_t below)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 17;
	*seed ^= *seed << 5;
	return *seed % below;
}

static void model_disown(struct model *model, int peer)
{
	for (int i = 0; i < MODEL_PREFIXES; i++) {
		if (model->owner[i] == peer)
			model->owner[i] = -1;
	}
}

static void model_drop(struct model *model, int peer)
{
	model_disown(model, peer);
	model->exists[peer] = false;
	model->keepalive[peer] = 0;
}

/* One allowed_ip or keepalive line, written and modelled. */
static int model_line(struct model *model, int peer, uint32_t *seed, char *at)
{
	const uint32_t choice = random_next(seed, 4);
	const uint32_t prefix = random_next(seed, MODEL_PREFIXES);

	if (choice == 0) {
		model->keepalive[peer] = random_next(seed, 65536);
		return sprintf(at, "persistent_keepalive_interval=%u\n", model->keepalive[peer]);
	}
	if (choice == 1) {
		if (model->owner[prefix] == peer)
			model->owner[prefix] = -1;
		return sprintf(at, "allowed_ip=-%s\n", model_prefix[prefix]);
	}
	model->owner[prefix] = peer;
	return sprintf(at, "allowed_ip=%s\n", model_prefix[prefix]);
}

/* A peer's lines, written and modelled. */
static char *model_peer(struct model *model, uint32_t *seed, char *at)
{
	const int peer = (int)random_next(seed, MODEL_PEERS);
	const uint32_t choice = random_next(seed, 8);
	struct model ignored = *model;

	at += sprintf(at, "public_key=%s\n", model_key[peer]);
	if (choice == 0) {
		model_drop(model, peer);
		return at + sprintf(at, "remove=true\n");
	}
	if (choice <= 2) {
		at += sprintf(at, "update_only=true\n");
		if (!model->exists[peer])
			model = &ignored;
	}
	model->exists[peer] = true;
	if (choice == 3) {
		model_disown(model, peer);
		at += sprintf(at, "replace_allowed_ips=true\n");
	}
	for (uint32_t lines = random_next(seed, 5); lines; lines--)
		at += model_line(model, peer, seed, at);
	return at;
}

static void model_check(const struct model *model, const struct fixture *fixture)
{
	for (int i = 0; i < MODEL_PEERS; i++) {
		uint8_t key[KEY_LEN];
		size_t prefixes = 0;

		assert_int_equal(key_from_hex(key, model_key[i]), 0);
		const struct peer *peer = tunnel_find_peer(fixture->tunnel, key);

		assert_int_equal(peer != NULL, model->exists[i]);
		if (!peer)
			continue;
		assert_int_equal(peer->timers.persistent_interval, model->keepalive[i]);
		for (int j = 0; j < MODEL_PREFIXES; j++)
			prefixes += model->owner[j] == i;
		assert_int_equal(peer->allowed.count, prefixes);
	}
}

/* Each prefix stands between its owner's public_key line and the next. */
static void model_check_text(const struct model *model, const char *text)
{
	for (int i = 0; i < MODEL_PREFIXES; i++) {
		char line[64];

		snprintf(line, sizeof(line), "\nallowed_ip=%s\n", model_prefix[i]);
		const char *found = strstr(text, line), *owner = NULL;

		assert_int_equal(found != NULL, model->owner[i] >= 0);
		for (const char *at = text; found && (at = strstr(at, "public_key=")) && at < found;
			at++)
			owner = at;
		if (found)
			assert_memory_equal(owner + strlen("public_key="),
				model_key[model->owner[i]], KEY_HEX_SIZE - 1);
	}
}

static void test_against_model(void **state)
{
	struct fixture fixture;
	struct model model = { .owner = { -1, -1, -1, -1, -1, -1, -1, -1 } };
	uint32_t seed = 20260101;

	(void)state;
	fixture_init(&fixture);
	for (unsigned round = random_rounds(5000); round--;) {
		char request[4096], *at = request;

		at += sprintf(at, "set=1\n");
		if (!random_next(&seed, 20)) {
			at += sprintf(at, "replace_peers=true\n");
			for (int i = 0; i < MODEL_PEERS; i++)
				model_drop(&model, i);
		}
		for (uint32_t peers = random_next(&seed, 4); peers; peers--)
			at = model_peer(&model, &seed, at);
		sprintf(at, "\n");
		expect(&fixture, request, OK);
		model_check(&model, &fixture);
		char *text = ask(&fixture, "get=1\n\n");

		model_check_text(&model, text);
		free(text);
	}
	fixture_free(&fixture);
}

/* ---- Garbage ---- */

static const char *const seeds[] = {
	SCRIPT "\n",
	SET("private_key=" PRIVATE "\nlisten_port=51820\nfwmark=1\nreplace_peers=true\n" A
	    "preshared_key=" PSK "\nendpoint=192.0.2.1:51820\npersistent_keepalive_interval=25\n"
	    "replace_allowed_ips=true\nallowed_ip=10.0.0.0/8\nallowed_ip=fd00::/8\n"
	    "protocol_version=1\n"),
	SET(A "endpoint=[fe80::1%eth0]:51820\nculvert_cipher=auto\nculvert_name="
	      "\xc3\xbc\xe2\x82\xac\n"
	      "public_key=" BERT "\nupdate_only=true\npublic_key=" CARL "\nremove=true\n"),
	SET("culvert_shared_key=" SHARED "\nlisten_port=9\n") "get=1\n\n",
};

/* Changes bytes, takes some away, repeats some. The buffer has room for twice the length. */
static size_t mutate(char *bytes, size_t len, uint32_t *seed)
{
	static const char likely[] = "\n\n\n==/:-%[].019af \0\xff";

	for (uint32_t changes = random_next(seed, 4) + 1; changes && len > 8; changes--) {
		const size_t at = random_next(seed, (uint32_t)len);
		size_t span = random_next(seed, 80) + 1;

		span = span > len - at ? len - at : span;
		switch (random_next(seed, 5)) {
		case 0:
			bytes[at] = (char)random_next(seed, 256);
			break;
		case 1:
			bytes[at] = likely[random_next(seed, sizeof(likely) - 1)];
			break;
		case 2:
			memmove(bytes + at, bytes + at + span, len - at - span);
			len -= span;
			break;
		case 3:
			memmove(bytes + at + span, bytes + at, len - at);
			len += span;
			break;
		default:
			bytes[at] ^= (char)(1u << random_next(seed, 8));
			break;
		}
	}
	return len;
}

/* Takes a number of bytes in random pieces. */
static char *ask_at_random(struct fixture *fixture, const char *bytes, size_t len, uint32_t *seed)
{
	struct uapi_connection *connection = uapi_connection_new(fixture->tunnel, &fixture->device);
	struct answer answer = { NULL, 0 };
	int error = 0;

	assert_non_null(connection);
	for (size_t at = 0, piece; at < len && !error; at += piece) {
		piece = random_next(seed, 60) + 1;
		piece = piece > len - at ? len - at : piece;
		/* A copy of exactly this size, so that reading past it is noticed. */
		char *copy = malloc(piece);

		assert_non_null(copy);
		memcpy(copy, bytes + at, piece);
		error = feed(connection, copy, piece, false, &answer);
		free(copy);
	}
	if (!error)
		feed(connection, NULL, 0, true, &answer);
	uapi_connection_free(connection);
	return answer_text(&answer);
}

/* Every answer ends with errno; one to a set is nothing else. Returns how many succeeded. */
static unsigned check_answers(const char *text)
{
	unsigned succeeded = 0;

	while (*text) {
		const char *number = strstr(text, "errno="), *end = strstr(text, "\n\n");
		char *stop;

		assert_non_null(number);
		assert_non_null(end);
		const long error = strtol(number + strlen("errno="), &stop, 10);

		assert_ptr_equal(stop, end);
		assert_in_range(-error, 0, 200);
		if (error)
			assert_ptr_equal(number, text);
		if (number != text)
			assert_int_equal(number[-1], '\n');
		succeeded += !error;
		text = end + 2;
	}
	return succeeded;
}

/* The same bytes do the same however they come, and what fails changes nothing. */
static void test_random_mutations(void **state)
{
	struct fixture one, two;
	char bytes[4096];
	uint32_t seed = 4711;
	int status;
	unsigned succeeded = 0, failed = 0;

	(void)state;
	fixture_init(&one);
	fixture_init(&two);
	for (unsigned round = 0; round < random_rounds(20000); round++) {
		const char *text = seeds[round % (sizeof(seeds) / sizeof(seeds[0]))];
		char *before = ask(&one, "get=1\n\n");

		memcpy(bytes, text, strlen(text));
		const size_t len = mutate(bytes, strlen(text), &seed);
		char *whole = ask_in_pieces(&one, bytes, len, len, true, &status);
		char *pieces = ask_at_random(&two, bytes, len, &seed);

		assert_string_equal(whole, pieces);
		char *after_one = ask(&one, "get=1\n\n"), *after_two = ask(&two, "get=1\n\n");

		assert_string_equal(after_one, after_two);
		if (check_answers(whole)) {
			succeeded++;
		} else {
			failed++;
			assert_string_equal(before, after_one);
		}
		free(before);
		free(whole);
		free(pieces);
		free(after_one);
		free(after_two);
		if (tunnel_local(one.tunnel)->shared) { /* nothing else would be tried any more */
			fixture_free(&one);
			fixture_free(&two);
			fixture_init(&one);
			fixture_init(&two);
		}
	}
	assert_true(succeeded > random_rounds(2000) && failed > random_rounds(2000));
	fixture_free(&one);
	fixture_free(&two);
}

/* Bytes of no meaning at all, after a first line that has one. */
static void test_noise(void **state)
{
	struct fixture fixture;
	uint32_t seed = 815;

	(void)state;
	fixture_init(&fixture);
	for (unsigned round = 0; round < random_rounds(2000); round++) {
		char bytes[300];
		const size_t len = random_next(&seed, sizeof(bytes) - 6) + 6;

		for (size_t i = 0; i < len; i++)
			bytes[i] = (char)random_next(&seed, 256);
		if (round & 1)
			memcpy(bytes, "set=1\n", 6);
		free(ask_at_random(&fixture, bytes, len, &seed));
		expect(&fixture, "get=1\n\n", PORT("0") OK);
	}
	fixture_free(&fixture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_split_anywhere),
		cmocka_unit_test(test_pieces),
		cmocka_unit_test(test_end_of_file),
		cmocka_unit_test(test_neither_get_nor_set),
		cmocka_unit_test(test_long_lines),
		cmocka_unit_test(test_nul_in_a_line),
		cmocka_unit_test(test_request_too_large),
		cmocka_unit_test(test_many_allowed_ips),
		cmocka_unit_test(test_against_model),
		cmocka_unit_test(test_random_mutations),
		cmocka_unit_test(test_noise),
	};

	return cmocka_run_group_tests(tests, sodium_setup, NULL);
}
