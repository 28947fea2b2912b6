/*
 * pool.c: the executor's side of a process pool: submit, take back, kill, shut down; its making.
 * Any thread, under the pool's lock.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "pool.h"
#include "../base/base.h"
#include "../base/error.h"
#include "../base/list.h"
#include "../base/memory.h"
#include "../base/os.h"
#include "../base/report.h"
#include "../base/sanitizer.h"
#include "../executor/caller.h"
#include "../executor/executor.h"
#include "../executor/pool_policy.h"
#include "wire.h"

#include <stdio.h>

/* After a change under the lock that may have made a worker unwanted. */
static void process_pool_unlock(struct il__process_pool *pool)
{
	bool unwanted = !il__list_empty(&pool->unwanted);

	pthread_mutex_unlock(&pool->lock);
	if (unwanted)
		il__process_bury(pool);
}

/* ---- calls ---- */

static int check_call(struct il__process_pool *pool, const il_call *call, bool waits)
{
	if (pool->broken)
		return il__refuse(-ENOTRECOVERABLE, "process pool %s is broken: %s", pool->name,
				  pool->why);
	if (pool->shut)
		return il__refuse(-ESHUTDOWN, "process pool %s is shut down", pool->name);
	if (il__self.loop && il__self.loop->shut && il__process_goes_with_loop(call))
		return il__refuse(-ESHUTDOWN,
				  "process pool %s: the loop ends, and a call with a future would "
				  "keep it; use il_executor_run",
				  pool->name);
	if (!waits &&
	    il__queue_is_full(pool->queued, pool->options.queue_limit, pool->max - pool->busy))
		return il__refuse(
		    -EAGAIN,
		    "the queue of process pool %s is full: %zu calls wait; slow down, "
		    "use il_executor_run, or raise queue_limit",
		    pool->name, pool->queued);
	return 0;
}

static int process_pool_submit(void *self, il_call *call, bool waits)
{
	struct il__process_pool *pool = self;
	struct il__pump *pump;
	bool within = false, refused = false;
	int rc = il__wire_name(call->fn, NULL);

	if (rc < 0)
		return rc;
	pthread_mutex_lock(&pool->lock);
	rc = check_call(pool, call, waits);
	pump = rc == 0 ? il__pump_here(pool, &rc) : NULL;
	if (pump) {
		call->pump = pump;
		if (pump->loop) { /* its worker begins now, and not when the loop polls next */
			within = pump->turning;
			pump->turning = true;
		}
		pump->outstanding++;
		pool->outstanding++;
		il__list_push(&pool->queue, &call->link);
		il__call_queued(call);
		pool->queued++;
		il__process_dispatch(pool);
		il__process_prune(pool);
		refused = call->dropped; /* there is no worker, and none to be had */
		pool->counts.submitted += !refused;
		if (refused) {
			il__list_remove(&call->link);
			rc = call->dropped;
			il__free(call->detail); /* it is this thread's, too */
			call->detail = NULL;
		}
	}
	process_pool_unlock(pool);
	if (refused)
		il__pump_done(pump);
	if (pump && pump->loop) {
		il__pump_run(pump);
		pump->turning = within;
	}
	return rc;
}

/* Of the queue, not of those that were dropped, whose links are not the lock's any more. */
static bool is_queued(const il_call *call)
{
	return !call->dropped && !il__list_empty(&call->link);
}

static bool process_pool_withdraw(void *self, il_call *call)
{
	struct il__process_pool *pool = self;
	bool queued, left = false;

	pthread_mutex_lock(&pool->lock);
	queued = is_queued(call);
	if (!queued)
		left = il__process_leave(call);
	if (queued) { /* with it the pool may lose its last call, and who keeps it */
		il__list_remove(&call->link);
		pool->queued--;
		atomic_fetch_add_explicit(&pool->refs, 1, memory_order_relaxed);
	}
	pool->counts.cancelled += queued || left;
	pthread_mutex_unlock(&pool->lock);
	if (queued) {
		il__pump_done(call->pump);
		il__process_pool_unref(pool);
	}
	return queued || left;
}

/* The caller makes sure that the call does not finish before this returns. */
static void kill_call(void *self, il_call *call)
{
	struct il__process_pool *pool = self;

	pthread_mutex_lock(&pool->lock);
	if (is_queued(call)) { /* again: its worker was dead when it was given it */
		il__pump_drop_queued(call, -ECANCELED);
	} else if (il__process_take_back(call)) {
		il__pump_drop(call, -ECANCELED);
	} else if (call->worker) {
		call->worker->killed = true;
		il__process_kill_worker(call->worker);
	}
	pthread_mutex_unlock(&pool->lock);
}

/* ---- the end ---- */

/* Those whose worker is not ready yet. */
static void cancel_starting(struct il__list *workers, struct il__list *cancelled)
{
	il__list_each_safe (node, workers) {
		il_call *call = il__container_of(node, struct il__process_worker, link)->call;
		if (!call || call->ops->unattended || !il__process_take_back(call))
			continue;
		call->dropped = -ECANCELED;
		il__list_push(cancelled, &call->link);
	}
}

