/*
 * n_loop_ends.c: the end of a loop whose driver fails, whose driver calls back, or whose native loop was asked to stop or runs
 * within its run; and that nothing of the native loop is to be had after it.
 */
#include "dies.h"

static struct {
	bool fails;
	il_loop *loop; /* to be closed in the middle of its end */
	int rc;
} ends;

static int run_or_fail(void *self)
{
	return ends.fails ? -EIO : il_test_backend()->driver.run(self);
}

static void close_twice(void *self)
{
	ends.rc = ends.loop ? il_loop_close(ends.loop) : 0;
	il_test_backend()->driver.close(self);
}

static il_backend ending_backend(void)
{
	il_backend backend = *il_test_backend();

	ends.fails = false;
	ends.loop = NULL;
	ends.rc = 0;
	backend.driver.run = run_or_fail;
	backend.driver.close = close_twice;
	return backend;
}

static int nothing(void *arg)
{
	(void)arg;
	return 0;
}

/* ---- a driver that fails ---- */

struct thread_call {
	int begun[2], end[2];
};

static int wait_for_the_end(void *arg)
{
	struct thread_call *c = arg;
	char byte = 0;

	return write(c->begun[1], &byte, 1) == 1 && read(c->end[0], &byte, 1) == 0 ? 0 : -EIO;
}

static int call_thread(void *arg)
{
	return il_run_in_thread(wait_for_the_end, arg);
}

static int leave_a_call(void *arg)
{
	struct thread_call *c = arg;
	int rc = il_loop_spawn(il_loop_current(), NULL, call_thread, arg);

	return rc < 0 ? rc : il_wait_readable(c->begun[0]);
}

static int close_with_a_failing_driver(void *unused)
{
	il_backend backend = ending_backend();
	struct thread_call c;
	il_loop *loop;

	(void)unused;
	if (pipe(c.begun) < 0 || pipe(c.end) < 0 || il_loop_open(&loop, &backend, NULL) < 0)
		return 1;
	if (il_loop_run(loop, leave_a_call, &c) < 0)
		return 1;
	ends.fails = true;
	return il_loop_close(loop) < 0;
}

IL_TEST_OWN(N, a_driver_that_fails_while_a_loop_is_closed_over_a_task_says_so)
{
	il_test_dies(close_with_a_failing_driver, NULL, "il_loop_close: the driver of ");
}

/* ---- one that closes the loop once more ---- */

IL_TEST_OWN(N, a_loop_is_not_closed_in_the_middle_of_its_end)
{
	il_backend backend = ending_backend();
	il_loop *loop = NULL;

	CHECK_RC(il_loop_open(&loop, &backend, NULL), 0);
	CHECK_RC(il_loop_run(loop, nothing, NULL), 0);
	ends.loop = loop;
	CHECK_RC(il_loop_close(loop), 0);
	CHECK_RC(ends.rc, -EBUSY);
	CHECK_RC(il_loop_close(loop), 0);
	il_loop_destroy(loop);
}

static void detach_twice(void *self)
{
	ends.rc = il_loop_detach(ends.loop);
	CHECK(strstr(il_error_detail(), "called by what it calls itself"));
	il_test_backend()->driver.close(self);
}

IL_TEST_ADOPTED(N, a_loop_is_not_detached_in_the_middle_of_its_end)
{
	il_backend backend = ending_backend();
	void *native = il_native.create();

	backend.driver.close = detach_twice;
	CHECK_RC(il_loop_attach(&ends.loop, &backend, native, NULL), 0);
	CHECK_RC(il_loop_detach(ends.loop), 0);
	CHECK_RC(ends.rc, -EBUSY);
	il_native.run(native);
	CHECK_RC(il_native.destroy(native), 0);
}

/* ---- the native loop ---- */

IL_TEST_OWN(N, a_closed_loop_has_no_native_loop)
{
	il_loop *loop = NULL;

	CHECK_RC(il_loop_open(&loop, il_test_backend(), NULL), 0);
	CHECK((il_loop_native(loop) != NULL) == !il_test_virtual());
	CHECK_RC(il_loop_close(loop), 0);
	CHECK(il_loop_native(loop) == NULL);
	il_loop_destroy(loop);
}

static int detach_in_child(void *loop)
{
	return il_loop_detach(loop) < 0 || il_loop_native(loop) != NULL;
}

