/* SPDX-License-Identifier: ISC */
/* Configuration files for the fuzz targets: in memory, and under the same path each time. */
#ifndef FUZZ_CONFIG_FILE_H
#define FUZZ_CONFIG_FILE_H

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fuzz.h"
#include "host/config.h"

enum { FILE_FD = 100, OTHER_FD = 101 }; /* numbers that nobody else gets */

static inline void write_file(int fd, const void *text, size_t len)
{
	if (fcntl(fd, F_GETFD) < 0) {
		const int new = memfd_create("fuzz", 0);

		if (new < 0 || dup2(new, fd) < 0 || fchmod(fd, 0600) < 0)
			abort();
		close(new);
	}
	if (ftruncate(fd, 0) < 0 || (len && pwrite(fd, text, len, 0) != (ssize_t)len))
		abort();
}

static inline struct config *load(int fd, struct config_problems *problems)
{
	struct config *config;
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	const int error = config_load(path, &config, problems);

	FUZZ_CHECK(error == 0 || error == -EINVAL, "error %d", error);
	FUZZ_CHECK((error == 0) == (problems->errors == 0) && (error == 0) == (config != NULL),
		"error %d, %zu errors", error, problems->errors);
	return config;
}

static inline void fail_with(const struct config_problems *problems, const char *text)
{
	config_problems_print(problems, stderr);
	FUZZ_CHECK(problems->errors == 0, "the file\n%s", text);
}

static inline struct config *load_good(int fd, const char *text)
{
	struct config_problems problems;

	write_file(fd, text, strlen(text));
	struct config *config = load(fd, &problems);

	if (!config)
		fail_with(&problems, text);
	config_problems_free(&problems);
	return config;
}

/* What a save leaves alone. */
static inline void check_strings(const struct config_strings *a, const struct config_strings *b)
{
	FUZZ_CHECK(a->count == b->count, "%zu lines, then %zu", a->count, b->count);
	for (size_t i = 0; i < a->count; i++)
		FUZZ_CHECK(
			!strcmp(a->items[i], b->items[i]), "%s, then %s", a->items[i], b->items[i]);
}

static inline void check_kept(const struct config *before, const struct config *after)
{
	check_strings(&before->pre_up, &after->pre_up);
	check_strings(&before->post_up, &after->post_up);
	check_strings(&before->pre_down, &after->pre_down);
	check_strings(&before->post_down, &after->post_down);
	check_strings(&before->dns.servers, &after->dns.servers);
	check_strings(&before->dns.domains, &after->dns.domains);
	FUZZ_CHECK(before->addresses.count == after->addresses.count && before->mtu == after->mtu &&
			   before->table == after->table &&
			   before->table_number == after->table_number &&
			   before->kill_switch == after->kill_switch && before->save == after->save,
		"something else changed");
}

#endif
