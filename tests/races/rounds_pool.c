/*
 * rounds_pool.c: pools of threads and of worker processes that are shut down while threads and tasks use them; workers die.
 */
#include "races.h"

#include <unistd.h>

/* ---- threads ---- */

static void collect(il_future **futures, int n)
{
	il_as_completed *it;
	il_future *next;
	int seen = 0, rc;

	if (il_as_completed_open(&it, futures, (size_t)n, RACE_PATIENCE) < 0)
		race_broken("il_as_completed_open");
	while ((rc = il_as_completed_next(it, &next)) == 1)
		seen++;
	if (rc != 0 || seen != n)
		race_broken("%d of %d futures were completed", seen, n);
	il_as_completed_close(it);
}

static void submit_four(il_executor *ex)
{
	il_future *futures[4];
	int n = 0, rc;

	while (n < 4 && RACE(il_executor_submit(ex, &futures[n], race_spin, NULL, 0)) == 0)
		n++;
	if (n == 0)
		return;
	if (race_draw(2))
		il_future_cancel(futures[race_draw((uint32_t)n)]);
	rc = il_futures_wait(futures, (size_t)n, (il_return_when)race_draw(3),
			     race_draw(2) ? RACE_PATIENCE : IL_USEC(10));
	if (rc < 0)
		race_broken("il_futures_wait returned %s", il_error_name(rc));
	collect(futures, n);
	for (int i = 0; i < n; i++)
		il_future_unref(futures[i]);
}

static void use_pool(il_executor *ex)
{
	int items[5] = {0}, results[5], rc;

	switch (race_draw(7)) {
	case 0:
		rc = RACE(il_executor_run(ex, race_spin, NULL, 0));
		if (rc >= 0 && rc != 3)
			race_broken("a pool's call returned %d", rc);
		break;
	case 1:
		race_accepted += RACE(il_executor_submit(ex, NULL, race_count, NULL, 0)) == 0;
		break;
	case 2:
	case 3:
		submit_four(ex);
		break;
	case 4:
		RACE(il_executor_map(ex, race_three, items, 5, sizeof items[0], results,
				     race_draw(3) ? RACE_PATIENCE : IL_USEC(20)));
		break;
	case 5:
		if (race_draw(8) == 0)
			RACE(il_executor_shutdown(ex, race_draw(4)));
		break;
	default:
		il_executor_unref(il_executor_ref(ex));
	}
}

static void *use_pool_often(void *ex)
{
	for (int i = 0; i < 25; i++)
		use_pool(ex);
	il_executor_unref(ex);
	return NULL;
}

static int pool_task(void *ex)
{
	for (int i = 0; i < 6; i++) {
		il_scope scope = IL_SCOPE_INIT;
		if (il_scope_enter(&scope, il_deadline(IL_USEC(race_draw(200))), 0) < 0)
			race_broken("il_scope_enter");
		RACE(il_scope_exit(
		    &scope,
		    RACE(il_executor_run(ex, race_draw(2) ? race_spin : race_back, NULL, 0))));
	}
	return 0;
}

static int three_tasks(il_fn *task, void *arg)
{
	il_group group;

	if (il_group_open(&group) < 0)
		race_broken("il_group_open");
	for (int i = 0; i < 3; i++)
		if (il_group_start_soon(&group, NULL, task, arg) < 0)
			race_broken("il_group_start_soon");
	return il_group_close(&group, 0);
}

static int pool_main(void *ex)
{
	return three_tasks(pool_task, ex);
}

/* Threads and a loop use the pool; it is shut down when they are at it, or after. */
static void round_of(il_executor *ex, void *(*thread)(void *), il_fn *main)
{
	struct race_threads *threads;

	for (int i = 0; i < RACE_THREADS; i++)
		il_executor_ref(ex);
	threads = race_threads_start(thread, ex);
	RACE(il_run(race_backend, main, ex));
	if (race_draw(2))
		RACE(il_executor_shutdown(ex, race_draw(4)));
	il_executor_unref(ex);
	race_threads_join(threads);
}

void round_pool(void)
{
	const il_thread_pool_options options = {.max_workers = 1 + (int)race_draw(3),
						.idle_timeout = race_draw(2) ? 1 : 0,
						.queue_limit = race_draw(2) ? 3 : 0};
	il_executor *ex;

	if (il_thread_pool_create(&ex, &options) < 0)
		race_broken("il_thread_pool_create");
	round_of(ex, use_pool_often, pool_main);
}

/* ---- worker processes ---- */

