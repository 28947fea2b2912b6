/*
 * a_futures.c: futures: one outcome, told to every waiter and callback once. Most rules hold without any
 * loop; what a task's wait adds is tested on the loops.
 */
#include "harness.h"
#include "objects.h"

#include <semaphore.h>
#include <stdio.h>

/* A future that is done with that result; -ECANCELED: cancelled. */
static il_future *done_future(int result)
{
	il_future *f = new_future();

	if (result == -ECANCELED)
		CHECK(il_future_cancel(f));
	else
		CHECK_RC(il_future_set_result(f, result), 0);
	return f;
}

static void check_state(il_future *f, bool done, bool running, bool cancelled)
{
	CHECK_EQ(il_future_done(f), done);
	CHECK_EQ(il_future_running(f), running);
	CHECK_EQ(il_future_cancelled(f), cancelled);
}

IL_TEST_CORE(A, n1_without_time_a_pending_future_times_out)
{
	il_future *f = new_future();

	CHECK_RC(il_future_result(f, 0), -ETIMEDOUT);
	CHECK_RC(il_future_wait(f, 0), -ETIMEDOUT);
	check_state(f, false, false, false);
	il_future_unref(f);
}

IL_TEST(A, n1_without_time_a_pending_future_times_out_in_a_task)
{
	il_future *f = new_future();

	CHECK_RC(il_future_result(f, 0), -ETIMEDOUT);
	CHECK_RC(il_future_wait(f, 0), -ETIMEDOUT);
	check_state(f, false, false, false);
	il_future_unref(f);
}

IL_TEST_CORE(A, n2_done_running_and_cancelled_in_each_state)
{
	il_future *pending = new_future(), *running = new_future();
	il_future *cancelled = done_future(-ECANCELED), *seen = done_future(-ECANCELED);
	il_future *value = done_future(1), *error = done_future(-EIO);

	CHECK_RC(il_future_set_running(running), 1);
	CHECK_RC(il_future_set_running(seen), 0);
	check_state(pending, false, false, false);
	check_state(running, false, true, false);
	check_state(cancelled, true, false, true);
	check_state(seen, true, false, true);
	check_state(value, true, false, false);
	check_state(error, true, false, false);
	CHECK_RC(il_future_set_result(running, 0), 0);
	check_state(running, true, false, false);
	il_future_unref(pending);
	il_future_unref(running);
	il_future_unref(cancelled);
	il_future_unref(seen);
	il_future_unref(value);
	il_future_unref(error);
}

IL_TEST_CORE(A, n2_no_future_is_in_no_state)
{
	check_state(NULL, false, false, false);
	CHECK_EQ(il_future_cancel(NULL), false);
}

static int count_call(il_future *f, void *arg)
{
	CHECK(il_future_done(f));
	atomic_fetch_add((atomic_int *)arg, 1);
	return 0;
}

IL_TEST_CORE(A, n4_a_worker_claims_a_future_once)
{
	il_future *pending = new_future(), *cancelled = new_future(), *done = done_future(3);
	atomic_int told = 0;

	CHECK_RC(il_future_set_running(pending), 1);
	CHECK_RC(il_future_set_running(pending), -EALREADY);
	CHECK(!il_future_cancel(pending));
	CHECK_RC(il_future_set_result(pending, 0), 0);
	CHECK_RC(il_future_on_done(cancelled, count_call, &told), 0);
	CHECK(il_future_cancel(cancelled));
	CHECK_RC(il_future_set_running(cancelled), 0);
	CHECK_EQ(told, 1);
	CHECK_RC(il_future_set_running(done), -EALREADY);
	CHECK(!il_future_cancel(done));
	il_future_unref(pending);
	il_future_unref(cancelled);
	il_future_unref(done);
}

IL_TEST_CORE(A, n5_the_first_outcome_stays)
{
	il_future *value = done_future(1), *error = done_future(-EIO);

	CHECK_RC(il_future_set_result(value, 2), -EALREADY);
	CHECK_RC(il_future_set_result(value, -EIO), -EALREADY);
	CHECK_RC(il_future_result(value, 0), 1);
	CHECK_RC(il_future_set_result(error, 2), -EALREADY);
	CHECK_RC(il_future_set_result(error, -EPIPE), -EALREADY);
	CHECK_RC(il_future_result(error, 0), -EIO);
	il_future_unref(value);
	il_future_unref(error);
}

