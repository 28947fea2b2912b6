/*
 * u_faults.c: what a test does to the simulated network: partitions, holds, resets; and that they compose.
 */
#include "u_network.h"

static bool is_broken(int rc)
{
	return rc == -EPIPE || rc == -ECONNRESET;
}

static int read_within(il_stream *s, il_time time, char *data, size_t max)
{
	il_scope scope = IL_SCOPE_INIT;
	int rc = il_scope_enter(&scope, il_deadline(time), IL_FAIL_AT_DEADLINE);

	return rc < 0 ? rc : il_scope_exit(&scope, il_stream_read(s, data, max));
}

static void check_reads(il_stream *s, const char *text)
{
	char data[64];

	CHECK_RC(il_stream_receive_exactly(s, data, strlen(text)), 0);
	CHECK(memcmp(data, text, strlen(text)) == 0);
}

static void check_nothing_comes(il_stream *s)
{
	char data[8];

	CHECK_RC(read_within(s, IL_SEC(1), data, sizeof data), -ETIMEDOUT);
}

/* Until a second passes in which nothing is taken: how much was. */
static size_t fill(il_stream *s)
{
	static const char zeros[1000];
	size_t sent = 0;
	int rc;

	do {
		il_scope scope = IL_SCOPE_INIT;
		CHECK_RC(il_scope_enter(&scope, il_deadline(IL_SEC(1)), IL_FAIL_AT_DEADLINE), 0);
		rc = il_scope_exit(&scope, il_stream_write(s, zeros, sizeof zeros));
		sent += rc > 0 ? (size_t)rc : 0;
	} while (rc > 0);
	CHECK_RC(rc, -ETIMEDOUT);
	return sent;
}

static void drain(il_stream *s, size_t size)
{
	char data[1000];

	while (size > 0) {
		int n = il_stream_read(s, data, sizeof data < size ? sizeof data : size);
		CHECK(n > 0);
		size -= (size_t)n;
	}
}

/* ---- partitions ---- */

static int connect_within(void *time)
{
	const il_connect_options o = {.timeout = *(il_time *)time};
	il_stream *s = NULL;
	int rc = il_stream_connect_tcp(&s, "far", "7", &o);

	il_stream_destroy(s);
	return rc;
}

static int serve_streams(void *arg)
{
	il_listener *l;
	il_stream *s;

	(void)arg;
	CHECK_RC(il_listener_open_tcp(&l, NULL, "7", NULL), 0);
	while (il_listener_accept(l, &s) == 0)
		il_stream_destroy(s);
	il_listener_destroy(l);
	return 0;
}

IL_TEST_VIRTUAL(U, n398_a_connect_over_a_partition_times_out)
{
	il_virtual_network *n = network_with(NULL);
	il_time five = IL_SEC(5), none = 0, start = il_now();

	host(n, "far", serve_streams, NULL);
	host(n, "near", connect_within, &five);
	CHECK_RC(il_virtual_partition(n, "near", "far"), 0);
	CHECK_RC(ended(n, "near"), -ETIMEDOUT);
	CHECK_EQ(il_now() - start, IL_SEC(5));
	host(n, "patient", connect_within, &none);
	CHECK_RC(il_virtual_partition(n, "patient", "far"), 0);
	CHECK_RC(ended(n, "patient"), -ETIMEDOUT);
	CHECK_RC(il_virtual_repair(n, "near", "far"), 0);
	CHECK_RC(il_virtual_host_restart(n, "near"), 0);
	CHECK_RC(ended(n, "near"), 0);
	CHECK_RC(il_virtual_network_close(n), 0);
}

IL_TEST_VIRTUAL(U, n398_a_connect_that_still_tries_succeeds_after_the_repair)
{
	il_virtual_network *n = network_with(NULL);
	il_time none = 0, start = il_now();

	host(n, "far", serve_streams, NULL);
	host(n, "near", connect_within, &none);
	CHECK_RC(il_virtual_partition(n, "near", "far"), 0);
	CHECK_RC(il_sleep(IL_SEC(2)), 0);
	CHECK_RC(il_virtual_repair(n, "near", "far"), 0);
	CHECK_RC(ended(n, "near"), 0);
	CHECK_EQ(il_now() - start, IL_SEC(3)); /* its second resend */
	CHECK_RC(il_virtual_network_close(n), 0);
}

