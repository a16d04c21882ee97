/* SPDX-License-Identifier: ISC */
/* A device that stays, and what the state file has of it, where the kernel refuses something. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/tun.h"
#include "host/device_step.h"
#include "host/monitor_state.h"

enum { LOOPBACK = 1 };

static char directory[] = "/tmp/culvert-lasting-XXXXXX";
static struct config config = { .name = "office", .device = "tun0" };

static struct monitor *make_monitor(void)
{
	struct monitor *monitor = calloc(1, sizeof(*monitor));

	assert_non_null(monitor);
	monitor->config = &config;
	monitor->interface = LOOPBACK;
	monitor->netns = monitor->tun = monitor->given.tun = -1;
	assert_int_equal(netlink_open(&monitor->netlink), 0);
	monitor->inside = monitor->netlink;
	snprintf(monitor->routing.state_path, sizeof(monitor->routing.state_path),
		"%s/office.state", directory);
	return monitor;
}

static void free_monitor(struct monitor *monitor)
{
	unlink(monitor->routing.state_path);
	lasting_free(&monitor->lasting);
	netlink_close(monitor->netlink);
	free(monitor);
}

static int make_place(void **state)
{
	(void)state;
	return mkdtemp(directory) ? 0 : -1;
}

static int remove_place(void **state)
{
	(void)state;
	return rmdir(directory);
}

static bool has_note(const struct monitor *monitor, const char *note)
{
	struct undo_lines lines;
	bool has;

	assert_int_equal(undo_read(monitor->routing.state_path, &lines), 0);
	has = undo_has(&lines, note);
	undo_free(&lines);
	return has;
}

/* ---- what nobody wants any more, and the kernel does not take off ---- */

static int refusal;

int __wrap_netlink_route_delete(struct netlink *netlink, unsigned interface, uint32_t table,
	struct netlink_prefix destination);

int __wrap_netlink_route_delete(struct netlink *netlink, unsigned interface, uint32_t table,
	struct netlink_prefix destination)
{
	(void)netlink;
	assert_int_equal(interface, LOOPBACK);
	assert_int_equal(table, 4242);
	assert_int_equal(destination.length, 24);
	return refusal;
}

static void unwanted(void **state)
{
	static const struct {
		int refusal;
		bool persistent, stays;
	} cases[] = {
		{ 0, false, false },
		{ 0, true, false },
		{ -ESRCH, false, false }, /* it has gone by itself */
		{ -ESRCH, true, false },
		{ -ENXIO, false, false }, /* with all of IPv6 */
		{ -ENOBUFS, false, true },
		{ -ENOMEM, true, true },
	};
	static const char plain[] = "route 198.51.100.0/24 table 4242 dev 1 tun0";
	static const char kept[] = "kept-route 198.51.100.0/24 table 4242 dev 1 tun0";
	const struct device_facts facts = { .interface = LOOPBACK };

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct monitor *monitor = make_monitor();
		const bool persistent = cases[i].persistent, stays = cases[i].stays;

		refusal = cases[i].refusal;
		config.persistent = persistent;
		lasting_begin(monitor, &facts);
		assert_int_equal(
			undo_add(monitor->routing.state_path, "kept-route", strchr(kept, ' ') + 1),
			0);
		assert_int_equal(lasting_note(monitor, NULL, NULL), 0);
		/* Noted as what is to become of it. */
		assert_int_equal(has_note(monitor, kept), stays && persistent);
		assert_int_equal(has_note(monitor, plain), stays && !persistent);
		/* At the next occasion. */
		refusal = 0;
		assert_int_equal(lasting_note(monitor, NULL, NULL), 0);
		assert_false(has_note(monitor, kept));
		assert_false(has_note(monitor, plain));
		free_monitor(monitor);
	}
	config.persistent = false;
}

/* ---- a device that was kept, and another one that cannot be ---- */

