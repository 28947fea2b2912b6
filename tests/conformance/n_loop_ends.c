/*
 * n_loop_ends.c: the end of a loop whose driver fails, whose driver calls back, or whose native loop was asked to stop; and
 * that nothing of the native loop is to be had after it.
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
