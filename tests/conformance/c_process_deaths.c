/*
 * c_process_deaths.c: worker processes that die, of their jobs or of somebody's signal, at every moment of a
 * call: that call alone fails, nothing is left behind, and what comes next finds another worker.
 */
#define _GNU_SOURCE
#include "../../core/process/wire.h"
#include "processes.h"

#include <interloop/backend.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

enum death { BY_SEGV, BY_EXIT_STATUS, BY_KILL, BY_EXIT };

/* Without the tools' handlers: they would call it a finding. */
static int die(void *arg)
{
	switch (((struct job *)arg)->value) {
	case BY_SEGV:
		signal(SIGSEGV, SIG_DFL);
		raise(SIGSEGV);
		break;
	case BY_EXIT_STATUS:
		fprintf(stderr, "first line\nthe last words\n");
		_exit(3);
	case BY_KILL:
		raise(SIGKILL);
		break;
	default:
		exit(4);
	}
	return 0;
}

static il_executor *two_workers(void)
{
	return new_processes((il_process_pool_options){.max_workers = 2});
}

/* ---- idle ones ---- */

/* Whether that child has stopped, or ended, and is not reaped. */
static bool waits_with(int pid, int how)
{
	siginfo_t info = {.si_pid = 0};

	return waitid(P_PID, (id_t)pid, &info, how | WNOHANG | WNOWAIT) == 0 && info.si_pid == pid;
}

static void kill_idle(void)
{
	il_executor *ex = new_processes((il_process_pool_options){.max_workers = 1});
	int before = pid_of_next(ex), after;

	for (int i = 0; i < 5; i++) {
		CHECK_EQ(kill(before, SIGKILL), 0);
		if (i % 2) /* else the signal is on its way when the next call comes */
			UNTIL_THREAD(waits_with(before, WEXITED));
		after = pid_of_next(ex);
		CHECK(after != before);
		CHECK(is_gone(before));
		before = after;
	}
	il_executor_destroy(ex);
}

IL_TEST_CORE(C, n62_an_idle_process_that_was_killed_is_replaced)
{
	kill_idle();
}

IL_TEST(C, n62_an_idle_process_that_was_killed_is_replaced_for_a_task)
{
	kill_idle();
}

/* ---- a job's own death ---- */

static void die_in_each_way(void)
{
	static const char *const how[] = {"signal 11",
					  "exit status 3; it last wrote: the last words",
					  "signal 9", "exit status 4"};
	il_executor *ex = two_workers();
	struct board *b = new_board();
	struct job beside = job_on(b, 8);
	il_future *f = submit_job(ex, linger, &beside);

	UNTIL_THREAD(atomic_load(&b->begun) == 1);
	for (int i = BY_SEGV; i <= BY_EXIT; i++) {
		struct job j = job_on(NULL, i);
		int pid = pid_of_next(ex);
		CHECK_RC(il_executor_run(ex, die, &j, sizeof j), -EOWNERDEAD);
		CHECK(strstr(il_error_detail(), how[i]));
		CHECK(is_gone(pid));
		CHECK(pid_of_next(ex) != pid);
		il_future *dead = submit_job(ex, die, &j);
		CHECK_RC(il_future_wait(dead, IL_FOREVER), 0);
		CHECK_RC(il_future_result(dead, 0), -EOWNERDEAD);
		CHECK(strstr(il_error_detail(), how[i]));
		il_future_unref(dead);
		CHECK_LOGGED(IL_LOG_WARNING, how[i], 2);
	}
	CHECK(!il_future_done(f));
	atomic_store(&b->open, true);
	CHECK_RC(end_of(f), 8);
	il_executor_destroy(ex);
	free_board(b);
}

/* A fork that no handler sees, as a library may do it: the child keeps every descriptor. */
static void leave_child(struct job *j)
{
	struct board *b = map_board(j->board);
	long pid = syscall(SYS_clone, (long)SIGCHLD, 0L, 0L, 0L, 0L);

	if (pid == 0) {
		for (int i = 0; i < 100; i++) /* not forever, if the test fails */
			nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
		_exit(0);
	}
	atomic_store(&b->pids[0], (int)pid);
}

static int die_with_child(void *arg)
{
	leave_child(arg);
	raise(SIGKILL);
	return 0;
}

static int reply_with_child(void *arg)
{
	leave_child(arg);
	return square(arg);
}

