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
#include "host/policy.h"

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

bool rights_is_ordinary(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct have[_LINUX_CAPABILITY_U32S_3] = { 0 };

	if (!geteuid())
		return false;
	syscall(SYS_capget, &header, have);
	return !(have[0].effective & 1U << CAP_NET_ADMIN);
}

/* Into effect, if it is permitted, or out of it. */
static int set_effective(unsigned capability, bool on, bool *before)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct have[_LINUX_CAPABILITY_U32S_3] = { 0 };
	const uint32_t bit = 1U << capability % 32;
	uint32_t *effective = &have[capability / 32].effective;

	if (syscall(SYS_capget, &header, have) < 0)
		return -errno;
	*before = *effective & bit;
	if (on && !(have[capability / 32].permitted & bit))
		return -EPERM;
	*effective = on ? *effective | bit : *effective & ~bit;
	return syscall(SYS_capset, &header, have) < 0 ? -errno : 0;
}

int rights_lend(unsigned capability, bool *before)
{
	return set_effective(capability, true, before);
}

void rights_take_back(unsigned capability)
{
	bool before;

	set_effective(capability, false, &before);
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

/* What an ordinary user cannot have, and root could. NULL: nothing. */
static const char *ordinary_refusal(const struct config *config)
{
	struct policy policy = { 0 };

	if (config->kill_switch)
		return "KillSwitch = yes";
	if (config->fwmark)
		return "FwMark";
	if (policy_make_from_file(&policy, config) || !policy.mark)
		return NULL;
	return "a full tunnel (AllowedIPs that hold all of IPv4 or IPv6, or the peer's Endpoint), "
	       "without Table = off,";
}

const char *rights_refusal(
	const struct config *config, bool no_hooks, char text[RIGHTS_REFUSAL_SIZE])
{
	const char *hook = first_hook(config);
	const char *ordinary = rights_is_ordinary() ? ordinary_refusal(config) : NULL;

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
	else if (config->network_namespace && geteuid())
		snprintf(text, RIGHTS_REFUSAL_SIZE,
			"NetworkNamespace takes root: remove the line, or start the tunnel as "
			"root");
	else if (ordinary)
		snprintf(text, RIGHTS_REFUSAL_SIZE,
			"%s takes root, or CAP_NET_ADMIN: remove it, or start the tunnel as root",
			ordinary);
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
