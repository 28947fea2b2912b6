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
