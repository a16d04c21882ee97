/* SPDX-License-Identifier: ISC */
/*
 * To be preloaded: the allocation whose number ALLOCS_FAIL says is refused, once. Each process
 * counts its own from 1; one that a fork has made goes on counting. With ALLOCS_COUNT, the name of
 * a file, each says there at its end how many there were: "PID COUNT". Those in getpwnam
 * and seccomp_load are left out.
 */
#include <dlfcn.h>
#include <errno.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *memory, size_t size);

static unsigned long number, refused;
static bool in_library;

static void __attribute__((constructor)) begin(void)
{
	const char *text = getenv("ALLOCS_FAIL");

	number = 0; /* what the loader did is not the program's */
	refused = text ? strtoul(text, NULL, 10) : 0;
}

static void __attribute__((destructor)) end(void)
{
	const char *path = getenv("ALLOCS_COUNT");
	FILE *file = path ? fopen(path, "ae") : NULL;

	if (!file)
		return;
	fprintf(file, "%d %lu\n", getpid(), number);
	fclose(file);
}

static bool is_refused(void)
{
	if (in_library || ++number != refused)
		return false;
	errno = ENOMEM;
	return true;
}

/* libseccomp, too, frees twice what it has got no memory for (2.5.4). Nothing was changed then. */
int seccomp_load(void *filter);
int seccomp_load(void *filter)
{
	int (*real)(void *) = (int (*)(void *))dlsym(RTLD_NEXT, "seccomp_load");
	int error;

	in_library = true;
	error = real(filter);
	in_library = false;
	return error;
}

/* glibc's look-ups crash without memory, by themselves. */
struct passwd *getpwnam(const char *name)
{
	struct passwd *(*real)(const char *) =
		(struct passwd * (*)(const char *)) dlsym(RTLD_NEXT, "getpwnam");
	struct passwd *found;

	in_library = true;
	found = real(name);
	in_library = false;
	return found;
}

void *malloc(size_t size)
{
	return is_refused() ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
	return is_refused() ? NULL : __libc_calloc(count, size);
}

void *realloc(void *memory, size_t size)
{
	return is_refused() ? NULL : __libc_realloc(memory, size);
}
