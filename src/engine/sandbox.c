/* SPDX-License-Identifier: ISC */
/* The one-way steps by which the engine gives up what it does not need. */
#include "engine/sandbox.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

int sandbox_protect(void)
{
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	return 0;
}

/* A change of user clears them, but for the inheritable ones. */
static int drop_capabilities(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = { 0 };

	return syscall(SYS_capset, &header, none) < 0 ? -errno : 0;
}

int sandbox_drop_user(uid_t uid, gid_t gid)
{
	int error;

	if (!uid || !gid)
		return -EINVAL;
	if (setgroups(0, NULL) < 0 || setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0)
		return -errno;
	error = drop_capabilities();
	if (error)
		return error;
	if (setuid(0) == 0 || setgid(0) == 0 || geteuid() != uid || getegid() != gid)
		return -EPERM;
	return sandbox_protect(); /* the change of user has undone half of it */
}
