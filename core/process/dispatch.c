/*
 * dispatch.c: which call goes to which worker, and what becomes of a worker. Under the pool's lock,
 * but for finishing calls, the log and waiting for a killed one.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "../base/base.h"
#include "../base/error.h"
#include "../base/list.h"
#include "../base/memory.h"
#include "../base/os.h"
#include "../executor/call.h"
#include "../executor/pool_policy.h"
#include "../runtime/thread_state.h"
#include "../runtime/wakeup.h"
#include "pool.h"

#include <stdio.h>
#include <sys/wait.h>

/* ---- workers ---- */

static struct il__process_worker *start_worker(struct il__process_pool *pool, int *rc)
{
	struct il__process_worker *w = il__calloc(1, sizeof *w);
	char name[32];

	if (!w) {
		*rc = il__refuse(-ENOMEM, "process pool %s: out of memory", pool->name);
		return NULL;
	}
	w->pool = pool;
	w->index = il__worker_index_take(&pool->indexes, pool->live);
	snprintf(name, sizeof name, "%s_%d", pool->name, w->index);
	*rc = il__process_spawn(&pool->program, name, &w->child);
	if (*rc < 0) {
		il__worker_index_release(&pool->indexes, w->index);
		il__free(w);
		return NULL;
	}
	il__list_init(&w->link);
	w->due = il__deadline_from(il__os_now(), pool->options.start_timeout);
	pool->live++;
	return w;
}

/* It is reaped. */
static void process_bury(struct il__process_worker *w)
{
	il__worker_index_release(&w->pool->indexes, w->index);
	w->pool->live--;
	w->buried = true;
	if (!w->left)
		il__process_free(w);
}

/* Who sees to the end of a worker that this thread gives up: it may take a while, and by the real clock. */
static struct il__pump *pump_of_ends(struct il__process_pool *pool)
{
	struct il__pump *pump = il__process_clock_is_own() ? NULL : il__pump_of_thread(pool);

	if (pump)
		return pump;
	return il__attendant_start(pool) == 0 ? &pool->own : NULL;
}

/* One that has no call: it ends, and is waited for later. */
static void process_discard(struct il__process_worker *w)
{
	struct il__process_pool *pool = w->pool;
	struct il__pump *pump = pump_of_ends(pool);

	if (pump && !w->killed && w->ready) /* else it reads nothing, and has run nothing */
		il__process_ask_to_end(w);
	else
		il__process_kill(&w->child);
	w->killed = w->ending = true;
	w->call = NULL;
	if (pump) {
		pump->outstanding++;
		pool->outstanding++;
		il__pump_hand(pump, w);
	} else {
		il__worker_leave(w, NULL);
		il__list_push(&pool->unwanted, &w->link);
	}
}

void il__process_bury(struct il__process_pool *pool)
{
	struct il__list *node;

	pthread_mutex_lock(&pool->lock);
	while ((node = il__list_pop(&pool->unwanted))) {
		struct il__process_worker *w =
		    il__container_of(node, struct il__process_worker, link);
		pthread_mutex_unlock(&pool->lock);
		il__process_reap(w, true);
		pthread_mutex_lock(&pool->lock);
		process_bury(w);
		il__process_dispatch(pool);
	}
	pthread_mutex_unlock(&pool->lock);
}

static void discard_idle(struct il__process_pool *pool)
{
	struct il__list *node;

	while ((node = il__list_pop(&pool->idle)))
		process_discard(il__container_of(node, struct il__process_worker, link));
}

void il__process_prune(struct il__process_pool *pool)
{
	il_time now = il__os_now();

	il__list_each_safe (node, &pool->idle) {
		struct il__process_worker *w =
		    il__container_of(node, struct il__process_worker, link);
		if (now - w->idle_since < pool->options.idle_timeout)
			continue;
		il__list_remove(node);
		process_discard(w);
	}
}

/* The newest idle one that lives. */
static struct il__process_worker *take_idle(struct il__process_pool *pool)
{
	struct il__list *node;

	while ((node = il__list_pop(&pool->idle))) {
		struct il__process_worker *w =
		    il__container_of(node, struct il__process_worker, link);
		siginfo_t info = {.si_pid = 0};
		int rc = waitid(P_PID, (id_t)w->child.pid, &info,
				WEXITED | WSTOPPED | WNOHANG | WNOWAIT);
		if (!w->initialized) /* nobody has talked to it meanwhile */
			w->due = il__deadline_from(w->due, il__os_now() - w->idle_since);
		w->idle = rc == 0 && info.si_pid == 0;
		if (w->idle || (rc == 0 && info.si_code == CLD_STOPPED))
			return w;
		process_discard(w);
	}
	return NULL;
}

/* ---- calls ---- */

