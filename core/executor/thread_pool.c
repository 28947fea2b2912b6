/*
 * thread_pool.c: the executor's side of a thread pool: submit, take back, shut down; its making. Any thread,
 * under the pool's lock.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* an adaptive mutex */
#endif
#include "thread_pool.h"
#include "../base/base.h"
#include "../base/error.h"
#include "../base/list.h"
#include "../base/memory.h"
#include "../base/os.h"
#include "../base/parker.h"
#include "../base/report.h"
#include "../runtime/errand.h"
#include "../runtime/thread_state.h"
#include "caller.h"
#include "executor.h"
#include "pool_policy.h"

#include <limits.h>
#include <stdio.h>

/* ---- the executor's side ---- */

/* Whether a worker more is worth its wake-up: none is at work, or they have not got through for a while. Then one
 * that was woken and has not come is waited for no longer: it may have no processor. */
static bool thread_pool_is_behind(struct il__thread_pool *pool, bool last)
{
	const il_time BEHIND = IL_USEC(50), LOST = IL_USEC(100);
	il_time now = il__os_now();

	if (pool->emptied != pool->seen_emptied) {
		pool->seen_emptied = pool->emptied;
		pool->seen_at = now;
	}
	if (pool->waking && now - pool->seen_at >= LOST)
		pool->waking = false;
	if (!last && pool->busy > 0 && now - pool->seen_at < BEHIND)
		return false;
	if (!pool->waking)
		pool->seen_at = now;
	return true;
}

enum { FEW = 4, ENOUGH = 16 }; /* calls */

/* Under load a wake-up costs more than the few calls that it serves: once, those of the next turn may join them. */
static bool thread_pool_gathers(struct il__thread_pool *pool)
{
	pool->gathered = !pool->gathered && pool->burst > FEW && pool->queued < ENOUGH &&
			 pool->busy == 0 && !pool->waking;
	return pool->gathered;
}

/* A few calls are not worth being watched over: the worker that comes for them wakes the next. */
static enum il__looked thread_pool_look(void *arg, enum il__look when)
{
	il_executor *ex = arg;
	struct il__thread_pool *pool = ex->self;
	struct il__thread_worker *roused = NULL;
	bool held, again;

	pthread_mutex_lock(&pool->lock);
	held = pool->queued && when == IL__LOOK_FED && thread_pool_gathers(pool);
	again = held || (pool->queued > FEW && when != IL__LOOK_LAST);
	pool->watchers -= !again;
	if (!again)
		pool->left = pool->counts.submitted;
	if (pool->queued && !held && thread_pool_is_behind(pool, !again))
		roused = il__thread_worker_rouse(pool);
	pthread_mutex_unlock(&pool->lock);
	if (roused)
		il__parker_wake(&roused->parker);
	if (!again)
		il_executor_unref(ex);
	return held ? IL__LOOK_HELD : again ? IL__LOOK_KEEP : IL__LOOK_DONE;
}

/* The calling task is about to wait, and its loop's turn may have more to submit: one worker for all of it. */
static bool thread_pool_put_off(struct il__thread_pool *pool)
{
	bool added;

	if (!il__self.loop ||
	    !il__errand_put_off(il__self.loop, thread_pool_look, pool->executor, &added))
		return false;
	if (added) {
		il_executor_ref(pool->executor);
		pool->watchers++;
	}
	return true;
}

/* A worker that this call, and no other, will have at once: to wake it takes no system call. */
static bool thread_pool_has_one_awake(struct il__thread_pool *pool)
{
	struct il__thread_worker *w =
	    pool->queued == 1 && !pool->waking ? il__thread_worker_find(pool) : NULL;

	return w && il__parker_is_awake(&w->parker);
}

static int accept_call(struct il__thread_pool *pool, il_call *call, bool waits,
		       struct il__thread_worker **roused, bool *put_off)
{
	int rc;

