/* SPDX-License-Identifier: ISC */
/* Log lines to standard error: one an event, never with a secret in it. */
#include "engine/log.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/sandbox.h"

enum { LINE_SIZE = 1024 };

static struct {
	char name[64];
	int max_priority;
	bool journal;
} settings = { .name = "culvert", .max_priority = LOG_INFO };

/* JOURNAL_STREAM names a device and inode: it may be inherited while our stderr goes elsewhere. */
static bool stderr_is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long device, inode;
	struct stat seen;

	return stream && sscanf(stream, "%llu:%llu", &device, &inode) == 2 &&
	       !fstat(STDERR_FILENO, &seen) && seen.st_dev == device && seen.st_ino == inode;
}

void log_init(const char *name, int max_priority)
{
	snprintf(settings.name, sizeof(settings.name), "%s", name);
	settings.max_priority = max_priority;
	settings.journal = stderr_is_journal();
}

/* Length of the well-formed UTF-8 sequence at text, 0 if there is none; *code is what it stands
 * for.
 */
static size_t utf8_sequence(const uint8_t *text, size_t len, uint32_t *code)
{
	static const uint32_t smallest[] = { 0, 0, 0x80, 0x800, 0x10000 };
	const size_t want = text[0] < 0x80             ? 1
			    : (text[0] & 0xe0) == 0xc0 ? 2
			    : (text[0] & 0xf0) == 0xe0 ? 3
			    : (text[0] & 0xf8) == 0xf0 ? 4
						       : 0;

	if (!want || want > len)
		return 0;
	*code = want == 1 ? text[0] : text[0] & (0x7fU >> want);
	for (size_t i = 1; i < want; i++) {
		if ((text[i] & 0xc0) != 0x80)
			return 0;
		*code = *code << 6 | (text[i] & 0x3f);
	}
	if (*code < smallest[want] || *code > 0x10ffff || (*code >= 0xd800 && *code < 0xe000))
		return 0;
	return want;
}

/* Controls of both sets, and those that turn the direction of writing. */
static bool acts_on_terminals(uint32_t code)
{
	return code < 0x20 || (code >= 0x7f && code < 0xa0) || code == 0x200e || code == 0x200f ||
	       (code >= 0x2028 && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
}

void log_make_harmless(char *text, size_t len)
{
	uint8_t *bytes = (uint8_t *)text;
	uint32_t code = 0;
	size_t i = 0;

	while (i < len) {
		const size_t sequence = utf8_sequence(bytes + i, len - i, &code);

		if (!sequence || acts_on_terminals(code))
			memset(bytes + i, '?', sequence ? sequence : 1);
		i += sequence ? sequence : 1;
	}
}

const struct sandbox_call log_calls[] = {
	{ .name = "write" },
	{ 0 },
};

void log_line(int priority, const char *format, ...)
{
	char line[LINE_SIZE];
	size_t start = 0, len;
	ssize_t written;
	va_list arguments;

	if (priority > settings.max_priority)
		return;
	if (settings.journal)
		start = (size_t)snprintf(line, sizeof(line), "<%d>", priority);
	len = start + (size_t)snprintf(line + start, sizeof(line) - start, "%s: ", settings.name);
	va_start(arguments, format);
	vsnprintf(line + len, sizeof(line) - len, format, arguments);
	va_end(arguments);
	len = strlen(line); /* what is too long was cut, and leaves room for the newline */
	log_make_harmless(line + start, len - start);
	line[len++] = '\n';
	written = write(STDERR_FILENO, line, len);
	(void)written; /* there is nobody to tell */
}
