/*
 * executor.c: the one interface over thread pools, process pools and executors of the user's own: submit
 * with a future or without, run and wait, shut down. Any thread.
 */
#include "offload.h"

#include <stdlib.h>
#include <time.h>

/* ---- the object ---- */

int il__executor_make(il_executor **out, const struct il__executor_ops *ops, void *self,
		      bool copies, bool locals)
{
	il_executor *ex = calloc(1, sizeof *ex);

	if (!ex)
		return il__refuse(-ENOMEM, "an executor: out of memory");
	il__watch_fork();
	atomic_init(&ex->refs, 1);
	ex->generation = il__generation;
	ex->ops = ops;
	ex->self = self;
	ex->copies = copies;
	ex->locals = locals;
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
	if (!ex || il__inherited(ex->generation) ||
	    atomic_fetch_sub_explicit(&ex->refs, 1, memory_order_acq_rel) != 1)
		return;
	ex->ops->destroy(ex->self);
	free(ex);
}

void il_executor_destroy(il_executor *ex)
{
	if (!ex)
		return;
	il_executor_shutdown(ex, 0);
	il_executor_unref(ex);
}

static int check(il_executor *ex, il_fn *fn, const char *function)
{
	if (!ex || !fn)
		return il__refuse(-EINVAL, "%s: %s is NULL", function, ex ? "fn" : "the executor");
	if (il__inherited(ex->generation))
		return il__refuse(-ESHUTDOWN, "%s: the executor was inherited across fork",
				  function);
	return 0;
}

/* ---- submit ---- */

struct future_call {
	il_call call;
	il_future future;
};

static bool claim_future(il_call *call)
{
	return il__future_begin(&il__container_of(call, struct future_call, call)->future);
}

static void answer_future(il_call *call, int rc)
{
	il_future *f = &il__container_of(call, struct future_call, call)->future;

	if (il_future_running(f)) {
		il__future_finish(f, rc, false);
	} else if (rc == -ECANCELED) {
		il__future_cancelled_early(f);
	} else if (il__future_begin(f)) { /* failed before it began */
		il__future_finish(f, rc, false);
	}
	il_future_unref(f);
}

static bool is_cancelled(il_call *call)
{
	return il_future_cancelled(&il__container_of(call, struct future_call, call)->future);
}

static const struct il__call_ops future_call_ops = {
    .claim = claim_future, .answer = answer_future, .unwanted = is_cancelled};

static void free_future_call(il_future *f)
{
	struct future_call *fc = il__container_of(f, struct future_call, future);

	free(fc->call.detail);
	free(fc);
}

static bool waits_for_itself(il_future *f)
{
	il_call *call = &il__container_of(f, struct future_call, future)->call;

	return !il_future_running(f) && call->executor_ops->only_worker(call->executor_self);
}

static bool is_offloaded(il_future *f)
{
	(void)f;
	return true;
}

static void explain(il_future *f)
{
	const char *detail = il__container_of(f, struct future_call, future)->call.detail;

	if (detail)
		il__refuse(f->result, "%s", detail);
}

static const struct il__future_ops future_ops = {.free = free_future_call,
						 .deadlock = waits_for_itself,
						 .offloaded = is_offloaded,
						 .explain = explain};

/* Its lock keeps it from being answered, and so its executor from being gone. */
static void kill_future(il_future *f)
{
	il_call *call = &il__container_of(f, struct future_call, future)->call;

	pthread_mutex_lock(&f->lock);
	if (!il_future_done(f))
		call->executor_ops->kill(call->executor_self, call);
	pthread_mutex_unlock(&f->lock);
}

static const struct il__future_ops killable_ops = {.cancel = kill_future,
						   .free = free_future_call,
						   .deadlock = waits_for_itself,
						   .offloaded = is_offloaded,
						   .explain = explain};

static int submit_future(il_executor *ex, il_future **f, il_fn *fn, void *arg, size_t size)
{
	struct future_call *fc = malloc(sizeof *fc);
	int rc;

	if (!fc)
		return il__refuse(-ENOMEM, "il_executor_submit: out of memory");
	rc = il__call_init(&fc->call, ex, fn, arg, size);
	if (rc < 0) {
		free(fc);
		return rc;
	}
	fc->call.ops = &future_call_ops;
	il__future_init(&fc->future, ex->kills ? &killable_ops : &future_ops, NULL);
	il_future_ref(&fc->future); /* one for the executor, one for the caller */
	rc = ex->ops->submit(ex->self, &fc->call, false);
	if (rc < 0) {
		il__call_fini(&fc->call);
		il_future_unref(&fc->future);
		il_future_unref(&fc->future);
		return rc;
	}
	*f = &fc->future;
	return 0;
}

