/*
 * j_scopes.c: cancel scopes: level-triggered, nested, shielded.
 */
#include "waits.h"

/* A task that waits inside a scope of its own until somebody cancels it. */
struct target {
	il_scope scope;
	bool waiting;
	int rc;
};

static int wait_in_scope(void *arg)
{
	struct target *t = arg;

	CHECK_RC(il_scope_enter(&t->scope, IL_FOREVER, 0), 0);
	t->waiting = true;
	t->rc = il_sleep_forever();
	t->waiting = false;
	return il_scope_exit(&t->scope, t->rc);
}

IL_TEST(J, n184_cancelled_before_entry_shows_at_the_first_checkpoint)
{
	il_scope s = IL_SCOPE_INIT;

	CHECK_RC(il_scope_cancel(&s), 0);
	CHECK_RC(il_scope_cancel(&s), 0);
	CHECK(il_scope_cancelled(&s));
	CHECK_RC(il_scope_enter(&s, IL_FOREVER, 0), 0);
	TRACE("inside");
	CHECK_RC(il_yield(), -ECANCELED);
	CHECK_RC(il_sleep_forever(), -ECANCELED);
	CHECK_RC(il_scope_exit(&s, -ECANCELED), 0);
	CHECK(il_scope_caught(&s));
	CHECK_TRACE("inside");
}

IL_TEST(J, n184_cancelling_after_the_exit_sets_a_flag_only)
{
	il_scope s = IL_SCOPE_INIT;

	CHECK_RC(il_scope_enter(&s, IL_FOREVER, 0), 0);
	CHECK_RC(il_scope_exit(&s, 5), 5);
	CHECK_RC(il_scope_cancel(&s), 0);
	CHECK(il_scope_cancelled(&s) && !il_scope_caught(&s));
	CHECK_RC(il_yield(), 0);
}

IL_TEST(J, n184_a_scope_serves_once)
{
	il_scope s = IL_SCOPE_INIT;

	CHECK_RC(il_scope_enter(&s, IL_FOREVER, 0), 0);
	CHECK_RC(il_scope_enter(&s, IL_FOREVER, 0), -EALREADY);
	CHECK_RC(il_scope_exit(&s, 0), 0);
	CHECK_RC(il_scope_enter(&s, IL_FOREVER, 0), -EALREADY);
	CHECK_RC(il_scope_exit(&s, 7), -EALREADY);
}

IL_TEST(J, leaving_out_of_order_changes_nothing)
{
	il_scope outer = IL_SCOPE_INIT, inner = IL_SCOPE_INIT;

	CHECK_RC(il_scope_enter(&outer, IL_FOREVER, 0), 0);
	CHECK_RC(il_scope_enter(&inner, IL_FOREVER, 0), 0);
	CHECK_RC(il_scope_exit(&outer, 0), -EALREADY);
	CHECK_RC(il_scope_cancel(&outer), 0);
	CHECK_RC(il_yield(), -ECANCELED);
	CHECK_RC(il_scope_exit(&inner, 3), 3);
	CHECK_RC(il_scope_exit(&outer, 4), 4);
}

IL_TEST(J, n185_cancelled_but_left_without_a_checkpoint)
{
	il_scope s = IL_SCOPE_INIT;

	CHECK_RC(il_scope_enter(&s, IL_FOREVER, 0), 0);
	CHECK_RC(il_scope_cancel(&s), 0);
	CHECK_RC(il_scope_exit(&s, 0), 0);
	CHECK(il_scope_cancelled(&s) && !il_scope_caught(&s));
	CHECK_RC(il_check_cancelled(), 0);
	CHECK_RC(il_yield(), 0);
}

