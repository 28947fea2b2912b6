/*
 * d_to_thread.c: il_run_in_thread: one blocking call in a worker thread, under a limiter, cancelled, abandoned
 * or not; and whose the argument is then.
 */
#include "no_threads.h"
#include "waits.h"
#include "workers.h"

#include <stdio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* A task that runs `fn` in a thread, inside a scope that the test cancels. */
struct sent {
	il_scope scope;
	il_fn *fn;
	void *arg;
	const il_run_in_thread_options *options;
	bool ended;
	int rc, after;
	char why[200]; /* words are a task's own */
};

static int call_away(void *arg)
{
	struct sent *s = arg;

	CHECK_RC(il_scope_enter(&s->scope, IL_FOREVER, 0), 0);
	s->rc = il_run_in_thread_with(s->fn, s->arg, s->options);
	snprintf(s->why, sizeof s->why, "%s", il_error_detail());
	s->after = il_check_cancelled();
	s->ended = true;
	return il_scope_exit(&s->scope, s->after);
}

IL_TEST(D, n76_in_a_cancelled_scope_nothing_is_called)
{
	il_scope scope = IL_SCOPE_INIT;
	atomic_int ran = 0;
	bool abandoned = true;
	il_run_in_thread_options options = {.abandon_on_cancel = true, .abandoned = &abandoned};
	int threads = count_threads();

	CHECK_RC(il_scope_enter(&scope, IL_FOREVER, 0), 0);
	CHECK_RC(il_scope_cancel(&scope), 0);
	CHECK_RC(il_run_in_thread(count_in, &ran), -ECANCELED);
	CHECK_RC(il_loop_run_in_thread(il_loop_current(), count_in, &ran), -ECANCELED);
	CHECK_RC(il_run_in_thread_with(stay, NULL, &options), -ECANCELED);
	CHECK(!abandoned);
	CHECK_EQ(il_threads_active(), 0);
	CHECK_EQ(il_limiter_borrowed(il_thread_limiter()), 0);
	CHECK_EQ(count_threads(), threads);
	CHECK_RC(il_scope_exit(&scope, -ECANCELED), 0);
	CHECK_EQ(ran, 0);
}

struct place {
	pthread_t thread;
	il_loop *loop;
	const char *task;
	int sleeping, result;
};

static int look_around(void *arg)
{
	struct place *p = arg;

	p->thread = pthread_self();
	p->loop = il_loop_current();
	p->task = il_task_name();
	p->sleeping = il_sleep(0);
	return p->result;
}

IL_TEST(D, n77_the_function_runs_elsewhere_and_its_error_comes_back)
{
	struct place p = {.result = -EIO};

	CHECK_RC(il_run_in_thread(look_around, &p), -EIO);
	CHECK(!pthread_equal(p.thread, pthread_self()));
	CHECK(p.loop == NULL);
	CHECK(p.task == NULL);
	CHECK_RC(p.sleeping, -EPERM);
	p.result = 12;
	CHECK_RC(il_loop_run_in_thread(il_loop_current(), look_around, &p), 12);
	p.result = -ECANCELED; /* its own; nobody cancelled anything */
	CHECK_RC(il_run_in_thread(look_around, &p), -ECANCELED);
	CHECK_RC(il_check_cancelled(), 0);
	CHECK_RC(il_run_in_thread(NULL, NULL), -EINVAL);
}

/* ---- abandoned calls ---- */

struct given {
	struct gate g;
	atomic_int released;
};

static int stay_with(void *arg)
{
	return stay(&((struct given *)arg)->g);
}

static void release(void *arg)
{
	atomic_fetch_add(&((struct given *)arg)->released, 1);
}

IL_TEST(D, n79_an_abandoned_call_is_left_at_once)
{
	struct given given = {.g.result = 5};
	bool abandoned = false;
	il_run_in_thread_options options = {
	    .abandon_on_cancel = true, .release = release, .abandoned = &abandoned};
	struct sent s = {
	    .scope = IL_SCOPE_INIT, .fn = stay_with, .arg = &given, .options = &options};
	il_group g;

	CHECK_RC(il_group_open(&g), 0);
	CHECK_RC(il_group_start_soon(&g, NULL, call_away, &s), 0);
	UNTIL_THREAD(atomic_load(&given.g.begun) == 1);
	CHECK_RC(il_scope_cancel(&s.scope), 0);
	CHECK_RC(il_group_close(&g, 0), 0);
	CHECK_RC(s.rc, -ECANCELED);
	CHECK(il_scope_caught(&s.scope));
	CHECK(abandoned);
	CHECK_EQ(given.g.ended, 0);
	CHECK_EQ(given.released, 0);
	/* Its token goes back when the thread ends. */
	CHECK_EQ(il_threads_active(), 1);
	CHECK_EQ(il_limiter_borrowed(il_thread_limiter()), 1);
	atomic_store(&given.g.open, true);
	CHECK_RC(il_threads_wait(), 0);
	CHECK_EQ(given.g.ended, 1);
	CHECK_EQ(given.released, 1);
	CHECK_EQ(il_limiter_borrowed(il_thread_limiter()), 0);
}

