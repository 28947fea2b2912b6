/*
 * idle.c: P11: how often a loop wakes when nothing happens, with many tasks parked and no timer, against
 * the native loop alone, at the same time.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "raw.h"

#include <sys/wait.h>
#include <unistd.h>

enum { SECONDS = 30, SECONDS_QUICK = 3 };

/* How often the main thread gave the processor up, by itself or not. */
static double sleeps_of_main(void)
{
	return bench_status(getpid(), "voluntary_ctxt_switches: %lf");
}

/* A thread beside the loop, which stays out of its way. */
static void *count(void *arg)
{
	double before;

	usleep(bench_quick ? 1000000 : 3000000); /* 100,000 tasks are started meanwhile */
	before = sleeps_of_main();
	sleep(bench_quick ? SECONDS_QUICK : SECONDS);
	*(double *)arg = sleeps_of_main() - before;
	_exit(0);
}

static void nothing(void *arg)
{
	(void)arg;
}

static void idle_raw(double *value)
{
	bench_thread(count, value);
	bench_raw()->run(bench_raw()->open(nothing, NULL));
}

static int park(void *arg)
{
	(void)arg;
	return il_sleep_forever();
}

static int park_all(void *arg)
{
	il_group group;

	bench_must(il_group_open(&group));
	for (size_t i = 0; i < *(const size_t *)arg; i++)
		if (il_group_start_soon(&group, NULL, park, NULL) < 0)
			bench_die(il_error_detail());
	return il_group_close(&group, 0);
}

static void both(const struct bench_case *c, double *values)
{
	size_t tasks = c->tasks;
	pid_t pid = fork();

	if (pid == 0)
		idle_raw(&values[1]);
	pid = fork();
	if (pid == 0) {
		bench_thread(count, &values[0]);
		bench_run(park_all, &tasks);
	}
	while (wait(NULL) > 0)
		;
}

void bench_idle(void)
{
	const struct bench_stat stat = {.name = "wake_ups", .limit = 1, .unit = "times"};
	struct bench_case c = {
	    .work = "P11", .cores = 2, .n = 1, .tasks = bench_amount(100000), .passes = 1};

	bench_pairs(&c, &stat, 1, both, "raw_loop");
}
