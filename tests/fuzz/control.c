/* SPDX-License-Identifier: ISC */
/*
 * Driven: the control protocol (engine/uapi*.c): wg's get and set, culvert's own keys, as a stream.
 * Input: a byte that chooses how the device is and where the stream is cut, then the stream.
 *
 * Asserted: in whichever pieces it comes, the answers and what becomes of the device are the same;
 * an answer is lines KEY=VALUE and ends with errno=N and a blank line; as many requests as answers;
 * a request that fails leaves the state as it was, and one with a wrong line in it fails; an
 * observer changes nothing and is told no key; what a get tells, set on a device that is new, gives
 * the same get again.
 */
#include "fuzz.h"

#include <sodium.h>

#include "engine/uapi.h"
#include "engine/uapi_internal.h"

static const struct now when = { .boot = 1000 * WIRE_SECOND, .wall = 1600000000 * WIRE_SECOND };

struct end {
	struct tunnel *tunnel;
	struct uapi_device device;
	int rebind_error;
};

struct text {
	char *bytes;
	size_t len;
};

/* ---- A device ---- */

static void on_send(void *context, struct endpoint *to, const struct tunnel_burst *bursts,
	size_t count, uint8_t tos)
{
	(void)context, (void)tos;
	FUZZ_CHECK(endpoint_is_set(to) && count && wire_classify(bursts->data, bursts->len),
		"no message");
}

static void on_deliver(void *context, const struct iovec *parts, size_t count)
{
	(void)context, (void)parts, (void)count;
	FUZZ_CHECK(false, "nothing came");
}

static void on_report(void *context, const struct tunnel_event *event)
{
	(void)context, (void)event;
}

static const struct tunnel_ops ops = { on_send, on_deliver, on_report };

static int rebind(void *context, uint16_t *port, uint32_t fwmark)
{
	const struct end *end = context;

	(void)fwmark;
	if (!*port)
		*port = 40000;
	return end->rebind_error;
}

static uint32_t interface_index(void *context, const char *name)
{
	(void)context;
	return !strcmp(name, "eth0") ? 7 : 0;
}

static void end_open(struct end *end, uint8_t how)
{
	fuzz_begin(how);
	*end = (struct end){ .tunnel = tunnel_new(&ops, NULL),
		.rebind_error = (how & 0x30) == 0x30 ? -98 : 0 };
	if (!end->tunnel)
		abort();
	end->device = (struct uapi_device){
		.context = end, .rebind = rebind, .interface_index = interface_index
	};
	tunnel_set_up(end->tunnel, how & 4, when);
}

/* ---- Asking ---- */

/* The stream in pieces of a size, answers together. */
static int feed(struct end *end, const char *bytes, size_t len, size_t piece, bool restricted,
	struct text *answer)
{
	struct uapi_connection *connection = uapi_connection_new(end->tunnel, &end->device);
	int error = 0;

	if (!connection)
		abort();
	if (restricted)
		uapi_connection_restrict(connection);
	*answer = (struct text){ NULL, 0 };
	for (size_t at = 0; at < len && !error; at += piece) {
		const size_t left = len - at < piece ? len - at : piece;
		char *copy = fuzz_copy(bytes + at, left);

		error = uapi_connection_feed(
			connection, copy, left, false, when, &answer->bytes, &answer->len);
		free(copy);
	}
	if (!error)
		error = uapi_connection_feed(
			connection, NULL, 0, true, when, &answer->bytes, &answer->len);
	uapi_connection_free(connection);
	return error;
}

static struct text ask(struct end *end, const char *request, size_t len)
{
	struct text answer;

	FUZZ_CHECK(!feed(end, request, len, len, false, &answer), "a get fails");
	return answer;
}

static struct text state_of(struct end *end)
{
	static const char get[] = "get=1\n\n";

	return ask(end, get, strlen(get));
}

static bool same_text(const struct text *a, const struct text *b)
{
	return a->len == b->len && (!a->len || !memcmp(a->bytes, b->bytes, a->len));
}

/* ---- What an answer looks like ---- */

