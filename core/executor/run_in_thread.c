/*
 * run_in_thread.c: il_run_in_thread: one blocking call in a worker thread. Loop's thread, but for claim and finish,
 * which are the worker's.
 *
 * A call without a token waits in its limiter's queue, and from there is offered to the workers: one
 * that is through with a call of that limiter takes the next with its token; the end of its call tells the loop.
 *
 * A call that cannot be abandoned lives on the waiting task's stack. One that can is on the heap and
 * belongs to two, the task and the worker; `owners` counts them.
 */
#include "../base/base.h"
#include "../base/error.h"
#include "../base/memory.h"
#include "../base/report.h"
#include "../base/sanitizer.h"
#include "../runtime/inbox.h"
#include "../runtime/ledger.h"
#include "../runtime/loop.h"
#include "../runtime/task.h"
#include "../runtime/thread_state.h"
#include "../sync/limiter.h"
#include "call.h"
#include "loop_threads.h"
#include "thread_pool.h"

#include <interloop/thread.h>

#include <stdio.h>

/*
 * The worker goes QUEUED -> RUNNING -> FINISHED; the task makes QUEUED CANCELLED, or RUNNING ABANDONED.
 * Who changes it first decides whose arg is.
 */
enum { QUEUED, RUNNING, FINISHED, CANCELLED, ABANDONED };

struct thread_call {
	il_call call;
	struct il__caller caller;
	struct il__message message; /* carries the result to the loop */
	struct il__threads *threads;
	struct il__account *account; /* who owes the result; NULL: the call itself */
	il_limiter *limiter;
	struct il__limiter_waiter waiter;
	il_task *task; /* who waits, unless it has gone */
	atomic_int state;
	bool waits; /* for a token; loop's thread only, as the next four */
	bool owes;  /* a result, to the task that waits */
	bool gone;  /* the task has left it, abandoned: `left` is linked */
	bool finished;
	bool abandoned; /* it may finish all the same before its task runs again */
	struct il__left_call left;
	int rc;          /* before the message */
	int released_rc; /* what the limiter returned */
	char name[16];   /* the caller's may be gone once the call was abandoned */

	bool abandonable;
	bool releases; /* the worker's: it was abandoned, and arg is to be released */
	atomic_uint
	    owners; /* abandonable: 2, the task, or the list of those that it has left, and the worker */
	void (*release)(void *arg);
};

static bool thread_call_claim(il_call *call)
{
	int queued = QUEUED;

	return atomic_compare_exchange_strong(
	    &il__container_of(call, struct thread_call, call)->state, &queued, RUNNING);
}

static void thread_call_drop(struct thread_call *tc)
{
	if (!il__drop_reference(&tc->owners))
		return;
	il__inbox_unref(tc->caller.inbox);
	il__free(tc->call.detail);
	il__free(tc);
}

static void thread_call_drop_left(struct il__left_call *left)
{
	thread_call_drop(il__container_of(left, struct thread_call, left));
}

/* It runs, or is about to. */
static void thread_call_begin(struct thread_call *tc)
{
	tc->waits = false;
	tc->threads->active++;
	tc->owes = !tc->gone;
	if (tc->owes)
		il__owe_calls(tc->task->loop, tc->call.account, 1);
}

static void thread_call_conclude(struct thread_call *tc)
{
	tc->finished = true;
	if (!tc->gone)
		il__task_wake(tc->task, 0);
	if (tc->abandonable)
		thread_call_drop(tc);
}

/* To whom the worker gave it, or back. */
static int give_token(struct thread_call *tc)
{
	struct thread_call *next_call;

	if (!tc->call.next_call)
		return il_limiter_release_on_behalf_of(tc->limiter, tc->waiter.borrower);
	next_call = il__container_of(tc->call.next_call, struct thread_call, call);
	thread_call_begin(next_call);
	return il__limiter_pass(tc->limiter, tc->waiter.borrower, &next_call->waiter);
}

static void thread_call_on_result(struct il__message *m, il_loop *loop)
{
	struct thread_call *tc = il__container_of(m, struct thread_call, message);

	if (tc->gone)
		il__threads_come_back(tc->threads, loop, &tc->left);
	tc->released_rc = give_token(tc);
	il__threads_count_out(tc->threads);
	thread_call_conclude(tc);
}

/* Decides it, when it is asked first: a call that is cancelled from then on has its result, which is on its way. */
static bool thread_call_calls_back(il_call *call)
{
	struct thread_call *tc = il__container_of(call, struct thread_call, call);

	if (atomic_load_explicit(&tc->state, memory_order_relaxed) != FINISHED &&
	    atomic_exchange(&tc->state, FINISHED) == ABANDONED)
		tc->releases = tc->release != NULL;
	return tc->releases;
}

