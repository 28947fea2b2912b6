/*
 * u_hosts.c: hosts of the simulated network: what belongs to one, power cuts and restarts, names and addresses.
 */
#include "u_network.h"

/* ---- power cuts ---- */

IL_TEST_VIRTUAL(U, n403_peers_hear_nothing_of_a_power_cut)
{
	struct pair *p = pair_open(NULL);

	CHECK_RC(il_virtual_host_crash(p->n, "far"), 0);
	CHECK_RC(il_fail_after(IL_SEC(3600), read_some, p->near), -ETIMEDOUT);
	CHECK_RC(il_stream_write_all(p->near, "x", 1), 0);
	CHECK_RC(il_fail_after(IL_SEC(60), read_some, p->near), -ETIMEDOUT);
	CHECK_RC(il_virtual_host_restart(p->n, "far"), 0);
	CHECK_RC(read_some(p->near), -ECONNRESET);
	CHECK_RC(read_some(p->near), 0);
	pair_close(p);
}

struct idle {
	int connected, disconnected;
	il_time when;
};

static int idle_connected(il_client *client, void *data)
{
	(void)client;
	((struct idle *)data)->connected++;
	return 0;
}

static void idle_disconnected(il_client *client, void *data)
{
	struct idle *idle = data;

	(void)client;
	idle->disconnected++;
	idle->when = il_now();
}

static int idle_server(void *arg)
{
	static const il_handler handler = {.handle = echo_packet,
					   .on_connection = idle_connected,
					   .on_disconnection = idle_disconnected};
	il_server *server;

	CHECK_RC(il_tcp_server_open(&server, NULL, "7", il_protocol_lines(), &handler, arg,
				    &(il_server_options){.idle_timeout = IL_SEC(30)}),
		 0);
	int rc = il_server_serve(server);
	il_server_destroy(server);
	return rc;
}

static int stay_connected(void *arg)
{
	il_stream *s;

	(void)arg;
	CHECK_RC(stream_to(&s, "server"), 0);
	int rc = il_sleep_forever();
	il_stream_destroy(s);
	return rc;
}

IL_TEST_VIRTUAL(U, n403_a_servers_idle_timeout_ends_the_client_of_a_dead_host)
{
	il_virtual_network *n = network_with(NULL);
	struct idle idle = {0, 0, 0};

	host(n, "server", idle_server, &idle);
	CHECK_RC(il_sleep(IL_MSEC(1)), 0);
	host(n, "client", stay_connected, NULL);
	CHECK_RC(il_sleep(IL_SEC(10)), 0);
	CHECK_EQ(idle.connected, 1);
	CHECK_RC(il_virtual_host_crash(n, "client"), 0);
	CHECK_RC(il_sleep(IL_SEC(19)), 0);
	CHECK_EQ(idle.disconnected, 0);
	CHECK_RC(il_sleep(IL_SEC(2)), 0);
	CHECK_EQ(idle.disconnected, 1);
	CHECK_RC(il_virtual_network_close(n), 0);
}

/* ---- what is a host's ---- */

struct life {
	int starts, ends, children;
	il_listener *listener;
};

static int life_child(void *arg)
{
	struct life *life = arg;

	life->children++;
	il_sleep_forever();
	life->children--;
	return 0;
}

static int life_main(void *arg)
{
	struct life *life = arg;
	il_listener *l;
	il_group group;

	life->starts++;
	CHECK_RC(il_listener_open_tcp(&l, NULL, "7", NULL), 0);
	CHECK_RC(il_loop_spawn(il_loop_current(), NULL, life_child, life), 0);
	CHECK_RC(il_group_open(&group), 0);
	CHECK_RC(il_group_start_soon(&group, NULL, life_child, life), 0);
	int rc = il_group_close(&group, 0);
	CHECK_RC(rc, -ECANCELED);
	CHECK_DETAIL("crashed");
	il_listener_destroy(l);
	life->ends++;
	return rc;
}

static int crash_in_callback(il_future *f, void *n)
{
	(void)f;
	CHECK_RC(il_virtual_host_crash(n, "b"), -EPERM);
	CHECK_RC(il_virtual_host_crash(n, "a"), 0); /* it is down: nothing to wait for */
	return 0;
}