IL_TEST_VIRTUAL(U, n399_a_stream_outlives_a_partition)
{
	struct pair *p = pair_open(NULL);
	size_t sent;

	CHECK_RC(il_virtual_partition(p->n, "near", "far"), 0);
	sent = fill(p->near);
	CHECK(sent >= 64 << 10);
	check_nothing_comes(p->far);
	CHECK_RC(il_virtual_repair(p->n, "far", "near"), 0);
	drain(p->far, sent);
	say(p->near, "on");
	check_reads(p->far, "on");
	pair_close(p);
}

IL_TEST_VIRTUAL(U, n400_a_one_way_partition_lets_the_other_way_through)
{
	struct pair *p = pair_open(NULL);
	size_t sent;

	CHECK_RC(il_virtual_partition_oneway(p->n, "near", "far"), 0);
	say(p->far, "hello");
	check_reads(p->near, "hello");
	sent = fill(p->near);
	check_nothing_comes(p->far);
	CHECK_RC(il_virtual_repair(p->n, "near", "far"), 0);
	drain(p->far, sent);
	pair_close(p);
}

IL_TEST_VIRTUAL(U, n400_partitions_and_repairs_compose)
{
	struct pair *p = pair_open(NULL);

	CHECK_RC(il_virtual_partition(p->n, "near", "far"), 0);
	CHECK_RC(il_virtual_repair_oneway(p->n, "near", "far"), 0);
	say(p->near, "there");
	check_reads(p->far, "there");
	say(p->far, "back");
	check_nothing_comes(p->near);
	CHECK_RC(il_virtual_hold(p->n, "near", "far"), 0);
	CHECK_RC(il_virtual_repair(p->n, "near", "far"), 0);
	check_nothing_comes(p->near);
	CHECK_RC(il_virtual_release(p->n, "near", "far"), 0);
	check_reads(p->near, "back");
	CHECK_RC(il_virtual_release(p->n, "near", "far"), 0);
	CHECK_RC(il_virtual_repair(p->n, "near", "far"), 0);
	pair_close(p);
}

IL_TEST_VIRTUAL(U, n400_names_are_checked)
{
	il_virtual_network *n = network_with(NULL);

	host(n, "a", serve_streams, NULL);
	CHECK_RC(il_virtual_partition(n, "a", "nobody"), -ENOENT);
	CHECK_DETAIL("nobody");
	CHECK_RC(il_virtual_partition(n, "a", "a"), -EINVAL);
	CHECK_RC(il_virtual_partition(n, "a", ""), 0);
	CHECK_RC(il_virtual_repair(n, NULL, NULL), 0);
	CHECK_RC(il_virtual_partition(NULL, "a", ""), -EINVAL);
	CHECK_RC(il_virtual_link(n, "a", "", &(il_virtual_link_options){.loss = 2}), -EINVAL);
	CHECK_RC(il_virtual_link(n, "a", "", &(il_virtual_link_options){.latency_min = -1}),
		 -EINVAL);
	CHECK_RC(il_virtual_host_start(n, "a", serve_streams, NULL), -EALREADY);
	CHECK_RC(il_virtual_host_start(n, "localhost", serve_streams, NULL), -EINVAL);
	CHECK_RC(il_virtual_host_start(n, "a b", serve_streams, NULL), -EINVAL);
	CHECK_RC(il_virtual_host_start(n, "b.", serve_streams, NULL), -EINVAL);
	CHECK_RC(il_virtual_host_start(n, "", serve_streams, NULL), -EINVAL);
	CHECK_RC(il_virtual_host_start(n, "b", NULL, NULL), -EINVAL);
	CHECK_RC(il_virtual_host_crash(n, ""), -EINVAL);
	CHECK_RC(il_virtual_host_crash(n, "b"), -ENOENT);
	CHECK_RC(il_virtual_network_close(n), 0);
}

/* ---- latency and loss ---- */

