/*
 * f_portal.c: calls through a portal into a running loop: who may wait, whose the result is, what a
 * cancellation does. il_portal_start_task and contexts are in f_portal_start.c, how portals end in
 * f_portal_ends.c, what they promise about each call in f_portal_queue.c.
 */
#include "aside.h"
#include "objects.h"
#include "waits.h"

static int give(void *arg)
{
	return *(int *)arg;
}

static int note_run(void *arg)
{
	atomic_fetch_add((atomic_int *)arg, 1);
	return 1;
}

static int set_event(void *arg)
{
	return il_event_set(arg);
}

/* A call of the loop's thread, or a task, that keeps the whole loop busy until it is let go. */
struct busy {
	atomic_bool begun, go;
};

static int be_busy(void *arg)
{
	struct busy *b = arg;

	atomic_store(&b->begun, true);
	UNTIL_THREAD(atomic_load(&b->go));
	return 3;
}

/* From a thread: returns when the loop is in be_busy. */
static void keep_busy(il_portal *p, struct busy *b)
{
	atomic_init(&b->begun, false);
	atomic_init(&b->go, false);
	CHECK_RC(il_portal_run_sync_soon(p, NULL, be_busy, b), 0);
	UNTIL(atomic_load(&b->begun));
}

/* A task that sleeps until it is cancelled, and then cleans up until it is let go. */
struct sleeper {
	atomic_bool begun, cancelled, ended;
	il_event *go; /* NULL: ends at once */
};

static int sleep_then_clean_up(void *arg)
{
	struct sleeper *s = arg;

	atomic_store(&s->begun, true);
	if (il_sleep_forever() == -ECANCELED)
		atomic_store(&s->cancelled, true);
	if (s->go)
		CHECK_RC(shielded_wait(s->go), 0);
	atomic_store(&s->ended, true);
	return 9;
}

/* ---- 110: where a call may wait ---- */

static void check_deadlock(il_portal *p)
{
	int five = 5, value = 6;
	il_portal_context *c = NULL;
	il_future *f = NULL;

	CHECK_RC(il_portal_run_coroutine(p, give, &five), -EDEADLK);
	CHECK(strstr(il_error_detail(), "il_portal_run_coroutine") != NULL);
	CHECK_RC(il_portal_run_sync(p, give, &five), -EDEADLK);
	CHECK(strstr(il_error_detail(), "il_portal_run_sync") != NULL);
	CHECK_RC(il_portal_start_task(p, &f, &value, give, &five), -EDEADLK);
	CHECK_RC(il_portal_enter(p, &c, give, &five), -EDEADLK);
	CHECK(!f && !c && value == 6);
}

static int wait_for_oneself(void *arg)
{
	check_deadlock(arg);
	return 8;
}

static int in_a_callback(il_future *f, void *arg)
{
	(void)f;
	check_deadlock(arg);
	return 0;
}

static int plain_call_that_waits(void *arg)
{
	il_portal *p = arg;

	return il_portal_run_sync(p, wait_for_oneself, p);
}

IL_TEST(F, n110_a_waiting_call_from_the_own_loop_is_refused_at_once)
{
	il_portal *p = il_test_portal();
	il_future *f = new_future();

	check_deadlock(p);
	CHECK_RC(il_test_aside(plain_call_that_waits, p), 8);
	CHECK_RC(il_future_set_result(f, 0), 0);
	CHECK_RC(il_future_on_done(f, in_a_callback, p), 0);
	il_future_unref(f);
	CHECK_RC(il_portal_close(p), 0);
}

/* There is nothing left to wait for: closed is closed, wherever it is asked. */
IL_TEST(F, n110_once_it_is_stopped_it_says_so_in_the_own_loop_too)
{
	il_portal *p = il_test_portal();
	int five = 5, value = 6;
	il_portal_context *c = NULL;
	il_future *f = NULL;

	CHECK_RC(il_portal_stop(p, false), 0);
	CHECK_RC(il_portal_run_coroutine(p, give, &five), -ESHUTDOWN);
	CHECK_RC(il_portal_run_sync(p, give, &five), -ESHUTDOWN);
	CHECK_RC(il_portal_start_task(p, &f, &value, give, &five), -ESHUTDOWN);
	CHECK_RC(il_portal_enter(p, &c, give, &five), -ESHUTDOWN);
	CHECK(!f && !c && value == 6);
	CHECK_RC(il_portal_close(p), 0);
}