static void die_though_a_child_holds_the_stream(void)
{
	il_executor *ex;
	struct board *b;

	if (IL_TEST_PORTABLE || il_test_valgrind()) /* no handle of a process: its stream tells */
		return;
	ex = new_processes((il_process_pool_options){.max_workers = 1});
	b = new_board();
	for (int i = 0; i < 2; i++) {
		struct job j = job_on(b, 6);
		CHECK_RC(il_executor_run(ex, reply_with_child, &j, sizeof j), 6);
		CHECK_EQ(j.square, 36);
		CHECK_EQ(kill(b->pids[0], SIGKILL), 0);
		CHECK_RC(il_executor_run(ex, die_with_child, &j, sizeof j), -EOWNERDEAD);
		CHECK(strstr(il_error_detail(), "signal 9"));
		CHECK_EQ(kill(b->pids[0], SIGKILL), 0); /* it lives */
		CHECK_RC(il_executor_run(ex, square, &j, sizeof j), 6);
	}
	il_executor_destroy(ex);
	free_board(b);
}

IL_TEST_CORE(C, a_death_is_seen_though_a_child_holds_the_stream)
{
	die_though_a_child_holds_the_stream();
}

IL_TEST(C, a_death_is_seen_by_a_task_though_a_child_holds_the_stream)
{
	die_though_a_child_holds_the_stream();
}

IL_TEST_CORE(C, n64_a_job_that_kills_its_process_fails_alone)
{
	die_in_each_way();
}

IL_TEST(C, n64_a_tasks_job_that_kills_its_process_fails_alone)
{
	die_in_each_way();
}

static void break_the_pool(void)
{
	il_executor *ex =
	    new_processes((il_process_pool_options){.max_workers = 3, .break_on_death = true});
	struct board *b = new_board();
	struct job j[6], dying = job_on(NULL, BY_KILL);
	il_future *f[6];

	int idle = pid_of_next(ex);
	for (int i = 0; i < 6; i++)
		j[i] = job_on(b, i);
	for (int i = 0; i < 2; i++)
		f[i] = submit_job(ex, linger, &j[i]);
	UNTIL_THREAD(atomic_load(&b->begun) == 2);
	CHECK_RC(il_executor_run(ex, die, &dying, sizeof dying), -ENOTRECOVERABLE);
	CHECK_DETAIL("was killed by signal 9");
	for (int i = 0; i < 2; i++) { /* they run beside it */
		CHECK_RC(end_of(f[i]), -ENOTRECOVERABLE);
		CHECK_DETAIL("is broken: worker process ");
	}
	CHECK_RC(il_executor_run(ex, square, &dying, sizeof dying), -ENOTRECOVERABLE);
	CHECK_LOGGED(IL_LOG_ERROR, "is broken", 1);
	CHECK_RC(il_executor_shutdown(ex, 0), 0);
	CHECK_RC(il_executor_run(ex, square, &dying, sizeof dying), -ENOTRECOVERABLE);
	CHECK(is_gone(idle) && is_gone(b->pids[0]) && is_gone(b->pids[1]));
	il_executor_destroy(ex);
	free_board(b);
}

static void break_with_a_queue(void)
{
	il_executor *ex =
	    new_processes((il_process_pool_options){.max_workers = 2, .break_on_death = true});
	struct board *b = new_board();
	struct job j[6];
	il_future *f[6];

	for (int i = 0; i < 6; i++) {
		j[i] = job_on(b, i);
		f[i] = submit_job(ex, linger, &j[i]);
	}
	UNTIL_THREAD(atomic_load(&b->begun) == 2);
	CHECK_EQ(kill(b->pids[0], SIGKILL), 0);
	for (int i = 0; i < 6; i++)
		CHECK_RC(end_of(f[i]), -ENOTRECOVERABLE);
	il_executor_destroy(ex);
	CHECK_EQ(b->begun, 2);
	free_board(b);
}

IL_TEST_CORE(C, n65_a_death_may_break_the_pool)
{
	break_the_pool();
	break_with_a_queue();
}

IL_TEST(C, n65_a_death_may_break_the_pool_for_tasks)
{
	break_the_pool();
	break_with_a_queue();
}

