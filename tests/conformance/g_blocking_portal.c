/*
 * g_blocking_portal.c: a loop in a thread of its own: its start and its end from everywhere; and what a
 * loop does when main returns. SIGINT is in g_sigint.c, sharing one in g_provider.c.
 */
#include "aside.h"
#include "g_portal.h"
#include "objects.h"
#include "slow_backend.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static int sleep_until_told(void *arg)
{
	struct sleeper *s = arg;
	int rc = 0;

	atomic_store(&s->begun, true);
	while (rc == 0 && !atomic_load(&s->wake)) {
		il_test_pause_really();
		rc = il_yield();
	}
	atomic_store(&s->cancelled, rc == -ECANCELED);
	atomic_store(&s->ended, true);
	return s->result ? s->result : rc;
}

/* ---- 126-132: start, calls, end ---- */

struct look {
	long thread;
	char name[16];
	bool signals_blocked, backend;
};

static int look_around(void *arg)
{
	struct look *l = arg;
	const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGALRM, SIGCHLD, SIGPIPE};
	sigset_t blocked;

	l->thread = thread_id();
	l->backend = il_loop_backend(il_loop_current()) == il_test_backend();
	CHECK_EQ(prctl(PR_GET_NAME, l->name), 0);
	CHECK_EQ(pthread_sigmask(SIG_BLOCK, NULL, &blocked), 0);
	l->signals_blocked = true;
	for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
		l->signals_blocked = l->signals_blocked && sigismember(&blocked, signals[i]) == 1;
	return 12;
}

IL_TEST_OWN(G, n126_a_new_thread_runs_the_loop)
{
	il_blocking_portal_options options = {.name = "the loop"};
	il_portal *p = started();
	struct look l = {0};

	CHECK(il_loop_current() == NULL);
	CHECK_RC(il_portal_run_coroutine(p, look_around, &l), 12);
	CHECK(l.thread != thread_id() && l.thread != 0);
	CHECK(l.backend);
	CHECK_STR(l.name, "interloop");
	CHECK_RC(il_blocking_portal_stop(p), 0);
	CHECK_RC(il_blocking_portal_start(&p, il_test_backend(), &options), 0);
	CHECK_RC(il_portal_run_sync(p, look_around, &l), 12);
	CHECK_STR(l.name, "the loop");
	CHECK_RC(il_blocking_portal_stop(p), 0);
}

IL_TEST_CORE(G, n127_an_unknown_backend)
{
	const il_backend *backend = il_backend_find("no such loop");
	il_portal_provider *provider = NULL;
	il_portal *p = NULL;

	CHECK(backend == NULL);
	CHECK(strstr(il_error_detail(), "\"no such loop\": ") != NULL);
	CHECK_RC(il_blocking_portal_start(&p, backend, NULL), -ENOENT);
	CHECK_RC(il_portal_provider_create(&provider, backend, NULL), -ENOENT);
	CHECK(!p && !provider);
	CHECK_EQ(setenv("INTERLOOP_BACKEND", "nor this", 1), 0);
	CHECK(!il_backend_find(NULL));
	CHECK(strstr(il_error_detail(), "\"nor this\", which $INTERLOOP_BACKEND names: ") != NULL);
	CHECK_EQ(setenv("INTERLOOP_BACKEND", "", 1), 0);
	CHECK(!il_backend_find("")); /* a name that nobody has, while an empty variable is none */
	CHECK(strstr(il_error_detail(), "backend \"\": ") != NULL);
	il_backend_find(NULL);
	CHECK(strstr(il_error_detail(), "INTERLOOP_BACKEND") == NULL);
	CHECK_EQ(unsetenv("INTERLOOP_BACKEND"), 0);
}

static int refuse_to_open(void **self, void *native, il_loop *loop)
{
	(void)self;
	(void)native;
	(void)loop;
	return il_driver_refuse(-EMFILE, "out of everything");
}

