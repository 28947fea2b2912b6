/*
 * work_executor.c: an executor of the user's own: a thread and a queue with a bound. It runs the calls themselves, or, as
 * one on another machine would, copies of their arguments, and brings the results; those it gives up and ends, too. What
 * it has taken it finishes, once.
 */
#include "work.h"

#include <pthread.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { BOUND = 4, CROWD = 8, ITEMS = 12 };

struct own {
	bool elsewhere;
	il_executor *ex;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t news;

	/* under the lock */
	void *first; /* a call that has not begun; linked by il_call_link */
	int queued;
	il_call *running;
	bool killed; /* it is to end soon */
	bool shut, gone, ends;
	int taken, finished;
};

/* ---- the functions that it calls ---- */

static int slow(void *arg)
{
	(void)arg;
	usleep(5000);
	return 3;
}

static int slow_once(void *arg)
{
	slow(NULL);
	return work_once(arg);
}

static int reply(void *bytes)
{
	static const char pong[] = "pong";
	char *out = il_bytes_resize(bytes, sizeof pong);

	if (!out)
		return -ENOMEM;
	memcpy(out, pong, sizeof pong);
	return 3;
}

/* ---- calls ---- */

/* Until it is killed, but not for long. */
static int own_linger(struct own *own)
{
	int rc = 3;

	pthread_mutex_lock(&own->lock);
	for (int i = 0; i < 20 && !own->killed; i++) {
		pthread_mutex_unlock(&own->lock);
		usleep(1000);
		pthread_mutex_lock(&own->lock);
	}
	if (own->killed)
		rc = -ECANCELED;
	pthread_mutex_unlock(&own->lock);
	return rc;
}

static void own_call_elsewhere(struct own *own, il_call *call)
{
	il_call_info info;
	int copy = 0, rc;

	if (!il_call_begin(call)) {
		il_call_fail(call, -ECANCELED);
		return;
	}
	il_call_get_info(call, &info);
	if (info.form == IL_CALL_BYTES) {
		il_call_finish(call, 3, "pong", 5, NULL);
		return;
	}
	if (info.in_size == sizeof copy)
		memcpy(&copy, info.in, sizeof copy);
	rc = info.fn == slow ? own_linger(own) : info.fn(info.in_size ? &copy : NULL);
	il_call_finish(call, rc, info.in_size ? &copy : NULL, info.in_size,
		       rc < 0 ? "it was killed" : NULL);
}

static void own_call(struct own *own, il_call *call)
{
	il_executor_room(own->ex);
	if (own->elsewhere)
		own_call_elsewhere(own, call);
	else
		il_call_run(call);
}

static void *own_thread(void *self)
{
	struct own *own = self;

	pthread_mutex_lock(&own->lock);
	for (;;) {
		while (!own->first && !own->ends)
			pthread_cond_wait(&own->news, &own->lock);
		if (!own->first)
			break;
		own->running = own->first;
		own->first = *il_call_link(own->running);
		own->queued--;
		own->killed = false;
		pthread_mutex_unlock(&own->lock);
		own_call(own, own->running);
		pthread_mutex_lock(&own->lock);
		own->running = NULL;
		own->finished++;
		pthread_cond_broadcast(&own->news);
	}
	pthread_mutex_unlock(&own->lock);
	return NULL;
}

/* ---- what the library calls ---- */

static int own_submit(void *self, il_call *call)
{
	struct own *own = self;
	void **at = &own->first;
	int rc;

	pthread_mutex_lock(&own->lock);
	rc = own->shut ? -ESHUTDOWN : own->queued == BOUND ? -EAGAIN : 0;
	if (rc == 0) {
		while (*at)
			at = il_call_link(*at);
		*at = call;
		*il_call_link(call) = NULL;
		own->queued++;
		own->taken++;
		pthread_cond_broadcast(&own->news);
	}
	pthread_mutex_unlock(&own->lock);
	return rc;
}

static bool own_withdraw(void *self, il_call *call)
{
	struct own *own = self;
	void **at = &own->first;
	bool found;

	pthread_mutex_lock(&own->lock);
	while (*at && *at != call)
		at = il_call_link(*at);
	found = *at != NULL;
	if (found) {
		*at = *il_call_link(call);
		own->queued--;
		own->finished++;
		pthread_cond_broadcast(&own->news);
	}
	pthread_mutex_unlock(&own->lock);
	if (found)
		il_executor_room(own->ex);
	return found;
}

static void own_kill(void *self, il_call *call)
{
	struct own *own = self;

	pthread_mutex_lock(&own->lock);
	own->killed |= own->running == call;
	pthread_mutex_unlock(&own->lock);
}

static int own_shutdown(void *self, unsigned flags)
{
	struct own *own = self;

	pthread_mutex_lock(&own->lock);
	own->shut = true;
	while (!(flags & IL_NOWAIT) && (own->queued || own->running))
		pthread_cond_wait(&own->news, &own->lock);
	pthread_mutex_unlock(&own->lock);
	return 0;
}

static void own_destroy(void *self)
{
	struct own *own = self;

	pthread_mutex_lock(&own->lock);
	own->gone = true;
	pthread_cond_broadcast(&own->news);
	pthread_mutex_unlock(&own->lock);
}

