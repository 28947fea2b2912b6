/*
 * r_udp_server_rules.c: what a UDP server has in common with other servers, and what it refuses.
 */
#include "aside.h"
#include "in_child.h"
#include "r_server.h"

#include <signal.h>

static int no_layer(il_stream **s, il_stream *under, void *self)
{
	(void)s, (void)under, (void)self;
	return -EPROTO;
}

IL_TEST_REAL(R, n347_a_udp_server_has_one_socket_and_no_layer)
{
	const struct il_layer layer = {.accept = no_layer};
	const il_server_options with_layer = {.layer = &layer};
	il_server *s = NULL;

	CHECK_RC(il_udp_server_open(&s, "127.0.0.1", "0", NULL, &echo_handler, NULL, &with_layer),
		 -EINVAL);
	CHECK(s == NULL);
	CHECK_RC(il_udp_server_open(&s, "127.0.0.1", "0", NULL, &echo_handler, NULL, NULL), 0);
	CHECK_RC(il_server_add_tcp(s, "127.0.0.1", "0"), -EINVAL);
	CHECK_RC(il_server_add_unix(s, "/tmp/il-test-never"), -EINVAL);
	CHECK(access("/tmp/il-test-never", F_OK) < 0);
	CHECK_RC(il_server_add_fd(s, 0), -EINVAL);
	il_server_destroy(s);
}

IL_TEST_REAL(R, n346_udp_servers_share_a_port_if_all_of_them_do)
{
	const il_server_options share = {.reuse_port = true};
	struct visits v = {0};
	il_server *s[2] = {NULL, NULL}, *third = NULL;
	char text[8];
	const char *port;

	CHECK_RC(il_udp_server_open(&s[0], "127.0.0.1", "0", NULL, &echo_handler, &v, &share), 0);
	port = port_text(il_server_port(s[0]), text);
	CHECK_RC(il_udp_server_open(&s[1], "127.0.0.1", port, NULL, &echo_handler, &v, &share), 0);
	CHECK_EQ(il_server_port(s[0]), il_server_port(s[1]));
	CHECK_RC(il_udp_server_open(&third, "127.0.0.1", port, NULL, &echo_handler, &v, NULL),
		 -EADDRINUSE);
	il_server_destroy(s[0]);
	il_server_destroy(s[1]);
}

/* ---- the server's own functions ---- */

struct setup {
	struct visits v;
	int inits, undone, fail;
};

static int undo_setup(void *data)
{
	((struct setup *)data)->undone++;
	return 0;
}

static int init_or_fail(il_exit_stack *stack, il_server *server, void *data)
{
	struct setup *x = data;
	int rc = il_exit_stack_push(stack, undo_setup, data);

	(void)server;
	x->inits++;
	return rc < 0 ? rc : x->fail;
}

static int echo_setup(il_client *client, void *data)
{
	return visit_echo(client, &((struct setup *)data)->v);
}

IL_TEST_REAL(R, n356_a_round_that_service_init_fails_is_undone_and_the_next_one_serves)
{
	const il_handler h = {.service_init = init_or_fail, .handle = echo_setup};
	struct setup x = {.fail = -EDOM};
	struct service s = {.server = NULL};
	il_event *up = NULL;
	il_datagram *a;

	CHECK_RC(il_event_create(&up), 0);
	CHECK_RC(il_udp_server_open(&s.server, "127.0.0.1", "0", NULL, &h, &x,
				    &(il_server_options){.is_up = up}),
		 0);
	CHECK_RC(il_server_serve(s.server), -EDOM);
	CHECK(!il_event_is_set(up));
	CHECK_EQ(x.undone, 1);
	x.fail = 0;
	service_run(&s);
	CHECK(il_event_is_set(up));
	a = udp_peer(&s);
	UDP_ASK(a, "hello", "hello");
	CHECK_RC(il_server_serve(s.server), -EBUSY);
	udp_end_with_peer(&s, a);
	CHECK_EQ(x.inits, 2);
	CHECK_EQ(x.undone, 2);
	il_event_destroy(up);
}