/* The loop that this thread will run, but does not run yet: the wait would never end either. */
IL_TEST_OWN(F, n110_so_is_one_from_the_thread_that_will_run_the_loop)
{
	il_loop *loop = NULL;
	il_portal *p = NULL;

	CHECK_RC(il_loop_open(&loop, il_test_backend(), NULL), 0);
	CHECK_RC(il_loop_create_threads_portal(loop, &p), 0);
	check_deadlock(p);
	CHECK_RC(il_portal_close(p), 0);
	il_loop_destroy(loop);
}

struct other_loop {
	il_portal *p;
	il_loop *home;
	atomic_int ticks;
	atomic_bool through;
};

static int tick(void *arg)
{
	struct other_loop *o = arg;

	while (!atomic_load(&o->through)) {
		CHECK_RC(il_sleep(IL_MSEC(1)), 0);
		atomic_fetch_add(&o->ticks, 1);
	}
	return 0;
}

/* In the home loop: ends only if the other loop goes on meanwhile. */
static int wait_for_ticks(void *arg)
{
	struct other_loop *o = arg;
	int before = atomic_load(&o->ticks);

	CHECK(il_loop_current() == o->home);
	UNTIL_THREAD(atomic_load(&o->ticks) > before + 1);
	return 7;
}

static int start_and_wait_for_ticks(void *arg)
{
	CHECK_RC(il_task_started(4), 0);
	return wait_for_ticks(arg);
}

static int hold_for_ticks(void *arg)
{
	CHECK_RC(il_portal_hold(5), -EIO);
	return wait_for_ticks(arg);
}

static int call_from_a_task(void *arg)
{
	struct other_loop *o = arg;
	il_loop *here = il_loop_current();
	il_portal_context *c = NULL;
	il_future *f = NULL;
	int value = 0;
	il_group g;

	CHECK(here != o->home);
	CHECK_RC(il_group_open(&g), 0);
	CHECK_RC(il_group_start_soon(&g, NULL, tick, o), 0);
	CHECK_RC(il_portal_run_coroutine(o->p, wait_for_ticks, o), 7);
	CHECK_RC(il_portal_run_sync(o->p, wait_for_ticks, o), 7);
	CHECK_RC(il_portal_start_task(o->p, &f, &value, start_and_wait_for_ticks, o), 0);
	CHECK_EQ(value, 4);
	CHECK_RC(il_future_join(f), 7);
	CHECK_RC(il_portal_enter(o->p, &c, hold_for_ticks, o), 5);
	CHECK_RC(il_portal_exit(c, -EIO), 7);
	CHECK(il_loop_current() == here);
	atomic_store(&o->through, true);
	return il_group_close(&g, 0);
}

static int run_other_loop(void *arg)
{
	return il_run(il_test_backend(), call_from_a_task, arg);
}

IL_TEST(F, n110_a_task_of_another_loop_waits_and_its_loop_goes_on)
{
	struct other_loop o = {.p = il_test_portal(), .home = il_loop_current()};

	CHECK_RC(il_test_aside(run_other_loop, &o), 0);
	CHECK_RC(il_portal_close(o.p), 0);
}

static int refused_in_a_callback(il_future *f, void *arg)
{
	int five = 5;

	(void)f;
	CHECK_RC(il_portal_run_sync(arg, give, &five), -EPERM);
	CHECK_RC(il_portal_run_coroutine(arg, give, &five), -EPERM);
	CHECK_RC(il_portal_start_task(arg, NULL, NULL, give, &five), -EPERM);
	return 0;
}

static int wait_in_a_callback(void *arg)
{
	il_future *f = new_future();

	CHECK_RC(il_future_set_result(f, 0), 0);
	CHECK_RC(il_future_on_done(f, refused_in_a_callback, arg), 0);
	il_future_unref(f);
	return 0;
}

