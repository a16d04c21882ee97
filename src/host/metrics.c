/* SPDX-License-Identifier: ISC */
/* The monitor's side of the metrics: the socket, the process, and what it is told. */
#include "host/metrics.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/endpoint.h"
#include "engine/listener.h"
#include "engine/log.h"
#include "host/netns.h"
#include "host/rights.h"
#include "host/child.h"

enum {
	SOCKET_MODE = 0666, /* as a port of the loopback device: whoever comes to the path */
	BACKLOG = 16,
};

const char *metrics_socket(const char *where)
{
	return strncmp(where, "unix:", 5) ? NULL : where + 5;
}

static int listen_port(const char *where, int *fd)
{
	struct endpoint address = { 0 };
	const int on = 1;
	int made, error = endpoint_from_text(&address, where);

	if (error)
		return error;
	made = socket(address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (made < 0)
		return -errno;
	/* For what the last start's connections left behind. */
	if (setsockopt(made, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
		bind(made, &address.any, endpoint_sockaddr_len(&address)) < 0 ||
		listen(made, BACKLOG) < 0) {
		error = -errno;
		close(made);
		return error;
	}
	*fd = made;
	return 0;
}

int metrics_listen(struct metrics *metrics, const char *where)
{
	const char *path = metrics_socket(where);

	return path ? listener_open_path(path, SOCKET_MODE, &metrics->listener)
		    : listen_port(where, &metrics->listener);
}

static void close_end(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* The device is counted where it is; who scrapes is here. */
static void go_where_device_is(const struct config *config)
{
	char path[PATH_MAX];
	int fd;

	if (!config->network_namespace || netns_path(path, config->network_namespace))
		return;
	fd = netns_open(path);
	if (fd >= 0)
		netns_enter(fd);
}

static void __attribute__((noreturn)) become_server(
	const struct metrics *metrics, int engine, struct config *config, uid_t uid, gid_t gid)
{
	char interface[CONFIG_DEVICE_SIZE];
	int status = 1;

	prctl(PR_SET_NAME, "culvert-metrics");
	memcpy(interface, config->device, sizeof(interface));
	go_where_device_is(config);
	config_free(config);
	if (!mprotect(metrics->facts, sizeof(*metrics->facts), PROT_READ))
		status = metrics_serve(
			metrics->listener, engine, metrics->facts, interface, uid, gid);
	_exit(status);
}

int metrics_start(struct metrics *metrics, struct config *config, uid_t uid, gid_t gid)
{
	int ends[2], error = 0;
	void *page = mmap(NULL, sizeof(*metrics->facts), PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (page == MAP_FAILED)
		return -errno;
	metrics->facts = page;
	metrics->facts->since = (uint64_t)time(NULL);
	metrics->facts->ethernet = config->tap;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		return -errno;
	metrics->engine_end = ends[0];
	if (fcntl(ends[0], F_SETFL, O_NONBLOCK) < 0)
		error = -errno;
	if (!error)
		metrics->pid = child_fork((int[]){ metrics->listener, ends[1] }, 2);
	if (!error && !metrics->pid)
		become_server(metrics, ends[1], config, uid, gid);
	if (metrics->pid < 0) {
		error = -errno;
		metrics->pid = 0;
	}
	close(ends[1]);
	close_end(&metrics->listener);
	return error;
}

void metrics_end(struct metrics *metrics, uid_t uid, gid_t gid)
{
	if (metrics->pid)
		rights_kill(metrics->pid, SIGKILL, uid, gid);
}

void metrics_on_exit(struct metrics *metrics, int wait_status)
{
	char text[CHILD_STATUS_TEXT_SIZE];

	metrics->pid = 0;
	if (WIFSIGNALED(wait_status) && WTERMSIG(wait_status) == SIGKILL)
		return;
	if (WIFEXITED(wait_status) && !WEXITSTATUS(wait_status))
		return;
	child_status_text(text, wait_status);
	log_line(LOG_ERR, "the metrics process %s: no metrics until the tunnel is restarted", text);
}

void metrics_close(struct metrics *metrics, const char *where)
{
	const bool listened = metrics->facts || metrics->listener >= 0;

	close_end(&metrics->listener);
	close_end(&metrics->engine_end);
	if (listened && where && metrics_socket(where) && unlink(metrics_socket(where)) < 0 &&
		errno != ENOENT)
		log_line(LOG_WARNING, "cannot remove %s: %s", metrics_socket(where),
			strerror(errno));
	if (metrics->facts)
		munmap(metrics->facts, sizeof(*metrics->facts));
	metrics->facts = NULL;
}

void metrics_count_lookup_failure(struct metrics *metrics)
{
	if (metrics->facts)
		metrics->facts->lookup_failures++;
}
