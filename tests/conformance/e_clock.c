/*
 * e_clock.c: what a virtual clock waits for: the threads that owe a result to a task of the loop, and no
 * others. On a real loop the same calls must only end.
 */
#include "workers.h"

#include <interloop/virtual.h>

#include <time.h>

static const il_time NAP = IL_MSEC(3);

static void really_sleep(void)
{
	nanosleep(&(struct timespec){0, (long)NAP}, NULL);
}

/* the loop's thread */
static bool napping;
static bool abandoning; /* who naps: a real loop may be slow to do it */

static int nap(void *arg)
{
	(void)arg;
	napping = true;
	return il_sleep(abandoning && !il_test_virtual() ? 100 * NAP : NAP);
}

static int nap_in_loop(void *arg)
{
	return il_from_thread_run(nap, arg);
}

static int nap_through_portal(void *arg)
{
	return il_portal_run_coroutine(arg, nap, NULL);
}

static int work(void *arg)
{
	(void)arg;
	really_sleep();
	return 7;
}

/* A worker is busy, and the clock stands, though somebody sleeps. */
static void check_the_clock_stands(void)
{
	il_time start = il_now();

	CHECK_RC(il_run_in_thread(work, NULL), 7);
	if (il_test_virtual())
		CHECK_EQ(il_now() - start, 0);
}

/* ---- calls that were abandoned ---- */

static void keep(void *arg)
{
	(void)arg;
}

static int cancel_the_napping(void *arg)
{
	UNTIL(napping);
	CHECK_RC(il_sleep(NAP / 3), 0);
	return il_scope_cancel(arg);
}

/* Leaves a call whose function naps in the loop. */
static void abandon(il_fn *fn, void *arg)
{
	bool abandoned = false;
	const il_run_in_thread_options options = {
	    .abandon_on_cancel = true, .release = keep, .abandoned = &abandoned};
	il_scope s = IL_SCOPE_INIT;
	il_group g;

	napping = false;
	abandoning = true;
	CHECK_RC(il_group_open(&g), 0);
	CHECK_RC(il_group_start_soon(&g, NULL, cancel_the_napping, &s), 0);
	CHECK_RC(il_scope_enter(&s, IL_FOREVER, 0), 0);
	CHECK_RC(il_scope_exit(&s, il_run_in_thread_with(fn, arg, &options)), 0);
	CHECK(abandoned && il_scope_caught(&s));
	CHECK_RC(il_group_close(&g, 0), 0);
	abandoning = false;
}

static void check_abandoned(il_fn *fn, void *arg)
{
	il_time start;

	abandon(fn, arg);
	check_the_clock_stands();
	CHECK_RC(il_sleep(NAP / 10), 0);
	check_the_clock_stands();
	CHECK_RC(il_threads_wait(), 0);
	start = il_now();
	check_the_clock_stands();
	CHECK_RC(il_sleep(NAP), 0);
	CHECK(il_now() - start >= NAP);
}

IL_TEST(E, an_abandoned_call_that_waits_for_a_task_lets_no_clock_run)
{
	il_portal *p = NULL;

	check_abandoned(nap_in_loop, NULL);
	CHECK_RC(il_loop_create_threads_portal(il_loop_current(), &p), 0);
	check_abandoned(nap_through_portal, p);
	CHECK_RC(il_portal_close(p), 0);
}

static int nap_and_work(void *arg)
{
	int rc = nap_in_loop(NULL);

	really_sleep();
	atomic_store((atomic_bool *)arg, true);
	return rc;
}

static int sleep_long(void *arg)
{
	(void)arg;
	return il_sleep(100 * NAP);
}

/* Who waits for abandoned calls waits for them as for others. */
IL_TEST(E, the_clock_stands_for_abandoned_calls_that_somebody_waits_for)
{
	il_time start = il_now();
	atomic_bool ended = false;
	il_group g;

	abandon(nap_and_work, &ended);
	CHECK_RC(il_group_open(&g), 0);
	CHECK_RC(il_group_start_soon(&g, NULL, sleep_long, NULL), 0);
	CHECK_RC(il_threads_wait(), 0);
	CHECK(atomic_load(&ended));
	if (il_test_virtual())
		CHECK_EQ(il_now() - start, NAP);
	il_scope_cancel(il_group_scope(&g));
	CHECK_RC(il_group_close(&g, 0), 0);
}

/* ---- a thread that owes nothing ---- */

struct visitor {
	il_portal *portal;
	bool begun;
};

static int nap_visibly(void *arg)
{
	((struct visitor *)arg)->begun = true;
	return nap(NULL);
}

static int visit(void *arg)
{
	return il_portal_run_coroutine(((struct visitor *)arg)->portal, nap_visibly, arg);
}

IL_TEST(E, a_plain_thread_that_waits_for_a_task_lets_no_clock_run)
{
	struct visitor v = {.begun = false};
	struct il_test_thread thread;

	CHECK_RC(il_loop_create_threads_portal(il_loop_current(), &v.portal), 0);
	il_test_thread_start(&thread, visit, &v);
	UNTIL_THREAD(v.begun);
	check_the_clock_stands();
	UNTIL(atomic_load(&thread.ended));
	CHECK_RC(il_test_thread_join(&thread), 0);
	CHECK_RC(il_portal_close(v.portal), 0);
}