IL_TEST(J, n186_another_task_cancels_one_scope_and_no_other)
{
	struct target a = {.scope = IL_SCOPE_INIT}, b = {.scope = IL_SCOPE_INIT};
	il_group g;

	CHECK_RC(il_group_open(&g), 0);
	CHECK_RC(il_group_start_soon(&g, NULL, wait_in_scope, &a), 0);
	CHECK_RC(il_group_start_soon(&g, NULL, wait_in_scope, &b), 0);
	UNTIL(a.waiting && b.waiting);
	CHECK_RC(il_scope_cancel(&a.scope), 0);
	UNTIL(!a.waiting);
	CHECK_RC(a.rc, -ECANCELED);
	CHECK(il_scope_caught(&a.scope));
	CHECK_RC(il_sleep(IL_MSEC(2)), 0);
	CHECK(b.waiting && !il_scope_cancelled(il_group_scope(&g)));
	CHECK_RC(il_scope_cancel(&b.scope), 0);
	CHECK_RC(il_group_close(&g, 0), 0);
}

IL_TEST_FIFO(J, n186_the_wait_ends_in_the_same_turn)
{
	struct target t = {.scope = IL_SCOPE_INIT};
	il_group g;

	CHECK_RC(il_group_open(&g), 0);
	CHECK_RC(il_group_start_soon(&g, NULL, wait_in_scope, &t), 0);
	CHECK_RC(il_yield(), 0);
	CHECK(t.waiting);
	CHECK_RC(il_scope_cancel(&t.scope), 0);
	CHECK_RC(il_yield(), 0);
	CHECK(!t.waiting);
	CHECK_RC(il_group_close(&g, 0), 0);
}

static void cancel_from_callback(void *arg)
{
	struct target *t = arg;

	CHECK(t->waiting);
	CHECK_RC(il_scope_cancel(&t->scope), 0);
	CHECK_RC(il_yield(), -EPERM);
	CHECK_RC(il_sleep_forever(), -EPERM);
}

IL_TEST_REAL(J, n186_a_callback_of_the_native_loop_cancels)
{
	struct target t = {.scope = IL_SCOPE_INIT};

	il_native.after(il_loop_native(il_loop_current()), IL_MSEC(2), cancel_from_callback, &t);
	CHECK_RC(wait_in_scope(&t), 0);
	CHECK(il_scope_caught(&t.scope));
}

IL_TEST(J, no_scope_was_not_cancelled)
{
	CHECK(!il_scope_cancelled(NULL) && !il_scope_caught(NULL) && !il_scope_expired(NULL));
	CHECK_RC(il_scope_cancel(NULL), -EINVAL);
	CHECK_RC(il_scope_set_deadline(NULL, 0), -EINVAL);
	CHECK_RC(il_scope_set_shield(NULL, true), -EINVAL);
	CHECK_RC(il_scope_exit(NULL, 0), -EINVAL);
}

static int cancel_in_thread(void *arg)
{
	CHECK_RC(il_scope_cancel(arg), -EPERM);
	return 0;
}

IL_TEST(J, another_thread_may_not_cancel)
{
	il_scope s = IL_SCOPE_INIT;
	struct il_test_thread thread;

	CHECK_RC(il_scope_enter(&s, IL_FOREVER, 0), 0);
	il_test_thread_start(&thread, cancel_in_thread, &s);
	CHECK_RC(il_test_thread_join(&thread), 0);
	CHECK_RC(il_scope_exit(&s, il_yield()), 0);
	CHECK(!il_scope_cancelled(&s));
}

IL_TEST(J, n187_control_leaves_the_outermost_cancelled_scope)
{
	il_scope s1 = IL_SCOPE_INIT, s2 = IL_SCOPE_INIT, s3 = IL_SCOPE_INIT;

	CHECK_RC(il_scope_enter(&s1, IL_FOREVER, 0), 0);
	CHECK_RC(il_scope_enter(&s2, IL_FOREVER, 0), 0);
	CHECK_RC(il_scope_enter(&s3, IL_FOREVER, 0), 0);
	CHECK_RC(il_scope_cancel(&s3), 0);
	CHECK_RC(il_scope_cancel(&s2), 0);
	CHECK_RC(il_sleep_forever(), -ECANCELED);
	CHECK_RC(il_scope_exit(&s3, -ECANCELED), -ECANCELED);
	CHECK_RC(il_check_cancelled(), -ECANCELED);
	CHECK_RC(il_scope_exit(&s2, -ECANCELED), 0);
	CHECK_RC(il_yield(), 0);
	CHECK_RC(il_scope_exit(&s1, 0), 0);
	CHECK(!il_scope_caught(&s1) && il_scope_caught(&s2) && !il_scope_caught(&s3));
}