/* The worker's last step. Nobody may wait any more for a call that was abandoned: then the loop may be gone. */
static void thread_call_finish(il_call *call, int rc)
{
	struct thread_call *tc = il__container_of(call, struct thread_call, call);
	const bool shared = tc->abandonable; /* it may be gone once it is posted */

	tc->rc = rc;
	if (thread_call_calls_back(call))
		tc->release(tc->call.arg);
	if ((call->followed ? il__inbox_post_soon : il__inbox_post)(tc->caller.inbox,
								    &tc->message) < 0 &&
	    shared)
		thread_call_drop(tc);
}

static const struct il__call_ops ops = {
    .claim = thread_call_claim, .finish = thread_call_finish, .calls_back = thread_call_calls_back};

/* ---- waiting for a token ---- */

static int thread_call_start(struct thread_call *tc)
{
	il_executor *pool = tc->threads->pool;
	int rc = pool->ops->submit(pool->self, &tc->call, true);

	if (rc == 0)
		thread_call_begin(tc);
	return rc;
}

static struct thread_call *call_of(struct il__limiter_waiter *a)
{
	return il__container_of(a, struct thread_call, waiter);
}

static void thread_call_offer(struct il__limiter_waiter *a)
{
	struct thread_call *tc = call_of(a);

	il__thread_pool_add_waiting(tc->threads->pool, &tc->call);
}

static bool thread_call_retract(struct il__limiter_waiter *a)
{
	struct thread_call *tc = call_of(a);

	return il__thread_pool_remove_waiting(tc->threads->pool, &tc->call);
}

static bool thread_call_admit(struct il__limiter_waiter *a)
{
	struct thread_call *tc = call_of(a);
	int rc = thread_call_start(tc);

	if (rc == 0)
		return true;
	tc->call.detail = il__strdup(il_error_detail());
	tc->rc = rc;
	il__call_fini(&tc->call);
	thread_call_conclude(tc);
	return false;
}

static const struct il__limiter_waiter_ops waiter_ops = {
    .offer = thread_call_offer, .retract = thread_call_retract, .admit = thread_call_admit};

/* ---- waiting for the result ---- */

/* It never begins now. If no worker has it, nobody else will finish it. */
static void take_back(struct thread_call *tc)
{
	il_executor *pool = tc->threads->pool;

	if (tc->waits ? !il__limiter_withdraw(tc->limiter, &tc->waiter)
		      : !pool->ops->withdraw(pool->self, &tc->call))
		return;
	il__call_fini(&tc->call);
	il__task_wake(tc->task, -ECANCELED); /* which tells the reason */
	if (tc->waits)
		thread_call_conclude(tc);
	else
		thread_call_on_result(&tc->message, tc->task->loop);
}

static bool thread_call_interrupt(il_task *task, void *arg)
{
	struct thread_call *tc = arg;
	int queued = QUEUED, running = RUNNING;

	(void)task;
	atomic_store_explicit(&tc->caller.cancelled, true, memory_order_relaxed);
	if (atomic_compare_exchange_strong(&tc->state, &queued, CANCELLED)) {
		take_back(tc);
		return false;
	}
	/* A call with a next_call is waited for: the loop must hear of this one before the next. */
	tc->abandoned = tc->abandonable &&
			il__thread_pool_refuse_next(tc->threads->pool, &tc->call) &&
			atomic_compare_exchange_strong(&tc->state, &running, ABANDONED);
	return tc->abandoned;
}

static int thread_call_explain(struct thread_call *tc)
{
	char *why = tc->call.detail;

	tc->call.detail = NULL;
	if (tc->rc == -ECANCELED && il__task_cancelled(tc->task)) /* which tells the reason */
		il__free(why);
	else
		il__refuse_again(tc->rc, why);
	if (tc->released_rc < 0)
		return il__refuse(tc->released_rc,
				  "il_run_in_thread: other code released the call's token; the "
				  "function's own result was %d (%s)",
				  tc->rc, il_error_name(tc->rc));
	return tc->rc;
}

static void thread_call_tell(struct il__report *r, const il_task *task)
{
	const struct thread_call *tc = task->waiter.arg;

	if (tc->waits) {
		il__report_call(r, tc->call.fn, tc->call.arg);
		il__report(r, " has to wait for ");
		il__limiter_tell(r, tc->limiter);
	} else {
		il__call_tell(r, &tc->call, atomic_load(&tc->state) != QUEUED);
	}
}

static const struct il__wait thread_call_wait = {"il_run_in_thread", thread_call_tell};

static int thread_call_await(struct thread_call *tc, il_task *task)
{
	int rc = il__task_park(task, thread_call_interrupt, tc, &thread_call_wait);

	if (tc->owes)
		il__paid_calls(task->loop, tc->call.account, 1);
	il__call_answered(&tc->call);
	return rc < 0 ? rc : thread_call_explain(tc);
}

/* ---- one call ---- */