struct released_slowly {
	struct gate g; /* first */
	atomic_bool begun;
	atomic_int served; /* calls, meanwhile */
	bool seen;
};

static void release_slowly(void *arg)
{
	struct released_slowly *r = arg;
	const il_time limit = il_now() + il_test_patience();

	atomic_store(&r->begun, true);
	while (!atomic_load(&r->served) && il_now() < limit)
		il_test_pause_really();
	r->seen = atomic_load(&r->served);
}

IL_TEST(D, a_release_that_takes_long_holds_up_no_other_call)
{
	struct released_slowly r = {.seen = false};
	bool abandoned = false;
	il_run_in_thread_options options = {
	    .abandon_on_cancel = true, .release = release_slowly, .abandoned = &abandoned};
	struct sent s = {.scope = IL_SCOPE_INIT, .fn = stay, .arg = &r, .options = &options};
	il_group g;

	CHECK_RC(il_group_open(&g), 0);
	CHECK_RC(il_group_start_soon(&g, NULL, call_away, &s), 0);
	UNTIL_THREAD(atomic_load(&r.g.begun) == 1);
	CHECK_RC(il_scope_cancel(&s.scope), 0);
	CHECK_RC(il_group_close(&g, 0), 0);
	CHECK(abandoned);
	atomic_store(&r.g.open, true);
	UNTIL_THREAD(atomic_load(&r.begun));
	CHECK_RC(il_run_in_thread(count_in, &r.served), 0);
	CHECK_RC(il_threads_wait(), 0);
	CHECK(r.seen);
}

IL_TEST_FIFO(D, a_release_of_a_call_that_is_cancelled_when_it_ends_holds_up_no_other_call)
{
	for (size_t i = 0; i < il_test_rounds(200); i++) {
		struct released_slowly r = {.seen = false};
		bool abandoned = false;
		il_run_in_thread_options options = {
		    .abandon_on_cancel = true, .release = release_slowly, .abandoned = &abandoned};
		struct sent s = {
		    .scope = IL_SCOPE_INIT, .fn = stay, .arg = &r, .options = &options};
		il_group g;
		CHECK_RC(il_group_open(&g), 0);
		CHECK_RC(il_group_start_soon(&g, NULL, call_away, &s), 0);
		UNTIL_THREAD(atomic_load(&r.g.begun) == 1);
		atomic_store(&r.g.open, true);
		while (!atomic_load(&r.g.ended))
			;
		for (volatile size_t spin = 0; spin < 10 * (i % 40); spin++)
			;
		CHECK_RC(il_scope_cancel(&s.scope), 0);
		CHECK_RC(il_group_close(&g, 0), 0);
		if (abandoned)
			UNTIL_THREAD(atomic_load(&r.begun));
		CHECK_RC(il_run_in_thread(count_in, &r.served), 0);
		CHECK_RC(il_threads_wait(), 0);
		CHECK_EQ(r.seen, abandoned);
	}
}

IL_TEST(D, n79_an_abandonable_call_that_is_not_cancelled_is_as_any_other)
{
	struct given given = {.g = {.open = true, .result = -EIO}};
	bool abandoned = true;
	il_run_in_thread_options options = {
	    .abandon_on_cancel = true, .release = release, .abandoned = &abandoned};

	CHECK_RC(il_run_in_thread_with(stay_with, &given, &options), -EIO);
	CHECK(!abandoned);
	CHECK_EQ(given.released, 0);
	CHECK_EQ(given.g.ended, 1);
}

IL_TEST(D, n79_an_argument_needs_somebody_to_release_it)
{
	atomic_int ran = 0;
	bool abandoned;
	il_run_in_thread_options neither = {.abandon_on_cancel = true};
	il_run_in_thread_options no_release = {.abandon_on_cancel = true, .abandoned = &abandoned};
	il_run_in_thread_options no_flag = {.abandon_on_cancel = true, .release = release};

	CHECK_RC(il_run_in_thread_with(count_in, &ran, &neither), -EINVAL);
	CHECK_RC(il_run_in_thread_with(count_in, &ran, &no_release), -EINVAL);
	CHECK_RC(il_run_in_thread_with(count_in, &ran, &no_flag), -EINVAL);
	CHECK_EQ(ran, 0);
}

