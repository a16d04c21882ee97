/* SPDX-License-Identifier: ISC */
/* Taking an answer of the engine or the monitor apart. */
#include "host/answer.h"

#include <stdlib.h>
#include <string.h>

bool answer_next_pair(char **answer, char **key, char **value)
{
	*key = strsep(answer, "\n");
	*value = *key ? strchr(*key, '=') : NULL;
	if (!*value)
		return false;
	*(*value)++ = '\0';
	return true;
}

void answer_take(const struct answer_field *fields, void *record, const char *key, char *value)
{
	for (; fields->key; fields++) {
		char *at = (char *)record + fields->offset;

		if (strcmp(fields->key, key))
			continue;
		if (fields->kind == ANSWER_IS_TEXT)
			*(const char **)(void *)at = value;
		else if (fields->kind == ANSWER_IS_NUMBER)
			*(uint64_t *)(void *)at = strtoull(value, NULL, 10);
		else
			key_wipe(value, strlen(value));
		return;
	}
}

static const char peer_key[] = "public_key=";

static bool begins_peer(const char *line)
{
	return !strncmp(line, peer_key, strlen(peer_key));
}

bool answer_next_peer(
	char **answer, uint8_t public_key[KEY_LEN], const struct answer_field *fields, void *record)
{
	char *line, *key, *value;

	while ((line = strsep(answer, "\n")) && *line && !begins_peer(line))
		;
	if (!line || !*line || key_from_hex(public_key, line + strlen(peer_key)))
		return false;
	while (*answer && **answer && !begins_peer(*answer)) {
		if (answer_next_pair(answer, &key, &value))
			answer_take(fields, record, key, value);
	}
	return true;
}
