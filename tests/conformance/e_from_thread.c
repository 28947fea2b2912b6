/*
 * e_from_thread.c: from a thread into the loop: by il_from_thread_* in a worker that a task waits for, by a
 * portal from any other. Nothing but the loop's thread runs what was sent, and every sender gets its result.
 */
#include "workers.h"

struct visit {
	pthread_t thread;
	il_loop *loop;
	int may_wait, result;
};

/* Runs in the loop: as a task it may wait, as a plain call it may not. */
static int look_around(void *arg)
{
	struct visit *v = arg;

	v->thread = pthread_self();
	v->loop = il_loop_current();
	v->may_wait = il_yield();
	return v->result;
}

static int visit_as_task(void *arg)
{
	return il_from_thread_run(look_around, arg);
}

static int visit_plainly(void *arg)
{
	return il_from_thread_run_sync(look_around, arg);
}

static void check_visit(const struct visit *v, int may_wait)
{
	CHECK(pthread_equal(v->thread, pthread_self()));
	CHECK(v->loop == il_loop_current());
	CHECK_RC(v->may_wait, may_wait);
}

IL_TEST(E, n91_a_worker_runs_functions_in_the_loop)
{
	struct visit v = {.result = 31};

	CHECK_RC(il_run_in_thread(visit_as_task, &v), 31);
	check_visit(&v, 0);
	CHECK_RC(il_run_in_thread(visit_plainly, &v), 31);
	check_visit(&v, -EPERM);
	v.result = -EIO;
	CHECK_RC(il_run_in_thread(visit_as_task, &v), -EIO);
	CHECK_RC(il_run_in_thread(visit_plainly, &v), -EIO);
	CHECK_RC(il_check_cancelled(), 0);
}

IL_TEST(E, n91_a_pools_worker_does_so_for_a_task)
{
	il_executor *ex = new_pool(2);
	struct visit v[3] = {{.result = 1}, {.result = 2}, {.result = 3}};
	int results[3];

	CHECK_RC(il_executor_run(ex, visit_as_task, &v[0], sizeof v[0]), 1);
	check_visit(&v[0], 0);
	CHECK_RC(il_executor_run(ex, visit_plainly, &v[0], sizeof v[0]), 1);
	check_visit(&v[0], -EPERM);
	CHECK_RC(il_executor_map(ex, visit_as_task, v, 3, sizeof *v, results, IL_FOREVER), 0);
	for (int i = 0; i < 3; i++) {
		CHECK_EQ(results[i], i + 1);
		check_visit(&v[i], 0);
	}
	il_executor_destroy(ex);
}

/* ---- other threads ---- */

static int try_without_a_portal(void *arg)
{
	CHECK_RC(il_from_thread_run(count_in, arg), -EPERM);
	CHECK_RC(il_from_thread_run_sync(count_in, arg), -EPERM);
	CHECK_RC(il_from_thread_run(NULL, arg), -EINVAL);
	CHECK_RC(il_from_thread_check_cancelled(), -EPERM);
	return 0;
}

static void try_from_everywhere(void)
{
	il_executor *ex = new_pool(1);
	struct il_test_thread t;
	atomic_int ran = 0;

	CHECK_RC(try_without_a_portal(&ran), 0);
	il_test_thread_start(&t, try_without_a_portal, &ran);
	CHECK_RC(il_test_thread_join(&t), 0);
	/* A worker, but nobody waits for it. */
	CHECK_RC(finished(submitted(ex, try_without_a_portal, &ran)), 0);
	il_executor_destroy(ex);
	CHECK_EQ(ran, 0);
}

IL_TEST_CORE(E, n92_99_a_thread_that_no_task_waits_for_is_refused)
{
	il_executor *ex = new_pool(1);
	atomic_int ran = 0;

	try_from_everywhere();
	/* Somebody waits, but in no loop. */
	CHECK_RC(il_executor_run(ex, try_without_a_portal, &ran, sizeof ran), 0);
	il_executor_destroy(ex);
	CHECK_EQ(ran, 0);
}

struct knock {
	il_portal *portal;
	struct visit task, plain;
};

static int knock(void *arg)
{
	struct knock *k = arg;

	CHECK_RC(il_portal_run_coroutine(k->portal, look_around, &k->task), 41);
	CHECK_RC(il_portal_run_sync(k->portal, look_around, &k->plain), -EIO);
	return 0;
}