IL_TEST(J, n189_a_shield_holds_until_it_is_left)
{
	il_scope outer = IL_SCOPE_INIT, inner = IL_SCOPE_INIT;

	CHECK_RC(il_scope_enter(&outer, IL_FOREVER, 0), 0);
	CHECK_RC(il_scope_enter(&inner, IL_FOREVER, IL_SHIELD), 0);
	CHECK_RC(il_scope_cancel(&outer), 0);
	CHECK_RC(il_yield(), 0);
	CHECK_RC(il_sleep(IL_MSEC(1)), 0);
	CHECK_RC(il_scope_exit(&inner, 0), 0);
	CHECK_RC(il_yield(), -ECANCELED);
	CHECK_RC(il_yield(), -ECANCELED);
	CHECK_RC(il_scope_exit(&outer, -ECANCELED), 0);
	CHECK(il_scope_caught(&outer) && !il_scope_cancelled(&inner));
}

IL_TEST(J, n190_a_shield_does_not_protect_from_its_own_scope)
{
	il_scope hand = IL_SCOPE_INIT, deadline = IL_SCOPE_INIT;

	CHECK_RC(il_scope_enter(&hand, IL_FOREVER, IL_SHIELD), 0);
	CHECK_RC(il_scope_cancel(&hand), 0);
	CHECK_RC(il_scope_exit(&hand, il_sleep_forever()), 0);
	CHECK(il_scope_caught(&hand));
	CHECK_RC(il_scope_enter(&deadline, il_deadline(IL_MSEC(1)), IL_SHIELD), 0);
	CHECK_RC(il_scope_exit(&deadline, il_sleep_forever()), 0);
	CHECK(il_scope_caught(&deadline) && il_scope_expired(&deadline));
}

IL_TEST(J, n190_a_shield_does_not_protect_from_scopes_inside_it)
{
	il_scope shield = IL_SCOPE_INIT, inside = IL_SCOPE_INIT;

	CHECK_RC(il_scope_enter(&shield, IL_FOREVER, IL_SHIELD), 0);
	CHECK_RC(il_scope_enter(&inside, il_deadline(IL_MSEC(1)), 0), 0);
	CHECK_RC(il_scope_exit(&inside, il_sleep_forever()), 0);
	CHECK(il_scope_caught(&inside));
	CHECK_RC(il_scope_exit(&shield, il_yield()), 0);
	CHECK(!il_scope_caught(&shield));
}

struct shielded {
	il_scope outer, inner;
	int begun, rc;
	bool done;
};

static int wait_behind_a_shield(void *arg)
{
	struct shielded *s = arg;

	CHECK_RC(il_scope_enter(&s->outer, IL_FOREVER, 0), 0);
	CHECK_RC(il_scope_enter(&s->inner, IL_FOREVER, 0), 0);
	CHECK_RC(il_scope_set_shield(&s->inner, true), 0);
	s->begun = 1;
	s->rc = il_sleep_forever();
	s->done = true;
	return il_scope_exit(&s->outer, il_scope_exit(&s->inner, s->rc));
}

IL_TEST(J, n191_a_shield_switched_off_lets_the_pending_cancellation_in)
{
	struct shielded s = {.outer = IL_SCOPE_INIT, .inner = IL_SCOPE_INIT};
	il_group g;

	CHECK_RC(il_group_open(&g), 0);
	CHECK_RC(il_group_start_soon(&g, NULL, wait_behind_a_shield, &s), 0);
	UNTIL(s.begun);
	CHECK_RC(il_scope_cancel(&s.outer), 0);
	CHECK_RC(il_sleep(IL_MSEC(2)), 0);
	CHECK(!s.done);
	CHECK_RC(il_scope_set_shield(&s.inner, false), 0);
	UNTIL(s.done);
	CHECK_RC(s.rc, -ECANCELED);
	CHECK_RC(il_group_close(&g, 0), 0);
	CHECK(il_scope_caught(&s.outer) && !il_scope_caught(&s.inner));
}

