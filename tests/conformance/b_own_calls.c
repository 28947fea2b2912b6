/*
 * b_own_calls.c: what a call tells an executor of the user's own, how it is begun and answered from elsewhere, and how it is
 * cancelled. The executor of these tests keeps one call and does as the test says.
 */
#include "workers.h"

struct keeper {
	il_call *call, *calls[3]; /* the last one, and the last three */
	il_call_info info;        /* within submit */
	int submits, withdrawals, kills, destroyed;
	bool gives_up;         /* what withdraw returns */
	int *answer_within;    /* withdraw and kill answer with this code */
	struct gate *in_visit; /* they stay there */
	il_scope *cancels;     /* within submit */
};

static int keep(void *self, il_call *call)
{
	struct keeper *k = self;

	k->call = k->calls[k->submits++ % 3] = call;
	il_call_get_info(call, &k->info);
	if (k->cancels)
		CHECK_RC(il_scope_cancel(k->cancels), 0);
	return 0;
}

static void visit(struct keeper *k, il_call *call)
{
	if (k->in_visit)
		stay(k->in_visit);
	if (k->answer_within)
		il_call_finish(call, *k->answer_within, NULL, 0, NULL);
}

static bool give_up(void *self, il_call *call)
{
	struct keeper *k = self;

	k->withdrawals++;
	visit(k, call);
	return k->gives_up;
}

static void kill_call(void *self, il_call *call)
{
	struct keeper *k = self;

	k->kills++;
	visit(k, call);
}

static void note_destroy(void *self)
{
	((struct keeper *)self)->destroyed++;
}

static il_executor *keeper_with(struct keeper *k, il_executor_ops ops)
{
	il_executor *ex = NULL;

	*k = (struct keeper){.call = NULL};
	ops.name = "keeper";
	ops.submit = keep;
	ops.destroy = note_destroy;
	CHECK_RC(il_executor_create(&ex, &ops, k), 0);
	return ex;
}

static il_executor *plain_keeper(struct keeper *k)
{
	return keeper_with(k, (il_executor_ops){0});
}

static il_executor *withdrawing_keeper(struct keeper *k)
{
	return keeper_with(k, (il_executor_ops){.withdraw = give_up});
}

static il_executor *killing_keeper(struct keeper *k)
{
	return keeper_with(k, (il_executor_ops){.withdraw = give_up, .kill = kill_call});
}

static int named(void *arg)
{
	(void)arg;
	TRACE("ran");
	return 0;
}

/* ---- what a call tells ---- */

static void check_info(const struct keeper *k, il_call_form form, const void *in, size_t size)
{
	CHECK(k->info.fn == named);
	CHECK_EQ(k->info.form, form);
	CHECK(k->info.in == in);
	CHECK_EQ(k->info.in_size, size);
	CHECK(k->info.attended);
	CHECK(!k->info.waits);
}

IL_TEST_CORE(B, a_call_tells_its_function_and_its_argument)
{
	struct keeper k;
	il_executor *ex = plain_keeper(&k);
	int value = 7;
	il_bytes bytes = {.in = "abc", .in_size = 3};
	il_shared shared;
	il_future *f;

	CHECK_RC(il_function_register("test.named", named), 0);
	CHECK_RC(il_shared_create(&shared, 16), 0);
	CHECK_RC(il_executor_submit(ex, &f, named, &value, sizeof value), 0);
	check_info(&k, IL_CALL_FLAT, &value, sizeof value);
	CHECK_STR(k.info.name, "test.named");
	il_call_fail(k.call, 0);
	il_future_unref(f);
	CHECK_RC(il_executor_submit(ex, &f, named, &bytes, IL_BYTES), 0);
	check_info(&k, IL_CALL_BYTES, bytes.in, 3);
	il_call_fail(k.call, 0);
	il_future_unref(f);
	CHECK_RC(il_executor_submit(ex, &f, named, &shared, IL_SHARED), 0);
	check_info(&k, IL_CALL_SHARED, shared.args, sizeof shared.args);
	il_call_fail(k.call, 0);
	il_future_unref(f);
	CHECK_RC(il_executor_submit(ex, &f, named, NULL, 0), 0);
	check_info(&k, IL_CALL_FLAT, NULL, 0);
	il_call_fail(k.call, 0);
	il_future_unref(f);
	CHECK_RC(il_executor_submit(ex, NULL, named, NULL, 0), 0);
	CHECK(!k.info.attended);
	il_call_run(k.call);
	il_shared_destroy(&shared);
	il_executor_destroy(ex);
}

