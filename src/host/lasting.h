/* SPDX-License-Identifier: ISC */
/*
 * A device that stays when the tunnel goes: others made it, or Persistent says so. So nothing on it
 * goes by itself.
 *
 * What is on it that is not ours stays as it is. What we add is noted in the state file before, and
 * taken back at the end, or by whoever finds the notes: lines
 *
 *     address 10.9.0.1/24 dev 7 tun0        route 10.9.0.0/16 table 254 dev 7 tun0
 *     mtu 1500 dev 7 tun0                   link down dev 7 tun0
 *
 * where it is as host/device_place.h has it; mtu and link tell what it was before. With
 * Persistent nothing is taken back: the same words with "kept-" before them tell the next start
 * what is ours, to be removed if its file does not want it any more, "kept-device yes" that the
 * device is, and "kept-bridge lan" that it is in a bridge by our doing (host/ethernet.c).
 *
 * An ordinary user (host/rights.h) can change nothing of it: what the file wants and is not there
 * is said, with the command by which root mends it.
 */
#ifndef HOST_LASTING_H
#define HOST_LASTING_H

#include <stdbool.h>

#include "host/device_facts.h"
#include "host/device_place.h"
#include "host/diff.h"

struct monitor;

enum {
	LASTING_WHY_SIZE = 64, /* bytes, at least */
};

/* Before the words of notes of what is to stay. */
#define LASTING_KEPT "kept-"

/* A part of struct monitor. */
struct lasting {
	bool stays;    /* else all of it goes with the device, and nothing here has an effect */
	bool ordinary; /* we are an ordinary user */
	struct device_facts before;
	struct undo_lines there;  /* what is on it, as it was last looked at */
	struct undo_lines theirs; /* what of it is not ours */
	unsigned complained_mtu;
	char suffix[DEVICE_PLACE_SIZE]; /* of our notes */
};

/* The device is there, and was before us as the facts say. */
void lasting_begin(struct monitor *monitor, const struct device_facts *before);
void lasting_free(struct lasting *lasting);

/* Whether a line of the state file is of the device, where it is now. */
bool lasting_is_of_device(const struct monitor *monitor, const char *line);

/* We have made the device, and it is to stay, as our user's (or not any more). 0 or -errno. */
int lasting_keep(struct monitor *monitor, bool keep);
/* One that we have made to stay is to go with us. What was kept of an earlier start's is still
 * known as ours. 0 or -errno. */
int lasting_release(struct monitor *monitor);
/* Whether a device that was found is one that we have made to stay. */
bool lasting_was_ours(const struct monitor *monitor);

/* Looks what is on the device, and notes what of these (the present ones, NULL: none; and those
 * that are to come) is not. What an earlier start has left and nobody wants goes. 0 or -errno, said
 * already. */
int lasting_note(struct monitor *monitor, const struct diff *now, const struct diff *wanted);

/* Lines of host/device_facts.h. */
bool lasting_is_there(const struct monitor *monitor, const char *line);
bool lasting_is_theirs(const struct monitor *monitor, const char *line);
/* For an ordinary user: 0 if it is there; else -EPERM, and it is said how root adds it. */
int lasting_check(struct monitor *monitor, const char *line);
/* Takes one of ours off, and nothing besides. */
void lasting_remove(struct monitor *monitor, const char *line);

/* The link up. 0 or -errno, said already. */
int lasting_set_up(struct monitor *monitor);
/* Its MTU: 0, and what it is then and why; or -errno, said already: none that is too small for IPv6
 * where others have put IPv6 addresses or routes, as the kernel would remove these for good. */
int lasting_set_mtu(struct monitor *monitor, unsigned *mtu, char why[LASTING_WHY_SIZE]);

/* Takes back what our notes say, at the end of a tunnel, or (with told, as host/leftover.h has it)
 * of one that was killed. A tunnel that ends has a socket in its device's namespace, which may have
 * no path any more; else NULL. 0 or the first -errno, logged; what failed stays noted. */
int lasting_put_back(const char *state_path, struct netlink *inside,
	void (*told)(const char *what, const char *value));

/* The devices that are kept, as former starts have noted them: with another Device or
 * NetworkNamespace than now there may be several. How to remove the first (which is 0), the second
 * and so on: a sentence, for `culvert down`. False: there are not so many. */
enum { LASTING_STAYS_SIZE = DEVICE_PLACE_SIZE + 128 };
bool lasting_stays(const char *name, size_t which, char sentence[LASTING_STAYS_SIZE]);
/* Logs that for each but the tunnel's. */
void lasting_tell_others(const struct monitor *monitor);

#endif