IL_TEST_VIRTUAL(U, a_link_without_options_is_as_the_network_was_opened)
{
	const il_virtual_network_options opened = {.latency_min = IL_MSEC(5)};
	const il_virtual_link_options dead = {.loss = 1};
	il_virtual_network *n = network_with(&opened);
	il_time none = 0;

	host(n, "far", serve_streams, NULL);
	CHECK_RC(il_sleep(IL_MSEC(1)), 0);
	for (int i = 0; i < 2; i++) { /* of all pairs, and of one */
		il_time start = il_now();
		CHECK_RC(il_virtual_link(n, NULL, NULL, &dead), 0);
		CHECK_RC(il_virtual_link(n, i ? "" : NULL, i ? "far" : NULL, NULL), 0);
		CHECK_RC(connect_within(&none), 0);
		CHECK_EQ(il_now() - start, IL_MSEC(10));
	}
	CHECK_RC(il_virtual_network_close(n), 0);
}

/* ---- holds ---- */

IL_TEST_VIRTUAL(U, n401_what_is_held_is_late_and_not_lost)
{
	struct pair *p = pair_open(NULL);

	CHECK_RC(il_virtual_hold(p->n, "near", "far"), 0);
	for (int i = 0; i < 10; i++) {
		char text[2] = {(char)('0' + i), 0};
		say(p->near, text);
	}
	check_nothing_comes(p->far);
	CHECK_RC(il_virtual_release(p->n, "near", "far"), 0);
	check_reads(p->far, "0123456789");
	pair_close(p);
}

/* As long as it likes, also behind the time after which TCP gives up a peer that does not answer. */
IL_TEST_VIRTUAL(U, n401_a_long_hold_loses_no_connection)
{
	for (int i = 0; i < 2; i++) {
		struct pair *p = pair_open(NULL);

		if (i) {
			say(p->near, "before");
			check_reads(p->far, "before");
		}
		CHECK_RC(il_virtual_hold(p->n, "near", "far"), 0);
		say(p->near, "there");
		say(p->far, "and back");
		CHECK_RC(il_sleep(IL_SEC(100000)), 0);
		say(p->near, ", late");
		CHECK_RC(il_virtual_release(p->n, "near", "far"), 0);
		check_reads(p->far, "there, late");
		check_reads(p->near, "and back");
		say(p->far, "on");
		check_reads(p->near, "on");
		pair_close(p);
	}
}

/* A limit of the program's own ends it, and no sooner. */
IL_TEST_VIRTUAL(U, n401_a_long_hold_leaves_the_programs_limit)
{
	for (int i = 0; i < 2; i++) {
		struct pair *p = pair_open(NULL);

		CHECK_RC(il_stream_set_keepalive_times(p->near, 0, 0, 0, IL_SEC(i ? 200000 : 2000)),
			 0);
		CHECK_RC(il_virtual_hold(p->n, "near", "far"), 0);
		say(p->near, "there");
		CHECK_RC(il_sleep(IL_SEC(1990)), 0);
		CHECK_RC(il_stream_write_now(p->near, NULL, 0), 0);
		CHECK_RC(il_sleep(IL_SEC(98000)), 0);
		CHECK_RC(il_virtual_release(p->n, "near", "far"), 0);
		if (i) {
			check_reads(p->far, "there");
			say(p->far, "on");
			check_reads(p->near, "on");
		} else {
			CHECK_RC(il_stream_write_all(p->near, "more", 4), -ETIMEDOUT);
		}
		pair_close(p);
	}
}

IL_TEST_VIRTUAL(U, n401_a_connect_waits_for_the_end_of_a_long_hold)
{
	il_virtual_network *n = network_with(NULL);
	il_time none = 0;

	host(n, "far", serve_streams, NULL);
	host(n, "near", connect_within, &none);
	CHECK_RC(il_virtual_hold(n, "near", "far"), 0);
	CHECK_RC(il_virtual_host_wait(n, "near", IL_SEC(100000)), -ETIMEDOUT);
	CHECK_RC(il_virtual_release(n, "near", "far"), 0);
	CHECK_RC(ended(n, "near"), 0);
	CHECK_RC(il_virtual_network_close(n), 0);
}