static int answer_in_an_hour(void *arg)
{
	struct keeper *k = arg;

	CHECK_RC(il_sleep(IL_SEC(3600)), 0);
	il_call_finish(k->call, 5, NULL, 0, NULL);
	return 0;
}

/* Over a simulated network, say. */
IL_TEST_VIRTUAL(B, calls_that_the_loop_itself_ends_let_its_time_pass)
{
	struct keeper k;
	il_executor *ex = keeper_with(&k, (il_executor_ops){.in_loop = true});
	il_future *f;
	il_group g;
	int value = 1, result = 0;

	CHECK_RC(il_group_open(&g), 0);
	CHECK_RC(il_group_start_soon(&g, NULL, answer_in_an_hour, &k), 0);
	CHECK_RC(il_executor_run(ex, named, &value, sizeof value), 5);
	CHECK_RC(il_group_start_soon(&g, NULL, answer_in_an_hour, &k), 0);
	CHECK_RC(il_executor_submit(ex, &f, named, &value, sizeof value), 0);
	CHECK_RC(il_future_result(f, IL_FOREVER), 5);
	il_future_unref(f);
	CHECK_RC(il_group_start_soon(&g, NULL, answer_in_an_hour, &k), 0);
	CHECK_RC(il_executor_map(ex, named, &value, 1, sizeof value, &result, IL_FOREVER), 0);
	CHECK_RC(result, 5);
	CHECK_RC(il_group_close(&g, 0), 0);
	il_executor_destroy(ex);
}

IL_TEST_CORE(B, without_a_call_there_is_nothing_to_tell)
{
	il_call_info info = {.in_size = 3};

	il_call_get_info(NULL, &info);
	CHECK(info.fn == NULL && info.in_size == 0);
	il_call_get_info(NULL, NULL);
	CHECK(!il_call_begin(NULL));
	il_call_finish(NULL, 0, NULL, 0, NULL);
	il_executor_room(NULL);
}

/* ---- begun elsewhere ---- */

IL_TEST_CORE(B, a_call_that_has_begun_elsewhere_runs)
{
	struct keeper k;
	il_executor *ex = plain_keeper(&k);
	il_future *f = submitted(ex, named, NULL);

	CHECK(!il_future_running(f));
	CHECK(il_call_begin(k.call));
	CHECK(il_call_begin(k.call));
	CHECK(il_future_running(f));
	CHECK(!il_future_cancel(f)); /* it cannot be ended */
	il_call_finish(k.call, 9, NULL, 0, NULL);
	CHECK_RC(il_future_result(f, 0), 9);
	il_future_unref(f);
	il_executor_destroy(ex);
	CHECK_TRACE("");
}

IL_TEST_CORE(B, a_call_that_has_begun_may_still_be_run_here)
{
	struct keeper k;
	il_executor *ex = plain_keeper(&k);
	il_future *f = submitted(ex, named, NULL);

	CHECK(il_call_begin(k.call));
	il_call_run(k.call);
	CHECK_RC(finished(f), 0);
	il_executor_destroy(ex);
	CHECK_TRACE("ran");
}

IL_TEST_CORE(B, a_cancelled_call_does_not_begin)
{
	struct keeper k;
	il_executor *ex = plain_keeper(&k);
	il_future *f = submitted(ex, named, NULL);
	const int value = 1;

	CHECK(il_future_cancel(f));
	CHECK(il_future_done(f)); /* nothing can withdraw it, so nobody has to be asked */
	CHECK(!il_call_begin(k.call));
	il_call_finish(k.call, 3, &value, sizeof value, NULL);
	CHECK_RC(finished(f), -ECANCELED);
	il_executor_destroy(ex);
}

/* ---- results from elsewhere ---- */

struct sum {
	int a, b, sum;
};

