/*
 * g_sigint.c: SIGINT while the main thread waits for a blocking portal: its calls end with -EINTR, its
 * loop ends, and what handled SIGINT before is put back.
 */
#include "g_portal.h"
#include "handlers.h"
#include "slow_backend.h"

/* TSan hands a signal on when the thread that got it calls something it knows, and a thread that waits
 * for a portal does not. The handler may run in any thread. */
static void interrupt(void)
{
	if (IL_TEST_TSAN)
		pthread_kill(pthread_self(), SIGINT);
	else
		kill(getpid(), SIGINT);
}

static il_portal *started_with_sigint(void)
{
	il_blocking_portal_options options = {.handle_sigint = true};
	il_portal *p = NULL;

	CHECK_RC(il_blocking_portal_start(&p, il_test_backend(), &options), 0);
	return p;
}

static int interrupt_when_begun(void *arg)
{
	struct sleeper *s = arg;

	UNTIL(atomic_load(&s->begun));
	interrupt();
	return 0;
}

struct two_calls {
	il_portal *p;
	struct sleeper here, there;
};

static int call_there(void *arg)
{
	struct two_calls *c = arg;

	return il_portal_run_coroutine(c->p, sleep_for_ever, &c->there);
}

IL_TEST_OWN(G, n134_sigint_ends_a_waiting_call)
{
	struct two_calls c = {.here = {.result = 0}};
	struct il_test_thread other, interrupter;
	atomic_int ran = 0;

	set_handler(SIGINT, SIG_DFL);
	c.p = started_with_sigint();
	CHECK(!handles(SIGINT, SIG_DFL));
	il_test_thread_start(&other, call_there, &c);
	UNTIL(atomic_load(&c.there.begun));
	il_test_thread_start(&interrupter, interrupt_when_begun, &c.here);
	CHECK_RC(il_portal_run_coroutine(c.p, sleep_for_ever, &c.here), -EINTR);
	CHECK(atomic_load(&c.here.cancelled) && atomic_load(&c.here.ended));
	CHECK_RC(il_test_thread_join(&other), -ECANCELED); /* not the starter's thread */
	CHECK(atomic_load(&c.there.cancelled));
	CHECK_RC(il_portal_run_sync(c.p, note_run, &ran), -EINTR);
	CHECK_RC(il_portal_run_sync_soon(c.p, NULL, note_run, &ran), -ESHUTDOWN);
	CHECK_RC(il_blocking_portal_stop(c.p), 0);
	CHECK_RC(il_test_thread_join(&interrupter), 0);
	CHECK(handles(SIGINT, SIG_DFL));
	CHECK_EQ(atomic_load(&ran), 0);
}

static int hold(void *arg)
{
	struct sleeper *s = arg;
	int rc = il_portal_hold(3);

	atomic_store(&s->cancelled, rc == -ECANCELED);
	return rc;
}

IL_TEST_OWN(G, n134_sigint_ends_every_kind_of_waiting_call)
{
	for (int how = 0; how < 3; how++) {
		struct sleeper s = {.result = how == 2 ? 8 : 0};
		struct il_test_thread interrupter;
		il_portal_context *c = NULL;
		il_portal *p;
		set_handler(SIGINT, SIG_DFL);
		p = started_with_sigint();
		il_test_thread_start(&interrupter, interrupt_when_begun, &s);
		if (how == 0) {
			CHECK_RC(il_portal_start_task(p, NULL, NULL, sleep_for_ever, &s), -EINTR);
		} else if (how == 1) {
			CHECK_RC(il_portal_enter(p, &c, hold, &s), 3);
			atomic_store(&s.begun, true);
			UNTIL(atomic_load(&s.cancelled));
			CHECK_RC(il_portal_exit(c, 0), -EINTR);
		} else {
			/* A result is not lost; the next call tells. */
			CHECK_RC(il_portal_run_coroutine(p, sleep_for_ever, &s), 8);
			CHECK_RC(il_portal_run_coroutine(p, sleep_for_ever, &s), -EINTR);
		}
		CHECK(atomic_load(&s.cancelled));
		CHECK_RC(il_test_thread_join(&interrupter), 0);
		CHECK_RC(il_blocking_portal_stop(p), 0);
		CHECK(handles(SIGINT, SIG_DFL));
	}
}

static int interrupt_now(void *arg)
{
	(void)arg;
	interrupt();
	UNTIL(handles(SIGINT, SIG_DFL)); /* the handler has run */
	return 0;
}

IL_TEST_OWN(G, n134_sigint_between_two_calls_is_not_lost)
{
	struct sleeper s = {.result = 0};
	struct il_test_thread interrupter;
	il_portal *p;
	il_future *f = NULL;

	set_handler(SIGINT, SIG_DFL);
	p = started_with_sigint();
	CHECK_RC(il_portal_run_coroutine_soon(p, &f, sleep_for_ever, &s), 0);
	il_test_thread_start(&interrupter, interrupt_now, NULL);
	CHECK_RC(il_test_thread_join(&interrupter), 0);
	CHECK_RC(il_future_join(f), -ECANCELED);
	CHECK_RC(il_blocking_portal_stop(p), -EINTR);
	CHECK(handles(SIGINT, SIG_DFL));
}

enum { ENDED = 10 };

