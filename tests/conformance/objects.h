/*
 * objects.h: the small objects that tests make, each in one checked call.
 */
#ifndef IL_TESTS_OBJECTS_H
#define IL_TESTS_OBJECTS_H

#include "harness.h"

#include <interloop/sync.h>

static inline il_event *new_event(void)
{
	il_event *e = NULL;

	CHECK_RC(il_event_create(&e), 0);
	return e;
}

static inline il_future *new_future(void)
{
	il_future *f = NULL;

	CHECK_RC(il_future_create(&f), 0);
	return f;
}

static inline il_lock *new_lock(void)
{
	il_lock *l = NULL;

	CHECK_RC(il_lock_create(&l), 0);
	return l;
}

static inline il_condition *new_condition(void)
{
	il_condition *c = NULL;

	CHECK_RC(il_condition_create(&c, NULL), 0);
	return c;
}

static inline il_semaphore *new_semaphore(size_t initial, size_t max)
{
	il_semaphore *s = NULL;

	CHECK_RC(il_semaphore_create(&s, initial, max), 0);
	return s;
}

static inline il_limiter *new_limiter(size_t total)
{
	il_limiter *l = NULL;

	CHECK_RC(il_limiter_create(&l, total), 0);
	return l;
}

#endif