static int refuse_the_call(void *arg)
{
	return il_run_in_thread_with(NULL, NULL, arg);
}

/* Whoever reads it after any return learns that arg is still the caller's. */
IL_TEST(D, n79_a_refused_call_says_that_nothing_was_abandoned)
{
	bool abandoned = true;
	il_run_in_thread_options options = {
	    .abandon_on_cancel = true, .release = release, .abandoned = &abandoned};
	il_portal *p = NULL;
	il_future *f;

	CHECK_RC(refuse_the_call(&options), -EINVAL);
	CHECK(!abandoned);
	abandoned = true;
	CHECK_RC(il_loop_create_threads_portal(il_loop_current(), &p), 0);
	CHECK_RC(il_portal_run_sync_soon(p, &f, refuse_the_call, &options), 0);
	CHECK_RC(il_future_join(f), -EPERM); /* not in a task */
	CHECK(!abandoned);
	CHECK_RC(il_portal_close(p), 0);
}

static int spin_a_little(void *arg)
{
	for (volatile size_t spin = 0; spin < *(size_t *)arg; spin++)
		;
	return 3;
}

static void count_release(void *arg)
{
	*((size_t *)arg + 1) += 1;
}

/* Whoever has the argument has it alone: either `abandoned` and one release, or neither. */
IL_TEST_FIFO(D, n79_cancelling_races_with_the_end_of_the_thread)
{
	enum { ROUNDS = 250 };
	size_t rounds = il_test_virtual() ? il_test_rounds(60) : il_test_rounds(ROUNDS);
	static size_t args[ROUNDS][2]; /* how long, and how often released */
	static bool abandoned[ROUNDS];

	for (size_t i = 0; i < rounds; i++) {
		il_run_in_thread_options options = {.abandon_on_cancel = true,
						    .name = "racer",
						    .release = count_release,
						    .abandoned = &abandoned[i]};
		struct sent s = {.scope = IL_SCOPE_INIT,
				 .fn = spin_a_little,
				 .arg = args[i],
				 .options = &options};
		il_group g;
		args[i][0] = 60 * (i % 40);
		args[i][1] = 0;
		CHECK_RC(il_group_open(&g), 0);
		CHECK_RC(il_group_start_soon(&g, NULL, call_away, &s), 0);
		while (il_threads_active() == 0 && !s.ended)
			CHECK_RC(il_yield(), 0);
		for (volatile size_t spin = 0; spin < 60 * (i % 30); spin++)
			;
		CHECK_RC(il_scope_cancel(&s.scope), 0);
		CHECK_RC(il_group_close(&g, 0), 0);
		CHECK(s.rc == 3 || s.rc == -ECANCELED);
		CHECK(s.rc == -ECANCELED || !abandoned[i]);
	}
	CHECK_RC(il_threads_wait(), 0);
	for (size_t i = 0; i < rounds; i++)
		CHECK_EQ(args[i][1], abandoned[i]);
}

static int dawdle(void *arg)
{
	(void)arg;
	nanosleep(&(struct timespec){.tv_nsec = 20000}, NULL);
	return 0;
}

IL_TEST_FIFO(D, n79_abandoned_is_abandoned_though_the_thread_ends_first)
{
	struct given given = {.g.result = 5};
	bool abandoned = false;
	il_run_in_thread_options options = {
	    .abandon_on_cancel = true, .release = release, .abandoned = &abandoned};
	struct sent s = {
	    .scope = IL_SCOPE_INIT, .fn = stay_with, .arg = &given, .options = &options};
	il_group g;

	CHECK_RC(il_group_open(&g), 0);
	CHECK_RC(il_group_start_soon(&g, NULL, call_away, &s), 0);
	UNTIL_THREAD(atomic_load(&given.g.begun) == 1);
	for (int i = 0; i < 100; i++)
		CHECK_RC(il_group_start_soon(&g, NULL, dawdle, NULL), 0);
	CHECK_RC(il_scope_cancel(&s.scope), 0);
	atomic_store(&given.g.open, true);
	/* Its task is the last in the queue: the loop hears of the thread's end before it runs. */
	while (atomic_load(&given.released) == 0)
		dawdle(NULL);
	for (int i = 0; i < 20; i++)
		dawdle(NULL);
	CHECK_RC(il_group_close(&g, 0), 0);
	CHECK_RC(s.rc, -ECANCELED);
	CHECK(abandoned);
	CHECK_EQ(given.released, 1);
}