IL_TEST_CORE(B, a_struct_comes_back_as_the_function_left_it)
{
	for (int copies = 0; copies < 2; copies++) {
		struct keeper k;
		il_executor *ex = keeper_with(&k, (il_executor_ops){.copies = copies});
		struct sum s = {1, 2, 0}, done = {1, 2, 3};
		il_future *f = NULL;
		CHECK_RC(il_executor_submit(ex, &f, named, &s, sizeof s), 0);
		CHECK_EQ(k.info.in == &s, !copies);
		il_call_finish(k.call, 5, &done, sizeof done, "not an error");
		CHECK_RC(il_future_result(f, 0), 5);
		CHECK_EQ(s.sum, 3);
		il_future_unref(f);
		il_executor_destroy(ex);
	}
}

IL_TEST_CORE(B, a_struct_of_another_size_is_refused)
{
	struct keeper k;
	il_executor *ex = plain_keeper(&k);
	struct sum s = {1, 2, 0};
	char other[8] = {1};
	il_future *f = NULL;

	CHECK_RC(il_executor_submit(ex, &f, named, &s, sizeof s), 0);
	il_call_finish(k.call, 5, other, sizeof other, NULL);
	CHECK_RC(il_future_result(f, 0), -EPROTO);
	CHECK_DETAIL("8 bytes for an argument of 12");
	CHECK_EQ(s.a, 1);
	il_future_unref(f);
	il_executor_destroy(ex);
}

IL_TEST_CORE(B, bytes_come_back_in_memory_of_the_callers)
{
	struct keeper k;
	il_executor *ex = plain_keeper(&k);
	il_bytes b = {.in = "abc", .in_size = 3};
	char out[] = "abcabc";
	il_future *f = NULL;

	CHECK_RC(il_executor_submit(ex, &f, named, &b, IL_BYTES), 0);
	il_call_finish(k.call, 1, out, 6, NULL);
	memset(out, 0, sizeof out);
	CHECK_RC(finished(f), 1);
	CHECK_EQ(b.out_size, 6);
	CHECK_EQ(memcmp(b.out, "abcabc", 6), 0);
	CHECK_RC(il_executor_submit(ex, &f, named, &b, IL_BYTES), 0);
	il_call_finish(k.call, -EIO, NULL, 0, NULL); /* it did not run */
	CHECK_RC(finished(f), -EIO);
	CHECK_EQ(b.out_size, 6);
	CHECK_RC(il_executor_submit(ex, &f, named, &b, IL_BYTES), 0);
	il_call_finish(k.call, 0, NULL, 0, NULL); /* it ran, and made nothing */
	CHECK_RC(finished(f), 0);
	CHECK(b.out == NULL && b.out_size == 0);
	il_executor_destroy(ex);
}

IL_TEST_CORE(B, the_numbers_of_shared_memory_come_back)
{
	struct keeper k;
	il_executor *ex = plain_keeper(&k);
	const uint64_t args[4] = {4, 3, 2, 1};
	il_shared s;
	il_future *f = NULL;

	CHECK_RC(il_shared_create(&s, 16), 0);
	CHECK_RC(il_executor_submit(ex, &f, named, &s, IL_SHARED), 0);
	il_call_finish(k.call, 0, args, sizeof args, NULL);
	CHECK_RC(finished(f), 0);
	CHECK_EQ(memcmp(s.args, args, sizeof args), 0);
	il_shared_destroy(&s);
	il_executor_destroy(ex);
}

IL_TEST_CORE(B, a_failure_from_elsewhere_says_why)
{
	struct keeper k;
	il_executor *ex = plain_keeper(&k);
	il_future *f = submitted(ex, named, NULL);

	il_call_finish(k.call, -EREMOTEIO, NULL, 0, "the far side says so");
	CHECK_RC(il_future_result(f, 0), -EREMOTEIO);
	CHECK_DETAIL("the far side says so");
	il_future_unref(f);
	il_executor_destroy(ex);
}

