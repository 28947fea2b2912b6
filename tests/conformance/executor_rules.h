/*
 * executor_rules.h: what holds for every executor: calls, map, shutdown, cancelled tasks. Included by the tests of one kind,
 * which define EXECUTOR_GROUP, their group, and may define new_pool(workers), which makes one; else it is a thread pool.
 */
#ifndef IL_TESTS_EXECUTOR_RULES_H
#define IL_TESTS_EXECUTOR_RULES_H

#include "workers.h"

/* ---- a task's blocking calls, and the loop's own timers ---- */

enum { SIX = 6, THREE = 3 };

struct rounds {
	il_executor *ex;
	atomic_int inside, most, ticks;
	bool over;
	int results[SIX];
};

struct one_round {
	struct rounds *rounds;
	int id;
};

/* Stays until three are here, and until the loop has gone on for a while. */
static int block_for_three_ticks(void *arg)
{
	struct rounds *r = ((struct one_round *)arg)->rounds;
	int ticks = atomic_load(&r->ticks);
	int inside = atomic_fetch_add(&r->inside, 1) + 1, most = atomic_load(&r->most);

	while (inside > most && !atomic_compare_exchange_weak(&r->most, &most, inside))
		;
	UNTIL_THREAD(atomic_load(&r->most) >= THREE);
	UNTIL_THREAD(atomic_load(&r->ticks) >= ticks + 3);
	atomic_fetch_sub(&r->inside, 1);
	return ((struct one_round *)arg)->id;
}

static int run_one_round(void *arg)
{
	struct one_round *one = arg;
	struct rounds *r = one->rounds;

	r->results[one->id] = il_executor_run(r->ex, block_for_three_ticks, one, sizeof *one);
	return 0;
}

static int tick(void *arg)
{
	struct rounds *r = arg;

	while (!r->over) {
		if (il_test_virtual()) /* its clock stands: other tasks go on all the same */
			il_test_pause_really();
		else
			CHECK_RC(il_sleep(IL_MSEC(1)), 0);
		atomic_fetch_add(&r->ticks, 1);
	}
	return 0;
}

IL_TEST(EXECUTOR_GROUP, n29_three_workers_run_three_calls_while_the_loop_goes_on)
{
	struct rounds r = {.ex = new_pool(THREE)};
	struct one_round ones[SIX];
	il_group ticker, g;

	CHECK_RC(il_group_open(&ticker), 0);
	CHECK_RC(il_group_start_soon(&ticker, NULL, tick, &r), 0);
	CHECK_RC(il_group_open(&g), 0);
	for (int i = 0; i < SIX; i++) {
		ones[i] = (struct one_round){&r, i};
		CHECK_RC(il_group_start_soon(&g, NULL, run_one_round, &ones[i]), 0);
	}
	CHECK_RC(il_group_close(&g, 0), 0);
	r.over = true;
	CHECK_RC(il_group_close(&ticker, 0), 0);
	CHECK_EQ(r.most, THREE);
	for (int i = 0; i < SIX; i++)
		CHECK_EQ(r.results[i], i);
	il_executor_destroy(r.ex);
}

/* ---- results ---- */

struct said {
	int result;
	pthread_t thread;
};

static int say(void *arg)
{
	struct said *s = arg;

	s->thread = pthread_self();
	return s->result;
}

static void submit_three_in_turn(void)
{
	struct said said[3] = {{.result = 7}, {.result = -EIO}, {.result = 0}};
	il_executor *ex = new_pool(1);

	for (int i = 0; i < 3; i++) {
		il_future *f = submitted(ex, say, &said[i]);
		CHECK_RC(il_future_wait(f, IL_FOREVER), 0);
		CHECK_EQ(il_future_cancelled(f), false);
		CHECK_EQ(il_future_running(f), false);
		CHECK_RC(il_future_result(f, 0), said[i].result);
		il_future_unref(f);
		CHECK(!pthread_equal(said[i].thread, pthread_self()));
		CHECK(pthread_equal(said[i].thread, said[0].thread));
		CHECK_RC(il_executor_run(ex, say, &said[i], sizeof said[i]), said[i].result);
	}
	il_executor_destroy(ex);
}

