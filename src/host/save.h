/* SPDX-License-Identifier: ISC */
/*
 * SaveConfig = true: what `wg` changed while the tunnel ran goes back into its file.
 *
 * As wg-quick(8) has it, these are saved: PrivateKey, ListenPort, FwMark, and of the peers which
 * there are and their PresharedKey, AllowedIPs, Endpoint and PersistentKeepalive. Other lines,
 * comments among them, stay as they are, and so does an Endpoint that is a name.
 */
#ifndef HOST_SAVE_H
#define HOST_SAVE_H

#include "host/config.h"
#include "host/text.h"

/*
 * The new text of the file: old is the text that config was read from, answer the engine's answer
 * to a get, with secrets, which is taken apart in the course of it. 0 and *new (empty: as it was),
 * the caller's; -EINVAL: not an answer, or not config's text; -EXDEV: a key that came from a file
 * of its own has another value now, and is not to be written elsewhere; -ENOTSUP: two [Interface]
 * sections; -EBADMSG: the new text could not be read again; -ENOMEM.
 */
int save_rewrite(struct text *new, const char *old, const struct config *config, char *answer);

/* Puts it into the file's place (host/save_place.h); state_path is the tunnel's (host/undo.h). 0;
 * -ESTALE: the file is another one than was read; -EKEYREJECTED: others can read it, and it would
 * hold a secret now; -EPERM: its owner keeps us from it; as above; other -errno; and *changed:
 * whether there was something to save. */
int save_file(const struct config *config, const char *state_path, char *answer, bool *changed);

#endif
