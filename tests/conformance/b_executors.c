/*
 * b_executors.c: what no number says about executors: the bound of the queue, shutdown that cancels, copied
 * arguments, executors of the user's own, and places that may not wait.
 */
#include "no_threads.h"

#define EXECUTOR_GROUP B
#include "executor_ends.h"

IL_TEST_CORE(B, what_is_missing_or_unknown_is_refused)
{
	il_executor *ex = new_pool(1);
	il_executor_ops none = {.name = "no submit"};
	atomic_int ran = 0;

	CHECK_RC(il_executor_submit(NULL, NULL, count_in, &ran, 0), -EINVAL);
	CHECK_RC(il_executor_submit(ex, NULL, NULL, &ran, 0), -EINVAL);
	CHECK_RC(il_executor_run(NULL, count_in, &ran, 0), -EINVAL);
	CHECK_RC(il_executor_map(ex, count_in, NULL, 1, 1, NULL, IL_FOREVER), -EINVAL);
	CHECK_RC(il_executor_map(ex, count_in, &ran, 1, sizeof ran, NULL, -1), -EINVAL);
	CHECK_RC(il_executor_map(ex, count_in, NULL, 0, 1, NULL, IL_FOREVER), 0);
	CHECK_RC(il_executor_shutdown(ex, 8), -EINVAL);
	CHECK_RC(il_executor_shutdown(NULL, 0), -EINVAL);
	CHECK_RC(il_executor_create(NULL, &none, NULL), -EINVAL);
	CHECK_RC(il_executor_create(&ex, &none, NULL), -EINVAL);
	il_executor_unref(NULL);
	il_executor_destroy(NULL);
	CHECK(il_executor_ref(ex) == ex);
	il_executor_unref(ex);
	il_executor_destroy(ex);
	CHECK_EQ(ran, 0);
}

/* ---- the queue's bound ---- */

static il_executor *bounded_pool(int workers, size_t limit)
{
	il_thread_pool_options options = {.max_workers = workers, .queue_limit = limit};
	il_executor *ex = NULL;

	CHECK_RC(il_thread_pool_create(&ex, &options), 0);
	return ex;
}

IL_TEST_CORE(B, the_queue_takes_exactly_its_limit)
{
	enum { WORKERS = 2, LIMIT = 3 };
	il_executor *ex = bounded_pool(WORKERS, LIMIT);
	struct gate g = {.result = 0};
	atomic_int refused = 0;
	il_future *f = NULL;

	/* Whether the workers have come yet or not makes no difference. */
	for (int i = 0; i < WORKERS + LIMIT; i++)
		CHECK_RC(il_executor_submit(ex, NULL, stay, &g, 0), 0);
	CHECK_RC(il_executor_submit(ex, &f, count_in, &refused, 0), -EAGAIN);
	CHECK(f == NULL);
	UNTIL(atomic_load(&g.begun) == WORKERS);
	CHECK_RC(il_executor_submit(ex, NULL, count_in, &refused, 0), -EAGAIN);
	atomic_store(&g.open, true);
	UNTIL(atomic_load(&g.ended) == WORKERS + LIMIT);
	CHECK_EQ(refused, 0);
	CHECK_RC(finished(submitted(ex, count_in, &refused)), 0);
	il_executor_destroy(ex);
}

IL_TEST_CORE(B, each_call_that_begins_makes_room_for_one)
{
	il_executor *ex = bounded_pool(1, 1);
	struct gate g[4] = {{.result = 0}};

	CHECK_RC(il_executor_submit(ex, NULL, stay, &g[0], 0), 0);
	for (int i = 1; i < 4; i++) {
		UNTIL(atomic_load(&g[i - 1].begun));
		CHECK_RC(il_executor_submit(ex, NULL, stay, &g[i], 0), 0);
		CHECK_RC(il_executor_submit(ex, NULL, stay, &g[i], 0), -EAGAIN);
		atomic_store(&g[i - 1].open, true);
	}
	atomic_store(&g[3].open, true);
	il_executor_destroy(ex);
	CHECK_EQ(g[3].ended, 1);
}

