/* SPDX-License-Identifier: ISC */
/* News of the kernel's network by rtnetlink. */
#include "engine/rtnews.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <stdalign.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	MESSAGES_SIZE = 32768, /* one read of netlink messages */
	READS_MAX = 16,
};

int rtnews_open(uint32_t groups)
{
	const struct sockaddr_nl address = { .nl_family = AF_NETLINK, .nl_groups = groups };
	const int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, NETLINK_ROUTE);
	int error;

	if (fd < 0)
		return -errno;
	if (!bind(fd, (const struct sockaddr *)&address, sizeof(address)))
		return fd;
	error = -errno;
	close(fd);
	return error;
}

/* libmnl's own check takes a length of more than 2 GiB for a negative one, and lets it pass. */
size_t rtnews_sound(const void *messages, size_t len)
{
	size_t at = 0;

	while (len - at >= sizeof(struct nlmsghdr)) {
		const struct nlmsghdr *message =
			(const struct nlmsghdr *)((const char *)messages + at);

		if (message->nlmsg_len < sizeof(*message) || message->nlmsg_len > len - at)
			return at;
		if (NLMSG_ALIGN(message->nlmsg_len) >= len - at)
			return len;
		at += NLMSG_ALIGN(message->nlmsg_len);
	}
	return at;
}

void rtnews_take(const void *messages, size_t len, rtnews_take_fn *take, void *context)
{
	const struct nlmsghdr *message = messages;
	int left = (int)rtnews_sound(messages, len);

	for (; mnl_nlmsg_ok(message, left); message = mnl_nlmsg_next(message, &left))
		take(context, message);
}

int rtnews_read(int fd, rtnews_take_fn *take, void *context, bool *lost)
{
	alignas(struct nlmsghdr) char bytes[MESSAGES_SIZE];

	*lost = false;
	for (int i = 0; i < READS_MAX; i++) {
		struct sockaddr_nl from = { 0 };
		socklen_t from_len = sizeof(from);
		const ssize_t len =
			recvfrom(fd, bytes, sizeof(bytes), 0, (struct sockaddr *)&from, &from_len);

		if (len < 0 && errno == ENOBUFS)
			*lost = true;
		else if (len < 0)
			return errno == EAGAIN || errno == EINTR ? 0 : -errno;
		else if (!from.nl_pid) /* the kernel */
			rtnews_take(bytes, (size_t)len, take, context);
	}
	return 0;
}
