/* SPDX-License-Identifier: ISC */
/* Floods a WireGuard port with initiations that carry a valid mac1 and junk otherwise, to put it
 * under load. */
#include <blake2.h>
#include <errno.h>
#include <netdb.h>
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
	COOKIE_LEN = 64,
	BURST = 256, /* messages at once: queues fill by bursts, not by averages */
};

struct flood {
	int fd;
	uint8_t mac1_key[KEY_LEN];
	uint64_t state;
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

static void make_message(struct flood *flood, uint8_t message[MESSAGE_LEN])
{
	memset(message, 0, MESSAGE_LEN);
	message[0] = 1;
	for (int i = 4; i < MAC1_AT; i++)
		message[i] = random_byte(flood);
	blake2s(message + MAC1_AT, message, flood->mac1_key, 16, MAC1_AT, KEY_LEN);
}

static void send_burst(struct flood *flood)
{
	static uint8_t messages[BURST][MESSAGE_LEN];
	struct iovec vectors[BURST];
	struct mmsghdr headers[BURST] = { 0 };

	for (int i = 0; i < BURST; i++) {
		make_message(flood, messages[i]);
		vectors[i] = (struct iovec){ messages[i], MESSAGE_LEN };
		headers[i].msg_hdr = (struct msghdr){ .msg_iov = &vectors[i], .msg_iovlen = 1 };
	}
	int sent = sendmmsg(flood->fd, headers, BURST, 0);

	if (sent > 0)
		flood->sent += (unsigned long)sent;
}

static void count_answers(struct flood *flood)
{
	uint8_t answer[2048];
	ssize_t len;

	while ((len = recv(flood->fd, answer, sizeof(answer), MSG_DONTWAIT)) >= 0) {
		if (len == COOKIE_LEN && answer[0] == 3)
			flood->cookies++;
		else
			flood->other++;
	}
}

static int connect_from(const char *source, const char *address, const char *port)
{
	struct addrinfo hints = { .ai_socktype = SOCK_DGRAM,
		.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV };
	struct addrinfo *from = NULL, *to = NULL;

	if (getaddrinfo(source, "0", &hints, &from) || getaddrinfo(address, port, &hints, &to)) {
		fprintf(stderr, "flood: %s, %s port %s: not numeric addresses\n", source, address,
			port);
		exit(2);
	}
	int fd = socket(to->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, from->ai_addr, from->ai_addrlen) ||
		connect(fd, to->ai_addr, to->ai_addrlen)) {
		fprintf(stderr, "flood: %s to %s: %s\n", source, address, strerror(errno));
		exit(2);
	}
	freeaddrinfo(from);
	freeaddrinfo(to);
	return fd;
}

static double seconds_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
	struct flood flood = { .state = 20240607 };
	uint8_t public_key[KEY_LEN];

	if (argc != 7 || decode_key(argv[1], public_key)) {
		fprintf(stderr, "usage: flood PUBLICKEY SOURCE ADDRESS PORT RATE SECONDS\n");
		return 2;
	}
	signal(SIGTERM, ask_stop);
	derive_mac1_key(public_key, flood.mac1_key);
	flood.fd = connect_from(argv[2], argv[3], argv[4]);
	const double rate = strtod(argv[5], NULL), end = strtod(argv[6], NULL),
		     start = seconds_now();

	for (double spent; !stop_asked && (spent = seconds_now() - start) < end;) {
		if ((double)flood.sent < spent * rate)
			send_burst(&flood);
		else
			usleep(200);
		count_answers(&flood);
	}
	printf("flood: %lu sent, %lu cookie replies, %lu other answers\n", flood.sent,
		flood.cookies, flood.other);
	return 0;
}
