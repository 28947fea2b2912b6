/*
 * b_thread_executor.c: the thread pool: every call accepted finishes once, in the thread named, whatever
 * is cancelled or shut down meanwhile. Most rules hold without any loop.
 */
#define _GNU_SOURCE
#define EXECUTOR_GROUP B
#include "executor_rules.h"

#include <semaphore.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

IL_TEST_CORE(B, n26_a_negative_number_of_workers_is_refused)
{
	il_thread_pool_options negative = {.max_workers = -1}, idle = {.idle_timeout = -1};
	il_executor *ex = NULL;

	CHECK_RC(il_thread_pool_create(&ex, &negative), -EINVAL);
	CHECK_RC(il_thread_pool_create(&ex, &idle), -EINVAL);
	CHECK_RC(il_thread_pool_create(NULL, NULL), -EINVAL);
	CHECK(ex == NULL);
}

static int default_workers(void)
{
	return il_processor_count() + 4 < 32 ? il_processor_count() + 4 : 32;
}

IL_TEST_CORE(B, n26_by_default_there_are_four_more_than_processors)
{
	struct gate g = {.result = 0};
	int before = count_threads(), workers = default_workers();
	il_executor *ex = NULL;

	CHECK_RC(il_thread_pool_create(&ex, NULL), 0);
	CHECK_EQ(count_threads(), before);
	for (int i = 0; i < workers + 10; i++)
		CHECK_RC(il_executor_submit(ex, NULL, stay, &g, 0), 0);
	UNTIL(atomic_load(&g.begun) == workers);
	CHECK_EQ(count_threads(), before + workers);
	atomic_store(&g.open, true);
	il_executor_destroy(ex);
	CHECK_EQ(g.ended, workers + 10);
}

struct saturation {
	sem_t permits;
	atomic_int begun, ended;
};

static int wait_for_permit(void *arg)
{
	struct saturation *s = arg;

	atomic_fetch_add(&s->begun, 1);
	CHECK_EQ(sem_wait(&s->permits), 0);
	atomic_fetch_add(&s->ended, 1);
	return 0;
}

IL_TEST_CORE(B, n27_four_workers_are_four_threads)
{
	enum { JOBS = 60, WORKERS = 4 };
	struct saturation s = {.begun = 0};
	il_executor *ex = new_pool(WORKERS);
	int before = count_threads();

	CHECK_EQ(sem_init(&s.permits, 0, 0), 0);
	for (int i = 0; i < JOBS; i++)
		CHECK_RC(il_executor_submit(ex, NULL, wait_for_permit, &s, 0), 0);
	UNTIL(atomic_load(&s.begun) == WORKERS);
	CHECK_EQ(count_threads(), before + WORKERS);
	CHECK_EQ(s.begun, WORKERS);
	for (int i = 0; i < JOBS; i++)
		CHECK_EQ(sem_post(&s.permits), 0);
	CHECK_RC(il_executor_shutdown(ex, 0), 0);
	CHECK_EQ(s.ended, JOBS);
	il_executor_unref(ex);
	CHECK_EQ(sem_destroy(&s.permits), 0);
}

/* ---- results ---- */

struct knows_its_future {
	il_future *f;
	int value;
};

static int ask_own_future(void *arg)
{
	struct knows_its_future *k = arg;

	k->value = 1;
	return il_future_running(k->f) && !il_future_cancelled(k->f) ? 1 : -ENOENT;
}

/* A copy comes back into the argument while the call ends: the future is looked for after that. */
static void know_own_future(bool copy_args)
{
	il_thread_pool_options o = {.max_workers = 1, .copy_args = copy_args};
	struct knows_its_future k = {.f = NULL};
	il_executor *ex = NULL;

	CHECK_RC(il_thread_pool_create(&ex, &o), 0);
	CHECK_RC(il_executor_submit(ex, &k.f, ask_own_future, &k, sizeof k), 0);
	CHECK_RC(il_executor_shutdown(ex, 0), 0);
	CHECK_RC(il_future_result(k.f, 0), 1);
	CHECK_EQ(k.value, 1);
	il_future_unref(k.f);
	k.f = NULL;
	CHECK_RC(il_executor_submit(ex, &k.f, ask_own_future, &k, sizeof k), -ESHUTDOWN);
	CHECK(k.f == NULL);
	il_executor_unref(ex);
}

