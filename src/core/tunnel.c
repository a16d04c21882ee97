/* SPDX-License-Identifier: ISC */
/*
 * The packet's story.
 *
 * Both directions go through a batch in three steps. Plan: look-ups, and a counter reserved for
 * each packet. Seal or open: a pure function of key, counter and bytes, which touches nothing
 * shared. Commit: replay window, roaming, timers, statistics and output, once for each run of
 * packets of one peer. Handshake messages stand between batches: they change sessions, so what was
 * planned before one is committed before it is looked at.
 */
#include "core/inner.h"
#include "core/tunnel_internal.h"

/* What sealing may add to a packet. */
enum { MESSAGE_ROOM = sizeof(struct wire_data) + WIRE_PADDING + AEAD_TAG_MAX };

void tunnel_report(struct tunnel *tunnel, struct tunnel_event event)
{
	struct peer *peer = (struct peer *)event.peer;
	const uint32_t bit = UINT32_C(1) << event.kind;
	const bool always = event.kind == TUNNEL_SESSION_UP || event.kind == TUNNEL_REKEYED ||
			    event.kind == TUNNEL_ENDPOINT_CHANGED;

	tunnel->counters.events[event.kind]++;
	if (peer && !always) {
		peer->trouble = (uint8_t)event.kind;
		if (peer->reported & bit)
			return;
		peer->reported |= bit;
	}
	tunnel->ops->report(tunnel->context, &event);
}

void tunnel_schedule(struct tunnel *tunnel, struct peer *peer)
{
	const uint64_t next = timers_next(&peer->timers);

	/* A later deadline is found out when the earlier one comes: cheaper than moving it each
	 * time. */
	if (next < peer->wakeup)
		wakeups_move(&tunnel->wakeups, peer, next);
}

struct session *tunnel_find_session(const struct tunnel *tunnel, uint32_t index)
{
	struct table_link *link = table_find(&tunnel->sessions, index);

	return link ? TABLE_ENTRY(link, struct session, by_index) : NULL;
}

void tunnel_retire_session(struct tunnel *tunnel, struct session *session)
{
	if (!session)
		return;
	table_remove(&tunnel->sessions, &session->by_index);
	session_wipe(session);
	session->retired = tunnel->retired;
	tunnel->retired = session;
}

void tunnel_reap(struct tunnel *tunnel)
{
	while (tunnel->retired) {
		struct session *session = tunnel->retired;

		tunnel->retired = session->retired;
		session_free(session);
	}
}

void tunnel_drop_sessions(struct tunnel *tunnel, struct peer *peer)
{
	handshake_forget(tunnel, peer);
	tunnel_retire_session(tunnel, peer->previous);
	tunnel_retire_session(tunnel, peer->current);
	tunnel_retire_session(tunnel, peer->next);
	peer->previous = peer->current = peer->next = NULL;
}

void tunnel_session_confirmed(struct tunnel *tunnel, struct peer *peer, struct now now, bool rekey)
{
	/* Who was missed and told to be away is back, whatever session there was. */
	if (peer->reported & UINT32_C(1) << TUNNEL_NO_ANSWER)
		rekey = false;
	timers_handshake_complete(&peer->timers);
	peer->last_handshake = now.wall;
	peer->last_handshake_boot = now.boot;
	peer->unanswered_since = 0;
	if (!rekey)
		peer->up_since = now.wall;
	peer->last_cipher = peer->current->cipher;
	peer->port.is_switch = peer->current->with_switch;
	peer->reported = 0;
	peer->trouble = 0;
	tunnel_report(
		tunnel, (struct tunnel_event){ .kind = rekey ? TUNNEL_REKEYED : TUNNEL_SESSION_UP,
				.peer = peer,
				.from = &peer->endpoint,
				.cipher = peer->current->cipher });
	ethernet_tell_switch(tunnel, peer);
}

/* ---- From the host to the network ---- */