/* ---- calls behind a busy worker ---- */

struct queue {
	il_executor *ex;
	atomic_bool begun;
};

static int nap_when_others_wait(void *arg)
{
	struct queue *q = arg;

	atomic_store(&q->begun, true);
	really_sleep();
	return nap_in_loop(NULL);
}

static int occupy_worker(void *arg)
{
	struct queue *q = arg;

	return il_executor_run(q->ex, nap_when_others_wait, q, 0);
}

static int await_future(void *arg)
{
	il_future *f = submitted(((struct queue *)arg)->ex, work, NULL);

	CHECK_RC(finished(f), 7);
	return 0;
}

static int await_futures(void *arg)
{
	struct queue *q = arg;
	il_future *fs[] = {submitted(q->ex, work, NULL), submitted(q->ex, work, NULL)};

	CHECK_RC(il_futures_wait(fs, 2, IL_ALL_COMPLETED, IL_FOREVER), 2);
	il_future_unref(fs[0]);
	il_future_unref(fs[1]);
	return 0;
}

static int map_two(void *arg)
{
	int items[2] = {0}, results[2];

	CHECK_RC(il_executor_map(((struct queue *)arg)->ex, work, items, 2, sizeof *items, results,
				 IL_FOREVER),
		 0);
	return 0;
}

static void check_behind(il_fn *fn)
{
	struct queue q = {.ex = new_pool(1)};
	il_time start = il_now();
	il_group g;

	CHECK_RC(il_group_open(&g), 0);
	CHECK_RC(il_group_start_soon(&g, NULL, occupy_worker, &q), 0);
	UNTIL_THREAD(atomic_load(&q.begun));
	CHECK_RC(il_group_start_soon(&g, NULL, fn, &q), 0);
	CHECK_RC(il_group_close(&g, 0), 0);
	if (il_test_virtual())
		CHECK_EQ(il_now() - start, NAP); /* it stood while the calls ran */
	il_executor_destroy(q.ex);
}

IL_TEST(E, what_is_waited_for_behind_a_busy_worker_does_not_hold_its_clock)
{
	check_behind(await_future);
	check_behind(await_futures);
	check_behind(map_two);
}

/* ---- the calls of one map ---- */

struct item {
	bool works;
	il_time *ended;
};

static int note_now(void *arg)
{
	*(il_time *)arg = il_now();
	return 0;
}

static int work_or_nap(void *arg)
{
	struct item *item = arg;

	if (!item->works)
		return nap_in_loop(NULL);
	really_sleep();
	return il_from_thread_run_sync(note_now, item->ended);
}

IL_TEST(E, each_worker_of_a_map_holds_the_clock_until_it_ends)
{
	il_executor *ex = new_pool(3);
	il_time start = il_now(), ended = -1;
	struct item items[] = {{true, &ended}, {false, NULL}, {false, NULL}, {false, NULL}};

	CHECK_RC(il_executor_map(ex, work_or_nap, items, 4, sizeof *items, NULL, IL_FOREVER), 0);
	CHECK(il_now() - start >= NAP);
	if (il_test_virtual()) {
		CHECK_EQ(ended, start);
		CHECK(il_now() - start <= 2 * NAP);
	}
	il_executor_destroy(ex);
}

/* ---- calls that nobody of the loop waits for ---- */

static int nap_by_portal_future(void *arg)
{
	il_future *f = NULL;
	int rc = il_portal_run_coroutine_soon(arg, &f, nap, NULL);

	return rc < 0 ? rc : il_future_join(f);
}

static int sleep_for_a_while(void *arg)
{
	(void)arg;
	return il_sleep(NAP / 3);
}

/* Once a function naps in the loop, and a task sleeps: another call's worker is waited for all the same. */
static void check_nothing_is_lent(void)
{
	il_group g;

	UNTIL_THREAD(napping);
	CHECK_RC(il_group_open(&g), 0);
	CHECK_RC(il_group_start_soon(&g, NULL, sleep_for_a_while, NULL), 0);
	check_the_clock_stands();
	CHECK_RC(il_group_close(&g, 0), 0);
}

static void check_future_lends_nothing(il_executor *ex, il_fn *fn, void *arg)
{
	il_future *f;

	napping = false;
	f = submitted(ex, fn, arg);
	check_nothing_is_lent();
	CHECK_RC(finished(f), 0);
}

IL_TEST(E, a_future_that_nobody_waits_for_lends_no_time)
{
	il_executor *ex = new_pool(2);
	il_portal *p = NULL;

	CHECK_RC(il_loop_create_threads_portal(il_loop_current(), &p), 0);
	check_future_lends_nothing(ex, nap_through_portal, p);
	check_future_lends_nothing(ex, nap_by_portal_future, p);
	CHECK_RC(il_portal_close(p), 0);
	il_executor_destroy(ex);
}

