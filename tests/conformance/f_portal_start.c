/*
 * f_portal_start.c: calls that wait for a task's first word: il_portal_start_task, and contexts, which are
 * entered and left from a thread.
 */
#include "aside.h"
#include "objects.h"

static int give(void *arg)
{
	return *(int *)arg;
}

static int set_event(void *arg)
{
	return il_event_set(arg);
}

/* ---- 120, 121: start_task ---- */

struct starting {
	il_portal *p;
	il_event *go;
	int before, value, after; /* `before` < 0: fails with it; value < 0: never says a word */
	atomic_bool waiting;
};

static int start(void *arg)
{
	struct starting *s = arg;

	CHECK_RC(il_task_set_name("the started"), 0);
	CHECK_RC(il_sleep(IL_MSEC(1)), 0);
	if (s->before < 0)
		return s->before;
	if (s->value >= 0) {
		CHECK_RC(il_task_started(s->value), 0);
		CHECK_RC(il_task_started(s->value), -EALREADY);
	}
	if (s->go)
		CHECK_RC(il_event_wait(s->go), 0);
	CHECK_STR(il_task_name(), "the started");
	return s->after;
}

static int start_and_set(void *arg)
{
	struct starting *s = arg;
	il_future *f = NULL;
	int value = -1;

	CHECK_RC(il_portal_start_task(s->p, &f, &value, start, s), 0);
	CHECK_EQ(value, s->value);
	CHECK(il_future_running(f));
	CHECK_RC(il_portal_run_sync(s->p, set_event, s->go), 0);
	return il_future_join(f);
}

IL_TEST(F, n120_start_task_gives_the_tasks_word_and_a_future_for_its_end)
{
	struct starting s = {.p = il_test_portal(), .value = 6, .after = 11};

	s.go = new_event();
	CHECK_RC(il_test_aside(start_and_set, &s), 11);
	il_event_destroy(s.go);
	s.go = new_event();
	s.value = 0;
	CHECK_RC(il_test_aside(start_and_set, &s), 11);
	il_event_destroy(s.go);
	CHECK_RC(il_portal_close(s.p), 0);
}

/* The failure of the task is its future's only. */
IL_TEST(F, n121_a_failure_after_started_is_the_futures)
{
	struct starting s = {.p = il_test_portal(), .go = new_event(), .after = -EIO};

	CHECK_RC(il_test_aside(start_and_set, &s), -EIO);
	CHECK_RC(il_portal_close(s.p), 0);
	il_event_destroy(s.go);
	CHECK_LOGGED(IL_LOG_ERROR, "", 0);
}

static int start_without_results(void *arg)
{
	struct starting *s = arg;

	return il_portal_start_task(s->p, NULL, NULL, start, s);
}

static int start_in_vain(void *arg)
{
	struct starting *s = arg;
	il_future *f = NULL;
	int value = 123;
	int rc = il_portal_start_task(s->p, &f, &value, start, s);

	CHECK(f == NULL && value == 123);
	return rc;
}

IL_TEST(F, n121_before_it_the_starter_gets_the_error_and_eproto_for_none)
{
	struct starting fails = {.p = il_test_portal(), .before = -EIO};
	struct starting ends = {.p = fails.p, .value = -1, .after = 5};
	struct starting gives_up = {.p = fails.p, .value = -1, .after = -ECANCELED};
	struct starting well = {.p = fails.p};

	CHECK_RC(il_test_aside(start_in_vain, &fails), -EIO);
	CHECK_RC(il_test_aside(start_in_vain, &ends), -EPROTO);
	ends.after = 0;
	CHECK_RC(il_test_aside(start_in_vain, &ends), -EPROTO);
	CHECK_RC(il_test_aside(start_in_vain, &gives_up), -EPROTO);
	CHECK_RC(il_test_aside(start_without_results, &well), 0);
	CHECK_RC(il_portal_close(fails.p), 0);
	CHECK_LOGGED(IL_LOG_ERROR, "", 0);
}

