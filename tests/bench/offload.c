/*
 * offload.c: P1 and P2: a trivial function in a worker thread, one call after another and many at once.
 */
#include "raw.h"

static int nothing(void *arg)
{
	(void)arg;
	return 0;
}

/* ---- P1: one after another ---- */

struct trips {
	const struct bench_case *c;
	double *values;
	il_executor *pool; /* NULL: il_run_in_thread */
};

static void trip(const struct trips *t)
{
	int rc =
	    t->pool ? il_executor_run(t->pool, nothing, NULL, 0) : il_run_in_thread(nothing, NULL);

	if (rc < 0)
		bench_die(il_error_detail());
}

static int make_trips(void *arg)
{
	const struct trips *t = arg;
	struct bench_samples samples;
	double cpu;

	bench_samples_init(&samples, t->c->n);
	for (size_t i = 0; i < t->c->n / 10 + 1; i++) {
		trip(t);
		if (t->c->gap_us)
			il_sleep(IL_USEC(t->c->gap_us));
	}
	cpu = bench_cpu();
	for (size_t i = 0; i < t->c->n; i++) {
		double begin = bench_ns();
		trip(t);
		bench_samples_add(&samples, bench_ns() - begin);
		if (t->c->gap_us)
			il_sleep(IL_USEC(t->c->gap_us));
	}
	t->values[2] = (bench_cpu() - cpu) / (double)t->c->n;
	t->values[1] = bench_samples_mean(&samples);
	t->values[0] = bench_samples_quantile(&samples, 0.5);
	return 0;
}

static void our_trips(const struct bench_case *c, double *values)
{
	struct trips t = {.c = c, .values = values};

	bench_run(make_trips, &t);
}

static void raw_trips(const struct bench_case *c, double *values)
{
	raw_pool_trips(bench_raw(), c, values);
}

static const struct bench_side queue_work = {"uv_queue_work", raw_uv_queue_work_trips};

void bench_offload(void)
{
	const struct bench_side raw_pool = {"mutex_pool", raw_trips};
	struct bench_case c = {.work = "P1", .via = "run_in_thread"};
	struct bench_stat stats[] = {{.name = "p50"}, {.name = "mean"}, {.name = "cpu"}};

	bench_round_trips(&c, stats, our_trips, &queue_work);
	c.cores = 2;
	c.gap_us = 1000;
	c.n = bench_amount(120);
	bench_compare(&c, stats, 3, our_trips, &queue_work, 1);
	c.gap_us = c.hogs = 0;
	c.n = bench_amount(20000);
	stats[0].limit = stats[1].limit = stats[2].limit = 0;
	bench_compare(&c, stats, 3, our_trips, &raw_pool, 1);
}

/* ---- P2: many at once ---- */

struct flight {
	const struct bench_case *c;
	double *values;
	il_executor *pool;
	size_t left,
	    warm_up; /* the first of each task, which makes stacks and threads, does not count */
	double begin;
};

static int fly(void *arg)
{
	struct flight *f = arg;
	const struct trips t = {.pool = f->pool};

	trip(&t);
	if (--f->warm_up == 0)
		f->begin = bench_ns();
	while (f->left) {
		f->left--;
		trip(&t);
	}
	return 0;
}

static int make_flight(void *arg)
{
	struct flight *f = arg;
	il_group group;

	bench_must(il_group_open(&group));
	f->warm_up = f->c->inflight;
	for (size_t i = 0; i < f->c->inflight; i++)
		if (il_group_start_soon(&group, NULL, fly, f) < 0)
			bench_die(il_error_detail());
	if (il_group_close(&group, 0) < 0)
		bench_die("a call failed");
	f->values[0] = (bench_ns() - f->begin) / (double)f->c->n;
	return 0;
}

static void our_executor(const struct bench_case *c, double *values)
{
	const il_thread_pool_options options = {.max_workers = (int)c->workers};
	struct flight f = {.c = c, .values = values, .left = c->n};

	if (il_thread_pool_create(&f.pool, &options) < 0)
		bench_die(il_error_detail());
	bench_run(make_flight, &f);
	il_executor_destroy(f.pool);
}

static void our_threads(const struct bench_case *c, double *values)
{
	const il_loop_options options = {.thread_limit = c->workers};
	struct flight f = {.c = c, .values = values, .left = c->n};

	bench_run_with(&options, make_flight, &f);
}

static int submit_flight(void *arg)
{
	struct flight *f = arg;
	il_future **all = calloc(f->c->inflight, sizeof(il_future *));

	for (size_t i = 0; i < f->c->n + f->c->inflight; i++) {
		il_future **slot = &all[i % f->c->inflight];
		if (i == f->c->inflight)
			f->begin = bench_ns();
		if (*slot && il_future_join(*slot) < 0)
			bench_die("a call failed");
		if (il_executor_submit(f->pool, slot, nothing, NULL, 0) < 0)
			bench_die(il_error_detail());
	}
	for (size_t i = 0; i < f->c->inflight; i++)
		il_future_join(all[i]);
	f->values[0] = (bench_ns() - f->begin) / (double)f->c->n;
	free(all);
	return 0;
}

static void our_futures(const struct bench_case *c, double *values)
{
	const il_thread_pool_options options = {.max_workers = (int)c->workers};
	struct flight f = {.c = c, .values = values};

	if (il_thread_pool_create(&f.pool, &options) < 0)
		bench_die(il_error_detail());
	bench_run(submit_flight, &f);
	il_executor_destroy(f.pool);
}

static void ev_inflight(const struct bench_case *c, double *values)
{
	raw_pool_inflight(&raw_ev, c, values);
}

void bench_inflight(void)
{
	const struct bench_side bases[] = {{"uv_queue_work", raw_uv_queue_work_inflight},
					   {"mutex_pool_on_libev", ev_inflight}};
	const struct bench_stat stat = {.name = "per_call", .limit = 0.5};
	struct bench_case c = {.work = "P2", .n = bench_amount(60000), .cores = 2};

	for (c.inflight = 64; c.inflight <= 1024; c.inflight *= 16)
		for (c.workers = 2; c.workers <= 4; c.workers *= 2) {
			c.via = "executor_run";
			bench_compare(&c, &stat, 1, our_executor, bases, 2);
			c.via = "executor_submit";
			bench_compare(&c, &stat, 1, our_futures, bases, 2);
			c.via = "run_in_thread";
			bench_compare(&c, &stat, 1, our_threads, bases, 2);
		}
}
