/* SPDX-License-Identifier: ISC */
/*
 * The process that serves the metrics. It has nothing else to do, so a page is made while whoever
 * asks for it waits: the engine is asked, and its answer waited for.
 */
#include <errno.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/listener.h>
#include <ifaddrs.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>

#include "engine/engine.h"
#include "engine/event.h"
#include "engine/log.h"
#include "engine/sandbox.h"
#include "host/metrics_page.h"

enum {
	ENGINE_TIMEOUT = 5,  /* seconds */
	CLIENT_TIMEOUT = 10, /* seconds */
	HEADERS_MAX = 8192,  /* bytes */
	ACCEPT_PAUSE = 1,    /* seconds, when there are no descriptors left */
	CHUNK = 65536,
	DESCRIPTORS_MAX = 64,
};

struct server {
	const struct metrics_facts *facts;
	const char *interface;
	int engine;
	unsigned pending;   /* answers that the engine owes us */
	struct text answer; /* as far as it has come */
	struct event_base *base;
};

/* ---- The engine ---- */

/* Takes what has come. An answer that somebody did not wait for makes room for the next one. 0,
 * -EAGAIN: the time is up, or another -errno. */
static int receive(struct server *server)
{
	static char bytes[CHUNK];
	struct text *answer = &server->answer;
	const ssize_t len = recv(server->engine, bytes, sizeof(bytes), 0);
	size_t from = answer->len ? answer->len - 1 : 0;
	const char *end;

	if (len < 0)
		return errno == EINTR ? 0 : -errno;
	if (!len || !server->pending)
		return -EPIPE;
	text_add_bytes(answer, bytes, (size_t)len);
	if (answer->failed)
		return -ENOMEM;
	while (server->pending && (end = strstr(answer->bytes + from, "\n\n"))) {
		if (--server->pending)
			text_drop(answer, (size_t)(end + 2 - answer->bytes));
		from = 0;
	}
	return 0;
}

static int ask(struct server *server)
{
	static const char request[] = "get=1\n\n";
	int error = 0;

	if (!server->pending)
		text_free(&server->answer);
	if (send(server->engine, request, strlen(request), MSG_NOSIGNAL) < 0)
		return -errno;
	server->pending++;
	while (server->pending && !error)
		error = receive(server);
	return error;
}

/* It has ended; or it brings what we did not wait for. */
static void on_engine(int fd, short what, void *context)
{
	struct server *server = context;
	const int error = receive(server);

	(void)fd, (void)what;
	if (error && error != -EAGAIN)
		event_base_loopbreak(server->base);
}

/* ---- Pages ---- */

/* Packets that found the device's queue full: the kernel counts them as dropped on their way out.
 */
static uint64_t tun_drops(const char *interface)
{
	struct ifaddrs *list, *each;
	uint64_t drops = 0;

	if (getifaddrs(&list) < 0)
		return 0;
	for (each = list; each; each = each->ifa_next) {
		const struct rtnl_link_stats *stats = each->ifa_data;

		if (stats && each->ifa_addr && each->ifa_addr->sa_family == AF_PACKET &&
			!strcmp(each->ifa_name, interface))
			drops = stats->tx_dropped;
	}
	freeifaddrs(list);
	return drops;
}

static int make_page(struct server *server, struct text *page)
{
	const struct metrics_given given = { .interface = server->interface,
		.version = engine_version(),
		.facts = *server->facts,
		.tun_drops = tun_drops(server->interface) };
	int error = ask(server);

	return error ? error : metrics_page(page, server->answer.bytes, &given);
}

static void send_page(struct server *server, struct evhttp_request *request)
{
	struct evbuffer *body = evbuffer_new();
	struct text page = { 0 };
	int error = make_page(server, &page);

	if (error || !body || evbuffer_add(body, page.bytes, page.len) < 0) {
		log_line(LOG_WARNING, "metrics: %s",
			error == -EAGAIN ? "the engine does not answer"
					 : strerror(error ? -error : ENOMEM));
		evhttp_send_error(request, HTTP_SERVUNAVAIL, NULL);
	} else {
		evhttp_add_header(evhttp_request_get_output_headers(request), "Content-Type",
			"text/plain; version=0.0.4; charset=utf-8");
		evhttp_send_reply(request, HTTP_OK, NULL, body);
	}
	if (body)
		evbuffer_free(body);
	text_free(&page);
	if (error == -EPIPE)
		event_base_loopbreak(server->base);
}

