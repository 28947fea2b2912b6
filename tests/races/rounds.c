/*
 * rounds.c: a loop that closes while threads use its portal, blocking portals, abandoned threads, one future.
 */
#include "races.h"

#include <errno.h>
#include <sched.h>
#include <unistd.h>

/* ---- a loop that closes ---- */

static void await_future(il_future *f)
{
	int rc = il_future_wait(f, RACE_PATIENCE);

	if (rc != 0)
		race_broken("a future is never done: %s", il_error_name(rc));
	il_future_unref(f);
}

static void soon_and_cancel(il_portal *p)
{
	atomic_int done = 0;
	il_future *f;

	if (RACE(il_portal_run_sync_soon(p, &f, race_spin, NULL)) < 0)
		return;
	if (il_future_on_done(f, race_done, &done) < 0)
		race_broken("il_future_on_done");
	if (race_draw(2))
		il_future_cancel(f);
	il_future_ref(f);
	await_future(f);
	for (int i = 0; done == 0 && i < 40000; i++)
		usleep(100); /* the callback may follow the wake-up */
	if (done != 1)
		race_broken("a callback ran %d times", done);
	il_future_unref(f);
}

static void call_portal(il_portal *p)
{
	il_future *f = NULL;
	int value;

	switch (race_draw(8)) {
	case 0:
		value = RACE(il_portal_run_sync(p, race_three, NULL));
		if (value >= 0 && value != 3)
			race_broken("a portal's call returned %d", value);
		break;
	case 1:
		RACE(il_portal_run_coroutine(p, race_nap, NULL));
		break;
	case 2:
		race_accepted += RACE(il_portal_run_sync_soon(p, NULL, race_count, NULL)) == 0;
		break;
	case 3:
		race_accepted += RACE(il_portal_run_coroutine_soon(p, NULL, race_count, NULL)) == 0;
		break;
	case 4:
		if (RACE(il_portal_run_coroutine_soon(p, &f, race_nap, NULL)) < 0)
			break;
		if (race_draw(2))
			il_future_cancel(f);
		await_future(f);
		break;
	case 5:
		soon_and_cancel(p);
		break;
	case 6:
		if (RACE(il_portal_start_task(p, &f, &value, race_nap, NULL)) == 0)
			race_broken("a task told nothing, and was started");
		break;
	default:
		if (race_draw(10) == 0)
			il_portal_stop(p, race_draw(2));
	}
}

static void *call_portal_often(void *portal)
{
	for (int i = 0; i < 30; i++)
		call_portal(portal);
	il_portal_unref(portal);
	return NULL;
}

static int doze(void *arg)
{
	int rc = 0;

	(void)arg;
	for (int i = 0; i < 20 && rc == 0; i++) {
		rc = il_sleep(IL_USEC(race_draw(60)));
		if (rc == 0 && race_draw(5) == 0)
			RACE(il_run_in_thread(race_three, NULL));
	}
	return rc;
}

void round_portal(void)
{
	struct race_threads *threads;
	il_loop *loop;
	il_portal *p;

	if (il_loop_open(&loop, race_backend, NULL) < 0 ||
	    il_loop_create_threads_portal(loop, &p) < 0)
		race_broken("no loop");
	for (int i = 0; i < RACE_THREADS; i++)
		il_portal_ref(p); /* each thread drops one */
	threads = race_threads_start(call_portal_often, p);
	RACE(il_loop_run(loop, doze, NULL));
	if (race_draw(2)) {
		il_portal_close(p);
		p = NULL;
	}
	RACE(il_loop_close(loop));
	if (p && race_draw(2))
		il_portal_close(p);
	else
		il_portal_unref(p);
	il_loop_destroy(loop);
	race_threads_join(threads);
}

/* ---- blocking portals ---- */

static il_portal_provider *provider;

static void *use_provider(void *arg)
{
	(void)arg;
	for (int i = 0; i < 4; i++) {
		il_portal *p;
		if (il_portal_provider_acquire(provider, &p) < 0)
			race_broken("il_portal_provider_acquire");
		if (RACE(il_portal_run_sync(p, race_three, NULL)) != 3)
			race_broken("a provider's portal is stopped while it is held");
		RACE(il_portal_run_coroutine(p, race_nap, NULL));
		if (il_portal_provider_release(provider) < 0)
			race_broken("il_portal_provider_release");
	}
	return NULL;
}

