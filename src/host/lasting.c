/* SPDX-License-Identifier: ISC */
/* A device that stays when the tunnel goes. */
#include "host/lasting.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "engine/log.h"
#include "host/monitor_state.h"

enum { NOTE_SIZE = DEVICE_LINE_SIZE + 8 + DEVICE_PLACE_SIZE };
enum { MTU_IPV6_MIN = 1280 }; /* with a smaller one Linux takes IPv6 off a device */

/* ---- notes ---- */

/* A note taken apart. */
struct note {
	char line[DEVICE_LINE_SIZE]; /* "address ...", "route ...", "mtu N", "link down" */
	bool kept;
	struct device_place place;
};

static bool begins(const char *text, const char *with)
{
	return !strncmp(text, with, strlen(with));
}

static bool note_read(const char *text, struct note *note)
{
	static const char *const words[] = { "address ", "route ", "mtu ", "link ", "device ",
		"bridge " };
	const char *device = strstr(text, " dev ");
	bool known = false;

	note->kept = begins(text, LASTING_KEPT);
	text += note->kept ? strlen(LASTING_KEPT) : 0;
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		known = known || begins(text, words[i]);
	if (!known || !device || device - text >= DEVICE_LINE_SIZE ||
		!device_place_read(device, &note->place))
		return false;
	snprintf(note->line, sizeof(note->line), "%.*s", (int)(device - text), text);
	return true;
}

/* One at a time. With Persistent it is to stay as we make it. */
static int note_once(struct monitor *monitor, const char *what, const char *value)
{
	char text[NOTE_SIZE];

	if (monitor->config->persistent)
		return 0;
	snprintf(text, sizeof(text), "%s%s", value, monitor->lasting.suffix);
	return undo_add(monitor->routing.state_path, what, text);
}

bool lasting_is_of_device(const struct monitor *monitor, const char *line)
{
	const size_t len = strlen(line), end = strlen(monitor->lasting.suffix);

	return len > end && !strcmp(line + len - end, monitor->lasting.suffix);
}

/* ---- the device ---- */

void lasting_begin(struct monitor *monitor, const struct device_facts *before)
{
	struct lasting *lasting = &monitor->lasting;
	struct device_place place = { .interface = monitor->interface,
		.path = monitor->netns_path,
		.namespace = netlink_namespace(monitor->inside) };

	memcpy(place.name, monitor->config->device, sizeof(place.name));
	lasting->stays = true;
	lasting->before = *before;
	device_place_write(lasting->suffix, &place);
}

void lasting_free(struct lasting *lasting)
{
	undo_free(&lasting->there);
	undo_free(&lasting->theirs);
}

/* ---- what is on it ---- */

bool lasting_is_there(const struct monitor *monitor, const char *line)
{
	return undo_has(&monitor->lasting.there, line);
}

bool lasting_is_theirs(const struct monitor *monitor, const char *line)
{
	return undo_has(&monitor->lasting.theirs, line);
}

static const char *table_text(char text[32], uint32_t table)
{
	text[0] = '\0';
	if (table != NETLINK_TABLE_MAIN)
		snprintf(text, 32, " table %u", table);
	return text;
}

int lasting_check(struct monitor *monitor, const char *line)
{
	const char *device = monitor->config->device, *value = strchr(line, ' ') + 1;
	struct config_prefix prefix;
	struct config_word key;
	char text[32];
	uint32_t table;

	if (lasting_is_there(monitor, line))
		return 0;
	config_key_word(&key, monitor->config, "Table");
	device_facts_parse(line, &prefix, &table);
	if (begins(line, "address "))
		monitor_error(monitor,
			"%s lacks the Address %s, which only root can add: ip address add %s "
			"dev %s",
			device, value, value, device);
	else
		monitor_error(monitor,
			"%s lacks the route to %.*s, which only root can add: ip route add %.*s "
			"dev %s%s (or %s off, if packets come another way)",
			device, (int)strcspn(value, " "), value, (int)strcspn(value, " "), value,
			device, table_text(text, table), key.text);
	return -EPERM;
}

static struct netlink_prefix as_netlink(const struct config_prefix *prefix)
{
	return (struct netlink_prefix){
		.family = prefix->family, .address = prefix->address, .length = prefix->length
	};
}

/* What is not there any more need not be taken back. -ENXIO: the device has no IPv6 any more, as
 * with an MTU that is too small for it. */
static int unless_gone(int error)
{
	static const int gone[] = { ESRCH, ENOENT, EADDRNOTAVAIL, ENODEV, ENXIO };

	for (size_t i = 0; i < sizeof(gone) / sizeof(*gone); i++)
		if (error == -gone[i])
			return 0;
	return error;
}

