/* SPDX-License-Identifier: ISC */
/* Persistent: which devices stay by our doing. */
#include <errno.h>
#include <linux/if_tun.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "engine/log.h"
#include "host/lasting.h"
#include "host/monitor_state.h"
#include "host/netns.h"

#define KEPT_DEVICE LASTING_KEPT "device"

enum { VALUE_SIZE = 8 + DEVICE_PLACE_SIZE };

static void kept_value(const struct monitor *monitor, char value[VALUE_SIZE])
{
	snprintf(value, VALUE_SIZE, "yes%s", monitor->lasting.suffix);
}

bool lasting_was_ours(const struct monitor *monitor)
{
	struct undo_lines lines;
	char text[sizeof(KEPT_DEVICE) + VALUE_SIZE];
	bool has;

	if (undo_read(monitor->routing.state_path, &lines))
		return false;
	snprintf(text, sizeof(text), KEPT_DEVICE " yes%s", monitor->lasting.suffix);
	has = undo_has(&lines, text);
	undo_free(&lines);
	return has;
}

static bool is_not_kept_here(const void *context, const char *line)
{
	return strncmp(line, LASTING_KEPT, strlen(LASTING_KEPT)) != 0 ||
	       !lasting_is_of_device(context, line);
}

/* What is noted of another device that was kept stays, as it does. */
static int forget_kept(const struct monitor *monitor)
{
	return undo_filter(monitor->routing.state_path, is_not_kept_here, monitor);
}

int lasting_keep(struct monitor *monitor, bool keep)
{
	char value[VALUE_SIZE];
	int error = 0;

	kept_value(monitor, value);
	if (keep)
		error = undo_add(monitor->routing.state_path, KEPT_DEVICE, value);
	/* To one that has no owner every user may attach while we are away. */
	if (!error && keep && ioctl(monitor->tun, TUNSETOWNER, geteuid()) < 0)
		error = -errno;
	if (!error && ioctl(monitor->tun, TUNSETPERSIST, keep) < 0)
		error = -errno;
	if (!keep || error)
		forget_kept(monitor);
	return error;
}

int lasting_release(struct monitor *monitor)
{
	char value[VALUE_SIZE];

	if (ioctl(monitor->tun, TUNSETPERSIST, false) < 0)
		return -errno;
	kept_value(monitor, value);
	return undo_remove(monitor->routing.state_path, KEPT_DEVICE, value);
}

static void tell_how_to_remove(const struct device_place *place, char sentence[LASTING_STAYS_SIZE])
{
	char ip[NETNS_IP_SIZE];

	netns_ip(ip, place->path);
	snprintf(sentence, LASTING_STAYS_SIZE,
		"the device %s stays (Persistent): %s link delete dev %s removes it", place->name,
		ip, place->name);
}

static bool read_kept(const char *line, struct device_place *place)
{
	static const char what[] = KEPT_DEVICE " yes";

	return !strncmp(line, what, strlen(what)) && device_place_read(line + strlen(what), place);
}

bool lasting_stays(const char *name, size_t which, char sentence[LASTING_STAYS_SIZE])
{
	char path[UNDO_PATH_SIZE];
	struct undo_lines lines;
	struct device_place place;
	size_t seen = 0;

	if (undo_path(path, name) || undo_read(path, &lines))
		return false;
	for (size_t i = 0; i < lines.count && seen <= which; i++) {
		if (read_kept(lines.items[i], &place) && seen++ == which)
			tell_how_to_remove(&place, sentence);
	}
	undo_free(&lines);
	return seen > which;
}

/* By the namespace's own number, as it may have several paths. */
static bool same_device(const struct device_place *a, const struct device_place *b)
{
	return a->interface == b->interface && a->namespace == b->namespace &&
	       !strcmp(a->name, b->name);
}

void lasting_tell_others(const struct monitor *monitor)
{
	char sentence[LASTING_STAYS_SIZE];
	struct device_place ours, place;
	struct undo_lines lines;

	if (undo_read(monitor->routing.state_path, &lines))
		return;
	device_place_read(monitor->lasting.suffix, &ours); /* if it goes with us, it is none */
	for (size_t i = 0; i < lines.count; i++) {
		if (!read_kept(lines.items[i], &place) || same_device(&place, &ours))
			continue;
		tell_how_to_remove(&place, sentence);
		log_line(LOG_WARNING, "what is routed into an earlier start's device is lost: %s",
			sentence);
	}
	undo_free(&lines);
}
