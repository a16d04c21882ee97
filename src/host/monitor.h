/* SPDX-License-Identifier: ISC */
/*
 * The monitor: the privileged process that brings a tunnel up, watches over its engine, and puts
 * the host back as it was.
 */
#ifndef HOST_MONITOR_H
#define HOST_MONITOR_H

#include "host/config.h"

/*
 * Runs a tunnel until SIGINT, SIGTERM or a failure. Takes the configuration over, and the lock of
 * its name (host/lock.h) if that is taken already; -1: it is not. Signals of the process are
 * blocked and read by the monitor from here on. With no_hooks a file that has some is refused, also
 * in a reload. Returns the exit status: 0 after a signal, else 1; what was changed on the host is
 * put back in either case.
 */
int monitor_run(struct config *config, int lock, bool no_hooks);

#endif
