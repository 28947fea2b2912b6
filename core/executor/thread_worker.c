/*
 * thread_worker.c: a worker's life: its initializer, its calls, its rest and its end. Its own thread, under
 * the pool's lock but while it runs, finishes a call or rests.
 */
#include "../base/base.h"
#include "../base/error.h"
#include "../base/list.h"
#include "../base/memory.h"
#include "../base/os.h"
#include "../base/os_origin.h"
#include "../base/parker.h"
#include "../runtime/inbox.h"
#include "../runtime/thread_state.h"
#include "../runtime/wakeup.h"
#include "call.h"
#include "caller.h"
#include "pool_policy.h"
#include "thread_pool.h"

#include <stdio.h>

/* Under the lock. */
static il_call *pop_call(struct il__thread_pool *pool, struct il__list *calls)
{
	struct il__list *node = il__list_pop(calls);
	il_call *call;

	if (!node)
		return NULL;
	call = il__container_of(node, il_call, link);
	pool->emptied += --pool->queued == 0;
	pool->own -= call->own;
	il__call_taken(&pool->counts, call);
	return call;
}

struct failing {
	struct il__thread_pool *pool;
	struct il__list *calls;
	int rc;
};

/* A function that had to be run has ended this thread: the others finish all the same. */
static void fail_others(void *arg)
{
	const struct failing *f = arg;

	pthread_mutex_lock(&f->pool->lock);
	il__thread_pool_fail(f->pool, f->calls, f->rc);
	pthread_mutex_unlock(&f->pool->lock);
}

static __attribute__((noinline)) void fail_one(struct failing *f, il_call *call)
{
	pthread_cleanup_push(fail_others, f);
	il__call_fail(call, f->rc);
	pthread_cleanup_pop(0);
}

void il__thread_pool_fail(struct il__thread_pool *pool, struct il__list *calls, int rc)
{
	struct failing f = {pool, calls, rc};
	il_call *call;

	while ((call = pop_call(pool, calls))) {
		il__call_count(&pool->counts, call->ops->unattended ? 0 : rc); /* those run here */
		pthread_mutex_unlock(&pool->lock);
		fail_one(&f, call);
		pthread_mutex_lock(&pool->lock);
	}
}

static void thread_worker_break_pool(struct il__thread_pool *pool, int rc, const char *how)
{
	char detail[IL__THREAD_POOL_WHY + 48];
	struct il__list calls;
	struct il__list *node;

	snprintf(pool->why, sizeof pool->why, "its initializer failed: %s (%s)", il_error_name(rc),
		 how);
	snprintf(detail, sizeof detail, "thread pool %s is broken: %s", pool->name, pool->why);
	il__log(IL_LOG_ERROR, "%s", detail);
	il__list_init(&calls);
	pthread_mutex_lock(&pool->lock);
	pool->broken = true;
	while ((node = il__list_pop(&pool->idle)))
		il__parker_wake(&il__container_of(node, struct il__thread_worker, idle)->parker);
	il__list_splice(&calls, &pool->queue);
	il__list_each (each, &calls)
		il__container_of(each, il_call, link)->detail = il__strdup(detail);
	il__thread_pool_fail(pool, &calls, -ENOTRECOVERABLE);
	pthread_mutex_unlock(&pool->lock);
}

static void fail_initializer(struct il__thread_pool *pool, int rc, const char *how)
{
	bool first;

	pthread_mutex_lock(&pool->lock);
	first = !pool->failing;
	pool->failing = true;
	pthread_mutex_unlock(&pool->lock);
	if (first)
		thread_worker_break_pool(pool, rc, how);
}

/* False: this worker, or one before it, failed. */
static bool thread_worker_initialize(struct il__thread_pool *pool)
{
	bool broken;
	int rc;

	pthread_mutex_lock(&pool->lock);
	broken = pool->failing;
	pthread_mutex_unlock(&pool->lock);
	if (broken)
		return false;
	il__clear_refusal();
	rc = pool->options.initializer(pool->options.initializer_arg);
	if (rc < 0) {
		char said[sizeof il__refusal.words]; /* calls that fail run, and end this thread */
		snprintf(said, sizeof said, "%s",
			 il__has_refused(rc) ? il__refusal.words : il_strerror(rc));
		fail_initializer(pool, rc, said);
	}
	return rc >= 0;
}

