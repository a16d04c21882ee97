/* SPDX-License-Identifier: ISC */
/*
 * Reads a tunnel's file: the file with its permissions, and lines into keys and values.
 *
 * inih splits the lines, but as distributions build it it cuts lines at 200 bytes without a word,
 * takes an indented line for a continuation and " ;" for a comment, and does not tell two [Peer]
 * sections apart. So it never sees the file: its reader function (reader_read) walks over the
 * file's lines, strips comments as wg-quick does, keeps the line number and the section, and hands
 * inih short clean lines
 *
 *     Key="a piece of the value"
 *
 * with as many pieces as the value needs. The quotes keep blanks at a piece's ends, and each ';'
 * travels as the control character SEMICOLON, which no value may contain. The handler puts the
 * pieces together again.
 */
#include "host/config_parse.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <ini.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/credentials.h"

enum {
	SEMICOLON = 1,
	KEY_NAME_MAX = 32,   /* longer than every key there is */
	INIH_LINE_MIN = 128, /* what inih must be able to take at least */
	INIH_STACK = 4096,   /* what its frames may take */
};

enum section { SECTION_NONE, SECTION_INTERFACE, SECTION_PEER, SECTION_UNKNOWN };

struct reader {
	struct config_parser *parser;
	const char *next, *end; /* the file's text not yet looked at */
	enum section section;
	char key[KEY_NAME_MAX + 1];
	const char *rest; /* of the value, not yet handed to inih */
	size_t rest_len;
	bool in_value;
	char *value; /* what inih gave back so far; as large as the file */
	size_t value_len;
};

/* ---- lines ---- */

/* Narrows [*start, *end) to what is not white space at its ends. */
static void trim(const char **start, const char **end)
{
	while (*start < *end && isspace((unsigned char)**start))
		++*start;
	while (*start < *end && isspace((unsigned char)(*end)[-1]))
		--*end;
}

static void section_begin(struct reader *reader, const char *start, const char *end)
{
	struct config_parser *parser = reader->parser;
	char name[KEY_NAME_MAX + 1] = "...";

	parser->peer = NULL;
	reader->section = SECTION_UNKNOWN;
	if (end[-1] != ']') {
		config_error(parser, parser->line, "a section is written [Interface] or [Peer]");
		return;
	}
	start++;
	end--;
	trim(&start, &end);
	if ((size_t)(end - start) < sizeof(name))
		*(char *)mempcpy(name, start, (size_t)(end - start)) = 0;
	if (!strcasecmp(name, "Interface")) {
		reader->section = SECTION_INTERFACE;
		if (!parser->interface_line)
			parser->interface_line = parser->line;
	} else if (!strcasecmp(name, "Peer")) {
		reader->section = SECTION_PEER;
		parser->peer = &parser->config->peers[parser->config->peer_count++];
		parser->peer->line = parser->line;
	} else {
		config_error(parser, parser->line,
			"unknown section %s: there are [Interface] and [Peer]",
			config_show(name).text);
	}
}

static bool key_name_ok(const char *start, const char *end)
{
	if (start == end || end - start > KEY_NAME_MAX)
		return false;
	for (; start < end; start++)
		if (!isalnum((unsigned char)*start) && *start != '_' && *start != '-')
			return false;
	return true;
}

/* [start, end) is trimmed and not empty. Whether there is a key and a value to hand over. */
static bool option_begin(struct reader *reader, const char *start, const char *end)
{
	struct config_parser *parser = reader->parser;
	const char *equals = memchr(start, '=', (size_t)(end - start));

	if (!equals || equals == start) {
		/* What stands there is not repeated: it may be half of a key. */
		config_error(parser, parser->line,
			*start == ';' ? "a comment starts with '#', not with ';'"
				      : "this is neither a [section] nor 'Key = value'");
		return false;
	}
	const char *key_end = equals, *value = equals + 1;
	trim(&start, &key_end);
	trim(&value, &end);
	if (!key_name_ok(start, key_end)) {
		config_error(parser, parser->line,
			*start == ';' ? "a comment starts with '#', not with ';'"
				      : "what is before the '=' is not the name of an option");
		return false;
	}
	memcpy(reader->key, start, (size_t)(key_end - start));
	reader->key[key_end - start] = 0;
	reader->rest = value;
	reader->rest_len = (size_t)(end - value);
	reader->value_len = 0;
	reader->in_value = true;
	return true;
}

static bool has_control_character(const char *start, const char *end)
{
	for (; start < end; start++)
		if (((unsigned char)*start < 0x20 && *start != '\t') || *start == 0x7f)
			return true;
	return false;
}

