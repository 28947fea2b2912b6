/*
 * n_sigint.c: SIGINT, where a loop handles it: it cancels the main task, which cleans up, and the run
 * returns -EINTR. Nothing is kept from who handled it before.
 */
#include "handlers.h"

#include <sys/wait.h>

struct main {
	bool sleeps; /* first, so that a timer began the turn */
	bool cleaned;
	int result; /* 0: what its wait gave */
};

static void clean_up(struct main *m)
{
	il_scope s = IL_SCOPE_INIT;

	CHECK_RC(il_scope_enter(&s, IL_FOREVER, IL_SHIELD), 0);
	CHECK_RC(il_sleep(IL_MSEC(1)), 0);
	CHECK_RC(il_scope_exit(&s, 0), 0);
	m->cleaned = true;
}

/* The signal comes inside a turn, whose end must look for it once more. */
static int raise_and_wait(void *arg)
{
	struct main *m = arg;
	int rc;

	CHECK(!handles(SIGINT, SIG_DFL));
	if (m->sleeps)
		CHECK_RC(il_sleep(IL_MSEC(1)), 0);
	CHECK_EQ(raise(SIGINT), 0);
	rc = il_sleep_forever();
	CHECK_RC(rc, -ECANCELED);
	clean_up(m);
	return m->result ? m->result : rc;
}

IL_TEST_OWN(N, n260_sigint_cancels_main_which_cleans_up)
{
	set_handler(SIGINT, SIG_DFL);
	for (int i = 0; i < 2; i++) {
		struct main m = {.sleeps = i == 1};
		CHECK_RC(il_run(il_test_backend(), raise_and_wait, &m), -EINTR);
		CHECK(m.cleaned);
		CHECK(handles(SIGINT, SIG_DFL));
	}
}

IL_TEST_OWN(N, n260_a_result_of_main_is_kept)
{
	struct main seven = {.result = 7}, failure = {.result = -EIO};

	set_handler(SIGINT, SIG_DFL);
	CHECK_RC(il_run(il_test_backend(), raise_and_wait, &seven), 7);
	CHECK_RC(il_run(il_test_backend(), raise_and_wait, &failure), -EIO);
	CHECK(handles(SIGINT, SIG_DFL));
}

static int interrupt_later(void *arg)
{
	UNTIL_THREAD(atomic_load((atomic_bool *)arg));
	/* TSan hands a signal on where the thread that has it calls something that TSan knows. */
	return IL_TEST_TSAN ? raise(SIGINT) : kill(getpid(), SIGINT);
}

static int wait_for_another(void *arg)
{
	atomic_store((atomic_bool *)arg, true);
	return il_sleep_forever();
}

IL_TEST_OWN_REAL(N, n260_sigint_wakes_a_loop_that_polls)
{
	struct il_test_thread thread;
	atomic_bool waits = false;

	set_handler(SIGINT, SIG_DFL);
	il_test_thread_start(&thread, interrupt_later, &waits);
	CHECK_RC(il_run(il_test_backend(), wait_for_another, &waits), -EINTR);
	CHECK_RC(il_test_thread_join(&thread), 0);
}

/* ---- a second one ---- */

static int never_clean(void *arg)
{
	il_scope s = IL_SCOPE_INIT;

	(void)arg;
	raise(SIGINT);
	il_sleep_forever();
	if (il_scope_enter(&s, IL_FOREVER, IL_SHIELD) < 0)
		return -EPERM;
	raise(SIGINT);
	il_sleep_forever();
	return il_scope_exit(&s, 0);
}

IL_TEST_OWN(N, n260_a_second_one_ends_the_program_at_once)
{
	int status = 0;
	pid_t child;

	if (IL_TEST_TSAN) /* it hands no signals on in the child of a process with threads */
		return;
	set_handler(SIGINT, SIG_DFL);
	child = fork();
	if (child == 0) {
		il_run(il_test_backend(), never_clean, NULL);
		_exit(0);
	}
	CHECK(child > 0);
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGINT);
}

/* ---- cancelled already ---- */

