/*
 * v_slow_task.c: a task that holds its loop for longer than it may is logged afterwards, by name, and counted.
 */
#define _GNU_SOURCE
#include "v_dump.h"
#include "v_options.h"

#include <interloop/inspect.h>

#include <stdio.h>
#include <unistd.h>

static uint64_t slow_tasks(void)
{
	il_loop_statistics s;

	CHECK_RC(il_loop_get_statistics(il_loop_current(), &s), 0);
	return s.slow_tasks;
}

static int compute_and_wait(void *unused)
{
	(void)unused;
	compute(IL_MSEC(150));
	return il_sleep(IL_MSEC(1));
}

static int compute_and_end(void *unused)
{
	(void)unused;
	compute(IL_MSEC(150));
	return 0;
}

/* Never too early. */
static void check_milliseconds(void)
{
	for (int ms = 0; ms < 150; ms++) {
		char words[32];
		snprintf(words, sizeof words, "the loop for %d ms", ms);
		CHECK_LOGGED(IL_LOG_WARNING, words, 0);
	}
}

static int start_slow_ones(void *unused)
{
	il_group g;

	(void)unused;
	CHECK_RC(il_group_open(&g), 0);
	CHECK_RC(il_group_start_soon_with(&g, NULL, compute_and_wait, NULL,
					  &(il_task_options){.name = "waits"}),
		 0);
	CHECK_RC(il_group_start_soon_with(&g, NULL, compute_and_end, NULL,
					  &(il_task_options){.name = "ends\n"}),
		 0);
	CHECK_RC(il_group_close(&g, 0), 0);
	CHECK_LOGGED(IL_LOG_WARNING, "slow task: waits has held the loop for ", 1);
	CHECK_LOGGED(IL_LOG_WARNING, "slow task: ends\\x0A has held the loop for ", 1);
	check_milliseconds();
	CHECK(slow_tasks() >= 2);
	return 0;
}

IL_TEST_OPTIONS(n422_a_task_that_holds_the_loop_is_logged_with_its_name_and_the_milliseconds,
		start_slow_ones, .slow_task = IL_MSEC(100));

static int block_in_thread(void *unused)
{
	(void)unused;
	usleep(1100000);
	return 0;
}

static int wait_in_thread(void *unused)
{
	return il_run_in_thread(block_in_thread, unused);
}

static int sleep_long(void *unused)
{
	(void)unused;
	return il_sleep(IL_MSEC(1100));
}

static int start_waiting_ones(void *unused)
{
	il_group g;

	(void)unused;
	CHECK_RC(il_group_open(&g), 0);
	CHECK_RC(il_group_start_soon(&g, NULL, wait_in_thread, NULL), 0);
	CHECK_RC(il_group_start_soon(&g, NULL, sleep_long, NULL), 0);
	CHECK_RC(il_group_close(&g, 0), 0);
	CHECK_LOGGED(IL_LOG_WARNING, "slow task", 0);
	CHECK_EQ(slow_tasks(), 0);
	return 0;
}

IL_TEST_OPTIONS(n422_who_waits_holds_no_loop, start_waiting_ones, .slow_task = IL_SEC(1));

static int yield_on_and_on(void *unused)
{
	(void)unused;
	for (int i = 0; i < 1000; i++) {
		compute(IL_USEC(2));
		il_yield();
	}
	return 0;
}

/* At most one line a second for each of `tasks`. */
static void check_few_lines(const char *name, size_t tasks, il_time began)
{
	size_t lines = il_test_logged(IL_LOG_WARNING, name);

	CHECK(lines >= tasks && lines <= tasks * (size_t)(1 + (real_time() - began) / IL_SEC(1)));
	CHECK(slow_tasks() >= 1000 * tasks);
}

/* Alone, and by turns. */
static int yield_alone(void *unused)
{
	il_time began = real_time();

	yield_on_and_on(unused);
	check_few_lines("slow task: main", 1, began);
	return 0;
}

IL_TEST_OPTIONS(n422_a_thousand_slow_turns_are_a_line_a_second, yield_alone, .slow_task = 1);

static int yield_by_turns(void *unused)
{
	il_time began = real_time();
	il_group g;

	(void)unused;
	CHECK_RC(il_group_open(&g), 0);
	for (int i = 0; i < 2; i++)
		CHECK_RC(il_group_start_soon(&g, NULL, yield_on_and_on, NULL), 0);
	CHECK_RC(il_group_close(&g, 0), 0);
	check_few_lines("slow task: task ", 2, began);
	return 0;
}

