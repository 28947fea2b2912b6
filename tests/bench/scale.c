/*
 * scale.c: scale and percore: what very many take, in memory and processor time: parked tasks, connections,
 * posting threads, workers, loops of different backends that call each other; and whether a request
 * costs the same when two loops share a port.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "scale.h"

#include "echo_load.h"

#include <pthread.h>
#include <unistd.h>

/* ---- metering a process ---- */

struct meter {
	double cpu, wall, memory;
};

static struct meter start_meter(void)
{
	return (struct meter){bench_cpu(), bench_ns(), bench_memory(getpid())};
}

static void read_meter(const struct meter *m, size_t operations, size_t many, double *values)
{
	double peak = bench_status(getpid(), "VmHWM: %lf") * 1024 - m->memory;

	values[SCALE_CPU] = (bench_cpu() - m->cpu) / (double)operations;
	values[SCALE_WALL] = (bench_ns() - m->wall) / (double)operations;
	values[SCALE_MEMORY] = peak > 0 ? peak / (double)many : 0;
}

/* ---- connections: one server ---- */

static void connections(const struct bench_case *c, double *values)
{
	echo_time(c, values, echo_serve, true, &echo_over_tcp);
}

/* ---- posting threads ---- */

static void posters(const struct bench_case *c, double *values)
{
	struct meter meter = start_meter();

	values[SCALE_WALL] = growth_post_among(c->callers);
	read_meter(&meter, GROWTH_POSTS, c->callers, values);
}

/* ---- workers ---- */

struct crew {
	const struct bench_case *c;
	il_executor *pool;
	pthread_barrier_t all;
	size_t left;
};

static int meet(void *arg) /* in a worker: all of them at the same time */
{
	pthread_barrier_wait(&((struct crew *)arg)->all);
	return 0;
}

static int nothing(void *arg)
{
	(void)arg;
	return 0;
}

static void call(struct crew *crew, il_fn *fn, void *arg)
{
	if (il_executor_run(crew->pool, fn, arg, 0) < 0)
		bench_die(il_error_detail());
}

static int employ(void *arg)
{
	struct crew *crew = arg;

	call(crew, meet, crew);
	while (crew->left) {
		crew->left--;
		call(crew, nothing, NULL);
	}
	return 0;
}

static int employ_all(void *arg)
{
	struct crew *crew = arg;
	il_group group;

	bench_must(il_group_open(&group));
	for (size_t i = 0; i < crew->c->workers; i++)
		if (il_group_start_soon(&group, NULL, employ, crew) < 0)
			bench_die(il_error_detail());
	return il_group_close(&group, 0);
}

static void workers(const struct bench_case *c, double *values)
{
	const il_thread_pool_options options = {.max_workers = (int)c->workers};
	struct crew crew = {.c = c, .left = c->n - c->workers};
	struct meter meter = start_meter();

	if (pthread_barrier_init(&crew.all, NULL, (unsigned)c->workers) ||
	    il_thread_pool_create(&crew.pool, &options) < 0)
		bench_die(il_error_detail());
	bench_run(employ_all, &crew);
	read_meter(&meter, c->n, c->workers, values);
	il_executor_destroy(crew.pool);
}

/* ---- a dense crowd: each offloads something now and then ---- */

enum { OFFLOAD_WORKERS = 4, OFFLOAD_P99 = SCALE_VALUES };

struct offloads {
	const struct bench_case *c;
	il_executor *pool;
	struct bench_samples took;
	size_t started;
};

static int offload_now_and_then(void *arg)
{
	struct offloads *o = arg;
	const size_t times = o->c->n / o->c->tasks;
	const il_time phase = IL_MSEC(100) * (il_time)o->started++ / (il_time)o->c->tasks;
	int rc = il_sleep(phase);

	for (size_t i = 0; i < times && rc == 0; i++) {
		double begin;
		rc = il_sleep(IL_MSEC(100));
		begin = bench_ns();
		if (rc == 0)
			rc = il_executor_run(o->pool, nothing, NULL, 0);
		bench_samples_add(&o->took, bench_ns() - begin);
	}
	return rc;
}

static int offload_all(void *arg)
{
	struct offloads *o = arg;
	il_group group;

	bench_must(il_group_open(&group));
	for (size_t i = 0; i < o->c->tasks; i++)
		bench_must(il_group_start_soon(&group, NULL, offload_now_and_then, o));
	return il_group_close(&group, 0);
}

static void offloads(const struct bench_case *c, double *values)
{
	const il_thread_pool_options options = {.max_workers = OFFLOAD_WORKERS};
	struct offloads o = {.c = c};
	struct meter meter;

	bench_samples_init(&o.took, c->n);
	bench_must(il_thread_pool_create(&o.pool, &options));
	meter = start_meter();
	bench_run(offload_all, &o);
	read_meter(&meter, c->n, c->tasks, values);
	values[OFFLOAD_P99] = bench_samples_quantile(&o.took, 0.99);
	il_executor_destroy(o.pool);
}

/* ---- loops of different backends ---- */

enum { LOOPS_MAX = 64 };

struct ring {
	size_t loops, calls; /* of one loop */
	struct member {
		struct ring *ring;
		size_t number, taken; /* taken: its thread only */
		il_portal *portal;
	} members[LOOPS_MAX];
};

static int take_call(void *arg) /* a task on the called loop */
{
	((struct member *)arg)->taken++;
	return il_yield();
}

/* A task on each loop: it calls all the others in turn, while they call it. */
static int call_others(void *arg)
{
	const struct member *self = arg;
	struct ring *ring = self->ring;
	size_t number = self->number;

	for (size_t i = 0; i < ring->calls; i++) {
		struct member *other;
		number = (number + 1) % ring->loops;
		if (number == self->number)
			number = (number + 1) % ring->loops;
		other = &ring->members[number];
		if (il_portal_run_coroutine(other->portal, take_call, other) < 0)
			bench_die(il_error_detail());
	}
	return 0;
}

