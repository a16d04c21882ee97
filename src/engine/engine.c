/* SPDX-License-Identifier: ISC */
/* The engine: between the tunnel, which does no I/O, and the descriptors. */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include "engine/engine.h"

#include <errno.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "core/aead.h"
#include "engine/engine_internal.h"
#include "engine/event.h"
#include "engine/link.h"
#include "engine/listener.h"
#include "engine/log.h"
#include "engine/requests.h"
#include "engine/sandbox.h"

#ifndef PACKAGE_VERSION
#define PACKAGE_VERSION "(unreleased)"
#endif

enum {
	CIPHERS_TEXT_SIZE = 128,
	/* Standard ones, those of struct engine and of the loop, and two pairs of sockets. */
	OTHER_DESCRIPTORS = 32,
};

/* ---- Turns ---- */

static uint64_t read_clock(clockid_t clock)
{
	struct timespec time;

	clock_gettime(clock, &time);
	return (uint64_t)time.tv_sec * WIRE_SECOND + (uint64_t)time.tv_nsec;
}

void engine_begin_turn(struct engine *engine)
{
	engine->now.boot = read_clock(CLOCK_BOOTTIME);
	engine->now.wall = read_clock(CLOCK_REALTIME);
}

/* Says what is in use of the kernel, at first and when that has changed: something was refused that
 * had worked, say. */
static void tell_offload(struct engine *engine)
{
	const unsigned in_use = fastpath_in_use(&engine->fastpath);
	const bool lost = engine->fastpath_told & ~in_use;
	char text[FASTPATH_TEXT_SIZE];

	if (!in_use || in_use == engine->fastpath_told)
		return;
	fastpath_describe(text, &engine->fastpath);
	log_line(lost ? LOG_WARNING : LOG_INFO, "offload: %s", text);
	engine->fastpath_told = in_use;
}

uint64_t engine_end_turn(struct engine *engine)
{
	const uint64_t due = tunnel_tick(engine->tunnel, engine->now);

	tell_offload(engine);
	return due;
}

void engine_end(struct engine *engine, int priority, const char *reason)
{
	if (engine->ending) /* for the first reason */
		return;
	log_line(priority, "ending: %s", reason);
	engine->ending = true;
	event_loop_stop(engine->loop);
}

/* Packets may be here before the news that the link went up: the first is not to be lost for that.
 */
static void catch_up(struct engine *engine)
{
	if (!tunnel_is_up(engine->tunnel))
		engine_on_link(engine);
}

void engine_on_tun(struct engine *engine)
{
	struct tunnel_packet *packets;
	const int count =
		tun_read_batch(engine->tun_batch, engine->setup.tun, &engine->offload, &packets);

	catch_up(engine);
	if (count == -EBADFD)
		engine_end(engine, LOG_INFO, "the device was removed");
	else if (count > 0)
		tunnel_outbound(engine->tunnel, packets, (size_t)count, engine->now);
}

void engine_on_udp(struct engine *engine, int fd)
{
	struct tunnel_datagram *datagrams;
	const int count = udp_receive(engine->udp_batch, fd, &datagrams);

	catch_up(engine);
	/* An error is one that the network reported, and gone by being read. */
	if (count > 0)
		tunnel_inbound(engine->tunnel, datagrams, (size_t)count, engine->now);
}

/* ---- What the tunnel wants done ---- */

static void send_bursts(void *context, struct endpoint *to, const struct tunnel_burst *bursts,
	size_t count, uint8_t tos)
{
	struct engine *engine = context;
	const int error = udp_send(&engine->udp, to, bursts, count, tos);

	if (error) {
		engine->device.send_errors++;
		report_send_error(engine->report, to, error, engine->now.boot);
	}
}

/* For the kind of packets that was refused. Each of one batch may be, before this has an effect. */
static void stop_merging(struct engine *engine, const struct virtio_net_hdr *header)
{
	struct tun_offload *offload = &engine->offload;

	if (header->gso_type == VIRTIO_NET_HDR_GSO_UDP_L4)
		offload->merge_udp = false;
	else
		offload->merge_tcp = false;
	tunnel_set_merging(engine->tunnel, offload->merge_tcp, offload->merge_udp);
}

/* That merged packets are refused tun_negotiate should have found out; but the kernel may know of
 * cases that are not in its probes. */
