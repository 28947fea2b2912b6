/*
 * tcp_receive.c: what arrives for connections: the handshake, bytes in any order, the end, resets. The bytes are still
 * with the sender, who keeps them until they are acknowledged. Loop's thread only.
 */
#include "tcp.h"
#include "tcp_rest.h"

#include <string.h>

/* ---- the handshake ---- */

static void tcp_refuse(const struct il__sim_packet *p)
{
	il__sim_tcp_reset(p->sender, p->to, p->target);
}

/* One whose handshake has begun, on the listener's side. */
static struct il__sim_tcp *tcp_answer(const struct il__sim_packet *p, struct il__sim_end *listener)
{
	struct il__sim_tcp *t = il__sim_tcp_make(p->to, p->from, p->target, p->source);

	if (!t)
		return NULL;
	t->state = IL__SIM_ACCEPTING;
	t->end = listener;
	listener->waiting++;
	t->peer = il__sim_tcp_ref(p->sender);
	t->window_end = p->window;
	il__sim_tcp_unref(p->sender->peer); /* one of before a crash */
	p->sender->peer = il__sim_tcp_ref(t);
	return t;
}

static void tcp_on_connect(const struct il__sim_packet *p)
{
	struct il__sim_tcp *client = p->sender, *t = client->peer;
	struct il__sim_end *listener;

	if (t && t->host == p->to) {
		il__sim_tcp_send(t, IL__SIM_ACCEPT);
		return;
	}
	if (!client->host || client->state != IL__SIM_CONNECTING)
		return; /* it has given up, or this is an old one */
	listener = il__sim_bound(p->to, IL__SIM_LISTENS, p->target, p->source);
	if (!listener) {
		tcp_refuse(p);
		return;
	}
	if (listener->waiting > listener->backlog) {
		il__sim_trace(p->to->network, "%s:%u backlog is full", p->to->name,
			      (unsigned)p->target.port);
		return;
	}
	t = tcp_answer(p, listener);
	if (!t)
		return;
	il__sim_tcp_send(t, IL__SIM_ACCEPT);
	il__sim_tcp_arm(t);
}

static void tcp_on_accept(struct il__sim_tcp *t, const struct il__sim_packet *p)
{
	if (t->state == IL__SIM_OPEN && t->peer != p->sender) { /* of before a crash */
		tcp_refuse(p);
		return;
	}
	if (t->state == IL__SIM_CONNECTING) {
		t->state = IL__SIM_OPEN;
		if (t->peer != p->sender) {
			il__sim_tcp_unref(t->peer);
			t->peer = il__sim_tcp_ref(p->sender);
		}
		t->window_end = p->window;
		if (t->tries == 0)
			t->round_trip = il__sim_now(t->host->network) - t->began;
		t->tries = 0;
		il__timer_disarm(t->host->network->loop, &t->timer);
		il__sim_tcp_wake(t, IL_WRITABLE);
	}
	il__sim_tcp_send(t, IL__SIM_DATA);
}

/* The client has our answer: it can be accepted. */
static void tcp_established(struct il__sim_tcp *t)
{
	struct il__sim_end *listener = t->end;

	t->state = IL__SIM_OPEN;
	if (t->tries == 0)
		t->round_trip = il__sim_now(t->host->network) - t->began;
	t->tries = 0;
	il__timer_disarm(t->host->network->loop, &t->timer);
	il__list_push(&listener->queue, &t->queued);
	il__fd_fire(&listener->fd, IL_READABLE);
}

/* ---- bytes ---- */

/* Bytes up to `to` have come, as far as there is room. */
static void tcp_take(struct il__sim_tcp *t, const struct il__sim_tcp *sender, uint64_t to)
{
	const uint64_t most = t->read + t->in_most;
	size_t n;

	if (to > most)
		to = most;
	if (to <= t->received)
		return;
	n = (size_t)(to - t->received);
	if (il__sim_ring_reserve(&t->in, t->read, t->received, n) < 0)
		return; /* they come again */
	il__sim_ring_copy(&t->in, &sender->out, t->received, n);
	t->received = to;
}

/* Of a piece that came early; one that finds no place comes again. */
static void tcp_remember(struct il__sim_tcp *t, uint64_t from, uint64_t to)
{
	unsigned i = 0, last;

	if (from == to)
		return;
	while (i < t->range_count && t->ranges[i].to < from)
		i++;
	for (last = i; last < t->range_count && t->ranges[last].from <= to; last++) {
		from = t->ranges[last].from < from ? t->ranges[last].from : from;
		to = t->ranges[last].to > to ? t->ranges[last].to : to;
	}
	if (last == i && t->range_count == IL__SIM_RANGES)
		return;
	memmove(&t->ranges[i + 1], &t->ranges[last], (t->range_count - last) * sizeof t->ranges[0]);
	t->range_count += 1 - (last - i);
	t->ranges[i].from = from;
	t->ranges[i].to = to;
}