static bool claim_always(il_call *call)
{
	(void)call;
	return true;
}

static void answer_nobody(il_call *call, int rc)
{
	(void)rc;
	free(call->detail);
	free(call);
}

static const struct il__call_ops unattended_ops = {
    .claim = claim_always, .answer = answer_nobody, .unattended = true};

int il_executor_submit(il_executor *ex, il_future **f, il_fn *fn, void *arg, size_t size)
{
	int rc = check(ex, fn, "il_executor_submit");
	il_call *call;

	if (rc < 0)
		return rc;
	if (f)
		return submit_future(ex, f, fn, arg, size);
	call = malloc(sizeof *call);
	if (!call)
		return il__refuse(-ENOMEM, "il_executor_submit: out of memory");
	rc = il__call_init(call, ex, fn, arg, size);
	if (rc < 0) {
		free(call);
		return rc;
	}
	call->ops = &unattended_ops;
	rc = ex->ops->submit(ex->self, call, false);
	if (rc < 0) {
		il__call_fini(call);
		free(call);
	}
	return rc;
}

/* An executor of the user's own may say "full" even to a call that waits: ask again. */
int il__executor_submit_waiting(il_executor *ex, il_call *call, il_task *task, il_time deadline)
{
	struct timespec pause = {0, 1000000};

	for (;;) {
		int rc = ex->ops->submit(ex->self, call, true);
		if (rc != -EAGAIN)
			return rc;
		if (il_now() >= deadline)
			return -ETIMEDOUT;
		if (!task)
			nanosleep(&pause, NULL);
		else if ((rc = il_sleep(IL_MSEC(1))) < 0)
			return rc;
	}
}

/* ---- run ---- */

enum { QUEUED, RUNNING, CANCELLED };

struct run {
	il_call call;
	struct il__signal signal;
	struct il__host host;
	atomic_int state; /* QUEUED to one of the others, by who is first */
	int rc;           /* before the signal */
};

static bool claim_run(il_call *call)
{
	int queued = QUEUED;

	return atomic_compare_exchange_strong(&il__container_of(call, struct run, call)->state,
					      &queued, RUNNING);
}

static void answer_run(il_call *call, int rc)
{
	struct run *run = il__container_of(call, struct run, call);

	run->rc = rc;
	il__signal_fire(&run->signal);
}

static const struct il__call_ops run_ops = {.claim = claim_run, .answer = answer_run};

/* Submitted: waits for the answer, taking the call back if this task is cancelled before it begins. */
static int await(il_executor *ex, struct run *run)
{
	int queued = QUEUED;

	if (il__signal_wait(&run->signal, IL_FOREVER, "il_executor_run") == 0)
		return run->rc;
	if (ex->ops->withdraw && ex->ops->withdraw(ex->self, &run->call)) {
		il__call_fini(&run->call);
		return -ECANCELED;
	}
	atomic_compare_exchange_strong(&run->state, &queued, CANCELLED);
	atomic_store_explicit(&run->host.cancelled, true, memory_order_relaxed);
	if (ex->kills)
		ex->ops->kill(ex->self, &run->call);
	il__signal_wait_shielded(&run->signal, "il_executor_run");
	return run->rc;
}

static int await_and_explain(il_executor *ex, struct run *run)
{
	int rc = await(ex, run);

	if (run->call.detail)
		il__refuse(rc, "%s", run->call.detail);
	free(run->call.detail);
	return rc;
}

int il_executor_run(il_executor *ex, il_fn *fn, void *arg, size_t size)
{
	struct run run;
	il_task *task;
	int rc = check(ex, fn, "il_executor_run");

	if (rc < 0 || (rc = il__signal_init(&run.signal, "il_executor_run")) < 0)
		return rc;
	if (ex->ops->only_worker(ex->self))
		return il__refuse(
		    -EDEADLK, "il_executor_run: called by the pool's only worker, which would wait "
			      "for itself; give the pool more workers");
	task = run.signal.task;
	if (task && (rc = il__task_check(task)) < 0)
		return rc;
	rc = il__call_init(&run.call, ex, fn, arg, size);
	if (rc < 0)
		return rc;
	run.call.ops = &run_ops;
	atomic_init(&run.state, QUEUED);
	if (task) {
		run.host = (struct il__host){
		    .inbox = task->loop->inbox, .scope = task->scope, .loop = task->loop};
		run.call.host = &run.host;
		il__loop_hold_call(task->loop);
	}
	rc = il__executor_submit_waiting(ex, &run.call, task, IL_FOREVER);
	if (rc < 0)
		il__call_fini(&run.call);
	else
		rc = await_and_explain(ex, &run);
	if (task)
		il__loop_release_call(task->loop);
	return rc;
}