static void deliver_packet(void *context, const struct iovec *parts, size_t count)
{
	struct engine *engine = context;
	int error = tun_write(engine->setup.tun, &engine->offload, parts, count);

	if (error == -EINVAL && count > 2) {
		stop_merging(engine, parts[0].iov_base);
		error = tun_write_singly(engine->setup.tun, &engine->offload, parts, count);
	}
	engine->device.write_errors += error != 0;
	if (error == -EBADFD)
		engine_end(engine, LOG_INFO, "the device was removed");
}

static void report(void *context, const struct tunnel_event *event)
{
	struct engine *engine = context;

	report_event(engine->report, event, engine->now.boot);
}

static const struct tunnel_ops ops = {
	.send = send_bursts,
	.deliver = deliver_packet,
	.report = report,
};

/* ---- Sockets ---- */

static int open_sockets(
	const struct engine *engine, struct udp_sockets *sockets, uint16_t port, uint32_t fwmark)
{
	int error;

	if (engine->setup.requests >= 0)
		error = requests_open_sockets(engine->setup.requests, port, fwmark, sockets);
	else
		error = udp_open(sockets, port, fwmark);
	if (!error)
		udp_negotiate(sockets, fastpath_wants_udp(engine->setup.offload));
	return error;
}

static int use_sockets(struct engine *engine, const struct udp_sockets *sockets)
{
	event_loop_forget_sockets(engine->loop);
	udp_close(&engine->udp);
	engine->udp = *sockets;
	return event_loop_watch_sockets(engine->loop, engine->udp.v4, engine->udp.v6);
}

/* A port cannot be opened twice: the old sockets go first, and are opened again if the new ones
 * fail. */
static int reopen_same_port(struct engine *engine, uint32_t fwmark, struct udp_sockets *sockets)
{
	const struct udp_sockets old = engine->udp;
	int error;

	event_loop_forget_sockets(engine->loop);
	udp_close(&engine->udp);
	error = open_sockets(engine, sockets, old.port, fwmark);
	if (!error || open_sockets(engine, sockets, old.port, old.fwmark))
		return error;
	use_sockets(engine, sockets);
	return error;
}

/* The tunnel is up if the link is and there are sockets. */
static void update_tunnel(struct engine *engine)
{
	const bool sockets = engine->udp.v4 >= 0 || engine->udp.v6 >= 0;
	const bool up = engine->link_up && sockets;

	if (up != tunnel_is_up(engine->tunnel))
		tunnel_set_up(engine->tunnel, up, engine->now);
}

static int rebind(void *context, uint16_t *port, uint32_t fwmark)
{
	struct engine *engine = context;
	struct udp_sockets sockets = UDP_SOCKETS_CLOSED;
	int error;

	if (*port && *port == engine->udp.port)
		error = reopen_same_port(engine, fwmark, &sockets);
	else
		error = open_sockets(engine, &sockets, *port, fwmark);
	if (!error)
		error = use_sockets(engine, &sockets);
	if (error) {
		log_line(LOG_ERR, "cannot open UDP port %u: %s", *port, strerror(-error));
		update_tunnel(engine);
		return error;
	}
	*port = engine->udp.port;
	log_line(LOG_INFO, "listening on UDP port %u%s", *port,
		engine->udp.both     ? ""
		: engine->udp.v4 < 0 ? ", IPv6 only"
		: engine->udp.v6 < 0 ? ", IPv4 only"
				     : "");
	tunnel_set_port(engine->tunnel, *port);
	tunnel_clear_sources(engine->tunnel);
	update_tunnel(engine);
	return 0;
}

static uint64_t receive_drops(void *context)
{
	const struct engine *engine = context;

	return udp_receive_drops(&engine->udp);
}

static uint32_t interface_index(void *context, const char *name)
{
	const struct engine *engine = context;
	struct ifreq request = { 0 };

	if (strlen(name) >= sizeof(request.ifr_name))
		return 0;
	strcpy(request.ifr_name, name);
	return ioctl(engine->names, SIOCGIFINDEX, &request) < 0 ? 0 : (uint32_t)request.ifr_ifindex;
}

/* ---- The device's state ---- */

/* With sockets at the latest now, so that a tunnel without a ListenPort has one of its own; but a
 * monitor, whose device may have been up before, tells its port in any case. */
static void set_link(struct engine *engine, bool up)
{
	struct uapi_device *device = &engine->device;
	uint16_t port = device->listen_port;

	if (up != engine->link_up)
		log_line(LOG_DEBUG, "the link is %s", up ? "up" : "down");
	engine->link_up = up;
	if (up && engine->udp.v4 < 0 && engine->udp.v6 < 0 && !device->port_due &&
		!rebind(engine, &port, device->fwmark))
		device->listen_port = port;
	update_tunnel(engine);
}