IL_TEST_OWN(G, n127_a_loop_that_cannot_start_gives_its_error)
{
	il_backend broken = *il_test_backend();
	il_portal_provider *provider = NULL;
	il_portal *p = NULL;

	broken.driver.open = refuse_to_open;
	CHECK_RC(il_blocking_portal_start(&p, &broken, NULL), -EMFILE);
	CHECK(strstr(il_error_detail(), "out of everything") != NULL);
	CHECK(p == NULL);
	CHECK_RC(il_portal_provider_create(&provider, &broken, NULL), 0);
	CHECK_RC(il_portal_provider_acquire(provider, &p), -EMFILE);
	CHECK_RC(il_portal_provider_acquire(provider, &p), -EMFILE);
	CHECK_RC(il_portal_provider_release(provider), -EALREADY);
	CHECK(p == NULL);
	il_portal_provider_destroy(provider);
}

static int refuse_to_run(void *self)
{
	(void)self;
	return -EIO;
}

static int count_up(void *arg)
{
	return ++*(int *)arg;
}

IL_TEST_OWN(G, n127_a_loop_that_does_not_even_start_to_run)
{
	il_backend broken = *il_test_backend();
	il_portal *p = NULL;
	int ran = 0;

	broken.driver.run = refuse_to_run;
	CHECK_RC(il_run(&broken, count_up, &ran), -EIO);
	CHECK(strstr(il_error_detail(), il_backend_name(&broken)) != NULL);
	CHECK_EQ(ran, 0);
	CHECK_RC(il_blocking_portal_start(&p, &broken, NULL), -EIO);
	CHECK(p == NULL);
}

static int refuse_to_watch(void *self, struct il_watch *w, unsigned mask)
{
	(void)self;
	(void)w;
	return mask ? -ENOSPC : 0;
}

IL_TEST_ADOPTED(G, an_adopted_loop_that_refuses_to_watch)
{
	il_backend broken = *il_test_backend();
	void *native = il_native.create();
	il_portal *p = NULL;
	il_future *f = NULL;
	il_loop *loop = NULL;
	int ran = 0;

	broken.driver.watch = refuse_to_watch;
	CHECK_RC(il_loop_attach(&loop, &broken, native, NULL), 0);
	CHECK_RC(il_loop_create_threads_portal(loop, &p), -ENOSPC);
	CHECK(il_loop_spawn(loop, &f, count_up, &ran) < 0);
	CHECK(strstr(il_error_detail(), "wake descriptor") != NULL);
	CHECK(!p && !f);
	il_native.run(native);
	CHECK_EQ(ran, 0);
	CHECK_RC(il_loop_detach(loop), 0);
	il_native.run(native); /* libuv frees in its own callbacks */
	CHECK_EQ(il_native.destroy(native), 0);
}

IL_TEST_OWN(G, n127_an_option_out_of_range_is_refused)
{
	il_blocking_portal_options options = {.loop = {.shutdown_timeout = -1}};
	il_portal *p = NULL;

	CHECK_RC(il_blocking_portal_start(&p, il_test_backend(), &options), -EINVAL);
	CHECK(strstr(il_error_detail(), "shutdown_timeout") != NULL);
	options.loop = (il_loop_options){.thread_limit = (size_t)-2};
	CHECK_RC(il_blocking_portal_start(&p, il_test_backend(), &options), -EINVAL);
	CHECK(strstr(il_error_detail(), "thread_limit") != NULL);
	CHECK_RC(il_blocking_portal_start(NULL, il_test_backend(), NULL), -EINVAL);
	CHECK(p == NULL);
}

IL_TEST_OWN(G, n129_after_stop_new_calls_are_refused_and_running_tasks_finish)
{
	struct sleeper s = {.result = 7};
	il_portal *p = il_portal_ref(started());
	atomic_int ran = 0;
	il_future *f = NULL;

	CHECK_RC(il_portal_run_coroutine_soon(p, &f, sleep_until_told, &s), 0);
	UNTIL(atomic_load(&s.begun));
	CHECK_RC(il_portal_stop(p, false), 0);
	CHECK_RC(il_portal_run_coroutine(p, note_run, &ran), -ESHUTDOWN);
	CHECK_RC(il_portal_run_sync_soon(p, NULL, note_run, &ran), -ESHUTDOWN);
	CHECK(!il_future_done(f) && !atomic_load(&s.cancelled));
	atomic_store(&s.wake, true);
	CHECK_RC(il_blocking_portal_stop(p), 0);
	CHECK_RC(il_future_join(f), 7);
	CHECK(!atomic_load(&s.cancelled));
	CHECK_RC(il_portal_run_coroutine(p, note_run, &ran), -ESHUTDOWN);
	CHECK_RC(il_portal_run_sync(p, note_run, &ran), -ESHUTDOWN);
	CHECK_EQ(atomic_load(&ran), 0);
	il_portal_unref(p);
}

