/*
 * u_lives.c: the lives of hosts and of the simulated network, and who waits for their ends: power cuts and restarts at the
 * same time, what is opened while the network is closed, portals of hosts, what runs for hosts outside of tasks.
 */
#include "u_network.h"

#include <unistd.h>

/* ---- who waits for the end of a host ---- */

/* The first life ends a second late, the others end when they are cancelled. */
static int end_late_once(void *lives)
{
	return ++*(int *)lives == 1 ? shielded_sleep(IL_SEC(1)) : il_sleep_forever();
}

static int restart_late(void *n)
{
	return il_virtual_host_restart(n, "late");
}

IL_TEST_VIRTUAL(U, one_of_two_who_restart_a_host_at_once_starts_it)
{
	il_virtual_network *n = network_with(NULL);
	il_time start = il_now();
	il_future *other;
	int lives = 0, here, there;

	host(n, "late", end_late_once, &lives);
	CHECK_RC(il_sleep(IL_MSEC(1)), 0);
	CHECK_RC(il_loop_spawn(il_loop_current(), &other, restart_late, n), 0);
	here = il_virtual_host_restart(n, "late");
	there = il_future_result(other, IL_FOREVER);
	CHECK((here == 0 && there == -EALREADY) || (here == -EALREADY && there == 0));
	CHECK_EQ(il_now() - start, IL_SEC(1));
	CHECK_RC(il_sleep(IL_MSEC(1)), 0);
	CHECK_EQ(lives, 2);
	il_future_unref(other);
	CHECK_RC(il_virtual_network_close(n), 0);
}

struct lives {
	int now, most;
};

static int live(void *arg)
{
	struct lives *l = arg;

	if (++l->now > l->most)
		l->most = l->now;
	shielded_sleep(IL_SEC(1));
	l->now--;
	return 0;
}

static int restart_and_crash_late(void *n)
{
	int rc = il_virtual_host_restart(n, "late");

	return rc < 0 ? rc : il_virtual_host_crash(n, "late");
}

IL_TEST_VIRTUAL(U, a_host_that_crashes_as_it_starts_has_one_life_at_a_time)
{
	il_virtual_network *n = network_with(NULL);
	struct lives l = {.now = 0};
	il_future *crashes;
	int rc;

	host(n, "late", live, &l);
	CHECK_RC(il_sleep(IL_MSEC(1)), 0);
	CHECK_RC(il_loop_spawn(il_loop_current(), &crashes, restart_and_crash_late, n), 0);
	CHECK_RC(il_sleep(IL_MSEC(1)), 0); /* it waits */
	rc = il_virtual_host_restart(n, "late");
	CHECK(rc == 0 || rc == -EALREADY);
	rc = il_future_result(crashes, IL_FOREVER);
	CHECK(rc == 0 || rc == -EALREADY);
	CHECK_RC(il_sleep(IL_MSEC(1)), 0);
	CHECK_EQ(l.most, 1);
	il_future_unref(crashes);
	CHECK_RC(il_virtual_network_close(n), 0);
}

static int crash_late(void *n)
{
	return il_virtual_host_crash(n, "late");
}

IL_TEST_VIRTUAL(U, who_waits_for_a_host_outlasts_the_networks_end)
{
	il_virtual_network *n = network_with(NULL);
	il_future *crashes, *restarts;
	int lives = 0;

	host(n, "late", end_late_once, &lives);
	CHECK_RC(il_sleep(IL_MSEC(1)), 0);
	CHECK_RC(il_loop_spawn(il_loop_current(), &crashes, crash_late, n), 0);
	CHECK_RC(il_loop_spawn(il_loop_current(), &restarts, restart_late, n), 0);
	CHECK_RC(il_sleep(IL_MSEC(1)), 0); /* both wait */
	CHECK_RC(il_virtual_network_close(n), 0);
	CHECK_RC(il_future_result(crashes, IL_FOREVER), 0);
	CHECK_RC(il_future_result(restarts, IL_FOREVER), -EALREADY);
	il_future_unref(crashes);
	il_future_unref(restarts);
}

/* ---- who opens something while the network is closed ---- */

