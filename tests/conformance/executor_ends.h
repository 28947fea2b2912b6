/*
 * executor_ends.h: what holds for every executor, continued: shutdown that cancels, places that may not wait, races of all
 * that ends a call, time. Included as executor_rules.h is.
 */
#ifndef IL_TESTS_EXECUTOR_ENDS_H
#define IL_TESTS_EXECUTOR_ENDS_H

#include "workers.h"

#include <sched.h>

/* Elsewhere what was sent is cancelled at once, and done when that is confirmed. */
#ifndef CANCELLED_IS_DONE
#define CANCELLED_IS_DONE(f) CHECK(il_future_done(f))
#endif

/* ---- shutdown ---- */

struct opener {
	struct gate *gate;
	il_future *f;
};

static int open_once_cancelled(void *arg)
{
	struct opener *o = arg;

	UNTIL_THREAD(il_future_cancelled(o->f));
	atomic_store(&o->gate->open, true);
	return 0;
}

static void shut_down_and_cancel(unsigned flags)
{
	enum { CALLS = 6 };
	il_executor *ex = new_pool(1);
	struct gate g = {.result = 2};
	il_future *busy = occupy(ex, &g), *fs[CALLS];
	atomic_int ran = 0, owned[CALLS];
	struct opener o = {.gate = &g};
	struct il_test_thread opener;

	for (int i = 0; i < CALLS; i++) {
		atomic_init(&owned[i], 0);
		fs[i] = submitted(ex, count_in, &ran);
		CHECK_RC(il_executor_submit(ex, NULL, count_in, &owned[i], 0), 0);
	}
	o.f = il_future_ref(fs[CALLS - 1]);
	il_test_thread_start(&opener, open_once_cancelled, &o);
	CHECK_RC(il_executor_shutdown(ex, IL_CANCEL_FUTURES | flags), 0);
	for (int i = 0; i < CALLS; i++) {
		CANCELLED_IS_DONE(fs[i]);
		CHECK(il_future_cancelled(fs[i]));
		CHECK_RC(finished(fs[i]), -ECANCELED);
	}
	CHECK_RC(il_executor_shutdown(ex, 0), 0);
	CHECK_RC(finished(busy), 2);
	CHECK_RC(il_test_thread_join(&opener), 0);
	il_future_unref(o.f);
	il_executor_unref(ex);
	CHECK_EQ(ran, 0);
	for (int i = 0; i < CALLS; i++)
		CHECK_EQ(owned[i], 1);
}

IL_TEST_CORE(EXECUTOR_GROUP, cancelling_futures_runs_what_nobody_waits_for)
{
	shut_down_and_cancel(0);
	shut_down_and_cancel(IL_NOWAIT);
}

IL_TEST(EXECUTOR_GROUP, a_task_may_cancel_futures_too)
{
	shut_down_and_cancel(0);
	shut_down_and_cancel(IL_NOWAIT);
}

struct shutter {
	il_executor *ex;
	il_scope scope;
	struct gate g;
	bool begun;
	int rc, ended;
};

static int shut_down_in_scope(void *arg)
{
	struct shutter *s = arg;

	CHECK_RC(il_scope_enter(&s->scope, IL_FOREVER, 0), 0);
	s->begun = true;
	s->rc = il_executor_shutdown(s->ex, 0);
	s->ended = atomic_load(&s->g.ended);
	return il_scope_exit(&s->scope, il_check_cancelled());
}

IL_TEST(EXECUTOR_GROUP, in_a_cancelled_scope_shutdown_does_not_wait)
{
	struct shutter s = {.ex = new_pool(1), .scope = IL_SCOPE_INIT};
	il_future *busy = occupy(s.ex, &s.g);
	atomic_int ran = 0;

	CHECK_RC(il_scope_cancel(&s.scope), 0);
	CHECK_RC(shut_down_in_scope(&s), 0);
	CHECK_RC(s.rc, -ECANCELED);
	CHECK_EQ(s.ended, 0);
	CHECK_RC(il_executor_submit(s.ex, NULL, count_in, &ran, 0), -ESHUTDOWN);
	atomic_store(&s.g.open, true);
	CHECK_RC(il_executor_shutdown(s.ex, 0), 0);
	CHECK_RC(finished(busy), 0);
	il_executor_unref(s.ex);
}