IL_TEST_CORE(B, n30_a_call_finds_its_own_future_in_its_argument)
{
	for (int i = 0; i < 20; i++) {
		know_own_future(false);
		know_own_future(true);
	}
}

/* ---- workers and their own pool ---- */

struct inside {
	il_executor *ex;
	struct gate g;
	atomic_int ran;
	int waiting, in_callback;
};

static int shut_down_own_pool(void *arg)
{
	struct inside *i = arg;

	i->waiting = il_executor_shutdown(i->ex, 0);
	return 0;
}

static int shut_down_in_callback(il_future *f, void *arg)
{
	struct inside *i = arg;

	(void)f;
	i->in_callback = il_executor_shutdown(i->ex, 0);
	return 0;
}

static int stay_and_note(void *arg)
{
	return stay(&((struct inside *)arg)->g);
}

IL_TEST_CORE(B, n40_a_worker_cannot_wait_for_its_own_pool)
{
	struct inside i = {.ex = new_pool(2)};

	CHECK_RC(finished(submitted(i.ex, shut_down_own_pool, &i)), 0);
	CHECK_RC(i.waiting, -EDEADLK);
	il_future *f = submitted(i.ex, stay_and_note, &i);
	CHECK_RC(il_future_on_done(f, shut_down_in_callback, &i), 0);
	atomic_store(&i.g.open, true);
	/* Refused, it changed nothing: the pool is open. */
	CHECK_RC(finished(submitted(i.ex, count_in, &i.ran)), 0);
	CHECK_RC(il_executor_shutdown(i.ex, 0), 0);
	CHECK_RC(finished(f), 0);
	CHECK_RC(i.in_callback, -EDEADLK);
	il_executor_unref(i.ex);
}

static int wait_for_the_second(void *arg)
{
	struct inside *i = arg;
	il_future *f = submitted(i->ex, count_in, &i->ran), *both[2] = {f, f};
	il_as_completed *it = NULL;
	il_time start = il_now();
	int value = 1;

	CHECK_RC(il_future_result(f, IL_MSEC(20)), -ETIMEDOUT);
	CHECK(il_now() - start >= IL_MSEC(20));
	CHECK_RC(il_future_wait(f, IL_FOREVER), -EDEADLK);
	CHECK_RC(il_future_result(f, IL_FOREVER), -EDEADLK);
	CHECK_RC(il_futures_wait(both, 2, IL_ALL_COMPLETED, IL_FOREVER), -EDEADLK);
	CHECK_RC(il_futures_wait(both, 2, IL_FIRST_COMPLETED, IL_FOREVER), -EDEADLK);
	CHECK_RC(il_futures_wait(both, 2, IL_ALL_COMPLETED, IL_MSEC(1)), 0);
	CHECK_RC(il_as_completed_open(&it, both, 2, IL_FOREVER), 0);
	CHECK_RC(il_as_completed_next(it, &both[0]), -EDEADLK);
	il_as_completed_close(it);
	CHECK_RC(il_executor_run(i->ex, count_in, &i->ran, 0), -EDEADLK);
	CHECK_RC(il_executor_map(i->ex, double_it, &value, 1, sizeof value, NULL, IL_FOREVER),
		 -EDEADLK);
	CHECK_EQ(i->ran, 0);
	il_future_unref(f);
	return 8;
}

IL_TEST_CORE(B, n41_a_worker_cannot_wait_for_what_is_queued_behind_it)
{
	struct inside i = {.ex = new_pool(1)};

	CHECK_RC(il_executor_run(i.ex, wait_for_the_second, &i, sizeof i), 8);
	CHECK_RC(il_executor_shutdown(i.ex, 0), 0);
	CHECK_EQ(i.ran, 1);
	il_executor_unref(i.ex);
}