/* ---- after the loop ---- */

struct survivor {
	struct gate g;
	atomic_int released;
	il_scope scope;
	int task, plain, cancelled;
};

static int answer_one(void *arg)
{
	(void)arg;
	return 1;
}

static int call_into_the_past(void *arg)
{
	struct survivor *s = arg;

	stay(&s->g);
	s->task = il_from_thread_run(answer_one, NULL);
	s->plain = il_from_thread_run_sync(answer_one, NULL);
	s->cancelled = il_from_thread_check_cancelled();
	return 0;
}

static void release_survivor(void *arg)
{
	atomic_fetch_add(&((struct survivor *)arg)->released, 1);
}

static int abandon_survivor(void *arg)
{
	struct survivor *s = arg;
	bool abandoned = false;
	il_run_in_thread_options options = {
	    .abandon_on_cancel = true, .release = release_survivor, .abandoned = &abandoned};

	CHECK_RC(il_scope_enter(&s->scope, IL_FOREVER, 0), 0);
	CHECK_RC(il_run_in_thread_with(call_into_the_past, s, &options), -ECANCELED);
	CHECK(abandoned);
	return il_scope_exit(&s->scope, -ECANCELED);
}

static int abandon_and_end(void *arg)
{
	struct survivor *s = arg;
	il_group g;

	CHECK_RC(il_group_open(&g), 0);
	CHECK_RC(il_group_start_soon(&g, NULL, abandon_survivor, s), 0);
	UNTIL_THREAD(atomic_load(&s->g.begun) == 1);
	CHECK_RC(il_scope_cancel(&s->scope), 0);
	return il_group_close(&g, 0);
}

IL_TEST_OWN(D, n80_an_abandoned_thread_may_end_after_its_loop)
{
	struct survivor s = {.scope = IL_SCOPE_INIT};

	CHECK_RC(il_run(il_test_backend(), abandon_and_end, &s), 0);
	CHECK_EQ(s.g.ended, 0);
	atomic_store(&s.g.open, true);
	UNTIL(atomic_load(&s.released) == 1);
	CHECK_RC(s.task, -ESHUTDOWN);
	CHECK_RC(s.plain, -ESHUTDOWN);
	CHECK_RC(s.cancelled, -ECANCELED);
	CHECK_EQ(il_test_logged(IL_LOG_ERROR, "") + il_test_logged(IL_LOG_WARNING, ""), 0);
}

IL_TEST_OWN(D, n80_closing_the_loop_races_with_the_end_of_the_thread)
{
	for (size_t i = 0; i < il_test_rounds(200); i++) {
		struct survivor s = {.scope = IL_SCOPE_INIT};
		il_loop *loop = NULL;
		CHECK_RC(il_loop_open(&loop, il_test_backend(), NULL), 0);
		CHECK_RC(il_loop_run(loop, abandon_and_end, &s), 0);
		atomic_store(&s.g.open, true);
		for (volatile size_t spin = 0; spin < 150 * (i % 40); spin++)
			;
		il_loop_destroy(loop);
		UNTIL(atomic_load(&s.released) == 1);
	}
}

/* ---- queued calls ---- */

IL_TEST(D, n81_a_queued_call_whose_future_is_cancelled_is_skipped)
{
	il_executor *ex = new_pool(1);
	struct gate g = {.result = 0};
	atomic_int ran = 0;
	il_future *busy = occupy(ex, &g), *queued = submitted(ex, count_in, &ran);
	il_future *last = submitted(ex, count_in, &ran);

	CHECK(il_future_cancel(queued));
	CHECK(il_future_done(queued));
	CHECK_RC(il_future_result(queued, 0), -ECANCELED);
	atomic_store(&g.open, true);
	CHECK_RC(finished(busy), 0);
	CHECK_RC(finished(last), 0);
	CHECK_EQ(ran, 1);
	il_future_unref(queued);
	il_executor_destroy(ex);
}

