/*
 * scale.h: the rows of `scale`: what they measure, and those of them that are other works' as well.
 */
#ifndef IL_TESTS_BENCH_SCALE_H
#define IL_TESTS_BENCH_SCALE_H

#include "bench.h"

/* What a side of scale stores: times in ns for each operation, memory in bytes for each of the many. */
enum { SCALE_CPU, SCALE_WALL, SCALE_MEMORY, SCALE_VALUES };

/* parked.c: starts c->tasks tasks, which park, and wakes them. */
void scale_parked(const struct bench_case *c, double *values);

/* growth.c: so many threads post these many times in all; the wall time of a post. */
enum { GROWTH_POSTS = 256000 };
double growth_post_among(size_t threads);

#endif
