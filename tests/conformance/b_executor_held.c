/*
 * b_executor_held.c: a call that waits holds its executor, so the last reference may be dropped meanwhile; and what an
 * executor of the user's own returns, its caller gets.
 */
#include "harness.h"

struct held {
	il_executor *ex;
	atomic_bool begun, go;
	int (*wait)(struct held *h);
};

static int stay(void *arg)
{
	struct held *h = arg;

	atomic_store(&h->begun, true);
	while (!atomic_load(&h->go))
		il_test_pause_really();
	return 5;
}

static int wait_for_the_end(struct held *h)
{
	int rc = il_executor_submit(h->ex, NULL, stay, h, sizeof *h);

	return rc < 0 ? rc : il_executor_shutdown(h->ex, 0);
}

static int wait_in_run(struct held *h)
{
	return il_executor_run(h->ex, stay, h, sizeof *h);
}

static int wait_in_map(struct held *h)
{
	int result = 0, rc = il_executor_map(h->ex, stay, h, 1, sizeof *h, &result, IL_FOREVER);

	return rc < 0 ? rc : result;
}

static int wait(void *arg)
{
	struct held *h = arg;

	return h->wait(h);
}

/* The waiting call has begun to wait when its function runs. */
static void drop_while_it_waits(int (*wait_in)(struct held *h), int expected)
{
	struct held h = {.wait = wait_in};
	il_future *f;
	il_group group;

	CHECK_RC(il_thread_pool_create(&h.ex, NULL), 0);
	CHECK_RC(il_group_open(&group), 0);
	CHECK_RC(il_group_start_soon(&group, &f, wait, &h), 0);
	UNTIL_THREAD(atomic_load(&h.begun) && il_yield() == 0);
	il_executor_unref(h.ex);
	atomic_store(&h.go, true);
	CHECK_RC(il_future_join(f), expected);
	CHECK_RC(il_group_close(&group, 0), 0);
}

IL_TEST(B, the_last_reference_may_go_while_a_task_waits_for_the_end)
{
	drop_while_it_waits(wait_for_the_end, 0);
}

IL_TEST(B, the_last_reference_may_go_while_a_task_waits_for_a_call)
{
	drop_while_it_waits(wait_in_run, 5);
	drop_while_it_waits(wait_in_map, 5);
}

/* ---- an executor of the user's own ---- */

static int take(void *self, il_call *call)
{
	*(il_call **)self = call;
	return 0;
}

static int never(void *arg)
{
	(void)arg;
	TRACE("ran");
	return 0;
}

IL_TEST_CORE(B, a_call_fails_with_the_code_that_il_call_fail_was_given)
{
	const int codes[] = {7, 0, -EIO, -ECANCELED};
	const il_executor_ops ops = {.submit = take};
	il_call *call = NULL;
	il_executor *ex;
	il_future *f;

	CHECK_RC(il_executor_create(&ex, &ops, &call), 0);
	for (int i = 0; i < 4; i++) {
		CHECK_RC(il_executor_submit(ex, &f, never, NULL, 0), 0);
		il_call_fail(call, codes[i]);
		CHECK(il_future_done(f));
		CHECK_RC(il_future_join(f), codes[i]);
	}
	il_executor_destroy(ex);
	CHECK_TRACE("");
}