IL_TEST(D, n81_a_call_that_waits_for_a_token_is_never_made)
{
	struct gate g = {.result = 0};
	atomic_int ran = 0;
	il_limiter *limiter = NULL;
	il_run_in_thread_options options = {.limiter = NULL};
	struct sent busy = {.scope = IL_SCOPE_INIT, .fn = stay, .arg = &g, .options = &options};
	struct sent waits = {
	    .scope = IL_SCOPE_INIT, .fn = count_in, .arg = &ran, .options = &options};
	il_group group;

	CHECK_RC(il_limiter_create(&limiter, 1), 0);
	options.limiter = limiter;
	CHECK_RC(il_group_open(&group), 0);
	CHECK_RC(il_group_start_soon(&group, NULL, call_away, &busy), 0);
	UNTIL_THREAD(atomic_load(&g.begun) == 1);
	CHECK_RC(il_group_start_soon(&group, NULL, call_away, &waits), 0);
	UNTIL_THREAD(il_limiter_get_statistics(limiter).waiting == 1);
	CHECK_RC(il_scope_cancel(&waits.scope), 0);
	UNTIL_THREAD(il_scope_caught(&waits.scope));
	CHECK_RC(waits.rc, -ECANCELED);
	CHECK_EQ(il_limiter_get_statistics(limiter).waiting, 0);
	atomic_store(&g.open, true);
	CHECK_RC(il_group_close(&group, 0), 0);
	CHECK_RC(busy.rc, 0);
	CHECK_EQ(ran, 0);
	CHECK_EQ(il_limiter_borrowed(limiter), 0);
	il_limiter_destroy(limiter);
}

/* ---- limiters ---- */

IL_TEST(D, n82_a_limiter_of_three_lets_three_threads_run)
{
	struct gate g = {.result = 0};
	il_limiter *limiter = NULL;
	il_run_in_thread_options options = {.limiter = NULL};
	struct sent s[4];
	il_group group;

	CHECK_RC(il_limiter_create(&limiter, 3), 0);
	options.limiter = limiter;
	CHECK_RC(il_group_open(&group), 0);
	for (int i = 0; i < 4; i++) {
		s[i] = (struct sent){
		    .scope = IL_SCOPE_INIT, .fn = stay, .arg = &g, .options = &options};
		CHECK_RC(il_group_start_soon(&group, NULL, call_away, &s[i]), 0);
	}
	UNTIL_THREAD(atomic_load(&g.begun) == 3 && il_limiter_get_statistics(limiter).waiting == 1);
	CHECK_EQ(il_limiter_borrowed(limiter), 3);
	CHECK_EQ(il_limiter_available(limiter), 0);
	CHECK_EQ(il_threads_active(), 3);
	CHECK_EQ(il_limiter_borrowed(il_thread_limiter()), 0);
	CHECK_EQ(g.begun, 3);
	atomic_store(&g.open, true);
	CHECK_RC(il_group_close(&group, 0), 0);
	CHECK_EQ(g.ended, 4);
	CHECK_EQ(il_limiter_borrowed(limiter), 0);
	il_limiter_destroy(limiter);
}

IL_TEST(D, n82_forty_is_the_default)
{
	CHECK_EQ(il_limiter_total(il_thread_limiter()), 40);
	CHECK_RC(il_limiter_set_total(il_thread_limiter(), 2), 0);
	CHECK_EQ(il_limiter_available(il_thread_limiter()), 2);
}

struct two_calls {
	struct gate g;
	il_limiter *limiter;
	il_time patience;
};

static int send_on_behalf(void *arg)
{
	struct two_calls *t = arg;
	il_run_in_thread_options options = {.limiter = t->limiter};

	return il_run_in_thread_with(stay, &t->g, &options);
}

IL_TEST(D, n84_each_call_borrows_for_itself)
{
	struct two_calls t = {.limiter = NULL};
	il_group group;

	CHECK_RC(il_limiter_create(&t.limiter, 3), 0);
	CHECK_RC(il_limiter_acquire(t.limiter), 0); /* this task has one itself */
	CHECK_RC(il_group_open(&group), 0);
	CHECK_RC(il_group_start_soon(&group, NULL, send_on_behalf, &t), 0);
	CHECK_RC(il_group_start_soon(&group, NULL, send_on_behalf, &t), 0);
	UNTIL_THREAD(atomic_load(&t.g.begun) == 2);
	CHECK_EQ(il_limiter_borrowed(t.limiter), 3);
	atomic_store(&t.g.open, true);
	CHECK_RC(il_group_close(&group, 0), 0);
	CHECK_EQ(il_limiter_borrowed(t.limiter), 1);
	CHECK_RC(send_on_behalf(&t), 0); /* and one more on its behalf */
	CHECK_RC(il_limiter_release(t.limiter), 0);
	il_limiter_destroy(t.limiter);
}