struct runner {
	il_executor *ex;
	il_portal *portal;
};

static int run_from_outside(void *arg)
{
	struct runner *r = arg;

	return il_executor_run(r->ex, nap_through_portal, r->portal, 0);
}

IL_TEST(E, a_call_that_a_plain_thread_waits_for_lends_no_time)
{
	struct runner r = {.ex = new_pool(2)};
	struct il_test_thread thread;

	CHECK_RC(il_loop_create_threads_portal(il_loop_current(), &r.portal), 0);
	napping = false;
	il_test_thread_start(&thread, run_from_outside, &r);
	check_nothing_is_lent();
	UNTIL(atomic_load(&thread.ended));
	CHECK_RC(il_test_thread_join(&thread), 0);
	CHECK_RC(il_portal_close(r.portal), 0);
	il_executor_destroy(r.ex);
}

/* ---- calls that more than one task waits for, tasks that wait for more than one ---- */

static int await(void *arg)
{
	return il_future_result(arg, IL_FOREVER);
}

IL_TEST(E, a_future_owes_once_however_many_tasks_wait_for_it)
{
	il_executor *ex = new_pool(2);
	il_time start = il_now();
	il_portal *p = NULL;
	il_future *f;
	il_group g;

	CHECK_RC(il_loop_create_threads_portal(il_loop_current(), &p), 0);
	f = submitted(ex, nap_through_portal, p);
	CHECK_RC(il_group_open(&g), 0);
	CHECK_RC(il_group_start_soon(&g, NULL, await, f), 0);
	CHECK_RC(il_group_start_soon(&g, NULL, await, f), 0);
	CHECK_RC(il_group_close(&g, 0), 0);
	if (il_test_virtual())
		CHECK_EQ(il_now() - start, NAP);
	il_future_unref(f);
	CHECK_RC(il_portal_close(p), 0);
	il_executor_destroy(ex);
}

static int work_then_nap(void *arg)
{
	really_sleep();
	return nap_through_portal(arg);
}

/* The clock stands while any of them works, and goes on while the others nap. */
static void check_set(int (*wait)(il_future **fs, size_t count))
{
	il_executor *ex = new_pool(2);
	il_time start = il_now();
	il_portal *p = NULL;
	il_future *fs[3];

	CHECK_RC(il_loop_create_threads_portal(il_loop_current(), &p), 0);
	fs[0] = submitted(ex, work, NULL);
	fs[1] = submitted(ex, work_then_nap, p);
	fs[2] = submitted(ex, work, NULL);
	CHECK_RC(wait(fs, 3), 3);
	if (il_test_virtual())
		CHECK_EQ(il_now() - start, NAP);
	for (int i = 0; i < 3; i++)
		il_future_unref(fs[i]);
	CHECK_RC(il_portal_close(p), 0);
	il_executor_destroy(ex);
}

static int wait_for_all(il_future **fs, size_t count)
{
	return il_futures_wait(fs, count, IL_ALL_COMPLETED, IL_FOREVER);
}

static int take_one_by_one(il_future **fs, size_t count)
{
	il_as_completed *it = NULL;
	il_future *f = NULL;
	int taken = 0;

	CHECK_RC(il_as_completed_open(&it, fs, count, IL_FOREVER), 0);
	while (il_as_completed_next(it, &f) > 0)
		taken++;
	il_as_completed_close(it);
	return taken;
}

IL_TEST(E, each_future_of_a_set_owes_until_it_is_done)
{
	check_set(wait_for_all);
	check_set(take_one_by_one);
}

/* ---- what is due already ---- */

static void count_due(void *arg)
{
	(*(int *)arg)++;
}

/* It takes no time: so it does not wait for the worker, in whose time the clock stands. */
IL_TEST(E, what_is_due_now_is_called_while_a_worker_runs)
{
	struct gate gate = {.open = false};
	il_executor *ex = new_pool(1);
	il_future *call = occupy(ex, &gate);
	il_time start = il_now();
	il_scope late = IL_SCOPE_INIT;
	il_event *event = NULL;
	il_timer *timer = NULL;
	int due = 0;
	il_group g;

	CHECK_RC(il_group_open(&g), 0);
	CHECK_RC(il_group_start_soon(&g, NULL, await, call), 0);
	CHECK_RC(il_yield(), 0);
	CHECK_RC(il_timer_open(&timer, count_due, &due), 0);
	CHECK_RC(il_timer_set(timer, il_now()), 0);
	UNTIL_THREAD(due == 1);
	CHECK_RC(il_timer_set(timer, il_now() - 5), 0);
	UNTIL_THREAD(due == 2);
	CHECK_RC(il_timer_set(timer, 0), 0);
	UNTIL_THREAD(due == 3);
	il_timer_close(timer);
	CHECK_RC(il_event_create(&event), 0);
	CHECK_RC(il_scope_enter(&late, il_now() - 1, 0), 0);
	CHECK_RC(il_scope_exit(&late, il_event_wait(event)), 0);
	CHECK(il_scope_expired(&late));
	il_event_destroy(event);
	if (il_test_virtual())
		CHECK_EQ(il_now() - start, 0);
	CHECK(!il_future_done(call));
	atomic_store(&gate.open, true);
	CHECK_RC(il_group_close(&g, 0), 0);
	CHECK_RC(finished(call), 0);
	il_executor_destroy(ex);
}