static int wait_in_a_callback_of_another_loop(void *arg)
{
	return il_run(il_test_backend(), wait_in_a_callback, arg);
}

IL_TEST(F, n110_a_callback_may_not_wait_anywhere)
{
	il_portal *p = il_test_portal();

	CHECK_RC(il_test_aside(wait_in_a_callback, p), 0);
	CHECK_RC(il_test_aside(wait_in_a_callback_of_another_loop, p), 0);
	CHECK_RC(il_portal_close(p), 0);
}

static int check_plain_call(void *arg)
{
	CHECK(il_loop_current() == arg);
	CHECK(il_task_name() == NULL);
	CHECK_RC(il_sleep(0), -EPERM);
	CHECK_RC(il_yield(), -EPERM);
	return 2;
}

static int call_check_plain_call(void *arg)
{
	il_portal *p = ((void **)arg)[0];
	il_future *f = NULL;

	CHECK_RC(il_portal_run_sync(p, check_plain_call, ((void **)arg)[1]), 2);
	CHECK_RC(il_portal_run_sync_soon(p, &f, check_plain_call, ((void **)arg)[1]), 0);
	return il_future_join(f);
}

IL_TEST(F, a_plain_call_runs_in_the_loops_thread_and_may_not_wait)
{
	il_portal *p = il_test_portal();
	void *arg[2] = {p, il_loop_current()};

	CHECK_RC(il_test_aside(call_check_plain_call, arg), 2);
	CHECK_RC(il_portal_close(p), 0);
}

IL_TEST(F, a_missing_argument_is_refused)
{
	il_portal *p = il_test_portal();
	il_portal_context *c = NULL;

	CHECK_RC(il_portal_run_coroutine(NULL, give, NULL), -EINVAL);
	CHECK_RC(il_portal_run_sync(p, NULL, NULL), -EINVAL);
	CHECK_RC(il_portal_run_coroutine_soon(NULL, NULL, give, NULL), -EINVAL);
	CHECK_RC(il_portal_run_sync_soon(p, NULL, NULL, NULL), -EINVAL);
	CHECK_RC(il_portal_start_task(NULL, NULL, NULL, give, NULL), -EINVAL);
	CHECK_RC(il_portal_enter(p, NULL, give, NULL), -EINVAL);
	CHECK_RC(il_portal_enter(NULL, &c, give, NULL), -EINVAL);
	CHECK_RC(il_portal_exit(NULL, 0), -EINVAL);
	CHECK_RC(il_portal_stop(NULL, false), -EINVAL);
	CHECK_RC(il_portal_close(NULL), -EINVAL);
	CHECK_RC(il_portal_sleep_until_stopped(NULL), -EINVAL);
	CHECK_RC(il_loop_create_threads_portal(il_loop_current(), NULL), -EINVAL);
	CHECK(il_portal_ref(NULL) == NULL);
	il_portal_unref(NULL);
	CHECK_RC(il_portal_close(p), 0);
}

static int create_elsewhere(void *arg)
{
	il_portal *p = NULL;

	CHECK_RC(il_loop_create_threads_portal(arg, &p), -EPERM);
	CHECK(p == NULL);
	return 0;
}

IL_TEST(F, another_thread_may_not_create_a_portal)
{
	CHECK_RC(il_test_aside(create_elsewhere, il_loop_current()), 0);
}

/* ---- 111, 112: results ---- */

static const int codes[] = {-EIO, -ENOMEM, -EPERM, -ETIMEDOUT, -ESHUTDOWN, -EPROTO, -4095, 0, 77};

static int get_every_code(void *arg)
{
	il_portal *p = arg;

	for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
		int code = codes[i];
		il_future *f = NULL;
		CHECK_RC(il_portal_run_coroutine(p, give, &code), code);
		CHECK_RC(il_portal_run_sync(p, give, &code), code);
		CHECK_RC(il_portal_run_coroutine_soon(p, &f, give, &code), 0);
		CHECK_RC(il_future_join(f), code);
		CHECK_RC(il_portal_run_sync_soon(p, &f, give, &code), 0);
		CHECK_RC(il_future_join(f), code);
	}
	return 0;
}

