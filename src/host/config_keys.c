/* SPDX-License-Identifier: ISC */
/* The table of options, one row each, and what turns a row's value into a field. */
#include "host/config_parse.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/aead.h"
#include "host/credentials.h"
#include "host/suggest.h"

enum { KEY_LINE_MAX = 256 }; /* of a key file's first line */

void config_bad_value(struct config_parser *parser, const struct config_row *row, const char *value)
{
	config_error(parser, parser->line, "%s = %s is wrong: it takes %s", row->option.name,
		config_show(value).text, row->option.help);
}

/* ---- numbers and words ---- */

char *config_trim(char *text)
{
	char *end = text + strlen(text);

	while (end > text && isblank((unsigned char)end[-1]))
		*--end = 0;
	return text + strspn(text, " \t");
}

/* Decimal, or hexadecimal after 0x. */
static bool number_from_text(uint32_t *number, const char *text, uint32_t min, uint32_t max)
{
	const bool hex = text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
	const char *digits = hex ? text + 2 : text;
	uint64_t value = 0;

	if (!*digits)
		return false;
	for (; *digits; digits++) {
		if (!(hex ? isxdigit((unsigned char)*digits) : isdigit((unsigned char)*digits)))
			return false;
		const int c = tolower((unsigned char)*digits);
		value = value * (hex ? 16 : 10) + (uint64_t)(c <= '9' ? c - '0' : c - 'a' + 10);
		if (value > max)
			return false;
	}
	if (value < min)
		return false;
	*number = (uint32_t)value;
	return true;
}

bool config_decimal_from_text(uint32_t *number, const char *text, uint32_t min, uint32_t max)
{
	return strspn(text, "0123456789") == strlen(text) &&
	       number_from_text(number, text, min, max);
}

static void parse_listen_port(
	struct config_parser *parser, const struct config_row *row, void *field, char *value)
{
	uint32_t port;

	if (!config_decimal_from_text(&port, value, 0, UINT16_MAX)) {
		config_bad_value(parser, row, value);
		return;
	}
	*(uint16_t *)field = (uint16_t)port;
	parser->config->listen_port_given = true;
}

static void parse_keepalive(
	struct config_parser *parser, const struct config_row *row, void *field, char *value)
{
	uint32_t seconds = 0;

	if (strcasecmp(value, "off") && !config_decimal_from_text(&seconds, value, 0, UINT16_MAX))
		config_bad_value(parser, row, value);
	else
		*(uint16_t *)field = (uint16_t)seconds;
}

static void parse_fwmark(
	struct config_parser *parser, const struct config_row *row, void *field, char *value)
{
	uint32_t mark = 0;

	if (strcasecmp(value, "off") && !number_from_text(&mark, value, 0, UINT32_MAX))
		config_bad_value(parser, row, value);
	else
		*(uint32_t *)field = mark;
}

static void parse_mtu(
	struct config_parser *parser, const struct config_row *row, void *field, char *value)
{
	uint32_t mtu;

	if (!config_decimal_from_text(&mtu, value, 576, UINT16_MAX))
		config_bad_value(parser, row, value);
	else
		*(unsigned *)field = mtu;
}

static void parse_table(
	struct config_parser *parser, const struct config_row *row, void *field, char *value)
{
	enum config_table *table = field;

	if (!strcasecmp(value, "auto"))
		*table = CONFIG_TABLE_AUTO;
	else if (!strcasecmp(value, "off"))
		*table = CONFIG_TABLE_OFF;
	else if (number_from_text(&parser->config->table_number, value, 1, UINT32_MAX))
		*table = CONFIG_TABLE_NUMBER;
	else
		config_bad_value(parser, row, value);
}

static void parse_offload(
	struct config_parser *parser, const struct config_row *row, void *field, char *value)
{
	if (!fastpath_choice_from_text(field, value))
		config_bad_value(parser, row, value);
}

static void parse_yes_no(
	struct config_parser *parser, const struct config_row *row, void *field, char *value)
{
	bool *flag = field;

	*flag = !strcasecmp(value, "yes");
	if (!*flag && strcasecmp(value, "no"))
		config_bad_value(parser, row, value);
}

