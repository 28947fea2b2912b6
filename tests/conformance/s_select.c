/*
 * s_select.c: il_select: exactly one case happens, the first in the array that is ready, and only then is
 * anything taken; a timeout and a cancellation take nothing.
 */
#include "s_select.h"
#include "aside.h"

/* ---- 361 to 363: which one happens ---- */

IL_TEST(S, n361_a_ready_receive_happens_and_has_the_item)
{
	struct both_ends a = new_channel(1), b = new_channel(1);
	il_event *e = new_event();
	int item = 0, other = 0;
	il_case cases[] = {il_case_event(e), il_case_receive(a.in, &item),
			   il_case_receive(b.in, &other)};

	send_now(&a, 7);
	CHECK_EQ(il_select(cases, 3, IL_FOREVER), 1);
	CHECK_RC(cases[1].rc, 1);
	CHECK_EQ(item, 7);
	CHECK_EQ(other, 0);
	CHECK_EQ(il_sender_get_statistics(a.out).buffered, 0);
	CHECK(!il_event_is_set(e));
	destroy_channel(&a);
	destroy_channel(&b);
	il_event_destroy(e);
}

IL_TEST(S, n361_a_ready_send_happens_and_the_item_is_in)
{
	struct both_ends full = new_channel(1), c = new_channel(1);
	const int item = 5, one_too_many = 6;
	il_case cases[] = {il_case_send(full.out, &one_too_many), il_case_send(c.out, &item)};

	send_now(&full, 1);
	CHECK_EQ(il_select(cases, 2, IL_FOREVER), 1);
	CHECK_RC(cases[1].rc, 0);
	CHECK_EQ(il_sender_get_statistics(full.out).buffered, 1);
	check_next(&c, 5);
	check_next(&full, 1);
	destroy_channel(&full);
	destroy_channel(&c);
}

IL_TEST(S, n361_of_each_kind_one_that_is_ready)
{
	struct both_ends c = new_channel(1);
	il_event *e = new_event();
	il_semaphore *s = new_semaphore(1, 1);
	il_limiter *limiter = new_limiter(1);
	il_lock *lock = new_lock();
	il_future *f = new_future();
	int item = 3;

	CHECK_RC(il_event_set(e), 0);
	CHECK_RC(il_future_set_result(f, -EIO), 0);
	CHECK_RC(poll_case(il_case_send(c.out, &item)), 0);
	CHECK_RC(poll_case(il_case_receive(c.in, &item)), 1);
	CHECK_RC(poll_case(il_case_event(e)), 0);
	CHECK_RC(poll_case(il_case_semaphore(s)), 0);
	CHECK_EQ(il_semaphore_value(s), 0);
	CHECK_RC(poll_case(il_case_limiter(limiter)), 0);
	CHECK_RC(poll_case(il_case_limiter(limiter)), -EALREADY);
	CHECK_RC(il_limiter_release(limiter), 0);
	CHECK_RC(poll_case(il_case_lock(lock)), 0);
	CHECK(il_lock_held(lock));
	CHECK_RC(poll_case(il_case_lock(lock)), -EALREADY);
	CHECK_RC(il_lock_release(lock), 0);
	CHECK_RC(poll_case(il_case_future(f)), 0);
	CHECK_RC(il_future_result(f, 0), -EIO);
	il_future_unref(f);
	il_lock_destroy(lock);
	il_limiter_destroy(limiter);
	il_semaphore_destroy(s);
	il_event_destroy(e);
	destroy_channel(&c);
}

/* A select waits for an item of a, and for somebody who takes an item from b. */
struct two {
	struct both_ends a, b;
	struct chooser c;
	il_group g;
	int got;
};

static void start_two(struct two *t)
{
	static const int item = 4;

	t->a = new_channel(0);
	t->b = new_channel(0);
	t->got = 0;
	t->c.cases[0] = il_case_receive(t->a.in, &t->got);
	t->c.cases[1] = il_case_send(t->b.out, &item);
	CHECK_RC(il_group_open(&t->g), 0);
	start_choosing(&t->g, &t->c, 2);
	CHECK_EQ(il_sender_get_statistics(t->a.out).waiting_receivers, 1);
	CHECK_EQ(il_sender_get_statistics(t->b.out).waiting_senders, 1);
}