/* ---- what a worker has started, and does not wait for ---- */

/* In the worker: the loop's time since `start`, after it has worked. */
static il_time time_after_work(il_time start)
{
	il_time now = -1;

	really_sleep();
	CHECK_RC(il_from_thread_run_sync(note_now, &now), 0);
	return now - start;
}

static void check_no_time_passes(il_time start, il_time passed)
{
	il_time now = time_after_work(start);

	if (il_test_virtual())
		CHECK_EQ(now, passed);
}

struct visit_by_worker {
	il_portal *portal;
	il_time start;
	int (*wait)(il_future **fs, size_t count);
};

static int nap_after_word(void *arg)
{
	CHECK_RC(il_task_started(5), 0);
	return nap(arg);
}

static int nap_before_word(void *arg)
{
	CHECK_RC(nap(arg), 0);
	CHECK_RC(il_task_started(6), 0);
	return il_sleep(100 * NAP);
}

static int nap_around_hold(void *arg)
{
	CHECK_RC(nap(arg), 0);
	CHECK_RC(il_portal_hold(7), 3);
	return nap(arg);
}

static il_future *posted(il_portal *p, il_fn *fn, void *arg)
{
	il_future *f = NULL;

	CHECK_RC(il_portal_run_coroutine_soon(p, &f, fn, arg), 0);
	return f;
}

static int start_and_work(void *arg)
{
	struct visit_by_worker *v = arg;
	il_future *f = posted(v->portal, nap, NULL);

	check_no_time_passes(v->start, 0);
	CHECK_RC(il_future_join(f), 0);
	check_no_time_passes(v->start, NAP);
	il_future_unref(posted(v->portal, nap, NULL));
	check_no_time_passes(v->start, NAP);
	CHECK_RC(il_portal_start_task(v->portal, NULL, NULL, nap_after_word, NULL), 0);
	check_no_time_passes(v->start, NAP);
	CHECK_RC(il_portal_start_task(v->portal, &f, NULL, nap_before_word, NULL), 0);
	check_no_time_passes(v->start, 2 * NAP);
	CHECK(il_future_cancel(f));
	CHECK_RC(il_future_join(f), -ECANCELED);
	check_no_time_passes(v->start, 2 * NAP);
	return 0;
}

static int enter_and_work(void *arg)
{
	struct visit_by_worker *v = arg;
	il_portal_context *c = NULL;

	CHECK_RC(il_portal_enter(v->portal, &c, nap_around_hold, NULL), 7);
	check_no_time_passes(v->start, NAP);
	CHECK_RC(il_portal_exit(c, 3), 0);
	check_no_time_passes(v->start, 2 * NAP);
	return 0;
}

static int sleep_on_and_on(void *arg)
{
	int rc = 0;

	(void)arg;
	while (rc == 0)
		rc = il_sleep(NAP / 3);
	return rc;
}

/* While others sleep, whom a clock that went on would wake. */
static void check_worker(il_fn *fn, int (*wait)(il_future **fs, size_t count))
{
	struct visit_by_worker v = {.wait = wait};
	il_group g;

	CHECK_RC(il_loop_create_threads_portal(il_loop_current(), &v.portal), 0);
	CHECK_RC(il_group_open(&g), 0);
	CHECK_RC(il_group_start_soon(&g, NULL, sleep_on_and_on, NULL), 0);
	v.start = il_now();
	CHECK_RC(il_run_in_thread(fn, &v), 0);
	il_scope_cancel(il_group_scope(&g));
	CHECK_RC(il_group_close(&g, 0), 0);
	CHECK_RC(il_portal_close(v.portal), 0);
}

IL_TEST(E, the_clock_stands_while_a_worker_works_that_has_started_a_task)
{
	check_worker(start_and_work, NULL);
	check_worker(enter_and_work, NULL);
}

/* ---- how a worker waits for a task ---- */

static int nap_long(void *arg)
{
	(void)arg;
	return il_sleep(3 * NAP);
}

static int wait_for_first(il_future **fs, size_t count)
{
	return il_futures_wait(fs, count, IL_FIRST_COMPLETED, IL_FOREVER);
}

static int wait_for_one(il_future **fs, size_t count)
{
	(void)count;
	CHECK_RC(il_future_wait(fs[0], IL_FOREVER), 0);
	return 1;
}

static int take_first(il_future **fs, size_t count)
{
	il_as_completed *it = NULL;
	il_future *f = NULL;

	CHECK_RC(il_as_completed_open(&it, fs, count, IL_FOREVER), 0);
	CHECK_RC(il_as_completed_next(it, &f), 1);
	CHECK(f == fs[0]);
	il_as_completed_close(it);
	return 1;
}

static int select_either(void *arg)
{
	il_future **fs = arg;
	il_case cases[] = {il_case_future(fs[0]), il_case_future(fs[1])};

	return il_select(cases, 2, IL_FOREVER);
}

