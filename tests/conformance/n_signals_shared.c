/*
 * n_signals_shared.c: a receiver and the rest of the program: the handler that was there before hears of each
 * signal too, as if nothing lay above it, and what the program has blocked is received.
 */
#include "handlers.h"
#include "waiter.h"
#include "waits.h"

#include <setjmp.h>
#include <sys/wait.h>

static il_signal_receiver *opened(int number)
{
	il_signal_receiver *r = NULL;

	CHECK_RC(il_signal_receiver_open(&r, &number, 1), 0);
	return r;
}

static void install(int number, const struct sigaction *action)
{
	CHECK_EQ(sigaction(number, action, NULL), 0);
	atomic_store(&signals_seen, 0);
}

/* ---- the handler that was there before ---- */

static pid_t ended_child(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(3);
	CHECK(pid > 0);
	return pid;
}

IL_TEST(N, n255_whoever_waits_for_children_gets_them_also_while_they_are_received)
{
	const int number = SIGCHLD;
	il_signal_receiver *r = NULL;

	for (int takes = 0; takes < 2; takes++) {
		il_signal_receiver_options o = {.take = takes == 1};
		pid_t pid;
		set_handler(SIGCHLD, count_signal);
		CHECK_RC(il_signal_receiver_open_with(&r, &number, 1, &o), 0);
		pid = ended_child();
		CHECK_RC(il_signal_receiver_next(r, IL_FOREVER), SIGCHLD);
		UNTIL(atomic_load(&signals_seen) == 1);
		il_signal_receiver_destroy(r);
		CHECK_EQ(waitpid(pid, NULL, 0), pid);
		CHECK(handles(SIGCHLD, count_signal));
		CHECK_EQ(signals_seen, 1);
	}
	set_handler(SIGCHLD, SIG_DFL);
}

/* Taken or not, open or closed: each once. */
IL_TEST(N, n255_the_earlier_handler_gets_each_signal_once)
{
	il_signal_receiver *r;

	set_handler(SIGUSR1, count_signal);
	r = opened(SIGUSR1);
	CHECK_EQ(raise(SIGUSR1), 0);
	CHECK_EQ(signals_seen, 1);
	CHECK_RC(il_signal_receiver_next(r, 0), SIGUSR1);
	CHECK_EQ(raise(SIGUSR1), 0); /* nobody takes it */
	CHECK_EQ(signals_seen, 2);
	il_signal_receiver_destroy(r);
	CHECK_EQ(signals_seen, 2);
	CHECK_EQ(raise(SIGUSR1), 0);
	CHECK_EQ(signals_seen, 3);
}

IL_TEST(N, n255_an_ignored_signal_is_received_and_ignored_again)
{
	il_signal_receiver *r;

	set_handler(SIGUSR1, SIG_IGN);
	r = opened(SIGUSR1);
	CHECK_EQ(raise(SIGUSR1), 0);
	CHECK_RC(il_signal_receiver_next(r, 0), SIGUSR1);
	il_signal_receiver_destroy(r);
	CHECK(handles(SIGUSR1, SIG_IGN));
	set_handler(SIGUSR1, SIG_DFL);
}

/* ---- it finds what it asked for ---- */

static struct {
	int value;
	bool context, usr2_blocked, reentered;
	int depth;
} found;

static void look_around(int number, siginfo_t *info, void *context)
{
	sigset_t mask;

	found.value = info->si_value.sival_int;
	found.context = context != NULL;
	pthread_sigmask(SIG_SETMASK, NULL, &mask);
	found.usr2_blocked = sigismember(&mask, SIGUSR2);
	if (atomic_fetch_add(&signals_seen, 1) == 0) {
		raise(number);
		found.reentered = signals_seen == 2;
	}
}

