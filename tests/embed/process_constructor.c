/*
 * process_constructor.c: constructors of the program that use a process pool, the first as early as
 * a program may have one. A worker is the same program: it has to be taken over before them, or
 * each would start another.
 */
#define _GNU_SOURCE
#include "../core/check.h"

#include <interloop.h>

#include <stdlib.h>
#include <unistd.h>

static int first, second;

static int job(void *arg)
{
	return *(int *)arg + 1;
}

static int call(int number)
{
	il_process_pool_options options = {.max_workers = 1, .restart_budget = 1};
	il_executor *ex = NULL;
	int rc;

	if (getenv("CONSTRUCTED")) /* in a worker: stop the chain */
		_exit(9);
	CHECK(setenv("CONSTRUCTED", "1", 1) == 0);
	CHECK(il_process_pool_create(&ex, &options) == 0);
	CHECK(unsetenv("CONSTRUCTED") == 0);
	rc = il_executor_run(ex, job, &number, sizeof number);
	il_executor_destroy(ex);
	return rc;
}

__attribute__((constructor(101))) static void construct_first(void)
{
	first = call(1);
}

__attribute__((constructor)) static void construct_second(void)
{
	second = call(2);
}

int main(void)
{
	CHECK(first == 2);
	CHECK(second == 3);
	CHECK(call(3) == 4);
	return 0;
}