/* Under the lock: those that nobody waits for stay. */
static void process_pool_cancel_queue(struct il__process_pool *pool, struct il__list *cancelled)
{
	il__list_each_safe (node, &pool->queue) {
		il_call *call = il__container_of(node, il_call, link);
		if (call->ops->unattended)
			continue;
		il__list_remove(node);
		pool->queued--;
		call->dropped = -ECANCELED;
		il__list_push(cancelled, node);
	}
	il__list_each (node, &pool->pumps) {
		struct il__pump *pump = il__container_of(node, struct il__pump, link);
		cancel_starting(&pump->busy, cancelled);
		cancel_starting(&pump->handed, cancelled);
	}
}

/* Not under it, and not by their pumps: who shuts down finds them done. */
static void pool_finish_cancelled(struct il__list *cancelled)
{
	struct il__list *node;

	while ((node = il__list_pop(cancelled)))
		il__pump_finish_dropped(il__container_of(node, il_call, link));
}

static bool process_pool_shut_down(void *self, unsigned flags, struct il__watcher_of_end *end)
{
	struct il__process_pool *pool = self;
	struct il__list cancelled;
	bool waits;

	il__list_init(&cancelled);
	pthread_mutex_lock(&pool->lock);
	if ((flags & IL__UNLESS_IT_WAITS) && (pool->live || pool->outstanding)) {
		pthread_mutex_unlock(&pool->lock);
		return true;
	}
	pool->shut = true;
	if (flags & IL_CANCEL_FUTURES)
		process_pool_cancel_queue(pool, &cancelled);
	waits = end && (pool->live || pool->outstanding);
	if (waits)
		il__list_push(&pool->ends, &end->link);
	il__list_each (node, &pool->pumps) /* those that have nothing to do go */
		il__pump_kick(il__container_of(node, struct il__pump, link));
	il__process_fire_ends(pool);
	process_pool_unlock(pool);
	if (flags & IL__UNLESS_IT_WAITS) /* it has nothing to do any more, and ends alone */
		il__attendant_detach(pool);
	pool_finish_cancelled(&cancelled);
	return waits;
}

/* Nothing is started any more, nor woken. */
static void pool_close_descriptors(struct il__process_pool *pool)
{
	il__program_close(&pool->program);
	if (pool->attendant.wake[0] >= 0)
		il__os_wake_close(pool->attendant.wake);
	pool->attendant.wake[0] = -1;
}

/* Its memory may go later, with the pump of a loop that has not come to it yet. */
static void process_pool_ended(void *self)
{
	struct il__process_pool *pool = self;

	il__attendant_join(pool);
	pthread_mutex_lock(&pool->lock);
	if (!pool->live && !pool->outstanding && !pool->attendant.running)
		pool_close_descriptors(pool);
	pthread_mutex_unlock(&pool->lock);
}

void il__process_pool_unref(struct il__process_pool *pool)
{
	if (!il__drop_reference(&pool->refs))
		return;
	pool_close_descriptors(pool);
	pthread_mutex_destroy(&pool->lock);
	il__program_free(&pool->program);
	il__free(pool->initializer_arg);
	il__free(pool);
}

static void process_pool_destroy(void *self)
{
	struct il__process_pool *pool = self;

	process_pool_shut_down(pool, 0, NULL);
	il__attendant_detach(pool);
	il__process_pool_unref(pool);
}

/* The attendant runs callbacks of futures; a worker is another process and cannot meet its own pool. */
static bool is_attendant(void *self)
{
	return il__working.pool == self;
}

static bool is_never(void *self)
{
	(void)self;
	return false;
}

static void process_pool_statistics(void *self, il_executor_statistics *s)
{
	struct il__process_pool *pool = self;

	pthread_mutex_lock(&pool->lock);
	s->workers = pool->live;
	s->idle = pool->live - pool->busy;
	s->queued = pool->queued;
	il__call_counts_tell(&pool->counts, s);
	pthread_mutex_unlock(&pool->lock);
}

/* Under the lock. */
static void tell_worker(struct il__report *r, const struct il__process_worker *w)
{
	il__report_indent(r, 1);
	il__report(r, "process %ld, %s_%d: ", (long)w->child.pid, w->pool->name, w->index);
	if (w->call) {
		il__report(r, "has ");
		il__report_function(r, w->call->fn);
		il__report(r, " for ");
		il__report_duration(r, il__ticks_ago(w->given));
	} else {
		il__report(r, "ends");
	}
	il__report_line_end(r);
}

static void process_pool_tell(void *self, struct il__report *r)
{
	struct il__process_pool *pool = self;

	pthread_mutex_lock(&pool->lock);
	il__list_each (p, &pool->pumps) {
		struct il__pump *pump = il__container_of(p, struct il__pump, link);
		struct il__list *lists[] = {&pump->handed, &pump->busy};
		for (int i = 0; i < 2; i++)
			il__list_each (node, lists[i])
				tell_worker(r, il__container_of(
						   node, const struct il__process_worker, link));
	}
	pthread_mutex_unlock(&pool->lock);
}

