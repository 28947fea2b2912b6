/*
 * allocator.c: a program with an allocator of its own: every block of the core comes from it and goes back to it,
 * and it may say no at any time. What a block holds at first is the allocator's business: it is filled with all
 * zeros, or all ones.
 */
#define _GNU_SOURCE
#include "../core/check.h"

#include <interloop.h>
#include <interloop/virtual.h>

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static atomic_long blocks, calls;
static atomic_long fails_at; /* the call that gets NULL; 0: none */
static int rubbish;          /* what each byte holds */
static int arena;

/* What it gives is not the C library's to free: a header stands before it. */
struct header {
	_Alignas(max_align_t) int *arena;
};

static bool refuses(void)
{
	return atomic_fetch_add(&calls, 1) + 1 == atomic_load(&fails_at);
}

static void *take(size_t size, void *arg)
{
	struct header *h = refuses() ? NULL : malloc(sizeof *h + size);

	CHECK(arg == &arena);
	if (!h)
		return NULL;
	h->arena = arg;
	memset(h + 1, rubbish, size);
	atomic_fetch_add(&blocks, 1);
	return h + 1;
}

static void give(void *memory, void *arg)
{
	struct header *h = (struct header *)memory - 1;

	CHECK(memory && h->arena == arg);
	h->arena = NULL;
	atomic_fetch_sub(&blocks, 1);
	free(h);
}

static void *resize(void *memory, size_t size, void *arg)
{
	struct header *h = (struct header *)memory - 1;

	CHECK(memory && size && h->arena == arg);
	h = refuses() ? NULL : realloc(h, sizeof *h + size);
	return h ? h + 1 : NULL;
}

/* ---- a program that uses a little of everything ---- */

static int count_up(void *arg)
{
	return ++*(int *)arg;
}

static int use_pool(void)
{
	il_executor *ex = NULL;
	il_future *f = NULL;
	int n = 0, rc = il_thread_pool_create(&ex, NULL);

	if (rc < 0)
		return rc;
	rc = il_executor_submit(ex, &f, count_up, &n, 0);
	if (rc == 0)
		rc = il_future_join(f);
	il_executor_destroy(ex);
	return rc;
}

static int use_futures(void)
{
	il_future *f = NULL;
	int rc = il_future_create(&f);

	if (rc < 0)
		return rc;
	CHECK(il_future_set_result(f, 1) == 0);
	rc = il_futures_wait(&f, 1, IL_ALL_COMPLETED, IL_FOREVER);
	CHECK(rc == 1 || rc == -ENOMEM);
	il_future_unref(f);
	return rc;
}

static int use_portal(void)
{
	il_portal *p = NULL;
	int n = 0, rc = il_loop_create_threads_portal(il_loop_current(), &p);

	if (rc < 0)
		return rc;
	rc = il_portal_run_sync_soon(p, NULL, count_up, &n);
	il_portal_close(p);
	return rc;
}

static int use_stream(void)
{
	il_stream *a = NULL, *b = NULL;
	char text[8] = "";
	int rc = il_stream_pair(&a, &b);

	if (rc == 0)
		rc = il_stream_write_all(a, "hello\n", 6);
	if (rc == 0)
		rc = il_stream_receive_until(b, text, sizeof text, "\n", 1);
	il_stream_destroy(a);
	il_stream_destroy(b);
	return rc;
}

static int use_channel(void)
{
	il_sender *out = NULL;
	il_receiver *in = NULL;
	int n = 3, got = 0, rc = il_channel_create(&out, &in, sizeof n, 2);

	if (rc == 0)
		rc = il_channel_send(out, &n);
	if (rc == 0)
		rc = il_channel_receive(in, &got);
	il_sender_destroy(out);
	il_receiver_destroy(in);
	return rc;
}

static int sleep_a_little(void *arg)
{
	(void)arg;
	return il_sleep(IL_MSEC(1));
}

static int use_group(void)
{
	il_group g;
	il_future *f = NULL;
	int rc = il_group_open(&g);

	if (rc < 0)
		return rc;
	rc = il_group_start_soon(&g, &f, sleep_a_little, NULL);
	rc = il_group_close(&g, rc);
	il_future_unref(f);
	return rc;
}

/* A dump takes no memory, so that it can be had where there is none. */
static int use_dump(void)
{
	long before;
	il_group g;
	int fd = open("/dev/null", O_WRONLY | O_CLOEXEC), rc = il_group_open(&g);

	CHECK(fd >= 0 && rc == 0);
	rc = il_group_start_soon(&g, NULL, sleep_a_little, NULL);
	before = atomic_load(&calls);
	CHECK(il_loop_dump(il_loop_current(), fd) == 0 && il_dump(fd) == 0);
	CHECK(atomic_load(&calls) == before);
	close(fd);
	return il_group_close(&g, rc);
}

static atomic_bool rests;
static int ends[2]; /* of a pipe: it rests until the other one is closed */