static int thread_call_submit(struct thread_call *tc, il_task *task, struct il__threads *threads,
			      il_fn *fn, void *arg, const il_run_in_thread_options *options)
{
	int rc;

	tc->threads = threads;
	tc->limiter = options->limiter ? options->limiter : threads->limiter;
	tc->waiter =
	    (struct il__limiter_waiter){.borrower = il__identity_new(), .ops = &waiter_ops};
	rc = il__call_init(&tc->call, threads->pool, fn, arg, 0);
	tc->call.ops = &ops;
	tc->call.caller = &tc->caller;
	if (tc->account)
		tc->call.account = tc->account;
	tc->left.account = tc->call.account;
	tc->left.drop = thread_call_drop_left;
	tc->call.waiting_calls = il__limiter_waiting_calls(tc->limiter);
	if (options->name) {
		snprintf(tc->name, sizeof tc->name, "%s", options->name);
		tc->call.thread_name = tc->name;
	}
	tc->message.handle = thread_call_on_result;
	tc->task = task;
	tc->caller = (struct il__caller){.inbox = task->loop->inbox,
					 .scope = options->abandon_on_cancel ? NULL : task->scope,
					 .loop = task->loop};
	atomic_init(&tc->state, QUEUED);
	if (rc == 0)
		rc = il__limiter_ask(tc->limiter, &tc->waiter, "il_run_in_thread");
	tc->waits = rc == 0;
	if (rc > 0 && (rc = thread_call_start(tc)) < 0)
		il_limiter_release_on_behalf_of(tc->limiter, tc->waiter.borrower);
	if (rc < 0)
		il__call_fini(&tc->call);
	return rc;
}

static int run_abandonable(il_task *task, struct il__threads *threads, il_fn *fn, void *arg,
			   const il_run_in_thread_options *options)
{
	struct thread_call *tc = il__calloc(1, sizeof *tc);
	int rc;

	if (!tc)
		return il__refuse(-ENOMEM, "il_run_in_thread_with: out of memory");
	tc->abandonable = true;
	tc->release = options->release;
	atomic_init(&tc->owners, 2);
	il__inbox_ref(task->loop->inbox);
	rc = thread_call_submit(tc, task, threads, fn, arg, options);
	if (rc < 0) {
		il__inbox_unref(task->loop->inbox);
		il__free(tc);
		return rc;
	}
	rc = thread_call_await(tc, task);
	if (options->abandoned)
		*options->abandoned = tc->abandoned;
	tc->gone = !tc->finished;
	if (tc->gone)
		il__threads_leave(threads, task->loop, &tc->left);
	else
		thread_call_drop(tc);
	return rc;
}

static int run_on_stack(il_task *task, struct il__threads *threads, struct il__account *account,
			il_fn *fn, void *arg, const il_run_in_thread_options *options)
{
	struct thread_call tc;
	int rc;

	tc.abandonable = tc.releases = tc.finished = tc.owes = tc.gone = false;
	tc.released_rc = 0;
	tc.account = account;
	rc = thread_call_submit(&tc, task, threads, fn, arg, options);
	return rc < 0 ? rc : thread_call_await(&tc, task);
}

static const il_run_in_thread_options defaults = {0};

int il__run_in_thread(il_task *task, struct il__account *account, il_fn *fn, void *arg)
{
	struct il__threads *threads;
	int rc = il__threads_get(task->loop, &threads);

	return rc < 0 ? rc : run_on_stack(task, threads, account, fn, arg, &defaults);
}

int il_run_in_thread_with(il_fn *fn, void *arg, const il_run_in_thread_options *options)
{
	struct il__threads *threads;
	il_task *task;
	int rc;

	if (!options)
		options = &defaults;
	if (options->abandoned) /* whatever it is refused for */
		*options->abandoned = false;
	task = il__task_current("il_run_in_thread", &rc);
	if (!task)
		return rc;
	if (!fn || (options->abandon_on_cancel && arg && !(options->release && options->abandoned)))
		return il__refuse(
		    -EINVAL, !fn ? "il_run_in_thread: fn is NULL"
				 : "il_run_in_thread_with: abandon_on_cancel with an arg needs "
				   "release and abandoned, which say who frees it");
	if ((rc = il__task_check(task)) < 0 || (rc = il__threads_get(task->loop, &threads)) < 0)
		return rc;
	if (options->abandon_on_cancel)
		return run_abandonable(task, threads, fn, arg, options);
	return run_on_stack(task, threads, NULL, fn, arg, options);
}

int il_core_run_in_thread(il_loop *loop, il_fn *fn, void *arg)
{
	if (il__self.loop != loop)
		return il__refuse(
		    -EPERM, "il_loop_run_in_thread: the calling task belongs to another loop");
	return il_run_in_thread_with(fn, arg, NULL);
}

int il_run_in_thread(il_fn *fn, void *arg)
{
	int rc;
	il_task *task = il__task_current("il_run_in_thread", &rc);

	return task ? task->loop->backend->run_in_thread(task->loop, fn, arg) : rc;
}
