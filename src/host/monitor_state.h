/* SPDX-License-Identifier: ISC */
/*
 * What the parts of the monitor share: monitor.c (the loop), bringup.c (the steps and their undo),
 * ethernet.c (bridges), engine_link.c (the engine), endpoints.c (names and MTU), network.c (the
 * network around), routing.c (rules and kill switch), control.c (`culvert status`, `culvert
 * reload`, `culvert pause`), reload.c, service.c (systemd).
 *
 * There is one loop, monitor_pump. It only moves bytes and notes what happened; whoever waits for
 * something (a hook's end, the engine's answer) pumps until it is noted, so that the engine is
 * served all the time. What takes long, and would pump in turn, is started from the top of the loop
 * alone.
 */
#ifndef HOST_MONITOR_STATE_H
#define HOST_MONITOR_STATE_H

#include <limits.h>
#include <net/if.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "core/endpoint.h"
#include "host/clockwatch.h"
#include "host/config.h"
#include "host/diff.h"
#include "host/dns.h"
#include "host/inherited.h"
#include "host/key_index.h"
#include "host/lasting.h"
#include "host/metrics.h"
#include "host/names.h"
#include "host/netlink.h"
#include "host/notify.h"
#include "host/peer_state.h"
#include "host/resolve.h"
#include "host/routing.h"
#include "host/text.h"

enum {
	MONITOR_CLIENTS_MAX = 8,
	MONITOR_LOOKUPS_AT_ONCE = 8,
	MONITOR_TEXT_SIZE = 256,
	SERVICE_STATUS_SIZE = 2 * MONITOR_TEXT_SIZE + PEER_SUMMARY_SIZE,
};

#define MONITOR_NEVER UINT64_MAX

/* A peer whose endpoint is a name. */
struct monitor_lookup {
	const struct config_peer *peer; /* in monitor.config */
	uint8_t key[KEY_LEN];           /* by which the engine knows it */
	struct names names;
	struct endpoint endpoint; /* where the engine sends, as far as we know; unset until then */
	bool renamed;             /* the file has another name than before: its first address
				     counts, whether the peer is reached or not */
	pid_t pid;                /* 0: no look-up is running */
	int fd;
	bool ready; /* fd has the answer */
	char error[RESOLVE_ERROR_SIZE];
};

/* A peer of the file, as it is found by its key. */
struct monitor_peer {
	uint8_t key[KEY_LEN];          /* by which the engine knows it */
	const struct config_peer *of;  /* in monitor.config */
	struct monitor_lookup *lookup; /* NULL: its endpoint is no name */
};

/* What is known of the network around, to see that it is another one. */
struct monitor_network {
	int watch;        /* netlink, -1: there is none */
	int inside;       /* the same where the device's bridge is, if that is elsewhere; else -1 */
	uint64_t due;     /* of a reaction; MONITOR_NEVER: nothing happened */
	uint64_t reacted; /* when last; 0: never */
	struct text ways; /* to the peers, as they were last */
	int timer;        /* boot time, so that it ends with a sleep */
	struct clockwatch clocks;
	uint64_t slept; /* milliseconds, since the last reaction */
	time_t changed; /* when last, for status; 0: never */
};

enum monitor_client_state {
	CLIENT_ASKING,
	CLIENT_WAITING,   /* for a reload or a pause to begin */
	CLIENT_RELOADING, /* for a reload that has begun */
	CLIENT_PAUSING,   /* for a pause that has begun */
	CLIENT_ANSWERING, /* out is complete: it is sent, then that was it */
};

/* Somebody at our control socket. */
struct monitor_client {
	int fd;   /* -1: a free slot */
	int file; /* the tunnel's, which it handed over for a reload; -1: none */
	enum monitor_client_state state;
	uint64_t deadline;
	uint64_t turn;    /* of one that waits: who came earlier has a smaller one */
	bool wants_pause; /* not a reload */
	unsigned seconds; /* of the pause */
	struct text in, out;
};

struct monitor_dns {
	enum dns_backend backend; /* by which the configuration's DNS is set now */
	char why[DNS_WHY_SIZE];   /* it is not, although it should be; empty otherwise */
	bool touched;             /* there may be something to put back */
	bool paused;              /* as routing was when dns_step_work came by last */
};

struct monitor {
	struct config *config;
	bool no_hooks;
	const char *state; /* "starting", "running", "stopping" */
	time_t since;
	char last_error[MONITOR_TEXT_SIZE];