static struct peer *owner_of(struct allowedips_owner *owner)
{
	return owner ? TABLE_ENTRY(owner, struct peer, allowed) : NULL;
}

/* A shared-key peer without allowed IPs is the other end of a plain point-to-point link. */
static bool owns_everything(const struct tunnel *tunnel, const struct peer *peer)
{
	return tunnel->local.shared && peer && !peer->allowed.count;
}

static struct peer *find_owner(const struct tunnel *tunnel, int family, const uint8_t *address)
{
	if (owns_everything(tunnel, tunnel->first_peer))
		return tunnel->first_peer;
	return owner_of(family == AF_INET ? allowedips_lookup4(tunnel->allowed, address)
					  : allowedips_lookup6(tunnel->allowed, address));
}

static struct peer *route(struct tunnel *tunnel, const struct tunnel_packet *packet)
{
	const int family = inner_family(packet->data, packet->len);

	if (!family) {
		tunnel->counters.malformed++;
		return NULL;
	}
	struct peer *peer = find_owner(tunnel, family, inner_destination(packet->data));

	if (!peer)
		tunnel->counters.no_route++;
	else if (tunnel_comes_back(tunnel, packet->data, packet->len, NULL, peer))
		return NULL;
	return peer;
}

/* To a multiple of 16, but not beyond the MTU: a longer packet would not pass where this one does.
 */
static size_t padded_length(const struct tunnel *tunnel, size_t len)
{
	const unsigned mtu = tunnel->mtu;

	if (tunnel->link == TUNNEL_LINK_ETHERNET)
		return ethernet_padded(len, mtu);
	const size_t last = mtu && len > mtu ? len % mtu : len;
	size_t padded = (last + WIRE_PADDING - 1) & ~(size_t)(WIRE_PADDING - 1);

	if (mtu && padded > mtu)
		padded = mtu;
	return len - last + padded;
}

/* The session with which so many messages may be sent now, or NULL. */
static struct session *sending_session(const struct peer *peer, size_t messages, uint64_t now)
{
	struct session *session = peer->current;

	if (!session || session_is_expired(session, now) || !endpoint_is_set(&peer->endpoint) ||
		session->cipher->reject_after - session->send_counter < messages)
		return NULL;
	return session;
}

bool tunnel_may_send(const struct peer *peer, struct now now)
{
	return !peer->staged_first && sending_session(peer, 1, now.boot);
}

/* What goes outside as the packet has it inside. */
static uint8_t congestion_mark(const struct tunnel *tunnel, const struct offload_split *split)
{
	if (!split->len)
		return 0;
	return tunnel->link == TUNNEL_LINK_ETHERNET ? ethernet_ecn(split)
						    : inner_ecn(split->packet);
}

/* Reserves counters for all that the job's packet will be split into. */
static void plan_seal(const struct tunnel *tunnel, struct seal_job *job, struct peer *peer,
	struct session *session)
{
	job->peer = peer;
	job->session = session;
	job->counter = session->send_counter;
	job->tos = congestion_mark(tunnel, &job->split);
	session->send_counter += job->split.count;
}

/* What is to be padded lies before the next segment's payload, which is put back. */
static void seal_padded(const struct tunnel *tunnel, const struct seal_job *job, uint8_t *sealed,
	uint8_t *plain, size_t len, size_t padded)
{
	uint8_t behind[WIRE_PADDING];

	memcpy(behind, plain + len, padded - len);
	memset(plain + len, 0, padded - len);
	if (tunnel->link == TUNNEL_LINK_ETHERNET)
		ethernet_pad(plain, len, padded);
	job->session->cipher->seal(&job->session->send, job->counter, sealed, plain, padded);
	memcpy(plain + len, behind, padded - len);
}

