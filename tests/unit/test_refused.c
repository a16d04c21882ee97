/* SPDX-License-Identifier: ISC */
/* What the monitor and all that it starts may not ask of the kernel; and that hooks and look-ups go
 * on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <linux/netlink.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "host/refused.h"
#include "in_child.h"
#include "under_valgrind.h"

struct call {
	const char *name;
	long number;
};

#define CALL(name)                \
	{                         \
#name, SYS_##name \
	}

static const struct call refused[] = {
	CALL(reboot),
	CALL(kexec_load),
	CALL(swapon),
	CALL(swapoff),
	CALL(settimeofday),
	CALL(adjtimex),
	CALL(clock_settime),
	CALL(clock_adjtime),
	CALL(ptrace),
	CALL(process_vm_readv),
	CALL(process_vm_writev),
	CALL(kcmp),
	CALL(bpf),
	CALL(perf_event_open),
	CALL(userfaultfd),
	CALL(add_key),
	CALL(request_key),
	CALL(keyctl),
	CALL(open_by_handle_at),
#ifdef SYS_kexec_file_load
	CALL(kexec_file_load),
#endif
#ifdef SYS_pidfd_getfd
	CALL(pidfd_getfd),
#endif
#ifdef SYS_io_uring_setup
	CALL(io_uring_setup),
	CALL(io_uring_enter),
	CALL(io_uring_register),
#endif
#ifdef __x86_64__
	CALL(iopl),
	CALL(ioperm),
	CALL(modify_ldt),
#endif
};

static const struct call refused_to_child[] = {
	CALL(mount),
	CALL(umount2),
	CALL(pivot_root),
	CALL(chroot),
	CALL(init_module),
	CALL(finit_module),
	CALL(delete_module),
	CALL(unshare),
	CALL(setns),
#ifdef SYS_fsopen
	CALL(open_tree),
	CALL(move_mount),
	CALL(fsopen),
	CALL(fspick),
	CALL(fsconfig),
	CALL(fsmount),
#endif
#ifdef SYS_mount_setattr
	CALL(mount_setattr),
#endif
};

/* With arguments that mean nothing: a call that is let through does nothing. */
static bool is_refused(const struct call *call)
{
	errno = 0;
	if (syscall(call->number, -1L, -1L, -1L, -1L, -1L, -1L) == -1 && errno == EPERM)
		return true;
	fprintf(stderr, "%s: %s\n", call->name, strerror(errno));
	return false;
}

static int all_are_refused(const struct call *calls, size_t count)
{
	for (size_t i = 0; i < count; i++)
		EXPECT(is_refused(&calls[i]));
	return 0;
}

#define ALL_ARE_REFUSED(calls) all_are_refused(calls, sizeof(calls) / sizeof(*(calls)))

