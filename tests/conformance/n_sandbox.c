/*
 * n_sandbox.c: a sandbox refuses a system call that it does not know: EPERM as well as ENOSYS. Each newer call has
 * an older way, and no wait depends on it. What a forked child does under a filter (seccomp) tells.
 */
#include "no_threads.h"

#include "processes.h"

#if defined(__linux__) && !IL_TEST_TSAN /* it starts no threads in a forked child */

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

/* False: there are no filters here. */
static bool refuse_calls(const int *numbers, size_t count, int error)
{
	struct sock_filter filter[40] = {
	    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr))};
	struct sock_fprog program = {.filter = filter, .len = 1};

	for (size_t i = 0; i < count; i++) {
		filter[program.len++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K,
								     (unsigned)numbers[i], 0, 1);
		filter[program.len++] = (struct sock_filter)BPF_STMT(
		    BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)error);
	}
	filter[program.len++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
	       prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

/* In a child, which a signal ends if it waits forever: fn must be 0 under the filter. */
static void check_under(const int *numbers, size_t count, il_fn *fn)
{
	static const int errors[] = {EPERM, ENOSYS};
	int status = 0;
	pid_t child;

	if (il_test_valgrind())
		return;
	for (size_t i = 0; i < 2; i++) {
		child = fork();
		if (child == 0) {
			int failed = 0;
			alarm(8);
			if (refuse_calls(numbers, count, errors[i]))
				failed = fn(NULL);
			_exit(failed);
		}
		CHECK_EQ(waitpid(child, &status, 0), child);
		CHECK_EQ(WIFSIGNALED(status) ? WTERMSIG(status) : 0, 0);
		CHECK_EQ(WEXITSTATUS(status), 0);
	}
}

/* A step of the child's: its number tells which failed. */
#define STEP(number, condition)        \
	do {                           \
		if (!(condition))      \
			return number; \
	} while (0)

static int increase(void *arg)
{
	++*(int *)arg;
	return 0;
}

static int mark_memory(void *arg)
{
	((char *)((il_shared *)arg)->data)[0] = 'x';
	return 0;
}

static int use_processes(void *arg)
{
	il_executor *ex = NULL;
	il_shared shared;
	int x = 1;

	(void)arg;
	STEP(1, il_process_pool_create(&ex, NULL) == 0);
	STEP(2, il_executor_run(ex, increase, &x, sizeof x) == 0 && x == 2);
	STEP(3, il_shared_create(&shared, 4096) == 0);
	STEP(4, il_executor_run(ex, mark_memory, &shared, IL_SHARED) == 0);
	STEP(5, ((char *)shared.data)[0] == 'x');
	il_shared_destroy(&shared);
	il_executor_destroy(ex);
	STEP(6, waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD);
	return 0;
}

static int stay(void *arg)
{
	(void)arg;
	for (int i = 0; i < 100; i++) /* not forever, if the test fails */
		nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
	return 0;
}

/* No signal can be sent at all: what a worker lives by ends. */
static int end_busy_process(void *arg)
{
	const il_process_pool_options options = {.max_workers = 1, .kill_on_cancel = true};
	il_executor *ex = NULL;
	il_future *f;
	int x = 1;

	(void)arg;
	STEP(7, il_process_pool_create(&ex, &options) == 0);
	STEP(8, il_executor_run(ex, increase, &x, sizeof x) == 0);
	STEP(9, il_executor_submit(ex, &f, stay, &x, sizeof x) == 0);
	while (!il_future_running(f))
		il_test_pause_really();
	STEP(10, il_future_cancel(f));
	STEP(11, il_future_join(f) == -ECANCELED);
	il_executor_destroy(ex);
	STEP(12, waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD);
	return 0;
}

static int end_children(void *arg)
{
	il_process *p;

	(void)arg;
	STEP(20, il_process_run(NULL, (char *const[]){"true", NULL}, NULL, 0, NULL) == 0);
	STEP(21, il_process_spawn(&p, (char *const[]){"sleep", "100", NULL}, NULL) == 0);
	STEP(22, il_process_kill(p) == 0);
	STEP(23, il_process_wait(p) == IL_PROCESS_SIGNALED + SIGKILL);
	STEP(24, il_process_kill(p) == 0);
	il_process_destroy(p);
	STEP(25, il_process_spawn(&p, (char *const[]){"sleep", "100", NULL}, NULL) == 0);
	il_process_destroy(p);
	STEP(26, waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD);
	return 0;
}

static int wait_in_loop(void *arg)
{
	int step = use_processes(NULL);

	if (step == 0)
		step = end_children(NULL);
	STEP(40, step > 0 || il_sleep(IL_MSEC(1)) == 0);
	(void)arg;
	return step;
}

static int use_all(void *arg)
{
	(void)arg;
	return il_run(il_test_backend(), wait_in_loop, NULL);
}

/* libc's own pipe() and accept() are newer calls by now: without them no program gets far. */
static const int newer[] = {SYS_pidfd_open, SYS_pidfd_send_signal, SYS_timerfd_create,
			    SYS_memfd_create, SYS_close_range};
enum { NEWER = sizeof newer / sizeof *newer };

IL_TEST_OWN_REAL(N, newer_system_calls_may_be_refused)
{
	for (size_t i = 0; i < NEWER; i++)
		check_under(&newer[i], 1, use_all);
	check_under(newer, NEWER, use_all);
}

static int lack_a_thread(void *arg)
{
	pthread_attr_t attr;
	int rc;

	(void)arg;
	forbid_threads(&attr);
	rc = il_process_run(NULL, (char *const[]){"true", NULL}, NULL, 0, NULL);
	allow_threads(&attr);
	STEP(70, rc == NO_THREAD);
	STEP(71, strstr(il_error_detail(), "true: no thread could be made") != NULL);
	return 0;
}

static int lack_a_thread_in_loop(void *arg)
{
	(void)arg;
	return il_run(il_test_backend(), lack_a_thread, NULL);
}

/* Without a descriptor for a child's end a thread waits for it. */
IL_TEST_OWN_REAL(N, a_child_for_which_no_thread_can_be_made_says_so)
{
	check_under((const int[]){SYS_close_range}, 1, lack_a_thread_in_loop);
}

IL_TEST_OWN_REAL(N, a_timer_that_may_not_be_set_is_none)
{
	if (strcmp(il_backend_name(il_test_backend()), "libevent") != 0) /* it has one itself */
		check_under((const int[]){SYS_timerfd_settime}, 1, use_all);
}

/* The lowest that is free. */
static int free_descriptor(void)
{
	int fd = dup(STDIN_FILENO);

	close(fd);
	return fd;
}

static int refused_to_open(void *arg)
{
	int fd = free_descriptor();
	il_loop *loop = NULL;

	(void)arg;
	STEP(60, il_loop_open(&loop, il_test_backend(), NULL) < 0);
	STEP(61, free_descriptor() == fd);
	return 0;
}

IL_TEST_OWN_REAL(N, a_loop_that_may_not_set_flags_of_descriptors_is_refused_and_leaves_none)
{
	static const int all[] = {SYS_eventfd2, SYS_fcntl,
#ifdef SYS_fcntl64
				  SYS_fcntl64
#endif
	};

	check_under(all, sizeof all / sizeof *all, refused_to_open);
}

static int from_threads(void *arg)
{
	il_future *f;

	(void)arg;
	STEP(50, il_future_create(&f) == 0);
	il_future_unref(f);
	return use_processes(NULL);
}

IL_TEST_CORE(N, a_pool_ends_where_no_signal_may_be_sent)
{
	static const int all[] = {SYS_pidfd_send_signal, SYS_kill, SYS_tkill, SYS_tgkill};

	check_under(all, sizeof all / sizeof *all, use_processes);
	check_under(all, sizeof all / sizeof *all, end_busy_process);
}

IL_TEST_CORE(N, newer_system_calls_may_be_refused_to_a_thread)
{
	static const int all[] = {SYS_pidfd_open, SYS_pidfd_send_signal, SYS_memfd_create,
				  SYS_close_range, SYS_eventfd2};

	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		check_under(&all[i], 1, from_threads);
	check_under(all, sizeof all / sizeof *all, from_threads);
}

#endif
