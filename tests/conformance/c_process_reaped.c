/*
 * c_process_reaped.c: a worker process that dies in a program which reaps every child is told of as any other.
 */
#define _GNU_SOURCE
#include "processes.h"
#include "reapers.h"

static int end_with_four(void *arg)
{
	(void)arg;
	_exit(4);
}

static void die_under(int kind)
{
	il_executor *ex = new_processes((il_process_pool_options){.max_workers = 1});
	struct job j = job_on(NULL, 0);
	struct reaper r;
	int pid;

	reaper_start(&r, kind);
	pid = pid_of_next(ex);
	CHECK_RC(il_executor_run(ex, end_with_four, &j, sizeof j), -EOWNERDEAD);
	CHECK(strstr(il_error_detail(), "exit status 4") != NULL);
	CHECK(is_gone(pid));
	CHECK_LOGGED(IL_LOG_WARNING, "exit status 4", kind + 1);
	il_executor_destroy(ex);
	reaper_stop(&r);
}

static void die_under_each(void)
{
	if (!status_is_always_kept())
		return;
	for (int kind = 0; kind < REAPERS; kind++)
		die_under(kind);
}

IL_TEST_CORE(C, n64_how_a_worker_died_is_not_lost_to_a_program_that_reaps_every_child)
{
	die_under_each();
}

IL_TEST(C, n64_how_a_worker_died_is_not_lost_to_a_reaping_program_for_a_task)
{
	die_under_each();
}
