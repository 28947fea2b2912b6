/*
 * a_future_chains.c: futures that are completed by the callbacks of others take a bounded stack, whatever completes the
 * first and wherever; and their order is told.
 */
#include "objects.h"

/* In virtual time under many seeds. */
#define LINKS      (il_test_virtual() ? 5000 : 20000)
#define MANY_LINKS (3 * LINKS)

struct chain {
	il_future **futures;
	int count;
	int (*next)(il_future *f, void *arg);
	int called;
};

struct link {
	struct chain *chain;
	int index;
};

static il_future *next_of(const struct link *link)
{
	return link->index + 1 < link->chain->count ? link->chain->futures[link->index + 1] : NULL;
}

static int complete_next(il_future *f, void *arg)
{
	struct link *link = arg;

	(void)f;
	link->chain->called++;
	if (next_of(link))
		CHECK_RC(il_future_set_result(next_of(link), link->index + 1), 0);
	return 0;
}

static int cancel_next(il_future *f, void *arg)
{
	struct link *link = arg;

	(void)f;
	link->chain->called++;
	if (next_of(link))
		CHECK(il_future_cancel(next_of(link)));
	return 0;
}

/* Of futures that are done already. */
static int ask_next(il_future *f, void *arg)
{
	struct link *link = arg;
	il_future *next = next_of(link);

	(void)f;
	link->chain->called++;
	if (next) {
		link->index++;
		CHECK_RC(il_future_on_done(next, ask_next, link), 0);
	}
	return 0;
}

/* Makes the chain, begins it, and takes it down. */
static int run_chain(void *arg)
{
	struct chain *c = arg;
	struct link *links = calloc((size_t)c->count, sizeof *links);

	c->called = 0;
	c->futures = calloc((size_t)c->count, sizeof(il_future *));
	CHECK(links && c->futures);
	for (int i = 0; i < c->count; i++) {
		links[i] = (struct link){.chain = c, .index = i};
		CHECK_RC(il_future_create(&c->futures[i]), 0);
		if (c->next == ask_next)
			CHECK_RC(il_future_set_result(c->futures[i], i), 0);
		else
			CHECK_RC(il_future_on_done(c->futures[i], c->next, &links[i]), 0);
	}
	if (c->next == ask_next)
		CHECK_RC(il_future_on_done(c->futures[0], c->next, &links[0]), 0);
	else if (c->next == cancel_next)
		CHECK(il_future_cancel(c->futures[0]));
	else
		CHECK_RC(il_future_set_result(c->futures[0], 0), 0);
	CHECK_EQ(c->called, c->count); /* all of them before the first call returned */
	for (int i = 0; i < c->count; i++) {
		CHECK_RC(il_future_result(c->futures[i], 0),
			 c->next == cancel_next ? -ECANCELED : i);
		il_future_unref(c->futures[i]);
	}
	free(c->futures);
	free(links);
	return 0;
}

static void run_each(int (*run)(struct chain *c), int count)
{
	struct chain chains[] = {
	    {.next = complete_next}, {.next = cancel_next}, {.next = ask_next}};

	for (int i = 0; i < 3; i++) {
		chains[i].count = count;
		CHECK_RC(run(&chains[i]), 0);
	}
}

static int here(struct chain *c)
{
	return run_chain(c);
}

static int in_a_worker(struct chain *c)
{
	return il_run_in_thread(run_chain, c);
}

IL_TEST(A, a_chain_of_futures_takes_little_of_a_tasks_stack)
{
	run_each(here, LINKS);
}

IL_TEST(A, a_chain_of_futures_takes_little_of_a_workers_stack)
{
	run_each(in_a_worker, MANY_LINKS);
}

IL_TEST_CORE(A, a_chain_of_futures_takes_little_of_a_plain_threads_stack)
{
	run_each(here, MANY_LINKS);
}

static int in_a_small_worker(struct chain *c)
{
	const il_thread_pool_options options = {.max_workers = 1, .stack_size = 64 << 10};
	il_executor *pool;
	int rc;

	CHECK_RC(il_thread_pool_create(&pool, &options), 0);
	rc = il_executor_run(pool, run_chain, c, sizeof *c);
	il_executor_destroy(pool);
	return rc;
}

IL_TEST_CORE(A, a_chain_of_futures_takes_little_of_a_small_workers_stack)
{
	run_each(in_a_small_worker, LINKS);
}

