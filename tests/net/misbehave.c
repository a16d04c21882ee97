/* SPDX-License-Identifier: ISC */
/* Loaded into the engine (LD_PRELOAD), plays one that a datagram has taken over: "misbehave NUMBER"
 * makes it call that system call, with zeros for arguments. */
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int recvmmsg(
	int fd, struct mmsghdr *messages, unsigned count, int flags, struct timespec *timeout)
{
	static const char word[] = "misbehave ";
	int (*real)(int, struct mmsghdr *, unsigned, int, struct timespec *);
	char text[32];
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
			syscall(atol(text + strlen(word)), 0, 0, 0, 0, 0, 0);
	}
	return received;
}
