/*
 * portal_start.c: calls that wait for a task's first word: il_portal_start_task, and the async context
 * with its il_portal_enter, _hold and _exit.
 */
#include "../base/base.h"
#include "../base/error.h"
#include "../base/fork.h"
#include "../base/memory.h"
#include "../base/report.h"
#include "../base/sanitizer.h"
#include "../runtime/inbox.h"
#include "../runtime/loop.h"
#include "../runtime/task.h"
#include "../runtime/thread_state.h"
#include "../runtime/wakeup.h"
#include "portal.h"
#include "portal_run.h"
#include "portal_soon.h"

static void start_tell(struct il__report *r, const il_task *task)
{
	const struct il__wakeup *s = il__wakeup_of(task->base->wait);

	il__report_function(r, il__container_of(s, const struct il__starter, wakeup)->fn);
	il__report(r, ", started in another loop");
}

static int start(il_portal *p, const char *function, il_future **f, int *value, il_fn *fn,
		 void *arg, il_portal_context *context)
{
	struct il__starter starter = {.fn = fn};
	struct il__soon *soon;
	il_future *future;
	il_task *task;
	int rc = il__portal_may_wait(p, fn, function, &task);

	if (rc < 0 || (rc = il__wakeup_init(&starter.wakeup, function)) < 0)
		return rc;
	if (task && (rc = il__task_check(task)) < 0)
		return rc;
	rc = il__soon_make(&soon, p, &future, fn, arg, true, false, function);
	if (rc < 0)
		return rc;
	starter.lender = il__lender_here(task); /* which may be cancelled */
	il__soon_task_of(soon)->starter = &starter;
	il__soon_task_of(soon)->context = context;
	il__soon_post(soon);
	starter.wakeup.wait.tell = start_tell;
	rc = il__wakeup_wait(&starter.wakeup, IL_FOREVER);
	if (rc < 0) {
		il_future_cancel(future);
		il__wakeup_wait_shielded(&starter.wakeup);
		il_future_join(future);
		if (task)
			il__task_cancelled(task); /* the reason */
		return rc;
	}
	if (starter.rc < 0) {
		il_future_join(future); /* it has ended, or is about to */
		return starter.rc == -EPROTO
			   ? il__refuse(-EPROTO, "%s: the task ended without its word", function)
			   : starter.rc;
	}
	if (value)
		*value = starter.value;
	if (f)
		*f = future;
	else
		il_future_unref(future);
	return 0;
}

int il__portal_start(il_portal *p, const char *function, il_future **f, int *value, il_fn *fn,
		     void *arg, il_portal_context *context)
{
	const struct il__blocking *blocking = il__portal_blocking(p);

	return il__portal_result(blocking, start(p, function, f, value, fn, arg, context));
}

int il_portal_start_task(il_portal *p, il_future **f, int *value, il_fn *fn, void *arg)
{
	return il__portal_start(p, "il_portal_start_task", f, value, fn, arg, NULL);
}

/* ---- async contexts ---- */

struct il_portal_context {
	struct il__message message; /* carries the exit to the loop, with a reference */
	il_portal *portal;          /* a reference */
	il_future *future;
	atomic_uint refs; /* who entered, and the message */
	int rc;           /* of the exit: before the message */
	char *why;        /* and its words */

	/* the loop's thread only */
	il_task *holder; /* parked in il_portal_hold */
	bool held;
};

static void start_unref(il_portal_context *c)
{
	if (!il__drop_reference(&c->refs))
		return;
	il_portal_unref(c->portal);
	il__free(c->why);
	il__free(c);
}

static void on_exit_message(struct il__message *m, il_loop *loop)
{
	il_portal_context *c = il__container_of(m, il_portal_context, message);

	(void)loop;
	if (c->holder)
		il__task_wake(c->holder, 0);
	start_unref(c);
}

int il_portal_enter(il_portal *p, il_portal_context **context, il_fn *fn, void *arg)
{
	il_portal_context *c;
	int rc, value = 0;

	if (!context)
		return il__refuse(-EINVAL, "il_portal_enter: the context is NULL");
	c = il__calloc(1, sizeof *c);
	if (!c)
		return il__refuse(-ENOMEM, "il_portal_enter: out of memory");
	c->message.handle = on_exit_message;
	c->portal = il_portal_ref(p);
	atomic_init(&c->refs, 1);
	rc = il__portal_start(p, "il_portal_enter", &c->future, &value, fn, arg, c);
	if (rc < 0) {
		start_unref(c);
		return rc;
	}
	*context = c;
	return value;
}

static void hold_tell(struct il__report *r, const il_task *task)
{
	(void)task;
	il__report(r, "il_portal_exit");
}

static const struct il__wait hold_wait = {"il_portal_hold", hold_tell};

int il_portal_hold(int value)
{
	int rc;
	il_task *task = il__task_current("il_portal_hold", &rc);
	il_portal_context *c = task ? task->base->hold : NULL;

	if (!task)
		return rc;
	if (!c)
		return il__refuse(-EPERM,
				  "il_portal_hold: this task was not started by il_portal_enter");
	if (c->held || value < 0)
		return il__refuse(c->held ? -EALREADY : -EINVAL, "il_portal_hold: %s",
				  c->held ? "called before" : "the value is negative");
	rc = il__task_check(task);
	if (rc < 0)
		return rc;
	c->held = true;
	task->base->started(task, value);
	c->holder = task;
	rc = il__task_park(task, il__abort_freely, NULL, &hold_wait);
	c->holder = NULL;
	if (rc < 0)
		return rc;
	return c->why ? il__refuse(c->rc, "%s", c->why) : il__no_words(c->rc);
}

int il_portal_exit(il_portal_context *c, int rc)
{
	il_task *task;
	int result = 0;
	bool waits;

	if (!c)
		return il__refuse(-EINVAL, "il_portal_exit: the context is NULL");
	if (il__inherited(c->portal->generation)) { /* its task stayed with the parent */
		il_future_unref(c->future);
		start_unref(c);
		return il__refuse(-ESHUTDOWN,
				  "il_portal_exit: the context was inherited across fork");
	}
	waits = !il_future_done(c->future);
	if (waits && il__portal_is_own_thread(c->portal))
		return il__refuse(-EDEADLK,
				  "il_portal_exit: called in the portal's own loop's thread");
	if (waits)
		result = il__may_wait("il_portal_exit", &task);
	if (result < 0)
		return result;
	c->rc = rc;
	c->why = il__keep_refusal(rc);
	atomic_fetch_add(&c->refs, 1);
	if (il__inbox_post(c->portal->inbox, &c->message) < 0)
		start_unref(c); /* the loop has ended, and the task with it */
	result = il__portal_result(il__portal_blocking(c->portal), il_future_join(c->future));
	start_unref(c);
	return result;
}