static int map_in_the_only_worker(void *ex)
{
	map_without_waiting(ex);
	return 0;
}

IL_TEST_CORE(B, n34_map_without_time_may_be_called_by_a_pools_only_worker)
{
	il_executor *ex = new_pool(1);

	CHECK_RC(il_executor_run(ex, map_in_the_only_worker, ex, 0), 0);
	il_executor_destroy(ex);
}

/* ---- names ---- */

enum { NAMED = 5 };

struct names {
	struct gate g;
	pthread_mutex_t lock;
	int count;
	char names[NAMED][16];
};

static int note_name(void *arg)
{
	struct names *n = arg;

	pthread_mutex_lock(&n->lock);
	CHECK_EQ(pthread_getname_np(pthread_self(), n->names[n->count++], 16), 0);
	pthread_mutex_unlock(&n->lock);
	return stay(&n->g);
}

/* The names of that many workers, in order. */
static void name_workers(struct names *n, const char *prefix, int workers)
{
	il_thread_pool_options options = {.max_workers = workers, .name = prefix};
	il_executor *ex = NULL;

	*n = (struct names){.lock = PTHREAD_MUTEX_INITIALIZER};
	CHECK_RC(il_thread_pool_create(&ex, &options), 0);
	for (int i = 0; i < workers; i++)
		CHECK_RC(il_executor_submit(ex, NULL, note_name, n, 0), 0);
	UNTIL(atomic_load(&n->g.begun) == workers);
	atomic_store(&n->g.open, true);
	il_executor_destroy(ex);
	qsort(n->names, (size_t)workers, sizeof n->names[0],
	      (int (*)(const void *, const void *))strcmp);
}

IL_TEST_CORE(B, n42_workers_are_named_and_numbered)
{
	struct names n, other;
	char expected[32];

	name_workers(&n, "SpecialPool", NAMED);
	for (int i = 0; i < NAMED; i++) {
		snprintf(expected, sizeof expected, "SpecialPool_%d", i);
		CHECK_STR(n.names[i], expected);
	}
	name_workers(&n, "ThirteenChars", 2);
	CHECK_STR(n.names[1], "ThirteenChars_1");
	name_workers(&n, "a name that is far too long", 1);
	CHECK_STR(n.names[0], "a name that is ");
	name_workers(&n, NULL, 1);
	name_workers(&other, NULL, 1);
	CHECK(strcmp(n.names[0], other.names[0]) != 0);
}

static int read_name(void *arg)
{
	return -pthread_getname_np(pthread_self(), arg, 16);
}

IL_TEST(B, n42_a_name_for_one_call_is_put_back)
{
	char before[16], during[16], after[16];
	il_run_in_thread_options options = {.name = "a name for one call"};

	CHECK_RC(il_run_in_thread(read_name, before), 0);
	CHECK_RC(il_run_in_thread_with(read_name, during, &options), 0);
	CHECK_RC(il_run_in_thread(read_name, after), 0);
	CHECK_STR(during, "a name for one ");
	CHECK_STR(after, before);
}

/* ---- a pool that cannot begin ---- */

enum { FAILING = 3 };

struct initializer {
	atomic_int begun, go;
	int calls_queued;
};

/* All fail at the same time, once the test lets them. */
static int fail_together(void *arg)
{
	struct initializer *i = arg;

	atomic_fetch_add(&i->begun, 1);
	UNTIL_THREAD(atomic_load(&i->go));
	return -EIO;
}

static void check_explained(void)
{
	CHECK(strstr(il_error_detail(), "EIO"));
	CHECK(strstr(il_error_detail(), il_strerror(-EIO)));
	CHECK_RC(il_executor_submit(NULL, NULL, NULL, NULL, 0), -EINVAL); /* says something else */
	CHECK(!strstr(il_error_detail(), "EIO"));
}