	int lock;
	int signals;
	int listener; /* our control socket */
	struct monitor_client clients[MONITOR_CLIENTS_MAX];
	uint64_t turns;        /* that were given to clients */
	unsigned stop_signals; /* how often we were told to stop */
	bool reload;           /* somebody asked for one */
	bool busy; /* the loop stands still, with what has limits of its own: a reload, a helper */
	int reload_file; /* with this file; -1: with that at the configuration's path */

	struct netlink *netlink;
	struct netlink *inside; /* where the device is; without NetworkNamespace the same */
	int netns;              /* -1: here */
	char *netns_path;       /* NULL: here */
	unsigned interface;     /* the device's number, where it is */
	int tun;
	struct inherited given;
	bool made_device; /* it was not there before, or is one of ours that stays no longer */
	struct lasting lasting;
	int wg_listener; /* where `wg` connects; the engine's as soon as there is one */
	bool wg_listener_made;
	size_t steps_begun;
	bool pre_up_started, post_up_started;
	bool came_up; /* all steps were done once */
	bool link_is_up;
	bool in_bridge;          /* the device was added to one */
	const char *bridge_lost; /* it is not in there any more, why; NULL: it is */
	struct diff installed;   /* the addresses and routes that the configuration wants; what the
				    host refused in a reload is left off */
	size_t addresses_added, routes_added;
	unsigned mtu;
	char mtu_why[MONITOR_TEXT_SIZE];

	const char *user;
	uid_t uid;
	gid_t gid;
	pid_t engine; /* 0: not running */
	int engine_status;
	int engine_control, engine_requests;
	struct text engine_out, engine_in; /* hold secrets */
	unsigned engine_owes;              /* answers that have not come yet */

	struct monitor_dns dns;
	struct dns_places dns_places;
	char *netns_resolv_conf; /* NULL: not in a namespace of ip-netns(8)'s */

	pid_t hook; /* 0: none is running */
	int hook_status;

	struct monitor_lookup *lookups;
	size_t lookup_count;
	struct monitor_peer *peers; /* the file's, in its order */
	struct key_index peer_index;

	struct notify notify;
	uint64_t watchdog_due;                    /* milliseconds */
	uint64_t peers_due;                       /* milliseconds, of the next look at them */
	char service_peers[PEER_SUMMARY_SIZE];    /* how they did at the last; empty: not known */
	char service_status[SERVICE_STATUS_SIZE]; /* as it was told last */
	struct routing routing;
	struct text resolv_conf; /* as it was before we came */
	uint64_t names_due;      /* when the engine is asked next how the peers are reached */
	struct monitor_network network;
	struct metrics metrics;
};