static void end_two(struct two *t, int index, int rc)
{
	CHECK_EQ(il_sender_get_statistics(t->a.out).waiting_receivers, 0);
	CHECK_EQ(il_sender_get_statistics(t->b.out).waiting_senders, 0);
	CHECK_RC(il_group_close(&t->g, 0), 0);
	check_chose(&t->c, index, rc);
	destroy_channel(&t->a);
	destroy_channel(&t->b);
}

IL_TEST(S, n362_the_first_that_becomes_ready_happens)
{
	struct two t;

	start_two(&t);
	send_now(&t.a, 9);
	end_two(&t, 0, 1);
	CHECK_EQ(t.got, 9);
	start_two(&t);
	check_next(&t.b, 4);
	end_two(&t, 1, 0);
	CHECK_EQ(t.got, 0);
}

IL_TEST(S, n362_waiting_takes_no_processor_time)
{
	il_event *e = new_event();
	il_case one = il_case_event(e);
	il_time begin = il_now(), cpu = il_test_cpu();

	CHECK_RC(il_select(&one, 1, IL_MSEC(300)), -ETIMEDOUT);
	CHECK(il_now() - begin >= IL_MSEC(300));
	CHECK(il_test_cpu() - cpu < IL_MSEC(200));
	il_event_destroy(e);
}

IL_TEST(S, n363_of_several_that_are_ready_the_first_in_the_array)
{
	struct both_ends c = new_channel(8);
	il_event *e = new_event();
	int got = 0;

	CHECK_RC(il_event_set(e), 0);
	for (int i = 0; i < 4; i++) {
		il_case cases[] = {il_case_receive(c.in, &got), il_case_event(e)};
		il_case reverse[] = {il_case_event(e), il_case_receive(c.in, &got)};
		send_now(&c, i);
		CHECK_EQ(il_select(reverse, 2, IL_FOREVER), 0);
		CHECK_EQ(il_select(cases, 2, IL_FOREVER), 0);
		CHECK_EQ(got, i);
		CHECK_EQ(il_select(cases, 2, IL_FOREVER), 1);
	}
	destroy_channel(&c);
	il_event_destroy(e);
}

/* ---- 365: time ---- */

IL_TEST(S, n365_a_timeout_takes_nothing)
{
	struct both_ends c = new_channel(1);
	int got = 0;
	il_case one = il_case_receive(c.in, &got);
	il_time begin = il_now();

	CHECK_RC(il_select(&one, 1, 0), -ETIMEDOUT);
	CHECK_RC(il_select(&one, 1, IL_MSEC(50)), -ETIMEDOUT);
	CHECK_DETAIL("il_select");
	CHECK(il_now() - begin >= IL_MSEC(50));
	CHECK(il_now() - begin < IL_MSEC(50) + il_test_patience());
	send_now(&c, 1);
	check_next(&c, 1);
	CHECK_EQ(got, 0);
	destroy_channel(&c);
}

static int set_after_a_moment(void *event)
{
	int rc = il_sleep(IL_MSEC(5));

	return rc < 0 ? rc : il_event_set(event);
}

IL_TEST(S, n365_ready_in_time_the_case_happens_and_the_timer_is_gone)
{
	il_event *e = new_event();
	il_case one = il_case_event(e);
	il_time begin = il_now();
	il_group g;

	CHECK_RC(il_group_open(&g), 0);
	CHECK_RC(il_group_start_soon(&g, NULL, set_after_a_moment, e), 0);
	CHECK_RC(il_select(&one, 1, IL_SEC(1000)), 0);
	CHECK(il_now() - begin < IL_SEC(1000));
	CHECK_RC(il_group_close(&g, 0), 0);
	il_event_destroy(e);
}

IL_TEST(S, n365_without_cases_it_sleeps)
{
	il_time begin = il_now();
	struct chooser c = {.count = 0};
	il_group g;

	CHECK_RC(il_select(NULL, 0, 0), -ETIMEDOUT);
	CHECK_RC(il_select(NULL, 0, IL_MSEC(20)), -ETIMEDOUT);
	CHECK(il_now() - begin >= IL_MSEC(20));
	CHECK_RC(il_group_open(&g), 0);
	start_choosing(&g, &c, 0);
	CHECK_RC(il_sleep(IL_MSEC(5)), 0);
	CHECK_RC(il_scope_cancel(&c.scope), 0);
	CHECK_RC(il_group_close(&g, 0), 0);
	check_chose(&c, -ECANCELED, 0);
}