static int stop_portal(void *arg)
{
	return il_portal_stop(arg, false);
}

IL_TEST_OWN(G, n130_stopping_more_than_once)
{
	il_portal *p = started();

	CHECK_RC(il_portal_stop(p, false), 0);
	CHECK_RC(il_portal_stop(p, false), 0);
	CHECK_RC(il_portal_stop(p, true), 0);
	CHECK_RC(il_blocking_portal_stop(p), 0);
	p = started();
	CHECK_RC(il_portal_run_coroutine(p, stop_portal, p), 0);
	CHECK_RC(il_blocking_portal_stop(p), 0);
	p = started();
	CHECK_RC(il_portal_run_sync(p, stop_portal, p), 0);
	CHECK_RC(il_blocking_portal_stop(p), 0);
}

IL_TEST_OWN(G, n130_its_thread_is_joined_once)
{
	il_portal *p = il_portal_ref(started());

	CHECK_RC(il_blocking_portal_stop(p), 0);
	CHECK_RC(il_blocking_portal_stop(p), -EALREADY);
	CHECK_RC(il_portal_stop(p, true), 0);
	CHECK_RC(il_portal_run_sync(p, stop_portal, p), -ESHUTDOWN);
	il_portal_unref(p);
}

IL_TEST_OWN(G, n131_a_future_cancelled_after_stop_still_cancels_its_task)
{
	struct sleeper s = {.result = 0};
	il_portal *p = started();
	il_future *f = NULL;

	CHECK_RC(il_portal_run_coroutine_soon(p, &f, sleep_for_ever, &s), 0);
	UNTIL(atomic_load(&s.begun));
	CHECK_RC(il_portal_stop(p, false), 0);
	CHECK(il_future_cancel(f));
	CHECK_RC(il_blocking_portal_stop(p), 0);
	CHECK(atomic_load(&s.cancelled));
	CHECK_RC(il_future_join(f), -ECANCELED);
}

IL_TEST_OWN(G, n132_stopped_with_cancel_it_ends_what_sleeps_forever)
{
	struct sleeper s[3] = {{.result = 0}};
	il_portal *p = started();
	il_future *fs[3];

	for (int i = 0; i < 3; i++)
		CHECK_RC(il_portal_run_coroutine_soon(p, &fs[i], sleep_for_ever, &s[i]), 0);
	for (int i = 0; i < 3; i++)
		UNTIL(atomic_load(&s[i].begun));
	CHECK_RC(il_portal_stop(p, true), 0);
	CHECK_RC(il_blocking_portal_stop(p), 0);
	for (int i = 0; i < 3; i++) {
		CHECK(atomic_load(&s[i].cancelled));
		CHECK(il_future_done(fs[i]));
		CHECK_RC(il_future_join(fs[i]), -ECANCELED);
	}
}

static int stop_from_within(void *arg)
{
	CHECK_RC(il_blocking_portal_stop(arg), -EDEADLK);
	CHECK(strstr(il_error_detail(), "il_blocking_portal_stop") != NULL);
	return 0;
}

static int stop_in_a_callback(il_future *f, void *arg)
{
	il_portal *p = NULL;

	(void)f;
	CHECK_RC(il_blocking_portal_stop(arg), -EPERM);
	CHECK_RC(il_blocking_portal_start(&p, il_test_backend(), NULL), -EPERM);
	CHECK(p == NULL);
	return 0;
}