static const struct il__executor_type process_pool_ops = {.runs_in = "a worker process",
							  .tell = process_pool_tell,
							  .submit = process_pool_submit,
							  .withdraw = process_pool_withdraw,
							  .kill = kill_call,
							  .shutdown = process_pool_shut_down,
							  .ended = process_pool_ended,
							  .destroy = process_pool_destroy,
							  .is_worker = is_attendant,
							  .only_worker = is_never,
							  .statistics = process_pool_statistics};

/* ---- creation ---- */

/* Its name; NULL: none is. */
static const char *process_pool_negative(const il_process_pool_options *o)
{
	if (o->max_workers < 0)
		return "max_workers";
	if (o->max_calls_per_worker < 0)
		return "max_calls_per_worker";
	if (o->restart_budget < 0)
		return "restart_budget";
	if (o->idle_timeout < 0)
		return "idle_timeout";
	return o->start_timeout < 0 ? "start_timeout" : NULL;
}

static int process_pool_check_options(il_process_pool_options *to,
				      const il_process_pool_options *from)
{
	const char *negative;

	*to = from ? *from : (il_process_pool_options){0};
	negative = process_pool_negative(to);
	if (negative)
		return il__refuse(-EINVAL, "il_process_pool_create: %s is negative", negative);
	if (!to->initializer_arg != !to->initializer_size || il__was_negative(to->initializer_size))
		return il__refuse(-EINVAL,
				  "il_process_pool_create: initializer_arg is copied to each "
				  "worker: give it and initializer_size, or neither");
	if (!il__is_items(to->cpus, to->cpu_count))
		return il__refuse_items("il_process_pool_create", "cpus", to->cpus, "cpu_count",
					to->cpu_count);
	if (!to->max_workers)
		to->max_workers = il__processors_for(to->cpu_count);
	if (!to->queue_limit)
		to->queue_limit = 65536;
	if (!to->restart_budget)
		to->restart_budget = 16;
	if (!to->max_size)
		to->max_size = (size_t)64 << 20;
	if (!to->idle_timeout)
		to->idle_timeout = IL_SEC(300);
	if (!to->start_timeout)
		to->start_timeout = IL_SEC(20);
	return il__check_limits("il_process_pool_create",
				(const struct il__limit[]){{"queue_limit", to->queue_limit},
							   {"max_size", to->max_size},
							   {NULL, 0}});
}

static void init_pool(struct il__process_pool *pool, const il_process_pool_options *options)
{
	struct il__list *lists[] = {&pool->queue,    &pool->idle,       &pool->pumps,
				    &pool->ends,     &pool->unwanted,   &pool->own.handed,
				    &pool->own.busy, &pool->own.dropped};

	pthread_mutex_init(&pool->lock, NULL);
	atomic_init(&pool->refs, 1);
	for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++)
		il__list_init(lists[i]);
	pool->program.directory = -1;
	pool->own.pool = pool;
	pool->own.attended = true;
	il__list_push(&pool->pumps, &pool->own.link);
	pool->attendant.wake[0] = -1;
	pool->options = *options;
	pool->max = (size_t)options->max_workers;
	snprintf(pool->name, sizeof pool->name, "%s", options->name ? options->name : "il-process");
	pool->options.name = pool->name;
}

static int process_pool_set_up(struct il__process_pool *pool)
{
	il_process_pool_options *o = &pool->options;
	int rc = il__program_take(&pool->program);

	if (rc == 0)
		rc = il__program_pin(&pool->program, o->cpus, o->cpu_count);
	if (rc < 0 || !o->initializer)
		return rc;
	if (o->initializer_size) {
		pool->initializer_arg = il__malloc(o->initializer_size);
		if (!pool->initializer_arg)
			return il__refuse(-ENOMEM, "il_process_pool_create: out of memory");
		memcpy(pool->initializer_arg, o->initializer_arg, o->initializer_size);
	}
	return il__wire_name(o->initializer, &pool->initializer);
}

int il_process_pool_create(il_executor **ex, const il_process_pool_options *options)
{
	il_process_pool_options checked;
	struct il__process_pool *pool;
	int rc = process_pool_check_options(&checked, options);

	if (rc < 0 || !ex)
		return rc < 0 ? rc : il__refuse(-EINVAL, "il_process_pool_create: ex is NULL");
	pool = il__calloc(1, sizeof *pool);
	if (!pool)
		return il__refuse(-ENOMEM, "il_process_pool_create: out of memory");
	init_pool(pool, &checked);
	rc = process_pool_set_up(pool);
	if (rc == 0)
		rc = il__executor_make(ex, &process_pool_ops, pool, true, false);
	if (rc < 0) {
		il__process_pool_unref(pool);
		return rc;
	}
	(*ex)->kills = checked.kill_on_cancel;
	(*ex)->max_size = checked.max_size;
	return 0;
}
