/* SPDX-License-Identifier: ISC */
/* The control protocol: a connection's bytes into lines, lines into requests, requests into
 * answers. */
#include "engine/uapi.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/uapi_internal.h"

struct uapi_connection {
	struct tunnel *tunnel;
	struct uapi_device *device;
	struct uapi_request request;
	size_t request_len;
	int error;      /* the connection's end */
	bool malformed; /* the line is too long or holds a NUL */
	bool restricted;
	size_t line_len;
	char line[UAPI_LINE_MAX + 1];
};

struct uapi_connection *uapi_connection_new(struct tunnel *tunnel, struct uapi_device *device)
{
	struct uapi_connection *connection = calloc(1, sizeof(*connection));

	if (!connection)
		return NULL;
	connection->tunnel = tunnel;
	connection->device = device;
	return connection;
}

void uapi_connection_free(struct uapi_connection *connection)
{
	if (!connection)
		return;
	uapi_request_clear(&connection->request);
	key_wipe(connection, sizeof(*connection));
	free(connection);
}

void uapi_connection_restrict(struct uapi_connection *connection)
{
	connection->restricted = true;
}

/* Carries out the request that has come whole. A partly written answer is taken back. */
static int finish_request(
	struct uapi_connection *connection, struct now now, struct uapi_text *answer)
{
	struct uapi_request *request = &connection->request;
	const size_t before = answer->len;
	int error = request->error;

	if (before > UAPI_ANSWERS_MAX)
		return -E2BIG;
	if (!error && request->operation == UAPI_GET && request->peer_count)
		uapi_text_add_reached(answer, connection->tunnel, request, now);
	else if (!error && request->operation == UAPI_GET)
		uapi_text_add_state(
			answer, connection->tunnel, connection->device, !connection->restricted);
	else if (!error && connection->restricted)
		error = -EACCES;
	else if (!error)
		error = uapi_request_apply(request, connection->tunnel, connection->device, now);
	uapi_text_add(answer, "errno=%d\n\n", error);
	uapi_request_clear(request);
	connection->request_len = 0;
	if (!answer->failed)
		return 0;
	if (answer->bytes)
		key_wipe(answer->bytes + before, answer->len - before);
	answer->len = before;
	answer->failed = false;
	return -ENOMEM;
}

static int finish_line(struct uapi_connection *connection, struct now now, struct uapi_text *answer)
{
	struct uapi_request *request = &connection->request;
	const bool first = request->operation == UAPI_NONE;
	const bool blank = !connection->line_len && !connection->malformed;
	int error = 0;

	if (first && (blank || connection->malformed)) {
		error = -EPROTO;
	} else if (blank) {
		error = finish_request(connection, now, answer);
	} else if (connection->malformed) {
		if (!request->error)
			request->error = -EINVAL;
	} else {
		connection->line[connection->line_len] = '\0';
		error = uapi_request_line(request, connection->device, connection->line);
	}
	key_wipe(connection->line, connection->line_len);
	connection->line_len = 0;
	connection->malformed = false;
	return error;
}

/* Adds to the line; what does not fit is lost with it. */
static void add_to_line(struct uapi_connection *connection, const char *bytes, size_t len)
{
	const size_t room = UAPI_LINE_MAX - connection->line_len;

	if (!len)
		return;
	if (len > room || memchr(bytes, '\0', len)) {
		connection->malformed = true;
		return;
	}
	memcpy(connection->line + connection->line_len, bytes, len);
	connection->line_len += len;
}

static int take_bytes(struct uapi_connection *connection, const char *bytes, size_t len,
	struct now now, struct uapi_text *answer)
{
	int error = 0;

	while (len && !error) {
		const char *newline = memchr(bytes, '\n', len);
		const size_t line = newline ? (size_t)(newline - bytes) : len;
		const size_t taken = newline ? line + 1 : line;

		if (taken > UAPI_REQUEST_MAX - connection->request_len)
			return -E2BIG;
		connection->request_len += taken;
		add_to_line(connection, bytes, line);
		if (newline)
			error = finish_line(connection, now, answer);
		bytes += taken;
		len -= taken;
	}
	return error;
}

/* A line and a request that lack their ends are as good as whole. */
static int take_end(struct uapi_connection *connection, struct now now, struct uapi_text *answer)
{
	int error = 0;

	if (connection->line_len || connection->malformed)
		error = finish_line(connection, now, answer);
	if (!error && connection->request.operation != UAPI_NONE)
		error = finish_request(connection, now, answer);
	return error;
}

int uapi_connection_feed(struct uapi_connection *connection, const void *bytes, size_t len,
	bool eof, struct now now, char **answer, size_t *answer_len)
{
	struct uapi_text text = { .bytes = *answer, .len = *answer_len, .room = *answer_len };
	int error = connection->error;

	if (error)
		return error;
	error = take_bytes(connection, bytes, len, now, &text);
	if (!error && eof)
		error = take_end(connection, now, &text);
	if (error) {
		connection->error = error;
		uapi_request_clear(&connection->request);
		key_wipe(connection->line, sizeof(connection->line));
		uapi_text_add(&text, "errno=%d\n\n", error);
	}
	*answer = text.bytes;
	*answer_len = text.len;
	return error;
}