IL_TEST_CORE(A, n6_a_result_after_the_cancellation_is_dropped)
{
	il_future *f = done_future(-ECANCELED);

	CHECK_RC(il_future_set_result(f, 1), -EALREADY);
	check_state(f, true, false, true);
	CHECK_RC(il_future_result(f, 0), -ECANCELED);
	CHECK_RC(il_future_wait(f, 0), 0);
	CHECK(il_future_cancel(f));
	il_future_unref(f);
}

static int wait_long(void *arg)
{
	il_time start = il_now();
	int rc = il_future_result(arg, IL_SEC(30));

	CHECK(il_now() - start < IL_SEC(30));
	return rc;
}

IL_TEST_CORE(A, n7_a_waiting_thread_wakes_at_once)
{
	static const int outcomes[] = {4, -EIO, -ECANCELED};

	for (size_t i = 0; i < 3 * il_test_rounds(200); i++) {
		il_future *f = new_future();
		struct il_test_thread t;
		il_test_thread_start(&t, wait_long, f);
		for (volatile size_t spin = 0; spin < 100 * (i % 50); spin++)
			;
		if (outcomes[i % 3] == -ECANCELED)
			CHECK(il_future_cancel(f));
		else
			CHECK_RC(il_future_set_result(f, outcomes[i % 3]), 0);
		CHECK_RC(il_test_thread_join(&t), outcomes[i % 3]);
		il_future_unref(f);
	}
}

struct completion {
	il_future *f;
	int outcome;
};

static int complete(void *arg)
{
	struct completion *c = arg;

	if (c->outcome == -ECANCELED)
		return il_future_cancel(c->f) ? 0 : -EIO;
	return il_future_set_result(c->f, c->outcome);
}

IL_TEST(A, n7_a_waiting_task_wakes_at_once)
{
	static const int outcomes[] = {4, -EIO, -ECANCELED};

	for (size_t i = 0; i < 3; i++) {
		struct completion c = {new_future(), outcomes[i]};
		struct il_test_thread t;
		il_test_thread_start(&t, complete, &c);
		CHECK_RC(il_future_result(c.f, il_test_virtual() ? IL_FOREVER : IL_SEC(30)),
			 outcomes[i]);
		CHECK_RC(il_test_thread_join(&t), 0);
		il_future_unref(c.f);
	}
}

struct told {
	atomic_int calls;
	pthread_t thread;
};

static int note_thread(il_future *f, void *arg)
{
	struct told *t = arg;

	CHECK(il_future_done(f));
	t->thread = pthread_self();
	atomic_fetch_add(&t->calls, 1);
	return 0;
}

IL_TEST_CORE(A, n9_a_callback_runs_once_in_the_completing_thread)
{
	static const int outcomes[] = {4, -EIO, -ECANCELED};

	for (size_t i = 0; i < 3; i++) {
		struct completion c = {new_future(), outcomes[i]};
		struct told before = {.calls = 0}, after = {.calls = 0};
		struct il_test_thread t;
		CHECK_RC(il_future_on_done(c.f, note_thread, &before), 0);
		CHECK_EQ(before.calls, 0);
		il_test_thread_start(&t, complete, &c);
		pthread_t completer = t.id;
		CHECK_RC(il_test_thread_join(&t), 0);
		CHECK_EQ(before.calls, 1);
		CHECK(pthread_equal(before.thread, completer));
		CHECK_RC(il_future_on_done(c.f, note_thread, &after), 0);
		CHECK_EQ(after.calls, 1);
		CHECK(pthread_equal(after.thread, pthread_self()));
		il_future_unref(c.f);
	}
}

IL_TEST_CORE(A, n9_adding_a_callback_races_with_completing)
{
	for (size_t i = 0; i < il_test_rounds(500); i++) {
		struct completion c = {new_future(), (int)i};
		atomic_int calls = 0;
		struct il_test_thread t;
		il_test_thread_start(&t, complete, &c);
		CHECK_RC(il_future_on_done(c.f, count_call, &calls), 0);
		CHECK_RC(il_test_thread_join(&t), 0);
		CHECK_EQ(calls, 1);
		il_future_unref(c.f);
	}
}

static int trace_nested(il_future *f, void *arg)
{
	(void)f;
	(void)arg;
	TRACE("nested");
	return 0;
}

static int trace_and_use(il_future *f, void *arg)
{
	TRACE("1");
	CHECK_RC(il_future_result(f, 0), 8);
	CHECK(!il_future_cancel(f));
	CHECK_RC(il_future_on_done(f, trace_nested, arg), 0);
	return 0;
}

