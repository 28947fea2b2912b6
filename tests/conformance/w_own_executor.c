/*
 * w_own_executor.c: the rules of all executors, held against one of the user's own: the priority pool of the examples. And what
 * it is for.
 */
#include "workers.h"

#include "../../examples/priority_pool.c"

static il_executor *new_priority_pool(int workers)
{
	il_executor *both[PRIORITIES];

	CHECK_RC(priority_pool_create(both, workers, 0), 0);
	il_executor_unref(both[URGENT]);
	return both[ORDINARY];
}

#define new_pool       new_priority_pool
#define EXECUTOR_GROUP W
#include "executor_ends.h"
#include "executor_rules.h"

/* ---- priorities ---- */

static int note_urgent(void *arg)
{
	(void)arg;
	TRACE("urgent");
	return 0;
}

static int note_ordinary(void *arg)
{
	(void)arg;
	TRACE("ordinary");
	return 0;
}

static void destroy_both(il_executor *both[PRIORITIES])
{
	il_executor_destroy(both[ORDINARY]);
	il_executor_destroy(both[URGENT]);
}

IL_TEST_CORE(W, urgent_calls_begin_before_ordinary_ones)
{
	il_executor *both[PRIORITIES];
	struct gate g = {.result = 0};

	CHECK_RC(priority_pool_create(both, 1, 0), 0);
	il_future *busy = occupy(both[ORDINARY], &g);
	for (int i = 0; i < 2; i++)
		CHECK_RC(il_executor_submit(both[ORDINARY], NULL, note_ordinary, NULL, 0), 0);
	for (int i = 0; i < 2; i++)
		CHECK_RC(il_executor_submit(both[URGENT], NULL, note_urgent, NULL, 0), 0);
	atomic_store(&g.open, true);
	CHECK_RC(finished(busy), 0);
	destroy_both(both);
	CHECK_TRACE("urgent urgent ordinary ordinary");
}

/* ---- a bound ---- */

struct waiter {
	il_executor *ex;
	atomic_int *ran;
	int begun;
};

static int run_count(void *arg)
{
	struct waiter *w = arg;

	w->begun++;
	return il_executor_run(w->ex, count_in, w->ran, 0);
}

IL_TEST(W, tasks_wait_for_room_in_a_full_queue)
{
	il_executor *both[PRIORITIES];
	struct gate g = {.result = 0};
	atomic_int ran = 0;
	il_future *f = NULL;
	il_group group;

	CHECK_RC(priority_pool_create(both, 1, 1), 0);
	il_future *busy = occupy(both[ORDINARY], &g);
	struct waiter w = {both[ORDINARY], &ran, 0};
	CHECK_RC(il_group_open(&group), 0);
	for (int i = 0; i < 20; i++)
		CHECK_RC(il_group_start_soon(&group, NULL, run_count, &w), 0);
	while (w.begun < 20)
		CHECK_RC(il_yield(), 0);
	CHECK_RC(il_executor_submit(both[ORDINARY], &f, count_in, &ran, 0), -EAGAIN);
	atomic_store(&g.open, true);
	CHECK_RC(il_group_close(&group, 0), 0);
	CHECK_EQ(ran, 20);
	CHECK_RC(finished(busy), 0);
	destroy_both(both);
}

IL_TEST_CORE(W, a_cancelled_call_makes_room)
{
	il_executor *both[PRIORITIES];
	struct gate g = {.result = 0};
	atomic_int ran = 0;
	il_future *second = NULL;

	CHECK_RC(priority_pool_create(both, 1, 1), 0);
	il_future *busy = occupy(both[ORDINARY], &g),
		  *first = submitted(both[ORDINARY], count_in, &ran);
	CHECK_RC(il_executor_submit(both[ORDINARY], &second, count_in, &ran, 0), -EAGAIN);
	CHECK(il_future_cancel(first));
	CHECK_RC(finished(first), -ECANCELED);
	CHECK_RC(il_executor_submit(both[ORDINARY], &second, count_in, &ran, 0), 0);
	atomic_store(&g.open, true);
	CHECK_RC(finished(second), 0);
	CHECK_RC(finished(busy), 0);
	destroy_both(both);
	CHECK_EQ(ran, 1);
}