IL_TEST_OPTIONS(n422_a_thousand_slow_turns_of_two_tasks_too, yield_by_turns,
		.slow_task = IL_USEC(1));

/* What it yields it does not hold. */
static int compute_in_parts(void *unused)
{
	(void)unused;
	for (int i = 0; i < 30; i++) {
		compute(IL_MSEC(40));
		CHECK_RC(il_yield(), 0);
	}
	CHECK_LOGGED(IL_LOG_WARNING, "slow task", 0);
	return 0;
}

IL_TEST_OPTIONS(n422_who_yields_does_not_hold_the_loop, compute_in_parts, .slow_task = IL_SEC(1));

static int compute_unseen(void *unused)
{
	(void)unused;
	compute(IL_MSEC(150));
	CHECK_RC(il_yield(), 0);
	CHECK_RC(il_sleep(1), 0);
	CHECK_LOGGED(IL_LOG_WARNING, "slow task", 0);
	CHECK_EQ(slow_tasks(), 0);
	return 0;
}

IL_TEST_OPTIONS(n422_without_the_option_nothing_is_slow, compute_unseen, .slow_task = 0);

static int compute_seen(void *unused)
{
	(void)unused;
	compute(IL_MSEC(150));
	CHECK_RC(il_yield(), 0);
	CHECK_LOGGED(IL_LOG_WARNING, "slow task: main has held the loop for ", 1);
	return 0;
}

/* ---- in the log function ---- */

static void log_slow_ones(int level, const char *message, void *lines)
{
	const bool ended = strstr(message, "slow task: ended ");
	char *text;

	(void)level;
	if (!ended && !strstr(message, "slow task: yielded "))
		return;
	text = dump_loop();
	CHECK(!DUMP_HAS(text, "next: runs"));
	CHECK(DUMP_HAS(text, "yielded: runs") == !ended);
	CHECK(ended ? !il_task_name() : strcmp(il_task_name(), "yielded") == 0);
	free(text);
	CHECK(il_sleep(IL_SEC(1)) < 0);
	CHECK_DETAIL("il_sleep");
	++*(int *)lines;
}

static int compute_and_yield(void *unused)
{
	(void)unused;
	compute(IL_MSEC(6));
	return il_yield();
}

static int compute_a_little(void *unused)
{
	(void)unused;
	compute(IL_MSEC(6));
	return 0;
}

static int look_at_words(void *unused)
{
	(void)unused;
	CHECK(!*il_error_detail());
	return 0;
}

static void start(il_group *g, il_fn *fn, const char *name)
{
	CHECK_RC(il_group_start_soon_with(g, NULL, fn, NULL, &(il_task_options){.name = name}), 0);
}

static int log_where_it_was(void *unused)
{
	int lines = 0;
	il_group g;

	(void)unused;
	il_set_log(log_slow_ones, &lines);
	CHECK_RC(il_group_open(&g), 0);
	start(&g, compute_and_yield, "yielded");
	start(&g, look_at_words, "next");
	start(&g, compute_a_little, "ended");
	start(&g, look_at_words, "next");
	CHECK_RC(il_group_close(&g, 0), 0);
	il_set_log(NULL, NULL);
	CHECK_EQ(lines, 2);
	return 0;
}

IL_TEST_OPTIONS(the_log_function_is_called_for_the_slow_task_and_not_for_the_next_one,
		log_where_it_was, .slow_task = IL_MSEC(5));

IL_TEST_OWN(V, n422_the_environment_says_it_for_loops_without_the_option)
{
	CHECK_EQ(setenv("INTERLOOP_SLOW_TASK_MS", "100", 1), 0);
	run_in_own(&(il_loop_options){.slow_task = 0}, compute_seen);
	CHECK_EQ(setenv("INTERLOOP_SLOW_TASK_MS", "100s", 1), 0);
	run_in_own(&(il_loop_options){.stack_size = 0}, sleep_long);
	CHECK_LOGGED(IL_LOG_WARNING, "INTERLOOP_SLOW_TASK_MS: \"100s\" is no number", 1);
	CHECK_EQ(unsetenv("INTERLOOP_SLOW_TASK_MS"), 0);
}

IL_TEST_OWN(V, n422_a_negative_limit_is_refused)
{
	il_loop *loop = NULL;

	CHECK_RC(il_loop_open(&loop, il_test_backend(), &(il_loop_options){.slow_task = -1}),
		 -EINVAL);
	CHECK_DETAIL("slow_task is negative");
}
