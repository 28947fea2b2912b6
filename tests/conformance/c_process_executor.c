/*
 * c_process_executor.c: the process pool: calls run in another process, one after the other in the same
 * one, and each finishes once, whatever it writes, is given, or is cancelled by. What a death means is
 * in c_process_deaths.c.
 */
#define _GNU_SOURCE
#include "processes.h"
#include "terminal.h"

#include <dirent.h>
#include <sys/resource.h>

static int give_eio(void *arg)
{
	(void)arg;
	return -EIO;
}

static void call_twice(void)
{
	il_executor *ex = new_processes((il_process_pool_options){.max_workers = 2});
	int pid = pid_of_next(ex);
	struct job j = job_on(NULL, 0);

	CHECK_RC(il_executor_run(ex, give_eio, NULL, 0), -EIO);
	CHECK_RC(il_executor_run(ex, give_eio, &j, sizeof j), -EIO);
	CHECK_RC(end_of(submit_job(ex, give_eio, &j)), -EIO);
	CHECK_EQ(pid_of_next(ex), pid);
	il_executor_destroy(ex);
	CHECK(is_gone(pid));
}

IL_TEST_CORE(C, n56_calls_run_one_after_the_other_in_one_other_process)
{
	call_twice();
}

IL_TEST(C, n56_a_tasks_calls_run_one_after_the_other_in_one_other_process)
{
	call_twice();
}

/* ---- what a job writes ---- */

enum { FLOOD = 1 << 20 };

static int flood(void *arg)
{
	struct job *j = arg;
	char line[1024];

	memset(line, 'x', sizeof line);
	line[sizeof line - 1] = '\n';
	printf("a line that looks like no reply\n");
	for (int i = 0; i < FLOOD / (int)sizeof line; i++) {
		fwrite(line, 1, sizeof line, stdout);
		fwrite(line, 1, sizeof line, stderr);
	}
	return square(j);
}

/* Both of this process's outputs to a descriptor, and back. */
static void redirect(int to, int saved[2])
{
	for (int i = 0; i < 2; i++) {
		fflush(NULL);
		saved[i] = fcntl(1 + i, F_DUPFD_CLOEXEC, 10);
		CHECK(saved[i] >= 0 && dup2(to, 1 + i) >= 0);
	}
}

static void restore(int saved[2])
{
	for (int i = 0; i < 2; i++) {
		dup2(saved[i], 1 + i);
		close(saved[i]);
	}
}

static void flood_a_file(void)
{
	il_executor *ex = new_processes((il_process_pool_options){.max_workers = 1});
	int file = memfd_create("output", MFD_CLOEXEC), saved[2], rc, pid = pid_of_next(ex);
	struct job j = job_on(NULL, 9);

	CHECK(file >= 0);
	redirect(file, saved);
	fcntl(1, F_SETFL, O_APPEND);
	il_executor *other = new_processes((il_process_pool_options){.max_workers = 1});
	rc = il_executor_run(other, flood, &j, sizeof j);
	restore(saved);
	CHECK_RC(rc, 9);
	CHECK_EQ(j.square, 81);
	CHECK_EQ(lseek(file, 0, SEEK_END), 2 * FLOOD + 32);
	CHECK_EQ(pid_of_next(ex), pid);
	close(file);
	il_executor_destroy(ex);
	il_executor_destroy(other);
}

IL_TEST_CORE(C, n57_output_however_much_disturbs_no_reply)
{
	flood_a_file();
}

IL_TEST(C, n57_output_however_much_disturbs_no_reply_to_a_task)
{
	flood_a_file();
}

struct stuck {
	il_executor *ex;
	bool ended;
};

static int call_flood(void *arg)
{
	struct stuck *s = arg;
	struct job j = job_on(NULL, 9);

	CHECK_RC(il_executor_run(s->ex, flood, &j, sizeof j), 9);
	s->ended = true;
	return 0;
}

/* Each line as it was written; so nothing is lost within one. */
static void check_lines(const char *bytes, ssize_t count, size_t *column)
{
	for (ssize_t i = 0; i < count; i++)
		if (bytes[i] != '\n') {
			++*column;
		} else {
			CHECK_EQ(*column, 1023);
			*column = 0;
		}
}