/* ---- order ---- */

static int trace(il_future *f, void *arg)
{
	(void)f;
	TRACE(arg);
	return 0;
}

/* Completes the second of its two futures between two words. */
static int trace_around(il_future *f, void *arg)
{
	(void)f;
	TRACE("before");
	CHECK_RC(il_future_set_result(arg, 0), 0);
	TRACE("after");
	return 0;
}

IL_TEST_CORE(A, the_callbacks_of_a_future_completed_in_a_callback_run_inside_it)
{
	il_future *first = new_future(), *second = new_future();

	il_future_on_done(first, trace_around, second);
	il_future_on_done(first, trace, (void *)(uintptr_t) "last");
	il_future_on_done(second, trace, (void *)(uintptr_t) "inside");
	CHECK_RC(il_future_set_result(first, 0), 0);
	CHECK_TRACE("before inside after last");
	il_future_unref(first);
	il_future_unref(second);
}

enum { DEEP = 9 };

struct deep {
	il_future *futures[DEEP + 1];
	int depth;
};

/* At the bottom it completes one whose callbacks are put off, and asks for one more of it. */
static int go_down(il_future *f, void *arg)
{
	struct deep *d = arg;
	il_future *next = d->futures[++d->depth];

	(void)f;
	CHECK_RC(il_future_set_result(next, 0), 0);
	if (next == d->futures[DEEP - 1]) {
		TRACE("bottom");
		il_future_on_done(next, trace, (void *)(uintptr_t) "third");
	}
	return 0;
}

static int go_on(il_future *f, void *arg)
{
	struct deep *d = arg;

	(void)f;
	TRACE("first");
	/* The depth begins anew: this runs inside. */
	il_future_on_done(d->futures[DEEP], trace, (void *)(uintptr_t) "inside");
	CHECK_RC(il_future_set_result(d->futures[DEEP], 0), 0);
	return 0;
}

IL_TEST_CORE(A, what_is_put_off_keeps_the_order_of_asking)
{
	struct deep d = {.depth = 0};

	for (int i = 0; i <= DEEP; i++)
		d.futures[i] = new_future();
	for (int i = 0; i < DEEP - 1; i++)
		il_future_on_done(d.futures[i], go_down, &d);
	il_future_on_done(d.futures[DEEP - 1], go_on, &d);
	il_future_on_done(d.futures[DEEP - 1], trace, (void *)(uintptr_t) "second");
	CHECK_RC(il_future_set_result(d.futures[0], 0), 0);
	CHECK_TRACE("bottom first inside second third");
	for (int i = 0; i <= DEEP; i++)
		il_future_unref(d.futures[i]);
}

static int drop(il_future *f, void *arg)
{
	(void)f;
	il_future_unref(arg);
	return 0;
}

/* Puts off what needs a future that nobody else holds any more. */
IL_TEST_CORE(A, a_future_lives_until_its_last_callback_was_called)
{
	struct deep d = {.depth = 0};

	for (int i = 0; i < DEEP; i++) {
		d.futures[i] = new_future();
		il_future_on_done(d.futures[i], drop, d.futures[i]);
		if (i < DEEP - 1)
			il_future_on_done(d.futures[i], go_down, &d);
		else
			il_future_on_done(d.futures[i], trace, (void *)(uintptr_t) "end");
	}
	CHECK_RC(il_future_set_result(d.futures[0], 0), 0);
	CHECK_TRACE("bottom end third");
}

/* ---- a done future that two threads ask ---- */

enum { LEVELS = 8 }; /* the last one puts off what it asks for */

struct asker {
	il_future *done, *levels[LEVELS];
	int depth;
	atomic_bool put_off, go_on;
};

static int ask_from_below(il_future *f, void *arg)
{
	struct asker *a = arg;
	int level = ++a->depth;

	(void)f;
	if (level < LEVELS)
		CHECK_RC(il_future_set_result(a->levels[level], 0), 0);
	if (level < LEVELS - 1)
		return 0;
	CHECK_RC(il_future_on_done(a->done, trace, level == LEVELS ? "below" : "above"), 0);
	atomic_store(&a->put_off, true);
	UNTIL_THREAD(atomic_load(&a->go_on));
	return 0;
}

static int complete_it(void *f)
{
	return il_future_set_result(f, 0);
}

