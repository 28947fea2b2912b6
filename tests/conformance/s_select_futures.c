/*
 * s_select_futures.c: events and futures in a select: it only tells of them; a future may be completed by any
 * thread; and whatever did not happen is left as if nobody had waited.
 */
#include "aside.h"
#include "heap.h"
#include "s_select.h"

IL_TEST(S, n372_the_event_stays_set_and_the_result_is_not_taken)
{
	il_event *e = new_event();
	il_future *f = new_future();
	struct chooser c = {.cases = {il_case_event(e), il_case_future(f)}};
	il_group g;

	CHECK_RC(il_group_open(&g), 0);
	start_choosing(&g, &c, 2);
	CHECK_RC(il_event_set(e), 0);
	CHECK_RC(il_group_close(&g, 0), 0);
	check_chose(&c, 0, 0);
	CHECK(il_event_is_set(e));
	c.cases[0].object = NULL;
	CHECK_RC(il_group_open(&g), 0);
	start_choosing(&g, &c, 2);
	CHECK_RC(il_future_set_result(f, 42), 0);
	CHECK_RC(il_group_close(&g, 0), 0);
	check_chose(&c, 1, 0);
	CHECK_RC(il_future_result(f, 0), 42);
	CHECK_EQ(il_select(c.cases, 2, 0), 1);
	il_event_destroy(e);
	il_future_unref(f);
}

IL_TEST(S, n372_a_cancelled_future_is_done)
{
	il_future *f = new_future();
	struct chooser c = {.cases = {il_case_future(f)}};
	il_group g;

	CHECK_RC(il_group_open(&g), 0);
	start_choosing(&g, &c, 1);
	CHECK(il_future_cancel(f));
	CHECK_RC(il_group_close(&g, 0), 0);
	check_chose(&c, 0, 0);
	il_future_unref(f);
}

/* Whoever completes a future, or cancels the select first, decides. */
IL_TEST(S, n372_future_or_cancellation_the_first_to_come_decides)
{
	il_future *f = new_future();
	struct chooser c = {.cases = {il_case_future(f)}};
	il_group g;

	CHECK_RC(il_group_open(&g), 0);
	start_choosing(&g, &c, 1);
	CHECK_RC(il_scope_cancel(&c.scope), 0);
	CHECK_RC(il_future_set_result(f, 1), 0);
	CHECK_RC(il_group_close(&g, 0), 0);
	check_chose(&c, -ECANCELED, 0);
	il_future_unref(f);

	f = new_future();
	c.cases[0] = il_case_future(f);
	CHECK_RC(il_group_open(&g), 0);
	start_choosing(&g, &c, 1);
	CHECK_RC(il_future_set_result(f, 1), 0);
	CHECK_RC(il_scope_cancel(&c.scope), 0);
	CHECK_RC(il_group_close(&g, 0), 0);
	check_chose(&c, 0, 0);
	il_future_unref(f);
}

IL_TEST(S, n372_the_future_may_be_dropped_as_soon_as_another_case_has_happened)
{
	il_future *f = new_future();
	il_event *e = new_event();
	struct chooser c = {.cases = {il_case_event(e), il_case_future(f)}};
	il_group g;

	CHECK_RC(il_group_open(&g), 0);
	start_choosing(&g, &c, 2);
	CHECK_RC(il_event_set(e), 0);
	il_future_unref(f);
	il_event_destroy(e);
	CHECK_RC(il_group_close(&g, 0), 0);
	check_chose(&c, 0, 0);
}

/* ---- other threads ---- */

static int complete(void *f)
{
	return il_future_set_result(f, 5);
}

IL_TEST(S, n372_another_thread_completes_it)
{
	il_event *never = new_event();

	for (size_t i = 0; i < il_test_rounds(200); i++) {
		il_future *f = new_future(), *pending = new_future();
		il_case cases[] = {il_case_event(never), il_case_future(pending),
				   il_case_future(f)};
		struct il_test_aside thread;
		il_test_aside_start(&thread, complete, f);
		CHECK_EQ(il_select(cases, 3, IL_FOREVER), 2);
		CHECK_RC(cases[2].rc, 0);
		CHECK_RC(il_future_result(f, 0), 5);
		CHECK_RC(il_test_aside_join(&thread), 0);
		il_future_unref(f);
		il_future_unref(pending);
	}
	il_event_destroy(never);
}

static int nothing(void *arg)
{
	(void)arg;
	return 7;
}

