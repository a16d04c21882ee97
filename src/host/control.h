/* SPDX-License-Identifier: ISC */
/*
 * Asking a running tunnel's monitor, at its NAME.sock (host/place.h).
 *
 * One request a connection: a line, "status", "reload" or "pause SECONDS". The answer is lines
 * KEY=VALUE and a blank one. status: name, state (starting, running, stopping), pid, engine_pid (0:
 * none), device, network_namespace, network_namespace_lost (1: that is another one by now), link
 * (ip or ethernet), bridge, bridge_lost (the device is not in there; why), config, since (Unix
 * time), mtu (0: not set yet), mtu_why, user, table (auto, off or a number), routes (how many were
 * added), last_error, network_changed (Unix time, once it did), clock_behind (seconds by which the
 * clock is behind a time that has been), routing (what goes by rules), kill_switch (off, on or
 * paused), paused (seconds that are left); with DNS in the file dns_backend (host/dns.h; not told:
 * it is not set), dns_server and dns_domain (any number) and dns_error; then for each peer of the
 * file peer (its public key, base64) and, with an endpoint in the file, endpoint_name (HOST:PORT),
 * resolved (true or false) and resolve_error. What is empty is not told. reload, with which the
 * tunnel's file may be handed over, open, for a monitor that has it as a credential and so cannot
 * read the present one: waiting (again and again until it is done, for which a resolver's helpers
 * may take their time), problem (any number), warning (any number), result (ok or failed). pause:
 * waiting, problem, result.
 */
#ifndef HOST_CONTROL_H
#define HOST_CONTROL_H

#include <sys/types.h>

#include "host/text.h"

enum {
	CONTROL_ANSWER_MAX = 64 << 20,
	CONTROL_PAUSE_MAX = 86400,   /* seconds */
	CONTROL_TIMEOUT = 5,         /* seconds for an answer to status */
	CONTROL_RELOAD_TIMEOUT = 60, /* and of silence in one to reload or to pause */
};

/*
 * Connects to a socket, writes the request and reads until the other end closes or, with end given,
 * until the answer ends with that. 0 and *answer, the caller's; or -errno (-ENOENT, -ECONNREFUSED:
 * nobody is there; -EACCES: not root; -ETIMEDOUT: nothing came for that long).
 */
int control_ask(const char *path, const char *request, const char *end, int timeout_seconds,
	struct text *answer);

/* An open file that is handed over with a request, if it is this process that listens there (0:
 * whichever does); -1: none. */
struct control_file {
	int fd;
	pid_t only_to;
};

/* The same, handing over a file. */
int control_ask_with_file(const char *path, const char *request, struct control_file file,
	const char *end, int timeout_seconds, struct text *answer);

#endif
