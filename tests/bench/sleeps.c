/*
 * sleeps.c: P8 and P9: many tasks that sleep at once against as many ev_timers, and how late one wakes.
 */
#include "raw.h"

/* ---- P8 ---- */

static struct {
	struct bench_samples late;
	double *delays, begin;
} sleeps;

/* Over one second, in no order. */
static void make_delays(size_t count)
{
	bench_samples_init(&sleeps.late, count);
	sleeps.delays = malloc(count * sizeof *sleeps.delays);
	for (size_t i = 0; i < count; i++)
		sleeps.delays[i] = (double)(i * 7919 % count + 1) / (double)count;
}

static void tell(double *values, size_t count, double cpu)
{
	values[2] = (bench_ns() - sleeps.begin) / 1e9;
	values[0] = (bench_cpu() - cpu) / (double)count;
	values[1] = bench_samples_quantile(&sleeps.late, 0.5) / 1000;
}

struct sleeper {
	const struct bench_case *c;
	double *values;
	il_event *gate;
	size_t arrived;
};

static int sleep_once(void *arg)
{
	struct sleeper *s = arg;
	double delay = sleeps.delays[s->arrived++], begin;

	il_event_wait(s->gate);
	begin = bench_ns();
	il_sleep((il_time)(delay * 1e9));
	bench_samples_add(&sleeps.late, bench_ns() - begin - delay * 1e9);
	return 0;
}

static int sleep_all(void *arg)
{
	struct sleeper *s = arg;
	il_group group;
	double cpu;

	il_event_create(&s->gate);
	il_group_open(&group);
	for (size_t i = 0; i < s->c->tasks; i++)
		if (il_group_start_soon(&group, NULL, sleep_once, s) < 0)
			bench_die(il_error_detail());
	while (s->arrived < s->c->tasks)
		il_yield();
	cpu = bench_cpu();
	sleeps.begin = bench_ns();
	il_event_set(s->gate);
	il_group_close(&group, 0);
	tell(s->values, s->c->tasks, cpu);
	return 0;
}

static void our_sleeps(const struct bench_case *c, double *values)
{
	struct sleeper s = {.c = c, .values = values};

	make_delays(c->tasks);
	bench_run(sleep_all, &s);
}

static void on_fired(size_t i)
{
	bench_samples_add(&sleeps.late, bench_ns() - sleeps.begin - sleeps.delays[i] * 1e9);
}

static void ev_timers(const struct bench_case *c, double *values)
{
	double cpu;

	make_delays(c->tasks);
	cpu = bench_cpu();
	sleeps.begin = bench_ns();
	raw_ev.timers(c->tasks, sleeps.delays, on_fired);
	tell(values, c->tasks, cpu);
}

void bench_sleeps(void)
{
	const struct bench_side timers = {"ev_timer", ev_timers};
	const struct bench_stat cpu = {.name = "cpu", .limit = 2};
	struct bench_stat late[] = {{.name = "unused"},
				    {.name = "late_p50", .absolute = 60, .limit = 1, .unit = "us"},
				    {.name = "all_done", .absolute = 1.2, .limit = 1, .unit = "s"}};
	struct bench_case c = {.work = "P8", .cores = 1, .n = 1};

	late[0] = cpu;
	late[0].limit = 0;
	for (c.tasks = 100000; c.tasks <= 1000000; c.tasks *= 10) {
		c.passes = c.tasks == 100000 ? 9 : 3;
		bench_compare(&c, &cpu, 1, our_sleeps, &timers, 1);
		late[1].absolute = c.tasks == 100000 ? 60 : 0;
		late[1].limit = c.tasks == 100000 ? 1 : 0;
		late[2].limit = c.tasks == 100000 ? 0 : 1;
		c.passes = 3;
		bench_alone(&c, late, 3, our_sleeps);
	}
}

/* ---- P9 ---- */

struct late {
	const struct bench_case *c;
	double *values;
};

static int sleep_often(void *arg)
{
	const struct late *l = arg;
	struct bench_samples late;
	double least = 0;

	bench_samples_init(&late, l->c->n);
	for (size_t i = 0; i < l->c->n; i++) {
		double begin = bench_ns(), by;
		il_sleep(IL_USEC(l->c->sleep_us));
		by = bench_ns() - begin - (double)l->c->sleep_us * 1000;
		bench_samples_add(&late, by / 1000);
		if (by < least)
			least = by;
	}
	l->values[0] = bench_samples_quantile(&late, 0.5);
	l->values[1] = least < 0 ? -least : 0;
	return 0;
}

static void our_lateness(const struct bench_case *c, double *values)
{
	struct late l = {.c = c, .values = values};

	bench_run(sleep_often, &l);
}

void bench_lateness(void)
{
	const struct bench_stat stats[] = {
	    {.name = "late_p50", .absolute = 30, .limit = 1, .unit = "us"},
	    {.name = "early_max", .absolute = 1e-9, .limit = 1, .unit = "ns"}};
	struct bench_case c = {.work = "P9", .cores = 2, .n = bench_amount(400)};

	c.sleep_us = 100;
	bench_alone(&c, stats, 2, our_lateness);
	c.sleep_us = 1500;
	bench_alone(&c, stats, 2, our_lateness);
}
