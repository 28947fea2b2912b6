/*
 * slow_backend.h: the backend under test, but its loop comes up when it is told: what a start does
 * meanwhile. One at a time.
 */
#ifndef IL_TESTS_SLOW_BACKEND_H
#define IL_TESTS_SLOW_BACKEND_H

#include "harness.h"

static struct {
	atomic_bool opening, go;
} slow;

static inline int open_slowly(void **self, void *native, il_loop *loop)
{
	atomic_store(&slow.opening, true);
	UNTIL_THREAD(atomic_load(&slow.go));
	return il_test_backend()->driver.open(self, native, loop);
}

static inline il_backend slow_backend(void)
{
	il_backend backend = *il_test_backend();

	atomic_store(&slow.opening, false);
	atomic_store(&slow.go, false);
	backend.driver.open = open_slowly;
	return backend;
}

#endif
