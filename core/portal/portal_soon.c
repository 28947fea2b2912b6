/*
 * portal_soon.c: posted calls: nobody waits, or a future does. Made and posted by any thread, handled by
 * the loop's. A call without a future is run whatever happens to the portal or the loop.
 */
#include "portal_soon.h"
#include "../base/base.h"
#include "../base/error.h"
#include "../base/memory.h"
#include "../base/probe.h"
#include "../base/trace.h"
#include "../runtime/future.h"
#include "../runtime/inbox.h"
#include "../runtime/ledger.h"
#include "../runtime/local.h"
#include "../runtime/loop.h"
#include "../runtime/task.h"
#include "../runtime/timer.h"
#include "../runtime/wakeup.h"
#include "portal.h"
#include "soon_memory.h"

/* ---- making one ---- */

static il_future *future_of(struct il__soon *soon)
{
	return &il__container_of(soon, struct il__soon_future, soon)->future;
}

static void free_with_future(il_future *f)
{
	il__free(il__container_of(f, struct il__soon_future, future));
}

/* A plain call cannot be stopped; its outcome can. */
static void cancel_plain(il_future *f)
{
	(void)f;
}

static const struct il__future_ops plain_ops = {.cancel = cancel_plain, .free = free_with_future};

static void soon_release(struct il__soon *soon)
{
	il__locals_unref(soon->locals);
	if (soon->has_future)
		il_future_unref(future_of(soon));
	else if (soon->as_task)
		il__free(il__soon_task_of(soon));
	else
		il__soon_memory_give(soon);
}

static struct il__soon *make_task(il_portal *p, il_future **f, il_fn *fn, void *arg)
{
	struct il__soon_task *st = il__calloc(1, sizeof *st);

	if (!st)
		return NULL;
	if (f) {
		if (il__future_task_make(&st->ft, p->inbox, p->loop, fn, arg) < 0) {
			il__free(st);
			return NULL;
		}
		*f = il_future_ref(il__future_task_future(st->ft));
	}
	return &st->soon;
}

static struct il__soon *make_plain(il_future **f)
{
	struct il__soon_future *sf;

	if (!f)
		return il__soon_memory_take();
	sf = il__malloc(sizeof *sf);
	if (!sf)
		return NULL;
	il__future_init(&sf->future, &plain_ops, NULL);
	*f = il_future_ref(&sf->future);
	return &sf->soon;
}

static void soon_on_message(struct il__message *m, il_loop *loop);

int il__soon_make(struct il__soon **out, il_portal *p, il_future **f, il_fn *fn, void *arg,
		  bool as_task, bool reserve, const char *function)
{
	struct il__soon *soon;
	int rc;

	if (!p || !fn)
		return il__refuse(-EINVAL, "%s: %s is NULL", function, p ? "fn" : "the portal");
	rc = il__portal_enter_gate(p, function);
	if (rc < 0)
		return rc;
	if (reserve && (rc = il__inbox_reserve(p->inbox)) < 0) {
		il__portal_abandon_gate(p);
		return rc;
	}
	soon = as_task ? make_task(p, f, fn, arg) : make_plain(f);
	if (!soon) {
		if (reserve)
			il__inbox_unreserve(p->inbox);
		il__portal_abandon_gate(p);
		return il__refuse(-ENOMEM, "%s: out of memory", function);
	}
	soon->message.handle = soon_on_message;
	soon->portal = p;
	soon->fn = fn;
	soon->arg = arg;
	soon->as_task = as_task;
	soon->reserved = reserve;
	soon->has_future = f && !as_task;
	soon->locals = il__locals_ref(il__locals_current());
	*out = soon;
	return 0;
}

static void number_future(struct il__soon *soon)
{
	if (soon->has_future)
		future_of(soon)->traced = soon->traced;
	else if (soon->as_task && il__soon_task_of(soon)->ft)
		il__future_task_future(il__soon_task_of(soon)->ft)->traced = soon->traced;
}