/* Seals the job's next segment into message, which has room. Returns the message's length. */
static size_t seal_segment(const struct tunnel *tunnel, struct seal_job *job, uint8_t *message)
{
	struct wire_data *head = (struct wire_data *)message;
	uint8_t *plain;
	const size_t len = offload_split_next(&job->split, &plain);
	const size_t padded = padded_length(tunnel, len);

	wire_put_type(head->type, WIRE_DATA, WIRE_WIREGUARD);
	wire_put32(head->receiver, job->session->remote_index);
	wire_put64(head->counter, job->counter);
	seal_padded(tunnel, job, message + sizeof(*head), plain, len, padded);
	job->counter++;
	return sizeof(*head) + padded + job->session->cipher->tag_len;
}

/* Whether the last burst can take the message: one that is shorter than those before it ends it. */
static bool burst_takes(const struct tunnel *tunnel, const struct seal_job *job, size_t len)
{
	if (!tunnel->burst_count)
		return false;
	const struct tunnel_burst *burst = &tunnel->bursts[tunnel->burst_count - 1];
	const struct seal_job *owner = tunnel->burst_jobs[tunnel->burst_count - 1];

	return owner->peer == job->peer && owner->tos == job->tos && len <= burst->datagram_len &&
	       burst->len % burst->datagram_len == 0;
}

static void add_message(
	struct tunnel *tunnel, const struct seal_job *job, const uint8_t *message, size_t len)
{
	if (burst_takes(tunnel, job, len)) {
		tunnel->bursts[tunnel->burst_count - 1].len += len;
		return;
	}
	tunnel->burst_jobs[tunnel->burst_count] = job;
	tunnel->bursts[tunnel->burst_count++] = (struct tunnel_burst){ message, len, len };
}

/* Seals what there is room for; false if jobs are left. */
static bool seal(struct tunnel *tunnel)
{
	uint8_t *at = tunnel->sealed;

	while (tunnel->seal_next < tunnel->seal_count) {
		struct seal_job *job = &tunnel->seal_jobs[tunnel->seal_next];

		while (job->split.done < job->split.count) {
			const size_t room = (size_t)(tunnel->sealed + SEALED_BYTES - at);

			if (room < job->split.segment_len + MESSAGE_ROOM ||
				tunnel->burst_count == BURSTS_MAX)
				return false;
			const size_t len = seal_segment(tunnel, job, at);

			add_message(tunnel, job, at, len);
			at += len;
		}
		tunnel->seal_next++;
	}
	return true;
}

static void commit_sealed_run(struct tunnel *tunnel, size_t first, size_t count, struct now now)
{
	const struct seal_job *job = tunnel->burst_jobs[first];
	struct peer *peer = job->peer;
	bool payload = false;

	for (size_t i = first; i < first + count; i++) {
		const struct tunnel_burst *burst = &tunnel->bursts[i];

		payload |= tunnel->burst_jobs[i]->split.len != 0;
		peer->counters.tx_bytes += burst->len;
		peer->counters.tx_packets +=
			(burst->len + burst->datagram_len - 1) / burst->datagram_len;
	}
	tunnel->ops->send(
		tunnel->context, &peer->endpoint, &tunnel->bursts[first], count, job->tos);
	timers_authentic_sent(&peer->timers, now.boot);
	if (payload)
		timers_data_sent(&peer->timers, now.boot);
	if (session_wants_rekey_sending(job->session, now.boot))
		handshake_want_in_turn(tunnel, peer, now);
	tunnel_schedule(tunnel, peer);
}

static void commit_sealed(struct tunnel *tunnel, struct now now)
{
	const struct seal_job *const *jobs = tunnel->burst_jobs;
	size_t first = 0;

	for (size_t i = 1; i <= tunnel->burst_count; i++) {
		if (i < tunnel->burst_count && jobs[i]->peer == jobs[first]->peer &&
			jobs[i]->tos == jobs[first]->tos)
			continue;
		commit_sealed_run(tunnel, first, i - first, now);
		first = i;
	}
	tunnel->burst_count = 0;
}

