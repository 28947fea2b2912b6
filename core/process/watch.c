/*
 * watch.c: how a loop waits for its busy workers: by watches of the loop's own driver, and where these
 * are refused in the middle of a call by a look each 10 ms. Loop's thread only.
 *
 * Most calls are over before anything but the stream tells of them. So a loop watches the stream alone until a call has
 * lasted a while: what the worker writes to stderr waits as long, and its death does where a child of it holds the
 * stream. And the stream stays watched between calls.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "../base/base.h"
#include "../base/list.h"
#include "../base/memory.h"
#include "../base/os.h"
#include "../runtime/source.h"
#include "../runtime/timer.h"
#include "pool.h"

#define A_WHILE IL_MSEC(10)

/* ---- the stream's watch ---- */

/* Under the lock. */
static void drop_watch(struct il__stream_watch *watch)
{
	struct il__process_worker *w = watch->worker;

	il__source_watch(watch->pump->loop, &watch->source, 0);
	il__list_remove(&watch->link);
	if (w->watch == watch) {
		w->watch = NULL;
	} else {
		watch->pump->left--;
		if (--w->left == 0 && w->buried)
			il__process_free(w);
	}
	il__free(watch);
}

void il__pump_unwatch(struct il__pump *pump, bool all)
{
	il__list_each_safe (node, &pump->watches) {
		struct il__stream_watch *watch =
		    il__container_of(node, struct il__stream_watch, link);
		if (all || watch->worker->watch != watch)
			drop_watch(watch);
	}
}

/* ---- all of a worker ---- */

static void unwatch_rest(struct il__process_worker *w, il_loop *loop)
{
	il__source_watch(loop, &w->errors, 0);
	il__source_watch(loop, &w->process, 0);
	il__timer_disarm(loop, &w->timer);
}

void il__worker_unwatch(struct il__process_worker *w, il_loop *loop)
{
	unwatch_rest(w, loop);
	if (w->watch)
		drop_watch(w->watch);
}

void il__worker_rest(struct il__process_worker *w, il_loop *loop)
{
	unwatch_rest(w, loop);
	if (w->watch && !loop->own_clock)
		w->watch->rests = true;
	else if (w->watch)
		drop_watch(w->watch);
}

/* Busy, it is this thread's: who takes its call back meanwhile need not wait for the driver. */
static void unwatch(struct il__process_worker *w, il_loop *loop)
{
	if (w->watch)
		il__source_watch(loop, &w->watch->source, 0);
	pthread_mutex_lock(&w->pool->lock);
	il__worker_unwatch(w, loop);
	pthread_mutex_unlock(&w->pool->lock);
}

/* Something happened to it; and what follows from that. */
static void watch_turn(struct il__process_worker *w, il_loop *loop)
{
	struct il__pump *pump = w->pump;

	pump->turning = true;
	il__worker_visit(w, loop);
	il__pump_run(pump);
	pump->turning = false;
}

/* One that rests has died, or is another pump's. */
static void on_stream(struct il__source *source, il_loop *loop, unsigned mask)
{
	struct il__stream_watch *watch = il__container_of(source, struct il__stream_watch, source);
	struct il__process_pool *pool = watch->pump->pool;

	(void)mask;
	if (!watch->rests) {
		watch_turn(watch->worker, loop);
		return;
	}
	pthread_mutex_lock(&pool->lock);
	drop_watch(watch);
	pthread_mutex_unlock(&pool->lock);
}

static void on_errors(struct il__source *source, il_loop *loop, unsigned mask)
{
	struct il__process_worker *w = il__container_of(source, struct il__process_worker, errors);

	(void)mask;
	il__process_relay(w);
	watch_turn(w, loop);
}

static void on_process(struct il__source *source, il_loop *loop, unsigned mask)
{
	struct il__process_worker *w = il__container_of(source, struct il__process_worker, process);

	(void)mask;
	w->ended = true;
	watch_turn(w, loop);
}

static void on_timer(struct il__timer *timer)
{
	struct il__process_worker *w = il__container_of(timer, struct il__process_worker, timer);

	w->lasts = true;
	il__process_look(w);
	watch_turn(w, w->pump->loop);
}