IL_TEST(D, n84_a_task_that_holds_the_last_token_waits)
{
	struct two_calls t = {.g.open = true};

	CHECK_RC(il_limiter_create(&t.limiter, 1), 0);
	CHECK_RC(il_limiter_acquire(t.limiter), 0);
	CHECK_RC(il_fail_after(IL_MSEC(5), send_on_behalf, &t), -ETIMEDOUT);
	CHECK_EQ(t.g.begun, 0);
	CHECK_EQ(il_limiter_borrowed(t.limiter), 1);
	CHECK_RC(il_limiter_release(t.limiter), 0);
	CHECK_RC(il_fail_after(IL_SEC(60), send_on_behalf, &t), 0);
	il_limiter_destroy(t.limiter);
}

static int send_under_a_deadline(void *arg)
{
	return il_fail_after(((struct two_calls *)arg)->patience, send_on_behalf, arg);
}

static int call_back_and_send(void *arg)
{
	return il_from_thread_run(send_under_a_deadline, arg);
}

IL_TEST(D, n85_the_same_call_gets_no_second_token)
{
	struct two_calls t = {.g.open = true, .patience = IL_MSEC(5)};
	il_run_in_thread_options options = {.limiter = NULL};

	CHECK_RC(il_limiter_create(&t.limiter, 1), 0);
	options.limiter = t.limiter;
	CHECK_RC(il_run_in_thread_with(call_back_and_send, &t, &options), -ETIMEDOUT);
	CHECK_EQ(t.g.begun, 0);
	CHECK_RC(il_limiter_set_total(t.limiter, 2), 0);
	t.patience = IL_SEC(60);
	CHECK_RC(il_run_in_thread_with(call_back_and_send, &t, &options), 0);
	CHECK_EQ(t.g.begun, 1);
	CHECK_EQ(il_limiter_borrowed(t.limiter), 0);
	il_limiter_destroy(t.limiter);
}

IL_TEST(D, n86_without_a_thread_the_token_is_given_back)
{
	bool abandoned = true;
	il_run_in_thread_options options = {
	    .abandon_on_cancel = true, .release = release, .abandoned = &abandoned};
	struct given given = {.released = 0};
	atomic_int ran = 0;
	pthread_attr_t attr;

	forbid_threads(&attr);
	CHECK_RC(il_run_in_thread(count_in, &ran), NO_THREAD);
	CHECK(*il_error_detail() != '\0');
	CHECK_RC(il_run_in_thread_with(stay_with, &given, &options), NO_THREAD);
	CHECK(!abandoned);
	CHECK_EQ(il_limiter_borrowed(il_thread_limiter()), 0);
	CHECK_EQ(il_threads_active(), 0);
	allow_threads(&attr);
	CHECK_EQ(ran, 0);
	CHECK_EQ(given.released, 0);
	CHECK_RC(il_run_in_thread(count_in, &ran), 0);
	CHECK_EQ(ran, 1);
}

IL_TEST(D, n86_a_call_does_not_wait_for_the_thread_of_another)
{
	struct gate g = {.result = 0};
	struct sent s = {.scope = IL_SCOPE_INIT, .fn = stay, .arg = &g};
	atomic_int ran = 0;
	pthread_attr_t attr;
	il_group group;

	CHECK_RC(il_group_open(&group), 0);
	CHECK_RC(il_group_start_soon(&group, NULL, call_away, &s), 0);
	UNTIL_THREAD(atomic_load(&g.begun) == 1);
	forbid_threads(&attr);
	CHECK_RC(il_run_in_thread(count_in, &ran), NO_THREAD);
	allow_threads(&attr);
	CHECK_EQ(il_limiter_borrowed(il_thread_limiter()), 1);
	CHECK_EQ(il_threads_active(), 1);
	atomic_store(&g.open, true);
	CHECK_RC(il_group_close(&group, 0), 0);
	CHECK_EQ(ran, 0);
}

IL_TEST(D, n86_a_token_that_cannot_be_given_back_is_an_error)
{
	struct gate g = {.result = -EPIPE};
	il_limiter *limiter = NULL;
	il_run_in_thread_options options = {.limiter = NULL};
	struct sent s = {.scope = IL_SCOPE_INIT, .fn = stay, .arg = &g, .options = &options};
	const void *borrower = NULL;
	il_group group;

	CHECK_RC(il_limiter_create(&limiter, 1), 0);
	options.limiter = limiter;
	CHECK_RC(il_group_open(&group), 0);
	CHECK_RC(il_group_start_soon(&group, NULL, call_away, &s), 0);
	UNTIL_THREAD(atomic_load(&g.begun) == 1);
	CHECK_EQ(il_limiter_borrowers(limiter, &borrower, 1), 1);
	CHECK_RC(il_limiter_release_on_behalf_of(limiter, borrower), 0);
	atomic_store(&g.open, true);
	CHECK_RC(il_group_close(&group, 0), 0);
	CHECK_RC(s.rc, -EALREADY);
	CHECK(strstr(s.why, "EPIPE") != NULL); /* the function's own is told there */
	il_limiter_destroy(limiter);
}

