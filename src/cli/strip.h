/* SPDX-License-Identifier: ISC */
/* A tunnel's configuration as the stock `wg setconf` takes it. */
#ifndef CLI_STRIP_H
#define CLI_STRIP_H

#include "host/config.h"
#include "host/text.h"

/* Adds what `wg setconf` knows, with the keys themselves where the file names key files. 0, or
 * -ENOTSUP and *why says what WireGuard has no word for. */
int strip_config(const struct config *config, struct text *text, const char **why);

#endif
