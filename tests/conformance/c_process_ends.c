/*
 * c_process_ends.c: how a worker process that is not needed any more ends: by itself, as a program
 * that returns from main, so that coverage, profiles and leak reports of its functions are not
 * lost. And what its pool leaves behind.
 */
#define _GNU_SOURCE
#include "peers.h"
#include "processes.h"

static struct board *last_board;

static void count_end(void)
{
	atomic_fetch_add(&last_board->ended, 1);
}

static void stay_in_end(void)
{
	atomic_fetch_add(&last_board->begun, 1);
	for (;;)
		pause();
}

/* Initializers. */
static int count_at_exit(void *arg)
{
	last_board = map_board(((struct job *)arg)->board);
	return last_board ? atexit(count_end) : -ENOENT;
}

static int stay_at_exit(void *arg)
{
	last_board = map_board(((struct job *)arg)->board);
	return last_board ? atexit(stay_in_end) : -ENOENT;
}

static il_executor *new_counted(struct board *b, il_fn *initializer,
				il_process_pool_options options)
{
	struct job j = job_on(b, 0);

	options.initializer = initializer;
	options.initializer_arg = &j;
	options.initializer_size = sizeof j;
	return new_processes(options);
}

/* ---- by itself ---- */

static void end_after_calls(void)
{
	struct board *b = new_board();
	il_executor *ex =
	    new_counted(b, count_at_exit,
			(il_process_pool_options){.max_workers = 1, .max_calls_per_worker = 1});

	for (int i = 0; i < 3; i++) {
		int pid = pid_of_next(ex);
		UNTIL_THREAD(atomic_load(&b->ended) == i + 1);
		UNTIL_THREAD(is_gone(pid));
	}
	il_executor_destroy(ex);
	CHECK_EQ(atomic_load(&b->ended), 3);
	free_board(b);
}

IL_TEST_CORE(C, a_worker_that_is_replaced_runs_what_exit_runs)
{
	end_after_calls();
}

IL_TEST(C, a_worker_that_a_tasks_call_replaces_runs_what_exit_runs)
{
	end_after_calls();
}

static void end_with_pool(bool waits)
{
	struct board *b = new_board();
	struct job j[2] = {job_on(b, 1), job_on(b, 2)};
	il_executor *ex =
	    new_counted(b, count_at_exit, (il_process_pool_options){.max_workers = 2});
	il_future *f[2];

	for (int i = 0; i < 2; i++)
		f[i] = submit_job(ex, linger, &j[i]);
	UNTIL_THREAD(atomic_load(&b->begun) == 2);
	atomic_store(&b->open, true);
	for (int i = 0; i < 2; i++)
		CHECK_RC(end_of(f[i]), i + 1);
	CHECK_EQ(atomic_load(&b->ended), 2); /* so far by `linger` */
	if (waits) {
		il_executor_destroy(ex);
		CHECK_EQ(atomic_load(&b->ended), 4);
	} else {
		il_executor_unref(ex);
		UNTIL_THREAD(atomic_load(&b->ended) == 4);
		UNTIL_THREAD(is_gone(b->pids[0]) && is_gone(b->pids[1]));
	}
	free_board(b);
}

IL_TEST_CORE(C, workers_of_a_pool_that_is_shut_down_run_what_exit_runs)
{
	end_with_pool(true);
	end_with_pool(false);
}

IL_TEST(C, workers_of_a_pool_that_a_task_shuts_down_run_what_exit_runs)
{
	end_with_pool(true);
	end_with_pool(false);
}

/* What limits the time for that is nothing that a handler can meet. */
static void look_for_alarm(void)
{
	last_board->pids[0] = (int)alarm(0);
	atomic_fetch_add(&last_board->ended, 1);
}

static int look_for_alarm_at_exit(void *arg)
{
	last_board = map_board(((struct job *)arg)->board);
	return last_board ? atexit(look_for_alarm) : -ENOENT;
}

