/* SPDX-License-Identifier: ISC */
/* TUN and TAP devices for tests, in a network namespace of the test's own. */
#ifndef CULVERT_TESTS_UNIT_TUN_DEVICE_H
#define CULVERT_TESTS_UNIT_TUN_DEVICE_H

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/tunnel.h"
#include "engine/tun.h"

static int inet;

/* False, with a word why: the tests are to be skipped. */
static inline bool can_run(void)
{
	if (geteuid() || access("/dev/net/tun", R_OK | W_OK) || unshare(CLONE_NEWNET)) {
		puts("skipped: this takes root, /dev/net/tun and a network namespace");
		return false;
	}
	inet = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	return true;
}

static inline void interface_request(
	unsigned long request, struct ifreq *argument, const char *name)
{
	snprintf(argument->ifr_name, IFNAMSIZ, "%s", name);
	assert_int_equal(ioctl(inet, request, argument), 0);
}

/* Up, with no address. IPv6 is left out: its neighbour discovery would send packets of its own. */
static inline void set_up(const char *name)
{
	struct ifreq request = { 0 };
	char path[80];
	int fd;

	snprintf(path, sizeof(path), "/proc/sys/net/ipv6/conf/%s/disable_ipv6", name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd >= 0) {
		(void)!write(fd, "1", 1);
		close(fd);
	}
	interface_request(SIOCGIFFLAGS, &request, name);
	request.ifr_flags |= IFF_UP;
	interface_request(SIOCSIFFLAGS, &request, name);
}

/* 10.9.0.1/24, up. */
static inline void bring_up(const char *name)
{
	struct ifreq request = { 0 };
	struct sockaddr_in *address = (struct sockaddr_in *)&request.ifr_addr;

	address->sin_family = AF_INET;
	assert_int_equal(inet_pton(AF_INET, "10.9.0.1", &address->sin_addr), 1);
	interface_request(SIOCSIFADDR, &request, name);
	assert_int_equal(inet_pton(AF_INET, "255.255.255.0", &address->sin_addr), 1);
	interface_request(SIOCSIFNETMASK, &request, name);
	set_up(name);
}

/* What iproute2 does; without it, or where the kernel cannot, the test is skipped. */
static inline void need(const char *command)
{
	if (system(command))
		skip();
}

#endif
