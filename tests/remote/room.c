/*
 * room.c: callers that wait until a full remote pool has room: each ends at its own deadline or when it is cancelled, the others are
 * served in their order, and no place and no call is lost. The pool has one place, and at first no worker program serves it.
 */
#include "support.h"

#include <fcntl.h>

enum { CALLERS = 6, PLACES = 4, LONG = 200 };

struct room_caller {
	struct note n;
	il_time limit; /* 0: none */
	int rc;
	il_scope scope;
};

static struct server server;
static il_executor *ex;
static struct room_caller callers[CALLERS];
static int ended[CALLERS], end_count;

static int run_note(void *arg)
{
	return il_executor_run(ex, note, arg, sizeof(struct note));
}

static int run_limited(void *arg)
{
	struct room_caller *c = arg;
	il_time begin = il_now();

	CHECK_EQ(il_scope_enter(&c->scope, IL_FOREVER, 0), 0);
	c->rc = c->limit ? il_fail_after(c->limit, run_note, &c->n) : run_note(&c->n);
	CHECK(c->rc != -ETIMEDOUT || il_now() - begin >= c->limit); /* never early */
	ended[end_count++] = c->n.id;
	return il_scope_exit(&c->scope, c->rc == -ETIMEDOUT ? 0 : c->rc);
}

/* In the order of their numbers, each waiting for room before the next comes. */
static int start_callers(il_group *g, const int limits_ms[CALLERS])
{
	int rc = il_group_open(g);

	end_count = 0;
	for (int i = 0; i < CALLERS && rc == 0; i++) {
		callers[i] = (struct room_caller){.n = {i + 1, 0},
						  .limit = limits_ms[i] ? IL_MSEC(limits_ms[i]) : 0,
						  .rc = 1,
						  .scope = IL_SCOPE_INIT};
		rc = il_group_start_soon(g, NULL, run_limited, &callers[i]);
		if (rc == 0)
			rc = il_yield();
	}
	return rc;
}

/* What has run, in its order; -1 ends it. */
static void check_journal(const int *ids)
{
	int id, fd = open(getenv("IL_JOURNAL"), O_RDONLY);

	while (read(fd, &id, sizeof id) == sizeof id)
		CHECK_EQ(id, *ids == -1 ? -1 : *ids++);
	CHECK_EQ(*ids, -1);
	close(fd);
}

static int check_ends(const int *ids, int count)
{
	for (int i = 0; i < count; i++)
		while (end_count <= i)
			if (il_sleep(IL_MSEC(1)) < 0)
				return -ECANCELED;
	CHECK_EQ(end_count, count);
	for (int i = 0; i < count; i++)
		CHECK_EQ(ended[i], ids[i]);
	return 0;
}

/* The place is taken all the while: whoever gives up was never sent, and the others are served in their order. */
static int give_up_waiting(void *arg)
{
	const int limits[CALLERS] = {0, LONG, 0, LONG / 2, 0, 0};
	struct note busy = {0, 0};
	il_future *f = NULL, *refused = NULL;
	il_group g;
	pid_t *worker = arg;

	journal_open();
	CHECK_EQ(il_executor_submit(ex, &f, note, &busy, sizeof busy), 0);
	CHECK_EQ(start_callers(&g, limits), 0);
	CHECK_EQ(il_executor_submit(ex, &refused, note, &busy, sizeof busy), -EAGAIN);
	il_scope_cancel(&callers[4].scope);
	CHECK_EQ(check_ends((const int[]){5, 4, 2}, 3), 0);
	CHECK_EQ(callers[4].rc, -ECANCELED);
	CHECK_EQ(callers[3].rc, -ETIMEDOUT);
	CHECK_EQ(callers[1].rc, -ETIMEDOUT);
	CHECK_EQ((long)statistics_of(ex, 0).calls, 1);
	*worker = worker_start(server.address, "slots=1");
	CHECK_EQ(il_group_close(&g, 0), 0);
	CHECK_EQ(il_future_result(f, IL_FOREVER), 0);
	il_future_unref(f);
	for (int i = 0; i < CALLERS; i++)
		CHECK(callers[i].rc < 0 || callers[i].rc == i + 1);
	check_journal((const int[]){0, 1, 3, 6, -1});
	return 0;
}

