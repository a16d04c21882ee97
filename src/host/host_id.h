/* SPDX-License-Identifier: ISC */
/* What tells the two ends of a shared-key tunnel apart, and stays the same over restarts. */
#ifndef HOST_HOST_ID_H
#define HOST_HOST_ID_H

#include "host/config.h"

/* A digest of this machine's id and the tunnel's addresses: two machines cloned from one image have
 * the same id, but never the same addresses in one tunnel. */
void host_id_make(uint8_t id[KEY_LEN], const struct config *config);

#endif
