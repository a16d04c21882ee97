/* SPDX-License-Identifier: ISC */
/*
 * The event loop: the only file that knows libevent. Each callback is a turn: clocks are read, a
 * bounded piece of work is done (descriptors are level-triggered: what is left comes next time,
 * after the others had theirs), and the timer is set if the deadline moved.
 *
 * The timer is a timerfd on boot time, which goes on while the machine sleeps: what was due in the
 * meantime is done on waking up. libevent's own timers would sleep as well.
 */
#include "engine/event.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "engine/engine_internal.h"
#include "engine/log.h"
#include "engine/sandbox.h"

enum {
	CHUNK = 65536,              /* what is read from a connection in a turn */
	OUTPUT_ENOUGH = 256 * 1024, /* unsent answers from which on no more is read */
	ACCEPT_PAUSE = 1,           /* seconds, when there are no descriptors left */
};

/* One who speaks the control protocol: `wg`, or the monitor. */
struct connection {
	struct connection *next, **link;
	struct event_loop *loop;
	struct uapi_connection *uapi;
	struct event *readable, *writable;
	struct evbuffer *output; /* answers; they are wiped when sent */
	int fd;                  /* ours, but for the monitor's */
	bool monitor;
	bool ended; /* nothing more is read; the rest of the answers is sent */
};

enum watched {
	WATCH_TUN,
	WATCH_V4,
	WATCH_V6,
	WATCH_LINK,
	WATCH_AROUND,
	WATCH_PATH,
	WATCH_LISTENER,
	WATCH_TIMER,
	WATCH_ACCEPT_PAUSE,
	WATCH_SIGINT,
	WATCH_SIGTERM,
	WATCH_COUNT,
};

struct event_loop {
	struct engine *engine;
	struct event_base *base;
	struct event *events[WATCH_COUNT]; /* NULL: not watched */
	struct connection *connections;
	unsigned connection_count;
	int timer;
	uint64_t armed; /* what the timer is set to; UINT64_MAX: it is not */
};

/* ---- Turns ---- */

static void set_timer(struct event_loop *loop, uint64_t when)
{
	struct itimerspec spec = { 0 };

	if (when == loop->armed)
		return;
	if (when != UINT64_MAX) {
		spec.it_value.tv_sec = (time_t)(when / WIRE_SECOND);
		spec.it_value.tv_nsec = (long)(when % WIRE_SECOND);
	}
	timerfd_settime(loop->timer, TFD_TIMER_ABSTIME, &spec, NULL);
	loop->armed = when;
}

static void end_turn(struct event_loop *loop)
{
	set_timer(loop, engine_end_turn(loop->engine));
}

static void on_tun(int fd, short what, void *context)
{
	struct event_loop *loop = context;

	(void)fd, (void)what;
	engine_begin_turn(loop->engine);
	engine_on_tun(loop->engine);
	end_turn(loop);
}

static void on_udp(int fd, short what, void *context)
{
	struct event_loop *loop = context;

	(void)what;
	engine_begin_turn(loop->engine);
	engine_on_udp(loop->engine, fd);
	end_turn(loop);
}

static void on_link(int fd, short what, void *context)
{
	struct event_loop *loop = context;

	(void)fd, (void)what;
	engine_begin_turn(loop->engine);
	engine_on_link(loop->engine);
	end_turn(loop);
}

static void on_around(int fd, short what, void *context)
{
	struct event_loop *loop = context;

	(void)fd, (void)what;
	engine_begin_turn(loop->engine);
	engine_on_around(loop->engine);
	end_turn(loop);
}

static void on_timer(int fd, short what, void *context)
{
	struct event_loop *loop = context;
	uint64_t times;

	(void)what;
	if (read(fd, &times, sizeof(times)) == sizeof(times))
		loop->armed = UINT64_MAX;
	engine_begin_turn(loop->engine);
	end_turn(loop);
}

static void on_path_watch(int fd, short what, void *context)
{
	struct event_loop *loop = context;

	(void)fd, (void)what;
	engine_on_path_watch(loop->engine);
}

static void on_signal(int number, short what, void *context)
{
	struct event_loop *loop = context;

	(void)what;
	engine_end(loop->engine, LOG_INFO, number == SIGINT ? "SIGINT" : "SIGTERM");
}

/* ---- Connections ---- */

static void connection_free(struct connection *connection)
{
	struct event_loop *loop = connection->loop;

	if (connection->readable)
		event_free(connection->readable);
	if (connection->writable)
		event_free(connection->writable);
	if (connection->output)
		evbuffer_free(connection->output);
	uapi_connection_free(connection->uapi);
	*connection->link = connection->next;
	if (connection->next)
		connection->next->link = connection->link;
	if (!connection->monitor) {
		close(connection->fd);
		if (loop->connection_count-- == EVENT_CONNECTIONS_MAX)
			event_add(loop->events[WATCH_LISTENER], NULL);
	}
	free(connection);
}

