/*
 * f_portal_ends.c: how portals begin and end: calls made before the loop runs, closing and stopping from
 * everywhere.
 */
#include "aside.h"
#include "waits.h"

static int note_run(void *arg)
{
	atomic_fetch_add((atomic_int *)arg, 1);
	return 4;
}

static void check_refused(il_portal *p)
{
	il_portal_context *c = NULL;
	il_future *f = NULL;
	atomic_int ran = 0;

	CHECK_RC(il_portal_run_coroutine_soon(p, &f, note_run, &ran), -ESHUTDOWN);
	CHECK(strstr(il_error_detail(), "il_portal_run_coroutine_soon") != NULL);
	CHECK_RC(il_portal_run_sync_soon(p, &f, note_run, &ran), -ESHUTDOWN);
	CHECK_RC(il_portal_run_coroutine_soon(p, NULL, note_run, &ran), -ESHUTDOWN);
	CHECK_RC(il_portal_run_sync_soon(p, NULL, note_run, &ran), -ESHUTDOWN);
	if (!il_loop_current()) {
		CHECK_RC(il_portal_run_coroutine(p, note_run, &ran), -ESHUTDOWN);
		CHECK_RC(il_portal_run_sync(p, note_run, &ran), -ESHUTDOWN);
		CHECK_RC(il_portal_start_task(p, &f, NULL, note_run, &ran), -ESHUTDOWN);
		CHECK_RC(il_portal_enter(p, &c, note_run, &ran), -ESHUTDOWN);
	}
	CHECK(!f && !c);
	CHECK_EQ(atomic_load(&ran), 0);
	CHECK_RC(il_portal_stop(p, false), 0);
}

static int is_refused(void *arg)
{
	check_refused(arg);
	return 0;
}

/* ---- 109: before the loop runs ---- */

/* Calls of every kind: with a future, without one, and two for which threads wait. */
struct calls {
	il_loop *loop;
	il_portal *p;
	il_future *task, *plain;
	atomic_int ran, begun, cancelled;
	atomic_bool busy, go; /* of be_busy_then_cancel */
	struct il_test_thread waits_for_task, waits_for_plain;
};

static int note_cancellation(void *arg)
{
	struct calls *e = arg;

	atomic_fetch_add(&e->ran, 1);
	if (il_yield() == -ECANCELED)
		atomic_fetch_add(&e->cancelled, 1);
	return -EIO;
}

static int call_for_task(void *arg)
{
	struct calls *c = arg;

	return il_portal_run_coroutine(c->p, note_run, &c->ran);
}

static int call_for_plain(void *arg)
{
	struct calls *c = arg;

	return il_portal_run_sync(c->p, note_run, &c->ran);
}

/* Those without a future: the task is `fn`, and the plain call counts what it is given. */
static void calls_post(struct calls *c, il_fn *fn, atomic_int *count)
{
	CHECK_RC(il_portal_run_coroutine_soon(c->p, &c->task, note_run, &c->ran), 0);
	CHECK_RC(il_portal_run_sync_soon(c->p, &c->plain, note_run, &c->ran), 0);
	CHECK_RC(il_portal_run_coroutine_soon(c->p, NULL, fn, c), 0);
	CHECK_RC(il_portal_run_sync_soon(c->p, NULL, note_run, count), 0);
}

static void calls_wait(struct calls *c)
{
	il_test_thread_start(&c->waits_for_task, call_for_task, c);
	il_test_thread_start(&c->waits_for_plain, call_for_plain, c);
}

static void post_early(struct calls *e)
{
	calls_post(e, note_cancellation, &e->ran);
	calls_wait(e);
	CHECK(!il_future_done(e->task) && !il_future_done(e->plain));
	CHECK_EQ(atomic_load(&e->ran), 0);
}

static void check_early(struct calls *e, int rc, int ran, int cancelled)
{
	CHECK_RC(il_test_thread_join(&e->waits_for_task), rc);
	CHECK_RC(il_test_thread_join(&e->waits_for_plain), rc);
	CHECK_RC(il_future_join(e->task), rc);
	CHECK_RC(il_future_join(e->plain), rc);
	CHECK_EQ(atomic_load(&e->ran), ran);
	CHECK_EQ(atomic_load(&e->cancelled), cancelled);
}

