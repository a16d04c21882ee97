/* SPDX-License-Identifier: ISC */
/* UDP over loopback: ports, batches, sources, TOS, errors; hostile control data. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/udp.h>
#include <setjmp.h>
#include <stdalign.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/tunnel.h"
#include "engine/udp.h"

enum { LOOPBACK = 1 }; /* its interface index, in every namespace */

/* Addresses of this host to send to and from. */
struct family {
	int family;
	const char *to, *other; /* other: as good a source */
	const char *foreign;    /* not this host's */
};

static const struct family families[] = {
	{ AF_INET, "127.0.0.1", "127.0.0.2", "192.0.2.99" },
	{ AF_INET6, "::1", "::1", "2001:db8::99" },
};

static int socket_of(const struct udp_sockets *sockets, int family)
{
	return family == AF_INET ? sockets->v4 : sockets->v6;
}

static bool can_use(int family)
{
	const int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	bool usable = fd >= 0;

	if (usable && family == AF_INET6)
		usable = !bind(fd, (struct sockaddr *)&v6, sizeof(v6));
	if (fd >= 0)
		close(fd);
	return usable;
}

static struct endpoint make_endpoint(int family, const char *address, uint16_t port)
{
	struct endpoint endpoint = { 0 };

	endpoint.any.sa_family = (sa_family_t)family;
	if (family == AF_INET) {
		endpoint.v4.sin_port = htons(port);
		assert_int_equal(inet_pton(family, address, &endpoint.v4.sin_addr), 1);
	} else {
		endpoint.v6.sin6_port = htons(port);
		assert_int_equal(inet_pton(family, address, &endpoint.v6.sin6_addr), 1);
	}
	return endpoint;
}

static void set_source(struct endpoint *endpoint, const char *address, uint32_t interface)
{
	assert_int_equal(inet_pton(endpoint->any.sa_family, address, &endpoint->source6), 1);
	endpoint->source_interface = interface;
}

/* Waits for a datagram: loopback delivers at once, but the kernel may be busy. */
static int receive(struct udp_batch *batch, int fd, struct tunnel_datagram **datagrams)
{
	int count = 0;

	for (int tries = 0; tries < 1000 && !count; tries++) {
		count = udp_receive(batch, fd, datagrams);
		if (!count)
			nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
	}
	return count;
}

static void expect_nothing(struct udp_batch *batch, int fd)
{
	struct tunnel_datagram *datagrams;

	assert_int_equal(udp_receive(batch, fd, &datagrams), 0);
}

static void ports(void **state)
{
	struct udp_sockets first, second = UDP_SOCKETS_CLOSED;

	(void)state;
	assert_int_equal(udp_open(&first, 0, 0), 0);
	assert_int_not_equal(first.port, 0);
	assert_int_equal(first.v4 >= 0, can_use(AF_INET));
	assert_int_equal(udp_open(&second, first.port, 0), -EADDRINUSE);
	assert_true(second.v4 == -1 && second.v6 == -1);
	const uint16_t port = first.port;

	udp_close(&first);
	assert_true(first.v4 == -1 && first.v6 == -1 && first.port == 0);
	assert_int_equal(udp_open(&second, port, 0), 0);
	assert_int_equal(second.port, port);
	udp_close(&second);
	udp_close(&second); /* twice is fine */
}

/* A port that only IPv6 has taken. */
static void one_family_taken(void **state)
{
	struct udp_sockets first, second = UDP_SOCKETS_CLOSED;

	(void)state;
	if (!can_use(AF_INET) || !can_use(AF_INET6))
		skip();
	assert_int_equal(udp_open(&first, 0, 0), 0);
	close(first.v4);
	first.v4 = -1;
	assert_int_equal(udp_open(&second, first.port, 0), -EADDRINUSE);
	/* What was opened before that came to light is closed again: the next attempt says the
	 * same. */
	assert_int_equal(udp_open(&second, first.port, 0), -EADDRINUSE);
	assert_true(second.v4 == -1 && second.v6 == -1);
	udp_close(&first);
}

