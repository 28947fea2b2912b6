/*
 * virtual_time.c: how handlers are tested in virtual time, as docs/virtual_time.md tells it: exact times of
 * a handler that retries for a minute, an order of tasks that only some seeds show, a wait that would
 * never end, a handler that never stops, and a worker thread beside sleeping tasks.
 */
#include "../core/check.h"

#include <interloop.h>
#include <interloop/virtual.h>

#include <string.h>
#include <time.h>

/* ---- exact times ---- */

/* [handler] */
struct service {
	il_fn *ask;
	void *arg;
};

/* Asks until there is an answer: 5 s for each try, and between two of them 1, 2, 4, ... s. */
static int ask_patiently(void *arg)
{
	const struct service *s = arg;
	il_time pause = IL_SEC(1);

	for (;;) {
		int rc = il_fail_after(IL_SEC(5), s->ask, s->arg);
		if (rc != -ETIMEDOUT)
			return rc;
		rc = il_sleep(pause);
		if (rc < 0)
			return rc;
		pause *= 2;
	}
}
/* [handler] */

/* [fakes] */
struct flaky {
	int tries, answers_at; /* the try that is answered; 0: none */
};

static int ask_flaky(void *arg)
{
	struct flaky *f = arg;

	return ++f->tries == f->answers_at ? 42 : il_sleep_forever();
}
/* [fakes] */

/* [times] */
static int test_times(void *arg)
{
	struct flaky third = {.answers_at = 3}, silent = {.answers_at = 0};
	il_time start = il_now();

	(void)arg;
	CHECK(ask_patiently(&(struct service){ask_flaky, &third}) == 42);
	CHECK(il_now() - start == IL_SEC(5 + 1 + 5 + 2)); /* exactly: only waiting takes time */

	start = il_now();
	CHECK(il_fail_after(IL_SEC(60), ask_patiently, &(struct service){ask_flaky, &silent}) ==
	      -ETIMEDOUT);
	CHECK(il_now() - start == IL_SEC(60));
	CHECK(silent.tries == 6);
	return 0;
}
/* [times] */

/* ---- orders ---- */

/* [orders] */
struct app {
	bool configured;
};

static int configure(void *arg)
{
	struct app *app = arg;

	app->configured = true;
	return 0;
}

static int work(void *arg) /* forgets to wait for configure */
{
	const struct app *app = arg;

	return app->configured ? 0 : -ENOENT;
}

static int start_app(void *arg)
{
	struct app app = {.configured = false};
	il_group group;
	int rc = il_group_open(&group);

	(void)arg;
	if (rc < 0)
		return rc;
	rc = il_group_start_soon(&group, NULL, configure, &app);
	if (rc == 0)
		rc = il_group_start_soon(&group, NULL, work, &app);
	return il_group_close(&group, rc);
}
/* [orders] */

/* [run] */
static int run(il_fn *fn, const il_loop_options *options)
{
	il_loop *loop;
	int rc = il_loop_open(&loop, il_virtual(), options);

	if (rc < 0)
		return rc;
	rc = il_loop_run(loop, fn, NULL);
	il_loop_destroy(loop);
	return rc;
}
/* [run] */

static void test_orders(void)
{
	/* [seeds] */
	uint64_t found = 0;

	CHECK(run(start_app, NULL) == 0); /* first in, first out: nothing is seen */
	for (uint64_t seed = 1; seed <= 100 && !found; seed++)
		if (run(start_app, &(il_loop_options){.seed = seed}) == -ENOENT)
			found = seed; /* the same seed shows it again */
	CHECK(found != 0);
	/* [seeds] */
	CHECK(run(start_app, &(il_loop_options){.seed = found}) == -ENOENT);
}

/* ---- what would never end ---- */

/* [deadlock] */
static int wait_for_nobody(void *arg)
{
	il_event *event;
	int rc = il_event_create(&event);

	(void)arg;
	if (rc < 0)
		return rc;
	rc = il_event_wait(event); /* nobody sets it: -ECANCELED, in the end */
	il_event_destroy(event);
	return rc;
}

static void test_deadlock(void)
{
	CHECK(run(wait_for_nobody, NULL) == -EDEADLK);
	CHECK(strstr(il_error_detail(), "main waits in il_event_wait"));
}
/* [deadlock] */

/* [steps] */
static int never_stop(void *arg)
{
	int rc = 0;

	(void)arg;
	while (rc == 0)
		rc = il_yield();
	return rc;
}

static void test_steps(void)
{
	CHECK(run(never_stop, &(il_loop_options){.step_limit = 10000}) == -ETIMEDOUT);
}
/* [steps] */

/* ---- threads ---- */

/* [threads] */
static int block(void *arg)
{
	(void)arg;
	nanosleep(&(struct timespec){0, 20000000}, NULL); /* real time */
	return 0;
}

static int sleep_an_hour(void *arg)
{
	(void)arg;
	return il_sleep(IL_SEC(3600));
}

static int test_threads(void *arg)
{
	il_time start = il_now();
	il_group group;

	(void)arg;
	CHECK(il_group_open(&group) == 0);
	CHECK(il_group_start_soon(&group, NULL, sleep_an_hour, NULL) == 0);
	CHECK(il_run_in_thread(block, NULL) == 0);
	CHECK(il_now() == start); /* the clock stood while the thread worked */
	CHECK(il_group_close(&group, 0) == 0);
	CHECK(il_now() - start == IL_SEC(3600));
	return 0;
}
/* [threads] */

int main(void)
{
	CHECK(run(test_times, NULL) == 0);
	test_orders();
	test_deadlock();
	test_steps();
	CHECK(run(test_threads, NULL) == 0);
	puts("virtual time: ok");
	return 0;
}