/* False: the worker must not take calls. */
static bool thread_worker_set_up(struct il__thread_worker *w)
{
	struct il__thread_pool *pool = w->pool;
	char name[32];
	int rc;

	snprintf(name, sizeof name, "%s_%d", pool->name, w->index);
	il__os_thread_name(name, NULL);
	if (pool->options.cpus &&
	    (rc = il__os_affinity(pool->options.cpus, pool->options.cpu_count)) < 0)
		il__log(IL_LOG_WARNING, "thread pool %s: its processors could not be set: %s",
			pool->name, il__system_words(rc));
	if (pool->options.on_thread_start)
		pool->options.on_thread_start(w->index, pool->options.on_thread_start_arg);
	return !pool->options.initializer || thread_worker_initialize(pool);
}

/* Under the lock: it is idle from now on. If it is detained, gives who is to be woken for what is queued already. */
static struct il__thread_worker *thread_worker_idle(struct il__thread_worker *w)
{
	struct il__thread_pool *pool = w->pool;
	struct il__thread_worker *next = w->detained ? il__thread_worker_rouse(pool) : NULL;

	il__parker_init(&w->parker);
	il__list_push_front(&pool->idle, &w->idle);
	pool->detained += w->detained;
	return next;
}

/* It was detained. Under the lock if it was roused or there are calls; else it goes on to rest. */
static bool thread_worker_come_back(struct il__thread_worker *w)
{
	struct il__thread_pool *pool = w->pool;

	pthread_mutex_lock(&pool->lock);
	pool->detained--;
	w->detained = false;
	if (pool->queued || il__list_empty(&w->idle)) {
		il__list_remove(&w->idle);
		return true;
	}
	pthread_mutex_unlock(&pool->lock);
	return false;
}

/* Under the lock: rests until there is a call or the worker is to end. False: end. */
static bool thread_worker_rest(struct il__thread_worker *w, il_call *done, int rc)
{
	struct il__thread_pool *pool = w->pool;
	struct il__thread_worker *next;
	il_time deadline;

	pool->busy -= done != NULL;
	next = thread_worker_idle(w);
	pthread_mutex_unlock(&pool->lock);
	if (next)
		il__parker_wake(&next->parker);
	if (done)
		il__call_finish(done, rc);
	il__inbox_send();
	if (w->detained && thread_worker_come_back(w))
		return true;
	deadline = pool->options.idle_timeout == IL_FOREVER
		       ? IL_FOREVER
		       : il__deadline_from(il__os_now(), pool->options.idle_timeout);
	rc = il__parker_wait(&w->parker, deadline, &il__self.patience);
	pthread_mutex_lock(&pool->lock);
	/* A call that came meanwhile may have counted on this worker. */
	if (rc == -ETIMEDOUT && !il__list_empty(&w->idle)) {
		il__list_remove(&w->idle);
		return pool->queued > 0;
	}
	/* Assigned at that very moment: the wake-up is on its way, and must not outlive the rest. */
	if (rc == -ETIMEDOUT) {
		pthread_mutex_unlock(&pool->lock);
		il__parker_wait(&w->parker, IL_FOREVER, NULL);
		pthread_mutex_lock(&pool->lock);
	}
	pool->waking = false;
	return true;
}

/* One that last served the same loop has its data near; the newest, for it may be awake and its stack is warm. */
struct il__thread_worker *il__thread_worker_find(const struct il__thread_pool *pool)
{
	enum { LOOKED_AT = 8 };
	const struct il__caller *caller =
	    il__container_of(pool->queue.next, const il_call, link)->caller;
	const struct il__list *node = pool->idle.next;
	struct il__thread_worker *newest = NULL;

	for (int i = 0; node != &pool->idle && (i < LOOKED_AT || !newest); node = node->next) {
		struct il__thread_worker *w =
		    il__container_of(node, struct il__thread_worker, idle);
		if (w->detained && !pthread_equal(w->thread, pthread_self()))
			continue;
		if (!caller || w->served == caller->inbox)
			return w;
		newest = newest ? newest : w;
		i++;
	}
	return newest;
}

struct il__thread_worker *il__thread_worker_rouse(struct il__thread_pool *pool)
{
	struct il__thread_worker *w;

