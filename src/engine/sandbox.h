/* SPDX-License-Identifier: ISC */
/*
 * The one-way steps by which a process that meets the internet's bytes gives up what it does not
 * need: user, groups, capabilities, files, new descriptors and processes, and every system call
 * that the code which runs from there on does not name.
 *
 * Each module that makes calls has a table of them beside its code; whoever encloses a process
 * joins the tables of what it runs.
 */
#ifndef ENGINE_SANDBOX_H
#define ENGINE_SANDBOX_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum { SANDBOX_CONDITIONS = 3 };

/* Of a call's argument, counted from 0, the bits in the mask must be those of the value. */
struct sandbox_condition {
	unsigned argument;
	uint32_t mask; /* 0: no condition */
	uint32_t value;
};

#define SANDBOX_IS(argument, value)         \
	{                                   \
		argument, UINT32_MAX, value \
	}
#define SANDBOX_LACKS(argument, bits) \
	{                             \
		argument, bits, 0     \
	}
#define SANDBOX_HAS(argument, bits)  \
	{                            \
		argument, bits, bits \
	}

/* A system call that may be made (or, with sandbox_refuse, that may not), if all conditions hold.
 * What is in a packet's way has none: the kernel then knows by the number alone. A table ends with
 * one without a name. */
struct sandbox_call {
	const char *name; /* libseccomp's; a machine that has no such call does without */
	struct sandbox_condition conditions[SANDBOX_CONDITIONS];
};

struct sandbox {
	uid_t uid; /* 0: the user stays */
	gid_t gid;
	uint64_t capabilities; /* those that are kept where the user stays, one bit each */
	unsigned descriptors;  /* how many there may be */
	int directory;         /* files may be removed from this one; -1: there is none */
	const struct sandbox_call *const *calls; /* tables; the last is NULL */
	const char *process; /* whose sandbox the log speaks of; NULL: it does not */
};

/* Encloses this process for good. What the kernel or our rights do not allow is done without, and
 * said in the log. 0, or -errno: then the process must end. */
int sandbox_enclose(const struct sandbox *sandbox);

/* No core dumps with keys in them, no tracing by the same user, no privileges by exec. 0 or -errno.
 */
int sandbox_protect(void);

/* Keeps these capabilities (1 << number) of those that there are, and has them in effect; none are
 * inheritable. 0 or -errno. */
int sandbox_keep_capabilities(uint64_t kept);

/* Becomes this user (not root) and group for good, without supplementary groups and capabilities;
 * makes sure that there is no way back. 0, or -errno: then the process must end. */
int sandbox_drop_user(uid_t uid, gid_t gid);

/* From here on any system call that is in none of these tables ends the process by SIGSYS; the last
 * table is NULL. It comes after sandbox_protect. 0; -ENOSYS: the kernel cannot do it; or another
 * -errno. */
int sandbox_filter(const struct sandbox_call *const *tables);

/* From here on each call that is in one of these tables gives EPERM (clone3: ENOSYS), to this
 * process and all that comes from it, whatever they execute; any other goes on. The last table is
 * NULL. Programs of 32 bits, where the machine runs such, go by the same tables, but none of their
 * calls may have conditions; without other_programs all that they ask for is refused. It takes
 * CAP_SYS_ADMIN or no_new_privs. 0; -ENOSYS: the kernel cannot do it; or another -errno. */
int sandbox_refuse(const struct sandbox_call *const *tables, bool other_programs);

/* Whether this build has sanitizers, whose run-time traces, reads /proc, makes threads and maps
 * what it likes: then nothing but the user is given up. */
bool sandbox_is_open(void);

/* Access to files and TCP ports ends, as far as the kernel's Landlock knows them; in the directory
 * (-1: in none) files may be removed. It comes after sandbox_protect. 0; -ENOSYS: the kernel has
 * none; or another -errno. */
int sandbox_landlock(int directory);

#endif