static bool is_line(const char *line, size_t len)
{
	const char *equals = memchr(line, '=', len);

	return equals && equals != line && !memchr(line, '\0', len) &&
	       (!memchr(equals + 1, '=', len - (size_t)(equals + 1 - line)));
}

/* Returns how many answers there are; *failed counts those that are refusals. */
static size_t check_answers(const struct text *text, size_t *failed)
{
	const char *at = text->bytes, *end = text->len ? at + text->len : at;
	bool closed = false; /* errno= came, and a blank line must */
	size_t count = 0;

	*failed = 0;
	while (at < end) {
		const char *newline = memchr(at, '\n', (size_t)(end - at));

		FUZZ_CHECK(newline, "the last line has no end");
		if (newline == at) {
			FUZZ_CHECK(closed, "a blank line within an answer");
			closed = false;
			count++;
		} else {
			FUZZ_CHECK(!closed, "a line after errno=");
			FUZZ_CHECK(is_line(at, (size_t)(newline - at)), "%.*s", (int)(newline - at),
				at);
			closed = !strncmp(at, "errno=", 6);
			*failed += closed && at[6] != '0';
		}
		at = newline + 1;
	}
	FUZZ_CHECK(!closed, "no blank line at the end");
	return count;
}

static bool contains(const struct text *text, const char *word)
{
	return text->len && memmem(text->bytes, text->len, word, strlen(word));
}

/* ---- One request after the other, by itself ---- */

/* A request that is refused changes nothing. */
static void check_refusals(const char *stream, size_t len, uint8_t how)
{
	struct end end;

	end_open(&end, how);
	while (len) {
		const char *blank = memmem(stream, len, "\n\n", 2);
		const size_t take = blank ? (size_t)(blank + 2 - stream) : len;
		struct text before = state_of(&end), answer, after;
		size_t failed;
		const int error = feed(&end, stream, take, take, false, &answer);

		after = state_of(&end);
		const size_t count = check_answers(&answer, &failed);

		FUZZ_CHECK(count == 1, "%zu answers to a request", count);
		FUZZ_CHECK(!failed || same_text(&before, &after),
			"a refused request changed this:\n%.*s\nto\n%.*s", (int)before.len,
			before.bytes, (int)after.len, after.bytes);
		free(before.bytes);
		free(after.bytes);
		free(answer.bytes);
		if (error)
			break;
		stream += take;
		len -= take;
	}
	tunnel_free(end.tunnel);
}

/* A wrong line, before all others of a set: whatever follows, nothing of it is carried out. */
static void check_spoilt(const char *stream, size_t len, uint8_t how)
{
	static const char set[] = "set=1\n", wrong[] = "fwmark=x\n";
	const size_t head = strlen(set);
	struct text before, answer, after;
	struct end end;
	size_t failed;

	if (len < head || memcmp(stream, set, head))
		return;
	const char *blank = memmem(stream, len, "\n\n", 2);
	const size_t rest = (blank ? (size_t)(blank + 2 - stream) : len) - head;
	char *spoilt = malloc(head + strlen(wrong) + rest + 1);

	if (!spoilt)
		abort();
	sprintf(spoilt, "%s%s", set, wrong);
	memcpy(spoilt + strlen(spoilt), stream + head, rest);
	end_open(&end, how);
	before = state_of(&end);
	feed(&end, spoilt, head + strlen(wrong) + rest, 4096, false, &answer);
	after = state_of(&end);
	check_answers(&answer, &failed);
	FUZZ_CHECK(failed == 1 && same_text(&before, &after), "a wrong line is overlooked");
	free(before.bytes);
	free(after.bytes);
	free(answer.bytes);
	free(spoilt);
	tunnel_free(end.tunnel);
}

