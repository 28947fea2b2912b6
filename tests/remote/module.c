/*
 * module.c: what interloop-worker loads in the tests: functions that are registered when it is loaded.
 */
#include <interloop/function.h>

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#ifndef EMPTY
static int square(void *arg)
{
	int *n = arg;

	*n *= *n;
	return 0;
}

static int end_process(void *arg)
{
	(void)arg;
	_Exit(3);
}

/* Of so many calls, each of which waits for all others: 0 if they run at the same time. */
static int meet(void *arg)
{
	static int count;
	const int *all = arg;

	__atomic_add_fetch(&count, 1, __ATOMIC_RELAXED);
	for (int i = 0; i < 1000 && __atomic_load_n(&count, __ATOMIC_RELAXED) < *all; i++)
		usleep(10000);
	return __atomic_load_n(&count, __ATOMIC_RELAXED) < *all ? -ETIMEDOUT : 0;
}

static void __attribute__((constructor)) register_functions(void)
{
	if (il_function_register("m.square", square) < 0 ||
	    il_function_register("m.end", end_process) < 0 ||
	    il_function_register("m.meet", meet) < 0)
		abort();
}
#endif
