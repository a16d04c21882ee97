/* SPDX-License-Identifier: ISC */
/* Of the system calls that make a process another user's, those that ask for root: a seccomp
 * filter. */
#include "host/no_root.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#if defined(__x86_64__)
#define NATIVE AUDIT_ARCH_X86_64
#elif defined(__i386__)
#define NATIVE AUDIT_ARCH_I386
#elif defined(__aarch64__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define NATIVE AUDIT_ARCH_AARCH64
#elif defined(__arm__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define NATIVE AUDIT_ARCH_ARM
#elif defined(__riscv) && __riscv_xlen == 64
#define NATIVE AUDIT_ARCH_RISCV64
#elif defined(__powerpc64__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define NATIVE AUDIT_ARCH_PPC64LE
#elif defined(__s390x__)
#define NATIVE AUDIT_ARCH_S390X
#elif defined(__mips__) && defined(_ABIO32) && _MIPS_SIM == _ABIO32
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define NATIVE AUDIT_ARCH_MIPSEL
#else
#define NATIVE AUDIT_ARCH_MIPS
#endif
#endif

/* By whichever name the processor has those with numbers of 32 bits. */
#ifdef SYS_setuid32
#define CALL(name) SYS_##name##32
#else
#define CALL(name) SYS_##name
#endif

static const struct call {
	unsigned number, arguments; /* the first of its arguments, none of which may be 0 */
} calls[] = {
	{ CALL(setuid), 1 },
	{ CALL(setgid), 1 },
	{ CALL(setreuid), 2 },
	{ CALL(setregid), 2 },
	{ CALL(setresuid), 3 },
	{ CALL(setresgid), 3 },
	{ CALL(setfsuid), 1 },
	{ CALL(setfsgid), 1 },
#ifdef SYS_setuid32
	/* Numbers of 16 bits, which nobody uses any more: 0 arguments, never. */
	{ SYS_setuid, 0 },
	{ SYS_setgid, 0 },
	{ SYS_setreuid, 0 },
	{ SYS_setregid, 0 },
	{ SYS_setresuid, 0 },
	{ SYS_setresgid, 0 },
	{ SYS_setfsuid, 0 },
	{ SYS_setfsgid, 0 },
	{ SYS_setgroups, 0 },
#endif
};

enum { CALL_COUNT = sizeof(calls) / sizeof(*calls), MOST_STEPS = 96 };

struct program {
	struct sock_filter steps[MOST_STEPS];
	unsigned short count;
};

static void add(struct program *program, unsigned code, uint32_t value, unsigned yes, unsigned no)
{
	program->steps[program->count++] = (struct sock_filter){
		.code = (uint16_t)code, .jt = (uint8_t)yes, .jf = (uint8_t)no, .k = value
	};
}

static void load(struct program *program, size_t offset)
{
	add(program, BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset, 0, 0);
}

/* The kernel takes 32 of an argument's 64 bits. */
static void load_argument(struct program *program, unsigned i)
{
	const size_t low = __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? 4 : 0;

	load(program, offsetof(struct seccomp_data, args) + 8 * (size_t)i + low);
}

static void say(struct program *program, bool allowed)
{
	add(program, BPF_RET | BPF_K, allowed ? SECCOMP_RET_ALLOW : SECCOMP_RET_ERRNO | EPERM, 0,
		0);
}

/* The next step if what was loaded is the value; else that many are left out. */
static void only_if(struct program *program, uint32_t value, unsigned steps)
{
	add(program, BPF_JMP | BPF_JEQ | BPF_K, value, 0, steps);
}

/* In one way of calling the kernel alone; x32 is another one under the same name. */
static void refuse_foreign(struct program *program, uint32_t native)
{
	load(program, offsetof(struct seccomp_data, arch));
	add(program, BPF_JMP | BPF_JEQ | BPF_K, native, 1, 0);
	say(program, false);
	load(program, offsetof(struct seccomp_data, nr));
	if (native == AUDIT_ARCH_X86_64) {
		add(program, BPF_JMP | BPF_JGE | BPF_K, 0x40000000, 0, 1);
		say(program, false);
	}
}

static void refuse_zeros(struct program *program, const struct call *call)
{
	only_if(program, call->number, call->arguments * 3 + 1);
	for (unsigned i = 0; i < call->arguments; i++) {
		load_argument(program, i);
		only_if(program, 0, 1);
		say(program, false);
	}
	say(program, call->arguments);
}

static void refuse_groups(struct program *program)
{
	only_if(program, CALL(setgroups), 4);
	load_argument(program, 0);
	only_if(program, 0, 1);
	say(program, true);
	say(program, false);
}

static void make(struct program *program, uint32_t native)
{
	refuse_foreign(program, native);
	for (unsigned i = 0; i < CALL_COUNT; i++)
		refuse_zeros(program, &calls[i]);
	refuse_groups(program);
	say(program, true);
}

int no_root_from_here(void)
{
#ifdef NATIVE
	struct program program = { 0 };
	struct sock_fprog filter = { .filter = program.steps };

	make(&program, NATIVE);
	filter.len = program.count;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
		prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) < 0)
		return -errno;
	return 0;
#else
	return -EOPNOTSUPP;
#endif
}