/* ---- shutdown ---- */

struct user_shutdown {
	il_executor *ex;
	unsigned flags;
};

static int run_user_shutdown(void *arg)
{
	struct user_shutdown *s = arg;

	return s->ex->ops->user_shutdown(s->ex->self, s->flags);
}

/* It may block: in a task it runs in a worker thread, shielded. */
static int shutdown_user(il_executor *ex, unsigned flags, il_task *task)
{
	struct user_shutdown s = {ex, flags};
	il_scope shield = IL_SCOPE_INIT;
	int rc;

	atomic_store(&ex->user_shut, true);
	if (!task || (flags & IL_NOWAIT) || !ex->user.shutdown)
		return run_user_shutdown(&s);
	rc = il_scope_enter(&shield, IL_FOREVER, IL_SHIELD);
	return rc < 0 ? rc : il_scope_exit(&shield, il_run_in_thread(run_user_shutdown, &s));
}

static void wait_end(il_executor *ex, unsigned flags, struct il__watcher_of_end *end, il_task *task)
{
	if (task)
		il__loop_hold_call(task->loop);
	if (ex->ops->shutdown(ex->self, flags, end))
		il__signal_wait_shielded(&end->signal, "il_executor_shutdown");
	ex->ops->ended(ex->self);
	if (task)
		il__loop_release_call(task->loop);
}

int il_executor_shutdown(il_executor *ex, unsigned flags)
{
	struct il__watcher_of_end end;
	il_task *task = NULL;
	int rc = 0;

	if (!ex || (flags & ~(unsigned)(IL_NOWAIT | IL_CANCEL_FUTURES)))
		return il__refuse(
		    -EINVAL, "il_executor_shutdown: the executor is NULL or a flag is unknown");
	if (il__inherited(ex->generation))
		return il__refuse(-ESHUTDOWN,
				  "il_executor_shutdown: the executor was inherited across fork");
	if (!(flags & IL_NOWAIT)) {
		if (ex->ops->is_worker(ex->self))
			return il__refuse(
			    -EDEADLK, "il_executor_shutdown: called by a worker of that executor, "
				      "which would wait for itself; use IL_NOWAIT");
		rc = il__signal_init(&end.signal, "il_executor_shutdown");
		if (rc < 0)
			return rc;
		task = end.signal.task;
		if (task && il__task_cancelled(task)) {
			flags |= IL_NOWAIT;
			rc = -ECANCELED;
		}
	}
	if (ex->ops->user_shutdown) {
		int answer = shutdown_user(ex, flags, task);
		return rc < 0 ? rc : answer;
	}
	if (flags & IL_NOWAIT)
		ex->ops->shutdown(ex->self, flags, NULL);
	else
		wait_end(ex, flags, &end, task);
	return rc;
}

/* ---- executors of the user's own ---- */

static int user_submit(void *self, il_call *call, bool waits)
{
	il_executor *ex = self;

	(void)waits;
	if (atomic_load(&ex->user_shut))
		return il__refuse(-ESHUTDOWN, "the executor is shut down");
	return ex->user.submit(ex->user_self, call);
}

static int user_shutdown(void *self, unsigned flags)
{
	il_executor *ex = self;

	return ex->user.shutdown ? ex->user.shutdown(ex->user_self, flags) : 0;
}

static void user_destroy(void *self)
{
	il_executor *ex = self;

	if (ex->user.shutdown)
		ex->user.shutdown(ex->user_self, IL_NOWAIT);
	if (ex->user.destroy)
		ex->user.destroy(ex->user_self);
}

static bool user_no(void *self)
{
	(void)self;
	return false;
}

static const struct il__executor_ops user_ops = {.submit = user_submit,
						 .user_shutdown = user_shutdown,
						 .destroy = user_destroy,
						 .is_worker = user_no,
						 .only_worker = user_no};

int il_executor_create(il_executor **ex, const il_executor_ops *ops, void *self)
{
	int rc;

	if (!ex || !ops || !ops->submit)
		return il__refuse(-EINVAL, "il_executor_create: ex, ops or its submit is NULL");
	rc = il__executor_make(ex, &user_ops, NULL, false, true);
	if (rc < 0)
		return rc;
	(*ex)->self = *ex;
	(*ex)->user = *ops;
	(*ex)->user_self = self;
	return 0;
}
