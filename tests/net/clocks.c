/* SPDX-License-Identifier: ISC */
/*
 * To be preloaded: moves the clocks of one daemon by what the file named by CLOCKS says, two
 * int64_t of nanoseconds, for boot time (as a sleep does) and for wall time (as somebody who sets
 * it).
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define SECOND INT64_C(1000000000)

static const volatile int64_t
	*offsets; /* shared by all processes, and there after the file has gone */

static void __attribute__((constructor)) map_offsets(void)
{
	const char *path = getenv("CLOCKS");
	const int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	void *map;

	if (fd < 0)
		return;
	map = mmap(NULL, 2 * sizeof(int64_t), PROT_READ, MAP_SHARED, fd, 0);
	close(fd);
	if (map != MAP_FAILED)
		offsets = map;
}

static void move(struct timespec *time, int64_t by)
{
	const int64_t sum = (int64_t)time->tv_sec * SECOND + time->tv_nsec + by;

	time->tv_sec = (time_t)(sum / SECOND);
	time->tv_nsec = (long)(sum % SECOND);
}

int clock_gettime(clockid_t clock, struct timespec *time)
{
	const int status = (int)syscall(SYS_clock_gettime, clock, time);

	if (!status && offsets && clock == CLOCK_BOOTTIME)
		move(time, offsets[0]);
	if (!status && offsets && clock == CLOCK_REALTIME)
		move(time, offsets[1]);
	return status;
}

/* The kernel's boot time is the true one. */
int timerfd_settime(int fd, int flags, const struct itimerspec *new, struct itimerspec *old)
{
	struct itimerspec moved = *new;

	if (offsets && flags & TFD_TIMER_ABSTIME &&
		(new->it_value.tv_sec || new->it_value.tv_nsec)) {
		move(&moved.it_value, -offsets[0]);
		if (moved.it_value.tv_sec < 0 ||
			(!moved.it_value.tv_sec && !moved.it_value.tv_nsec))
			moved.it_value = (struct timespec){ .tv_nsec = 1 };
	}
	return (int)syscall(SYS_timerfd_settime, fd, flags, &moved, old);
}