struct opener {
	int (*open)(void);
	bool begun;
};

static int open_connection(void)
{
	return reach("silent");
}

static int open_listener(void)
{
	il_listener *l = NULL;
	int rc = il_listener_open_tcp(&l, NULL, "0", NULL);

	il_listener_destroy(l);
	return rc;
}

static int open_datagrams(void)
{
	il_datagram *d = NULL;
	int rc = il_datagram_open_udp(&d, NULL, "0", NULL);

	il_datagram_destroy(d);
	return rc;
}

/* Always in the midst of it. */
static int open_and_open(void *arg)
{
	struct opener *o = arg;
	int rc = 0;

	o->begun = true;
	for (int i = 0; rc == 0 && i < 100; i++)
		rc = o->open();
	return rc;
}

IL_TEST_VIRTUAL(U, what_is_opened_while_the_network_is_closed_is_down)
{
	int (*const ways[])(void) = {open_connection, open_listener, open_datagrams};

	for (int i = 0; i < 3; i++) {
		struct opener o = {.open = ways[i]};
		il_virtual_network *n = network_with(NULL);
		il_future *f;

		host(n, "silent", sleep_forever, NULL);
		CHECK_RC(il_virtual_host_crash(n, "silent"), 0);
		CHECK_RC(il_loop_spawn(il_loop_current(), &f, open_and_open, &o), 0);
		while (!o.begun)
			CHECK_RC(il_yield(), 0);
		CHECK_RC(il_virtual_network_close(n), 0);
		CHECK_RC(il_future_result(f, IL_FOREVER), -ENETDOWN);
		il_future_unref(f);
	}
}

static int connect_to_any(void *unused)
{
	(void)unused;
	return reach("db");
}

IL_TEST_VIRTUAL(U, a_race_of_addresses_ends_with_its_network)
{
	il_virtual_network *n = network_with(NULL);
	const char *const names[] = {"1.db", "2.db", "3.db"};
	il_future *f;

	for (int i = 0; i < 3; i++) {
		host(n, names[i], sleep_forever, NULL);
		CHECK_RC(il_virtual_host_crash(n, names[i]), 0);
	}
	CHECK_RC(il_loop_spawn(il_loop_current(), &f, connect_to_any, NULL), 0);
	CHECK_RC(il_sleep(IL_MSEC(300)), 0); /* two are under way */
	CHECK_RC(il_virtual_network_close(n), 0);
	CHECK_RC(il_future_result(f, IL_FOREVER), -ENETDOWN);
	CHECK_DETAIL("of 3 addresses tried");
	il_future_unref(f);
}

/* ---- portals of hosts ---- */

struct portal_host {
	il_portal *portal;
	il_future *future; /* of a call through it */
	bool ended;
};

static int leave_a_portal(void *arg)
{
	return il_loop_create_threads_portal(il_loop_current(),
					     &((struct portal_host *)arg)->portal);
}

IL_TEST_VIRTUAL(U, a_portal_that_is_left_open_ends_with_its_host)
{
	struct portal_host h = {.portal = NULL};
	il_virtual_network *n = network_with(NULL);

	host(n, "a", leave_a_portal, &h);
	CHECK_RC(ended(n, "a"), 0);
	CHECK_RC(il_virtual_network_close(n), 0);
	CHECK_RC(il_portal_run_sync_soon(h.portal, NULL, sleep_forever, NULL), -ESHUTDOWN);
	CHECK_RC(il_portal_close(h.portal), 0);
}

static int end_late(void *arg)
{
	struct portal_host *h = arg;

	CHECK_RC(shielded_sleep(IL_SEC(1)), 0);
	h->ended = true;
	return il_sleep(0);
}

static int leave_a_call(void *arg)
{
	struct portal_host *h = arg;

	CHECK_RC(leave_a_portal(h), 0);
	return il_portal_run_coroutine_soon(h->portal, &h->future, end_late, h);
}

