/*
 * thread_pool.c: worker threads over one queue. Everything in the pool is under its lock, but for a
 * worker's own wake-up. Idle workers are reused last in, first out, and a worker is idle before it
 * answers, so that what is submitted by the answer runs in the same, warm thread.
 *
 * The pool outlives its executor while threads live: the last of them frees it.
 */
#include "offload.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

struct worker {
	struct il__list idle; /* linked while idle and not assigned; under lock */
	struct pool *pool;
	struct il__parker parker; /* renewed by the worker before each rest */
	int index;
	pthread_t thread;
};

struct pool {
	pthread_mutex_t lock;
	struct il__list queue;
	size_t queued;
	struct il__list idle; /* newest first */
	size_t live, busy, max;
	bool shut, broken, released;
	bool failing;    /* an initializer failed: broken once that is logged */
	bool has_exited; /* `exited` ended and is not joined */
	pthread_t exited;
	struct il__list ends; /* il__watcher_of_end: fired when live becomes 0 */
	uint64_t indexes;     /* the lowest 64 in use: names are reused */
	il_thread_pool_options options;
	char name[16];
};

/* ---- a worker ---- */

static int take_index(struct pool *pool)
{
	for (int i = 0; i < 64; i++) {
		if (!(pool->indexes & (UINT64_C(1) << i))) {
			pool->indexes |= UINT64_C(1) << i;
			return i;
		}
	}
	return (int)pool->live;
}

/* Under the lock. */
static il_call *pop_call(struct pool *pool, struct il__list *calls)
{
	struct il__list *node = il__list_pop(calls);

	if (!node)
		return NULL;
	pool->queued--;
	return il__container_of(node, il_call, link);
}

/* Under the lock, but not while it answers. Until its turn comes a call may still be withdrawn; one that
 * nobody waits for is run. */
static void fail_calls(struct pool *pool, struct il__list *calls, int rc)
{
	il_call *call;

	while ((call = pop_call(pool, calls))) {
		pthread_mutex_unlock(&pool->lock);
		il_call_fail(call, rc);
		pthread_mutex_lock(&pool->lock);
	}
}

static void break_pool(struct pool *pool, int rc)
{
	struct il__list calls;
	struct il__list *node;

	il__log(IL_LOG_ERROR, "the initializer of thread pool %s failed: %s; the pool is broken",
		pool->name, il_strerror(rc));
	il__list_init(&calls);
	pthread_mutex_lock(&pool->lock);
	pool->broken = true;
	while ((node = il__list_pop(&pool->idle)))
		il__parker_wake(&il__container_of(node, struct worker, idle)->parker);
	il__list_splice(&calls, &pool->queue);
	fail_calls(pool, &calls, -ENOTRECOVERABLE);
	pthread_mutex_unlock(&pool->lock);
}

/* False: this worker, or one before it, failed. */
static bool initialize(struct pool *pool)
{
	bool broken, first;
	int rc;

	pthread_mutex_lock(&pool->lock);
	broken = pool->failing;
	pthread_mutex_unlock(&pool->lock);
	if (broken)
		return false;
	rc = pool->options.initializer(pool->options.initializer_arg);
	if (rc >= 0)
		return true;
	pthread_mutex_lock(&pool->lock);
	first = !pool->failing;
	pool->failing = true;
	pthread_mutex_unlock(&pool->lock);
	if (first)
		break_pool(pool, rc);
	return false;
}

/* False: the worker must not take calls. */
static bool set_up(struct worker *w)
{
	struct pool *pool = w->pool;
	char name[32];
	int rc;

	snprintf(name, sizeof name, "%s_%d", pool->name, w->index);
	il__os_thread_name(name, NULL);
	if (pool->options.cpus &&
	    (rc = il__os_thread_affinity(pool->options.cpus, pool->options.cpu_count)) < 0)
		il__log(IL_LOG_WARNING, "thread pool %s: its processors could not be set: %s",
			pool->name, il_strerror(rc));
	if (pool->options.on_thread_start)
		pool->options.on_thread_start(w->index, pool->options.on_thread_start_arg);
	return !pool->options.initializer || initialize(pool);
}

