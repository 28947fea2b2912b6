/*
 * no_threads.h: makes pthread_create fail for a while. To be included first.
 */
#ifndef IL_TESTS_NO_THREADS_H
#define IL_TESTS_NO_THREADS_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "harness.h"

#ifndef __GLIBC__
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>
#endif

#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#else
#define RUNNING_ON_VALGRIND 0
#endif

/* What the library returns then. (Valgrind's mmap has a code of its own for too much.) */
#define NO_THREAD (RUNNING_ON_VALGRIND ? -EINVAL : -ENOMEM)

#ifdef __GLIBC__
#define LARGE_STACK (SIZE_MAX / 16 * 15) /* than any address space is */

static inline void limit_memory(bool limited)
{
	(void)limited;
}
#else
#define LARGE_STACK ((size_t)8 << 20) /* more is none in musl */

/* Half of such a stack may still be had. */
static inline void limit_memory(bool limited)
{
	struct rlimit memory;
	unsigned long pages;
	FILE *file = fopen("/proc/self/statm", "re");

	CHECK(file && fscanf(file, "%lu", &pages) == 1);
	fclose(file);
	CHECK_EQ(getrlimit(RLIMIT_AS, &memory), 0);
	memory.rlim_cur = memory.rlim_max;
	if (limited)
		memory.rlim_cur = pages * (size_t)sysconf(_SC_PAGESIZE) + LARGE_STACK / 2;
	CHECK_EQ(setrlimit(RLIMIT_AS, &memory), 0);
}
#endif

/* No thread can be made while their stacks are to be larger than what there is. */
static inline void forbid_threads(pthread_attr_t *saved)
{
	pthread_attr_t huge;

	CHECK_EQ(pthread_getattr_default_np(saved), 0);
	CHECK_EQ(pthread_getattr_default_np(&huge), 0);
	CHECK_EQ(pthread_attr_setstacksize(&huge, LARGE_STACK), 0);
	CHECK_EQ(pthread_setattr_default_np(&huge), 0);
	CHECK_EQ(pthread_attr_destroy(&huge), 0);
	limit_memory(true);
}

static inline void allow_threads(pthread_attr_t *saved)
{
	limit_memory(false);
	CHECK_EQ(pthread_setattr_default_np(saved), 0);
	CHECK_EQ(pthread_attr_destroy(saved), 0);
}

#endif
