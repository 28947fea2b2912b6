/*
 * b_executor_places.c: where a call may be made, what a queued one takes up, and what the pool's threads
 * leave to others: signals, and the mask of their children.
 */
#define _GNU_SOURCE
#include "processes.h"
#include "workers.h"

#include <signal.h>
#include <sys/wait.h>

/* ---- a plain call in the loop's thread need not wait ---- */

struct place {
	il_executor *ex;
	unsigned flags;
};

static int shut_down_here(void *arg)
{
	struct place *p = arg;

	return il_executor_shutdown(p->ex, p->flags);
}

static int as_plain_call(il_fn *fn, void *arg)
{
	il_portal *p = NULL;
	il_future *f = NULL;
	int rc;

	CHECK_RC(il_loop_create_threads_portal(il_loop_current(), &p), 0);
	CHECK_RC(il_portal_run_sync_soon(p, &f, fn, arg), 0);
	CHECK_RC(il_future_wait(f, IL_FOREVER), 0);
	rc = il_future_result(f, 0);
	il_future_unref(f);
	CHECK_RC(il_portal_close(p), 0);
	return rc;
}

static void end_where_waiting_is_forbidden(il_executor *ex)
{
	struct place p = {.ex = ex};

	CHECK_RC(as_plain_call(shut_down_here, &p), 0);
	CHECK_RC(as_plain_call(shut_down_here, &p), 0);
	CHECK_RC(il_executor_submit(ex, NULL, count_in, NULL, 0), -ESHUTDOWN);
	il_executor_unref(ex);
}

static int call_in_process(void *ex)
{
	pid_of_next(ex);
	return 0;
}

/* Its worker has ended; the thread that watched it has not. */
static il_executor *processes_that_have_ended(void)
{
	il_executor *ex = new_processes((il_process_pool_options){.max_calls_per_worker = 1});
	il_executor_statistics s = {.workers = 1};
	struct il_test_thread thread;

	il_test_thread_start(&thread, call_in_process, ex);
	CHECK_RC(il_test_thread_join(&thread), 0);
	while (s.workers) {
		il_test_pause_really();
		CHECK_RC(il_executor_get_statistics(ex, &s), 0);
	}
	return ex;
}

static void end_processes_that_have_ended(void)
{
	struct place p = {.ex = processes_that_have_ended()};
	int rc = -EPERM;

	for (int i = 0; rc == -EPERM && i < 1000; i++) { /* that thread may still be at its end */
		il_test_pause_really();
		rc = as_plain_call(shut_down_here, &p);
	}
	CHECK_RC(rc, 0);
	end_where_waiting_is_forbidden(p.ex);
}

IL_TEST(B, n36_a_shutdown_that_need_not_wait_is_allowed_anywhere)
{
	atomic_int ran = 0;
	struct place p = {.ex = new_pool(2)};

	end_where_waiting_is_forbidden(new_pool(2));
	end_where_waiting_is_forbidden(new_processes((il_process_pool_options){0}));
	end_processes_that_have_ended();
	CHECK_RC(il_executor_run(p.ex, count_in, &ran, 0), 0);
	CHECK_RC(as_plain_call(shut_down_here, &p), -EPERM); /* its worker lives */
	CHECK_RC(il_executor_run(p.ex, count_in, &ran, 0), 0);
	CHECK_RC(il_executor_shutdown(p.ex, 0), 0);
	CHECK_RC(as_plain_call(shut_down_here, &p), 0);
	il_executor_unref(p.ex);
	CHECK_EQ(ran, 2);
}

/* ---- a cancelled call leaves the queue ---- */

static void cancel_in_full_queue(il_executor *ex, il_fn *hold, void *held, size_t size, void *gate)
{
	struct job j = {.value = 3};
	il_future *busy = NULL, *first = NULL, *second = NULL;

	CHECK_RC(il_executor_submit(ex, &busy, hold, held, size), 0);
	UNTIL_THREAD(atomic_load((atomic_int *)gate) == 1);
	CHECK_RC(il_executor_submit(ex, &first, square, &j, sizeof j), 0);
	CHECK_RC(il_executor_submit(ex, &second, square, &j, sizeof j), -EAGAIN);
	CHECK(il_future_cancel(first));
	CHECK_RC(il_future_result(first, 0), -ECANCELED);
	il_future_unref(first);
	CHECK_RC(il_executor_submit(ex, &second, square, &j, sizeof j), 0);
	atomic_store((atomic_int *)gate, 2);
	CHECK_RC(finished(second), 3);
	il_future_unref(busy);
	il_executor_destroy(ex);
}

static int hold_thread(void *arg)
{
	atomic_int *state = arg;

	atomic_store(state, 1);
	UNTIL_THREAD(atomic_load(state) == 2);
	return 0;
}

static void cancel_in_threads(void)
{
	il_thread_pool_options options = {.max_workers = 1, .queue_limit = 1};
	atomic_int state = 0;
	il_executor *ex = NULL;

	CHECK_RC(il_thread_pool_create(&ex, &options), 0);
	cancel_in_full_queue(ex, hold_thread, &state, 0, &state);
}

