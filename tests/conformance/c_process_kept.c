/*
 * c_process_kept.c: a loop goes on watching a worker process between its calls, which costs nothing then; also where
 * the worker dies meanwhile, or serves somebody else.
 */
#define _GNU_SOURCE
#include "peers.h"
#include "processes.h"

#include <sys/socket.h>

static void run_one(il_executor *ex, int value)
{
	struct job j = job_on(NULL, value);

	CHECK_RC(il_executor_run(ex, square, &j, sizeof j), value);
	CHECK_EQ(j.square, value * value);
}

/* ---- calls one after the other ---- */

static int changes; /* of what the loop watches of sockets */

static int count_changes(void *self, struct il_watch *w, unsigned mask)
{
	socklen_t size = sizeof(int);
	int type;

	changes += getsockopt(w->fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0;
	return il_test_backend()->driver.watch(self, w, mask);
}

static int run_some(void *arg)
{
	il_executor *ex = new_processes((il_process_pool_options){.max_workers = 1});

	(void)arg;
	for (int i = 0; i < 20; i++)
		run_one(ex, i);
	CHECK(changes > 0);
	CHECK(changes < 20);
	il_executor_destroy(ex);
	return 0;
}

IL_TEST_OWN_REAL(C, a_worker_that_serves_one_call_after_the_other_stays_watched)
{
	il_backend backend = *il_test_backend();

	backend.driver.watch = count_changes;
	changes = 0;
	CHECK_RC(il_run(&backend, run_some, NULL), 0);
}

/* ---- an idle one dies ---- */

IL_TEST_REAL(C, an_idle_worker_that_dies_does_not_keep_the_loop_busy)
{
	il_executor *ex = new_processes((il_process_pool_options){.max_workers = 1});
	int pid = pid_of_next(ex);
	il_time busy;

	CHECK_EQ(kill(pid, SIGKILL), 0);
	busy = il_test_thread_cpu();
	CHECK_RC(il_sleep(IL_MSEC(200)), 0);
	CHECK(il_test_thread_cpu() - busy < IL_MSEC(100));
	CHECK(pid_of_next(ex) != pid);
	run_one(ex, 3);
	il_executor_destroy(ex);
}

/* ---- one that serves others, too ---- */

struct other {
	il_executor *ex;
	const il_backend *backend; /* NULL: a plain thread */
	bool kills;
	struct board *board;
	pthread_t thread;
};

static int use_and_kill(void *arg)
{
	struct other *o = arg;
	int pid = pid_of_next(o->ex);

	run_one(o->ex, 5);
	if (!o->kills)
		return 0;
	CHECK_EQ(kill(pid, SIGKILL), 0);
	CHECK(pid_of_next(o->ex) != pid);
	run_one(o->ex, 6);
	return 0;
}

static void *be_the_other(void *arg)
{
	struct other *o = arg;

	CHECK_RC(o->backend ? il_run(o->backend, use_and_kill, o) : use_and_kill(o), 0);
	return NULL;
}

/* While this loop stands still: nobody waits for it to let the worker go. */
static void pass_round(const il_backend *backend, bool kills)
{
	struct other o = {.backend = backend, .kills = kills};
	int before = open_descriptors();

	o.ex = new_processes((il_process_pool_options){.max_workers = 1});
	for (int i = 0; i < 3; i++) {
		run_one(o.ex, i);
		CHECK_EQ(pthread_create(&o.thread, NULL, be_the_other, &o), 0);
		CHECK_EQ(pthread_join(o.thread, NULL), 0);
	}
	run_one(o.ex, 4);
	il_executor_destroy(o.ex);
	UNTIL(open_descriptors() <= before);
}

IL_TEST_REAL(C, a_worker_goes_from_a_loop_that_stands_still_to_others)
{
	pass_round(NULL, false);
	pass_round(NULL, true);
	pass_round(il_test_backend(), false);
	pass_round(il_test_backend(), true);
}

/* Whoever has it at the end. */
IL_TEST_REAL(C, a_pool_ends_with_a_worker_that_went_to_another_loop)
{
	struct other o = {.backend = il_test_backend()};
	int before = open_descriptors();

	for (int i = 0; i < 3; i++) {
		o.ex = new_processes((il_process_pool_options){.max_workers = 1});
		run_one(o.ex, i);
		CHECK_EQ(pthread_create(&o.thread, NULL, be_the_other, &o), 0);
		CHECK_EQ(pthread_join(o.thread, NULL), 0);
		if (i == 1)
			CHECK_RC(il_executor_shutdown(o.ex, 0), 0);
		il_executor_unref(o.ex);
	}
	UNTIL(open_descriptors() <= before);
}

/* What another thread ends goes on until the last moment, when this loop may be through with the pool already. */
static void *hold_one(void *arg)
{
	struct other *o = arg;
	struct job j = job_on(o->board, 9);

	CHECK_RC(il_executor_run(o->ex, linger, &j, sizeof j), 9);
	return NULL;
}

static void let_go_soon(void *board)
{
	atomic_store(&((struct board *)board)->open, true);
}

IL_TEST_REAL(C, a_pool_is_shut_down_while_another_thread_ends_its_last_call)
{
	for (int i = 0; i < 20; i++) {
		struct other o = {.board = new_board()};

		o.ex = new_processes((il_process_pool_options){.max_workers = 2});
		CHECK_EQ(pthread_create(&o.thread, NULL, hold_one, &o), 0);
		UNTIL_THREAD(atomic_load(&o.board->begun) > 0);
		run_one(o.ex, i);
		let_go_soon(o.board);
		CHECK_RC(il_executor_shutdown(o.ex, 0), 0);
		CHECK_EQ(pthread_join(o.thread, NULL), 0);
		il_executor_destroy(o.ex);
		free_board(o.board);
	}
}

/* ---- a host's loop ---- */

static int use_it(void *arg)
{
	struct other *o = arg;

	run_one(o->ex, 5);
	return 0;
}

/* It ends each time nothing of ours lives on it, and the pool is there. */
IL_TEST_ADOPTED(C, a_hosts_loop_is_not_kept_by_an_idle_worker)
{
	struct other o = {.ex = new_processes((il_process_pool_options){.max_workers = 1})};
	void *native = il_native.create();
	il_loop *loop = NULL;

	CHECK_RC(il_native.attach(&loop, native, NULL), 0);
	for (int i = 0; i < 3; i++) {
		CHECK_RC(il_loop_spawn(loop, NULL, use_it, &o), 0);
		il_native.run(native);
	}
	CHECK_RC(il_loop_detach(loop), 0);
	il_native.run(native);
	CHECK_RC(il_native.destroy(native), 0);
	run_one(o.ex, 6);
	il_executor_destroy(o.ex);
}

/* ---- a host that closes all handles of its loop ---- */

struct guest {
	il_executor *ex;
	struct board *board;
	bool begun, ended, empty;
};

static int call_to_the_end(void *arg)
{
	struct guest *g = arg;
	struct job j = job_on(g->board, 7);
	il_scope shielded = IL_SCOPE_INIT;
	int rc;

	CHECK_RC(il_scope_enter(&shielded, IL_FOREVER, IL_SHIELD), 0);
	rc = il_executor_run(g->ex, linger, &j, sizeof j);
	g->ended = rc == 7;
	return il_scope_exit(&shielded, rc);
}

static int call_at_the_end(void *arg)
{
	struct guest *g = arg;

	run_one(g->ex, 3);
	g->begun = true;
	CHECK_RC(il_sleep_forever(), -ECANCELED);
	return call_to_the_end(g);
}

static int call_all_the_time(void *arg)
{
	struct guest *g = arg;

	run_one(g->ex, 3);
	g->begun = true;
	return call_to_the_end(g);
}

static void stop(void *native)
{
	il_native.stop(native);
}

static void run_a_while(void *native)
{
	il_native.after(native, IL_MSEC(30), stop, native);
	il_native.run(native);
}

static void on_empty(il_loop *loop, void *arg)
{
	((struct guest *)arg)->empty = true;
	CHECK_RC(il_loop_detach(loop), 0);
}

static void open_board(void *board)
{
	atomic_store(&((struct board *)board)->open, true);
}

static void close_all_and_shut_down(il_fn *fn)
{
	struct guest g = {.ex = new_processes((il_process_pool_options){.max_workers = 1}),
			  .board = new_board()};
	void *native = il_native.create();
	il_loop *loop = NULL;

	CHECK_RC(il_native.attach(&loop, native, NULL), 0);
	CHECK_RC(il_loop_spawn(loop, NULL, fn, &g), 0);
	while (!g.begun)
		run_a_while(native);
	run_a_while(native);
	if (il_native.close_all) {
		il_native.close_all(native);
		il_native.run(native);
	}
	CHECK_RC(il_loop_shutdown(loop, on_empty, &g), 0);
	il_native.after(native, IL_MSEC(50), open_board, g.board);
	il_native.run(native);
	CHECK(g.ended && g.empty);
	il_native.run(native);
	CHECK_RC(il_native.destroy(native), 0);
	il_executor_destroy(g.ex);
	free_board(g.board);
}

IL_TEST_ADOPTED(C, a_worker_is_watched_after_the_host_has_closed_all_handles)
{
	close_all_and_shut_down(call_at_the_end);
}

IL_TEST_ADOPTED(C, a_worker_is_watched_that_ran_when_the_host_closed_all_handles)
{
	close_all_and_shut_down(call_all_the_time);
}
