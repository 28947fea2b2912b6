/*
 * tcp.c: the life of connections. Whoever uses one has a reference, and its host as long as it lives; a peer and what is
 * under way have others, for the bytes that they still want of it. Loop's thread only.
 */
#include "tcp.h"
#include "../../../core/base/memory.h"
#include "tcp_rest.h"

#include <interloop/layer.h>

struct il__sim_tcp *il__sim_tcp_make(struct il__sim_host *host, struct il__sim_host *other,
				     struct il__sim_place local, struct il__sim_place remote)
{
	struct il__sim_tcp *t = il__calloc(1, sizeof *t);

	if (!t)
		return NULL;
	t->host = host;
	t->other = other;
	t->local = local;
	t->remote = remote;
	t->refs = 2; /* the user's, and the host's */
	t->out_most = t->in_most = host->network->buffer;
	t->end_at = UINT64_MAX;
	t->timer.fire = il__sim_tcp_due;
	t->keepalive_timer.fire = il__sim_keepalive_due;
	t->keepalive_idle = IL__SIM_KEEPALIVE_IDLE;
	t->keepalive_interval = IL__SIM_KEEPALIVE_INTERVAL;
	t->keepalive_probes = IL__SIM_KEEPALIVE_PROBES;
	t->heard = il__sim_now(host->network);
	il__list_init(&t->queued);
	il__list_push(&host->connections, &t->link);
	return t;
}

struct il__sim_tcp *il__sim_tcp_ref(struct il__sim_tcp *t)
{
	if (t)
		t->refs++;
	return t;
}

void il__sim_tcp_unref(struct il__sim_tcp *t)
{
	if (!t || --t->refs > 0)
		return;
	il__free(t->out.bytes);
	il__free(t->in.bytes);
	il__free(t);
}

void il__sim_tcp_wake(const struct il__sim_tcp *t, unsigned mask)
{
	if (t->stream)
		il_transport_ready(t->stream, mask);
	else if (t->end && t->end->use == IL__SIM_CONNECTS)
		il__fd_fire(&t->end->fd, IL_WRITABLE);
}

/* Nobody will accept it, nor hear of its end. */
static void tcp_leave_listener(struct il__sim_tcp *t)
{
	struct il__sim_end *listener = t->end;

	if (!listener || listener->use != IL__SIM_LISTENS || !il__list_empty(&t->queued))
		return;
	listener->waiting--;
	t->end = NULL;
	t->closed = true;
	il__sim_tcp_unref(t);
}

/* It lives no more. The reference of the caller outlasts it. */
static void tcp_die(struct il__sim_tcp *t)
{
	il_loop *loop = t->host->network->loop;

	il__timer_disarm(loop, &t->timer);
	il__timer_disarm(loop, &t->keepalive_timer);
	il__list_remove(&t->link);
	t->host = NULL;
	il__sim_rouse(
	    t->peer); /* the reset that tells it may be lost: its next probe meets another */
	il__sim_tcp_unref(t->peer);
	t->peer = NULL;
	tcp_leave_listener(t);
	il__sim_tcp_wake(t, IL_READABLE | IL_WRITABLE);
	il__sim_tcp_unref(t);
}

void il__sim_tcp_end(struct il__sim_tcp *t, int error)
{
	if (!t->host)
		return;
	t->error = error;
	if (error)
		il__sim_trace(t->host->network, "%s:%u - %s:%u %s", t->host->name,
			      (unsigned)t->local.port, t->other->name, (unsigned)t->remote.port,
			      il_error_name(error));
	tcp_die(t);
}

void il__sim_tcp_cut(struct il__sim_tcp *t)
{
	t->cut = true;
	tcp_die(t);
}

void il__sim_tcp_reset(struct il__sim_tcp *to, struct il__sim_host *from,
		       struct il__sim_place source)
{
	struct il__sim_packet *p;

	if (!to || !to->host)
		return;
	p = il__sim_packet_make(from->network, &il__sim_tcp_packets, IL__SIM_RESET, 0);
	if (!p)
		return; /* it is lost */
	p->receiver = il__sim_tcp_ref(to);
	p->source = source;
	p->target = to->local;
	il__sim_packet_send(p, from, to->host);
}

/* Bytes that nobody has read, or will read, are told with a reset, as RFC 2525 wants it. */
static bool tcp_must_reset(const struct il__sim_tcp *t)
{
	return t->state != IL__SIM_CONNECTING && (t->resets || t->read < t->received);
}

void il__sim_tcp_close(struct il__sim_tcp *t)
{
	t->stream = NULL;
	t->closed = true;
	if (t->host && t->state == IL__SIM_CONNECTING) {
		tcp_die(t);
	} else if (t->host && tcp_must_reset(t)) {
		il__sim_tcp_reset(t->peer, t->host, t->local);
		tcp_die(t);
	} else if (t->host) {
		t->ends = true;
		il__sim_tcp_push(t);
		if (t->host && t->acknowledged == il__sim_tcp_limit(t) && il__sim_tcp_ended(t))
			tcp_die(t);
	}
	il__sim_tcp_unref(t);
}
