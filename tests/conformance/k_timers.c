/*
 * k_timers.c: sleeping, deadlines, and what a timeout makes of a call.
 */
#include "waits.h"

#include <time.h>

static int give_back(void *arg)
{
	return *(int *)arg;
}

static int trace_and_sleep_0(void *arg)
{
	TRACE((const char *)arg);
	CHECK_RC(il_sleep(0), 0);
	TRACE((const char *)arg);
	CHECK_RC(il_sleep_until(il_now() - IL_SEC(1)), 0);
	TRACE((const char *)arg);
	return 0;
}

IL_TEST_FIFO(K, n202_sleep_0_and_a_past_deadline_yield_once)
{
	il_group g;

	CHECK_RC(il_group_open(&g), 0);
	CHECK_RC(il_group_start_soon(&g, NULL, trace_and_sleep_0, "a"), 0);
	CHECK_RC(il_group_start_soon(&g, NULL, trace_and_sleep_0, "b"), 0);
	CHECK_RC(il_group_close(&g, 0), 0);
	CHECK_TRACE("a b a b a b");
}

IL_TEST(K, n202_negative_delays_are_refused)
{
	il_future *f;
	int value = 3;

	CHECK_RC(il_sleep(-1), -EINVAL);
	CHECK_RC(il_move_on_after(-1, give_back, &value), -EINVAL);
	CHECK_RC(il_fail_after(-1, give_back, &value), -EINVAL);
	CHECK_RC(il_future_create(&f), 0);
	CHECK_RC(il_future_wait(f, -1), -EINVAL);
	CHECK_RC(il_future_result(f, -1), -EINVAL);
	CHECK_RC(il_futures_wait(&f, 1, IL_ALL_COMPLETED, -1), -EINVAL);
	il_future_unref(f);
}

IL_TEST(K, never_early)
{
	static const il_time delays[] = {
	    0, 1, IL_USEC(10), IL_USEC(999), IL_MSEC(1), IL_USEC(4095), IL_MSEC(20)};

	for (size_t i = 0; i < sizeof delays / sizeof *delays; i++) {
		il_time start = il_now();
		CHECK_RC(il_sleep(delays[i]), 0);
		CHECK(il_now() - start >= delays[i]);
		CHECK(il_now() - start < delays[i] + il_test_patience());
	}
}

struct sleeper {
	il_time deadline;
	const char *name;
};

static int sleep_then_trace(void *arg)
{
	struct sleeper *s = arg;

	CHECK_RC(il_sleep_until(s->deadline), 0);
	CHECK(il_now() >= s->deadline);
	TRACE(s->name);
	return 0;
}

IL_TEST_FIFO(K, timers_fire_by_deadline_then_by_order_of_asking)
{
	il_time t = il_now() + il_test_patience() / 100; /* every sleeper asks before */
	struct sleeper s[] = {{t + 100, "e"}, {t, "b"}, {t, "c"}, {t - 1, "a"}, {t, "d"}};
	il_group g;

	CHECK_RC(il_group_open(&g), 0);
	for (size_t i = 0; i < sizeof s / sizeof *s; i++)
		CHECK_RC(il_group_start_soon(&g, NULL, sleep_then_trace, &s[i]), 0);
	CHECK_RC(il_group_close(&g, 0), 0);
	CHECK_TRACE("a b c d e");
}

static int reach_one_checkpoint(void *arg)
{
	int rc = (*(il_time *)arg == 0) ? il_yield() : il_check_cancelled();

	CHECK_RC(rc, -ECANCELED);
	return rc;
}

IL_TEST(K, n204_a_past_deadline_shows_at_the_first_checkpoint)
{
	for (il_time kind = 0; kind < 2; kind++) {
		il_scope s = IL_SCOPE_INIT;
		CHECK_RC(il_scope_enter(&s, il_now() - IL_SEC(1), 0), 0);
		TRACE("body");
		CHECK_RC(il_scope_exit(&s, reach_one_checkpoint(&kind)), 0);
		CHECK(il_scope_expired(&s) && il_scope_caught(&s));
		CHECK_RC(il_fail_after(0, reach_one_checkpoint, &kind), -ETIMEDOUT);
		CHECK_RC(il_move_on_after(0, reach_one_checkpoint, &kind), 0);
	}
	CHECK_TRACE("body body");
	CHECK_RC(il_yield(), 0);
}