/* By address: one of those that have ended was where the later one is. */
IL_TEST_OWN(G, n134_sigint_of_a_later_portal_is_not_told_by_one_that_has_ended)
{
	struct il_test_thread interrupter;
	il_portal *ended[ENDED], *later;
	atomic_int ran = 0;

	set_handler(SIGINT, SIG_DFL);
	for (int i = 0; i < ENDED; i++) {
		ended[i] = il_portal_ref(started_with_sigint());
		CHECK_RC(il_blocking_portal_stop(ended[i]), 0);
	}
	later = started_with_sigint();
	il_test_thread_start(&interrupter, interrupt_now, NULL);
	CHECK_RC(il_test_thread_join(&interrupter), 0);
	for (int i = 0; i < ENDED; i++) {
		CHECK_RC(il_portal_run_sync(ended[i], note_run, &ran), -ESHUTDOWN);
		il_portal_unref(ended[i]);
	}
	CHECK_RC(il_blocking_portal_stop(later), -EINTR);
	CHECK_EQ(atomic_load(&ran), 0);
}

static int start_in_a_thread(void *arg)
{
	*(il_portal **)arg = started_with_sigint();
	return 0;
}

IL_TEST_OWN(G, n134_sigint_is_left_alone_unless_it_is_ours_to_handle)
{
	struct il_test_thread thread;
	il_portal *p, *q = NULL;
	int five = 5;

	set_handler(SIGINT, SIG_DFL);
	p = started();
	CHECK(handles(SIGINT, SIG_DFL));
	CHECK_RC(il_blocking_portal_stop(p), 0);
	il_test_thread_start(&thread, start_in_a_thread, &q);
	CHECK_RC(il_test_thread_join(&thread), 0);
	CHECK(handles(SIGINT, SIG_DFL));
	CHECK_RC(il_blocking_portal_stop(q), 0);

	set_handler(SIGINT, count_signal);
	p = started_with_sigint();
	CHECK(handles(SIGINT, count_signal));
	CHECK_EQ(raise(SIGINT), 0);
	CHECK_EQ(signals_seen, 1);
	CHECK_RC(il_portal_run_coroutine(p, give, &five), 5);
	CHECK_RC(il_blocking_portal_stop(p), 0);
	CHECK(handles(SIGINT, count_signal));
	set_handler(SIGINT, SIG_DFL);
}

IL_TEST_OWN(G, n134_one_at_a_time_handles_sigint)
{
	struct sleeper s = {.result = 0};
	struct il_test_thread interrupter;
	il_portal *first, *second;
	int five = 5;

	set_handler(SIGINT, SIG_DFL);
	first = started_with_sigint();
	second = started_with_sigint();
	il_test_thread_start(&interrupter, interrupt_when_begun, &s);
	CHECK_RC(il_portal_run_coroutine(first, sleep_for_ever, &s), -EINTR);
	CHECK_RC(il_test_thread_join(&interrupter), 0);
	CHECK_RC(il_portal_run_coroutine(second, give, &five), 5);
	CHECK_RC(il_blocking_portal_stop(second), 0);
	CHECK_RC(il_blocking_portal_stop(first), 0);
	CHECK(handles(SIGINT, SIG_DFL));
}

static int interrupt_the_start(void *arg)
{
	(void)arg;
	UNTIL(atomic_load(&slow.opening));
	interrupt_now(NULL);
	atomic_store(&slow.go, true);
	return 0;
}

IL_TEST_OWN(G, n135_sigint_while_the_thread_comes_up)
{
	il_blocking_portal_options options = {.handle_sigint = true};
	il_backend backend = slow_backend();
	struct il_test_thread interrupter;
	il_portal *p = NULL;

	set_handler(SIGINT, SIG_DFL);
	il_test_thread_start(&interrupter, interrupt_the_start, NULL);
	CHECK_RC(il_blocking_portal_start(&p, &backend, &options), -EINTR);
	CHECK(p == NULL);
	CHECK_RC(il_test_thread_join(&interrupter), 0);
	CHECK(handles(SIGINT, SIG_DFL));
}

struct late_start {
	il_backend backend;
	il_scope scope;
	int rc;
};

static int start_late(void *arg)
{
	il_blocking_portal_options options = {.handle_sigint = true};
	struct late_start *s = arg;
	il_portal *p = NULL;

	CHECK_RC(il_scope_enter(&s->scope, IL_FOREVER, 0), 0);
	s->rc = il_blocking_portal_start(&p, &s->backend, &options);
	CHECK(p == NULL);
	return il_scope_exit(&s->scope, 0);
}

/* The task is cancelled first; that the SIGINT came is told all the same, for nobody else can. */
static int give_up_and_interrupt(void *arg)
{
	struct late_start *s = arg;
	il_group g;

	CHECK_RC(il_group_open(&g), 0);
	CHECK_RC(il_group_start_soon(&g, NULL, start_late, s), 0);
	UNTIL(atomic_load(&slow.opening));
	CHECK_RC(il_scope_cancel(&s->scope), 0);
	CHECK_RC(il_sleep(IL_MSEC(1)), 0);
	interrupt();
	CHECK_RC(il_sleep(IL_MSEC(1)), 0);
	atomic_store(&slow.go, true);
	return il_group_close(&g, 0);
}

IL_TEST_OWN(G, n135_sigint_while_a_start_is_given_up)
{
	struct late_start s = {.backend = slow_backend(), .scope = IL_SCOPE_INIT};
	il_loop *loop;

	set_handler(SIGINT, SIG_DFL);
	CHECK_RC(il_loop_open(&loop, il_test_backend(), NULL), 0);
	CHECK_RC(il_loop_run(loop, give_up_and_interrupt, &s), 0);
	il_loop_destroy(loop);
	CHECK_RC(s.rc, -EINTR);
	CHECK(handles(SIGINT, SIG_DFL));
}
