/* SPDX-License-Identifier: ISC */
/* Filters of system calls, which valgrind's own calls meet too, and calls that it does not know. */
#ifndef UNDER_VALGRIND_H
#define UNDER_VALGRIND_H

#include <stdlib.h>
#include <string.h>

static inline void skip_under_valgrind(void)
{
	const char *preloaded = getenv("LD_PRELOAD");

	if (preloaded && strstr(preloaded, "vgpreload"))
		skip();
}

#endif
