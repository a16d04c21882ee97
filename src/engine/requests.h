/* SPDX-License-Identifier: ISC */
/*
 * What the engine may ask of the monitor, beside the control protocol that the monitor speaks to
 * it: one fixed-size datagram each way over a SOCK_SEQPACKET pair. The monitor treats requests as
 * hostile.
 */
#ifndef ENGINE_REQUESTS_H
#define ENGINE_REQUESTS_H

#include <stdint.h>

#include "engine/sandbox.h"
#include "engine/udp.h"

/* Engine's side: sockets on a port (0: any) with a mark, made by the monitor. Waits for the answer.
 * 0 and *sockets filled in, or -errno. */
int requests_open_sockets(int fd, uint16_t port, uint32_t fwmark, struct udp_sockets *sockets);

/* Monitor's side: reads one request and answers it, on their port with the sockets that were given
 * to it (closed ones: none), which stay its own. 0; -EPIPE: the engine has gone; -EPROTO: it sent
 * something malformed (and must be ended); other -errno. */
int requests_serve(int fd, const struct udp_sockets *given);

/* What the engine's side calls once the process is enclosed. */
extern const struct sandbox_call requests_calls[];

#endif