/* Under the lock: rests until there is a call or the worker is to end. False: end. */
static bool rest(struct worker *w, il_call *answered, int rc)
{
	struct pool *pool = w->pool;
	il_time deadline;

	il__parker_init(&w->parker);
	il__list_push_front(&pool->idle, &w->idle);
	pthread_mutex_unlock(&pool->lock);
	if (answered)
		il__call_answer(answered, rc);
	deadline = pool->options.idle_timeout == IL_FOREVER
		       ? IL_FOREVER
		       : il__deadline_from(il__os_now(), pool->options.idle_timeout);
	rc = il__parker_wait(&w->parker, deadline, &il__self.patience);
	pthread_mutex_lock(&pool->lock);
	if (rc == -ETIMEDOUT && !il__list_empty(&w->idle)) {
		il__list_remove(&w->idle);
		return false;
	}
	/* Assigned at that very moment: the wake-up is on its way, and must not outlive the rest. */
	if (rc == -ETIMEDOUT) {
		pthread_mutex_unlock(&pool->lock);
		il__parker_wait(&w->parker, IL_FOREVER, NULL);
		pthread_mutex_lock(&pool->lock);
	}
	return true;
}

/* Under the lock. Calls until the worker is to end. */
static void work(struct worker *w)
{
	struct pool *pool = w->pool;
	il_call *call;
	int rc;

	for (;;) {
		call = pop_call(pool, &pool->queue);
		if (!call) {
			if (pool->shut || pool->broken || !rest(w, NULL, 0))
				return;
			continue;
		}
		pool->busy++;
		pthread_mutex_unlock(&pool->lock);
		rc = il__call_execute(call);
		pthread_mutex_lock(&pool->lock);
		pool->busy--;
		if (il__list_empty(&pool->queue) && !pool->shut && !pool->broken) {
			if (!rest(w, call, rc))
				return;
		} else {
			pthread_mutex_unlock(&pool->lock);
			il__call_answer(call, rc);
			pthread_mutex_lock(&pool->lock);
		}
	}
}

static void free_pool(struct pool *pool)
{
	pthread_mutex_destroy(&pool->lock);
	free(pool);
}

/* Under the lock, not after. The last thread tells who waits for the end, and frees a released pool. */
static void leave(struct worker *w)
{
	struct pool *pool = w->pool;
	bool join = pool->has_exited, last;
	pthread_t before = pool->exited;
	struct il__list *node;

	if (w->index < 64)
		pool->indexes &= ~(UINT64_C(1) << w->index);
	pool->live--;
	last = pool->live == 0 && pool->released;
	pool->has_exited = !last;
	pool->exited = pthread_self();
	if (last)
		pthread_detach(pthread_self());
	if (pool->live == 0)
		while ((node = il__list_pop(&pool->ends)))
			il__signal_fire(
			    &il__container_of(node, struct il__watcher_of_end, link)->signal);
	pthread_mutex_unlock(&pool->lock);
	if (join)
		pthread_join(before, NULL);
	if (last)
		free_pool(pool);
	free(w);
}

static void *worker_main(void *arg)
{
	struct worker *w = arg;
	bool able;

	il__self.worker_of = w->pool;
	able = set_up(w);
	pthread_mutex_lock(&w->pool->lock);
	if (able)
		work(w);
	leave(w);
	return NULL;
}