static int trace_2(il_future *f, void *arg)
{
	(void)f;
	(void)arg;
	TRACE("2");
	return 0;
}

IL_TEST_CORE(A, n10_a_callback_may_use_the_future)
{
	il_future *f = new_future();

	CHECK_RC(il_future_on_done(f, trace_and_use, NULL), 0);
	CHECK_RC(il_future_on_done(f, trace_2, NULL), 0);
	CHECK_RC(il_future_set_result(f, 8), 0);
	CHECK_TRACE("1 nested 2");
	il_future_unref(f);
}

static int fail_in_callback(il_future *f, void *arg)
{
	(void)f;
	TRACE((const char *)arg);
	return -EIO;
}

IL_TEST_CORE(A, n11_a_failing_callback_is_logged_and_changes_nothing)
{
	il_future *f = new_future();

	CHECK_RC(il_future_on_done(f, fail_in_callback, "failing"), 0);
	CHECK_RC(il_future_on_done(f, trace_2, NULL), 0);
	CHECK_RC(il_future_on_done(f, trace_nested, NULL), 0);
	CHECK_RC(il_future_set_result(f, 8), 0);
	CHECK_TRACE("failing 2 nested");
	CHECK_EQ(il_test_logged(IL_LOG_ERROR, "") + il_test_logged(IL_LOG_WARNING, ""), 1);
	CHECK_RC(il_future_on_done(f, fail_in_callback, "at once"), 0);
	CHECK_RC(il_future_result(f, 0), 8);
	il_future_unref(f);
}

static void log_and_wait(int level, const char *message, void *rc)
{
	(void)level;
	(void)message;
	*(int *)rc = il_yield();
}

IL_TEST(A, n11_where_a_failing_callback_is_logged_the_log_function_may_not_wait_either)
{
	il_future *f = new_future();
	int rc = 1;

	il_set_log(log_and_wait, &rc);
	CHECK_RC(il_future_on_done(f, fail_in_callback, "failing"), 0);
	CHECK_RC(il_future_set_result(f, 8), 0);
	il_set_log(NULL, NULL);
	CHECK_EQ(rc, -EPERM);
	il_future_unref(f);
}

static int drop_in_callback(il_future *f, void *arg)
{
	*(bool *)arg = true;
	il_future_unref(f);
	return 0;
}

IL_TEST_CORE(A, n12_a_callback_may_drop_the_last_reference)
{
	bool dropped[2] = {false, false};
	il_future *cancelled = new_future(), *set = new_future();

	CHECK_RC(il_future_on_done(cancelled, drop_in_callback, &dropped[0]), 0);
	CHECK_RC(il_future_on_done(set, drop_in_callback, &dropped[1]), 0);
	CHECK(il_future_cancel(cancelled));
	CHECK_RC(il_future_set_result(set, 1), 0);
	CHECK(dropped[0] && dropped[1]);
}

struct slow_callback {
	sem_t in_callback, dropped;
};

static int wait_until_dropped(il_future *f, void *arg)
{
	struct slow_callback *s = arg;

	CHECK_EQ(sem_post(&s->in_callback), 0);
	CHECK_EQ(sem_wait(&s->dropped), 0);
	CHECK(il_future_done(f));
	CHECK_RC(il_future_result(f, 0), 6);
	return 0;
}

static int set_6_and_drop(void *arg)
{
	CHECK_RC(il_future_set_result(arg, 6), 0);
	il_future_unref(arg);
	return 0;
}

IL_TEST_CORE(A, n12_a_waiter_leaves_while_callbacks_still_run)
{
	struct slow_callback s;
	il_future *f = new_future();
	struct il_test_thread t;

	CHECK_EQ(sem_init(&s.in_callback, 0, 0), 0);
	CHECK_EQ(sem_init(&s.dropped, 0, 0), 0);
	CHECK_RC(il_future_on_done(f, wait_until_dropped, &s), 0);
	il_test_thread_start(&t, set_6_and_drop, il_future_ref(f));
	CHECK_EQ(sem_wait(&s.in_callback), 0);
	CHECK_RC(il_future_result(f, IL_FOREVER), 6);
	il_future_unref(f);
	CHECK_EQ(sem_post(&s.dropped), 0);
	CHECK_RC(il_test_thread_join(&t), 0);
	CHECK_EQ(sem_destroy(&s.in_callback), 0);
	CHECK_EQ(sem_destroy(&s.dropped), 0);
}

static int complete_later(void *arg)
{
	UNTIL(il_future_running(((struct completion *)arg)->f));
	return complete(arg);
}

