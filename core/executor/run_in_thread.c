/*
 * run_in_thread.c: il_run_in_thread: one blocking call in a worker thread. Loop's thread, but for claim and answer,
 * which are the worker's.
 *
 * A call without a token waits in its limiter's queue, and from there is offered to the workers: one
 * that is through with a call of that limiter takes the next with its token, and the answer tells the loop.
 *
 * A call that cannot be abandoned lives on the waiting task's stack. One that can is on the heap and
 * belongs to two, the task and the worker; `owners` counts them.
 */
#include "../base/base.h"
#include "../base/memory.h"
#include "../base/sanitizer.h"
#include "../runtime/inbox.h"
#include "../runtime/ledger.h"
#include "../runtime/loop.h"
#include "../runtime/task.h"
#include "../runtime/thread_state.h"
#include "../sync/limiter.h"
#include "call.h"
#include "caller.h"
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
	struct il__host host;
	struct il__message message; /* carries the answer to the loop */
	struct il__threads *threads;
	il_limiter *limiter;
	struct il__applicant applicant;
	il_task *task; /* who waits, unless it has gone */
	atomic_int state;
	bool waits; /* for a token; loop's thread only, as the next four */
	bool owes;  /* an answer, to the task that waits */
	bool gone;  /* the task has left it, abandoned: `left` is linked */
	bool answered;
	bool abandoned; /* it may be answered all the same before its task runs again */
	struct il__left_call left;
	int rc;          /* before the message */
	int released_rc; /* the limiter's answer */
	char name[16];   /* the caller's may be gone once the call was abandoned */

	bool abandonable;
	atomic_uint owners; /* abandonable: 2, the task and the worker */
	void (*release)(void *arg);
};

static bool claim(il_call *call)
{
	int queued = QUEUED;

	return atomic_compare_exchange_strong(
	    &il__container_of(call, struct thread_call, call)->state, &queued, RUNNING);
}

static void drop(struct thread_call *tc)
{
	if (!il__drop_reference(&tc->owners))
		return;
	il__inbox_unref(tc->host.inbox);
	il__free(tc->call.detail);
	il__free(tc);
}

/* It runs, or is about to. */
static void begin(struct thread_call *tc)
{
	tc->waits = false;
	tc->threads->active++;
	tc->owes = !tc->gone;
	if (tc->owes)
		il__owe_calls(tc->task->loop, tc->call.account, 1);
}

static void conclude(struct thread_call *tc)
{
	tc->answered = true;
	if (!tc->gone)
		il__task_wake(tc->task, 0);
	if (tc->abandonable)
		drop(tc);
}

/* To whom the worker gave it, or back. */
static int give_token(struct thread_call *tc)
{
	struct thread_call *heir;

	if (!tc->call.heir)
		return il_limiter_release_on_behalf_of(tc->limiter, tc);
	heir = il__container_of(tc->call.heir, struct thread_call, call);
	begin(heir);
	return il__limiter_pass(tc->limiter, tc, &heir->applicant);
}

static void on_answer(struct il__message *m, il_loop *loop)
{
	struct thread_call *tc = il__container_of(m, struct thread_call, message);

	if (tc->gone)
		il__threads_come_back(tc->threads, loop, &tc->left);
	tc->released_rc = give_token(tc);
	il__threads_count_out(tc->threads);
	conclude(tc);
}

/* The worker's last step. Nobody may wait any more for a call that was abandoned: then the loop may be gone. */
static void answer(il_call *call, int rc)
{
	struct thread_call *tc = il__container_of(call, struct thread_call, call);
	struct il__inbox *held = tc->abandonable ? il__inbox_ref(tc->host.inbox) : NULL;

	tc->rc = rc;
	if (atomic_exchange(&tc->state, FINISHED) == ABANDONED && tc->release)
		tc->release(tc->call.arg);
	if (il__inbox_post(tc->host.inbox, &tc->message) < 0 && held)
		drop(tc);
	if (held)
		il__inbox_unref(held);
}

static const struct il__call_ops ops = {.claim = claim, .answer = answer};

/* ---- waiting for a token ---- */

static int start(struct thread_call *tc)
{
	il_executor *pool = tc->threads->pool;
	int rc = pool->ops->submit(pool->self, &tc->call, true);

	if (rc == 0)
		begin(tc);
	return rc;
}

static struct thread_call *call_of(struct il__applicant *a)
{
	return il__container_of(a, struct thread_call, applicant);
}

static void offer(struct il__applicant *a)
{
	struct thread_call *tc = call_of(a);

	il__thread_pool_line_up(tc->threads->pool, &tc->call);
}

static bool retract(struct il__applicant *a)
{
	struct thread_call *tc = call_of(a);

	return il__thread_pool_step_out(tc->threads->pool, &tc->call);
}

static bool admit(struct il__applicant *a)
{
	struct thread_call *tc = call_of(a);
	int rc = start(tc);

	if (rc == 0)
		return true;
	tc->call.detail = il__strdup(il_error_detail());
	tc->rc = rc;
	il__call_fini(&tc->call);
	conclude(tc);
	return false;
}

static const struct il__applicant_ops applicant_ops = {
    .offer = offer, .retract = retract, .admit = admit};

