/*
 * n_hosts.c: what a host may do with its loop, and what it may not: misuse is stopped with the sentence of its own
 * rule.
 */
#include "dies.h"

static int nap(void *arg)
{
	(void)arg;
	return il_sleep(IL_MSEC(1));
}

/* ---- who may run it ---- */

static void *run_native(void *native)
{
	il_native.run(native);
	return NULL;
}

static int attach_here_and_run_there(void *arg)
{
	void *native = il_native.create();
	il_loop *loop;
	pthread_t thread;

	(void)arg;
	if (il_native.attach(&loop, native, NULL) < 0 || il_loop_spawn(loop, NULL, nap, NULL) < 0)
		return 1;
	pthread_create(&thread, NULL, run_native, native);
	pthread_join(thread, NULL);
	return 1;
}

static int run_native_in_a_task(void *native)
{
	il_native.run(native);
	return 0;
}

static void *run_native_beside_another_loop(void *native)
{
	il_run(il_test_backend(), run_native_in_a_task, native);
	return NULL;
}

static int attach_here_and_run_there_in_a_loop(void *arg)
{
	void *native = il_native.create();
	il_loop *loop;
	pthread_t thread;

	(void)arg;
	if (il_native.attach(&loop, native, NULL) < 0 || il_loop_spawn(loop, NULL, nap, NULL) < 0)
		return 1;
	pthread_create(&thread, NULL, run_native_beside_another_loop, native);
	pthread_join(thread, NULL);
	return 1;
}

IL_TEST_ADOPTED(N, a_loop_that_another_thread_runs_says_so)
{
	const char *said = "run in another thread than the one that attached it";

	il_test_dies(attach_here_and_run_there, NULL, said);
	il_test_dies(attach_here_and_run_there_in_a_loop, NULL, said);
}

static int run_own_by_hand(void *arg)
{
	il_loop *loop;
	il_portal *p;

	(void)arg;
	if (il_loop_open(&loop, il_test_backend(), NULL) < 0 ||
	    il_loop_create_threads_portal(loop, &p) < 0)
		return 1;
	il_portal_run_sync_soon(p, NULL, nap, NULL);
	il_native.run(il_loop_native(loop));
	return 1;
}

IL_TEST_OWN_REAL(N, an_own_loop_that_is_run_by_hand_says_so)
{
	il_test_dies(run_own_by_hand, NULL, "il_loop_run runs it");
}
