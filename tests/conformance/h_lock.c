/*
 * h_lock.c: locks and conditions: who waits first is served first, nobody comes between a release and the
 * next owner, who is cancelled has taken nothing, who waited for a condition has the lock again.
 */
#include "objects.h"
#include "waiter.h"
#include "waits.h"

#include <interloop/sync.h>

static int trace_word(void *arg)
{
	TRACE((const char *)arg);
	return 0;
}

static int acquire_and_hold(void *lock)
{
	return il_lock_acquire(lock);
}

static int acquire_and_release(void *lock)
{
	int rc = il_lock_acquire(lock);

	if (rc < 0)
		return rc;
	CHECK(il_lock_held(lock));
	CHECK_STR(il_lock_owner(lock), il_task_name());
	TRACE(il_task_name());
	CHECK_RC(il_lock_release(lock), 0);
	return 0;
}

static il_lock *held_lock(void)
{
	il_lock *lock = new_lock();

	CHECK_RC(il_lock_acquire(lock), 0);
	CHECK(il_lock_locked(lock) && il_lock_held(lock));
	return lock;
}

IL_TEST(H, n144_a_lock_is_handed_over_in_order_at_the_moment_of_release)
{
	struct waiter w[3] = {{.name = "one"}, {.name = "two"}, {.name = "three"}};
	il_lock *lock = held_lock();
	il_group g;

	CHECK_RC(il_task_set_name("main"), 0);
	CHECK_RC(il_group_open(&g), 0);
	for (int i = 0; i < 3; i++) {
		start_waiting(&g, &w[i], acquire_and_release, lock);
		CHECK_EQ(il_lock_get_statistics(lock).waiting, i + 1);
	}
	CHECK_STR(il_lock_owner(lock), "main");
	CHECK_RC(il_lock_release(lock), 0);
	CHECK_STR(il_lock_owner(lock), "one");
	CHECK(il_lock_locked(lock) && !il_lock_held(lock));
	CHECK_RC(il_lock_acquire_nowait(lock), -EAGAIN);
	CHECK_EQ(il_lock_get_statistics(lock).waiting, 2);
	CHECK_RC(acquire_and_release(lock), 0);
	CHECK_RC(il_group_close(&g, 0), 0);
	CHECK(strncmp(il_test_trace(), "one ", 4) == 0);
	for (int i = 0; i < 3; i++)
		check_waited(&w[i], 0);
	CHECK(!il_lock_locked(lock) && !il_lock_owner(lock));
	il_lock_destroy(lock);
}

struct turns {
	il_lock *lock;
	int held, total, last[4], number;
};

static int take_turns(void *arg)
{
	struct turns *t = arg;
	int me = t->number++;

	for (int i = 0; i < 20; i++) {
		CHECK_RC(il_lock_acquire(t->lock), 0);
		CHECK_EQ(t->held++, 0);
		CHECK_RC(il_yield(), 0);
		t->total++;
		t->held--;
		CHECK_RC(il_lock_release(t->lock), 0);
	}
	t->last[me] = t->total;
	return 0;
}

IL_TEST(H, n144_tasks_that_keep_asking_take_turns)
{
	struct turns t = {.held = 0};
	il_group g;

	CHECK_RC(il_lock_create(&t.lock), 0);
	CHECK_RC(il_group_open(&g), 0);
	for (int i = 0; i < 4; i++)
		CHECK_RC(il_group_start_soon(&g, NULL, take_turns, &t), 0);
	CHECK_RC(il_group_close(&g, 0), 0);
	CHECK_EQ(t.total, 80);
	for (int i = 0; i < 4; i++) /* the first to finish waited for the others' turns */
		CHECK(t.last[i] >= 60);
	il_lock_destroy(t.lock);
}

static int misuse_lock(void *arg)
{
	CHECK_RC(il_lock_acquire_nowait(arg), -EAGAIN);
	CHECK_RC(il_lock_release(arg), -EALREADY);
	CHECK(strstr(il_error_detail(), "il_lock_release") != NULL);
	return 0;
}

