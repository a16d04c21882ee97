/* SPDX-License-Identifier: ISC */
/* culvert strip NAME|FILE */
#include "cli/strip.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "core/key.h"
#include "host/policy.h"

static const char usage[] =
	"usage: culvert strip NAME|FILE\n"
	"\n"
	"Writes of a tunnel's file what the stock wg(8) takes, for its setconf and syncconf:\n"
	"keys, ports, peers. Keys that are in files of their own are read and written out. NAME\n"
	"stands for " CONFIG_DIRECTORY "/NAME.conf; an argument with a slash in it is the path\n"
	"of a file.\n"
	"\n"
	"  wg syncconf wg0 <(culvert strip wg0)\n"
	"\n"
	"Exit status: 0 done, 1 errors in the file, or it is not for WireGuard, 2 wrong arguments.\n";

static void add_key(struct text *text, const char *name, const struct config_key *key)
{
	char base64[KEY_BASE64_SIZE];

	if (!key->given)
		return;
	key_to_base64(base64, key->bytes);
	text_add(text, "%s = %s\n", name, base64);
	key_wipe(base64, sizeof(base64));
}

static void add_peer(struct text *text, const struct config_peer *peer)
{
	const struct config_prefixes *allowed = &peer->allowed_ips;
	char address[INET6_ADDRSTRLEN];

	text_add(text, "\n[Peer]\n");
	add_key(text, "PublicKey", &peer->public_key);
	add_key(text, "PresharedKey", &peer->preshared_key);
	for (size_t i = 0; i < allowed->count; i++) {
		const struct config_prefix *prefix = &allowed->items[i];

		inet_ntop(prefix->family, prefix->address, address, sizeof(address));
		text_add(text, "AllowedIPs = %s/%u\n", address, prefix->length);
	}
	if (peer->endpoint.host)
		text_add(text,
			strchr(peer->endpoint.host, ':') ? "Endpoint = [%s]:%s\n"
							 : "Endpoint = %s:%s\n",
			peer->endpoint.host, peer->endpoint.port);
	if (peer->persistent_keepalive)
		text_add(text, "PersistentKeepalive = %u\n", peer->persistent_keepalive);
}

/* A mark that is chosen for the rules of a full tunnel stands there too: wg takes the lack of one
 * for "off", and then what is sealed would be routed into the tunnel itself. */
int strip_config(const struct config *config, struct text *text, const char **why)
{
	struct policy policy;

	if (config->shared_key.given) {
		*why = "this is a shared-key tunnel, which WireGuard does not have: give both "
		       "ends a PrivateKey";
		return -ENOTSUP;
	}
	if (config->tap) {
		*why = "this is an Ethernet tunnel (Mode = tap), which WireGuard does not have";
		return -ENOTSUP;
	}
	text_add(text, "[Interface]\n");
	add_key(text, "PrivateKey", &config->private_key);
	if (config->listen_port_given)
		text_add(text, "ListenPort = %u\n", config->listen_port);
	if (policy_make_from_file(&policy, config))
		text->failed = true;
	else if (policy.mark)
		text_add(text, "FwMark = 0x%x\n", policy.mark);
	for (size_t i = 0; i < config->peer_count; i++)
		add_peer(text, &config->peers[i]);
	return 0;
}

/* Not by stdio, whose buffer would keep the secrets. */
static int write_all(const struct text *text)
{
	for (size_t done = 0; done < text->len;) {
		const ssize_t written = write(STDOUT_FILENO, text->bytes + done, text->len - done);

		if (written < 0 && errno == EINTR)
			continue;
		if (written < 0) {
			perror("culvert strip: cannot write");
			return CLI_FAILED;
		}
		done += (size_t)written;
	}
	return CLI_OK;
}

static void warn_of_ciphers(const struct config *config)
{
	for (size_t i = 0; i < config->peer_count; i++)
		if (config->peers[i].cipher)
			fprintf(stderr,
				"culvert strip: %s:%u: Cipher is left out: WireGuard speaks with "
				"this peer in its own way\n",
				config->path, config->peers[i].line);
}

/* By way of <(culvert strip ...) wg does not learn that we failed, and would take nothing at all
 * for a tunnel without peers. A line that it does not know makes it refuse. */
static int fail(void)
{
	puts("culvert strip has failed");
	return CLI_FAILED;
}

static int strip(const struct config *config)
{
	struct text text = { 0 };
	const char *why;
	int status;

	if (strip_config(config, &text, &why)) {
		fprintf(stderr, "culvert strip: %s: %s\n", config->path, why);
		status = fail();
	} else if (text.failed) {
		fprintf(stderr, "culvert strip: %s\n", strerror(ENOMEM));
		status = fail();
	} else {
		warn_of_ciphers(config);
		status = write_all(&text);
	}
	text_free(&text);
	return status;
}

int cli_strip(int argc, char **argv)
{
	static const struct option options[] = { { "help", no_argument, NULL, 'h' }, { 0 } };
	struct config *config;
	int status;

	if (cli_next_option(argc, argv, "h", options, usage, &status) == -2)
		return status;
	if (argc - optind != 1)
		return cli_usage_error(argv[0], "name one tunnel, or its file");
	config = cli_load(argv[optind]);
	status = config ? strip(config) : fail();
	config_free(config);
	return status;
}