IL_TEST(N, n255_the_handler_before_has_its_siginfo_mask_and_flags)
{
	if (IL_TEST_TSAN || il_test_valgrind()) /* which call handlers in their own way */
		return;
	for (int nodefer = 0; nodefer < 2; nodefer++) {
		struct sigaction action = {.sa_flags = SA_SIGINFO | (nodefer ? SA_NODEFER : 0)};
		struct sigaction now;
		il_signal_receiver *r;
		action.sa_sigaction = look_around;
		sigemptyset(&action.sa_mask);
		sigaddset(&action.sa_mask, SIGUSR2);
		install(SIGUSR1, &action);
		r = opened(SIGUSR1);
		CHECK_EQ(sigqueue(getpid(), SIGUSR1, (union sigval){.sival_int = 0}), 0);
		UNTIL(atomic_load(&signals_seen) == 2);
		CHECK(found.context && found.usr2_blocked);
		CHECK_EQ(found.reentered, nodefer == 1);
		CHECK_EQ(sigqueue(getpid(), SIGUSR1, (union sigval){.sival_int = 77}), 0);
		UNTIL(atomic_load(&signals_seen) == 3);
		CHECK_EQ(found.value, 77);
		CHECK_EQ(sigaction(SIGUSR1, NULL, &now), 0);
		CHECK(!(now.sa_flags & SA_RESTART)); /* it interrupts what it would interrupt */
		il_signal_receiver_destroy(r);
		CHECK_EQ(sigaction(SIGUSR1, NULL, &now), 0);
		CHECK(now.sa_sigaction == look_around && sigismember(&now.sa_mask, SIGUSR2));
	}
	set_handler(SIGUSR1, SIG_DFL);
}

IL_TEST(N, n255_a_handler_for_once_is_called_once)
{
	struct sigaction once = {.sa_flags = (int)SA_RESETHAND};
	il_signal_receiver *r;

	once.sa_handler = count_signal;
	sigemptyset(&once.sa_mask);
	install(SIGUSR1, &once);
	r = opened(SIGUSR1);
	for (int i = 0; i < 2; i++) {
		CHECK_EQ(raise(SIGUSR1), 0);
		CHECK_RC(il_signal_receiver_next(r, IL_FOREVER), SIGUSR1);
	}
	CHECK_EQ(signals_seen, 1);
	il_signal_receiver_destroy(r);
	CHECK(handles(SIGUSR1, SIG_DFL));
}

static void raise_other(int number)
{
	(void)number;
	atomic_fetch_add(&signals_seen, 1);
	raise(SIGUSR2); /* another receiver's, while this one is called */
}

IL_TEST(N, n255_a_handler_before_may_raise_what_another_receiver_has)
{
	il_signal_receiver *one, *two;

	set_handler(SIGUSR2, count_signal);
	set_handler(SIGUSR1, raise_other);
	one = opened(SIGUSR1);
	two = opened(SIGUSR2);
	CHECK_EQ(raise(SIGUSR1), 0);
	CHECK_RC(il_signal_receiver_next(one, IL_FOREVER), SIGUSR1);
	CHECK_RC(il_signal_receiver_next(two, IL_FOREVER), SIGUSR2);
	CHECK_EQ(signals_seen, 2);
	il_signal_receiver_destroy(one);
	il_signal_receiver_destroy(two);
	set_handler(SIGUSR1, SIG_DFL);
	set_handler(SIGUSR2, SIG_DFL);
}

/* Who leaves the children to the system still does. */
IL_TEST(N, n255_children_are_reaped_by_the_system_also_while_they_are_received)
{
	struct sigaction none = {.sa_flags = SA_NOCLDWAIT};

	none.sa_handler = count_signal;
	sigemptyset(&none.sa_mask);
	for (int ignored = 0; ignored < 2; ignored++) {
		il_signal_receiver *r;
		pid_t pid;
		if (ignored)
			set_handler(SIGCHLD, SIG_IGN);
		else
			install(SIGCHLD, &none);
		r = opened(SIGCHLD);
		pid = ended_child();
		CHECK_RC(il_signal_receiver_next(r, IL_FOREVER), SIGCHLD);
		CHECK_EQ(waitpid(pid, NULL, 0), -1);
		il_signal_receiver_destroy(r);
	}
	set_handler(SIGCHLD, SIG_DFL);
}