IL_TEST(H, n145_what_only_the_owner_or_only_others_may_do)
{
	il_lock *lock = held_lock();
	il_group g;

	CHECK_RC(il_lock_acquire(lock), -EALREADY);
	CHECK_RC(il_lock_acquire_nowait(lock), -EALREADY);
	CHECK_RC(il_group_open(&g), 0);
	CHECK_RC(il_group_start_soon(&g, NULL, misuse_lock, lock), 0);
	CHECK_RC(il_group_close(&g, 0), 0);
	CHECK(il_lock_held(lock));
	CHECK_RC(il_lock_release(lock), 0);
	CHECK_RC(il_lock_release(lock), -EALREADY);
	CHECK_RC(il_lock_acquire_nowait(lock), 0);
	CHECK(il_lock_held(lock));
	CHECK_RC(il_lock_release(lock), 0);
	il_lock_destroy(lock);
	CHECK_RC(il_lock_create_with(&lock, ~0u), -EINVAL);
	CHECK_RC(il_semaphore_create_with(NULL, 0, 1, 0), -EINVAL);
}

/* ---- 146: taking what is free ---- */

struct fast {
	il_lock *lock;
	il_semaphore *semaphore;
	il_limiter *limiter;
};

static void create_free(struct fast *f, unsigned flags)
{
	CHECK_RC(il_lock_create_with(&f->lock, flags), 0);
	CHECK_RC(il_semaphore_create_with(&f->semaphore, 1, 1, flags), 0);
	CHECK_RC(il_limiter_create(&f->limiter, 1), 0);
}

static void check_free(const struct fast *f)
{
	CHECK(!il_lock_locked(f->lock));
	CHECK_EQ(il_semaphore_value(f->semaphore), 1);
	CHECK_EQ(il_limiter_borrowed(f->limiter), 0);
}

static void destroy_free(struct fast *f)
{
	il_lock_destroy(f->lock);
	il_semaphore_destroy(f->semaphore);
	il_limiter_destroy(f->limiter);
}

static int take_lock(struct fast *f)
{
	return il_lock_acquire(f->lock);
}

static int take_semaphore(struct fast *f)
{
	return il_semaphore_acquire(f->semaphore);
}

static int take_limiter(struct fast *f)
{
	return il_limiter_acquire(f->limiter);
}

static void give_all_back(struct fast *f)
{
	if (il_lock_held(f->lock))
		CHECK_RC(il_lock_release(f->lock), 0);
	if (il_semaphore_value(f->semaphore) == 0)
		CHECK_RC(il_semaphore_release(f->semaphore), 0);
	if (il_limiter_borrowed(f->limiter))
		CHECK_RC(il_limiter_release(f->limiter), 0);
}

/* One of the three takes, with another task ready to run. */
static void take_beside_another(struct fast *f, int (*take)(struct fast *f))
{
	il_group g;

	CHECK_RC(il_group_open(&g), 0);
	CHECK_RC(il_group_start_soon(&g, NULL, trace_word, "other"), 0);
	CHECK_RC(take(f), 0);
	TRACE("taken");
	CHECK_RC(il_group_close(&g, 0), 0);
	give_all_back(f);
}

IL_TEST_FIFO(H, n146_taking_what_is_free_yields_once)
{
	struct fast f;

	create_free(&f, 0);
	take_beside_another(&f, take_lock);
	take_beside_another(&f, take_semaphore);
	take_beside_another(&f, take_limiter);
	CHECK_TRACE("other taken other taken other taken");
	destroy_free(&f);
}

IL_TEST_FIFO(H, n146_or_does_not_with_the_flag)
{
	struct fast f;

	create_free(&f, IL_FAST_ACQUIRE);
	take_beside_another(&f, take_lock);
	take_beside_another(&f, take_semaphore);
	CHECK_TRACE("taken other taken other");
	destroy_free(&f);
}

static int cancel_scope(void *arg)
{
	return il_scope_cancel(arg);
}

static void take_and_be_cancelled(struct fast *f, int (*take)(struct fast *f), bool before)
{
	il_scope s = IL_SCOPE_INIT;
	il_group g;

	CHECK_RC(il_group_open(&g), 0);
	CHECK_RC(il_scope_enter(&s, IL_FOREVER, 0), 0);
	if (before)
		CHECK_RC(il_scope_cancel(&s), 0);
	else
		CHECK_RC(il_group_start_soon(&g, NULL, cancel_scope, &s), 0);
	CHECK_RC(take(f), -ECANCELED);
	check_free(f);
	CHECK_RC(il_scope_exit(&s, -ECANCELED), 0);
	CHECK_RC(il_group_close(&g, 0), 0);
}

