/* SPDX-License-Identifier: ISC */
/* The one-way steps by which the engine gives up what it does not need. */
#include "engine/sandbox.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/log.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANDBOX_OPEN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || \
	__has_feature(memory_sanitizer)
#define SANDBOX_OPEN 1
#endif
#endif

enum { LACKS_SIZE = 128, PROC_PATH_SIZE = 48 };

bool sandbox_is_open(void)
{
#ifdef SANDBOX_OPEN
	return true;
#else
	return false;
#endif
}

/* ---- User and capabilities ---- */

int sandbox_protect(void)
{
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	return 0;
}

int sandbox_keep_capabilities(uint64_t kept)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct have[_LINUX_CAPABILITY_U32S_3] = { 0 };

	if (kept && syscall(SYS_capget, &header, have) < 0)
		return -errno;
	for (size_t i = 0; i < _LINUX_CAPABILITY_U32S_3; i++) {
		have[i].permitted &= (uint32_t)(kept >> 32 * i);
		have[i].effective = have[i].permitted;
		have[i].inheritable = 0;
	}
	return syscall(SYS_capset, &header, have) < 0 ? -errno : 0;
}

/* What no program that is run could get back either. It takes CAP_SETPCAP; without that there is
 * no_new_privs. */
static void empty_bounding_set(void)
{
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	for (int capability = 0; prctl(PR_CAPBSET_READ, capability, 0, 0, 0) >= 0; capability++)
		prctl(PR_CAPBSET_DROP, capability, 0, 0, 0);
}

int sandbox_drop_user(uid_t uid, gid_t gid)
{
	int error;

	if (!uid || !gid)
		return -EINVAL;
	empty_bounding_set();
	if (setgroups(0, NULL) < 0 || setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0)
		return -errno;
	/* A change of user clears them, but for the inheritable ones. */
	error = sandbox_keep_capabilities(0);
	if (error)
		return error;
	if (setuid(0) == 0 || setgid(0) == 0 || geteuid() != uid || getegid() != gid)
		return -EPERM;
	return sandbox_protect(); /* the change of user has undone half of it */
}

/* ---- What the process may have ---- */

static void limit(int resource, rlim_t most)
{
	const struct rlimit limits = { most, most };

	setrlimit(resource, &limits); /* lower than it is, which is always allowed */
}

static void limit_all(unsigned descriptors)
{
	struct stat log;

	limit(RLIMIT_NOFILE, descriptors);
	limit(RLIMIT_NPROC, 0);
	limit(RLIMIT_CORE, 0);
	if (fstat(STDERR_FILENO, &log) < 0 || !S_ISREG(log.st_mode))
		limit(RLIMIT_FSIZE, 0);
}

/* Keys are in the heap, on the stack and in registers that were saved: so no page at all is ever
 * written to swap. Those that were never touched take no memory for that. With a limit all could be
 * well now, and memory for the next peer be refused. */
static bool lock_memory(void)
{
	struct rlimit limits;

	return !getrlimit(RLIMIT_MEMLOCK, &limits) && limits.rlim_cur == RLIM_INFINITY &&
	       !mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT);
}

/* It has the device and the sockets, and must not outlive who made it, if that is killed now. */
static void __attribute__((noreturn)) wait_to_be_killed(pid_t parent)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	syscall(SYS_close_range, 0, ~0U, 0);
	if (getppid() != parent)
		_exit(1);
	for (;;)
		pause();
}

/* The directory in /proc of a process that then ends: there is nothing in it, nothing can be made
 * there, and unlike with a directory that is made for this nothing is left behind. */
static int empty_root(void)
{
	char path[PROC_PATH_SIZE];
	const pid_t self = getpid();
	pid_t child;
	int error = 0;

	/* Else the child's directory would be closed to us, who have no rights over processes: one
	 * that may not be traced, or that has rights (a hook's) which we have, but not in effect.
	 */
	prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
	sandbox_keep_capabilities(UINT64_MAX);
	child = fork();
	if (child < 0)
		return -errno;
	if (!child)
		wait_to_be_killed(self);
	snprintf(path, sizeof(path), "/proc/%ld/fdinfo", (long)child);
	if (chroot(path) < 0 || chdir("/") < 0)
		error = -errno;
	kill(child, SIGKILL);
	while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
		;
	return error;
}

/* ---- All of it ---- */

static void add_lack(char lacks[LACKS_SIZE], const char *what)
{
	const size_t len = strlen(lacks);

	snprintf(lacks + len, LACKS_SIZE - len, "%s%s", len ? ", " : "", what);
}

static int become(const struct sandbox *sandbox)
{
	const struct rlimit unlimited = { RLIM_INFINITY, RLIM_INFINITY };
	int error;

	setrlimit(RLIMIT_MEMLOCK, &unlimited);
	if (sandbox->uid)
		return sandbox_drop_user(sandbox->uid, sandbox->gid);
	empty_bounding_set();
	error = sandbox_keep_capabilities(sandbox->capabilities);
	return error ? error : sandbox_protect();
}

int sandbox_enclose(const struct sandbox *sandbox)
{
	char lacks[LACKS_SIZE] = "";
	bool filtered = true;
	int error;

	if (sandbox_is_open()) {
		error = become(sandbox);
		if (!error && sandbox->process)
			log_line(LOG_WARNING,
				"the sandbox of %s is open, for this build's sanitizers",
				sandbox->process);
		return error;
	}
	if (empty_root())
		add_lack(lacks, "an empty root");
	error = become(sandbox);
	if (error)
		return error;
	if (!lock_memory() && sandbox->process)
		log_line(LOG_ERR,
			"%s works, but its keys may be written to swap: that all of its memory is "
			"locked takes 'ulimit -l unlimited', or LimitMEMLOCK=infinity in its unit",
			sandbox->process);
	limit_all(sandbox->descriptors);
	if (sandbox_landlock(sandbox->directory))
		add_lack(lacks, "Landlock");
	error = sandbox_filter(sandbox->calls);
	if (error && error != -ENOSYS)
		return error;
	if (error) {
		filtered = false;
		add_lack(lacks, "a filter of system calls");
	}
	if (*lacks && sandbox->process)
		log_line(filtered ? LOG_INFO : LOG_WARNING,
			"the sandbox of %s lacks %s: this kernel, or our rights, do not allow it",
			sandbox->process, lacks);
	return 0;
}
