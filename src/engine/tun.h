/* SPDX-License-Identifier: ISC */
/* The TUN or TAP device: IP packets or Ethernet frames, and super-packets of them (IFF_VNET_HDR),
 * read in batches. One that somebody else made may have four bytes before each (IFF_NO_PI is off).
 */
#ifndef ENGINE_TUN_H
#define ENGINE_TUN_H

#include <linux/if_tun.h>
#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/uio.h>

#include "core/tunnel.h"
#include "engine/sandbox.h"

/* Makes the device of this name, TUN or TAP by what it is to carry; it is there as long as *fd
 * (non-blocking, close-on-exec) is open. 0, or -errno, for which tun_explain has words. */
int tun_create(const char *name, enum tunnel_link link, int *fd);

/* How a device of ours is opened, beside its kind. */
enum { TUN_FLAGS = IFF_NO_PI | IFF_VNET_HDR };

/* The same of one that may be there already, with these flags (TUNSETIFF), which are the device's
 * from then on; IFF_MULTI_QUEUE must be as the device was made. Errors besides: -EBUSY: another
 * program has it; -EPERM: it is not ours; -EINVAL: it is of another kind. */
int tun_join(const char *name, int flags, int *fd);

/* Takes a descriptor of a TUN or TAP device that somebody else made, and makes it non-blocking and
 * close-on-exec. 0, its device's name, what that carries, and whether with a struct tun_pi before
 * it; -EINVAL: no such device; -EBADFD: not, or no longer, a device's; other -errno. */
int tun_attach(int fd, char name[IFNAMSIZ], enum tunnel_link *link, bool *pi);

/* The device's name now: it may have been renamed. 0; -EBADFD: the device is gone; other -errno. */
int tun_get_name(int fd, char name[IFNAMSIZ]);

/* Why tun_create failed and what to do about it: a sentence without a newline. error is negative.
 */
const char *tun_explain(int error);

/* What a device does for us; found out by tun_negotiate. */
struct tun_offload {
	bool header;               /* packets are preceded by a struct virtio_net_hdr */
	bool tcp;                  /* super-packets of TCP are read */
	bool udp;                  /* ... and of UDP, from kernel 6.2 */
	bool merge_tcp, merge_udp; /* ... and may be written */
	bool frames;               /* packets are Ethernet frames: it is a TAP device */
	bool pi;                   /* before all that there is a struct tun_pi */
};

/* Asks the device for as much as it has (wanted: else for nothing but plain packets), and tries out
 * whether it takes what it says. pi as tun_attach tells it; false for one of ours. */
struct tun_offload tun_negotiate(int fd, bool pi, bool wanted);

/* A part of tun_negotiate: writes one super-packet of each kind and takes back what is refused. */
void tun_probe(int fd, struct tun_offload *offload);

struct tun_batch; /* opaque: buffers for the packets of one read */

struct tun_batch *tun_batch_new(void); /* NULL: out of memory */
void tun_batch_free(struct tun_batch *batch);

/* Reads what is there, as far as the batch has room, without blocking. Returns how many and
 * *packets, which point into the batch until the next call and have WIRE_PADDING writable bytes
 * behind them. 0: nothing there. -EBADFD: the device is gone; other -errno. */
int tun_read_batch(struct tun_batch *batch, int fd, const struct tun_offload *offload,
	struct tunnel_packet **packets);

/* Writes one packet, whose first part is its struct virtio_net_hdr. One that the device refuses is
 * lost (as all are while it is down). 0 or -errno; -EBADFD: the device is gone. */
int tun_write(int fd, const struct tun_offload *offload, const struct iovec *parts, size_t count);

/* Writes the packets that were merged into one, each by itself. 0 or the first -errno. */
int tun_write_singly(
	int fd, const struct tun_offload *offload, const struct iovec *parts, size_t count);

/* What this module calls once the process is enclosed. */
extern const struct sandbox_call tun_calls[];

#endif
