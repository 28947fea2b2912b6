/*
 * workers.c: worker programs that are lost, silent, stopped, or have taken more than they run.
 */
#define _GNU_SOURCE
#include "support.h"

#include <sched.h>

static struct server server;
static const char *servers[1];

static il_executor *pool_resubmitting(int resubmits)
{
	il_remote_pool_options o = pool_options(servers, 1);

	o.resubmits = resubmits;
	return pool_with(&o);
}

/* The program dies in a call: --job-retries=1 makes it the pool's to send it again, or not. */
static void lose_program(int resubmits)
{
	il_executor *ex = pool_resubmitting(resubmits);
	pid_t first = worker_start(server.address, "slots=1"), second;
	struct note n = {7, 300};
	il_future *f = NULL;

	journal_open();
	CHECK_EQ(il_executor_submit(ex, &f, note, &n, sizeof n), 0);
	UNTIL(journal_count(7) == 1);
	second = worker_start(server.address, "slots=1");
	worker_kill(first);
	CHECK_EQ(until_done(f), resubmits ? 7 : -EOWNERDEAD);
	CHECK_EQ(journal_count(7), resubmits ? 2 : 1);
	CHECK_EQ((long)statistics_of(ex, 0).lost, 1);
	CHECK_EQ((long)statistics_of(ex, 0).resent, resubmits ? 1 : 0);
	il_executor_destroy(ex);
	CHECK_EQ(worker_stop(second), 0);
	printf("a lost program, %d resubmits\n", resubmits);
}

static struct server retrying;

/* It dies with a call, which the server puts back into its queue and says nothing of: there the call may wait for longer than a
 * worker may be silent, whatever the pool's own beat is. */
static void wait_in_the_queue(const char *options, il_time heartbeat)
{
	const char *list[] = {retrying.address};
	il_remote_pool_options o = pool_options(list, 1);
	pid_t busy = worker_start(retrying.address, options), dying;
	struct note n[2] = {{0, UNTIL_OPENED}, {1, UNTIL_OPENED}};
	il_future *f[2] = {NULL};
	il_executor *ex;

	o.heartbeat = heartbeat;
	ex = pool_with(&o);
	journal_open();
	CHECK_EQ(il_executor_submit(ex, &f[0], note, &n[0], sizeof n[0]), 0);
	UNTIL(journal_count(0) == 1);
	dying = worker_start(retrying.address, options);
	CHECK_EQ(il_executor_submit(ex, &f[1], note, &n[1], sizeof n[1]), 0);
	UNTIL(il_future_running(f[1]) && journal_count(1) == 1);
	worker_kill(dying);
	sleep(3);
	CHECK(!il_future_done(f[1]));
	gate_open();
	for (int i = 0; i < 2; i++)
		CHECK_EQ(until_done(f[i]), i);
	CHECK_EQ(journal_count(1), 2);
	CHECK_EQ((long)statistics_of(ex, 0).lost, 0);
	il_executor_destroy(ex);
	CHECK_EQ(worker_stop(busy), 0);
	printf("a call that is put back: %s\n", options);
}

/* The only program with the name dies, and the call finds nobody else: but it has run. -ENOENT would say that it has not. */
static void lose_only_worker(const char *where, const char *options, int resubmits, long lost,
			     long resent)
{
	il_remote_pool_options o = pool_options(&where, 1);
	pid_t worker = worker_start(where, options);
	struct note n = {7, 10000};
	il_future *f = NULL;
	il_executor *ex;

	o.resubmits = resubmits;
	o.unserved_timeout = IL_MSEC(300);
	ex = pool_with(&o);
	journal_open();
	CHECK_EQ(il_executor_submit(ex, &f, note, &n, sizeof n), 0);
	UNTIL(il_future_running(f) && journal_count(7) == 1);
	worker_kill(worker);
	CHECK_EQ(until_done(f), -EOWNERDEAD);
	CHECK(strstr(il_error_detail(), "no worker program") != NULL);
	CHECK(strstr(il_error_detail(), "not known") != NULL);
	CHECK_EQ((long)statistics_of(ex, 0).lost, lost);
	CHECK_EQ((long)statistics_of(ex, 0).resent, resent);
	il_executor_destroy(ex);
}