struct argument {
	int value, microseconds;
	bool dies;
};

static struct argument some_argument(void)
{
	return (struct argument){.value = (int)race_draw(100),
				 .microseconds = race_draw(2) ? (int)race_draw(400) : 0,
				 .dies = race_draw(60) == 0};
}

static int work(void *arg)
{
	struct argument *a = arg;

	if (a->microseconds)
		usleep((useconds_t)a->microseconds);
	if (a->dies)
		_exit(3);
	a->value++;
	return 3;
}

static int triple(void *arg)
{
	il_bytes *b = arg;
	int rc = 0;

	for (int i = 0; i < 3 && rc == 0; i++)
		rc = il_bytes_append(b, b->in, b->in_size);
	return rc < 0 ? rc : 3;
}

static void call_flat(il_executor *ex)
{
	struct argument a = some_argument(), before = a;
	int rc = RACE(il_executor_run(ex, work, &a, sizeof a));

	if (rc >= 0 && (rc != 3 || a.value != before.value + 1))
		race_broken("a worker made %d of %d", a.value, before.value);
	if (rc < 0 && a.value != before.value)
		race_broken("a call that failed changed its argument");
}

static void call_bytes(il_executor *ex)
{
	static const char bytes[70000];
	size_t size = race_draw(3) ? race_draw(300) : race_draw(sizeof bytes);
	il_bytes b = {.in = bytes, .in_size = size};

	if (RACE(il_executor_run(ex, triple, &b, IL_BYTES)) >= 0 && b.out_size != 3 * size)
		race_broken("a worker made %zu bytes of %zu", b.out_size, size);
	il_bytes_free(&b);
}

static void call_four(il_executor *ex)
{
	struct argument arguments[4];
	il_future *futures[4];
	int n = 0;

	for (; n < 4; n++) {
		arguments[n] = some_argument();
		if (RACE(il_executor_submit(ex, &futures[n], work, &arguments[n],
					    sizeof arguments[n])) < 0)
			break;
	}
	if (n > 0 && race_draw(2))
		il_future_cancel(futures[race_draw((uint32_t)n)]);
	for (int i = 0; i < n; i++)
		RACE(il_future_join(futures[i])); /* shielded: the arguments are on this stack */
}

static void use_workers(il_executor *ex)
{
	struct argument arguments[5];
	int results[5];

	switch (race_draw(6)) {
	case 0:
	case 1:
		call_flat(ex);
		break;
	case 2:
		call_bytes(ex);
		break;
	case 3:
		call_four(ex);
		break;
	case 4:
		if (race_draw(8) == 0)
			RACE(il_executor_shutdown(ex, race_draw(4)));
		else if (il_loop_current())
			RACE(il_sleep(IL_USEC(race_draw(3000))));
		break;
	default:
		for (int i = 0; i < 5; i++)
			arguments[i] = some_argument();
		RACE(il_executor_map(ex, work, arguments, 5, sizeof arguments[0], results,
				     race_draw(3) ? IL_FOREVER : IL_USEC(race_draw(3000))));
	}
}

static int workers_task(void *ex)
{
	for (int i = 0; i < 4; i++) {
		il_scope scope = IL_SCOPE_INIT;
		il_time deadline =
		    race_draw(2) ? il_deadline(IL_USEC(race_draw(2000))) : IL_FOREVER;
		if (il_scope_enter(&scope, deadline, 0) < 0)
			race_broken("il_scope_enter");
		use_workers(ex);
		RACE(il_scope_exit(&scope, il_check_cancelled()));
	}
	return 0;
}

static int workers_main(void *ex)
{
	return three_tasks(workers_task, ex);
}

/* In a loop of its own, or without. */
static void *use_workers_often(void *ex)
{
	if (race_draw(2))
		RACE(il_run(race_backend, workers_main, ex));
	for (int i = 0; i < 6; i++)
		use_workers(ex);
	il_executor_unref(ex);
	return NULL;
}

void round_process(void)
{
	const il_process_pool_options options = {.max_workers = 1 + (int)race_draw(3),
						 .kill_on_cancel = race_draw(2),
						 .max_calls_per_worker = race_draw(3) ? 0 : 5,
						 .restart_budget = 10000,
						 .queue_limit = race_draw(3) ? 0 : 2,
						 .idle_timeout = race_draw(3) ? 0 : 1};
	il_executor *ex;

	if (il_process_pool_create(&ex, &options) < 0)
		race_broken("il_process_pool_create");
	round_of(ex, use_workers_often, workers_main);
}