IL_TEST_OWN(G, where_it_cannot_be_stopped)
{
	il_portal *p = started();
	il_future *f = new_future();

	CHECK_RC(il_portal_run_coroutine(p, stop_from_within, p), 0);
	CHECK_RC(il_portal_run_sync(p, stop_from_within, p), 0);
	CHECK_RC(il_future_set_result(f, 0), 0);
	CHECK_RC(il_future_on_done(f, stop_in_a_callback, p), 0);
	il_future_unref(f);
	CHECK_RC(il_blocking_portal_stop(p), 0);
	CHECK_RC(il_blocking_portal_stop(NULL), -EINVAL);
}

IL_TEST(G, a_threads_portal_is_not_a_blocking_one)
{
	il_portal *p = il_test_portal();

	CHECK_RC(il_blocking_portal_stop(p), -EINVAL);
	CHECK_RC(il_portal_close(p), 0);
}

/* ---- 136: from a task of another loop ---- */

/* Loops that leave nothing behind in the process, and that go with any other. */
static const char *const names[] = {"virtual", "libev"};

IL_TEST(G, n136_a_task_starts_one_calls_into_it_and_stops_it)
{
	struct look l = {0};
	il_portal *p = NULL;

	CHECK_RC(il_blocking_portal_start(&p, il_test_backend(), NULL), 0);
	CHECK_RC(il_portal_run_coroutine(p, look_around, &l), 12);
	CHECK_RC(il_portal_run_sync(p, look_around, &l), 12);
	CHECK(l.thread != thread_id() && l.backend);
	CHECK_RC(il_blocking_portal_stop(p), 0);
}

IL_TEST(G, n136_its_loop_may_be_of_another_kind)
{
	struct look l = {0};
	il_portal *p = NULL;

	if (il_test_valgrind()) /* which finds fault with the dynamic loader */
		return;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		const il_backend *other = il_backend_find(names[i]);
		if (!other || other == il_test_backend())
			continue;
		CHECK_RC(il_blocking_portal_start(&p, other, NULL), 0);
		CHECK_RC(il_portal_run_coroutine(p, look_around, &l), 12);
		CHECK(!l.backend);
		CHECK_RC(il_blocking_portal_stop(p), 0);
	}
}

static int let_it_open(void *arg)
{
	(void)arg;
	UNTIL_THREAD(atomic_load(&slow.opening));
	atomic_store(&slow.go, true);
	return 0;
}

static int wake_sleeper(void *arg)
{
	struct sleeper *s = arg;

	UNTIL_THREAD(atomic_load(&s->begun));
	CHECK_RC(il_yield(), 0);
	atomic_store(&s->wake, true);
	return 0;
}

IL_TEST(G, n136_neither_start_nor_stop_blocks_the_loop)
{
	il_backend backend = slow_backend();
	struct sleeper s = {.result = 7};
	il_portal *p = NULL;
	il_future *f = NULL;
	il_group g;

	CHECK_RC(il_group_open(&g), 0);
	CHECK_RC(il_group_start_soon(&g, NULL, let_it_open, NULL), 0);
	CHECK_RC(il_blocking_portal_start(&p, &backend, NULL), 0);
	CHECK_RC(il_portal_run_coroutine_soon(p, &f, sleep_until_told, &s), 0);
	CHECK_RC(il_group_start_soon(&g, NULL, wake_sleeper, &s), 0);
	CHECK_RC(il_blocking_portal_stop(p), 0);
	CHECK_RC(il_group_close(&g, 0), 0);
	CHECK_RC(il_future_join(f), 7);
}

struct given_up {
	const il_backend *backend;
	il_scope scope;
	il_portal *p;
	int rc;
	bool returned;
};

static int start_in_scope(void *arg)
{
	struct given_up *g = arg;

	CHECK_RC(il_scope_enter(&g->scope, IL_FOREVER, 0), 0);
	g->rc = il_blocking_portal_start(&g->p, g->backend, NULL);
	g->returned = true;
	return il_scope_exit(&g->scope, g->rc);
}