IL_TEST(F, n111_a_failure_reaches_its_caller_and_nobody_else)
{
	struct sleeper sibling = {.begun = false};
	il_portal *p = il_test_portal();
	il_future *f = NULL;

	CHECK_RC(il_portal_run_coroutine_soon(p, &f, sleep_then_clean_up, &sibling), 0);
	CHECK_RC(il_test_aside(get_every_code, p), 0);
	CHECK(atomic_load(&sibling.begun) && !atomic_load(&sibling.cancelled));
	CHECK_LOGGED(IL_LOG_ERROR, "", 0);
	CHECK_LOGGED(IL_LOG_WARNING, "", 0);
	CHECK(il_future_cancel(f));
	CHECK_RC(il_portal_close(p), 0);
	CHECK_RC(il_future_join(f), -ECANCELED);
}

struct oneself {
	il_portal *p;
	il_future *f;
};

static int cancel_oneself(void *arg)
{
	struct oneself *o = arg;

	CHECK(il_future_cancel(o->f));
	CHECK_RC(il_sleep(0), -ECANCELED);
	CHECK_RC(il_sleep_forever(), -ECANCELED);
	return -ECANCELED;
}

static int give_cancelled(void *arg)
{
	(void)arg;
	return -ECANCELED;
}

static int end_cancelled(void *arg)
{
	struct oneself *o = arg;
	il_future *f = NULL;
	int five = 5;

	CHECK_RC(il_portal_run_coroutine(o->p, give_cancelled, NULL), -ECANCELED);
	CHECK_RC(il_portal_run_sync(o->p, give_cancelled, NULL), -ECANCELED);
	CHECK_RC(il_portal_run_coroutine_soon(o->p, &f, give_cancelled, NULL), 0);
	CHECK_RC(il_future_join(f), -ECANCELED);
	CHECK_RC(il_portal_run_coroutine_soon(o->p, NULL, give_cancelled, NULL), 0);
	CHECK_RC(il_future_wait(o->f, IL_FOREVER), 0);
	CHECK_RC(il_future_result(o->f, 0), -ECANCELED);
	CHECK(il_future_cancelled(o->f));
	return il_portal_run_coroutine(o->p, give, &five);
}

IL_TEST(F, n112_a_task_that_ends_cancelled_harms_nobody)
{
	struct oneself o = {.p = il_test_portal()};

	CHECK_RC(il_portal_run_coroutine_soon(o.p, &o.f, cancel_oneself, &o), 0);
	CHECK_RC(il_test_aside(end_cancelled, &o), 5);
	CHECK_RC(il_portal_close(o.p), 0);
	il_future_unref(o.f);
	CHECK_LOGGED(IL_LOG_ERROR, "", 0);
	CHECK_LOGGED(IL_LOG_WARNING, "", 0);
}

/* ---- 114: tasks and calls ---- */

struct dialogue {
	il_portal *p;
	il_event *a, *b;
};

static int answer_a_with_b(void *arg)
{
	struct dialogue *d = arg;

	CHECK_RC(il_event_wait(d->a), 0);
	CHECK_RC(il_event_set(d->b), 0);
	return 42;
}

static int lead_dialogue(void *arg)
{
	struct dialogue *d = arg;
	il_future *f = NULL;

	CHECK_RC(il_portal_run_coroutine_soon(d->p, &f, answer_a_with_b, d), 0);
	CHECK_RC(il_portal_run_sync(d->p, set_event, d->a), 0);
	CHECK_RC(il_portal_run_coroutine(d->p, wait_event, d->b), 0);
	return il_future_join(f);
}

IL_TEST(F, n114_a_task_started_soon_interleaves_with_later_calls)
{
	struct dialogue d = {.p = il_test_portal(), .a = new_event(), .b = new_event()};

	CHECK_RC(il_test_aside(lead_dialogue, &d), 42);
	CHECK_RC(il_portal_close(d.p), 0);
	il_event_destroy(d.a);
	il_event_destroy(d.b);
}