/* p[1] is our own stderr, and nobody reads it: the worker waits, the loop does not. */
static void flood_what_nobody_reads(const int p[2])
{
	struct stuck s = {.ended = false};
	char bytes[4096];
	size_t column = 0;
	int saved[2];
	il_group g;

	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	redirect(p[1], saved);
	dup2(null, 1); /* the worker writes there itself */
	close(null);
	s.ex = new_processes((il_process_pool_options){.max_workers = 1});
	CHECK_RC(il_group_open(&g), 0);
	CHECK_RC(il_group_start_soon(&g, NULL, call_flood, &s), 0);
	for (int i = 0; i < 20; i++)
		CHECK_RC(il_sleep(IL_MSEC(2)), 0);
	CHECK(!s.ended);
	fcntl(p[0], F_SETFL, O_NONBLOCK);
	while (!s.ended) {
		ssize_t n;
		while ((n = read(p[0], bytes, sizeof bytes)) > 0)
			check_lines(bytes, n, &column);
		CHECK_RC(il_sleep(IL_MSEC(1)), 0);
	}
	CHECK_RC(il_group_close(&g, 0), 0);
	il_executor_destroy(s.ex);
	restore(saved);
	close(p[0]);
	close(p[1]);
}

IL_TEST_REAL(C, n57_a_full_pipe_for_stderr_stops_the_worker_and_not_the_loop)
{
	int p[2];

	CHECK_EQ(pipe2(p, O_CLOEXEC), 0);
	flood_what_nobody_reads(p);
}

IL_TEST_REAL(C, n57_nor_does_a_full_terminal)
{
	int p[2];

	if (IL_TEST_PORTABLE) /* which cannot write there without sleeping */
		return;
	open_terminal(p);
	flood_what_nobody_reads(p);
}

/* ---- cancelling ---- */

struct call {
	il_executor *ex;
	struct board *board;
	struct job job;
	il_scope scope;
	il_time deadline;
	int rc;
	bool begun, ended;
};

static int run_linger(void *arg)
{
	struct call *c = arg;

	CHECK_RC(il_scope_enter(&c->scope, c->deadline, 0), 0);
	c->job = job_on(c->board, 7);
	c->begun = true;
	c->rc = il_executor_run(c->ex, linger, &c->job, sizeof c->job);
	c->ended = true;
	return il_scope_exit(&c->scope, c->rc) < 0 ? -EIO : 0;
}

/* A call that the only worker of a pool works on. */
static void start_lingering(il_group *g, struct call *c, bool kill_on_cancel)
{
	*c = (struct call){.ex = new_processes((il_process_pool_options){
			       .max_workers = 1, .kill_on_cancel = kill_on_cancel}),
			   .board = new_board(),
			   .scope = IL_SCOPE_INIT,
			   .deadline = IL_FOREVER};
	CHECK_RC(il_group_open(g), 0);
	CHECK_RC(il_group_start_soon(g, NULL, run_linger, c), 0);
	UNTIL_THREAD(atomic_load(&c->board->begun) == 1);
}

/* It has not ended, and ends as a call does that nobody has cancelled. */
static void end_lingering(il_group *g, struct call *c)
{
	CHECK(!c->ended);
	atomic_store(&c->board->open, true);
	CHECK_RC(il_group_close(g, 0), 0);
	CHECK_RC(c->rc, 7);
	CHECK_EQ(pid_of_next(c->ex), c->board->pids[0]);
	il_executor_destroy(c->ex);
	free_board(c->board);
}

IL_TEST(C, n59_cancelling_a_call_that_may_be_killed_kills_its_process)
{
	struct call c;
	il_group g;

	start_lingering(&g, &c, true);
	CHECK_RC(il_scope_cancel(&c.scope), 0);
	CHECK_RC(il_group_close(&g, 0), 0);
	CHECK_RC(c.rc, -ECANCELED);
	CHECK(is_gone(c.board->pids[0]));
	CHECK_EQ(c.job.square, 0); /* nothing came back */
	CHECK(pid_of_next(c.ex) != c.board->pids[0]);
	CHECK_EQ(c.board->ended, 0);
	il_executor_destroy(c.ex);
	free_board(c.board);
}

static void cancel_a_future(void)
{
	struct board *b = new_board();
	il_executor *ex =
	    new_processes((il_process_pool_options){.max_workers = 1, .kill_on_cancel = true});
	struct job j = job_on(b, 7);
	il_future *f = submit_job(ex, linger, &j);

	UNTIL_THREAD(atomic_load(&b->begun) == 1);
	CHECK_EQ(il_future_running(f), true);
	CHECK_EQ(il_future_cancel(f), true);
	CHECK_EQ(il_future_cancelled(f), true);
	CHECK_RC(end_of(f), -ECANCELED);
	CHECK(is_gone(b->pids[0]));
	CHECK_EQ(j.square, 0);
	CHECK(pid_of_next(ex) != b->pids[0]);
	il_executor_destroy(ex);
	free_board(b);
}

IL_TEST_CORE(C, n59_cancelling_a_running_future_kills_its_process)
{
	cancel_a_future();
}