static void put_back(void)
{
	server_start(&retrying, 3);
	wait_in_the_queue("slots=1 beat=500", IL_MSEC(500));
	wait_in_the_queue("slots=1 beat=100", IL_SEC(5));
	lose_only_worker(retrying.address, "slots=1 beat=500", 0, 0, 0);
	printf("put back for nobody\n");
	server_stop(&retrying);
}

enum { CRASHES = 40 };

static void lose_last_program(void)
{
	lose_only_worker(server.address, "slots=1", 1, 1, 1);
	printf("the last program\n");
}

/* Its function's process dies: that is an answer, and nobody sends it again. However often it does, others can be called. */
static void lose_process(void)
{
	il_executor *ex = pool_resubmitting(10);
	pid_t worker = worker_start(server.address, "slots=2");

	CHECK_EQ(il_executor_run(ex, crash, NULL, 0), -EOWNERDEAD);
	CHECK(strstr(il_error_detail(), "my last words") != NULL);
	CHECK_EQ((long)statistics_of(ex, 0).sent, 1);
	CHECK_EQ(il_executor_run(ex, program, NULL, 0), worker); /* it lives */
	for (int i = 0; i < CRASHES; i++)
		CHECK_EQ(il_executor_run(ex, crash, NULL, 0), -EOWNERDEAD);
	CHECK_EQ(il_executor_run(ex, program, NULL, 0), worker);
	il_executor_destroy(ex);
	CHECK_EQ(worker_stop(worker), 0);
	printf("a lost process\n");
}

static int give_up(void *arg)
{
	(void)arg;
	return -ENOTRECOVERABLE;
}

static int process(void *arg)
{
	(void)arg;
	return getpid();
}

static void __attribute__((constructor)) register_both(void)
{
	if (il_function_register("t.give_up", give_up) < 0 ||
	    il_function_register("t.process", process) < 0)
		abort();
}

/* A function may return what a broken pool does: the pool is not, and its processes stay. */
static void return_as_if_broken(void)
{
	il_executor *ex = pool_resubmitting(0);
	pid_t worker = worker_start(server.address, "slots=1 all=1");
	int pid = il_executor_run(ex, process, NULL, 0);

	CHECK(pid > 0);
	CHECK_EQ(il_executor_run(ex, give_up, NULL, 0), -ENOTRECOVERABLE);
	CHECK_EQ(il_executor_run(ex, process, NULL, 0), pid);
	il_executor_destroy(ex);
	CHECK_EQ(worker_stop(worker), 0);
	printf("returned as if broken\n");
}

/* A machine that is gone without a word: its call, and one that it has taken and not begun. */
static void lose_silent_program(int resubmits)
{
	il_remote_pool_options o = pool_options(servers, 1);
	pid_t silent = worker_start(server.address, "slots=1 prefetch=1 beat=200"), other;
	struct note n[2] = {{1, 100}, {2, 100}};
	il_future *f[2] = {NULL};
	double begin, took;
	il_executor *ex;

	o.resubmits = resubmits;
	o.heartbeat = IL_MSEC(200);
	ex = pool_with(&o);
	journal_open();
	for (int i = 0; i < 2; i++)
		CHECK_EQ(il_executor_submit(ex, &f[i], note, &n[i], sizeof n[i]), 0);
	UNTIL(journal_count(1) == 1 && has_jobs(&server, "t.note", 2, 2));
	kill(silent, SIGSTOP);
	begin = seconds();
	other = worker_start(server.address, "slots=2 beat=200");
	for (int i = 0; i < 2; i++)
		CHECK_EQ(until_done(f[i]), resubmits ? i + 1 : -EOWNERDEAD);
	took = seconds() - begin;
	CHECK(took > 0.35 && took < 0.6 + PATIENCE);
	CHECK_EQ((long)statistics_of(ex, 0).lost, 2);
	CHECK_EQ((long)statistics_of(ex, 0).late, 0);
	kill(silent, SIGCONT); /* its answers are late now, and nobody's */
	UNTIL(statistics_of(ex, 0).late == 2);
	il_executor_destroy(ex);
	CHECK_EQ(worker_stop(silent), 0);
	CHECK_EQ(worker_stop(other), 0);
	printf("a silent program, %d resubmits, after %.2f s\n", resubmits, took);
}

