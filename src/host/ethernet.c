/* SPDX-License-Identifier: ISC */
/* What a device that carries Ethernet frames has beside others: an address of its own, and a
 * bridge.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "engine/log.h"
#include "host/device_facts.h"
#include "host/host_id.h"
#include "host/lasting.h"
#include "host/monitor_state.h"

int ethernet_set_address(struct monitor *monitor)
{
	uint8_t mac[HOST_ID_MAC_LEN];
	int error;

	if (!monitor->config->tap)
		return 0;
	host_id_make_mac(mac, monitor->config);
	error = netlink_link_set_address(monitor->inside, monitor->interface, mac);
	if (error)
		monitor_error(monitor, "cannot give %s its Ethernet address: %s",
			monitor->config->device, strerror(-error));
	return error;
}

bool ethernet_has_link_local(const struct monitor *monitor)
{
	return monitor->config->tap && !*monitor->config->bridge;
}

/* The bridge that the file names. 0 and *index; -ENODEV: there is none of that name. */
static int find_bridge(
	const struct monitor *monitor, unsigned *index, struct netlink_bridge *bridge)
{
	struct device_facts facts;
	const int error = device_facts_find(monitor->inside, monitor->config->bridge, &facts);

	if (error)
		return error;
	*index = facts.interface;
	return netlink_bridge_get(monitor->inside, *index, monitor->interface, bridge);
}

static const char *explain(int error)
{
	switch (-error) {
	case ENODEV:
		return "there is no such device: make the bridge first, by the network's "
		       "configuration, or in PreUp (ip link add NAME type bridge)";
	case ENOTSUP:
		return "that is no bridge: name one, or remove the line";
	case EPERM:
		return "the device is not ours: whoever made it adds it, by ip link set DEVICE "
		       "master BRIDGE";
	default:
		return strerror(-error);
	}
}

/* ---- a bridge in which it stayed ---- */

#define KEPT_BRIDGE LASTING_KEPT "bridge" /* in the state file, as host/lasting.h has it */

enum { KEPT_BRIDGE_SIZE = CONFIG_DEVICE_SIZE + DEVICE_PLACE_SIZE };

static void kept_value(
	const struct monitor *monitor, const char *bridge, char value[KEPT_BRIDGE_SIZE])
{
	snprintf(value, KEPT_BRIDGE_SIZE, "%s%s", bridge, monitor->lasting.suffix);
}

/* Whether a line of the state file says of this device in which bridge it stayed. */
static bool is_kept_in(
	const struct monitor *monitor, const char *line, char bridge[CONFIG_DEVICE_SIZE])
{
	char value[KEPT_BRIDGE_SIZE];

	if (sscanf(line, KEPT_BRIDGE " %15s", bridge) != 1)
		return false;
	kept_value(monitor, bridge, value);
	return !strcmp(line + strlen(KEPT_BRIDGE " "), value);
}

/* 0: it is not in there any more; or -errno. */
static int take_out(struct monitor *monitor, const char *name)
{
	struct netlink_bridge bridge;
	struct device_facts facts;
	int error = device_facts_find(monitor->inside, name, &facts);

	if (!error)
		error = netlink_bridge_get(
			monitor->inside, facts.interface, monitor->interface, &bridge);
	if (error)
		return error == -ENODEV || error == -ENOTSUP ? 0 : error;
	return bridge.has_port ? netlink_link_set_bridge(monitor->inside, monitor->interface, 0)
			       : 0;
}

/* What the file does not want any more. Out of a bridge that is to be another one it has come by
 * itself, when it was added there, and not before: so this comes last. A device that does not stay
 * any longer is in its bridge without a note. */
static void leave_kept(struct monitor *monitor)
{
	const struct config *config = monitor->config;
	const char *wanted = config->persistent ? config->bridge : "";
	char bridge[CONFIG_DEVICE_SIZE], value[KEPT_BRIDGE_SIZE];
	struct undo_lines lines;
	int error;

	if (undo_read(monitor->routing.state_path, &lines))
		return;
	for (size_t i = 0; i < lines.count; i++) {
		if (!is_kept_in(monitor, lines.items[i], bridge) || !strcmp(bridge, wanted))
			continue;
		error = *config->bridge ? 0 : take_out(monitor, bridge);
		kept_value(monitor, bridge, value);
		if (!error)
			undo_remove(monitor->routing.state_path, KEPT_BRIDGE, value);
		else
			log_line(LOG_WARNING, "cannot take %s out of the bridge %s: %s",
				config->device, bridge, strerror(-error));
	}
	undo_free(&lines);
}