IL_TEST_CORE(B, what_is_too_large_does_not_reach_the_executor)
{
	struct keeper k;
	il_executor *ex = keeper_with(&k, (il_executor_ops){.max_size = 8});
	struct sum s = {1, 2, 0};
	il_bytes b = {.in = "123456789", .in_size = 9};
	il_future *f = NULL;

	CHECK_RC(il_executor_submit(ex, &f, named, &s, sizeof s), -EMSGSIZE);
	CHECK_RC(il_executor_run(ex, named, &b, IL_BYTES), -EMSGSIZE);
	CHECK(f == NULL);
	CHECK_EQ(k.submits, 0);
	il_executor_destroy(ex);
}

IL_TEST_CORE(B, where_arguments_are_copied_their_size_is_needed)
{
	struct keeper k;
	il_executor *ex = keeper_with(&k, (il_executor_ops){.copies = true});
	int value = 0;

	CHECK_RC(il_executor_submit(ex, NULL, named, &value, 0), -EINVAL);
	CHECK_EQ(k.submits, 0);
	il_executor_destroy(ex);
}

/* ---- nobody waits ---- */

IL_TEST_CORE(B, a_call_that_nobody_waits_for_is_run_here_where_no_other_place_is)
{
	struct keeper k;
	il_executor *ex = plain_keeper(&k);

	CHECK_RC(il_executor_submit(ex, NULL, named, NULL, 0), 0);
	il_call_fail(k.call, -EIO);
	CHECK_TRACE("ran");
	il_executor_destroy(ex);
}

IL_TEST_CORE(B, a_call_that_nobody_waits_for_is_not_run_here_but_logged)
{
	struct keeper k;
	il_executor *ex = withdrawing_keeper(&k);

	CHECK_RC(il_executor_submit(ex, NULL, named, NULL, 0), 0);
	il_call_fail(k.call, -EOWNERDEAD);
	CHECK_LOGGED(IL_LOG_WARNING, "without a future failed", 1);
	CHECK_RC(il_executor_submit(ex, NULL, named, NULL, 0), 0);
	il_call_finish(k.call, -EIO, NULL, 0, "its last words");
	CHECK_LOGGED(IL_LOG_WARNING, "its last words", 1);
	CHECK_RC(il_executor_submit(ex, NULL, named, NULL, 0), 0);
	il_call_finish(k.call, 4, NULL, 0, NULL);
	CHECK_LOGGED(IL_LOG_WARNING, "without a future", 2);
	CHECK_TRACE("");
	il_executor_destroy(ex);
}

/* ---- cancelled ---- */

IL_TEST_CORE(B, a_call_that_is_given_up_is_done_at_once)
{
	struct keeper k;
	il_executor *ex = withdrawing_keeper(&k);
	il_future *f = submitted(ex, named, NULL);

	k.gives_up = true;
	CHECK(il_future_cancel(f));
	CHECK_EQ(k.withdrawals, 1);
	CHECK(il_future_done(f));
	CHECK_RC(finished(f), -ECANCELED);
	il_executor_destroy(ex);
}

IL_TEST_CORE(B, a_call_that_is_not_given_up_is_done_when_it_is_answered)
{
	struct keeper k;
	il_executor *ex = withdrawing_keeper(&k);
	struct sum s = {1, 2, 0}, done = {1, 2, 3};
	il_future *f = NULL;

	CHECK_RC(il_executor_submit(ex, &f, named, &s, sizeof s), 0);
	CHECK(il_future_cancel(f));
	CHECK_EQ(k.withdrawals, 1);
	CHECK(il_future_cancelled(f));
	CHECK(!il_future_done(f));
	CHECK_RC(il_future_result(f, 0), -ETIMEDOUT);
	CHECK(il_future_cancel(f)); /* again: nobody is asked twice */
	CHECK_EQ(k.withdrawals, 1);
	CHECK(!il_call_begin(k.call));
	il_call_finish(k.call, 5, &done, sizeof done, NULL);
	CHECK_RC(finished(f), -ECANCELED);
	CHECK_EQ(s.sum, 0); /* nothing is brought back */
	il_executor_destroy(ex);
}

IL_TEST_CORE(B, a_call_that_has_begun_is_not_withdrawn)
{
	struct keeper k;
	il_executor *ex = withdrawing_keeper(&k);
	il_future *f = submitted(ex, named, NULL);

	CHECK(il_call_begin(k.call));
	CHECK(!il_future_cancel(f));
	CHECK_EQ(k.withdrawals, 0);
	il_call_finish(k.call, 2, NULL, 0, NULL);
	CHECK_RC(finished(f), 2);
	il_executor_destroy(ex);
}

