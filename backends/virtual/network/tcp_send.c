/*
 * tcp_send.c: the sending side of connections: what the peer's window lets through goes out at once; the first byte that
 * is not acknowledged in time goes out again, each time after twice as long. Loop's thread only.
 */
#include "tcp.h"
#include "tcp_rest.h"

/* ---- packets ---- */

static size_t tcp_room(const struct il__sim_tcp *t)
{
	const size_t kept = (size_t)(t->received - t->read);

	return kept < t->in_most ? t->in_most - kept : 0;
}

static struct il__sim_packet *tcp_packet(struct il__sim_tcp *t, enum il__sim_kind kind)
{
	struct il__sim_packet *p =
	    il__sim_packet_make(t->host->network, &il__sim_tcp_packets, kind, 0);

	if (!p)
		return NULL; /* as if it were lost */
	p->sender = il__sim_tcp_ref(t);
	p->receiver = il__sim_tcp_ref(t->peer);
	p->source = t->local;
	p->target = t->remote;
	p->at = t->sent;
	p->acknowledged = t->received + il__sim_tcp_ended(t);
	p->window = tcp_room(t);
	t->told = t->received + p->window;
	return p;
}

void il__sim_tcp_send(struct il__sim_tcp *t, enum il__sim_kind kind)
{
	struct il__sim_packet *p = tcp_packet(t, kind);

	if (p)
		il__sim_packet_send(p, t->host, t->other);
}

/* Bytes from `at` on, as far as one packet goes. What has been sent then. */
static uint64_t tcp_send_segment(struct il__sim_tcp *t, uint64_t at, uint64_t most)
{
	struct il__sim_packet *p = tcp_packet(t, IL__SIM_DATA);
	const uint64_t bytes = (most < t->written ? most : t->written) - at;
	const size_t size = bytes < IL__SIM_SEGMENT ? (size_t)bytes : IL__SIM_SEGMENT;
	const bool ends = t->ends && at + size == t->written;

	if (p) {
		p->at = at;
		p->size = size;
		p->ends = ends;
		il__sim_packet_send(p, t->host, t->other);
	}
	return at + size + ends;
}

/* ---- time ---- */

static il_time tcp_wait(const struct il__sim_tcp *t)
{
	il_time wait =
	    t->state == IL__SIM_OPEN ? t->round_trip + IL__SIM_RESEND_TIME : IL__SIM_CONNECT_TIME;

	for (unsigned i = 0; i < t->tries && wait < IL__SIM_RESEND_MOST; i++)
		wait *= 2;
	return wait < IL__SIM_RESEND_MOST ? wait : IL__SIM_RESEND_MOST;
}

void il__sim_tcp_arm(struct il__sim_tcp *t)
{
	struct il_virtual_network *n = t->host->network;
	const il_time now = il__sim_now(n);

	if (t->tries == 0)
		t->began = now;
	t->due = now + tcp_wait(t);
	if (t->give_up && t->began + t->give_up < t->due)
		t->due = t->began + t->give_up;
	/* One that is armed for an earlier time looks again then; after many tries it is armed for a later one. */
	if (il__timer_deadline(n->loop, &t->timer) > t->due &&
	    il__timer_arm(n->loop, &t->timer, t->due) < 0)
		il__sim_tcp_end(t, -ENOBUFS);
}

static bool tcp_waits_for_window(const struct il__sim_tcp *t)
{
	return t->acknowledged == t->sent && t->sent < t->written;
}

static unsigned tcp_most_tries(const struct il__sim_tcp *t)
{
	return t->state == IL__SIM_CONNECTING  ? IL__SIM_CONNECT_TRIES
	       : t->state == IL__SIM_ACCEPTING ? IL__SIM_ACCEPT_TRIES
					       : IL__SIM_TRIES;
}

/* Once more, what was not acknowledged. */
static void tcp_resend(struct il__sim_tcp *t)
{
	t->timed = 0;
	if (t->state == IL__SIM_CONNECTING) {
		il__sim_tcp_send(t, IL__SIM_CONNECT);
	} else if (t->state == IL__SIM_ACCEPTING) {
		il__sim_tcp_send(t, IL__SIM_ACCEPT);
	} else if (tcp_waits_for_window(t)) {
		il__sim_tcp_send(t, IL__SIM_PROBE);
	} else {
		t->recover = t->sent;
		tcp_send_segment(t, t->acknowledged, t->sent);
	}
}

