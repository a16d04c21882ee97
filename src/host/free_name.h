/* SPDX-License-Identifier: ISC */
/* A name for a tunnel that was given none. */
#ifndef HOST_FREE_NAME_H
#define HOST_FREE_NAME_H

#include "host/config.h"

#define FREE_NAME_FIRST "culvert0"

/*
 * The first of culvert0, culvert1, ... that is neither a running tunnel's nor a file's in
 * CONFIG_DIRECTORY, nor another program's device. One that was killed is no longer running: who
 * comes next has its name, and puts back what it left. 0 and *lock, the name's, to be closed
 * (host/lock.h); -EUSERS: all numbers are taken; other -errno.
 */
int free_name_take(char name[CONFIG_DEVICE_SIZE], int *lock);

#endif
