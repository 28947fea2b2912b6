/*
 * h_tokens.c: semaphores and capacity limiters: what is given back goes to the first waiter, and nobody
 * takes it between.
 */
#include "objects.h"
#include "waiter.h"
#include "waits.h"

#include <interloop/sync.h>

/* ---- semaphores ---- */

static void check_semaphore_bounds(void)
{
	il_semaphore *s = NULL;

	CHECK_RC(il_semaphore_create(&s, 2, 1), -EINVAL);
	CHECK_RC(il_semaphore_create(&s, (size_t)-1, 4), -EINVAL);
	CHECK_RC(il_semaphore_create(&s, (size_t)-1, SIZE_MAX), -EINVAL);
	CHECK_RC(il_semaphore_create(&s, 0, (size_t)-2), -EINVAL);
	CHECK_RC(il_semaphore_create_with(&s, 0, 1, 0x100), -EINVAL);
	CHECK(s == NULL);
	s = new_semaphore(1, 2);
	CHECK_EQ(il_semaphore_value(s), 1);
	CHECK_RC(il_semaphore_release(s), 0);
	CHECK_RC(il_semaphore_release(s), -EINVAL);
	CHECK_EQ(il_semaphore_value(s), 2);
	CHECK_RC(il_semaphore_acquire_nowait(s), 0);
	CHECK_RC(il_semaphore_acquire_nowait(s), 0);
	CHECK_RC(il_semaphore_acquire_nowait(s), -EAGAIN);
	CHECK_EQ(il_semaphore_value(s), 0);
	CHECK_EQ(il_semaphore_get_statistics(s).max, 2);
	il_semaphore_destroy(s);
	s = new_semaphore(0, SIZE_MAX);
	for (int i = 0; i < 100; i++)
		CHECK_RC(il_semaphore_release(s), 0);
	CHECK_EQ(il_semaphore_value(s), 100);
	il_semaphore_destroy(s);
}

IL_TEST_CORE(H, n154_a_semaphore_has_bounds)
{
	check_semaphore_bounds();
}

IL_TEST(H, n154_in_a_task_too)
{
	check_semaphore_bounds();
}

IL_TEST(H, n155_a_unit_released_to_a_waiter_is_its_own)
{
	il_semaphore *s = new_semaphore(0, 1);
	struct waiter w = {.rc = 0};
	il_group g;

	CHECK_RC(il_group_open(&g), 0);
	start_waiting(&g, &w, take_permit, s);
	CHECK_EQ(il_semaphore_get_statistics(s).waiting, 1);
	CHECK_RC(il_semaphore_release(s), 0);
	CHECK_EQ(il_semaphore_value(s), 0);
	CHECK_EQ(il_semaphore_get_statistics(s).waiting, 0);
	CHECK_RC(il_semaphore_acquire_nowait(s), -EAGAIN);
	CHECK_RC(il_group_close(&g, 0), 0);
	check_waited(&w, 0);
	CHECK_EQ(il_semaphore_value(s), 0);
	il_semaphore_destroy(s);
}

struct asking {
	il_semaphore *s;
	int turn, number, taken[3];
};

static int ask_again_and_again(void *arg)
{
	struct asking *a = arg;
	int me = a->number++;

	for (int i = 0; i < 5; i++) {
		CHECK_RC(il_semaphore_acquire(a->s), 0);
		a->taken[me]++;
		for (int k = 0; k < 3; k++) /* nobody is a round ahead */
			CHECK(a->taken[me] <= a->taken[k] + 1);
		CHECK_RC(il_yield(), 0);
		CHECK_RC(il_semaphore_release(a->s), 0);
	}
	return 0;
}

IL_TEST_FIFO(H, n155_those_who_keep_asking_take_turns)
{
	struct asking a = {.s = new_semaphore(1, 1)};
	il_group g;

	CHECK_RC(il_group_open(&g), 0);
	for (int i = 0; i < 3; i++)
		CHECK_RC(il_group_start_soon(&g, NULL, ask_again_and_again, &a), 0);
	CHECK_RC(il_group_close(&g, 0), 0);
	CHECK_EQ(il_semaphore_value(a.s), 1);
	il_semaphore_destroy(a.s);
}