static void use_up_the_budget(void)
{
	il_executor *ex =
	    new_processes((il_process_pool_options){.max_workers = 1, .restart_budget = 3});
	struct job j = job_on(NULL, BY_KILL);

	for (int round = 0; round < 2; round++) {
		pid_of_next(ex); /* a reply begins the count anew */
		for (int i = 0; i < 2; i++)
			CHECK_RC(il_executor_run(ex, die, &j, sizeof j), -EOWNERDEAD);
	}
	CHECK_RC(il_executor_run(ex, die, &j, sizeof j), -EOWNERDEAD);
	CHECK_RC(il_executor_run(ex, square, &j, sizeof j), -ENOTRECOVERABLE);
	CHECK_DETAIL("worker deaths with no completed call between: 3 (restart_budget)");
	CHECK_DETAIL("was killed by signal 9");
	il_executor_destroy(ex);
}

IL_TEST_CORE(C, workers_that_die_again_and_again_break_the_pool)
{
	use_up_the_budget();
}

/* ---- half a message ---- */

enum half { HALF_HEADER, HALF_ARGUMENT, GARBAGE, STALE };

static int stream_of_worker(void)
{
	struct stat st;

	for (int fd = 3; fd < 64; fd++)
		if (fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode))
			return fd;
	return -1;
}

/* Writes into its own worker's stream, and ends, or goes on as if nothing were. j->pid is the number of
 * the call in this worker. */
static int write_half(void *arg)
{
	struct job *j = arg;
	const struct il__wire_header h = {.version = IL__WIRE_VERSION,
					  .type = IL__WIRE_REPLY,
					  .size = sizeof *j,
					  .id = (uint64_t)j->pid - (j->value == STALE),
					  .rc = 1};
	unsigned char bytes[4096];
	int fd = stream_of_worker();
	size_t size = j->value == HALF_HEADER ? 20 : sizeof bytes;

	memset(bytes, 0xa5, sizeof bytes);
	if (j->value != GARBAGE)
		memcpy(bytes, &h, sizeof h);
	if (j->value == HALF_ARGUMENT)
		size = sizeof h + sizeof *j / 2;
	if (fd < 0 || write(fd, bytes, size) < 0)
		return -errno;
	if (j->value < GARBAGE)
		_exit(0);
	j->square = 1;
	return 1;
}

static void reply_by_halves(void)
{
	il_executor *ex = new_processes((il_process_pool_options){.max_workers = 1});

	for (int i = HALF_HEADER; i <= STALE; i++) {
		struct job j = job_on(NULL, i);
		int number = i == HALF_HEADER ? 1 : 2;
		j.pid = number;
		CHECK_RC(il_executor_run(ex, write_half, &j, sizeof j), -EOWNERDEAD);
		CHECK_EQ(j.square, 0);
		CHECK_EQ(j.pid, number);
		pid_of_next(ex);
	}
	il_executor_destroy(ex);
}

IL_TEST_CORE(C, n67_half_a_reply_is_a_dead_worker_and_no_value)
{
	reply_by_halves();
}

IL_TEST(C, n67_half_a_reply_is_a_dead_worker_and_no_value_to_a_task)
{
	reply_by_halves();
}

struct request {
	int number; /* of the call in its worker */
	unsigned char bytes[1 << 20];
};

/* Replies to this call and the next one, which is not there yet. */
static int reply_twice(void *arg)
{
	struct request *r = arg;
	struct il__wire_header h = {.version = IL__WIRE_VERSION,
				    .type = IL__WIRE_REPLY,
				    .size = sizeof *r,
				    .id = (uint64_t)r->number,
				    .rc = 1};
	int fd = stream_of_worker();

	for (int i = 0; i < 2; i++, h.id++)
		if (write(fd, &h, sizeof h) < 0 || write(fd, r, sizeof *r) < 0)
			return -errno;
	return 0;
}

static void reply_before_the_call(void)
{
	il_executor *ex = new_processes((il_process_pool_options){.max_workers = 1});
	struct request *r = calloc(1, sizeof *r);

	r->number = 1;
	CHECK_RC(il_executor_run(ex, reply_twice, r, sizeof *r), 1);
	CHECK_RC(il_executor_run(ex, reply_twice, r, sizeof *r), -EOWNERDEAD);
	pid_of_next(ex);
	il_executor_destroy(ex);
	free(r);
}

IL_TEST_CORE(C, n67_a_reply_before_the_call_is_a_dead_worker)
{
	reply_before_the_call();
}

