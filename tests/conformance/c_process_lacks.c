/*
 * c_process_lacks.c: what the pool's own process lacks costs one call its -ENOMEM at most: no worker dies of it,
 * none is charged to the pool, and nobody waits forever or goes round and round.
 */
#define _GNU_SOURCE
#include "processes.h"
#include "scarce_backend.h"

#include <sys/resource.h>

/* ---- the loop's watches ---- */

/* Too large to go out at once, so that it is waited for room, too. */
struct parcel {
	int value, pid;
	unsigned char bytes[1 << 20];
};

static int open_parcel(void *arg)
{
	struct parcel *p = arg;

	p->pid = getpid();
	return p->value + (p->bytes[sizeof p->bytes - 1] == 7);
}

/* The same worker serves all: a pool with break_on_death ends with the first that dies. */
static int lack_each_watch(void *arg)
{
	il_executor *ex =
	    new_processes((il_process_pool_options){.max_workers = 1, .break_on_death = true});
	struct parcel *p = calloc(1, sizeof *p);
	bool met = true;
	int pid = pid_of_next(ex);

	CHECK(p != NULL);
	p->value = 1;
	p->bytes[sizeof p->bytes - 1] = 7;
	for (int n = 1; met; n++) {
		scarce.next = n;
		int rc = il_executor_run(ex, open_parcel, p, sizeof *p);
		met = scarce.next == 0;
		scarce.next = 0;
		CHECK(rc == 2 || rc == -ENOMEM);
		CHECK(rc == 2 || strstr(il_error_detail(), "watch"));
		CHECK_EQ(pid_of_next(ex), pid);
	}
	free(p);
	il_executor_destroy(ex);
	return *(int *)arg;
}

/* Of a worker that is only being started. */
static int lack_at_the_start(void *arg)
{
	bool met = true;

	for (int n = 1; met; n++) {
		il_executor *ex = new_processes(
		    (il_process_pool_options){.max_workers = 1, .break_on_death = true});
		struct job j = job_on(NULL, 3);
		scarce.next = n;
		int rc = il_executor_run(ex, square, &j, sizeof j);
		met = scarce.next == 0;
		scarce.next = 0;
		CHECK(rc == 3 || rc == -ENOMEM);
		pid_of_next(ex);
		il_executor_destroy(ex);
	}
	return *(int *)arg;
}

/* A call that runs finishes though its loop can watch nothing from some time on. */
static int lack_for_ever(void *arg)
{
	il_executor *ex =
	    new_processes((il_process_pool_options){.max_workers = 1, .break_on_death = true});
	struct parcel *p = calloc(1, sizeof *p);
	int pid = pid_of_next(ex), rc;

	CHECK(p != NULL);
	p->value = 1;
	for (int n = 1; n < 6; n++) {
		scarce.for_ever = true;
		scarce.next = n;
		rc = il_executor_run(ex, open_parcel, p, sizeof *p);
		scarce.for_ever = false;
		scarce.next = 0;
		CHECK(rc == 1 || rc == -ENOMEM);
		CHECK_EQ(pid_of_next(ex), pid);
	}
	free(p);
	il_executor_destroy(ex);
	return *(int *)arg;
}

static il_fn *const lacking[] = {lack_each_watch, lack_at_the_start, lack_for_ever};

IL_TEST_OWN(C, a_watch_that_is_refused_is_no_workers_death)
{
	for (size_t i = 0; i < sizeof lacking / sizeof *lacking; i++) {
		il_backend backend = scarce_backend();
		int result = 5;
		CHECK_RC(il_run(&backend, lacking[i], &result), 5);
	}
}

IL_TEST_ADOPTED(C, a_watch_that_an_adopted_loop_refused_is_no_workers_death)
{
	for (size_t i = 0; i < sizeof lacking / sizeof *lacking; i++) {
		il_backend backend = scarce_backend();
		void *native = il_native.create();
		il_loop *loop = NULL;
		il_future *f = NULL;
		int result = 5;
		CHECK_RC(il_loop_attach(&loop, &backend, native, NULL), 0);
		CHECK_RC(il_loop_spawn(loop, &f, lacking[i], &result), 0);
		il_native.run(native);
		CHECK_RC(end_of(f), 5);
		CHECK_RC(il_loop_detach(loop), 0);
		il_native.run(native);
		CHECK_RC(il_native.destroy(native), 0);
	}
}

/* ---- poll(2) for plain threads ---- */

static int say_and_exit(void *arg)
{
	fprintf(stderr, "the last words\n");
	_exit(((struct job *)arg)->value);
}

/* poll takes no more descriptors than the limit, which a sandbox may have lowered. */
IL_TEST_CORE(C, calls_complete_where_poll_is_refused)
{
	il_executor *ex = new_processes((il_process_pool_options){.max_workers = 1});
	int pid = pid_of_next(ex);
	struct board *b = new_board();
	struct job j = job_on(b, 6), dies = job_on(NULL, 3);
	struct rlimit saved, none;
	il_future *f;
	il_time used;

	CHECK_EQ(getrlimit(RLIMIT_NOFILE, &saved), 0);
	none = (struct rlimit){0, saved.rlim_max};
	f = submit_job(ex, linger, &j);
	UNTIL_THREAD(atomic_load(&b->begun) == 1);
	CHECK_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
	used = il_test_cpu();
	for (int i = 0; i < 100; i++)
		il_test_pause_really();
	nanosleep(&(struct timespec){.tv_nsec = 300000000}, NULL);
	used = il_test_cpu() - used;
	atomic_store(&b->open, true);
	CHECK_RC(end_of(f), 6);
	CHECK_EQ(j.pid, pid);
	CHECK_RC(il_executor_run(ex, say_and_exit, &dies, sizeof dies), -EOWNERDEAD);
	CHECK(strstr(il_error_detail(), "exit status 3; it last wrote: the last words"));
	CHECK_EQ(setrlimit(RLIMIT_NOFILE, &saved), 0);
	if (!IL_TEST_TSAN && !il_test_valgrind()) /* of 0.3 s and more */
		CHECK(used < IL_MSEC(150));
	pid_of_next(ex);
	il_executor_destroy(ex);
	free_board(b);
}

/* ---- descriptors ---- */

static void check_limit_named(int rc)
{
	CHECK_RC(rc, -EMFILE);
	CHECK(strstr(il_error_detail(), "; raise RLIMIT_NOFILE"));
}

IL_TEST_CORE(C, whatever_lacks_a_descriptor_names_the_limit)
{
	il_executor *ex = new_processes((il_process_pool_options){.max_workers = 1}), *none = NULL;
	struct job j = job_on(NULL, 3);
	struct rlimit saved, few;
	il_shared memory;

	CHECK_EQ(getrlimit(RLIMIT_NOFILE, &saved), 0);
	few = (struct rlimit){0, saved.rlim_max};
	CHECK_EQ(setrlimit(RLIMIT_NOFILE, &few), 0);
	check_limit_named(il_process_pool_create(&none, NULL));
	check_limit_named(il_executor_run(ex, square, &j, sizeof j));
	check_limit_named(il_shared_create(&memory, 100));
	CHECK_EQ(setrlimit(RLIMIT_NOFILE, &saved), 0);
	CHECK_RC(il_executor_run(ex, square, &j, sizeof j), 3);
	il_executor_destroy(ex);
}