static void break_a_pool(void)
{
	struct initializer init = {.begun = 0};
	il_thread_pool_options options = {
	    .max_workers = FAILING, .initializer = fail_together, .initializer_arg = &init};
	il_executor *ex = NULL;
	il_future *fs[6], *none = NULL;
	atomic_int ran = 0, owned = 0, items[2];

	CHECK_RC(il_thread_pool_create(&ex, &options), 0);
	for (int i = 0; i < 6; i++)
		fs[i] = submitted(ex, count_in, &ran);
	CHECK_RC(il_executor_submit(ex, NULL, count_in, &owned, 0), 0);
	UNTIL_THREAD(atomic_load(&init.begun) == FAILING);
	atomic_store(&init.go, 1);
	for (int i = 0; i < 6; i++) {
		CHECK_RC(finished(fs[i]), -ENOTRECOVERABLE);
		check_explained();
	}
	CHECK_RC(il_executor_submit(ex, &none, count_in, &ran, 0), -ENOTRECOVERABLE);
	check_explained();
	CHECK_RC(il_executor_run(ex, count_in, &ran, 0), -ENOTRECOVERABLE);
	check_explained();
	CHECK_RC(il_executor_map(ex, count_in, items, 2, sizeof *items, NULL, IL_FOREVER),
		 -ENOTRECOVERABLE);
	check_explained();
	CHECK_RC(il_executor_shutdown(ex, 0), 0);
	CHECK_RC(il_executor_submit(ex, &none, count_in, &ran, 0), -ENOTRECOVERABLE);
	check_explained();
	CHECK_EQ(ran, 0);
	CHECK_EQ(owned, 1); /* without a future it is called exactly once, whatever breaks */
	CHECK_LOGGED(IL_LOG_ERROR, "initializer", 1);
	CHECK_EQ(il_test_logged(IL_LOG_ERROR, "") + il_test_logged(IL_LOG_WARNING, ""), 1);
	il_executor_unref(ex);
}

static int fail_at_once(void *arg)
{
	(void)arg;
	return -EIO;
}

/* The call that made the first worker begin hears why, too. */
static void break_at_the_first_call(void)
{
	il_executor *ex = NULL;
	atomic_int items[3];

	for (int maps = 0; maps < 2; maps++) {
		CHECK_RC(il_thread_pool_create(
			     &ex, &(il_thread_pool_options){.initializer = fail_at_once}),
			 0);
		CHECK_RC(
		    maps ? il_executor_map(ex, count_in, items, 3, sizeof *items, NULL, IL_FOREVER)
			 : il_executor_run(ex, count_in, items, 0),
		    -ENOTRECOVERABLE);
		check_explained();
		il_executor_destroy(ex);
	}
}

IL_TEST_CORE(B, n44_the_first_call_gets_the_error_of_the_initializer)
{
	break_at_the_first_call();
}

IL_TEST(B, n44_a_tasks_first_call_gets_the_error_of_the_initializer)
{
	break_at_the_first_call();
}

static int lack_a_licence(void *arg)
{
	(void)arg;
	return il_fail(-EACCES, "no licence for %d machines", 3);
}

IL_TEST_CORE(B, n44_what_an_initializer_says_is_told_to_the_calls)
{
	const il_thread_pool_options options = {.initializer = lack_a_licence};
	il_executor *ex = NULL;
	atomic_int ran = 0;

	CHECK_RC(il_thread_pool_create(&ex, &options), 0);
	for (int i = 0; i < 2; i++) {
		CHECK_RC(il_executor_run(ex, count_in, &ran, 0), -ENOTRECOVERABLE);
		CHECK_DETAIL("EACCES (no licence for 3 machines)");
	}
	CHECK_LOGGED(IL_LOG_ERROR, "no licence for 3 machines", 1);
	il_executor_destroy(ex);
}

IL_TEST_CORE(B, n44_a_failed_initializer_breaks_the_pool)
{
	break_a_pool();
}

