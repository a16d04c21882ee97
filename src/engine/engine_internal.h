/* SPDX-License-Identifier: ISC */
/* What engine.c (what is done) and event.c (when) share. Nobody else includes this. */
#ifndef ENGINE_ENGINE_INTERNAL_H
#define ENGINE_ENGINE_INTERNAL_H

#include <sys/stat.h>

#include "core/tunnel.h"
#include "engine/engine.h"
#include "engine/report.h"
#include "engine/tun.h"
#include "engine/uapi.h"

struct event_loop;

struct engine {
	struct engine_setup setup;
	struct tunnel *tunnel;
	struct udp_sockets udp;
	struct uapi_device device; /* listen_port and fwmark as they are set now */
	struct tun_offload offload;
	struct fastpath fastpath; /* offload and udp, as they are */
	unsigned fastpath_told;   /* what was in use when the log said so */
	struct tun_batch *tun_batch;
	struct udp_batch *udp_batch;
	struct report *report;
	struct event_loop *loop;
	struct now now;     /* when the present turn began */
	unsigned interface; /* 0: the device was in another network namespace from the start */
	int link;           /* netlink; -1: the device's state is not followed */
	int around;         /* netlink, where link is another namespace's; else -1 */
	int names;          /* a socket by which the kernel is asked for interfaces' numbers */
	int path_watch;     /* inotify on the control socket, or -1 */
	struct stat path_stat;
	bool link_up;
	bool ending;
	int status; /* to exit with */
};

/* Each turn begins with this: it reads the clocks. */
void engine_begin_turn(struct engine *engine);

/* And ends with this: it returns when the next is due, in boot time. */
uint64_t engine_end_turn(struct engine *engine);

/* What a turn is about. */
void engine_on_tun(struct engine *engine);
void engine_on_udp(struct engine *engine, int fd);
void engine_on_link(struct engine *engine);
void engine_on_around(struct engine *engine);
void engine_on_path_watch(struct engine *engine);

/* The end, for a reason that goes to the log with this priority. */
void engine_end(struct engine *engine, int priority, const char *reason);

#endif
