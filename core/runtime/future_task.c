/*
 * future_task.c: a task whose handle is a future, in one allocation. The future may be cancelled from any
 * thread; the task is the loop's. `task` is written and read by the loop's thread only; the message
 * that carries a cancellation holds a reference.
 */
#include "../base/base.h"
#include "../base/error.h"
#include "../base/load.h"
#include "../base/memory.h"
#include "../base/report.h"
#include "../base/trace.h"
#include "future.h"
#include "host.h"
#include "inbox.h"
#include "local.h"
#include "loop.h"
#include "task.h"
#include "thread_state.h"

struct il__future_task {
	il_future future;
	struct il__message cancel;
	struct il__inbox *inbox;
	il_loop *loop; /* compared, not followed, by other threads */
	il_task *task; /* NULL once it has ended */
	il_fn *fn;
	void *arg;
	bool skipped;
	bool heard;                           /* the owner gets every failure */
	void (*ended)(il_task *task, int rc); /* the owner's */
};

static void on_cancel(struct il__message *m, il_loop *loop)
{
	struct il__future_task *ft = il__container_of(m, struct il__future_task, cancel);

	(void)loop;
	if (ft->task)
		il__task_cancel(ft->task);
	il_future_unref(&ft->future);
}

static void future_task_cancel(il_future *f)
{
	struct il__future_task *ft = il__container_of(f, struct il__future_task, future);

	if (il__self.loop == ft->loop) {
		if (ft->task)
			il__task_cancel(ft->task);
		return;
	}
	il_future_ref(f);
	if (il__inbox_post(ft->inbox, &ft->cancel) < 0)
		il_future_unref(f); /* the loop is closed: the task has ended */
}

static void future_task_release(il_future *f)
{
	struct il__future_task *ft = il__container_of(f, struct il__future_task, future);

	il__inbox_unref(ft->inbox);
	il__free(ft);
}

static struct il__inbox *future_task_inbox(il_future *f)
{
	return il__container_of(f, struct il__future_task, future)->inbox;
}

static bool is_local(il_future *f)
{
	return il__container_of(f, struct il__future_task, future)->loop == il__self.loop;
}

/* The calling task is the one behind it. */
static bool future_task_waits_for_itself(il_future *f)
{
	const struct il__future_task *ft = il__container_of(f, struct il__future_task, future);

	return ft->loop == il__self.loop && ft->task && ft->task == ft->loop->current;
}

/* The task may be another loop's, which is not ours to look at. */
static void future_task_tell(struct il__report *r, il_future *f)
{
	struct il__future_task *ft = il__container_of(f, struct il__future_task, future);
	char room[IL__TASK_TITLE];

	if (il__self.loop == ft->loop && ft->task)
		il__report(r, " of %s", il__task_title(ft->task, room));
	else
		il__report(r, " of a task of another loop");
}

static const struct il__future_ops ops = {.tell = future_task_tell,
					  .cancel = future_task_cancel,
					  .free = future_task_release,
					  .deadlock = future_task_waits_for_itself,
					  .local = is_local,
					  .inbox = future_task_inbox};

static int future_task_run(void *arg)
{
	struct il__future_task *ft = arg;

	if (ft->task->base->own.effective || !il__future_begin(&ft->future)) {
		ft->skipped = true;
		return -ECANCELED;
	}
	return ft->fn(ft->arg);
}

static struct il__report_name run_name = {.fn = future_task_run,
					  .name = "a task with a future",
					  .fn_at = offsetof(struct il__future_task, fn)};

static void future_task_add_name(void)
{
	il__report_know(&run_name, 1);
}
IL__AT_LOAD(future_task_add_name, IL__LOADED);

static void on_end(il_task *task, int rc)
{
	struct il__future_task *ft = task->base->arg;

	ft->task = NULL;
	if (il__unlikely(ft->future.traced))
		il__trace_point(ft->future.traced, IL__TRACE_DONE, IL__TRACE_HERE);
	if (ft->skipped) {
		task->base->own.effective =
		    true; /* whoever cancelled it: for the owner it is no failure */
		il__future_cancelled_early(&ft->future, NULL);
	} else if (!il__future_finish(&ft->future, rc, il__task_was_cancelled(task, rc),
				      il__keep_refusal(rc)) &&
		   !ft->heard) {
		il__log(IL_LOG_WARNING, "a task%s%s failed after its future was cancelled: %s",
			task->base->name[0] ? " called " : "", task->base->name, il_strerror(rc));
	}
	if (ft->ended)
		ft->ended(task, rc);
	il_future_unref(&ft->future);
}