static int close_in_connection(il_client *client, void *data)
{
	struct visits *v = data;

	return ++v->connected < 3 ? il_client_close(client) : 0;
}

IL_TEST_REAL(R, n353_a_peer_that_on_connection_closes_is_not_handled_and_is_new_again)
{
	const il_handler h = {.on_connection = close_in_connection,
			      .handle = visit_echo,
			      .on_disconnection = visit_end};
	struct visits v = {0};
	struct service s;
	il_datagram *a;

	a = udp_start_with_peer(&s, &h, &v, NULL, NULL);
	udp_say(a, "1");
	UNTIL(v.disconnected == 1);
	udp_say(a, "2");
	UNTIL(v.disconnected == 2);
	UDP_ASK(a, "3", "3");
	CHECK_EQ(v.connected, 3);
	CHECK_EQ(v.handled, 1);
	CHECK_LOGGED(IL_LOG_ERROR, "", 0);
	udp_end_with_peer(&s, a);
	CHECK_EQ(v.disconnected, 3);
}

struct quitter {
	struct visits v;
	il_event *wake;
};

static int close_and_wait(il_client *client, void *data)
{
	struct quitter *q = data;

	if (q->v.handled++)
		return plain_echo(client, NULL);
	CHECK_RC(il_client_close(client), 0);
	return il_event_wait(q->wake);
}

IL_TEST_REAL(R, n353_what_comes_after_a_close_is_a_new_clients)
{
	const il_handler h = {.handle = close_and_wait};
	struct quitter q = {.v = {0}};
	struct service s;
	il_datagram *a, *b;

	CHECK_RC(il_event_create(&q.wake), 0);
	a = udp_start_with_peer(&s, &h, &q, NULL, NULL);
	udp_say(a, "1");
	UNTIL(q.v.handled == 1);
	udp_say(a, "2");
	b = udp_peer(&s);
	UDP_ASK(b, "by then 2 has come", "by then 2 has come");
	CHECK_RC(il_event_set(q.wake), 0);
	udp_hear(a, "2");
	il_datagram_destroy(b);
	udp_end_with_peer(&s, a);
	il_event_destroy(q.wake);
}

/* ---- a peer's client ---- */

static il_local number_key;
static int numbers[2] = {1, 2};

static int number_peer(il_client *client, void *data)
{
	struct visits *v = data;

	CHECK(il_local_get(&number_key) == NULL);
	CHECK_RC(il_local_set(&number_key, &numbers[v->connected]), 0);
	il_client_set_data(client, &numbers[v->connected]);
	v->connected++;
	return 0;
}

static int tell_number(il_client *client, void *data)
{
	il_packet p;
	int rc = visit_receive(client, data, &p, IL_FOREVER);

	if (rc <= 0)
		return rc;
	CHECK(il_local_get(&number_key) == il_client_data(client));
	return il_client_printf(client, "%d", *(int *)il_local_get(&number_key));
}

IL_TEST_REAL(R, n347_locals_and_data_are_a_peers_own)
{
	const il_handler h = {.on_connection = number_peer, .handle = tell_number};
	struct visits v = {0};
	struct service s;
	il_datagram *a, *b;

	a = udp_start_with_peer(&s, &h, &v, NULL, NULL);
	b = udp_peer(&s);
	UDP_ASK(a, "?", "1");
	UDP_ASK(b, "?", "2");
	UDP_ASK(a, "?", "1");
	il_datagram_destroy(a);
	udp_end_with_peer(&s, b);
}

static int set_number(il_exit_stack *stack, il_server *server, void *data)
{
	(void)stack, (void)server, (void)data;
	return il_local_set(&number_key, &numbers[0]);
}

static int work_and_fail(il_client *client, void *data)
{
	struct work *w = data;
	il_packet p;
	int rc;

	CHECK(il_local_get(&number_key) == &numbers[0]);
	rc = visit_receive(client, &w->v, &p, IL_FOREVER);
	if (rc <= 0)
		return rc;
	if (packet_is(&p, "last"))
		return reply(client, "served");
	w->inside++;
	rc = il_event_wait(w->wake);
	return rc < 0 ? rc : -EDOM;
}