void tunnel_send_planned(struct tunnel *tunnel, struct now now)
{
	bool done = !tunnel->seal_count;

	while (!done) {
		done = seal(tunnel);
		commit_sealed(tunnel, now);
	}
	tunnel->seal_count = tunnel->seal_next = 0;
}

/* Each segment waits on its own. */
static void stage(struct peer *peer, struct offload_split *split)
{
	uint8_t *segment;
	size_t len;

	while ((len = offload_split_next(split, &segment)))
		peer_stage(peer, segment, len);
}

void tunnel_plan(struct tunnel *tunnel, struct peer *peer, struct now now)
{
	struct seal_job *job = &tunnel->seal_jobs[tunnel->seal_count];
	/* Nothing overtakes what waits already. */
	struct session *session =
		peer->staged_first ? NULL : sending_session(peer, job->split.count, now.boot);

	if (!session) {
		stage(peer, &job->split);
		handshake_want(tunnel, peer, now);
		return;
	}
	plan_seal(tunnel, job, peer, session);
	if (++tunnel->seal_count == SUPER_MAX)
		tunnel_send_planned(tunnel, now);
}

static void ip_outbound(struct tunnel *tunnel, struct tunnel_packet *packet, struct now now)
{
	struct peer *peer = route(tunnel, packet);
	struct seal_job *job = &tunnel->seal_jobs[tunnel->seal_count];

	if (!peer)
		return;
	if (offload_split_begin(&job->split, &packet->header, packet->data, packet->len, 0))
		tunnel->counters.malformed++;
	else
		tunnel_plan(tunnel, peer, now);
}

void tunnel_outbound(
	struct tunnel *tunnel, struct tunnel_packet *packets, size_t count, struct now now)
{
	if (!tunnel->up)
		return;
	for (size_t i = 0; i < count; i++)
		if (tunnel->link == TUNNEL_LINK_ETHERNET)
			ethernet_outbound(tunnel, &packets[i], now);
		else
			ip_outbound(tunnel, &packets[i], now);
	tunnel_send_planned(tunnel, now);
	tunnel_reap(tunnel);
}

/* One packet at a time: what was staged is little, and old. */
void tunnel_flush_staged(struct tunnel *tunnel, struct peer *peer, struct now now)
{
	if (!peer->staged_first || !tunnel->up)
		return;
	for (;;) {
		struct session *session = sending_session(peer, 1, now.boot);
		struct seal_job *job = &tunnel->seal_jobs[0];

		if (!session) {
			handshake_want(tunnel, peer, now);
			return;
		}
		struct peer_staged *staged = peer_unstage(peer);

		if (!staged)
			return;
		offload_split_whole(&job->split, staged->packet, staged->len);
		plan_seal(tunnel, job, peer, session);
		tunnel->seal_count = 1;
		tunnel_send_planned(tunnel, now);
		free(staged);
	}
}

void tunnel_send_keepalive(struct tunnel *tunnel, struct peer *peer, struct now now)
{
	if (!peer->staged_first)
		peer_stage(peer, NULL, 0);
	tunnel_flush_staged(tunnel, peer, now);
}

/* ---- From the network to the host ---- */

static void plan_open(struct tunnel *tunnel, struct tunnel_datagram *datagram, uint64_t now)
{
	const struct wire_data *head = (const struct wire_data *)datagram->data;
	struct session *session = tunnel_find_session(tunnel, wire_get32(head->receiver));

	if (!session) {
		tunnel->counters.unknown_session++;
		return;
	}
	const size_t overhead = sizeof(*head) + session->cipher->tag_len;
	const uint64_t counter = wire_get64(head->counter);

	if (datagram->len < overhead || counter >= session->cipher->reject_after ||
		now - session->born >= WIRE_REJECT_AFTER_TIME) {
		session->peer->counters.undecryptable++;
		return;
	}
	tunnel->open_jobs[tunnel->open_count++] = (struct open_job){
		.datagram = datagram,
		.session = session,
		.counter = counter,
		.len = datagram->len - overhead,
	};
}

