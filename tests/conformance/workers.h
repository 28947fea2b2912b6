/*
 * workers.h: what the tests of worker threads share. A gate holds functions inside a worker until the test
 * lets them go, so that what is said about running and queued calls is so for certain.
 */
#ifndef IL_TESTS_WORKERS_H
#define IL_TESTS_WORKERS_H

#include "harness.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>

struct gate {
	atomic_int begun, ended;
	atomic_bool open;
	int result;
};

/* An il_fn: stays until its gate is open. The gate may go as soon as `ended` counts it. */
static inline int stay(void *arg)
{
	struct gate *g = arg;

	atomic_fetch_add(&g->begun, 1);
	UNTIL_THREAD(atomic_load(&g->open));
	int result = g->result;
	atomic_fetch_add(&g->ended, 1);
	return result;
}

/* An il_fn that counts its calls. */
static inline int count_in(void *arg)
{
	atomic_fetch_add((atomic_int *)arg, 1);
	return 0;
}

static inline il_executor *new_pool(int workers)
{
	il_thread_pool_options options = {.max_workers = workers};
	il_executor *ex = NULL;

	CHECK_RC(il_thread_pool_create(&ex, &options), 0);
	return ex;
}

static inline il_future *submitted(il_executor *ex, il_fn *fn, void *arg)
{
	il_future *f = NULL;

	CHECK_RC(il_executor_submit(ex, &f, fn, arg, 0), 0);
	return f;
}

/* A call that occupies a worker until the gate is open. */
static inline il_future *occupy(il_executor *ex, struct gate *g)
{
	int before = atomic_load(&g->begun);
	il_future *f = submitted(ex, stay, g);

	UNTIL_THREAD(atomic_load(&g->begun) > before);
	return f;
}

/* Waits for the future's end, drops it, gives its result. */
static inline int finished(il_future *f)
{
	int rc = il_future_result(f, IL_FOREVER);

	CHECK(il_future_done(f));
	il_future_unref(f);
	return rc;
}

/* One that was joined is in the table for a moment, on its way out. */
static inline bool thread_lives(const char *number)
{
	enum { EXITING = 4 }; /* PF_EXITING */
	char path[sizeof "/proc/self/task//stat" + NAME_MAX], stat[512] = "";
	unsigned flags = 0;
	const char *rest;
	FILE *f;

	snprintf(path, sizeof path, "/proc/self/task/%s/stat", number);
	f = fopen(path, "r");
	if (!f)
		return false;
	rest = fgets(stat, sizeof stat, f) ? strrchr(stat, ')') : NULL;
	fclose(f);
	return rest && sscanf(rest, ") %*c %*d %*d %*d %*d %*d %u", &flags) == 1 &&
	       !(flags & EXITING);
}

/* Of this process, the caller's included. */
static inline int count_threads(void)
{
	int n = 0;
	DIR *dir = opendir("/proc/self/task");

	CHECK(dir != NULL);
	for (struct dirent *e = readdir(dir); e; e = readdir(dir))
		n += e->d_name[0] != '.' && thread_lives(e->d_name);
	closedir(dir);
	return n;
}

#endif
