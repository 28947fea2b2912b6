/*
 * loop_libev.c: the benchmarks of one executable run on libev.
 */
#include "raw.h"

#include <interloop/libev.h>

const il_backend *bench_backend(void)
{
	return il_libev();
}

const char *bench_loop_name(void)
{
	return "libev";
}

const struct raw *bench_raw(void)
{
	return &raw_ev;
}