IL_TEST(J, n192_a_shield_raised_while_a_cancellation_travels)
{
	il_scope outer = IL_SCOPE_INIT, inner = IL_SCOPE_INIT;

	CHECK_RC(il_scope_enter(&outer, IL_FOREVER, 0), 0);
	CHECK_RC(il_scope_enter(&inner, IL_FOREVER, 0), 0);
	CHECK_RC(il_scope_cancel(&outer), 0);
	int rc = il_yield();
	CHECK_RC(rc, -ECANCELED);
	CHECK_RC(il_scope_set_shield(&inner, true), 0);
	CHECK_RC(il_yield(), 0);
	CHECK_RC(il_scope_exit(&inner, rc), -ECANCELED);
	CHECK_RC(il_scope_exit(&outer, -ECANCELED), 0);
	CHECK(il_scope_caught(&outer) && !il_scope_caught(&inner));
}

IL_TEST(J, n194_clean_up_behind_a_shield_works)
{
	il_scope outer = IL_SCOPE_INIT, inner = IL_SCOPE_INIT;

	CHECK_RC(il_scope_enter(&outer, il_deadline(IL_SEC(100)), 0), 0);
	CHECK_RC(il_scope_cancel(&outer), 0);
	CHECK_RC(il_sleep_forever(), -ECANCELED);
	CHECK_EQ(il_effective_deadline(), INT64_MIN);
	CHECK_RC(il_scope_enter(&inner, IL_FOREVER, IL_SHIELD), 0);
	CHECK_RC(il_check_cancelled(), 0);
	CHECK_EQ(il_effective_deadline(), IL_FOREVER);
	CHECK_RC(il_sleep(IL_MSEC(1)), 0);
	CHECK_RC(il_scope_exit(&inner, 0), 0);
	CHECK_RC(il_check_cancelled(), -ECANCELED);
	CHECK_EQ(il_effective_deadline(), INT64_MIN);
	CHECK_RC(il_scope_exit(&outer, -ECANCELED), 0);
}

/* The thread runs until the test lets it go: a wait that cannot be given up. */
struct stubborn {
	atomic_bool begun, go;
	il_scope outer, inner;
	int rc, after;
};

static int run_until_released(void *arg)
{
	struct stubborn *s = arg;

	atomic_store(&s->begun, true);
	UNTIL(atomic_load(&s->go));
	return 42;
}

static int wait_stubbornly(void *arg)
{
	struct stubborn *s = arg;

	CHECK_RC(il_scope_enter(&s->outer, IL_FOREVER, 0), 0);
	CHECK_RC(il_scope_enter(&s->inner, IL_FOREVER, 0), 0);
	s->rc = il_run_in_thread(run_until_released, s);
	s->after = il_yield();
	return il_scope_exit(&s->outer, il_scope_exit(&s->inner, s->after));
}

IL_TEST(J, n195_what_cannot_be_given_up_keeps_its_result)
{
	struct stubborn s = {.outer = IL_SCOPE_INIT, .inner = IL_SCOPE_INIT};
	il_group g;

	CHECK_RC(il_group_open(&g), 0);
	CHECK_RC(il_group_start_soon(&g, NULL, wait_stubbornly, &s), 0);
	UNTIL_THREAD(atomic_load(&s.begun));
	CHECK_RC(il_scope_cancel(&s.inner), 0);
	CHECK_RC(il_scope_cancel(&s.outer), 0);
	CHECK_RC(il_yield(), 0);
	atomic_store(&s.go, true);
	CHECK_RC(il_group_close(&g, 0), 0);
	CHECK_RC(s.rc, 42);
	CHECK_RC(s.after, -ECANCELED);
	CHECK(il_scope_caught(&s.outer) && !il_scope_caught(&s.inner));
}

struct slow_start {
	il_group *group;
	struct shielded s;
	bool cleaning, clean;
};