static void open_early(struct calls *e)
{
	CHECK_RC(il_loop_open(&e->loop, il_test_backend(), NULL), 0);
	CHECK_RC(il_loop_create_threads_portal(e->loop, &e->p), 0);
}

static int serve_early(void *arg)
{
	struct calls *e = arg;

	UNTIL_THREAD(atomic_load(&e->ran) == 6);
	return il_portal_close(e->p);
}

IL_TEST_OWN(F, n109_calls_made_before_the_loop_runs_are_served_when_it_does)
{
	struct calls e = {.ran = 0};

	open_early(&e);
	il_portal_ref(e.p);
	post_early(&e);
	CHECK_RC(il_loop_run(e.loop, serve_early, &e), 0);
	check_early(&e, 4, 6, 0);
	check_refused(e.p);
	CHECK_RC(il_loop_close(e.loop), 0);
	check_refused(e.p);
	il_portal_unref(e.p);
	il_loop_destroy(e.loop);
}

IL_TEST_OWN(F, n109_or_refused_when_it_is_closed_first)
{
	struct calls e = {.ran = 0};

	open_early(&e);
	post_early(&e);
	CHECK_RC(il_loop_close(e.loop), 0);
	check_early(&e, -ESHUTDOWN, 2, 1);
	check_refused(e.p);
	CHECK_RC(il_portal_close(e.p), 0);
	il_loop_destroy(e.loop);
}

static int wait_for_early(void *arg)
{
	struct calls *e = arg;

	CHECK_RC(il_future_join(e->task), 4);
	return il_future_join(e->plain);
}

IL_TEST_OWN(F, n109_a_portal_closed_before_the_loop_runs_finishes_what_it_has_accepted)
{
	struct calls e = {.ran = 0};

	open_early(&e);
	il_portal_ref(e.p);
	CHECK_RC(il_portal_run_coroutine_soon(e.p, &e.task, note_run, &e.ran), 0);
	CHECK_RC(il_portal_run_sync_soon(e.p, &e.plain, note_run, &e.ran), 0);
	CHECK_RC(il_portal_close(e.p), 0);
	check_refused(e.p);
	CHECK_EQ(atomic_load(&e.ran), 0);
	il_portal_unref(e.p);
	CHECK_RC(il_loop_run(e.loop, wait_for_early, &e), 4);
	CHECK_EQ(atomic_load(&e.ran), 2);
	il_loop_destroy(e.loop);
}

static int call_then_stop(void *arg)
{
	struct calls *e = arg;
	int rc = il_test_thread_join(&e->waits_for_task);

	CHECK_RC(il_test_thread_join(&e->waits_for_plain), 4);
	CHECK_RC(il_future_wait(e->task, IL_FOREVER), 0);
	CHECK_RC(il_future_wait(e->plain, IL_FOREVER), 0);
	CHECK_RC(il_portal_stop(e->p, false), 0);
	return rc;
}

IL_TEST_ADOPTED(F, n109_in_an_adopted_loop_they_keep_it_running_until_the_portal_ends)
{
	void *native = il_native.create();
	struct calls e = {.ran = 0};
	struct il_test_thread stopper;

	CHECK_RC(il_native.attach(&e.loop, native, NULL), 0);
	CHECK_RC(il_loop_create_threads_portal(e.loop, &e.p), 0);
	post_early(&e);
	CHECK_RC(il_loop_detach(e.loop), -EBUSY);
	il_test_thread_start(&stopper, call_then_stop, &e);
	il_native.run(native);
	CHECK_RC(il_test_thread_join(&stopper), 4);
	CHECK_RC(il_future_join(e.task), 4);
	CHECK_RC(il_future_join(e.plain), 4);
	CHECK_EQ(atomic_load(&e.ran), 6);
	/* Referenced, but not open: nothing keeps the loop. */
	CHECK_RC(il_loop_detach(e.loop), 0);
	check_refused(e.p);
	CHECK_RC(il_portal_close(e.p), 0);
	il_native.run(native);
	CHECK_RC(il_native.destroy(native), 0);
}

