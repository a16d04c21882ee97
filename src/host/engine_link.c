/* SPDX-License-Identifier: ISC */
/* The engine as the monitor sees it: a child, a control stream with one request at a time, a socket
 * for its requests. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/key.h"
#include "engine/engine.h"
#include "engine/log.h"
#include "host/child.h"
#include "host/device_step.h"
#include "host/monitor_state.h"
#include "host/rights.h"

enum {
	ANSWER_TIMEOUT =
		30000, /* milliseconds; the engine has its hands full of packets, perhaps */
	STOP_TIMEOUT = 3000,
	KILL_AGAIN = 100,
	ANSWER_MAX = 64 << 20,
	CHUNK = 65536,
};

static void __attribute__((noreturn))
become_engine(struct monitor *monitor, const struct engine_setup *setup)
{
	int status;

	prctl(PR_SET_NAME, "culvert-engine");
	/* Its keys come by the control stream; of the file's it keeps no copy. */
	config_free(monitor->config);
	status = engine_run(setup);
	_exit(status);
}

static void close_end(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static int open_pairs(int control[2], int requests[2])
{
	int error;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, control) < 0)
		return -errno;
	if (!socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, requests))
		return 0;
	error = -errno;
	close(control[0]);
	close(control[1]);
	return error;
}

int engine_start(struct monitor *monitor)
{
	int control[2], requests[2], error;
	struct engine_setup setup = { .tun = monitor->tun,
		.tun_pi = monitor->given.pi,
		.link = device_step_follow(monitor, &error),
		.interface = monitor->interface,
		.udp = UDP_SOCKETS_CLOSED,
		.listener = monitor->wg_listener,
		.offload = monitor->config->offload,
		.observer = monitor->metrics.engine_end,
		.directory = -1,
		.uid = monitor->uid,
		.gid = monitor->gid };

	if (!error)
		error = open_pairs(control, requests);
	if (error) {
		close_end(&setup.link);
		return error;
	}
	memcpy(setup.device, monitor->config->device, sizeof(setup.device));
	setup.control = control[1];
	setup.requests = requests[1];
	monitor->engine = child_fork((int[]){ setup.tun, setup.link, setup.listener, setup.control,
					     setup.requests, setup.observer },
		6);
	if (!monitor->engine)
		become_engine(monitor, &setup);
	if (monitor->engine < 0) {
		error = -errno;
		monitor->engine = 0;
	}
	close(control[1]);
	close(requests[1]);
	close_end(&setup.link);
	monitor->engine_control = control[0];
	monitor->engine_requests = requests[0];
	if (error)
		return error;
	/* The engine has the only descriptors now, so that the device goes when it does. */
	if (!monitor->lasting.stays)
		close_end(&monitor->tun);
	close_end(&monitor->wg_listener);
	close_end(&monitor->metrics.engine_end);
	return 0;
}

/* Again and again: there may be no process for it at the moment. */
static void kill_engine(struct monitor *monitor)
{
	int error, before = 0;

	while (monitor->engine) {
		error = rights_kill(monitor->engine, SIGKILL, monitor->uid, monitor->gid);
		if (error && error != before)
			log_line(LOG_ERR, "cannot kill the engine, which is tried again: %s",
				strerror(-error));
		before = error;
		monitor_pump(monitor, monitor_now() + KILL_AGAIN);
	}
}

void engine_stop(struct monitor *monitor)
{
	uint64_t until = monitor_now() + STOP_TIMEOUT;

	close_end(&monitor->engine_control); /* this alone ends it */
	while (monitor->engine && monitor_now() < until)
		monitor_pump(monitor, until);
	if (monitor->engine)
		log_line(LOG_WARNING, "the engine did not end in time: it is killed");
	kill_engine(monitor);
	close_end(&monitor->engine_requests);
	text_free(&monitor->engine_out);
	text_free(&monitor->engine_in);
	monitor->engine_owes = 0;
}

void engine_on_exit(struct monitor *monitor, int wait_status)
{
	monitor->engine = 0;
	monitor->engine_status = wait_status;
	close_end(&monitor->engine_control);
}

/* Worth another try: the kernel has no memory for the moment, say. */
static bool is_passing(int error)
{
	return error == EAGAIN || error == EINTR || error == ENOBUFS || error == ENOMEM;
}