/* What was sent again meanwhile was not lost, so it counts for nothing. */
IL_TEST_VIRTUAL(U, n401_a_connect_is_not_given_up_while_its_answer_comes)
{
	il_virtual_network *n =
	    network_with(&(il_virtual_network_options){.latency_min = IL_MSEC(100)});
	il_time none = 0;

	host(n, "far", serve_streams, NULL);
	CHECK_RC(il_sleep(IL_MSEC(1)), 0);
	CHECK_RC(il_virtual_hold(n, NULL, NULL), 0);
	host(n, "near", connect_within, &none);
	CHECK_RC(il_sleep(IL_MSEC(126950)), 0); /* the last try is over at 127 s */
	CHECK_RC(il_virtual_release(n, NULL, NULL), 0);
	CHECK_RC(ended(n, "near"), 0);
	CHECK_RC(il_virtual_network_close(n), 0);
}

/* From the word that it is accepted on: who has sent that does not give up either. */
IL_TEST_VIRTUAL(U, n401_a_handshake_that_is_held_in_its_middle_goes_on)
{
	const il_virtual_network_options slow = {.latency_min = IL_SEC(1)};
	il_virtual_network *n = network_with(&slow);
	il_time none = 0;

	host(n, "far", serve_streams, NULL);
	host(n, "near", connect_within, &none);
	CHECK_RC(il_sleep(IL_MSEC(1500)), 0);
	CHECK_RC(il_virtual_hold(n, "near", "far"), 0);
	CHECK_RC(il_virtual_host_wait(n, "near", IL_SEC(100000)), -ETIMEDOUT);
	CHECK_RC(il_virtual_release(n, "near", "far"), 0);
	CHECK_RC(ended(n, "near"), 0);
	CHECK_RC(il_virtual_network_close(n), 0);
}

/* A hold of all that is lost anyway is none. */
IL_TEST_VIRTUAL(U, n401_a_partition_under_a_hold_is_one)
{
	il_virtual_network *n = network_with(NULL);
	il_time none = 0;

	host(n, "far", serve_streams, NULL);
	host(n, "near", connect_within, &none);
	CHECK_RC(il_virtual_hold(n, "near", "far"), 0);
	CHECK_RC(il_virtual_partition_oneway(n, "near", "far"), 0);
	CHECK_RC(ended(n, "near"), -ETIMEDOUT);
	CHECK_RC(il_virtual_network_close(n), 0);
}

IL_TEST_VIRTUAL(U, n401_a_third_host_is_not_held)
{
	il_virtual_network *n = network_with(NULL);
	il_time none = 0;

	host(n, "far", serve_streams, NULL);
	host(n, "near", connect_within, &none);
	CHECK_RC(il_virtual_hold(n, "near", "far"), 0);
	host(n, "third", connect_within, &none);
	CHECK_RC(ended(n, "third"), 0);
	CHECK_RC(il_virtual_host_wait(n, "near", IL_SEC(10)), -ETIMEDOUT);
	CHECK_RC(il_virtual_release(n, "near", "far"), 0);
	CHECK_RC(ended(n, "near"), 0);
	CHECK_RC(il_virtual_network_close(n), 0);
}

IL_TEST_VIRTUAL(U, what_is_held_stays_so_while_many_hosts_start)
{
	struct pair *p = pair_open(NULL);
	char name[8];

	CHECK_RC(il_virtual_hold(p->n, "near", "far"), 0);
	say(p->near, "late");
	check_nothing_comes(p->far);
	for (int i = 0; i < 40; i++) {
		snprintf(name, sizeof name, "%d", i);
		host(p->n, name, sleep_forever, NULL);
		CHECK_RC(il_virtual_partition(p->n, name, NULL), 0);
	}
	check_nothing_comes(p->far);
	CHECK_RC(il_virtual_release(p->n, "near", "far"), 0);
	check_reads(p->far, "late");
	pair_close(p);
}

/* ---- all hosts ---- */

IL_TEST_VIRTUAL(U, n401_a_hold_of_all_hosts_holds_those_that_start_later)
{
	il_virtual_network *n = network_with(NULL);
	il_time none = 0;

	CHECK_RC(il_virtual_hold(n, NULL, NULL), 0);
	host(n, "far", serve_streams, NULL);
	host(n, "near", connect_within, &none);
	CHECK_RC(il_virtual_host_wait(n, "near", IL_SEC(10)), -ETIMEDOUT);
	CHECK_RC(il_virtual_release(n, NULL, NULL), 0);
	CHECK_RC(ended(n, "near"), 0);
	host(n, "third", connect_within, &none);
	CHECK_RC(ended(n, "third"), 0);
	CHECK_RC(il_virtual_network_close(n), 0);
}