	if (pool->waking || il__list_empty(&pool->queue))
		return NULL;
	w = il__thread_worker_find(pool);
	if (w)
		il__list_remove(&w->idle);
	/* The caller itself comes when it is released: others need not wait for it. */
	pool->waking = w && !w->detained;
	return w;
}

/* Under the lock: what the worker runs next, or NULL. What the call held goes to its next_call. */
static il_call *next_call(struct il__thread_pool *pool, il_call *done)
{
	struct il__list *node = done->waiting_calls ? il__list_pop(done->waiting_calls) : NULL;

	if (!node)
		return pop_call(pool, &pool->queue);
	done->next_call = il__container_of(node, il_call, link);
	pool->counts.submitted++;
	return done->next_call;
}

/* Under the lock: what it runs from now on, for a dump, and for whom. */
static void thread_worker_note(struct il__thread_worker *w, const il_call *call)
{
	w->runs = call ? call->fn : NULL;
	if (!call)
		return;
	w->began = il__ticks_now();
	if (call->caller)
		w->served = call->caller->inbox;
}

/* Under the lock: a worker that one which has taken a call must wake for the next, or NULL. */
static struct il__thread_worker *thread_worker_next(struct il__thread_pool *pool)
{
	const struct il__list *first = pool->queue.next;

	if (pool->watchers && first != &pool->queue &&
	    il__container_of(first, const il_call, link)->place > pool->left)
		return NULL;
	return il__thread_worker_rouse(pool);
}

/* Under the lock, not while it runs or finishes one: the call and those after it, while there are any. The last
 * one has not finished yet, and the worker counts as busy. */
static il_call *run_calls(struct il__thread_worker *w, il_call *call, int *rc)
{
	struct il__thread_pool *pool = w->pool;
	struct il__thread_worker *next = thread_worker_next(pool);
	size_t burst = 0;

	pool->busy++;
	thread_worker_note(w, call);
	/* It may have one that another would have come for, and those after that count on it. */
	if (il__unlikely(il__thread_pool_lacks_worker(pool)))
		il__thread_worker_start(pool);
	pthread_mutex_unlock(&pool->lock);
	if (next)
		il__parker_wake(&next->parker);
	for (;;) {
		il_call *after;
		bool detained;
		burst++;
		w->running = call;
		*rc = il__call_execute(call);
		w->running = NULL;
		detained = call->ops->calls_back && call->ops->calls_back(call);
		pthread_mutex_lock(&pool->lock);
		il__call_count(&pool->counts, *rc);
		w->detained = detained;
		after = detained ? NULL : next_call(pool, call);
		thread_worker_note(w, after);
		if (!after) {
			pool->burst = burst;
			return call;
		}
		pthread_mutex_unlock(&pool->lock);
		call->followed = true;
		il__call_finish(call, *rc);
		call = after;
	}
}

/* Under the lock. Calls until the worker is to end. */
static void thread_worker_work(struct il__thread_worker *w)
{
	struct il__thread_pool *pool = w->pool;

	for (;;) {
		il_call *call = pop_call(pool, &pool->queue);
		int rc = 0;
		if (call)
			call = run_calls(w, call, &rc);
		if (!pool->shut && !pool->broken) {
			if (!thread_worker_rest(w, call, rc))
				return;
			continue;
		}
		if (!call)
			return;
		pool->busy--;
		w->detained = false; /* it is never idle again */
		pthread_mutex_unlock(&pool->lock);
		il__call_finish(call, rc);
		il__inbox_send();
		pthread_mutex_lock(&pool->lock);
	}
}

void il__thread_pool_free(struct il__thread_pool *pool)
{
	pthread_mutex_destroy(&pool->lock);
	il__free((int *)(uintptr_t)pool->options.cpus);
	il__free(pool);
}

/* Under the lock: for one that takes no more calls. Those that came meanwhile may need another in its place. */
static void thread_worker_replace(struct il__thread_pool *pool)
{
	int rc = 0;

	pool->live--;
	if (!pool->failing && il__thread_pool_lacks_worker(pool))
		rc = il__thread_worker_start(pool);
	pool->live++;
	if (rc < 0 && pool->live == 1)
		il__thread_pool_fail(pool, &pool->queue, rc);
}