static int rest_elsewhere(void *unused)
{
	int rc = il_task_set_name("elsewhere");

	(void)unused;
	atomic_store(&rests, true);
	return rc < 0 ? rc : il_wait_readable(ends[0]);
}

static void *run_elsewhere(void *backend)
{
	CHECK(il_run(backend, rest_elsewhere, NULL) == 0);
	return NULL;
}

/* Nor where it waits for another thread's loop, in a loop that has no timer yet. */
static int dump_elsewhere(void *unused)
{
	int fd = memfd_create("dump", MFD_CLOEXEC);
	char text[4096] = "";
	long before;

	(void)unused;
	CHECK(fd >= 0);
	before = atomic_load(&calls);
	CHECK(il_dump(fd) == 0);
	CHECK(atomic_load(&calls) == before);
	CHECK(pread(fd, text, sizeof text - 1, 0) > 0 &&
	      strstr(text, "elsewhere: il_wait_readable"));
	close(fd);
	return 0;
}

static void dump_two_loops(const il_backend *backend)
{
	pthread_t thread;

	if (!backend) /* not built */
		return;
	atomic_store(&rests, false);
	CHECK(pipe2(ends, O_CLOEXEC) == 0);
	CHECK(pthread_create(&thread, NULL, run_elsewhere, (void *)(uintptr_t)backend) == 0);
	while (!atomic_load(&rests))
		sched_yield();
	CHECK(il_run(backend, dump_elsewhere, NULL) == 0);
	close(ends[1]);
	CHECK(pthread_join(thread, NULL) == 0);
	close(ends[0]);
}

/* A start that was refused has started nothing. */
static int use_host(void)
{
	il_virtual_network *n = NULL;
	int rc = il_virtual_network_open(&n, NULL);

	if (rc < 0)
		return rc;
	rc = il_virtual_host_start(n, "a", sleep_a_little, NULL);
	if (rc < 0)
		CHECK(il_virtual_host_start(n, "a", sleep_a_little, NULL) == 0);
	CHECK(il_virtual_host_start(n, "a", sleep_a_little, NULL) == -EALREADY);
	il_virtual_network_close(n);
	return rc;
}

static int use_blocking_portal(void)
{
	il_portal *p = NULL;
	int n = 0, rc = il_blocking_portal_start(&p, il_virtual(), NULL);

	if (rc < 0)
		return rc;
	rc = il_portal_run_sync(p, count_up, &n);
	CHECK(il_blocking_portal_stop(p) == 0);
	return rc;
}

static int program(void *arg)
{
	int (*const uses[])(void) = {use_pool,   use_futures, use_portal,
				     use_stream, use_channel, use_group,
				     use_dump,   use_host,    use_blocking_portal};

	(void)arg;
	for (size_t i = 0; i < sizeof uses / sizeof *uses; i++) {
		int rc;

		/* The words of a failure are its own, or none, also where an older one had its code. */
		il_fail(-ENOMEM, "an older failure");
		rc = uses[i]();
		if (rc < 0) {
			CHECK(!strstr(il_error_detail(), "an older failure"));
			return rc;
		}
	}
	return 0;
}

static void *run_program(void *arg)
{
	*(int *)arg = il_run(il_virtual(), program, NULL);
	return NULL;
}

/* In a thread of its own: what a thread keeps for its next calls goes when it ends. */
static int run_in_new_thread(void)
{
	pthread_t thread;
	int rc = 0;

	CHECK(pthread_create(&thread, NULL, run_program, &rc) == 0);
	CHECK(pthread_join(thread, NULL) == 0);
	return rc;
}

int main(void)
{
	il_allocator mine = {.malloc = take, .realloc = resize, .free = give, .arg = &arena};
	il_allocator half = {.malloc = take};
	long most;

	CHECK(il_set_allocator(&half) == -EINVAL);
	CHECK(il_set_allocator(&mine) == 0);
	CHECK(il_set_allocator(NULL) == 0 && il_set_allocator(&mine) == 0);
	for (int i = 0; i < 2; i++) {
		rubbish = i ? 0xff : 0;
		atomic_store(&calls, 0);
		CHECK(run_in_new_thread() == 0);
		CHECK(atomic_load(&blocks) == 0);
	}
	CHECK(il_set_allocator(NULL) == -EBUSY);

	/* Whichever block is refused: an error or the result, and nothing is left. */
	most = atomic_load(&calls);
	CHECK(most > 10);
	for (long n = 1; n <= most; n++) {
		atomic_store(&calls, 0);
		atomic_store(&fails_at, n);
		rubbish = n % 2 ? 0xff : 0;
		int rc = run_in_new_thread();
		CHECK(rc == 0 || rc == -ENOMEM);
		CHECK(atomic_load(&blocks) == 0);
	}

	atomic_store(&fails_at, 0);
	dump_two_loops(il_backend_find("libuv"));
	dump_two_loops(il_backend_find("libev"));
	dump_two_loops(il_backend_find("libevent"));
	return 0;
}
