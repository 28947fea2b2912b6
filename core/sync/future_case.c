/*
 * future_case.c: waiting for a future in a select. It is watched like any other waiter's; but the watcher fires
 * under the future's lock, maybe in another thread, so it only brings news: the select's task then looks which
 * futures are done. The case has a reference, for the future may be dropped before the task runs. Loop's thread,
 * but for the watcher.
 */
#include "../base/base.h"
#include "../base/error.h"
#include "../base/fork.h"
#include "../runtime/future.h"
#include "../runtime/ledger.h"
#include "../runtime/loop.h"
#include "../runtime/task.h"
#include "../runtime/thread_state.h"
#include "../runtime/wakeup.h"
#include "case.h"

struct future_case {
	struct il__case base;
	struct il__watcher watcher;
	bool watches;
	bool owed; /* another thread completes it, that the books do not tell of */
};

il__case_fits(struct future_case);

static struct future_case *future_case_of(il_case *c)
{
	return (struct future_case *)(void *)il__case_inside(c);
}

/* Any thread, under the future's lock. */
static void future_case_fire(struct il__watcher *w, il_future *f)
{
	struct il__select *s = il__container_of(w, struct future_case, watcher)->base.select;

	(void)f;
	if (!atomic_exchange_explicit(&s->fired, true, memory_order_acq_rel))
		il__wakeup_fire(&s->wakeup);
}

static int future_case_check(il_case *c, il_task *task)
{
	const il_future *f = c->object;

	(void)task;
	if (il__inherited(f->generation) && !il_future_done(f))
		return il__refuse(-ESHUTDOWN, "il_select: the future was inherited across fork");
	return 0;
}

static int future_case_take(il_case *c, il_task *task)
{
	(void)task;
	c->rc = 0;
	return il_future_done(c->object);
}

static const struct il__case_ops future_case;

/* Before the first of them waits: whichever is done ends the loans of all, for then the select's thread goes on. */
static int future_cases_begin(struct il__select *s)
{
	int rc = il__wakeup_init(&s->wakeup, "il_select");

	if (rc < 0)
		return rc;
	s->wakes = true;
	for (size_t i = 0; il__self.account && i < s->count; i++)
		if (s->cases[i].object && il__case_inside(&s->cases[i])->ops == &future_case)
			il__future_lend(s->cases[i].object, &s->wakeup);
	return 0;
}

static int future_case_enqueue(il_case *c, il_task *task)
{
	il_future *f = c->object;
	struct future_case *w = future_case_of(c);
	struct il__select *s = w->base.select;
	int rc = s->wakes ? 0 : future_cases_begin(s);

	w->watcher.fire = future_case_fire;
	w->watches = rc == 0;
	if (rc < 0)
		return rc;
	il_future_ref(f);
	w->owed = !il__future_is_local(f, task);
	if (w->owed)
		il__owe(&task->loop->ledger, IL__OWED_EVENT);
	il__future_owe(f, task);
	if (!il__future_watch(f, &w->watcher))
		il__case_happened(&w->base, 0);
	return 0;
}

static void future_case_dequeue(il_case *c, il_task *task)
{
	il_future *f = c->object;
	struct future_case *w = future_case_of(c);

	if (!w->watches)
		return;
	w->watches = false;
	if (il__unlikely(w->base.select->wakeup.loans != NULL))
		il__loans_end(w->base.select->wakeup.loans);
	il__future_unwatch(f, &w->watcher);
	il__future_paid(f, task);
	if (w->owed)
		il__paid(&task->loop->ledger, IL__OWED_EVENT);
	il_future_unref(f);
}

static void future_case_tell(struct il__report *r, il_case *c)
{
	il__future_tell(r, c->object);
}

static const struct il__case_ops future_case = {
    .tell = future_case_tell,
    .check = future_case_check,
    .take = future_case_take,
    .enqueue = future_case_enqueue,
    .dequeue = future_case_dequeue,
    .look = future_case_take,
};

il_case il_case_future(il_future *future)
{
	return il__case(&future_case, future);
}