/* Taking an address away can take others and routes along: they are made again. */
static int remove_line(struct netlink *netlink, unsigned interface, const char *line)
{
	struct device_copy copy;
	struct config_prefix prefix;
	uint32_t table;
	int error = device_facts_parse(line, &prefix, &table);

	if (error)
		return error;
	if (table)
		return netlink_route_delete(netlink, interface, table, as_netlink(&prefix));
	error = device_copy_take(netlink, interface, line, &copy);
	if (error)
		return error;
	error = netlink_address_delete(netlink, interface, as_netlink(&prefix));
	device_copy_put_back(netlink, &copy);
	return error;
}

void lasting_remove(struct monitor *monitor, const char *line)
{
	if (!monitor->lasting.ordinary && !lasting_is_theirs(monitor, line))
		remove_line(monitor->inside, monitor->interface, line);
}

static int note_add(struct monitor *monitor, struct undo_lines *notes, const char *line)
{
	const char *kept = monitor->config->persistent ? LASTING_KEPT : "";
	char text[NOTE_SIZE];

	if (lasting_is_theirs(monitor, line))
		return 0;
	snprintf(text, sizeof(text), "%s%s%s", kept, line, monitor->lasting.suffix);
	return undo_has(notes, text) ? 0 : undo_append(notes, text);
}

/* Notes of what a file wants, but for what is there and not ours. */
static int note_wanted(struct monitor *monitor, struct undo_lines *notes, const struct diff *wanted)
{
	char line[DEVICE_LINE_SIZE];
	int error = 0;

	for (size_t i = 0; wanted && !error && i < wanted->addresses_added.count; i++) {
		device_facts_address(line, &wanted->addresses_added.items[i]);
		error = note_add(monitor, notes, line);
	}
	for (size_t i = 0; wanted && !error && i < wanted->routes_added.count; i++) {
		const struct diff_route *route = &wanted->routes_added.items[i];

		device_facts_route(line, &route->prefix, route->table);
		error = note_add(monitor, notes, line);
	}
	return error;
}

/* A note of an address or a route of this device, as it is now. */
static bool is_of_device(const struct monitor *monitor, const char *text, struct note *note)
{
	return note_read(text, note) && lasting_is_of_device(monitor, text) &&
	       (begins(note->line, "address ") || begins(note->line, "route "));
}

/* The lines of those notes. */
static int strip(
	const struct monitor *monitor, const struct undo_lines *notes, struct undo_lines *lines)
{
	struct note note;
	int error = 0;

	*lines = (struct undo_lines){ 0 };
	for (size_t i = 0; !error && i < notes->count; i++) {
		if (is_of_device(monitor, notes->items[i], &note))
			error = undo_append(lines, note.line);
	}
	return error;
}

static int look(struct monitor *monitor, const struct undo_lines *noted)
{
	struct lasting *lasting = &monitor->lasting;
	struct undo_lines ours;
	int error = strip(monitor, noted, &ours);

	lasting_free(lasting);
	if (!error)
		error = device_facts_lines(monitor->inside, monitor->interface, &lasting->there);
	for (size_t i = 0; !error && i < lasting->there.count; i++) {
		if (!undo_has(&ours, lasting->there.items[i]))
			error = undo_append(&lasting->theirs, lasting->there.items[i]);
	}
	undo_free(&ours);
	return error;
}

/* Off the device, and noted again if it stays there, to go at the end or when it is tried next. */
static int remove_or_note(struct monitor *monitor, struct undo_lines *notes, const char *line)
{
	const int error = unless_gone(remove_line(monitor->inside, monitor->interface, line));

	if (!error)
		return 0;
	log_line(LOG_WARNING, "cannot take the %s off %s: %s", line, monitor->config->device,
		strerror(-error));
	return note_add(monitor, notes, line);
}

/* The state file with these notes in place of those that it has; what only those have goes off the
 * device. */
static int replace_notes(
	struct monitor *monitor, const struct undo_lines *before, struct undo_lines *notes)
{
	struct undo_lines after = { 0 }, ours;
	struct note note;
	int error = strip(monitor, notes, &ours);

	for (size_t i = 0; !error && i < before->count; i++) {
		if (!is_of_device(monitor, before->items[i], &note))
			error = undo_append(&after, before->items[i]);
		else if (!undo_has(&ours, note.line))
			error = remove_or_note(monitor, notes, note.line);
	}
	for (size_t i = 0; !error && i < notes->count; i++)
		error = undo_append(&after, notes->items[i]);
	if (!error)
		error = undo_write(monitor->routing.state_path, &after);
	undo_free(&after);
	undo_free(&ours);
	return error;
}