IL_TEST(C, n67_a_reply_before_a_tasks_call_is_a_dead_worker)
{
	reply_before_the_call();
}

/* A worker that stands still with a request on the way, and then dies. */
static void kill_in_the_middle(size_t size)
{
	il_executor *ex = new_processes((il_process_pool_options){.max_workers = 1});
	struct job *j = calloc(1, size);
	int pid = pid_of_next(ex);
	il_future *f = NULL;

	CHECK_EQ(kill(pid, SIGSTOP), 0);
	UNTIL_THREAD(waits_with(pid, WSTOPPED));
	j->value = 9;
	CHECK_RC(il_executor_submit(ex, &f, square, j, size), 0);
	for (int i = 0; i < 50; i++) /* it is sent meanwhile, or as much as goes in */
		il_test_pause_really();
	CHECK(!il_future_done(f));
	CHECK_EQ(kill(pid, SIGKILL), 0);
	CHECK_RC(end_of(f), -EOWNERDEAD);
	CHECK_EQ(j->pid, 0);
	CHECK(pid_of_next(ex) != pid);
	il_executor_destroy(ex);
	free(j);
}

IL_TEST_CORE(C, n67_69_a_process_that_dies_in_a_request_is_a_dead_worker)
{
	kill_in_the_middle(sizeof(struct job));
	kill_in_the_middle(8 << 20);
}

IL_TEST_FIFO(C, n67_69_a_process_that_dies_in_a_tasks_request_is_a_dead_worker)
{
	kill_in_the_middle(sizeof(struct job));
	kill_in_the_middle(8 << 20);
}

/* ---- after the reply ---- */

static void *end_when_open(void *board)
{
	struct timespec a_moment = {.tv_nsec = 200000};

	while (!atomic_load(&((struct board *)board)->open))
		nanosleep(&a_moment, NULL);
	_exit(0);
}

/* Replies, and ends later. */
static int end_later(void *arg)
{
	struct board *b = map_board(((struct job *)arg)->board);
	pthread_t thread;

	return b && pthread_create(&thread, NULL, end_when_open, b) == 0 ? square(arg) : -EIO;
}

static void exit_in_a_job(void)
{
	il_executor *ex = new_processes((il_process_pool_options){.max_workers = 1});
	struct board *b = new_board();
	struct job j = job_on(b, BY_EXIT);
	int pid;

	for (int i = 0; i < 3; i++) {
		pid = pid_of_next(ex);
		CHECK_RC(il_executor_run(ex, die, &j, sizeof j), -EOWNERDEAD);
		CHECK(is_gone(pid));
	}
	CHECK_RC(il_executor_run(ex, end_later, &j, sizeof j), BY_EXIT);
	atomic_store(&b->open, true);
	UNTIL_THREAD(waits_with(j.pid, WEXITED));
	CHECK(pid_of_next(ex) != j.pid);
	CHECK(is_gone(j.pid));
	il_executor_destroy(ex);
	free_board(b);
}

IL_TEST_CORE(C, n70_a_job_that_exits_hurts_no_later_call)
{
	exit_in_a_job();
}

IL_TEST(C, n70_a_tasks_job_that_exits_hurts_no_later_call)
{
	exit_in_a_job();
}

/* ---- shutdown and the loop's end ---- */

static int crash_when_open(void *arg)
{
	int rc = linger(arg);

	raise(SIGKILL);
	return rc;
}

static int open_later(void *arg)
{
	struct timespec t = {.tv_nsec = 20000000};

	nanosleep(&t, NULL);
	atomic_store(&((struct board *)arg)->open, true);
	return 0;
}

static void shut_down_in_a_crash(void)
{
	il_executor *ex = two_workers();
	struct board *b = new_board();
	struct job j[2] = {job_on(b, 0), job_on(b, 1)};
	il_future *f[2] = {submit_job(ex, crash_when_open, &j[0]), submit_job(ex, linger, &j[1])};
	struct il_test_thread opener;

	UNTIL_THREAD(atomic_load(&b->begun) == 2);
	il_test_thread_start(&opener, open_later, b);
	CHECK_RC(il_executor_shutdown(ex, 0), 0);
	CHECK(il_future_done(f[0]) && il_future_done(f[1]));
	CHECK(is_gone(b->pids[0]) && is_gone(b->pids[1]));
	CHECK_RC(end_of(f[0]), -EOWNERDEAD);
	CHECK_RC(end_of(f[1]), 1);
	il_test_thread_join(&opener);
	il_executor_destroy(ex);
	free_board(b);
}

