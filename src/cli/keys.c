/* SPDX-License-Identifier: ISC */
/* culvert genkey, pubkey, genpsk */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cli.h"
#include "core/key.h"

enum { INPUT_MAX = 256 };

static const char genkey_usage[] =
	"usage: culvert genkey\n"
	"\n"
	"Writes a new private key to standard output: for PrivateKey, or for a PrivateKeyFile:\n"
	"  (umask 077; culvert genkey > office.key)\n"
	"Its public key, which the other end needs: culvert pubkey < office.key\n";

static const char genpsk_usage[] =
	"usage: culvert genpsk\n"
	"\n"
	"Writes a new secret to standard output that both ends share: for SharedKey,\n"
	"PresharedKey, or the file that SharedKeyFile or PresharedKeyFile names:\n"
	"  (umask 077; culvert genpsk > office.key)\n";

static const char pubkey_usage[] =
	"usage: culvert pubkey < FILE\n"
	"\n"
	"Reads a private key from standard input and writes its public key to standard output.\n";

/* None of the three takes an argument. -1: go on; else the exit status. */
static int only_options(int argc, char **argv, const char *usage)
{
	static const struct option options[] = { { "help", no_argument, NULL, 'h' }, { 0 } };
	int status, option = cli_next_option(argc, argv, "h", options, usage, &status);

	if (option == -2)
		return status;
	if (optind < argc)
		return cli_usage_error(argv[0], "takes no argument, and certainly no key: "
						"keys go by standard input and output");
	return -1;
}

static void warn_if_public(void)
{
	struct stat status;

	if (!fstat(STDOUT_FILENO, &status) && S_ISREG(status.st_mode) && status.st_mode & S_IRWXO)
		fputs("Warning: everybody on this host may access the file that gets the secret.\n"
		      "Set the umask first (umask 077) and make a new one.\n",
			stderr);
}

/* Not by stdio, whose buffer would keep the secret. */
static int write_key(const char *command, const uint8_t key[KEY_LEN])
{
	char text[KEY_BASE64_SIZE];
	ssize_t written;

	key_to_base64(text, key);
	text[KEY_BASE64_SIZE - 1] = '\n';
	written = write(STDOUT_FILENO, text, sizeof(text));
	key_wipe(text, sizeof(text));
	if (written == sizeof(text))
		return CLI_OK;
	fprintf(stderr, "culvert %s: cannot write: %s\n", command,
		written < 0 ? strerror(errno) : "no room");
	return CLI_FAILED;
}

int cli_genkey(int argc, char **argv)
{
	int status = only_options(argc, argv, genkey_usage);
	uint8_t key[KEY_LEN];

	if (status >= 0)
		return status;
	warn_if_public();
	key_generate_private(key);
	status = write_key(argv[0], key);
	key_wipe(key, sizeof(key));
	return status;
}

int cli_genpsk(int argc, char **argv)
{
	int status = only_options(argc, argv, genpsk_usage);
	uint8_t key[KEY_LEN];

	if (status >= 0)
		return status;
	warn_if_public();
	key_generate_shared(key);
	status = write_key(argv[0], key);
	key_wipe(key, sizeof(key));
	return status;
}

/* All that there is, up to size bytes. */
static ssize_t read_input(char *bytes, size_t size)
{
	size_t len = 0;

	while (len < size) {
		ssize_t got = read(STDIN_FILENO, bytes + len, size - len);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (!got)
			break;
		len += (size_t)got;
	}
	return (ssize_t)len;
}

int cli_pubkey(int argc, char **argv)
{
	int status = only_options(argc, argv, pubkey_usage);
	char text[INPUT_MAX] = { 0 };
	uint8_t key[KEY_LEN], public_key[KEY_LEN];
	ssize_t len;

	if (status >= 0)
		return status;
	len = read_input(text, sizeof(text) - 1);
	/* An editor's line end, be it CR LF, or a blank. */
	while (len > 0 && isspace((unsigned char)text[len - 1]))
		text[--len] = '\0';
	if (len < 0) {
		fprintf(stderr, "culvert pubkey: cannot read: %s\n", strerror((int)-len));
		status = CLI_FAILED;
	} else if (strlen(text) != (size_t)len || key_from_base64(key, text)) {
		fputs("culvert pubkey: standard input is not one line with a key: 44 characters of "
		      "base64\n",
			stderr);
		status = CLI_FAILED;
	} else {
		key_derive_public(public_key, key);
		status = write_key(argv[0], public_key);
	}
	key_wipe(text, sizeof(text));
	key_wipe(key, sizeof(key));
	return status;
}
