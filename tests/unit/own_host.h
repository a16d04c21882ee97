/* SPDX-License-Identifier: ISC */
/* A host of one's own, for a child (in_child.h): network, and a /run with nothing but the place of
 * root's tunnels. */
#ifndef TESTS_OWN_HOST_H
#define TESTS_OWN_HOST_H

#include <sched.h>
#include <stdbool.h>
#include <sys/mount.h>
#include <sys/stat.h>

#define STATE "/run/culvert/a.state"
#define OTHER_STATE "/run/culvert/b.state"

/* False: not for who runs the test. */
static inline bool own_host(void)
{
	return !unshare(CLONE_NEWNET | CLONE_NEWNS) &&
	       !mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) &&
	       !mount("none", "/run", "tmpfs", 0, NULL) && !mkdir("/run/culvert", 0755);
}

#endif