static void detach_when_empty(il_loop *loop, void *arg)
{
	CHECK_RC(il_loop_detach(loop), 0);
	*(bool *)arg = true;
}

IL_TEST_ADOPTED(F, n109_an_adopted_loop_that_shuts_down_refuses_them)
{
	void *native = il_native.create();
	struct calls e = {.ran = 0};
	bool empty = false;

	CHECK_RC(il_native.attach(&e.loop, native, NULL), 0);
	CHECK_RC(il_loop_create_threads_portal(e.loop, &e.p), 0);
	post_early(&e);
	CHECK_RC(il_loop_shutdown(e.loop, detach_when_empty, &empty), 0);
	il_native.run(native);
	CHECK(empty);
	check_early(&e, -ESHUTDOWN, 2, 1);
	CHECK_RC(il_portal_close(e.p), 0);
	il_native.run(native);
	CHECK_RC(il_native.destroy(native), 0);
}

/* ---- 124, and closing ---- */

struct sleeper {
	atomic_bool begun, cancelled, ended;
	il_event *wait, *go; /* waits for the one, NULL: forever; cleans up until the other */
};

static int sleep_then_clean_up(void *arg)
{
	struct sleeper *s = arg;

	atomic_store(&s->begun, true);
	if ((s->wait ? il_event_wait(s->wait) : il_sleep_forever()) == -ECANCELED)
		atomic_store(&s->cancelled, true);
	if (s->go)
		CHECK_RC(shielded_wait(s->go), 0);
	atomic_store(&s->ended, true);
	return atomic_load(&s->cancelled) ? -ECANCELED : 5;
}

struct closing {
	il_portal *p;
	struct sleeper sleeper;
	il_scope scope;
	atomic_int ran;
	bool closed;
};

static int call_sleeper(void *arg)
{
	struct closing *c = arg;

	return il_portal_run_coroutine(c->p, sleep_then_clean_up, &c->sleeper);
}

static int close_and_check(void *arg)
{
	struct closing *c = arg;

	CHECK_RC(il_portal_close(c->p), 0);
	CHECK(atomic_load(&c->sleeper.ended));
	c->closed = true;
	return 0;
}

static int close_in_scope(void *arg)
{
	struct closing *c = arg;

	CHECK_RC(il_scope_enter(&c->scope, IL_FOREVER, 0), 0);
	close_and_check(c);
	return il_scope_exit(&c->scope, il_yield());
}

IL_TEST(F, n124_closing_in_a_cancelled_scope_cancels_the_calls_in_flight)
{
	struct closing c = {.p = il_test_portal(), .scope = IL_SCOPE_INIT};
	struct closing other = {.p = c.p};
	struct il_test_aside a, b;

	il_test_aside_start(&a, call_sleeper, &c);
	il_test_aside_start(&b, call_sleeper, &other);
	UNTIL_THREAD(atomic_load(&c.sleeper.begun) && atomic_load(&other.sleeper.begun));
	CHECK_RC(il_scope_cancel(&c.scope), 0);
	CHECK_RC(close_in_scope(&c), 0);
	CHECK(atomic_load(&other.sleeper.ended) && il_scope_caught(&c.scope));
	CHECK(atomic_load(&c.sleeper.cancelled) && atomic_load(&other.sleeper.cancelled));
	CHECK_RC(il_test_aside_join(&a), -ECANCELED);
	CHECK_RC(il_test_aside_join(&b), -ECANCELED);
}

