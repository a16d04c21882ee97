/* SPDX-License-Identifier: ISC */
/* The tunnel's device as steps of its life: made here or in another network namespace, or found and
 * attached. */
#include "host/device_step.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "engine/link.h"
#include "engine/log.h"
#include "engine/tun.h"
#include "host/dns_netns.h"
#include "host/lasting.h"
#include "host/monitor_state.h"
#include "host/netns.h"
#include "host/netwatch.h"
#include "host/rights.h"

#ifndef TUNGETDEVNETNS /* kernel headers before 5.5 */
#define TUNGETDEVNETNS _IO('T', 227)
#endif

/* The engine of a tunnel that was killed a moment ago is about to notice. */
enum { RESET_TRIES = 50 };

enum { ATTACHED_SIZE = 16 + DEVICE_PLACE_SIZE };

enum { OTHERS_SIZE = 64 };

/* ---- where it is ---- */

static int enter(const struct monitor *monitor, int *before)
{
	*before = -1;
	if (monitor->netns < 0)
		return 0;
	*before = netns_enter(monitor->netns);
	return *before < 0 ? *before : 0;
}

static void leave(int before)
{
	if (before >= 0)
		netns_leave(before);
}

static int open_namespace(struct monitor *monitor, char path[PATH_MAX])
{
	int before, error = netns_path(path, monitor->config->network_namespace);
	char resolv_conf[PATH_MAX];

	if (error)
		return error;
	monitor->netns = netns_open(path);
	if (monitor->netns < 0)
		return monitor->netns;
	monitor->netns_path = strdup(path);
	if (!dns_netns_path(resolv_conf, monitor->config->network_namespace))
		monitor->dns_places.resolv_conf = monitor->netns_resolv_conf = strdup(resolv_conf);
	if (!monitor->netns_path || !monitor->dns_places.resolv_conf)
		return -ENOMEM;
	error = enter(monitor, &before);
	if (!error)
		error = netlink_open(&monitor->inside);
	leave(before);
	return error;
}

int device_step_open(struct monitor *monitor)
{
	char path[PATH_MAX] = "", why[NETNS_WHY_SIZE];
	struct config_word key;
	int error;

	monitor->lasting.ordinary = rights_is_ordinary();
	monitor->inside = monitor->netlink;
	monitor->dns_places = dns_host_places;
	if (!monitor->config->network_namespace)
		return 0;
	error = open_namespace(monitor, path);
	if (error) {
		netns_explain(why, path, error);
		config_key_word(&key, monitor->config, "NetworkNamespace");
		monitor_error(
			monitor, "%s %s: %s", key.text, monitor->config->network_namespace, why);
	}
	return error;
}

bool device_step_lost_namespace(const struct monitor *monitor)
{
	const struct device_place place = { .path = monitor->netns_path,
		.namespace = netlink_namespace(monitor->inside) };
	struct netlink *netlink = NULL;
	const int error = place.path ? device_place_open(&place, &netlink) : 0;

	netlink_close(netlink);
	return error == -ESTALE;
}

void device_step_close(struct monitor *monitor)
{
	if (monitor->inside != monitor->netlink)
		netlink_close(monitor->inside);
	if (monitor->netns >= 0)
		close(monitor->netns);
	free(monitor->netns_path);
	free(monitor->netns_resolv_conf);
	lasting_free(&monitor->lasting);
}

static int kind(bool tap)
{
	return tap ? IFF_TAP : IFF_TUN;
}

static int join(struct monitor *monitor, int flags)
{
	int before, error = enter(monitor, &before);

	if (error)
		return error;
	error = tun_join(monitor->config->device, flags, &monitor->tun);
	leave(before);
	return error;
}

int device_step_follow(struct monitor *monitor, int *error)
{
	int before, fd;

	*error = enter(monitor, &before);
	if (*error || before < 0)
		return -1;
	fd = link_open(monitor->interface);
	leave(before);
	*error = fd < 0 ? fd : 0;
	return fd < 0 ? -1 : fd;
}

int device_step_watch(struct monitor *monitor, int *error)
{
	int before, fd;

	*error = 0;
	if (!*monitor->config->bridge)
		return -1;
	*error = enter(monitor, &before);
	if (*error || before < 0)
		return -1;
	fd = netwatch_open();
	leave(before);
	*error = fd < 0 ? fd : 0;
	return fd < 0 ? -1 : fd;
}

/* ---- one that is there ---- */

/* How the driver takes it, and how it was. */
static int flags_now(const struct device_facts *facts)
{
	return kind(facts->tap) | TUN_FLAGS | (facts->multi_queue ? IFF_MULTI_QUEUE : 0);
}

