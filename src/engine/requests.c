/* SPDX-License-Identifier: ISC */
/* What the engine may ask of the monitor: one fixed-size datagram each way, descriptors beside the
 * answer. */
#include "engine/requests.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdalign.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "engine/sandbox.h"

enum {
	OPEN_SOCKETS = 1,
	BOTH = 2,
	FDS_MAX = 4,            /* two are expected; the kernel closes what there is no room for */
	ANSWER_TIMEOUT = 10000, /* milliseconds */
};

struct request {
	uint32_t kind;
	uint32_t serial; /* an answer that comes too late is not taken for the next one's */
	uint32_t fwmark;
	uint16_t port;
	uint16_t zero;
};

struct answer {
	uint32_t serial;
	int32_t error; /* 0 or -errno */
	uint16_t port;
	uint8_t v4, v6; /* 0 or 1: a descriptor of the family comes along, in this order; BOTH: it
			   is for the other, too, of which there is none */
};

static_assert(sizeof(struct request) == 16 && sizeof(struct answer) == 12, "no padding to leak");

struct descriptors {
	int fds[FDS_MAX];
	size_t count;
};

static void close_all(struct descriptors *descriptors)
{
	for (size_t i = 0; i < descriptors->count; i++)
		close(descriptors->fds[i]);
	descriptors->count = 0;
}

static void take_descriptors(struct descriptors *descriptors, struct msghdr *message)
{
	descriptors->count = 0;
	for (struct cmsghdr *control = CMSG_FIRSTHDR(message); control;
		control = CMSG_NXTHDR(message, control)) {
		if (control->cmsg_level != SOL_SOCKET || control->cmsg_type != SCM_RIGHTS ||
			control->cmsg_len < CMSG_LEN(0))
			continue;
		const size_t count = (control->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		for (size_t i = 0; i < count && descriptors->count < FDS_MAX; i++)
			memcpy(&descriptors->fds[descriptors->count++],
				CMSG_DATA(control) + i * sizeof(int), sizeof(int));
	}
}

/* A datagram of exactly len bytes and what descriptors come with it, the caller's to close. 0;
 * -EPIPE: the other end has gone; -EPROTO: another length (the descriptors are closed); other
 * -errno. */
static int receive(int fd, void *bytes, size_t len, struct descriptors *descriptors)
{
	alignas(struct cmsghdr) uint8_t control[CMSG_SPACE(FDS_MAX * sizeof(int))];
	struct iovec vector = { bytes, len };
	struct msghdr message = { .msg_iov = &vector,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control) };
	ssize_t received;

	descriptors->count = 0;
	do
		received = recvmsg(fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	while (received < 0 && errno == EINTR);
	if (received < 0)
		return errno == ECONNRESET ? -EPIPE : -errno;
	take_descriptors(descriptors, &message);
	if ((size_t)received == len && !(message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)))
		return 0;
	if (!received && !descriptors->count)
		return -EPIPE;
	close_all(descriptors);
	return -EPROTO;
}

/* ---- The monitor's side ---- */

static int send_answer(int fd, const struct answer *answer, const struct udp_sockets *sockets)
{
	alignas(struct cmsghdr) uint8_t control[CMSG_SPACE(2 * sizeof(int))] = { 0 };
	struct iovec vector = { (void *)answer, sizeof(*answer) };
	struct msghdr message = { .msg_iov = &vector, .msg_iovlen = 1 };
	struct cmsghdr *head = (struct cmsghdr *)control;
	int fds[2];
	size_t count = 0;

	if (answer->v4)
		fds[count++] = sockets->v4;
	if (answer->v6)
		fds[count++] = sockets->v6;
	if (count) {
		message.msg_control = control;
		message.msg_controllen = CMSG_SPACE(count * sizeof(int));
		head->cmsg_level = SOL_SOCKET;
		head->cmsg_type = SCM_RIGHTS;
		head->cmsg_len = CMSG_LEN(count * sizeof(int));
		memcpy(CMSG_DATA(head), fds, count * sizeof(int));
	}
	return sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 0;
}