IL_TEST_CORE(B, a_call_that_runs_is_killed_and_a_waiting_one_is_not)
{
	struct keeper k;
	il_executor *ex = killing_keeper(&k);
	il_future *f = submitted(ex, named, NULL);
	struct sum s = {1, 2, 0}, done = {1, 2, 3};

	CHECK(il_future_cancel(f));
	CHECK_EQ(k.kills, 0);
	CHECK_EQ(k.withdrawals, 1);
	il_call_fail(k.call, -ECANCELED);
	CHECK_RC(finished(f), -ECANCELED);
	CHECK_RC(il_executor_submit(ex, &f, named, &s, sizeof s), 0);
	CHECK(il_call_begin(k.call));
	CHECK(il_future_cancel(f));
	CHECK_EQ(k.kills, 1);
	CHECK_EQ(k.withdrawals, 1);
	CHECK(!il_future_done(f));
	il_call_finish(k.call, 7, &done, sizeof done, NULL);
	CHECK_RC(finished(f), -ECANCELED);
	CHECK_EQ(s.sum, 0); /* nothing is brought back */
	il_executor_destroy(ex);
}

IL_TEST_CORE(B, an_answer_within_withdraw_or_kill_counts_when_that_returns)
{
	for (int gives_up = 0; gives_up < 2; gives_up++) { /* one that is wrong to say so */
		struct keeper k;
		il_executor *ex = killing_keeper(&k);
		il_future *f = submitted(ex, named, NULL);
		int code = -EIO;
		k.answer_within = &code;
		k.gives_up = gives_up;
		CHECK(il_future_cancel(f));
		CHECK_RC(finished(f), -ECANCELED);
		f = submitted(ex, named, NULL);
		CHECK(il_call_begin(k.call));
		CHECK(il_future_cancel(f));
		CHECK_RC(finished(f), -ECANCELED);
		CHECK_EQ(k.kills, 1);
		il_executor_destroy(ex);
	}
}

static int cancel_future(void *arg)
{
	CHECK(il_future_cancel(arg));
	return 0;
}

/* The call and its executor stay until withdraw has returned, whoever answers and lets go meanwhile. */
IL_TEST_CORE(B, an_answer_waits_for_withdraw_to_return)
{
	struct keeper k;
	il_executor *ex = withdrawing_keeper(&k);
	struct gate g = {.result = 0};
	il_future *f = submitted(ex, named, NULL);
	struct il_test_thread t;
	il_call_info info;

	k.in_visit = &g;
	il_test_thread_start(&t, cancel_future, f);
	UNTIL(atomic_load(&g.begun) == 1);
	il_call_fail(k.call, -EIO);
	CHECK(!il_future_done(f));
	il_call_get_info(k.call, &info);
	CHECK(info.fn == named);
	il_executor_unref(ex);
	CHECK_EQ(k.destroyed, 0);
	atomic_store(&g.open, true);
	CHECK_RC(il_test_thread_join(&t), 0);
	CHECK_EQ(k.destroyed, 1);
	CHECK_RC(finished(f), -ECANCELED);
}

IL_TEST_CORE(B, a_call_of_an_executor_that_is_gone_is_not_withdrawn)
{
	struct keeper k;
	il_executor *ex = withdrawing_keeper(&k);
	il_future *f = submitted(ex, named, NULL);

	il_executor_unref(ex);
	CHECK_EQ(k.destroyed, 1);
	CHECK(il_future_cancel(f));
	CHECK_EQ(k.withdrawals, 0);
	il_call_fail(k.call, -ECANCELED);
	CHECK_RC(finished(f), -ECANCELED);
}

struct cancelled_run {
	il_executor *ex;
	il_scope scope;
	int rc;
};

static int run_in_scope(void *arg)
{
	struct cancelled_run *r = arg;

	CHECK_RC(il_scope_enter(&r->scope, IL_FOREVER, 0), 0);
	r->rc = il_executor_run(r->ex, named, NULL, 0);
	return il_scope_exit(&r->scope, il_check_cancelled());
}

