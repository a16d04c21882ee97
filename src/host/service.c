/* SPDX-License-Identifier: ISC */
/* The tunnel as a service: when it is ready, what its status line says, that it is alive. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "engine/log.h"
#include "host/key_index.h"
#include "host/monitor_state.h"

enum {
	WATCHDOG_SHARE = 3,   /* we tell that we are alive three times as often as we must */
	PEERS_POLL = 5000,    /* milliseconds from one look at the peers to the next */
	PEERS_POLL_EACH = 20, /* and for each of them so much more */
	PEERS_POLL_MOST = 60000,
};

void service_open(struct monitor *monitor)
{
	int error = notify_open(&monitor->notify);

	if (error)
		log_line(LOG_WARNING, "cannot reach the service manager at $NOTIFY_SOCKET: %s",
			strerror(-error));
}

static void write_status(const struct monitor *monitor, char text[SERVICE_STATUS_SIZE])
{
	const char *error = monitor->last_error;

	if (strcmp(monitor->state, "running") != 0)
		snprintf(text, SERVICE_STATUS_SIZE, "%s%s%s", monitor->state, *error ? ": " : "",
			error);
	else
		snprintf(text, SERVICE_STATUS_SIZE, "%s is up, MTU %u%s%s%s%s",
			monitor->config->device, monitor->mtu, *monitor->service_peers ? "; " : "",
			monitor->service_peers, *error ? "; last error: " : "", error);
}

static const struct config_peer *find_peer(
	const struct config *config, const struct key_index *index, const uint8_t key[KEY_LEN])
{
	uint8_t own[KEY_LEN];
	ptrdiff_t at;

	if (config->shared_key.given) {
		diff_peer_key(config, config->peers, own);
		return key_equal(own, key) ? config->peers : NULL;
	}
	at = key_index_find(index, key);
	return at == KEY_INDEX_NONE ? NULL : &config->peers[at];
}

static bool is_unresolved(const struct monitor *monitor, const struct config_peer *peer)
{
	const struct monitor_lookup *lookup = endpoints_lookup(monitor, peer);

	return lookup && !endpoint_is_set(&lookup->endpoint);
}

/* One that is not in the file was added by `wg`, and nobody here knows whether it is to be called.
 */
static void count_peer(struct monitor *monitor, struct peer_summary *summary,
	const struct config_peer *peer, const uint8_t key[KEY_LEN], struct peer_facts *facts)
{
	char base64[KEY_BASE64_SIZE];
	const char *name = base64;

	key_to_base64(base64, key);
	if (peer && peer->name)
		name = peer->name;
	else if (peer && peer->endpoint.host)
		name = peer->endpoint.host;
	facts->unresolved = peer && is_unresolved(monitor, peer);
	peer_summary_add(summary, name, facts, peer && peer->endpoint.host, (uint64_t)time(NULL));
}

/* How the peers do. That is looked at now and then and told if it has changed, so that a peer that
 * comes and goes does not flood the journal. */
static void look_at_peers(struct monitor *monitor)
{
	static char get[] = "get=1\n\n";
	const struct text request = { .bytes = get, .len = sizeof(get) - 1 };
	const struct config *config = monitor->config;
	const uint64_t pause = PEERS_POLL + PEERS_POLL_EACH * (uint64_t)config->peer_count;
	struct peer_summary summary = { 0 };
	struct key_index index;
	struct text answer = { 0 };
	struct peer_facts facts;
	uint8_t key[KEY_LEN];
	char *rest;

	monitor->peers_due = monitor_now() + (pause < PEERS_POLL_MOST ? pause : PEERS_POLL_MOST);
	if (engine_get(monitor, &request, &answer))
		return;
	if (key_index_make(&index, config->peers, config->peer_count, sizeof(*config->peers),
		    offsetof(struct config_peer, public_key.bytes))) {
		text_free(&answer);
		return;
	}
	rest = answer.bytes;
	while (peer_facts_parse(&rest, key, &facts))
		count_peer(monitor, &summary, find_peer(config, &index, key), key, &facts);
	text_free(&answer);
	key_index_free(&index);
	monitor->service_peers[0] = '\0';
	if (summary.count)
		peer_summary_text(monitor->service_peers, &summary);
}

void service_status(struct monitor *monitor)
{
	char text[SERVICE_STATUS_SIZE];

	write_status(monitor, text);
	if (!strcmp(text, monitor->service_status))
		return;
	memcpy(monitor->service_status, text, sizeof(text));
	notify_send(&monitor->notify, "STATUS=%s", text);
}

void service_ready(struct monitor *monitor)
{
	notify_send(&monitor->notify, "READY=1");
	service_status(monitor);
}

void service_reloading(struct monitor *monitor)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	notify_send(&monitor->notify, "RELOADING=1\nMONOTONIC_USEC=%lld",
		(long long)now.tv_sec * 1000000 + now.tv_nsec / 1000);
}

void service_stopping(struct monitor *monitor)
{
	notify_send(&monitor->notify, "STOPPING=1");
	service_status(monitor);
}

static void plan_watchdog(struct monitor *monitor)
{
	monitor->watchdog_due = monitor_now() + monitor->notify.watchdog / WATCHDOG_SHARE;
}

/* That the engine answers is shown by asking it. */
static void feed_watchdog(struct monitor *monitor)
{
	static char nothing[] = "set=1\n\n";
	const struct text request = { .bytes = nothing, .len = sizeof(nothing) - 1 };
	int error = engine_ask(monitor, &request);

	if (!error)
		notify_send(&monitor->notify, "WATCHDOG=1");
	else if (error != -EINTR)
		monitor_error(monitor, "the engine does not answer: %s", strerror(-error));
	plan_watchdog(monitor);
}

static uint64_t watchdog_due(const struct monitor *monitor)
{
	return monitor->notify.watchdog ? monitor->watchdog_due : MONITOR_NEVER;
}

static uint64_t peers_due(const struct monitor *monitor)
{
	return monitor->notify.fd >= 0 ? monitor->peers_due : MONITOR_NEVER;
}

void service_work(struct monitor *monitor)
{
	if (peers_due(monitor) <= monitor_now())
		look_at_peers(monitor);
	service_status(monitor);
	if (watchdog_due(monitor) <= monitor_now())
		feed_watchdog(monitor);
}

uint64_t service_breathe(struct monitor *monitor)
{
	if (!monitor->busy || watchdog_due(monitor) == MONITOR_NEVER)
		return MONITOR_NEVER;
	if (watchdog_due(monitor) <= monitor_now()) {
		notify_send(&monitor->notify, "WATCHDOG=1");
		plan_watchdog(monitor);
	}
	return watchdog_due(monitor);
}

uint64_t service_due(const struct monitor *monitor)
{
	const uint64_t peers = peers_due(monitor), watchdog = watchdog_due(monitor);

	return peers < watchdog ? peers : watchdog;
}