/* ---- 366: cancellation ---- */

IL_TEST(S, n366_a_cancelled_select_has_taken_nothing)
{
	struct two t;

	start_two(&t);
	CHECK_RC(il_scope_cancel(&t.c.scope), 0);
	CHECK_EQ(il_sender_get_statistics(t.a.out).waiting_receivers, 0);
	CHECK_RC(il_channel_send_nowait(t.a.out, &t.got), -EAGAIN);
	end_two(&t, -ECANCELED, 0);
	CHECK_EQ(t.got, 0);
}

IL_TEST(S, n366_in_a_cancelled_scope_nothing_is_taken)
{
	struct both_ends c = new_channel(1);
	il_event *e = new_event();
	int got = 0;
	il_case cases[] = {il_case_receive(c.in, &got), il_case_event(e)};
	il_scope scope = IL_SCOPE_INIT;

	send_now(&c, 3);
	CHECK_RC(il_event_set(e), 0);
	CHECK_RC(il_scope_enter(&scope, IL_FOREVER, 0), 0);
	CHECK_RC(il_scope_cancel(&scope), 0);
	CHECK_RC(il_select(cases, 2, IL_FOREVER), -ECANCELED);
	CHECK_RC(il_select(cases, 2, 0), -ECANCELED);
	CHECK_RC(il_scope_exit(&scope, -ECANCELED), 0);
	CHECK_EQ(got, 0);
	check_next(&c, 3);
	destroy_channel(&c);
	il_event_destroy(e);
}

IL_TEST(S, n366_case_or_cancellation_the_first_to_come_decides)
{
	struct two t;

	start_two(&t);
	send_now(&t.a, 9);
	CHECK_RC(il_scope_cancel(&t.c.scope), 0);
	end_two(&t, 0, 1);
	CHECK_EQ(t.got, 9);
	start_two(&t);
	CHECK_RC(il_scope_cancel(&t.c.scope), 0);
	CHECK_RC(il_channel_send_nowait(t.a.out, &t.got), -EAGAIN);
	end_two(&t, -ECANCELED, 0);
}

/* ---- 367 and 368: ended ends, cases that are off ---- */

IL_TEST(S, n367_an_ended_channel_is_ready)
{
	struct both_ends c = new_channel(1), d = new_channel(1);
	int item = 1;

	send_now(&c, 2);
	CHECK_RC(il_sender_close(c.out), 0);
	CHECK_RC(poll_case(il_case_receive(c.in, &item)), 1);
	CHECK_EQ(item, 2);
	CHECK_RC(poll_case(il_case_receive(c.in, &item)), 0);
	CHECK_RC(poll_case(il_case_send(c.out, &item)), -EBADF);
	CHECK_RC(il_receiver_close(d.in), 0);
	CHECK_RC(poll_case(il_case_send(d.out, &item)), -EPIPE);
	CHECK_RC(poll_case(il_case_receive(d.in, &item)), -EBADF);
	destroy_channel(&c);
	destroy_channel(&d);
}

static void close_while_waiting(int (*close_one)(struct two *t), int index, int rc)
{
	struct two t;

	start_two(&t);
	CHECK_RC(close_one(&t), 0);
	end_two(&t, index, rc);
}

static int close_a_sender(struct two *t)
{
	return il_sender_close(t->a.out);
}

static int close_own_receiver(struct two *t)
{
	return il_receiver_close(t->a.in);
}

static int close_b_receiver(struct two *t)
{
	return il_receiver_close(t->b.in);
}

static int close_own_sender(struct two *t)
{
	return il_sender_close(t->b.out);
}

IL_TEST(S, n367_a_channel_that_ends_meanwhile_happens)
{
	close_while_waiting(close_a_sender, 0, 0);
	close_while_waiting(close_own_receiver, 0, -EBADF);
	close_while_waiting(close_b_receiver, 1, -EPIPE);
	close_while_waiting(close_own_sender, 1, -EBADF);
}

