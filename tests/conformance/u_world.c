/*
 * u_world.c: the simulated network among the rest of the library: selects, deadlines and cancellation over it, threads and
 * portals of hosts, several addresses, and its end while it is used.
 */
#include "u_network.h"

/* ---- waiting for several things ---- */

IL_TEST_VIRTUAL(U, n407_a_select_waits_for_streams_listeners_and_time)
{
	struct pair *p = pair_open(&(il_virtual_network_options){.latency_min = IL_MSEC(10)});
	il_case cases[] = {il_case_stream(p->near, IL_READABLE), il_case_listener(p->listener)};
	il_time start = il_now();

	CHECK_RC(il_select(cases, 2, IL_MSEC(5)), -ETIMEDOUT);
	CHECK_EQ(il_now() - start, IL_MSEC(5));
	CHECK_RC(il_stream_write_all(p->far, "x", 1), 0);
	CHECK_RC(il_select(cases, 2, IL_FOREVER), 0);
	CHECK_EQ(il_now() - start, IL_MSEC(15));
	CHECK_RC(read_some(p->near), 1); /* it was not taken */
	CHECK_RC(il_stream_close(p->far), 0);
	CHECK_RC(il_select(cases, 2, IL_FOREVER), 0);
	CHECK_RC(read_some(p->near), 0);
	pair_close(p);
}

/* Streams, listeners and datagram sockets alike. */
IL_TEST_VIRTUAL(U, n407_nothing_of_it_is_in_two_cases_of_a_select)
{
	struct pair *p = pair_open(NULL);
	il_datagram *d = NULL;
	il_case kinds[3];

	CHECK_RC(il_datagram_open_udp(&d, NULL, "9", NULL), 0);
	kinds[0] = il_case_stream(p->near, IL_READABLE);
	kinds[1] = il_case_listener(p->listener);
	kinds[2] = il_case_datagram(d);
	CHECK_RC(il_stream_write_all(p->far, "x", 1), 0);
	CHECK_RC(il_select(&kinds[0], 1, IL_FOREVER), 0);
	for (int i = 0; i < 3; i++) {
		il_case three[] = {kinds[0], kinds[i], kinds[i]};
		CHECK_RC(il_select(three, 3, 0), -EBUSY);
		CHECK_RC(il_select(&three[1], 2, IL_SEC(1)), -EBUSY);
	}
	CHECK_RC(il_select(kinds, 3, 0), 0);
	il_datagram_destroy(d);
	pair_close(p);
}

IL_TEST_VIRTUAL(U, n408_an_error_that_a_select_has_met_is_still_said)
{
	struct pair *p = pair_open(NULL);
	il_case c = il_case_stream(p->near, IL_READABLE), w = il_case_stream(p->near, IL_WRITABLE);

	CHECK_RC(il_virtual_reset(p->n, "near", "far"), 0);
	CHECK_RC(il_select(&c, 1, IL_FOREVER), 0);
	CHECK_RC(il_select(&w, 1, IL_FOREVER), 0);
	CHECK_RC(read_some(p->near), -ECONNRESET);
	CHECK_DETAIL("il_stream_read");
	CHECK_RC(read_some(p->near), 0);
	pair_close(p);
}

IL_TEST_VIRTUAL(U, n407_a_cancelled_read_loses_nothing)
{
	struct pair *p = pair_open(NULL);

	for (int i = 0; i < 3; i++) {
		CHECK_RC(il_fail_after(IL_SEC(1), read_some, p->near), -ETIMEDOUT);
		CHECK_RC(il_stream_write_all(p->far, "x", 1), 0);
		CHECK_RC(read_some(p->near), 1);
	}
	pair_close(p);
}

IL_TEST_VIRTUAL(U, n407_a_cancelled_connect_leaves_nothing)
{
	il_virtual_network *n =
	    network_with(&(il_virtual_network_options){.latency_min = IL_SEC(1)});
	const il_connect_options hasty = {.timeout = IL_MSEC(1500), .local_port = "4000"};
	il_listener *l;
	il_stream *s = NULL;
	int busy = 0;

	host(n, "far", echo_server, NULL);
	for (int i = 0; i < 3; i++) /* the port is free again each time */
		CHECK_RC(il_stream_connect_tcp(&s, "far", "7", &hasty), -ETIMEDOUT);
	CHECK(!s);
	CHECK_RC(il_listener_open_tcp(&l, NULL, "4000", NULL), 0);
	il_listener_destroy(l);
	CHECK_EQ(busy, 0);
	CHECK_RC(il_virtual_network_close(n), 0);
}

/* ---- several addresses ---- */

static int connect_db(void *arg)
{
	il_stream *s;
	il_time start = il_now();
	il_address peer;
	int rc = il_stream_connect_tcp(&s, "db", "7", NULL);

	if (rc < 0)
		return rc;
	*(il_time *)arg = il_now() - start;
	CHECK_RC(il_stream_peer_address(s, &peer), 0);
	il_stream_destroy(s);
	return (int)(((const unsigned char *)&peer.storage)[7]);
}

