/*
 * f_portal_queue.c: what a portal promises about each call: made exactly once whatever closes first, the
 * bound of the queue, nothing after fork.
 */
#include "aside.h"

#include <sys/wait.h>
#include <unistd.h>

static int note_run(void *arg)
{
	atomic_fetch_add((atomic_int *)arg, 1);
	return 4;
}

/* ---- exactly once ---- */

enum { POSTERS = 2, AHEAD = 64 };

struct flood {
	il_portal *p;
	atomic_int accepted, ran, cancelled;
};

static int count_plain(void *arg)
{
	struct flood *f = arg;

	atomic_fetch_add(&f->ran, 1);
	return 0;
}

static int count_task(void *arg)
{
	struct flood *f = arg;

	atomic_fetch_add(&f->ran, 1);
	if (il_yield() == -ECANCELED)
		atomic_fetch_add(&f->cancelled, 1);
	return 0;
}

static int post_until_refused(void *arg)
{
	struct flood *f = arg;
	int rc = 0;

	for (int i = 0; rc == 0; i++) {
		UNTIL(atomic_load(&f->accepted) - atomic_load(&f->ran) < AHEAD);
		rc = i % 2 ? il_portal_run_sync_soon(f->p, NULL, count_plain, f)
			   : il_portal_run_coroutine_soon(f->p, NULL, count_task, f);
		if (rc == 0)
			atomic_fetch_add(&f->accepted, 1);
		else if (rc == -EAGAIN)
			rc = 0;
	}
	return rc;
}

IL_TEST(F, every_call_accepted_before_the_close_is_made_once)
{
	for (size_t round = 0; round < il_test_rounds(il_test_virtual() ? 1 : 6); round++) {
		struct flood f = {.p = il_portal_ref(il_test_portal())};
		struct il_test_aside posters[POSTERS];
		int ran;
		for (int i = 0; i < POSTERS; i++)
			il_test_aside_start(&posters[i], post_until_refused, &f);
		UNTIL_THREAD(atomic_load(&f.ran) > 20);
		if (round % 3 == 1)
			CHECK_RC(il_portal_stop(f.p, true), 0);
		CHECK_RC(il_portal_close(f.p), 0);
		ran = atomic_load(&f.ran);
		for (int i = 0; i < POSTERS; i++)
			CHECK_RC(il_test_aside_join(&posters[i]), -ESHUTDOWN);
		CHECK_EQ(ran, atomic_load(&f.accepted));
		CHECK_EQ(ran, atomic_load(&f.ran));
		il_portal_unref(f.p);
	}
}

static int serve_flood(void *arg)
{
	struct flood *f = arg;

	UNTIL_THREAD(atomic_load(&f->ran) > 20);
	return 0;
}

IL_TEST_OWN(F, and_before_the_loop_is_closed)
{
	for (size_t round = 0; round < il_test_rounds(10); round++) {
		struct flood f = {.ran = 0};
		struct il_test_thread posters[POSTERS];
		il_loop *loop = NULL;
		CHECK_RC(il_loop_open(&loop, il_test_backend(), NULL), 0);
		CHECK_RC(il_loop_create_threads_portal(loop, &f.p), 0);
		for (int i = 0; i < POSTERS; i++)
			il_test_thread_start(&posters[i], post_until_refused, &f);
		CHECK_RC(il_loop_run(loop, serve_flood, &f), 0);
		CHECK_RC(il_loop_close(loop), 0);
		for (int i = 0; i < POSTERS; i++)
			CHECK_RC(il_test_thread_join(&posters[i]), -ESHUTDOWN);
		CHECK_EQ(atomic_load(&f.ran), atomic_load(&f.accepted));
		il_loop_destroy(loop);
		CHECK_RC(il_portal_close(f.p), 0);
	}
}

struct last_call {
	il_portal *p;
	il_event *over;
	atomic_int answered;
	int rc;
};

static int end_it_all(void *arg)
{
	struct last_call *l = arg;

	CHECK_RC(il_event_set(l->over), 0);
	return 0;
}

/* The call's function ends the loop: the caller has no reference but the one of its call. */
static int make_the_last_call(void *arg)
{
	struct last_call *l = arg;

	if (atomic_fetch_add(&l->answered, 1) % 2)
		return il_portal_run_sync(l->p, end_it_all, l);
	return il_portal_run_sync_soon(l->p, NULL, end_it_all, l);
}

static int serve_the_last_call(void *arg)
{
	struct last_call *l = arg;
	struct il_test_thread thread;

	CHECK_RC(il_event_create(&l->over), 0);
	l->p = il_test_portal();
	il_test_thread_start(&thread, make_the_last_call, l);
	CHECK_RC(il_event_wait(l->over), 0);
	CHECK_RC(il_portal_close(l->p), 0);
	il_event_destroy(l->over);
	return il_test_thread_join(&thread);
}

IL_TEST_OWN(F, a_call_in_flight_holds_what_it_needs)
{
	struct last_call l = {.answered = 0};

	for (size_t round = 0; round < il_test_rounds(100); round++)
		CHECK_RC(il_run(il_test_backend(), serve_the_last_call, &l), 0);
}

/* ---- the bound of the queue ---- */

enum { LIMIT = 3 };

struct bound {
	il_loop *loop;
	il_portal *p;
	atomic_int ran;
};

