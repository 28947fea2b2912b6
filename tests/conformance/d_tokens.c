/*
 * d_tokens.c: the tokens of calls in worker threads: who waits for one stands in a queue, from which a
 * worker that is through takes the next call by itself; and what then becomes of cancellations, totals and
 * counts.
 */
#include "no_threads.h"
#include "objects.h"
#include "workers.h"

#include <time.h>

/* A task that makes a call under the limiter, in a scope of its own. */
struct call {
	il_limiter *limiter;
	bool abandonable, abandoned, ended;
	struct gate g;
	atomic_int released;
	il_scope scope;
	int rc;
	char detail[80];
};

static int stay_in_call(void *arg)
{
	return stay(&((struct call *)arg)->g);
}

static void release_call(void *arg)
{
	atomic_fetch_add(&((struct call *)arg)->released, 1);
}

static int make_call(void *arg)
{
	struct call *c = arg;
	il_run_in_thread_options options = {.limiter = c->limiter};

	if (c->abandonable) {
		options.abandon_on_cancel = true;
		options.release = release_call;
		options.abandoned = &c->abandoned;
	}
	CHECK_RC(il_scope_enter(&c->scope, IL_FOREVER, 0), 0);
	c->rc = il_run_in_thread_with(stay_in_call, c, &options);
	if (c->rc < 0)
		strncat(c->detail, il_error_detail(), sizeof c->detail - 1);
	c->ended = true;
	return il_scope_exit(&c->scope, il_check_cancelled());
}

static void start_call(il_group *g, struct call *c, il_limiter *l)
{
	c->limiter = l;
	c->scope = (il_scope)IL_SCOPE_INIT;
	CHECK_RC(il_group_start_soon(g, NULL, make_call, c), 0);
}

static bool has_begun(struct call *c)
{
	return atomic_load(&c->g.begun) > 0;
}

static void start_running(il_group *g, struct call *c, il_limiter *l)
{
	start_call(g, c, l);
	UNTIL_THREAD(has_begun(c));
}

/* Returns when it is the last in the queue. */
static void start_waiting(il_group *g, struct call *c, il_limiter *l)
{
	size_t before = il_limiter_get_statistics(l).waiting;

	start_call(g, c, l);
	UNTIL_THREAD(il_limiter_get_statistics(l).waiting == before + 1);
	CHECK(!has_begun(c));
}

static void let_end(struct call *c)
{
	atomic_store(&c->g.open, true);
}

/* The loop has heard of it. */
static void end_call(struct call *c)
{
	let_end(c);
	UNTIL_THREAD(c->ended);
	CHECK_RC(c->rc, 0);
}

/* For what must not happen: anybody may run for a while. */
static void let_time_pass(void)
{
	for (int i = 0; i < 10; i++)
		il_test_pause_really();
}

/* For what happens without the loop. */
static void wait_without_loop(struct call *c)
{
	while (!has_begun(c))
		nanosleep(&(struct timespec){.tv_nsec = 50000}, NULL);
}

static void check_counts(il_limiter *l, size_t borrowed, size_t waiting, size_t active)
{
	il_limiter_statistics s = il_limiter_get_statistics(l);

	CHECK_EQ(s.total, il_limiter_total(l));
	CHECK_EQ(s.borrowed, borrowed);
	CHECK_EQ(s.waiting, waiting);
	CHECK_EQ(il_limiter_borrowed(l), borrowed);
	CHECK_EQ(il_threads_active(), active);
}

static void finish(il_group *g, il_limiter *l)
{
	CHECK_RC(il_group_close(g, 0), 0);
	CHECK_RC(il_threads_wait(), 0);
	check_counts(l, 0, 0, 0);
	CHECK_EQ(il_limiter_borrowers(l, NULL, 0), 0);
	il_limiter_destroy(l);
}

/* ---- the order ---- */

/* A task that borrows a token itself, until it is told. */
struct holder {
	il_limiter *limiter;
	il_scope scope;
	bool holds, leaves;
};

static int hold(void *arg)
{
	struct holder *h = arg;
	int rc;

	CHECK_RC(il_scope_enter(&h->scope, IL_FOREVER, 0), 0);
	rc = il_limiter_acquire(h->limiter);
	h->holds = rc == 0;
	if (h->holds) {
		UNTIL_THREAD(h->leaves);
		CHECK_RC(il_limiter_release(h->limiter), 0);
	}
	return il_scope_exit(&h->scope, rc);
}

