/*
 * n_signals.c: a receiver takes signals in order of arrival, puts back what handled them before, and lets
 * none vanish.
 */
#include "handlers.h"
#include "waiter.h"
#include "waits.h"

#include <sys/wait.h>

enum { BOTH = 2 };
static const int both[BOTH] = {SIGUSR1, SIGUSR2};

/* The handlers that were there before hear nothing meanwhile: n_signals_shared.c is about those that do. */
static il_signal_receiver *opened(const int *signals, size_t count)
{
	il_signal_receiver_options take = {.take = true};
	il_signal_receiver *r = NULL;

	CHECK_RC(il_signal_receiver_open_with(&r, signals, count, &take), 0);
	return r;
}

static int raise_both(void *arg)
{
	(void)arg;
	CHECK_EQ(raise(SIGUSR1), 0);
	CHECK_EQ(raise(SIGUSR2), 0);
	return 0;
}

/* ---- 255 ---- */

/* A plain call: it may look, and not wait. */
static int look_outside(void *r)
{
	CHECK_RC(il_signal_receiver_next(r, 1), -EPERM);
	CHECK_RC(il_signal_receiver_next(r, 0), -ETIMEDOUT);
	CHECK_EQ(raise(SIGUSR1), 0);
	return il_signal_receiver_next(r, 0);
}

IL_TEST(N, n255_outside_a_task_a_signal_that_is_there_is_taken)
{
	il_signal_receiver *r = opened(both, BOTH);
	il_portal *p = NULL;
	il_future *f = NULL;

	CHECK_RC(il_loop_create_threads_portal(il_loop_current(), &p), 0);
	CHECK_RC(il_portal_run_sync_soon(p, &f, look_outside, r), 0);
	CHECK_RC(il_future_join(f), SIGUSR1);
	CHECK_RC(il_portal_close(p), 0);
	il_signal_receiver_destroy(r);
}

IL_TEST(N, n255_signals_of_a_worker_are_received_in_order)
{
	struct il_test_thread worker;
	il_signal_receiver *r;

	set_handler(SIGUSR1, count_signal);
	set_handler(SIGUSR2, count_signal);
	r = opened(both, BOTH);
	CHECK(!handles(SIGUSR1, count_signal) && !handles(SIGUSR2, count_signal));
	il_test_thread_start(&worker, raise_both, NULL);
	CHECK_RC(il_signal_receiver_next(r, IL_FOREVER), SIGUSR1);
	CHECK_RC(il_signal_receiver_next(r, IL_FOREVER), SIGUSR2);
	CHECK_RC(il_test_thread_join(&worker), 0);
	CHECK_EQ(raise(SIGUSR2), 0);
	CHECK_EQ(raise(SIGUSR1), 0);
	CHECK_RC(il_signal_receiver_next(r, 0), SIGUSR2);
	CHECK_RC(il_signal_receiver_next(r, 0), SIGUSR1);
	CHECK_RC(il_signal_receiver_next(r, 0), -ETIMEDOUT);
	CHECK_RC(il_signal_receiver_close(r), 0);
	CHECK_RC(il_signal_receiver_close(r), 0);
	CHECK_RC(il_signal_receiver_next(r, 0), -EBADF);
	CHECK(handles(SIGUSR1, count_signal) && handles(SIGUSR2, count_signal));
	CHECK_EQ(signals_seen, 0);
	il_signal_receiver_destroy(r);
}

static int receive_for_ever(void *arg)
{
	il_signal_receiver *r = opened(both, BOTH);
	int rc;

	*(bool *)arg = true;
	rc = il_signal_receiver_next(r, IL_FOREVER);
	CHECK_RC(il_signal_receiver_next(r, 0), -ECANCELED);
	il_signal_receiver_destroy(r);
	CHECK(handles(SIGUSR1, count_signal) && handles(SIGUSR2, SIG_DFL));
	return rc;
}

IL_TEST(N, n255_a_cancelled_group_puts_the_old_handlers_back)
{
	il_group g = IL_GROUP_INIT;
	il_future *f = NULL;
	bool open = false;

	set_handler(SIGUSR1, count_signal);
	set_handler(SIGUSR2, SIG_DFL);
	CHECK_RC(il_group_open(&g), 0);
	CHECK_RC(il_group_start_soon(&g, &f, receive_for_ever, &open), 0);
	UNTIL(open);
	CHECK(!handles(SIGUSR2, SIG_DFL));
	CHECK_RC(il_scope_cancel(il_group_scope(&g)), 0);
	CHECK_RC(il_group_close(&g, 0), 0);
	CHECK_RC(il_future_join(f), -ECANCELED);
}