/* Who asked to hear of ends only. A stop that nobody took would swallow the end. */
IL_TEST(N, n255_a_handler_that_wants_no_stops_gets_none)
{
	struct sigaction ends = {.sa_flags = SA_NOCLDSTOP};
	il_signal_receiver *r;
	siginfo_t info;
	pid_t pid;

	ends.sa_handler = count_signal;
	sigemptyset(&ends.sa_mask);
	install(SIGCHLD, &ends);
	r = opened(SIGCHLD);
	pid = fork();
	if (pid == 0) {
		raise(SIGSTOP);
		_exit(3);
	}
	CHECK(pid > 0);
	CHECK_EQ(waitid(P_PID, (id_t)pid, &info, WSTOPPED), 0);
	CHECK_RC(il_signal_receiver_next(r, 0), -ETIMEDOUT);
	CHECK_EQ(kill(pid, SIGCONT), 0);
	CHECK_RC(il_signal_receiver_next(r, IL_FOREVER), SIGCHLD);
	UNTIL(atomic_load(&signals_seen) == 1);
	CHECK_EQ(waitpid(pid, NULL, 0), pid);
	il_signal_receiver_destroy(r);
	CHECK_EQ(signals_seen, 1);
	set_handler(SIGCHLD, SIG_DFL);
}

static sigjmp_buf way_out;

static void jump_out(int number)
{
	(void)number;
	siglongjmp(way_out, 1);
}

IL_TEST(N, n255_a_handler_before_need_not_return)
{
	il_signal_receiver *volatile r = NULL;

	if (IL_TEST_TSAN)
		return;
	set_handler(SIGUSR1, jump_out);
	r = opened(SIGUSR1);
	if (sigsetjmp(way_out, 1) == 0)
		raise(SIGUSR1);
	CHECK_RC(il_signal_receiver_next(r, IL_FOREVER), SIGUSR1);
	il_signal_receiver_destroy(r);
	CHECK(handles(SIGUSR1, jump_out));
	set_handler(SIGUSR1, SIG_DFL);
}

/* ---- with a loop that handles SIGINT, below ---- */

struct layers {
	il_signal_receiver *r;
	il_loop *loop;
};

static int open_above(void *arg)
{
	struct layers *l = arg;

	l->r = opened(SIGINT);
	CHECK_EQ(raise(SIGINT), 0);
	CHECK_EQ(signals_seen, 0); /* the loop has taken the place of that one */
	CHECK_RC(il_signal_receiver_next(l->r, IL_FOREVER), SIGINT);
	return 0;
}

static int stay_below(void *arg)
{
	CHECK_RC(il_signal_receiver_next(((struct layers *)arg)->r, IL_FOREVER), SIGINT);
	CHECK_EQ(raise(SIGINT), 0);
	return il_check_cancelled();
}

/* What the receiver stands above changes; a loop's handler is not called on. */
IL_TEST_OWN(N, n260_a_receiver_calls_on_what_is_below_the_loop_only_without_the_loop)
{
	il_loop_options options = {.handle_sigint = true};
	struct layers l = {.r = NULL};

	set_handler(SIGINT, count_signal);
	CHECK_RC(il_loop_open(&l.loop, il_test_backend(), &options), 0);
	CHECK_RC(il_loop_run(l.loop, open_above, &l), 0);
	CHECK_EQ(raise(SIGINT), 0);
	CHECK_EQ(signals_seen, 1);
	CHECK_RC(il_loop_run(l.loop, stay_below, &l), 0);
	CHECK_EQ(signals_seen, 1);
	il_loop_destroy(l.loop);
	CHECK_EQ(signals_seen, 2); /* the one that nobody took and nobody has heard of */
	CHECK(handles(SIGINT, count_signal));
	il_signal_receiver_destroy(l.r);
	set_handler(SIGINT, SIG_DFL);
}

/* ---- blocked signals ---- */

static bool is_blocked(int number)
{
	sigset_t mask;

	return pthread_sigmask(SIG_SETMASK, NULL, &mask) == 0 && sigismember(&mask, number);
}

static void set_blocked(int number, bool blocked)
{
	sigset_t one;

	sigemptyset(&one);
	sigaddset(&one, number);
	pthread_sigmask(blocked ? SIG_BLOCK : SIG_UNBLOCK, &one, NULL);
}