IL_TEST_FIFO(H, n146_a_cancellation_at_that_yield_leaves_it_free)
{
	struct fast f;

	create_free(&f, 0);
	take_and_be_cancelled(&f, take_lock, false);
	take_and_be_cancelled(&f, take_semaphore, false);
	take_and_be_cancelled(&f, take_limiter, false);
	destroy_free(&f);
}

IL_TEST(H, n146_in_a_cancelled_scope_nothing_is_taken)
{
	struct fast f;

	create_free(&f, IL_FAST_ACQUIRE);
	take_and_be_cancelled(&f, take_lock, true);
	take_and_be_cancelled(&f, take_semaphore, true);
	take_and_be_cancelled(&f, take_limiter, true);
	destroy_free(&f);
}

/* ---- 147, 149: cancelled acquirers ---- */

IL_TEST(H, n147_a_cancelled_acquirer_never_owns_the_lock)
{
	for (int release_first = 0; release_first < 2; release_first++) {
		struct waiter w = {.rc = 0};
		il_lock *lock = held_lock();
		il_group g;
		CHECK_RC(il_group_open(&g), 0);
		start_waiting(&g, &w, acquire_and_hold, lock);
		if (release_first)
			CHECK_RC(il_lock_release(lock), 0);
		CHECK_RC(il_scope_cancel(&w.scope), 0);
		if (!release_first) {
			CHECK_EQ(il_lock_get_statistics(lock).waiting, 0);
			CHECK_RC(il_lock_release(lock), 0);
		}
		CHECK_RC(il_group_close(&g, 0), 0);
		check_waited(&w, -ECANCELED);
		CHECK(!il_lock_locked(lock));
		il_lock_destroy(lock);
	}
}

IL_TEST(H, n149_the_next_one_gets_the_lock_of_a_cancelled_waiter)
{
	for (int release_first = 0; release_first < 2; release_first++) {
		struct waiter b = {.rc = 0}, c = {.name = "c"};
		il_lock *lock = held_lock();
		il_group g;
		CHECK_RC(il_group_open(&g), 0);
		start_waiting(&g, &b, acquire_and_hold, lock);
		start_waiting(&g, &c, acquire_and_release, lock);
		if (release_first)
			CHECK_RC(il_lock_release(lock), 0);
		CHECK_RC(il_scope_cancel(&b.scope), 0);
		if (!release_first)
			CHECK_RC(il_lock_release(lock), 0);
		CHECK_RC(il_group_close(&g, 0), 0);
		check_waited(&b, -ECANCELED);
		check_waited(&c, 0);
		CHECK(!il_lock_locked(lock));
		il_lock_destroy(lock);
	}
}

/* ---- 150: an owner that ends ---- */

struct owned {
	il_lock *lock;
	il_condition *condition;
	il_event *end;
};

static int end_as_owner(void *arg)
{
	struct owned *o = arg;

	CHECK_RC(il_lock_acquire(o->lock), 0);
	return il_event_wait(o->end);
}

IL_TEST(H, n150_a_lock_whose_owner_ended_is_broken_for_all)
{
	struct waiter w[2] = {{.rc = 0}, {.rc = 0}}, c = {.rc = 0};
	struct owned o;
	il_group g;

	CHECK_RC(il_lock_create(&o.lock), 0);
	CHECK_RC(il_condition_create(&o.condition, o.lock), 0);
	CHECK_RC(il_event_create(&o.end), 0);
	CHECK_RC(il_group_open(&g), 0);
	start_waiting(&g, &c, wait_condition, o.condition);
	UNTIL(il_condition_get_statistics(o.condition).waiting == 1);
	CHECK_RC(il_group_start_soon(&g, NULL, end_as_owner, &o), 0);
	UNTIL(il_lock_locked(o.lock));
	start_waiting(&g, &w[0], acquire_and_hold, o.lock);
	start_waiting(&g, &w[1], acquire_and_hold, o.lock);
	CHECK_RC(il_event_set(o.end), 0);
	CHECK_RC(il_group_close(&g, 0), 0);
	check_waited(&w[0], -EOWNERDEAD);
	check_waited(&w[1], -EOWNERDEAD);
	check_waited(&c, -EOWNERDEAD); /* nobody could ever notify it */
	CHECK_RC(il_lock_acquire(o.lock), -EOWNERDEAD);
	CHECK_RC(il_lock_acquire_nowait(o.lock), -EOWNERDEAD);
	CHECK_RC(il_condition_acquire(o.condition), -EOWNERDEAD);
	CHECK(!il_lock_locked(o.lock) && il_lock_get_statistics(o.lock).broken);
	il_condition_destroy(o.condition);
	il_lock_destroy(o.lock);
	il_event_destroy(o.end);
}

