/* SPDX-License-Identifier: ISC */
/*
 * A tunnel's configuration file, read and checked: culvert.conf(5).
 *
 * Either the whole file is right and a struct config comes out, or a list of everything that is
 * wrong with it.
 */
#ifndef HOST_CONFIG_H
#define HOST_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>
#include <time.h>

#include "core/key.h"
#include "engine/fastpath.h"

#ifndef CONFIG_DIRECTORY
#define CONFIG_DIRECTORY "/etc/culvert"
#endif

enum {
	CONFIG_DEVICE_SIZE = 16,    /* 15 characters and a NUL, as the kernel's IFNAMSIZ */
	CONFIG_PROBLEMS_MAX = 1000, /* more than this are counted and not kept */
	CONFIG_FILE_MAX = 16 << 20, /* bytes */
	CONFIG_PEER_NAME_MAX = 64,  /* bytes of UTF-8 */
	CONFIG_WORD_SIZE = 40,      /* of a key as an option, with its "--" and a NUL */
	/* Beyond its packet a frame has up to 18 bytes of header and one of padding, a message of
	 * it 16 and a tag of up to 32; and UDP over IPv4 carries 65507. */
	CONFIG_TAP_MTU_MAX = 65507 - 32 - 16 - 1 - 18,
};

struct config_key {
	bool given;
	bool forgotten;         /* bytes only tell whether another one is the same */
	uint8_t bytes[KEY_LEN]; /* zeros if not given */
};

/* Of AllowedIPs the host bits are cleared, of Address they are the host's. */
struct config_prefix {
	int family;          /* AF_INET or AF_INET6 */
	uint8_t address[16]; /* 4 or 16 bytes, network order; zeros after */
	unsigned length;     /* bits */
	unsigned line;       /* where in the file */
};

struct config_prefixes {
	struct config_prefix *items;
	size_t count;
};

struct config_strings {
	char **items;
	size_t count;
};

struct config_dns {
	struct config_strings servers; /* IPv4 or IPv6 addresses, perhaps with %scope */
	struct config_strings domains; /* search domains; with a '~' first only to route by */
};

struct config_endpoint {
	char *host;   /* an IPv4 or IPv6 address (no brackets, perhaps %scope) or a name; NULL: no
			 endpoint */
	char port[6]; /* decimal, 1 to 65535 */
};

struct config_peer {
	unsigned line; /* of its [Peer] */
	char *name;    /* Name or "# friendly_name =", for people; NULL if not given */
	struct config_key public_key; /* given for every peer but a shared-key tunnel's */
	struct config_key preshared_key;
	const char *cipher; /* NULL: WireGuard's dialect; "auto" or an aead's name: culvert's
			       (static) */
	struct config_prefixes allowed_ips; /* no prefix twice, here or in two peers */
	struct config_endpoint endpoint;
	uint16_t persistent_keepalive; /* seconds, 0 off */
};

enum config_table {
	CONFIG_TABLE_AUTO = 0, /* main, or one of its own: host/policy.h */
	CONFIG_TABLE_OFF,
	CONFIG_TABLE_NUMBER,
};

/* By which the file is known again. */
struct config_file {
	dev_t device;
	ino_t inode;
	off_t size;
	struct timespec modified;
};

struct config {
	char *path; /* of the file; for messages alone, if it came from options */
	bool from_options;
	struct config_file file; /* zeros, if it came from options */
	char *name;              /* the tunnel's: the file's name without .conf */
	char device[CONFIG_DEVICE_SIZE];
	struct config_key private_key; /* exactly one of these two is given, or is in its file */
	struct config_key shared_key;  /* then there is exactly one peer, with a cipher */
	uint8_t shared_peer[KEY_LEN];  /* config_shared_peer, when the shared key is forgotten */
	struct config_prefixes addresses;
	struct config_dns dns;
	bool listen_port_given;
	uint16_t listen_port; /* 0: any */
	uint32_t fwmark;      /* 0: off */
	bool tap; /* Mode = tap: Ethernet frames; then there are no AllowedIPs, and each peer has a
		     cipher */
	char bridge[CONFIG_DEVICE_SIZE]; /* that the device is added to; "": none. Then there are
					    no addresses */
	unsigned mtu;                    /* 0: to be computed */
	enum config_table table;
	uint32_t table_number; /* with CONFIG_TABLE_NUMBER, not 0 */
	enum fastpath_choice offload;
	bool kill_switch; /* then there are AllowedIPs, and the table is not off */
	char *user;       /* NULL: the built-in choice. Whether it exists is not checked here */
	bool save;        /* SaveConfig */
	char *network_namespace; /* where the device is: a name of ip-netns(8)'s or a path; NULL:
				    here */
	bool persistent;         /* the device stays */
	char *metrics;           /* "unix:/PATH", or a loopback address and port; NULL: off */
	struct config_strings pre_up, post_up, pre_down,
		post_down;         /* for /bin/sh, %i still in them */
	struct config_peer *peers; /* in the file's order */
	size_t peer_count;
};