IL_TEST_CORE(EXECUTOR_GROUP, n30_a_worker_lives_on_after_an_error)
{
	submit_three_in_turn();
}

IL_TEST(EXECUTOR_GROUP, n30_a_worker_lives_on_after_an_error_of_a_tasks_call)
{
	submit_three_in_turn();
}

static int double_it(void *arg)
{
	return 2 * *(int *)arg;
}

static void map_without_results(void)
{
	il_executor *ex = new_pool(3);
	atomic_int ran[10];

	for (int i = 0; i < 10; i++)
		atomic_init(&ran[i], 0);
	CHECK_RC(il_executor_map(ex, count_in, ran, 10, sizeof *ran, NULL, IL_FOREVER), 0);
	CHECK_RC(il_executor_shutdown(ex, 0), 0);
	for (int i = 0; i < 10; i++)
		CHECK_EQ(ran[i], 1);
	CHECK_RC(il_executor_map(ex, count_in, ran, 10, sizeof *ran, NULL, IL_FOREVER), -ESHUTDOWN);
	il_executor_unref(ex);
}

IL_TEST_CORE(EXECUTOR_GROUP, n31_map_runs_every_item_with_nobody_reading)
{
	map_without_results();
}

IL_TEST(EXECUTOR_GROUP, n31_map_runs_every_item_for_a_task)
{
	map_without_results();
}

enum { ROW = 4 };

struct item {
	struct item *row;
	atomic_bool ended;
	atomic_int runs;
	int result;
};

/* All begin; then the last one ends first. */
static int end_after_the_next(void *arg)
{
	struct item *i = arg;

	atomic_fetch_add(&i->row[0].runs, 1);
	UNTIL_THREAD(atomic_load(&i->row[0].runs) == ROW);
	if (i < &i->row[ROW - 1])
		UNTIL_THREAD(atomic_load(&i[1].ended));
	atomic_store(&i->ended, true);
	return i->result;
}

static int give_result(void *arg)
{
	struct item *i = arg;

	atomic_fetch_add(&i->runs, 1);
	return i->result;
}

static void make_row(struct item row[ROW])
{
	for (int i = 0; i < ROW; i++)
		row[i] = (struct item){.row = row, .result = 10 + i};
}

static void map_in_order(void)
{
	il_executor *four = new_pool(ROW), *one = new_pool(1);
	struct item row[ROW];
	int results[ROW] = {0};

	make_row(row);
	CHECK_RC(
	    il_executor_map(four, end_after_the_next, row, ROW, sizeof *row, results, IL_FOREVER),
	    0);
	for (int i = 0; i < ROW; i++)
		CHECK_EQ(results[i], 10 + i);
	make_row(row);
	row[1].result = -EIO;
	CHECK_RC(il_executor_map(one, give_result, row, ROW, sizeof *row, results, IL_FOREVER),
		 -EIO);
	CHECK_EQ(results[0], 10);
	CHECK_RC(results[1], -EIO);
	for (int i = 2; i < ROW; i++) {
		CHECK_RC(results[i], -ECANCELED);
		CHECK_EQ(row[i].runs, 0);
	}
	make_row(row);
	row[1].result = -EIO;
	row[3].result = -EPIPE; /* fails first */
	CHECK_RC(
	    il_executor_map(four, end_after_the_next, row, ROW, sizeof *row, results, IL_FOREVER),
	    -EIO);
	CHECK_RC(results[3], -EPIPE);
	il_executor_destroy(four);
	il_executor_destroy(one);
}

IL_TEST_CORE(EXECUTOR_GROUP, n32_map_keeps_the_order_of_its_items)
{
	map_in_order();
}

IL_TEST(EXECUTOR_GROUP, n32_map_keeps_the_order_for_a_task)
{
	map_in_order();
}

static void map_without_time(void)
{
	il_executor *ex = new_pool(1);
	struct gate g = {.result = 3};
	il_future *busy = occupy(ex, &g);
	int values[3] = {1, 2, 3}, results[3] = {5, 5, 5};
	atomic_int ran[3];

	for (int i = 0; i < 3; i++)
		atomic_init(&ran[i], 0);
	CHECK_RC(il_executor_map(ex, count_in, ran, 3, sizeof *ran, results, 0), -ETIMEDOUT);
	for (int i = 0; i < 3; i++)
		CHECK_RC(results[i], -ECANCELED);
	CHECK(!il_future_done(busy));
	atomic_store(&g.open, true);
	CHECK_RC(finished(busy), 3);
	CHECK_RC(il_executor_map(ex, double_it, values, 3, sizeof *values, results, IL_FOREVER), 0);
	CHECK_EQ(results[2], 6);
	il_executor_destroy(ex);
	for (int i = 0; i < 3; i++)
		CHECK_EQ(ran[i], 0);
}