static int select_first(il_future **fs, size_t count)
{
	(void)count;
	CHECK_RC(il_run(il_virtual(), select_either, fs), 0);
	return 1;
}

/* No longer than it waits, though what else it would wait for still sleeps. */
static int wait_and_work(void *arg)
{
	struct visit_by_worker *v = arg;
	il_future *fs[] = {posted(v->portal, nap, NULL), posted(v->portal, nap_long, NULL)};
	int waited = v->wait(fs, 2);

	check_no_time_passes(v->start, waited == 1 ? NAP : 3 * NAP);
	for (int i = 0; i < 2; i++)
		CHECK_RC(il_future_join(fs[i]), 0);
	check_no_time_passes(v->start, 3 * NAP);
	return 0;
}

/* Of a task and a call of another worker, which works. */
static int wait_for_both(void *arg)
{
	struct visit_by_worker *v = arg;
	il_executor *ex = new_pool(1);
	il_future *fs[] = {posted(v->portal, nap, NULL), submitted(ex, work, NULL)};

	CHECK_RC(wait_for_all(fs, 2), 2);
	check_no_time_passes(v->start, NAP);
	for (int i = 0; i < 2; i++)
		il_future_unref(fs[i]);
	il_executor_destroy(ex);
	return 0;
}

static int open_when_done(il_future *f, void *arg)
{
	(void)f;
	atomic_store(&((struct gate *)arg)->open, true);
	return 0;
}

/* The call is the last to end, when no task is waited for any more. */
static int wait_for_tasks_before_call(void *arg)
{
	struct visit_by_worker *v = arg;
	struct gate gate = {.open = false};
	il_executor *ex = new_pool(1);
	il_future *fs[] = {posted(v->portal, nap, NULL), posted(v->portal, nap_long, NULL),
			   occupy(ex, &gate)};

	CHECK_RC(il_future_on_done(fs[1], open_when_done, &gate), 0);
	CHECK_RC(wait_for_all(fs, 3), 3);
	check_no_time_passes(v->start, 3 * NAP);
	for (int i = 0; i < 3; i++)
		il_future_unref(fs[i]);
	il_executor_destroy(ex);
	return 0;
}

static int wait_in_vain(void *arg)
{
	struct visit_by_worker *v = arg;
	il_future *f = posted(v->portal, sleep_on_and_on, NULL);
	il_time now = -1;

	CHECK_RC(il_future_wait(f, IL_MSEC(1)), -ETIMEDOUT);
	CHECK_RC(il_futures_wait(&f, 1, IL_ALL_COMPLETED, IL_MSEC(1)), 0);
	CHECK_RC(il_from_thread_run_sync(note_now, &now), 0);
	check_no_time_passes(now, 0);
	CHECK(il_future_cancel(f));
	CHECK_RC(il_future_join(f), -ECANCELED);
	return 0;
}

IL_TEST(E, a_worker_lends_its_time_for_exactly_as_long_as_it_waits)
{
	check_worker(wait_and_work, wait_for_one);
	check_worker(wait_and_work, wait_for_first);
	check_worker(wait_and_work, wait_for_all);
	check_worker(wait_and_work, take_first);
	check_worker(wait_and_work, take_one_by_one);
	check_worker(wait_and_work, select_first);
	check_worker(wait_for_both, NULL);
	check_worker(wait_for_tasks_before_call, NULL);
	check_worker(wait_in_vain, NULL);
}

static int await_in_thread(void *f)
{
	return il_run_in_thread(await, f);
}

/* A task of a group: whoever has started it. */
IL_TEST(E, the_clock_goes_on_while_workers_wait_for_one_task)
{
	il_time start = il_now();
	il_future *f = NULL;
	il_group g;

	CHECK_RC(il_group_open(&g), 0);
	CHECK_RC(il_group_start_soon(&g, &f, nap, NULL), 0);
	CHECK_RC(il_group_start_soon(&g, NULL, await_in_thread, f), 0);
	CHECK_RC(il_group_start_soon(&g, NULL, await_in_thread, f), 0);
	CHECK_RC(il_group_close(&g, 0), 0);
	il_future_unref(f);
	if (il_test_virtual())
		CHECK_EQ(il_now() - start, NAP);
}

static int sleep_forever(void *arg)
{
	(void)arg;
	return il_sleep_forever();
}

static int give_up_and_end(void *arg)
{
	il_portal *p = NULL;
	il_future *f;

	(void)arg;
	CHECK_RC(il_blocking_portal_start(&p, il_virtual(), NULL), 0);
	f = posted(p, sleep_forever, NULL);
	CHECK_RC(il_future_wait(f, IL_USEC(100)), -ETIMEDOUT);
	il_portal_stop(p, true);
	il_future_wait(f, IL_USEC(100));
	CHECK_RC(il_blocking_portal_stop(p), 0);
	CHECK_RC(il_future_join(f), -ECANCELED);
	return 0;
}

