/*
 * blocks.c: six blocking calls over three worker threads, a line of the log for each step with the
 * thread that wrote it, and the results in the order in which the calls ended.
 */
#define _GNU_SOURCE /* pthread_getname_np */

#include "example.h"

#include <pthread.h>
#include <stdio.h>

enum { CALLS = 6, WORKERS = 3 };

static void log_line(const char *where, const char *what)
{
	char thread[16] = "";
	pthread_getname_np(pthread_self(), thread, sizeof(thread));
	printf("%-10s %s: %s\n", thread, where, what);
}

/* [blocks] */
static int blocks(void *arg)
{
	int n = *(const int *)arg;
	char where[24];
	snprintf(where, sizeof(where), "blocks(%d)", n);
	log_line(where, "running");
	example_block(100);
	log_line(where, "done");
	return n * n;
}
/* [blocks] */

/* [submit] */
static int run_blocking_tasks(il_executor *pool)
{
	int numbers[CALLS];
	il_future *futures[CALLS];
	size_t started = 0;
	int rc = 0;
	log_line("run", "creating executor calls");
	while (rc == 0 && started < CALLS) {
		numbers[started] = (int)started;
		rc = il_executor_submit(pool, &futures[started], blocks, &numbers[started],
					sizeof(int));
		started += rc == 0;
	}
	log_line("run", "waiting for them");
	char results[64] = "results:";
	int length = 8;
	il_as_completed *it = NULL;
	if (rc == 0)
		rc = il_as_completed_open(&it, futures, started, IL_FOREVER);
	for (il_future *f; rc >= 0 && (rc = il_as_completed_next(it, &f)) == 1;)
		length += snprintf(results + length, sizeof(results) - (size_t)length, " %d",
				   il_future_result(f, 0));
	il_as_completed_close(it);
	while (started > 0)
		il_future_join(futures[--started]); /* numbers[] may go once they are through */
	log_line("run", results);
	return rc;
}
/* [submit] */

/* [run] */
static int run(void *arg)
{
	(void)arg;
	il_executor *pool;
	log_line("run", "starting");
	int rc = il_thread_pool_create(&pool, &(il_thread_pool_options){
						  .max_workers = WORKERS,
						  .name = "pool",
					      });
	if (rc < 0)
		return rc;
	rc = run_blocking_tasks(pool);
	il_executor_destroy(pool);
	log_line("run", "exiting");
	return rc;
}
/* [run] */

int main(int argc, char **argv)
{
	return example_main(argc, argv, run, NULL);
}
