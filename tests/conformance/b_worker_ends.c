/*
 * b_worker_ends.c: what runs last in a worker thread: once where the initializer did not fail, whatever ends
 * the worker, and before anybody is told that the pool has ended.
 */
#include "workers.h"

static _Thread_local bool is_open;

/* `arg` of the functions below. */
struct life {
	struct gate calls;
	atomic_int opened, closing, closed;
	int able;            /* so many initializers succeed */
	atomic_bool may_end; /* the finalizers wait for it */
};

static int open_worker(void *arg)
{
	struct life *l = arg;

	if (atomic_fetch_add(&l->opened, 1) >= l->able)
		return -EXDEV;
	TRACE("open");
	is_open = true;
	return 0;
}

static int use_worker(void *arg)
{
	CHECK(is_open);
	TRACE("use");
	return stay(arg);
}

static void close_worker(void *arg)
{
	struct life *l = arg;

	atomic_fetch_add(&l->closing, 1);
	UNTIL_THREAD(atomic_load(&l->may_end));
	CHECK(is_open);
	is_open = false;
	TRACE("close");
	atomic_fetch_add(&l->closed, 1);
}

static il_executor *new_life(struct life *l, int workers, il_time idle_timeout)
{
	il_executor *ex = NULL;

	CHECK_RC(
	    il_thread_pool_create(&ex, &(il_thread_pool_options){.max_workers = workers,
								 .initializer = open_worker,
								 .initializer_arg = l,
								 .finalizer = close_worker,
								 .idle_timeout = idle_timeout}),
	    0);
	return ex;
}

static void end_a_pool(void)
{
	struct life l = {.able = 3, .may_end = true};
	il_executor *ex = new_life(&l, 3, IL_FOREVER);

	for (int i = 0; i < 9; i++)
		CHECK_RC(il_executor_submit(ex, NULL, use_worker, &l.calls, 0), 0);
	UNTIL_THREAD(atomic_load(&l.calls.begun) == 3);
	CHECK_EQ(l.closing, 0);
	atomic_store(&l.calls.open, true);
	il_executor_destroy(ex);
	CHECK_EQ(l.calls.ended, 9);
	CHECK_EQ(l.opened, 3);
	CHECK_EQ(l.closed, 3);
}

IL_TEST_CORE(B, the_finalizer_runs_once_and_last_in_each_worker)
{
	end_a_pool();
}

IL_TEST(B, the_finalizer_runs_once_and_last_in_each_worker_for_a_task)
{
	end_a_pool();
}

static void come_while_it_ends(void)
{
	struct life l = {.able = 9, .calls = {.open = true}};
	il_executor *ex = new_life(&l, 1, IL_MSEC(1));
	il_future *f;

	CHECK_RC(il_executor_run(ex, use_worker, &l.calls, 0), 0);
	UNTIL_THREAD(atomic_load(&l.closing) == 1);
	f = submitted(ex, use_worker, &l.calls);
	CHECK_EQ(l.calls.begun, 1);
	atomic_store(&l.may_end, true);
	CHECK_RC(finished(f), 0);
	il_executor_destroy(ex);
	CHECK_TRACE("open use close open use close");
}

IL_TEST_CORE(B, a_call_that_comes_while_an_idle_worker_ends_has_the_next_one)
{
	come_while_it_ends();
}

IL_TEST(B, a_call_of_a_task_that_comes_while_an_idle_worker_ends_has_the_next_one)
{
	come_while_it_ends();
}

/* The pool has room for another worker: nobody waits for the one that ends. */
IL_TEST_CORE(B, a_worker_that_ends_does_not_hold_up_others)
{
	struct life l = {.able = 9, .calls = {.open = true}};
	il_executor *ex = new_life(&l, 2, IL_MSEC(1));

	CHECK_RC(il_executor_run(ex, use_worker, &l.calls, 0), 0);
	UNTIL_THREAD(atomic_load(&l.closing) == 1);
	CHECK_RC(il_executor_run(ex, use_worker, &l.calls, 0), 0);
	CHECK_EQ(l.closed, 0);
	atomic_store(&l.may_end, true);
	il_executor_destroy(ex);
	CHECK_EQ(l.closed, 2);
}

struct end {
	il_executor *ex;
	atomic_bool over;
};

static int shut_down(void *arg)
{
	struct end *e = arg;
	int rc = il_executor_shutdown(e->ex, 0);

	atomic_store(&e->over, true);
	return rc;
}

IL_TEST_CORE(B, a_shutdown_waits_for_finalizers_and_what_was_accepted_before_still_runs)
{
	struct life l = {.able = 9, .calls = {.open = true}};
	struct end e = {.ex = new_life(&l, 1, IL_MSEC(1))};
	struct il_test_thread t;
	il_future *f, *none = NULL;

	CHECK_RC(il_executor_run(e.ex, use_worker, &l.calls, 0), 0);
	UNTIL_THREAD(atomic_load(&l.closing) == 1);
	f = submitted(e.ex, use_worker, &l.calls);
	il_test_thread_start(&t, shut_down, &e);
	do { /* until the shutdown has begun */
		il_future_unref(none);
		none = NULL;
	} while (il_executor_submit(e.ex, &none, use_worker, &l.calls, 0) != -ESHUTDOWN);
	CHECK(!atomic_load(&e.over));
	atomic_store(&l.may_end, true);
	CHECK_RC(il_test_thread_join(&t), 0);
	CHECK_RC(finished(f), 0);
	CHECK_EQ(l.opened, l.closed);
	il_executor_unref(e.ex);
}

IL_TEST_CORE(B, where_the_initializer_failed_there_is_no_finalizer)
{
	struct life l = {.able = 1, .may_end = true};
	il_executor *ex = new_life(&l, 2, IL_FOREVER);
	il_future *first = occupy(ex, &l.calls);
	il_future *second = submitted(ex, use_worker, &l.calls);

	CHECK_RC(finished(second), -ENOTRECOVERABLE);
	CHECK(strstr(il_error_detail(), il_strerror(-EXDEV))); /* one without a name of ours */
	atomic_store(&l.calls.open, true);
	CHECK_RC(finished(first), 0);
	il_executor_destroy(ex);
	CHECK_EQ(l.opened, 2);
	CHECK_EQ(l.closed, 1);
	CHECK_LOGGED(IL_LOG_ERROR, "initializer", 1);
}

static void count_out(void *arg)
{
	atomic_fetch_add((atomic_int *)arg, 1);
}

IL_TEST_CORE(B, a_finalizer_needs_no_initializer)
{
	atomic_int count = 0;
	il_executor *ex = NULL;
	il_thread_pool_options options = {
	    .max_workers = 1, .finalizer = count_out, .initializer_arg = &count};

	CHECK_RC(il_thread_pool_create(&ex, &options), 0);
	CHECK_RC(il_executor_run(ex, count_in, &count, 0), 0);
	CHECK_EQ(count, 1);
	il_executor_destroy(ex);
	CHECK_EQ(count, 2);
}