IL_TEST(F, n124_so_does_cancelling_the_scope_of_a_close_that_waits)
{
	struct closing c = {.p = il_test_portal(), .scope = IL_SCOPE_INIT};
	struct il_test_aside a;
	il_group g;

	CHECK_RC(il_event_create(&c.sleeper.go), 0);
	il_test_aside_start(&a, call_sleeper, &c);
	UNTIL_THREAD(atomic_load(&c.sleeper.begun));
	CHECK_RC(il_group_open(&g), 0);
	CHECK_RC(il_group_start_soon(&g, NULL, close_in_scope, &c), 0);
	CHECK_RC(il_sleep(IL_MSEC(1)), 0);
	CHECK(!c.closed && !atomic_load(&c.sleeper.cancelled));
	CHECK_RC(il_scope_cancel(&c.scope), 0);
	UNTIL(atomic_load(&c.sleeper.cancelled));
	CHECK_RC(il_sleep(IL_MSEC(1)), 0);
	CHECK(!c.closed); /* shielded: it waits for the clean-up */
	CHECK_RC(il_event_set(c.sleeper.go), 0);
	CHECK_RC(il_group_close(&g, 0), 0);
	CHECK(c.closed && il_scope_caught(&c.scope));
	CHECK_RC(il_test_aside_join(&a), -ECANCELED);
	il_event_destroy(c.sleeper.go);
}

IL_TEST(F, closing_finishes_what_was_accepted)
{
	struct closing c = {.p = il_test_portal()};
	struct il_test_aside a;
	il_future *plain = NULL, *task = NULL;
	il_group g;

	CHECK_RC(il_event_create(&c.sleeper.wait), 0);
	il_test_aside_start(&a, call_sleeper, &c);
	UNTIL_THREAD(atomic_load(&c.sleeper.begun));
	CHECK_RC(il_portal_run_sync_soon(c.p, &plain, note_run, &c.ran), 0);
	CHECK_RC(il_portal_run_coroutine_soon(c.p, &task, note_run, &c.ran), 0);
	il_portal_ref(c.p);
	CHECK_RC(il_group_open(&g), 0);
	CHECK_RC(il_group_start_soon(&g, NULL, close_and_check, &c), 0);
	CHECK_RC(il_sleep(IL_MSEC(1)), 0);
	CHECK(!c.closed && !atomic_load(&c.sleeper.cancelled));
	check_refused(c.p);
	CHECK_RC(il_test_aside(is_refused, c.p), 0);
	CHECK(!c.closed && !atomic_load(&c.sleeper.cancelled));
	CHECK_RC(il_event_set(c.sleeper.wait), 0);
	CHECK_RC(il_group_close(&g, 0), 0);
	CHECK_RC(il_future_join(plain), 4);
	CHECK_RC(il_future_join(task), 4);
	CHECK_RC(il_test_aside_join(&a), 5);
	check_refused(c.p);
	CHECK_RC(il_test_aside(is_refused, c.p), 0);
	il_portal_unref(c.p);
	il_event_destroy(c.sleeper.wait);
}

/* In the loop's thread: cancels the portal with everything that came meanwhile still in the queue. */
static int be_busy_then_cancel(void *arg)
{
	struct calls *u = arg;

	atomic_store(&u->busy, true);
	UNTIL_THREAD(atomic_load(&u->go));
	return il_portal_stop(u->p, true);
}

static int begin_cancelled(void *arg)
{
	struct calls *u = arg;

	atomic_fetch_add(&u->begun, 1);
	if (il_sleep_forever() == -ECANCELED)
		atomic_fetch_add(&u->cancelled, 1);
	return -ECANCELED;
}

/* In a thread: every kind of call, queued behind a busy loop. */
static int queue_every_kind(void *arg)
{
	struct calls *u = arg;
	int rc;

	CHECK_RC(il_portal_run_sync_soon(u->p, NULL, be_busy_then_cancel, u), 0);
	UNTIL(atomic_load(&u->busy));
	calls_post(u, begin_cancelled, &u->begun);
	calls_wait(u);
	for (int i = 0; i < 5; i++) /* so that these two are queued too, as a rule */
		il_test_pause_really();
	atomic_store(&u->go, true);
	CHECK_RC(il_future_join(u->task), -ECANCELED);
	CHECK_RC(il_future_join(u->plain), -ECANCELED);
	rc = il_test_thread_join(&u->waits_for_task);
	CHECK(rc == -ECANCELED || rc == -ESHUTDOWN);
	rc = il_test_thread_join(&u->waits_for_plain);
	CHECK(rc == -ECANCELED || rc == -ESHUTDOWN);
	return 0;
}

