/*
 * no_threads.h: makes pthread_create fail for a while. To be included first.
 */
#ifndef IL_TESTS_NO_THREADS_H
#define IL_TESTS_NO_THREADS_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "harness.h"

#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#else
#define RUNNING_ON_VALGRIND 0
#endif

/* What the library answers then. (Valgrind's mmap has a code of its own for too much.) */
#define NO_THREAD (RUNNING_ON_VALGRIND ? -EINVAL : -ENOMEM)

/* No thread can be made while their stacks are to be larger than any address space. */
static inline void forbid_threads(pthread_attr_t *saved)
{
	pthread_attr_t huge;

	CHECK_EQ(pthread_getattr_default_np(saved), 0);
	CHECK_EQ(pthread_getattr_default_np(&huge), 0);
	CHECK_EQ(pthread_attr_setstacksize(&huge, SIZE_MAX / 16 * 15), 0);
	CHECK_EQ(pthread_setattr_default_np(&huge), 0);
	CHECK_EQ(pthread_attr_destroy(&huge), 0);
}

static inline void allow_threads(pthread_attr_t *saved)
{
	CHECK_EQ(pthread_setattr_default_np(saved), 0);
	CHECK_EQ(pthread_attr_destroy(saved), 0);
}

#endif
