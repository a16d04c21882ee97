/* SPDX-License-Identifier: ISC */
/* Counts up, and whoever has a number's lock has its name: two that start at once have two. */
#include "host/free_name.h"

#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <unistd.h>

#include "host/lock.h"
#include "host/place.h"

enum { NUMBERS = 1000 };

/* By somebody who takes no lock. */
static bool is_taken(const char *name)
{
	char file[sizeof(CONFIG_DIRECTORY "/.conf") + CONFIG_DEVICE_SIZE], state[PLACE_PATH_SIZE];
	char complaint[PLACE_COMPLAINT_SIZE];

	snprintf(file, sizeof(file), CONFIG_DIRECTORY "/%s.conf", name);
	if (!access(file, F_OK) || place_is_others(name, complaint))
		return true;
	/* The device of a tunnel that was killed stays for a moment. */
	return if_nametoindex(name) && (place_path(state, name, "state") || access(state, F_OK));
}

int free_name_take(char name[CONFIG_DEVICE_SIZE], int *lock)
{
	int error;

	for (unsigned i = 0; i < NUMBERS; i++) {
		snprintf(name, CONFIG_DEVICE_SIZE, "culvert%u", i);
		error = lock_take(name, lock);
		if (error && error != -EWOULDBLOCK)
			return error;
		if (error)
			continue;
		if (!is_taken(name))
			return 0;
		close(*lock);
	}
	return -EUSERS;
}