/* Worth another try: the kernel has no memory for the moment, say. */
static bool is_passing(int error)
{
	return error == EAGAIN || error == EINTR || error == ENOBUFS || error == ENOMEM;
}

/* Nobody is left to answer. */
static void connection_lost(struct connection *connection)
{
	/* So it has us stop: it tells people itself. */
	if (connection->monitor)
		engine_end(connection->loop->engine, LOG_DEBUG,
			"the monitor has ended the connection");
	connection_free(connection);
}

static void wipe_answer(const void *answer, size_t len, void *context)
{
	(void)context;
	key_wipe((void *)answer, len);
	free((void *)answer);
}

/* Sends what can be sent, and sees to what is to be waited for. The connection may be gone after
 * this. */
static void connection_flush(struct connection *connection)
{
	size_t left = evbuffer_get_length(connection->output);

	if (left && evbuffer_write(connection->output, connection->fd) < 0 && !is_passing(errno)) {
		connection_lost(connection);
		return;
	}
	left = evbuffer_get_length(connection->output);
	if (!left && connection->ended) {
		connection_lost(connection);
		return;
	}
	if (left)
		event_add(connection->writable, NULL);
	else
		event_del(connection->writable);
	if (connection->ended || left >= OUTPUT_ENOUGH)
		event_del(connection->readable);
	else
		event_add(connection->readable, NULL);
}

static void connection_feed(struct connection *connection, const char *bytes, size_t len)
{
	const struct now now = connection->loop->engine->now;
	char *answer = NULL;
	size_t answer_len = 0;
	int error =
		uapi_connection_feed(connection->uapi, bytes, len, !len, now, &answer, &answer_len);

	if (answer && evbuffer_add_reference(
			      connection->output, answer, answer_len, wipe_answer, NULL) < 0) {
		wipe_answer(answer, answer_len, NULL);
		error = -ENOMEM;
	}
	if (error || !len)
		connection->ended = true;
}

static void on_connection_readable(int fd, short what, void *context)
{
	struct connection *connection = context;
	struct event_loop *loop = connection->loop;
	char bytes[CHUNK];
	const ssize_t len = read(fd, bytes, sizeof(bytes));

	(void)what;
	if (len < 0 && is_passing(errno))
		return;
	engine_begin_turn(loop->engine);
	if (len < 0) {
		connection_lost(connection);
	} else {
		connection_feed(connection, bytes, (size_t)len);
		key_wipe(bytes, (size_t)len);
		connection_flush(connection);
	}
	end_turn(loop);
}

static void on_connection_writable(int fd, short what, void *context)
{
	(void)fd, (void)what;
	connection_flush(context);
}

/* On failure the descriptor stays the caller's. */
static int connection_new(struct event_loop *loop, int fd, bool monitor)
{
	struct connection *connection = calloc(1, sizeof(*connection));

	if (!connection)
		return -ENOMEM;
	connection->loop = loop;
	connection->fd = fd;
	connection->monitor = monitor;
	connection->uapi = uapi_connection_new(loop->engine->tunnel, &loop->engine->device);
	connection->output = evbuffer_new();
	connection->readable =
		event_new(loop->base, fd, EV_READ | EV_PERSIST, on_connection_readable, connection);
	connection->writable = event_new(
		loop->base, fd, EV_WRITE | EV_PERSIST, on_connection_writable, connection);
	connection->next = loop->connections;
	connection->link = &loop->connections;
	if (connection->next)
		connection->next->link = &connection->next;
	loop->connections = connection;
	loop->connection_count += !monitor;
	if (connection->uapi && connection->output && connection->readable &&
		connection->writable && !event_add(connection->readable, NULL))
		return 0;
	connection->fd = -1;
	connection_free(connection);
	return -ENOMEM;
}

/* The connection closes the descriptor from here on. */
static int watch_observer(struct event_loop *loop)
{
	int error = connection_new(loop, loop->engine->setup.observer, false);

	if (error)
		return error;
	loop->engine->setup.observer = -1;
	uapi_connection_restrict(loop->connections->uapi);
	return 0;
}

static void on_listener(int fd, short what, void *context)
{
	static const struct timeval pause = { .tv_sec = ACCEPT_PAUSE };
	struct event_loop *loop = context;
	const int accepted = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	(void)what;
	if (accepted < 0) {
		/* The waiting connection stays: without a pause the loop would turn for it alone.
		 */
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
			event_del(loop->events[WATCH_LISTENER]);
			event_add(loop->events[WATCH_ACCEPT_PAUSE], &pause);
		}
		return;
	}
	if (connection_new(loop, accepted, false)) {
		close(accepted);
		return;
	}
	if (loop->connection_count == EVENT_CONNECTIONS_MAX)
		event_del(loop->events[WATCH_LISTENER]);
}