static int cancelled_before(void *arg)
{
	il_scope s = IL_SCOPE_INIT;
	int rc;

	CHECK_RC(il_scope_enter(&s, IL_FOREVER, 0), 0);
	CHECK_RC(il_scope_cancel(&s), 0);
	CHECK_EQ(raise(SIGINT), 0);
	rc = il_sleep_forever();
	if (arg)
		clean_up(arg);
	int left = il_scope_exit(&s, rc);
	CHECK(left == 0 || left == rc);
	return rc;
}

static int cancel_and_raise(void *group)
{
	CHECK_RC(il_scope_cancel(il_group_scope(group)), 0);
	return raise(SIGINT);
}

static int cancelled_by_a_child(void *arg)
{
	il_group g = IL_GROUP_INIT;
	int rc;

	CHECK_RC(il_group_open(&g), 0);
	CHECK_RC(il_group_start_soon(&g, NULL, cancel_and_raise, &g), 0);
	rc = il_sleep_forever();
	if (arg)
		clean_up(arg);
	il_group_close(&g, rc);
	return rc;
}

IL_TEST_OWN(N, n260_who_was_cancelled_already_is_not_interrupted)
{
	il_fn *const mains[] = {cancelled_before, cancelled_by_a_child};

	set_handler(SIGINT, SIG_DFL);
	for (int i = 0; i < 4; i++) {
		struct main m = {.cleaned = false};
		bool cleans = i >= 2;
		CHECK_RC(il_run(il_test_backend(), mains[i % 2], cleans ? &m : NULL), -ECANCELED);
		CHECK(m.cleaned == cleans);
		CHECK(handles(SIGINT, SIG_DFL));
	}
}

/* ---- a good neighbour ---- */

static int raise_and_end(void *arg)
{
	CHECK_EQ(raise(SIGINT), 0);
	return *(int *)arg;
}

IL_TEST_OWN(N, n260_one_that_main_did_not_live_to_see_goes_to_the_previous_handler)
{
	il_loop_options options = {.handle_sigint = true};
	il_loop *loop = NULL;
	int five = 5;

	set_handler(SIGINT, count_signal);
	CHECK_RC(il_loop_open(&loop, il_test_backend(), &options), 0);
	CHECK_RC(il_loop_run(loop, raise_and_end, &five), 5);
	CHECK(handles(SIGINT, count_signal));
	CHECK_EQ(signals_seen, 1);
	il_loop_destroy(loop);
	CHECK_EQ(signals_seen, 1);
}

IL_TEST_OWN(N, n260_a_handler_of_yours_is_left_alone)
{
	int five = 5;

	set_handler(SIGINT, count_signal);
	CHECK_RC(il_run(il_test_backend(), raise_and_end, &five), 5);
	CHECK_EQ(signals_seen, 1);
	CHECK(handles(SIGINT, count_signal));
}

static int look_at_sigint(void *arg)
{
	(void)arg;
	return handles(SIGINT, SIG_DFL);
}

static int run_here(void *arg)
{
	return il_run(il_test_backend(), arg ? look_at_sigint : NULL, NULL);
}

/* Where no handler may be set the loop runs on without one. */
IL_TEST_OWN(N, n257_another_thread_runs_a_loop_without_a_handler)
{
	struct il_test_thread thread;

	set_handler(SIGINT, SIG_DFL);
	il_test_thread_start(&thread, run_here, &thread);
	CHECK_RC(il_test_thread_join(&thread), 1);
}

/* ---- with a receiver ---- */

static int receive_sigint(void *arg)
{
	il_signal_receiver *r = NULL;
	int number;

	CHECK_RC(il_signal_receiver_open(&r, &(const int){SIGINT}, 1), 0);
	CHECK_EQ(raise(SIGINT), 0);
	number = il_signal_receiver_next(r, IL_FOREVER);
	CHECK_RC(number, SIGINT);
	CHECK_RC(il_check_cancelled(), 0);
	if (arg)
		CHECK_EQ(raise(SIGINT), 0); /* nobody takes it */
	il_signal_receiver_destroy(r);
	return arg ? il_sleep_forever() : number;
}

