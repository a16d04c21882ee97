/* SPDX-License-Identifier: ISC */
/*
 * Driven: what is read of netlink messages: the kernel's answers (host/netlink.c) and its news
 * (engine/rtnews.c, engine/link.c, host/netwatch.c).
 * Input: a byte that chooses a question or a listener, then datagrams: raw bytes, or messages that
 * are put together of a family header and attributes, with the right or with other sequence
 * numbers.
 *
 * Asserted: all of it comes to an end; what is found out follows from the bytes that were received
 * and not from what lies behind them in the buffer; a failed question leaves the answer as it was;
 * what did not come from the kernel is no news; and of messages that were put together, netwatch
 * thinks what a list of rules does.
 */
#include "fuzz.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>

#include "engine/link.h"
#include "host/netlink.h"
#include "host/netwatch.h"

enum { DATAGRAMS = 20, DATAGRAM_MAX = 2048, PORT = 77, INTERFACE = 3, SENDS_MAX = 64 };

static const struct netwatch_scope scope = { .interface = INTERFACE, .tables = { 51820, 254 } };

static struct {
	uint8_t datagrams[DATAGRAMS][DATAGRAM_MAX];
	size_t lengths[DATAGRAMS];
	bool foreign[DATAGRAMS], lost[DATAGRAMS]; /* not the kernel's; some were lost before */
	size_t count, next;
	uint8_t filler; /* what lies in the buffer behind what was received */
	uint32_t sequence;
	unsigned sends;
	struct netwatch_news expected; /* of messages that were put together */
	bool raw;
} script;

/* ---- In the kernel's place ---- */

/* -1 where there is nothing more. */
static ssize_t receive(void *buffer, size_t size, bool *foreign)
{
	if (script.next == script.count) {
		errno = EAGAIN;
		return -1;
	}
	const size_t i = script.next++;
	const size_t len = script.lengths[i] < size ? script.lengths[i] : size;

	if (script.lost[i]) {
		errno = ENOBUFS;
		return -1;
	}
	memset(buffer, script.filler, size);
	memcpy(buffer, script.datagrams[i], len);
	*foreign = script.foreign[i];
	return (ssize_t)len;
}

ssize_t __wrap_recvfrom(
	int fd, void *buffer, size_t size, int flags, struct sockaddr *from, socklen_t *from_len);
ssize_t __wrap_send(int fd, const void *bytes, size_t len, int flags);
struct mnl_socket *__wrap_mnl_socket_open2(int bus, int flags);
int __wrap_mnl_socket_bind(struct mnl_socket *socket, unsigned groups, pid_t pid);
unsigned __wrap_mnl_socket_get_portid(const struct mnl_socket *socket);
int __wrap_mnl_socket_close(struct mnl_socket *socket);
ssize_t __wrap_mnl_socket_sendto(const struct mnl_socket *socket, const void *bytes, size_t len);
ssize_t __wrap_mnl_socket_recvfrom(const struct mnl_socket *socket, void *buffer, size_t size);

ssize_t __wrap_recvfrom(
	int fd, void *buffer, size_t size, int flags, struct sockaddr *from, socklen_t *from_len)
{
	struct sockaddr_nl *address = (struct sockaddr_nl *)from;
	bool foreign = false;
	const ssize_t len = receive(buffer, size, &foreign);

	(void)fd, (void)flags, (void)from_len;
	address->nl_pid = foreign;
	return len;
}

ssize_t __wrap_send(int fd, const void *bytes, size_t len, int flags)
{
	(void)fd, (void)bytes, (void)flags;
	script.sends++;
	return (ssize_t)len;
}

struct mnl_socket *__wrap_mnl_socket_open2(int bus, int flags)
{
	(void)bus, (void)flags;
	return (struct mnl_socket *)&script;
}

int __wrap_mnl_socket_bind(struct mnl_socket *socket, unsigned groups, pid_t pid)
{
	(void)socket, (void)groups, (void)pid;
	return 0;
}

unsigned __wrap_mnl_socket_get_portid(const struct mnl_socket *socket)
{
	(void)socket;
	return PORT;
}

int __wrap_mnl_socket_close(struct mnl_socket *socket)
{
	(void)socket;
	return 0;
}

ssize_t __wrap_mnl_socket_sendto(const struct mnl_socket *socket, const void *bytes, size_t len)
{
	const struct nlmsghdr *message = bytes;

	(void)socket;
	FUZZ_CHECK(message->nlmsg_len == len, "%zu bytes, stated %u", len, message->nlmsg_len);
	FUZZ_CHECK(++script.sends < SENDS_MAX, "it asks again and again");
	return (ssize_t)len;
}

ssize_t __wrap_mnl_socket_recvfrom(const struct mnl_socket *socket, void *buffer, size_t size)
{
	bool foreign;

	(void)socket;
	return receive(buffer, size, &foreign);
}

/* ---- Messages ---- */

struct attribute {
	uint16_t type;
	size_t len;
	uint8_t bytes[40];
};

