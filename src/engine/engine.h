/* SPDX-License-Identifier: ISC */
/*
 * The engine: the process that moves packets. It is handed every descriptor that it needs and runs
 * one event loop until it is told to stop, the device goes away or the monitor does.
 */
#ifndef ENGINE_ENGINE_H
#define ENGINE_ENGINE_H

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "engine/fastpath.h"
#include "engine/udp.h"

/* How an engine is started. Descriptors are -1 where there is none; engine_run owns and closes
 * them. */
struct engine_setup {
	char device[IFNAMSIZ];
	int tun;     /* TUN or TAP descriptor, non-blocking */
	bool tun_pi; /* with a struct tun_pi before each packet */
	int link;    /* engine/link.h of the device, where that is in another network namespace
			than we are; -1: it is here */
	unsigned interface; /* with link: the device's number there */
	struct udp_sockets
		udp;  /* closed ones: opened with the first listen_port or when the link is up */
	int listener; /* the control socket that `wg` connects to, listening */
	int control; /* a connected control-protocol stream: the monitor. Its end ends the engine */
	int requests;  /* engine/requests.h, SOCK_SEQPACKET: to the monitor; -1: the engine does
			  privileged things itself */
	int observer;  /* a connected control-protocol stream that gets answers without secrets and
			  changes nothing: the metrics process */
	int directory; /* where the device's control socket is a file whose removal ends the engine;
			  stays the caller's */
	enum fastpath_choice offload;
	uid_t uid; /* drop to this user and group before the first packet, unless 0 */
	gid_t gid;
};

/* The program's version. */
const char *engine_version(void);

/* Returns the exit status: 0 for SIGINT, SIGTERM, removal of the device or the control socket. */
int engine_run(const struct engine_setup *setup);

#endif
