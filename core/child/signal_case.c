/*
 * signal_case.c: receiving a signal in a select. It is taken when the case happens, and not before: until then it
 * is there for whoever asks next. Loop's thread only.
 */
#include "../base/base.h"
#include "../base/error.h"
#include "../base/report.h"
#include "../io/fd.h"
#include "../runtime/task.h"
#include "../runtime/thread_state.h"
#include "../sync/case.h"
#include "signal_receiver.h"

struct signal_case {
	struct il__case base;
	struct il__fd_share share;
	bool gone;
};

il__case_fits(struct signal_case);

static struct signal_case *signal_case_of(il_case *c)
{
	return (struct signal_case *)(void *)il__case_inside(c);
}

static int signal_case_check(il_case *c, il_task *task)
{
	const il_signal_receiver *r = c->object;
	int rc = r->open ? il__loop_check_thread(r->loop, "il_select") : 0;

	(void)task;
	if (rc == 0 && r->open && r->gone)
		return il__refuse(-EBUSY,
				  "il_select: another task waits for a signal of this receiver; "
				  "one at a time");
	return rc;
}

static int signal_case_occupy(il_case *c, struct il__select *s)
{
	const il_signal_receiver *r = c->object;

	return il__case_occupy(c, s, r->open ? r->fd : NULL, IL_READABLE);
}

/* 1: one has come, and is taken. */
static int signal_case_look(il_case *c)
{
	int *number = c->item, taken = il__signal_look(c->object);

	if (!taken)
		return 0;
	c->rc = taken;
	if (number)
		*number = taken;
	return 1;
}

static int signal_case_take(il_case *c, il_task *task)
{
	const il_signal_receiver *r = c->object;

	(void)task;
	if (r->open)
		return signal_case_look(c);
	c->rc = il__refuse(-EBADF, "il_select: the signal receiver is closed");
	return 1;
}

/* The wake-up may be an older one's. */
static void signal_case_fire(struct il__fd_share *share)
{
	struct signal_case *w = il__container_of(share, struct signal_case, share);
	il_case *c = il__case_outside(&w->base);
	const il_signal_receiver *r = c->object;
	int rc = share->rc;

	if (rc == 0 && signal_case_look(c)) {
		rc = c->rc;
	} else if (rc == 0) {
		share->fd = r->fd;
		rc = il__fd_share(share);
	}
	if (rc != 0)
		il__case_happened(&w->base, rc);
}

static int signal_case_enqueue(il_case *c, il_task *task)
{
	il_signal_receiver *r = c->object;
	struct signal_case *w = signal_case_of(c);

	(void)task;
	w->gone = false;
	w->share =
	    (struct il__fd_share){.fd = r->fd, .asked = IL_READABLE, .fire = signal_case_fire};
	r->gone = &w->gone;
	return il__fd_share(&w->share);
}

/* After a close the receiver is left alone. */
static void signal_case_dequeue(il_case *c, il_task *task)
{
	il_signal_receiver *r = c->object;
	struct signal_case *w = signal_case_of(c);

	(void)task;
	il__fd_unshare(&w->share);
	if (!w->gone && r->gone == &w->gone)
		r->gone = NULL;
}

static void signal_case_tell(struct il__report *r, il_case *c)
{
	il__signal_receiver_tell(r, c->object);
}

static const struct il__case_ops signal_case = {
    .tell = signal_case_tell,
    .check = signal_case_check,
    .occupy = signal_case_occupy,
    .take = signal_case_take,
    .enqueue = signal_case_enqueue,
    .dequeue = signal_case_dequeue,
};

il_case il_case_signal(il_signal_receiver *receiver, int *number)
{
	il_case c = il__case(&signal_case, receiver);

	c.item = number;
	return c;
}
