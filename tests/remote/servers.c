/*
 * servers.c: job servers that are lost, stopped, full, or one of two: what becomes of calls that are not sent, queued, and running.
 */
#include "support.h"

/* Sent, and not asked again: its end is not known. Back, the server takes calls again. */
static void lose_the_only_one(void)
{
	struct server s;
	server_start(&s, 1);
	const char *servers[] = {s.address};
	il_remote_pool_options o = pool_options(servers, 1);
	il_executor *ex = pool_with(&o);
	struct sum sum = {4, 5, 0};
	il_future *queued = NULL;

	CHECK_EQ(il_executor_submit(ex, &queued, add, &sum, sizeof sum), 0);
	UNTIL(statistics_of(ex, 0).sent == 1);
	server_kill(&s);
	CHECK_EQ(until_done(queued), -EOWNERDEAD);
	CHECK(strstr(il_error_detail(), "not known") != NULL);
	CHECK_EQ((long)statistics_of(ex, 0).lost, 1);
	UNTIL(!statistics_of(ex, 0).connected && statistics_of(ex, 0).last_error < 0);
	CHECK_EQ(il_executor_submit(ex, &queued, add, &sum, sizeof sum), 0); /* waits */
	server_again(&s, 1);
	pid_t worker = worker_start(s.address, "");
	CHECK_EQ(until_done(queued), 9);
	UNTIL(statistics_of(ex, 0).connected);
	CHECK_EQ(statistics_of(ex, 0).last_error, 0);
	il_executor_destroy(ex);
	worker_stop(worker);
	server_stop(&s);
	printf("the only server is lost\n");
}

/* With resubmits what was queued and what ran is sent again, and each is answered once. */
static void send_again(void)
{
	enum { CALLS = 40 };
	struct server s;
	server_start(&s, 1);
	const char *servers[] = {s.address};
	il_remote_pool_options o = pool_options(servers, 1);
	pid_t worker = worker_start(s.address, "slots=2");
	struct note n[CALLS];
	il_future *f[CALLS];
	il_executor *ex;

	o.resubmits = 5;
	ex = pool_with(&o);
	journal_open();
	for (int i = 0; i < CALLS; i++) {
		n[i] = (struct note){i, 20};
		CHECK_EQ(il_executor_submit(ex, &f[i], note, &n[i], sizeof n[i]), 0);
	}
	UNTIL(journal_count(-1) >= 6);
	server_kill(&s);
	server_again(&s, 1);
	for (int i = 0; i < CALLS; i++)
		CHECK_EQ(until_done(f[i]), i);
	/* Those that ran, and those whose answers the server still had. */
	CHECK(journal_twice(CALLS) <= 4);
	CHECK(statistics_of(ex, 0).resent > 30);
	il_executor_destroy(ex);
	worker_stop(worker);
	server_stop(&s);
	printf("sent again\n");
}

/* The only server is gone with a call that runs: it waits for another one in vain, but -EHOSTUNREACH would say that it has not run. */
static void lose_the_last_one(void)
{
	struct server s;
	server_start(&s, 1);
	const char *servers[] = {s.address};
	il_remote_pool_options o = pool_options(servers, 1);
	pid_t worker = worker_start(s.address, "slots=1");
	struct note ran = {1, 300}, unsent = {2, 0};
	il_future *f = NULL;
	il_executor *ex;

	o.resubmits = 5;
	o.connect_timeout = IL_MSEC(300);
	ex = pool_with(&o);
	journal_open();
	CHECK_EQ(il_executor_submit(ex, &f, note, &ran, sizeof ran), 0);
	UNTIL(journal_count(1) == 1);
	server_kill(&s);
	CHECK_EQ(until_done(f), -EOWNERDEAD);
	CHECK(strstr(il_error_detail(), "could be reached") != NULL);
	CHECK(strstr(il_error_detail(), "not known") != NULL);
	CHECK_EQ(il_executor_run(ex, note, &unsent, sizeof unsent), -EHOSTUNREACH);
	il_executor_destroy(ex);
	CHECK_EQ(worker_stop(worker), 0);
	printf("the last server\n");
}

struct again {
	il_executor *ex;
	struct sum sum;
	double until;
	int failures, rc;
	bool over;
};

/* In the pool's thread: the call once more, as long as no server is there. */
static int submit_again(il_future *f, void *arg)
{
	struct again *a = arg;
	il_future *next = NULL;

	a->rc = il_future_result(f, 0);
	if (a->rc == -EHOSTUNREACH && seconds() < a->until) {
		__atomic_add_fetch(&a->failures, 1, __ATOMIC_RELAXED);
		CHECK_EQ(il_executor_submit(a->ex, &next, add, &a->sum, sizeof a->sum), 0);
		CHECK_EQ(il_future_on_done(next, submit_again, a), 0);
	} else {
		__atomic_store_n(&a->over, true, __ATOMIC_RELEASE);
	}
	il_future_unref(f);
	return 0;
}