IL_TEST_CORE(B, a_queue_without_a_limit_takes_all)
{
	il_executor *ex = bounded_pool(1, SIZE_MAX);
	struct gate g = {.result = 0};
	il_future *busy = occupy(ex, &g);
	atomic_int ran = 0;

	for (int i = 0; i < 70000; i++)
		CHECK_RC(il_executor_submit(ex, NULL, count_in, &ran, 0), 0);
	atomic_store(&g.open, true);
	CHECK_RC(finished(busy), 0);
	il_executor_destroy(ex);
	CHECK_EQ(ran, 70000);
}

static int open_when_full(void *arg)
{
	struct gate *g = arg;

	for (int i = 0; i < 5; i++)
		il_test_pause_really();
	atomic_store(&g->open, true);
	return 0;
}

static void run_while_full(void)
{
	il_executor *ex = bounded_pool(1, 1);
	struct gate g = {.result = 0};
	il_future *busy = occupy(ex, &g);
	atomic_int ran = 0, refused = 0;
	struct il_test_thread opener;

	CHECK_RC(il_executor_submit(ex, NULL, count_in, &ran, 0), 0);
	CHECK_RC(il_executor_submit(ex, NULL, count_in, &refused, 0), -EAGAIN);
	il_test_thread_start(&opener, open_when_full, &g);
	CHECK_RC(il_executor_run(ex, count_in, &ran, 0), 0);
	CHECK_EQ(ran, 2);
	CHECK_RC(il_test_thread_join(&opener), 0);
	CHECK_RC(finished(busy), 0);
	il_executor_destroy(ex);
	CHECK_EQ(refused, 0);
}

IL_TEST_CORE(B, a_call_that_waits_waits_for_room_too)
{
	run_while_full();
}

IL_TEST(B, a_tasks_call_waits_for_room_too)
{
	run_while_full();
}

/* ---- no thread to be had ---- */

IL_TEST_CORE(B, without_any_worker_the_call_is_refused)
{
	il_executor *ex = new_pool(2);
	atomic_int ran = 0;
	pthread_attr_t attr;
	il_future *f = NULL;

	forbid_threads(&attr);
	CHECK_RC(il_executor_submit(ex, &f, count_in, &ran, 0), NO_THREAD);
	CHECK_RC(il_executor_submit(ex, NULL, count_in, &ran, 0), NO_THREAD);
	CHECK_RC(il_executor_run(ex, count_in, &ran, 0), NO_THREAD);
	CHECK(f == NULL);
	allow_threads(&attr);
	CHECK_RC(il_executor_run(ex, count_in, &ran, 0), 0);
	il_executor_destroy(ex);
	CHECK_EQ(ran, 1);
}

IL_TEST_CORE(B, with_a_worker_the_call_waits_for_it)
{
	il_executor *ex = new_pool(2);
	struct gate g = {.result = 0};
	il_future *busy = occupy(ex, &g), *queued;
	atomic_int ran = 0;
	pthread_attr_t attr;

	forbid_threads(&attr);
	queued = submitted(ex, count_in, &ran);
	allow_threads(&attr);
	CHECK_EQ(ran, 0);
	atomic_store(&g.open, true);
	CHECK_RC(finished(queued), 0);
	CHECK_RC(finished(busy), 0);
	il_executor_destroy(ex);
}

/* ---- map that ends early ---- */

enum { ITEMS = 3 };

/* One worker, and a queue that is full once the other items wait in it. */
struct map {
	il_executor *ex;
	il_time timeout;
	il_scope scope;
	struct gate gates[ITEMS];
	int results[ITEMS], rc;
	atomic_bool over;
};

