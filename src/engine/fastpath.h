/* SPDX-License-Identifier: ISC */
/*
 * What the fast path may use of the kernel (Offload in culvert.conf(5)), what it does use, and how
 * both are said. Whether something works is found out by tun.c and udp.c.
 */
#ifndef ENGINE_FASTPATH_H
#define ENGINE_FASTPATH_H

#include <stdbool.h>

enum fastpath_choice {
	FASTPATH_AUTO = 0, /* all that there is */
	FASTPATH_OFF,
	FASTPATH_TUN, /* the device's super-packets alone */
	FASTPATH_UDP, /* the sockets' UDP_SEGMENT and UDP_GRO alone */
};

#define FASTPATH_CHOICES "'auto', 'off', 'tun' or 'udp'"

/* One of the words above, in upper or lower case. */
bool fastpath_choice_from_text(enum fastpath_choice *choice, const char *text);

bool fastpath_wants_tun(enum fastpath_choice choice);
bool fastpath_wants_udp(enum fastpath_choice choice);

struct tun_offload;
struct udp_sockets;

struct fastpath {
	enum fastpath_choice choice;
	const struct tun_offload *device;
	const struct udp_sockets *sockets;
};

/* What is in use, a bit for each thing. 0: the sockets are not open, so it is too early to tell. */
unsigned fastpath_in_use(const struct fastpath *fastpath);

enum { FASTPATH_WORDS_SIZE = 32, FASTPATH_TEXT_SIZE = 320 };

/* For programs: "tcp,udp" and "send,receive", as much of it as is in use whole, or "none". */
void fastpath_device_words(char words[FASTPATH_WORDS_SIZE], const struct fastpath *fastpath);
void fastpath_sockets_words(char words[FASTPATH_WORDS_SIZE], const struct fastpath *fastpath);

/* For people: "device TCP+UDP, sockets send (receive: the kernel lacks it)". */
void fastpath_describe(char text[FASTPATH_TEXT_SIZE], const struct fastpath *fastpath);

#endif