static void start_holder(il_group *g, struct holder *h, il_limiter *l)
{
	size_t before = il_limiter_get_statistics(l).waiting;

	*h = (struct holder){.limiter = l, .scope = IL_SCOPE_INIT};
	CHECK_RC(il_group_start_soon(g, NULL, hold, h), 0);
	UNTIL_THREAD(il_limiter_get_statistics(l).waiting == before + 1);
}

IL_TEST(D, n84_tasks_and_calls_wait_in_one_queue)
{
	il_limiter *l = new_limiter(1);
	struct call first = {.rc = 0}, before = {.rc = 0}, after = {.rc = 0};
	struct holder h;
	il_group g;

	CHECK_RC(il_group_open(&g), 0);
	start_running(&g, &first, l);
	start_waiting(&g, &before, l);
	start_holder(&g, &h, l);
	start_waiting(&g, &after, l);
	check_counts(l, 1, 3, 1);
	end_call(&first);
	UNTIL_THREAD(has_begun(&before));
	let_time_pass();
	CHECK(!h.holds && !has_begun(&after));
	check_counts(l, 1, 2, 1);
	end_call(&before);
	UNTIL_THREAD(h.holds);
	let_time_pass();
	CHECK(!has_begun(&after));
	check_counts(l, 1, 1, 0);
	h.leaves = true;
	UNTIL_THREAD(has_begun(&after));
	check_counts(l, 1, 0, 1);
	end_call(&after);
	finish(&g, l);
}

IL_TEST(D, n84_a_call_does_not_overtake_a_task)
{
	il_limiter *l = new_limiter(1);
	struct call first = {.rc = 0}, after = {.rc = 0};
	struct holder h;
	il_group g;

	CHECK_RC(il_group_open(&g), 0);
	start_running(&g, &first, l);
	start_holder(&g, &h, l);
	start_waiting(&g, &after, l);
	let_end(&first);
	while (!atomic_load(&first.g.ended))
		nanosleep(&(struct timespec){.tv_nsec = 50000}, NULL);
	nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL); /* its worker is alone */
	CHECK(!has_begun(&after));
	UNTIL_THREAD(h.holds);
	let_time_pass();
	CHECK(!has_begun(&after));
	h.leaves = true;
	end_call(&after);
	finish(&g, l);
}

struct ticket {
	il_limiter *limiter;
	atomic_int *next;
	int number;
};

static int draw(void *arg)
{
	struct ticket *t = arg;

	t->number = atomic_fetch_add(t->next, 1);
	return 0;
}

static int send_ticket(void *arg)
{
	struct ticket *t = arg;
	il_run_in_thread_options options = {.limiter = t->limiter};

	return il_run_in_thread_with(draw, t, &options);
}

IL_TEST(D, n82_calls_that_wait_begin_in_order)
{
	il_limiter *l = new_limiter(1);
	struct call first = {.rc = 0};
	struct ticket t[20];
	atomic_int next = 0;
	il_group g;

	CHECK_RC(il_group_open(&g), 0);
	start_running(&g, &first, l);
	for (size_t i = 0; i < 20; i++) {
		t[i] = (struct ticket){.limiter = l, .next = &next, .number = -1};
		CHECK_RC(il_group_start_soon(&g, NULL, send_ticket, &t[i]), 0);
		UNTIL_THREAD(il_limiter_get_statistics(l).waiting == i + 1);
	}
	check_counts(l, 1, 20, 1);
	CHECK_EQ(next, 0);
	end_call(&first);
	finish(&g, l);
	for (int i = 0; i < 20; i++)
		CHECK_EQ(t[i].number, i);
}

IL_TEST(D, n82_calls_of_two_limiters_do_not_wait_for_each_other)
{
	il_limiter *l[2] = {new_limiter(1), new_limiter(1)};
	struct call runs[2] = {{.rc = 0}}, waits[2] = {{.rc = 0}};
	il_group g;

	CHECK_RC(il_group_open(&g), 0);
	for (int i = 0; i < 2; i++) {
		start_running(&g, &runs[i], l[i]);
		start_waiting(&g, &waits[i], l[i]);
	}
	end_call(&runs[1]);
	UNTIL_THREAD(has_begun(&waits[1]));
	let_time_pass();
	CHECK(!has_begun(&waits[0]));
	check_counts(l[0], 1, 1, 2);
	check_counts(l[1], 1, 0, 2);
	end_call(&runs[0]);
	end_call(&waits[0]);
	end_call(&waits[1]);
	check_counts(l[1], 0, 0, 0);
	il_limiter_destroy(l[1]);
	finish(&g, l[0]);
}

/* ---- tokens that come and go ---- */