IL_TEST_VIRTUAL(U, n400_a_partition_of_all_hosts_cuts_off_those_that_start_later)
{
	il_virtual_network *n = network_with(NULL);
	il_time five = IL_SEC(5);

	for (int oneway = 0; oneway < 2; oneway++) {
		CHECK_RC(oneway ? il_virtual_partition_oneway(n, NULL, NULL)
				: il_virtual_partition(n, NULL, NULL),
			 0);
		if (!oneway)
			host(n, "far", serve_streams, NULL);
		host(n, oneway ? "second" : "first", connect_within, &five);
		CHECK_RC(ended(n, oneway ? "second" : "first"), -ETIMEDOUT);
		CHECK_RC(oneway ? il_virtual_repair_oneway(n, NULL, NULL)
				: il_virtual_repair(n, NULL, NULL),
			 0);
		CHECK_RC(connect_within(&five), 0);
	}
	host(n, "third", connect_within, &five);
	CHECK_RC(ended(n, "third"), 0);
	CHECK_RC(il_virtual_network_close(n), 0);
}

/* ---- resets ---- */

static int accept_any(void *listener)
{
	il_stream *s;

	return il_listener_accept(listener, &s);
}

static int accept_none(void *arg)
{
	il_listener *l;

	(void)arg;
	CHECK_RC(il_listener_open_tcp(&l, NULL, "7", NULL), 0);
	CHECK_RC(il_fail_after(IL_SEC(1), accept_any, l), -ETIMEDOUT);
	il_listener_destroy(l);
	return 0;
}

static int connect_and_reset(void *n)
{
	il_stream *s;
	char byte;

	CHECK_RC(il_stream_connect_tcp(&s, "far", "7", NULL), 0);
	CHECK_RC(il_virtual_reset(n, NULL, NULL), 0);
	CHECK_RC(il_stream_read(s, &byte, 1), -ECONNRESET);
	il_stream_destroy(s);
	return 0;
}

/* The last packet of the handshake is under way, and meets no half of a connection. */
IL_TEST_VIRTUAL(U, n402_a_reset_just_after_the_connect_ends_both_ends)
{
	il_virtual_network *n =
	    network_with(&(il_virtual_network_options){.latency_min = IL_MSEC(5)});

	host(n, "far", accept_none, NULL);
	CHECK_RC(il_sleep(IL_MSEC(1)), 0);
	host(n, "near", connect_and_reset, n);
	CHECK_RC(ended(n, "near"), 0);
	CHECK_RC(ended(n, "far"), 0);
	CHECK_RC(il_virtual_network_close(n), 0);
}

IL_TEST_VIRTUAL(U, n402_a_reset_ends_the_connections_of_a_pair)
{
	struct pair *p = pair_open(NULL);
	il_future *near, *far;
	il_time none = 0;

	CHECK_RC(il_loop_spawn(il_loop_current(), &near, read_some, p->near), 0);
	CHECK_RC(il_loop_spawn(il_loop_current(), &far, read_some, p->far), 0);
	CHECK_RC(il_sleep(IL_MSEC(1)), 0);
	CHECK_RC(il_virtual_reset(p->n, "far", "near"), 0);
	CHECK_RC(il_future_result(near, IL_FOREVER), -ECONNRESET);
	CHECK_RC(il_future_result(far, IL_FOREVER), -ECONNRESET);
	il_future_unref(near);
	il_future_unref(far);
	CHECK_RC(read_some(p->near), 0); /* it is said once */
	CHECK(is_broken(il_stream_write_all(p->near, "x", 1)));
	CHECK(is_broken(il_stream_write_all(p->far, "x", 1)));
	CHECK_RC(il_event_set(p->again), 0);
	CHECK_RC(ended(p->n, "near"), 0); /* the pair itself */
	host(p->n, "new", connect_within, &none);
	CHECK_RC(ended(p->n, "new"), 0);
	pair_close(p);
}
