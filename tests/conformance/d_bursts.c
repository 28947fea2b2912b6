/*
 * d_bursts.c: many calls in one turn, of which a loop has as few workers woken and is woken as seldom as it can:
 * none of them waits for that.
 */
#include "l_net.h"

enum { SHORT_CALLS = 12, CREW = 8, CREW_ROUNDS = 20, FEW = 4 };

static int nothing(void *arg)
{
	(void)arg;
	return 0;
}

struct burst {
	il_executor *pool; /* NULL: il_run_in_thread */
	size_t finished;
	atomic_bool all_short_are_back;
	pthread_barrier_t crew;
};

static int call(struct burst *b, il_fn *fn, void *arg)
{
	return b->pool ? il_executor_run(b->pool, fn, arg, 0) : il_run_in_thread(fn, arg);
}

static int call_short(void *arg)
{
	struct burst *b = arg;

	CHECK_RC(call(b, nothing, NULL), 0);
	if (++b->finished == SHORT_CALLS)
		atomic_store(&b->all_short_are_back, true);
	return 0;
}

static int wait_for_the_short(void *arg) /* in a worker */
{
	UNTIL_THREAD(atomic_load(&((struct burst *)arg)->all_short_are_back));
	return 0;
}

static int call_long(void *arg)
{
	CHECK_RC(call(arg, wait_for_the_short, arg), 0);
	return 0;
}

/* One worker has the short ones, and then the long one, which ends when their results have come. */
static void run_burst(struct burst *b)
{
	il_group g;

	CHECK_RC(il_group_open(&g), 0);
	for (int i = 0; i < SHORT_CALLS; i++)
		CHECK_RC(il_group_start_soon(&g, NULL, call_short, b), 0);
	CHECK_RC(il_group_start_soon(&g, NULL, call_long, b), 0);
	CHECK_RC(il_group_close(&g, 0), 0);
}

IL_TEST_REAL(D, results_never_wait_for_the_call_after_them)
{
	const il_thread_pool_options options = {.max_workers = 1};

	for (size_t i = 0; i < il_test_rounds(20); i++) {
		struct burst b = {.finished = 0};
		CHECK_RC(il_thread_pool_create(&b.pool, &options), 0);
		run_burst(&b);
		run_burst(&(struct burst){.pool = b.pool}); /* its worker is there already */
		il_executor_destroy(b.pool);
	}
}

IL_TEST_REAL(D, results_never_wait_for_the_call_that_has_their_token)
{
	CHECK_RC(il_limiter_set_total(il_thread_limiter(), 1), 0);
	for (size_t i = 0; i < il_test_rounds(20); i++)
		run_burst(&(struct burst){.finished = 0});
}

static int meet(void *arg) /* in a worker: all of them at the same time */
{
	pthread_barrier_wait(&((struct burst *)arg)->crew);
	return 0;
}

static int call_to_meet(void *arg)
{
	for (int i = 0; i < CREW_ROUNDS; i++)
		CHECK_RC(call(arg, meet, arg), 0);
	return 0;
}

static void meet_often(struct burst *b)
{
	il_group g;

	CHECK_EQ(pthread_barrier_init(&b->crew, NULL, CREW), 0);
	CHECK_RC(il_group_open(&g), 0);
	for (int i = 0; i < CREW; i++)
		CHECK_RC(il_group_start_soon(&g, NULL, call_to_meet, b), 0);
	CHECK_RC(il_group_close(&g, 0), 0);
	pthread_barrier_destroy(&b->crew);
}

IL_TEST_REAL(D, every_call_of_a_turn_gets_a_worker_of_its_own)
{
	const il_thread_pool_options options = {.max_workers = CREW};
	struct burst b = {.finished = 0};

	CHECK_RC(il_thread_pool_create(&b.pool, &options), 0);
	meet_often(&b);
	il_executor_destroy(b.pool);
	b.pool = NULL;
	meet_often(&b);
}

static int yield_until_called(void *arg)
{
	while (!atomic_load((atomic_bool *)arg))
		CHECK_RC(il_yield(), 0);
	return 0;
}