/* Also a client that begins where another one of its peer ends. */
IL_TEST_REAL(R, n347_each_client_inherits_the_locals_of_its_server)
{
	const il_handler h = {.service_init = set_number, .handle = work_and_fail};
	struct work w = {.wake = NULL};
	struct service s;
	il_datagram *a, *b;

	CHECK_RC(il_event_create(&w.wake), 0);
	a = udp_start_with_peer(&s, &h, &w, NULL, NULL);
	b = udp_peer(&s);
	udp_say(a, "work");
	UNTIL(w.inside == 1);
	udp_say(a, "last");
	UDP_ASK(b, "last", "served");
	CHECK_RC(il_event_set(w.wake), 0);
	udp_hear(a, "served");
	il_datagram_destroy(b);
	udp_end_with_peer(&s, a);
	il_event_destroy(w.wake);
}

struct limited {
	struct visits v;
	int timeouts, refused;
};

static int receive_beside(void *client)
{
	il_packet p;

	return il_client_receive(client, &p, IL_FOREVER);
}

/* Time limits, a second receiver, and an end that another task makes. */
static int try_receives(il_client *client, void *data)
{
	struct limited *x = data;
	il_future *f = NULL;
	il_packet p;
	int rc = visit_receive(client, &x->v, &p, IL_FOREVER);

	if (rc <= 0)
		return rc;
	x->timeouts += il_client_receive(client, &p, 0) == -ETIMEDOUT;
	x->timeouts += il_client_receive(client, &p, IL_MSEC(2)) == -ETIMEDOUT;
	CHECK_RC(il_client_receive(client, &p, -1), -EINVAL);
	CHECK_RC(il_loop_spawn(il_loop_current(), &f, receive_beside, client), 0);
	for (int i = 0; i < 5; i++)
		CHECK_RC(il_yield(), 0);
	x->refused = il_client_receive(client, &p, IL_FOREVER);
	CHECK_RC(reply(client, "tried"), 0);
	CHECK_RC(il_client_close(client), 0);
	CHECK_RC(il_future_result(f, IL_FOREVER), -EBADF);
	il_future_unref(f);
	return 0;
}

IL_TEST_REAL(R, n348_a_receive_has_a_time_limit_and_one_receiver)
{
	const il_handler h = {.handle = try_receives};
	struct limited x = {.timeouts = 0};
	struct service s;
	il_datagram *a;

	a = udp_start_with_peer(&s, &h, &x, NULL, NULL);
	UDP_ASK(a, "one", "tried");
	UNTIL(il_server_clients(s.server) == 0);
	CHECK_EQ(x.timeouts, 2);
	CHECK_RC(x.refused, -EBUSY);
	CHECK_LOGGED(IL_LOG_ERROR, "", 0);
	UDP_ASK(a, "two", "tried");
	udp_end_with_peer(&s, a);
}

static int use_elsewhere(void *client)
{
	il_packet p;

	CHECK_RC(il_client_receive(client, &p, 0), -EPERM);
	CHECK_RC(il_client_send(client, "x", 1), -EPERM);
	CHECK_RC(il_client_close(client), -EPERM);
	CHECK_RC(il_client_finish(client, 0), -EPERM);
	return 0;
}

static int use_inherited(void *arg)
{
	il_client *client = arg;
	il_packet p;

	CHILD_CHECK(il_client_receive(client, &p, 0) == -ESHUTDOWN);
	CHILD_CHECK(il_client_send(client, "x", 1) == -ESHUTDOWN);
	CHILD_CHECK(il_client_close(client) == -ESHUTDOWN);
	il_server_destroy(il_client_server(client));
	return 0;
}