/* One that is not marked stays so without any rights. */
static int mark(int fd, uint32_t fwmark)
{
	uint32_t now = 0;
	socklen_t len = sizeof(now);

	if (fd < 0 || (!getsockopt(fd, SOL_SOCKET, SO_MARK, &now, &len) && now == fwmark))
		return 0;
	return udp_set_mark(fd, fwmark);
}

static int use_given(struct udp_sockets *sockets, const struct udp_sockets *given, uint32_t fwmark)
{
	int error = mark(given->v4, fwmark);

	if (!error)
		error = mark(given->v6, fwmark);
	if (!error)
		*sockets = *given;
	return error;
}

int requests_serve(int fd, const struct udp_sockets *given)
{
	struct udp_sockets sockets = UDP_SOCKETS_CLOSED;
	struct descriptors unwanted;
	struct request request = { 0 };
	struct answer answer = { 0 };
	int error = receive(fd, &request, sizeof(request), &unwanted);
	bool theirs;

	if (error)
		return error;
	if (unwanted.count || request.kind != OPEN_SOCKETS || request.zero) {
		close_all(&unwanted);
		return -EPROTO;
	}
	answer.serial = request.serial;
	theirs = given->port && (!request.port || request.port == given->port);
	answer.error = theirs ? use_given(&sockets, given, request.fwmark)
			      : udp_open(&sockets, request.port, request.fwmark);
	answer.port = sockets.port;
	answer.v4 = sockets.v4 >= 0;
	answer.v6 = sockets.v6 < 0 ? 0 : sockets.both ? BOTH : 1;
	error = send_answer(fd, &answer, &sockets);
	if (!theirs)
		udp_close(&sockets);
	return error;
}

/* ---- The engine's side ---- */

const struct sandbox_call requests_calls[] = {
	{ .name = "sendto" },
	{ .name = "recvmsg" },
	{ .name = "poll" },
	{ .name = "ppoll" },
	{ .name = "ppoll_time64" },
	{ 0 },
};

static int64_t milliseconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int wait_readable(int fd, int64_t until)
{
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
	int64_t left;
	int ready;

	do {
		left = until - milliseconds();
		ready = left > 0 ? poll(&poll_fd, 1, (int)left) : 0;
	} while (ready < 0 && errno == EINTR);
	return ready < 0 ? -errno : ready ? 0 : -ETIMEDOUT;
}

static int wait_answer(
	int fd, uint32_t serial, struct answer *answer, struct descriptors *descriptors)
{
	const int64_t until = milliseconds() + ANSWER_TIMEOUT;

	for (;;) {
		int error = wait_readable(fd, until);

		if (!error)
			error = receive(fd, answer, sizeof(*answer), descriptors);
		if (error == -EAGAIN)
			continue;
		if (error || answer->serial == serial)
			return error;
		close_all(descriptors);
	}
}

static bool is_sound(const struct answer *answer)
{
	return answer->v4 <= 1 && answer->v6 <= (answer->v4 ? 1 : BOTH);
}

int requests_open_sockets(int fd, uint16_t port, uint32_t fwmark, struct udp_sockets *sockets)
{
	static uint32_t last_serial;
	const struct request request = {
		.kind = OPEN_SOCKETS, .serial = ++last_serial, .fwmark = fwmark, .port = port
	};
	struct descriptors received;
	struct answer answer = { 0 };
	size_t used = 0;
	int error;

	if (send(fd, &request, sizeof(request), MSG_NOSIGNAL) < 0)
		return -errno;
	error = wait_answer(fd, request.serial, &answer, &received);
	if (error)
		return error;
	if (answer.error || !received.count || !is_sound(&answer) ||
		received.count != (size_t)answer.v4 + (answer.v6 != 0)) {
		close_all(&received);
		return answer.error < 0 ? answer.error : -EPROTO;
	}
	*sockets = UDP_SOCKETS_CLOSED;
	if (answer.v4)
		sockets->v4 = received.fds[used++];
	if (answer.v6)
		sockets->v6 = received.fds[used++];
	sockets->both = answer.v6 == BOTH;
	sockets->port = answer.port;
	sockets->fwmark = fwmark;
	return 0;
}
