/*
 * c_process_let_go.c: a call that no worker process has begun is let go at once, when it is cancelled or its time
 * is up: also where a worker was started for it that does not get ready. The worker goes on getting ready, and
 * takes the next call.
 */
#define _GNU_SOURCE
#include "processes.h"

#include <sys/socket.h>

/* An initializer that stays until its board is open. */
static int get_ready(void *arg)
{
	return linger(arg) < 0 ? -ENOENT : 0;
}

static il_executor *slow_starters(struct board *b, int workers, bool kills)
{
	struct job j = job_on(b, 0);

	return new_processes((il_process_pool_options){.max_workers = workers,
						       .initializer = get_ready,
						       .initializer_arg = &j,
						       .initializer_size = sizeof j,
						       .kill_on_cancel = kills});
}

/* The one that was getting ready all the while serves, and no other was started. */
static void check_served_after(il_executor *ex, struct board *b)
{
	int pid;

	atomic_store(&b->open, true);
	pid = pid_of_next(ex);
	CHECK_EQ(b->begun, 1);
	CHECK_EQ(pid, b->pids[0]);
	il_executor_destroy(ex);
	free_board(b);
}

/* ---- a task ---- */

struct call {
	il_executor *ex;
	struct job job;
	il_scope scope;
	int rc;
	bool ended;
};

static int run_call(void *arg)
{
	struct call *c = arg;

	CHECK_RC(il_scope_enter(&c->scope, IL_FOREVER, 0), 0);
	c->rc = il_executor_run(c->ex, square, &c->job, sizeof c->job);
	c->ended = true;
	return il_scope_exit(&c->scope, c->rc) < 0 ? -EIO : 0;
}

static void cancel_in_a_task(bool kills)
{
	struct board *b = new_board();
	struct call c = {.ex = slow_starters(b, 1, kills), .scope = IL_SCOPE_INIT};
	il_group g;

	CHECK_RC(il_group_open(&g), 0);
	CHECK_RC(il_group_start_soon(&g, NULL, run_call, &c), 0);
	UNTIL_THREAD(atomic_load(&b->begun) == 1);
	CHECK(!c.ended);
	CHECK_RC(il_scope_cancel(&c.scope), 0);
	CHECK_RC(il_group_close(&g, 0), 0);
	CHECK_RC(c.rc, -ECANCELED);
	check_served_after(c.ex, b);
}

IL_TEST(C, n72_a_tasks_call_is_let_go_while_its_worker_gets_ready)
{
	cancel_in_a_task(false);
	cancel_in_a_task(true);
}

/* ---- futures ---- */

static void cancel_a_future(bool kills)
{
	struct board *b = new_board();
	il_executor *ex = slow_starters(b, 1, kills);
	struct job j = job_on(NULL, 4);
	il_future *f = submit_job(ex, square, &j);

	UNTIL_THREAD(atomic_load(&b->begun) == 1);
	CHECK_EQ(il_future_running(f), false);
	CHECK_EQ(il_future_cancel(f), true);
	CHECK_RC(il_future_result(f, 0), -ECANCELED);
	il_future_unref(f);
	check_served_after(ex, b);
}

IL_TEST_CORE(C, n72_a_future_is_let_go_while_its_worker_gets_ready)
{
	cancel_a_future(false);
	cancel_a_future(true);
}

IL_TEST(C, n72_a_tasks_future_is_let_go_while_its_worker_gets_ready)
{
	cancel_a_future(false);
	cancel_a_future(true);
}

/* Its worker is lost before it reads the call, which has begun for all who ask and goes to the next; or it is lost before
 * that, and the call has not begun. */
