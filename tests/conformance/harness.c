/*
 * harness.c: runs a test's body in its mode: as the root task of an own loop, of an adopted loop that the
 * native loop runs until it ends by itself, or as a plain call. The test's own thread.
 */
#include "private.h"

#include <stdio.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { SEEDS = 16, SEEDS_SLOW = 2 };

static bool adopted;

const il_backend *il_test_backend(void)
{
	return il_native.backend ? il_native.backend() : NULL;
}

bool il_test_applies(const struct il_test *test)
{
	switch (test->kind) {
	case IL_TEST_own:
		return il_native.backend != NULL;
	case IL_TEST_real:
		return il_native.backend != NULL && !il_native.virtual_time;
	case IL_TEST_virtual:
		return il_native.virtual_time;
	case IL_TEST_adopted:
		return il_native.attach != NULL;
	case IL_TEST_core:
		break;
	}
	return il_native.backend == NULL;
}

bool il_test_adopted(void)
{
	return adopted;
}

static int root(void *arg)
{
	const struct il_test *test = arg;

	test->body();
	return 0;
}

static void run_own(const struct il_test *test)
{
	il_test_begin_run("");
	CHECK_RC(il_run(il_test_backend(), root, (void *)(uintptr_t)test), 0);
}

static void run_seeded(const struct il_test *test, unsigned seed)
{
	static char where[32];
	il_loop_options options = {.seed = seed};
	il_loop *loop = NULL;

	snprintf(where, sizeof where, "virtual time, seed %u", seed);
	il_test_begin_run(where);
	CHECK_RC(il_loop_open(&loop, il_test_backend(), &options), 0);
	CHECK_RC(il_loop_run(loop, root, (void *)(uintptr_t)test), 0);
	CHECK_RC(il_loop_close(loop), 0);
	il_loop_destroy(loop);
}

/* Worker processes (group C) are slow to start under ASan. */
static unsigned seeds_of(const struct il_test *test)
{
	bool slow = il_test_slow() || (IL_TEST_ASAN && strcmp(test->group, "C") == 0);

	if (!il_test_virtual() || !test->seeds)
		return 0;
	return slow ? SEEDS_SLOW : SEEDS;
}

static void on_empty(il_loop *loop, void *arg)
{
	bool *empty = arg;

	*empty = true;
	CHECK_RC(il_loop_detach(loop), 0);
}

/* The native loop returns by itself three times: when the test's task has ended, when everything was shut
 * down, and when the driver has let go of its handles. */
static void run_adopted(const struct il_test *test)
{
	void *native = il_native.create();
	il_loop *loop = NULL;
	il_future *f = NULL;
	bool empty = false;

	il_test_begin_run("an adopted loop");
	adopted = true;
	CHECK(native != NULL);
	CHECK_RC(il_native.attach(&loop, native, NULL), 0);
	CHECK_RC(il_loop_spawn(loop, &f, root, (void *)(uintptr_t)test), 0);
	il_native.run(native);
	CHECK(il_future_done(f));
	CHECK_RC(il_future_result(f, 0), 0);
	il_future_unref(f);
	CHECK_RC(il_loop_shutdown(loop, on_empty, &empty), 0);
	il_native.run(native);
	CHECK(empty);
	il_native.run(native);
	CHECK_RC(il_native.destroy(native), 0);
	adopted = false;
}

static void *tell_number(void *number)
{
	*(long *)number = syscall(SYS_gettid);
	return NULL;
}

/* A thread that was joined may take a moment to leave the table, and whoever counts then counts it, too. */
static void start_and_join(void)
{
	struct timespec a_moment = {.tv_nsec = 100000};
	char path[40];
	long number = 0;
	pthread_t thread;

	if (pthread_create(&thread, NULL, tell_number, &number) != 0)
		return;
	pthread_join(thread, NULL);
	snprintf(path, sizeof path, "/proc/self/task/%ld", number);
	while (access(path, F_OK) == 0)
		nanosleep(&a_moment, NULL);
}

/* Some loops keep a descriptor for the process once the first one was made, and TSan a thread once the first
 * was started. */
static void warm_up(void)
{
	if (IL_TEST_TSAN)
		start_and_join();
	if (il_native.create)
		il_native.destroy(il_native.create());
}

void il_test_run(const struct il_test *test)
{
	struct il_test_leaks leaks;

	warm_up();
	il_test_begin();
	il_test_own_thread();
	il_test_leaks_start(&leaks);
	if (!test->task) {
		il_test_begin_run("");
		test->body();
	} else if (test->kind == IL_TEST_adopted) {
		run_adopted(test);
	} else {
		run_own(test);
		for (unsigned s = 1; s <= seeds_of(test); s++)
			run_seeded(test, s);
	}
	il_test_leaks_check(&leaks);
}
