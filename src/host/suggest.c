/* SPDX-License-Identifier: ISC */
/* The edit distance between what was typed and what exists. */
#include "host/suggest.h"

#include <ctype.h>
#include <limits.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

enum { WORD_MAX = 32 };

static unsigned smaller(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

static int lower(char c)
{
	return tolower((unsigned char)c);
}

/* Insertions, deletions, substitutions and swaps of neighbours (optimal string alignment), by the
 * usual table of which three rows are kept. */
static unsigned distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
	unsigned rows[3][WORD_MAX + 1];
	unsigned *before = rows[0], *above = rows[1], *row = rows[2];

	for (size_t j = 0; j <= b_len; j++)
		above[j] = (unsigned)j;
	for (size_t i = 1; i <= a_len; i++) {
		row[0] = (unsigned)i;
		for (size_t j = 1; j <= b_len; j++) {
			const unsigned differ = lower(a[i - 1]) != lower(b[j - 1]);

			row[j] = smaller(smaller(above[j], row[j - 1]) + 1, above[j - 1] + differ);
			if (i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) &&
				lower(a[i - 2]) == lower(b[j - 1]))
				row[j] = smaller(row[j], before[j - 2] + 1);
		}
		unsigned *spare = before;
		before = above;
		above = row;
		row = spare;
	}
	return above[b_len];
}

/* "keepalive" for PersistentKeepalive; NULL: it ends none, or several. */
static const char *only_one_that_ends(const char *word, size_t len, const char *const *candidates)
{
	const char *found = NULL;

	for (; *candidates && len >= 4; candidates++) {
		const size_t candidate_len = strlen(*candidates);

		if (candidate_len <= len || strcasecmp(*candidates + candidate_len - len, word))
			continue;
		if (found)
			return NULL;
		found = *candidates;
	}
	return found;
}

const char *suggest_nearest(const char *word, const char *const *candidates)
{
	const size_t len = strlen(word);
	const char *nearest = NULL;
	const char *const *each;
	unsigned best = (unsigned)smaller((unsigned)(len + 2) / 3, 3) + 1;

	if (len == 0 || len > WORD_MAX)
		return NULL;
	for (each = candidates; *each; each++) {
		const size_t candidate_len = strlen(*each);

		if (candidate_len > WORD_MAX)
			continue;
		unsigned far = distance(word, len, *each, candidate_len);
		if (len >= 3 && !strncasecmp(word, *each, len))
			far = smaller(far, 1);
		if (far < best) {
			best = far;
			nearest = *each;
		}
	}
	return nearest ? nearest : only_one_that_ends(word, len, candidates);
}