static int flags_before(const struct device_facts *facts)
{
	return kind(facts->tap) | (facts->multi_queue ? IFF_MULTI_QUEUE : 0) |
	       (facts->pi ? 0 : IFF_NO_PI) | (facts->header ? IFF_VNET_HDR : 0);
}

static int reset(const char *device, int flags)
{
	const struct timespec pause = { .tv_nsec = 20L * 1000 * 1000 };
	int tries = RESET_TRIES, error, fd;

	while ((error = tun_join(device, flags, &fd)) == -EBUSY && --tries)
		nanosleep(&pause, NULL);
	if (error)
		return error == -EBUSY ? 0 : error; /* whoever has it by now sees to that */
	ioctl(fd, TUNSETOFFLOAD, 0);
	close(fd);
	return 0;
}

static int reset_there(const char *path, const char *device, int flags)
{
	int before, error;

	if (!path)
		return reset(device, flags);
	before = netns_enter_path(path);
	if (before < 0)
		return before;
	error = reset(device, flags);
	netns_leave(before);
	return error;
}

/* 1: it is there; 0: it has gone, or another one has its place; or -errno. */
static int is_there(const struct device_place *place)
{
	struct device_facts facts = { 0 };
	struct netlink *netlink = NULL;
	int error = device_place_open(place, &netlink);

	if (!error)
		error = device_facts_get(netlink, place->interface, &facts);
	netlink_close(netlink);
	if (error == -ENODEV || error == -ESTALE)
		return 0;
	return error ? error : facts.is_tun && facts.persistent && !strcmp(facts.name, place->name);
}

int device_step_undo(const char *state_path, const char *value)
{
	struct device_place place;
	int flags, end = 0, result = 0;

	if (sscanf(value, "%d%n", &flags, &end) == 1 && device_place_read(value + end, &place)) {
		result = is_there(&place);
		if (result > 0)
			result = reset_there(place.path, place.name, flags);
	}
	return result ? result : undo_remove(state_path, DEVICE_STEP_ATTACHED, value);
}

/* One of others', to which nobody is attached when we have gone. */
static bool is_to_be_reset(const struct monitor *monitor)
{
	return monitor->lasting.stays && monitor->given.tun < 0 && !monitor->made_device;
}

static void attached_value(const struct monitor *monitor, char value[ATTACHED_SIZE])
{
	const struct lasting *lasting = &monitor->lasting;

	snprintf(value, ATTACHED_SIZE, "%d%s", flags_before(&lasting->before), lasting->suffix);
}

/* Before it is: that changes how the driver takes it. */
static int note_attached(struct monitor *monitor)
{
	char value[ATTACHED_SIZE];

	if (!is_to_be_reset(monitor) || lasting_was_ours(monitor))
		return 0;
	attached_value(monitor, value);
	return undo_add(monitor->routing.state_path, DEVICE_STEP_ATTACHED, value);
}

static void forget_attached(const struct monitor *monitor)
{
	char value[ATTACHED_SIZE];

	attached_value(monitor, value);
	undo_remove(monitor->routing.state_path, DEVICE_STEP_ATTACHED, value);
}

/* Where there is another one of its name. The kernel tells those who could change it. */
static bool given_is_elsewhere(const struct monitor *monitor)
{
	const int namespace = ioctl(monitor->given.tun, TUNGETDEVNETNS);
	struct stat its, ours;
	bool elsewhere;

	if (namespace < 0)
		return false;
	elsewhere = !fstat(namespace, &its) &&
		    !(monitor->netns < 0 ? stat("/proc/self/ns/net", &ours)
					 : fstat(monitor->netns, &ours)) &&
		    (its.st_dev != ours.st_dev || its.st_ino != ours.st_ino);
	close(namespace);
	return elsewhere;
}

/* For the command by which root makes a device for us. */
static const char *own_name(void)
{
	const struct passwd *entry = getpwuid(geteuid());

	return entry ? entry->pw_name : "NAME";
}

/* Who else the driver takes, but for those who may do anything; empty: nobody. By number: to look a
 * name up might take a network that is not there yet. */
static void others_of(const struct device_facts *facts, char who[OTHERS_SIZE])
{
	who[0] = '\0';
	if (facts->has_owner && facts->owner && facts->owner != (uint32_t)geteuid())
		snprintf(who, OTHERS_SIZE, "the user with the number %u", facts->owner);
	else if (!facts->has_owner && facts->has_group)
		snprintf(who, OTHERS_SIZE, "everybody of the group with the number %u",
			facts->group);
	else if (!facts->has_owner)
		snprintf(who, OTHERS_SIZE, "every user of this host");
}