IL_TEST(G, n136_a_cancelled_start_leaves_no_thread)
{
	il_backend backend = slow_backend();
	struct given_up at_once = {.backend = &backend, .scope = IL_SCOPE_INIT};
	struct given_up later = {.backend = &backend, .scope = IL_SCOPE_INIT};
	il_group g;

	CHECK_RC(il_scope_cancel(&at_once.scope), 0);
	CHECK_RC(start_in_scope(&at_once), 0);
	CHECK_RC(at_once.rc, -ECANCELED);
	CHECK(!at_once.p && !atomic_load(&slow.opening));
	CHECK_RC(il_group_open(&g), 0);
	CHECK_RC(il_group_start_soon(&g, NULL, start_in_scope, &later), 0);
	UNTIL_THREAD(atomic_load(&slow.opening));
	CHECK_RC(il_scope_cancel(&later.scope), 0);
	CHECK_RC(il_sleep(IL_MSEC(1)), 0);
	CHECK(!later.returned);
	atomic_store(&slow.go, true);
	CHECK_RC(il_group_close(&g, 0), 0);
	CHECK_RC(later.rc, -ECANCELED);
	CHECK(later.p == NULL);
}

static int stop_in_cancelled_scope(void *arg)
{
	struct given_up *g = arg;

	CHECK_RC(il_scope_enter(&g->scope, IL_FOREVER, 0), 0);
	CHECK_RC(il_scope_cancel(&g->scope), 0);
	CHECK_RC(il_blocking_portal_stop(g->p), 0);
	return il_scope_exit(&g->scope, -ECANCELED);
}

IL_TEST(G, stopping_is_shielded_and_cancels_nothing)
{
	struct given_up g = {.scope = IL_SCOPE_INIT, .p = started()};
	struct sleeper s = {.result = 6};
	il_future *f = NULL;
	il_group group;

	CHECK_RC(il_portal_run_coroutine_soon(g.p, &f, sleep_until_told, &s), 0);
	CHECK_RC(il_group_open(&group), 0);
	CHECK_RC(il_group_start_soon(&group, NULL, wake_sleeper, &s), 0);
	CHECK_RC(stop_in_cancelled_scope(&g), 0);
	CHECK(atomic_load(&s.ended) && !atomic_load(&s.cancelled));
	CHECK_RC(il_group_close(&group, 0), 0);
	CHECK_RC(il_future_join(f), 6);
}

/* ---- fork ---- */

#define EXPECT(call, code)               \
	do {                             \
		if ((call) != (code))    \
			return __LINE__; \
	} while (0)

/* In the child: 0, or the line that is wrong. */
static int check_inherited(il_portal *p)
{
	il_portal *q = NULL;
	int five = 5;

	EXPECT(il_portal_run_coroutine(p, give, &five), -ESHUTDOWN);
	EXPECT(il_portal_run_sync(p, give, &five), -ESHUTDOWN);
	EXPECT(il_portal_stop(p, true), -ESHUTDOWN);
	EXPECT(il_blocking_portal_stop(p), -ESHUTDOWN);
	if (IL_TEST_TSAN) /* it forbids threads in the child of a process with threads */
		return 0;
	EXPECT(il_blocking_portal_start(&q, il_test_backend(), NULL), 0);
	EXPECT(il_portal_run_coroutine(q, give, &five), 5);
	EXPECT(il_blocking_portal_stop(q), 0);
	return 0;
}

IL_TEST_OWN(G, after_fork_the_child_has_none_and_can_make_its_own)
{
	il_portal *p = started();
	int status = 0, five = 5;
	pid_t child = fork();

	if (child == 0)
		_exit(check_inherited(p) & 0xff);
	CHECK(child > 0);
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK(WIFEXITED(status));
	CHECK_EQ(WEXITSTATUS(status), 0);
	CHECK_RC(il_portal_run_coroutine(p, give, &five), 5);
	CHECK_RC(il_blocking_portal_stop(p), 0);
}

/* ---- 139, 140: loops inside loops, and after main ---- */

static int run_another(void *arg)
{
	int five = 5;
	il_loop *loop = arg;

	CHECK_RC(il_run(il_test_backend(), give, &five), -EBUSY);
	CHECK(strstr(il_error_detail(), "already runs") != NULL);
	return loop ? il_loop_run(loop, give, &five) : -EBUSY;
}

static int run_another_in_a_callback(il_future *f, void *arg)
{
	(void)f;
	CHECK_RC(run_another(arg), -EBUSY);
	return 0;
}

