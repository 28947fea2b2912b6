/*
 * lines.h: what a row of the benchmarks prints (lines.c); for bench.c.
 */
#ifndef IL_TESTS_BENCH_LINES_H
#define IL_TESTS_BENCH_LINES_H

#include "bench.h"

enum { BENCH_PASSES_MAX = 32 };

/* By --only. */
bool bench_is_asked(const struct bench_case *c);
void bench_print_row(const struct bench_case *c, const struct bench_stat *stat, double *ours,
		     double *base, const char *base_name, size_t passes);
void bench_print_failure(const struct bench_case *c, const char *side);

#endif