IL_TEST_CORE(C, no_alarm_is_set_while_a_worker_ends)
{
	struct board *b = new_board();
	il_executor *ex =
	    new_counted(b, look_for_alarm_at_exit, (il_process_pool_options){.max_workers = 1});

	pid_of_next(ex);
	il_executor_destroy(ex);
	CHECK_EQ(b->ended, 1);
	if (!IL_TEST_PORTABLE)
		CHECK_EQ(b->pids[0], 0);
	free_board(b);
}

/* ---- or not ---- */

static void end_stuck(void)
{
	struct board *b = new_board();
	il_executor *ex = new_counted(b, stay_at_exit, (il_process_pool_options){.max_workers = 1});
	int pid = pid_of_next(ex);
	struct timespec begun, ended;

	clock_gettime(CLOCK_MONOTONIC, &begun);
	il_executor_destroy(ex);
	clock_gettime(CLOCK_MONOTONIC, &ended);
	CHECK_EQ(atomic_load(&b->begun), 1);
	CHECK(is_gone(pid));
	CHECK(IL_SEC(ended.tv_sec - begun.tv_sec) < il_test_patience());
	free_board(b);
}

static int end_stuck_in_task(void *arg)
{
	(void)arg;
	end_stuck();
	return 0;
}

IL_TEST_CORE(C, a_worker_that_does_not_end_by_itself_is_killed_soon)
{
	end_stuck();
}

IL_TEST_REAL(C, a_worker_that_does_not_end_by_itself_is_killed_soon_for_a_task)
{
	end_stuck();
}

IL_TEST_OWN(C, a_worker_that_does_not_end_is_killed_by_the_real_clock)
{
	CHECK_RC(il_run(il_test_backend(), end_stuck_in_task, NULL), 0);
}

static int drop_pool(void *ex)
{
	il_executor_unref(ex);
	return 0;
}

/* Also where the loop has a clock of its own, and so sees to the end of no worker. */
IL_TEST_OWN(C, a_loop_ends_though_its_task_let_the_idle_workers_of_a_pool_go)
{
	il_executor *ex = new_processes((il_process_pool_options){.max_workers = 1});
	int pid = pid_of_next(ex); /* for this thread: the loop has made no call there */

	CHECK_RC(il_run(il_test_backend(), drop_pool, ex), 0);
	UNTIL_THREAD(is_gone(pid));
}

IL_TEST(C, cancelling_a_call_kills_its_worker_at_once)
{
	struct board *b = new_board();
	il_executor *ex = new_counted(
	    b, stay_at_exit, (il_process_pool_options){.max_workers = 1, .kill_on_cancel = true});
	struct job j = job_on(b, 1);
	il_future *f = submit_job(ex, linger, &j);

	UNTIL_THREAD(atomic_load(&b->begun) == 1);
	CHECK(il_future_cancel(f));
	CHECK_RC(end_of(f), -ECANCELED);
	CHECK(is_gone(b->pids[0]));
	CHECK_EQ(atomic_load(&b->begun), 1); /* by `linger` alone: it was not asked */
	il_executor_destroy(ex);
	free_board(b);
}

/* ---- descriptors ---- */

static int call_once(void *ex)
{
	pid_of_next(ex);
	return 0;
}

static int use_a_pool(void)
{
	il_executor *ex = new_processes((il_process_pool_options){.max_workers = 1});
	struct il_test_thread thread;

	pid_of_next(ex);
	il_test_thread_start(&thread, call_once, ex);
	il_test_thread_join(&thread);
	pid_of_next(ex);
	il_executor_destroy(ex);
	return open_descriptors();
}

IL_TEST_CORE(C, a_pool_that_was_destroyed_has_no_descriptor)
{
	int before = use_a_pool();

	CHECK_EQ(use_a_pool(), before);
}

IL_TEST(C, a_pool_that_a_task_has_destroyed_has_no_descriptor)
{
	int before = open_descriptors(); /* also before the loop goes on */

	CHECK_EQ(use_a_pool(), before);
}
