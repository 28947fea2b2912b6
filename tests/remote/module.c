/*
 * module.c: what interloop-worker loads in the tests: functions that are registered when it is loaded.
 */
#include <interloop/function.h>

#include <stdlib.h>

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

static void __attribute__((constructor)) register_functions(void)
{
	if (il_function_register("m.square", square) < 0 ||
	    il_function_register("m.end", end_process) < 0)
		abort();
}
#endif
