/*
 * scarce_backend.h: the backend under test, but one of its next watches is refused, as a native loop does that
 * has no memory. One at a time.
 */
#ifndef IL_TESTS_SCARCE_BACKEND_H
#define IL_TESTS_SCARCE_BACKEND_H

#include "harness.h"

static struct {
	int next;      /* 1: the next one; 0: none */
	bool for_ever; /* and all after it */
} scarce;

static inline int watch_or_refuse(void *self, struct il_watch *w, unsigned mask)
{
	if (mask && scarce.next > 0 && (scarce.next == 1 || --scarce.next == 0)) {
		scarce.next = scarce.for_ever;
		return -ENOMEM;
	}
	return il_test_backend()->driver.watch(self, w, mask);
}

static inline il_backend scarce_backend(void)
{
	il_backend backend = *il_test_backend();

	scarce.next = 0;
	scarce.for_ever = false;
	backend.driver.watch = watch_or_refuse;
	return backend;
}

#endif
