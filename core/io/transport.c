/*
 * transport.c: the life of the user's transport behind a stream, and what the loop goes on with by itself: the rest of
 * what it holds back, and the end of what it sends. Loop's thread only.
 */
#include "transport.h"
#include "../base/error.h"
#include "../base/memory.h"
#include "../runtime/loop.h"
#include "../runtime/timer.h"
#include "fd.h"
#include "stream.h"

#include <limits.h>

/* ---- what the loop goes on with ---- */

static void later_drop(struct il__transport *t)
{
	il__fd_unshare(&t->later_wait);
	il__timer_disarm(t->fd.source.watch.loop, &t->later_timer);
	t->later = NOTHING;
}

static void later_again(struct il__fd_share *share)
{
	struct il__transport *t = il__container_of(share, struct il__transport, later_wait);
	il_loop *loop = t->fd.source.watch.loop;

	/* Without memory for the timer it goes on with the next call that sends. */
	il__timer_arm(loop, &t->later_timer, il__loop_now(loop));
}

/* A host's loop that nothing else keeps is not kept by this either. After a failure, where there is nothing to wait
 * for, a flush goes on with the next call that sends; and t may be gone. */
static int later_wait(struct il__transport *t, enum later later)
{
	int rc = 0;

	later_drop(t);
	t->later_wait.fd = &t->fd;
	t->later_wait.asked = IL_WRITABLE;
	t->later_wait.fire = later_again;
	if (t->fd.source.watch.loop->ledger.lives)
		rc = il__fd_share(&t->later_wait);
	if (rc < 0)
		return rc;
	t->later = later;
	if (rc > 0)
		later_again(&t->later_wait);
	return 0;
}

static void later_try(struct il__timer *timer)
{
	struct il__transport *t = il__container_of(timer, struct il__transport, later_timer);
	il_stream *s = t->stream;
	int rc;

	if (il__timer_put_off(t->fd.source.watch.loop, timer))
		return;
	if (t->later == FLUSH && s->op[1]) /* a flush of ours would hide that this write was cut */
		return;
	t->inside++;
	if (t->later == FLUSH)
		rc = il__transport_send(s, NULL, 0);
	else
		rc = il__transport_call_shutdown(t);
	if (!il__stream_is_closed(s)) {
		const enum later later = t->later;
		if (rc == -EAGAIN)
			rc = later_wait(t, later);
		else
			later_drop(t);
		if (rc < 0 && later == SHUTDOWN)
			il__log(IL_LOG_WARNING, "transport %s cannot tell its end: %s",
				t->ops.name ? t->ops.name : "without a name", il_strerror(rc));
	}
	/* It says why once, and not to whoever waits; and what those wait for may be gone. */
	if (rc < 0 && rc != -EAGAIN && !il__stream_is_closed(s))
		il__fd_fire(&t->fd, IL_WRITABLE);
	if (--t->inside == 0 && il__stream_is_closed(s))
		il__transport_end(t);
}

void il__transport_flush_later(il_stream *s)
{
	struct il__transport *t = il__transport_of(s);

	/* Also where the loop waits already: others' waits may have ended what that stood on, or there was no
	 * memory for the timer. */
	if (t->later != SHUTDOWN && il__transport_send(s, NULL, 0) == -EAGAIN)
		later_wait(t, FLUSH);
}

/* Whoever waits no more keeps the words for why. */
void il__transport_go_on(il_stream *s)
{
	const struct il__refusal why = il__refusal;

	if (il__transport_of(s)->later != FLUSH)
		return;
	il__transport_flush_later(s);
	il__refusal = why;
}

int il__transport_shutdown_write(il_stream *s)
{
	struct il__transport *t = il__transport_of(s);
	int rc;

	if (!t->ops.shutdown_write)
		return il__refuse(-ENOTSUP, "il_stream_shutdown_write: transport %s cannot do it",
				  t->ops.name);
	later_drop(t);
	rc = il__transport_call_shutdown(t);
	if (rc == -EAGAIN)
		rc = later_wait(t, SHUTDOWN);
	return il__pass_on(rc);
}

/* ---- its life ---- */

int il__transport_open(il_stream *s, il_loop *loop, const struct il_transport *ops, void *self)
{
	struct il__transport *t = il__alloc_lines(sizeof *t);

	if (!t)
		return il__refuse(-ENOMEM, "out of memory for a transport");
	t->fd.owned = t->fd.stays = true;
	t->fd.number = -1;
	t->fd.ready = IL_READABLE | IL_WRITABLE;
	t->fd.source.watch.loop = loop;
	t->fd.asks = &il__transport_asks;
	t->ops = *ops;
	if (!t->ops.name)
		t->ops.name = "without a name";
	t->self = self;
	t->stream = s;
	t->later_timer.fire = later_try;
	s->fd = &t->fd;
	s->number = INT_MAX;
	s->kind = IL__STREAM_TRANSPORT;
	return 0;
}

void il__transport_set_network(il_stream *s, const struct il__network *network,
			       const il_address *local)
{
	il__transport_of(s)->network = network;
	il__transport_of(s)->local = *local;
}

void il__transport_close(il_stream *s)
{
	struct il__transport *t = il__transport_of(s);

	t->closing = true;
	later_drop(t);
	il__fd_unshare(&t->lower[0]);
	il__fd_unshare(&t->lower[1]);
	il__fd_wake(&t->fd, -EBADF);
	if (!t->inside)
		il__transport_end(t);
}

void il__transport_destroy(il_stream *s)
{
	struct il__transport *t = il__transport_of(s);

	t->destroying = true;
	if (!t->inside)
		il__transport_end(t);
}
