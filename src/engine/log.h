/* SPDX-License-Identifier: ISC */
/* Log lines to standard error: one an event, never with a secret in it. */
#ifndef ENGINE_LOG_H
#define ENGINE_LOG_H

#include <stddef.h>
#include <syslog.h>

#include "engine/sandbox.h"

/* Lines up to this priority (LOG_ERR, LOG_WARNING, LOG_NOTICE, LOG_INFO, LOG_DEBUG) are written;
 * -1: none. */
void log_init(const char *name, int max_priority);

/* The tunnel's name stands before the text; characters that a terminal would act on are replaced.
 * Under systemd (JOURNAL_STREAM set) lines begin with <N>. One write(2) a line. */
void log_line(int priority, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* What this module calls once the process is enclosed. */
extern const struct sandbox_call log_calls[];

/* Replaces by '?', byte by byte, what a terminal would act on or is no UTF-8; newlines, too. */
void log_make_harmless(char *text, size_t len);

#endif