/* ---- waiting for the answer ---- */

/* It never begins now. If no worker has it, nobody else will answer. */
static void take_back(struct thread_call *tc)
{
	il_executor *pool = tc->threads->pool;

	if (tc->waits ? !il__limiter_withdraw(tc->limiter, &tc->applicant)
		      : !pool->ops->withdraw(pool->self, &tc->call))
		return;
	il__call_fini(&tc->call);
	il__task_wake(tc->task, -ECANCELED); /* which tells the reason */
	if (tc->waits)
		conclude(tc);
	else
		on_answer(&tc->message, tc->task->loop);
}

static bool interrupt(il_task *task, void *arg)
{
	struct thread_call *tc = arg;
	int queued = QUEUED, running = RUNNING;

	(void)task;
	atomic_store_explicit(&tc->host.cancelled, true, memory_order_relaxed);
	if (atomic_compare_exchange_strong(&tc->state, &queued, CANCELLED)) {
		take_back(tc);
		return false;
	}
	/* Whoever has an heir is waited for: the loop must hear of the one before the other. */
	tc->abandoned = tc->abandonable &&
			il__thread_pool_leave_line(tc->threads->pool, &tc->call) &&
			atomic_compare_exchange_strong(&tc->state, &running, ABANDONED);
	return tc->abandoned;
}

static int explain(struct thread_call *tc)
{
	char *why = tc->call.detail;

	tc->call.detail = NULL;
	if (tc->rc == -ECANCELED && il__task_cancelled(tc->task)) /* which tells the reason */
		il__free(why);
	else
		il__refuse_again(tc->rc, why);
	if (tc->released_rc < 0)
		return il__refuse(tc->released_rc,
				  "il_run_in_thread: somebody else gave the call's token back; the "
				  "function's own result was %d (%s)",
				  tc->rc, il_error_name(tc->rc));
	return tc->rc;
}

static int wait_answer(struct thread_call *tc, il_task *task)
{
	int rc = il__task_park(task, interrupt, tc, "il_run_in_thread");

	if (tc->owes)
		il__paid_calls(task->loop, tc->call.account, 1);
	return rc < 0 ? rc : explain(tc);
}

/* ---- one call ---- */

static int submit(struct thread_call *tc, il_task *task, struct il__threads *threads, il_fn *fn,
		  void *arg, const il_run_in_thread_options *options)
{
	int rc;

	tc->threads = threads;
	tc->limiter = options->limiter ? options->limiter : threads->limiter;
	tc->applicant = (struct il__applicant){.borrower = tc, .ops = &applicant_ops};
	rc = il__call_init(&tc->call, threads->pool, fn, arg, 0);
	tc->call.ops = &ops;
	tc->call.host = &tc->host;
	tc->left.account = tc->call.account;
	tc->call.line = il__limiter_line(tc->limiter);
	if (options->name) {
		snprintf(tc->name, sizeof tc->name, "%s", options->name);
		tc->call.thread_name = tc->name;
	}
	tc->message.handle = on_answer;
	tc->task = task;
	tc->host = (struct il__host){.inbox = task->loop->inbox,
				     .scope = options->abandon_on_cancel ? NULL : task->scope,
				     .loop = task->loop};
	atomic_init(&tc->state, QUEUED);
	if (rc == 0)
		rc = il__limiter_apply(tc->limiter, &tc->applicant, "il_run_in_thread");
	tc->waits = rc == 0;
	if (rc > 0 && (rc = start(tc)) < 0)
		il_limiter_release_on_behalf_of(tc->limiter, tc);
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
	rc = submit(tc, task, threads, fn, arg, options);
	if (rc < 0) {
		il__inbox_unref(task->loop->inbox);
		il__free(tc);
		return rc;
	}
	rc = wait_answer(tc, task);
	tc->gone = !tc->answered;
	if (tc->gone)
		il__threads_leave(threads, task->loop, &tc->left);
	if (options->abandoned)
		*options->abandoned = tc->abandoned;
	drop(tc);
	return rc;
}

int il_run_in_thread_with(il_fn *fn, void *arg, const il_run_in_thread_options *options)
{
	static const il_run_in_thread_options defaults = {0};
	struct il__threads *threads;
	struct thread_call tc;
	il_task *task;
	int rc;

	if (!options)
		options = &defaults;
	task = il__task_current("il_run_in_thread", &rc);
	if (!task)
		return rc;
	if (!fn || (options->abandon_on_cancel && arg && !(options->release && options->abandoned)))
		return il__refuse(
		    -EINVAL, !fn ? "il_run_in_thread: fn is NULL"
				 : "il_run_in_thread_with: abandon_on_cancel with an arg needs "
				   "release and abandoned, which say who frees it");
	if (options->abandoned)
		*options->abandoned = false;
	if ((rc = il__task_check(task)) < 0 || (rc = il__threads_get(task->loop, &threads)) < 0)
		return rc;
	if (options->abandon_on_cancel)
		return run_abandonable(task, threads, fn, arg, options);
	tc.abandonable = tc.answered = tc.owes = tc.gone = false;
	tc.released_rc = 0;
	rc = submit(&tc, task, threads, fn, arg, options);
	return rc < 0 ? rc : wait_answer(&tc, task);
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
