/*
 * c_process_exits.c: a function that leaves threads of its own in its worker process, or ends the main thread there
 * (pthread_exit), also while it has others, which would keep the process.
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

/* ---- a thread that reads ---- */

static void *read_line(void *stream)
{
	char line[8];

	return fgets(line, sizeof line, stream);
}

/* Whether a thread has it, which waits in it. */
static bool is_held(FILE *stream)
{
	if (ftrylockfile(stream) != 0)
		return true;
	funlockfile(stream);
	return false;
}

static int leave_a_reader(void *arg)
{
	FILE *stream;
	pthread_t thread;
	int fd[2];

	if (pipe(fd) < 0 || !(stream = fdopen(fd[0], "r")) ||
	    pthread_create(&thread, NULL, read_line, stream) != 0)
		return -EAGAIN;
	while (!is_held(stream))
		nanosleep(&(struct timespec){.tv_nsec = 200000}, NULL);
	return square(arg);
}

static void call_beside_readers(void)
{
	il_executor *ex = new_processes((il_process_pool_options){.max_workers = 1});
	struct job job = {.value = 3};

	for (int i = 0; i < 2; i++)
		CHECK_RC(il_executor_run(ex, leave_a_reader, &job, sizeof job), 3);
	CHECK_EQ(pid_of_next(ex), job.pid);
	il_executor_destroy(ex);
}

IL_TEST_CORE(C, a_function_may_leave_a_thread_that_reads_a_stream)
{
	call_beside_readers();
}

IL_TEST(C, a_tasks_function_may_leave_a_thread_that_reads_a_stream)
{
	call_beside_readers();
}