/* A worker's beat may be longer than the pool's: what runs there and what waits there is not lost. */
static void beat_slowly(void)
{
	il_remote_pool_options o = pool_options(servers, 1);
	pid_t worker = worker_start(server.address, "slots=1 prefetch=2 beat=60000");
	struct note n[3] = {{0, 1500}, {1, 0}, {2, 0}};
	il_future *f[3] = {NULL};
	il_executor *ex;

	o.heartbeat = IL_MSEC(200);
	ex = pool_with(&o);
	journal_open();
	for (int i = 0; i < 3; i++)
		CHECK_EQ(il_executor_submit(ex, &f[i], note, &n[i], sizeof n[i]), 0);
	for (int i = 0; i < 3; i++)
		CHECK_EQ(until_done(f[i]), i);
	CHECK_EQ((long)statistics_of(ex, 0).lost, 0);
	il_executor_destroy(ex);
	CHECK_EQ(worker_stop(worker), 0);
	printf("a slow beat\n");
}

/* Takes a call, and says nothing from then on. */
static int take_a_call(const char *name)
{
	char request[128], reply[512];
	int fd = server_connect(&server);
	size_t size = 24 + strlen(name);

	memset(request, 0, sizeof request);
	memcpy(request, "\0REQ\0\0\0\1", 8); /* CAN_DO */
	request[11] = (char)strlen(name);
	strcpy(request + 12, name);
	memcpy(request + 12 + strlen(name), "\0REQ\0\0\0\36", 8); /* GRAB_JOB_UNIQ */
	CHECK_EQ(write(fd, request, size), (ssize_t)size);
	CHECK(read(fd, reply, sizeof reply) > 12 && reply[7] == 31); /* JOB_ASSIGN_UNIQ */
	return fd;
}

/* The server never says that such a worker has the call: it is asked. */
static void lose_before_a_sign(void)
{
	il_remote_pool_options o = pool_options(servers, 1);
	struct note n = {1, 0};
	il_future *f = NULL;
	double begin, took;
	il_executor *ex;
	pid_t worker;
	int fd;

	o.resubmits = 1;
	o.heartbeat = IL_MSEC(200);
	ex = pool_with(&o);
	journal_open();
	CHECK_EQ(il_executor_submit(ex, &f, note, &n, sizeof n), 0);
	UNTIL(has_jobs(&server, "t.note", 1, 0));
	fd = take_a_call("test.t.note");
	begin = seconds();
	worker = worker_start(server.address, "slots=1 beat=200");
	CHECK_EQ(until_done(f), 1);
	took = seconds() - begin;
	CHECK(took > 0.35 && took < 0.6 + PATIENCE);
	CHECK_EQ(journal_count(1), 1);
	CHECK_EQ((long)statistics_of(ex, 0).lost, 1);
	close(fd);
	il_executor_destroy(ex);
	CHECK_EQ(worker_stop(worker), 0);
	printf("silent before a sign, after %.2f s\n", took);
}

/* What it has taken waits there, and is run when it drains; a call for which nobody waits any more is not. */
static void prefetch(void)
{
	il_executor *ex = pool_resubmitting(0);
	pid_t worker = worker_start(server.address, "slots=1 prefetch=2 beat=100"), other;
	struct note n[3] = {{0, UNTIL_OPENED}, {1, 0}, {2, 0}};
	il_future *f[3] = {NULL};

	journal_open();
	for (int i = 0; i < 3; i++)
		CHECK_EQ(il_executor_submit(ex, &f[i], note, &n[i], sizeof n[i]), 0);
	UNTIL(il_future_running(f[0]) && has_jobs(&server, "t.note", 3, 3));
	usleep(150000);                  /* for their signs */
	CHECK(!il_future_running(f[1])); /* taken is not begun */
	other = worker_start(server.address, "slots=1");
	CHECK_EQ(il_executor_run(ex, program, NULL, 0), other);
	gate_open();
	CHECK_EQ(worker_stop(worker), 0);
	for (int i = 0; i < 3; i++)
		CHECK_EQ(until_done(f[i]), i);
	CHECK_EQ((long)statistics_of(ex, 0).lost, 0);
	il_executor_destroy(ex);
	CHECK_EQ(worker_stop(other), 0);
	printf("prefetch\n");
}

