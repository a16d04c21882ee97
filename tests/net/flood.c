/* SPDX-License-Identifier: ISC */
/* Floods a WireGuard port with forged packets, to put it under load. */
/*
 *   flood PUBLICKEY SOURCE[+MORE] ADDRESS PORT RATE SECONDS [KIND [INDEX]]
 *
 * RATE packets a second, in turn from SOURCE and MORE addresses that follow it, which have to be
 * local. KIND:
 *   initiations  with a valid mac1, for which it takes PUBLICKEY, and junk otherwise (the default)
 *   data         data messages of all lengths with the session INDEX (8 hexadecimal digits, in the
 *                order of the wire), a counter as a session has it, and junk
 *   junk         random bytes, of all lengths; some with a type that there is
 *   all          these, and responses and cookie replies to INDEX, by turns
 */
#include <blake2.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
	KEY_LEN = 32,
	MESSAGE_LEN = 148,
	MAC1_AT = 116,
	RESPONSE_LEN = 92,
	RESPONSE_MAC1_AT = 60,
	COOKIE_LEN = 64,
	DATA_OVERHEAD = 32,
	LENGTH_MAX = 1472,
	BURST = 256, /* messages at once: queues fill by bursts, not by averages */
	SOURCES = 256,
};

struct flood {
	int fds[SOURCES];
	unsigned sources;
	size_t (*make)(struct flood *flood, uint8_t message[LENGTH_MAX]); /* returns its length */
	uint8_t mac1_key[KEY_LEN];
	uint8_t index[4];
	uint64_t state;
	unsigned turn; /* of all kinds */
	unsigned long sent, cookies, other;
};

static volatile sig_atomic_t stop_asked;

static void ask_stop(int number)
{
	(void)number;
	stop_asked = 1;
}

/* Base64 of exactly 32 bytes, as `wg` prints them. */
static int decode_key(const char *text, uint8_t key[KEY_LEN])
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	uint32_t bits = 0;
	int have = 0;
	size_t at = 0;

	if (strlen(text) != 44 || text[43] != '=')
		return -1;
	for (int i = 0; i < 43; i++) {
		const char *digit = strchr(digits, text[i]);

		if (!digit)
			return -1;
		bits = bits << 6 | (uint32_t)(digit - digits);
		have += 6;
		if (have >= 8 && at < KEY_LEN) {
			have -= 8;
			key[at++] = (uint8_t)(bits >> have);
		}
	}
	return at == KEY_LEN ? 0 : -1;
}

static void derive_mac1_key(const uint8_t public_key[KEY_LEN], uint8_t mac1_key[KEY_LEN])
{
	uint8_t labelled[8 + KEY_LEN];

	memcpy(labelled, "mac1----", 8);
	memcpy(labelled + 8, public_key, KEY_LEN);
	blake2s(mac1_key, labelled, NULL, KEY_LEN, sizeof(labelled), 0);
}

static uint8_t random_byte(struct flood *flood)
{
	flood->state = flood->state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint8_t)(flood->state >> 56);
}

static void fill_junk(struct flood *flood, uint8_t *at, size_t len)
{
	for (size_t i = 0; i < len; i++)
		at[i] = random_byte(flood);
}

static size_t random_length(struct flood *flood, size_t least)
{
	const size_t random = (size_t)random_byte(flood) << 8 | random_byte(flood);

	return least + random % (LENGTH_MAX - least + 1);
}

static size_t make_initiation(struct flood *flood, uint8_t message[LENGTH_MAX])
{
	memset(message, 0, MESSAGE_LEN);
	message[0] = 1;
	fill_junk(flood, message + 4, MAC1_AT - 4);
	blake2s(message + MAC1_AT, message, flood->mac1_key, 16, MAC1_AT, KEY_LEN);
	return MESSAGE_LEN;
}

static size_t make_data(struct flood *flood, uint8_t message[LENGTH_MAX])
{
	const size_t len = random_length(flood, DATA_OVERHEAD);

	memset(message, 0, DATA_OVERHEAD);
	message[0] = 4;
	memcpy(message + 4, flood->index, sizeof(flood->index));
	fill_junk(flood, message + 8, 2); /* the counter */
	fill_junk(flood, message + 16, len - 16);
	return len;
}

static size_t make_junk(struct flood *flood, uint8_t message[LENGTH_MAX])
{
	const size_t len = random_length(flood, 0);

	fill_junk(flood, message, len);
	if (random_byte(flood) & 1) { /* else nothing would get beyond the look at the type */
		message[0] &= 7;
		memset(message + 1, 0, 3);
	}
	return len;
}

/* Who answers takes an index to be the initiation's. */
static size_t make_response(struct flood *flood, uint8_t message[LENGTH_MAX])
{
	memset(message, 0, RESPONSE_LEN);
	message[0] = 2;
	fill_junk(flood, message + 4, RESPONSE_MAC1_AT - 4);
	memcpy(message + 8, flood->index, sizeof(flood->index));
	blake2s(message + RESPONSE_MAC1_AT, message, flood->mac1_key, 16, RESPONSE_MAC1_AT,
		KEY_LEN);
	return RESPONSE_LEN;
}

static size_t make_cookie(struct flood *flood, uint8_t message[LENGTH_MAX])
{
	memset(message, 0, 4);
	message[0] = 3;
	memcpy(message + 4, flood->index, sizeof(flood->index));
	fill_junk(flood, message + 8, COOKIE_LEN - 8);
	return COOKIE_LEN;
}