static void start_loops(struct ring *ring)
{
	const char *const names[] = {bench_loop_name(), "libuv", "libev", "libevent"};

	for (size_t i = 0; i < ring->loops; i++) {
		struct member *member = &ring->members[i];
		*member = (struct member){.ring = ring, .number = i};
		if (il_blocking_portal_start(&member->portal, il_backend_find(names[i % 4]), NULL) <
		    0)
			bench_die(il_error_detail());
	}
}

static void loops(const struct bench_case *c, double *values)
{
	static struct ring ring;
	il_future *callers[LOOPS_MAX];
	size_t taken = 0;
	struct meter meter = start_meter();

	ring.loops = c->callers;
	ring.calls = c->n / c->callers;
	start_loops(&ring);
	for (size_t i = 0; i < ring.loops; i++)
		if (il_portal_run_coroutine_soon(ring.members[i].portal, &callers[i], call_others,
						 &ring.members[i]) < 0)
			bench_die(il_error_detail());
	for (size_t i = 0; i < ring.loops; i++)
		il_future_join(callers[i]);
	read_meter(&meter, c->n, ring.loops, values);
	for (size_t i = 0; i < ring.loops; i++) {
		il_blocking_portal_stop(ring.members[i].portal);
		taken += ring.members[i].taken;
	}
	if (taken != ring.loops * ring.calls)
		bench_die("a call between the loops was lost");
}

/* ---- the rows of scale ---- */

void bench_scale(void)
{
	const struct bench_stat stats[SCALE_VALUES + 1] = {
	    [SCALE_CPU] = {.name = "cpu"},
	    [SCALE_WALL] = {.name = "wall"},
	    [SCALE_MEMORY] = {.name = "memory", .unit = "bytes"},
	    [OFFLOAD_P99] = {.name = "p99"}};
	struct bench_case c = {.work = "scale", .cores = 2, .passes = 1};

	c.via = "parked_tasks";
	c.n = c.tasks = bench_amount(1000000);
	bench_alone(&c, stats, SCALE_VALUES, scale_parked);
	c.tasks = 0;
	c.passes = 2;
	c.via = "connections";
	c.connections = 10000;
	c.n = bench_amount(100000);
	bench_alone(&c, stats, SCALE_VALUES, connections);
	c.connections = 0;
	c.via = "posting_threads";
	c.callers = 64;
	c.n = GROWTH_POSTS;
	bench_alone(&c, stats, SCALE_VALUES, posters);
	c.via = "loops_of_all_backends";
	c.callers = 8;
	c.n = bench_amount(160000);
	bench_alone(&c, stats, SCALE_VALUES, loops);
	c.callers = 0;
	c.via = "workers";
	c.workers = 256;
	c.n = bench_amount(200000);
	bench_alone(&c, stats, SCALE_VALUES, workers);
	c.workers = 0;
	c.via = "tasks_that_offload_every_100_ms";
	c.tasks = 10000;
	c.n = bench_amount(200000);
	bench_alone(&c, stats, SCALE_VALUES + 1, offloads);
}

/* ---- percore: loops that share a port ---- */

static il_executor *shared_pool; /* NULL: the handlers answer by themselves */

static int open_server(il_server **server, void *port)
{
	return echo_open_server(server, port, true, shared_pool);
}

static void serve_on(int loops, bool pool, atomic_int *port)
{
	const il_thread_pool_options options = {.max_workers = OFFLOAD_WORKERS};
	static char number[8] = "0"; /* the first one chooses */
	il_server_thread *thread = NULL;

	if (pool)
		bench_must(il_thread_pool_create(&shared_pool, &options));
	for (int i = 0; i < loops; i++) {
		if (il_server_thread_start(&thread, bench_backend(), NULL, open_server, number) < 0)
			bench_die(il_error_detail());
		snprintf(number, sizeof number, "%u", il_server_thread_port(thread));
	}
	atomic_store(port, il_server_thread_port(thread));
	pause();
}

#define SIDE(name, loops, pool)                                            \
	static void serve_##name(atomic_int *port)                         \
	{                                                                  \
		serve_on(loops, pool, port);                               \
	}                                                                  \
	static void name(const struct bench_case *c, double *values)       \
	{                                                                  \
		echo_time(c, values, serve_##name, false, &echo_over_tcp); \
	}
SIDE(one_loop, 1, false)
SIDE(two_loops, 2, false)
SIDE(one_loop_and_pool, 1, true)
SIDE(two_loops_and_pool, 2, true)

/* The load has its share of the cores, whichever there are. With few connections a loop of two would
 * find less ready whenever it polls than one alone: that is not what is asked here. */
void bench_percore(void)
{
	const struct bench_stat stats[] = {{.name = "server_cpu", .limit = 1.1}, {.name = "wall"}};
	const struct bench_stat pooled[] = {{.name = "server_cpu", .limit = 1.05},
					    {.name = "wall"}};
	const struct bench_side one = {"one_loop", one_loop},
				one_pool = {"one_loop", one_loop_and_pool};
	struct bench_case c = {.work = "percore", .via = "two_loops", .connections = 1000};

	c.n = bench_amount(15000);
	for (c.cores = 2; c.cores > 0; c.cores--)
		bench_compare(&c, stats, 2, two_loops, &one, 1);
	c.via = "two_loops_and_one_pool";
	for (c.cores = 2; c.cores > 0; c.cores--)
		bench_compare(&c, pooled, 2, two_loops_and_pool, &one_pool, 1);
}