enum { MANY = 200 };

struct order {
	il_portal *p;
	int next;
	struct posted {
		struct order *order;
		int number;
	} posted[MANY];
};

static int check_turn(void *arg)
{
	struct posted *p = arg;

	CHECK_EQ(p->number, p->order->next);
	p->order->next++;
	return 0;
}

static int post_in_order(void *arg)
{
	struct order *o = arg;

	for (int i = 0; i < MANY; i++) {
		o->posted[i] = (struct posted){o, i};
		CHECK_RC(il_portal_run_sync_soon(o->p, NULL, check_turn, &o->posted[i]), 0);
	}
	return 0;
}

IL_TEST(F, plain_calls_run_in_the_order_of_posting)
{
	struct order o = {.p = il_test_portal()};

	CHECK_RC(il_test_aside(post_in_order, &o), 0);
	CHECK_RC(il_portal_close(o.p), 0);
	CHECK_EQ(o.next, MANY);
}

/* ---- 115-119: cancelling a call ---- */

struct cancelling {
	il_portal *p;
	struct sleeper sleeper;
};

static int wait_done_and_ended(void *arg)
{
	struct oneself *o = arg;

	return il_future_wait(o->f, IL_FOREVER);
}

static int cancel_a_running_task(void *arg)
{
	struct cancelling *c = arg;
	struct oneself waiter = {.p = c->p};
	struct il_test_thread thread;

	CHECK_RC(il_portal_run_coroutine_soon(c->p, &waiter.f, sleep_then_clean_up, &c->sleeper),
		 0);
	UNTIL(atomic_load(&c->sleeper.begun));
	CHECK(il_future_running(waiter.f));
	il_test_thread_start(&thread, wait_done_and_ended, &waiter);
	CHECK(il_future_cancel(waiter.f));
	CHECK(il_future_cancelled(waiter.f));
	UNTIL(atomic_load(&c->sleeper.cancelled));
	CHECK(!il_future_done(waiter.f) && !atomic_load(&thread.ended));
	CHECK_RC(il_future_wait(waiter.f, 0), -ETIMEDOUT);
	CHECK(il_future_cancel(waiter.f));
	CHECK_RC(il_portal_run_sync(c->p, set_event, c->sleeper.go), 0);
	CHECK_RC(il_future_wait(waiter.f, IL_FOREVER), 0);
	CHECK(atomic_load(&c->sleeper.ended));
	CHECK_RC(il_test_thread_join(&thread), 0);
	CHECK(il_future_cancel(waiter.f));
	return il_future_join(waiter.f);
}

IL_TEST(F, n115_cancelling_a_running_task_fixes_the_outcome_and_waiters_wait_for_its_end)
{
	struct cancelling c = {.p = il_test_portal(), .sleeper = {.go = new_event()}};

	CHECK_RC(il_test_aside(cancel_a_running_task, &c), -ECANCELED);
	CHECK_RC(il_portal_close(c.p), 0);
	il_event_destroy(c.sleeper.go);
}

struct unbegun {
	il_portal *p;
	struct busy busy;
	il_future *f;
	atomic_int ran;
};

static int cancel_before_it_began(void *arg)
{
	struct unbegun *u = arg;
	il_future *task = NULL, *plain = NULL;

	keep_busy(u->p, &u->busy);
	CHECK_RC(il_portal_run_coroutine_soon(u->p, &task, note_run, &u->ran), 0);
	CHECK_RC(il_portal_run_sync_soon(u->p, &plain, note_run, &u->ran), 0);
	CHECK(!il_future_running(task) && !il_future_running(plain));
	CHECK(il_future_cancel(task) && il_future_cancel(plain));
	CHECK(il_future_done(task) && il_future_cancelled(task));
	CHECK(il_future_done(plain) && il_future_cancelled(plain));
	CHECK_RC(il_future_result(task, 0), -ECANCELED);
	CHECK_RC(il_future_result(plain, 0), -ECANCELED);
	atomic_store(&u->busy.go, true);
	il_future_unref(task);
	il_future_unref(plain);
	return 0;
}

