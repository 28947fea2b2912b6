/*
 * loop_libuv.c: the benchmarks of one executable run on libuv.
 */
#include "raw.h"

#include <interloop/libuv.h>

const il_backend *bench_backend(void)
{
	return il_libuv();
}

const char *bench_loop_name(void)
{
	return "libuv";
}

const struct raw *bench_raw(void)
{
	return &raw_uv;
}