IL_TEST(N, n255_what_waits_counts_once_and_survives_a_cancellation)
{
	il_scope s = IL_SCOPE_INIT;
	il_signal_receiver *r = opened(both, BOTH);

	for (int i = 0; i < 3; i++)
		CHECK_EQ(raise(SIGUSR1), 0);
	CHECK_RC(il_scope_enter(&s, IL_FOREVER, 0), 0);
	CHECK_RC(il_scope_cancel(&s), 0);
	CHECK_RC(il_signal_receiver_next(r, IL_FOREVER), -ECANCELED);
	CHECK_RC(il_scope_exit(&s, -ECANCELED), 0);
	CHECK_RC(il_signal_receiver_next(r, IL_FOREVER), SIGUSR1);
	CHECK_RC(il_signal_receiver_next(r, IL_MSEC(2)), -ETIMEDOUT);
	CHECK_RC(il_signal_receiver_next(r, -1), -EINVAL);
	il_signal_receiver_destroy(r);
}

IL_TEST(N, n255_closing_wakes_who_waits)
{
	for (int destroyed = 0; destroyed < 2; destroyed++) {
		struct waiter w = {.name = NULL};
		il_group g = IL_GROUP_INIT;
		il_signal_receiver *r = opened(both, BOTH);
		CHECK_RC(il_group_open(&g), 0);
		start_waiting(&g, &w, next_signal, r);
		CHECK_RC(il_signal_receiver_next(r, IL_FOREVER), -EBUSY);
		if (!destroyed)
			CHECK_RC(il_signal_receiver_close(r), 0);
		else
			il_signal_receiver_destroy(r);
		CHECK_RC(il_group_close(&g, 0), 0);
		check_waited(&w, -EBADF);
		if (!destroyed)
			il_signal_receiver_destroy(r);
	}
}

/* Signals go to who is awake: a task that waits for them leaves the others alone. */
IL_TEST(N, n255_receivers_of_different_signals_live_side_by_side)
{
	struct waiter one = {.name = NULL}, two = {.name = NULL};
	il_group g = IL_GROUP_INIT;
	il_signal_receiver *first = opened(&both[0], 1), *second = opened(&both[1], 1);

	CHECK_RC(il_group_open(&g), 0);
	start_waiting(&g, &one, next_signal, first);
	start_waiting(&g, &two, next_signal, second);
	CHECK_EQ(raise(SIGUSR2), 0);
	UNTIL(two.returned);
	CHECK(!one.returned);
	CHECK_EQ(raise(SIGUSR1), 0);
	CHECK_RC(il_group_close(&g, 0), 0);
	check_waited(&one, SIGUSR1);
	check_waited(&two, SIGUSR2);
	il_signal_receiver_destroy(first);
	il_signal_receiver_destroy(second);
}

static int leave_open(void *arg)
{
	*(il_signal_receiver **)arg = opened(both, BOTH);
	return 0;
}

IL_TEST_OWN(N, n255_the_end_of_a_loop_closes_its_receivers)
{
	il_signal_receiver *r = NULL;
	il_loop *loop = NULL;

	set_handler(SIGUSR1, count_signal);
	CHECK_RC(il_loop_open(&loop, il_test_backend(), NULL), 0);
	CHECK_RC(il_loop_run(loop, leave_open, &r), 0);
	CHECK_EQ(raise(SIGUSR1), 0);
	CHECK_EQ(signals_seen, 0);
	il_loop_destroy(loop);
	CHECK(handles(SIGUSR1, count_signal));
	CHECK_EQ(signals_seen, 1);
	CHECK_RC(il_signal_receiver_next(r, 0), -EBADF);
	il_signal_receiver_destroy(r);
}

static int receive_two(void *arg)
{
	CHECK_RC(il_signal_receiver_next(arg, IL_FOREVER), SIGUSR1);
	return il_signal_receiver_next(arg, IL_FOREVER);
}

static void note_empty(il_loop *loop, void *arg)
{
	*(bool *)arg = true;
	CHECK_RC(il_loop_detach(loop), 0);
}