static int note_kept(const struct monitor *monitor)
{
	char value[KEPT_BRIDGE_SIZE];

	if (!monitor->lasting.stays || !monitor->config->persistent)
		return 0;
	kept_value(monitor, monitor->config->bridge, value);
	return undo_add(monitor->routing.state_path, KEPT_BRIDGE, value);
}

/* ---- joining ---- */

/* Others made it and added it to a bridge, or not: nothing would take it out after a kill. */
static bool is_borrowed(const struct monitor *monitor)
{
	return monitor->lasting.stays && !monitor->made_device && !lasting_was_ours(monitor);
}

/* *joined: it was not there. */
static int join(struct monitor *monitor, bool *joined)
{
	struct netlink_bridge bridge;
	unsigned index;
	int error = find_bridge(monitor, &index, &bridge);

	*joined = !error && !bridge.has_port;
	if (!*joined)
		return error;
	if (is_borrowed(monitor))
		return -EPERM;
	error = note_kept(monitor);
	if (error)
		return error;
	monitor->in_bridge = true;
	return netlink_link_set_bridge(monitor->inside, monitor->interface, index);
}

/* For status, behind the bridge's name. */
static const char *describe_loss(int error)
{
	switch (-error) {
	case ENODEV:
		return "which is not there";
	case ENOTSUP:
		return "which is no bridge";
	case EPERM:
		return "to which whoever made the device adds it";
	default:
		return "to which it cannot be added";
	}
}

static void loss_text(const struct monitor *monitor, char text[MONITOR_TEXT_SIZE])
{
	const struct config *config = monitor->config;

	snprintf(text, MONITOR_TEXT_SIZE, "%s is not in the bridge %s any more, %s%s",
		config->device, config->bridge, monitor->bridge_lost,
		is_borrowed(monitor) ? "" : ": it is added again when that can be done");
}

static void tell_of_loss(struct monitor *monitor, int error)
{
	const char *before = monitor->bridge_lost;
	struct device_facts facts;
	char text[MONITOR_TEXT_SIZE];

	/* With the device the tunnel ends, which is said elsewhere. */
	if (device_facts_get(monitor->inside, monitor->interface, &facts) == -ENODEV)
		return;
	monitor->bridge_lost = describe_loss(error);
	if (monitor->bridge_lost == before)
		return;
	loss_text(monitor, text);
	monitor_error(monitor, "%s", text);
}

static void forget_loss(struct monitor *monitor)
{
	char text[MONITOR_TEXT_SIZE];

	if (!monitor->bridge_lost)
		return;
	loss_text(monitor, text);
	if (!strcmp(text, monitor->last_error))
		monitor->last_error[0] = '\0';
	monitor->bridge_lost = NULL;
}

int ethernet_join_bridge(struct monitor *monitor)
{
	const struct config *config = monitor->config;
	struct config_word key;
	bool joined;
	const int error = *config->bridge ? join(monitor, &joined) : 0;

	config_key_word(&key, config, "Bridge");
	if (error)
		monitor_error(monitor, "%s %s: cannot add %s: %s", key.text, config->bridge,
			config->device, explain(error));
	else if (monitor->lasting.stays)
		leave_kept(monitor);
	if (!error)
		forget_loss(monitor);
	return error;
}

void ethernet_find_bridge(struct monitor *monitor)
{
	const struct config *config = monitor->config;
	bool joined;
	const int error = *config->bridge ? join(monitor, &joined) : 0;

	if (!*config->bridge)
		return;
	if (error) {
		tell_of_loss(monitor, error);
		return;
	}
	if (joined || monitor->bridge_lost)
		log_line(LOG_INFO, "%s is in the bridge %s again", config->device, config->bridge);
	forget_loss(monitor);
}

/* With Persistent it stays, as all that is on the device. */
void ethernet_leave_bridge(struct monitor *monitor)
{
	if (monitor->in_bridge && !monitor->lasting.stays)
		netlink_link_set_bridge(monitor->inside, monitor->interface, 0);
	monitor->in_bridge = false;
}

unsigned ethernet_bridge_mtu(struct monitor *monitor)
{
	struct netlink_bridge bridge;
	unsigned index;

	if (!*monitor->config->bridge || find_bridge(monitor, &index, &bridge))
		return 0;
	return bridge.mtu;
}