static int wait_before_the_word(void *arg)
{
	struct starting *s = arg;

	atomic_store(&s->waiting, true);
	return il_sleep_forever();
}

static int start_the_waiting(void *arg)
{
	struct starting *s = arg;

	return il_portal_start_task(s->p, NULL, NULL, wait_before_the_word, s);
}

IL_TEST(F, n121_a_task_cancelled_before_its_word_is_eproto)
{
	struct starting s = {.p = il_test_portal()};
	struct il_test_aside a;

	il_test_aside_start(&a, start_the_waiting, &s);
	UNTIL_THREAD(atomic_load(&s.waiting));
	CHECK_RC(il_portal_stop(s.p, true), 0);
	CHECK_RC(il_test_aside_join(&a), -EPROTO);
	CHECK_RC(il_portal_close(s.p), 0);
}

/* A task of this loop that starts one in a loop which does not get to it. */
struct unstarted {
	il_portal *p;
	il_scope scope;
	atomic_bool busy, go;
	bool begun, started;
	int rc;
};

static int be_busy(void *arg)
{
	struct unstarted *u = arg;

	atomic_store(&u->busy, true);
	UNTIL_THREAD(atomic_load(&u->go));
	return 0;
}

static int note_start(void *arg)
{
	struct unstarted *u = arg;

	u->started = true;
	return il_task_started(1);
}

static int start_in_scope(void *arg)
{
	struct unstarted *u = arg;

	CHECK_RC(il_scope_enter(&u->scope, IL_FOREVER, 0), 0);
	u->begun = true;
	u->rc = il_portal_start_task(u->p, NULL, NULL, note_start, u);
	return il_scope_exit(&u->scope, u->rc);
}

IL_TEST(F, n121_a_start_that_is_cancelled_before_its_task_begins_is_none)
{
	struct unstarted u = {.scope = IL_SCOPE_INIT, .rc = 1};
	il_group g;

	CHECK_RC(il_blocking_portal_start(&u.p, il_test_backend(), NULL), 0);
	CHECK_RC(il_portal_run_sync_soon(u.p, NULL, be_busy, &u), 0);
	UNTIL_THREAD(atomic_load(&u.busy));
	CHECK_RC(il_group_open(&g), 0);
	CHECK_RC(il_group_start_soon(&g, NULL, start_in_scope, &u), 0);
	UNTIL(u.begun);
	CHECK_RC(il_scope_cancel(&u.scope), 0);
	CHECK_RC(il_yield(), 0);
	CHECK_RC(u.rc, 1); /* it waits until nobody will look at its value any more */
	atomic_store(&u.go, true);
	CHECK_RC(il_group_close(&g, 0), 0);
	CHECK_RC(u.rc, -ECANCELED);
	CHECK_RC(il_blocking_portal_stop(u.p), 0);
	CHECK(!u.started);
}

static int say_started(void *arg)
{
	(void)arg;
	return il_task_started(1);
}

static int say_started_unasked(void *arg)
{
	return il_portal_run_coroutine(arg, say_started, NULL);
}

IL_TEST(F, started_is_refused_where_nobody_asked)
{
	il_portal *p = il_test_portal();

	CHECK_RC(il_test_aside(say_started_unasked, p), -EPERM);
	CHECK_RC(il_test_aside(say_started, NULL), -EPERM);
	CHECK_RC(il_portal_close(p), 0);
}

/* ---- 122: contexts ---- */

struct context {
	il_portal *p;
	int value, given; /* what it holds with, and what hold gave */
	int result;       /* 1: what hold gave */
	int error;        /* of a child, in the body */
	bool left;
};

