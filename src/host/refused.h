/* SPDX-License-Identifier: ISC */
/*
 * System calls that are refused to the monitor and to all that it starts.
 *
 * Hooks, programs that set DNS and libraries that look up names may do anything sensible, so there
 * is no list of what they may do; but of some of what root can do a VPN has no use, and whoever
 * takes over a monitor or a look-up has: that is refused with EPERM. Look-ups, which are no root's
 * any more, are refused more than that.
 */
#ifndef HOST_REFUSED_H
#define HOST_REFUSED_H

/* From here on, to this process and all that comes from it. It takes CAP_SYS_ADMIN, or
 * no_new_privs, which hooks may not like. 0; -ENOSYS: the kernel cannot do it; or another -errno.
 */
int refused_to_all(void);

/* To a process that looks up names, in a network of which it may believe nothing; it has
 * no_new_privs. As refused_to_all, and includes that. */
int refused_to_lookups(void);

#endif