static void tcp_take_remembered(struct il__sim_tcp *t, const struct il__sim_tcp *sender)
{
	unsigned n = 0;

	while (n < t->range_count && t->ranges[n].from <= t->received)
		tcp_take(t, sender, t->ranges[n++].to);
	t->range_count -= n;
	memmove(t->ranges, t->ranges + n, t->range_count * sizeof t->ranges[0]);
}

static void tcp_on_bytes(struct il__sim_tcp *t, const struct il__sim_packet *p)
{
	const uint64_t before = t->received, to = p->at + p->size;
	const bool ended = il__sim_tcp_ended(t);

	if (p->ends)
		t->end_at = to;
	if (p->at > t->received) {
		tcp_remember(t, p->at, to);
	} else {
		tcp_take(t, p->sender, to);
		tcp_take_remembered(t, p->sender);
	}
	if (t->received > before || il__sim_tcp_ended(t) != ended)
		il__sim_tcp_wake(t, IL_READABLE);
}

/* Nobody will read it. */
static bool tcp_comes_too_late(const struct il__sim_tcp *t, const struct il__sim_packet *p)
{
	return t->closed && p->size && p->at + p->size > t->received;
}

static void tcp_on_data(struct il__sim_tcp *t, const struct il__sim_packet *p)
{
	if (t->state == IL__SIM_ACCEPTING)
		tcp_established(t);
	il__sim_keepalive_heard(t);
	if (tcp_comes_too_late(t, p)) {
		tcp_refuse(p);
		il__sim_tcp_end(t, -ECONNRESET);
		return;
	}
	if (p->size || p->ends)
		tcp_on_bytes(t, p);
	if (t->host)
		il__sim_tcp_acknowledged(t, p);
	if (t->host && (p->size || p->ends || p->kind == IL__SIM_PROBE))
		il__sim_tcp_send(t, IL__SIM_DATA);
	if (t->host && t->closed && t->acknowledged == il__sim_tcp_limit(t) && il__sim_tcp_ended(t))
		il__sim_tcp_end(t, 0);
}

/* ---- all ---- */

/* It has ended as it should; but the peer has not heard that its last bytes came. */
static bool tcp_has_ended_well(const struct il__sim_tcp *t)
{
	return t && !t->cut && !t->error && il__sim_tcp_ended(t) &&
	       t->acknowledged == il__sim_tcp_limit(t);
}

static void tcp_acknowledge_again(const struct il__sim_packet *p)
{
	struct il__sim_packet *again;

	if (!p->size && !p->ends && p->kind != IL__SIM_PROBE)
		return;
	again = il__sim_packet_make(p->to->network, p->ops, IL__SIM_DATA, 0);
	if (!again)
		return; /* it is lost */
	again->receiver = il__sim_tcp_ref(p->sender);
	again->source = p->target;
	again->target = p->source;
	again->at = p->acknowledged;
	again->acknowledged = p->at + p->size + p->ends;
	il__sim_packet_send(again, p->to, p->from);
}

/* For a connection that does not live here (any more). */
static void tcp_on_stray(const struct il__sim_packet *p)
{
	if (p->kind == IL__SIM_RESET)
		return;
	if (tcp_has_ended_well(p->receiver))
		tcp_acknowledge_again(p);
	else
		tcp_refuse(p);
}

/* As Linux has it: whoever has read the end learns it by sending only. */
static void tcp_on_reset(struct il__sim_tcp *t)
{
	il__sim_tcp_end(t, t->state == IL__SIM_CONNECTING ? -ECONNREFUSED
			   : il__sim_tcp_ended(t)         ? -EPIPE
							  : -ECONNRESET);
}

static void tcp_arrive(const struct il__sim_packet *p)
{
	struct il__sim_tcp *t = p->receiver;

	if (p->kind == IL__SIM_CONNECT) {
		tcp_on_connect(p);
		return;
	}
	if (!t || t->host != p->to) {
		tcp_on_stray(p);
		return;
	}
	il__sim_tcp_ref(t);
	if (p->kind == IL__SIM_RESET)
		tcp_on_reset(t);
	else if (p->kind == IL__SIM_ACCEPT)
		tcp_on_accept(t, p);
	else if (t->state == IL__SIM_CONNECTING)
		tcp_refuse(p);
	else
		tcp_on_data(t, p);
	il__sim_tcp_unref(t);
}

static void tcp_take_packet(struct il__sim_packet *p)
{
	struct il_virtual_network *n = p->to->network;

	tcp_arrive(p);
	il__sim_packet_free(n, p);
}

static void tcp_let_go(struct il__sim_packet *p)
{
	il__sim_tcp_unref(p->sender);
	il__sim_tcp_unref(p->receiver);
	p->sender = p->receiver = NULL;
}

const struct il__sim_packet_ops il__sim_tcp_packets = {.arrive = tcp_take_packet,
						       .let_go = tcp_let_go};
