/* SPDX-License-Identifier: ISC */
/* The event loop. Who is at work in it, and what is done in a turn, is the engine's. */
#ifndef ENGINE_EVENT_H
#define ENGINE_EVENT_H

#include "engine/sandbox.h"

enum { EVENT_CONNECTIONS_MAX = 64 }; /* control connections at a time */

struct engine;
struct event_loop; /* opaque */

/* Watches the engine's descriptors, but for the UDP sockets. NULL: out of memory or descriptors. */
struct event_loop *event_loop_new(struct engine *engine);

/* Closes what connections there are; the engine's descriptors stay open. NULL is fine. */
void event_loop_free(struct event_loop *loop);

/* Runs until event_loop_stop. 0 or -errno. */
int event_loop_run(struct event_loop *loop);
void event_loop_stop(struct event_loop *loop);

/* The UDP sockets (-1: none): to be forgotten before they are closed. 0, -ENOMEM. */
int event_loop_watch_sockets(struct event_loop *loop, int v4, int v6);
void event_loop_forget_sockets(struct event_loop *loop);

/* What this module calls once the process is enclosed. */
extern const struct sandbox_call event_calls[];

#endif