static void wait_for_all_of_five(void)
{
	il_future *fs[5] = {done_future(-ECANCELED), done_future(-EIO), done_future(1),
			    new_future(), new_future()};
	struct completion a = {fs[3], 2}, b = {fs[4], -EPIPE};
	struct il_test_thread ta, tb;

	CHECK_RC(il_futures_wait(fs, 5, IL_ALL_COMPLETED, 0), 3);
	il_test_thread_start(&ta, complete_later, &a);
	il_test_thread_start(&tb, complete_later, &b);
	CHECK_RC(il_future_set_running(fs[3]), 1);
	CHECK_RC(il_future_set_running(fs[4]), 1);
	CHECK_RC(il_futures_wait(fs, 5, IL_ALL_COMPLETED, IL_FOREVER), 5);
	for (size_t i = 0; i < 5; i++)
		CHECK(il_future_done(fs[i]));
	CHECK_RC(il_test_thread_join(&ta), 0);
	CHECK_RC(il_test_thread_join(&tb), 0);
	for (size_t i = 0; i < 5; i++)
		il_future_unref(fs[i]);
}

static void wait_for_the_first(void)
{
	il_future *fs[3] = {new_future(), done_future(-ECANCELED), done_future(-EIO)};
	struct completion c = {fs[0], 5};
	struct il_test_thread t;

	CHECK_RC(il_futures_wait(fs, 3, IL_FIRST_COMPLETED, IL_FOREVER), 2);
	CHECK(!il_future_done(fs[0]));
	il_test_thread_start(&t, complete_later, &c);
	CHECK_RC(il_future_set_running(fs[0]), 1);
	CHECK_RC(il_futures_wait(fs, 1, IL_FIRST_COMPLETED, IL_FOREVER), 1);
	CHECK_RC(il_test_thread_join(&t), 0);
	for (size_t i = 0; i < 3; i++)
		il_future_unref(fs[i]);
}

IL_TEST_CORE(A, n14_waiting_for_all_and_for_the_first)
{
	wait_for_all_of_five();
	wait_for_the_first();
}

IL_TEST(A, n14_a_task_waits_for_all_and_for_the_first)
{
	wait_for_all_of_five();
	wait_for_the_first();
}

static void wait_for_the_first_failure(void)
{
	il_future *fs[3] = {done_future(-ECANCELED), new_future(), new_future()};
	struct completion c = {fs[1], -EIO};
	struct il_test_thread t;

	CHECK_RC(il_futures_wait(fs, 3, IL_FIRST_FAILURE, IL_MSEC(1)), 1);
	il_test_thread_start(&t, complete_later, &c);
	CHECK_RC(il_future_set_running(fs[1]), 1);
	CHECK_RC(il_futures_wait(fs, 3, IL_FIRST_FAILURE, IL_FOREVER), 2);
	CHECK_RC(il_test_thread_join(&t), 0);
	CHECK_RC(il_futures_wait(fs, 3, IL_FIRST_FAILURE, IL_FOREVER), 2);
	CHECK(!il_future_done(fs[2]));
	il_future_unref(fs[1]);
	fs[1] = done_future(1);
	CHECK_RC(il_future_set_result(fs[2], 1), 0);
	CHECK_RC(il_futures_wait(fs, 3, IL_FIRST_FAILURE, IL_FOREVER), 3);
	for (size_t i = 0; i < 3; i++)
		il_future_unref(fs[i]);
}

IL_TEST_CORE(A, n15_waiting_for_the_first_failure)
{
	wait_for_the_first_failure();
}

IL_TEST(A, n15_a_task_waits_for_the_first_failure)
{
	wait_for_the_first_failure();
}

IL_TEST(A, n15_a_failure_that_comes_while_the_wait_begins_ends_it)
{
	for (size_t i = 0; i < il_test_rounds(il_test_virtual() ? 40 : 100); i++)
		wait_for_the_first_failure();
}

static void wait_with_a_timeout(void)
{
	il_future *fs[2] = {done_future(1), new_future()};
	il_time start = il_now();

	CHECK_RC(il_futures_wait(fs, 2, IL_ALL_COMPLETED, IL_MSEC(50)), 1);
	CHECK(il_now() - start >= IL_MSEC(50));
	CHECK(il_future_done(fs[0]) && !il_future_done(fs[1]));
	CHECK_RC(il_future_wait(fs[1], IL_MSEC(1)), -ETIMEDOUT);
	CHECK_RC(il_future_set_result(fs[1], 2), 0);
	CHECK_RC(il_futures_wait(fs, 2, IL_ALL_COMPLETED, IL_FOREVER), 2);
	il_future_unref(fs[0]);
	il_future_unref(fs[1]);
}