int lasting_note(struct monitor *monitor, const struct diff *now, const struct diff *wanted)
{
	struct undo_lines before = { 0 }, notes = { 0 };
	int error;

	if (!monitor->lasting.stays)
		return 0;
	error = undo_read(monitor->routing.state_path, &before);
	if (!error)
		error = look(monitor, &before);
	if (!error && !monitor->lasting.ordinary) {
		error = note_wanted(monitor, &notes, now);
		if (!error)
			error = note_wanted(monitor, &notes, wanted);
		if (!error)
			error = replace_notes(monitor, &before, &notes);
	}
	undo_free(&before);
	undo_free(&notes);
	if (error)
		monitor_error(monitor, "cannot note what %s has: %s", monitor->config->device,
			strerror(-error));
	return error;
}

/* ---- link and MTU ---- */

int lasting_set_up(struct monitor *monitor)
{
	const char *device = monitor->config->device;
	struct lasting *lasting = &monitor->lasting;
	struct device_facts facts;
	int error = device_facts_get(monitor->inside, monitor->interface, &facts);

	if (!error && facts.up)
		return 0;
	if (lasting->ordinary) {
		monitor_error(monitor, "%s is down, and only root can set it up: ip link set %s up",
			device, device);
		return -EPERM;
	}
	if (!error)
		error = note_once(monitor, "link", "down");
	if (!error)
		error = netlink_link_set_up(monitor->inside, monitor->interface, true);
	if (error)
		monitor_error(monitor, "cannot set %s up: %s", device, strerror(-error));
	return error;
}

/* Once for each MTU that would fit. */
static void complain_of_mtu(struct monitor *monitor, unsigned wanted, unsigned present)
{
	const char *device = monitor->config->device;

	if (wanted != monitor->lasting.complained_mtu)
		log_line(LOG_WARNING,
			"%s has an MTU of %u where %u would fit, which only root can change: "
			"ip link set %s mtu %u",
			device, present, wanted, device, wanted);
	monitor->lasting.complained_mtu = wanted;
}

/* What has a ':' is of IPv6. The first that is not ours; NULL: all of them are. */
static const char *first_of_others(const struct undo_lines *made, const struct undo_lines *ours)
{
	for (size_t i = 0; i < made->count; i++) {
		if (strchr(made->items[i], ':') && !undo_has(ours, made->items[i]))
			return made->items[i];
	}
	return NULL;
}

/* What others have of IPv6 on the device, one of it; empty: nothing. 0 or -errno. */
static int find_ipv6_of_others(struct monitor *monitor, char found[DEVICE_LINE_SIZE])
{
	struct undo_lines noted, ours = { 0 }, made = { 0 };
	const char *line = NULL;
	int error = undo_read(monitor->routing.state_path, &noted);

	if (!error)
		error = strip(monitor, &noted, &ours);
	if (!error)
		error = device_facts_lines_made(monitor->inside, monitor->interface, &made);
	if (!error)
		line = first_of_others(&made, &ours);
	snprintf(found, DEVICE_LINE_SIZE, "%s", line ? line : "");
	undo_free(&noted);
	undo_free(&ours);
	undo_free(&made);
	return error;
}

static int change_mtu(struct monitor *monitor, unsigned mtu)
{
	char before[16];
	int error;

	snprintf(before, sizeof(before), "%u", monitor->lasting.before.mtu);
	error = note_once(monitor, "mtu", before);
	return error ? error : netlink_link_set_mtu(monitor->inside, monitor->interface, mtu);
}

static int refuse_mtu(struct monitor *monitor, unsigned mtu, const char *line)
{
	struct config_word key;

	config_key_word(&key, monitor->config, "MTU");
	monitor_error(monitor,
		"%s has the %s, not ours, which the kernel would remove for good with an MTU of "
		"%u, too small for IPv6: %s %d or more, or take it off first",
		monitor->config->device, line, mtu, key.text, MTU_IPV6_MIN);
	return -EBUSY;
}

int lasting_set_mtu(struct monitor *monitor, unsigned *mtu, char why[LASTING_WHY_SIZE])
{
	char line[DEVICE_LINE_SIZE] = "";
	struct device_facts facts;
	int error = device_facts_get(monitor->inside, monitor->interface, &facts);

	if (!error && facts.mtu == *mtu)
		return 0;
	if (!error && monitor->lasting.ordinary) {
		complain_of_mtu(monitor, *mtu, facts.mtu);
		snprintf(why, LASTING_WHY_SIZE, "as root has set it; %u would fit", *mtu);
		*mtu = facts.mtu;
		return 0;
	}
	if (!error && *mtu < MTU_IPV6_MIN)
		error = find_ipv6_of_others(monitor, line);
	if (*line)
		return refuse_mtu(monitor, *mtu, line);
	if (!error)
		error = change_mtu(monitor, *mtu);
	if (error)
		monitor_error(monitor, "cannot set the MTU of %s to %u: %s",
			monitor->config->device, *mtu, strerror(-error));
	return error;
}