enum { SLEEPERS = 4 };

/* In time, or not at all. */
static int run_program(void *ex)
{
	return il_executor_run(ex, program, NULL, 0);
}

static int run_in_time(void *ex)
{
	return il_fail_after(IL_SEC(15), run_program, ex);
}

/* All sleep, and all but one are stopped: of two calls one wakes two of those, and the server wakes nobody else for it. */
static void wake_the_wrong_ones(void)
{
	il_executor *ex = pool_resubmitting(0);
	pid_t sleepers[SLEEPERS];

	for (int i = 0; i < SLEEPERS; i++)
		sleepers[i] = worker_start(server.address, "slots=1 beat=200");
	UNTIL(server_status(&server, "t.program").workers == SLEEPERS);
	usleep(100000); /* and they have asked */
	for (int i = 1; i < SLEEPERS; i++)
		kill(sleepers[i], SIGSTOP);
	for (int i = 0; i < 2; i++) {
		usleep(100000); /* the server has replied to what each has asked last */
		CHECK_EQ(il_run(il_backend_find(NULL), run_in_time, ex), sleepers[0]);
	}
	for (int i = 1; i < SLEEPERS; i++)
		kill(sleepers[i], SIGCONT);
	for (int i = 0; i < SLEEPERS; i++)
		CHECK_EQ(worker_stop(sleepers[i]), 0);
	il_executor_destroy(ex);
	printf("the wrong ones are woken\n");
}

struct timed {
	il_executor *ex;
	int rc;
};

static int run_note_1(void *arg)
{
	struct timed *t = arg;
	struct note n = {1, 0};

	return t->rc = il_executor_run(t->ex, note, &n, sizeof n);
}

static int run_timed(void *arg)
{
	return il_fail_after(IL_MSEC(150), run_note_1, arg);
}

/* It lies in a worker's own queue when its caller's time is up. */
static void too_old(void)
{
	il_executor *ex = pool_resubmitting(0);
	pid_t worker = worker_start(server.address, "slots=1 prefetch=1");
	struct note busy = {0, 500}, last = {2, 0};
	struct timed t = {ex, 0};
	il_future *f = NULL;

	journal_open();
	CHECK_EQ(il_executor_submit(ex, &f, note, &busy, sizeof busy), 0);
	UNTIL(il_future_running(f));
	CHECK_EQ(il_run(il_backend_find(NULL), run_timed, &t), -ETIMEDOUT);
	CHECK_EQ(t.rc, -ECANCELED);
	CHECK_EQ(until_done(f), 0);
	CHECK_EQ(il_executor_run(ex, note, &last, sizeof last), 2);
	CHECK_EQ(journal_count(1), 0);
	il_executor_destroy(ex);
	CHECK_EQ(worker_stop(worker), 0);
	printf("too old\n");
}

/* Pinned to one processor, by default it runs one call after the other. */
static void count_slots(void)
{
	enum { CALLS = 4, MS = 100 };
	il_executor *ex = pool_resubmitting(0);
	struct note n = {1, MS};
	il_future *f[CALLS] = {NULL};
	cpu_set_t all, one;
	double begin;
	pid_t worker;

	CHECK_EQ(sched_getaffinity(0, sizeof all, &all), 0);
	CPU_ZERO(&one);
	for (size_t i = 0; i < CPU_SETSIZE && CPU_COUNT(&one) == 0; i++)
		if (CPU_ISSET(i, &all))
			CPU_SET(i, &one);
	CHECK_EQ(sched_setaffinity(0, sizeof one, &one), 0);
	worker = worker_start(server.address, "slots=0");
	CHECK_EQ(sched_setaffinity(0, sizeof all, &all), 0);
	journal_open();
	begin = seconds();
	for (int i = 0; i < CALLS; i++)
		CHECK_EQ(il_executor_submit(ex, &f[i], note, &n, sizeof n), 0);
	for (int i = 0; i < CALLS; i++)
		CHECK_EQ(until_done(f[i]), 1);
	CHECK(seconds() - begin >= CALLS * MS / 1e3);
	il_executor_destroy(ex);
	CHECK_EQ(worker_stop(worker), 0);
	printf("slots of one processor\n");
}

