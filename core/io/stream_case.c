/*
 * stream_case.c: waiting for a stream in a select, until a call in that direction need not wait. A transport has to
 * be asked before that is known, so what its share of the descriptor brings is news. Loop's thread only.
 */
#include "../base/base.h"
#include "../base/error.h"
#include "../base/report.h"
#include "../runtime/task.h"
#include "../runtime/thread_state.h"
#include "../sync/case.h"
#include "fd.h"
#include "stream.h"

struct stream_case {
	struct il__case base;
	struct il__fd_share share; /* until the case happens, or is not waited for any more */
	il_stream *
	    entered; /* whose directions are this select's, while it is told of its end; NULL: none */
	bool news;
};

il__case_fits(struct stream_case);

static struct stream_case *stream_case_of(il_case *c)
{
	return (struct stream_case *)(void *)il__case_inside(c);
}

static int stream_case_check(il_case *c, il_task *task)
{
	const il_stream *s = c->object;
	int rc;

	(void)task;
	if (!c->mask || c->mask & ~(unsigned)(IL_READABLE | IL_WRITABLE))
		return il__refuse(-EINVAL,
				  "il_select: the mask of a stream is %#x, it must be IL_READABLE, "
				  "IL_WRITABLE or both",
				  c->mask);
	if (il__stream_is_closed(s))
		return 0;
	rc = il__loop_check_thread(s->loop, "il_select");
	if (rc < 0)
		return rc;
	for (unsigned bit = IL_READABLE; bit <= IL_WRITABLE; bit <<= 1)
		if (c->mask & bit && (s->op[il__fd_direction(bit)] || il__stream_asked(s) & bit))
			return il__refuse(-EBUSY,
					  "il_select: another task uses this direction of the "
					  "stream; one at a time");
	return 0;
}

static int stream_case_occupy(il_case *c, struct il__select *s)
{
	return il__case_occupy(c, s, il__stream_place(c->object), c->mask);
}

static int stream_case_take(il_case *c, il_task *task)
{
	il_stream *s = c->object;
	int rc = il__stream_is_closed(s) ? -EBADF : il__stream_is_ready(s, c->mask, "il_select");

	(void)task;
	c->rc = rc;
	if (rc > 0 && s->kind != IL__STREAM_TRANSPORT) /* the call is to try at once */
		s->fd->ready |= (unsigned char)rc;
	return rc > 0 || rc == -EBADF ? 1 : rc;
}

/* Until the task takes a look it waits on: the stream may be closed before, and gone. */
static void stream_case_has_news(struct stream_case *w)
{
	const il_stream *s = il__case_outside(&w->base)->object;

	w->news = true;
	il__fd_share_on(&w->share, s->fd);
	il__case_news(w->base.select);
}

static void stream_case_fire(struct il__fd_share *share)
{
	struct stream_case *w = il__container_of(share, struct stream_case, share);

	if (share->rc >= 0) {
		stream_case_has_news(w);
		return;
	}
	w->entered = NULL; /* it may be gone before the select's task runs */
	il__case_happened(&w->base, -EBADF);
}

/* Its own transport, which this asks, may have destroyed the stream: where it fails, nothing of it is touched. */
static int stream_case_watch(il_case *c)
{
	struct stream_case *w = stream_case_of(c);
	int rc = il__stream_watch(c->object, &w->share);

	if (rc < 0)
		return rc;
	if (rc > 0)
		stream_case_has_news(w);
	w->entered = c->object;
	il__stream_select(w->entered, c->mask);
	return 0;
}

/* Before the stream may be gone. */
static void stream_case_leave(il_case *c)
{
	struct stream_case *w = stream_case_of(c);

	if (w->entered)
		il__stream_unselect(w->entered, c->mask);
	w->entered = NULL;
}

static int stream_case_enqueue(il_case *c, il_task *task)
{
	struct stream_case *w = stream_case_of(c);

	(void)task;
	w->share = (struct il__fd_share){.asked = (unsigned char)c->mask, .fire = stream_case_fire};
	w->news = false;
	w->entered = NULL;
	if (il__stream_is_closed(c->object)) /* by what another case has called */
		il__case_happened(&w->base, -EBADF);
	return il__select_is_over(w->base.select) ? 0 : stream_case_watch(c);
}

static bool stream_case_calls_out(const il_case *c)
{
	return il__stream_calls_out(c->object);
}

static int stream_case_look(il_case *c, il_task *task)
{
	struct stream_case *w = stream_case_of(c);
	int rc;

	if (!w->news)
		return 0;
	w->news = false;
	il__fd_unshare(&w->share);
	stream_case_leave(c);
	rc = stream_case_take(c, task);
	return rc ? rc : stream_case_watch(c);
}

static void stream_case_dequeue(il_case *c, il_task *task)
{
	(void)task;
	stream_case_leave(c);
}

static void stream_case_rest(il_case *c, il_task *task)
{
	(void)task;
	il__stream_unwatch(&stream_case_of(c)->share);
}

static void stream_case_tell(struct il__report *r, il_case *c)
{
	const il_stream *s = c->object;

	il__report(r, "a stream, ");
	il__fd_tell(r, s->fd, c->mask);
}

static const struct il__case_ops stream_case = {
    .tell = stream_case_tell,
    .check = stream_case_check,
    .occupy = stream_case_occupy,
    .take = stream_case_take,
    .enqueue = stream_case_enqueue,
    .dequeue = stream_case_dequeue,
    .calls_out = stream_case_calls_out,
    .rest = stream_case_rest,
    .look = stream_case_look,
};

il_case il_case_stream(il_stream *stream, unsigned mask)
{
	il_case c = il__case(&stream_case, stream);

	c.mask = mask;
	return c;
}