static void parse_true_or_false(
	struct config_parser *parser, const struct config_row *row, void *field, char *value)
{
	bool *flag = field;

	*flag = !strcasecmp(value, "true");
	if (!*flag && strcasecmp(value, "false"))
		config_bad_value(parser, row, value);
}

static void parse_mode(
	struct config_parser *parser, const struct config_row *row, void *field, char *value)
{
	bool *tap = field;

	*tap = !strcasecmp(value, "tap");
	if (!*tap && strcasecmp(value, "tun"))
		config_bad_value(parser, row, value);
}

/* ---- names ---- */

void config_string_set(struct config_parser *parser, void *field, const char *value)
{
	char **string = field;

	free(*string); /* a duplicate was reported, this must not leak */
	*string = strdup(value);
	if (!*string)
		parser->out_of_memory = true;
}

static void parse_device(
	struct config_parser *parser, const struct config_row *row, void *field, char *value)
{
	if (config_device_name_ok(value))
		strcpy(field, value);
	else
		config_bad_value(parser, row, value);
}

/* Without blanks, which part the words of the state file (host/lasting.h). */
static void parse_namespace(
	struct config_parser *parser, const struct config_row *row, void *field, char *value)
{
	const bool is_path = strchr(value, '/');
	bool ok = strlen(value) < PATH_MAX - sizeof("/run/netns/") && strcmp(value, ".") &&
		  strcmp(value, "..") && (!is_path || *value == '/');

	for (const char *c = value; *c; c++)
		ok = ok && isgraph((unsigned char)*c);
	if (ok)
		config_string_set(parser, field, value);
	else
		config_bad_value(parser, row, value);
}

/* As useradd takes them by default, capitals allowed. */
static void parse_user(
	struct config_parser *parser, const struct config_row *row, void *field, char *value)
{
	bool ok = strlen(value) <= 32 && (isalpha((unsigned char)*value) || *value == '_');

	for (const char *c = value; *c; c++)
		ok = ok && (isalnum((unsigned char)*c) || strchr("_.-", *c));
	if (!ok)
		config_bad_value(parser, row, value);
	else if (!strcmp(value, "root"))
		config_error(parser, parser->line,
			"User = root would leave the process that reads packets from the network "
			"with all privileges: name an unprivileged user");
	else
		config_string_set(parser, field, value);
}

