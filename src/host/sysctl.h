/* SPDX-License-Identifier: ISC */
/*
 * A kernel setting of the network that several tunnels may need at once. What it was before is
 * noted in the tunnel's state file (host/undo.h); the last of the tunnels that have noted it puts
 * it back.
 */
#ifndef HOST_SYSCTL_H
#define HOST_SYSCTL_H

/* What the state file calls it. */
#define SYSCTL_WHAT "sysctl"

/* The key as a path below /proc/sys. */
#define SYSCTL_SRC_VALID_MARK "net/ipv4/conf/all/src_valid_mark"

/* 0 and *value, or -errno. */
int sysctl_read(const char *key, int *value);

/* Makes it 1. 0, also if it was; -errno and it is as before (-EROFS: /proc is read-only). */
int sysctl_turn_on(const char *state_path, const char *key);

/* Puts back what a line of the state file says, and removes the line. What somebody else has set
 * since is left alone. 0 or -errno. */
int sysctl_put_back(const char *state_path, const char *value);

#endif
