/* SPDX-License-Identifier: ISC */
/* DNS as steps of a tunnel's life: host/dns.h run from the monitor's loop. */
#ifndef HOST_DNS_STEP_H
#define HOST_DNS_STEP_H

struct config;
struct monitor;
struct text;

/* What a monitor of this tunnel that was killed has left behind is put back, before any name is
 * looked up. 0: a failure is logged. */
int dns_step_clean(struct monitor *monitor);

/* Once the link is up. 0: the tunnel runs without, a failure is logged and kept in monitor->dns. */
int dns_step_up(struct monitor *monitor);
void dns_step_down(struct monitor *monitor);

/* After a reload, monitor->config being the new one: 0, or -EIO and a line "problem=" for the
 * answer. What was not set before and does not differ is tried again; that it is not set is then as
 * at the start a line "warning=". In a pause nothing is set before its end. */
int dns_step_change(struct monitor *monitor, const struct config *old, struct text *answer);

/* From the top of the loop, when somebody has asked for a pause (host/routing.h) or its end: in one
 * the host's own DNS is in effect, because the login page's name is known nowhere else, and then
 * the tunnel's again. Killed in one, the tunnel has left nothing of DNS. What failed the last time
 * is tried again. 0; or -EIO, and lines "problem=" for the client. */
int dns_step_pause(struct monitor *monitor, struct text *answer);
/* The same when one has begun or ended; nobody waits for an answer. */
void dns_step_work(struct monitor *monitor);

#endif