/* In a trace. What follows a plain call without a future does not ask for its number, which it may lack. */
static void soon_on_traced_message(struct il__message *m, il_loop *loop)
{
	struct il__soon *soon = il__container_of(m, struct il__soon, message);
	il_time begin = il__trace_now();
	const bool plain = !soon->as_task;
	il_fn *fn = soon->fn;

	il__trace_point(soon->traced, IL__TRACE_RUN, IL__TRACE_HERE);
	soon_on_message(m, loop);
	if (plain)
		il__trace_span(begin, "portal call", fn, IL__TRACE_HERE);
}

static __attribute__((noinline)) void soon_post_traced(struct il__soon *soon)
{
	il_time begin = il__trace_now();
	il_fn *fn = soon->fn;

	soon->traced = il__trace_send();
	number_future(soon);
	soon->message.handle = soon_on_traced_message;
	il__inbox_post(soon->portal->inbox, &soon->message);
	il__trace_span(begin, "post", fn, IL__TRACE_HERE);
}

void il__soon_post(struct il__soon *soon)
{
	IL__PROBE(portal_post, soon->portal, soon->fn);
	if (il__trace_on())
		soon_post_traced(soon);
	else
		il__inbox_post(soon->portal->inbox,
			       &soon->message); /* the gate keeps the loop open */
}

/* ---- handling one ---- */

void il__starter_finish(struct il__starter *starter, int rc, int value)
{
	starter->rc = rc;
	starter->value = value;
	il__wakeup_fire(&starter->wakeup);
}

/* Once the task has begun: its thread goes on before any time passes. */
static void starter_hears(struct il__soon_task *st, il_loop *loop, int rc, int value)
{
	struct il__starter *starter = st->starter;

	st->starter = NULL;
	if (starter->lender.name)
		il__back(loop, &starter->lender);
	il__starter_finish(starter, rc, value);
}

static void soon_task_ended(il_task *task, int rc)
{
	struct il__soon_task *st = task->base->owner;

	if (st->starter)
		starter_hears(st, task->loop, rc < 0 && rc != -ECANCELED ? rc : -EPROTO, 0);
	if (!st->ft && rc < 0 && rc != -ECANCELED)
		il__log(IL_LOG_WARNING, "a task%s%s that was posted through a portal failed: %s",
			task->base->name[0] ? " called " : "", task->base->name, il_strerror(rc));
	il__portal_leave_gate(st->soon.portal);
	soon_release(&st->soon);
}

static int soon_on_started(il_task *task, int value)
{
	struct il__soon_task *st = task->base->owner;

	if (!st->starter)
		return il__refuse(-EALREADY, "il_task_started: called before");
	starter_hears(st, task->loop, 0, value);
	return 0;
}

static bool soon_start_task(struct il__soon_task *st, il_loop *loop)
{
	struct il__task_setup options = {.scope = &st->soon.portal->scope,
					 .ended = soon_task_ended,
					 .owner = st,
					 .locals = st->soon.locals};
	il_task *task = st->ft ? il__future_task_start(st->ft, loop, &options)
			       : il__task_spawn(loop, st->soon.fn, st->soon.arg, &options);

	if (!task)
		return false;
	task->base->hold = st->context;
	if (st->starter)
		task->base->started = soon_on_started;
	if (st->starter && st->starter->lender.name)
		il__lend(loop, &st->starter->lender);
	return true;
}

/* A task that will not start: its future, and who waits for it, hear why. */
static void fail_task(struct il__soon_task *st, int rc)
{
	if (st->starter)
		il__starter_finish(st->starter, rc, 0);
	il__future_task_fail(st->ft, rc);
	il__portal_leave_gate(st->soon.portal);
	soon_release(&st->soon);
}

static void on_retry(struct il__timer *timer)
{
	struct il__soon_task *st = il__container_of(timer, struct il__soon_task, retry);

	soon_on_message(&st->soon.message, st->soon.portal->loop);
}

