/*
 * main.c: races BACKEND SECONDS SEED [ROUND]: rounds of each kind in turn. Prints what was done; a rule that is broken, or
 * a round that does not end, ends the program.
 */
#include "races.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { HANGS_AFTER = 90 };

const il_backend *race_backend;
atomic_long race_accepted, race_ran;
static atomic_long calls;

static const struct round {
	const char *name;
	void (*run)(void);
} rounds[] = {
    {"portal", round_portal},       {"pool", round_pool},     {"blocking", round_blocking},
    {"abandoned", round_abandoned}, {"future", round_future}, {"process", round_process},
    {"trace", round_trace},
};
enum { ROUNDS = sizeof rounds / sizeof rounds[0] };

void race_broken(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fprintf(stderr, ": %s\n", il_error_detail());
	_exit(1);
}

int race_rc(int rc, const char *call)
{
	static const int may_be[] = {-ESHUTDOWN, -ECANCELED,  -EAGAIN,
				     -ETIMEDOUT, -EALREADY,   -EPROTO,
				     -EINTR,     -EOWNERDEAD, -ENOTRECOVERABLE};

	atomic_fetch_add_explicit(&calls, 1, memory_order_relaxed);
	for (size_t i = 0; rc < 0 && i < sizeof may_be / sizeof may_be[0]; i++)
		if (rc == may_be[i])
			return rc;
	if (rc < 0)
		race_broken("%s returned %s", call, il_error_name(rc));
	return rc;
}

/* ---- threads ---- */

struct race_threads {
	pthread_t ids[RACE_THREADS];
};

struct race_threads *race_threads_start(void *(*fn)(void *), void *arg)
{
	struct race_threads *threads = malloc(sizeof *threads);

	if (!threads)
		race_broken("out of memory");
	for (int i = 0; i < RACE_THREADS; i++)
		if (pthread_create(&threads->ids[i], NULL, fn, arg) != 0)
			race_broken("pthread_create");
	return threads;
}

void race_threads_join(struct race_threads *threads)
{
	for (int i = 0; i < RACE_THREADS; i++)
		pthread_join(threads->ids[i], NULL);
	free(threads);
}

/* ---- small functions ---- */

int race_three(void *arg)
{
	(void)arg;
	return 3;
}

int race_spin(void *arg)
{
	(void)arg;
	for (volatile int i = 0; i < 1000; i++)
		;
	return 3;
}

int race_count(void *arg)
{
	(void)arg;
	race_ran++;
	return 0;
}

int race_nap(void *arg)
{
	(void)arg;
	return il_sleep(IL_USEC(50));
}

int race_back(void *arg)
{
	(void)arg;
	RACE(il_from_thread_run(race_nap, NULL));
	RACE(il_from_thread_run_sync(race_three, NULL));
	return il_from_thread_check_cancelled();
}

int race_done(il_future *f, void *count)
{
	(void)f;
	atomic_fetch_add((atomic_int *)count, 1);
	return 0;
}

/* ---- rounds ---- */

static atomic_long round_number;
static const char *_Atomic round_name = "none";

static void *watch(void *arg)
{
	long last = -1;

	(void)arg;
	for (int same = 0; same < HANGS_AFTER; same++) {
		if (round_number != last)
			same = 0;
		last = round_number;
		sleep(1);
	}
	race_broken("a round does not end: %s", round_name);
}

static void be_quiet(int level, const char *message, void *arg)
{
	(void)level;
	(void)message;
	(void)arg;
}

static void run_rounds(double seconds, const char *only)
{
	struct timespec begin, now;
	int i = 0;

	clock_gettime(CLOCK_MONOTONIC, &begin);
	do {
		const struct round *r = &rounds[i++ % ROUNDS];
		if (only && strcmp(only, r->name) != 0)
			continue;
		round_name = r->name;
		race_new_round();
		r->run();
		round_number++;
		clock_gettime(CLOCK_MONOTONIC, &now);
	} while ((double)(now.tv_sec - begin.tv_sec) < seconds);
}

int main(int argc, char **argv)
{
	pthread_t watcher;

	il_process_worker_main_if_needed();
	if (argc < 4 || !(race_backend = il_backend_find(argv[1]))) {
		fprintf(stderr, "usage: races BACKEND SECONDS SEED [ROUND]\n");
		return 2;
	}
	race_seed(strtoull(argv[3], NULL, 0));
	il_set_log(be_quiet, NULL);
	pthread_create(&watcher, NULL, watch, NULL);
	run_rounds(atof(argv[2]), argc > 4 ? argv[4] : NULL);
	for (int i = 0; race_accepted != race_ran && i < 20000; i++)
		usleep(1000); /* the last may still run */
	if (race_accepted != race_ran)
		race_broken("%ld calls without a future were accepted, %ld ran",
			    (long)race_accepted, (long)race_ran);
	printf("%s, seed %s: %ld rounds, %ld calls, %ld of them without a future, %lu delays\n",
	       argv[1], argv[3], (long)round_number, (long)calls, (long)race_ran, race_delays());
	return 0;
}