IL_TEST_VIRTUAL(U, n405_a_connect_races_the_addresses_of_a_domain)
{
	il_virtual_network *n = network_with(NULL);
	il_time took = 0;

	host(n, "1.db", sleep_forever, NULL);
	host(n, "2.db", sleep_forever, NULL);
	host(n, "3.db", echo_server, NULL);
	CHECK_RC(il_virtual_host_crash(n, "1.db"), 0); /* silent: 250 ms; the second refuses */
	host(n, "client", connect_db, &took);
	CHECK_RC(ended(n, "client"), 4); /* 10.0.0.4 */
	CHECK_EQ(took, IL_MSEC(250));
	CHECK_RC(il_virtual_network_close(n), 0);
}

/* ---- threads and portals ---- */

struct helper {
	il_virtual_network *n;
	il_portal *portal;
	char address[IL_ADDRESS_TEXT_MAX];
};

/* Whose "localhost" is it? A listener on port 80 is the host's. */
static int listen_as_host(void *arg)
{
	il_listener *l = NULL;
	int rc = il_listener_open_tcp(&l, "localhost", "80", NULL);

	(void)arg;
	il_listener_destroy(l);
	return rc;
}

static int listen_from_thread(void *arg)
{
	return il_from_thread_run(listen_as_host, arg);
}

static int keep_port(void *arg)
{
	il_listener *l;
	int rc;

	CHECK_RC(il_listener_open_tcp(&l, "localhost", "80", NULL), 0);
	CHECK_RC(il_run_in_thread(listen_from_thread, arg), -EADDRINUSE); /* it is our host's */
	rc = il_sleep_forever();
	il_listener_destroy(l);
	return rc;
}

IL_TEST_VIRTUAL(U, n404_what_a_thread_of_a_host_runs_is_the_hosts)
{
	il_virtual_network *n = network_with(NULL);

	host(n, "a", keep_port, NULL);
	host(n, "b", listen_from_thread, NULL);
	CHECK_RC(il_sleep(IL_SEC(1)), 0);
	CHECK_RC(il_run_in_thread(listen_from_thread, NULL), 0); /* "" has it free */
	CHECK(il_virtual_host_wait(n, "b", 0) == -EPERM);        /* no thread's: a task's */
	CHECK_RC(il_virtual_network_close(n), 0);
}

/* ---- the end of the network ---- */

IL_TEST_VIRTUAL(U, n404_what_outlives_the_network_is_down)
{
	struct pair *p = pair_open(NULL);
	il_stream *near = p->near, *far = p->far, *s = NULL;
	il_listener *l;
	il_datagram *d;
	il_address address;
	char data[8];

	CHECK_RC(il_listener_open_tcp(&l, NULL, "80", NULL), 0);
	CHECK_RC(il_datagram_open_udp(&d, NULL, "80", NULL), 0);
	CHECK_RC(il_stream_write_all(far, "x", 1), 0);
	p->near = p->far = NULL;
	pair_close(p);
	CHECK_RC(il_stream_read(near, data, sizeof data), -ENETDOWN);
	CHECK_RC(il_stream_write_all(far, "x", 1), -ENETDOWN);
	CHECK_RC(il_stream_peer_address(near, &address), 0);
	CHECK_RC(il_datagram_receive(d, data, sizeof data, NULL), -ENETDOWN);
	CHECK(il_listener_accept(l, &s) < 0);
	CHECK_RC(il_listener_address(l, 0, &address), 0);
	il_stream_destroy(near);
	il_stream_destroy(far);
	il_listener_destroy(l);
	il_datagram_destroy(d);
	CHECK_RC(il_resolve("localhost", "1", IL_RESOLVE_IPV4, &address, 1), 1); /* the machine's */
}

static int leave_open(void *arg)
{
	il_virtual_network *n;
	il_datagram *d;

	(void)arg;
	CHECK_RC(
	    il_virtual_network_open(&n, &(il_virtual_network_options){.latency_min = IL_MSEC(5)}),
	    0);
	host(n, "server", echo_server, NULL);
	host(n, "client", ask_when_up, "server");
	CHECK_RC(il_virtual_hold(n, "client", "server"), 0);
	CHECK_RC(il_datagram_connect_udp(&d, "server", "9", NULL), 0);
	CHECK_RC(il_datagram_send(d, "x", 1, NULL), 0);
	CHECK_RC(il_sleep(IL_MSEC(7)), 0);
	CHECK_RC(il_datagram_send(d, "x", 1, NULL), 0);
	il_datagram_destroy(d);
	return 0;
}

IL_TEST_OWN_VIRTUAL(U, n404_the_loops_end_closes_a_network_that_is_open)
{
	il_loop *loop;

	CHECK_RC(il_loop_open(&loop, il_test_backend(), NULL), 0);
	CHECK_RC(il_loop_run(loop, leave_open, NULL), 0);
	CHECK_RC(il_loop_close(loop), 0);
	il_loop_destroy(loop);
}

IL_TEST_VIRTUAL(U, n413_chance_is_the_seeds)
{
	il_virtual_network *n = network_with(&(il_virtual_network_options){.seed = 12});
	uint64_t first = il_virtual_random(n), second = il_virtual_random(n);

	CHECK(first != second);
	CHECK_RC(il_virtual_network_close(n), 0);
	n = network_with(&(il_virtual_network_options){.seed = 12});
	CHECK(il_virtual_random(n) == first && il_virtual_random(n) == second);
	CHECK_RC(il_virtual_network_close(n), 0);
	CHECK(il_virtual_random(NULL) == 0);
}
