/* SPDX-License-Identifier: ISC */
/*
 * The monitor's part in full tunnels and kill switches: when the rules and blocked routes of
 * host/policy.h come and go.
 *
 * With KillSwitch they come before the device and stay when the tunnel dies: only one that is told
 * to stop takes them along. Without it, they come and go with the routes.
 */
#ifndef HOST_ROUTING_H
#define HOST_ROUTING_H

#include "host/diff.h"
#include "host/policy.h"
#include "host/text.h"

struct monitor;

/* A part of struct monitor. */
struct routing {
	struct policy policy;
	char state_path[UNDO_PATH_SIZE];
	bool begun;            /* there may be something to undo */
	bool rules_wanted;     /* the rules have come, because of the switch or of the tunnel */
	uint64_t check_due;    /* milliseconds; 0: nothing was removed that we know of */
	uint64_t paused_until; /* milliseconds; 0: not paused */
};

/* Steps of host/bringup.c. Before any of them comes routing_clean, for what is left of a tunnel
 * that was killed. */
int routing_clean(struct monitor *monitor);
int routing_up_switch(struct monitor *monitor);
void routing_down_switch(struct monitor *monitor);
int routing_up_rules(struct monitor *monitor);
void routing_down_rules(struct monitor *monitor);

/* Gives those routes that are to go by rules the table for it. */
void routing_place(
	const struct policy *policy, const struct config *config, struct diff_routes *routes);

/* An endpoint was looked up: if it lies inside AllowedIPs these go by rules from now on. Before the
 * engine is told; asks the engine. */
void routing_on_endpoint(struct monitor *monitor, const struct endpoint *endpoint);

/* Tables with routes that are put back when somebody removes them; 0: none. */
void routing_watched_tables(const struct monitor *monitor, uint32_t tables[2]);

/* From the loop: a rule was removed, or a route of those tables; putting it back; a pause's end. */
void routing_on_removal(struct monitor *monitor);
void routing_work(struct monitor *monitor);
uint64_t routing_due(const struct monitor *monitor);

/* Reload: why this configuration cannot replace the one that runs, or NULL; what it leads to, and
 * its mark; and carrying that out: 0 or -errno, said already. */
const char *routing_refusal(const struct monitor *monitor, const struct config *config);
int routing_plan(struct monitor *monitor, struct config *config, struct policy *policy);
int routing_change(
	struct monitor *monitor, const struct policy *policy, const struct config *config);

/* Opens it all for so many seconds, 0 closes it again; dns_step_pause goes by paused_until. 0, or
 * -errno and a line "problem=" for the client. */
int routing_pause(struct monitor *monitor, unsigned seconds, struct text *answer);

/* Whether a pause lets traffic pass the tunnel by, and not only the host's own DNS be used. */
bool routing_has_rules(const struct monitor *monitor);

/* Lines for status: routing, kill_switch, paused. */
void routing_status(const struct monitor *monitor, struct text *out);

#endif