IL_TEST_VIRTUAL(U, n404_a_crash_ends_all_tasks_of_its_host_and_frees_its_ports)
{
	il_virtual_network *n = network_with(NULL);
	struct life life = {.starts = 0}, other = {.starts = 0};
	il_future *f;

	host(n, "a", life_main, &life);
	host(n, "b", life_main, &other);
	CHECK_RC(il_sleep(IL_MSEC(1)), 0);
	for (int i = 1; i <= 3; i++) {
		CHECK_EQ(life.children, 2);
		CHECK_RC(il_virtual_host_crash(n, "a"), 0);
		CHECK_RC(il_virtual_host_crash(n, "a"), 0);
		CHECK_EQ(life.ends, i);
		CHECK_EQ(life.children, 0);
		CHECK_RC(ended(n, "a"), -ECANCELED);
		CHECK_RC(il_virtual_host_restart(n, "a"), 0);
		CHECK_RC(il_sleep(IL_MSEC(1)), 0);
		CHECK_EQ(life.starts, i + 1);
	}
	CHECK_EQ(other.starts, 1);
	CHECK_EQ(other.children, 2);
	CHECK_RC(il_virtual_host_crash(n, "a"), 0);
	CHECK_RC(il_future_create(&f), 0);
	CHECK_RC(il_future_on_done(f, crash_in_callback, n), 0);
	CHECK_RC(il_future_set_result(f, 0), 0);
	il_future_unref(f);
	CHECK_RC(il_virtual_network_close(n), 0);
	CHECK_EQ(life.children + other.children, 0);
}

static int crash_far(void *n)
{
	CHECK_RC(il_sleep(IL_SEC(1)), 0);
	return il_virtual_host_crash(n, "far");
}

static int crash_near(void *n)
{
	CHECK_RC(il_sleep(IL_SEC(1)), 0);
	return il_virtual_host_crash(n, "near");
}

IL_TEST_VIRTUAL(U, n404_two_hosts_may_crash_each_other)
{
	il_virtual_network *n = network_with(NULL);

	host(n, "near", crash_far, n);
	host(n, "far", crash_near, n);
	CHECK_RC(ended(n, "near"), -ECANCELED);
	CHECK_RC(ended(n, "far"), -ECANCELED);
	CHECK_RC(il_virtual_network_close(n), 0);
}

/* Sends when it is too late. */
static int say_goodbye(void *arg)
{
	struct pair *p = arg;
	il_scope shield = IL_SCOPE_INIT;
	il_datagram *d;
	il_stream *s;

	while (stream_to(&p->near, "far") < 0)
		CHECK_RC(il_sleep(IL_MSEC(1)), 0);
	CHECK_RC(il_sleep_forever(), -ECANCELED);
	CHECK_RC(il_scope_enter(&shield, IL_FOREVER, IL_SHIELD), 0);
	CHECK_RC(il_stream_write_all(p->near, "goodbye", 7), -ENETDOWN);
	CHECK_RC(il_sleep(IL_SEC(5)), 0);
	CHECK_RC(stream_to(&s, "far"), -ENETDOWN);
	CHECK_RC(il_datagram_open_udp(&d, NULL, "9", NULL), -ENETDOWN);
	CHECK_RC(il_scope_exit(&shield, 0), 0);
	return 0;
}

IL_TEST_VIRTUAL(U, n404_nothing_leaves_a_host_after_its_power_cut)
{
	struct pair *p = calloc(1, sizeof *p);
	il_time start;

	p->n = network_with(NULL);
	CHECK_RC(il_event_create(&p->both), 0);
	host(p->n, "far", pair_far, p);
	host(p->n, "near", say_goodbye, p);
	CHECK_RC(il_event_wait(p->both), 0);
	CHECK_RC(il_sleep(IL_MSEC(1)), 0);
	start = il_now();
	CHECK_RC(il_virtual_host_crash(p->n, "near"), 0);
	CHECK_EQ(il_now() - start, IL_SEC(5));
	CHECK_RC(il_fail_after(IL_SEC(60), read_some, p->far), -ETIMEDOUT);
	CHECK_RC(ended(p->n, "near"), 0);
	pair_close(p);
}

static int come_later(void *arg)
{
	(void)arg;
	TRACE("meanwhile");
	return 0;
}

static int crash_oneself(void *n)
{
	il_group g;

	CHECK_RC(il_group_open(&g), 0);
	CHECK_RC(il_group_start_soon(&g, NULL, come_later, NULL), 0);
	CHECK_RC(il_virtual_network_close(n), -EDEADLK);
	CHECK_RC(il_virtual_host_restart(n, "lemming"), -EDEADLK);
	CHECK_RC(il_virtual_host_wait(n, "lemming", 0), -EDEADLK);
	int rc = il_virtual_host_crash(n, "lemming"); /* does not wait */
	TRACE("crashed");
	return il_group_close(&g, rc);
}

IL_TEST_VIRTUAL(U, n404_a_task_may_crash_its_own_host)
{
	il_virtual_network *n = network_with(NULL);

	host(n, "lemming", crash_oneself, n);
	CHECK_RC(ended(n, "lemming"), -ECANCELED);
	CHECK_RC(il_virtual_host_restart(n, "lemming"), 0);
	CHECK_RC(ended(n, "lemming"), -ECANCELED);
	CHECK_RC(il_virtual_network_close(n), 0);
	CHECK_TRACE("crashed meanwhile crashed meanwhile");
}