static void open(struct tunnel *tunnel)
{
	for (size_t i = 0; i < tunnel->open_count; i++) {
		struct open_job *job = &tunnel->open_jobs[i];
		uint8_t *sealed = job->datagram->data + sizeof(struct wire_data);

		job->authentic = !job->session->cipher->open(&job->session->receive, job->counter,
			sealed, sealed, job->datagram->len - sizeof(struct wire_data));
	}
}

/* The first packet on a session that we answered shows that the peer has it too. */
static void confirm_next(struct tunnel *tunnel, struct session *session, struct now now)
{
	struct peer *peer = session->peer;

	if (session != peer->next)
		return;
	tunnel_send_planned(tunnel, now); /* on the sessions that it was planned for */
	const bool rekey = peer->current && !session_is_expired(peer->current, now.boot);

	tunnel_retire_session(tunnel, peer->previous);
	peer->previous = peer->current;
	peer->current = session;
	peer->next = NULL;
	handshake_forget(tunnel, peer);
	tunnel_session_confirmed(tunnel, peer, now, rekey);
	tunnel_flush_staged(tunnel, peer, now);
}

/* Which packet goes to the host: cut to its length, from an address that the peer may use. */
static void accept_inner(struct tunnel *tunnel, struct open_job *job)
{
	struct peer *peer = job->session->peer;
	uint8_t *packet = job->datagram->data + sizeof(struct wire_data);
	const int family = inner_family(packet, job->len);
	const size_t len = family ? inner_length(packet, job->len) : 0;

	if (!len) {
		tunnel->counters.malformed++;
		return;
	}
	if (find_owner(tunnel, family, inner_source(packet)) != peer) {
		peer->counters.refused_sources++;
		tunnel_report(tunnel, (struct tunnel_event){ .kind = TUNNEL_SOURCE_REFUSED,
					      .peer = peer,
					      .from = job->datagram->from,
					      .source = inner_source(packet),
					      .source_family = family });
		return;
	}
	if (!inner_decapsulate_ecn(packet, job->datagram->tos))
		return;
	peer->counters.rx_packets++;
	/* It has room for as many as are opened. */
	offload_merge_add(&tunnel->merge, packet, len, 0);
}

/* False: the packet is not to be believed. *from is where the one before it came from. */
static bool commit_opened_packet(
	struct tunnel *tunnel, struct open_job *job, const struct endpoint **from, struct now now)
{
	struct session *session = job->session;
	struct peer *peer = session->peer;

	if (session->dead) /* by a packet before this one in the batch */
		return false;
	if (!job->authentic) {
		peer->counters.undecryptable++;
		return false;
	}
	if (!replay_accept(&session->replay, job->counter, session->cipher->reject_after)) {
		peer->counters.replays++;
		return false;
	}
	session->received++;
	peer->counters.rx_bytes += job->datagram->len;
	if (*from != job->datagram->from)
		tunnel_roam(tunnel, peer, job->datagram->from);
	*from = job->datagram->from;
	confirm_next(tunnel, session, now);
	if (job->len && tunnel->link == TUNNEL_LINK_ETHERNET)
		ethernet_inbound(tunnel, job, now);
	else if (job->len)
		accept_inner(tunnel, job);
	return true;
}

