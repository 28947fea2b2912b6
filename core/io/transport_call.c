/*
 * transport_call.c: calling the operations of the user's transport: as plain calls, which may not wait, and nothing
 * that wakes somebody calls them. Invariants: `close` is called once, when no other operation is on the stack;
 * `destroy` after it; errors and the end are said again without a call. Loop's thread only.
 */
#include "../base/error.h"
#include "../base/guard.h"
#include "../base/memory.h"
#include "../runtime/thread_state.h"
#include "stream.h"
#include "transport.h"

#include <sys/uio.h>

static void transport_free(struct il__transport *t)
{
	il_stream *s = t->stream;

	if (t->ops.destroy)
		IL__GUARDED(t->ops.destroy(t->self));
	il__free(t->why[0]);
	il__free(t->why[1]);
	il__free_lines(t);
	il__stream_free(s);
}

/* What waited for its operations to return. */
void il__transport_end(struct il__transport *t)
{
	const unsigned before = il__self.no_wait;

	il__self.no_wait++;
	if (t->closing) {
		t->closing = false;
		t->inside++;
		if (t->ops.close)
			IL__GUARDED(t->ops.close(t->self));
		t->inside--;
	}
	if (t->destroying)
		transport_free(t);
	il__self.no_wait = before;
}

unsigned il__transport_enter(struct il__transport *t)
{
	const unsigned before = il__self.no_wait; /* in a child that it forks it is 0 */

	t->inside++;
	il__self.no_wait++;
	il__clear_refusal();
	return before;
}

/* False: the stream was closed in there, and may be gone. */
bool il__transport_leave(struct il__transport *t, unsigned before)
{
	const bool open = !il__stream_is_closed(t->stream);

	il__self.no_wait = before;
	if (--t->inside == 0 && !open)
		il__transport_end(t);
	return open;
}

int il__transport_closed(void)
{
	return il__refuse(-EBADF, "the stream was closed by its own transport");
}

/* Of an operation; the words are its own, or these. */
static int transport_fail(struct il__transport *t, int d, int rc)
{
	if (t->network)
		return rc;
	if (!il__has_refused(rc))
		il__refuse(rc, "transport %s: %s: %s", t->ops.name, d ? "send" : "receive",
			   il_strerror(rc));
	t->error[d] = rc;
	t->why[d] = il__keep_refusal(rc);
	return rc;
}

static int transport_fail_again(const struct il__transport *t, int d)
{
	return il__refuse(t->error[d], "%s", t->why[d] ? t->why[d] : il_strerror(t->error[d]));
}

/* What it has said of this direction before is old. */
static int transport_again(struct il__transport *t, unsigned direction)
{
	t->told &= ~direction;
	return -EAGAIN;
}

int il__transport_receive(il_stream *s, void *data, size_t max)
{
	struct il__transport *t = il__transport_of(s);
	unsigned before;
	int n;

	if (t->error[0])
		return transport_fail_again(t, 0);
	if (t->ended)
		return 0;
	t->drained = false;
	t->fd.ready |= IL_READABLE; /* what it has said is old; it may have more, or end */
	before = il__transport_enter(t);
	IL__GUARDED(n = t->ops.receive(t->self, data, max));
	if (!il__transport_leave(t, before))
		return il__transport_closed();
	if (n == -EAGAIN)
		return transport_again(t, IL_READABLE);
	if (n > 0 && (size_t)n > max)
		n = il__refuse(-EPROTO, "transport %s: receive returned %d, there was room for %zu",
			       t->ops.name, n, max);
	t->ended = n == 0;
	return n < 0 ? transport_fail(t, 0, n) : n;
}

int il__transport_send(il_stream *s, const struct iovec *pieces, int count)
{
	struct il__transport *t = il__transport_of(s);
	size_t total = 0;
	unsigned before;
	int n;

	if (t->error[1])
		return transport_fail_again(t, 1);
	for (int i = 0; i < count; i++)
		total += pieces[i].iov_len;
	before = il__transport_enter(t);
	IL__GUARDED(n = t->ops.send(t->self, pieces, count));
	if (!il__transport_leave(t, before))
		return il__transport_closed();
	if (n == -EAGAIN)
		return transport_again(t, IL_WRITABLE);
	if (!count && n > 0)
		n = 0;
	if (n == 0 && total)
		n = il__refuse(-EPIPE, "transport %s: send has taken none of %zu bytes",
			       t->ops.name, total);
	if (n > 0 && (size_t)n > total)
		n = il__refuse(-EPROTO, "transport %s: send returned %d for %zu bytes", t->ops.name,
			       n, total);
	return n < 0 ? transport_fail(t, 1, n) : n;
}

void il_transport_drained(il_stream *stream)
{
	struct il__transport *t;

	if (!stream || il__stream_is_closed(stream) || stream->kind != IL__STREAM_TRANSPORT)
		return;
	t = il__transport_of(stream);
	t->drained = true;
	t->told &= ~(unsigned)IL_READABLE;
	il__stream_drained(stream, IL_READABLE);
}

size_t il__transport_pending(const il_stream *s)
{
	const struct il__transport *t = il__transport_of(s);
	size_t n = 0;

	if (t->ops.pending)
		IL__GUARDED(n = t->ops.pending(t->self));
	return n;
}

il_stream *il__transport_under(const il_stream *s)
{
	const struct il__transport *t = il__transport_of(s);
	il_stream *under = NULL;

	if (t->ops.under)
		IL__GUARDED(under = t->ops.under(t->self));
	return under;
}

void *il_transport_find(const il_stream *stream, const struct il_transport *transport)
{
	const il_stream *s = stream;

	while (s && transport && !il__stream_is_closed(s) && s->kind == IL__STREAM_TRANSPORT) {
		const struct il__transport *t = il__transport_of(s);
		if (t->ops.receive == transport->receive && t->ops.send == transport->send)
			return t->self;
		s = il__transport_under(s);
	}
	return NULL;
}

int il__transport_call_shutdown(struct il__transport *t)
{
	const unsigned before = il__transport_enter(t);
	int rc;

	IL__GUARDED(rc = t->ops.shutdown_write(t->self));
	return il__transport_leave(t, before) ? rc : il__transport_closed();
}