	il__list_push(&pool->queue, &call->link);
	il__call_queued(call);
	pool->queued++;
	*put_off = waits && !thread_pool_has_one_awake(pool) && thread_pool_put_off(pool);
	if (!*put_off)
		*roused = il__thread_worker_rouse(pool);
	call->own = *roused && (*roused)->detained;
	pool->own += call->own;
	call->place = ++pool->counts.submitted;
	if (!*put_off)
		pool->left = call->place;
	/* Those that are idle, and those that were woken and have not come yet, will each take one. */
	if (call->own || !il__thread_pool_lacks_worker(pool))
		return 0;
	rc = il__thread_worker_start(pool);
	/* A pool without a bound promises each call a thread, others let it wait for a busy one. */
	if (rc < 0 && (pool->live == 0 || pool->max == INT_MAX)) {
		il__list_remove(&call->link);
		pool->queued--;
		pool->counts.submitted--;
		return rc;
	}
	return 0;
}

/* Each that was copied, and so many others: then it may be long since the first was put off, and to the turn's end. */
enum { MANY = 16 };

static int thread_pool_submit(void *self, il_call *call, bool waits)
{
	struct il__thread_pool *pool = self;
	struct il__thread_worker *roused = NULL;
	bool put_off = false;
	int rc;

	pthread_mutex_lock(&pool->lock);
	if (pool->broken)
		rc = il__refuse(-ENOTRECOVERABLE, "thread pool %s is broken: %s", pool->name,
				pool->why);
	else if (pool->shut)
		rc = il__refuse(-ESHUTDOWN, "thread pool %s is shut down", pool->name);
	else if (!waits &&
		 il__queue_is_full(pool->queued, pool->options.queue_limit, pool->max - pool->busy))
		rc = il__refuse(
		    -EAGAIN,
		    "the queue of thread pool %s is full: %zu calls wait; slow down, use "
		    "il_executor_run, or raise queue_limit",
		    pool->name, pool->queued);
	else
		rc = accept_call(pool, call, waits, &roused, &put_off);
	put_off = put_off && (call->original || pool->queued % MANY == 0);
	pthread_mutex_unlock(&pool->lock);
	if (roused)
		il__parker_wake(&roused->parker);
	if (put_off)
		il__errands_check(il__self.loop, il__os_now());
	return rc;
}

static bool thread_pool_withdraw(void *self, il_call *call)
{
	struct il__thread_pool *pool = self;
	bool queued;

	pthread_mutex_lock(&pool->lock);
	queued = !il__list_empty(&call->link);
	if (queued) {
		il__list_remove(&call->link);
		pool->queued--;
		pool->own -= call->own;
		pool->counts.cancelled++;
	}
	pthread_mutex_unlock(&pool->lock);
	return queued;
}

/* Under the lock: those that have begun, or that nobody waits for, stay. */
static void thread_pool_cancel_queue(struct il__thread_pool *pool)
{
	struct il__list cancelled;

	il__list_init(&cancelled);
	il__list_each_safe (each, &pool->queue) {
		if (il__container_of(each, il_call, link)->ops->unattended)
			continue;
		il__list_remove(each);
		il__list_push(&cancelled, each);
	}
	il__thread_pool_fail(pool, &cancelled, -ECANCELED);
}

static bool thread_pool_shut_down(void *self, unsigned flags, struct il__watcher_of_end *end)
{
	struct il__thread_pool *pool = self;
	struct il__list *node;
	bool waits;

	pthread_mutex_lock(&pool->lock);
	if ((flags & IL__UNLESS_IT_WAITS) && pool->live > 0) {
		pthread_mutex_unlock(&pool->lock);
		return true;
	}
	pool->shut = true;
	if (flags & IL_CANCEL_FUTURES)
		thread_pool_cancel_queue(pool);
	while ((node = il__list_pop(&pool->idle)))
		il__parker_wake(&il__container_of(node, struct il__thread_worker, idle)->parker);
	waits = end && pool->live > 0;
	if (waits)
		il__list_push(&pool->ends, &end->link);
	pthread_mutex_unlock(&pool->lock);
	return waits;
}

static void thread_pool_reap(void *self)
{
	struct il__thread_pool *pool = self;
	pthread_t exited;
	bool join;

	pthread_mutex_lock(&pool->lock);
	join = pool->has_exited;
	exited = pool->exited;
	pool->has_exited = false;
	pthread_mutex_unlock(&pool->lock);
	if (join)
		pthread_join(exited, NULL);
}

