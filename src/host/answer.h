/* SPDX-License-Identifier: ISC */
/* Taking an answer of the engine or the monitor apart: lines KEY=VALUE, of which public_key begins
 * a peer, up to a blank one. The answer is written to: each line and key gets an end of its own. */
#ifndef HOST_ANSWER_H
#define HOST_ANSWER_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/key.h"

/* Where in a record a key's value goes. A table ends with one without a key. */
struct answer_field {
	const char *key;
	enum {
		ANSWER_IS_TEXT,   /* const char *, into the answer */
		ANSWER_IS_NUMBER, /* uint64_t */
		ANSWER_IS_SECRET, /* nowhere: it is wiped */
	} kind;
	size_t offset;
};

#define ANSWER_TEXT(key, type, member)                      \
	{                                                   \
		key, ANSWER_IS_TEXT, offsetof(type, member) \
	}
/* The member's offset, if it has the size of a number; else this does not compile. */
#define ANSWER_NUMBER_AT(type, member)                                            \
	(offsetof(type, member) + 0 * sizeof(struct {                             \
		int unused;                                                       \
		static_assert(sizeof(((type *)NULL)->member) == sizeof(uint64_t), \
			"a number is a uint64_t");                                \
	}))
#define ANSWER_NUMBER(key, type, member)                              \
	{                                                             \
		key, ANSWER_IS_NUMBER, ANSWER_NUMBER_AT(type, member) \
	}

/* The next line. False: it is blank or has no '=', or there is none. */
bool answer_next_pair(char **answer, char **key, char **value);

/* Puts a value where the table says; one whose key is not in it nowhere. */
void answer_take(const struct answer_field *fields, void *record, const char *key, char *value);

/* Takes the next peer off the answer, and what the table names of it. False: that was the last. */
bool answer_next_peer(char **answer, uint8_t public_key[KEY_LEN], const struct answer_field *fields,
	void *record);

#endif