static void on_accept_pause(int fd, short what, void *context)
{
	struct event_loop *loop = context;

	(void)fd, (void)what;
	if (loop->connection_count < EVENT_CONNECTIONS_MAX)
		event_add(loop->events[WATCH_LISTENER], NULL);
}

/* ---- The loop ---- */

static int watch(
	struct event_loop *loop, enum watched which, int fd, short what, event_callback_fn callback)
{
	if (fd < 0)
		return 0;
	loop->events[which] = event_new(loop->base, fd, what | EV_PERSIST, callback, loop);
	if (!loop->events[which] || event_add(loop->events[which], NULL) < 0)
		return -ENOMEM;
	return 0;
}

static void forget(struct event_loop *loop, enum watched which)
{
	if (loop->events[which])
		event_free(loop->events[which]);
	loop->events[which] = NULL;
}

static int watch_all(struct event_loop *loop)
{
	const struct engine *engine = loop->engine;
	int error;

	loop->events[WATCH_ACCEPT_PAUSE] = evtimer_new(loop->base, on_accept_pause, loop);
	if (!loop->events[WATCH_ACCEPT_PAUSE] ||
		watch(loop, WATCH_SIGINT, SIGINT, EV_SIGNAL, on_signal) ||
		watch(loop, WATCH_SIGTERM, SIGTERM, EV_SIGNAL, on_signal) ||
		watch(loop, WATCH_TIMER, loop->timer, EV_READ, on_timer) ||
		watch(loop, WATCH_TUN, engine->setup.tun, EV_READ, on_tun) ||
		watch(loop, WATCH_LINK, engine->link, EV_READ, on_link) ||
		watch(loop, WATCH_AROUND, engine->around, EV_READ, on_around) ||
		watch(loop, WATCH_PATH, engine->path_watch, EV_READ, on_path_watch) ||
		watch(loop, WATCH_LISTENER, engine->setup.listener, EV_READ, on_listener))
		return -ENOMEM;
	error = engine->setup.control < 0 ? 0 : connection_new(loop, engine->setup.control, true);
	if (!error && engine->setup.observer >= 0)
		error = watch_observer(loop);
	return error;
}

static struct event_base *make_base(void)
{
	struct event_config *config = event_config_new();
	struct event_base *base = NULL;

	if (!config)
		return NULL;
	if (!event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK | EVENT_BASE_FLAG_IGNORE_ENV))
		base = event_base_new_with_config(config);
	event_config_free(config);
	return base;
}

/* With those of libevent and of its pipe for signals. */
const struct sandbox_call event_calls[] = {
	{ .name = "epoll_wait" },
	{ .name = "epoll_pwait" },
	{ .name = "epoll_pwait2" },
	{ .name = "epoll_ctl" },
	{ .name = "timerfd_settime" },
	{ .name = "timerfd_settime64" },
	{ .name = "accept4" },
	{ .name = "read" },
	{ .name = "write" },
	{ .name = "writev" },
	{ .name = "sendto" },
	{ .name = "recvfrom" },
	{ 0 },
};

struct event_loop *event_loop_new(struct engine *engine)
{
	struct event_loop *loop = calloc(1, sizeof(*loop));

	if (!loop)
		return NULL;
	loop->engine = engine;
	loop->armed = UINT64_MAX;
	loop->timer = timerfd_create(CLOCK_BOOTTIME, TFD_NONBLOCK | TFD_CLOEXEC);
	loop->base = make_base();
	if (loop->timer < 0 || !loop->base || watch_all(loop)) {
		event_loop_free(loop);
		return NULL;
	}
	return loop;
}

void event_loop_free(struct event_loop *loop)
{
	if (!loop)
		return;
	while (loop->connections)
		/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): it leaves the list */
		connection_free(loop->connections);
	for (int i = 0; i < WATCH_COUNT; i++)
		forget(loop, (enum watched)i);
	if (loop->base)
		event_base_free(loop->base);
	if (loop->timer >= 0)
		close(loop->timer);
	free(loop);
}

int event_loop_run(struct event_loop *loop)
{
	return event_base_dispatch(loop->base) < 0 ? -EIO : 0;
}

void event_loop_stop(struct event_loop *loop)
{
	event_base_loopbreak(loop->base);
}

int event_loop_watch_sockets(struct event_loop *loop, int v4, int v6)
{
	int error = watch(loop, WATCH_V4, v4, EV_READ, on_udp);

	return error ? error : watch(loop, WATCH_V6, v6, EV_READ, on_udp);
}

void event_loop_forget_sockets(struct event_loop *loop)
{
	forget(loop, WATCH_V4);
	forget(loop, WATCH_V6);
}