IL_TEST(F, of_what_a_cancelled_portal_had_queued_only_calls_without_a_future_are_made)
{
	struct calls u = {.p = il_test_portal()};

	CHECK_RC(il_test_aside(queue_every_kind, &u), 0);
	CHECK_RC(il_portal_close(u.p), 0);
	CHECK_EQ(atomic_load(&u.ran), 0);
	CHECK_EQ(atomic_load(&u.begun), 2);
	CHECK_EQ(atomic_load(&u.cancelled), 1);
}

IL_TEST(F, nor_if_the_loops_own_thread_queued_them)
{
	struct calls u = {.p = il_test_portal()};

	calls_post(&u, begin_cancelled, &u.begun);
	CHECK_RC(il_portal_stop(u.p, true), 0);
	CHECK_RC(il_portal_close(u.p), 0);
	CHECK_RC(il_future_join(u.task), -ECANCELED);
	CHECK_RC(il_future_join(u.plain), -ECANCELED);
	CHECK_EQ(atomic_load(&u.ran), 0);
	CHECK_EQ(atomic_load(&u.begun), 2);
	CHECK_EQ(atomic_load(&u.cancelled), 1);
}

struct within {
	il_portal *p;
	il_group *group;
	il_event *go;
	int rc;
};

static int close_in_a_child(void *arg)
{
	struct within *w = arg;

	w->rc = il_portal_close(w->p);
	return 0;
}

static int close_from_within(void *arg)
{
	struct within *w = arg;
	il_group g;

	CHECK_RC(il_portal_close(w->p), -EDEADLK);
	CHECK(strstr(il_error_detail(), "il_portal_close") != NULL);
	CHECK_RC(il_group_open(&g), 0);
	CHECK_RC(il_group_start_soon(&g, NULL, close_in_a_child, w), 0);
	CHECK_RC(il_group_close(&g, 0), 0);
	return w->rc;
}

static int call_close_from_within(void *arg)
{
	struct within *w = arg;
	atomic_int ran = 0;

	CHECK_RC(il_portal_run_coroutine(w->p, close_from_within, w), -EDEADLK);
	return il_portal_run_coroutine(w->p, note_run, &ran);
}

IL_TEST(F, a_task_of_the_portal_may_not_close_it_and_nothing_changes)
{
	struct within w = {.p = il_test_portal()};

	CHECK_RC(il_test_aside(call_close_from_within, &w), 4);
	CHECK_RC(il_portal_close(w.p), 0);
}

/* A task of one portal closes another one; that has a call in flight, which it waits for. */
static int close_another(void *arg)
{
	struct closing *c = arg;

	atomic_store(&c->sleeper.begun, true);
	return close_and_check(c);
}

IL_TEST(F, a_task_of_another_portal_may)
{
	struct closing c = {.p = il_test_portal()};
	il_portal *q = il_test_portal();
	il_future *sleeping = NULL, *closing = NULL;

	CHECK_RC(il_event_create(&c.sleeper.wait), 0);
	CHECK_RC(il_portal_run_coroutine_soon(c.p, &sleeping, sleep_then_clean_up, &c.sleeper), 0);
	UNTIL(atomic_load(&c.sleeper.begun));
	CHECK_RC(il_portal_run_coroutine_soon(q, &closing, close_another, &c), 0);
	CHECK_RC(il_sleep(IL_MSEC(1)), 0);
	CHECK(!il_future_done(closing));
	CHECK_RC(il_event_set(c.sleeper.wait), 0);
	CHECK_RC(il_future_join(closing), 0);
	CHECK_RC(il_future_join(sleeping), 5);
	CHECK_RC(il_portal_close(q), 0);
	il_event_destroy(c.sleeper.wait);
}

static int close_as_plain_call(void *arg)
{
	struct within *w = arg;
	il_portal *p = w->p;

	CHECK_RC(il_portal_close(p), 0); /* does not wait: it is in a call of that portal itself */
	return 6;
}

