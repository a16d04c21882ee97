/* SPDX-License-Identifier: ISC */
/*
 * The metrics page (Metrics =), for Prometheus: served by a process of its own, as an unprivileged
 * user, so that the code that parses HTTP is neither root nor has keys. All it has is the listening
 * socket, a stream to the engine that gets answers without secrets (uapi_connection_restrict) and a
 * page of memory with what only the monitor knows. It ends with the engine.
 */
#ifndef HOST_METRICS_H
#define HOST_METRICS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "host/config.h"

/* Written by the monitor alone. */
struct metrics_facts {
	uint64_t since; /* Unix time of the start */
	uint64_t lookup_failures;
	bool ethernet; /* Mode = tap */
};

/* The monitor's side. Start it zeroed, with descriptors of -1. */
struct metrics {
	pid_t pid;                   /* 0: not running */
	int listener;                /* -1: not open */
	int engine_end;              /* for the engine; -1: none, or it has it */
	struct metrics_facts *facts; /* NULL: no metrics */
};

/* The path of the socket that Metrics = names; NULL: it is a port. */
const char *metrics_socket(const char *where);

/* Opens the socket that Metrics = names. 0; -EADDRINUSE; -EEXIST: there is a file that is no
 * socket; other -errno. */
int metrics_listen(struct metrics *metrics, const char *where);

/* Starts the process; engine_end is then to be handed to the engine. Of the configuration it keeps
 * no secret. 0 or -errno. */
int metrics_start(struct metrics *metrics, struct config *config, uid_t uid, gid_t gid);

/* Tells it, which is run as this user, to end; that it has is told by metrics_on_exit, and only
 * then metrics_close. */
void metrics_end(struct metrics *metrics, uid_t uid, gid_t gid);
void metrics_on_exit(struct metrics *metrics, int wait_status);
void metrics_close(struct metrics *metrics, const char *where);

void metrics_count_lookup_failure(struct metrics *metrics);

/* The process: becomes this user, enclosed (engine/sandbox.h), and serves until the engine's end of
 * the stream closes. Returns the exit status. In metrics_serve.c. */
int metrics_serve(int listener, int engine, const struct metrics_facts *facts,
	const char *interface, uid_t uid, gid_t gid);

#endif