IL_TEST(N, n255_what_the_program_has_blocked_is_received)
{
	struct waiter w = {.name = NULL};
	il_group g = IL_GROUP_INIT;
	il_signal_receiver *r;

	set_handler(SIGUSR1, SIG_DFL);
	set_blocked(SIGUSR1, true);
	CHECK_EQ(kill(getpid(), SIGUSR1), 0); /* pending */
	r = opened(SIGUSR1);
	CHECK_RC(il_signal_receiver_next(r, IL_FOREVER), SIGUSR1);
	CHECK_RC(il_group_open(&g), 0); /* another task than the one that opened it */
	start_waiting(&g, &w, next_signal, r);
	CHECK_EQ(kill(getpid(), SIGUSR1), 0);
	CHECK_RC(il_group_close(&g, 0), 0);
	check_waited(&w, SIGUSR1);
	CHECK_EQ(kill(getpid(), SIGUSR1), 0); /* nobody takes it, and the default does not end us */
	UNTIL(!is_blocked(SIGUSR1));
	il_signal_receiver_destroy(r);
	CHECK(is_blocked(SIGUSR1));
	set_handler(SIGUSR1, SIG_IGN);
	set_blocked(SIGUSR1, false);
	set_handler(SIGUSR1, SIG_DFL);
}

static int receive_from_outside(void *arg)
{
	il_signal_receiver *r;
	int number;

	CHECK(is_blocked(SIGUSR1));
	r = opened(SIGUSR1);
	atomic_store((atomic_bool *)arg, true);
	number = il_signal_receiver_next(r, IL_FOREVER);
	il_signal_receiver_destroy(r);
	CHECK(is_blocked(SIGUSR1));
	return number;
}

/* Blocked in all threads: also in the loop's, which the library has started. */
IL_TEST_OWN(N, n255_a_loop_in_another_thread_receives_what_all_have_blocked)
{
	atomic_bool open = false;
	il_portal *p = NULL;
	il_future *f = NULL;

	if (IL_TEST_TSAN) /* whose own thread blocks none, and hands it to nobody */
		return;
	set_blocked(SIGUSR1, true);
	CHECK_RC(il_blocking_portal_start(&p, il_test_backend(), NULL), 0);
	CHECK_RC(il_portal_run_coroutine_soon(p, &f, receive_from_outside, &open), 0);
	UNTIL(atomic_load(&open));
	CHECK_EQ(kill(getpid(), SIGUSR1), 0);
	CHECK_RC(il_future_join(f), SIGUSR1);
	CHECK_RC(il_blocking_portal_stop(p), 0);
	set_blocked(SIGUSR1, false);
}

static int fork_and_look(void *arg)
{
	il_signal_receiver *r = opened(SIGUSR1);
	int status = 0;
	pid_t child = fork();

	(void)arg;
	if (child == 0)
		_exit(is_blocked(SIGUSR1) && handles(SIGUSR1, SIG_DFL) ? 0 : 1);
	CHECK(child > 0);
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK_EQ(status, 0);
	CHECK(!is_blocked(SIGUSR1));
	il_signal_receiver_destroy(r);
	return 0;
}

IL_TEST_OWN_REAL(N, n257_a_forked_child_has_blocked_what_its_parent_had)
{
	set_handler(SIGUSR1, SIG_DFL);
	set_blocked(SIGUSR1, true);
	CHECK_RC(il_run(il_test_backend(), fork_and_look, NULL), 0);
	CHECK(is_blocked(SIGUSR1));
	set_blocked(SIGUSR1, false);
}

IL_TEST(N, n256_a_real_time_signal_is_received_as_any_other)
{
	il_signal_receiver *r = opened(SIGRTMIN + 3);

	CHECK_EQ(raise(SIGRTMIN + 3), 0);
	CHECK_RC(il_signal_receiver_next(r, IL_FOREVER), SIGRTMIN + 3);
	CHECK_RC(il_signal_receiver_next(r, 0), -ETIMEDOUT);
	il_signal_receiver_destroy(r);
}

IL_TEST(N, n256_a_signal_that_cannot_be_received_is_refused_with_the_reason)
{
	il_signal_receiver *r = NULL;

	CHECK_RC(il_signal_receiver_open(&r, &(const int){SIGKILL}, 1), -EINVAL);
	CHECK(strstr(il_error_detail(), "nobody catch it") != NULL);
	CHECK_RC(il_signal_receiver_open(&r, &(const int){SIGSEGV}, 1), -EINVAL);
	CHECK(strstr(il_error_detail(), "fault") != NULL);
	CHECK(r == NULL);
}
