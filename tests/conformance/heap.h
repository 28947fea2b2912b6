/*
 * heap.h: how much memory is in use, for tests of what must not grow.
 */
#ifndef IL_TESTS_HEAP_H
#define IL_TESTS_HEAP_H

#include <stdlib.h> /* says which C library this is */

#if defined(__GLIBC__)
#include <malloc.h>
#endif

/* 0 where nobody counts. */
static inline size_t memory_in_use(void)
{
#if defined(__GLIBC__)
#if __GLIBC_PREREQ(2, 33)
	return mallinfo2().uordblks;
#endif
#endif
	return 0;
}

#endif