static void explain_broken(const struct il__process_pool *pool, char *detail, size_t size)
{
	snprintf(detail, size, "process pool %s is broken: %s", pool->name, pool->why);
}

void il__process_fail_queue(struct il__process_pool *pool, int rc)
{
	char detail[IL__LAST_WORDS + 48];

	explain_broken(pool, detail, sizeof detail);
	il__list_each_safe (node, &pool->queue) {
		il_call *call = il__container_of(node, il_call, link);
		if (pool->broken)
			call->detail = il__strdup(detail);
		il__pump_drop_queued(call, rc);
	}
}

void il__process_fire_ends(struct il__process_pool *pool)
{
	struct il__list *node;

	if (!pool->shut || pool->outstanding)
		return;
	discard_idle(pool);
	if (pool->live)
		return;
	while ((node = il__list_pop(&pool->ends)))
		il__wakeup_fire(&il__container_of(node, struct il__watcher_of_end, link)->wakeup);
}

static void process_assign(struct il__process_pool *pool, struct il__process_worker *w)
{
	il_call *call = il__container_of(il__list_pop(&pool->queue), il_call, link);

	pool->queued--;
	il__call_taken(&pool->counts, call);
	pool->busy++;
	call->worker = w;
	w->call = call;
	w->given = il__ticks_now();
	w->killed = w->committed = w->unread = w->lasts = false;
	w->known = true;
	w->wants = IL_READABLE;
	il__pump_hand(call->pump, w);
}

bool il__process_leave(il_call *call)
{
	struct il__process_worker *w = call->worker;

	if (!w || w->committed)
		return false;
	call->worker = NULL;
	w->call = NULL;
	w->pool->busy--;
	il__list_remove(&w->link);
	il__pump_hand(w->pump, w);
	return true;
}

bool il__process_take_back(il_call *call)
{
	if (!il__process_leave(call))
		return false;
	call->pump->outstanding++;
	call->pump->pool->outstanding++;
	return true;
}

/* A lack costs one call, and the next finds out whether it has passed. */
static void fail_first(struct il__process_pool *pool, int rc)
{
	il_call *call = il__container_of(pool->queue.next, il_call, link);

	call->detail = il__keep_refusal(rc);
	il__pump_drop_queued(call, rc);
}

void il__process_dispatch(struct il__process_pool *pool)
{
	while (!il__list_empty(&pool->queue)) {
		struct il__process_worker *w = take_idle(pool);
		int rc = 0;
		if (!w && pool->live < pool->max)
			w = start_worker(pool, &rc);
		if (w)
			process_assign(pool, w);
		else if (pool->live > 0) /* whoever is busy, or about to be gone, dispatches next */
			break;
		else
			fail_first(pool, rc);
	}
	il__process_fire_ends(pool);
}

/* ---- what a visit came to ---- */

/* Made under the lock, told after it: whoever logs or finishes a call runs the user's code. */
struct verdict {
	int rc;
	bool again;  /* the call goes to another worker */
	bool back;   /* the argument is as the function left it */
	bool tell;   /* of the death */
	bool broken; /* the pool is, by this */
	char detail[IL__LAST_WORDS + 48];
};

static void kill_busy(struct il__process_pool *pool)
{
	il__list_each (p, &pool->pumps) {
		struct il__pump *pump = il__container_of(p, struct il__pump, link);
		struct il__list *lists[] = {&pump->handed, &pump->busy};
		for (int i = 0; i < 2; i++)
			il__list_each (node, lists[i]) {
				struct il__process_worker *w =
				    il__container_of(node, struct il__process_worker, link);
				w->killed = true;
				il__process_kill_worker(w);
			}
	}
}

static void process_break_pool(struct il__process_pool *pool, struct verdict *v, const char *why)
{
	if (pool->broken)
		return;
	pool->broken = v->broken = true;
	snprintf(pool->why, sizeof pool->why, "%s", why);
	il__process_fail_queue(pool, -ENOTRECOVERABLE);
	discard_idle(pool);
	if (pool->options.break_on_death)
		kill_busy(pool);
}

/* One that died in its initializer has not read the call, which goes to another. */
static void judge_death(struct il__process_pool *pool, struct il__process_worker *w,
			struct verdict *v)
{
	char why[IL__LAST_WORDS + 96];

