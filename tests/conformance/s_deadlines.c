/*
 * s_deadlines.c: a scope with IL_FAIL_AT_DEADLINE says -ETIMEDOUT where its own deadline, and nothing else, ended
 * its body.
 */
#include "waits.h"

/* Long enough for a thread that is stopped between two lines: until then nothing has happened. */
static const il_time a_while = IL_MSEC(200);

static int be_busy_past(il_time deadline)
{
	while (il_now() < deadline)
		if (il_test_virtual())
			il_sleep(IL_MSEC(1));
	return il_yield();
}

IL_TEST(S, n380_a_flagged_scope_fails_when_its_deadline_cancelled_it)
{
	il_scope s = IL_SCOPE_INIT, in_time = IL_SCOPE_INIT, endless = IL_SCOPE_INIT;

	CHECK_RC(il_scope_enter(&s, il_deadline(IL_MSEC(1)), IL_FAIL_AT_DEADLINE), 0);
	CHECK_RC(il_scope_exit(&s, il_sleep_forever()), -ETIMEDOUT);
	CHECK(il_scope_caught(&s) && il_scope_expired(&s));
	CHECK_DETAIL("deadline");

	CHECK_RC(il_scope_enter(&in_time, il_deadline(IL_SEC(60)), IL_FAIL_AT_DEADLINE), 0);
	CHECK_RC(il_scope_exit(&in_time, 7), 7);
	CHECK(!il_scope_caught(&in_time) && !il_scope_expired(&in_time));

	CHECK_RC(il_scope_enter(&endless, IL_FOREVER, IL_FAIL_AT_DEADLINE | IL_SHIELD), 0);
	CHECK_RC(il_scope_exit(&endless, il_yield()), 0);
}

IL_TEST(S, n381_a_result_after_the_deadline_is_no_timeout)
{
	il_scope value = IL_SCOPE_INIT, error = IL_SCOPE_INIT, swallowed = IL_SCOPE_INIT;
	il_scope by_hand = IL_SCOPE_INIT;

	CHECK_RC(il_scope_enter(&value, il_deadline(0), IL_FAIL_AT_DEADLINE), 0);
	CHECK_RC(il_yield(), -ECANCELED);
	CHECK_RC(il_scope_exit(&value, 7), 7);
	CHECK_RC(il_scope_enter(&error, il_deadline(0), IL_FAIL_AT_DEADLINE), 0);
	CHECK_RC(il_yield(), -ECANCELED);
	CHECK_RC(il_scope_exit(&error, -EBADMSG), -EBADMSG);
	CHECK_RC(il_scope_enter(&swallowed, il_deadline(0), IL_FAIL_AT_DEADLINE), 0);
	CHECK_RC(il_yield(), -ECANCELED);
	CHECK_RC(il_scope_exit(&swallowed, 0), 0);
	CHECK(il_scope_expired(&swallowed) && !il_scope_caught(&swallowed));

	CHECK_RC(il_scope_enter(&by_hand, il_deadline(IL_SEC(60)), IL_FAIL_AT_DEADLINE), 0);
	CHECK_RC(il_scope_cancel(&by_hand), 0);
	CHECK_RC(il_scope_exit(&by_hand, il_yield()), 0);
	CHECK(il_scope_caught(&by_hand) && !il_scope_expired(&by_hand));
}

IL_TEST(S, n382_an_outer_cancellation_is_no_timeout_of_the_inner_scope)
{
	il_scope outer = IL_SCOPE_INIT, inner = IL_SCOPE_INIT;
	il_scope first = IL_SCOPE_INIT, second = IL_SCOPE_INIT;
	il_time soon = il_deadline(IL_MSEC(1));

	CHECK_RC(il_scope_enter(&outer, soon, IL_FAIL_AT_DEADLINE), 0);
	CHECK_RC(il_scope_enter(&inner, il_deadline(IL_SEC(60)), IL_FAIL_AT_DEADLINE), 0);
	CHECK_RC(il_scope_exit(&inner, il_sleep_forever()), -ECANCELED);
	CHECK_RC(il_scope_exit(&outer, -ECANCELED), -ETIMEDOUT);

	/* Both deadlines have passed while the task was busy. */
	soon = il_deadline(IL_MSEC(1));
	CHECK_RC(il_scope_enter(&first, soon, IL_FAIL_AT_DEADLINE), 0);
	CHECK_RC(il_scope_enter(&second, soon, IL_FAIL_AT_DEADLINE), 0);
	CHECK_RC(il_scope_exit(&second, be_busy_past(soon)), -ECANCELED);
	CHECK_RC(il_scope_exit(&first, -ECANCELED), -ETIMEDOUT);
}

static int keep_busy(il_time deadline)
{
	while (il_now() < deadline)
		;
	return 0;
}

/* While the task was busy, and it looked for the first time within a scope that was over, too. */
IL_TEST_REAL(S, n382_an_outer_deadline_that_passed_unnoticed_wins_over_an_inner_scope)
{
	for (int how = 0; how < 3; how++) {
		il_scope outer = IL_SCOPE_INIT, inner = IL_SCOPE_INIT;
		il_time soon = il_deadline(IL_MSEC(1));

		CHECK_RC(il_scope_enter(&outer, soon, IL_FAIL_AT_DEADLINE), 0);
		keep_busy(soon);
		CHECK_RC(il_scope_enter(&inner, how ? IL_FOREVER : soon, IL_FAIL_AT_DEADLINE), 0);
		if (how)
			CHECK_RC(il_scope_cancel(&inner), 0);
		CHECK_RC(il_scope_exit(&inner, how == 2 ? -ECANCELED : il_yield()), -ECANCELED);
		CHECK(!il_scope_caught(&inner));
		CHECK_RC(il_scope_exit(&outer, -ECANCELED), -ETIMEDOUT);
		CHECK(il_scope_caught(&outer) && il_scope_expired(&outer));
	}
}