static void commit_opened_run(struct tunnel *tunnel, size_t first, size_t count, struct now now)
{
	struct peer *peer = tunnel->open_jobs[first].session->peer;
	struct timers *timers = &peer->timers;
	const struct endpoint *from = NULL;
	bool heard = false, payload = false;

	for (size_t i = first; i < first + count; i++) {
		if (!commit_opened_packet(tunnel, &tunnel->open_jobs[i], &from, now))
			continue;
		heard = true;
		payload |= tunnel->open_jobs[i].len != 0;
	}
	if (!heard)
		return;
	timers_authentic_received(timers, now.boot);
	if (payload)
		timers_data_received(timers, now.boot);
	if (peer->current && !timers->sent_last_minute_handshake &&
		session_wants_rekey_receiving(peer->current, now.boot)) {
		timers->sent_last_minute_handshake = true;
		handshake_want(tunnel, peer, now);
	}
	tunnel_schedule(tunnel, peer);
}

static void deliver(struct tunnel *tunnel)
{
	const struct iovec *parts;
	size_t count;

	while ((parts = offload_merge_next(&tunnel->merge, &count)))
		tunnel->ops->deliver(tunnel->context, parts, count);
}

static void receive_planned(struct tunnel *tunnel, struct now now)
{
	const struct open_job *jobs = tunnel->open_jobs;
	size_t first = 0;

	if (!tunnel->open_count)
		return;
	open(tunnel);
	offload_merge_begin(&tunnel->merge, tunnel->merge_tcp, tunnel->merge_udp);
	for (size_t i = 1; i <= tunnel->open_count; i++) {
		if (i < tunnel->open_count && jobs[i].session->peer == jobs[first].session->peer)
			continue;
		commit_opened_run(tunnel, first, i - first, now);
		first = i;
	}
	tunnel->open_count = 0;
	tunnel_send_planned(tunnel, now); /* for other peers, before merging writes over it */
	deliver(tunnel);
	tunnel_reap(tunnel);
}

void tunnel_inbound(
	struct tunnel *tunnel, struct tunnel_datagram *datagrams, size_t count, struct now now)
{
	if (!tunnel->up)
		return;
	for (size_t i = 0; i < count; i++) {
		const int type = wire_classify(datagrams[i].data, datagrams[i].len);

		if (type == WIRE_DATA) {
			if (tunnel->open_count == BATCH_MAX)
				receive_planned(tunnel, now);
			plan_open(tunnel, &datagrams[i], now.boot);
		} else if (type) {
			receive_planned(tunnel, now);
			handshake_receive(tunnel, &datagrams[i], (enum wire_type)type, now);
		} else {
			tunnel->counters.malformed++;
		}
	}
	receive_planned(tunnel, now);
}

/* ---- Time ---- */

static void give_up(struct tunnel *tunnel, struct peer *peer)
{
	peer_drop_staged(peer);
	handshake_forget(tunnel, peer);
	tunnel_report(tunnel, (struct tunnel_event){ .kind = TUNNEL_GAVE_UP, .peer = peer });
}

static void act(struct tunnel *tunnel, struct peer *peer, unsigned actions, struct now now)
{
	if (actions & TIMERS_FORGET_SOURCE)
		endpoint_clear_source(&peer->endpoint);
	if (actions & TIMERS_GIVE_UP)
		give_up(tunnel, peer);
	if (actions & TIMERS_ZERO_KEYS)
		tunnel_drop_sessions(tunnel, peer);
	if (actions & TIMERS_RETRY)
		handshake_initiate(tunnel, peer, now);
	if (actions & TIMERS_INITIATE)
		handshake_want(tunnel, peer, now);
	if (actions & TIMERS_KEEPALIVE)
		tunnel_send_keepalive(tunnel, peer, now);
}

uint64_t tunnel_tick(struct tunnel *tunnel, struct now now)
{
	struct peer *peer;
	const bool more = handshake_turn(tunnel, now);

	while ((peer = wakeups_first(&tunnel->wakeups)) && peer->wakeup <= now.boot) {
		act(tunnel, peer, timers_expire(&peer->timers, now.boot), now);
		wakeups_move(&tunnel->wakeups, peer, timers_next(&peer->timers));
	}
	tunnel_reap(tunnel);
	if (more)
		return now.boot;
	return peer ? peer->wakeup : TIMERS_NEVER;
}