/* In another namespace the device's state is out of our sight. Packets tell: there are none while
 * it is down. So the tunnel stays up. */
static void device_left(struct engine *engine)
{
	char name[IFNAMSIZ];

	if (tun_get_name(engine->setup.tun, name) == -EBADFD) {
		engine_end(engine, LOG_INFO, "the device was removed");
		return;
	}
	log_line(LOG_DEBUG, "the device is in another network namespace now");
	set_link(engine, true);
}

void engine_on_link(struct engine *engine)
{
	struct link_news news;
	const int error = link_read(engine->link, engine->interface, &news);

	if (error)
		log_line(LOG_WARNING, "cannot follow the device's state: %s", strerror(-error));
	if (news.network)
		tunnel_clear_sources(engine->tunnel);
	if (news.has_state && news.mtu)
		tunnel_set_mtu(engine->tunnel, news.mtu);
	if (news.left)
		device_left(engine);
	else if (news.has_state)
		set_link(engine, news.up);
}

void engine_on_around(struct engine *engine)
{
	struct link_news news;
	const int error = link_read(engine->around, 0, &news);

	if (error)
		log_line(LOG_WARNING, "cannot follow our addresses: %s", strerror(-error));
	if (news.network)
		tunnel_clear_sources(engine->tunnel);
}

/* ---- The control socket's file ---- */

void engine_on_path_watch(struct engine *engine)
{
	char events[4096];
	struct stat now;

	while (read(engine->path_watch, events, sizeof(events)) > 0)
		;
	if (listener_stat(engine->setup.directory, engine->setup.device, &now) ||
		now.st_dev != engine->path_stat.st_dev || now.st_ino != engine->path_stat.st_ino)
		engine_end(engine, LOG_INFO, "the control socket was removed");
}

static void watch_path(struct engine *engine)
{
	const int directory = engine->setup.directory;
	char path[LISTENER_PATH_SIZE];

	if (directory < 0 || listener_path(path, engine->setup.device) ||
		listener_stat(directory, engine->setup.device, &engine->path_stat))
		return;
	engine->path_watch = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	/* Unlinking a socket that is open changes its attributes (the link count), and no more. */
	if (engine->path_watch < 0 || inotify_add_watch(engine->path_watch, path,
					      IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF) < 0)
		log_line(LOG_WARNING, "cannot watch %s: %s", path, strerror(errno));
}

/* ---- From start to end ---- */

/* The link's own news are those of the device's namespace: of ours, where the sockets are, others
 * tell. */
static int follow_around(struct engine *engine)
{
	engine->link = engine->setup.link;
	engine->interface = engine->setup.interface;
	engine->around = link_open(0);
	return engine->around < 0 ? engine->around : 0;
}

static int follow_link(struct engine *engine)
{
	if (engine->setup.link >= 0)
		return follow_around(engine);
	engine->interface = if_nametoindex(engine->setup.device);
	if (!engine->interface)
		return 0;
	engine->link = link_open(engine->interface);
	return engine->link < 0 ? engine->link : 0;
}

/* What it carries, the tunnel does. */
static int use_device(struct engine *engine)
{
	struct tun_offload *offload = &engine->offload;

	*offload = tun_negotiate(
		engine->setup.tun, engine->setup.tun_pi, fastpath_wants_tun(engine->setup.offload));
	tunnel_set_merging(engine->tunnel, offload->merge_tcp, offload->merge_udp);
	return tunnel_set_link(
		engine->tunnel, offload->frames ? TUNNEL_LINK_ETHERNET : TUNNEL_LINK_IP);
}

static int engine_init(struct engine *engine)
{
	int error;

	engine->device = (struct uapi_device){ .context = engine,
		.listen_port = engine->udp.port,
		.fwmark = engine->udp.fwmark,
		.port_due = engine->setup.control >= 0,
		.rebind = rebind,
		.interface_index = interface_index,
		.receive_drops = receive_drops,
		.fastpath = &engine->fastpath };
	engine->fastpath = (struct fastpath){
		.choice = engine->setup.offload, .device = &engine->offload, .sockets = &engine->udp
	};
	engine_begin_turn(engine);
	engine->tunnel = tunnel_new(&ops, engine);
	engine->tun_batch = tun_batch_new();
	engine->udp_batch = udp_batch_new();
	engine->report = report_new();
	if (!engine->tunnel || !engine->tun_batch || !engine->udp_batch || !engine->report)
		return -ENOMEM;
	udp_negotiate(&engine->udp, fastpath_wants_udp(engine->setup.offload));
	error = use_device(engine);
	if (!error)
		error = follow_link(engine);
	if (error)
		return error;
	engine->names = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (engine->names < 0)
		return -errno;
	watch_path(engine);
	engine->loop = event_loop_new(engine);
	if (!engine->loop)
		return -ENOMEM;
	return event_loop_watch_sockets(engine->loop, engine->udp.v4, engine->udp.v6);
}