/* Every datagram arrives as it was, in order, more than one batch of them. */
static void batches(const struct family *family)
{
	enum { COUNT = 150 };
	struct udp_sockets sockets;
	struct udp_batch *batch = udp_batch_new();
	struct tunnel_datagram *datagrams;
	struct tunnel_burst out[COUNT];
	uint8_t bytes[COUNT * 3];
	int seen = 0;

	assert_non_null(batch);
	assert_int_equal(udp_open(&sockets, 0, 0), 0);
	struct endpoint to = make_endpoint(family->family, family->to, sockets.port);

	for (int i = 0; i < COUNT; i++) {
		const size_t len = (size_t)(1 + i % 3);

		memset(bytes + 3 * i, i, len);
		out[i] = (struct tunnel_burst){ bytes + 3 * i, len, len };
	}
	assert_int_equal(udp_send(&sockets, &to, out, COUNT, 0), 0);
	while (seen < COUNT) {
		const int count = receive(batch, socket_of(&sockets, family->family), &datagrams);

		assert_in_range(count, 1, COUNT - seen);
		for (int i = 0; i < count; i++, seen++) {
			assert_int_equal(datagrams[i].len, 1 + seen % 3);
			assert_memory_equal(datagrams[i].data, bytes + 3 * seen, datagrams[i].len);
			assert_true(endpoint_equal(datagrams[i].from, &to)); /* from ourselves */
			assert_int_equal(datagrams[i].from->source_interface, LOOPBACK);
		}
	}
	expect_nothing(batch, socket_of(&sockets, family->family));
	udp_close(&sockets);
	udp_batch_free(batch);
}

/* The answer to a datagram comes from the address that it was sent to, with the TOS that was given.
 */
static void answers(const struct family *family)
{
	static const uint8_t classes[] = { 0, 1, 0x88, 0xff };
	struct udp_sockets asking, asked;
	struct udp_batch *batch = udp_batch_new();
	struct tunnel_datagram *datagrams;
	const struct tunnel_burst hello = { (const void *)"hello", 5, 5 };

	assert_int_equal(udp_open(&asking, 0, 0), 0);
	assert_int_equal(udp_open(&asked, 0, 0), 0);
	for (size_t i = 0; i < sizeof(classes); i++) {
		struct endpoint to = make_endpoint(family->family, family->other, asked.port);
		struct endpoint source = { 0 };

		assert_int_equal(udp_send(&asking, &to, &hello, 1, classes[i]), 0);
		assert_int_equal(receive(batch, socket_of(&asked, family->family), &datagrams), 1);
		assert_int_equal(datagrams[0].tos, classes[i]);
		struct endpoint back = *datagrams[0].from;

		source.any.sa_family = (sa_family_t)family->family;
		set_source(&source, family->other, LOOPBACK);
		assert_memory_equal(&back.source6, &source.source6, sizeof(back.source6));
		assert_int_equal(udp_send(&asked, &back, &hello, 1, classes[i]), 0);
		assert_int_equal(receive(batch, socket_of(&asking, family->family), &datagrams), 1);
		assert_true(endpoint_equal(datagrams[0].from, &to));
		assert_int_equal(datagrams[0].tos, classes[i]);
	}
	udp_close(&asking);
	udp_close(&asked);
	udp_batch_free(batch);
}

/* A source that is not ours is given up, and the datagrams leave all the same, once each. */
static void lost_source(const struct family *family)
{
	struct udp_sockets sockets;
	struct udp_batch *batch = udp_batch_new();
	struct tunnel_datagram *datagrams;
	const struct tunnel_burst out[3] = { { (const void *)"a", 1, 1 },
		{ (const void *)"b", 1, 1 }, { (const void *)"c", 1, 1 } };

	assert_int_equal(udp_open(&sockets, 0, 0), 0);
	for (uint32_t interface = 0; interface < 3; interface++) {
		struct endpoint to = make_endpoint(family->family, family->to, sockets.port);
		const struct endpoint none = to;
		int seen = 0;

		set_source(&to, family->foreign, interface == 2 ? 1u << 30 : interface);
		assert_int_equal(udp_send(&sockets, &to, out, 3, 0x88), 0);
		assert_memory_equal(&to, &none, sizeof(to));
		while (seen < 3) {
			const int count =
				receive(batch, socket_of(&sockets, family->family), &datagrams);

			assert_in_range(count, 1, 3 - seen);
			for (int i = 0; i < count; i++, seen++) {
				assert_int_equal(datagrams[i].data[0], "abc"[seen]);
				assert_int_equal(datagrams[i].tos, 0x88);
			}
		}
		expect_nothing(batch, socket_of(&sockets, family->family));
	}
	udp_close(&sockets);
	udp_batch_free(batch);
}