IL_TEST_VIRTUAL(U, a_crash_waits_for_what_runs_in_its_hosts_portals)
{
	struct portal_host h = {.portal = NULL};
	il_virtual_network *n = network_with(NULL);

	host(n, "a", leave_a_call, &h);
	for (int life = 1; life <= 2; life++) {
		CHECK_RC(ended(n, "a"), 0);
		CHECK_RC(il_sleep(IL_MSEC(1)), 0);
		CHECK_RC(il_virtual_host_crash(n, "a"), 0);
		CHECK(h.ended);
		CHECK_RC(il_future_result(h.future, 0), -ECANCELED);
		il_future_unref(h.future);
		CHECK_RC(il_portal_close(h.portal), 0);
		h.ended = false;
		CHECK_RC(il_virtual_host_restart(n, "a"), 0);
	}
	CHECK_RC(ended(n, "a"), 0);
	CHECK_RC(il_virtual_network_close(n), 0);
	il_future_unref(h.future);
	CHECK_RC(il_portal_close(h.portal), 0);
}

static int open_a_portal_too_late(void *arg)
{
	CHECK_RC(il_sleep_forever(), -ECANCELED);
	return leave_a_portal(arg);
}

IL_TEST_VIRTUAL(U, a_host_that_has_crashed_opens_no_portal)
{
	struct portal_host h = {.portal = NULL};
	il_virtual_network *n = network_with(NULL);

	host(n, "a", open_a_portal_too_late, &h);
	CHECK_RC(il_sleep(IL_MSEC(1)), 0);
	CHECK_RC(il_virtual_host_crash(n, "a"), 0);
	CHECK_RC(ended(n, "a"), -ESHUTDOWN);
	CHECK(!h.portal);
	CHECK_RC(il_virtual_network_close(n), 0);
}

/* ---- what runs for a host outside of its tasks ---- */

struct errand {
	il_portal *through;
	il_timer *timer;
	il_fd_watch *watch;
	int ends[2];
	il_future *ended; /* of a task that ends at once */

	il_portal *portal; /* begun in the errand, and a task */
	il_future *task;
	int runs;
};

static int begin_more(void *arg)
{
	struct errand *e = arg;

	e->runs++;
	if (e->task)
		return 0;
	CHECK_RC(il_loop_spawn(il_loop_current(), &e->task, sleep_forever, NULL), 0);
	return il_loop_create_threads_portal(il_loop_current(), &e->portal);
}

static void begin_when_due(void *arg)
{
	CHECK_RC(begin_more(arg), 0);
}

static void begin_when_readable(void *arg, unsigned mask)
{
	struct errand *e = arg;

	(void)mask;
	CHECK_RC(il_fd_watch_set(e->watch, 0), 0);
	CHECK_RC(begin_more(e), 0);
}

static int begin_when_ended(il_future *f, void *arg)
{
	(void)f;
	return begin_more(arg);
}

static int set_a_timer(void *arg)
{
	struct errand *e = arg;

	CHECK_RC(il_timer_open(&e->timer, begin_when_due, e), 0);
	return il_timer_set(e->timer, il_deadline(IL_MSEC(1)));
}

static int watch_a_pipe(void *arg)
{
	struct errand *e = arg;

	CHECK_RC(il_fd_watch_open(&e->watch, e->ends[0], IL_READABLE, begin_when_readable, e), 0);
	CHECK_EQ(write(e->ends[1], "x", 1), 1);
	return 0;
}

static int post_a_call(void *arg)
{
	struct errand *e = arg;

	CHECK_RC(il_loop_create_threads_portal(il_loop_current(), &e->through), 0);
	return il_portal_run_sync_soon(e->through, NULL, begin_more, e);
}

static int call_from_thread(void *arg)
{
	return il_from_thread_run_sync(begin_more, arg);
}

static int have_a_thread_call(void *arg)
{
	return il_run_in_thread(call_from_thread, arg);
}

static int return_at_once(void *arg)
{
	(void)arg;
	return 0;
}

static int have_a_task_end(void *arg)
{
	struct errand *e = arg;

	CHECK_RC(il_loop_spawn(il_loop_current(), &e->ended, return_at_once, NULL), 0);
	return il_future_on_done(e->ended, begin_when_ended, e);
}

