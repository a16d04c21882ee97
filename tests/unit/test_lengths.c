/* SPDX-License-Identifier: ISC */
/* Every length from 0 to 65535 through the engine's descriptors: UDP over loopback, a pair of
 * sockets in the TUN device's place, and the control protocol. */
#include "uapi_fixture.h"

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/wire.h"
#include "engine/tun.h"
#include "engine/udp.h"

enum { LENGTH_MAX = 65535, UDP_LENGTH_MAX = 65507, LINE_ENOUGH = 5000 };

static uint8_t content[LENGTH_MAX + sizeof(struct virtio_net_hdr)];

static int fill_content(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(content); i++)
		content[i] = (uint8_t)(i * 7 + i / 256);
	return sodium_init() < 0;
}

static struct tunnel *tunnel_with_key(void)
{
	struct tunnel *tunnel = tunnel_new(&ops, NULL);
	uint8_t key[KEY_LEN];

	assert_non_null(tunnel);
	key_generate_private(key);
	assert_int_equal(tunnel_set_private_key(tunnel, key, when), 0);
	tunnel_set_up(tunnel, true, when);
	return tunnel;
}

/* The kernel copied it; what could go wrong here shows at either end. */
static void check_ends(const uint8_t *bytes, const uint8_t *expected, size_t len)
{
	const size_t part = len < 64 ? len : 64;

	assert_memory_equal(bytes, expected, part);
	assert_memory_equal(bytes + len - part, expected + len - part, part);
}

/* ---- UDP ---- */

static int socket_to(uint16_t port)
{
	const struct sockaddr_in to = { .sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (const struct sockaddr *)&to, sizeof(to)), 0);
	return fd;
}

/* One of no bytes is there, but is nothing to anybody. */
static void pass_datagram(
	struct tunnel *tunnel, struct udp_batch *batch, int from, int to, size_t len)
{
	struct pollfd readable = { .fd = to, .events = POLLIN };
	struct tunnel_datagram *datagrams;

	assert_int_equal(send(from, content, len, 0), len);
	assert_int_equal(poll(&readable, 1, 10000), 1);
	const int count = udp_receive(batch, to, &datagrams);

	assert_int_equal(count, len != 0);
	if (!count)
		return;
	assert_int_equal(datagrams[0].len, len);
	check_ends(datagrams[0].data, content, len);
	tunnel_inbound(tunnel, datagrams, (size_t)count, when);
}

static void datagrams(void **state)
{
	struct tunnel *tunnel = tunnel_with_key();
	struct udp_batch *batch = udp_batch_new();
	struct udp_sockets sockets;

	(void)state;
	assert_non_null(batch);
	assert_int_equal(udp_open(&sockets, 0, 0), 0);
	if (sockets.v4 < 0)
		skip();
	udp_negotiate(&sockets, true);
	const int from = socket_to(sockets.port);

	wire_put_type(content, WIRE_DATA, WIRE_WIREGUARD);
	for (size_t len = 0; len <= UDP_LENGTH_MAX; len++)
		pass_datagram(tunnel, batch, from, sockets.v4, len);
	const struct tunnel_counters *counters = tunnel_counters(tunnel);

	assert_int_equal(counters->malformed, WIRE_DATA_MIN - 1);
	assert_int_equal(counters->unknown_session, UDP_LENGTH_MAX + 1 - WIRE_DATA_MIN);
	close(from);
	udp_close(&sockets);
	udp_batch_free(batch);
	tunnel_free(tunnel);
}

/* ---- TUN ---- */

static void packets(bool header)
{
	const struct tun_offload offload = { .header = header };
	const size_t skipped = header ? sizeof(struct virtio_net_hdr) : 0;
	struct tunnel *tunnel = tunnel_with_key();
	struct tun_batch *batch = tun_batch_new();
	struct tunnel_packet *read;
	int ends[2];

	assert_non_null(batch);
	assert_int_equal(
		socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
	assert_int_equal(tun_read_batch(batch, ends[1], &offload, &read), 0);
	for (size_t len = 1; len <= LENGTH_MAX; len++) {
		content[skipped] = len % 2 ? 0x45 : 0x60;
		assert_int_equal(send(ends[0], content, len, MSG_NOSIGNAL), len);
		const int count = tun_read_batch(batch, ends[1], &offload, &read);

		assert_int_equal(count, len > skipped);
		if (!count)
			continue;
		assert_int_equal(read[0].len, len - skipped);
		check_ends(read[0].data, content + skipped, len - skipped);
		tunnel_outbound(tunnel, read, (size_t)count, when);
	}
	const struct tunnel_counters *counters = tunnel_counters(tunnel);

	assert_int_equal(counters->malformed + counters->no_route, LENGTH_MAX - skipped);
	assert_true(counters->no_route > LENGTH_MAX / 2);
	close(ends[0]);
	close(ends[1]);
	tun_batch_free(batch);
	tunnel_free(tunnel);
}

static void packets_with_header(void **state)
{
	(void)state;
	packets(true);
}

static void packets_without_header(void **state)
{
	(void)state;
	packets(false);
}

/* ---- The control socket ---- */

/* What comes before the long word, and after it; and what that gives. From a length on that no line
 * may have, one of them goes on with every length and the others with some. */
static const struct request {
	const char *before, *after;
	int status;
	const char *answer;
} requests[] = {
	{ "get=1\n", "\n\n", 0, "errno=-22\n\n" },
	{ "", "\n\n", -EPROTO, "errno=-71\n\n" },
	{ "set=1\nprivate_key=", "\n\n", 0, "errno=-22\n\n" },
	{ "set=1\n", "=1\n\n", 0, "errno=-22\n\n" },
	{ "set=1\npublic_key=" ANNA "\nallowed_ip=", "\n\n", 0, "errno=-22\n\n" },
};

static char word[LENGTH_MAX];

static void ask_length(struct fixture *fixture, const struct request *request, size_t len)
{
	struct uapi_connection *connection = uapi_connection_new(fixture->tunnel, &fixture->device);
	struct answer answer = { NULL, 0 };

	int status = feed(connection, request->before, strlen(request->before), false, &answer);

	if (!status)
		status = feed(connection, word, len, false, &answer);
	if (!status)
		status = feed(connection, request->after, strlen(request->after), false, &answer);
	uapi_connection_free(connection);
	char *text = answer_text(&answer);

	if (status != request->status || strcmp(text, request->answer))
		fail_msg("%s and %zu bytes: %d, %s", request->before, len, status, text);
	free(text);
}

/* Length 0 may be right, such as a `get` with nothing behind it; so is a key of 64 digits. */
static void words(void **state)
{
	(void)state;
	memset(word, 'f', sizeof(word));
	for (size_t i = 0; i < sizeof(requests) / sizeof(*requests); i++) {
		struct fixture fixture;

		fixture_init(&fixture);
		for (size_t len = 1; len <= LENGTH_MAX; len += len > LINE_ENOUGH && i ? 61 : 1)
			if (len != 2 * KEY_LEN)
				ask_length(&fixture, &requests[i], len);
		assert_null(tunnel_first_peer(fixture.tunnel));
		fixture_free(&fixture);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(datagrams),
		cmocka_unit_test(packets_with_header),
		cmocka_unit_test(packets_without_header),
		cmocka_unit_test(words),
	};

	return cmocka_run_group_tests_name("lengths", tests, fill_content, NULL);
}