static void start_run(struct cancelled_run *r, il_executor *ex, struct keeper *k, il_group *g)
{
	int before = k->submits;

	*r = (struct cancelled_run){.ex = ex, .scope = IL_SCOPE_INIT, .rc = 1};
	CHECK_RC(il_group_open(g), 0);
	CHECK_RC(il_group_start_soon(g, NULL, run_in_scope, r), 0);
	while (k->submits == before)
		CHECK_RC(il_yield(), 0);
}

IL_TEST(B, a_cancelled_tasks_call_is_withdrawn_or_answered)
{
	struct keeper k;
	il_executor *ex = withdrawing_keeper(&k);
	struct cancelled_run r;
	il_group g;

	k.gives_up = true;
	start_run(&r, ex, &k, &g);
	CHECK(k.info.waits);
	CHECK_RC(il_scope_cancel(&r.scope), 0);
	CHECK_RC(il_group_close(&g, 0), 0);
	CHECK_RC(r.rc, -ECANCELED);
	k.gives_up = false;
	start_run(&r, ex, &k, &g);
	CHECK_RC(il_scope_cancel(&r.scope), 0);
	while (k.withdrawals < 2)
		CHECK_RC(il_yield(), 0);
	CHECK_RC(r.rc, 1); /* it waits for the answer */
	CHECK(!il_call_begin(k.call));
	il_call_fail(k.call, -EIO);
	CHECK_RC(il_group_close(&g, 0), 0);
	CHECK_RC(r.rc, -ECANCELED);
	il_executor_destroy(ex);
}

IL_TEST(B, a_task_that_is_cancelled_while_its_call_is_submitted_has_it_withdrawn)
{
	struct keeper k;
	struct cancelled_run r = {.ex = withdrawing_keeper(&k), .scope = IL_SCOPE_INIT};

	k.gives_up = true;
	k.cancels = &r.scope;
	CHECK_RC(run_in_scope(&r), 0);
	CHECK_RC(r.rc, -ECANCELED);
	CHECK_EQ(k.withdrawals, 1);
	il_executor_destroy(r.ex);
}

IL_TEST(B, a_cancelled_tasks_running_call_is_killed_and_its_answer_returned)
{
	struct keeper k;
	il_executor *ex = killing_keeper(&k);
	struct cancelled_run r;
	il_group g;

	start_run(&r, ex, &k, &g);
	CHECK(il_call_begin(k.call));
	CHECK_RC(il_scope_cancel(&r.scope), 0);
	while (k.kills == 0)
		CHECK_RC(il_yield(), 0);
	CHECK_EQ(k.withdrawals, 0);
	il_call_finish(k.call, 6, NULL, 0, NULL);
	CHECK_RC(il_group_close(&g, 0), 0);
	CHECK_RC(r.rc, 6);
	il_executor_destroy(ex);
}

IL_TEST(B, a_cancelled_tasks_waiting_call_is_not_killed)
{
	struct keeper k;
	il_executor *ex = killing_keeper(&k);
	struct cancelled_run r;
	il_group g;

	start_run(&r, ex, &k, &g);
	CHECK_RC(il_scope_cancel(&r.scope), 0);
	while (k.withdrawals == 0)
		CHECK_RC(il_yield(), 0);
	il_call_fail(k.call, -EIO);
	CHECK_RC(il_group_close(&g, 0), 0);
	CHECK_RC(r.rc, -ECANCELED);
	CHECK_EQ(k.kills, 0);
	il_executor_destroy(ex);
}

/* ---- executors that kill and take nothing back ---- */

static int keep_begun(void *self, il_call *call)
{
	CHECK(il_call_begin(call));
	return keep(self, call);
}

static void end_killed(void *self, il_call *call)
{
	((struct keeper *)self)->kills++;
	il_call_finish(call, -ECANCELED, NULL, 0, NULL);
}

/* Its calls end when they are killed. */
static il_executor *enduring_keeper(struct keeper *k)
{
	const il_executor_ops ops = {.submit = keep_begun, .kill = end_killed};
	il_executor *ex = NULL;

	*k = (struct keeper){.call = NULL};
	CHECK_RC(il_executor_create(&ex, &ops, k), 0);
	return ex;
}

