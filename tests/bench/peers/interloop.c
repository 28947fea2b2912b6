/*
 * interloop.c: the four works of the peers on interloop, on the loop that $INTERLOOP_BACKEND names. What
 * each is, and that all peers print the same lines: see run.sh.
 */
#define _GNU_SOURCE
#include <interloop.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { WARM_UP = 1000, TRIPS = 10000, YIELDS = 200000, SPAWNS = 100000 };

static double samples[TRIPS];

static double now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static int compare(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static void tell_median(const char *work)
{
	qsort(samples, TRIPS, sizeof *samples, compare);
	printf("%s %.0f\n", work, samples[TRIPS / 2]);
}

static void check(int rc)
{
	if (rc >= 0)
		return;
	fprintf(stderr, "%s: %s\n", il_error_name(rc), il_error_detail());
	exit(1);
}

static int nothing(void *arg)
{
	(void)arg;
	return 0;
}

static void run_in_thread(void)
{
	for (int i = -WARM_UP; i < TRIPS; i++) {
		double begin = now_ns();
		check(il_run_in_thread(nothing, NULL));
		if (i >= 0)
			samples[i] = now_ns() - begin;
	}
	tell_median("run_in_thread");
}

static void *call_from_thread(void *portal)
{
	for (int i = -WARM_UP; i < TRIPS; i++) {
		double begin = now_ns();
		check(il_portal_run_sync(portal, nothing, NULL));
		if (i >= 0)
			samples[i] = now_ns() - begin;
	}
	il_portal_stop(portal, false);
	return NULL;
}

static void call_in(void)
{
	il_portal *portal;
	pthread_t thread;

	check(il_loop_create_threads_portal(il_loop_current(), &portal));
	if (pthread_create(&thread, NULL, call_from_thread, portal))
		exit(1);
	check(il_portal_sleep_until_stopped(portal));
	pthread_join(thread, NULL);
	check(il_portal_close(portal));
	tell_median("call_in");
}

static int yield_often(void *arg)
{
	(void)arg;
	for (int i = 0; i < YIELDS; i++)
		check(il_yield());
	return 0;
}

static void yield(void)
{
	double begin = now_ns();
	il_group group;

	check(il_group_open(&group));
	check(il_group_start_soon(&group, NULL, yield_often, NULL));
	check(il_group_start_soon(&group, NULL, yield_often, NULL));
	check(il_group_close(&group, 0));
	printf("yield %.1f\n", (now_ns() - begin) / (2.0 * YIELDS));
}

static void spawn_join(void)
{
	double begin = now_ns();

	for (int i = 0; i < SPAWNS; i++) {
		il_group group;
		check(il_group_open(&group));
		check(il_group_start_soon(&group, NULL, nothing, NULL));
		check(il_group_close(&group, 0));
	}
	printf("spawn_join %.1f\n", (now_ns() - begin) / SPAWNS);
}

static int run(void *arg)
{
	(void)arg;
	run_in_thread();
	call_in();
	yield();
	spawn_join();
	return 0;
}

int main(void)
{
	check(il_run(il_backend_find(NULL), run, NULL));
	return 0;
}
