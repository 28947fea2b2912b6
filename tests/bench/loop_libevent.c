/*
 * loop_libevent.c: the benchmarks of one executable run on libevent.
 */
#include "raw.h"

#include <interloop/libevent.h>

const il_backend *bench_backend(void)
{
	return il_libevent();
}

const char *bench_loop_name(void)
{
	return "libevent";
}

const struct raw *bench_raw(void)
{
	return &raw_event;
}
