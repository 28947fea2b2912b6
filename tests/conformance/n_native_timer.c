/*
 * n_native_timer.c: timers fire, whatever has become of the native loop's own. They say something where that is used: on a
 * system without timerfd, and with INTERLOOP_TIMER=native, with which conformance-LOOP-timer runs them.
 */
#include "harness.h"

#include <interloop/sync.h>

static int refuse_timer(void *self, il_time deadline)
{
	(void)self;
	return deadline == IL_FOREVER ? 0 : -ENOMEM;
}

static int nap(void *arg)
{
	il_time begin = il_now();

	(void)arg;
	for (int i = 0; i < 3; i++)
		CHECK_RC(il_sleep(IL_MSEC(2)), 0);
	CHECK(il_now() - begin >= IL_MSEC(6));
	return 0;
}

static int nap_and_tell(void *napped)
{
	int rc = nap(NULL);

	*(bool *)napped = true;
	return rc;
}

static int nap_beside_one_that_yields(void *arg)
{
	bool napped = false;
	il_group group;

	(void)arg;
	CHECK_RC(il_group_open(&group), 0);
	CHECK_RC(il_group_start_soon(&group, NULL, nap_and_tell, &napped), 0);
	while (!napped)
		CHECK_RC(il_yield(), 0);
	return il_group_close(&group, 0);
}

IL_TEST_OWN_REAL(N, timers_fire_where_the_native_loop_has_no_memory_for_its_timer)
{
	il_backend backend = *il_test_backend();

	backend.driver.timer = refuse_timer;
	CHECK_RC(il_run(&backend, nap, NULL), 0);
}

/* The other is always ready, so that no turn ends with nothing left to run. */
IL_TEST_OWN_REAL(N, timers_fire_also_while_a_task_is_always_ready)
{
	il_backend backend = *il_test_backend();

	backend.driver.timer = refuse_timer;
	CHECK_RC(il_run(&backend, nap_beside_one_that_yields, NULL), 0);
}

/* ---- with a descriptor, and a turn that was cut short, in one poll ---- */

struct rounds {
	il_stream *mine, *peer;
	il_semaphore *begin, *end;
	bool due;
};

static int sleep_in_rounds(void *arg)
{
	struct rounds *r = arg;
	int rc;

	while ((rc = il_semaphore_acquire(r->begin)) == 0) {
		CHECK_RC(il_sleep(IL_USEC(20)), 0);
		r->due = true;
	}
	return rc;
}

/* For more than a turn with what it reads. */
static int read_in_rounds(void *arg)
{
	struct rounds *r = arg;
	char byte;
	int n;

	while ((n = il_stream_read(r->peer, &byte, 1)) == 1) {
		for (int i = 0; i < 5000; i++)
			CHECK_RC(il_yield(), 0);
		CHECK_RC(il_semaphore_release(r->end), 0);
	}
	return n;
}

/* The turn of the timer sees to the signal for another turn, whose own upcall comes after it. */
IL_TEST_REAL(N, no_turn_is_lost_that_a_timers_turn_was_to_bring)
{
	struct rounds r = {.due = false};
	il_group group;

	CHECK_RC(il_stream_pair(&r.mine, &r.peer), 0);
	CHECK_RC(il_semaphore_create(&r.begin, 0, 1), 0);
	CHECK_RC(il_semaphore_create(&r.end, 0, 1), 0);
	CHECK_RC(il_group_open(&group), 0);
	CHECK_RC(il_group_start_soon(&group, NULL, sleep_in_rounds, &r), 0);
	CHECK_RC(il_group_start_soon(&group, NULL, read_in_rounds, &r), 0);
	for (int i = 0; i < 30; i++) {
		CHECK_RC(il_stream_write_all(r.mine, "x", 1), 0);
		CHECK_RC(il_semaphore_release(r.begin), 0);
		for (r.due = false; !r.due;)
			CHECK_RC(il_yield(), 0);
		CHECK_RC(il_semaphore_acquire(r.end), 0);
	}
	CHECK_RC(il_scope_cancel(il_group_scope(&group)), 0);
	CHECK_RC(il_group_close(&group, 0), 0);
	il_semaphore_destroy(r.begin);
	il_semaphore_destroy(r.end);
	il_stream_destroy(r.mine);
	il_stream_destroy(r.peer);
}

/* ---- a host that closes all ---- */

struct guest {
	bool begun, napped, empty;
};