int il__future_task_make(struct il__future_task **out, struct il__inbox *inbox, il_loop *loop,
			 il_fn *fn, void *arg)
{
	struct il__future_task *ft = il__malloc(sizeof *ft);

	if (!ft)
		return il__refuse(-ENOMEM, "a task's future: out of memory");
	il__future_init(&ft->future, &ops, NULL);
	ft->cancel.handle = on_cancel;
	ft->inbox = il__inbox_ref(inbox);
	ft->loop = loop;
	ft->task = NULL;
	ft->fn = fn;
	ft->arg = arg;
	ft->skipped = false;
	ft->heard = false;
	ft->ended = NULL;
	*out = ft;
	return 0;
}

il_future *il__future_task_future(struct il__future_task *ft)
{
	return &ft->future;
}

il_task *il__future_task_start(struct il__future_task *ft, il_loop *loop,
			       const struct il__task_setup *options)
{
	struct il__task_setup with = *options;

	ft->ended = options->ended;
	il__loop_meet(loop, ft->fn);
	ft->heard = options->heard;
	with.own_scope = true;
	with.ended = on_end;
	ft->task = il__task_spawn(loop, future_task_run, ft, &with);
	return ft->task;
}

void il__future_task_fail(struct il__future_task *ft, int rc)
{
	if (il__future_begin(&ft->future))
		il__future_finish(&ft->future, rc, false, il__keep_refusal(rc));
	il_future_unref(&ft->future);
}

int il__future_task(il_loop *loop, il_future **f, il_fn *fn, void *arg,
		    const struct il__task_setup *options)
{
	struct il__future_task *ft = NULL;
	int rc = il__future_task_make(&ft, loop->inbox, loop, fn, arg);

	if (rc < 0)
		return rc;
	if (!il__future_task_start(ft, loop, options)) {
		il_future_unref(&ft->future);
		return -ENOMEM;
	}
	*f = il_future_ref(&ft->future); /* the task holds the first one */
	return 0;
}

/* ---- il_loop_spawn ---- */

static void root_ended(il_task *task, int rc)
{
	il__host_task_left(task, rc);
	if (rc < 0 && !il__task_was_cancelled(task, rc))
		il__log(IL_LOG_WARNING, "a task of il_loop_spawn%s%s%s failed: %s",
			task->base->name[0] ? ", " : "", task->base->name,
			task->base->name[0] ? "," : "", il_strerror(rc));
}

static int spawn_root(il_loop *loop, il_future **f, il_fn *fn, void *arg,
		      const il_task_options *with, const char *function)
{
	struct il__task_setup options;
	int rc;

	if (!loop || !fn)
		return il__refuse(-EINVAL, "%s: loop or fn is NULL", function);
	rc = il__loop_check_thread(loop, function);
	if (rc == 0)
		rc = il__task_check_options(with, function);
	if (rc < 0)
		return rc;
	if (loop->shut)
		return il__refuse(-ESHUTDOWN, "%s: the loop is shut down", function);
	options = (struct il__task_setup){.scope = il__host_scope(loop),
					  .ended = f ? il__host_task_left : root_ended,
					  .locals = il__locals_current(),
					  .with = with};
	if (f)
		rc = il__future_task(loop, f, fn, arg, &options);
	else if (!il__task_spawn(loop, fn, arg, &options))
		rc = -ENOMEM;
	if (rc == 0)
		il__host_joined(options.scope);
	return rc;
}

int il_loop_spawn(il_loop *loop, il_future **f, il_fn *fn, void *arg)
{
	return spawn_root(loop, f, fn, arg, NULL, "il_loop_spawn");
}

int il_loop_spawn_with(il_loop *loop, il_future **f, il_fn *fn, void *arg,
		       const il_task_options *options)
{
	return spawn_root(loop, f, fn, arg, options, "il_loop_spawn_with");
}