IL_TEST_CORE(A, n16_a_timeout_tells_how_many_are_done)
{
	wait_with_a_timeout();
}

IL_TEST(A, n16_a_timeout_tells_a_task_how_many_are_done)
{
	wait_with_a_timeout();
}

static void wait_for_odd_sets(void)
{
	il_future *f = done_future(1), *twice[3] = {f, f, f};

	for (il_return_when when = IL_FIRST_COMPLETED; when <= IL_ALL_COMPLETED; when++) {
		CHECK_RC(il_futures_wait(NULL, 0, when, IL_FOREVER), 0);
		CHECK_RC(il_futures_wait(twice, 3, when, IL_FOREVER), 1);
	}
	il_future_unref(f);
}

IL_TEST_CORE(A, n17_duplicates_count_once_and_nothing_is_done_at_once)
{
	wait_for_odd_sets();
}

IL_TEST(A, n17_the_same_in_a_task)
{
	wait_for_odd_sets();
}

enum { CROWD = 100 };

static int complete_crowd(void *arg)
{
	il_future **fs = arg;

	for (size_t i = 0; i < CROWD; i++)
		CHECK_RC(il_future_set_result(fs[i], 0), 0);
	return 0;
}

struct late {
	il_future *f;
	int rc;
	char words[80];
};

static int complete_later_here(void *arg)
{
	CHECK_RC(il_sleep(IL_MSEC(5)), 0);
	return il_future_set_result(arg, 1);
}

static int wait_as_long(void *arg)
{
	struct late *l = arg;

	il_fail(-EIO, "an older failure");
	l->rc = il_future_wait(l->f, IL_MSEC(5));
	snprintf(l->words, sizeof l->words, "%s", il_error_detail());
	return 0;
}

/* In one turn both times are up, and the future is done before its waiter runs. */
IL_TEST_FIFO(A, a_wait_that_is_late_says_so_also_if_the_future_is_done_by_then)
{
	struct late l = {.f = new_future()};
	il_time both;
	il_group g;

	CHECK_RC(il_group_open(&g), 0);
	CHECK_RC(il_group_start_soon(&g, NULL, complete_later_here, l.f), 0);
	CHECK_RC(il_group_start_soon(&g, NULL, wait_as_long, &l), 0);
	CHECK_RC(il_yield(), 0);
	both = il_deadline(IL_MSEC(5));
	while (!il_test_virtual() && il_now() <= both)
		;
	CHECK_RC(il_group_close(&g, 0), 0);
	CHECK(il_future_done(l.f));
	CHECK_RC(l.rc, -ETIMEDOUT);
	CHECK(strstr(l.words, "the time is up") != NULL);
	il_future_unref(l.f);
}

static int wait_for_crowd(void *arg)
{
	return il_futures_wait(arg, CROWD, IL_ALL_COMPLETED, IL_FOREVER);
}

IL_TEST_CORE(A, n19_many_finish_while_two_threads_register_in_opposite_order)
{
	for (size_t round = 0; round < il_test_rounds(60); round++) {
		il_future *up[CROWD], *down[CROWD];
		struct il_test_thread a, b, completer;
		for (size_t i = 0; i < CROWD; i++)
			down[CROWD - 1 - i] = up[i] = new_future();
		il_test_thread_start(&a, wait_for_crowd, up);
		il_test_thread_start(&b, wait_for_crowd, down);
		il_test_thread_start(&completer, complete_crowd, round % 2 ? up : down);
		CHECK_RC(il_test_thread_join(&completer), 0);
		CHECK_RC(il_test_thread_join(&a), CROWD);
		CHECK_RC(il_test_thread_join(&b), CROWD);
		for (size_t i = 0; i < CROWD; i++)
			il_future_unref(up[i]);
	}
}

