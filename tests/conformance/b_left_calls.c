/*
 * b_left_calls.c: calls in executors of the user's own that take nothing back (no `withdraw`). One that is cancelled before it
 * begins does not hold up who waits for it: the executor ends it some time, without effect.
 */
#include "workers.h"

struct holder {
	il_executor *ex;
	il_call *calls[3];
	atomic_int submits;
	int kills;
};

static int hold(void *self, il_call *call)
{
	struct holder *h = self;

	h->calls[atomic_load(&h->submits) % 3] = call;
	atomic_fetch_add(&h->submits, 1);
	return 0;
}

static void kill_held(void *self, il_call *call)
{
	struct holder *h = self;

	h->kills++;
	il_call_finish(call, -EINTR, NULL, 0, NULL);
}

static void open_holder(struct holder *h, bool kills)
{
	const il_executor_ops ops = {.submit = hold, .kill = kills ? kill_held : NULL};

	*h = (struct holder){.ex = NULL};
	CHECK_RC(il_executor_create(&h->ex, &ops, h), 0);
}

static int named(void *arg)
{
	(void)arg;
	TRACE("ran");
	return 0;
}

/* In each of the three ways, none of which has an effect. */
static void end_left(il_call *call, int way)
{
	const int value = 1;

	CHECK(!il_call_begin(call));
	if (way == 0)
		il_call_run(call);
	else if (way == 1)
		il_call_fail(call, -EIO);
	else
		il_call_finish(call, -EIO, &value, sizeof value, "nobody is told");
}

/* ---- one call ---- */

struct waiter {
	struct holder *holder;
	il_scope scope;
	int calls; /* 1: by il_executor_run, else by il_executor_map */
	int rc, results[3];
};

static int wait_in_scope(void *arg)
{
	struct waiter *w = arg;
	int items[3] = {0};

	CHECK_RC(il_scope_enter(&w->scope, IL_FOREVER, 0), 0);
	if (w->calls == 1)
		w->rc = il_executor_run(w->holder->ex, named, items, sizeof *items);
	else
		w->rc = il_executor_map(w->holder->ex, named, items, (size_t)w->calls,
					sizeof *items, w->results, IL_FOREVER);
	return il_scope_exit(&w->scope, il_check_cancelled());
}

/* Returns once the holder has all calls. */
static void start_waiter(struct waiter *w, struct holder *h, il_group *g, int calls)
{
	*w = (struct waiter){.holder = h, .scope = IL_SCOPE_INIT, .calls = calls, .rc = 1};
	CHECK_RC(il_group_open(g), 0);
	CHECK_RC(il_group_start_soon(g, NULL, wait_in_scope, w), 0);
	while (atomic_load(&h->submits) < calls)
		CHECK_RC(il_yield(), 0);
}

static void yield_often(void)
{
	for (int i = 0; i < 5; i++)
		CHECK_RC(il_yield(), 0);
}

IL_TEST(B, a_cancelled_tasks_call_is_left_behind)
{
	for (int way = 0; way < 6; way++) {
		struct holder h;
		struct waiter w;
		il_group g;
		open_holder(&h, way % 2);
		start_waiter(&w, &h, &g, 1);
		CHECK_RC(il_scope_cancel(&w.scope), 0);
		CHECK_RC(il_group_close(&g, 0), 0);
		CHECK_RC(w.rc, -ECANCELED);
		if (way < 3) /* the executor may go first */
			il_executor_destroy(h.ex);
		end_left(h.calls[0], way % 3);
		if (way >= 3)
			il_executor_destroy(h.ex);
		CHECK_EQ(h.kills, 0);
	}
	CHECK_TRACE("");
}

IL_TEST(B, a_cancelled_tasks_call_is_not_left_while_it_runs)
{
	struct holder h;
	struct waiter w;
	il_group g;

	open_holder(&h, false);
	start_waiter(&w, &h, &g, 1);
	CHECK(il_call_begin(h.calls[0]));
	CHECK_RC(il_scope_cancel(&w.scope), 0);
	yield_often();
	CHECK_RC(w.rc, 1);
	il_call_finish(h.calls[0], 6, NULL, 0, NULL);
	CHECK_RC(il_group_close(&g, 0), 0);
	CHECK_RC(w.rc, 6);
	il_executor_destroy(h.ex);
}

/* ---- maps ---- */

IL_TEST(B, a_cancelled_map_waits_only_for_calls_that_have_begun)
{
	struct holder h;
	struct waiter w;
	il_group g;

	open_holder(&h, false);
	start_waiter(&w, &h, &g, 3);
	CHECK(il_call_begin(h.calls[1]));
	CHECK_RC(il_scope_cancel(&w.scope), 0);
	yield_often();
	CHECK_RC(w.rc, 1);
	il_call_finish(h.calls[1], 5, NULL, 0, NULL);
	CHECK_RC(il_group_close(&g, 0), 0);
	CHECK_RC(w.rc, -ECANCELED);
	CHECK_RC(w.results[0], -ECANCELED);
	CHECK_RC(w.results[1], 5);
	CHECK_RC(w.results[2], -ECANCELED);
	end_left(h.calls[0], 2);
	il_executor_destroy(h.ex);
	end_left(h.calls[2], 1);
	CHECK_TRACE("");
}