/* ---- conditions ---- */

IL_TEST(H, n151_a_condition_needs_its_lock)
{
	il_condition *c = new_condition();

	CHECK_RC(il_condition_wait(c), -EALREADY);
	CHECK_RC(il_condition_wait_for(c, trace_word, "never"), -EALREADY);
	CHECK_RC(il_condition_notify(c, 1), -EALREADY);
	CHECK_RC(il_condition_notify_all(c), -EALREADY);
	CHECK_RC(il_condition_release(c), -EALREADY);
	CHECK_RC(il_condition_acquire(c), 0);
	CHECK_RC(il_condition_acquire_nowait(c), -EALREADY);
	CHECK(il_lock_held(il_condition_lock(c)));
	CHECK_RC(il_condition_notify_all(c), 0);
	CHECK_RC(il_condition_release(c), 0);
	CHECK_TRACE("");
	il_condition_destroy(c);
}

struct predicate {
	il_condition *c;
	int value, asked;
};

static int ask(void *arg)
{
	struct predicate *p = arg;

	CHECK(il_lock_held(il_condition_lock(p->c)));
	p->asked++;
	return p->value;
}

static int wait_for_value(void *arg)
{
	struct predicate *p = arg;
	int rc;

	CHECK_RC(il_condition_acquire(p->c), 0);
	rc = il_condition_wait_for(p->c, ask, p);
	CHECK(il_lock_held(il_condition_lock(p->c)));
	CHECK_RC(il_condition_release(p->c), 0);
	return rc;
}

static void notify(il_condition *c, size_t n)
{
	CHECK_RC(il_condition_acquire(c), 0);
	CHECK_RC(il_condition_notify(c, n), 0);
	CHECK_RC(il_condition_release(c), 0);
}

static int fail_alone(void *arg)
{
	(void)arg;
	return -EIO;
}

IL_TEST(H, n151_a_predicates_failure_has_no_words_of_another)
{
	il_condition *c = new_condition();

	CHECK_RC(il_condition_acquire(c), 0);
	CHECK_RC(il_sleep(-7), -EINVAL);
	CHECK_RC(il_condition_wait_for(c, fail_alone, NULL), -EIO);
	CHECK_STR(il_error_detail(), "");
	CHECK_RC(il_condition_release(c), 0);
	il_condition_destroy(c);
}

IL_TEST(H, n151_wait_for_sleeps_until_its_predicate_holds)
{
	const int values[] = {3, -EIO};

	for (size_t i = 0; i < 2; i++) {
		struct predicate p = {.value = 0};
		struct waiter w = {.rc = 0};
		il_group g;
		CHECK_RC(il_condition_create(&p.c, NULL), 0);
		CHECK_RC(il_group_open(&g), 0);
		start_waiting(&g, &w, wait_for_value, &p);
		UNTIL(il_condition_get_statistics(p.c).waiting == 1);
		CHECK_EQ(p.asked, 1);
		notify(p.c, 1);
		UNTIL(p.asked == 2 && il_condition_get_statistics(p.c).waiting == 1);
		CHECK(!w.returned);
		p.value = values[i];
		notify(p.c, 5);
		CHECK_RC(il_group_close(&g, 0), 0);
		check_waited(&w, values[i]);
		CHECK_EQ(p.asked, 3);
		CHECK_RC(wait_for_value(&p), values[i]);
		il_condition_destroy(p.c);
	}
}

static int wait_notified(void *arg)
{
	il_condition *c = arg;
	int rc;

	CHECK_RC(il_condition_acquire(c), 0);
	rc = il_condition_wait(c);
	CHECK(il_lock_held(il_condition_lock(c)));
	CHECK_RC(il_condition_release(c), 0);
	return rc;
}