/* ---- its life ---- */

static bool own_begin(struct own *own)
{
	const il_executor_ops ops = {.name = "own",
				     .submit = own_submit,
				     .shutdown = own_shutdown,
				     .destroy = own_destroy,
				     .withdraw = own->elsewhere ? own_withdraw : NULL,
				     .kill = own->elsewhere ? own_kill : NULL,
				     .copies = !own->elsewhere};

	if (TRY(il_executor_create(&own->ex, &ops, own)) < 0)
		return false;
	pthread_mutex_init(&own->lock, NULL);
	pthread_cond_init(&own->news, NULL);
	if (pthread_create(&own->thread, NULL, own_thread, own) != 0)
		work_odd("the program itself got no thread");
	return true;
}

/* A thread of the library's may still be leaving it. */
static void own_end(struct own *own)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += 8;
	il_executor_unref(own->ex);
	pthread_mutex_lock(&own->lock);
	while (!own->gone && pthread_cond_timedwait(&own->news, &own->lock, &until) == 0)
		;
	if (!own->gone)
		work_odd("an executor of one's own was not destroyed");
	own->ends = true;
	pthread_cond_broadcast(&own->news);
	pthread_mutex_unlock(&own->lock);
	pthread_join(own->thread, NULL);
	if (own->taken != own->finished)
		work_odd("%d calls were taken, and %d finished", own->taken, own->finished);
	pthread_cond_destroy(&own->news);
	pthread_mutex_destroy(&own->lock);
}

/* ---- using it ---- */

static void own_cancel(struct own *own)
{
	il_future *f[2] = {NULL, NULL};

	for (int i = 0; i < 2; i++)
		if (TRY(il_executor_submit(own->ex, &f[i], slow, NULL, 0)) < 0)
			f[i] = NULL;
	for (int i = 1; i >= 0; i--) {
		if (!f[i])
			continue;
		il_future_cancel(f[i]);
		RESULT(il_future_result(f[i], WORK_PATIENCE), 3);
		if (!il_future_done(f[i]))
			work_odd("a cancelled call's future is never done");
		il_future_unref(f[i]);
	}
}

static void own_bytes(struct own *own)
{
	il_bytes bytes = {.in = "ping", .in_size = 5};
	int rc = TRY(il_executor_run(own->ex, reply, &bytes, IL_BYTES));

	if (rc >= 0 && (rc != 3 || bytes.out_size != 5 || memcmp(bytes.out, "pong", 5) != 0))
		work_odd("%d, and %zu bytes came back", rc, bytes.out_size);
	il_bytes_free(&bytes);
}

/* In a task it finds the queue full, as a rule, and waits for room. */
static int own_run(void *self)
{
	struct own *own = self;
	int value = 5, rc = TRY(il_executor_run(own->ex, work_three, &value, sizeof value));

	if (rc >= 0 && (rc != 3 || value != 6))
		work_odd("a call returned %d, and its argument is %d", rc, value);
	return rc;
}

static int own_run_slow(void *self)
{
	struct own *own = self;

	RESULT(il_executor_run(own->ex, slow, NULL, 0), 3);
	return 0;
}

static void own_map(struct own *own)
{
	int items[ITEMS] = {0}, results[ITEMS] = {0};

	if (TRY(il_executor_map(own->ex, work_three, items, ITEMS, sizeof items[0], results,
				WORK_PATIENCE)) < 0)
		return;
	for (int i = 0; i < ITEMS; i++)
		if (items[i] != 1 || results[i] != 3)
			work_odd("item %d of a map is %d, and its result %d", i, items[i],
				 results[i]);
}

static void own_use(struct own *own)
{
	work_calls(own->ex);
	own_bytes(own);
	own_map(own);
	own_cancel(own);
}

static void own_use_in_task(struct own *own)
{
	il_fn *const crowd[CROWD] = {own_run, own_run, own_run, own_run,
				     own_run, own_run, own_run, own_run};

	work_together(crowd, CROWD, own);
	TRY(il_move_on_after(IL_MSEC(1), own_run_slow, own));
}

/* What was taken has run when it returns. */
static void own_shut_down(struct own *own)
{
	for (int i = 0; i < 2; i++)
		if (TRY(il_executor_submit(own->ex, NULL, slow_once, NULL, 0)) == 0)
			run_report->accepted++;
	MUST(il_executor_shutdown(own->ex, 0));
	if (run_report->called != run_report->accepted)
		work_odd("a shutdown has returned with calls that have not run");
}

static void own_with(bool elsewhere, bool in_task)
{
	struct own own = {.elsewhere = elsewhere};

	if (!own_begin(&own))
		return;
	own_use(&own);
	if (in_task)
		own_use_in_task(&own);
	own_shut_down(&own);
	own_end(&own);
}

static int executor_main(void *arg)
{
	(void)arg;
	own_with(false, true);
	own_with(true, true);
	return 0;
}

void work_executor(void)
{
	work_in_loop(executor_main);
	own_with(false, false);
	own_with(true, false);
}