static int set_flag(void *arg) /* in a worker */
{
	atomic_store((atomic_bool *)arg, true);
	return 0;
}

static int call_set_flag(void *arg)
{
	return il_run_in_thread(set_flag, arg);
}

IL_TEST_REAL(D, a_task_that_is_always_ready_keeps_no_call_from_its_worker)
{
	atomic_bool called;
	il_group g;

	atomic_init(&called, false);
	CHECK_RC(il_group_open(&g), 0);
	CHECK_RC(il_group_start_soon(&g, NULL, call_set_flag, &called), 0);
	CHECK_RC(il_group_start_soon(&g, NULL, yield_until_called, &called), 0);
	CHECK_RC(il_group_close(&g, 0), 0);
}

/* ---- a burst that takes long ---- */

struct burst_of {
	il_executor *pool;
	atomic_bool begun;
	uint64_t submitted; /* when the first one began */
};

static int look_at_submitted(void *arg) /* in a worker */
{
	struct burst_of *b = *(struct burst_of **)arg;
	il_executor_statistics s = {.submitted = 0};

	if (atomic_exchange(&b->begun, true))
		return 0;
	CHECK_RC(il_executor_get_statistics(b->pool, &s), 0);
	b->submitted = s.submitted;
	return 0;
}

/* Whether the first of so many begins while the others are submitted. */
static bool begins_early(size_t count, size_t size, bool copies)
{
	il_thread_pool_options options = {.max_workers = 1, .copy_args = copies};
	struct burst_of warm, *w = &warm, b, *at = &b;
	char *items = calloc(count, size);

	CHECK(items != NULL);
	CHECK_RC(il_thread_pool_create(&b.pool, &options), 0);
	warm.pool = b.pool;
	atomic_init(&warm.begun, false);
	atomic_init(&b.begun, false);
	CHECK_RC(il_executor_run(b.pool, look_at_submitted, &w, sizeof(void *)), 0);
	CHECK_RC(il_sleep(IL_MSEC(2)), 0); /* its worker sleeps */
	for (size_t i = 0; i < count; i++)
		memcpy(items + i * size, &at, sizeof(void *));
	CHECK_RC(il_executor_map(b.pool, look_at_submitted, items, count, size, NULL, IL_FOREVER),
		 0);
	il_executor_destroy(b.pool);
	free(items);
	return b.submitted < count;
}

IL_TEST_REAL(D, the_first_call_of_a_map_begins_while_it_submits_the_others)
{
	bool many = false, large = false;

	for (int i = 0; i < 5 && !(many && large); i++) {
		many = many || begins_early(il_test_rounds(50000), sizeof(void *), false);
		large = large || begins_early(200, 256 << 10, true);
	}
	CHECK(many);
	CHECK(large);
}

/* ---- a loop that does not come back in time ---- */

enum { CROWD = 16, HANDS = 4, YIELDS = 1000 }; /* more than go into a batch */

struct crowd {
	il_executor *pool;
	struct ends ends;
	il_time late;  /* how long a task keeps the loop from looking after them; 0: it does not */
	il_time limit; /* and how long then */
	atomic_int begun;
	atomic_bool over;
	bool met; /* all workers were at work meanwhile */
	int asked;
};

static int lend_a_hand(void *arg) /* in a worker: until all of them do */
{
	struct crowd *c = arg;

	atomic_fetch_add(&c->begun, 1);
	UNTIL_THREAD(atomic_load(&c->begun) >= HANDS || atomic_load(&c->over));
	return 0;
}

static void keep_batch(struct crowd *c, il_time duration)
{
	il_time limit = il_now() + duration;

	while (atomic_load(&c->begun) < HANDS && il_now() < limit)
		;
}

static int keep_the_loop(void *arg)
{
	struct crowd *c = arg;

	check_hears(c->ends.a, "go");
	if (c->late) {
		keep_batch(c, c->late);
		for (int i = 0; i < YIELDS; i++)
			CHECK_RC(il_yield(), 0);
	}
	keep_batch(c, c->limit);
	c->met = atomic_load(&c->begun) >= HANDS;
	atomic_store(&c->over, true);
	return 0;
}