static void read_attribute(struct attribute *attribute, struct fuzz_input *input)
{
	const uint8_t how = fuzz_byte(input);
	static const uint8_t tables[] = { 254, 108, 7 };
	uint32_t number = fuzz_byte(input);

	attribute->type = (uint16_t)(1 + (how & 31));
	attribute->len = how & 0x80 ? fuzz_below(input, sizeof(attribute->bytes)) : 4;
	if ((how & 0x60) == 0x20) /* what is looked for, more often than by chance */
		number = number & 1 ? INTERFACE : tables[number % 3];
	memset(attribute->bytes, 0, sizeof(attribute->bytes));
	memcpy(attribute->bytes, &number, sizeof(number));
	if (how & 0x80)
		fuzz_take(input, attribute->bytes, attribute->len);
}

static bool find_number(
	const struct attribute *attributes, size_t count, uint16_t type, uint32_t *number)
{
	for (size_t i = 0; i < count; i++) {
		if (attributes[i].type != type || attributes[i].len != 4)
			continue;
		memcpy(number, attributes[i].bytes, 4);
		return true;
	}
	return false;
}

/* By the rules: which news a whole message is. */
static void expect_news(uint16_t type, const uint8_t *family, size_t family_len,
	const struct attribute *attributes, size_t count)
{
	const struct rtmsg *route = (const struct rtmsg *)family;
	uint32_t number = 0;

	if (type == RTM_NEWRULE || type == RTM_DELRULE) {
		script.expected.network = true;
		script.expected.removed |= type == RTM_DELRULE;
	} else if ((type == RTM_NEWADDR || type == RTM_DELADDR) && family_len >= 8) {
		script.expected.network |=
			((const struct ifaddrmsg *)family)->ifa_index != INTERFACE;
	} else if ((type == RTM_NEWLINK || type == RTM_DELLINK) && family_len >= 16) {
		const bool own = ((const struct ifinfomsg *)family)->ifi_index == INTERFACE;

		script.expected.network |= family[0] == (own ? AF_BRIDGE : AF_UNSPEC);
	} else if ((type == RTM_NEWROUTE || type == RTM_DELROUTE) && family_len >= 12 &&
		   !(route->rtm_flags & RTM_F_CLONED)) {
		find_number(attributes, count, RTA_OIF, &number);
		script.expected.network |= number != INTERFACE;
		number = route->rtm_table;
		find_number(attributes, count, RTA_TABLE, &number);
		script.expected.removed |= type == RTM_DELROUTE && number &&
					   (number == scope.tables[0] || number == scope.tables[1]);
	}
}

static size_t put_message(uint8_t *at, bool believed, struct fuzz_input *input)
{
	static const uint16_t types[] = { RTM_NEWROUTE, RTM_DELROUTE, RTM_NEWADDR, RTM_DELADDR,
		RTM_NEWLINK, RTM_DELLINK, RTM_NEWRULE, RTM_DELRULE, NLMSG_DONE, NLMSG_ERROR };
	static const uint8_t family_lens[] = { 12, 12, 8, 8, 16, 16, 12, 12, 4, 20 };
	struct attribute attributes[6];
	const uint8_t how = fuzz_byte(input);
	const size_t kind = (how & 15) % 10, count = (how >> 4) % 7;
	struct nlmsghdr *message = mnl_nlmsg_put_header(at);
	const size_t family_len = fuzz_bool(input) ? family_lens[kind] : fuzz_below(input, 6) * 4;

	message->nlmsg_type = types[kind];
	message->nlmsg_flags = fuzz_byte(input);
	message->nlmsg_seq = script.sequence - (fuzz_byte(input) & 7 ? 0 : 1);
	message->nlmsg_pid = PORT;
	uint8_t *family = mnl_nlmsg_put_extra_header(message, family_len);

	fuzz_take(input, family, family_len);
	/* Padding of the header would be read as the beginning of an attribute. */
	for (size_t i = 0; i < count && family_len >= family_lens[kind]; i++) {
		read_attribute(&attributes[i], input);
		mnl_attr_put(message, attributes[i].type, attributes[i].len, attributes[i].bytes);
	}
	if (family_len != family_lens[kind] && family_len > 8)
		script.raw = true; /* who knows what they are then */
	if (believed)
		expect_news(types[kind], family, family_len, attributes,
			family_len >= family_lens[kind] ? count : 0);
	return message->nlmsg_len;
}

static void read_datagram(struct fuzz_input *input)
{
	const size_t i = script.count++;
	const uint8_t how = fuzz_byte(input);
	uint8_t *at = script.datagrams[i];
	size_t len = 0;

	script.foreign[i] = (how & 0x1c) == 0x1c;
	script.lost[i] = (how & 0xe0) == 0xe0;
	if ((how & 3) == 3) {
		script.raw = true;
		len = fuzz_below(input, 512);
		fuzz_take(input, at, len);
	}
	for (int messages = how & 3; messages && messages != 3; messages--)
		len += put_message(at + len, !script.foreign[i] && !script.lost[i], input);
	if ((how & 0xe0) == 0x20) {
		script.raw = true;
		len -= fuzz_byte(input) % (len + 1);
	}
	script.lengths[i] = len;
}