/* What comes while the host's loop does something else is there when it runs again. */
IL_TEST_ADOPTED(N, n255_an_open_receiver_keeps_no_hosts_loop_alive)
{
	void *native = il_native.create();
	il_signal_receiver *r = NULL;
	il_loop *loop = NULL;
	il_future *f = NULL;
	bool empty = false;

	set_handler(SIGUSR1, count_signal);
	CHECK_RC(il_native.attach(&loop, native, NULL), 0);
	CHECK_RC(il_loop_spawn(loop, NULL, leave_open, &r), 0);
	il_native.run(native);
	CHECK_EQ(raise(SIGUSR1), 0);
	il_native.run(native);
	CHECK_RC(il_loop_spawn(loop, &f, receive_two, r), 0);
	CHECK_EQ(raise(SIGUSR2), 0);
	il_native.run(native);
	CHECK_RC(il_future_join(f), SIGUSR2);
	CHECK_EQ(raise(SIGUSR1), 0);
	CHECK_EQ(signals_seen, 0);
	CHECK_RC(il_loop_shutdown(loop, note_empty, &empty), 0);
	il_native.run(native);
	CHECK(empty && handles(SIGUSR1, count_signal));
	CHECK_EQ(signals_seen, 1);
	il_native.run(native);
	CHECK_RC(il_native.destroy(native), 0);
	il_signal_receiver_destroy(r);
}

/* ---- 256 ---- */

IL_TEST(N, n256_one_that_cannot_be_caught_changes_nothing)
{
	const int bad[] = {SIGKILL, SIGSTOP, SIGSEGV, SIGFPE, 0, -1, 12345, 32};
	il_signal_receiver *r = NULL;

	set_handler(SIGUSR1, count_signal);
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		const int signals[] = {SIGUSR1, bad[i], SIGUSR2};
		CHECK_RC(il_signal_receiver_open(&r, signals, 3), -EINVAL);
		CHECK(handles(SIGUSR1, count_signal) && handles(SIGUSR2, SIG_DFL));
	}
	CHECK_RC(il_signal_receiver_open(&r, both, 0), -EINVAL);
	CHECK_RC(il_signal_receiver_open(&r, NULL, 1), -EINVAL);
	CHECK_RC(il_signal_receiver_open(NULL, both, BOTH), -EINVAL);
	CHECK(r == NULL);
	il_signal_receiver_destroy(NULL);
}

IL_TEST(N, n256_a_signal_may_be_named_twice)
{
	const int twice[] = {SIGUSR1, SIGUSR2, SIGUSR1, SIGUSR1};
	il_signal_receiver *r;

	set_handler(SIGUSR1, count_signal);
	r = opened(twice, 4);
	CHECK_EQ(raise(SIGUSR1), 0);
	CHECK_RC(il_signal_receiver_next(r, IL_FOREVER), SIGUSR1);
	CHECK_RC(il_signal_receiver_next(r, 0), -ETIMEDOUT);
	il_signal_receiver_destroy(r);
	CHECK(handles(SIGUSR1, count_signal));
}

IL_TEST(N, n256_a_signal_has_one_receiver)
{
	const int others[] = {SIGHUP, SIGUSR1};
	il_signal_receiver *r, *other = NULL;

	set_handler(SIGHUP, count_signal);
	r = opened(both, BOTH);
	CHECK_RC(il_signal_receiver_open(&other, others, 2), -EBUSY);
	CHECK(handles(SIGHUP, count_signal) && !handles(SIGUSR1, count_signal));
	CHECK_EQ(raise(SIGUSR1), 0);
	CHECK_RC(il_signal_receiver_next(r, IL_FOREVER), SIGUSR1);
	il_signal_receiver_destroy(r);
	other = opened(others, 2);
	il_signal_receiver_destroy(other);
	set_handler(SIGHUP, SIG_DFL);
}

static int open_without_a_loop(void *arg)
{
	(void)arg;
	return il_signal_receiver_open(&(il_signal_receiver *){NULL}, both, BOTH);
}

static int use_of_another(void *arg)
{
	CHECK_RC(il_signal_receiver_next(arg, IL_FOREVER), -EPERM);
	return il_signal_receiver_close(arg);
}

IL_TEST(N, n256_a_receiver_belongs_to_a_loops_thread)
{
	struct il_test_thread thread;
	il_signal_receiver *r;

	il_test_thread_start(&thread, open_without_a_loop, NULL);
	CHECK_RC(il_test_thread_join(&thread), -EPERM);
	r = opened(both, BOTH);
	il_test_thread_start(&thread, use_of_another, r);
	CHECK_RC(il_test_thread_join(&thread), -EPERM);
	il_signal_receiver_destroy(r);
}