static void kept_elsewhere(void **state)
{
	static const struct {
		const char *what, *value;
		bool ours;
	} cases[] = {
		{ "kept-device", "yes dev 1 tun1", false },
		{ "kept-device", "yes dev 11 tun0", false },
		{ "kept-device", "yes dev 1 tun0 of 4242 in /run/netns/cell", false },
		{ "kept-route", "198.51.100.0/24 table 254 dev 1 tun1", false },
		{ "kept-bridge", "lan dev 1 tun1", false },
		{ "kept-device", "yes dev 1 tun0", true },
		{ "kept-address", "192.0.2.1/24 dev 1 tun0", true },
		{ "kept-bridge", "lan dev 1 tun0", true },
	};
	const struct device_facts facts = { .interface = LOOPBACK };
	struct monitor *monitor = make_monitor();
	char line[128];

	(void)state;
	lasting_begin(monitor, &facts);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		assert_int_equal(
			undo_add(monitor->routing.state_path, cases[i].what, cases[i].value), 0);
	assert_int_equal(lasting_keep(monitor, true), -EBADF); /* there is none open */
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		snprintf(line, sizeof(line), "%s %s", cases[i].what, cases[i].value);
		assert_int_equal(has_note(monitor, line), !cases[i].ours);
	}
	free_monitor(monitor);
}

/* ---- a device of others, which attaching changes ---- */

static const char attached[] = "attached 1 dev 7 tun0"; /* IFF_TUN */
static int join_result;
static bool noted_at_join;

int __wrap_device_facts_find(struct netlink *netlink, const char *name, struct device_facts *facts);
int __wrap_tun_join(const char *name, int flags, int *fd);

int __wrap_device_facts_find(struct netlink *netlink, const char *name, struct device_facts *facts)
{
	(void)netlink;
	*facts = (struct device_facts){
		.interface = 7, .is_tun = true, .persistent = true, .pi = true, .has_owner = true
	};
	snprintf(facts->name, sizeof(facts->name), "%s", name);
	return 0;
}

int __wrap_tun_join(const char *name, int flags, int *fd)
{
	char path[UNDO_PATH_SIZE];
	struct undo_lines lines;

	assert_string_equal(name, config.device);
	assert_int_equal(flags, IFF_TUN | TUN_FLAGS);
	snprintf(path, sizeof(path), "%s/office.state", directory);
	assert_int_equal(undo_read(path, &lines), 0);
	noted_at_join = undo_has(&lines, attached);
	undo_free(&lines);
	*fd = join_result ? -1 : dup(STDIN_FILENO);
	return join_result;
}

static void noted_before_it_is_attached(void **state)
{
	struct monitor *monitor = make_monitor();

	(void)state;
	join_result = -EBUSY;
	assert_int_equal(device_step_claim(monitor), -EBUSY);
	assert_true(noted_at_join);
	assert_false(has_note(monitor, attached));
	assert_false(monitor->lasting.stays);
	join_result = 0;
	assert_int_equal(device_step_claim(monitor), 0);
	assert_true(noted_at_join);
	assert_true(has_note(monitor, attached));
	assert_true(monitor->lasting.stays);
	close(monitor->tun);
	free_monitor(monitor);
}

/* One of ours is as we have left it. */
static void ours_is_not_noted(void **state)
{
	struct monitor *monitor = make_monitor();

	(void)state;
	join_result = 0;
	assert_int_equal(undo_add(monitor->routing.state_path, "kept-device", "yes dev 7 tun0"), 0);
	assert_int_equal(device_step_claim(monitor), 0);
	assert_false(noted_at_join);
	assert_false(has_note(monitor, attached));
	close(monitor->tun);
	free_monitor(monitor);
}

/* What cannot be noted is not done. */
static void not_noted_not_attached(void **state)
{
	struct monitor *monitor = make_monitor();

	(void)state;
	join_result = 0;
	snprintf(monitor->routing.state_path, sizeof(monitor->routing.state_path),
		"/nowhere/at/all.state");
	assert_int_equal(device_step_claim(monitor), -ECANCELED);
	assert_int_equal(monitor->tun, -1);
	assert_non_null(strstr(monitor->last_error, "/nowhere/at/all.state"));
	free_monitor(monitor);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(unwanted),
		cmocka_unit_test(kept_elsewhere),
		cmocka_unit_test(noted_before_it_is_attached),
		cmocka_unit_test(ours_is_not_noted),
		cmocka_unit_test(not_noted_not_attached),
	};

	return cmocka_run_group_tests(tests, make_place, remove_place);
}
