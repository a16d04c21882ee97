/* SPDX-License-Identifier: ISC */
/* Descriptors that whoever started us has opened. */
#include "host/inherited.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "engine/tun.h"

enum { FIRST_FD = 3, NAME_SIZE = 64 };

/* What is being looked at. */
struct taking {
	struct inherited *inherited;
	char *why;
	int fd;
	char name[NAME_SIZE]; /* for messages; empty: it has none */
};

static int refuse(const struct taking *taking, const char *reason)
{
	const bool named = *taking->name;

	snprintf(taking->why, INHERITED_WHY_SIZE, "descriptor %d%s%s%s, which was handed over, %s",
		taking->fd, named ? " (" : "", taking->name, named ? ")" : "", reason);
	return -EINVAL;
}

static int take_tun(const struct taking *taking)
{
	struct inherited *inherited = taking->inherited;
	enum tunnel_link link;

	if (inherited->tun >= 0)
		return refuse(taking, "is a second device: a tunnel has one");
	if (tun_attach(taking->fd, inherited->device, &link, &inherited->pi))
		return refuse(taking, "is no device that a tunnel could use");
	inherited->tun = taking->fd;
	return 0;
}

static int option_of(int fd, int level, int option)
{
	int value = -1;
	socklen_t len = sizeof(value);

	return getsockopt(fd, level, option, &value, &len) < 0 ? -1 : value;
}

static uint16_t port_of(int fd)
{
	struct endpoint local = { 0 };
	socklen_t len = sizeof(local.v6);

	if (getsockname(fd, &local.any, &len) < 0)
		return 0;
	return ntohs(local.any.sa_family == AF_INET ? local.v4.sin_port : local.v6.sin6_port);
}

static int take_socket(const struct taking *taking)
{
	struct udp_sockets *udp = &taking->inherited->udp;
	const bool is_v6 = option_of(taking->fd, SOL_SOCKET, SO_DOMAIN) == AF_INET6;
	const bool both = is_v6 && !option_of(taking->fd, IPPROTO_IPV6, IPV6_V6ONLY);
	const uint16_t port = port_of(taking->fd);
	int *place = is_v6 ? &udp->v6 : &udp->v4;

	if (!port)
		return refuse(taking, "is a UDP socket without a port");
	if (*place >= 0 || (udp->v4 >= 0 && both) || udp->both)
		return refuse(taking, "is a second UDP socket of its family");
	if (udp->port && udp->port != port)
		return refuse(taking, "has another port than the other one");
	if (udp_adopt(taking->fd, is_v6 ? AF_INET6 : AF_INET, both))
		return refuse(taking, "is a UDP socket that cannot be used");
	*place = taking->fd;
	udp->both = both;
	udp->port = port;
	return 0;
}

/* One that is closed at an exec is of our own making, such as the lock: nobody has handed over what
 * has that number, and so it was free. */
static bool is_handed_over(int fd)
{
	const int flags = fcntl(fd, F_GETFD);

	return flags >= 0 && !(flags & FD_CLOEXEC);
}

static int take(const struct taking *taking)
{
	struct ifreq request = { 0 };
	const int family = option_of(taking->fd, SOL_SOCKET, SO_DOMAIN);

	if (!is_handed_over(taking->fd) || fcntl(taking->fd, F_SETFD, FD_CLOEXEC) < 0)
		return refuse(taking, "is not there");
	if (!ioctl(taking->fd, TUNGETIFF, &request))
		return take_tun(taking);
	if ((family == AF_INET || family == AF_INET6) &&
		option_of(taking->fd, SOL_SOCKET, SO_PROTOCOL) == IPPROTO_UDP)
		return take_socket(taking);
	return refuse(taking, "is neither a TUN or TAP device nor a UDP socket");
}

/* -1: it is no number, or one that means somebody else. */
static long number_in(const char *variable)
{
	const char *text = getenv(variable);
	char *end;
	long number;

	if (!text || !*text)
		return -1;
	errno = 0;
	number = strtol(text, &end, 10);
	return errno || *end || number < 0 || number > 1 << 30 ? -1 : number;
}

bool inherited_any(void)
{
	return getenv("WG_TUN_FD") || number_in("LISTEN_PID") == getpid();
}

static int take_listed(struct taking *taking)
{
	const char *names = getenv("LISTEN_FDNAMES");
	const long count = number_in("LISTEN_FDS");
	int error = 0;

	if (number_in("LISTEN_PID") != getpid() || !getenv("LISTEN_FDS"))
		return 0;
	if (count < 0) {
		snprintf(taking->why, INHERITED_WHY_SIZE, "LISTEN_FDS is no number of descriptors");
		return -EINVAL;
	}
	/* Of those that a tunnel can have there are three, so this ends, whatever the number. */
	for (long i = 0; i < count && !error; i++) {
		const size_t len = names ? strcspn(names, ":") : 0;

		taking->fd = FIRST_FD + (int)i;
		snprintf(taking->name, NAME_SIZE, "%.*s", (int)len, len ? names : "");
		error = take(taking);
		names = names && names[len] ? names + len + 1 : NULL;
	}
	return error;
}

static int take_wireguards(struct taking *taking)
{
	if (!getenv("WG_TUN_FD"))
		return 0;
	taking->fd = (int)number_in("WG_TUN_FD");
	if (taking->fd < 0) {
		snprintf(taking->why, INHERITED_WHY_SIZE, "WG_TUN_FD is no number of a descriptor");
		return -EINVAL;
	}
	snprintf(taking->name, NAME_SIZE, "WG_TUN_FD");
	return take(taking);
}

int inherited_take(struct inherited *inherited, char why[INHERITED_WHY_SIZE])
{
	static const char *const variables[] = { "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES",
		"WG_TUN_FD" };
	struct taking taking = { .inherited = inherited, .why = why };
	int error;

	*inherited = (struct inherited){ .tun = -1, .udp = UDP_SOCKETS_CLOSED };
	error = take_listed(&taking);
	if (!error)
		error = take_wireguards(&taking);
	for (size_t i = 0; i < sizeof(variables) / sizeof(*variables); i++)
		unsetenv(variables[i]);
	return error;
}

void inherited_close(struct inherited *inherited)
{
	if (inherited->tun >= 0)
		close(inherited->tun);
	inherited->tun = -1;
	udp_close(&inherited->udp);
}

const char *inherited_refusal(const struct inherited *inherited, const struct config *config,
	char why[INHERITED_WHY_SIZE])
{
	const uint16_t port = inherited->udp.port;

	if (!port || !config->listen_port_given || config->listen_port == port)
		return NULL;
	snprintf(why, INHERITED_WHY_SIZE,
		"ListenPort = %u, and the socket that was handed over has port %u: remove the "
		"line, or make them the same",
		config->listen_port, port);
	return why;
}