IL_TEST(EXECUTOR_GROUP, once_it_waits_shutdown_is_shielded)
{
	struct shutter s = {.ex = new_pool(1), .scope = IL_SCOPE_INIT};
	il_future *busy = occupy(s.ex, &s.g);
	il_group g;

	CHECK_RC(il_group_open(&g), 0);
	CHECK_RC(il_group_start_soon(&g, NULL, shut_down_in_scope, &s), 0);
	UNTIL_THREAD(s.begun);
	CHECK_RC(il_scope_cancel(&s.scope), 0);
	for (int i = 0; i < 3; i++)
		CHECK_RC(il_yield(), 0);
	CHECK(!il_scope_caught(&s.scope));
	atomic_store(&s.g.open, true);
	CHECK_RC(il_group_close(&g, 0), 0);
	CHECK_RC(s.rc, 0);
	CHECK_EQ(s.ended, 1);
	CHECK_RC(finished(busy), 0);
	il_executor_unref(s.ex);
}

static int wait_in_callback(il_future *f, void *arg)
{
	il_executor *ex = arg;
	atomic_int ran = 0;
	il_future *queued = NULL;

	(void)f;
	CHECK_RC(il_executor_run(ex, count_in, &ran, 0), -EPERM);
	CHECK_RC(il_executor_map(ex, count_in, &ran, 1, 0, NULL, IL_FOREVER), -EPERM);
	CHECK_RC(il_executor_shutdown(ex, 0), -EPERM);
	CHECK_RC(il_executor_submit(ex, &queued, count_in, &ran, 0), 0); /* it is open still */
	UNTIL_THREAD(il_future_done(queued));
	il_future_unref(queued);
	CHECK_EQ(ran, 1);
	CHECK_RC(il_executor_shutdown(ex, IL_NOWAIT), 0);
	return 0;
}

static void wait_where_one_may_not(void)
{
	il_executor *ex = new_pool(1);
	atomic_int ran = 0;
	il_future *f = NULL;

	CHECK_RC(il_executor_run(ex, count_in, &ran, 0), 0); /* a worker, to be waited for */
	CHECK_RC(il_future_create(&f), 0);
	CHECK_RC(il_future_set_result(f, 0), 0);
	CHECK_RC(il_future_on_done(f, wait_in_callback, ex), 0);
	il_future_unref(f);
	il_executor_destroy(ex);
	CHECK_EQ(il_test_logged(IL_LOG_WARNING, ""), 0);
}

IL_TEST_CORE(EXECUTOR_GROUP, a_callback_may_submit_and_not_wait)
{
	wait_where_one_may_not();
}

IL_TEST(EXECUTOR_GROUP, a_callback_in_the_loop_may_submit_and_not_wait)
{
	wait_where_one_may_not();
}

/* ---- everything at once ---- */

enum { RACERS = 4, RACES = 25 };

struct race {
	il_executor *ex;
	atomic_int ran, owned_ran;
	int accepted, owned, ended, cancelled;
};

static void post_one(struct race *r, int i)
{
	il_future *f = NULL;
	int rc = il_executor_submit(r->ex, i % 3 ? &f : NULL, count_in,
				    i % 3 ? &r->ran : &r->owned_ran, 0);

	CHECK(rc == 0 || rc == -ESHUTDOWN);
	if (rc < 0)
		return;
	if (!f) {
		r->owned++;
		return;
	}
	r->accepted++;
	if (i % 2)
		il_future_cancel(f);
	rc = finished(f);
	CHECK(rc == 0 || rc == -ECANCELED);
	r->ended += rc == 0;
	r->cancelled += rc == -ECANCELED;
}

static int race(void *arg)
{
	struct race *r = arg;

	for (int i = 0; i < RACES; i++)
		post_one(r, i);
	return 0;
}