/* A datagram that the kernel refuses costs itself alone. */
static void oversized(const struct family *family)
{
	struct udp_sockets sockets;
	struct udp_batch *batch = udp_batch_new();
	struct tunnel_datagram *datagrams;
	uint8_t *large = calloc(1, 70000);
	const struct tunnel_burst out[4] = { { (const void *)"a", 1, 1 }, { large, 65536, 65536 },
		{ large, 60000, 60000 }, { (const void *)"b", 1, 1 } };
	size_t total = 0;
	int seen = 0;

	assert_int_equal(udp_open(&sockets, 0, 0), 0);
	struct endpoint to = make_endpoint(family->family, family->to, sockets.port);

	assert_int_equal(udp_send(&sockets, &to, out, 4, 0), -EMSGSIZE);
	while (seen < 3) {
		const int count = receive(batch, socket_of(&sockets, family->family), &datagrams);

		assert_in_range(count, 1, 3 - seen);
		for (int i = 0; i < count; i++, seen++)
			total += datagrams[i].len;
	}
	assert_int_equal(total, 60002);
	expect_nothing(batch, socket_of(&sockets, family->family));
	free(large);
	udp_close(&sockets);
	udp_batch_free(batch);
}

/* Bursts of many lengths arrive as their datagrams, cut up by the kernel or by us. The last two
 * lengths' multiples come close to what an IPv4 datagram holds, from above. */
static void bursts(const struct family *family)
{
	enum { SIZE = 150000 };
	static const size_t lengths[] = { 1, 16, 100, 999, 1452, 9000, 40000, 32760, 16380 };
	struct udp_sockets sockets;
	struct udp_batch *batch = udp_batch_new();
	struct tunnel_datagram *datagrams;
	uint8_t *bytes = malloc(SIZE);

	for (size_t i = 0; i < SIZE; i++)
		bytes[i] = (uint8_t)(i * 7 + (i >> 8));
	for (size_t i = 0; i < 2 * sizeof(lengths) / sizeof(*lengths); i++) {
		const size_t len = lengths[i / 2];
		/* 150 and a short one, or as many as fit */
		const size_t total =
			150 * len + len / 2 + 1 < SIZE ? 150 * len + len / 2 + 1 : SIZE;
		const struct tunnel_burst burst = { bytes, total, len };
		size_t at = 0;

		assert_int_equal(udp_open(&sockets, 0, 0), 0);
		udp_negotiate(&sockets, i % 2);
		struct endpoint to = make_endpoint(family->family, family->to, sockets.port);

		assert_int_equal(udp_send(&sockets, &to, &burst, 1, 0x88), 0);
		while (at < total) {
			const int count =
				receive(batch, socket_of(&sockets, family->family), &datagrams);

			assert_in_range(count, 1, 2048);
			for (int n = 0; n < count; n++) {
				assert_int_equal(
					datagrams[n].len, total - at < len ? total - at : len);
				assert_memory_equal(
					datagrams[n].data, bytes + at, datagrams[n].len);
				assert_int_equal(datagrams[n].tos, 0x88);
				at += datagrams[n].len;
			}
		}
		assert_int_equal(at, total);
		assert_int_equal(sockets.offload.refusal_count, 0); /* none was too long */
		expect_nothing(batch, socket_of(&sockets, family->family));
		udp_close(&sockets);
	}
	free(bytes);
	udp_batch_free(batch);
}

static void each_family(void (*test)(const struct family *))
{
	size_t done = 0;

	for (size_t i = 0; i < 2; i++) {
		if (!can_use(families[i].family))
			continue;
		test(&families[i]);
		done++;
	}
	if (!done)
		skip();
}

static void test_batches(void **state)
{
	(void)state;
	each_family(batches);
}

static void test_answers(void **state)
{
	(void)state;
	each_family(answers);
}

static void test_lost_source(void **state)
{
	(void)state;
	each_family(lost_source);
}

static void test_bursts(void **state)
{
	(void)state;
	each_family(bursts);
}

static void test_oversized(void **state)
{
	(void)state;
	each_family(oversized);
}

static void no_socket(void **state)
{
	struct udp_sockets closed = UDP_SOCKETS_CLOSED;
	const struct tunnel_burst out = { (const void *)"a", 1, 1 };
	struct endpoint unset = { 0 }, v4 = make_endpoint(AF_INET, "127.0.0.1", 9);

	(void)state;
	assert_int_equal(udp_send(&closed, &v4, &out, 1, 0), -EAFNOSUPPORT);
	assert_int_equal(udp_send(&closed, &unset, &out, 1, 0), -EAFNOSUPPORT);
}

static size_t put_control(
	uint8_t *at, int level, int type, size_t claimed, const void *data, size_t len)
{
	struct cmsghdr head = { .cmsg_level = level, .cmsg_type = type, .cmsg_len = claimed };

	memcpy(at, &head, sizeof(head));
	memcpy(at + CMSG_LEN(0), data, len);
	return CMSG_SPACE(len);
}

