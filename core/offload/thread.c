/*
 * thread.c: il_run_in_thread: one blocking call in a worker thread. Each loop has a pool without a bound
 * of its own: limiters bound it. Loop's thread, but for claim and answer, which are the worker's.
 *
 * A call that cannot be abandoned lives on the waiting task's stack. One that can is on the heap and
 * belongs to two, the task and the worker; `owners` counts them.
 */
#include "offload.h"

#include <interloop/sync.h>

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

struct il__threads {
	struct il__extension extension;
	il_executor *pool;
	il_limiter *limiter;
	size_t active;
	long abandoned; /* calls that run on, less those that wait for a task of the loop */
	struct il__list waiters; /* of il_threads_wait */
};

/* ---- the loop's threads ---- */

static int close_threads(struct il__extension *x, il_loop *loop)
{
	struct il__threads *threads = il__container_of(x, struct il__threads, extension);
	il_time patience = loop->options.shutdown_timeout;
	int rc = 0;

	/* Idle workers end at once; only abandoned calls can make us wait. */
	if (threads->active == 0)
		il__thread_pool_finish(threads->pool, IL_FOREVER);
	else if (!il__thread_pool_finish(threads->pool,
					 il__deadline_from(il__os_now(), patience)) &&
		 patience)
		rc = il__refuse(-ETIMEDOUT,
				"il_loop_close: %zu abandoned threads still run after "
				"shutdown_timeout; they end by themselves",
				threads->active);
	il_executor_unref(threads->pool);
	il_limiter_destroy(threads->limiter);
	free(threads);
	loop->slots[IL__EXT_THREADS] = NULL;
	return rc;
}

static int get_threads(il_loop *loop, struct il__threads **out)
{
	il_thread_pool_options options = {
	    .max_workers = INT_MAX, .queue_limit = SIZE_MAX, .name = "il-thread"};
	struct il__threads *threads = loop->slots[IL__EXT_THREADS];
	int rc;

	*out = threads;
	if (threads)
		return 0;
	threads = calloc(1, sizeof *threads);
	if (!threads)
		return il__refuse(-ENOMEM, "il_run_in_thread: out of memory");
	rc = il_limiter_create(&threads->limiter, loop->options.thread_limit);
	if (rc == 0)
		rc = il_thread_pool_create(&threads->pool, &options);
	if (rc < 0) {
		il_limiter_destroy(threads->limiter);
		free(threads);
		return rc;
	}
	threads->extension.closing = close_threads;
	il__list_init(&threads->waiters);
	il__loop_extend(loop, &threads->extension);
	loop->slots[IL__EXT_THREADS] = threads;
	*out = threads;
	return 0;
}

/* A virtual clock stands for abandoned calls as long as somebody waits for them. */
static void count_abandoned(struct il__threads *threads, il_loop *loop, int more)
{
	threads->abandoned += more;
	if (!il__list_empty(&threads->waiters))
		loop->inflight += more;
}

void il__host_lend(struct il__host *host, il_loop *loop, int one)
{
	if (host && host->gone) {
		count_abandoned(loop->slots[IL__EXT_THREADS], loop, -one);
		return;
	}
	if (host)
		host->lent += one;
	loop->inflight -= one;
}

static void count_out(struct il__threads *threads)
{
	struct il__list *node;

	if (--threads->active > 0)
		return;
	while ((node = il__list_pop(&threads->waiters)))
		il__task_wake(il__container_of(node, il_task, link), 0);
}

il_limiter *il_thread_limiter(void)
{
	struct il__threads *threads;

	return il__self.loop && get_threads(il__self.loop, &threads) == 0 ? threads->limiter : NULL;
}

size_t il_threads_active(void)
{
	struct il__threads *threads = il__self.loop ? il__self.loop->slots[IL__EXT_THREADS] : NULL;

	return threads ? threads->active : 0;
}

static bool unlink_waiter(il_task *task, void *arg)
{
	struct il__threads *threads = arg;

	il__list_remove(&task->link);
	if (il__list_empty(&threads->waiters))
		task->loop->inflight -= threads->abandoned;
	return true;
}

int il_threads_wait(void)
{
	struct il__threads *threads;
	int rc;
	il_task *task = il__task_current("il_threads_wait", &rc);

	if (!task || (rc = il__task_check(task)) < 0 ||
	    (rc = get_threads(task->loop, &threads)) < 0)
		return rc;
	if (threads->active == 0) {
		il__task_yield(task);
		return 0;
	}
	if (il__list_empty(&threads->waiters))
		task->loop->inflight += threads->abandoned;
	il__list_push(&threads->waiters, &task->link);
	return il__task_park(task, unlink_waiter, threads, "il_threads_wait");
}

/* ---- one call ---- */

/*
 * The worker goes QUEUED -> RUNNING -> FINISHED; the task makes QUEUED CANCELLED, or RUNNING ABANDONED.
 * Who changes it first decides whose arg is.
 */
enum { QUEUED, RUNNING, FINISHED, CANCELLED, ABANDONED };

struct thread_call {
	il_call call;
	struct il__host host;
	struct il__message message; /* carries the answer to the loop */
	struct il__inbox *inbox;    /* borrowed; a reference of its own if abandonable */
	struct il__threads *threads;
	il_limiter *limiter;
	il_task *task; /* who waits, unless host.gone */
	atomic_int state;
	bool answered;   /* loop's thread only, as the next */
	bool abandoned;  /* it may be answered all the same before its task runs again */
	int rc;          /* before the message */
	int released_rc; /* the limiter's answer */
	char name[16];   /* the caller's may be gone once the call was abandoned */