IL_TEST(D, n82_nobody_begins_above_a_lowered_total)
{
	il_limiter *l = new_limiter(2);
	struct call runs[2] = {{.rc = 0}}, waits[3] = {{.rc = 0}};
	il_group g;

	CHECK_RC(il_group_open(&g), 0);
	start_running(&g, &runs[0], l);
	start_running(&g, &runs[1], l);
	for (int i = 0; i < 3; i++)
		start_waiting(&g, &waits[i], l);
	check_counts(l, 2, 3, 2);
	CHECK_RC(il_limiter_set_total(l, 1), 0);
	end_call(&runs[0]);
	let_time_pass();
	CHECK(!has_begun(&waits[0]));
	check_counts(l, 1, 3, 1);
	end_call(&runs[1]);
	UNTIL_THREAD(has_begun(&waits[0]));
	let_time_pass();
	CHECK(!has_begun(&waits[1]));
	check_counts(l, 1, 2, 1);
	CHECK_RC(il_limiter_set_total(l, 3), 0);
	check_counts(l, 3, 0, 3);
	UNTIL_THREAD(has_begun(&waits[1]) && has_begun(&waits[2]));
	for (int i = 0; i < 3; i++)
		end_call(&waits[i]);
	finish(&g, l);
}

IL_TEST(D, n82_with_no_tokens_at_all_nobody_begins)
{
	il_limiter *l = new_limiter(1);
	struct call runs = {.rc = 0}, waits = {.rc = 0};
	il_group g;

	CHECK_RC(il_group_open(&g), 0);
	start_running(&g, &runs, l);
	CHECK_RC(il_limiter_set_total(l, 0), 0);
	start_waiting(&g, &waits, l);
	end_call(&runs);
	let_time_pass();
	CHECK(!has_begun(&waits));
	check_counts(l, 0, 1, 0);
	CHECK_RC(il_limiter_set_total(l, 1), 0);
	end_call(&waits);
	finish(&g, l);
}

IL_TEST(D, n84_a_token_that_a_task_gives_back_lets_a_call_begin)
{
	il_limiter *l = new_limiter(2);
	struct call runs = {.rc = 0}, waits[2] = {{.rc = 0}};
	il_group g;

	CHECK_RC(il_limiter_acquire(l), 0);
	CHECK_RC(il_group_open(&g), 0);
	start_running(&g, &runs, l);
	start_waiting(&g, &waits[0], l);
	start_waiting(&g, &waits[1], l);
	check_counts(l, 2, 2, 1);
	CHECK_RC(il_limiter_release(l), 0);
	check_counts(l, 2, 1, 2);
	wait_without_loop(&waits[0]);
	let_time_pass();
	CHECK(!has_begun(&waits[1]));
	end_call(&waits[0]);
	UNTIL_THREAD(has_begun(&waits[1]));
	check_counts(l, 2, 0, 2);
	end_call(&waits[1]);
	end_call(&runs);
	finish(&g, l);
}

IL_TEST(D, n86_calls_that_waited_get_the_error_when_there_is_no_thread)
{
	il_limiter *l = new_limiter(1);
	struct call plain = {.rc = 0}, abandonable = {.abandonable = true, .abandoned = true};
	pthread_attr_t attr;
	il_group g;

	CHECK_RC(il_limiter_acquire(l), 0);
	CHECK_RC(il_group_open(&g), 0);
	start_waiting(&g, &plain, l);
	start_waiting(&g, &abandonable, l);
	forbid_threads(&attr);
	CHECK_RC(il_limiter_release(l), 0);
	allow_threads(&attr);
	check_counts(l, 0, 0, 0);
	CHECK_RC(il_group_close(&g, 0), 0);
	CHECK_RC(plain.rc, NO_THREAD);
	CHECK_RC(abandonable.rc, NO_THREAD);
	CHECK(*plain.detail != '\0' && *abandonable.detail != '\0');
	CHECK(!abandonable.abandoned);
	CHECK_EQ(abandonable.released, 0);
	CHECK(!has_begun(&plain) && !has_begun(&abandonable));
	CHECK_RC(il_group_open(&g), 0);
	finish(&g, l);
}

IL_TEST(D, n84_the_clock_goes_on_while_a_call_waits_for_a_task)
{
	il_limiter *l = new_limiter(1);
	struct call waits = {.rc = 0};
	il_time nap = il_test_virtual() ? IL_SEC(10) : IL_MSEC(2), before;
	il_group g;

	CHECK_RC(il_limiter_acquire(l), 0);
	CHECK_RC(il_group_open(&g), 0);
	start_waiting(&g, &waits, l);
	before = il_now();
	CHECK_RC(il_sleep(nap), 0);
	CHECK(il_now() - before >= nap);
	CHECK(!has_begun(&waits));
	CHECK_RC(il_limiter_release(l), 0);
	end_call(&waits);
	finish(&g, l);
}