static void init_map(struct map *m, il_time timeout)
{
	*m = (struct map){
	    .ex = bounded_pool(1, ITEMS - 1), .timeout = timeout, .scope = IL_SCOPE_INIT};
	for (int i = 0; i < ITEMS; i++)
		m->gates[i].result = 70 + i;
}

static int run_map(void *arg)
{
	struct map *m = arg;

	m->rc = il_executor_map(m->ex, stay, m->gates, ITEMS, sizeof m->gates[0], m->results,
				m->timeout);
	atomic_store(&m->over, true);
	return 0;
}

/* What began was waited for; what had not begun never did. */
static void check_map(const struct map *m)
{
	for (int i = 0; i < ITEMS; i++) {
		CHECK_EQ(m->gates[i].ended, m->gates[i].begun);
		CHECK_RC(m->results[i], m->gates[i].begun ? 70 + i : -ECANCELED);
	}
}

static int open_after_the_timeout(void *arg)
{
	struct map *m = arg;
	il_time begin;

	UNTIL_THREAD(atomic_load(&m->gates[0].begun) || atomic_load(&m->over));
	begin = il_now();
	UNTIL_THREAD(il_now() - begin > 3 * m->timeout);
	for (int i = 0; i < ITEMS; i++)
		atomic_store(&m->gates[i].open, true);
	return 0;
}

/* On a busy machine nothing may have begun in time, or all may have ended: then it gets more. */
IL_TEST_CORE(B, map_out_of_time_waits_for_what_runs)
{
	bool seen = false;

	for (il_time timeout = IL_MSEC(4); !seen; timeout *= 2) {
		struct il_test_thread opener;
		struct map m;
		init_map(&m, timeout);
		il_test_thread_start(&opener, open_after_the_timeout, &m);
		CHECK_RC(run_map(&m), 0);
		CHECK_RC(il_test_thread_join(&opener), 0);
		check_map(&m);
		seen = m.gates[0].begun && !m.gates[1].begun;
		CHECK(!seen || m.rc == -ETIMEDOUT);
		il_executor_destroy(m.ex);
	}
}

static int run_map_in_scope(void *arg)
{
	struct map *m = arg;

	CHECK_RC(il_scope_enter(&m->scope, IL_FOREVER, 0), 0);
	CHECK_RC(run_map(m), 0);
	return il_scope_exit(&m->scope, m->rc == -ECANCELED ? m->rc : 0);
}

/* Once there is room in the queue the items that had not begun are gone; only then the first one ends. */
static void open_when_the_rest_is_gone(struct map *m)
{
	atomic_int ran = 0;
	il_future *f = NULL;

	UNTIL_THREAD(il_executor_submit(m->ex, &f, count_in, &ran, 0) == 0);
	atomic_store(&m->gates[0].open, true);
	CHECK_RC(finished(f), 0);
}

IL_TEST_REAL(B, a_tasks_map_out_of_time_waits_for_what_runs)
{
	bool begun = false;

	for (il_time timeout = IL_MSEC(4); !begun; timeout *= 2) {
		struct map m;
		il_group g;
		init_map(&m, timeout);
		CHECK_RC(il_group_open(&g), 0);
		CHECK_RC(il_group_start_soon(&g, NULL, run_map_in_scope, &m), 0);
		UNTIL_THREAD(atomic_load(&m.gates[0].begun) || atomic_load(&m.over));
		open_when_the_rest_is_gone(&m);
		CHECK_RC(il_group_close(&g, 0), 0);
		check_map(&m);
		CHECK_RC(m.rc, -ETIMEDOUT);
		CHECK_EQ(m.gates[1].begun, 0);
		begun = m.gates[0].begun;
		il_executor_destroy(m.ex);
	}
}