/* A device of one queue is ours alone, as long as we have it. */
static void warn_of_others(const struct monitor *monitor, const struct device_facts *facts)
{
	const char *device = monitor->config->device;
	char who[OTHERS_SIZE] = "";

	if (facts->multi_queue)
		others_of(facts, who);
	if (*who)
		log_line(LOG_WARNING,
			"%s is a device of several queues (multi_queue), to which %s can attach "
			"while the tunnel runs, to read its packets and to send others: make it "
			"without multi_queue, or for us, as by ip tuntap add dev %s mode %s "
			"multi_queue user %s",
			device, who, device, facts->tap ? "tap" : "tun", own_name());
}

static void begin_lasting(struct monitor *monitor, const struct device_facts *facts)
{
	monitor->interface = facts->interface;
	lasting_begin(monitor, facts);
}

/* One that was handed over is ours already; whose it is otherwise does not matter. */
static int claim_given(struct monitor *monitor)
{
	const struct inherited *given = &monitor->given;
	struct device_facts facts;
	int error;

	if (strcmp(given->device, monitor->config->device))
		return -EREMCHG;
	if (given_is_elsewhere(monitor))
		return -EXDEV;
	error = device_facts_find(monitor->inside, given->device, &facts);
	if (!error && !facts.is_tun)
		error = -ENODEV;
	if (error)
		return error == -ENODEV ? -EXDEV : error;
	if (facts.tap != monitor->config->tap)
		return -EPROTOTYPE;
	monitor->tun = fcntl(given->tun, F_DUPFD_CLOEXEC, 0);
	if (monitor->tun < 0)
		return -errno;
	begin_lasting(monitor, &facts);
	warn_of_others(monitor, &facts);
	return 0;
}

static int attach(struct monitor *monitor, const struct device_facts *facts)
{
	int error;

	begin_lasting(monitor, facts);
	error = note_attached(monitor);
	if (error) {
		monitor_error(monitor, "cannot write %s: %s", monitor->routing.state_path,
			strerror(-error));
		error = -ECANCELED;
	} else {
		error = join(monitor, flags_now(facts));
	}
	if (!error) {
		warn_of_others(monitor, facts);
		return 0;
	}
	forget_attached(monitor);
	monitor->lasting.stays = false;
	return error;
}

int device_step_claim(struct monitor *monitor)
{
	struct device_facts facts;
	int error;

	if (monitor->tun >= 0)
		return 0;
	if (monitor->given.tun >= 0)
		return claim_given(monitor);
	error = device_facts_find(monitor->inside, monitor->config->device, &facts);
	if (error == -ENODEV)
		return monitor->lasting.ordinary ? -ENODEV : 0;
	if (error)
		return error;
	/* One that is not persistent is there because a program has it. */
	if (!facts.is_tun)
		return -ENOTUNIQ;
	if (!facts.persistent)
		return -EEXIST;
	if (facts.tap != monitor->config->tap)
		return -EPROTOTYPE;
	if (facts.queues)
		return -EBUSY;
	return attach(monitor, &facts);
}

static void complain_of_other_kind(struct monitor *monitor, const char *key)
{
	const char *device = monitor->config->device;
	struct device_facts facts;

	if (device_facts_find(monitor->inside, device, &facts))
		facts.kind[0] = '\0';
	if (!strcmp(facts.kind, "wireguard"))
		monitor_error(monitor,
			"there is a network device %s already, the kernel's WireGuard: remove it "
			"(wg-quick down %s), or choose another name with %s",
			device, device, key);
	else
		monitor_error(monitor,
			"there is a network device %s already, %s%s, which is no tunnel's: choose "
			"another name with %s",
			device, *facts.kind ? "of the kind " : "a network card", facts.kind, key);
}

static void complain_of_mode(struct monitor *monitor, const char *key)
{
	const struct config *config = monitor->config;
	const char *wanted = config->tap ? "TAP" : "TUN";
	struct config_word mode;
	char ip[NETNS_IP_SIZE], other[NETNS_IP_SIZE + 160];

	config_key_word(&mode, config, "Mode");
	netns_ip(ip, config->network_namespace);
	if (monitor->given.tun >= 0)
		snprintf(other, sizeof(other), "hand over a %s device", wanted);
	else
		snprintf(other, sizeof(other),
			"choose another one with %s, or remove it if it is of no use: %s link "
			"delete dev %s",
			key, ip, config->device);
	monitor_error(monitor,
		"the device %s is a %s device, which carries %s: give the tunnel %s %s, or %s",
		config->device, config->tap ? "TUN" : "TAP",
		config->tap ? "IP packets" : "Ethernet frames", mode.text,
		config->tap ? "tun" : "tap", other);
}