IL_TEST_CORE(B, a_map_out_of_time_kills_calls_that_cannot_be_withdrawn)
{
	struct keeper k;
	il_executor *ex = enduring_keeper(&k);
	int items[3] = {0}, results[3];

	CHECK_RC(il_executor_map(ex, named, items, 3, sizeof *items, results, IL_MSEC(1)),
		 -ETIMEDOUT);
	CHECK_EQ(k.kills, 3);
	for (int i = 0; i < 3; i++)
		CHECK_RC(results[i], -ECANCELED);
	il_executor_destroy(ex);
}

static int map_in_scope(void *arg)
{
	struct cancelled_run *r = arg;
	int items[3] = {0};

	CHECK_RC(il_scope_enter(&r->scope, IL_FOREVER, 0), 0);
	r->rc = il_executor_map(r->ex, named, items, 3, sizeof *items, NULL, IL_FOREVER);
	return il_scope_exit(&r->scope, il_check_cancelled());
}

/* Returns when the keeper has its calls. */
static void start_map(il_group *g, struct cancelled_run *r, const struct keeper *k)
{
	CHECK_RC(il_group_open(g), 0);
	CHECK_RC(il_group_start_soon(g, NULL, map_in_scope, r), 0);
	while (k->submits < 3)
		CHECK_RC(il_yield(), 0);
}

IL_TEST(B, a_cancelled_map_kills_calls_that_cannot_be_withdrawn)
{
	struct keeper k;
	struct cancelled_run r = {.ex = enduring_keeper(&k), .scope = IL_SCOPE_INIT};
	il_group g;

	start_map(&g, &r, &k);
	CHECK_RC(il_scope_cancel(&r.scope), 0);
	CHECK_RC(il_group_close(&g, 0), 0);
	CHECK_RC(r.rc, -ECANCELED);
	CHECK_EQ(k.kills, 3);
	il_executor_destroy(r.ex);
}

/* The first call has woken the map, which has not run since. */
static int cancel_map_after(int first)
{
	struct keeper k;
	struct cancelled_run r = {.ex = enduring_keeper(&k), .scope = IL_SCOPE_INIT};
	il_group g;

	start_map(&g, &r, &k);
	il_call_finish(k.calls[0], first, NULL, 0, NULL);
	CHECK_RC(il_scope_cancel(&r.scope), 0);
	CHECK_RC(il_group_close(&g, 0), 0);
	CHECK_EQ(k.kills, 2);
	il_executor_destroy(r.ex);
	return r.rc;
}

IL_TEST(B, a_map_is_cancelled_also_when_one_of_its_calls_has_just_ended)
{
	CHECK_RC(cancel_map_after(0), -ECANCELED);
}

IL_TEST(B, a_map_is_cancelled_also_when_it_has_just_failed)
{
	CHECK_RC(cancel_map_after(-EIO), -EIO);
}

/* ---- races ---- */

struct racer {
	il_call *call;
	atomic_bool go;
};

static int answer_call(void *arg)
{
	struct racer *r = arg;

	UNTIL_THREAD(atomic_load(&r->go));
	if (il_call_begin(r->call))
		il_call_finish(r->call, 4, NULL, 0, NULL);
	else
		il_call_fail(r->call, -EIO);
	return 0;
}

IL_TEST_CORE(B, a_beginning_races_with_a_cancellation)
{
	for (size_t round = 0; round < il_test_rounds(300); round++) {
		struct keeper k;
		il_executor *ex = killing_keeper(&k);
		il_future *f = submitted(ex, named, NULL);
		struct racer r = {.call = k.call};
		struct il_test_thread t;
		bool cancelled;
		int rc;
		il_test_thread_start(&t, answer_call, &r);
		atomic_store(&r.go, true);
		cancelled = il_future_cancel(f);
		rc = il_future_result(f, IL_FOREVER);
		CHECK_RC(rc, cancelled ? -ECANCELED : 4);
		CHECK(k.withdrawals + k.kills <= 1);
		CHECK_RC(il_test_thread_join(&t), 0);
		il_future_unref(f);
		il_executor_destroy(ex);
	}
}
