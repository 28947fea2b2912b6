/*
 * b_thread_exits.c: a function that ends its thread with pthread_exit instead of returning. In a worker its call
 * fails and another worker comes; in a loop's thread, where nothing can go on, the program stops with a sentence.
 */
#include "dies.h"
#include "harness.h"
#include "private.h"

#include <pthread.h>

static int leave(void *arg)
{
	pthread_exit(arg);
}

static int seven(void *arg)
{
	(void)arg;
	return 7;
}

static const il_thread_pool_options one = {.max_workers = 1};

IL_TEST_CORE(B, a_call_that_ends_its_thread_fails_and_another_worker_starts)
{
	il_future *first, *second, *third;
	il_executor *pool;

	CHECK_RC(il_thread_pool_create(&pool, &one), 0);
	CHECK_RC(il_executor_submit(pool, &first, leave, NULL, 0), 0);
	CHECK_RC(il_executor_submit(pool, &second, seven, NULL, 0), 0);
	CHECK_RC(il_future_result(first, IL_FOREVER), -EOWNERDEAD);
	CHECK(strstr(il_error_detail(), "pthread_exit"));
	CHECK_RC(il_future_join(second), 7);
	CHECK_RC(il_executor_submit(pool, &third, leave, NULL, 0), 0);
	CHECK_RC(il_executor_shutdown(pool, 0), 0);
	CHECK_RC(il_future_join(first), -EOWNERDEAD);
	CHECK_RC(il_future_join(third), -EOWNERDEAD);
	il_executor_destroy(pool);
}

static int find_key(void *arg)
{
	return il_local_get(arg) == arg ? 7 : 0;
}

IL_TEST(B, a_task_gets_the_error_of_a_call_that_ended_its_thread)
{
	static il_local key = IL_LOCAL_INIT;
	il_executor *pool;
	int results[3], items[3] = {0};

	CHECK_RC(il_local_set(&key, &key), 0);
	CHECK_RC(il_thread_pool_create(&pool, &one), 0);
	for (int i = 0; i < 3; i++) {
		CHECK_RC(il_run_in_thread(leave, NULL), -EOWNERDEAD);
		CHECK(strstr(il_error_detail(), "pthread_exit"));
		CHECK_RC(il_executor_run(pool, leave, NULL, 0), -EOWNERDEAD);
		CHECK_RC(il_executor_run(pool, find_key, &key, sizeof key), 7);
		CHECK_RC(il_run_in_thread(find_key, &key), 7);
	}
	CHECK_RC(il_executor_map(pool, leave, items, 3, sizeof *items, results, IL_FOREVER),
		 -EOWNERDEAD);
	CHECK_RC(results[0], -EOWNERDEAD);
	il_executor_destroy(pool);
}

static int leave_in_a_thread(void *limiter)
{
	const il_run_in_thread_options options = {.limiter = limiter};

	CHECK_RC(il_run_in_thread_with(leave, NULL, &options), -EOWNERDEAD);
	return 0;
}

/* One token: each call waits for that of the one before. */
IL_TEST(B, a_call_that_ends_its_thread_gives_its_token_back)
{
	il_future *f[4];
	il_limiter *limiter;
	il_group group;

	CHECK_RC(il_limiter_create(&limiter, 1), 0);
	CHECK_RC(il_group_open(&group), 0);
	for (int i = 0; i < 4; i++)
		CHECK_RC(il_group_start_soon(&group, &f[i], leave_in_a_thread, limiter), 0);
	for (int i = 0; i < 4; i++)
		CHECK_RC(il_future_join(f[i]), 0);
	CHECK_RC(il_group_close(&group, 0), 0);
	CHECK_EQ(il_limiter_borrowed(limiter), 0);
	il_limiter_destroy(limiter);
}

IL_TEST_CORE(B, a_call_without_a_future_that_ends_its_thread_is_logged)
{
	il_executor *pool;

	CHECK_RC(il_thread_pool_create(&pool, &one), 0);
	CHECK_RC(il_executor_submit(pool, NULL, leave, NULL, 0), 0);
	CHECK_RC(il_executor_run(pool, seven, NULL, 0), 7);
	il_executor_destroy(pool);
	CHECK_LOGGED(IL_LOG_WARNING, "pthread_exit", 1);
}

