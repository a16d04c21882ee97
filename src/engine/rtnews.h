/* SPDX-License-Identifier: ISC */
/* News of the kernel's network by rtnetlink: hearing them, one message after the other. */
#ifndef ENGINE_RTNEWS_H
#define ENGINE_RTNEWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct nlmsghdr;

/* What is done with a message, whose length is sound; what is in it is the callee's to check. */
typedef void rtnews_take_fn(void *context, const struct nlmsghdr *message);

/* A netlink socket that hears of these groups (a sum of RTMGRP_...). Returns the descriptor
 * (non-blocking, close-on-exec) or -errno. */
int rtnews_open(uint32_t groups);

/* Reads what has come, a bounded part of it. *lost: there was more than the socket had room for, so
 * everything may have changed. 0 or -errno. */
int rtnews_read(int fd, rtnews_take_fn *take, void *context, bool *lost);

/* How many bytes of what was read are whole messages. */
size_t rtnews_sound(const void *messages, size_t len);

/* The same for messages that were read, len bytes of them; what is cut off is passed over. */
void rtnews_take(const void *messages, size_t len, rtnews_take_fn *take, void *context);

#endif
