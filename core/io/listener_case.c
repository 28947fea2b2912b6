/*
 * listener_case.c: waiting for a connection in a select. It stands in the place of whoever accepts, and takes none
 * of the connections. Loop's thread only.
 */
#include "../base/base.h"
#include "../base/error.h"
#include "../base/report.h"
#include "../runtime/task.h"
#include "../runtime/thread_state.h"
#include "../sync/case.h"
#include "fd.h"
#include "listener.h"

struct listener_case {
	struct il__case base;
	struct il__accepting place;
};

il__case_fits(struct listener_case);

static struct listener_case *listener_case_of(il_case *c)
{
	return (struct listener_case *)(void *)il__case_inside(c);
}

static bool listener_is_waited_for(const il_listener *l)
{
	bool waits = l->accepting != NULL;

	for (int i = 0; i < l->count; i++)
		waits |= il__fd_asked(l->sockets[i].fd) & IL_READABLE;
	return waits;
}

static int listener_case_check(il_case *c, il_task *task)
{
	const il_listener *l = c->object;
	int rc = l->count ? il__loop_check_thread(l->loop, "il_select") : 0;

	(void)task;
	if (rc == 0 && l->count && listener_is_waited_for(l))
		return il__refuse(-EBUSY, "il_select: another task is accepting; one at a time");
	return rc;
}

static int listener_case_occupy(il_case *c, struct il__select *s)
{
	il_listener *l = c->object;
	int rc = 0;

	for (int i = 0; rc == 0 && i < l->count; i++)
		rc = il__select_occupy(s, &l->sockets[i].place, (uintptr_t)l->sockets[i].fd,
				       IL_READABLE);
	return rc;
}

/* Where somebody is there, il_listener_accept is to try at once. */
static int listener_case_take(il_case *c, il_task *task)
{
	il_listener *l = c->object;
	int ready = 0;

	(void)task;
	for (int i = 0; i < l->count; i++)
		if (l->network->ready(l->sockets[i].fd, IL_READABLE) > 0) {
			l->sockets[i].fd->ready |= IL_READABLE;
			ready = 1;
		}
	c->rc = l->count ? 0 : il__refuse(-EBADF, "il_select: the listener is closed");
	return ready || c->rc < 0;
}

static void listener_case_fire(struct il__fd_share *share)
{
	const struct il__listening *s = il__container_of(share, struct il__listening, share);

	il__waiter_wake(s->waiter, share->rc < 0 ? -EBADF : 0);
}

static int listener_case_enqueue(il_case *c, il_task *task)
{
	il_listener *l = c->object;
	struct listener_case *w = listener_case_of(c);
	int rc = 0;

	(void)task;
	w->place = (struct il__accepting){.waiter = &w->base.waiter};
	l->accepting = &w->place;
	for (int i = 0; i < l->count; i++)
		l->sockets[i].share.link = NULL;
	for (int i = 0; rc == 0 && i < l->count; i++) {
		struct il__listening *s = &l->sockets[i];
		s->waiter = &w->base.waiter;
		s->share = (struct il__fd_share){
		    .fd = s->fd, .asked = IL_READABLE, .fire = listener_case_fire};
		rc = il__fd_share(&s->share);
	}
	return rc;
}

static void listener_case_dequeue(il_case *c, il_task *task)
{
	il_listener *l = c->object;
	const struct listener_case *w = listener_case_of(c);

	(void)task;
	if (l->accepting != &w->place)
		return;
	for (int i = 0; i < l->count; i++)
		il__fd_unshare(&l->sockets[i].share);
	l->accepting = NULL;
}

static void listener_case_tell(struct il__report *r, il_case *c)
{
	il__listener_tell(r, c->object);
}

static const struct il__case_ops listener_case = {
    .tell = listener_case_tell,
    .check = listener_case_check,
    .occupy = listener_case_occupy,
    .take = listener_case_take,
    .enqueue = listener_case_enqueue,
    .dequeue = listener_case_dequeue,
};

il_case il_case_listener(il_listener *listener)
{
	return il__case(&listener_case, listener);
}
