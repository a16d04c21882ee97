/* SPDX-License-Identifier: ISC */
/* The filters of system calls: of what may be made, joined from the modules' tables, and of what is
 * refused. */
#include "engine/sandbox.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

/* Memory, clocks, random numbers, the end; abort() alone sends a signal, to ourselves. */
static const struct sandbox_call libc_calls[] = {
	{ .name = "brk" },
	{ "mmap", { SANDBOX_LACKS(2, PROT_EXEC) } },
	{ "mmap2", { SANDBOX_LACKS(2, PROT_EXEC) } },
	{ "mprotect", { SANDBOX_LACKS(2, PROT_EXEC) } },
	{ .name = "mremap" },
	{ .name = "munmap" },
	{ .name = "madvise" },
	{ .name = "futex" },
	{ .name = "futex_time64" },
	{ .name = "clock_gettime" },
	{ .name = "clock_gettime64" },
	{ .name = "getrandom" },
	{ .name = "close" },
	{ .name = "restart_syscall" },
	{ .name = "rt_sigaction" },
	{ .name = "rt_sigprocmask" },
	{ .name = "rt_sigreturn" },
	{ .name = "sigreturn" },
	{ .name = "getpid" },
	{ .name = "gettid" },
	{ .name = "exit" },
	{ .name = "exit_group" },
	{ 0 },
};

static int add_call(scmp_filter_ctx filter, uint32_t action, const struct sandbox_call *call)
{
	const int number = seccomp_syscall_resolve_name(call->name);
	struct scmp_arg_cmp conditions[SANDBOX_CONDITIONS];
	unsigned count = 0;

	if (number == __NR_SCMP_ERROR) /* a library that is older than the call */
		return 0;
	for (size_t i = 0; i < SANDBOX_CONDITIONS && call->conditions[i].mask; i++) {
		const struct sandbox_condition *condition = &call->conditions[i];

		conditions[count++] = SCMP_CMP(
			condition->argument, SCMP_CMP_MASKED_EQ, condition->mask, condition->value);
	}
	return seccomp_rule_add_array(filter, action, number, count, conditions);
}

static int allow_table(scmp_filter_ctx filter, const struct sandbox_call *table)
{
	int error = 0;

	for (; table->name && !error; table++)
		error = add_call(filter, SCMP_ACT_ALLOW, table);
	return error;
}

static int allow_all(scmp_filter_ctx filter, const struct sandbox_call *const *tables)
{
	const struct sandbox_call abort_calls[] = {
		{ "tgkill", { SANDBOX_IS(0, (uint32_t)getpid()), SANDBOX_IS(2, SIGABRT) } },
		{ 0 },
	};
	int error = allow_table(filter, libc_calls);

	if (!error)
		error = allow_table(filter, abort_calls);
	for (; *tables && !error; tables++)
		error = allow_table(filter, *tables);
	return error;
}

/* One that has filters tries to read the one that we do not give it. */
static bool kernel_has_filters(void)
{
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, NULL, 0, 0) < 0 && errno == EFAULT;
}

/* Calls are found by halving, and without the slow-down of speculation that is meant for processes
 * which run a stranger's programs. What the kernel or the library does not know of this costs time,
 * no more. */
static void make_fast(scmp_filter_ctx filter)
{
	seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	seccomp_attr_set(filter, SCMP_FLTATR_CTL_SSB, 1);
}

int sandbox_filter(const struct sandbox_call *const *tables)
{
	scmp_filter_ctx filter;
	int error;

	if (!kernel_has_filters())
		return -ENOSYS;
	filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
	if (!filter) /* older kernels know only this, the same for a process of one thread */
		filter = seccomp_init(SCMP_ACT_KILL_THREAD);
	if (!filter)
		return -ENOMEM;
	make_fast(filter);
	error = allow_all(filter, tables);
	if (!error)
		error = seccomp_load(filter);
	seccomp_release(filter);
	return error;
}

/* ---- A filter of what is refused ---- */

/* The machine's programs of 32 bits, whose calls have other numbers. Before the first rule. */
static int add_other_programs(scmp_filter_ctx filter)
{
	static const struct {
		uint32_t machine, other;
	} kinds[] = {
		{ SCMP_ARCH_X86_64, SCMP_ARCH_X86 },
		{ SCMP_ARCH_AARCH64, SCMP_ARCH_ARM },
		{ SCMP_ARCH_PPC64, SCMP_ARCH_PPC },
		{ SCMP_ARCH_S390X, SCMP_ARCH_S390 },
	};
	int error = 0;

	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds) && !error; i++) {
		if (seccomp_arch_native() == kinds[i].machine)
			error = seccomp_arch_add(filter, kinds[i].other);
	}
	return error;
}

/* clone3 has its flags in memory, where a filter does not see them: who is told that there is none
 * asks by clone. */
static int refuse_table(scmp_filter_ctx filter, const struct sandbox_call *table)
{
	int error = 0;

	for (; table->name && !error; table++)
		error = add_call(filter,
			SCMP_ACT_ERRNO(strcmp(table->name, "clone3") ? EPERM : ENOSYS), table);
	return error;
}

int sandbox_refuse(const struct sandbox_call *const *tables, bool other_programs)
{
	scmp_filter_ctx filter;
	int error;

	if (!kernel_has_filters())
		return -ENOSYS;
	filter = seccomp_init(SCMP_ACT_ALLOW);
	if (!filter)
		return -ENOMEM;
	make_fast(filter);
	seccomp_attr_set(filter, SCMP_FLTATR_CTL_NNP, 0);
	error = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_ERRNO(EPERM));
	if (!error && other_programs)
		error = add_other_programs(filter);
	for (; *tables && !error; tables++)
		error = refuse_table(filter, *tables);
	if (!error)
		error = seccomp_load(filter);
	seccomp_release(filter);
	return error;
}
