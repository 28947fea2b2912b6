/*
 * sleeps.c: P8, P19 and P9: many tasks that sleep at once, without slack and with it, against as many ev_timers,
 * and how late one wakes.
 */
#include "raw.h"

#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

/* ---- what the system can do at best ---- */

struct timer {
	int timer, poll;
};

static struct timer open_timer(void)
{
	struct timer t = {.timer = timerfd_create(CLOCK_MONOTONIC, 0), .poll = epoll_create1(0)};
	struct epoll_event in = {.events = EPOLLIN};

	if (t.timer < 0 || t.poll < 0 || epoll_ctl(t.poll, EPOLL_CTL_ADD, t.timer, &in) < 0)
		bench_die("no timerfd");
	return t;
}

static void sleep_with_timerfd(void *arg, il_time delay)
{
	const struct timer *t = arg;
	struct itimerspec at = {.it_value = {.tv_nsec = (long)delay}};
	struct epoll_event event;

	timerfd_settime(t->timer, 0, &at, NULL);
	epoll_wait(t->poll, &event, 1, -1);
}

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

struct crowd {
	const struct bench_case *c;
	double *values;
	il_event *gate;
	size_t arrived;
};

static int sleep_once(void *arg)
{
	struct crowd *s = arg;
	double delay = sleeps.delays[s->arrived++], begin;

	il_event_wait(s->gate);
	begin = bench_ns();
	il_sleep((il_time)(delay * 1e9));
	bench_samples_add(&sleeps.late, bench_ns() - begin - delay * 1e9);
	return 0;
}

static int sleep_all(void *arg)
{
	struct crowd *s = arg;
	il_group group;
	double cpu;

	bench_must(il_event_create(&s->gate));
	bench_must(il_group_open(&group));
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
	struct crowd s = {.c = c, .values = values};

	make_delays(c->tasks);
	bench_run(sleep_all, &s);
}

static void our_slack_sleeps(const struct bench_case *c, double *values)
{
	const il_loop_options options = {.timer_slack = IL_MSEC(1)};
	struct crowd s = {.c = c, .values = values};

	make_delays(c->tasks);
	bench_run_with(&options, sleep_all, &s);
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

/* Wakes up for a second as often as sleeps that are at most 60 us late ask for, and does nothing else. */
static void bare_wakes(const struct bench_case *c, double *values)
{
	struct timer t = open_timer();
	double cpu = bench_cpu();

	for (double begin = bench_ns(); bench_ns() - begin < 1e9;)
		sleep_with_timerfd(&t, IL_USEC(60));
	values[0] = (bench_cpu() - cpu) / (double)c->tasks;
}

void bench_sleeps(void)
{
	const struct bench_side wakes = {"bare_wakes", bare_wakes};
	const struct bench_stat cpu = {.name = "cpu"};
	const struct bench_side timers = {"ev_timer", ev_timers};
	struct bench_stat stats[] = {{.name = "cpu", .limit = 2},
				     {.name = "late_p50", .unit = "us"},
				     {.name = "all_done", .unit = "s"}};
	struct bench_case c = {.work = "P8", .cores = 1, .n = 1, .tasks = 100000};

	stats[1].absolute = 60;
	stats[1].limit = 1;
	bench_compare(&c, stats, 3, our_sleeps, &timers, 1);
	c.passes = 3;
	bench_compare(&c, &cpu, 1, our_sleeps, &wakes, 1);
	c.tasks = 1000000;
	c.passes = 2;
	stats[1].absolute = stats[1].limit = 0;
	stats[2].absolute = 1.2;
	stats[2].limit = 1;
	bench_compare(&c, stats, 3, our_sleeps, &timers, 1);
}

void bench_slack(void)
{
	const struct bench_side timers = {"ev_timer", ev_timers};
	const struct bench_stat stats[] = {
	    {.name = "cpu", .limit = 1.2},
	    {.name = "late_p50", .absolute = 1000, .limit = 1, .unit = "us"}};
	const struct bench_case c = {
	    .work = "P19", .via = "timer_slack_1_ms", .cores = 1, .n = 1, .tasks = 100000};

	bench_compare(&c, stats, 2, our_slack_sleeps, &timers, 1);
}

/* ---- P9 ---- */

struct late {
	const struct bench_case *c;
	double *values;
};

/* Sleeps often, one after another: how late, by how much too early, and what it takes. */
static void sleep_often(const struct late *l, void (*sleep)(void *arg, il_time delay), void *arg)
{
	struct bench_samples late;
	double least = 0, cpu;

	bench_samples_init(&late, l->c->n);
	cpu = bench_cpu();
	for (size_t i = 0; i < l->c->n; i++) {
		double begin = bench_ns(), by;
		sleep(arg, IL_USEC(l->c->sleep_us));
		by = bench_ns() - begin - (double)l->c->sleep_us * 1000;
		bench_samples_add(&late, by / 1000);
		if (by < least)
			least = by;
	}
	l->values[0] = bench_samples_quantile(&late, 0.5);
	l->values[1] = least < 0 ? -least : 0;
	l->values[2] = (bench_cpu() - cpu) / (double)l->c->n;
}

static void sleep_as_task(void *arg, il_time delay)
{
	(void)arg;
	il_sleep(delay);
}

static int sleeper_main(void *arg)
{
	sleep_often(arg, sleep_as_task, NULL);
	return 0;
}

static void our_lateness(const struct bench_case *c, double *values)
{
	struct late l = {.c = c, .values = values};

	bench_run(sleeper_main, &l);
}

static void timerfd_lateness(const struct bench_case *c, double *values)
{
	struct late l = {.c = c, .values = values};
	struct timer t = open_timer();

	sleep_often(&l, sleep_with_timerfd, &t);
}

void bench_lateness(void)
{
	const struct bench_side timerfd = {"timerfd", timerfd_lateness};
	const struct bench_stat floor[] = {
	    {.name = "late_p50", .unit = "us"}, {.name = "early_max"}, {.name = "cpu"}};
	const struct bench_stat stats[] = {
	    {.name = "late_p50", .absolute = 30, .limit = 1, .unit = "us"},
	    {.name = "early_max", .absolute = 1e-9, .limit = 1, .unit = "ns"}};
	struct bench_case c = {.work = "P9", .cores = 2, .n = bench_amount(400)};
	const long sleeps_us[] = {100, 1500};

	for (size_t i = 0; i < sizeof sleeps_us / sizeof sleeps_us[0]; i++) {
		c.sleep_us = sleeps_us[i];
		bench_alone(&c, stats, 2, our_lateness);
		bench_compare(&c, floor, 3, our_lateness, &timerfd, 1);
	}
}