/* What Cipher = auto offers, best first. */
static void ciphers_text(char text[CIPHERS_TEXT_SIZE])
{
	const struct aead *cipher;
	size_t len = 0;

	text[0] = '\0';
	for (size_t i = 0; (cipher = aead_at(i)) && len < CIPHERS_TEXT_SIZE; i++) {
		if (cipher->available() && cipher->hardware())
			len += (size_t)snprintf(text + len, CIPHERS_TEXT_SIZE - len, "%s%s",
				len ? ", " : "", cipher->name);
	}
}

/* The first line of a start. What the sockets can do follows as soon as they are open. */
static void log_start(const struct engine *engine)
{
	char ciphers[CIPHERS_TEXT_SIZE], offloads[FASTPATH_WORDS_SIZE];

	ciphers_text(ciphers);
	fastpath_device_words(offloads, &engine->fastpath);
	log_line(LOG_INFO, "culvert %s, device %s, which merges %s; ciphers: %s", PACKAGE_VERSION,
		engine->setup.device, offloads, ciphers);
}

static void close_fd(int fd)
{
	if (fd >= 0)
		close(fd);
}

static void engine_finish(struct engine *engine)
{
	event_loop_free(engine->loop);
	tunnel_free(engine->tunnel);
	tun_batch_free(engine->tun_batch);
	udp_batch_free(engine->udp_batch);
	report_free(engine->report);
	udp_close(&engine->udp);
	close_fd(engine->link);
	close_fd(engine->around);
	close_fd(engine->names);
	close_fd(engine->path_watch);
	close_fd(engine->setup.tun);
	close_fd(engine->setup.listener);
	close_fd(engine->setup.control);
	close_fd(engine->setup.requests);
	close_fd(engine->setup.observer);
}

/* What this file calls itself. */
static const struct sandbox_call engine_calls[] = {
	{ .name = "read" },
	{ "ioctl", { SANDBOX_IS(1, SIOCGIFINDEX) } },
	{ 0 },
};

/* With a monitor to open its sockets, and to remove its file, it does without both calls and
 * rights. */
static int enclose(const struct engine_setup *setup)
{
	const struct sandbox_call *calls[] = { event_calls, tun_calls, udp_calls, link_calls,
		log_calls, engine_calls, requests_calls, NULL, NULL };
	struct sandbox sandbox = { .uid = setup->uid,
		.gid = setup->gid,
		.descriptors = EVENT_CONNECTIONS_MAX + OTHER_DESCRIPTORS,
		.directory = setup->directory,
		.calls = calls,
		.process = "the engine" };

	if (setup->requests < 0) {
		sandbox.capabilities = 1ULL << CAP_NET_ADMIN | 1ULL << CAP_NET_BIND_SERVICE;
		calls[6] = udp_open_calls;
		calls[7] = listener_calls;
	}
	return sandbox_enclose(&sandbox);
}

const char *engine_version(void)
{
	return PACKAGE_VERSION;
}

int engine_run(const struct engine_setup *setup)
{
	struct engine engine = { .setup = *setup,
		.udp = setup->udp,
		.link = -1,
		.around = -1,
		.names = -1,
		.path_watch = -1 };
	int error = engine_init(&engine);

	signal(SIGPIPE, SIG_IGN);
	if (!error)
		error = enclose(setup);
	if (error) {
		log_line(LOG_ERR, "the engine cannot start: %s", strerror(-error));
		engine.status = 1;
	} else {
		log_start(&engine);
		if (!engine.interface)
			set_link(&engine, true);
		if (engine.path_watch >= 0) /* it may have gone before it was watched */
			engine_on_path_watch(&engine);
		error = engine.ending ? 0 : event_loop_run(engine.loop);
		if (error) {
			log_line(LOG_ERR, "the event loop failed: %s", strerror(-error));
			engine.status = 1;
		}
	}
	engine_finish(&engine);
	return engine.status;
}
