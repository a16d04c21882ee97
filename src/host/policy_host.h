/* SPDX-License-Identifier: ISC */
/* Carrying out what host/policy.h plans, and undoing it. */
#ifndef HOST_POLICY_HOST_H
#define HOST_POLICY_HOST_H

#include "host/netlink.h"
#include "host/undo.h"

enum { POLICY_COMPLAINT_SIZE = 256 };

/*
 * Makes the rules and blocked routes of the tunnel those that are wanted (no lines: none): first
 * adds what is missing, then deletes what the state file has beyond that. Only what the state file
 * has is ever deleted, and of that nothing that another tunnel has noted, too: what somebody else
 * made alike stays his. May be called at any time, and puts back what was removed behind our back.
 *
 * 0, or the first -errno and a sentence about it; the rest is done all the same.
 */
int policy_apply(struct netlink *netlink, const char *state_path, const struct undo_lines *wanted,
	char complaint[POLICY_COMPLAINT_SIZE]);

/* Whether a line of a state file is one that policy_apply deals with. */
bool policy_is_line(const char *line);

/* Whether the lines hold a kill switch. */
bool policy_has_block(const struct undo_lines *lines);

#endif