/* Takes the next line of the file. Whether it has something for inih. */
static bool line_take(struct reader *reader)
{
	struct config_parser *parser = reader->parser;
	const char *start = reader->next;
	const char *end = memchr(start, '\n', (size_t)(reader->end - start));

	if (!end)
		end = reader->end;
	const char *line_end = end;
	reader->next = end < reader->end ? end + 1 : end;
	parser->line++;
	if (memchr(start, 0, (size_t)(end - start))) {
		config_error(parser, parser->line, "there is a NUL byte in this line");
		return false;
	}
	const char *comment = memchr(start, '#', (size_t)(end - start));
	parser->comment_cut = comment;
	if (comment)
		end = comment;
	trim(&start, &end);
	if (start == end) {
		if (comment && parser->peer)
			config_take_comment(parser, comment + 1, line_end);
		return false;
	}
	if (has_control_character(start, end)) {
		config_error(parser, parser->line, "there is a control character in this line");
		return false;
	}
	if (*start == '[') {
		section_begin(reader, start, end);
		return true;
	}
	return option_begin(reader, start, end);
}

/* Writes Key="piece" for the next piece of the value. */
static void piece_write(struct reader *reader, char *line, size_t size)
{
	const size_t key_len = strlen(reader->key);
	const size_t room = size - key_len - sizeof("=\"\"\n");
	const size_t take = reader->rest_len < room ? reader->rest_len : room;
	char *to = line + sprintf(line, "%s=\"", reader->key);

	for (size_t i = 0; i < take; i++)
		*to++ = reader->rest[i] == ';' ? SEMICOLON : reader->rest[i];
	strcpy(to, "\"\n");
	reader->rest += take;
	reader->rest_len -= take;
	reader->in_value = reader->rest_len > 0;
}

/* ini_parse_stream's reader: like fgets. */
static char *reader_read(char *line, int size, void *stream)
{
	static const char *const headings[] = {
		[SECTION_INTERFACE] = "Interface", [SECTION_PEER] = "Peer", [SECTION_UNKNOWN] = "?"
	};
	struct reader *reader = stream;

	if (size < INIH_LINE_MIN)
		return NULL;
	while (!reader->in_value) {
		if (reader->next == reader->end)
			return NULL;
		if (line_take(reader) && !reader->in_value) {
			snprintf(line, (size_t)size, "[%s]\n", headings[reader->section]);
			return line;
		}
	}
	piece_write(reader, line, (size_t)size);
	return line;
}

/* ini_parse_stream's handler. */
static int piece_take(void *user, const char *section, const char *name, const char *piece)
{
	struct reader *reader = user;

	if (!name || !piece || strlen(piece) < 2) /* as some builds announce a section */
		return 1;
	const size_t len = strlen(piece) - 2; /* without the quotes */

	memcpy(reader->value + reader->value_len, piece + 1, len);
	reader->value_len += len;
	if (reader->in_value)
		return 1;
	reader->value[reader->value_len] = 0;
	for (char *c = reader->value; *c; c++)
		if (*c == SEMICOLON)
			*c = ';';
	if (reader->section == SECTION_NONE)
		config_error(reader->parser, reader->parser->line,
			"%s stands before the first section: [Interface] or [Peer] is missing "
			"above it",
			config_show(name).text);
	else if (reader->section != SECTION_UNKNOWN)
		config_set(reader->parser, section, name, reader->value);
	return !reader->parser->out_of_memory;
}

/* At least as many as there are [Peer]s, so that the list never moves: it holds secrets. */
static size_t count_sections(const char *text, const char *end)
{
	size_t count = 0;

	for (; text && text < end; text = memchr(text, '\n', (size_t)(end - text))) {
		while (text < end && isspace((unsigned char)*text))
			text++;
		count += text < end && *text == '[';
	}
	return count;
}

int config_parse_text(struct config_parser *parser, const char *text, size_t len)
{
	static const char bom[] = "\xef\xbb\xbf";
	struct reader reader = { .parser = parser, .next = text, .end = text + len };
	int error = -ENOMEM;

	if (len >= 3 && !memcmp(text, bom, 3))
		reader.next += 3;
	const size_t sections = count_sections(reader.next, reader.end);
	reader.value = malloc(len + 1);
	parser->config->peers = calloc(sections + 1, sizeof(*parser->config->peers));
	parser->lines = calloc(sections + 1, sizeof(*parser->lines));
	if (!reader.value || !parser->config->peers || !parser->lines)
		goto out;
	const int result = ini_parse_stream(reader_read, &reader, piece_take, &reader);
	if (parser->out_of_memory || result == -2)
		goto out;
	if (result || reader.next != reader.end || reader.in_value)
		config_file_error(
			parser->problems, "the INI library stopped at line %u", parser->line);
	config_check(parser);
	error = parser->out_of_memory ? -ENOMEM : 0;
out:
	sodium_stackzero(INIH_STACK); /* inih's line buffer has seen the secrets */
	if (reader.value)
		key_wipe(reader.value, len + 1);
	free(reader.value);
	return error;
}