/* What says that it waits no more may still be under way. */
IL_TEST(E, a_loop_ends_while_a_worker_gives_up_its_wait_for_a_task)
{
	for (int i = 0; i < 20; i++)
		CHECK_RC(il_run_in_thread(give_up_and_end, NULL), 0);
}

/* ---- a worker that waits for a task, and gives up ---- */

static int give_up_one(void *arg)
{
	CHECK_RC(il_future_wait(arg, NAP), -ETIMEDOUT);
	return 0;
}

static int give_up_all(void *arg)
{
	il_future *f = arg;

	CHECK_RC(il_futures_wait(&f, 1, IL_ALL_COMPLETED, NAP), 0);
	return 0;
}

static int give_up_next(void *arg)
{
	il_future *f = arg, *first = NULL;
	il_as_completed *it = NULL;

	CHECK_RC(il_as_completed_open(&it, &f, 1, NAP), 0);
	CHECK_RC(il_as_completed_next(it, &first), -ETIMEDOUT);
	il_as_completed_close(it);
	return 0;
}

/* Until another worker has worked. */
static int take_other(void *arg)
{
	il_executor *ex = new_pool(1);
	il_future *fs[] = {arg, submitted(ex, work, NULL)};

	CHECK_RC(wait_for_first(fs, 2), 1);
	CHECK_RC(finished(fs[1]), 7);
	il_executor_destroy(ex);
	return 0;
}

static int select_other(void *arg)
{
	il_executor *ex = new_pool(1);
	il_future *fs[] = {arg, submitted(ex, work, NULL)};

	CHECK_RC(select_either(fs), 1);
	CHECK_RC(finished(fs[1]), 7);
	il_executor_destroy(ex);
	return 0;
}

static int select_in_loop(void *arg)
{
	return il_run(il_virtual(), select_other, arg);
}

static int visit_for_ever(void *arg)
{
	(void)arg;
	CHECK_RC(il_from_thread_run(sleep_forever, NULL), -ECANCELED);
	return 0;
}

static int visit_for_a_while(void *arg)
{
	il_group g;

	(void)arg;
	CHECK_RC(il_group_open(&g), 0);
	CHECK_RC(il_group_start_soon(&g, NULL, visit_for_ever, NULL), 0);
	CHECK_RC(il_run_in_thread(work, NULL), 7);
	il_scope_cancel(il_group_scope(&g));
	return il_group_close(&g, 0);
}

static int visit_from_loop(void *arg)
{
	return il_run(il_virtual(), visit_for_a_while, arg);
}

/* Every task sleeps forever until then, but the worker goes on by itself. */
IL_TEST(E, a_loop_is_not_asleep_for_ever_while_a_worker_may_give_up_its_wait_for_a_task)
{
	static il_fn *const waits[] = {give_up_one, give_up_all,    give_up_next,
				       take_other,  select_in_loop, visit_from_loop};
	il_future *f = NULL;
	il_group g;

	CHECK_RC(il_group_open(&g), 0);
	CHECK_RC(il_group_start_soon(&g, &f, sleep_forever, NULL), 0);
	for (size_t i = 0; i < sizeof waits / sizeof waits[0]; i++)
		CHECK_RC(il_run_in_thread(waits[i], f), 0);
	CHECK(!il_future_done(f));
	il_scope_cancel(il_group_scope(&g));
	CHECK_RC(il_group_close(&g, 0), 0);
	il_future_unref(f);
}

/* How a task waits for such a worker. */
struct sleepers {
	il_executor *ex;
	il_future *f; /* of the task that sleeps */
	il_fn *wait;
};

static int sleep_in_thread(void *arg)
{
	return il_run_in_thread(await, ((struct sleepers *)arg)->f);
}

static int sleep_in_visit(void *arg)
{
	return il_run_in_thread(visit_for_ever, arg);
}

static int sleep_in_call(void *arg)
{
	const struct sleepers *s = arg;

	return il_executor_run(s->ex, await, s->f, 0);
}

static int sleep_in_futures(void *arg)
{
	const struct sleepers *s = arg;
	il_future *fs[] = {submitted(s->ex, await, s->f), submitted(s->ex, await, s->f)};
	int rc = il_future_wait(fs[0], IL_FOREVER);

	CHECK_RC(il_futures_wait(fs, 2, IL_ALL_COMPLETED, IL_FOREVER), rc);
	il_future_unref(fs[0]);
	CHECK_RC(il_future_join(fs[1]), rc);
	return rc;
}

static int sleep_in_select(void *arg)
{
	const struct sleepers *s = arg;
	il_future *f = submitted(s->ex, await, s->f);
	il_case one = il_case_future(f);
	int rc = il_select(&one, 1, IL_FOREVER);

	CHECK_RC(il_future_join(f), rc);
	return rc;
}

static int await_item(void *arg)
{
	return await(*(il_future **)arg);
}

static int await_below(void *arg)
{
	const struct sleepers *s = arg;

	return il_executor_run(s->ex, await, s->f, 0);
}

static int sleep_below_call(void *arg)
{
	return il_run_in_thread(await_below, arg);
}