static void thread_pool_destroy(void *self)
{
	struct il__thread_pool *pool = self;
	bool last;

	thread_pool_shut_down(pool, 0, NULL);
	pthread_mutex_lock(&pool->lock);
	pool->released = true;
	last = pool->live == 0;
	if (!last && pool->has_exited) {
		pthread_detach(pool->exited);
		pool->has_exited = false;
	}
	pthread_mutex_unlock(&pool->lock);
	if (last) {
		thread_pool_reap(pool);
		il__thread_pool_free(pool);
	}
}

static bool is_worker(void *self)
{
	return il__working.pool == self;
}

static bool only_worker(void *self)
{
	return is_worker(self) && ((struct il__thread_pool *)self)->max == 1;
}

static void thread_pool_statistics(void *self, il_executor_statistics *s)
{
	struct il__thread_pool *pool = self;

	pthread_mutex_lock(&pool->lock);
	s->workers = pool->live;
	s->idle = pool->live - pool->busy;
	s->queued = pool->queued;
	il__call_counts_tell(&pool->counts, s);
	pthread_mutex_unlock(&pool->lock);
}

static void thread_pool_tell(void *self, struct il__report *r)
{
	struct il__thread_pool *pool = self;

	pthread_mutex_lock(&pool->lock);
	il__list_each (node, &pool->workers) {
		const struct il__thread_worker *w =
		    il__container_of(node, const struct il__thread_worker, link);
		if (!w->runs)
			continue;
		il__report_indent(r, 1);
		il__report(r, "thread %s_%d: runs ", pool->name, w->index);
		il__report_function(r, w->runs);
		il__report(r, " for ");
		il__report_duration(r, il__ticks_ago(w->began));
		il__report_line_end(r);
	}
	pthread_mutex_unlock(&pool->lock);
}

static const struct il__executor_type thread_pool_ops = {.runs_in = "a worker thread",
							 .tell = thread_pool_tell,
							 .submit = thread_pool_submit,
							 .withdraw = thread_pool_withdraw,
							 .shutdown = thread_pool_shut_down,
							 .ended = thread_pool_reap,
							 .destroy = thread_pool_destroy,
							 .is_worker = is_worker,
							 .only_worker = only_worker,
							 .statistics = thread_pool_statistics};

/* ---- creation ---- */

static int thread_pool_check_options(il_thread_pool_options *to, const il_thread_pool_options *from)
{
	*to = from ? *from : (il_thread_pool_options){0};
	if (to->max_workers < 0)
		return il__refuse(
		    -EINVAL,
		    "il_thread_pool_create: max_workers is %d; 0 means min(32, processors + 4)",
		    to->max_workers);
	if (to->idle_timeout < 0)
		return il__refuse(-EINVAL, "il_thread_pool_create: idle_timeout is negative");
	if (!il__is_items(to->cpus, to->cpu_count))
		return il__refuse_items("il_thread_pool_create", "cpus", to->cpus, "cpu_count",
					to->cpu_count);
	if (to->stack_size > IL__STACK_MAX)
		return il__refuse(
		    -EINVAL, "il_thread_pool_create: stack_size is %zu; it must be at most %zu",
		    to->stack_size, IL__STACK_MAX);
	if (!to->max_workers) {
		int processors = il__processors_for(to->cpu_count);
		to->max_workers = processors + 4 < 32 ? processors + 4 : 32;
	}
	if (!to->idle_timeout)
		to->idle_timeout = IL_SEC(10);
	if (!to->queue_limit)
		to->queue_limit = 65536;
	return il__check_limit("il_thread_pool_create", "queue_limit", to->queue_limit);
}

static void name_pool(struct il__thread_pool *pool)
{
	static atomic_uint pools;

	if (pool->options.name)
		snprintf(pool->name, sizeof pool->name, "%s", pool->options.name);
	else
		snprintf(pool->name, sizeof pool->name, "il-pool%u",
			 atomic_fetch_add(&pools, 1) + 1);
	pool->options.name = pool->name;
}