static int nap_at_the_end(void *arg)
{
	struct guest *g = arg;
	il_scope shielded = IL_SCOPE_INIT;
	int rc;

	CHECK_RC(il_sleep(IL_MSEC(1)), 0); /* with a timer that was there */
	g->begun = true;
	CHECK_RC(il_sleep_forever(), -ECANCELED);
	CHECK_RC(il_scope_enter(&shielded, IL_FOREVER, IL_SHIELD), 0);
	rc = il_scope_exit(&shielded, nap(NULL));
	g->napped = rc == 0;
	return rc;
}

static void stop(void *native)
{
	il_native.stop(native);
}

static void on_empty(il_loop *loop, void *arg)
{
	((struct guest *)arg)->empty = true;
	CHECK_RC(il_loop_detach(loop), 0);
}

static void close_all_and_shut_down(il_fn *fn)
{
	void *native = il_native.create();
	struct guest g = {.begun = false};
	il_loop *loop = NULL;

	CHECK_RC(il_native.attach(&loop, native, NULL), 0);
	CHECK_RC(il_loop_spawn(loop, NULL, fn, &g), 0);
	while (!g.begun) {
		il_native.after(native, IL_MSEC(1), stop, native);
		il_native.run(native);
	}
	if (il_native.close_all) {
		il_native.close_all(native);
		il_native.run(native);
	}
	CHECK_RC(il_loop_shutdown(loop, on_empty, &g), 0);
	il_native.run(native);
	CHECK(g.napped && g.empty);
	il_native.run(native);
	CHECK_RC(il_native.destroy(native), 0);
}

IL_TEST_ADOPTED(N, a_timer_fires_after_the_host_has_closed_all_handles)
{
	close_all_and_shut_down(nap_at_the_end);
}

static int nap_all_the_time(void *arg)
{
	struct guest *g = arg;
	il_scope shielded = IL_SCOPE_INIT;
	int rc;

	CHECK_RC(il_scope_enter(&shielded, IL_FOREVER, IL_SHIELD), 0);
	g->begun = true;
	rc = il_sleep(IL_MSEC(300));
	g->napped = rc == 0;
	return il_scope_exit(&shielded, rc);
}

IL_TEST_ADOPTED(N, a_timer_fires_that_was_set_before_the_host_closed_all_handles)
{
	close_all_and_shut_down(nap_all_the_time);
}

/* ---- a task that runs the native loop ---- */

struct nested {
	void *native;
	il_timer *timer;
	int left;
	bool ended;
};

static void nested_due(void *arg)
{
	struct nested *n = arg;

	if (--n->left > 0)
		CHECK_RC(il_timer_set(n->timer, il_deadline(IL_MSEC(1))), 0);
	else
		il_native.stop(n->native);
}

/* Until the timer was due three times. */
static void nested_run(struct nested *n)
{
	n->left = 3;
	while (n->left > 0)
		il_native.run(n->native);
}

static int run_nested(void *arg)
{
	struct nested *n = arg;
	il_stream *mine, *peer;
	char byte;

	CHECK_RC(il_timer_open(&n->timer, nested_due, n), 0);
	CHECK_RC(il_timer_set(n->timer, il_deadline(IL_MSEC(2))), 0);
	nested_run(n);
	CHECK_RC(il_timer_set(n->timer, il_deadline(IL_MSEC(20))), 0);
	CHECK_RC(il_sleep(IL_MSEC(1)), 0); /* a timer has brought the turn */
	nested_run(n);
	CHECK_RC(il_stream_pair(&mine, &peer), 0);
	CHECK_RC(il_stream_write_all(peer, "x", 1), 0);
	for (int i = 0; i < 3; i++) /* a descriptor has */
		CHECK_RC(il_sleep(0), 0);
	CHECK_RC(il_stream_read(mine, &byte, 1), 1);
	CHECK_RC(il_timer_set(n->timer, il_deadline(IL_MSEC(2))), 0);
	nested_run(n);
	il_stream_destroy(mine);
	il_stream_destroy(peer);
	il_timer_close(n->timer);
	n->ended = true;
	return 0;
}

IL_TEST_ADOPTED(N, a_timer_is_due_also_in_a_native_loop_that_a_task_runs)
{
	struct nested n = {.native = il_native.create()};
	il_loop *loop = NULL;

	CHECK_RC(il_native.attach(&loop, n.native, NULL), 0);
	if (strcmp(il_native.name, "libevent") != 0) /* which cannot be run within itself */
		CHECK_RC(il_loop_spawn(loop, NULL, run_nested, &n), 0);
	else
		n.ended = true;
	do
		il_native.run(n.native);
	while (!n.ended);
	CHECK_RC(il_loop_detach(loop), 0);
	il_native.run(n.native);
	CHECK_RC(il_native.destroy(n.native), 0);
}