static void control_order(void **state)
{
	alignas(struct cmsghdr) uint8_t control[256] = { 0 };
	const struct in6_pktinfo info = { .ipi6_addr = IN6ADDR_LOOPBACK_INIT, .ipi6_ifindex = 7 };
	const int class = 0x88, size = 1400, negative = -1;
	struct endpoint from = make_endpoint(AF_INET6, "::1", 1);
	struct msghdr message = { .msg_control = control };
	uint8_t tos = 1;
	size_t merged = 1;
	size_t len = 0;

	(void)state;
	/* One that we did not ask for, one of the other family, then ours in the other order. */
	len += put_control(control + len, SOL_SOCKET, 99, CMSG_LEN(3), "xyz", 3);
	len += put_control(control + len, IPPROTO_IP, IP_TOS, CMSG_LEN(1), "\x01", 1);
	len += put_control(control + len, IPPROTO_IPV6, IPV6_TCLASS, CMSG_LEN(sizeof(class)),
		&class, sizeof(class));
	len += put_control(
		control + len, IPPROTO_UDP, UDP_GRO, CMSG_LEN(sizeof(size)), &size, sizeof(size));
	len += put_control(control + len, IPPROTO_IPV6, IPV6_PKTINFO, CMSG_LEN(sizeof(info)), &info,
		sizeof(info));
	message.msg_controllen = len;
	udp_read_control(&message, &from, &tos, &merged);
	assert_int_equal(tos, 0x88);
	assert_int_equal(merged, 1400);
	assert_int_equal(from.source_interface, 7);
	assert_memory_equal(&from.source6, &info.ipi6_addr, sizeof(info.ipi6_addr));
	/* Nothing there: nothing is known, whatever was before. */
	message.msg_controllen = 0;
	udp_read_control(&message, &from, &tos, &merged);
	assert_int_equal(tos, 0);
	assert_int_equal(merged, 0);
	assert_int_equal(from.source_interface, 0);
	/* No length at all. */
	message.msg_controllen = put_control(control, IPPROTO_UDP, UDP_GRO,
		CMSG_LEN(sizeof(negative)), &negative, sizeof(negative));
	udp_read_control(&message, &from, &tos, &merged);
	assert_int_equal(merged, 0);
}

/* Lengths that lie never lead outside, or round in circles. The buffer is exact, for the
 * sanitizers. */
static void control_lengths(void **state)
{
	static const int families_of[] = { AF_INET, AF_INET6 };
	static const struct {
		int level, type;
		size_t needed;
	} kinds[] = { { IPPROTO_IP, IP_PKTINFO, sizeof(struct in_pktinfo) },
		{ IPPROTO_IP, IP_TOS, 1 },
		{ IPPROTO_IPV6, IPV6_PKTINFO, sizeof(struct in6_pktinfo) },
		{ IPPROTO_IPV6, IPV6_TCLASS, sizeof(int) }, { IPPROTO_UDP, UDP_GRO, sizeof(int) } };
	const size_t claims[] = { 0, 1, 15, 16, 17, 19, 20, 24, 28, 35, 36, 40, 100, SIZE_MAX,
		SIZE_MAX - 8 };
	enum { KINDS = sizeof(kinds) / sizeof(*kinds), CLAIMS = sizeof(claims) / sizeof(*claims) };

	(void)state;
	for (size_t len = 0; len <= 96; len++) {
		uint8_t *control = malloc(len ? len : 1);

		for (size_t i = 0; i < 2 * KINDS * CLAIMS; i++) {
			const int family = families_of[i % 2];
			const size_t kind = i / 2 % KINDS, claim = claims[i / 2 / KINDS];
			struct endpoint from =
				make_endpoint(family, family == AF_INET ? "0.0.0.0" : "::", 1);
			struct msghdr message = { .msg_control = control, .msg_controllen = len };
			const struct cmsghdr head = { .cmsg_len = claim,
				.cmsg_level = kinds[kind].level,
				.cmsg_type = kinds[kind].type };
			size_t merged;
			uint8_t tos;

			memset(control, 0x7f, len);
			for (size_t at = 0; at + sizeof(head) <= len; at += 24)
				memcpy(control + at, &head, sizeof(head));
			udp_read_control(&message, &from, &tos, &merged);
			if (claim > len || claim < CMSG_LEN(kinds[kind].needed)) {
				assert_int_equal(tos, 0);
				assert_int_equal(merged, 0);
				assert_int_equal(from.source_interface, 0);
			}
		}
		free(control);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ports),
		cmocka_unit_test(one_family_taken),
		cmocka_unit_test(test_batches),
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_lost_source),
		cmocka_unit_test(test_oversized),
		cmocka_unit_test(test_bursts),
		cmocka_unit_test(no_socket),
		cmocka_unit_test(control_order),
		cmocka_unit_test(control_lengths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