IL_TEST_CORE(C, n74_shutdown_in_a_crash_returns_and_reaps)
{
	shut_down_in_a_crash();
}

IL_TEST(C, n74_a_tasks_shutdown_in_a_crash_returns_and_reaps)
{
	shut_down_in_a_crash();
}

static void shut_down_variants(void)
{
	struct board *b = new_board();
	struct job j[4];
	il_future *f[4];

	for (int cancel = 0; cancel < 2; cancel++) {
		il_executor *ex = new_processes((il_process_pool_options){.max_workers = 1});
		int begun = atomic_load(&b->begun);
		atomic_store(&b->open, false);
		for (int i = 0; i < 4; i++) {
			j[i] = job_on(b, i);
			f[i] = submit_job(ex, linger, &j[i]);
		}
		UNTIL_THREAD(atomic_load(&b->begun) == begun + 1);
		CHECK_RC(
		    il_executor_shutdown(ex, cancel ? IL_NOWAIT | IL_CANCEL_FUTURES : IL_NOWAIT),
		    0);
		CHECK_RC(il_executor_submit(ex, NULL, square, &j[0], sizeof j[0]), -ESHUTDOWN);
		atomic_store(&b->open, true);
		il_executor_unref(ex); /* what was accepted still runs */
		for (int i = 0; i < 4; i++)
			CHECK_RC(end_of(f[i]), i && cancel ? -ECANCELED : i);
		UNTIL_THREAD(is_gone(j[0].pid));
	}
	free_board(b);
}

IL_TEST_CORE(C, shutdown_without_waiting_runs_or_cancels_the_rest)
{
	shut_down_variants();
}

IL_TEST(C, a_tasks_shutdown_without_waiting_runs_or_cancels_the_rest)
{
	shut_down_variants();
}

static void kill_one_of_two(void)
{
	il_executor *ex = two_workers();
	struct board *b = new_board();
	struct job j[2] = {job_on(b, 0), job_on(b, 1)};
	il_future *f[2] = {submit_job(ex, linger, &j[0]), submit_job(ex, linger, &j[1])};
	il_future *first = NULL;
	il_as_completed *it;

	UNTIL_THREAD(atomic_load(&b->begun) == 2);
	CHECK_EQ(kill(b->pids[0], SIGKILL), 0);
	CHECK_RC(il_as_completed_open(&it, f, 2, IL_FOREVER), 0);
	CHECK_RC(il_as_completed_next(it, &first), 1);
	CHECK_RC(il_future_result(first, 0), -EOWNERDEAD);
	CHECK_EQ(il_as_completed_pending(it), 1);
	il_as_completed_close(it);
	CHECK(is_gone(b->pids[0]) && !is_gone(b->pids[1]));
	atomic_store(&b->open, true);
	for (int i = 0; i < 2; i++)
		CHECK_RC(end_of(f[i]), f[i] == first ? -EOWNERDEAD : i);
	il_executor_destroy(ex);
	free_board(b);
}

IL_TEST_CORE(C, n75_a_death_is_seen_at_once_beside_others)
{
	kill_one_of_two();
}

IL_TEST(C, n75_a_death_is_seen_at_once_beside_a_tasks_others)
{
	kill_one_of_two();
}

/* A child that a job leaves behind must not keep its worker's death from us. */
static int leave_a_child(void *arg)
{
	struct job *j = arg;
	pid_t child = fork();

	if (child == 0) {
		/* Twice as long as a test may take. */
		struct timespec t = {.tv_sec = (time_t)(4 * il_test_patience() / IL_SEC(1))};
		nanosleep(&t, NULL);
		_exit(0);
	}
	atomic_store(&map_board(j->board)->pids[1], child);
	raise(SIGKILL);
	return 0;
}

IL_TEST(C, n75_a_child_of_a_job_does_not_hide_the_death)
{
	il_executor *ex = two_workers();
	struct board *b = new_board();
	struct job j = job_on(b, 0);

	CHECK_RC(il_executor_run(ex, leave_a_child, &j, sizeof j), -EOWNERDEAD);
	CHECK_EQ(kill(b->pids[1], SIGKILL), 0); /* it lives: its end was not waited for */
	il_executor_destroy(ex);
	free_board(b);
}

