/* SPDX-License-Identifier: ISC */
/* UDP over IPv4 and IPv6 on one port: batched receive and send, answers from the address that was
 * asked. */
#ifndef ENGINE_UDP_H
#define ENGINE_UDP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "core/endpoint.h"
#include "engine/sandbox.h"

/* A destination on the way to which the kernel refuses to cut up bursts: the MTU is smaller there,
 * as a rule. */
struct udp_refusal {
	struct endpoint to;
	size_t datagram_len; /* bursts of datagrams as long as this, or longer */
	unsigned left;       /* bursts to it, of any length, until it is tried again */
};

enum { UDP_REFUSALS = 64 };

/* What the sockets do for us; all zero: one datagram a message, both ways. */
struct udp_offload {
	bool send;               /* bursts go as one, to be cut up by the kernel (UDP_SEGMENT) */
	bool receive;            /* datagrams come merged (UDP_GRO) */
	bool refused4, refused6; /* send, in one family, by its route or network card: for good */
	unsigned refusal_count;
	unsigned next_refusal; /* the slot that is overwritten when all are in use */
	struct udp_refusal refusals[UDP_REFUSALS];
};

struct udp_sockets {
	int v4, v6; /* -1: closed, or the host lacks the family */
	bool both;  /* v6 is for IPv4, too (without IPV6_V6ONLY), and there is no v4 */
	uint16_t port;
	uint32_t fwmark;
	struct udp_offload offload;
};

#define UDP_SOCKETS_CLOSED ((struct udp_sockets){ .v4 = -1, .v6 = -1 })

/*
 * Opens both families on one port (0: a random one that both have free, tried 100 times), with
 * PKTINFO, large buffers and the mark (0: none). A host without one family gets the other alone. 0
 * and *sockets, or -errno. Needs CAP_NET_ADMIN for the mark and for buffers above the system's
 * limit (without it they stay at that limit).
 */
int udp_open(struct udp_sockets *sockets, uint16_t port, uint32_t fwmark);
void udp_close(struct udp_sockets *sockets);

/* Makes of a bound socket of a family one as udp_open makes it; both: of one for both families. 0
 * or -errno. */
int udp_adopt(int fd, int family, bool both);
/* The mark of a socket; takes CAP_NET_ADMIN. 0 or -errno. */
int udp_set_mark(int fd, uint32_t fwmark);

/* Asks sockets that are open for as much as the kernel has (wanted: else for nothing). */
void udp_negotiate(struct udp_sockets *sockets, bool wanted);

/* Whether bursts of a family go as one. */
static inline bool udp_segments(const struct udp_offload *offload, int family)
{
	return offload->send && !(family == AF_INET ? offload->refused4 : offload->refused6);
}

/* Datagrams that found the sockets' buffers full since they were opened. */
uint64_t udp_receive_drops(const struct udp_sockets *sockets);

struct udp_batch; /* opaque: buffers for one batch of received datagrams */

struct udp_batch *udp_batch_new(void); /* NULL: out of memory */
void udp_batch_free(struct udp_batch *batch);

struct tunnel_burst;
struct tunnel_datagram;

/* Receives what is there, as far as the batch has room, without blocking. Returns how many and
 * *datagrams pointing into the batch until the next call; 0: nothing there, or nothing of use;
 * -errno. What the kernel merged (UDP_GRO) is taken apart. */
int udp_receive(struct udp_batch *batch, int fd, struct tunnel_datagram **datagrams);

/*
 * Sends bursts to one endpoint, in order, with the TOS byte; from the endpoint's source if it has
 * one, which is cleared (and the send repeated) if the kernel refuses it. A burst goes as one where
 * the kernel can cut it up (UDP_SEGMENT), else by datagrams; where that was refused, it is not
 * tried again for a while. Partial sends are taken up again. A full socket buffer or an error costs
 * the packet, never the loop. Returns 0 or the first -errno.
 */
int udp_send(struct udp_sockets *sockets, struct endpoint *to, const struct tunnel_burst *bursts,
	size_t count, uint8_t tos);

/* Takes our address, the interface (into the endpoint), the TOS byte and the length of merged
 * datagrams (0: there is but one) from a received message's control data, whatever it holds. A part
 * of udp_receive, here for its test. */
void udp_read_control(
	struct msghdr *message, struct endpoint *from, uint8_t *tos, size_t *datagram_len);

/* What this module calls once the process is enclosed; and where that includes
 * udp_open. */
extern const struct sandbox_call udp_calls[];
extern const struct sandbox_call udp_open_calls[];

#endif