IL_TEST(B, a_cancelled_map_waits_for_what_runs)
{
	struct map m;
	il_group g;

	init_map(&m, IL_FOREVER);
	CHECK_RC(il_group_open(&g), 0);
	CHECK_RC(il_group_start_soon(&g, NULL, run_map_in_scope, &m), 0);
	UNTIL_THREAD(atomic_load(&m.gates[0].begun) == 1);
	CHECK_RC(il_scope_cancel(&m.scope), 0);
	open_when_the_rest_is_gone(&m);
	CHECK_RC(il_group_close(&g, 0), 0);
	check_map(&m);
	CHECK_RC(m.rc, -ECANCELED);
	CHECK_EQ(m.gates[1].begun, 0);
	CHECK(il_scope_caught(&m.scope));
	il_executor_destroy(m.ex);
}

/* ---- copied arguments ---- */

struct pair {
	int in, out;
	const void *address;
};

static int fill_in(void *arg)
{
	struct pair *p = arg;

	p->out = 2 * p->in;
	p->address = p;
	return p->in < 0 ? -EIO : p->out;
}

static il_executor *copying_pool(void)
{
	il_thread_pool_options options = {.max_workers = 1, .copy_args = true};
	il_executor *ex = NULL;

	CHECK_RC(il_thread_pool_create(&ex, &options), 0);
	return ex;
}

static void copy_there_and_back(void)
{
	il_executor *ex = copying_pool();
	struct pair p = {.in = 4}, bad = {.in = -1}, row[3] = {{.in = 1}, {.in = 2}, {.in = 3}};
	il_future *f = NULL;

	CHECK_RC(il_executor_run(ex, fill_in, &p, sizeof p), 8);
	CHECK_EQ(p.out, 8);
	CHECK(p.address != &p);
	p = (struct pair){.in = 5};
	CHECK_RC(il_executor_submit(ex, &f, fill_in, &p, sizeof p), 0);
	CHECK_RC(finished(f), 10);
	CHECK_EQ(p.out, 10);
	CHECK_RC(il_executor_run(ex, fill_in, &bad, sizeof bad), -EIO);
	CHECK_EQ(bad.out, -2);
	CHECK_RC(il_executor_map(ex, fill_in, row, 3, sizeof *row, NULL, IL_FOREVER), 0);
	for (int i = 0; i < 3; i++) {
		CHECK_EQ(row[i].out, 2 * row[i].in);
		CHECK(row[i].address != &row[i]);
	}
	il_executor_destroy(ex);
}

IL_TEST_CORE(B, copied_arguments_go_there_and_back)
{
	copy_there_and_back();
}

IL_TEST(B, a_tasks_copied_arguments_go_there_and_back)
{
	copy_there_and_back();
}

IL_TEST_CORE(B, to_copy_an_argument_its_size_is_needed)
{
	il_executor *ex = copying_pool(), *shares = new_pool(1);
	struct pair p = {.in = 4};
	il_future *f = NULL;

	CHECK_RC(il_executor_submit(ex, &f, fill_in, &p, 0), -EINVAL);
	CHECK_RC(il_executor_submit(ex, NULL, fill_in, &p, 0), -EINVAL);
	CHECK_RC(il_executor_run(ex, fill_in, &p, 0), -EINVAL);
	CHECK_RC(il_executor_map(ex, fill_in, &p, 1, 0, NULL, IL_FOREVER), -EINVAL);
	CHECK(f == NULL);
	CHECK_EQ(p.out, 0);
	CHECK_RC(il_executor_run(shares, fill_in, &p, 0), 8);
	CHECK(p.address == &p);
	il_executor_destroy(ex);
	il_executor_destroy(shares);
}

struct big {
	struct gate *gate;
	int value;
	atomic_int *sum;
};

static int add_later(void *arg)
{
	struct big *b = arg;

	stay(b->gate);
	atomic_fetch_add(b->sum, b->value);
	b->value = -1;
	return 0;
}