/* ---- cancelled and abandoned ---- */

static void cancel_in_line(bool abandonable)
{
	il_limiter *l = new_limiter(1);
	struct call runs = {.rc = 0}, waits[4] = {{.rc = 0}};
	il_group g;

	CHECK_RC(il_group_open(&g), 0);
	start_running(&g, &runs, l);
	for (int i = 0; i < 4; i++) {
		waits[i].abandonable = waits[i].abandoned = abandonable;
		start_waiting(&g, &waits[i], l);
	}
	for (int i = 0; i < 3; i += 2) { /* the first, and one between */
		CHECK_RC(il_scope_cancel_because(&waits[i].scope, "too late"), 0);
		UNTIL_THREAD(waits[i].ended);
		CHECK_RC(waits[i].rc, -ECANCELED);
		CHECK(strstr(waits[i].detail, "too late") != NULL);
		CHECK(!waits[i].abandoned);
	}
	CHECK(!has_begun(&waits[1]) && !runs.ended);
	check_counts(l, 1, 2, 1);
	end_call(&runs);
	UNTIL_THREAD(has_begun(&waits[1]));
	CHECK(!has_begun(&waits[3]));
	end_call(&waits[1]);
	end_call(&waits[3]);
	finish(&g, l);
	for (int i = 0; i < 4; i++) {
		CHECK_EQ(waits[i].g.begun, i % 2);
		CHECK_EQ(waits[i].released, 0);
	}
}

IL_TEST(D, n81_a_call_that_is_cancelled_in_the_line_leaves_it)
{
	cancel_in_line(false);
	cancel_in_line(true);
}

IL_TEST(D, n84_calls_behind_a_task_that_gives_up_are_next)
{
	il_limiter *l = new_limiter(1);
	struct call runs = {.rc = 0}, waits = {.rc = 0};
	struct holder h;
	il_group g;

	CHECK_RC(il_group_open(&g), 0);
	start_running(&g, &runs, l);
	start_holder(&g, &h, l);
	start_waiting(&g, &waits, l);
	CHECK_RC(il_scope_cancel(&h.scope), 0);
	check_counts(l, 1, 1, 1);
	let_end(&runs);
	wait_without_loop(&waits);
	end_call(&runs);
	end_call(&waits);
	finish(&g, l);
	CHECK(!h.holds);
}

IL_TEST(D, n79_the_token_of_an_abandoned_call_is_free_when_its_thread_ends)
{
	il_limiter *l = new_limiter(1);
	struct call left = {.abandonable = true}, waits = {.rc = 0};
	il_group g;

	CHECK_RC(il_group_open(&g), 0);
	start_running(&g, &left, l);
	start_waiting(&g, &waits, l);
	CHECK_RC(il_scope_cancel(&left.scope), 0);
	UNTIL_THREAD(left.ended);
	CHECK_RC(left.rc, -ECANCELED);
	CHECK(left.abandoned);
	let_time_pass();
	CHECK(!has_begun(&waits));
	check_counts(l, 1, 1, 1);
	let_end(&left);
	UNTIL_THREAD(has_begun(&waits));
	CHECK_EQ(left.g.ended, 1);
	CHECK_EQ(left.released, 1);
	check_counts(l, 1, 0, 1);
	end_call(&waits);
	finish(&g, l);
}

/* ---- while the loop is busy ---- */

IL_TEST(D, n82_the_next_begins_though_the_loop_is_busy)
{
	il_limiter *l = new_limiter(1);
	struct call c[3] = {{.rc = 0}};
	il_group g;

	CHECK_RC(il_group_open(&g), 0);
	start_running(&g, &c[0], l);
	start_waiting(&g, &c[1], l);
	start_waiting(&g, &c[2], l);
	let_end(&c[0]);
	wait_without_loop(&c[1]);
	CHECK(!c[0].ended);
	CHECK_EQ(il_threads_active(), 1);
	CHECK_EQ(il_limiter_borrowed(l), 1);
	let_end(&c[1]);
	wait_without_loop(&c[2]);
	end_call(&c[2]);
	finish(&g, l);
	CHECK_RC(c[0].rc, 0);
	CHECK_RC(c[1].rc, 0);
}