/* ---- the file ---- */

const char *config_secret_complaint(const char *path, const struct stat *status)
{
	const mode_t fine = credentials_has(path) ? S_IRGRP : 0;

	if (status->st_mode & (S_IRGRP | S_IWGRP | S_IROTH | S_IWOTH) & ~fine)
		return "group or others can read or write it";
	if (status->st_uid != 0 && status->st_uid != geteuid())
		return "it belongs to another user";
	return NULL;
}

static void check_permissions(struct config_parser *parser)
{
	const char *path = parser->config->path;
	const char *complaint = config_secret_complaint(path, &parser->status);

	for (size_t i = 0; i <= parser->config->peer_count && complaint; i++) {
		for (size_t row = 0; row < config_row_count(); row++) {
			const struct config_option *option = &config_row_at(row)->option;

			if (!(option->flags & CONFIG_SECRET) || !parser->lines[i].row[row])
				continue;
			config_error(parser, 0,
				"this file holds a secret (%s in line %u) and %s: run '%s %s'",
				option->name, parser->lines[i].row[row], complaint,
				parser->status.st_mode & 066 ? "chmod 600" : "chown root", path);
			return;
		}
	}
	if (parser->status.st_mode & S_IWOTH)
		config_warning(
			parser, 0, "everybody can write this file: run 'chmod go-w %s'", path);
}

/* Whole file into *text, which the caller wipes and frees. */
static int read_text(int fd, const struct stat *status, struct config_problems *problems,
	char **text, size_t *len)
{
	const size_t size = (size_t)status->st_size;
	char *buffer = malloc(size + 1);
	size_t have = 0;
	int error = 0;

	if (!buffer)
		return -ENOMEM;
	while (have <= size && !error) {
		const ssize_t got = read(fd, buffer + have, size + 1 - have);

		if (got < 0 && errno != EINTR)
			error = -errno;
		else if (got == 0)
			break;
		else if (got > 0)
			have += (size_t)got;
	}
	if (error)
		config_file_error(problems, "cannot read: %s", strerror(-error));
	else if (have > size)
		error = -EAGAIN,
		config_file_error(problems, "the file changed while it was read: try again");
	if (error) {
		key_wipe(buffer, size + 1);
		free(buffer);
		return error;
	}
	*text = buffer;
	*len = have;
	return 0;
}

/* Which file is to be read, and how. */
struct source {
	const char *directory; /* where a name without a slash is looked for */
	const char *name_or_path;
	int fd; /* the file, open already; -1: it is not */
	bool without_key_files;
};

/* The descriptor, to be closed; -1, and it is said why. */
static int open_source(
	const struct source *source, const char *path, struct config_problems *problems)
{
	/* O_NONBLOCK: a fifo is refused below instead of waited for. */
	const int fd = source->fd >= 0 ? fcntl(source->fd, F_DUPFD_CLOEXEC, 0)
				       : open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

	if (fd < 0)
		config_file_error(problems, "cannot open: %s%s", strerror(errno),
			strchr(source->name_or_path, '/')
				? ""
				: " (a file elsewhere is named with a slash: ./FILE.conf)");
	return fd;
}

static bool can_be_read(int fd, struct config_problems *problems, struct stat *status)
{
	if (fstat(fd, status) < 0)
		config_file_error(problems, "cannot open: %s", strerror(errno));
	else if (!S_ISREG(status->st_mode))
		config_file_error(problems, "not a regular file");
	else if (status->st_size > CONFIG_FILE_MAX)
		config_file_error(problems, "larger than %d MiB", CONFIG_FILE_MAX >> 20);
	else
		return true;
	return false;
}

static int parse_file(struct config_parser *parser, const struct source *source)
{
	const int fd = open_source(source, parser->config->path, parser->problems);
	char *text = NULL;
	int error = -EINVAL;
	size_t len = 0;

	if (fd < 0)
		return error;
	if (can_be_read(fd, parser->problems, &parser->status))
		error = read_text(fd, &parser->status, parser->problems, &text, &len);
	close(fd);
	if (error)
		return error;
	parser->config->file = (struct config_file){ .device = parser->status.st_dev,
		.inode = parser->status.st_ino,
		.size = parser->status.st_size,
		.modified = parser->status.st_mtim };
	error = config_parse_text(parser, text, len);
	if (!error)
		check_permissions(parser);
	key_wipe(text, len);
	free(text);
	return error;
}

bool config_strings_same(const struct config_strings *a, const struct config_strings *b)
{
	if (a->count != b->count)
		return false;
	for (size_t i = 0; i < a->count; i++)
		if (strcmp(a->items[i], b->items[i]))
			return false;
	return true;
}