IL_TEST_CORE(B, what_is_copied_is_what_it_was_at_submit)
{
	il_executor *ex = copying_pool();
	struct gate g = {.result = 0};
	atomic_int sum = 0;
	struct big b = {&g, 100, &sum};
	il_future *f = NULL;

	CHECK_RC(il_executor_submit(ex, NULL, add_later, &b, sizeof b), 0);
	UNTIL(atomic_load(&g.begun) == 1);
	b.value = 20;
	CHECK_RC(il_executor_submit(ex, &f, add_later, &b, sizeof b), 0);
	b.value = 3;
	CHECK(il_future_cancel(f)); /* cancelled, nothing is copied back */
	CHECK_EQ(b.value, 3);
	il_future_unref(f);
	CHECK_RC(il_executor_submit(ex, NULL, add_later, &b, sizeof b), 0);
	b.value = 7;
	atomic_store(&g.open, true);
	il_executor_destroy(ex);
	CHECK_EQ(sum, 103);
	CHECK_EQ(b.value, 7); /* without a future nobody is there to take it back */
}

/* ---- executors of the user's own ---- */

/* Queues what it gets; the test runs it when it likes. */
struct own {
	pthread_mutex_t lock;
	il_call *first, **last;
	int room; /* -1: any */
	atomic_int submitted, shutdowns, destroyed;
	unsigned flags;
	struct gate *in_shutdown;
};

static int own_submit(void *self, il_call *call)
{
	struct own *o = self;
	int rc = -EAGAIN;

	pthread_mutex_lock(&o->lock);
	if (o->room != 0) {
		o->room -= o->room > 0;
		*il_call_link(call) = NULL;
		*o->last = call;
		o->last = (il_call **)il_call_link(call);
		rc = 0;
	}
	pthread_mutex_unlock(&o->lock);
	if (rc == 0)
		atomic_fetch_add(&o->submitted, 1);
	return rc;
}

static int own_shutdown(void *self, unsigned flags)
{
	struct own *o = self;

	o->flags = flags;
	if (o->in_shutdown)
		stay(o->in_shutdown);
	atomic_fetch_add(&o->shutdowns, 1);
	return 0;
}

static void own_destroy(void *self)
{
	atomic_fetch_add(&((struct own *)self)->destroyed, 1);
}

static il_call *own_next(struct own *o)
{
	pthread_mutex_lock(&o->lock);
	il_call *call = o->first;
	if (call) {
		o->first = *il_call_link(call);
		if (!o->first)
			o->last = &o->first;
	}
	pthread_mutex_unlock(&o->lock);
	return call;
}

static il_executor *own_executor(struct own *o)
{
	static const il_executor_ops ops = {
	    .name = "own", .submit = own_submit, .shutdown = own_shutdown, .destroy = own_destroy};
	il_executor *ex = NULL;

	*o = (struct own){.lock = PTHREAD_MUTEX_INITIALIZER, .room = -1};
	o->last = &o->first;
	CHECK_RC(il_executor_create(&ex, &ops, o), 0);
	return ex;
}

IL_TEST_CORE(B, an_own_executor_runs_and_fails_calls)
{
	struct own o;
	il_executor *ex = own_executor(&o);
	atomic_int ran = 0, owned = 0;
	il_future *run = submitted(ex, count_in, &ran), *failed = submitted(ex, count_in, &ran);
	il_future *dropped = submitted(ex, count_in, &ran);
	il_future *cancelled = submitted(ex, count_in, &ran);

	CHECK_RC(il_executor_submit(ex, NULL, count_in, &owned, 0), 0);
	CHECK(il_future_cancel(cancelled));
	CHECK_RC(il_future_result(cancelled, 0), -ECANCELED);
	il_call_run(own_next(&o));
	CHECK_RC(il_future_result(run, 0), 0);
	CHECK_EQ(ran, 1);
	il_call_fail(own_next(&o), -EPIPE);
	CHECK_RC(il_future_result(failed, 0), -EPIPE);
	CHECK(!il_future_cancelled(failed));
	il_call_fail(own_next(&o), -ECANCELED);
	CHECK_RC(il_future_result(dropped, 0), -ECANCELED);
	CHECK(il_future_cancelled(dropped));
	il_call_run(own_next(&o));
	CHECK_EQ(ran, 1); /* the cancelled one never begins */
	il_call_fail(own_next(&o), -EPIPE);
	CHECK_EQ(owned, 1); /* nobody waits for it: it is called whatever happens */
	CHECK(own_next(&o) == NULL);
	il_future_unref(run);
	il_future_unref(failed);
	il_future_unref(dropped);
	il_future_unref(cancelled);
	il_executor_destroy(ex);
	CHECK_EQ(o.destroyed, 1);
}

