/* SPDX-License-Identifier: ISC */
/*
 * The monitor: the privileged process that brings a tunnel up, watches over its engine, and puts
 * the host back as it was.
 */
#ifndef HOST_MONITOR_H
#define HOST_MONITOR_H

#include "host/config.h"

/* What is in there for each running tunnel: NAME.sock, where it answers (host/control.h), and
 * NAME.lock. */
#ifndef MONITOR_RUN_DIRECTORY
#define MONITOR_RUN_DIRECTORY "/run/culvert"
#endif

/*
 * Runs a tunnel until SIGINT, SIGTERM or a failure. Takes the configuration over. Signals of the
 * process are blocked and read by the monitor from here on. Returns the exit status: 0 after a
 * signal, else 1; what was changed on the host is put back in either case.
 */
int monitor_run(struct config *config);

#endif