/* Under the lock. One more worker. */
static int spawn(struct pool *pool)
{
	struct worker *w = calloc(1, sizeof *w);
	int rc;

	if (!w)
		return il__refuse(-ENOMEM, "thread pool %s: out of memory", pool->name);
	w->pool = pool;
	w->index = take_index(pool);
	il__list_init(&w->idle);
	pool->live++;
	rc = il__os_thread_start(&w->thread, pool->options.stack_size, worker_main, w);
	if (rc == 0)
		return 0;
	pool->live--;
	if (w->index < 64)
		pool->indexes &= ~(UINT64_C(1) << w->index);
	free(w);
	return rc;
}

/* ---- the executor's side ---- */

/* The queue's bound counts what waits; what free workers are about to take does not. */
static bool is_full(const struct pool *pool)
{
	size_t limit = pool->options.queue_limit, takers = pool->max - pool->busy;

	return limit < SIZE_MAX - takers && pool->queued >= limit + takers;
}

static int accept_call(struct pool *pool, il_call *call)
{
	struct il__list *node;
	int rc;

	il__list_push(&pool->queue, &call->link);
	pool->queued++;
	node = il__list_pop(&pool->idle);
	if (node) {
		il__parker_wake(&il__container_of(node, struct worker, idle)->parker);
		return 0;
	}
	/* Those that were woken and have not come yet will each take one. */
	if (pool->live >= pool->max || pool->live - pool->busy >= pool->queued)
		return 0;
	rc = spawn(pool);
	/* A pool without a bound promises each call a thread, others let it wait for a busy one. */
	if (rc < 0 && (pool->live == 0 || pool->max == INT_MAX)) {
		il__list_remove(&call->link);
		pool->queued--;
		return rc;
	}
	return 0;
}

static int submit(void *self, il_call *call, bool waits)
{
	struct pool *pool = self;
	int rc;

	pthread_mutex_lock(&pool->lock);
	if (pool->broken)
		rc = il__refuse(-ENOTRECOVERABLE,
				"thread pool %s is broken: its initializer failed", pool->name);
	else if (pool->shut)
		rc = il__refuse(-ESHUTDOWN, "thread pool %s is shut down", pool->name);
	else if (!waits && is_full(pool))
		rc = il__refuse(
		    -EAGAIN,
		    "the queue of thread pool %s is full: %zu calls wait; slow down, use "
		    "il_executor_run, or raise queue_limit",
		    pool->name, pool->queued);
	else
		rc = accept_call(pool, call);
	pthread_mutex_unlock(&pool->lock);
	return rc;
}

static bool withdraw(void *self, il_call *call)
{
	struct pool *pool = self;
	bool queued;

	pthread_mutex_lock(&pool->lock);
	queued = !il__list_empty(&call->link);
	if (queued) {
		il__list_remove(&call->link);
		pool->queued--;
	}
	pthread_mutex_unlock(&pool->lock);
	return queued;
}

/* Under the lock: those that have begun, or that nobody waits for, stay. */
static void cancel_queue(struct pool *pool)
{
	struct il__list cancelled;

	il__list_init(&cancelled);
	il__list_each_safe (each, &pool->queue) {
		if (il__container_of(each, il_call, link)->ops->unattended)
			continue;
		il__list_remove(each);
		il__list_push(&cancelled, each);
	}
	fail_calls(pool, &cancelled, -ECANCELED);
}

static bool shut_down(void *self, unsigned flags, struct il__watcher_of_end *end)
{
	struct pool *pool = self;
	struct il__list *node;
	bool waits;

	pthread_mutex_lock(&pool->lock);
	pool->shut = true;
	if (flags & IL_CANCEL_FUTURES)
		cancel_queue(pool);
	while ((node = il__list_pop(&pool->idle)))
		il__parker_wake(&il__container_of(node, struct worker, idle)->parker);
	waits = end && pool->live > 0;
	if (waits)
		il__list_push(&pool->ends, &end->link);
	pthread_mutex_unlock(&pool->lock);
	return waits;
}