struct config_problem {
	unsigned line; /* 0: the file as a whole */
	bool warning;
	char *text;
	size_t order; /* of discovery: keeps the sort stable */
};

/* A key as an option of a command: "--listen-port". */
struct config_word {
	char text[CONFIG_WORD_SIZE];
};

/* Start it zeroed. */
struct config_problems {
	char *file;
	struct config_word *options;  /* by line, where options stand in a file's place; empty: none
					 belongs to the line. NULL: there is a file */
	struct config_problem *items; /* sorted by line */
	size_t count;
	size_t errors;   /* 0: a config was given out, and the items are warnings */
	size_t left_off; /* found but not in items */
};

/*
 * Reads and checks a tunnel's file: NAME stands for the credential NAME.conf (host/credentials.h),
 * if there is one, else for DIRECTORY/NAME.conf; an argument with a slash is the path itself. Key
 * files that it names are read too. Nothing on the host is changed.
 *
 * 0 and *config is the caller's, to be freed with config_free; -EINVAL or -ENOMEM and it is NULL.
 * The problems are the caller's in either case.
 */
int config_load(const char *name_or_path, struct config **config, struct config_problems *problems);
int config_load_from(const char *directory, const char *name_or_path, struct config **config,
	struct config_problems *problems);

/* The same for what does without keys and may come before their files can be read, at boot: those
 * are not looked at, and keys that they hold are not given. */
int config_load_without_key_files(
	const char *name_or_path, struct config **config, struct config_problems *problems);

/* The same of a file that is open at its beginning (and stays open), whatever is at the path. */
int config_load_open(
	int fd, const char *path, struct config **config, struct config_problems *problems);

/* Whether the file that a configuration came from could be read if it had this text: 0, -EINVAL,
 * -ENOMEM. Nobody is told why not. */
int config_try(const struct config *config, const char *text, size_t len);

/* When the engine has the secret keys: what is left of them tells whether a file that is read later
 * has the same ones, and does nothing else. */
void config_forget_secrets(struct config *config);

/* Whether two keys are the same, or none is given; either may be forgotten. Constant time. */
bool config_key_same(const struct config_key *a, const struct config_key *b);

/* Whether this is the key; one that is not given is zeros. Constant time. */
bool config_key_is(const struct config_key *key, const uint8_t bytes[KEY_LEN]);

/* The same two for private keys, of which some bits do not count: the engine's has them as they
 * should be, a file may not. */
bool config_private_key_same(const struct config *a, const struct config *b);
bool config_private_key_is(const struct config *config, const uint8_t bytes[KEY_LEN]);

/* The public key by which the one peer of a shared-key tunnel goes. */
void config_shared_peer(const struct config *config, uint8_t public_key[KEY_LEN]);

/* For a process that needs the rest of it. */
void config_wipe_secrets(struct config *config);

/* Wipes the secrets; NULL is allowed. */
void config_free(struct config *config);

/* The same ones in the same order. */
bool config_strings_same(const struct config_strings *a, const struct config_strings *b);

/* Whether a device may be called this, here and in wg-quick: [a-zA-Z0-9_=+.-]{1,15}. */
bool config_device_name_ok(const char *name);

/* One a line: "FILE:LINE: text", without a line "FILE: text", or "--OPTION: text"; warnings say so.
 */
void config_problems_print(const struct config_problems *problems, FILE *to);
void config_problems_free(struct config_problems *problems); /* and zeroes it */

/* A row of the table of options. */
struct config_option {
	const char *section; /* "Interface" or "Peer" */
	const char *name;
	const char *help; /* what value it takes: "a number from 0 to 65535" */
	unsigned flags;
};

enum {
	CONFIG_REPEATABLE = 1, /* may be given more than once; the values add up */
	CONFIG_SECRET = 2, /* the value is never shown, and a file that has it must be private */
	CONFIG_MAY_BE_EMPTY = 4,
	CONFIG_LIST = 8, /* the value may be several, with commas between */
};

/* Row i, or NULL after the last. */
const struct config_option *config_option_at(size_t i);

/* A key that was given as an option, in a file's place. The value is the caller's; NULL: the option
 * stood alone, which a switch may and which means yes. */
struct config_given {
	const struct config_option *option; /* of config_option_at */
	const char *value;
};

/* Whether the key takes 'yes' or 'no'. */
bool config_option_is_switch(const struct config_option *option);

void config_option_word(struct config_word *word, const struct config_option *option);

/* A key as whoever gave the tunnel writes it: "ListenPort =", or "--listen-port". */
void config_key_word(struct config_word *word, const struct config *config, const char *name);

/*
 * config_load of a tunnel that is in no file: its keys are given as options, in any order, those of
 * [Peer] all for the one peer. Keys that are secrets themselves are refused: other users see what a
 * program was started with. name is the tunnel's, fit for a device.
 */
int config_load_given(const char *name, const struct config_given *given, size_t count,
	struct config **config, struct config_problems *problems);

#endif