IL_TEST(S, n368_a_case_without_an_object_never_happens)
{
	struct both_ends a = new_channel(1), b = new_channel(1);
	int x = 0, y = 0, collected = 0;
	il_case cases[] = {il_case_receive(a.in, &x), il_case_receive(b.in, &y)};

	send_now(&a, 1);
	send_now(&b, 2);
	while (collected < 2) {
		int i = il_select(cases, 2, IL_FOREVER);
		CHECK(i >= 0 && cases[i].object && cases[i].rc == 1);
		cases[i].object = NULL;
		collected++;
	}
	CHECK_EQ(x + y, 3);
	send_now(&a, 1);
	CHECK_RC(il_select(cases, 2, 0), -ETIMEDOUT);
	CHECK_RC(il_select(cases, 2, IL_MSEC(5)), -ETIMEDOUT);
	check_next(&a, 1);
	cases[0] = il_case_receive(NULL, NULL);
	cases[1] = il_case_send(NULL, NULL);
	CHECK_RC(il_select(cases, 2, 0), -ETIMEDOUT);
	destroy_channel(&a);
	destroy_channel(&b);
}

IL_TEST(S, n368_when_all_are_off_it_sleeps_until_it_is_cancelled)
{
	struct chooser c = {.cases = {il_case_event(NULL), il_case_receive(NULL, NULL),
				      il_case_fd(-1, IL_READABLE)}};
	il_group g;

	CHECK_RC(il_group_open(&g), 0);
	start_choosing(&g, &c, 3);
	CHECK_RC(il_sleep(IL_MSEC(5)), 0);
	CHECK(!c.returned);
	CHECK_RC(il_scope_cancel(&c.scope), 0);
	CHECK_RC(il_group_close(&g, 0), 0);
	check_chose(&c, -ECANCELED, 0);
}

/* ---- 377 and 378: what is refused; fairness ---- */

IL_TEST(S, n377_what_makes_no_sense_is_refused_before_anything_is_looked_at)
{
	struct both_ends c = new_channel(1);
	int got = 0;
	il_case cases[] = {il_case_receive(c.in, &got), {.object = &got}};

	send_now(&c, 1);
	CHECK_RC(il_select(cases, 2, IL_FOREVER), -EINVAL);
	CHECK_DETAIL("case 1");
	cases[1].kind = 12345;
	CHECK_RC(il_select(cases, 2, IL_FOREVER), -EINVAL);
	CHECK_RC(il_select(cases, 1, -1), -EINVAL);
	CHECK_RC(il_select(NULL, 1, 0), -EINVAL);
	cases[0].item = NULL;
	CHECK_RC(il_select(cases, 1, 0), -EINVAL);
	check_next(&c, 1);
	CHECK_EQ(got, 0);
	destroy_channel(&c);
}

struct mixed {
	struct both_ends c;
	il_event *theirs; /* of another loop, or of this one for others */
	il_semaphore *s;
	il_lock *lock;
	il_limiter *limiter;
	int got;
};

static void make_mixed(struct mixed *m)
{
	*m = (struct mixed){.c = new_channel(1),
			    .theirs = new_event(),
			    .s = new_semaphore(1, 1),
			    .lock = new_lock(),
			    .limiter = new_limiter(1)};
}

static void destroy_mixed(struct mixed *m)
{
	CHECK_EQ(il_semaphore_value(m->s), 1);
	CHECK(!il_lock_locked(m->lock));
	CHECK_EQ(il_limiter_borrowed(m->limiter), 0);
	CHECK_EQ(m->got, 0);
	destroy_channel(&m->c);
	il_event_destroy(m->theirs);
	il_semaphore_destroy(m->s);
	il_lock_destroy(m->lock);
	il_limiter_destroy(m->limiter);
}

/* Whatever is ready before it: the whole call is refused. */
static void refuse_each(struct mixed *m, il_time timeout)
{
	il_case foreign[] = {il_case_event(m->theirs),
			     il_case_semaphore(m->s),
			     il_case_lock(m->lock),
			     il_case_limiter(m->limiter),
			     il_case_receive(m->c.in, &m->got),
			     il_case_send(m->c.out, &m->got)};
	il_future *f = new_future();

	CHECK_RC(il_future_set_result(f, 0), 0);
	for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++) {
		il_case cases[] = {il_case_future(f), foreign[i]};
		CHECK_RC(il_select(cases, 2, timeout), -EPERM);
	}
	il_future_unref(f);
}

