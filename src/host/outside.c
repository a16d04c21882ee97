/* SPDX-License-Identifier: ISC */
/* Looking up a name past the tunnel. */
#include "host/outside.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>
#include <sodium.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
	DNS_PORT = 53,
	ROUNDS = 2,
	PATIENCE = 1000, /* milliseconds for one server's answers */
	FILE_MAX = 8192, /* of a resolv.conf; what is beyond is not read */
	/* Of messages (RFC 1035). */
	HEAD = 12,
	QUESTION_TAIL = 4, /* type and class */
	RECORD_HEAD = 10,  /* type, class, time to live, length; after the name */
	TYPE_A = 1,
	TYPE_AAAA = 28,
	CLASS_IN = 1,
};

#define RESOLV_CONF "/etc/resolv.conf"

static const int families[] = { AF_INET, AF_INET6 };

void outside_open(struct outside *outside, uint32_t mark)
{
	*outside = (struct outside){ 0 };
	for (size_t i = 0; i < 2; i++) {
		int fd = socket(families[i], SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

		if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)) < 0) {
			close(fd);
			fd = -1;
		}
		outside->sockets[i] = fd;
	}
}

/* ---- Servers ---- */

static bool parse_server(struct endpoint *server, const char *text)
{
	*server = (struct endpoint){ 0 };
	if (inet_pton(AF_INET, text, &server->v4.sin_addr) == 1) {
		server->v4.sin_family = AF_INET;
		server->v4.sin_port = htons(DNS_PORT);
		return (ntohl(server->v4.sin_addr.s_addr) >> 24) != 127;
	}
	if (inet_pton(AF_INET6, text, &server->v6.sin6_addr) != 1)
		return false;
	server->v6.sin6_family = AF_INET6;
	server->v6.sin6_port = htons(DNS_PORT);
	return !IN6_IS_ADDR_LOOPBACK(&server->v6.sin6_addr);
}

static void add_server(struct outside *outside, const char *text)
{
	struct endpoint server;

	if (outside->server_count == OUTSIDE_SERVERS_MAX || !parse_server(&server, text))
		return;
	for (unsigned i = 0; i < outside->server_count; i++) {
		if (endpoint_equal(&outside->servers[i], &server))
			return;
	}
	outside->servers[outside->server_count++] = server;
}

void outside_add_servers(struct outside *outside, const char *resolv_conf)
{
	static const char key[] = "nameserver", blanks[] = " \t";

	while (*resolv_conf) {
		const size_t line = strcspn(resolv_conf, "\n");
		const char *value = resolv_conf + strlen(key);
		char text[INET6_ADDRSTRLEN];
		size_t len;

		if (!strncmp(resolv_conf, key, strlen(key)) && strspn(value, blanks)) {
			value += strspn(value, blanks);
			len = strcspn(value, " \t\r\n#;");
			if (len < sizeof(text)) {
				memcpy(text, value, len);
				text[len] = '\0';
				add_server(outside, text);
			}
		}
		resolv_conf += line + (resolv_conf[line] == '\n');
	}
}

static void read_file(const char *path, char text[FILE_MAX + 1])
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t len = fd < 0 ? 0 : read(fd, text, FILE_MAX);

	if (fd >= 0)
		close(fd);
	text[len > 0 ? len : 0] = '\0';
}

void outside_add_present_servers(struct outside *outside)
{
	static const char *const paths[] = { "/run/systemd/resolve/resolv.conf",
		"/run/NetworkManager/no-stub-resolv.conf", RESOLV_CONF };
	char text[FILE_MAX + 1];

	for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++) {
		read_file(paths[i], text);
		outside_add_servers(outside, text);
	}
}

void outside_remember(struct text *resolv_conf)
{
	char text[FILE_MAX + 1];

	read_file(RESOLV_CONF, text);
	text_add(resolv_conf, "%s", text);
}

/* ---- Messages (RFC 1035) ---- */

/* A name as labels with their lengths; the length of all, 0: it is none. */
static size_t write_name(uint8_t *to, const char *name)
{
	size_t at = 0, len = strlen(name);

	if (len && name[len - 1] == '.')
		len--;
	if (!len || len > 253)
		return 0;
	for (size_t start = 0; start <= len;) {
		const char *dot = memchr(name + start, '.', len - start);
		const size_t label = dot ? (size_t)(dot - name) - start : len - start;

		if (!label || label > 63)
			return 0;
		to[at++] = (uint8_t)label;
		memcpy(to + at, name + start, label);
		at += label;
		start += label + 1;
	}
	to[at++] = 0;
	return at;
}

int outside_question(
	uint8_t question[OUTSIDE_QUESTION_SIZE], const char *name, int family, uint16_t id)
{
	const uint8_t head[HEAD] = { (uint8_t)(id >> 8), (uint8_t)id, 1 /* recurse */, 0, 0,
		1 /* question */ };
	const uint8_t tail[QUESTION_TAIL] = { 0, family == AF_INET ? TYPE_A : TYPE_AAAA, 0,
		CLASS_IN };
	const size_t len = write_name(question + sizeof(head), name);

	if (!len)
		return -EINVAL;
	memcpy(question, head, sizeof(head));
	memcpy(question + sizeof(head) + len, tail, sizeof(tail));
	return (int)(sizeof(head) + len + sizeof(tail));
}