static int call_close_as_plain_call(void *arg)
{
	struct within *w = arg;

	CHECK_RC(il_portal_run_sync(w->p, close_as_plain_call, w), 6);
	check_refused(w->p);
	return 0;
}

IL_TEST(F, outside_a_task_closing_does_not_wait)
{
	struct within w = {.p = il_test_portal()};
	il_portal *kept = il_portal_ref(w.p);
	struct closing c = {.p = kept};
	il_future *f = NULL;

	CHECK_RC(il_event_create(&c.sleeper.wait), 0);
	CHECK_RC(il_portal_run_coroutine_soon(w.p, &f, sleep_then_clean_up, &c.sleeper), 0);
	UNTIL(atomic_load(&c.sleeper.begun));
	CHECK_RC(il_test_aside(call_close_as_plain_call, &w), 0);
	CHECK(!il_future_done(f) && !atomic_load(&c.sleeper.cancelled));
	CHECK_RC(il_event_set(c.sleeper.wait), 0);
	CHECK_RC(il_future_join(f), 5);
	il_portal_unref(kept);
	il_event_destroy(c.sleeper.wait);
}

static int close_elsewhere(void *arg)
{
	return il_portal_close(arg);
}

static int close_in_another_loop(void *arg)
{
	return il_run(il_test_backend(), close_elsewhere, arg);
}

IL_TEST(F, another_thread_may_close_it_and_does_not_wait)
{
	il_portal *p = il_test_portal(), *q = il_test_portal();
	struct closing c = {.p = il_portal_ref(p)};
	il_future *f = NULL;

	CHECK_RC(il_event_create(&c.sleeper.wait), 0);
	CHECK_RC(il_portal_run_coroutine_soon(p, &f, sleep_then_clean_up, &c.sleeper), 0);
	UNTIL(atomic_load(&c.sleeper.begun));
	CHECK_RC(il_test_aside(close_elsewhere, p), 0);
	CHECK(!il_future_done(f));
	CHECK_RC(il_portal_run_sync_soon(p, NULL, note_run, &c.ran), -ESHUTDOWN);
	CHECK_RC(il_event_set(c.sleeper.wait), 0);
	CHECK_RC(il_future_join(f), 5);
	il_portal_unref(p);
	CHECK_RC(il_test_aside(close_in_another_loop, q), 0);
	il_event_destroy(c.sleeper.wait);
}

static void close_in_a_foreign_callback(void *arg)
{
	struct closing *c = arg;

	CHECK_RC(il_portal_run_coroutine(c->p, note_run, &c->ran), -EDEADLK);
	CHECK_RC(il_portal_close(c->p), 0);
	c->closed = true;
	CHECK(!atomic_load(&c->sleeper.cancelled));
	CHECK_RC(il_event_set(c->sleeper.wait), 0);
}

IL_TEST_ADOPTED(F, a_foreign_callback_may_close_it_and_does_not_wait)
{
	void *native = il_native.create();
	struct closing c = {.ran = 0};
	il_loop *loop = NULL;
	il_future *f = NULL;

	CHECK_RC(il_native.attach(&loop, native, NULL), 0);
	CHECK_RC(il_loop_create_threads_portal(loop, &c.p), 0);
	CHECK_RC(il_event_create(&c.sleeper.wait), 0);
	CHECK_RC(il_portal_run_coroutine_soon(c.p, &f, sleep_then_clean_up, &c.sleeper), 0);
	il_native.after(native, IL_MSEC(2), close_in_a_foreign_callback, &c);
	il_native.run(native);
	CHECK(c.closed);
	CHECK_RC(il_future_join(f), 5);
	il_event_destroy(c.sleeper.wait);
	CHECK_RC(il_loop_detach(loop), 0);
	il_native.run(native);
	CHECK_RC(il_native.destroy(native), 0);
}