/* Logs an error and keeps it for status. */
void monitor_error(struct monitor *monitor, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Milliseconds that never go back, and go on while the machine sleeps; and of another clock. */
uint64_t monitor_now(void);
uint64_t monitor_clock(clockid_t clock);

/* Waits until something happens or it is `until`, and takes note of it. */
void monitor_pump(struct monitor *monitor, uint64_t until);

/* The device's number among those around us: none, if it is elsewhere. */
static inline unsigned monitor_interface_here(const struct monitor *monitor)
{
	return monitor->netns_path ? UINT_MAX : monitor->interface;
}

/* bringup.c. bringup_start: 0 or -errno, said already; what was done is to be undone by
 * bringup_undo. */
int bringup_start(struct monitor *monitor);
void bringup_undo(struct monitor *monitor);
int bringup_add_address(
	struct monitor *monitor, const struct config_prefix *address, bool may_exist);
int bringup_add_route(struct monitor *monitor, const struct diff_route *route, bool may_exist);
void bringup_delete_addresses(
	struct monitor *monitor, const struct config_prefixes *addresses, size_t count);
void bringup_delete_routes(struct monitor *monitor, const struct diff_routes *routes, size_t count);

/* ethernet.c: what a device that carries Ethernet frames has beside others. All of them do nothing
 * for other tunnels. 0 or -errno, said already. */
int ethernet_set_address(struct monitor *monitor);
/* A link-local address of its own is for a device that is a host's, not for a bridge's port, nor
 * for one that carries IP packets. */
bool ethernet_has_link_local(const struct monitor *monitor);
/* Adds the device to its bridge, if it is not there. */
int ethernet_join_bridge(struct monitor *monitor);
void ethernet_leave_bridge(struct monitor *monitor);
/* The same when the network has changed: the bridge may have gone, or have been made anew, or
 * somebody has taken the device out. Says what is the matter. */
void ethernet_find_bridge(struct monitor *monitor);
/* The MTU that the bridge has without our device; 0: there is no bridge, or not yet. */
unsigned ethernet_bridge_mtu(struct monitor *monitor);

/* engine_link.c. engine_ask sends one request and waits for the answer: 0 or the engine's -errno;
 * -EPIPE: it has ended, -EINTR: we are told to stop meanwhile, -ETIMEDOUT. */
int engine_start(struct monitor *monitor);
void engine_stop(struct monitor *monitor);
int engine_ask(struct monitor *monitor, const struct text *request);
/* The same, and with 0 the answer, which may hold secrets, to be freed. */
int engine_get(struct monitor *monitor, const struct text *request, struct text *answer);
void engine_on_readable(struct monitor *monitor);
void engine_on_writable(struct monitor *monitor);
void engine_on_exit(struct monitor *monitor, int wait_status);
/* It sent what an engine does not send, whoever it is now: it is killed, and that is said. */
void engine_broke_protocol(struct monitor *monitor, const char *what);

/* endpoints.c. endpoints_plan makes the lists anew from the configuration and, in a reload, keeps
 * what is known of endpoints that stay. */
int endpoints_plan(struct monitor *monitor, bool reload);
void endpoints_free(struct monitor *monitor);
/* NULL: the file has no such peer. There may be thousands. */
const struct monitor_peer *endpoints_peer(
	const struct monitor *monitor, const uint8_t key[KEY_LEN]);
void endpoints_work(struct monitor *monitor); /* starts what is due, uses what has come */
uint64_t endpoints_due(const struct monitor *monitor);
void endpoints_on_exit(struct monitor *monitor, pid_t pid);
/* Asks the engine how the peers are reached whose endpoints are names, and acts on that. */
void endpoints_ask(struct monitor *monitor);
/* Another network: names are looked up again, and whatever was heard in the old one is forgotten.
 */
void endpoints_network_changed(struct monitor *monitor);
/* Where a peer of the file is, as far as we know; false: nowhere yet. */
bool endpoints_known(
	const struct monitor *monitor, const struct config_peer *peer, struct endpoint *endpoint);
/* Finds out the MTU and sets it if it is another than before. 0 or -errno, said already. */
int endpoints_set_mtu(struct monitor *monitor);

/* network.c: what changes around us, sleep, and clocks. network_open: 0 or -errno. */
int network_open(struct monitor *monitor);
void network_close(struct monitor *monitor);
void network_learn(struct monitor *monitor);   /* endpoints are others: which ways lead there */
void network_suspect(struct monitor *monitor); /* a way has gone: it is another network, surely */
void network_on_news(struct monitor *monitor);
void network_on_news_inside(struct monitor *monitor);
void network_on_timer(struct monitor *monitor);
void network_work(struct monitor *monitor); /* reacts, when that is due */
uint64_t network_due(const struct monitor *monitor);
/* By how many seconds the clock is behind what it has shown; 0: not at all. */
uint64_t network_clock_behind(const struct monitor *monitor);

/* control.c */
int control_open(struct monitor *monitor);
void control_close(struct monitor *monitor);
void control_on_connect(struct monitor *monitor);
void control_on_readable(struct monitor *monitor, struct monitor_client *client);
void control_on_writable(struct monitor_client *client);
void control_client_drop(struct monitor_client *client);
/* Its deadline is over: one that waits for us hears that we are still at it. */
void control_client_overdue(struct monitor_client *client);
/* Pauses, and reads the file again, for whoever asked, if anybody did. */
void control_work(struct monitor *monitor);

/* service.c. What the service manager is told, if there is one. */
void service_open(struct monitor *monitor);
void service_ready(struct monitor *monitor); /* after the start, and after a reload */
void service_reloading(struct monitor *monitor);
void service_stopping(struct monitor *monitor);
void service_status(struct monitor *monitor); /* if it is another than before */
void service_work(struct monitor *monitor);   /* what is due */
uint64_t service_due(const struct monitor *monitor);
/* While we are busy, which is for no more time than helpers are given: says that we are alive, if
 * that is due. When it is due next. */
uint64_t service_breathe(struct monitor *monitor);

/* reload.c. Problems go to *answer as lines "problem=..."; returns whether all is as the file says
 * now. */
bool reload_run(struct monitor *monitor, struct text *answer);

#endif