static int select_from_elsewhere(void *arg)
{
	refuse_each(arg, 0);
	refuse_each(arg, IL_SEC(1));
	return 0;
}

static int select_from_another_loop(void *arg)
{
	return il_run(il_test_backend(), select_from_elsewhere, arg);
}

IL_TEST(S, n377_another_threads_and_another_loops_objects_are_refused)
{
	struct mixed m;

	make_mixed(&m);
	send_now(&m.c, 1);
	CHECK_RC(il_event_set(m.theirs), 0);
	CHECK_RC(il_test_aside(select_from_elsewhere, &m), 0);
	CHECK_RC(il_test_aside(select_from_another_loop, &m), 0);
	check_next(&m.c, 1);
	destroy_mixed(&m);
}

/* In a place that may not wait. */
static int select_outside_a_task(void *arg)
{
	struct mixed *m = arg;
	il_case cases[] = {il_case_receive(m->c.in, &m->got), il_case_event(m->theirs)};
	il_case lock = il_case_lock(m->lock), limiter = il_case_limiter(m->limiter);

	CHECK_RC(il_select(cases, 2, 0), -ETIMEDOUT);
	CHECK_RC(il_select(cases, 2, 1), -EPERM);
	CHECK_RC(il_select(NULL, 0, IL_FOREVER), -EPERM);
	CHECK_RC(il_event_set(m->theirs), 0);
	CHECK_RC(il_select(cases, 2, 1), -EPERM);
	CHECK_EQ(il_select(cases, 2, 0), 1);
	CHECK_RC(poll_case(il_case_semaphore(m->s)), 0);
	CHECK_RC(il_semaphore_release(m->s), 0);
	CHECK_RC(il_select(&lock, 1, 0), -EPERM); /* who would have it? */
	CHECK_RC(il_select(&limiter, 1, 0), -EPERM);
	return 0;
}

IL_TEST_CORE(S, n377_without_a_loop_only_what_is_ready_can_be_had)
{
	struct mixed m;

	make_mixed(&m);
	select_outside_a_task(&m);
	destroy_mixed(&m);
}

static int on_done(il_future *f, void *arg)
{
	(void)f;
	return select_outside_a_task(arg);
}

IL_TEST(S, n377_in_a_callback_only_what_is_ready_can_be_had)
{
	struct mixed m;
	il_future *f = new_future();

	make_mixed(&m);
	CHECK_RC(il_future_set_result(f, 0), 0);
	CHECK_RC(il_future_on_done(f, on_done, &m), 0);
	il_future_unref(f);
	destroy_mixed(&m);
}

static int count_turns(void *arg)
{
	size_t *turns = arg;

	while (il_yield() == 0)
		++*turns;
	return 0;
}

IL_TEST_REAL(S, n378_timers_run_beside_a_select_that_is_always_ready)
{
	il_event *e = new_event();
	il_case one = il_case_event(e);
	il_scope scope = IL_SCOPE_INIT;

	CHECK_RC(il_event_set(e), 0);
	CHECK_RC(il_scope_enter(&scope, il_deadline(IL_MSEC(5)), 0), 0);
	while (il_select(&one, 1, IL_FOREVER) == 0)
		;
	CHECK_RC(il_scope_exit(&scope, -ECANCELED), 0);
	CHECK(il_scope_expired(&scope));
	il_event_destroy(e);
}

IL_TEST(S, n378_a_select_that_is_always_ready_starves_nobody)
{
	struct both_ends c = new_channel(1);
	int item = 1;
	il_case cases[] = {il_case_receive(c.in, &item), il_case_send(c.out, &item)};
	const size_t rounds = il_test_virtual() ? 2000 : il_test_rounds(100000);
	size_t turns = 0;
	il_group g;

	CHECK_RC(il_group_open(&g), 0);
	CHECK_RC(il_group_start_soon(&g, NULL, count_turns, &turns), 0);
	for (size_t i = 0; i < rounds; i++)
		CHECK(il_select(cases, 2, IL_FOREVER) >= 0);
	CHECK(turns >= rounds / 4);
	CHECK_RC(il_scope_cancel(il_group_scope(&g)), 0);
	CHECK_RC(il_group_close(&g, -ECANCELED), 0);
	while (il_select(cases, 1, 0) == 0)
		;
	destroy_channel(&c);
}