static void make_asker(struct asker *a)
{
	*a = (struct asker){.done = new_future()};
	for (int i = 0; i < LEVELS; i++) {
		a->levels[i] = new_future();
		CHECK_RC(il_future_on_done(a->levels[i], ask_from_below, a), 0);
	}
}

static void drop_asker(struct asker *a)
{
	for (int i = 0; i < LEVELS; i++)
		il_future_unref(a->levels[i]);
	il_future_unref(a->done);
}

IL_TEST_CORE(A, n9_a_callback_does_not_wait_for_those_that_another_thread_has_put_off)
{
	struct il_test_thread thread;
	struct asker a;

	make_asker(&a);
	CHECK_RC(il_future_set_result(a.done, 0), 0);
	il_test_thread_start(&thread, complete_it, a.levels[0]);
	UNTIL_THREAD(atomic_load(&a.put_off));
	CHECK_RC(il_future_on_done(a.done, trace, "at once"), 0);
	CHECK_TRACE("at once");
	atomic_store(&a.go_on, true);
	CHECK_RC(il_test_thread_join(&thread), 0);
	CHECK_TRACE("at once below above");
	drop_asker(&a);
}

IL_TEST_CORE(A, n9_callbacks_keep_their_order_where_another_thread_has_completed_the_future)
{
	struct il_test_thread thread;
	struct asker a;

	make_asker(&a);
	atomic_store(&a.go_on, true);
	il_test_thread_start(&thread, complete_it, a.done);
	CHECK_RC(il_test_thread_join(&thread), 0);
	CHECK_RC(il_future_set_result(a.levels[0], 0), 0);
	CHECK_TRACE("below above");
	drop_asker(&a);
}

/* ---- what a callback may not do ---- */

static int note_begun(void *arg)
{
	*(bool *)arg = true;
	return il_sleep(0);
}

static int run_a_loop(il_future *f, void *arg)
{
	(void)f;
	CHECK_RC(il_run(il_test_backend(), note_begun, arg), -EPERM);
	return 0;
}

/* It would wait, and so would its tasks. */
IL_TEST_OWN(A, a_callback_runs_no_loop)
{
	bool begun = false;
	il_future *f;

	CHECK_RC(il_future_create(&f), 0);
	CHECK_RC(il_future_on_done(f, run_a_loop, &begun), 0);
	CHECK_RC(il_future_set_result(f, 0), 0);
	CHECK(!begun);
	CHECK_RC(il_run(il_test_backend(), note_begun, &begun), 0);
	CHECK(begun);
	il_future_unref(f);
}

static int sleep_in_a_group(void *arg)
{
	il_group group;

	CHECK_RC(il_group_open(&group), 0);
	*(bool *)arg = true;
	CHECK_RC(il_group_close(&group, il_sleep_forever()), -ECANCELED);
	*(bool *)arg = false;
	return 0;
}

static int leave_a_sleeper(void *asleep)
{
	CHECK_RC(il_loop_spawn(il_loop_current(), NULL, sleep_in_a_group, asleep), 0);
	UNTIL(*(bool *)asleep);
	return 0;
}

struct closing {
	il_loop *loop;
	int rc;
};

static int close_a_loop(il_future *f, void *arg)
{
	const struct closing *c = arg;

	(void)f;
	CHECK_RC(il_loop_close(c->loop), c->rc);
	return 0;
}

static void close_in_a_callback(struct closing *c)
{
	il_future *f = new_future();

	CHECK_RC(il_future_on_done(f, close_a_loop, c), 0);
	CHECK_RC(il_future_set_result(f, 0), 0);
	il_future_unref(f);
}

/* Its tasks would have to end, and could not wait for what they began. */
IL_TEST_OWN(A, a_callback_closes_no_loop_that_has_tasks)
{
	struct closing c = {.rc = -EPERM};
	bool asleep = false;

	CHECK_RC(il_loop_open(&c.loop, il_test_backend(), NULL), 0);
	CHECK_RC(il_loop_run(c.loop, leave_a_sleeper, &asleep), 0);
	close_in_a_callback(&c);
	CHECK(asleep);
	CHECK_RC(il_loop_close(c.loop), 0);
	CHECK(!asleep);
	c.rc = 0;
	close_in_a_callback(&c);
	il_loop_destroy(c.loop);
	CHECK_RC(il_loop_open(&c.loop, il_test_backend(), NULL), 0);
	close_in_a_callback(&c);
	il_loop_destroy(c.loop);
}
