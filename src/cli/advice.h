/* SPDX-License-Identifier: ISC */
/* What a tunnel that is right would hardly do as it was meant. */
#ifndef CLI_ADVICE_H
#define CLI_ADVICE_H

struct config;

/* Says it on standard error, one warning a line, as the file's own problems are said. What others
 * may have set up, a device that is there with its addresses above all, is not missed. */
void advice_print(const struct config *config);

#endif