IL_TEST_ADOPTED(N, a_loop_that_a_forked_child_has_detached_has_no_native_loop)
{
	void *native = il_native.create();
	il_loop *loop = NULL;

	CHECK_RC(il_native.attach(&loop, native, NULL), 0);
	CHECK_IN_CHILD(detach_in_child, loop);
	CHECK(il_loop_native(loop) == native);
	CHECK_RC(il_loop_detach(loop), 0);
	il_native.run(native);
	CHECK_RC(il_native.destroy(native), 0);
}

/* What it has open is counted by the harness. */
IL_TEST_OWN_REAL(N, a_loop_ends_whose_native_loop_was_asked_to_stop)
{
	il_loop *loop = NULL;

	CHECK_RC(il_loop_open(&loop, il_test_backend(), NULL), 0);
	CHECK_RC(il_loop_run(loop, nothing, NULL), 0);
	il_native.stop(il_loop_native(loop));
	il_loop_destroy(loop);
}

static int sleep_a_little(void *arg)
{
	(void)arg;
	return il_sleep(IL_MSEC(20));
}

static void run_within(void *native)
{
	il_native.run(native);
}

/* libev allows it. Main ends within the inner run, which is not the one that is to return. */
IL_TEST_OWN_REAL(N, a_loop_ends_that_a_callback_runs_again_within_its_run)
{
	il_loop *loop = NULL;

	if (strcmp(il_native.name, "libev") != 0)
		return;
	CHECK_RC(il_loop_open(&loop, il_test_backend(), NULL), 0);
	il_native.after(il_loop_native(loop), IL_MSEC(1), run_within, il_loop_native(loop));
	CHECK_RC(il_loop_run(loop, sleep_a_little, NULL), 0);
	il_loop_destroy(loop);
}

/* ---- what only virtual time has ---- */

static int idle(void *arg)
{
	(void)arg;
	return il_sleep_forever();
}

static int leave_many(void *arg)
{
	(void)arg;
	for (int i = 0; i < 300; i++)
		CHECK_RC(il_loop_spawn(il_loop_current(), NULL, idle, NULL), 0);
	return 0;
}

IL_TEST_OWN_VIRTUAL(N, more_tasks_than_step_limit_have_their_end)
{
	il_loop *loop = NULL;

	CHECK_RC(il_loop_open(&loop, il_test_backend(), &(il_loop_options){.step_limit = 100}), 0);
	CHECK_RC(il_loop_run(loop, leave_many, NULL), 0);
	CHECK_RC(il_loop_close(loop), 0);
	il_loop_destroy(loop);
}

static int yield_for_ever(void *arg)
{
	(void)arg;
	while (il_yield() == 0)
		;
	return -ECANCELED;
}

static int yield_many(void *arg)
{
	il_group g;

	(void)arg;
	CHECK_RC(il_group_open(&g), 0);
	for (int i = 0; i < 300; i++)
		CHECK_RC(il_group_start_soon(&g, NULL, yield_for_ever, NULL), 0);
	return il_group_close(&g, 0);
}

IL_TEST_OWN_VIRTUAL(N, more_tasks_than_step_limit_end_when_it_is_used_up)
{
	il_loop *loop = NULL;

	CHECK_RC(il_loop_open(&loop, il_test_backend(), &(il_loop_options){.step_limit = 100}), 0);
	CHECK_RC(il_loop_run(loop, yield_many, NULL), -ETIMEDOUT);
	il_loop_destroy(loop);
}

static int line_up(void *word)
{
	TRACE(word);
	return 0;
}

static int run_in_order(void *arg)
{
	static char *const words[] = {"a", "b", "c", "d", "e", "f", "g", "h"};
	il_group g;

	(void)arg;
	CHECK_RC(il_group_open(&g), 0);
	for (int i = 0; i < 8; i++)
		CHECK_RC(il_group_start_soon(&g, NULL, line_up, words[i]), 0);
	CHECK_RC(il_group_close(&g, 0), 0);
	CHECK_TRACE("a b c d e f g h");
	for (int turns = 0; turns < 200; turns++)
		CHECK_RC(il_yield(), 0);
	return 0;
}

IL_TEST_OWN_REAL(N, a_real_loop_has_no_seed_and_no_step_limit)
{
	il_loop *loop = NULL;

	CHECK_RC(il_loop_open(&loop, il_test_backend(),
			      &(il_loop_options){.seed = 7, .step_limit = 100}),
		 0);
	CHECK_RC(il_loop_run(loop, run_in_order, NULL), 0);
	il_loop_destroy(loop);
}
