/* SPDX-License-Identifier: ISC */
/*
 * Which routing rules and blocked routes a tunnel's file asks for. Pure functions: nothing is
 * touched.
 *
 * A family (IPv4, IPv6) goes "by rules" with Table = auto where AllowedIPs hold all of it, or hold
 * an address at which a peer is reached: then its routes do not go into the main table, where they
 * would catch the tunnel's own packets too, but into one whose number is the mark of these packets.
 * Rules lead all others there, but first to what the main table has besides a default route: the
 * local networks.
 *
 * A kill switch is unreachable routes beside the tunnel's own, of a larger metric, which count when
 * the tunnel's are gone. Where one family is tunnelled as a whole, the other is closed as a whole.
 */
#ifndef HOST_POLICY_H
#define HOST_POLICY_H

#include "core/endpoint.h"
#include "host/config.h"
#include "host/netlink.h"
#include "host/undo.h"

/* The rules' priorities, before the main table's (32766). */
enum {
	POLICY_PRIORITY_LOCAL = 31820, /* what the main table has, but for its default routes */
	POLICY_PRIORITY_TUNNEL,        /* the tunnel's table */
	POLICY_PRIORITY_BLOCK, /* the same, of a family that is only blocked: another tunnel may
				  have it */
};

/* Marks that are chosen here have these bits in common: sealed packets of one such tunnel never go
 * into another one, which could lead back. */
#define POLICY_MARK 0x63000000U
#define POLICY_MARK_MASK 0xff000000U

struct policy {
	uint32_t mark;     /* the tunnel's own packets', and the table's number; 0: none */
	bool ipv4, ipv6;   /* go by rules */
	bool full4, full6; /* the tunnel has all of the family */
};

/* The mark of a tunnel of this name, if its file does not say FwMark. Always the same one. */
uint32_t policy_mark(const char *name);

/* endpoints: where peers are reached, as far as that is known; they are put in order. */
void policy_make(struct policy *policy, const struct config *config, struct endpoint *endpoints,
	size_t count);

/* The same from the file alone. 0 or -ENOMEM. */
int policy_make_from_file(struct policy *policy, const struct config *config);

/* Into which table a family's routes go. */
uint32_t policy_table(const struct policy *policy, const struct config *config, int family);

/* All rules and blocked routes, as lines for the state file: "rule ..." and "block ...". 0 and
 * *lines, the caller's; or -ENOMEM. */
int policy_lines(
	const struct policy *policy, const struct config *config, struct undo_lines *lines);

/* What a line says. 0 or -EINVAL. */
int policy_parse_rule(const char *value, struct netlink_rule *rule);
int policy_parse_block(const char *value, struct config_prefix *prefix, uint32_t *table);

#endif