static int start_and_clean_slowly(void *arg)
{
	struct slow_start *slow = arg;

	CHECK_RC(il_sleep_forever(), -ECANCELED);
	slow->cleaning = true;
	CHECK_RC(shielded_sleep(IL_MSEC(5)), 0);
	slow->clean = true;
	return -ECANCELED;
}

static int start_in_scope(void *arg)
{
	struct slow_start *slow = arg;
	struct shielded *s = &slow->s;

	CHECK_RC(il_scope_enter(&s->outer, IL_FOREVER, 0), 0);
	CHECK_RC(il_scope_enter(&s->inner, IL_FOREVER, 0), 0);
	s->begun = 1;
	s->rc = il_group_start(slow->group, NULL, start_and_clean_slowly, slow);
	return il_scope_exit(&s->outer, il_scope_exit(&s->inner, s->rc));
}

IL_TEST(J, n195_a_slow_abort_that_is_shielded_meanwhile_still_cancels)
{
	il_group g;
	struct slow_start slow = {.group = &g,
				  .s = {.outer = IL_SCOPE_INIT, .inner = IL_SCOPE_INIT}};

	CHECK_RC(il_group_open(&g), 0);
	CHECK_RC(il_group_start_soon(&g, NULL, start_in_scope, &slow), 0);
	UNTIL(slow.s.begun);
	CHECK_RC(il_sleep(IL_MSEC(1)), 0);
	CHECK_RC(il_scope_cancel(&slow.s.outer), 0);
	UNTIL(slow.cleaning);
	CHECK_RC(il_scope_set_shield(&slow.s.inner, true), 0);
	CHECK_RC(il_group_close(&g, 0), 0);
	CHECK(slow.clean);
	CHECK_RC(slow.s.rc, -ECANCELED);
}

static int operation(void *arg)
{
	CHECK_RC(il_sleep(IL_MSEC(2)), 0);
	return *(int *)arg;
}

/* What AsyncIO frameworks call ignore_cancellation. */
static int ignore_cancellation(il_fn *fn, void *arg)
{
	il_scope s = IL_SCOPE_INIT;

	CHECK_RC(il_scope_enter(&s, IL_FOREVER, IL_SHIELD), 0);
	return il_scope_exit(&s, fn(arg));
}

IL_TEST(J, n196_a_shielded_operation_completes_and_the_cancellation_stays)
{
	il_scope s = IL_SCOPE_INIT;
	int value = 9;

	CHECK_RC(il_scope_enter(&s, IL_FOREVER, 0), 0);
	CHECK_RC(il_scope_cancel(&s), 0);
	CHECK_RC(ignore_cancellation(operation, &value), 9);
	CHECK_RC(il_yield(), -ECANCELED);
	CHECK_RC(ignore_cancellation(operation, &value), 9);
	CHECK_RC(il_yield(), -ECANCELED);
	CHECK_RC(il_scope_exit(&s, -ECANCELED), 0);
}

enum { INNER = 1, OUTER = 2 };

/* These scopes are cancelled, by hand or by their deadlines, while the last operation of the inner one is shielded. */
static void cancelled_inside_a_shield(bool by_deadline, int which)
{
	il_scope outer = IL_SCOPE_INIT, s = IL_SCOPE_INIT, shield = IL_SCOPE_INIT;
	il_time soon = by_deadline ? il_deadline(IL_MSEC(1)) : IL_FOREVER;

	CHECK_RC(il_scope_enter(&outer, which & OUTER ? soon : IL_FOREVER, 0), 0);
	CHECK_RC(il_scope_enter(&s, which & INNER ? soon : IL_FOREVER, 0), 0);
	CHECK_RC(il_scope_enter(&shield, IL_FOREVER, IL_SHIELD), 0);
	if (!by_deadline && which & INNER)
		CHECK_RC(il_scope_cancel(&s), 0);
	if (!by_deadline && which & OUTER)
		CHECK_RC(il_scope_cancel(&outer), 0);
	CHECK_RC(il_sleep(IL_MSEC(5)), 0);
	CHECK_RC(il_scope_exit(&shield, 0), 0);
	CHECK_RC(il_scope_exit(&s, 0), 0);
	CHECK(!(which & INNER) || il_scope_cancelled(&s));
	CHECK(!il_scope_caught(&s));
	CHECK_RC(il_yield(), which & OUTER ? -ECANCELED : 0);
	CHECK_RC(il_scope_exit(&outer, 0), 0);
	CHECK_RC(il_yield(), 0);
}