IL_TEST(B, n44_a_failed_initializer_breaks_the_pool_for_a_task)
{
	break_a_pool();
}

/* ---- idle workers ---- */

static void count_start(int index, void *arg)
{
	(void)index;
	atomic_fetch_add((atomic_int *)arg, 1);
}

IL_TEST_CORE(B, n45_an_idle_worker_ends_by_itself)
{
	atomic_int started = 0, ran = 0;
	il_thread_pool_options options = {.idle_timeout = IL_MSEC(1),
					  .on_thread_start = count_start,
					  .on_thread_start_arg = &started};
	int before = count_threads();
	il_executor *ex = NULL;

	CHECK_RC(il_thread_pool_create(&ex, &options), 0);
	for (int i = 1; i <= 3; i++) {
		CHECK_RC(finished(submitted(ex, count_in, &ran)), 0);
		UNTIL(count_threads() == before);
		CHECK_EQ(started, i);
		CHECK_EQ(ran, i);
	}
	il_executor_destroy(ex);
}

IL_TEST_CORE(B, n46_a_call_at_the_end_of_the_idle_time_runs_once)
{
	enum { ROUNDS = 600 };
	static atomic_int ran[ROUNDS];
	il_thread_pool_options options = {.max_workers = 2, .idle_timeout = IL_USEC(60)};
	size_t rounds = il_test_rounds(ROUNDS);
	il_executor *ex = NULL;

	CHECK_RC(il_thread_pool_create(&ex, &options), 0);
	for (size_t i = 0; i < rounds; i++) {
		atomic_store(&ran[i], 0);
		CHECK_RC(il_executor_run(ex, count_in, &ran[i], sizeof ran[i]), 0);
		for (volatile size_t spin = 0; spin < 400 * (i % 40); spin++)
			;
	}
	il_executor_destroy(ex);
	for (size_t i = 0; i < rounds; i++)
		CHECK_EQ(ran[i], 1);
}

enum { CHAIN = 5 };

struct chain {
	il_executor *ex;
	struct gate g; /* holds the first link until its callback is there */
	pthread_t threads[CHAIN];
	atomic_int length;
};

static int link_on(void *arg)
{
	struct chain *c = arg;
	int length = atomic_load(&c->length);

	if (length == 0)
		stay(&c->g);
	c->threads[length] = pthread_self();
	return 0;
}

static int submit_next_link(il_future *f, void *arg)
{
	struct chain *c = arg;

	(void)f;
	if (atomic_fetch_add(&c->length, 1) + 1 < CHAIN) {
		il_future *next = submitted(c->ex, link_on, c);
		CHECK_RC(il_future_on_done(next, submit_next_link, c), 0);
		il_future_unref(next);
	}
	return 0;
}

IL_TEST_CORE(B, n47_a_chain_of_callbacks_stays_in_one_thread)
{
	struct chain c = {.ex = new_pool(3)};
	struct gate all = {.result = 0};
	il_future *fs[3], *first;

	for (int i = 0; i < 3; i++)
		fs[i] = occupy(c.ex, &all);
	atomic_store(&all.open, true);
	for (int i = 0; i < 3; i++)
		CHECK_RC(finished(fs[i]), 0);
	first = submitted(c.ex, link_on, &c);
	CHECK_RC(il_future_on_done(first, submit_next_link, &c), 0);
	atomic_store(&c.g.open, true);
	il_future_unref(first);
	UNTIL(atomic_load(&c.length) == CHAIN);
	for (int i = 1; i < CHAIN; i++)
		CHECK(pthread_equal(c.threads[i], c.threads[0]));
	il_executor_destroy(c.ex);
}

struct slow_callback {
	struct gate first,
	    other; /* of the call that is called back for, and of one in the other worker */
	atomic_bool begun;
	atomic_int served; /* calls, meanwhile */
	bool seen;
};