IL_TEST(C, n59_cancelling_a_tasks_running_future_kills_its_process)
{
	cancel_a_future();
}

/* Large enough that copying it back takes a while. */
struct two_ends {
	unsigned char bytes[2 << 20];
};

static int mark_ends(void *arg)
{
	struct two_ends *l = arg;

	l->bytes[0] = l->bytes[sizeof l->bytes - 1] = 1;
	return 7;
}

/* From a thread, while another finishes, which takes it as long as the time before. */
static il_time cancel_after(il_executor *ex, struct two_ends *l, il_time delay)
{
	il_time start = il_now();
	il_future *f = NULL;
	int rc;

	memset(l, 0, sizeof *l);
	CHECK_RC(il_executor_submit(ex, &f, mark_ends, l, sizeof *l), 0);
	while (il_now() - start < delay && !il_future_done(f))
		;
	if (delay)
		(void)il_future_cancel(f);
	rc = end_of(f);
	CHECK(rc == 7 || (delay && rc == -ECANCELED));
	CHECK_EQ(l->bytes[0], rc == 7);
	CHECK_EQ(l->bytes[sizeof l->bytes - 1], rc == 7);
	return il_now() - start;
}

IL_TEST_CORE(C, n59_a_call_that_is_cancelled_while_its_result_arrives_copies_all_or_nothing)
{
	il_executor *ex =
	    new_processes((il_process_pool_options){.max_workers = 1, .kill_on_cancel = true});
	struct two_ends *l = malloc(sizeof *l);

	CHECK(l != NULL);
	for (int i = 0; i < (int)il_test_rounds(80); i++)
		cancel_after(ex, l, cancel_after(ex, l, 0) * (70 + i % 50) / 100);
	free(l);
	il_executor_destroy(ex);
}

IL_TEST(C, n60_a_call_that_may_not_be_killed_is_waited_for)
{
	struct call c;
	il_group g;

	start_lingering(&g, &c, false);
	CHECK_RC(il_scope_cancel(&c.scope), 0);
	for (int i = 0; i < 20; i++)
		il_test_pause_really();
	end_lingering(&g, &c);
	CHECK_EQ(il_scope_cancelled(&c.scope), true);
}

IL_TEST(C, n60_a_deadline_does_not_end_it_either)
{
	struct call c;
	il_group g;

	start_lingering(&g, &c, false);
	CHECK_RC(il_scope_set_deadline(&c.scope, il_now()), 0);
	UNTIL_THREAD(il_scope_cancelled(&c.scope));
	end_lingering(&g, &c);
	CHECK_EQ(il_scope_expired(&c.scope), true);
	CHECK_EQ(il_scope_caught(&c.scope), false);
}

enum { QUEUED = 5 };

/* One that runs until the board is open, and five behind it that must never begin. */
struct queue_of_calls {
	struct board *board, *never;
	il_executor *ex;
	struct job busy, queued[QUEUED];
	il_future *first, *f[QUEUED];
};

static void begin_queue(struct queue_of_calls *q)
{
	q->board = new_board();
	q->never = new_board();
	q->ex = new_processes((il_process_pool_options){.max_workers = 1});
	q->busy = job_on(q->board, 1);
	q->first = submit_job(q->ex, linger, &q->busy);
	UNTIL_THREAD(atomic_load(&q->board->begun) == 1);
	for (int i = 0; i < QUEUED; i++) {
		q->queued[i] = job_on(q->never, i);
		q->f[i] = submit_job(q->ex, linger, &q->queued[i]);
	}
}

static void end_queue(struct queue_of_calls *q)
{
	il_executor_destroy(q->ex);
	CHECK_EQ(q->never->begun, 0);
	free_board(q->board);
	free_board(q->never);
}

static void cancel_queued(void)
{
	struct queue_of_calls q;

	begin_queue(&q);
	for (int i = 0; i < QUEUED; i++)
		CHECK_EQ(il_future_running(q.f[i]), false);
	for (int i = 0; i < QUEUED; i++) {
		CHECK_EQ(il_future_cancel(q.f[i]), true);
		CHECK_RC(il_future_result(q.f[i], 0), -ECANCELED);
		il_future_unref(q.f[i]);
	}
	CHECK_EQ(il_future_cancel(q.first), false);
	atomic_store(&q.board->open, true);
	CHECK_RC(end_of(q.first), 1);
	pid_of_next(q.ex);
	end_queue(&q);
}

struct named_future {
	il_future *f;
	int value;
};

static int write_value(void *arg)
{
	struct named_future *n = arg;

	return n->value = 3;
}