static int have_a_call_end(void *arg)
{
	struct errand *e = arg;

	CHECK_RC(il_loop_create_threads_portal(il_loop_current(), &e->through), 0);
	CHECK_RC(il_portal_run_sync_soon(e->through, &e->ended, return_at_once, NULL), 0);
	return il_future_on_done(e->ended, begin_when_ended, e);
}

static void errand_free(struct errand *e)
{
	il_timer_close(e->timer);
	il_fd_watch_close(e->watch);
	if (e->through)
		CHECK_RC(il_portal_close(e->through), 0);
	CHECK_RC(il_portal_close(e->portal), 0);
	il_future_unref(e->ended);
	il_future_unref(e->task);
}

IL_TEST_VIRTUAL(U, what_is_begun_for_a_host_outside_of_its_tasks_is_the_hosts)
{
	il_fn *const ways[] = {set_a_timer,        watch_a_pipe,    post_a_call,
			       have_a_thread_call, have_a_task_end, have_a_call_end};

	for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
		struct errand e = {.runs = 0};
		il_virtual_network *n = network_with(NULL);

		CHECK_EQ(pipe(e.ends), 0);
		host(n, "a", ways[i], &e);
		CHECK_RC(ended(n, "a"), 0);
		UNTIL(e.portal);
		CHECK_RC(il_virtual_host_crash(n, "a"), 0);
		CHECK(il_future_done(e.task));
		CHECK_RC(il_future_result(e.task, 0), -ECANCELED);
		CHECK_RC(il_portal_run_sync_soon(e.portal, NULL, return_at_once, NULL), -ESHUTDOWN);
		CHECK_RC(il_virtual_network_close(n), 0);
		CHECK_EQ(e.runs, 1);
		errand_free(&e);
		close(e.ends[0]);
		close(e.ends[1]);
	}
}

IL_TEST_VIRTUAL(U, a_timer_does_not_outlast_a_power_cut)
{
	struct errand e = {.runs = 0};
	il_virtual_network *n = network_with(NULL);

	host(n, "a", set_a_timer, &e);
	CHECK_RC(ended(n, "a"), 0); /* the host stays up, with its timer and no task */
	CHECK_RC(il_virtual_host_crash(n, "a"), 0);
	CHECK_RC(il_sleep(IL_SEC(1)), 0);
	CHECK_EQ(e.runs, 0);
	CHECK_RC(il_timer_set(e.timer, 0), -ESHUTDOWN);
	il_timer_close(e.timer);
	CHECK_RC(il_virtual_network_close(n), 0);
}

static void count_run(void *arg)
{
	((struct errand *)arg)->runs++;
}

/* What the tasks of a host that has crashed need to end goes on, but nothing new begins. */
static int end_by_a_timer(void *arg)
{
	struct errand *e = arg;
	il_scope shield = IL_SCOPE_INIT;
	il_timer *late = NULL;

	CHECK_RC(il_timer_open(&e->timer, count_run, e), 0);
	CHECK_RC(il_sleep_forever(), -ECANCELED);
	CHECK_RC(il_timer_open(&late, count_run, e), -ESHUTDOWN);
	CHECK_DETAIL("crashed");
	CHECK_RC(il_timer_set(e->timer, il_deadline(IL_SEC(1))), 0);
	CHECK_RC(il_scope_enter(&shield, IL_FOREVER, IL_SHIELD), 0);
	UNTIL(e->runs);
	return il_scope_exit(&shield, 0);
}

IL_TEST_VIRTUAL(U, a_timer_runs_while_a_crashed_host_has_tasks)
{
	struct errand e = {.runs = 0};
	il_virtual_network *n = network_with(NULL);

	host(n, "a", end_by_a_timer, &e);
	CHECK_RC(il_sleep(IL_MSEC(1)), 0);
	CHECK_RC(il_virtual_host_crash(n, "a"), 0);
	CHECK_EQ(e.runs, 1);
	CHECK_RC(il_timer_set(e.timer, 0), -ESHUTDOWN);
	il_timer_close(e.timer);
	CHECK_RC(il_virtual_network_close(n), 0);
}