IL_TEST_CORE(B, an_initializer_that_ends_its_thread_breaks_the_pool)
{
	const il_thread_pool_options options = {.max_workers = 2, .initializer = leave};
	il_executor *pool;

	CHECK_RC(il_thread_pool_create(&pool, &options), 0);
	CHECK_RC(il_executor_run(pool, seven, NULL, 0), -ENOTRECOVERABLE);
	CHECK_RC(il_executor_run(pool, seven, NULL, 0), -ENOTRECOVERABLE);
	CHECK(strstr(il_error_detail(), "ended its thread"));
	il_executor_destroy(pool);
	CHECK_LOGGED(IL_LOG_ERROR, "EOWNERDEAD", 1);
}

static int fail_late(void *arg)
{
	(void)arg;
	nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
	return -EIO;
}

/* A call that nobody waits for runs also where the pool breaks, and ends the thread that breaks it. */
IL_TEST_CORE(B, the_calls_behind_one_that_ends_the_breaking_thread_fail_too)
{
	const il_thread_pool_options options = {.max_workers = 1, .initializer = fail_late};
	il_executor *pool;
	il_future *f;

	CHECK_RC(il_thread_pool_create(&pool, &options), 0);
	CHECK_RC(il_executor_submit(pool, NULL, leave, NULL, 0), 0);
	CHECK_RC(il_executor_submit(pool, &f, seven, NULL, 0), 0);
	CHECK_RC(il_future_join(f), -ENOTRECOVERABLE);
	il_executor_destroy(pool);
}

static void leave_at_the_start(int index, void *arg)
{
	(void)index;
	pthread_exit(arg);
}

IL_TEST_CORE(B, a_worker_that_ends_its_thread_at_the_start_breaks_the_pool)
{
	const il_thread_pool_options options = {.on_thread_start = leave_at_the_start};
	il_executor *pool;

	CHECK_RC(il_thread_pool_create(&pool, &options), 0);
	CHECK_RC(il_executor_run(pool, seven, NULL, 0), -ENOTRECOVERABLE);
	il_executor_destroy(pool);
	CHECK_LOGGED(IL_LOG_ERROR, "ended its thread", 1);
}

static void count_and_leave(void *arg)
{
	atomic_fetch_add((atomic_int *)arg, 1);
	pthread_exit(arg);
}

static void count(void *arg)
{
	atomic_fetch_add((atomic_int *)arg, 1);
}

static int nothing(void *arg)
{
	return arg ? 0 : -EINVAL;
}

IL_TEST_CORE(B, the_finalizer_runs_when_a_call_ended_its_thread_and_may_end_it_itself)
{
	void (*const finalizers[])(void *) = {count, count_and_leave};

	for (int i = 0; i < 2; i++) {
		atomic_int finals = 0;
		const il_thread_pool_options options = {.max_workers = 1,
							.initializer = nothing,
							.initializer_arg = &finals,
							.finalizer = finalizers[i]};
		il_executor *pool;
		CHECK_RC(il_thread_pool_create(&pool, &options), 0);
		if (i == 0)
			CHECK_RC(il_executor_run(pool, leave, NULL, 0), -EOWNERDEAD);
		CHECK_RC(il_executor_run(pool, seven, NULL, 0), 7);
		il_executor_destroy(pool);
		CHECK_EQ(finals, i == 0 ? 2 : 1);
	}
}

/* ---- an executor of the user's own ---- */

static int take(void *self, il_call *call)
{
	*(il_call **)self = call;
	return 0;
}

static void *run_call(void *call)
{
	il_call_run(call);
	return NULL;
}

IL_TEST_CORE(B, a_call_that_ends_a_thread_of_the_users_own_fails)
{
	const il_executor_ops ops = {.submit = take};
	il_call *call = NULL;
	il_executor *ex;
	pthread_t thread;
	il_future *f;

	CHECK_RC(il_executor_create(&ex, &ops, &call), 0);
	CHECK_RC(il_executor_submit(ex, &f, leave, NULL, 0), 0);
	CHECK_EQ(pthread_create(&thread, NULL, run_call, call), 0);
	CHECK_RC(il_future_join(f), -EOWNERDEAD);
	pthread_join(thread, NULL);
	il_executor_destroy(ex);
}