/* No server is there, or it has gone with a call that runs: it ends all the same. */
static void drain_alone(void)
{
	struct server lonely;
	server_start(&lonely, 1);
	const char *list[] = {lonely.address};
	il_remote_pool_options o = pool_options(list, 1);
	il_executor *ex = pool_with(&o);
	pid_t worker = worker_start(lonely.address, "slots=1");
	struct note n = {1, 300};
	il_future *f = NULL;
	double begin = seconds();

	journal_open();
	CHECK_EQ(il_executor_submit(ex, &f, note, &n, sizeof n), 0);
	UNTIL(journal_count(1) == 1);
	server_kill(&lonely);
	CHECK_EQ(worker_stop(worker), 0);
	CHECK(seconds() - begin >= n.ms / 1e3); /* the call has ended */
	CHECK_EQ(until_done(f), -EOWNERDEAD);
	worker = worker_start(lonely.address, "slots=1");
	usleep(200000);
	CHECK_EQ(worker_stop(worker), 0);
	il_executor_destroy(ex);
	printf("a drain without a server\n");
}

/* What does not end in time is ended. A call that runs for longer than three beats is not lost meanwhile. */
static void drain_with_a_limit(void)
{
	il_remote_pool_options o = pool_options(servers, 1);
	pid_t worker = worker_start(server.address, "slots=1 beat=100"), strict;
	struct note n = {1, 600};
	il_future *f = NULL;
	double begin;
	il_executor *ex;

	o.heartbeat = IL_MSEC(100);
	ex = pool_with(&o);
	journal_open();
	CHECK_EQ(il_executor_submit(ex, &f, note, &n, sizeof n), 0);
	UNTIL(il_future_running(f));
	CHECK_EQ(worker_stop(worker), 0);
	CHECK_EQ(until_done(f), 1);
	strict = worker_start(server.address, "slots=1 drain=100");
	n.ms = 60000;
	CHECK_EQ(il_executor_submit(ex, &f, note, &n, sizeof n), 0);
	UNTIL(il_future_running(f));
	begin = seconds();
	CHECK_EQ(worker_stop(strict), 0);
	CHECK_EQ(until_done(f), -ECANCELED);
	CHECK(seconds() - begin < PATIENCE);
	il_executor_destroy(ex);
	printf("a drain with a limit\n");
}

/* Nobody waits: a loss is a line of the log, and never is it run here. */
static char logged[400];

static void keep_line(int level, const char *message, void *arg)
{
	(void)level;
	(void)arg;
	if (strstr(message, "t.note"))
		snprintf(logged, sizeof logged, "%s", message);
}

static void unattended(void)
{
	il_executor *ex = pool_resubmitting(0);
	pid_t worker = worker_start(server.address, "slots=1");
	struct note n = {1, 0};
	il_remote_statistics s;

	journal_open();
	il_set_log(keep_line, NULL);
	CHECK_EQ(il_executor_submit(ex, NULL, note, &n, sizeof n), 0);
	UNTIL(journal_count(1) == 1);
	n = (struct note){2, 400};
	CHECK_EQ(il_executor_submit(ex, NULL, note, &n, sizeof n), 0);
	UNTIL(journal_count(2) == 1);
	worker_kill(worker);
	UNTIL(il_remote_pool_get_statistics(ex, &s) == 0 && s.calls == 0);
	il_executor_destroy(ex);
	il_set_log(NULL, NULL);
	CHECK(strstr(logged, "without a future failed") != NULL);
	CHECK_EQ(journal_count(2), 1);
	printf("nobody waits\n");
}

void test_all(void)
{
	server_start(&server, 1);
	servers[0] = server.address;
	journal_open(); /* which worker programs inherit */
	lose_program(0);
	lose_program(3);
	lose_last_program();
	put_back();
	lose_process();
	return_as_if_broken();
	lose_silent_program(0);
	lose_silent_program(2);
	lose_before_a_sign();
	beat_slowly();
	wake_the_wrong_ones();
	prefetch();
	too_old();
	count_slots();
	drain_alone();
	drain_with_a_limit();
	unattended();
	server_stop(&server);
}