/* It runs, and the loop cannot know yet. */
IL_TEST(D, n79_a_call_that_has_just_begun_is_cancelled)
{
	for (int abandonable = 0; abandonable < 2; abandonable++) {
		il_limiter *l = new_limiter(1);
		struct call runs = {.rc = 0}, next = {.abandonable = abandonable}, last = {.rc = 0};
		il_group g;
		CHECK_RC(il_group_open(&g), 0);
		start_running(&g, &runs, l);
		start_waiting(&g, &next, l);
		start_waiting(&g, &last, l);
		let_end(&runs);
		wait_without_loop(&next);
		CHECK_RC(il_scope_cancel(&next.scope), 0);
		UNTIL_THREAD(runs.ended && next.ended == next.abandonable);
		let_time_pass();
		CHECK(!has_begun(&last));
		check_counts(l, 1, 1, 1);
		CHECK_EQ(next.ended, abandonable);
		let_end(&next);
		UNTIL_THREAD(has_begun(&last));
		end_call(&last);
		UNTIL_THREAD(next.ended);
		CHECK_RC(next.rc, abandonable ? -ECANCELED : 0);
		CHECK_EQ(next.abandoned, abandonable);
		CHECK_EQ(next.released, abandonable);
		finish(&g, l);
	}
}

IL_TEST(D, n82_a_total_that_is_lowered_when_a_call_has_just_begun)
{
	il_limiter *l = new_limiter(2);
	struct call runs[2] = {{.rc = 0}}, waits[2] = {{.rc = 0}};
	il_group g;

	CHECK_RC(il_group_open(&g), 0);
	for (int i = 0; i < 2; i++)
		start_running(&g, &runs[i], l);
	for (int i = 0; i < 2; i++)
		start_waiting(&g, &waits[i], l);
	let_end(&runs[0]);
	wait_without_loop(&waits[0]);
	CHECK_RC(il_limiter_set_total(l, 1), 0);
	end_call(&runs[0]);
	check_counts(l, 2, 1, 2);
	end_call(&runs[1]);
	let_time_pass();
	CHECK(!has_begun(&waits[1]));
	check_counts(l, 1, 1, 1);
	end_call(&waits[0]);
	end_call(&waits[1]);
	finish(&g, l);
}

IL_TEST(D, n86_somebody_gives_back_the_token_of_a_call_that_others_wait_for)
{
	il_limiter *l = new_limiter(1);
	struct call runs = {.rc = 0}, waits[2] = {{.rc = 0}};
	const void *borrower = NULL;
	il_group g;

	CHECK_RC(il_group_open(&g), 0);
	start_running(&g, &runs, l);
	start_waiting(&g, &waits[0], l);
	start_waiting(&g, &waits[1], l);
	CHECK_EQ(il_limiter_borrowers(l, &borrower, 1), 1);
	CHECK_RC(il_limiter_release_on_behalf_of(l, borrower), 0);
	check_counts(l, 1, 1, 2);
	wait_without_loop(&waits[0]);
	end_call(&waits[0]);
	UNTIL_THREAD(has_begun(&waits[1]));
	let_end(&runs);
	UNTIL_THREAD(runs.ended);
	CHECK_RC(runs.rc, -EALREADY);
	end_call(&waits[1]);
	finish(&g, l);
}

struct borrowing {
	il_limiter *l;
	const void *borrower; /* the call's */
};

static int list_borrower(void *arg)
{
	struct borrowing *b = arg;

	CHECK_EQ(il_limiter_borrowers(b->l, &b->borrower, 1), 1);
	return 0;
}

static int list_in_loop(void *borrowing)
{
	return il_from_thread_run_sync(list_borrower, borrowing);
}

static int return_one(void *unused)
{
	(void)unused;
	return 1;
}

/* Two calls may lie at one address, where the borrower of somebody else was before. */
IL_TEST(D, n84_a_call_is_never_taken_for_another_borrower)
{
	struct borrowing b = {.l = new_limiter(2)};
	il_run_in_thread_options options = {.limiter = b.l};
	il_fn *const calls[] = {list_in_loop, return_one};

	for (int i = 0; i < 2; i++) {
		CHECK_RC(il_run_in_thread_with(calls[i], &b, &options), i);
		if (i == 0)
			CHECK_RC(il_limiter_acquire_on_behalf_of_nowait(b.l, b.borrower), 0);
	}
	CHECK_EQ(il_limiter_borrowed(b.l), 1);
	CHECK_RC(il_limiter_release_on_behalf_of(b.l, b.borrower), 0);
	il_limiter_destroy(b.l);
}
