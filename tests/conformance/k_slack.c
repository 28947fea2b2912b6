/*
 * k_slack.c: sleeps that may be late by an agreed time, and so end together.
 */
#include "harness.h"

static const il_time SLACK = IL_MSEC(10);

struct sleeper {
	il_time delay, slack, asked, woke;
};

static int sleep_with_slack(void *arg)
{
	struct sleeper *s = arg;

	CHECK_RC(il_task_set_timer_slack(s->slack), 0);
	s->asked = il_now();
	CHECK_RC(il_sleep(s->delay), 0);
	s->woke = il_now();
	return 0;
}

static void sleep_together(struct sleeper *sleepers, int count)
{
	il_group g;

	CHECK_RC(il_group_open(&g), 0);
	for (int i = 0; i < count; i++)
		CHECK_RC(il_group_start_soon(&g, NULL, sleep_with_slack, &sleepers[i]), 0);
	CHECK_RC(il_group_close(&g, 0), 0);
}

IL_TEST(K, slack_makes_no_sleep_early_and_none_later_than_it_says)
{
	struct sleeper s[] = {{.delay = 1, .slack = SLACK},
			      {.delay = IL_MSEC(1), .slack = SLACK},
			      {.delay = IL_MSEC(10), .slack = SLACK},
			      {.delay = IL_MSEC(13), .slack = 1},
			      {.delay = IL_MSEC(3), .slack = IL_SEC(1) / 7}};

	sleep_together(s, 5);
	for (int i = 0; i < 5; i++) {
		il_time took = s[i].woke - s[i].asked;
		CHECK(took >= s[i].delay);
		CHECK(took <
		      s[i].delay + s[i].slack + (il_test_virtual() ? 0 : il_test_patience()));
	}
}

IL_TEST_VIRTUAL(K, sleeps_within_one_slack_end_together)
{
	struct sleeper s[] = {{.delay = IL_MSEC(1), .slack = SLACK},
			      {.delay = IL_MSEC(2), .slack = SLACK},
			      {.delay = IL_MSEC(3)}};

	CHECK_RC(il_sleep(SLACK - il_now() % SLACK), 0); /* where one begins */
	sleep_together(s, 3);
	CHECK_EQ(s[0].woke - s[0].asked, SLACK);
	CHECK_EQ(s[1].woke - s[1].asked, SLACK);
	CHECK_EQ(s[2].woke - s[2].asked, IL_MSEC(3));
}

static int sleep_of_this_loop(void *arg)
{
	struct sleeper *s = arg;

	s->asked = il_now();
	CHECK_RC(il_sleep(s->delay), 0);
	s->woke = il_now();
	CHECK_RC(il_task_set_timer_slack(-1), -EINVAL);
	return 0;
}

IL_TEST_OWN(K, the_loops_slack_is_that_of_its_tasks)
{
	const il_loop_options options = {.timer_slack = SLACK};
	const il_loop_options wrong = {.timer_slack = -1};
	struct sleeper s = {.delay = 1};
	il_loop *loop;

	CHECK_RC(il_loop_open(&loop, il_test_backend(), &wrong), -EINVAL);
	CHECK_RC(il_loop_open(&loop, il_test_backend(), &options), 0);
	CHECK_RC(il_loop_run(loop, sleep_of_this_loop, &s), 0);
	CHECK(s.woke >= (s.asked + s.delay + SLACK - 1) / SLACK * SLACK);
	il_loop_destroy(loop);
	CHECK_RC(il_task_set_timer_slack(0), -EPERM);
}