	v->rc = w->killed ? -ECANCELED : -EOWNERDEAD;
	pool->counts.deaths += w->call && !w->killed;
	/* Unread: the signal was on its way when it was given the call. A call that was taken back goes nowhere. */
	v->again =
	    w->call && (!w->initialized || (w->unread && w->idle)) && !w->killed && !pool->broken;
	if (w->call && !w->killed && (!w->initialized || !v->again)) {
		v->tell = w->initialized;
		snprintf(v->detail, sizeof v->detail, "%s", w->last_words);
		pool->deaths++;
		if (!w->initialized)
			snprintf(why, sizeof why, "%s: %s",
				 w->ready ? "its initializer failed" : "a worker did not start",
				 w->last_words);
		else if (pool->options.break_on_death)
			snprintf(why, sizeof why, "%s", w->last_words);
		else
			snprintf(why, sizeof why,
				 "worker deaths with no completed call between: %d "
				 "(restart_budget); the last: %s",
				 pool->deaths, w->last_words);
		if (pool->options.break_on_death || pool->deaths >= pool->options.restart_budget)
			process_break_pool(pool, v, why);
	}
	if (pool->broken && (pool->options.break_on_death || !w->initialized)) {
		v->rc = -ENOTRECOVERABLE;
		v->again = false;
		if (!w->initialized)
			snprintf(v->detail, sizeof v->detail, "%s", pool->why);
		else if (w->killed)
			explain_broken(pool, v->detail, sizeof v->detail);
	}
}

static void process_judge(struct il__process_pool *pool, struct il__process_worker *w,
			  enum il__outcome outcome, struct verdict *v)
{
	char why[IL__LAST_WORDS];

	v->rc = w->rc;
	switch (outcome) {
	case IL__DIED:
		judge_death(pool, w, v);
		break;
	case IL__FAILED:
		snprintf(why, sizeof why, "its initializer failed: %s (%s)", il_error_name(w->rc),
			 w->why[0] ? w->why : il_strerror(w->rc));
		process_break_pool(pool, v, why);
		v->rc = -ENOTRECOVERABLE;
		explain_broken(pool, v->detail, sizeof v->detail);
		break;
	case IL__REPLIED:
		pool->deaths = 0;
		w->calls++;
		v->back = w->known;
		if (!w->known)
			snprintf(v->detail, sizeof v->detail, "process pool %s: a worker: %s",
				 pool->name, w->why);
		else
			snprintf(v->detail, sizeof v->detail, "%s", w->why);
		break;
	case IL__REFUSED:
		snprintf(v->detail, sizeof v->detail, "%s", w->why);
		break;
	default:
		break;
	}
}

/* To the idle ones, or to its end. */
static void process_put_back(struct il__process_pool *pool, struct il__process_worker *w,
			     enum il__outcome outcome)
{
	int calls = pool->options.max_calls_per_worker;

	if (outcome == IL__DIED) {
		process_bury(w);
	} else if (w->killed || pool->broken || outcome == IL__FAILED || w->spoilt ||
		   (calls && w->calls >= calls)) {
		process_discard(w);
	} else {
		/* One that is not ready yet is taken last. */
		w->idle_since = il__os_now();
		il__list_push(w->initialized ? pool->idle.next : &pool->idle, &w->link);
	}
}

/* Whether anybody still wants it; from then on it is not cancelled. */
static bool process_accept(il_call *call)
{
	return !call->ops->unattended && (!call->ops->accept || call->ops->accept(call));
}

static void process_finish_call(il_call *call, const struct verdict *v)
{
	if (v->back && process_accept(call))
		il__call_copy_back(call);
	if (v->rc < 0 && v->detail[0])
		call->detail = il__strdup(v->detail);
	il__call_finish(call, v->rc);
}

void il__process_finished(struct il__process_worker *w, enum il__outcome outcome)
{
	struct il__process_pool *pool = w->pool;
	struct il__pump *pump = w->pump;
	struct verdict v = {.rc = 0};
	il_call *call;
	bool unwanted;

	pthread_mutex_lock(&pool->lock);
	call = w->call;
	il__list_remove(&w->link);
	if (outcome != IL__DIED && pump->loop && pump->loop == il__self.loop)
		il__worker_rest(w, pump->loop);
	process_judge(pool, w, outcome, &v);
	if (call) {
		call->worker = NULL;
		w->call = NULL;
		pool->busy--;
		if (v.again) {
			il__list_push_front(&pool->queue, &call->link);
			pool->queued++;
		} else {
			il__call_count(&pool->counts, v.rc);
		}
	}
	process_put_back(pool, w, outcome);
	il__process_dispatch(pool);
	unwanted = !il__list_empty(&pool->unwanted);
	pthread_mutex_unlock(&pool->lock);
	if (v.tell)
		il__log(IL_LOG_WARNING, "process pool %s: %s", pool->name, v.detail);
	if (v.broken)
		il__log(IL_LOG_ERROR, "process pool %s is broken: %s", pool->name, pool->why);
	if (unwanted)
		il__process_bury(pool);
	if (v.again)
		return;
	if (call)
		process_finish_call(call, &v);
	il__pump_done(pump);
}