static void map_without_waiting(il_executor *ex)
{
	int values[2] = {1, 2}, results[2] = {7, 7};

	CHECK_RC(il_executor_map(ex, double_it, values, 2, sizeof *values, results, 0), -ETIMEDOUT);
	CHECK_RC(results[1], -ECANCELED);
	CHECK_RC(il_executor_map(ex, double_it, values, 0, sizeof *values, results, IL_FOREVER), 0);
}

static int map_in_callback(il_future *f, void *arg)
{
	int values[2] = {1, 2}, results[2] = {7, 7};

	(void)f;
	map_without_waiting(arg);
	CHECK_RC(il_executor_map(arg, double_it, values, 2, sizeof *values, results, IL_FOREVER),
		 -EPERM);
	CHECK_EQ(results[1], 7);
	return 0;
}

IL_TEST_CORE(EXECUTOR_GROUP, n34_map_without_time_may_be_called_anywhere)
{
	il_executor *ex = new_pool(1);
	il_future *f;

	CHECK_RC(il_future_create(&f), 0);
	CHECK_RC(il_future_on_done(f, map_in_callback, ex), 0);
	CHECK_RC(il_future_set_result(f, 0), 0);
	il_future_unref(f);
	il_executor_destroy(ex);
}

IL_TEST(EXECUTOR_GROUP, n32_map_in_a_cancelled_scope_says_that_no_call_began)
{
	int values[2] = {1, 2}, results[2] = {7, 7};
	il_executor *ex = new_pool(1);
	il_scope scope = IL_SCOPE_INIT;
	int rc;

	CHECK_RC(il_scope_enter(&scope, IL_FOREVER, 0), 0);
	CHECK_RC(il_scope_cancel(&scope), 0);
	rc = il_executor_map(ex, double_it, values, 2, sizeof *values, results, IL_FOREVER);
	CHECK_RC(rc, -ECANCELED);
	CHECK_RC(results[0], -ECANCELED);
	CHECK_RC(results[1], -ECANCELED);
	CHECK_RC(il_scope_exit(&scope, rc), 0);
	il_executor_destroy(ex);
}

IL_TEST_CORE(EXECUTOR_GROUP, n34_map_without_time_runs_nothing)
{
	map_without_time();
}

IL_TEST(EXECUTOR_GROUP, n34_map_without_time_runs_nothing_for_a_task)
{
	map_without_time();
}

/* ---- shutdown ---- */

struct late {
	il_executor *ex;
	struct gate g;
	atomic_int ran;
	int from_job, from_callback;
};

static int submit_late(void *arg)
{
	struct late *l = arg;

	stay(&l->g);
	l->from_job = il_executor_submit(l->ex, NULL, count_in, &l->ran, 0);
	return 0;
}

static int submit_in_callback(il_future *f, void *arg)
{
	struct late *l = arg;

	(void)f;
	l->from_callback = il_executor_submit(l->ex, NULL, count_in, &l->ran, 0);
	return 0;
}

static void submit_after_shutdown(void)
{
	struct late l = {.ex = new_pool(1)};
	il_future *f = submitted(l.ex, submit_late, &l), *none = NULL;

	CHECK_RC(il_future_on_done(f, submit_in_callback, &l), 0);
	UNTIL_THREAD(atomic_load(&l.g.begun) == 1);
	CHECK_RC(il_executor_shutdown(l.ex, IL_NOWAIT), 0);
	CHECK_RC(il_executor_submit(l.ex, &none, count_in, &l.ran, 0), -ESHUTDOWN);
	CHECK(none == NULL);
	CHECK_RC(il_executor_run(l.ex, count_in, &l.ran, 0), -ESHUTDOWN);
	atomic_store(&l.g.open, true);
	CHECK_RC(il_executor_shutdown(l.ex, 0), 0);
	CHECK_RC(finished(f), 0);
	CHECK_RC(l.from_job, -ESHUTDOWN);
	CHECK_RC(l.from_callback, -ESHUTDOWN);
	CHECK_EQ(l.ran, 0);
	il_executor_unref(l.ex);
}

