/* SPDX-License-Identifier: ISC */
/* What a service manager hands over in $CREDENTIALS_DIRECTORY: systemd's LoadCredential=. */
#ifndef HOST_CREDENTIALS_H
#define HOST_CREDENTIALS_H

#include <stdbool.h>

/* The path of a credential, the caller's to free. NULL: there is none of this name, or no memory
 * (errno is ENOMEM then). */
char *credentials_find(const char *name);

/* Whether a path, as credentials_find made it, is a credential's. Its directory keeps others out;
 * the mode's group bits may be those of an access list. */
bool credentials_has(const char *path);

#endif