/* What comes back is the argument as it was sent: with the future in it. */
IL_TEST(C, n56_a_future_in_the_argument_comes_back_with_it)
{
	il_executor *ex = new_processes((il_process_pool_options){.max_workers = 1});
	struct named_future n = {.f = NULL};

	CHECK_RC(il_executor_submit(ex, &n.f, write_value, &n, sizeof n), 0);
	CHECK_RC(il_future_wait(n.f, IL_FOREVER), 0);
	CHECK_EQ(n.value, 3);
	CHECK(n.f != NULL);
	CHECK_RC(il_future_join(n.f), 3);
	il_executor_destroy(ex);
}

IL_TEST_CORE(C, n72_a_job_not_yet_sent_can_be_cancelled)
{
	cancel_queued();
}

IL_TEST(C, n72_a_tasks_job_not_yet_sent_can_be_cancelled)
{
	cancel_queued();
}

/* As those of a thread pool they are done when the shutdown returns, however little it waits. */
static void cancel_by_shutdown(void)
{
	struct queue_of_calls q;

	begin_queue(&q);
	CHECK_RC(il_executor_shutdown(q.ex, IL_NOWAIT | IL_CANCEL_FUTURES), 0);
	for (int i = 0; i < QUEUED; i++) {
		CHECK_EQ(il_future_cancelled(q.f[i]), true);
		CHECK_RC(il_future_result(q.f[i], 0), -ECANCELED);
		il_future_unref(q.f[i]);
	}
	CHECK_EQ(il_future_done(q.first), false);
	atomic_store(&q.board->open, true);
	CHECK_RC(end_of(q.first), 1);
	end_queue(&q);
}

IL_TEST_CORE(C, n72_a_shutdown_cancels_what_is_queued_before_it_returns)
{
	cancel_by_shutdown();
}

IL_TEST(C, n72_a_tasks_shutdown_cancels_what_is_queued_before_it_returns)
{
	cancel_by_shutdown();
}

struct other {
	struct board *board;
	il_future *f;
};

/* The call that runs ends while the cancelled one is still being finished. */
static int let_other_end(il_future *f, void *arg)
{
	struct other *other = arg;

	(void)f;
	atomic_store(&other->board->open, true);
	UNTIL_THREAD(il_future_done(other->f));
	nanosleep(&(struct timespec){0, 30000000}, NULL);
	return 0;
}

IL_TEST_CORE(C, n72_a_shutdown_ends_though_the_cancelled_calls_complete_last)
{
	struct board *b = new_board();
	il_executor *ex = new_processes((il_process_pool_options){.max_workers = 1});
	struct job busy = job_on(b, 1), queued = job_on(b, 2);
	struct other other = {.board = b, .f = submit_job(ex, linger, &busy)};
	il_future *last = submit_job(ex, linger, &queued);

	UNTIL_THREAD(atomic_load(&b->begun) == 1);
	CHECK_RC(il_future_on_done(last, let_other_end, &other), 0);
	CHECK_RC(il_executor_shutdown(ex, IL_CANCEL_FUTURES), 0);
	CHECK_RC(end_of(other.f), 1);
	CHECK_RC(end_of(last), -ECANCELED);
	il_executor_unref(ex);
	free_board(b);
}

IL_TEST(C, n72_a_tasks_waiting_call_is_taken_back)
{
	struct board *b = new_board(), *never = new_board();
	struct call c = {.ex = new_processes((il_process_pool_options){.max_workers = 1}),
			 .board = never,
			 .scope = IL_SCOPE_INIT,
			 .deadline = IL_FOREVER};
	struct job busy = job_on(b, 1);
	il_future *first = submit_job(c.ex, linger, &busy);
	il_group g;

	UNTIL_THREAD(atomic_load(&b->begun) == 1);
	CHECK_RC(il_group_open(&g), 0);
	CHECK_RC(il_group_start_soon(&g, NULL, run_linger, &c), 0);
	UNTIL_THREAD(c.begun);
	CHECK_RC(il_scope_cancel(&c.scope), 0);
	UNTIL_THREAD(c.ended);
	CHECK_RC(c.rc, -ECANCELED);
	CHECK_RC(il_group_close(&g, 0), 0);
	atomic_store(&b->open, true);
	CHECK_RC(end_of(first), 1);
	il_executor_destroy(c.ex);
	CHECK_EQ(never->begun, 0);
	free_board(b);
	free_board(never);
}

/* ---- idle workers ---- */

