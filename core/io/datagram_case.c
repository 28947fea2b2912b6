/*
 * datagram_case.c: waiting for a datagram in a select. It stands in the place of whoever receives, and takes none of
 * the datagrams. Loop's thread only.
 */
#include "../base/base.h"
#include "../base/error.h"
#include "../base/report.h"
#include "../runtime/task.h"
#include "../runtime/thread_state.h"
#include "../sync/case.h"
#include "datagram.h"
#include "fd.h"

struct datagram_case {
	struct il__case base;
	struct il__fd_share share;
	struct il__datagram_place place;
};

il__case_fits(struct datagram_case);

static struct datagram_case *datagram_case_of(il_case *c)
{
	return (struct datagram_case *)(void *)il__case_inside(c);
}

static int datagram_case_check(il_case *c, il_task *task)
{
	const il_datagram *d = c->object;
	int rc = d->fd ? il__loop_check_thread(d->loop, "il_select") : 0;

	(void)task;
	if (rc == 0 && d->fd && (d->receiver || il__fd_asked(d->fd) & IL_READABLE))
		return il__refuse(-EBUSY, "il_select: another task receives; one at a time");
	return rc;
}

static int datagram_case_occupy(il_case *c, struct il__select *s)
{
	const il_datagram *d = c->object;

	return il__case_occupy(c, s, d->fd, IL_READABLE);
}

/* Where something is there, il_datagram_receive is to try at once. */
static int datagram_case_take(il_case *c, il_task *task)
{
	il_datagram *d = c->object;

	(void)task;
	c->rc = d->fd ? 0 : il__refuse(-EBADF, "il_select: the socket is closed");
	if (c->rc < 0 || d->failure)
		return 1;
	if (d->network->ready(d->fd, IL_READABLE) <= 0)
		return 0;
	d->fd->ready |= IL_READABLE;
	return 1;
}

static void datagram_case_fire(struct il__fd_share *share)
{
	struct datagram_case *w = il__container_of(share, struct datagram_case, share);

	il__case_happened(&w->base, share->rc < 0 ? -EBADF : 0);
}

static int datagram_case_enqueue(il_case *c, il_task *task)
{
	il_datagram *d = c->object;
	struct datagram_case *w = datagram_case_of(c);

	(void)task;
	w->share =
	    (struct il__fd_share){.fd = d->fd, .asked = IL_READABLE, .fire = datagram_case_fire};
	w->place = (struct il__datagram_place){.gone = false};
	d->receiver = &w->place;
	return il__fd_share(&w->share);
}

static void datagram_case_dequeue(il_case *c, il_task *task)
{
	il_datagram *d = c->object;
	struct datagram_case *w = datagram_case_of(c);

	(void)task;
	il__fd_unshare(&w->share);
	if (d->receiver == &w->place)
		d->receiver = NULL;
}

static void datagram_case_tell(struct il__report *r, il_case *c)
{
	const il_datagram *d = c->object;

	il__report(r, "a datagram, ");
	il__fd_tell(r, d->fd, IL_READABLE);
}

static const struct il__case_ops datagram_case = {
    .tell = datagram_case_tell,
    .check = datagram_case_check,
    .occupy = datagram_case_occupy,
    .take = datagram_case_take,
    .enqueue = datagram_case_enqueue,
    .dequeue = datagram_case_dequeue,
};

il_case il_case_datagram(il_datagram *d)
{
	return il__case(&datagram_case, d);
}