static int ask_for_a_hand(void *arg)
{
	struct crowd *c = arg;

	if (++c->asked == CROWD)
		slip(c->ends.b, "go");
	return il_executor_run(c->pool, lend_a_hand, c, 0);
}

/* All ask in one turn, and in the next one a task keeps the loop. */
static bool keep_loop_from_crowd(il_executor *pool, il_time late, il_time limit)
{
	struct crowd c = {.pool = pool, .ends = ends_of(PAIR), .late = late, .limit = limit};
	il_group g;

	CHECK_RC(il_group_open(&g), 0);
	CHECK_RC(il_group_start_soon(&g, NULL, keep_the_loop, &c), 0);
	CHECK_RC(il_sleep(IL_MSEC(1)), 0); /* it waits now */
	for (int i = 0; i < CROWD; i++)
		CHECK_RC(il_group_start_soon(&g, NULL, ask_for_a_hand, &c), 0);
	CHECK_RC(il_group_close(&g, 0), 0);
	drop(&c.ends);
	return c.met;
}

/* When the turn begins it has seen to it that one worker comes, and would look again at its end. */
IL_TEST_REAL(D, a_loop_that_is_kept_from_its_calls_learns_to_leave_them_to_the_workers)
{
	const il_thread_pool_options options = {.max_workers = HANDS};
	const il_time limit = il_now() + il_test_patience();
	il_executor *pool;
	bool met = false;

	CHECK_RC(il_thread_pool_create(&pool, &options), 0);
	keep_loop_from_crowd(pool, 0, il_test_patience()); /* its workers start */
	while (!met && il_now() < limit) {
		CHECK_RC(il_sleep(IL_MSEC(50)), 0); /* it is trusted */
		keep_loop_from_crowd(pool, 0, IL_MSEC(3));
		met = keep_loop_from_crowd(pool, 0, IL_MSEC(200));
	}
	CHECK(met);
	il_executor_destroy(pool);
}

IL_TEST_REAL(D, a_loop_that_was_late_leaves_the_calls_it_looked_after_to_the_workers)
{
	const il_thread_pool_options options = {.max_workers = HANDS};
	il_executor *pool;

	CHECK_RC(il_thread_pool_create(&pool, &options), 0);
	keep_loop_from_crowd(pool, 0, il_test_patience()); /* its workers start */
	CHECK_RC(il_sleep(IL_MSEC(50)), 0);                /* it is trusted */
	CHECK(keep_loop_from_crowd(pool, IL_MSEC(3), il_test_patience()));
	il_executor_destroy(pool);
}

/* ---- the calls of others, while a loop does not come back ---- */

/* The first call ends when the last one has begun, and so does the task that holds the loop up. */
struct others {
	il_executor *pool;
	atomic_bool held_up, begun;
	bool in_time;
};

/* Nothing else runs in the thread meanwhile. */
static bool has_begun(struct others *o)
{
	const struct timespec a_moment = {.tv_nsec = 200000};
	il_time limit = il_now() + il_test_patience();

	while (!atomic_load(&o->begun) && il_now() < limit)
		nanosleep(&a_moment, NULL);
	return atomic_load(&o->begun);
}

static int wait_for_the_last(void *arg) /* in a worker */
{
	has_begun(arg);
	return 0;
}

static int call_the_first(void *arg)
{
	struct others *o = arg;

	return il_executor_run(o->pool, wait_for_the_last, o, 0);
}

static int call_the_last(void *arg)
{
	struct others *o = arg;

	return il_executor_run(o->pool, set_flag, &o->begun, 0);
}

static int call_in_passing(void *arg)
{
	struct others *o = arg;

	return il_executor_run(o->pool, nothing, NULL, 0);
}

static int hold_the_loop_up(void *arg)
{
	struct others *o = arg;

	atomic_store(&o->held_up, true);
	o->in_time = has_begun(o);
	return 0;
}

/* Both in one turn. */
static int run_both(il_fn *first, il_fn *second, struct others *o)
{
	il_group g;

	CHECK_RC(il_group_open(&g), 0);
	CHECK_RC(il_group_start_soon(&g, NULL, first, o), 0);
	CHECK_RC(il_group_start_soon(&g, NULL, second, o), 0);
	return il_group_close(&g, 0);
}