static int hold_process(void *arg)
{
	struct timespec a_moment = {.tv_nsec = 200000};
	atomic_int *state = ((il_shared *)arg)->data;

	atomic_store(state, 1);
	while (atomic_load(state) != 2)
		nanosleep(&a_moment, NULL);
	return 0;
}

static void cancel_in_processes(void)
{
	il_process_pool_options options = {.max_workers = 1, .queue_limit = 1};
	il_shared s = {.size = 0};

	CHECK_RC(il_shared_create(&s, sizeof(atomic_int)), 0);
	cancel_in_full_queue(new_processes(options), hold_process, &s, IL_SHARED, s.data);
	il_shared_destroy(&s);
}

IL_TEST_CORE(B, n36_a_cancelled_call_gives_its_place_in_the_queue_back)
{
	cancel_in_threads();
	cancel_in_processes();
}

IL_TEST_REAL(B, n52_a_tasks_cancelled_call_gives_its_place_in_the_queue_back)
{
	cancel_in_threads();
	cancel_in_processes();
}

/* ---- signals ---- */

/* 0: everything is as the rule says; else which signal is not. */
static int look_at_mask(void)
{
	const int others[] = {SIGINT, SIGTERM, SIGHUP, SIGCHLD, SIGUSR1, SIGPIPE};
	const int own[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS};
	sigset_t blocked;

	pthread_sigmask(SIG_BLOCK, NULL, &blocked);
	for (size_t i = 0; i < sizeof others / sizeof *others; i++)
		if (!sigismember(&blocked, others[i]))
			return others[i];
	for (size_t i = 0; i < sizeof own / sizeof *own; i++)
		if (sigismember(&blocked, own[i]))
			return own[i];
	return 0;
}

static int look_at_own_mask(void *arg)
{
	(void)arg;
	return look_at_mask();
}

/* 0: the child has the mask of the thread that made the pool. */
static int look_at_child(void *arg)
{
	const sigset_t *expected = arg;
	int status = -1;
	pid_t pid = fork();

	if (pid == 0) {
		sigset_t blocked;
		pthread_sigmask(SIG_BLOCK, NULL, &blocked);
		for (int s = 1; s < 32; s++)
			if (sigismember(&blocked, s) != sigismember(expected, s))
				_exit(s);
		_exit(0);
	}
	CHECK(pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status));
	return WEXITSTATUS(status);
}

IL_TEST_CORE(B, n49_a_worker_leaves_signals_to_others_and_its_children_their_mask)
{
	il_executor *ex = new_pool(1);
	sigset_t mine, saved;

	sigemptyset(&mine);
	sigaddset(&mine, SIGUSR2);
	pthread_sigmask(SIG_SETMASK, &mine, &saved);
	CHECK_RC(il_executor_run(ex, look_at_own_mask, NULL, 0), 0);
	CHECK_RC(il_executor_run(ex, look_at_child, &mine, 0), 0);
	pthread_sigmask(SIG_SETMASK, &saved, NULL);
	il_executor_destroy(ex);
}

/* ---- two loops and one pool ---- */

struct visit {
	il_executor *ex;
	atomic_int *together; /* how many have come; NULL: alone */
	pthread_t thread;
};

static int note_worker(void *arg)
{
	struct visit *v = arg;

	v->thread = pthread_self();
	if (v->together) {
		atomic_fetch_add(v->together, 1);
		UNTIL_THREAD(atomic_load(v->together) == 2);
	}
	return 0;
}

static int visit_pool(void *arg)
{
	struct visit *v = arg;

	return il_executor_run(v->ex, note_worker, v, 0);
}

IL_TEST_REAL(B, a_worker_that_last_served_the_loop_is_preferred)
{
	atomic_int together = 0;
	il_executor *ex = new_pool(2);
	struct visit first[2], v = {.ex = ex};
	il_portal *loops[2];
	il_future *fs[2];

	for (int i = 0; i < 2; i++) {
		CHECK_RC(il_blocking_portal_start(&loops[i], il_test_backend(), NULL), 0);
		first[i] = (struct visit){.ex = ex, .together = &together};
		CHECK_RC(il_portal_run_coroutine_soon(loops[i], &fs[i], visit_pool, &first[i]), 0);
	}
	for (int i = 0; i < 2; i++) {
		CHECK_RC(il_future_wait(fs[i], IL_FOREVER), 0);
		il_future_unref(fs[i]);
	}
	CHECK(!pthread_equal(first[0].thread, first[1].thread));
	for (int i = 0; i < 16; i++) {
		const int loop = i >> 1 & 1; /* twice, then the other one */
		CHECK_RC(il_portal_run_coroutine(loops[loop], visit_pool, &v), 0);
		CHECK(pthread_equal(v.thread, first[loop].thread));
	}
	for (int i = 0; i < 2; i++)
		CHECK_RC(il_blocking_portal_stop(loops[i]), 0);
	il_executor_destroy(ex);
}