IL_TEST(E, n92_99_with_a_portal_a_thread_is_let_in_and_without_it_is_not)
{
	struct knock k = {.task.result = 41, .plain.result = -EIO};
	struct il_test_thread t;

	try_from_everywhere();
	CHECK_RC(il_loop_create_threads_portal(il_loop_current(), &k.portal), 0);
	il_test_thread_start(&t, knock, &k);
	CHECK_RC(il_test_thread_join(&t), 0);
	check_visit(&k.task, 0);
	check_visit(&k.plain, -EPERM);
	CHECK_RC(il_portal_close(k.portal), 0);
}

static int run_in_worker_of_a_worker(void *arg)
{
	il_executor *ex = new_pool(1);
	int rc = il_executor_run(ex, try_without_a_portal, arg, 0);

	il_executor_destroy(ex);
	return rc;
}

IL_TEST(E, n99_the_thread_that_a_worker_waits_for_is_none_of_the_tasks)
{
	atomic_int ran = 0;

	CHECK_RC(il_run_in_thread(run_in_worker_of_a_worker, &ran), 0);
	CHECK_EQ(ran, 0);
}

/* ---- the loop's end ---- */

static int open_portal(void *arg)
{
	return il_loop_create_threads_portal(il_loop_current(), arg);
}

static void check_closed(il_portal *p)
{
	il_future *f = NULL;
	atomic_int ran = 0;

	CHECK_RC(il_portal_run_coroutine(p, count_in, &ran), -ESHUTDOWN);
	CHECK_RC(il_portal_run_sync(p, count_in, &ran), -ESHUTDOWN);
	CHECK_RC(il_portal_run_coroutine_soon(p, &f, count_in, &ran), -ESHUTDOWN);
	CHECK_RC(il_portal_run_sync_soon(p, NULL, count_in, &ran), -ESHUTDOWN);
	CHECK(f == NULL);
	CHECK_EQ(ran, 0);
}

IL_TEST_OWN(E, n94_a_portal_of_a_loop_that_has_ended_is_refused)
{
	il_portal *first = NULL, *second = NULL;
	atomic_int ran = 0;

	CHECK_RC(il_run(il_test_backend(), open_portal, &first), 0);
	CHECK_RC(il_run(il_test_backend(), open_portal, &second), 0);
	CHECK(first != second);
	check_closed(first);
	check_closed(second);
	CHECK_RC(il_portal_run_coroutine(NULL, count_in, &ran), -EINVAL);
	CHECK_RC(il_portal_run_sync(NULL, count_in, &ran), -EINVAL);
	CHECK_RC(il_portal_close(first), 0);
	CHECK_RC(il_portal_close(second), 0);
}

struct poster {
	il_portal *portal;
	atomic_int posting;
	atomic_int ran;
	bool as_task;
};

static int post_and_wait(void *arg)
{
	struct poster *p = arg;

	atomic_store(&p->posting, 1);
	return p->as_task ? il_portal_run_coroutine(p->portal, count_in, &p->ran)
			  : il_portal_run_sync(p->portal, count_in, &p->ran);
}

IL_TEST_OWN(E, n95_a_call_that_the_loop_never_takes_is_refused)
{
	for (size_t i = 0; i < il_test_rounds(100); i++) {
		struct poster p = {.as_task = i % 2};
		il_future *f = NULL;
		atomic_int owned = 0, ran = 0;
		struct il_test_thread t;
		il_loop *loop = NULL;
		CHECK_RC(il_loop_open(&loop, il_test_backend(), NULL), 0);
		CHECK_RC(il_loop_create_threads_portal(loop, &p.portal), 0);
		CHECK_RC(il_portal_run_sync_soon(p.portal, &f, count_in, &ran), 0);
		CHECK_RC(il_portal_run_sync_soon(p.portal, NULL, count_in, &owned), 0);
		il_test_thread_start(&t, post_and_wait, &p);
		UNTIL(atomic_load(&p.posting));
		CHECK_RC(il_loop_close(loop), 0);
		CHECK_RC(il_test_thread_join(&t), -ESHUTDOWN);
		CHECK_EQ(p.ran, 0);
		CHECK_RC(finished(f), -ESHUTDOWN);
		CHECK_EQ(ran, 0);
		CHECK_EQ(owned, 1); /* nobody else has it: it is called all the same */
		check_closed(p.portal);
		CHECK_RC(il_portal_close(p.portal), 0);
		il_loop_destroy(loop);
	}
}