static int receive_one(void *arg)
{
	il_signal_receiver *r = opened(&both[0], 1);
	int number;

	atomic_store((atomic_bool *)arg, true);
	number = il_signal_receiver_next(r, IL_FOREVER);
	il_signal_receiver_destroy(r);
	return number;
}

/* Any loop's thread may: a handler is the process's. That thread blocks every signal, the main one gets it. */
IL_TEST_OWN(N, n256_a_loop_in_another_thread_receives_too)
{
	atomic_bool open = false;
	il_portal *p = NULL;
	il_future *f = NULL;

	set_handler(SIGUSR1, count_signal);
	CHECK_RC(il_blocking_portal_start(&p, il_test_backend(), NULL), 0);
	CHECK_RC(il_portal_run_coroutine_soon(p, &f, receive_one, &open), 0);
	UNTIL(atomic_load(&open));
	CHECK_EQ(raise(SIGUSR1), 0);
	CHECK_RC(il_future_join(f), SIGUSR1);
	CHECK_RC(il_blocking_portal_stop(p), 0);
	CHECK(handles(SIGUSR1, count_signal));
	CHECK_EQ(signals_seen, 0);
}

/* ---- 257 ---- */

IL_TEST(N, n257_what_nobody_took_goes_to_the_previous_handler)
{
	il_signal_receiver *r;

	set_handler(SIGUSR1, trace_signal);
	set_handler(SIGUSR2, trace_signal);
	r = opened(both, BOTH);
	CHECK_EQ(raise(SIGUSR2), 0);
	CHECK_EQ(raise(SIGUSR1), 0);
	CHECK_EQ(raise(SIGUSR2), 0);
	CHECK_EQ(signals_seen, 0);
	CHECK_RC(il_signal_receiver_close(r), 0);
	CHECK_TRACE("USR2 USR1");
	il_signal_receiver_destroy(r);
}

static int receive_and_leave(void *arg)
{
	il_signal_receiver *r = opened(&(const int){SIGTERM}, 1);

	(void)arg;
	raise(SIGTERM);
	il_signal_receiver_destroy(r);
	return 0;
}

IL_TEST_OWN_REAL(N, n257_where_there_was_none_the_default_is_done)
{
	int status = 0;
	pid_t child;

	if (IL_TEST_TSAN) /* it hands no signals on in the child of a process with threads */
		return;
	child = fork();
	if (child == 0) {
		il_run(il_test_backend(), receive_and_leave, NULL);
		_exit(0);
	}
	CHECK(child > 0);
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
}

struct shooter {
	atomic_size_t received;
	atomic_bool over;
	size_t rounds;
};

/* Each is seen before the next is sent, so none is merged with another. */
static int shoot(void *arg)
{
	struct shooter *s = arg;

	for (size_t i = 1; i <= s->rounds; i++) {
		raise(SIGUSR1);
		UNTIL_THREAD(atomic_load(&s->received) + (size_t)atomic_load(&signals_seen) >= i);
	}
	atomic_store(&s->over, true);
	return 0;
}

IL_TEST_REAL(N, n257_none_is_lost_while_receivers_come_and_go)
{
	struct shooter s = {.rounds = il_test_rounds(400)};
	struct il_test_thread thread;

	set_handler(SIGUSR1, count_signal);
	il_test_thread_start(&thread, shoot, &s);
	while (!atomic_load(&s.over)) {
		il_signal_receiver *r = opened(both, BOTH);
		CHECK(!handles(SIGUSR1, count_signal));
		if (il_signal_receiver_next(r, 0) == SIGUSR1)
			atomic_fetch_add(&s.received, 1);
		il_signal_receiver_destroy(r);
	}
	CHECK_RC(il_test_thread_join(&thread), 0);
	CHECK_EQ(atomic_load(&s.received) + (size_t)atomic_load(&signals_seen), s.rounds);
}

IL_TEST(N, n257_a_handler_that_took_its_place_stays)
{
	struct sigaction stale;
	il_signal_receiver *r;

	set_handler(SIGUSR1, SIG_IGN);
	r = opened(both, BOTH);
	CHECK_EQ(sigaction(SIGUSR1, NULL, &stale), 0);
	set_handler(SIGUSR1, count_signal);
	CHECK_RC(il_signal_receiver_close(r), 0);
	CHECK(handles(SIGUSR1, count_signal));
	il_signal_receiver_destroy(r);

	/* Somebody puts the receiver's back, out of order: what was before it takes over. */
	r = opened(both, BOTH);
	CHECK_RC(il_signal_receiver_close(r), 0);
	CHECK_EQ(sigaction(SIGUSR1, &stale, NULL), 0);
	CHECK_EQ(raise(SIGUSR1), 0);
	CHECK_EQ(signals_seen, 1);
	CHECK(handles(SIGUSR1, count_signal));
	il_signal_receiver_destroy(r);
}

