/*
 * v_options.h: a body that runs as the root task of a loop with options, an own one and an adopted one.
 */
#ifndef IL_TESTS_V_OPTIONS_H
#define IL_TESTS_V_OPTIONS_H

#include "harness.h"

#include <time.h>

static inline void run_in_own(const il_loop_options *options, il_fn *body)
{
	il_loop *loop = NULL;

	CHECK_RC(il_loop_open(&loop, il_test_backend(), options), 0);
	CHECK_RC(il_loop_run(loop, body, NULL), 0);
	il_loop_destroy(loop);
}

static inline void on_empty_detach(il_loop *loop, void *unused)
{
	(void)unused;
	CHECK_RC(il_loop_detach(loop), 0);
}

static inline void run_in_adopted(const il_loop_options *options, il_fn *body)
{
	void *native = il_native.create();
	il_loop *loop = NULL;

	CHECK_RC(il_native.attach(&loop, native, options), 0);
	CHECK_RC(il_loop_spawn_with(loop, NULL, body, NULL, &(il_task_options){.name = "main"}), 0);
	il_native.run(native);
	CHECK_RC(il_loop_shutdown(loop, on_empty_detach, NULL), 0);
	il_native.run(native);
	il_native.run(native);
	CHECK_RC(il_native.destroy(native), 0);
}

#define IL_TEST_OPTIONS(name, body, ...)                               \
	IL_TEST_OWN(V, name)                                           \
	{                                                              \
		run_in_own(&(il_loop_options){__VA_ARGS__}, body);     \
	}                                                              \
	IL_TEST_ADOPTED(V, name##_adopted)                             \
	{                                                              \
		run_in_adopted(&(il_loop_options){__VA_ARGS__}, body); \
	}                                                              \
	_Static_assert(sizeof(#name) > 1, "a semicolon may come behind")

/* By the real clock. */
static inline il_time real_time(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * IL_SEC(1) + now.tv_nsec;
}

/* Holds the loop for so long. */
static inline void compute(il_time duration)
{
	il_time end = real_time() + duration;

	while (real_time() < end)
		;
}

#endif