static int fail_with_words(void *arg)
{
	(void)arg;
	return il_fail(-EPROTO, "the disk is full of eels");
}

IL_TEST_VIRTUAL(U, n404_what_main_returns_is_for_who_waits_for_its_host)
{
	il_virtual_network *n = network_with(NULL);

	host(n, "failing", fail_with_words, NULL);
	host(n, "sleeper", life_child, &(struct life){0});
	CHECK_RC(ended(n, "failing"), -EPROTO);
	CHECK_DETAIL("eels");
	CHECK_RC(il_virtual_host_wait(n, "sleeper", IL_SEC(1)), -ETIMEDOUT);
	CHECK_RC(il_virtual_network_close(n), 0);
}

/* ---- names ---- */

static void check_resolves(const char *name, unsigned flags, const char *text)
{
	il_address list[4];
	char room[IL_ADDRESS_TEXT_MAX] = "";

	CHECK_RC(il_resolve(name, "80", flags, list, 4), 1);
	il_address_text(&list[0], room, sizeof room);
	CHECK_STR(room, text);
}

IL_TEST_VIRTUAL(U, n405_names_are_those_of_hosts)
{
	il_virtual_network *n = network_with(NULL);
	il_address list[4];

	host(n, "server", sleep_forever, NULL);
	host(n, "1.db", sleep_forever, NULL);
	host(n, "2.db", sleep_forever, NULL);
	host(n, "indb", sleep_forever, NULL);
	host(n, "x.localhost", sleep_forever, NULL); /* no other localhost */
	for (int i = 0; i < 3; i++)
		check_resolves("server", 0, "10.0.0.2:80");
	check_resolves("SERVER", IL_RESOLVE_IPV4, "10.0.0.2:80");
	check_resolves("2.db", 0, "10.0.0.4:80");
	CHECK_RC(il_resolve("db", "80", 0, list, 4), 2);
	check_resolves("localhost", 0, "127.0.0.1:80");
	check_resolves(NULL, 0, "127.0.0.1:80");
	check_resolves(NULL, IL_RESOLVE_PASSIVE, "0.0.0.0:80");
	check_resolves("192.0.2.1", 0, "192.0.2.1:80");
	check_resolves("server.", 0, "10.0.0.2:80");
	check_resolves("2.db.", 0, "10.0.0.4:80");
	CHECK_RC(il_resolve("db.", "80", 0, list, 4), 2);
	check_resolves("Localhost.", 0, "127.0.0.1:80");
	CHECK_RC(il_resolve("server..", "80", 0, list, 4), -ENOENT);
	CHECK_RC(il_resolve(".", "80", 0, list, 4), -ENOENT);
	check_resolves("::1", 0, "[::1]:80");
	CHECK_RC(il_resolve("server", "http", 0, list, 4), 1);
	CHECK_EQ(il_address_port(&list[0]), 80);
	CHECK_RC(il_resolve("nobody", "80", 0, list, 4), -ENOENT);
	CHECK_DETAIL("nobody");
	CHECK_RC(il_resolve("server", "80", IL_RESOLVE_IPV6, list, 4), -ENOENT);
	CHECK_RC(il_resolve("server", "80", IL_RESOLVE_NUMERIC, list, 4), -ENOENT);
	CHECK_RC(il_resolve("server", "no-such-service", 0, list, 4), -ENOENT);
	CHECK_RC(il_virtual_host_crash(n, "server"), 0);
	check_resolves("server", 0, "10.0.0.2:80"); /* a name outlives a power cut */
	CHECK_RC(il_virtual_network_close(n), 0);
}

/* What the machine's resolver takes for a number, and what not, is the C library's. */
IL_TEST(U, n405_numbers_are_those_of_the_real_resolver)
{
	static const char *const good[] = {"127.1",      "127.0.1",    "0x7f.1",
					   "2130706433", "0x7f000001", "0177.0.0.1"};
	static const char *const bad[] = {"127.0.0.1.", "256.1",      "1.2.3.4.5", "127.1 ",
					  " 127.1",     "127.1 x",    "1..2",      "4294967296",
					  "::1.",       "127.0.65536"};
	il_virtual_network *n = il_test_virtual() ? network_with(NULL) : NULL;
	il_address address;

	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
		check_resolves(good[i], 0, "127.0.0.1:80");
		check_resolves(good[i], IL_RESOLVE_NUMERIC | IL_RESOLVE_IPV4, "127.0.0.1:80");
		CHECK_RC(il_resolve(good[i], "80", IL_RESOLVE_IPV6, &address, 1), -ENOENT);
	}
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		CHECK_RC(il_resolve(bad[i], "80", IL_RESOLVE_NUMERIC, &address, 1), -ENOENT);
	if (n)
		CHECK_RC(il_virtual_network_close(n), 0);
}