IL_TEST_CORE(EXECUTOR_GROUP, n35_after_shutdown_nothing_is_taken)
{
	submit_after_shutdown();
}

IL_TEST(EXECUTOR_GROUP, n35_after_shutdown_nothing_is_taken_from_a_task)
{
	submit_after_shutdown();
}

static int open_soon(void *arg)
{
	struct gate *g = arg;

	UNTIL_THREAD(atomic_load(&g->begun) > 0);
	atomic_store(&g->open, true);
	return 0;
}

static void shut_down_with_fifty_queued(void)
{
	enum { JOBS = 50 };
	il_executor *ex = new_pool(3);
	struct gate g = {.result = 5};
	struct il_test_thread opener;
	il_future *fs[JOBS];

	for (int i = 0; i < JOBS; i++)
		fs[i] = submitted(ex, stay, &g);
	il_test_thread_start(&opener, open_soon, &g);
	CHECK_RC(il_executor_shutdown(ex, 0), 0);
	CHECK_EQ(g.ended, JOBS);
	for (int i = 0; i < JOBS; i++) {
		CHECK_RC(il_future_result(fs[i], 0), 5);
		il_future_unref(fs[i]);
	}
	CHECK_RC(il_test_thread_join(&opener), 0);
	il_executor_unref(ex);
}

IL_TEST_CORE(EXECUTOR_GROUP, n36_shutdown_waits_for_all_that_was_queued)
{
	shut_down_with_fifty_queued();
}

IL_TEST(EXECUTOR_GROUP, n36_shutdown_parks_a_task_until_all_has_ended)
{
	shut_down_with_fifty_queued();
}

enum { QUEUED = 20 };

/* `leave` must return while the worker is busy; what was queued runs after it. */
static void leave_with_queued(void (*leave)(il_executor *ex), il_executor *ex, int threads)
{
	struct gate g = {.result = 0};
	atomic_int ran = 0;
	il_future *busy = occupy(ex, &g), *fs[QUEUED];

	for (int i = 0; i < QUEUED; i++)
		fs[i] = submitted(ex, count_in, &ran);
	CHECK_RC(il_executor_submit(ex, NULL, count_in, &ran, 0), 0);
	leave(ex);
	CHECK_EQ(ran, 0);
	CHECK(!il_future_done(busy));
	atomic_store(&g.open, true);
	for (int i = 0; i < QUEUED; i++)
		CHECK_RC(finished(fs[i]), 0);
	CHECK_RC(finished(busy), 0);
	UNTIL(atomic_load(&ran) == QUEUED + 1);
	UNTIL(count_threads() == threads);
}

static void shut_without_waiting(il_executor *ex)
{
	CHECK_RC(il_executor_shutdown(ex, IL_NOWAIT), 0);
}

IL_TEST_CORE(EXECUTOR_GROUP, n37_shutdown_without_waiting_still_runs_the_queue)
{
	int threads = count_threads();
	il_executor *ex = new_pool(1);

	leave_with_queued(shut_without_waiting, ex, threads);
	CHECK_RC(il_executor_shutdown(ex, 0), 0);
	il_executor_unref(ex);
}

IL_TEST_CORE(EXECUTOR_GROUP, n37_dropping_the_last_reference_still_runs_the_queue)
{
	int threads = count_threads();

	leave_with_queued(il_executor_unref, new_pool(1), threads);
}

static int drop_own_pool(void *arg)
{
	il_executor_unref(arg);
	return 4;
}

IL_TEST_CORE(EXECUTOR_GROUP, n37_a_job_may_drop_the_last_reference)
{
	for (size_t i = 0; i < il_test_rounds(200); i++) {
		il_executor *ex = new_pool(2);
		CHECK_RC(finished(submitted(ex, drop_own_pool, ex)), 4);
	}
}

