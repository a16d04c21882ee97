/* SPDX-License-Identifier: ISC */
/*
 * What the parts of the configuration reader share: config.c (lines), config_given.c (options in a
 * file's place), config_keys.c, config_address.c and config_dns.c (values), config_check.c and
 * config_tap.c (the whole), config_problems.c (what is wrong).
 */
#ifndef HOST_CONFIG_PARSE_H
#define HOST_CONFIG_PARSE_H

#include <stdarg.h>
#include <sys/stat.h>

#include "host/config.h"

/* The rows that the checks across keys ask for; the others come after, only in the table. */
enum config_row_index {
	ROW_PRIVATE_KEY,
	ROW_PRIVATE_KEY_FILE,
	ROW_SHARED_KEY,
	ROW_SHARED_KEY_FILE,
	ROW_DEVICE,
	ROW_MTU,
	ROW_DNS,
	ROW_FWMARK,
	ROW_KILL_SWITCH,
	ROW_NETWORK_NAMESPACE,
	ROW_ADDRESS,
	ROW_TABLE,
	ROW_MODE,
	ROW_BRIDGE,
	ROW_PUBLIC_KEY,
	ROW_PRESHARED_KEY,
	ROW_PRESHARED_KEY_FILE,
	ROW_ALLOWED_IPS,
	ROW_NAMED_COUNT,
};

enum { CONFIG_ROWS_MAX = 48 };

/* Where each row was first seen in one section; 0: it was not. */
struct config_lines {
	unsigned row[CONFIG_ROWS_MAX];
};

struct config_parser {
	struct config *config;
	struct config_problems *problems;
	struct stat status;         /* of the open file */
	unsigned line;              /* being read */
	unsigned interface_line;    /* of the first [Interface], 0: none yet */
	struct config_peer *peer;   /* being filled, NULL outside [Peer] */
	struct config_lines *lines; /* [0] is [Interface]'s, [1 + i] peer i's */
	bool comment_cut;           /* the line being read had a '#' after its value */
	bool without_key_files;
	bool out_of_memory;
};

struct config_row {
	struct config_option option;
	/* Takes the value (trimmed; the parser may write to it), or reports what is wrong. */
	void (*parse)(struct config_parser *parser, const struct config_row *row, void *field,
		char *value);
	size_t offset;      /* of the field, in struct config or struct config_peer */
	const char *detail; /* for the parser: see there */
};

/* Short text for a message: quoted, cut if long, free of control characters, and never a key. */
struct config_shown {
	char text[72];
};

/* config.c. 0 or -ENOMEM; what is wrong with the text is among the problems. The parser's
 * configuration has nothing yet but path and name. */
int config_parse_text(struct config_parser *parser, const char *text, size_t len);

/* The end of a reading: *config is what was read, or nothing is left of it. Returns error. */
int config_hand_out(struct config_parser *parser, int error, struct config **config);
/* Says what is wrong with a file that holds a secret, or NULL. */
const char *config_secret_complaint(const char *path, const struct stat *status);

/* config_problems.c */
void config_error(struct config_parser *parser, unsigned line, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void config_warning(struct config_parser *parser, unsigned line, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void config_file_error(struct config_problems *problems, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
void config_problems_sort(struct config_problems *problems); /* by line */
/* "line 5", or "--endpoint" where options stand in a file's place. */
struct config_shown config_place(const struct config_parser *parser, unsigned line);
struct config_shown config_show(const char *value);
/* A file's path, unless the value that it was made of looks like a key. */
struct config_shown config_show_path(const char *value, const char *path);
/* Room for one more item; false and out of memory noted. The list's capacity is its count rounded
 * up to a power of two. */
bool config_list_grow(struct config_parser *parser, void **items, size_t count, size_t item_size);

/* config_keys.c */
size_t config_row_count(void);
const struct config_row *config_row_at(size_t i); /* i < config_row_count() */
void config_set(struct config_parser *parser, const char *section, const char *key, char *value);

/* A comment that fills its line, in a [Peer]: "friendly_name = TEXT", as other programs write it,
 * is a Name. */
void config_take_comment(struct config_parser *parser, const char *start, const char *end);

/* "KEY = 'value' is wrong: it takes ..." */
void config_bad_value(
	struct config_parser *parser, const struct config_row *row, const char *value);
bool config_decimal_from_text(uint32_t *number, const char *text, uint32_t min, uint32_t max);
char *config_trim(char *text); /* blanks at both ends, in place */
/* Replaces the string (char **) with a copy of the value. */
void config_string_set(struct config_parser *parser, void *field, const char *value);

/* config_address.c; struct config_row says what parsers do */
void config_parse_allowed_ips(
	struct config_parser *parser, const struct config_row *row, void *field, char *value);
void config_parse_addresses(
	struct config_parser *parser, const struct config_row *row, void *field, char *value);
void config_parse_endpoint(
	struct config_parser *parser, const struct config_row *row, void *field, char *value);
void config_parse_metrics(
	struct config_parser *parser, const struct config_row *row, void *field, char *value);
/* For messages. */
enum { CONFIG_PREFIX_TEXT_SIZE = 52 };
void config_prefix_text(char text[CONFIG_PREFIX_TEXT_SIZE], const struct config_prefix *prefix);

/* config_dns.c */
void config_parse_dns(
	struct config_parser *parser, const struct config_row *row, void *field, char *value);
void config_check_dns(struct config_parser *parser);

/* config_tap.c: what Mode and Bridge mean for other keys. */
void config_check_tap(struct config_parser *parser);

/* config_check.c */
void config_check(struct config_parser *parser);

#endif
