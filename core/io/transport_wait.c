/*
 * transport_wait.c: waiting for a transport. Who waits for a direction of it waits for what is below: a descriptor,
 * directions of the stream below, or a word of the transport. That is asked anew for each wait. Loop's thread only.
 */
#include "../base/base.h"
#include "../base/error.h"
#include "../base/guard.h"
#include "../base/report.h"
#include "../runtime/thread_state.h"
#include "fd.h"
#include "stream.h"
#include "transport.h"

/* May be an upcall: nothing of the transport's is called. */
static void lower_fired(struct il__transport *t, int d)
{
	il__fd_fire(&t->fd, il__transport_bit(d));
}

static void lower_readable(struct il__fd_share *share)
{
	lower_fired(il__container_of(share, struct il__transport, lower[0]), 0);
}

static void lower_writable(struct il__fd_share *share)
{
	lower_fired(il__container_of(share, struct il__transport, lower[1]), 1);
}

/* A descriptor of the transport's. 1: it is ready already. */
static int lower_descriptor(const struct il__transport *t, int number, unsigned mask,
			    struct il__fd **fd)
{
	int rc = number < 0 ? -EBADF : il__fd_get(t->fd.source.watch.loop, number, fd);

	if (rc == 0 && !(*fd)->owned) {
		rc = il__fd_poll(number, mask);
		(*fd)->foreign = true;
	}
	if (rc == -EBADF)
		return il__refuse(rc, "transport %s: want named %d, which is no open descriptor",
				  t->ops.name, number);
	return rc > 0 ? 1 : rc;
}

static int lower_stream(const struct il__transport *t, struct il__fd **fd)
{
	const il_stream *under = il__transport_under(t->stream);

	if (!under || under == t->stream)
		return il__refuse(
		    -EINVAL, "transport %s: want returned -EAGAIN, but there is no stream below",
		    t->ops.name);
	if (il__stream_is_closed(under))
		return il__refuse(-EBADF, "transport %s: the stream below is closed", t->ops.name);
	*fd = under->fd;
	return 0;
}

/* As il__fd_share: what a direction waits for may have changed each time. */
static int transport_want(struct il__transport *t, int d)
{
	struct il__fd_share *lower = &t->lower[d];
	unsigned mask = il__transport_bit(d), before;
	int number = -1, rc;

	il__fd_unshare(lower);
	before = il__transport_enter(t);
	if (t->ops.want)
		IL__GUARDED(rc = t->ops.want(t->self, il__transport_bit(d), &number, &mask));
	else
		rc = t->ops.under ? -EAGAIN : -ENOENT;
	if (!il__transport_leave(t, before))
		return il__transport_closed();
	if (rc == -ENOENT || (t->told & il__transport_bit(d) && (rc == 0 || rc == -EAGAIN)))
		return 0;
	mask &= IL_READABLE | IL_WRITABLE;
	mask = mask ? mask : il__transport_bit(d);
	if (rc == -EAGAIN)
		rc = lower_stream(t, &lower->fd);
	else if (rc == 0)
		rc = lower_descriptor(t, number, mask, &lower->fd);
	if (rc)
		return il__pass_on(rc);
	if (!d && t->drained && lower->fd->ready & mask) /* known since */
		return 1;
	lower->asked = (unsigned char)mask;
	lower->fire = d ? lower_writable : lower_readable;
	return il__fd_share(lower);
}

/* By one of those that were asked, itself or below, which may be waited for all the same. It may be gone afterwards. */
static int transport_asked_to_close(struct il__transport *t)
{
	il__fd_unshare(&t->lower[0]);
	il__fd_unshare(&t->lower[1]);
	if (--t->inside == 0)
		il__transport_end(t);
	return il__transport_closed();
}

static int transport_ask(struct il__fd *fd, unsigned directions)
{
	struct il__transport *t = il__container_of(fd, struct il__transport, fd);
	const bool drained = t->drained;
	int rc = 0;

	t->inside++;
	for (int d = 0; rc == 0 && d < 2; d++)
		if (directions & il__transport_bit(d))
			rc = transport_want(t, d);
	if (il__stream_is_closed(t->stream))
		return transport_asked_to_close(t);
	t->inside--;
	if (rc == 0 && t->told & directions) {
		t->told &= ~directions;
		return 1;
	}
	return rc < 0 && drained && directions == IL_READABLE ? 1 : rc;
}