IL_TEST(K, n205_the_earlier_outer_deadline_fires)
{
	il_scope outer = IL_SCOPE_INIT, inner = IL_SCOPE_INIT, shield = IL_SCOPE_INIT;
	il_time start = il_now(), first = start + IL_MSEC(50);

	CHECK_EQ(il_effective_deadline(), IL_FOREVER);
	CHECK_RC(il_scope_enter(&outer, first, 0), 0);
	CHECK_RC(il_scope_enter(&inner, start + IL_SEC(60), 0), 0);
	CHECK_EQ(il_effective_deadline(), first);
	CHECK_RC(il_scope_enter(&shield, IL_FOREVER, IL_SHIELD), 0);
	CHECK_EQ(il_effective_deadline(), IL_FOREVER);
	CHECK_RC(il_scope_exit(&shield, 0), 0);
	CHECK_RC(il_sleep(IL_SEC(120)), -ECANCELED);
	CHECK(il_now() >= first);
	CHECK_EQ(il_effective_deadline(), INT64_MIN);
	CHECK_RC(il_scope_exit(&inner, -ECANCELED), -ECANCELED);
	CHECK(!il_scope_cancelled(&inner) && !il_scope_caught(&inner) && !il_scope_expired(&inner));
	CHECK_RC(il_scope_exit(&outer, -ECANCELED), 0);
	CHECK(il_scope_expired(&outer) && il_scope_caught(&outer));
	CHECK_EQ(il_effective_deadline(), IL_FOREVER);
}

static void busy(il_time delay)
{
	il_time until = il_now() + delay;
	struct timespec t = {.tv_nsec = (long)IL_MSEC(1)};

	while (il_now() < until)
		nanosleep(&t, NULL);
}

static int be_busy_then_yield(void *arg)
{
	(void)arg;
	busy(IL_MSEC(5));
	return il_yield();
}

static int two_timeouts_while_busy(void *arg)
{
	CHECK_RC(il_fail_after(IL_MSEC(2), be_busy_then_yield, arg), -ECANCELED);
	return -ECANCELED;
}

IL_TEST_REAL(K, n206_both_deadlines_pass_while_busy_the_outer_one_reports)
{
	CHECK_RC(il_fail_after(IL_MSEC(1), two_timeouts_while_busy, NULL), -ETIMEDOUT);
}

static int inner_timeout_then_wait(void *arg)
{
	CHECK_RC(il_fail_after(IL_MSEC(1), sleep_forever, arg), -ETIMEDOUT);
	CHECK_RC(il_check_cancelled(), 0);
	return il_sleep_forever();
}

IL_TEST(K, n206_a_handled_inner_timeout_leaves_the_outer_one_to_fire)
{
	il_time start = il_now();

	/* The inner one is to be handled before the outer one's time comes, on a busy machine, too. */
	CHECK_RC(il_fail_after(IL_SEC(2), inner_timeout_then_wait, NULL), -ETIMEDOUT);
	CHECK(il_now() - start >= IL_SEC(2));
}

IL_TEST(K, n207_a_moved_deadline_holds)
{
	static const il_time forever = IL_FOREVER;
	il_scope later = IL_SCOPE_INIT, earlier = IL_SCOPE_INIT, none = IL_SCOPE_INIT;
	il_time start = il_now();

	CHECK_RC(il_scope_enter(&later, start + IL_MSEC(200), 0), 0);
	CHECK_RC(il_scope_set_deadline(&later, start + IL_MSEC(250)), 0);
	CHECK_RC(il_scope_exit(&later, il_sleep_forever()), 0);
	CHECK(il_now() - start >= IL_MSEC(250));

	CHECK_RC(il_scope_enter(&earlier, start + IL_SEC(100), 0), 0);
	CHECK_RC(il_scope_set_deadline(&earlier, il_now() + IL_MSEC(5)), 0);
	CHECK_RC(il_scope_exit(&earlier, il_sleep_forever()), 0);
	CHECK(il_now() - start < IL_SEC(100));

	CHECK_RC(il_scope_enter(&none, il_now() + IL_MSEC(200), 0), 0);
	CHECK_RC(il_scope_set_deadline(&none, forever), 0);
	CHECK_RC(il_scope_exit(&none, il_sleep(IL_MSEC(210))), 0);
	CHECK(!il_scope_cancelled(&none));
}

