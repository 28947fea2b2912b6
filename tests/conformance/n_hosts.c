/*
 * n_hosts.c: what a host may do with its loop, and what it may not: misuse is stopped with the
 * sentence of its own rule.
 */
#include "children.h"
#include "dies.h"
#include "in_child.h"
#include "scarce_backend.h"
#include "waiter.h"

/* ---- all handles closed, ours too ---- */

static int nap(void *arg)
{
	(void)arg;
	return il_sleep(IL_MSEC(1));
}

static int read_byte(void *stream)
{
	char byte;

	return il_stream_read(stream, &byte, 1);
}

static int nap_again(void *arg)
{
	*(bool *)arg = il_sleep(IL_MSEC(1)) == 0;
	return 0;
}

IL_TEST_ADOPTED(N, a_host_may_close_all_handles_first)
{
	void *native = il_native.create();
	il_loop *loop = NULL;

	if (!il_native.close_all) { /* libuv has such a thing alone */
		il_native.destroy(native);
		return;
	}
	for (int n = 0; n < 4; n++) {
		CHECK_RC(il_native.attach(&loop, native, NULL), 0);
		CHECK_RC(il_loop_spawn(loop, NULL, nap, NULL), 0);
		il_native.run(native);
		il_native.close_all(native);
		if (n % 2) /* and is through with it, or not */
			il_native.run(native);
		CHECK_RC(il_loop_detach(loop), 0);
		il_native.run(native);
	}
	CHECK_RC(il_native.destroy(native), 0);
}

struct awake {
	bool begun, ended;
};

/* Has a descriptor watched, and a timer set. */
static int wait_for_the_end(void *arg)
{
	struct awake *a = arg;
	il_stream *x, *y;
	char byte;

	CHECK_RC(il_stream_pair(&x, &y), 0);
	a->begun = true;
	CHECK_RC(il_stream_read(x, &byte, 1), -ECANCELED);
	il_stream_destroy(x);
	il_stream_destroy(y);
	a->ended = true;
	return 0;
}

static void stop(void *native)
{
	il_native.stop(native);
}

static void on_empty(il_loop *loop, void *arg)
{
	*(bool *)arg = true;
	CHECK_RC(il_loop_detach(loop), 0);
}

IL_TEST_ADOPTED(N, tasks_can_be_ended_after_the_host_has_closed_all_handles)
{
	void *native = il_native.create();
	struct awake a = {.begun = false};
	bool empty = false;
	il_loop *loop = NULL;

	if (!il_native.close_all) {
		il_native.destroy(native);
		return;
	}
	CHECK_RC(il_native.attach(&loop, native, NULL), 0);
	CHECK_RC(il_loop_spawn(loop, NULL, wait_for_the_end, &a), 0);
	while (!a.begun) {
		il_native.after(native, IL_MSEC(1), stop, native);
		il_native.run(native);
	}
	il_native.close_all(native);
	il_native.run(native);
	CHECK_RC(il_loop_detach(loop), -EBUSY);
	CHECK_RC(il_loop_shutdown(loop, on_empty, &empty), 0);
	il_native.run(native);
	CHECK(a.ended && empty);
	CHECK_RC(il_native.destroy(native), 0);
}

static int lose_all_handles(void *arg)
{
	void *native = il_loop_native(il_loop_current());
	il_stream *x, *y;
	char byte;

	(void)arg;
	CHECK_RC(il_stream_pair(&x, &y), 0);
	il_native.close_all(native);
	CHECK_RC(il_sleep(IL_MSEC(2)), 0);
	CHECK_RC(il_fail_after(IL_MSEC(2), read_byte, x), -ETIMEDOUT);
	il_native.close_all(native);
	CHECK_RC(il_stream_write_all(y, "x", 1), 0);
	CHECK_RC(il_stream_read(x, &byte, 1), 1);
	il_stream_destroy(x);
	il_stream_destroy(y);
	return 0;
}

IL_TEST_OWN_REAL(N, an_own_loop_goes_on_after_the_application_has_closed_all_its_handles)
{
	if (il_native.close_all)
		CHECK_RC(il_run(il_test_backend(), lose_all_handles, NULL), 0);
}

/* ---- a native loop that refuses a watch ---- */

IL_TEST_ADOPTED(N, a_first_task_that_is_refused_leaves_the_hosts_loop_free)
{
	il_backend backend = scarce_backend();
	void *native = il_native.create();
	il_loop *loop = NULL;

	CHECK_RC(il_loop_attach(&loop, &backend, native, NULL), 0);
	for (int which = 1; which <= 2; which++) {
		scarce.next = which;
		int rc = il_loop_spawn(loop, NULL, nap, NULL);
		CHECK_RC(rc, scarce.next ? 0 : -ENOMEM); /* there may be one watch only */
		il_native.run(native);
	}
	scarce.next = 0;
	CHECK_RC(il_loop_spawn(loop, NULL, nap, NULL), 0);
	il_native.run(native);
	CHECK_RC(il_loop_detach(loop), 0);
	il_native.run(native);
	CHECK_RC(il_native.destroy(native), 0);
}