static void check_observer(const char *stream, size_t len, uint8_t how)
{
	static const char get[] = "get=1\n\n";
	struct text before, answer, after;
	struct end end;
	size_t failed;

	end_open(&end, how);
	before = state_of(&end);
	feed(&end, stream, len, len ? len : 1, true, &answer);
	after = state_of(&end);
	check_answers(&answer, &failed);
	FUZZ_CHECK(same_text(&before, &after), "an observer changed something");
	free(before.bytes);
	free(after.bytes);
	free(answer.bytes);
	/* With the settings made, it may look. */
	feed(&end, stream, len, len ? len : 1, false, &answer);
	free(answer.bytes);
	feed(&end, get, strlen(get), strlen(get), true, &answer);
	FUZZ_CHECK(!contains(&answer, "private_key=") && !contains(&answer, "shared_key="),
		"an observer is told a key");
	free(answer.bytes);
	tunnel_free(end.tunnel);
}

/* ---- What a get says, set again ---- */

static bool is_setting(const char *line)
{
	static const char *const settings[] = { "private_key=", "listen_port=", "fwmark=",
		"public_key=", "preshared_key=", "endpoint=", "persistent_keepalive_interval=",
		"allowed_ip=", "culvert_cipher=", "culvert_name=", "protocol_version=" };

	for (size_t i = 0; i < sizeof(settings) / sizeof(*settings); i++)
		if (!strncmp(line, settings[i], strlen(settings[i])))
			return true;
	return false;
}

/* The lines of a state that are settings, as a request; without its head just those lines. */
static struct text settings_of(const struct text *state, const char *head)
{
	struct text out = { malloc(state->len + 64), 0 };
	const char *at = state->bytes, *end = at + state->len;

	if (!out.bytes)
		abort();
	out.len = (size_t)sprintf(out.bytes, "%s", head);
	while (at < end) {
		const char *next = (const char *)memchr(at, '\n', (size_t)(end - at)) + 1;

		if (is_setting(at)) {
			memcpy(out.bytes + out.len, at, (size_t)(next - at));
			out.len += (size_t)(next - at);
		}
		at = next;
	}
	out.bytes[out.len++] = '\n';
	return out;
}

static void check_set_again(struct end *end)
{
	struct text state = state_of(end), request, again, answer, ours, theirs;
	struct end other;

	end_open(&other, 0);
	request = settings_of(&state, "set=1\n");
	answer = ask(&other, request.bytes, request.len);
	FUZZ_CHECK(contains(&answer, "errno=0"), "what a get said is refused:\n%.*s",
		(int)request.len, request.bytes);
	again = state_of(&other);
	ours = settings_of(&state, "");
	theirs = settings_of(&again, "");
	FUZZ_CHECK(same_text(&ours, &theirs), "what a get said, set again, gives\n%.*s\nnot\n%.*s",
		(int)theirs.len, theirs.bytes, (int)ours.len, ours.bytes);
	free(state.bytes);
	free(request.bytes);
	free(again.bytes);
	free(answer.bytes);
	free(ours.bytes);
	free(theirs.bytes);
	tunnel_free(other.tunnel);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct text whole, pieces, state_whole, state_pieces;
	struct end one, two;
	size_t failed;

	if (!len)
		return 0;
	const uint8_t how = data[0];
	const char *stream = (const char *)data + 1;

	len--;
	end_open(&one, how);
	const int error = feed(&one, stream, len, len ? len : 1, false, &whole);

	state_whole = state_of(&one);
	end_open(&two, how);
	const int other_error = feed(&two, stream, len, 1 + how % 16u, false, &pieces);

	state_pieces = state_of(&two);
	FUZZ_CHECK(
		error == other_error && same_text(&whole, &pieces), "other pieces, other answers");
	FUZZ_CHECK(same_text(&state_whole, &state_pieces), "other pieces, another state");
	check_answers(&whole, &failed);
	check_observer(stream, len, how);
	check_spoilt(stream, len, how);
	if (!tunnel_local(one.tunnel)->shared)
		check_set_again(&one);
	tunnel_free(one.tunnel);
	tunnel_free(two.tunnel);
	check_refusals(stream, len, how);
	free(whole.bytes);
	free(pieces.bytes);
	free(state_whole.bytes);
	free(state_pieces.bytes);
	return 0;
}