/* What arrives there is kept until it is released, so that nothing is lost by waiting. */
static bool tcp_is_held(const struct il__sim_tcp *t)
{
	const struct il__sim_link *out = il__sim_link(t->host, t->other),
				  *in = il__sim_link(t->other, t->host);

	return out && (out->holds || in->holds) && !out->partitioned && !in->partitioned;
}

/* While it rests the program's own limit goes on, from where it began. */
static void tcp_await_limit(struct il__sim_tcp *t)
{
	if (!t->give_up)
		return;
	t->tries = 1;
	t->due = t->began + t->give_up;
	if (il__timer_arm(t->host->network->loop, &t->timer, t->due) < 0)
		il__sim_tcp_end(t, -ENOBUFS);
}

void il__sim_tcp_due(struct il__timer *timer)
{
	struct il__sim_tcp *t = il__container_of(timer, struct il__sim_tcp, timer);
	struct il_virtual_network *n = t->host->network;
	const il_time now = il__sim_now(n);

	if (now < t->due) {
		if (il__timer_arm(n->loop, &t->timer, t->due) < 0)
			il__sim_tcp_end(t, -ENOBUFS);
		return;
	}
	t->tries++;
	if (t->give_up && now - t->began >= t->give_up) {
		il__sim_tcp_end(t, -ETIMEDOUT);
	} else if (t->tries <= tcp_most_tries(t)) {
		tcp_resend(t);
		il__sim_tcp_arm(t);
	} else if (tcp_is_held(t)) {
		il__sim_rest(t);
		tcp_await_limit(t);
	} else {
		il__sim_tcp_end(t, -ETIMEDOUT);
	}
}

/* ---- as it goes ---- */

/* Of the oldest that waits, once: a resend has two possible beginnings. */
static void tcp_take_time(struct il__sim_tcp *t)
{
	if (t->timed)
		return;
	t->timed = t->sent;
	t->timed_at = il__sim_now(t->host->network);
}

void il__sim_tcp_push(struct il__sim_tcp *t)
{
	const uint64_t limit = il__sim_tcp_limit(t);
	const bool idle = t->acknowledged == t->sent;

	if (t->state != IL__SIM_OPEN)
		return;
	while (t->sent < limit && (t->sent < t->window_end || t->sent == t->written)) {
		t->sent = tcp_send_segment(t, t->sent, t->window_end);
		tcp_take_time(t);
	}
	if (t->sent > t->acknowledged ? idle || !t->timer.index
				      : tcp_waits_for_window(t) && !t->rests && !t->timer.index)
		il__sim_tcp_arm(t);
}

static void tcp_forward(struct il__sim_tcp *t, uint64_t to)
{
	t->acknowledged = to;
	t->repeats = t->tries = 0;
	if (t->timed && to >= t->timed) {
		t->round_trip = il__sim_now(t->host->network) - t->timed_at;
		t->timed = 0;
	}
	if (to == t->sent)
		il__timer_disarm(t->host->network->loop, &t->timer);
	else if (to < t->recover)
		tcp_send_segment(t, to, t->sent);
	if (to < t->sent)
		il__sim_tcp_arm(t);
	if (t->host)
		il__sim_tcp_wake(t, IL_WRITABLE);
}

static void tcp_repeated(struct il__sim_tcp *t)
{
	if (++t->repeats != 3 || t->acknowledged < t->recover)
		return;
	t->timed = 0;
	t->recover = t->sent;
	tcp_send_segment(t, t->acknowledged, t->sent);
}

/* Its probe for a window was answered. It rests if that is the last that the peer has said; else what tells of an open
 * window is under way, and may be lost. */
static void tcp_probe_answered(struct il__sim_tcp *t)
{
	if (t->peer && t->peer->host && t->peer->told <= t->window_end) {
		il__sim_rest(t);
	} else {
		t->tries = 0;
		il__sim_tcp_arm(t);
	}
}

void il__sim_tcp_acknowledged(struct il__sim_tcp *t, const struct il__sim_packet *p)
{
	const uint64_t window_end = p->acknowledged + p->window;
	const bool opens = window_end > t->window_end;

	if (opens) {
		if (tcp_waits_for_window(t))
			t->tries = 0; /* the probes are over: what is sent now is new */
		t->window_end = window_end;
		t->rests = false;
	}
	if (p->acknowledged > t->acknowledged && p->acknowledged <= t->sent)
		tcp_forward(t, p->acknowledged);
	else if (p->acknowledged == t->acknowledged && t->sent > t->acknowledged && !opens &&
		 !p->size && !p->ends)
		tcp_repeated(t);
	else if (tcp_waits_for_window(t) && !opens)
		tcp_probe_answered(t);
	if (t->host)
		il__sim_tcp_push(t);
}