IL_TEST(H, n156_cancelled_waiters_are_passed_over)
{
	il_semaphore *s = new_semaphore(0, 1);
	struct waiter w[4] = {{.rc = 0}};
	il_group g;

	CHECK_RC(il_group_open(&g), 0);
	for (int i = 0; i < 4; i++)
		start_waiting(&g, &w[i], take_permit, s);
	CHECK_RC(il_scope_cancel(&w[0].scope), 0);
	CHECK_RC(il_scope_cancel(&w[1].scope), 0);
	CHECK_RC(il_semaphore_release(s), 0);
	UNTIL(w[0].returned && w[1].returned && w[2].returned);
	CHECK_RC(il_sleep(IL_MSEC(1)), 0);
	CHECK(!w[3].returned);
	CHECK_RC(il_semaphore_release(s), 0);
	CHECK_RC(il_group_close(&g, 0), 0);
	check_waited(&w[0], -ECANCELED);
	check_waited(&w[1], -ECANCELED);
	check_waited(&w[2], 0);
	check_waited(&w[3], 0);
	CHECK_EQ(il_semaphore_value(s), 0);
	il_semaphore_destroy(s);
}

IL_TEST(H, n156_a_unit_given_to_a_cancelled_waiter_goes_on)
{
	for (int waiters = 1; waiters <= 2; waiters++) {
		il_semaphore *s = new_semaphore(0, 1);
		struct waiter w[2] = {{.rc = 0}};
		il_group g;
		CHECK_RC(il_group_open(&g), 0);
		for (int i = 0; i < waiters; i++)
			start_waiting(&g, &w[i], take_permit, s);
		CHECK_RC(il_semaphore_release(s), 0);
		CHECK_RC(il_scope_cancel(&w[0].scope), 0);
		CHECK_RC(il_group_close(&g, 0), 0);
		check_waited(&w[0], -ECANCELED);
		if (waiters == 2)
			check_waited(&w[1], 0);
		CHECK_EQ(il_semaphore_value(s), waiters == 2 ? 0 : 1);
		il_semaphore_destroy(s);
	}
}

/* ---- limiters ---- */

static int borrow(void *limiter)
{
	return il_limiter_acquire(limiter);
}

static void check_limiter_totals(void)
{
	il_limiter *l = NULL;
	int a, b;

	CHECK_RC(il_limiter_create(&l, (size_t)-2), -EINVAL);
	CHECK_RC(il_limiter_create(&l, (size_t)PTRDIFF_MAX + 1), -EINVAL);
	CHECK(l == NULL);
	l = new_limiter(SIZE_MAX);
	CHECK_EQ(il_limiter_total(l) == SIZE_MAX && il_limiter_available(l) == SIZE_MAX, 1);
	for (char *who = (char *)&l; who < (char *)(&l + 1); who++)
		CHECK_RC(il_limiter_acquire_on_behalf_of_nowait(l, who), 0);
	CHECK_EQ(il_limiter_borrowed(l), sizeof l);
	CHECK_EQ(il_limiter_available(l) == SIZE_MAX, 1);
	il_limiter_destroy(l);
	l = new_limiter(0);
	CHECK_RC(il_limiter_acquire_on_behalf_of_nowait(l, &a), -EAGAIN);
	CHECK_RC(il_limiter_set_total(l, (size_t)-2), -EINVAL);
	CHECK_EQ(il_limiter_total(l), 0);
	CHECK_RC(il_limiter_set_total(l, 1), 0);
	CHECK_RC(il_limiter_acquire_on_behalf_of_nowait(l, &a), 0);
	CHECK_RC(il_limiter_acquire_on_behalf_of_nowait(l, &a), -EALREADY);
	CHECK_RC(il_limiter_acquire_on_behalf_of_nowait(l, &b), -EAGAIN);
	CHECK_RC(il_limiter_release_on_behalf_of(l, &b), -EALREADY);
	CHECK_RC(il_limiter_acquire_on_behalf_of_nowait(l, NULL), -EINVAL);
	CHECK_RC(il_limiter_release_on_behalf_of(l, &a), 0);
	CHECK_RC(il_limiter_release_on_behalf_of(l, &a), -EALREADY);
	CHECK_EQ(il_limiter_borrowed(l), 0);
	il_limiter_destroy(l);
}

IL_TEST_CORE(H, n157_a_limiters_total)
{
	check_limiter_totals();
}

IL_TEST(H, n157_a_limiters_total_in_a_task)
{
	check_limiter_totals();
}

IL_TEST(H, n157_without_tokens_nobody_enters_until_it_is_raised)
{
	il_limiter *l = new_limiter(0);
	struct waiter w = {.rc = 0};
	il_group g;

	CHECK_RC(il_fail_after(IL_MSEC(1), borrow, l), -ETIMEDOUT);
	CHECK_EQ(il_limiter_get_statistics(l).waiting, 0);
	CHECK_RC(il_group_open(&g), 0);
	start_waiting(&g, &w, borrow_and_return, l);
	CHECK_RC(il_sleep(IL_MSEC(1)), 0);
	CHECK(!w.returned);
	CHECK_RC(il_limiter_set_total(l, 1), 0);
	CHECK_RC(il_group_close(&g, 0), 0);
	check_waited(&w, 0);
	il_limiter_destroy(l);
}