struct left {
	il_executor *ex;
	struct board *board;
	struct job job[3];
	il_future *f[3];
	void *native; /* to be stopped then; may be NULL */
};

static int leave_calls(void *arg)
{
	struct left *l = arg;

	for (int i = 0; i < 3; i++) {
		l->job[i] = job_on(l->board, i);
		l->f[i] = submit_job(l->ex, linger, &l->job[i]);
	}
	UNTIL_THREAD(atomic_load(&l->board->begun) == 2);
	if (l->native)
		il_native.stop(l->native);
	return 0;
}

static void check_left(struct left *l)
{
	for (int i = 0; i < 3; i++) {
		CHECK(il_future_done(l->f[i]));
		CHECK_RC(end_of(l->f[i]), -ECANCELED);
	}
	CHECK_EQ(l->board->begun, 2);
	CHECK(is_gone(l->board->pids[0]) && is_gone(l->board->pids[1]));
	il_executor_destroy(l->ex);
	free_board(l->board);
}

IL_TEST_OWN(C, n75_the_end_of_the_loop_kills_what_nobody_awaits)
{
	struct left l = {.ex = two_workers(), .board = new_board()};

	CHECK_RC(il_run(il_test_backend(), leave_calls, &l), 0);
	check_left(&l);
}

static void detach(il_loop *loop, void *arg)
{
	*(bool *)arg = true;
	CHECK_RC(il_loop_detach(loop), 0);
}

IL_TEST_ADOPTED(C, n75_the_end_of_an_adopted_loop_kills_what_nobody_awaits)
{
	void *native = il_native.create();
	struct left l = {.ex = two_workers(), .board = new_board(), .native = native};
	bool detached = false;
	il_loop *loop = NULL;

	CHECK_RC(il_native.attach(&loop, native, NULL), 0);
	CHECK_RC(il_loop_spawn(loop, NULL, leave_calls, &l), 0);
	il_native.run(native);
	CHECK_EQ(l.board->begun, 2);
	CHECK_RC(il_loop_detach(loop), -EBUSY);
	CHECK_RC(il_loop_shutdown(loop, detach, &detached), 0);
	il_native.run(native);
	CHECK(detached);
	il_native.run(native);
	CHECK_RC(il_native.destroy(native), 0);
	check_left(&l);
}

/* ---- a loop that does not run ---- */

static int join_calls(void *arg)
{
	struct left *l = arg;

	for (int i = 0; i < 3; i++)
		CHECK_RC(end_of(l->f[i]), i);
	return 0;
}

IL_TEST_OWN(C, calls_of_a_loop_that_does_not_run_complete_all_the_same)
{
	struct left l = {.ex = two_workers(), .board = new_board()};
	struct il_test_thread opener;
	il_loop *loop = NULL;

	CHECK_RC(il_loop_open(&loop, il_test_backend(), NULL), 0);
	CHECK_RC(il_loop_run(loop, leave_calls, &l), 0);
	atomic_store(&l.board->open, true);
	CHECK_RC(join_calls(&l), 0);
	/* And where the loop runs again before they are. */
	atomic_store(&l.board->open, false);
	atomic_store(&l.board->begun, 0);
	CHECK_RC(il_loop_run(loop, leave_calls, &l), 0);
	il_test_thread_start(&opener, open_later, l.board);
	CHECK_RC(il_loop_run(loop, join_calls, &l), 0);
	il_test_thread_join(&opener);
	il_executor_destroy(l.ex);
	il_loop_destroy(loop);
	free_board(l.board);
}

/* ---- fork ---- */

IL_TEST_CORE(C, a_forked_child_leaves_the_pool_to_its_parent)
{
	il_executor *ex = two_workers();
	int pid = pid_of_next(ex), status = 0;
	struct job j = job_on(NULL, 2);
	pid_t child = fork();

	if (child == 0) {
		il_executor *own = NULL;
		if (il_executor_run(ex, square, &j, sizeof j) != -ESHUTDOWN ||
		    il_executor_submit(ex, NULL, square, &j, sizeof j) != -ESHUTDOWN)
			_exit(1);
		il_executor_unref(ex);
		if (IL_TEST_TSAN) /* it cannot start threads in a forked child */
			_exit(0);
		if (il_process_pool_create(&own, NULL) < 0 ||
		    il_executor_run(own, square, &j, sizeof j) != 2 || j.square != 4)
			_exit(2);
		il_executor_destroy(own);
		_exit(0);
	}
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK_EQ(status, 0);
	CHECK_EQ(pid_of_next(ex), pid);
	il_executor_destroy(ex);
}