static int take_long(il_future *f, void *arg)
{
	struct slow_callback *s = arg;
	const il_time limit = il_now() + il_test_patience();

	(void)f;
	atomic_store(&s->other.open, true);
	atomic_store(&s->begun, true);
	while (!atomic_load(&s->served) && il_now() < limit)
		il_test_pause_really();
	s->seen = atomic_load(&s->served);
	return 0;
}

/* A pool of two, both of which have come. */
static il_executor *open_two_with_callback(struct slow_callback *s, il_future *fs[2])
{
	il_executor *ex = new_pool(2);

	*s = (struct slow_callback){.seen = false};
	fs[0] = occupy(ex, &s->first);
	fs[1] = occupy(ex, &s->other);
	CHECK_RC(il_future_on_done(fs[0], take_long, s), 0);
	return ex;
}

IL_TEST_CORE(B, a_callback_that_takes_long_holds_up_no_call_of_others)
{
	struct slow_callback s;
	il_future *fs[2];
	il_executor *ex = open_two_with_callback(&s, fs);

	atomic_store(&s.other.open, true);
	CHECK_RC(finished(fs[1]), 0);
	atomic_store(&s.first.open, true);
	UNTIL_THREAD(atomic_load(&s.begun));
	CHECK_RC(finished(submitted(ex, count_in, &s.served)), 0);
	CHECK_RC(il_executor_run(ex, count_in, &s.served, 0), 0);
	il_future_unref(fs[0]);
	il_executor_destroy(ex);
	CHECK(s.seen);
}

struct follow {
	il_executor *ex;
	struct gate gate; /* of the call that the callback submits */
	struct slow_callback slow;
	il_future *next;
};

static int submit_and_take_long(il_future *f, void *arg)
{
	struct follow *w = arg;

	w->next = submitted(w->ex, stay, &w->gate);
	return take_long(f, &w->slow);
}

/* A worker is made for the second call and takes the first, whose own worker is not back. */
IL_TEST_CORE(B, a_callback_that_has_submitted_a_call_and_takes_long_holds_up_no_other)
{
	struct follow w = {.ex = new_pool(4)};
	il_future *f = occupy(w.ex, &w.slow.first);

	CHECK_RC(il_future_on_done(f, submit_and_take_long, &w), 0);
	atomic_store(&w.slow.first.open, true);
	UNTIL_THREAD(atomic_load(&w.slow.begun));
	CHECK_RC(finished(submitted(w.ex, count_in, &w.slow.served)), 0);
	atomic_store(&w.gate.open, true);
	CHECK_RC(finished(w.next), 0);
	il_future_unref(f);
	il_executor_destroy(w.ex);
	CHECK(w.slow.seen);
}

IL_TEST_CORE(B, a_callback_that_takes_long_holds_up_no_call_that_is_queued)
{
	struct slow_callback s;
	il_future *fs[2], *queued;
	il_executor *ex = open_two_with_callback(&s, fs);

	queued = submitted(ex, count_in, &s.served);
	atomic_store(&s.first.open, true);
	CHECK_RC(finished(queued), 0);
	CHECK_RC(finished(fs[1]), 0);
	il_future_unref(fs[0]);
	il_executor_destroy(ex);
	CHECK(s.seen);
}

/* ---- fork ---- */

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ALLOCATOR_BREAKS_IN_A_CHILD 1 /* whose locks another thread may have held */
#endif
#endif
#ifndef ALLOCATOR_BREAKS_IN_A_CHILD
#define ALLOCATOR_BREAKS_IN_A_CHILD 0
#endif

