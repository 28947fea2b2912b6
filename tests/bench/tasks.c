/*
 * tasks.c: P5 and P6: yields, events from task to task, tasks from start to join; in bare switches from
 * stack to stack, measured in the same process right before and after.
 */
#include "bench.h"

enum { REPEATS = 5 };

struct work {
	const struct bench_case *c;
	double best; /* ns per operation, the median of a few */
	double (*once)(const struct bench_case *c);
};

static int repeat(void *arg)
{
	struct work *w = arg;
	double at[REPEATS];

	w->once(w->c);
	for (int i = 0; i < REPEATS; i++)
		at[i] = w->once(w->c);
	w->best = bench_median(at, REPEATS);
	return 0;
}

static void against_switch(const struct bench_case *c, double *values,
			   double (*once)(const struct bench_case *c))
{
	struct work w = {.c = c, .once = once};
	double before = bench_bare_switch();

	bench_run(repeat, &w);
	values[0] = w.best;
	values[1] = (before + bench_bare_switch()) / 2;
}

static void row(const struct bench_case *c, const char *name, double limit, bench_side_fn *both)
{
	const struct bench_stat stat = {.name = name, .limit = limit};

	bench_pairs(c, &stat, 1, both, "bare_switch");
}

/* ---- yield ---- */

static int yield_often(void *arg)
{
	for (size_t i = *(const size_t *)arg; i > 0; i--)
		il_yield();
	return 0;
}

/* Two tasks by turns. */
static double yield_once(const struct bench_case *c)
{
	size_t n = c->n;
	il_group group;
	double begin;

	bench_must(il_group_open(&group));
	bench_must(il_group_start_soon(&group, NULL, yield_often, &n));
	bench_must(il_group_start_soon(&group, NULL, yield_often, &n));
	begin = bench_ns();
	il_group_close(&group, 0);
	return (bench_ns() - begin) / (double)(2 * n);
}

static void yields(const struct bench_case *c, double *values)
{
	against_switch(c, values, yield_once);
}

/* ---- events ---- */

struct pair {
	size_t n;
	il_event **there, **back;
};

static int answer(void *arg)
{
	struct pair *p = arg;

	for (size_t i = 0; i < p->n; i++) {
		il_event_wait(p->there[i]);
		il_event_set(p->back[i]);
	}
	return 0;
}

static double ask(struct pair *p)
{
	il_group group;
	double begin;

	bench_must(il_group_open(&group));
	bench_must(il_group_start_soon(&group, NULL, answer, p));
	il_yield();
	begin = bench_ns();
	for (size_t i = 0; i < p->n; i++) {
		il_event_set(p->there[i]);
		il_event_wait(p->back[i]);
	}
	begin = bench_ns() - begin;
	il_group_close(&group, 0);
	return begin / (double)p->n;
}

/* Both events of each round were made before. */
static double events_once(const struct bench_case *c)
{
	struct pair p = {.n = c->n};
	double result;

	p.there = malloc(p.n * sizeof(il_event *));
	p.back = malloc(p.n * sizeof(il_event *));
	for (size_t i = 0; i < p.n; i++) {
		bench_must(il_event_create(&p.there[i]));
		bench_must(il_event_create(&p.back[i]));
	}
	result = ask(&p);
	for (size_t i = 0; i < p.n; i++) {
		il_event_destroy(p.there[i]);
		il_event_destroy(p.back[i]);
	}
	free(p.there);
	free(p.back);
	return result;
}

static void events(const struct bench_case *c, double *values)
{
	against_switch(c, values, events_once);
}

/* One event a direction, made anew for each round by who waits for it. */
struct fresh {
	size_t n;
	il_event *there, *back;
};

static int answer_fresh(void *arg)
{
	struct fresh *p = arg;

	for (size_t i = 0; i < p->n; i++) {
		il_event_wait(p->there);
		il_event_destroy(p->there);
		bench_must(il_event_create(&p->there));
		il_event_set(p->back);
	}
	return 0;
}

static double fresh_once(const struct bench_case *c)
{
	struct fresh p = {.n = c->n};
	il_group group;
	double begin;

	bench_must(il_event_create(&p.there));
	bench_must(il_group_open(&group));
	bench_must(il_group_start_soon(&group, NULL, answer_fresh, &p));
	il_yield();
	begin = bench_ns();
	for (size_t i = 0; i < p.n; i++) {
		bench_must(il_event_create(&p.back));
		il_event_set(p.there);
		il_event_wait(p.back);
		il_event_destroy(p.back);
	}
	begin = bench_ns() - begin;
	il_group_close(&group, 0);
	il_event_destroy(p.there);
	return begin / (double)p.n;
}

static void fresh_events(const struct bench_case *c, double *values)
{
	against_switch(c, values, fresh_once);
}

void bench_switches(void)
{
	struct bench_case c = {.work = "P5", .cores = 1, .n = bench_amount(400000)};

	row(&c, "yield", 5, yields);
	c.n = 4000;
	row(&c, "event_round_trip", 10, events);
	c.n = bench_amount(200000);
	c.via = "event_made_each_time";
	row(&c, "event_round_trip", 0, fresh_events);
}

/* ---- start and join ---- */

static int nothing(void *arg)
{
	(void)arg;
	return 0;
}

static double spawn(size_t rounds, size_t children)
{
	double begin = bench_ns();

	for (size_t r = 0; r < rounds; r++) {
		il_group group;
		bench_must(il_group_open(&group));
		for (size_t i = 0; i < children; i++)
			bench_must(il_group_start_soon(&group, NULL, nothing, NULL));
		il_group_close(&group, 0);
	}
	return (bench_ns() - begin) / (double)(rounds * children);
}

static double thousands_once(const struct bench_case *c)
{
	return spawn(c->n / 1000, 1000);
}

static double singly_once(const struct bench_case *c)
{
	return spawn(c->n, 1);
}

static void thousands(const struct bench_case *c, double *values)
{
	against_switch(c, values, thousands_once);
}

static void singly(const struct bench_case *c, double *values)
{
	against_switch(c, values, singly_once);
}

void bench_spawn(void)
{
	struct bench_case c = {.work = "P6", .cores = 1, .n = bench_amount(200000)};

	row(&c, "in_thousands", 12, thousands);
	row(&c, "one_by_one", 20, singly);
}