/* What it waits for itself says more. */
static void transport_tell(struct il__report *r, const struct il__fd *fd, unsigned asked)
{
	const struct il__transport *t = il__container_of(fd, const struct il__transport, fd);

	il__report(r, "transport %s, %s", t->ops.name ? t->ops.name : "without a name",
		   il__fd_directions(asked));
	for (int d = 0; d < 2; d++)
		if (asked & il__transport_bit(d) && t->lower[d].link) {
			il__report(r, ", which waits for ");
			il__fd_tell(r, t->lower[d].fd, t->lower[d].asked);
		}
}

const struct il__fd_asks il__transport_asks = {.ask = transport_ask, .tell = transport_tell};

unsigned il__transport_asked(const struct il__transport *t)
{
	unsigned asked =
	    (t->fd.waiter[0] ? IL_READABLE : 0u) | (t->fd.waiter[1] ? IL_WRITABLE : 0u);

	for (const struct il__fd_share *share = t->fd.shares; share; share = share->next)
		if (share != &t->later_wait)
			asked |= share->asked;
	return asked;
}

/* Whoever waits no more keeps the words for why. */
static void transport_idle(struct il__transport *t, int d)
{
	const struct il__refusal why = il__refusal;
	unsigned before;

	if (!t->ops.idle)
		return;
	before = il__transport_enter(t);
	IL__GUARDED(t->ops.idle(t->self, il__transport_bit(d)));
	il__transport_leave(t, before);
	il__refusal = why;
}

/* What is below it may still have to wake, for what goes out by itself. */
static void transport_rest(struct il__transport *t, int d)
{
	struct il__fd *below = t->lower[d].link ? t->lower[d].fd : NULL;
	const unsigned asked = t->lower[d].asked;

	if (il__transport_asked(t) & il__transport_bit(d))
		return;
	if (!(il__fd_asked(&t->fd) & il__transport_bit(d)) && il__fd_unshare(&t->lower[d]) &&
	    il__fd_is_asked(below))
		il__transport_rest(below, asked);
	transport_idle(t, d);
}

void il__transport_rest(struct il__fd *fd, unsigned directions)
{
	struct il__transport *t = il__container_of(fd, struct il__transport, fd);

	t->inside++;
	for (int d = 0; d < 2; d++)
		if (directions & il__transport_bit(d) && !il__stream_is_closed(t->stream))
			transport_rest(t, d);
	if (--t->inside == 0 && il__stream_is_closed(t->stream))
		il__transport_end(t);
}

void il__transport_cut(il_stream *s)
{
	struct il__transport *t;
	il_stream *below;

	if (s->kind != IL__STREAM_TRANSPORT || il__stream_is_closed(s))
		return;
	t = il__transport_of(s);
	t->inside++;
	if (!(il__fd_asked(&t->fd) & IL_WRITABLE))
		il__fd_unshare(&t->lower[1]);
	below = il__transport_under(s);
	if (below && below != s)
		il__transport_cut(below);
	if (!il__stream_is_closed(s))
		transport_idle(t, 1);
	if (--t->inside == 0 && il__stream_is_closed(s))
		il__transport_end(t);
}

void il_transport_ready(il_stream *stream, unsigned mask)
{
	struct il__transport *t;
	int rc;

	if (!stream || il__stream_is_closed(stream) || stream->kind != IL__STREAM_TRANSPORT)
		return;
	rc = il__loop_check_thread(stream->loop, "il_transport_ready");
	if (rc == -EPERM)
		il__fatal("il_transport_ready: called in another thread than its loop's");
	if (rc < 0) /* in a forked child */
		return;
	t = il__transport_of(stream);
	t->told |= mask;
	for (int d = 0; d < 2; d++)
		if (mask & il__transport_bit(d))
			il__fd_unshare(&t->lower[d]);
	il__fd_fire(&t->fd, mask & (IL_READABLE | IL_WRITABLE));
}
