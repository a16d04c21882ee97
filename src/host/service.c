/* SPDX-License-Identifier: ISC */
/* The tunnel as a service: when it is ready, what its status line says, that it is alive. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "engine/log.h"
#include "host/monitor_state.h"

enum { WATCHDOG_SHARE = 3 }; /* we tell that we are alive three times as often as we must */

void service_open(struct monitor *monitor)
{
	int error = notify_open(&monitor->notify);

	if (error)
		log_line(LOG_WARNING, "cannot reach the service manager at $NOTIFY_SOCKET: %s",
			strerror(-error));
}

static void write_status(const struct monitor *monitor, char text[SERVICE_STATUS_SIZE])
{
	const char *error = monitor->last_error;

	if (strcmp(monitor->state, "running") != 0)
		snprintf(text, SERVICE_STATUS_SIZE, "%s%s%s", monitor->state, *error ? ": " : "",
			error);
	else
		snprintf(text, SERVICE_STATUS_SIZE, "%s is up, MTU %u%s%s", monitor->config->device,
			monitor->mtu, *error ? "; last error: " : "", error);
}

void service_status(struct monitor *monitor)
{
	char text[SERVICE_STATUS_SIZE];

	write_status(monitor, text);
	if (!strcmp(text, monitor->service_status))
		return;
	memcpy(monitor->service_status, text, sizeof(text));
	notify_send(&monitor->notify, "STATUS=%s", text);
}

void service_ready(struct monitor *monitor)
{
	notify_send(&monitor->notify, "READY=1");
	service_status(monitor);
}

void service_reloading(struct monitor *monitor)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	notify_send(&monitor->notify, "RELOADING=1\nMONOTONIC_USEC=%lld",
		(long long)now.tv_sec * 1000000 + now.tv_nsec / 1000);
}

void service_stopping(struct monitor *monitor)
{
	notify_send(&monitor->notify, "STOPPING=1");
	service_status(monitor);
}

static void plan_watchdog(struct monitor *monitor)
{
	monitor->watchdog_due = monitor_now() + monitor->notify.watchdog / WATCHDOG_SHARE;
}

/* That the engine answers is shown by asking it. */
static void feed_watchdog(struct monitor *monitor)
{
	static char nothing[] = "set=1\n\n";
	const struct text request = { .bytes = nothing, .len = sizeof(nothing) - 1 };
	int error = engine_ask(monitor, &request);

	if (!error)
		notify_send(&monitor->notify, "WATCHDOG=1");
	else if (error != -EINTR)
		monitor_error(monitor, "the engine does not answer: %s", strerror(-error));
	plan_watchdog(monitor);
}

void service_work(struct monitor *monitor)
{
	service_status(monitor);
	if (service_due(monitor) <= monitor_now())
		feed_watchdog(monitor);
}

uint64_t service_breathe(struct monitor *monitor)
{
	if (!monitor->reloading || service_due(monitor) == MONITOR_NEVER)
		return MONITOR_NEVER;
	if (service_due(monitor) <= monitor_now()) {
		notify_send(&monitor->notify, "WATCHDOG=1");
		plan_watchdog(monitor);
	}
	return service_due(monitor);
}

uint64_t service_due(const struct monitor *monitor)
{
	return monitor->notify.watchdog ? monitor->watchdog_due : MONITOR_NEVER;
}