static void on_request(struct evhttp_request *request, void *context)
{
	const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(request);
	const char *path = uri ? evhttp_uri_get_path(uri) : NULL;

	if (path && !strcmp(path, "/metrics"))
		send_page(context, request);
	else
		evhttp_send_error(request, HTTP_NOTFOUND, "it is at /metrics");
}

/* ---- Connections ---- */

static void on_pause(int fd, short what, void *context)
{
	(void)fd, (void)what;
	evconnlistener_enable(context);
}

/* The waiting connection stays: without a pause the loop would turn for it alone. The context is
 * evhttp's. */
static void on_accept_error(struct evconnlistener *listener, void *context)
{
	static const struct timeval pause = { .tv_sec = ACCEPT_PAUSE };
	struct event_base *base = evconnlistener_get_base(listener);

	(void)context;
	evconnlistener_disable(listener);
	if (event_base_once(base, -1, EV_TIMEOUT, on_pause, listener, &pause) < 0)
		event_base_loopbreak(base);
}

static int listen_for_requests(struct server *server, struct evhttp *http, int listener)
{
	struct evhttp_bound_socket *bound;

	evhttp_set_allowed_methods(http, EVHTTP_REQ_GET | EVHTTP_REQ_HEAD);
	evhttp_set_max_headers_size(http, HEADERS_MAX);
	evhttp_set_max_body_size(http, 0);
	evhttp_set_timeout(http, CLIENT_TIMEOUT);
	evhttp_set_gencb(http, on_request, server);
	bound = evhttp_accept_socket_with_handle(http, listener);
	if (!bound)
		return -ENOMEM;
	evconnlistener_set_error_cb(evhttp_bound_socket_get_listener(bound), on_accept_error);
	return 0;
}

/* What this file and evhttp call beside the event loop, with getifaddrs and the text of a client's
 * address. */
static const struct sandbox_call serve_calls[] = {
	{ .name = "readv" },
	{ .name = "recvmsg" },
	{ .name = "shutdown" },
	{ .name = "bind" },
	{ .name = "getsockname" },
	{ "socket", { SANDBOX_IS(0, AF_NETLINK), SANDBOX_IS(2, NETLINK_ROUTE) } },
	{ "socket", { SANDBOX_IS(0, AF_UNIX), SANDBOX_IS(1, SOCK_DGRAM | SOCK_CLOEXEC) } },
	{ "getsockopt", { SANDBOX_IS(1, SOL_SOCKET), SANDBOX_IS(2, SO_ERROR) } },
	{ "ioctl", { SANDBOX_IS(1, FIONREAD) } },
	{ "ioctl", { SANDBOX_IS(1, SIOCGIFNAME) } },
	{ 0 },
};

static int enclose(uid_t uid, gid_t gid)
{
	const struct sandbox_call *const calls[] = { event_calls, serve_calls, log_calls, NULL };
	const struct sandbox sandbox = { .uid = uid,
		.gid = gid,
		.descriptors = DESCRIPTORS_MAX,
		.directory = -1,
		.calls = calls };

	tzset(); /* pages bear the date, and making that into text reads a file the first time */
	return sandbox_enclose(&sandbox);
}

int metrics_serve(int listener, int engine, const struct metrics_facts *facts,
	const char *interface, uid_t uid, gid_t gid)
{
	const struct timeval timeout = { .tv_sec = ENGINE_TIMEOUT };
	struct server server = { .facts = facts, .interface = interface, .engine = engine };
	struct evhttp *http;
	struct event *ended;

	signal(SIGPIPE, SIG_IGN);
	server.base = event_base_new();
	if (!server.base ||
		setsockopt(engine, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)) < 0)
		return 1;
	http = evhttp_new(server.base);
	ended = event_new(server.base, engine, EV_READ | EV_PERSIST, on_engine, &server);
	if (!http || !ended || event_add(ended, NULL) < 0 ||
		listen_for_requests(&server, http, listener) || enclose(uid, gid))
		return 1;
	return event_base_dispatch(server.base) < 0;
}