IL_TEST(G, n139_a_loop_inside_a_running_loop_is_refused)
{
	il_loop *other = NULL;
	il_future *f = new_future();

	CHECK_RC(il_loop_open(&other, il_test_backend(), NULL), 0);
	CHECK_RC(run_another(other), -EBUSY);
	CHECK_RC(il_future_set_result(f, 0), 0);
	CHECK_RC(il_future_on_done(f, run_another_in_a_callback, other), 0);
	il_future_unref(f);
	CHECK_RC(il_loop_close(other), 0);
	il_loop_destroy(other);
}

static int run_oneself(void *arg)
{
	CHECK(arg == il_loop_current());
	return run_another(arg);
}

IL_TEST_OWN(G, n139_a_loop_runs_as_often_as_one_likes_until_it_is_closed)
{
	int five = 5, error = -EIO;
	il_loop *loop = NULL;

	CHECK_RC(il_loop_open(&loop, il_test_backend(), NULL), 0);
	CHECK_RC(il_loop_run(loop, run_oneself, loop), -EBUSY);
	CHECK_RC(il_loop_run(loop, give, &five), 5);
	CHECK_RC(il_loop_run(loop, give, &error), -EIO);
	CHECK_RC(il_loop_close(loop), 0);
	CHECK_RC(il_loop_close(loop), 0);
	CHECK_RC(il_loop_run(loop, give, &five), -ESHUTDOWN);
	il_loop_destroy(loop);
}

IL_TEST_ADOPTED(G, n139_nor_is_a_second_loop_adopted)
{
	void *a = il_native.create(), *b = il_native.create();
	il_loop *loop = NULL, *second = NULL;

	CHECK_RC(il_native.attach(&loop, a, NULL), 0);
	CHECK_RC(il_native.attach(&second, b, NULL), -EBUSY);
	CHECK_RC(run_another(NULL), -EBUSY);
	CHECK_RC(il_loop_run(loop, give, NULL), -EPERM);
	CHECK_RC(il_loop_detach(loop), 0);
	il_native.run(a);
	CHECK_RC(il_native.destroy(a), 0);
	CHECK_RC(il_native.destroy(b), 0);
}

struct left_behind {
	int clean, error;
	il_future *f;
};

static int clean_up(void *arg)
{
	struct left_behind *l = arg;
	il_scope s = IL_SCOPE_INIT;

	CHECK_RC(il_sleep_forever(), -ECANCELED);
	CHECK_RC(il_scope_enter(&s, IL_FOREVER, IL_SHIELD), 0);
	CHECK_RC(il_sleep(IL_MSEC(1)), 0);
	CHECK_RC(il_scope_exit(&s, 0), 0);
	l->clean++;
	return l->error ? l->error : -ECANCELED;
}

static int leave_and_return(void *arg)
{
	struct left_behind *l = arg;
	il_portal *p = il_test_portal();

	CHECK_RC(il_loop_spawn(il_loop_current(), NULL, clean_up, l), 0);
	CHECK_RC(il_loop_spawn(il_loop_current(), &l->f, clean_up, l), 0);
	CHECK_RC(il_portal_run_coroutine_soon(p, NULL, clean_up, l), 0);
	CHECK_RC(il_sleep(IL_MSEC(1)), 0);
	CHECK_EQ(l->clean, 0);
	il_portal_unref(p);
	return 3;
}

IL_TEST_OWN(G, n140_tasks_left_behind_by_main_are_cancelled_and_clean_up)
{
	struct left_behind l = {.clean = 0};

	CHECK_RC(il_run(il_test_backend(), leave_and_return, &l), 3);
	CHECK_EQ(l.clean, 3);
	CHECK_RC(il_future_join(l.f), -ECANCELED);
	CHECK_LOGGED(IL_LOG_WARNING, "", 0);
	l = (struct left_behind){.error = -EIO};
	CHECK_RC(il_run(il_test_backend(), leave_and_return, &l), 3);
	CHECK_EQ(l.clean, 3);
	CHECK_RC(il_future_join(l.f), -EIO);
	CHECK_LOGGED(IL_LOG_WARNING, "", 2); /* the two that nobody can ask */
}