static int hold(void *arg)
{
	struct context *c = arg;

	CHECK_RC(il_task_set_name("the context"), 0);
	if (c->value < 0)
		return c->value;
	CHECK_RC(il_portal_hold(-1), -EINVAL);
	CHECK_RC(il_task_started(-1), -EPERM); /* nobody waits for that word */
	CHECK_RC(il_task_started(c->value), -EPERM);
	c->given = il_portal_hold(c->value);
	CHECK_RC(il_portal_hold(c->value), -EALREADY);
	CHECK_STR(il_task_name(), "the context");
	c->left = true;
	return c->result == 1 ? c->given : c->result;
}

static int enter_and_exit(void *arg)
{
	struct context *c = arg;
	int body = c->given;
	il_portal_context *entered = NULL;
	int rc = il_portal_enter(c->p, &entered, hold, c);

	if (rc < 0) {
		CHECK(entered == NULL);
		return rc;
	}
	CHECK_EQ(rc, c->value);
	CHECK(!c->left);
	rc = il_portal_exit(entered, body);
	CHECK(c->left);
	CHECK_RC(c->given, body);
	return rc;
}

IL_TEST(F, n122_a_context_is_entered_and_left_from_a_thread)
{
	struct context c = {.p = il_test_portal(), .value = 17, .given = 0, .result = 3};

	CHECK_RC(il_test_aside(enter_and_exit, &c), 3); /* a body that ends well */
	c = (struct context){.p = c.p, .value = 0, .given = -EIO, .result = 1};
	CHECK_RC(il_test_aside(enter_and_exit, &c), -EIO); /* passes the body's error on */
	c = (struct context){.p = c.p, .value = 1, .given = -EIO, .result = 0};
	CHECK_RC(il_test_aside(enter_and_exit, &c), 0); /* swallows it */
	c = (struct context){.p = c.p, .value = -ENOENT};
	CHECK_RC(il_test_aside(enter_and_exit, &c), -ENOENT); /* fails to enter */
	CHECK(!c.left);
	CHECK_RC(il_portal_close(c.p), 0);
}

static int enter_without_hold(void *arg)
{
	static int five = 5;
	il_portal_context *c = NULL;

	return il_portal_enter(arg, &c, give, &five);
}

static int hold_unasked(void *arg)
{
	(void)arg;
	return il_portal_hold(1);
}

static int call_hold_unasked(void *arg)
{
	return il_portal_run_coroutine(arg, hold_unasked, NULL);
}

IL_TEST(F, n122_a_context_that_never_holds_is_eproto_and_holding_elsewhere_eperm)
{
	il_portal *p = il_test_portal();

	CHECK_RC(il_test_aside(enter_without_hold, p), -EPROTO);
	CHECK_RC(il_test_aside(call_hold_unasked, p), -EPERM);
	CHECK_RC(il_portal_hold(1), -EPERM);
	CHECK_RC(il_test_aside(hold_unasked, NULL), -EPERM);
	CHECK_RC(il_portal_close(p), 0);
}

static int fail_with(void *arg)
{
	return ((struct context *)arg)->error;
}

static int count_until_cancelled(void *arg)
{
	struct context *c = arg;

	while (il_sleep(IL_MSEC(1)) == 0)
		c->value++;
	return -ECANCELED;
}

static int hold_a_group(void *arg)
{
	struct context *c = arg;
	il_group g;
	int rc;

	CHECK_RC(il_group_open(&g), 0);
	CHECK_RC(il_group_start_soon(&g, NULL, c->error ? fail_with : count_until_cancelled, c), 0);
	rc = il_portal_hold(0);
	if (rc >= 0)
		CHECK_RC(il_scope_cancel(il_group_scope(&g)), 0);
	c->given = rc;
	return il_group_close(&g, rc);
}

static int use_a_group(void *arg)
{
	struct context *c = arg;
	il_portal_context *entered = NULL;

	CHECK_RC(il_portal_enter(c->p, &entered, hold_a_group, c), 0);
	return il_portal_exit(entered, 4);
}