static int cross(void *portal)
{
	for (int i = 0; i < 3; i++) {
		il_scope scope = IL_SCOPE_INIT;
		if (il_scope_enter(&scope, il_deadline(IL_USEC(race_draw(300))), 0) < 0)
			race_broken("il_scope_enter");
		RACE(il_scope_exit(&scope, RACE(il_portal_run_coroutine(portal, race_nap, NULL))));
	}
	return 0;
}

void round_blocking(void)
{
	struct race_threads *threads;
	il_portal *p;

	if (il_portal_provider_create(&provider, race_backend, NULL) < 0)
		race_broken("il_portal_provider_create");
	threads = race_threads_start(use_provider, NULL);
	if (il_blocking_portal_start(&p, race_backend, NULL) < 0)
		race_broken("il_blocking_portal_start");
	RACE(il_run(race_backend, cross, p));
	if (race_draw(2))
		il_portal_stop(p, true);
	if (il_blocking_portal_stop(p) < 0)
		race_broken("il_blocking_portal_stop");
	race_threads_join(threads);
	il_portal_provider_destroy(provider);
}

/* ---- threads that are abandoned, while their loop ends ---- */

static atomic_int held;

static void release(void *arg)
{
	(void)arg;
	held--;
}

static int abandon(void *arg)
{
	bool abandoned = false;
	const il_run_in_thread_options options = {
	    .abandon_on_cancel = true, .release = release, .abandoned = &abandoned};
	il_scope scope = IL_SCOPE_INIT;
	il_address addresses[2];

	(void)arg;
	held++;
	if (il_scope_enter(&scope, il_deadline(IL_USEC(race_draw(100))), 0) < 0)
		race_broken("il_scope_enter");
	RACE(il_scope_exit(&scope, RACE(il_run_in_thread_with(race_draw(2) ? race_spin : race_back,
							      &held, &options))));
	held -= !abandoned;
	scope = (il_scope)IL_SCOPE_INIT;
	if (il_scope_enter(&scope, il_deadline(IL_USEC(race_draw(300))), 0) < 0)
		race_broken("il_scope_enter");
	RACE(il_scope_exit(&scope, RACE(il_resolve("localhost", "1", 0, addresses, 2))));
	return 0;
}

static int abandon_six(void *arg)
{
	il_group group;

	(void)arg;
	if (il_group_open(&group) < 0)
		race_broken("il_group_open");
	for (int i = 0; i < 6; i++)
		if (il_group_start_soon(&group, NULL, abandon, NULL) < 0)
			race_broken("il_group_start_soon");
	return il_group_close(&group, 0);
}

void round_abandoned(void)
{
	const il_loop_options options = {.thread_limit = 1 + race_draw(3),
					 .shutdown_timeout = race_draw(2) ? RACE_PATIENCE : 0};
	il_loop *loop;

	if (il_loop_open(&loop, race_backend, &options) < 0)
		race_broken("il_loop_open");
	RACE(il_loop_run(loop, abandon_six, NULL));
	RACE(il_loop_close(loop));
	il_loop_destroy(loop);
	for (int i = 0; held > 0 && i < 40000; i++)
		usleep(1000);
	if (held != 0)
		race_broken("%d arguments of abandoned calls were not released", held);
}

/* ---- one future, by two ---- */

static atomic_int role;

static void *complete_or_cancel(void *future)
{
	il_future *f = future;

	if (role++ % RACE_THREADS == 0) {
		if (il_future_cancel(f) != il_future_cancelled(f))
			race_broken("a cancel that counted does not, or the other way round");
	} else if (il_future_set_running(f) == 1) {
		if (race_draw(2))
			sched_yield();
		RACE(il_future_set_result(f, 3));
	}
	il_future_unref(f);
	return NULL;
}

static int await_three(void *future)
{
	int rc = il_future_result(future, RACE_PATIENCE);

	if (rc != 3 && rc != -ECANCELED)
		race_broken("a future's result is %d", rc);
	return 0;
}

void round_future(void)
{
	struct race_threads *threads;
	atomic_int done = 0;
	il_future *f;

	if (il_future_create(&f) < 0 || il_future_on_done(f, race_done, &done) < 0)
		race_broken("il_future_create");
	for (int i = 0; i < RACE_THREADS; i++)
		il_future_ref(f);
	role = 0;
	threads = race_threads_start(complete_or_cancel, f);
	RACE(il_run(race_backend, await_three, f));
	race_threads_join(threads);
	if (done != 1)
		race_broken("a callback ran %d times", done);
	il_future_unref(f);
}