IL_TEST_OWN(N, n260_a_receiver_takes_its_place_for_a_while)
{
	int unread = 1;

	set_handler(SIGINT, SIG_DFL);
	CHECK_RC(il_run(il_test_backend(), receive_sigint, NULL), SIGINT);
	CHECK_RC(il_run(il_test_backend(), receive_sigint, &unread), -EINTR);
	CHECK(handles(SIGINT, SIG_DFL));
}

static int leave_open(void *arg)
{
	il_signal_receiver_options take = {.take = true};

	CHECK_RC(il_signal_receiver_open_with(arg, &(const int){SIGINT}, 1, &take), 0);
	return 0;
}

static int receive_and_close(void *arg)
{
	il_signal_receiver *r = *(il_signal_receiver **)arg;

	CHECK_RC(il_signal_receiver_next(r, 0), SIGINT); /* from between the runs */
	CHECK_EQ(raise(SIGINT), 0);
	CHECK_RC(il_signal_receiver_next(r, IL_FOREVER), SIGINT);
	CHECK_RC(il_check_cancelled(), 0);
	CHECK_RC(il_signal_receiver_close(r), 0);
	CHECK(!handles(SIGINT, count_signal));
	CHECK_EQ(raise(SIGINT), 0);
	return il_sleep_forever();
}

static il_loop *opened_with_sigint(void)
{
	il_loop_options options = {.handle_sigint = true};
	il_loop *loop = NULL;

	CHECK_RC(il_loop_open(&loop, il_test_backend(), &options), 0);
	return loop;
}

/* The first run ends before the receiver, the second begins after it: neither is above it. */
IL_TEST_OWN(N, n260_a_receiver_outlives_the_runs_around_it)
{
	il_signal_receiver *r = NULL;
	il_loop *loop;

	set_handler(SIGINT, count_signal);
	loop = opened_with_sigint();
	CHECK_RC(il_loop_run(loop, leave_open, &r), 0);
	CHECK_EQ(raise(SIGINT), 0);
	CHECK_RC(il_loop_run(loop, receive_and_close, &r), -EINTR);
	CHECK(handles(SIGINT, count_signal));
	il_signal_receiver_destroy(r);
	CHECK_RC(il_loop_run(loop, leave_open, &r), 0);
	CHECK_EQ(raise(SIGINT), 0);
	CHECK_EQ(signals_seen, 0);
	il_loop_destroy(loop); /* closes it, and nobody took that one */
	CHECK_EQ(signals_seen, 1);
	CHECK(handles(SIGINT, count_signal));
	il_signal_receiver_destroy(r);
}

static int put_yours(void *arg)
{
	struct sigaction *ours = arg;

	CHECK_EQ(sigaction(SIGINT, NULL, ours), 0);
	set_handler(SIGINT, count_signal);
	return 0;
}

static int note_receiver(void *arg)
{
	il_signal_receiver *r = NULL;

	leave_open(&r);
	CHECK_EQ(sigaction(SIGINT, NULL, arg), 0);
	il_signal_receiver_destroy(r);
	return 0;
}

static int do_nothing(void *arg)
{
	(void)arg;
	return 0;
}

/* What somebody put over ours stays; what he puts back when nobody is there hands on, and not forever. */
IL_TEST_OWN(N, n260_a_handler_that_took_its_place_stays)
{
	struct sigaction ours, receivers;
	int status = 0;
	pid_t child;
	il_loop *loop = opened_with_sigint();

	set_handler(SIGINT, trace_signal);
	CHECK_RC(il_loop_run(loop, put_yours, &ours), 0);
	CHECK(handles(SIGINT, count_signal));
	CHECK_EQ(sigaction(SIGINT, &ours, NULL), 0);
	CHECK_EQ(raise(SIGINT), 0);
	CHECK_EQ(signals_seen, 1);
	CHECK(handles(SIGINT, trace_signal));

	CHECK_RC(il_loop_run(loop, note_receiver, &receivers), 0);
	CHECK_EQ(sigaction(SIGINT, &receivers, NULL), 0);
	CHECK_RC(il_loop_run(loop, do_nothing, NULL), 0); /* whose previous is the receiver's */
	if (!IL_TEST_TSAN) { /* it hands no signals on in the child of a process with threads */
		child = fork();
		if (child == 0) {
			alarm(10);
			sigaction(SIGINT, &receivers, NULL);
			raise(SIGINT);
			_exit(0);
		}
		CHECK(child > 0);
		CHECK_EQ(waitpid(child, &status, 0), child);
		CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGINT);
	}
	il_loop_destroy(loop);
	set_handler(SIGINT, SIG_DFL);
}

