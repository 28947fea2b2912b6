/*
 * n_sigint.c: SIGINT, where a loop handles it: it cancels the main task, which cleans up, and the run
 * answers -EINTR. Nothing is kept from who handled it before.
 */
#include "handlers.h"

#include <sys/resource.h>
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
	il_scope_enter(&s, IL_FOREVER, IL_SHIELD);
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
	il_scope_exit(&s, rc);
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