/* ---- in a loop's thread ---- */

static int run_a_task_that_leaves(void *arg)
{
	(void)arg;
	return il_run(il_test_backend(), leave, NULL);
}

static int call_the_loop_from_a_worker(void *arg)
{
	return il_from_thread_run_sync(leave, arg);
}

static int use_a_worker(void *arg)
{
	return il_run_in_thread(call_the_loop_from_a_worker, arg);
}

static int run_a_plain_call_that_leaves(void *arg)
{
	return il_run(il_test_backend(), use_a_worker, arg);
}

static int use_a_blocking_portal(void *arg)
{
	il_portal *portal;

	if (il_blocking_portal_start(&portal, il_test_backend(), NULL) < 0)
		return -EIO;
	return il_portal_run_sync(portal, leave, arg);
}

/* ---- calls that run in tasks ---- */

static il_call *queued[2];
static size_t queued_count;

static int queue_call(void *self, il_call *call)
{
	(void)self;
	queued[queued_count++] = call;
	return 0;
}

static int run_queued(void *call)
{
	il_call_run(call);
	return 0;
}

static int sleep_long(void *arg)
{
	return il_sleep(*(il_time *)arg);
}

static int take_turns(void *arg)
{
	il_time delays[2] = {IL_MSEC(1), IL_MSEC(3)};
	const il_executor_ops ops = {.submit = queue_call};
	il_executor *ex;
	il_future *f[2];
	il_group g;

	(void)arg;
	queued_count = 0;
	CHECK_RC(il_executor_create(&ex, &ops, NULL), 0);
	CHECK_RC(il_group_open(&g), 0);
	for (int i = 0; i < 2; i++) {
		CHECK_RC(il_executor_submit(ex, &f[i], sleep_long, &delays[i], 0), 0);
		CHECK_RC(il_group_start_soon(&g, NULL, run_queued, queued[i]), 0);
	}
	CHECK_RC(il_group_close(&g, 0), 0);
	for (int i = 0; i < 2; i++)
		CHECK_RC(il_future_join(f[i]), 0);
	il_executor_destroy(ex);
	return 0;
}

static void *run_and_leave(void *backend)
{
	CHECK_RC(il_run(backend, take_turns, NULL), 0);
	pthread_exit(backend);
}

/* The first one to begin ends first: what the thread does at its end is not left to a task that is gone. */
IL_TEST_OWN(B, calls_that_take_turns_in_tasks_leave_nothing_to_the_end_of_the_thread)
{
	const il_backend *backend = il_test_backend();
	pthread_t thread;
	void *result = NULL;

	CHECK_EQ(pthread_create(&thread, NULL, run_and_leave, (void *)(uintptr_t)backend), 0);
	CHECK_EQ(pthread_join(thread, &result), 0);
	CHECK(result == backend);
}

IL_TEST_OWN(B, a_function_that_ends_a_loops_thread_stops_the_program)
{
	if (IL_TEST_TSAN ||
	    IL_TEST_ASAN) /* they stop such a program, or warn of its stack, themselves */
		return;
	il_test_dies(run_a_task_that_leaves, NULL, "pthread_exit was called in a loop's thread");
	il_test_dies(run_a_plain_call_that_leaves, NULL, "pthread_exit was called in a loop's");
	il_test_dies(use_a_blocking_portal, NULL, "pthread_exit was called in a loop's thread");
}

static int run_in_an_adopted_loop(void *arg)
{
	void *native = il_native.create();
	il_loop *loop;

	if (il_native.attach(&loop, native, NULL) < 0)
		return -EIO;
	if (il_loop_spawn(loop, NULL, leave, arg) < 0)
		return -ENOMEM;
	il_native.run(native);
	return 0;
}

IL_TEST_ADOPTED(B, a_task_that_ends_the_hosts_thread_stops_the_program)
{
	if (IL_TEST_TSAN || IL_TEST_ASAN)
		return;
	il_test_dies(run_in_an_adopted_loop, NULL, "pthread_exit was called in a loop's thread");
}