static void read_script(struct fuzz_input *input)
{
	memset(&script, 0, sizeof(script));
	script.sequence = 1;
	while (input->left && script.count < DATAGRAMS)
		read_datagram(input);
}

static void rewind_script(uint8_t filler)
{
	script.next = 0;
	script.sends = 0;
	script.filler = filler;
}

/* ---- News ---- */

static void listen_network(void)
{
	struct netwatch_news news[2];
	size_t read = 0;
	bool lost = false;

	for (int i = 0; i < 2; i++) {
		rewind_script(i ? 0xff : 0x00);
		FUZZ_CHECK(!netwatch_read(0, &scope, &news[i]), "an error");
	}
	for (read = 0; read < script.next; read++)
		lost |= script.lost[read];
	FUZZ_CHECK(news[0].network == news[1].network && news[0].removed == news[1].removed,
		"news of bytes that nobody sent");
	if (lost) {
		FUZZ_CHECK(news[0].network && news[0].removed, "lost news are no news");
		return;
	}
	if (script.raw || script.next < script.count)
		return;
	FUZZ_CHECK(news[0].network == script.expected.network, "network %d", news[0].network);
	FUZZ_CHECK(news[0].removed == script.expected.removed, "removed %d", news[0].removed);
}

static void listen_link(void)
{
	struct link_news news[2];

	for (int i = 0; i < 2; i++) {
		memset(&news[i], 0, sizeof(news[i]));
		rewind_script(i ? 0xff : 0x00);
		FUZZ_CHECK(!link_read(0, INTERFACE, &news[i]), "an error");
		FUZZ_CHECK(script.sends <= 1, "it asks %u times", script.sends);
	}
	FUZZ_CHECK(news[0].has_state == news[1].has_state && news[0].up == news[1].up &&
			   news[0].mtu == news[1].mtu && news[0].left == news[1].left &&
			   news[0].network == news[1].network,
		"news of bytes that nobody sent");
	FUZZ_CHECK(news[0].has_state || (!news[0].up && !news[0].mtu), "a state without one");
}

/* ---- Answers ---- */

struct outcome {
	int error;
	unsigned mtu;
	struct netlink_route route;
};

static void ask(struct outcome *outcome, uint8_t question, uint8_t filler)
{
	const struct sockaddr_in to = { .sin_family = AF_INET };
	const struct sockaddr_in6 to6 = { .sin6_family = AF_INET6, .sin6_scope_id = 4 };
	const uint8_t address[16] = { 10 };
	struct netlink_bridge bridge = { 0 };
	struct netlink *netlink;

	memset(outcome, 0, sizeof(*outcome));
	rewind_script(filler);
	FUZZ_CHECK(!netlink_open(&netlink), "not opened");
	switch (question) {
	case 0:
		outcome->error = netlink_route_get(
			netlink, (const struct sockaddr *)&to, 5, &outcome->route);
		break;
	case 1:
		outcome->error = netlink_route_get(
			netlink, (const struct sockaddr *)&to6, 0, &outcome->route);
		break;
	case 2:
		outcome->error = netlink_route_default(netlink, &outcome->route);
		break;
	case 3:
		outcome->error = netlink_link_get_mtu(netlink, INTERFACE, &outcome->mtu);
		break;
	case 4:
		outcome->error = netlink_bridge_get(netlink, INTERFACE, 4, &bridge);
		outcome->mtu = bridge.mtu;
		break;
	default:
		outcome->error = netlink_route_add(
			netlink, INTERFACE, 51820, (struct netlink_prefix){ AF_INET, address, 8 });
		break;
	}
	netlink_close(netlink);
}

static void check_answer(uint8_t question)
{
	static const struct netlink_route unset;
	struct outcome one, two;

	ask(&one, question, 0x00);
	ask(&two, question, 0xff);
	FUZZ_CHECK(one.error <= 0 && one.error >= -4095, "error %d", one.error);
	FUZZ_CHECK(one.error == two.error, "error %d, and %d with other bytes behind", one.error,
		two.error);
	FUZZ_CHECK(one.mtu == two.mtu && !memcmp(&one.route, &two.route, sizeof(one.route)),
		"an answer of bytes that nobody sent");
	FUZZ_CHECK(!one.error || (!one.mtu && !memcmp(&one.route, &unset, sizeof(unset))),
		"an answer with error %d", one.error);
	if (!one.error && question < 3)
		FUZZ_CHECK(one.route.interface, "a route to nowhere");
	if (!one.error && (question == 3 || question == 4))
		FUZZ_CHECK(one.mtu, "no MTU");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct fuzz_input input = { data, len };
	const uint8_t what = fuzz_byte(&input) % 8;

	fuzz_begin(7);
	read_script(&input);
	if (what == 0)
		listen_network();
	else if (what == 1)
		listen_link();
	else
		check_answer(what - 2);
	return 0;
}