/* Nothing has kicked the loop but the call, and the close is before its first turn. */
IL_TEST_ADOPTED(F, closed_before_the_adopted_loop_runs_it_finishes_what_it_has_accepted)
{
	void *native = il_native.create();
	struct closing c = {.ran = 0};
	il_loop *loop = NULL;
	il_future *f = NULL;

	CHECK_RC(il_native.attach(&loop, native, NULL), 0);
	CHECK_RC(il_loop_create_threads_portal(loop, &c.p), 0);
	CHECK_RC(il_portal_run_coroutine_soon(c.p, &f, note_run, &c.ran), 0);
	CHECK_RC(il_portal_close(c.p), 0);
	CHECK(!il_future_done(f));
	CHECK_RC(il_loop_detach(loop), -EBUSY);
	il_native.run(native);
	CHECK_RC(il_future_join(f), 4);
	CHECK_RC(il_loop_detach(loop), 0);
	il_native.run(native);
	CHECK_RC(il_native.destroy(native), 0);
}

static int leave_open(void *arg)
{
	*(il_portal **)arg = il_test_portal();
	return 0;
}

static int close_late(void *arg)
{
	check_refused(arg);
	return il_portal_close(arg);
}

IL_TEST_OWN(F, after_its_loop_a_portal_is_refused_and_closed_all_the_same)
{
	il_portal *p = NULL, *q = NULL;
	struct il_test_thread thread;

	CHECK_RC(il_run(il_test_backend(), leave_open, &p), 0);
	CHECK_RC(il_run(il_test_backend(), leave_open, &q), 0);
	check_refused(p);
	CHECK_RC(il_portal_close(p), 0);
	il_test_thread_start(&thread, close_late, q);
	CHECK_RC(il_test_thread_join(&thread), 0);
}

static int hold_in_scope(void *arg)
{
	struct closing *c = arg;

	CHECK_RC(il_scope_enter(&c->scope, IL_FOREVER, 0), 0);
	c->p = il_test_portal();
	CHECK_RC(il_portal_run_coroutine_soon(c->p, NULL, sleep_then_clean_up, &c->sleeper), 0);
	return il_scope_exit(&c->scope, il_sleep_forever());
}

IL_TEST(F, its_tasks_belong_to_the_portal_not_to_its_creators_scope)
{
	struct closing c = {.scope = IL_SCOPE_INIT};
	il_group g;

	CHECK_RC(il_group_open(&g), 0);
	CHECK_RC(il_group_start_soon(&g, NULL, hold_in_scope, &c), 0);
	UNTIL(atomic_load(&c.sleeper.begun));
	CHECK_RC(il_scope_cancel(&c.scope), 0);
	CHECK_RC(il_group_close(&g, 0), 0);
	CHECK(il_scope_caught(&c.scope));
	CHECK_RC(il_sleep(IL_MSEC(1)), 0);
	CHECK(!atomic_load(&c.sleeper.cancelled));
	CHECK_RC(il_portal_stop(c.p, true), 0);
	CHECK_RC(il_portal_close(c.p), 0);
	CHECK(atomic_load(&c.sleeper.ended));
}

/* ---- 125, and stopping ---- */

static int wait_first(void *arg)
{
	il_future *f = arg;

	return il_futures_wait(&f, 1, IL_FIRST_COMPLETED, il_test_patience());
}

static int stop_and_cancel(void *arg)
{
	return il_portal_stop(arg, true);
}

IL_TEST(F, n125_stop_with_cancel_ends_what_sleeps_forever)
{
	struct closing c = {.p = il_test_portal()};
	struct il_test_aside waiter;
	il_future *f = NULL;

	CHECK_RC(il_portal_run_coroutine_soon(c.p, &f, sleep_then_clean_up, &c.sleeper), 0);
	UNTIL(atomic_load(&c.sleeper.begun));
	il_test_aside_start(&waiter, wait_first, f);
	CHECK_RC(il_test_aside(stop_and_cancel, c.p), 0);
	CHECK_RC(il_test_aside_join(&waiter), 1);
	CHECK_RC(il_future_join(f), -ECANCELED);
	CHECK(atomic_load(&c.sleeper.cancelled));
	CHECK_RC(il_portal_close(c.p), 0);
}

static int sleep_until_stopped(void *arg)
{
	return il_portal_sleep_until_stopped(arg);
}

