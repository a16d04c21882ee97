/* SPDX-License-Identifier: ISC */
/* Asking a running tunnel over a Unix socket. */
#include "host/control.h"

#include <errno.h>
#include <stdalign.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/key.h"

static int open_connection(const char *path, int timeout_seconds)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	const struct timeval timeout = { .tv_sec = timeout_seconds };
	int fd, error;

	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	strcpy(address.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)) < 0 ||
		setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout)) < 0 ||
		connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0) {
		error = -errno;
		close(fd);
		return error;
	}
	return fd;
}

static int send_all(int fd, const char *bytes, size_t len)
{
	while (len) {
		ssize_t sent = send(fd, bytes, len, MSG_NOSIGNAL);

		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0)
			return errno == EAGAIN ? -ETIMEDOUT : -errno;
		bytes += sent;
		len -= (size_t)sent;
	}
	return 0;
}

/* The first byte, and the file with it. */
static int send_file(int fd, const char *bytes, int file)
{
	alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec vector = { (char *)(uintptr_t)bytes, 1 };
	struct msghdr message = { .msg_iov = &vector,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control) };
	struct cmsghdr *head = CMSG_FIRSTHDR(&message);

	head->cmsg_level = SOL_SOCKET;
	head->cmsg_type = SCM_RIGHTS;
	head->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(head), &file, sizeof(int));
	return sendmsg(fd, &message, MSG_NOSIGNAL) == 1 ? 0 : -errno;
}

static bool ends_with(const struct text *text, const char *end)
{
	size_t len = strlen(end);

	return text->len >= len && !memcmp(text->bytes + text->len - len, end, len);
}

static int receive_all(int fd, const char *end, struct text *answer)
{
	char bytes[16384];
	ssize_t len;
	int error = 0;

	while (!error && !(end && ends_with(answer, end))) {
		len = recv(fd, bytes, sizeof(bytes), 0);
		if (len == 0)
			break;
		if (len < 0 && errno == EINTR)
			continue;
		if (len < 0)
			error = errno == EAGAIN ? -ETIMEDOUT : -errno;
		else if (answer->len + (size_t)len > CONTROL_ANSWER_MAX)
			error = -E2BIG;
		else
			text_add_bytes(answer, bytes, (size_t)len);
	}
	key_wipe(bytes, sizeof(bytes));
	return error ? error : answer->failed ? -ENOMEM : 0;
}

int control_ask(const char *path, const char *request, const char *end, int timeout_seconds,
	struct text *answer)
{
	const struct control_file none = { .fd = -1 };

	return control_ask_with_file(path, request, none, end, timeout_seconds, answer);
}

/* Who has made the socket listen, whoever has it by now. */
static bool may_have(int fd, const struct control_file *file)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	if (file->fd < 0 || !file->only_to)
		return file->fd >= 0;
	return !getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) && peer.pid == file->only_to;
}

int control_ask_with_file(const char *path, const char *request, struct control_file file,
	const char *end, int timeout_seconds, struct text *answer)
{
	int fd = open_connection(path, timeout_seconds), error = 0;

	*answer = (struct text){ 0 };
	if (fd < 0)
		return fd;
	if (may_have(fd, &file))
		error = send_file(fd, request++, file.fd);
	if (!error)
		error = send_all(fd, request, strlen(request));
	if (!error)
		error = receive_all(fd, end, answer);
	close(fd);
	if (error)
		text_free(answer);
	return error;
}