struct teardown {
	il_portal *portal;
	atomic_int begun, plain_ran, task_ran, refused_ran;
	int plain, task, coroutine, sync;
};

/* Shielded, a task may still do its work while the loop closes. */
static int work_in_a_shield(void *arg)
{
	il_scope shield = IL_SCOPE_INIT;
	int rc;

	CHECK_RC(il_scope_enter(&shield, IL_FOREVER, IL_SHIELD), 0);
	rc = il_sleep(IL_MSEC(1));
	atomic_fetch_add(&((struct teardown *)arg)->task_ran, 1);
	return il_scope_exit(&shield, rc == 0 ? 51 : rc);
}

static int call_during_teardown(void *arg)
{
	struct teardown *t = arg;

	atomic_store(&t->begun, 1);
	UNTIL_THREAD(il_from_thread_check_cancelled() == -ECANCELED);
	t->coroutine = il_portal_run_coroutine(t->portal, count_in, &t->refused_ran);
	t->sync = il_portal_run_sync(t->portal, count_in, &t->refused_ran);
	t->plain = il_from_thread_run_sync(count_in, &t->plain_ran);
	t->task = il_from_thread_run(work_in_a_shield, t);
	return 0;
}

static int wait_for_the_thread(void *arg)
{
	return il_run_in_thread(call_during_teardown, arg);
}

static int leave_a_waiting_task(void *arg)
{
	struct teardown *t = arg;

	CHECK_RC(il_loop_create_threads_portal(il_loop_current(), &t->portal), 0);
	CHECK_RC(il_loop_spawn(il_loop_current(), NULL, wait_for_the_thread, t), 0);
	UNTIL_THREAD(atomic_load(&t->begun));
	return 0;
}

IL_TEST_OWN(E, n95_at_the_end_a_thread_that_a_task_waits_for_is_still_served)
{
	struct teardown t = {.begun = 0};

	CHECK_RC(il_run(il_test_backend(), leave_a_waiting_task, &t), 0);
	CHECK_RC(t.coroutine, -ESHUTDOWN);
	CHECK_RC(t.sync, -ESHUTDOWN);
	CHECK_EQ(t.refused_ran, 0);
	CHECK_RC(t.plain, 0);
	CHECK_EQ(t.plain_ran, 1);
	CHECK_RC(t.task, 51);
	CHECK_EQ(t.task_ran, 1);
	CHECK_RC(il_portal_close(t.portal), 0);
}

struct sleeper {
	il_portal *portal;
	atomic_bool asleep, awake;
};

static int sleep_until_cancelled(void *arg)
{
	struct sleeper *s = arg;

	atomic_store(&s->asleep, true);
	int rc = il_sleep_forever();
	atomic_store(&s->awake, true);
	return rc;
}

static int sleep_on_the_loop(void *arg)
{
	struct sleeper *s = arg;

	return il_portal_run_coroutine(s->portal, sleep_until_cancelled, s);
}

static int end_while_a_thread_waits(void *arg)
{
	UNTIL_THREAD(atomic_load(&((struct sleeper *)arg)->asleep));
	return 6;
}

IL_TEST_OWN(E, n96_a_call_that_runs_when_main_returns_is_cancelled)
{
	struct sleeper s = {.asleep = false};
	struct il_test_thread t;
	il_loop *loop = NULL;

	CHECK_RC(il_loop_open(&loop, il_test_backend(), NULL), 0);
	CHECK_RC(il_loop_create_threads_portal(loop, &s.portal), 0);
	il_test_thread_start(&t, sleep_on_the_loop, &s);
	CHECK_RC(il_loop_run(loop, end_while_a_thread_waits, &s), 6);
	CHECK_RC(il_loop_close(loop), 0);
	CHECK(s.awake);
	CHECK_RC(il_test_thread_join(&t), -ECANCELED);
	il_loop_destroy(loop);
	CHECK_RC(il_portal_close(s.portal), 0);
}

/* ---- cancellation ---- */

struct asker {
	il_scope scope;
	il_executor *ex;
	struct gate g;
	int before, after, rc, left_with;
};

/* Gives its cancellation back, as a worker that heeds it does. */
static int ask_until_cancelled(void *arg)
{
	struct asker *a = arg;

	a->before = il_from_thread_check_cancelled();
	atomic_fetch_add(&a->g.begun, 1);
	UNTIL_THREAD(il_from_thread_check_cancelled() == -ECANCELED);
	a->after = il_from_thread_check_cancelled();
	return a->after;
}