IL_TEST_VIRTUAL(U, n405_a_host_that_is_called_like_a_number_is_found_by_its_name)
{
	il_virtual_network *n = network_with(NULL);

	host(n, "7", sleep_forever, NULL);
	host(n, "0x8", sleep_forever, NULL);
	host(n, "10.9.9.9", sleep_forever, NULL);
	check_resolves("7", 0, "10.0.0.2:80");
	check_resolves("7.", 0, "10.0.0.2:80");
	check_resolves("7", IL_RESOLVE_NUMERIC, "0.0.0.7:80");
	check_resolves("0X8", 0, "10.0.0.3:80");
	check_resolves("8", 0, "0.0.0.8:80");
	check_resolves("10.9.9.9", 0, "10.9.9.9:80"); /* an address, whatever a host is called */
	CHECK_RC(il_virtual_network_close(n), 0);
}

IL_TEST_VIRTUAL(U, n405_an_address_of_no_host_cannot_be_reached)
{
	il_virtual_network *n = network_with(NULL);

	CHECK_RC(reach("192.0.2.1"), -EHOSTUNREACH);
	CHECK_RC(reach("10.0.0.77"), -EHOSTUNREACH);
	CHECK_RC(reach("2001:db8::1"), -ENETUNREACH);
	CHECK_RC(reach("nobody"), -ENOENT);
	CHECK_RC(il_virtual_network_close(n), 0);
}

/* ---- addresses and ports ---- */

static int listen_on(il_listener **l, const char *host, const char *port)
{
	return il_listener_open_tcp(l, host, port, NULL);
}

static int listen_everywhere(void *arg)
{
	il_listener *l, *second = NULL;
	char port[8];

	(void)arg;
	CHECK_RC(listen_on(&l, NULL, "80"), 0); /* the other host's, too */
	CHECK_RC(listen_on(&second, NULL, "80"), -EADDRINUSE);
	CHECK_RC(listen_on(&second, "127.0.0.1", "80"), -EADDRINUSE);
	CHECK_RC(listen_on(&second, "a", "80"), -EADDRNOTAVAIL);
	CHECK_DETAIL("10.0.0.2");
	il_listener_destroy(l);
	CHECK_RC(listen_on(&l, "b", "80"), 0);
	il_listener_destroy(l);
	CHECK_RC(listen_on(&l, NULL, "0"), 0);
	CHECK(il_listener_port(l) >= 32768);
	snprintf(port, sizeof port, "%u", il_listener_port(l));
	CHECK_RC(il_listener_fd(l, 0), -ENOTSUP);
	CHECK_RC(listen_on(&second, NULL, port), -EADDRINUSE);
	CHECK_RC(il_listener_open_tcp(&second, NULL, port, &(il_listen_options){.backlog = 1}),
		 -EADDRINUSE);
	il_listener_destroy(l);
	return 0;
}

static int listen_at_home(void *arg)
{
	il_listener *l;
	il_stream *here, *accepted;
	il_address address;
	char text[IL_ADDRESS_TEXT_MAX];

	(void)arg;
	CHECK_RC(listen_on(&l, "localhost", "80"), 0);
	CHECK_RC(il_stream_connect_tcp(&here, "localhost", "80",
				       &(il_connect_options){.local_port = "1234"}),
		 0);
	CHECK_RC(il_listener_accept(l, &accepted), 0);
	CHECK_RC(il_stream_peer_address(accepted, &address), 0);
	il_address_text(&address, text, sizeof text);
	CHECK_STR(text, "127.0.0.1:1234");
	CHECK_RC(il_stream_local_address(here, &address), 0);
	CHECK_EQ(il_address_port(&address), 1234);
	CHECK_RC(il_stream_peer_address(here, &address), 0);
	CHECK_EQ(il_address_port(&address), 80);
	il_stream_destroy(here);
	il_stream_destroy(accepted);
	int rc = il_sleep_forever();
	il_listener_destroy(l);
	return rc;
}

IL_TEST_VIRTUAL(U, n406_addresses_and_ports_are_each_hosts_own)
{
	il_virtual_network *n = network_with(NULL);
	il_stream *s = NULL;

	host(n, "a", listen_at_home, NULL);
	host(n, "b", listen_everywhere, NULL);
	CHECK_RC(ended(n, "b"), 0);
	CHECK_RC(il_sleep(IL_MSEC(1)), 0);
	CHECK_RC(il_stream_connect_tcp(&s, "a", "80", NULL), -ECONNREFUSED);
	CHECK_DETAIL("10.0.0.2:80");
	CHECK_RC(il_virtual_network_close(n), 0);
}