static void fill(struct bound *b)
{
	il_future *f = NULL;

	for (int i = 0; i < LIMIT; i++)
		CHECK_RC((i ? il_portal_run_sync_soon
			    : il_portal_run_coroutine_soon)(b->p, NULL, note_run, &b->ran),
			 0);
	CHECK_RC(il_portal_run_sync_soon(b->p, &f, note_run, &b->ran), -EAGAIN);
	CHECK(strstr(il_error_detail(), "queue_limit") != NULL);
	CHECK_RC(il_portal_run_coroutine_soon(b->p, &f, note_run, &b->ran), -EAGAIN);
	CHECK(f == NULL);
}

static int call_past_the_bound(void *arg)
{
	struct bound *b = arg;

	return il_portal_run_coroutine(b->p, note_run, &b->ran);
}

static int fill_again(void *arg)
{
	struct bound *b = arg;

	UNTIL_THREAD(atomic_load(&b->ran) == LIMIT + 1);
	fill(b);
	UNTIL(atomic_load(&b->ran) == LIMIT + 1 + LIMIT);
	return il_portal_close(b->p);
}

IL_TEST_OWN(F, the_producer_sees_the_bound_and_waiting_calls_get_through)
{
	il_loop_options options = {.queue_limit = LIMIT};
	struct bound b = {.ran = 0};
	struct il_test_thread waiter;

	CHECK_RC(il_loop_open(&b.loop, il_test_backend(), &options), 0);
	CHECK_RC(il_loop_create_threads_portal(b.loop, &b.p), 0);
	fill(&b);
	il_test_thread_start(&waiter, call_past_the_bound, &b);
	CHECK_RC(il_loop_run(b.loop, fill_again, &b), 0);
	CHECK_RC(il_test_thread_join(&waiter), 4);
	CHECK_EQ(atomic_load(&b.ran), 2 * LIMIT + 1);
	il_loop_destroy(b.loop);
}

static void post_a_hundred_thousand(size_t limit, int expected)
{
	il_loop_options options = {.queue_limit = limit};
	struct bound b = {.ran = 0};
	int accepted = 0;

	CHECK_RC(il_loop_open(&b.loop, il_test_backend(), &options), 0);
	CHECK_RC(il_loop_create_threads_portal(b.loop, &b.p), 0);
	while (accepted < 100000 && il_portal_run_sync_soon(b.p, NULL, note_run, &b.ran) == 0)
		accepted++;
	CHECK_EQ(accepted, expected);
	il_loop_destroy(b.loop);
	CHECK_EQ(atomic_load(&b.ran), expected);
	CHECK_RC(il_portal_close(b.p), 0);
}

IL_TEST_OWN(F, the_bound_is_65536_by_default_and_may_be_taken_away)
{
	post_a_hundred_thousand(0, 65536);
	post_a_hundred_thousand(SIZE_MAX, 100000);
}

/* ---- fork ---- */

#define EXPECT(call, code)               \
	do {                             \
		if ((call) != (code))    \
			return __LINE__; \
	} while (0)

static int in_a_new_portal(void *arg)
{
	il_portal *p = NULL;
	il_future *f = NULL;
	atomic_int ran = 0;

	EXPECT(il_loop_create_threads_portal(il_loop_current(), &p), 0);
	EXPECT(il_portal_run_coroutine_soon(p, &f, note_run, &ran), 0);
	EXPECT(il_future_join(f), 4);
	EXPECT(il_portal_sleep_until_stopped(arg), -ESHUTDOWN);
	return il_portal_close(p);
}

/* In the child: 0, or the line that is wrong. */
static int check_inherited(il_portal *p)
{
	il_portal_context *c = NULL;
	il_future *f = NULL;
	atomic_int ran = 0;

	EXPECT(il_portal_run_coroutine(p, note_run, &ran), -ESHUTDOWN);
	EXPECT(il_portal_run_sync(p, note_run, &ran), -ESHUTDOWN);
	EXPECT(il_portal_run_coroutine_soon(p, &f, note_run, &ran), -ESHUTDOWN);
	EXPECT(il_portal_run_sync_soon(p, NULL, note_run, &ran), -ESHUTDOWN);
	EXPECT(il_portal_start_task(p, &f, NULL, note_run, &ran), -ESHUTDOWN);
	EXPECT(il_portal_enter(p, &c, note_run, &ran), -ESHUTDOWN);
	EXPECT(il_portal_sleep_until_stopped(p), -ESHUTDOWN);
	EXPECT(il_portal_stop(p, true), -ESHUTDOWN);
	EXPECT(il_portal_close(p), -ESHUTDOWN);
	EXPECT(atomic_load(&ran), 0);
	EXPECT(il_run(il_test_backend(), in_a_new_portal, p), 0);
	return 0;
}

static int wait_for_child(pid_t child)
{
	int status = 0;

	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int fork_in_a_task(void *arg)
{
	struct bound *b = arg;
	pid_t child = fork();

	if (child == 0)
		_exit(check_inherited(b->p) & 0xff);
	CHECK(child > 0);
	CHECK_EQ(wait_for_child(child), 0);
	CHECK_RC(il_portal_run_sync_soon(b->p, NULL, note_run, &b->ran), 0);
	return il_portal_close(b->p);
}

IL_TEST_OWN(F, after_fork_a_portal_is_refused_in_the_child_and_works_in_the_parent)
{
	struct bound b = {.ran = 0};

	CHECK_RC(il_loop_open(&b.loop, il_test_backend(), NULL), 0);
	CHECK_RC(il_loop_create_threads_portal(b.loop, &b.p), 0);
	CHECK_RC(il_loop_run(b.loop, fork_in_a_task, &b), 0);
	CHECK_EQ(atomic_load(&b.ran), 1);
	il_loop_destroy(b.loop);
}