static void cancel_and_shut_down(void)
{
	for (size_t i = 0; i < il_test_rounds(40); i++) {
		il_executor *ex = new_pool(1);
		atomic_int ran = 0;
		il_future *f = submitted(ex, count_in, &ran);
		bool cancelled = il_future_cancel(f);
		CHECK_RC(il_executor_shutdown(ex, 0), 0);
		CHECK_EQ(ran, cancelled ? 0 : 1);
		CHECK_RC(finished(f), cancelled ? -ECANCELED : 0);
		CHECK_RC(il_executor_shutdown(ex, 0), 0);
		CHECK_RC(il_executor_shutdown(ex, IL_NOWAIT | IL_CANCEL_FUTURES), 0);
		il_executor_unref(ex);
	}
}

IL_TEST_CORE(EXECUTOR_GROUP, n39_shutdown_after_a_cancelled_submit_is_prompt)
{
	cancel_and_shut_down();
}

IL_TEST_FIFO(EXECUTOR_GROUP, n39_shutdown_after_a_cancelled_submit_is_prompt_for_a_task)
{
	cancel_and_shut_down();
}

struct closer {
	il_executor *ex;
	struct gate *g;
	atomic_bool begun;
	int ended_before;
};

static int shut_down(void *arg)
{
	struct closer *c = arg;
	int rc;

	atomic_store(&c->begun, true);
	rc = il_executor_shutdown(c->ex, 0);
	c->ended_before = atomic_load(&c->g->ended);
	return rc;
}

IL_TEST_CORE(EXECUTOR_GROUP, n39_shutdown_from_two_threads_ends_both)
{
	for (size_t i = 0; i < il_test_rounds(60); i++) {
		struct gate g = {.result = 0};
		struct closer a = {.ex = new_pool(2), .g = &g}, b = {.ex = a.ex, .g = &g};
		struct il_test_thread ta, tb;
		il_future *f = submitted(a.ex, stay, &g);
		il_test_thread_start(&ta, shut_down, &a);
		il_test_thread_start(&tb, shut_down, &b);
		UNTIL(atomic_load(&a.begun) && atomic_load(&b.begun));
		atomic_store(&g.open, true);
		CHECK_RC(il_test_thread_join(&ta), 0);
		CHECK_RC(il_test_thread_join(&tb), 0);
		CHECK_EQ(a.ended_before, 1);
		CHECK_EQ(b.ended_before, 1);
		CHECK_RC(finished(f), 0);
		il_executor_unref(a.ex);
	}
}

IL_TEST(EXECUTOR_GROUP, n39_shutdown_from_two_tasks_ends_both)
{
	struct gate g = {.result = 0};
	struct closer a = {.ex = new_pool(2), .g = &g}, b = {.ex = a.ex, .g = &g};
	il_future *f = occupy(a.ex, &g);
	il_group group;

	CHECK_RC(il_group_open(&group), 0);
	CHECK_RC(il_group_start_soon(&group, NULL, shut_down, &a), 0);
	CHECK_RC(il_group_start_soon(&group, NULL, shut_down, &b), 0);
	UNTIL_THREAD(atomic_load(&a.begun) && atomic_load(&b.begun));
	CHECK(!il_future_done(f));
	atomic_store(&g.open, true);
	CHECK_RC(il_group_close(&group, 0), 0);
	CHECK_EQ(a.ended_before, 1);
	CHECK_EQ(b.ended_before, 1);
	CHECK_RC(finished(f), 0);
	il_executor_unref(a.ex);
}

/* ---- cancelled tasks ---- */

struct caller {
	il_executor *ex;
	struct gate g;
	il_scope scopes[3];
	bool waiting;
	int rc, after;
};

static int run_in_three_scopes(void *arg)
{
	struct caller *c = arg;

	for (int i = 0; i < 3; i++)
		CHECK_RC(il_scope_enter(&c->scopes[i], IL_FOREVER, 0), 0);
	c->waiting = true;
	c->rc = il_executor_run(c->ex, stay, &c->g, sizeof c->g);
	c->after = il_check_cancelled();
	CHECK_RC(il_yield(), c->after);
	int rc = c->after;
	for (int i = 2; i >= 0; i--)
		rc = il_scope_exit(&c->scopes[i], rc);
	return rc;
}