/* The length of one printable UTF-8 character, 0 if it is none. */
static size_t printable_len(const unsigned char *c)
{
	static const uint32_t smallest[] = { 0, 0, 0x80, 0x800, 0x10000 };
	const size_t len = *c < 0x80 ? 1 : *c >= 0xf0 ? 4 : *c >= 0xe0 ? 3 : 2;
	uint32_t code = len == 1 ? *c : *c & (0xffu >> (len + 1));

	if ((*c & 0xc0) == 0x80 || *c >= 0xf8)
		return 0;
	for (size_t i = 1; i < len; i++) {
		if ((c[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (c[i] & 0x3f);
	}
	if (code < smallest[len] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
		return 0;
	return code < 0x20 || (code >= 0x7f && code < 0xa0) ? 0 : len;
}

/* It goes over the line-based control protocol and into status output. */
static bool name_is_usable(const char *value)
{
	const unsigned char *c = (const unsigned char *)value;
	size_t len = 1;

	while (*c && *c != '=' && (len = printable_len(c)) > 0)
		c += len;
	return !*c && strlen(value) <= CONFIG_PEER_NAME_MAX;
}

static void parse_name(
	struct config_parser *parser, const struct config_row *row, void *field, char *value)
{
	if (!name_is_usable(value))
		config_bad_value(parser, row, value);
	else
		config_string_set(parser, field, value);
}

/* Wrong or twice, it is a comment like any other. Name comes before it, wherever it stands. */
void config_take_comment(struct config_parser *parser, const char *start, const char *end)
{
	static const char key[] = "friendly_name";
	char text[sizeof(key) + CONFIG_PEER_NAME_MAX + 32], *value;

	if ((size_t)(end - start) >= sizeof(text))
		return;
	*(char *)mempcpy(text, start, (size_t)(end - start)) = '\0';
	text[strcspn(text, "\r")] = '\0';
	value = strchr(text, '=');
	if (!value)
		return;
	*value++ = '\0';
	value = config_trim(value);
	if (!strcmp(config_trim(text), key) && !parser->peer->name && *value &&
		name_is_usable(value))
		config_string_set(parser, &parser->peer->name, value);
}

static void parse_cipher(
	struct config_parser *parser, const struct config_row *row, void *field, char *value)
{
	const char **cipher = field;

	for (char *c = value; *c; c++)
		*c = (char)tolower((unsigned char)*c);
	const struct aead *aead = aead_by_name(value);
	if (!strcmp(value, "auto"))
		*cipher = "auto";
	else if (aead && aead->available())
		*cipher = aead->name;
	else if (aead)
		config_error(parser, parser->line,
			"Cipher = %s: this machine's processor cannot do it: take 'auto' or "
			"another",
			value);
	else if (aead_name_known(value))
		config_error(parser, parser->line,
			"Cipher = %s: this build's libsodium does not have it: take 'auto' or "
			"another",
			value);
	else
		config_bad_value(parser, row, value);
}

/* ---- hooks ---- */

/* Whether a shell would still be inside quotes, or inside ${ }, at the end. */
static bool shell_text_open(const char *text)
{
	char quote = 0;
	const char *brace = NULL;

	for (; *text; text++) {
		if (*text == '\\' && quote != '\'' && text[1])
			text++;
		else if (quote)
			quote = *text == quote ? 0 : quote;
		else if (*text == '\'' || *text == '"')
			quote = *text;
		else if (*text == '$' && (text[1] == '{' || !text[1]))
			brace = text;
		else if (*text == '}')
			brace = NULL;
	}
	return quote || brace;
}

static void parse_hook(
	struct config_parser *parser, const struct config_row *row, void *field, char *value)
{
	struct config_strings *hooks = field;

	if (parser->comment_cut && shell_text_open(value)) {
		config_error(parser, parser->line,
			"%s: the '#' starts a comment, even inside quotes, and cuts the command in "
			"two: put the command into a script and call that",
			row->option.name);
		return;
	}
	if (!*value || !config_list_grow(
			       parser, (void **)&hooks->items, hooks->count, sizeof(*hooks->items)))
		return;
	hooks->items[hooks->count] = NULL;
	config_string_set(parser, &hooks->items[hooks->count], value);
	hooks->count++;
}

/* ---- keys ---- */

/* Takes a key's text; the message says what is odd about it, never what it is. subcommand: what
 * makes such a key. */
static void key_set(struct config_parser *parser, const char *name, const char *subcommand,
	struct config_key *key, const char *text)
{
	const size_t len = strlen(text);
	char odd[64] = "it has a character that does not belong there";

	if (!key_from_base64(key->bytes, text)) {
		key->given = !key_is_zero(key->bytes);
		if (!key->given)
			config_error(parser, parser->line,
				"%s is all zeros, which is no key: make one with 'culvert %s'",
				name, subcommand);
		return;
	}
	if (len == 0)
		strcpy(odd, "it is empty");
	else if (strpbrk(text, " \t"))
		strcpy(odd, "there is a blank inside it");
	else if (len == KEY_HEX_SIZE - 1 && strspn(text, "0123456789abcdefABCDEF") == len)
		strcpy(odd, "it is written in hexadecimal");
	else if (len != KEY_BASE64_SIZE - 1)
		snprintf(odd, sizeof(odd), "it has %zu character%s", len, len == 1 ? "" : "s");
	config_error(parser, parser->line,
		"%s is not a key: %s. A key is 44 characters of base64, of which the last is '=', "
		"as 'culvert %s' prints it",
		name, odd, subcommand);
}

/* detail: the subcommand that makes such keys. */
static void parse_key(
	struct config_parser *parser, const struct config_row *row, void *field, char *value)
{
	key_set(parser, row->option.name, row->detail, field, value);
}

static void report_no_key_file(struct config_parser *parser, const struct config_row *row,
	const char *value, const struct config_shown *shown)
{
	const char *slash = strrchr(value, '/'), *name = slash ? slash + 1 : value;
	const int error = errno;

	/* The service may read nothing else, and its user could not. */
	if (credentials_has(parser->config->path) && shown->text[0] == '\'')
		config_error(parser, parser->line,
			"%s: cannot open %s: %s. The tunnel's file is a credential, so this one "
			"must be, too: write %s = %s here, and LoadCredential=%s:/etc/culvert/%s "
			"in the service's drop-in",
			row->option.name, shown->text, strerror(error), row->option.name, name,
			name, name);
	else
		config_error(parser, parser->line, "%s: cannot open %s: %s%s%s%s", row->option.name,
			shown->text, strerror(error),
			error == ENOENT ? ". Make one with 'culvert " : "",
			error == ENOENT ? row->detail : "", error == ENOENT ? "'" : "");
}

/* Opens a key file that is fit to hold one, or reports why not. */
static int key_file_open(struct config_parser *parser, const struct config_row *row,
	const char *value, const char *path)
{
	struct stat status;
	const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	const struct config_shown shown = config_show_path(value, path);

	if (fd < 0 || fstat(fd, &status) < 0) {
		report_no_key_file(parser, row, value, &shown);
		if (fd >= 0)
			close(fd);
		return -1;
	}
	const char *complaint = config_secret_complaint(path, &status);
	if (!S_ISREG(status.st_mode))
		config_error(parser, parser->line, "%s: %s is not a regular file", row->option.name,
			shown.text);
	else if (complaint)
		config_error(parser, parser->line, "%s: %s holds a secret and %s: run '%s %s'",
			row->option.name, shown.text, complaint,
			status.st_mode & 066 ? "chmod 600" : "chown root", path);
	else
		return fd;
	close(fd);
	return -1;
}

/* The path of a key file: a name alone may be a credential's; another relative one starts where
 * the tunnel's file is. */
static char *key_file_path(const struct config_parser *parser, const char *value)
{
	const char *config_path = parser->config->path;
	const char *slash = strrchr(config_path, '/');
	char *path = credentials_find(value);

	if (path || errno == ENOMEM)
		return path;
	if (value[0] == '/' || !slash)
		return strdup(value);
	if (asprintf(&path, "%.*s/%s", (int)(slash - config_path), config_path, value) < 0)
		return NULL;
	return path;
}

static void parse_key_file(
	struct config_parser *parser, const struct config_row *row, void *field, char *value)
{
	char text[KEY_LINE_MAX] = "";
	size_t have = 0;
	ssize_t got = 1;

	uint8_t key[KEY_LEN];
	const bool is_key = !key_from_base64(key, value);
	key_wipe(key, sizeof(key));
	if (is_key) {
		config_error(parser, parser->line,
			"%s takes a path, and this is a key itself: it belongs after %.*s =",
			row->option.name, (int)(strlen(row->option.name) - strlen("File")),
			row->option.name);
		return;
	}
	if (parser->without_key_files)
		return;
	char *path = key_file_path(parser, value);
	if (!path) {
		parser->out_of_memory = true;
		return;
	}
	const int fd = key_file_open(parser, row, value, path);
	while (fd >= 0 && got > 0 && have < sizeof(text) - 1) {
		got = read(fd, text + have, sizeof(text) - 1 - have);
		have += got > 0 ? (size_t)got : 0;
	}
	if (got < 0) {
		config_error(parser, parser->line, "%s: cannot read %s: %s", row->option.name,
			config_show_path(value, path).text, strerror(errno));
	} else if (fd >= 0) {
		char name[CONFIG_PEER_NAME_MAX + 64];

		snprintf(name, sizeof(name), "%s: what %s holds", row->option.name,
			config_show_path(value, path).text);
		text[strcspn(text, "\r\n")] = 0;
		key_set(parser, name, row->detail, field, config_trim(text));
	}
	if (fd >= 0)
		close(fd);
	key_wipe(text, sizeof(text));
	free(path);
}

/* ---- the table ---- */

#define INTERFACE(name, parse, field, flags, detail, help)                                        \
	{                                                                                         \
		{ "Interface", name, help, flags }, parse, offsetof(struct config, field), detail \
	}
#define PEER(name, parse, field, flags, detail, help)                                             \
	{                                                                                         \
		{ "Peer", name, help, flags }, parse, offsetof(struct config_peer, field), detail \
	}

#define LIST_FLAGS (CONFIG_REPEATABLE | CONFIG_MAY_BE_EMPTY | CONFIG_LIST)
#define KEY_HELP "a key: 44 characters of base64"
#define KEY_FILE_HELP "the path of a file whose first line is the key"
#define HOOK_HELP "a command for /bin/sh; %i stands for the device"

static const struct config_row rows[] = {
	[ROW_PRIVATE_KEY] =
		INTERFACE("PrivateKey", parse_key, private_key, CONFIG_SECRET, "genkey", KEY_HELP),
	[ROW_PRIVATE_KEY_FILE] = INTERFACE(
		"PrivateKeyFile", parse_key_file, private_key, 0, "genkey", KEY_FILE_HELP),
	[ROW_SHARED_KEY] =
		INTERFACE("SharedKey", parse_key, shared_key, CONFIG_SECRET, "genpsk", KEY_HELP),
	[ROW_SHARED_KEY_FILE] =
		INTERFACE("SharedKeyFile", parse_key_file, shared_key, 0, "genpsk", KEY_FILE_HELP),
	[ROW_DEVICE] = INTERFACE(
		"Device", parse_device, device, 0, NULL, "1 to 15 letters, digits and _ = + . -"),
	[ROW_MTU] = INTERFACE("MTU", parse_mtu, mtu, 0, NULL, "a number from 576 to 65535"),
	[ROW_DNS] = INTERFACE("DNS", config_parse_dns, dns, LIST_FLAGS, NULL,
		"addresses of name servers and search domains"),
	[ROW_FWMARK] = INTERFACE("FwMark", parse_fwmark, fwmark, 0, NULL,
		"'off' or a number of 32 bits, decimal or after 0x"),
	[ROW_KILL_SWITCH] =
		INTERFACE("KillSwitch", parse_yes_no, kill_switch, 0, NULL, "'yes' or 'no'"),
	[ROW_NETWORK_NAMESPACE] = INTERFACE("NetworkNamespace", parse_namespace, network_namespace,
		0, NULL, "a name in /run/netns, as ip netns add makes it, or a path"),
	[ROW_ADDRESS] = INTERFACE("Address", config_parse_addresses, addresses, LIST_FLAGS, NULL,
		"addresses of this host with their prefix, as in 10.9.0.1/24, fd00::1/64"),
	[ROW_TABLE] = INTERFACE("Table", parse_table, table, 0, NULL,
		"'auto', 'off' or the number of a routing table"),
	[ROW_MODE] = INTERFACE("Mode", parse_mode, tap, 0, NULL, "'tun' or 'tap'"),
	[ROW_BRIDGE] = INTERFACE("Bridge", parse_device, bridge, 0, NULL,
		"a bridge's name: 1 to 15 letters, digits and _ = + . -"),
	[ROW_PUBLIC_KEY] = PEER("PublicKey", parse_key, public_key, 0, "pubkey", KEY_HELP),
	[ROW_PRESHARED_KEY] =
		PEER("PresharedKey", parse_key, preshared_key, CONFIG_SECRET, "genpsk", KEY_HELP),
	[ROW_PRESHARED_KEY_FILE] =
		PEER("PresharedKeyFile", parse_key_file, preshared_key, 0, "genpsk", KEY_FILE_HELP),
	[ROW_ALLOWED_IPS] = PEER("AllowedIPs", config_parse_allowed_ips, allowed_ips, LIST_FLAGS,
		NULL, "prefixes separated by commas, as in 10.9.0.0/24, fd00::/64"),

	INTERFACE("ListenPort", parse_listen_port, listen_port, 0, NULL,
		"a number from 0 (any) to 65535"),
	INTERFACE("User", parse_user, user, 0, NULL, "the name of a user of this system"),
	INTERFACE("Offload", parse_offload, offload, 0, NULL, FASTPATH_CHOICES),
	INTERFACE("PreUp", parse_hook, pre_up, CONFIG_REPEATABLE | CONFIG_MAY_BE_EMPTY, NULL,
		HOOK_HELP),
	INTERFACE("PostUp", parse_hook, post_up, CONFIG_REPEATABLE | CONFIG_MAY_BE_EMPTY, NULL,
		HOOK_HELP),
	INTERFACE("PreDown", parse_hook, pre_down, CONFIG_REPEATABLE | CONFIG_MAY_BE_EMPTY, NULL,
		HOOK_HELP),
	INTERFACE("PostDown", parse_hook, post_down, CONFIG_REPEATABLE | CONFIG_MAY_BE_EMPTY, NULL,
		HOOK_HELP),
	INTERFACE("Persistent", parse_yes_no, persistent, 0, NULL, "'yes' or 'no'"),
	INTERFACE("SaveConfig", parse_true_or_false, save, 0, NULL, "'true' or 'false'"),
	INTERFACE("Metrics", config_parse_metrics, metrics, 0, NULL,
		"unix:/PATH or a loopback address and port, as in 127.0.0.1:9586 or [::1]:9586"),

	PEER("Endpoint", config_parse_endpoint, endpoint, 0, NULL,
		"HOST:PORT, where HOST is a name, an IPv4 address or an IPv6 address in brackets"),
	PEER("PersistentKeepalive", parse_keepalive, persistent_keepalive, 0, NULL,
		"'off' or a number of seconds from 0 to 65535"),
	PEER("Cipher", parse_cipher, cipher, 0, NULL,
		"'auto', 'chacha20-poly1305', 'aes-256-gcm', 'aegis-128l' or 'aegis-256'"),
	PEER("Name", parse_name, name, 0, NULL,
		"up to 64 bytes of printable text (UTF-8) without '='"),
};

enum { ROW_COUNT = sizeof(rows) / sizeof(rows[0]) };
_Static_assert((int)ROW_COUNT <= (int)CONFIG_ROWS_MAX, "raise CONFIG_ROWS_MAX");

size_t config_row_count(void)
{
	return ROW_COUNT;
}

const struct config_row *config_row_at(size_t i)
{
	return &rows[i];
}

const struct config_option *config_option_at(size_t i)
{
	return i < ROW_COUNT ? &rows[i].option : NULL;
}

static const struct config_row *row_by_name(const char *name)
{
	for (size_t i = 0; i < ROW_COUNT; i++)
		if (!strcasecmp(rows[i].option.name, name))
			return &rows[i];
	return NULL;
}

bool config_option_is_switch(const struct config_option *option)
{
	return row_by_name(option->name)->parse == parse_yes_no;
}

static void unknown_key(struct config_parser *parser, const char *key)
{
	const char *names[ROW_COUNT + 1] = { NULL };

	for (size_t i = 0; i < ROW_COUNT; i++)
		names[i] = rows[i].option.name;
	const char *nearest = suggest_nearest(key, names);
	config_error(parser, parser->line, "unknown key %s%s%s%s", config_show(key).text,
		nearest ? ": did you mean " : "", nearest ? nearest : "", nearest ? "?" : "");
}

void config_set(struct config_parser *parser, const char *section, const char *key, char *value)
{
	const struct config_row *row = row_by_name(key);

	if (!row) {
		unknown_key(parser, key);
		return;
	}
	if (strcmp(row->option.section, section)) {
		config_error(parser, parser->line, "%s belongs in [%s], not in [%s]",
			row->option.name, row->option.section, section);
		return;
	}
	struct config_peer *peer = parser->peer;
	unsigned *first =
		&parser->lines[peer ? peer - parser->config->peers + 1 : 0].row[row - rows];
	if (*first && !(row->option.flags & CONFIG_REPEATABLE)) {
		config_error(parser, parser->line, "%s was given before, in %s: remove one",
			row->option.name, config_place(parser, *first).text);
		return;
	}
	if (!*first)
		*first = parser->line;
	if (!*value && !(row->option.flags & CONFIG_MAY_BE_EMPTY)) {
		config_error(parser, parser->line, "%s has no value: it takes %s", row->option.name,
			row->option.help);
		return;
	}
	void *base = peer ? (void *)peer : (void *)parser->config;
	row->parse(parser, row, (char *)base + row->offset, value);
}
