/*
 * c_process_starts.c: how a worker process comes up: what it begins with, and how long it may take.
 */
#define _GNU_SOURCE
#include "processes.h"

#include <sys/stat.h>

/* ---- what it begins with ---- */

struct place {
	char variable[32], directory[256];
	int umask;
};

static int look_around(void *arg)
{
	struct place *p = arg;
	const char *value = getenv("IL_TEST_PLACE");

	p->umask = (int)umask(0);
	umask((mode_t)p->umask);
	snprintf(p->variable, sizeof p->variable, "%s", value ? value : "(unset)");
	return getcwd(p->directory, sizeof p->directory) ? 0 : -errno;
}

/* The program's own change for a moment, between the pool's creation and the worker's. */
static void start_elsewhere(void)
{
	char here[sizeof((struct place *)NULL)->directory];
	struct place p = {.umask = 0};
	il_executor *ex;
	mode_t before;

	CHECK(getcwd(here, sizeof here) != NULL);
	CHECK_EQ(setenv("IL_TEST_PLACE", "at creation", 1), 0);
	before = umask(037);
	ex = new_processes((il_process_pool_options){.max_workers = 1});
	umask(0);
	CHECK_EQ(chdir("/"), 0);
	CHECK_EQ(setenv("IL_TEST_PLACE", "later", 1), 0);
	CHECK_RC(il_executor_run(ex, look_around, &p, sizeof p), 0);
	umask(before);
	CHECK_EQ(chdir(here), 0);
	CHECK_EQ(unsetenv("IL_TEST_PLACE"), 0);
	CHECK_STR(p.variable, "at creation");
	CHECK_STR(p.directory, here);
	CHECK_EQ(p.umask, 037);
	il_executor_destroy(ex);
}

IL_TEST_CORE(C, a_worker_has_the_environment_directory_and_umask_of_its_pools_creation)
{
	start_elsewhere();
}

IL_TEST(C, a_tasks_worker_has_the_environment_directory_and_umask_of_its_pools_creation)
{
	start_elsewhere();
}

extern char **environ;

static int has_variable(void *arg)
{
	(void)arg;
	return getenv("IL_TEST_PLACE") != NULL;
}

/* Each call's worker is started by a thread of the library, when the one before has ended. */
IL_TEST_CORE(C, the_only_thread_may_change_its_environment_while_workers_start)
{
	char *nothing[] = {NULL}, **all;
	il_executor *ex;

	CHECK_EQ(setenv("IL_TEST_PLACE", "at creation", 1), 0);
	all = environ;
	ex = new_processes((il_process_pool_options){.max_workers = 1, .max_calls_per_worker = 1});
	for (size_t i = 0; i < il_test_rounds(100); i++) {
		il_future *f = submit_job(ex, has_variable, NULL);
		while (!il_future_done(f)) {
			environ = nothing;
			il_test_pause_really();
			environ = all;
			il_test_pause_really();
		}
		CHECK_RC(end_of(f), 1);
	}
	il_executor_destroy(ex);
	CHECK_EQ(unsetenv("IL_TEST_PLACE"), 0);
}

/* ---- how long it may take ---- */

/* The first one on this board stands still, in its initializer. */
static int hang_at_first(void *arg)
{
	struct job *j = arg;
	struct board *b = map_board(j->board);

	if (!b)
		return -ENOENT;
	j->pid = atomic_fetch_add(&b->begun, 1);
	atomic_store(&b->pids[j->pid % 16], getpid());
	while (j->pid < j->value)
		pause();
	munmap(b, sizeof *b);
	return 0;
}

static void start_one_that_hangs(void)
{
	struct board *b = new_board();
	struct job hangs = job_on(b, 1), j = {.value = 7};
	il_executor *ex =
	    new_processes((il_process_pool_options){.max_workers = 1,
						    .initializer = hang_at_first,
						    .initializer_arg = &hangs,
						    .initializer_size = sizeof hangs,
						    .start_timeout = il_test_patience() / 5});
	il_future *f = submit_job(ex, square, &j);

	CHECK_RC(end_of(f), 7);
	CHECK_EQ(j.square, 49);
	CHECK(atomic_load(&b->begun) >= 2);
	CHECK(is_gone(b->pids[0]));
	il_executor_destroy(ex);
	free_board(b);
}

IL_TEST_CORE(C, a_worker_that_does_not_get_ready_is_replaced)
{
	start_one_that_hangs();
}

IL_TEST_REAL(C, a_worker_that_does_not_get_ready_is_replaced_for_a_task)
{
	start_one_that_hangs();
}

static int get_ready(void *arg)
{
	(void)arg;
	return 0;
}

/* Its call is taken back before it has greeted. */
static void leave_one_that_starts(void)
{
	const il_time limit = il_test_patience() / 10;
	struct job j = {.value = 7};
	il_executor *ex = new_processes((il_process_pool_options){.max_workers = 1,
								  .initializer = get_ready,
								  .start_timeout = limit,
								  .break_on_death = true});
	il_future *f = submit_job(ex, square, &j);
	il_time begin = il_now();

	il_future_cancel(f);
	end_of(f);
	UNTIL(il_now() - begin > limit);
	CHECK_RC(il_executor_run(ex, square, &j, sizeof j), 7);
	il_executor_destroy(ex);
}

IL_TEST_CORE(C, a_worker_whose_start_nobody_awaits_is_not_late)
{
	leave_one_that_starts();
}

IL_TEST_REAL(C, a_worker_whose_start_no_task_awaits_is_not_late)
{
	leave_one_that_starts();
}

IL_TEST_VIRTUAL(C, in_virtual_time_a_worker_gets_ready_when_it_may)
{
	struct job j = {.value = 7};
	il_executor *ex = new_processes((il_process_pool_options){.max_workers = 1,
								  .initializer = get_ready,
								  .start_timeout = 1,
								  .break_on_death = true});

	CHECK_RC(il_executor_run(ex, square, &j, sizeof j), 7);
	il_executor_destroy(ex);
}

static void start_none_that_does_not_hang(void)
{
	struct board *b = new_board();
	struct job hangs = job_on(b, 1000), j = {.value = 7};
	il_executor *ex = new_processes((il_process_pool_options){.max_workers = 1,
								  .initializer = hang_at_first,
								  .initializer_arg = &hangs,
								  .initializer_size = sizeof hangs,
								  .start_timeout = IL_MSEC(10),
								  .restart_budget = 3});

	CHECK_RC(il_executor_run(ex, square, &j, sizeof j), -ENOTRECOVERABLE);
	CHECK(strstr(il_error_detail(), "not ready within start_timeout (0.0 s)"));
	il_executor_destroy(ex);
	free_board(b);
}

IL_TEST_CORE(C, workers_that_do_not_get_ready_break_the_pool)
{
	start_none_that_does_not_hang();
}

IL_TEST_REAL(C, workers_that_do_not_get_ready_break_the_pool_for_a_task)
{
	start_none_that_does_not_hang();
}
