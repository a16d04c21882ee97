/* SPDX-License-Identifier: ISC */
/* System calls that are refused to the monitor and to all that it starts. */
#include "host/refused.h"

#include <sched.h>
#include <stddef.h>
#include <sys/socket.h>

#include "engine/sandbox.h"

/* What hooks do is left: the network, mounts, namespaces, modules, other users. */
static const struct sandbox_call calls[] = {
	/* Another kernel, or none. */
	{ .name = "kexec_load" },
	{ .name = "kexec_file_load" },
	{ .name = "reboot" },
	{ .name = "swapon" },
	{ .name = "swapoff" },
	/* The clock, by which handshakes are told from replays. */
	{ .name = "settimeofday" },
	{ .name = "stime" },
	{ .name = "adjtimex" },
	{ .name = "clock_settime" },
	{ .name = "clock_settime64" },
	{ .name = "clock_adjtime" },
	{ .name = "clock_adjtime64" },
	/* What is in other processes. */
	{ .name = "ptrace" },
	{ .name = "process_vm_readv" },
	{ .name = "process_vm_writev" },
	{ .name = "pidfd_getfd" },
	{ .name = "kcmp" },
	/* What has most often been a way into the kernel. */
	{ .name = "bpf" },
	{ .name = "perf_event_open" },
	{ .name = "userfaultfd" },
	{ .name = "io_uring_setup" },
	{ .name = "io_uring_enter" },
	{ .name = "io_uring_register" },
	{ .name = "add_key" },
	{ .name = "request_key" },
	{ .name = "keyctl" },
	{ .name = "modify_ldt" },
	{ .name = "vm86" },
	{ .name = "vm86old" },
	/* Hardware. */
	{ .name = "iopl" },
	{ .name = "ioperm" },
	{ .name = "pciconfig_read" },
	{ .name = "pciconfig_write" },
	{ .name = "pciconfig_iobase" },
	/* Files by their numbers, out of any root. */
	{ .name = "open_by_handle_at" },
	{ 0 },
};

#ifdef __s390__
enum { CLONE_FLAGS = 1 };
#else
enum { CLONE_FLAGS = 0 };
#endif

static const struct sandbox_call lookup_calls[] = {
	{ .name = "mount" },
	{ .name = "umount" },
	{ .name = "umount2" },
	{ .name = "pivot_root" },
	{ .name = "chroot" },
	{ .name = "open_tree" },
	{ .name = "move_mount" },
	{ .name = "mount_setattr" },
	{ .name = "fsopen" },
	{ .name = "fspick" },
	{ .name = "fsconfig" },
	{ .name = "fsmount" },
	{ .name = "init_module" },
	{ .name = "finit_module" },
	{ .name = "delete_module" },
	/* Namespaces: in one of its own a user has rights that open much of the kernel. */
	{ .name = "unshare" },
	{ .name = "setns" },
	{ "clone", { SANDBOX_HAS(CLONE_FLAGS, CLONE_NEWUSER) } },
	{ "clone", { SANDBOX_HAS(CLONE_FLAGS, CLONE_NEWNS) } },
	{ "clone", { SANDBOX_HAS(CLONE_FLAGS, CLONE_NEWNET) } },
	{ "clone", { SANDBOX_HAS(CLONE_FLAGS, CLONE_NEWPID) } },
	{ "clone", { SANDBOX_HAS(CLONE_FLAGS, CLONE_NEWIPC) } },
	{ "clone", { SANDBOX_HAS(CLONE_FLAGS, CLONE_NEWUTS) } },
	{ "clone", { SANDBOX_HAS(CLONE_FLAGS, CLONE_NEWCGROUP) } },
	{ .name = "clone3" },
	/* Sockets by which no names are looked up. */
	{ "socket", { SANDBOX_IS(0, AF_INET), { 1, 0xf, SOCK_RAW } } },
	{ "socket", { SANDBOX_IS(0, AF_INET6), { 1, 0xf, SOCK_RAW } } },
	{ "socket", { SANDBOX_IS(0, AF_PACKET) } },
	{ "socket", { SANDBOX_IS(0, AF_KEY) } },
	{ "socket", { SANDBOX_IS(0, AF_ALG) } },
	{ "socket", { SANDBOX_IS(0, AF_VSOCK) } },
	{ "socket", { SANDBOX_IS(0, AF_BLUETOOTH) } },
	{ "socket", { SANDBOX_IS(0, AF_CAN) } },
	{ "socket", { SANDBOX_IS(0, AF_TIPC) } },
	{ "socket", { SANDBOX_IS(0, AF_RDS) } },
	{ "socket", { SANDBOX_IS(0, AF_PPPOX) } },
	{ "socket", { SANDBOX_IS(0, AF_NFC) } },
	{ "socket", { SANDBOX_IS(0, AF_XDP) } },
	{ 0 },
};

int refused_to_all(void)
{
	const struct sandbox_call *const tables[] = { calls, NULL };

	return sandbox_refuse(tables, true);
}

int refused_to_lookups(void)
{
	const struct sandbox_call *const tables[] = { calls, lookup_calls, NULL };

	return sandbox_refuse(tables, false);
}