static int send_asker(void *arg)
{
	struct asker *a = arg;

	CHECK_RC(il_scope_enter(&a->scope, IL_FOREVER, 0), 0);
	if (!a->ex)
		a->rc = il_run_in_thread(ask_until_cancelled, a);
	else if (atomic_load(&a->g.open)) /* any flag: by map */
		a->rc =
		    il_executor_map(a->ex, ask_until_cancelled, a, 1, sizeof *a, NULL, IL_FOREVER);
	else
		a->rc = il_executor_run(a->ex, ask_until_cancelled, a, sizeof *a);
	a->left_with = il_scope_exit(&a->scope, a->rc);
	return 0;
}

static void ask(il_executor *ex, bool by_map)
{
	struct asker a = {.scope = IL_SCOPE_INIT, .ex = ex, .g.open = by_map};
	il_group g;

	CHECK_RC(il_group_open(&g), 0);
	CHECK_RC(il_group_start_soon(&g, NULL, send_asker, &a), 0);
	UNTIL_THREAD(atomic_load(&a.g.begun) == 1);
	CHECK_RC(il_scope_cancel(&a.scope), 0);
	CHECK_RC(il_group_close(&g, 0), 0);
	CHECK_RC(a.before, 0);
	CHECK_RC(a.after, -ECANCELED);
	CHECK_RC(a.rc, -ECANCELED);
	CHECK_RC(a.left_with, 0);
	CHECK(il_scope_caught(&a.scope));
}

IL_TEST(E, n97_a_worker_can_ask_whether_its_task_was_cancelled)
{
	il_executor *ex = new_pool(1);

	ask(NULL, false);
	ask(ex, false);
	ask(ex, true);
	il_executor_destroy(ex);
}

struct failing_row {
	il_scope scope;
	il_executor *ex;
	atomic_int begun;
	int rc, asked;
};

struct failing_item {
	struct failing_row *row;
	bool fails;
};

static int fail_or_ask(void *arg)
{
	struct failing_item *i = arg;

	atomic_fetch_add(&i->row->begun, 1);
	if (i->fails) {
		UNTIL_THREAD(atomic_load(&i->row->begun) == 2);
		return -EIO;
	}
	UNTIL_THREAD(il_from_thread_check_cancelled() == -ECANCELED);
	i->row->asked = -ECANCELED;
	return 0;
}

static int map_failing_row(void *arg)
{
	struct failing_row *r = arg;
	struct failing_item items[2] = {{r, true}, {r, false}};

	CHECK_RC(il_scope_enter(&r->scope, IL_FOREVER, 0), 0);
	r->rc = il_executor_map(r->ex, fail_or_ask, items, 2, sizeof *items, NULL, IL_FOREVER);
	return il_scope_exit(&r->scope, il_check_cancelled());
}

IL_TEST(E, n97_also_while_a_map_that_failed_waits_for_the_rest)
{
	struct failing_row r = {.scope = IL_SCOPE_INIT, .ex = new_pool(2)};
	il_group g;

	CHECK_RC(il_group_open(&g), 0);
	CHECK_RC(il_group_start_soon(&g, NULL, map_failing_row, &r), 0);
	UNTIL_THREAD(atomic_load(&r.begun) == 2);
	for (int i = 0; i < 5; i++) /* the failure may reach the task first, or not */
		il_test_pause_really();
	CHECK_RC(il_scope_cancel(&r.scope), 0);
	CHECK_RC(il_group_close(&g, 0), 0);
	CHECK_RC(r.asked, -ECANCELED);
	CHECK(r.rc == -EIO || r.rc == -ECANCELED);
	il_executor_destroy(r.ex);
}

struct host {
	il_scope scope;
	bool abandonable, abandoned;
	il_fn *in_thread, *on_loop;
	atomic_bool begun, go, released;
	atomic_int ended;
	int loop_rc, thread_rc, rc, left_with;
};

static int call_on_loop(void *arg)
{
	struct host *h = arg;

	h->loop_rc = il_from_thread_run(h->on_loop, h);
	return h->loop_rc;
}

static int call_on_loop_plainly(void *arg)
{
	struct host *h = arg;

	atomic_store(&h->begun, true);
	UNTIL_THREAD(il_from_thread_check_cancelled() == -ECANCELED);
	h->loop_rc = il_from_thread_run_sync(h->on_loop, h);
	return h->loop_rc;
}

