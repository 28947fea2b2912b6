/*
 * pump.c: who talks to busy workers: the loop that submitted the call, in its own thread and
 * through its own driver, while it runs; else the attendant thread. Lists are under the pool's lock; a
 * pump is told of changes by its message, or by the attendant's wake descriptor.
 *
 * A loop is held as long as something of its pump is outstanding, so the pump outlives all of that.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "../base/base.h"
#include "../base/error.h"
#include "../base/list.h"
#include "../base/memory.h"
#include "../executor/call.h"
#include "../executor/caller.h"
#include "../runtime/extension.h"
#include "../runtime/inbox.h"
#include "../runtime/ledger.h"
#include "../runtime/thread_state.h"
#include "pool.h"

/* ---- both kinds ---- */

void il__pump_kick(struct il__pump *pump)
{
	if (pump->attended)
		il__attendant_wake(pump->pool);
	if (pump->loop && !pump->posted) {
		pump->posted = true;
		il__inbox_post(pump->loop->inbox, &pump->message);
	}
}

/* Something is in its lists. */
static void pump_tell(struct il__pump *pump)
{
	if (pump->attended || !pump->loop || pump->loop != il__self.loop || !pump->turning)
		il__pump_kick(pump);
}

void il__worker_leave(struct il__process_worker *w, const struct il__pump *to)
{
	struct il__stream_watch *watch = w->watch;

	if (!watch || watch->pump == to)
		return;
	w->watch = NULL;
	w->left++;
	watch->pump->left++;
	pump_tell(watch->pump);
}

void il__pump_hand(struct il__pump *pump, struct il__process_worker *w)
{
	il__worker_leave(w, pump);
	if (w->pump != pump) /* its pump's thread reads that without the lock */
		w->pump = pump;
	il__list_push(&pump->handed, &w->link);
	pump_tell(pump);
}

void il__pump_drop(il_call *call, int rc)
{
	call->dropped = rc;
	il__list_push(&call->pump->dropped, &call->link);
	pump_tell(call->pump);
}

void il__pump_drop_queued(il_call *call, int rc)
{
	il__list_remove(&call->link);
	call->pump->pool->queued--;
	il__pump_drop(call, rc);
}

bool il__pump_next(struct il__pump *pump, il_call **call, struct il__process_worker **w)
{
	struct il__list *node;

	*call = NULL;
	*w = NULL;
	if ((node = il__list_pop(&pump->dropped))) {
		*call = il__container_of(node, il_call, link);
	} else if ((node = il__list_pop(&pump->handed))) {
		il__list_push(&pump->busy, node);
		*w = il__container_of(node, struct il__process_worker, link);
	}
	return node != NULL;
}

/* A function of the pool's runs in a worker or not at all. */
void il__pump_finish_dropped(il_call *call)
{
	struct il__pump *pump = call->pump;
	int rc = call->dropped;

	if (call->ops->unattended)
		il__log(IL_LOG_WARNING,
			"process pool %s: a call that nobody waits for was not run: %s",
			pump->pool->name, il_strerror(rc));
	pthread_mutex_lock(&pump->pool->lock);
	il__call_count(&pump->pool->counts, rc);
	pthread_mutex_unlock(&pump->pool->lock);
	il__call_finish(call, rc);
	il__pump_done(pump);
}

/* ---- a loop's ---- */

static void pump_release(struct il__pump *pump)
{
	if (!pump->held)
		return;
	pump->held = false;
	il__paid(&pump->loop->ledger, IL__OWED_CALL);
}

void il__pump_done(struct il__pump *pump)
{
	struct il__process_pool *pool = pump->pool;
	bool over, mine = pump->loop && pump->loop == il__self.loop, unwanted;

	pthread_mutex_lock(&pool->lock);
	pump->outstanding--;
	pool->outstanding--;
	il__process_fire_ends(pool); /* after which workers may be unwanted, for this pump to end */
	over = pump->outstanding == 0;
	if (over && (!mine || pool->shut))
		il__pump_kick(pump);
	unwanted = !il__list_empty(&pool->unwanted);
	pthread_mutex_unlock(&pool->lock);
	if (over && mine)
		pump_release(pump);
	if (unwanted)
		il__process_bury(pool);
}

/* Frees it once nothing is left, in the loop's thread. Under the lock, which it gives up: no other thread tells it of anything
 * between a look at what is left and this. */