static size_t make_any(struct flood *flood, uint8_t message[LENGTH_MAX])
{
	static size_t (*const makers[])(struct flood *, uint8_t[LENGTH_MAX]) = {
		make_initiation,
		make_response,
		make_cookie,
		make_data,
		make_junk,
	};

	return makers[flood->turn++ % (sizeof(makers) / sizeof(*makers))](flood, message);
}

static void send_burst(struct flood *flood)
{
	static uint8_t messages[BURST][LENGTH_MAX];
	struct iovec vectors[BURST];
	struct mmsghdr headers[BURST] = { 0 };

	for (int i = 0; i < BURST; i++) {
		vectors[i] = (struct iovec){ messages[i], flood->make(flood, messages[i]) };
		headers[i].msg_hdr = (struct msghdr){ .msg_iov = &vectors[i], .msg_iovlen = 1 };
	}
	for (unsigned source = 0; source < flood->sources; source++) {
		const unsigned first = BURST * source / flood->sources,
			       end = BURST * (source + 1) / flood->sources;
		const int sent = sendmmsg(flood->fds[source], headers + first, end - first, 0);

		if (sent > 0)
			flood->sent += (unsigned long)sent;
	}
}

static void count_answers(struct flood *flood, int fd)
{
	uint8_t answer[2048];
	ssize_t len;

	while ((len = recv(fd, answer, sizeof(answer), MSG_DONTWAIT)) >= 0) {
		if (len == COOKIE_LEN && answer[0] == 3)
			flood->cookies++;
		else
			flood->other++;
	}
}

static struct addrinfo *resolve(const char *address, const char *port)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_DGRAM,
		.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV };
	struct addrinfo *found;

	if (!getaddrinfo(address, port, &hints, &found))
		return found;
	fprintf(stderr, "flood: %s port %s: not a numeric address\n", address, port);
	exit(2);
}

/* From the address that is so far behind source. */
static int connect_from(const struct addrinfo *source, unsigned offset, const struct addrinfo *to)
{
	struct sockaddr_storage from = { 0 };
	uint8_t *last = source->ai_family == AF_INET
				? (uint8_t *)&((struct sockaddr_in *)&from)->sin_addr + 3
				: (uint8_t *)&((struct sockaddr_in6 *)&from)->sin6_addr + 15;

	memcpy(&from, source->ai_addr, source->ai_addrlen);
	*last = (uint8_t)(*last + offset);
	int fd = socket(to->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&from, source->ai_addrlen) ||
		connect(fd, to->ai_addr, to->ai_addrlen)) {
		fprintf(stderr, "flood: cannot connect: %s\n", strerror(errno));
		exit(2);
	}
	return fd;
}

static void connect_all(struct flood *flood, char *sources, const char *address, const char *port)
{
	char *more = strchr(sources, '+');

	if (more)
		*more++ = '\0';
	flood->sources = more ? (unsigned)strtoul(more, NULL, 10) + 1 : 1;
	if (flood->sources > SOURCES) {
		fprintf(stderr, "flood: at most %d addresses\n", SOURCES);
		exit(2);
	}
	struct addrinfo *from = resolve(sources, "0"), *to = resolve(address, port);

	for (unsigned i = 0; i < flood->sources; i++)
		flood->fds[i] = connect_from(from, i, to);
	freeaddrinfo(from);
	freeaddrinfo(to);
}

static double seconds_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static int choose_kind(struct flood *flood, const char *kind, const char *index)
{
	if (!strcmp(kind, "initiations") && !index)
		flood->make = make_initiation;
	else if (!strcmp(kind, "junk") && !index)
		flood->make = make_junk;
	else if (!strcmp(kind, "data") && index && strlen(index) == 8)
		flood->make = make_data;
	else if (!strcmp(kind, "all") && index && strlen(index) == 8)
		flood->make = make_any;
	else
		return -1;
	for (size_t i = 0; index && i < sizeof(flood->index); i++)
		if (sscanf(index + 2 * i, "%2hhx", &flood->index[i]) != 1)
			return -1;
	return 0;
}

int main(int argc, char **argv)
{
	struct flood flood = { .state = 20240607 };
	uint8_t public_key[KEY_LEN];

	if (argc < 7 || argc > 9 || decode_key(argv[1], public_key) ||
		choose_kind(
			&flood, argc > 7 ? argv[7] : "initiations", argc > 8 ? argv[8] : NULL)) {
		fprintf(stderr, "usage: flood PUBLICKEY SOURCE[+MORE] ADDRESS PORT RATE SECONDS\n"
				"             [initiations | data INDEX | junk | all INDEX]\n");
		return 2;
	}
	signal(SIGTERM, ask_stop);
	derive_mac1_key(public_key, flood.mac1_key);
	connect_all(&flood, argv[2], argv[3], argv[4]);
	const double rate = strtod(argv[5], NULL), end = strtod(argv[6], NULL),
		     start = seconds_now();

	for (double spent; !stop_asked && (spent = seconds_now() - start) < end;) {
		if ((double)flood.sent < spent * rate)
			send_burst(&flood);
		else
			usleep(200);
		for (unsigned i = 0; i < flood.sources; i++)
			count_answers(&flood, flood.fds[i]);
	}
	printf("flood: %lu sent, %lu cookie replies, %lu other answers\n", flood.sent,
		flood.cookies, flood.other);
	return 0;
}