IL_TEST(F, n116_117_a_call_cancelled_before_it_began_never_begins)
{
	struct unbegun u = {.p = il_test_portal()};

	CHECK_RC(il_test_aside(cancel_before_it_began, &u), 0);
	CHECK_RC(il_portal_close(u.p), 0);
	CHECK_EQ(atomic_load(&u.ran), 0);
}

static int cancel_future(void *arg)
{
	struct unbegun *u = arg;

	CHECK(!il_future_running(u->f));
	CHECK(il_future_cancel(u->f));
	CHECK(il_future_done(u->f));
	return 0;
}

static int cancel_in_the_same_turn(void *arg)
{
	struct unbegun *u = arg;
	il_future *cancelled = NULL;

	keep_busy(u->p, &u->busy);
	CHECK_RC(il_portal_run_coroutine_soon(u->p, &u->f, note_run, &u->ran), 0);
	CHECK_RC(il_portal_run_sync_soon(u->p, &cancelled, cancel_future, u), 0);
	atomic_store(&u->busy.go, true);
	CHECK_RC(il_future_join(cancelled), 0);
	return il_future_join(u->f);
}

/* The call has reached the loop, and its task waits for its first turn. */
IL_TEST(F, n116_nor_does_one_that_is_ready_to_run)
{
	struct unbegun u = {.p = il_test_portal()};

	CHECK_RC(il_test_aside(cancel_in_the_same_turn, &u), -ECANCELED);
	CHECK_RC(il_portal_close(u.p), 0);
	CHECK_EQ(atomic_load(&u.ran), 0);
}

static int cancel_a_running_plain_call(void *arg)
{
	il_portal *p = arg;
	struct busy b = {.begun = false};
	struct oneself waiter = {.p = p};
	struct il_test_thread thread;

	CHECK_RC(il_portal_run_sync_soon(p, &waiter.f, be_busy, &b), 0);
	UNTIL(atomic_load(&b.begun));
	il_test_thread_start(&thread, wait_done_and_ended, &waiter);
	CHECK(il_future_running(waiter.f));
	CHECK(il_future_cancel(waiter.f));
	CHECK(il_future_cancelled(waiter.f) && !il_future_done(waiter.f));
	CHECK_RC(il_future_wait(waiter.f, 0), -ETIMEDOUT);
	CHECK(!atomic_load(&thread.ended));
	atomic_store(&b.go, true);
	CHECK_RC(il_future_wait(waiter.f, IL_FOREVER), 0);
	CHECK_RC(il_test_thread_join(&thread), 0);
	return il_future_join(waiter.f);
}

IL_TEST(F, n117_a_plain_call_cancelled_while_it_runs_loses_its_result)
{
	il_portal *p = il_test_portal();

	CHECK_RC(il_test_aside(cancel_a_running_plain_call, p), -ECANCELED);
	CHECK_RC(il_portal_close(p), 0);
}

enum { BATCH = 50 };

static int give_one(void *arg)
{
	(void)arg;
	return 1;
}

static int race_to_cancel(void *arg)
{
	il_portal *p = arg;
	size_t rounds = il_test_rounds(il_test_virtual() ? 10 : 2000);

	for (size_t round = 0; round < rounds; round++) {
		il_future *fs[BATCH];
		atomic_int ran[BATCH];
		for (size_t i = 0; i < BATCH; i++) {
			atomic_init(&ran[i], 0);
			CHECK_RC((i % 2 ? il_portal_run_sync_soon : il_portal_run_coroutine_soon)(
				     p, &fs[i], note_run, &ran[i]),
				 0);
		}
		for (size_t i = 0; i < BATCH; i++) {
			size_t k = round % 2 ? i : BATCH - 1 - i;
			bool won = il_future_cancel(fs[k]);
			CHECK_RC(il_future_wait(fs[k], IL_FOREVER), 0);
			CHECK_EQ(il_future_cancelled(fs[k]), won);
			CHECK_RC(il_future_result(fs[k], 0), won ? -ECANCELED : 1);
			CHECK(atomic_load(&ran[k]) == 1 || (won && atomic_load(&ran[k]) == 0));
			il_future_unref(fs[k]);
		}
		if (round % 10 == 0) /* else those that are cancelled fill the queue */
			CHECK_RC(il_portal_run_sync(p, give_one, NULL), 1);
	}
	return 0;
}