IL_TEST(K, n207_a_deadline_moved_too_late_is_refused)
{
	il_scope s = IL_SCOPE_INIT, left = IL_SCOPE_INIT;

	CHECK_RC(il_scope_enter(&s, il_now() + IL_MSEC(1), 0), 0);
	CHECK_RC(il_sleep_forever(), -ECANCELED);
	CHECK_RC(il_scope_set_deadline(&s, il_now() + IL_SEC(1)), -EALREADY);
	CHECK_RC(il_check_cancelled(), -ECANCELED);
	CHECK_RC(il_scope_exit(&s, -ECANCELED), 0);
	CHECK_RC(il_scope_enter(&left, IL_FOREVER, 0), 0);
	CHECK_RC(il_scope_exit(&left, 0), 0);
	CHECK_RC(il_scope_set_deadline(&left, il_now() + IL_SEC(1)), -EALREADY);
}

IL_TEST(K, n207_a_deadline_set_before_entry_counts)
{
	il_scope s = IL_SCOPE_INIT;

	CHECK_RC(il_scope_set_deadline(&s, il_now() + IL_MSEC(2)), 0);
	CHECK_RC(il_scope_enter(&s, IL_FOREVER, 0), 0);
	CHECK_RC(il_scope_exit(&s, il_sleep_forever()), 0);
	CHECK(il_scope_expired(&s));
}

static int fail_when_cancelled(void *arg)
{
	(void)arg;
	CHECK_RC(il_sleep_forever(), -ECANCELED);
	return -EIO;
}

static int cancel_scope_soon(void *arg)
{
	CHECK_RC(il_sleep(IL_MSEC(1)), 0);
	return il_scope_cancel(arg);
}

static int group_of_sleepers(void *arg)
{
	il_group g;

	CHECK_RC(il_group_open(&g), 0);
	CHECK_RC(il_group_start_soon(&g, NULL, sleep_forever, arg), 0);
	CHECK_RC(il_group_start_soon(&g, NULL, sleep_forever, arg), 0);
	return il_group_close(&g, il_sleep_forever());
}

IL_TEST(K, n209_an_error_of_its_own_wins_over_the_timeout)
{
	CHECK_RC(il_fail_after(IL_MSEC(1), fail_when_cancelled, NULL), -EIO);
	CHECK_RC(il_move_on_after(IL_MSEC(1), fail_when_cancelled, NULL), -EIO);
}

IL_TEST(K, n209_a_foreign_cancellation_is_no_timeout)
{
	il_scope outer = IL_SCOPE_INIT;
	il_group g;

	CHECK_RC(il_group_open(&g), 0);
	CHECK_RC(il_scope_enter(&outer, IL_FOREVER, 0), 0);
	CHECK_RC(il_group_start_soon(&g, NULL, cancel_scope_soon, &outer), 0);
	CHECK_RC(il_fail_after(IL_SEC(100), sleep_forever, NULL), -ECANCELED);
	CHECK_RC(il_scope_exit(&outer, -ECANCELED), 0);
	CHECK(il_scope_caught(&outer));
	CHECK_RC(il_group_close(&g, 0), 0);
}

IL_TEST(K, n209_a_group_inside_a_timeout_gives_one_timeout)
{
	CHECK_RC(il_fail_after(IL_MSEC(1), group_of_sleepers, NULL), -ETIMEDOUT);
	CHECK_RC(il_move_on_after(IL_MSEC(1), group_of_sleepers, NULL), 0);
}

static int count_runs(void *arg)
{
	++*(int *)arg;
	return il_sleep_forever();
}

IL_TEST(K, n210_waiting_for_a_done_future_returns_at_once)
{
	il_future *f;

	CHECK_RC(il_future_create(&f), 0);
	CHECK_RC(il_future_set_result(f, 42), 0);
	CHECK_RC(il_future_result(f, 0), 42);
	il_future_unref(f);
}

IL_TEST(K, n210_a_call_that_had_no_time_to_begin_never_begins)
{
	il_future *f;
	il_group g;
	int runs = 0;

	CHECK_RC(il_group_open(&g), 0);
	CHECK_RC(il_group_start_soon(&g, &f, count_runs, &runs), 0);
	CHECK_RC(il_future_result(f, 0), -ETIMEDOUT);
	CHECK(il_future_cancel(f));
	CHECK(il_future_done(f));
	CHECK_RC(il_group_close(&g, 0), 0);
	CHECK_RC(il_future_join(f), -ECANCELED);
	CHECK_EQ(runs, 0);
}