/* ---- threads ---- */

static int note_thread(void *arg)
{
	*(pthread_t *)arg = pthread_self();
	return 0;
}

IL_TEST(D, n87_five_calls_in_turn_use_one_thread)
{
	pthread_t threads[5];
	int before = count_threads();

	for (int i = 0; i < 5; i++)
		CHECK_RC(il_run_in_thread(note_thread, &threads[i]), 0);
	for (int i = 1; i < 5; i++)
		CHECK(pthread_equal(threads[i], threads[0]));
	CHECK_EQ(count_threads(), before + 1);
}

static int run_one(void *arg)
{
	return il_run_in_thread(count_in, arg);
}

IL_TEST_OWN(D, n87_the_thread_ends_with_the_loop)
{
	atomic_int ran = 0;
	int before = count_threads();

	CHECK_RC(il_run(il_test_backend(), run_one, &ran), 0);
	UNTIL(count_threads() == before); /* joined, it may be in the table for a moment */
	CHECK_EQ(ran, 1);
}

/* What a thread does at its very end. */
struct farewell {
	pthread_key_t key;
	atomic_bool said;
};

static void say_farewell(void *arg)
{
	struct farewell *f = arg;

	/* Whoever does not wait for it is seen. */
	nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
	atomic_store(&f->said, true);
}

static int prepare_farewell(void *arg)
{
	struct farewell *f = arg;

	return -pthread_setspecific(f->key, f);
}

static int run_farewell(void *arg)
{
	return il_run_in_thread(prepare_farewell, arg);
}

IL_TEST_OWN(D, n87_an_idle_thread_has_ended_when_its_loop_is_closed)
{
	struct farewell f = {.said = false};

	CHECK_EQ(pthread_key_create(&f.key, say_farewell), 0);
	CHECK_RC(il_run(il_test_backend(), run_farewell, &f), 0);
	CHECK(atomic_load(&f.said));
	CHECK_EQ(pthread_key_delete(f.key), 0);
}

static il_local colour = {"colour"};
static const char red[] = "red", green[] = "green";

static int see_and_change(void *arg)
{
	*(const void **)arg = il_local_get(&colour);
	return il_local_set(&colour, (void *)(uintptr_t)green);
}

IL_TEST(D, n89_the_function_sees_the_locals_and_cannot_change_them)
{
	const void *seen = NULL;

	CHECK_RC(il_local_set(&colour, (void *)(uintptr_t)red), 0);
	CHECK_RC(il_run_in_thread(see_and_change, &seen), 0);
	CHECK(seen == red);
	CHECK(il_local_get(&colour) == red);
	CHECK_RC(il_local_set(&colour, NULL), 0);
	CHECK_RC(il_run_in_thread(see_and_change, &seen), 0);
	CHECK(seen == NULL); /* the same thread has kept nothing of the first call */
}

static int wait_on_the_loop(void *arg)
{
	return il_from_thread_run(wait_event, arg);
}

static int wait_for_all_threads(void *arg)
{
	CHECK_RC(il_threads_wait(), 0);
	*(bool *)arg = true;
	return 0;
}

IL_TEST(D, n90_waiting_until_all_threads_have_ended)
{
	il_event *events[2];
	struct sent s[2];
	bool all = false;
	il_group group;

	CHECK_RC(il_threads_wait(), 0);
	CHECK_RC(il_group_open(&group), 0);
	for (int i = 0; i < 2; i++) {
		CHECK_RC(il_event_create(&events[i]), 0);
		s[i] =
		    (struct sent){.scope = IL_SCOPE_INIT, .fn = wait_on_the_loop, .arg = events[i]};
		CHECK_RC(il_group_start_soon(&group, NULL, call_away, &s[i]), 0);
	}
	UNTIL_THREAD(il_threads_active() == 2);
	CHECK_RC(il_group_start_soon(&group, NULL, wait_for_all_threads, &all), 0);
	for (int i = 0; i < 2; i++) {
		CHECK_EQ(il_threads_active(), 2 - i);
		CHECK(!all);
		CHECK_RC(il_event_set(events[i]), 0);
		UNTIL_THREAD(il_threads_active() == (size_t)(1 - i));
	}
	CHECK_RC(il_group_close(&group, 0), 0);
	CHECK(all);
	CHECK_RC(il_threads_wait(), 0);
	for (int i = 0; i < 2; i++)
		il_event_destroy(events[i]);
}