IL_TEST_CORE(EXECUTOR_GROUP, submitting_cancelling_and_shutting_down_race)
{
	for (size_t round = 0; round < il_test_rounds(60); round++) {
		il_executor *ex = new_pool(2);
		struct il_test_thread threads[RACERS];
		struct race r[RACERS];
		for (int i = 0; i < RACERS; i++) {
			r[i] = (struct race){.ex = ex};
			il_test_thread_start(&threads[i], race, &r[i]);
		}
		for (volatile size_t spin = 0; spin < 1000 * (round % 30); spin++)
			;
		CHECK_RC(il_executor_shutdown(ex, round % 2 ? IL_CANCEL_FUTURES : 0), 0);
		for (int i = 0; i < RACERS; i++) {
			CHECK_RC(il_test_thread_join(&threads[i]), 0);
			CHECK_EQ(r[i].ended + r[i].cancelled, r[i].accepted);
			CHECK_EQ(r[i].ran, r[i].ended);
			CHECK_EQ(r[i].owned_ran, r[i].owned);
		}
		il_executor_unref(ex);
	}
}

struct runner {
	il_executor *ex;
	atomic_int *ran;
	int rc;
};

static int run_one(void *arg)
{
	struct runner *r = arg;

	r->rc = il_executor_run(r->ex, count_in, r->ran, 0);
	return 0;
}

struct canceller {
	il_executor *ex;
	atomic_bool ready, go;
};

static int cancel_futures(void *arg)
{
	struct canceller *c = arg;

	atomic_store(&c->ready, true);
	while (!atomic_load(&c->go))
		sched_yield();
	return il_executor_shutdown(c->ex, IL_CANCEL_FUTURES | IL_NOWAIT);
}

/* Tasks take their calls back while another thread finishes them. */
IL_TEST_FIFO(EXECUTOR_GROUP, taking_calls_back_races_with_a_shutdown_that_cancels)
{
	enum { TASKS = 20 };

	for (size_t round = 0; round < il_test_rounds(200); round++) {
		il_executor *ex = new_pool(1);
		struct gate g = {.result = 0};
		il_future *busy = occupy(ex, &g);
		atomic_int ran = 0;
		struct canceller canceller = {.ex = ex};
		struct runner r[TASKS];
		struct il_test_thread t;
		il_group group;
		CHECK_RC(il_group_open(&group), 0);
		for (int i = 0; i < TASKS; i++) {
			r[i] = (struct runner){ex, &ran, 1};
			CHECK_RC(il_group_start_soon(&group, NULL, run_one, &r[i]), 0);
		}
		CHECK_RC(il_yield(), 0);
		il_test_thread_start(&t, cancel_futures, &canceller);
		UNTIL_THREAD(atomic_load(&canceller.ready));
		atomic_store(&canceller.go, true);
		for (volatile size_t spin = 0; spin < 20 * (round % 50); spin++)
			;
		CHECK_RC(il_scope_cancel(il_group_scope(&group)), 0);
		CHECK_RC(il_group_close(&group, 0), 0);
		for (int i = 0; i < TASKS; i++)
			CHECK(r[i].rc == -ECANCELED || r[i].rc == -ESHUTDOWN);
		CHECK_RC(il_test_thread_join(&t), 0);
		atomic_store(&g.open, true);
		CHECK_RC(finished(busy), 0);
		il_executor_destroy(ex);
		CHECK_EQ(ran, 0);
	}
}

static int take_real_time(void *arg)
{
	for (int i = 0; i < 10; i++)
		il_test_pause_really();
	return *(int *)arg;
}

/* A clock of the loop's own stands while somebody waits for a worker: no timeout passes it by. */
IL_TEST(EXECUTOR_GROUP, a_timeout_does_not_run_out_before_the_worker_had_its_time)
{
	il_executor *ex = new_pool(1);
	int value = 5;
	il_future *f = submitted(ex, take_real_time, &value), *next = NULL;
	il_as_completed *it = NULL;

	CHECK_RC(il_future_result(f, IL_SEC(60)), 5);
	il_future_unref(f);
	f = submitted(ex, take_real_time, &value);
	CHECK_RC(il_futures_wait(&f, 1, IL_ALL_COMPLETED, IL_SEC(60)), 1);
	il_future_unref(f);
	f = submitted(ex, take_real_time, &value);
	CHECK_RC(il_as_completed_open(&it, &f, 1, IL_SEC(60)), 0);
	CHECK_RC(il_as_completed_next(it, &next), 1);
	il_as_completed_close(it);
	il_future_unref(f);
	CHECK_RC(il_executor_map(ex, take_real_time, &value, 1, sizeof value, NULL, IL_SEC(60)), 0);
	il_executor_destroy(ex);
}

#endif