IL_TEST(J, n197_a_cancellation_that_ends_with_its_scope_does_not_linger)
{
	for (int which = INNER; which <= (INNER | OUTER); which++) {
		cancelled_inside_a_shield(false, which);
		cancelled_inside_a_shield(true, which);
	}
}

static int fail_in_cleanup(void *arg)
{
	(void)arg;
	CHECK_RC(il_sleep_forever(), -ECANCELED);
	return -EIO;
}

IL_TEST(J, n199_an_error_made_of_a_cancellation_leaves_the_scope)
{
	il_scope s = IL_SCOPE_INIT;

	CHECK_RC(il_scope_enter(&s, IL_FOREVER, 0), 0);
	CHECK_RC(il_scope_cancel(&s), 0);
	CHECK_RC(il_scope_exit(&s, fail_in_cleanup(NULL)), -EIO);
	CHECK(il_scope_cancelled(&s) && !il_scope_caught(&s));
}

IL_TEST(J, n199_cancellations_are_filtered_from_errors)
{
	il_scope s = IL_SCOPE_INIT;
	il_group g;
	int codes[4];

	CHECK_RC(il_scope_enter(&s, IL_FOREVER, 0), 0);
	CHECK_RC(il_group_open(&g), 0);
	CHECK_RC(il_group_start_soon(&g, NULL, sleep_forever, NULL), 0);
	CHECK_RC(il_group_start_soon(&g, NULL, fail_in_cleanup, NULL), 0);
	CHECK_RC(il_sleep(IL_MSEC(1)), 0);
	CHECK_RC(il_scope_cancel(&s), 0);
	int rc = il_group_close(&g, il_sleep_forever());
	CHECK_RC(rc, -EIO);
	CHECK_EQ(il_group_errors(&g, codes, 4), 1);
	CHECK_RC(codes[0], -EIO);
	CHECK_RC(il_scope_exit(&s, rc), -EIO);
	CHECK(!il_scope_caught(&s));
}

static uint64_t turns(void)
{
	il_loop_statistics s;

	CHECK_RC(il_loop_get_statistics(il_loop_current(), &s), 0);
	return s.turns;
}

static int nested_shielded_sleep(void *arg)
{
	int *depth = arg;
	il_group g;

	if (--*depth < 0)
		return shielded_sleep(IL_MSEC(200));
	CHECK_RC(il_group_open(&g), 0);
	CHECK_RC(il_group_start_soon(&g, NULL, nested_shielded_sleep, depth), 0);
	return il_group_close(&g, 0);
}

/* A few milliseconds of work in 200 of waiting, where a busy loop would take all of them. */
static il_time little(void)
{
	return il_test_patience() > IL_SEC(5) ? IL_MSEC(1000) : IL_MSEC(60);
}

IL_TEST_REAL(J, n200_a_pending_cancellation_costs_no_processor_time)
{
	il_scope s = IL_SCOPE_INIT;
	int depth = 3;
	il_time start = il_now(), cpu = il_test_cpu();
	uint64_t turns_before = turns();

	CHECK_RC(il_scope_enter(&s, IL_FOREVER, 0), 0);
	CHECK_RC(il_scope_cancel(&s), 0);
	CHECK_RC(nested_shielded_sleep(&depth), -ECANCELED);
	CHECK(il_now() - start >= IL_MSEC(200));
	CHECK(il_test_cpu() - cpu < little());
	/* The processor's time says little under a tool. One turn delivers it, and a few start and end the tasks. */
	CHECK(turns() - turns_before < 30);
	CHECK_RC(il_scope_exit(&s, -ECANCELED), 0);
}

