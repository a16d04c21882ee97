/* SPDX-License-Identifier: ISC */
/* Descriptors that whoever started us has opened: of a service manager's socket units
 * (sd_listen_fds(3)), and WG_TUN_FD. */
#ifndef HOST_INHERITED_H
#define HOST_INHERITED_H

#include <net/if.h>
#include <stdbool.h>

#include "engine/udp.h"
#include "host/config.h"

struct inherited {
	int tun; /* -1: none */
	char device[IFNAMSIZ];
	bool pi;                /* engine/tun.h */
	struct udp_sockets udp; /* closed ones: none */
};

enum { INHERITED_WHY_SIZE = 256 };

/* Takes what the environment tells of, and that out of the environment; each is known by what it
 * is: a TUN or TAP device, or a UDP socket on a port, one for each family. 0; or -EINVAL and a
 * sentence, if one is something else. */
int inherited_take(struct inherited *inherited, char why[INHERITED_WHY_SIZE]);
void inherited_close(struct inherited *inherited);

/* Whether there may be some. */
bool inherited_any(void);

/* Why a file does not go with the sockets, or NULL. */
const char *inherited_refusal(const struct inherited *inherited, const struct config *config,
	char why[INHERITED_WHY_SIZE]);

#endif