IL_TEST(F, n119_cancelling_and_completing_have_one_winner)
{
	il_portal *p = il_test_portal();

	CHECK_RC(il_test_aside(race_to_cancel, p), 0);
	CHECK_RC(il_portal_close(p), 0);
}

/* ---- a waiting call from a task of another loop is cancelled ---- */

struct foreign {
	il_portal *p;
	struct sleeper sleeper;
	struct busy busy;
	atomic_int ran;
	il_scope scope;
	int rc;
	enum { TASK, PLAIN, START, ENTER, TASK_UNBEGUN, PLAIN_UNBEGUN } how;
};

static int call_in_scope(void *arg)
{
	struct foreign *f = arg;
	il_portal_context *c = NULL;

	CHECK_RC(il_scope_enter(&f->scope, IL_FOREVER, 0), 0);
	switch (f->how) {
	case TASK:
		f->rc = il_portal_run_coroutine(f->p, sleep_then_clean_up, &f->sleeper);
		break;
	case PLAIN:
		f->rc = il_portal_run_sync(f->p, be_busy, &f->busy);
		break;
	case START:
		f->rc = il_portal_start_task(f->p, NULL, NULL, sleep_then_clean_up, &f->sleeper);
		break;
	case ENTER:
		f->rc = il_portal_enter(f->p, &c, sleep_then_clean_up, &f->sleeper);
		break;
	case TASK_UNBEGUN:
		f->rc = il_portal_run_coroutine(f->p, note_run, &f->ran);
		break;
	case PLAIN_UNBEGUN:
		f->rc = il_portal_run_sync(f->p, note_run, &f->ran);
		break;
	}
	if (f->how == PLAIN)
		CHECK(atomic_load(&f->busy.go));
	else if (f->how < TASK_UNBEGUN)
		CHECK(atomic_load(&f->sleeper.ended));
	CHECK_RC(il_yield(), -ECANCELED);
	return il_scope_exit(&f->scope, -ECANCELED);
}

/* In the other loop: cancels the call in the middle, and makes sure that it waits for the end. */
static int cancel_the_call(void *arg)
{
	struct foreign *f = arg;
	il_group g;

	if (f->how >= TASK_UNBEGUN)
		keep_busy(f->p, &f->busy);
	CHECK_RC(il_group_open(&g), 0);
	CHECK_RC(il_group_start_soon(&g, NULL, call_in_scope, f), 0);
	if (f->how == PLAIN)
		UNTIL_THREAD(atomic_load(&f->busy.begun));
	else if (f->how < TASK_UNBEGUN)
		UNTIL_THREAD(atomic_load(&f->sleeper.begun));
	else
		CHECK_RC(il_sleep(IL_MSEC(1)), 0);
	CHECK_RC(il_scope_cancel(&f->scope), 0);
	if (f->how < TASK_UNBEGUN && f->how != PLAIN)
		UNTIL_THREAD(atomic_load(&f->sleeper.cancelled));
	CHECK_RC(il_sleep(IL_MSEC(1)), 0);
	CHECK_EQ(il_scope_caught(&f->scope), f->how >= TASK_UNBEGUN);
	atomic_store(&f->busy.go, true);
	if (f->sleeper.go)
		CHECK_RC(il_portal_run_sync_soon(f->p, NULL, set_event, f->sleeper.go), 0);
	CHECK_RC(il_group_close(&g, 0), 0);
	CHECK(il_scope_caught(&f->scope));
	return f->rc;
}

static int run_cancel_the_call(void *arg)
{
	return il_run(il_test_backend(), cancel_the_call, arg);
}

