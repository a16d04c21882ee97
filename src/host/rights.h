/* SPDX-License-Identifier: ISC */
/*
 * A monitor that is not root: which of root's rights it must have been given, and what of a file it
 * cannot do.
 *
 * It configures the network (CAP_NET_ADMIN) and makes engine, look-ups and metrics another user's
 * processes (CAP_SETUID, CAP_SETGID), so that what parses the internet's bytes cannot reach it.
 * Hooks are root's commands, and are refused.
 */
#ifndef HOST_RIGHTS_H
#define HOST_RIGHTS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "host/config.h"

/* Which of the rights that a monitor needs are missing: "CAP_NET_ADMIN, CAP_SETUID"; NULL: none. */
const char *rights_missing(char *text, size_t size);

/* What we start shall not have our rights just because we do: no ambient capabilities from here on;
 * and neither we nor that shall become root by them (host/no_root.h). 0 or -errno. */
int rights_keep_to_us(void);

/* From here on only those of root's capabilities that a monitor uses are in effect. The others stay
 * permitted, for the commands that it runs: one that got them back by itself would be out of
 * PR_SET_PDEATHSIG's reach (host/helper.c), and get none in a service with no_new_privs. 0 or
 * -errno. */
int rights_use_needed(void);

/* Whether we are an ordinary user, who cannot configure the network at all: then a tunnel goes
 * through a device that root has made for us. */
bool rights_is_ordinary(void);

/* Puts a capability that is permitted into effect, and out of it again. 0 and whether it was; or
 * -errno. */
int rights_lend(unsigned capability, bool *before);
void rights_take_back(unsigned capability);

/* No core dumps of this process, which reads keys. Programs that it runs may have theirs. */
void rights_forbid_core_dumps(void);

enum { RIGHTS_REFUSAL_SIZE = 256 };

/* Says which of a file's settings cannot be had, because hooks are not wanted or we are not root;
 * NULL: all can. */
const char *rights_refusal(
	const struct config *config, bool no_hooks, char text[RIGHTS_REFUSAL_SIZE]);

/* kill(2) of a child that has become this user, which takes that user's rights where we are not
 * root. 0 or -errno; -EAGAIN: there is no process to do it at the moment. */
int rights_kill(pid_t pid, int number, uid_t uid, gid_t gid);

#endif