static void go_through_as_completed(void)
{
	il_future *done = done_future(1), *late = new_future(), *later = new_future(), *f = NULL;
	il_future *fs[5] = {late, later, done, late, late};
	il_as_completed *it = NULL;

	CHECK_RC(il_as_completed_open(&it, fs, 5, IL_FOREVER), 0);
	CHECK_EQ(il_as_completed_pending(it), 3);
	CHECK_RC(il_as_completed_next(it, &f), 1);
	CHECK(f == done);
	CHECK_RC(il_future_set_result(later, 3), 0);
	CHECK_RC(il_future_set_result(late, 2), 0);
	CHECK_RC(il_as_completed_next(it, &f), 1);
	CHECK(f == later);
	CHECK_EQ(il_as_completed_pending(it), 1);
	CHECK_RC(il_as_completed_next(it, &f), 1);
	CHECK(f == late);
	CHECK_RC(il_as_completed_next(it, &f), 0);
	CHECK_RC(il_as_completed_next(it, &f), 0);
	il_as_completed_close(it);
	il_future_unref(done);
	il_future_unref(late);
	il_future_unref(later);
}

IL_TEST_CORE(A, n20_each_future_comes_once_in_the_order_of_completion)
{
	go_through_as_completed();
}

IL_TEST(A, n20_the_same_in_a_task)
{
	go_through_as_completed();
}

static void run_out_of_time(il_time timeout)
{
	il_future *fs[3] = {done_future(1), new_future(), done_future(-EIO)}, *f = NULL;
	il_as_completed *it = NULL;
	il_time start = il_now();

	CHECK_RC(il_as_completed_open(&it, fs, 3, timeout), 0);
	CHECK_RC(il_as_completed_next(it, &f), 1);
	CHECK_RC(il_as_completed_next(it, &f), 1);
	CHECK_RC(il_as_completed_next(it, &f), -ETIMEDOUT);
	CHECK(strstr(il_error_detail(), "1 of 3") != NULL);
	CHECK(il_now() - start >= timeout);
	CHECK_EQ(il_as_completed_pending(it), 1);
	il_as_completed_close(it);
	CHECK_RC(il_future_set_result(fs[1], 2), 0);
	CHECK_RC(il_future_result(fs[1], 0), 2);
	for (size_t i = 0; i < 3; i++)
		il_future_unref(fs[i]);
}

IL_TEST_CORE(A, n21_what_is_done_comes_before_the_timeout)
{
	run_out_of_time(0);
	run_out_of_time(IL_MSEC(20));
}

IL_TEST(A, n21_the_same_in_a_task)
{
	run_out_of_time(0);
	run_out_of_time(IL_MSEC(20));
}

IL_TEST_CORE(A, n22_leaving_early_and_releasing_what_came)
{
	il_future *fs[3] = {done_future(1), done_future(2), new_future()}, *f = NULL;
	il_as_completed *it = NULL;

	CHECK_RC(il_as_completed_open(&it, fs, 3, IL_FOREVER), 0);
	for (int i = 0; i < 2; i++) {
		CHECK_RC(il_as_completed_next(it, &f), 1);
		il_future_unref(f);
	}
	il_as_completed_close(it);
	CHECK_RC(il_future_set_result(fs[2], 0), 0);
	il_future_unref(fs[2]);
	il_as_completed_close(NULL);
}

struct waiter {
	il_future *f;
	il_scope scope;
	int rc;
	bool waiting;
};

static int wait_in_scope(void *arg)
{
	struct waiter *w = arg;
	il_loop *loop = il_loop_current();

	CHECK_RC(il_scope_enter(&w->scope, IL_FOREVER, 0), 0);
	w->waiting = true;
	w->rc = il_future_result(w->f, IL_FOREVER);
	CHECK(il_loop_current() == loop);
	return il_scope_exit(&w->scope, w->rc == -ECANCELED ? w->rc : 0);
}

IL_TEST(A, n24_a_cancelled_wait_leaves_the_future_alone)
{
	struct waiter w = {.f = new_future(), .scope = IL_SCOPE_INIT};
	il_group g;

	CHECK_RC(il_group_open(&g), 0);
	CHECK_RC(il_group_start_soon(&g, NULL, wait_in_scope, &w), 0);
	UNTIL(w.waiting);
	CHECK_RC(il_scope_cancel(&w.scope), 0);
	CHECK_RC(il_group_close(&g, 0), 0);
	CHECK_RC(w.rc, -ECANCELED);
	CHECK(!il_future_cancelled(w.f) && !il_future_done(w.f));
	CHECK_RC(il_future_set_result(w.f, 5), 0);
	CHECK_RC(il_future_result(w.f, IL_FOREVER), 5);
	il_future_unref(w.f);
}