IL_TEST(H, n159_a_raised_total_lets_the_first_waiters_in_at_once)
{
	il_limiter *l = new_limiter(1);
	struct waiter w[3] = {{.rc = 0}};
	const void *borrowers[8];
	il_group g;

	CHECK_RC(il_limiter_acquire(l), 0);
	CHECK_RC(il_limiter_acquire(l), -EALREADY);
	CHECK_RC(il_limiter_acquire_nowait(l), -EALREADY);
	CHECK_RC(il_group_open(&g), 0);
	for (int i = 0; i < 3; i++)
		start_waiting(&g, &w[i], borrow, l);
	CHECK_EQ(il_limiter_get_statistics(l).waiting, 3);
	CHECK_RC(il_limiter_set_total(l, 3), 0);
	CHECK_EQ(il_limiter_borrowed(l), 3);
	CHECK_EQ(il_limiter_get_statistics(l).waiting, 1);
	CHECK_EQ(il_limiter_borrowers(l, borrowers, 8), 3);
	UNTIL(w[0].returned && w[1].returned);
	CHECK_RC(il_sleep(IL_MSEC(1)), 0);
	CHECK(!w[2].returned);
	/* Their tasks have ended without giving the tokens back. */
	CHECK_RC(il_limiter_release(l), 0);
	CHECK_RC(il_group_close(&g, 0), 0);
	check_waited(&w[2], 0);
	CHECK_EQ(il_limiter_borrowed(l), 3);
	CHECK_EQ(il_limiter_available(l), 0);
	il_limiter_destroy(l);
}

IL_TEST(H, n159_a_lowered_total_puts_nobody_out_and_lets_nobody_in)
{
	il_limiter *l = new_limiter(3);
	struct waiter w = {.rc = 0};
	int a, b, c;
	il_group g;

	CHECK_RC(il_limiter_acquire_on_behalf_of(l, &a), 0);
	CHECK_RC(il_limiter_acquire_on_behalf_of(l, &b), 0);
	CHECK_RC(il_limiter_acquire_on_behalf_of(l, &c), 0);
	CHECK_RC(il_limiter_set_total(l, 1), 0);
	CHECK_EQ(il_limiter_borrowed(l), 3);
	CHECK_EQ(il_limiter_available(l), 0);
	CHECK_RC(il_group_open(&g), 0);
	start_waiting(&g, &w, borrow_and_return, l);
	CHECK_RC(il_limiter_release_on_behalf_of(l, &a), 0);
	CHECK_RC(il_limiter_release_on_behalf_of(l, &b), 0);
	CHECK_RC(il_sleep(IL_MSEC(1)), 0);
	CHECK(!w.returned);
	CHECK_RC(il_limiter_acquire_on_behalf_of_nowait(l, &a), -EAGAIN);
	CHECK_RC(il_limiter_release_on_behalf_of(l, &c), 0);
	CHECK_RC(il_group_close(&g, 0), 0);
	check_waited(&w, 0);
	CHECK_EQ(il_limiter_borrowed(l), 0);
	il_limiter_destroy(l);
}

static int borrow_anew(void *limiter)
{
	il_case c = il_case_limiter(limiter);

	CHECK_RC(il_limiter_release(limiter), -EALREADY);
	CHECK_RC(il_limiter_acquire_nowait(limiter), 0);
	CHECK_RC(il_limiter_release(limiter), 0);
	CHECK_RC(il_select(&c, 1, 0), 0);
	CHECK_RC(c.rc, 0);
	CHECK_RC(il_limiter_release(limiter), 0);
	CHECK_RC(borrow_and_return(limiter), 0);
	return 0;
}

IL_TEST(H, a_task_is_never_taken_for_a_borrower_that_has_ended)
{
	il_limiter *l = new_limiter(2);
	const void *borrower = NULL;
	il_group g;

	CHECK_RC(il_group_open(&g), 0);
	CHECK_RC(il_group_start_soon(&g, NULL, borrow, l), 0);
	CHECK_RC(il_group_close(&g, 0), 0);
	for (int i = 0; i < 8; i++) { /* one of them lies where the first did */
		CHECK_RC(il_group_open(&g), 0);
		CHECK_RC(il_group_start_soon(&g, NULL, borrow_anew, l), 0);
		CHECK_RC(il_group_close(&g, 0), 0);
		CHECK_EQ(il_limiter_borrowed(l), 1);
	}
	CHECK_EQ(il_limiter_borrowers(l, &borrower, 1), 1);
	CHECK_RC(il_limiter_release_on_behalf_of(l, borrower), 0);
	CHECK_EQ(il_limiter_borrowed(l), 0);
	il_limiter_destroy(l);
}