static void init_caller(struct caller *c, il_executor *ex, int result)
{
	*c = (struct caller){.ex = ex, .g.result = result};
	for (int i = 0; i < 3; i++)
		c->scopes[i] = (il_scope)IL_SCOPE_INIT;
}

IL_TEST(EXECUTOR_GROUP, n51_a_queued_call_is_taken_back)
{
	il_executor *ex = new_pool(1);
	struct gate g = {.result = 0};
	il_future *busy = occupy(ex, &g);
	struct caller c;
	il_group group;

	init_caller(&c, ex, 1);
	CHECK_RC(il_group_open(&group), 0);
	CHECK_RC(il_group_start_soon(&group, NULL, run_in_three_scopes, &c), 0);
	UNTIL_THREAD(c.waiting);
	CHECK_RC(il_scope_cancel(&c.scopes[0]), 0);
	CHECK_RC(il_group_close(&group, 0), 0);
	CHECK_RC(c.rc, -ECANCELED);
	CHECK(!il_future_done(busy)); /* it was not waited for */
	atomic_store(&g.open, true);
	CHECK_RC(finished(busy), 0);
	il_executor_destroy(ex);
	CHECK_EQ(c.g.begun, 0);
}

static void cancel_a_running_call(int result)
{
	il_executor *ex = new_pool(1);
	struct caller c;
	il_group group;

	init_caller(&c, ex, result);
	CHECK_RC(il_group_open(&group), 0);
	CHECK_RC(il_group_start_soon(&group, NULL, run_in_three_scopes, &c), 0);
	UNTIL_THREAD(atomic_load(&c.g.begun) == 1);
	for (int i = 2; i >= 0; i--) {
		CHECK_RC(il_scope_cancel(&c.scopes[i]), 0);
		CHECK_RC(il_yield(), 0);
	}
	CHECK_EQ(c.g.ended, 0);
	c.rc = 1;
	atomic_store(&c.g.open, true);
	CHECK_RC(il_group_close(&group, 0), 0);
	CHECK_RC(c.rc, result);
	CHECK_RC(c.after, -ECANCELED);
	CHECK(il_scope_caught(&c.scopes[0]));
	il_executor_destroy(ex);
}

IL_TEST(EXECUTOR_GROUP, n51_a_running_call_is_waited_for_and_its_result_kept)
{
	cancel_a_running_call(9);
	cancel_a_running_call(-EIO);
}

struct awaiter {
	il_future *f;
	il_scope scope;
	bool waiting;
	int rc, left_with;
};

static int await_in_scope(void *arg)
{
	struct awaiter *a = arg;

	CHECK_RC(il_scope_enter(&a->scope, IL_FOREVER, 0), 0);
	a->waiting = true;
	a->rc = il_future_result(a->f, IL_FOREVER);
	a->left_with = il_scope_exit(&a->scope, a->rc);
	return 0;
}

static void cancel_an_awaited_future(bool task_too)
{
	il_executor *ex = new_pool(1);
	struct gate g = {.result = 0};
	atomic_int ran = 0;
	il_future *busy = occupy(ex, &g);
	struct awaiter a = {.f = submitted(ex, count_in, &ran), .scope = IL_SCOPE_INIT};
	il_group group;

	CHECK_RC(il_group_open(&group), 0);
	CHECK_RC(il_group_start_soon(&group, NULL, await_in_scope, &a), 0);
	UNTIL_THREAD(a.waiting);
	if (task_too)
		CHECK_RC(il_scope_cancel(&a.scope), 0);
	CHECK(il_future_cancel(a.f));
	CHECK_RC(il_group_close(&group, 0), 0);
	CHECK_RC(a.rc, -ECANCELED);
	CHECK_RC(a.left_with, task_too ? 0 : -ECANCELED);
	CHECK_EQ(il_scope_caught(&a.scope), task_too);
	CHECK(il_future_cancelled(a.f));
	il_future_unref(a.f);
	atomic_store(&g.open, true);
	CHECK_RC(finished(busy), 0);
	il_executor_destroy(ex);
	CHECK_EQ(ran, 0);
}

IL_TEST(EXECUTOR_GROUP, n52_no_scope_absorbs_a_future_cancelled_by_others)
{
	cancel_an_awaited_future(false);
	cancel_an_awaited_future(true);
}

#endif