IL_TEST(F, n122_a_group_works_inside_a_context)
{
	struct context c = {.p = il_test_portal()};

	CHECK_RC(il_test_aside(use_a_group, &c), 4);
	CHECK_RC(c.given, 4);
	c.error = -EPIPE; /* the child's failure cancels the hold, and is the context's result */
	CHECK_RC(il_test_aside(use_a_group, &c), -EPIPE);
	CHECK(c.given == -ECANCELED || c.given == 4);
	CHECK_RC(il_portal_close(c.p), 0);
}

struct held {
	il_portal *p;
	il_portal_context *entered;
	struct context context;
};

static int enter_only(void *arg)
{
	struct held *h = arg;

	return il_portal_enter(h->p, &h->entered, hold, &h->context);
}

static int exit_only(void *arg)
{
	return il_portal_exit(((struct held *)arg)->entered, 2);
}

IL_TEST(F, n122_leaving_from_the_own_loop_is_refused_and_the_context_kept)
{
	struct held h = {.p = il_test_portal(), .context = {.value = 9, .result = 1}};

	CHECK_RC(il_test_aside(enter_only, &h), 9);
	CHECK_RC(il_portal_exit(h.entered, 1), -EDEADLK);
	CHECK_RC(il_yield(), 0);
	CHECK(!h.context.left);
	CHECK_RC(il_test_aside(exit_only, &h), 2);
	CHECK_RC(il_portal_close(h.p), 0);
}

static int await_thread(void *arg)
{
	UNTIL(atomic_load(&((struct il_test_thread *)arg)->ended));
	return 0;
}

static int await_left(void *arg)
{
	UNTIL(((struct held *)arg)->context.left);
	return 0;
}

IL_TEST_OWN(F, n122_leaving_in_the_thread_of_a_loop_that_does_not_run_is_refused)
{
	struct held h = {.context = {.value = 9, .result = 1}};
	struct il_test_thread thread;
	il_loop *loop = NULL;

	CHECK_RC(il_loop_open(&loop, il_test_backend(), NULL), 0);
	CHECK_RC(il_loop_create_threads_portal(loop, &h.p), 0);
	il_test_thread_start(&thread, enter_only, &h);
	CHECK_RC(il_loop_run(loop, await_thread, &thread), 0);
	CHECK_RC(il_test_thread_join(&thread), 9);
	CHECK_RC(il_portal_exit(h.entered, 1), -EDEADLK);
	CHECK_RC(il_portal_stop(h.p, false), 0);
	CHECK_RC(il_portal_exit(h.entered, 1), -EDEADLK);
	CHECK(!h.context.left);
	CHECK_RC(il_portal_stop(h.p, true), 0);
	CHECK_RC(il_loop_run(loop, await_left, &h), 0);
	CHECK_RC(il_portal_exit(h.entered, 1), -ECANCELED);
	CHECK_RC(il_portal_close(h.p), 0);
	il_loop_destroy(loop);
}

IL_TEST(F, n122_a_context_that_has_ended_is_left_anywhere)
{
	struct held h = {.p = il_test_portal(), .context = {.value = 9, .result = 1}};

	CHECK_RC(il_test_aside(enter_only, &h), 9);
	CHECK_RC(il_portal_stop(h.p, true), 0);
	CHECK_RC(await_left(&h), 0);
	CHECK_RC(il_portal_exit(h.entered, 1), -ECANCELED);
	CHECK_RC(il_portal_close(h.p), 0);
}

IL_TEST(F, n122_stopping_the_portal_cancels_the_hold)
{
	struct held h = {.p = il_test_portal(), .context = {.value = 9, .result = 1}};

	CHECK_RC(il_test_aside(enter_only, &h), 9);
	CHECK_RC(il_portal_stop(h.p, true), 0);
	CHECK_RC(il_test_aside(exit_only, &h), -ECANCELED);
	CHECK(h.context.left);
	CHECK_RC(h.context.given, -ECANCELED);
	CHECK_RC(il_portal_close(h.p), 0);
}
