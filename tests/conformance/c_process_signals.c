/*
 * c_process_signals.c: a worker process has no signal of the library's: its functions sleep and poll as in any
 * program, every signal is theirs, and the end of the pool's process ends it all the same.
 */
#define _GNU_SOURCE
#include "processes.h"

#include <poll.h>

/* ---- every signal is the function's ---- */

struct signals {
	int handled, pending; /* numbers of such; 0: none */
};

/* Tools handle those that a thread brings on itself. */
static bool is_fault(int number)
{
	return number == SIGSEGV || number == SIGBUS || number == SIGFPE || number == SIGILL ||
	       number == SIGABRT;
}

static int look_at_signals(void *arg)
{
	struct signals *s = arg;
	sigset_t pending;

	sigpending(&pending);
	for (int number = 1; number <= SIGRTMAX; number++) {
		struct sigaction action;
		if (sigaction(number, NULL, &action) == 0 && action.sa_handler != SIG_DFL &&
		    action.sa_handler != SIG_IGN && !is_fault(number))
			s->handled = number;
		if (sigismember(&pending, number) == 1)
			s->pending = number;
	}
	return s->handled || s->pending ? -EINTR : 0;
}

static void find_no_handlers(void)
{
	struct signals none = {0}, s = none;
	il_executor *ex = new_processes((il_process_pool_options){.max_workers = 1,
								  .initializer = look_at_signals,
								  .initializer_arg = &none,
								  .initializer_size = sizeof none});

	CHECK_RC(il_executor_run(ex, look_at_signals, &s, sizeof s), 0);
	CHECK_EQ(s.handled, 0);
	CHECK_EQ(s.pending, 0);
	il_executor_destroy(ex);
}

IL_TEST_CORE(C, a_worker_handles_no_signal)
{
	if (!IL_TEST_TSAN && !il_test_valgrind()) /* whose runtimes do */
		find_no_handlers();
}

IL_TEST(C, a_tasks_worker_handles_no_signal)
{
	if (!IL_TEST_TSAN && !il_test_valgrind())
		find_no_handlers();
}

/* What no SA_RESTART starts again. */
static int nap(void *arg)
{
	struct timespec a_moment = {.tv_nsec = 300000};

	(void)arg;
	if (nanosleep(&a_moment, NULL) < 0 || poll(NULL, 0, 1) < 0)
		return -errno;
	return 0;
}

enum { NAPPERS = 8, NAPS = 60 };

static int nap_often(void *ex)
{
	for (int i = 0; i < NAPS; i++)
		CHECK_RC(il_executor_run(ex, nap, NULL, 0), 0);
	return 0;
}

IL_TEST_CORE(C, nothing_interrupts_a_function)
{
	il_executor *ex = new_processes((il_process_pool_options){.max_workers = NAPPERS});
	struct il_test_thread threads[NAPPERS];

	for (int i = 0; i < NAPPERS; i++)
		il_test_thread_start(&threads[i], nap_often, ex);
	for (int i = 0; i < NAPPERS; i++)
		il_test_thread_join(&threads[i]);
	il_executor_destroy(ex);
}

IL_TEST(C, nothing_interrupts_a_tasks_function)
{
	il_executor *ex = new_processes((il_process_pool_options){.max_workers = NAPPERS});
	il_group g;

	CHECK_RC(il_group_open(&g), 0);
	for (int i = 0; i < NAPPERS; i++)
		CHECK_RC(il_group_start_soon(&g, NULL, nap_often, ex), 0);
	CHECK_RC(il_group_close(&g, 0), 0);
	il_executor_destroy(ex);
}

/* ---- and it ends with the pool's process ---- */

/* Even where its function handles whatever it can. */
static int linger_deaf(void *arg)
{
	sigset_t all;

	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
	return linger(arg);
}

static void begin_calls(struct board *b)
{
	il_executor *ex = new_processes((il_process_pool_options){.max_workers = 3});
	struct job busy[2] = {job_on(b, 0), job_on(b, 0)}, idle = job_on(b, 0);

	CHECK_RC(il_executor_submit(ex, NULL, linger_deaf, &busy[0], sizeof busy[0]), 0);
	CHECK_RC(il_executor_submit(ex, NULL, linger, &busy[1], sizeof busy[1]), 0);
	while (atomic_load(&b->begun) < 2)
		il_test_pause_really();
	CHECK_RC(il_executor_run(ex, square, &idle, sizeof idle), 0);
	atomic_store(&b->pids[2], idle.pid);
}

static int leave_calls(void *arg)
{
	begin_calls(arg);
	raise(SIGKILL);
	return 0;
}

/* Not forever, if the test fails. */
static void stay(struct board *b)
{
	for (int i = 0; i < 1000 && !atomic_load(&b->open); i++)
		nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
	_exit(0);
}

static int leave_calls_and_a_child(void *arg)
{
	begin_calls(arg);
	if (fork() == 0)
		stay(arg);
	raise(SIGKILL);
	return 0;
}

static void end_in_calls(il_fn *leave)
{
	struct board *b = new_board();
	pid_t child = fork();
	int status = 0;

	if (child == 0)
		_exit(leave(b));
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK_EQ(WTERMSIG(status), SIGKILL);
	for (int i = 0; i < 3; i++)
		UNTIL_THREAD(is_gone(b->pids[i]));
	CHECK_EQ(b->ended, 0);
	atomic_store(&b->open, true);
	free_board(b);
}

IL_TEST_CORE(C, a_function_ends_with_the_pools_process)
{
	if (!IL_TEST_TSAN) /* it cannot start threads in a forked child */
		end_in_calls(leave_calls);
}

IL_TEST_CORE(C, a_worker_ends_with_the_pools_process_though_a_forked_child_of_that_lives)
{
	if (!IL_TEST_TSAN)
		end_in_calls(leave_calls_and_a_child);
}