void engine_on_writable(struct monitor *monitor)
{
	struct text *out = &monitor->engine_out;
	size_t chunk = out->len < CHUNK ? out->len : CHUNK;
	ssize_t sent = send(monitor->engine_control, out->bytes, chunk, MSG_NOSIGNAL);

	if (sent > 0)
		text_drop(out, (size_t)sent);
	else if (sent < 0 && !is_passing(errno))
		close_end(&monitor->engine_control);
}

/* Those to requests that nobody waits for any more: the last one is the one that is awaited. What
 * is before from was searched already: an answer that has no end costs no more than its length. */
static void drop_late_answers(struct monitor *monitor, size_t from)
{
	struct text *in = &monitor->engine_in;
	const char *end;

	from -= from > 0; /* an end may be half there */
	while (monitor->engine_owes > 1 && in->len &&
		(end = memmem(in->bytes + from, in->len - from, "\n\n", 2))) {
		text_drop(in, (size_t)(end + 2 - in->bytes));
		monitor->engine_owes--;
		from = 0;
	}
}

void engine_broke_protocol(struct monitor *monitor, const char *what)
{
	if (!monitor->engine)
		return;
	monitor_error(monitor, "the engine sent %s: it is ended", what);
	rights_kill(monitor->engine, SIGKILL, monitor->uid, monitor->gid);
}

void engine_on_readable(struct monitor *monitor)
{
	struct text *in = &monitor->engine_in;
	char bytes[4096];
	ssize_t len;

	if (monitor->engine_control < 0)
		return;
	len = recv(monitor->engine_control, bytes, sizeof(bytes), 0);
	if (len < 0 && is_passing(errno))
		return;
	if (len <= 0) {
		close_end(&monitor->engine_control);
	} else if (!monitor->engine_owes || in->len + (size_t)len > ANSWER_MAX) {
		engine_broke_protocol(monitor, monitor->engine_owes
						       ? "an answer without an end"
						       : "an answer that nobody asked for");
		close_end(&monitor->engine_control);
	} else {
		text_add_bytes(in, bytes, (size_t)len);
		drop_late_answers(monitor, in->len - (size_t)len);
	}
	key_wipe(bytes, sizeof(bytes));
}

/* The number in the answer's last line, errno=N. -EPROTO: there is none. */
static int answer_errno(const char *answer)
{
	const char *line = answer;
	char *end;
	long number;

	while (line && strncmp(line, "errno=", 6)) {
		line = strchr(line, '\n');
		if (line)
			line++;
	}
	if (!line)
		return -EPROTO;
	number = strtol(line + 6, &end, 10);
	if (*end != '\n' || number > 4095 || number < -4095)
		return -EPROTO;
	return number > 0 ? -(int)number : (int)number;
}

static bool answer_is_whole(const struct monitor *monitor)
{
	const struct text *in = &monitor->engine_in;

	return monitor->engine_owes == 1 && in->len >= 2 &&
	       !memcmp(in->bytes + in->len - 2, "\n\n", 2);
}

int engine_get(struct monitor *monitor, const struct text *request, struct text *answer)
{
	uint64_t until = monitor_now() + ANSWER_TIMEOUT;
	const unsigned stops = monitor->stop_signals;
	struct text *in = &monitor->engine_in;
	int error;

	text_add_bytes(&monitor->engine_out, request->bytes, request->len);
	if (monitor->engine_out.failed)
		return -ENOMEM;
	monitor->engine_owes++;
	drop_late_answers(monitor, 0);
	while (monitor->engine && monitor->engine_control >= 0 && !answer_is_whole(monitor) &&
		monitor->stop_signals == stops && monitor_now() < until)
		monitor_pump(monitor, until);
	if (!answer_is_whole(monitor)) /* it may still come */
		return monitor->stop_signals != stops                    ? -EINTR
		       : !monitor->engine || monitor->engine_control < 0 ? -EPIPE
									 : -ETIMEDOUT;
	monitor->engine_owes = 0;
	error = answer_errno(in->bytes);
	if (answer && !error) {
		*answer = *in;
		*in = (struct text){ 0 };
	}
	text_free(in);
	return error;
}

int engine_ask(struct monitor *monitor, const struct text *request)
{
	return engine_get(monitor, request, NULL);
}