static int call_on_loop_later(void *arg)
{
	struct host *h = arg;

	atomic_store(&h->begun, true);
	UNTIL_THREAD(il_from_thread_check_cancelled() == -ECANCELED);
	return call_on_loop(arg);
}

static void release_host(void *arg)
{
	atomic_store(&((struct host *)arg)->released, true);
}

static int host_thread(void *arg)
{
	struct host *h = arg;
	il_run_in_thread_options options = {.abandon_on_cancel = h->abandonable,
					    .release = h->abandonable ? release_host : NULL,
					    .abandoned = &h->abandoned};

	CHECK_RC(il_scope_enter(&h->scope, IL_FOREVER, 0), 0);
	h->rc = il_run_in_thread_with(h->in_thread, h, &options);
	h->left_with = il_scope_exit(&h->scope, h->rc);
	return 0;
}

/* Cancels the host once its thread has begun. */
static void cancel_host(struct host *h)
{
	il_group g;

	CHECK_RC(il_group_open(&g), 0);
	CHECK_RC(il_group_start_soon(&g, NULL, host_thread, h), 0);
	UNTIL_THREAD(atomic_load(&h->begun));
	CHECK_RC(il_scope_cancel(&h->scope), 0);
	CHECK_RC(il_group_close(&g, 0), 0);
}

static int sleep_as_guest(void *arg)
{
	struct host *h = arg;

	atomic_store(&h->begun, true);
	int rc = il_sleep_forever();
	CHECK_RC(il_sleep_forever(), rc);
	return rc;
}

static int give_sixty(void *arg)
{
	(void)arg;
	return 60;
}

IL_TEST(E, n100_cancelling_the_task_cancels_what_its_thread_runs_on_the_loop)
{
	struct host asleep = {
	    .scope = IL_SCOPE_INIT, .in_thread = call_on_loop, .on_loop = sleep_as_guest};
	struct host quick = {
	    .scope = IL_SCOPE_INIT, .in_thread = call_on_loop_later, .on_loop = give_sixty};
	struct host plain = {
	    .scope = IL_SCOPE_INIT, .in_thread = call_on_loop_plainly, .on_loop = give_sixty};

	cancel_host(&asleep);
	CHECK_RC(asleep.loop_rc, -ECANCELED);
	CHECK_RC(asleep.rc, -ECANCELED);
	CHECK_RC(asleep.left_with, 0);
	CHECK(il_scope_caught(&asleep.scope));
	cancel_host(&quick); /* without a checkpoint it does not notice */
	CHECK_RC(quick.rc, 60);
	CHECK_RC(quick.left_with, 60);
	cancel_host(&plain);
	CHECK_RC(plain.rc, 60);
}

static int wait_for_go(void *arg)
{
	struct host *h = arg;

	atomic_store(&h->begun, true);
	while (!atomic_load(&h->go))
		if (il_sleep(IL_MSEC(1)) < 0)
			return -ECANCELED;
	atomic_fetch_add(&h->ended, 1);
	return 61;
}

IL_TEST(E, n101_of_an_abandoned_call_the_task_on_the_loop_goes_on)
{
	struct host h = {.scope = IL_SCOPE_INIT,
			 .abandonable = true,
			 .in_thread = call_on_loop,
			 .on_loop = wait_for_go};

	cancel_host(&h);
	CHECK_RC(h.rc, -ECANCELED);
	CHECK(h.abandoned);
	CHECK(il_scope_caught(&h.scope));
	CHECK_EQ(h.ended, 0);
	atomic_store(&h.go, true);
	UNTIL(atomic_load(&h.ended) == 1);
	UNTIL_THREAD(atomic_load(&h.released));
	CHECK_RC(h.loop_rc, 61);
	CHECK_RC(il_threads_wait(), 0);
}

/* ---- task-locals ---- */

static il_local colour = {"colour"};
static const char of_task[] = "the task's", of_thread[] = "the thread's", of_call[] = "the call's";

static int see_and_set(void *arg)
{
	*(const void **)arg = il_local_get(&colour);
	return il_local_set(&colour, (void *)(uintptr_t)of_call);
}

static int pass_colours(void *arg)
{
	const void *seen = NULL;

	(void)arg;
	CHECK(il_local_get(&colour) == of_task);
	CHECK_RC(il_from_thread_run(see_and_set, &seen), 0);
	CHECK(seen == of_task);
	CHECK_RC(il_local_set(&colour, (void *)(uintptr_t)of_thread), 0);
	CHECK_RC(il_from_thread_run(see_and_set, &seen), 0);
	CHECK(seen == of_thread);
	CHECK_RC(il_from_thread_run_sync(see_and_set, &seen), 0);
	CHECK(seen == of_thread);
	CHECK(il_local_get(&colour) == of_thread);
	return 0;
}