static int two_at_once(il_executor *ex, int pids[2])
{
	struct board *b = new_board();
	struct job j[2] = {job_on(b, 0), job_on(b, 1)};
	il_future *f[2] = {submit_job(ex, linger, &j[0]), submit_job(ex, linger, &j[1])};

	UNTIL_THREAD(atomic_load(&b->begun) == 2);
	atomic_store(&b->open, true);
	for (int i = 0; i < 2; i++) {
		CHECK_RC(end_of(f[i]), i);
		pids[i] = j[i].pid;
	}
	CHECK(pids[0] != pids[1]);
	free_board(b);
	return 0;
}

static void prune(void)
{
	il_executor *ex =
	    new_processes((il_process_pool_options){.max_workers = 2, .idle_timeout = IL_MSEC(30)});
	struct timespec longer = {.tv_nsec = 40000000};
	int pids[2], chosen, other;

	two_at_once(ex, pids);
	nanosleep(&longer, NULL);
	chosen = pid_of_next(ex);
	CHECK(chosen == pids[0] || chosen == pids[1]);
	other = chosen == pids[0] ? pids[1] : pids[0];
	UNTIL_THREAD(is_gone(other));
	CHECK_EQ(pid_of_next(ex), chosen);
	il_executor_destroy(ex);
}

IL_TEST_CORE(C, n61_idle_processes_end_at_the_next_call_but_the_chosen_one)
{
	prune();
}

IL_TEST(C, n61_idle_processes_end_at_a_tasks_next_call_but_the_chosen_one)
{
	prune();
}

/* ---- arguments ---- */

static void refuse_arguments(void)
{
	il_executor *ex =
	    new_processes((il_process_pool_options){.max_workers = 1, .max_size = 1024});
	struct job j = job_on(NULL, 6);
	static char large[2048];
	il_future *f = NULL;
	il_fn *nowhere;
	void *bytes = malloc(64);

	memcpy(&nowhere, &bytes, sizeof nowhere);
	CHECK_RC(il_executor_submit(ex, &f, square, &j, 0), -EINVAL);
	CHECK_RC(il_executor_submit(ex, &f, square, large, sizeof large), -EMSGSIZE);
	CHECK_RC(il_executor_run(ex, square, large, sizeof large), -EMSGSIZE);
	CHECK_RC(il_executor_submit(ex, &f, nowhere, &j, sizeof j), -ENOENT);
	CHECK_RC(il_executor_run(ex, nowhere, &j, sizeof j), -ENOENT);
	CHECK(f == NULL);
	f = submit_job(ex, square, &j);
	CHECK_RC(il_executor_submit(ex, NULL, square, large, sizeof large), -EMSGSIZE);
	CHECK_RC(il_executor_shutdown(ex, IL_NOWAIT), 0);
	CHECK_RC(end_of(f), 6);
	CHECK_EQ(j.square, 36);
	CHECK_RC(il_executor_run(ex, square, &j, sizeof j), -ESHUTDOWN);
	il_executor_destroy(ex);
	free(bytes);
}

IL_TEST_CORE(C, n66_an_argument_that_cannot_be_sent_fails_its_own_call)
{
	refuse_arguments();
}

IL_TEST(C, n66_an_argument_that_cannot_be_sent_fails_a_tasks_own_call)
{
	refuse_arguments();
}

struct large {
	size_t size;
	unsigned char bytes[8 << 20];
};

static int invert(void *arg)
{
	struct large *l = arg;

	for (size_t i = 0; i < l->size; i++)
		l->bytes[i] = (unsigned char)~l->bytes[i];
	return 1;
}

IL_TEST_REAL(C, large_arguments_go_there_and_back_while_the_loop_goes_on)
{
	il_executor *ex = new_processes((il_process_pool_options){.max_workers = 1});
	struct large *l = malloc(sizeof *l);

	l->size = sizeof l->bytes;
	for (size_t i = 0; i < l->size; i++)
		l->bytes[i] = (unsigned char)(i * 7);
	CHECK_RC(il_executor_run(ex, invert, l, sizeof *l), 1);
	for (size_t i = 0; i < l->size; i++)
		if (l->bytes[i] != (unsigned char)~(i * 7))
			il_test_fail(__FILE__, __LINE__, "byte %zu is wrong", i);
	free(l);
	il_executor_destroy(ex);
}

/* ---- many at once ---- */

enum { MANY = 100 };

static void submit_many(void)
{
	il_executor *ex = new_processes((il_process_pool_options){.max_workers = 2});
	struct job j[MANY];
	il_future *f[MANY];

	for (int i = 0; i < MANY; i++) {
		j[i] = job_on(NULL, i);
		f[i] = submit_job(ex, square, &j[i]);
	}
	for (int i = 0; i < MANY; i++) {
		CHECK_RC(end_of(f[i]), i);
		CHECK_EQ(j[i].square, i * i);
	}
	il_executor_destroy(ex);
}