void device_step_complain(struct monitor *monitor, int error)
{
	const struct config *config = monitor->config;
	const char *device = config->device;
	const char *mode = config->tap ? "tap" : "tun";
	struct config_word key, namespace_key;

	config_key_word(&key, config, "Device");
	config_key_word(&namespace_key, config, "NetworkNamespace");
	switch (-error) {
	case ENOTUNIQ:
		complain_of_other_kind(monitor, key.text);
		break;
	case EEXIST:
		monitor_error(monitor,
			"there is a network device %s already, a running program's: stop that, or "
			"choose another name with %s",
			device, key.text);
		break;
	case EBUSY:
		monitor_error(monitor,
			"another program has the device %s open: stop it, or choose another one "
			"with %s",
			device, key.text);
		break;
	case EPROTOTYPE:
		complain_of_mode(monitor, key.text);
		break;
	case EPERM:
		monitor_error(monitor,
			"the device %s is not for user %s: as root, ip tuntap delete dev %s mode "
			"%s, then ip tuntap add dev %s mode %s user %s",
			device, own_name(), device, mode, device, mode, own_name());
		break;
	case EREMCHG:
		monitor_error(monitor,
			"the device that was handed over is %s, not %s: give its name with %s %s",
			monitor->given.device, device, key.text, monitor->given.device);
		break;
	case EXDEV:
		monitor_error(monitor,
			"the device %s that was handed over is not here, but in another network "
			"namespace: say in which with %s",
			device, namespace_key.text);
		break;
	case ENODEV:
		monitor_error(monitor,
			"to run a tunnel takes root, or a device that root has made: as root, ip "
			"tuntap add dev %s mode %s user %s",
			device, mode, own_name());
		break;
	case ECANCELED: /* said already */
		break;
	default:
		monitor_error(monitor, "cannot use the device %s: %s", device, tun_explain(error));
	}
}

/* ---- steps ---- */

static int make(struct monitor *monitor)
{
	const bool tap = monitor->config->tap;
	struct device_facts facts = { 0 };
	int error = join(monitor, kind(tap) | TUN_FLAGS);

	if (!error)
		error = device_facts_find(monitor->inside, monitor->config->device, &facts);
	if (error) {
		monitor_error(monitor, "cannot make the %s device %s: %s", tap ? "TAP" : "TUN",
			monitor->config->device, tun_explain(error));
		return error;
	}
	monitor->interface = facts.interface;
	monitor->made_device = true;
	if (monitor->config->persistent)
		lasting_begin(monitor, &facts);
	return ethernet_set_address(monitor);
}

int device_step_up(struct monitor *monitor)
{
	const bool persistent = monitor->config->persistent;
	int error = 0;

	if (monitor->tun < 0)
		error = make(monitor);
	if (error)
		return error;
	if (monitor->made_device && persistent)
		error = lasting_keep(monitor, true);
	else if (!persistent && monitor->lasting.stays && lasting_was_ours(monitor)) {
		error = lasting_release(monitor);
		monitor->made_device = true;
	}
	if (error)
		monitor_error(monitor, "cannot change whether %s stays: %s",
			monitor->config->device, strerror(-error));
	else
		lasting_tell_others(monitor);
	return error;
}

/* As it was found: what is read from it next may not know of merged packets. */
static void give_back(struct monitor *monitor)
{
	const struct device_facts *before = &monitor->lasting.before;

	ioctl(monitor->tun, TUNSETOFFLOAD, 0);
	close(monitor->tun);
	monitor->tun = -1;
	if (!is_to_be_reset(monitor))
		return;
	if (!join(monitor, flags_before(before)))
		close(monitor->tun);
	forget_attached(monitor);
}

static void say_it_stays(const struct config *config)
{
	char ip[NETNS_IP_SIZE];

	netns_ip(ip, config->network_namespace);
	log_line(LOG_INFO,
		"%s stays, with what is on it, as Persistent says: %s link delete dev %s "
		"removes it",
		config->device, ip, config->device);
}

void device_step_down(struct monitor *monitor)
{
	const bool stays = monitor->lasting.stays;

	if (monitor->tun < 0)
		return;
	if (stays && monitor->made_device && !monitor->came_up)
		lasting_keep(monitor, false);
	else if (stays && monitor->config->persistent)
		say_it_stays(monitor->config);
	if (stays)
		give_back(monitor);
	else
		close(monitor->tun);
	monitor->tun = -1;
}
