/* SPDX-License-Identifier: ISC */
/* The tunnel's device as steps of its life: made here or in another network namespace, or found and
 * attached. */
#ifndef HOST_DEVICE_STEP_H
#define HOST_DEVICE_STEP_H

#include <stdbool.h>

struct monitor;

/* Sees to where the device is to be: NetworkNamespace. 0 or -errno, said already. */
int device_step_open(struct monitor *monitor);
void device_step_close(struct monitor *monitor);

/* Whether the name or path of NetworkNamespace is another one's by now, or nobody's. */
bool device_step_lost_namespace(const struct monitor *monitor);

/* Attaches to a device of the tunnel's name, if there is one. 0: done, or it is to be made.
 * -ENOTUNIQ: there is one that is none of the driver; -EEXIST: it is there as long as a program has
 * it; -EBUSY: another program has it; -EPROTOTYPE: of the other mode; -EPERM: not ours to use;
 * -ENODEV: there is none, and we may not make it; -EREMCHG, -EXDEV: the one that was handed over
 * has another name, or is elsewhere; -ECANCELED: said already; other -errno.
 */
int device_step_claim(struct monitor *monitor);
/* Says why that failed and what to do about it, if it is one of these. */
void device_step_complain(struct monitor *monitor, int error);

/* Makes the device, if it was not found. 0 or -errno, said already. */
int device_step_up(struct monitor *monitor);
void device_step_down(struct monitor *monitor);

/* What the state file calls a device of others that we are attached to, with the flags that it had.
 * What is read from it next may not know of merged packets, so after a kill it gets them again. */
#define DEVICE_STEP_ATTACHED "attached"
int device_step_undo(const char *state_path, const char *value);

/* In another namespace, with a bridge there: what hears of it (host/netwatch.h), to be closed; -1:
 * it is here, or there is none; *error is 0 or -errno. */
int device_step_watch(struct monitor *monitor, int *error);

/* In another namespace: what follows the device's link, for the engine, to be closed; -1: it is
 * here; *error is 0 or -errno. */
int device_step_follow(struct monitor *monitor, int *error);

#endif