bool config_device_name_ok(const char *name)
{
	const size_t len = strlen(name);

	return len >= 1 && len < CONFIG_DEVICE_SIZE && strcmp(name, ".") && strcmp(name, "..") &&
	       strspn(name,
		       "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_=+.-") ==
		       len;
}

/* Of a credential of this name, else in the directory. NULL: out of memory. */
static char *path_of_name(const char *directory, const char *name)
{
	char *file, *path;

	if (asprintf(&file, "%s.conf", name) < 0)
		return NULL;
	path = credentials_find(file);
	if (!path && errno != ENOMEM && asprintf(&path, "%s/%s", directory, file) < 0)
		path = NULL;
	free(file);
	return path;
}

/* The path, and the file's name without its .conf. */
static int name_file(struct config *config, struct config_problems *problems, const char *directory,
	const char *name_or_path)
{
	const char *slash = strrchr(name_or_path, '/');
	const char *base = slash ? slash + 1 : name_or_path;
	size_t len = strlen(base);

	config->path = slash ? strdup(name_or_path) : path_of_name(directory, name_or_path);
	if (slash && len > 5 && !strcmp(base + len - 5, ".conf"))
		len -= 5;
	config->name = strndup(base, len);
	if (config->path)
		problems->file = strdup(config->path);
	return config->path && config->name && problems->file ? 0 : -ENOMEM;
}

int config_hand_out(struct config_parser *parser, int error, struct config **config)
{
	free(parser->lines);
	if (error)
		config_free(parser->config);
	else
		*config = parser->config;
	return error;
}

static int load(
	const struct source *source, struct config **config, struct config_problems *problems)
{
	struct config_parser parser = { .problems = problems,
		.without_key_files = source->without_key_files };
	int error = -ENOMEM;

	*config = NULL;
	*problems = (struct config_problems){ 0 };
	parser.config = calloc(1, sizeof(*parser.config));
	if (!parser.config)
		goto out;
	error = name_file(parser.config, problems, source->directory, source->name_or_path);
	if (error)
		goto out;
	if (*parser.config->name)
		error = parse_file(&parser, source);
	else
		config_file_error(problems, "this names no file");
	config_problems_sort(problems);
	if (error != -ENOMEM)
		error = problems->errors ? -EINVAL : 0;
out:
	return config_hand_out(&parser, error, config);
}

int config_load_from(const char *directory, const char *name_or_path, struct config **config,
	struct config_problems *problems)
{
	return load(&(struct source){ directory, name_or_path, .fd = -1 }, config, problems);
}

int config_try(const struct config *config, const char *text, size_t len)
{
	struct config_problems problems = { 0 };
	struct config_parser parser = { .problems = &problems };
	int error = -ENOMEM;

	if (len > CONFIG_FILE_MAX)
		return -EINVAL;
	parser.config = calloc(1, sizeof(*parser.config));
	if (!parser.config)
		return -ENOMEM;
	if (!name_file(parser.config, &problems, "", config->path))
		error = config_parse_text(&parser, text, len);
	if (!error && problems.errors)
		error = -EINVAL;
	free(parser.lines);
	config_free(parser.config);
	config_problems_free(&problems);
	return error;
}

int config_load(const char *name_or_path, struct config **config, struct config_problems *problems)
{
	return config_load_from(CONFIG_DIRECTORY, name_or_path, config, problems);
}

int config_load_without_key_files(
	const char *name_or_path, struct config **config, struct config_problems *problems)
{
	return load(&(struct source){ CONFIG_DIRECTORY, name_or_path, .fd = -1,
			    .without_key_files = true },
		config, problems);
}

int config_load_open(
	int fd, const char *path, struct config **config, struct config_problems *problems)
{
	return load(&(struct source){ CONFIG_DIRECTORY, path, .fd = fd }, config, problems);
}

static void strings_free(struct config_strings *strings)
{
	for (size_t i = 0; i < strings->count; i++)
		free(strings->items[i]);
	free(strings->items);
}

void config_free(struct config *config)
{
	if (!config)
		return;
	for (size_t i = 0; i < config->peer_count; i++) {
		struct config_peer *peer = &config->peers[i];

		free(peer->name);
		free(peer->allowed_ips.items);
		free(peer->endpoint.host);
		key_wipe(peer, sizeof(*peer));
	}
	free(config->peers);
	free(config->addresses.items);
	free(config->user);
	strings_free(&config->dns.servers);
	strings_free(&config->dns.domains);
	free(config->metrics);
	free(config->network_namespace);
	strings_free(&config->pre_up);
	strings_free(&config->post_up);
	strings_free(&config->pre_down);
	strings_free(&config->post_down);
	free(config->path);
	free(config->name);
	key_wipe(config, sizeof(*config));
	free(config);
}