static int enclose(int (*refuse)(void))
{
	EXPECT(!prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	EXPECT(!refuse());
	EXPECT(prctl(PR_GET_SECCOMP) == 2);
	return 0;
}

/* A program is run by way of clone3, where the kernel has that, and the C library. */
static bool runs_a_program(void)
{
	char *const arguments[] = { (char *)"sh", (char *)"-c", (char *)"exit 7", NULL };
	char *const environment[] = { NULL };
	int status;
	pid_t child;

	return !posix_spawn(&child, "/bin/sh", NULL, NULL, arguments, environment) &&
	       waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 7;
}

static bool has_socket(int family, int type, int protocol)
{
	const int fd = socket(family, type | SOCK_CLOEXEC, protocol);

	return fd >= 0 && !close(fd);
}

static int goes_on(void)
{
	const int file = open("/dev/null", O_RDWR | O_CLOEXEC);

	EXPECT(file >= 0 && write(file, "x", 1) == 1 && !close(file));
	EXPECT(runs_a_program());
	EXPECT(has_socket(AF_UNIX, SOCK_STREAM, 0));
	EXPECT(has_socket(AF_INET, SOCK_DGRAM, 0));
	EXPECT(has_socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
	EXPECT(has_socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE));
	return 0;
}

/* ---- Everybody ---- */

static int to_all(void)
{
	const int wrong = enclose(refused_to_all);

	return wrong ? wrong : ALL_ARE_REFUSED(refused);
}

static int others_go_on(void)
{
	EXPECT(!enclose(refused_to_all));
	return goes_on();
}

/* What hooks do and only root may. Whether this root may is asked first. */
static int hooks_go_on(void)
{
	const bool packets = has_socket(AF_PACKET, SOCK_RAW, 0);
	const bool modules = (errno = 0, syscall(SYS_finit_module, -1L, "", -1L)) && errno != EPERM;

	EXPECT(!enclose(refused_to_all));
	EXPECT(has_socket(AF_PACKET, SOCK_RAW, 0) == packets);
	EXPECT(((errno = 0, syscall(SYS_finit_module, -1L, "", -1L)) && errno != EPERM) == modules);
	EXPECT((errno = 0, unshare(-1)) == -1 && errno == EINVAL);
	EXPECT((errno = 0, setns(-1, 0)) == -1 && errno == EBADF);
	return 0;
}

static int is_inherited(void)
{
	int status;

	EXPECT(!enclose(refused_to_all));
	const pid_t child = fork();
	if (!child)
		_exit(ALL_ARE_REFUSED(refused));
	EXPECT(waitpid(child, &status, 0) == child && !status);
	return 0;
}

/* A hook that becomes another user may still run sudo. */
static int privileges_stay(void)
{
	if (geteuid() || prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) || refused_to_all())
		return IN_CHILD_SKIP;
	EXPECT(!prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
	return ALL_ARE_REFUSED(refused);
}

/* ---- Look-ups ---- */

static int to_lookups(void)
{
	EXPECT(!enclose(refused_to_lookups));
	EXPECT(!ALL_ARE_REFUSED(refused));
	return ALL_ARE_REFUSED(refused_to_child);
}

static int lookups_go_on(void)
{
	EXPECT(!enclose(refused_to_lookups));
	return goes_on();
}

static int odd_sockets(void)
{
	static const struct {
		int family, type;
	} rows[] = {
		{ AF_INET, SOCK_RAW },
		{ AF_INET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK },
		{ AF_INET6, SOCK_RAW },
		{ AF_PACKET, SOCK_RAW },
		{ AF_PACKET, SOCK_DGRAM },
		{ AF_KEY, SOCK_RAW },
		{ AF_ALG, SOCK_SEQPACKET },
		{ AF_VSOCK, SOCK_STREAM },
		{ AF_BLUETOOTH, SOCK_SEQPACKET },
		{ AF_CAN, SOCK_RAW },
		{ AF_TIPC, SOCK_RDM },
		{ AF_RDS, SOCK_SEQPACKET },
		{ AF_PPPOX, SOCK_DGRAM },
		{ AF_NFC, SOCK_SEQPACKET },
		{ AF_XDP, SOCK_RAW },
	};

	EXPECT(!enclose(refused_to_lookups));
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		EXPECT_REFUSED(socket(rows[i].family, rows[i].type, 0));
	return 0;
}

#ifdef __s390__
#define CLONE(flags) syscall(SYS_clone, 0L, (long)(flags) | SIGCHLD, 0L, 0L, 0L)
#else
#define CLONE(flags) syscall(SYS_clone, (long)(flags) | SIGCHLD, 0L, 0L, 0L, 0L)
#endif

static int namespaces(void)
{
	static const unsigned flags[] = { CLONE_NEWUSER, CLONE_NEWNS, CLONE_NEWNET, CLONE_NEWPID,
		CLONE_NEWIPC, CLONE_NEWUTS, CLONE_NEWCGROUP, CLONE_NEWUSER | CLONE_NEWNS };
	long child;

	EXPECT(!enclose(refused_to_lookups));
	for (size_t i = 0; i < sizeof(flags) / sizeof(*flags); i++) {
		errno = 0;
		child = CLONE(flags[i]);
		if (!child)
			_exit(0);
		EXPECT(child == -1 && errno == EPERM);
	}
#ifdef SYS_clone3
	EXPECT(syscall(SYS_clone3, -1L, -1L) == -1 && errno == ENOSYS);
#endif
	return 0;
}

/* ---- Programs of 32 bits ---- */

#ifdef __x86_64__
enum { GETPID_32 = 20, PTRACE_32 = 26, SETTIMEOFDAY_32 = 79, KEYCTL_32 = 288, SETTIME64_32 = 404 };

static long as_32_bits(long number)
{
	long result;

	__asm__ volatile("int $0x80"
			 : "=a"(result)
			 : "a"(number), "b"(-1L), "c"(-1L), "d"(-1L), "S"(-1L), "D"(-1L)
			 : "memory", "cc", "r8", "r9", "r10", "r11");
	return (int)result;
}

/* A kernel without them ends whoever asks as they do. */
static void needs_32_bits(void)
{
	int status;
	const pid_t child = fork();

	if (!child)
		_exit(as_32_bits(GETPID_32) == getpid() ? 0 : 1);
	assert_int_equal(waitpid(child, &status, 0), child);
	if (status)
		skip();
}

static int programs_of_32_bits(void)
{
	EXPECT(!enclose(refused_to_all));
	EXPECT(as_32_bits(GETPID_32) == getpid());
	EXPECT(as_32_bits(PTRACE_32) == -EPERM);
	EXPECT(as_32_bits(SETTIMEOFDAY_32) == -EPERM);
	EXPECT(as_32_bits(KEYCTL_32) == -EPERM);
	EXPECT(as_32_bits(SETTIME64_32) == -EPERM);
	return 0;
}

static int lookups_of_32_bits(void)
{
	EXPECT(!enclose(refused_to_lookups));
	EXPECT(as_32_bits(GETPID_32) == -EPERM);
	return 0;
}

/* The same under other numbers. */
static int x32(void)
{
	EXPECT(!enclose(refused_to_all));
	EXPECT_REFUSED(syscall(0x40000000 + SYS_ptrace, -1L, -1L, -1L, -1L));
	EXPECT_REFUSED(syscall(0x40000000 + 521, -1L, -1L, -1L, -1L)); /* its own ptrace */
	return 0;
}
#endif

static void test_all(void **state)
{
	(void)state;
	skip_under_valgrind();
	in_child(to_all);
	in_child(others_go_on);
	in_child(hooks_go_on);
	in_child(is_inherited);
}

static void test_privileges(void **state)
{
	(void)state;
	skip_under_valgrind();
	in_child(privileges_stay);
}

static void test_lookups(void **state)
{
	(void)state;
	skip_under_valgrind();
	in_child(to_lookups);
	in_child(lookups_go_on);
	in_child(odd_sockets);
	in_child(namespaces);
}

static void test_32_bits(void **state)
{
	(void)state;
	skip_under_valgrind();
#ifdef __x86_64__
	in_child(x32);
	needs_32_bits();
	in_child(programs_of_32_bits);
	in_child(lookups_of_32_bits);
#else
	skip();
#endif
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all),
		cmocka_unit_test(test_privileges),
		cmocka_unit_test(test_lookups),
		cmocka_unit_test(test_32_bits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
