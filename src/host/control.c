/* SPDX-License-Identifier: ISC */
/* The monitor's control socket: `culvert status`, `culvert reload` and `culvert pause` ask here. */
#include "host/control.h"

#include <errno.h>
#include <stdalign.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "engine/log.h"
#include "host/device_step.h"
#include "host/dns_file.h"
#include "host/dns_step.h"
#include "host/monitor.h"
#include "host/monitor_state.h"
#include "host/place.h"

enum {
	REQUEST_MAX = 64,
	CLIENT_TIMEOUT = 5000, /* milliseconds for a client to ask, and to take what it asked for;
				  and from one sign of life to the next for one that waits */
};

static int control_address(const struct monitor *monitor, struct sockaddr_un *address)
{
	char path[PLACE_PATH_SIZE];
	const int error = place_path(path, monitor->config->name, "sock");

	*address = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (error || strlen(path) >= sizeof(address->sun_path))
		return -ENAMETOOLONG;
	strcpy(address->sun_path, path);
	return 0;
}

int control_open(struct monitor *monitor)
{
	struct sockaddr_un address;
	int error = control_address(monitor, &address);
	mode_t mask;

	if (error)
		goto out;
	/* Whoever left it is gone: the lock is ours. */
	unlink(address.sun_path);
	monitor->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	mask = umask(0177);
	if (monitor->listener < 0 ||
		bind(monitor->listener, (const struct sockaddr *)&address, sizeof(address)) < 0 ||
		listen(monitor->listener, MONITOR_CLIENTS_MAX) < 0)
		error = -errno;
	umask(mask);
out:
	if (error)
		monitor_error(monitor, "cannot listen on %s/%s.sock: %s", place_directory(),
			monitor->config->name, strerror(-error));
	return error;
}

void control_close(struct monitor *monitor)
{
	struct sockaddr_un address;

	for (size_t i = 0; i < MONITOR_CLIENTS_MAX; i++)
		control_client_drop(&monitor->clients[i]);
	if (monitor->listener < 0)
		return;
	close(monitor->listener);
	monitor->listener = -1;
	if (!control_address(monitor, &address) && unlink(address.sun_path) < 0 && errno != ENOENT)
		log_line(LOG_WARNING, "cannot remove %s: %s", address.sun_path, strerror(errno));
}

void control_client_drop(struct monitor_client *client)
{
	if (client->fd >= 0)
		close(client->fd);
	if (client->file >= 0)
		close(client->file);
	text_free(&client->in);
	text_free(&client->out);
	*client = (struct monitor_client){ .fd = -1, .file = -1 };
}

void control_client_overdue(struct monitor_client *client)
{
	static const char sign[] = "waiting=yes\n";

	if (client->state == CLIENT_ASKING || client->state == CLIENT_ANSWERING) {
		control_client_drop(client);
	} else {
		(void)send(client->fd, sign, sizeof(sign) - 1, MSG_NOSIGNAL);
		client->deadline = monitor_now() + CLIENT_TIMEOUT;
	}
}

void control_on_connect(struct monitor *monitor)
{
	int fd = accept4(monitor->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0)
		return;
	for (size_t i = 0; i < MONITOR_CLIENTS_MAX; i++) {
		if (monitor->clients[i].fd >= 0)
			continue;
		monitor->clients[i].fd = fd;
		monitor->clients[i].deadline = monitor_now() + CLIENT_TIMEOUT;
		return;
	}
	close(fd);
}

/* A line KEY=VALUE; what would break the line is replaced. */
static void add_line(struct text *out, const char *key, const char *value)
{
	size_t start;

	if (!value || !*value)
		return;
	text_add(out, "%s=", key);
	start = out->len;
	text_add(out, "%s", value);
	for (size_t i = start; i < out->len; i++) {
		if ((unsigned char)out->bytes[i] < ' ' || out->bytes[i] == 0x7f)
			out->bytes[i] = '?';
	}
	text_add(out, "\n");
}

static void add_peer(
	const struct monitor *monitor, struct text *out, const struct config_peer *peer)
{
	const struct monitor_lookup *lookup;
	const struct monitor_peer *found;
	char base64[KEY_BASE64_SIZE], name[512];
	uint8_t key[KEY_LEN];

	diff_peer_key(monitor->config, peer, key);
	found = endpoints_peer(monitor, key);
	lookup = found ? found->lookup : NULL;
	key_to_base64(base64, key);
	add_line(out, "peer", base64);
	if (!peer->endpoint.host)
		return;
	snprintf(name, sizeof(name), strchr(peer->endpoint.host, ':') ? "[%s]:%s" : "%s:%s",
		peer->endpoint.host, peer->endpoint.port);
	add_line(out, "endpoint_name", name);
	add_line(out, "resolved", !lookup || endpoint_is_set(&lookup->endpoint) ? "true" : "false");
	if (lookup)
		add_line(out, "resolve_error", lookup->error);
}

