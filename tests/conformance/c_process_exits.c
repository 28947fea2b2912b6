/*
 * c_process_exits.c: a function that ends the main thread of its worker process (pthread_exit), also while it has threads of
 * its own there, which would keep the process.
 */
#define _GNU_SOURCE
#include "processes.h"

static void *outlive(void *arg)
{
	for (;;)
		pause();
	return arg;
}

static int leave_with_a_thread(void *arg)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, outlive, NULL) != 0)
		return -EAGAIN;
	pthread_exit(arg);
}

static void leave_and_go_on(void)
{
	il_executor *ex = new_processes((il_process_pool_options){.max_workers = 1});
	struct job job = {.value = 0};
	int before = pid_of_next(ex);

	CHECK_RC(il_executor_run(ex, leave_with_a_thread, &job, sizeof job), -EOWNERDEAD);
	CHECK(pid_of_next(ex) != before);
	CHECK(is_gone(before));
	il_executor_destroy(ex);
}

IL_TEST_CORE(C, a_function_that_ends_the_main_thread_of_its_process_has_ended_the_process)
{
	leave_and_go_on();
}

IL_TEST(C, a_tasks_function_that_ends_the_main_thread_of_its_process_has_ended_the_process)
{
	leave_and_go_on();
}