/* Who has got the place gives it up at his deadline, to the next, whose deadline comes later: none of them runs. */
static int give_up_the_place(void *arg)
{
	const int limits[CALLERS] = {LONG / 2, LONG, LONG, 0, 2 * LONG, 0};
	pid_t *worker = arg;
	il_group g;

	journal_open();
	CHECK_EQ(start_callers(&g, limits), 0);
	while (end_count < 4)
		CHECK_EQ(il_sleep(IL_MSEC(1)), 0);
	CHECK_EQ(ended[0], 1);
	CHECK_EQ(ended[3], 5);
	for (int i = 0; i < CALLERS; i++)
		CHECK_EQ(callers[i].rc, limits[i] ? -ETIMEDOUT : 1);
	*worker = worker_start(server.address, "slots=1");
	CHECK_EQ(il_group_close(&g, 0), 0);
	CHECK_EQ(callers[3].rc, 4);
	CHECK_EQ(callers[5].rc, 6);
	check_journal((const int[]){4, 6, -1});
	return 0;
}

/* A plain thread's map: what had no place is cancelled. */
static void map_without_room(void)
{
	struct note n[3] = {{1, 0}, {2, 0}, {3, 0}}, busy = {0, 0};
	int results[3];
	il_future *f = NULL;
	double begin = seconds();
	pid_t worker;

	journal_open();
	CHECK_EQ(il_executor_submit(ex, &f, note, &busy, sizeof busy), 0);
	CHECK_EQ(il_executor_map(ex, note, n, 3, sizeof n[0], results, IL_MSEC(LONG)), -ETIMEDOUT);
	CHECK(seconds() - begin >= LONG / 1e3);
	for (int i = 0; i < 3; i++)
		CHECK_EQ(results[i], -ECANCELED);
	worker = worker_start(server.address, "slots=1");
	CHECK_EQ(until_done(f), 0);
	CHECK_EQ(il_executor_map(ex, note, n, 3, sizeof n[0], results, IL_FOREVER), 0);
	check_journal((const int[]){0, 1, 2, 3, -1});
	CHECK_EQ(worker_stop(worker), 0);
}

/* With no server there calls wait in the pool, and behind them callers for room: all are served in the order in which they came. */
static int come_in_order(void *arg)
{
	const int limits[CALLERS] = {0};
	struct note n[PLACES];
	il_future *f[PLACES] = {NULL};
	pid_t *worker = arg;
	il_group g;

	journal_open();
	for (int i = 0; i < PLACES; i++) {
		n[i] = (struct note){10 + i, 0};
		CHECK_EQ(il_executor_submit(ex, &f[i], note, &n[i], sizeof n[i]), 0);
	}
	CHECK_EQ(start_callers(&g, limits), 0);
	server_again(&server, 1);
	*worker = worker_start(server.address, "slots=1");
	CHECK_EQ(il_group_close(&g, 0), 0);
	for (int i = 0; i < PLACES; i++) {
		CHECK_EQ(il_future_result(f[i], IL_FOREVER), 10 + i);
		il_future_unref(f[i]);
	}
	check_journal((const int[]){10, 11, 12, 13, 1, 2, 3, 4, 5, 6, -1});
	return 0;
}

static void serve_in_order(il_remote_pool_options *o)
{
	pid_t worker;

	o->queue_limit = PLACES;
	ex = pool_with(o);
	UNTIL(statistics_of(ex, 0).connected);
	server_kill(&server);
	UNTIL(!statistics_of(ex, 0).connected);
	CHECK_EQ(il_run(il_backend_find(NULL), come_in_order, &worker), 0);
	CHECK_EQ(worker_stop(worker), 0);
	il_executor_destroy(ex);
	printf("first come, first served\n");
}

/* All places are there again, and the pool has nothing out. */
static void check_room(void)
{
	struct note n = {9, 0};

	CHECK_EQ((long)statistics_of(ex, 0).calls, 0);
	for (int i = 0; i < 2; i++) {
		pid_t worker = worker_start(server.address, "slots=1");
		CHECK_EQ(il_executor_run(ex, note, &n, sizeof n), 9);
		CHECK_EQ(worker_stop(worker), 0);
	}
}

void test_all(void)
{
	server_start(&server, 1);
	const char *servers[] = {server.address};
	il_remote_pool_options o = pool_options(servers, 1);
	pid_t worker;

	o.queue_limit = 1;
	o.unserved_timeout = IL_FOREVER;
	ex = pool_with(&o);
	CHECK_EQ(il_run(il_backend_find(NULL), give_up_waiting, &worker), 0);
	CHECK_EQ(worker_stop(worker), 0);
	printf("who waits gives up\n");
	CHECK_EQ(il_run(il_backend_find(NULL), give_up_the_place, &worker), 0);
	CHECK_EQ(worker_stop(worker), 0);
	printf("who has a place gives it up\n");
	map_without_room();
	printf("a map without room\n");
	check_room();
	il_executor_destroy(ex);
	serve_in_order(&o);
	server_stop(&server);
}