/* What the file wants, and how it is done, if it is. */
static void add_dns(const struct monitor *monitor, struct text *out)
{
	const struct config_dns *dns = &monitor->config->dns;
	const char *resolv_conf = monitor->dns_places.resolv_conf;
	char why[MONITOR_TEXT_SIZE];

	if (!dns->servers.count)
		return;
	add_line(out, "dns_backend", dns_backend_name(monitor->dns.backend));
	for (size_t i = 0; i < dns->servers.count; i++)
		add_line(out, "dns_server", dns->servers.items[i]);
	for (size_t i = 0; i < dns->domains.count; i++)
		add_line(out, "dns_domain", dns->domains.items[i]);
	snprintf(why, sizeof(why), "%s", monitor->dns.why);
	if (monitor->dns.backend == DNS_FILE &&
		!dns_file_is_set(resolv_conf, monitor->config->name))
		snprintf(why, sizeof(why), "another program has written %s", resolv_conf);
	add_line(out, "dns_error", why);
}

static void add_table(struct text *out, const struct config *config)
{
	if (config->table == CONFIG_TABLE_NUMBER)
		text_add(out, "table=%u\n", config->table_number);
	else
		add_line(out, "table", config->table == CONFIG_TABLE_OFF ? "off" : "auto");
}

static void answer_status(const struct monitor *monitor, struct text *out)
{
	const struct config *config = monitor->config;

	add_line(out, "name", config->name);
	add_line(out, "state", monitor->state);
	text_add(out, "pid=%d\nengine_pid=%d\n", (int)getpid(), (int)monitor->engine);
	add_line(out, "device", config->device);
	add_line(out, "network_namespace", config->network_namespace);
	if (device_step_lost_namespace(monitor))
		add_line(out, "network_namespace_lost", "1");
	add_line(out, "config", config->from_options ? NULL : config->path);
	add_line(out, "link", config->tap ? "ethernet" : "ip");
	add_line(out, "bridge", config->bridge);
	add_line(out, "bridge_lost", monitor->bridge_lost);
	text_add(out, "since=%lld\nmtu=%u\n", (long long)monitor->since, monitor->mtu);
	add_line(out, "mtu_why", monitor->mtu_why);
	add_line(out, "user", monitor->user);
	add_table(out, config);
	text_add(out, "routes=%zu\n", monitor->routes_added);
	add_line(out, "last_error", monitor->last_error);
	if (monitor->network.changed)
		text_add(out, "network_changed=%lld\n", (long long)monitor->network.changed);
	if (network_clock_behind(monitor))
		text_add(out, "clock_behind=%llu\n",
			(unsigned long long)network_clock_behind(monitor));
	add_dns(monitor, out);
	routing_status(monitor, out);
	for (size_t i = 0; i < config->peer_count; i++)
		add_peer(monitor, out, &config->peers[i]);
}

static void finish_answer(struct monitor_client *client)
{
	text_add(&client->out, "\n");
	client->deadline = monitor_now() + CLIENT_TIMEOUT;
	client->state = CLIENT_ANSWERING;
	if (client->out.failed)
		control_client_drop(client);
}

/* The number of seconds in "pause SECONDS". */
static bool is_pause(const char *request, unsigned *seconds)
{
	char end;

	return sscanf(request, "pause %5u%c", seconds, &end) == 2 && end == '\n' &&
	       *seconds <= CONTROL_PAUSE_MAX;
}

static void take_request(struct monitor *monitor, struct monitor_client *client)
{
	unsigned seconds = 0;
	const bool pause = is_pause(client->in.bytes, &seconds);

	if (!strcmp(client->in.bytes, "status\n")) {
		answer_status(monitor, &client->out);
	} else if (!pause && strcmp(client->in.bytes, "reload\n")) {
		text_add(&client->out,
			"problem=requests are: status, reload, pause SECONDS\nresult=failed\n");
	} else if (strcmp(monitor->state, "running")) {
		text_add(&client->out,
			"problem=the tunnel is %s: try again when it is up\nresult=failed\n",
			monitor->state);
	} else {
		client->state = CLIENT_WAITING;
		client->turn = monitor->turns++;
		client->wants_pause = pause;
		client->seconds = seconds;
		return;
	}
	finish_answer(client);
}

/* There is room for one file, but the kernel fills up what alignment has added. */
static void take_files(struct monitor_client *client, const struct cmsghdr *head)
{
	const size_t count = (head->cmsg_len - CMSG_LEN(0)) / sizeof(int);
	int file;

	for (size_t i = 0; i < count; i++) {
		memcpy(&file, CMSG_DATA(head) + i * sizeof(int), sizeof(int));
		if (client->file < 0)
			client->file = file;
		else
			close(file);
	}
}