IL_TEST_CORE(B, an_own_executor_is_shut_down_and_destroyed_once)
{
	struct own o;
	il_executor *ex = own_executor(&o);
	atomic_int ran = 0;

	CHECK(il_executor_ref(ex) == ex);
	il_executor_unref(ex);
	CHECK_EQ(o.destroyed, 0);
	CHECK_RC(il_executor_shutdown(ex, IL_NOWAIT | IL_CANCEL_FUTURES), 0);
	CHECK_EQ(o.flags, IL_NOWAIT | IL_CANCEL_FUTURES);
	CHECK_EQ(o.shutdowns, 1);
	CHECK_RC(il_executor_submit(ex, NULL, count_in, &ran, 0), -ESHUTDOWN);
	CHECK_RC(il_executor_run(ex, count_in, &ran, 0), -ESHUTDOWN);
	CHECK_EQ(o.submitted, 0);
	il_executor_unref(ex);
	CHECK_EQ(o.destroyed, 1);
	CHECK_EQ(ran, 0);
}

struct serving {
	struct own *own;
	il_executor *ex;
	atomic_bool over;
};

/* The own executor's thread: makes room for one call, runs it, makes room for the next. */
static int serve(void *arg)
{
	struct serving *s = arg;

	while (!atomic_load(&s->over)) {
		il_call *call;
		il_test_pause_really();
		pthread_mutex_lock(&s->own->lock);
		s->own->room = 1;
		pthread_mutex_unlock(&s->own->lock);
		il_executor_room(s->ex);
		if ((call = own_next(s->own)))
			il_call_run(call);
	}
	return 0;
}

static void use_full_executor(void)
{
	struct own o;
	il_executor *ex = own_executor(&o);
	struct serving s = {.own = &o, .ex = ex};
	struct pair row[3] = {{.in = 1}, {.in = 2}, {.in = 3}};
	int results[3] = {0};
	struct il_test_thread t;

	o.room = 0;
	CHECK_RC(il_executor_submit(ex, NULL, fill_in, &row[0], 0), -EAGAIN);
	CHECK_EQ(o.submitted, 0);
	CHECK_RC(il_executor_map(ex, fill_in, row, 3, sizeof *row, results, IL_MSEC(3)),
		 -ETIMEDOUT);
	CHECK_EQ(row[0].out, 0);
	il_test_thread_start(&t, serve, &s);
	CHECK_RC(il_executor_run(ex, fill_in, &row[1], sizeof row[1]), 4);
	CHECK_RC(il_executor_map(ex, fill_in, row, 3, sizeof *row, results, IL_FOREVER), 0);
	for (int i = 0; i < 3; i++)
		CHECK_EQ(results[i], 2 * row[i].in);
	atomic_store(&s.over, true);
	CHECK_RC(il_test_thread_join(&t), 0);
	il_executor_destroy(ex);
}

IL_TEST_CORE(B, a_full_own_executor_lets_a_waiting_call_wait)
{
	use_full_executor();
}

IL_TEST(B, a_full_own_executor_lets_a_tasks_call_wait)
{
	use_full_executor();
}

