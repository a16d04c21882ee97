/* SPDX-License-Identifier: ISC */
/*
 * DNS =: the host's resolver set to the tunnel's servers, and put back.
 *
 * Who does it depends on the host: systemd-resolved where it manages resolv.conf, which alone can
 * send some domains through a tunnel and the rest elsewhere; else resolvconf (Debian's or
 * openresolv); else resolv.conf is replaced (host/dns_file.h). What was done is recorded in the run
 * directory's NAME.dns before it is done, so that another process can undo it.
 */
#ifndef HOST_DNS_H
#define HOST_DNS_H

#include <stdbool.h>

#include "host/config.h"

enum dns_backend {
	DNS_NONE, /* nothing is set */
	DNS_RESOLVED,
	DNS_RESOLVCONF,
	DNS_FILE,
};

enum { DNS_WHY_SIZE = 256 };

/* Where things are. */
struct dns_places {
	const char *run_directory; /* NULL: that of who we are (host/place.h) */
	const char *resolv_conf;
	const char *resolved_directory; /* where systemd-resolved has its socket and its files */
	const char *interface_order;    /* of Debian's resolvconf */
};

extern const struct dns_places dns_host_places;

struct dns_settings {
	const char *name;   /* the tunnel's */
	const char *device; /* the network device's */
	const struct config_dns *dns;
	bool everything; /* all names are looked up through the tunnel, not only its domains */
};

/* Runs a program (host/helper.h) to its end, or for a limited time: whether it succeeded, or a
 * sentence of why not. */
struct dns_runner {
	bool (*run)(void *context, const char *const *arguments, const char *input,
		char why[DNS_WHY_SIZE]);
	void *context;
};

/* The pointers lead into the configuration. */
struct dns_settings dns_settings_from(const struct config *config);
bool dns_settings_same(const struct dns_settings *a, const struct dns_settings *b);

/* "systemd-resolved", "resolvconf", "resolv.conf"; NULL for DNS_NONE. */
const char *dns_backend_name(enum dns_backend backend);

/* Which one fits this host; who is not root can have systemd-resolved alone. DNS_NONE: none does,
 * *why says it. */
enum dns_backend dns_choose(const struct dns_places *places, bool is_root, char why[DNS_WHY_SIZE]);

/*
 * Sets servers and domains by that back end; again, with other settings, it replaces them. The
 * device must be there. Whether it is done; else why says why not, and nothing is set, unless why
 * says that it could not be undone: then the record is still there for dns_undo_left_over.
 */
bool dns_set(const struct dns_places *places, enum dns_backend backend,
	const struct dns_settings *settings, const struct dns_runner *runner,
	char why[DNS_WHY_SIZE]);

/*
 * Undoes what the tunnel's record and its resolv.conf say was done, by this process or by one that
 * was killed, today or before a restart of the machine; where there is nothing to undo, nothing is
 * done. Only while the tunnel's lock is held. Whether that worked; why is a notice for the log, or
 * empty.
 */
bool dns_undo_left_over(const struct dns_places *places, const char *name,
	const struct dns_runner *runner, char why[DNS_WHY_SIZE]);

/* By what something was done that dns_undo_left_over would undo. DNS_NONE: there is nothing. */
enum dns_backend dns_left_over(const struct dns_places *places, const char *name);

/* The same step by step: undoes what one back end did under that record. */
bool dns_restore(const struct dns_places *places, enum dns_backend backend, const char *record,
	const struct dns_runner *runner, char why[DNS_WHY_SIZE]);

/* A runner that just waits for the program. For a process that has nothing else to do. */
extern const struct dns_runner dns_plain_runner;

#endif