IL_TEST(A, n24_cancelling_the_future_wakes_the_task)
{
	struct waiter w = {.f = new_future(), .scope = IL_SCOPE_INIT};
	struct completion c = {w.f, -ECANCELED};
	struct il_test_thread t;
	il_group g;

	CHECK_RC(il_group_open(&g), 0);
	CHECK_RC(il_group_start_soon(&g, NULL, wait_in_scope, &w), 0);
	UNTIL(w.waiting);
	il_test_thread_start(&t, complete, &c);
	CHECK_RC(il_test_thread_join(&t), 0);
	il_group_close(&g, 0);
	CHECK_RC(w.rc, -ECANCELED);
	CHECK(!il_scope_cancelled(&w.scope));
	il_future_unref(w.f);
}

struct owned {
	il_scope scope;
	il_executor *ex;
	atomic_bool begun, go, ran;
	bool waiting;
	int rc, after;
};

static int run_until_let_go(void *arg)
{
	struct owned *o = arg;

	atomic_store(&o->begun, true);
	UNTIL(atomic_load(&o->go));
	return 11;
}

static int note_run(void *arg)
{
	atomic_store((atomic_bool *)arg, true);
	return 0;
}

static int run_owned(void *arg)
{
	struct owned *o = arg;

	CHECK_RC(il_scope_enter(&o->scope, IL_FOREVER, 0), 0);
	o->waiting = true;
	o->rc = il_executor_run(o->ex, note_run, &o->ran, sizeof o->ran);
	return il_scope_exit(&o->scope, o->rc);
}

static int run_owned_and_begun(void *arg)
{
	struct owned *o = arg;

	CHECK_RC(il_scope_enter(&o->scope, IL_FOREVER, 0), 0);
	o->rc = il_executor_run(o->ex, run_until_let_go, o, sizeof *o);
	o->after = il_yield();
	return il_scope_exit(&o->scope, o->after);
}

IL_TEST(A, n24_a_call_that_owns_its_source_cancels_it_and_waits)
{
	il_thread_pool_options one = {.max_workers = 1};
	struct owned busy = {.scope = IL_SCOPE_INIT}, queued = {.scope = IL_SCOPE_INIT};
	il_group g;

	CHECK_RC(il_thread_pool_create(&busy.ex, &one), 0);
	queued.ex = busy.ex;
	CHECK_RC(il_group_open(&g), 0);
	CHECK_RC(il_group_start_soon(&g, NULL, run_owned_and_begun, &busy), 0);
	UNTIL_THREAD(atomic_load(&busy.begun));
	CHECK_RC(il_group_start_soon(&g, NULL, run_owned, &queued), 0);
	UNTIL_THREAD(queued.waiting);
	CHECK_RC(il_scope_cancel(&queued.scope), 0);
	UNTIL_THREAD(il_scope_caught(&queued.scope));
	CHECK_RC(queued.rc, -ECANCELED);
	CHECK_RC(il_scope_cancel(&busy.scope), 0);
	CHECK_RC(il_yield(), 0);
	atomic_store(&busy.go, true);
	CHECK_RC(il_group_close(&g, 0), 0);
	CHECK_RC(busy.rc, 11);
	CHECK_RC(busy.after, -ECANCELED);
	il_executor_destroy(busy.ex);
	CHECK(!atomic_load(&queued.ran));
}

static int complete_for_task(void *arg)
{
	il_future **fs = arg;

	for (int i = 0; i < CROWD; i++)
		CHECK_RC(il_future_set_result(fs[i], i), 0);
	return 0;
}

IL_TEST(A, n24_a_foreign_thread_completes_what_tasks_wait_for)
{
	il_future *fs[CROWD];
	struct il_test_thread t;

	for (int i = 0; i < CROWD; i++)
		fs[i] = new_future();
	il_test_thread_start(&t, complete_for_task, fs);
	for (int i = 0; i < CROWD; i++) {
		CHECK_RC(il_future_result(fs[i], IL_FOREVER), i);
		il_future_unref(fs[i]);
	}
	CHECK_RC(il_test_thread_join(&t), 0);
}

struct item {
	il_time delay;
	int result;
	bool cancelled, ended;
};

static int sleep_and_give(void *arg)
{
	struct item *i = arg;
	int rc = il_sleep(i->delay);

	i->cancelled = rc == -ECANCELED;
	i->ended = true;
	return rc < 0 ? rc : i->result;
}

IL_TEST(A, n25_gather_gives_results_in_the_order_of_its_items)
{
	struct item items[3] = {
	    {.delay = IL_MSEC(9), .result = 1},
	    {.delay = IL_MSEC(5), .result = 2},
	    {.delay = IL_MSEC(1), .result = 3},
	};
	int results[3] = {0};

	CHECK_RC(il_gather(sleep_and_give, items, 3, sizeof *items, results), 0);
	for (int i = 0; i < 3; i++)
		CHECK_EQ(results[i], i + 1);
	CHECK_RC(il_gather(sleep_and_give, items, 0, sizeof *items, NULL), 0);
}