IL_TEST(B, shutting_down_an_own_executor_blocks_no_loop)
{
	struct own o;
	struct gate g = {.result = 0};
	struct shutter s = {.ex = own_executor(&o), .scope = IL_SCOPE_INIT};
	il_group group;

	o.in_shutdown = &g;
	CHECK_RC(il_group_open(&group), 0);
	CHECK_RC(il_group_start_soon(&group, NULL, shut_down_in_scope, &s), 0);
	UNTIL_THREAD(atomic_load(&g.begun) == 1);
	CHECK_RC(il_scope_cancel(&s.scope), 0); /* it is shielded */
	CHECK_RC(il_yield(), 0);
	CHECK_EQ(o.shutdowns, 0);
	atomic_store(&g.open, true);
	CHECK_RC(il_group_close(&group, 0), 0);
	CHECK_RC(s.rc, 0);
	CHECK_EQ(o.shutdowns, 1);
	CHECK_EQ(o.flags, 0);
	il_executor_unref(s.ex);
	CHECK_EQ(o.destroyed, 1);
}

/* ---- workers ---- */

static int note_thread(void *arg)
{
	*(pthread_t *)arg = pthread_self();
	return 0;
}

static void call_in_turn(void)
{
	enum { CALLS = 50 };
	il_executor *ex = new_pool(4);
	pthread_t first, t;
	il_future *f = NULL;

	CHECK_RC(il_executor_run(ex, note_thread, &first, sizeof first), 0);
	for (int i = 0; i < CALLS; i++) {
		CHECK_RC(il_executor_submit(ex, &f, note_thread, &t, sizeof t), 0);
		CHECK_RC(finished(f), 0);
		CHECK(pthread_equal(t, first));
		CHECK_RC(il_executor_run(ex, note_thread, &t, sizeof t), 0);
		CHECK(pthread_equal(t, first));
	}
	il_executor_destroy(ex);
}

IL_TEST_CORE(B, an_idle_worker_is_used_before_another_is_made)
{
	call_in_turn();
}

IL_TEST(B, an_idle_worker_is_used_for_a_task_before_another_is_made)
{
	call_in_turn();
}

static _Thread_local int initialized;

static int initialize(void *arg)
{
	initialized++;
	atomic_fetch_add((atomic_int *)arg, 1);
	return 1;
}

static int stay_initialized(void *arg)
{
	CHECK_EQ(initialized, 1);
	return stay(arg);
}

IL_TEST_CORE(B, the_initializer_runs_once_and_first_in_each_worker)
{
	atomic_int workers = 0;
	struct gate g = {.result = 0};
	il_thread_pool_options options = {
	    .max_workers = 3, .initializer = initialize, .initializer_arg = &workers};
	il_executor *ex = NULL;

	CHECK_RC(il_thread_pool_create(&ex, &options), 0);
	for (int i = 0; i < 9; i++)
		CHECK_RC(il_executor_submit(ex, NULL, stay_initialized, &g, 0), 0);
	UNTIL(atomic_load(&g.begun) == 3);
	atomic_store(&g.open, true);
	il_executor_destroy(ex);
	CHECK_EQ(g.ended, 9);
	CHECK_EQ(workers, 3);
}

/* ---- options ---- */

static void note_index(int index, void *arg)
{
	atomic_fetch_or((atomic_uint *)arg, 1u << index);
}

IL_TEST_CORE(B, workers_start_by_telling_their_index)
{
	static const int nowhere[] = {-1};
	atomic_uint indexes = 0;
	struct gate g = {.result = 0};
	il_thread_pool_options options = {.max_workers = 3,
					  .on_thread_start = note_index,
					  .on_thread_start_arg = &indexes,
					  .cpus = nowhere,
					  .cpu_count = 1,
					  .stack_size = 1};
	il_executor *ex = NULL;

	CHECK_RC(il_thread_pool_create(&ex, &options), 0);
	for (int i = 0; i < 3; i++)
		CHECK_RC(il_executor_submit(ex, NULL, stay, &g, 0), 0);
	UNTIL(atomic_load(&g.begun) == 3);
	CHECK_EQ(indexes, 7);
	CHECK_LOGGED(IL_LOG_WARNING, "processors", 3);
	atomic_store(&g.open, true);
	il_executor_destroy(ex);
}