IL_TEST_CORE(C, n71_a_hundred_submits_wait_for_nothing)
{
	submit_many();
}

IL_TEST(C, n71_a_hundred_submits_of_a_task_wait_for_nothing)
{
	submit_many();
}

static void map_in_processes(void)
{
	il_executor *ex = new_processes((il_process_pool_options){.max_workers = 3});
	struct job j[20];
	int results[20];

	for (int i = 0; i < 20; i++)
		j[i] = job_on(NULL, i);
	CHECK_RC(il_executor_map(ex, square, j, 20, sizeof *j, results, IL_FOREVER), 0);
	for (int i = 0; i < 20; i++) {
		CHECK_EQ(results[i], i);
		CHECK_EQ(j[i].square, i * i);
	}
	il_executor_destroy(ex);
}

IL_TEST_CORE(C, map_gives_results_and_arguments_in_order)
{
	map_in_processes();
}

IL_TEST(C, map_gives_a_task_results_and_arguments_in_order)
{
	map_in_processes();
}

static void map_out_of_time(void)
{
	struct board *b = new_board();
	il_executor *ex = new_processes((il_process_pool_options){.max_workers = 2});
	struct job j[4];
	int results[4];

	for (int i = 0; i < 4; i++)
		j[i] = job_on(b, i);
	CHECK_RC(il_executor_map(ex, linger, j, 4, sizeof *j, results, IL_MSEC(300)), -ETIMEDOUT);
	for (int i = 0; i < 4; i++)
		CHECK_RC(results[i], -ECANCELED);
	CHECK(b->begun <= 2);
	for (int i = 0; i < b->begun; i++)
		CHECK(is_gone(b->pids[i]));
	pid_of_next(ex);
	il_executor_destroy(ex);
	free_board(b);
}

IL_TEST_CORE(C, map_out_of_time_kills_what_runs)
{
	map_out_of_time();
}

IL_TEST_REAL(C, map_out_of_time_kills_what_runs_for_a_task)
{
	map_out_of_time();
}

/* ---- options ---- */

static int state;

static int set_state(void *arg)
{
	state = *(int *)arg;
	return state < 0 ? state : 0;
}

static int get_state(void *arg)
{
	(void)arg;
	return state;
}

static void initialize(void)
{
	int value = 33;
	il_executor *ex =
	    new_processes((il_process_pool_options){.max_workers = 1,
						    .initializer = set_state,
						    .initializer_arg = &value,
						    .initializer_size = sizeof value});

	value = 44; /* it was copied */
	CHECK_RC(il_executor_run(ex, get_state, NULL, 0), 33);
	CHECK_RC(il_executor_run(ex, get_state, NULL, 0), 33);
	CHECK_EQ(state, 0);
	il_executor_destroy(ex);
}

IL_TEST_CORE(C, an_initializer_runs_in_the_worker_with_a_copy)
{
	initialize();
}

static void fail_to_initialize(void)
{
	int value = -EACCES;
	il_executor *ex =
	    new_processes((il_process_pool_options){.max_workers = 2,
						    .initializer = set_state,
						    .initializer_arg = &value,
						    .initializer_size = sizeof value});
	struct job j[6];
	il_future *f[6];
	int queued = 0;

	for (int i = 0; i < 6; i++) {
		j[i] = job_on(NULL, i);
		int rc = il_executor_submit(ex, &f[queued], square, &j[i], sizeof j[i]);
		CHECK(rc == 0 || (i > 0 && rc == -ENOTRECOVERABLE)); /* it may be soon */
		queued += rc == 0;
	}
	for (int i = 0; i < queued; i++) {
		CHECK_RC(end_of(f[i]), -ENOTRECOVERABLE);
		CHECK(strstr(il_error_detail(), "EACCES"));
		CHECK(strstr(il_error_detail(), il_strerror(-EACCES)));
		CHECK_RC(il_executor_submit(NULL, NULL, NULL, NULL, 0),
			 -EINVAL); /* says something else */
		CHECK_EQ(j[i].pid, 0);
	}
	CHECK_RC(il_executor_run(ex, get_state, NULL, 0), -ENOTRECOVERABLE);
	CHECK(strstr(il_error_detail(), "EACCES"));
	CHECK_LOGGED(IL_LOG_ERROR, "EACCES", 1);
	CHECK_RC(il_executor_shutdown(ex, 0), 0);
	il_executor_destroy(ex);
}

static int lack_a_licence(void *arg)
{
	(void)arg;
	return il_fail(-EACCES, "no licence for %d machines", 3);
}