/* ---- taking back ---- */

/* Without the addresses that the kernel takes off with it, which are made again. */
static int set_down(struct netlink *netlink, unsigned interface)
{
	struct device_copy copy;
	int error = device_copy_take(netlink, interface, NULL, &copy);

	if (error)
		return error;
	error = netlink_link_set_up(netlink, interface, false);
	device_copy_put_back(netlink, &copy);
	return error;
}

static int undo_note(struct netlink *netlink, const struct note *note)
{
	const unsigned interface = note->place.interface;
	unsigned mtu;
	int error;

	if (sscanf(note->line, "mtu %u", &mtu) == 1)
		error = netlink_link_set_mtu(netlink, interface, mtu);
	else if (!strcmp(note->line, "link down"))
		error = set_down(netlink, interface);
	else
		error = remove_line(netlink, interface, note->line);
	return unless_gone(error);
}

/* Of one that has gone there is nothing to take back, nor of another one that has its place. */
static bool is_gone(struct netlink *netlink, const struct device_place *place)
{
	struct device_facts facts;
	const int error = device_facts_get(netlink, place->interface, &facts);

	return error == -ENODEV || (!error && (!facts.is_tun || strcmp(facts.name, place->name)));
}

/* The socket of the namespace that was asked last. */
struct asked {
	struct netlink *inside; /* not to be closed; NULL: there is none */
	struct netlink *netlink;
	struct device_place place;
	int error;
};

static bool same_namespace(const struct device_place *a, const struct device_place *b)
{
	if (!a->path || !b->path)
		return !a->path && !b->path;
	return a->namespace == b->namespace && !strcmp(a->path, b->path);
}

static void close_asked(struct asked *asked)
{
	if (asked->netlink != asked->inside)
		netlink_close(asked->netlink);
	asked->netlink = NULL;
}

static void ask_where(struct asked *asked, const struct device_place *place)
{
	if ((asked->netlink || asked->error) && same_namespace(&asked->place, place))
		return;
	close_asked(asked);
	asked->place = *place;
	asked->error = 0;
	if (place->path && asked->inside && netlink_namespace(asked->inside) == place->namespace)
		asked->netlink = asked->inside;
	else
		asked->error = device_place_open(place, &asked->netlink);
	if (asked->error == -ESTALE)
		log_line(LOG_NOTICE,
			"%s is not the network namespace any more that %s was in: what was added "
			"there has gone, or is out of reach",
			place->path, place->name);
}

enum outcome { OUTCOME_DONE, OUTCOME_STAYS, OUTCOME_OUT_OF_REACH };

/* An outcome, or -errno. */
static int take_back(struct asked *asked, const struct note *note)
{
	ask_where(asked, &note->place);
	if (asked->error)
		return asked->error == -ESTALE ? OUTCOME_OUT_OF_REACH : asked->error;
	if (is_gone(asked->netlink, &note->place))
		return OUTCOME_DONE;
	return note->kept ? OUTCOME_STAYS : undo_note(asked->netlink, note);
}

static void tell(void (*told)(const char *what, const char *value), const struct note *note)
{
	char line[DEVICE_LINE_SIZE], *value = line, *what;

	if (!told)
		return;
	memcpy(line, note->line, sizeof(line));
	what = strsep(&value, " ");
	told(what, value);
}

/* What failed stays in the list, in its order. */
static int put_back_all(struct undo_lines *lines, struct netlink *inside,
	void (*told)(const char *what, const char *value))
{
	struct asked asked = { .inside = inside };
	struct note note;
	int result, first = 0;

	for (size_t i = lines->count; i-- > 0;) {
		if (!note_read(lines->items[i], &note))
			continue;
		result = take_back(&asked, &note);
		if (result < 0) {
			log_line(LOG_WARNING, "not undone: %s: %s", lines->items[i],
				strerror(-result));
			first = first ? first : result;
		}
		if (result < 0 || result == OUTCOME_STAYS)
			continue;
		if (!note.kept && result == OUTCOME_DONE)
			tell(told, &note);
		*lines->items[i] = '\0';
	}
	close_asked(&asked);
	return first;
}

int lasting_put_back(const char *state_path, struct netlink *inside,
	void (*told)(const char *what, const char *value))
{
	struct undo_lines lines, rest = { 0 };
	int error = undo_read(state_path, &lines), stored = 0;

	if (error)
		return error;
	error = put_back_all(&lines, inside, told);
	for (size_t i = 0; !stored && i < lines.count; i++) {
		if (*lines.items[i])
			stored = undo_append(&rest, lines.items[i]);
	}
	if (!stored && rest.count < lines.count)
		stored = undo_write(state_path, &rest);
	undo_free(&lines);
	undo_free(&rest);
	return error ? error : stored;
}
