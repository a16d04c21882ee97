/* SPDX-License-Identifier: ISC */
/* Looking up endpoint names in child processes. */
#include "host/resolve.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>
#ifdef __GLIBC__
#include <nss.h>
#endif

#include "engine/sandbox.h"
#include "host/child.h"
#include "host/outside.h"
#include "host/refused.h"

/* What goes through the pipe, whole: the child is as trusted as the replies that it parses. */
struct answer {
	int32_t error; /* of getaddrinfo */
	int32_t system_error;
	uint32_t count;
	struct sockaddr_in6
		addresses[RESOLVE_ADDRESSES_MAX]; /* or sockaddr_in, in its first bytes */
};

_Static_assert(sizeof(struct answer) <= PIPE_BUF, "one write, never split");

unsigned resolve_retry_delay(unsigned failures)
{
	unsigned delay = 1;

	while (failures-- > 1 && delay < RESOLVE_RETRY_MAX)
		delay *= 2;
	return delay < RESOLVE_RETRY_MAX ? delay : RESOLVE_RETRY_MAX;
}

static bool endpoint_from_sockaddr(struct endpoint *endpoint, const void *address)
{
	const struct sockaddr *any = address;

	memset(endpoint, 0, sizeof(*endpoint));
	if (any->sa_family == AF_INET)
		memcpy(&endpoint->v4, address, sizeof(endpoint->v4));
	else if (any->sa_family == AF_INET6)
		memcpy(&endpoint->v6, address, sizeof(endpoint->v6));
	else
		return false;
	return true;
}

static int ask(const char *host, const char *port, int flags, struct addrinfo **list)
{
	const struct addrinfo hints = { .ai_flags = flags | AI_NUMERICSERV,
		.ai_family = AF_UNSPEC,
		.ai_socktype = SOCK_DGRAM,
		.ai_protocol = IPPROTO_UDP };

	return getaddrinfo(host, port, &hints, list);
}

int resolve_numeric(const char *host, const char *port, struct endpoint *endpoint)
{
	struct addrinfo *list;
	bool known;

	if (ask(host, port, AI_NUMERICHOST, &list))
		return -EINVAL;
	known = endpoint_from_sockaddr(endpoint, list->ai_addr);
	freeaddrinfo(list);
	return known ? 0 : -EINVAL;
}

static void look_up_as_usual(const char *host, const char *port, struct answer *answer)
{
	struct addrinfo *list = NULL;

	answer->error = ask(host, port, AI_ADDRCONFIG, &list);
	answer->system_error = errno;
	if (answer->error)
		return;
	for (struct addrinfo *each = list; each; each = each->ai_next) {
		if (answer->count == RESOLVE_ADDRESSES_MAX)
			break;
		if (each->ai_addrlen <= sizeof(answer->addresses[0]))
			memcpy(&answer->addresses[answer->count++], each->ai_addr,
				each->ai_addrlen);
	}
	freeaddrinfo(list);
}

/* Which sources getaddrinfo asks from here on; elsewhere than with glibc it cannot be told. */
static void use_sources(const char *sources)
{
#ifdef __GLIBC__
	__nss_configure_lookup("hosts", sources);
#else
	(void)sources;
#endif
}

static void look_up_outside(
	const struct outside *outside, const char *host, const char *port, struct answer *answer)
{
	struct outside_addresses found;

	outside_look_up(outside, host, &found);
	for (unsigned i = 0; i < found.count && answer->count < RESOLVE_ADDRESSES_MAX; i++) {
		struct endpoint *address = &found.items[i];

		/* In both families the port is in the same place. */
		address->v4.sin_port = htons((uint16_t)strtoul(port, NULL, 10));
		memcpy(&answer->addresses[answer->count++], &address->v6, sizeof(address->v6));
	}
}

/* Past the tunnel, but what this host itself knows of the name comes first; and what only its
 * resolver may know, last. */
static void look_up(
	const struct outside *outside, const char *host, const char *port, struct answer *answer)
{
	if (outside->server_count) {
		use_sources("files");
		look_up_as_usual(host, port, answer);
		if (answer->count)
			return;
		*answer = (struct answer){ 0 };
		look_up_outside(outside, host, port, answer);
		if (answer->count)
			return;
		use_sources("mdns4_minimal resolve [!UNAVAIL=return] dns");
	}
	look_up_as_usual(host, port, answer);
}

static void __attribute__((noreturn))
run_child(const char *host, const char *port, const struct resolve_how *how, int fd)
{
	struct outside outside = { .sockets = { -1, -1 } };
	struct answer answer = { 0 };

	prctl(PR_SET_NAME, "culvert-resolve");
	alarm(RESOLVE_TIMEOUT);
	if (how->mark)
		outside_open(&outside, how->mark);
	if (how->uid ? sandbox_drop_user(how->uid, how->gid) : sandbox_protect())
		_exit(1);
	refused_to_lookups(); /* where it cannot be had the monitor has said so */
	if (how->mark) {
		outside_add_present_servers(&outside);
		outside_add_servers(&outside, how->resolv_conf ? how->resolv_conf : "");
	}
	look_up(&outside, host, port, &answer);
	_exit(write(fd, &answer, sizeof(answer)) == sizeof(answer) ? 0 : 1);
}

int resolve_start(
	const char *host, const char *port, const struct resolve_how *how, pid_t *pid, int *fd)
{
	int ends[2], error;
	pid_t child;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	child = child_fork(&ends[1], 1);
	if (!child) {
		if (how->forget)
			how->forget(how->context);
		run_child(host, port, how, ends[1]);
	}
	error = -errno;
	close(ends[1]);
	if (child < 0) {
		close(ends[0]);
		return error;
	}
	*pid = child;
	*fd = ends[0];
	return 0;
}

/* What to say of getaddrinfo's errors. */
static const char *error_text(const struct answer *answer)
{
	if (answer->error == EAI_SYSTEM)
		return strerror(answer->system_error);
	if (!answer->error)
		return "it has no address of a family that this host uses";
	return gai_strerror(answer->error);
}

void resolve_finish(int fd, struct resolve_result *result)
{
	struct answer answer = { 0 };
	ssize_t len;

	memset(result, 0, sizeof(*result));
	do
		len = read(fd, &answer, sizeof(answer));
	while (len < 0 && errno == EINTR);
	close(fd);
	if (len != sizeof(answer)) {
		snprintf(result->error, sizeof(result->error), "no answer within %d seconds",
			RESOLVE_TIMEOUT);
		return;
	}
	for (uint32_t i = 0; i < answer.count && i < RESOLVE_ADDRESSES_MAX; i++) {
		if (endpoint_from_sockaddr(&result->addresses[result->count], &answer.addresses[i]))
			result->count++;
	}
	if (!result->count)
		snprintf(result->error, sizeof(result->error), "%s", error_text(&answer));
}
