/* SPDX-License-Identifier: ISC */
/* Landlock, which takes files and ports away from a process without any rights. The kernel's header
 * may be older than the kernel: what it says is here. */
#include "engine/sandbox.h"

#include <errno.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#define SYS_landlock_add_rule 445
#define SYS_landlock_restrict_self 446
#endif

enum {
	ASK_VERSION = 1,
	PATH_BENEATH = 1,
	REMOVE_FILE = 1 << 5,
	FILES_1 = (1 << 13) - 1, /* what the first version knows, and then what came with which */
	FILES_2 = FILES_1 | 1 << 13,
	FILES_3 = FILES_2 | 1 << 14,
	FILES_5 = FILES_3 | 1 << 15,
	TCP_4 = 3,   /* bind and connect */
	SCOPES_6 = 3 /* abstract sockets of others, signals to others */
};

struct ruleset {
	uint64_t files;
	uint64_t ports;
	uint64_t scopes;
};

struct beneath {
	uint64_t allowed;
	int32_t directory;
} __attribute__((packed));

/* Everything that the version knows is forbidden; returns how much of the structure it reads. */
static size_t forbid_all(struct ruleset *ruleset, long version)
{
	ruleset->files = version >= 5   ? FILES_5
			 : version >= 3 ? FILES_3
			 : version == 2 ? FILES_2
					: FILES_1;
	ruleset->ports = version >= 4 ? TCP_4 : 0;
	ruleset->scopes = version >= 6 ? SCOPES_6 : 0;
	return version >= 6   ? sizeof(*ruleset)
	       : version >= 4 ? offsetof(struct ruleset, scopes)
			      : offsetof(struct ruleset, ports);
}

static int allow_removing(int fd, int directory)
{
	const struct beneath rule = { REMOVE_FILE, directory };

	if (directory < 0)
		return 0;
	return syscall(SYS_landlock_add_rule, fd, PATH_BENEATH, &rule, 0) < 0 ? -errno : 0;
}

int sandbox_landlock(int directory)
{
	const long version = syscall(SYS_landlock_create_ruleset, NULL, 0, ASK_VERSION);
	struct ruleset ruleset;
	size_t size;
	int fd, error;

	if (version < 1)
		return -ENOSYS;
	size = forbid_all(&ruleset, version);
	fd = (int)syscall(SYS_landlock_create_ruleset, &ruleset, size, 0);
	if (fd < 0)
		return -errno;
	error = allow_removing(fd, directory);
	if (!error && syscall(SYS_landlock_restrict_self, fd, 0) < 0)
		error = -errno;
	close(fd);
	return error;
}