static int stop_twice(void *arg)
{
	CHECK_RC(il_portal_stop(arg, false), 0);
	CHECK_RC(il_portal_stop(arg, false), 0);
	CHECK_RC(il_portal_stop(arg, true), 0);
	check_refused(arg);
	return 0;
}

IL_TEST(F, stop_refuses_new_work_and_wakes_who_sleeps_until_then)
{
	struct closing c = {.p = il_test_portal()};
	il_future *a = NULL, *b = NULL, *inside = NULL;

	CHECK_RC(il_portal_run_coroutine_soon(c.p, &inside, sleep_until_stopped, c.p), 0);
	CHECK_RC(il_loop_spawn(il_loop_current(), &a, sleep_until_stopped, c.p), 0);
	CHECK_RC(il_loop_spawn(il_loop_current(), &b, sleep_until_stopped, c.p), 0);
	CHECK_RC(il_sleep(IL_MSEC(1)), 0);
	CHECK(!il_future_done(a) && !il_future_done(b) && !il_future_done(inside));
	CHECK_RC(il_portal_stop(c.p, false), 0);
	CHECK_RC(il_future_join(a), 0);
	CHECK_RC(il_future_join(b), 0);
	CHECK_RC(il_future_join(inside), 0);
	CHECK_RC(il_portal_sleep_until_stopped(c.p), 0);
	CHECK_RC(il_test_aside(stop_twice, c.p), 0);
	CHECK_RC(il_portal_close(c.p), 0);
}

IL_TEST(F, stop_from_a_thread_lets_running_tasks_go_on)
{
	struct closing c = {.p = il_test_portal()};
	il_future *f = NULL, *stopper = NULL;

	CHECK_RC(il_event_create(&c.sleeper.wait), 0);
	CHECK_RC(il_portal_run_coroutine_soon(c.p, &f, sleep_then_clean_up, &c.sleeper), 0);
	CHECK_RC(il_loop_spawn(il_loop_current(), &stopper, sleep_until_stopped, c.p), 0);
	UNTIL(atomic_load(&c.sleeper.begun));
	CHECK_RC(il_portal_stop(c.p, false), 0);
	CHECK_RC(il_future_join(stopper), 0);
	CHECK_RC(il_sleep(IL_MSEC(1)), 0);
	CHECK(!il_future_done(f));
	CHECK_RC(il_event_set(c.sleeper.wait), 0);
	CHECK_RC(il_portal_close(c.p), 0);
	CHECK_RC(il_future_join(f), 5);
	il_event_destroy(c.sleeper.wait);
}

static int stop_from_within(void *arg)
{
	struct within *w = arg;

	CHECK_RC(il_portal_stop(w->p, true), 0);
	CHECK_RC(il_yield(), -ECANCELED);
	return 3;
}

static int call_stop_from_within(void *arg)
{
	struct within *w = arg;
	il_future *f = NULL;

	CHECK_RC(il_portal_run_coroutine_soon(w->p, &f, stop_from_within, w), 0);
	return il_future_join(f);
}

IL_TEST(F, a_task_of_the_portal_may_stop_it)
{
	struct within w = {.p = il_test_portal()};

	CHECK_RC(il_test_aside(call_stop_from_within, &w), 3);
	CHECK_RC(il_portal_close(w.p), 0);
}

static int sleep_until_stopped_in_another_loop(void *arg)
{
	return il_run(il_test_backend(), sleep_until_stopped, arg);
}

IL_TEST(F, sleeping_until_stopped_is_a_cancellation_point_of_the_portals_loop)
{
	il_portal *p = il_test_portal();

	CHECK_RC(il_test_aside(sleep_until_stopped, p), -EPERM);
	CHECK_RC(il_test_aside(sleep_until_stopped_in_another_loop, p), -EPERM);
	CHECK_RC(il_fail_after(IL_MSEC(1), sleep_until_stopped, p), -ETIMEDOUT);
	CHECK_RC(il_fail_after(0, sleep_until_stopped, p), -ETIMEDOUT);
	CHECK_RC(il_portal_close(p), 0);
}