IL_TEST(E, n102_calls_into_the_loop_see_the_threads_locals)
{
	CHECK_RC(il_local_set(&colour, (void *)(uintptr_t)of_task), 0);
	CHECK_RC(il_run_in_thread(pass_colours, NULL), 0);
	CHECK(il_local_get(&colour) == of_task);
}

/* ---- many calls ---- */

enum { REENTERING = 4 };

static int sleep_nothing(void *arg)
{
	(void)arg;
	return il_sleep(0);
}

static int call_back(void *arg)
{
	return il_from_thread_run(sleep_nothing, arg);
}

static int reenter(void *arg)
{
	for (;;) {
		int rc = il_run_in_thread(call_back, NULL);
		if (rc < 0)
			return rc;
		++*(int *)arg;
	}
}

IL_TEST(E, n104_threads_that_call_into_the_loop_make_progress)
{
	int rounds[REENTERING] = {0}, wanted = 5;
	bool all = false;
	il_group g;

	CHECK_RC(il_group_open(&g), 0);
	for (int i = 0; i < REENTERING; i++)
		CHECK_RC(il_group_start_soon(&g, NULL, reenter, &rounds[i]), 0);
	while (!all) {
		il_test_pause_really();
		all = true;
		for (int i = 0; i < REENTERING; i++)
			all = all && rounds[i] >= wanted;
	}
	CHECK_RC(il_scope_cancel(il_group_scope(&g)), 0);
	CHECK_RC(il_group_close(&g, 0), 0);
}

/* Not in virtual time, which stands while a thread is busy. */
IL_TEST_REAL(E, n104_threads_that_call_into_the_loop_are_ended_by_a_deadline)
{
	int rounds[REENTERING] = {0};
	il_time deadline = il_deadline(IL_SEC(2));
	il_group g;

	CHECK_RC(il_group_open(&g), 0);
	CHECK_RC(il_scope_set_deadline(il_group_scope(&g), deadline), 0);
	for (int i = 0; i < REENTERING; i++)
		CHECK_RC(il_group_start_soon(&g, NULL, reenter, &rounds[i]), 0);
	CHECK_RC(il_group_close(&g, 0), 0);
	CHECK(il_now() >= deadline);
	CHECK(il_scope_expired(il_group_scope(&g)));
	for (int i = 0; i < REENTERING; i++)
		CHECK(rounds[i] >= 5);
}

enum { POSTS = 1000 };

struct post {
	struct posts *posts;
	int number;
};

struct posts {
	il_portal *portal;
	int next;
	bool in_order;
	struct post all[POSTS];
};

static int take_post(void *arg)
{
	struct post *p = arg;

	p->posts->in_order = p->posts->in_order && p->posts->next == p->number;
	p->posts->next++;
	return p->number % 7 ? 0 : -EIO;
}

static int post_all(void *arg)
{
	struct posts *p = arg;

	for (int i = 0; i < POSTS; i++) {
		p->all[i] = (struct post){p, i};
		CHECK_RC(il_portal_run_sync_soon(p->portal, NULL, take_post, &p->all[i]), 0);
	}
	return 0;
}

IL_TEST(E, n105_a_thousand_posts_of_one_thread_run_in_order)
{
	struct posts *p = calloc(1, sizeof *p);
	struct il_test_thread t;

	CHECK(p != NULL);
	p->in_order = true;
	CHECK_RC(il_loop_create_threads_portal(il_loop_current(), &p->portal), 0);
	il_test_thread_start(&t, post_all, p);
	CHECK_RC(il_test_thread_join(&t), 0);
	CHECK_RC(il_portal_close(p->portal), 0);
	CHECK_EQ(p->next, POSTS);
	CHECK(p->in_order);
	free(p);
}

struct repost {
	il_portal *portal;
	bool over;
	int runs;
};

static int post_again(void *arg)
{
	struct repost *r = arg;

	r->runs++;
	return r->over ? 0 : il_portal_run_sync_soon(r->portal, NULL, post_again, r);
}

