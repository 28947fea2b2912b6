/*
 * executor.c: the one interface over thread pools, process pools and executors of the user's own: the object
 * and its end. Calls are in executor_submit.c, executor_run.c and executor_map.c. Any thread.
 */
#include "executor.h"
#include "../base/error.h"
#include "../base/fork.h"
#include "../base/memory.h"
#include "../base/report.h"
#include "../base/sanitizer.h"
#include "../runtime/ledger.h"
#include "../runtime/task.h"
#include "../runtime/wakeup.h"

/* ---- the object ---- */

int il__executor_make(il_executor **out, const struct il__executor_type *ops, void *self,
		      bool copies, bool locals)
{
	il_executor *ex = il__calloc(1, sizeof *ex);

	if (!ex)
		return il__refuse(-ENOMEM, "an executor: out of memory");
	il__watch_fork();
	atomic_init(&ex->refs, 1);
	ex->generation = il__generation;
	ex->ops = ops;
	ex->self = self;
	ex->copies = copies;
	ex->locals = locals;
	il__executors_add(ex);
	*out = ex;
	return 0;
}

il_executor *il_executor_ref(il_executor *ex)
{
	if (ex)
		atomic_fetch_add_explicit(&ex->refs, 1, memory_order_relaxed);
	return ex;
}

void il_executor_unref(il_executor *ex)
{
	bool free_later;

	if (!ex || il__inherited(ex->generation) || !il__drop_reference(&ex->refs))
		return;
	il__executors_remove(ex);
	free_later = ex->ops->keeps_executor;
	ex->ops->destroy(ex->self);
	if (!free_later)
		il__free(ex);
}

void il_executor_destroy(il_executor *ex)
{
	if (!ex)
		return;
	il_executor_shutdown(ex, 0);
	il_executor_unref(ex);
}

int il__processors_for(size_t cpu_count)
{
	int all = il_processor_count();

	return cpu_count && cpu_count < (size_t)all ? (int)cpu_count : all;
}

int il__executor_check(il_executor *ex, il_fn *fn, const char *function)
{
	if (!ex || !fn)
		return il__refuse(-EINVAL, "%s: %s is NULL", function, ex ? "fn" : "the executor");
	if (il__inherited(ex->generation))
		return il__refuse(-ESHUTDOWN, "%s: the executor was inherited across fork",
				  function);
	return 0;
}

/* ---- shutdown ---- */

/* Waits for the end, if it is not there. */
static void wait_end(il_executor *ex, unsigned flags, struct il__watcher_of_end *end, il_task *task)
{
	struct il__account account = il__executor_account(ex, 0);

	if (task)
		il__owe_calls(task->loop, &account, 1);
	if (ex->ops->shutdown(ex->self, flags, end))
		il__wakeup_wait_shielded(&end->wakeup);
	ex->ops->ended(ex->self);
	if (task)
		il__paid_calls(task->loop, &account, 1);
}

static void end_tell(struct il__report *r, const il_task *task)
{
	const struct il__wakeup *s = il__wakeup_of(task->base->wait);
	const il_executor *ex =
	    il__container_of(s, const struct il__watcher_of_end, wakeup)->executor;
	const char *name = ex->ops->name ? ex->ops->name(ex->self) : "";

	il__report(r, "the end of executor %s%s(%s)", name, name[0] ? " " : "", ex->ops->runs_in);
}

/* Whether the caller may wait here and now: 0, or a code. -EPERM leaves it to the executor, which may have
 * nothing to wait for; -ECANCELED: it must not. */
static int executor_may_wait(il_executor *ex, struct il__watcher_of_end *end)
{
	int rc;

	if (ex->ops->is_worker(ex->self))
		return il__refuse(-EDEADLK,
				  "il_executor_shutdown: called by a worker of that executor, "
				  "which would wait for itself; use IL_NOWAIT");
	rc = il__wakeup_init(&end->wakeup, "il_executor_shutdown");
	end->wakeup.wait.tell = end_tell;
	end->executor = ex;
	if (rc == 0 && end->wakeup.task && il__task_cancelled(end->wakeup.task))
		rc = -ECANCELED;
	return rc;
}

static int executor_shut_down(il_executor *ex, unsigned flags, struct il__watcher_of_end *end,
			      int rc)
{
	if (rc == -EPERM) {
		if (ex->ops->shutdown(ex->self, flags | IL__UNLESS_IT_WAITS, end))
			return rc;
		ex->ops->ended(ex->self);
		return 0;
	}
	if (flags & IL_NOWAIT)
		ex->ops->shutdown(ex->self, flags, NULL);
	else
		wait_end(ex, flags, end, end->wakeup.task);
	return rc;
}

/* The caller holds a reference. */
static int shut_down_held(il_executor *ex, unsigned flags)
{
	struct il__watcher_of_end end = {.wakeup = {.task = NULL}};
	int rc = 0;

	if (!(flags & IL_NOWAIT))
		rc = executor_may_wait(ex, &end);
	if (rc == -ECANCELED)
		flags |= IL_NOWAIT;
	else if (rc < 0 && rc != -EPERM)
		return rc;
	if (ex->ops->shut_down_in_place)
		rc = ex->ops->shut_down_in_place(ex->self, flags, end.wakeup.task, rc);
	else
		rc = executor_shut_down(ex, flags, &end, rc);
	if (rc == -ECANCELED && end.wakeup.task)
		il__task_cancelled(end.wakeup.task); /* the reason: callbacks of futures have run */
	return rc;
}

int il_executor_shutdown(il_executor *ex, unsigned flags)
{
	int rc;

	if (!ex || (flags & ~(unsigned)(IL_NOWAIT | IL_CANCEL_FUTURES)))
		return il__refuse(
		    -EINVAL, "il_executor_shutdown: the executor is NULL or a flag is unknown");
	if (il__inherited(ex->generation))
		return il__refuse(-ESHUTDOWN,
				  "il_executor_shutdown: the executor was inherited across fork");
	il_executor_ref(ex); /* another task may drop the last one while this one waits */
	rc = shut_down_held(ex, flags);
	il_executor_unref(ex);
	return rc;
}