static int receive_in_child(void *arg)
{
	il_signal_receiver *r = opened(both, BOTH);
	int number;

	(void)arg;
	raise(SIGUSR2);
	number = il_signal_receiver_next(r, IL_FOREVER);
	il_signal_receiver_destroy(r);
	return number;
}

/* In the child: the parent's receiver is not there, and one of its own may be made. */
static int child_main(il_signal_receiver *inherited)
{
	if (!handles(SIGUSR1, count_signal))
		return 3;
	raise(SIGUSR1);
	if (signals_seen != 1 || il_signal_receiver_next(inherited, 0) != -ESHUTDOWN)
		return 1;
	il_signal_receiver_destroy(inherited);
	return il_run(il_test_backend(), receive_in_child, NULL) == SIGUSR2 ? 0 : 2;
}

static int fork_while_one_waits(void *arg)
{
	struct waiter w = {.name = NULL};
	il_group g = IL_GROUP_INIT;
	il_signal_receiver *r = opened(both, BOTH);
	int status = 0;
	pid_t child;

	(void)arg;
	CHECK_RC(il_group_open(&g), 0);
	start_waiting(&g, &w, next_signal, r);
	child = fork();
	if (child == 0)
		_exit(il_signal_receiver_next(r, 0) == -ESHUTDOWN ? 0 : 1);
	CHECK(child > 0);
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK_EQ(status, 0);
	CHECK_EQ(raise(SIGUSR2), 0);
	CHECK_RC(il_group_close(&g, 0), 0);
	check_waited(&w, SIGUSR2);
	il_signal_receiver_destroy(r);
	return 0;
}

IL_TEST_OWN_REAL(N, n257_a_forked_child_is_told_so_while_its_parent_waits)
{
	CHECK_RC(il_run(il_test_backend(), fork_while_one_waits, NULL), 0);
}

IL_TEST_OWN_REAL(N, n257_a_forked_child_is_not_received_from)
{
	il_signal_receiver *r = NULL;
	il_loop *loop = NULL;
	int status = 0;
	pid_t child;

	if (IL_TEST_TSAN) /* it hands no signals on in the child of a process with threads */
		return;
	set_handler(SIGUSR1, count_signal);
	CHECK_RC(il_loop_open(&loop, il_test_backend(), NULL), 0);
	CHECK_RC(il_loop_run(loop, leave_open, &r), 0);
	child = fork();
	if (child == 0)
		_exit(child_main(r));
	CHECK(child > 0);
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK_EQ(status, 0);
	il_loop_destroy(loop);
	CHECK_EQ(signals_seen, 0);
	il_signal_receiver_destroy(r);
}

static int raise_until(void *over)
{
	while (!atomic_load((atomic_bool *)over)) {
		raise(SIGUSR1);
		raise(SIGUSR2);
	}
	return 0;
}

/* Whatever a handler of another thread was about: it is not in the child, which waits for none. */
IL_TEST_OWN_REAL(N, n257_a_child_forked_while_signals_come_receives_its_own)
{
	struct il_test_thread thread;
	atomic_bool over = false;
	il_signal_receiver *r = NULL;
	il_loop *loop = NULL;

	if (IL_TEST_TSAN)
		return;
	set_handler(SIGUSR1, SIG_IGN);
	set_handler(SIGUSR2, SIG_IGN);
	CHECK_RC(il_loop_open(&loop, il_test_backend(), NULL), 0);
	CHECK_RC(il_loop_run(loop, leave_open, &r), 0);
	il_test_thread_start(&thread, raise_until, &over);
	for (size_t i = il_test_rounds(40); i > 0; i--) {
		int status = 0;
		pid_t child = fork();
		if (child == 0) {
			alarm(10);
			_exit(il_run(il_test_backend(), receive_in_child, NULL) == SIGUSR2 ? 0 : 1);
		}
		CHECK(child > 0);
		CHECK_EQ(waitpid(child, &status, 0), child);
		CHECK_EQ(status, 0);
	}
	atomic_store(&over, true);
	CHECK_RC(il_test_thread_join(&thread), 0);
	il_loop_destroy(loop);
	il_signal_receiver_destroy(r);
	set_handler(SIGUSR1, SIG_DFL);
	set_handler(SIGUSR2, SIG_DFL);
}