/* As recv; the first file that comes with it is the client's. */
static ssize_t receive(struct monitor_client *client, char *bytes, size_t size)
{
	alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))];
	struct iovec vector = { bytes, size };
	struct msghdr message = { .msg_iov = &vector,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control) };
	const ssize_t len = recvmsg(client->fd, &message, MSG_CMSG_CLOEXEC);
	struct cmsghdr *head = len < 0 ? NULL : CMSG_FIRSTHDR(&message);

	for (; head; head = CMSG_NXTHDR(&message, head)) {
		if (head->cmsg_level == SOL_SOCKET && head->cmsg_type == SCM_RIGHTS)
			take_files(client, head);
	}
	return len;
}

void control_on_readable(struct monitor *monitor, struct monitor_client *client)
{
	char bytes[REQUEST_MAX];
	ssize_t len = receive(client, bytes, sizeof(bytes));

	if (len < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (len <= 0 || client->in.len + (size_t)len >= REQUEST_MAX) {
		control_client_drop(client);
		return;
	}
	text_add_bytes(&client->in, bytes, (size_t)len);
	if (!client->in.failed && client->in.bytes[client->in.len - 1] == '\n')
		take_request(monitor, client);
}

void control_on_writable(struct monitor_client *client)
{
	ssize_t sent = send(client->fd, client->out.bytes, client->out.len, MSG_NOSIGNAL);

	if (sent < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (sent > 0)
		text_drop(&client->out, (size_t)sent);
	if (sent < 0 || !client->out.len)
		control_client_drop(client);
}

/* Of those that wait for one or the other the first who came, who is then in that state; NULL: none
 * does. */
static struct monitor_client *begin_next(
	struct monitor *monitor, bool pause, enum monitor_client_state state)
{
	struct monitor_client *next = NULL;

	for (size_t i = 0; i < MONITOR_CLIENTS_MAX; i++) {
		struct monitor_client *client = &monitor->clients[i];

		if (client->fd >= 0 && client->state == CLIENT_WAITING &&
			client->wants_pause == pause && (!next || client->turn < next->turn))
			next = client;
	}
	if (next)
		next->state = state;
	return next;
}

static void answer_all(
	struct monitor *monitor, enum monitor_client_state state, const struct text *answer)
{
	for (size_t i = 0; i < MONITOR_CLIENTS_MAX; i++) {
		struct monitor_client *client = &monitor->clients[i];

		if (client->fd < 0 || client->state != state)
			continue;
		text_add_bytes(&client->out, answer->bytes, answer->len);
		finish_answer(client);
	}
}

/* One after the other, so that the last one counts. False: nobody has asked. */
static bool pause_for_one(struct monitor *monitor)
{
	const struct monitor_client *client = begin_next(monitor, true, CLIENT_PAUSING);
	struct text answer = { 0 };
	int failed;

	if (!client)
		return false;
	/* Who asked may be gone when it is done. */
	failed = routing_pause(monitor, client->seconds, &answer);
	if (!failed)
		failed = dns_step_pause(monitor, &answer);
	text_add(&answer, failed ? "result=failed\n" : "result=ok\n");
	answer_all(monitor, CLIENT_PAUSING, &answer);
	text_free(&answer);
	return true;
}

/* Reads the file once for all that have asked by now. False: nobody has. */
static bool reload_for_all(struct monitor *monitor)
{
	struct monitor_client *client;
	struct text answer = { 0 };
	bool anybody = monitor->reload;

	monitor->reload = false;
	/* Who asks from here on may have seen a newer file than the one that is read now. */
	while ((client = begin_next(monitor, false, CLIENT_RELOADING))) {
		anybody = true;
		if (client->file >= 0) { /* the last one is the newest */
			if (monitor->reload_file >= 0)
				close(monitor->reload_file);
			monitor->reload_file = client->file;
			client->file = -1;
		}
	}
	if (!anybody)
		return false;
	service_reloading(monitor);
	monitor->busy = true;
	if (reload_run(monitor, &answer))
		text_add(&answer, "result=ok\n");
	else
		text_add(&answer, "result=failed\n");
	monitor->busy = false;
	if (monitor->reload_file >= 0)
		close(monitor->reload_file);
	monitor->reload_file = -1;
	service_ready(monitor);
	answer_all(monitor, CLIENT_RELOADING, &answer);
	text_free(&answer);
	return true;
}

void control_work(struct monitor *monitor)
{
	while (!monitor->stop_signals && monitor->engine &&
		(pause_for_one(monitor) || reload_for_all(monitor)))
		;
}
