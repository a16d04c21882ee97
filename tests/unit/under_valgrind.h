/* SPDX-License-Identifier: ISC */
/* What is another thing under valgrind. */
#ifndef UNDER_VALGRIND_H
#define UNDER_VALGRIND_H

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static inline bool under_valgrind(void)
{
	const char *preloaded = getenv("LD_PRELOAD");

	return preloaded && strstr(preloaded, "vgpreload");
}

/* For filters of system calls, which valgrind's own calls meet too, calls that it does not know, and
 * what only takes long. */
static inline void skip_under_valgrind(void)
{
	if (under_valgrind())
		skip();
}

/* How often something random is tried: thirty times as slow, a tenth of it has to do. */
static inline unsigned random_rounds(unsigned rounds)
{
	return under_valgrind() ? rounds / 10 : rounds;
}

#endif
