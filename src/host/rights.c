/* SPDX-License-Identifier: ISC */
/* A monitor that is not root: which of root's rights it must have, and what of a file it cannot do.
 */
#include "host/rights.h"

#include <errno.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/sandbox.h"
#include "host/credentials.h"
#include "host/no_root.h"

static const struct right {
	unsigned number;
	const char *name;
} rights[] = {
	{ CAP_NET_ADMIN, "CAP_NET_ADMIN" },
	{ CAP_SETUID, "CAP_SETUID" },
	{ CAP_SETGID, "CAP_SETGID" },
};

const char *rights_missing(char *text, size_t size)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct have[_LINUX_CAPABILITY_U32S_3] = { 0 };
	size_t len = 0;

	syscall(SYS_capget, &header, have);
	for (size_t i = 0; i < sizeof(rights) / sizeof(*rights) && len < size; i++) {
		if (!(have[0].effective & 1U << rights[i].number))
			len += (size_t)snprintf(
				text + len, size - len, "%s%s", len ? ", " : "", rights[i].name);
	}
	return len ? text : NULL;
}

int rights_keep_to_us(void)
{
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
		return -errno;
	return no_root_from_here();
}

int rights_use_needed(void)
{
	static const unsigned needed[] = { CAP_NET_ADMIN, CAP_NET_BIND_SERVICE, CAP_NET_RAW,
		/* files of the tunnel and of name servers, which may be other users' */
		CAP_DAC_OVERRIDE, CAP_CHOWN, CAP_FOWNER,
		/* children, and what encloses them */
		CAP_SETUID, CAP_SETGID, CAP_KILL, CAP_SETPCAP, CAP_SYS_CHROOT, CAP_SYS_RESOURCE,
		/* to see whether systemd-resolved is in the same network as we are */
		CAP_SYS_PTRACE };
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct have[_LINUX_CAPABILITY_U32S_3] = { 0 };

	if (syscall(SYS_capget, &header, have) < 0)
		return -errno;
	have[0].effective = have[1].effective = 0;
	for (size_t i = 0; i < sizeof(needed) / sizeof(*needed); i++)
		have[0].effective |= have[0].permitted & 1U << needed[i];
	return syscall(SYS_capset, &header, have) < 0 ? -errno : 0;
}

void rights_forbid_core_dumps(void)
{
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

static const char *first_hook(const struct config *config)
{
	return config->pre_up.count      ? "PreUp"
	       : config->post_up.count   ? "PostUp"
	       : config->pre_down.count  ? "PreDown"
	       : config->post_down.count ? "PostDown"
					 : NULL;
}

const char *rights_refusal(
	const struct config *config, bool no_hooks, char text[RIGHTS_REFUSAL_SIZE])
{
	const char *hook = first_hook(config);

	if (hook && no_hooks)
		snprintf(text, RIGHTS_REFUSAL_SIZE,
			"%s is given, and hooks are refused (--no-hooks): remove it, "
			"or start the tunnel without that option",
			hook);
	else if (hook && geteuid())
		snprintf(text, RIGHTS_REFUSAL_SIZE,
			"%s is given, and hooks are run by root alone: remove it, or "
			"start the tunnel as root",
			hook);
	else if (config->save && (geteuid() || credentials_has(config->path)))
		snprintf(text, RIGHTS_REFUSAL_SIZE,
			"SaveConfig = true takes root, who can write the file: remove the line, or "
			"start the tunnel as root, without LoadCredential for the whole file");
	else
		return NULL;
	return text;
}

int rights_kill(pid_t pid, int number, uid_t uid, gid_t gid)
{
	int error, status;
	pid_t child;

	if (!kill(pid, number))
		return 0;
	if (errno != EPERM)
		return -errno;
	child = fork();
	if (child < 0)
		return -errno;
	if (!child) {
		error = sandbox_drop_user(uid, gid);
		if (!error && kill(pid, number) < 0)
			error = -errno;
		_exit(-error);
	}
	if (waitpid(child, &status, 0) < 0)
		return -errno;
	return WIFEXITED(status) ? -WEXITSTATUS(status) : -ECHILD;
}
