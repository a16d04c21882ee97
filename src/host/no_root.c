/* SPDX-License-Identifier: ISC */
/* Of the system calls that make a process another user's, those that ask for root: a seccomp
 * filter. */
#include "host/no_root.h"

#include <errno.h>
#include <seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

static const struct call {
	const char *name;
	unsigned arguments; /* the first of its arguments, none of which may be 0 */
} calls[] = {
	{ "setuid", 1 },
	{ "setgid", 1 },
	{ "setreuid", 2 },
	{ "setregid", 2 },
	{ "setresuid", 3 },
	{ "setresgid", 3 },
	{ "setfsuid", 1 },
	{ "setfsgid", 1 },
	/* Where the first ones take but 16 bits. */
	{ "setuid32", 1 },
	{ "setgid32", 1 },
	{ "setreuid32", 2 },
	{ "setregid32", 2 },
	{ "setresuid32", 3 },
	{ "setresgid32", 3 },
	{ "setfsuid32", 1 },
	{ "setfsgid32", 1 },
};

/* What the kernel takes of an argument: the rest may be anything. */
static uint64_t bits_of(const char *name)
{
	const bool has_both = seccomp_syscall_resolve_name("setuid32") >= 0;

	return has_both && !strstr(name, "32") ? UINT16_MAX : UINT32_MAX;
}

static int refuse_zeros(scmp_filter_ctx filter, const struct call *call)
{
	const int number = seccomp_syscall_resolve_name(call->name);
	int error = 0;

	for (unsigned i = 0; i < call->arguments && !error; i++)
		error = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), number, 1,
			SCMP_CMP(i, SCMP_CMP_MASKED_EQ, bits_of(call->name), 0));
	return error;
}

static int refuse_groups(scmp_filter_ctx filter, const char *name)
{
	return seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), seccomp_syscall_resolve_name(name),
		1, SCMP_A0(SCMP_CMP_NE, 0, 0));
}

int no_root_from_here(void)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
	int error;

	if (!filter)
		return -ENOMEM;
	/* Other ways of calling the kernel, as that of 32-bit programs, have other numbers. */
	error = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_ERRNO(EPERM));
	seccomp_attr_set(
		filter, SCMP_FLTATR_CTL_SSB, 1); /* as sandbox_filter; costs time at most */
	for (size_t i = 0; i < sizeof(calls) / sizeof(*calls) && !error; i++)
		error = refuse_zeros(filter, &calls[i]);
	if (!error)
		error = refuse_groups(filter, "setgroups");
	if (!error)
		error = refuse_groups(filter, "setgroups32");
	if (!error)
		error = seccomp_load(filter);
	seccomp_release(filter);
	return error;
}