/* In the child, which only says how it went: 0 is well. */
static int use_after_fork(il_executor *inherited, il_future *pending, bool quiet)
{
	atomic_int ran = 0;
	il_future *f = NULL;
	il_executor *ex = NULL;

	alarm(20);
	if (il_executor_submit(inherited, &f, count_in, &ran, 0) != -ESHUTDOWN || f)
		return 1;
	if (il_executor_run(inherited, count_in, &ran, 0) != -ESHUTDOWN ||
	    il_executor_map(inherited, count_in, &ran, 1, 0, NULL, IL_FOREVER) != -ESHUTDOWN)
		return 2;
	if (il_executor_shutdown(inherited, 0) != -ESHUTDOWN)
		return 3;
	if (pending && il_future_wait(pending, IL_FOREVER) != -ESHUTDOWN)
		return 4;
	il_executor_unref(inherited);
	if (IL_TEST_TSAN || (!quiet && ALLOCATOR_BREAKS_IN_A_CHILD))
		return 0; /* TSan allows no thread in a child */
	if (il_thread_pool_create(&ex, NULL) < 0 || il_executor_run(ex, count_in, &ran, 0) < 0)
		return 5;
	il_executor_destroy(ex);
	return atomic_load(&ran) == 1 ? 0 : 6;
}

/* quiet: the other threads do nothing meanwhile. */
static int fork_and_use(il_executor *ex, il_future *pending, bool quiet)
{
	pid_t child = fork();
	int status = -1;

	if (child == 0)
		_exit(use_after_fork(ex, pending, quiet));
	CHECK(child > 0);
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK(WIFEXITED(status));
	return WEXITSTATUS(status);
}

IL_TEST_CORE(B, n49_after_fork_the_child_makes_pools_of_its_own)
{
	il_executor *ex = new_pool(2);
	struct gate g = {.result = 6};
	il_future *busy;
	atomic_int ran = 0;

	CHECK_RC(finished(submitted(ex, count_in, &ran)), 0);
	busy = occupy(ex, &g);
	CHECK_EQ(fork_and_use(ex, busy, true), 0);
	CHECK_RC(finished(submitted(ex, count_in, &ran)), 0);
	CHECK_EQ(ran, 2);
	atomic_store(&g.open, true);
	CHECK_RC(finished(busy), 6);
	il_executor_destroy(ex);
}

struct submitter {
	il_executor *ex;
	atomic_bool over;
	atomic_int ran;
	int accepted;
};

static int submit_all_the_time(void *arg)
{
	struct submitter *s = arg;

	for (; !atomic_load(&s->over); s->accepted++)
		CHECK_RC(il_executor_run(s->ex, count_in, &s->ran, 0), 0);
	return 0;
}

IL_TEST_CORE(B, n49_forks_amid_submits_do_not_hang)
{
	struct submitter s = {.ex = new_pool(2)};
	struct il_test_thread t;

	il_test_thread_start(&t, submit_all_the_time, &s);
	for (size_t i = 0; i < il_test_rounds(50); i++)
		CHECK_EQ(fork_and_use(s.ex, NULL, false), 0);
	atomic_store(&s.over, true);
	CHECK_RC(il_test_thread_join(&t), 0);
	CHECK_EQ(s.ran, s.accepted);
	il_executor_destroy(s.ex);
}

/* ---- task-locals ---- */

static il_local colour = {"colour"};

struct seen {
	struct gate g;
	const void *value;
};

static int see_and_set(void *arg)
{
	struct seen *s = arg;

	stay(&s->g);
	s->value = il_local_get(&colour);
	CHECK_RC(il_local_set(&colour, "of the worker"), 0);
	return 0;
}

static const char red[] = "red", blue[] = "blue";

static const char *see_through(const il_thread_pool_options *options)
{
	struct seen s = {.value = "not seen"};
	il_executor *ex = NULL;
	il_future *f;

	CHECK_RC(il_thread_pool_create(&ex, options), 0);
	CHECK_RC(il_local_set(&colour, (void *)(uintptr_t)red), 0);
	f = submitted(ex, see_and_set, &s);
	CHECK_RC(il_local_set(&colour, (void *)(uintptr_t)blue), 0);
	atomic_store(&s.g.open, true);
	CHECK_RC(finished(f), 0);
	CHECK(il_local_get(&colour) == blue);
	const char *first = s.value;
	CHECK_RC(il_local_set(&colour, NULL), 0);
	CHECK_RC(il_executor_run(ex, see_and_set, &s, sizeof s), 0);
	CHECK(s.value == NULL); /* the worker kept nothing */
	CHECK(il_local_get(&colour) == NULL);
	il_executor_destroy(ex);
	return first;
}