static int fork_and_interrupt(void *arg)
{
	il_signal_receiver *r = NULL;
	int status = 0;
	pid_t child;

	if (arg)
		leave_open(&r);
	child = fork();
	if (child == 0)
		_exit(handles(SIGINT, count_signal) && raise(SIGINT) == 0 ? signals_seen : 9);
	CHECK(child > 0);
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK(WIFEXITED(status));
	CHECK_EQ(WEXITSTATUS(status), 1);
	CHECK(!handles(SIGINT, count_signal));
	il_signal_receiver_destroy(r);
	return 0;
}

IL_TEST_OWN_REAL(N, n260_a_forked_child_has_the_previous_handler)
{
	il_loop *loop = opened_with_sigint();

	if (!IL_TEST_TSAN) {
		set_handler(SIGINT, count_signal);
		CHECK_RC(il_loop_run(loop, fork_and_interrupt, NULL), 0);
		CHECK_RC(il_loop_run(loop, fork_and_interrupt, loop), 0);
		CHECK(handles(SIGINT, count_signal));
	}
	il_loop_destroy(loop);
	set_handler(SIGINT, SIG_DFL);
}

/* ---- all at once ---- */

struct crossfire {
	atomic_size_t received, interrupted;
	atomic_bool over;
	size_t rounds;
};

/* Each is seen before the next is sent, so none is merged with another. */
static int shoot(void *arg)
{
	struct crossfire *c = arg;

	for (size_t i = 1; i <= c->rounds; i++) {
		raise(SIGINT);
		UNTIL_THREAD(atomic_load(&c->received) + atomic_load(&c->interrupted) +
				 (size_t)atomic_load(&signals_seen) >=
			     i);
	}
	atomic_store(&c->over, true);
	return 0;
}

static int come_and_go(void *arg)
{
	struct crossfire *c = arg;

	while (!atomic_load(&c->over)) {
		il_signal_receiver *r = NULL;
		leave_open(&r);
		if (il_signal_receiver_next(r, 0) == SIGINT)
			atomic_fetch_add(&c->received, 1);
		il_signal_receiver_destroy(r);
		CHECK_RC(il_yield(), 0);
	}
	return 0;
}

static int stay_a_while(void *arg)
{
	(void)arg;
	CHECK_RC(il_yield_shielded(), 0);
	return il_check_cancelled(); /* whatever it returns cancelled: that counts */
}

IL_TEST_OWN_REAL(N, n260_none_is_lost_while_runs_and_receivers_come_and_go)
{
	struct crossfire c = {.rounds = il_test_rounds(400)};
	struct il_test_thread thread;
	il_portal *p = NULL;
	il_future *f = NULL;
	il_loop *loop;

	if (IL_TEST_TSAN)
		return; /* it calls handlers later, when another is in place, and knows no reset */
	set_handler(SIGINT, count_signal);
	loop = opened_with_sigint();
	CHECK_RC(il_blocking_portal_start(&p, il_test_backend(), NULL), 0);
	CHECK_RC(il_portal_run_coroutine_soon(p, &f, come_and_go, &c), 0);
	il_test_thread_start(&thread, shoot, &c);
	while (!atomic_load(&c.over)) {
		int rc = il_loop_run(loop, stay_a_while, NULL);
		CHECK(rc == 0 || rc == -EINTR);
		if (rc == -EINTR)
			atomic_fetch_add(&c.interrupted, 1);
	}
	CHECK_RC(il_test_thread_join(&thread), 0);
	CHECK_RC(il_future_join(f), 0);
	CHECK_RC(il_blocking_portal_stop(p), 0);
	CHECK_EQ(atomic_load(&c.received) + atomic_load(&c.interrupted) +
		     (size_t)atomic_load(&signals_seen),
		 c.rounds);
	CHECK(handles(SIGINT, count_signal));
	il_loop_destroy(loop);
	set_handler(SIGINT, SIG_DFL);
}
