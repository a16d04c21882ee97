/* SPDX-License-Identifier: ISC */
/* Blocked routes come and go with the tunnels that note them, on a host of their own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <sys/socket.h>

#include "host/policy_host.h"
#include "in_child.h"
#include "own_host.h"

#define NET "198.51.100.0/24"
#define LINE "block " NET " table 7777"

static struct netlink *netlink;
static const struct netlink_prefix net = {
	.family = AF_INET, .address = (const uint8_t[]){ 198, 51, 100, 0 }, .length = 24
};

/* Whether the kernel has it; it does afterwards what it did before. */
static bool is_blocked(void)
{
	const int error = netlink_unreachable_add(netlink, 7777, net);

	if (!error)
		netlink_unreachable_delete(netlink, 7777, net);
	return error == -EEXIST;
}

/* Has a tunnel block it, or not any more. */
static int apply(const char *state_path, bool block)
{
	static char line[] = LINE;
	char *items[] = { line }, complaint[POLICY_COMPLAINT_SIZE];
	const struct undo_lines lines = { .items = items, .count = block };

	return policy_apply(netlink, state_path, &lines, complaint);
}

static bool is_noted(const char *state_path)
{
	struct undo_lines lines;
	bool noted;

	if (undo_read(state_path, &lines))
		return false;
	noted = undo_has(&lines, LINE);
	undo_free(&lines);
	return noted;
}

/* Each notes it, and whoever goes first leaves it to the other. */
static int two_tunnels(void)
{
	static const char *const states[] = { STATE, OTHER_STATE };

	if (!own_host() || netlink_open(&netlink))
		return IN_CHILD_SKIP;
	for (unsigned first = 0; first < 2; first++) {
		EXPECT(!apply(STATE, true) && is_blocked());
		EXPECT(!apply(OTHER_STATE, true) && is_noted(STATE) && is_noted(OTHER_STATE));
		EXPECT(!apply(states[first], false) && is_blocked());
		EXPECT(!is_noted(states[first]) && is_noted(states[!first]));
		EXPECT(!apply(states[!first], false) && !is_blocked());
		EXPECT(!is_noted(STATE) && !is_noted(OTHER_STATE));
	}
	netlink_close(netlink);
	return 0;
}

/* What an administrator has blocked is nobody's to open. */
static int made_by_others(void)
{
	if (!own_host() || netlink_open(&netlink))
		return IN_CHILD_SKIP;
	EXPECT(!netlink_unreachable_add(netlink, 7777, net));
	EXPECT(!apply(STATE, true) && !is_noted(STATE));
	EXPECT(!apply(STATE, false) && is_blocked());
	netlink_close(netlink);
	return 0;
}

static void test_two_tunnels(void **state)
{
	(void)state;
	in_child(two_tunnels);
}

static void test_made_by_others(void **state)
{
	(void)state;
	in_child(made_by_others);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_two_tunnels),
		cmocka_unit_test(test_made_by_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
