/* SPDX-License-Identifier: ISC */
/*
 * A process that has CAP_SETUID and CAP_SETGID without being root, and shall not become it by them.
 */
#ifndef HOST_NO_ROOT_H
#define HOST_NO_ROOT_H

/* From here on this process and all that come from it get EPERM when they ask to be user or group
 * 0, or for supplementary groups; whatever they execute. 0 or -errno. Sets no_new_privs. */
int no_root_from_here(void);

#endif
