/*
 * portal_run.c: calls that wait: a plain thread waits for a function that runs in a loop, as a plain call or
 * as a task. The call lives on the thread's stack: nothing but the function's end lets the thread go on.
 * Everything but il__portal_run_wait and what stands below it is the loop's thread's.
 */
#include "portal_run.h"
#include "../base/base.h"
#include "../base/error.h"
#include "../base/load.h"
#include "../base/os.h"
#include "../base/probe.h"
#include "../base/report.h"
#include "../base/trace.h"
#include "../executor/caller.h"
#include "../runtime/inbox.h"
#include "../runtime/ledger.h"
#include "../runtime/local.h"
#include "../runtime/loop.h"
#include "../runtime/sigint.h"
#include "../runtime/task.h"
#include "../runtime/wakeup.h"
#include "portal.h"
#include "portal_soon.h"

static void portal_run_finish(struct il__portal_run *r, int rc)
{
	if (r->portal)
		il__portal_leave_gate(r->portal);
	if (il__unlikely(r->traced))
		il__trace_point(r->traced, IL__TRACE_DONE, IL__TRACE_HERE);
	r->rc = rc;
	r->why = il__keep_refusal(rc);
	il__wakeup_fire(&r->wakeup);
}

static void portal_run_task_ended(il_task *task, int rc)
{
	struct il__portal_run *r = task->base->owner;

	if (r->lender.name)
		il__back(task->loop, &r->lender);
	r->task = NULL;
	portal_run_finish(r, rc);
}

static struct il__cancel_scope *scope_of(struct il__portal_run *r, il_loop *loop)
{
	const struct il__caller *caller = r->caller;

	if (r->portal)
		return &r->portal->scope;
	return caller->scope ? caller->scope : &loop->scope;
}

/* Whether a portal's call is cancelled; one that has not begun then never begins. A worker's call goes up
 * to its first checkpoint: its task waits for it. */
static bool portal_run_is_cancelled(const struct il__portal_run *r)
{
	return r->portal && r->portal->scope.effective;
}

static int portal_run_run(void *arg)
{
	struct il__portal_run *r = arg;

	return portal_run_is_cancelled(r) ? -ECANCELED : r->fn(r->arg);
}

static struct il__report_name run_name = {
    .fn = portal_run_run, .name = "a portal's call", .fn_at = offsetof(struct il__portal_run, fn)};

static void portal_run_add_name(void)
{
	il__report_know(&run_name, 1);
}
IL__AT_LOAD(portal_run_add_name, IL__LOADED);

static void portal_run_start_task(struct il__portal_run *r, il_loop *loop)
{
	struct il__task_setup options = {.scope = scope_of(r, loop),
					 .own_scope = true,
					 .ended = portal_run_task_ended,
					 .owner = r,
					 .locals = r->locals};

	il__loop_meet(loop, r->fn);
	r->task = il__task_spawn(loop, portal_run_run, r, &options);
	if (!r->task) {
		portal_run_finish(r, -ENOMEM);
		return;
	}
	if (r->lender.name)
		il__lend(loop, &r->lender);
}

/* The plain call; r is gone when it has finished. */
static void portal_run_call(struct il__portal_run *r, il_loop *loop)
{
	il_time begin = r->traced ? il__trace_now() : 0;
	il_fn *fn = r->fn;

	portal_run_finish(r, il__plain_call(fn, r->arg, r->locals, scope_of(r, loop)));
	if (il__unlikely(begin))
		il__trace_span(begin, "portal call", fn, IL__TRACE_HERE);
}

static void portal_run_on_message(struct il__message *m, il_loop *loop)
{
	struct il__portal_run *r = il__container_of(m, struct il__portal_run, message);

	IL__PROBE(portal_run, r->portal, r->fn);
	if (il__unlikely(r->traced))
		il__trace_point(r->traced, IL__TRACE_RUN, IL__TRACE_HERE);
	/* A loop that shuts down still serves the threads that its own tasks wait for. */
	il__clear_refusal();
	if (loop->shut && !(r->caller && r->caller->scope))
		portal_run_finish(
		    r, il__refuse(-ESHUTDOWN, "the loop shut down before the call began"));
	else if (portal_run_is_cancelled(r))
		portal_run_finish(r, -ECANCELED);
	else if (r->as_task)
		portal_run_start_task(r, loop);
	else
		portal_run_call(r, loop);
}

/* ---- the waiting side ---- */

static void portal_run_tell(struct il__report *r, const il_task *task)
{
	const struct il__wakeup *s = il__wakeup_of(task->base->wait);

	il__report_function(r, il__container_of(s, const struct il__portal_run, wakeup)->fn);
	il__report(r, " in another loop");
}