static void run_task(struct il__soon_task *st, il_loop *loop)
{
	if (st->ft && (loop->shut || il_future_done(il__future_task_future(st->ft)))) {
		fail_task(st, il__refuse(-ESHUTDOWN, "the loop shut down before the call began"));
		return;
	}
	if (soon_start_task(st, loop))
		return;
	if (st->ft) {
		fail_task(st, -ENOMEM);
		return;
	}
	/* It was accepted, and nobody else will run it: wait until a stack is free. */
	st->retry.fire = on_retry;
	if (il__timer_arm(loop, &st->retry, il__deadline_from(il__loop_now(loop), IL_MSEC(10))) < 0)
		il__loop_handle_later(loop, &st->soon.message);
}

static void run_with_future(struct il__soon *soon, il_future *f, il_loop *loop)
{
	int rc;

	if (loop->shut)
		rc = il__refuse(-ESHUTDOWN, "the loop shut down before the call began");
	else
		rc = il__plain_call(soon->fn, soon->arg, soon->locals, &soon->portal->scope);
	if (il__unlikely(f->traced))
		il__trace_point(f->traced, IL__TRACE_DONE, IL__TRACE_HERE);
	if (!il__future_finish(f, rc, false, il__keep_refusal(rc)))
		il__log(IL_LOG_WARNING,
			"a call that was posted through a portal failed after its future was "
			"cancelled: %s",
			il_strerror(rc));
}

/* Its future's callbacks run for the portal's host, too. */
static __attribute__((noinline)) void run_for_future(struct il__soon *soon, il_loop *loop)
{
	struct il__cancel_scope *outer = il__self.scope;
	il_future *f = future_of(soon);

	il__self.scope = &soon->portal->scope;
	if (soon->portal->scope.effective && !loop->shut)
		il__future_cancelled_early(f, NULL);
	else if (il__future_begin(f))
		run_with_future(soon, f, loop);
	il__self.scope = outer;
}

static void run_plain(struct il__soon *soon, il_loop *loop)
{
	if (soon->has_future)
		run_for_future(soon, loop);
	else
		il__plain_call(soon->fn, soon->arg, soon->locals, &soon->portal->scope);
	il__portal_leave_gate(soon->portal);
	soon_release(soon);
}

static void soon_on_message(struct il__message *m, il_loop *loop)
{
	struct il__soon *soon = il__container_of(m, struct il__soon, message);

	IL__PROBE(portal_run, soon->portal, soon->fn);
	if (soon->reserved) {
		soon->reserved = false;
		il__inbox_handled(loop->inbox);
	}
	if (soon->as_task)
		run_task(il__soon_task_of(soon), loop);
	else
		run_plain(soon, loop);
}

/* ---- the public side ---- */

static int soon_post(il_portal *p, il_future **f, il_fn *fn, void *arg, bool as_task,
		     const char *function)
{
	struct il__soon *soon = NULL;
	int rc = il__soon_make(&soon, p, f, fn, arg, as_task, true, function);

	if (rc == 0)
		il__soon_post(soon);
	return rc;
}

int il_portal_run_coroutine_soon(il_portal *p, il_future **f, il_fn *fn, void *arg)
{
	return soon_post(p, f, fn, arg, true, "il_portal_run_coroutine_soon");
}

int il_portal_run_sync_soon(il_portal *p, il_future **f, il_fn *fn, void *arg)
{
	return soon_post(p, f, fn, arg, false, "il_portal_run_sync_soon");
}

int il__portal_run_from_task(il_portal *p, il_fn *fn, void *arg, bool as_task, const char *function)
{
	struct il__soon *soon = NULL;
	il_future *f = NULL;
	il_task *task;
	int rc;

	task = il__task_current(function, &rc);
	if (!task || (rc = il__task_check(task)) < 0)
		return rc;
	rc = il__soon_make(&soon, p, &f, fn, arg, as_task, false, function);
	if (rc < 0)
		return rc;
	il__soon_post(soon);
	if (il_future_wait(f, IL_FOREVER) < 0)
		il_future_cancel(f);
	rc = il_future_join(f);
	if (rc == -ECANCELED)
		il__task_cancelled(task); /* the reason, if it is this task's */
	return rc;
}