/* The list is the caller's. 0 or -ENOMEM. */
static int copy_cpus(il_thread_pool_options *options)
{
	size_t size = options->cpu_count * sizeof *options->cpus;
	int *copy = options->cpus ? il__malloc(size ? size : 1) : NULL;

	if (options->cpus && !copy)
		return il__refuse(-ENOMEM, "il_thread_pool_create: out of memory");
	if (copy)
		memcpy(copy, options->cpus, size);
	options->cpus = copy;
	return 0;
}

/* It is held for a few dozen instructions: who waits for it does better awake, for a moment. */
static void init_lock(pthread_mutex_t *lock)
{
	pthread_mutexattr_t attr;

	pthread_mutexattr_init(&attr);
#ifdef PTHREAD_ADAPTIVE_MUTEX_INITIALIZER_NP
	pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_ADAPTIVE_NP);
#endif
	pthread_mutex_init(lock, &attr);
	pthread_mutexattr_destroy(&attr);
}

int il_thread_pool_create(il_executor **ex, const il_thread_pool_options *options)
{
	il_thread_pool_options checked;
	struct il__thread_pool *pool;
	int rc = thread_pool_check_options(&checked, options);

	if (rc < 0 || !ex)
		return rc < 0 ? rc : il__refuse(-EINVAL, "il_thread_pool_create: ex is NULL");
	pool = il__calloc(1, sizeof *pool);
	if (!pool)
		return il__refuse(-ENOMEM, "il_thread_pool_create: out of memory");
	if ((rc = copy_cpus(&checked)) < 0) {
		il__free(pool);
		return rc;
	}
	init_lock(&pool->lock);
	il__list_init(&pool->queue);
	il__list_init(&pool->idle);
	il__list_init(&pool->workers);
	il__list_init(&pool->ends);
	pool->options = checked;
	pool->max = (size_t)checked.max_workers;
	name_pool(pool);
	rc = il__executor_make(ex, &thread_pool_ops, pool, checked.copy_args,
			       !checked.without_locals);
	if (rc < 0) {
		il__thread_pool_free(pool);
		return rc;
	}
	(*ex)->workers = pool->max;
	pool->executor = *ex;
	return 0;
}

/* ---- a loop's own pool ---- */

void il__thread_pool_add_waiting(il_executor *ex, il_call *call)
{
	struct il__thread_pool *pool = ex->self;

	pthread_mutex_lock(&pool->lock);
	il__list_push(call->waiting_calls, &call->link);
	pthread_mutex_unlock(&pool->lock);
}

bool il__thread_pool_remove_waiting(il_executor *ex, il_call *call)
{
	struct il__thread_pool *pool = ex->self;
	bool in_line;

	pthread_mutex_lock(&pool->lock);
	in_line = !il__list_empty(&call->link);
	il__list_remove(&call->link);
	pthread_mutex_unlock(&pool->lock);
	return in_line;
}

bool il__thread_pool_refuse_next(il_executor *ex, il_call *call)
{
	struct il__thread_pool *pool = ex->self;
	bool has_next;

	pthread_mutex_lock(&pool->lock);
	call->waiting_calls = NULL;
	has_next = call->next_call != NULL;
	pthread_mutex_unlock(&pool->lock);
	return !has_next;
}

bool il__thread_pool_finish(il_executor *ex, il_time deadline)
{
	struct il__watcher_of_end end = {.wakeup = {.task = NULL}};
	struct il__thread_pool *pool = ex->self;
	bool ended = true;

	il__parker_init(&end.wakeup.parker);
	if (thread_pool_shut_down(pool, 0, &end) &&
	    il__parker_wait(&end.wakeup.parker, deadline, NULL) < 0) {
		pthread_mutex_lock(&pool->lock);
		ended = il__list_empty(&end.link);
		il__list_remove(&end.link);
		pthread_mutex_unlock(&pool->lock);
		if (ended)
			il__parker_wait(&end.wakeup.parker, IL_FOREVER, NULL);
	}
	if (ended)
		thread_pool_reap(pool);
	return ended;
}