IL_TEST(E, n106_a_post_that_posts_itself_again_starves_no_task)
{
	struct repost r = {.over = false};
	int runs;

	CHECK_RC(il_loop_create_threads_portal(il_loop_current(), &r.portal), 0);
	CHECK_RC(il_portal_run_sync_soon(r.portal, NULL, post_again, &r), 0);
	for (int i = 0; i < 20; i++)
		CHECK_RC(il_yield(), 0);
	if (!il_test_virtual()) /* where the clock stands while somebody is busy */
		CHECK_RC(il_sleep(IL_MSEC(1)), 0);
	runs = r.runs;
	UNTIL_THREAD(r.runs > runs);
	r.over = true;
	CHECK_RC(il_portal_close(r.portal), 0);
}

static int fail(void *arg)
{
	count_in(arg);
	return -EIO;
}

IL_TEST(E, n106_a_post_that_fails_stops_no_other)
{
	atomic_int ran = 0;
	il_portal *p = NULL;
	il_future *f = NULL;

	CHECK_RC(il_loop_create_threads_portal(il_loop_current(), &p), 0);
	CHECK_RC(il_portal_run_sync_soon(p, NULL, fail, &ran), 0);
	CHECK_RC(il_portal_run_coroutine_soon(p, NULL, fail, &ran), 0);
	CHECK_RC(il_portal_run_sync_soon(p, &f, fail, &ran), 0);
	CHECK_RC(il_portal_run_sync_soon(p, NULL, count_in, &ran), 0);
	CHECK_RC(finished(f), -EIO);
	CHECK_RC(il_portal_close(p), 0);
	CHECK_EQ(ran, 4);
}

struct flood {
	il_portal *portal;
	atomic_int accepted, ran, reported;
	int last;
};

static int note_report(il_future *f, void *arg)
{
	int rc = il_future_result(f, 0);

	CHECK(rc == 0 || rc == -ESHUTDOWN || rc == -ECANCELED);
	if (rc < 0)
		atomic_fetch_add(&((struct flood *)arg)->reported, 1);
	return 0;
}

static int take_flood(void *arg)
{
	atomic_fetch_add(&((struct flood *)arg)->ran, 1);
	return 0;
}

/* With a future and without, as a task and as a plain call. */
static int post_one(struct flood *fl, int i)
{
	il_future *f = NULL;
	int rc = i % 2
		     ? il_portal_run_sync_soon(fl->portal, i % 3 ? &f : NULL, take_flood, fl)
		     : il_portal_run_coroutine_soon(fl->portal, i % 3 ? &f : NULL, take_flood, fl);

	if (rc == 0 && f)
		CHECK_RC(il_future_on_done(f, note_report, fl), 0);
	il_future_unref(f);
	return rc;
}

static int post_until_refused(void *arg)
{
	struct flood *fl = arg;
	int rc = 0;

	for (int i = 0; rc == 0 || rc == -EAGAIN; i++) {
		if (rc == -EAGAIN)
			il_test_pause_really();
		rc = post_one(fl, i);
		if (rc == 0)
			atomic_fetch_add(&fl->accepted, 1);
	}
	return rc;
}

static int let_some_in(void *arg)
{
	struct flood *fl = arg;

	UNTIL_THREAD(atomic_load(&fl->ran) >= fl->last);
	return 0;
}

IL_TEST_OWN(E, n107_a_thread_that_posts_until_the_end_is_refused_then)
{
	il_loop_options options = {.queue_limit = 64};

	for (int i = 0; i < 5; i++) {
		struct flood fl = {.last = 50 * i};
		struct il_test_thread a, b;
		il_loop *loop = NULL;
		CHECK_RC(il_loop_open(&loop, il_test_backend(), &options), 0);
		CHECK_RC(il_loop_create_threads_portal(loop, &fl.portal), 0);
		il_test_thread_start(&a, post_until_refused, &fl);
		il_test_thread_start(&b, post_until_refused, &fl);
		CHECK_RC(il_loop_run(loop, let_some_in, &fl), 0);
		il_loop_destroy(loop);
		CHECK_RC(il_test_thread_join(&a), -ESHUTDOWN);
		CHECK_RC(il_test_thread_join(&b), -ESHUTDOWN);
		CHECK_RC(il_portal_close(fl.portal), 0);
		CHECK_EQ(fl.ran + fl.reported, fl.accepted);
	}
}

/* ---- what has no number ---- */

struct argument {
	struct host host;
	atomic_bool in_use;
};