IL_TEST(F, a_cancelled_call_from_another_loop_cancels_its_function_and_waits_for_its_end)
{
	for (int how = TASK; how <= PLAIN_UNBEGUN; how++) {
		struct foreign f = {
		    .p = il_test_portal(), .scope = IL_SCOPE_INIT, .how = (unsigned)how};
		f.sleeper.go = new_event();
		CHECK_RC(il_test_aside(run_cancel_the_call, &f), -ECANCELED);
		CHECK_RC(il_portal_close(f.p), 0);
		CHECK_EQ(atomic_load(&f.ran), 0);
		il_event_destroy(f.sleeper.go);
	}
}

static int call_when_cancelled(void *arg)
{
	struct foreign *f = arg;

	CHECK_RC(il_scope_enter(&f->scope, IL_FOREVER, 0), 0);
	CHECK_RC(il_scope_cancel(&f->scope), 0);
	CHECK_RC(il_portal_run_coroutine(f->p, note_run, &f->ran), -ECANCELED);
	CHECK_RC(il_portal_run_sync(f->p, note_run, &f->ran), -ECANCELED);
	CHECK_RC(il_portal_start_task(f->p, NULL, NULL, note_run, &f->ran), -ECANCELED);
	return il_scope_exit(&f->scope, -ECANCELED);
}

static int run_call_when_cancelled(void *arg)
{
	return il_run(il_test_backend(), call_when_cancelled, arg);
}

IL_TEST(F, a_cancelled_task_of_another_loop_makes_no_call)
{
	struct foreign f = {.p = il_test_portal(), .scope = IL_SCOPE_INIT};

	CHECK_RC(il_test_aside(run_call_when_cancelled, &f), 0);
	CHECK_RC(il_portal_close(f.p), 0);
	CHECK_EQ(atomic_load(&f.ran), 0);
}

/* ---- task-locals ---- */

static il_local key = IL_LOCAL_INIT;
static int outer_value, inner_value, later_value;

static int see_and_set(void *arg)
{
	(void)arg;
	CHECK(il_local_get(&key) == &outer_value);
	CHECK_RC(il_local_set(&key, &inner_value), 0);
	CHECK(il_local_get(&key) == &inner_value);
	return 0;
}

static int see_and_start(void *arg)
{
	CHECK_RC(il_task_started(0), 0);
	return see_and_set(arg);
}

static int see_and_hold(void *arg)
{
	CHECK_RC(il_portal_hold(0), 0);
	return see_and_set(arg);
}

static int pass_locals(void *arg)
{
	il_portal *p = arg;
	il_future *task = NULL, *plain = NULL, *started = NULL;
	il_portal_context *c = NULL;

	CHECK_RC(il_local_set(&key, &outer_value), 0);
	CHECK_RC(il_portal_run_coroutine(p, see_and_set, NULL), 0);
	CHECK_RC(il_portal_run_sync(p, see_and_set, NULL), 0);
	CHECK_RC(il_portal_start_task(p, &started, NULL, see_and_start, NULL), 0);
	CHECK_RC(il_portal_enter(p, &c, see_and_hold, NULL), 0);
	CHECK(il_local_get(&key) == &outer_value);
	CHECK_RC(il_portal_run_coroutine_soon(p, &task, see_and_set, NULL), 0);
	CHECK_RC(il_portal_run_sync_soon(p, &plain, see_and_set, NULL), 0);
	CHECK_RC(il_local_set(&key, &later_value), 0); /* they have those of the call */
	CHECK_RC(il_future_join(task), 0);
	CHECK_RC(il_future_join(plain), 0);
	CHECK_RC(il_portal_exit(c, 0), 0);
	CHECK(il_local_get(&key) == &later_value);
	return il_future_join(started);
}

static int run_pass_locals(void *arg)
{
	return il_run(il_test_backend(), pass_locals, arg);
}

IL_TEST(F, a_call_sees_the_task_locals_of_its_caller_and_gives_none_back)
{
	il_portal *p = il_test_portal();

	CHECK_RC(il_local_set(&key, NULL), 0);
	CHECK_RC(il_test_aside(pass_locals, p), 0);
	CHECK_RC(il_test_aside(run_pass_locals, p), 0);
	CHECK(il_local_get(&key) == NULL);
	CHECK_RC(il_portal_close(p), 0);
}