IL_TEST(A, gather_of_more_items_than_memory_can_hold_starts_none)
{
	struct item none = {.ended = false};

	/* No item has a byte, so the array itself may be as long. */
	CHECK_RC(il_gather(sleep_and_give, &none, SIZE_MAX / 16, 0, NULL), -ENOMEM);
	CHECK(!none.ended);
}

IL_TEST(A, n25_a_failure_in_gather_cancels_and_joins_the_rest)
{
	struct item items[3] = {
	    {.delay = IL_SEC(1000)},
	    {.delay = IL_MSEC(1), .result = -EIO},
	    {.delay = IL_SEC(1000)},
	};
	int results[3] = {0};

	CHECK_RC(il_gather(sleep_and_give, items, 3, sizeof *items, results), -EIO);
	CHECK(items[0].cancelled && items[2].cancelled && items[0].ended && items[2].ended);
	CHECK_RC(results[0], -ECANCELED);
	CHECK_RC(results[1], -EIO);
	CHECK_RC(results[2], -ECANCELED);
	CHECK_RC(il_yield(), 0);
}

static int child_of_two(void *arg)
{
	++*(int *)arg;
	return il_sleep(IL_MSEC(1)) < 0 ? -EIO : 7;
}

IL_TEST(A, n25_one_call_awaited_twice_runs_once)
{
	il_future *f, *fs[2], *next = NULL;
	il_as_completed *it = NULL;
	int runs = 0;
	il_group g;

	CHECK_RC(il_group_open(&g), 0);
	CHECK_RC(il_group_start_soon(&g, &f, child_of_two, &runs), 0);
	fs[0] = fs[1] = f;
	CHECK_RC(il_futures_wait(fs, 2, IL_ALL_COMPLETED, IL_FOREVER), 1);
	CHECK_RC(il_future_result(fs[0], 0), 7);
	CHECK_RC(il_future_result(fs[1], 0), 7);
	CHECK_RC(il_as_completed_open(&it, fs, 2, IL_FOREVER), 0);
	CHECK_RC(il_as_completed_next(it, &next), 1);
	CHECK_RC(il_as_completed_next(it, &next), 0);
	il_as_completed_close(it);
	CHECK_RC(il_group_close(&g, 0), 0);
	CHECK_EQ(runs, 1);
	il_future_unref(f);
}

IL_TEST(A, n25_leaving_as_completed_early_the_group_joins_the_rest)
{
	struct item items[3] = {
	    {.delay = IL_SEC(1000)}, {.delay = IL_MSEC(1)}, {.delay = IL_SEC(1000)}};
	il_future *fs[3], *first = NULL;
	il_as_completed *it = NULL;
	il_group g;

	CHECK_RC(il_group_open(&g), 0);
	for (int i = 0; i < 3; i++)
		CHECK_RC(il_group_start_soon(&g, &fs[i], sleep_and_give, &items[i]), 0);
	CHECK_RC(il_as_completed_open(&it, fs, 3, IL_FOREVER), 0);
	CHECK_RC(il_as_completed_next(it, &first), 1);
	CHECK(first == fs[1]);
	il_as_completed_close(it);
	CHECK_RC(il_scope_cancel(il_group_scope(&g)), 0);
	CHECK_RC(il_group_close(&g, 0), 0);
	CHECK(items[0].cancelled && items[2].cancelled);
	for (int i = 0; i < 3; i++)
		il_future_unref(fs[i]);
}

static int fail_by_name(void *arg)
{
	CHECK_RC(il_task_set_name(arg), 0);
	return -ERANGE;
}

IL_TEST(A, a_task_without_a_future_that_fails_is_logged_by_its_name)
{
	il_loop *loop = il_loop_current();

	CHECK_RC(il_loop_spawn(loop, NULL, fail_by_name, (char *)"the lost one"), 0);
	CHECK_RC(il_loop_spawn(loop, NULL, fail_by_name, (char *)""), 0);
	CHECK_RC(il_sleep(IL_MSEC(1)), 0);
	CHECK_LOGGED(IL_LOG_WARNING, "a task of il_loop_spawn, the lost one, failed: ", 1);
	CHECK_LOGGED(IL_LOG_WARNING, "a task of il_loop_spawn failed: ", 1);
}
