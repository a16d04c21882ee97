/* SPDX-License-Identifier: ISC */
/* Loaded into monitor and engine (LD_PRELOAD), plays an engine that a datagram has taken over. */
/*
 *   misbehave call NUMBER   makes this system call, with zeros for arguments
 *   misbehave ask HEX...    sends these bytes to the monitor as requests, one for each word
 *   misbehave tell TEXT     sends this to the monitor as an answer that nobody asked for
 *   misbehave lie WORD      from now on, in place of answers: "endless", "bytes", "errno" or
 * "terminal"
 */
#include <dlfcn.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

/* Of the pairs that the monitor makes, the engine's ends: they are made in this order. */
static int control = -1, requests = -1;
static char lie[16];

static const char endless[] = "allowed_ip=192.0.2.1/32\nallowed_ip=192.0.2.2/32\n";

int socketpair(int domain, int type, int protocol, int ends[2])
{
	int (*real)(int, int, int, int *);
	int error;

	real = (__typeof__(real))dlsym(RTLD_NEXT, "socketpair");
	error = real(domain, type, protocol, ends);
	if (error)
		return error;
	if ((type & 0xf) == SOCK_SEQPACKET)
		requests = ends[1];
	else if (requests < 0)
		control = ends[1];
	return 0;
}

static void ask(char *words)
{
	char *word;

	while ((word = strsep(&words, " "))) {
		unsigned char bytes[512];
		size_t len = 0;

		for (; word[2 * len] && word[2 * len + 1] && len < sizeof(bytes); len++) {
			const char digits[] = { word[2 * len], word[2 * len + 1], '\0' };

			bytes[len] = (unsigned char)strtoul(digits, NULL, 16);
		}
		send(requests, bytes, len, MSG_NOSIGNAL);
	}
}

static void misbehave(char *text)
{
	const char *what = strsep(&text, " ");

	if (!text)
		return;
	if (!strcmp(what, "call"))
		syscall(atol(text), 0, 0, 0, 0, 0, 0);
	else if (!strcmp(what, "ask"))
		ask(text);
	else if (!strcmp(what, "tell"))
		send(control, text, strlen(text), MSG_NOSIGNAL);
	else if (!strcmp(what, "lie"))
		snprintf(lie, sizeof(lie), "%s", text);
}

int recvmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags, struct timespec *timeout)
{
	static const char word[] = "misbehave ";
	int (*real)(int, struct mmsghdr *, unsigned, int, struct timespec *);
	char text[1024];
	int received;

	real = (__typeof__(real))dlsym(RTLD_NEXT, "recvmmsg");
	received = real(fd, messages, count, flags, timeout);
	for (int i = 0; i < received; i++) {
		const size_t len = messages[i].msg_len;

		if (len >= sizeof(text))
			continue;
		memcpy(text, messages[i].msg_hdr.msg_iov->iov_base, len);
		text[len] = '\0';
		if (!strncmp(text, word, strlen(word)))
			misbehave(text + strlen(word));
	}
	return received;
}

/* True: it was told in place of what should be. */
static bool tell_lie(int fd)
{
	static const char bytes[] = "\0\0=\0\n\xff\xfe=\n=\n\n=\0errno=0\n\n";
	static const char number[] =
		"private_key=zz\nlisten_port=-1\nerrno=99999999999999999999\n\n";
	static const char terminal[] =
		"public_key=00\nculvert_name=\033]0;x\007\033[2J\nendpoint=\033[31m\nerrno=0\n\n";

	if (fd != control || !*lie)
		return false;
	if (!strcmp(lie, "bytes"))
		send(fd, bytes, sizeof(bytes) - 1, MSG_NOSIGNAL);
	else if (!strcmp(lie, "errno"))
		send(fd, number, sizeof(number) - 1, MSG_NOSIGNAL);
	else if (!strcmp(lie, "terminal"))
		send(fd, terminal, sizeof(terminal) - 1, MSG_NOSIGNAL);
	else
		while (send(fd, endless, sizeof(endless) - 1, MSG_NOSIGNAL) >= 0 || errno == EAGAIN)
			;
	return true;
}

ssize_t writev(int fd, const struct iovec *parts, int count)
{
	ssize_t (*real)(int, const struct iovec *, int);
	ssize_t len = 0;

	real = (__typeof__(real))dlsym(RTLD_NEXT, "writev");
	if (!tell_lie(fd))
		return real(fd, parts, count);
	for (int i = 0; i < count; i++)
		len += (ssize_t)parts[i].iov_len;
	return len;
}
