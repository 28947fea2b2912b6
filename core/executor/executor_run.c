/*
 * executor_run.c: a call that its caller waits for, on the caller's stack. Exception: one that cannot be taken back
 * is left behind if its caller is cancelled before it begins. Any thread.
 */
#include "../base/base.h"
#include "../base/error.h"
#include "../base/memory.h"
#include "../base/report.h"
#include "../base/sanitizer.h"
#include "../runtime/ledger.h"
#include "../runtime/task.h"
#include "../runtime/thread_state.h"
#include "../runtime/wakeup.h"
#include "call.h"
#include "executor.h"
#include "user.h"

enum { QUEUED, RUNNING, CANCELLED, ENDED };

struct run {
	il_call call;
	struct il__wakeup wakeup;
	struct il__caller caller;
	atomic_int state; /* QUEUED to one of the others, by who is first */
	int rc;           /* before the wakeup */
	/* Whose memory it has: then it is ENDED at its end. NULL: the caller's stack. */
	struct il__user *user;
	atomic_uint refs; /* of a user's: the caller's and the call's */
};

static struct run *run_take(struct il__user *user)
{
	struct run *run = atomic_exchange(&user->spare, NULL);

	if (!run)
		run = il__malloc(sizeof *run);
	if (run)
		run->user = user;
	return run;
}

static void run_drop(struct run *run)
{
	void *none = NULL;

	if (run->user && il__drop_reference(&run->refs) &&
	    !atomic_compare_exchange_strong(&run->user->spare, &none, run))
		il__free(run);
}

static bool claim_run(il_call *call)
{
	int queued = QUEUED;

	return atomic_compare_exchange_strong(&il__container_of(call, struct run, call)->state,
					      &queued, RUNNING);
}

static void finish_run(il_call *call, int rc)
{
	struct run *run = il__container_of(call, struct run, call);

	run->rc = rc;
	if (run->user) {
		if (atomic_exchange(&run->state, ENDED) != CANCELLED)
			il__wakeup_fire(&run->wakeup);
		run_drop(run);
	} else if (call->followed) {
		il__wakeup_fire_soon(&run->wakeup);
	} else {
		il__wakeup_fire(&run->wakeup);
	}
}

static const struct il__call_ops run_ops = {.claim = claim_run, .finish = finish_run};

static void run_tell(struct il__report *r, const il_task *task)
{
	const struct il__wakeup *s = il__wakeup_of(task->base->wait);
	const struct run *run = il__container_of(s, const struct run, wakeup);

	il__call_tell(r, &run->call, atomic_load(&run->state) == RUNNING);
}

/* Submitted: waits for the result, taking the call back if this task is cancelled before it begins. */
static int run_await(il_executor *ex, struct run *run, bool cancelled)
{
	int queued = QUEUED;

	run->wakeup.wait.tell = run_tell;
	if (!cancelled && il__wakeup_wait(&run->wakeup, IL_FOREVER) == 0)
		return run->rc;
	if (atomic_compare_exchange_strong(&run->state, &queued, CANCELLED) && run->user)
		return -ECANCELED;
	if (il__executor_withdraw(ex, &run->call)) {
		il__call_fini(&run->call);
		return -ECANCELED;
	}
	atomic_store_explicit(&run->caller.cancelled, true, memory_order_relaxed);
	if (ex->kills)
		il__executor_kill(ex, &run->call);
	il__wakeup_wait_shielded(&run->wakeup);
	return run->rc;
}

static int await_and_explain(il_executor *ex, struct run *run, bool cancelled)
{
	int rc = run_await(ex, run, cancelled);

	il__call_answered(&run->call);
	il__refuse_again(rc, run->call.detail);
	if (rc == -ECANCELED && run->wakeup.task)
		il__task_cancelled(run->wakeup.task); /* the reason */
	return rc;
}

/* The caller holds a reference. */
static int run_held(il_executor *ex, struct run *run, il_fn *fn, void *arg, size_t size)
{
	il_task *task;
	int rc = il__wakeup_init(&run->wakeup, "il_executor_run");

	if (rc < 0)
		return rc;
	if (ex->ops->only_worker(ex->self))
		return il__refuse(
		    -EDEADLK, "il_executor_run: called by the pool's only worker, which would wait "
			      "for itself; give the pool more workers");
	task = run->wakeup.task;
	if (task && (rc = il__task_check(task)) < 0)
		return rc;
	rc = il__call_init(&run->call, ex, fn, arg, size);
	if (rc < 0)
		return rc;
	run->call.ops = &run_ops;
	atomic_init(&run->state, QUEUED);
	if (task) {
		run->caller = (struct il__caller){
		    .inbox = run->wakeup.inbox, .scope = task->scope, .loop = task->loop};
		run->call.caller = &run->caller;
	} else {
		run->call.own_account.outer = il__self.account;
	}
	atomic_init(&run->refs, 2);
	rc = il__executor_submit_waiting(ex, &run->call, IL_FOREVER);
	if (rc < 0) {
		il__call_fini(&run->call);
		run_drop(run);
		return rc;
	}
	if (task) {
		il__owe_calls(task->loop, run->call.account, 1);
		run->wakeup.local = il__is_in_books(task->loop, run->call.account);
	}
	rc = await_and_explain(ex, run, rc > 0 || (task && task->scope->effective));
	if (task)
		il__paid_calls(task->loop, run->call.account, 1);
	return rc;
}

int il_executor_run(il_executor *ex, il_fn *fn, void *arg, size_t size)
{
	struct run here, *run = &here;
	int rc = il__executor_check(ex, fn, "il_executor_run");

	if (rc < 0)
		return rc;
	here.user = NULL;
	if (il__executor_keeps_calls(ex) && !(run = run_take(ex->self)))
		return il__refuse(-ENOMEM, "il_executor_run: out of memory");
	atomic_init(&run->refs, 1);
	il_executor_ref(ex); /* another task may drop the last one while this one waits */
	rc = run_held(ex, run, fn, arg, size);
	run_drop(run);
	il_executor_unref(ex);
	return rc;
}