IL_TEST(S, n372_calls_in_a_thread_pool)
{
	enum { CALLS = 16 };
	il_executor *pool = NULL;
	il_future *f[CALLS];
	il_case cases[CALLS];
	size_t done = 0;

	CHECK_RC(il_thread_pool_create(&pool, NULL), 0);
	for (int i = 0; i < CALLS; i++) {
		CHECK_RC(il_executor_submit(pool, &f[i], nothing, NULL, 0), 0);
		cases[i] = il_case_future(f[i]);
	}
	while (done < CALLS) {
		int i = il_select(cases, CALLS, IL_FOREVER);
		CHECK(i >= 0 && cases[i].object);
		CHECK_RC(il_future_result(f[i], 0), 7);
		cases[i].object = NULL;
		done++;
	}
	for (int i = 0; i < CALLS; i++)
		il_future_unref(f[i]);
	CHECK_RC(il_executor_shutdown(pool, 0), 0);
	il_executor_destroy(pool);
}

/* Two futures from two threads, an event in the same moment: nothing is left behind, whoever wins. */
IL_TEST_REAL(S, n372_a_race_of_threads_and_the_loop)
{
	for (size_t i = 0; i < il_test_rounds(300); i++) {
		il_future *f = new_future(), *h = new_future();
		il_event *e = new_event();
		struct chooser c = {
		    .cases = {il_case_future(f), il_case_event(e), il_case_future(h)}};
		struct il_test_thread threads[2];
		il_group g;

		CHECK_RC(il_group_open(&g), 0);
		start_choosing(&g, &c, 3);
		il_test_thread_start(&threads[0], complete, f);
		il_test_thread_start(&threads[1], complete, h);
		if (i % 3 == 1)
			CHECK_RC(il_event_set(e), 0);
		if (i % 3 == 2)
			CHECK_RC(il_scope_cancel(&c.scope), 0);
		CHECK_RC(il_group_close(&g, 0), 0);
		CHECK(c.rc >= 0 || (i % 3 == 2 && c.rc == -ECANCELED));
		CHECK_RC(il_test_thread_join(&threads[0]), 0);
		CHECK_RC(il_test_thread_join(&threads[1]), 0);
		il_future_unref(f);
		il_future_unref(h);
		il_event_destroy(e);
	}
}

/* ---- nothing stays ---- */

struct waker {
	struct both_ends go, channel;
};

/* Is told before each select, and has its turn once that waits. */
static int wake_each(void *arg)
{
	struct waker *w = arg;
	int item;

	while (il_channel_receive(w->go.in, &item) == 1)
		CHECK_RC(il_channel_send_nowait(w->channel.out, &item), 0);
	return 0;
}

/* Each waits, for all of them, and only the last happens; now and then none does. */
static void select_again_and_again(struct waker *w, il_case cases[4], size_t rounds)
{
	size_t before = 0;
	int item = 7;

	for (size_t i = 0; i < rounds; i++) {
		if (i % 1024 == 0)
			CHECK_RC(il_select(cases, 3, 1), -ETIMEDOUT);
		CHECK_RC(il_channel_send_nowait(w->go.out, &item), 0);
		CHECK_RC(il_select(cases, 4, IL_FOREVER), 3);
		if (i == rounds / 10)
			before = memory_in_use();
	}
	CHECK(memory_in_use() <= before + 65536);
}

/* In virtual time a sixteenth of them under each seed of the loop; and fewer where each switch of tasks is a call of
 * the system. */
IL_TEST(S, n372_a_million_selects_over_what_never_happens_leave_nothing)
{
	il_event *e = new_event();
	il_future *f = new_future();
	struct both_ends never = new_channel(1);
	struct waker w = {.go = new_channel(1), .channel = new_channel(1)};
	int item = 0;
	il_case cases[] = {il_case_event(e), il_case_future(f), il_case_receive(never.in, &item),
			   il_case_receive(w.channel.in, &item)};
	il_group g;

	CHECK_RC(il_group_open(&g), 0);
	CHECK_RC(il_group_start_soon(&g, NULL, wake_each, &w), 0);
	select_again_and_again(&w, cases,
			       il_test_rounds(il_test_virtual()  ? 62500
					      : IL_TEST_PORTABLE ? 100000
								 : 1000000));
	CHECK_RC(il_sender_close(w.go.out), 0);
	CHECK_RC(il_group_close(&g, 0), 0);
	CHECK_EQ(il_receiver_get_statistics(never.in).waiting_receivers, 0);
	/* Nobody is woken, of whom there is nothing left. */
	CHECK_RC(il_event_set(e), 0);
	CHECK_RC(il_future_set_result(f, 0), 0);
	CHECK_RC(il_yield(), 0);
	destroy_channel(&never);
	destroy_channel(&w.channel);
	destroy_channel(&w.go);
	il_event_destroy(e);
	il_future_unref(f);
}