static void reap(void *self)
{
	struct pool *pool = self;
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

static void destroy(void *self)
{
	struct pool *pool = self;
	bool last;

	shut_down(pool, 0, NULL);
	pthread_mutex_lock(&pool->lock);
	pool->released = true;
	last = pool->live == 0;
	if (!last && pool->has_exited) {
		pthread_detach(pool->exited);
		pool->has_exited = false;
	}
	pthread_mutex_unlock(&pool->lock);
	if (last) {
		reap(pool);
		free_pool(pool);
	}
}

static bool is_worker(void *self)
{
	return il__self.worker_of == self;
}

static bool only_worker(void *self)
{
	return is_worker(self) && ((struct pool *)self)->max == 1;
}

static const struct il__executor_ops thread_pool_ops = {.submit = submit,
							.withdraw = withdraw,
							.shutdown = shut_down,
							.ended = reap,
							.destroy = destroy,
							.is_worker = is_worker,
							.only_worker = only_worker};

/* ---- creation ---- */

static int check_options(il_thread_pool_options *to, const il_thread_pool_options *from)
{
	*to = from ? *from : (il_thread_pool_options){0};
	if (to->max_workers < 0)
		return il__refuse(
		    -EINVAL, "il_thread_pool_create: max_workers is %d; 0 means min(32, cores + 4)",
		    to->max_workers);
	if (to->idle_timeout < 0)
		return il__refuse(-EINVAL, "il_thread_pool_create: idle_timeout is negative");
	if (to->cpu_count && !to->cpus)
		return il__refuse(-EINVAL, "il_thread_pool_create: cpu_count without cpus");
	if (!to->max_workers)
		to->max_workers = il__os_cpu_count() + 4 < 32 ? il__os_cpu_count() + 4 : 32;
	if (!to->queue_limit)
		to->queue_limit = 65536;
	if (!to->idle_timeout)
		to->idle_timeout = IL_SEC(10);
	return 0;
}

static void name_pool(struct pool *pool)
{
	static atomic_uint pools;

	if (pool->options.name)
		snprintf(pool->name, sizeof pool->name, "%s", pool->options.name);
	else
		snprintf(pool->name, sizeof pool->name, "il-pool%u",
			 atomic_fetch_add(&pools, 1) + 1);
	pool->options.name = pool->name;
}

int il_thread_pool_create(il_executor **ex, const il_thread_pool_options *options)
{
	il_thread_pool_options checked;
	struct pool *pool;
	int rc = check_options(&checked, options);

	if (rc < 0 || !ex)
		return rc < 0 ? rc : il__refuse(-EINVAL, "il_thread_pool_create: ex is NULL");
	pool = calloc(1, sizeof *pool);
	if (!pool)
		return il__refuse(-ENOMEM, "il_thread_pool_create: out of memory");
	pthread_mutex_init(&pool->lock, NULL);
	il__list_init(&pool->queue);
	il__list_init(&pool->idle);
	il__list_init(&pool->ends);
	pool->options = checked;
	pool->max = (size_t)checked.max_workers;
	name_pool(pool);
	rc = il__executor_make(ex, &thread_pool_ops, pool, checked.copy_args,
			       !checked.without_locals);
	if (rc < 0)
		free_pool(pool);
	return rc;
}

/* ---- a loop's own pool, at the loop's end ---- */

bool il__thread_pool_finish(il_executor *ex, il_time deadline)
{
	struct il__watcher_of_end end = {.signal = {.task = NULL}};
	struct pool *pool = ex->self;
	bool ended = true;

	il__parker_init(&end.signal.parker);
	if (shut_down(pool, 0, &end) && il__parker_wait(&end.signal.parker, deadline, NULL) < 0) {
		pthread_mutex_lock(&pool->lock);
		ended = il__list_empty(&end.link);
		il__list_remove(&end.link);
		pthread_mutex_unlock(&pool->lock);
		if (ended)
			il__parker_wait(&end.signal.parker, IL_FOREVER, NULL);
	}
	if (ended)
		reap(pool);
	return ended;
}
