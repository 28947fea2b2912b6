/*
 * work_threads.c: worker threads, thread pools and their futures; portals from outside of the loop.
 */
#include "work.h"

#include <pthread.h>
#include <unistd.h>

/* ---- pools ---- */

static int four(void *arg)
{
	(void)arg;
	return 4;
}

static int back_into_loop(void *arg)
{
	(void)arg;
	TRY(il_from_thread_run(work_nap, NULL));
	RESULT(il_from_thread_run_sync(four, NULL), 4);
	TRY(il_from_thread_check_cancelled());
	return 0;
}

static int count_done(il_future *f, void *count)
{
	(void)f;
	atomic_fetch_add((atomic_int *)count, 1);
	return 0;
}

static void collect_all(il_future **futures, int n)
{
	il_as_completed *it;
	il_future *next;
	int seen = 0, rc;

	if (TRY(il_as_completed_open(&it, futures, (size_t)n, WORK_PATIENCE)) < 0)
		return;
	while ((rc = TRY(il_as_completed_next(it, &next))) == 1)
		seen++;
	if (rc == -ETIMEDOUT || (rc == 0 && seen != n))
		work_odd("%d of %d futures were completed", seen, n);
	il_as_completed_close(it);
}

static void futures_end(il_future **futures, int n)
{
	for (int i = 0; i < n; i++) {
		int rc = TRY(il_future_result(futures[i], WORK_PATIENCE));
		if (rc == -ETIMEDOUT && !il_future_done(futures[i]))
			work_odd("a future is never done");
		if (rc >= 0 && rc != 3)
			work_odd("a future's result is %d", rc);
		il_future_unref(futures[i]);
	}
}

static void submit_four(il_executor *ex)
{
	il_future *futures[4];
	int values[4] = {0}, n = 0;
	atomic_int done = 0;
	bool watched;

	for (int i = 0; i < 4; i++)
		if (TRY(il_executor_submit(ex, &futures[n], work_three, &values[i], sizeof(int))) ==
		    0)
			n++;
	watched = n > 0 && TRY(il_future_on_done(futures[0], count_done, &done)) == 0;
	if (n > 0)
		collect_all(futures, n);
	futures_end(futures, n);
	for (int i = 0; watched && i < 5000 && done == 0; i++)
		usleep(1000); /* the callback may follow the wake-up */
	if (watched && done != 1)
		work_odd("a future's callback ran %d times", done);
}

void work_calls(il_executor *ex)
{
	int items[3] = {1, 2, 3}, results[3], value = 5;

	submit_four(ex);
	if (TRY(il_executor_submit(ex, NULL, work_once, NULL, 0)) == 0)
		run_report->accepted++;
	TRY(il_executor_map(ex, work_three, items, 3, sizeof items[0], results, WORK_PATIENCE));
	if (TRY(il_executor_run(ex, work_three, &value, sizeof value)) == 3 && value != 6)
		work_odd("an argument did not come back");
}

static void pool_with(const il_thread_pool_options *options, il_fn *more)
{
	il_executor *ex;

	if (TRY(il_thread_pool_create(&ex, options)) < 0)
		return;
	work_calls(ex);
	if (more)
		TRY(il_executor_run(ex, more, NULL, 0));
	MUST(il_executor_shutdown(ex, 0));
	il_executor_unref(ex);
}

static int threads_main(void *arg)
{
	bool abandoned = false;
	const il_run_in_thread_options options = {
	    .name = "worker", .abandon_on_cancel = true, .abandoned = &abandoned};

	(void)arg;
	RESULT(il_run_in_thread(work_three, NULL), 3);
	TRY(il_run_in_thread(back_into_loop, NULL));
	TRY(il_run_in_thread_with(work_three, NULL, &options));
	pool_with(&(il_thread_pool_options){.max_workers = 2}, back_into_loop);
	pool_with(&(il_thread_pool_options){.max_workers = 1, .copy_args = true}, NULL);
	return 0;
}

void work_threads(void)
{
	work_in_loop(threads_main);
	pool_with(NULL, NULL);
}

/* ---- portals ---- */

static int hold(void *arg)
{
	(void)arg;
	return TRY(il_portal_hold(5));
}

static void use_portal(il_portal *p)
{
	il_portal_context *context;
	il_future *f = NULL;
	int value = 0;

	TRY(il_portal_run_coroutine(p, work_nap, NULL));
	RESULT(il_portal_run_sync(p, four, NULL), 4);
	if (TRY(il_portal_run_coroutine_soon(p, &f, work_nap, NULL)) == 0) {
		if (TRY(il_future_wait(f, WORK_PATIENCE)) == -ETIMEDOUT)
			work_odd("a portal's future is never done");
		il_future_unref(f);
	}
	if (TRY(il_portal_run_sync_soon(p, NULL, work_once, NULL)) == 0)
		run_report->accepted++;
	if (TRY(il_portal_run_coroutine_soon(p, NULL, work_once, NULL)) == 0)
		run_report->accepted++;
	f = NULL;
	if (TRY(il_portal_start_task(p, &f, &value, work_started, NULL)) == 0) {
		if (value != 7)
			work_odd("a portal's task told %d", value);
		TRY(il_future_result(f, WORK_PATIENCE));
		il_future_unref(f);
	}
	if (TRY(il_portal_enter(p, &context, hold, NULL)) >= 0)
		TRY(il_portal_exit(context, 0));
}

static void *portal_thread(void *portal)
{
	use_portal(portal);
	MUST(il_portal_stop(portal, false));
	il_portal_unref(portal);
	return NULL;
}

static int portal_main(void *arg)
{
	il_portal *p;
	pthread_t thread;
	bool started;

	(void)arg;
	if (TRY(il_loop_create_threads_portal(il_loop_current(), &p)) < 0)
		return 0;
	started = pthread_create(&thread, NULL, portal_thread, il_portal_ref(p)) == 0;
	if (!started)
		il_portal_unref(p);
	if (!started || TRY(il_portal_sleep_until_stopped(p)) < 0)
		TRY(il_portal_stop(p, true));
	MUST(il_portal_close(p));
	if (started)
		pthread_join(thread, NULL);
	return 0;
}

void work_portal(void)
{
	work_in_loop(portal_main);
}

static int blocking_main(void *arg)
{
	il_portal *p;

	(void)arg;
	if (TRY(il_blocking_portal_start(&p, work_backend(), NULL)) < 0)
		return 0;
	use_portal(p);
	MUST(il_blocking_portal_stop(p));
	return 0;
}

void work_blocking_portal(void)
{
	il_portal_provider *provider;
	il_portal *p;

	blocking_main(NULL);
	if (TRY(il_portal_provider_create(&provider, work_backend(), NULL)) == 0) {
		if (TRY(il_portal_provider_acquire(provider, &p)) == 0) {
			RESULT(il_portal_run_sync(p, four, NULL), 4);
			MUST(il_portal_provider_release(provider));
		}
		il_portal_provider_destroy(provider);
	}
	work_in_loop(blocking_main);
}
