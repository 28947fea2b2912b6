/*
 * aside.h: a plain thread beside the calling task, which parks until the thread is through: so that the
 * loop, and virtual time, go on as if nobody looked. What a task's test of calls from a thread uses.
 */
#ifndef IL_TESTS_ASIDE_H
#define IL_TESTS_ASIDE_H

#include "harness.h"

struct il_test_aside {
	struct il_test_thread thread;
	il_fn *fn;
	void *arg;
	il_portal *lane; /* tells the task; not the portal under test, which may be closed */
	il_event *ended;
};

static inline int il_test_aside_set(void *event)
{
	return il_event_set(event);
}

static inline int il_test_aside_main(void *arg)
{
	struct il_test_aside *a = arg;
	int rc = a->fn(a->arg);

	CHECK_RC(il_portal_run_sync_soon(a->lane, NULL, il_test_aside_set, a->ended), 0);
	return rc;
}

static inline void il_test_aside_start(struct il_test_aside *a, il_fn *fn, void *arg)
{
	a->fn = fn;
	a->arg = arg;
	CHECK_RC(il_loop_create_threads_portal(il_loop_current(), &a->lane), 0);
	CHECK_RC(il_event_create(&a->ended), 0);
	il_test_thread_start(&a->thread, il_test_aside_main, a);
}

/* What fn gave. */
static inline int il_test_aside_join(struct il_test_aside *a)
{
	CHECK_RC(il_event_wait(a->ended), 0);
	CHECK_RC(il_portal_close(a->lane), 0);
	il_event_destroy(a->ended);
	return il_test_thread_join(&a->thread);
}

/* fn(arg) in a plain thread. */
static inline int il_test_aside(il_fn *fn, void *arg)
{
	struct il_test_aside a;

	il_test_aside_start(&a, fn, arg);
	return il_test_aside_join(&a);
}

static inline il_portal *il_test_portal(void)
{
	il_portal *p = NULL;

	CHECK_RC(il_loop_create_threads_portal(il_loop_current(), &p), 0);
	return p;
}

#endif