static int sleep_in_map(void *arg)
{
	const struct sleepers *s = arg;
	il_future *items[] = {s->f, s->f, s->f};

	return il_executor_map(s->ex, await_item, items, 3, sizeof *items, NULL, IL_FOREVER);
}

static int sleep_with_worker(void *arg)
{
	struct sleepers s = {.ex = new_pool(2), .wait = *(il_fn **)arg};
	il_group g;
	int rc;

	CHECK_RC(il_group_open(&g), 0);
	CHECK_RC(il_group_start_soon(&g, &s.f, sleep_forever, NULL), 0);
	rc = s.wait(&s);
	CHECK_RC(il_group_close(&g, rc), -ECANCELED);
	il_executor_destroy(s.ex); /* no worker waits for it any more */
	il_future_unref(s.f);
	return rc;
}

/* One that waits for nothing else, without end, sleeps with its loop. */
IL_TEST_OWN_VIRTUAL(E, a_worker_that_waits_for_a_task_for_ever_is_asleep_with_its_loop)
{
	static il_fn *const waits[] = {sleep_in_thread,  sleep_in_visit,  sleep_in_call,
				       sleep_in_futures, sleep_in_select, sleep_in_map,
				       sleep_below_call};

	for (size_t i = 0; i < sizeof waits / sizeof waits[0]; i++) {
		il_fn *wait = waits[i];
		CHECK_RC(il_run(il_test_backend(), sleep_with_worker, &wait), -EDEADLK);
		CHECK_DETAIL("main waits in il_");
	}
}

/* ---- a call whose worker waits for another call ---- */

struct inner {
	il_executor *ex;
	il_fn *fn;
	il_portal *portal;
};

static int run_inner(void *arg)
{
	const struct inner *i = arg;

	return il_executor_run(i->ex, i->fn, i->portal, 0);
}

static int call_item(void *arg)
{
	const struct inner *i = *(struct inner **)arg;

	return i->fn(i->portal);
}

static int map_inner(void *arg)
{
	struct inner *i = arg, *items[] = {i};

	return il_executor_map(i->ex, call_item, items, 1, sizeof *items, NULL, IL_FOREVER);
}

static int work_then_nap_by_future(void *arg)
{
	really_sleep();
	return nap_by_portal_future(arg);
}

static int run_inline(void *self, il_call *call)
{
	(void)self;
	il_call_run(call);
	return 0;
}

static il_executor *new_inline(void)
{
	const il_executor_ops ops = {.submit = run_inline};
	il_executor *ex = NULL;

	CHECK_RC(il_executor_create(&ex, &ops, NULL), 0);
	return ex;
}

/* While the inner call works the clock stands for both, and while it naps for none. */
static void check_inner(il_executor *inner, il_fn *outer, il_fn *fn)
{
	struct inner i = {.ex = inner, .fn = fn};
	il_executor *ex = new_pool(1);
	il_time start = il_now();
	il_group g;

	CHECK_RC(il_loop_create_threads_portal(il_loop_current(), &i.portal), 0);
	CHECK_RC(il_group_open(&g), 0);
	CHECK_RC(il_group_start_soon(&g, NULL, sleep_on_and_on, NULL), 0);
	CHECK_RC(il_executor_run(ex, outer, &i, 0), 0);
	if (il_test_virtual())
		CHECK_EQ(il_now() - start, NAP);
	il_scope_cancel(il_group_scope(&g));
	CHECK_RC(il_group_close(&g, 0), 0);
	CHECK_RC(il_portal_close(i.portal), 0);
	il_executor_destroy(ex);
	il_executor_destroy(inner);
}

IL_TEST(E, the_clock_goes_on_while_a_call_waits_for_another_that_waits_for_a_task)
{
	check_inner(new_pool(1), run_inner, work_then_nap);
	check_inner(new_pool(1), run_inner, work_then_nap_by_future);
}

IL_TEST(E, the_clock_goes_on_while_a_call_waits_for_a_task_below_another_in_its_thread)
{
	check_inner(new_inline(), run_inner, work_then_nap);
	check_inner(new_inline(), run_inner, work_then_nap_by_future);
	check_inner(new_inline(), map_inner, work_then_nap);
}

/* ---- the end of an executor ---- */

/* The clock stands while the pool's worker works, and goes on while it naps. */
static void check_end(il_fn *fn, void *arg, il_time naps)
{
	il_executor *ex = new_pool(2);
	il_time start = il_now();
	il_future *f = submitted(ex, fn, arg);
	il_group g;

	CHECK_RC(il_group_open(&g), 0);
	CHECK_RC(il_group_start_soon(&g, NULL, sleep_long, NULL), 0);
	CHECK_RC(il_executor_shutdown(ex, 0), 0);
	CHECK(il_future_done(f));
	if (il_test_virtual())
		CHECK_EQ(il_now() - start, naps);
	il_scope_cancel(il_group_scope(&g));
	CHECK_RC(il_group_close(&g, 0), 0);
	il_future_unref(f);
	il_executor_unref(ex);
}

