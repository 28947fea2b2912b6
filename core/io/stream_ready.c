/*
 * stream_ready.c: whether a call would have to wait, and waiting until it need not. Nothing is lost: what a transport
 * gives meanwhile, which can only be asked by receiving, is kept for the next call. Loop's thread only.
 */
#include "stream.h"
#include "transport.h"

enum { PROBE = 512 }; /* bytes */

bool il__stream_may_have_more(const il_stream *s)
{
	if (s->kind == IL__STREAM_TRANSPORT)
		return il__stream_has_kept(s) || il__transport_pending(s) > 0;
	return il__stream_has_kept(s) || s->fd->ready & IL_READABLE;
}

void il__stream_expect_nothing(il_stream *s)
{
	if (s->kind != IL__STREAM_TRANSPORT)
		il__stream_drained(s, IL_READABLE);
}

/* A network's own does not: network.h. */
bool il__stream_calls_out(const il_stream *s)
{
	return s->kind == IL__STREAM_TRANSPORT && !il__transport_of(s)->network;
}

/* -EAGAIN; else the next receiving call need not wait. */
static int transport_readable(il_stream *s, const char *function)
{
	char probe[PROBE];
	int n, rc;

	if (il__transport_pending(s) > 0)
		return 0;
	rc = il__stream_reserve(s, sizeof probe, function);
	if (rc < 0)
		return rc;
	n = il__stream_receive_once(s, probe, sizeof probe);
	if (n > 0)
		rc = il__stream_keep(s, probe, (size_t)n, function);
	return n == -EAGAIN ? n : rc;
}

/* The stream may be closed in there, but does not go. */
static int transport_is_ready(il_stream *s, unsigned mask, const char *function)
{
	unsigned ready = 0;
	int rc;

	if (mask & IL_READABLE) {
		rc = il__stream_has_kept(s) ? 0 : transport_readable(s, function);
		if (rc == -ENOMEM)
			return rc;
		ready |= rc == -EAGAIN ? 0u : IL_READABLE;
	}
	if (mask & IL_WRITABLE && !il__stream_is_closed(s)) {
		rc = s->shut ? 0 : il__transport_send(s, NULL, 0);
		ready |= rc == -EAGAIN ? 0u : IL_WRITABLE;
	}
	return il__stream_is_closed(s) ? il__transport_closed() : (int)ready;
}

int il__stream_is_ready(il_stream *s, unsigned mask, const char *function)
{
	struct il__transport *t;
	int rc;

	if (s->kind != IL__STREAM_TRANSPORT) {
		rc = il__fd_poll(s->number, mask);
		if (rc < 0)
			return rc;
		rc |= s->shut ? IL_WRITABLE : 0;
		rc |= il__stream_has_kept(s) ? IL_READABLE : 0;
		return rc & (int)mask;
	}
	t = il__transport_of(s);
	t->inside++;
	rc = transport_is_ready(s, mask, function);
	if (--t->inside == 0 && il__stream_is_closed(s))
		il__transport_end(t);
	return rc;
}

int il__stream_watch(il_stream *s, struct il__fd_share *share)
{
	share->fd = s->fd;
	return il__fd_share(share);
}

void il__stream_unwatch(struct il__fd_share *share)
{
	struct il__fd *fd = share->link ? share->fd : NULL;

	if (il__fd_unshare(share) && il__fd_is_asked(fd))
		il__transport_rest(fd, share->asked);
}

/* A transport has to be asked before it can be waited for. */
static int wait_readable(il_stream *s, struct il__op *op)
{
	int rc;

	if (il__stream_has_kept(s))
		return 0;
	if (s->kind != IL__STREAM_TRANSPORT)
		return il__op_wait(s, op);
	for (;;) {
		rc = il__op_wait(s, op);
		if (rc < 0)
			return rc;
		rc = il__stream_is_ready(s, IL_READABLE, op->function);
		if (op->gone)
			return il__op_gone(op);
		if (rc)
			return rc < 0 ? rc : 0;
		il__stream_drained(s, IL_READABLE);
	}
}

int il__stream_wait(il_stream *s, il_time deadline, const char *function)
{
	struct il__op op;
	int rc = il__op_begin(s, &op, IL_READABLE, deadline, function);

	return rc < 0 ? rc : il__op_end(s, &op, wait_readable(s, &op));
}