IL_TEST(C, n72_a_call_of_a_worker_that_is_lost_is_let_go_while_the_next_gets_ready)
{
	struct board *b = new_board();
	il_executor *ex = slow_starters(b, 1, true);
	struct job j = job_on(NULL, 4);

	for (int i = 0; i < 2; i++) {
		il_future *f;
		int pid;
		atomic_store(&b->open, true);
		pid = pid_of_next(ex);
		atomic_store(&b->open, false);
		atomic_store(&b->begun, 0);
		CHECK_EQ(kill(pid, SIGKILL), 0);
		f = submit_job(ex, square, &j);
		UNTIL_THREAD(atomic_load(&b->begun) == 1);
		CHECK_EQ(il_future_cancel(f), true);
		CHECK_RC(end_of(f), -ECANCELED);
	}
	atomic_store(&b->open, true);
	il_executor_destroy(ex);
	free_board(b);
}

/* ---- a worker that is lost, and not reaped yet ---- */

static il_future *doomed; /* is cancelled when the loop forgets its worker's stream */

static int watch_and_cancel(void *self, struct il_watch *w, unsigned mask)
{
	int rc = il_test_backend()->driver.watch(self, w, mask), type;
	socklen_t size = sizeof type;
	il_future *f = doomed;

	if (f && !mask && getsockopt(w->fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0) {
		doomed = NULL;
		CHECK_EQ(il_future_cancel(f), true);
	}
	return rc;
}

/* An initializer that ends its stream, which is descriptor 3, and goes on. */
static int hang_up(void *arg)
{
	(void)arg;
	shutdown(3, SHUT_RDWR);
	return pause();
}

static int cancel_between(void *arg)
{
	il_executor *ex =
	    new_processes((il_process_pool_options){.max_workers = 1, .initializer = hang_up});
	struct job j = job_on(NULL, 4);

	(void)arg;
	doomed = submit_job(ex, square, &j);
	CHECK_RC(end_of(doomed), -ECANCELED);
	CHECK_RC(il_executor_shutdown(ex, 0), 0);
	il_executor_unref(ex);
	return 0;
}

/* There is no call that could be given to another worker. */
IL_TEST_OWN_REAL(C, a_pool_ends_though_a_call_was_let_go_between_its_workers_end_and_the_reaping)
{
	il_backend backend = *il_test_backend();

	backend.driver.watch = watch_and_cancel;
	CHECK_RC(il_run(&backend, cancel_between, NULL), 0);
}

/* ---- futures, once more: who comes next ---- */

/* The call behind it is first now. */
static void cancel_the_first_of_two(void)
{
	struct board *b = new_board();
	il_executor *ex = slow_starters(b, 1, false);
	struct job j[2] = {job_on(NULL, 4), job_on(NULL, 5)};
	il_future *f[2] = {submit_job(ex, square, &j[0]), submit_job(ex, square, &j[1])};

	UNTIL_THREAD(atomic_load(&b->begun) == 1);
	CHECK_EQ(il_future_cancel(f[0]), true);
	CHECK_RC(end_of(f[0]), -ECANCELED);
	atomic_store(&b->open, true);
	CHECK_RC(end_of(f[1]), 5);
	CHECK_EQ(j[0].square, 0);
	CHECK_EQ(j[1].square, 25);
	il_executor_destroy(ex);
	CHECK_EQ(b->begun, 1);
	free_board(b);
}

IL_TEST_CORE(C, n72_who_waits_behind_a_call_that_is_let_go_comes_next)
{
	cancel_the_first_of_two();
}

IL_TEST(C, n72_who_waits_behind_a_tasks_call_that_is_let_go_comes_next)
{
	cancel_the_first_of_two();
}

/* ---- map ---- */

static void let_a_map_go(void)
{
	struct board *b = new_board();
	il_executor *ex = slow_starters(b, 1, false);
	struct job items[3] = {job_on(NULL, 1), job_on(NULL, 2), job_on(NULL, 3)};
	int results[3] = {0};

	CHECK_RC(il_executor_map(ex, square, items, 3, sizeof *items, results, IL_MSEC(20)),
		 -ETIMEDOUT);
	for (int i = 0; i < 3; i++)
		CHECK_EQ(results[i], -ECANCELED);
	check_served_after(ex, b);
}

IL_TEST_CORE(C, n72_a_map_is_let_go_while_its_workers_get_ready)
{
	let_a_map_go();
}

IL_TEST_REAL(C, n72_a_tasks_map_is_let_go_while_its_workers_get_ready)
{
	let_a_map_go();
}

/* ---- the end of the pool, and of the loop ---- */

static void cancel_by_shutdown(void)
{
	struct board *b = new_board();
	il_executor *ex = slow_starters(b, 2, false);
	struct job j[3] = {job_on(NULL, 1), job_on(NULL, 2), job_on(NULL, 3)};
	il_future *f[3];

	for (int i = 0; i < 3; i++)
		f[i] = submit_job(ex, square, &j[i]);
	UNTIL_THREAD(atomic_load(&b->begun) == 2);
	CHECK_RC(il_executor_shutdown(ex, IL_NOWAIT | IL_CANCEL_FUTURES), 0);
	for (int i = 0; i < 3; i++) {
		CHECK_RC(il_future_result(f[i], 0), -ECANCELED);
		il_future_unref(f[i]);
	}
	atomic_store(&b->open, true);
	il_executor_destroy(ex);
	free_board(b);
}

IL_TEST_CORE(C, n72_a_shutdown_cancels_what_waits_for_a_worker_to_get_ready)
{
	cancel_by_shutdown();
}

IL_TEST(C, n72_a_tasks_shutdown_cancels_what_waits_for_a_worker_to_get_ready)
{
	cancel_by_shutdown();
}

struct hold {
	atomic_bool in, go;
};

static int hold_thread(il_future *f, void *arg)
{
	struct hold *h = arg;

	(void)f;
	atomic_store(&h->in, true);
	UNTIL_THREAD(atomic_load(&h->go));
	return 0;
}

/* The thread that talks to workers for plain threads is in a callback of the user's. */
IL_TEST_CORE(C, n72_a_shutdown_cancels_what_its_thread_has_not_come_to)
{
	struct board *b = new_board();
	il_executor *ex = new_processes((il_process_pool_options){.max_workers = 2});
	struct job first = job_on(b, 1), second = job_on(NULL, 2);
	il_future *f = submit_job(ex, linger, &first), *g;
	struct hold h = {.in = false};

	CHECK_RC(il_future_on_done(f, hold_thread, &h), 0);
	atomic_store(&b->open, true);
	UNTIL_THREAD(atomic_load(&h.in));
	g = submit_job(ex, square, &second);
	CHECK_RC(il_executor_shutdown(ex, IL_NOWAIT | IL_CANCEL_FUTURES), 0);
	CHECK_RC(il_future_result(g, 0), -ECANCELED);
	il_future_unref(g);
	atomic_store(&h.go, true);
	CHECK_RC(end_of(f), 1);
	il_executor_destroy(ex);
	free_board(b);
}

struct last {
	struct board *board;
	il_future *first;
};

static int linger_and_exit(void *arg)
{
	linger(arg);
	_exit(3);
}

/* In the thread that shuts down: whatever the pool's own thread does for the other call it has done. */
static int let_the_first_end(il_future *f, void *arg)
{
	struct last *l = arg;

	(void)f;
	atomic_store(&l->board->open, true);
	UNTIL_THREAD(il_future_done(l->first));
	nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
	return 0;
}

IL_TEST_CORE(C, n72_a_shutdown_ends_though_what_it_cancels_is_the_last)
{
	struct last l = {.board = new_board()};
	il_executor *ex = new_processes((il_process_pool_options){.max_workers = 1});
	struct job first = job_on(l.board, 1), second = job_on(NULL, 2);
	il_future *f;

	l.first = submit_job(ex, linger_and_exit, &first);
	UNTIL_THREAD(atomic_load(&l.board->begun) == 1);
	f = submit_job(ex, square, &second);
	CHECK_RC(il_future_on_done(f, let_the_first_end, &l), 0);
	CHECK_RC(il_executor_shutdown(ex, IL_CANCEL_FUTURES), 0);
	CHECK_RC(end_of(f), -ECANCELED);
	CHECK_RC(end_of(l.first), -EOWNERDEAD);
	il_executor_unref(ex);
	free_board(l.board);
}

struct left {
	il_executor *ex;
	struct board *board;
	struct job job;
	il_future *f;
};

static int leave_a_call(void *arg)
{
	struct left *l = arg;

	l->f = submit_job(l->ex, square, &l->job);
	UNTIL_THREAD(atomic_load(&l->board->begun) == 1);
	return 0;
}

IL_TEST_OWN(C, n72_a_loop_ends_while_a_worker_gets_ready)
{
	struct board *b = new_board();
	struct left l = {.ex = slow_starters(b, 1, false), .board = b};

	CHECK_RC(il_run(il_test_backend(), leave_a_call, &l), 0);
	CHECK_RC(il_future_result(l.f, 0), -ECANCELED);
	il_future_unref(l.f);
	check_served_after(l.ex, b);
}

/* What its tasks and callbacks submit when the loop ends. */
struct late {
	il_executor *ex;
	struct board *board;
	struct job first, job;
	il_future *f;
	int again, by_task;
	bool ran;
};

static int submit_late(struct late *l)
{
	il_future *f = NULL;
	int rc = il_executor_submit(l->ex, &f, linger, &l->first, sizeof l->first);

	il_future_unref(f);
	return rc;
}

/* In the loop's thread, or the pool's own: there no loop submits. */
static int submit_again(il_future *f, void *arg)
{
	struct late *l = arg;

	(void)f;
	if (il_loop_current())
		l->again = submit_late(l);
	return 0;
}

static int clean_up(void *arg)
{
	struct late *l = arg;
	il_scope shielded = IL_SCOPE_INIT;

	CHECK_RC(il_sleep_forever(), -ECANCELED);
	l->by_task = submit_late(l);
	CHECK_RC(il_scope_enter(&shielded, IL_FOREVER, IL_SHIELD), 0);
	CHECK_RC(il_executor_run(l->ex, square, &l->job, sizeof l->job), 3);
	CHECK_RC(il_executor_submit(l->ex, NULL, square, &l->job, sizeof l->job), 0);
	l->ran = true;
	return il_scope_exit(&shielded, 0);
}

static int leave_a_call_and_a_task(void *arg)
{
	struct late *l = arg;

	l->f = submit_job(l->ex, linger, &l->first);
	CHECK_RC(il_future_on_done(l->f, submit_again, l), 0);
	CHECK_RC(il_loop_spawn(il_loop_current(), NULL, clean_up, l), 0);
	UNTIL_THREAD(atomic_load(&l->board->begun) == 1);
	return il_yield();
}

IL_TEST_OWN(C, a_loop_that_ends_submits_only_what_does_not_go_with_it)
{
	struct board *b = new_board();
	struct late l = {.ex = new_processes((il_process_pool_options){.max_workers = 1}),
			 .board = b,
			 .first = job_on(b, 1),
			 .job = job_on(NULL, 3),
			 .again = -ESHUTDOWN};

	CHECK_RC(il_run(il_test_backend(), leave_a_call_and_a_task, &l), 0);
	CHECK_RC(end_of(l.f), -ECANCELED);
	CHECK_RC(l.again, -ESHUTDOWN);
	CHECK_RC(l.by_task, -ESHUTDOWN);
	CHECK(l.ran);
	CHECK_EQ(b->begun, 1);
	pid_of_next(l.ex); /* the pool goes on */
	il_executor_destroy(l.ex);
	free_board(b);
}