/* With a portal that has been open its watches are there until the next turn; with a task as long as it lives. */
enum before { IDLE, WATCHED, ALIVE };

static void shut_down_twice(enum before before, int which)
{
	il_backend backend = scarce_backend();
	void *native = il_native.create();
	bool empty = false, slept = false;
	il_loop *loop = NULL;
	il_portal *p = NULL;
	int rc;

	CHECK_RC(il_loop_attach(&loop, &backend, native, NULL), 0);
	if (before == ALIVE)
		CHECK_RC(il_loop_spawn(loop, NULL, nap_again, &slept), 0);
	if (before == WATCHED) {
		CHECK_RC(il_loop_create_threads_portal(loop, &p), 0);
		CHECK_RC(il_portal_close(p), 0);
	}
	scarce.next = which;
	rc = il_loop_shutdown(loop, on_empty, &empty);
	CHECK_RC(rc, scarce.next ? 0 : -ENOMEM); /* there may be one watch only */
	scarce.next = 0;
	il_native.run(native);
	CHECK_EQ(empty, rc == 0);
	CHECK_EQ(slept, before == ALIVE && rc < 0);
	if (rc < 0)
		CHECK_RC(il_loop_shutdown(loop, on_empty, &empty), 0);
	il_native.run(native);
	CHECK(empty);
	il_native.run(native);
	CHECK_RC(il_native.destroy(native), 0);
}

IL_TEST_ADOPTED(N, a_refused_shutdown_leaves_the_hosts_loop_free)
{
	for (int which = 1; which <= 2; which++)
		shut_down_twice(WATCHED, which);
}

IL_TEST_ADOPTED(N, tasks_go_on_after_a_refused_shutdown)
{
	for (int which = 1; which <= 2; which++)
		shut_down_twice(ALIVE, which);
}

IL_TEST_ADOPTED(N, a_shutdown_of_which_nobody_would_hear_the_end_is_refused)
{
	for (int which = 1; which <= 2; which++)
		shut_down_twice(IDLE, which);
}

/* ---- a host that forks ---- */

struct forked {
	void *native;
	il_loop *loop;
	il_stream *ours, *other;
	il_process *process;
	int fd[2];
	int waiting; /* tasks that wait */
	int rc[3];
	bool fired, renews, drops;
};

static int read_ours(void *arg)
{
	struct forked *f = arg;
	char byte;

	f->waiting++;
	f->rc[0] = il_stream_read(f->ours, &byte, 1);
	return 0;
}

static int read_foreign(void *arg)
{
	struct forked *f = arg;

	f->waiting++;
	f->rc[1] = il_wait_readable(f->fd[0]);
	return 0;
}

static int sleep_a_little(void *arg)
{
	struct forked *f = arg;

	CHECK_RC(il_stream_pair(&f->ours, &f->other), 0);
	f->process = spawned(SH("read line"), &piped);
	CHECK_RC(il_loop_spawn(f->loop, NULL, read_ours, f), 0);
	CHECK_RC(il_loop_spawn(f->loop, NULL, read_foreign, f), 0);
	f->waiting++;
	CHECK_RC(il_process_wait(f->process), 0);
	f->rc[2] = il_sleep(IL_MSEC(5));
	return 0;
}

static int use_both(void *arg)
{
	struct forked *f = arg;

	if (il_stream_write_all(f->other, "x", 1) < 0 || write(f->fd[1], "x", 1) != 1)
		return -EIO;
	return il_stream_write_all(il_process_stdin(f->process), "\n", 1);
}

static void note_and_stop(void *arg)
{
	struct forked *f = arg;

	f->fired = true;
	il_native.stop(f->native);
}

/* The host goes on with its loop, and adopts it anew. */
static int go_on_in_the_child(void *arg)
{
	struct forked *f = arg;
	bool slept = false;
	il_loop *anew;

	if (f->drops) {
		il_stream_destroy(f->ours);
		il_stream_destroy(f->other);
		il_process_destroy(f->process);
	}
	if (f->renews)
		il_native.renew(f->native);
	CHILD_CHECK(il_loop_detach(f->loop) == 0);
	if (!f->drops) {
		il_stream_destroy(f->ours);
		il_stream_destroy(f->other);
		il_process_destroy(f->process);
	}
	il_native.after(f->native, IL_MSEC(20), note_and_stop, f);
	il_native.run(f->native);
	CHILD_CHECK(f->fired);
	CHILD_CHECK(il_native.attach(&anew, f->native, NULL) == 0);
	CHILD_CHECK(il_loop_spawn(anew, NULL, nap_again, &slept) == 0);
	il_native.run(f->native);
	CHILD_CHECK(slept);
	CHILD_CHECK(il_loop_detach(anew) == 0);
	il_native.run(f->native);
	return 0;
}