static void close_pump(struct il__pump *pump)
{
	struct il__process_pool *pool = pump->pool;

	il__pump_unwatch(pump, true);
	il__list_remove(&pump->link);
	pthread_mutex_unlock(&pool->lock);
	il__free(pump);
	il__process_pool_unref(pool);
}

bool il__pump_run(struct il__pump *pump)
{
	struct il__process_pool *pool = pump->pool;
	struct il__process_worker *w;
	bool more, over, within = pump->turning;
	il_call *call;

	pump->turning = true;
	do {
		pthread_mutex_lock(&pool->lock);
		if (il__unlikely(pump->left))
			il__pump_unwatch(pump, false);
		more = !pump->attended && il__pump_next(pump, &call, &w);
		over = pump->outstanding == 0;
		if (over)
			pump->attended = pump->wanted = false;
		pthread_mutex_unlock(&pool->lock);
		if (more && call)
			il__pump_finish_dropped(call);
		else if (more)
			il__worker_visit(w, pump->loop);
	} while (more);
	pump->turning = within;
	return over;
}

static void pump_on_message(struct il__message *m, il_loop *loop)
{
	struct il__pump *pump = il__container_of(m, struct il__pump, message);
	struct il__process_pool *pool = pump->pool;

	(void)loop;
	pthread_mutex_lock(&pool->lock);
	pump->posted = false;
	if (!pump->attended && pump->again) {
		pump->again = false;
		il__list_splice(&pump->handed, &pump->busy);
	}
	pthread_mutex_unlock(&pool->lock);
	if (!il__pump_run(pump))
		return;
	pump_release(pump);
	pthread_mutex_lock(&pool->lock);
	if (!pool->shut || pump->posted || pump->outstanding > 0) {
		pthread_mutex_unlock(&pool->lock);
		return;
	}
	il__list_remove(&pump->extension.link);
	close_pump(pump);
}

/* ---- the loop's life ---- */

/* No attendant can be had: whoever waits for a call of this loop, in its thread, would wait forever. */
static void fail_all(struct il__pump *pump, int rc)
{
	struct il__process_pool *pool = pump->pool;
	struct il__list *node;

	pthread_mutex_lock(&pool->lock);
	il__list_each_safe (each, &pool->queue) {
		il_call *call = il__container_of(each, il_call, link);
		if (call->pump == pump)
			il__pump_drop_queued(call, rc);
	}
	il__list_splice(&pump->busy, &pump->handed);
	while ((node = il__list_pop(&pump->busy))) {
		struct il__process_worker *w =
		    il__container_of(node, struct il__process_worker, link);
		pthread_mutex_unlock(&pool->lock);
		if (w->ending) {
			il__process_kill(&w->child);
			il__process_reap(w, true);
		}
		w->spoilt = w->committed;
		il__process_finished(w, w->ending ? IL__DIED : il__process_refuse(w, rc));
		pthread_mutex_lock(&pool->lock);
	}
	pthread_mutex_unlock(&pool->lock);
	il__pump_run(pump);
}

/* Under the lock: none of its workers is watched, and those that are busy are visited again. */
static void begin_anew(struct il__pump *pump)
{
	il__list_splice(&pump->handed, &pump->busy);
	il__list_each (node, &pump->handed)
		il__worker_unwatch(il__container_of(node, struct il__process_worker, link),
				   pump->loop);
	il__pump_unwatch(pump, true);
}

/* Nobody turns this loop now: the attendant does. */
static void on_paused(struct il__extension *x, il_loop *loop)
{
	struct il__pump *pump = il__container_of(x, struct il__pump, extension);
	struct il__process_pool *pool = pump->pool;
	int rc = 0;

	(void)loop;
	pthread_mutex_lock(&pool->lock);
	if (!pump->attended)
		begin_anew(pump);
	if (pump->outstanding > 0 && !pump->attended) {
		rc = il__attendant_start(pool);
		pump->attended = rc == 0;
		il__pump_kick(pump);
	}
	pump->wanted = false;
	pthread_mutex_unlock(&pool->lock);
	if (rc < 0)
		fail_all(pump, rc);
}

/* Nothing lives on the loop: what is still watched would keep a host's loop from ending. */
static void on_idle(struct il__extension *x, il_loop *loop)
{
	struct il__pump *pump = il__container_of(x, struct il__pump, extension);

	(void)loop;
	pthread_mutex_lock(&pump->pool->lock);
	il__pump_unwatch(pump, true);
	pthread_mutex_unlock(&pump->pool->lock);
}