/* Where the name at a place ends; len: it does not. */
static size_t skip_name(const uint8_t *message, size_t len, size_t at)
{
	while (at < len && message[at] && message[at] < 0xc0)
		at += 1 + (size_t)message[at];
	if (at >= len)
		return len;
	at += message[at] ? 2 : 1; /* the rest may lie elsewhere */
	return at < len ? at : len;
}

static void take_address(struct outside_addresses *found, int type, const uint8_t *data, size_t len)
{
	struct endpoint *address = &found->items[found->count];

	if (found->count == OUTSIDE_ADDRESSES_MAX)
		return;
	*address = (struct endpoint){ 0 };
	if (type == TYPE_A && len == 4) {
		address->v4.sin_family = AF_INET;
		memcpy(&address->v4.sin_addr, data, len);
	} else if (type == TYPE_AAAA && len == 16) {
		address->v6.sin6_family = AF_INET6;
		memcpy(&address->v6.sin6_addr, data, len);
	} else {
		return;
	}
	found->count++;
}

static int read16(const uint8_t *at)
{
	return at[0] << 8 | at[1];
}

/* The record at a place, and where the next one is; len: there is no more. */
static size_t take_record(
	struct outside_addresses *found, const uint8_t *message, size_t len, size_t at)
{
	size_t data_len;

	at = skip_name(message, len, at);
	if (len - at < RECORD_HEAD)
		return len;
	data_len = (size_t)read16(message + at + 8);
	if (len - at - RECORD_HEAD < data_len)
		return len;
	if (read16(message + at + 2) == CLASS_IN)
		take_address(found, read16(message + at), message + at + RECORD_HEAD, data_len);
	return at + RECORD_HEAD + data_len;
}

/* The server repeats the question; capitals may have become small. */
static bool is_same_question(
	const uint8_t *question, size_t question_len, const uint8_t *answer, size_t len)
{
	if (len < question_len || memcmp(question, answer, 2) || !(answer[2] & 0x80) ||
		memcmp(question + 4, answer + 4, 2))
		return false;
	return !strncasecmp((const char *)question + HEAD, (const char *)answer + HEAD,
		       question_len - HEAD - QUESTION_TAIL) &&
	       !memcmp(question + question_len - QUESTION_TAIL,
		       answer + question_len - QUESTION_TAIL, QUESTION_TAIL);
}

/* Aliases are passed over: the server that we ask follows them. */
int outside_answer(struct outside_addresses *found, const uint8_t *question, size_t question_len,
	const uint8_t *answer, size_t len)
{
	size_t at = question_len;

	if (!is_same_question(question, question_len, answer, len))
		return -EBADMSG;
	for (int i = read16(answer + 6); i && at < len; i--)
		at = take_record(found, answer, len, at);
	return 0;
}

/* ---- Asking ---- */

struct question {
	uint8_t bytes[OUTSIDE_QUESTION_SIZE];
	size_t len;
	bool answered;
};

static int64_t milliseconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void receive(int fd, struct question questions[2], struct outside_addresses *found)
{
	uint8_t bytes[OUTSIDE_MESSAGE_SIZE];
	const ssize_t len = recv(fd, bytes, sizeof(bytes), 0);

	for (size_t i = 0; i < 2 && len > 0; i++) {
		struct question *question = &questions[i];

		if (!question->answered &&
			!outside_answer(found, question->bytes, question->len, bytes, (size_t)len))
			question->answered = true;
	}
}

static void ask_server(
	int fd, const struct endpoint *server, const char *name, struct outside_addresses *found)
{
	const int64_t until = milliseconds() + PATIENCE;
	struct pollfd wait = { .fd = fd, .events = POLLIN };
	struct question questions[2] = { 0 };
	int64_t left;

	if (connect(fd, &server->any, endpoint_sockaddr_len(server)) < 0)
		return;
	for (size_t i = 0; i < 2; i++) {
		const int len = outside_question(questions[i].bytes, name, families[i],
			(uint16_t)randombytes_uniform(1 << 16));

		if (len < 0 || send(fd, questions[i].bytes, (size_t)len, MSG_NOSIGNAL) < 0)
			return;
		questions[i].len = (size_t)len;
	}
	while (!(questions[0].answered && questions[1].answered)) {
		left = until - milliseconds();
		if (left <= 0 || poll(&wait, 1, (int)left) <= 0 || wait.revents & POLLERR)
			return;
		receive(fd, questions, found);
	}
}

void outside_look_up(
	const struct outside *outside, const char *name, struct outside_addresses *found)
{
	*found = (struct outside_addresses){ 0 };
	for (unsigned round = 0; round < ROUNDS; round++) {
		for (unsigned i = 0; i < outside->server_count && !found->count; i++) {
			const struct endpoint *server = &outside->servers[i];
			const int fd = outside->sockets[server->any.sa_family == AF_INET6];

			if (fd >= 0)
				ask_server(fd, server, name, found);
		}
	}
}