IL_TEST(B, a_cancelled_map_kills_what_has_begun_and_leaves_the_rest)
{
	struct holder h;
	struct waiter w;
	il_group g;

	open_holder(&h, true);
	start_waiter(&w, &h, &g, 3);
	CHECK(il_call_begin(h.calls[2]));
	CHECK_RC(il_scope_cancel(&w.scope), 0);
	CHECK_RC(il_group_close(&g, 0), 0);
	CHECK_EQ(h.kills, 1);
	CHECK_RC(w.rc, -ECANCELED);
	CHECK_RC(w.results[2], -EINTR);
	end_left(h.calls[0], 0);
	end_left(h.calls[1], 1);
	il_executor_destroy(h.ex);
	CHECK_TRACE("");
}

IL_TEST(B, a_map_that_fails_leaves_what_has_not_begun)
{
	struct holder h;
	struct waiter w;
	il_group g;

	open_holder(&h, false);
	start_waiter(&w, &h, &g, 3);
	CHECK(il_call_begin(h.calls[0]));
	il_call_finish(h.calls[0], -EIO, NULL, 0, NULL);
	CHECK_RC(il_group_close(&g, 0), 0);
	CHECK_RC(w.rc, -EIO);
	CHECK_RC(w.results[1], -ECANCELED);
	end_left(h.calls[1], 0);
	end_left(h.calls[2], 2);
	il_executor_destroy(h.ex);
	CHECK_TRACE("");
}

IL_TEST_CORE(B, a_map_out_of_time_leaves_what_has_not_begun)
{
	struct holder h;
	int items[3] = {0}, results[3];

	open_holder(&h, false);
	CHECK_RC(il_executor_map(h.ex, named, items, 3, sizeof *items, results, IL_MSEC(5)),
		 -ETIMEDOUT);
	for (int i = 0; i < 3; i++) {
		CHECK_RC(results[i], -ECANCELED);
		end_left(h.calls[i], i);
	}
	il_executor_destroy(h.ex);
	CHECK_TRACE("");
}

/* ---- a call of a map that is refused ---- */

struct picky {
	il_call *first;
	int rc; /* of the first call, which ends as the second is refused */
};

static int refuse_second(void *self, il_call *call)
{
	struct picky *p = self;

	if (!p->first) {
		p->first = call;
		return 0;
	}
	CHECK(il_call_begin(p->first));
	il_call_finish(p->first, p->rc, NULL, 0, NULL);
	return il_fail(-ENOENT, "no second");
}

static int map_with_a_refusal(int first)
{
	const il_executor_ops ops = {.submit = refuse_second};
	struct picky p = {.rc = first};
	il_executor *ex = NULL;
	int items[3] = {0}, results[3], rc;

	CHECK_RC(il_executor_create(&ex, &ops, &p), 0);
	rc = il_executor_map(ex, named, items, 3, sizeof *items, results, IL_FOREVER);
	if (first >= 0)
		CHECK_DETAIL("no second");
	CHECK_RC(results[0], first);
	CHECK_RC(results[1], -ENOENT);
	CHECK_RC(results[2], -ECANCELED);
	il_executor_destroy(ex);
	return rc;
}

IL_TEST_CORE(B, a_refused_call_fails_its_map_in_item_order)
{
	CHECK_RC(map_with_a_refusal(7), -ENOENT);
	CHECK_RC(map_with_a_refusal(-EIO), -EIO);
}

/* ---- races ---- */

struct racer {
	struct holder *holder;
	atomic_bool go;
	int calls;
};

static int end_calls(void *arg)
{
	struct racer *r = arg;

	UNTIL_THREAD(atomic_load(&r->go));
	for (int i = 0; i < r->calls; i++) {
		il_call *call = r->holder->calls[i];
		if (il_call_begin(call))
			il_call_finish(call, 4, NULL, 0, NULL);
		else
			il_call_fail(call, -EIO);
	}
	return 0;
}

IL_TEST(B, leaving_calls_races_with_their_end)
{
	for (size_t round = 0; round < il_test_rounds(200); round++) {
		struct holder h;
		struct racer r = {.holder = &h, .calls = round % 2 ? 3 : 1};
		struct il_test_thread t;
		struct waiter w;
		il_group g;
		open_holder(&h, false);
		start_waiter(&w, &h, &g, r.calls);
		il_test_thread_start(&t, end_calls, &r);
		atomic_store(&r.go, true);
		CHECK_RC(il_scope_cancel(&w.scope), 0);
		CHECK_RC(il_group_close(&g, 0), 0);
		if (r.calls == 1)
			CHECK(w.rc == 4 || w.rc == -ECANCELED);
		else
			CHECK(w.rc == 0 || w.rc == -ECANCELED);
		for (int i = 0; r.calls == 3 && i < 3; i++)
			CHECK(w.results[i] == 4 || (w.rc && w.results[i] == -ECANCELED));
		CHECK_RC(il_test_thread_join(&t), 0);
		il_executor_destroy(h.ex);
	}
	CHECK_TRACE("");
}