	bool abandonable;
	atomic_int owners; /* abandonable: 2, the task and the worker */
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
	if (atomic_fetch_sub_explicit(&tc->owners, 1, memory_order_acq_rel) != 1)
		return;
	il__inbox_unref(tc->inbox);
	free(tc);
}

static void on_answer(struct il__message *m, il_loop *loop)
{
	struct thread_call *tc = il__container_of(m, struct thread_call, message);

	tc->answered = true;
	if (tc->host.gone) {
		loop->fd_waiters--;
		count_abandoned(tc->threads, loop, -1);
	}
	count_out(tc->threads);
	tc->released_rc = il_limiter_release_on_behalf_of(tc->limiter, tc);
	if (!tc->host.gone)
		il__task_wake(tc->task, 0);
	if (tc->abandonable)
		drop(tc);
}

/* The worker's last step. The loop may be gone if nobody waits any more. */
static void answer(il_call *call, int rc)
{
	struct thread_call *tc = il__container_of(call, struct thread_call, call);
	struct il__inbox *inbox = il__inbox_ref(tc->inbox);
	bool abandonable = tc->abandonable;

	tc->rc = rc;
	if (atomic_exchange(&tc->state, FINISHED) == ABANDONED && tc->release)
		tc->release(tc->call.arg);
	if (il__inbox_post(inbox, &tc->message) < 0 && abandonable)
		drop(tc);
	il__inbox_unref(inbox);
}

static const struct il__call_ops ops = {.claim = claim, .answer = answer};

static bool interrupt(il_task *task, void *arg)
{
	struct thread_call *tc = arg;
	il_executor *pool = tc->threads->pool;
	int queued = QUEUED, running = RUNNING;

	atomic_store_explicit(&tc->host.cancelled, true, memory_order_relaxed);
	/* Not begun: it never will; the answer comes at once if the pool still had it. */
	if (atomic_compare_exchange_strong(&tc->state, &queued, CANCELLED)) {
		if (pool->ops->withdraw(pool->self, &tc->call)) {
			il__call_fini(&tc->call);
			tc->rc = -ECANCELED;
			on_answer(&tc->message, task->loop);
		}
		return false;
	}
	tc->abandoned =
	    tc->abandonable && atomic_compare_exchange_strong(&tc->state, &running, ABANDONED);
	return tc->abandoned;
}

static int wait_answer(struct thread_call *tc, il_task *task)
{
	int rc;

	il__loop_hold_call(task->loop);
	rc = il__task_park(task, interrupt, tc, "il_run_in_thread");
	il__loop_release_call(task->loop);
	if (rc < 0)
		return rc;
	if (tc->released_rc < 0)
		return il__refuse(tc->released_rc,
				  "il_run_in_thread: somebody else gave the call's token back; the "
				  "function's own result was %d (%s)",
				  tc->rc, il_error_name(tc->rc));
	return tc->rc;
}

static int submit(struct thread_call *tc, il_task *task, struct il__threads *threads, il_fn *fn,
		  void *arg, const il_run_in_thread_options *options)
{
	int rc;

	tc->threads = threads;
	tc->limiter = options->limiter ? options->limiter : threads->limiter;
	rc = il_limiter_acquire_on_behalf_of(tc->limiter, tc);
	if (rc < 0)
		return rc;
	rc = il__call_init(&tc->call, threads->pool, fn, arg, 0);
	tc->call.ops = &ops;
	tc->call.host = &tc->host;
	if (options->name) {
		snprintf(tc->name, sizeof tc->name, "%s", options->name);
		tc->call.thread_name = tc->name;
	}
	tc->message.handle = on_answer;
	tc->inbox = task->loop->inbox;
	tc->task = task;
	tc->host = (struct il__host){.inbox = task->loop->inbox,
				     .scope = options->abandon_on_cancel ? NULL : task->scope,
				     .loop = task->loop};
	atomic_init(&tc->state, QUEUED);
	if (rc == 0)
		rc = threads->pool->ops->submit(threads->pool->self, &tc->call, true);
	if (rc < 0) {
		il__call_fini(&tc->call);
		il_limiter_release_on_behalf_of(tc->limiter, tc);
		return rc;
	}
	threads->active++;
	return 0;
}

/* Until an abandoned call ends it may call into the loop: nobody sleeps for ever. */
static void leave(struct thread_call *tc, il_loop *loop)
{
	tc->host.gone = true;
	loop->fd_waiters++;
	loop->inflight += tc->host.lent;
	count_abandoned(tc->threads, loop, 1 - tc->host.lent);
}

static int run_abandonable(il_task *task, struct il__threads *threads, il_fn *fn, void *arg,
			   const il_run_in_thread_options *options)
{
	struct thread_call *tc = calloc(1, sizeof *tc);
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
		free(tc);
		return rc;
	}
	rc = wait_answer(tc, task);
	if (!tc->answered)
		leave(tc, task->loop);
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
	if ((rc = il__task_check(task)) < 0 || (rc = get_threads(task->loop, &threads)) < 0)
		return rc;
	if (options->abandon_on_cancel)
		return run_abandonable(task, threads, fn, arg, options);
	tc.abandonable = tc.answered = false;
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