/* From the task that waits to the one that it waits for. */
struct cancellation {
	struct il__message message;
	struct il__portal_run *run;
	struct il__wakeup heard;
};

static void portal_run_on_cancellation(struct il__message *m, il_loop *loop)
{
	struct cancellation *c = il__container_of(m, struct cancellation, message);

	(void)loop;
	if (c->run->task)
		il__task_cancel(c->run->task);
	il__wakeup_fire(&c->heard);
}

/* A task of a loop that the worker runs: cancelled, it takes the other with it. */
static void portal_run_wait_in_task(struct il__portal_run *r, struct il__inbox *inbox,
				    const char *function)
{
	struct cancellation c = {.message.handle = portal_run_on_cancellation, .run = r};

	if (il__wakeup_wait(&r->wakeup, IL_FOREVER) == 0)
		return;
	if (r->as_task && il__wakeup_init(&c.heard, function) == 0 &&
	    il__inbox_post(inbox, &c.message) == 0)
		il__wakeup_wait_shielded(&c.heard);
	il__wakeup_wait_shielded(&r->wakeup);
}

static int portal_run_wait(struct il__portal_run *r, struct il__inbox *inbox, const char *function)
{
	int rc;

	r->message.handle = portal_run_on_message;
	r->locals = il__locals_current();
	rc = il__wakeup_init(&r->wakeup, function);
	r->lender = il__lender_here(r->wakeup.task); /* which may be cancelled */
	if (rc == 0 && r->wakeup.task)
		rc = il__task_check(r->wakeup.task);
	if (rc < 0)
		return rc;
	IL__PROBE(portal_post, r->portal, r->fn);
	rc = il__inbox_post(inbox, &r->message);
	if (rc < 0)
		return il__refuse(rc, "%s: the loop is closed, or closing", function);
	r->wakeup.wait.tell = portal_run_tell;
	if (r->wakeup.task)
		portal_run_wait_in_task(r, inbox, function);
	else
		il__wakeup_wait_shielded(&r->wakeup);
	il__refuse_again(r->rc, r->why);
	if (r->wakeup.task && r->rc == -ECANCELED)
		il__task_cancelled(r->wakeup.task); /* the reason, if it is this task's */
	return r->rc;
}

static __attribute__((noinline)) int portal_run_wait_traced(struct il__portal_run *r,
							    struct il__inbox *inbox,
							    const char *function)
{
	il_time begin = il__trace_now();
	int rc;

	r->traced = il__trace_send();
	rc = portal_run_wait(r, inbox, function);
	il__trace_point(r->traced, IL__TRACE_ANSWERED, IL__TRACE_HERE);
	il__trace_span(begin, function, NULL, IL__TRACE_HERE);
	return rc;
}

int il__portal_run_wait(struct il__portal_run *r, struct il__inbox *inbox, const char *function)
{
	return il__trace_on() ? portal_run_wait_traced(r, inbox, function)
			      : portal_run_wait(r, inbox, function);
}

/* ---- through a portal ---- */

/* The thread that started the blocking portal is the main thread: SIGINT is handled for no other. */
int il__portal_result(const struct il__blocking *blocking, int rc)
{
	bool stopped = rc == -ECANCELED || rc == -ESHUTDOWN || rc == -EPROTO;

	if (!blocking || !stopped || !il__os_is_main_thread() || !il__sigint_report(blocking))
		return rc;
	return il__refuse(-EINTR, "SIGINT stopped the portal");
}

static int run_waiting(il_portal *p, il_fn *fn, void *arg, bool as_task, const char *function)
{
	struct il__portal_run r = {.fn = fn, .arg = arg, .as_task = as_task, .portal = p};
	const struct il__blocking *blocking = il__portal_blocking(p);
	il_task *task;
	int rc = il__portal_may_wait(p, fn, function, &task);

	if (rc == 0 && task)
		rc = il__portal_run_from_task(p, fn, arg, as_task, function);
	else if (rc == 0 && (rc = il__portal_enter_gate(p, function)) == 0)
		rc = il__portal_run_wait(&r, p->inbox, function);
	return il__portal_result(blocking, rc);
}

int il_portal_run_coroutine(il_portal *p, il_fn *fn, void *arg)
{
	return run_waiting(p, fn, arg, true, "il_portal_run_coroutine");
}

int il_portal_run_sync(il_portal *p, il_fn *fn, void *arg)
{
	return run_waiting(p, fn, arg, false, "il_portal_run_sync");
}
