/*
 * u_lives.c: the lives of hosts and of the simulated network, and who waits for their ends: power cuts and restarts at the
 * same time, what is opened while the network is closed, portals of hosts.
 */
#include "u_network.h"

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
