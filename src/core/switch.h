/* SPDX-License-Identifier: ISC */
/*
 * Who is behind which Ethernet address: what a switch learns of the frames that pass through it.
 *
 * A port is whatever frames come in by and leave by; it belongs to whoever uses it, as his own host
 * or peer. Unicast source addresses are learnt, each VLAN's for itself, and forgotten when nothing
 * has come from them for SWITCH_AGE. Memory is fixed: an address for which there is no room is not
 * learnt, so that frames to it go everywhere.
 */
#ifndef CORE_SWITCH_H
#define CORE_SWITCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/frame.h"
#include "core/wire.h"

enum {
	SWITCH_MAX = 4096,        /* addresses in all */
	SWITCH_PORT_MAX = 1024,   /* addresses behind one port, and never more than places are left:
				     neither one nor many can take the others' room */
	SWITCH_FLOOD_RATE = 1000, /* frames a second that a port may have sent everywhere */
	SWITCH_COPY_RATE = 20000, /* and copies of them that are made for that */
	SWITCH_FLOOD_LEN = 2048,  /* a frame as long as so many of these counts as one more each */
};

#define SWITCH_AGE (300 * WIRE_SECOND)

/* Zeroed: nothing behind it. */
struct switch_port {
	unsigned addresses;   /* that were learnt behind it */
	bool is_switch;       /* at the other end is, or may be, one like ours: switch_may_pass */
	uint64_t flood_until; /* boot time until which its share of flooding is used up */
};

struct switch_table; /* opaque */

struct switch_table *switch_new(void); /* NULL: out of memory */
void switch_free(struct switch_table *table);

/* A frame with this source address in a VLAN (frame_vlan) came in by the port, which must stay
 * until switch_forget. A group address is not learnt; one that was behind another port has moved.
 * now is boot time. */
void switch_learn(struct switch_table *table, const uint8_t address[FRAME_ADDRESS], uint16_t vlan,
	struct switch_port *port, uint64_t now);

/* The port that an address is behind in a VLAN; NULL: not known, or a group's, so it may be any. */
struct switch_port *switch_find(const struct switch_table *table,
	const uint8_t address[FRAME_ADDRESS], uint16_t vlan, uint64_t now);

/* All that is behind a port, before that goes away. */
void switch_forget(struct switch_table *table, struct switch_port *port);

/*
 * Whether a frame that came in by one port may leave by another. Never by its own; and never from
 * switch to switch: these are all each other's peers, so whoever sent it to us sent it to the other
 * as well, and what went on from there would go round (RFC 4762 §4.4: split horizon).
 */
static inline bool switch_may_pass(const struct switch_port *from, const struct switch_port *to)
{
	return from != to && !(from->is_switch && to->is_switch);
}

/* Whether a frame that came in by the port may be sent everywhere now. Asked before anybody is
 * looked for who is to have it, so that what may not costs nothing. */
bool switch_may_flood(const struct switch_port *port, uint64_t now);

/* One of this length was, with so many copies made, which uses up what a port may have of that: a
 * second's share can be used at once, and what the last frame took beyond it is waited for. */
void switch_flooded(struct switch_port *port, size_t copies, size_t len, uint64_t now);

#endif
