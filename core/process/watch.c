/*
 * watch.c: how a loop waits for its busy workers: by watches of the loop's own driver, and where these
 * are refused in the middle of a call by a look each 10 ms. Loop's thread only.
 *
 * To register a descriptor and to take it away costs up to six system calls, and most calls are over before anything but
 * the stream tells of them. So a loop watches the stream alone until a call has lasted a while: what the worker
 * writes to stderr waits as long, and its death does where a child of it holds the stream.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "../base/base.h"
#include "../base/os.h"
#include "../runtime/source.h"
#include "../runtime/timer.h"
#include "pool.h"

enum { STREAM, ERRORS, PROCESS };

#define A_WHILE IL_MSEC(10)

void il__worker_unwatch(struct il__process_worker *w, il_loop *loop)
{
	for (int i = 0; i < 3; i++)
		il__source_watch(loop, &w->source[i], 0);
	il__timer_disarm(loop, &w->timer);
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

static void on_stream(struct il__source *source, il_loop *loop, unsigned mask)
{
	(void)mask;
	watch_turn(il__container_of(source, struct il__process_worker, source[STREAM]), loop);
}

static void on_errors(struct il__source *source, il_loop *loop, unsigned mask)
{
	struct il__process_worker *w =
	    il__container_of(source, struct il__process_worker, source[ERRORS]);

	(void)mask;
	il__process_relay(w);
	watch_turn(w, loop);
}

static void on_process(struct il__source *source, il_loop *loop, unsigned mask)
{
	struct il__process_worker *w =
	    il__container_of(source, struct il__process_worker, source[PROCESS]);

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

static int watch_one(struct il__source *source, il_loop *loop, unsigned mask)
{
	int rc = il__source_watch(loop, source, mask);

	if (rc < 0) { /* what the driver watches now nobody knows: nothing, then */
		il__source_watch(loop, source, 0);
		source->watch.mask = 0;
	}
	return rc;
}

/* Not the stream alone. */
static bool watches_all(const struct il__process_worker *w, const il_loop *loop)
{
	return w->lasts || w->ending || loop->own_clock;
}

/* What it is to watch now, or nothing. */
static int watch(struct il__process_worker *w, il_loop *loop)
{
	static void (*const ready[])(struct il__source *, il_loop *,
				     unsigned) = {on_stream, on_errors, on_process};
	const int fds[] = {w->child.stream, w->child.errors, w->child.process};
	const bool all = watches_all(w, loop);
	const unsigned masks[] = {w->wants, all && !w->errors_over && !w->choked ? IL_READABLE : 0,
				  all && w->child.process >= 0 ? IL_READABLE : 0};
	int rc = 0;

	for (int i = 0; i < 3 && rc == 0; i++) {
		w->source[i].watch.fd = fds[i];
		w->source[i].ready = ready[i];
		rc = watch_one(&w->source[i], loop, masks[i]);
	}
	if (rc < 0)
		il__worker_unwatch(w, loop);
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
		il__worker_unwatch(w, loop);
	/* Else it is still watched where it has this loop's next call at once. */
	il__process_finished(w, outcome);
}