static int watch_one(struct il__source *source, il_loop *loop, int fd, unsigned mask,
		     void (*ready)(struct il__source *, il_loop *, unsigned))
{
	int rc;

	source->watch.fd = fd;
	source->ready = ready;
	rc = il__source_watch(loop, source, mask);
	if (rc < 0) { /* what the driver watches now nobody knows: nothing, then */
		il__source_watch(loop, source, 0);
		source->watch.mask = 0;
	}
	return rc;
}

static struct il__stream_watch *make_watch(struct il__process_worker *w)
{
	struct il__stream_watch *watch = il__calloc(1, sizeof *watch);

	if (!watch)
		return NULL;
	watch->pump = w->pump;
	watch->worker = w;
	pthread_mutex_lock(&w->pool->lock);
	il__list_push(&w->pump->watches, &watch->link);
	w->watch = watch;
	pthread_mutex_unlock(&w->pool->lock);
	return watch;
}

static int watch_stream(struct il__process_worker *w, il_loop *loop)
{
	struct il__stream_watch *watch = w->watch ? w->watch : make_watch(w);

	if (!watch)
		return -ENOMEM;
	watch->rests = false;
	return watch_one(&watch->source, loop, w->child.stream, w->wants, on_stream);
}

/* Not the stream alone. */
static bool watches_all(const struct il__process_worker *w, const il_loop *loop)
{
	return w->lasts || w->ending || loop->own_clock;
}

/* What it is to watch now, or nothing. */
static int watch(struct il__process_worker *w, il_loop *loop)
{
	const bool all = watches_all(w, loop);
	const bool errors = all && !w->errors_over && !w->choked;
	const bool process = all && w->child.process >= 0;
	int rc = watch_stream(w, loop);

	if (rc == 0)
		rc = watch_one(&w->errors, loop, w->child.errors, errors ? IL_READABLE : 0,
			       on_errors);
	if (rc == 0)
		rc = watch_one(&w->process, loop, w->child.process, process ? IL_READABLE : 0,
			       on_process);
	if (rc < 0)
		unwatch(w, loop);
	return rc;
}

/* Though nothing comes. Without memory for a timer, and where the clock stands, when others have run. */
static void visit_soon(struct il__process_worker *w, il_loop *loop)
{
	struct il__pump *pump = w->pump;

	if (!loop->own_clock && il__timer_arm(loop, &w->timer, il__os_now() + A_WHILE) == 0)
		return;
	pthread_mutex_lock(&pump->pool->lock);
	pump->again = true;
	il__pump_kick(pump);
	pthread_mutex_unlock(&pump->pool->lock);
}

static void watch_wait_for(struct il__process_worker *w, il_loop *loop)
{
	il_time soon = il__os_now() + A_WHILE;

	w->timer.fire = on_timer;
	if (!watches_all(w, loop) && !w->timer.index) /* without memory for it: all at once */
		w->lasts = il__timer_arm(loop, &w->timer, w->due < soon ? w->due : soon) < 0;
	if (watch(w, loop) < 0 || il__process_is_polled(w))
		visit_soon(w, loop);
	else if (!watches_all(w, loop))
		return;
	else if (w->due != IL_FOREVER && !loop->own_clock)
		il__timer_arm(loop, &w->timer, w->due); /* else it has no limit */
	else /* a virtual clock may jump there while a real worker starts */
		il__timer_disarm(loop, &w->timer);
}

/* What is needed to wait for the reply is had before the call goes out: a lack of it is the call's failure, and
 * never the worker's. */
void il__worker_visit(struct il__process_worker *w, il_loop *loop)
{
	int rc = watch(w, loop);
	enum il__outcome outcome;

	if (rc < 0)
		il__process_look(w);
	if (rc < 0 && !w->committed && !w->ending)
		outcome = il__process_refuse(w, rc);
	else
		outcome = il__process_visit(w);
	if (outcome == IL__WAITS) {
		watch_wait_for(w, loop);
		return;
	}
	if (outcome == IL__DIED)
		unwatch(w, loop);
	il__process_finished(w, outcome);
}
