/*
 * blocks.c: six blocking calls over three workers, a line of the log for each step with the thread that
 * wrote it, and the results in the order in which the calls ended. The workers are threads, processes,
 * or those of worker programs on other machines; only the line that creates the executor is another one.
 *
 *     blocks [--backend NAME] [--threads] [--processes] [--machines SERVER]
 *     blocks --serve SERVER      a worker program; SERVER: the HOST:PORT of a Gearman job server
 */
#define _GNU_SOURCE /* pthread_getname_np */

#include "example.h"

#include <interloop/remote.h>

#include <pthread.h>
#include <stdint.h>
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

struct place {
	bool processes;
	const char *server; /* of other machines; NULL: here */
};

/* [create] */
static int create_pool(il_executor **pool, const struct place *place)
{
	if (place->server)
		return il_remote_pool_create(
		    pool, &(il_remote_pool_options){.servers = &place->server, .server_count = 1});
	if (place->processes)
		return il_process_pool_create(
		    pool, &(il_process_pool_options){.max_workers = WORKERS, .name = "pool"});
	return il_thread_pool_create(
	    pool, &(il_thread_pool_options){.max_workers = WORKERS, .name = "pool"});
}
/* [create] */

static int run(void *arg)
{
	il_executor *pool;
	log_line("run", "starting");
	int rc = create_pool(&pool, arg);
	if (rc < 0)
		return rc;
	rc = run_blocking_tasks(pool);
	il_executor_destroy(pool);
	log_line("run", "exiting");
	return rc;
}

/* [serve] */
static int serve(void *server)
{
	const il_process_pool_options options = {.max_workers = WORKERS, .name = "pool"};
	il_remote_worker_options worker = {
	    .servers = (const char *const *)&server, .server_count = 1, .slots = WORKERS};
	int rc = il_process_pool_create(&worker.executor, &options);
	if (rc < 0)
		return rc;
	rc = il_remote_worker_serve(&worker); /* until SIGINT */
	il_executor_destroy(worker.executor);
	return rc;
}
/* [serve] */

int main(int argc, char **argv)
{
	example_options(
	    argc, argv,
	    "[--backend NAME] [--threads] [--processes] [--machines SERVER] [--serve SERVER]");
	struct place place = {.processes = example_values(argc, argv, "--processes") != NULL,
			      .server = example_option(argc, argv, "--machines", NULL)};
	const char *server = example_option(argc, argv, "--serve", NULL);
	if (il_function_register("blocks", blocks) < 0)
		return 1;
	if (server)
		return example_main(argc, argv, serve, (void *)(uintptr_t)server);
	return example_main(argc, argv, run, &place);
}