static void on_resumed(struct il__extension *x, il_loop *loop)
{
	struct il__pump *pump = il__container_of(x, struct il__pump, extension);

	(void)loop;
	pthread_mutex_lock(&pump->pool->lock);
	if (!pump->outstanding) /* the attendant may have ended since */
		pump->attended = false;
	pump->wanted = pump->attended;
	if (pump->attended)
		il__pump_kick(pump);
	pthread_mutex_unlock(&pump->pool->lock);
}

static void end_with_loop(struct il__process_worker *w)
{
	il_call *call = w->call;

	if (!call || !il__process_goes_with_loop(call))
		return;
	if (il__process_take_back(call)) {
		il__pump_drop(call, -ECANCELED);
	} else {
		w->killed = true;
		il__process_kill_worker(w);
	}
}

/* The loop ends: what it submitted and no task waits for is cancelled, which kills what runs. A host may have closed its watches:
 * what goes on has new ones. */
static void on_shutdown(struct il__extension *x, il_loop *loop)
{
	struct il__pump *pump = il__container_of(x, struct il__pump, extension);
	struct il__process_pool *pool = pump->pool;
	struct il__list *lists[] = {&pump->busy, &pump->handed};

	(void)loop;
	pthread_mutex_lock(&pool->lock);
	il__list_each_safe (node, &pool->queue) {
		il_call *call = il__container_of(node, il_call, link);
		if (call->pump == pump && il__process_goes_with_loop(call))
			il__pump_drop_queued(call, -ECANCELED);
	}
	for (int i = 0; i < 2; i++)
		il__list_each_safe (node, lists[i])
			end_with_loop(il__container_of(node, struct il__process_worker, link));
	if (!pump->attended) {
		begin_anew(pump);
		il__pump_kick(pump);
	}
	pthread_mutex_unlock(&pool->lock);
}

static int pump_on_closing(struct il__extension *x, il_loop *loop)
{
	struct il__pump *pump = il__container_of(x, struct il__pump, extension);

	(void)loop;
	pthread_mutex_lock(&pump->pool->lock);
	close_pump(pump);
	return 0;
}

static const struct il__extension_ops pump_ops = {.shutdown = on_shutdown,
						  .idle = on_idle,
						  .paused = on_paused,
						  .resumed = on_resumed,
						  .closing = pump_on_closing};

/* ---- whose pump ---- */

static struct il__pump *make_pump(struct il__process_pool *pool, il_loop *loop)
{
	struct il__pump *pump = il__calloc(1, sizeof *pump);

	if (!pump)
		return NULL;
	atomic_fetch_add_explicit(&pool->refs, 1, memory_order_relaxed);
	pump->pool = pool;
	pump->loop = loop;
	pump->message.handle = pump_on_message;
	il__list_init(&pump->handed);
	il__list_init(&pump->dropped);
	il__list_init(&pump->busy);
	il__list_init(&pump->watches);
	il__loop_extend(loop, &pump->extension, &pump_ops);
	il__list_push(&pool->pumps, &pump->link);
	return pump;
}

struct il__pump *il__pump_here(struct il__process_pool *pool, int *rc)
{
	il_loop *loop = il__self.loop;
	struct il__pump *pump = NULL;

	if (!loop) {
		*rc = il__attendant_start(pool);
		return *rc < 0 ? NULL : &pool->own;
	}
	il__list_each (node, &pool->pumps) {
		pump = il__container_of(node, struct il__pump, link);
		if (pump->loop == loop)
			break;
		pump = NULL;
	}
	if (!pump)
		pump = make_pump(pool, loop);
	*rc = pump ? 0 : il__refuse(-ENOMEM, "process pool %s: out of memory", pool->name);
	if (pump && !pump->held) {
		*rc = il__owe(&loop->ledger, IL__OWED_CALL);
		pump->held = *rc == 0;
	}
	return *rc < 0 ? NULL : pump;
}

struct il__pump *il__pump_of_thread(struct il__process_pool *pool)
{
	int rc;

	if (il__working.pool == pool)
		return &pool->own;
	return il__self.loop && il__self.loop->turning ? il__pump_here(pool, &rc) : NULL;
}