IL_TEST(H, n160_a_cancelled_waiter_leaves_and_the_token_goes_to_the_next)
{
	for (int release_first = 0; release_first < 2; release_first++) {
		il_limiter *l = new_limiter(1);
		struct waiter w[2] = {{.rc = 0}};
		int owner, third;
		il_group g;
		CHECK_RC(il_limiter_acquire_on_behalf_of(l, &owner), 0);
		CHECK_RC(il_group_open(&g), 0);
		start_waiting(&g, &w[0], borrow, l);
		start_waiting(&g, &w[1], borrow_and_return, l);
		if (release_first)
			CHECK_RC(il_limiter_release_on_behalf_of(l, &owner), 0);
		CHECK_RC(il_scope_cancel(&w[0].scope), 0);
		if (!release_first) {
			CHECK_EQ(il_limiter_get_statistics(l).waiting, 1);
			CHECK_RC(il_limiter_release_on_behalf_of(l, &owner), 0);
		}
		CHECK_EQ(il_limiter_borrowed(l), 1);
		CHECK_RC(il_limiter_acquire_on_behalf_of_nowait(l, &third), -EAGAIN);
		CHECK_RC(il_group_close(&g, 0), 0);
		check_waited(&w[0], -ECANCELED);
		check_waited(&w[1], 0);
		CHECK_EQ(il_limiter_borrowed(l), 0);
		CHECK_EQ(il_limiter_get_statistics(l).waiting, 0);
		il_limiter_destroy(l);
	}
}

static int wait_on_behalf(void *arg)
{
	il_limiter *l = arg;

	return il_limiter_acquire_on_behalf_of(l, l);
}

/* Whoever knows the borrower may give its token back; also before the task that has asked for it runs. */
IL_TEST(H, n160_a_token_given_back_before_its_cancelled_task_runs_is_given_back_once)
{
	il_limiter *l = new_limiter(1);
	struct waiter w = {.rc = 0};
	il_group g;

	CHECK_RC(il_limiter_acquire(l), 0);
	CHECK_RC(il_group_open(&g), 0);
	start_waiting(&g, &w, wait_on_behalf, l);
	CHECK_RC(il_limiter_release(l), 0); /* to the waiter's borrower */
	CHECK_RC(il_limiter_release_on_behalf_of(l, l), 0);
	CHECK_RC(il_scope_cancel(&w.scope), 0);
	CHECK_RC(il_group_close(&g, 0), 0);
	check_waited(&w, -ECANCELED);
	CHECK_EQ(il_limiter_borrowed(l), 0);
	CHECK_EQ(il_limiter_available(l), 1);
	il_limiter_destroy(l);
}

IL_TEST(H, n160_a_borrower_that_waits_does_not_ask_twice)
{
	il_limiter *l = new_limiter(1);
	struct waiter w = {.rc = 0};
	int other;
	il_group g;

	CHECK_RC(il_limiter_acquire(l), 0);
	CHECK_RC(il_group_open(&g), 0);
	start_waiting(&g, &w, wait_on_behalf, l);
	CHECK_RC(il_limiter_acquire_on_behalf_of(l, l), -EALREADY);
	CHECK_RC(il_limiter_release_on_behalf_of(l, l), -EALREADY);
	CHECK_RC(il_limiter_acquire_on_behalf_of_nowait(l, &other), -EAGAIN);
	CHECK_RC(il_limiter_release(l), 0);
	CHECK_RC(il_group_close(&g, 0), 0);
	check_waited(&w, 0);
	CHECK_RC(il_limiter_release_on_behalf_of(l, l), 0);
	CHECK_EQ(il_limiter_borrowed(l), 0);
	il_limiter_destroy(l);
}

enum { CROWD = 100 };

struct crowd {
	il_limiter *l;
	int inside, most;
};

static int pass_through(void *arg)
{
	struct crowd *c = arg;

	CHECK_RC(il_limiter_acquire(c->l), 0);
	c->inside++;
	c->most = c->inside > c->most ? c->inside : c->most;
	CHECK_RC(il_yield(), 0);
	c->inside--;
	return il_limiter_release(c->l);
}

IL_TEST(H, n160_a_crowd_of_tasks_is_never_more_than_the_total)
{
	struct crowd c = {.l = new_limiter(3)};
	il_group g;

	CHECK_RC(il_group_open(&g), 0);
	for (int i = 0; i < CROWD; i++)
		CHECK_RC(il_group_start_soon(&g, NULL, pass_through, &c), 0);
	CHECK_RC(il_group_close(&g, 0), 0);
	CHECK_EQ(c.most, 3);
	CHECK_EQ(il_limiter_borrowed(c.l), 0);
	il_limiter_destroy(c.l);
}