static void check_fork(bool renews, bool drops)
{
	struct forked f = {.native = il_native.create(), .renews = renews, .drops = drops};

	CHECK_EQ(pipe(f.fd), 0);
	CHECK_RC(il_native.attach(&f.loop, f.native, NULL), 0);
	CHECK_RC(il_loop_spawn(f.loop, NULL, sleep_a_little, &f), 0);
	while (f.waiting < 3) {
		il_native.after(f.native, IL_MSEC(1), stop, f.native);
		il_native.run(f.native);
	}

	CHECK_IN_CHILD(go_on_in_the_child, &f);

	CHECK_RC(il_loop_spawn(f.loop, NULL, use_both, &f), 0);
	il_native.run(f.native);
	CHECK_RC(f.rc[0], 1);
	CHECK_RC(f.rc[1], 0);
	CHECK_RC(f.rc[2], 0);
	il_stream_destroy(f.ours);
	il_stream_destroy(f.other);
	il_process_destroy(f.process);
	CHECK_RC(il_loop_detach(f.loop), 0);
	il_native.run(f.native);
	close(f.fd[0]);
	close(f.fd[1]);
	CHECK_RC(il_native.destroy(f.native), 0);
}

/* ---- forked within a callback ---- */

struct daemon {
	void *native;
	il_loop *loop;
	il_timer *timer;
	pid_t child; /* 0: in it */
	bool fired;
};

static void leave_the_parent(void *arg)
{
	struct daemon *d = arg;

	fflush(NULL);
	d->child = fork();
	if (d->child == 0 && il_loop_detach(d->loop) < 0)
		_exit(2);
	il_native.stop(d->native);
}

static void note_in_daemon(void *arg)
{
	struct daemon *d = arg;

	d->fired = true;
	il_native.stop(d->native);
}

/* The child takes its copy off the loop in the callback, and returns to the loop. */
IL_TEST_OWN_REAL(N, a_child_may_detach_in_the_callback_that_forked_it)
{
	struct daemon d = {.native = il_native.create()};
	int status;

	CHECK_RC(il_native.attach(&d.loop, d.native, NULL), 0);
	CHECK_RC(il_timer_open(&d.timer, leave_the_parent, &d), 0);
	CHECK_RC(il_timer_set(d.timer, il_now() + IL_MSEC(1)), 0);
	il_native.run(d.native);
	if (d.child == 0) {
		il_native.after(d.native, IL_MSEC(1), note_in_daemon, &d);
		il_native.run(d.native);
		_exit(d.fired ? 0 : 3);
	}
	CHECK_EQ(waitpid(d.child, &status, 0), d.child);
	CHECK_EQ(status, 0);
	il_timer_close(d.timer);
	CHECK_RC(il_loop_detach(d.loop), 0);
	il_native.run(d.native);
	CHECK_RC(il_native.destroy(d.native), 0);
}

IL_TEST_ADOPTED(N, a_forked_host_goes_on_with_its_loop)
{
	check_fork(true, false);
}

IL_TEST_ADOPTED(N, a_forked_host_need_not_renew_its_loop_first)
{
	check_fork(false, false);
}

IL_TEST_ADOPTED(N, a_forked_host_may_drop_before_it_detaches)
{
	check_fork(false, true);
}

/* ---- who may run it ---- */

static void *run_native(void *native)
{
	il_native.run(native);
	return NULL;
}

/* run: the main function of the thread that runs it. */
static int attach_here_and_run_by(void *(*run)(void *native))
{
	void *native = il_native.create();
	il_loop *loop;
	pthread_t thread;

	if (il_native.attach(&loop, native, NULL) < 0 || il_loop_spawn(loop, NULL, nap, NULL) < 0)
		return 1;
	pthread_create(&thread, NULL, run, native);
	pthread_join(thread, NULL);
	return 1;
}

static int attach_here_and_run_there(void *arg)
{
	(void)arg;
	return attach_here_and_run_by(run_native);
}

static int run_native_in_a_task(void *native)
{
	il_native.run(native);
	return 0;
}

static void *run_native_beside_another_loop(void *native)
{
	il_run(il_test_backend(), run_native_in_a_task, native);
	return NULL;
}

static int attach_here_and_run_there_in_a_loop(void *arg)
{
	(void)arg;
	return attach_here_and_run_by(run_native_beside_another_loop);
}

IL_TEST_ADOPTED(N, a_loop_that_another_thread_runs_says_so)
{
	const char *said = "run in another thread than the one that attached it";

	il_test_dies(attach_here_and_run_there, NULL, said);
	il_test_dies(attach_here_and_run_there_in_a_loop, NULL, said);
}

static int run_own_by_hand(void *arg)
{
	il_loop *loop;
	il_portal *p;

	(void)arg;
	if (il_loop_open(&loop, il_test_backend(), NULL) < 0 ||
	    il_loop_create_threads_portal(loop, &p) < 0)
		return 1;
	if (il_portal_run_sync_soon(p, NULL, nap, NULL) < 0)
		return 1;
	il_native.run(il_loop_native(loop));
	return 1;
}

IL_TEST_OWN_REAL(N, an_own_loop_that_is_run_by_hand_says_so)
{
	il_test_dies(run_own_by_hand, NULL, "il_loop_run runs it");
}