/* ---- what has no number ---- */

IL_TEST(D, a_running_call_is_waited_for_and_keeps_its_result)
{
	struct gate g = {.result = 21};
	struct sent s = {.scope = IL_SCOPE_INIT, .fn = stay, .arg = &g};
	il_group group;

	CHECK_RC(il_group_open(&group), 0);
	CHECK_RC(il_group_start_soon(&group, NULL, call_away, &s), 0);
	UNTIL_THREAD(atomic_load(&g.begun) == 1);
	CHECK_RC(il_scope_cancel(&s.scope), 0);
	CHECK_RC(il_yield(), 0);
	CHECK_RC(il_yield(), 0);
	CHECK(!il_scope_caught(&s.scope));
	atomic_store(&g.open, true);
	CHECK_RC(il_group_close(&group, 0), 0);
	CHECK_RC(s.rc, 21);
	CHECK_RC(s.after, -ECANCELED);
}

static int dive(void *arg);

static int come_up(void *arg)
{
	return --*(int *)arg > 0 ? il_run_in_thread(dive, arg) : 77;
}

static int dive(void *arg)
{
	CHECK(il_loop_current() == NULL);
	return il_from_thread_run(come_up, arg);
}

IL_TEST(D, threads_and_tasks_may_call_each_other_in_turn)
{
	int depth = 5;

	CHECK_RC(il_run_in_thread(dive, &depth), 77);
	CHECK_EQ(depth, 0);
	CHECK_EQ(il_threads_active(), 0);
}

static int check_thread_limit(void *arg)
{
	CHECK_EQ(il_limiter_total(il_thread_limiter()), *(size_t *)arg);
	return 0;
}

IL_TEST_OWN(D, the_number_of_threads_is_an_option_of_the_loop)
{
	il_loop_options options = {.thread_limit = 41};
	il_loop *loop = NULL;

	CHECK_RC(il_loop_open(&loop, il_test_backend(), &options), 0);
	CHECK_RC(il_loop_run(loop, check_thread_limit, &options.thread_limit), 0);
	il_loop_destroy(loop);
}

static int run_in_a_thread_of(void *arg)
{
	atomic_int ran = 0;

	CHECK_RC(il_loop_run_in_thread(arg, count_in, &ran), -EPERM);
	CHECK_RC(il_run_in_thread(count_in, &ran), -EPERM);
	CHECK_EQ(il_threads_active(), 0);
	CHECK(il_thread_limiter() == NULL);
	CHECK_RC(il_threads_wait(), -EPERM);
	CHECK_EQ(ran, 0);
	return 0;
}

static int call_in_callback(il_future *f, void *arg)
{
	(void)f;
	CHECK_RC(il_run_in_thread(count_in, arg), -EPERM);
	return 0;
}

IL_TEST(D, only_a_task_of_the_loop_may_call)
{
	struct il_test_thread t;
	atomic_int ran = 0;
	il_future *f = NULL;

	il_test_thread_start(&t, run_in_a_thread_of, il_loop_current());
	CHECK_RC(il_test_thread_join(&t), 0);
	CHECK_RC(il_future_create(&f), 0);
	CHECK_RC(il_future_set_result(f, 0), 0);
	CHECK_RC(il_future_on_done(f, call_in_callback, &ran), 0);
	il_future_unref(f);
	CHECK_EQ(ran, 0);
}

static int use_the_loop_after_fork(void)
{
	atomic_int ran = 0;

	alarm(20);
	if (il_run_in_thread(count_in, &ran) != -ESHUTDOWN)
		return 1;
	if (il_from_thread_run_sync(count_in, &ran) >= 0 || il_loop_current() != NULL)
		return 2;
	if (IL_TEST_TSAN) /* which allows no thread in a child */
		return 0;
	return il_run(il_test_backend(), run_one, &ran) == 0 && ran == 1 ? 0 : 3;
}

IL_TEST_FIFO(D, a_forked_child_has_no_loop_and_may_open_one)
{
	atomic_int ran = 0;
	int status = -1;
	pid_t child;

	CHECK_RC(il_run_in_thread(count_in, &ran), 0); /* a cached thread */
	child = fork();
	if (child == 0)
		_exit(use_the_loop_after_fork());
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK(WIFEXITED(status));
	CHECK_EQ(WEXITSTATUS(status), 0);
	CHECK_RC(il_run_in_thread(count_in, &ran), 0);
	CHECK_EQ(ran, 2);
}