IL_TEST_CORE(C, n44_what_an_initializer_says_is_told_to_the_calls)
{
	il_executor *ex = new_processes((il_process_pool_options){.initializer = lack_a_licence});

	for (int i = 0; i < 2; i++) {
		CHECK_RC(il_executor_run(ex, get_state, NULL, 0), -ENOTRECOVERABLE);
		CHECK_DETAIL("EACCES (no licence for 3 machines)");
	}
	CHECK_LOGGED(IL_LOG_ERROR, "no licence for 3 machines", 1);
	il_executor_destroy(ex);
}

IL_TEST_CORE(C, n44_a_failed_initializer_breaks_the_pool)
{
	fail_to_initialize();
}

IL_TEST(C, n44_a_failed_initializer_breaks_the_pool_for_tasks)
{
	fail_to_initialize();
}

static int leave_for_good(void *arg)
{
	(void)arg;
	_exit(9);
}

/* A call that no worker has read cannot have killed one. */
static void die_to_initialize(bool at_once)
{
	il_executor *ex = new_processes((il_process_pool_options){.max_workers = 1,
								  .initializer = leave_for_good,
								  .break_on_death = at_once,
								  .restart_budget = 2});

	CHECK_RC(il_executor_run(ex, get_state, NULL, 0), -ENOTRECOVERABLE);
	CHECK(strstr(il_error_detail(), "initializer"));
	CHECK(strstr(il_error_detail(), "exit status 9"));
	CHECK_RC(il_executor_submit(ex, NULL, get_state, NULL, 0), -ENOTRECOVERABLE);
	CHECK(strstr(il_error_detail(), "initializer"));
	CHECK_LOGGED(IL_LOG_ERROR, "exit status 9", at_once ? 2 : 1);
	CHECK_LOGGED(IL_LOG_WARNING, "exit status 9", 0);
	il_executor_destroy(ex);
}

IL_TEST_CORE(C, n44_an_initializer_that_ends_its_worker_breaks_the_pool)
{
	die_to_initialize(false);
	die_to_initialize(true);
}

IL_TEST(C, n44_an_initializer_that_ends_its_worker_breaks_the_pool_for_tasks)
{
	die_to_initialize(false);
	die_to_initialize(true);
}

static void replace_after_two(void)
{
	il_executor *ex =
	    new_processes((il_process_pool_options){.max_workers = 1, .max_calls_per_worker = 2});
	int pids[6];

	for (int i = 0; i < 6; i++)
		pids[i] = pid_of_next(ex);
	for (int i = 0; i < 6; i += 2)
		CHECK_EQ(pids[i], pids[i + 1]);
	CHECK(pids[0] != pids[2] && pids[2] != pids[4]);
	il_executor_destroy(ex);
	for (int i = 0; i < 6; i += 2)
		CHECK(is_gone(pids[i]));
}

IL_TEST_CORE(C, a_worker_is_replaced_after_max_calls)
{
	replace_after_two();
}

IL_TEST(C, a_worker_is_replaced_after_a_tasks_max_calls)
{
	replace_after_two();
}

struct surroundings {
	char name[16];
	int descriptors, sigint_ignored, term_blocked, stdin_bytes;
};

static int look_around(void *arg)
{
	struct surroundings *s = arg;
	struct sigaction action;
	sigset_t mask;
	char c;
	FILE *comm = fopen("/proc/self/comm", "re");
	DIR *dir = opendir("/proc/self/fd");

	if (!comm || !dir)
		return -errno;
	if (fscanf(comm, "%15s", s->name) != 1)
		return -EIO;
	for (struct dirent *e = readdir(dir); e; e = readdir(dir))
		s->descriptors += e->d_name[0] != '.';
	s->descriptors -= 2; /* those two */
	closedir(dir);
	fclose(comm);
	sigaction(SIGINT, NULL, &action);
	sigprocmask(SIG_BLOCK, NULL, &mask);
	s->sigint_ignored = action.sa_handler == SIG_IGN;
	s->term_blocked = sigismember(&mask, SIGTERM);
	s->stdin_bytes = (int)read(0, &c, 1);
	return 0;
}

IL_TEST_CORE(C, a_worker_inherits_no_descriptor_no_mask_and_no_disposition)
{
	struct surroundings s = {.descriptors = 0};
	int leaky = open("/dev/null", O_RDONLY); /* without close-on-exec */
	sigset_t term, saved;
	void (*old)(int) = signal(SIGINT, SIG_IGN);

	sigemptyset(&term);
	sigaddset(&term, SIGTERM);
	pthread_sigmask(SIG_BLOCK, &term, &saved);
	il_executor *ex =
	    new_processes((il_process_pool_options){.max_workers = 1, .name = "special"});
	CHECK_RC(il_executor_run(ex, look_around, &s, sizeof s), 0);
	pthread_sigmask(SIG_SETMASK, &saved, NULL);
	signal(SIGINT, old);
	close(leaky);
	CHECK_STR(s.name, "special_0");
	CHECK_EQ(s.descriptors, 5); /* the three, the stream, and what tells our end */
	CHECK_EQ(s.sigint_ignored, 0);
	CHECK_EQ(s.term_blocked, 0);
	CHECK_EQ(s.stdin_bytes, 0);
	il_executor_destroy(ex);
}