/* Whoever is told that no server is there calls again at once: that does not keep the pool from connecting to one that comes. */
static void call_until_it_is_there(void)
{
	struct server s;
	server_start(&s, 1);
	const char *servers[] = {s.address};
	il_remote_pool_options o = pool_options(servers, 1);
	struct again a = {.sum = {4, 5, 0}, .until = seconds() + 2 * PATIENCE};
	il_future *f = NULL;
	pid_t worker;

	server_kill(&s);
	o.connect_timeout = IL_MSEC(200);
	a.ex = pool_with(&o);
	CHECK_EQ(il_executor_submit(a.ex, &f, add, &a.sum, sizeof a.sum), 0);
	CHECK_EQ(il_future_on_done(f, submit_again, &a), 0);
	UNTIL(__atomic_load_n(&a.failures, __ATOMIC_RELAXED) >= 3);
	server_again(&s, 1);
	worker = worker_start(s.address, "");
	UNTIL(__atomic_load_n(&a.over, __ATOMIC_ACQUIRE));
	CHECK_EQ(a.rc, 9);
	il_executor_destroy(a.ex);
	worker_stop(worker);
	server_stop(&s);
	printf("called until it is there\n");
}

/* The only call in flight fails, the others go on by the other server; so do those that were not sent. */
static void lose_one_of_two(void)
{
	struct server a, b;
	server_start(&a, 1);
	server_start(&b, 1);
	const char *servers[] = {a.address, b.address};
	il_remote_pool_options o = pool_options(servers, 2);
	il_executor *ex = pool_with(&o);
	struct note n[4];
	il_future *f[4];
	char both[160];
	pid_t worker;

	journal_open();
	UNTIL(statistics_of(ex, 0).connected && statistics_of(ex, 1).connected);
	for (int i = 0; i < 4; i++) { /* by turns: the server with fewer calls gets the next */
		n[i] = (struct note){i, 0};
		CHECK_EQ(il_executor_submit(ex, &f[i], note, &n[i], sizeof n[i]), 0);
		UNTIL(statistics_of(ex, (size_t)i % 2).calls == (size_t)i / 2 + 1);
	}
	UNTIL(statistics_of(ex, 0).sent == 2 && statistics_of(ex, 1).sent == 2);
	server_kill(&a);
	CHECK_EQ(until_done(f[0]), -EOWNERDEAD);
	CHECK_EQ(until_done(f[2]), -EOWNERDEAD);
	snprintf(both, sizeof both, "%s,%s", a.address, b.address);
	worker = worker_start(both, "");
	CHECK_EQ(until_done(f[1]), 1);
	CHECK_EQ(until_done(f[3]), 3);
	for (int i = 4; i < 10; i++) {
		n[0] = (struct note){i, 0};
		CHECK_EQ(il_executor_run(ex, note, &n[0], sizeof n[0]), i);
	}
	CHECK_EQ(journal_count(-1), 8);
	CHECK_EQ(worker_stop(worker), 0); /* while one of its servers is not there */
	il_executor_destroy(ex);
	server_stop(&b);
	printf("one of two is lost\n");
}

/* Each in turn, under load: nothing is lost, and the calls go on. */
static void lose_each_in_turn(void)
{
	enum { CALLS = 6000 };
	struct server s[2];
	server_start(&s[0], 1);
	server_start(&s[1], 1);
	const char *servers[] = {s[0].address, s[1].address};
	il_remote_pool_options o = pool_options(servers, 2);
	static struct sum sums[CALLS];
	static il_future *f[CALLS];
	char both[160];
	il_executor *ex;
	pid_t workers[2];

	o.resubmits = 10;
	ex = pool_with(&o);
	snprintf(both, sizeof both, "%s,%s", s[0].address, s[1].address);
	for (int i = 0; i < 2; i++)
		workers[i] = worker_start(both, "slots=2 prefetch=4");
	for (int i = 0; i < CALLS; i++) {
		sums[i] = (struct sum){i, 1, 0};
		CHECK_EQ(il_executor_submit(ex, &f[i], add, &sums[i], sizeof sums[i]), 0);
	}
	for (int i = 0; i < 4; i++) {
		UNTIL(il_future_done(f[(i + 1) * CALLS / 6]));
		server_kill(&s[i % 2]);
		server_again(&s[i % 2], 1);
		UNTIL(statistics_of(ex, (size_t)i % 2).connected);
	}
	for (int i = 0; i < CALLS; i++) {
		CHECK_EQ(until_done(f[i]), i + 1);
		CHECK_EQ(sums[i].sum, i + 1);
	}
	for (int i = 0; i < 2; i++)
		CHECK_EQ(worker_stop(workers[i]), 0);
	il_executor_destroy(ex);
	server_stop(&s[0]);
	server_stop(&s[1]);
	printf("each in turn\n");
}