static int use_argument(void *arg)
{
	struct argument *a = arg;

	atomic_store(&a->host.begun, true);
	CHECK_RC(il_sleep_forever(), -ECANCELED);
	il_test_pause_really(); /* cancelled, but not ended */
	atomic_store(&a->in_use, false);
	return -ECANCELED;
}

static int lend_argument(void *arg)
{
	struct argument *a = arg;
	int rc;

	atomic_store(&a->in_use, true);
	rc = il_from_thread_run(use_argument, a);
	CHECK(!atomic_load(&a->in_use));
	return rc;
}

IL_TEST(E, the_argument_is_the_calls_until_its_function_has_ended)
{
	struct argument a = {.host = {.scope = IL_SCOPE_INIT, .in_thread = lend_argument}};

	cancel_host(&a.host);
	CHECK_RC(a.host.rc, -ECANCELED);
	CHECK(!atomic_load(&a.in_use));
}

static int nap_in_the_loop(void *arg)
{
	return il_sleep(*(il_time *)arg);
}

static int nap_from_a_worker(void *arg)
{
	return il_from_thread_run(nap_in_the_loop, arg);
}

struct naps {
	il_executor *ex;
	il_time each;
};

static int run_nap(void *arg)
{
	struct naps *n = arg;

	return il_executor_run(n->ex, nap_from_a_worker, &n->each, sizeof n->each);
}

IL_TEST(E, calls_behind_workers_that_wait_for_the_clock_do_not_stop_it)
{
	il_thread_pool_options options = {.max_workers = 2};
	struct naps n = {.each = IL_MSEC(20)};
	il_time begin = il_now();
	il_time items[5] = {IL_MSEC(20), IL_MSEC(20), IL_MSEC(20), IL_MSEC(20), IL_MSEC(20)};
	il_group g;

	CHECK_RC(il_thread_pool_create(&n.ex, &options), 0);
	CHECK_RC(il_group_open(&g), 0);
	for (size_t i = 0; i < 5; i++)
		CHECK_RC(il_group_start_soon(&g, NULL, run_nap, &n), 0);
	CHECK_RC(il_group_close(&g, 0), 0);
	CHECK(il_now() - begin >= IL_MSEC(60)); /* three rounds */
	begin = il_now();
	CHECK_RC(
	    il_executor_map(n.ex, nap_from_a_worker, items, 5, sizeof items[0], NULL, IL_FOREVER),
	    0);
	CHECK(il_now() - begin >= IL_MSEC(60));
	il_executor_destroy(n.ex);
}

/* ---- in a task of a loop that the worker runs itself ---- */

struct cut {
	atomic_bool begun;
	int woken;
	il_scope scope;
};

static int note_the_cancellation(void *arg)
{
	struct cut *c = arg;

	atomic_store(&c->begun, true);
	c->woken = il_sleep_forever();
	return c->woken;
}

static int end_the_time(void *arg)
{
	struct cut *c = arg;

	UNTIL(atomic_load(&c->begun));
	return il_scope_set_deadline(&c->scope, il_now());
}

static int cut_short(void *arg)
{
	struct cut *c = arg, never = {.woken = 0};
	il_scope scope = IL_SCOPE_INIT;
	il_group g;

	CHECK_RC(il_group_open(&g), 0);
	CHECK_RC(il_scope_enter(&c->scope, IL_FOREVER, IL_FAIL_AT_DEADLINE), 0);
	CHECK_RC(il_group_start_soon(&g, NULL, end_the_time, c), 0);
	CHECK_RC(il_scope_exit(&c->scope, il_from_thread_run(note_the_cancellation, c)),
		 -ETIMEDOUT);
	CHECK_RC(il_group_close(&g, 0), 0);
	CHECK_RC(il_scope_enter(&scope, 0, 0), 0);
	CHECK_RC(il_from_thread_run(note_the_cancellation, &never), -ECANCELED);
	CHECK_RC(il_from_thread_run_sync(note_the_cancellation, &never), -ECANCELED);
	CHECK_RC(il_scope_exit(&scope, -ECANCELED), 0);
	return atomic_load(&never.begun);
}

static int run_cut_short(void *c)
{
	return il_run(il_test_backend(), cut_short, c);
}

IL_TEST_REAL(E, a_call_from_a_workers_own_task_is_cancelled_with_it)
{
	struct cut c = {.scope = IL_SCOPE_INIT};

	CHECK_RC(il_run_in_thread(run_cut_short, &c), 0);
	CHECK_RC(c.woken, -ECANCELED);
}