IL_TEST(K, n210_a_running_call_is_cancelled_and_joined)
{
	il_future *f;
	il_group g;
	int runs = 0;

	CHECK_RC(il_group_open(&g), 0);
	CHECK_RC(il_group_start_soon(&g, &f, count_runs, &runs), 0);
	UNTIL(runs == 1);
	CHECK_RC(il_future_result(f, 0), -ETIMEDOUT);
	CHECK(il_future_cancel(f));
	CHECK_RC(il_future_join(f), -ECANCELED);
	CHECK_RC(il_group_close(&g, 0), 0);
}

static int clean_up_slowly(void *arg)
{
	il_scope s = IL_SCOPE_INIT;

	CHECK_RC(il_sleep_forever(), -ECANCELED);
	CHECK_RC(il_scope_enter(&s, IL_FOREVER, IL_SHIELD), 0);
	CHECK_RC(il_scope_exit(&s, il_sleep(IL_MSEC(5))), 0);
	TRACE("cleaned");
	return *(int *)arg;
}

IL_TEST(K, n211_a_timeout_waits_for_the_end_of_the_call)
{
	int results[] = {-ECANCELED, 5, -EIO}, expected[] = {-ETIMEDOUT, 5, -EIO};

	for (size_t i = 0; i < 3; i++)
		CHECK_RC(il_fail_after(IL_MSEC(1), clean_up_slowly, &results[i]), expected[i]);
	CHECK_TRACE("cleaned cleaned cleaned");
}

struct waiter {
	il_future *f;
	il_scope scope;
	int rc, after;
};

static int wait_in_scope(void *arg)
{
	struct waiter *w = arg;

	CHECK_RC(il_scope_enter(&w->scope, IL_FOREVER, 0), 0);
	w->rc = il_future_result(w->f, IL_FOREVER);
	w->after = il_check_cancelled();
	return il_scope_exit(&w->scope, 0);
}

static void race_result_and_cancel(struct waiter *w, bool result_first)
{
	il_group g;

	CHECK_RC(il_future_create(&w->f), 0);
	CHECK_RC(il_group_open(&g), 0);
	CHECK_RC(il_group_start_soon(&g, NULL, wait_in_scope, w), 0);
	CHECK_RC(il_sleep(IL_MSEC(1)), 0);
	if (result_first)
		CHECK_RC(il_future_set_result(w->f, 7), 0);
	CHECK_RC(il_scope_cancel(&w->scope), 0);
	if (!result_first)
		CHECK_RC(il_future_set_result(w->f, 7), 0);
	CHECK_RC(il_group_close(&g, 0), 0);
	CHECK_RC(il_future_result(w->f, 0), 7);
	il_future_unref(w->f);
}

IL_TEST(K, n212_result_and_cancellation_in_one_turn_have_one_outcome)
{
	struct waiter a = {.scope = IL_SCOPE_INIT}, b = {.scope = IL_SCOPE_INIT};

	race_result_and_cancel(&a, true);
	CHECK(a.rc == 7 || a.rc == -ECANCELED);
	CHECK_RC(a.after, -ECANCELED);
	race_result_and_cancel(&b, false);
	CHECK_RC(b.rc, -ECANCELED);
	CHECK_RC(b.after, -ECANCELED);
}

static int set_at(void *arg)
{
	struct waiter *w = arg;

	CHECK_RC(il_sleep(IL_MSEC(10)), 0);
	return il_future_set_result(w->f, 7);
}

IL_TEST(K, n212_result_and_timeout_in_one_turn_have_one_outcome)
{
	struct waiter w;
	il_group g;

	CHECK_RC(il_future_create(&w.f), 0);
	CHECK_RC(il_group_open(&g), 0);
	CHECK_RC(il_group_start_soon(&g, NULL, set_at, &w), 0);
	int rc = il_future_result(w.f, IL_MSEC(10));
	CHECK(rc == 7 || rc == -ETIMEDOUT);
	CHECK_RC(il_future_result(w.f, IL_FOREVER), 7);
	CHECK_RC(il_group_close(&g, 0), 0);
	il_future_unref(w.f);
}