/* ---- refusals ---- */

IL_TEST_CORE(C, options_out_of_range_are_refused)
{
	const struct {
		il_process_pool_options options;
		const char *name;
	} bad[] = {{{.max_workers = -1}, "max_workers"},
		   {{.max_calls_per_worker = -1}, "max_calls_per_worker"},
		   {{.restart_budget = -1}, "restart_budget"},
		   {{.idle_timeout = -1}, "idle_timeout"},
		   {{.start_timeout = -1}, "start_timeout"},
		   {{.initializer_size = 4}, "initializer_size"},
		   {{.initializer_arg = &bad}, "initializer_size"},
		   {{.cpu_count = 1}, "cpu_count"}};
	il_executor *ex = NULL;

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		CHECK_RC(il_process_pool_create(&ex, &bad[i].options), -EINVAL);
		CHECK_DETAIL(bad[i].name);
	}
	CHECK_RC(il_process_pool_create(NULL, NULL), -EINVAL);
	CHECK(ex == NULL);
	CHECK_RC(il_process_pool_create(&ex, NULL), 0);
	il_executor_destroy(ex);
}

static void fill_queue(void)
{
	struct board *b = new_board();
	il_executor *ex =
	    new_processes((il_process_pool_options){.max_workers = 1, .queue_limit = 2});
	struct job j[4];
	il_future *f[3], *none = NULL;

	for (int i = 0; i < 4; i++)
		j[i] = job_on(b, i);
	f[0] = submit_job(ex, linger, &j[0]);
	UNTIL_THREAD(atomic_load(&b->begun) == 1);
	f[1] = submit_job(ex, linger, &j[1]);
	f[2] = submit_job(ex, linger, &j[2]);
	CHECK_RC(il_executor_submit(ex, &none, linger, &j[3], sizeof j[3]), -EAGAIN);
	atomic_store(&b->open, true);
	for (int i = 0; i < 3; i++)
		CHECK_RC(end_of(f[i]), i);
	il_executor_destroy(ex);
	free_board(b);
}

IL_TEST_CORE(C, a_full_queue_is_refused)
{
	fill_queue();
}

IL_TEST(C, a_full_queue_is_refused_to_a_task)
{
	fill_queue();
}

/* ---- no process to be had ---- */

enum { FEW = 64 };

/* As many as there are below FEW, but for those that the pool itself needs. */
static int take_descriptors(int *fds, struct rlimit *saved)
{
	struct rlimit few;
	int count = 0;

	CHECK_EQ(getrlimit(RLIMIT_NOFILE, saved), 0);
	few = *saved;
	few.rlim_cur = FEW;
	CHECK_EQ(setrlimit(RLIMIT_NOFILE, &few), 0);
	while ((fds[count] = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 0)) >= 0)
		count++;
	for (int i = 0; i < 3; i++)
		close(fds[--count]);
	return count;
}

static void do_without_processes(void)
{
	il_executor *ex = new_processes((il_process_pool_options){.max_workers = 1});
	struct job j = job_on(NULL, 6);
	il_future *f = NULL;
	struct rlimit saved;
	int fds[FEW], count = take_descriptors(fds, &saved);

	CHECK_RC(il_executor_submit(ex, NULL, square, &j, sizeof j), -EMFILE);
	CHECK_RC(il_executor_submit(ex, &f, square, &j, sizeof j), -EMFILE);
	CHECK_RC(il_executor_run(ex, square, &j, sizeof j), -EMFILE);
	CHECK(strstr(il_error_detail(), "no worker could be started"));
	CHECK_EQ(setrlimit(RLIMIT_NOFILE, &saved), 0);
	while (count > 0)
		close(fds[--count]);
	CHECK(f == NULL && j.square == 0);
	CHECK_RC(il_executor_run(ex, square, &j, sizeof j), 6);
	il_executor_destroy(ex);
	CHECK_LOGGED(IL_LOG_WARNING, "was not run", 0);
}

IL_TEST_CORE(C, n71_without_any_process_the_call_is_refused)
{
	do_without_processes();
}

IL_TEST(C, n71_without_any_process_a_tasks_call_is_refused)
{
	do_without_processes();
}