IL_TEST(B, n54_a_worker_sees_the_locals_of_the_moment_of_submit)
{
	il_thread_pool_options with = {.max_workers = 1}, without = with;

	without.without_locals = true;
	CHECK(see_through(&with) == red);
	CHECK(see_through(&without) == NULL);
}

/* ---- the loop's own threads at its end ---- */

struct left_behind {
	struct gate g;
	il_scope scope;
	atomic_bool released;
};

static void note_release(void *arg)
{
	atomic_store(&((struct left_behind *)arg)->released, true);
}

static int stay_behind(void *arg)
{
	return stay(&((struct left_behind *)arg)->g);
}

static int abandon_in_scope(void *arg)
{
	struct left_behind *l = arg;
	bool abandoned = false;
	il_run_in_thread_options options = {
	    .abandon_on_cancel = true, .release = note_release, .abandoned = &abandoned};

	CHECK_RC(il_scope_enter(&l->scope, IL_FOREVER, 0), 0);
	CHECK_RC(il_run_in_thread_with(stay_behind, l, &options), -ECANCELED);
	CHECK(abandoned);
	return il_scope_exit(&l->scope, -ECANCELED);
}

static int leave_a_thread_behind(void *arg)
{
	struct left_behind *l = arg;
	il_group g;

	CHECK_RC(il_group_open(&g), 0);
	CHECK_RC(il_group_start_soon(&g, NULL, abandon_in_scope, l), 0);
	UNTIL_THREAD(atomic_load(&l->g.begun) == 1);
	CHECK_RC(il_scope_cancel(&l->scope), 0);
	return il_group_close(&g, 0);
}

static void close_with_timeout(il_time timeout, int expected)
{
	struct left_behind l = {.scope = IL_SCOPE_INIT};
	il_loop_options options = {.shutdown_timeout = timeout};
	il_time start = il_now();
	il_loop *loop = NULL;

	CHECK_RC(il_loop_open(&loop, il_test_backend(), &options), 0);
	CHECK_RC(il_loop_run(loop, leave_a_thread_behind, &l), 0);
	CHECK_RC(il_loop_close(loop), expected);
	CHECK(il_now() - start >= timeout);
	CHECK_EQ(l.g.ended, 0);
	il_loop_destroy(loop);
	atomic_store(&l.g.open, true);
	UNTIL(atomic_load(&l.released));
	CHECK_EQ(l.g.ended, 1);
}

IL_TEST_OWN(B, n55_closing_a_loop_leaves_a_longer_job_to_finish)
{
	close_with_timeout(IL_MSEC(20), -ETIMEDOUT);
	close_with_timeout(0, 0);
}

static int wait_for_other(void *arg)
{
	UNTIL_THREAD(atomic_load((atomic_int *)arg) > 0);
	return 0;
}

/* Two are idle, one was woken for the first call; the other's time is up just when the second counts on it. */
IL_TEST_CORE(B, no_call_waits_for_a_worker_that_has_left)
{
	il_thread_pool_options options = {.max_workers = 8, .idle_timeout = IL_MSEC(1)};
	il_executor *ex = NULL;

	CHECK_RC(il_thread_pool_create(&ex, &options), 0);
	for (size_t round = 0; round < il_test_rounds(200); round++) {
		atomic_int other = 0;
		il_future *first = submitted(ex, wait_for_other, &other);
		il_future *second = submitted(ex, count_in, &other);
		CHECK_RC(finished(first), 0);
		CHECK_RC(finished(second), 0);
		nanosleep(&(struct timespec){0, 850000 + 10000 * (long)(round % 40)}, NULL);
	}
	il_executor_destroy(ex);
}