IL_TEST(E, the_clock_stands_for_the_end_of_a_pool_while_no_worker_waits_for_the_loop)
{
	il_portal *p = NULL;

	CHECK_RC(il_loop_create_threads_portal(il_loop_current(), &p), 0);
	check_end(work, NULL, 0);
	check_end(nap_through_portal, p, NAP);
	check_end(nap_by_portal_future, p, NAP);
	check_end(work_then_nap, p, NAP);
	CHECK_RC(il_portal_close(p), 0);
}

IL_TEST(E, a_pool_ends_with_a_call_that_another_task_waits_for)
{
	struct queue q = {.ex = new_pool(2)};
	il_time start = il_now();
	il_group g;

	CHECK_RC(il_group_open(&g), 0);
	CHECK_RC(il_group_start_soon(&g, NULL, occupy_worker, &q), 0);
	UNTIL_THREAD(atomic_load(&q.begun));
	CHECK_RC(il_executor_shutdown(q.ex, 0), 0);
	if (il_test_virtual())
		CHECK_EQ(il_now() - start, NAP);
	CHECK_RC(il_group_close(&g, 0), 0);
	il_executor_unref(q.ex);
}

/* Executors of the user's own: calls run in a pool of threads, or in tasks. */
struct own {
	il_executor *pool;
	il_portal *portal;
	atomic_int out;
};

static int run_call(void *call)
{
	il_call_run(call);
	return 0;
}

static int submit_to_pool(void *self, il_call *call)
{
	return il_executor_submit(((struct own *)self)->pool, NULL, run_call, call, 0);
}

static int end_pool(void *self, unsigned flags)
{
	return il_executor_shutdown(((struct own *)self)->pool, flags);
}

struct sent {
	struct own *own;
	il_call *call;
};

static int nap_and_answer(void *arg)
{
	struct sent sent = *(struct sent *)arg;
	int rc = il_sleep(NAP);

	free(arg);
	il_call_finish(sent.call, rc, NULL, 0, NULL);
	atomic_fetch_sub(&sent.own->out, 1);
	return 0;
}

static int submit_to_task(void *self, il_call *call)
{
	struct own *own = self;
	struct sent *sent = malloc(sizeof *sent);

	CHECK(sent != NULL);
	*sent = (struct sent){own, call};
	atomic_fetch_add(&own->out, 1);
	return il_portal_run_coroutine_soon(own->portal, NULL, nap_and_answer, sent);
}

static int await_answers(void *self, unsigned flags)
{
	if (!(flags & IL_NOWAIT))
		UNTIL_THREAD(atomic_load(&((struct own *)self)->out) == 0);
	return 0;
}

static void check_own_end(struct own *own, const il_executor_ops *ops, il_fn *fn)
{
	il_time start = il_now();
	il_executor *ex = NULL;
	il_future *f;

	CHECK_RC(il_executor_create(&ex, ops, own), 0);
	f = submitted(ex, fn, own->portal);
	CHECK_RC(il_executor_shutdown(ex, 0), 0);
	CHECK_RC(finished(f), 0);
	if (il_test_virtual())
		CHECK_EQ(il_now() - start, NAP);
	il_executor_unref(ex);
}

IL_TEST(E, an_own_executor_ends_though_its_calls_need_the_clock)
{
	const il_executor_ops threads = {.submit = submit_to_pool, .shutdown = end_pool};
	const il_executor_ops tasks = {
	    .submit = submit_to_task, .shutdown = await_answers, .in_loop = true};
	struct own own = {.pool = new_pool(2)};

	CHECK_RC(il_loop_create_threads_portal(il_loop_current(), &own.portal), 0);
	check_own_end(&own, &threads, work_then_nap);
	check_own_end(&own, &tasks, work_then_nap);
	CHECK_RC(il_portal_close(own.portal), 0);
	il_executor_unref(own.pool);
}

static int end_slowly(void *self, unsigned flags)
{
	(void)self;
	(void)flags;
	il_test_pause_really();
	return 0;
}

static int sleep_for_an_hour(void *arg)
{
	(void)arg;
	return il_sleep(IL_SEC(3600));
}

/* With a timer, which is not to pass, and without one, where every task sleeps until that thread has ended. */
IL_TEST(E, the_clock_stands_for_an_own_executors_end_while_it_has_no_call)
{
	const il_executor_ops ops = {
	    .submit = submit_to_task, .shutdown = end_slowly, .in_loop = true};

	for (int timer = 0; timer < 2; timer++) {
		il_executor *ex = NULL;
		il_time start = il_now();
		il_group g;
		CHECK_RC(il_group_open(&g), 0);
		if (timer)
			CHECK_RC(il_group_start_soon(&g, NULL, sleep_for_an_hour, NULL), 0);
		CHECK_RC(il_yield(), 0);
		CHECK_RC(il_executor_create(&ex, &ops, NULL), 0);
		CHECK_RC(il_executor_shutdown(ex, 0), 0);
		if (il_test_virtual())
			CHECK_EQ(il_now() - start, 0);
		il_executor_unref(ex);
		il_scope_cancel(il_group_scope(&g));
		CHECK_RC(il_group_close(&g, 0), 0);
	}
}