IL_TEST_REAL(R, n347_a_peers_client_belongs_to_its_thread_and_process)
{
	struct visits v = {0};
	struct service s;
	il_datagram *a;

	a = udp_start_with_peer(&s, &echo_handler, &v, NULL, NULL);
	UDP_ASK(a, "hello", "hello");
	CHECK_RC(il_test_aside(use_elsewhere, v.client), 0);
	CHECK_IN_CHILD(use_inherited, v.client);
	UDP_ASK(a, "still here", "still here");
	CHECK_EQ(v.connected, 1);
	udp_end_with_peer(&s, a);
}

/* ---- who makes room ---- */

static int first_and_second(il_client *client, void *data)
{
	il_packet p;
	int rc = visit_receive(client, data, &p, IL_FOREVER);

	if (rc == 1)
		rc = reply(client, "and?");
	if (rc == 0)
		rc = visit_receive(client, data, &p, IL_FOREVER);
	return rc <= 0 ? rc : reply(client, "done");
}

IL_TEST_REAL(R, n351_a_peer_in_its_second_receive_is_at_work)
{
	const il_handler h = handler_with(first_and_second);
	const il_server_options o = {.max_clients = 1};
	struct visits v = {0};
	struct service s;
	il_datagram *a, *b;

	a = udp_start_with_peer(&s, &h, &v, NULL, &o);
	b = udp_peer(&s);
	UDP_ASK(a, "1", "and?");
	udp_say(b, "dropped");
	UNTIL(udp_statistics(&s).dropped_datagrams == 1);
	CHECK_EQ(v.connected, 1);
	UDP_ASK(a, "2", "done");
	UDP_ASK(b, "1", "and?"); /* now it is idle, and makes room */
	CHECK_EQ(v.connected, 2);
	CHECK_EQ(udp_statistics(&s).dropped_peers, 1);
	il_datagram_destroy(a);
	udp_end_with_peer(&s, b);
}

IL_TEST_REAL(R, n352_without_a_limit_a_silent_peer_stays)
{
	const il_server_options o = {.idle_timeout = IL_FOREVER,
				     .max_clients = SIZE_MAX,
				     .peer_queue = SIZE_MAX,
				     .max_packet = SIZE_MAX};
	struct visits v = {0};
	struct service s;
	il_datagram *a;

	a = udp_start_with_peer(&s, &echo_handler, &v, NULL, &o);
	UDP_ASK(a, "one", "one");
	CHECK_RC(il_sleep(IL_MSEC(20)), 0);
	UDP_ASK(a, "two", "two");
	CHECK_EQ(v.connected, 1);
	udp_end_with_peer(&s, a);
}

/* ---- its end ---- */

static int sleep_for_ever(il_client *client, void *data)
{
	il_packet p;
	int rc = visit_receive(client, data, &p, IL_FOREVER);

	return rc <= 0 ? rc : il_sleep_forever();
}

IL_TEST_REAL(R, n356_a_cancelled_scope_ends_it_as_a_shutdown_does)
{
	const il_handler h = handler_with(sleep_for_ever);
	struct visits v = {0};
	struct service s;
	il_datagram *a, *b;

	a = udp_start_with_peer(&s, &h, &v, NULL, NULL);
	b = udp_peer(&s);
	udp_say(a, "work");
	UNTIL(v.handled == 1);
	CHECK(il_future_cancel(s.serving));
	CHECK_RC(service_result(&s), -ECANCELED);
	CHECK_EQ(v.disconnected, v.connected);
	il_datagram_destroy(a);
	il_datagram_destroy(b);
	il_server_destroy(s.server);
}

IL_TEST_REAL(R, n356_a_signal_stops_it)
{
	const il_server_options o = {.stop_at_signals = true};
	struct visits v = {0};
	struct service s;
	il_datagram *a;

	a = udp_start_with_peer(&s, &echo_handler, &v, NULL, &o);
	UDP_ASK(a, "hello", "hello");
	CHECK_EQ(kill(getpid(), SIGTERM), 0);
	CHECK_RC(service_result(&s), 0);
	CHECK_EQ(v.disconnected, 1);
	il_datagram_destroy(a);
	il_server_destroy(s.server);
}