/* Under the lock, but not while it runs. It counts as busy. */
static void thread_worker_finalize(struct il__thread_worker *w)
{
	struct il__thread_pool *pool = w->pool;

	w->stage = IL__WORKER_FINALIZES;
	pool->busy++;
	pthread_mutex_unlock(&pool->lock);
	pool->options.finalizer(pool->options.initializer_arg);
	pthread_mutex_lock(&pool->lock);
	pool->busy--;
	thread_worker_replace(pool);
}

/* Under the lock, not after. The last thread tells who waits for the end, and frees a released pool. */
static void thread_worker_leave(struct il__thread_worker *w)
{
	struct il__thread_pool *pool = w->pool;
	bool join = pool->has_exited, last;
	pthread_t before = pool->exited;
	struct il__list *node;

	il__worker_index_release(&pool->indexes, w->index);
	il__list_remove(&w->link);
	pool->live--;
	last = pool->live == 0 && pool->released;
	pool->has_exited = !last;
	pool->exited = pthread_self();
	if (last)
		pthread_detach(pthread_self());
	if (pool->live == 0)
		while ((node = il__list_pop(&pool->ends)))
			il__wakeup_fire(
			    &il__container_of(node, struct il__watcher_of_end, link)->wakeup);
	pthread_mutex_unlock(&pool->lock);
	if (join)
		pthread_join(before, NULL);
	if (last)
		il__thread_pool_free(pool);
	il__free(w);
}

/* A function of the user's has ended this thread instead of returning: its call finishes, and
 * the worker leaves as any other. */
static void thread_worker_on_exit(void *arg)
{
	struct il__thread_worker *w = arg;
	struct il__thread_pool *pool = w->pool;
	il_call *lost = w->running;

	w->running = NULL;
	il__inbox_send();
	if (lost) {
		pthread_mutex_lock(&pool->lock);
		thread_worker_note(w, NULL);
		il__call_count(&pool->counts, -EOWNERDEAD);
		pthread_mutex_unlock(&pool->lock);
		il__call_lost(lost);
	} else if (w->stage == IL__WORKER_SETS_UP)
		fail_initializer(pool, -EOWNERDEAD, "it ended its thread");
	else if (w->stage == IL__WORKER_SERVES)
		il__fatal("thread pool %s: a callback of a future, or a release, ended its thread "
			  "with pthread_exit; return from it instead",
			  pool->name);
	pthread_mutex_lock(&pool->lock);
	if (w->stage != IL__WORKER_SETS_UP)
		pool->busy--;
	if (lost && pool->options.finalizer)
		thread_worker_finalize(w);
	else if (w->stage != IL__WORKER_SETS_UP)
		thread_worker_replace(pool);
	thread_worker_leave(w);
}

static void *worker_main(void *arg)
{
	struct il__thread_worker *w = arg;
	bool able;

	il__working.pool = w->pool;
	pthread_cleanup_push(thread_worker_on_exit, w);
	able = thread_worker_set_up(w);
	w->stage = IL__WORKER_SERVES;
	pthread_mutex_lock(&w->pool->lock);
	if (able)
		thread_worker_work(w);
	if (able && w->pool->options.finalizer)
		thread_worker_finalize(w);
	pthread_cleanup_pop(0);
	thread_worker_leave(w);
	return NULL;
}

int il__thread_worker_start(struct il__thread_pool *pool)
{
	struct il__thread_worker *w = il__calloc(1, sizeof *w);
	int rc;

	if (!w)
		return il__refuse(-ENOMEM, "thread pool %s: out of memory", pool->name);
	w->pool = pool;
	w->index = il__worker_index_take(&pool->indexes, pool->live);
	il__list_init(&w->idle);
	il__list_push(&pool->workers, &w->link);
	pool->live++;
	rc = il__os_thread_start(&w->thread, pool->options.stack_size, worker_main, w);
	if (rc == 0)
		return 0;
	pool->live--;
	il__list_remove(&w->link);
	il__worker_index_release(&pool->indexes, w->index);
	il__free(w);
	return il__has_refused(rc)
		   ? rc
		   : il__refuse(rc, "thread pool %s: no thread could be started: %s", pool->name,
				il__lack_words(rc));
}
