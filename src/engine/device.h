/* SPDX-License-Identifier: ISC */
/* culvert-device: the engine alone, set up by `wg`. */
#ifndef ENGINE_DEVICE_H
#define ENGINE_DEVICE_H

/* culvert-device [-f] IFACE, with wireguard-go's calling convention. sodium_init() has been called.
 * Returns the exit status. */
int device_main(int argc, char **argv);

#endif