IL_TEST_REAL(S, n382_nor_does_a_group_catch_what_an_outer_deadline_has_ended)
{
	il_scope outer = IL_SCOPE_INIT;
	il_time soon = il_deadline(IL_MSEC(1));
	il_group g;

	CHECK_RC(il_scope_enter(&outer, soon, IL_FAIL_AT_DEADLINE), 0);
	CHECK_RC(il_group_open(&g), 0);
	CHECK_RC(il_scope_cancel(il_group_scope(&g)), 0);
	keep_busy(soon);
	CHECK_RC(il_group_close(&g, il_check_cancelled()), -ECANCELED);
	CHECK_RC(il_scope_exit(&outer, -ECANCELED), -ETIMEDOUT);
}

IL_TEST_REAL(S, n382_a_shielded_scope_answers_for_itself)
{
	il_scope outer = IL_SCOPE_INIT, inner = IL_SCOPE_INIT;
	il_time soon = il_deadline(IL_MSEC(1));

	CHECK_RC(il_scope_enter(&outer, soon, IL_FAIL_AT_DEADLINE), 0);
	keep_busy(soon);
	CHECK_RC(il_scope_enter(&inner, soon, IL_FAIL_AT_DEADLINE | IL_SHIELD), 0);
	CHECK_RC(il_scope_exit(&inner, il_yield()), -ETIMEDOUT);
	CHECK_RC(il_scope_exit(&outer, il_yield()), -ETIMEDOUT);
}

IL_TEST(S, n382_a_cancelled_outer_scope_wins_over_the_deadline)
{
	il_scope outer = IL_SCOPE_INIT, inner = IL_SCOPE_INIT;

	CHECK_RC(il_scope_enter(&outer, IL_FOREVER, 0), 0);
	CHECK_RC(il_scope_enter(&inner, il_deadline(0), IL_FAIL_AT_DEADLINE), 0);
	CHECK_RC(il_scope_cancel(&outer), 0);
	CHECK_RC(il_scope_exit(&inner, il_yield()), -ECANCELED);
	CHECK(il_scope_expired(&inner) && !il_scope_caught(&inner));
	CHECK_RC(il_scope_exit(&outer, -ECANCELED), 0);
}

IL_TEST(S, n383_a_deadline_that_is_moved_counts_as_it_is_in_the_end)
{
	il_scope later = IL_SCOPE_INIT, sooner = IL_SCOPE_INIT, gone = IL_SCOPE_INIT;

	CHECK_RC(il_scope_enter(&later, il_deadline(a_while), IL_FAIL_AT_DEADLINE), 0);
	CHECK_RC(il_scope_set_deadline(&later, il_deadline(IL_SEC(60))), 0);
	CHECK_RC(il_sleep(a_while + IL_MSEC(10)), 0);
	CHECK_RC(il_scope_exit(&later, 0), 0);
	CHECK_RC(il_scope_enter(&sooner, IL_FOREVER, IL_FAIL_AT_DEADLINE), 0);
	CHECK_RC(il_scope_set_deadline(&sooner, il_deadline(IL_MSEC(1))), 0);
	CHECK_RC(il_scope_exit(&sooner, il_sleep_forever()), -ETIMEDOUT);
	CHECK_RC(il_scope_enter(&gone, il_deadline(a_while), IL_FAIL_AT_DEADLINE), 0);
	CHECK_RC(il_scope_set_deadline(&gone, IL_FOREVER), 0);
	CHECK_RC(il_sleep(a_while + IL_MSEC(10)), 0);
	CHECK_RC(il_scope_cancel(&gone), 0);
	CHECK_RC(il_scope_exit(&gone, il_yield()), 0);
}

IL_TEST(S, n383_a_shielded_scope_times_out_inside_a_cancelled_one)
{
	il_scope outer = IL_SCOPE_INIT, inner = IL_SCOPE_INIT;

	CHECK_RC(il_scope_enter(&outer, IL_FOREVER, 0), 0);
	CHECK_RC(il_scope_cancel(&outer), 0);
	CHECK_RC(il_scope_enter(&inner, il_deadline(IL_MSEC(1)), IL_FAIL_AT_DEADLINE | IL_SHIELD),
		 0);
	CHECK_RC(il_scope_exit(&inner, il_sleep_forever()), -ETIMEDOUT);
	CHECK_RC(il_yield(), -ECANCELED);
	CHECK_RC(il_scope_exit(&outer, -ECANCELED), 0);
}

IL_TEST(S, n383_a_group_that_the_deadline_ends_is_a_timeout_too)
{
	il_scope scope = IL_SCOPE_INIT;
	il_group g;

	CHECK_RC(il_scope_enter(&scope, il_deadline(IL_MSEC(1)), IL_FAIL_AT_DEADLINE), 0);
	CHECK_RC(il_group_open(&g), 0);
	CHECK_RC(il_group_start_soon(&g, NULL, sleep_forever, NULL), 0);
	CHECK_RC(il_scope_exit(&scope, il_group_close(&g, 0)), -ETIMEDOUT);
	CHECK(il_scope_caught(&scope) && il_scope_expired(&scope));
}

IL_TEST(S, an_unknown_flag_of_a_scope_is_refused)
{
	il_scope s = IL_SCOPE_INIT;

	CHECK_RC(il_scope_enter(&s, IL_FOREVER, 4u), -EINVAL);
	CHECK_DETAIL("IL_FAIL_AT_DEADLINE");
}