static int call_and_hold_up(void *arg)
{
	CHECK_RC(il_sleep(IL_MSEC(50)), 0); /* the workers sleep, and the loop is trusted */
	return run_both(call_in_passing, hold_the_loop_up, arg);
}

static il_executor *pool_with_sleepers(void)
{
	const il_thread_pool_options options = {.max_workers = HANDS};
	il_executor *pool;

	CHECK_RC(il_thread_pool_create(&pool, &options), 0);
	keep_loop_from_crowd(pool, 0, il_test_patience());
	CHECK_RC(il_sleep(IL_MSEC(50)), 0);
	return pool;
}

static int call_when_held_up(void *arg)
{
	struct others *o = arg;

	UNTIL_THREAD(atomic_load(&o->held_up));
	return call_the_last(o);
}

IL_TEST_REAL(D, a_plain_threads_call_finds_its_worker_while_a_loop_is_held_up)
{
	struct others o = {.pool = pool_with_sleepers()};
	struct il_test_thread thread;

	il_test_thread_start(&thread, call_when_held_up, &o);
	CHECK_RC(run_both(call_the_first, hold_the_loop_up, &o), 0);
	CHECK_RC(il_test_thread_join(&thread), 0);
	CHECK(o.in_time);
	il_executor_destroy(o.pool);
}

IL_TEST_REAL(D, a_loops_calls_find_their_workers_while_another_loop_is_held_up)
{
	struct others o = {.pool = pool_with_sleepers()};
	il_portal *other;
	il_future *f;

	CHECK_RC(il_blocking_portal_start(&other, il_test_backend(), NULL), 0);
	CHECK_RC(il_portal_run_coroutine_soon(other, &f, call_and_hold_up, &o), 0);
	UNTIL(atomic_load(&o.held_up));
	CHECK_RC(run_both(call_the_first, call_the_last, &o), 0);
	CHECK_RC(il_future_join(f), 0);
	CHECK(o.in_time);
	CHECK_RC(il_blocking_portal_stop(other), 0);
	il_executor_destroy(o.pool);
}

/* ---- calls that wait for those of the next turn ---- */

struct asked {
	struct ends ends;
	il_executor *pool;
};

static int call_when_asked(void *arg)
{
	const struct asked *a = arg;

	check_hears(a->ends.a, "go");
	return il_executor_run(a->pool, nothing, NULL, 0);
}

/* All in one turn, which descriptors have brought, and then nothing comes any more. */
static void call_few(il_executor *pool)
{
	struct asked asked[FEW];
	il_group g;

	CHECK_RC(il_group_open(&g), 0);
	for (int i = 0; i < FEW; i++) {
		asked[i] = (struct asked){.ends = ends_of(PAIR), .pool = pool};
		CHECK_RC(il_group_start_soon(&g, NULL, call_when_asked, &asked[i]), 0);
	}
	CHECK_RC(il_sleep(IL_MSEC(1)), 0); /* all wait now */
	for (int i = 0; i < FEW; i++)
		slip(asked[i].ends.b, "go");
	CHECK_RC(il_group_close(&g, 0), 0);
	for (int i = 0; i < FEW; i++)
		drop(&asked[i].ends);
}

/* After a wake-up that served many calls, a few wait for more to come, but not for long. */
IL_TEST_REAL(D, calls_do_not_wait_long_for_others_to_come)
{
	const il_thread_pool_options options = {.max_workers = 1};
	struct burst b = {.finished = 0};

	CHECK_RC(il_thread_pool_create(&b.pool, &options), 0);
	for (size_t i = 0; i < il_test_rounds(20); i++) {
		il_group g;
		CHECK_RC(il_group_open(&g), 0);
		for (int n = 0; n < SHORT_CALLS; n++)
			CHECK_RC(il_group_start_soon(&g, NULL, call_short, &b), 0);
		CHECK_RC(il_group_close(&g, 0), 0);
		call_few(b.pool);
	}
	il_executor_destroy(b.pool);
}