/* A server that is silent, as one behind a cut link, is given up after three beats; see also virtual.c. */
static void notice_silence(void)
{
	struct server s;
	server_start(&s, 1);
	const char *servers[] = {s.address};
	il_remote_pool_options o = pool_options(servers, 1);
	struct sum sum = {1, 2, 0};
	il_future *f = NULL;
	double begin, took;
	il_executor *ex;

	o.heartbeat = IL_MSEC(200);
	ex = pool_with(&o);
	CHECK_EQ(il_executor_submit(ex, &f, add, &sum, sizeof sum), 0);
	UNTIL(has_jobs(&s, "t.add", 1, 0));
	kill(s.pid, SIGSTOP);
	begin = seconds();
	CHECK_EQ(until_done(f), -EOWNERDEAD);
	took = seconds() - begin;
	CHECK(took > 0.3 && took < 0.6 + PATIENCE);
	CHECK(statistics_of(ex, 0).last_error == -EOWNERDEAD);
	kill(s.pid, SIGCONT);
	UNTIL(statistics_of(ex, 0).connected);
	il_executor_destroy(ex);
	server_stop(&s);
	printf("silence is noticed after %.2f s\n", took);
}

struct runner {
	il_executor *ex;
	int id, rc;
};

static int call_note(void *arg)
{
	struct runner *r = arg;
	struct note n = {r->id, 0};

	return il_executor_run(r->ex, note, &n, sizeof n);
}

static void *run_note(void *arg)
{
	struct runner *r = arg;

	r->rc = call_note(r);
	return NULL;
}

/* It takes one call of `note`, whose name it has to know for that. */
static void limit_queue(const struct server *s)
{
	const char *servers[] = {s->address};
	il_remote_pool_options o = pool_options(servers, 1);
	il_executor *ex = pool_with(&o);
	struct note n = {99, 0};
	pid_t worker = worker_start(s->address, "slots=1");
	char command[160];

	CHECK_EQ(il_executor_run(ex, note, &n, sizeof n), 99);
	CHECK_EQ(worker_stop(worker), 0);
	il_executor_destroy(ex);
	snprintf(command, sizeof command,
		 "exec 3<>/dev/tcp/127.0.0.1/%s && printf 'maxqueue test.t.note 1\\n' >&3 && read "
		 "-r x <&3",
		 s->port);
	setenv("COMMAND", command, 1);
	CHECK_EQ(system("bash -c \"$COMMAND\""), 0);
}

/* The server's own bound: who submits is told, who waits is sent again. */
static void fill(void)
{
	struct server s;
	server_start(&s, 1);
	const char *servers[] = {s.address};
	il_remote_pool_options o = pool_options(servers, 1);
	il_executor *ex = pool_with(&o);
	struct runner r[4];
	pthread_t threads[4];
	struct note n = {99, 0};
	il_future *f = NULL;
	pid_t worker;

	limit_queue(&s);
	journal_open();
	for (int i = 0; i < 4; i++) {
		r[i] = (struct runner){ex, i, -1};
		pthread_create(&threads[i], NULL, run_note, &r[i]);
	}
	UNTIL(statistics_of(ex, 0).sent >= 5);
	CHECK_EQ(il_executor_submit(ex, &f, note, &n, sizeof n), 0);
	CHECK_EQ(until_done(f), -EAGAIN);
	CHECK(strstr(il_error_detail(), "full") != NULL);
	worker = worker_start(s.address, "slots=1");
	for (int i = 0; i < 4; i++) {
		pthread_join(threads[i], NULL);
		CHECK_EQ(r[i].rc, i);
	}
	CHECK_EQ(journal_count(-1), 4);
	il_executor_destroy(ex);
	worker_stop(worker);
	server_stop(&s);
	printf("a full server\n");
}

static int call_in_time(void *arg)
{
	struct runner *r = arg;

	r->rc = il_fail_after(IL_SEC(5), call_note, r);
	return 0;
}

static int call_all(void *arg)
{
	struct runner *r = arg;
	il_group g;
	int rc = il_group_open(&g);

	for (int i = 0; i < 4 && rc == 0; i++)
		rc = il_group_start_soon(&g, NULL, call_in_time, &r[i]);
	return il_group_close(&g, rc);
}

/* It is full of a call that no worker takes: those that wait for room wait for a worker no longer than that one. */
static void fill_in_vain(void)
{
	struct server s;
	server_start(&s, 1);
	const char *servers[] = {s.address};
	il_remote_pool_options o = pool_options(servers, 1);
	struct runner r[4];
	il_executor *ex;

	o.unserved_timeout = IL_MSEC(300);
	limit_queue(&s);
	ex = pool_with(&o);
	journal_open();
	for (int i = 0; i < 4; i++)
		r[i] = (struct runner){ex, i, 0};
	CHECK_EQ(il_run(il_backend_find(NULL), call_all, r), 0);
	for (int i = 0; i < 4; i++)
		CHECK_EQ(r[i].rc, -ENOENT);
	CHECK_EQ(journal_count(-1), 0);
	il_executor_destroy(ex);
	server_stop(&s);
	printf("a server that is full in vain\n");
}

void test_all(void)
{
	journal_open(); /* which worker programs inherit */
	lose_the_only_one();
	send_again();
	lose_the_last_one();
	call_until_it_is_there();
	lose_one_of_two();
	lose_each_in_turn();
	notice_silence();
	fill();
	fill_in_vain();
}