static int return_at_once(void *arg)
{
	(void)arg;
	return 0;
}

IL_TEST_REAL(J, n200_a_cancelled_scope_without_tasks_costs_no_processor_time)
{
	il_scope s = IL_SCOPE_INIT, shield = IL_SCOPE_INIT;
	il_group g;
	il_time cpu = il_test_cpu();

	CHECK_RC(il_scope_enter(&s, IL_FOREVER, 0), 0);
	CHECK_RC(il_group_open(&g), 0);
	CHECK_RC(il_group_start_soon(&g, NULL, return_at_once, NULL), 0);
	CHECK_RC(il_yield(), 0);
	CHECK_RC(il_scope_cancel(il_group_scope(&g)), 0);
	CHECK_RC(il_scope_enter(&shield, IL_FOREVER, IL_SHIELD), 0);
	CHECK_RC(il_sleep(IL_MSEC(200)), 0);
	CHECK_RC(il_scope_exit(&shield, 0), 0);
	CHECK_RC(il_group_close(&g, 0), 0);
	CHECK_RC(il_scope_exit(&s, 0), 0);
	CHECK(il_test_cpu() - cpu < little());
}

static int trace_task(void *arg)
{
	TRACE((const char *)arg);
	return 0;
}

IL_TEST_FIFO(J, n201_the_three_checkpoints)
{
	il_group g;

	CHECK_RC(il_group_open(&g), 0);
	CHECK_RC(il_group_start_soon(&g, NULL, trace_task, "other"), 0);
	CHECK_RC(il_check_cancelled(), 0);
	TRACE("1");
	CHECK_RC(il_yield(), 0);
	TRACE("2");
	CHECK_RC(il_group_start_soon(&g, NULL, trace_task, "other"), 0);
	CHECK_RC(il_yield_shielded(), 0);
	TRACE("3");
	CHECK_RC(il_scope_cancel(il_group_scope(&g)), 0);
	CHECK_RC(il_group_start_soon(&g, NULL, trace_task, "other"), 0);
	CHECK_RC(il_check_cancelled(), -ECANCELED);
	TRACE("4");
	CHECK_RC(il_yield_shielded(), 0);
	TRACE("5");
	CHECK_RC(il_yield(), -ECANCELED);
	CHECK_RC(il_group_close(&g, 0), 0);
	CHECK_TRACE("1 other 2 other 3 4 other 5");
}

IL_TEST(J, n201_the_reason_of_a_cancellation_can_be_read)
{
	il_scope s = IL_SCOPE_INIT;

	CHECK_RC(il_scope_enter(&s, IL_FOREVER, 0), 0);
	CHECK_RC(il_scope_cancel_because(&s, "the kettle boils"), 0);
	CHECK_RC(il_yield(), -ECANCELED);
	CHECK(strstr(il_error_detail(), "the kettle boils") != NULL);
	CHECK_RC(il_scope_exit(&s, -ECANCELED), 0);
}

IL_TEST(J, n201_a_cancellation_without_a_reason_tells_of_no_older_error)
{
	il_scope s = IL_SCOPE_INIT;

	CHECK_RC(il_scope_enter(&s, IL_FOREVER, 0), 0);
	CHECK_RC(il_sleep(-1), -EINVAL);
	CHECK(il_error_detail()[0]);
	CHECK_RC(il_scope_cancel(&s), 0);
	CHECK_RC(il_yield(), -ECANCELED);
	CHECK_STR(il_error_detail(), "");
	CHECK_RC(il_scope_exit(&s, -ECANCELED), 0);
}

IL_TEST_CORE(J, no_task_no_checkpoint)
{
	il_scope s = IL_SCOPE_INIT;

	CHECK_RC(il_yield(), -EPERM);
	CHECK_RC(il_check_cancelled(), -EPERM);
	CHECK_RC(il_yield_shielded(), -EPERM);
	CHECK_RC(il_scope_enter(&s, IL_FOREVER, 0), -EPERM);
	CHECK_EQ(il_effective_deadline(), IL_FOREVER);
}