/* ---- a soak ---- */

enum { CALLERS = 8 };

struct soak {
	il_executor *ex;
	struct board *board;
	il_time until;
	atomic_bool over;
	atomic_int values, deaths, others;
};

static int note_and_square(void *arg)
{
	struct job *j = arg;
	struct board *b = map_board(j->board);

	if (!b)
		return -ENOENT;
	atomic_store(&b->pids[atomic_fetch_add(&b->places, 1) % 16], getpid());
	munmap(b, sizeof *b);
	return square(arg);
}

static void count(struct soak *s, const struct job *j, int rc, int expected)
{
	if (rc == expected && j->square == expected * expected && j->pid != getpid())
		atomic_fetch_add(&s->values, 1);
	else
		atomic_fetch_add(rc == -EOWNERDEAD && j->square == 0 ? &s->deaths : &s->others, 1);
}

/* By turns with a future and without. */
static int call_on(void *arg)
{
	struct soak *s = arg;

	for (int i = 1; !atomic_load(&s->over); i++) {
		struct job j = job_on(s->board, i % 1000);
		if (i % 2)
			count(s, &j, il_executor_run(s->ex, note_and_square, &j, sizeof j),
			      i % 1000);
		else
			count(s, &j, end_of(submit_job(s->ex, note_and_square, &j)), i % 1000);
	}
	return 0;
}

/* Only what the pool has not reaped: a plain kill could hit a stranger with that number. */
static int kill_on(void *arg)
{
	struct soak *s = arg;
	unsigned random = 1;

	while (!atomic_load(&s->over)) {
		struct timespec t = {.tv_nsec = 500000 + (long)(random >> 20) * 500};
		siginfo_t info = {.si_pid = 0};
		int pid;
		random = random * 1103515245 + 12345;
		pid = atomic_load(&s->board->pids[(random >> 16) % 16]);
		if (pid && waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0)
			kill(pid, SIGKILL);
		nanosleep(&t, NULL);
	}
	return 0;
}

static struct soak new_soak(void)
{
	return (struct soak){.ex = new_processes((il_process_pool_options){
				 .max_workers = 4, .restart_budget = 10000}),
			     .board = new_board()};
}

static void check_soak(struct soak *s)
{
	il_executor_destroy(s->ex);
	CHECK(s->values > 0);
	CHECK(s->deaths > 0);
	CHECK_EQ(s->others, 0);
	free_board(s->board);
}

IL_TEST_REAL(C, n64_no_call_of_a_task_is_lost_while_workers_are_killed)
{
	struct soak s = new_soak();
	struct il_test_thread killer;
	il_group g;

	CHECK_RC(il_group_open(&g), 0);
	for (int i = 0; i < CALLERS; i++)
		CHECK_RC(il_group_start_soon(&g, NULL, call_on, &s), 0);
	il_test_thread_start(&killer, kill_on, &s);
	CHECK_RC(il_sleep(IL_SEC(2)), 0);
	UNTIL(atomic_load(&s.deaths) > 0);
	atomic_store(&s.over, true);
	CHECK_RC(il_group_close(&g, 0), 0);
	il_test_thread_join(&killer);
	check_soak(&s);
}

IL_TEST_CORE(C, n64_no_call_of_a_thread_is_lost_while_workers_are_killed)
{
	struct soak s = new_soak();
	struct il_test_thread killer, callers[CALLERS];
	struct timespec two = {.tv_sec = 2};

	for (int i = 0; i < CALLERS; i++)
		il_test_thread_start(&callers[i], call_on, &s);
	il_test_thread_start(&killer, kill_on, &s);
	nanosleep(&two, NULL);
	UNTIL(atomic_load(&s.deaths) > 0);
	atomic_store(&s.over, true);
	for (int i = 0; i < CALLERS; i++)
		il_test_thread_join(&callers[i]);
	il_test_thread_join(&killer);
	check_soak(&s);
}
