/*
 * processors.h: how many of these processors a pool counts by default: all, or fewer where the
 * control groups of this process say so (tests/core/quota.c tests how that is found).
 */
#ifndef IL_TESTS_PROCESSORS_H
#define IL_TESTS_PROCESSORS_H

#include <sched.h>

int il_test_processors(const cpu_set_t *cpus);

#endif