IL_TEST(H, n151_notify_wakes_so_many_in_order)
{
	struct waiter w[4] = {{.name = "a"}, {.name = "b"}, {.name = "c"}, {.name = "d"}};
	il_condition *c = new_condition();
	il_group g;

	CHECK_RC(il_group_open(&g), 0);
	for (size_t i = 0; i < 4; i++) {
		start_waiting(&g, &w[i], wait_notified, c);
		UNTIL(il_condition_get_statistics(c).waiting == i + 1);
	}
	CHECK_RC(il_condition_acquire(c), 0);
	CHECK_RC(il_condition_notify(c, 2), 0);
	CHECK_EQ(il_condition_get_statistics(c).waiting, 2);
	CHECK_EQ(il_condition_get_statistics(c).lock.waiting, 2);
	CHECK_RC(il_condition_release(c), 0);
	UNTIL(w[0].returned && w[1].returned);
	CHECK_RC(il_sleep(IL_MSEC(1)), 0);
	CHECK(!w[2].returned && !w[3].returned);
	CHECK_RC(il_condition_acquire(c), 0);
	CHECK_RC(il_condition_notify_all(c), 0);
	CHECK_RC(il_condition_release(c), 0);
	CHECK_RC(il_group_close(&g, 0), 0);
	for (int i = 0; i < 4; i++)
		check_waited(&w[i], 0);
	il_condition_destroy(c);
}

IL_TEST(H, n152_a_cancelled_wait_returns_with_the_lock_when_it_can_have_it)
{
	struct waiter w = {.rc = 0};
	il_condition *c = new_condition();
	il_group g;

	CHECK_RC(il_group_open(&g), 0);
	start_waiting(&g, &w, wait_notified, c);
	UNTIL(il_condition_get_statistics(c).waiting == 1);
	CHECK_RC(il_condition_acquire(c), 0);
	CHECK_RC(il_scope_cancel(&w.scope), 0);
	CHECK_RC(il_sleep(IL_MSEC(1)), 0);
	CHECK(!w.returned); /* contested: it waits for the lock, shielded */
	CHECK_RC(il_condition_notify_all(c), 0);
	CHECK_RC(il_condition_release(c), 0);
	CHECK_RC(il_group_close(&g, 0), 0);
	check_waited(&w, -ECANCELED);
	CHECK(!il_lock_locked(il_condition_lock(c)));
	il_condition_destroy(c);
}

static int wait_holding(void *arg)
{
	return il_condition_wait(arg);
}

IL_TEST(H, n152_a_wait_that_times_out_has_the_lock_again)
{
	il_condition *c = new_condition();

	CHECK_RC(il_condition_acquire(c), 0);
	CHECK_RC(il_fail_after(IL_MSEC(1), wait_holding, c), -ETIMEDOUT);
	CHECK(il_lock_held(il_condition_lock(c)));
	CHECK_RC(il_condition_release(c), 0);
	il_condition_destroy(c);
}

IL_TEST(H, n152_cancelled_after_it_was_notified_it_was_notified)
{
	struct waiter w = {.rc = 0};
	il_condition *c = new_condition();
	il_group g;

	CHECK_RC(il_group_open(&g), 0);
	start_waiting(&g, &w, wait_notified, c);
	UNTIL(il_condition_get_statistics(c).waiting == 1);
	CHECK_RC(il_condition_acquire(c), 0);
	CHECK_RC(il_condition_notify(c, 1), 0);
	CHECK_RC(il_scope_cancel(&w.scope), 0);
	CHECK_RC(il_condition_release(c), 0);
	CHECK_RC(il_group_close(&g, 0), 0);
	check_waited(&w, 0);
	il_condition_destroy(c);
}

IL_TEST(H, n152_a_notification_after_the_cancellation_is_for_the_next)
{
	struct waiter a = {.rc = 0}, b = {.rc = 0};
	il_condition *c = new_condition();
	il_group g;

	CHECK_RC(il_group_open(&g), 0);
	start_waiting(&g, &a, wait_notified, c);
	UNTIL(il_condition_get_statistics(c).waiting == 1);
	start_waiting(&g, &b, wait_notified, c);
	UNTIL(il_condition_get_statistics(c).waiting == 2);
	CHECK_RC(il_condition_acquire(c), 0);
	CHECK_RC(il_scope_cancel(&a.scope), 0);
	CHECK_RC(il_condition_notify(c, 1), 0);
	CHECK_RC(il_condition_release(c), 0);
	CHECK_RC(il_group_close(&g, 0), 0);
	check_waited(&a, -ECANCELED);
	check_waited(&b, 0);
	il_condition_destroy(c);
}
